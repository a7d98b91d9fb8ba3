/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that lie when they acknowledge. They hold every key of their own, so
 * their gateway takes what they send for good; only the server can tell.
 */
#ifndef MUSTER_SIM_LIAR_H
#define MUSTER_SIM_LIAR_H

#include "world.h"

const char *sim_lie_name(enum sim_lie lie);
/* By its name; false when there is none. */
bool sim_lie_find(const char *name, enum sim_lie *lie);
/* Picks conf.liars devices. */
void sim_liars_choose(struct sim_world *w);
/* What goes on the air in place of an acknowledgement: the same buffer, a new
 * one (the old one is dropped), or NULL. */
struct sim_buffer *sim_liar_says(struct sim_world *w, struct sim_node *n,
                                 struct sim_buffer *b);
/* The same of one that is about to ride on a keep-alive: e->message.payload is
 * made another, in `room`. false: nothing rides. */
bool sim_liar_rides(struct sim_world *w, struct sim_node *n, uint8_t *room,
                    size_t len, struct mu_effect *e);
/* How many of them the server believes to run the object. */
uint32_t sim_liars_believed(struct sim_world *w, const uint8_t *campaign);

#endif
