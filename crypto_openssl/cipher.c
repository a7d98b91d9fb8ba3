/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES: CCM and GCM, counter mode, single blocks. The algorithms are fetched
 * once; the fetched objects are read-only and shared by all threads. Freeing
 * a context wipes the key schedule in it.
 */
#include "crypto_openssl/internal.h"

#include <limits.h>
#include <openssl/evp.h>

#define AES_KEY_LEN 16

static EVP_CIPHER *ossl_ccm;
static EVP_CIPHER *ossl_gcm;
static EVP_CIPHER *ossl_ctr;
static EVP_CIPHER *ossl_ecb;

bool mu_ossl_cipher_setup(void)
{
    /* Held until the process ends, as the table that leads to them is. */
    ossl_ccm = EVP_CIPHER_fetch(NULL, "AES-128-CCM", NULL);
    ossl_gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    ossl_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    ossl_ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    return ossl_ccm != NULL && ossl_gcm != NULL && ossl_ctr != NULL &&
           ossl_ecb != NULL;
}

/* One AEAD algorithm: what EVP and we call it, and its sizes in bytes. */
struct cipher_aead {
    EVP_CIPHER *cipher;
    size_t nonce_len;
    size_t tag_len;
};

/* False for an algorithm that is no AEAD of ours. */
static bool cipher_find(enum mu_alg alg, struct cipher_aead *out)
{
    if (alg == MU_ALG_AES_CCM_16_64_128)
        *out = (struct cipher_aead){ossl_ccm, 13, 8};
    else if (alg == MU_ALG_A128GCM)
        *out = (struct cipher_aead){ossl_gcm, 12, 16};
    else
        return false;
    return true;
}

static int cipher_check(const struct mu_aead *a, const struct cipher_aead *k,
                        size_t in_len)
{
    if (a->key->len != AES_KEY_LEN || a->nonce.len != k->nonce_len)
        return MU_ERR_USAGE;
    if (in_len > INT_MAX || a->aad.len > INT_MAX)
        return MU_ERR_TOO_LARGE; /* EVP counts in int */
    /* CCM with a 13-byte nonce has a 2-byte length field (RFC 3610 s.2.1). */
    if (k->nonce_len == 13 && in_len > UINT16_MAX)
        return MU_ERR_TOO_LARGE;
    return 0;
}

/* Cipher, nonce and tag (NULL: none yet), key, and for CCM the total length,
 * which it needs before the first byte; then the associated data. */
static bool cipher_start(EVP_CIPHER_CTX *e, const struct mu_aead *a,
                         const struct cipher_aead *k, const uint8_t *tag,
                         size_t text_len, int enc)
{
    uint8_t tag_copy[16]; /* EVP wants it writable */
    int n;

    if (tag != NULL)
        mu_copy(tag_copy, tag, k->tag_len);
    if (EVP_CipherInit_ex(e, k->cipher, NULL, NULL, NULL, enc) != 1 ||
        EVP_CIPHER_CTX_ctrl(e, EVP_CTRL_AEAD_SET_IVLEN, (int)k->nonce_len,
                            NULL) != 1)
        return false;
    /* On sealing only CCM has to know how long the tag will be. */
    if (tag != NULL || k->cipher == ossl_ccm) {
        if (EVP_CIPHER_CTX_ctrl(e, EVP_CTRL_AEAD_SET_TAG, (int)k->tag_len,
                                tag != NULL ? tag_copy : NULL) != 1)
            return false;
    }
    if (EVP_CipherInit_ex(e, NULL, NULL, a->key->bytes, a->nonce.data, enc) !=
        1)
        return false;
    if (k->cipher == ossl_ccm &&
        EVP_CipherUpdate(e, NULL, &n, NULL, (int)text_len) != 1)
        return false;
    return a->aad.len == 0 ||
           EVP_CipherUpdate(e, NULL, &n, a->aad.data, (int)a->aad.len) == 1;
}

/* The text itself. CCM must see it even when it is empty, and not as NULL;
 * it answers 0 for a wrong tag, where GCM waits until the end. */
static bool cipher_text(EVP_CIPHER_CTX *e, struct mu_bytes in, uint8_t *out)
{
    uint8_t nothing = 0;
    int n = 0;
    int end = 0;

    if (in.len == 0) {
        in.data = &nothing;
        out = &nothing;
    }
    return EVP_CipherUpdate(e, out, &n, in.data, (int)in.len) == 1 &&
           EVP_CipherFinal_ex(e, out + n, &end) == 1 &&
           (size_t)(n + end) == in.len;
}

int mu_ossl_seal(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                 uint8_t *out, size_t *out_len)
{
    struct cipher_aead k;
    EVP_CIPHER_CTX *e;
    int rc;

    (void)ctx;
    if (!cipher_find(a->alg, &k))
        return MU_ERR_UNSUPPORTED;
    rc = cipher_check(a, &k, in.len);
    if (rc != 0)
        return rc;
    e = EVP_CIPHER_CTX_new();
    if (e == NULL || !cipher_start(e, a, &k, NULL, in.len, 1) ||
        !cipher_text(e, in, out) ||
        EVP_CIPHER_CTX_ctrl(e, EVP_CTRL_AEAD_GET_TAG, (int)k.tag_len,
                            out + in.len) != 1) {
        mu_wipe(out, in.len + k.tag_len);
        rc = MU_ERR_CRYPTO;
    } else {
        *out_len = in.len + k.tag_len;
    }
    EVP_CIPHER_CTX_free(e);
    return rc;
}

int mu_ossl_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                 uint8_t *out, size_t *out_len)
{
    struct cipher_aead k;
    struct mu_bytes text;
    EVP_CIPHER_CTX *e;
    int rc;

    (void)ctx;
    if (!cipher_find(a->alg, &k))
        return MU_ERR_UNSUPPORTED;
    if (in.len < k.tag_len)
        return MU_ERR_AUTH; /* too short to hold a tag */
    text = mu_bytes(in.data, in.len - k.tag_len);
    rc = cipher_check(a, &k, text.len);
    if (rc != 0)
        return rc;
    e = EVP_CIPHER_CTX_new();
    if (e == NULL || !cipher_start(e, a, &k, in.data + text.len, text.len, 0)) {
        rc = MU_ERR_CRYPTO;
    } else if (!cipher_text(e, text, out)) {
        mu_wipe(out, text.len);
        rc = MU_ERR_AUTH;
    } else {
        *out_len = text.len;
    }
    EVP_CIPHER_CTX_free(e);
    return rc;
}

/* One pass of a mode without tag or padding over len bytes, in to out. */
static int cipher_raw(EVP_CIPHER *cipher, const struct mu_secret *key,
                      const uint8_t *iv, int enc, const uint8_t *in,
                      uint8_t *out, size_t len)
{
    EVP_CIPHER_CTX *e;
    int n = 0;
    int rc = 0;

    if (key->len != AES_KEY_LEN)
        return MU_ERR_USAGE;
    if (len > INT_MAX)
        return MU_ERR_TOO_LARGE;
    if (len == 0)
        return 0;
    e = EVP_CIPHER_CTX_new();
    if (e == NULL ||
        EVP_CipherInit_ex(e, cipher, NULL, key->bytes, iv, enc) != 1 ||
        EVP_CIPHER_CTX_set_padding(e, 0) != 1 ||
        EVP_CipherUpdate(e, out, &n, in, (int)len) != 1 || (size_t)n != len)
        rc = MU_ERR_CRYPTO;
    EVP_CIPHER_CTX_free(e);
    return rc;
}

int mu_ossl_aes_ctr(void *ctx, const struct mu_secret *key,
                    const uint8_t counter[16], uint8_t *data, size_t len)
{
    (void)ctx;
    return cipher_raw(ossl_ctr, key, counter, 1, data, data, len);
}

int mu_ossl_aes_encrypt(void *ctx, const struct mu_secret *key,
                        const uint8_t in[16], uint8_t out[16])
{
    (void)ctx;
    return cipher_raw(ossl_ecb, key, NULL, 1, in, out, MU_AES_BLOCK);
}

int mu_ossl_aes_decrypt(void *ctx, const struct mu_secret *key,
                        const uint8_t in[16], uint8_t out[16])
{
    (void)ctx;
    return cipher_raw(ossl_ecb, key, NULL, 0, in, out, MU_AES_BLOCK);
}
