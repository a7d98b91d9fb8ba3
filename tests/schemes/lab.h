/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group with all devices that ever were in it, and the slow, obvious twin:
 * a list of who is in. After each rekey exactly those must be able to open it.
 */
#ifndef TESTS_SCHEMES_LAB_H
#define TESTS_SCHEMES_LAB_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/scheme.h"

#define LAB_DEVICES 1024
#define LAB_STATE 8192
#define LAB_PARTS 64
#define LAB_MSG 4096
#define LAB_EPOCH ((uint64_t)7 << 32)

struct lab_device {
    uint32_t slot;
    bool in;      /* the twin: is a member now */
    bool told;    /* has been issued a state */
    bool current; /* opened the newest generation */
    struct mu_member m;
    uint8_t state[LAB_STATE];
};

struct lab_msg {
    uint8_t data[LAB_MSG];
    size_t len;
    uint32_t slot; /* personal */
};

struct lab {
    struct mu_scheme s;
    void *mem;
    uint64_t generation;
    uint32_t rng;
    struct lab_device *devices;
    size_t devices_len;
    struct lab_msg *parts; /* of the newest rekey */
    size_t parts_len;
    struct lab_msg *personal;
    size_t personal_len;
    uint32_t wraps;
    uint64_t bytes;
};

uint32_t lab_rng(struct lab *l, uint32_t below);
struct mu_scheme_conf lab_conf(enum mu_scheme_kind kind, uint32_t members,
                               uint32_t slots_max);
/* members are issued their states; nobody has a key yet. */
void lab_init(struct lab *l, const struct mu_scheme_conf *conf, uint32_t seed);
void lab_clear(struct lab *l);
/* A device joins; false when there is no room. */
bool lab_join(struct lab *l);
void lab_leave(struct lab *l, size_t device);
/* Begins a generation and collects all its messages; joiners are issued. */
void lab_rekey(struct lab *l, size_t part_max);
/* One device gets all parts: the first answer that is not NOT_FOUND. */
int lab_open_parts(struct lab *l, struct lab_device *d, struct mu_secret *key);
int lab_open_msg(const struct lab *l, struct lab_device *d,
                 const struct lab_msg *msg, struct mu_secret *key);
/* A fresh personal message by the server. */
int lab_catch_up(struct lab *l, struct lab_device *d, struct mu_secret *key);
/* The whole rule, for all devices. asleep_per_mille of the members miss it. */
void lab_check(struct lab *l, uint32_t asleep_per_mille);
void lab_compact(struct lab *l);

#endif
