/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A multihop area network in virtual time: radios on a grid or a random field
 * that hear each other within a range, lose packets, and collide; on each the
 * Deluge engine, one of them with the object. The same engine with nothing
 * secured, for what security costs; and attackers.
 */
#ifndef MUSTER_SIM_GRID_H
#define MUSTER_SIM_GRID_H

#include <stdio.h>

#include "muster/deluge.h"

enum sim_grid_shape {
    SIM_GRID_SQUARE, /* width x height, each reaches the eight around it */
    SIM_GRID_RANDOM, /* nodes at random places */
    SIM_GRID_LINE,   /* each reaches the one before and the one after */
    SIM_GRID_TREE,   /* each reaches its parent and its children */
    SIM_GRID_FULL,   /* each reaches all */
    SIM_GRID_SHAPES
};

/* Who holds no key: */
#define SIM_GRID_ATTACK_LIST(X)                                                \
    X(PEACE, "none")                                                           \
    X(BOGUS_DATA, "bogus-data")     /* changed copies of all it hears */       \
    X(BOGUS_PARITY, "bogus-parity") /* packets that no page has */             \
    X(REPLAY, "replay")             /* what it heard, again and again */       \
    X(JAM, "jam")                   /* noise in bursts, a quarter of the time */ \
    /* who holds the keys of the area, and is no relay: */                     \
    X(RE_REQUEST, "re-request")     /* asks for page 0 without end */          \
    X(MANIFEST_FLOOD, "manifest-flood") /* newer manifests, nobody's */        \
    X(BLACK_HOLE, "black-hole")     /* offers everything, answers nothing */   \
    X(EVIL_GATEWAY, "evil-gateway") /* a newer object under its own signature */ \
    X(EVIL_DEVICE, "evil-device")   /* the last four in turns */               \
    /* who takes part as others do, and: */                                    \
    X(DROP, "drop")                 /* keeps back two packets of three */      \
    X(MODIFY, "modify")             /* changes every packet it passes on */

enum sim_grid_attack {
#define X(name, text) SIM_GRID_##name,
    SIM_GRID_ATTACK_LIST(X)
#undef X
    SIM_GRID_ATTACKS
};

struct sim_grid_conf {
    enum sim_grid_shape shape;
    uint32_t width, height; /* of a grid, at distance 1 */
    uint32_t nodes;         /* of anything else */
    uint32_t fanout;        /* of a tree */
    double range;           /* of a radio */
    double degree;          /* mean neighbours in a random field */
    double loss;            /* each link, each packet, beside collisions */
    bool collisions;
    uint32_t rate;          /* bits a second */
    uint16_t overhead;      /* bytes a packet below the payload */
    uint64_t size;
    uint16_t payload;
    uint8_t page_data;
    uint8_t hash_len;
    bool secured;
    struct mu_trickle_conf trickle;
    enum sim_grid_attack attack;
    uint32_t attackers;     /* spread over the field */
    uint32_t flood;         /* forged packets for a genuine one */
    double time_max;        /* seconds */
    double linger;          /* seconds after the last node is done */
    uint64_t seed;
};

struct sim_grid_result {
    uint32_t nodes, complete;
    uint32_t wrong;           /* nodes whose object is not the source's */
    uint64_t packets, bytes;  /* on the air; bytes with what is below */
    uint64_t payload_bytes;   /* without */
    uint64_t adv, req, data, fragment;
    uint64_t adv_bytes, req_bytes, data_bytes, fragment_bytes;
    uint64_t adv_suppressed, req_suppressed, data_deferred;
    uint64_t heard, collided, lost; /* packets times receivers */
    uint64_t accepted, duplicate, forged, refused, signatures;
    uint64_t attack_packets, attack_bytes;
    uint64_t forged_accepted; /* bytes in a store that the source never sent */
    uint32_t hops;            /* the farthest node */
    uint32_t node_ram;        /* bytes of engine state and its work memory */
    uint64_t node_bytes_max;  /* sent by the busiest node */
    double virtual_seconds;   /* until the last was complete */
    double median_seconds;
    double wall_seconds;
};

void sim_grid_default(struct sim_grid_conf *conf);
uint32_t sim_grid_nodes(const struct sim_grid_conf *conf);
/* "grid:20x20", or "grid", "random", "line", "tree", "full" with ":N" nodes or,
 * without, as many as before; false for anything else. */
bool sim_grid_topology(struct sim_grid_conf *conf, const char *text);
/* "random:1000" */
void sim_grid_topology_text(const struct sim_grid_conf *conf, char to[32]);
const char *sim_grid_attack_name(enum sim_grid_attack attack);
bool sim_grid_attack_of(const char *name, enum sim_grid_attack *attack);
/* 0, or MU_ERR_USAGE for a conf that makes no sense. */
MU_MUST int sim_grid_run(const struct sim_grid_conf *conf,
                         struct sim_grid_result *out);
/* One JSON object, without a newline. */
void sim_grid_json(const struct sim_grid_conf *conf,
                   const struct sim_grid_result *r, FILE *out);

#endif
