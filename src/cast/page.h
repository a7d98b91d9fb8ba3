/* SPDX-License-Identifier: Apache-2.0 */
/* Inside cast: pages of a shape and size that are known to be good. */
#ifndef CAST_PAGE_H
#define CAST_PAGE_H

#include "muster/cast.h"

/* mu_cast_page_first without its checks. */
void mu_page_begin(const struct mu_cast_shape *s, uint64_t size,
                   struct mu_cast_page *page);

/* The packets of a page, and the bytes of their hashes. */
static inline unsigned mu_page_packets(const struct mu_cast_page *page)
{
    return (unsigned)page->data + page->parity;
}

static inline uint32_t mu_page_hashes(const struct mu_cast_shape *s,
                                      const struct mu_cast_page *page)
{
    return mu_page_packets(page) * s->hash_len;
}

/* Numbers of two bytes, side by side. */

static inline unsigned mu_slot_get(const uint8_t *slots, unsigned n)
{
    return (unsigned)slots[2 * n] << 8 | slots[2 * n + 1];
}

static inline void mu_slot_put(uint8_t *slots, unsigned n, unsigned value)
{
    slots[2 * n] = (uint8_t)(value >> 8);
    slots[2 * n + 1] = (uint8_t)value;
}

/* Sets of symbol indexes, bit n % 8 of byte n / 8. */

static inline bool mu_set_has(const uint8_t *set, unsigned n)
{
    return (set[n / 8] >> (n % 8) & 1) != 0;
}

static inline void mu_set_add(uint8_t *set, unsigned n)
{
    set[n / 8] = (uint8_t)(set[n / 8] | 1u << (n % 8));
}

static inline void mu_set_drop(uint8_t *set, unsigned n)
{
    set[n / 8] = (uint8_t)(set[n / 8] & ~(1u << (n % 8)));
}

#endif
