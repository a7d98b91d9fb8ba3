/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP against libcoap's parser: random datagrams and mutations of them. Where
 * both take one, they find the same in it; where one refuses, it is for a rule
 * that is named here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <coap3/coap.h>

#include "muster/coap.h"

#define ROUNDS 20000
#define INPUT_MAX 400

static uint64_t rng_state = 0x853c49e6748fea9bu;

static size_t below(size_t n)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (size_t)(rng_state >> 11) % n;
}

/* libcoap's parser also checks the length of the options that it knows, even
 * of elective ones; these are its numbers and bounds. */
static bool length_is_odd(uint16_t number, size_t len)
{
    static const struct {
        uint16_t number;
        size_t min;
        size_t max;
    } bounds[] = {
        {1, 0, 8},     {3, 1, 255},   {4, 1, 8},     {5, 0, 0},
        {6, 0, 3},     {7, 0, 2},     {8, 0, 255},   {9, 0, 255},
        {11, 0, 255},  {12, 0, 2},    {14, 0, 4},    {15, 1, 255},
        {16, 1, 1},    {17, 0, 2},    {19, 0, 3},    {20, 0, 255},
        {23, 0, 3},    {27, 0, 3},    {28, 0, 4},    {31, 0, 3},
        {35, 1, 1034}, {39, 1, 255},  {60, 0, 4},    {252, 0, 40},
        {258, 0, 1},   {292, 0, 8},
    };

    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (bounds[i].number == number)
            return len < bounds[i].min || len > bounds[i].max;
    }
    return false;
}

static bool any_length_is_odd(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
        if (length_is_odd(opt.number, opt.value.len))
            return true;
    }
    return false;
}

/* Rules of RFC 7252 s.3, s.4.2 and s.4.3 that libcoap leaves to its session:
 * reserved classes, and what a message of each type may be. */
static bool stricter_here(const uint8_t *in)
{
    unsigned type = in[0] >> 4 & 3u;
    unsigned class = in[1] >> 5;

    if (class == 1 || class > 5)
        return true;
    switch (type) {
    case 1:
        return in[1] == 0;
    case 2:
        return in[1] != 0 && class == 0;
    case 3:
        return in[1] != 0;
    default:
        return false;
    }
}

static void assert_same(const struct mu_coap_pdu *ours, coap_pdu_t *theirs)
{
    coap_opt_iterator_t their_it;
    coap_opt_t *their_opt;
    struct mu_coap_iter it = mu_coap_iter(ours->msg.options);
    struct mu_coap_opt opt;
    size_t len = 0;
    const uint8_t *data = NULL;

    assert_int_equal(coap_pdu_get_type(theirs), ours->type);
    assert_int_equal(coap_pdu_get_code(theirs), ours->msg.code);
    assert_int_equal(coap_pdu_get_mid(theirs), ours->mid);
    coap_bin_const_t token = coap_pdu_get_token(theirs);
    assert_true(mu_bytes_eq(mu_bytes(token.s, token.length),
                            mu_bytes(ours->token, ours->token_len)));
    coap_option_iterator_init(theirs, &their_it, COAP_OPT_ALL);
    while ((their_opt = coap_option_next(&their_it)) != NULL) {
        assert_true(mu_coap_iter_next(&it, &opt));
        assert_int_equal(their_it.number, opt.number);
        assert_true(mu_bytes_eq(mu_bytes(coap_opt_value(their_opt),
                                         coap_opt_length(their_opt)),
                                opt.value));
    }
    assert_false(mu_coap_iter_next(&it, &opt));
    if (!coap_get_data(theirs, &len, &data))
        len = 0;
    assert_true(mu_bytes_eq(mu_bytes(data, len), ours->msg.payload));
}

static void differ(const uint8_t *in, size_t len, const char *what)
{
    for (size_t i = 0; i < len; i++)
        print_error("%02x", in[i]);
    fail_msg(": %s", what);
}

static bool compare(const uint8_t *in, size_t len)
{
    struct mu_coap_pdu ours;
    uint8_t *block = malloc(len != 0 ? len : 1);
    coap_pdu_t *theirs = coap_pdu_init(0, 0, 0, INPUT_MAX);

    assert_non_null(block);
    assert_non_null(theirs);
    memcpy(block, in, len);
    int rc = mu_coap_decode(mu_bytes(block, len), &ours);
    bool taken = coap_pdu_parse(COAP_PROTO_UDP, in, len, theirs) != 0;
    if (rc == 0 && taken)
        assert_same(&ours, theirs);
    else if (rc == 0 && !any_length_is_odd(ours.msg.options))
        differ(in, len, "only we accept");
    else if (rc != 0 && taken && !stricter_here(in))
        differ(in, len, mu_err_name(rc));
    coap_delete_pdu(theirs);
    free(block);
    return rc == 0 && taken;
}

/* A message with options of any length that libcoap finds right. */
static size_t make(uint8_t *to, size_t cap)
{
    static const uint8_t codes[] = {1, 2, 3, 4, 5, 0x41, 0x44, 0x45,
                                    0x80, 0x84, 0xa0};
    uint8_t options[INPUT_MAX];
    uint8_t value[300];
    struct mu_coap_pdu pdu = {.mid = (uint16_t)below(65536)};
    struct mu_writer w = mu_writer(options, sizeof options);
    struct mu_coap_opts o = mu_coap_opts(&w);
    uint16_t number = 0;

    memset(value, (int)below(256), sizeof value);
    pdu.msg.code = codes[below(sizeof codes)];
    pdu.type = (enum mu_coap_type)below(2);
    pdu.token_len = (uint8_t)below(9);
    memset(pdu.token, (int)below(256), sizeof pdu.token);
    for (size_t i = below(8); i > 0; i--) {
        size_t len = below(below(8) == 0 ? 40 : 9);
        number = (uint16_t)(number + below(below(5) == 0 ? 400 : 12));
        if (number != 0 && !length_is_odd(number, len))
            mu_coap_put_opt(&o, number, mu_bytes(value, len));
    }
    pdu.msg.options = mu_coap_opts_written(&o);
    pdu.msg.payload = mu_bytes(value, below(20));
    w = mu_writer(to, cap);
    assert_int_equal(mu_coap_encode(&pdu, &w), 0);
    return w.len;
}

static void test_equal(void **state)
{
    size_t mutants = 0;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint8_t in[INPUT_MAX];
        size_t len = make(in, sizeof in);
        assert_true(compare(in, len));
        for (size_t n = 0; n < 4 && len > 0; n++) {
            switch (below(4)) {
            case 0:
                len = below(len);
                break;
            case 1:
                in[below(len)] = (uint8_t)below(256);
                break;
            default:
                in[below(len)] ^= (uint8_t)(1u << below(8));
                break;
            }
            mutants += compare(in, len);
        }
    }
    assert_true(mutants > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
    };

    coap_startup();
    coap_set_log_level(LOG_EMERG);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    coap_cleanup();
    return failed;
}
