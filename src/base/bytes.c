/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: views, copies, wiping, comparison. With reader.c and writer.c this is
 * the only place of the core that calls the C library's memory functions.
 */
#include "muster/bytes.h"

#include <string.h>

struct mu_bytes mu_bytes(const void *data, size_t len)
{
    return (struct mu_bytes){data, len};
}

struct mu_bytes mu_bytes_str(const char *text)
{
    return (struct mu_bytes){(const uint8_t *)text, strlen(text)};
}

bool mu_bytes_eq(struct mu_bytes a, struct mu_bytes b)
{
    return mu_bytes_order(a, b) == 0;
}

int mu_bytes_order(struct mu_bytes a, struct mu_bytes b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    /* memcmp must not be handed NULL, even for no bytes (C11 7.24.1). */
    if (a.len == 0)
        return 0;
    int order = memcmp(a.data, b.data, a.len);
    return (order > 0) - (order < 0);
}

void mu_copy(void *to, const void *from, size_t len)
{
    if (len != 0)
        memcpy(to, from, len);
}

void mu_zero(void *to, size_t len)
{
    if (len != 0)
        memset(to, 0, len);
}

void mu_wipe(void *secret, size_t len)
{
    mu_zero(secret, len);
    /* Says that the bytes are looked at, so the stores above must stay. */
    __asm__ volatile("" : : "r"(secret) : "memory");
}

bool mu_ct_eq(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    unsigned differ = 0;

    for (size_t i = 0; i < len; i++)
        differ |= (unsigned)(x[i] ^ y[i]);
    return differ == 0;
}
