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

enum sim_grid_attack {
    SIM_GRID_PEACE,
    SIM_GRID_FORGER,   /* no key: changed copies of all it hears, many each */
    SIM_GRID_REPLAYER, /* no key: all it hears, again and again */
    SIM_GRID_GREEDY,   /* has the area key: asks for page 0 without end */
    SIM_GRID_LIAR,     /* has it: newer manifests that nobody signed */
    SIM_GRID_HOLE,     /* has it: offers everything, answers nothing */
    SIM_GRID_ATTACKS
};

struct sim_grid_conf {
    uint32_t width, height; /* of a grid, at distance 1; or */
    uint32_t field;         /* so many nodes at random places */
    double range;           /* of a radio */
    double degree;          /* mean neighbours in a field */
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
/* "grid:20x20", "field:1000"; false for anything else. */
bool sim_grid_topology(struct sim_grid_conf *conf, const char *text);
const char *sim_grid_attack_name(enum sim_grid_attack attack);
/* 0, or MU_ERR_USAGE for a conf that makes no sense. */
MU_MUST int sim_grid_run(const struct sim_grid_conf *conf,
                         struct sim_grid_result *out);
/* One JSON object, without a newline. */
void sim_grid_json(const struct sim_grid_conf *conf,
                   const struct sim_grid_result *r, FILE *out);

#endif
