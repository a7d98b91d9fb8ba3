/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of engines, and the tables that decide every move in every phase. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "muster/device_state.h"
#include "muster/gateway_state.h"

static void test_backoff(void **state)
{
    struct mu_backoff b = {0, 0};
    uint32_t jitter = 7;
    mu_time now = 1000, least = 0;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        mu_time want = MU_SECONDS(1) << (i < 6 ? i : 6), wait;

        mu_backoff_fail(&b, now, &jitter);
        wait = b.at - now;
        assert_true(wait <= want && wait >= want - want / 4);
        assert_true(i > 6 || wait > least);
        least = wait;
        now = b.at;
    }
    mu_backoff_reset(&b);
    assert_int_equal(b.at, 0);
    mu_backoff_fail(&b, now, &jitter);
    assert_true(b.at - now <= MU_SECONDS(1));
}

static void test_jitter(void **state)
{
    uint32_t a = 0, b = 1;
    mu_time top = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        mu_time v = mu_jitter(&a, 10);

        assert_true(v <= 10);
        top = v > top ? v : top;
    }
    assert_int_equal(top, 10);
    assert_int_equal(mu_jitter(&b, 0), 0);
    assert_true(mu_jitter_next(&a) != mu_jitter_next(&b));
}

static void test_ask(void **state)
{
    struct mu_ask a = {.due = true};
    uint32_t jitter = 1;

    (void)state;
    assert_true(mu_ask_ready(&a, 0));
    assert_int_equal(mu_ask_deadline(&a), 0);
    mu_ask_sent(&a, 9);
    assert_false(mu_ask_ready(&a, 0));
    assert_int_equal(mu_ask_deadline(&a), MU_TIME_NEVER);
    mu_ask_failed(&a, 100, &jitter);
    assert_false(mu_ask_ready(&a, 100));
    assert_true(mu_ask_ready(&a, mu_ask_deadline(&a)));
    mu_ask_sent(&a, 10);
    a.due = true; /* wanted again while it flies */
    mu_ask_done(&a);
    assert_true(mu_ask_ready(&a, 100));
    mu_ask_sent(&a, 11);
    mu_ask_done(&a);
    assert_false(mu_ask_ready(&a, MU_SECONDS(1000)));
    mu_ask_lost(&a);
    assert_false(a.due);
    a.due = true;
    mu_ask_sent(&a, 12);
    mu_ask_lost(&a);
    assert_true(a.due && !a.flying);
}

static void test_record(void **state)
{
    struct mu_record r = {.dirty = true};
    uint32_t jitter = 1;

    (void)state;
    assert_false(mu_record_durable(&r));
    assert_true(mu_record_ready(&r, 0));
    mu_record_taken(&r, 4);
    assert_false(mu_record_durable(&r));
    assert_false(mu_record_ready(&r, 0));
    assert_false(mu_record_stored(&r, 3, 0, 0, &jitter));
    assert_true(r.flying);
    r.dirty = true; /* changed while it was being stored */
    assert_true(mu_record_stored(&r, 4, 0, 0, &jitter));
    assert_false(mu_record_durable(&r));
    mu_record_taken(&r, 5);
    assert_true(mu_record_stored(&r, 5, MU_ERR_IO, 50, &jitter));
    assert_true(r.dirty);
    assert_false(mu_record_ready(&r, 50));
    assert_true(mu_record_ready(&r, mu_record_deadline(&r)));
    mu_record_taken(&r, 6);
    assert_true(mu_record_stored(&r, 6, 0, 60, &jitter));
    assert_true(mu_record_durable(&r));
    assert_int_equal(mu_record_deadline(&r), MU_TIME_NEVER);
}

static void test_replies(void **state)
{
    struct mu_replies r = {.len = 0};
    struct mu_reply out;

    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < MU_REPLIES_MAX; i++)
            assert_int_equal(mu_replies_put(&r, i % 2, i, 0x44), 0);
        assert_int_equal(mu_replies_put(&r, 0, 99, 0x44), MU_ERR_BUSY);
        assert_true(mu_replies_take(&r, &out));
        assert_int_equal(out.exchange, 0);
        mu_replies_drop(&r, 1);
        for (uint32_t i = 2; i < MU_REPLIES_MAX; i += 2) {
            assert_true(mu_replies_take(&r, &out));
            assert_int_equal(out.exchange, i);
            assert_int_equal(out.link, 0);
        }
        assert_false(mu_replies_take(&r, &out));
    }
}

static void test_traces(void **state)
{
    struct mu_traces t = {.len = 0};
    struct mu_trace out;

    (void)state;
    for (uint64_t i = 0; i < MU_TRACES_MAX + 5; i++)
        mu_traces_put(&t, "x", i, 0);
    for (uint64_t i = 0; i < MU_TRACES_MAX; i++) {
        assert_true(mu_traces_take(&t, &out));
        assert_int_equal(out.a, i);
    }
    assert_false(mu_traces_take(&t, &out));
}

static void test_bits(void **state)
{
    uint8_t set[3] = {0};

    (void)state;
    for (size_t i = 0; i < 24; i += 5)
        mu_bit_put(set, i, true);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(mu_bit_get(MU_BYTES(set), i), i < 24 && i % 5 == 0);
    assert_int_equal(set[0], 0x21); /* bits 0 and 5, counted from the lowest */
    mu_bit_put(set, 5, false);
    assert_int_equal(set[0], 0x01);
}

/* ---- tables ------------------------------------------------------------- */

/* Every (phase, move) has one decision, written down here a second time. */
static void test_device_table(void **state)
{
    enum { I = MU_DEVICE_IDLE, R = MU_DEVICE_RECEIVING, C = MU_DEVICE_CHECKING,
           N = MU_DEVICE_INSTALLING, F = MU_DEVICE_CONFIRMING, X = -1 };
    static const int want[MU_DEVICE_PHASE_COUNT][MU_DEVICE_MOVE_COUNT] = {
        /* offer pages good again hooked fail cancel */
        {R, X, X, X, X, X, X},
        {R, C, X, X, X, X, I},
        {X, X, N, R, X, I, I},
        {X, X, X, X, F, I, X},
        {X, X, X, X, I, I, X},
    };

    (void)state;
    for (unsigned p = 0; p < MU_DEVICE_PHASE_COUNT; p++) {
        assert_string_not_equal(mu_device_phase_name(p), "?");
        for (unsigned m = 0; m < MU_DEVICE_MOVE_COUNT; m++) {
            assert_string_not_equal(mu_device_move_name(m), "?");
            assert_int_equal(mu_device_phase_after(p, m), want[p][m]);
        }
    }
    assert_string_equal(mu_device_phase_name(MU_DEVICE_PHASE_COUNT), "?");
    assert_string_equal(mu_device_move_name(MU_DEVICE_MOVE_COUNT), "?");
}

static void test_gateway_table(void **state)
{
    enum { F = MU_GATEWAY_FREE, A = MU_GATEWAY_ASKING,
           R = MU_GATEWAY_RELAYING, L = MU_GATEWAY_LIVE,
           C = MU_GATEWAY_CANCELLED, E = MU_GATEWAY_ENDING, X = -1 };
    static const int want[MU_GATEWAY_PHASE_COUNT][MU_GATEWAY_MOVE_COUNT] = {
        /* listed again details protect protected cancel unlisted deleted */
        {A, X, X, X, X, X, X, X},
        {X, A, L, R, X, C, E, X},
        {X, A, X, X, L, C, E, X},
        {X, A, X, X, X, C, E, X},
        {X, X, X, X, X, C, E, X},
        {X, X, X, X, X, X, X, F},
    };

    (void)state;
    for (unsigned p = 0; p < MU_GATEWAY_PHASE_COUNT; p++) {
        assert_string_not_equal(mu_gateway_phase_name(p), "?");
        for (unsigned m = 0; m < MU_GATEWAY_MOVE_COUNT; m++) {
            assert_string_not_equal(mu_gateway_move_name(m), "?");
            assert_int_equal(mu_gateway_phase_after(p, m), want[p][m]);
        }
    }
    assert_string_equal(mu_gateway_phase_name(MU_GATEWAY_PHASE_COUNT), "?");
    assert_string_equal(mu_gateway_move_name(MU_GATEWAY_MOVE_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_traces),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_device_table),
        cmocka_unit_test(test_gateway_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
