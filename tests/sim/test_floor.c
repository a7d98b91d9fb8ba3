/* SPDX-License-Identifier: Apache-2.0 */
/* What a perfect code would have needed: computed against dice, and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "muster/cast.h"
#include "sim/floor.h"

#define DRAWS 300

/* Packets until each of so many has k, on the average: losses as network_lost
 * draws them. */
static double dice(uint32_t k, uint32_t receivers, double loss, double burst)
{
    struct sim_rng rng;
    double leave = 1.0 / burst, enter = loss * leave / (1.0 - loss), sum = 0;

    sim_rng_seed(&rng, k, receivers);
    for (int d = 0; d < DRAWS; d++) {
        uint32_t most = 0;
        for (uint32_t i = 0; i < receivers; i++) {
            bool bad = sim_rng_chance(&rng, loss);
            uint32_t sent = 0, got = 0;
            while (got < k) {
                if (burst <= 1)
                    bad = sim_rng_chance(&rng, loss);
                else
                    bad = sim_rng_chance(&rng, bad ? 1.0 - leave : enter);
                sent++;
                got += !bad;
            }
            most = sent > most ? sent : most;
        }
        sum += most;
    }
    return sum / DRAWS;
}

static void test_expected(void **state)
{
    static const struct { uint32_t k, receivers; double loss, burst; } c[] = {
        {6, 40, 0.05, 1},  {6, 40, 0.2, 5},    {60, 40, 0.05, 5},
        {60, 1, 0.2, 5},   {60, 40, 0.2, 1},   {40, 100, 0.05, 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        double d = dice(c[i].k, c[i].receivers, c[i].loss, c[i].burst);
        double e = sim_floor_expected(c[i].k, c[i].receivers, c[i].loss,
                                      c[i].burst);
        assert_true(e > 0.97 * d && e < 1.03 * d);
    }
    assert_true(sim_floor_expected(17, 1000, 0, 1) > 17 - 1e-6);
    assert_true(sim_floor_expected(17, 1000, 0, 5) < 17 + 1e-6);
}

/* The pages of 256 KiB at a payload of 1,024, for 1,000 receivers. */
static void test_pages(void **state)
{
    double alone = sim_floor_expected(6, 1000, 0.05, 1) +
                   sim_floor_expected(255, 1000, 0.05, 1);
    double bursts = sim_floor_expected(6, 1000, 0.05, 5) +
                    sim_floor_expected(255, 1000, 0.05, 5);

    (void)state;
    assert_true(alone > 9.4 + 282.2 && alone < 9.6 + 282.4);
    assert_true(bursts > 1.15 * alone);
}

/* As many as are enough with a probability, and no fewer. */
static void test_enough(void **state)
{
    uint32_t half = sim_floor_packets(60, 40, 0.2, 5, 0.5);
    uint32_t most = sim_floor_packets(60, 40, 0.2, 5, 0.99);
    double mean = sim_floor_expected(60, 40, 0.2, 5);

    (void)state;
    assert_true(half < mean + 1 && half > 0.9 * mean);
    assert_true(most > 1.1 * mean && most < 1.5 * mean);
    assert_int_equal(sim_floor_packets(60, 40, 0, 5, 0.99), 60);
}

struct counting {
    struct sim_world w;
    struct sim_node n[2];
    struct mu_cast_page page[2];
};

/* One symbol into area 0; who hears it: bit 0 and bit 1. */
static void say(struct counting *c, uint32_t page, unsigned to)
{
    uint8_t packet[MU_CAST_DATA_HEADER + 1] = {0};
    struct sim_buffer *b;
    struct sim_floor_page *p;

    mu_cast_data_head(packet, 1, page, 0);
    b = sim_buffer_new(packet, sizeof packet);
    p = sim_floor_sent(&c->w, 1, b);
    assert_non_null(p);
    for (unsigned i = 0; i < 2; i++) {
        if ((to >> i & 1) != 0)
            sim_floor_heard(p, &c->n[i]);
    }
    sim_buffer_drop(b);
}

/* The one who is served last counts, and what is sent after that does not. */
static void test_counted(void **state)
{
    struct counting *c = calloc(1, sizeof *c);
    struct mu_cast_shape shape = {1024, 40, 20, 8};
    uint32_t k;

    (void)state;
    assert_non_null(c);
    c->w.counting = true;
    c->n[1].number = 1;
    assert_int_equal(mu_cast_page_at(&shape, 30000, 0, &c->page[0]), 0);
    k = c->page[0].data;
    assert_true(c->page[0].last);
    c->w.floor = sim_floor_new(&shape, 30000, 2, 1);
    say(c, 0, 0);
    for (uint32_t i = 0; i < k; i++)
        say(c, 0, 1); /* the second misses as many */
    assert_int_equal(sim_floor_pages(c->w.floor), k + 1);
    for (uint32_t i = 0; i < k; i++)
        say(c, 0, 3);
    say(c, 0, 3);
    assert_int_equal(sim_floor_pages(c->w.floor), 2 * k + 1);
    assert_int_equal(sim_floor_block(c->w.floor), 2 * k + 1);
    sim_floor_del(c->w.floor);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_enough),
        cmocka_unit_test(test_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
