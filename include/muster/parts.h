/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that engines are put together from: back-off, the request in flight,
 * the record in the journal, small rings of answers and traces, and the table
 * driven state machine. All plain; the engines own them.
 */
#ifndef MUSTER_PARTS_H
#define MUSTER_PARTS_H

#include "muster/node.h"

/* Pseudo random numbers for jitter, which nobody has to fail to guess. */
uint32_t mu_jitter_next(uint32_t *state);
/* A time in [0, span]. */
mu_time mu_jitter(uint32_t *state, mu_time span);

/* Waits of 1 s, doubled with every failure up to 64 s, less up to a quarter.
 * Never gives up. */
struct mu_backoff {
    mu_time at; /* not before */
    uint8_t tries;
};

void mu_backoff_reset(struct mu_backoff *b);
void mu_backoff_fail(struct mu_backoff *b, mu_time now, uint32_t *jitter);

/* Something to ask a peer for: due, then flying, then answered or not. */
struct mu_ask {
    bool due;
    bool flying;
    uint32_t exchange; /* while flying */
    struct mu_backoff wait;
};

/* Due now and not before its time. */
bool mu_ask_ready(const struct mu_ask *a, mu_time now);
void mu_ask_sent(struct mu_ask *a, uint32_t exchange);
void mu_ask_done(struct mu_ask *a);
/* Asked again after a while. */
void mu_ask_failed(struct mu_ask *a, mu_time now, uint32_t *jitter);
/* The link is gone: asked again as soon as there is one. */
void mu_ask_lost(struct mu_ask *a);
mu_time mu_ask_deadline(const struct mu_ask *a);

/* A record of the journal: dirty until a STORE effect takes it, flying until
 * the body says that it is durable. */
struct mu_record {
    bool dirty;
    bool flying;
    uint32_t ticket; /* while flying */
    struct mu_backoff wait;
};

bool mu_record_durable(const struct mu_record *r);
bool mu_record_ready(const struct mu_record *r, mu_time now);
void mu_record_taken(struct mu_record *r, uint32_t ticket);
/* True when the ticket was this record's. A failure makes it dirty again. */
bool mu_record_stored(struct mu_record *r, uint32_t ticket, int result,
                      mu_time now, uint32_t *jitter);
mu_time mu_record_deadline(const struct mu_record *r);

/* Answers without a payload to requests that came in. */
#define MU_REPLIES_MAX 8

struct mu_reply {
    uint32_t link;
    uint32_t exchange;
    uint8_t code;
};

struct mu_replies {
    struct mu_reply ring[MU_REPLIES_MAX];
    uint8_t first, len;
};

/* MU_ERR_BUSY when there is no room: that request stays unanswered. */
MU_MUST int mu_replies_put(struct mu_replies *r, uint32_t link,
                           uint32_t exchange, uint8_t code);
bool mu_replies_take(struct mu_replies *r, struct mu_reply *out);
/* Forgets what was meant for a link that is gone. */
void mu_replies_drop(struct mu_replies *r, uint32_t link);

/* Traces; the newest are dropped when nobody takes them. */
#define MU_TRACES_MAX 16

struct mu_trace {
    const char *name;
    uint64_t a, b;
};

struct mu_traces {
    struct mu_trace ring[MU_TRACES_MAX];
    uint8_t first, len;
};

void mu_traces_put(struct mu_traces *t, const char *name, uint64_t a,
                   uint64_t b);
bool mu_traces_take(struct mu_traces *t, struct mu_trace *out);

mu_time mu_time_min(mu_time a, mu_time b);

/* Sets of small numbers: bit n is bit n % 8, from the lowest, of byte n / 8.
 * Reading beyond the end of a view gives false. */
bool mu_bit_get(struct mu_bytes set, size_t n);
void mu_bit_put(uint8_t *set, size_t n, bool v);

#endif
