/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic in GF(2^8) with the polynomial 0x11d, for the parity symbols of
 * a page; docs/wire-format.md s.6.2.
 */
#ifndef CAST_GF256_H
#define CAST_GF256_H

#include "muster/bytes.h"

#define MU_GF_CHUNK 32 /* bytes that the inner loop takes at a time */

uint8_t mu_gf_mul(uint8_t a, uint8_t b);
uint8_t mu_gf_inv(uint8_t a); /* a is not 0 */

/*
 * to = sum over i < count of coef[i] * (from + i * stride), len bytes of each;
 * with `add`, the sum is added to what is in `to`. `to` may be one of the
 * sources if its coefficient is 0: that source is not looked at.
 */
void mu_gf_dot(uint8_t *to, bool add, const uint8_t *coef,
               const uint8_t *from, size_t stride, size_t count, size_t len);

#endif
