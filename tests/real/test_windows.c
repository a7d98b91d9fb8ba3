/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that listen in windows, over real links and sockets: who hears
 * nothing in between gets everything all the same, its link outlives its sleep,
 * and the operator sees who sleeps.
 */
#include "real.h"

#define SLEEPERS 4
/* Shorter than a period: a link that is silent so long is given up. */
#define IDLE "--idle-ms", "2000"

static void fleet(struct lab *lab, unsigned members, const char *hold_s,
                  const char *listens)
{
    lab_keys(lab, members);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){"--hold-s", hold_s, IDLE, NULL});
    lab_devices(lab, SLEEPERS,
                (const char *const[]){"--listens", listens, NULL});
    real_connected(lab, SLEEPERS);
}

/* One more, that is always on. */
static struct lab_prog *awake(struct lab *lab)
{
    char hook[160];
    struct lab_prog *p;

    snprintf(hook, sizeof(hook), "cp \"$1\" %s/got-$MUSTER_IDENTITY", lab->dir);
    p = lab_start(lab, "awake", (const char *const[]){
        "device", "--id", "dev-5", "--key-file", lab_path(lab, "devices.csv"),
        "--gateway", lab->gateway, "--state", lab_path(lab, "awake"), "--iface",
        lab->iface, "--hook", hook, "--object-max-kib", "2048",
        "--keepalive-ms", "500", "--json", NULL});
    lab_wait(p, "{'event': 'status', 'connected': true}");
    return p;
}

static void all_asleep(struct lab *lab)
{
    char pattern[96];

    for (unsigned i = 1; i <= SLEEPERS; i++) {
        lab->dev->seen = 0;
        snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': "
                 "'dev-%u', 'connected': true, 'asleep': true}", i);
        lab_wait(lab->dev, pattern);
    }
}

static long long handshakes(struct lab *lab)
{
    const json_t *line;

    assert_int_equal(kill(lab->gw->pid, SIGTERM), 0);
    line = lab_wait(lab->gw, "{'event': 'counters'}");
    return real_number(json_object_get(line, "links"), "handshakes");
}

static void test_arrives(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    fleet(lab, SLEEPERS + 1, "300", "1/4");
    assert_non_null(awake(lab));
    lab_file(file, 60000, 1);
    all_asleep(lab);
    real_push(lab, id, file, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, SLEEPERS + 1, file);
    /* Each device and the server, once: no link was lost to silence. */
    assert_int_equal(handshakes(lab), SLEEPERS + 2);
}

/* Their windows are far off: the other one has it, they have heard nothing, and
 * the operator is told. */
static void test_asleep(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    const json_t *line, *area;
    json_t *report;
    struct real_said said;
    char id[32];
    uint64_t until = lab_now() + LAB_PATIENCE_MS;

    fleet(lab, SLEEPERS + 1, "0", "1/3600");
    assert_non_null(awake(lab));
    all_asleep(lab);
    lab_file(file, 60000, 2);
    real_push(lab, id, file, NULL);
    real_until(lab, id, "dev-5", "running");
    do {
        report = real_report(lab, id);
        area = json_array_get(json_object_get(report, "areas"), 0);
        if (area != NULL && real_number(area, "asleep") == SLEEPERS)
            break;
        if (lab_now() > until)
            fail_msg("%s", json_dumps(report, 0));
        json_decref(report);
    } while (true);
    assert_int_equal(real_number(area, "within_s"), 3600);
    assert_true(real_number(report, "eta_s") >= 3600);
    assert_true(real_missing(report, "dev-1"));
    json_decref(report);
    assert_int_equal(real_ask(lab, &said, "report", id, NULL), 0);
    assert_non_null(strstr(said.out, "one listens within 3600 s"));
    assert_int_equal(kill(lab->dev->pid, SIGTERM), 0);
    line = lab_wait(lab->dev, "{'event': 'counters', 'id': 'dev-1'}");
    assert_int_equal(real_number(json_object_get(line, "area_group"),
                                 "rx_packets"), 0);
}

/* Killed while all sleep, the gateway remembers that they do; they find it
 * again in their windows. */
static void test_gateway_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    fleet(lab, SLEEPERS, "300", "1/4");
    lab_file(file, 60000, 3);
    all_asleep(lab);
    real_push(lab, id, file, NULL);
    lab_end(lab->gw, SIGKILL);
    lab_gateway(lab, (const char *const[]){IDLE, NULL});
    real_ends(lab, id, 0);
    lab_got(lab, SLEEPERS, file);
}

static void test_devices_killed(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];

    lab_keys(lab, SLEEPERS);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){"--rate", "60000", IDLE, NULL});
    lab_devices(lab, SLEEPERS,
                (const char *const[]){"--listens", "1/3", NULL});
    real_connected(lab, SLEEPERS);
    lab_file(file, 200000, 4); /* more than one window holds */
    real_push(lab, id, file, "--page", "32", "--parity", "8", NULL);
    real_page(lab, "dev-1", 1);
    lab_end(lab->dev, SIGKILL);
    lab_devices(lab, SLEEPERS,
                (const char *const[]){"--listens", "1/3", NULL});
    real_ends(lab, id, 0);
    lab_got(lab, SLEEPERS, file);
}

static void test_words(void **state)
{
    static const char *const wrong[] = {"5", "5/", "/60", "5/5", "0/60", "6/5",
                                        "1/86401", "-1/60", "1/60s", "a/b"};
    struct lab *lab = *state;
    struct real_said said;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(real_say(lab, &said, "device", "--key-file", "k",
                                  "--gateway", "127.0.0.1:1", "--state", "s",
                                  "--listens", wrong[i], NULL), 1);
        assert_non_null(strstr(said.err, "W/P is wanted"));
    }
    assert_int_equal(real_say(lab, &said, "device", "--key-file", "k",
                              "--gateway", "127.0.0.1:1", "--state", "s",
                              "--listens", "1/60", "--mesh", "127.0.0.1:0",
                              NULL), 1);
    assert_non_null(strstr(said.err, "does not go with --mesh"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_arrives),
        REAL_TEST(test_asleep),
        REAL_TEST(test_gateway_killed),
        REAL_TEST(test_devices_killed),
        REAL_TEST(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
