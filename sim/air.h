/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else is in the air: a forger who hears every packet of an area and
 * shouts changed ones, and a replayer who repeats old ones. They hold no key.
 */
#ifndef MUSTER_SIM_AIR_H
#define MUSTER_SIM_AIR_H

#include "world.h"

struct sim_air *sim_air_new(struct sim_world *w);
void sim_air_del(struct sim_air *a);
/* A genuine packet went out in an area, or came up to its gateway. */
void sim_air_heard(struct sim_air *a, uint32_t gateway_node,
                   struct sim_buffer *b);
void sim_air_heard_up(struct sim_air *a, uint32_t gateway_node,
                      struct sim_buffer *b);
uint64_t sim_air_forged(const struct sim_air *a);
uint64_t sim_air_replayed(const struct sim_air *a);

#endif
