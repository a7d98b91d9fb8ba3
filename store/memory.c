/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory, which can be told to fail. */
#include "store/store.h"

#include <stdlib.h>

#include "store/table.h"

struct mu_memory {
    struct store_table table;
    uint64_t fail_in; /* calls until one fails; 0: none will */
    bool failed;      /* one did */
    bool broken;      /* a put or commit failed: until rollback */
};

static bool memory_fails(struct mu_memory *m)
{
    if (m->fail_in == 0 || --m->fail_in != 0)
        return false;
    m->failed = true;
    return true;
}

static int memory_get(void *ctx, uint8_t table, struct mu_bytes key,
                      uint8_t *value, size_t *len)
{
    struct mu_memory *m = ctx;

    if (memory_fails(m))
        return MU_ERR_IO;
    return store_table_get(&m->table, table, key, value, len);
}

static int memory_next(void *ctx, uint8_t table, struct mu_bytes after,
                       uint8_t *key, size_t *key_len, uint8_t *value,
                       size_t *value_len)
{
    struct mu_memory *m = ctx;

    if (memory_fails(m))
        return MU_ERR_IO;
    return store_table_next(&m->table, table, after, key, key_len, value,
                            value_len);
}

static int memory_put(void *ctx, uint8_t table, struct mu_bytes key,
                      struct mu_bytes value)
{
    struct mu_memory *m = ctx;
    int rc = store_put_check(key, value);

    if (rc != 0)
        return rc;
    if (memory_fails(m))
        m->broken = true;
    if (!m->broken && store_table_put(&m->table, table, key, value) != 0)
        m->broken = true;
    return m->broken ? MU_ERR_IO : 0;
}

static int memory_commit(void *ctx)
{
    struct mu_memory *m = ctx;

    if (memory_fails(m))
        m->broken = true;
    if (m->broken)
        return MU_ERR_IO;
    store_table_commit(&m->table);
    return 0;
}

static void memory_rollback(void *ctx)
{
    struct mu_memory *m = ctx;

    store_table_rollback(&m->table);
    m->broken = false;
}

int mu_memory_open(struct mu_memory **m, struct mu_store *store)
{
    *m = calloc(1, sizeof **m);
    if (*m == NULL)
        return MU_ERR_IO;
    store_table_init(&(*m)->table);
    *store = (struct mu_store){*m,         memory_get,    memory_next,
                               memory_put, memory_commit, memory_rollback};
    return 0;
}

void mu_memory_close(struct mu_memory *m)
{
    if (m == NULL)
        return;
    store_table_clear(&m->table);
    free(m);
}

void mu_memory_fail(struct mu_memory *m, uint64_t n)
{
    m->fail_in = n;
    if (n != 0)
        m->failed = false;
}

bool mu_memory_failed(const struct mu_memory *m)
{
    return m->failed;
}
