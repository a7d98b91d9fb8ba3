/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who has recorded all that a gateway saw, and gets at keys later: what
 * does he read? He does by hand what a device does, with what has leaked.
 */
#ifndef TESTS_EXCHANGE_RECORDING_H
#define TESTS_EXCHANGE_RECORDING_H

#include "pair.h"

#define LEARNED_MAX 32

struct leak {
    const struct mu_secret *kmr;      /* of the device */
    const struct mu_mikey_pk *device; /* its private key; NULL: not leaked */
};

struct learned {
    struct {
        struct mu_kid kid;
        struct mu_secret key; /* Kb, or MSK */
    } keys[LEARNED_MAX];
    unsigned len;
    unsigned connections; /* that he could enter: of Kmr, of an exchange */
    unsigned exchanges;
    unsigned fetches;     /* answers that he could read */
    struct {              /* MIKEY messages of exchanges, in their order */
        uint8_t bytes[4096];
        size_t len;
    } mikey[8];
    unsigned mikey_len;
};

void recording_open(const struct pair *p, const struct leak *leak,
                    struct learned *out);
bool learned_has(const struct learned *l, const struct mu_kid *kid,
                 const struct mu_secret *key);

#endif
