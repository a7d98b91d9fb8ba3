/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose keys go the way of MBMS, by the real programs: MSKs in MIKEY
 * messages, commands under the MTK that they bring, run once by each device,
 * through rotations, absences, losses, restarts.
 */
#include <unistd.h>

#include "real.h"

static void mbms(struct lab *lab, unsigned devices, const char *const extra[])
{
    char hook[200];

    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-1",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", "--mbms",
                              NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
    lab_gateway(lab, NULL);
    /* Each run adds a line, so twice is seen. */
    snprintf(hook, sizeof(hook), "cat \"$1\" >> %s/did-$MUSTER_IDENTITY; "
             "echo >> %s/did-$MUSTER_IDENTITY", lab->dir, lab->dir);
    const char *words[16] = { "--command-hook", hook };

    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        words[2 + i] = extra[i];
    lab_devices(lab, devices, words);
    real_connected(lab, devices);
}

static int tell(struct lab *lab, const char *text)
{
    return lab_verb(lab, NULL, "tell", text, "--group", "all", "--ttl", "40s",
                    NULL);
}

static void tell_soon(struct lab *lab, const char *text, char id[32])
{
    json_t *out = NULL;

    assert_int_equal(lab_verb(lab, &out, "tell", text, "--group", "all",
                              "--ttl", "60s", "--no-wait", NULL), 0);
    snprintf(id, 32, "%s", real_text(out, "id"));
    json_decref(out);
}

static void test_tell(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    mbms(lab, 3, NULL);
    real_logged(lab, "device", "what=msk");
    assert_int_equal(tell(lab, "valve 7 open"), 0);
    assert_int_equal(tell(lab, "valve 7 shut"), 0);
    for (unsigned i = 1; i <= 3; i++)
        real_did(lab, i, "valve 7 open\nvalve 7 shut\n");
    assert_true(real_has(lab_path(lab, "device.log"), "what=mtk"));
    /* A file goes under the Kb that follows from the MSK. */
    lab_file(file, 30000, 5);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 3, file);
    /* Nothing of it lies in the clear anywhere on its way. */
    assert_false(real_has(lab_path(lab, "gateway/journal"), "valve 7 open"));
}

static void test_file_and_limits(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "order");
    char most[901], lines[903];

    mbms(lab, 1, NULL);
    memset(most, 'x', 900);
    most[900] = '\0';
    snprintf(lines, sizeof(lines), "%s\n", most);
    lab_write(file, most, 900, 0644);
    assert_int_equal(lab_verb(lab, NULL, "tell", "--file", file, "--group",
                              "all", NULL), 0);
    real_did(lab, 1, lines);
    lab_file(file, 901, 1);
    assert_int_equal(lab_verb(lab, NULL, "tell", "--file", file, "--group",
                              "all", NULL), 1);
    lab_write(file, "", 0, 0644);
    assert_int_equal(lab_verb(lab, NULL, "tell", "--file", file, "--group",
                              "all", NULL), 1);
    assert_int_equal(tell(lab, ""), 1);
    assert_int_equal(lab_verb(lab, NULL, "tell", "x", "--group", "nobody",
                              NULL), 1);
    /* A group of the other sort has no such channel; no scheme goes with it. */
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "plain", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "add", "plain", "dev-1",
                              NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "tell", "x", "--group", "plain",
                              NULL), 1);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "odd", "--mbms",
                              "--scheme", "sd", NULL), 1);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "odd", "--mbms",
                              "--mode", "option-2", NULL), 1);
}

/* The MSK changes between commands, and under one that is on its way. */
static void test_rotation(void **state)
{
    struct lab *lab = *state;

    mbms(lab, 3, NULL);
    assert_int_equal(tell(lab, "one"), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all", NULL), 0);
    assert_int_equal(tell(lab, "two"), 0);
    assert_int_equal(lab_verb(lab, NULL, "device", "revoke", "dev-3", NULL), 0);
    assert_int_equal(tell(lab, "three"), 0);
    real_did(lab, 1, "one\ntwo\nthree\n");
    real_did(lab, 2, "one\ntwo\nthree\n");
    real_did(lab, 3, "one\ntwo\n");
}

/* Away through rotations: the MSK that an MTK message names is not held, so
 * it asks, and runs what is still to be run, once. */
static void test_away(void **state)
{
    struct lab *lab = *state;
    char first[32], second[32];

    mbms(lab, 2, NULL);
    assert_int_equal(tell(lab, "one"), 0);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all", NULL), 0);
    tell_soon(lab, "two", first);
    assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all", NULL), 0);
    tell_soon(lab, "three", second);
    lab_devices(lab, 2, (const char *const[]){ "--command-hook", "x=$(cat \""
        "$1\"); echo $x >> \"$(dirname \"$1\")/../../did-$MUSTER_IDENTITY\"",
        NULL });
    real_ends(lab, first, 0);
    real_ends(lab, second, 0);
    for (unsigned i = 1; i <= 2; i++) {
        char name[32];

        snprintf(name, sizeof(name), "did-dev-%u", i);
        assert_true(real_has(lab_path(lab, name), "one\n"));
        assert_true(real_has(lab_path(lab, name), "two\n"));
        assert_true(real_has(lab_path(lab, name), "three\n"));
    }
}

static void test_lossy(void **state)
{
    struct lab *lab = *state;

    mbms(lab, 4, (const char *const[]){ "--drop-in", "40", NULL });
    assert_int_equal(tell(lab, "one"), 0);
    assert_int_equal(tell(lab, "two"), 0);
    for (unsigned i = 1; i <= 4; i++)
        real_did(lab, i, "one\ntwo\n");
}

/* A hook that fails, or that is not there, is said; the fleet goes on. */
static void test_hooks(void **state)
{
    struct lab *lab = *state;
    char id[32];
    json_t *r;

    mbms(lab, 2, (const char *const[]){ "--command-hook",
        "test $MUSTER_IDENTITY = dev-1", NULL });
    tell_soon(lab, "go", id);
    real_ends(lab, id, 1);
    r = real_report(lab, id);
    assert_true(real_is(r, "dev-1", "running"));
    assert_true(real_is(r, "dev-2", "failed"));
    assert_true(real_is(r, "dev-2", "verified"));
    json_decref(r);
}

/* Killed while the hook ran: at most once, and told as failed. */
static void test_killed_in_the_middle(void **state)
{
    struct lab *lab = *state;
    char id[32];
    json_t *r;

    mbms(lab, 1, (const char *const[]){ "--command-hook",
        "echo x >> \"$(dirname \"$1\")/../../did\"; sleep 20", NULL });
    tell_soon(lab, "go", id);
    for (int i = 0; access(lab_path(lab, "did"), F_OK) != 0 && i < 100; i++)
        (void)lab_wait_for(lab->dev, "{'event': 'none'}", 50);
    assert_int_equal(lab_end(lab->dev, SIGKILL), -SIGKILL);
    lab_devices(lab, 1, (const char *const[]){ "--command-hook",
        "echo x >> \"$(dirname \"$1\")/../../did\"", NULL });
    real_ends(lab, id, 1);
    r = real_report(lab, id);
    assert_true(real_is(r, "dev-1", "failed"));
    json_decref(r);
    assert_false(real_has(lab_path(lab, "did"), "x\nx\n"));
}

/* The server dies with a command on its way, and goes on with it. */
static void test_server_killed(void **state)
{
    struct lab *lab = *state;
    char id[32];

    mbms(lab, 2, NULL);
    assert_int_equal(tell(lab, "one"), 0);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    tell_soon(lab, "two", id);
    assert_int_equal(lab_end(lab->serve, SIGKILL), -SIGKILL);
    lab_serve(lab, NULL);
    lab_devices(lab, 2, (const char *const[]){ "--command-hook",
        "x=$(cat \"$1\"); "
        "echo $x >> \"$(dirname \"$1\")/../../did-$MUSTER_IDENTITY\"", NULL });
    real_ends(lab, id, 0);
    assert_int_equal(tell(lab, "three"), 0);
    real_did(lab, 1, "one\ntwo\nthree\n");
    real_did(lab, 2, "one\ntwo\nthree\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_tell), REAL_TEST(test_file_and_limits),
        REAL_TEST(test_rotation), REAL_TEST(test_away), REAL_TEST(test_lossy),
        REAL_TEST(test_hooks), REAL_TEST(test_killed_in_the_middle),
        REAL_TEST(test_server_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
