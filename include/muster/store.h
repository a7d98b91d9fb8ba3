/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store port: where a node keeps records. Reads are answered at once;
 * writes go through STORE effects of the engines (muster/node.h), which the
 * body applies with `put`, makes durable with `commit`, and reports back.
 *
 * Every key belongs to a table; keys of one table are ordered bytewise. A read
 * sees writes of the same handle that are not committed yet. No function
 * blocks on the network for long; all may fail with MU_ERR_IO (try again) or
 * MU_ERR_CORRUPT (a record whose checksum is wrong: the others still read).
 */
#ifndef MUSTER_STORE_H
#define MUSTER_STORE_H

#include "muster/bytes.h"

#define MU_STORE_KEY_MAX 96
#define MU_STORE_VALUE_MAX 8192

struct mu_store {
    void *ctx;
    /* Copies the value; *len is in: room, out: length. MU_ERR_NOT_FOUND. */
    int (*get)(void *ctx, uint8_t table, struct mu_bytes key, uint8_t *value,
               size_t *len);
    /* The first record of the table whose key is greater than `after` (empty:
     * the very first). key has room for MU_STORE_KEY_MAX. MU_ERR_NOT_FOUND at
     * the end. */
    int (*next)(void *ctx, uint8_t table, struct mu_bytes after, uint8_t *key,
                size_t *key_len, uint8_t *value, size_t *value_len);
    /* value.data == NULL deletes (deleting what is not there is fine). */
    int (*put)(void *ctx, uint8_t table, struct mu_bytes key,
               struct mu_bytes value);
    /* All puts since the last commit become durable together, or none. */
    int (*commit)(void *ctx);
    void (*rollback)(void *ctx);
};

#endif
