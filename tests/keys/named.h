/* SPDX-License-Identifier: Apache-2.0 */
/* Values by name from tests/vectors/keys.txt: "name = hex". */
#ifndef TESTS_KEYS_NAMED_H
#define TESTS_KEYS_NAMED_H

#include "muster/secret.h"

#define NAMED_MAX 256 /* bytes of a value */

/* A name that is not there fails the test. */
struct mu_bytes named(const char *name, uint8_t value[NAMED_MAX]);
struct mu_secret named_secret(const char *name);
/* The bytes are those of the name, or the test fails. */
void named_same(const char *name, struct mu_bytes got);

#endif
