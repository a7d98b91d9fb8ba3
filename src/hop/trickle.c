/* SPDX-License-Identifier: Apache-2.0 */
/* The Trickle timer: the six rules of RFC 6206 s.4.2, one place each. */
#include "muster/trickle.h"

static uint32_t trickle_random(struct mu_trickle *t)
{
    /* xorshift32, Marsaglia 2003 */
    t->random ^= t->random << 13;
    t->random ^= t->random >> 17;
    t->random ^= t->random << 5;
    return t->random;
}

static uint64_t trickle_max(const struct mu_trickle *t)
{
    return MU_MS(t->conf.imin_ms) << t->conf.doublings;
}

/* Rule 2: c = 0, t in [I/2, I). */
static void trickle_begin(struct mu_trickle *t, mu_time start)
{
    uint64_t half = t->interval / 2, rest = t->interval - half;
    uint64_t r = trickle_random(t);

    t->heard = 0;
    /* rest * r / 2^32 without overflow: rest < 2^64, r < 2^32 */
    t->at = start + half + (rest >> 32) * r + ((rest & UINT32_MAX) * r >> 32);
    t->end = start + t->interval;
}

int mu_trickle_init(struct mu_trickle *t, const struct mu_trickle_conf *conf,
                    uint32_t seed, mu_time now)
{
    /* s.4.1: k is a natural number; the bound keeps Imax in 63 bits. */
    if (conf->imin_ms == 0 || conf->redundancy == 0 ||
        conf->doublings > MU_TRICKLE_DOUBLINGS_MAX ||
        MU_MS(conf->imin_ms) >> (62 - conf->doublings) != 0)
        return MU_ERR_USAGE;
    *t = (struct mu_trickle){.conf = *conf};
    t->random = seed == 0 ? 1 : seed;
    (void)trickle_random(t); /* small seeds: away from small numbers */
    t->interval = MU_MS(conf->imin_ms);
    trickle_begin(t, now);
    return 0;
}

void mu_trickle_consistent(struct mu_trickle *t)
{
    if (t->heard < UINT32_MAX)
        t->heard++; /* rule 3 */
}

void mu_trickle_reset(struct mu_trickle *t, mu_time now)
{
    uint64_t least = MU_MS(t->conf.imin_ms);

    if (t->interval == least) /* rule 6: nothing if I is Imin already */
        return;
    t->interval = least;
    trickle_begin(t, now);
}

bool mu_trickle_suppressed(const struct mu_trickle *t)
{
    return t->heard >= t->conf.redundancy;
}

bool mu_trickle_step(struct mu_trickle *t, mu_time now)
{
    bool speak = false;
    mu_time start;

    if (now >= t->at) {
        speak = !mu_trickle_suppressed(t); /* rule 4 */
        t->at = MU_TIME_NEVER;
    }
    while (now >= t->end) {
        start = t->end;
        t->interval *= 2; /* rule 5 */
        if (t->interval >= trickle_max(t)) {
            t->interval = trickle_max(t);
            /* Slept through: the intervals missed are all alike. */
            start += (now - start) / t->interval * t->interval;
        }
        trickle_begin(t, start);
    }
    return speak;
}

mu_time mu_trickle_deadline(const struct mu_trickle *t)
{
    return t->at < t->end ? t->at : t->end;
}
