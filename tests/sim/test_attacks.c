/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every attack that `muster sim --attack` knows: it is at work, nobody gets a
 * wrong object, nobody is believed who lies, and everybody whose gateway is
 * honest gets the true one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/attack.h"
#include "sim/fleet.h"

#define DEVICES 24u

static void run_conf(struct sim_conf *c, struct sim_result *r)
{
    const char *why;

    assert_int_equal(sim_fleet_run(c, r, &why), 0);
    print_message("%s: %u running, %u proved, %llu packets of the attacker, "
                  "%llu bytes for %llu\n", sim_attack_name(c->attack),
                  r->running, r->proved,
                  (unsigned long long)r->attack_packets,
                  (unsigned long long)r->area_bytes,
                  (unsigned long long)r->clean_bytes);
    assert_true(sim_result_lawful(r));
}

static void run(enum sim_attack attack, uint32_t flood, struct sim_result *r)
{
    struct sim_conf c;

    sim_conf_default(&c);
    c.devices = DEVICES;
    c.gateways = 2;
    c.size = 30000;
    c.page_data = 16;
    c.page_parity = 8;
    c.attack = attack;
    c.flood = flood;
    run_conf(&c, r);
}

/* All run it, and the server knows it of all. */
static void all_well(const struct sim_result *r)
{
    assert_int_equal(r->running, DEVICES);
    assert_int_equal(r->proved, DEVICES);
    assert_true(r->attack_packets > 0);
}

static void test_strangers(void **state)
{
    static const enum sim_attack attacks[] = {
        SIM_ATTACK_BOGUS_DATA, SIM_ATTACK_BOGUS_PARITY, SIM_ATTACK_REPLAY};
    struct sim_result r;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        run(attacks[i], 100, &r);
        all_well(&r);
        /* Whoever has no key costs the fleet next to nothing. */
        assert_true(r.area_bytes - r.rest_bytes < r.clean_bytes * 5 / 4);
    }
}

/* In hundredths of what the same costs in peace. */
static unsigned cost_of(const struct sim_result *r)
{
    return (unsigned)((r->area_bytes - r->rest_bytes) * 100 / r->clean_bytes);
}

/* Areas of 12 members, an object of 30 symbols, and half a minute at rest: six
 * hundred times what the object takes. */
static void test_members(void **state)
{
    static const enum sim_attack attacks[] = {
        SIM_ATTACK_RE_REQUEST, SIM_ATTACK_MANIFEST_FLOOD,
        SIM_ATTACK_EVIL_DEVICE, SIM_ATTACK_FALSE_LOSS};
    static const unsigned most[] = {145, 115, 150, 500};
    struct sim_result r;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        run(attacks[i], 10, &r);
        all_well(&r);
        assert_in_range(cost_of(&r), 90, most[i]);
    }
}

/* Areas of 50, an object of 256 KiB. */
static void test_members_of_many(void **state)
{
    static const enum sim_attack attacks[] = {
        SIM_ATTACK_RE_REQUEST, SIM_ATTACK_EVIL_DEVICE, SIM_ATTACK_FALSE_LOSS};
    static const unsigned most[] = {112, 115, 380};
    struct sim_result r;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sim_conf c;

        sim_conf_default(&c);
        c.devices = 100;
        c.gateways = 2;
        c.seed = 7;
        c.attack = attacks[i];
        c.flood = 20;
        run_conf(&c, &r);
        assert_int_equal(r.running, 100);
        assert_int_equal(r.proved, 100);
        assert_in_range(cost_of(&r), 102, most[i]);
    }
}

static void test_radio_and_relays(void **state)
{
    struct sim_result r;

    (void)state;
    run(SIM_ATTACK_DROP, 0, &r);
    all_well(&r);
    run(SIM_ATTACK_MODIFY, 0, &r);
    all_well(&r);
    run(SIM_ATTACK_JAM, 0, &r);
    assert_int_equal(r.proved, DEVICES);
    assert_true(r.area_bytes - r.rest_bytes > r.clean_bytes); /* it was felt */
}

static void test_acknowledgements(void **state)
{
    struct sim_result r;

    (void)state;
    run(SIM_ATTACK_FORGED_ACKS, 0, &r);
    assert_int_equal(r.running, DEVICES);
    assert_int_equal(r.proved, DEVICES - r.liars);
    run(SIM_ATTACK_POLLUTED_ACKS, 0, &r);
    assert_int_equal(r.proved, DEVICES - r.liars);
    assert_true(r.lies > 0 && r.liars > 0);
    assert_true(r.reports_refused > 0);
}

/* Its own area has not proved anything; the other one has. */
static void test_gateway(void **state)
{
    struct sim_result r;

    (void)state;
    run(SIM_ATTACK_EVIL_GATEWAY, 0, &r);
    assert_true(r.attack_packets > 0 && r.lies > 0);
    assert_int_equal(r.proved, DEVICES / 2);
}

static void test_names(void **state)
{
    enum sim_attack attack;

    (void)state;
    for (unsigned i = 0; i < SIM_ATTACKS; i++) {
        assert_true(sim_attack_find(sim_attack_name((enum sim_attack)i),
                                    &attack));
        assert_int_equal(attack, i);
    }
    assert_false(sim_attack_find("prayer", &attack));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_members_of_many),
        cmocka_unit_test(test_radio_and_relays),
        cmocka_unit_test(test_acknowledgements),
        cmocka_unit_test(test_gateway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
