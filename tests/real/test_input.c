/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be pushed is refused with a clear word, and what cannot be taken
 * by one device reaches the others. */
#include "real.h"

#include <sys/socket.h>

static void refused(struct lab *lab, const char *file, const char *group,
                    const char *why)
{
    struct real_said said;

    assert_int_equal(real_ask(lab, &said, "push", file, "--group", group,
                              NULL), 1);
    if (strstr(said.err, why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, said.err);
}

static void test_refused_at_once(void **state)
{
    struct lab *lab = *state;
    const char *empty = lab_path(lab, "empty"), *file = lab_path(lab, "file");
    json_t *out;

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "nobody", NULL), 0);
    lab_write(empty, "", 0, 0644);
    lab_file(file, 5000, 1);
    refused(lab, empty, "all", "is empty");
    refused(lab, file, "strangers", "there is no group 'strangers'");
    refused(lab, file, "nobody", "group 'nobody' is empty");
    refused(lab, lab_path(lab, "absent"), "all", "cannot be read");
    refused(lab, lab->dir, "all", "cannot be read");
    /* No trace of any of them. */
    assert_int_equal(lab_verb(lab, NULL, "report", NULL), 1);
    assert_int_equal(lab_verb(lab, &out, "key", "list", NULL), 0);
    json_decref(out);
}

static void api_refuses(struct lab *lab, const char *what, const char *length,
                        int status, const char *why)
{
    char text[4096] = "";
    int fd = real_call(lab, what, length);

    if (length != NULL && *length == '5')
        assert_int_equal(send(fd, "12345", 5, 0), 5);
    assert_int_equal(real_answer(fd, text), status);
    if (strstr(text, why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, text);
}

/* The server does not rely on the client for any of it. */
static void test_api_refuses(void **state)
{
    struct lab *lab = *state;

    lab_keys(lab, 1);
    lab_serve(lab, NULL);
    lab_register(lab);
    assert_int_equal(lab_verb(lab, NULL, "group", "create", "nobody", NULL), 0);
    api_refuses(lab, "POST /v1/campaigns?group=all", "0", 400, "is empty");
    api_refuses(lab, "POST /v1/campaigns?group=all", NULL, 411,
                "Content-Length");
    api_refuses(lab, "POST /v1/campaigns?group=strangers", "5", 404,
                "there is no group 'strangers'");
    api_refuses(lab, "POST /v1/campaigns?group=nobody", "5", 400,
                "group 'nobody' is empty");
    assert_int_equal(lab_verb(lab, NULL, "report", NULL), 1);
    assert_int_equal(real_files(lab_path(lab, "server/objects"), NULL), 0);
}

static struct lab_prog *small_device(struct lab *lab, const char *id,
                                     const char *kib)
{
    const char *const words[] = {
        "device", "--id", id, "--key-file", lab_path(lab, "devices.csv"),
        "--gateway", lab->gateway, "--state", lab_path(lab, "small"),
        "--iface", lab->iface, "--object-max-kib", kib, "--json", "--log",
        "debug", NULL,
    };
    struct lab_prog *p = lab_start(lab, "small", words);

    lab_wait(p, "{'event': 'status', 'connected': true}");
    return p;
}

/* Known before a byte is sent: the one is listed as failed with its reason, the
 * others get it. When none can hold it, it is refused. */
static void test_too_large(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware"), *big = lab_path(lab, "big");
    struct lab_prog *small;
    char id[32];
    json_t *r;

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    real_connected(lab, 2);
    small = small_device(lab, "dev-3", "64");
    lab_file(file, 100000, 1);
    /* What it can hold the server knows for sure once it has given it keys. */
    real_logged(lab, "small", "what=keys");
    /* Not a byte can be sent: the gateway is away. */
    lab_end(lab->gw, SIGKILL);
    real_push(lab, id, file, "--quorum", "50", NULL);
    real_until(lab, id, "dev-3", "failed");
    r = real_report(lab, id);
    assert_string_equal(real_text(real_target(r, "dev-3"), "reason"),
                        "larger than the limit");
    assert_int_equal(real_number(r, "failed"), 1);
    json_decref(r);
    lab_gateway(lab, NULL);
    real_ends(lab, id, 2);
    r = real_report(lab, id);
    assert_false(real_is(r, "dev-3", "received"));
    assert_true(real_missing(r, "dev-3"));
    assert_int_equal(real_number(r, "running"), 2);
    json_decref(r);
    lab_got(lab, 2, file);
    /* It never began. */
    lab_end(small, SIGTERM);
    for (size_t i = 0; i < json_array_size(small->lines); i++)
        assert_int_equal(json_integer_value(json_object_get(
                             json_array_get(small->lines, i), "pages")), 0);
    lab_file(big, 2048 * 1024 + 1, 2);
    refused(lab, big, "all", "no member of the group can hold");
}

/* Devices refuse a version that is not higher, say so, and the operator can
 * overrule them. */
static void test_lower_version(void **state)
{
    struct lab *lab = *state;
    const char *two = lab_path(lab, "two"), *one = lab_path(lab, "one");
    json_t *r = NULL;

    real_fleet(lab, 2);
    lab_file(two, 3000, 2);
    lab_file(one, 3000, 1);
    assert_int_equal(lab_verb(lab, NULL, "push", two, "--group", "all",
                              "--version", "2.0", NULL), 0);
    lab_got(lab, 2, two);
    assert_int_equal(lab_verb(lab, &r, "push", one, "--group", "all",
                              "--version", "1.9.9", NULL), 1);
    assert_string_equal(real_text(r, "phase"), "failed");
    assert_string_equal(real_text(real_target(r, "dev-2"), "reason"),
                        "version or epoch goes backwards");
    json_decref(r);
    lab_got(lab, 2, two);
    assert_int_equal(lab_verb(lab, NULL, "push", one, "--group", "all",
                              "--version", "1.9.9", "--allow-downgrade",
                              NULL), 0);
    lab_got(lab, 2, one);
    /* The same version again is not higher either. */
    assert_int_equal(lab_verb(lab, NULL, "push", two, "--group", "all",
                              "--version", "1.9.9", NULL), 1);
    assert_int_equal(lab_verb(lab, NULL, "push", two, "--group", "all",
                              NULL), 0); /* the next one after 2.0 */
    lab_got(lab, 2, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_refused_at_once),
        REAL_TEST(test_api_refuses),
        REAL_TEST(test_too_large),
        REAL_TEST(test_lower_version),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
