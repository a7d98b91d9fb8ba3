/* SPDX-License-Identifier: Apache-2.0 */
/* The way of least cost to each network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/route.h"

static struct mu_addr at(const char *text)
{
    struct mu_addr a;

    assert_int_equal(mu_addr_parse(text, &a), 0);
    return a;
}

static void put(struct mu_route *r, uint32_t link, const char *text)
{
    struct mu_addr a = at(text);

    assert_int_equal(mu_route_copy(r, link, &a), 0);
}

static void test_prefixes(void **state)
{
    struct mu_route r;

    (void)state;
    mu_route_init(&r, 0);
    assert_int_equal(mu_route_add(&r, "10.1.0.0/16"), 0);
    assert_int_equal(mu_route_add(&r, "10.1.2.128/25"), 0);
    assert_int_equal(mu_route_add(&r, "fd00:1::/31"), 0);
    assert_int_equal(mu_route_add(&r, "0.0.0.0/0"), 0);
    static const char *const bad[] = {
        "", "/", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/-1",
        "10.1.0.0/8x", "name/8", "fd00::/129", "10.1.0.0/4294967304",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mu_route_add(&r, bad[i]), MU_ERR_USAGE);
    assert_int_equal(r.nets_len, 5);
    put(&r, 1, "10.1.2.127:5");
    put(&r, 2, "10.1.2.129:5"); /* the longer prefix */
    put(&r, 3, "[fd00:0::1]:5");
    put(&r, 4, "[fd00:1::1]:5");
    put(&r, 5, "[fd00:2::1]:5");
    put(&r, 6, "10.2.0.1:5");
    static const size_t nets[] = { 1, 2, 3, 3, MU_ROUTE_HERE, 4 };

    for (size_t i = 0; i < 6; i++)
        assert_int_equal(r.copies[i].net, nets[i]);
    /* It moved. */
    put(&r, 2, "10.1.9.1:5");
    assert_int_equal(r.copies_len, 6);
    assert_int_equal(r.copies[1].net, 1);
    mu_route_clear(&r);
}

static void test_full(void **state)
{
    struct mu_route r;

    (void)state;
    mu_route_init(&r, 0);
    for (size_t i = 1; i < MU_ROUTE_NETS_MAX; i++)
        assert_int_equal(mu_route_add(&r, "10.0.0.0/8"), 0);
    assert_int_equal(mu_route_add(&r, "10.0.0.0/8"), MU_ERR_FULL);
}

/* With no cost given it is multicast wherever there is a group, as ever. */
static void test_always(void **state)
{
    struct mu_route r;

    (void)state;
    mu_route_init(&r, 0);
    put(&r, 1, "10.0.0.1:5");
    assert_int_equal(r.nets[0].way, MU_ROUTE_COPIES); /* no group */
    mu_route_up(&r, MU_ROUTE_HERE, true);
    assert_int_equal(r.nets[0].way, MU_ROUTE_GROUP);
    mu_route_copy_end(&r, 1);
    mu_route_copy_end(&r, 1);
    assert_int_equal(r.nets[0].way, MU_ROUTE_GROUP); /* before anybody is in */
    mu_route_clear(&r);
}

static void test_here(void **state)
{
    struct mu_route r;

    (void)state;
    mu_route_init(&r, 3);
    mu_route_up(&r, MU_ROUTE_HERE, true);
    assert_int_equal(r.nets[0].way, MU_ROUTE_NONE);
    put(&r, 1, "10.0.0.1:5");
    assert_int_equal(r.nets[0].way, MU_ROUTE_COPIES);
    put(&r, 2, "10.0.0.2:5");
    r.nets[0].changed = false;
    put(&r, 3, "10.0.0.3:5");
    assert_int_equal(r.nets[0].way, MU_ROUTE_GROUP); /* 3 copies, 3: equal */
    assert_true(r.nets[0].changed);
    mu_route_copy_end(&r, 2);
    assert_int_equal(r.nets[0].way, MU_ROUTE_COPIES);
    assert_int_equal(mu_route_cost(&r, 0).copies, 2);
    assert_int_equal(mu_route_cost(&r, 0).multicast, 3);
    mu_route_clear(&r);
}

static void test_relay(void **state)
{
    struct mu_route r;

    (void)state;
    mu_route_init(&r, 1);
    assert_int_equal(mu_route_add(&r, "10.1.0.0/16"), 0);
    mu_route_up(&r, 1, true);
    assert_int_equal(r.nets[1].way, MU_ROUTE_NONE);
    put(&r, 1, "10.1.0.1:5");
    assert_int_equal(r.nets[1].way, MU_ROUTE_COPIES); /* 1 < tunnel and cast */
    put(&r, 2, "10.1.0.2:5");
    assert_int_equal(r.nets[1].way, MU_ROUTE_TUNNEL);
    assert_int_equal(mu_route_cost(&r, 1).multicast, 2);
    mu_route_up(&r, 1, false); /* gone: nobody is left without */
    assert_int_equal(r.nets[1].way, MU_ROUTE_COPIES);
    mu_route_up(&r, 1, true);
    assert_int_equal(r.nets[1].way, MU_ROUTE_TUNNEL);
    /* Its network does not make ours pay. */
    mu_route_up(&r, MU_ROUTE_HERE, true);
    assert_int_equal(r.nets[0].way, MU_ROUTE_NONE);
    mu_route_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_full),
        cmocka_unit_test(test_always), cmocka_unit_test(test_here),
        cmocka_unit_test(test_relay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
