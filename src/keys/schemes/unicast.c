/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unicast: MBMS as it stands (TS 33.246). Every member gets every new key in
 * a message of its own, sealed under a key of its own (MSK under MUK). What
 * all other schemes are measured against.
 */
#include "keys/schemes/internal.h"

int mu_slots_join(struct mu_scheme *s, uint32_t *slot)
{
    /* A slot stands for a device's own key, so it is not given twice. */
    if (s->next == s->conf.slots_max)
        return MU_ERR_FULL;
    *slot = s->next++;
    mu_slot_put(s->member, *slot, true);
    return 0;
}

int mu_seed_random(struct mu_scheme *s, struct mu_rekey *r)
{
    uint8_t seed[MU_NODE_KEY_LEN];
    int rc = s->conf.crypto->random(s->conf.crypto->ctx, seed, sizeof seed);

    if (rc == 0)
        rc = mu_secret_set(&r->seed, MU_BYTES(seed));
    mu_wipe(seed, sizeof seed);
    return rc;
}

static bool unicast_valid(const struct mu_scheme_conf *conf)
{
    (void)conf;
    return true;
}

static void unicast_build(struct mu_scheme *s)
{
    (void)s;
}

static int unicast_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    return where == 0 ? mu_slots_join(s, slot) : MU_ERR_USAGE;
}

static void unicast_leave(struct mu_scheme *s, uint32_t slot)
{
    (void)s;
    (void)slot;
}

static bool unicast_personal(const struct mu_scheme *s, uint32_t slot)
{
    (void)s;
    (void)slot;
    return true;
}

static int unicast_body(const struct mu_scheme *s, uint32_t slot,
                        struct mu_writer *w)
{
    (void)s;
    (void)slot;
    (void)w;
    return 0;
}

const struct mu_scheme_ops mu_ops_unicast = {
    .name = "unicast",
    .valid = unicast_valid,
    .build = unicast_build,
    .join = unicast_join,
    .leave = unicast_leave,
    .settle = mu_seed_random,
    .personal = unicast_personal,
    .body = unicast_body,
};
