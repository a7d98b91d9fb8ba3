/* SPDX-License-Identifier: Apache-2.0 */
/* R6 to R11: key management. */
#include "requirements.h"

#include <stdio.h>
#include <stdlib.h>

#include "muster/coap.h"
#include "tests/node/common.h"
#include "tests/server/fleet.h"

static uint64_t generation(struct fleet *f)
{
    struct mu_group_view v;

    assert_int_equal(mu_server_group_next(&f->rig.server, 0, &v), 0);
    return v.generation;
}

static void rotate(struct fleet *f)
{
    assert_int_equal(mu_server_group_rotate(&f->rig.server, rig_id("all")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
}

/* What came back on a fetch, and whether the device would take it. */
static int fetch_opens(struct rig *r, const struct peer_device *d,
                       const struct rig_send *s,
                       const struct mu_oscore_request *req)
{
    uint8_t options[80], room[2048];
    struct mu_writer o = mu_writer(options, sizeof options);
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_coap_opts opts = mu_coap_opts(&o);
    struct mu_coap_msg in = {.code = s->code, .payload = rig_payload(s)};
    struct mu_coap_msg plain;
    struct mu_oscore context = d->oscore; /* a try leaves no trace */
    struct mu_oscore_request once = *req;

    mu_coap_put_opt(&opts, MU_COAP_OSCORE,
                    mu_bytes(s->oscore, s->oscore_len));
    in.options = mu_written(&o);
    return mu_oscore_unprotect_response(&context, &r->crypto, &in, &once, &w,
                                        &plain);
}

/* ---- R6 ----------------------------------------------------------------- */

/* Any eight bytes in a row of the key in any message the server sent. */
static bool leaked(const struct rig *r, const struct mu_secret *key)
{
    for (unsigned i = 0; i < r->sends_len; i++) {
        for (size_t at = 0; at + 8 <= key->len; at++) {
            if (contains(rig_payload(&r->sends[i]), key->bytes + at, 8))
                return true;
        }
    }
    return false;
}

void test_R06_keys_travel_confidentially(void **state)
{
    struct fleet *f = fleet_open(0);
    const struct mu_secret *kb;

    (void)state;
    fleet_link(f);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(peer_connect(&f->rig, &f->devices[i]),
                         MU_COAP_CHANGED);
        kb = fleet_key(f, i);
        assert_non_null(kb);
        assert_false(leaked(&f->rig, kb));
        assert_false(leaked(&f->rig, &f->devices[i].connection.kmc));
        assert_false(leaked(&f->rig, &f->devices[i].connection.ka));
        assert_false(leaked(&f->rig, &f->devices[i].kmr));
    }
    fleet_push(f);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_false(mu_secret_is_set(&f->gw[0].campaign.kb));
    kb = fleet_key(f, 0);
    assert_false(leaked(&f->rig, kb));
    fleet_close(f);
    /* The contrary: under option 1 the gateway is given it, and it is seen. */
    f = fleet_open(1);
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_true(leaked(&f->rig, &f->gw[0].campaign.kb));
    fleet_close(f);
}

/* ---- R7 ----------------------------------------------------------------- */

void test_R07_keys_travel_unchanged(void **state)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    struct peer_device *d = &f->devices[0];
    struct mu_oscore_request req;
    struct rig_send out, answer;
    uint8_t room[MU_CONNECT_MAX], plain[MU_CONNECT_MAX], reply[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_connect1 m = {.identity = rig_id("a0"),
                            .gateway = rig_id("gw-1"),
                            .capability = d->capability};
    struct mu_connect_pending pending;
    struct mu_connect2 m2;
    struct mu_connection conn;

    (void)state;
    fleet_link(f);
    peer_fetch_request(r, d, 1, 0, &out, &req);
    answer = *rig_request_oscore(r, 1, "d/a0",
                                 mu_bytes(out.oscore, out.oscore_len),
                                 rig_payload(&out));
    for (size_t i = 0; i < answer.payload_len; i++) {
        answer.payload[i] ^= 0x10;
        assert_int_equal(fetch_opens(r, d, &answer, &req), MU_ERR_AUTH);
        answer.payload[i] ^= 0x10;
    }
    assert_int_equal(fetch_opens(r, d, &answer, &req), 0);
    /* Nor the message that the keys of the connection come from. */
    assert_int_equal(mu_connect1_create(&r->crypto, &d->kmr, &m, &w, &pending),
                     0);
    answer = *rig_request(r, 1, "d/a0", mu_written(&w));
    memcpy(reply, answer.payload, answer.payload_len);
    for (size_t i = 0; i <= answer.payload_len; i++) {
        struct mu_writer p = mu_writer(plain, sizeof plain);
        int rc;

        if (i < answer.payload_len)
            reply[i] ^= 0x10;
        rc = mu_connect2_consume(&r->crypto, &d->kmr, &pending,
                                 mu_bytes(reply, answer.payload_len), &p, &m2,
                                 &conn);
        assert_int_equal(rc == 0, i == answer.payload_len);
        if (i < answer.payload_len)
            reply[i] ^= 0x10;
    }
    fleet_close(f);
}

/* ---- R8 ----------------------------------------------------------------- */

static void cancel(struct fleet *f)
{
    assert_int_equal(mu_server_cancel(&f->rig.server, f->campaign), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(2));
    f->campaign[0]++;
}

static void push_and_hear(struct fleet *f)
{
    fleet_push(f);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
}

/* What a list of keys says of the active key of the group. */
static uint32_t listed_valid_s(struct rig *r)
{
    struct mu_kid after = {.kind = MU_KEY_NONE};
    struct mu_key_view v;

    while (mu_server_key_next(&r->server, &after, &v) == 0) {
        if (v.kid.kind == MU_KEY_KB && v.phase == MU_PHASE_ACTIVE)
            return v.valid_s;
        after = v.kid;
    }
    fail_msg("no such key");
    return 0;
}

/* By the clock: at expiry, all that is not on the air; that, when it ends. */
static void periodic(void)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    uint64_t last;

    r->conf.rekey_s = 3600;
    assert_int_equal(rig_restart(r), 0);
    fleet_link(f);
    last = generation(f);
    (void)fleet_key(f, 0);
    assert_in_range(peer_key(&f->devices[0], 1)->valid_s, 3500, 3600);
    assert_in_range(listed_valid_s(r), 3500, 3600);
    rig_run(r, MU_SECONDS(3500));
    assert_int_equal(generation(f), last);
    rig_run(r, MU_SECONDS(110));
    assert_true(generation(f) > last);
    last = generation(f);
    rig_run(r, MU_SECONDS(3400)); /* once, not at every step */
    assert_int_equal(generation(f), last);
    fleet_push(f);
    rig_run(r, MU_SECONDS(300));
    assert_int_equal(generation(f), last);
    cancel(f);
    assert_true(generation(f) > last);
    last = generation(f);
    r->conf.rekey_s = 0;
    assert_int_equal(rig_restart(r), 0);
    rig_run(r, MU_SECONDS(10000));
    assert_int_equal(generation(f), last);
    fleet_link(f);
    (void)fleet_key(f, 0);
    assert_int_equal(peer_key(&f->devices[0], 1)->valid_s, 0);
    fleet_close(f);
}

/* The server ends and begins again at this time of day. */
static void restart_on(struct fleet *f, uint64_t day_s)
{
    f->rig.conf.day_s = day_s;
    assert_int_equal(rig_restart(&f->rig), 0);
    fleet_link(f);
}

/* A server that never runs as long as the period makes its keys anew all the
 * same; a clock set wrong brings a rekey early, or once a period late. */
static void periodic_over_restarts(void)
{
    const uint64_t year = 31536000;
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    uint64_t last, day = 1700000000;

    r->conf.rekey_s = 3600;
    restart_on(f, day);
    last = generation(f);
    for (unsigned i = 1; i <= 3; i++) {
        rig_run(r, MU_SECONDS(600));
        restart_on(f, day += 600 + 300); /* and was off for a while */
        assert_int_equal(generation(f), last);
        assert_in_range(listed_valid_s(r), 3600 - i * 900 - 60,
                        3600 - i * 900);
    }
    rig_run(r, MU_SECONDS(1000));
    assert_true(generation(f) > last);
    last = generation(f);
    /* It was off for long, or the clock was set a year ahead. */
    restart_on(f, day += year);
    rig_run(r, MU_SECONDS(60));
    assert_true(generation(f) > last);
    last = generation(f);
    assert_in_range(listed_valid_s(r), 3500, 3600);
    /* And back again: a whole period from here. */
    restart_on(f, day -= year);
    rig_run(r, MU_SECONDS(3500));
    assert_int_equal(generation(f), last);
    restart_on(f, day += 3500);
    rig_run(r, MU_SECONDS(200));
    assert_true(generation(f) > last);
    last = generation(f);
    /* It ended while a campaign kept the old key. */
    rig_run(r, MU_SECONDS(3380));
    fleet_push(f);
    rig_run(r, MU_SECONDS(150));
    restart_on(f, day += 3830);
    rig_run(r, MU_SECONDS(20));
    assert_int_equal(generation(f), last);
    cancel(f);
    assert_true(generation(f) > last);
    fleet_close(f);
}

void test_R08_rekey_shuts_out_leavers_and_joiners(void **state)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    struct area *gw = &f->gw[0];
    struct peer_device joiner;
    struct mu_secret first, second, third;
    uint8_t before[24];
    struct mu_secret cek;
    uint64_t last = generation(f);

    (void)state;
    periodic();
    periodic_over_restarts();
    for (int i = 0; i < 8; i++) { /* as often as it is thought necessary */
        rotate(f);
        assert_true(generation(f) > last);
        last = generation(f);
    }
    fleet_link(f);
    first = *fleet_key(f, 1);
    push_and_hear(f);
    assert_int_equal(area_open_object(gw, &first, f->opened), 0);
    assert_memory_equal(f->opened, f->plain, FLEET_SIZE);
    memcpy(before, gw->manifest.wrapped_cek, sizeof before);
    cancel(f);
    /* Joins: opens what comes, and nothing that was. */
    rig_device_add(r, "joiner", "gw-1");
    peer_device_init(r, &joiner, "joiner", "gw-1", 1);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                         rig_id("joiner")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(peer_connect(r, &joiner), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &joiner, 1, 0), MU_COAP_CHANGED);
    second = peer_key(&joiner, 1)->key;
    assert_int_equal(mu_cek_unwrap(&r->crypto, &second, before, &cek),
                     MU_ERR_AUTH);
    push_and_hear(f);
    assert_int_equal(area_open_object(gw, &second, f->opened), 0);
    assert_int_equal(area_open_object(gw, &first, f->opened), MU_ERR_AUTH);
    cancel(f);
    /* Leaves: asks in vain, and what it holds opens nothing more. */
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("joiner")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(peer_fetch(r, &joiner, 1, 0), MU_COAP_NOT_FOUND);
    push_and_hear(f);
    assert_int_equal(area_open_object(gw, &second, f->opened), MU_ERR_AUTH);
    third = *fleet_key(f, 0);
    assert_int_equal(area_open_object(gw, &third, f->opened), 0);
    cancel(f);
    /* A member hands its key to others: a word of the operator ends that. */
    rotate(f);
    push_and_hear(f);
    assert_int_equal(area_open_object(gw, &third, f->opened), MU_ERR_AUTH);
    assert_int_equal(area_open_object(gw, fleet_key(f, 2), f->opened), 0);
    fleet_close(f);
}

/* ---- R9 ----------------------------------------------------------------- */

void test_R09_keys_for_members_only(void **state)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    struct peer_device guest;
    uint32_t number;

    (void)state;
    fleet_link(f);
    rig_device_add(r, "guest", "gw-1");
    peer_device_init(r, &guest, "guest", "gw-1", 1);
    assert_int_equal(peer_connect(r, &guest), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &guest, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(guest.keys.keys_len, 0);
    /* Naming an older key of the group helps as little, */
    assert_int_equal(peer_fetch(r, &guest, 1, 1), MU_COAP_CHANGED);
    assert_int_equal(guest.keys.keys_len, 0);
    /* and so does being in another group. */
    assert_int_equal(mu_server_group_create(&r->server, rig_id("other"), 0,
                                            &number), 0);
    rig_drain(r);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("other"),
                                         rig_id("guest")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(peer_fetch(r, &guest, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(guest.keys.keys_len, 1);
    assert_non_null(peer_key(&guest, number));
    assert_null(peer_key(&guest, 1));
    /* Joined, it gets it. */
    assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                         rig_id("guest")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(peer_fetch(r, &guest, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&guest, 1));
    fleet_close(f);
}

/* ---- R10 ---------------------------------------------------------------- */

#define KIDS_MAX 64

struct kids {
    struct mu_kid all[KIDS_MAX];
    size_t len;
};

static bool kids_have(const struct kids *k, const struct mu_kid *kid)
{
    for (size_t i = 0; i < k->len; i++) {
        if (mu_kid_eq(&k->all[i], kid))
            return true;
    }
    return false;
}

/* The ids of the keys there are now: each once. */
static void kids_list(struct rig *r, struct kids *out)
{
    struct mu_key_view v = {.kid = {.kind = MU_KEY_NONE}};
    struct mu_kid after = v.kid;

    out->len = 0;
    while (mu_server_key_next(&r->server, &after, &v) == 0) {
        assert_false(kids_have(out, &v.kid));
        assert_true(out->len < KIDS_MAX);
        out->all[out->len++] = after = v.kid;
    }
}

static void identified(void)
{
    struct fleet *f = fleet_open(0);
    struct kids now, ever = {.len = 0};
    uint64_t fresh = 0;

    fleet_link(f);
    for (int i = 0; i < 12; i++) {
        if (i == 6)
            assert_int_equal(rig_restart(&f->rig), 0);
        rotate(f);
        kids_list(&f->rig, &now);
        assert_true(now.len > 0);
        for (size_t k = 0; k < now.len; k++) {
            if (!kids_have(&ever, &now.all[k])) {
                ever.all[ever.len++] = now.all[k];
                fresh = now.all[k].kind == MU_KEY_KB
                            ? now.all[k].generation : fresh;
            }
        }
        assert_int_equal(fresh, generation(f)); /* new, and never again */
    }
    assert_true(ever.len > 12);
    fleet_close(f);
}

void test_R10_keys_are_identified_and_missed_ones_fetched(void **state)
{
    struct world w;
    struct mu_secret wrong = {.len = 32};
    uint32_t fetches;

    (void)state;
    identified();
    /* Away during a rekey: it is told when it is back. */
    world_ready(&w, 2, 110);
    world_stop(&w, &w.devices[1]);
    script_rotate(&w.script, false);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_non_null(mu_keyring_find(&w.devices[0].device->keys,
                                    &w.script.kb_kid));
    world_start(&w, &w.devices[1]);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_non_null(mu_keyring_find(&w.devices[1].device->keys,
                                    &w.script.kb_kid));
    /* Nobody was told of the next one: the id in the announce tells. */
    script_rotate(&w.script, false);
    fetches = w.script.devices[1].fetches;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_true(w.script.devices[1].fetches > fetches);
    assert_non_null(mu_keyring_find(&w.devices[1].device->keys,
                                    &w.script.kb_kid));
    /* An erroneous update: another key under an id that is taken. */
    assert_int_equal(mu_keyring_put(&w.devices[1].device->keys,
                                    &w.script.kb_kid, &wrong,
                                    MU_PHASE_ACTIVE), MU_ERR_CONFLICT);
    world_clear(&w);
}

/* ---- R11 ---------------------------------------------------------------- */

void test_R11_keys_for_fresh_requests_of_known_devices(void **state)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    struct peer_device *d = &f->devices[0];
    struct mu_oscore_request req;
    struct rig_send out, *s, answer;
    struct mu_bytes oscore;
    uint8_t one[MU_CONNECT_MAX], two[MU_CONNECT_MAX], plain[MU_CONNECT_MAX];
    struct mu_writer w1 = mu_writer(one, sizeof one);
    struct mu_writer w2 = mu_writer(two, sizeof two);
    struct mu_writer p = mu_writer(plain, sizeof plain);
    struct mu_connect1 m = {.identity = rig_id("a0"),
                            .gateway = rig_id("gw-1"),
                            .capability = d->capability};
    struct mu_connect_pending first, second;
    struct mu_connect2 m2;
    struct mu_connection conn;

    (void)state;
    fleet_link(f);
    peer_fetch_request(r, d, 1, 0, &out, &req);
    oscore = mu_bytes(out.oscore, out.oscore_len);
    s = rig_request_oscore(r, 1, "d/a0", oscore, rig_payload(&out));
    assert_int_equal(fetch_opens(r, d, s, &req), 0);
    /* Replayed; forged; in another's name; through another gateway. */
    s = rig_request_oscore(r, 1, "d/a0", oscore, rig_payload(&out));
    assert_int_equal(s->code, MU_COAP_UNAUTHORIZED);
    assert_int_equal(s->payload_len, 0);
    peer_fetch_request(r, d, 1, 0, &out, &req);
    oscore = mu_bytes(out.oscore, out.oscore_len);
    for (size_t i = 0; i < out.payload_len; i++) {
        out.payload[i] ^= 4;
        s = rig_request_oscore(r, 1, "d/a0", oscore, rig_payload(&out));
        assert_int_equal(s->code, MU_COAP_UNAUTHORIZED);
        assert_int_equal(s->payload_len, 0);
        out.payload[i] ^= 4;
        rig_forget(r);
    }
    s = rig_request_oscore(r, 1, "d/a1", oscore, rig_payload(&out));
    assert_int_equal(s->code, MU_COAP_UNAUTHORIZED);
    s = rig_request_oscore(r, 2, "d/a0", oscore, rig_payload(&out));
    assert_int_equal(s->code, MU_COAP_FORBIDDEN);
    s = rig_request_oscore(r, 1, "d/a0", oscore, rig_payload(&out));
    assert_int_equal(fetch_opens(r, d, s, &req), 0);
    /* The other way round: the device takes keys from the server only if the
     * answer is to what it has just asked. */
    assert_int_equal(mu_connect1_create(&r->crypto, &d->kmr, &m, &w1, &first),
                     0);
    answer = *rig_request(r, 1, "d/a0", mu_written(&w1));
    assert_int_equal(mu_connect1_create(&r->crypto, &d->kmr, &m, &w2, &second),
                     0);
    assert_int_equal(mu_connect2_consume(&r->crypto, &d->kmr, &second,
                                         rig_payload(&answer), &p, &m2, &conn),
                     MU_ERR_AUTH);
    assert_int_equal(mu_connect2_consume(&r->crypto, &d->kmr, &first,
                                         rig_payload(&answer), &p, &m2, &conn),
                     0);
    fleet_close(f);
}
