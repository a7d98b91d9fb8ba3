/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: whether bytes are text (RFC 3629 s.4). */
#include "muster/cbor.h"

/* Bytes of the sequence that `first` begins, and the range that its second
 * byte has to be in: that range is what rules out overlong forms (E0, F0),
 * surrogates (ED) and what lies above U+10FFFF (F4). 0: begins nothing. */
static size_t utf8_sequence(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0)
            *low = 0xa0;
        if (first == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0)
            *low = 0x90;
        if (first == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

bool mu_utf8_valid(struct mu_bytes text)
{
    size_t at = 0;

    while (at < text.len) {
        uint8_t low;
        uint8_t high;
        size_t len = utf8_sequence(text.data[at], &low, &high);
        if (len == 0 || len > text.len - at)
            return false;
        for (size_t i = 1; i < len; i++) {
            uint8_t b = text.data[at + i];
            if (b < low || b > high)
                return false;
            low = 0x80;
            high = 0xbf;
        }
        at += len;
    }
    return true;
}
