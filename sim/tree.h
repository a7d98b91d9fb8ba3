/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledged broadcast over a tree of hops in virtual time: linear, tree and
 * fully connected areas, links that lose, relays that cheat. Collisions are
 * left out: what is measured is passes, bytes, and what a liar comes to.
 */
#ifndef MUSTER_SIM_TREE_H
#define MUSTER_SIM_TREE_H

#include <stdio.h>

#include "muster/tree.h"
#include "sim/grid.h"

#define SIM_TREE_ATTACK_LIST(X)                                                \
    X(PEACE, "none")                                                           \
    X(DROP, "drop")             /* passes no message on */                     \
    X(MODIFY, "modify")         /* passes on another message */                \
    X(FORGED_ACKS, "forged-acks") /* drops, and acknowledges for all below */  \
    X(POLLUTED_ACKS, "polluted-acks") /* spoils each sum it passes on */       \
    X(RE_REQUEST, "re-request") /* strangers' requests to be let in, each hop */ \
    X(REPLAY, "replay")         /* what was heard, again */

enum sim_tree_attack {
#define X(name, text) SIM_TREE_##name,
    SIM_TREE_ATTACK_LIST(X)
#undef X
    SIM_TREE_ATTACKS
};

struct sim_tree_conf {
    enum sim_grid_shape shape; /* LINE, TREE or FULL */
    uint32_t nodes, fanout;
    uint32_t messages, message_len;
    uint8_t shift;
    double loss;
    uint32_t rate;    /* bits a second */
    uint16_t overhead;
    uint32_t wait_ms;
    enum sim_tree_attack attack;
    uint32_t attackers;
    double time_max;
    uint64_t seed;
};

struct sim_tree_result {
    uint32_t nodes, hops, groups;
    uint32_t messages;      /* that are over */
    uint64_t wanted, acked; /* nodes times messages */
    uint64_t delivered;     /* messages that nodes took */
    uint64_t wrong;         /* that were not said */
    uint64_t unproved;      /* taken, and yet not acknowledged at the root */
    uint64_t lied;          /* acknowledged, and not taken */
    uint64_t packets, bytes, lost;
    uint64_t down, up, passed, forged, refused;
    uint64_t attack_packets, attack_bytes;
    uint64_t found;         /* links that the root names, over all messages */
    uint64_t found_wrong;   /* of these, without an attacker at either end */
    uint64_t ack_bytes;     /* of bytes: acknowledgements */
    uint64_t single_bytes;  /* if each went its way alone, and none was lost */
    uint32_t node_ram;
    double join_seconds, virtual_seconds, message_seconds, wall_seconds;
};

void sim_tree_default(struct sim_tree_conf *conf);
const char *sim_tree_attack_name(enum sim_tree_attack attack);
bool sim_tree_attack_of(const char *name, enum sim_tree_attack *attack);
MU_MUST int sim_tree_run(const struct sim_tree_conf *conf,
                         struct sim_tree_result *out);
/* One JSON object, without a newline. */
void sim_tree_json(const struct sim_tree_conf *conf,
                   const struct sim_tree_result *r, FILE *out);

#endif
