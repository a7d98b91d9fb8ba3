/* SPDX-License-Identifier: Apache-2.0 */
/* The twin of a store, and the scenario. */
#include "tests/store/twin.h"

#include <string.h>

int scenario_len;

static bool record_is(const struct twin_record *r, uint8_t table,
                      struct mu_bytes key)
{
    return r->table == table && r->key_len == key.len &&
           memcmp(r->key, key.data, key.len) == 0;
}

struct twin_record *twin_find(struct twin *t, uint8_t table,
                              struct mu_bytes key)
{
    for (size_t i = 0; i < t->len; i++) {
        if (record_is(&t->records[i], table, key))
            return &t->records[i];
    }
    return NULL;
}

void twin_put(struct twin *t, const struct twin_record *r)
{
    struct twin_record *old =
        twin_find(t, r->table, mu_bytes(r->key, r->key_len));

    if (old == NULL)
        old = &t->records[t->len++];
    *old = *r;
}

void twin_delete(struct twin *t, uint8_t table, struct mu_bytes key)
{
    struct twin_record *old = twin_find(t, table, key);

    if (old != NULL)
        *old = t->records[--t->len];
}

struct mu_bytes twin_value(const struct twin_record *r,
                           uint8_t value[TWIN_VALUE])
{
    memset(value, r->fill, r->value_len);
    return mu_bytes(value, r->value_len);
}

static bool twin_holds(struct twin *t, uint8_t table, struct mu_bytes key,
                       struct mu_bytes value)
{
    struct twin_record *r = twin_find(t, table, key);
    uint8_t want[TWIN_VALUE];

    return r != NULL && mu_bytes_eq(twin_value(r, want), value);
}

/* Everything the twin has is got, in any order. */
static bool twin_gets(struct twin *t, const struct mu_store *s)
{
    uint8_t value[MU_STORE_VALUE_MAX];

    for (size_t i = 0; i < t->len; i++) {
        const struct twin_record *r = &t->records[i];
        size_t len = sizeof value;
        if (s->get(s->ctx, r->table, mu_bytes(r->key, r->key_len), value,
                   &len) != 0 ||
            !twin_holds(t, r->table, mu_bytes(r->key, r->key_len),
                        mu_bytes(value, len)))
            return false;
    }
    return true;
}

static int order(struct mu_bytes a, struct mu_bytes b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.data[i] != b.data[i])
            return a.data[i] < b.data[i] ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool twin_same(struct twin *t, const struct mu_store *s)
{
    size_t walked = 0;

    for (unsigned table = 0; table < 8; table++) {
        uint8_t key[MU_STORE_KEY_MAX];
        uint8_t last[MU_STORE_KEY_MAX];
        uint8_t value[MU_STORE_VALUE_MAX];
        size_t key_len = 0;
        size_t last_len = 0;
        for (;;) {
            size_t len = sizeof value;
            /* The key buffer is where the last key lies: that is allowed. */
            int rc = s->next(s->ctx, (uint8_t)table, mu_bytes(key, key_len),
                             key, &key_len, value, &len);
            if (rc == MU_ERR_NOT_FOUND)
                break;
            if (rc != 0 ||
                !twin_holds(t, (uint8_t)table, mu_bytes(key, key_len),
                            mu_bytes(value, len)) ||
                order(mu_bytes(last, last_len), mu_bytes(key, key_len)) >= 0)
                return false;
            memcpy(last, key, key_len);
            last_len = key_len;
            walked++;
        }
    }
    return walked == t->len && twin_gets(t, s);
}

static struct twin_record record_of(uint8_t table, const char *name, int k,
                                    uint16_t value_len)
{
    struct twin_record r = {.table = table, .fill = (uint8_t)(k + 1),
                            .value_len = value_len,
                            .key_len = (uint8_t)strlen(name)};

    memcpy(r.key, name, r.key_len);
    return r;
}

/* Transaction k: six thousand bytes under one of two keys, an empty value, a
 * key that the next but one deletes, and the number of the transaction. */
static size_t scenario_records(int k, struct twin_record out[4],
                               char gone[8])
{
    char name[8] = "big-0";

    name[4] = (char)('0' + k % 2);
    out[0] = record_of(1, name, k, TWIN_VALUE);
    name[4] = (char)('a' + k % 3);
    out[1] = record_of(2, name, k, 0);
    memcpy(name, "tmp-", 4);
    name[4] = (char)('a' + k);
    out[2] = record_of(2, name, k, 20);
    out[3] = record_of(1, "n", k, 1);
    memcpy(gone, name, 8);
    gone[4] = (char)('a' + k - 2);
    return 4;
}

void scenario_twin(struct twin *t, int k)
{
    t->len = 0;
    for (int i = 0; i < k; i++) {
        struct twin_record records[4];
        char gone[8];
        size_t n = scenario_records(i, records, gone);
        for (size_t j = 0; j < n; j++)
            twin_put(t, &records[j]);
        twin_delete(t, 2, mu_bytes_str(gone));
    }
}

int scenario_where(const struct mu_store *s)
{
    struct twin t;
    uint8_t n[1] = {0};
    size_t len = sizeof n;
    int rc = s->get(s->ctx, 1, mu_bytes_str("n"), n, &len);

    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        return -1;
    scenario_twin(&t, n[0]); /* the last one says so, all have to */
    return twin_same(&t, s) ? n[0] : -1;
}

int scenario_puts(const struct mu_store *s, int k)
{
    struct twin_record records[4];
    uint8_t value[TWIN_VALUE];
    char gone[8];
    size_t n = scenario_records(k, records, gone);

    for (size_t i = 0; i < n; i++) {
        struct mu_bytes v = twin_value(&records[i], value);
        int rc = s->put(s->ctx, records[i].table,
                        mu_bytes(records[i].key, records[i].key_len), v);
        if (rc != 0)
            return rc;
    }
    return s->put(s->ctx, 2, mu_bytes_str(gone), mu_bytes(NULL, 0));
}
