/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verification message of the pre-shared key and the public key method,
 * RFC 3830 s.3.1, 3.2, 6.9: HDR, T, [IDr], V. It shows the Initiator that the
 * Responder has the keys; it is bound to both names and the time (s.5.2).
 */
#include "mikey/internal.h"

static enum mu_mikey_type verify_type(const struct mu_mikey_session *s)
{
    return s->header.type == MU_MIKEY_PSK_INIT ? MU_MIKEY_PSK_VERIFY
                                               : MU_MIKEY_PK_VERIFY;
}

static bool verify_wanted(const struct mu_mikey_session *s)
{
    return s->header.verify && mu_secret_is_set(&s->auth) &&
           (s->header.type == MU_MIKEY_PSK_INIT ||
            s->header.type == MU_MIKEY_PK_INIT);
}

int mu_mikey_verify_create(const struct mu_crypto *c,
                           const struct mu_mikey_session *s,
                           struct mu_writer *w)
{
    static const uint8_t no_mac[MU_MIKEY_MAC_MAX];
    const int mac_len = mu_mikey_mac_len(s->mac);
    uint8_t mac[MU_MIKEY_MAC_MAX];
    uint8_t t[8];
    struct mu_bytes parts[MU_MIKEY_BOUND];
    struct mu_mikey_writer m;
    int rc;

    if (!verify_wanted(s))
        return MU_ERR_UNEXPECTED;
    if (mac_len < 0)
        return MU_ERR_UNSUPPORTED;
    m = mu_mikey_put_answer(s, verify_type(s), w);
    mu_mikey_put_name(&m, &s->idr);
    mu_mikey_put(&m, &(struct mu_mikey_payload){
                         .type = MU_MIKEY_V,
                         .v = {s->mac, mu_bytes(no_mac, (size_t)mac_len)}});
    rc = mu_writer_end(w);
    if (rc != 0)
        return rc;
    mu_mikey_bound(s, t, parts);
    parts[0] = mu_mikey_made(&m);
    parts[0].len -= (size_t)mac_len;
    rc = mu_mikey_mac(c, &s->auth, s->mac, parts, MU_MIKEY_BOUND, mac);
    if (rc == 0)
        mu_copy(w->data + w->len - mac_len, mac, (size_t)mac_len);
    return rc;
}

int mu_mikey_verify_consume(const struct mu_crypto *c,
                            const struct mu_mikey_session *s,
                            struct mu_bytes in)
{
    struct mu_mikey_message m;
    uint8_t t[8];
    struct mu_bytes parts[MU_MIKEY_BOUND];
    int rc;

    if (!verify_wanted(s))
        return MU_ERR_UNEXPECTED;
    rc = mu_mikey_answer(s, verify_type(s), in, &m);
    if (rc != 0)
        return rc;
    /* s.5.3: the algorithm of the first message, not one of the answer's. */
    if (m.v->v.mac_alg != s->mac)
        return MU_ERR_FORBIDDEN;
    mu_mikey_bound(s, t, parts);
    parts[0] = mu_bytes(in.data, in.len - m.v->v.mac.len);
    return mu_mikey_mac_check(c, &s->auth, s->mac, parts, MU_MIKEY_BOUND,
                              m.v->v.mac);
}
