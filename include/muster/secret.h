/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret of at most 32 bytes: symmetric keys and private scalars. There is
 * no function that prints one. Wipe with mu_secret_clear at every exit.
 */
#ifndef MUSTER_SECRET_H
#define MUSTER_SECRET_H

#include "muster/bytes.h"

#define MU_SECRET_MAX 32 /* bytes: the longest key of any algorithm in use */

struct mu_secret {
    uint8_t bytes[MU_SECRET_MAX];
    uint8_t len; /* 0 means: no key here */
};

/* Takes a copy. MU_ERR_USAGE when len is 0 or above MU_SECRET_MAX. */
MU_MUST int mu_secret_set(struct mu_secret *s, struct mu_bytes from);
void mu_secret_clear(struct mu_secret *s);
bool mu_secret_eq(const struct mu_secret *a, const struct mu_secret *b);
bool mu_secret_is_set(const struct mu_secret *s);

/* For the crypto layer and for sealed storage only. */
struct mu_bytes mu_secret_view(const struct mu_secret *s);

#endif
