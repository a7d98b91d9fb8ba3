/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode: a message becomes a JSON tree, which is printed as it is or
 * as text. Bytes are hex digits in it; keys are left out.
 */
#ifndef CLI_DECODE_H
#define CLI_DECODE_H

#include <jansson.h>

#include "muster/bytes.h"

int verb_decode(int argc, char **argv);

/* ---- decode_cbor.c: CBOR, COSE, and what the fields are called ---- */

bool decode_is_cbor(struct mu_bytes in);
/* The payload of a request, or of the answer to it, by its path; a name that
 * is no path of ours, or NULL: fields keep their numbers. */
json_t *decode_cbor(struct mu_bytes in, const char *path, bool answer);
/* The same, with COSE objects taken apart. */
json_t *decode_object(struct mu_bytes in, const char *path, bool answer);
bool decode_path_known(struct mu_bytes path);

/* ---- decode_packets.c: what is not CBOR; NULL: it is not that ---- */

json_t *decode_cast(struct mu_bytes in);
json_t *decode_rekey(struct mu_bytes in);
json_t *decode_source(struct mu_bytes in);
json_t *decode_mikey(struct mu_bytes in);
json_t *decode_command(struct mu_bytes in); /* content of an inline object */
json_t *decode_tunnel(struct mu_bytes in);
json_t *decode_tree_message(struct mu_bytes in);

/* ---- decode_tree.c: helpers ---- */

json_t *decode_new(const char *message, size_t bytes);
json_t *decode_hex(struct mu_bytes b);
json_t *decode_text(struct mu_bytes b);
json_t *decode_number(uint64_t n);
/* "32 bytes, not shown" */
json_t *decode_secret(struct mu_bytes b);
/* A key id by its parts; hex when it is none. */
json_t *decode_kid(struct mu_bytes b);
void decode_put(json_t *to, const char *name, json_t *value);
void decode_put_number(json_t *to, const char *name, uint64_t n);
void decode_print(const json_t *v);

#endif
