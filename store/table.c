/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in order, in memory: a treap (a search tree by key that is a heap by
 * random priority, so it stays flat), and a list of what to undo. Undoing
 * needs no memory, so a rollback cannot fail.
 */
#include "store/table.h"

#include <stdlib.h>
#include <string.h>

#define UNDO_FIRST 4 /* a commit of a device has one or two puts */

struct table_node {
    struct table_node *left;
    struct table_node *right;
    uint32_t priority;
    uint32_t value_len;
    uint8_t *value; /* NULL: no bytes */
    uint8_t table;
    bool corrupt;
    uint8_t key_len;
    uint8_t key[];
};

enum undo_kind {
    UNDO_REMOVE, /* node came in */
    UNDO_INSERT, /* node went out; it waits here */
    UNDO_VALUE,  /* node had this value */
};

struct table_undo {
    enum undo_kind kind;
    struct table_node *node;
    uint8_t *value;
    uint32_t value_len;
    bool corrupt;
};

int store_put_check(struct mu_bytes key, struct mu_bytes value)
{
    if (key.len == 0)
        return MU_ERR_USAGE;
    if (key.len > MU_STORE_KEY_MAX || value.len > MU_STORE_VALUE_MAX)
        return MU_ERR_TOO_LARGE;
    return 0;
}

int store_key_order(struct mu_bytes a, struct mu_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static struct mu_bytes node_key(const struct table_node *n)
{
    return mu_bytes(n->key, n->key_len);
}

static int node_order(uint8_t table, struct mu_bytes key,
                      const struct table_node *n)
{
    if (table != n->table)
        return table < n->table ? -1 : 1;
    return store_key_order(key, node_key(n));
}

static void node_free(struct table_node *n)
{
    if (n->value != NULL)
        mu_wipe(n->value, n->value_len);
    free(n->value);
    free(n);
}

static void value_free(uint8_t *value, size_t len)
{
    if (value != NULL)
        mu_wipe(value, len);
    free(value);
}

void store_table_init(struct store_table *t)
{
    *t = (struct store_table){.seed = 2463534242u};
}

void store_table_clear(struct store_table *t)
{
    store_table_rollback(t);
    while (t->root != NULL) {
        struct table_node *n = t->root;
        if (n->left != NULL) { /* turn it right, until there is no left */
            t->root = n->left;
            n->left = t->root->right;
            t->root->right = n;
        } else {
            t->root = n->right;
            node_free(n);
        }
    }
    free(t->undo);
    store_table_init(t);
}

/* Where the node of this key hangs, or would hang. */
static struct table_node **table_link(struct store_table *t, uint8_t table,
                                      struct mu_bytes key)
{
    struct table_node **link = &t->root;

    while (*link != NULL) {
        int order = node_order(table, key, *link);
        if (order == 0)
            break;
        link = order < 0 ? &(*link)->left : &(*link)->right;
    }
    return link;
}

static const struct table_node *table_find(const struct store_table *t,
                                           uint8_t table, struct mu_bytes key)
{
    const struct table_node *n = t->root;

    while (n != NULL) {
        int order = node_order(table, key, n);
        if (order == 0)
            break;
        n = order < 0 ? n->left : n->right;
    }
    return n;
}

/* The first node behind (table, key). */
static const struct table_node *table_after(const struct store_table *t,
                                            uint8_t table, struct mu_bytes key)
{
    const struct table_node *n = t->root;
    const struct table_node *best = NULL;

    while (n != NULL) {
        if (node_order(table, key, n) < 0) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

static void table_count(struct store_table *t, const struct table_node *n,
                        int sign)
{
    uint64_t one = sign > 0 ? 1 : UINT64_MAX;

    *(n->corrupt ? &t->corrupt : &t->records) += one;
    t->bytes += one * ((uint64_t)n->key_len + n->value_len);
}

static void table_insert(struct store_table *t, struct table_node *n)
{
    struct table_node **link = &t->root;

    while (*link != NULL && (*link)->priority >= n->priority)
        link = node_order(n->table, node_key(n), *link) < 0 ? &(*link)->left
                                                            : &(*link)->right;
    struct table_node *rest = *link;
    struct table_node **left = &n->left;
    struct table_node **right = &n->right;
    while (rest != NULL) {
        if (node_order(n->table, node_key(n), rest) > 0) {
            *left = rest;
            left = &rest->right;
            rest = *left;
        } else {
            *right = rest;
            right = &rest->left;
            rest = *right;
        }
    }
    *left = NULL;
    *right = NULL;
    *link = n;
    table_count(t, n, 1);
}

static void table_remove(struct store_table *t, struct table_node *n)
{
    struct table_node **link = table_link(t, n->table, node_key(n));
    struct table_node *left = n->left;
    struct table_node *right = n->right;

    while (left != NULL && right != NULL) {
        if (left->priority >= right->priority) {
            *link = left;
            link = &left->right;
            left = *link;
        } else {
            *link = right;
            link = &right->left;
            right = *link;
        }
    }
    *link = left != NULL ? left : right;
    table_count(t, n, -1);
}

static struct table_undo *table_undo_room(struct store_table *t)
{
    if (t->undo_len == t->undo_cap) {
        size_t cap = t->undo_cap == 0 ? UNDO_FIRST : 2 * t->undo_cap;
        struct table_undo *more = realloc(t->undo, cap * sizeof *more);
        if (more == NULL)
            return NULL;
        t->undo = more;
        t->undo_cap = cap;
    }
    return &t->undo[t->undo_len];
}

static struct table_node *node_new(struct store_table *t, uint8_t table,
                                   struct mu_bytes key)
{
    struct table_node *n = calloc(1, sizeof *n + key.len);

    if (n == NULL)
        return NULL;
    t->seed ^= t->seed << 13; /* xorshift32 */
    t->seed ^= t->seed >> 17;
    t->seed ^= t->seed << 5;
    n->priority = t->seed;
    n->table = table;
    n->key_len = (uint8_t)key.len;
    mu_copy(n->key, key.data, key.len);
    return n;
}

/* Puts a value (it takes the heap block) or, without one, damage. */
static int table_set(struct store_table *t, uint8_t table, struct mu_bytes key,
                     uint8_t *value, uint32_t len, bool corrupt)
{
    struct table_undo *undo = table_undo_room(t);
    struct table_node *n = *table_link(t, table, key);

    if (undo == NULL)
        return MU_ERR_IO;
    if (n == NULL) {
        n = node_new(t, table, key);
        if (n == NULL)
            return MU_ERR_IO;
        *undo = (struct table_undo){.kind = UNDO_REMOVE, .node = n};
        n->value = value;
        n->value_len = len;
        n->corrupt = corrupt;
        table_insert(t, n);
    } else {
        *undo = (struct table_undo){UNDO_VALUE, n, n->value, n->value_len,
                                    n->corrupt};
        table_count(t, n, -1);
        n->value = value;
        n->value_len = len;
        n->corrupt = corrupt;
        table_count(t, n, 1);
    }
    t->undo_len++;
    return 0;
}

static int table_delete(struct store_table *t, uint8_t table,
                        struct mu_bytes key)
{
    struct table_node *n = *table_link(t, table, key);
    struct table_undo *undo;

    if (n == NULL)
        return 0;
    undo = table_undo_room(t);
    if (undo == NULL)
        return MU_ERR_IO;
    *undo = (struct table_undo){.kind = UNDO_INSERT, .node = n};
    t->undo_len++;
    table_remove(t, n);
    return 0;
}

int store_table_put(struct store_table *t, uint8_t table, struct mu_bytes key,
                    struct mu_bytes value)
{
    uint8_t *copy = NULL;
    int rc = store_put_check(key, value);

    if (rc != 0)
        return rc;
    if (value.data == NULL)
        return table_delete(t, table, key);
    if (value.len != 0) {
        copy = malloc(value.len);
        if (copy == NULL)
            return MU_ERR_IO;
        mu_copy(copy, value.data, value.len);
    }
    rc = table_set(t, table, key, copy, (uint32_t)value.len, false);
    if (rc != 0)
        value_free(copy, value.len);
    return rc;
}

int store_table_mark(struct store_table *t, uint8_t table, struct mu_bytes key)
{
    int rc = store_put_check(key, mu_bytes(NULL, 0));

    return rc != 0 ? rc : table_set(t, table, key, NULL, 0, true);
}

void store_table_commit(struct store_table *t)
{
    for (size_t i = 0; i < t->undo_len; i++) {
        if (t->undo[i].kind == UNDO_INSERT)
            node_free(t->undo[i].node);
        else if (t->undo[i].kind == UNDO_VALUE)
            value_free(t->undo[i].value, t->undo[i].value_len);
    }
    t->undo_len = 0;
}

void store_table_rollback(struct store_table *t)
{
    while (t->undo_len > 0) {
        struct table_undo *undo = &t->undo[--t->undo_len];
        struct table_node *n = undo->node;
        if (undo->kind == UNDO_REMOVE) {
            table_remove(t, n);
            node_free(n);
        } else if (undo->kind == UNDO_INSERT) {
            table_insert(t, n);
        } else {
            table_count(t, n, -1);
            value_free(n->value, n->value_len);
            n->value = undo->value;
            n->value_len = undo->value_len;
            n->corrupt = undo->corrupt;
            table_count(t, n, 1);
        }
    }
}

static int node_value(const struct table_node *n, uint8_t *value, size_t *len)
{
    size_t room = *len;

    if (n->corrupt) {
        *len = 0;
        return MU_ERR_CORRUPT;
    }
    *len = n->value_len;
    if (n->value_len > room)
        return MU_ERR_NO_SPACE;
    mu_copy(value, n->value, n->value_len);
    return 0;
}

int store_table_get(const struct store_table *t, uint8_t table,
                    struct mu_bytes key, uint8_t *value, size_t *len)
{
    const struct table_node *n = table_find(t, table, key);

    if (n != NULL)
        return node_value(n, value, len);
    *len = 0;
    return MU_ERR_NOT_FOUND;
}

int store_table_next(const struct store_table *t, uint8_t table,
                     struct mu_bytes after, uint8_t *key, size_t *key_len,
                     uint8_t *value, size_t *value_len)
{
    const struct table_node *n = table_after(t, table, after);

    if (n == NULL || n->table != table) {
        *key_len = 0;
        *value_len = 0;
        return MU_ERR_NOT_FOUND;
    }
    /* Not before the search: key may be where `after` lies. */
    mu_copy(key, n->key, n->key_len);
    *key_len = n->key_len;
    return node_value(n, value, value_len);
}

bool store_table_walk(const struct store_table *t,
                      const struct table_node **at, struct store_record *out)
{
    const struct table_node *n = *at;

    n = n == NULL ? table_after(t, 0, mu_bytes(NULL, 0))
                  : table_after(t, n->table, node_key(n));
    *at = n;
    if (n == NULL)
        return false;
    *out = (struct store_record){n->table, node_key(n),
                                 mu_bytes(n->value, n->value_len), n->corrupt};
    return true;
}
