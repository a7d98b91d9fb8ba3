/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledged broadcast over a tree: who is there is proved, who is not is
 * known, whoever lies is found, in linear, tree and fully connected areas.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "sim/tree.h"

static const enum sim_grid_shape shapes[] = {
    SIM_GRID_LINE, SIM_GRID_TREE, SIM_GRID_FULL,
};

static struct sim_tree_conf area(enum sim_grid_shape shape, uint32_t nodes)
{
    struct sim_tree_conf conf;

    sim_tree_default(&conf);
    conf.shape = shape;
    conf.nodes = nodes;
    return conf;
}

/* What holds whoever does what. */
static struct sim_tree_result run(const struct sim_tree_conf *conf)
{
    struct sim_tree_result r;

    assert_int_equal(sim_tree_run(conf, &r), 0);
    assert_int_equal(r.messages, conf->messages);
    assert_int_equal(r.wanted, (uint64_t)(conf->nodes - 1) * conf->messages);
    assert_int_equal(r.wrong, 0);
    assert_int_equal(r.lied, 0);
    assert_int_equal(r.found_wrong, 0);
    return r;
}

static void test_all_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim_tree_conf conf = area(shapes[i], 15);
        struct sim_tree_result r = run(&conf);

        assert_int_equal(r.acked, r.wanted);
        assert_int_equal(r.delivered, r.wanted);
        assert_int_equal(r.found, 0);
        assert_int_equal(r.groups, conf.shape == SIM_GRID_FULL ? 1 : r.hops);
    }
}

/* Two passes: each node speaks once down and once up, when nothing is lost. */
static void test_two_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim_tree_conf conf = area(shapes[i], 15);
        struct sim_tree_result r;

        conf.loss = 0;
        r = run(&conf);
        assert_int_equal(r.acked, r.wanted);
        assert_int_equal(r.up, r.wanted);
        if (conf.shape == SIM_GRID_FULL)
            assert_int_equal(r.down, conf.messages); /* the root, once */
        else
            assert_true(r.down <= r.wanted);
    }
}

static void test_loss(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim_tree_conf conf = area(shapes[i], 12);
        struct sim_tree_result r;

        conf.loss = 0.2;
        r = run(&conf);
        /* One in five on each of eleven links, both ways: some time out. */
        assert_true((double)r.acked >
                    (conf.shape == SIM_GRID_LINE ? 0.9 : 0.98) *
                        (double)r.wanted);
        assert_true(r.delivered >= r.acked);
    }
}

static void test_thousand(void **state)
{
    struct sim_tree_conf conf = area(SIM_GRID_TREE, 1000);
    struct sim_tree_result r;

    (void)state;
    conf.messages = 2;
    r = run(&conf);
    assert_int_equal(r.acked, r.wanted);
    /* Even said twice now and then, below what they cost one by one. */
    assert_true(r.ack_bytes < r.single_bytes);
}

static void test_polluted(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim_tree_conf conf = area(shapes[i], 15);
        struct sim_tree_result r;

        conf.attack = SIM_TREE_POLLUTED_ACKS;
        r = run(&conf);
        assert_true(r.attack_packets > 0);
        assert_int_equal(r.acked, r.wanted); /* the others, and even it */
        assert_true(r.found >= conf.messages);
    }
}

static void test_forged(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sim_tree_conf conf = area(shapes[i], 15);
        struct sim_tree_result r;

        conf.attack = SIM_TREE_FORGED_ACKS;
        r = run(&conf);
        assert_true(r.acked < r.wanted);
        assert_true(r.acked <= r.delivered);
        assert_true(r.found > 0);
    }
}

/* A relay cannot change what it passes on: those below take it from nobody. */
static void test_modified(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sim_tree_conf conf = area(shapes[i], 15);
        struct sim_tree_result r;

        conf.attack = SIM_TREE_MODIFY;
        r = run(&conf);
        assert_true(r.forged > 0);
        assert_true(r.delivered < r.wanted);
    }
}

static void test_dropped(void **state)
{
    struct sim_tree_conf conf = area(SIM_GRID_TREE, 40);
    struct sim_tree_result r;

    (void)state;
    conf.attack = SIM_TREE_DROP;
    r = run(&conf);
    assert_true(r.acked < r.wanted);
    assert_int_equal(r.acked, r.delivered);
}

static void test_strangers(void **state)
{
    struct sim_tree_conf conf = area(SIM_GRID_TREE, 40);
    struct sim_tree_result peace = run(&conf), r;

    (void)state;
    conf.attack = SIM_TREE_RE_REQUEST;
    r = run(&conf);
    assert_int_equal(r.acked, r.wanted);
    assert_true(r.refused > 1000);
    assert_true((double)r.bytes < 1.5 * (double)peace.bytes);
    conf.attack = SIM_TREE_REPLAY;
    r = run(&conf);
    assert_int_equal(r.acked, r.wanted);
    assert_true((double)r.bytes < 1.5 * (double)peace.bytes);
}

static void test_plan(void **state)
{
    struct mu_tree_place line[4] = {{0}, {.parent = 0}, {.parent = 1},
                                    {.parent = 2}};
    struct mu_tree_place tree[6] = {{0}, {.parent = 0}, {.parent = 1},
                                    {.parent = 1}, {.parent = 0},
                                    {.parent = 4}};
    struct mu_tree_place mixed[4] = {{0}, {.parent = 0}, {.parent = 0},
                                     {.parent = 1}};
    struct mu_tree_place ahead[3] = {{0}, {.parent = 2}, {.parent = 0}};

    (void)state;
    assert_int_equal(mu_tree_plan(line, 4), 0);
    assert_int_equal(line[0].height, 3);
    assert_int_equal(line[3].depth, 3);
    assert_int_equal(mu_tree_plan(tree, 6), 0);
    assert_int_equal(tree[1].end, 4);
    assert_int_equal(tree[4].end, 6);
    assert_int_equal(tree[0].end, 6);
    assert_int_equal(mu_tree_plan(mixed, 4), MU_ERR_MALFORMED);
    assert_int_equal(mu_tree_plan(ahead, 3), MU_ERR_MALFORMED);
    assert_int_equal(mu_tree_plan(line, 1), MU_ERR_MALFORMED);
}

/* ---- one node, by hand --------------------------------------------------- */

static struct {
    const struct mu_crypto *crypto;
    struct mu_secret kmr;
    struct mu_tree_place plan[2];
    struct mu_tree_root root;
    struct mu_tree_node node;
    uint8_t bits[2], rest[64], memory[64];
    struct mu_ack_link suspects[4], found[4];
} w;

static int by_hand_kmr(void *ctx, uint16_t index, struct mu_secret *kmr)
{
    (void)ctx;
    assert_int_equal(index, 1);
    *kmr = w.kmr;
    return 0;
}

static void by_hand_node(mu_time now)
{
    struct mu_tree_node_conf conf = {
        .crypto = w.crypto, .kmr = &w.kmr, .stream = 9, .index = 1,
        .place = w.plan[1], .memory = w.memory, .memory_len = sizeof(w.memory),
        .wait_ms = 10,
    };

    assert_int_equal(mu_tree_node_init(&w.node, &conf, now), 0);
}

static void by_hand(void)
{
    struct mu_tree_root_conf conf = {
        .crypto = mu_crypto_openssl(), .stream = 9, .plan = w.plan, .nodes = 2,
        .messages_max = 8, .wait_ms = 10, .kmr = by_hand_kmr,
    };

    memset(&w, 0, sizeof(w));
    w.crypto = conf.crypto;
    w.kmr.len = 32;
    assert_int_equal(mu_tree_plan(w.plan, 2), 0);
    conf.acks = (struct mu_ack_root){
        .proved = &w.bits[0], .left = &w.bits[1], .rest = w.rest,
        .rest_len = sizeof(w.rest), .suspects = w.suspects, .found = w.found,
        .suspects_cap = 4, .found_cap = 4,
    };
    assert_int_equal(mu_tree_root_init(&w.root, &conf), 0);
    by_hand_node(0);
}

static struct mu_bytes from_node(mu_time now, uint8_t kind, uint8_t *to)
{
    enum mu_tree_way way;
    size_t len = mu_tree_node_next(&w.node, now, to, &way);

    assert_true(len > 0);
    assert_int_equal(to[0], kind);
    assert_int_equal(way, MU_TREE_UP);
    return mu_bytes(to, len);
}

static struct mu_bytes from_root(mu_time now, uint8_t kind, uint8_t *to)
{
    size_t len = mu_tree_root_next(&w.root, now, to);

    assert_true(len > 0);
    assert_int_equal(to[0], kind);
    return mu_bytes(to, len);
}

/* A recorded WELCOME lets nobody go back to old keys: each nonce is new. */
static void test_welcome_once(void **state)
{
    uint8_t join[MU_PACKET_MAX], welcome[MU_PACKET_MAX], other[MU_PACKET_MAX];
    struct mu_bytes j, first;

    (void)state;
    by_hand();
    j = from_node(MU_MS(20), MU_TREE_JOIN, join);
    assert_int_equal(mu_tree_root_packet(&w.root, 0, j), 0);
    first = from_root(0, MU_TREE_WELCOME, welcome);
    welcome[30] ^= 1; /* changed on the way */
    assert_int_equal(mu_tree_node_packet(&w.node, 0, first), MU_ERR_AUTH);
    welcome[30] ^= 1;
    assert_false(w.node.joined);
    assert_int_equal(mu_tree_node_packet(&w.node, 0, first), 0);
    assert_true(w.node.joined);
    assert_int_equal(mu_tree_node_packet(&w.node, 0, first),
                     MU_ERR_UNEXPECTED);
    by_hand_node(MU_SECONDS(1)); /* it restarts */
    (void)from_node(MU_SECONDS(2), MU_TREE_JOIN, other);
    assert_int_equal(mu_tree_node_packet(&w.node, 0, first), MU_ERR_AUTH);
    assert_false(w.node.joined);
    /* A request that somebody changed is nobody's. */
    join[10] ^= 1;
    assert_int_equal(mu_tree_root_packet(&w.root, 0, j), MU_ERR_AUTH);
    assert_int_equal(mu_tree_root_next(&w.root, 0, other), 0);
}

/* Restarted while a message is under way: in again, it takes that message. */
static void test_restart_within(void **state)
{
    uint8_t a[MU_PACKET_MAX], b[MU_PACKET_MAX];
    struct mu_bytes message, said;
    uint32_t place;

    (void)state;
    by_hand();
    assert_int_equal(mu_tree_root_say(&w.root, 0, mu_bytes_str("off")), 0);
    said = from_root(0, MU_TREE_MESSAGE, b);
    assert_int_equal(mu_tree_node_packet(&w.node, 0, said),
                     MU_ERR_UNKNOWN_KEY);
    assert_int_equal(mu_tree_root_packet(
                         &w.root, 0, from_node(MU_MS(20), MU_TREE_JOIN, a)), 0);
    assert_int_equal(mu_tree_node_packet(&w.node, 0,
                                         from_root(0, MU_TREE_WELCOME, a)), 0);
    b[said.len - 1] ^= 1;
    assert_int_equal(mu_tree_node_packet(&w.node, 0, said), MU_ERR_AUTH);
    b[said.len - 1] ^= 1;
    assert_int_equal(mu_tree_node_packet(&w.node, 0, said), 0);
    assert_true(mu_tree_node_take(&w.node, &place, &message));
    assert_true(mu_bytes_eq(message, mu_bytes_str("off")));
    assert_false(mu_tree_node_take(&w.node, &place, &message));
    assert_int_equal(mu_tree_root_packet(
                         &w.root, 0, from_node(MU_MS(30), MU_TREE_ACK, a)), 0);
    assert_true(mu_tree_root_over(&w.root));
    assert_int_equal(mu_tree_root_missing(&w.root), 0);
    /* What was said before is not taken again. */
    assert_int_equal(mu_tree_root_say(&w.root, 0, mu_bytes_str("on")), 0);
    assert_int_equal(mu_tree_root_say(&w.root, 0, mu_bytes_str("on")),
                     MU_ERR_BUSY);
    assert_int_equal(mu_tree_node_packet(&w.node, MU_MS(40),
                                         from_root(0, MU_TREE_MESSAGE, a)), 0);
    assert_true(mu_tree_node_take(&w.node, &place, &message));
    assert_int_not_equal(mu_tree_node_packet(&w.node, MU_MS(50), said), 0);
    assert_false(mu_tree_node_take(&w.node, &place, &message));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_there),
        cmocka_unit_test(test_two_passes),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_thousand),
        cmocka_unit_test(test_polluted),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_modified),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_welcome_once),
        cmocka_unit_test(test_restart_within),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
