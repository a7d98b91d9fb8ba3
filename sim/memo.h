/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was worked out before. All devices of an area hash the same packet, and all
 * of the world the same object, whose manifest has one signature; here that is done
 * once, and known again when every byte that goes into it is the same. For the
 * simulator alone: a device that could look it up would have it already.
 */
#ifndef MUSTER_SIM_MEMO_H
#define MUSTER_SIM_MEMO_H

#include "muster/crypto.h"

struct sim_memo {
    const struct mu_crypto *real;
    struct sim_memo_hash *hashes;
    struct sim_memo_verify *verifies;
    uint64_t found; /* results that were known */
};

void sim_memo_init(struct sim_memo *m, const struct mu_crypto *real);
void sim_memo_clear(struct sim_memo *m);

/* As in struct mu_crypto. */
void sim_memo_sha256_update(struct sim_memo *m, struct mu_sha256 *s,
                            struct mu_bytes in);
int sim_memo_verify(struct sim_memo *m, enum mu_alg alg, struct mu_bytes pub,
                    const struct mu_bytes *parts, size_t parts_len,
                    const uint8_t sig[MU_SIGNATURE_LEN]);

#endif
