/* SPDX-License-Identifier: Apache-2.0 */
/* One file to the devices behind a gateway, by real programs on loopback. */
#include <sched.h>
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

static void push(struct lab *lab, const char *file)
{
    json_t *out = NULL;
    int code = lab_verb(lab, &out, "push", file, "--group", "all",
                        "--deadline", "60s", NULL);

    assert_int_equal(code, 0);
    json_decref(out);
}

static void test_three_devices(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");

    lab_fleet(lab, 3);
    lab_file(file, 100000, 1);
    push(lab, file);
    lab_got(lab, 3, file);
    /* SIGTERM ends each of them cleanly. */
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    assert_int_equal(lab_end(lab->serve, SIGINT), 0);
}

/* The second version goes over the first, smaller by half: the hook gets the
 * file and nothing of what lay in the slot before. */
static void test_smaller_second_version(void **state)
{
    struct lab *lab = *state;
    const char *one = lab_path(lab, "one"), *two = lab_path(lab, "two");

    lab_fleet(lab, 2);
    lab_file(one, 50001, 1);
    lab_file(two, 333, 2);
    push(lab, one);
    lab_got(lab, 2, one);
    push(lab, two);
    lab_got(lab, 2, two);
}

/* Parity by what an area loses; what is given by number goes before that. */
static void test_parity_by_loss(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");

    lab_fleet(lab, 1);
    lab_file(file, 3000, 1);
    for (int given = 0; given < 2; given++) {
        json_t *out = NULL;
        const json_t *shape;
        json_int_t parity;

        assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                                  "--page", "100", "--loss", "20",
                                  "--receivers", "1000",
                                  given ? "--parity" : NULL, "7", NULL), 0);
        shape = json_object_get(out, "shape");
        assert_int_equal(json_integer_value(json_object_get(shape,
                                                            "page_data")), 100);
        parity = json_integer_value(json_object_get(shape, "page_parity"));
        if (given)
            assert_int_equal(parity, 7);
        else /* the unluckiest of 1,000 needs 45.5 more */
            assert_in_range(parity, 46, 52);
        json_decref(out);
    }
}

static void test_losses(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    static const char *const lossy[] = {
        "--drop-in", "10", "--drop-coap", "5", "--seed", "7", NULL,
    };
    const json_t *counters;

    lab_keys(lab, 3);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_gateway(lab, lossy);
    lab_devices(lab, 3, lossy);
    lab_file(file, 300000, 3);
    push(lab, file);
    lab_got(lab, 3, file);
    assert_int_equal(lab_end(lab->dev, SIGTERM), 0);
    counters = lab_wait(lab->dev, "{'event': 'counters', 'id': 'dev-2'}");
    assert_true(json_integer_value(json_object_get(
                    json_object_get(counters, "area_group"), "dropped")) > 20);
}

static void test_multicast_to_gateways(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char group[40];
    const json_t *counters;

    snprintf(group, sizeof(group), "239.78.%u.%u:%u",
             (unsigned)getpid() >> 8 & 255, (unsigned)getpid() & 255,
             20000 + (unsigned)getpid() % 20000);
    lab_keys(lab, 2);
    lab_serve(lab, (const char *const[]){ "--wide-group", group, NULL });
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    lab_file(file, 60000, 4);
    push(lab, file);
    lab_got(lab, 2, file);
    assert_int_equal(lab_end(lab->gw, SIGTERM), 0);
    counters = lab_wait(lab->gw, "{'event': 'counters'}");
    assert_true(json_integer_value(json_object_get(json_object_get(
                    counters, "wide_group"), "rx_packets")) > 50);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(
                         counters, "wide_port"), "rx_packets")), 0);
}

static void test_hook_fails(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    json_t *out = NULL;

    lab_fleet(lab, 2);
    lab_end(lab->dev, SIGTERM);
    lab_devices(lab, 2, (const char *const[]){
        "--hook", "[ $MUSTER_IDENTITY != dev-2 ]", NULL });
    lab_file(file, 2000, 5);
    assert_int_equal(lab_verb(lab, &out, "push", file, "--group", "all",
                              "--deadline", "60s", "--quorum", "50", NULL), 2);
    json_decref(out);
    lab_wait(lab->dev, "{'event': 'status', 'id': 'dev-2', 'states': "
                       "['received', 'verified', 'failed']}");
}

/* Last: there is no way back out of the network namespace. */
static void test_ipv6(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char wide[] = "[ff05::4d75]:29871";

    if ((unshare(CLONE_NEWNET) != 0 &&
         unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ||
        system("ip link set lo up && ip link add v0 type veth peer name v1 && "
               "ip addr add fd77::1/64 dev v0 nodad && ip link set v0 up && "
               "ip link set v1 up") != 0) {
        print_message("no network namespaces here\n");
        skip();
    }
    lab->host = "fd77::1";
    lab->iface = "v0";
    snprintf(lab->group, sizeof(lab->group), "[ff02::4d75]:29870");
    lab_keys(lab, 2);
    lab_serve(lab, (const char *const[]){ "--wide-group", wide, NULL });
    lab_register(lab);
    lab_gateway(lab, NULL);
    lab_devices(lab, 2, NULL);
    lab_file(file, 60000, 6);
    push(lab, file);
    lab_got(lab, 2, file);
}

int main(void)
{
#define PUSH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        PUSH_TEST(test_three_devices),
        PUSH_TEST(test_smaller_second_version),
        PUSH_TEST(test_parity_by_loss),
        PUSH_TEST(test_losses),
        PUSH_TEST(test_multicast_to_gateways),
        PUSH_TEST(test_hook_fails),
        PUSH_TEST(test_ipv6),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
