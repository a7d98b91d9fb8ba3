/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of acknowledgements: where each lies, what a false one spoils. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "muster/ack.h"

#define MEMBERS 40

static const uint8_t shifts[] = {0, 2, 4, 8};

/* Acknowledgements that cannot cancel out: each byte tells member and place. */
static int expected(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    const uint16_t *stranger = context;

    if (index == *stranger)
        return MU_ERR_NOT_FOUND;
    for (unsigned b = 0; b < MU_ACK_LEN; b++)
        ack[b] = (uint8_t)((index * 37u + b * 11u) ^ (index * b >> 2));
    return 0;
}

struct world {
    uint16_t stranger;
    uint8_t named[64], string[MEMBERS * MU_ACK_LEN], rest[sizeof(uint8_t) *
                                                          MEMBERS * MU_ACK_LEN];
    uint8_t left[64];
    struct mu_ack_sum sum;
    struct mu_ack_expect expect;
};

static void begin(struct world *w, uint16_t first, uint8_t shift)
{
    memset(w, 0, sizeof *w);
    w->stranger = UINT16_MAX;
    w->expect = (struct mu_ack_expect){&w->stranger, expected};
    mu_ack_sum_init(&w->sum, first, shift, w->named, sizeof w->named,
                    w->string, sizeof w->string);
}

static void add(struct world *w, uint16_t index)
{
    uint8_t ack[MU_ACK_LEN];

    assert_int_equal(expected(&w->stranger, index, ack), 0);
    assert_int_equal(mu_ack_sum_add(&w->sum, index, ack), 0);
}

static int check(struct world *w, const struct mu_ack_set *s)
{
    return mu_ack_check(s, &w->expect, w->rest, w->left);
}

static bool is_left(const struct world *w, unsigned i)
{
    return (w->left[i / 8] >> i % 8 & 1) != 0;
}

/* By hand: three members, the second named is the index after next. */
static void test_layout(void **state)
{
    static const uint8_t a[MU_ACK_LEN] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const uint8_t b[MU_ACK_LEN] = {2, 2, 2, 2, 2, 2, 2, 2};
    static const uint8_t c[MU_ACK_LEN] = {4, 4, 4, 4, 4, 4, 4, 4};
    static const uint8_t want[] = {
        0x00, 0x05, 0x04, 0x00, 0x02, 0x45, 0x01, /* 5, shift 4: 5, 7, 11, 13 */
        1, 1, 1, 1, 3, 3, 3, 3, 6, 6, 6, 6, 5, 5, 5, 5, 1, 1, 1, 1};
    uint8_t bytes[80];
    struct mu_writer w = mu_writer(bytes, sizeof bytes);
    struct mu_ack_set s, again;
    struct world o;

    (void)state;
    begin(&o, 5, 4);
    assert_int_equal(mu_ack_sum_add(&o.sum, 5, a), 0);
    assert_int_equal(mu_ack_sum_add(&o.sum, 7, b), 0);
    assert_int_equal(mu_ack_sum_add(&o.sum, 11, c), 0);
    assert_int_equal(mu_ack_sum_add(&o.sum, 13, a), 0);
    s = mu_ack_sum_set(&o.sum);
    assert_int_equal(mu_ack_set_write(&s, &w), 0);
    assert_int_equal(w.len, sizeof want);
    assert_memory_equal(bytes, want, sizeof want);
    assert_int_equal(mu_ack_set_consume(mu_written(&w), &again), 0);
    assert_int_equal(again.first, 5);
    assert_int_equal(again.shift, 4);
    assert_true(mu_bytes_eq(again.named, s.named));
    assert_true(mu_bytes_eq(again.string, s.string));
    assert_int_equal(mu_ack_members(s.named), 4);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(mu_ack_names(&again, i),
                         i == 5 || i == 7 || i == 11 || i == 13);
}

static void test_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shifts; i++) {
        assert_true(mu_ack_shift_known(shifts[i]));
        assert_int_equal(mu_ack_string_len(shifts[i], 0), 0);
        assert_int_equal(mu_ack_string_len(shifts[i], 1), 8);
        assert_int_equal(mu_ack_string_len(shifts[i], 10),
                         8 + 9 * shifts[i]);
        assert_int_equal(mu_ack_members_max(shifts[i], 7), 0);
        if (shifts[i] > 0) {
            size_t most = mu_ack_members_max(shifts[i], 100);

            assert_true(mu_ack_string_len(shifts[i], most) <= 100);
            assert_true(mu_ack_string_len(shifts[i], most + 1) > 100);
        }
    }
    assert_false(mu_ack_shift_known(1));
    assert_false(mu_ack_shift_known(3));
    assert_false(mu_ack_shift_known(6));
    assert_false(mu_ack_shift_known(16));
}

/* What is not a set: each change of a good one. */
static void test_malformed(void **state)
{
    uint8_t good[] = {0x00, 0x05, 0x02, 0x00, 0x01, 0x03, 1, 2,
                      3,    4,    5,    6,    7,    8,    9, 10};
    struct mu_ack_set s;

    (void)state;
    assert_int_equal(mu_ack_set_consume(MU_BYTES(good), &s), 0);
    for (size_t len = 0; len < sizeof good; len++)
        assert_int_not_equal(mu_ack_set_consume(mu_bytes(good, len), &s), 0);
    good[5] = 0x01; /* one member less than the string is for */
    assert_int_equal(mu_ack_set_consume(MU_BYTES(good), &s),
                     MU_ERR_MALFORMED);
    good[5] = 0x07;
    assert_int_equal(mu_ack_set_consume(MU_BYTES(good), &s),
                     MU_ERR_MALFORMED);
    good[5] = 0x03;
    good[2] = 3;
    assert_int_equal(mu_ack_set_consume(MU_BYTES(good), &s),
                     MU_ERR_UNSUPPORTED);
    good[2] = 2;
    good[0] = 0x0f; /* 4095 and 4096: beyond what an area has */
    good[1] = 0xff;
    assert_int_equal(mu_ack_set_consume(MU_BYTES(good), &s),
                     MU_ERR_TOO_LARGE);
    s = (struct mu_ack_set){.named = mu_bytes(good, 513)};
    assert_int_equal(mu_ack_set_valid(&s), MU_ERR_TOO_LARGE);
}

static void test_order_and_room(void **state)
{
    uint8_t ack[MU_ACK_LEN] = {0};
    struct world w;

    (void)state;
    begin(&w, 10, 8);
    assert_int_equal(mu_ack_sum_add(&w.sum, 9, ack), MU_ERR_UNEXPECTED);
    add(&w, 12);
    assert_int_equal(mu_ack_sum_add(&w.sum, 12, ack), MU_ERR_UNEXPECTED);
    assert_int_equal(mu_ack_sum_add(&w.sum, 11, ack), MU_ERR_UNEXPECTED);
    assert_int_equal(mu_ack_sum_add(&w.sum, 10 + 512, ack), MU_ERR_NO_SPACE);
    for (uint16_t i = 1; i < MEMBERS; i++)
        add(&w, (uint16_t)(12 + i));
    assert_int_equal(mu_ack_sum_add(&w.sum, 12 + MEMBERS, ack),
                     MU_ERR_NO_SPACE);
    assert_int_equal(w.sum.members, MEMBERS);
}

/* All true, and of every form the same members. */
static void test_true(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shifts; i++) {
        struct world w;
        struct mu_ack_set s;

        begin(&w, 3, shifts[i]);
        for (uint16_t m = 0; m < MEMBERS; m++)
            add(&w, (uint16_t)(3 + m * 3));
        s = mu_ack_sum_set(&w.sum);
        assert_int_equal(check(&w, &s), 0);
    }
}

/* Joined without being opened, it is what one sum would have been. */
static void test_join(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shifts; i++) {
        struct world one, a, b;
        struct mu_ack_set left, right, all, joined;

        begin(&one, 0, shifts[i]);
        begin(&a, 0, shifts[i]);
        begin(&b, 17, shifts[i]);
        for (uint16_t m = 0; m < 30; m++) {
            add(&one, m);
            add(m < 17 ? &a : &b, m);
        }
        left = mu_ack_sum_set(&a.sum);
        right = mu_ack_sum_set(&b.sum);
        assert_int_equal(mu_ack_sum_join(&a.sum, &left), MU_ERR_UNEXPECTED);
        assert_int_equal(mu_ack_sum_join(&a.sum, &right), 0);
        joined = mu_ack_sum_set(&a.sum);
        all = mu_ack_sum_set(&one.sum);
        assert_true(mu_bytes_eq(joined.named, all.named));
        assert_true(mu_bytes_eq(joined.string, all.string));
        right.shift = right.shift == 2 ? 4 : 2;
        assert_int_equal(mu_ack_sum_join(&b.sum, &right),
                         MU_ERR_UNSUPPORTED);
    }
}

/*
 * One false acknowledgement: how many are not proved, with it in the middle.
 * The false one itself always; of the others the neighbours that it lies on.
 */
static void test_confined(void **state)
{
    static const unsigned spoiled[] = {MEMBERS, 7, 3, 1};

    (void)state;
    for (size_t i = 0; i < sizeof shifts; i++) {
        for (uint16_t liar = 0; liar < MEMBERS; liar++) {
            struct world w;
            struct mu_ack_set s;
            int count;

            begin(&w, 0, shifts[i]);
            for (uint16_t m = 0; m < MEMBERS; m++)
                add(&w, m);
            for (unsigned b = 0; b < MU_ACK_LEN; b++)
                w.string[liar * shifts[i] + b] ^= (uint8_t)(0x5a + b);
            s = mu_ack_sum_set(&w.sum);
            count = check(&w, &s);
            assert_in_range(count, 1, spoiled[i]);
            if (liar >= 4 && liar + 4 < MEMBERS)
                assert_int_equal(count, spoiled[i]);
            assert_true(is_left(&w, liar));
            for (unsigned m = 0; shifts[i] > 0 && m < MEMBERS; m++) {
                unsigned far = m > liar ? m - liar : liar - m;
                if (far * shifts[i] >= MU_ACK_LEN)
                    assert_false(is_left(&w, m));
            }
        }
    }
}

/* One changed byte, any of them, and there is no proof. */
static void test_one_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shifts; i++) {
        struct world w;
        struct mu_ack_set s;

        begin(&w, 0, shifts[i]);
        add(&w, 0);
        s = mu_ack_sum_set(&w.sum);
        assert_int_equal(check(&w, &s), 0);
        for (size_t b = 0; b < MU_ACK_LEN; b++) {
            w.string[b] ^= 1;
            assert_int_equal(check(&w, &s), 1);
            w.string[b] ^= 1;
        }
    }
}

/* A name that nobody has is never proved, whatever its place holds. */
static void test_stranger(void **state)
{
    struct world w;
    struct mu_ack_set s;
    uint8_t none[MU_ACK_LEN] = {0};

    (void)state;
    begin(&w, 0, 4);
    for (uint16_t m = 0; m < 5; m++)
        add(&w, m);
    assert_int_equal(mu_ack_sum_add(&w.sum, 6, none), 0);
    w.stranger = 6;
    s = mu_ack_sum_set(&w.sum);
    assert_int_equal(check(&w, &s), 1);
    assert_true(is_left(&w, 6));
}

static int broken(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    (void)context;
    (void)index;
    (void)ack;
    return MU_ERR_IO;
}

static void test_broken_store(void **state)
{
    struct world w;
    struct mu_ack_set s;

    (void)state;
    begin(&w, 0, 4);
    add(&w, 0);
    s = mu_ack_sum_set(&w.sum);
    w.expect.ack = broken;
    assert_int_equal(check(&w, &s), MU_ERR_IO);
    s.string.len--;
    assert_int_equal(check(&w, &s), MU_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_order_and_room),
        cmocka_unit_test(test_true),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_confined),
        cmocka_unit_test(test_one_byte),
        cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_broken_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
