/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns from the wish to the end, with gateways that really receive. */
#include "fleet.h"

#include "muster/device.h"
#include "node/server_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL_STATES 0x0f

static void run_all(struct fleet *f)
{
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
}

static unsigned keys_of(struct fleet *f, uint8_t kind)
{
    struct mu_kid after = {.kind = MU_KEY_NONE};
    struct mu_key_view k;
    unsigned n = 0;
    while (mu_server_key_next(&f->rig.server, &after, &k) == 0) {
        after = k.kid;
        n += k.kid.kind == kind;
    }
    return n;
}

static void test_whole(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_wide_camp_row rows[8];
    fleet_link(f);
    f->gw[0].loss = f->gw[1].loss = 10;
    fleet_push(f);
    /* Both are told, both find it in the list and fetch it. */
    rig_run(&f->rig, MU_MS(100));
    assert_non_null(rig_asked(&f->rig, 1, "n"));
    assert_non_null(rig_asked(&f->rig, 2, "n"));
    for (unsigned g = 0; g < 2; g++) {
        assert_int_equal(area_list(&f->gw[g], rows), 1);
        assert_memory_equal(rows[0].campaign, f->campaign, MU_CAMPAIGN_ID);
        assert_int_equal(rows[0].command, MU_WIDE_RUN);
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
        assert_int_equal(rows[0].session, f->gw[g].manifest.session);
    }
    assert_int_equal(f->gw[0].campaign.members.len, 1);
    assert_int_equal(f->gw[0].campaign.members.data[0], 7);
    assert_int_equal(f->gw[1].campaign.members.data[0], 1);
    assert_false(mu_secret_is_set(&f->gw[0].campaign.kb));
    assert_memory_equal(f->gw[0].manifest.digest, f->digest, 32);
    areas_run(&f->areas, MU_SECONDS(60));
    for (unsigned g = 0; g < 2; g++) {
        assert_true(area_done(&f->gw[g]));
        assert_int_equal(area_open_object(&f->gw[g], fleet_key(f, g * 3),
                                          f->opened), 0);
        assert_memory_equal(f->opened, f->plain, FLEET_SIZE);
    }
    assert_int_equal(fleet_view(f).members, 4);
    assert_int_equal(fleet_view(f).received, 0);
    struct mu_campaign_view v = fleet_view(f);
    const struct mu_cast_counts wide = v.wide;
    assert_true(wide.data > 0 && wide.repair > 0 && wide.bytes > FLEET_SIZE);
    assert_int_equal(keys_of(f, MU_KEY_CEK), 1);
    run_all(f);
    v = fleet_view(f);
    assert_int_equal(v.phase, MU_CAMPAIGN_DONE);
    assert_int_equal(v.running, 4);
    assert_int_equal(v.verified, 4);
    assert_int_equal(v.failed, 0);
    assert_string_equal(v.name, "lamp");
    assert_string_equal(v.group_name, "all");
    assert_memory_equal(v.digest, f->digest, 32);
    /* Nothing of it is left but the record. */
    rig_run(&f->rig, MU_SECONDS(1));
    assert_null(rig_find(&f->rig, f->campaign, 0));
    assert_null(rig_find(&f->rig, f->campaign, 1));
    assert_int_equal(keys_of(f, MU_KEY_CEK), 0);
    assert_int_equal(area_list(&f->gw[0], rows), 0);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), MU_COAP_NOT_FOUND);
    /* What it took is still known, the server's part and no area of its own. */
    for (int i = 0; i < 2; i++) {
        struct mu_area_view area;
        v = fleet_view(f);
        assert_int_equal(v.phase, MU_CAMPAIGN_DONE);
        assert_int_equal(v.running, 4);
        assert_int_equal(v.wide.data, wide.data);
        assert_int_equal(v.wide.parity, wide.parity);
        assert_int_equal(v.wide.repair, wide.repair);
        assert_true(v.wide.bytes >= wide.bytes);
        assert_int_equal(mu_server_area_next(&f->rig.server, f->campaign, 0,
                                             &area), MU_ERR_NOT_FOUND);
        assert_int_equal(rig_restart(&f->rig), 0);
    }
    assert_int_equal(fleet_target(f, 3).state, ALL_STATES);
    fleet_close(f);
}

/* One that is away in the beginning; one that restarts in the middle. */
static void test_late_gateway(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    rig_unlink(&f->rig, 2);
    f->gw[0].loss = 5;
    fleet_push(f);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
    rig_run(&f->rig, MU_SECONDS(5));
    uint64_t before = f->rig.packets;
    rig_run(&f->rig, MU_SECONDS(60));
    /* Who has everything costs nothing more. */
    assert_true(f->rig.packets - before < 10);
    area_link(&f->gw[1]);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(120));
    assert_true(area_done(&f->gw[1]));
    assert_int_equal(area_open_object(&f->gw[1], fleet_key(f, 3), f->opened),
                     0);
    fleet_close(f);
}

/* Nobody at all when it starts. */
static void test_no_gateway(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_push(f);
    rig_run(&f->rig, MU_SECONDS(20));
    assert_int_equal(f->rig.packets, 0);
    area_link(&f->gw[0]);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
    fleet_close(f);
}

static void test_refusals(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_server *s = &f->rig.server;
    uint8_t id[MU_CAMPAIGN_ID] = {1};
    struct mu_push push = rig_push("nobody", FLEET_SIZE);
    uint32_t number;
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_group_create(s, rig_id("empty"), 0, &number),
                     0);
    rig_drain(&f->rig);
    push = rig_push("empty", FLEET_SIZE);
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_USAGE);
    push = rig_push("all", 0);
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_USAGE);
    push = rig_push("all", FLEET_SIZE);
    push.name = rig_id("");
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_USAGE);
    push = rig_push("all", FLEET_SIZE);
    push.quorum_permille = 1001;
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_USAGE);
    push = rig_push("all", FLEET_SIZE);
    push.shape = (struct mu_cast_shape){20, 16, 4, 8};
    assert_int_not_equal(mu_server_push(s, id, &push), 0);
    push = rig_push("all", UINT64_C(1) << 40);
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_TOO_LARGE);
    assert_int_equal(mu_server_cancel(s, id), MU_ERR_NOT_FOUND);
    struct mu_campaign_view v;
    assert_int_equal(mu_server_campaign_next(s, 0, &v), MU_ERR_NOT_FOUND);
    /* As many at once as were asked for, and no more. */
    for (uint8_t i = 1; i <= 4; i++) {
        id[0] = i;
        push = rig_push("all", FLEET_SIZE);
        rig_plain(&f->rig, id, f->plain, FLEET_SIZE);
        assert_int_equal(mu_server_push(s, id, &push),
                         i <= 3 ? 0 : MU_ERR_FULL);
        rig_drain(&f->rig);
    }
    id[0] = 1;
    assert_int_equal(mu_server_push(s, id, &push), MU_ERR_CONFLICT);
    rig_run(&f->rig, MU_SECONDS(1));
    uint64_t after = 0;
    uint8_t sessions[3];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(mu_server_campaign_next(s, after, &v), 0);
        assert_true(v.number > after);
        after = v.number;
        sessions[i] = mu_srv_campaign_find(s, v.campaign)->rec.session;
    }
    assert_true(sessions[0] != sessions[1] && sessions[1] != sessions[2] &&
                sessions[0] != sessions[2]);
    fleet_close(f);
}

static void connect_with(struct fleet *f, unsigned i, uint64_t object_max,
                         uint64_t page_memory)
{
    f->devices[i].capability.object_max = object_max;
    f->devices[i].capability.page_memory = page_memory;
    assert_int_equal(peer_connect(&f->rig, &f->devices[i]), MU_COAP_CHANGED);
    (void)fleet_key(f, i);
}

static void test_too_large(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_push push = rig_push("all", FLEET_SIZE);
    fleet_link(f);
    /* All too small: refused before anything is sent. */
    for (unsigned i = 0; i < 4; i++)
        connect_with(f, i, FLEET_SIZE - 1, 65536);
    assert_int_equal(mu_server_push(&f->rig.server, f->campaign, &push),
                     MU_ERR_TOO_LARGE);
    /* One of them: it is known to have failed, the others get it. */
    for (unsigned i = 1; i < 4; i++)
        connect_with(f, i, FLEET_SIZE, 65536);
    push.quorum_permille = 750;
    fleet_push_as(f, &push);
    assert_int_equal(fleet_view(f).failed, 1);
    assert_int_equal(fleet_target(f, 0).state, MU_STATE_FAILED);
    assert_int_equal(fleet_target(f, 0).reason, -MU_ERR_TOO_LARGE);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_int_equal(f->gw[0].campaign.members.data[0], 6);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_QUORUM);
    fleet_close(f);
}

static void test_page_memory(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    struct mu_push push = rig_push("all", FLEET_SIZE);
    push.shape = (struct mu_cast_shape){256, 32, 8, 8};
    connect_with(f, 1, FLEET_SIZE, 6000);
    connect_with(f, 2, FLEET_SIZE, 500);
    fleet_push_as(f, &push);
    struct mu_cast_shape cut = fleet_view(f).shape;
    assert_true(cut.page_data < 32 && cut.page_data >= 16);
    assert_true(cut.page_parity >= 1);
    assert_true(mu_device_shape_memory(&cut) <= 6000);
    cut.page_data++;
    assert_true(mu_device_shape_memory(&cut) > 6000 - 300);
    assert_int_equal(fleet_target(f, 2).reason, -MU_ERR_TOO_LARGE);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_int_equal(area_open_object(&f->gw[0], fleet_key(f, 1), f->opened),
                     0);
    fleet_close(f);
}

static void test_pause(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_wide_camp_row rows[8];
    struct mu_server *s = &f->rig.server;
    f->rig.conf.wide_rate = 20000;
    fleet_link(f);
    s->conf.wide_rate = 20000; /* slow enough to be caught in the middle */
    fleet_push(f);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    areas_run(&f->areas, MU_MS(400));
    assert_false(area_done(&f->gw[0]));
    assert_int_equal(mu_server_pause(s, f->campaign), 0);
    rig_drain(&f->rig);
    uint64_t before = f->rig.packets;
    assert_true(before > 0);
    areas_run(&f->areas, MU_SECONDS(5));
    assert_int_equal(f->rig.packets, before);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_PAUSED);
    assert_int_equal(area_list(&f->gw[0], rows), 1);
    assert_int_equal(rows[0].command, MU_WIDE_PAUSE);
    /* It is still paused after a restart. */
    assert_int_equal(rig_restart(&f->rig), 0);
    area_link(&f->gw[0]);
    area_link(&f->gw[1]);
    areas_run(&f->areas, MU_SECONDS(5));
    assert_int_equal(f->rig.packets, before);
    assert_int_equal(mu_server_resume(s, f->campaign), 0);
    rig_drain(&f->rig);
    areas_run(&f->areas, MU_SECONDS(60));
    assert_true(area_done(&f->gw[0]));
    assert_true(area_done(&f->gw[1]));
    fleet_close(f);
}

static void test_cancel(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_wide_camp_row rows[8];
    struct mu_server *s = &f->rig.server;
    struct mu_signer signer = {.alg = s->signer.alg,
                               .pub_len = s->signer.pub_len};
    enum mu_announce_kind kind;
    struct mu_manifest m;
    memcpy(signer.pub, s->signer.pub, signer.pub_len);
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(mu_server_cancel(s, f->campaign), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    for (unsigned life = 0; life < 2; life++) {
        assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_CANCELLED);
        assert_int_equal(area_list(&f->gw[0], rows), 1);
        assert_int_equal(rows[0].command, MU_WIDE_CANCEL);
        assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
        assert_int_equal(mu_announce_consume(&f->rig.crypto, &signer, NULL,
                                             f->gw[0].campaign.cancel, &kind,
                                             &m), 0);
        assert_int_equal(kind, MU_ANNOUNCE_CANCEL);
        assert_memory_equal(m.campaign, f->campaign, MU_CAMPAIGN_ID);
        assert_null(rig_find(&f->rig, f->campaign, 0));
        assert_int_equal(mu_server_cancel(s, f->campaign),
                         MU_ERR_UNEXPECTED);
        assert_int_equal(rig_restart(&f->rig), 0);
        area_link(&f->gw[0]);
        /* Its key is kept as long as somebody may ask for it. */
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(mu_server_group_rotate(s, rig_id("all")), 0);
            rig_drain(&f->rig);
            rig_run(&f->rig, MU_SECONDS(2));
        }
    }
    /* Not for ever. */
    rig_run(&f->rig, MU_SECONDS(700));
    assert_int_equal(area_list(&f->gw[0], rows), 0);
    assert_int_equal(f->rig.packets, 0);
    fleet_close(f);
}

static void test_deadline(void **state)
{
    (void)state;
    for (unsigned reached = 2; reached <= 3; reached++) {
        struct fleet *f = fleet_open(0);
        struct mu_push push = rig_push("all", FLEET_SIZE);
        push.quorum_permille = 750;
        push.deadline_s = 100;
        fleet_link(f);
        fleet_push_as(f, &push);
        for (unsigned i = 0; i < reached; i++)
            assert_int_equal(fleet_report(f, i, ALL_STATES, 0),
                             MU_COAP_CHANGED);
        rig_run(&f->rig, MU_SECONDS(60));
        assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
        /* Time that the server is off does not count; what passed does. */
        assert_int_equal(rig_restart(&f->rig), 0);
        f->rig.now += MU_SECONDS(86400 * 365);
        rig_restart(&f->rig);
        rig_run(&f->rig, MU_SECONDS(30));
        assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
        assert_in_range(fleet_view(f).elapsed_s, 85, 95);
        rig_run(&f->rig, MU_SECONDS(20));
        assert_int_equal(fleet_view(f).phase, reached == 3
                                                  ? MU_CAMPAIGN_QUORUM
                                                  : MU_CAMPAIGN_FAILED);
        assert_int_equal(fleet_view(f).running, reached);
        fleet_close(f);
    }
}

/* Who cannot succeed any more is not waited for. */
static void test_all_settled(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(fleet_report(f, 0, 0x83, 15), MU_COAP_CHANGED);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_FAILED);
    assert_int_equal(fleet_view(f).running, 3);
    assert_int_equal(fleet_target(f, 0).state, 0x83);
    assert_int_equal(fleet_target(f, 0).reason, 15);
    fleet_close(f);
}

/* Nothing leaves while a write is under way that it may depend on. */
static void test_writes_hold_packets(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    f->rig.server.conf.wide_rate = 20000;
    fleet_push(f);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    areas_run(&f->areas, MU_MS(200));
    f->rig.hold = true;
    rig_device_add(&f->rig, "late", "gw-1");
    uint64_t before = f->rig.packets;
    areas_run(&f->areas, MU_SECONDS(2));
    assert_int_equal(f->rig.packets, before);
    f->rig.hold = false;
    rig_drain(&f->rig);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
    fleet_close(f);
}

/* ---- editions --------------------------------------------------------------- */

static void test_revoke_in_the_middle(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_wide_camp_row rows[8];
    struct mu_secret old;
    fleet_link(f);
    fleet_push(f);
    old = *fleet_key(f, 1);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    uint8_t session = f->gw[0].manifest.session;
    uint64_t generation = f->gw[0].manifest.kid.generation;
    assert_int_equal(f->gw[0].manifest.edition, 0);
    assert_int_equal(fleet_report(f, 0, 3, 0), MU_COAP_CHANGED);
    assert_int_equal(mu_server_device_revoke(&f->rig.server, rig_id("a1")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(fleet_view(f).edition, 1);
    assert_int_equal(fleet_view(f).revoked, 1);
    assert_int_equal(fleet_view(f).received, 1); /* known states stay */
    assert_true(fleet_target(f, 1).revoked);
    for (unsigned g = 0; g < 2; g++) {
        assert_int_equal(area_list(&f->gw[g], rows), 1);
        assert_int_not_equal(rows[0].session, session);
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
        assert_int_equal(f->gw[g].manifest.session, rows[0].session);
        assert_int_equal(f->gw[g].manifest.edition, 1);
        assert_true(f->gw[g].manifest.kid.generation > generation);
        assert_memory_equal(f->gw[g].manifest.digest, f->digest, 32);
    }
    assert_int_equal(f->gw[0].campaign.members.data[0], 5);
    areas_run(&f->areas, MU_SECONDS(30));
    /* What the leaver holds opens nothing; what members fetch does. */
    assert_int_not_equal(area_open_object(&f->gw[0], &old, f->opened), 0);
    assert_int_equal(area_open_object(&f->gw[0], fleet_key(f, 2), f->opened),
                     0);
    assert_int_equal(keys_of(f, MU_KEY_CEK), 1);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            assert_int_equal(fleet_report(f, i, ALL_STATES, 0),
                             MU_COAP_CHANGED);
    struct mu_campaign_view v = fleet_view(f);
    assert_int_equal(v.phase, MU_CAMPAIGN_DONE);
    assert_int_equal(v.running, 3);
    assert_int_equal(v.members - v.revoked, 3);
    fleet_close(f);
}

static struct mu_group_view group(struct fleet *f)
{
    struct mu_group_view v;
    assert_int_equal(mu_server_group_next(&f->rig.server, 0, &v), 0);
    return v;
}

/* One who was away comes for the key of what is on the air, a joiner does not
 * get it, and the campaign goes on as it was. */
static void test_join_in_the_middle(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct peer_device joiner;
    fleet_link(f);
    fleet_push(f);
    uint64_t generation = group(f).generation;
    rig_device_add(&f->rig, "joiner", "gw-1");
    assert_int_equal(mu_server_group_add(&f->rig.server, rig_id("all"),
                                         rig_id("joiner")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(5));
    peer_device_init(&f->rig, &joiner, "joiner", "gw-1", 1);
    assert_int_equal(peer_connect(&f->rig, &joiner), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(&f->rig, &joiner, 1, 0), MU_COAP_CHANGED);
    assert_null(peer_key(&joiner, 1));
    assert_non_null(fleet_key(f, 2));
    assert_int_equal(peer_key(&f->devices[2], 1)->kid.generation, generation);
    assert_int_equal(fleet_view(f).edition, 0);
    assert_int_equal(fleet_view(f).members, 5); /* its turn comes later */
    /* A second campaign cannot wait: new key, and the first one follows. */
    f->campaign[0] ^= 1;
    fleet_push(f);
    f->campaign[0] ^= 1;
    assert_true(group(f).generation > generation);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(fleet_view(f).edition, 1);
    assert_int_equal(peer_fetch(&f->rig, &joiner, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&joiner, 1));
    fleet_close(f);
}

/* One who has received it, or a campaign that does not ask for it: no. */
static void test_no_edition(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_push push = rig_push("all", FLEET_SIZE);
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(fleet_report(f, 1, 1, 0), MU_COAP_CHANGED);
    assert_int_equal(mu_server_device_revoke(&f->rig.server, rig_id("a1")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).edition, 0);
    /* Its key waits for the end of what is on the air under it. */
    uint64_t generation = group(f).generation;
    assert_int_equal(mu_server_cancel(&f->rig.server, f->campaign), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_true(group(f).generation > generation);
    f->campaign[0] ^= 1;
    push.rekey_on_revoke = false;
    fleet_push_as(f, &push);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(mu_server_group_remove(&f->rig.server, rig_id("all"),
                                            rig_id("a2")), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).edition, 0);
    assert_true(fleet_target(f, 2).revoked);
    fleet_close(f);
}

/* The last one leaves: there is nothing to wait for. */
static void test_everybody_revoked(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    fleet_push(f);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(mu_server_device_revoke(&f->rig.server,
                                                 rig_id(fleet_names[i])), 0);
        rig_drain(&f->rig);
    }
    rig_run(&f->rig, MU_SECONDS(2));
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_FAILED);
    fleet_close(f);
}

/* ---- who gets the key of a group -------------------------------------------- */

static void test_modes(void **state)
{
    (void)state;
    for (uint8_t mode = 1; mode <= 2; mode++) {
        struct fleet *f = fleet_open(mode);
        fleet_link(f);
        /* Under option 1 no device gets it, under option 2 it may. */
        assert_int_equal(fleet_key(f, 0) != NULL, mode == 2);
        assert_int_equal(mu_server_group_remove(&f->rig.server, rig_id("all"),
                                                rig_id("b0")), 0);
        rig_drain(&f->rig);
        fleet_push(f);
        assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
        assert_int_equal(f->gw[0].campaign.mode, mode);
        assert_true(mu_secret_is_set(&f->gw[0].campaign.kb));
        /* A gateway without members gets nothing. */
        assert_int_equal(area_fetch(&f->gw[1], f->campaign),
                         MU_COAP_NOT_FOUND);
        struct mu_wide_camp_row rows[8];
        assert_int_equal(area_list(&f->gw[1], rows), 0);
        struct mu_secret kb = f->gw[0].campaign.kb;
        areas_run(&f->areas, MU_SECONDS(30));
        assert_int_equal(area_open_object(&f->gw[0], &kb, f->opened), 0);
        fleet_close(f);
    }
}

/* ---- restarts and trouble ---------------------------------------------------- */

static void test_restart_while_sending(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    f->rig.conf.wide_rate = 20000;
    assert_int_equal(rig_restart(&f->rig), 0);
    fleet_link(f);
    f->gw[0].loss = f->gw[1].loss = 5;
    fleet_push(f);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    areas_run(&f->areas, MU_MS(500));
    assert_false(area_done(&f->gw[0]));
    uint64_t before = f->rig.packets;
    assert_int_equal(rig_restart(&f->rig), 0);
    for (unsigned g = 0; g < 2; g++)
        area_link(&f->gw[g]);
    areas_run(&f->areas, MU_SECONDS(60));
    /* They did not fetch again, and most was not sent again. */
    assert_true(area_done(&f->gw[0]));
    assert_true(area_done(&f->gw[1]));
    assert_true(f->rig.packets - before < 90);
    assert_false(rig_traced(&f->rig, "prepared-lost"));
    fleet_close(f);
}

static void test_prepared_lost(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    fleet_push(f);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    struct rig_object *o = rig_find(&f->rig, f->campaign, 0);
    memset(o->bytes, 0, o->len);
    assert_int_equal(rig_restart(&f->rig), 0);
    area_link(&f->gw[0]);
    area_link(&f->gw[1]);
    areas_run(&f->areas, MU_SECONDS(30));
    /* Made again under the same key: the manifest that is out still holds. */
    assert_true(rig_traced(&f->rig, "prepared-lost"));
    assert_int_equal(fleet_view(f).edition, 0);
    assert_true(area_done(&f->gw[0]));
    fleet_close(f);
}

/* No answer as long as it could not be stored: the gateway tells it again. */
static void fleet_report_till_stored(struct fleet *f, unsigned device)
{
    for (unsigned tries = 0; tries < 4; tries++)
        if (fleet_report(f, device, ALL_STATES, 0) == MU_COAP_CHANGED)
            return;
    fail();
}

/* The disk is full, at any commit: it goes on when there is room again. */
static void test_disk_full(void **state)
{
    (void)state;
    for (int skip = 0; skip < 12; skip++) {
        struct fleet *f = fleet_open(0);
        struct mu_push push = rig_push("all", FLEET_SIZE);
        int rc;
        fleet_link(f);
        rig_plain(&f->rig, f->campaign, f->plain, FLEET_SIZE);
        f->rig.fail_after = skip;
        f->rig.fail_commits = 3;
        rc = mu_server_push(&f->rig.server, f->campaign, &push);
        assert_int_equal(rc, 0);
        rig_drain(&f->rig);
        rig_run(&f->rig, MU_SECONDS(10));
        /* The wish itself was lost, and its owner was told. */
        struct mu_campaign_view v;
        if (mu_server_campaign_get(&f->rig.server, f->campaign, &v) != 0) {
            assert_int_equal(skip, 0);
            fleet_push(f);
        }
        rig_run(&f->rig, MU_SECONDS(10));
        for (unsigned g = 0; g < 2; g++)
            assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
        areas_run(&f->areas, MU_SECONDS(30));
        for (unsigned g = 0; g < 2; g++)
            assert_true(area_done(&f->gw[g]));
        for (unsigned i = 0; i < 4; i++)
            fleet_report_till_stored(f, i);
        assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
        fleet_close(f);
    }
}

/* ...and the store cannot be read for a while either. */
static void test_store_away(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    struct mu_event ev = {.kind = MU_EV_TIMER};
    fleet_link(f);
    fleet_push(f);
    f->rig.fail_commits = 1;
    f->rig.fail_after = 0;
    f->rig.fail_reads = 5;
    rig_device_add(&f->rig, "late", "gw-1");
    assert_int_equal(f->rig.server.failed, MU_ERR_IO);
    assert_int_equal(mu_server_step(&f->rig.server, &ev), MU_ERR_IO);
    assert_int_equal(mu_server_pause(&f->rig.server, f->campaign), MU_ERR_IO);
    for (unsigned i = 0; i < 10; i++) {
        ev.now = f->rig.now += MU_SECONDS(1);
        int rc = mu_server_step(&f->rig.server, &ev);
        assert_true(rc == 0 || rc == MU_ERR_IO);
        rig_drain(&f->rig);
    }
    assert_int_equal(f->rig.server.failed, 0);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
    fleet_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_late_gateway),
        cmocka_unit_test(test_no_gateway),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_page_memory),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_writes_hold_packets),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_all_settled),
        cmocka_unit_test(test_revoke_in_the_middle),
        cmocka_unit_test(test_join_in_the_middle),
        cmocka_unit_test(test_no_edition),
        cmocka_unit_test(test_everybody_revoked),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_restart_while_sending),
        cmocka_unit_test(test_prepared_lost),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_store_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
