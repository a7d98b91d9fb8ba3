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

/* In packets with good tags, to every device but the attacker. */
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

/* Says that page 0 was just polled, everybody is to answer. */
static int poll_try(struct world *w, const struct mu_device_area *area,
                    size_t device)
{
    uint8_t packet[64];
    struct mu_writer p = mu_writer(packet, sizeof packet);
    struct mu_device *d = w->devices[device].device;
    struct mu_poll m = {.session = w->script.campaign.session,
                        .page = (uint16_t)mu_cast_receiver_pages(&d->receiver),
                        .round = (uint8_t)(d->receiver.round + 1),
                        .flags = MU_POLL_ALL,
                        .sent = 20,
                        .window_ms = 10,
                        .kg = (uint8_t)area->kid.generation};
    struct mu_event ev = {.kind = MU_EV_PACKET, .channel = MU_CHANNEL_AREA};

    assert_int_equal(mu_poll_create(mu_crypto_openssl(), &area->kctl, &m, &p),
                     0);
    ev.now = w->now;
    ev.packet = mu_written(&p);
    return world_step(w, &w->devices[device], &ev);
}

static void test_leaver_polls(void **state)
{
    struct mu_device_area old;
    struct world w;
    uint64_t before;

    (void)state;
    world_ready(&w, 3, 3);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_PAUSE);
    world_run(&w, MU_SECONDS(2), NULL);
    old = w.devices[2].device->area[0];
    assert_int_equal(poll_try(&w, &old, 0), 0); /* as long as it is in */
    script_remove(&w.script, 2);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_true(w.devices[0].device->area[0].kid.generation >
                old.kid.generation);
    before = asked(&w);
    for (size_t i = 0; i < 2; i++)
        assert_true(poll_try(&w, &old, i) < 0);
    assert_int_equal(asked(&w), before);
    /* A poll under the new key is still heard. */
    assert_int_equal(poll_try(&w, &w.devices[0].device->area[0], 0), 0);
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
                            .mode = MU_WIDE_REPROTECT};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_member_relays),
        cmocka_unit_test(test_gateway_relays),
        cmocka_unit_test(test_leaver_polls),
        cmocka_unit_test(test_leaver_relays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
