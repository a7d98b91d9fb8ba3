/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sender that yields: over a narrow link, beside a TCP flow, on a bad radio,
 * and among receivers that lie about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cast/field.h"

#define LINK 250000u /* bytes a second: a page in a sixth of one */
#define MEMBER 3u    /* who does what others do not */

static const struct field_conf usual = {
    .shape = {300, 128, 32, 8},
    .size = 700000,
    .receivers = 4,
    .delay_us = 2000,
    .guess_permille = 10,
    .answer_all_max = 64,
    .window_ms = 50,
    .rate = 5 * LINK,
    .yields = true,
    .link = LINK,
    .queue = MU_MS(50),
    .seed = 1,
};

static void run(struct field *f, mu_time until)
{
    while (!field_finished(f) && f->now < until)
        assert_true(field_step(f));
}

/* Of the link, in percent. */
static unsigned part(uint64_t bytes, mu_time from, mu_time to)
{
    return (unsigned)(bytes * 100000000 / (to - from) / LINK);
}

static void finish(struct field *f)
{
    assert_int_equal(field_done(f), f->conf.receivers);
    field_free(f);
}

static void test_alone(void **state)
{
    struct field f;
    mu_time from;
    uint64_t before;

    (void)state;
    field_init(&f, &usual);
    run(&f, MU_SECONDS(1));
    from = f.now;
    before = f.link.carried;
    run(&f, MU_SECONDS(60));
    assert_true(part(f.link.carried - before, from, f.now) >= 85);
    /* Five times too fast was noticed at once. */
    assert_true(f.link.dropped < f.link.carried / 20);
    finish(&f);
}

/* Shares of the link between the third second and the eighth, in percent. */
static void beside(const struct field_conf *conf, mu_time from, mu_time way,
                   unsigned *ours, unsigned *theirs)
{
    struct field f;
    mu_time at;
    uint64_t us, flow;

    field_init(&f, conf);
    sim_link_flow(&f.link, from, MU_TIME_NEVER, way, 300);
    run(&f, MU_SECONDS(3));
    at = f.now;
    us = f.link.carried;
    sim_link_run(&f.link, at);
    flow = f.link.flow_carried;
    run(&f, MU_SECONDS(8));
    sim_link_run(&f.link, f.now);
    *ours = part(f.link.carried - us, at, f.now);
    *theirs = part(f.link.flow_carried - flow, at, f.now);
    assert_true(f.now >= MU_SECONDS(8)); /* it was beside it all the time */
    field_free(&f);
}

static void test_flow(void **state)
{
    struct field_conf conf = usual;
    unsigned ours, theirs;

    (void)state;
    conf.size = 1200000;
    /* There before us, after us, from farther away, with a long queue. */
    beside(&conf, 0, MU_MS(4), &ours, &theirs);
    assert_true(theirs >= 60 && ours <= 40 && ours >= 3);
    beside(&conf, MU_SECONDS(1), MU_MS(4), &ours, &theirs);
    assert_true(theirs >= 60 && ours <= 40 && ours >= 3);
    beside(&conf, MU_SECONDS(1), MU_MS(40), &ours, &theirs);
    assert_true(theirs >= 60 && ours <= 40 && ours >= 3);
    conf.queue = MU_MS(200);
    beside(&conf, MU_SECONDS(1), MU_MS(4), &ours, &theirs);
    assert_true(theirs >= 60 && ours <= 40 && ours >= 3);
    /* Without yielding, it gets what gaps between pages leave. */
    conf.yields = false;
    conf.rate = LINK;
    conf.queue = MU_MS(50);
    conf.size = 2200000;
    beside(&conf, MU_SECONDS(1), MU_MS(4), &ours, &theirs);
    assert_true(theirs <= 40);
}

/* The flow is over: what it had is taken up again. */
static void test_flow_ends(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.size = 1500000;
    field_init(&f, &conf);
    sim_link_flow(&f.link, MU_SECONDS(1), MU_SECONDS(4), MU_MS(4), 300);
    run(&f, MU_SECONDS(4));
    assert_true(f.rate.rate < LINK / 3);
    run(&f, MU_SECONDS(12));
    assert_true(f.rate.rate > LINK * 3 / 4);
    run(&f, MU_SECONDS(60));
    finish(&f);
}

static void test_lossy_radio(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.link = 0;
    conf.rate = LINK;
    conf.loss_permille = 50;
    field_init(&f, &conf);
    run(&f, MU_SECONDS(60));
    assert_true(f.rate.rate >= LINK * 9 / 10);
    assert_true(part(field_packets(&f) * 348, 0, f.now) >= 60);
    finish(&f);
    /* More than anybody said beforehand: it is learnt that it is the radio. */
    conf.loss_permille = 200;
    conf.size = 900000;
    conf.shape.page_parity = 48;
    field_init(&f, &conf);
    run(&f, MU_SECONDS(60));
    assert_true(f.rate.rate >= LINK / 2);
    assert_true(part(field_packets(&f) * 348, 0, f.now) >= 30);
    finish(&f);
}

/* No queue to tell: what is too much is lost. */
static void test_no_queue(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.queue = MU_MS(1);
    field_init(&f, &conf);
    run(&f, MU_SECONDS(60));
    assert_true(part(f.link.carried, 0, f.now) >= 75);
    assert_true(f.link.dropped < f.link.carried / 8);
    finish(&f);
}

/* ---- one receiver alone --------------------------------------------------- */

static void test_one_bad_radio(void **state)
{
    struct field_conf conf = usual;
    uint64_t could = 0;
    struct field f;

    (void)state;
    conf.link = 0;
    conf.rate = LINK;
    field_init(&f, &conf);
    f.all[MEMBER].loss_permille = 400;
    run(&f, MU_SECONDS(3));
    while (!field_finished(&f) && f.now < MU_SECONDS(60)) {
        mu_time at = f.now;
        uint32_t rate = f.rate.rate;
        assert_true(field_step(&f));
        could += (f.now - at) * rate;
    }
    /* On the average: one answer that comes late slows a page down. */
    assert_true(could >= (f.now - MU_SECONDS(3)) * LINK * 9 / 10);
    assert_true(field_done(&f) >= MEMBER);
    field_free(&f);
}

/* Says of every page that all of it is missing. */
static void need_all(struct field *f, uint32_t receiver, struct mu_bytes packet)
{
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_need n;

    if (receiver != MEMBER ||
        mu_need_consume(f->crypto, &f->all[receiver].kfb, packet, &n) != 0)
        return;
    n.need = f->sender.page.data;
    n.bitmap = mu_bytes(NULL, 0);
    assert_int_equal(mu_need_create(f->crypto, &f->all[receiver].kfb, &n, &w),
                     0);
    field_unicast(f, mu_written(&w));
}

static void test_liar_about_losses(void **state)
{
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.link = 0;
    conf.rate = LINK;
    conf.fair = true;
    conf.said = need_all;
    field_init(&f, &conf);
    run(&f, MU_SECONDS(10));
    assert_true(f.rate.rate >= LINK * 9 / 10);
    field_free(&f);
    /* Where it is the only one, it slows down itself, and no more than so far. */
    conf.receivers = MEMBER + 1;
    field_init(&f, &conf);
    for (uint32_t i = 0; i < MEMBER; i++)
        f.all[i].gone = true;
    run(&f, MU_SECONDS(600));
    assert_true(f.all[MEMBER].done_at > 0);
    assert_true(f.rate.rate >= LINK / MU_RATE_FLOOR);
    field_free(&f);
}

static void test_liar_about_time(void **state)
{
    struct mu_rate_seen seen = {
        .rtt = MU_MS(4), .bytes = 40000, .took = MU_MS(160), .packet = 348,
    };
    struct mu_rate r;
    struct field_conf conf = usual;
    struct field f;

    (void)state;
    conf.link = 0;
    conf.rate = LINK;
    field_init(&f, &conf);
    run(&f, MU_MS(500));
    f.all[MEMBER].answers_late = MU_MS(30);
    run(&f, MU_SECONDS(60));
    assert_true(f.rate.rate >= LINK * 9 / 10);
    finish(&f);
    /* All of them together: down to the least, not to nothing. */
    mu_rate_init(&r, LINK, 10);
    for (unsigned i = 0; i < 300; i++) {
        seen.bytes = (uint64_t)r.rate / 5;
        seen.took = MU_MS(200);
        seen.rtt = i < 3 ? MU_MS(4) : MU_SECONDS(2);
        mu_rate_learn(&r, MU_MS(200) * i, &seen);
        assert_true(r.rate >= LINK / MU_RATE_FLOOR);
    }
    assert_int_equal(r.rate, LINK / MU_RATE_FLOOR);
}

/* ---- the rate alone --------------------------------------------------------- */

/* The shortest way is forgotten after ten minutes: it may have become longer. */
static void test_base(void **state)
{
    struct mu_rate_seen seen = {.packet = 348};
    struct mu_rate r;

    (void)state;
    mu_rate_init(&r, LINK, 10);
    for (unsigned minute = 0; minute < 25; minute++) {
        seen.bytes = (uint64_t)r.rate / 5;
        seen.took = MU_MS(200);
        seen.rtt = minute == 0 ? MU_MS(4) : MU_MS(64);
        mu_rate_learn(&r, MU_SECONDS(60) * minute, &seen);
        if (minute > 0)
            assert_int_equal(r.queue, minute < MU_RATE_BASES ? MU_MS(60) : 0);
    }
    assert_true(r.rate > 4 * r.least);
    /* Hours later. */
    seen.rtt = MU_MS(90);
    mu_rate_learn(&r, MU_SECONDS(90000), &seen);
    assert_int_equal(r.queue, 0);
}

static void test_backlog(void **state)
{
    struct mu_rate r;

    (void)state;
    mu_rate_init(&r, 4 * LINK, 10);
    assert_int_equal(r.rate, LINK);
    assert_int_equal(mu_rate_backlog(&r, 0, 348), 0);
    assert_int_equal(mu_rate_backlog(&r, 8 * 348, 348), 0);
    assert_int_equal(mu_rate_backlog(&r, 8 * 348 + LINK / 10, 348),
                     MU_MS(100) + 1);
    mu_rate_init(&r, 1, 10);
    assert_int_equal(r.rate, 1);
    assert_int_equal(r.least, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_flow_ends),
        cmocka_unit_test(test_lossy_radio),
        cmocka_unit_test(test_no_queue),
        cmocka_unit_test(test_one_bad_radio),
        cmocka_unit_test(test_liar_about_losses),
        cmocka_unit_test(test_liar_about_time),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_backlog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
