/* SPDX-License-Identifier: Apache-2.0 */
/* Root keys in files: what is taken, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/keys.h"
#include "net/key_file.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "FFEEDDCCBBAA99887766554433221100"

static char path[64];
static char why[128];
static struct mu_key_file keys;

static int read_text(const char *text, mode_t mode)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/muster-keys-%d", (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    why[0] = '\0';
    int rc = mu_key_file_read(path, mu_crypto_openssl(), &keys, why);

    unlink(path);
    return rc;
}

static void test_one_key(void **state)
{
    struct mu_secret want;
    uint8_t raw[32];

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        raw[i] = (uint8_t)i;
    assert_int_equal(mu_kmr_from(mu_crypto_openssl(), MU_BYTES(raw), &want), 0);
    assert_int_equal(read_text(KEY_A "\n", 0600), 0);
    assert_true(mu_secret_eq(mu_key_file_find(&keys, "anybody"), &want));
    mu_key_file_clear(&keys);
    assert_int_equal(read_text("# a comment\n\n  " KEY_A "\r\n", 0400), 0);
    assert_true(mu_secret_eq(mu_key_file_find(&keys, "anybody"), &want));
    mu_key_file_clear(&keys);
}

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(read_text("Identity,key,gateway\nd-1," KEY_A ",gw\n"
                               "d 2 , " KEY_B "\n", 0600), 0);
    assert_int_equal(keys.len, 2);
    assert_non_null(mu_key_file_find(&keys, "d-1"));
    assert_non_null(mu_key_file_find(&keys, "d 2"));
    assert_false(mu_secret_eq(mu_key_file_find(&keys, "d-1"),
                              mu_key_file_find(&keys, "d 2")));
    assert_null(mu_key_file_find(&keys, "d-3"));
    mu_key_file_clear(&keys);
}

static void test_refused(void **state)
{
    static const struct { const char *text, *why; } bad[] = {
        { "", "empty" },
        { "\n\n", "no key" },
        { "identity,key\n", "no key" },
        { "00", "line 1" },
        { "0001020304050607080910111213141", "line 1" },
        { KEY_A KEY_A "00", "line 1" },
        { "d-1," KEY_A "\nd-2,xx" KEY_B "\n", "line 2" },
        { "d-1," KEY_A "\n" KEY_B "\n", "line 2" },
        { "," KEY_A "\n", "line 1" },
        { "0123456789012345678901234567890123456789012345678901234567890123x,"
          KEY_A, "line 1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(read_text(bad[i].text, 0600) < 0);
        assert_non_null(strstr(why, bad[i].why));
        assert_null(keys.rows);
    }
}

static void test_others_may_read(void **state)
{
    static const mode_t modes[] = { 0640, 0604, 0660, 0644, 0610 };

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(read_text(KEY_A, modes[i]), MU_ERR_FORBIDDEN);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_true(mu_key_file_read("/tmp", mu_crypto_openssl(), &keys, why) < 0);
    assert_true(mu_key_file_read("/tmp/no such file", mu_crypto_openssl(),
                                 &keys, why) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_key),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_others_may_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
