/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded random numbers: the only source of chance in a simulated world. */
#ifndef MUSTER_SIM_RNG_H
#define MUSTER_SIM_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_rng {
    uint64_t state;
};

void sim_rng_seed(struct sim_rng *r, uint64_t seed, uint64_t stream);
uint64_t sim_rng_next(struct sim_rng *r);
uint64_t sim_rng_below(struct sim_rng *r, uint64_t bound); /* bound >= 1 */
bool sim_rng_chance(struct sim_rng *r, double probability);
void sim_rng_fill(struct sim_rng *r, void *to, size_t len);

#endif
