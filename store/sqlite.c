/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in one SQLite file, write-ahead log, synced at every commit. One
 * table of records, each with a checksum of its own: a flipped bit in a value
 * costs that value, and is told. A flipped bit in a key, or in what holds the
 * rows together, could make a record that is there look like one that never was:
 * so all of the file is read when it is opened, and not opened then.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/file.h"
#include "store/table.h" /* store_put_check */

#define BUSY_TIMEOUT_MS 500 /* a process that is just ending lets go in time */

/* Schema versions: entry n leads from version n to n + 1. Never changed once
 * released, only added to. */
static const char *const sqlite_migrations[] = {
    "CREATE TABLE records (tab INTEGER NOT NULL, key BLOB NOT NULL,"
    " value BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (tab, key))"
    " WITHOUT ROWID;",
};
#define SQLITE_VERSION_NOW                                                     \
    ((int)(sizeof sqlite_migrations / sizeof sqlite_migrations[0]))
#define SQLITE_APPLICATION_ID 0x4d555354 /* "MUST", in the file's header */

enum sqlite_query {
    QUERY_GET,
    QUERY_NEXT,
    QUERY_PUT,
    QUERY_DELETE,
    QUERY_BEGIN,
    QUERY_COMMIT,
    QUERY_COUNT,
};

static const char *const sqlite_queries[QUERY_COUNT] = {
    [QUERY_GET] = "SELECT key, value, crc FROM records"
                  " WHERE tab = ?1 AND key = ?2",
    [QUERY_NEXT] = "SELECT key, value, crc FROM records"
                   " WHERE tab = ?1 AND key > ?2 ORDER BY key LIMIT 1",
    [QUERY_PUT] = "INSERT OR REPLACE INTO records (tab, key, value, crc)"
                  " VALUES (?1, ?2, ?3, ?4)",
    [QUERY_DELETE] = "DELETE FROM records WHERE tab = ?1 AND key = ?2",
    [QUERY_BEGIN] = "BEGIN IMMEDIATE",
    [QUERY_COMMIT] = "COMMIT",
};

struct mu_store_sqlite {
    sqlite3 *db;
    sqlite3_stmt *queries[QUERY_COUNT];
    bool open;   /* a transaction is */
    int broken;  /* why a put or commit failed: until rollback */
    uint64_t damaged; /* values, found at open */
};

static int sqlite_error(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return MU_ERR_CORRUPT;
    case SQLITE_FULL:
        return MU_ERR_FULL;
    default:
        return MU_ERR_IO;
    }
}

/* Where a record is, and behind it all of it: so that one can tell a value that
 * is damaged from a place that is. */
static int64_t record_crc(uint8_t table, struct mu_bytes key,
                          struct mu_bytes value)
{
    const uint8_t head[2] = {table, (uint8_t)key.len};
    uint32_t place = store_crc(store_crc(0, MU_BYTES(head)), key);

    return (int64_t)((uint64_t)place << 32 | store_crc(place, value));
}

static int sqlite_bind(sqlite3_stmt *q, int at, struct mu_bytes in)
{
    /* A null pointer would bind NULL instead of no bytes. */
    return sqlite3_bind_blob(q, at, in.len == 0 ? "" : (const void *)in.data,
                             (int)in.len, SQLITE_STATIC);
}

static sqlite3_stmt *sqlite_start(struct mu_store_sqlite *s,
                                  enum sqlite_query query, uint8_t table,
                                  struct mu_bytes key)
{
    sqlite3_stmt *q = s->queries[query];

    /* Binding a place that is there, with no copy, cannot fail. */
    sqlite3_bind_int(q, 1, table);
    sqlite_bind(q, 2, key);
    return q;
}

static int sqlite_finish(sqlite3_stmt *q, int rc)
{
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return rc;
}

static struct mu_bytes sqlite_blob(sqlite3_stmt *q, int at)
{
    const void *blob = sqlite3_column_blob(q, at);

    return mu_bytes(blob, (size_t)sqlite3_column_bytes(q, at));
}

/* The value of the row that the query stands on. */
static int sqlite_value(sqlite3_stmt *q, uint8_t table, struct mu_bytes key,
                        uint8_t *value, size_t *len)
{
    const struct mu_bytes found = sqlite_blob(q, 1);
    size_t room = *len;

    *len = 0;
    if (sqlite3_column_int64(q, 2) != record_crc(table, key, found) ||
        found.len > MU_STORE_VALUE_MAX)
        return MU_ERR_CORRUPT;
    *len = found.len;
    if (found.len > room)
        return MU_ERR_NO_SPACE;
    mu_copy(value, found.data, found.len);
    return 0;
}

static int sqlite_get(void *ctx, uint8_t table, struct mu_bytes key,
                      uint8_t *value, size_t *len)
{
    struct mu_store_sqlite *s = ctx;
    sqlite3_stmt *q = sqlite_start(s, QUERY_GET, table, key);
    int code = sqlite3_step(q);
    int rc = sqlite_error(code);

    if (code == SQLITE_ROW)
        return sqlite_finish(q, sqlite_value(q, table, key, value, len));
    *len = 0;
    return sqlite_finish(q, rc != 0 ? rc : MU_ERR_NOT_FOUND);
}

static int sqlite_next(void *ctx, uint8_t table, struct mu_bytes after,
                       uint8_t *key, size_t *key_len, uint8_t *value,
                       size_t *value_len)
{
    struct mu_store_sqlite *s = ctx;
    sqlite3_stmt *q = sqlite_start(s, QUERY_NEXT, table, after);
    int code = sqlite3_step(q);
    int rc = sqlite_error(code);

    *key_len = 0;
    if (code == SQLITE_ROW) {
        const struct mu_bytes found = sqlite_blob(q, 0);

        /* A key that no put ever took: there is no walking on behind it. */
        if (found.len == 0 || found.len > MU_STORE_KEY_MAX)
            return sqlite_finish(q, MU_ERR_IO);
        mu_copy(key, found.data, found.len);
        *key_len = found.len;
        return sqlite_finish(
            q, sqlite_value(q, table, found, value, value_len));
    }
    *value_len = 0;
    /* MU_ERR_CORRUPT promises a key to go on behind; a bad page has none. */
    return sqlite_finish(q, rc != 0 ? MU_ERR_IO : MU_ERR_NOT_FOUND);
}

/* One step of a query that gives no rows, in a transaction. A failure may have
 * rolled the transaction back behind our back (SQLite does so when the disk is
 * full): from now on nothing is taken until rollback. */
static int sqlite_do(struct mu_store_sqlite *s, sqlite3_stmt *q)
{
    int rc = sqlite_error(sqlite3_step(q));

    sqlite_finish(q, 0);
    if (rc != 0)
        s->broken = rc;
    return rc;
}

static int sqlite_put(void *ctx, uint8_t table, struct mu_bytes key,
                      struct mu_bytes value)
{
    struct mu_store_sqlite *s = ctx;
    sqlite3_stmt *q;
    int rc = store_put_check(key, value);

    if (rc != 0)
        return rc;
    if (s->broken != 0)
        return s->broken;
    if (!s->open) {
        rc = sqlite_do(s, s->queries[QUERY_BEGIN]);
        if (rc != 0)
            return rc;
        s->open = true;
    }
    q = sqlite_start(s, value.data == NULL ? QUERY_DELETE : QUERY_PUT, table,
                     key);
    if (value.data != NULL) {
        sqlite_bind(q, 3, value);
        sqlite3_bind_int64(q, 4, record_crc(table, key, value));
    }
    return sqlite_do(s, q);
}

static int sqlite_commit(void *ctx)
{
    struct mu_store_sqlite *s = ctx;
    int rc;

    if (s->broken != 0)
        return s->broken;
    if (!s->open)
        return 0;
    rc = sqlite_do(s, s->queries[QUERY_COMMIT]);
    if (rc == 0)
        s->open = false;
    return rc;
}

static void sqlite_rollback(void *ctx)
{
    struct mu_store_sqlite *s = ctx;

    /* Where SQLite has rolled back already this says so, and no more. */
    if (s->open && sqlite3_get_autocommit(s->db) == 0)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->open = sqlite3_get_autocommit(s->db) == 0;
    s->broken = s->open ? MU_ERR_IO : 0;
}

static int sqlite_exec(struct mu_store_sqlite *s, const char *sql,
                       const char *path, struct mu_why *why)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    int rc = sqlite_error(code);

    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        return store_why(why, MU_ERR_BUSY, "%s: another process has it open",
                         path);
    if (rc != 0)
        return store_why(why, rc, "%s: %s", path, sqlite3_errmsg(s->db));
    return 0;
}

static int64_t sqlite_number(struct mu_store_sqlite *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        number = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return number;
}

/* Brings the schema up to date, in one transaction. */
static int sqlite_migrate(struct mu_store_sqlite *s, const char *path,
                          struct mu_why *why)
{
    int64_t id = sqlite_number(s, "PRAGMA application_id");
    int64_t version = sqlite_number(s, "PRAGMA user_version");
    int64_t tables = sqlite_number(s, "SELECT count(*) FROM sqlite_master");
    char *sql;
    int rc;

    if (id < 0 || version < 0 || tables < 0)
        return store_why(why, MU_ERR_CORRUPT, "%s: %s", path,
                         sqlite3_errmsg(s->db));
    if (id != SQLITE_APPLICATION_ID && tables != 0)
        return store_why(why, MU_ERR_CORRUPT,
                         "%s: a database, but not one of Muster", path);
    if (version > SQLITE_VERSION_NOW)
        return store_why(why, MU_ERR_UNSUPPORTED,
                         "%s: schema version %lld, this program knows %d: "
                         "use the later program",
                         path, (long long)version, SQLITE_VERSION_NOW);
    rc = sqlite_exec(s, "BEGIN EXCLUSIVE", path, why);
    for (; rc == 0 && version < SQLITE_VERSION_NOW; version++)
        rc = sqlite_exec(s, sqlite_migrations[version], path, why);
    if (rc != 0)
        return rc;
    sql = sqlite3_mprintf("PRAGMA application_id = %d;"
                          "PRAGMA user_version = %d; COMMIT",
                          SQLITE_APPLICATION_ID, SQLITE_VERSION_NOW);
    rc = sql == NULL ? store_why(why, MU_ERR_IO, "%s: no memory", path)
                     : sqlite_exec(s, sql, path, why);
    sqlite3_free(sql);
    return rc;
}

/* A damaged value is the business of who asks for it, and counted. */
static bool sqlite_row_placed(struct mu_store_sqlite *s, sqlite3_stmt *q)
{
    const struct mu_bytes key = sqlite_blob(q, 0);
    int64_t crc = sqlite3_column_int64(q, 2), table = sqlite3_column_int64(q, 3);
    int64_t right;

    if (table < 0 || table > UINT8_MAX || key.len == 0 ||
        key.len > MU_STORE_KEY_MAX)
        return false;
    right = record_crc((uint8_t)table, key, sqlite_blob(q, 1));
    s->damaged += right != crc;
    return (uint64_t)right >> 32 == (uint64_t)crc >> 32;
}

static int sqlite_check_rows(struct mu_store_sqlite *s, const char *path,
                             struct mu_why *why)
{
    sqlite3_stmt *q = NULL;
    int rc = 0;
    int code = sqlite3_prepare_v2(s->db, "SELECT key, value, crc, tab FROM records",
                                  -1, &q, NULL);

    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(q);
        if (code != SQLITE_ROW || sqlite_row_placed(s, q))
            continue;
        rc = store_why(why, MU_ERR_CORRUPT,
                       "%s: damaged: a record whose key cannot be read", path);
        break;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = store_why(why, sqlite_error(code), "%s: %s", path,
                       sqlite3_errmsg(s->db));
    sqlite3_finalize(q);
    return rc;
}

/* That no record is missing. */
static int sqlite_check(struct mu_store_sqlite *s, const char *path,
                        struct mu_why *why)
{
    sqlite3_stmt *q = NULL;
    const char *said = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL) ==
            SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(q, 0);
    if (said == NULL || strcmp(said, "ok") != 0)
        rc = store_why(why, MU_ERR_CORRUPT, "%s: damaged: %s", path,
                       said == NULL ? sqlite3_errmsg(s->db) : said);
    sqlite3_finalize(q);
    return rc == 0 ? sqlite_check_rows(s, path, why) : rc;
}

static int sqlite_prepare(struct mu_store_sqlite *s, const char *path,
                          struct mu_why *why)
{
    for (int i = 0; i < QUERY_COUNT; i++) {
        int code = sqlite3_prepare_v3(s->db, sqlite_queries[i], -1,
                                      SQLITE_PREPARE_PERSISTENT,
                                      &s->queries[i], NULL);
        if (code != SQLITE_OK)
            return store_why(why, sqlite_error(code), "%s: %s", path,
                             sqlite3_errmsg(s->db));
    }
    return 0;
}

/* The file itself, so that it never has another mode than 0600, not for a
 * moment; SQLite gives its log the mode of the file. */
static int sqlite_file(const char *path, struct mu_why *why)
{
    int fd = store_file_open(path, 0);
    int rc = 0;

    if (fd < 0 || store_file_sync_dir(path) != 0)
        rc = store_why(why, MU_ERR_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

int mu_store_sqlite_open(struct mu_store_sqlite **out, const char *path,
                         struct mu_store *store, struct mu_why *why)
{
    /* Exclusive: two servers on one file would each trust their own memory. */
    static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA cell_size_check = ON;"
                                   "PRAGMA trusted_schema = OFF";
    struct mu_store_sqlite *s = calloc(1, sizeof *s);
    int rc;

    *out = NULL;
    if (s == NULL)
        return store_why(why, MU_ERR_IO, "%s: no memory", path);
    rc = sqlite_file(path, why);
    if (rc == 0 &&
        sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        rc = store_why(why, MU_ERR_IO, "%s: %s", path,
                       s->db == NULL ? "no memory" : sqlite3_errmsg(s->db));
    if (rc == 0) {
        sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
        rc = sqlite_exec(s, settings, path, why);
    }
    if (rc == 0)
        rc = sqlite_migrate(s, path, why);
    if (rc == 0)
        rc = sqlite_check(s, path, why);
    if (rc == 0)
        rc = sqlite_prepare(s, path, why);
    if (rc != 0) {
        mu_store_sqlite_close(s);
        return rc;
    }
    *store = (struct mu_store){s,          sqlite_get,    sqlite_next,
                               sqlite_put, sqlite_commit, sqlite_rollback};
    *out = s;
    return 0;
}

void mu_store_sqlite_close(struct mu_store_sqlite *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < QUERY_COUNT; i++)
        sqlite3_finalize(s->queries[i]);
    sqlite3_close(s->db);
    free(s);
}

uint64_t mu_store_sqlite_damaged(const struct mu_store_sqlite *s)
{
    return s->damaged;
}

int mu_store_sqlite_limit(struct mu_store_sqlite *s, uint64_t bytes)
{
    int64_t page = sqlite_number(s, "PRAGMA page_size");
    char *sql;
    int rc;

    if (page <= 0 || bytes / (uint64_t)page > INT32_MAX)
        return MU_ERR_USAGE;
    sql = sqlite3_mprintf("PRAGMA max_page_count = %d",
                          (int)(bytes / (uint64_t)page));
    if (sql == NULL)
        return MU_ERR_IO;
    rc = sqlite_error(sqlite3_exec(s->db, sql, NULL, NULL, NULL));
    sqlite3_free(sql);
    return rc;
}
