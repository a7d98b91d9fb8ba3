/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logical key hierarchy (RFC 2627 s.5.4, there "hierarchical tree"): degree d,
 * leaves are slots. A change renews every node above it; each renewed key is
 * wrapped under the keys of the node's children. A batch renews a node once.
 *
 * Keys are derived from the master secret by node and version; the version is
 * the counter of the generation that renewed the node, so a node's keys never
 * come twice. The table of versions is all the state there is. A freed slot is
 * used again: its leaf and all above it are renewed for the newcomer.
 *
 * The table is level by level, leaves first. The flag marks what the next
 * rekey renews; a flagged node's ancestors are flagged too.
 */
#include "keys/schemes/internal.h"

#include "muster/assert.h"

#define FLAG ((uint32_t)1 << 31)
#define LEVEL_AT 27 /* bit of a node's number where its level starts */

uint32_t mu_lkh_code(uint8_t level, uint32_t index)
{
    return (uint32_t)level << LEVEL_AT | index;
}

uint8_t mu_lkh_level(uint32_t code)
{
    return (uint8_t)(code >> LEVEL_AT);
}

uint32_t mu_lkh_index(uint32_t code)
{
    return code & (LKH_LINK - 1);
}

uint8_t mu_lkh_height(uint32_t slots, uint8_t degree)
{
    uint64_t leaves = degree;
    uint8_t height = 1;

    while (leaves < slots) {
        leaves *= degree;
        height++;
    }
    return height;
}

/* Nodes of one level of a table for slots_max leaves. */
static uint32_t lkh_width(uint32_t below, uint8_t degree)
{
    return (below + degree - 1) / degree;
}

size_t mu_lkh_nodes(uint32_t slots_max, uint8_t degree)
{
    const uint8_t height = mu_lkh_height(slots_max, degree);
    uint32_t width = slots_max;
    size_t nodes = width;

    for (uint8_t level = 1; level <= height; level++) {
        width = lkh_width(width, degree);
        nodes += width;
    }
    return nodes;
}

static uint32_t *lkh_at(const struct mu_scheme *s, uint8_t level,
                        uint32_t index)
{
    uint32_t width = s->conf.slots_max;
    size_t at = 0;

    for (uint8_t below = 0; below < level; below++) {
        at += width;
        width = lkh_width(width, s->conf.degree);
    }
    mu_assert(index < width);
    return &s->version[at + index];
}

uint32_t mu_lkh_up(uint32_t slot, uint8_t degree, uint8_t levels)
{
    while (levels-- > 0)
        slot /= degree;
    return slot;
}

int mu_lkh_key(const struct mu_scheme *s, uint8_t level, uint32_t index,
               struct mu_secret *key)
{
    return mu_scheme_prf(s, "lkh", mu_lkh_code(level, index),
                         *lkh_at(s, level, index) & ~FLAG, key);
}

int mu_lkh_wrap_key(const struct mu_crypto *c, const struct mu_secret *node,
                    struct mu_secret *kek)
{
    return mu_kdf(c, node, "lkh wrap", mu_bytes(NULL, 0), MU_NODE_KEY_LEN,
                  kek);
}

static bool lkh_valid(const struct mu_scheme_conf *conf)
{
    return conf->degree >= 2 && conf->degree <= MU_LKH_DEGREE_MAX;
}

static void lkh_build(struct mu_scheme *s)
{
    s->height = mu_lkh_height(s->conf.members, s->conf.degree);
    s->lkh_free = s->conf.members;
}

/* Everything from `level` up over a slot is renewed at the next rekey. */
static void lkh_flag(struct mu_scheme *s, uint32_t slot, uint8_t level)
{
    uint32_t index = mu_lkh_up(slot, s->conf.degree, level);

    for (; level <= s->height; level++, index /= s->conf.degree)
        *lkh_at(s, level, index) |= FLAG;
}

static int lkh_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    if (where != 0)
        return MU_ERR_USAGE;
    *slot = mu_slot_find(s->member, s->lkh_free, s->next, false);
    if (*slot == s->conf.slots_max)
        return MU_ERR_FULL;
    s->lkh_free = *slot + 1;
    if (*slot == s->next)
        s->next++;
    mu_slot_put(s->member, *slot, true);
    /* A tree that is full gets a new root over the old one. */
    s->height = mu_lkh_height(s->next, s->conf.degree);
    lkh_flag(s, *slot, 0);
    return 0;
}

static void lkh_leave(struct mu_scheme *s, uint32_t slot)
{
    if (slot < s->lkh_free)
        s->lkh_free = slot;
    lkh_flag(s, slot, 1);
}

uint64_t mu_lkh_first(uint32_t index, uint8_t degree, uint8_t level)
{
    uint64_t first = index;

    while (level-- > 0)
        first *= degree;
    return first;
}

bool mu_lkh_live(const struct mu_scheme *s, uint8_t level, uint32_t index)
{
    const uint64_t from = mu_lkh_first(index, s->conf.degree, level);
    uint64_t to = mu_lkh_first(index + 1, s->conf.degree, level);

    if (to > s->next)
        to = s->next;
    return from < to && mu_slot_find(s->member, (uint32_t)from, (uint32_t)to,
                                    true) < to;
}

static void walk_start(const struct mu_scheme *s, struct mu_lkh_walk *k)
{
    mu_zero(k, sizeof *k);
    k->level = s->height;
}

/* The next child of the nodes in progress. False when all are done. */
static bool walk_child(const struct mu_scheme *s, struct mu_lkh_walk *k,
                       uint32_t *child)
{
    while (k->level <= s->height) {
        const uint8_t n = k->child[k->level];

        if (n < s->conf.degree) {
            k->child[k->level]++;
            *child = k->index * s->conf.degree + n;
            return true;
        }
        k->level++;
        k->index /= s->conf.degree;
    }
    return false;
}

static void walk_down(struct mu_lkh_walk *k, uint32_t child)
{
    k->level--;
    k->index = child;
    k->child[k->level] = 0;
}

static int lkh_settle(struct mu_scheme *s, struct mu_rekey *r)
{
    const uint32_t now = (uint32_t)s->generation;
    struct mu_lkh_walk k;
    struct mu_secret root = {.len = 0};
    uint32_t child;
    int rc;

    walk_start(s, &k);
    *lkh_at(s, s->height, 0) = now;
    while (walk_child(s, &k, &child)) {
        uint32_t *version;

        if (!mu_lkh_live(s, (uint8_t)(k.level - 1), child))
            continue; /* keeps its flag until somebody lives there */
        version = lkh_at(s, (uint8_t)(k.level - 1), child);
        if ((*version & FLAG) == 0)
            continue;
        *version = now;
        if (k.level > 1)
            walk_down(&k, child);
    }
    rc = mu_lkh_key(s, s->height, 0, &root);
    if (rc == 0)
        rc = mu_kdf_kid(s->conf.crypto, &root, "lkh seed", &r->kid,
                        MU_NODE_KEY_LEN, &r->seed);
    mu_secret_clear(&root);
    return rc;
}

static void lkh_walk(const struct mu_scheme *s, struct mu_rekey *r)
{
    walk_start(s, &r->walk.lkh);
    r->held = false;
}

/* The next child, itself not renewed, of a node that is. */
static bool lkh_next(const struct mu_scheme *s, struct mu_rekey *r,
                     uint32_t *code)
{
    struct mu_lkh_walk *k = &r->walk.lkh;
    uint32_t child;

    while (walk_child(s, k, &child)) {
        const uint8_t level = (uint8_t)(k->level - 1);

        if (!mu_lkh_live(s, level, child))
            continue;
        if (level == 0 ||
            *lkh_at(s, level, child) != (uint32_t)s->generation) {
            *code = mu_lkh_code(level, child);
            return true;
        }
        walk_down(k, child);
    }
    return false;
}

/* The parent's key under the node's own. */
static int lkh_wrap(const struct mu_scheme *s, uint8_t level, uint32_t index,
                    uint32_t link, struct mu_writer *w)
{
    struct mu_secret node = {.len = 0};
    struct mu_secret kek = {.len = 0};
    struct mu_secret parent = {.len = 0};
    uint8_t wrapped[MU_NODE_KEY_LEN];
    int rc = mu_lkh_key(s, level, index, &node);

    if (rc == 0)
        rc = mu_lkh_wrap_key(s->conf.crypto, &node, &kek);
    if (rc == 0)
        rc = mu_lkh_key(s, (uint8_t)(level + 1), index / s->conf.degree,
                        &parent);
    if (rc == 0)
        rc = mu_node_wrap(s->conf.crypto, &kek, &parent, wrapped);
    if (rc == 0) {
        mu_write_u32(w, mu_lkh_code(level, index) | link);
        mu_write_bytes(w, MU_BYTES(wrapped));
    }
    mu_secret_clear(&node);
    mu_secret_clear(&kek);
    mu_secret_clear(&parent);
    return rc;
}

/* A child's entry, and the links above it as far as this part does not have
 * them yet: so every part can be opened alone. */
static int lkh_entries(const struct mu_scheme *s, struct mu_rekey *r,
                       uint32_t code, struct mu_writer *w, uint32_t *n)
{
    uint8_t level = mu_lkh_level(code);
    uint32_t index = mu_lkh_index(code);
    int rc = w != NULL ? lkh_wrap(s, level, index, 0, w) : 0;

    *n = 1;
    while (++level < s->height && rc == 0) {
        index /= s->conf.degree;
        if (r->walk.lkh.have[level] == index + 1)
            break;
        ++*n;
        if (w != NULL)
            rc = lkh_wrap(s, level, index, LKH_LINK, w);
    }
    return rc;
}

static void lkh_part(struct mu_rekey *r)
{
    mu_zero(r->walk.lkh.have, sizeof r->walk.lkh.have);
}

static void lkh_placed(const struct mu_scheme *s, struct mu_rekey *r,
                       uint32_t code)
{
    uint8_t level = mu_lkh_level(code);
    uint32_t index = mu_lkh_index(code);

    while (++level < s->height) {
        index /= s->conf.degree;
        r->walk.lkh.have[level] = index + 1;
    }
}

static void lkh_extra(const struct mu_scheme *s, const struct mu_rekey *r,
                      struct mu_writer *w)
{
    (void)r;
    mu_write_u32(w, (uint32_t)s->previous);
    mu_write_u8(w, s->height);
}

static int lkh_body(const struct mu_scheme *s, uint32_t slot,
                    struct mu_writer *w)
{
    int rc = 0;

    mu_write_u8(w, s->conf.degree);
    mu_write_u8(w, s->height);
    for (uint8_t level = 0; level <= s->height && rc == 0; level++) {
        struct mu_secret key = {.len = 0};

        rc = mu_lkh_key(s, level, mu_lkh_up(slot, s->conf.degree, level),
                        &key);
        if (rc == 0)
            mu_write_bytes(w, mu_secret_view(&key));
        mu_secret_clear(&key);
    }
    return rc;
}

const struct mu_scheme_ops mu_ops_lkh = {
    .name = "lkh",
    .multicast = true,
    .valid = lkh_valid,
    .build = lkh_build,
    .join = lkh_join,
    .leave = lkh_leave,
    .settle = lkh_settle,
    .walk = lkh_walk,
    .next = lkh_next,
    .entries = lkh_entries,
    .part = lkh_part,
    .placed = lkh_placed,
    .extra = lkh_extra,
    .body = lkh_body,
    .body_told = true,
};
