/* SPDX-License-Identifier: Apache-2.0 */
/* Full disks: a clear message, nothing lost, and all goes on when there is
 * room again. */
#include "real.h"

#define SMALL_KIB 2048

/* The disk is under the state directory, and full but for some bytes. */
static bool small_state(struct lab *lab, const char *name)
{
    const char *path = lab_path(lab, name);

    if (!real_disk(path, SMALL_KIB)) {
        print_message("no mount namespaces here\n");
        return false;
    }
    return true;
}

static void test_server_full(void **state)
{
    struct lab *lab = *state;
    const char *disk = lab_path(lab, "server");
    const char *file = lab_path(lab, "firmware");
    struct real_said said;
    char id[32];

    if (!small_state(lab, "server"))
        skip();
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    lab_file(file, 200000, 1);
    /* The upload does not fit. */
    real_fill(disk, 65536);
    assert_int_equal(real_ask(lab, &said, "push", file, "--group", "all",
                              NULL), 1);
    assert_non_null(strstr(said.err, "cannot be kept"));
    /* Now it fits, but not what is made of it. */
    real_room(disk);
    real_fill(disk, 300000);
    assert_int_equal(real_ask(lab, &said, "push", file, "--group", "all",
                              "--no-wait", "--json", NULL), 0);
    json_t *out = json_loads(said.out, 0, NULL);
    snprintf(id, sizeof(id), "%s", real_text(out, "id"));
    json_decref(out);
    real_logged(lab, "serve", "event=prepare-failed");
    assert_true(real_has(lab_path(lab, "serve.log"), "no room left"));
    out = real_report(lab, id);
    assert_string_equal(real_text(out, "phase"), "preparing");
    json_decref(out);
    real_room(disk);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static unsigned lines_with(struct lab *lab, const char *log, const char *text)
{
    char *all = real_read(lab_path(lab, log), NULL), *at = all;
    unsigned n = 0;

    assert_non_null(all);
    while ((at = strstr(at, text)) != NULL) {
        at++;
        n++;
    }
    free(all);
    return n;
}

/* Not a byte is left, not even for a record. */
static void test_server_records_full(void **state)
{
    struct lab *lab = *state;
    char *disk = strdup(lab_path(lab, "server"));
    char copy[256]; /* lab_path has few buffers */
    struct real_said said;
    bool refused = false;
    char name[16], id[32];
    unsigned made = 0;
    json_t *groups;

    if (!small_state(lab, "server")) {
        free(disk);
        skip();
    }
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    real_fill(disk, 16384);
    for (unsigned i = 0; i < 60 && !refused; i++) {
        snprintf(name, sizeof(name), "group-%u", i);
        refused = real_ask(lab, &said, "group", "create", name, NULL) != 0;
        made += !refused;
    }
    assert_true(refused);
    assert_non_null(strstr(said.err, "could not be stored"));
    assert_true(real_has(lab_path(lab, "serve.log"), "event=store-commit"));
    assert_true(real_has(lab_path(lab, "serve.log"), "no room left"));
    real_room(disk);
    free(disk);
    /* It rests between its tries. */
    assert_true(lines_with(lab, "serve.log", "rolled-back") < 30);
    /* What was refused is not there, what was answered is. */
    assert_int_equal(lab_verb(lab, &groups, "group", "list", NULL), 0);
    assert_int_equal(json_array_size(groups), made + 1);
    json_decref(groups);
    /* It rests a second, and says that it is busy. */
    while (real_ask(lab, &said, "group", "create", name, NULL) != 0)
        assert_non_null(strstr(said.err, "busy"));
    snprintf(copy, sizeof(copy), "%s", lab_path(lab, "firmware"));
    lab_file(copy, 30000, 2);
    for (int code = 1; code != 0;) {
        code = real_ask(lab, &said, "push", copy, "--group", "all",
                        "--no-wait", "--json", NULL);
        if (code != 0 && strstr(said.err, "busy") == NULL)
            fail_msg("%s", said.err);
    }
    groups = json_loads(said.out, 0, NULL);
    snprintf(id, sizeof(id), "%s", real_text(groups, "id"));
    json_decref(groups);
    real_ends(lab, id, 0);
    lab_got(lab, 2, copy);
}

/* A disk of that folder that fills while a file comes: who writes there says
 * so, and it all goes on when there is room. */
static void fills(struct lab *lab, const char *folder, size_t left,
                  const char *program, const char *event)
{
    const char *disk = lab_path(lab, folder);
    const char *file = lab_path(lab, "firmware");
    char id[32], log[32];

    if (!small_state(lab, folder))
        skip();
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    real_fill(disk, left);
    lab_file(file, 300000, 3);
    real_push(lab, id, file, NULL);
    real_logged(lab, program, event);
    snprintf(log, sizeof(log), "%s.log", program);
    assert_true(real_has(lab_path(lab, log), "no room left"));
    real_room(disk);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static void test_gateway_full(void **state)
{
    fills(*state, "gateway", 65536, "gateway", "event=depot-failed");
}

static void test_device_full(void **state)
{
    fills(*state, "devices", 98304, "device", "event=slot-failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_server_full),
        REAL_TEST(test_server_records_full),
        REAL_TEST(test_gateway_full),
        REAL_TEST(test_device_full),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
