/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests: the table of errors keeps its promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "muster/err.h"

static const int codes[] = {
#define X(name, code, class, coap, text) code,
    MU_ERR_TABLE(X)
#undef X
};

static void test_table(void **state)
{
    (void)state;
    const size_t count = sizeof codes / sizeof codes[0];

    for (size_t i = 0; i < count; i++) {
        assert_true(codes[i] < 0);
        assert_int_not_equal(mu_err_class(codes[i]), MU_CLASS_NONE);
        assert_string_not_equal(mu_err_name(codes[i]), "UNKNOWN");
        /* A CoAP error: class 4 or 5 (RFC 7252 s.5.9). */
        assert_in_range(mu_err_coap(codes[i]), 0x80, 0xbf);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
            assert_string_not_equal(mu_err_text(codes[i]),
                                    mu_err_text(codes[j]));
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    assert_string_equal(mu_err_name(MU_ERR_AUTH), "AUTH");
    assert_string_equal(mu_err_text(MU_ERR_AUTH), "authentication failed");
    assert_int_equal(mu_err_class(MU_ERR_AUTH), MU_CLASS_DROP);
    assert_int_equal(mu_err_coap(MU_ERR_AUTH), 0x81);
    assert_int_equal(mu_err_class(MU_ERR_BUSY), MU_CLASS_RETRY);
    assert_int_equal(mu_err_class(MU_ERR_CORRUPT), MU_CLASS_FATAL);
    assert_int_equal(mu_err_class(MU_ERR_NO_SPACE), MU_CLASS_USAGE);

    assert_string_equal(mu_err_name(0), "OK");
    assert_string_equal(mu_err_text(0), "no error");
    assert_int_equal(mu_err_class(0), MU_CLASS_NONE);
    assert_int_equal(mu_err_coap(0), 0x44);

    assert_string_equal(mu_err_name(-999), "UNKNOWN");
    assert_string_equal(mu_err_text(1), "unknown error");
    assert_int_equal(mu_err_class(-999), MU_CLASS_FATAL);
    assert_int_equal(mu_err_coap(-999), 0xa0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
