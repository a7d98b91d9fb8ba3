/* SPDX-License-Identifier: Apache-2.0 */
/* Repairs to all or one by one, whichever costs less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cast/field.h"

#define COST 10u

static const struct field_conf usual = {
    .shape = {200, 64, 32, 8},
    .size = 100000,
    .receivers = 20,
    .loss_permille = 20,
    .delay_us = 2000,
    .guess_permille = 0,
    .answer_all_max = 64,
    .seed = 1,
};

/* Runs to the end. What it cost, in packets to one. */
static uint64_t cost_of(const struct field_conf *conf, uint64_t each,
                        struct mu_cast_counts *counts)
{
    struct field f;

    field_init(&f, conf);
    assert_true(field_run(&f));
    assert_int_equal(field_done(&f), conf->receivers);
    *counts = *mu_cast_sender_counts(&f.sender);
    assert_true(counts->alone <= counts->repair);
    each *= field_packets(&f) - counts->alone;
    field_free(&f);
    return each + counts->alone;
}

static void test_cheaper(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct field_conf conf = usual;
        struct mu_cast_counts all, one;
        uint64_t to_all, by_cost;

        conf.seed = seed;
        to_all = cost_of(&conf, COST, &all);
        assert_int_equal(all.alone, 0);
        conf.cost = COST;
        by_cost = cost_of(&conf, COST, &one);
        assert_true(one.alone > 0);
        assert_true(by_cost < to_all);
        /* The first pass of each page is to all, whatever it costs. */
        assert_true(one.data == all.data);
    }
}

/* A multicast that costs as much as one copy is never more than the copies. */
static void test_multicast_is_cheap(void **state)
{
    struct field_conf conf = usual;
    struct mu_cast_counts counts;

    (void)state;
    for (conf.cost = 0; conf.cost < 2; conf.cost++) {
        cost_of(&conf, 1, &counts);
        assert_int_equal(counts.alone, 0);
        assert_true(counts.repair > 0);
    }
    /* So many need something that all is the way even so. */
    conf.loss_permille = 300;
    conf.cost = 2;
    cost_of(&conf, 2, &counts);
    assert_true(counts.alone * 4 < counts.repair);
}

/* Copies to all: a repair goes to those who need it, no others. */
static void test_copies(void **state)
{
    struct field_conf conf = usual;
    struct mu_cast_counts all, one;
    uint64_t to_all, by_cost;

    (void)state;
    conf.receivers = 5;
    to_all = cost_of(&conf, conf.receivers, &all);
    conf.cost = UINT16_MAX;
    by_cost = cost_of(&conf, conf.receivers, &one);
    assert_true(one.alone > 0);
    assert_true(by_cost < to_all);
}

/* Where answers are few by themselves, the tail goes one by one. */
static void test_crowd(void **state)
{
    struct field_conf conf = usual;
    struct mu_cast_counts all, one;
    uint64_t to_all, by_cost;

    (void)state;
    conf.receivers = 300;
    conf.loss_permille = 100;
    conf.guess_permille = 50;
    conf.answer_all_max = 0;
    to_all = cost_of(&conf, COST, &all);
    conf.cost = COST;
    by_cost = cost_of(&conf, COST, &one);
    assert_true(one.alone > 0);
    assert_true(by_cost < to_all + to_all / 20);
}

/* One of two hears only what goes to all: with him nobody is served alone. */
static void test_not_alone(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.receivers = 2;
    conf.cost = COST;
    conf.loss_permille = 100;
    conf.not_alone = 2;
    field_init(&f, &conf);
    assert_true(field_run(&f));
    assert_int_equal(field_done(&f), 2);
    assert_true(f.all[0].alone > 0);
    assert_int_equal(f.all[1].alone, 0);
    assert_true(mu_cast_sender_counts(&f.sender)->repair >
                mu_cast_sender_counts(&f.sender)->alone);
    field_free(&f);
}

/* One that asks for everything gets no more alone than it would have cost all. */
static void asks_all(struct field *f, uint32_t receiver, struct mu_bytes packet)
{
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_need n;

    if (receiver != 0 ||
        mu_need_consume(f->crypto, &f->all[0].kfb, packet, &n) != 0)
        return;
    n.need = f->sender.page.data;
    n.bitmap = mu_bytes(NULL, 0);
    assert_int_equal(mu_need_create(f->crypto, &f->all[0].kfb, &n, &w), 0);
    field_unicast(f, mu_written(&w));
}

static void test_liar(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.cost = COST;
    conf.fair = true;
    conf.repair_max = 32;
    conf.said = asks_all;
    field_init(&f, &conf);
    while (field_done(&f) < conf.receivers && f.now < MU_SECONDS(60))
        assert_true(field_step(&f));
    assert_int_equal(field_done(&f), conf.receivers);
    assert_true(mu_cast_sender_counts(&f.sender)->repair <
                3 * mu_cast_sender_counts(&f.sender)->data);
    field_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cheaper),
        cmocka_unit_test(test_multicast_is_cheap),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_not_alone),
        cmocka_unit_test(test_liar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
