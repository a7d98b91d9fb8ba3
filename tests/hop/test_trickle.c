/* SPDX-License-Identifier: Apache-2.0 */
/* The Trickle timer against the six rules of RFC 6206 s.4.2, one test each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "muster/trickle.h"

static const struct mu_trickle_conf base = {
    .imin_ms = 100, .doublings = 4, .redundancy = 2,
};

static struct mu_trickle begin(uint32_t seed)
{
    struct mu_trickle t;

    assert_int_equal(mu_trickle_init(&t, &base, seed, 0), 0);
    return t;
}

/* Rule 1: I is in [Imin, Imax], and the first interval begins. */
static void test_start(void **state)
{
    struct mu_trickle t = begin(1);
    struct mu_trickle_conf bad = base;

    (void)state;
    assert_true(t.interval >= MU_MS(100) && t.interval <= MU_MS(1600));
    assert_true(mu_trickle_deadline(&t) < t.interval);
    bad.redundancy = 0; /* s.4.1: k is a natural number */
    assert_int_equal(mu_trickle_init(&t, &bad, 1, 0), MU_ERR_USAGE);
    bad = base;
    bad.imin_ms = 0;
    assert_int_equal(mu_trickle_init(&t, &bad, 1, 0), MU_ERR_USAGE);
    bad = (struct mu_trickle_conf){UINT32_MAX, 33, 1};
    assert_int_equal(mu_trickle_init(&t, &bad, 1, 0), MU_ERR_USAGE);
}

/* Rule 2: t is in [I/2, I), spread over all of it. */
static void test_point(void **state)
{
    unsigned parts[4] = {0};

    (void)state;
    for (uint32_t seed = 1; seed <= 4000; seed++) {
        struct mu_trickle t = begin(seed);

        assert_true(t.at >= MU_MS(50) && t.at < MU_MS(100));
        assert_int_equal(t.heard, 0);
        parts[(t.at - MU_MS(50)) * 4 / MU_MS(50)]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(parts[i], 850, 1150);
}

/* Rules 3 and 4: transmits at t if fewer than k consistent were heard. */
static void test_redundancy(void **state)
{
    (void)state;
    for (unsigned heard = 0; heard < 4; heard++) {
        struct mu_trickle t = begin(7);
        mu_time at = mu_trickle_deadline(&t);

        for (unsigned i = 0; i < heard; i++)
            mu_trickle_consistent(&t);
        assert_false(mu_trickle_step(&t, at - 1));
        assert_int_equal(mu_trickle_step(&t, at), heard < 2);
        assert_false(mu_trickle_step(&t, at)); /* once an interval */
    }
}

/* Rule 5: I doubles up to Imax, c begins at 0 again. */
static void test_doubling(void **state)
{
    struct mu_trickle t = begin(3);
    mu_time start = 0;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        mu_time is = MU_MS(100) << (i < 4 ? i : 4), end = start + is;

        assert_int_equal(t.interval, is);
        assert_int_equal(t.end, end);
        mu_trickle_consistent(&t);
        assert_true(mu_trickle_step(&t, mu_trickle_deadline(&t)));
        assert_int_equal(mu_trickle_deadline(&t), end);
        assert_false(mu_trickle_step(&t, end));
        assert_int_equal(t.heard, 0);
        start = end;
    }
}

/* Rule 6: back to Imin, unless I is Imin: then nothing happens. */
static void test_inconsistent(void **state)
{
    struct mu_trickle t = begin(5), before;
    mu_time now;

    (void)state;
    before = t;
    mu_trickle_reset(&t, MU_MS(20));
    assert_int_equal(t.at, before.at);
    assert_int_equal(t.end, before.end);

    while (t.interval != MU_MS(800))
        (void)mu_trickle_step(&t, mu_trickle_deadline(&t));
    now = mu_trickle_deadline(&t) - 10;
    mu_trickle_consistent(&t);
    mu_trickle_reset(&t, now);
    assert_int_equal(t.interval, MU_MS(100));
    assert_int_equal(t.heard, 0);
    assert_int_equal(t.end, now + MU_MS(100));
    assert_true(t.at >= now + MU_MS(50) && t.at < now + MU_MS(100));
}

/* A node that slept through an hour says one thing, and counts on. */
static void test_late(void **state)
{
    struct mu_trickle t = begin(9);
    mu_time now = MU_SECONDS(3600);
    unsigned spoke = 0;

    (void)state;
    spoke += mu_trickle_step(&t, now);
    spoke += mu_trickle_step(&t, now);
    assert_int_equal(spoke, 1);
    assert_true(t.end > now && t.end <= now + MU_MS(1600));
    assert_int_equal(t.interval, MU_MS(1600));
}

/* s.6: the rate per area grows slowly however many there are. n nodes that
 * hear each other say about k per interval, not n. */
static void test_density(void **state)
{
    struct mu_trickle all[200];
    unsigned said = 0;

    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(mu_trickle_init(&all[i], &base, i * 77 + 1, 0), 0);
    for (mu_time now = 0; now < MU_SECONDS(31); now += 500) {
        for (size_t i = 0; i < 200; i++) {
            if (!mu_trickle_step(&all[i], now))
                continue;
            said++;
            for (size_t j = 0; j < 200; j++) {
                if (j != i)
                    mu_trickle_consistent(&all[j]);
            }
        }
    }
    /* 5 intervals on the way up, 18 of 1.6 s; k = 2, and a few that spoke in
     * the same half millisecond or whose interval had not begun. */
    assert_in_range(said, 40, 120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_point),
        cmocka_unit_test(test_redundancy),
        cmocka_unit_test(test_doubling),
        cmocka_unit_test(test_inconsistent),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_density),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
