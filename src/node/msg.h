/* SPDX-License-Identifier: Apache-2.0 */
/* What the message codecs of both hops share. */
#ifndef MUSTER_NODE_MSG_H
#define MUSTER_NODE_MSG_H

#include "muster/cbor.h"
#include "muster/keys.h"
#include "muster/tick.h"

void mu_msg_put_kid(struct mu_writer *w, const struct mu_kid *kid);
/* Fails the reader unless it is a kid of that kind. */
void mu_msg_get_kid(struct mu_reader *r, uint8_t kind, struct mu_kid *kid);
void mu_msg_put_key(struct mu_writer *w, const struct mu_secret *key);
/* A key of 32 bytes. */
void mu_msg_get_key(struct mu_reader *r, struct mu_secret *key);
void mu_msg_put_tick(struct mu_writer *w, const struct mu_tick *t);
void mu_msg_get_tick(struct mu_reader *r, struct mu_tick *t);
/* Text or bytes whose length is bounded both ways. */
struct mu_bytes mu_msg_get_text(struct mu_reader *r, size_t min, size_t max);
struct mu_bytes mu_msg_get_data(struct mu_reader *r, size_t min, size_t max);
/* {1: a bitmap of area indexes}, of at least `min` bytes. */
MU_MUST int mu_msg_bitmap_create(struct mu_bytes bitmap, struct mu_writer *w);
MU_MUST int mu_msg_bitmap_consume(struct mu_bytes in, size_t min,
                                  struct mu_bytes *bitmap);
/* A message is a map from small numbers. Unknown keys are passed over by who
 * reads, and end() wants certain ones: bit n of `wanted` is key n. */
struct mu_msg_map {
    struct mu_cbor_map map;
    uint32_t seen;
};
struct mu_msg_map mu_msg_map(struct mu_reader *r);
bool mu_msg_next(struct mu_reader *r, struct mu_msg_map *m, int64_t *key);
/* MU_ERR_MALFORMED when one of `wanted` is missing. */
int mu_msg_end(const struct mu_reader *r, const struct mu_msg_map *m,
               uint32_t wanted);
/* {1: number}, and what it holds when it is not above max. */
void mu_msg_put_one(struct mu_writer *w, uint64_t v);
int mu_msg_get_one(struct mu_bytes in, uint64_t max, uint64_t *v);

#endif
