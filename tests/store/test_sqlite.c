/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store under the contract. */
#include "tests/store/contract.h"
#include "tests/store/fault_vfs.h"

static struct mu_store_sqlite *sqlite;

static int sqlite_open(const char *path, struct mu_store *store)
{
    return mu_store_sqlite_open(&sqlite, path, store, NULL);
}

static void sqlite_close(void)
{
    mu_store_sqlite_close(sqlite);
    sqlite = NULL;
}

int main(void)
{
    static const struct contract c = {
        .name = "sqlite",
        .durable = true,
        .open = sqlite_open,
        .close = sqlite_close,
        .fault = fault_vfs_arm,
        .fault_hit = fault_vfs_hit,
        .faults_stay = true,
        .scenario_len = 6,
    };

    fault_vfs_install();
    return contract_run(&c);
}
