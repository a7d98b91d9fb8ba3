/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose key changes by a scheme: members open what is said to all, or
 * fetch; who left tries everything he ever had, and gets nothing.
 */
#include "band.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"sd", "cs", "lkh", "cluster", "ladder"};
#define NAMES (sizeof names / sizeof names[0])

static struct band *band_ready(const char *name, unsigned n, unsigned in)
{
    struct band *b = band_open(n);
    struct mu_group_scheme scheme = band_scheme(name);
    band_group(b, &scheme, in);
    band_rekey(b);
    band_check(b);
    return b;
}

/* The first key: everybody fetches it, and a state. */
static void test_first(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 12);
        struct mu_group_view v = band_view(b);
        assert_string_equal(mu_scheme_name((enum mu_scheme_kind)v.scheme),
                            names[k]);
        assert_true(v.base != 0 && v.generation > v.base);
        for (unsigned i = 0; i < 12; i++)
            assert_true(b->souls[i].state_len > 0);
        assert_int_equal(b->heard, 0);
        band_close(b);
    }
}

/* One leaves: the others hear one message. */
static void test_leave(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 12);
        unsigned fetches = 0, opened = 0;
        for (unsigned i = 0; i < 12; i++)
            b->souls[i].fetches = 0;
        assert_int_equal(band_leave(b, 5), 0);
        band_rekey(b);
        band_check(b);
        for (unsigned i = 0; i < 12; i++) {
            if (i == 5)
                continue;
            fetches += b->souls[i].fetches;
            opened += b->souls[i].opened;
        }
        /* Of clusters and levels, those of the leaver are told one by one. */
        if (k < 3) {
            assert_int_equal(fetches, 0);
            assert_int_equal(opened, 11);
        } else {
            assert_true(opened > 0 && fetches > 0);
        }
        band_close(b);
    }
}

/* One comes: not a key of the time before, and a place of its own. The new key
 * sleeps until all have it, for something was sent under the old one. */
static void test_join(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 11);
        struct mu_push push = rig_push("all", 3000);
        struct mu_group_view before, v;
        static uint8_t plain[3000];
        uint8_t id[MU_CAMPAIGN_ID] = "picture";
        before = band_view(b);
        rig_plain(&b->rig, id, plain, sizeof plain);
        assert_int_equal(mu_server_push(&b->rig.server, id, &push), 0);
        rig_drain(&b->rig);
        rig_run(&b->rig, MU_SECONDS(1));
        assert_int_equal(mu_server_cancel(&b->rig.server, id), 0);
        rig_drain(&b->rig);
        rig_run(&b->rig, MU_SECONDS(1));
        assert_int_equal(band_join(b, 11), 0);
        soul_fetch(b, &b->souls[11]); /* too early: nothing for it yet */
        assert_int_equal(b->souls[11].keys_len, 0);
        assert_int_equal(b->souls[11].state_len, 0);
        rig_run(&b->rig, MU_SECONDS(2));
        v = band_view(b);
        assert_true(v.generation == before.generation);
        assert_true(v.dormant > v.generation);
        band_rekey(b);
        band_check(b);
        v = band_view(b);
        assert_true(v.dormant == 0 && v.generation > before.generation);
        assert_null(soul_key(&b->souls[11], before.generation));
        assert_non_null(soul_key(&b->souls[11], v.generation));
        band_close(b);
    }
}

/* One comes while an object is on the air: it has a turn, by the next key. */
static void test_join_on_air(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 11);
        struct mu_push push = rig_push("all", 3000);
        uint64_t before = band_view(b).generation;
        struct mu_campaign_view v;
        static uint8_t plain[3000];
        uint8_t id[MU_CAMPAIGN_ID] = "picture";
        rig_plain(&b->rig, id, plain, sizeof plain);
        assert_int_equal(mu_server_push(&b->rig.server, id, &push), 0);
        rig_drain(&b->rig);
        rig_run(&b->rig, MU_SECONDS(1));
        assert_int_equal(band_join(b, 11), 0);
        rig_run(&b->rig, MU_SECONDS(push.deadline_s / 2 + 60));
        band_rekey(b);
        band_check(b);
        assert_int_equal(mu_server_campaign_get(&b->rig.server, id, &v), 0);
        assert_int_equal(v.phase, MU_CAMPAIGN_RUNNING);
        assert_int_equal(v.members, 12);
        assert_int_equal(v.edition, 1);
        assert_null(soul_key(&b->souls[11], before));
        assert_non_null(soul_key(&b->souls[11], band_view(b).generation));
        band_close(b);
    }
}

/* Nobody says that he has it: it is used after its deadline all the same. */
static void test_dormant_deadline(void **state)
{
    (void)state;
    struct band *b = band_ready("sd", 4, 4);
    struct mu_group_view before = band_view(b), v;
    struct mu_push push = rig_push("all", 3000);
    struct mu_campaign_view c;
    static uint8_t plain[3000];
    uint8_t id[MU_CAMPAIGN_ID] = "picture", late[MU_CAMPAIGN_ID] = "later";
    rig_plain(&b->rig, id, plain, sizeof plain);
    rig_plain(&b->rig, late, plain, sizeof plain);
    assert_int_equal(mu_server_push(&b->rig.server, id, &push), 0);
    rig_run(&b->rig, MU_SECONDS(1));
    assert_int_equal(mu_server_cancel(&b->rig.server, id), 0);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_rotate(&b->rig.server, rig_id("all")), 0);
    rig_run(&b->rig, MU_SECONDS(20));
    v = band_view(b);
    assert_true(v.generation == before.generation && v.dormant != 0);
    /* What is pushed meanwhile waits for it. */
    push.version = 3;
    assert_int_equal(mu_server_push(&b->rig.server, late, &push), 0);
    rig_run(&b->rig, MU_SECONDS(5));
    assert_int_equal(mu_server_campaign_get(&b->rig.server, late, &c), 0);
    assert_int_equal(c.phase, MU_CAMPAIGN_PREPARING);
    rig_run(&b->rig, MU_SECONDS(10));
    assert_true(band_view(b).generation == v.dormant);
    assert_true(band_view(b).dormant == 0);
    assert_int_equal(mu_server_campaign_get(&b->rig.server, late, &c), 0);
    assert_int_equal(c.phase, MU_CAMPAIGN_RUNNING);
    band_rekey(b);
    band_check(b);
    band_close(b);
}

/* Half of them have it, and that is enough. */
static void test_quorum(void **state)
{
    (void)state;
    struct band *b = band_open(9);
    struct mu_group_scheme scheme = band_scheme("sd");
    struct mu_push push = rig_push("all", 3000);
    static uint8_t plain[3000];
    uint8_t id[MU_CAMPAIGN_ID] = "picture";
    uint64_t dormant;
    scheme.key_quorum_permille = 500;
    band_group(b, &scheme, 8);
    band_rekey(b);
    rig_plain(&b->rig, id, plain, sizeof plain);
    assert_int_equal(mu_server_push(&b->rig.server, id, &push), 0);
    rig_run(&b->rig, MU_SECONDS(1));
    assert_int_equal(mu_server_cancel(&b->rig.server, id), 0);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_rotate(&b->rig.server, rig_id("all")), 0);
    rig_run(&b->rig, MU_SECONDS(2));
    dormant = band_view(b).dormant;
    assert_true(dormant != 0);
    (void)band_announce(b, false);
    for (unsigned i = 0; i < 3; i++)
        soul_fetch(b, &b->souls[i]); /* and says that it has it */
    rig_run(&b->rig, MU_SECONDS(2));
    assert_true(band_view(b).dormant == dormant);
    /* Who comes meanwhile waits for that, and no longer. */
    assert_int_equal(band_join(b, 8), 0);
    rig_run(&b->rig, MU_SECONDS(2));
    assert_true(band_view(b).dormant == dormant);
    soul_fetch(b, &b->souls[3]);
    rig_run(&b->rig, MU_MS(20));
    assert_true(band_view(b).dormant == 0);
    assert_true(band_view(b).generation == dormant);
    rig_run(&b->rig, MU_SECONDS(2));
    assert_true(band_view(b).generation > dormant);
    band_rekey(b);
    band_check(b);
    band_close(b);
}

/* Comings and goings at once, the same one twice, one that never was. */
static void test_batch(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 20, 14);
        uint64_t base = band_view(b).base;
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(band_leave(b, i * 2), 0);
            assert_int_equal(band_leave(b, i * 2), MU_ERR_NOT_FOUND);
            assert_int_equal(band_join(b, 14 + i), 0);
        }
        assert_int_equal(band_join(b, 18), 0);
        assert_int_equal(band_leave(b, 18), 0);
        assert_int_equal(band_leave(b, 19), MU_ERR_NOT_FOUND);
        assert_int_equal(band_join(b, 0), 0); /* and back again */
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).base == base);
        assert_int_equal(b->souls[18].keys_len, 0);
        band_close(b);
    }
}

/* All leave at once; others come. */
static void test_everybody(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 12, 6);
        uint64_t last = band_view(b).generation;
        for (unsigned i = 0; i < 6; i++)
            assert_int_equal(band_leave(b, i), 0);
        band_rekey(b);
        band_check_none(b);
        for (unsigned i = 6; i < 12; i++)
            assert_int_equal(band_join(b, i), 0);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).generation > last);
        for (unsigned i = 6; i < 12; i++)
            assert_null(soul_key(&b->souls[i], last));
        band_close(b);
    }
}

/* So many come and go that the trees are full, over and over. */
static void test_full(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct mu_group_scheme scheme = band_scheme(names[k]);
        struct band *b = band_open(12);
        uint64_t base;
        scheme.members_max = 9;
        band_group(b, &scheme, 8);
        band_rekey(b);
        base = band_view(b).base;
        assert_int_equal(band_join(b, 8), 0);
        assert_int_equal(band_join(b, 9), MU_ERR_FULL);
        for (unsigned n = 0; n < 24; n++) {
            assert_int_equal(band_leave(b, n % 12 < 9 ? n % 12 : n % 9), 0);
            for (unsigned i = 0; i < 12; i++)
                if (!b->souls[i].in && i != n % 12) {
                    assert_int_equal(band_join(b, i), 0);
                    break;
                }
            band_rekey(b);
            band_check(b);
        }
        if (k != 2) /* lkh uses places again */
            assert_true(band_view(b).base != base);
        band_close(b);
    }
}

/* Asleep through a thousand rekeys. */
static void test_thousand(void **state)
{
    (void)state;
    for (size_t k = 0; k < NAMES; k++) {
        struct band *b = band_ready(names[k], 8, 8);
        unsigned opened = 0;
        for (unsigned n = 0; n < 1000; n++) {
            assert_int_equal(
                mu_server_group_rotate(&b->rig.server, rig_id("all")), 0);
            rig_run(&b->rig, MU_MS(80));
        }
        for (unsigned i = 0; i < 8; i++)
            b->souls[i].fetches = b->souls[i].opened = 0;
        (void)band_announce(b, false);
        for (unsigned i = 0; i < 8; i++)
            opened += b->souls[i].opened;
        if (k < 2 || k == 3) /* nobody changed, so no cluster did */
            assert_int_equal(opened, 8);
        for (unsigned i = 0; i < 8; i++)
            soul_fetch(b, &b->souls[i]);
        band_rekey(b);
        band_check(b);
        band_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_join), cmocka_unit_test(test_join_on_air),
        cmocka_unit_test(test_dormant_deadline),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_everybody),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
