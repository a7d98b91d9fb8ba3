/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store has to do, run on each of them: meaning, order, reading
 * one's own writes, all or nothing, a fault at each n-th call, a crash at each
 * n-th write. A back end says how it is opened and how it is made to fail.
 */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "store/store.h"

enum fault_mode {
    FAULT_ONCE,  /* the n-th call fails, those behind it do not */
    FAULT_STAYS, /* from the n-th on all fail, as on a full disk */
    FAULT_CRASH, /* the process ends in the middle of the n-th */
};

#define FAULT_EXIT 77 /* exit code of a process that a fault ended */

struct contract {
    const char *name;
    bool durable; /* what is committed is there when it is opened again */
    /* Opens (what is at) path and fills in store. */
    int (*open)(const char *path, struct mu_store *store);
    void (*close)(void);
    /* Arms the n-th call that touches what is durable; 0 disarms. */
    void (*fault)(uint64_t n, enum fault_mode mode);
    bool (*fault_hit)(void); /* since it was armed */
    bool faults_stay;        /* FAULT_STAYS can be had */
    int scenario_len;        /* transactions that are run under each fault */
};

/* Runs the suite; the exit code of the program. */
int contract_run(const struct contract *c);

/* A folder of this process for files, and paths in it (in a static ring of
 * four). scratch_clean empties and removes it. */
const char *scratch_path(const char *name);
void scratch_empty(void);
void scratch_clean(void);

#endif
