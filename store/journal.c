/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in one append-only file. The records live in a table in memory;
 * a commit appends its puts and one COMMIT, and is durable with one sync. As
 * the file outgrows what is live in it, it is written anew beside and renamed
 * into place.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/journal_form.h"
#include "store/table.h"

#define COMPACT_MIN 65536 /* bytes: a smaller file is not worth a rewrite */
#define COMPACT_TIMES 4   /* of the bytes that are live */
#define FILE_MAX ((uint64_t)1 << 30) /* bytes: none comes near */

struct mu_journal {
    struct store_table table;
    struct mu_journal_io io;
    char *path;
    int fd;
    uint32_t salt;
    uint64_t end;        /* of what is durable: the next commit goes there */
    uint64_t compact_at; /* bytes of the file */
    bool tail_dirty;     /* there may be bytes behind end */
    bool name_dirty;     /* the file's name may not be durable */
    bool broken;         /* a put or commit failed: until rollback */
    struct mu_writer group; /* the open transaction, in heap memory */
    uint64_t lost;
    uint64_t torn_bytes;
    uint64_t compactions;
};

/* ---- the system's calls ------------------------------------------------ */

static long system_write(void *ctx, int fd, const void *from, size_t len,
                         uint64_t at)
{
    (void)ctx;
    return pwrite(fd, from, len, (off_t)at);
}

static int system_sync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd);
}

static int system_truncate(void *ctx, int fd, uint64_t len)
{
    (void)ctx;
    return ftruncate(fd, (off_t)len);
}

static int system_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to);
}

static int journal_append(struct mu_journal *j, int fd, struct mu_bytes in,
                          uint64_t at)
{
    while (in.len > 0) {
        long n = j->io.write(j->io.ctx, fd, in.data, in.len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return store_io_error();
        if (n == 0 || (size_t)n > in.len)
            return MU_ERR_IO;
        in = mu_bytes(in.data + n, in.len - (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

static int journal_sync(struct mu_journal *j, int fd)
{
    return j->io.sync(j->io.ctx, fd) == 0 ? 0 : store_io_error();
}

/* ---- the open transaction --------------------------------------------- */

static void group_clear(struct mu_journal *j)
{
    if (j->group.len != 0)
        mu_wipe(j->group.data, j->group.len);
    j->group.len = 0;
    j->group.failed = false;
}

static int group_room(struct mu_journal *j, size_t more)
{
    struct mu_writer *w = &j->group;
    size_t cap = w->cap == 0 ? 512 : w->cap;
    uint8_t *data;

    while (cap - w->len < more)
        cap *= 2;
    if (cap == w->cap)
        return 0;
    data = malloc(cap);
    if (data == NULL)
        return MU_ERR_IO;
    mu_copy(data, w->data, w->len);
    if (w->data != NULL)
        mu_wipe(w->data, w->len);
    free(w->data);
    w->data = data;
    w->cap = cap;
    return 0;
}

static int journal_put(void *ctx, uint8_t table, struct mu_bytes key,
                       struct mu_bytes value)
{
    struct mu_journal *j = ctx;
    int rc = store_put_check(key, value);

    if (rc != 0)
        return rc;
    if (value.data == NULL)
        value.len = 0;
    /* Room for the COMMIT too, so that commit itself needs no memory. */
    if (!j->broken &&
        (group_room(j, JOURNAL_HEAD + key.len + value.len +
                           JOURNAL_COMMIT_LEN) != 0 ||
         store_table_put(&j->table, table, key, value) != 0))
        j->broken = true;
    if (j->broken)
        return MU_ERR_IO;
    journal_write(&j->group, j->salt,
                  value.data == NULL ? JOURNAL_DELETE : JOURNAL_PUT, table,
                  key, value);
    return 0;
}

/* Whatever an earlier failure left behind goes before anything is added: it
 * was told to have failed, so it must not come back. */
static int journal_clean(struct mu_journal *j)
{
    if (j->tail_dirty) {
        if (j->io.truncate(j->io.ctx, j->fd, j->end) != 0 ||
            journal_sync(j, j->fd) != 0)
            return MU_ERR_IO;
        j->tail_dirty = false;
    }
    if (j->name_dirty) {
        if (store_file_sync_dir(j->path) != 0)
            return MU_ERR_IO;
        j->name_dirty = false;
    }
    return 0;
}

static int journal_commit_group(struct mu_journal *j)
{
    int rc = journal_clean(j);

    if (rc != 0)
        return rc;
    journal_write_commit(&j->group, j->salt, j->group.len);
    rc = mu_writer_end(&j->group);
    j->tail_dirty = true;
    if (rc == 0)
        rc = journal_append(j, j->fd, mu_written(&j->group), j->end);
    if (rc == 0)
        rc = journal_sync(j, j->fd);
    if (rc != 0)
        return rc;
    j->tail_dirty = false;
    j->end += j->group.len;
    return 0;
}

static int journal_commit(void *ctx)
{
    struct mu_journal *j = ctx;
    int rc;

    if (j->broken)
        return MU_ERR_IO;
    if (j->group.len == 0)
        return 0;
    rc = journal_commit_group(j);
    if (rc != 0) {
        j->broken = true;
        return rc;
    }
    group_clear(j);
    store_table_commit(&j->table);
    if (j->end >= j->compact_at && mu_journal_compact(j) != 0)
        j->compact_at = 2 * j->end; /* no room now: the old one serves on */
    return 0;
}

static void journal_rollback(void *ctx)
{
    struct mu_journal *j = ctx;

    group_clear(j);
    store_table_rollback(&j->table);
    j->broken = false;
    /* At once, so that a crash now finds nothing either. A failure here is met
     * again, and reported, by the next commit. */
    int rc = journal_clean(j);
    (void)rc;
}

static int journal_get(void *ctx, uint8_t table, struct mu_bytes key,
                       uint8_t *value, size_t *len)
{
    const struct mu_journal *j = ctx;

    return store_table_get(&j->table, table, key, value, len);
}

static int journal_next(void *ctx, uint8_t table, struct mu_bytes after,
                        uint8_t *key, size_t *key_len, uint8_t *value,
                        size_t *value_len)
{
    const struct mu_journal *j = ctx;

    return store_table_next(&j->table, table, after, key, key_len, value,
                            value_len);
}

/* ---- writing the file anew --------------------------------------------- */

static void snapshot_write(const struct store_table *t, uint32_t salt,
                           struct mu_writer *w)
{
    const struct table_node *at = NULL;
    struct store_record rec;

    while (store_table_walk(t, &at, &rec))
        journal_write(w, salt, rec.corrupt ? JOURNAL_DAMAGED : JOURNAL_PUT,
                      rec.table, rec.key, rec.value);
}

/* Header and snapshot, whole and durable, in a file beside. */
static int snapshot_file(struct mu_journal *j, const char *path, uint32_t salt,
                         uint64_t *len, int *fd)
{
    const struct store_table *t = &j->table;
    size_t cap = JOURNAL_HEADER +
                 (size_t)(t->records + t->corrupt) * JOURNAL_HEAD +
                 (size_t)t->bytes;
    uint8_t *buffer = malloc(cap);
    struct mu_writer w = mu_writer(buffer, cap);
    const struct journal_header header = {salt, cap - JOURNAL_HEADER};
    int rc;

    if (buffer == NULL)
        return MU_ERR_IO;
    journal_write_header(&w, &header);
    snapshot_write(t, salt, &w);
    rc = mu_writer_end(&w);
    *len = w.len;
    *fd = rc == 0 ? store_file_open(path, O_TRUNC) : -1;
    if (*fd < 0)
        rc = MU_ERR_IO;
    if (rc == 0)
        rc = journal_append(j, *fd, mu_written(&w), 0);
    if (rc == 0)
        rc = journal_sync(j, *fd);
    if (rc == 0)
        rc = store_file_lock(*fd);
    mu_wipe(buffer, cap);
    free(buffer);
    return rc;
}

static uint64_t journal_compact_at(uint64_t len)
{
    uint64_t at = COMPACT_TIMES * len;

    return at < COMPACT_MIN ? COMPACT_MIN : at;
}

static bool journal_draft(const char *path, char draft[PATH_MAX])
{
    int len = snprintf(draft, PATH_MAX, "%s.new", path);

    return len > 0 && len < PATH_MAX;
}

int mu_journal_compact(struct mu_journal *j)
{
    char draft[PATH_MAX];
    uint32_t salt;
    uint64_t len = 0;
    int fd = -1;
    int rc;

    if (j->group.len != 0 || j->broken)
        return MU_ERR_USAGE;
    if (!journal_draft(j->path, draft) ||
        getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return MU_ERR_IO;
    rc = snapshot_file(j, draft, salt, &len, &fd);
    if (rc == 0 && j->io.rename(j->io.ctx, draft, j->path) != 0)
        rc = MU_ERR_IO;
    if (rc != 0) {
        if (fd >= 0) {
            close(fd);
            unlink(draft);
        }
        return rc;
    }
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    j->salt = salt;
    j->end = len;
    j->tail_dirty = false;
    j->compact_at = journal_compact_at(len);
    j->compactions++;
    /* Both files say the same so far; a commit has to wait until the name is
     * that of the new one for sure. */
    j->name_dirty = true;
    return journal_clean(j);
}

/* ---- opening ----------------------------------------------------------- */

/* Opens and locks the file that has this name, even while it is being renamed
 * by another process that then lets go of it. */
static int journal_file(const char *path, int *fd, struct mu_why *why)
{
    for (int tries = 0; tries < 16; tries++) {
        struct stat at_name;
        struct stat opened;
        *fd = store_file_open(path, 0);
        if (*fd < 0)
            break;
        int rc = store_file_lock(*fd);
        if (rc == MU_ERR_BUSY)
            return store_why(why, rc, "%s: another process has it open", path);
        if (rc != 0 || fstat(*fd, &opened) != 0)
            break;
        if (stat(path, &at_name) == 0 && at_name.st_ino == opened.st_ino &&
            at_name.st_dev == opened.st_dev)
            return 0;
        close(*fd);
        *fd = -1;
    }
    return store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
}

static int journal_read_file(struct mu_journal *j, uint8_t **file, size_t *len,
                             struct mu_why *why)
{
    struct stat st;
    long got;

    *file = NULL;
    if (fstat(j->fd, &st) != 0)
        return store_why(why, MU_ERR_IO, "%s: %s", j->path, strerror(errno));
    if ((uint64_t)st.st_size > FILE_MAX)
        return store_why(why, MU_ERR_CORRUPT, "%s: too large for a journal",
                         j->path);
    *len = (size_t)st.st_size;
    *file = malloc(*len + 1);
    got = *file == NULL ? -1 : store_file_read(j->fd, *file, *len, 0);
    if (got < 0 || (size_t)got != *len)
        return store_why(why, MU_ERR_IO, "%s: %s", j->path, strerror(errno));
    return 0;
}

static int journal_start(struct mu_journal *j, struct mu_why *why)
{
    struct journal_load load = {0};
    uint8_t *file = NULL;
    size_t len = 0;
    int rc = journal_file(j->path, &j->fd, why);

    if (rc == 0)
        rc = journal_read_file(j, &file, &len, why);
    if (rc == 0 && len == 0) {
        free(file);
        rc = mu_journal_compact(j); /* a new one: header, nothing else */
        j->compactions = 0;
        return rc == 0 ? 0
                       : store_why(why, rc, "%s: %s", j->path,
                                   strerror(errno));
    }
    if (rc == 0) {
        rc = journal_load(mu_bytes(file, len), &j->table, &load);
        if (rc != 0)
            store_why(why, rc, "%s: %s", j->path,
                      rc == MU_ERR_CORRUPT ? "not a journal, or its head is "
                                             "damaged"
                      : rc == MU_ERR_UNSUPPORTED
                          ? "made by a later version of this program"
                          : "no memory");
    }
    if (file != NULL)
        mu_wipe(file, len);
    free(file);
    if (rc != 0)
        return rc;
    j->salt = load.header.salt;
    j->end = load.end;
    j->lost = load.lost;
    j->torn_bytes = len - load.end;
    j->tail_dirty = load.end != len;
    j->name_dirty = true; /* the process before may not have got so far */
    j->compact_at = journal_compact_at(j->table.bytes);
    rc = journal_clean(j);
    /* Its header counts on more bytes than there are: commits must not fill
     * the gap. */
    if (rc == 0 && load.cut)
        rc = mu_journal_compact(j);
    return rc == 0 ? 0
                   : store_why(why, rc, "%s: %s", j->path, strerror(errno));
}

int mu_journal_open(struct mu_journal **out, const char *path,
                    const struct mu_journal_io *io, struct mu_store *store,
                    struct mu_why *why)
{
    struct mu_journal *j = calloc(1, sizeof *j);
    char draft[PATH_MAX];
    int rc;

    *out = NULL;
    if (j == NULL)
        return store_why(why, MU_ERR_IO, "%s: no memory", path);
    j->fd = -1;
    j->io = io != NULL ? *io
                       : (struct mu_journal_io){NULL, system_write,
                                                system_sync, system_truncate,
                                                system_rename};
    store_table_init(&j->table);
    j->path = strdup(path);
    if (j->path == NULL || !journal_draft(path, draft)) {
        mu_journal_close(j);
        return store_why(why, MU_ERR_USAGE, "%s: path too long", path);
    }
    rc = journal_start(j, why);
    if (rc != 0) {
        mu_journal_close(j);
        return rc;
    }
    unlink(draft); /* of a compaction that a crash cut off */
    *store = (struct mu_store){j,           journal_get,    journal_next,
                               journal_put, journal_commit, journal_rollback};
    *out = j;
    return 0;
}

void mu_journal_close(struct mu_journal *j)
{
    if (j == NULL)
        return;
    store_table_clear(&j->table);
    group_clear(j);
    free(j->group.data);
    if (j->fd >= 0)
        close(j->fd);
    free(j->path);
    free(j);
}

void mu_journal_stats(const struct mu_journal *j, struct mu_journal_stats *out)
{
    *out = (struct mu_journal_stats){
        .records = j->table.records,
        .corrupt = j->table.corrupt,
        .lost = j->lost,
        .torn_bytes = j->torn_bytes,
        .file_bytes = j->end,
        .compactions = j->compactions,
    };
}
