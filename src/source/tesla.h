/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside source: what TESLA's sender and receiver share. Packets:
 *
 *   51 (1) stream (1) interval (4) key of interval - d, tag, message
 *   52 (1) stream (1) interval (4) tag, message
 *   53 (1) stream (1) interval (4) its key
 *   54 (1) stream (1) long interval i (4) K_(i+1,0), H(K_(i+2,0))[:key], tag,
 *          high key i
 *
 * A tag is under F'(key of the interval), over the first six bytes (with 52 for
 * 51) and the message (CDM: and both key-long fields). Multilevel: the high key of long
 * interval i has index i + 1; the low chain c ends in F01(high key c + 2).
 */
#ifndef SOURCE_TESLA_H
#define SOURCE_TESLA_H

#include "muster/source_tesla.h"

enum { TESLA_HEAD = 6 };

static inline void tesla_head(uint8_t head[TESLA_HEAD], uint8_t kind,
                              uint8_t stream, uint32_t i)
{
    struct mu_writer w = mu_writer(head, TESLA_HEAD);

    mu_write_u8(&w, kind);
    mu_write_u8(&w, stream);
    mu_write_u32(&w, i);
}

/* F01: the last key of a low chain, from a high key. In place allowed. */
MU_MUST int mu_tesla_low_last(const struct mu_crypto *c,
                              const struct mu_tesla_params *p,
                              const uint8_t *high, uint8_t *to);
/* n times F. */
MU_MUST int mu_tesla_walk(const struct mu_crypto *c,
                          const struct mu_tesla_params *p, uint32_t n,
                          uint8_t *key);
void mu_tesla_foresee(const struct mu_crypto *c,
                      const struct mu_tesla_params *p, const uint8_t *key,
                      uint8_t hash[32]);

/* Sender: key j (0: the commitment) of low chain c. */
MU_MUST int mu_tesla_low_key(struct mu_tesla_sender *s, uint32_t chain,
                             uint32_t j, uint8_t *key);

/* Which key of low chain c is the newest that is out in interval x; 0: the
 * commitment. */
static inline uint32_t mu_tesla_low_out(const struct mu_tesla_params *p,
                                        uint64_t x, uint32_t chain)
{
    uint64_t first = (uint64_t)chain * p->low;

    if (x < first + p->delay)
        return 0;
    x -= p->delay;
    return x >= first + p->low ? p->low : (uint32_t)(x - first) + 1;
}

/* Receiver: tesla_receive.c, for the schemes' tables */
MU_MUST int mu_tesla_packet(void *receiver, mu_time now,
                            struct mu_bytes packet);
bool mu_tesla_take(void *receiver, struct mu_source_message *m);
const struct mu_source_counts *mu_tesla_counts(const void *receiver);

/* Receiver: tesla_multi.c */
MU_MUST int mu_tesla_cdm(struct mu_tesla_receiver *r, mu_time at,
                         struct mu_bytes packet);
MU_MUST int mu_tesla_low_disclosed(struct mu_tesla_receiver *r, uint64_t x,
                                   uint32_t interval, const uint8_t *key);
void mu_tesla_low_know(struct mu_tesla_receiver *r, uint32_t chain,
                       uint32_t at, const uint8_t *key);
/* tesla_receive.c: v, K_v of any chain moves up to key j. */
MU_MUST int mu_tesla_follow(struct mu_tesla_receiver *r, uint32_t *at,
                            uint8_t *held, uint32_t j, const uint8_t *key);
/* Looks at what waits for intervals first .. top, `key` being that of top. */
void mu_tesla_settle(struct mu_tesla_receiver *r, uint32_t first, uint32_t top,
                     const uint8_t *key);

#endif
