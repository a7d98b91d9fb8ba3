/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate of a sender that yields to other traffic: docs/architecture.md "The
 * rate". One mu_rate for a medium, shared by all senders on it; one
 * mu_rate_turn for each of them.
 *
 * Less than best effort, as LEDBAT (RFC 6817) is: what tells that others want
 * the medium is the time that answers to polls take, and losses only where they
 * go away when we slow down. So losses of a radio do not slow us down, and no
 * receiver alone does.
 */
#ifndef MUSTER_CAST_RATE_H
#define MUSTER_CAST_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/time.h"

#define MU_RATE_FLOOR 128 /* the least is the most by this */
#define MU_RATE_BASES 10  /* minutes that the shortest way is remembered */
#define MU_RATE_POLLS 8
#define MU_RATE_TIMES 15
#define MU_RATE_LOSSES 16

/* What one page told. */
struct mu_rate_seen {
    mu_time rtt;      /* of the poll after it, without waits; 0: not known */
    uint64_t bytes;   /* sent, with headers */
    mu_time took;     /* to send them */
    uint32_t packet;  /* bytes of one, with headers */
    uint32_t sent, lost; /* packets; lost by the receiver that counts */
    bool most;        /* lost no more than that; less, as far as we know */
    uint32_t crowd;   /* of so many it is the unluckiest */
    bool silent;      /* nobody answered of all, or many are behind */
};

struct mu_rate {
    uint32_t least, most; /* bytes a second; most 0: does not yield */
    uint32_t rate;        /* now */
    uint32_t known;       /* that got through when it was too much */
    uint32_t loss;        /* of the radio itself; 65536: all */
    mu_time bases[MU_RATE_BASES]; /* least rtt of a minute; 0: none */
    uint64_t minute;
    mu_time queue;        /* of the last page, beyond the least rtt */
    mu_time depth;        /* the longest queue of late */
    uint8_t strained;     /* pages in a row with too long a queue */
    uint8_t quiet;        /* pages in a row with room for more */
    bool started;         /* the medium's limit was seen once */
    uint8_t doubts;       /* times slowed down for losses that stayed */
    uint32_t doubt_lost;  /* permille, at first */
    uint32_t doubt_rate;  /* before */
};

/* What a sender gathers for it. */
struct mu_rate_turn {
    mu_time polled[MU_RATE_POLLS];
    uint8_t rounds[MU_RATE_POLLS];
    uint16_t windows[MU_RATE_POLLS]; /* ms that answers are spread over */
    bool valid[MU_RATE_POLLS];
    uint32_t times[MU_RATE_TIMES]; /* us */
    uint8_t times_len;
    uint16_t needs[MU_RATE_LOSSES]; /* the largest, in order */
    uint8_t needs_len;
    uint16_t answers;    /* to the last poll, first ones of each receiver */
    uint16_t behind;     /* those that tell of an earlier page */
    uint16_t window_ms;  /* the least one */
    uint32_t told;       /* 1 + the page whose losses were told last */
    uint64_t bytes;
    mu_time begun, took; /* begun 0: not yet */
    uint32_t packets;
};

void mu_rate_init(struct mu_rate *r, uint32_t most, uint16_t loss_permille);
static inline bool mu_rate_yields(const struct mu_rate *r)
{
    return r->most != 0;
}
/* A page is through; the rate is what follows from it. */
void mu_rate_learn(struct mu_rate *r, mu_time now,
                   const struct mu_rate_seen *seen);
/* So many bytes are in the socket and not on the medium yet: the time to wait
 * before the next packet; 0: none. */
mu_time mu_rate_backlog(const struct mu_rate *r, uint32_t bytes,
                        uint32_t packet);

#endif
