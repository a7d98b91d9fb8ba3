/* SPDX-License-Identifier: Apache-2.0 */
/* Deluge over many hops in the simulator, and what security costs there. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/grid.h"

static struct sim_grid_conf small(void)
{
    struct sim_grid_conf conf;

    sim_grid_default(&conf);
    assert_true(sim_grid_topology(&conf, "grid:9x9"));
    conf.size = 12000;
    conf.attackers = 2;
    return conf;
}

static struct sim_grid_result run(const struct sim_grid_conf *conf)
{
    struct sim_grid_result r;

    assert_int_equal(sim_grid_run(conf, &r), 0);
    assert_int_equal(r.complete, r.nodes);
    assert_int_equal(r.wrong, 0);
    return r;
}

static void test_cost(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result r;
    double secured = 0, plain = 0;

    (void)state;
    assert_true(sim_grid_topology(&conf, "grid:12x12"));
    conf.size = 40000;
    for (conf.seed = 1; conf.seed <= 2; conf.seed++) {
        conf.secured = true;
        r = run(&conf);
        secured += (double)r.bytes;
        assert_int_equal(r.hops, 11);
        assert_int_equal(r.signatures, r.nodes - 1);
        conf.secured = false;
        plain += (double)run(&conf).bytes;
    }
    /* 8 of 93 bytes are hashes: less cannot be but for a page not full */
    print_message("grid: %.4f\n", secured / plain);
    assert_true(secured > 1.08 * plain);
    assert_true(secured <= 1.15 * plain);
}

static void test_repeatable(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result a, b;

    (void)state;
    a = run(&conf);
    b = run(&conf);
    assert_int_equal(a.bytes, b.bytes);
    assert_true(a.virtual_seconds == b.virtual_seconds);
    conf.seed = 2;
    b = run(&conf);
    assert_int_not_equal(a.bytes, b.bytes);
}

static void test_loss(void **state)
{
    struct sim_grid_conf conf = small();

    (void)state;
    conf.loss = 0.3;
    (void)run(&conf);
}

static void test_field(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result r;

    (void)state;
    assert_true(sim_grid_topology(&conf, "random:150"));
    r = run(&conf);
    assert_int_equal(r.nodes, 150);
    assert_true(r.hops > 3);
}

/* What each attack may cost the fleet: bytes and time, against peace. */
static void test_attacks(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result peace = run(&conf), r;

    (void)state;
    for (int i = SIM_GRID_PEACE + 1; i < SIM_GRID_ATTACKS; i++) {
        conf.attack = (enum sim_grid_attack)i;
        r = run(&conf);
        assert_true(r.attack_packets > 0);
        assert_int_equal(r.forged_accepted, 0);
        assert_true((double)r.bytes < 1.4 * (double)peace.bytes);
        assert_true(r.virtual_seconds < 3 * peace.virtual_seconds + 5);
    }
}

/* Unsecured, the forger wins: the checks are what stops him. */
static void test_forger_unsecured(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result r;

    (void)state;
    conf.attack = SIM_GRID_BOGUS_DATA;
    conf.secured = false;
    conf.flood = 1;
    conf.time_max = 300;
    assert_int_equal(sim_grid_run(&conf, &r), 0);
    assert_true(r.forged_accepted > 0);
}

/* After everybody is done, a greedy node gets a trickle. */
static void test_greedy_after(void **state)
{
    struct sim_grid_conf conf = small();
    struct sim_grid_result peace, r;

    (void)state;
    conf.linger = 60;
    peace = run(&conf);
    conf.attack = SIM_GRID_RE_REQUEST;
    r = run(&conf);
    assert_true(r.refused > 500);
    assert_true((double)r.bytes < 1.5 * (double)peace.bytes);
}

static void test_topologies(void **state)
{
    struct sim_grid_conf conf;

    (void)state;
    sim_grid_default(&conf);
    assert_true(sim_grid_topology(&conf, "grid:3x4"));
    assert_int_equal(conf.width, 3);
    assert_int_equal(conf.height, 4);
    assert_false(sim_grid_topology(&conf, "grid:0x4"));
    assert_false(sim_grid_topology(&conf, "grid:3x4x"));
    assert_true(sim_grid_topology(&conf, "grid:1000"));
    assert_int_equal(conf.width, 25);
    assert_int_equal(conf.height, 40);
    assert_true(sim_grid_topology(&conf, "line:7"));
    assert_true(sim_grid_topology(&conf, "tree"));
    assert_int_equal(conf.shape, SIM_GRID_TREE);
    assert_int_equal(sim_grid_nodes(&conf), 7);
    assert_false(sim_grid_topology(&conf, "random:1"));
    assert_false(sim_grid_topology(&conf, "random:9x9"));
    assert_false(sim_grid_topology(&conf, "fully"));
    assert_false(sim_grid_topology(&conf, "ring:5"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_attacks),
        cmocka_unit_test(test_forger_unsecured),
        cmocka_unit_test(test_greedy_after),
        cmocka_unit_test(test_topologies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
