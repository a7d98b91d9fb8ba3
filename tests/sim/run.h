/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated fleet, run to its end by a test. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/fleet.h"

static inline struct sim_result sim_run(const struct sim_conf *c)
{
    struct sim_result r;
    const char *why = NULL;

    assert_int_equal(sim_fleet_run(c, &r, &why), 0);
    assert_null(why);
    return r;
}

static inline struct sim_result sim_run_good(const struct sim_conf *c)
{
    struct sim_result r = sim_run(c);

    if (!sim_result_good(&r)) {
        print_message("seed %llu\n", (unsigned long long)c->seed);
        sim_result_text(&r, stderr);
    }
    assert_true(sim_result_good(&r));
    return r;
}

#endif
