/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key fetch: a node asks for the group keys it lacks, inside OSCORE.
 * docs/wire-format.md s.4. Asking again is harmless.
 */
#ifndef MUSTER_KEYFETCH_H
#define MUSTER_KEYFETCH_H

#include "muster/groups.h"
#include "muster/keys.h"

/* Bytes of a request and of a response with MU_DEVICE_GROUPS_MAX groups. */
#define MU_KEYFETCH_REQUEST_MAX 128
#define MU_KEYFETCH_RESPONSE_MAX 544

struct mu_keyfetch_request {
    struct mu_kid held[MU_DEVICE_GROUPS_MAX]; /* newest Kb, per group */
    uint8_t held_len;
};

struct mu_keyfetch_key {
    struct mu_kid kid;
    struct mu_secret key; /* Kb: 32 bytes */
    uint32_t valid_s;     /* seconds from now; 0: no end */
};

/* Holds keys: mu_keyfetch_response_clear at every exit. */
struct mu_keyfetch_response {
    struct mu_keyfetch_key keys[MU_DEVICE_GROUPS_MAX];
    uint8_t keys_len;
    struct mu_groups groups; /* of the node */
    uint32_t epoch; /* of the server */
};

/*
 * Create appends to w; MU_ERR_USAGE for what consume would refuse. Consume
 * refuses with MU_ERR_MALFORMED or MU_ERR_TRUNCATED: a kid that is no Kb's, a
 * group twice or in a mode that is none, a key of another length than 32 or of
 * a group that is not listed, more than MU_DEVICE_GROUPS_MAX of anything.
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
