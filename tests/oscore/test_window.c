/* SPDX-License-Identifier: Apache-2.0 */
/* Replay window, against a list of every number ever taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "muster/window.h"

#define TAKEN_MAX 4000

static uint64_t rng_state = 88172645463325252u;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

/* Slow and obvious: all numbers taken, the highest, a floor. */
struct model {
    uint64_t taken[TAKEN_MAX];
    size_t len;
    uint64_t top;
    uint64_t floor;
};

static bool model_is_new(const struct model *m, uint64_t n)
{
    if (n < m->floor)
        return false;
    if (m->len != 0 && m->top >= MU_WINDOW_SIZE && n <= m->top - MU_WINDOW_SIZE)
        return false;
    for (size_t i = 0; i < m->len; i++) {
        if (m->taken[i] == n)
            return false;
    }
    return true;
}

static void model_take(struct model *m, uint64_t n)
{
    assert_true(m->len < TAKEN_MAX);
    m->taken[m->len++] = n;
    if (n > m->top)
        m->top = n;
}

static void through_storage(struct mu_window *win)
{
    uint8_t buf[MU_WINDOW_LEN];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    mu_window_write(win, &w);
    assert_int_equal(w.len, MU_WINDOW_LEN);
    struct mu_reader r = mu_reader(mu_written(&w));
    struct mu_window back = {99, 99};
    mu_window_read(&back, &r);
    assert_int_equal(mu_reader_end(&r), 0);
    assert_memory_equal(&back, win, sizeof back);
}

static void run_model(uint64_t base, uint64_t step_max)
{
    static struct model m;
    struct mu_window win;
    size_t refused = 0;

    memset(&m, 0, sizeof m);
    mu_window_init(&win);
    for (size_t i = 0; i < 3000; i++) {
        uint64_t around = m.len != 0 ? m.top : base;
        uint64_t n = around + rng() % step_max;
        if (rng() % 2 == 0)
            n -= rng() % 100 < n ? rng() % 100 : 0;
        if (n < base)
            n = base;
        int rc = mu_window_check(&win, n);
        assert_int_equal(rc, model_is_new(&m, n) ? 0 : MU_ERR_REPLAY);
        refused += rc != 0;
        /* Checked only, as for a forgery: nothing may change. */
        if (rng() % 3 == 0)
            continue;
        if (rc == 0) {
            mu_window_commit(&win, n);
            model_take(&m, n);
            assert_int_equal(mu_window_check(&win, n), MU_ERR_REPLAY);
        }
        if (rng() % 200 == 0) {
            uint64_t floor = m.top - (m.top > 70 ? rng() % 70 : 0);
            mu_window_floor(&win, floor);
            m.floor = floor > m.floor ? floor : m.floor;
        }
        through_storage(&win);
    }
    assert_true(refused > 100);
}

static void test_model(void **state)
{
    (void)state;
    run_model(0, 2);
    run_model(0, 5);
    run_model(0, 90);
    run_model((uint64_t)1 << 39, 7);
    run_model(UINT64_MAX - ((uint64_t)1 << 20), 3);
}

static void test_edges(void **state)
{
    struct mu_window win;

    (void)state;
    mu_window_init(&win);
    assert_int_equal(mu_window_check(&win, 0), 0);
    assert_int_equal(mu_window_check(&win, UINT64_MAX), 0);
    mu_window_commit(&win, 0);
    assert_int_equal(mu_window_check(&win, 0), MU_ERR_REPLAY);
    mu_window_commit(&win, 63);
    assert_int_equal(mu_window_check(&win, 0), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, 1), 0);
    mu_window_commit(&win, 64);
    assert_int_equal(mu_window_check(&win, 0), MU_ERR_REPLAY); /* too old */
    assert_int_equal(mu_window_check(&win, 1), 0);
    mu_window_commit(&win, 128); /* the whole window slides out */
    assert_int_equal(mu_window_check(&win, 64), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, 65), 0);
    mu_window_commit(&win, 64); /* too old: changes nothing */
    assert_int_equal(win.seen, 1);
    mu_window_commit(&win, UINT64_MAX);
    assert_int_equal(mu_window_check(&win, UINT64_MAX), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, UINT64_MAX - 63), 0);
    assert_int_equal(mu_window_check(&win, UINT64_MAX - 64), MU_ERR_REPLAY);

    mu_window_init(&win);
    mu_window_floor(&win, 0);
    assert_int_equal(mu_window_check(&win, 0), 0);
    mu_window_floor(&win, 10);
    assert_int_equal(mu_window_check(&win, 9), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, 0), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, 10), 0);
    through_storage(&win);
    mu_window_commit(&win, 20);
    mu_window_floor(&win, 15);
    assert_int_equal(mu_window_check(&win, 14), MU_ERR_REPLAY);
    assert_int_equal(mu_window_check(&win, 15), 0);
    through_storage(&win);
}

/* Records that no window writes. */
static void test_corrupt(void **state)
{
    static const uint64_t records[][2] = {
        {5, 0},        /* a top that was never taken */
        {5, 2},        /* its own bit is missing */
        {0, 3},        /* bits of numbers below 0 */
        {5, 0x80 | 1},
        {62, (uint64_t)1 << 63 | 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        uint8_t buf[MU_WINDOW_LEN];
        struct mu_writer w = mu_writer(buf, sizeof buf);
        struct mu_window win;
        mu_write_u64(&w, records[i][0]);
        mu_write_u64(&w, records[i][1]);
        struct mu_reader r = mu_reader(mu_written(&w));
        mu_window_read(&win, &r);
        assert_true(r.failed);
        r = mu_reader(mu_bytes(buf, MU_WINDOW_LEN - 1));
        mu_window_read(&win, &r);
        assert_true(r.failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
