/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256, SHA-1 and HMAC. These use the low-level calls that OpenSSL 3 calls
 * deprecated: the state then lives in the caller's struct, nothing is fetched
 * or allocated per call, and a hash of one packet costs the bare hash.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto_openssl/internal.h"

#include <openssl/sha.h>

#include "muster/crypto_hmac.h"

_Static_assert(sizeof(SHA256_CTX) <= MU_SHA256_STATE, "SHA-256 state fits");
_Static_assert(sizeof(SHA_CTX) <= MU_SHA256_STATE, "SHA-1 state fits");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct mu_sha256), "aligned");
_Static_assert(_Alignof(SHA_CTX) <= _Alignof(struct mu_sha256), "aligned");

/* None of these can fail: they do arithmetic on memory they were handed. */

void mu_ossl_sha256_init(void *ctx, struct mu_sha256 *s)
{
    (void)ctx;
    SHA256_Init((SHA256_CTX *)(void *)s->state);
}

void mu_ossl_sha256_update(void *ctx, struct mu_sha256 *s, struct mu_bytes in)
{
    (void)ctx;
    if (in.len != 0)
        SHA256_Update((SHA256_CTX *)(void *)s->state, in.data, in.len);
}

void mu_ossl_sha256_final(void *ctx, struct mu_sha256 *s, uint8_t out[32])
{
    (void)ctx;
    SHA256_Final(out, (SHA256_CTX *)(void *)s->state);
}

static void sha1_init(void *ctx, struct mu_sha256 *s)
{
    (void)ctx;
    SHA1_Init((SHA_CTX *)(void *)s->state);
}

static void sha1_update(void *ctx, struct mu_sha256 *s, struct mu_bytes in)
{
    (void)ctx;
    if (in.len != 0)
        SHA1_Update((SHA_CTX *)(void *)s->state, in.data, in.len);
}

static void sha1_final(void *ctx, struct mu_sha256 *s, uint8_t *out)
{
    (void)ctx;
    SHA1_Final(out, (SHA_CTX *)(void *)s->state);
}

int mu_ossl_hmac_sha256(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t out[32])
{
    static const struct mu_hmac_hash hash = {
        .init = mu_ossl_sha256_init,
        .update = mu_ossl_sha256_update,
        .final = mu_ossl_sha256_final,
        .out_len = MU_SHA256_LEN,
    };

    return mu_hmac_by_hash(&hash, ctx, key, parts, parts_len, out);
}

int mu_ossl_hmac_sha1(void *ctx, struct mu_bytes key,
                      const struct mu_bytes *parts, size_t parts_len,
                      uint8_t out[20])
{
    static const struct mu_hmac_hash hash = {
        .init = sha1_init,
        .update = sha1_update,
        .final = sha1_final,
        .out_len = MU_SHA1_LEN,
    };

    return mu_hmac_by_hash(&hash, ctx, key, parts, parts_len, out);
}
