/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree of nodes that acknowledge a campaign, some of them hostile, with the
 * root above it: what each sends goes through the real code, and is counted.
 */
#ifndef TESTS_ACK_TREE_H
#define TESTS_ACK_TREE_H

#include "muster/ack_tree.h"

#define TREE_MAX 1000

enum tree_way {
    TREE_HONEST,
    TREE_SILENT,     /* has nothing to acknowledge; no attack */
    TREE_FALSE_ACK,  /* a random one of its own */
    TREE_REPLAY,     /* its own of another campaign */
    TREE_POLLUTE,    /* random bytes over the sum it hands on; opens truly */
    TREE_LIE,        /* the same, and puts it down to a branch when opened */
    TREE_FORGE,      /* speaks for its whole subtree, which it does not hear */
    TREE_DROP,       /* does not hand on what its branches say */
    TREE_MUTE,       /* pollutes, and does not answer when asked to open */
    TREE_INTRUDE,    /* speaks for nodes outside its subtree */
    TREE_WAYS
};

struct tree {
    uint16_t nodes;
    uint8_t shift;
    uint32_t random;
    uint16_t above[TREE_MAX]; /* == itself: neighbour of the root */
    uint16_t end[TREE_MAX];
    uint16_t depth[TREE_MAX]; /* 1 for a neighbour of the root */
    uint8_t way[TREE_MAX];
    uint8_t acks[TREE_MAX][MU_ACK_LEN], old[TREE_MAX][MU_ACK_LEN];
    struct mu_ack_node node[TREE_MAX];
    struct mu_ack_branch *branches;
    struct mu_ack_root root;
    uint8_t proved[TREE_MAX / 8 + 1], left[TREE_MAX / 8 + 1];
    uint8_t rest[TREE_MAX * MU_ACK_LEN];
    struct mu_ack_link suspects[TREE_MAX], found[TREE_MAX];
    struct mu_ack_expect expect;
    /* counted */
    uint32_t up_messages, up_bytes, up_bytes_max;
    uint32_t refused;       /* by the node above: outside its range */
    uint32_t proved_at_once;
    uint32_t openings;      /* each is a question and an answer */
    uint32_t opening_hops, opening_bytes, opening_hop_bytes;
};

/* Neighbours each node has below it: 1 is a line; 0: at random, as in a field. */
struct tree *tree_new(uint16_t nodes, uint16_t fanout, uint8_t shift,
                      uint32_t seed);
void tree_del(struct tree *t);
uint32_t tree_random(struct tree *t, uint32_t below);
/* A hostile node: one with nodes below it, or a leaf; never one that is
 * hostile already. */
uint16_t tree_pick(struct tree *t, bool inner);
/* From the leaves up, then the hunt until it ends. */
void tree_run(struct tree *t);
uint32_t tree_proved(const struct tree *t);
/* Whether a link that was found has this node at one end. */
bool tree_found(const struct tree *t, uint16_t index);

#endif
