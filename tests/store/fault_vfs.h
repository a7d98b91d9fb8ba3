/* SPDX-License-Identifier: Apache-2.0 */
/* A layer under SQLite that fails, or ends the process, at the n-th call that
 * changes a file. Syncs are counted and left out: a process that ends loses
 * nothing that it has written. */
#ifndef TESTS_STORE_FAULT_VFS_H
#define TESTS_STORE_FAULT_VFS_H

#include "tests/store/contract.h"

/* From now on SQLite uses it. */
void fault_vfs_install(void);
void fault_vfs_arm(uint64_t n, enum fault_mode mode);
bool fault_vfs_hit(void);
unsigned fault_vfs_unsynced(void); /* writes since the last sync */

#endif
