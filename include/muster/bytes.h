/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: views, readers, writers, and the few ways the core touches memory.
 *
 * All input is read through struct mu_reader and all output is written through
 * struct mu_writer. Both fail stickily: after the first over-read or overflow
 * every further call does nothing (reads give zero), and the caller checks
 * once, at the end of a message. Byte order on the wire is big endian.
 */
#ifndef MUSTER_BYTES_H
#define MUSTER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/err.h"

/* A view of somebody else's bytes; the owner says how long it lives. */
struct mu_bytes {
    const uint8_t *data;
    size_t len;
};

/* A view of an array (not of a pointer). */
#define MU_BYTES(array) ((struct mu_bytes){(array), sizeof(array)})

struct mu_bytes mu_bytes(const void *data, size_t len);
struct mu_bytes mu_bytes_str(const char *text); /* without the final zero */
bool mu_bytes_eq(struct mu_bytes a, struct mu_bytes b); /* public data only */

/* Three-way order of public data: shorter first, then bytewise. */
int mu_bytes_order(struct mu_bytes a, struct mu_bytes b);

void mu_copy(void *to, const void *from, size_t len);
void mu_zero(void *to, size_t len);

/* Overwrites with zero in a way the compiler keeps. */
void mu_wipe(void *secret, size_t len);

/* Compares in time that depends on len alone. */
bool mu_ct_eq(const void *a, const void *b, size_t len);

struct mu_reader {
    const uint8_t *data;
    size_t len;
    size_t pos;
    bool failed;
};

struct mu_reader mu_reader(struct mu_bytes in);
uint8_t mu_read_u8(struct mu_reader *r);
uint16_t mu_read_u16(struct mu_reader *r);
uint32_t mu_read_u32(struct mu_reader *r);
uint64_t mu_read_u64(struct mu_reader *r);
struct mu_bytes mu_read_bytes(struct mu_reader *r, size_t len); /* a view */
void mu_read_copy(struct mu_reader *r, void *to, size_t len);
size_t mu_reader_left(const struct mu_reader *r);
struct mu_bytes mu_reader_rest(struct mu_reader *r); /* a view of all left */
void mu_reader_fail(struct mu_reader *r);

/* 0 when nothing failed and nothing is left; MU_ERR_TRUNCATED after an
 * over-read, MU_ERR_MALFORMED when bytes are left over. */
MU_MUST int mu_reader_end(const struct mu_reader *r);

struct mu_writer {
    uint8_t *data;
    size_t cap;
    size_t len;
    bool failed;
};

struct mu_writer mu_writer(void *to, size_t cap);
void mu_write_u8(struct mu_writer *w, uint8_t v);
void mu_write_u16(struct mu_writer *w, uint16_t v);
void mu_write_u32(struct mu_writer *w, uint32_t v);
void mu_write_u64(struct mu_writer *w, uint64_t v);
void mu_write_bytes(struct mu_writer *w, struct mu_bytes in);
/* Room for len bytes that the caller fills, or NULL (and failed). */
uint8_t *mu_write_room(struct mu_writer *w, size_t len);
void mu_writer_fail(struct mu_writer *w);
struct mu_bytes mu_written(const struct mu_writer *w); /* empty if failed */

/* 0, or MU_ERR_NO_SPACE after an overflow. */
MU_MUST int mu_writer_end(const struct mu_writer *w);

#endif
