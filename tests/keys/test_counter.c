/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: no value twice, wherever the power goes. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "muster/keys.h"

#define VALUES 4096

static uint32_t rng_state;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (rng_state >> 8) % below;
}

/* A world around one counter: durable storage, a store on its way, the values
 * that were ever handed out. */
struct world {
    struct mu_counter c;
    uint64_t durable;
    uint64_t flying; /* 0: none */
    uint32_t block;
    uint8_t used[VALUES];
};

static void world_crash(struct world *w, bool landed)
{
    if (landed && w->flying != 0)
        w->durable = w->flying;
    w->flying = 0;
    mu_counter_init(&w->c, w->durable, w->block);
}

static void world_take(struct world *w)
{
    uint64_t value = 0;
    int rc = mu_counter_take(&w->c, &value);

    if (rc == MU_ERR_BUSY)
        return;
    assert_int_equal(rc, 0);
    assert_true(value < w->durable); /* never ahead of what is stored */
    assert_true(value < VALUES);
    assert_int_equal(w->used[value]++, 0);
}

static void world_step(struct world *w)
{
    uint64_t end;

    switch (rng(8)) {
    case 0:
        if (mu_counter_wants(&w->c, &end)) {
            assert_int_equal(w->flying, 0);
            w->flying = end;
        }
        break;
    case 1:
        if (w->flying != 0) {
            w->durable = w->flying;
            w->flying = 0;
            mu_counter_stored(&w->c, w->durable);
        }
        break;
    case 2:
        if (w->flying != 0 && rng(4) == 0) { /* the store failed */
            w->flying = 0;
            mu_counter_stored(&w->c, w->c.reserved);
        }
        break;
    default:
        world_take(w);
        break;
    }
}

static void test_random_crashes(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct world w = {.block = 1 + seed % 9};
        rng_state = seed;
        world_crash(&w, false);
        for (int i = 0; i < 400; i++) {
            world_step(&w);
            if (rng(20) == 0)
                world_crash(&w, rng(2) == 0);
        }
    }
}

/* The plain life of a counter, cut at each of its points in turn: before the
 * store, while it is on its way (landed or not), after it, after each use. */
static void test_crash_at_every_point(void **state)
{
    (void)state;
    for (int cut = 0; cut < 60; cut++) {
        for (int landed = 0; landed < 2; landed++) {
            struct world w = {.block = 4};
            int point = 0;
            world_crash(&w, false);
            for (int round = 0; round < 12; round++) {
                uint64_t end;
                if (mu_counter_wants(&w.c, &end))
                    w.flying = end;
                if (point++ == cut)
                    world_crash(&w, landed != 0);
                if (w.flying != 0) {
                    w.durable = w.flying;
                    w.flying = 0;
                    mu_counter_stored(&w.c, w.durable);
                }
                for (int take = 0; take < 3; take++) {
                    if (point++ == cut)
                        world_crash(&w, landed != 0);
                    world_take(&w);
                }
                if (point++ == cut)
                    world_crash(&w, landed != 0);
            }
        }
    }
}

static void test_progress(void **state)
{
    struct mu_counter c;
    uint64_t end = 0;
    uint64_t value;
    unsigned stores = 0;

    (void)state;
    mu_counter_init(&c, 100, 16);
    assert_int_equal(mu_counter_take(&c, &value), MU_ERR_BUSY);
    for (uint64_t i = 100; i < 1100; i++) {
        if (mu_counter_wants(&c, &end)) {
            uint64_t again;
            assert_false(mu_counter_wants(&c, &again)); /* it is on its way */
            mu_counter_stored(&c, end);
            stores++;
        }
        assert_int_equal(mu_counter_take(&c, &value), 0);
        assert_int_equal(value, i); /* none is left out without a crash */
    }
    assert_in_range(stores, 1000 / 16, 1000 / 16 + 2);
}

static void test_works_while_storing(void **state)
{
    struct mu_counter c;
    uint64_t end = 0;
    uint64_t value;

    (void)state;
    mu_counter_init(&c, 0, 8);
    assert_true(mu_counter_wants(&c, &end));
    assert_int_equal(end, 8);
    mu_counter_stored(&c, 8);
    for (int i = 0; i < 4; i++)
        assert_int_equal(mu_counter_take(&c, &value), 0);
    assert_true(mu_counter_wants(&c, &end));
    assert_int_equal(end, 16);
    for (int i = 4; i < 8; i++)
        assert_int_equal(mu_counter_take(&c, &value), 0);
    assert_int_equal(mu_counter_take(&c, &value), MU_ERR_BUSY);
    mu_counter_stored(&c, c.reserved); /* it failed: wanted again */
    assert_true(mu_counter_wants(&c, &end));
    assert_int_equal(end, 16);
    mu_counter_stored(&c, 16);
    assert_int_equal(mu_counter_take(&c, &value), 0);
    assert_int_equal(value, 8);
}

static void test_end_of_counter(void **state)
{
    struct mu_counter c;
    uint64_t end = 0;
    uint64_t value;

    (void)state;
    mu_counter_init(&c, UINT64_MAX - 3, 16);
    assert_true(mu_counter_wants(&c, &end));
    assert_true(end == UINT64_MAX);
    mu_counter_stored(&c, end);
    for (int i = 0; i < 3; i++) {
        assert_false(mu_counter_wants(&c, &end));
        assert_int_equal(mu_counter_take(&c, &value), 0);
    }
    assert_true(value == UINT64_MAX - 1);
    assert_int_equal(mu_counter_take(&c, &value), MU_ERR_EXHAUSTED);
    assert_false(mu_counter_wants(&c, &end));
    mu_counter_init(&c, UINT64_MAX, 16);
    assert_int_equal(mu_counter_take(&c, &value), MU_ERR_EXHAUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_crashes),
        cmocka_unit_test(test_crash_at_every_point),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_works_while_storing),
        cmocka_unit_test(test_end_of_counter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
