/* SPDX-License-Identifier: Apache-2.0 */
/* Options: the command line, the YAML file, and which of them wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/options.h"

static const char *name;
static uint32_t count;
static bool flag;
static struct cli_option table[4];
static struct cli_options options;
static char path[64];

static int setup(void **state)
{
    const struct cli_option lines[4] = {
        { "name", CLI_TEXT, &name, 0, 0, "NAME", "a name", false },
        { "count", CLI_NUMBER, &count, 2, 100, "N", "a number", false },
        { "flag", CLI_FLAG, &flag, 0, 0, "", "yes or no", false },
        { 0 },
    };

    (void)state;
    memcpy(table, lines, sizeof(table));
    options = (struct cli_options){
        .verb = "try", .about = "tries", .table = table,
    };
    name = "nobody";
    count = 7;
    flag = false;
    snprintf(path, sizeof(path), "/tmp/muster-options-%d", (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cli_options_clear(&options);
    unlink(path);
    return 0;
}

static enum cli_parse parse(const char *one, const char *two, const char *three,
                            const char *four)
{
    char words[5][64];
    char *argv[6] = { words[0] };
    const char *from[4] = { one, two, three, four };
    int argc = 1;

    strcpy(words[0], "try");
    for (int i = 0; i < 4 && from[i] != NULL; i++) {
        snprintf(words[i + 1], 64, "%s", from[i]);
        argv[argc++] = words[i + 1];
    }
    enum cli_parse result = cli_options_parse(&options, argc, argv);

    if (name != NULL && result == CLI_PARSE_RUN)
        name = strdup(name); /* the words end here */
    return result;
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void drop_name(void)
{
    free((void *)(uintptr_t)name);
    name = "nobody";
}

static void test_line(void **state)
{
    (void)state;
    assert_int_equal(parse("--name", "x y", "--count=9", "--flag"),
                     CLI_PARSE_RUN);
    assert_string_equal(name, "x y");
    assert_int_equal(count, 9);
    assert_true(flag);
    drop_name();
}

static void test_wrong_lines(void **state)
{
    static const char *const bad[][2] = {
        { "--nome", "x" }, { "name", "x" }, { "--name", NULL },
        { "--count", "1" }, { "--count", "101" }, { "--count", "9x" },
        { "--count", "-9" }, { "--count", "" }, { "--flag=maybe", NULL },
        { "-n", "x" }, { "--", NULL }, { "--config", "/no/such/file" },
        { "--config", NULL }, { "--count", "99999999999999999999" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse(bad[i][0], bad[i][1], NULL, NULL),
                         CLI_PARSE_WRONG);
}

static void test_file(void **state)
{
    (void)state;
    write_file("# ours\nname: \"from file\"\ncount: 50\nflag: true\n");
    assert_int_equal(parse("--config", path, "--count", "60"), CLI_PARSE_RUN);
    assert_string_equal(name, "from file");
    assert_int_equal(count, 60); /* the line wins, wherever it stands */
    assert_true(flag);
    drop_name();
    write_file("");
    assert_int_equal(parse("--config", path, NULL, NULL), CLI_PARSE_RUN);
    drop_name();
}

static void test_wrong_files(void **state)
{
    static const char *const bad[] = {
        "nome: x\n", "count: 1\n", "count: [1, 2]\n", "- a\n- b\n", "{\n",
        "flag: perhaps\n", "just text\n", "\x01\x02\n", "a: b: c\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_file(bad[i]);
        assert_int_equal(parse("--config", path, NULL, NULL),
                         CLI_PARSE_WRONG);
    }
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(parse("--name", "x", "--help", NULL), CLI_PARSE_DONE);
    assert_string_equal(name, "nobody");
}

int main(void)
{
#define OPTION_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        OPTION_TEST(test_line),      OPTION_TEST(test_wrong_lines),
        OPTION_TEST(test_file),      OPTION_TEST(test_wrong_files),
        OPTION_TEST(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
