/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where few receive, polls call all of them, and the last answer ends the
 * round: no window is waited out for anybody who has answered, and who has not
 * gets copies of the poll before it is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cast/field.h"

#define WINDOW MU_MS(400) /* of the tests: long beside all else */

static const struct field_conf few = {
    .shape = {200, 40, 20, 8},
    .size = 20000,
    .receivers = 5,
    .answer_all_max = 8,
    .window_ms = 400,
    .roll_call = true,
    .delay_us = 500,
    .seed = 1,
    .time_max = MU_SECONDS(60),
};

/* The next packet of the sender alone, at its time: is it a poll? */
static bool next_is_poll(struct field *f, struct mu_poll *p)
{
    uint8_t out[MU_PACKET_MAX];
    size_t len;

    while ((len = mu_cast_sender_next(&f->sender, f->now, out)) == 0) {
        mu_time at = mu_cast_sender_deadline(&f->sender);

        assert_true(at != MU_TIME_NEVER);
        f->now = at > f->now ? at : f->now + 1;
    }
    if (out[0] == MU_CAST_POLL)
        assert_int_equal(mu_poll_consume(f->crypto, &f->kctl,
                                         mu_bytes(out, len), p), 0);
    return out[0] == MU_CAST_POLL;
}

static void answer(struct field *f, uint16_t receiver, const struct mu_poll *p,
                   uint8_t need)
{
    struct mu_need n = {.session = 7, .receiver = receiver, .page = p->page,
                        .round = p->round, .need = need};
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));

    assert_int_equal(mu_need_create(f->crypto, &f->all[receiver].kfb, &n, &w),
                     0);
    assert_int_equal(mu_cast_sender_feedback(&f->sender, f->now,
                                             mu_written(&w)), 0);
}

/* All answer that they have the manifest, which is no wish for repair. */
static void test_roll_call(void **state)
{
    struct field f;
    struct mu_poll p;

    (void)state;
    field_init(&f, &few);
    assert_true(next_is_poll(&f, &p));
    assert_int_equal(p.flags, MU_POLL_ALL);
    assert_int_equal(p.page, 0);
    for (uint16_t i = 0; i < 5; i++)
        answer(&f, i, &p, (uint8_t)f.sender.page.data);
    assert_false(next_is_poll(&f, &p));
    assert_true(f.now < WINDOW / 8);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(f.sender.peers[i].spent, 0);
    while (!next_is_poll(&f, &p))
        ;
    assert_int_equal(f.sender.counts.repair, 0);
    assert_int_equal(f.sender.counts.data, f.sender.page.data);
    field_free(&f);
}

/* One has no manifest: another call, and all answer again. One is away: the
 * window is waited out, once. */
static void test_roll_call_lacks(void **state)
{
    struct field f;
    struct mu_poll p;
    uint8_t first;

    (void)state;
    field_init(&f, &few);
    assert_true(next_is_poll(&f, &p));
    first = p.round;
    for (uint16_t i = 1; i < 4; i++)
        answer(&f, i, &p, (uint8_t)f.sender.page.data);
    p.page = MU_NEED_MANIFEST;
    answer(&f, 0, &p, 1);
    assert_true(mu_cast_sender_unheard(&f.sender));
    do
        assert_true(next_is_poll(&f, &p));
    while (p.round == first);
    assert_true(f.now >= WINDOW);
    assert_int_equal(p.flags, MU_POLL_ALL);
    for (uint16_t i = 0; i < 4; i++)
        answer(&f, i, &p, (uint8_t)f.sender.page.data);
    while (next_is_poll(&f, &p))
        assert_int_equal(p.round, (uint8_t)(first + 1));
    assert_in_range(f.now, 2 * WINDOW, 2 * WINDOW + MU_MS(20));
    field_free(&f);
}

/* Copies go out until all have answered, also when some want repair; the second
 * at once. */
static void test_copies(void **state)
{
    struct field_conf conf = few;
    struct field f;
    struct mu_poll p, again;
    mu_time at;
    unsigned copies = 1;

    (void)state;
    conf.roll_call = false;
    conf.guess_permille = 100;
    field_init(&f, &conf);
    while (!next_is_poll(&f, &p))
        ;
    assert_int_equal(p.flags, MU_POLL_ALL);
    for (uint16_t i = 0; i < 4; i++)
        answer(&f, i, &p, i == 2 ? 3 : 0);
    at = f.now;
    while (next_is_poll(&f, &again) && again.round == p.round) {
        copies++;
        if (copies == 2)
            assert_true(f.now - at < MU_MS(1));
        else
            assert_true(f.now - at >= WINDOW / 8);
    }
    assert_int_equal(copies, 3); /* 5 x 0.1^3 is less than one in 64 */
    assert_true(f.now >= at + WINDOW);
    field_free(&f);

    field_init(&f, &conf);
    while (!next_is_poll(&f, &p))
        ;
    for (uint16_t i = 0; i < 4; i++)
        answer(&f, i, &p, i == 2 ? 3 : 0);
    assert_true(next_is_poll(&f, &again));
    at = f.now;
    answer(&f, 4, &p, 0);
    assert_false(next_is_poll(&f, &again)); /* no more waiting */
    assert_int_equal(f.sender.counts.repair, 1);
    assert_true(f.now - at < MU_MS(2));
    field_free(&f);
}

/* A sender that was not woken up for long has answers to read before it may say
 * that nobody wants anything. */
static void test_late_caller(void **state)
{
    struct field_conf conf = few;
    struct field f;
    struct mu_poll p;
    uint8_t out[MU_PACKET_MAX];
    bool spoke = false;

    (void)state;
    conf.roll_call = false;
    field_init(&f, &conf);
    while (!next_is_poll(&f, &p))
        ;
    f.now += 3 * WINDOW;
    assert_int_equal(mu_cast_sender_next(&f.sender, f.now, out), 0);
    for (uint16_t i = 0; i < 5; i++)
        answer(&f, i, &p, i == 2 ? 3 : 0);
    while (!next_is_poll(&f, &p))
        ;
    assert_int_equal(p.page, 0);
    assert_int_equal(f.sender.counts.repair, 3);
    /* But nobody can be late for ever. */
    for (unsigned n = 0; n < 5 && !spoke; n++) {
        f.now += 3 * WINDOW;
        spoke = mu_cast_sender_next(&f.sender, f.now, out) > 0;
    }
    assert_true(spoke);
    field_free(&f);
}

/* One that was away the whole time has to earn what it costs the others; it does
 * not have to ask for each page in vain and wait before it asks again. */
static void test_asked_at_rest(void **state)
{
    struct field_conf conf = few;
    struct field f;
    (void)state;
    conf.roll_call = false;
    conf.receivers = 20;
    conf.answer_all_max = 40;
    conf.window_ms = 20;
    conf.shape = (struct mu_cast_shape){200, 200, 50, 8};
    conf.size = 400000;
    conf.fair = true;
    field_init(&f, &conf);
    f.all[0].join_at = MU_MS(800);
    assert_true(field_run(&f));
    assert_int_equal(f.sender.pages, 12);
    for (uint32_t i = 1; i < 20; i++)
        assert_true(f.all[i].done_at < MU_MS(800));
    assert_in_range(f.all[0].done_at, MU_SECONDS(2), MU_SECONDS(10));
    field_free(&f);
}

/* With real receivers and loss: hardly a window is waited out. */
static void test_no_windows(void **state)
{
    struct field_conf conf = few;
    struct field f;

    (void)state;
    conf.size = 200000;
    conf.loss_permille = 20;
    for (conf.seed = 1; conf.seed <= 5; conf.seed++) {
        uint32_t pages;

        field_init(&f, &conf);
        pages = f.sender.pages;
        assert_true(field_run(&f));
        /* At least two rounds a page; NEEDs are lost as well. */
        assert_true(f.now < pages * WINDOW / 2);
        field_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roll_call),
        cmocka_unit_test(test_roll_call_lacks),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_late_caller),
        cmocka_unit_test(test_asked_at_rest),
        cmocka_unit_test(test_no_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
