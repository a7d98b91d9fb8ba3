/* SPDX-License-Identifier: Apache-2.0 */
/* Whole campaigns in virtual time, with everything that goes wrong. */
#include "muster/cast.h"
#include "tests/sim/run.h"

static struct sim_conf small(uint64_t seed)
{
    struct sim_conf c;
    sim_conf_default(&c);
    c.devices = 60;
    c.gateways = 3;
    c.size = 80000;
    c.payload = 512;
    c.page_memory = 16384;
    c.area_rate = 40000; /* so that a revocation can overtake the object */
    c.deadline_s = 3600;
    c.seed = seed;
    return c;
}

static void test_everybody_runs_it(void **state)
{
    (void)state;
    struct sim_conf c = small(1);
    struct sim_result r = sim_run(&c);
    assert_true(sim_result_good(&r));
    assert_int_equal(r.devices, 60);
    assert_int_equal(r.running, 60);
    assert_int_equal(r.received, 60);
    assert_true(r.packets > 3 * 80000 / 512);
    assert_true(r.area_bytes > 3 * 80000);
    assert_true(r.packet_ratio > 0.9 && r.packet_ratio < 4);
    /* Of the pages as they were cut for devices with so little room. */
    assert_true(r.floor_packets <= r.packets);
    assert_true(r.floor_packets > r.packets * 9 / 10);
}

/* Each rides on the keep-alive of its device and costs ten bytes more than that:
 * session, acknowledgement, marker of the payload. */
static void test_acks_ride(void **state)
{
    struct sim_conf c = small(2);
    struct sim_result r;

    (void)state;
    c.gateways = 1;
    r = sim_run(&c);
    assert_true(sim_result_good(&r));
    assert_int_equal(r.proved, 60);
    assert_int_equal(r.rides, 60);
    assert_int_equal(r.kind_bytes[SIM_KIND_STATUS], 0);
    assert_int_equal(r.kind_bytes[SIM_KIND_CENSUS], 0);
    assert_true(r.rest_bytes >= 60 * 158);
    assert_in_range(r.keepalive_bytes - r.rest_bytes, 60 * 10, 90 * 10);
    assert_true(r.ratio_gross > r.ratio);
    c.loss = 0;
    r = sim_run(&c);
    assert_int_equal(r.keepalive_bytes, r.rest_bytes + 60 * 10);
    /* Half of what is said is lost, and nobody is forgotten. */
    c.loss = 0.5;
    r = sim_run(&c);
    assert_true(sim_result_good(&r));
    assert_int_equal(r.proved, 60);
    assert_true(r.rides > 0 && r.kind_bytes[SIM_KIND_STATUS] > 0);
}

/* By themselves: keep-alives are what they are at rest, to the byte. */
static void test_acks_now(void **state)
{
    struct sim_conf c = small(3);
    struct sim_result r, never;

    (void)state;
    c.acks_now = true;
    c.keepalive_ms = 2000;
    r = sim_run(&c);
    assert_int_equal(r.proved, 60);
    assert_int_equal(r.rides, 0);
    assert_true(r.kind_bytes[SIM_KIND_STATUS] >= 60 * (22 + 46));
    assert_true(r.rest_bytes > 0);
    assert_int_equal(r.keepalive_bytes, r.rest_bytes);
    c.keepalive_ms = 0;
    never = sim_run(&c);
    assert_int_equal(never.proved, 60);
    assert_int_equal(never.keepalive_bytes, 0);
    assert_int_equal(never.rest_bytes, 0);
}

static void test_same_seed_same_trace(void **state)
{
    (void)state;
    struct sim_conf c = small(7);
    c.forged = 50;
    c.duplicate = 0.02;
    c.reorder = 0.02;
    struct sim_result a = sim_run(&c);
    struct sim_result b = sim_run(&c);
    c.seed = 8;
    struct sim_result other = sim_run(&c);
    assert_true(a.trace_hash == b.trace_hash);
    assert_true(a.area_bytes == b.area_bytes);
    assert_true(a.events == b.events);
    assert_true(a.trace_hash != other.trace_hash);
}

/* Wherever the devices lie in memory, and however often they come up again. */
static void test_same_in_a_room(void **state)
{
    struct sim_conf c = small(9);
    struct sim_result heap, room;

    (void)state;
    c.restarts = 3;
    c.devices = 61; /* of which areas have 21 and 20 */
    heap = sim_run(&c);
    c.heap_devices = 60;
    room = sim_run(&c);
    assert_true(sim_result_good(&room));
    assert_true(heap.trace_hash == room.trace_hash);
    assert_int_equal(heap.events, room.events);
}

/* Members that lie when they acknowledge: nobody is believed, nobody else is
 * harmed, and each costs a few messages, once. */
static void test_liars(void **state)
{
    (void)state;
    for (int lie = 0; lie < SIM_LIES; lie++) {
        struct sim_conf c = small(20 + (uint64_t)lie);
        struct sim_result r;
        c.devices = 150;
        c.gateways = 2;
        c.liars = 6;
        c.lie = (enum sim_lie)lie;
        r = sim_run(&c);
        assert_true(sim_result_good(&r));
        assert_true(r.lies >= 6);
        assert_int_equal(r.proved, 144);
        assert_int_equal(r.liars_believed, 0);
        assert_true(r.reports <= 40);
        if (lie == SIM_LIE_POLLUTE || lie == SIM_LIE_REPLAY)
            assert_true(r.reports_refused >= 6 && r.reports_refused <= 24);
        else /* refused by the gateway, or never there */
            assert_int_equal(r.reports_refused, 0);
    }
}

static void test_no_loss_no_repair(void **state)
{
    (void)state;
    struct sim_conf c = small(2);
    c.loss = 0;
    (void)sim_run_good(&c);
}

static void test_forger_and_replayer(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 13; seed++) {
        struct sim_conf c = small(seed);
        c.forged = 2000;
        c.replayed = 200;
        c.duplicate = 0.05;
        c.reorder = 0.05;
        struct sim_result r = sim_run(&c);
        assert_true(r.forged >= 1000);
        assert_true(r.replayed > 0);
        assert_int_equal(r.forged_accepted, 0);
        assert_true(sim_result_good(&r));
    }
}

static void test_revoked_cannot_open(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 23; seed++) {
        struct sim_conf c = small(seed);
        c.revoke = 4;
        struct sim_result r = sim_run(&c);
        assert_true(r.revoked > 0);
        assert_int_equal(r.revoked_opened, 0);
        assert_int_equal(r.devices + r.revoked, 60);
        assert_true(sim_result_good(&r));
    }
}

static void test_restarts(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 34; seed++) {
        struct sim_conf c = small(seed);
        c.restarts = 3;
        (void)sim_run_good(&c);
    }
}

static void test_sleepers(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 42; seed++) {
        struct sim_conf c = small(seed);
        c.sleeping = 0.4;
        (void)sim_run_good(&c);
    }
}

static void test_bursts_and_wide_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 50; seed < 53; seed++) {
        struct sim_conf c = small(seed);
        c.loss = 0.15;
        c.burst = 6;
        c.wide_loss = 0.05;
        (void)sim_run_good(&c);
    }
}

/* Bursts take all announcements of a moment, and whole small pages: who missed
 * them says so before the next page is wasted on him. */
static void test_bursts_cost_little(void **state)
{
    (void)state;
    for (uint64_t seed = 70; seed < 73; seed++) {
        struct sim_conf c = small(seed);
        c.devices = 200;
        c.gateways = 1;
        c.area_rate = 400000;
        c.page_memory = 200000;
        c.page_data = 150;
        c.page_parity = 100;
        c.burst = 5;
        struct sim_result r = sim_run(&c);
        assert_true(sim_result_good(&r));
        assert_true(r.packet_ratio < 1.6);
    }
}

/* In bursts the unluckiest of 300 loses far more than the mean, and that is all
 * that is paid for. With each of these seeds somebody misses a whole page, the
 * manifest, or the polls of many rounds. */
static void test_bursts_near_floor(void **state)
{
    static const struct { double loss; uint64_t seed; } runs[] = {
        {0.05, 36}, {0.05, 14}, {0.2, 3}, {0.2, 49}, {0.2, 89},
    };

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct sim_conf c;
        struct sim_result r;
        sim_conf_default(&c);
        c.devices = 300;
        c.gateways = 1;
        c.page_memory = 393216;
        c.burst = 5;
        c.loss = runs[i].loss;
        c.seed = runs[i].seed;
        r = sim_run(&c);
        assert_true(sim_result_good(&r));
        assert_true((double)r.floor_packets > 1.1 * r.bound_packets);
        assert_true(r.block_packets <= r.packets);
        assert_true(r.packets >= r.floor_packets);
        assert_true((double)r.packets < 1.08 * (double)r.floor_packets);
    }
}

/* `muster push --explain` foretells what a run then costs. */
static void test_cost_foretold(void **state)
{
    (void)state;
    struct sim_conf c = small(80);
    c.devices = 200;
    c.gateways = 1;
    c.area_rate = 400000;
    c.page_memory = 200000;
    c.page_data = 150;
    c.page_parity = 60;
    c.hash_len = 8;
    struct sim_result r = sim_run(&c);
    struct mu_cast_shape shape = {c.payload, c.page_data, c.page_parity, 8};
    struct mu_cast_cost cost;
    assert_int_equal(mu_cast_cost(&shape, c.size, 200, 50, &cost), 0);
    assert_true(sim_result_good(&r));
    assert_in_range(r.packets, (cost.data + cost.more) * 95 / 100,
                    (cost.data + cost.more) * 105 / 100);
}

/* A manifest of many fragments, much loss: who has part of it goes on asking,
 * and nobody comes so late that all is sent again for him. */
static void test_many_fragments(void **state)
{
    (void)state;
    struct sim_conf c;
    sim_conf_default(&c);
    c.devices = 100;
    c.gateways = 1;
    c.payload = 80;
    c.page_data = 60;
    c.page_parity = 40;
    c.loss = 0.3;
    c.size = 20000;
    c.seed = 3;
    struct sim_result r = sim_run(&c);
    assert_true(sim_result_good(&r));
    assert_true(r.packet_ratio < 1.8);
}

static void test_small_payload(void **state)
{
    (void)state;
    struct sim_conf c = small(60);
    c.payload = 80;
    c.size = 9000;
    (void)sim_run_good(&c);
}

static void test_chain_form(void **state)
{
    (void)state;
    struct sim_conf c = small(61);
    c.devices = 6;
    c.gateways = 2;
    c.size = 6000;
    c.page_data = 1;
    c.page_parity = 0;
    c.loss = 0.05;
    (void)sim_run_good(&c);
}

static void test_everything_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 70; seed < 73; seed++) {
        struct sim_conf c = small(seed);
        c.loss = 0.1;
        c.wide_loss = 0.03;
        c.duplicate = 0.02;
        c.reorder = 0.02;
        c.forged = 500;
        c.replayed = 50;
        c.revoke = 2;
        c.restarts = 2;
        c.sleeping = 0.1;
        (void)sim_run_good(&c);
    }
}

/* A link that is narrower than we think, and a TCP flow in it. */
static void test_yields(void **state)
{
    (void)state;
    struct sim_conf c = small(80);
    c.gateways = 1;
    c.devices = 20;
    c.loss = 0.01;
    c.size = 300000;
    c.area_rate = 120000;
    c.page_memory = 100000;
    c.link = 100000;
    c.flow = true;
    c.acks_now = true; /* shares are of the time of the run: no waiting */
    struct sim_result fixed = sim_run(&c);
    c.yields = true;
    c.area_rate = 400000;
    struct sim_result r = sim_run(&c);
    assert_true(sim_result_good(&fixed) && sim_result_good(&r));
    assert_true(r.flow_share > 0.6);
    assert_true(r.flow_share > fixed.flow_share + 0.05);
    assert_true(r.link_dropped * 2 < fixed.link_dropped);
    assert_true(r.packet_ratio < fixed.packet_ratio);
}

/* A gateway that sends four times as fast as a link carries that a TCP flow fills:
 * most of it is lost on all of them at once, and answers are late. That is nobody's
 * lie, and they need not wait like liars. */
static void test_too_fast(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 3; seed++) {
        struct sim_conf c;
        sim_conf_default(&c);
        c.devices = 40;
        c.gateways = 1;
        c.loss = 0.01;
        c.size = 1000000;
        c.area_rate = 5000000;
        c.link = 1250000;
        c.flow = true;
        c.seed = seed;
        struct sim_result r = sim_run(&c);
        assert_true(sim_result_good(&r));
        assert_true(r.virtual_seconds < 120);
    }
}

/* A packet to all costs ten to one: few lose much, and get it by themselves. */
static void test_repairs_alone(void **state)
{
    (void)state;
    struct sim_conf c = small(90);
    c.devices = 15;
    c.loss = 0.05;
    struct sim_result all = sim_run(&c);
    c.cost = 10;
    struct sim_result one = sim_run(&c);
    assert_true(sim_result_good(&all) && sim_result_good(&one));
    assert_int_equal(all.alone_packets, 0);
    assert_true(one.alone_packets > 0);
    assert_true(10 * (one.packets - one.alone_packets) + one.alone_packets <
                10 * all.packets);
}

/* Devices that listen in windows: nothing is sent that nobody hears, one sending
 * serves them all, and their radios are seldom on; with clocks that are apart. */
static void test_windows(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 102; seed++) {
        struct sim_conf c = small(seed);
        c.devices = 60;
        c.listens = (struct mu_area_listens){300, 3};
        c.drift = 100;
        struct sim_result r = sim_run(&c);
        assert_true(sim_result_good(&r));
        assert_true(r.packet_ratio < 1.35);
        assert_int_equal(r.unheard_packets, 0);
        assert_true(r.radio_share < 0.03);
        assert_true(r.virtual_seconds < 1000);
    }
}

/* Where the others do not wait for them, all is sent once more, and no more than
 * that; where they do, once. */
static void test_windows_mixed(void **state)
{
    (void)state;
    struct sim_conf c;
    sim_conf_default(&c);
    c.devices = 300;
    c.gateways = 1;
    c.size = 100000;
    c.listens = (struct mu_area_listens){60, 3};
    c.listeners = 0.7;
    c.hold_s = 0;
    struct sim_result twice = sim_run(&c);
    c.hold_s = 300;
    struct sim_result once = sim_run(&c);
    assert_true(sim_result_good(&twice) && sim_result_good(&once));
    assert_true(once.packet_ratio < 1.25);
    assert_true(twice.packet_ratio > 1.5); /* the push came between windows */
    assert_true(twice.packet_ratio < 2.5);
}

static void test_wrong_conf(void **state)
{
    (void)state;
    struct sim_result r;
    const char *why;
    struct sim_conf c = small(1);
    c.listens = (struct mu_area_listens){60, 60};
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
    c = small(1);
    c.gateways = 0;
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
    assert_non_null(why);
    c = small(1);
    c.loss = 0.95;
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
    c = small(1);
    c.flow = true;
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
    c = small(1);
    c.size = 0;
    assert_int_equal(sim_fleet_run(&c, &r, &why), MU_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_runs_it),
        cmocka_unit_test(test_acks_ride),
        cmocka_unit_test(test_acks_now),
        cmocka_unit_test(test_same_seed_same_trace),
        cmocka_unit_test(test_same_in_a_room),
        cmocka_unit_test(test_liars),
        cmocka_unit_test(test_no_loss_no_repair),
        cmocka_unit_test(test_forger_and_replayer),
        cmocka_unit_test(test_revoked_cannot_open),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_sleepers),
        cmocka_unit_test(test_bursts_and_wide_loss),
        cmocka_unit_test(test_bursts_cost_little),
        cmocka_unit_test(test_bursts_near_floor),
        cmocka_unit_test(test_cost_foretold),
        cmocka_unit_test(test_small_payload),
        cmocka_unit_test(test_many_fragments),
        cmocka_unit_test(test_chain_form),
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_yields),
        cmocka_unit_test(test_too_fast),
        cmocka_unit_test(test_repairs_alone),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_windows_mixed),
        cmocka_unit_test(test_wrong_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
