/* SPDX-License-Identifier: Apache-2.0 */
/* The journal under the contract. */
#include "tests/store/contract.h"
#include "tests/store/fault_io.h"

static struct mu_journal *journal;

static int journal_open(const char *path, struct mu_store *store)
{
    return mu_journal_open(&journal, path, &fault_io, store, NULL);
}

static void journal_close(void)
{
    mu_journal_close(journal);
    journal = NULL;
}

int main(void)
{
    static const struct contract c = {
        .name = "journal",
        .durable = true,
        .open = journal_open,
        .close = journal_close,
        .fault = fault_io_arm,
        .fault_hit = fault_io_hit,
        .faults_stay = true,
        .scenario_len = 12, /* enough bytes for a compaction */
    };

    return contract_run(&c);
}
