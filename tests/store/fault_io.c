/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's failing calls. Syncs are counted and left out. */
#include "tests/store/fault_io.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t fault_in;
static enum fault_mode fault_kind;
static bool fault_was;

static bool fault_now(void)
{
    if (fault_in == 0 || --fault_in != 0)
        return false;
    fault_was = true;
    if (fault_kind == FAULT_STAYS)
        fault_in = 1;
    return true;
}

static int fault_end(int error)
{
    if (fault_kind == FAULT_CRASH)
        _exit(FAULT_EXIT);
    errno = error;
    return -1;
}

/* Every write is cut short once, as the system may do; one that fails has
 * done its first half. */
static long fault_write(void *ctx, int fd, const void *from, size_t len,
                        uint64_t at)
{
    size_t half = len / 2;

    (void)ctx;
    if (fault_now()) {
        if (pwrite(fd, from, half, (off_t)at) < 0)
            return -1;
        return fault_end(ENOSPC);
    }
    return pwrite(fd, from, len > 4096 ? half : len, (off_t)at);
}

static int fault_sync(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    return fault_now() ? fault_end(EIO) : 0;
}

static int fault_truncate(void *ctx, int fd, uint64_t len)
{
    (void)ctx;
    return fault_now() ? fault_end(EIO) : ftruncate(fd, (off_t)len);
}

static int fault_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return fault_now() ? fault_end(EIO) : rename(from, to);
}

const struct mu_journal_io fault_io = {
    NULL, fault_write, fault_sync, fault_truncate, fault_rename,
};

void fault_io_arm(uint64_t n, enum fault_mode mode)
{
    fault_in = n;
    fault_kind = mode;
    if (n != 0)
        fault_was = false;
}

bool fault_io_hit(void)
{
    return fault_was;
}
