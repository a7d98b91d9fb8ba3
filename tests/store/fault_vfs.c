/* SPDX-License-Identifier: Apache-2.0 */
/* The failing layer under SQLite. */
#include "tests/store/fault_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct, in the same block */
};

static sqlite3_vfs *real_vfs;
static uint64_t fault_in;
static enum fault_mode fault_kind;
static bool fault_was;
static unsigned unsynced; /* writes since the last sync */

/* Whether this call is to fail. */
static bool fault_now(void)
{
    if (fault_in == 0 || --fault_in != 0)
        return false;
    fault_was = true;
    if (fault_kind == FAULT_STAYS)
        fault_in = 1;
    return true;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)(void *)file)->real;
}

static int fault_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int fault_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), to, len, at);
}

/* A write that fails or is cut off has done its first half. */
static int fault_write(sqlite3_file *file, const void *from, int len,
                       sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);

    if (fault_now()) {
        real->pMethods->xWrite(real, from, len / 2, at);
        if (fault_kind == FAULT_CRASH)
            _exit(FAULT_EXIT);
        return SQLITE_FULL;
    }
    unsynced++;
    return real->pMethods->xWrite(real, from, len, at);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    if (fault_now()) {
        if (fault_kind == FAULT_CRASH)
            _exit(FAULT_EXIT);
        return SQLITE_IOERR_TRUNCATE;
    }
    return real_of(file)->pMethods->xTruncate(real_of(file), len);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    if (!fault_now()) {
        unsynced = 0;
        return SQLITE_OK;
    }
    if (fault_kind == FAULT_CRASH)
        _exit(FAULT_EXIT);
    return SQLITE_IOERR_FSYNC;
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int fault_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int fault_check_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* Version 1: without shared memory, which exclusive locking does not need. */
static const sqlite3_io_methods fault_methods = {
    .iVersion = 1,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_traits,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                      int flags, int *out_flags)
{
    struct fault_file *f = (struct fault_file *)(void *)file;
    int rc;

    (void)vfs;
    f->real = (sqlite3_file *)(void *)(f + 1);
    rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
    f->base.pMethods = f->real->pMethods != NULL ? &fault_methods : NULL;
    return rc;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    if (fault_now()) {
        if (fault_kind == FAULT_CRASH)
            _exit(FAULT_EXIT);
        return SQLITE_IOERR_DELETE;
    }
    return real_vfs->xDelete(real_vfs, name, sync_dir);
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;

    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.szOsFile = (int)sizeof(struct fault_file) + real_vfs->szOsFile;
    vfs.zName = "fault";
    vfs.xOpen = fault_open;
    vfs.xDelete = fault_delete;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

void fault_vfs_arm(uint64_t n, enum fault_mode mode)
{
    fault_in = n;
    fault_kind = mode;
    if (n != 0)
        fault_was = false;
}

bool fault_vfs_hit(void)
{
    return fault_was;
}

unsigned fault_vfs_unsynced(void)
{
    return unsynced;
}
