/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads tests/vectors/ files: a case is "[op]" and "name = value" lines. A
 * value is hex, or "text", or "text" * count. "source" and "error" are words,
 * not bytes. Anything else in a file fails the test that reads it.
 */
#ifndef TESTS_CRYPTO_VEC_H
#define TESTS_CRYPTO_VEC_H

#include "muster/bytes.h"

#define VEC_FIELDS_MAX 8

struct vec_field {
    char name[16];
    uint8_t *data; /* a heap block of exactly len bytes, one when len is 0 */
    size_t len;
};

struct vec_case {
    char op[24];
    char source[128];
    char error[24]; /* name of the error expected, or empty */
    struct vec_field fields[VEC_FIELDS_MAX];
    size_t fields_len;
};

/* Calls fn for every case in the file; how many there were. */
size_t vec_each(const char *path,
                void (*fn)(const struct vec_case *c, void *user), void *user);

/* The value of a field; a missing one fails the test. */
struct mu_bytes vec_get(const struct vec_case *c, const char *name);

#endif
