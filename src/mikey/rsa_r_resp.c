/* SPDX-License-Identifier: Apache-2.0 */
/* RSA-R, the Responder's message, RFC 4738 s.4.2:
 * HDR, T, [IDr|CERTr], {SP}, KEMAC, PKE, SIGNr. It brings the keys. */
#include "mikey/internal.h"

int mu_mikey_rsa_r_resp_create(const struct mu_crypto *c,
                               const struct mu_mikey_pk *pk,
                               struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_mikey_writer m;
    int rc;

    if (s->header.type != MU_MIKEY_RSA_R_INIT || s->idr.len == 0 ||
        s->peer_cert.len == 0 || s->keys_len == 0)
        return MU_ERR_USAGE;
    m = mu_mikey_put_answer(s, MU_MIKEY_RSA_R_RESP, w);
    if (s->send_cert)
        mu_mikey_put_cert(&m, pk->cert);
    else
        mu_mikey_put_name(&m, &s->idr);
    s->send_hash = false; /* the Initiator said which one itself */
    rc = mu_mikey_envelope_put(c, pk, s, &s->idr, &m);
    if (rc == 0)
        rc = mu_mikey_sign_put(pk, s, true, &m);
    return rc != 0 ? rc : mu_writer_end(w);
}

static int resp_open(const struct mu_crypto *c, const struct mu_mikey_pk *pk,
                     const struct mu_mikey_policy *policy,
                     const struct mu_mikey_message *m,
                     struct mu_mikey_session *s)
{
    const uint8_t encr = m->kemac->kemac.encr;
    const uint8_t mac = m->kemac->kemac.mac_alg;
    struct mu_mikey_name inner = {.len = 0};
    int rc;

    if (m->sps_len > 0)
        return MU_ERR_UNSUPPORTED; /* the policies are the Initiator's */
    if ((policy->encr >> encr & 1) == 0 || (policy->mac >> mac & 1) == 0)
        return MU_ERR_FORBIDDEN;
    rc = mu_mikey_sign_check(pk, policy, s, true, &s->idr, m);
    if (rc != 0)
        return rc;
    s->encr = encr;
    s->mac = mac;
    s->keys_len = 0;
    rc = mu_mikey_envelope_open(c, pk, s, &inner, m);
    if (rc == 0 && (inner.type != s->idr.type ||
                    !mu_bytes_eq(mu_mikey_name_view(&inner),
                                 mu_mikey_name_view(&s->idr))))
        rc = MU_ERR_UNKNOWN_PEER;
    if (rc != 0)
        s->keys_len = 0;
    return rc;
}

int mu_mikey_rsa_r_resp_consume(const struct mu_crypto *c,
                                const struct mu_mikey_pk *pk,
                                const struct mu_mikey_policy *policy,
                                struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    int rc;

    if (s->header.type != MU_MIKEY_RSA_R_INIT || s->keys_len > 0)
        return MU_ERR_UNEXPECTED;
    rc = mu_mikey_answer(s, MU_MIKEY_RSA_R_RESP, in, &m);
    return rc != 0 ? rc : resp_open(c, pk, policy, &m, s);
}
