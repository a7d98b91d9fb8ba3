/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR, deterministic both ways (RFC 8949 s.4.2.1).
 *
 * The writer only emits shortest heads and definite lengths; the caller keeps
 * map keys in order. The reader takes nothing else: longer heads, indefinite
 * lengths, floats, undefined and unassigned simple values, text that is not
 * UTF-8, map keys out of order or twice, all make the reader fail. So one
 * value has one encoding, and a digest or signature over it has one meaning.
 *
 * Both fail stickily, as bytes.h says: check mu_writer_end / mu_reader_end
 * once. A reader that failed returns zeros, empty views and empty containers.
 * The reader never recurses and never trusts a count: a container cannot
 * announce more items than there are bytes left, so every loop over one ends.
 */
#ifndef MUSTER_CBOR_H
#define MUSTER_CBOR_H

#include "muster/bytes.h"

/* Containers and tags inside one another that mu_cbor_skip follows. No message
 * of ours nests deeper than five; the bound keeps the stack small. */
#define MU_CBOR_DEPTH_MAX 8

enum mu_cbor_type {
    MU_CBOR_NONE, /* nothing left, reader failed, or a type we refuse */
    MU_CBOR_UINT,
    MU_CBOR_NINT,
    MU_CBOR_BSTR,
    MU_CBOR_TSTR,
    MU_CBOR_ARRAY,
    MU_CBOR_MAP,
    MU_CBOR_TAG,
    MU_CBOR_BOOL,
    MU_CBOR_NULL,
};

/* Writing. */

void mu_cbor_put_uint(struct mu_writer *w, uint64_t v);
void mu_cbor_put_int(struct mu_writer *w, int64_t v);
void mu_cbor_put_nint(struct mu_writer *w, uint64_t n); /* the value -1 - n */
void mu_cbor_put_bstr(struct mu_writer *w, struct mu_bytes v);
/* Only the head; the caller writes exactly len bytes after it. */
void mu_cbor_put_bstr_head(struct mu_writer *w, size_t len);
/* Fails the writer when text is not UTF-8. */
void mu_cbor_put_tstr(struct mu_writer *w, struct mu_bytes text);
void mu_cbor_put_str(struct mu_writer *w, const char *text);
void mu_cbor_put_array(struct mu_writer *w, size_t items);
/* The caller writes `pairs` keys, each with its value, keys in the order of
 * their encodings: 0, 1, 2, ..., then -1, -2, ..., then byte strings. */
void mu_cbor_put_map(struct mu_writer *w, size_t pairs);
void mu_cbor_put_tag(struct mu_writer *w, uint64_t tag);
void mu_cbor_put_bool(struct mu_writer *w, bool v);
void mu_cbor_put_null(struct mu_writer *w);

/* Bytes that the head of a value or length v takes: 1, 2, 3, 5 or 9. */
size_t mu_cbor_head_len(uint64_t v);

/* Reading. Views point into the reader's bytes. */

enum mu_cbor_type mu_cbor_peek(const struct mu_reader *r);
uint64_t mu_cbor_get_uint(struct mu_reader *r);
/* A uint not above max; fails above it. */
uint64_t mu_cbor_get_uint_max(struct mu_reader *r, uint64_t max);
int64_t mu_cbor_get_int(struct mu_reader *r); /* uint or nint that fits */
uint64_t mu_cbor_get_nint(struct mu_reader *r); /* n of the value -1 - n */
struct mu_bytes mu_cbor_get_bstr(struct mu_reader *r);
/* A byte string of exactly len bytes, copied; to is zeroed on failure. */
void mu_cbor_get_bstr_copy(struct mu_reader *r, void *to, size_t len);
struct mu_bytes mu_cbor_get_tstr(struct mu_reader *r);
size_t mu_cbor_get_array(struct mu_reader *r); /* items that follow */
uint64_t mu_cbor_get_tag(struct mu_reader *r);
bool mu_cbor_get_bool(struct mu_reader *r);
void mu_cbor_get_null(struct mu_reader *r);

/* Fails unless exactly this follows. */
void mu_cbor_expect_array(struct mu_reader *r, size_t items);
void mu_cbor_expect_tag(struct mu_reader *r, uint64_t tag);
void mu_cbor_expect_uint(struct mu_reader *r, uint64_t v);

/* Passes over one item of any type, checking everything in it; map keys in it
 * are integers or strings. The second form returns its encoding. */
void mu_cbor_skip(struct mu_reader *r);
struct mu_bytes mu_cbor_get_item(struct mu_reader *r);

/*
 * Walking a map:
 *
 *     struct mu_cbor_map m = mu_cbor_get_map(&r);
 *     int64_t key;
 *     while (mu_cbor_map_next(&r, &m, &key)) {
 *         switch (key) {
 *         case 1: x = mu_cbor_get_uint(&r); break;
 *         default: mu_cbor_skip(&r); break;      (or mu_reader_fail)
 *         }
 *     }
 *
 * The body consumes exactly one value. The walk fails the reader on keys that
 * are out of order, double, or not integers.
 */
struct mu_cbor_map {
    size_t left;          /* pairs not yet begun */
    struct mu_bytes last; /* encoding of the last key */
};

struct mu_cbor_map mu_cbor_get_map(struct mu_reader *r);
bool mu_cbor_map_next(struct mu_reader *r, struct mu_cbor_map *m,
                      int64_t *key);
/* The same for keys that are integers, byte or text strings: gives the key's
 * encoding, to be read with a reader of its own. */
bool mu_cbor_map_next_any(struct mu_reader *r, struct mu_cbor_map *m,
                          struct mu_bytes *key);

/* Whether text is UTF-8 without overlong forms or surrogates (RFC 3629). */
bool mu_utf8_valid(struct mu_bytes text);

#endif
