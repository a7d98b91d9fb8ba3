/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global truth, outside the engines: what must hold in every world, whatever
 * the engines believe. A violation is counted and traced; a run with one
 * fails.
 */
#ifndef MUSTER_SIM_CHECKER_H
#define MUSTER_SIM_CHECKER_H

#include "world.h"

/* Wraps the back end: randomness from the seed, and every (key, nonce) that
 * seals is remembered. */
void sim_checker_crypto(struct sim_world *w);
void sim_checker_clear(struct sim_world *w);

uint64_t sim_checker_nonces_reused(const struct sim_world *w);
/* Gateways in whose memory or store a key lies that is not theirs to hold. */
uint32_t sim_checker_gateway_leaks(struct sim_world *w);
/* Forged packets that a device took for genuine. */
uint64_t sim_checker_forged(const struct sim_world *w);
/* Devices that installed the same thing twice. */
uint32_t sim_checker_twice(const struct sim_world *w);

#endif
