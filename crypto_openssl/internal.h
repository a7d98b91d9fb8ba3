/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this back end share: the functions the table points to. */
#ifndef CRYPTO_OPENSSL_INTERNAL_H
#define CRYPTO_OPENSSL_INTERNAL_H

#include "muster/crypto.h"

/* hash.c */
void mu_ossl_sha256_init(void *ctx, struct mu_sha256 *s);
void mu_ossl_sha256_update(void *ctx, struct mu_sha256 *s, struct mu_bytes in);
void mu_ossl_sha256_final(void *ctx, struct mu_sha256 *s, uint8_t out[32]);
int mu_ossl_hmac_sha256(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t out[32]);
int mu_ossl_hmac_sha1(void *ctx, struct mu_bytes key,
                      const struct mu_bytes *parts, size_t parts_len,
                      uint8_t out[20]);

/* cipher.c; mu_ossl_cipher_setup once before the others, false when an
 * algorithm is missing. */
bool mu_ossl_cipher_setup(void);
int mu_ossl_seal(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                 uint8_t *out, size_t *out_len);
int mu_ossl_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                 uint8_t *out, size_t *out_len);
int mu_ossl_aes_ctr(void *ctx, const struct mu_secret *key,
                    const uint8_t counter[16], uint8_t *data, size_t len);
int mu_ossl_aes_encrypt(void *ctx, const struct mu_secret *key,
                        const uint8_t in[16], uint8_t out[16]);
int mu_ossl_aes_decrypt(void *ctx, const struct mu_secret *key,
                        const uint8_t in[16], uint8_t out[16]);

/* pkey.c */
int mu_ossl_keypair(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                    uint8_t *pub, size_t *pub_len);
int mu_ossl_sign(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                 const struct mu_bytes *parts, size_t parts_len,
                 uint8_t sig[64]);
int mu_ossl_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                   const struct mu_bytes *parts, size_t parts_len,
                   const uint8_t sig[64]);
int mu_ossl_agree(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                  struct mu_bytes pub, uint8_t out[32]);

/* curve.c: from Ed25519 keys to X25519 keys (RFC 7748 s.4.1). */
int mu_ossl_curve_public(struct mu_bytes ed, uint8_t x[32]);
int mu_ossl_curve_private(const struct mu_secret *ed, struct mu_secret *x);

/* gf_sum.c: the ways that this machine has, the fastest first; NULL when there
 * are no more. mu_ossl_gf_setup once before they are used. */
typedef void mu_ossl_gf_fn(void *ctx, const struct mu_gf_sum *s);
void mu_ossl_gf_setup(void);
mu_ossl_gf_fn *mu_ossl_gf_way(unsigned n);

#endif
