/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash and HMAC over a list of parts, and HMAC built on a bare hash.
 */
#include "muster/crypto_hmac.h"

#define HMAC_BLOCK 64 /* bytes: block of SHA-1 and SHA-256, FIPS 180-4 s.5.2   \
                       */

void mu_sha256(const struct mu_crypto *c, const struct mu_bytes *parts,
               size_t parts_len, uint8_t out[32])
{
    struct mu_sha256 s;

    c->sha256_init(c->ctx, &s);
    for (size_t i = 0; i < parts_len; i++)
        c->sha256_update(c->ctx, &s, parts[i]);
    c->sha256_final(c->ctx, &s, out);
}

int mu_hmac(const struct mu_crypto *c, struct mu_bytes key,
            const struct mu_bytes *parts, size_t parts_len, uint8_t out[32])
{
    if (parts_len > MU_HMAC_PARTS_MAX)
        return MU_ERR_USAGE;
    return c->hmac_sha256(c->ctx, key, parts, parts_len, out);
}

/* Starts a hash with the padded key XORed with fill: RFC 2104 s.2. */
static void hmac_start(const struct mu_hmac_hash *h, void *ctx,
                       const uint8_t pad[HMAC_BLOCK], uint8_t fill,
                       struct mu_sha256 *s)
{
    uint8_t block[HMAC_BLOCK];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = pad[i] ^ fill;
    h->init(ctx, s);
    h->update(ctx, s, MU_BYTES(block));
    mu_wipe(block, sizeof(block));
}

int mu_hmac_by_hash(const struct mu_hmac_hash *h, void *ctx,
                    struct mu_bytes key, const struct mu_bytes *parts,
                    size_t parts_len, uint8_t *out)
{
    struct mu_sha256 s;
    uint8_t pad[HMAC_BLOCK] = {0};
    uint8_t inner[MU_SHA256_LEN];

    if (parts_len > MU_HMAC_PARTS_MAX || h->out_len > sizeof(inner))
        return MU_ERR_USAGE;
    if (key.len > sizeof(pad)) {
        h->init(ctx, &s);
        h->update(ctx, &s, key);
        h->final(ctx, &s, pad);
    } else {
        mu_copy(pad, key.data, key.len);
    }

    hmac_start(h, ctx, pad, 0x36, &s);
    for (size_t i = 0; i < parts_len; i++)
        h->update(ctx, &s, parts[i]);
    h->final(ctx, &s, inner);

    hmac_start(h, ctx, pad, 0x5c, &s);
    h->update(ctx, &s, mu_bytes(inner, h->out_len));
    h->final(ctx, &s, out);

    mu_wipe(pad, sizeof(pad));
    mu_wipe(inner, sizeof(inner));
    mu_wipe(&s, sizeof(s));
    return 0;
}
