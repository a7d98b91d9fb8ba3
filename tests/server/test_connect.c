/* SPDX-License-Identifier: Apache-2.0 */
/* Devices connect and fetch keys; what must not work does not. */
#include "rig.h"

#include "crypto_openssl/crypto_openssl.h"
#include "node/server_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig *setup(void)
{
    struct rig *r = malloc(sizeof *r);
    uint32_t number;
    assert_non_null(r);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    rig_gateway_add(r, "gw-2");
    rig_device_add(r, "dev-1", "gw-1");
    rig_device_add(r, "dev-2", "gw-1");
    rig_device_add(r, "dev-3", "gw-2");
    assert_int_equal(mu_server_group_create(&r->server, rig_id("all"), 0,
                                            &number), 0);
    rig_drain(r);
    for (int i = 1; i <= 3; i++) {
        char identity[32];
        snprintf(identity, sizeof identity, "dev-%d", i);
        assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                             rig_id(identity)), 0);
        rig_drain(r);
    }
    rig_link(r, 1, "gw-1");
    rig_link(r, 2, "gw-2");
    rig_run(r, MU_SECONDS(1));
    return r;
}

static void finish(struct rig *r)
{
    rig_close(r);
    free(r);
}

static struct mu_group_view view(struct rig *r)
{
    struct mu_group_view v;
    assert_int_equal(mu_server_group_next(&r->server, 0, &v), 0);
    return v;
}

static struct mu_device_view device(struct rig *r, const char *after)
{
    struct mu_device_view v;
    assert_int_equal(mu_server_device_next(&r->server, rig_id(after), &v), 0);
    return v;
}

static void test_fetch(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    struct mu_bytes bitmap;
    /* The gateway was told whom to poke. */
    assert_int_equal(mu_wide_poke_consume(
                         rig_payload(rig_asked(r, 1, "poke")), &bitmap), 0);
    assert_int_equal(bitmap.len, 1);
    assert_int_equal(bitmap.data[0], 3);
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_false(device(r, "").connected);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    const struct mu_keyfetch_key *k = peer_key(&d, 1);
    assert_non_null(k);
    assert_int_equal(k->kid.generation, view(r).generation);
    assert_int_equal(d.keys.groups.len, 1);
    assert_int_equal(d.keys.epoch, 1);
    assert_true(device(r, "").connected);
    assert_int_equal(device(r, "").object_max, 1 << 20);
    assert_int_equal(device(r, "").page_memory, 65536);
    /* Answered is not held; what it says it holds, is. */
    assert_int_equal(view(r).current, 0);
    uint64_t generation = k->kid.generation;
    assert_int_equal(peer_fetch(r, &d, 1, generation), MU_COAP_CHANGED);
    assert_null(peer_key(&d, 1));
    assert_int_equal(view(r).current, 1);
    /* All of it is in records. */
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(view(r).current, 1);
    assert_int_equal(view(r).generation, generation);
    finish(r);
}

static void test_poke_until_fetched(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    struct mu_bytes bitmap;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    /* No answer to the poke: it is sent again, and knows more. */
    struct rig_send poke = *rig_asked(r, 1, "poke");
    rig_forget(r);
    rig_answer(r, &poke, 0);
    rig_run(r, MU_SECONDS(3));
    assert_non_null(rig_asked(r, 1, "poke"));
    assert_int_equal(mu_wide_poke_consume(
                         rig_payload(rig_asked(r, 1, "poke")), &bitmap), 0);
    assert_int_equal(bitmap.data[0], 2);
    rig_answer(r, rig_asked(r, 1, "poke"), MU_COAP_CHANGED);
    rig_forget(r);
    rig_run(r, MU_SECONDS(100));
    assert_null(rig_asked(r, 1, "poke"));
    /* A link that comes back is told again. */
    rig_unlink(r, 1);
    rig_link(r, 1, "gw-1");
    rig_run(r, MU_SECONDS(1));
    assert_non_null(rig_asked(r, 1, "poke"));
    finish(r);
}

/* No key of an option-1 group comes to devices; who is added after it fetched
 * is told all the same, or it would take none of its manifests. */
static void test_poke_without_key(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d[2];
    struct mu_bytes bitmap;
    uint32_t number;
    for (int i = 0; i < 2; i++) {
        peer_device_init(r, &d[i], i == 0 ? "dev-1" : "dev-2", "gw-1", 1);
        assert_int_equal(peer_connect(r, &d[i]), MU_COAP_CHANGED);
        assert_int_equal(peer_fetch(r, &d[i], 1, 0), MU_COAP_CHANGED);
    }
    rig_settle(r);
    rig_run(r, MU_SECONDS(5));
    rig_forget(r);
    assert_int_equal(mu_server_group_create(&r->server, rig_id("relayed"),
                                            MU_MODE_REPROTECT, &number), 0);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("relayed"),
                                         rig_id("dev-2")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    assert_non_null(rig_asked(r, 1, "poke"));
    assert_int_equal(mu_wide_poke_consume(
                         rig_payload(rig_asked(r, 1, "poke")), &bitmap), 0);
    assert_int_equal(bitmap.data[0], 2);
    rig_answer(r, rig_asked(r, 1, "poke"), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d[1], number, 0), MU_COAP_CHANGED);
    assert_null(peer_key(&d[1], number));
    assert_int_equal(d[1].keys.groups.len, 2);
    /* Once is enough, over a restart and a rotation too. */
    rig_forget(r);
    assert_int_equal(rig_restart(r), 0);
    rig_link(r, 1, "gw-1");
    assert_int_equal(mu_server_group_rotate(&r->server, rig_id("relayed")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(100));
    assert_null(rig_asked(r, 1, "poke"));
    finish(r);
}

static void test_wrong_gateway(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d, d2;
    struct mu_oscore_request req;
    struct rig_send out;
    /* Another gateway carries a message 1 that names the right one... */
    peer_device_init(r, &d, "dev-1", "gw-1", 2);
    assert_int_equal(peer_connect(r, &d), MU_COAP_FORBIDDEN);
    /* ...or names itself... */
    peer_device_init(r, &d, "dev-1", "gw-2", 2);
    assert_int_equal(peer_connect(r, &d), MU_COAP_FORBIDDEN);
    /* ...or the device was lured to it... */
    peer_device_init(r, &d, "dev-1", "gw-2", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_FORBIDDEN);
    /* ...or it makes a device up. */
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    rig_kmr(r, "gw-1", &d.kmr);
    assert_int_equal(peer_connect(r, &d), MU_COAP_UNAUTHORIZED);
    /* A connection of one device is not another's, nor another gateway's. */
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    peer_device_init(r, &d2, "dev-2", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d2), MU_COAP_CHANGED);
    peer_fetch_request(r, &d, 1, 0, &out, &req);
    struct mu_bytes oscore = mu_bytes(out.oscore, out.oscore_len);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-2", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_request_oscore(r, 2, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_FORBIDDEN);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_CHANGED);
    finish(r);
}

static void test_replay(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    struct mu_oscore_request req;
    struct rig_send out;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    peer_fetch_request(r, &d, 1, 0, &out, &req);
    struct mu_bytes oscore = mu_bytes(out.oscore, out.oscore_len);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_CHANGED);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_UNAUTHORIZED);
    /* A bit turned on the way. */
    peer_fetch_request(r, &d, 1, 0, &out, &req);
    out.payload[0] ^= 1;
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1",
                                        mu_bytes(out.oscore, out.oscore_len),
                                        rig_payload(&out))->code,
                     MU_COAP_UNAUTHORIZED);
    /* Every prefix of an option: an answer, never a crash. */
    for (size_t len = 0; len < out.oscore_len; len++)
        assert_non_null(rig_request_oscore(
            r, 1, "d/dev-1", mu_bytes(out.oscore, len), rig_payload(&out)));
    finish(r);
}

/* A recorded message 1 opens a connection that nobody can use, and the one in
 * force stays in force. */
static void test_replayed_connect(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    uint8_t room[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_connect_pending p;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    struct mu_connect1 m = {.identity = rig_id("dev-1"),
                            .gateway = rig_id("gw-1"),
                            .capability = d.capability};
    m.capability.object_max = 7;
    assert_int_equal(mu_connect1_create(&r->crypto, &d.kmr, &m, &w, &p), 0);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    for (int i = 0; i < 40; i++)
        assert_int_equal(rig_request(r, 1, "d/dev-1", mu_written(&w))->code,
                         MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&d, 1));
    /* Nor does it change what is known of the device. */
    assert_int_equal(device(r, "").object_max, 1 << 20);
    finish(r);
}

static void test_two_connections(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device old, new;
    peer_device_init(r, &old, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &old), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &old, 1, 0), MU_COAP_CHANGED);
    peer_device_init(r, &new, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &new), MU_COAP_CHANGED);
    /* Until the new one is used the old one stays; then it is gone. */
    assert_int_equal(peer_fetch(r, &old, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &new, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &old, 1, 0), MU_COAP_UNAUTHORIZED);
    /* A restart of the server forgets both. */
    assert_int_equal(rig_restart(r), 0);
    rig_link(r, 1, "gw-1");
    assert_int_equal(peer_fetch(r, &new, 1, 0), MU_COAP_UNAUTHORIZED);
    assert_int_equal(peer_connect(r, &new), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &new, 1, 0), MU_COAP_CHANGED);
    finish(r);
}

/* More devices than connections: the least recent goes. */
static void test_least_recent_goes(void **state)
{
    (void)state;
    struct rig *r = setup();
    static struct peer_device d[24];
    char identity[32];
    for (int i = 0; i < 24; i++) {
        snprintf(identity, sizeof identity, "many-%02d", i);
        rig_device_add(r, identity, "gw-1");
        peer_device_init(r, &d[i], identity, "gw-1", 1);
        assert_int_equal(peer_connect(r, &d[i]), MU_COAP_CHANGED);
        assert_int_equal(peer_fetch(r, &d[i], 1, 0), MU_COAP_CHANGED);
        assert_int_equal(peer_fetch(r, &d[0], 1, 0), MU_COAP_CHANGED);
    }
    assert_int_equal(peer_fetch(r, &d[1], 1, 0), MU_COAP_UNAUTHORIZED);
    assert_int_equal(peer_fetch(r, &d[8], 1, 0), MU_COAP_UNAUTHORIZED);
    for (int i = 9; i < 24; i++)
        assert_int_equal(peer_fetch(r, &d[i], 1, 0), MU_COAP_CHANGED);
    finish(r);
}

static void test_revoked(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d, unknown;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("dev-1")), 0);
    rig_drain(r);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_NOT_FOUND);
    assert_int_equal(peer_connect(r, &d), MU_COAP_NOT_FOUND);
    assert_true(device(r, "").revoked);
    assert_false(device(r, "").connected);
    peer_device_init(r, &unknown, "dev-9", "gw-1", 1);
    assert_int_equal(peer_connect(r, &unknown), MU_COAP_NOT_FOUND);
    /* Still so after a restart, and its gateway is told of the shorter list. */
    rig_settle(r);
    assert_non_null(rig_asked(r, 1, "n"));
    assert_int_equal(rig_restart(r), 0);
    rig_link(r, 1, "gw-1");
    assert_int_equal(peer_connect(r, &d), MU_COAP_NOT_FOUND);
    finish(r);
}

/* Backward secrecy: between joining a used group and its new key there is
 * nothing for the joiner. */
static void test_joiner_waits(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    struct mu_group_record g;
    rig_device_add(r, "joiner", "gw-1");
    assert_int_equal(mu_srv_group_get(&r->server, 1, &g), 0);
    g.used = true;
    mu_srv_group_put(&r->server, 1, &g);
    rig_drain(r);
    peer_device_init(r, &d, "joiner", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    uint64_t before = view(r).generation;
    assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                         rig_id("joiner")), 0);
    rig_drain(r);
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    assert_null(peer_key(&d, 1));
    assert_int_equal(d.keys.groups.len, 1);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(peer_fetch(r, &d, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&d, 1));
    assert_true(peer_key(&d, 1)->kid.generation > before);
    finish(r);
}

/* ---- a store put back from an old copy -------------------------------------- */

static void test_epoch_by_connect(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    uint64_t before = view(r).generation;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    d.epoch = 5;
    /* A stranger's word is not enough. */
    rig_kmr(r, "gw-1", &d.kmr);
    assert_int_equal(peer_connect(r, &d), MU_COAP_UNAUTHORIZED);
    assert_int_equal(mu_server_epoch(&r->server), 1);
    rig_kmr(r, "dev-1", &d.kmr);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_int_equal(d.epoch, 6);
    assert_int_equal(mu_server_epoch(&r->server), 6);
    rig_run(r, MU_SECONDS(2));
    assert_true(view(r).generation > before);
    assert_int_equal(view(r).generation >> 32, 6);
    assert_int_equal(r->server.kw_kid.generation >> 32, 6);
    /* All members are poked: nobody has a key of this epoch. */
    assert_int_equal(view(r).current, 0);
    assert_int_equal(peer_fetch(r, &d, 1, before), MU_COAP_CHANGED);
    assert_non_null(peer_key(&d, 1));
    /* It stays. */
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(mu_server_epoch(&r->server), 6);
    /* A node that lies cannot burn the numbers. */
    d.epoch = UINT32_MAX - 1;
    rig_link(r, 1, "gw-1");
    assert_int_equal(peer_connect(r, &d), MU_COAP_FORBIDDEN);
    assert_int_equal(mu_server_epoch(&r->server), 6);
    finish(r);
}

static void test_epoch_by_hello(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct mu_wide_welcome welcome;
    uint64_t before = r->server.kw_kid.generation;
    assert_int_equal(rig_hello(r, 1, 3, &welcome), 0);
    assert_int_equal(welcome.epoch, 4);
    assert_int_equal(welcome.kid.generation >> 32, 4);
    assert_true(welcome.kid.generation > before);
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(view(r).generation >> 32, 4);
    /* The other gateway is told of the new Kw. */
    struct mu_wide_notice n;
    rig_settle(r);
    assert_non_null(rig_asked(r, 2, "n"));
    assert_int_equal(mu_wide_notice_consume(
                         rig_payload(rig_asked(r, 2, "n")), &n), 0);
    assert_int_equal(n.kid.generation, welcome.kid.generation);
    finish(r);
}

/* The old copy is of the same epoch: what members hold tells. */
static void test_epoch_by_generation(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    uint64_t ours = view(r).generation;
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    /* Given out to nobody yet: the copy lost the history that did. */
    assert_int_equal(peer_fetch(r, &d, 1, ours + 1000), MU_COAP_CHANGED);
    assert_null(peer_key(&d, 1));
    rig_run(r, MU_SECONDS(2));
    assert_int_equal(mu_server_epoch(&r->server), 2);
    assert_true(view(r).generation > ours + 1000);
    assert_int_equal(peer_fetch(r, &d, 1, ours + 1000), MU_COAP_CHANGED);
    assert_non_null(peer_key(&d, 1));
    finish(r);
}

/* The same, by a number that was given out, but not to this group. */
static void test_forgotten_generation(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct peer_device d;
    uint32_t number;
    uint64_t ours = view(r).generation;
    assert_int_equal(mu_server_group_create(&r->server, rig_id("other"), 0,
                                            &number), 0);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("other"),
                                         rig_id("dev-2")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(r, &d, 1, ours + 1), MU_COAP_CHANGED);
    assert_null(peer_key(&d, 1));
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(mu_server_epoch(&r->server), 1);
    assert_true(view(r).generation > ours + 1);
    assert_int_equal(peer_fetch(r, &d, 1, ours + 1), MU_COAP_CHANGED);
    assert_non_null(peer_key(&d, 1));
    finish(r);
}

/* ---- an old copy of the same epoch, while nobody tells -------------------- */

/* Where a run begins to count is drawn; here it is said. */
static uint8_t draw;

static int drawn(void *ctx, void *out, size_t len)
{
    if (len != 4)
        return mu_crypto_openssl()->random(ctx, out, len);
    memset(out, 0, len);
    ((uint8_t *)out)[2] = draw;
    return 0;
}

static void rotate_and_fetch(struct rig *r, uint64_t held,
                             struct mu_keyfetch_key *key)
{
    struct peer_device d;
    rig_link(r, 1, "gw-1");
    assert_int_equal(mu_server_group_rotate(&r->server, rig_id("all")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(2));
    peer_device_init(r, &d, "dev-1", "gw-1", 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peer_connect(r, &d), MU_COAP_CHANGED);
        assert_int_equal(peer_fetch(r, &d, 1, held), MU_COAP_CHANGED);
        if (peer_key(&d, 1) != NULL)
            break;
        rig_run(r, MU_SECONDS(2)); /* it told, and is poked */
    }
    assert_non_null(peer_key(&d, 1));
    *key = *peer_key(&d, 1);
}

/* What the lost run gave out has no namesake, whichever run counts from higher
 * up, and though the first to connect is the one who asks for the key. */
static void test_lost_numbers(void **state)
{
    (void)state;
    struct rig_copy *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    for (uint8_t order = 0; order < 2; order++) {
        struct rig *r = setup();
        struct mu_keyfetch_key lost, key;
        rig_copy_take(r, copy);
        r->crypto.random = drawn;
        draw = order == 0 ? 9 : 5;
        assert_int_equal(rig_restart(r), 0);
        rotate_and_fetch(r, 0, &lost);
        rig_copy_put_back(r, copy);
        draw = order == 0 ? 5 : 9;
        assert_int_equal(rig_restart(r), 0);
        rotate_and_fetch(r, lost.kid.generation, &key);
        assert_true(key.kid.generation > lost.kid.generation);
        assert_int_equal(key.kid.generation >> 32, order == 0 ? 2 : 1);
        assert_false(mu_secret_eq(&key.key, &lost.key));
        finish(r);
    }
    free(copy);
}

/* Half way through its numbers an epoch ends, and the keys with it. */
static void test_epoch_by_count(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct mu_keyfetch_key key;
    (void)mu_srv_number_put(&r->server, "generations",
                            (uint64_t)UINT32_MAX / 2 + 1);
    rig_drain(r);
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(mu_server_epoch(&r->server), 2);
    rotate_and_fetch(r, 0, &key);
    assert_int_equal(key.kid.generation >> 32, 2);
    assert_true((uint32_t)key.kid.generation < 1000);
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(mu_server_epoch(&r->server), 2);
    finish(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_poke_until_fetched),
        cmocka_unit_test(test_poke_without_key),
        cmocka_unit_test(test_wrong_gateway),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replayed_connect),
        cmocka_unit_test(test_two_connections),
        cmocka_unit_test(test_least_recent_goes),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_joiner_waits),
        cmocka_unit_test(test_epoch_by_connect),
        cmocka_unit_test(test_epoch_by_hello),
        cmocka_unit_test(test_epoch_by_generation),
        cmocka_unit_test(test_forgotten_generation),
        cmocka_unit_test(test_lost_numbers),
        cmocka_unit_test(test_epoch_by_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
