/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC (RFC 2104) over any hash with 64-byte blocks, for back ends that have a
 * bare hash and no HMAC that is cheap to call. Everybody else calls mu_hmac.
 */
#ifndef MUSTER_CRYPTO_HMAC_H
#define MUSTER_CRYPTO_HMAC_H

#include "muster/crypto.h"

/* A hash whose state fits struct mu_sha256: SHA-1 and SHA-256. */
struct mu_hmac_hash {
    void (*init)(void *ctx, struct mu_sha256 *s);
    void (*update)(void *ctx, struct mu_sha256 *s, struct mu_bytes in);
    void (*final)(void *ctx, struct mu_sha256 *s, uint8_t *out);
    size_t out_len; /* bytes, at most MU_SHA256_LEN */
};

/* out holds h->out_len bytes. MU_ERR_USAGE above MU_HMAC_PARTS_MAX parts. */
MU_MUST int mu_hmac_by_hash(const struct mu_hmac_hash *h, void *ctx,
                            struct mu_bytes key, const struct mu_bytes *parts,
                            size_t parts_len, uint8_t *out);

#endif
