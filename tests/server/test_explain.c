/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `group explain` says of the next departure, against the departure: who
 * costs least and most, several at once; wrapped keys, bytes and parts of the
 * objects that gateways get, and who is told apart.
 */
#include "band.h"
#include "node/server_core.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    uint32_t wraps, parts, told;
    uint64_t bytes;
};

static struct mu_group_explain explain(struct band *b, uint32_t leavers)
{
    struct mu_group_explain e;
    struct mu_server_trees *t = &b->rig.server.trees;
    assert_int_equal(mu_server_group_explain(&b->rig.server, rig_id("all"),
                                             leavers, &e), 0);
    /* Nothing is left of what was tried. */
    assert_memory_equal(t->mem, t->stored, t->scheme.mem.len);
    assert_false(mu_secret_is_set(&t->scheme.key));
    assert_int_equal(t->scheme.pending, false);
    return e;
}

/* The campaign that brings the next key. */
static struct seen next_rekey(struct band *b)
{
    struct mu_server *s = &b->rig.server;
    struct seen seen = {.wraps = 0};
    struct mu_campaign_view v;
    struct mu_server_campaign *c;
    rig_run(&b->rig, MU_SECONDS(1));
    assert_true(band_campaign(b, &v));
    c = mu_srv_campaign_find(s, v.campaign);
    assert_non_null(c);
    seen.parts = v.parts;
    for (uint16_t part = 0; part < v.parts; part++) {
        struct mu_record_key k = mu_record_key_part(v.campaign, part);
        enum mu_announce_kind kind;
        struct mu_rekey_info info;
        struct mu_manifest m;
        struct mu_bytes object;
        assert_int_equal(mu_srv_get(s, MU_TABLE_SEEN, &k, &object), 0);
        assert_int_equal(mu_announce_consume(&b->rig.crypto, &s->signer, NULL,
                                             object, &kind, &m), 0);
        assert_int_equal(mu_rekey_info(m.content, &info), 0);
        seen.bytes += m.content.len;
        seen.wraps += info.entries;
    }
    for (unsigned i = 0; i < b->len; i++) {
        struct mu_target_record t;
        if (!b->souls[i].in)
            continue;
        assert_int_equal(mu_srv_target_get(s, &c->rec, b->souls[i].d.link,
                                           b->souls[i].index, &t), 0);
        seen.told += (t.state[b->souls[i].index] & MU_TARGET_TOLD) != 0;
    }
    return seen;
}

static unsigned soul_of(struct band *b, const char *id)
{
    for (unsigned i = 0; i < b->len; i++)
        if (strcmp(b->souls[i].d.identity, id) == 0)
            return i;
    fail_msg("%s is nobody", id);
    return 0;
}

static void check_cost(const struct mu_leave_cost *said, struct seen seen,
                       uint8_t kind)
{
    assert_int_equal(seen.bytes, said->bytes);
    assert_int_equal(seen.parts, said->parts);
    assert_int_equal(seen.told, said->personal);
    /* A key index is an entry, and no wrapped key. */
    if (kind != MU_SCHEME_CLUSTER)
        assert_int_equal(seen.wraps, said->wraps);
}

/* Some have left and come, so that members differ. */
static struct band *worn(const char *name)
{
    struct band *b = band_open(30);
    struct mu_group_scheme scheme = band_scheme(name);
    static const unsigned out[] = {3, 4, 9};
    scheme.members_max = 60;
    band_group(b, &scheme, 24);
    band_rekey(b);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(band_leave(b, out[i]), 0);
    band_rekey(b);
    for (unsigned i = 24; i < 27; i++)
        assert_int_equal(band_join(b, i), 0);
    band_rekey(b);
    band_check(b);
    return b;
}

static const char *const names[] = {"sd", "cs", "lkh", "cluster", "ladder"};

static void test_next(void **state)
{
    (void)state;
    unsigned differ = 0;
    for (size_t k = 0; k < 5; k++) {
        struct band *b = worn(names[k]);
        for (unsigned n = 0; n < 4; n++) {
            struct mu_group_explain e = explain(b, 0);
            const struct mu_leave_cost *said = n % 2 != 0 ? &e.most : &e.least;
            unsigned who = soul_of(b, n % 2 != 0 ? e.most_id : e.least_id);
            struct seen seen;
            assert_true(e.exact);
            assert_false(e.rebuild);
            assert_false(e.sampled);
            assert_int_equal(e.waiting, 0);
            assert_int_equal(e.members, band_view(b).members);
            assert_int_equal(e.of, e.members);
            assert_true(e.bytes >= e.of * e.least.bytes ||
                        e.least.personal != e.most.personal);
            assert_true(e.wraps <= (uint64_t)e.of * e.most.wraps ||
                        e.least.personal != e.most.personal);
            assert_int_equal(e.costs[e.in_use - 1].wraps,
                             (e.wraps + e.of / 2) / e.of);
            differ += e.least.bytes != e.most.bytes;
            assert_int_equal(band_leave(b, who), 0);
            seen = next_rekey(b);
            check_cost(said, seen, e.in_use);
            band_rekey(b);
            band_check(b);
            /* A state is as large as was said. */
            if (n == 0)
                assert_int_equal(b->souls[soul_of(b, e.most_id)].state_len,
                                 e.state_bytes);
        }
        band_close(b);
    }
    assert_true(differ >= 6);
}

static void test_batch(void **state)
{
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        struct band *b = worn(names[k]);
        struct mu_group_explain e = explain(b, 5);
        struct mu_group_explain again = explain(b, 5);
        assert_true(e.exact);
        assert_int_equal(e.leavers, 5);
        assert_memory_equal(e.first, again.first, sizeof e.first);
        for (unsigned i = 0; i < 5; i++) {
            char id[MU_ID_MAX + 1];
            bool left;
            assert_int_equal(mu_srv_place_name(&b->rig.server, b->group,
                                               band_view(b).base, e.first[i],
                                               id, &left), 0);
            assert_false(left);
            assert_int_equal(band_leave(b, soul_of(b, id)), 0);
        }
        check_cost(&e.batch, next_rekey(b), e.in_use);
        band_rekey(b);
        band_check(b);
        assert_int_equal(mu_server_group_explain(&b->rig.server, rig_id("all"),
                                                 20, &e), MU_ERR_USAGE);
        band_close(b);
    }
}

/* Before there are trees, while changes wait, when new trees are due. */
static void test_not_yet(void **state)
{
    (void)state;
    struct band *b = band_open(20);
    struct mu_group_scheme scheme = band_scheme("sd");
    struct mu_group_explain e;
    band_group(b, &scheme, 20);
    assert_int_equal(mu_server_group_explain(&b->rig.server, rig_id("all"), 0,
                                             &e), 0);
    assert_false(e.exact);
    band_rekey(b);
    e = explain(b, 0);
    assert_true(e.exact);
    assert_int_equal(e.least.wraps, 1);
    assert_int_equal(e.most.wraps, 1);
    assert_int_equal(band_leave(b, 0), 0);
    e = explain(b, 0);
    assert_int_equal(e.waiting, 1);
    assert_int_equal(e.members, 20);
    band_rekey(b);
    for (unsigned i = 1; i < 8; i++) {
        assert_int_equal(band_leave(b, i), 0);
        band_rekey(b);
        e = explain(b, 0);
        /* Eight have left of twenty: with one more it is worth new trees. */
        assert_int_equal(e.rebuild, i == 7);
    }
    uint64_t base = band_view(b).base;
    assert_int_equal(band_leave(b, 8), 0);
    band_rekey(b);
    band_rekey(b);
    band_check(b);
    assert_true(band_view(b).base != base);
    band_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_not_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
