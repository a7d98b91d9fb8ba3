/* SPDX-License-Identifier: Apache-2.0 */
/* R1 to R19: see requirements.h. */
#include "requirements.h"

#include <stdlib.h>
#include <string.h>

bool contains(struct mu_bytes in, const void *what, size_t len)
{
    for (size_t at = 0; at + len <= in.len; at++) {
        if (memcmp(in.data + at, what, len) == 0)
            return true;
    }
    return false;
}

void tape_add(struct tape *t, struct mu_bytes packet, bool up)
{
    t->bytes = realloc(t->bytes, t->len + 3 + packet.len);
    assert_non_null(t->bytes);
    t->bytes[t->len] = (uint8_t)(packet.len >> 8);
    t->bytes[t->len + 1] = (uint8_t)packet.len;
    t->bytes[t->len + 2] = up;
    memcpy(t->bytes + t->len + 3, packet.data, packet.len);
    t->len += 3 + packet.len;
}

bool tape_next(const struct tape *t, size_t *at, struct mu_bytes *packet,
               bool *up)
{
    if (*at >= t->len)
        return false;
    packet->len = (size_t)t->bytes[*at] << 8 | t->bytes[*at + 1];
    *up = t->bytes[*at + 2] != 0;
    packet->data = t->bytes + *at + 3;
    *at += 3 + packet->len;
    return true;
}

void tape_free(struct tape *t)
{
    free(t->bytes);
    *t = (struct tape){NULL, 0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(name),
        REQUIREMENTS(X)
#undef X
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
