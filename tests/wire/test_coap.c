/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP: datagrams and options as RFC 7252 writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "muster/coap.h"

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

/* RFC 7252 appendix A, figure 16: GET /temperature and its answer. */
static void test_rfc_example(void **state)
{
    uint8_t buf[64];
    uint8_t want[64];
    uint8_t options[32];
    struct mu_coap_pdu pdu = {.type = MU_COAP_CON, .mid = 0x7d34};
    struct mu_writer w = mu_writer(options, sizeof options);
    struct mu_coap_opts o = mu_coap_opts(&w);

    (void)state;
    mu_coap_put_path(&o, "temperature");
    pdu.msg = (struct mu_coap_msg){MU_COAP_GET, mu_coap_opts_written(&o),
                                   {NULL, 0}};
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_coap_encode(&pdu, &w), 0);
    size_t len = unhex("40017d34bb74656d7065726174757265", want);
    assert_true(mu_bytes_eq(mu_written(&w), mu_bytes(want, len)));

    len = unhex("60457d34ff32322e332043", want);
    assert_int_equal(mu_coap_decode(mu_bytes(want, len), &pdu), 0);
    assert_int_equal(pdu.type, MU_COAP_ACK);
    assert_int_equal(pdu.msg.code, MU_COAP_CONTENT);
    assert_int_equal(pdu.mid, 0x7d34);
    assert_int_equal(pdu.msg.options.len, 0);
    assert_true(mu_bytes_eq(pdu.msg.payload, mu_bytes_str("22.3 C")));
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_coap_encode(&pdu, &w), 0);
    assert_true(mu_bytes_eq(mu_written(&w), mu_bytes(want, len)));
    w = mu_writer(buf, len - 1);
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_NO_SPACE);
    assert_int_equal(w.len, 0);
}

struct row {
    const char *why;
    const char *hex;
    int error;
};

static const struct row rows[] = {
    {"ping", "40001234", 0},
    {"reset", "70001234", 0},
    {"empty acknowledgement", "60001234", 0},
    {"token of 8", "48011234aaaaaaaaaaaaaaaa", 0},
    {"nothing", "", MU_ERR_TRUNCATED},
    {"half a header", "400112", MU_ERR_TRUNCATED},
    {"version 0", "00011234", MU_ERR_UNSUPPORTED},
    {"version 2", "80011234", MU_ERR_UNSUPPORTED},
    {"token of 9", "49011234aaaaaaaaaaaaaaaaaa", MU_ERR_MALFORMED},
    {"token of 15", "4f011234aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     MU_ERR_MALFORMED},
    {"token cut short", "44011234aaaaaa", MU_ERR_TRUNCATED},
    {"class 1", "40201234", MU_ERR_MALFORMED},
    {"class 6", "40c01234", MU_ERR_MALFORMED},
    {"class 7", "40e11234", MU_ERR_MALFORMED},
    {"empty with a token", "41001234aa", MU_ERR_MALFORMED},
    {"empty with a token announced", "44001234", MU_ERR_MALFORMED},
    {"empty with more", "40001234ff00", MU_ERR_MALFORMED},
    {"empty non-confirmable", "50001234", MU_ERR_MALFORMED},
    {"request in an acknowledgement", "60011234", MU_ERR_MALFORMED},
    {"response in a reset", "70451234", MU_ERR_MALFORMED},
    {"marker without payload", "40011234ff", MU_ERR_MALFORMED},
    {"marker behind an option", "40011234b161ff", MU_ERR_MALFORMED},
    {"payload", "40011234b161ff00", 0},
    {"payload of markers", "40011234ffffff", 0},
    {"option cut short", "40011234b261", MU_ERR_MALFORMED},
    {"reserved delta", "40011234f0", MU_ERR_MALFORMED},
    {"reserved length", "400112340f", MU_ERR_MALFORMED},
    {"delta byte missing", "40011234d0", MU_ERR_MALFORMED},
    {"delta half missing", "40011234e001", MU_ERR_MALFORMED},
    {"length byte missing", "400112340d", MU_ERR_MALFORMED},
    {"option 65535", "40011234e0fef2", 0},
    {"option 65536", "40011234e0fef3", MU_ERR_MALFORMED},
    {"option 65535 and one more", "40011234e0fef210", MU_ERR_MALFORMED},
    {"length beyond the end", "400112340effff00", MU_ERR_MALFORMED},
};

static void test_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mu_coap_pdu pdu;
        size_t len = strlen(rows[i].hex) / 2;
        uint8_t *in = malloc(len != 0 ? len : 1);
        assert_non_null(in);
        unhex(rows[i].hex, in);
        int rc = mu_coap_decode(mu_bytes(in, len), &pdu);
        if (rc != rows[i].error)
            fail_msg("%s: %s", rows[i].why, mu_err_name(rc));
        if (rc == 0) {
            uint8_t buf[64];
            struct mu_writer w = mu_writer(buf, sizeof buf);
            assert_int_equal(mu_coap_encode(&pdu, &w), 0);
            assert_true(mu_bytes_eq(mu_written(&w), mu_bytes(in, len)));
        }
        free(in);
    }
}

static void test_encode_refuses(void **state)
{
    uint8_t buf[64];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    const struct mu_coap_pdu good = {
        .type = MU_COAP_CON, .msg = {.code = MU_COAP_GET}};
    struct mu_coap_pdu pdu = good;

    (void)state;
    assert_int_equal(mu_coap_encode(&pdu, &w), 0);
    pdu.token_len = 9;
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    pdu = good;
    pdu.msg.code = 0x20;
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    pdu = good;
    pdu.type = MU_COAP_ACK;
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    pdu = good;
    pdu.msg.options = mu_bytes("\xb2\x61", 2);
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    pdu = good;
    pdu.msg.code = MU_COAP_EMPTY;
    pdu.token_len = 1;
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    pdu.token_len = 0;
    pdu.msg.payload = mu_bytes_str("x");
    assert_int_equal(mu_coap_encode(&pdu, &w), MU_ERR_USAGE);
    assert_int_equal(w.len, 4);
}

/* Deltas and lengths on both sides of every width. */
static void test_option_widths(void **state)
{
    static const size_t lens[] = {0, 1, 12, 13, 14, 268, 269, 270, 1034};
    static const uint16_t numbers[] = {1, 13, 14, 27, 290, 558, 827, 65535};
    static uint8_t value[1034];
    static uint8_t buf[16384];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    struct mu_coap_opts o = mu_coap_opts(&w);
    struct mu_coap_opt opt;

    (void)state;
    memset(value, 0xee, sizeof value);
    for (size_t n = 0; n < 8; n++) {
        for (size_t l = 0; l < 9; l++)
            mu_coap_put_opt(&o, numbers[n], mu_bytes(value, lens[l]));
    }
    assert_int_equal(mu_writer_end(&w), 0);
    struct mu_coap_iter it = mu_coap_iter(mu_coap_opts_written(&o));
    for (size_t n = 0; n < 8; n++) {
        for (size_t l = 0; l < 9; l++) {
            assert_true(mu_coap_iter_next(&it, &opt));
            assert_int_equal(opt.number, numbers[n]);
            assert_true(mu_bytes_eq(opt.value, mu_bytes(value, lens[l])));
        }
    }
    assert_false(mu_coap_iter_next(&it, &opt));
    assert_false(it.failed);
    assert_int_equal(opt.number, 0);

    /* Backwards is refused, and so is what no length can say. */
    mu_coap_put_opt(&o, 65534, mu_bytes(NULL, 0));
    assert_true(w.failed);
    assert_int_equal(mu_coap_opts_written(&o).len, 0);
    w = mu_writer(buf, sizeof buf);
    o = mu_coap_opts(&w);
    mu_coap_put_opt(&o, 1, mu_bytes(buf, 65536));
    assert_true(w.failed);
}

static void test_uint(void **state)
{
    static const uint32_t values[] = {0, 1, 255, 256, 65535, 65536, 16777215,
                                      16777216, 4294967295};
    static const size_t lens[] = {0, 1, 1, 2, 2, 3, 3, 4, 4};
    uint8_t buf[16];
    struct mu_bytes value;
    uint32_t v;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        struct mu_writer w = mu_writer(buf, sizeof buf);
        struct mu_coap_opts o = mu_coap_opts(&w);
        mu_coap_put_uint(&o, MU_COAP_SIZE1, values[i]);
        assert_true(mu_coap_find(mu_written(&w), MU_COAP_SIZE1, &value));
        assert_int_equal(value.len, lens[i]);
        assert_true(mu_coap_find_uint(mu_written(&w), MU_COAP_SIZE1, &v));
        assert_int_equal(v, values[i]);
        assert_false(mu_coap_find_uint(mu_written(&w), MU_COAP_SIZE2, &v));
        assert_false(mu_coap_find(mu_written(&w), 65535, &value));
    }
    /* Leading zeros are read (s.3.2), five bytes are not. */
    assert_true(mu_coap_find_uint(mu_bytes("\xc2\x00\x3c", 3),
                                  MU_COAP_CONTENT_FORMAT, &v));
    assert_int_equal(v, 60);
    assert_false(mu_coap_find_uint(mu_bytes("\xc5\0\0\0\0\1", 6),
                                   MU_COAP_CONTENT_FORMAT, &v));
}

static struct mu_bytes path_of(const char *path, uint8_t *buf, size_t cap)
{
    struct mu_writer w = mu_writer(buf, cap);
    struct mu_coap_opts o = mu_coap_opts(&w);

    mu_coap_put_uint(&o, MU_COAP_URI_PORT, 1);
    mu_coap_put_path(&o, path);
    mu_coap_put_uint(&o, MU_COAP_CONTENT_FORMAT, 1);
    assert_int_equal(mu_writer_end(&w), 0);
    return mu_coap_opts_written(&o);
}

static void test_path(void **state)
{
    static const char *const paths[] = {"",     "a",   "b",  "a/b", "a/b/c",
                                        "ab",   "a//", "a/", "aa",  "b/a",
                                        "a/b/", "A"};
    uint8_t buf[64];
    struct mu_bytes segment;

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct mu_bytes options = path_of(paths[i], buf, sizeof buf);
        for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
            if (mu_coap_path_is(options, paths[k]) != (i == k))
                fail_msg("\"%s\" against \"%s\"", paths[i], paths[k]);
        }
    }
    struct mu_bytes options = path_of("/d/node-1", buf, sizeof buf);
    assert_true(mu_coap_path_is(options, "d/node-1"));
    assert_true(mu_coap_path_is(options, "/d/node-1"));
    assert_false(mu_coap_path_is(options, "d/node-2"));
    assert_true(mu_coap_path_segment(options, 0, &segment));
    assert_true(mu_bytes_eq(segment, mu_bytes_str("d")));
    assert_true(mu_coap_path_segment(options, 1, &segment));
    assert_true(mu_bytes_eq(segment, mu_bytes_str("node-1")));
    assert_false(mu_coap_path_segment(options, 2, &segment));
    assert_int_equal(segment.len, 0);
    assert_true(mu_coap_path_is(mu_bytes(NULL, 0), "/"));
}

static void test_block(void **state)
{
    uint8_t buf[16];

    (void)state;
    for (unsigned szx = 0; szx < 7; szx++) {
        const struct mu_coap_block in = {(1u << 20) - 1 - szx, szx % 2 == 0,
                                         (uint16_t)(16u << szx)};
        struct mu_writer w = mu_writer(buf, sizeof buf);
        struct mu_coap_opts o = mu_coap_opts(&w);
        struct mu_coap_block out;
        mu_coap_put_block(&o, MU_COAP_BLOCK2, &in);
        assert_int_equal(
            mu_coap_find_block(mu_written(&w), MU_COAP_BLOCK2, &out), 0);
        assert_int_equal(out.num, in.num);
        assert_int_equal(out.more, in.more);
        assert_int_equal(out.size, in.size);
        assert_int_equal(
            mu_coap_find_block(mu_written(&w), MU_COAP_BLOCK1, &out),
            MU_ERR_NOT_FOUND);
    }
    static const struct mu_coap_block wrong[] = {
        {1u << 20, false, 16}, {0, false, 17}, {0, false, 0}, {0, false, 8},
        {0, false, 2048}};
    for (size_t i = 0; i < 5; i++) {
        struct mu_writer w = mu_writer(buf, sizeof buf);
        struct mu_coap_opts o = mu_coap_opts(&w);
        mu_coap_put_block(&o, MU_COAP_BLOCK2, &wrong[i]);
        assert_true(w.failed);
    }
    struct mu_coap_block out;
    assert_int_equal(mu_coap_find_block(mu_bytes("\xd1\x0a\x07", 3),
                                        MU_COAP_BLOCK2, &out),
                     MU_ERR_MALFORMED);
    assert_int_equal(mu_coap_find_block(mu_bytes("\xd4\x0a\0\0\0\6", 6),
                                        MU_COAP_BLOCK2, &out),
                     MU_ERR_MALFORMED);
    assert_int_equal(
        mu_coap_find_block(mu_bytes("\xd0\x0a", 2), MU_COAP_BLOCK2, &out), 0);
    assert_int_equal(out.size, 16);
}

static void test_accept(void **state)
{
    struct accept_row {
        const char *why;
        const char *hex;
        int error;
    };
    static const struct accept_row accepts[] = {
        {"nothing", "", 0},
        {"host, port, path twice, query", "31614216334161016243613d62", 0},
        {"If-Match and Uri-Path twice", "11aa01bba16100", 0},
        {"unknown critical 13", "d000", MU_ERR_UNSUPPORTED},
        {"unknown elective 10", "a0", 0},
        {"unknown critical 65001", "e0fcdc", MU_ERR_UNSUPPORTED},
        {"two hosts", "31610162", MU_ERR_UNSUPPORTED},
        {"host empty", "30", MU_ERR_UNSUPPORTED},
        {"port of three bytes", "73000001", MU_ERR_UNSUPPORTED},
        {"two formats: elective", "c000", 0},
        {"format of three bytes: elective", "c3000001", 0},
        {"accept of three bytes", "d304000001", MU_ERR_UNSUPPORTED},
        {"malformed", "b2", MU_ERR_MALFORMED},
    };
    uint8_t in[64];

    (void)state;
    for (size_t i = 0; i < sizeof accepts / sizeof accepts[0]; i++) {
        size_t len = unhex(accepts[i].hex, in);
        int rc = mu_coap_options_accept(mu_bytes(in, len));
        if (rc != accepts[i].error)
            fail_msg("%s: %s", accepts[i].why, mu_err_name(rc));
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(mu_coap_code_name(MU_COAP_POST), "POST");
    assert_string_equal(mu_coap_code_name(MU_COAP_CONTENT), "2.05 Content");
    assert_string_equal(mu_coap_code_name(0x1f), "?");
    assert_string_equal(mu_coap_option_name(MU_COAP_URI_PATH), "Uri-Path");
    assert_null(mu_coap_option_name(2));
    assert_true(mu_coap_is_critical(MU_COAP_OSCORE));
    assert_false(mu_coap_is_critical(MU_COAP_CONTENT_FORMAT));
    assert_true(mu_coap_is_request(MU_COAP_GET));
    assert_false(mu_coap_is_request(MU_COAP_EMPTY));
    assert_false(mu_coap_is_request(MU_COAP_CONTENT));
    assert_true(mu_coap_is_response(MU_COAP_CODE(2, 5)));
    assert_true(mu_coap_is_response(MU_COAP_GATEWAY_TIMEOUT));
    assert_false(mu_coap_is_response(MU_COAP_CODE(6, 0)));
    assert_false(mu_coap_is_response(MU_COAP_CODE(1, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_example),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_option_widths),
        cmocka_unit_test(test_uint),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
