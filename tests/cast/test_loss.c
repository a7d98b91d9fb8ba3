/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The estimate of what the unluckiest receiver loses, against what dice say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cast/loss.h"

static uint64_t seed = 1;

static uint32_t noise(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 0x2545f4914f6cdd1du >> 32) * below >> 32);
}

#define DRAWS 41

static int order(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The median, over many draws, of the most losses among the members. */
static uint32_t dice(uint32_t packets, uint32_t members, uint32_t loss)
{
    uint32_t worst[DRAWS];

    for (unsigned d = 0; d < DRAWS; d++) {
        worst[d] = 0;
        for (uint32_t m = 0; m < members; m++) {
            uint32_t lost = 0;
            for (uint32_t p = 0; p < packets; p++)
                lost += noise(65536) < loss;
            if (lost > worst[d])
                worst[d] = lost;
        }
    }
    qsort(worst, DRAWS, sizeof(worst[0]), order);
    return worst[DRAWS / 2];
}

static const struct { uint32_t packets, members, loss; } cases[] = {
    {40, 1, 3277},   {40, 8, 3277},    {40, 100, 3277}, {40, 300, 3277},
    {40, 30, 13107}, {40, 300, 13107}, {220, 30, 3277}, {250, 30, 13107},
    {20, 300, 655},  {10, 10, 20000},  {1, 5, 3277},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static void test_against_dice(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        uint32_t is = dice(cases[i].packets, cases[i].members, cases[i].loss);
        uint32_t says = mu_loss_worst(cases[i].packets, cases[i].members,
                                      cases[i].loss) >> 8;
        if (says + 1 < is || says > is + 1)
            print_error("%u packets, %u members: %u, dice say %u\n",
                        cases[i].packets, cases[i].members, says, is);
        assert_in_range(says + 1, is, is + 2);
    }
}

/* From losses to the loss, and back. */
static void test_inverse(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        for (uint32_t lost = 1; lost < cases[i].packets / 2; lost++) {
            uint32_t loss = mu_loss_from_worst(cases[i].packets,
                                               cases[i].members, lost);
            uint32_t back = mu_loss_worst(cases[i].packets, cases[i].members,
                                          loss);
            assert_in_range(back + 128, lost << 8, (lost << 8) + 256);
        }
    }
}

static void test_parity(void **state)
{
    (void)state;
    assert_int_equal(mu_loss_parity(32, 8, 1000, 0), 0);
    assert_int_equal(mu_loss_parity(32, 8, 1000, 65536), 8);
    assert_int_equal(mu_loss_parity(32, 0, 1000, 3277), 0);
    for (uint32_t members = 1, last = 0; members < 6000; members *= 2) {
        uint32_t r = mu_loss_parity(100, 155, members, 6554);
        assert_true(r >= last && r >= 11 && r < 40);
        last = r;
    }
    for (uint32_t loss = 0, last = 0; loss <= 65536; loss += 256) {
        uint32_t r = mu_loss_parity(100, 155, 50, loss);
        assert_true(r >= last);
        last = r;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_dice),
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_parity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
