/* SPDX-License-Identifier: Apache-2.0 */
/* The keyring against a slow twin that knows all history of every scope. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "muster/keys.h"

#define TWIN_MAX 64

static uint32_t rng_state;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (rng_state >> 8) % below;
}

/* The key of a kid is a function of it, so that a mix-up shows. */
static struct mu_secret key_of(const struct mu_kid *kid, uint8_t variant)
{
    struct mu_secret s = {.len = 32};

    s.bytes[0] = kid->kind;
    s.bytes[1] = (uint8_t)kid->scope;
    s.bytes[2] = (uint8_t)kid->generation;
    s.bytes[3] = variant;
    return s;
}

struct twin_key {
    struct mu_kid kid;
    enum mu_key_phase phase;
    uint8_t variant;
};

/* An unbounded list without order. */
struct twin {
    struct twin_key keys[TWIN_MAX];
    size_t len;
};

static bool twin_scope(const struct twin_key *t, const struct mu_kid *kid)
{
    return t->kid.kind == kid->kind && t->kid.scope == kid->scope;
}

static void twin_remove(struct twin *t, size_t i)
{
    t->keys[i] = t->keys[--t->len];
}

static struct twin_key *twin_get(struct twin *t, const struct mu_kid *kid,
                                 int phase)
{
    for (size_t i = 0; i < t->len; i++) {
        struct twin_key *key = &t->keys[i];
        if (twin_scope(key, kid) &&
            (phase >= 0 ? (int)key->phase == phase
                        : key->kid.generation == kid->generation))
            return key;
    }
    return NULL;
}

/* After anything: the newest that was made active is it, the next one down is
 * retired if it ever was active, everything else older is gone. */
static void twin_settle(struct twin *t, const struct mu_kid *kid)
{
    uint64_t newest = 0;
    uint64_t second = 0;

    for (size_t i = 0; i < t->len; i++) {
        struct twin_key *k = &t->keys[i];
        if (twin_scope(k, kid) && k->phase != MU_PHASE_DORMANT &&
            k->kid.generation > newest)
            newest = k->kid.generation;
    }
    for (size_t i = 0; i < t->len; i++) {
        struct twin_key *k = &t->keys[i];
        if (twin_scope(k, kid) && k->phase != MU_PHASE_DORMANT &&
            k->kid.generation < newest && k->kid.generation > second)
            second = k->kid.generation;
    }
    for (size_t i = 0; i < t->len;) {
        struct twin_key *k = &t->keys[i];
        if (!twin_scope(k, kid) || k->kid.generation > newest) {
            i++;
        } else if (k->phase != MU_PHASE_DORMANT &&
                   k->kid.generation >= second) {
            k->phase = k->kid.generation == newest ? MU_PHASE_ACTIVE
                                                   : MU_PHASE_RETIRED;
            i++;
        } else {
            twin_remove(t, i);
        }
    }
}

static int twin_put(struct twin *t, const struct mu_kid *kid, uint8_t variant,
                    enum mu_key_phase phase)
{
    struct twin_key *same = twin_get(t, kid, -1);
    struct twin_key *active = twin_get(t, kid, MU_PHASE_ACTIVE);
    struct twin_key *retired = twin_get(t, kid, MU_PHASE_RETIRED);

    if (same != NULL && same->variant != variant)
        return MU_ERR_CONFLICT;
    if (same != NULL) {
        if (same->phase == MU_PHASE_DORMANT && phase == MU_PHASE_ACTIVE)
            same->phase = MU_PHASE_ACTIVE;
        twin_settle(t, kid);
        return 0;
    }
    if (phase == MU_PHASE_RETIRED) {
        if (active == NULL || active->kid.generation < kid->generation)
            return MU_ERR_USAGE;
        if (retired != NULL && retired->kid.generation > kid->generation)
            return MU_ERR_ROLLBACK;
    } else if (active != NULL && active->kid.generation > kid->generation) {
        return MU_ERR_ROLLBACK;
    }
    assert_true(t->len < TWIN_MAX);
    t->keys[t->len++] = (struct twin_key){*kid, phase, variant};
    twin_settle(t, kid);
    return 0;
}

static size_t ring_count(const struct mu_keyring *k)
{
    size_t n = 0;

    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++)
        n += k->slots[i].kid.kind != MU_KEY_NONE;
    return n;
}

static bool ring_has(const struct mu_keyring *k, const struct twin_key *t)
{
    struct mu_secret want = key_of(&t->kid, t->variant);

    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &k->slots[i];
        if (mu_kid_eq(&s->kid, &t->kid))
            return s->phase == t->phase && mu_secret_eq(&s->key, &want);
    }
    return false;
}

static void same_ring(const struct mu_keyring *k, struct twin *t)
{
    assert_int_equal(ring_count(k), t->len);
    for (size_t i = 0; i < t->len; i++) {
        const struct twin_key *key = &t->keys[i];
        const struct mu_secret *found = mu_keyring_find(k, &key->kid);
        struct mu_secret want = key_of(&key->kid, key->variant);

        assert_true(ring_has(k, key));
        assert_non_null(found);
        assert_true(mu_secret_eq(found, &want));
        const struct mu_key_slot *active =
            mu_keyring_active(k, key->kid.kind, key->kid.scope);
        struct twin_key *twin_active =
            twin_get(t, &key->kid, MU_PHASE_ACTIVE);
        assert_int_equal(active != NULL, twin_active != NULL);
        if (active != NULL)
            assert_true(mu_kid_eq(&active->kid, &twin_active->kid));
    }
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        static const struct mu_key_slot empty;
        if (k->slots[i].kid.kind == MU_KEY_NONE) /* no key left behind */
            assert_memory_equal(&k->slots[i], &empty, sizeof empty);
    }
}

/* The ring is full where the twin is not: it may have given up one retired
 * key for an active one, and nothing else. */
static void allow_displaced(const struct mu_keyring *k, struct twin *t)
{
    for (size_t i = 0; i < t->len; i++) {
        if (!ring_has(k, &t->keys[i])) {
            assert_int_equal(t->keys[i].phase, MU_PHASE_RETIRED);
            twin_remove(t, i);
            return;
        }
    }
    fail_msg("nothing was displaced");
}

static void random_put(struct mu_keyring *k, struct twin *t, uint32_t scopes)
{
    const struct mu_kid kid = {rng(2) ? MU_KEY_KB : MU_KEY_KG, rng(scopes),
                               1 + rng(8)};
    uint8_t variant = rng(16) == 0;
    uint32_t dice = rng(10);
    enum mu_key_phase phase = dice < 7   ? MU_PHASE_ACTIVE
                              : dice < 9 ? MU_PHASE_DORMANT
                                         : MU_PHASE_RETIRED;
    struct mu_secret key = key_of(&kid, variant);
    struct twin before = *t;
    struct mu_keyring ring_before = *k;
    int rc = mu_keyring_put(k, &kid, &key, phase);
    int expect = twin_put(t, &kid, variant, phase);

    if (rc == MU_ERR_FULL) {
        assert_int_equal(expect, 0);
        assert_true(t->len > MU_DEVICE_KEYS_MAX);
        assert_memory_equal(k, &ring_before, sizeof *k);
        for (size_t i = 0; phase == MU_PHASE_ACTIVE && i < before.len; i++)
            assert_int_not_equal(before.keys[i].phase, MU_PHASE_RETIRED);
        *t = before;
        return;
    }
    assert_int_equal(rc, expect);
    if (rc != 0)
        assert_memory_equal(k, &ring_before, sizeof *k);
    if (t->len > MU_DEVICE_KEYS_MAX) {
        assert_int_equal(phase, MU_PHASE_ACTIVE);
        allow_displaced(k, t);
    }
}

static void save_and_load(struct mu_keyring *k)
{
    uint8_t saved[1024];
    struct mu_writer w = mu_writer(saved, sizeof saved);
    struct mu_keyring back;

    assert_int_equal(mu_keyring_save(k, &w), 0);
    mu_write_u8(&w, 0xee); /* what follows stays for the caller */
    struct mu_reader r = mu_reader(mu_written(&w));
    assert_int_equal(mu_keyring_load(&back, &r), 0);
    assert_int_equal(mu_reader_left(&r), 1);
    *k = back;
}

static void test_model(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        struct mu_keyring k;
        struct twin t = {.len = 0};

        rng_state = seed;
        mu_keyring_init(&k);
        for (int i = 0; i < 200; i++) {
            uint32_t what = rng(40);
            if (what == 0) {
                struct mu_kid kid = {MU_KEY_KB, rng(3), 0};
                mu_keyring_drop(&k, kid.kind, kid.scope);
                for (size_t j = t.len; j-- > 0;) {
                    if (twin_scope(&t.keys[j], &kid))
                        twin_remove(&t, j);
                }
            } else if (what == 1) {
                save_and_load(&k);
            } else {
                random_put(&k, &t, 1 + seed % 8);
            }
            same_ring(&k, &t);
        }
    }
}

static void put_ok(struct mu_keyring *k, uint64_t generation,
                   enum mu_key_phase phase)
{
    const struct mu_kid kid = {MU_KEY_KB, 7, generation};
    struct mu_secret key = key_of(&kid, 0);

    assert_int_equal(mu_keyring_put(k, &kid, &key, phase), 0);
}

static void test_rotation(void **state)
{
    struct mu_keyring k;
    struct mu_kid kid = {MU_KEY_KB, 7, 1};
    struct mu_secret key = key_of(&kid, 0);
    struct mu_secret other = key_of(&kid, 1);

    (void)state;
    mu_keyring_init(&k);
    put_ok(&k, 1, MU_PHASE_ACTIVE);
    put_ok(&k, 1, MU_PHASE_ACTIVE);
    assert_int_equal(mu_keyring_put(&k, &kid, &other, MU_PHASE_ACTIVE),
                     MU_ERR_CONFLICT);
    put_ok(&k, 2, MU_PHASE_DORMANT);
    assert_int_equal(mu_keyring_active(&k, MU_KEY_KB, 7)->kid.generation, 1);
    put_ok(&k, 2, MU_PHASE_ACTIVE);
    assert_int_equal(mu_keyring_active(&k, MU_KEY_KB, 7)->kid.generation, 2);
    assert_non_null(mu_keyring_find(&k, &kid)); /* retired, still there */
    put_ok(&k, 3, MU_PHASE_ACTIVE);
    assert_null(mu_keyring_find(&k, &kid)); /* gone, and it stays away: */
    assert_int_equal(mu_keyring_put(&k, &kid, &key, MU_PHASE_ACTIVE),
                     MU_ERR_ROLLBACK);
    assert_null(mu_keyring_active(&k, MU_KEY_KB, 8));
    assert_null(mu_keyring_active(&k, MU_KEY_KG, 7));
    mu_keyring_drop(&k, MU_KEY_KB, 7);
    assert_null(mu_keyring_active(&k, MU_KEY_KB, 7));
}

static void test_usage(void **state)
{
    struct mu_keyring k;
    struct mu_kid kid = {MU_KEY_KB, 7, 1};
    struct mu_secret key = key_of(&kid, 0);
    struct mu_secret empty = {0};

    (void)state;
    mu_keyring_init(&k);
    assert_int_equal(mu_keyring_put(&k, &kid, &empty, MU_PHASE_ACTIVE),
                     MU_ERR_USAGE);
    assert_int_equal(mu_keyring_put(&k, &kid, &key, MU_PHASE_RETIRED),
                     MU_ERR_USAGE);
    kid.kind = MU_KEY_NONE;
    assert_int_equal(mu_keyring_put(&k, &kid, &key, MU_PHASE_ACTIVE),
                     MU_ERR_USAGE);
    kid.kind = MU_KEY_KIND_COUNT;
    assert_int_equal(mu_keyring_put(&k, &kid, &key, MU_PHASE_ACTIVE),
                     MU_ERR_USAGE);
    kid.kind = MU_KEY_NONE;
    assert_null(mu_keyring_find(&k, &kid)); /* no free slot is found */
    assert_int_equal(ring_count(&k), 0);
}

/* A saved ring, taken apart: every cut is refused, and so is every change that
 * makes two keys stand where one may. */
static void test_load_refuses(void **state)
{
    uint8_t saved[256];
    struct mu_writer w = mu_writer(saved, sizeof saved);
    struct mu_keyring k;
    const size_t one = MU_KID_LEN + 2 + 32;

    (void)state;
    mu_keyring_init(&k);
    put_ok(&k, 1, MU_PHASE_ACTIVE);
    put_ok(&k, 2, MU_PHASE_ACTIVE);
    put_ok(&k, 3, MU_PHASE_DORMANT);
    assert_int_equal(mu_keyring_save(&k, &w), 0);
    assert_int_equal(w.len, 2 + 3 * one);
    for (size_t n = 0; n < w.len; n++) {
        struct mu_reader r = mu_reader(mu_bytes(saved, n));
        assert_int_equal(mu_keyring_load(&k, &r), MU_ERR_CORRUPT);
        assert_int_equal(ring_count(&k), 0);
    }
    const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 2},                              /* version */
        {1, MU_DEVICE_KEYS_MAX + 1},         /* count */
        {2, 0},                              /* no kind */
        {2, MU_KEY_KIND_COUNT},              /* no kind */
        {2 + 12, 2},                         /* generation of the second */
        {2 + 12, 9},                         /* retired after active */
        {2 + 13, MU_PHASE_ACTIVE},           /* two active ones */
        {2 + 13, 3},                         /* no phase */
        {2 + 14, 0},                         /* no key */
        {2 + 14, 33},                        /* key too long */
        {2 + one + 13, MU_PHASE_RETIRED},    /* two retired ones */
        {2 + 2 * one + 12, 1},               /* dormant before active */
        {2 + one + 4, 9},                    /* active of another scope */
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t keep = saved[changes[i].at];
        struct mu_reader r = mu_reader(mu_bytes(saved, w.len));
        assert_int_equal(mu_keyring_load(&k, &r), 0);
        saved[changes[i].at] = changes[i].value;
        r = mu_reader(mu_bytes(saved, w.len));
        if (mu_keyring_load(&k, &r) != MU_ERR_CORRUPT)
            fail_msg("change %zu was taken", i);
        assert_int_equal(ring_count(&k), 0);
        saved[changes[i].at] = keep;
    }
    w = mu_writer(saved, 40);
    put_ok(&k, 1, MU_PHASE_ACTIVE);
    assert_int_equal(mu_keyring_save(&k, &w), MU_ERR_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_load_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
