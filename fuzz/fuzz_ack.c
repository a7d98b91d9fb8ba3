/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of acknowledgements, answers of nodes that were asked to open, reports
 * of gateways and the answers to them. The first byte says which. Nothing that
 * an attacker writes proves anybody: the acknowledgements expected here are
 * never given to it.
 */
#include <stdlib.h>
#include <string.h>

#include "muster/ack_tree.h"
#include "muster/wide_msg.h"

#define NODES 64

static int expected(void *context, uint16_t index, uint8_t ack[MU_ACK_LEN])
{
    uint32_t x = index * 2654435761u + 12345;

    (void)context;
    if (index % 13 == 12)
        return MU_ERR_NOT_FOUND;
    for (unsigned i = 0; i < MU_ACK_LEN; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        ack[i] = (uint8_t)(x >> 11);
    }
    return 0;
}

/* A line: every node's subtree is all that comes after it. */
static uint16_t end_of(void *tree, uint16_t index)
{
    (void)tree;
    return index < NODES ? NODES : 0;
}

static void must(int holds)
{
    if (!holds)
        abort();
}

static void fuzz_set(struct mu_bytes in)
{
    static uint8_t rest[5000 * MU_ACK_LEN], left[512], again[70000];
    static uint8_t memory[600 + MU_AREA_DEVICES_MAX * MU_ACK_LEN];
    const struct mu_ack_expect expect = {NULL, expected};
    struct mu_writer w = mu_writer(again, sizeof again);
    struct mu_ack_branch branch = {1, NODES, again, sizeof again, 0};
    struct mu_ack_node node;
    struct mu_ack_set s;

    if (mu_ack_set_consume(in, &s) != 0)
        return;
    must(mu_ack_check(&s, &expect, rest, left) >= 0);
    must(mu_ack_set_write(&s, &w) == 0);
    must(mu_bytes_eq(mu_written(&w), in));
    mu_ack_node_init(&node, 0, NODES, s.shift, &branch, 1);
    if (mu_ack_node_hear(&node, 1, in) == 0) {
        struct mu_writer out = mu_writer(rest, sizeof rest);

        must(mu_ack_node_write(&node, memory, sizeof memory, &out) == 0);
        must(mu_ack_set_consume(mu_written(&out), &s) == 0);
    }
}

static void fuzz_answer(struct mu_bytes in)
{
    static uint8_t rest[NODES * MU_ACK_LEN], proved[NODES / 8];
    static uint8_t left[NODES / 8];
    static struct mu_ack_link suspects[NODES * 2], found[NODES * 2];
    const struct mu_ack_expect expect = {NULL, expected};
    const struct mu_ack_link top = {0, 0, NODES};
    struct mu_ack_root root = {
        .expect = &expect,
        .nodes = NODES,
        .proved = proved,
        .left = left,
        .rest = rest,
        .rest_len = sizeof rest,
        .suspects = suspects,
        .found = found,
        .suspects_cap = NODES * 2,
        .found_cap = NODES * 2,
    };

    mu_ack_root_init(&root);
    must(mu_ack_root_opened(&root, &top, in, end_of, NULL) == 0);
    must(root.found_len + root.suspects_len > 0);
    must(mu_ack_root_take(&root, 0, 0, NODES, in) == 0);
    for (uint16_t i = 0; i < NODES; i++)
        must(!mu_ack_root_proved(&root, i) || i % 13 != 12);
}

/* What is taken means the same when it is written and read again. */
static void fuzz_report(struct mu_bytes in)
{
    static uint8_t room[4096], rest[MU_ACK_STRING_MAX];
    static uint8_t left[MU_AREA_DEVICES_MAX / 8];
    const struct mu_ack_expect expect = {NULL, expected};
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_report m, again;
    struct mu_ack_set set;

    if (mu_wide_report_consume(in, &m) != 0)
        return;
    set = mu_wide_report_set(&m);
    must(mu_ack_check(&set, &expect, rest, left) >= 0);
    must(mu_wide_report_create(&m, &w) == 0);
    must(mu_wide_report_consume(mu_written(&w), &again) == 0);
    must(again.first == m.first && again.shift == m.shift &&
         mu_bytes_eq(again.bitmap, m.bitmap) && mu_bytes_eq(again.acks, m.acks));
}

static void fuzz_left(struct mu_bytes in)
{
    struct mu_bytes left;

    if (mu_wide_left_consume(in, &left) == 0)
        must(left.len > 0 && left.len <= MU_AREA_DEVICES_MAX / 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1)
        return 0;
    switch (data[0] % 4) {
    case 0:
        fuzz_set(mu_bytes(data + 1, len - 1));
        break;
    case 1:
        fuzz_answer(mu_bytes(data + 1, len - 1));
        break;
    case 2:
        fuzz_report(mu_bytes(data + 1, len - 1));
        break;
    default:
        fuzz_left(mu_bytes(data + 1, len - 1));
    }
    return 0;
}
