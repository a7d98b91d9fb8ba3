/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding is a dot product. Decoding takes the data symbols that arrived out
 * of each parity symbol that did; what is left is a square system in the
 * missing ones. While k + j < 255 it is part of a Cauchy matrix, and every
 * square part of one can be inverted; beyond that coefficients are random, and
 * one system in some 250 is short of a rank.
 *
 * Scratch, for e missing symbols: the matrix (e x e), one chunk of each of the e
 * right-hand sides, two numbers of two bytes for each.
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
    x = ((uint32_t)j << 10 | i) * 0x9e3779b1u;
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

/* Matrix, right-hand sides, and which symbol is which. */
size_t mu_parity_scratch(unsigned k, unsigned parity)
{
    size_t e = k < parity ? k : parity;

    return e * e + e * MU_GF_CHUNK + 4 * e;
}

static void row_scale(uint8_t *row, unsigned len, uint8_t by)
{
    for (unsigned i = 0; i < len; i++)
        row[i] = mu_gf_mul(row[i], by);
}

/* One row alone: the sums of mu_gf_dot are for many. */
static void row_add(const struct mu_crypto *c, uint8_t *row,
                    const uint8_t *other, unsigned len, uint8_t times)
{
    if (c->gf_sum != NULL) {
        c->gf_sum(c->ctx, &(struct mu_gf_sum){
                              .to = row, .add = true, .coef = &times,
                              .from = other, .stride = len, .count = 1,
                              .len = len});
        return;
    }
    for (unsigned i = 0; i < len; i++)
        row[i] ^= mu_gf_mul(other[i], times);
}

struct parity_unknowns {
    uint8_t *a;       /* the matrix, e x e; then its inverse */
    uint8_t *missing; /* data symbols that are, and slots of the parity */
    uint8_t *column;  /* of the unknown that a row gives */
    uint8_t *sides;
    unsigned e;
};

/* The first column of a row that is not zero and no pivot yet; e: none. Rows
 * before it have theirs. */
static unsigned matrix_pivot(const struct parity_unknowns *u, unsigned row,
                             const uint8_t *used)
{
    const uint8_t *a = u->a + (size_t)row * u->e;

    for (unsigned c = 0; c < u->e; c++) {
        if (a[c] != 0 && !mu_set_has(used, c))
            return c;
    }
    return u->e;
}

/* Gauss-Jordan in place, each row with the first column that it has left: what
 * was a row's pivot column is then the inverse's column of that row. Returns e,
 * or a row that is a sum of those before it. */
static unsigned matrix_invert(const struct mu_crypto *c,
                              const struct parity_unknowns *u)
{
    uint8_t used[MU_PAGE_DATA_MAX / 8] = {0};

    for (unsigned p = 0; p < u->e; p++) {
        uint8_t *row = u->a + (size_t)p * u->e;
        unsigned at = matrix_pivot(u, p, used);
        uint8_t by;

        if (at == u->e)
            return p;
        mu_set_add(used, at);
        mu_slot_put(u->column, p, at);
        by = mu_gf_inv(row[at]);
        row[at] = 1;
        row_scale(row, u->e, by);
        for (unsigned r = 0; r < u->e; r++) {
            uint8_t *other = u->a + (size_t)r * u->e, times = other[at];

            if (r == p || times == 0)
                continue;
            other[at] = 0;
            row_add(c, other, row, u->e, times);
        }
    }
    return u->e;
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
                          ? parity_coef(p->k, mu_slot_get(p->slots, s), i) : 0;
        parity_sum(c, &(struct mu_gf_sum){
                          .to = p->block + s * p->len, .add = true,
                          .coef = coef, .from = p->block, .stride = p->len,
                          .count = p->k, .len = p->len});
    }
}

static uint8_t *parity_slot(const struct mu_parity_page *p,
                            const struct parity_unknowns *u, unsigned n)
{
    return p->block + mu_slot_get(u->missing, n) * p->len;
}

/* The missing symbols are the inverse times the right-hand sides, chunk by
 * chunk; a side stands where the column of its row is. */
static void parity_solve(const struct mu_crypto *c,
                         const struct mu_parity_page *p,
                         const struct parity_unknowns *u)
{
    for (size_t at = 0; at < p->len; at += MU_GF_CHUNK) {
        size_t n = p->len - at < MU_GF_CHUNK ? p->len - at : MU_GF_CHUNK;
        for (unsigned r = 0; r < u->e; r++)
            mu_copy(u->sides + mu_slot_get(u->column, r) * MU_GF_CHUNK,
                    parity_slot(p, u, r) + at, n);
        for (unsigned r = 0; r < u->e; r++)
            parity_sum(c, &(struct mu_gf_sum){
                              .to = parity_slot(p, u, mu_slot_get(u->column,
                                                                  r)) + at,
                              .coef = u->a + (size_t)r * u->e,
                              .from = u->sides, .stride = MU_GF_CHUNK,
                              .count = u->e, .len = n});
    }
}

static unsigned parity_missing(const struct mu_parity_page *p)
{
    unsigned e = 0;

    for (unsigned s = 0; s < p->k; s++)
        e += !mu_set_has(p->data, s);
    return e;
}

int mu_parity_decode(const struct mu_crypto *c,
                     const struct mu_parity_page *p, uint8_t *scratch)
{
    struct parity_unknowns u = {.a = scratch, .e = parity_missing(p)};
    unsigned n = 0, rank;

    mu_assert(p->k > 0 && p->k <= MU_PAGE_DATA_MAX);
    if (u.e == 0)
        return -1;
    u.sides = scratch + (size_t)u.e * u.e;
    u.missing = u.sides + (size_t)u.e * MU_GF_CHUNK;
    u.column = u.missing + 2 * (size_t)u.e;
    for (unsigned s = 0; s < p->k; s++) {
        if (!mu_set_has(p->data, s))
            mu_slot_put(u.missing, n++, s);
    }
    for (unsigned r = 0; r < u.e; r++) {
        unsigned j = mu_slot_get(p->slots, mu_slot_get(u.missing, r));

        for (unsigned x = 0; x < u.e; x++)
            u.a[(size_t)r * u.e + x] =
                parity_coef(p->k, j, mu_slot_get(u.missing, x));
    }
    rank = matrix_invert(c, &u);
    if (rank < u.e)
        return (int)mu_slot_get(u.missing, rank);
    parity_reduce(c, p);
    parity_solve(c, p, &u);
    return -1;
}
