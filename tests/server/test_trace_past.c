/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracing in trees of the past: a clone whose keys are older than a compaction,
 * than new trees after damage, or than an old copy of the store; several
 * traitors of several times; how long it is remembered.
 */
#include "band.h"
#include "node/server_core.h"

#include <stdlib.h>
#include <string.h>

#define DUMP (4 * BAND_STATE_MAX)

struct dump {
    uint8_t bytes[DUMP];
    size_t len;
};

static struct band *past_open(const char *name, unsigned n, uint8_t kept)
{
    struct band *b = band_open(n);
    struct mu_group_scheme scheme = band_scheme(name);
    b->rig.conf.trace_generations = kept;
    b->rig.server.conf.trace_generations = kept;
    band_group(b, &scheme, n);
    band_rekey(b);
    band_check(b);
    return b;
}

/* New trees: every member gets another state. */
static void past_rebuild(struct band *b)
{
    struct mu_scheme_record sc;
    const uint64_t base = band_view(b).base;
    assert_int_equal(mu_srv_scheme_get(&b->rig.server, b->group, &sc), 0);
    sc.rebuild = true;
    mu_srv_scheme_put(&b->rig.server, b->group, &sc);
    rig_drain(&b->rig);
    assert_int_equal(mu_server_group_rotate(&b->rig.server, rig_id("all")), 0);
    rig_drain(&b->rig);
    band_rekey(b);
    band_check(b);
    assert_true(band_view(b).base > base);
}

/* The keys of a device as they are now, without its head, in rubbish. */
static void dump_add(struct dump *d, const struct soul *m)
{
    for (unsigned i = 0; i < 33; i++)
        d->bytes[d->len++] = (uint8_t)(i * 7 + 3);
    memcpy(d->bytes + d->len, m->state + MU_MEMBER_HEAD_LEN,
           m->state_len - MU_MEMBER_HEAD_LEN);
    d->len += m->state_len - MU_MEMBER_HEAD_LEN;
}

static size_t trace(struct band *b, const struct dump *d,
                    struct mu_server_hit hits[8])
{
    size_t len = 0;
    assert_int_equal(mu_server_group_trace(&b->rig.server, rig_id("all"),
                                           mu_bytes(d->bytes, d->len), hits, 8,
                                           &len), 0);
    return len;
}

static void check_hit(struct band *b, const struct mu_server_hit *hit,
                      const char *name, uint64_t base, uint64_t until,
                      bool gone)
{
    char who[MU_ID_MAX + 1] = "";
    uint32_t at = 0;
    bool left = false;
    assert_int_equal(hit->count, 1);
    assert_true(hit->base == base);
    assert_true(hit->until == until);
    assert_int_equal(hit->present, until == 0);
    assert_int_equal(mu_server_trace_next(&b->rig.server, rig_id("all"), hit,
                                          &at, who, &left), 0);
    assert_string_equal(who, name);
    assert_int_equal(left, gone);
    assert_int_equal(mu_server_trace_next(&b->rig.server, rig_id("all"), hit,
                                          &at, who, &left), MU_ERR_NOT_FOUND);
}

static const char *const names[] = {"sd", "cs", "lkh"};

/* Each tree of the past names it until it is forgotten; also after the clone's
 * owner has left, and after a restart. */
static void test_generations(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct band *b = past_open(names[k], 12, 2);
        struct dump d[4] = {{.len = 0}};
        struct mu_server_hit hits[8];
        uint64_t base[4];
        for (unsigned n = 0; n < 4; n++) {
            base[n] = band_view(b).base;
            dump_add(&d[n], &b->souls[5]);
            /* Keys have changed since the clone was made. */
            assert_int_equal(band_leave(b, n), 0);
            band_rekey(b);
            assert_int_equal(band_join(b, n), 0);
            band_rekey(b);
            assert_int_equal(trace(b, &d[n], hits), 1);
            check_hit(b, &hits[0], "m05", base[n], 0, false);
            if (n < 3)
                past_rebuild(b);
        }
        assert_int_equal(band_leave(b, 5), 0);
        band_rekey(b);
        for (unsigned restart = 0; restart < 2; restart++) {
            assert_int_equal(trace(b, &d[3], hits), 1);
            check_hit(b, &hits[0], "m05", base[3], 0, true);
            for (unsigned n = 1; n < 3; n++) {
                assert_int_equal(trace(b, &d[n], hits), 1);
                check_hit(b, &hits[0], "m05", base[n], base[n + 1], true);
            }
            /* Two are kept, this was the third. */
            assert_int_equal(trace(b, &d[0], hits), 0);
            assert_int_equal(rig_restart(&b->rig), 0);
            b->linked = false;
            band_power(b);
        }
        band_close(b);
    }
}

/* One who came when the trees were there, with lkh into another one's place. */
static void test_newcomer(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct band *b = past_open(names[k], 10, 4);
        struct dump d = {.len = 0};
        struct mu_server_hit hits[8];
        uint64_t base = band_view(b).base;
        assert_int_equal(band_leave(b, 7), 0);
        assert_int_equal(band_leave(b, 2), 0);
        band_rekey(b);
        assert_int_equal(band_join(b, 7), 0);
        band_rekey(b);
        band_check(b);
        assert_true(band_view(b).base == base);
        dump_add(&d, &b->souls[7]);
        assert_int_equal(band_leave(b, 1), 0);
        band_rekey(b);
        assert_int_equal(trace(b, &d, hits), 1);
        check_hit(b, &hits[0], "m07", base, 0, false);
        past_rebuild(b);
        assert_int_equal(trace(b, &d, hits), 1);
        check_hit(b, &hits[0], "m07", base, band_view(b).base, false);
        band_close(b);
    }
}

/* None is kept: only the present ones name anybody. */
static void test_none_kept(void **state)
{
    (void)state;
    struct band *b = past_open("sd", 8, 0);
    struct dump d = {.len = 0};
    struct mu_server_hit hits[8];
    dump_add(&d, &b->souls[3]);
    assert_int_equal(trace(b, &d, hits), 1);
    past_rebuild(b);
    assert_int_equal(trace(b, &d, hits), 0);
    d.len = 0;
    dump_add(&d, &b->souls[3]);
    assert_int_equal(trace(b, &d, hits), 1);
    band_close(b);
}

/* Two devices, of two times, pooled: both are named; and two of one time. */
static void test_pooled(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct band *b = past_open(names[k], 12, 4);
        struct dump d = {.len = 0};
        struct mu_server_hit hits[8];
        uint64_t base[2] = {band_view(b).base, 0};
        dump_add(&d, &b->souls[2]);
        dump_add(&d, &b->souls[9]);
        past_rebuild(b);
        base[1] = band_view(b).base;
        dump_add(&d, &b->souls[6]);
        assert_int_equal(trace(b, &d, hits), 3);
        check_hit(b, &hits[0], "m06", base[1], 0, false);
        check_hit(b, &hits[1], "m02", base[0], base[1], false);
        check_hit(b, &hits[2], "m09", base[0], base[1], false);
        band_close(b);
    }
}

/* Who left one of the lower keys out is known as one of a few, not by name. */
static void test_part(void **state)
{
    (void)state;
    struct band *b = past_open("cs", 8, 4);
    struct dump d = {.len = 0};
    struct mu_server_hit hits[8];
    char who[MU_ID_MAX + 1];
    uint32_t at = 0;
    bool left, mine = false;
    unsigned n = 0;
    dump_add(&d, &b->souls[3]);
    /* The body begins with the level of the root, then the leaf's key. */
    memset(d.bytes + 33 + 1, 0, 16);
    past_rebuild(b);
    assert_int_equal(trace(b, &d, hits), 1);
    assert_int_equal(hits[0].count, 2);
    while (mu_server_trace_next(&b->rig.server, rig_id("all"), &hits[0], &at,
                                who, &left) == 0) {
        mine = mine || strcmp(who, "m03") == 0;
        n++;
    }
    assert_int_equal(n, 2);
    assert_true(mine);
    band_close(b);
}

static void test_nobody(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct band *b = past_open(names[k], 8, 4);
        struct mu_server_hit hits[8];
        struct dump d = {.len = DUMP};
        past_rebuild(b);
        for (unsigned seed = 0; seed < 20; seed++) {
            for (size_t i = 0; i < DUMP; i++)
                d.bytes[i] = (uint8_t)((i * 2654435761u + seed) >> 9);
            assert_int_equal(trace(b, &d, hits), 0);
        }
        band_close(b);
    }
}

/* An old copy of the store is put back: the epoch changes, and with it the
 * trees; those of the copy are kept. */
static void test_epoch(void **state)
{
    (void)state;
    struct rig_copy *c = malloc(sizeof *c);
    struct band *b = past_open("sd", 8, 4);
    struct dump d = {.len = 0};
    struct mu_server_hit hits[8];
    uint64_t base = band_view(b).base;
    assert_non_null(c);
    dump_add(&d, &b->souls[4]);
    rig_copy_take(&b->rig, c);
    assert_int_equal(band_leave(b, 1), 0);
    band_rekey(b);
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
    band_power(b);
    for (unsigned i = 0; i < 8; i++)
        b->souls[i].asking = true;
    band_rekey(b);
    band_rekey(b);
    band_check(b);
    assert_true(band_view(b).base != base);
    assert_int_equal(trace(b, &d, hits), 1);
    check_hit(b, &hits[0], "m04", base, band_view(b).base, false);
    band_close(b);
}

/* Damage: of what tracing keeps, and of the scheme's own record. */
static void test_damage(void **state)
{
    (void)state;
    static const uint8_t junk[] = {9, 9, 9};
    struct band *b = past_open("sd", 8, 4);
    struct dump d = {.len = 0};
    struct mu_server_hit hits[8];
    struct mu_record_key k = mu_record_key_scheme(b->group);
    uint64_t base = band_view(b).base;
    dump_add(&d, &b->souls[4]);
    assert_int_equal(b->rig.store.put(b->rig.store.ctx, MU_TABLE_SCHEME,
                                      mu_record_key_view(&k), MU_BYTES(junk)),
                     0);
    assert_int_equal(b->rig.store.commit(b->rig.store.ctx), 0);
    assert_int_equal(band_leave(b, 0), 0);
    band_rekey(b);
    band_rekey(b);
    band_check(b);
    assert_int_equal(trace(b, &d, hits), 1);
    check_hit(b, &hits[0], "m04", base, band_view(b).base, false);
    k = mu_record_key_trees(b->group, base);
    assert_int_equal(b->rig.store.put(b->rig.store.ctx, MU_TABLE_SCHEME,
                                      mu_record_key_view(&k), MU_BYTES(junk)),
                     0);
    assert_int_equal(trace(b, &d, hits), 0);
    rig_drain(&b->rig);
    assert_true(rig_traced(&b->rig, "trees-damaged"));
    d.len = 0;
    dump_add(&d, &b->souls[4]);
    assert_int_equal(trace(b, &d, hits), 1);
    /* Who had the place cannot be read: the place is all that is said. */
    k = mu_record_key_places(b->group, hits[0].base, 0);
    assert_int_equal(b->rig.store.put(b->rig.store.ctx, MU_TABLE_SCHEME,
                                      mu_record_key_view(&k), MU_BYTES(junk)),
                     0);
    char who[MU_ID_MAX + 1];
    uint32_t at = 0;
    bool left;
    assert_int_equal(mu_server_trace_next(&b->rig.server, rig_id("all"),
                                          &hits[0], &at, who, &left),
                     MU_ERR_NOT_FOUND);
    b->rig.store.rollback(b->rig.store.ctx);
    band_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations), cmocka_unit_test(test_none_kept),
        cmocka_unit_test(test_newcomer),
        cmocka_unit_test(test_pooled),      cmocka_unit_test(test_part),
        cmocka_unit_test(test_nobody),      cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
