/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding is a dot product. Decoding takes the data symbols that arrived out
 * of each parity symbol that did; what is left is a square Cauchy system in
 * the missing ones. Every square part of a Cauchy matrix can be inverted, and
 * with every leading part too no pivot is ever zero.
 *
 * Scratch, for e missing symbols: the inverse (e x e), then one chunk of each
 * of the e right-hand sides, or before that the matrix itself.
 */
#include "cast/parity.h"

#include "cast/gf256.h"
#include "muster/assert.h"
#include "muster/limits.h"

/* What data symbol i counts in parity symbol j. */
static uint8_t parity_coef(unsigned j, unsigned i)
{
    return mu_gf_inv((uint8_t)((255 - j) ^ i));
}

void mu_parity_encode(uint8_t *to, unsigned j, const uint8_t *block,
                      unsigned k, size_t len)
{
    uint8_t coef[MU_PAGE_PACKETS_MAX];

    mu_assert(k + j < MU_PAGE_PACKETS_MAX);
    for (unsigned i = 0; i < k; i++)
        coef[i] = parity_coef(j, i);
    mu_gf_dot(to, false, coef, block, len, k, len);
}

size_t mu_parity_scratch(unsigned parity)
{
    size_t e = parity;
    size_t other = e > MU_GF_CHUNK ? e : MU_GF_CHUNK;

    return e * e + e * other;
}

static void row_scale(uint8_t *row, unsigned len, uint8_t by)
{
    for (unsigned i = 0; i < len; i++)
        row[i] = mu_gf_mul(row[i], by);
}

static void row_add(uint8_t *row, const uint8_t *other, unsigned len,
                    uint8_t times)
{
    for (unsigned i = 0; i < len; i++)
        row[i] ^= mu_gf_mul(other[i], times);
}

/* Gauss-Jordan: inv becomes the inverse of a, a the unit matrix. */
static void matrix_invert(uint8_t *a, uint8_t *inv, unsigned e)
{
    mu_zero(inv, (size_t)e * e);
    for (unsigned r = 0; r < e; r++)
        inv[(size_t)r * e + r] = 1;
    for (unsigned p = 0; p < e; p++) {
        uint8_t *a_p = a + (size_t)p * e;
        uint8_t *inv_p = inv + (size_t)p * e;
        uint8_t by = mu_gf_inv(a_p[p]);
        row_scale(a_p, e, by);
        row_scale(inv_p, e, by);
        for (unsigned r = 0; r < e; r++) {
            uint8_t times = a[(size_t)r * e + p];
            if (r == p || times == 0)
                continue;
            row_add(a + (size_t)r * e, a_p, e, times);
            row_add(inv + (size_t)r * e, inv_p, e, times);
        }
    }
}

/* Leaves in each parity symbol only what the missing symbols put into it. */
static void parity_reduce(uint8_t *block, const uint8_t *slots, unsigned k,
                          size_t len)
{
    uint8_t coef[MU_PAGE_PACKETS_MAX];

    for (unsigned s = 0; s < k; s++) {
        if (slots[s] == s)
            continue;
        for (unsigned i = 0; i < k; i++)
            coef[i] = slots[i] == i ? parity_coef(slots[s] - k, i) : 0;
        mu_gf_dot(block + s * len, true, coef, block, len, k, len);
    }
}

/* The missing symbols are inv times the right-hand sides, chunk by chunk. */
static void parity_solve(uint8_t *block, const uint8_t *missing, unsigned e,
                         const uint8_t *inv, size_t len, uint8_t *sides)
{
    for (size_t at = 0; at < len; at += MU_GF_CHUNK) {
        size_t n = len - at < MU_GF_CHUNK ? len - at : MU_GF_CHUNK;
        for (unsigned r = 0; r < e; r++)
            mu_copy(sides + (size_t)r * MU_GF_CHUNK,
                    block + missing[r] * len + at, n);
        for (unsigned r = 0; r < e; r++)
            mu_gf_dot(block + missing[r] * len + at, false,
                      inv + (size_t)r * e, sides, MU_GF_CHUNK, e, n);
    }
}

void mu_parity_decode(uint8_t *block, uint8_t *slots, unsigned k, size_t len,
                      uint8_t *scratch)
{
    uint8_t missing[MU_PAGE_PACKETS_MAX];
    unsigned e = 0;

    mu_assert(k > 0 && k <= MU_PAGE_PACKETS_MAX);
    for (unsigned s = 0; s < k; s++) {
        mu_assert(slots[s] == s || slots[s] >= k);
        if (slots[s] != s)
            missing[e++] = (uint8_t)s;
    }
    if (e == 0)
        return;

    uint8_t *inv = scratch;
    uint8_t *a = scratch + (size_t)e * e;
    for (unsigned r = 0; r < e; r++) {
        for (unsigned x = 0; x < e; x++)
            a[(size_t)r * e + x] =
                parity_coef(slots[missing[r]] - k, missing[x]);
    }
    matrix_invert(a, inv, e);
    parity_reduce(block, slots, k, len);
    parity_solve(block, missing, e, inv, len, a);
    for (unsigned r = 0; r < e; r++)
        slots[missing[r]] = missing[r];
}
