/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds table is whole, and key ids have one form. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "muster/keys.h"

static void test_every_kind(void **state)
{
    (void)state;
    for (int i = MU_KEY_NONE + 1; i < MU_KEY_KIND_COUNT; i++) {
        const struct mu_key_info *info = mu_key_info((enum mu_key_kind)i);

        assert_non_null(info);
        assert_int_equal(info->kind, i);
        const char *texts[] = {info->name, info->from, info->holders,
                               info->delivery, info->lifetime};
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            assert_non_null(texts[t]);
            assert_true(strlen(texts[t]) > 1);
        }
        assert_true(info->len == 16 || info->len == 32);
        for (int j = MU_KEY_NONE + 1; j < i; j++)
            assert_string_not_equal(
                info->name, mu_key_info((enum mu_key_kind)j)->name);
    }
    assert_null(mu_key_info(MU_KEY_NONE));
    assert_null(mu_key_info(MU_KEY_KIND_COUNT));
    assert_null(mu_key_info((enum mu_key_kind)255));
}

/* The table of docs/wire-format.md s.1 names the same keys, in its rows. */
static void test_documented(void **state)
{
    char line[512];

    (void)state;
    for (int i = MU_KEY_NONE + 1; i < MU_KEY_KIND_COUNT; i++) {
        const struct mu_key_info *info = mu_key_info((enum mu_key_kind)i);
        FILE *f = fopen("docs/wire-format.md", "r");
        char row[32];
        char numbered[32];
        bool named = false;
        bool listed = false;

        assert_non_null(f);
        snprintf(row, sizeof row, "| %s | %.14s", info->name, info->from);
        snprintf(numbered, sizeof numbered, "%d %s", i, info->name);
        while (fgets(line, sizeof line, f) != NULL) {
            const char *bytes = info->len == 16 ? "| 16 |" : "| 32 |";
            named = named || (strncmp(line, row, strlen(row)) == 0 &&
                              strstr(line, bytes) != NULL);
            listed = listed || strstr(line, numbered) != NULL;
        }
        fclose(f);
        if (info->kind == MU_KEY_CEK)
            named = true; /* its row says where it is random, as Kb's does */
        if (!named || !listed)
            fail_msg("%s is not in docs/wire-format.md as it is here",
                     info->name);
    }
}

static void test_kid_form(void **state)
{
    const struct mu_kid kid = {MU_KEY_KG, 1, 0x00000002a0000003};
    const uint8_t form[MU_KID_LEN] = {6, 0, 0, 0,    1, 0, 0,
                                      0, 2, 0xa0, 0, 0, 3};
    uint8_t got[MU_KID_LEN];
    struct mu_writer w = mu_writer(got, sizeof got);

    (void)state;
    mu_kid_write(&w, &kid);
    assert_int_equal(mu_writer_end(&w), 0);
    assert_int_equal(w.len, sizeof form);
    assert_memory_equal(got, form, sizeof form);

    struct mu_reader r = mu_reader(MU_BYTES(form));
    struct mu_kid back = mu_kid_read(&r);
    assert_int_equal(mu_reader_end(&r), 0);
    assert_true(mu_kid_eq(&kid, &back));
    for (size_t i = 0; i < sizeof got; i++) {
        got[i] ^= 1;
        r = mu_reader(MU_BYTES(got));
        back = mu_kid_read(&r);
        assert_false(mu_kid_eq(&kid, &back));
        got[i] ^= 1;
    }
}

static void test_kid_refused(void **state)
{
    const uint8_t kinds[] = {0, MU_KEY_KIND_COUNT, 255};
    uint8_t form[MU_KID_LEN] = {5};

    (void)state;
    for (size_t n = 0; n < sizeof form; n++) {
        struct mu_reader r = mu_reader(mu_bytes(form, n));
        struct mu_kid kid = mu_kid_read(&r);
        assert_int_equal(mu_reader_end(&r), MU_ERR_TRUNCATED);
        assert_int_equal(kid.kind, MU_KEY_NONE);
    }
    for (size_t i = 0; i < sizeof kinds; i++) {
        form[0] = kinds[i];
        struct mu_reader r = mu_reader(MU_BYTES(form));
        struct mu_kid kid = mu_kid_read(&r);
        assert_true(r.failed);
        assert_int_equal(kid.kind, MU_KEY_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_documented),
        cmocka_unit_test(test_kid_form),
        cmocka_unit_test(test_kid_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
