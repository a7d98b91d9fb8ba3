/* SPDX-License-Identifier: Apache-2.0 */
/* R1 to R5: authentication and privacy. */
#include "requirements.h"

#include "muster/coap.h"
#include "tests/node/common.h"
#include "tests/server/fleet.h"

static struct tape air;

static void on_air(const struct mu_effect *e)
{
    tape_add(&air, e->packet, e->up);
}

/* ---- R1 ----------------------------------------------------------------- */

/* "shall be available to all receivers that have registered": over loss, and
 * for one who was away. Who is not in the group, or nobody, is not served. */
void test_R01_available_to_all_who_registered(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 6, 101);
    w.loss_permille = 200;
    w.double_permille = 50;
    w.swap_permille = 100;
    w.script.devices[4].member = false;
    w.script.devices[5].member = w.script.devices[5].listed = false;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    world_stop(&w, &w.devices[3]);
    push(&w, 1);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.script.devices[3].state, 0);
    world_start(&w, &w.devices[3]);
    assert_all_run(&w, MU_SECONDS(120));
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(w.devices[i].installs, i < 4);
    assert_true(w.devices[4].device->welcome);
    assert_false(w.devices[5].device->welcome);
    world_clear(&w);
}

/* ---- R2 ----------------------------------------------------------------- */

/* "Receivers of service data should be authenticated before": no connection
 * and no key without the root key, and the data alone is of no use. */
void test_R02_receivers_are_authenticated_first(void **state)
{
    struct fleet *f = fleet_open(0);
    struct peer_device liar;
    struct world w;
    struct mu_bytes packet;
    size_t at = 0;
    bool up;

    (void)state;
    fleet_link(f);
    peer_device_init(&f->rig, &liar, "a0", "gw-1", 1);
    liar.kmr.bytes[0] ^= 1;
    assert_int_equal(peer_connect(&f->rig, &liar), MU_COAP_UNAUTHORIZED);
    liar = f->devices[0]; /* a connection that is not the server's */
    liar.connection.ka.bytes[0] ^= 1;
    assert_int_equal(mu_connection_oscore(&f->rig.crypto, &liar.connection,
                                          MU_CONNECT_NODE, &liar.oscore), 0);
    assert_int_equal(peer_fetch(&f->rig, &liar, 1, 0), MU_COAP_UNAUTHORIZED);
    assert_int_equal(liar.keys.keys_len, 0);
    assert_non_null(fleet_key(f, 0));
    fleet_close(f);

    world_init(&w, 2, 102);
    w.devices[1].kmr.bytes[3] ^= 1;
    w.script.devices[1].member = false;
    w.on_packet = on_air;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    while (tape_next(&air, &at, &packet, &up))
        world_inject(&w, MU_CHANNEL_AREA, &w.devices[1], packet);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[1].device->campaign.phase, MU_DEVICE_IDLE);
    assert_int_equal(w.devices[1].device->reports[0].used, 0);
    tape_free(&air);
    world_clear(&w);
}

/* ---- R3 ----------------------------------------------------------------- */

static const uint8_t mark[] = "not from the server";

/* Packets of every kind with our mark in them, into every receiver. */
static void shout(struct world *w, uint32_t packets)
{
    for (uint32_t i = 0; i < packets; i++) {
        uint8_t p[256] = {0};

        p[0] = (uint8_t)(i % 6 == 0 ? MU_CAST_DATA
                                    : MU_CAST_ANNOUNCE + i % 6 - 1);
        p[1] = w->script.campaign.session;
        p[3] = (uint8_t)(i / 6 % 5);
        p[4] = (uint8_t)(i / 30 % 26);
        memcpy(p + 20, mark, sizeof mark);
        world_inject(w, MU_CHANNEL_WIDE, &w->gateway, MU_BYTES(p));
        world_inject(w, MU_CHANNEL_AREA, &w->gateway, MU_BYTES(p));
        for (size_t d = 0; d < w->devices_len; d++)
            world_inject(w, MU_CHANNEL_AREA, &w->devices[d], MU_BYTES(p));
    }
}

/* Hop by hop: a gateway passes nothing on that is not from who it should be;
 * end to end: nor does a device take it from the air. */
void test_R03_hops_and_ends_are_authenticated(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_LINK_UP,
                          .link = 2,
                          .identity = mu_bytes_str("dev-x")};
    struct mu_bytes packet;
    size_t at = 0, passed = 0;
    bool up;

    (void)state;
    world_ready(&w, 2, 103);
    assert_int_equal(world_step(&w, &w.gateway, &ev), MU_ERR_UNKNOWN_PEER);
    world_run(&w, MU_SECONDS(5), NULL);
    w.on_packet = on_air;
    push(&w, 1);
    for (int i = 0; i < 20; i++) {
        shout(&w, 60);
        world_run(&w, MU_MS(20), NULL);
    }
    assert_true(w.gateway.gateway->sessions[0].rx.heard.forged > 0);
    assert_true(mu_device_heard(w.devices[0].device)->forged > 0);
    assert_all_run(&w, MU_SECONDS(60));
    while (tape_next(&air, &at, &packet, &up)) {
        assert_false(contains(packet, mark, sizeof mark));
        passed += !up;
    }
    assert_true(passed > SIZE / 256);
    tape_free(&air);
    world_clear(&w);
}

/* ---- R4 ----------------------------------------------------------------- */

static int hand_over(struct world *w, size_t device)
{
    const struct script_campaign *k = &w->script.campaign;
    struct mu_device *d = w->devices[device].device;
    struct mu_event ev = {.kind = MU_EV_REQUEST, .now = w->now};
    int rc;

    ev.message = (struct mu_message){
        .code = MU_COAP_POST,
        .exchange = 0x40000001u,
        .path = mu_bytes_str("ann"),
        .payload = mu_bytes(k->object, k->object_len)};
    rc = mu_device_step(d, &ev);
    d->replies.len = 0; /* nobody waits for them */
    return rc;
}

/* "The origin shall be authenticated": somebody with every symmetric key of
 * the service, but not the signing key, is not the origin. */
void test_R04_origin_is_authenticated(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct world w;
    struct mu_signer real;
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    size_t len = 0;

    (void)state;
    world_ready(&w, 2, 104);
    real = w.script.signer;
    /* In the name of the server's key, too. */
    assert_int_equal(c->keypair(c->ctx, MU_ALG_ES256, &w.script.signer.priv,
                                pub, &len), 0);
    push(&w, 1);
    assert_int_equal(hand_over(&w, 0), MU_ERR_AUTH);
    world_run(&w, MU_SECONDS(30), NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(w.devices[i].device->campaign.phase, MU_DEVICE_IDLE);
        assert_int_equal(w.devices[i].installs, 0);
    }
    script_end(&w.script);
    w.script.signer = real;
    push(&w, 1);
    assert_int_equal(hand_over(&w, 0), 0);
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

/* ---- R5 ----------------------------------------------------------------- */

/* "The identity should not be exposed to the content provider": whatever is
 * common to all, that is all that whoever makes or hears the content meets,
 * names no device. */
void test_R05_no_identity_in_the_service(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    uint8_t raw[MU_CONNECT_MAX];
    struct mu_writer m = mu_writer(raw, sizeof raw);
    struct mu_connect_pending pending;
    struct mu_connect1 hello = {.identity = mu_bytes_str("dev-1"),
                                .gateway = mu_bytes_str("gw")};
    struct world w;
    struct mu_bytes packet;
    size_t at = 0, packets = 0;
    bool up;

    (void)state;
    world_init(&w, 3, 105);
    w.loss_permille = 100; /* so that devices ask and answer a lot */
    w.on_packet = on_air;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    while (tape_next(&air, &at, &packet, &up)) {
        assert_false(contains(packet, "dev-", 4));
        packets++;
    }
    assert_true(packets > 100);
    assert_false(contains(mu_bytes(w.script.campaign.object,
                                   w.script.campaign.object_len), "dev-", 4));
    /* Where an identity has to be, on the hop to the service, it is found. */
    assert_int_equal(mu_connect1_create(c, &w.devices[1].kmr, &hello, &m,
                                        &pending), 0);
    assert_true(contains(mu_written(&m), "dev-1", 5));
    tape_free(&air);
    world_clear(&w);
}
