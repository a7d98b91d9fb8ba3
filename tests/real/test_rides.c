/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgements with the keep-alives of real links: all of them by the
 * default, none where the operator or the link does not have it, and through
 * whatever happens while they wait.
 */
#include "real.h"

#define DEVICES 12

/* What the gateway counted until it ended. */
static void counted(struct lab *lab, long long *ridden, long long *packets)
{
    const json_t *line, *acks;

    assert_int_equal(kill(lab->gw->pid, SIGTERM), 0);
    line = lab_wait(lab->gw, "{'event': 'counters'}");
    acks = json_object_get(line, "acks");
    *ridden = real_number(acks, "ridden");
    *packets = real_number(acks, "packets");
    assert_int_equal(lab_ended(lab->gw), 0);
}

/* The usual fleet, with keep-alives as far apart as this. */
static void fleet_every(struct lab *lab, unsigned devices, const char *ms)
{
    lab_keys(lab, devices);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, (const char *const[]){"--idle-ms", "60000", NULL});
    lab_devices(lab, devices,
                (const char *const[]){"--keepalive-ms", ms, NULL});
    real_connected(lab, devices);
}

/* A file to all of them, acknowledged so. */
static const char *pushed(struct lab *lab, char id[32], const char *acks)
{
    const char *file = lab_path(lab, "firmware");

    lab_file(file, 60000, 1);
    /* Who waits for a keep-alive waits for a quarter of that, 26 s at most. */
    real_push(lab, id, file, "--acks", acks, "--deadline", "48s", NULL);
    return file;
}

static void all_run(struct lab *lab)
{
    for (unsigned i = 1; i <= DEVICES; i++) {
        char pattern[96];

        snprintf(pattern, sizeof(pattern),
                 "{'event': 'status', 'id': 'dev-%u', 'states': ['received', "
                 "'verified', 'installed', 'running']}", i);
        lab_wait(lab->dev, pattern);
        lab->dev->seen = 0; /* they run in any order */
    }
}

static void test_ride(void **state)
{
    struct lab *lab = *state;
    const char *file;
    long long ridden, packets;
    char id[32];

    fleet_every(lab, DEVICES, "2000");
    file = pushed(lab, id, "ride");
    real_ends(lab, id, 0);
    lab_got(lab, DEVICES, file);
    counted(lab, &ridden, &packets);
    assert_int_equal(ridden, DEVICES);
    assert_int_equal(packets, 0);
}

static void test_now(void **state)
{
    struct lab *lab = *state;
    long long ridden, packets;
    char id[32];

    fleet_every(lab, DEVICES, "2000");
    pushed(lab, id, "now");
    real_ends(lab, id, 0);
    counted(lab, &ridden, &packets);
    assert_int_equal(ridden, 0);
    assert_true(packets >= DEVICES);
}

/* Keep-alives that come too seldom, as good as none: nobody waits for them. */
static void test_no_keepalive(void **state)
{
    struct lab *lab = *state;
    long long ridden, packets;
    char id[32];

    fleet_every(lab, DEVICES, "3600000");
    pushed(lab, id, "ride");
    real_ends(lab, id, 0);
    counted(lab, &ridden, &packets);
    assert_int_equal(ridden, 0);
    assert_true(packets >= DEVICES);
}

/* While they wait the gateway goes away for good and comes back without any
 * memory of who has said what: it counts them. */
static void test_gateway_restarts(void **state)
{
    struct lab *lab = *state;
    const char *file;
    char id[32];

    fleet_every(lab, DEVICES, "5000");
    file = pushed(lab, id, "ride");
    all_run(lab);
    lab_end(lab->gw, SIGKILL);
    lab_gateway(lab, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, DEVICES, file);
}

/* While they wait all devices go and come back: they are asked. */
static void test_devices_restart(void **state)
{
    struct lab *lab = *state;
    const char *file;
    char id[32];

    fleet_every(lab, DEVICES, "15000");
    file = pushed(lab, id, "ride");
    all_run(lab);
    lab_end(lab->dev, SIGKILL);
    lab_devices(lab, DEVICES, NULL);
    real_ends(lab, id, 0);
    lab_got(lab, DEVICES, file);
}

/* A fifth of the datagrams of the links is lost, and nothing on them said again:
 * what does not come with a keep-alive comes by itself. */
static void test_losses(void **state)
{
    struct lab *lab = *state;
    long long ridden, packets;
    char id[32];

    lab_keys(lab, DEVICES);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, DEVICES,
                (const char *const[]){"--keepalive-ms", "2000", "--drop-coap",
                                      "20", "--seed", "3", "--ack-timeout-ms",
                                      "20000", NULL});
    real_connected(lab, DEVICES);
    pushed(lab, id, "ride");
    real_ends(lab, id, 0);
    counted(lab, &ridden, &packets);
    assert_true(ridden >= DEVICES / 2);
    assert_true(packets > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_ride),
        REAL_TEST(test_now),
        REAL_TEST(test_no_keepalive),
        REAL_TEST(test_gateway_restarts),
        REAL_TEST(test_devices_restart),
        REAL_TEST(test_losses),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
