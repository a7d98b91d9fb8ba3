/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parity symbols of a page: systematic Reed-Solomon over GF(2^8) with a Cauchy
 * matrix as far as that goes, random coefficients beyond; docs/wire-format.md
 * s.6.2. k symbols give the page, or now and then one more is needed.
 */
#ifndef CAST_PARITY_H
#define CAST_PARITY_H

#include "muster/crypto.h"

/* Parity symbol j of the k data symbols in block, len bytes each. */
void mu_parity_encode(const struct mu_crypto *c, uint8_t *to, unsigned j,
                      const uint8_t *block, unsigned k, size_t len);

/* Memory that decoding wants for k data symbols when at most `parity` symbols
 * are parity. */
size_t mu_parity_scratch(unsigned k, unsigned parity);

/* A page in decoding: slot s of the block holds data symbol s where the set
 * `data` has s (bit s % 8 of byte s / 8), else parity symbol number s of slots,
 * two bytes each. */
struct mu_parity_page {
    uint8_t *block;
    const uint8_t *slots;
    const uint8_t *data;
    unsigned k;
    size_t len;
};

/*
 * Turns the block into the k data symbols, in place. Returns -1, or a slot
 * whose symbol says nothing that the others do not say: nothing is changed
 * then, and another symbol is wanted in its place.
 */
int mu_parity_decode(const struct mu_crypto *c,
                     const struct mu_parity_page *p, uint8_t *scratch);

#endif
