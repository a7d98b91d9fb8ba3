/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in the field, done to real programs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

#define FILE_BYTES 300000 /* at SLOW some two seconds */
#define SLOW "150000"

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

static long long number(const json_t *line, const char *part, const char *key)
{
    const json_t *in = part == NULL ? line : json_object_get(line, part);

    assert_true(json_is_integer(json_object_get(in, key)));
    return json_integer_value(json_object_get(in, key));
}

/* ---- credentials ------------------------------------------------------- */

static struct lab_prog *one_device(struct lab *lab, const char *identity,
                                   const char *keys, const char *dir)
{
    const char *const words[] = {
        "device", "--id", identity, "--key-file", keys, "--gateway",
        lab->gateway, "--state", lab_path(lab, dir), "--iface", lab->iface,
        "--handshake-ms", "1200", "--keepalive-ms", "500", "--json", NULL,
    };

    return lab_start(lab, dir, words);
}

static void test_wrong_key(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware"), *keys = lab_path(lab, "bad");
    char hex[65];
    struct lab_prog *bad;

    lab_fleet(lab, 2);
    lab_end(lab->dev, SIGTERM);
    lab_devices(lab, 1, NULL);
    memset(hex, 'a', 64);
    lab_write(keys, hex, 64, 0600);
    bad = one_device(lab, "dev-2", keys, "bad-dev");
    lab_wait(bad, "{'event': 'link', 'up': false}");
    lab_wait(bad, "{'event': 'link', 'up': false}"); /* it goes on trying */
    lab_file(file, 5000, 1);
    assert_int_equal(lab_verb(lab, NULL, "push", file, "--group", "all",
                              "--deadline", "5s", "--quorum", "50", NULL), 2);
    lab_got(lab, 1, file);
    assert_int_equal(lab_end(bad, SIGTERM), 0);
    for (size_t i = 0; i < json_array_size(bad->lines); i++)
        assert_false(json_is_true(
            json_object_get(json_array_get(bad->lines, i), "linked")));
}

static void test_unknown_identity(void **state)
{
    struct lab *lab = *state;
    const char *keys = lab_path(lab, "stranger");
    char hex[65];
    struct lab_prog *stranger;

    lab_fleet(lab, 1);
    memset(hex, 'a', 64);
    lab_write(keys, hex, 64, 0600);
    stranger = one_device(lab, "stranger", keys, "stranger-dev");
    lab_wait(stranger, "{'event': 'link', 'up': false}");
    lab_end(stranger, SIGTERM);
    lab_end(lab->gw, SIGTERM);
    assert_true(number(lab_wait(lab->gw, "{'event': 'counters'}"), "links",
                       "refused") >= 1);
}

static void test_two_with_one_identity(void **state)
{
    struct lab *lab = *state;
    struct lab_prog *twin;

    lab_fleet(lab, 2);
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-2', 'connected': true}");
    twin = one_device(lab, "dev-1", lab_path(lab, "devices.csv"), "twin");
    for (int i = 0; i < 3; i++) /* each cuts the other off in its turn */
        lab_wait(twin, "{'event': 'link', 'up': true}");
    lab_end(lab->gw, SIGTERM);
    assert_true(number(lab_wait(lab->gw, "{'event': 'counters'}"), "links",
                       "replaced") >= 3);
    /* dev-2 never noticed. */
    lab_end(lab->dev, SIGTERM);
    for (size_t i = 0; i < json_array_size(lab->dev->lines); i++) {
        json_t *line = json_array_get(lab->dev->lines, i);
        json_t *id = json_object_get(line, "id");

        if (strcmp(json_string_value(id), "dev-2") == 0 &&
            json_is_true(json_object_get(line, "up")))
            return;
    }
    fail();
}

/* ---- restarts in the middle -------------------------------------------- */

/* A campaign that takes a while; returns once a device is in its middle. */
static void begin(struct lab *lab, const char *file, char id[32])
{
    json_t *out = NULL;

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){ "--rate", SLOW, NULL });
    lab_devices(lab, 3, NULL);
    for (int i = 1; i <= 3; i++)
        lab_wait(lab->dev, "{'event': 'status', 'connected': true}");
    lab_file(file, FILE_BYTES, 9);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--no-wait", NULL), 0);
    assert_non_null(json_object_get(out, "id"));
    snprintf(id, 32, "%s",
             json_string_value(json_object_get(out, "id")));
    json_decref(out);
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-2', 'page': 3}");
}

static void finish(struct lab *lab, const char *file, const char *id)
{
    assert_int_equal(lab_verb(lab, NULL, "watch", id, NULL), 0);
    lab_got(lab, 3, file);
}

static void test_gateway_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    begin(lab, file, id);
    assert_int_equal(lab_end(lab->gw, SIGKILL), -SIGKILL);
    lab_gateway(lab, NULL); /* at the same address */
    finish(lab, file, id);
}

static void test_devices_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    begin(lab, file, id);
    assert_int_equal(lab_end(lab->dev, SIGKILL), -SIGKILL);
    lab_devices(lab, 3, NULL);
    /* It goes on from what it had verified, not from the start. */
    const json_t *first = lab_wait(lab->dev, "{'event': 'status', 'id': "
                                             "'dev-2', 'linked': true}");

    assert_true(number(first, NULL, "page") >= 1);
    finish(lab, file, id);
}

static void test_server_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    begin(lab, file, id);
    assert_int_equal(lab_end(lab->serve, SIGKILL), -SIGKILL);
    lab_serve(lab, NULL);
    finish(lab, file, id);
}

static void test_all_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    begin(lab, file, id);
    lab_end(lab->serve, SIGKILL);
    lab_end(lab->gw, SIGKILL);
    lab_end(lab->dev, SIGKILL);
    lab_gateway(lab, NULL); /* the server is down when it starts */
    lab_devices(lab, 3, NULL);
    lab_wait(lab->gw, "{'event': 'link', 'up': false}");
    lab_serve(lab, NULL);
    finish(lab, file, id);
}

/* ---- at the start ------------------------------------------------------ */

static int starts(struct lab *lab, const char *const words[])
{
    return lab_ended(lab_start(lab, "bad-start", words));
}

static void test_bad_starts(void **state)
{
    struct lab *lab = *state;
    const char *key = lab_path(lab, "key"), *open = lab_path(lab, "open");
    const char *dir = lab_path(lab, "state"), *file = lab_path(lab, "file");
    char hex[65], taken[64];

    memset(hex, 'a', 64);
    lab_write(key, hex, 64, 0600);
    lab_write(open, hex, 64, 0644);
    lab_write(file, "x", 1, 0644);
    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    snprintf(taken, sizeof(taken), "%s", lab->server);
#define BAD(...) assert_int_equal(starts(lab, (const char *const[]){          \
    __VA_ARGS__, NULL }), 1)
    BAD("device");
    BAD("device", "--id", "d", "--key-file", open, "--gateway", "127.0.0.1:1",
        "--state", dir);
    BAD("device", "--id", "d", "--key-file", lab_path(lab, "none"),
        "--gateway", "127.0.0.1:1", "--state", dir);
    BAD("device", "--id", "d", "--key-file", key, "--gateway", "nowhere",
        "--state", dir);
    BAD("device", "--id", "d", "--key-file", key, "--gateway", "127.0.0.1:1",
        "--state", file);
    BAD("device", "--id", "d", "--count", "2", "--key-file", key, "--gateway",
        "127.0.0.1:1", "--state", dir);
    BAD("device", "--id", "stranger", "--key-file",
        lab_path(lab, "devices.csv"), "--gateway", "127.0.0.1:1", "--state",
        dir);
    BAD("gateway", "--id", "g", "--key-file", key, "--server", "127.0.0.1:1",
        "--listen", taken, "--state", dir);
    BAD("gateway", "--id", "g", "--key-file", key, "--server", "127.0.0.1:1",
        "--listen", "127.0.0.1:0", "--area-group", "10.0.0.1:5000", "--state",
        dir);
    BAD("gateway", "--id", "g", "--key-file", open, "--server", "127.0.0.1:1",
        "--listen", "127.0.0.1:0", "--state", dir);
    BAD("serve", "--state", lab_path(lab, "server"), "--listen",
        "127.0.0.1:0", "--http", "127.0.0.1:0"); /* it runs already */
    BAD("serve", "--state", dir, "--listen", "127.0.0.1:0", "--http",
        "127.0.0.1:0", "--wide-group", "127.0.0.1:5000");
    BAD("serve", "--log", "loud", "--state", dir);
    BAD("fly");
    BAD("device", "--config", file);
}

int main(void)
{
#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_wrong_key),
        FAULT_TEST(test_unknown_identity),
        FAULT_TEST(test_two_with_one_identity),
        FAULT_TEST(test_gateway_killed),
        FAULT_TEST(test_devices_killed),
        FAULT_TEST(test_server_killed),
        FAULT_TEST(test_all_killed),
        FAULT_TEST(test_bad_starts),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
