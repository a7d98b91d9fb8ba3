/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that listen in windows. In the world of these tests a radio that is
 * off hears no packet, and an engine that sends with its radio off ends the
 * test; packets that nobody could hear, and requests to who could not, are
 * counted.
 */
#include "muster/coap.h"
#include "node/device.h"
#include "tests/node/common.h"

static const struct mu_area_listens every_20 = {20, 2};

static void windows_ready_in(struct world *w, size_t devices, size_t sleepers,
                             uint32_t hold_s, enum mu_group_mode mode)
{
    world_init(w, devices, 3);
    w->script.mode = mode;
    for (size_t i = 0; i < sleepers; i++)
        w->listens[i] = every_20;
    w->hold_s = hold_s;
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(90), all_fetched));
    world_run(w, MU_SECONDS(3), NULL);
}

static void windows_ready(struct world *w, size_t devices, size_t sleepers,
                          uint32_t hold_s)
{
    windows_ready_in(w, devices, sleepers, hold_s, MU_MODE_END_TO_END);
}

/* To just after the close of a window. */
static void until_closed(struct world *w)
{
    mu_time since = w->now % MU_SECONDS(20);

    world_run(w, MU_SECONDS(since < MU_SECONDS(3) ? 3 : 23) - since, NULL);
}

static bool all_off(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (!w->devices[i].off)
            return false;
    }
    return true;
}

static bool first_runs(struct world *w)
{
    return world_device_has(w, 0) && w->devices[0].installs == 1;
}

static void test_arrives(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 4, 4, 0);
    until_closed(&w);
    assert_true(all_off(&w));
    push(&w, 2);
    world_run(&w, MU_SECONDS(15), NULL); /* before the next opening */
    assert_int_equal(w.area_packets, 0);
    assert_all_run(&w, MU_SECONDS(120));
    assert_int_equal(w.unheard, 0);
    assert_int_equal(w.asked_off, 0);
    world_clear(&w);
}

/* Losses, and an object that takes more than one window. */
static void test_many_windows(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 4, 4, 0);
    world_stop(&w, &w.gateway);
    w.area_rate = 5000; /* 10 kB a window: two of them and more */
    world_start(&w, &w.gateway);
    w.loss_permille = 150;
    until_closed(&w);
    push(&w, 2);
    world_run(&w, MU_SECONDS(37), NULL);
    assert_false(world_all_run(&w));
    assert_all_run(&w, MU_SECONDS(400));
    assert_int_equal(w.unheard, 0);
    world_clear(&w);
}

static uint64_t packets_for_all(uint32_t hold_s)
{
    struct world w;
    uint64_t packets;

    windows_ready(&w, 6, 5, hold_s); /* the last one is always on */
    until_closed(&w);
    push(&w, 2);
    assert_all_run(&w, MU_SECONDS(200));
    packets = w.area_packets;
    world_clear(&w);
    return packets;
}

/* To wait for who sleeps is one sending instead of two; and two it is. */
static void test_hold(void **state)
{
    uint64_t held = packets_for_all(60), not_held = packets_for_all(0);

    (void)state;
    assert_true(held * 3 < not_held * 2);
    assert_true(not_held * 2 < held * 5);
}

/* One that sleeps and one that does not never have it, for their slots are
 * broken: each pass goes on while the sleeper sleeps, and another one follows.
 * They are counted. */
static void test_passes(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 3, 1, 0); /* device 0 sleeps */
    world_stop(&w, &w.gateway);
    w.area_rate = 5000; /* a pass is longer than a window */
    world_start(&w, &w.gateway);
    world_run(&w, MU_SECONDS(60), NULL);
    w.devices[0].slot.full = true;
    w.devices[2].slot.full = true;
    until_closed(&w);
    push(&w, 2);
    world_run(&w, MU_SECONDS(900), NULL); /* 45 windows */
    assert_int_equal(w.gateway.gateway->sessions[0].states[0].passes, 3);
    world_clear(&w);
}

static bool last_runs(struct world *w)
{
    return world_device_has(w, 5) && w->devices[5].installs == 1;
}

/* Who is there does not wait for the answers of those who are not. */
static void test_not_awaited(void **state)
{
    struct world w;
    mu_time alone, among;

    (void)state;
    windows_ready(&w, 6, 5, 0);
    until_closed(&w);
    push(&w, 2);
    alone = w.now;
    assert_true(world_run(&w, MU_SECONDS(15), last_runs));
    among = w.now - alone;
    world_clear(&w);
    windows_ready(&w, 6, 0, 0);
    for (size_t i = 0; i < 5; i++)
        w.script.devices[i].member = false;
    push(&w, 2);
    alone = w.now;
    assert_true(world_run(&w, MU_SECONDS(15), last_runs));
    alone = w.now - alone;
    world_clear(&w);
    assert_true(among <= alone + MU_MS(10));
}

/* Nobody is waited for longer than the operator says, or who will not listen in
 * that time. */
static void test_hold_ends(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 3, 0, 0);
    world_stop(&w, &w.gateway);
    world_stop(&w, &w.devices[1]);
    w.listens[1] = (struct mu_area_listens){600, 2};
    w.hold_s = 30; /* its window comes later than that */
    world_start(&w, &w.gateway);
    world_start(&w, &w.devices[1]);
    world_run(&w, MU_SECONDS(60), NULL);
    push(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(10), first_runs));
    assert_false(world_device_has(&w, 1));
    assert_all_run(&w, MU_SECONDS(700));
    world_clear(&w);
}

static void test_gateway_restarts(void **state)
{
    struct world w;
    uint64_t before;

    (void)state;
    windows_ready(&w, 3, 3, 0);
    until_closed(&w);
    push(&w, 2);
    world_run(&w, MU_SECONDS(2), NULL);
    world_stop(&w, &w.gateway);
    world_run(&w, MU_SECONDS(1), NULL);
    world_start(&w, &w.gateway);
    /* It knows of them that they sleep, and waits until they say when. */
    before = w.area_packets;
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(w.area_packets, before);
    assert_all_run(&w, MU_SECONDS(200));
    assert_int_equal(w.unheard, 0);
    world_clear(&w);
}

/* The first window that a device knows is the one that is open. */
static void test_device_restarts(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 3, 3, 0);
    until_closed(&w);
    push(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(60), any_page));
    world_stop(&w, &w.devices[0]);
    world_run(&w, MU_MS(100), NULL);
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_MS(600), NULL);
    assert_false(w.devices[0].off);
    assert_all_run(&w, MU_SECONDS(200));
    world_clear(&w);
}

/* A new area key, and what else goes to each by himself, waits for him. */
static void test_pushes_wait(void **state)
{
    struct world w;
    uint64_t kg;

    (void)state;
    windows_ready(&w, 3, 3, 0);
    until_closed(&w);
    kg = w.devices[0].device->area[0].kid.generation;
    w.gateway.gateway->rotate_due = true;
    world_run(&w, MU_SECONDS(10), NULL);
    assert_true(w.gateway.gateway->kg[0].kid.generation > kg);
    assert_int_equal(w.devices[0].device->area[0].kid.generation, kg);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_true(w.devices[0].device->area[0].kid.generation > kg);
    assert_int_equal(w.asked_off, 0);
    world_clear(&w);
}

/* Options 1 and 2: what is handed to each waits for its window as well. */
static void test_modes(void **state)
{
    static const enum mu_group_mode modes[] = {MU_MODE_REPROTECT,
                                               MU_MODE_HAND_KEY};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;

        windows_ready_in(&w, 3, 3, 0, modes[i]);
        until_closed(&w);
        push(&w, 2);
        assert_all_run(&w, MU_SECONDS(200));
        assert_int_equal(w.unheard, 0);
        assert_int_equal(w.asked_off, 0);
        world_clear(&w);
    }
}

static void test_quiet_links(void **state)
{
    struct world w;

    (void)state;
    windows_ready(&w, 2, 1, 0);
    assert_int_equal(w.quiet[1], 20);
    assert_int_equal(w.quiet[2], 0);
    world_stop(&w, &w.devices[0]);
    w.listens[0] = (struct mu_area_listens){0, 0}; /* it has mains now */
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(w.quiet[1], 0);
    assert_int_equal(w.gateway.gateway->sleepers, 0);
    push(&w, 2);
    assert_all_run(&w, MU_SECONDS(30));
    world_clear(&w);
}

static void test_refused(void **state)
{
    struct world w;
    uint8_t raw[128];
    struct mu_writer out = mu_writer(raw, sizeof raw);
    struct mu_area_hello m = {.software = mu_bytes_str("1"),
                              .capability = {.algs = {MU_ALG_ES256},
                                             .algs_len = 1},
                              .listens = {20, 20}};

    (void)state;
    windows_ready(&w, 2, 0, 0);
    assert_int_equal(mu_area_hello_create(&m, &out), 0);
    assert_int_equal(world_ask_gateway(&w, 1, "hello", mu_written(&out)),
                     MU_COAP_BAD_REQUEST);
    assert_int_equal(w.gateway.gateway->sleepers, 0);
    world_clear(&w);
}

/* ---- clocks -------------------------------------------------------------- */

/* A device whose question left at 1,000 s by its clock, and whose answer came so
 * much later: the window opens 5 s after the answer was written. */
static void device_granted(struct mu_device *d, mu_time trip)
{
    const struct mu_area_welcome m = {.listens = {600, 4},
                                      .opens_in_ms = 5000};

    memset(d, 0, sizeof *d);
    d->conf.listens = m.listens;
    d->link = MU_DEVICE_LINK_UP;
    d->welcome = true;
    d->radio.asked_at = MU_SECONDS(1000);
    d->now = MU_SECONDS(1000) + trip;
    mu_device_radio_granted(d, &m);
}

static bool device_on(struct mu_device *d, mu_time at)
{
    struct mu_effect e;

    d->now = at;
    (void)(mu_device_next_radio_on(d, &e) || mu_device_next_radio_off(d, &e));
    return !d->radio.off;
}

/* Whenever the answer was written, and however both clocks run within their
 * tolerance, it listens during all of each of the gateway's windows, and for
 * much of the time it does not. */
static void test_clocks(void **state)
{
    static const int ppm[] = {-200, -77, 0, 120, 200};
    static struct mu_device d;

    (void)state;
    for (size_t i = 0; i < sizeof ppm / sizeof *ppm; i++) {
        for (uint32_t n = 0; n < 100; n++) {
            mu_time trip = MU_MS(900), since = 5000000 + n * MU_SECONDS(600);
            mu_time apart = since / 1000000 * (mu_time)abs(ppm[i]);

            for (mu_time written = 0; written <= trip; written += trip / 3) {
                mu_time open = MU_SECONDS(1000) + written + since;

                device_granted(&d, trip);
                open = ppm[i] < 0 ? open - apart : open + apart;
                assert_true(device_on(&d, open));
                assert_true(device_on(&d, open + MU_SECONDS(4) - 1));
                assert_false(device_on(&d, open + MU_SECONDS(300)));
                assert_true(mu_device_radio_deadline(&d) <
                            open + MU_SECONDS(600));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrives),
        cmocka_unit_test(test_many_windows),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_not_awaited),
        cmocka_unit_test(test_hold_ends),
        cmocka_unit_test(test_gateway_restarts),
        cmocka_unit_test(test_device_restarts),
        cmocka_unit_test(test_pushes_wait),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_quiet_links),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
