/* SPDX-License-Identifier: Apache-2.0 */
/* The back end's table, errors and randomness. */
#include "crypto_psa/crypto_psa.h"

#include "crypto_psa/internal.h"

int mu_psa_error(psa_status_t status)
{
    switch (status) {
    case PSA_SUCCESS:
        return 0;
    case PSA_ERROR_INVALID_SIGNATURE:
        return MU_ERR_AUTH;
    case PSA_ERROR_NOT_SUPPORTED:
        return MU_ERR_UNSUPPORTED;
    default:
        return MU_ERR_CRYPTO;
    }
}

static int psa_table_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    return mu_psa_error(psa_generate_random(out, len));
}

static const struct mu_crypto psa_table = {
    .name = "psa",
    .random = psa_table_random,
    .sha256_init = mu_psa_sha256_init,
    .sha256_update = mu_psa_sha256_update,
    .sha256_final = mu_psa_sha256_final,
    .hmac_sha256 = mu_psa_hmac_sha256,
    .hmac_sha1 = mu_psa_hmac_sha1,
    .seal = mu_psa_seal,
    .open = mu_psa_open,
    .aes_ctr = mu_psa_aes_ctr,
    .aes_encrypt = mu_psa_aes_encrypt,
    .aes_decrypt = mu_psa_aes_decrypt,
    .keypair = mu_psa_keypair,
    .sign = mu_psa_sign,
    .verify = mu_psa_verify,
    .agree = mu_psa_agree,
};

const struct mu_crypto *mu_crypto_psa(void)
{
    /* Harmless when it has been called before. */
    return psa_crypto_init() == PSA_SUCCESS ? &psa_table : NULL;
}
