/* SPDX-License-Identifier: Apache-2.0 */
/* The server killed at any point: the campaign goes on, and what was answered
 * is there. */
#include "real.h"

#include <sys/socket.h>

/* From the moment that the push is taken to the last acknowledgement: whatever
 * the server is doing when it is killed, it goes on. */
static void test_server_killed_anywhere(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static const char *const points[] = {
        "{'event': 'status', 'receiving': true}",
        "{'event': 'status', 'page': 1}",
        "{'event': 'status', 'page': 3}",
        "{'event': 'status', 'states': ['received', 'verified']}",
    };
    char id[32];
    json_t *r;

    real_fleet(lab, 2);
    lab_file(file, REAL_BYTES, 5);
    real_push(lab, id, file, NULL);
    for (size_t i = 0; i <= sizeof(points) / sizeof(points[0]); i++) {
        if (i > 0)
            lab_wait(lab->dev, points[i - 1]);
        lab_end(lab->serve, SIGKILL);
        lab_serve(lab, NULL);
    }
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
    r = real_report(lab, id);
    assert_true(real_number(json_object_get(r, "wide"), "data") > 0);
    json_decref(r);
    /* Nothing of it is left over, and the next one works. */
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    lab_file(file, 3000, 6);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

/* A wish that was answered is there after a kill, any of them. */
static void test_answered_is_durable(void **state)
{
    struct lab *lab = *state;
    json_t *out = NULL;

    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "gateway", "add", "--id", "gw-1",
                              "--key-file", lab_path(lab, "gw.key"), NULL), 0);
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "all", NULL), 0);
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, NULL, "device", "import",
                              lab_path(lab, "devices.csv"), NULL), 0);
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, &out, "group", "show", "all", NULL), 0);
    assert_int_equal(json_array_size(out), 2);
    json_decref(out);
    assert_int_equal(lab_verb(lab, NULL, "device", "revoke", "dev-2", NULL), 0);
    lab_end(lab->serve, SIGKILL);
    lab_serve(lab, NULL);
    assert_int_equal(lab_verb(lab, &out, "group", "show", "all", NULL), 0);
    assert_int_equal(json_array_size(out), 1);
    json_decref(out);
}

/* Asks the server this and that until so much is in its files. */
static void bytes_come_to(struct lab *lab, const char *path, size_t bytes)
{
    char text[4096];
    size_t now = 0;

    uint64_t until = lab_now() + LAB_PATIENCE_MS;

    while (lab_now() < until) {
        (void)real_files(path, &now);
        if (now == bytes)
            return;
        assert_int_equal(real_answer(real_call(lab, "GET /v1/groups", NULL),
                                     text), 200);
    }
    assert_int_equal(now, bytes);
}

/* What was uploaded by half is gone: at once when the client goes, and at the
 * next start when the server does. */
static void test_upload_cut(void **state)
{
    struct lab *lab = *state;
    const char *objects = lab_path(lab, "server/objects");
    const char *file = lab_path(lab, "firmware");
    static char half[50000];
    char id[32];
    size_t whole;

    real_middle(lab, 1, file, id, "dev-1", 1);
    assert_int_equal(real_files(objects, &whole), 2); /* plain, prepared */
    for (int round = 0; round < 2; round++) {
        int fd = real_call(lab, "POST /v1/campaigns?group=all", "100000");

        assert_int_equal(send(fd, half, sizeof(half), 0), sizeof(half));
        bytes_come_to(lab, objects, whole + sizeof(half));
        if (round == 0) {
            close(fd);
            bytes_come_to(lab, objects, whole);
        } else {
            lab_end(lab->serve, SIGKILL);
            close(fd);
            assert_int_equal(real_files(objects, NULL), 3);
        }
    }
    lab_serve(lab, NULL);
    assert_int_equal(real_files(objects, NULL), 2);
    real_logged(lab, "serve", "event=object-unclaimed");
    real_ends(lab, id, 0);
    lab_got(lab, 1, file);
    bytes_come_to(lab, objects, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_server_killed_anywhere),
        REAL_TEST(test_answered_is_durable),
        REAL_TEST(test_upload_cut),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
