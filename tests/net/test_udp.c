/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of the cast on loopback: groups, ports, losses. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/log.h"
#include "net/udp_cast.h"

struct ear {
    struct mu_udp udp;
    unsigned packets, bytes;
    uint8_t last;
};

struct world {
    uv_loop_t uv;
    uv_timer_t patience;
    bool late;
};

static void on_packet(void *ctx, struct mu_bytes packet,
                      const struct mu_addr *from)
{
    struct ear *e = ctx;

    assert_true(from->len > 0);
    e->packets++;
    e->bytes += (unsigned)packet.len;
    e->last = packet.data[0];
}

static void on_late(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void world_open(struct world *w)
{
    mu_log_set(MU_LOG_ERROR);
    uv_loop_init(&w->uv);
    uv_timer_init(&w->uv, &w->patience);
    w->patience.data = &w->late;
}

static void world_close(struct world *w)
{
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->uv), 0);
}

/* Turns until so many packets are in; false when they do not come. */
static bool hear(struct world *w, const struct ear *e, unsigned packets)
{
    w->late = false;
    uv_timer_start(&w->patience, on_late, 3000, 0);
    while (!w->late && e->packets + e->udp.counts.dropped < packets)
        uv_run(&w->uv, UV_RUN_ONCE);
    uv_timer_stop(&w->patience);
    return !w->late;
}

static struct mu_addr addr(const char *text)
{
    struct mu_addr a;

    assert_int_equal(mu_addr_parse(text, &a), 0);
    return a;
}

static void cast(struct world *w, const char *iface, const char *source,
                 const char *group_text, const char *other_text)
{
    struct ear one, two, other, from;
    struct mu_addr at = addr(source), bound, group = addr(group_text);
    struct mu_addr elsewhere = addr(other_text);
    uint8_t packet[MU_PACKET_MAX];

    mu_udp_init(&one.udp, on_packet, &one);
    mu_udp_init(&two.udp, on_packet, &two);
    mu_udp_init(&other.udp, on_packet, &other);
    mu_udp_init(&from.udp, on_packet, &from);
    one.packets = two.packets = other.packets = 0;
    assert_int_equal(mu_udp_bind(&from.udp, &w->uv, &at, &bound), 0);
    assert_int_equal(mu_udp_sender(&from.udp, iface, 1), 0);
    assert_int_equal(mu_udp_join(&one.udp, &w->uv, &group, iface), 0);
    assert_int_equal(mu_udp_join(&two.udp, &w->uv, &group, iface), 0);
    assert_int_equal(mu_udp_join(&other.udp, &w->uv, &elsewhere, iface), 0);
    assert_int_equal(mu_udp_scope(&group, iface), 0);
    for (unsigned i = 0; i < 200; i++) {
        memset(packet, (int)i, sizeof(packet));
        mu_udp_send(&from.udp, &group, MU_BYTES(packet));
    }
    mu_udp_flush(&from.udp);
    assert_true(hear(w, &one, 200));
    assert_true(hear(w, &two, 200));
    assert_int_equal(one.last, 199);
    assert_int_equal(one.udp.counts.rx_bytes, 200 * MU_PACKET_MAX);
    assert_int_equal(from.udp.counts.tx_packets, 200);
    /* Another group on the same port hears nothing of it. */
    assert_int_equal(other.packets, 0);
    mu_udp_close(&one.udp);
    mu_udp_close(&two.udp);
    mu_udp_close(&other.udp);
    mu_udp_close(&from.udp);
}

static void test_ipv4(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    cast(&w, "lo", "127.0.0.1:0", "239.77.85.9:42111", "239.77.85.10:42111");
    world_close(&w);
}

/* Linux carries no IPv6 multicast over its loopback interface: a network
 * namespace with a pair of interfaces does. Nothing can be put back after
 * that, so this test is the last. */
static void test_ipv6(void **state)
{
    struct world w;

    (void)state;
    if ((unshare(CLONE_NEWNET) != 0 &&
         unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ||
        system("ip link set lo up && ip link add v0 type veth peer name v1 && "
               "ip addr add fd77::1/64 dev v0 nodad && ip link set v0 up && "
               "ip link set v1 up") != 0) {
        print_message("no network namespaces here\n");
        skip();
    }
    world_open(&w);
    cast(&w, "v0", "[fd77::1]:0", "[ff02::4d75]:42112", "[ff02::4d76]:42112");
    cast(&w, "v0", "[fd77::1]:0", "[ff05::4d75]:42112", "[ff02::4d76]:42112");
    world_close(&w);
}

/* One packet after the other until the socket is looked at by the clock. */
static unsigned gather(struct world *w, struct ear *e, struct ear *from,
                       const struct mu_addr *to)
{
    uint8_t packet[1] = { 1 };
    unsigned sent = 0;

    w->late = false;
    while (!uv_is_active((uv_handle_t *)e->udp.gather)) {
        mu_udp_send(&from->udp, to, MU_BYTES(packet));
        assert_true(hear(w, e, ++sent));
        assert_true(sent < 10000);
    }
    assert_false(uv_is_active((uv_handle_t *)e->udp.poll));
    return sent;
}

static void on_closing_packet(void *ctx, struct mu_bytes packet,
                              const struct mu_addr *from)
{
    struct ear *e = ctx;

    on_packet(ctx, packet, from);
    if (packet.data[0] == 9)
        mu_udp_close(&e->udp);
}

static void test_gathering(void **state)
{
    struct world w;
    struct ear e = { .packets = 0 }, from;
    struct mu_addr at = addr("127.0.0.1:0"), bound, to;
    uint8_t packet[1] = { 2 };
    unsigned sent;

    (void)state;
    world_open(&w);
    mu_udp_init(&e.udp, on_closing_packet, &e);
    mu_udp_init(&from.udp, on_packet, &from);
    assert_int_equal(mu_udp_bind(&e.udp, &w.uv, &at, &to), 0);
    assert_int_equal(mu_udp_bind(&from.udp, &w.uv, &at, &bound), 0);
    sent = gather(&w, &e, &from, &to);
    /* What comes meanwhile is heard all the same, in its order. */
    for (unsigned i = 0; i < 100; i++) {
        packet[0] = (uint8_t)(100 + i);
        mu_udp_send(&from.udp, &to, MU_BYTES(packet));
    }
    assert_true(hear(&w, &e, sent += 100));
    assert_int_equal(e.last, 199);
    /* Nothing for a while, and it is waited for. */
    while (uv_is_active((uv_handle_t *)e.udp.gather))
        uv_run(&w.uv, UV_RUN_ONCE);
    assert_true(uv_is_active((uv_handle_t *)e.udp.poll));
    mu_udp_send(&from.udp, &to, MU_BYTES(packet));
    assert_true(hear(&w, &e, ++sent));
    /* Closed by who takes a packet, and what was behind it is not heard. */
    e.packets = 0;
    (void)gather(&w, &e, &from, &to);
    sent = e.packets;
    packet[0] = 9;
    mu_udp_send(&from.udp, &to, MU_BYTES(packet));
    mu_udp_send(&from.udp, &to, MU_BYTES(packet));
    assert_true(hear(&w, &e, sent + 1));
    uv_run(&w.uv, UV_RUN_NOWAIT);
    assert_int_equal(e.packets, sent + 1);
    assert_int_equal(e.udp.fd, -1);
    mu_udp_close(&from.udp);
    world_close(&w);
}

static void test_oversized_and_empty(void **state)
{
    struct world w;
    struct ear e = { .packets = 0 }, from;
    struct mu_addr at = addr("127.0.0.1:0"), to, bound;
    static uint8_t big[60000];

    (void)state;
    world_open(&w);
    mu_udp_init(&e.udp, on_packet, &e);
    mu_udp_init(&from.udp, on_packet, &from);
    assert_int_equal(mu_udp_bind(&e.udp, &w.uv, &at, &to), 0);
    assert_int_equal(mu_udp_bind(&from.udp, &w.uv, &at, &bound), 0);
    for (size_t len = 0; len < sizeof(big); len = len * 3 + 1470)
        assert_true(sendto(from.udp.fd, big, len, 0, &to.sa, to.len) >= 0);
    big[0] = 7;
    mu_udp_send(&from.udp, &to, mu_bytes(big, MU_PACKET_MAX));
    w.late = false;
    uv_timer_start(&w.patience, on_late, 3000, 0);
    while (!w.late && e.last != 7)
        uv_run(&w.uv, UV_RUN_ONCE);
    assert_int_equal(e.last, 7);
    assert_int_equal(e.packets, 2); /* 1,470 and 1,472 bytes; not the rest */
    /* We send none that is too long either. */
    mu_udp_send(&from.udp, &to, MU_BYTES(big));
    assert_int_equal(from.udp.counts.tx_packets, 1);
    mu_udp_close(&e.udp);
    mu_udp_close(&from.udp);
    world_close(&w);
}

static unsigned lose(struct world *w, unsigned percent, uint64_t seed)
{
    struct ear e = { .packets = 0 }, from;
    struct mu_addr at = addr("127.0.0.1:0"), to, bound;
    uint8_t packet[50] = { 1 };

    mu_udp_init(&e.udp, on_packet, &e);
    mu_udp_init(&from.udp, on_packet, &from);
    assert_int_equal(mu_udp_bind(&e.udp, &w->uv, &at, &to), 0);
    assert_int_equal(mu_udp_bind(&from.udp, &w->uv, &at, &bound), 0);
    mu_udp_drop(&e.udp, percent, seed);
    for (int i = 0; i < 1000; i++)
        mu_udp_send(&from.udp, &to, MU_BYTES(packet));
    assert_true(hear(w, &e, 1000));
    mu_udp_close(&e.udp);
    mu_udp_close(&from.udp);
    return e.packets;
}

static void test_losses_are_seeded(void **state)
{
    struct world w;
    unsigned first;

    (void)state;
    world_open(&w);
    assert_int_equal(lose(&w, 0, 1), 1000);
    assert_int_equal(lose(&w, 100, 1), 0);
    first = lose(&w, 10, 42);
    assert_in_range(first, 850, 950);
    assert_int_equal(lose(&w, 10, 42), first);
    world_close(&w);
}

static void test_wrong_addresses(void **state)
{
    struct world w;
    struct ear e;
    struct mu_addr a, group = addr("239.77.85.9:42113");
    struct mu_addr host = addr("127.0.0.1:0");
    static const char *const bad[] = {
        "", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536",
        "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:1x", "::1:80", "[::1]80",
        "[::1:80", "[]:80",
    };

    (void)state;
    world_open(&w);
    mu_udp_init(&e.udp, on_packet, &e);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(mu_addr_parse(bad[i], &a) < 0);
    assert_int_equal(mu_udp_join(&e.udp, &w.uv, &group, "no-such-if"),
                     MU_ERR_USAGE);
    assert_int_equal(mu_udp_join(&e.udp, &w.uv, &host, "lo"), MU_ERR_USAGE);
    assert_int_equal(e.udp.fd, -1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_oversized_and_empty),
        cmocka_unit_test(test_gathering),
        cmocka_unit_test(test_losses_are_seeded),
        cmocka_unit_test(test_wrong_addresses),
        cmocka_unit_test(test_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
