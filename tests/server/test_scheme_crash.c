/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts in the life of a group with a scheme: first key, leaves, joins, a
 * rotation, new trees. The story is told again for each write and each commit
 * at which the power fails; in the end every member has the newest key, nobody
 * else does, and no key ever had two meanings.
 */
#include "band.h"

#include <stdlib.h>
#include <string.h>

struct tale {
    struct band *b;
    unsigned at; /* step */
};

static bool tale_create(struct tale *t, const char *name)
{
    struct mu_group_scheme scheme = band_scheme(name);
    struct band *b = t->b;
    uint32_t number;
    int rc;
    /* So few places that new trees are needed on the way. */
    scheme.members_max = 7;
    rc = mu_server_group_create_as(&b->rig.server, rig_id("all"), 0, &scheme,
                                   &number);
    if (rc != 0 && rc != MU_ERR_CONFLICT)
        return false;
    rig_drain(&b->rig);
    b->group = 1;
    b->kind = scheme.kind;
    return b->rig.alive;
}

/* Wishes are repeated until they are accepted and durable, or were before. */
static bool tale_in(struct tale *t, unsigned i)
{
    return band_join(t->b, i) == 0 && t->b->rig.alive;
}

static bool tale_out(struct tale *t, unsigned i)
{
    int rc = band_leave(t->b, i);
    if (rc == MU_ERR_NOT_FOUND) {
        t->b->souls[i].in = false;
        rc = 0;
    }
    return rc == 0 && t->b->rig.alive;
}

/* Something is sent under the key: the next one sleeps at first. */
static bool tale_used(struct tale *t)
{
    static const uint8_t id[MU_CAMPAIGN_ID] = "picture";
    static const uint8_t plain[2000] = {1};
    struct mu_push push = rig_push("all", sizeof plain);
    struct mu_campaign_view v;
    struct rig *r = &t->b->rig;
    if (mu_server_campaign_get(&r->server, id, &v) == MU_ERR_NOT_FOUND) {
        rig_plain(r, id, plain, sizeof plain);
        if (mu_server_push(&r->server, id, &push) != 0)
            return false;
    }
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    if (!r->alive || mu_server_campaign_get(&r->server, id, &v) != 0 ||
        v.phase == MU_CAMPAIGN_PREPARING)
        return false;
    if (v.phase == MU_CAMPAIGN_CANCELLED)
        return true;
    assert_int_equal(mu_server_cancel(&r->server, id), 0);
    rig_drain(r);
    return false;
}

static bool tale_rekeyed(struct tale *t)
{
    struct mu_group_view v;
    band_rekey(t->b);
    if (!t->b->rig.alive)
        return false;
    v = band_view(t->b);
    return v.current == v.members && v.dormant == 0;
}

static bool tale_step(struct tale *t, const char *name)
{
    switch (t->at) {
    case 0: return tale_create(t, name);
    case 1: return tale_in(t, 0);
    case 2: return tale_in(t, 1);
    case 3: return tale_in(t, 2);
    case 4: return tale_in(t, 3);
    case 5: return tale_in(t, 4);
    case 6: return tale_rekeyed(t);
    case 7: return tale_out(t, 1);
    case 8: return tale_in(t, 5);
    case 9: return tale_rekeyed(t);
    case 10: return tale_out(t, 0);
    case 11: return tale_in(t, 1);
    case 12: return tale_rekeyed(t);
    case 13: return tale_used(t);
    case 14:
        return mu_server_group_rotate(&t->b->rig.server, rig_id("all")) == 0;
    case 15: return tale_rekeyed(t);
    case 16: return tale_in(t, 6);
    case 17: return tale_out(t, 6);
    case 18: return tale_in(t, 0);
    case 19: return tale_out(t, 5);
    case 20: return tale_rekeyed(t);
    case 21: return tale_out(t, 2);
    default: return tale_rekeyed(t);
    }
}

/* The number of records that are left over. */
static unsigned records_left(struct rig *r, uint8_t table, size_t prefix,
                             char kind)
{
    uint8_t key[MU_STORE_KEY_MAX], value[MU_STORE_VALUE_MAX];
    size_t key_len = 0, value_len;
    unsigned n = 0;
    for (;;) {
        struct mu_bytes after = mu_bytes(key, key_len);
        uint8_t next[MU_STORE_KEY_MAX];
        size_t next_len = sizeof next;
        value_len = sizeof value;
        if (r->store.next(r->store.ctx, table, after, next, &next_len, value,
                          &value_len) != 0)
            return n;
        memcpy(key, next, next_len);
        key_len = next_len;
        n += key_len > prefix && key[prefix] == (uint8_t)kind;
    }
}

static void tale(const char *name, uint64_t crash_at, uint64_t crash_commit,
                 uint64_t *stores, uint64_t *commits)
{
    struct tale t = {.b = band_open(7)};
    struct rig *r = &t.b->rig;
    unsigned tries = 0;
    r->crash_at = crash_at != 0 ? r->stores + crash_at : 0;
    r->crash_commit = crash_commit != 0 ? r->commits + crash_commit : 0;
    *stores = r->stores;
    *commits = r->commits;
    while (t.at <= 22) {
        band_power(t.b);
        if (r->alive && t.b->linked && tale_step(&t, name))
            t.at++;
        if (++tries == 200)
            fail_msg("%s cut at write %u or commit %u: stuck at %u\n%s", name,
                     (unsigned)crash_at, (unsigned)crash_commit, t.at,
                     r->trace);
    }
    band_check(t.b);
    rig_run(r, MU_SECONDS(100));
    assert_false(rig_traced(r, "trees-damaged"));
    /* Changes that are done and parts of campaigns that ended are gone. */
    assert_int_equal(records_left(r, MU_TABLE_SCHEME, 4, 'o'), 0);
    assert_int_equal(records_left(r, MU_TABLE_SEEN, 8, 'o'), 0);
    if (crash_at == 0 && crash_commit == 0) {
        assert_true(rig_traced(r, "rotate-dormant"));
        assert_true(rig_traced(r, "key-active"));
        assert_true(rig_trace_count(r, "rotate ") >= 4);
    }
    *stores = r->stores - *stores;
    *commits = r->commits - *commits;
    band_close(t.b);
}

static void tales(const char *name, unsigned stride)
{
    uint64_t stores, commits, s, c;
    tale(name, 0, 0, &stores, &commits);
    assert_true(stores > 100);
    for (uint64_t n = 1; n <= stores; n += stride)
        tale(name, n, 0, &s, &c);
    for (uint64_t n = 1; n <= commits; n += stride)
        tale(name, 0, n, &s, &c);
}

static void test_sd(void **state)
{
    (void)state;
    tales("sd", 1);
}

static void test_lkh(void **state)
{
    (void)state;
    tales("lkh", 7);
}

static void test_cluster(void **state)
{
    (void)state;
    tales("cluster", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sd),
        cmocka_unit_test(test_lkh),
        cmocka_unit_test(test_cluster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
