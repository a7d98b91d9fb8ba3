/* SPDX-License-Identifier: Apache-2.0 */
/* The order of events, against sorting by time and order of arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sim/queue.h"
#include "sim/rng.h"

static void test_order(void **state)
{
    (void)state;
    struct sim_queue q;
    struct sim_rng rng;
    struct sim_item item;
    sim_queue_init(&q);
    sim_rng_seed(&rng, 1, 1);
    for (uint64_t i = 0; i < 5000; i++)
        sim_queue_put(&q, (struct sim_item){.at = sim_rng_below(&rng, 50),
                                            .number = i});
    mu_time at = 0;
    uint64_t last = 0;
    size_t n = 0;
    while (sim_queue_take(&q, &item)) {
        assert_true(item.at >= at);
        if (n > 0 && item.at == at)
            assert_true(item.number > last);
        at = item.at;
        last = item.number;
        n++;
    }
    assert_int_equal(n, 5000);
    sim_queue_clear(&q);
}

/* A place taken early counts, however late the item comes. */
static void test_place(void **state)
{
    struct sim_queue q;
    struct sim_item item;
    uint64_t first, third;

    (void)state;
    sim_queue_init(&q);
    first = sim_queue_place(&q);
    sim_queue_put(&q, (struct sim_item){.at = 9, .number = 2});
    third = sim_queue_place(&q);
    sim_queue_put(&q, (struct sim_item){.at = 9, .number = 4});
    sim_queue_put(&q, (struct sim_item){.at = 8, .number = 0});
    assert_true(sim_queue_take(&q, &item));
    assert_int_equal(item.number, 0);
    sim_queue_put_placed(&q, (struct sim_item){.at = 9, .order = third,
                                               .number = 3});
    sim_queue_put_placed(&q, (struct sim_item){.at = 9, .order = first,
                                               .number = 1});
    for (uint64_t i = 1; i <= 4; i++) {
        assert_true(sim_queue_take(&q, &item));
        assert_int_equal(item.number, i);
    }
    assert_false(sim_queue_take(&q, &item));
    sim_queue_clear(&q);
}

static void test_buffers(void **state)
{
    (void)state;
    struct sim_queue q;
    struct sim_buffer *b = sim_buffer_new("abc", 3);
    sim_queue_init(&q);
    for (int i = 0; i < 10; i++)
        sim_queue_put(&q, (struct sim_item){.at = 1,
                                            .buffer = sim_buffer_hold(b)});
    assert_int_equal(b->refs, 11);
    struct sim_item item;
    assert_true(sim_queue_take(&q, &item));
    sim_buffer_drop(item.buffer);
    assert_int_equal(b->refs, 10);
    sim_queue_clear(&q); /* drops the rest */
    assert_int_equal(b->refs, 1);
    sim_buffer_drop(b);
}

static void test_chance(void **state)
{
    (void)state;
    struct sim_rng rng;
    int hits = 0;
    sim_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 100000; i++)
        hits += sim_rng_chance(&rng, 0.05);
    assert_in_range(hits, 4700, 5300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
