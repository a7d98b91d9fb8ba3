/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traitor tracing from the keys in a clone. At each node we look for a key
 * that only devices under one of its children can have, and go down there:
 *
 *   CS, LKH  the key of the child
 *   SD       the label of (node, sibling of the child); nobody else can derive
 *            it, since its only source is the label of the node itself, which
 *            no device has
 *
 * So a coalition can hide a traitor by leaving keys out (then a part of the
 * tree is named instead of a slot), but cannot point at somebody else.
 */
#include "keys/schemes/internal.h"

struct trace {
    const struct mu_scheme *s;
    struct mu_bytes dump;
    struct mu_trace_hit *hits;
    size_t hits_max;
    size_t hits_len;
};

static bool trace_has(const struct trace *t, const struct mu_secret *key)
{
    for (size_t at = 0; at + MU_NODE_KEY_LEN <= t->dump.len; at++) {
        if (t->dump.data[at] == key->bytes[0] &&
            mu_ct_eq(t->dump.data + at, key->bytes, MU_NODE_KEY_LEN))
            return true;
    }
    return false;
}

static uint8_t trace_degree(const struct mu_scheme *s)
{
    return s->version != NULL ? s->conf.degree : 2;
}

/* Whether the dump shows somebody under this node. */
static int trace_child(const struct trace *t, uint8_t level, uint32_t index,
                       bool *shown)
{
    const struct mu_scheme *s = t->s;
    struct mu_secret key = {.len = 0};
    int rc;

    if (s->conf.kind == MU_SCHEME_SD)
        rc = mu_scheme_label(s, mu_node((uint8_t)(level + 1), index / 2),
                             mu_node(level, index ^ 1), &key);
    else if (s->conf.kind == MU_SCHEME_CS)
        rc = mu_scheme_prf(s, "cs", mu_node(level, index), 0, &key);
    else
        rc = mu_lkh_key(s, level, index, &key);
    *shown = rc == 0 && trace_has(t, &key);
    mu_secret_clear(&key);
    return rc;
}

static int trace_hit(struct trace *t, uint8_t level, uint32_t index)
{
    const uint8_t degree = trace_degree(t->s);
    uint32_t first = index;
    uint32_t count = 1;

    while (level-- > 0) {
        first *= degree;
        count *= degree;
    }
    if (t->hits_len == t->hits_max)
        return MU_ERR_FULL;
    t->hits[t->hits_len++] = (struct mu_trace_hit){first, count};
    return 0;
}

/* The children of a node that the dump shows somebody under, a bit each. */
static int trace_children(const struct trace *t, uint8_t level,
                          uint32_t index, uint32_t *shown)
{
    const uint8_t degree = trace_degree(t->s);
    int rc = 0;

    *shown = 0;
    for (uint8_t i = 0; level > 0 && i < degree && rc == 0; i++) {
        const uint32_t child = index * degree + i;
        bool one = false;

        /* The table of LKH ends at the last slot. */
        if (t->s->version == NULL ||
            mu_lkh_first(child, degree, (uint8_t)(level - 1)) < t->s->next)
            rc = trace_child(t, (uint8_t)(level - 1), child, &one);
        *shown |= (uint32_t)one << i;
    }
    return rc;
}

/* From a node that has a traitor under it down to the leaves, from left to
 * right. */
static int trace_tree(struct trace *t, uint8_t root, uint32_t index)
{
    const uint8_t degree = trace_degree(t->s);
    uint32_t todo[MU_SCHEME_LEVELS + 1] = {0};
    uint8_t level = root;
    int rc = trace_children(t, level, index, &todo[level]);

    if (rc == 0 && todo[level] == 0)
        return trace_hit(t, level, index);
    while (rc == 0) {
        uint32_t i = 0;

        if (todo[level] == 0) {
            if (level == root)
                return 0;
            index /= degree;
            level++;
            continue;
        }
        while ((todo[level] >> i & 1) == 0)
            i++;
        todo[level] &= todo[level] - 1;
        index = index * degree + i;
        level--;
        rc = trace_children(t, level, index, &todo[level]);
        if (rc == 0 && todo[level] == 0)
            rc = trace_hit(t, level, index);
    }
    return rc;
}

/* Whether the dump shows anything of a whole tree. */
static int trace_root(const struct trace *t, uint8_t root, uint32_t index,
                      bool *shown)
{
    struct mu_secret key = {.len = 0};
    int rc;

    if (t->s->conf.kind != MU_SCHEME_SD)
        return trace_child(t, root, index, shown);
    rc = mu_scheme_prf(t->s, "sd all", mu_node(root, index), 0, &key);
    *shown = rc == 0 && trace_has(t, &key);
    mu_secret_clear(&key);
    return rc;
}

int mu_scheme_trace(const struct mu_scheme *s, struct mu_bytes dump,
                    struct mu_trace_hit *hits, size_t hits_max,
                    size_t *hits_len)
{
    struct trace t = {s, dump, hits, hits_max, 0};
    uint32_t start = 0;
    uint8_t root = s->height;
    bool shown;
    int rc = 0;

    *hits_len = 0;
    if (s->conf.kind == MU_SCHEME_LKH && s->version == NULL)
        return 0; /* what is left of it says nothing of the keys above leaves */
    if (s->conf.kind == MU_SCHEME_LKH) {
        rc = trace_root(&t, root, 0, &shown);
        if (rc == 0 && shown)
            rc = trace_tree(&t, root, 0);
    } else if (s->conf.kind != MU_SCHEME_CS && s->conf.kind != MU_SCHEME_SD) {
        return MU_ERR_UNSUPPORTED;
    } else {
        do {
            mu_forest_tree(s->forest.level, start, &start, &root);
            rc = trace_root(&t, root, start >> root, &shown);
            if (rc == 0 && shown)
                rc = trace_tree(&t, root, start >> root);
            start += (uint32_t)1 << root;
        } while (rc == 0 && start < s->forest.next);
    }
    *hits_len = t.hits_len;
    return rc;
}

/* ---- leaves ---------------------------------------------------------------- */

static size_t sieve_at(const uint8_t *key, unsigned pair)
{
    return (size_t)key[2 * pair] << 8 | key[2 * pair + 1];
}

void mu_trace_sieve_make(struct mu_trace_sieve *v, struct mu_bytes dump)
{
    mu_zero(v, sizeof *v);
    for (size_t at = 0; at + MU_NODE_KEY_LEN <= dump.len; at++) {
        for (unsigned pair = 0; pair < 4; pair++) {
            const size_t bit = sieve_at(dump.data + at, pair);
            uint8_t *byte = &v->bits[pair][bit / 8];

            *byte = (uint8_t)(*byte | 1u << bit % 8);
        }
    }
}

static bool sieve_holds(const struct mu_trace_sieve *v, const uint8_t *key)
{
    for (unsigned pair = 0; pair < 4; pair++) {
        const size_t bit = sieve_at(key, pair);

        if ((v->bits[pair][bit / 8] >> bit % 8 & 1) == 0)
            return false;
    }
    return true;
}

int mu_scheme_trace_leaf(const struct mu_scheme *s, uint32_t slot,
                         uint32_t since, const struct mu_trace_sieve *v,
                         struct mu_bytes dump, bool *shown)
{
    const struct trace t = {.s = s, .dump = dump};
    struct mu_secret key = {.len = 0};
    int rc;

    *shown = false;
    if (s->conf.kind != MU_SCHEME_LKH)
        return MU_ERR_UNSUPPORTED;
    rc = mu_scheme_prf(s, "lkh", mu_lkh_code(0, slot), since, &key);
    *shown = rc == 0 && sieve_holds(v, key.bytes) && trace_has(&t, &key);
    mu_secret_clear(&key);
    return rc;
}
