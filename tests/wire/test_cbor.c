/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: published encodings both ways, and all that a strict reader refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "muster/cbor.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return len;
}

static struct mu_reader reader_of(const char *hex, uint8_t *buf)
{
    return mu_reader(mu_bytes(buf, unhex(hex, buf)));
}

static void expect_written(const struct mu_writer *w, const char *hex)
{
    uint8_t want[64];
    size_t len = unhex(hex, want);

    assert_int_equal(mu_writer_end(w), 0);
    assert_int_equal(w->len, len);
    assert_memory_equal(w->data, want, len);
}

struct uint_row {
    uint64_t v;
    const char *hex;
};

/* RFC 8949 appendix A, and both sides of every width. */
static const struct uint_row uints[] = {
    {0, "00"},
    {1, "01"},
    {10, "0a"},
    {23, "17"},
    {24, "1818"},
    {25, "1819"},
    {100, "1864"},
    {255, "18ff"},
    {256, "190100"},
    {1000, "1903e8"},
    {65535, "19ffff"},
    {65536, "1a00010000"},
    {1000000, "1a000f4240"},
    {4294967295, "1affffffff"},
    {4294967296, "1b0000000100000000"},
    {1000000000000, "1b000000e8d4a51000"},
    {9223372036854775807, "1b7fffffffffffffff"},
    {18446744073709551615u, "1bffffffffffffffff"},
};

static void test_uint(void **state)
{
    uint8_t buf[16];
    uint8_t in[16];

    (void)state;
    for (size_t i = 0; i < sizeof uints / sizeof uints[0]; i++) {
        uint64_t v = uints[i].v;
        struct mu_writer w = mu_writer(buf, sizeof buf);
        mu_cbor_put_uint(&w, v);
        expect_written(&w, uints[i].hex);
        assert_int_equal(mu_cbor_head_len(v), w.len);

        struct mu_reader r = reader_of(uints[i].hex, in);
        assert_int_equal(mu_cbor_peek(&r), MU_CBOR_UINT);
        assert_true(mu_cbor_get_uint(&r) == v);
        assert_int_equal(mu_reader_end(&r), 0);

        /* The same bytes as a negative number: -1 - v. */
        in[0] |= 0x20;
        r = mu_reader(mu_bytes(in, w.len));
        assert_int_equal(mu_cbor_peek(&r), MU_CBOR_NINT);
        assert_true(mu_cbor_get_nint(&r) == v);
        assert_int_equal(mu_reader_end(&r), 0);
        r = mu_reader(mu_bytes(in, w.len));
        int64_t n = mu_cbor_get_int(&r);
        assert_int_equal(r.failed, v > INT64_MAX);
        assert_true(n == (r.failed ? 0 : -1 - (int64_t)v));
        struct mu_writer again = mu_writer(buf, sizeof buf);
        if (v <= INT64_MAX)
            mu_cbor_put_int(&again, -1 - (int64_t)v);
        else
            mu_cbor_put_nint(&again, v);
        assert_true(mu_bytes_eq(mu_written(&again), mu_bytes(in, w.len)));

        r = reader_of(uints[i].hex, in);
        assert_true(mu_cbor_get_uint_max(&r, v) == v && !r.failed);
        if (v > 0) {
            r = reader_of(uints[i].hex, in);
            assert_true(mu_cbor_get_uint_max(&r, v - 1) == 0 && r.failed);
        }
    }
}

static void test_int_edges(void **state)
{
    uint8_t buf[16];

    (void)state;
    struct mu_writer w = mu_writer(buf, sizeof buf);
    mu_cbor_put_int(&w, INT64_MIN);
    expect_written(&w, "3b7fffffffffffffff");
    struct mu_reader r = mu_reader(mu_written(&w));
    assert_true(mu_cbor_get_int(&r) == INT64_MIN && !r.failed);
    w = mu_writer(buf, sizeof buf);
    mu_cbor_put_int(&w, INT64_MAX);
    r = mu_reader(mu_written(&w));
    assert_true(mu_cbor_get_int(&r) == INT64_MAX && !r.failed);
}

static void test_simple_and_strings(void **state)
{
    uint8_t buf[64];
    uint8_t in[64];
    static const uint8_t four[] = {1, 2, 3, 4};

    (void)state;
    struct mu_writer w = mu_writer(buf, sizeof buf);
    mu_cbor_put_bool(&w, false);
    mu_cbor_put_bool(&w, true);
    mu_cbor_put_null(&w);
    mu_cbor_put_bstr(&w, MU_BYTES(four));
    mu_cbor_put_bstr(&w, mu_bytes(NULL, 0));
    mu_cbor_put_str(&w, "IETF");
    mu_cbor_put_str(&w, "\xe6\xb0\xb4");
    mu_cbor_put_tag(&w, 1);
    mu_cbor_put_array(&w, 0);
    mu_cbor_put_map(&w, 1);
    mu_cbor_put_bstr_head(&w, 24);
    expect_written(&w, "f4f5f6440102030440644945544663e6b0b4c180a15818");

    struct mu_reader r =
        reader_of("f4f5f6440102030440644945544663e6b0b4c1a0"
                  "4401020304",
                  in);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_BOOL);
    assert_false(mu_cbor_get_bool(&r));
    assert_true(mu_cbor_get_bool(&r));
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_NULL);
    mu_cbor_get_null(&r);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_BSTR);
    assert_true(mu_bytes_eq(mu_cbor_get_bstr(&r), MU_BYTES(four)));
    assert_int_equal(mu_cbor_get_bstr(&r).len, 0);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_TSTR);
    assert_true(mu_bytes_eq(mu_cbor_get_tstr(&r), mu_bytes_str("IETF")));
    assert_int_equal(mu_cbor_get_tstr(&r).len, 3);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_TAG);
    mu_cbor_expect_tag(&r, 1);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_MAP);
    assert_int_equal(mu_cbor_get_map(&r).left, 0);
    uint8_t copy[4];
    mu_cbor_get_bstr_copy(&r, copy, sizeof copy);
    assert_memory_equal(copy, four, sizeof copy);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_NONE);
    assert_int_equal(mu_reader_end(&r), 0);

    r = reader_of("4401020304", in);
    mu_cbor_get_bstr_copy(&r, copy, 3);
    assert_true(r.failed);
    assert_int_equal(copy[0] | copy[1] | copy[2], 0);

    w = mu_writer(buf, sizeof buf);
    mu_cbor_put_tstr(&w, mu_bytes("\xc0\x80", 2));
    assert_int_equal(mu_writer_end(&w), MU_ERR_NO_SPACE);
}

/* Whole items that skip must take. */
static const char *const good[] = {
    "00",
    "1bffffffffffffffff",
    "3bffffffffffffffff",
    "40",
    "f4",
    "f5",
    "f6",
    "83010203",
    "8301820203820405",
    "a201020304",
    "a26161016162820203",
    "a56161614161626142616361436164614461656145",
    "c074323031332d30332d32315432303a30343a30305a",
    "c11a514b67b0",
    "d74401020304",
    "d818456449455446",
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    /* keys of every kind, in the order of their encodings */
    "a50000181800200040006000",
    "8181818181818180",
    "c1c1c1c1c1c1c1c100",
};

/* Whole items that skip must refuse. */
static const char *const bad[] = {
    "",                     /* nothing */
    "1800",                 /* not the shortest: 0 in two bytes */
    "1817",
    "190017",
    "1900ff",
    "1a0000ffff",
    "1b00000000ffffffff",
    "3817",
    "5800",
    "590001aa",
    "7800",
    "980100",
    "b8010000",
    "d80000",
    "d81700",
    "1c",                   /* reserved additional information */
    "1d",
    "1e",
    "1f",
    "3f00",
    "5f42010243030405ff",   /* indefinite lengths */
    "7f657374726561646d696e67ff",
    "9fff",
    "9f0102ff",
    "bfff",
    "bf6161019fffff",
    "ff",
    "f97c00",               /* floats */
    "f90000",
    "fa47c35000",
    "fb3ff199999999999a",
    "f7",                   /* undefined, unassigned, simple in two bytes */
    "f0",
    "e0",
    "f3",
    "f814",
    "f816",
    "f818",
    "f8ff",
    "18",                   /* cut short */
    "1901",
    "1a010203",
    "1b01020304050607",
    "41",
    "4401020304ff", /* bytes behind: refused by the end */
    "6261",
    "5b7fffffffffffffff00",
    "5bffffffffffffffff00",
    "7bffffffffffffffff61",
    "81",
    "8201",
    "9bffffffffffffffff",
    "9a000000030000",
    "a1",
    "a100",
    "bb80000000000000000000",
    "bbffffffffffffffff00",
    "a20100",
    "c1",
    "61ff",                 /* not UTF-8 */
    "62c080",
    "63eda080",
    "64f4908080",
    "64f0808080",
    "61c2",
    "a201000100",           /* keys twice, out of order */
    "a201000000",
    "a220000100",
    "a26161006000",
    "a2614100410000",
    "a20000a10000",         /* a key that is a container, bool or null */
    "a18000",
    "a1a000",
    "a1f400",
    "a1f600",
    "a1c10000",
    "81a201000100",         /* the same deeper down */
    "81811800",
    "a100a2010001f6",
    "818181818181818180",   /* nine levels */
    "c1c1c1c1c1c1c1c1c100",
    "a100a100a100a100a100a100a100a100a0",
};

static void test_skip(void **state)
{
    uint8_t in[64];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct mu_reader r = reader_of(good[i], in);
        mu_cbor_skip(&r);
        if (mu_reader_end(&r) != 0)
            fail_msg("refused: %s", good[i]);
        r.pos = 0;
        struct mu_bytes item = mu_cbor_get_item(&r);
        assert_ptr_equal(item.data, in);
        assert_int_equal(item.len, strlen(good[i]) / 2);
        /* Cut short anywhere it is refused, in a block of its own size. */
        for (size_t len = 0; len < item.len; len++) {
            uint8_t *cut = malloc(len != 0 ? len : 1);
            assert_non_null(cut);
            memcpy(cut, in, len);
            struct mu_reader c = mu_reader(mu_bytes(cut, len));
            mu_cbor_skip(&c);
            assert_true(c.failed);
            free(cut);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mu_reader r = reader_of(bad[i], in);
        mu_cbor_skip(&r);
        if (mu_reader_end(&r) == 0)
            fail_msg("accepted: %s", bad[i]);
    }
}

/* The typed getters refuse what they are not for, and give nothing then. */
static void test_getters_refuse(void **state)
{
    static const char *const items[] = {"00", "20",   "40", "60", "80",
                                        "a0", "c100", "f4", "f6", "f7"};
    uint8_t in[8];

    (void)state;
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        struct mu_reader all = reader_of(items[i], in);
        struct mu_reader r = all;
        assert_true(mu_cbor_get_uint(&r) == 0);
        assert_int_equal(r.failed, i != 0);
        r = all;
        mu_cbor_get_int(&r);
        assert_int_equal(r.failed, i > 1);
        r = all;
        mu_cbor_get_nint(&r);
        assert_int_equal(r.failed, i != 1);
        r = all;
        assert_int_equal(mu_cbor_get_bstr(&r).len, 0);
        assert_int_equal(r.failed, i != 2);
        r = all;
        assert_int_equal(mu_cbor_get_tstr(&r).len, 0);
        assert_int_equal(r.failed, i != 3);
        r = all;
        assert_int_equal(mu_cbor_get_array(&r), 0);
        assert_int_equal(r.failed, i != 4);
        r = all;
        assert_int_equal(mu_cbor_get_map(&r).left, 0);
        assert_int_equal(r.failed, i != 5);
        r = all;
        mu_cbor_get_tag(&r);
        assert_int_equal(r.failed, i != 6);
        r = all;
        assert_false(mu_cbor_get_bool(&r));
        assert_int_equal(r.failed, i != 7);
        r = all;
        mu_cbor_get_null(&r);
        assert_int_equal(r.failed, i != 8);
        r = all;
        mu_cbor_expect_array(&r, 1);
        assert_true(r.failed);
        r = all;
        mu_cbor_expect_tag(&r, 2);
        assert_true(r.failed);
        r = all;
        mu_cbor_expect_uint(&r, 1);
        assert_true(r.failed);
        r = all;
        assert_int_equal(mu_cbor_peek(&r) == MU_CBOR_NONE, i == 9);
    }
    /* A count that the bytes left cannot hold. */
    struct mu_reader r = reader_of("8400000000", in);
    assert_int_equal(mu_cbor_get_array(&r), 4);
    r = reader_of("85000000", in);
    assert_int_equal(mu_cbor_get_array(&r), 0);
    assert_true(r.failed);
    r = reader_of("a2000000", in);
    assert_int_equal(mu_cbor_get_map(&r).left, 0);
    assert_true(r.failed);
    /* Failure sticks. */
    r = reader_of("00", in);
    mu_reader_fail(&r);
    assert_int_equal(mu_cbor_peek(&r), MU_CBOR_NONE);
    mu_cbor_skip(&r);
    assert_int_equal(mu_cbor_get_item(&r).len, 0);
    assert_true(r.failed);
}

static void test_map_walk(void **state)
{
    uint8_t in[64];
    int64_t key;
    struct mu_bytes any;
    int64_t sum = 0;

    (void)state;
    struct mu_reader r = reader_of("a40105182002200339010004", in);
    struct mu_cbor_map m = mu_cbor_get_map(&r);
    while (mu_cbor_map_next(&r, &m, &key))
        sum += key * (int64_t)mu_cbor_get_uint(&r);
    assert_int_equal(mu_reader_end(&r), 0);
    assert_int_equal(sum, 5 + 64 - 3 - 257 * 4);

    /* Out of order, double, not an integer, beyond an int64. */
    static const char *const wrong[] = {"a202000100", "a201000100",
                                        "a20100410000", "a16000",
                                        "a11bffffffffffffffff00"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        r = reader_of(wrong[i], in);
        m = mu_cbor_get_map(&r);
        while (mu_cbor_map_next(&r, &m, &key))
            mu_cbor_skip(&r);
        assert_true(r.failed);
        assert_int_equal(key, 0);
    }

    r = reader_of("a401002000410000616101", in);
    m = mu_cbor_get_map(&r);
    size_t seen = 0;
    while (mu_cbor_map_next_any(&r, &m, &any)) {
        assert_true(any.len > 0);
        seen += any.len;
        mu_cbor_skip(&r);
    }
    assert_int_equal(mu_reader_end(&r), 0);
    assert_int_equal(seen, 1 + 1 + 2 + 2);
    assert_int_equal(any.len, 0);
}

static void test_utf8(void **state)
{
    struct row {
        const char *text;
        bool valid;
    };
    static const struct row rows[] = {
        {"", true},
        {"a", true},
        {"\x7f", true},
        {"\x80", false},
        {"\xbf", false},
        {"\xc1\xbf", false},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\x9f\xbf", false},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xed\xa0\x80", false},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xc2", false},
        {"\xe2\x82", false},
        {"\xe2\x82\x41", false},
        {"\xf0\x9f\x98", false},
        {"a\xe2\x82\xac" "b\xf0\x9f\x98\x80", true},
        {"\xc2\xc2\x80", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (mu_utf8_valid(mu_bytes_str(rows[i].text)) != rows[i].valid)
            fail_msg("row %zu", i);
    }
    assert_true(mu_utf8_valid(mu_bytes("\0", 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uint),
        cmocka_unit_test(test_int_edges),
        cmocka_unit_test(test_simple_and_strings),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_getters_refuse),
        cmocka_unit_test(test_map_walk),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
