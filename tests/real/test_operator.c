/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's hand on a campaign under way: pause, resume, cancel, revoke;
 * a quorum at the deadline; groups whose gateways may read. */
#include "real.h"

#include <unistd.h>

static void paused(struct lab *lab, const char *id)
{
    json_t *r = real_report(lab, id);

    assert_string_equal(real_text(r, "phase"), "paused");
    json_decref(r);
}

static void test_pause_and_resume(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct real_said said;
    char id[32];

    real_middle(lab, 2, file, id, "dev-1", 1);
    assert_int_equal(real_ask(lab, &said, "pause", id, NULL), 0);
    assert_string_equal(said.out, "paused\n");
    paused(lab, id);
    /* What is on its way may come; then nothing more does. */
    (void)lab_wait_for(lab->dev, "{'event': 'status', 'page': 3}", 800);
    lab->dev->seen = json_array_size(lab->dev->lines);
    assert_null(lab_wait_for(lab->dev, "{'event': 'status', 'id': 'dev-1'}",
                             1000));
    assert_int_equal(real_ask(lab, &said, "pause", id, NULL), 0); /* again */
    assert_int_equal(real_ask(lab, &said, "resume", id, NULL), 0);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    assert_int_equal(real_ask(lab, &said, "pause", id, NULL), 1); /* over */
}

/* A pause outlives the server. */
static void test_pause_outlives(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct real_said said;
    char id[32];

    real_middle(lab, 1, file, id, "dev-1", 1);
    assert_int_equal(real_ask(lab, &said, "pause", id, NULL), 0);
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    paused(lab, id);
    assert_int_equal(real_ask(lab, &said, "resume", id, NULL), 0);
    real_ends(lab, id, 0);
    lab_got(lab, 1, file);
}

static void test_cancel(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware"), *two = lab_path(lab, "two");
    struct real_said said;
    json_t *r;
    char id[32];

    real_middle(lab, 2, file, id, "dev-1", 1);
    assert_int_equal(real_ask(lab, &said, "cancel", id, NULL), 0);
    real_ends(lab, id, 1);
    /* The devices are told, and drop it. */
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-1', 'receiving': "
                       "false}");
    r = real_report(lab, id);
    assert_string_equal(real_text(r, "phase"), "cancelled");
    assert_int_equal(real_number(r, "running"), 0);
    json_decref(r);
    assert_int_not_equal(access(lab_path(lab, "got-dev-1"), F_OK), 0);
    assert_int_equal(real_ask(lab, &said, "resume", id, NULL), 1);
    /* The next one comes through. */
    lab_file(two, 20000, 4);
    real_push(lab, id, two, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, two);
}

/* It is out of everything at once; the others get the file. */
static void test_revoke(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct real_said said;
    json_t *r;
    char id[32];

    real_middle(lab, 3, file, id, "dev-2", 1);
    assert_int_equal(real_ask(lab, &said, "device", "revoke", "dev-2", NULL),
                     0);
    real_ends(lab, id, 0);
    assert_true(lab_same(lab_path(lab, "got-dev-1"), file));
    assert_true(lab_same(lab_path(lab, "got-dev-3"), file));
    assert_int_not_equal(access(lab_path(lab, "got-dev-2"), F_OK), 0);
    r = real_report(lab, id);
    assert_true(json_is_true(json_object_get(real_target(r, "dev-2"),
                                             "revoked")));
    assert_false(real_is(r, "dev-2", "received"));
    assert_false(real_missing(r, "dev-2"));
    assert_int_equal(real_number(r, "edition"), 1);
    json_decref(r);
    /* It cannot link, however often it tries. */
    lab->dev->seen = json_array_size(lab->dev->lines);
    lab_wait(lab->dev, "{'event': 'link', 'id': 'dev-2', 'up': false}");
    lab_end(lab->dev, SIGTERM);
    assert_false(lab_same(lab_path(lab, "devices/dev-2/slot"), file));
}

/* Quorum at the deadline with one device off; it comes back later. */
static void test_quorum(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware"), *two = lab_path(lab, "two");
    json_t *r = NULL;

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    lab_file(file, 30000, 6);
    assert_int_equal(lab_verb(lab, &r, "push", file, "--group", "all",
                              "--quorum", "60", "--deadline", "3s", NULL), 2);
    assert_string_equal(real_text(r, "phase"), "quorum");
    assert_int_equal(json_array_size(json_object_get(r, "missing")), 1);
    assert_true(real_missing(r, "dev-3"));
    json_decref(r);
    lab_got(lab, 2, file);
    /* Not enough for this one. */
    lab_file(two, 30000, 7);
    assert_int_equal(lab_verb(lab, &r, "push", two, "--group", "all",
                              "--quorum", "90", "--deadline", "3s", NULL), 1);
    assert_string_equal(real_text(r, "phase"), "failed");
    json_decref(r);
    /* Back again, it gets what is pushed next. */
    lab_end(lab->dev, SIGTERM);
    lab_devices(lab, 3, NULL);
    lab_file(file, 30000, 8);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all",
                              NULL), 0);
    lab_got(lab, 3, file);
}

static void gateways_may_read(struct lab *lab, const char *mode)
{
    const char *file = lab_path(lab, "firmware");
    json_t *r = NULL;

    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-1",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", "--mode",
                              mode, NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    lab_file(file, 100000, 9);
    assert_int_equal(lab_verb(lab, &r, "push", file, "--group", "all", NULL),
                     0);
    json_decref(r);
    lab_got(lab, 2, file);
    assert_int_equal(lab_verb(lab, &r, "group", "list", NULL), 0);
    assert_string_equal(real_text(json_array_get(r, 0), "mode"), mode);
    json_decref(r);
    /* And with a gateway that begins anew in the middle. */
    lab_end(lab->gw, SIGKILL);
    lab_gateway(lab, NULL);
    lab_file(file, 50000, 10);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all",
                              NULL), 0);
    lab_got(lab, 2, file);
}

/* CAST-8, option 1: the gateway re-protects the object under its own key. */
static void test_option_1(void **state)
{
    gateways_may_read(*state, "option-1");
}

/* CAST-8, option 2: the gateway hands the group's key on. */
static void test_option_2(void **state)
{
    gateways_may_read(*state, "option-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_pause_and_resume),
        REAL_TEST(test_pause_outlives),
        REAL_TEST(test_cancel),
        REAL_TEST(test_revoke),
        REAL_TEST(test_quorum),
        REAL_TEST(test_option_1),
        REAL_TEST(test_option_2),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
