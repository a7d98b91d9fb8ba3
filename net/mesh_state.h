/* SPDX-License-Identifier: Apache-2.0 */
/* What a mesh node has to know again after a restart, in one file. */
#ifndef NET_MESH_STATE_H
#define NET_MESH_STATE_H

#include "muster/crypto.h"
#include "muster/limits.h"

struct mu_mesh_state {
    struct mu_secret kg; /* of the area; unset: not known yet */
    uint64_t generation; /* of it */
    uint16_t index;      /* own number in the area */
    uint32_t pages;      /* complete, durable */
    uint16_t round;      /* above all that its ADVs have used */
    uint16_t manifest_len;
    uint8_t manifest[MU_ANNOUNCE_MAX];
};

/* Replaces the file (mode 0600), durably, or leaves it. MU_ERR_IO. */
MU_MUST int mu_mesh_state_save(const struct mu_crypto *c, const char *path,
                               const struct mu_mesh_state *s);
/* MU_ERR_NOT_FOUND; MU_ERR_CORRUPT for a file that is torn or damaged. */
MU_MUST int mu_mesh_state_load(const struct mu_crypto *c, const char *path,
                               struct mu_mesh_state *s);

#endif
