/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parity is sent once: whoever comes back to a page gets what was not sent yet,
 * and when there is none, what he names. And who has heard no poll for a while
 * is believed all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cast/field.h"

/* Five pages, and more members than all answer. */
static const struct field_conf many = {
    .shape = {200, 40, 20, 8},
    .size = 24000,
    .receivers = 20,
    .answer_all_max = 4,
    .window_ms = 40,
    .delay_us = 500,
    .seed = 1,
    .time_max = MU_SECONDS(60),
};

/* What the sender alone says next, at its time; false: nothing, for good. */
static bool next(struct field *f, uint8_t *out, size_t *len)
{
    while ((*len = mu_cast_sender_next(&f->sender, f->now, out)) == 0) {
        mu_time at = mu_cast_sender_deadline(&f->sender);

        if (mu_cast_sender_idle(&f->sender) || at == MU_TIME_NEVER)
            return false;
        f->now = at > f->now ? at : f->now + 1;
    }
    return true;
}

static void ask(struct field *f, uint16_t receiver, uint16_t page,
                uint8_t round, uint16_t need, bool names)
{
    uint8_t out[64], bitmap[5];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_need n = {.session = 7, .receiver = receiver, .page = page,
                        .round = round, .need = need};

    memset(bitmap, 0xff, sizeof(bitmap));
    if (names)
        n.bitmap = MU_BYTES(bitmap);
    assert_int_equal(mu_need_create(f->crypto, &f->all[receiver].kfb, &n, &w),
                     0);
    assert_int_equal(mu_cast_sender_feedback(&f->sender, f->now,
                                             mu_written(&w)), 0);
}

/* Says the last page until the sender rests; who asks for more of it at the
 * first polls, and how much. Counts how often each symbol was sent. */
static unsigned run(struct field *f, uint8_t sent[MU_PAGE_PACKETS_MAX],
                    const uint16_t *needs, unsigned needs_len)
{
    uint8_t out[MU_PACKET_MAX], round = 0;
    uint32_t last = f->sender.pages - 1;
    unsigned asked = 0, named = 0;
    struct mu_poll p;
    size_t len;

    while (next(f, out, &len)) {
        if (mu_cast_is_data(out[0])) {
            if (mu_cast_data_page(out) == last)
                sent[mu_cast_data_index(out)]++;
            continue;
        }
        assert_int_equal(mu_poll_consume(f->crypto, &f->kctl,
                                         mu_bytes(out, len), &p), 0);
        if (p.page != last || p.round == round ||
            (p.flags & MU_POLL_BEHIND) != 0)
            continue;
        round = p.round;
        named += (p.flags & MU_POLL_BITMAP) != 0;
        if (asked < needs_len)
            ask(f, 3, (uint16_t)last, round, needs[asked],
                (p.flags & MU_POLL_BITMAP) != 0);
        asked++;
    }
    return named;
}

static unsigned sent_twice(const uint8_t *sent, unsigned from, unsigned to)
{
    unsigned twice = 0;

    for (; from < to; from++)
        twice += sent[from] > 1;
    return twice;
}

/* 12 of 20 are sent with the page; one that asks when it is over gets 5 of the
 * others, then the last three, and then those data symbols that it names. */
static void test_sent_once(void **state)
{
    static const uint16_t first[] = {7, 5};
    uint8_t sent[MU_PAGE_PACKETS_MAX] = {0};
    unsigned k, m, parity = 0;
    struct field f;

    (void)state;
    field_init(&f, &many);
    f.sender.loss = 0;
    assert_int_equal(run(&f, sent, first, 2), 0);
    k = f.sender.page.data;
    m = f.sender.page.parity;
    assert_true(m >= 18);
    assert_int_equal(sent_twice(sent, 0, k + m), 0);
    for (unsigned i = k; i < k + m; i++)
        parity += sent[i];
    assert_int_equal(parity, 12);

    ask(&f, 5, (uint16_t)(f.sender.pages - 1), f.sender.round, 5, false);
    assert_int_equal(run(&f, sent, NULL, 0), 0);
    assert_int_equal(sent_twice(sent, 0, k + m), 0);
    ask(&f, 6, (uint16_t)(f.sender.pages - 1), f.sender.round,
        (uint16_t)(m - 17), false);
    assert_true(run(&f, sent, NULL, 0) > 0);
    assert_int_equal(sent_twice(sent, 0, k + m), 0);
    for (unsigned i = k; i < k + m; i++)
        assert_int_equal(sent[i], 1);

    ask(&f, 8, (uint16_t)(f.sender.pages - 1), f.sender.round, 4, false);
    assert_true(run(&f, sent, (const uint16_t[]){4}, 1) > 0);
    assert_int_equal(sent_twice(sent, k, k + m), 0);
    assert_int_equal(sent_twice(sent, 0, k), 4);
    field_free(&f);
}

/* What is known of a page gives way to what is known of one eight later. */
static void test_forgotten(void **state)
{
    struct field_conf conf = many;
    uint8_t sent[MU_PAGE_PACKETS_MAX] = {0};
    struct field f;

    (void)state;
    conf.size = 100000;
    field_init(&f, &conf);
    (void)run(&f, sent, (const uint16_t[]){3}, 1);
    assert_true(f.sender.pages > MU_SENDER_SPARES + 2);
    for (uint32_t i = 0; i < MU_SENDER_SPARES; i++) {
        uint32_t page = f.sender.pages - 1 - i;
        assert_int_equal(f.sender.spares[page % MU_SENDER_SPARES].page,
                         page + 1);
    }
    assert_int_equal(
        f.sender.spares[(f.sender.pages - 1) % MU_SENDER_SPARES].first, 3);
    mu_cast_sender_seek(&f.sender, 0, f.now);
    for (uint32_t i = 0; i < MU_SENDER_SPARES; i++)
        assert_int_equal(f.sender.spares[i].page, 0);
    field_free(&f);
}

/* A burst of losses takes the polls of many rounds. Who comes out of it asks for
 * the page that has just been left: it is helped in the midst of the next one, and
 * called soon after, for the burst may have taken that as well. */
static void test_old_word(void **state)
{
    struct field_conf conf = many;
    uint8_t out[MU_PACKET_MAX], first = 0;
    struct field f;
    struct mu_poll p;
    size_t len;
    unsigned rounds[2] = {0}, helped = 0, front = 0;
    bool called = false;

    (void)state;
    conf.shape.page_parity = 60; /* so many rounds do not take all of it */
    field_init(&f, &conf);
    while (next(&f, out, &len) &&
           (f.sender.job.page < 2 || f.sender.job.sent < 12)) {
        if (mu_cast_is_data(out[0]))
            continue;
        assert_int_equal(mu_poll_consume(f.crypto, &f.kctl,
                                         mu_bytes(out, len), &p), 0);
        if ((p.flags & MU_POLL_BEHIND) != 0 || p.page > 1 ||
            rounds[p.page] == 5)
            continue;
        if (p.page == 0 && rounds[0] == 0)
            first = p.round;
        ask(&f, 3, p.page, p.round, 1, false);
        rounds[p.page]++;
    }
    assert_in_range((uint8_t)(f.sender.round - first), 10, 20);
    ask(&f, 9, 1, first, 2, false);
    while (!called && front < 20 && next(&f, out, &len)) {
        if (mu_cast_is_data(out[0])) {
            helped += mu_cast_data_page(out) == 1;
            front += mu_cast_data_page(out) == 2;
            continue;
        }
        assert_int_equal(mu_poll_consume(f.crypto, &f.kctl,
                                         mu_bytes(out, len), &p), 0);
        called = (p.flags & MU_POLL_BEHIND) != 0;
    }
    assert_in_range(helped, 2, 4);
    assert_true(called);
    assert_int_equal(front, 8);
    field_free(&f);
}

/* Nothing is left of the parity of a page of a few packets: all of it goes out
 * again, for to ask what is missing would take longer. */
static void test_small_page(void **state)
{
    struct field_conf conf = many;
    uint8_t out[MU_PACKET_MAX];
    struct field f;
    struct mu_poll p;
    size_t len;
    unsigned k = 0, again = 0, named = 0;

    (void)state;
    conf.shape.payload = 100;
    field_init(&f, &conf);
    while (next(&f, out, &len) && f.sender.job.page == 0) {
        k = f.sender.page.data;
        if (mu_cast_is_data(out[0]))
            continue;
        assert_int_equal(mu_poll_consume(f.crypto, &f.kctl,
                                         mu_bytes(out, len), &p), 0);
        if (!named) /* all of its parity, and a symbol by name */
            ask(&f, 3, 0, p.round, (uint16_t)k, false);
        named = (p.flags & MU_POLL_BITMAP) != 0;
    }
    assert_in_range(k, 2, 8);
    assert_int_equal(f.sender.job.page, 1);
    ask(&f, 9, 0, f.sender.round, 1, false);
    while (next(&f, out, &len) && mu_cast_is_data(out[0]))
        again += mu_cast_data_page(out) == 0;
    assert_int_equal(again, k);
    field_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent_once),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_old_word),
        cmocka_unit_test(test_small_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
