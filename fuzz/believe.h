/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crypto that believes everything: every hash and MAC is zeros, every
 * signature good. With it a fuzzer gets past the checks and reaches what a
 * stranger cannot, but a member gone bad or a taken-over gateway can.
 */
#ifndef FUZZ_BELIEVE_H
#define FUZZ_BELIEVE_H

#include "crypto_openssl/crypto_openssl.h"

static inline void believe_final(void *ctx, struct mu_sha256 *s,
                                 uint8_t out[32])
{
    (void)ctx;
    (void)s;
    mu_zero(out, 32);
}

static inline void believe_init(void *ctx, struct mu_sha256 *s)
{
    (void)ctx;
    mu_zero(s, sizeof(*s));
}

static inline void believe_update(void *ctx, struct mu_sha256 *s,
                                  struct mu_bytes in)
{
    (void)ctx;
    (void)s;
    (void)in;
}

static inline int believe_hmac(void *ctx, struct mu_bytes key,
                               const struct mu_bytes *parts, size_t parts_len,
                               uint8_t out[32])
{
    (void)ctx;
    (void)key;
    (void)parts;
    (void)parts_len;
    mu_zero(out, 32);
    return 0;
}

static inline int believe_verify(void *ctx, enum mu_alg alg,
                                 struct mu_bytes pub,
                                 const struct mu_bytes *parts,
                                 size_t parts_len, const uint8_t sig[64])
{
    (void)ctx;
    (void)alg;
    (void)pub;
    (void)parts;
    (void)parts_len;
    (void)sig;
    return 0;
}

static inline struct mu_crypto believe_crypto(void)
{
    struct mu_crypto c = *mu_crypto_openssl();

    c.sha256_init = believe_init;
    c.sha256_update = believe_update;
    c.sha256_final = believe_final;
    c.hmac_sha256 = believe_hmac;
    c.verify = believe_verify;
    return c;
}

#endif
