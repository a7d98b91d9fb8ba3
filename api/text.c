/* SPDX-License-Identifier: Apache-2.0 */
/* Versions and hex, as operators write them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

int api_version_parse(const char *text, uint64_t *version)
{
    uint64_t v = 0;
    int parts = 0;
    const char *p = text;
    for (; parts < 4; parts++) {
        char *end;
        if (*p < '0' || *p > '9')
            return MU_ERR_USAGE;
        unsigned long part = strtoul(p, &end, 10);
        if (part > 65535)
            return MU_ERR_USAGE;
        v |= (uint64_t)part << (48 - 16 * parts);
        p = end;
        if (*p == 0)
            break;
        if (*p++ != '.')
            return MU_ERR_USAGE;
    }
    if (*p != 0 || v == 0)
        return MU_ERR_USAGE;
    *version = v;
    return 0;
}

void api_version_text(uint64_t version, char out[32])
{
    unsigned a = (unsigned)(version >> 48) & 0xffff;
    unsigned b = (unsigned)(version >> 32) & 0xffff;
    unsigned c = (unsigned)(version >> 16) & 0xffff;
    unsigned d = (unsigned)version & 0xffff;
    if (d != 0)
        snprintf(out, 32, "%u.%u.%u.%u", a, b, c, d);
    else if (c != 0)
        snprintf(out, 32, "%u.%u.%u", a, b, c);
    else
        snprintf(out, 32, "%u.%u", a, b);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

long api_hex(const char *text, size_t len, uint8_t *out, size_t cap)
{
    if (len % 2 != 0 || len / 2 > cap)
        return -1;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return (long)(len / 2);
}
