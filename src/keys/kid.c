/* SPDX-License-Identifier: Apache-2.0 */
/* Key ids: kind, scope, generation. 13 bytes, unique for ever. */
#include "muster/keys.h"

bool mu_key_kind_known(unsigned kind)
{
    return kind > MU_KEY_NONE && kind < MU_KEY_KIND_COUNT;
}

void mu_kid_write(struct mu_writer *w, const struct mu_kid *kid)
{
    mu_write_u8(w, kid->kind);
    mu_write_u32(w, kid->scope);
    mu_write_u64(w, kid->generation);
}

struct mu_kid mu_kid_read(struct mu_reader *r)
{
    struct mu_kid kid = {0};

    kid.kind = mu_read_u8(r);
    kid.scope = mu_read_u32(r);
    kid.generation = mu_read_u64(r);
    if (!mu_key_kind_known(kid.kind))
        mu_reader_fail(r);
    if (r->failed)
        kid = (struct mu_kid){0};
    return kid;
}

bool mu_kid_eq(const struct mu_kid *a, const struct mu_kid *b)
{
    return a->kind == b->kind && a->scope == b->scope &&
           a->generation == b->generation;
}
