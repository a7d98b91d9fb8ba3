/* SPDX-License-Identifier: Apache-2.0 */
/* The memory store under the contract. */
#include "tests/store/contract.h"

static struct mu_memory *memory;

static int memory_open(const char *path, struct mu_store *store)
{
    (void)path;
    return mu_memory_open(&memory, store);
}

static void memory_close(void)
{
    mu_memory_close(memory);
    memory = NULL;
}

static void memory_fault(uint64_t n, enum fault_mode mode)
{
    (void)mode;
    if (memory != NULL)
        mu_memory_fail(memory, n);
}

static bool memory_fault_hit(void)
{
    return mu_memory_failed(memory);
}

int main(void)
{
    static const struct contract c = {
        .name = "memory",
        .open = memory_open,
        .close = memory_close,
        .fault = memory_fault,
        .fault_hit = memory_fault_hit,
        .scenario_len = 12,
    };

    return contract_run(&c);
}
