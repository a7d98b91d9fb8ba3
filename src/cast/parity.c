/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding is a dot product. Decoding takes the data symbols that arrived out
 * of each parity symbol that did; what is left is a square system in the
 * missing ones. While k + j < 255 it is part of a Cauchy matrix, and every
 * square part of one can be inverted; beyond that coefficients are random, and
 * one system in some 250 is short of a rank.
 *
 * Scratch, for e missing symbols: the inverse (e x e), then one chunk of each
 * of the e right-hand sides, or before that the matrix itself.
 */
#include "cast/parity.h"

#include "cast/gf256.h"
#include "cast/page.h"
#include "muster/assert.h"
#include "muster/limits.h"

#define CAUCHY_SUM 255u /* k + j below this */

/* What data symbol i counts in parity symbol j of k data symbols. */
static uint8_t parity_coef(unsigned k, unsigned j, unsigned i)
{
    uint32_t x;

    if (k + j < CAUCHY_SUM)
        return mu_gf_inv((uint8_t)((255 - j) ^ i));
    x = ((uint32_t)j << 8 | i) * 0x9e3779b1u;
    x ^= x >> 15;
    x *= 0x85ebca77u;
    x ^= x >> 13;
    return (uint8_t)(x >> 24);
}

static void parity_sum(const struct mu_crypto *c, const struct mu_gf_sum *s)
{
    if (c->gf_sum != NULL)
        c->gf_sum(c->ctx, s);
    else
        mu_gf_dot(s->to, s->add, s->coef, s->from, s->stride, s->count,
                  s->len);
}

void mu_parity_encode(const struct mu_crypto *c, uint8_t *to, unsigned j,
                      const uint8_t *block, unsigned k, size_t len)
{
    uint8_t coef[MU_PAGE_DATA_MAX];

    mu_assert(k <= MU_PAGE_DATA_MAX && j < MU_PAGE_PARITY_MAX);
    for (unsigned i = 0; i < k; i++)
        coef[i] = parity_coef(k, j, i);
    parity_sum(c, &(struct mu_gf_sum){.to = to, .coef = coef, .from = block,
                                      .stride = len, .count = k, .len = len});
}

size_t mu_parity_scratch(unsigned k, unsigned parity)
{
    size_t e = k < parity ? k : parity;
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

/* Gauss-Jordan, each row with the first column that it has left: a becomes a
 * permutation, row r of inv gives unknown column[r]. Returns e, or a row that
 * is a sum of those before it. */
static unsigned matrix_invert(uint8_t *a, uint8_t *inv, uint8_t *column,
                              unsigned e)
{
    mu_zero(inv, (size_t)e * e);
    for (unsigned r = 0; r < e; r++)
        inv[(size_t)r * e + r] = 1;
    for (unsigned p = 0; p < e; p++) {
        uint8_t *a_p = a + (size_t)p * e;
        uint8_t *inv_p = inv + (size_t)p * e;
        unsigned c = 0;
        uint8_t by;
        while (c < e && a_p[c] == 0)
            c++;
        if (c == e)
            return p;
        column[p] = (uint8_t)c;
        by = mu_gf_inv(a_p[c]);
        row_scale(a_p, e, by);
        row_scale(inv_p, e, by);
        for (unsigned r = 0; r < e; r++) {
            uint8_t times = a[(size_t)r * e + c];
            if (r == p || times == 0)
                continue;
            row_add(a + (size_t)r * e, a_p, e, times);
            row_add(inv + (size_t)r * e, inv_p, e, times);
        }
    }
    return e;
}

/* Leaves in each parity symbol only what the missing symbols put into it. */
static void parity_reduce(const struct mu_crypto *c,
                          const struct mu_parity_page *p)
{
    uint8_t coef[MU_PAGE_DATA_MAX];

    for (unsigned s = 0; s < p->k; s++) {
        if (mu_set_has(p->data, s))
            continue;
        for (unsigned i = 0; i < p->k; i++)
            coef[i] = mu_set_has(p->data, i)
                          ? parity_coef(p->k, p->slots[s], i) : 0;
        parity_sum(c, &(struct mu_gf_sum){
                          .to = p->block + s * p->len, .add = true,
                          .coef = coef, .from = p->block, .stride = p->len,
                          .count = p->k, .len = p->len});
    }
}

struct parity_unknowns {
    uint8_t missing[MU_PAGE_DATA_MAX]; /* data symbols, and slots */
    uint8_t column[MU_PAGE_DATA_MAX];
    unsigned e;
};

/* The missing symbols are inv times the right-hand sides, chunk by chunk. */
static void parity_solve(const struct mu_crypto *c,
                         const struct mu_parity_page *p,
                         const struct parity_unknowns *u, const uint8_t *inv,
                         uint8_t *sides)
{
    for (size_t at = 0; at < p->len; at += MU_GF_CHUNK) {
        size_t n = p->len - at < MU_GF_CHUNK ? p->len - at : MU_GF_CHUNK;
        for (unsigned r = 0; r < u->e; r++)
            mu_copy(sides + (size_t)r * MU_GF_CHUNK,
                    p->block + u->missing[r] * p->len + at, n);
        for (unsigned r = 0; r < u->e; r++)
            parity_sum(c, &(struct mu_gf_sum){
                              .to = p->block +
                                    u->missing[u->column[r]] * p->len + at,
                              .coef = inv + (size_t)r * u->e, .from = sides,
                              .stride = MU_GF_CHUNK, .count = u->e,
                              .len = n});
    }
}

int mu_parity_decode(const struct mu_crypto *c,
                     const struct mu_parity_page *p, uint8_t *scratch)
{
    struct parity_unknowns u;
    uint8_t *inv = scratch, *a;
    unsigned rank;

    u.e = 0;
    mu_assert(p->k > 0 && p->k <= MU_PAGE_DATA_MAX);
    for (unsigned s = 0; s < p->k; s++) {
        if (!mu_set_has(p->data, s))
            u.missing[u.e++] = (uint8_t)s;
    }
    if (u.e == 0)
        return -1;
    a = scratch + (size_t)u.e * u.e;
    for (unsigned r = 0; r < u.e; r++) {
        for (unsigned x = 0; x < u.e; x++)
            a[(size_t)r * u.e + x] =
                parity_coef(p->k, p->slots[u.missing[r]], u.missing[x]);
    }
    rank = matrix_invert(a, inv, u.column, u.e);
    if (rank < u.e)
        return u.missing[rank];
    parity_reduce(c, p);
    parity_solve(c, p, &u, inv, a);
    return -1;
}
