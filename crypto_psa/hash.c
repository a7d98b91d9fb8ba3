/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256, SHA-1 and HMAC. HMAC is built on the hash, not on PSA's MAC: that
 * one would import the key into a slot, with an allocation, for every call.
 */
#include "crypto_psa/internal.h"
#include "muster/crypto_hmac.h"

_Static_assert(sizeof(psa_hash_operation_t) <= MU_SHA256_STATE, "state fits");
_Static_assert(_Alignof(psa_hash_operation_t) <= _Alignof(struct mu_sha256),
               "state is aligned");

/*
 * A hash has no way to report failure, and a wrong digest that looks right
 * must never be compared with anything. Software hashes do not fail; where an
 * accelerator does, stop here (on a device: reset).
 */
static void hash_must(psa_status_t status)
{
    if (status != PSA_SUCCESS)
        __builtin_trap();
}

static psa_hash_operation_t *hash_state(struct mu_sha256 *s)
{
    return (psa_hash_operation_t *)(void *)s->state;
}

static void hash_init(struct mu_sha256 *s, psa_algorithm_t alg)
{
    *hash_state(s) = psa_hash_operation_init();
    hash_must(psa_hash_setup(hash_state(s), alg));
}

static void hash_final(struct mu_sha256 *s, uint8_t *out, size_t out_len)
{
    size_t n = 0;

    hash_must(psa_hash_finish(hash_state(s), out, out_len, &n));
    if (n != out_len)
        __builtin_trap();
}

void mu_psa_sha256_init(void *ctx, struct mu_sha256 *s)
{
    (void)ctx;
    hash_init(s, PSA_ALG_SHA_256);
}

void mu_psa_sha256_update(void *ctx, struct mu_sha256 *s, struct mu_bytes in)
{
    (void)ctx;
    if (in.len != 0)
        hash_must(psa_hash_update(hash_state(s), in.data, in.len));
}

void mu_psa_sha256_final(void *ctx, struct mu_sha256 *s, uint8_t out[32])
{
    (void)ctx;
    hash_final(s, out, MU_SHA256_LEN);
}

static void sha1_init(void *ctx, struct mu_sha256 *s)
{
    (void)ctx;
    hash_init(s, PSA_ALG_SHA_1);
}

static void sha1_final(void *ctx, struct mu_sha256 *s, uint8_t *out)
{
    (void)ctx;
    hash_final(s, out, MU_SHA1_LEN);
}

int mu_psa_hmac_sha256(void *ctx, struct mu_bytes key,
                       const struct mu_bytes *parts, size_t parts_len,
                       uint8_t out[32])
{
    static const struct mu_hmac_hash hash = {
        .init = mu_psa_sha256_init,
        .update = mu_psa_sha256_update,
        .final = mu_psa_sha256_final,
        .out_len = MU_SHA256_LEN,
    };

    return mu_hmac_by_hash(&hash, ctx, key, parts, parts_len, out);
}

int mu_psa_hmac_sha1(void *ctx, struct mu_bytes key,
                     const struct mu_bytes *parts, size_t parts_len,
                     uint8_t out[20])
{
    static const struct mu_hmac_hash hash = {
        .init = sha1_init,
        .update = mu_psa_sha256_update, /* the operation knows its algorithm */
        .final = sha1_final,
        .out_len = MU_SHA1_LEN,
    };

    psa_hash_operation_t probe = psa_hash_operation_init();
    psa_status_t status = psa_hash_setup(&probe, PSA_ALG_SHA_1);

    /* A small build has no SHA-1, and hash_must is no way to learn that. */
    (void)psa_hash_abort(&probe);
    if (status != PSA_SUCCESS)
        return mu_psa_error(status);
    return mu_hmac_by_hash(&hash, ctx, key, parts, parts_len, out);
}
