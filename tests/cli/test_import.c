/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster device import: thousands of rows, all of them or none, the bad one
 * named.
 */
#include "tests/real/real.h"

static struct real_said said;

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

#define ROWS 5000

/* identity,key,gateway,group; row `bad` (from 1) has a key that is none. */
static void rows_write(const char *path, const char *prefix, unsigned bad)
{
    char *text = malloc(ROWS * 96);
    size_t len = 0;

    for (unsigned i = 1; i <= ROWS; i++)
        len += (size_t)snprintf(text + len, 96, "%s-%05u,%032x%s,gw-1,all\n",
                                prefix, i, i * 2654435761u,
                                i == bad ? "no key" : "");
    lab_write(path, text, len, 0600);
    free(text);
}

static void devices_are(struct lab *lab, size_t n)
{
    json_t *v = NULL;

    assert_int_equal(lab_verb(lab, &v, "device", "list", NULL), 0);
    assert_int_equal(json_array_size(v), n);
    json_decref(v);
}

static void import_refused(struct lab *lab, const char *text, const char *why)
{
    const char *file = lab_path(lab, "bad.csv");

    lab_write(file, text, strlen(text), 0600);
    assert_int_equal(real_ask(lab, &said, "device", "import", file, NULL), 1);
    if (!says(said.err, why))
        fail_msg("no \"%s\" in \"%s\"", why, said.err);
    assert_int_equal(lines_of(said.err), 1);
    assert_string_equal(said.out, "");
}

#define KEY "00112233445566778899aabbccddeeff"

static void test_thousands(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "many.csv");
    json_t *v = NULL;

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    /* The bad row is named, and none of the good ones is in. */
    rows_write(file, "m", 4321);
    assert_int_equal(real_ask(lab, &said, "device", "import", file, NULL), 1);
    assert_true(says(said.err, "row 4321: the key is not 32 to 128 hex"));
    devices_are(lab, 1);
    /* More than one gateway takes: all or nothing too. */
    rows_write(file, "m", 0);
    assert_int_equal(real_ask(lab, &said, "device", "import", file, NULL), 1);
    assert_true(says(said.err, "row 4096: its gateway has no room"));
    devices_are(lab, 1);
    /* Over two gateways it goes in; thousands, all members. */
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-2",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    {
        size_t len = 0;
        char *all = real_read(file, &len);

        for (char *at = all; (at = strstr(at, ",gw-1,")) != NULL; at++) {
            if (at > all + len / 2)
                at[4] = '2';
        }
        lab_write(file, all, len, 0600);
        free(all);
    }
    assert_int_equal(real_ask(lab, &said, "device", "import", file, NULL), 0);
    assert_string_equal(said.out, "5000 devices imported\n");
    devices_are(lab, 1 + ROWS);
    assert_int_equal(lab_verb(lab, &v, "group", "list", NULL), 0);
    assert_int_equal(real_number(json_array_get(v, 0), "members"), 1 + ROWS);
    json_decref(v);
    /* Known to the server is known after a restart. */
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    devices_are(lab, 1 + ROWS);
}

static void test_bad_rows(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "rows.csv");

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-2",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    /* One row each that is wrong in its own way. */
    import_refused(lab, "a," KEY ",gw-1\ndev-1," KEY ",gw-1\n",
                   "row 2: the identity exists already");
    import_refused(lab, "a," KEY ",gw-1\nb," KEY ",gw-1\na," KEY ",gw-1\n",
                   "row 3: the identity is in the file twice");
    import_refused(lab, "a," KEY ",gw-1\n\n# note\nb b," KEY ",gw-1\n",
                   "row 4: the identity has a space");
    import_refused(lab, "a," KEY ",gw-9\n", "row 1: the gateway is not known");
    import_refused(lab, "a," KEY "\n", "row 1: there is more than one gateway");
    import_refused(lab, "a," KEY ",gw-1,none\n", "row 1: a group is not known");
    import_refused(lab, "a,00,gw-1\n", "row 1: the key is not");
    import_refused(lab, "a," KEY ",gw-1,all,more\n", "row 1: there are more");
    import_refused(lab, "gw-1," KEY ",gw-1\n", "row 1");
    import_refused(lab, "\n# nothing\n", "there is no device in the file");
    devices_are(lab, 1);
    /* A header, a mark of a spreadsheet and its line ends are fine. */
    lab_write(file, "\xef\xbb\xbfidentity,key\r\nz," KEY "\r\n",
              3 + 14 + 36, 0600);
    assert_int_equal(real_ask(lab, &said, "device", "import", file,
                              "--gateway", "gw-2", NULL), 0);
    devices_are(lab, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_thousands),
        REAL_TEST(test_bad_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
