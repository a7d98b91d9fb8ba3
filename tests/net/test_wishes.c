/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes that cannot be granted, and faults around the state, by real
 * programs: a clear error, and nothing lost. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

static int setup(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));

    lab_open(lab);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    lab_close(*state);
    free(*state);
    return 0;
}

static int push(struct lab *lab, const char *file, const char *group,
                const char *version)
{
    return lab_verb(lab, NULL, "push", file, "--group", group, "--version",
                    version, "--deadline", "20s", NULL);
}

/* All devices have told the server what they can take. */
static void connected(struct lab *lab, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        lab_wait(lab->dev, "{'event': 'status', 'connected': true}");
}

static void test_refused(void **state)
{
    struct lab *lab = *state;
    const char *good = lab_path(lab, "good"), *empty = lab_path(lab, "empty");
    const char *huge = lab_path(lab, "huge");

    lab_fleet(lab, 1);
    connected(lab, 1);
    lab_file(good, 3000, 1);
    lab_write(empty, "", 0, 0644);
    lab_file(huge, 3u << 20, 2); /* the slot holds 2 MiB */
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "nobody", NULL), 0);
    assert_int_equal(push(lab, empty, "all", "1"), 1);
    assert_int_equal(push(lab, lab_path(lab, "missing"), "all", "1"), 1);
    assert_int_equal(push(lab, good, "no-such-group", "1"), 1);
    assert_int_equal(push(lab, good, "nobody", "1"), 1);
    assert_int_equal(push(lab, huge, "all", "1"), 1); /* before it is sent */
    /* What can be granted still is, and a lower version is refused. */
    assert_int_equal(push(lab, good, "all", "3"), 0);
    assert_int_equal(push(lab, good, "all", "2"), 1);
    assert_int_equal(lab_verb(lab, NULL, "push", good, "--group", "all",
                              "--version", "2", "--allow-downgrade",
                              "--deadline", "20s", NULL), 0);
}

static void test_revoked_in_the_middle(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    json_t *out = NULL;
    char id[32];

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--rate", "60000", NULL });
    lab_devices(lab, 3, NULL);
    connected(lab, 3);
    lab_file(file, 300000, 3);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--no-wait", NULL), 0);
    snprintf(id, sizeof(id), "%s",
             json_string_value(json_object_get(out, "id")));
    json_decref(out);
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-3', 'page': 1}");
    assert_int_equal(lab_verb(lab, NULL, "device", "revoke", "dev-3", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "watch", id, NULL), 0);
    lab_got(lab, 2, file);
    assert_int_equal(access(lab_path(lab, "got-dev-3"), F_OK), -1);
}

/* ---- state ------------------------------------------------------------- */

static void spoil(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = st.st_size / 3; at < st.st_size; at += st.st_size / 3) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x5a;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

static void test_damaged_journals(void **state)
{
    struct lab *lab = *state;
    const char *one = lab_path(lab, "one"), *two = lab_path(lab, "two");

    lab_fleet(lab, 2);
    lab_file(one, 30000, 4);
    lab_file(two, 40000, 5);
    assert_int_equal(push(lab, one, "all", "1"), 0);
    lab_end(lab->dev, SIGTERM);
    lab_end(lab->gw, SIGTERM);
    spoil(lab_path(lab, "gateway/journal"));
    spoil(lab_path(lab, "devices/dev-1/journal"));
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    assert_int_equal(push(lab, two, "all", "2"), 0);
    lab_got(lab, 2, two);
}

static void copy_dir(const char *from, const char *to)
{
    char command[400];

    snprintf(command, sizeof(command), "rm -rf %s && cp -a %s %s", to, from,
             to);
    assert_int_equal(system(command), 0);
}

/* A server that was put back from an old copy has forgotten keys and epochs;
 * the devices have not. */
static void test_restored_server(void **state)
{
    struct lab *lab = *state;
    const char *one = lab_path(lab, "one"), *two = lab_path(lab, "two");
    const char *dir = lab_path(lab, "server"), *old = lab_path(lab, "old");

    lab_fleet(lab, 2);
    connected(lab, 2);
    lab_file(one, 30000, 6);
    lab_file(two, 40000, 7);
    lab_end(lab->serve, SIGTERM);
    copy_dir(dir, old);
    lab_serve(lab, NULL);
    lab_wait(lab->gw, "{'event': 'status', 'linked': true}");
    for (int i = 0; i < 3; i++)
        assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all", NULL),
                         0);
    assert_int_equal(push(lab, one, "all", "1"), 0);
    lab_end(lab->serve, SIGTERM);
    copy_dir(old, dir);
    lab_serve(lab, NULL);
    assert_int_equal(push(lab, two, "all", "2"), 0);
    lab_got(lab, 2, two);
}

/* The device's disk is full in the middle of the object, and then it is not. */
static void test_disk_full(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    struct rlimit all, little = { 100000, RLIM_INFINITY };
    json_t *out = NULL;
    char id[32];

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    little.rlim_max = all.rlim_max;
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    lab_devices(lab, 2, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    connected(lab, 2);
    lab_file(file, 300000, 8);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--no-wait", NULL), 0);
    snprintf(id, sizeof(id), "%s",
             json_string_value(json_object_get(out, "id")));
    json_decref(out);
    lab_wait(lab->dev, "{'event': 'status', 'page': 1}");
    assert_null(lab_wait_for(lab->dev, "{'event': 'status', 'page': 3}", 1500));
    assert_int_equal(prlimit(lab->dev->pid, RLIMIT_FSIZE, &all, NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "watch", id, NULL), 0);
    lab_got(lab, 2, file);
}

static void test_damaged_database(void **state)
{
    struct lab *lab = *state;
    const char *const again[] = {
        "serve", "--state", lab_path(lab, "server"), "--listen", "127.0.0.1:0",
        "--http", "127.0.0.1:0", NULL,
    };
    const char *db = lab_path(lab, "server/muster.db");

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_end(lab->serve, SIGTERM);
    lab_write(db, "this is no database, whatever it was", 36, 0600);
    assert_int_equal(lab_ended(lab_start(lab, "serve-again", again)), 1);
}

int main(void)
{
#define WISH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        WISH_TEST(test_refused),
        WISH_TEST(test_revoked_in_the_middle),
        WISH_TEST(test_damaged_journals),
        WISH_TEST(test_restored_server),
        WISH_TEST(test_disk_full),
        WISH_TEST(test_damaged_database),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
