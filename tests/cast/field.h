/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field for the cast engines: one sender, many receivers, and between them a
 * medium that loses, delays, reorders and doubles packets, all from one seed.
 * For the tests of cast and for bench/cast_ratio; it knows nothing of nodes.
 */
#ifndef TESTS_CAST_FIELD_H
#define TESTS_CAST_FIELD_H

#include "muster/cast_receiver.h"
#include "muster/cast_sender.h"
#include "sim/link.h"

struct field;

struct field_conf {
    struct mu_cast_shape shape;
    uint64_t size;
    uint32_t receivers;
    uint32_t loss_permille;     /* each way, each receiver by itself */
    uint32_t delay_us;
    uint32_t jitter_us;         /* more delay, so packets change their order */
    uint32_t double_permille;
    uint32_t forged;            /* bogus packets for each real one */
    uint32_t rate;              /* bytes a second; 0: 1,000,000 */
    uint32_t guess_permille;
    uint16_t window_ms;         /* 0: 40 */
    uint16_t answer_all_max;
    bool roll_call;
    uint8_t rounds_max;         /* 0: 12 */
    uint32_t repair_max;        /* 0: 255 */
    bool fair;
    uint64_t seed;
    mu_time time_max;           /* 0: 1 hour */
    bool yields;                /* rate is the most */
    uint16_t cost;              /* of a packet to all */
    uint32_t not_alone;         /* 1 + who hears what goes to all only; 0: none */
    uint32_t link;              /* bytes a second that get through; 0: all */
    mu_time queue;              /* of the link */
    /* Called for each receiver's packet, after it was taken. */
    void (*taken)(struct field *f, uint32_t receiver, struct mu_bytes packet,
                  int rc);
    /* Called for each NEED that a receiver sends. */
    void (*said)(struct field *f, uint32_t receiver, struct mu_bytes packet);
    void *ctx;
};

struct field_receiver {
    struct mu_cast_receiver r;
    struct mu_secret kfb;
    uint8_t *work;
    mu_time timer;          /* earliest one that is queued */
    mu_time join_at;        /* hears nothing before */
    mu_time done_at;
    bool off;               /* hears and says nothing */
    bool gone;              /* no member any more */
    uint32_t loss_permille; /* its own, if not 0 */
    mu_time answers_late;   /* by so much */
    uint64_t alone;         /* packets sent to it alone */
    uint32_t sink_fails;    /* so many times to come */
    uint32_t sink_calls;
    uint64_t sunk;          /* bytes of content that were right */
    uint64_t wrong;         /* bytes that were not: must stay 0 */
    struct mu_cast_sink sink;
    struct field *field;
};

struct field_event;

struct field {
    struct field_conf conf;
    const struct mu_crypto *crypto;
    struct mu_cast_sender sender;
    struct mu_rate rate;
    struct sim_link link;
    void *sender_work;
    struct field_receiver *all;
    uint8_t *plain, *prepared;
    uint64_t prepared_len;
    uint8_t roots[8192];
    size_t roots_len;
    struct mu_object plain_object, prepared_object;
    struct mu_cast_peers peers;
    struct mu_secret cek, kctl;
    mu_time now;
    mu_time sender_timer;
    uint64_t random;
    struct field_event *heap;
    size_t heap_len, heap_cap;
    uint64_t order;
    uint64_t asked;       /* NEEDs on the medium */
    uint64_t asked_bytes;
    uint32_t read_fails;  /* of the prepared object, so many to come */
};

/* Prepares the object and sets up everybody. Frees with field_free. */
void field_init(struct field *f, const struct field_conf *conf);
void field_free(struct field *f);
/* One event; false when nothing is left or the time is over. */
bool field_step(struct field *f);
/* Until all who are not off are done and the sender is idle. True if so. */
bool field_run(struct field *f);
bool field_finished(const struct field *f);
uint32_t field_done(const struct field *f); /* receivers that have it all */
uint32_t field_random(struct field *f, uint32_t below);
/* Hands a packet to everybody, or to the sender, as the medium would. */
void field_broadcast(struct field *f, struct mu_bytes packet);
void field_unicast(struct field *f, struct mu_bytes packet);
/* Begins a receiver anew, from what it saved (or from nothing). */
void field_restart(struct field *f, uint32_t receiver, bool saved);
uint64_t field_packets(const struct field *f); /* data, parity and repair */

#endif
