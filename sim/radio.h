/* SPDX-License-Identifier: Apache-2.0 */
/* Radios that are on by turns: by a device's windows, or by the scenario. */
#ifndef MUSTER_SIM_RADIO_H
#define MUSTER_SIM_RADIO_H

#include "world.h"

/* Draws which devices sleep by windows, and how fast each clock runs. */
void sim_radio_choose(struct sim_world *w);
/* A push does not come when a window opens: how long after all are settled. */
mu_time sim_radio_wait(const struct sim_world *w);
/* The device's own wish; naps of the scenario go before. */
void sim_radio_switch(struct sim_world *w, struct sim_node *n, bool on);
void sim_radio_nap(struct sim_world *w, struct sim_node *n, bool nap);
/* From the push on times count. */
void sim_radio_count(struct sim_world *w);
/* Of the time since then, how much the radios of those that sleep were on. */
double sim_radio_share(const struct sim_world *w, mu_time until);

/* What the clock of a node shows, and when it will show that. */
mu_time sim_radio_clock(const struct sim_node *n, mu_time at);
mu_time sim_radio_when(const struct sim_node *n, mu_time clock);

#endif
