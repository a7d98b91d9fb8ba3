/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with schemes: damage, replays, sleepers, full trees,
 * doubles, restarts, compaction; and the ladder's own levels. */
#include "lab.h"

static const enum mu_scheme_kind kinds[] = {
    MU_SCHEME_UNICAST, MU_SCHEME_CLUSTER, MU_SCHEME_LADDER,
    MU_SCHEME_LKH,     MU_SCHEME_CS,      MU_SCHEME_SD,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void lab_start(struct lab *l, enum mu_scheme_kind kind,
                      uint32_t members, uint32_t slots_max)
{
    struct mu_scheme_conf conf = lab_conf(kind, members, slots_max);

    lab_init(l, &conf, 77);
}

/* The message that this device would open. */
static const struct lab_msg *message_for(struct lab *l, struct lab_device *d)
{
    struct lab_device twin = *d;
    struct mu_secret key;

    twin.m.state = twin.state;
    for (size_t i = 0; i < l->parts_len; i++) {
        if (lab_open_msg(l, &twin, &l->parts[i], &key) == 0)
            return &l->parts[i];
    }
    for (size_t i = 0; i < l->personal_len; i++) {
        if (l->personal[i].slot == d->slot)
            return &l->personal[i];
    }
    fail_msg("no message for slot %u", d->slot);
    return NULL;
}

static void damaged(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static struct lab_msg bad;
        const struct lab_msg *msg;
        struct lab_device *d;
        struct mu_secret key;
        struct lab l;

        lab_start(&l, kinds[k], 20, 20);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_leave(&l, 7);
        lab_rekey(&l, LAB_MSG);
        d = &l.devices[12];
        msg = message_for(&l, d);
        for (size_t bit = 0; bit < 8 * msg->len; bit++) {
            bad = *msg;
            bad.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_not_equal(lab_open_msg(&l, d, &bad, &key), 0);
        }
        for (size_t len = 0; len < msg->len; len++) {
            bad = *msg;
            bad.len = len;
            assert_int_not_equal(lab_open_msg(&l, d, &bad, &key), 0);
        }
        bad = *msg;
        bad.data[bad.len++] = 0;
        assert_int_not_equal(lab_open_msg(&l, d, &bad, &key), 0);
        /* After all that, the true one. */
        assert_int_equal(lab_open_msg(&l, d, msg, &key), 0);
        lab_clear(&l);
    }
}

/* One who knows no key makes a message of the right shape. */
static void forged(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static struct lab_msg bad;
        struct mu_secret key;
        struct lab l;
        int rc;

        lab_start(&l, kinds[k], 20, 20);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_rekey(&l, LAB_MSG);
        bad = *message_for(&l, &l.devices[3]);
        for (size_t i = bad.len - 16; i < bad.len; i++)
            bad.data[i] = (uint8_t)(i * 7);
        rc = lab_open_msg(&l, &l.devices[3], &bad, &key);
        assert_int_equal(rc, MU_ERR_AUTH);
        lab_clear(&l);
    }
}

static void replayed_and_older(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static struct lab_msg old;
        struct mu_secret key;
        struct lab l;

        lab_start(&l, kinds[k], 20, 20);
        lab_rekey(&l, LAB_MSG);
        old = *message_for(&l, &l.devices[3]);
        lab_check(&l, 0);
        l.generation--; /* what the check in lab_open_msg compares with */
        assert_int_equal(lab_open_msg(&l, &l.devices[3], &old, &key),
                         MU_ERR_REPLAY);
        l.generation++;
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        assert_int_equal(lab_open_msg(&l, &l.devices[3], &old, &key),
                         MU_ERR_ROLLBACK);
        lab_clear(&l);
    }
}

static void another_group(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static struct lab_msg msg;
        struct mu_secret key;
        struct lab l;

        lab_start(&l, kinds[k], 20, 20);
        lab_rekey(&l, LAB_MSG);
        msg = *message_for(&l, &l.devices[3]);
        msg.data[5] ^= 1; /* the scope's last byte */
        assert_int_equal(lab_open_msg(&l, &l.devices[3], &msg, &key),
                         MU_ERR_UNEXPECTED);
        lab_clear(&l);
    }
}

/* A thousand rekeys with leaves, joins and none of it heard. */
static void slept_through_a_thousand(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        const bool stateless = kinds[k] >= MU_SCHEME_CS;
        struct mu_scheme_conf conf = lab_conf(kinds[k], 40, 1000);
        struct lab_device *d;
        struct mu_secret key;
        struct lab l;
        int rc;

        lab_init(&l, &conf, 9);
        d = &l.devices[17];
        for (unsigned i = 0; i < 1000; i++) {
            /* Clusters run out of places and would be compacted, which no
             * scheme sleeps through without a new state: another test. */
            if (i % 50 == 0 && kinds[k] != MU_SCHEME_CLUSTER) {
                lab_leave(&l, i / 50 < 17 ? i / 50 : i / 50 + 1);
                assert_true(lab_join(&l));
            }
            lab_rekey(&l, LAB_MSG);
        }
        rc = lab_open_parts(&l, d, &key);
        if (stateless)
            assert_int_equal(rc, 0);
        else if (rc != 0)
            rc = lab_catch_up(&l, d, &key);
        assert_int_equal(rc, 0);
        assert_true(mu_secret_eq(&key, &l.s.key));
        /* And it goes on as one of many. */
        lab_leave(&l, 25);
        lab_rekey(&l, LAB_MSG);
        rc = lab_open_parts(&l, d, &key);
        for (size_t i = 0; i < l.personal_len && rc != 0; i++) {
            if (l.personal[i].slot == d->slot)
                rc = lab_open_msg(&l, d, &l.personal[i], &key);
        }
        assert_int_equal(rc, 0);
        lab_clear(&l);
    }
}

/* LKH: one that is behind learns so, and asks. */
static void lkh_behind(void **state)
{
    struct mu_secret key;
    struct lab l;

    (void)state;
    lab_start(&l, MU_SCHEME_LKH, 27, 27);
    lab_rekey(&l, LAB_MSG);
    lab_check(&l, 0);
    lab_leave(&l, 13); /* a neighbour of 12 and 14 */
    lab_rekey(&l, LAB_MSG);
    lab_leave(&l, 20);
    lab_rekey(&l, LAB_MSG);
    assert_int_equal(lab_open_parts(&l, &l.devices[12], &key),
                     MU_ERR_UNKNOWN_KEY);
    assert_int_equal(lab_catch_up(&l, &l.devices[12], &key), 0);
    lab_leave(&l, 14);
    lab_rekey(&l, LAB_MSG);
    assert_int_equal(lab_open_parts(&l, &l.devices[12], &key), 0);
    lab_clear(&l);
}

static void everyone_leaves(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct lab l;

        lab_start(&l, kinds[k], 20, 40);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        for (size_t i = 0; i < 20; i++)
            lab_leave(&l, i);
        assert_int_equal(l.s.live, 0);
        lab_rekey(&l, LAB_MSG);
        assert_int_equal(l.personal_len, 0);
        assert_int_equal(l.wraps, 0);
        lab_check(&l, 0);
        /* And life goes on. */
        assert_true(lab_join(&l));
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_clear(&l);
    }
}

static void removed_twice(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static const uint32_t twice[] = {3, 4, 3};
        static const uint32_t stranger[] = {3, 4, 4000};
        static const uint32_t fine[] = {3, 4};
        struct lab l;

        lab_start(&l, kinds[k], 20, 20);
        assert_int_equal(mu_scheme_leave_all(&l.s, twice, 3),
                         MU_ERR_NOT_FOUND);
        assert_int_equal(mu_scheme_leave_all(&l.s, stranger, 3),
                         MU_ERR_NOT_FOUND);
        assert_int_equal(l.s.live, 20);
        assert_false(l.s.pending);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        assert_int_equal(mu_scheme_leave_all(&l.s, fine, 2), 0);
        assert_int_equal(mu_scheme_leave(&l.s, 4), MU_ERR_NOT_FOUND);
        l.devices[3].in = l.devices[4].in = false;
        assert_int_equal(l.s.live, 18);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_clear(&l);
    }
}

/* Joins until there is no room; compaction makes room. */
static void join_into_full(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct lab l;
        unsigned joined = 0;

        lab_start(&l, kinds[k], 60, 70);
        while (lab_join(&l))
            joined++;
        assert_true(joined >= 4);
        assert_int_equal(l.s.live, 60 + joined);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_leave(&l, 2);
        /* LKH gives the freed place away again; the others do not. */
        assert_int_equal(lab_join(&l), kinds[k] == MU_SCHEME_LKH);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_compact(&l);
        assert_true(lab_join(&l));
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_clear(&l);
    }
}

/* A group that compacted: the old states do not open, and know why. */
static void compacted(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        static struct lab_device asleep;
        struct mu_secret key;
        struct lab l;

        lab_start(&l, kinds[k], 20, 40);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        lab_leave(&l, 0);
        asleep = l.devices[9];
        asleep.m.state = asleep.state;
        lab_rekey(&l, LAB_MSG);
        lab_compact(&l);
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        assert_int_equal(asleep.slot, l.devices[9].slot + 1);
        for (size_t i = 0; i < l.parts_len; i++)
            assert_int_equal(
                lab_open_msg(&l, &asleep, &l.parts[i], &key),
                MU_ERR_UNKNOWN_KEY);
        if (kinds[k] == MU_SCHEME_SD)
            assert_int_equal(l.wraps, 1); /* as new */
        lab_clear(&l);
    }
}

/* The server stops after any change, and goes on from what it stored. */
static void restarted(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct lab l;

        lab_start(&l, kinds[k], 20, 40);
        for (unsigned round = 0; round < 12; round++) {
            uint8_t head[256];
            struct mu_writer w = mu_writer(head, sizeof(head));
            const struct mu_secret key = l.s.key;
            struct mu_scheme_conf conf = l.s.conf;
            struct mu_reader r;

            if (round % 3 == 1)
                lab_leave(&l, round);
            if (round % 4 == 2)
                assert_true(lab_join(&l));
            assert_int_equal(mu_scheme_save(&l.s, &w), 0);
            mu_scheme_clear(&l.s);
            for (size_t len = 0; len < w.len; len++) {
                r = mu_reader(mu_bytes(head, len));
                assert_int_equal(mu_scheme_load(&l.s, &conf, &r, l.mem,
                                                mu_scheme_mem(&conf)),
                                 MU_ERR_CORRUPT);
            }
            r = mu_reader(mu_written(&w));
            assert_int_equal(mu_scheme_load(&l.s, &conf, &r, l.mem,
                                            mu_scheme_mem(&conf)),
                             0);
            assert_int_equal(mu_reader_end(&r), 0);
            l.s.key = key;
            lab_rekey(&l, LAB_MSG);
            lab_check(&l, 0);
        }
        lab_clear(&l);
    }
}

static void wrong_use(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        uint8_t out[LAB_MSG];
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_rekey r;
        struct lab l;

        lab_start(&l, kinds[k], 20, 40);
        lab_rekey(&l, LAB_MSG);
        assert_int_equal(mu_scheme_begin(&l.s, l.generation, LAB_MSG, &r),
                         MU_ERR_ROLLBACK);
        assert_int_equal(mu_scheme_begin(&l.s, l.generation + 1, 100, &r),
                         MU_ERR_USAGE);
        /* A new server epoch means new trees. */
        assert_int_equal(
            mu_scheme_begin(&l.s, l.generation + LAB_EPOCH, LAB_MSG, &r),
            MU_ERR_USAGE);
        assert_int_equal(
            mu_scheme_begin(&l.s, LAB_EPOCH + 0x80000000, LAB_MSG, &r),
            MU_ERR_EXHAUSTED);
        assert_int_equal(mu_scheme_issue(&l.s, 39, &w), MU_ERR_NOT_FOUND);
        assert_int_equal(mu_scheme_personal(&l.s, 39, &w), MU_ERR_NOT_FOUND);
        assert_int_equal(mu_scheme_begin(&l.s, ++l.generation, LAB_MSG, &r),
                         0);
        /* Nothing is told of a group that has changed since. */
        assert_int_equal(mu_scheme_leave(&l.s, 1), 0);
        assert_int_equal(mu_rekey_part(&l.s, &r, &w), MU_ERR_UNEXPECTED);
        assert_int_equal(mu_scheme_issue(&l.s, 2, &w), MU_ERR_BUSY);
        assert_int_equal(mu_scheme_personal(&l.s, 2, &w), MU_ERR_BUSY);
        assert_int_equal(w.len, 0);
        lab_clear(&l);
    }
}

static void shapes_that_cannot_be(void **state)
{
    struct mu_scheme_conf conf = lab_conf(MU_SCHEME_SD, 10, 5);

    (void)state;
    assert_int_equal(mu_scheme_mem(&conf), 0);
    conf = lab_conf(MU_SCHEME_SD, 10, MU_SCHEME_POSITIONS_MAX + 1);
    assert_int_equal(mu_scheme_mem(&conf), 0);
    conf = lab_conf(MU_SCHEME_LKH, 10, 10);
    conf.degree = 1;
    assert_int_equal(mu_scheme_mem(&conf), 0);
    conf = lab_conf(MU_SCHEME_CLUSTER, 10, 10);
    conf.clusters = MU_CLUSTERS_MAX + 1;
    assert_int_equal(mu_scheme_mem(&conf), 0);
    conf = lab_conf(MU_SCHEME_LADDER, 10, 10);
    conf.levels = 0;
    assert_int_equal(mu_scheme_mem(&conf), 0);
    conf = lab_conf(MU_SCHEME_NONE, 10, 10);
    assert_int_equal(mu_scheme_mem(&conf), 0);
    for (int k = 1; k < MU_SCHEME_COUNT; k++)
        assert_int_equal(
            mu_scheme_kind(mu_bytes_str(mu_scheme_name((enum mu_scheme_kind)k))),
            k);
    assert_int_equal(mu_scheme_kind(mu_bytes_str("tree")), MU_SCHEME_NONE);
}

/* KEY-7: who holds which level's key, before and after a change at level 2. */
static void ladder_levels(void **state)
{
    struct mu_secret before[4];
    struct mu_secret key;
    struct lab l;

    (void)state;
    lab_start(&l, MU_SCHEME_LADDER, 12, 20);
    for (unsigned round = 0; round < 2; round++) {
        lab_rekey(&l, LAB_MSG);
        lab_check(&l, 0);
        for (uint8_t level = 1; level <= 3; level++)
            assert_int_equal(
                mu_scheme_level_key(&l.s, level, &before[level]), 0);
        assert_true(mu_secret_eq(&before[3], &l.s.key));
        for (size_t i = 0; i < 12; i++) {
            const uint8_t own = (uint8_t)(1 + i % 3);

            if (!l.devices[i].in)
                continue;
            for (uint8_t level = 1; level <= 3; level++) {
                int rc = mu_member_level_key(&l.devices[i].m, level, &key);

                assert_int_equal(rc, level < own ? MU_ERR_FORBIDDEN : 0);
                if (rc == 0)
                    assert_true(mu_secret_eq(&key, &before[level]));
            }
        }
        if (round == 0) {
            lab_leave(&l, 4); /* of level 2 */
            lab_rekey(&l, LAB_MSG);
            /* Levels 2 and 3 are told; level 1 derives. */
            assert_int_equal(l.personal_len, 7);
            for (size_t i = 0; i < l.personal_len; i++)
                assert_int_not_equal(l.personal[i].slot % 3, 0);
            lab_check(&l, 0);
        }
    }
    lab_clear(&l);
}

/* KEY-5: one cluster changes, everybody else hears a key index alone. */
static void cluster_index(void **state)
{
    struct lab l;

    (void)state;
    lab_start(&l, MU_SCHEME_CLUSTER, 20, 40);
    lab_rekey(&l, LAB_MSG);
    assert_int_equal(l.personal_len, 0);
    assert_int_equal(l.wraps, 0);
    lab_check(&l, 0);
    lab_leave(&l, 9); /* cluster 2: slots 8 .. 11 */
    lab_rekey(&l, LAB_MSG);
    assert_int_equal(l.wraps, 0);
    assert_int_equal(l.parts[0].len, 28 + 1 + 4 + 16);
    assert_int_equal(l.personal_len, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(l.personal[i].slot / 4, 2);
    lab_check(&l, 0);
    /* The keys outside cluster 0 that 9 took along are of no use. */
    lab_leave(&l, 0);
    lab_rekey(&l, LAB_MSG);
    assert_int_equal(l.personal_len, 3);
    assert_true(l.wraps > 1);
    lab_check(&l, 0);
    lab_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged),
        cmocka_unit_test(forged),
        cmocka_unit_test(replayed_and_older),
        cmocka_unit_test(another_group),
        cmocka_unit_test(slept_through_a_thousand),
        cmocka_unit_test(lkh_behind),
        cmocka_unit_test(everyone_leaves),
        cmocka_unit_test(removed_twice),
        cmocka_unit_test(join_into_full),
        cmocka_unit_test(compacted),
        cmocka_unit_test(restarted),
        cmocka_unit_test(wrong_use),
        cmocka_unit_test(shapes_that_cannot_be),
        cmocka_unit_test(ladder_levels),
        cmocka_unit_test(cluster_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
