/* SPDX-License-Identifier: Apache-2.0 */
/* Corners of the device engine: each bound and each way back by itself. */
#include "muster/coap.h"
#include "node/device.h"
#include "tests/node/common.h"

/* A device with one step, its effects taken by the world. */
static int step_device(struct world *w, size_t i, struct mu_event *ev)
{
    return world_step(w, &w->devices[i], ev);
}

/* ---- crypto that counts --------------------------------------------------- */

static struct mu_crypto counting;
static uint32_t verified;

static int count_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                        const struct mu_bytes *parts, size_t parts_len,
                        const uint8_t sig[64])
{
    verified++;
    return mu_crypto_openssl()->verify(ctx, alg, pub, parts, parts_len, sig);
}

static void count_begin(struct world *w)
{
    counting = *mu_crypto_openssl();
    counting.verify = count_verify;
    w->crypto = &counting;
    verified = 0;
}

/* ---- announce objects ----------------------------------------------------- */

/* Announced again and again, an object is checked once. */
static void test_one_check(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 3, 1);
    count_begin(&w);
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    world_stop(&w, &w.devices[2]); /* so that announcing does not end */
    push(&w, 1);
    world_run(&w, MU_SECONDS(120), NULL);
    assert_int_equal(w.script.devices[0].state, 0x0f);
    assert_int_equal(verified, 2);
    script_command(&w.script, MU_WIDE_CANCEL);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_true(verified <= 4); /* and its cancel */
    world_clear(&w);
}

/* A member tags junk: it costs one signature check a second. */
static void test_member_forges(void **state)
{
    struct world w;
    struct mu_secret kann;
    struct mu_signer forger; /* says that it is the server */
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    size_t pub_len;

    (void)state;
    world_init(&w, 2, 2);
    count_begin(&w);
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(mu_kdf(&counting, &w.script.kb, "announce",
                            (struct mu_bytes){NULL, 0}, 16, &kann),
                     0);
    forger = w.script.signer;
    assert_int_equal(counting.keypair(counting.ctx, MU_ALG_ES256, &forger.priv,
                                      pub, &pub_len),
                     0);
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t raw[256], object[200];
        struct mu_writer pw = mu_writer(raw, sizeof raw);
        struct mu_writer ow = mu_writer(object, sizeof object);
        uint8_t id[MU_CAMPAIGN_ID] = {(uint8_t)i};

        assert_int_equal(mu_cancel_create(&counting, &forger, id, &ow), 0);
        assert_int_equal(mu_announce_packet(&counting, &kann, NULL,
                                            mu_written(&ow), 256, 9, 0, &pw),
                         0);
        world_tick(&w.gateway.gateway->ticker, raw, &pw.len);
        world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], mu_written(&pw));
        world_run(&w, MU_MS(10), NULL);
    }
    /* In 5 seconds: who has made one up is not looked at again so soon. */
    assert_in_range(verified, 1, 2);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* Strangers' announces are nothing; those of the gateway, about groups that are
 * not ours, make it ask for keys less and less often. */
static void test_stranger_announces(void **state)
{
    (void)state;
    for (int ticked = 0; ticked <= 1; ticked++) {
        struct world w;
        uint32_t fetches;

        world_ready(&w, 1, 3);
        fetches = w.script.devices[0].fetches;
        for (uint32_t i = 0; i < 600; i++) {
            uint8_t p[64 + MU_TICK_LEN] = {
                MU_CAST_ANNOUNCE, (uint8_t)i, (uint8_t)i, (uint8_t)(i >> 8), 1,
                2, 0, 1};
            size_t len = 64;

            if (ticked != 0)
                world_tick(&w.gateway.gateway->ticker, p, &len);
            world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], mu_bytes(p, len));
            world_run(&w, MU_MS(100), NULL);
        }
        /* 1 + 2 + 4 + 8 + 16 + 32 seconds are a minute */
        assert_in_range(w.script.devices[0].fetches - fetches,
                        ticked != 0 ? 3 : 0, ticked != 0 ? 8 : 0);
        world_clear(&w);
    }
}

/* Packets are enough: no device has to ask for the object by itself. */
static void test_announce_by_packets(void **state)
{
    (void)state;
    for (int mode = 0; mode <= 2; mode++) {
        struct script_push p = {.size = SIZE,
                                .version = 1,
                                .shape = common_shape,
                                .mode = (enum mu_group_mode)mode};
        struct world w;

        world_ready(&w, 3, 4);
        script_push(&w.script, &p);
        assert_all_run(&w, MU_SECONDS(30));
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(w.devices[i].anns, 0);
        /* Nor when it says hello again. */
        world_cut(&w, &w.devices[0]);
        world_run(&w, MU_SECONDS(10), NULL);
        assert_int_equal(w.devices[0].hellos, 2);
        assert_int_equal(w.devices[0].anns, 0);
        world_clear(&w);
    }
}

static bool first_asks(struct world *w)
{
    return w->devices[0].anns > 0;
}

/* With a key that it has to fetch first, it asks when the key is there. */
static void test_announce_after_key(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 5);
    script_rotate(&w.script, false);
    push(&w, 1);
    assert_true(world_run(&w, MU_MS(900), first_asks));
    assert_all_run(&w, MU_SECONDS(30));
    world_clear(&w);
}

/* Who comes when all is sent hears of it at its hello, and asks at once. */
static void test_announce_at_hello(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 26);
    world_stop(&w, &w.devices[1]);
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    world_start(&w, &w.devices[1]);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_equal(w.devices[1].anns, 1);
    assert_true(w.devices[1].device->campaign.receiving);
    assert_all_run(&w, MU_SECONDS(30));
    world_clear(&w);
}

/* Whoever is in the area but not in the group installs nothing, though under
 * option 1 it has the key to open it. */
static void test_not_a_member(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;

    (void)state;
    world_init(&w, 2, 6);
    w.script.devices[1].member = false;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    world_run(&w, MU_SECONDS(5), NULL);
    script_push(&w.script, &p);
    assert_all_run(&w, MU_SECONDS(60));
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.devices[1].installs, 0);
    assert_int_equal(w.devices[1].device->campaign.phase, MU_DEVICE_IDLE);
    /* A link again: it is not even told of the session. */
    world_cut(&w, &w.devices[1]);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[1].anns, 0);
    world_clear(&w);
}

/* ---- campaigns that give way ------------------------------------------------ */

static bool receiving(struct world *w)
{
    return w->devices[0].device->campaign.receiving;
}

/* A campaign that ended while the device was away gives way to the next one,
 * whatever its version, as soon as the gateway lists what is live. */
static void test_stale(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 7);
    push(&w, 5);
    assert_true(world_run(&w, MU_SECONDS(30), receiving));
    world_run(&w, MU_MS(5), NULL); /* until that is stored */
    world_stop(&w, &w.devices[0]);
    script_end(&w.script);
    world_run(&w, MU_SECONDS(5), NULL);
    push(&w, 4);
    world_run(&w, MU_SECONDS(5), NULL);
    world_start(&w, &w.devices[0]);
    assert_int_equal(w.devices[0].device->campaign.version, 5);
    assert_all_run(&w, MU_SECONDS(20));
    world_clear(&w);
}

/* Without a hello the silence of a minute tells as much. */
static void test_silent(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 8);
    push(&w, 5);
    assert_true(world_run(&w, MU_SECONDS(30), receiving));
    script_end(&w.script);
    world_run(&w, MU_SECONDS(1), NULL);
    push(&w, 4);
    world_run(&w, MU_SECONDS(30), NULL);
    assert_int_equal(w.devices[0].device->campaign.version, 5);
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

static uint32_t trace_count(const struct world *w, const char *line)
{
    uint32_t n = 0;

    for (const char *p = w->trace; p != NULL && (p = strstr(p, line)) != NULL;
         p++)
        n++;
    return n;
}

/* A relay manifest under the next Kg is the same content: nothing starts
 * over, and who comes later can read it. */
static void test_relay_again(void **state)
{
    struct script_push p = {.size = 450000, /* still sent when it comes */
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;

    (void)state;
    world_ready(&w, 4, 9);
    world_stop(&w, &w.devices[2]);
    w.tracing = true;
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_remove(&w.script, 3);
    world_run(&w, MU_SECONDS(20), NULL); /* the key before is void by then */
    assert_int_equal(trace_count(&w, "dev-0 offer"), 1);
    world_start(&w, &w.devices[2]);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* A cancel that passed it by reaches the one who still asks. */
static void test_cancel_missed(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 27);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), receiving));
    world_run(&w, MU_MS(5), NULL);
    world_stop(&w, &w.devices[0]);
    script_command(&w.script, MU_WIDE_CANCEL);
    world_run(&w, MU_SECONDS(20), NULL);
    world_start(&w, &w.devices[0]);
    assert_int_equal(w.devices[0].device->campaign.phase, MU_DEVICE_RECEIVING);
    world_run(&w, MU_SECONDS(30), NULL);
    assert_int_equal(w.devices[0].device->campaign.phase, MU_DEVICE_IDLE);
    world_clear(&w);
}

/* ---- progress ------------------------------------------------------------------ */

static bool some_stored(struct world *w)
{
    const struct mu_device *d = w->devices[0].device;

    return d->campaign.receiving &&
           mu_cast_receiver_pages(&d->receiver) > 30 &&
           d->campaign.unsynced == 0 &&
           mu_record_durable(&d->records[MU_DEVICE_REC_PAGE]);
}

/* Power off in the middle: on with the page that was stored. */
static void test_resume_page(void **state)
{
    struct script_push p = {
        .size = 300000, .version = 1, .shape = common_shape};
    struct world w;
    uint32_t page;

    (void)state;
    world_ready(&w, 1, 10);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), some_stored));
    page = mu_cast_receiver_pages(&w.devices[0].device->receiver);
    world_stop(&w, &w.devices[0]);
    world_start(&w, &w.devices[0]);
    assert_true(world_run(&w, MU_SECONDS(30), receiving));
    assert_in_range(mu_cast_receiver_pages(&w.devices[0].device->receiver),
                    page, page + 2);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

static bool all_run(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].device->running_version != 1)
            return false;
    }
    return true;
}

static bool all_told(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].status_packets == 0)
            return false;
    }
    return true;
}

/* A poll that all answer has told how many they are: the end is not spread over
 * more than that takes. */
static void test_told_soon(void **state)
{
    struct world w;
    mu_time ran;

    (void)state;
    world_ready(&w, 6, 3);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), all_run));
    ran = w.now;
    assert_true(world_run(&w, MU_SECONDS(30), all_told));
    assert_true(w.now - ran < MU_MS(w.devices[0].device->receiver.all_ms));
    assert_true(w.devices[0].device->receiver.all_ms < 100);
    world_clear(&w);
}

static bool checking(struct world *w)
{
    return w->devices[0].device->campaign.phase == MU_DEVICE_INSTALLING;
}

/* A journal in which the last page is there and the move behind it is not. */
static void test_resume_at_end(void **state)
{
    struct world w;
    struct world_node *n;
    uint8_t value[512];
    size_t len = sizeof value;

    (void)state;
    world_ready(&w, 1, 11);
    n = &w.devices[0];
    n->install_result = 1;
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), checking));
    world_run(&w, MU_MS(5), NULL);
    world_stop(&w, n);
    assert_int_equal(n->store.get(n->store.ctx, MU_TABLE_NODE,
                                  mu_bytes_str("campaign"), value, &len),
                     0);
    assert_int_equal(value[1], MU_DEVICE_INSTALLING);
    value[1] = MU_DEVICE_RECEIVING;
    assert_int_equal(n->store.put(n->store.ctx, MU_TABLE_NODE,
                                  mu_bytes_str("campaign"),
                                  mu_bytes(value, len)),
                     0);
    assert_int_equal(n->store.commit(n->store.ctx), 0);
    n->install_result = 0;
    world_start(&w, n);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* A slot that has no room for a while is offered the page until it has. */
static void test_slot_full(void **state)
{
    (void)state;
    for (mu_time s = 3; s < 6; s++) {
        struct world w;

        world_ready(&w, 1, 12);
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), any_page));
        w.devices[0].slot.full = true;
        world_run(&w, MU_SECONDS(s), NULL);
        w.devices[0].slot.full = false;
        assert_all_run(&w, MU_SECONDS(60));
        assert_int_equal(w.devices[0].device->campaign.tries, 0);
        world_clear(&w);
    }
}

/* Nothing is asked for that a restart would forget. */
static void test_no_room_no_need(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 13);
    w.devices[0].store_full = true;
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.devices[0].need_packets, 0);
    assert_true(w.devices[1].need_packets > 0);
    assert_int_equal(w.script.devices[1].state, 0x0f);
    w.devices[0].store_full = false;
    assert_all_run(&w, MU_SECONDS(200));
    world_clear(&w);
}

/* ---- records that read as damaged ------------------------------------------------ */

static void test_corrupt(void **state)
{
    static const char *const keys[] = {"keys", "object", "campaign", "page",
                                       "lamp"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct world w;

        world_ready(&w, 1, 14);
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), any_page));
        world_stop(&w, &w.devices[0]);
        w.devices[0].corrupt = keys[i];
        world_start(&w, &w.devices[0]); /* it starts all the same */
        w.devices[0].corrupt = NULL;
        assert_all_run(&w, MU_SECONDS(120));
        world_clear(&w);
    }
}

/* Half of the record of keys is worth nothing. */
static void test_keys_cut(void **state)
{
    struct world w;
    struct world_node *n;
    uint8_t value[2048];
    size_t len = sizeof value;

    (void)state;
    world_ready(&w, 1, 15);
    n = &w.devices[0];
    world_run(&w, MU_SECONDS(2), NULL);
    world_stop(&w, n);
    assert_int_equal(n->store.get(n->store.ctx, MU_TABLE_NODE,
                                  mu_bytes_str("keys"), value, &len),
                     0);
    assert_int_equal(n->store.put(n->store.ctx, MU_TABLE_NODE,
                                  mu_bytes_str("keys"),
                                  mu_bytes(value, len - 1)),
                     0);
    assert_int_equal(n->store.commit(n->store.ctx), 0);
    world_start(&w, n);
    assert_int_equal(n->device->server.pub_len, 0);
    assert_int_equal(n->device->groups.len, 0);
    assert_null(mu_keyring_find(&n->device->keys, &w.script.kb_kid));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- connections and keys ---------------------------------------------------------- */

static void test_forgotten_connection(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 16);
    w.script.devices[0].oscore_set = false; /* the server restarted */
    script_rotate(&w.script, false);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.script.devices[0].connects, 2);
    assert_non_null(mu_keyring_find(&w.devices[0].device->keys,
                                    &w.script.kb_kid));
    world_clear(&w);
}

/* A server that forgets every connection at once is not asked without end. */
static void test_amnesia(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 17);
    w.script.amnesia = true;
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_in_range(w.script.devices[0].connects, 4, 9);
    w.script.amnesia = false;
    world_run(&w, MU_SECONDS(100), NULL);
    assert_true(w.script.devices[0].fetches > 2);
    world_clear(&w);
}

/* Keys of an epoch that was given up are not taken. */
static void test_keys_of_old_epoch(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 18);
    script_rotate(&w.script, true);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[0].device->epoch, 2);
    w.script.epoch = 1;
    w.script.kb_kid.generation++;
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[0].device->epoch, 2);
    assert_null(mu_keyring_find(&w.devices[0].device->keys,
                                &w.script.kb_kid));
    world_clear(&w);
}

/* Out of the group, out of its keys. */
static void test_left_group(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 19);
    assert_non_null(mu_keyring_active(&w.devices[0].device->keys, MU_KEY_KB,
                                      SCRIPT_GROUP));
    w.script.devices[0].member = false;
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_null(mu_keyring_active(&w.devices[0].device->keys, MU_KEY_KB,
                                  SCRIPT_GROUP));
    world_clear(&w);
}

/* Kb from the gateway: of our groups, of no later epoch, under a Kg we hold. */
static void test_handed_key(void **state)
{
    static const struct {
        struct mu_kid kid;
        bool wrong_kg;
        int rc;
    } cases[] = {
        {{MU_KEY_KB, SCRIPT_GROUP, (uint64_t)1 << 32 | 77}, false, 0},
        {{MU_KEY_KB, SCRIPT_GROUP, (uint64_t)1 << 32 | 78}, true, MU_ERR_AUTH},
        {{MU_KEY_KB, 8, (uint64_t)1 << 32 | 77}, false, MU_ERR_FORBIDDEN},
        {{MU_KEY_KB, SCRIPT_GROUP, (uint64_t)2 << 32}, false, MU_ERR_FORBIDDEN},
    };
    struct world w;

    (void)state;
    world_ready_in(&w, 1, 20, MU_MODE_HAND_KEY);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mu_area_group_key m = {.kid = cases[i].kid, .kb = w.script.kw};
        struct mu_device *d = w.devices[0].device;
        struct mu_event ev = {.kind = MU_EV_REQUEST, .now = w.now};
        uint8_t raw[128];
        struct mu_writer pw = mu_writer(raw, sizeof raw);

        assert_int_equal(
            mu_area_group_key_create(mu_crypto_openssl(),
                                     cases[i].wrong_kg ? &w.script.kw
                                                       : &d->area[0].kg,
                                     &m, &pw),
            0);
        ev.message.code = MU_COAP_POST;
        ev.message.path = mu_bytes_str("kb");
        ev.message.payload = mu_written(&pw);
        assert_int_equal(mu_device_step(d, &ev), cases[i].rc);
        assert_int_equal(mu_keyring_find(&d->keys, &cases[i].kid) != NULL,
                         cases[i].rc == 0);
        d->replies.len = 0;
    }
    world_clear(&w);
}

/* ---- the area ------------------------------------------------------------------------ */

/* Kg passed it by: it hears that it is behind, and says hello, not too often. */
static void test_behind_kg(void **state)
{
    (void)state;
    for (int census = 0; census <= 1; census++) {
        struct world w;
        struct mu_device *d;
        uint8_t p[64] = {MU_CAST_CENSUS, 1, 1, 1, 0, 50, 0, 0, 77};

        world_ready(&w, 1, 21);
        d = w.devices[0].device;
        if (census == 0) {
            push(&w, 1);
            assert_true(world_run(&w, MU_SECONDS(30), receiving));
            p[0] = MU_CAST_POLL;
            p[1] = w.script.campaign.session;
            p[9] = 77;
        }
        for (int i = 0; i < 300; i++) {
            world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], MU_BYTES(p));
            world_run(&w, MU_MS(100), NULL);
        }
        assert_in_range(w.devices[0].hellos, 3, 5); /* in half a minute */
        assert_true(d->welcome);
        world_clear(&w);
    }
}

/* The key before is good for what was on its way, and no longer. */
static void test_key_before(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_TIMER};
    uint16_t before;

    (void)state;
    world_ready(&w, 2, 22);
    before = (uint8_t)w.devices[0].device->area[0].kid.generation;
    script_remove(&w.script, 1);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_int_not_equal(
        (uint8_t)w.devices[0].device->area[0].kid.generation, before);
    assert_non_null(mu_device_area_find(w.devices[0].device, before));
    world_run(&w, MU_SECONDS(10), NULL);
    step_device(&w, 0, &ev);
    assert_null(mu_device_area_find(w.devices[0].device, before));
    world_clear(&w);
}

/* Its index changed while it receives: it goes on under the new one. */
static void test_index_moves(void **state)
{
    struct world w;
    struct mu_device *d;
    struct mu_event ev = {.kind = MU_EV_RESPONSE};
    struct mu_area_welcome m;
    struct mu_effect e;
    uint8_t raw[512];
    struct mu_writer pw = mu_writer(raw, sizeof raw);
    uint32_t pages;

    (void)state;
    world_ready(&w, 1, 23);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    d = w.devices[0].device;
    pages = mu_cast_receiver_pages(&d->receiver);
    m = (struct mu_area_welcome){.gateway = mu_bytes_str("gw"),
                                 .index = 3,
                                 .kid = d->area[0].kid,
                                 .kg = d->area[0].kg,
                                 .address = mu_bytes_str("239.9.9.9"),
                                 .port = 9000,
                                 .up_port = 9001};
    assert_int_equal(mu_area_welcome_create(&m, &pw), 0);
    d->asks[MU_DEVICE_HELLO].due = true;
    while (mu_device_next(d, &e))
        ;
    assert_true(d->asks[MU_DEVICE_HELLO].flying);
    ev.now = w.now;
    ev.message.code = MU_COAP_CHANGED;
    ev.message.exchange = d->asks[MU_DEVICE_HELLO].exchange;
    ev.message.payload = mu_written(&pw);
    assert_int_equal(mu_device_step(d, &ev), 0);
    assert_true(d->campaign.receiving);
    assert_int_equal(d->receiver.conf.receiver, 3);
    assert_true(d->campaign.stale); /* it was not listed */
    /* What was not stored yet is received again. */
    assert_true(mu_cast_receiver_pages(&d->receiver) <= pages);
    world_clear(&w);
}

/* A census every few milliseconds does not make it chatter. */
static void test_census_flood(void **state)
{
    struct world w;
    struct mu_device *d;
    uint64_t before;

    (void)state;
    world_ready(&w, 1, 24);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(30));
    world_run(&w, MU_SECONDS(10), NULL);
    d = w.devices[0].device;
    before = w.devices[0].status_packets;
    for (int i = 0; i < 600; i++) {
        uint8_t raw[64], none[1] = {0};
        struct mu_writer pw = mu_writer(raw, sizeof raw);
        struct mu_census c = {.session = w.script.campaign.session,
                              .state = MU_STATE_RUNNING,
                              .round = (uint8_t)i,
                              .window_ms = 20,
                              .kg = (uint8_t)d->area[0].kid.generation,
                              .bitmap = MU_BYTES(none)};

        assert_int_equal(
            mu_census_create(mu_crypto_openssl(), &d->area[0].kctl, &c, &pw),
            0);
        world_tick(&w.gateway.gateway->ticker, raw, &pw.len);
        world_inject(&w, MU_CHANNEL_AREA, &w.devices[0], mu_written(&pw));
        world_run(&w, MU_MS(20), NULL);
    }
    assert_in_range(w.devices[0].status_packets - before, 3, 5); /* in 12 s */
    world_clear(&w);
}

/* A hook that nobody started does not end. */
static void test_hook_unasked(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_HOOK, .hook = MU_HOOK_INSTALL};

    (void)state;
    world_ready(&w, 1, 25);
    assert_int_equal(step_device(&w, 0, &ev), MU_ERR_UNEXPECTED);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    assert_int_equal(step_device(&w, 0, &ev), MU_ERR_UNEXPECTED);
    ev.hook = MU_HOOK_CONFIRM;
    assert_int_equal(step_device(&w, 0, &ev), MU_ERR_UNEXPECTED);
    assert_all_run(&w, MU_SECONDS(30));
    assert_int_equal(step_device(&w, 0, &ev), MU_ERR_UNEXPECTED);
    assert_int_equal(w.devices[0].device->reports[0].state, 0x0f);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_check),
        cmocka_unit_test(test_member_forges),
        cmocka_unit_test(test_stranger_announces),
        cmocka_unit_test(test_announce_by_packets),
        cmocka_unit_test(test_announce_after_key),
        cmocka_unit_test(test_announce_at_hello),
        cmocka_unit_test(test_not_a_member),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_relay_again),
        cmocka_unit_test(test_cancel_missed),
        cmocka_unit_test(test_resume_page),
        cmocka_unit_test(test_told_soon),
        cmocka_unit_test(test_resume_at_end),
        cmocka_unit_test(test_slot_full),
        cmocka_unit_test(test_no_room_no_need),
        cmocka_unit_test(test_corrupt),
        cmocka_unit_test(test_keys_cut),
        cmocka_unit_test(test_forgotten_connection),
        cmocka_unit_test(test_amnesia),
        cmocka_unit_test(test_keys_of_old_epoch),
        cmocka_unit_test(test_left_group),
        cmocka_unit_test(test_handed_key),
        cmocka_unit_test(test_behind_kg),
        cmocka_unit_test(test_key_before),
        cmocka_unit_test(test_index_moves),
        cmocka_unit_test(test_census_flood),
        cmocka_unit_test(test_hook_unasked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
