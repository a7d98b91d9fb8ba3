/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography: one interface, filled in by a back end (OpenSSL on Linux, PSA
 * on a microcontroller). A back end passes mu_crypto_selftest before use.
 *
 * Calls never block on the network, never keep a pointer after they return,
 * and leave no secret behind in memory they own. Output and input may be the
 * same buffer where it says "in place"; otherwise they must not overlap.
 */
#ifndef MUSTER_CRYPTO_H
#define MUSTER_CRYPTO_H

#include "muster/bytes.h"
#include "muster/secret.h"

#define MU_SHA256_LEN 32
#define MU_SHA1_LEN 20
#define MU_SHA256_STATE 256 /* bytes of the largest back end's hash state */
#define MU_AES_BLOCK 16
#define MU_SIGNATURE_LEN 64       /* ES256 (r || s) and EdDSA */
#define MU_PUBLIC_KEY_MAX 65      /* P-256 uncompressed; Ed25519 uses 32 */
#define MU_HMAC_PARTS_MAX 8

/* COSE algorithm numbers (IANA COSE Algorithms; RFC 9053, RFC 9459). */
enum mu_alg {
    MU_ALG_A128GCM = 1,            /* nonce 12, tag 16 */
    MU_ALG_HMAC256_64 = 4,
    MU_ALG_HMAC256 = 5,
    MU_ALG_ES256 = -7,             /* P-256, SHA-256 */
    MU_ALG_EDDSA = -8,             /* Ed25519 */
    MU_ALG_A128KW = -3,            /* RFC 3394 */
    MU_ALG_DIRECT = -6,
    MU_ALG_AES_CCM_16_64_128 = 10, /* nonce 13, tag 8: OSCORE's default */
    MU_ALG_A128CTR = -65534,       /* RFC 9459; no authentication */
    MU_ALG_X25519 = -70000,        /* ours, never on the wire: bare X25519 keys */
};

/* Caller-owned, no release function; aligned for any back end. */
struct mu_sha256 {
    _Alignas(16) uint8_t state[MU_SHA256_STATE];
};

struct mu_aead {
    enum mu_alg alg;
    const struct mu_secret *key;
    struct mu_bytes nonce;
    struct mu_bytes aad;
};

/*
 * The sum over i < count of coef[i] * (from + i * stride), len bytes of each, in
 * GF(2^8) with the polynomial 0x11d; with `add`, added to what is in `to`. `to`
 * may be a source if its coefficient is 0: that source is not looked at.
 */
struct mu_gf_sum {
    uint8_t *to;
    bool add;
    const uint8_t *coef;
    const uint8_t *from;
    size_t stride;
    size_t count;
    size_t len;
};

/*
 * All functions: 0, or MU_ERR_CRYPTO when the back end itself fails,
 * MU_ERR_UNSUPPORTED for an algorithm it does not have, MU_ERR_USAGE for a key,
 * nonce or count that no caller of ours may pass, MU_ERR_AUTH when a tag or
 * signature does not verify.
 */
struct mu_crypto {
    void *ctx;        /* passed back as the first argument */
    const char *name; /* "openssl", "psa" */

    int (*random)(void *ctx, void *out, size_t len);

    void (*sha256_init)(void *ctx, struct mu_sha256 *s);
    void (*sha256_update)(void *ctx, struct mu_sha256 *s, struct mu_bytes in);
    void (*sha256_final)(void *ctx, struct mu_sha256 *s, uint8_t out[32]);

    /* MAC over the parts one after the other; parts_len <= MU_HMAC_PARTS_MAX. */
    int (*hmac_sha256)(void *ctx, struct mu_bytes key,
                       const struct mu_bytes *parts, size_t parts_len,
                       uint8_t out[32]);
    /* For the protocols that fix it (RFC 3830 MIKEY); nothing new uses it. */
    int (*hmac_sha1)(void *ctx, struct mu_bytes key,
                     const struct mu_bytes *parts, size_t parts_len,
                     uint8_t out[20]);

    /* out holds in.len + tag bytes; in place allowed (out == in.data). */
    int (*seal)(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                uint8_t *out, size_t *out_len);
    /* in is ciphertext || tag; nothing is left in out when it fails. */
    int (*open)(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                uint8_t *out, size_t *out_len);

    /* AES-128-CTR from the given first counter block, in place. */
    int (*aes_ctr)(void *ctx, const struct mu_secret *key,
                   const uint8_t counter[16], uint8_t *data, size_t len);
    /* One block of AES-128, in place allowed. */
    int (*aes_encrypt)(void *ctx, const struct mu_secret *key,
                       const uint8_t in[16], uint8_t out[16]);
    int (*aes_decrypt)(void *ctx, const struct mu_secret *key,
                       const uint8_t in[16], uint8_t out[16]);

    /* MU_ALG_ES256 or MU_ALG_EDDSA; keypair also MU_ALG_X25519. Public key: 65
     * bytes (04 || x || y) or 32; pub has room for MU_PUBLIC_KEY_MAX. A public
     * key that is no key of the algorithm is MU_ERR_MALFORMED. */
    int (*keypair)(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                   uint8_t *pub, size_t *pub_len);
    int (*sign)(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                const struct mu_bytes *parts, size_t parts_len,
                uint8_t sig[64]);
    int (*verify)(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                  const struct mu_bytes *parts, size_t parts_len,
                  const uint8_t sig[64]);

    /* ECDH: P-256 for MU_ALG_ES256 keys (out is the x coordinate), X25519 for
     * MU_ALG_X25519 keys as they are and for MU_ALG_EDDSA keys mapped to the
     * Montgomery curve (RFC 7748 s.4.1), as Group OSCORE's pairwise mode wants.
     * A public key of low order, or none of the curve: MU_ERR_MALFORMED. */
    int (*agree)(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                 struct mu_bytes pub, uint8_t out[32]);

    /* Arithmetic of parity symbols, where the machine has instructions for it;
     * NULL: the core does it. No secret is in it. */
    void (*gf_sum)(void *ctx, const struct mu_gf_sum *s);
};

/*
 * Known answers through every function the back end offers. 0, or
 * MU_ERR_CRYPTO when an answer is wrong. What a function answers with
 * MU_ERR_UNSUPPORTED is skipped, but random, SHA-256, HMAC-SHA-256, CCM, CTR,
 * single blocks and ES256 verification have to be there: no node does without.
 */
MU_MUST int mu_crypto_selftest(const struct mu_crypto *c);

/* Conveniences over the table, in the core (src/crypto/). */
void mu_sha256(const struct mu_crypto *c, const struct mu_bytes *parts,
               size_t parts_len, uint8_t out[32]);
MU_MUST int mu_hmac(const struct mu_crypto *c, struct mu_bytes key,
                    const struct mu_bytes *parts, size_t parts_len,
                    uint8_t out[32]);

/* RFC 5869 with SHA-256; out_len <= 255 * 32. */
MU_MUST int mu_hkdf_extract(const struct mu_crypto *c, struct mu_bytes salt,
                            struct mu_bytes ikm, uint8_t prk[32]);
MU_MUST int mu_hkdf_expand(const struct mu_crypto *c, struct mu_bytes prk,
                           struct mu_bytes info, uint8_t *out, size_t out_len);

/* RFC 3394 AES key wrap under a 128-bit key; in.len a multiple of 8, >= 16;
 * out holds in.len + 8 (wrap) or in.len - 8 (unwrap) bytes. */
MU_MUST int mu_key_wrap(const struct mu_crypto *c, const struct mu_secret *kek,
                        struct mu_bytes in, uint8_t *out);
MU_MUST int mu_key_unwrap(const struct mu_crypto *c,
                          const struct mu_secret *kek, struct mu_bytes in,
                          uint8_t *out);

#endif
