/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's calls, made to fail or to end the process at the n-th. */
#ifndef TESTS_STORE_FAULT_IO_H
#define TESTS_STORE_FAULT_IO_H

#include "tests/store/contract.h"

extern const struct mu_journal_io fault_io;

void fault_io_arm(uint64_t n, enum fault_mode mode);
bool fault_io_hit(void);

#endif
