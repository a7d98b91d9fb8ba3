/* SPDX-License-Identifier: Apache-2.0 */
/* Semihosting: a breakpoint that the emulator takes for a call. */
#include "ports/cortex-m/board.h"

#include <string.h>

enum {
    SYS_OPEN = 0x01,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    EXIT_APPLICATION = 0x20026, /* ADP_Stopped_ApplicationExit */
    MODE_RB = 1,
    MODE_WB = 5,
};

static int board_call(int operation, const void *block)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = block;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void mu_board_print(const char *text)
{
    board_call(SYS_WRITE0, text);
}

void mu_board_print_number(const char *before, uint32_t n, const char *after)
{
    char digits[11];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    mu_board_print(before);
    mu_board_print(digits + at);
    mu_board_print(after);
}

void mu_board_exit(int code)
{
    const uint32_t block[2] = {EXIT_APPLICATION, (uint32_t)code};

    for (;;)
        board_call(SYS_EXIT_EXTENDED, block);
}

int mu_board_open(const char *name, bool write)
{
    const uint32_t block[3] = {(uint32_t)name, write ? MODE_WB : MODE_RB,
                               (uint32_t)strlen(name)};

    return board_call(SYS_OPEN, block);
}

/* Read and write return how many bytes they did not do. */
int mu_board_read(int file, void *to, size_t len)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)to, (uint32_t)len};

    return len == 0 || board_call(SYS_READ, block) == 0 ? 0 : MU_ERR_IO;
}

int mu_board_write(int file, const void *from, size_t len)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)from, (uint32_t)len};

    return len == 0 || board_call(SYS_WRITE, block) == 0 ? 0 : MU_ERR_IO;
}
