/* SPDX-License-Identifier: Apache-2.0 */
/* Signed Diffie-Hellman, the Responder's message, RFC 3830 s.3.3:
 * HDR, T, [IDr|CERTr], IDi, DHr, DHi, SIGNr. */
#include "mikey/internal.h"

int mu_mikey_dh_resp_create(const struct mu_mikey_pk *pk,
                            struct mu_mikey_session *s, struct mu_writer *w)
{
    uint8_t gx[MU_MIKEY_DH_MAX];
    struct mu_mikey_writer m;
    int rc;

    if (s->header.type != MU_MIKEY_DH_INIT || s->idr.len == 0)
        return MU_ERR_USAGE;
    rc = mu_mikey_dh_respond(pk, s, gx);
    if (rc != 0)
        return rc;
    m = mu_mikey_put_answer(s, MU_MIKEY_DH_RESP, w);
    if (s->send_cert)
        mu_mikey_put_cert(&m, pk->cert);
    else
        mu_mikey_put_name(&m, &s->idr);
    mu_mikey_put_name(&m, &s->idi);
    mu_mikey_put_dh(&m, s->group, gx);
    mu_mikey_put_dh(&m, s->group, s->dh_i);
    rc = mu_mikey_sign_put(pk, s, true, &m);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_dh_resp_consume(const struct mu_mikey_pk *pk,
                             const struct mu_mikey_policy *policy,
                             struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    int rc;

    if (s->header.type != MU_MIKEY_DH_INIT || s->keys_len > 0)
        return MU_ERR_UNEXPECTED;
    rc = mu_mikey_answer(s, MU_MIKEY_DH_RESP, in, &m);
    if (rc == 0)
        rc = mu_mikey_dh_same(s, &m);
    if (rc == 0)
        rc = mu_mikey_sign_check(pk, policy, s, true, &s->idr, &m);
    if (rc == 0)
        rc = mu_mikey_dh_tgk(pk, s, s->x, m.dh->dh.value.data);
    if (rc == 0)
        mu_wipe(s->x, sizeof s->x);
    return rc;
}
