/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers through every function of a back end, and a wrong input
 * through every function that is to refuse one. A node runs it at start: a
 * broken accelerator, a stripped library or a table with an entry in the wrong
 * place must not get as far as a key.
 */
#include "muster/crypto.h"

#define SELFTEST_TEXT_MAX 64 /* bytes: the longest plaintext below */

/* The order of the checks is that of the table. Each gives 0, or an error. */
typedef int selftest_fn(const struct mu_crypto *c);

static int selftest_expect(const void *got, const void *want, size_t len)
{
    return mu_ct_eq(got, want, len) ? 0 : MU_ERR_CRYPTO;
}

static int selftest_random(const struct mu_crypto *c)
{
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    int rc = c->random(c->ctx, a, sizeof(a));

    if (rc == 0)
        rc = c->random(c->ctx, b, sizeof(b));
    /* Twice the same 256 bits is a source that is stuck, at zero or elsewhere;
     * the first draw of zeros is caught by the second being different. */
    if (rc == 0 && mu_ct_eq(a, b, sizeof(a)))
        rc = MU_ERR_CRYPTO;
    mu_wipe(a, sizeof(a));
    mu_wipe(b, sizeof(b));
    return rc;
}

/* FIPS 180-4 examples, "abc" and the two-block message, in two pieces. */
static int selftest_sha256(const struct mu_crypto *c)
{
    static const uint8_t want_abc[32] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    static const uint8_t want_two[32] = {
        0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
        0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff,
        0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1,
    };
    const struct mu_bytes abc = mu_bytes_str("abc");
    const struct mu_bytes two[2] = {
        mu_bytes_str("abcdbcdecdefdefgefghfghighij"),
        mu_bytes_str("hijkijkljklmklmnlmnomnopnopq"),
    };
    uint8_t got[32];
    int rc;

    mu_sha256(c, &abc, 1, got);
    rc = selftest_expect(got, want_abc, sizeof(got));
    mu_sha256(c, two, 2, got);
    return rc != 0 ? rc : selftest_expect(got, want_two, sizeof(got));
}

/* RFC 4231 case 2 and RFC 2202 case 2 have the same key and data. */
static const struct mu_bytes hmac_key = {(const uint8_t *)"Jefe", 4};
static const struct mu_bytes hmac_parts[2] = {
    {(const uint8_t *)"what do ya want ", 16},
    {(const uint8_t *)"for nothing?", 12},
};

static int selftest_hmac(const struct mu_crypto *c)
{
    static const uint8_t want[32] = {
        0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
        0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
        0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
    };
    uint8_t got[32];
    int rc = mu_hmac(c, hmac_key, hmac_parts, 2, got);

    return rc != 0 ? rc : selftest_expect(got, want, sizeof(want));
}

static int selftest_hmac_sha1(const struct mu_crypto *c)
{
    static const uint8_t want[20] = {
        0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
        0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79,
    };
    uint8_t got[20];
    int rc = c->hmac_sha1(c->ctx, hmac_key, hmac_parts, 2, got);

    return rc != 0 ? rc : selftest_expect(got, want, sizeof(want));
}

/* A sealed message with everything that went into it. */
struct selftest_aead {
    enum mu_alg alg;
    uint8_t key[16];
    struct mu_bytes nonce;
    struct mu_bytes aad;
    struct mu_bytes text;
    struct mu_bytes sealed;
};

/* Opens a copy of the sealed message in place, with one bit flipped at the
 * byte at_byte, or none when that is behind the end. */
static int selftest_reopen(const struct mu_crypto *c, const struct mu_aead *a,
                           struct mu_bytes sealed, size_t at_byte, uint8_t *buf,
                           size_t *n)
{
    mu_copy(buf, sealed.data, sealed.len);
    if (at_byte < sealed.len)
        buf[at_byte] ^= 0x01;
    return c->open(c->ctx, a, mu_bytes(buf, sealed.len), buf, n);
}

static int selftest_one_aead(const struct mu_crypto *c,
                             const struct selftest_aead *t)
{
    struct mu_secret key;
    const struct mu_aead a = {t->alg, &key, t->nonce, t->aad};
    uint8_t buf[SELFTEST_TEXT_MAX + 16];
    size_t n = 0;
    int rc = mu_secret_set(&key, MU_BYTES(t->key));

    mu_copy(buf, t->text.data, t->text.len);
    if (rc == 0)
        rc = c->seal(c->ctx, &a, mu_bytes(buf, t->text.len), buf, &n);
    if (rc == 0 && !mu_bytes_eq(mu_bytes(buf, n), t->sealed))
        rc = MU_ERR_CRYPTO;
    if (rc == 0)
        rc = selftest_reopen(c, &a, t->sealed, SIZE_MAX, buf, &n);
    if (rc == 0 && !mu_bytes_eq(mu_bytes(buf, n), t->text))
        rc = MU_ERR_CRYPTO;
    if (rc != 0)
        return rc;

    /* A changed text and a changed tag are refused, and no text is left. */
    for (size_t i = 0; i < t->sealed.len; i += t->sealed.len - 1) {
        rc = selftest_reopen(c, &a, t->sealed, i, buf, &n);
        if (rc != MU_ERR_AUTH || mu_ct_eq(buf, t->text.data, t->text.len))
            return MU_ERR_CRYPTO;
    }
    return 0;
}

/* RFC 3610 packet vector 1. */
static int selftest_ccm(const struct mu_crypto *c)
{
    static const uint8_t nonce[13] = {
        0x00, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00,
        0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5,
    };
    static const uint8_t aad[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t text[23] = {
        0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13,
        0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e,
    };
    static const uint8_t sealed[31] = {
        0x58, 0x8c, 0x97, 0x9a, 0x61, 0xc6, 0x63, 0xd2, 0xf0, 0x66, 0xd0,
        0xc2, 0xc0, 0xf9, 0x89, 0x80, 0x6d, 0x5f, 0x6b, 0x61, 0xda, 0xc3,
        0x84, 0x17, 0xe8, 0xd1, 0x2c, 0xfd, 0xf9, 0x26, 0xe0,
    };
    const struct selftest_aead t = {
        .alg = MU_ALG_AES_CCM_16_64_128,
        .key = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
                0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf},
        .nonce = MU_BYTES(nonce),
        .aad = MU_BYTES(aad),
        .text = MU_BYTES(text),
        .sealed = MU_BYTES(sealed),
    };

    return selftest_one_aead(c, &t);
}

/* The GCM specification (McGrew, Viega), test case 4. */
static int selftest_gcm(const struct mu_crypto *c)
{
    static const uint8_t nonce[12] = {
        0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88,
    };
    static const uint8_t aad[20] = {
        0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
        0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2,
    };
    static const uint8_t text[60] = {
        0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5,
        0xaf, 0xf5, 0x26, 0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda,
        0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31, 0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95,
        0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49, 0xa6, 0xb5, 0x25,
        0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39,
    };
    static const uint8_t sealed[76] = {
        0x42, 0x83, 0x1e, 0xc2, 0x21, 0x77, 0x74, 0x24, 0x4b, 0x72, 0x21,
        0xb7, 0x84, 0xd0, 0xd4, 0x9c, 0xe3, 0xaa, 0x21, 0x2f, 0x2c, 0x02,
        0xa4, 0xe0, 0x35, 0xc1, 0x7e, 0x23, 0x29, 0xac, 0xa1, 0x2e, 0x21,
        0xd5, 0x14, 0xb2, 0x54, 0x66, 0x93, 0x1c, 0x7d, 0x8f, 0x6a, 0x5a,
        0xac, 0x84, 0xaa, 0x05, 0x1b, 0xa3, 0x0b, 0x39, 0x6a, 0x0a, 0xac,
        0x97, 0x3d, 0x58, 0xe0, 0x91, 0x5b, 0xc9, 0x4f, 0xbc, 0x32, 0x21,
        0xa5, 0xdb, 0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47,
    };
    const struct selftest_aead t = {
        .alg = MU_ALG_A128GCM,
        .key = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a,
                0x8f, 0x94, 0x67, 0x30, 0x83, 0x08},
        .nonce = MU_BYTES(nonce),
        .aad = MU_BYTES(aad),
        .text = MU_BYTES(text),
        .sealed = MU_BYTES(sealed),
    };

    return selftest_one_aead(c, &t);
}

/* SP 800-38A F.5.1, the first two blocks. */
static int selftest_ctr(const struct mu_crypto *c)
{
    static const uint8_t key_bytes[16] = {
        0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
        0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c,
    };
    static const uint8_t counter[16] = {
        0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
        0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
    };
    static const uint8_t want[32] = {
        0x87, 0x4d, 0x61, 0x91, 0xb6, 0x20, 0xe3, 0x26, 0x1b, 0xef, 0x68,
        0x64, 0x99, 0x0d, 0xb6, 0xce, 0x98, 0x06, 0xf6, 0x6b, 0x79, 0x70,
        0xfd, 0xff, 0x86, 0x17, 0x18, 0x7b, 0xb9, 0xff, 0xfd, 0xff,
    };
    uint8_t data[32] = {
        0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e,
        0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03,
        0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51,
    };
    struct mu_secret key;
    int rc = mu_secret_set(&key, MU_BYTES(key_bytes));

    if (rc == 0)
        rc = c->aes_ctr(c->ctx, &key, counter, data, sizeof(data));
    return rc != 0 ? rc : selftest_expect(data, want, sizeof(want));
}

/* FIPS 197 C.1, forth and back, in place. */
static int selftest_aes(const struct mu_crypto *c)
{
    static const uint8_t key_bytes[16] = {
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
        0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
    };
    static const uint8_t text[16] = {
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
        0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    };
    static const uint8_t want[16] = {
        0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
        0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a,
    };
    struct mu_secret key;
    uint8_t block[16];
    int rc = mu_secret_set(&key, MU_BYTES(key_bytes));

    mu_copy(block, text, sizeof(block));
    if (rc == 0)
        rc = c->aes_encrypt(c->ctx, &key, block, block);
    if (rc == 0)
        rc = selftest_expect(block, want, sizeof(block));
    if (rc == 0)
        rc = c->aes_decrypt(c->ctx, &key, block, block);
    return rc != 0 ? rc : selftest_expect(block, text, sizeof(block));
}

/* verify takes the good signature, and neither another message nor a changed
 * signature: a back end that says yes to everything is the worst of all. */
static int selftest_verify(const struct mu_crypto *c, enum mu_alg alg,
                           struct mu_bytes pub, struct mu_bytes text,
                           const uint8_t sig[64])
{
    const struct mu_bytes longer[2] = {text, mu_bytes_str("!")};
    uint8_t changed[64];
    int rc = c->verify(c->ctx, alg, pub, &text, 1, sig);

    if (rc != 0)
        return rc == MU_ERR_UNSUPPORTED ? rc : MU_ERR_CRYPTO;
    if (c->verify(c->ctx, alg, pub, longer, 2, sig) != MU_ERR_AUTH)
        return MU_ERR_CRYPTO;
    mu_copy(changed, sig, sizeof(changed));
    changed[40] ^= 0x01;
    if (c->verify(c->ctx, alg, pub, &text, 1, changed) != MU_ERR_AUTH)
        return MU_ERR_CRYPTO;
    return 0;
}

/* Signs with priv, in two parts, and verifies under pub. */
static int selftest_sign(const struct mu_crypto *c, enum mu_alg alg,
                         const struct mu_secret *priv, struct mu_bytes pub)
{
    const struct mu_bytes parts[2] = {
        mu_bytes_str("muster"),
        mu_bytes_str(" selftest"),
    };
    const struct mu_bytes whole = mu_bytes_str("muster selftest");
    uint8_t sig[64];
    int rc = c->sign(c->ctx, alg, priv, parts, 2, sig);

    if (rc != 0)
        return rc;
    rc = c->verify(c->ctx, alg, pub, &whole, 1, sig);
    return rc == 0 || rc == MU_ERR_UNSUPPORTED ? rc : MU_ERR_CRYPTO;
}

/* A fresh pair: the public key belongs to the private one, by signature and
 * by agreement with a pair of known answer. */
static int selftest_keypair(const struct mu_crypto *c, enum mu_alg alg,
                            const struct mu_secret *known_priv,
                            struct mu_bytes known_pub)
{
    struct mu_secret priv = {.len = 0};
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    uint8_t ours[32];
    uint8_t theirs[32];
    size_t n = 0;
    int rc = c->keypair(c->ctx, alg, &priv, pub, &n);

    if (rc == 0 && (n != known_pub.len || priv.len != known_priv->len))
        rc = MU_ERR_CRYPTO;
    if (rc == 0 && alg != MU_ALG_X25519) {
        rc = selftest_sign(c, alg, &priv, mu_bytes(pub, n));
        if (rc == MU_ERR_UNSUPPORTED)
            rc = 0; /* a pair that cannot sign may still agree */
    }
    if (rc == 0)
        rc = c->agree(c->ctx, alg, &priv, known_pub, ours);
    if (rc == 0)
        rc = c->agree(c->ctx, alg, known_priv, mu_bytes(pub, n), theirs);
    if (rc == 0)
        rc = selftest_expect(ours, theirs, sizeof(ours));
    mu_secret_clear(&priv);
    mu_wipe(ours, sizeof(ours));
    mu_wipe(theirs, sizeof(theirs));
    return rc;
}

/* RFC 6979 A.2.5: the key pair. */
static const uint8_t p256_priv[32] = {
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21,
    0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e, 0x50, 0xc3, 0xdb, 0x36, 0xe8,
    0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
};
static const uint8_t p256_pub[65] = {
    0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61,
    0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b,
    0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
    0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9,
    0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e,
    0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
};

/* The signature of "sample" with SHA-256 there. */
static int selftest_es256_verify(const struct mu_crypto *c)
{
    static const uint8_t sig[64] = {
        0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd,
        0x9c, 0xd4, 0x5e, 0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa,
        0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16, 0xf7,
        0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7, 0xa1,
        0xb6, 0xe2, 0x9f, 0x65, 0xf3, 0xe9, 0x00, 0xdb, 0xb9, 0xaf, 0xf4,
        0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8,
    };

    return selftest_verify(c, MU_ALG_ES256, MU_BYTES(p256_pub),
                           mu_bytes_str("sample"), sig);
}

static int selftest_es256_sign(const struct mu_crypto *c)
{
    struct mu_secret priv;
    int rc = mu_secret_set(&priv, MU_BYTES(p256_priv));

    return rc != 0 ? rc
                   : selftest_sign(c, MU_ALG_ES256, &priv, MU_BYTES(p256_pub));
}

static int selftest_es256_pair(const struct mu_crypto *c)
{
    struct mu_secret priv;
    int rc = mu_secret_set(&priv, MU_BYTES(p256_priv));

    return rc != 0
               ? rc
               : selftest_keypair(c, MU_ALG_ES256, &priv, MU_BYTES(p256_pub));
}

/* RFC 8032 s.7.1 TEST 2: the key pair, and the signature of 0x72. */
static const uint8_t ed_priv[32] = {
    0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3,
    0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
    0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb,
};
static const uint8_t ed_pub[32] = {
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a,
    0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4,
    0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
};
static const uint8_t ed_sig[64] = {
    0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82,
    0x0b, 0x5f, 0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50,
    0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08,
    0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13,
    0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a,
    0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
};

static int selftest_eddsa_verify(const struct mu_crypto *c)
{
    return selftest_verify(c, MU_ALG_EDDSA, MU_BYTES(ed_pub), mu_bytes_str("r"),
                           ed_sig);
}

static int selftest_eddsa_sign(const struct mu_crypto *c)
{
    const struct mu_bytes text = mu_bytes_str("r");
    struct mu_secret priv;
    uint8_t sig[64];
    int rc = mu_secret_set(&priv, MU_BYTES(ed_priv));

    if (rc == 0)
        rc = c->sign(c->ctx, MU_ALG_EDDSA, &priv, &text, 1, sig);
    return rc != 0 ? rc : selftest_expect(sig, ed_sig, sizeof(sig));
}

/* TEST 2 agrees with TEST 1 after the map to X25519. The RFC has no such
 * value; this is X25519 of both keys mapped by RFC 7748 s.4.1. */
static int selftest_eddsa_agree(const struct mu_crypto *c)
{
    static const uint8_t pub[32] = {
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe,
        0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6,
        0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
    };
    static const uint8_t want[32] = {
        0x51, 0x66, 0xf2, 0x4a, 0x69, 0x18, 0x36, 0x8e, 0x2a, 0xf8, 0x31,
        0xa4, 0xaf, 0xfa, 0xdd, 0x97, 0xaf, 0x0a, 0xc3, 0x26, 0xbd, 0xf1,
        0x43, 0x59, 0x6c, 0x04, 0x59, 0x67, 0xcc, 0x00, 0x23, 0x0e,
    };
    struct mu_secret priv;
    uint8_t got[32];
    int rc = mu_secret_set(&priv, MU_BYTES(ed_priv));

    if (rc == 0)
        rc = c->agree(c->ctx, MU_ALG_EDDSA, &priv, MU_BYTES(pub), got);
    return rc != 0 ? rc : selftest_expect(got, want, sizeof(got));
}

static int selftest_eddsa_pair(const struct mu_crypto *c)
{
    struct mu_secret priv;
    int rc = mu_secret_set(&priv, MU_BYTES(ed_priv));

    return rc != 0 ? rc
                   : selftest_keypair(c, MU_ALG_EDDSA, &priv, MU_BYTES(ed_pub));
}

/* RFC 5903 s.8.1: both sides come to girx. */
static int selftest_ecdh(const struct mu_crypto *c)
{
    static const uint8_t priv_bytes[32] = {
        0xc8, 0x8f, 0x01, 0xf5, 0x10, 0xd9, 0xac, 0x3f, 0x70, 0xa2, 0x92,
        0xda, 0xa2, 0x31, 0x6d, 0xe5, 0x44, 0xe9, 0xaa, 0xb8, 0xaf, 0xe8,
        0x40, 0x49, 0xc6, 0x2a, 0x9c, 0x57, 0x86, 0x2d, 0x14, 0x33,
    };
    static const uint8_t pub[65] = {
        0x04, 0xd1, 0x2d, 0xfb, 0x52, 0x89, 0xc8, 0xd4, 0xf8, 0x12, 0x08,
        0xb7, 0x02, 0x70, 0x39, 0x8c, 0x34, 0x22, 0x96, 0x97, 0x0a, 0x0b,
        0xcc, 0xb7, 0x4c, 0x73, 0x6f, 0xc7, 0x55, 0x44, 0x94, 0xbf, 0x63,
        0x56, 0xfb, 0xf3, 0xca, 0x36, 0x6c, 0xc2, 0x3e, 0x81, 0x57, 0x85,
        0x4c, 0x13, 0xc5, 0x8d, 0x6a, 0xac, 0x23, 0xf0, 0x46, 0xad, 0xa3,
        0x0f, 0x83, 0x53, 0xe7, 0x4f, 0x33, 0x03, 0x98, 0x72, 0xab,
    };
    static const uint8_t want[32] = {
        0xd6, 0x84, 0x0f, 0x6b, 0x42, 0xf6, 0xed, 0xaf, 0xd1, 0x31, 0x16,
        0xe0, 0xe1, 0x25, 0x65, 0x20, 0x2f, 0xef, 0x8e, 0x9e, 0xce, 0x7d,
        0xce, 0x03, 0x81, 0x24, 0x64, 0xd0, 0x4b, 0x94, 0x42, 0xde,
    };
    struct mu_secret priv;
    uint8_t got[32];
    int rc = mu_secret_set(&priv, MU_BYTES(priv_bytes));

    if (rc == 0)
        rc = c->agree(c->ctx, MU_ALG_ES256, &priv, MU_BYTES(pub), got);
    return rc != 0 ? rc : selftest_expect(got, want, sizeof(got));
}

/* RFC 7748 s.6.1: Alice's key pair. */
static const uint8_t x25519_priv[32] = {
    0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1,
    0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0,
    0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
};
static const uint8_t x25519_pub[32] = {
    0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
    0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
    0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
};

/* With Bob's public key: their secret. */
static int selftest_x25519(const struct mu_crypto *c)
{
    static const uint8_t pub[32] = {
        0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61,
        0xc2, 0xec, 0xe4, 0x35, 0x37, 0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78,
        0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f,
    };
    static const uint8_t want[32] = {
        0x4a, 0x5d, 0x9d, 0x5b, 0xa4, 0xce, 0x2d, 0xe1, 0x72, 0x8e, 0x3b,
        0xf4, 0x80, 0x35, 0x0f, 0x25, 0xe0, 0x7e, 0x21, 0xc9, 0x47, 0xd1,
        0x9e, 0x33, 0x76, 0xf0, 0x9b, 0x3c, 0x1e, 0x16, 0x17, 0x42,
    };
    struct mu_secret priv;
    uint8_t got[32];
    int rc = mu_secret_set(&priv, MU_BYTES(x25519_priv));

    if (rc == 0)
        rc = c->agree(c->ctx, MU_ALG_X25519, &priv, MU_BYTES(pub), got);
    return rc != 0 ? rc : selftest_expect(got, want, sizeof(got));
}

static int selftest_x25519_pair(const struct mu_crypto *c)
{
    struct mu_secret priv;
    int rc = mu_secret_set(&priv, MU_BYTES(x25519_priv));

    return rc != 0 ? rc
                   : selftest_keypair(c, MU_ALG_X25519, &priv,
                                      MU_BYTES(x25519_pub));
}

/* x * y, bit by bit. */
static uint8_t selftest_times(uint8_t x, uint8_t y)
{
    uint8_t out = 0;

    for (unsigned bit = 8; bit-- > 0;) {
        out = (uint8_t)(out << 1 ^ (0x1d & (0u - (out >> 7))));
        out ^= (y >> bit & 1) != 0 ? x : 0;
    }
    return out;
}

/* Every product there is, by sums of three long enough for any vector. */
static int selftest_gf_sum(const struct mu_crypto *c)
{
    uint8_t from[3 * 300], to[300];

    if (c->gf_sum == NULL)
        return MU_ERR_UNSUPPORTED;
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)(i ^ i >> 8);
    for (unsigned k = 0; k < 256; k++) {
        const uint8_t coef[3] = {(uint8_t)k, (uint8_t)(255 - k), 0};
        const struct mu_gf_sum s = {to, (k & 1) != 0, coef, from, 300, 3, 300};
        uint8_t wrong = 0;

        for (unsigned i = 0; i < 300; i++)
            to[i] = (uint8_t)i;
        c->gf_sum(c->ctx, &s);
        for (unsigned i = 0; i < 300; i++)
            wrong |= (uint8_t)(to[i] ^ selftest_times(from[i], coef[0]) ^
                               selftest_times(from[300 + i], coef[1]) ^
                               (s.add ? i : 0));
        if (wrong != 0)
            return MU_ERR_CRYPTO;
    }
    return 0;
}

/* What a back end must have, which is what a device that only receives uses,
 * and what it may do without. One check per function and algorithm: what is
 * missing hides nothing that is there. */
static const struct {
    selftest_fn *run;
    bool optional;
} selftest_checks[] = {
    {selftest_random, false},       {selftest_sha256, false},
    {selftest_hmac, false},         {selftest_ccm, false},
    {selftest_ctr, false},          {selftest_aes, false},
    {selftest_es256_verify, false}, {selftest_gcm, true},
    {selftest_hmac_sha1, true},     {selftest_es256_sign, true},
    {selftest_es256_pair, true},    {selftest_ecdh, true},
    {selftest_eddsa_verify, true},  {selftest_eddsa_sign, true},
    {selftest_eddsa_agree, true},   {selftest_eddsa_pair, true},
    {selftest_x25519, true},        {selftest_x25519_pair, true},
    {selftest_gf_sum, true},
};

int mu_crypto_selftest(const struct mu_crypto *c)
{
    const size_t n = sizeof(selftest_checks) / sizeof(selftest_checks[0]);

    for (size_t i = 0; i < n; i++) {
        int rc = selftest_checks[i].run(c);

        if (rc == MU_ERR_UNSUPPORTED && selftest_checks[i].optional)
            continue;
        if (rc != 0)
            return MU_ERR_CRYPTO;
    }
    return 0;
}
