/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores of the programs: in memory, in SQLite, in a journal; objects in
 * files; the master key. All but `master` fill in a port of the core and stay
 * owners of what is behind it until they are closed.
 *
 * What the port (muster/store.h) leaves open is the same for all three:
 *   - keys have 1 to MU_STORE_KEY_MAX bytes, values up to MU_STORE_VALUE_MAX;
 *     others are MU_ERR_USAGE or MU_ERR_TOO_LARGE, and nothing has changed;
 *   - a get or next whose buffer is too small gives MU_ERR_NO_SPACE and the
 *     length that is needed;
 *   - put and commit give MU_ERR_FULL when the disk has no room, MU_ERR_IO for
 *     other trouble; after either every put and commit fails until rollback:
 *     what a transaction lost cannot be committed by half;
 *   - MU_ERR_CORRUPT from next still gives the key, so that a walk goes on
 *     behind it; a put to that key heals it.
 * One handle is used by one thread. A file is opened by one process at a time:
 * the second gets MU_ERR_BUSY.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "muster/crypto.h"
#include "muster/object.h"
#include "muster/store.h"

/* One line for the operator: what could not be opened, and why. May be NULL
 * wherever it is asked for. */
struct mu_why {
    char text[256];
};

/* ---- in memory: for the simulator and the tests ------------------------- */

struct mu_memory;

MU_MUST int mu_memory_open(struct mu_memory **m, struct mu_store *store);
void mu_memory_close(struct mu_memory *m);
/* The n-th call of get, next, put or commit from now fails once with
 * MU_ERR_IO; 0: none does. */
void mu_memory_fail(struct mu_memory *m, uint64_t n);
bool mu_memory_failed(const struct mu_memory *m); /* since it was to */

/* ---- SQLite: one file, for the server ------------------------------------ */

struct mu_store_sqlite;

/* Makes the file (mode 0600) when it is not there, and reads all of one that
 * is. MU_ERR_BUSY: another process has it; MU_ERR_CORRUPT: not a database, or
 * damaged so that a record may be missing; MU_ERR_UNSUPPORTED: made by a later
 * version; MU_ERR_IO. */
MU_MUST int mu_store_sqlite_open(struct mu_store_sqlite **s, const char *path,
                                 struct mu_store *store, struct mu_why *why);
void mu_store_sqlite_close(struct mu_store_sqlite *s);
/* Records whose value was damaged when it was opened: MU_ERR_CORRUPT. */
uint64_t mu_store_sqlite_damaged(const struct mu_store_sqlite *s);
/* The file grows no larger than this; then put or commit is MU_ERR_FULL. */
MU_MUST int mu_store_sqlite_limit(struct mu_store_sqlite *s, uint64_t bytes);

/* ---- journal: one append-only file, for devices and gateways ------------ */

struct mu_journal;

struct mu_journal_stats {
    uint64_t records;    /* that can be read */
    uint64_t corrupt;    /* keys whose value is damaged: MU_ERR_CORRUPT */
    uint64_t lost;       /* found at open: damaged places whose key cannot be
                            told; the record there may stand at an older value */
    uint64_t torn_bytes; /* found at open: an unfinished commit, cut off */
    uint64_t file_bytes;
    uint64_t compactions; /* since it was opened */
};

/* How a journal touches its files; NULL for the system's calls. The fields
 * behave as pwrite, fdatasync, ftruncate and rename. */
struct mu_journal_io {
    void *ctx;
    long (*write)(void *ctx, int fd, const void *from, size_t len, uint64_t at);
    int (*sync)(void *ctx, int fd);
    int (*truncate)(void *ctx, int fd, uint64_t len);
    int (*rename)(void *ctx, const char *from, const char *to);
};

/* As mu_store_sqlite_open. Damaged records are no error here: see the stats. */
MU_MUST int mu_journal_open(struct mu_journal **j, const char *path,
                            const struct mu_journal_io *io,
                            struct mu_store *store, struct mu_why *why);
void mu_journal_close(struct mu_journal *j);
void mu_journal_stats(const struct mu_journal *j, struct mu_journal_stats *out);
/* Rewrites the file with what is live; happens by itself as the file grows. */
MU_MUST int mu_journal_compact(struct mu_journal *j);

/* ---- objects in files ------------------------------------------------- */

struct mu_file_object;

/* size: capacity in bytes; outside of it is MU_ERR_TOO_LARGE. Makes the file
 * (mode 0600) when it is not there; what was never written reads as zero. */
MU_MUST int mu_file_object_open(struct mu_file_object **f, const char *path,
                                uint64_t size, struct mu_object *object,
                                struct mu_why *why);
void mu_file_object_close(struct mu_file_object *f);

/* ---- the master key ---------------------------------------------------- */

/*
 * Reads the 32 bytes that seal root keys in records; makes the file (mode 0600,
 * durable) when it is not there. MU_ERR_FORBIDDEN when others than the owner
 * may touch it or it belongs to another user, MU_ERR_CORRUPT when it is no key
 * file, MU_ERR_IO.
 */
MU_MUST int mu_master_load(const struct mu_crypto *c, const char *path,
                           struct mu_secret *master, struct mu_why *why);

#endif
