/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a rekey is for, without a walk over members: what a departure reads and
 * writes in groups of any size, and that the report of a campaign stays what it
 * was whoever comes and goes later.
 */
#include "band.h"
#include "node/server_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what it costs ----------------------------------------------------------- */

static uint64_t reads;
static const struct mu_store *under;

static int counted_get(void *ctx, uint8_t table, struct mu_bytes key,
                       uint8_t *value, size_t *len)
{
    reads++;
    return under->get(ctx, table, key, value, len);
}

static int counted_next(void *ctx, uint8_t table, struct mu_bytes after,
                        uint8_t *key, size_t *key_len, uint8_t *value,
                        size_t *value_len)
{
    reads++;
    return under->next(ctx, table, after, key, key_len, value, value_len);
}

struct cost {
    uint64_t reads, writes;
};

static void crowd_change(struct rig *r, unsigned i, bool join)
{
    char name[32];
    snprintf(name, sizeof name, "c%04u", i);
    assert_int_equal(
        join ? mu_server_group_add(&r->server, rig_id("all"), rig_id(name))
             : mu_server_group_remove(&r->server, rig_id("all"), rig_id(name)),
        0);
    rig_drain(r);
}

/* What their fetches leave behind. */
static void crowd_ready(struct rig *r, unsigned n)
{
    struct mu_scheme_record sc;
    struct mu_group_record g;
    assert_int_equal(mu_srv_scheme_get(&r->server, 1, &sc), 0);
    assert_int_equal(mu_srv_group_get(&r->server, 1, &g), 0);
    assert_true(sc.base != 0);
    for (unsigned i = 0; i < n; i++) {
        struct mu_device_record d;
        char name[32];
        snprintf(name, sizeof name, "c%04u", i);
        assert_int_equal(mu_srv_device_get(&r->server, rig_id(name), &d), 0);
        d.groups[0].base = sc.base;
        d.groups[0].sent = d.groups[0].held = g.generation;
        mu_srv_device_put(&r->server, rig_id(name), &d);
        assert_int_equal(mu_srv_roster_ready(&r->server, 1, sc.base, d.gateway,
                                             d.index), 0);
        rig_drain(r);
    }
}

/* A group of n, all of whom have their state; then one leaves, or comes. */
static struct cost crowd_cost(const char *scheme, unsigned n, bool join)
{
    struct rig *r = calloc(1, sizeof *r);
    struct mu_group_scheme wish = band_scheme(scheme);
    struct mu_store counted;
    struct cost c;
    uint32_t number;
    assert_non_null(r);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    for (unsigned i = 0; i <= n; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%04u", i);
        rig_device_add(r, name, "gw-1");
    }
    assert_int_equal(mu_server_group_create_as(&r->server, rig_id("all"), 0,
                                               &wish, &number), 0);
    rig_drain(r);
    for (unsigned i = 0; i < n; i++)
        crowd_change(r, i, true);
    rig_run(r, MU_SECONDS(70));
    rig_link(r, 1, "gw-1");
    rig_run(r, MU_SECONDS(10));
    rig_settle(r);
    crowd_ready(r, n);
    /* From here on, what is looked up is counted. */
    counted = r->port;
    under = &r->store;
    counted.get = counted_get;
    counted.next = counted_next;
    counted.ctx = r->store.ctx;
    r->server.conf.store = &counted;
    reads = 0;
    c.writes = r->stores;
    crowd_change(r, join ? n : n / 2, join);
    rig_run(r, MU_SECONDS(2));
    assert_true(rig_traced(r, "rotate 1"));
    c.reads = reads;
    c.writes = r->stores - c.writes;
    r->server.conf.store = &r->port;
    rig_close(r);
    free(r);
    return c;
}

static void test_cost(void **state)
{
    (void)state;
    static const char *const names[] = {"sd", "cs", "lkh"};
    for (size_t k = 0; k < 3; k++) {
        for (int join = 0; join < 2; join++) {
            struct cost few = crowd_cost(names[k], 40, join);
            struct cost many = crowd_cost(names[k], 700, join);
            /* Ten times as many members, and more: a few records more, for
             * a tree that has grown. */
            if (many.writes > few.writes + 4 || many.reads > few.reads + 12)
                fail_msg("%s %s: %u reads and %u writes with 40, %u and %u "
                         "with 700", names[k], join ? "join" : "leave",
                         (unsigned)few.reads, (unsigned)few.writes,
                         (unsigned)many.reads, (unsigned)many.writes);
            assert_true(many.writes < 40 && many.reads < 150);
        }
    }
}

/* ---- reports of the past ----------------------------------------------------- */

struct listed {
    unsigned len;
    char names[BAND_MAX][MU_ID_MAX + 1];
    uint8_t state[BAND_MAX];
    bool revoked[BAND_MAX];
};

static void list(struct band *b, const uint8_t *id, struct listed *l)
{
    struct mu_target_view v;
    const char *after = "";
    memset(l, 0, sizeof *l);
    while (mu_server_target_next(&b->rig.server, id, rig_id(after), &v) == 0) {
        strcpy(l->names[l->len], v.identity);
        l->state[l->len] = v.state;
        l->revoked[l->len] = v.revoked;
        after = l->names[l->len++];
        assert_true(l->len < BAND_MAX);
    }
}

static void newest_campaign(struct band *b, struct mu_campaign_view *v)
{
    uint64_t after = 0;
    struct mu_campaign_view next;
    while (mu_server_campaign_next(&b->rig.server, after, &next) == 0) {
        after = next.number;
        if (next.what == MU_CAMPAIGN_KEY)
            *v = next;
    }
}

static void test_past(void **state)
{
    (void)state;
    struct band *b = band_open(14);
    struct mu_group_scheme scheme = band_scheme("sd");
    struct mu_campaign_view v[3];
    struct listed then[3], now;
    band_group(b, &scheme, 10);
    band_rekey(b);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(band_leave(b, n), 0);
        /* In the second nobody says anything before the next one. */
        if (n == 1)
            rig_run(&b->rig, MU_SECONDS(1));
        else
            band_rekey(b);
        newest_campaign(b, &v[n]);
        assert_true(v[n].parts != 0);
        assert_int_equal(v[n].members, 9 - n);
    }
    for (unsigned n = 0; n < 3; n++) {
        list(b, v[n].campaign, &then[n]);
        assert_int_equal(then[n].len, v[n].members);
        assert_int_equal(then[n].state[2] & MU_STATE_RUNNING,
                         n == 1 ? 0 : MU_STATE_RUNNING);
        /* m02 left when the second was under way */
        assert_int_equal(then[n].revoked[0], n == 1);
    }
    for (unsigned i = 3; i < 7; i++)
        assert_int_equal(band_leave(b, i), 0);
    for (unsigned i = 10; i < 14; i++)
        assert_int_equal(band_join(b, i), 0);
    assert_int_equal(band_join(b, 1), 0);
    band_rekey(b);
    band_check(b);
    assert_int_equal(band_leave(b, 11), 0);
    band_rekey(b);
    band_check(b);
    for (unsigned restart = 0; restart < 2; restart++) {
        for (unsigned n = 0; n < 3; n++) {
            list(b, v[n].campaign, &now);
            assert_int_equal(now.len, then[n].len);
            for (unsigned i = 0; i < now.len; i++) {
                assert_string_equal(now.names[i], then[n].names[i]);
                assert_int_equal(now.state[i], then[n].state[i]);
                assert_int_equal(now.revoked[i], then[n].revoked[i]);
            }
        }
        assert_int_equal(rig_restart(&b->rig), 0);
        b->linked = false;
        band_power(b);
    }
    band_close(b);
}

/* Who has said nothing is known after a restart too, and poked in the end. */
static void test_missing(void **state)
{
    (void)state;
    struct band *b = band_open(12);
    struct mu_group_scheme scheme = band_scheme("sd");
    struct mu_campaign_view v;
    struct listed l;
    const struct mu_server_holders *counted = NULL;
    unsigned poked = 0;
    band_group(b, &scheme, 12);
    band_rekey(b);
    band_check(b);
    assert_int_equal(band_view(b).current, 12);
    assert_int_equal(band_leave(b, 4), 0);
    assert_int_equal(band_view(b).current, 11);
    rig_run(&b->rig, MU_SECONDS(1));
    /* Of a new key it is known that nobody holds it; nobody is asked. */
    for (unsigned i = 0; i < MU_SERVER_HOLDERS; i++)
        if (b->rig.server.holders[i].group == b->group)
            counted = &b->rig.server.holders[i];
    assert_non_null(counted);
    assert_true(counted->generation != 0 && counted->count == 0);
    assert_true(counted->generation == band_view(b).generation);
    assert_true(band_campaign(b, &v));
    assert_int_equal(v.members, 11);
    assert_int_equal(v.running, 0);
    b->souls[7].in = b->souls[8].in = false; /* asleep */
    (void)band_announce(b, true);
    assert_true(band_campaign(b, &v));
    assert_int_equal(v.running, 9);
    assert_int_equal(rig_restart(&b->rig), 0);
    b->linked = false;
    band_power(b);
    assert_true(band_campaign(b, &v));
    assert_int_equal(v.members, 11);
    assert_int_equal(v.running, 9);
    list(b, v.campaign, &l);
    assert_int_equal(l.len, 11);
    for (unsigned i = 0; i < l.len; i++)
        assert_int_equal(l.state[i] == 0, strcmp(l.names[i], "m07") == 0 ||
                                              strcmp(l.names[i], "m08") == 0);
    rig_settle(&b->rig);
    rig_run(&b->rig, MU_SECONDS(1));
    rig_settle(&b->rig); /* what greeting brought */
    rig_run(&b->rig, MU_SECONDS(70));
    assert_false(band_campaign(b, &v));
    for (unsigned i = 0; i < b->rig.sends_len; i++) {
        struct mu_bytes bitmap;
        const struct rig_send *s = &b->rig.sends[i];
        if (s->response || strcmp(s->path, "poke") != 0)
            continue;
        assert_int_equal(mu_wide_poke_consume(rig_payload(s), &bitmap), 0);
        for (unsigned k = 0; k < b->len; k++)
            if (b->souls[k].d.link == s->link &&
                mu_bit_get(bitmap, b->souls[k].index)) {
                assert_true(k == 7 || k == 8);
                poked |= 1u << k;
            }
    }
    assert_int_equal(poked, 1u << 7 | 1u << 8);
    b->souls[7].in = b->souls[8].in = true;
    soul_fetch(b, &b->souls[7]);
    soul_fetch(b, &b->souls[8]);
    band_check(b);
    band_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_past),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
