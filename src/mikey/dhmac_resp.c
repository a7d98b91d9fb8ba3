/* SPDX-License-Identifier: Apache-2.0 */
/* DHHMAC, the Responder's message, RFC 4650 s.3.1:
 * HDR, T, [IDr], IDi, DHr, DHi, KEMAC. */
#include "mikey/internal.h"

int mu_mikey_dhmac_resp_create(const struct mu_crypto *c,
                               const struct mu_mikey_pk *pk,
                               struct mu_mikey_session *s, struct mu_writer *w)
{
    /* Only the MAC key is used; a session with keys would send them. */
    struct mu_mikey_msg_keys k = {.auth = s->auth};
    uint8_t gx[MU_MIKEY_DH_MAX];
    struct mu_mikey_writer m;
    uint8_t keys;
    int rc;

    if (s->header.type != MU_MIKEY_DHMAC_INIT || s->idi.len == 0)
        return MU_ERR_USAGE;
    rc = mu_mikey_dh_respond(pk, s, gx);
    if (rc == 0) {
        m = mu_mikey_put_answer(s, MU_MIKEY_DHMAC_RESP, w);
        mu_mikey_put_name(&m, &s->idr);
        mu_mikey_put_name(&m, &s->idi);
        mu_mikey_put_dh(&m, s->group, gx);
        mu_mikey_put_dh(&m, s->group, s->dh_i);
        keys = s->keys_len;
        s->keys_len = 0;
        rc = mu_mikey_kemac_put(c, s, &k, NULL, MU_COVER_ANSWER, &m);
        s->keys_len = keys;
    }
    mu_mikey_msg_keys_clear(&k);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_dhmac_resp_consume(const struct mu_crypto *c,
                                const struct mu_mikey_pk *pk,
                                struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_msg_keys k = {.auth = s->auth};
    struct mu_mikey_message m;
    int rc;

    if (s->header.type != MU_MIKEY_DHMAC_INIT || s->keys_len > 0)
        return MU_ERR_UNEXPECTED;
    rc = mu_mikey_answer(s, MU_MIKEY_DHMAC_RESP, in, &m);
    if (rc == 0 && m.kemac->kemac.data.len > 0)
        rc = MU_ERR_MALFORMED;
    if (rc == 0 && (m.kemac->kemac.mac_alg != s->mac ||
                    m.kemac->kemac.encr != MU_MIKEY_ENCR_NULL))
        rc = MU_ERR_FORBIDDEN;
    if (rc == 0)
        rc = mu_mikey_dh_same(s, &m);
    if (rc == 0)
        rc = mu_mikey_kemac_check(c, s, &k, MU_COVER_ANSWER, &m);
    if (rc == 0)
        rc = mu_mikey_dh_tgk(pk, s, s->x, m.dh->dh.value.data);
    if (rc == 0)
        mu_wipe(s->x, sizeof s->x);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}
