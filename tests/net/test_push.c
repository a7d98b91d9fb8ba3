/* SPDX-License-Identifier: Apache-2.0 */
/* One file to the devices behind a gateway, by real programs on loopback. */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lab.h"

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

static void push(struct lab *lab, const char *file)
{
    json_t *out = NULL;
    int code = lab_verb(lab, &out, "push", file, "--group", "all",
                        "--deadline", "60s", NULL);

    assert_int_equal(code, 0);
    json_decref(out);
}

static void test_three_devices(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");

    lab_fleet(lab, 3);
    lab_file(file, 100000, 1);
    push(lab, file);
    lab_got(lab, 3, file);
    /* SIGTERM ends each of them cleanly. */
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    assert_int_equal(lab_end(lab->serve, SIGINT), 0);
}

int main(void)
{
#define PUSH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        PUSH_TEST(test_three_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
