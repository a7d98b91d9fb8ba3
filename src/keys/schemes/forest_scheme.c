/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Complete subtree and subset difference (Naor, Naor, Lotspiech 2001): every
 * member is a place of the forest, everybody who left or has not come yet is
 * excluded from the cover. Devices keep no state: whatever they missed, the
 * next part opens. A place is never given to somebody else, because its first
 * holder keeps the keys; compaction makes new trees.
 */
#include "keys/schemes/internal.h"

static bool forest_valid(const struct mu_scheme_conf *conf)
{
    return (uint64_t)conf->members + conf->reserve <= MU_SCHEME_POSITIONS_MAX;
}

static void forest_build(struct mu_scheme *s)
{
    mu_forest_init(&s->forest, s->forest.out, s->forest.places,
                   s->conf.members, s->conf.reserve);
}

static int forest_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    if (where != 0)
        return MU_ERR_USAGE;
    if (mu_forest_room(&s->forest) == 0)
        return MU_ERR_FULL;
    /* Backward secrecy: no cover so far had this place in it. */
    *slot = mu_forest_take(&s->forest);
    mu_slot_put(s->forest.out, *slot, false);
    s->next = s->forest.next;
    return 0;
}

static void forest_leave(struct mu_scheme *s, uint32_t slot)
{
    mu_slot_put(s->forest.out, slot, true);
}

void mu_forest_walk(const struct mu_scheme *s, struct mu_rekey *r)
{
    mu_cover_init(&r->walk.cover, &s->forest, s->conf.kind != MU_SCHEME_CS);
    r->held = false;
}

bool mu_forest_next(const struct mu_scheme *s, struct mu_rekey *r,
                    uint32_t *code)
{
    return mu_cover_next(&r->walk.cover, &s->forest, code);
}

/* The key that a subset's members have in common. */
static int forest_subset_key(const struct mu_scheme *s, uint32_t code,
                             struct mu_secret *kek)
{
    const uint32_t end = mu_subset_end(code);
    const uint8_t d = mu_subset_d(code);
    struct mu_secret label = {.len = 0};
    int rc;

    if (s->conf.kind == MU_SCHEME_CS)
        return mu_scheme_prf(s, "cs", end, 0, kek);
    rc = mu_scheme_label(
        s,
        mu_node((uint8_t)(mu_node_level(end) + d), mu_node_index(end) >> d),
        end, &label);
    if (rc == 0)
        rc = mu_kdf(s->conf.crypto, &label, "sd key", mu_bytes(NULL, 0),
                    MU_NODE_KEY_LEN, kek);
    mu_secret_clear(&label);
    return rc;
}

int mu_forest_entry(const struct mu_scheme *s, struct mu_rekey *r,
                    uint32_t code, struct mu_writer *w, uint32_t *n)
{
    struct mu_secret kek = {.len = 0};
    uint8_t wrapped[MU_NODE_KEY_LEN];
    int rc;

    *n = 1;
    if (w == NULL)
        return 0;
    rc = forest_subset_key(s, code, &kek);
    if (rc == 0)
        rc = mu_node_wrap(s->conf.crypto, &kek, &r->seed, wrapped);
    if (rc == 0) {
        mu_write_u32(w, code);
        mu_write_bytes(w, MU_BYTES(wrapped));
    }
    mu_secret_clear(&kek);
    return rc;
}

static void forest_extra(const struct mu_scheme *s, const struct mu_rekey *r,
                         struct mu_writer *w)
{
    (void)s;
    (void)r;
    (void)w;
}

static void body_key(struct mu_secret *key, int *rc, struct mu_writer *w)
{
    if (*rc == 0)
        mu_write_bytes(w, mu_secret_view(key));
    mu_secret_clear(key);
}

/* The labels of a place: for each node above it, those of the nodes that hang
 * off the way down to it; and the one of the whole tree. */
static int body_labels(const struct mu_scheme *s, uint32_t place, uint8_t root,
                       struct mu_writer *w)
{
    struct mu_secret key = {.len = 0};
    int rc = mu_scheme_prf(s, "sd all", mu_node(root, place >> root), 0, &key);

    body_key(&key, &rc, w);
    for (uint8_t top = 1; top <= root && rc == 0; top++) {
        const uint32_t from = mu_node(top, place >> top);
        struct mu_secret way = {.len = 0};

        rc = mu_scheme_prf(s, "sd label", from, 0, &way);
        for (uint8_t level = top; level-- > 0 && rc == 0;) {
            key = way;
            rc = mu_label_walk(s->conf.crypto, &key,
                               mu_node((uint8_t)(level + 1),
                                       place >> (level + 1)),
                               mu_node(level, place >> level ^ 1));
            body_key(&key, &rc, w);
            if (rc == 0)
                rc = mu_label_walk(s->conf.crypto, &way,
                                   mu_node((uint8_t)(level + 1),
                                           place >> (level + 1)),
                                   mu_node(level, place >> level));
        }
        mu_secret_clear(&way);
    }
    return rc;
}

int mu_forest_body(const struct mu_scheme *s, uint32_t place,
                   struct mu_writer *w)
{
    uint32_t start;
    uint8_t root;
    int rc = 0;

    mu_forest_tree(s->forest.level, place, &start, &root);
    mu_write_u8(w, root);
    if (s->conf.kind != MU_SCHEME_CS)
        return body_labels(s, place, root, w);
    for (uint8_t level = 0; level <= root && rc == 0; level++) {
        struct mu_secret key = {.len = 0};

        rc = mu_scheme_prf(s, "cs", mu_node(level, place >> level), 0, &key);
        body_key(&key, &rc, w);
    }
    return rc;
}

const struct mu_scheme_ops mu_ops_cs = {
    .name = "cs",
    .multicast = true,
    .valid = forest_valid,
    .build = forest_build,
    .join = forest_join,
    .leave = forest_leave,
    .settle = mu_seed_random,
    .walk = mu_forest_walk,
    .next = mu_forest_next,
    .entries = mu_forest_entry,
    .extra = forest_extra,
    .body = mu_forest_body,
};

const struct mu_scheme_ops mu_ops_sd = {
    .name = "sd",
    .multicast = true,
    .valid = forest_valid,
    .build = forest_build,
    .join = forest_join,
    .leave = forest_leave,
    .settle = mu_seed_random,
    .walk = mu_forest_walk,
    .next = mu_forest_next,
    .entries = mu_forest_entry,
    .extra = forest_extra,
    .body = mu_forest_body,
};
