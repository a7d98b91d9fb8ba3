/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a simulated server or gateway, in memory; and a device's slot. */
#ifndef MUSTER_SIM_DEPOT_H
#define MUSTER_SIM_DEPOT_H

#include "muster/gateway.h"

#include "world.h"

/* `like` is the server's, and there as long as this one is used; NULL for it. */
struct sim_depot *sim_depot_new(struct mu_depot *port, struct sim_depot *like);
void sim_depot_del(struct sim_depot *d);
/* The bytes of this part are those of the server. */
bool sim_depot_shares(struct sim_depot *d,
                      const uint8_t campaign[MU_CAMPAIGN_ID], uint8_t part);
/* The port of a device's slot over the truth of the world. */
struct mu_object sim_slot_object(struct sim_slot *slot);

#endif
