/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway says to all its devices is bound to it by its chain of ticks:
 * the chain over restarts of the gateway, at its end, for who was away, and
 * against a member that holds every key of the area.
 */
#include "tests/node/common.h"

static struct mu_gateway *gateway(struct world *w)
{
    return w->gateway.gateway;
}

static const struct mu_device *device(struct world *w, size_t i)
{
    return w->devices[i].device;
}

static bool receiving(struct world *w)
{
    return device(w, 0)->campaign.receiving;
}

static uint16_t heard_from;

/* The device has heard the gateway of this life. */
static bool follows(struct world *w)
{
    return device(w, 0)->area[0].ticked.last.at > heard_from;
}

static uint64_t wanted;

static bool all_run_it(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (device(w, i)->running_version != wanted)
            return false;
    }
    return true;
}

static void push_and_run(struct world *w, uint64_t version)
{
    push(w, version);
    wanted = version;
    assert_true(world_run(w, MU_SECONDS(120), all_run_it));
}

static struct mu_bytes census_of(struct world *w, uint8_t *raw, size_t cap)
{
    const struct mu_device_area *a = &device(w, 1)->area[0];
    static uint8_t none[1];
    struct mu_writer p = mu_writer(raw, cap);
    struct mu_census m = {.session = w->script.campaign.session,
                          .state = MU_STATE_RUNNING,
                          .window_ms = 20,
                          .kg = (uint8_t)a->kid.generation,
                          .bitmap = MU_BYTES(none)};

    assert_int_equal(mu_census_create(mu_crypto_openssl(), &a->kctl, &m, &p),
                     0);
    return mu_written(&p);
}

/* What dev-1 sends to dev-0; what became of it. */
static int forge(struct world *w, const struct mu_tick *t)
{
    const struct mu_device_area *a = &device(w, 1)->area[0];
    uint8_t raw[64];
    size_t len = census_of(w, raw, sizeof raw).len;
    struct mu_event ev = {.kind = MU_EV_PACKET, .channel = MU_CHANNEL_AREA};

    assert_int_equal(mu_tick_append(mu_crypto_openssl(), &a->kctl, t, raw,
                                    &len), 0);
    ev.now = w->now;
    ev.packet = mu_bytes(raw, len);
    return world_step(w, &w->devices[0], &ev);
}

/* Nothing is sent under a tick twice, whenever the gateway was switched off; the
 * devices follow without a word over the hop. */
static void test_restarts(void **state)
{
    struct world w;
    struct mu_kid kid;
    uint16_t at, before;

    (void)state;
    world_init(&w, 2, 31);
    w.area_rate = 5000;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), receiving));
    kid = gateway(&w)->kg[0].kid;
    for (int i = 0; i < 6; i++) {
        world_run(&w, MU_MS(60), NULL);
        before = gateway(&w)->ticker.now.at;
        world_stop(&w, &w.gateway);
        world_start(&w, &w.gateway);
        at = gateway(&w)->ticker.now.at;
        assert_true(at > before && at <= before + 257);
        heard_from = at;
        assert_true(world_run(&w, MU_SECONDS(5), follows));
    }
    assert_true(mu_kid_eq(&kid, &gateway(&w)->kg[0].kid));
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* The record cannot be written: it says nothing that it might say again. */
static void test_not_durable(void **state)
{
    struct world w;
    uint16_t at;

    (void)state;
    world_ready(&w, 1, 32);
    w.gateway.fail_key = "kg";
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    push(&w, 1);
    at = gateway(&w)->ticker.now.at;
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(gateway(&w)->ticker.now.at, at);
    w.gateway.fail_key = NULL;
    assert_all_run(&w, MU_SECONDS(90));
    assert_true(gateway(&w)->ticker.now.at > at);
    world_clear(&w);
}

/* A chain of 384: before it ends there is another area key, again and again. */
static void test_end_of_chain(void **state)
{
    struct world w;
    uint64_t first;

    (void)state;
    world_init(&w, 3, 33);
    w.ticks = 3 * MU_TICK_ROW;
    w.loss_permille = 300;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    world_run(&w, MU_SECONDS(3), NULL);
    first = gateway(&w)->kg[0].kid.generation;
    for (uint64_t v = 1; v <= 12; v++) {
        push_and_run(&w, v);
        script_end(&w.script);
        world_run(&w, MU_SECONDS(1), NULL);
    }
    assert_true(gateway(&w)->kg[0].kid.generation > first + 1);
    world_clear(&w);
}

/* Its radio slept while the gateway said more than it can make good: it asks
 * once where the chain stands. */
static void test_far_behind(void **state)
{
    struct world w;
    uint8_t raw[64];
    uint32_t hellos;
    size_t len;

    (void)state;
    world_ready(&w, 2, 34);
    hellos = w.devices[0].hellos;
    for (unsigned i = 0; i < 1100; i++) {
        len = census_of(&w, raw, sizeof raw).len;
        world_tick(&gateway(&w)->ticker, raw, &len);
    }
    for (unsigned i = 0; i < 10; i++) {
        world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], mu_bytes(raw, len));
        world_run(&w, MU_MS(100), NULL);
    }
    assert_int_equal(w.devices[0].hellos, hellos + 1);
    assert_int_equal(device(&w, 0)->area[0].ticked.last.at,
                     gateway(&w)->ticker.now.at);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* All that the keys of the area are good for. */
static void test_member(void **state)
{
    struct world w;
    struct mu_tick t;
    uint64_t before;
    uint32_t hellos;

    (void)state;
    world_ready(&w, 2, 35);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_run(&w, MU_SECONDS(10), NULL);
    before = w.devices[0].status_packets;
    hellos = w.devices[0].hellos;
    t = device(&w, 1)->area[0].ticked.last;
    assert_int_equal(t.at, device(&w, 0)->area[0].ticked.last.at);
    /* One that was heard, and the next ones, made up. */
    assert_int_equal(forge(&w, &t), MU_ERR_REPLAY);
    for (int i = 0; i < 1000; i++) {
        t.at = (uint16_t)(device(&w, 0)->area[0].ticked.last.at + 1 + i % 5000);
        t.value[i % 8]++;
        assert_true(forge(&w, &t) < 0);
        world_run(&w, MU_MS(20), NULL);
    }
    assert_int_equal(w.devices[0].status_packets, before);
    /* Far ahead: it asks the gateway, rarely, and is told nothing new. */
    assert_in_range(w.devices[0].hellos - hellos, 1, 3);
    /* The gateway spoke, and dev-0 missed it: that once, and until it speaks
     * again not once more. */
    t = gateway(&w)->ticker.now;
    for (int i = 0; i < 20; i++) {
        uint8_t raw[64];
        size_t len = census_of(&w, raw, sizeof raw).len;

        world_tick(&gateway(&w)->ticker, raw, &len);
        t = gateway(&w)->ticker.now;
        assert_int_equal(forge(&w, &t), 0);
        for (int k = 0; k < 10; k++)
            assert_int_equal(forge(&w, &t), MU_ERR_REPLAY);
    }
    /* And the gateway is heard as before. */
    push_and_run(&w, 2);
    world_clear(&w);
}

/* A gateway has Kw, as every other gateway: it cannot poll them for the server.
 * The whole campaign is received all the same. */
static void test_server(void **state)
{
    struct world w;
    int taken = 0;

    (void)state;
    world_ready(&w, 1, 36);
    push(&w, 1);
    for (int i = 0; i < 400; i++) {
        struct mu_gateway *g = gateway(&w);
        struct mu_tick t = g->server.ticked.last;
        struct mu_event ev = {.kind = MU_EV_PACKET,
                              .channel = MU_CHANNEL_WIDE, .now = w.now};
        struct mu_poll p = {.session = w.script.campaign.session,
                            .round = (uint8_t)i, .flags = MU_POLL_ALL,
                            .window_ms = 1,
                            .kg = (uint8_t)g->server.kw.kid.generation};
        uint8_t raw[64];
        struct mu_writer out = mu_writer(raw, sizeof raw);

        assert_int_equal(mu_poll_create(mu_crypto_openssl(),
                                        &g->server.kw.kctl, &p, &out), 0);
        if (i % 2 == 0) { /* what it heard, or the next, made up */
            t.at++;
            t.value[i % 8]++;
        }
        assert_int_equal(mu_tick_append(mu_crypto_openssl(),
                                        &g->server.kw.kctl, &t, raw, &out.len),
                         0);
        ev.packet = mu_written(&out);
        taken += world_step(&w, &w.gateway, &ev) == 0;
        world_run(&w, MU_MS(20), NULL);
    }
    assert_int_equal(taken, 0);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_not_durable),
        cmocka_unit_test(test_end_of_chain),
        cmocka_unit_test(test_far_behind),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
