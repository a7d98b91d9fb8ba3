/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Trickle timer (RFC 6206): when to say what one knows so that everybody
 * near by knows it soon, and hardly anybody speaks once they all do.
 *
 * It sends nothing and reads no clock: the owner calls mu_trickle_step at the
 * deadline, and transmits when that says so.
 */
#ifndef MUSTER_TRICKLE_H
#define MUSTER_TRICKLE_H

#include "muster/bytes.h"
#include "muster/time.h"

#define MU_TRICKLE_DOUBLINGS_MAX 32 /* an interval stays below 2^64 us */

struct mu_trickle_conf {
    uint32_t imin_ms;   /* Imin, at least 1 */
    uint8_t doublings;  /* Imax = Imin << doublings (RFC 6206 s.4.1) */
    uint8_t redundancy; /* k, at least 1 */
};

struct mu_trickle {
    struct mu_trickle_conf conf;
    uint64_t interval; /* I, us */
    mu_time at;        /* t; MU_TIME_NEVER once it has passed */
    mu_time end;       /* of the interval */
    uint32_t heard;    /* c */
    uint32_t random;
};

/* Begins the first interval, of Imin (rule 1 leaves the choice). MU_ERR_USAGE
 * for a conf outside the bounds above. seed need not be secret. */
MU_MUST int mu_trickle_init(struct mu_trickle *t,
                            const struct mu_trickle_conf *conf, uint32_t seed,
                            mu_time now);
/* A consistent transmission was heard (rule 3). */
void mu_trickle_consistent(struct mu_trickle *t);
/* An inconsistent one was heard, or an event of the owner's (rule 6). */
void mu_trickle_reset(struct mu_trickle *t, mu_time now);
/* Rules 2, 4 and 5. True: transmit now. A step that comes late, even by many
 * intervals, transmits once at most. */
bool mu_trickle_step(struct mu_trickle *t, mu_time now);
mu_time mu_trickle_deadline(const struct mu_trickle *t);
/* Enough was heard in this interval: what waits to be sent need not be. */
bool mu_trickle_suppressed(const struct mu_trickle *t);

#endif
