/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of this folder: bits of a bitmap. */
#ifndef MUSTER_ACK_SET_H
#define MUSTER_ACK_SET_H

#include "muster/ack.h"

static inline bool ack_bit(const uint8_t *set, size_t n)
{
    return (set[n / 8] >> (n % 8) & 1u) != 0;
}

static inline void ack_bit_set(uint8_t *set, size_t n)
{
    set[n / 8] = (uint8_t)(set[n / 8] | 1u << (n % 8));
}

#endif
