/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Sign1: one signature over one payload (RFC 9052 s.4.2, s.4.4). */
#include "wire/cose.h"

static bool sign1_has(enum mu_alg alg)
{
    return alg == MU_ALG_ES256 || alg == MU_ALG_EDDSA;
}

int mu_cose_sign1_create(const struct mu_crypto *c,
                         const struct mu_cose_args *a,
                         const struct mu_secret *priv, struct mu_writer *w)
{
    struct mu_writer draft = *w;
    struct cose_header header;
    struct cose_parts signed_parts;

    if (!sign1_has(a->alg))
        return MU_ERR_UNSUPPORTED;
    cose_header_make(&header, a->alg);
    cose_head_put(&draft, MU_COSE_SIGN1, 4, &header, a->kid,
                  mu_bytes(NULL, 0));
    cose_payload_put(&draft, a);
    mu_cbor_put_bstr_head(&draft, MU_SIGNATURE_LEN);
    uint8_t *signature = mu_write_room(&draft, MU_SIGNATURE_LEN);
    if (signature == NULL)
        return MU_ERR_NO_SPACE;
    cose_parts_make(&signed_parts, "Signature1", cose_header_view(&header),
                    a->external_aad, a->payload);
    int rc = c->sign(c->ctx, a->alg, priv, signed_parts.parts, COSE_PARTS,
                     signature);
    if (rc == 0)
        *w = draft;
    return rc;
}

int mu_cose_sign1_consume(const struct mu_crypto *c,
                          const struct mu_cose_args *a, struct mu_bytes pub,
                          struct mu_bytes in, struct mu_bytes *payload)
{
    struct mu_cose m;
    struct cose_parts signed_parts;

    *payload = mu_bytes(NULL, 0);
    if (!sign1_has(a->alg))
        return MU_ERR_UNSUPPORTED;
    int rc = cose_open(in, MU_COSE_SIGN1, a, &m);
    if (rc != 0)
        return rc;
    if (m.proof.len != MU_SIGNATURE_LEN)
        return MU_ERR_MALFORMED;
    struct mu_bytes content = a->detached ? a->payload : m.content;
    cose_parts_make(&signed_parts, "Signature1", m.protected_header,
                    a->external_aad, content);
    rc = c->verify(c->ctx, a->alg, pub, signed_parts.parts, COSE_PARTS,
                   m.proof.data);
    if (rc == 0)
        *payload = content;
    return rc;
}
