/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES key wrap (RFC 3394) over the back end's single-block AES, by the index
 * method of s.2.2: one register A, the rest shuffled in the output buffer.
 */
#include "muster/crypto_wrap.h"

#define HALF 8 /* bytes of one RFC 3394 register */

/* RFC 3394 s.2.2.3.1 */
static const uint8_t wrap_iv[HALF] = {
    0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6,
};

/* A ^= t, t as a 64-bit big-endian number. */
static void wrap_count(uint8_t a[HALF], uint64_t t)
{
    for (size_t i = HALF; i-- > 0; t >>= 8)
        a[i] ^= (uint8_t)t;
}

int mu_key_wrap_iv(const struct mu_crypto *c, const struct mu_secret *kek,
                   const uint8_t iv[8], struct mu_bytes in, uint8_t *out)
{
    uint8_t block[MU_AES_BLOCK];
    const size_t n = in.len / HALF;
    uint64_t t = 0;
    int rc = 0;

    if (in.len % HALF != 0 || n < 2)
        return MU_ERR_USAGE;
    mu_copy(block, iv, HALF);
    mu_copy(out + HALF, in.data, in.len);
    for (int j = 0; j < 6 && rc == 0; j++) {
        for (size_t i = 1; i <= n && rc == 0; i++) {
            mu_copy(block + HALF, out + i * HALF, HALF);
            rc = c->aes_encrypt(c->ctx, kek, block, block);
            wrap_count(block, ++t);
            mu_copy(out + i * HALF, block + HALF, HALF);
        }
    }
    mu_copy(out, block, HALF);
    mu_wipe(block, sizeof(block));
    if (rc != 0)
        mu_wipe(out, in.len + HALF);
    return rc;
}

int mu_key_unwrap_iv(const struct mu_crypto *c, const struct mu_secret *kek,
                     const uint8_t iv[8], struct mu_bytes in, uint8_t *out)
{
    uint8_t block[MU_AES_BLOCK];
    const size_t n = in.len / HALF - 1;
    uint64_t t = 6 * (uint64_t)n;
    int rc = 0;

    /* The length is the peer's choice, so it is bad input and no misuse. */
    if (in.len % HALF != 0 || in.len < 3 * HALF)
        return MU_ERR_MALFORMED;
    mu_copy(block, in.data, HALF);
    mu_copy(out, in.data + HALF, in.len - HALF);
    for (int j = 0; j < 6 && rc == 0; j++) {
        for (size_t i = n; i-- > 0 && rc == 0;) {
            wrap_count(block, t--);
            mu_copy(block + HALF, out + i * HALF, HALF);
            rc = c->aes_decrypt(c->ctx, kek, block, block);
            mu_copy(out + i * HALF, block + HALF, HALF);
        }
    }
    if (rc == 0 && !mu_ct_eq(block, iv, HALF))
        rc = MU_ERR_AUTH; /* RFC 3394 s.2.2.3: nothing of the key is given */
    mu_wipe(block, sizeof(block));
    if (rc != 0)
        mu_wipe(out, in.len - HALF);
    return rc;
}

int mu_key_wrap(const struct mu_crypto *c, const struct mu_secret *kek,
                struct mu_bytes in, uint8_t *out)
{
    return mu_key_wrap_iv(c, kek, wrap_iv, in, out);
}

int mu_key_unwrap(const struct mu_crypto *c, const struct mu_secret *kek,
                  struct mu_bytes in, uint8_t *out)
{
    return mu_key_unwrap_iv(c, kek, wrap_iv, in, out);
}
