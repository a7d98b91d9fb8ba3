/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parity symbols of a page: systematic Reed-Solomon over GF(2^8) with a Cauchy
 * matrix; docs/wire-format.md s.6.2. Any k of the k + m symbols give the page.
 */
#ifndef CAST_PARITY_H
#define CAST_PARITY_H

#include "muster/bytes.h"

/* Parity symbol j of the k data symbols in block, len bytes each. k + j < 255
 * and more: k + m <= 255. */
void mu_parity_encode(uint8_t *to, unsigned j, const uint8_t *block,
                      unsigned k, size_t len);

/* Memory that decoding wants when at most `parity` symbols are parity. */
size_t mu_parity_scratch(unsigned parity);

/*
 * Turns the block into the k data symbols, in place. slots[s] says which
 * symbol slot s of the block holds: s itself, or a parity symbol k + j, each
 * of those once. On return slots[s] == s throughout.
 */
void mu_parity_decode(uint8_t *block, uint8_t *slots, unsigned k, size_t len,
                      uint8_t *scratch);

#endif
