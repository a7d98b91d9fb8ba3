/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a simulated server or gateway, in memory; and a device's slot. */
#ifndef MUSTER_SIM_DEPOT_H
#define MUSTER_SIM_DEPOT_H

#include "muster/gateway.h"

#include "world.h"

struct sim_depot *sim_depot_new(struct mu_depot *port);
void sim_depot_del(struct sim_depot *d);
/* The port of a device's slot over the truth of the world. */
struct mu_object sim_slot_object(struct sim_slot *slot);

#endif
