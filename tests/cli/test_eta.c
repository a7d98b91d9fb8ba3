/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate of a campaign's end: near the truth when work goes on evenly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/eta.h"

static void test_even_work(void **state)
{
    (void)state;
    /* 900 s of sending, then 100 s until 50 devices have said. */
    for (uint64_t t = 50; t < 1000; t += 50) {
        struct api_progress p = {
            .elapsed_s = t, .sent = t < 900 ? t * 1000 : 900000,
            .sent_all = 900000, .ended = t < 900 ? 0 : (t - 900) / 2,
            .ended_all = 50,
        };
        assert_in_range(api_eta_s(&p), 1000 - t - 2, 1000 - t + 2);
    }
}

/* 30 s of sending, then acknowledgements as keep-alives have it, in 26 s. */
static void test_riding(void **state)
{
    (void)state;
    for (uint64_t t = 5; t <= 56; t++) {
        struct api_progress p = {
            .elapsed_s = t, .sent = t < 30 ? t * 10 : 300, .sent_all = 300,
            .ended = t < 30 ? 0 : (t - 30) * 10, .ended_all = 260,
            .ride_s = 26,
        };
        assert_in_range(api_eta_s(&p), 56 - t, 56 - t + 1);
    }
}

static void test_cannot_tell(void **state)
{
    struct api_progress p = {.elapsed_s = 10, .sent = 1, .sent_all = 100,
                             .ended_all = 5};

    (void)state;
    assert_int_equal(api_eta_s(&p), -1); /* hardly begun */
    p.sent = 50;
    assert_in_range(api_eta_s(&p), 11, 13);
    p.elapsed_s = 0;
    assert_int_equal(api_eta_s(&p), -1);
    p = (struct api_progress){.elapsed_s = 10, .sent = 5};
    assert_int_equal(api_eta_s(&p), -1);
    /* More than all, as after a page of the past: not below zero. */
    p = (struct api_progress){10, 120, 100, 9, 5, 0, 0};
    assert_int_equal(api_eta_s(&p), 0);
}

/* Who sleeps longer than the work takes decides. */
static void test_asleep(void **state)
{
    struct api_progress p = {.elapsed_s = 10, .sent = 50, .sent_all = 100,
                             .ended_all = 5, .wait_s = 3600};

    (void)state;
    assert_int_equal(api_eta_s(&p), 3600);
    p.elapsed_s = 0; /* hardly begun, but so much is known */
    assert_int_equal(api_eta_s(&p), 3600);
    p.elapsed_s = 100000;
    assert_true(api_eta_s(&p) > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_work),
        cmocka_unit_test(test_riding),
        cmocka_unit_test(test_cannot_tell),
        cmocka_unit_test(test_asleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
