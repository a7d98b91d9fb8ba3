/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that are damaged, foreign, of a later version, taken, too full. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "tests/store/contract.h"
#include "tests/store/fault_vfs.h"

static struct mu_store_sqlite *database;
static struct mu_store store;
static struct mu_why why;

static const char *path(void)
{
    return scratch_path("db");
}

static int open_it(void)
{
    why.text[0] = 0;
    return mu_store_sqlite_open(&database, path(), &store, &why);
}

static void close_it(void)
{
    mu_store_sqlite_close(database);
    database = NULL;
}

/* Behind the store's back. */
static void raw(const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open_v2(path(), &db,
                                     SQLITE_OPEN_READWRITE |
                                         SQLITE_OPEN_CREATE,
                                     "unix"),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int put(const char *key, const char *value)
{
    return store.put(store.ctx, 1, mu_bytes_str(key), mu_bytes_str(value));
}

static int get(const char *key, char value[64])
{
    size_t len = 63;
    int rc = store.get(store.ctx, 1, mu_bytes_str(key), (uint8_t *)value,
                       &len);

    value[rc == 0 ? len : 0] = 0;
    return rc;
}

static void make(void)
{
    scratch_empty();
    assert_int_equal(open_it(), 0);
    assert_int_equal(put("a", "value a"), 0);
    assert_int_equal(put("b", "value b"), 0);
    assert_int_equal(put("c", "value c"), 0);
    assert_int_equal(store.commit(store.ctx), 0);
    close_it();
}

/* Each way in which a row can be wrong; the two others are as they were. */
static void test_damaged_record(void **state)
{
    static const char *const damages[] = {
        "UPDATE records SET value = x'76616c75652078' WHERE key = x'62'",
        "UPDATE records SET crc = crc + 1 WHERE key = x'62'",
        "UPDATE records SET value = substr(value, 2) WHERE key = x'62'",
        "UPDATE records SET value = zeroblob(8193) WHERE key = x'62'",
        "UPDATE records SET value = 'value b' || 'x' WHERE key = x'62'",
        "UPDATE records SET value = x'' WHERE key = x'62'",
        /* the value of another record, its checksum with it */
        "UPDATE records SET value = (SELECT value FROM records WHERE key ="
        " x'61'), crc = (crc & ~0xffffffff) | (SELECT crc & 0xffffffff FROM"
        " records WHERE key = x'61') WHERE key = x'62'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t key[MU_STORE_KEY_MAX];
        uint8_t value[64];
        size_t key_len = 0;
        char got[64];
        make();
        raw(damages[i]);
        assert_int_equal(open_it(), 0);
        assert_int_equal(mu_store_sqlite_damaged(database), 1);
        assert_int_equal(get("b", got), MU_ERR_CORRUPT);
        assert_int_equal(get("a", got), 0);
        assert_string_equal(got, "value a");
        for (int n = 0; n < 4; n++) {
            size_t value_len = sizeof value;
            int rc = store.next(store.ctx, 1, mu_bytes(key, key_len), key,
                                &key_len, value, &value_len);
            const int want[] = {0, MU_ERR_CORRUPT, 0, MU_ERR_NOT_FOUND};
            assert_int_equal(rc, want[n]);
            if (n < 3)
                assert_int_equal(key[0], 'a' + n);
        }
        assert_int_equal(put("b", "healed"), 0);
        assert_int_equal(store.commit(store.ctx), 0);
        assert_int_equal(get("b", got), 0);
        close_it();
    }
}

/* Whose value it is cannot be told. */
static void test_damaged_place(void **state)
{
    static const char *const damages[] = {
        "UPDATE records SET key = x'64' WHERE key = x'62'",
        "UPDATE records SET tab = 2 WHERE key = x'62'",
        "UPDATE records SET tab = 257 WHERE key = x'62'",
        "UPDATE records SET key = zeroblob(100) WHERE key = x'62'",
        "UPDATE records SET key = x'' WHERE key = x'62'",
        "UPDATE records SET crc = crc & 0xffffffff WHERE key = x'62'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        make();
        raw(damages[i]);
        assert_int_equal(open_it(), MU_ERR_CORRUPT);
        assert_non_null(strstr(why.text, path()));
        assert_non_null(strstr(why.text, "key cannot be read"));
    }
}

static void test_not_ours(void **state)
{
    FILE *f;
    const char text[] = "No database, but a text that is longer than the "
                        "head of one would be, and then some more of it. "
                        "It has to stay as it is.";
    char after[sizeof text];

    (void)state;
    scratch_empty();
    f = fopen(path(), "wb");
    assert_non_null(f);
    fwrite(text, 1, sizeof text, f);
    fclose(f);
    assert_int_equal(open_it(), MU_ERR_CORRUPT);
    assert_null(database);
    assert_non_null(strstr(why.text, path()));
    f = fopen(path(), "rb");
    assert_non_null(f);
    assert_int_equal(fread(after, 1, sizeof after, f), sizeof text);
    fclose(f);
    assert_memory_equal(text, after, sizeof text);

    scratch_empty();
    raw("CREATE TABLE somebody (x)");
    assert_int_equal(open_it(), MU_ERR_CORRUPT);
    assert_non_null(strstr(why.text, "not one of Muster"));
    raw("INSERT INTO somebody VALUES (1)"); /* it is still theirs */
}

static void test_versions(void **state)
{
    char got[64];

    (void)state;
    make();
    raw("PRAGMA user_version = 99");
    assert_int_equal(open_it(), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "99"));
    raw("PRAGMA user_version = 1");
    assert_int_equal(open_it(), 0); /* nothing was done to it meanwhile */
    assert_int_equal(get("c", got), 0);
    close_it();
}

/* Everything is there, or told of; nothing is another thing than it was. */
static bool rows_told(unsigned rows)
{
    bool harmless = true;
    for (unsigned i = 0; i < rows; i++) {
        char name[16], want[64], got[64];
        snprintf(name, sizeof name, "k%u", i);
        snprintf(want, sizeof want, "value %u of some length, repeated", i);
        int rc = get(name, got);
        if (rc != MU_ERR_CORRUPT && rc != MU_ERR_IO) {
            assert_int_equal(rc, 0);
            assert_string_equal(got, want);
        }
        harmless = harmless && rc == 0;
    }
    return harmless;
}

/* A bit of the file turned, here and there in all of it: the file is not opened,
 * and named; or a value is damaged, and told; or nothing has happened. Never is
 * a record taken for one that was never there. */
static void test_any_byte(void **state)
{
    enum { ROWS = 300, STEP = 64 };
    static uint8_t file[256 * 1024];
    unsigned refused = 0, told = 0, harmless = 0;

    (void)state;
    scratch_empty();
    assert_int_equal(open_it(), 0);
    for (unsigned i = 0; i < ROWS; i++) {
        char name[16], value[64];
        snprintf(name, sizeof name, "k%u", i);
        snprintf(value, sizeof value, "value %u of some length, repeated", i);
        assert_int_equal(put(name, value), 0);
    }
    assert_int_equal(store.commit(store.ctx), 0);
    close_it();
    FILE *f = fopen(path(), "rb");
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_in_range(len, 4 * 4096, sizeof file - 1);
    /* every byte of the heads of the file and its pages */
    for (size_t at = 0; at < len;
         at += at < 100 || at % 4096 < 40 ? 1 : STEP - at % STEP) {
        file[at] ^= (uint8_t)(1u << at % 8);
        scratch_empty();
        f = fopen(path(), "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(file, 1, len, f), len);
        fclose(f);
        file[at] ^= (uint8_t)(1u << at % 8);
        if (open_it() != 0) {
            assert_non_null(strstr(why.text, path()));
            refused++;
            continue;
        }
        bool whole = rows_told(ROWS);
        harmless += whole;
        told += !whole;
        assert_true(whole == (mu_store_sqlite_damaged(database) == 0));
        close_it();
    }
    assert_true(refused > 50 && told > 50 && harmless > 10);
}

/* A page of the file overwritten: told, never a wrong value. */
static void test_damaged_page(void **state)
{
    char got[64];
    char name[16];
    FILE *f;
    int wrong = 0;

    (void)state;
    scratch_empty();
    assert_int_equal(open_it(), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(put(name, "some value of some length, repeated"), 0);
    }
    assert_int_equal(store.commit(store.ctx), 0);
    close_it();
    f = fopen(path(), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 3 * 4096, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++)
        fputc(i * 7 & 0xff, f);
    fclose(f);
    if (open_it() != 0)
        return; /* told at once */
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "k%d", i);
        int rc = get(name, got);
        wrong += rc != 0;
        if (rc == 0)
            assert_string_equal(got, "some value of some length, repeated");
    }
    assert_true(wrong > 0);
    uint8_t key[MU_STORE_KEY_MAX];
    size_t key_len = 0;
    int rc = 0;
    for (int i = 0; i < 2000 && (rc == 0 || rc == MU_ERR_CORRUPT); i++) {
        size_t len = sizeof got;
        rc = store.next(store.ctx, 1, mu_bytes(key, key_len), key, &key_len,
                        (uint8_t *)got, &len);
        if (rc == MU_ERR_CORRUPT)
            assert_true(key_len > 0); /* a walk always gets on */
    }
    assert_true(rc == MU_ERR_NOT_FOUND || rc == MU_ERR_IO);
    close_it();
}

static void test_synced(void **state)
{
    (void)state;
    make();
    assert_int_equal(open_it(), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(put("a", "again"), 0);
        assert_int_equal(store.commit(store.ctx), 0);
        assert_int_equal(fault_vfs_unsynced(), 0);
    }
    close_it();
}

static void test_one_process(void **state)
{
    int status = 0;
    pid_t pid;

    (void)state;
    make();
    assert_int_equal(open_it(), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct mu_store_sqlite *second;
        int rc = mu_store_sqlite_open(&second, path(), &store, &why);
        _exit(rc == MU_ERR_BUSY && second == NULL &&
                      strstr(why.text, "another process") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close_it();
}

static void test_modes(void **state)
{
    const char *const suffixes[] = {"", "-wal"};
    struct stat st;
    mode_t mask = umask(0);

    (void)state;
    scratch_empty();
    assert_int_equal(open_it(), 0);
    assert_int_equal(put("a", "x"), 0);
    assert_int_equal(store.commit(store.ctx), 0);
    for (size_t i = 0; i < 2; i++) {
        char file[600];
        snprintf(file, sizeof file, "%s%s", path(), suffixes[i]);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    umask(mask);
    close_it();
    assert_int_equal(chmod(path(), 0666), 0);
    assert_int_equal(open_it(), 0);
    assert_int_equal(stat(path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close_it();
    assert_int_equal(mu_store_sqlite_open(&database, scratch_path("no/db"),
                                          &store, &why),
                     MU_ERR_IO);
    assert_non_null(strstr(why.text, "No such file"));
}

/* A file that may not grow: what does not fit is refused whole, what is there
 * stays, and room brings it back. */
static void test_full(void **state)
{
    uint8_t big[MU_STORE_VALUE_MAX] = {1};
    char name[16];
    char got[64];
    int in = 0;
    int rc = 0;

    (void)state;
    make();
    assert_int_equal(open_it(), 0);
    assert_int_equal(mu_store_sqlite_limit(database, 100000), 0);
    for (int i = 0; i < 40 && rc == 0; i++) {
        snprintf(name, sizeof name, "big%d", i);
        rc = put("before", name);
        if (rc == 0)
            rc = store.put(store.ctx, 1, mu_bytes_str(name), MU_BYTES(big));
        int committed = store.commit(store.ctx);
        assert_int_equal(committed, rc);
        in += rc == 0;
    }
    assert_int_equal(rc, MU_ERR_FULL);
    assert_in_range(in, 3, 20);
    store.rollback(store.ctx);
    snprintf(name, sizeof name, "big%d", in - 1);
    assert_int_equal(get("before", got), 0);
    assert_string_equal(got, name); /* not half of the one that failed */
    assert_int_equal(mu_store_sqlite_limit(database, 1000000), 0);
    assert_int_equal(put("after", "room"), 0);
    assert_int_equal(store.put(store.ctx, 1, mu_bytes_str("bigger"),
                               MU_BYTES(big)),
                     0);
    assert_int_equal(store.commit(store.ctx), 0);
    close_it();
    assert_int_equal(open_it(), 0);
    assert_int_equal(get("after", got), 0);
    close_it();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_damaged_place),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_any_byte),
        cmocka_unit_test(test_damaged_page),
        cmocka_unit_test(test_synced),
        cmocka_unit_test(test_one_process),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_full),
    };
    fault_vfs_install();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    scratch_clean();
    return failed;
}
