/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose key changes by a scheme: members open what is said to all, or
 * fetch; who left tries everything he ever had, and gets nothing.
 */
#include "band.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"sd", "cs", "lkh", "cluster", "ladder"};
#define NAMES (sizeof names / sizeof names[0])

static struct band *band_ready(const char *name, unsigned n, unsigned in)
{
    struct band *b = band_open(n);
    struct mu_group_scheme scheme = band_scheme(name);
    band_group(b, &scheme, in);
    band_rekey(b);
    band_check(b);
    return b;
}

/* The first key: everybody fetches it, and a state. */
static void test_first(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 12);
        struct mu_group_view v = band_view(b);
        assert_string_equal(mu_scheme_name((enum mu_scheme_kind)v.scheme),
                            names[k]);
        assert_true(v.base != 0 && v.generation > v.base);
        for (unsigned i = 0; i < 12; i++)
            assert_true(b->souls[i].state_len > 0);
        assert_int_equal(b->heard, 0);
        band_close(b);
    }
}

/* One leaves: the others hear one message. */
static void test_leave(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 12);
        unsigned fetches = 0, opened = 0;
        for (unsigned i = 0; i < 12; i++)
            b->souls[i].fetches = 0;
        assert_int_equal(band_leave(b, 5), 0);
        band_rekey(b);
        band_check(b);
        for (unsigned i = 0; i < 12; i++) {
            if (i == 5)
                continue;
            fetches += b->souls[i].fetches;
            opened += b->souls[i].opened;
        }
        /* Of clusters and levels, those of the leaver are told one by one. */
        if (k < 3) {
            assert_int_equal(fetches, 0);
            assert_int_equal(opened, 11);
        } else {
            assert_true(opened > 0 && fetches > 0);
        }
        band_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
