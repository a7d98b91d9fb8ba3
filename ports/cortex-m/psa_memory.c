/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Mbed TLS wants from a system without one: a block of memory for its
 * allocator, and randomness.
 */
#include "ports/cortex-m/psa_memory.h"

#include <mbedtls/memory_buffer_alloc.h>
#include <psa/crypto.h>

enum {
    HEAP_LEN = 12 * 1024,
    HEADER_MAX = 64, /* of the allocator, at the start of the block */
    PAINT = 0xa5,
};

static unsigned char psa_heap[HEAP_LEN];

void mu_psa_memory_init(void)
{
    mbedtls_memory_buffer_alloc_init(psa_heap, sizeof(psa_heap));
    for (size_t i = HEADER_MAX; i < sizeof(psa_heap); i++)
        psa_heap[i] = PAINT;
}

/* The allocator takes the first fit from below, so what it never used is one
 * run of paint at the end. */
size_t mu_psa_memory_used(void)
{
    size_t used = sizeof(psa_heap);

    while (used > 0 && psa_heap[used - 1] == PAINT)
        used--;
    return used;
}
