/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key pairs, signatures and key agreement: P-256 (ES256, ECDH) and X25519.
 * A key is a volatile PSA key for the length of one call.
 */
#include "crypto_psa/internal.h"

#define KEY_LEN 32   /* bytes of a scalar, a coordinate, an X25519 key */
#define POINT_LEN 65 /* bytes of 04 || x || y, SEC 1 s.2.3.3 */
#define P256_BITS 256
#define X25519_BITS 255

#define ES256_SIGN PSA_ALG_DETERMINISTIC_ECDSA(PSA_ALG_SHA_256)
#define ES256_VERIFY PSA_ALG_ECDSA(PSA_ALG_SHA_256)

/* Attributes of a key of alg, its secret half or its public one. */
static psa_key_attributes_t pkey_attr(enum mu_alg alg, bool secret,
                                      psa_key_usage_t usage,
                                      psa_algorithm_t use)
{
    const psa_ecc_family_t family = alg == MU_ALG_X25519
                                        ? PSA_ECC_FAMILY_MONTGOMERY
                                        : PSA_ECC_FAMILY_SECP_R1;
    psa_key_attributes_t attr = PSA_KEY_ATTRIBUTES_INIT;

    psa_set_key_type(&attr, secret ? PSA_KEY_TYPE_ECC_KEY_PAIR(family)
                                   : PSA_KEY_TYPE_ECC_PUBLIC_KEY(family));
    psa_set_key_bits(&attr, alg == MU_ALG_X25519 ? X25519_BITS : P256_BITS);
    psa_set_key_usage_flags(&attr, usage);
    psa_set_key_algorithm(&attr, use);
    return attr;
}

/* PSA refuses a scalar out of range by itself. */
static int pkey_private(enum mu_alg alg, const struct mu_secret *priv,
                        psa_key_usage_t usage, psa_algorithm_t use,
                        psa_key_id_t *id)
{
    psa_key_attributes_t attr = pkey_attr(alg, true, usage, use);
    psa_status_t status;

    if (priv->len != KEY_LEN)
        return MU_ERR_USAGE;
    status = psa_import_key(&attr, priv->bytes, priv->len, id);
    if (status == PSA_ERROR_INVALID_ARGUMENT)
        return MU_ERR_USAGE;
    return mu_psa_error(status);
}

/* The one form of a public key that is ours; PSA judges what is in it. */
static bool pkey_form_ok(enum mu_alg alg, struct mu_bytes pub)
{
    if (alg == MU_ALG_X25519)
        return pub.len == KEY_LEN;
    return pub.len == POINT_LEN && pub.data[0] == 0x04;
}

static int pkey_drop(psa_key_id_t id, int rc)
{
    return psa_destroy_key(id) == PSA_SUCCESS ? rc : MU_ERR_CRYPTO;
}

int mu_psa_keypair(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                   uint8_t *pub, size_t *pub_len)
{
    psa_key_attributes_t attr;
    uint8_t scalar[KEY_LEN];
    psa_key_id_t id;
    size_t n = 0;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256 && alg != MU_ALG_X25519)
        return MU_ERR_UNSUPPORTED;
    attr = pkey_attr(alg, true, PSA_KEY_USAGE_EXPORT, 0);
    rc = mu_psa_error(psa_generate_key(&attr, &id));
    if (rc != 0)
        return rc;
    rc = mu_psa_error(psa_export_key(id, scalar, sizeof(scalar), &n));
    if (rc == 0)
        rc = mu_psa_error(
            psa_export_public_key(id, pub, MU_PUBLIC_KEY_MAX, pub_len));
    rc = pkey_drop(id, rc);
    if (rc == 0)
        rc = mu_secret_set(priv, mu_bytes(scalar, n));
    mu_wipe(scalar, sizeof(scalar));
    return rc;
}

static void es256_digest(const struct mu_bytes *parts, size_t parts_len,
                         uint8_t out[MU_SHA256_LEN])
{
    struct mu_sha256 s;

    mu_psa_sha256_init(NULL, &s);
    for (size_t i = 0; i < parts_len; i++)
        mu_psa_sha256_update(NULL, &s, parts[i]);
    mu_psa_sha256_final(NULL, &s, out);
}

int mu_psa_sign(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                const struct mu_bytes *parts, size_t parts_len, uint8_t sig[64])
{
    uint8_t digest[MU_SHA256_LEN];
    psa_key_id_t id;
    size_t n = 0;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256)
        return MU_ERR_UNSUPPORTED;
    rc = pkey_private(alg, priv, PSA_KEY_USAGE_SIGN_HASH, ES256_SIGN, &id);
    if (rc != 0)
        return rc;
    es256_digest(parts, parts_len, digest);
    rc = mu_psa_error(psa_sign_hash(id, ES256_SIGN, digest, sizeof(digest), sig,
                                    MU_SIGNATURE_LEN, &n));
    if (rc == 0 && n != MU_SIGNATURE_LEN)
        rc = MU_ERR_CRYPTO;
    return pkey_drop(id, rc);
}

int mu_psa_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                  const struct mu_bytes *parts, size_t parts_len,
                  const uint8_t sig[64])
{
    psa_key_attributes_t attr;
    uint8_t digest[MU_SHA256_LEN];
    psa_key_id_t id;
    psa_status_t status;

    (void)ctx;
    if (alg != MU_ALG_ES256)
        return MU_ERR_UNSUPPORTED;
    if (!pkey_form_ok(alg, pub))
        return MU_ERR_MALFORMED;
    attr = pkey_attr(alg, false, PSA_KEY_USAGE_VERIFY_HASH, ES256_VERIFY);
    status = psa_import_key(&attr, pub.data, pub.len, &id);
    if (status == PSA_ERROR_INVALID_ARGUMENT)
        return MU_ERR_MALFORMED; /* no point of the curve */
    if (status != PSA_SUCCESS)
        return mu_psa_error(status);
    es256_digest(parts, parts_len, digest);
    status = psa_verify_hash(id, ES256_VERIFY, digest, sizeof(digest), sig,
                             MU_SIGNATURE_LEN);
    return pkey_drop(id, mu_psa_error(status));
}

int mu_psa_agree(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                 struct mu_bytes pub, uint8_t out[32])
{
    static const uint8_t zero[KEY_LEN];
    psa_key_id_t id;
    psa_status_t status;
    size_t n = 0;
    int rc;

    (void)ctx;
    if (alg != MU_ALG_ES256 && alg != MU_ALG_X25519)
        return MU_ERR_UNSUPPORTED;
    if (!pkey_form_ok(alg, pub))
        return MU_ERR_MALFORMED;
    rc = pkey_private(alg, priv, PSA_KEY_USAGE_DERIVE, PSA_ALG_ECDH, &id);
    if (rc != 0)
        return rc;
    status = psa_raw_key_agreement(PSA_ALG_ECDH, id, pub.data, pub.len, out,
                                   KEY_LEN, &n);
    if (status == PSA_ERROR_INVALID_ARGUMENT)
        rc = MU_ERR_MALFORMED;
    else
        rc = mu_psa_error(status);
    /* RFC 7748 s.6.1: a point of low order gives zero, and nothing secret. */
    if (rc == 0 && (n != KEY_LEN || mu_ct_eq(out, zero, KEY_LEN)))
        rc = MU_ERR_MALFORMED;
    rc = pkey_drop(id, rc);
    if (rc != 0)
        mu_wipe(out, KEY_LEN);
    return rc;
}
