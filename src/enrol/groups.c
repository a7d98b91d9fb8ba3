/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and their modes: docs/wire-format.md s.3, [[number, mode], ...]. */
#include "muster/groups.h"

int mu_groups_find(const struct mu_groups *g, uint32_t number)
{
    for (uint8_t i = 0; i < g->len; i++) {
        if (g->number[i] == number)
            return i;
    }
    return -1;
}

bool mu_groups_valid(const struct mu_groups *g)
{
    if (g->len > MU_DEVICE_GROUPS_MAX)
        return false;
    for (uint8_t i = 0; i < g->len; i++) {
        if (g->mode[i] > MU_MODE_HAND_KEY ||
            mu_groups_find(g, g->number[i]) != i)
            return false;
    }
    return true;
}

void mu_groups_write(struct mu_writer *w, const struct mu_groups *g)
{
    mu_cbor_put_array(w, g->len);
    for (uint8_t i = 0; i < g->len; i++) {
        mu_cbor_put_array(w, 2);
        mu_cbor_put_uint(w, g->number[i]);
        mu_cbor_put_uint(w, g->mode[i]);
    }
}

void mu_groups_read(struct mu_reader *r, struct mu_groups *g)
{
    size_t count = mu_cbor_get_array(r);

    *g = (struct mu_groups){.len = 0};
    if (count > MU_DEVICE_GROUPS_MAX)
        mu_reader_fail(r);
    for (size_t i = 0; i < count && !r->failed; i++) {
        mu_cbor_expect_array(r, 2);
        g->number[i] = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        g->mode[i] = (uint8_t)mu_cbor_get_uint_max(r, MU_MODE_HAND_KEY);
        g->len++;
    }
    if (!mu_groups_valid(g))
        mu_reader_fail(r);
}
