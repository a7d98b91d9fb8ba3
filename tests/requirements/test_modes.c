/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAST-8 options 1 and 2, and CAST-2 as a chain (one packet a page, each with
 * the hash of the next), by the real programs.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/net/lab.h"

static int setup(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));

    lab_open(lab);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    lab_close(*state);
    free(*state);
    return 0;
}

static void test_option(struct lab *lab, const char *mode)
{
    const char *file = lab_path(lab, "firmware");

    lab_fleet(lab, 2);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "g", "--mode",
                              mode, NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "add", "g", "dev-1",
                              "dev-2", NULL), 0);
    lab_file(file, 50000, 21);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "g",
                              "--deadline", "60s", NULL), 0);
    lab_got(lab, 2, file);
}

static void test_option_1(void **state)
{
    test_option(*state, "option-1");
}

static void test_option_2(void **state)
{
    test_option(*state, "option-2");
}

static void test_chain(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    json_t *out = NULL;

    lab_fleet(lab, 2);
    /* The kinds of keys need no server; the keys there are, do. */
    assert_int_equal(lab_verb(lab, &out, "key", "kinds", NULL), 0);
    assert_int_equal(json_array_size(out), 11);
    json_decref(out);
    assert_int_equal(lab_verb(lab, NULL, "key", "list", NULL), 0);
    lab_file(file, 20000, 22);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--page", "1", "--parity", "0", "--deadline",
                              "60s", NULL), 0);
    json_decref(out);
    lab_got(lab, 2, file);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    /* 20,000 bytes, 1,011 in each packet beside the hash of the next. */
    const json_t *counters = lab_wait(lab->dev, "{'event': 'counters'}");

    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(counters, "heard"), "accepted")),
                     20);
}

int main(void)
{
#define MODE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        MODE_TEST(test_option_1),
        MODE_TEST(test_option_2),
        MODE_TEST(test_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
