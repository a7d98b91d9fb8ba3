/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with a group that has a scheme: old copies, damage, changes
 * while a rekey is made, a store that fails, devices without memory, forged
 * acknowledgements.
 */
#include "band.h"

#include <stdlib.h>
#include <string.h>

static struct band *band_ready(const char *name, unsigned n, unsigned in)
{
    struct band *b = band_open(n);
    struct mu_group_scheme scheme = band_scheme(name);
    band_group(b, &scheme, in);
    band_rekey(b);
    band_check(b);
    return b;
}

/* ---- the store --------------------------------------------------------------- */

/* Spoils the records of a table whose key has this byte at `at`. */
static unsigned spoil(struct rig *r, uint8_t table, size_t at, char byte)
{
    static const uint8_t junk[] = {9, 9, 9};
    struct rig_copy *c = malloc(sizeof *c);
    unsigned n = 0;
    assert_non_null(c);
    rig_copy_take(r, c);
    for (unsigned i = 0; i < c->len; i++) {
        if (c->rows[i].table != table || c->rows[i].key_len <= at ||
            c->rows[i].key[at] != (uint8_t)byte)
            continue;
        assert_int_equal(
            r->store.put(r->store.ctx, table,
                         mu_bytes(c->rows[i].key, c->rows[i].key_len),
                         MU_BYTES(junk)), 0);
        n++;
    }
    assert_int_equal(r->store.commit(r->store.ctx), 0);
    free(c);
    return n;
}

/* ---- an old copy is put back ------------------------------------------------- */

static void test_old_copy(void **state)
{
    (void)state;
    static const char *const names[] = {"sd", "lkh", "cluster"};
    for (size_t k = 0; k < 3; k++) {
        struct rig_copy *c = malloc(sizeof *c);
        struct band *b = band_ready(names[k], 9, 8);
        uint64_t last;
        assert_non_null(c);
        rig_copy_take(&b->rig, c);
        assert_int_equal(band_leave(b, 1), 0);
        band_rekey(b);
        assert_int_equal(band_join(b, 8), 0);
        band_rekey(b);
        band_check(b);
        last = band_view(b).generation;
        /* Of all that, the copy knows nothing. */
        mu_server_clear(&b->rig.server);
        b->rig.alive = false;
        free(b->rig.work);
        b->rig.work = NULL;
        rig_copy_put_back(&b->rig, c);
        free(c);
        b->rig.tickets_len = 0;
        b->rig.sends_len = 0;
        b->rig.barrier = false;
        b->souls[1].in = true;
        b->souls[8].in = false;
        band_power(b);
        for (unsigned i = 0; i < 8; i++)
            b->souls[i].asking = true;
        band_rekey(b);
        band_rekey(b);
        band_check(b);
        /* The newcomer's place is not given to anybody: there are new trees. */
        assert_true(band_view(b).base > last);
        band_close(b);
    }
}

/* ---- damage ------------------------------------------------------------------ */

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        uint8_t table;
        size_t at;
        char byte;
    } what[] = {
        {MU_TABLE_SCHEME, 4, 'c'}, /* the trees */
        {MU_TABLE_SCHEME, 4, 's'}, /* the scheme's record */
        {MU_TABLE_SCHEME, 4, 'k'}, /* the map of the trees */
        {MU_TABLE_SCHEME, 4, 'r'}, /* who is a member where */
        {MU_TABLE_SCHEME, 4, 'a'}, /* and how many */
        {MU_TABLE_SCHEME, 4, 'o'}, /* the changes */
    };
    for (size_t k = 0; k < sizeof what / sizeof what[0]; k++) {
        struct band *b = band_ready("sd", 9, 8);
        uint64_t base = band_view(b).base;
        if (what[k].byte != 'o') {
            assert_true(spoil(&b->rig, what[k].table, what[k].at,
                              what[k].byte) > 0);
            assert_int_equal(rig_restart(&b->rig), 0);
            b->linked = false;
            band_power(b);
        }
        assert_int_equal(band_leave(b, 2), 0);
        if (what[k].byte == 'o')
            assert_int_equal(spoil(&b->rig, what[k].table, what[k].at,
                                   what[k].byte), 1);
        band_rekey(b);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).base != base);
        assert_int_equal(band_view(b).scheme, MU_SCHEME_SD);
        band_close(b);
    }
}

/* The record of a member: nothing is wrong for the others until it leaves, or
 * wants a state. */
static void test_damaged_member(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        struct band *b = band_ready("sd", 9, 8);
        uint64_t base = band_view(b).base;
        assert_true(spoil(&b->rig, MU_TABLE_MEMBER, 6, '3') > 0);
        assert_int_equal(rig_restart(&b->rig), 0);
        b->linked = false;
        band_power(b);
        assert_int_equal(band_leave(b, 2), 0);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).base == base);
        if (k == 0) {
            assert_int_equal(band_leave(b, 3), 0);
        } else {
            b->souls[3].state_len = 0;
            soul_fetch(b, &b->souls[3]);
            assert_int_equal(b->souls[3].state_len, 0);
        }
        band_rekey(b);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).base != base);
        assert_true(k == 0 || b->souls[3].state_len != 0);
        band_close(b);
    }
}

/* A member that has lost its state finds the trees damaged. */
static void test_damaged_fetch(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 6, 6);
    uint64_t base = band_view(b).base;
    assert_true(spoil(&b->rig, MU_TABLE_SCHEME, 4, 'c') > 0);
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    b->souls[0].state_len = 0;
    soul_fetch(b, &b->souls[0]);
    assert_int_equal(b->souls[0].state_len, 0);
    band_rekey(b);
    band_rekey(b);
    band_check(b);
    assert_true(band_view(b).base != base);
    assert_true(b->souls[0].state_len != 0);
    band_close(b);
}

/* The operator leaves less memory than the trees take: every key is fetched. */
static void test_less_memory(void **state)
{
    (void)state;
    struct band *b = band_ready("lkh", 12, 12);
    b->rig.conf.scheme_mem = 64;
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    assert_int_equal(band_leave(b, 2), 0);
    band_rekey(b);
    band_check(b);
    assert_int_equal(band_view(b).scheme, MU_SCHEME_UNICAST);
    assert_true(rig_traced(&b->rig, "trees-too-large"));
    b->rig.conf.scheme_mem = 32768;
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    assert_int_equal(band_leave(b, 3), 0);
    band_rekey(b);
    band_check(b);
    assert_int_equal(band_view(b).scheme, MU_SCHEME_LKH);
    band_close(b);
}

/* None at all: keys as in any group, and trees again when there is some. */
static void test_no_trees(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 10, 9);
    b->rig.conf.scheme_mem = 0;
    assert_int_equal(band_leave(b, 8), 0); /* in the making, then */
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    assert_int_equal(band_leave(b, 2), 0);
    assert_int_equal(band_join(b, 9), 0);
    band_rekey(b);
    band_check(b);
    b->rig.conf.scheme_mem = 32768;
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    assert_int_equal(band_leave(b, 3), 0);
    band_rekey(b);
    band_rekey(b);
    band_check(b);
    assert_true(b->souls[9].state_len != 0);
    band_close(b);
}

/* More groups than rekeys are brought at once; then the clock for all. */
static void test_many_groups(void **state)
{
    (void)state;
    struct band *b = band_open(2);
    struct mu_group_scheme scheme = band_scheme("sd");
    struct mu_server *s = &b->rig.server;
    struct mu_group_view v;
    uint64_t first[8];
    for (unsigned i = 0; i < 8; i++) {
        char name[8] = {'g', (char)('0' + i), 0};
        uint32_t n;
        assert_int_equal(mu_server_group_create_as(s, rig_id(name), 0, &scheme,
                                                   &n), 0);
        rig_drain(&b->rig);
        for (unsigned k = 0; k < 2; k++)
            assert_int_equal(mu_server_group_add(s, rig_id(name),
                                                 rig_id(k ? "m01" : "m00")),
                             0);
        rig_drain(&b->rig);
    }
    rig_run(&b->rig, MU_SECONDS(10));
    for (uint32_t n = 0; n < 8; n++) {
        assert_int_equal(mu_server_group_next(s, n, &v), 0);
        first[n] = v.generation;
        assert_true(v.generation != 0);
    }
    b->rig.conf.rekey_s = 300;
    assert_int_equal(rig_restart(&b->rig), 0);
    rig_run(&b->rig, MU_SECONDS(400));
    for (uint32_t n = 0; n < 8; n++) {
        assert_int_equal(mu_server_group_next(s, n, &v), 0);
        assert_true(v.generation > first[n]);
    }
    band_close(b);
}

/* Nothing that opens anything stands in the clear in the store. */
static void test_sealed(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 6, 6);
    struct rig_copy *c = malloc(sizeof *c);
    assert_non_null(c);
    assert_int_equal(band_leave(b, 3), 0);
    rig_run(&b->rig, MU_SECONDS(1));
    rig_copy_take(&b->rig, c);
    assert_int_equal(b->rig.server.trees.group, b->group);
    for (unsigned i = 0; i < c->len; i++) {
        const struct mu_secret *master = &b->rig.server.trees.scheme.conf.master;
        assert_int_equal(master->len, 32);
        assert_null(memmem(c->rows[i].value, c->rows[i].value_len,
                           master->bytes, 32));
        for (unsigned k = 0; k < 6; k++) {
            const struct soul *m = &b->souls[k];
            /* its own key, and the first label */
            assert_null(memmem(c->rows[i].value, c->rows[i].value_len,
                               m->state + 26, 16));
            assert_null(memmem(c->rows[i].value, c->rows[i].value_len,
                               m->state + 43, 16));
            for (unsigned n = 0; n < m->keys_len; n++)
                assert_null(memmem(c->rows[i].value, c->rows[i].value_len,
                                   m->keys[n], 32));
        }
    }
    free(c);
    band_rekey(b);
    band_check(b);
    band_close(b);
}

/* ---- while a rekey is made ---------------------------------------------------- */

/* One event, and what comes of it. */
static void nudge(struct band *b)
{
    struct mu_event ev = {.kind = MU_EV_TIMER};
    mu_time at = mu_server_deadline(&b->rig.server);
    if (at > b->rig.now && at != MU_TIME_NEVER &&
        at < b->rig.now + MU_SECONDS(2))
        b->rig.now = at;
    rig_event(&b->rig, &ev);
}

static void change(struct band *b, unsigned what)
{
    switch (what) {
    case 0: /* one more leaves */
        assert_int_equal(band_leave(b, 1), 0);
        break;
    case 1: /* the one whose joining is being covered */
        assert_int_equal(band_leave(b, 9), 0);
        break;
    case 2: /* one more comes */
        assert_int_equal(band_join(b, 10), 0);
        break;
    case 3: /* who left comes back, who came leaves and comes back */
        assert_int_equal(band_join(b, 2), 0);
        assert_int_equal(band_leave(b, 9), 0);
        assert_int_equal(band_join(b, 9), 0);
        break;
    case 4: /* all but one go */
        for (unsigned i = 1; i < 10; i++)
            if (b->souls[i].in)
                assert_int_equal(band_leave(b, i), 0);
        break;
    case 5: /* one is stolen */
        assert_int_equal(mu_server_device_revoke(&b->rig.server,
                                                 rig_id("m03")), 0);
        rig_drain(&b->rig);
        b->souls[3].in = false;
        break;
    default:
        assert_int_equal(
            mu_server_group_rotate(&b->rig.server, rig_id("all")), 0);
        rig_drain(&b->rig);
        break;
    }
}

static void test_meanwhile(void **state)
{
    (void)state;
    static const char *const names[] = {"sd", "lkh", "cluster"};
    bool seen[MU_REKEY_SWEEP + 1] = {false};
    for (unsigned k = 0; k < 3 * 7 * 2 * 11; k++) {
        const unsigned what = k / 3 % 7, when = k / 42;
        struct band *b = band_open(12);
        struct mu_group_scheme scheme = band_scheme(names[k % 3]);
        band_group(b, &scheme, 9);
        /* With the first key in the making, or with the second. */
        if (k / 21 % 2 != 0)
            band_rekey(b);
        assert_int_equal(band_leave(b, 2), 0);
        assert_int_equal(band_join(b, 9), 0);
        /* Reports of writes would take it further. */
        b->rig.hold = true;
        for (unsigned n = 0; n < when + 2; n++)
            nudge(b);
        seen[b->rig.server.rekey.c != NULL ? b->rig.server.rekey.step : 0] =
            true;
        change(b, what);
        b->rig.hold = false;
        rig_drain(&b->rig);
        band_rekey(b);
        band_rekey(b);
        band_check(b);
        band_close(b);
    }
    for (unsigned step = MU_REKEY_CLEAR; step <= MU_REKEY_SWEEP; step++)
        if (!seen[step] && step != MU_REKEY_HEAL) /* that takes damage */
            fail_msg("nothing came in step %u", step);
}

/* Writes fail: what was in the making begins again. */
static void test_failing_store(void **state)
{
    (void)state;
    for (int n = 0; n < 12; n++) {
        struct band *b = band_ready("sd", 8, 8);
        assert_int_equal(band_leave(b, 5), 0);
        b->rig.fail_after = n;
        b->rig.fail_commits = 2;
        band_rekey(b);
        b->rig.fail_commits = 0;
        for (unsigned i = 0; i < 8; i++)
            b->souls[i].asking = b->souls[i].in;
        band_rekey(b);
        band_check(b);
        band_close(b);
    }
}

/* ---- devices ------------------------------------------------------------------ */

/* Some have no memory for a state: they fetch, the others hear. */
static void test_no_memory(void **state)
{
    (void)state;
    struct band *b = band_open(8);
    struct mu_group_scheme scheme = band_scheme("sd");
    b->souls[0].d.capability.member_memory = 0;
    b->souls[1].d.capability.member_memory = 60;
    for (unsigned i = 0; i < 8; i++)
        soul_fetch(b, &b->souls[i]); /* they say what they have */
    band_group(b, &scheme, 8);
    band_rekey(b);
    band_check(b);
    assert_int_equal(b->souls[0].state_len, 0);
    assert_int_equal(b->souls[1].state_len, 0);
    for (unsigned i = 0; i < 8; i++)
        b->souls[i].fetches = 0;
    assert_int_equal(band_leave(b, 7), 0);
    band_rekey(b);
    band_check(b);
    for (unsigned i = 2; i < 7; i++)
        assert_int_equal(b->souls[i].fetches, 0);
    assert_true(b->souls[0].fetches > 0 && b->souls[1].fetches > 0);
    band_close(b);
}

/* An acknowledgement without the key is none. */
static void test_forged_ack(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 6, 6);
    struct mu_campaign_view v;
    const char *name = b->souls[2].d.identity;
    uint8_t digest[32] = {0};
    assert_int_equal(band_leave(b, 5), 0);
    rig_run(&b->rig, MU_SECONDS(1));
    assert_true(band_campaign(b, &v));
    assert_int_equal(v.parts, 1);
    /* The digest of the campaign before, and none. */
    assert_int_equal(rig_report(&b->rig, 1, v.campaign, digest, 15, 0,
                                b->souls[2].index, &name, 1),
                     MU_COAP_UNAUTHORIZED);
    assert_true(band_campaign(b, &v));
    assert_int_equal(v.running, 0);
    assert_int_equal(v.reports_refused, 1);
    /* Nobody holds a key back. */
    assert_int_equal(mu_server_cancel(&b->rig.server, v.campaign),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(mu_server_pause(&b->rig.server, v.campaign),
                     MU_ERR_UNSUPPORTED);
    band_rekey(b);
    band_check(b);
    band_close(b);
}

/* A member that claims what nobody ever gave it: a new key for all, but not new
 * trees over and over. */
static void test_liar(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 6, 6);
    struct soul *liar = &b->souls[4];
    struct mu_group_view before, v;
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    before = band_view(b);
    for (unsigned n = 0; n < 6; n++) {
        struct mu_keyfetch_request req = {.held_len = 0};
        v = band_view(b);
        req.states[0] = (struct mu_keyfetch_state){
            .group = b->group, .base = v.base + 1, .newest = v.generation};
        req.states_len = 1;
        liar->linked = peer_connect(&b->rig, &liar->d) == MU_COAP_CHANGED;
        assert_int_equal(peer_fetch_as(&b->rig, &liar->d, &req),
                         MU_COAP_CONTENT);
        band_rekey(b);
        soul_fetch(b, liar);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).generation > v.generation);
        if (n > 0)
            assert_true(band_view(b).base == v.base);
    }
    assert_true(band_view(b).base != before.base);
    band_close(b);
}

/* Stolen in the middle of a campaign: another edition, under a key that it has
 * not got. */
static void test_edition(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 6, 6);
    struct mu_push push = rig_push("all", 20000);
    struct mu_campaign_view v;
    static uint8_t plain[20000];
    uint8_t id[MU_CAMPAIGN_ID] = "picture";
    uint64_t before = band_view(b).generation;
    rig_plain(&b->rig, id, plain, sizeof plain);
    assert_int_equal(mu_server_push(&b->rig.server, id, &push), 0);
    rig_drain(&b->rig);
    rig_run(&b->rig, MU_SECONDS(1));
    assert_int_equal(mu_server_campaign_get(&b->rig.server, id, &v), 0);
    assert_int_equal(v.phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(v.edition, 0);
    assert_int_equal(mu_server_device_revoke(&b->rig.server, rig_id("m02")),
                     0);
    rig_drain(&b->rig);
    b->souls[2].in = false;
    band_rekey(b);
    band_check(b);
    assert_int_equal(mu_server_campaign_get(&b->rig.server, id, &v), 0);
    assert_int_equal(v.phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(v.edition, 1);
    assert_int_equal(v.revoked, 1);
    assert_true(band_view(b).generation > before);
    band_close(b);
}

/* ---- choosing, explaining, tracing --------------------------------------------- */

static void test_auto(void **state)
{
    (void)state;
    struct band *b = band_open(20);
    struct mu_group_scheme scheme = {.kind = MU_SCHEME_NONE,
                                     .key_deadline_s = 30};
    struct mu_group_explain e;
    band_group(b, &scheme, 0);
    assert_int_equal(mu_server_group_explain(&b->rig.server, rig_id("all"), 0,
                                             &e), MU_ERR_USAGE);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(band_join(b, i), 0);
    band_rekey(b);
    band_check(b);
    assert_int_equal(band_view(b).scheme, MU_SCHEME_UNICAST);
    assert_int_equal(band_view(b).reason, MU_REASON_SMALL);
    assert_true(band_view(b).automatic);
    for (unsigned i = 4; i < 20; i++)
        assert_int_equal(band_join(b, i), 0);
    band_rekey(b);
    band_check(b);
    assert_int_equal(mu_server_group_explain(&b->rig.server, rig_id("all"), 0,
                                             &e), 0);
    assert_int_equal(band_view(b).scheme, e.choice.kind);
    assert_int_equal(e.in_use, e.choice.kind);
    assert_true(e.in_use != MU_SCHEME_UNICAST);
    assert_int_equal(e.facts.members, 20);
    assert_int_equal(e.facts.device_bytes, BAND_STATE_MAX);
    band_close(b);
}

static void test_trace(void **state)
{
    (void)state;
    static const char *const names[] = {"sd", "cs", "lkh"};
    for (size_t k = 0; k < 3; k++) {
        struct band *b = band_ready(names[k], 10, 10);
        struct mu_server *s = &b->rig.server;
        static uint8_t dump[3 * BAND_STATE_MAX];
        struct mu_server_hit hits[8];
        uint32_t at = 0;
        char who[MU_ID_MAX + 1] = "";
        size_t len;
        bool left;
        memset(dump, 0xa5, sizeof dump);
        assert_int_equal(mu_server_group_trace(s, rig_id("all"),
                                               MU_BYTES(dump), hits, 8, &len),
                         0);
        assert_int_equal(len, 0);
        memcpy(dump + 77, b->souls[6].state, b->souls[6].state_len);
        assert_int_equal(mu_server_group_trace(s, rig_id("all"),
                                               MU_BYTES(dump), hits, 8, &len),
                         0);
        assert_int_equal(len, 1);
        assert_int_equal(hits[0].count, 1);
        assert_int_equal(mu_server_trace_next(s, rig_id("all"), &hits[0],
                                              &at, who, &left), 0);
        assert_string_equal(who, "m06");
        assert_false(left);
        assert_int_equal(mu_server_trace_next(s, rig_id("all"), &hits[0],
                                              &at, who, &left),
                         MU_ERR_NOT_FOUND);
        /* It is removed, and named all the same; with lkh by its leaf. */
        assert_int_equal(band_leave(b, 6), 0);
        band_rekey(b);
        band_check(b);
        assert_int_equal(mu_server_group_trace(s, rig_id("all"),
                                               MU_BYTES(dump), hits, 8, &len),
                         0);
        who[0] = '\0';
        at = 0;
        assert_int_equal(len, 1);
        assert_int_equal(mu_server_trace_next(s, rig_id("all"), &hits[0], &at,
                                              who, &left), 0);
        assert_string_equal(who, "m06");
        assert_true(left);
        band_close(b);
    }
    struct band *b = band_ready("ladder", 4, 4);
    struct mu_server_hit hit;
    size_t len;
    assert_int_equal(mu_server_group_trace(&b->rig.server, rig_id("all"),
                                           rig_id("x"), &hit, 1, &len),
                     MU_ERR_UNSUPPORTED);
    band_close(b);
}

/* ---- wishes that cannot be ------------------------------------------------------ */

static void test_refused(void **state)
{
    (void)state;
    struct band *b = band_open(2);
    struct mu_server *s = &b->rig.server;
    struct mu_group_scheme w = band_scheme("sd");
    uint32_t n;
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"),
                                               MU_MODE_REPROTECT, &w, &n),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"),
                                               MU_MODE_HAND_KEY, &w, &n),
                     MU_ERR_USAGE);
    w = band_scheme("cluster");
    w.clusters = 0;
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"), 0, &w, &n),
                     MU_ERR_USAGE);
    w = band_scheme("ladder");
    w.levels = MU_LADDER_LEVELS_MAX + 1;
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"), 0, &w, &n),
                     MU_ERR_USAGE);
    w = band_scheme("lkh");
    w.degree = 1;
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"), 0, &w, &n),
                     MU_ERR_USAGE);
    w = band_scheme("cluster");
    assert_int_equal(mu_server_group_create_as(s, rig_id("g"), 0, &w, &n), 0);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_add_at(s, rig_id("g"), rig_id("m00"), 4),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_group_add_at(s, rig_id("g"), rig_id("m00"), 3),
                     0);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_create(s, rig_id("plain"), 0, &n), 0);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_add_at(s, rig_id("plain"), rig_id("m00"),
                                            1), MU_ERR_USAGE);
    band_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_copy),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_damaged_member),
        cmocka_unit_test(test_damaged_fetch),
        cmocka_unit_test(test_less_memory),
        cmocka_unit_test(test_no_trees),
        cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_meanwhile),
        cmocka_unit_test(test_failing_store),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_forged_ack),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_edition),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
