/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who must not get anywhere: strangers, forgers, replayers, the revoked,
 * devices and manifests that are not what they say.
 */
#include "muster/coap.h"
#include "tests/node/common.h"

/* ---- strangers ---------------------------------------------------------- */

static void test_wrong_root_key(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 2, 1);
    w.devices[0].kmr.bytes[3] ^= 1;
    w.script.devices[0].member = false;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(60), NULL);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_false(w.devices[0].device->welcome);
    assert_int_equal(w.devices[0].installs, 0);
    world_clear(&w);
}

static void test_unknown_identity(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 2, 2);
    strcpy(w.devices[0].name, "dev-x"); /* is on nobody's list */
    w.script.devices[0].member = false;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_false(w.devices[0].device->welcome);
    world_clear(&w);
}

/* A link that proves another identity than its number says is closed. */
static void test_link_of_another(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_LINK_UP,
                          .link = 1,
                          .identity = mu_bytes_str("dev-1")};

    (void)state;
    world_ready(&w, 2, 3);
    w.gateway.gateway->devices[0].linked = false;
    assert_int_equal(world_step(&w, &w.gateway, &ev), MU_ERR_UNKNOWN_PEER);
    assert_false(w.gateway.gateway->devices[0].linked);
    ev.link = 77;
    assert_int_equal(world_step(&w, &w.gateway, &ev), MU_ERR_UNKNOWN_PEER);
    world_clear(&w);
}

/* ---- the revoked -------------------------------------------------------- */

static void test_revoked(void **state)
{
    struct world w;
    uint64_t generation;

    (void)state;
    world_ready(&w, 3, 4);
    generation = w.gateway.gateway->kg[0].kid.generation;
    script_rotate(&w.script, false);
    script_remove(&w.script, 1);
    world_run(&w, MU_SECONDS(5), NULL);
    /* Its link is gone, and the area has a new key that it does not get. */
    assert_false(w.gateway.gateway->devices[1].linked);
    assert_int_equal(w.gateway.gateway->kg[0].kid.generation, generation + 1);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(w.devices[i].device->area[0].kid.generation,
                         i == 1 ? generation : generation + 1);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    world_run(&w, MU_SECONDS(100), NULL);
    /* It heard every packet. */
    assert_int_equal(w.devices[1].installs, 0);
    assert_int_equal(w.devices[1].device->campaign.phase, MU_DEVICE_IDLE);
    assert_int_equal(w.script.devices[1].fetches, 1 + 1);
    world_clear(&w);
}

/* Kg does not come back under a number that was given out before. */
static void test_kg_never_again(void **state)
{
    struct world w;
    uint64_t last;

    (void)state;
    world_ready(&w, 4, 5);
    last = w.gateway.gateway->kg[0].kid.generation;
    for (size_t i = 1; i < 4; i++) {
        script_remove(&w.script, i);
        if (i == 2)
            w.gateway.die_at = w.gateway.stores + 1;
        world_run(&w, MU_SECONDS(10), NULL);
        assert_true(w.gateway.gateway->kg[0].kid.generation > last);
        last = w.gateway.gateway->kg[0].kid.generation;
    }
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.gateway.gateway->kg[0].kid.generation, last);
    world_clear(&w);
}

/* ---- forgers ------------------------------------------------------------ */

static void flood(struct world *w, size_t packets)
{
    static const uint8_t kinds[] = {MU_CAST_DATA,   MU_CAST_ANNOUNCE,
                                    MU_CAST_POLL,   MU_CAST_NEED,
                                    MU_CAST_CENSUS, MU_CAST_STATUS};

    for (size_t i = 0; i < packets; i++) {
        uint8_t p[256];
        size_t len = 6 + world_random(w) % (sizeof p - 6);

        for (size_t b = 0; b < len; b++)
            p[b] = (uint8_t)world_random(w);
        p[0] = kinds[i % sizeof kinds];
        p[1] = w->script.campaign.session;
        if (p[0] == MU_CAST_DATA) /* of the pages in progress */
            p[0] = (uint8_t)(MU_CAST_DATA | world_random(w) % 20);
        else if (i % 5 == 0)
            p[2] = 0, p[3] = (uint8_t)(world_random(w) % 5);
        if (p[0] == MU_CAST_ANNOUNCE)
            p[7] = 3; /* fragments: few enough to be put together */
        for (size_t d = 0; d < w->devices_len; d++)
            world_inject(w, MU_CHANNEL_AREA, &w->devices[d],
                         mu_bytes(p, len));
        world_inject(w, MU_CHANNEL_AREA, &w->gateway, mu_bytes(p, len));
        world_inject(w, MU_CHANNEL_WIDE, &w->gateway, mu_bytes(p, len));
    }
}

static void test_flood(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 6);
    push(&w, 1);
    for (size_t i = 0; i < 20; i++) {
        flood(&w, 50);
        world_run(&w, MU_MS(30), NULL);
    }
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.script.conflicts, 0);
    for (size_t i = 0; i < 3; i++) {
        /* A forged announce costs a key fetch now and then, not each time. */
        assert_true(w.script.devices[i].fetches < 8);
        assert_int_equal(w.script.devices[i].connects, 1);
        assert_true(mu_device_heard(w.devices[i].device)->forged > 0);
    }
    world_clear(&w);
}

/* Random bytes in every message a gateway or device takes: an error each, and
 * the campaign does not notice. */
static void test_garbage_messages(void **state)
{
    static const char *const down[] = {"g", "p", "ann", "kb", "v", "x", ""};
    static const char *const up[] = {"hello", "c", "ann", "n", "poke", "d/y"};
    struct world w;

    (void)state;
    world_ready(&w, 2, 7);
    push(&w, 1);
    for (size_t i = 0; i < 600; i++) {
        uint8_t junk[64];
        size_t len = world_random(&w) % sizeof junk;
        struct mu_event ev = {
            .kind = i % 2 == 0 ? MU_EV_REQUEST : MU_EV_RESPONSE};
        int rc;

        for (size_t b = 0; b < len; b++)
            junk[b] = (uint8_t)world_random(&w);
        ev.message.code = (uint8_t)(i % 7 == 0 ? world_random(&w)
                                    : i % 2 == 0 ? MU_COAP_POST
                                                 : MU_COAP_CONTENT);
        ev.message.payload = mu_bytes(junk, len);
        ev.message.exchange = 0x10000000u + (uint32_t)i;
        if (i % 11 == 0)
            ev.message.oscore = mu_bytes(junk, len < 9 ? len : 9);
        ev.message.path = mu_bytes_str(down[i / 2 % 6]);
        rc = mu_device_step(w.devices[0].device, &ev);
        assert_true(rc != 0 || strcmp(down[i / 2 % 6], "p") == 0);
        ev.message.path = mu_bytes_str(up[i / 2 % 6]);
        ev.link = (uint32_t)(i % 3);
        ev.message.oscore = (struct mu_bytes){NULL, 0};
        if (ev.link == 2 && strcmp(up[i / 2 % 6], "c") == 0)
            continue; /* forwarded as it is */
        rc = mu_gateway_step(w.gateway.gateway, &ev);
        assert_true(rc != 0);
    }
    /* Their answers have nobody to go to. */
    for (size_t i = 0; i < 2; i++) {
        w.devices[0].device->replies.len = 0;
        w.gateway.gateway->replies.len = 0;
        for (size_t k = 0; k < WORLD_DEVICES_MAX; k++)
            w.gateway.gateway->devices[k].error_due = false;
    }
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- replayers ---------------------------------------------------------- */

/* Everything that a campaign had on the air, once more, during the next. */
struct tape {
    uint8_t *bytes;
    size_t len;
};

static void tape_add(struct tape *t, const struct mu_effect *e)
{
    t->bytes = realloc(t->bytes, t->len + 3 + e->packet.len);
    assert_non_null(t->bytes);
    t->bytes[t->len] = e->up;
    t->bytes[t->len + 1] = (uint8_t)(e->packet.len >> 8);
    t->bytes[t->len + 2] = (uint8_t)e->packet.len;
    memcpy(t->bytes + t->len + 3, e->packet.data, e->packet.len);
    t->len += 3 + e->packet.len;
}

static void tape_play(struct world *w, const struct tape *t)
{
    for (size_t at = 0; at < t->len;) {
        size_t len = (size_t)t->bytes[at + 1] << 8 | t->bytes[at + 2];
        struct mu_bytes packet = mu_bytes(t->bytes + at + 3, len);

        if (t->bytes[at] != 0)
            world_inject(w, MU_CHANNEL_AREA, &w->gateway, packet);
        for (size_t d = 0; d < w->devices_len; d++)
            world_inject(w, MU_CHANNEL_AREA, &w->devices[d], packet);
        at += 3 + len;
    }
}

static struct tape tape;

static void on_packet(const struct mu_effect *e)
{
    tape_add(&tape, e);
}

static void test_replay(void **state)
{
    struct world w;

    (void)state;
    tape = (struct tape){NULL, 0};
    world_ready(&w, 3, 8);
    w.on_packet = on_packet;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    w.on_packet = NULL;
    assert_true(tape.len > SIZE);
    script_end(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    for (size_t i = 0; i < 3; i++)
        w.script.devices[i].state = 0;
    tape_play(&w, &tape); /* while nothing is on */
    world_run(&w, MU_SECONDS(10), NULL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(w.script.devices[i].state, 0);
    push(&w, 2);
    world_run(&w, MU_MS(50), NULL);
    tape_play(&w, &tape);
    assert_all_run(&w, MU_SECONDS(60));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.devices[i].device->running_version, 2);
        assert_int_equal(w.devices[i].installs, 2);
    }
    free(tape.bytes);
    world_clear(&w);
}

/* The very same campaign played to itself: counted once, installed once. */
static void test_replay_at_once(void **state)
{
    struct world w;

    (void)state;
    tape = (struct tape){NULL, 0};
    world_ready(&w, 3, 9);
    w.on_packet = on_packet;
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    w.on_packet = NULL;
    tape_play(&w, &tape);
    tape_play(&w, &tape);
    assert_all_run(&w, MU_SECONDS(60));
    tape_play(&w, &tape);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[0].installs, 1);
    assert_int_equal(w.script.conflicts, 0);
    free(tape.bytes);
    world_clear(&w);
}

/* ---- versions, sizes, epochs -------------------------------------------- */

static bool first_reported(struct world *w)
{
    return w->script.devices[0].state != 0;
}

static void states_reset(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        w->script.devices[i].state = 0;
        w->script.devices[i].reason = 0;
    }
}

static void test_rollback(void **state)
{
    struct script_push lower = {
        .size = SIZE, .version = 4, .shape = common_shape};
    struct world w;

    (void)state;
    world_ready(&w, 2, 10);
    push(&w, 5);
    assert_all_run(&w, MU_SECONDS(30));
    for (uint64_t version = 4; version <= 5; version++) {
        /* lower, and the same with other bytes */
        states_reset(&w);
        lower.version = version;
        script_push(&w.script, &lower);
        assert_true(world_run(&w, MU_SECONDS(30), first_reported));
        assert_int_equal(w.script.devices[0].state, 0x80);
        assert_int_equal(w.script.devices[0].reason, -MU_ERR_ROLLBACK);
    }
    assert_int_equal(w.devices[0].installs, 1);
    states_reset(&w);
    lower.version = 4;
    lower.downgrade = true;
    script_push(&w.script, &lower);
    assert_all_run(&w, MU_SECONDS(30));
    assert_int_equal(w.devices[0].device->running_version, 4);
    world_clear(&w);
}

/* Over a restart, too: what runs is stored. */
static void test_rollback_after_restart(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 11);
    push(&w, 5);
    assert_all_run(&w, MU_SECONDS(30));
    world_run(&w, MU_SECONDS(1), NULL);
    world_stop(&w, &w.devices[0]);
    world_start(&w, &w.devices[0]);
    states_reset(&w);
    push(&w, 4);
    assert_true(world_run(&w, MU_SECONDS(60), first_reported));
    assert_int_equal(w.script.devices[0].reason, -MU_ERR_ROLLBACK);
    world_clear(&w);
}

/* The server lost what it knew and sends the same object again: it is told
 * that it runs, and nothing is received a second time. */
static void test_same_again(void **state)
{
    struct world w;
    struct script_push again = {.edition = 1};
    uint64_t accepted;

    (void)state;
    world_ready(&w, 2, 12);
    push(&w, 5);
    assert_all_run(&w, MU_SECONDS(30));
    accepted = mu_device_heard(w.devices[0].device)->accepted;
    states_reset(&w);
    /* another campaign with these bytes */
    w.script.campaign.id[0] ^= 1;
    script_push(&w.script, &again);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(mu_device_heard(w.devices[0].device)->accepted, accepted);
    assert_int_equal(w.devices[0].installs, 1);
    world_clear(&w);
}

static void test_too_large(void **state)
{
    struct script_push p = {
        .size = WORLD_SLOT + 1, .version = 1, .shape = common_shape};
    struct world w;

    (void)state;
    world_ready(&w, 1, 13);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(60), first_reported));
    assert_int_equal(w.script.devices[0].state, 0x80);
    assert_int_equal(w.script.devices[0].reason, -MU_ERR_TOO_LARGE);
    world_clear(&w);
}

/* A page that the device has no memory for. */
static void test_page_too_large(void **state)
{
    struct script_push p = {
        .size = SIZE, .version = 1, .shape = {256, 32, 8, 8}};
    struct world w;

    (void)state;
    world_init(&w, 1, 14);
    w.page_memory = 2000;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(60), first_reported));
    assert_int_equal(w.script.devices[0].reason, -MU_ERR_TOO_LARGE);
    world_clear(&w);
}

/* A server restored from an old copy: devices tell it, and take nothing that
 * is older than what they have seen. */
static void test_epoch(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 15);
    script_rotate(&w.script, true);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.devices[0].device->epoch, 2);
    w.script.epoch = 1; /* the old copy */
    push(&w, 1);
    world_run(&w, MU_SECONDS(30), NULL);
    assert_int_equal(w.devices[0].installs, 0);
    assert_int_equal(w.devices[0].device->campaign.phase, MU_DEVICE_IDLE);
    /* It connects anew after a restart and says what it has seen. */
    world_stop(&w, &w.devices[0]);
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_SECONDS(5), NULL);
    w.script.devices[0].epoch_told = 0;
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(w.script.devices[0].epoch_told, 2);
    script_end(&w.script);
    w.script.epoch = 3;
    script_rotate(&w.script, false);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(200));
    world_clear(&w);
}

/* ---- false acknowledgements --------------------------------------------- */

static bool others_proved(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (i + 1 != w->script.false_ack && w->script.devices[i].state != 0x0f)
            return false;
    }
    return w->script.devices[w->script.false_ack - 1].refused > 0;
}

static void test_false_ack(void **state)
{
    (void)state;
    for (uint32_t liar = 1; liar <= 7; liar++) {
        struct world w;

        world_ready(&w, 7, 20 + liar);
        w.script.false_ack = liar;
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(60), others_proved));
        assert_int_equal(w.script.devices[liar - 1].state, 0);
        assert_int_equal(w.script.devices[liar - 1].refused, 1);
        assert_true(w.script.conflicts <= 1);
        assert_true(w.script.reports < 16);
        world_run(&w, MU_SECONDS(100), NULL);
        assert_true(w.script.reports < 16); /* it is left at that */
        world_clear(&w);
    }
}

/* Three liars, then another campaign: who was refused stands apart within a
 * campaign, and is heard again in the next. */
static void test_false_acks(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 8, 77);
    w.script.false_ack = 4;
    w.script.false_more = 0x41;
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    for (size_t i = 0; i < 8; i++) {
        bool liar = i == 0 || i == 3 || i == 6;

        assert_int_equal(w.script.devices[i].state, liar ? 0 : 15);
        assert_int_equal(w.script.devices[i].refused, liar);
    }
    assert_true(w.script.conflicts <= 1);
    w.script.false_ack = 0;
    w.script.false_more = 0;
    push(&w, 2);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* Who was refused once goes apart from then on: his next states do not spoil
 * anybody's. The next state is put in by hand. */
static void test_false_ack_again(void **state)
{
    struct world w;
    struct mu_gateway_session *s;
    uint32_t conflicts, reports;

    (void)state;
    world_ready(&w, 8, 78);
    w.script.false_ack = 4;
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    conflicts = w.script.conflicts;
    reports = w.script.reports;
    assert_true(conflicts <= 1);
    s = &w.gateway.gateway->sessions[0];
    for (size_t i = 0; i < 8; i++) {
        struct mu_secret kack;

        assert_int_equal(mu_kdf(w.script.crypto, &w.script.devices[i].kmr,
                                "ack", mu_bytes(NULL, 0), 32, &kack), 0);
        s->states[i].state = 0x1f;
        assert_int_equal(
            mu_ack_make(w.script.crypto, &kack, s->campaign,
                        mu_bytes_str(w.script.devices[i].name), 0x1f, 0,
                        w.script.campaign.m.digest, s->states[i].ack), 0);
    }
    s->report.at = w.now;
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.conflicts, conflicts);
    assert_int_equal(w.script.reports, reports + 2);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(w.script.devices[i].state, i == 3 ? 0 : 0x1f);
    assert_int_equal(w.script.devices[3].refused, 2);
    world_clear(&w);
}

/* One that goes shifted all alone is not left at that: it goes again, by
 * itself, so that the server can say who it was. */
static void test_false_ack_alone(void **state)
{
    struct world w;
    struct mu_gateway_session *s;

    (void)state;
    world_ready(&w, 3, 79);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    s = &w.gateway.gateway->sessions[0];
    w.script.false_ack = 2;
    s->states[1].state = 0x1f;
    s->report.spoiled = true;
    s->report.at = w.now;
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.devices[1].refused, 1);
    assert_int_equal(w.script.devices[1].state, 0x0f);
    assert_true(s->states[1].apart);
    world_clear(&w);
}

/* ---- who asks too much -------------------------------------------------- */

/* One device with a hundred requests under way holds up nobody. */
static void test_hog(void **state)
{
    struct world w;
    struct mu_event ev = {.kind = MU_EV_REQUEST, .link = 1};
    uint8_t payload[32] = {0};

    (void)state;
    world_ready(&w, 2, 30);
    ev.message.code = MU_COAP_POST;
    ev.message.path = mu_bytes_str("c");
    ev.message.payload = MU_BYTES(payload);
    ev.now = w.now;
    for (uint32_t i = 0; i < 100; i++) {
        int rc;

        ev.message.exchange = 0x20000000u + i;
        rc = mu_gateway_step(w.gateway.gateway, &ev);
        assert_int_equal(rc, i < MU_GATEWAY_FORWARDS_EACH ? 0 : MU_ERR_BUSY);
    }
    assert_int_equal(w.gateway.gateway->devices[0].forwards,
                     MU_GATEWAY_FORWARDS_EACH);
    w.gateway.gateway->devices[0].error_due = false;
    ev.link = 2;
    assert_int_equal(mu_gateway_step(w.gateway.gateway, &ev), 0);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_root_key),
        cmocka_unit_test(test_unknown_identity),
        cmocka_unit_test(test_link_of_another),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_kg_never_again),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_garbage_messages),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_at_once),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_rollback_after_restart),
        cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_page_too_large),
        cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_false_ack),
        cmocka_unit_test(test_false_acks),
        cmocka_unit_test(test_false_ack_again),
        cmocka_unit_test(test_false_ack_alone),
        cmocka_unit_test(test_hog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
