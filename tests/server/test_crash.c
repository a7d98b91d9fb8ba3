/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. One story, from an empty store to a finished campaign with a
 * revocation in its middle, told again for each write and each commit at which
 * the power fails. Whoever is left goes on; no key is ever given another
 * meaning, nothing goes back, and the story ends as it should.
 */
#include "fleet.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 256

struct story {
    struct rig rig;
    struct areas areas;
    struct area gw[2];
    struct peer_device devices[4];
    bool connected[4];
    bool linked;
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t plain[FLEET_SIZE], opened[FLEET_SIZE], digest[32];
    bool revoked; /* the wish was accepted and durable */
    /* what peers have seen */
    struct mu_kid kids[KEYS_MAX];
    uint8_t keys[KEYS_MAX][32];
    unsigned keys_len;
    uint32_t epoch;
    uint64_t generation;
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    bool pub_seen;
};

static const char *const gateways[4] = {"gw-1", "gw-1", "gw-1", "gw-2"};

/* A key that a peer was given: one meaning for ever. */
static void key_seen(struct story *t, const struct mu_kid *kid,
                     const struct mu_secret *key)
{
    for (unsigned i = 0; i < t->keys_len; i++)
        if (mu_kid_eq(&t->kids[i], kid)) {
            assert_memory_equal(t->keys[i], key->bytes, 32);
            return;
        }
    assert_true(t->keys_len < KEYS_MAX);
    t->kids[t->keys_len] = *kid;
    memcpy(t->keys[t->keys_len++], key->bytes, 32);
}

static void power(struct story *t)
{
    if (t->rig.alive)
        return;
    t->linked = false;
    memset(t->connected, 0, sizeof t->connected);
    assert_int_equal(rig_restart(&t->rig), 0);
}

/* A wish is repeated until it is accepted and durable, or was before. */
static bool wished(struct story *t, int rc)
{
    if (rc != 0 && rc != MU_ERR_CONFLICT)
        return false;
    rig_drain(&t->rig);
    return t->rig.alive;
}

static bool registry(struct story *t)
{
    struct mu_server *s = &t->rig.server;
    uint8_t root[32];
    uint32_t number;
    for (unsigned g = 0; g < 2; g++) {
        const char *name = g == 0 ? "gw-1" : "gw-2";
        rig_root(name, root);
        if (!wished(t, mu_server_gateway_add(s, rig_id(name), MU_BYTES(root),
                                             &number)))
            return false;
    }
    if (!wished(t, mu_server_group_create(s, rig_id("all"), 0, &number)))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        rig_root(fleet_names[i], root);
        if (!wished(t, mu_server_device_add(s, rig_id(fleet_names[i]),
                                            MU_BYTES(root),
                                            rig_id(gateways[i]))))
            return false;
        if (i == 1 && t->revoked)
            continue;
        int rc = mu_server_group_add(s, rig_id("all"),
                                     rig_id(fleet_names[i]));
        if (rc != MU_ERR_FORBIDDEN && !wished(t, rc))
            return false;
    }
    return true;
}

static void links(struct story *t)
{
    if (t->linked)
        return;
    for (unsigned g = 0; g < 2; g++) {
        struct mu_event ev = {.kind = MU_EV_LINK_UP,
                              .link = g + 1,
                              .identity = rig_id(gateways[g * 3])};
        rig_event(&t->rig, &ev);
        if (!t->rig.alive ||
            rig_hello(&t->rig, g + 1, t->epoch, &t->gw[g].welcome) != 0)
            return;
        struct mu_wide_welcome *w = &t->gw[g].welcome;
        assert_true(w->epoch >= t->epoch);
        t->epoch = w->epoch;
        key_seen(t, &w->kid, &w->kw);
        if (t->pub_seen)
            assert_memory_equal(t->pub, w->pub.data, w->pub.len);
        memcpy(t->pub, w->pub.data, w->pub.len);
        t->pub_seen = true;
        assert_int_equal(mu_kdf(&t->rig.crypto, &w->kw, "control",
                                mu_bytes(NULL, 0), 16, &t->gw[g].kctl), 0);
        mu_ticked_told(&t->gw[g].ticked, &t->rig.crypto, &t->gw[g].kctl,
                       &w->tick);
        t->gw[g].kfb = t->rig.server.gateways[g].kfb;
        if (t->gw[g].receiving)
            mu_cast_receiver_control(&t->gw[g].receiver, &t->gw[g].kctl,
                                     (uint8_t)w->kid.generation);
    }
    t->linked = true;
}

static void keys(struct story *t)
{
    for (unsigned i = 0; i < 4 && t->rig.alive; i++) {
        uint8_t code = 0;
        if (i == 1 && t->revoked)
            continue;
        if (t->connected[i])
            code = peer_fetch(&t->rig, &t->devices[i], 1, 0);
        if (t->connected[i] && code == MU_COAP_CHANGED) {
            const struct mu_keyfetch_key *k = peer_key(&t->devices[i], 1);
            if (k == NULL)
                continue;
            assert_true(k->kid.generation >= t->generation);
            t->generation = k->kid.generation;
            key_seen(t, &k->kid, &k->key);
            continue;
        }
        t->connected[i] =
            t->rig.alive &&
            peer_connect(&t->rig, &t->devices[i]) == MU_COAP_CHANGED;
    }
}

/* Gateways take the newest manifest there is. */
static void fetch(struct story *t)
{
    struct mu_wide_camp_row rows[8];
    for (unsigned g = 0; g < 2 && t->rig.alive; g++) {
        struct area *a = &t->gw[g];
        if (area_list(a, rows) == 0 || rows[0].command != MU_WIDE_RUN)
            continue;
        if (a->receiving && rows[0].session == a->manifest.session)
            continue;
        if (t->rig.alive)
            (void)area_fetch(a, t->campaign);
    }
}

static void reports(struct story *t)
{
    for (unsigned i = 0; i < 4 && t->rig.alive; i++) {
        struct area *a = &t->gw[i / 3];
        struct peer_device *d = &t->devices[i];
        if ((i == 1 && t->revoked) || !area_done(a) || peer_key(d, 1) == NULL)
            continue;
        if (area_open_object(a, &peer_key(d, 1)->key, t->opened) != 0)
            continue;
        assert_memory_equal(t->opened, t->plain, FLEET_SIZE);
        (void)rig_report(&t->rig, i / 3 + 1, t->campaign, t->digest,
                         t->revoked ? 15 : 3, 0, (uint16_t)(i % 3),
                         &fleet_names[i], 1);
    }
}

static bool story_step(struct story *t, struct mu_campaign_view *v)
{
    struct mu_push push = rig_push("all", FLEET_SIZE);
    struct mu_server *s = &t->rig.server;
    power(t);
    if (!t->rig.alive)
        return false;
    rig_run(&t->rig, MU_MS(300));
    if (!t->rig.alive || !registry(t))
        return false;
    links(t);
    if (!t->rig.alive || !t->linked)
        return false;
    keys(t);
    if (!t->rig.alive)
        return false;
    if (mu_server_campaign_get(s, t->campaign, v) == MU_ERR_NOT_FOUND) {
        if (rig_find(&t->rig, t->campaign, 1) == NULL)
            rig_plain(&t->rig, t->campaign, t->plain, FLEET_SIZE);
        if (mu_server_push(s, t->campaign, &push) != 0)
            return false;
        rig_drain(&t->rig);
    }
    rig_run(&t->rig, MU_MS(300));
    fetch(t);
    areas_run(&t->areas, MU_SECONDS(5));
    if (!t->rig.alive || mu_server_campaign_get(s, t->campaign, v) != 0)
        return false;
    if (!t->revoked && v->phase == MU_CAMPAIGN_RUNNING && area_done(t->gw)) {
        int rc = mu_server_device_revoke(s, rig_id("a1"));
        t->revoked = rc == 0 && wished(t, rc);
        return false;
    }
    reports(t);
    return t->rig.alive &&
           mu_server_campaign_get(s, t->campaign, v) == 0 &&
           v->phase >= MU_CAMPAIGN_DONE;
}

static struct story *story_open(void)
{
    struct story *t = calloc(1, sizeof *t);
    struct mu_bytes all = MU_BYTES(t->plain);
    assert_non_null(t);
    memcpy(t->campaign, "campaign", MU_CAMPAIGN_ID);
    rig_open(&t->rig);
    for (unsigned i = 0; i < FLEET_SIZE; i++)
        t->plain[i] = (uint8_t)(i * 5 + i / 251);
    mu_sha256(&t->rig.crypto, &all, 1, t->digest);
    for (unsigned i = 0; i < 4; i++)
        peer_device_init(&t->rig, &t->devices[i], fleet_names[i], gateways[i],
                         i / 3 + 1);
    area_open(&t->areas, &t->gw[0], &t->rig, 1, "gw-1");
    area_open(&t->areas, &t->gw[1], &t->rig, 2, "gw-2");
    return t;
}

static void story_close(struct story *t)
{
    area_close(&t->gw[0]);
    area_close(&t->gw[1]);
    if (!t->rig.alive)
        assert_int_equal(rig_restart(&t->rig), 0);
    rig_close(&t->rig);
    free(t);
}

/* The story with one power cut; how many writes and commits it took. */
static void story(uint64_t crash_at, uint64_t crash_commit, uint64_t *stores,
                  uint64_t *commits)
{
    struct story *t = story_open();
    struct mu_campaign_view v = {.phase = MU_CAMPAIGN_PREPARING};
    struct mu_group_view g;
    struct mu_key_view k;
    struct mu_kid after = {.kind = MU_KEY_NONE};
    unsigned steps = 0;
    t->rig.crash_at = crash_at != 0 ? t->rig.stores + crash_at : 0;
    t->rig.crash_commit = crash_commit != 0 ? t->rig.commits + crash_commit
                                            : 0;
    *stores = t->rig.stores;
    *commits = t->rig.commits;
    while (!story_step(t, &v))
        if (++steps == 60)
            fail_msg("cut at write %u or commit %u: stuck\n%s",
                     (unsigned)crash_at, (unsigned)crash_commit,
                     t->rig.trace);
    assert_int_equal(v.phase, MU_CAMPAIGN_DONE);
    assert_int_equal(v.running, 3);
    assert_int_equal(v.members, 4);
    assert_int_equal(v.revoked, 1);
    assert_true(v.edition >= 1 || crash_at != 0 || crash_commit != 0);
    rig_run(&t->rig, MU_SECONDS(1));
    if (t->rig.alive) {
        assert_int_equal(mu_server_group_next(&t->rig.server, 0, &g), 0);
        assert_int_equal(g.members, 3);
        /* No content key outlives its campaign. */
        while (mu_server_key_next(&t->rig.server, &after, &k) == 0) {
            after = k.kid;
            assert_int_not_equal(k.kid.kind, MU_KEY_CEK);
        }
        assert_null(rig_find(&t->rig, t->campaign, 0));
    }
    *stores = t->rig.stores - *stores;
    *commits = t->rig.commits - *commits;
    story_close(t);
}

static void test_no_cut(void **state)
{
    (void)state;
    uint64_t stores, commits;
    story(0, 0, &stores, &commits);
    assert_true(stores > 50);
}

static void test_cut_at_each_write(void **state)
{
    (void)state;
    uint64_t stores, commits, n;
    story(0, 0, &stores, &commits);
    for (n = 1; n <= stores; n++) {
        uint64_t s, c;
        story(n, 0, &s, &c);
    }
}


static void test_cut_at_each_commit(void **state)
{
    (void)state;
    uint64_t stores, commits, n;
    story(0, 0, &stores, &commits);
    for (n = 1; n <= commits; n++) {
        uint64_t s, c;
        story(0, n, &s, &c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_cut),
        cmocka_unit_test(test_cut_at_each_write),
        cmocka_unit_test(test_cut_at_each_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
