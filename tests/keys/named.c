/* SPDX-License-Identifier: Apache-2.0 */
/* Reads tests/vectors/keys.txt. */
#include "tests/keys/named.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static unsigned nibble(char ch)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr(digits, ch);

    assert_true(ch != 0 && at != NULL);
    return (unsigned)(at - digits);
}

struct mu_bytes named(const char *name, uint8_t value[NAMED_MAX])
{
    FILE *f = fopen("tests/vectors/keys.txt", "r");
    char line[1024];
    char key[64];
    char hex[2 * NAMED_MAX + 1];
    size_t n = 0;

    assert_non_null(f);
    while (n == 0 && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%63s = %512s", key, hex) != 2 ||
            strcmp(key, name) != 0)
            continue;
        for (; hex[2 * n] != 0; n++)
            value[n] =
                (uint8_t)(nibble(hex[2 * n]) << 4 | nibble(hex[2 * n + 1]));
    }
    fclose(f);
    if (n == 0)
        fail_msg("no vector named %s", name);
    return mu_bytes(value, n);
}

struct mu_secret named_secret(const char *name)
{
    uint8_t value[NAMED_MAX];
    struct mu_secret s;

    assert_int_equal(mu_secret_set(&s, named(name, value)), 0);
    return s;
}

void named_same(const char *name, struct mu_bytes got)
{
    uint8_t value[NAMED_MAX];
    struct mu_bytes expect = named(name, value);

    assert_int_equal(got.len, expect.len);
    assert_memory_equal(got.data, expect.data, got.len);
}
