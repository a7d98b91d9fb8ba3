/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board, as far as the test programs need one: text, files of the host,
 * an end. All by semihosting (Arm's "Semihosting for AArch32 and AArch64",
 * release 2.0), so it works under qemu and under a debugger, and only there.
 */
#ifndef PORTS_CORTEX_M_BOARD_H
#define PORTS_CORTEX_M_BOARD_H

#include "muster/bytes.h"

void mu_board_print(const char *text);
void mu_board_print_number(const char *before, uint32_t n, const char *after);
_Noreturn void mu_board_exit(int code);

/* A file of the host; negative: it cannot be opened. */
int mu_board_open(const char *name, bool write);
/* MU_ERR_IO unless all of len was read or written. */
MU_MUST int mu_board_read(int file, void *to, size_t len);
MU_MUST int mu_board_write(int file, const void *from, size_t len);

/* Bytes of stack that have been in use at some time since the start. */
size_t mu_board_stack_used(void);

#endif
