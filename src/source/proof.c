/* SPDX-License-Identifier: Apache-2.0 */
/* What starts a scheme: a COSE_Sign1 by the server, or a COSE_Mac0. */
#include "muster/source.h"

#include "muster/cose.h"

static struct mu_cose_args proof_args(const struct mu_source_proof *p,
                                      const char *aad)
{
    return (struct mu_cose_args){
        .alg = p->signer != NULL ? p->signer->alg : MU_ALG_HMAC256,
        .external_aad = mu_bytes_str(aad),
    };
}

int mu_source_proof_create(const struct mu_source_proof *p, const char *aad,
                           struct mu_bytes payload, struct mu_writer *w)
{
    struct mu_cose_args args = proof_args(p, aad);

    args.payload = payload;
    if (p->signer != NULL)
        return mu_cose_sign1_create(p->crypto, &args, &p->signer->priv, w);
    if (p->key == NULL)
        return MU_ERR_USAGE;
    return mu_cose_mac0_create(p->crypto, &args, p->key, w);
}

int mu_source_proof_consume(const struct mu_source_proof *p, const char *aad,
                            struct mu_bytes object, struct mu_bytes *payload)
{
    struct mu_cose_args args = proof_args(p, aad);

    if (p->signer != NULL)
        return mu_cose_sign1_consume(
            p->crypto, &args, mu_bytes(p->signer->pub, p->signer->pub_len),
            object, payload);
    if (p->key == NULL)
        return MU_ERR_UNKNOWN_KEY;
    return mu_cose_mac0_consume(p->crypto, &args, p->key, object, payload);
}
