/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's slow, obvious twin: a list of records, searched end to end. And
 * the scenario that is run under faults: some transactions, so that any state
 * that a store may be found in is "after k of them".
 */
#ifndef TESTS_STORE_TWIN_H
#define TESTS_STORE_TWIN_H

#include "store/store.h"

#define TWIN_RECORDS 64
#define TWIN_KEY 16
#define TWIN_VALUE 6000

struct twin_record {
    uint8_t table;
    uint8_t key[TWIN_KEY];
    uint8_t key_len;
    uint8_t fill; /* every byte of the value */
    uint16_t value_len;
};

struct twin {
    struct twin_record records[TWIN_RECORDS];
    size_t len;
};

void twin_put(struct twin *t, const struct twin_record *r);
void twin_delete(struct twin *t, uint8_t table, struct mu_bytes key);
struct twin_record *twin_find(struct twin *t, uint8_t table,
                              struct mu_bytes key);
struct mu_bytes twin_value(const struct twin_record *r,
                           uint8_t value[TWIN_VALUE]);

/* Transactions of the scenario, up to 20. */
extern int scenario_len;

/* Whether the store holds the same, by get and by walking. */
bool twin_same(struct twin *t, const struct mu_store *s);
/* The twin after the first k transactions of the scenario. */
void scenario_twin(struct twin *t, int k);
/* Which k the store stands at, or -1. */
int scenario_where(const struct mu_store *s);
/* Puts transaction k (from 0), without commit: the first error. */
int scenario_puts(const struct mu_store *s, int k);

#endif
