/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests: views, readers and writers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "muster/bytes.h"

static void test_views(void **state)
{
    (void)state;
    const uint8_t abc[] = {'a', 'b', 'c'};
    const uint8_t abd[] = {'a', 'b', 'd'};
    struct mu_bytes none = mu_bytes(NULL, 0);

    assert_true(mu_bytes_eq(MU_BYTES(abc), mu_bytes_str("abc")));
    assert_false(mu_bytes_eq(MU_BYTES(abc), MU_BYTES(abd)));
    assert_true(mu_bytes_eq(none, mu_bytes_str("")));
    assert_int_equal(mu_bytes_order(MU_BYTES(abc), MU_BYTES(abd)), -1);
    assert_int_equal(mu_bytes_order(MU_BYTES(abd), MU_BYTES(abc)), 1);
    /* Shorter goes first, whatever the bytes. */
    assert_int_equal(mu_bytes_order(mu_bytes_str("z"), MU_BYTES(abc)), -1);
    assert_int_equal(mu_bytes_order(MU_BYTES(abc), none), 1);
    assert_int_equal(mu_bytes_order(none, none), 0);
}

static void test_memory(void **state)
{
    (void)state;
    uint8_t a[4] = {1, 2, 3, 4};
    uint8_t b[4] = {0};

    mu_copy(b, a, sizeof a);
    assert_memory_equal(a, b, sizeof a);
    assert_true(mu_ct_eq(a, b, sizeof a));
    for (size_t i = 0; i < sizeof a; i++) {
        b[i] ^= 0x80;
        assert_false(mu_ct_eq(a, b, sizeof a));
        b[i] ^= 0x80;
    }
    mu_zero(b + 1, 2);
    assert_memory_equal(b, ((uint8_t[]){1, 0, 0, 4}), sizeof b);
    mu_wipe(a, 3);
    assert_memory_equal(a, ((uint8_t[]){0, 0, 0, 4}), sizeof a);
    mu_copy(NULL, NULL, 0);
    mu_zero(NULL, 0);
    assert_true(mu_ct_eq(NULL, NULL, 0));
}

static void test_reader(void **state)
{
    (void)state;
    const uint8_t in[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                          0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x',
                          'y',  'p',  'q',  'r'};
    struct mu_reader r = mu_reader(MU_BYTES(in));
    uint8_t copy[2];

    assert_int_equal(mu_read_u8(&r), 0x01);
    assert_int_equal(mu_read_u16(&r), 0x0203);
    assert_int_equal(mu_read_u32(&r), 0x04050607);
    assert_true(mu_read_u64(&r) == 0x08090a0b0c0d0e0f);
    mu_read_copy(&r, copy, sizeof copy);
    assert_memory_equal(copy, "xy", 2);
    assert_int_equal(mu_reader_left(&r), 3);
    assert_int_equal(mu_reader_end(&r), MU_ERR_MALFORMED);
    struct mu_bytes p = mu_read_bytes(&r, 1);
    assert_ptr_equal(p.data, in + 17);
    assert_true(mu_bytes_eq(mu_reader_rest(&r), mu_bytes_str("qr")));
    assert_int_equal(mu_reader_left(&r), 0);
    assert_int_equal(mu_reader_end(&r), 0);
}

static void test_reader_failure_sticks(void **state)
{
    (void)state;
    const uint8_t in[] = {0xff, 0xff, 0xff};
    struct mu_reader r = mu_reader(MU_BYTES(in));
    uint8_t copy[2] = {9, 9};

    assert_int_equal(mu_read_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(mu_read_u8(&r), 0);
    mu_read_copy(&r, copy, sizeof copy);
    assert_memory_equal(copy, ((uint8_t[]){0, 0}), 2);
    assert_int_equal(mu_read_bytes(&r, 1).len, 0);
    assert_int_equal(mu_reader_left(&r), 0);
    assert_int_equal(mu_reader_rest(&r).len, 0);
    assert_int_equal(mu_reader_end(&r), MU_ERR_TRUNCATED);

    /* A length that wraps around must not pass for a short one. */
    r = mu_reader(MU_BYTES(in));
    assert_int_equal(mu_read_u8(&r), 0xff);
    assert_int_equal(mu_read_bytes(&r, SIZE_MAX).len, 0);
    assert_true(r.failed);

    r = mu_reader(mu_bytes(NULL, 0));
    assert_int_equal(mu_reader_end(&r), 0);
    mu_reader_fail(&r);
    assert_int_equal(mu_reader_end(&r), MU_ERR_TRUNCATED);
}

static void test_writer(void **state)
{
    (void)state;
    uint8_t out[18];
    const uint8_t want[18] = {1, 2, 3,  4,  5,  6,  7,  8,   9,
                              10, 11, 12, 13, 14, 15, 'x', 'y', 16};
    struct mu_writer w = mu_writer(out, sizeof out);

    mu_write_u8(&w, 0x01);
    mu_write_u16(&w, 0x0203);
    mu_write_u32(&w, 0x04050607);
    mu_write_u64(&w, 0x08090a0b0c0d0e0f);
    mu_write_bytes(&w, mu_bytes_str("xy"));
    mu_write_bytes(&w, mu_bytes(NULL, 0));
    uint8_t *room = mu_write_room(&w, 1);
    assert_non_null(room);
    *room = 16;
    assert_int_equal(mu_writer_end(&w), 0);
    assert_true(mu_bytes_eq(mu_written(&w), MU_BYTES(want)));
}

static void test_writer_failure_sticks(void **state)
{
    (void)state;
    uint8_t out[4] = {7, 7, 7, 7};
    struct mu_writer w = mu_writer(out, 3);

    mu_write_u16(&w, 0x0102);
    mu_write_u16(&w, 0x0304);
    assert_true(w.failed);
    mu_write_u8(&w, 5);
    assert_null(mu_write_room(&w, 1));
    mu_write_bytes(&w, mu_bytes_str("z"));
    assert_memory_equal(out, ((uint8_t[]){1, 2, 7, 7}), sizeof out);
    assert_int_equal(mu_written(&w).len, 0);
    assert_int_equal(mu_writer_end(&w), MU_ERR_NO_SPACE);

    w = mu_writer(out, 3);
    mu_write_u8(&w, 1);
    assert_null(mu_write_room(&w, SIZE_MAX));

    w = mu_writer(out, 3);
    mu_writer_fail(&w);
    assert_int_equal(mu_writer_end(&w), MU_ERR_NO_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_failure_sticks),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
