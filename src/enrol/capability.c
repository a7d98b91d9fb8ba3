/* SPDX-License-Identifier: Apache-2.0 */
/* The capability map of a node: docs/wire-format.md s.3.1. */
#include "muster/cbor.h"
#include "muster/connect.h"

#define CAPABILITY_ALL 0x1e /* bits 1 to 4: the fields that must be there */

void mu_capability_write(struct mu_writer *w, const struct mu_capability *cap)
{
    if (cap->algs_len > MU_CAPABILITY_ALGS_MAX) {
        mu_writer_fail(w);
        return;
    }
    mu_cbor_put_map(w, cap->member_memory != 0 ? 5 : 4);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, cap->object_max);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, cap->page_memory);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_array(w, cap->algs_len);
    for (size_t i = 0; i < cap->algs_len; i++)
        mu_cbor_put_int(w, cap->algs[i]);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_uint(w, cap->receiver);
    if (cap->member_memory != 0) {
        mu_cbor_put_uint(w, 5);
        mu_cbor_put_uint(w, cap->member_memory);
    }
}

static void capability_algs(struct mu_reader *r, struct mu_capability *cap)
{
    size_t count = mu_cbor_get_array(r);

    cap->algs_len = 0;
    for (size_t i = 0; i < count && !r->failed; i++) {
        int64_t alg = mu_cbor_get_int(r);
        /* One that does not fit is none of ours: left out like the rest. */
        if (cap->algs_len < MU_CAPABILITY_ALGS_MAX && alg >= INT32_MIN &&
            alg <= INT32_MAX)
            cap->algs[cap->algs_len++] = (int32_t)alg;
    }
}

void mu_capability_read(struct mu_reader *r, struct mu_capability *cap)
{
    struct mu_cbor_map map = mu_cbor_get_map(r);
    unsigned there = 0;
    int64_t key;

    *cap = (struct mu_capability){0};
    while (mu_cbor_map_next(r, &map, &key)) {
        if (key >= 1 && key <= 4)
            there |= 1u << key;
        switch (key) {
        case 1:
            cap->object_max = mu_cbor_get_uint(r);
            break;
        case 2:
            cap->page_memory = mu_cbor_get_uint(r);
            break;
        case 3:
            capability_algs(r, cap);
            break;
        case 4:
            cap->receiver = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
            break;
        case 5:
            cap->member_memory =
                (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
            break;
        default:
            mu_cbor_skip(r);
            break;
        }
    }
    if (there != CAPABILITY_ALL)
        mu_reader_fail(r);
    if (r->failed)
        *cap = (struct mu_capability){0};
}

bool mu_capability_has_alg(const struct mu_capability *cap, enum mu_alg alg)
{
    for (size_t i = 0; i < cap->algs_len; i++) {
        if (cap->algs[i] == (int32_t)alg)
            return true;
    }
    return false;
}
