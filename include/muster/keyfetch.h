/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key fetch: a node asks for the group keys it lacks, inside OSCORE.
 * docs/wire-format.md s.4. Asking again is harmless.
 */
#ifndef MUSTER_KEYFETCH_H
#define MUSTER_KEYFETCH_H

#include "muster/groups.h"
#include "muster/keys.h"

/* Bytes of a request with MU_DEVICE_GROUPS_MAX groups, and of any response: it
 * fits MU_MESSAGE_MAX with what OSCORE adds. */
#define MU_KEYFETCH_REQUEST_MAX 464
#define MU_KEYFETCH_RESPONSE_MAX 1088
/* Bytes of a member state: one record of a device's store. Subset difference in
 * a tree of 2^26 places takes 5,675. */
#define MU_MEMBER_STATE_MAX 8192

/* A member state of a rekeying scheme (s.9.4), as far as it is told apart. */
struct mu_keyfetch_state {
    uint32_t group;
    uint64_t base;   /* generation of the group's trees */
    uint64_t newest; /* generation of the state */
};

struct mu_keyfetch_request {
    struct mu_kid held[MU_DEVICE_GROUPS_MAX]; /* newest Kb, per group */
    uint8_t held_len;
    struct mu_keyfetch_state states[MU_DEVICE_GROUPS_MAX]; /* held */
    uint8_t states_len;
    bool collecting;                /* a state comes in pieces: */
    struct mu_keyfetch_state which; /* this one, */
    uint16_t offset;                /* so much of it is here, > 0 */
    struct mu_bytes speaker; /* its key as a speaker; empty: it is none */
    uint8_t scheme;          /* enum mu_speech_scheme, > 0 with a key */
};

struct mu_keyfetch_key {
    struct mu_kid kid;
    struct mu_secret key; /* Kb: 32 bytes */
    uint32_t valid_s;     /* seconds from now; 0: no end */
};

/* An MSK of a group whose keys go the way of MBMS, in a MIKEY message under the
 * MUK of the connection; its Kb follows from it. */
struct mu_keyfetch_msk {
    struct mu_kid kid;
    struct mu_bytes message; /* view */
    uint32_t valid_s;
};

#define MU_KEYFETCH_MSKS_MAX 2 /* in one response; then it asks again */
#define MU_KEYFETCH_MSK_MAX 320 /* bytes of a message */

/* Holds keys: mu_keyfetch_response_clear at every exit. */
struct mu_keyfetch_response {
    struct mu_keyfetch_key keys[MU_DEVICE_GROUPS_MAX];
    uint8_t keys_len;
    struct mu_keyfetch_msk msks[MU_KEYFETCH_MSKS_MAX];
    uint8_t msks_len;
    struct mu_groups groups; /* of the node */
    uint32_t epoch; /* of the server */
    /* Groups of which nothing is given over this connection, since their keys
     * go by other key exchanges. */
    uint32_t withheld[MU_DEVICE_GROUPS_MAX];
    uint8_t withheld_len;
    /* A piece of a member state; piece.len 0: none is due. With offset 0 it is
     * the first of a state, which begins with the kid of its generation and
     * its base: whoever was collecting another one starts over. */
    uint32_t piece_group;
    uint16_t piece_total; /* bytes of the state */
    uint16_t piece_offset;
    struct mu_bytes piece; /* view */
};

/* Bytes of a piece that this response has room for, without the one in it. */
size_t mu_keyfetch_piece_room(const struct mu_keyfetch_response *m);

/*
 * Create appends to w; MU_ERR_USAGE for what consume would refuse. Consume
 * refuses with MU_ERR_MALFORMED or MU_ERR_TRUNCATED: a kid that is no Kb's, a
 * group twice or in a mode that is none, a key of another length than 32 or of
 * a group that is not listed, more than MU_DEVICE_GROUPS_MAX of anything, a
 * piece that is not of a group that is listed or not within its state.
 */
MU_MUST int mu_keyfetch_request_create(const struct mu_keyfetch_request *m,
                                       struct mu_writer *w);
MU_MUST int mu_keyfetch_request_consume(struct mu_bytes in,
                                        struct mu_keyfetch_request *m);
MU_MUST int mu_keyfetch_response_create(const struct mu_keyfetch_response *m,
                                        struct mu_writer *w);
/* On failure m is clear. */
MU_MUST int mu_keyfetch_response_consume(struct mu_bytes in,
                                         struct mu_keyfetch_response *m);
void mu_keyfetch_response_clear(struct mu_keyfetch_response *m);

#endif
