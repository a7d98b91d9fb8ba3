/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks on a fleet, by name: what strangers, members and a gateway gone bad
 * do with all the keys they hold. Each strikes when a genuine packet is on the
 * air, that is when it hurts, and who asks for more goes on when nothing is;
 * docs/simulator.md says what each does.
 */
#ifndef MUSTER_SIM_ATTACK_H
#define MUSTER_SIM_ATTACK_H

#include "world.h"

const char *sim_attack_name(enum sim_attack attack);
/* By its name; false when there is none. */
bool sim_attack_find(const char *name, enum sim_attack *attack);
/* Fills in what an attack needs of the conf: liars, a deadline. */
void sim_attack_settle(struct sim_conf *conf);

/* A packet that its gateway put on the air of its area. */
void sim_attack_heard(struct sim_world *w, uint32_t gateway_node,
                      const struct sim_buffer *b);
/* Now and then, when nothing is on the air. */
void sim_attack_idle(struct sim_world *w);
/* What a gateway gone bad sends in place of it: the same buffer, a new one (the
 * old one is dropped), or NULL. */
struct sim_buffer *sim_attack_sends(struct sim_world *w, struct sim_node *n,
                                    struct sim_buffer *b);
/* What a bad gateway puts into a message in place of its payload; room has
 * MU_MESSAGE_MAX bytes. */
struct mu_bytes sim_attack_report(struct sim_world *w,
                                  const struct sim_node *n,
                                  const struct mu_effect *e, uint8_t *room);
/* Nothing gets through in the areas now. */
bool sim_attack_jams(const struct sim_world *w);
/* The replayer's campaign is over: from now on it repeats what it recorded. */
void sim_attack_recorded(struct sim_world *w);
void sim_attack_clear(struct sim_world *w);

#endif
