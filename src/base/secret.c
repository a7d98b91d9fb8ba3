/* SPDX-License-Identifier: Apache-2.0 */
/* Secret: a short key that is copied in, compared in constant time, wiped. */
#include "muster/secret.h"

int mu_secret_set(struct mu_secret *s, struct mu_bytes from)
{
    if (from.len == 0 || from.len > MU_SECRET_MAX)
        return MU_ERR_USAGE;
    struct mu_secret fresh = {{0}, (uint8_t)from.len};
    mu_copy(fresh.bytes, from.data, from.len);
    *s = fresh; /* by way of a copy: from may lie inside *s */
    mu_wipe(&fresh, sizeof fresh);
    return 0;
}

void mu_secret_clear(struct mu_secret *s)
{
    mu_wipe(s, sizeof *s);
}

bool mu_secret_eq(const struct mu_secret *a, const struct mu_secret *b)
{
    /* Bytes behind len are zero, so whole buffers compare; lengths are public. */
    return a->len == b->len && mu_ct_eq(a->bytes, b->bytes, MU_SECRET_MAX);
}

bool mu_secret_is_set(const struct mu_secret *s)
{
    return s->len != 0;
}

struct mu_bytes mu_secret_view(const struct mu_secret *s)
{
    return (struct mu_bytes){s->bytes, s->len};
}
