/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator says to a campaign that runs, and what a quorum is worth. */
#include "real.h"

/* The highest page that a device told of. */
static long long page_of(struct lab *lab, const char *id)
{
    const struct lab_prog *p = lab->dev;
    const json_t *line;
    long long page = 0;
    size_t i;

    json_array_foreach(p->lines, i, line) {
        if (strcmp(real_text(line, "id"), id) == 0 &&
            json_object_get(line, "page") != NULL &&
            real_number(line, "page") > page)
            page = real_number(line, "page");
    }
    return page;
}

/* Reads what the devices print for so long. */
static void quiet(struct lab *lab, unsigned ms)
{
    assert_null(lab_wait_for(lab->dev, "{'event': 'never printed'}", ms));
}

static void phase_is(struct lab *lab, const char *id, const char *phase)
{
    json_t *r = real_report(lab, id);

    assert_string_equal(real_text(r, "phase"), phase);
    json_decref(r);
}

static void test_pause_and_resume(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];
    long long before;

    real_middle(lab, 2, file, id, "dev-1", 1);
    assert_int_equal(lab_verb(lab, NULL, "pause", id, NULL), 0);
    phase_is(lab, id, "paused");
    /* What is on its way arrives; then nothing moves. */
    quiet(lab, 500);
    before = page_of(lab, "dev-1");
    quiet(lab, 700);
    assert_int_equal(page_of(lab, "dev-1"), before);
    assert_int_equal(lab_verb(lab, NULL, "resume", id, NULL), 0);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static void test_cancel(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware"), *next = lab_path(lab, "next");
    char id[32];
    json_t *r;

    real_middle(lab, 2, file, id, "dev-1", 1);
    assert_int_equal(lab_verb(lab, NULL, "cancel", id, NULL), 0);
    real_ends(lab, id, 1);
    phase_is(lab, id, "cancelled");
    r = real_report(lab, id);
    assert_true(real_missing(r, "dev-1") && real_missing(r, "dev-2"));
    json_decref(r);
    /* It cannot be taken back, and the next one is not in its way. */
    assert_int_equal(lab_verb(lab, NULL, "resume", id, NULL), 1);
    lab_file(next, 5000, 5);
    real_push(lab, id, next, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, next);
}

/* One of three is off: the quorum is met at the deadline, the missing one is
 * named; without a quorum that others can meet, the campaign fails. */
static void test_quorum(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];
    json_t *r;

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    lab_file(file, 20000, 6);
    real_push(lab, id, file, "--quorum", "60", "--deadline", "4s", NULL);
    real_ends(lab, id, 2);
    r = real_report(lab, id);
    assert_string_equal(real_text(r, "phase"), "quorum");
    assert_int_equal(real_number(r, "running"), 2);
    assert_true(real_missing(r, "dev-3"));
    assert_false(real_missing(r, "dev-1"));
    json_decref(r);
    real_push(lab, id, file, "--quorum", "90", "--deadline", "3s", NULL);
    real_ends(lab, id, 1);
    phase_is(lab, id, "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_pause_and_resume),
        REAL_TEST(test_cancel),
        REAL_TEST(test_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
