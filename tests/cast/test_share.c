/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one receiver may cost all others, however long it asks: the bounds that
 * share.c states, against one that never needs less and against one that says
 * whatever an honest one could say. And the honest ones are served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "field.h"

#define SHARE 8u     /* REST_SHARE of share.c */
#define FIRST 6u     /* the first loan of these pages: 200 / FIRST_LOAN */
#define IN_VAIN 2u   /* symbols in vain for each doubling of a wait */

static const struct field_conf usual = {
    .shape = {200, 200, 50, 8},
    .size = 80000, /* 3 pages */
    .receivers = 40,
    .delay_us = 1000,
    .rate = 1000000,
    .window_ms = 20,
    .guess_permille = 20,
    .repair_max = 450,
    .fair = true,
    .seed = 1,
};

static uint64_t object_symbols(const struct field *f)
{
    return f->conf.size / f->conf.shape.payload + 1;
}

/* In what time the object goes out. */
static mu_time object_time(const struct field *f)
{
    return MU_SECONDS(object_symbols(f) * f->conf.shape.payload) /
           f->conf.rate;
}

static unsigned log2_of(uint64_t v)
{
    unsigned log = 0;

    while (v > 1) {
        v /= 2;
        log++;
    }
    return log;
}

static uint16_t page_data(const struct field *f, uint16_t page)
{
    struct mu_cast_page p;

    assert_int_equal(mu_cast_page_at(&f->conf.shape, f->conf.size, page, &p),
                     0);
    return p.data;
}

/* Its right tag under what it says, with every symbol missing; straight to the
 * sender, or when the field comes to it. */
static void say_by(struct field *f, bool field, uint8_t round, uint16_t page, uint16_t need)
{
    uint8_t bits[64], out[128];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_cast_page shape;
    struct mu_need n = {
        .session = 7, .page = page, .round = round, .need = need,
    };

    memset(bits, 0xff, sizeof(bits));
    assert_int_equal(mu_cast_page_at(&f->conf.shape, f->conf.size, page,
                                     &shape), 0);
    n.bitmap = mu_bytes(bits, (shape.data + 7u) / 8);
    assert_int_equal(mu_need_create(f->crypto, &f->all[0].kfb, &n, &w), 0);
    if (field)
        field_unicast(f, mu_written(&w));
    else
        (void)!mu_cast_sender_feedback(&f->sender, f->now, mu_written(&w));
}

static void say(struct field *f, uint8_t round, uint16_t page, uint16_t need)
{
    say_by(f, false, round, page, need);
}

/* Everything that is due in the next so many microseconds. */
static void pass(struct field *f, mu_time some)
{
    mu_time until = f->now + some;

    while (f->now < until && field_step(f))
        continue;
    f->now = f->now < until ? until : f->now;
}

/* The same where nobody else says anything, and receiver 0 answers each poll. */
static void alone(struct field *f, mu_time some, uint16_t page, uint16_t need)
{
    mu_time until = f->now + some, at;
    uint8_t out[MU_PACKET_MAX];

    say(f, f->sender.round, page, need);
    while ((at = mu_cast_sender_deadline(&f->sender)) <= until) {
        uint8_t round = f->sender.round;
        size_t len;

        f->now = at > f->now ? at : f->now;
        len = mu_cast_sender_next(&f->sender, f->now, out);
        if (round != f->sender.round)
            say(f, f->sender.round, page, need);
        else if (len == 0 && mu_cast_sender_deadline(&f->sender) <= f->now)
            break;
    }
    f->now = until;
}

/* All others have it, and nothing is due. */
static void settle(struct field *f, const struct field_conf *conf)
{
    field_init(f, conf);
    f->all[0].off = true;
    assert_true(field_run(f));
    assert_true(mu_cast_sender_idle(&f->sender));
}

/* ---- one that asks for ever ---------------------------------------------- */

/* In the front: what credit is left to one that asked for nothing. */
static void test_in_the_front(void **state)
{
    uint64_t packets[2], credit = 0;

    (void)state;
    for (unsigned asks = 0; asks < 2; asks++) {
        struct field f;

        field_init(&f, &usual);
        f.all[0].off = true;
        while (!mu_cast_sender_idle(&f.sender)) {
            if (asks && f.sender.job.page < f.sender.pages)
                say_by(&f, true, f.sender.round, (uint16_t)f.sender.job.page,
                       f.sender.page.data);
            pass(&f, 2000);
        }
        for (uint32_t i = 1; i < usual.receivers; i++)
            assert_true(mu_cast_receiver_done(&f.all[i].r));
        packets[asks] = field_packets(&f);
        credit = (uint64_t)f.sender.peers[1].credit;
        field_free(&f);
    }
    print_message("in the front: %llu symbols, credit %llu\n",
                  (unsigned long long)(packets[1] - packets[0]),
                  (unsigned long long)credit);
    /* Repairs are lost too. */
    assert_in_range(packets[1], packets[0] + 1,
                    packets[0] + credit + credit / 8);
}

/* At rest: all of the last page, for ever. */
static void test_never_less(void **state)
{
    static const uint32_t seconds[] = {2, 20, 200, 2000};
    /* A wait for one symbol and a question. */
    mu_time unit = 3 * SHARE * MU_SECONDS(248) / usual.rate, begun;
    uint64_t before;
    struct field f;

    (void)state;
    settle(&f, &usual);
    begun = f.now;
    before = field_packets(&f);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bound = 2 * FIRST + IN_VAIN *
                         (2 + log2_of(MU_SECONDS(seconds[i]) / unit));
        uint64_t cost;

        while (f.now < begun + MU_SECONDS(seconds[i]))
            alone(&f, f.now < MU_SECONDS(20) ? 2000 : 100000, 3,
                  page_data(&f, 3));
        cost = field_packets(&f) - before;
        print_message("asks for all in %u s: %llu symbols, bound %llu\n",
                      seconds[i], (unsigned long long)cost,
                      (unsigned long long)bound);
        assert_in_range(cost, FIRST, bound);
    }
    field_free(&f);
}

/* ---- one that claims what an honest one could ---------------------------- */

enum claim { SLEPT, LOSES_HALF, LOSES_MOST, BEGINS_ANEW, BACK_AND_FORTH, CLAIMS };

struct liar {
    enum claim claim;
    uint16_t page, need;
    uint32_t believed; /* symbols that it was lent, at the last word */
};

/* What it says of what it was lent since. */
static void claim(struct field *f, struct liar *l)
{
    static const uint32_t of[CLAIMS] = {1, 2, 4, 1, 1};
    uint32_t more = f->sender.peers[0].lent_all - l->believed, got;

    if (more == 0)
        return;
    l->believed += more;
    got = (more + of[l->claim] - 1) / of[l->claim];
    if (l->claim == BACK_AND_FORTH) {
        l->page = (uint16_t)(l->page == 1 ? 2 : 1);
        l->need = page_data(f, l->page);
    } else if (got < l->need) {
        l->need = (uint16_t)(l->need - got);
    } else if (l->page + 1u < f->sender.pages) {
        l->need = page_data(f, ++l->page);
    } else {
        l->page = 0; /* it lost its state, or says that it needs more still */
        l->need = page_data(f, 0);
    }
}

static void test_whatever_it_says(void **state)
{
    (void)state;
    for (int c = 0; c < CLAIMS; c++) {
        struct liar l = {.claim = (enum claim)c};
        struct field_conf conf = usual;
        mu_time begun, share;
        struct field f;

        conf.time_max = MU_SECONDS(4000);
        settle(&f, &conf);
        l.need = page_data(&f, 0);
        begun = f.now;
        share = SHARE * object_time(&f);
        for (unsigned round = 1; round <= 8; round++) {
            mu_time t = share << round;
            uint64_t half = object_symbols(&f) / 2 + 1, bound;

            while (f.now < begun + t) {
                claim(&f, &l);
                alone(&f, 20000, l.page, l.need);
            }
            bound = half * (2 + log2_of(1 + 2 * t / share) + 1) + 200;
            if (round == 8)
                print_message("claim %d, %.0f s: %.2f objects, bound %.2f\n", c,
                              (double)t / 1e6,
                              (double)f.sender.peers[0].lent_all /
                                  (double)object_symbols(&f),
                              (double)bound / (double)object_symbols(&f));
            assert_in_range(f.sender.peers[0].lent_all, 1, bound);
        }
        field_free(&f);
    }
}

/* ---- polls --------------------------------------------------------------- */

/* Polls in the next seconds, if nobody says anything. */
static uint64_t polls_in(struct field *f, mu_time some)
{
    uint64_t before = f->sender.counts.control;
    mu_time until = f->now + some, at;
    uint8_t out[MU_PACKET_MAX];

    while ((at = mu_cast_sender_deadline(&f->sender)) < until) {
        f->now = at > f->now ? at : f->now;
        if (mu_cast_sender_next(&f->sender, f->now, out) == 0 &&
            mu_cast_sender_deadline(&f->sender) <= f->now)
            break;
    }
    f->now = until;
    return f->sender.counts.control - before;
}

/* At rest the word of one receiver sets off polls, and less and less often. */
static void test_questions(void **state)
{
    struct field_conf conf = usual;
    uint64_t before, polls;
    struct field f;

    (void)state;
    conf.time_max = MU_SECONDS(1000);
    settle(&f, &conf);
    before = f.sender.counts.control;
    for (unsigned i = 0; i < 3000; i++) {
        /* Of a round that is long over: nothing that could be served. */
        say(&f, (uint8_t)(f.sender.round + 50), 2, 100);
        (void)polls_in(&f, 20000);
    }
    polls = f.sender.counts.control - before;
    print_message("polls in a minute: %llu\n", (unsigned long long)polls);
    assert_in_range(polls, 2, 60);
    assert_int_equal(f.sender.peers[0].lent_all, 0);
    field_free(&f);
}

/* The owner knows better: somebody listens just now. */
static void test_asked_by_the_owner(void **state)
{
    struct field f;

    (void)state;
    settle(&f, &usual);
    assert_int_equal(polls_in(&f, MU_SECONDS(10)), 0);
    mu_cast_sender_ask(&f.sender, f.now);
    assert_in_range(polls_in(&f, MU_SECONDS(1)), 1, 4);
    assert_int_equal(polls_in(&f, MU_SECONDS(10)), 0);
    field_free(&f);
}

/* ---- the front ----------------------------------------------------------- */

/* Who says that he lost most of the page is not helped by a part of it; two who say
 * so have it all. */
static void test_one_word(void **state)
{
    struct field_conf conf = usual;
    uint8_t out[MU_PACKET_MAX];

    (void)state;
    for (uint16_t liars = 1; liars <= 2; liars++) {
        struct field f;

        field_init(&f, &conf);
        while (f.sender.state != MU_SENDER_WAIT || f.sender.job.page != 1) {
            mu_time at = mu_cast_sender_deadline(&f.sender);

            f.now = at > f.now ? at : f.now;
            (void)mu_cast_sender_next(&f.sender, f.now, out);
        }
        for (uint16_t i = 0; i < liars; i++) {
            uint8_t bytes[64];
            struct mu_writer w = mu_writer(bytes, sizeof(bytes));
            struct mu_need n = {.session = 7, .receiver = i, .page = 1,
                                .round = f.sender.round, .need = 150};

            assert_int_equal(mu_need_create(f.crypto, &f.all[i].kfb, &n, &w),
                             0);
            assert_int_equal(mu_cast_sender_feedback(&f.sender, f.now,
                                                     mu_written(&w)),
                             i == 0 ? MU_ERR_FORBIDDEN : 0);
        }
        assert_int_equal(f.sender.want, liars == 1 ? 0 : 150);
        field_free(&f);
    }
}

/* Where all are called: who says once that it needs more of the last page, and is
 * not heard again, is asked a few times more. */
static void test_last_call(void **state)
{
    (void)state;
    for (unsigned asks = 0; asks < 2; asks++) {
        struct field_conf conf = usual;
        bool said = asks == 0;
        struct field f;

        conf.answer_all_max = 100;
        field_init(&f, &conf);
        f.all[0].off = true;
        while (!mu_cast_sender_idle(&f.sender)) {
            if (!said && f.sender.state == MU_SENDER_WAIT &&
                f.sender.job.page == 3) {
                said = true;
                say_by(&f, true, f.sender.round, 3, 1);
            }
            assert_true(field_step(&f));
        }
        assert_true(said);
        if (asks)
            assert_in_range(polls_in(&f, MU_SECONDS(10)), 4, 12);
        else
            assert_int_equal(polls_in(&f, MU_SECONDS(10)), 0);
        assert_int_equal(polls_in(&f, MU_SECONDS(100)), 0);
        field_free(&f);
    }
}

/* ---- the honest ones ----------------------------------------------------- */

/* One that was away the whole time, and then loses its state at the end; with
 * losses of 0, 30 and 50 %. */
static void test_honest(void **state)
{
    static const uint16_t loss[] = {0, 300, 500};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct field_conf conf = usual;
        mu_time begun, took;
        struct field f;

        conf.time_max = MU_SECONDS(4000);
        conf.seed = 2;
        settle(&f, &conf);
        f.all[0].off = false;
        f.all[0].loss_permille = loss[i];
        for (unsigned again = 0; again < 2; again++) {
            begun = f.now;
            field_restart(&f, 0, false);
            assert_true(field_run(&f));
            took = f.now - begun;
            print_message("loses %u, time %u: %.1f s\n", loss[i], again,
                          (double)took / 1e6);
            assert_true(took < MU_SECONDS(400));
        }
        field_free(&f);
    }
}

/* Deaf for a while though it is heard: it does not wait much longer than that. */
static void test_deaf_for_a_while(void **state)
{
    struct field_conf conf = usual;
    struct field f;
    mu_time deaf;

    (void)state;
    conf.time_max = MU_SECONDS(4000);
    settle(&f, &conf);
    while (f.now < MU_SECONDS(100)) {
        say_by(&f, true, f.sender.round, 0, page_data(&f, 0));
        pass(&f, 50000);
    }
    deaf = f.now;
    f.all[0].off = false;
    field_restart(&f, 0, false);
    assert_true(field_run(&f));
    print_message("after 100 s without hearing: %.1f s\n",
                  (double)(f.all[0].done_at - deaf) / 1e6);
    assert_true(f.all[0].done_at - deaf < MU_SECONDS(200));
    field_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_the_front),
        cmocka_unit_test(test_never_less),
        cmocka_unit_test(test_whatever_it_says),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_asked_by_the_owner),
        cmocka_unit_test(test_one_word),
        cmocka_unit_test(test_last_call),
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_deaf_for_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
