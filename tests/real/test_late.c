/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that come late: first heard of when all others are through, added to
 * the group while the campaign is open, and after it is over; what the operator
 * is told then, and that what he is told to do is enough.
 */
#include <unistd.h>

#include "real.h"

/* Devices dev-1 to dev-N with keys of this many; dev-1 and dev-2 run. */
static void fleet(struct lab *lab, unsigned devices, const char *rate)
{
    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--rate", rate, NULL });
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
}

/* One more, in a process of its own. */
static void comes(struct lab *lab, const char *id)
{
    struct lab_prog *others = lab->dev;

    lab_devices(lab, 1, (const char *const[]){ "--id", id, "--state",
                                               lab_path(lab, id), NULL });
    lab->dev = others;
}

/* dev-N becomes known, a member of the group at once. */
static void added(struct lab *lab, unsigned number)
{
    char row[256];
    char *all, *last;

    lab_keys(lab, number);
    all = real_read(lab_path(lab, "devices.csv"), NULL);
    assert_non_null(all);
    last = strstr(all, number == 3 ? "dev-3," : "dev-4,");
    assert_non_null(last);
    snprintf(row, sizeof(row), "identity,key,gateway,groups\n%.200s", last);
    lab_write(lab_path(lab, "one.csv"), row, strlen(row), 0600);
    free(all);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "one.csv"), NULL), 0);
}

static void says(struct lab *lab, const char *id, const char *text)
{
    static struct real_said said;

    (void)real_ask(lab, &said, "report", id, NULL);
    if (strstr(said.out, text) == NULL)
        fail_msg("no \"%s\" in:\n%s", text, said.out);
}

static void says_not(struct lab *lab, const char *id, const char *text)
{
    static struct real_said said;

    (void)real_ask(lab, &said, "report", id, NULL);
    if (strstr(said.out, text) != NULL)
        fail_msg("\"%s\" is in:\n%s", text, said.out);
}

/* Enrolled and never there, until the others run it and the gateway rests. */
static void test_first_start(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    fleet(lab, 3, "12500000");
    lab_file(file, 60000, 1);
    real_push(lab, id, file, NULL);
    real_until(lab, id, "dev-1", "running");
    real_until(lab, id, "dev-2", "running");
    says(lab, id, "nothing heard: has never connected");
    says_not(lab, id, "to do"); /* it is open: coming is enough */
    /* It rests: what it said last is long ago. */
    assert_null(lab_wait_for(lab->dev, "{'event': 'nothing'}", 3000));
    comes(lab, "dev-3");
    real_ends(lab, id, 0);
    lab_got(lab, 3, file);
    says(lab, id, "missing    none");
}

/* It is added while the others are in the middle of it. */
static void test_added(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];
    json_t *r;

    fleet(lab, 2, REAL_SLOW);
    lab_file(file, REAL_BYTES, 2);
    real_push(lab, id, file, NULL);
    real_page(lab, "dev-1", 1);
    added(lab, 3);
    r = real_report(lab, id);
    assert_int_equal(real_number(r, "members"), 3);
    json_decref(r);
    says(lab, id, "late       1 came while it was on the air: their turn is "
                  "after the others, in ");
    comes(lab, "dev-3");
    real_ends(lab, id, 0);
    lab_got(lab, 3, file);
    r = real_report(lab, id);
    assert_true(real_is(r, "dev-3", "running"));
    /* The others went through with what they had begun. */
    assert_int_equal(real_number(r, "edition"), 1);
    json_decref(r);
    says_not(lab, id, "late ");
}

/* After the end: said clearly, with the cure, and that works. */
static void test_over(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32], again[32], cure[96];
    json_t *r;

    fleet(lab, 3, "12500000");
    lab_file(file, 30000, 3);
    real_push(lab, id, file, "--deadline", "6s", "--quorum", "60",
              "--version", "4.2", NULL);
    real_ends(lab, id, 2);
    comes(lab, "dev-3");
    r = real_report(lab, id);
    assert_true(real_missing(r, "dev-3"));
    json_decref(r);
    says(lab, id, "missing    dev-3\n");
    says(lab, id, "the campaign is over, nobody sends it to them any more");
    snprintf(cure, sizeof(cure), "muster push FILE --group all --name firmware "
             "--version 4.2");
    says(lab, id, cure);
    /* Another one, that was no member then. */
    added(lab, 4);
    says(lab, id, "came later dev-4\n");
    says(lab, id, "came when it was over: does not have it");
    comes(lab, "dev-4");
    /* Who has it is not bothered. */
    assert_int_equal(unlink(lab_path(lab, "got-dev-1")), 0);
    real_push(lab, again, file, "--version", "4.2", NULL);
    real_ends(lab, again, 0);
    assert_true(lab_same(lab_path(lab, "got-dev-3"), file));
    assert_true(lab_same(lab_path(lab, "got-dev-4"), file));
    assert_int_equal(access(lab_path(lab, "got-dev-1"), F_OK), -1);
    says(lab, again, "missing    none");
    says_not(lab, again, "to do");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_first_start),
        REAL_TEST(test_added),
        REAL_TEST(test_over),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
