/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keep-alives: each device pings its gateway after so much silence of its link
 * (a CoAP ping and its answer over DTLS), or sends what its engine would rather
 * say then. Beside the fleet at work the same fleet at rest is reckoned: the
 * same devices, the same phases, the same losses, nothing but pings.
 */
#ifndef MUSTER_SIM_ALIVE_H
#define MUSTER_SIM_ALIVE_H

#include "world.h"

/* From now on; each device has its phase by chance. */
void sim_alive_begin(struct sim_world *w);
/* A keep-alive is due, of the fleet at work or of the one at rest. */
void sim_alive_due(struct sim_world *w, const struct sim_item *item);
/* Something came over the link of a device: it is silent from now on. */
void sim_alive_heard(struct sim_world *w, struct sim_node *n);
/* A message of a device. true: it goes in the place of the ping that is due. */
bool sim_alive_takes(struct sim_world *w, struct sim_node *n,
                     const struct mu_effect *e);
#endif
