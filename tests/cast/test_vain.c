/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers and hears nothing is found, by what he says of polls and of
 * symbols; who has bad luck is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "field.h"

static const struct field_conf usual = {
    .shape = {200, 64, 24, 8},
    .size = 9000, /* one page of 46 symbols */
    .receivers = 20,
    .delay_us = 1000,
    .rate = 100000,
    .seed = 1,
};

static bool found(struct field *f, uint16_t *who)
{
    return mu_cast_sender_vain(&f->sender, who);
}

/* One NEED a second; how many until it is found, or 0 in twenty. */
static unsigned until_found(struct field *f, bool hears_polls, uint8_t less)
{
    uint16_t who;

    f->now = 1;
    for (unsigned i = 1; i <= 20; i++) {
        mu_time until = f->now + MU_MS(1001);
        uint8_t out[64];
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_need n = {
            .session = 7, .receiver = 3, .page = 0,
            .round = hears_polls ? f->sender.round : 200,
            .need = (uint8_t)(40 - i * less),
        };

        assert_int_equal(mu_need_create(f->crypto, &f->all[3].kfb, &n, &w), 0);
        field_unicast(f, mu_written(&w));
        while (f->now < until && field_step(f))
            continue;
        f->now = f->now < until ? until : f->now;
        if (found(f, &who)) {
            assert_int_equal(who, 3);
            assert_false(found(f, &who)); /* said once */
            return i;
        }
    }
    return 0;
}

static void test_found(void **state)
{
    struct field f;

    (void)state;
    /* It never knows the polls of the sender. */
    field_init(&f, &usual);
    f.all[3].off = true;
    assert_int_equal(until_found(&f, false, 0), 4);
    field_free(&f);
    /* It does, and gets none of the symbols. */
    field_init(&f, &usual);
    f.all[3].off = true;
    assert_in_range(until_found(&f, true, 0), 4, 20);
    field_free(&f);
    /* It gets some. */
    field_init(&f, &usual);
    f.all[3].off = true;
    assert_int_equal(until_found(&f, true, 2), 0);
    field_free(&f);
}

static void test_bad_luck(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct field_conf conf = usual;
        struct field f;
        uint16_t who;

        conf.seed = seed;
        conf.loss_permille = 300;
        conf.size = 60000;
        field_init(&f, &conf);
        while (!field_finished(&f)) {
            assert_true(field_step(&f));
            assert_false(found(&f, &who));
        }
        field_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_bad_luck),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
