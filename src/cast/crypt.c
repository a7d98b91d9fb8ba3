/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content encryption (AES-128-CTR, first counter block zero) and the check of
 * one DATA packet; docs/wire-format.md s.6.1.
 */
#include "muster/cast.h"

/* The counter block of content block n. */
static void crypt_counter(uint64_t n, uint8_t counter[MU_AES_BLOCK])
{
    struct mu_writer w = mu_writer(counter, MU_AES_BLOCK);

    mu_write_u64(&w, 0);
    mu_write_u64(&w, n);
}

int mu_cast_crypt(const struct mu_crypto *c, const struct mu_secret *cek,
                  uint64_t at, uint8_t *data, size_t len)
{
    uint8_t counter[MU_AES_BLOCK];
    size_t skip = at % MU_AES_BLOCK;
    uint64_t n = at / MU_AES_BLOCK;
    int rc = 0;

    if (skip != 0 && len > 0) { /* the rest of a block begun before `at` */
        uint8_t block[MU_AES_BLOCK] = {0};
        size_t part = MU_AES_BLOCK - skip < len ? MU_AES_BLOCK - skip : len;
        mu_copy(block + skip, data, part);
        crypt_counter(n++, counter);
        rc = c->aes_ctr(c->ctx, cek, counter, block, sizeof(block));
        if (rc != 0)
            return rc;
        mu_copy(data, block + skip, part);
        mu_wipe(block, sizeof(block)); /* its front is bare key stream */
        data += part;
        len -= part;
    }
    if (len > 0) {
        crypt_counter(n, counter);
        rc = c->aes_ctr(c->ctx, cek, counter, data, len);
    }
    return rc;
}

int mu_cast_data_check(const struct mu_crypto *c, struct mu_bytes packet,
                       const uint8_t *hash, uint8_t hash_len)
{
    uint8_t is[MU_SHA256_LEN];

    mu_sha256(c, &packet, 1, is);
    return mu_ct_eq(is, hash, hash_len) ? 0 : MU_ERR_AUTH;
}
