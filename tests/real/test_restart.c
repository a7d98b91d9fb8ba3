/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways and devices that are away at the start, or in the middle: the
 * campaign goes on from where it was. */
#include "real.h"

static void test_gateway_late(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    /* Server and devices know where it will be; it is not there yet. */
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_end(lab->gw, SIGKILL);
    lab_file(file, 50000, 1);
    real_push(lab, id, file, NULL);
    lab_devices(lab, 2, NULL);
    lab_wait(lab->dev, "{'event': 'link', 'up': false}");
    lab_gateway(lab, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static void test_gateway_away_in_the_middle(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    real_middle(lab, 2, file, id, "dev-1", 2);
    lab_end(lab->gw, SIGKILL);
    /* Everybody has noticed before it is back. */
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-1', 'linked': false}");
    lab_wait(lab->serve, "{'event': 'link', 'up': false}");
    lab_gateway(lab, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static void test_gateway_ends_in_the_middle(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    real_middle(lab, 2, file, id, "dev-1", 2);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    lab_gateway(lab, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

/* The gateway has this many pages of the only campaign. */
static void gateway_has(struct lab *lab, long long pages)
{
    static const char page[] = "what=page a=";
    char text[64], *log;

    real_logged(lab, "gateway", page);
    log = real_read(lab_path(lab, "gateway.log"), NULL);
    snprintf(text, sizeof(text), "%s%d b=%lld\n", page,
             atoi(strstr(log, page) + strlen(page)), pages);
    free(log);
    real_logged(lab, "gateway", text);
}

/* The server is away, and then the gateway is restarted: what it holds of the
 * campaign, and of its devices, it goes on with alone. */
static void test_gateway_alone(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    const json_t *line;
    char id[32];

    real_fleet(lab, 2);
    lab_file(file, REAL_BYTES, 5);
    real_push(lab, id, file, NULL);
    line = lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-1', 'page': 1}");
    gateway_has(lab, real_number(line, "pages"));
    lab_end(lab->serve, SIGKILL);
    lab_end(lab->gw, SIGKILL);
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-1', 'linked': false}");
    lab_gateway(lab, NULL);
    for (int i = 1; i <= 2; i++) {
        char pattern[128];

        lab->dev->seen = 0;
        snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': "
                 "'dev-%d', 'states': ['received', 'verified', 'installed', "
                 "'running']}", i);
        lab_wait(lab->dev, pattern);
    }
    lab_got(lab, 2, file);
    lab_serve(lab, NULL);
    real_ends(lab, id, 0);
}

/* It goes on with the page after the last one that it had verified, and asks
 * the air for no more than is left. */
static void test_device_resumes(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    const json_t *first, *heard;
    long long pages, page, left;
    char id[32];

    real_middle(lab, 1, file, id, "dev-1", 3);
    lab_end(lab->dev, SIGKILL);
    lab_devices(lab, 1, NULL);
    first = lab_wait(lab->dev, "{'event': 'status', 'linked': true}");
    page = real_number(first, "page");
    pages = real_number(first, "pages");
    /* The third may not have been durable yet when it was shown. */
    if (page < 2 || pages <= page)
        fail_msg("it goes on at page %lld of %lld", page, pages);
    real_ends(lab, id, 0);
    lab_got(lab, 1, file);
    lab_end(lab->dev, SIGTERM);
    heard = json_object_get(lab_wait(lab->dev, "{'event': 'counters'}"),
                            "heard");
    left = (pages - page) * 64; /* data packets of a page, at most */
    assert_true(real_number(heard, "accepted") <= left);
    assert_true(real_number(heard, "accepted") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_gateway_late),
        REAL_TEST(test_gateway_away_in_the_middle),
        REAL_TEST(test_gateway_ends_in_the_middle),
        REAL_TEST(test_gateway_alone),
        REAL_TEST(test_device_resumes),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
