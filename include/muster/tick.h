/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticks: every packet that a gateway (or the server) says to all its receivers
 * under a key which they share ends in the next value of a one-way chain, so
 * that none of them can speak in its name. The receivers learn where the chain
 * stands over the hop; docs/wire-format.md s.6.8.
 */
#ifndef MUSTER_TICK_H
#define MUSTER_TICK_H

#include "muster/cast.h"

#define MU_TICK_VALUE 8 /* bytes: as hard to find as a DATA packet's hash */
#define MU_TICK_LEN 10  /* bytes of a tick in a packet: place 2, value 8 */
#define MU_TICK_ROW 128
/* Ticks of one chain at most: a square, for it is kept in rows. */
#define MU_TICKS_MAX (MU_TICK_ROW * MU_TICK_ROW)

/* A place in the chain, and the value there. */
struct mu_tick {
    uint16_t at;
    uint8_t value[MU_TICK_VALUE];
};

void mu_tick_write(const struct mu_tick *t, uint8_t raw[MU_TICK_LEN]);
void mu_tick_read(const uint8_t raw[MU_TICK_LEN], struct mu_tick *t);

/* ---- who speaks --------------------------------------------------------- */

struct mu_ticker {
    const struct mu_crypto *crypto;
    struct mu_secret kctl; /* not set: no chain */
    struct mu_tick now;    /* the last one told */
    uint16_t len;          /* places of the chain: 0 to len - 1 */
    uint16_t until;        /* places below this may be told */
    uint16_t row_at;       /* first place in row */
    uint8_t row[MU_TICK_ROW][MU_TICK_VALUE];
    uint8_t ends[MU_TICK_ROW][MU_TICK_VALUE]; /* the value after each row */
};

/* The chain that follows from seed and key, standing at place `at`. len: a
 * multiple of MU_TICK_ROW up to MU_TICKS_MAX; costs so many hashes. */
MU_MUST int mu_ticker_init(struct mu_ticker *t, const struct mu_crypto *c,
                           const struct mu_secret *kctl,
                           const struct mu_secret *seed, uint16_t len,
                           uint16_t at);
/* Places below `until` may be told from now on. */
void mu_ticker_allow(struct mu_ticker *t, uint16_t until);
bool mu_ticker_ready(const struct mu_ticker *t);
/* Ticks that are left until the end of the chain, allowed or not. */
uint16_t mu_ticker_left(const struct mu_ticker *t);
/* Appends the next tick to a packet of *len bytes in room for MU_PACKET_MAX.
 * MU_ERR_BUSY when none is allowed. */
MU_MUST int mu_ticker_put(struct mu_ticker *t, uint8_t *packet, size_t *len);

/* ---- who hears ---------------------------------------------------------- */

struct mu_ticked {
    bool known;
    struct mu_tick last;
    uint16_t taken; /* bit n: the packet at place last.at - n was heard */
    mu_time far_at; /* a far one is looked at then, not before */
};

/* What the speaker says over the hop: where the chain stands. True when it is
 * news of some size: we were far behind. */
bool mu_ticked_told(struct mu_ticked *h, const struct mu_crypto *c,
                    const struct mu_secret *kctl, const struct mu_tick *t);
/*
 * Takes the tick off a packet. 0 when it is new: later than any before it, or
 * one of the last 16 that was not heard yet (a network may change their order).
 * MU_ERR_REPLAY: it is not. MU_ERR_AUTH: it is not of this chain, or (tagged:
 * POLL and CENSUS) the packet's own tag is wrong. MU_ERR_UNKNOWN_KEY: so far
 * ahead that the speaker has to be asked. MU_ERR_BUSY: far ahead, and either
 * not tagged or one such was looked at just now.
 */
MU_MUST int mu_ticked_take(struct mu_ticked *h, const struct mu_crypto *c,
                           const struct mu_secret *kctl, mu_time now,
                           bool tagged, struct mu_bytes *packet);

/* The parts of that: what any holder of the key can do. The value is masked by
 * a MAC of the packet, so that nobody else can put it on another one. */
MU_MUST int mu_tick_append(const struct mu_crypto *c,
                           const struct mu_secret *kctl,
                           const struct mu_tick *t, uint8_t *packet,
                           size_t *len);
MU_MUST int mu_tick_strip(const struct mu_crypto *c,
                          const struct mu_secret *kctl,
                          struct mu_bytes *packet, struct mu_tick *t);

#endif
