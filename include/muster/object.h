/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte object of known place: an image slot, a prepared file, a flash bank.
 * The core reads and writes through it and never sees a file. Calls answer at
 * once: 0, MU_ERR_IO (disk full, try again later), MU_ERR_TOO_LARGE (outside).
 */
#ifndef MUSTER_OBJECT_H
#define MUSTER_OBJECT_H

#include "muster/bytes.h"

struct mu_object {
    void *ctx;
    int (*read)(void *ctx, uint64_t at, uint8_t *to, size_t len);
    int (*write)(void *ctx, uint64_t at, const uint8_t *from, size_t len);
    /* Everything written so far survives a power cut when it returns 0. */
    int (*sync)(void *ctx);
};

#endif
