/* SPDX-License-Identifier: Apache-2.0 */
/* COSE: what the three messages share. Private to src/wire. */
#ifndef MUSTER_WIRE_COSE_H
#define MUSTER_WIRE_COSE_H

#include "muster/cbor.h"
#include "muster/cose.h"

/* Our protected header {1: alg}: map, label, head and four bytes of alg. */
#define COSE_PROTECTED_MAX 8
/* Array head, context text (at most "Signature1"), head of the header. */
#define COSE_PREFIX_MAX 21
/* Prefix, header, then head and bytes of external_aad and of the payload. */
#define COSE_PARTS 6

/* The encoded protected header {1: alg}, with nothing else in it. */
struct cose_header {
    uint8_t bytes[COSE_PROTECTED_MAX];
    size_t len;
};

void cose_header_make(struct cose_header *h, enum mu_alg alg);
struct mu_bytes cose_header_view(const struct cose_header *h);

/* Writes tag, array of `items`, protected and unprotected headers. */
void cose_head_put(struct mu_writer *w, enum mu_cose_kind kind, size_t items,
                   const struct cose_header *h, struct mu_bytes kid,
                   struct mu_bytes iv);

/* nil when detached, the payload else. */
void cose_payload_put(struct mu_writer *w, const struct mu_cose_args *a);

/*
 * Sig_structure (RFC 9052 s.4.4) or MAC_structure (s.6.3) as parts to sign or
 * MAC one after the other: the payload is not copied. The parts point into
 * the struct and into the arguments.
 */
struct cose_parts {
    uint8_t prefix[COSE_PREFIX_MAX];
    uint8_t aad_head[9];
    uint8_t payload_head[9];
    struct mu_bytes parts[COSE_PARTS];
};

void cose_parts_make(struct cose_parts *p, const char *context,
                     struct mu_bytes header, struct mu_bytes external_aad,
                     struct mu_bytes payload);

/* Decodes and checks kind, algorithm, kid and detachment against `a`. */
MU_MUST int cose_open(struct mu_bytes in, enum mu_cose_kind kind,
                      const struct mu_cose_args *a, struct mu_cose *m);

#endif
