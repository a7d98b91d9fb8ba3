/* SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

/* Rounded up, so that no two rooms share a page. */
static size_t room_round(size_t len)
{
    return (len + HUGE - 1) & ~(HUGE - 1);
}

void *sim_room_new(size_t len)
{
    size_t want = room_round(len);
    uint8_t *at = mmap(NULL, want + HUGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before;

    if (at == MAP_FAILED)
        abort();
    before = (HUGE - (uintptr_t)at % HUGE) % HUGE;
    if (before > 0)
        (void)munmap(at, before);
    (void)munmap(at + before + want, HUGE - before);
    /* A system without them does it in small ones. */
    (void)madvise(at + before, want, MADV_HUGEPAGE);
    return at + before;
}

void sim_room_del(void *room, size_t len)
{
    if (room != NULL)
        (void)munmap(room, room_round(len));
}
