/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters that are never reused. What is stored is always ahead of what is
 * used, so a power cut costs numbers and never repeats one.
 */
#include "muster/assert.h"
#include "muster/keys.h"

/* next <= reserved <= wanted, always. */
static bool counter_invariant(const struct mu_counter *c)
{
    return c->next <= c->reserved && c->reserved <= c->wanted && c->block > 0;
}

void mu_counter_init(struct mu_counter *c, uint64_t stored_end, uint32_t block)
{
    mu_assert(block > 0);
    *c = (struct mu_counter){stored_end, stored_end, stored_end, block};
}

int mu_counter_take(struct mu_counter *c, uint64_t *value)
{
    mu_assert(counter_invariant(c));
    if (c->next == UINT64_MAX)
        return MU_ERR_EXHAUSTED;
    if (c->next == c->reserved)
        return MU_ERR_BUSY;
    *value = c->next++;
    return 0;
}

bool mu_counter_wants(struct mu_counter *c, uint64_t *end)
{
    mu_assert(counter_invariant(c));
    /* One block at a time, and early: half a block is left to work with while
     * the store is busy. */
    if (c->wanted != c->reserved || c->reserved == UINT64_MAX ||
        c->reserved - c->next > c->block / 2)
        return false;
    c->wanted = c->reserved + c->block;
    if (c->wanted < c->reserved)
        c->wanted = UINT64_MAX;
    *end = c->wanted;
    return true;
}

void mu_counter_stored(struct mu_counter *c, uint64_t end)
{
    mu_assert(counter_invariant(c) && end <= c->wanted);
    if (end > c->reserved)
        c->reserved = end;
    c->wanted = c->reserved;
}
