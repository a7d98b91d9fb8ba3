/* SPDX-License-Identifier: Apache-2.0 */
/* SplitMix64: small, seedable, good enough for losses and delays. The keys of
 * a simulated fleet come from it too, so that a seed fixes every byte. */
#include "rng.h"

#include <string.h>

static uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void sim_rng_seed(struct sim_rng *r, uint64_t seed, uint64_t stream)
{
    r->state = rng_mix(seed) ^ rng_mix(stream * 0x9e3779b97f4a7c15u + 1);
}

uint64_t sim_rng_next(struct sim_rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return rng_mix(r->state);
}

uint64_t sim_rng_below(struct sim_rng *r, uint64_t bound)
{
    return sim_rng_next(r) % bound;
}

bool sim_rng_chance(struct sim_rng *r, double probability)
{
    double unit = (double)(sim_rng_next(r) >> 11) / 9007199254740992.0;
    return unit < probability;
}

void sim_rng_fill(struct sim_rng *r, void *to, size_t len)
{
    uint8_t *p = to;
    while (len > 0) {
        uint64_t v = sim_rng_next(r);
        size_t n = len < sizeof v ? len : sizeof v;
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}
