/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGN payload (RFC 3830 s.6.5): over the whole message but the signature
 * itself; in an answer also over both names and the time (s.5.2).
 */
#include "mikey/internal.h"

int mu_mikey_sign_put(const struct mu_mikey_pk *pk,
                      const struct mu_mikey_session *s, bool answer,
                      struct mu_mikey_writer *m)
{
    static const uint8_t empty[512];
    struct mu_bytes parts[MU_MIKEY_BOUND];
    uint8_t t[8];
    size_t at;
    int rc;

    if (pk->signature_len == 0 || pk->signature_len > sizeof empty)
        return MU_ERR_USAGE;
    mu_mikey_put(m, &(struct mu_mikey_payload){
                        .type = MU_MIKEY_SIGN,
                        .sign = {s->scheme,
                                 mu_bytes(empty, pk->signature_len)}});
    rc = mu_writer_end(m->w);
    if (rc != 0)
        return rc;
    at = m->w->len - pk->signature_len;
    mu_mikey_bound(s, t, parts);
    parts[0] = mu_bytes(m->w->data + m->start, at - m->start);
    return pk->sign(pk->ctx, s->scheme, parts, answer ? MU_MIKEY_BOUND : 1,
                    m->w->data + at, pk->signature_len);
}

int mu_mikey_sign_check(const struct mu_mikey_pk *pk,
                        const struct mu_mikey_policy *policy,
                        const struct mu_mikey_session *s, bool answer,
                        const struct mu_mikey_name *who,
                        const struct mu_mikey_message *m)
{
    const struct mu_mikey_payload *p = m->sign;
    const struct mu_bytes cert =
        m->certs_len > 0 ? m->certs[0].cert.data : policy->peer_cert;
    struct mu_bytes parts[MU_MIKEY_BOUND];
    uint8_t t[8];
    int rc;

    if (p->sign.scheme >= 8 || (policy->schemes >> p->sign.scheme & 1) == 0)
        return MU_ERR_FORBIDDEN;
    /* A certificate proves nothing without a name to look for in it. */
    if (cert.len == 0 || who->len == 0)
        return MU_ERR_UNKNOWN_PEER;
    if (m->certs_len > 0 && m->certs[0].cert.type != MU_MIKEY_X509 &&
        m->certs[0].cert.type != MU_MIKEY_X509_SIGN)
        return MU_ERR_UNSUPPORTED;
    rc = pk->trust(pk->ctx, cert, who);
    if (rc != 0)
        return rc;
    mu_mikey_bound(s, t, parts);
    parts[0] = mu_bytes(m->in.data, m->in.len - p->sign.signature.len);
    return pk->verify(pk->ctx, p->sign.scheme, cert, parts,
                      answer ? MU_MIKEY_BOUND : 1, p->sign.signature);
}
