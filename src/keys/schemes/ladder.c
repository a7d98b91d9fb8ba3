/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of key derivation keys: EXALTED D5.2 s.6.2.2.3.
 *
 *     KDK(i) = H(KDK(i-1), ch_i)      TGK_i = H(KDK(i), KI)
 *
 * with H = KDF, KI = the id of the new key and ch_i = the counter of the
 * generation at which level i was last renewed. A device of type i holds KDK(i)
 * and derives everything below. The group key is that of the lowest level,
 * which all have. A change at level i renews ch_i and all below: levels above
 * derive the rest from the ch that the message lists, level i and those below
 * (whose old keys the leaver could derive too) get theirs one by one.
 */
#include "keys/schemes/internal.h"

static bool ladder_valid(const struct mu_scheme_conf *conf)
{
    return conf->levels >= 1 && conf->levels <= MU_LADDER_LEVELS_MAX;
}

static void ladder_build(struct mu_scheme *s)
{
    for (uint8_t i = 0; i < s->conf.levels; i++)
        s->ladder[i] = (uint32_t)s->base;
    for (uint32_t slot = 0; slot < s->conf.members; slot++)
        s->level_of[slot] = s->conf.levels;
    s->ladder_told = (uint8_t)(s->conf.levels + 1);
}

static void ladder_touch(struct mu_scheme *s, uint8_t level)
{
    if (s->ladder_changed == 0 || level < s->ladder_changed)
        s->ladder_changed = level;
}

static int ladder_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    int rc;

    if (where < 1 || where > s->conf.levels)
        return MU_ERR_USAGE;
    rc = mu_slots_join(s, slot);
    if (rc != 0)
        return rc;
    s->level_of[*slot] = (uint8_t)where;
    ladder_touch(s, (uint8_t)where);
    return 0;
}

static void ladder_leave(struct mu_scheme *s, uint32_t slot)
{
    ladder_touch(s, s->level_of[slot]);
}

int mu_ladder_step(const struct mu_crypto *c, struct mu_secret *kdk,
                   uint32_t ch)
{
    struct mu_secret next = {.len = 0};
    uint8_t context[4];
    struct mu_writer w = mu_writer(context, sizeof context);
    int rc;

    mu_write_u32(&w, ch);
    rc = mu_kdf(c, kdk, "kdk", mu_written(&w), MU_NODE_KEY_LEN, &next);
    *kdk = next;
    mu_secret_clear(&next);
    return rc;
}

static int ladder_kdk(const struct mu_scheme *s, uint8_t level,
                      struct mu_secret *kdk)
{
    int rc = mu_scheme_prf(s, "kdk", 1, s->ladder[0], kdk);

    for (uint8_t i = 2; i <= level && rc == 0; i++)
        rc = mu_ladder_step(s->conf.crypto, kdk, s->ladder[i - 1]);
    return rc;
}

int mu_scheme_level_key(const struct mu_scheme *s, uint8_t level,
                        struct mu_secret *key)
{
    const struct mu_kid kid = mu_scheme_kid(s);
    struct mu_secret kdk = {.len = 0};
    struct mu_secret tgk = {.len = 0};
    int rc;

    mu_secret_clear(key);
    if (s->conf.kind != MU_SCHEME_LADDER || level < 1 ||
        level > s->conf.levels)
        return MU_ERR_USAGE;
    rc = ladder_kdk(s, level, &kdk);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &kdk, "tgk", &kid, MU_NODE_KEY_LEN,
                        &tgk);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &tgk, "group key", &kid,
                        GROUP_KEY_LEN, key);
    mu_secret_clear(&kdk);
    mu_secret_clear(&tgk);
    return rc;
}

static int ladder_settle(struct mu_scheme *s, struct mu_rekey *r)
{
    struct mu_secret kdk = {.len = 0};
    int rc;

    s->ladder_told = s->ladder_changed != 0 ? s->ladder_changed
                                            : (uint8_t)(s->conf.levels + 1);
    for (uint8_t i = s->ladder_told; i <= s->conf.levels; i++)
        s->ladder[i - 1] = (uint32_t)s->generation;
    s->ladder_changed = 0;
    rc = ladder_kdk(s, s->conf.levels, &kdk);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &kdk, "tgk", &r->kid, MU_NODE_KEY_LEN,
                        &r->seed);
    mu_secret_clear(&kdk);
    return rc;
}

static void ladder_walk(const struct mu_scheme *s, struct mu_rekey *r)
{
    (void)s;
    r->held = false;
}

static void ladder_extra(const struct mu_scheme *s, const struct mu_rekey *r,
                         struct mu_writer *w)
{
    (void)r;
    mu_write_u8(w, s->conf.levels);
    for (uint8_t i = 0; i < s->conf.levels; i++)
        mu_write_u32(w, s->ladder[i]);
}

static bool ladder_personal(const struct mu_scheme *s, uint32_t slot)
{
    return s->level_of[slot] >= s->ladder_told;
}

static int ladder_body(const struct mu_scheme *s, uint32_t slot,
                       struct mu_writer *w)
{
    struct mu_secret kdk = {.len = 0};
    int rc = ladder_kdk(s, s->level_of[slot], &kdk);

    mu_write_u8(w, s->level_of[slot]);
    ladder_extra(s, NULL, w);
    if (rc == 0)
        mu_write_bytes(w, mu_secret_view(&kdk));
    mu_secret_clear(&kdk);
    return rc;
}

const struct mu_scheme_ops mu_ops_ladder = {
    .name = "ladder",
    .multicast = true,
    .valid = ladder_valid,
    .build = ladder_build,
    .join = ladder_join,
    .leave = ladder_leave,
    .settle = ladder_settle,
    .walk = ladder_walk,
    .extra = ladder_extra,
    .personal = ladder_personal,
    .body = ladder_body,
    .body_told = true,
};
