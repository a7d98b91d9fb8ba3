/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgements that ride on keep-alives: held until the body offers one,
 * told by STATUS when none comes, when a census asks, when it is lost; over
 * restarts; and what a gateway does not take for one.
 */
#include "muster/area_msg.h"
#include "muster/coap.h"
#include "tests/node/common.h"

#define WAIT_S 20

static void ride_push(struct world *w, uint64_t version)
{
    struct script_push p = {.size = SIZE, .version = version,
                            .shape = common_shape, .ack_wait_s = WAIT_S};

    script_push(&w->script, &p);
}

static void ride_ready(struct world *w, size_t devices, uint64_t seed,
                       uint32_t keepalive_ms)
{
    world_init(w, devices, seed);
    w->keepalive_ms = keepalive_ms;
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), all_fetched));
    world_run(w, MU_SECONDS(3), NULL);
}

/* Everybody runs it, as the devices themselves know it. */
static bool all_ran(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        const struct mu_device *d = w->devices[i].device;

        if (d == NULL || !d->reports[0].used ||
            d->reports[0].session != w->script.campaign.session ||
            (d->reports[0].state & (MU_STATE_RUNNING | MU_STATE_FAILED)) == 0)
            return false;
    }
    return true;
}

static void offer(struct world *w, size_t device)
{
    struct mu_event ev = {.kind = MU_EV_IDLE, .link = MU_LINK_UP_NODE};

    assert_int_equal(world_step(w, &w->devices[device], &ev), 0);
}

static uint64_t statuses(const struct world *w)
{
    uint64_t n = 0;

    for (size_t i = 0; i < w->devices_len; i++)
        n += w->devices[i].status_packets;
    return n;
}

static const struct mu_gateway *gw(const struct world *w)
{
    return w->gateway.gateway;
}

/* Of the campaign that was pushed last. */
static uint16_t missing(const struct world *w)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &gw(w)->sessions[i];

        if (s->phase == MU_GATEWAY_LIVE &&
            s->session == w->script.campaign.session)
            return s->missing;
    }
    return UINT16_MAX;
}

static uint32_t flying(const struct world *w, size_t device)
{
    const struct mu_device_report *r = &w->devices[device].device->reports[0];

    return r->flying ? r->exchange : 0;
}

/* An end is worth a message at once, and no other. */
static void test_rides(void **state)
{
    struct world w;

    (void)state;
    ride_ready(&w, 4, 1, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(statuses(&w), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w.script.devices[i].state, 0);
    for (size_t i = 0; i < 4; i++)
        offer(&w, i);
    assert_all_run(&w, MU_SECONDS(10));
    assert_int_equal(gw(&w)->acks_ridden, 4);
    /* Told, and answered: nothing is left to say, and no census asks. */
    for (size_t i = 0; i < 4; i++)
        offer(&w, i);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(gw(&w)->acks_ridden, 4);
    assert_int_equal(statuses(&w), 0);
    world_clear(&w);
}

/* A state on the way is not, until it has lasted; then it is told, too. */
static void test_on_the_way(void **state)
{
    struct world w;

    (void)state;
    ride_ready(&w, 2, 13, 15000);
    w.devices[0].hook_ms = 8000;
    ride_push(&w, 1);
    while (w.devices[0].installs == 0)
        world_run(&w, MU_MS(50), NULL);
    world_run(&w, MU_SECONDS(1), NULL);
    offer(&w, 0);
    assert_int_equal(flying(&w, 0), 0);
    world_run(&w, MU_SECONDS(3), NULL);
    offer(&w, 0);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(gw(&w)->acks_ridden, 1);
    assert_int_equal(gw(&w)->sessions[0].states[0].state,
                     MU_STATE_RECEIVED | MU_STATE_VERIFIED);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* An acknowledgement may wait; a body that never offers does not hold it up. */
static void test_no_keepalive(void **state)
{
    static const uint32_t every[] = {0, 15000, 21000};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        mu_time ran;

        ride_ready(&w, 3, 2 + i, every[i]);
        ride_push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), all_ran));
        ran = w.now;
        assert_all_run(&w, MU_SECONDS(40));
        assert_int_equal(gw(&w)->acks_ridden, 0);
        assert_true(statuses(&w) >= 3);
        /* With one that would come too late it does not even begin to wait. */
        if (every[i] == 15000)
            assert_in_range((w.now - ran) / MU_SECONDS(1), WAIT_S - 2,
                            WAIT_S + 2);
        else
            assert_true(w.now - ran < MU_SECONDS(3));
        world_clear(&w);
    }
}

/* A push that does not say so, and a failure, do not wait. */
static void test_at_once(void **state)
{
    struct world w;
    uint64_t before;

    (void)state;
    ride_ready(&w, 2, 6, 15000);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(15));
    assert_true(statuses(&w) >= 2);
    before = w.devices[0].status_packets;
    w.devices[1].install_result = 3;
    ride_push(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    world_run(&w, MU_SECONDS(6), NULL);
    assert_int_equal(w.script.devices[1].state & MU_STATE_FAILED,
                     MU_STATE_FAILED);
    assert_int_equal(missing(&w), 1);
    offer(&w, 0);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(missing(&w), 0);
    assert_int_equal(w.devices[0].status_packets, before);
    assert_int_equal(gw(&w)->acks_ridden, 1);
    world_clear(&w);
}

/* A census overrules the wait. */
static void test_census(void **state)
{
    struct world w;

    (void)state;
    ride_ready(&w, 3, 7, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    assert_int_equal(statuses(&w), 0);
    w.gateway.gateway->sessions[0].census_at = w.now;
    assert_all_run(&w, MU_SECONDS(4));
    assert_int_equal(gw(&w)->acks_packets, 3);
    world_clear(&w);
}

/* One that finds no answer goes by itself; a late answer to it is nobody's. */
static void test_lost(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_NO_ANSWER, .link = MU_LINK_UP_NODE};

    (void)state;
    ride_ready(&w, 2, 8, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    world_run(&w, MU_SECONDS(1), NULL); /* it is stored before it is said */
    offer(&w, 0);
    ev.message.exchange = flying(&w, 0);
    assert_int_not_equal(ev.message.exchange, 0);
    offer(&w, 0); /* it is under way: no second one */
    assert_int_equal(flying(&w, 0), ev.message.exchange);
    assert_int_equal(world_step(&w, &w.devices[0], &ev), 0);
    assert_int_equal(flying(&w, 0), 0);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(w.devices[0].status_packets, 1);
    assert_int_equal(w.devices[1].status_packets, 0);
    /* The link goes with one under way on it. */
    offer(&w, 1);
    world_cut(&w, &w.devices[1]);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

static bool linked(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].device == NULL || !w->devices[i].device->welcome ||
            w->devices[i].device->link != MU_DEVICE_LINK_UP)
            return false;
    }
    return true;
}

/* Who restarts while it holds one does not know whether it was told, and of
 * which campaign that session is by now: it waits to be asked. */
static void test_device_restarts(void **state)
{
    struct world w;

    (void)state;
    ride_ready(&w, 2, 9, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    world_run(&w, MU_SECONDS(1), NULL);
    world_stop(&w, &w.devices[0]);
    world_start(&w, &w.devices[0]);
    assert_true(world_run(&w, MU_SECONDS(15), linked));
    for (size_t i = 0; i < 2; i++)
        offer(&w, i);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(gw(&w)->acks_ridden, 1);
    assert_int_equal(gw(&w)->acks_packets, 1);
    world_clear(&w);
}

/* What a gateway forgot when it restarted, it asks for; its announcement of the
 * campaign brings it, too. */
static void test_gateway_restarts(void **state)
{
    struct world w;

    (void)state;
    ride_ready(&w, 3, 10, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    world_run(&w, MU_SECONDS(1), NULL);
    w.wide_cut = true; /* no report goes out before */
    world_cut(&w, &w.gateway);
    offer(&w, 0);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(gw(&w)->acks_ridden, 1);
    assert_int_equal(w.devices[0].device->reports[0].sent_state, 0x0f);
    world_stop(&w, &w.gateway);
    assert_int_equal(w.script.devices[0].state, 0);
    w.wide_cut = false;
    world_start(&w, &w.gateway);
    for (size_t i = 0; i < 3; i++)
        world_cut(&w, &w.devices[i]);
    assert_true(world_run(&w, MU_SECONDS(30), linked));
    offer(&w, 1); /* two of them still hold theirs */
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

/* ---- what the gateway takes ---------------------------------------------- */

static uint8_t ride(struct world *w, uint32_t link, const uint8_t *bytes,
                    size_t len)
{
    return world_ask_gateway(w, link, "", mu_bytes(bytes, len));
}

static void test_malformed(void **state)
{
    uint8_t bytes[16] = {0};
    struct world w;
    struct mu_writer o = mu_writer(bytes, sizeof bytes);
    struct mu_area_ride m = {.state = 0x0f}, back;

    (void)state;
    ride_ready(&w, 2, 11, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    m.session = bytes[0] = w.script.campaign.session;
    for (size_t len = 0; len < sizeof bytes; len++) {
        if (len != 9 && len != 11)
            assert_int_equal(ride(&w, 1, bytes, len), MU_COAP_BAD_REQUEST);
    }
    assert_int_equal(ride(&w, 1, bytes, 11), MU_COAP_BAD_REQUEST); /* state 0 */
    bytes[1] = 0x0f; /* has a form of its own */
    assert_int_equal(ride(&w, 1, bytes, 11), MU_COAP_BAD_REQUEST);
    bytes[0]++; /* of no campaign */
    assert_int_equal(ride(&w, 1, bytes, 9), MU_COAP_NOT_FOUND);
    assert_int_equal(gw(&w)->acks_ridden, 0);
    /* Short for what nearly everybody says, long for the rest. */
    assert_int_equal(mu_area_ride_create(&m, &o), 0);
    assert_int_equal(o.len, 9);
    assert_int_equal(mu_area_ride_consume(mu_written(&o), &back), 0);
    assert_true(back.state == 0x0f && back.reason == 0);
    o.len = 0;
    m.reason = 7;
    assert_int_equal(mu_area_ride_create(&m, &o), 0);
    assert_int_equal(o.len, 11);
    assert_int_equal(mu_area_ride_consume(mu_written(&o), &back), 0);
    assert_true(back.state == 0x0f && back.reason == 7);
    assert_int_equal(ride(&w, 1, bytes, 11), MU_COAP_CHANGED);
    assert_int_equal(gw(&w)->acks_ridden, 1);
    world_clear(&w);
}

/* Of one that lies, the server refuses the sum; all others are proved. */
static void test_lies(void **state)
{
    uint8_t bytes[9] = {0, 1, 2, 3};
    struct world w;

    (void)state;
    ride_ready(&w, 4, 12, 15000);
    ride_push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_ran));
    bytes[0] = w.script.campaign.session;
    w.devices[2].device->reports[0].due_at = MU_TIME_NEVER;
    assert_int_equal(ride(&w, 3, bytes, sizeof bytes), MU_COAP_CHANGED);
    for (size_t i = 0; i < 4; i++) {
        if (i != 2)
            offer(&w, i);
    }
    world_run(&w, MU_SECONDS(30), NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w.script.devices[i].state, i == 2 ? 0 : 0x0f);
    assert_int_equal(w.script.devices[2].refused, 1);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rides),
        cmocka_unit_test(test_on_the_way),
        cmocka_unit_test(test_no_keepalive),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_census),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_device_restarts),
        cmocka_unit_test(test_gateway_restarts),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
