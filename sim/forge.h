/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger without keys can make of a packet he heard. Shared by the
 * simulated forger and the one that shouts into real groups in the demo.
 */
#ifndef MUSTER_SIM_FORGE_H
#define MUSTER_SIM_FORGE_H

#include "muster/bytes.h"
#include "muster/limits.h"

#include "rng.h"

/* Never the packet itself. Returns the length, 1..MU_PACKET_MAX; out has room
 * for MU_PACKET_MAX bytes. heard is 1..MU_PACKET_MAX bytes long. */
size_t sim_forge(struct sim_rng *rng, struct mu_bytes heard, uint8_t *out);

#endif
