/* SPDX-License-Identifier: Apache-2.0 */
/* Departures in a simulated fleet, by every scheme: who left gets no later key,
 * who stays has the newest, and the object of the push opens for them alone. */
#include "muster/scheme.h"
#include "tests/sim/run.h"

static struct sim_conf fleet(enum mu_scheme_kind scheme, uint64_t seed)
{
    struct sim_conf c;

    sim_conf_default(&c);
    c.devices = 48;
    c.gateways = 3;
    c.size = 6000;
    c.payload = 512;
    c.deadline_s = 3600;
    c.scheme = (uint8_t)scheme;
    c.rekeys = 3;
    c.leavers = 2;
    c.seed = seed;
    return c;
}

static struct sim_result run_good(const struct sim_conf *c)
{
    struct sim_result r = sim_run_good(c);

    assert_int_equal(r.rekey.done, c->rekeys);
    assert_int_equal(r.rekey.left, c->rekeys * c->leavers);
    assert_int_equal(r.rekey.holding, c->devices - r.rekey.left - c->revoke);
    assert_int_equal(r.rekey.late_keys, 0);
    return r;
}

static void test_every_scheme(void **state)
{
    (void)state;
    for (int kind = MU_SCHEME_UNICAST; kind < MU_SCHEME_COUNT; kind++) {
        struct sim_conf c = fleet((enum mu_scheme_kind)kind, (uint64_t)kind);

        run_good(&c);
    }
}

/* With messages for all, a departure takes far less than one message each. */
static void test_cheaper(void **state)
{
    struct sim_conf c = fleet(MU_SCHEME_UNICAST, 30);
    struct sim_result one, all;

    (void)state;
    c.leavers = 1;
    one = run_good(&c);
    c.scheme = MU_SCHEME_SD;
    all = run_good(&c);
    assert_int_equal(one.rekey.kind_bytes[SIM_KIND_ANNOUNCE], 0);
    assert_true(all.rekey.kind_bytes[SIM_KIND_ANNOUNCE] > 0);
    assert_true(all.rekey.area_bytes < one.rekey.area_bytes * 2 / 3);
    assert_true(all.rekey.wan_bytes < one.rekey.wan_bytes / 2);
}

/* Losses in bursts, sleepers, forgers, and restarts and a revocation in the
 * push that follows. */
static void test_trouble(void **state)
{
    static const enum mu_scheme_kind some[] = {MU_SCHEME_SD, MU_SCHEME_LKH};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sim_conf c = fleet(some[i], 40 + i);

        c.size = 20000;
        c.area_rate = 40000;
        c.loss = 0.2;
        c.burst = 4;
        c.sleeping = 0.2;
        c.forged = 60;
        c.replayed = 60;
        c.revoke = 1;
        c.restarts = 1;
        run_good(&c);
    }
}

/* Without leavers it is a rotation: dormant until all members hold it. */
static void test_rotation(void **state)
{
    struct sim_conf c = fleet(MU_SCHEME_CS, 50);

    (void)state;
    c.leavers = 0;
    run_good(&c);
}

static void test_usage(void **state)
{
    struct sim_conf c = fleet(MU_SCHEME_SD, 60);
    struct sim_result r;
    const char *why = NULL;

    (void)state;
    c.leavers = 16; /* nobody would be left */
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
    assert_non_null(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_scheme),
        cmocka_unit_test(test_cheaper),
        cmocka_unit_test(test_trouble),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_usage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
