/* SPDX-License-Identifier: Apache-2.0 */
/* The back end's table, and the one-time set-up behind it. */
#include "crypto_openssl/crypto_openssl.h"

#include <limits.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "crypto_openssl/internal.h"

static int ossl_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    if (len > INT_MAX)
        return MU_ERR_TOO_LARGE;
    return RAND_bytes(out, (int)len) == 1 ? 0 : MU_ERR_CRYPTO;
}

static struct mu_crypto ossl_table = {
    .name = "openssl",
    .random = ossl_random,
    .sha256_init = mu_ossl_sha256_init,
    .sha256_update = mu_ossl_sha256_update,
    .sha256_final = mu_ossl_sha256_final,
    .hmac_sha256 = mu_ossl_hmac_sha256,
    .hmac_sha1 = mu_ossl_hmac_sha1,
    .seal = mu_ossl_seal,
    .open = mu_ossl_open,
    .aes_ctr = mu_ossl_aes_ctr,
    .aes_encrypt = mu_ossl_aes_encrypt,
    .aes_decrypt = mu_ossl_aes_decrypt,
    .keypair = mu_ossl_keypair,
    .sign = mu_ossl_sign,
    .verify = mu_ossl_verify,
    .agree = mu_ossl_agree,
};

static pthread_once_t ossl_once = PTHREAD_ONCE_INIT;
static bool ossl_ready;

static void ossl_setup(void)
{
    mu_ossl_gf_setup();
    ossl_table.gf_sum = mu_ossl_gf_way(0);
    ossl_ready = mu_ossl_cipher_setup();
}

const struct mu_crypto *mu_crypto_openssl(void)
{
    if (pthread_once(&ossl_once, ossl_setup) != 0 || !ossl_ready)
        return NULL;
    return &ossl_table;
}
