/* SPDX-License-Identifier: Apache-2.0 */
/* The error message, RFC 3830 s.5.1.2: HDR, T, {ERR}, [V]. */
#include "mikey/internal.h"

int mu_mikey_error_create(const struct mu_crypto *c,
                          const struct mu_mikey_session *s, uint8_t number,
                          struct mu_writer *w)
{
    static const uint8_t no_mac[MU_MIKEY_MAC_MAX];
    const int mac_len = mu_mikey_mac_len(s->mac);
    uint8_t mac[MU_MIKEY_MAC_MAX];
    struct mu_bytes text;
    struct mu_mikey_writer m = mu_mikey_put_answer(s, MU_MIKEY_ERROR, w);
    int rc;

    mu_mikey_put(&m, &(struct mu_mikey_payload){.type = MU_MIKEY_ERR,
                                                .err = {number}});
    if (!mu_secret_is_set(&s->auth) || mac_len <= 0)
        return mu_writer_end(w);
    mu_mikey_put(&m, &(struct mu_mikey_payload){
                         .type = MU_MIKEY_V,
                         .v = {s->mac, mu_bytes(no_mac, (size_t)mac_len)}});
    rc = mu_writer_end(w);
    if (rc != 0)
        return rc;
    text = mu_mikey_made(&m);
    text.len -= (size_t)mac_len;
    rc = mu_mikey_mac(c, &s->auth, s->mac, &text, 1, mac);
    if (rc == 0)
        mu_copy(w->data + w->len - mac_len, mac, (size_t)mac_len);
    return rc;
}

int mu_mikey_error_consume(const struct mu_crypto *c,
                           const struct mu_mikey_session *s,
                           struct mu_bytes in, uint8_t *number, bool *proved)
{
    struct mu_mikey_message m;
    struct mu_bytes text;
    int rc = mu_mikey_answer(s, MU_MIKEY_ERROR, in, &m);

    *proved = false;
    *number = MU_MIKEY_E_OTHER;
    if (rc != 0)
        return rc;
    if (m.v != NULL && mu_secret_is_set(&s->auth)) {
        /* Behind a V nothing may come, and it has to be of our algorithm. */
        if (m.v->v.mac_alg != s->mac || s->mac == MU_MIKEY_MAC_NULL ||
            m.v != &m.payloads[m.payloads_len - 1])
            return MU_ERR_FORBIDDEN;
        text = mu_bytes(in.data, in.len - m.v->v.mac.len);
        rc = mu_mikey_mac_check(c, &s->auth, s->mac, &text, 1, m.v->v.mac);
        if (rc != 0)
            return rc;
        *proved = true;
    }
    *number = m.errs->err.number;
    return 0;
}
