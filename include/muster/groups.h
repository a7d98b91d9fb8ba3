/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a node as the server states them, end to end, in connect
 * message 2 and in the key fetch answer: docs/wire-format.md s.3 and s.4.
 */
#ifndef MUSTER_GROUPS_H
#define MUSTER_GROUPS_H

#include "muster/cbor.h"
#include "muster/limits.h"

/* What the gateways of a group's members are trusted with: decided when the
 * group is made, for ever. */
enum mu_group_mode {
    MU_MODE_END_TO_END = 0,
    MU_MODE_REPROTECT = 1, /* CAST-8 option 1: the gateway decrypts */
    MU_MODE_HAND_KEY = 2,  /* option 2: the gateway hands Kb to devices */
};

struct mu_groups {
    uint32_t number[MU_DEVICE_GROUPS_MAX]; /* each once */
    uint8_t mode[MU_DEVICE_GROUPS_MAX];    /* enum mu_group_mode */
    uint8_t len;
};

/* Its place in the list; -1: it is not there. */
int mu_groups_find(const struct mu_groups *g, uint32_t number);
/* Not too many, each once, in a mode that there is. */
bool mu_groups_valid(const struct mu_groups *g);
void mu_groups_write(struct mu_writer *w, const struct mu_groups *g);
/* Fails the reader for what is not valid. */
void mu_groups_read(struct mu_reader *r, struct mu_groups *g);

#endif
