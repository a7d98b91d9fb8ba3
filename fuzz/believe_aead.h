/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An AEAD that believes every tag: what is inside a ciphertext is then the
 * fuzzer's to choose, as it is a peer's who has the key.
 */
#ifndef FUZZ_BELIEVE_AEAD_H
#define FUZZ_BELIEVE_AEAD_H

#include "fuzz/believe.h"
#include "muster/cose.h"

static inline int believe_open(void *ctx, const struct mu_aead *a,
                               struct mu_bytes in, uint8_t *out,
                               size_t *out_len)
{
    (void)ctx;
    size_t tag_len = mu_alg_tag_len(a->alg);

    if (a->nonce.len != mu_alg_nonce_len(a->alg) || in.len < tag_len)
        return MU_ERR_AUTH;
    *out_len = in.len - tag_len;
    mu_copy(out, in.data, *out_len);
    return 0;
}

static inline struct mu_crypto believe_aead_crypto(void)
{
    struct mu_crypto c = believe_crypto();

    c.open = believe_open;
    return c;
}

/* Whether a view lies in a block, or is empty. */
static inline bool believe_inside(struct mu_bytes view, struct mu_bytes block)
{
    return view.len == 0
        || (view.data >= block.data
            && view.data + view.len <= block.data + block.len);
}

#endif
