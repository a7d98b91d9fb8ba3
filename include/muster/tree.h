/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Broadcast over a known tree of hops, acknowledged (EXALTED D5.2 s.4.2.2.1):
 * a message goes down, proved hop by hop with the chains of groups by distance
 * (source_chain.h), and the acknowledgements come up added together
 * (ack_tree.h): two passes. Each node repeats what its own branches did not
 * get; who is missing, and which link lies, is known at the root.
 *
 * Linear, tree, and fully connected areas. In the last all hear the root, so
 * there is one group and nobody passes the message on; the tree is only that
 * of the acknowledgements, so that the root is not answered by all at once.
 *
 * Index 0 is the root; a subtree is one range of indexes. No clock, no socket:
 * the owner says what was heard, and asks what is to be sent, up or down. Keys
 * of the tree come to each node under its own root key, asked for with JOIN, so
 * a node that restarts is in again after two messages. docs/wire-format.md 6.7.
 */
#ifndef MUSTER_TREE_H
#define MUSTER_TREE_H

#include "muster/ack_tree.h"
#include "muster/crypto.h"
#include "muster/source_chain.h"
#include "muster/time.h"

enum mu_tree_kind {
    MU_TREE_MESSAGE = 0x58,
    MU_TREE_ACK = 0x59,
    MU_TREE_OPEN = 0x5a,
    MU_TREE_OPENED = 0x5b,
    MU_TREE_JOIN = 0x5c,
    MU_TREE_WELCOME = 0x5d,
};

enum mu_tree_way { MU_TREE_UP, MU_TREE_DOWN };

#define MU_TREE_NONCE 16     /* bytes of JOIN, and of the salt of WELCOME */
#define MU_TREE_SLOTS 4      /* packets that one node passes on at a time */
#define MU_TREE_PASS_MAX 512 /* bytes of such a packet */
#define MU_TREE_HEAD 11      /* bytes of MESSAGE before the segments */

struct mu_tree_place { /* of one index, in the plan */
    uint16_t parent, end; /* the subtree: [index, end) */
    uint8_t depth;        /* hops from the root */
    uint8_t height;       /* hops to the farthest node below */
};

/* Fills in end, depth, height of `len` places whose parents are set; place 0
 * is the root. MU_ERR_MALFORMED: no tree, or not numbered by subtrees. */
MU_MUST int mu_tree_plan(struct mu_tree_place *plan, uint16_t len);

/* What the tree keeps of a message for its acknowledgement. */
MU_MUST int mu_tree_ack(const struct mu_crypto *c, const struct mu_secret *kmr,
                        uint8_t stream, uint16_t index, uint32_t place,
                        struct mu_bytes message, uint8_t ack[MU_ACK_LEN]);

/* ---- a node -------------------------------------------------------------- */

struct mu_tree_node_conf {
    const struct mu_crypto *crypto;
    const struct mu_secret *kmr; /* copied */
    uint8_t stream;
    bool full;                   /* the root is heard directly */
    uint16_t index;
    struct mu_tree_place place;
    uint8_t shift;               /* of acknowledgements; 0: plain sum */
    struct mu_ack_branch *branches; /* index, end and memory set; lives on */
    size_t branches_len;
    uint8_t *memory;             /* for a sum: bitmap and string */
    size_t memory_len;
    uint32_t wait_ms;            /* a message down one hop and its answer */
    uint32_t seed;               /* for spread */
};

struct mu_tree_pass { /* a packet on its way through this node */
    enum mu_tree_way way;
    uint8_t left; /* times it is still to be sent */
    mu_time at;   /* when; once it is through: known as the same until then */
    uint16_t len; /* 0: free */
    uint8_t data[MU_TREE_PASS_MAX];
};

struct mu_tree_counts {
    uint64_t messages, sent_down, sent_up, passed, bytes;
    uint64_t forged, refused, joins;
};

struct mu_tree_node {
    struct mu_tree_node_conf conf;
    struct mu_secret kmr, kctl;
    uint32_t random;
    bool joined;
    uint8_t nonce[MU_TREE_NONCE];
    mu_time join_at, rejoin_at; /* asks for keys; not again before */
    uint8_t join_tries;
    struct mu_hop_receiver hop;
    struct mu_ack_node acks;

    uint32_t at; /* place of the message in `packet`, 0: none */
    uint16_t packet_len;
    uint8_t packet[MU_PACKET_MAX];
    bool ready; /* not taken yet */
    bool down_due;
    mu_time up_at, check_at, again_at;
    uint8_t tries;
    struct mu_tree_pass pass[MU_TREE_SLOTS];
    mu_time pass_at; /* the next stranger's packet is passed on after this */
    struct mu_tree_counts counts;
};

MU_MUST int mu_tree_node_init(struct mu_tree_node *n,
                              const struct mu_tree_node_conf *conf,
                              mu_time now);
void mu_tree_node_clear(struct mu_tree_node *n);
MU_MUST int mu_tree_node_packet(struct mu_tree_node *n, mu_time now,
                                struct mu_bytes packet);
/* What is to be sent now, and which way; 0: nothing. MU_PACKET_MAX bytes. */
size_t mu_tree_node_next(struct mu_tree_node *n, mu_time now, uint8_t *to,
                         enum mu_tree_way *way);
mu_time mu_tree_node_deadline(const struct mu_tree_node *n);
/* A message that was proved, once; a view until the next packet. */
bool mu_tree_node_take(struct mu_tree_node *n, uint32_t *place,
                       struct mu_bytes *message);

/* ---- the root ------------------------------------------------------------ */

struct mu_tree_root_conf {
    const struct mu_crypto *crypto;
    uint8_t stream;
    bool full;
    const struct mu_tree_place *plan; /* lives on */
    uint16_t nodes;                   /* of the plan, with the root */
    uint8_t shift;
    uint32_t messages_max;            /* that the chains are made for */
    uint32_t wait_ms;
    void *ctx;
    int (*kmr)(void *ctx, uint16_t index, struct mu_secret *kmr);
    struct mu_ack_root acks;          /* its memory; the rest is ours */
};

struct mu_tree_guest { /* asks to be let in */
    bool used;
    uint16_t index;
    uint8_t nonce[MU_TREE_NONCE];
};

struct mu_tree_root {
    struct mu_tree_root_conf conf;
    struct mu_secret kctl;
    struct mu_hop_sender hop;
    struct mu_ack_root acks;
    struct mu_ack_expect expect;

    uint32_t at;
    uint16_t packet_len;
    uint8_t packet[MU_PACKET_MAX];
    bool running, down_due;
    mu_time check_at;
    uint8_t tries;
    bool opening, open_due;
    struct mu_ack_link open;
    uint8_t open_tries;
    mu_time open_at;
    struct mu_tree_guest guests[MU_TREE_SLOTS];
    struct mu_tree_counts counts;
};

MU_MUST int mu_tree_root_init(struct mu_tree_root *r,
                              const struct mu_tree_root_conf *conf);
void mu_tree_root_clear(struct mu_tree_root *r);
/* Chains and keys, with `ahead` places put aside: to be kept with one before a
 * message is said, so that no place is used twice. Load: after init, with the
 * same plan; MU_ERR_CORRUPT, MU_ERR_UNSUPPORTED for another plan. */
#define MU_TREE_ROOT_SAVED (32 + MU_HOP_GROUPS_MAX * MU_HOP_KEY)
MU_MUST int mu_tree_root_save(const struct mu_tree_root *r, uint32_t ahead,
                              struct mu_writer *w);
MU_MUST int mu_tree_root_load(struct mu_tree_root *r, struct mu_bytes saved);
/* MU_ERR_BUSY while a message is under way, MU_ERR_TOO_LARGE,
 * MU_ERR_EXHAUSTED: a new root has to be made. */
MU_MUST int mu_tree_root_say(struct mu_tree_root *r, mu_time now,
                             struct mu_bytes message);
MU_MUST int mu_tree_root_packet(struct mu_tree_root *r, mu_time now,
                                struct mu_bytes packet);
size_t mu_tree_root_next(struct mu_tree_root *r, mu_time now, uint8_t *to);
mu_time mu_tree_root_deadline(const struct mu_tree_root *r);
/* The message is over: acknowledged by all, or not to be had from the rest. */
bool mu_tree_root_over(const struct mu_tree_root *r);
uint16_t mu_tree_root_missing(const struct mu_tree_root *r);

#endif
