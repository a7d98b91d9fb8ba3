/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs, signatures and key agreement: P-256 (ES256, ECDH), Ed25519 and
 * X25519. Keys come and go as bytes; an EVP_PKEY lives for one call.
 */
#include "crypto_openssl/internal.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#define P256_NAME "prime256v1"
#define KEY_LEN 32   /* bytes of a scalar, a coordinate, an OKP key */
#define POINT_LEN 65 /* bytes of 04 || x || y, SEC 1 s.2.3.3 */
#define DER_MAX 80   /* bytes of an ECDSA-Sig-Value over P-256: at most 72 */

/* The order n of P-256 (SP 800-186 s.3.2.1.3). */
static const uint8_t p256_order[KEY_LEN] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
    0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/* 0 < scalar < n, in constant time: the scalar is a private key. */
static bool p256_scalar_ok(const uint8_t k[KEY_LEN])
{
    unsigned any = 0;
    unsigned borrow = 0;

    for (size_t i = KEY_LEN; i-- > 0;) {
        any |= k[i];
        borrow = (((unsigned)k[i] - p256_order[i] - borrow) >> 8) & 1;
    }
    return any != 0 && borrow == 1;
}

static EVP_PKEY *p256_from(OSSL_PARAM *params, int selection)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    if (c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &key, selection, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(c);
    return key;
}

/* NULL when the bytes are no point of the curve. P-256 has cofactor 1, so
 * every point but infinity, which has no such encoding, has full order. */
static EVP_PKEY *p256_public(struct mu_bytes pub)
{
    uint8_t point[POINT_LEN]; /* OSSL_PARAM wants it writable */
    char group[] = P256_NAME;

    if (pub.len != sizeof(point) || pub.data[0] != 0x04)
        return NULL;
    mu_copy(point, pub.data, sizeof(point));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
                                          sizeof(point)),
        OSSL_PARAM_construct_end(),
    };
    return p256_from(params, EVP_PKEY_PUBLIC_KEY);
}

/* The caller has checked the scalar. NULL when libcrypto fails. */
static EVP_PKEY *p256_private(const struct mu_secret *priv)
{
    uint8_t native[KEY_LEN]; /* OSSL_PARAM holds numbers in host order */
    char group[] = P256_NAME;
    BIGNUM *d = BN_secure_new();
    EVP_PKEY *key = NULL;

    if (d != NULL && BN_bin2bn(priv->bytes, KEY_LEN, d) != NULL &&
        BN_bn2nativepad(d, native, KEY_LEN) == KEY_LEN) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group,
                                             0),
            OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native,
                                    sizeof(native)),
            OSSL_PARAM_construct_end(),
        };
        key = p256_from(params, EVP_PKEY_KEYPAIR);
    }
    mu_wipe(native, sizeof(native));
    BN_clear_free(d);
    return key;
}

/* A private key for use; rc says why there is none. */
static EVP_PKEY *pkey_private(enum mu_alg alg, const struct mu_secret *priv,
                              int *rc)
{
    EVP_PKEY *key = NULL;

    *rc = MU_ERR_USAGE;
    if (priv->len != KEY_LEN)
        return NULL;
    if (alg == MU_ALG_ES256 && !p256_scalar_ok(priv->bytes))
        return NULL;
    if (alg == MU_ALG_ES256)
        key = p256_private(priv);
    else
        key = EVP_PKEY_new_raw_private_key(
            alg == MU_ALG_EDDSA ? EVP_PKEY_ED25519 : EVP_PKEY_X25519, NULL,
            priv->bytes, KEY_LEN);
    *rc = key != NULL ? 0 : MU_ERR_CRYPTO;
    return key;
}

/* A public key for use, or NULL when the bytes are none. */
static EVP_PKEY *pkey_public(enum mu_alg alg, struct mu_bytes pub)
{
    if (alg == MU_ALG_ES256)
        return p256_public(pub);
    if (pub.len != KEY_LEN)
        return NULL;
    return EVP_PKEY_new_raw_public_key(alg == MU_ALG_EDDSA ? EVP_PKEY_ED25519
                                                           : EVP_PKEY_X25519,
                                       NULL, pub.data, KEY_LEN);
}

static int p256_export(EVP_PKEY *key, struct mu_secret *priv, uint8_t *pub,
                       size_t *pub_len)
{
    uint8_t scalar[KEY_LEN];
    BIGNUM *d = NULL;
    size_t n = 0;
    int rc = MU_ERR_CRYPTO;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
        BN_bn2binpad(d, scalar, KEY_LEN) == KEY_LEN &&
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub,
                                        POINT_LEN, &n) == 1 &&
        n == POINT_LEN && pub[0] == 0x04) {
        *pub_len = n;
        rc = mu_secret_set(priv, MU_BYTES(scalar));
    }
    mu_wipe(scalar, sizeof(scalar));
    BN_clear_free(d);
    return rc;
}

static int okp_export(EVP_PKEY *key, struct mu_secret *priv, uint8_t *pub,
                      size_t *pub_len)
{
    uint8_t scalar[KEY_LEN];
    size_t n = sizeof(scalar);
    size_t m = KEY_LEN;
    int rc = MU_ERR_CRYPTO;

    if (EVP_PKEY_get_raw_private_key(key, scalar, &n) == 1 &&
        EVP_PKEY_get_raw_public_key(key, pub, &m) == 1) {
        *pub_len = m;
        rc = mu_secret_set(priv, mu_bytes(scalar, n));
    }
    mu_wipe(scalar, sizeof(scalar));
    return rc;
}

int mu_ossl_keypair(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                    uint8_t *pub, size_t *pub_len)
{
    EVP_PKEY *key;
    int rc;

    (void)ctx;
    if (alg == MU_ALG_ES256)
        key = EVP_EC_gen(P256_NAME);
    else if (alg == MU_ALG_EDDSA)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else if (alg == MU_ALG_X25519)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    else
        return MU_ERR_UNSUPPORTED;
    if (key == NULL)
        return MU_ERR_CRYPTO;
    if (alg == MU_ALG_ES256)
        rc = p256_export(key, priv, pub, pub_len);
    else
        rc = okp_export(key, priv, pub, pub_len);
    EVP_PKEY_free(key);
    return rc;
}

static void es256_digest(const struct mu_bytes *parts, size_t parts_len,
                         uint8_t out[MU_SHA256_LEN])
{
    struct mu_sha256 s;

    mu_ossl_sha256_init(NULL, &s);
    for (size_t i = 0; i < parts_len; i++)
        mu_ossl_sha256_update(NULL, &s, parts[i]);
    mu_ossl_sha256_final(NULL, &s, out);
}

/* DER to the fixed form r || s (RFC 9053 s.2.1). */
static int es256_from_der(const uint8_t *der, size_t der_len, uint8_t sig[64])
{
    const unsigned char *p = der;
    ECDSA_SIG *rs = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
    int rc = MU_ERR_CRYPTO;

    if (rs != NULL &&
        BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, KEY_LEN) == KEY_LEN &&
        BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + KEY_LEN, KEY_LEN) == KEY_LEN)
        rc = 0;
    ECDSA_SIG_free(rs);
    return rc;
}

/* r || s to DER; der holds DER_MAX bytes. The length, 0 on failure. */
static size_t es256_to_der(const uint8_t sig[64], uint8_t *der)
{
    BIGNUM *r = BN_bin2bn(sig, KEY_LEN, NULL);
    BIGNUM *s = BN_bin2bn(sig + KEY_LEN, KEY_LEN, NULL);
    ECDSA_SIG *rs = ECDSA_SIG_new();
    unsigned char *p = der;
    int n = 0;

    if (r == NULL || s == NULL || rs == NULL || ECDSA_SIG_set0(rs, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        n = i2d_ECDSA_SIG(rs, &p); /* rs owns r and s now */
    }
    ECDSA_SIG_free(rs);
    return n > 0 && n <= DER_MAX ? (size_t)n : 0;
}

static int es256_sign(EVP_PKEY *key, const struct mu_bytes *parts,
                      size_t parts_len, uint8_t sig[64])
{
    uint8_t digest[MU_SHA256_LEN];
    uint8_t der[DER_MAX];
    size_t der_len = sizeof(der);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    int rc = MU_ERR_CRYPTO;

    es256_digest(parts, parts_len, digest);
    if (c != NULL && EVP_PKEY_sign_init(c) == 1 &&
        EVP_PKEY_sign(c, der, &der_len, digest, sizeof(digest)) == 1)
        rc = es256_from_der(der, der_len, sig);
    EVP_PKEY_CTX_free(c);
    return rc;
}

static int es256_verify(EVP_PKEY *key, const struct mu_bytes *parts,
                        size_t parts_len, const uint8_t sig[64])
{
    uint8_t digest[MU_SHA256_LEN];
    uint8_t der[DER_MAX];
    size_t der_len = es256_to_der(sig, der);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    int rc = MU_ERR_CRYPTO;

    es256_digest(parts, parts_len, digest);
    if (der_len != 0 && c != NULL && EVP_PKEY_verify_init(c) == 1)
        rc = EVP_PKEY_verify(c, der, der_len, digest, sizeof(digest)) == 1
                 ? 0
                 : MU_ERR_AUTH;
    EVP_PKEY_CTX_free(c);
    return rc;
}

/* Pure EdDSA reads its message twice (RFC 8032 s.5.1.6), so the parts become
 * one piece here. NULL when there is no memory; free with eddsa_drop. */
static uint8_t *eddsa_join(const struct mu_bytes *parts, size_t parts_len,
                           size_t *len)
{
    uint8_t *all;
    size_t n = 0;

    for (size_t i = 0; i < parts_len; i++)
        n += parts[i].len;
    all = OPENSSL_malloc(n + 1); /* never NULL for an empty message */
    *len = n;
    n = 0;
    for (size_t i = 0; i < parts_len && all != NULL; i++) {
        mu_copy(all + n, parts[i].data, parts[i].len);
        n += parts[i].len;
    }
    return all;
}

static void eddsa_drop(uint8_t *all, size_t len)
{
    OPENSSL_clear_free(all, len + 1);
}

static int eddsa_sign(EVP_PKEY *key, const struct mu_bytes *parts,
                      size_t parts_len, uint8_t sig[64])
{
    size_t len;
    size_t sig_len = MU_SIGNATURE_LEN;
    uint8_t *all = eddsa_join(parts, parts_len, &len);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int rc = MU_ERR_CRYPTO;

    if (all != NULL && c != NULL &&
        EVP_DigestSignInit(c, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestSign(c, sig, &sig_len, all, len) == 1 &&
        sig_len == MU_SIGNATURE_LEN)
        rc = 0;
    EVP_MD_CTX_free(c);
    eddsa_drop(all, len);
    return rc;
}

static int eddsa_verify(EVP_PKEY *key, const struct mu_bytes *parts,
                        size_t parts_len, const uint8_t sig[64])
{
    size_t len;
    uint8_t *all = eddsa_join(parts, parts_len, &len);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    int rc = MU_ERR_CRYPTO;

    if (all != NULL && c != NULL &&
        EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1)
        rc = EVP_DigestVerify(c, sig, MU_SIGNATURE_LEN, all, len) == 1
                 ? 0
                 : MU_ERR_AUTH;
    EVP_MD_CTX_free(c);
    eddsa_drop(all, len);
    return rc;
}

int mu_ossl_sign(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                 const struct mu_bytes *parts, size_t parts_len,
                 uint8_t sig[64])
{
    EVP_PKEY *key;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256 && alg != MU_ALG_EDDSA)
        return MU_ERR_UNSUPPORTED;
    key = pkey_private(alg, priv, &rc);
    if (key == NULL)
        return rc;
    if (alg == MU_ALG_ES256)
        rc = es256_sign(key, parts, parts_len, sig);
    else
        rc = eddsa_sign(key, parts, parts_len, sig);
    EVP_PKEY_free(key);
    return rc;
}

int mu_ossl_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                   const struct mu_bytes *parts, size_t parts_len,
                   const uint8_t sig[64])
{
    EVP_PKEY *key;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256 && alg != MU_ALG_EDDSA)
        return MU_ERR_UNSUPPORTED;
    key = pkey_public(alg, pub);
    if (key == NULL)
        return MU_ERR_MALFORMED;
    if (alg == MU_ALG_ES256)
        rc = es256_verify(key, parts, parts_len, sig);
    else
        rc = eddsa_verify(key, parts, parts_len, sig);
    EVP_PKEY_free(key);
    return rc;
}

/* ECDH proper. X25519 with a point of low order gives zero, which libcrypto
 * refuses (RFC 7748 s.6.1), so a failing derivation is the peer's key. */
static int pkey_derive(EVP_PKEY *mine, EVP_PKEY *theirs, uint8_t out[32])
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(mine, NULL);
    size_t n = KEY_LEN;
    int rc = 0;

    if (c == NULL || EVP_PKEY_derive_init(c) != 1)
        rc = MU_ERR_CRYPTO;
    else if (EVP_PKEY_derive_set_peer(c, theirs) != 1 ||
             EVP_PKEY_derive(c, out, &n) != 1 || n != KEY_LEN)
        rc = MU_ERR_MALFORMED;
    if (rc != 0)
        mu_wipe(out, KEY_LEN);
    EVP_PKEY_CTX_free(c);
    return rc;
}

int mu_ossl_agree(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                  struct mu_bytes pub, uint8_t out[32])
{
    struct mu_secret mapped = {.len = 0};
    uint8_t mapped_pub[KEY_LEN];
    EVP_PKEY *mine;
    EVP_PKEY *theirs;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256 && alg != MU_ALG_EDDSA && alg != MU_ALG_X25519)
        return MU_ERR_UNSUPPORTED;
    if (alg == MU_ALG_EDDSA) {
        rc = mu_ossl_curve_public(pub, mapped_pub);
        if (rc == 0)
            rc = mu_ossl_curve_private(priv, &mapped);
        if (rc != 0)
            return rc;
        pub = MU_BYTES(mapped_pub);
        priv = &mapped;
        alg = MU_ALG_X25519;
    }
    theirs = pkey_public(alg, pub);
    mine = pkey_private(alg, priv, &rc);
    if (theirs == NULL && rc == 0)
        rc = MU_ERR_MALFORMED;
    if (rc == 0)
        rc = pkey_derive(mine, theirs, out);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(theirs);
    mu_secret_clear(&mapped);
    return rc;
}
