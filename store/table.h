/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in order, in memory, with a transaction: what the memory store is,
 * and what the journal keeps of its file. Ordered by table and key, bytewise.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "muster/store.h"

struct table_node;
struct table_undo;

struct store_table {
    struct table_node *root;
    struct table_undo *undo; /* of the open transaction, oldest first */
    size_t undo_len;
    size_t undo_cap;
    uint32_t seed;    /* of the priorities that keep the tree flat */
    uint64_t records; /* that can be read */
    uint64_t corrupt; /* that cannot */
    uint64_t bytes;   /* of the keys and values of all of them */
};

void store_table_init(struct store_table *t);
void store_table_clear(struct store_table *t);

/* 0, MU_ERR_USAGE or MU_ERR_TOO_LARGE: what every store accepts. */
MU_MUST int store_put_check(struct mu_bytes key, struct mu_bytes value);
/* Three-way, bytewise; the shorter of two that agree comes first. */
int store_key_order(struct mu_bytes a, struct mu_bytes b);

/* As the port says. MU_ERR_IO: no memory, and nothing has changed. */
MU_MUST int store_table_get(const struct store_table *t, uint8_t table,
                            struct mu_bytes key, uint8_t *value, size_t *len);
MU_MUST int store_table_next(const struct store_table *t, uint8_t table,
                             struct mu_bytes after, uint8_t *key,
                             size_t *key_len, uint8_t *value,
                             size_t *value_len);
MU_MUST int store_table_put(struct store_table *t, uint8_t table,
                            struct mu_bytes key, struct mu_bytes value);
/* The record is there, its value is not to be had. */
MU_MUST int store_table_mark(struct store_table *t, uint8_t table,
                             struct mu_bytes key);
void store_table_commit(struct store_table *t);
void store_table_rollback(struct store_table *t);

/* Walks all records, damaged ones too; *at begins as NULL. */
struct store_record {
    uint8_t table;
    struct mu_bytes key;
    struct mu_bytes value;
    bool corrupt;
};
bool store_table_walk(const struct store_table *t,
                      const struct table_node **at, struct store_record *out);

#endif
