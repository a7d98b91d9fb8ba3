/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parties of docs/threat-model.md, each with all it holds and packets made
 * by hand: what they try here has no test of its own elsewhere.
 */
#include "muster/area_msg.h"
#include "muster/coap.h"
#include "tests/node/common.h"

/* ---- a relay manifest nobody asked for ---------------------------------- */

/*
 * The signed manifest of the campaign, wrapped as option 1 has it: other roots,
 * another session, a content key of the attacker's own under Kg.
 */
static void relay_make(struct world *w, const struct mu_device_area *area,
                       uint8_t session, struct mu_writer *out)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct script_campaign *k = &w->script.campaign;
    uint8_t roots[2048] = {0};
    struct mu_manifest m = k->m;
    struct mu_secret cek;

    assert_int_equal(mu_secret_set(&cek, mu_bytes(roots, 16)), 0);
    roots[0] = 1;
    m.roots = mu_bytes(roots, k->m.roots.len);
    m.session = session;
    m.kid = area->kid;
    assert_int_equal(mu_cek_wrap(c, &area->kg, &cek, m.wrapped_cek), 0);
    assert_int_equal(mu_relay_create(c, &area->kg,
                                     mu_bytes(k->object, k->object_len), &m,
                                     out), 0);
}

/* In packets with good tags, and even ticks, to every device but the attacker. */
static void relay_shout(struct world *w, size_t attacker, uint8_t session)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct mu_device_area *area = &w->devices[attacker].device->area[0];
    uint8_t object[MU_ANNOUNCE_MAX], packet[MU_PACKET_MAX];
    struct mu_writer o = mu_writer(object, sizeof object);
    uint8_t fragments;

    relay_make(w, area, session, &o);
    fragments = mu_announce_fragments(o.len, common_shape.payload);
    assert_int_not_equal(fragments, 0);
    for (uint8_t i = 0; i < fragments; i++) {
        struct mu_writer p = mu_writer(packet, sizeof packet);

        assert_int_equal(mu_announce_packet(c, &area->kctl, NULL,
                                            mu_written(&o),
                                            common_shape.payload, session, i,
                                            &p), 0);
        world_tick(&w->gateway.gateway->ticker, packet, &p.len);
        for (size_t d = 0; d < w->devices_len; d++) {
            if (d != attacker)
                world_inject(w, MU_CHANNEL_AREA, &w->devices[d],
                             mu_written(&p));
        }
    }
}

/* A member of the area has Kg: it cannot take a campaign that is end to end
 * down to the area key, nor stop it for the others. */
static void test_member_relays(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 1);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    for (uint8_t i = 0; i < 20; i++) {
        relay_shout(&w, 2, (uint8_t)(100 + i));
        world_run(&w, MU_MS(100), NULL);
        for (size_t d = 0; d < 2; d++)
            assert_int_equal(w.devices[d].device->reports[0].session,
                             w.script.campaign.session);
    }
    assert_all_run(&w, MU_SECONDS(60));
    for (size_t d = 0; d < 3; d++)
        assert_int_equal(w.devices[d].installs, 1);
    world_clear(&w);
}

/* Where the server allows option 1, a member can make a relay manifest that is
 * right in every way but for who made it: none counts that the gateway has not
 * named over the hop. Before the real one, and while it runs. */
static void test_member_relays_option_1(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;

    (void)state;
    world_ready_in(&w, 3, 78, MU_MODE_REPROTECT);
    script_push(&w.script, &p);
    for (uint8_t i = 0; i < 50; i++) {
        relay_shout(&w, 2, (uint8_t)(100 + i));
        world_run(&w, MU_MS(20), NULL);
        for (size_t d = 0; d < 2; d++)
            assert_true(w.devices[d].device->campaign.phase == MU_DEVICE_IDLE ||
                        w.devices[d].device->reports[0].session ==
                            w.script.campaign.session);
    }
    assert_all_run(&w, MU_SECONDS(60));
    for (size_t d = 0; d < 3; d++)
        assert_int_equal(w.devices[d].installs, 1);
    world_clear(&w);
}

/* The gateway itself hands it over, before the real one. */
static void test_gateway_relays(void **state)
{
    struct world w;
    uint8_t object[MU_ANNOUNCE_MAX];
    struct mu_writer o = mu_writer(object, sizeof object);
    struct mu_event ev = {.kind = MU_EV_REQUEST};

    (void)state;
    world_ready(&w, 2, 2);
    push(&w, 1);
    relay_make(&w, &w.devices[0].device->area[0], 100, &o);
    ev.now = w.now;
    ev.message = (struct mu_message){.code = MU_COAP_POST,
                                     .exchange = 0x40000001u,
                                     .path = mu_bytes_str("ann"),
                                     .payload = mu_written(&o)};
    assert_int_equal(mu_device_step(w.devices[0].device, &ev),
                     MU_ERR_FORBIDDEN);
    w.devices[0].device->replies.len = 0; /* nobody waits for it */
    assert_int_equal(w.devices[0].device->campaign.phase, MU_DEVICE_IDLE);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- a former member and the area key it held --------------------------- */

static uint64_t asked(const struct world *w)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member)
            sum += mu_device_heard(w->devices[i].device)->asked;
    }
    return sum;
}

/* Says that the page in progress was just polled: everybody is to answer. ticks:
 * of the gateway, if it could have them. */
static int poll_try(struct world *w, const struct mu_device_area *area,
                    struct mu_ticker *ticks, size_t device, unsigned ahead)
{
    uint8_t packet[64];
    struct mu_writer p = mu_writer(packet, sizeof packet);
    struct mu_device *d = w->devices[device].device;
    struct mu_poll m = {.session = w->script.campaign.session,
                        .page = (uint16_t)(mu_cast_receiver_pages(&d->receiver) -
                                           mu_cast_receiver_done(&d->receiver)),
                        .round = (uint8_t)(d->receiver.round + ahead),
                        .flags = MU_POLL_ALL,
                        .sent = 20,
                        .window_ms = 10,
                        .kg = (uint8_t)area->kid.generation};
    struct mu_event ev = {.kind = MU_EV_PACKET, .channel = MU_CHANNEL_AREA};

    assert_int_equal(mu_poll_create(mu_crypto_openssl(), &area->kctl, &m, &p),
                     0);
    if (ticks != NULL) {
        world_tick(ticks, packet, &p.len);
    } else { /* the next one, made up */
        struct mu_tick t = d->area[0].ticked.last;

        t.at++;
        assert_int_equal(mu_tick_append(mu_crypto_openssl(), &area->kctl, &t,
                                        packet, &p.len), 0);
    }
    ev.now = w->now;
    ev.packet = mu_written(&p);
    return world_step(w, &w->devices[device], &ev);
}

static void test_leaver_polls(void **state)
{
    struct mu_device_area old;
    struct mu_ticker ticks;
    struct world w;
    uint64_t before;

    (void)state;
    world_ready(&w, 3, 3);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_PAUSE);
    world_run(&w, MU_SECONDS(2), NULL);
    old = w.devices[2].device->area[0];
    ticks = w.gateway.gateway->ticker;
    assert_int_equal(poll_try(&w, &old, &ticks, 0, 1), 0); /* in time */
    script_remove(&w.script, 2);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_true(w.devices[0].device->area[0].kid.generation >
                old.kid.generation);
    before = asked(&w);
    for (size_t i = 0; i < 2; i++)
        assert_true(poll_try(&w, &old, &ticks, i, 1) < 0);
    assert_int_equal(asked(&w), before);
    /* A poll under the new key is still heard. */
    assert_int_equal(poll_try(&w, &w.devices[0].device->area[0],
                              &w.gateway.gateway->ticker, 0, 1), 0);
    script_command(&w.script, MU_WIDE_RUN);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* What it wraps with the old Kg is a stranger's packet. */
static void test_leaver_relays(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;

    (void)state;
    world_ready(&w, 3, 4);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_PAUSE);
    world_run(&w, MU_SECONDS(2), NULL);
    script_remove(&w.script, 2);
    world_run(&w, MU_SECONDS(10), NULL);
    relay_shout(&w, 2, 100);
    world_run(&w, MU_SECONDS(3), NULL);
    for (size_t d = 0; d < 2; d++)
        assert_int_not_equal(w.devices[d].device->reports[0].session, 100);
    script_command(&w.script, MU_WIDE_RUN);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- a stranger with an antenna ----------------------------------------- */

static uint8_t heard[256][64];
static size_t heard_len[256], heard_n;

static void on_up(const struct mu_effect *e)
{
    if (e->up && heard_n < 256 && e->packet.len <= 64) {
        memcpy(heard[heard_n], e->packet.data, e->packet.len);
        heard_len[heard_n++] = e->packet.len;
    }
}

/* The answers of others under the index of one who is off, and spoilt. */
static void test_stranger_renames(void **state)
{
    struct world w;

    (void)state;
    heard_n = 0;
    world_ready(&w, 3, 5);
    world_stop(&w, &w.devices[2]);
    w.on_packet = on_up;
    push(&w, 1);
    world_run(&w, MU_SECONDS(20), NULL);
    w.on_packet = NULL;
    assert_true(heard_n > 4);
    for (size_t i = 0; i < heard_n; i++) {
        heard[i][3] = 2;
        world_inject(&w, MU_CHANNEL_AREA, &w.gateway,
                     mu_bytes(heard[i], heard_len[i]));
        heard[i][3] = 0;
        heard[i][4 + i % (heard_len[i] - 4)] ^= 1;
        world_inject(&w, MU_CHANNEL_AREA, &w.gateway,
                     mu_bytes(heard[i], heard_len[i]));
    }
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.script.devices[0].state, 0x0f);
    assert_int_equal(w.script.devices[2].state, 0);
    assert_int_equal(w.script.conflicts, 0);
    world_start(&w, &w.devices[2]);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- more of a gateway that was taken over ------------------------------- */

static int gateway_says(struct world *w, size_t device, const char *path,
                        struct mu_bytes payload)
{
    struct mu_device *d = w->devices[device].device;
    struct mu_event ev = {.kind = MU_EV_REQUEST, .now = w->now};
    int rc;

    ev.message = (struct mu_message){.code = MU_COAP_POST,
                                     .exchange = 0x40000001u,
                                     .path = mu_bytes_str(path),
                                     .payload = payload};
    rc = mu_device_step(d, &ev);
    d->replies.len = 0; /* nobody waits for it */
    return rc;
}

/* It signs with a key of its own; and it has a true cancel, of another one. */
static void test_gateway_cancels(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_signer own;
    uint8_t object[256], pub[MU_PUBLIC_KEY_MAX];
    struct mu_writer o = mu_writer(object, sizeof object);
    struct world w;
    size_t len;

    (void)state;
    world_ready(&w, 2, 6);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    own = w.script.signer;
    assert_int_equal(c->keypair(c->ctx, MU_ALG_ES256, &own.priv, pub, &len),
                     0);
    assert_int_equal(mu_cancel_create(c, &own, w.script.campaign.id, &o), 0);
    assert_int_equal(gateway_says(&w, 0, "ann", mu_written(&o)), MU_ERR_AUTH);
    o.len = 0;
    assert_int_equal(mu_cancel_create(c, &w.script.signer,
                                      (const uint8_t *)"another!", &o), 0);
    world_run(&w, MU_MS(10), NULL);
    assert_int_equal(gateway_says(&w, 0, "ann", mu_written(&o)), 0);
    assert_int_equal(w.devices[0].device->campaign.phase,
                     MU_DEVICE_RECEIVING);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

static bool all_welcome(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (!w->devices[i].device->welcome)
            return false;
    }
    return true;
}

static int hand_false_key(struct world *w, uint64_t generation)
{
    const struct mu_device_area *area = &w->devices[0].device->area[0];
    struct mu_area_group_key m = {
        .kid = {MU_KEY_KB, SCRIPT_GROUP, generation}};
    uint8_t raw[128];
    struct mu_writer out = mu_writer(raw, sizeof raw);

    assert_int_equal(mu_secret_set(&m.kb, mu_bytes(area->kg.bytes, 32)), 0);
    assert_int_equal(mu_area_group_key_create(mu_crypto_openssl(), &area->kg,
                                              &m, &out), 0);
    return gateway_says(w, 0, "kb", mu_written(&out));
}

/* End to end, a key of the gateway's own making is none: it would read, or
 * keep from the device, whatever comes next. A gateway that is trusted with the
 * keys of a group (option 2), or with its content (option 1), is so with that
 * group only; and the device still knows after a restart. */
static void test_gateway_hands_a_key_unasked(void **state)
{
    static const enum mu_group_mode modes[] = {MU_MODE_END_TO_END,
                                               MU_MODE_REPROTECT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        uint64_t next;

        world_ready_in(&w, 2, 77, modes[i]);
        next = w.script.kb_kid.generation + 1;
        assert_int_equal(hand_false_key(&w, next), MU_ERR_FORBIDDEN);
        world_stop(&w, &w.devices[0]);
        world_start(&w, &w.devices[0]);
        assert_true(world_run(&w, MU_SECONDS(30), all_welcome));
        assert_int_equal(hand_false_key(&w, next), MU_ERR_FORBIDDEN);
        /* The number is free for the true one. */
        script_rotate(&w.script, false);
        assert_int_equal(w.script.kb_kid.generation, next);
        push(&w, 1);
        assert_all_run(&w, MU_SECONDS(60));
        world_clear(&w);
    }
}

/* A key of its own under the highest number there is would shut the device off
 * from every later one, for ever: no epoch is taken from a gateway. */
static void test_gateway_hands_a_false_key(void **state)
{
    struct world w;

    (void)state;
    world_ready_in(&w, 2, 7, MU_MODE_HAND_KEY);
    assert_int_equal(hand_false_key(&w, UINT64_MAX), MU_ERR_FORBIDDEN);
    assert_int_equal(hand_false_key(&w, (uint64_t)(w.script.epoch + 1) << 32),
                     MU_ERR_FORBIDDEN);
    /* In the present epoch it is taken; what is under the true one goes on, */
    assert_int_equal(hand_false_key(&w, (uint64_t)w.script.epoch << 32 |
                                            0xfffffff0u), 0);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    /* and the next epoch, which the server takes when it sees it, is newer. */
    script_rotate(&w.script, true);
    for (size_t i = 0; i < 2; i++)
        w.script.devices[i].state = 0;
    push(&w, 2);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- more of a member ---------------------------------------------------- */

static struct mu_crypto counted;
static unsigned verifies;

static int count_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                        const struct mu_bytes *parts, size_t parts_len,
                        const uint8_t sig[64])
{
    verifies++;
    return mu_crypto_openssl()->verify(ctx, alg, pub, parts, parts_len, sig);
}

/* A signature check is dear: good tags, and even ticks, around bad signatures
 * bring about one a second, and no more. */
static void test_member_announces(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct world w;
    struct mu_secret kann;

    (void)state;
    world_ready(&w, 2, 8);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_PAUSE);
    world_run(&w, MU_SECONDS(2), NULL);
    counted = *c;
    counted.verify = count_verify;
    verifies = 0;
    w.devices[0].device->conf.crypto = &counted;
    assert_int_equal(mu_kdf(c, &w.script.kb, "announce", mu_bytes(NULL, 0), 16,
                            &kann), 0);
    for (uint32_t i = 0; i < 200; i++) {
        uint8_t object[MU_ANNOUNCE_MAX], packet[MU_PACKET_MAX];
        size_t len = w.script.campaign.object_len;
        uint8_t n = mu_announce_fragments(len, common_shape.payload);

        memcpy(object, w.script.campaign.object, len);
        object[len - 1 - i % 60] ^= (uint8_t)(1 + i / 60);
        for (uint8_t k = 0; k < n; k++) {
            struct mu_writer p = mu_writer(packet, sizeof packet);

            assert_int_equal(mu_announce_packet(c, &kann, NULL,
                                                mu_bytes(object, len),
                                                common_shape.payload, 77, k,
                                                &p), 0);
            world_tick(&w.gateway.gateway->ticker, packet, &p.len);
            world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], mu_written(&p));
        }
        world_run(&w, MU_MS(50), NULL);
    }
    assert_in_range(verifies, 5, 13); /* in ten seconds */
    script_command(&w.script, MU_WIDE_RUN);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* Polls of its own: nobody hears them. With a tick of the gateway, each as far
 * ahead as will be believed: the area is slower while that goes on, the sender
 * is not made to repeat without end, and then all is well. */
static void test_member_polls(void **state)
{
    (void)state;
    for (int ticked = 0; ticked <= 1; ticked++) {
        struct world w;
        const struct mu_cast_counts *n;
        struct mu_device_area area;

        world_ready(&w, 3, 9);
        w.loss_permille = 50;
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), any_page));
        area = w.devices[2].device->area[0];
        n = &w.gateway.gateway->sessions[0].tx.counts;
        for (int i = 0; i < 200; i++) {
            struct mu_ticker *t = &w.gateway.gateway->ticker;
            uint64_t before = asked(&w);

            for (size_t d = 0; d < 2; d++) {
                if (!w.devices[d].device->campaign.receiving)
                    continue;
                assert_int_equal(poll_try(&w, &area, ticked != 0 ? t : NULL, d,
                                          32), ticked != 0 ? 0 : MU_ERR_AUTH);
            }
            if (ticked == 0)
                assert_int_equal(asked(&w), before);
            world_run(&w, MU_MS(20), NULL);
        }
        assert_true(n->data + n->parity + n->repair < 5 * (SIZE / 200));
        assert_all_run(&w, MU_SECONDS(60));
        assert_int_equal(w.script.conflicts, 0);
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_member_relays),
        cmocka_unit_test(test_member_relays_option_1),
        cmocka_unit_test(test_gateway_relays),
        cmocka_unit_test(test_leaver_polls),
        cmocka_unit_test(test_leaver_relays),
        cmocka_unit_test(test_stranger_renames),
        cmocka_unit_test(test_gateway_cancels),
        cmocka_unit_test(test_gateway_hands_a_key_unasked),
        cmocka_unit_test(test_gateway_hands_a_false_key),
        cmocka_unit_test(test_member_announces),
        cmocka_unit_test(test_member_polls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
