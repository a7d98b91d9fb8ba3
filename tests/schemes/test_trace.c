/* SPDX-License-Identifier: Apache-2.0 */
/* From the keys in a clone to the slot they were given to. */
#include "lab.h"

#define DUMP_MAX 65536

struct clone {
    uint8_t dump[DUMP_MAX];
    size_t len;
};

/* Rubbish, then the keys of one device without any of its head. */
static void clone_add(struct lab *l, struct clone *c, size_t device,
                      size_t leave_out)
{
    const struct lab_device *d = &l->devices[device];
    const size_t keys = d->m.state_len - MU_MEMBER_HEAD_LEN - leave_out;

    for (unsigned i = 0; i < 37; i++)
        c->dump[c->len++] = (uint8_t)lab_rng(l, 256);
    memcpy(c->dump + c->len, d->state + d->m.state_len - keys, keys);
    c->len += keys;
}

static const enum mu_scheme_kind traced[] = {MU_SCHEME_LKH, MU_SCHEME_CS,
                                             MU_SCHEME_SD};

static void start(struct lab *l, enum mu_scheme_kind kind)
{
    struct mu_scheme_conf conf = lab_conf(kind, 100, 400);

    lab_init(l, &conf, 4);
    for (unsigned i = 0; i < 30; i++)
        assert_true(lab_join(l));
    lab_rekey(l, LAB_MSG);
    lab_check(l, 0);
}

static void one_traitor(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct lab l;

        start(&l, traced[k]);
        for (size_t i = 0; i < l.devices_len; i += 7) {
            struct clone c = {.len = 0};
            struct mu_trace_hit hits[4];
            size_t n;

            clone_add(&l, &c, i, 0);
            assert_int_equal(mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len),
                                             hits, 4, &n),
                             0);
            assert_int_equal(n, 1);
            assert_int_equal(hits[0].slot, l.devices[i].slot);
            assert_int_equal(hits[0].count, 1);
        }
        lab_clear(&l);
    }
}

static void coalition(void **state)
{
    static const size_t who[] = {3, 40, 41, 99, 104, 120};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct clone c = {.len = 0};
        struct mu_trace_hit hits[8];
        struct lab l;
        size_t n;

        start(&l, traced[k]);
        for (size_t i = 0; i < 6; i++)
            clone_add(&l, &c, who[i], 0);
        assert_int_equal(
            mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len), hits, 8, &n), 0);
        assert_int_equal(n, 6);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(hits[i].count, 1);
            assert_int_equal(hits[i].slot, l.devices[who[i]].slot);
        }
        assert_int_equal(
            mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len), hits, 5, &n),
            MU_ERR_FULL);
        lab_clear(&l);
    }
}

/* The coalition of all but one, with all it can derive: never that one. */
static void nobody_is_framed(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct mu_scheme_conf conf = lab_conf(traced[k], 16, 16);
        static struct clone c;
        struct mu_trace_hit hits[16];
        struct lab l;
        size_t n;

        lab_init(&l, &conf, 2);
        c.len = 0;
        for (size_t i = 0; i < 16; i++) {
            if (i != 11)
                clone_add(&l, &c, i, 0);
        }
        for (size_t at = 0; traced[k] == MU_SCHEME_SD && at + 16 <= 15 * 214;
             at++) {
            struct mu_secret key;
            struct mu_secret next;

            assert_int_equal(mu_secret_set(&key, mu_bytes(c.dump + at, 16)),
                             0);
            if (c.len + 32 > sizeof(c.dump))
                break;
            assert_int_equal(mu_kdf(l.s.conf.crypto, &key, "sd left",
                                    mu_bytes(NULL, 0), 16, &next),
                             0);
            memcpy(c.dump + c.len, next.bytes, 16);
            assert_int_equal(mu_kdf(l.s.conf.crypto, &key, "sd right",
                                    mu_bytes(NULL, 0), 16, &next),
                             0);
            memcpy(c.dump + c.len + 16, next.bytes, 16);
            c.len += 32;
        }
        assert_int_equal(
            mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len), hits, 16, &n), 0);
        assert_int_equal(n, 15);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(hits[i].count, 1);
            assert_int_not_equal(hits[i].slot, 11);
        }
        lab_clear(&l);
    }
}

/* Without the lowest keys a clone still shows which part it came from. */
static void keys_left_out(void **state)
{
    struct clone c = {.len = 0};
    struct mu_trace_hit hits[4];
    struct lab l;
    size_t n;

    (void)state;
    start(&l, MU_SCHEME_CS);
    /* The root's level, then keys from the leaf up: two of them. */
    clone_add(&l, &c, 77, 1 + 32);
    assert_int_equal(
        mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len), hits, 4, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(hits[0].slot, 76);
    assert_int_equal(hits[0].count, 4);
    lab_clear(&l);
}

static void rubbish(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct clone c = {.len = 5000};
        struct mu_trace_hit hits[4];
        struct lab l;
        size_t n = 9;

        start(&l, traced[k]);
        for (size_t i = 0; i < c.len; i++)
            c.dump[i] = (uint8_t)lab_rng(&l, 256);
        assert_int_equal(
            mu_scheme_trace(&l.s, mu_bytes(c.dump, c.len), hits, 4, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(mu_scheme_trace(&l.s, mu_bytes(c.dump, 3), hits, 4,
                                         &n),
                         0);
        assert_int_equal(n, 0);
        lab_clear(&l);
    }
}

static void other_schemes(void **state)
{
    struct mu_trace_hit hit;
    struct lab l;
    struct mu_scheme_conf conf = lab_conf(MU_SCHEME_LADDER, 9, 9);
    size_t n;

    (void)state;
    lab_init(&l, &conf, 1);
    assert_int_equal(mu_scheme_trace(&l.s, mu_bytes(l.mem, 16), &hit, 1, &n),
                     MU_ERR_UNSUPPORTED);
    lab_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_traitor),   cmocka_unit_test(coalition),
        cmocka_unit_test(keys_left_out), cmocka_unit_test(nobody_is_framed),
        cmocka_unit_test(rubbish),       cmocka_unit_test(other_schemes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
