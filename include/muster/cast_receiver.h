/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a cast receiver, laid open so that its owner can embed it. Only
 * the functions of cast.h look inside.
 */
#ifndef MUSTER_CAST_RECEIVER_H
#define MUSTER_CAST_RECEIVER_H

#include "muster/cast.h"

struct mu_cast_receiver {
    struct mu_cast_receiver_conf conf;
    struct mu_secret kctl[2]; /* the newest control key and the one before */
    uint8_t kg[2];

    uint32_t pages;
    struct mu_cast_page page; /* being received; index == pages: all done */
    uint16_t have;            /* symbols of it that are stored */
    uint8_t got[MU_SYMBOL_SET]; /* set of their indexes: data, then parity */

    uint8_t *block;   /* data symbols at their place, parity in the gaps */
    uint8_t *slots;   /* parity symbol in each slot without its own, two bytes */
    uint8_t *hashes;  /* of every packet of the page */
    uint8_t *scratch; /* for decoding */

    uint32_t random;     /* state of the back-off's generator */
    uint32_t window_ms;  /* of the last poll */
    uint16_t all_ms;     /* of the last that everybody answers; 0: none was */
    uint32_t backoff_ms; /* before the next NEED of our own accord */
    uint8_t round;       /* of the last poll */
    bool answer;         /* the poll waits for our answer */
    bool bitmap;         /* which has to name the missing symbols */
    uint8_t repeats;     /* times the answer may still be sent again */
    uint8_t hurries;     /* NEEDs because the page after ours was heard */
    uint16_t asked_page; /* last one that more was asked of, plus one; 0: none */
    uint16_t answer_page; /* of the last poll: the sender is near */
    mu_time answer_at;
    mu_time hurry_at;    /* the next of those, at the earliest */
    mu_time polled_at;   /* the last poll that was taken */
    mu_time ask_at;      /* NEED of our own accord */
    mu_time offer_at;    /* the sink refused a page: offer it again */

    struct mu_cast_heard heard;
};

#endif
