/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES: CCM and GCM, counter mode, single blocks. A key is a volatile PSA key
 * for the length of one call.
 */
#include "crypto_psa/internal.h"

#define AES_KEY_LEN 16
#define CTR_PIECE 64 /* bytes: four blocks, little stack */

static int cipher_import(const struct mu_secret *key, psa_algorithm_t alg,
                         psa_key_usage_t usage, psa_key_id_t *id)
{
    psa_key_attributes_t attr = PSA_KEY_ATTRIBUTES_INIT;

    if (key->len != AES_KEY_LEN)
        return MU_ERR_USAGE;
    psa_set_key_type(&attr, PSA_KEY_TYPE_AES);
    psa_set_key_algorithm(&attr, alg);
    psa_set_key_usage_flags(&attr, usage);
    return mu_psa_error(psa_import_key(&attr, key->bytes, key->len, id));
}

/* Destroying wipes the copy; when even that fails, nothing may go on. */
static int cipher_drop(psa_key_id_t id, int rc)
{
    return psa_destroy_key(id) == PSA_SUCCESS ? rc : MU_ERR_CRYPTO;
}

/* One AEAD algorithm: PSA's number for it, and its sizes in bytes. */
struct cipher_aead {
    psa_algorithm_t alg;
    size_t nonce_len;
    size_t tag_len;
};

static int cipher_find(const struct mu_aead *a, size_t in_len,
                       struct cipher_aead *out)
{
    if (a->alg == MU_ALG_AES_CCM_16_64_128)
        *out = (struct cipher_aead){
            PSA_ALG_AEAD_WITH_SHORTENED_TAG(PSA_ALG_CCM, 8),
            13,
            8,
        };
    else if (a->alg == MU_ALG_A128GCM)
        *out = (struct cipher_aead){PSA_ALG_GCM, 12, 16};
    else
        return MU_ERR_UNSUPPORTED;
    if (a->nonce.len != out->nonce_len)
        return MU_ERR_USAGE;
    /* CCM with a 13-byte nonce has a 2-byte length field (RFC 3610 s.2.1). */
    if (out->nonce_len == 13 && in_len > (size_t)UINT16_MAX)
        return MU_ERR_TOO_LARGE;
    return 0;
}

int mu_psa_seal(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                uint8_t *out, size_t *out_len)
{
    struct cipher_aead k;
    psa_key_id_t id;
    int rc;

    (void)ctx;
    rc = cipher_find(a, in.len, &k);
    if (rc == 0)
        rc = cipher_import(a->key, k.alg, PSA_KEY_USAGE_ENCRYPT, &id);
    if (rc != 0)
        return rc;
    rc = mu_psa_error(psa_aead_encrypt(id, k.alg, a->nonce.data, a->nonce.len,
                                       a->aad.data, a->aad.len, in.data, in.len,
                                       out, in.len + k.tag_len, out_len));
    rc = cipher_drop(id, rc);
    if (rc != 0)
        mu_wipe(out, in.len + k.tag_len);
    return rc;
}

int mu_psa_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                uint8_t *out, size_t *out_len)
{
    struct cipher_aead k;
    psa_key_id_t id;
    int rc;

    (void)ctx;
    rc = cipher_find(a, 0, &k);
    if (rc != 0)
        return rc;
    if (in.len < k.tag_len)
        return MU_ERR_AUTH; /* too short to hold a tag */
    rc = cipher_find(a, in.len - k.tag_len, &k);
    if (rc == 0)
        rc = cipher_import(a->key, k.alg, PSA_KEY_USAGE_DECRYPT, &id);
    if (rc != 0)
        return rc;
    rc = mu_psa_error(psa_aead_decrypt(id, k.alg, a->nonce.data, a->nonce.len,
                                       a->aad.data, a->aad.len, in.data, in.len,
                                       out, in.len - k.tag_len, out_len));
    rc = cipher_drop(id, rc);
    if (rc != 0)
        mu_wipe(out, in.len - k.tag_len);
    return rc;
}

/* In pieces by way of a buffer: Mbed TLS refuses counter mode in place when a
 * length is no multiple of the block (Mbed TLS issue 1076). */
static psa_status_t cipher_ctr_run(psa_cipher_operation_t *op, uint8_t *data,
                                   size_t len)
{
    uint8_t piece[CTR_PIECE];
    psa_status_t status = PSA_SUCCESS;

    while (len > 0 && status == PSA_SUCCESS) {
        const size_t n = len < sizeof(piece) ? len : sizeof(piece);
        size_t m = 0;

        status = psa_cipher_update(op, data, n, piece, sizeof(piece), &m);
        if (status == PSA_SUCCESS && m != n)
            status = PSA_ERROR_GENERIC_ERROR;
        if (status == PSA_SUCCESS)
            mu_copy(data, piece, n);
        data += n;
        len -= n;
    }
    mu_wipe(piece, sizeof(piece));
    return status;
}

static psa_status_t cipher_ctr(psa_key_id_t id, const uint8_t counter[16],
                               uint8_t *data, size_t len)
{
    psa_cipher_operation_t op = PSA_CIPHER_OPERATION_INIT;
    uint8_t rest[MU_AES_BLOCK]; /* counter mode leaves nothing for the end */
    size_t n = 0;
    psa_status_t status;

    status = psa_cipher_encrypt_setup(&op, id, PSA_ALG_CTR);
    if (status == PSA_SUCCESS)
        status = psa_cipher_set_iv(&op, counter, MU_AES_BLOCK);
    if (status == PSA_SUCCESS)
        status = cipher_ctr_run(&op, data, len);
    if (status == PSA_SUCCESS)
        status = psa_cipher_finish(&op, rest, sizeof(rest), &n);
    if (status == PSA_SUCCESS && n != 0)
        status = PSA_ERROR_GENERIC_ERROR;
    if (status != PSA_SUCCESS)
        (void)psa_cipher_abort(&op); /* already failing: status tells */
    return status;
}

int mu_psa_aes_ctr(void *ctx, const struct mu_secret *key,
                   const uint8_t counter[16], uint8_t *data, size_t len)
{
    psa_key_id_t id;
    int rc;

    (void)ctx;
    rc = cipher_import(key, PSA_ALG_CTR, PSA_KEY_USAGE_ENCRYPT, &id);
    if (rc != 0)
        return rc;
    if (len != 0)
        rc = mu_psa_error(cipher_ctr(id, counter, data, len));
    return cipher_drop(id, rc);
}

/* One block by way of buffers of our own: PSA does not promise that a
 * one-shot call works in place. */
static int cipher_block(const struct mu_secret *key, bool encrypt,
                        const uint8_t in[16], uint8_t out[16])
{
    const psa_algorithm_t alg = PSA_ALG_ECB_NO_PADDING;
    uint8_t from[MU_AES_BLOCK];
    uint8_t to[MU_AES_BLOCK];
    psa_key_id_t id;
    size_t n = 0;
    int rc;

    rc = cipher_import(
        key, alg, encrypt ? PSA_KEY_USAGE_ENCRYPT : PSA_KEY_USAGE_DECRYPT, &id);
    if (rc != 0)
        return rc;
    mu_copy(from, in, sizeof(from));
    if (encrypt)
        rc = mu_psa_error(psa_cipher_encrypt(id, alg, from, sizeof(from), to,
                                             sizeof(to), &n));
    else
        rc = mu_psa_error(psa_cipher_decrypt(id, alg, from, sizeof(from), to,
                                             sizeof(to), &n));
    if (rc == 0 && n != sizeof(to))
        rc = MU_ERR_CRYPTO;
    rc = cipher_drop(id, rc);
    if (rc == 0)
        mu_copy(out, to, sizeof(to));
    mu_wipe(from, sizeof(from));
    mu_wipe(to, sizeof(to));
    return rc;
}

int mu_psa_aes_encrypt(void *ctx, const struct mu_secret *key,
                       const uint8_t in[16], uint8_t out[16])
{
    (void)ctx;
    return cipher_block(key, true, in, out);
}

int mu_psa_aes_decrypt(void *ctx, const struct mu_secret *key,
                       const uint8_t in[16], uint8_t out[16])
{
    (void)ctx;
    return cipher_block(key, false, in, out);
}
