/* SPDX-License-Identifier: Apache-2.0 */
/* Unit tests: secrets are bounded, compared whole and gone when cleared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "muster/secret.h"

static void test_set(void **state)
{
    (void)state;
    uint8_t long_key[MU_SECRET_MAX + 1] = {1, 2, 3};
    struct mu_secret s = {{0}, 0};

    assert_false(mu_secret_is_set(&s));
    assert_int_equal(mu_secret_set(&s, mu_bytes(long_key, 0)), MU_ERR_USAGE);
    assert_int_equal(mu_secret_set(&s, MU_BYTES(long_key)), MU_ERR_USAGE);
    assert_false(mu_secret_is_set(&s));
    assert_int_equal(mu_secret_set(&s, mu_bytes(long_key, MU_SECRET_MAX)), 0);
    assert_true(mu_secret_is_set(&s));
    assert_true(mu_bytes_eq(mu_secret_view(&s),
                            mu_bytes(long_key, MU_SECRET_MAX)));

    /* A shorter one, out of the old one's own bytes, leaves no rest behind. */
    assert_int_equal(mu_secret_set(&s, mu_bytes(s.bytes + 1, 2)), 0);
    assert_int_equal(mu_secret_view(&s).len, 2);
    assert_memory_equal(s.bytes, ((uint8_t[4]){2, 3, 0, 0}), 4);
}

static void test_eq(void **state)
{
    (void)state;
    struct mu_secret a;
    struct mu_secret b;

    assert_int_equal(mu_secret_set(&a, mu_bytes_str("0123456789abcdef")), 0);
    assert_int_equal(mu_secret_set(&b, mu_bytes_str("0123456789abcdef")), 0);
    assert_true(mu_secret_eq(&a, &b));
    b.bytes[15] ^= 1;
    assert_false(mu_secret_eq(&a, &b));
    /* One is the other with zeros behind it: not equal. */
    assert_int_equal(mu_secret_set(&a, mu_bytes("k\0", 1)), 0);
    assert_int_equal(mu_secret_set(&b, mu_bytes("k\0", 2)), 0);
    assert_false(mu_secret_eq(&a, &b));
}

static void test_clear(void **state)
{
    (void)state;
    const struct mu_secret none = {{0}, 0};
    struct mu_secret s;

    assert_int_equal(mu_secret_set(&s, mu_bytes_str("secret")), 0);
    mu_secret_clear(&s);
    assert_memory_equal(&s, &none, sizeof s);
    assert_false(mu_secret_is_set(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_eq),
        cmocka_unit_test(test_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
