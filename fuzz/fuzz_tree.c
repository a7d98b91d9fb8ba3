/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a tree and the node below it, which has two branches, among
 * others who all hold the keys of the tree, and whose every word is believed.
 * The input: events, each a choice (1: to the root, 2: the root says something,
 * else to the node), a time step (1 byte, ms), a length (2) and a packet. They
 * must stay within their memory, and always come to an end of what they have
 * to say.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/believe.h"
#include "muster/tree.h"

enum { NODES = 8, WAIT_MS = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct {
    struct mu_crypto crypto;
    struct mu_secret kmr;
    struct mu_tree_place plan[NODES];
    struct mu_tree_root root;
    struct mu_tree_node node;
    struct mu_ack_branch branches[2];
    uint8_t heard[2][256], memory[256], rest[256], bits[2];
    struct mu_ack_link suspects[4], found[4];
} w;

static int root_kmr(void *ctx, uint16_t index, struct mu_secret *kmr)
{
    (void)ctx;
    if (index == 0 || index >= NODES)
        abort();
    *kmr = w.kmr;
    return 0;
}

static void begin(uint8_t shift)
{
    static const uint16_t parents[NODES] = {0, 0, 1, 2, 1, 4, 0, 6};
    struct mu_tree_root_conf root = {
        .crypto = &w.crypto, .stream = 1, .plan = w.plan, .nodes = NODES,
        .shift = shift, .messages_max = 16, .wait_ms = WAIT_MS,
        .kmr = root_kmr,
    };
    struct mu_tree_node_conf node = {
        .crypto = &w.crypto, .kmr = &w.kmr, .stream = 1, .index = 1,
        .shift = shift, .branches = w.branches, .branches_len = 2,
        .memory = w.memory, .memory_len = sizeof(w.memory),
        .wait_ms = WAIT_MS,
    };

    memset(&w, 0, sizeof(w));
    w.crypto = believe_crypto();
    w.kmr.len = 32;
    for (size_t i = 0; i < NODES; i++)
        w.plan[i].parent = parents[i];
    if (mu_tree_plan(w.plan, NODES) != 0)
        abort();
    for (uint16_t i = 0; i < 2; i++)
        w.branches[i] = (struct mu_ack_branch){
            .index = (uint16_t)(2 + 2 * i), .end = (uint16_t)(4 + 2 * i),
            .data = w.heard[i], .cap = sizeof(w.heard[i]),
        };
    root.acks = (struct mu_ack_root){
        .proved = &w.bits[0], .left = &w.bits[1], .rest = w.rest,
        .rest_len = sizeof(w.rest), .suspects = w.suspects, .found = w.found,
        .suspects_cap = 4, .found_cap = 4,
    };
    node.place = w.plan[1];
    if (mu_tree_root_init(&w.root, &root) != 0 ||
        mu_tree_node_init(&w.node, &node, 0) != 0)
        abort();
}

static void speak(mu_time now)
{
    uint8_t out[MU_PACKET_MAX];
    enum mu_tree_way way;
    size_t n = 1;

    for (unsigned i = 0; n > 0; i++) {
        n = mu_tree_root_next(&w.root, now, out);
        if (n > 0 && mu_tree_node_packet(&w.node, now, mu_bytes(out, n)) > 0)
            abort();
        if (n > MU_PACKET_MAX || i > 100)
            abort();
    }
    n = 1;
    for (unsigned i = 0; n > 0; i++) {
        n = mu_tree_node_next(&w.node, now, out, &way);
        if (n > 0 && way == MU_TREE_UP &&
            mu_tree_root_packet(&w.root, now, mu_bytes(out, n)) > 0)
            abort();
        if (n > MU_PACKET_MAX || i > 100)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mu_reader in = mu_reader(mu_bytes(data, len));
    uint8_t shift = mu_read_u8(&in);
    struct mu_bytes packet, message;
    mu_time now = 0;
    uint32_t place;

    begin(mu_ack_shift_known(shift) ? shift : 0);
    while (mu_reader_left(&in) >= 4) {
        uint8_t choice = mu_read_u8(&in);
        int rc = 0;

        now += MU_MS(mu_read_u8(&in));
        packet = mu_read_bytes(&in, mu_read_u16(&in));
        if (choice == 1)
            rc = mu_tree_root_packet(&w.root, now, packet);
        else if (choice == 2)
            rc = mu_tree_root_say(&w.root, now, packet);
        else
            rc = mu_tree_node_packet(&w.node, now, packet);
        if (rc > 0)
            abort();
        speak(now);
        if (mu_tree_node_take(&w.node, &place, &message) &&
            message.len > MU_PACKET_MAX)
            abort();
        if (mu_tree_root_missing(&w.root) >= NODES ||
            w.root.acks.found_len > 4)
            abort();
    }
    return 0;
}
