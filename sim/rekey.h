/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekeys of the fleet's group before the push: devices leave, the others get the
 * next key, and what that took is counted apart.
 */
#ifndef MUSTER_SIM_REKEY_H
#define MUSTER_SIM_REKEY_H

#include "world.h"

/* What the rekeys of a run took and left behind. */
struct sim_rekeys {
    uint32_t done;
    uint32_t left;       /* devices that were made to leave */
    uint32_t holding;    /* members that hold the newest key at the end */
    uint32_t lacking;    /* members that do not */
    uint32_t late_keys;  /* leavers that hold a key made after they left */
    uint64_t area_bytes; /* on area networks, with headers */
    uint64_t message_bytes; /* of them, point to point */
    uint64_t kind_bytes[SIM_KINDS]; /* of them, by kind of cast packet */
    uint64_t wan_bytes;
    double seconds;      /* from leaving until every member held the key */
    double seconds_most; /* of one rekey */
};

struct sim_rekey_story {
    struct sim_rekeys result;
    uint64_t generation; /* of the key before the rekey in progress */
    mu_time began_at;
    mu_time held_at; /* all hold the new one; 0: not yet */
    bool going;
};

/* Makes the group with its scheme. */
void sim_rekey_group(struct sim_world *w, struct mu_bytes name,
                     uint32_t *number);
/* Every device has the state that its scheme wants. */
bool sim_rekey_settled(struct sim_world *w);
/* Goes on with the rekeys; false when they are over. */
bool sim_rekey_run(struct sim_world *w, struct sim_rekey_story *s);
/* At the end of the world: who holds what. */
void sim_rekey_result(struct sim_world *w, struct sim_rekey_story *s);

#endif
