/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of a Cortex-M3: vectors, memory, a painted stack, then main. Its
 * exit code ends the emulator. A real board has its clock set-up here too.
 */
#include "ports/cortex-m/board.h"

#include "muster/assert.h"

/* From the linker script. */
extern uint32_t mu_stack_bottom[];
extern uint32_t mu_stack_top[];
extern const uint32_t mu_data_image[];
extern uint32_t mu_data_start[];
extern uint32_t mu_data_end[];
extern uint32_t mu_bss_start[];
extern uint32_t mu_bss_end[];

void mu_start(void);
int main(void);

enum { FAULT_EXIT = 99, ASSERT_EXIT = 98, PAINT = 0x5ac35ac3 };

size_t mu_board_stack_used(void)
{
    const uint32_t *p = mu_stack_bottom;

    while (p < mu_stack_top && *p == PAINT)
        p++;
    return (size_t)((const uint8_t *)mu_stack_top - (const uint8_t *)p);
}

/* Runs before there is any variable, and must not be made a call of memset. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void
mu_start(void)
{
    const uint32_t *from = mu_data_image;
    uint32_t *here;

    for (uint32_t *to = mu_data_start; to < mu_data_end; to++)
        *to = *from++;
    for (uint32_t *to = mu_bss_start; to < mu_bss_end; to++)
        *to = 0;
    /* Below the frame this function may have. */
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *to = mu_stack_bottom; to < here - 16; to++)
        *to = PAINT;
    mu_board_exit(main());
}

static void start_fault(void)
{
    mu_board_print("fault\n");
    mu_board_exit(FAULT_EXIT);
}

void mu_assert_failed(const char *file, int line)
{
    mu_board_print("assertion does not hold: ");
    mu_board_print(file);
    mu_board_print_number(":", (uint32_t)line, "\n");
    mu_board_exit(ASSERT_EXIT);
}

/* Stack, reset, and the fourteen exceptions (ARMv7-M B1.5.2); no interrupt is
 * ever enabled. */
typedef void start_vector(void);

static const union {
    uint32_t *stack;
    start_vector *code;
} start_vectors[16] __attribute__((section(".vectors"), used)) = {
    [0] = {.stack = mu_stack_top}, [1] = {.code = mu_start},
    [2] = {.code = start_fault},   [3] = {.code = start_fault},
    [4] = {.code = start_fault},   [5] = {.code = start_fault},
    [6] = {.code = start_fault},   [11] = {.code = start_fault},
    [12] = {.code = start_fault},  [14] = {.code = start_fault},
    [15] = {.code = start_fault},
};
