/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgements up a tree: every node adds its own to what its branches
 * said, and keeps what they said for as long as it may be asked. Nodes are
 * numbered so that each subtree is one range of indexes (a node first, then its
 * branches one after the other). docs/wire-format.md s.7.2.
 *
 * What a branch says is confined to its range; a sum that the root cannot
 * verify is split by opening the node that sent it, branch by branch, until
 * the lie is pinned to a link: one of its two ends tells it. Who is not named,
 * or named and not proved, is missing: the root always knows who that is.
 */
#ifndef MUSTER_ACK_TREE_H
#define MUSTER_ACK_TREE_H

#include "muster/ack.h"

/* ---- a node -------------------------------------------------------------- */

/* One neighbour below; the owner sets index, end and the memory. */
struct mu_ack_branch {
    uint16_t index, end; /* its subtree: [index, end) */
    uint8_t *data;       /* its message as it came */
    size_t cap;
    size_t len;          /* 0: nothing heard */
};

struct mu_ack_node {
    uint16_t index, end;
    uint8_t shift;
    bool acked;
    uint8_t ack[MU_ACK_LEN];
    struct mu_ack_branch *branches; /* ascending; a leaf has none */
    size_t branches_len;
};

void mu_ack_node_init(struct mu_ack_node *n, uint16_t index, uint16_t end,
                      uint8_t shift, struct mu_ack_branch *branches,
                      size_t branches_len);
void mu_ack_node_own(struct mu_ack_node *n, const uint8_t ack[MU_ACK_LEN]);
/* What a branch says. MU_ERR_FORBIDDEN when it speaks of others than its own,
 * MU_ERR_UNKNOWN_PEER when it is no branch; a later word replaces the one
 * before. */
MU_MUST int mu_ack_node_hear(struct mu_ack_node *n, uint16_t index,
                             struct mu_bytes message);
/* The sum of it all, for the node above. `memory` is for the sum while it is
 * made: a bitmap of the range, then the string. */
MU_MUST int mu_ack_node_write(const struct mu_ack_node *n, uint8_t *memory,
                              size_t memory_len, struct mu_writer *w);
/* The answer to one that asks it to open: its own, and each branch's. */
MU_MUST int mu_ack_node_open(const struct mu_ack_node *n, struct mu_writer *w);

/* ---- the root ------------------------------------------------------------ */

/* A link, told by the index below it; above == below: that node alone. */
struct mu_ack_link {
    uint16_t above, below, end; /* the subtree below: [below, end) */
};

struct mu_ack_root {
    const struct mu_ack_expect *expect;
    /* Caller's memory, for `nodes` indexes: two bitmaps and what is open. */
    uint16_t nodes;
    uint8_t *proved, *left;
    uint8_t *rest; /* as long as the longest string */
    size_t rest_len;
    struct mu_ack_link *suspects, *found;
    size_t suspects_cap, found_cap;
    size_t suspects_len, found_len;
    uint32_t checked; /* acknowledgements made, to compare with */
};

void mu_ack_root_init(struct mu_ack_root *r);
/* The word of the branch [index, end) as it came through `above`; for a
 * neighbour of the root above == index. Whatever it says is dealt with; an
 * error is one of our own side. */
MU_MUST int mu_ack_root_take(struct mu_ack_root *r, uint16_t above,
                             uint16_t index, uint16_t end,
                             struct mu_bytes message);
/* Which node to open next; false: the hunt is over. */
bool mu_ack_root_next(struct mu_ack_root *r, struct mu_ack_link *suspect);
/* Its answer, authenticated end to end as its own; empty: it gave none. The
 * ends of its branches come from `end`, which knows the tree. */
MU_MUST int mu_ack_root_opened(struct mu_ack_root *r,
                               const struct mu_ack_link *suspect,
                               struct mu_bytes answer,
                               uint16_t (*end)(void *tree, uint16_t index),
                               void *tree);
bool mu_ack_root_proved(const struct mu_ack_root *r, uint16_t index);

#endif
