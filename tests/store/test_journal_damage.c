/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Journals that somebody or something has changed: every byte, every length,
 * the header, another file. What is read is what was written, or it is told.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/journal_form.h"
#include "tests/store/contract.h"
#include "tests/store/fault_io.h"

#define FILE_LEN_MAX 4096

static struct mu_journal *journal;
static struct mu_store store;
static struct mu_why why;

static const char *path(void)
{
    return scratch_path("journal");
}

static int open_it(void)
{
    why.text[0] = 0;
    return mu_journal_open(&journal, path(), &fault_io, &store, &why);
}

static void close_it(void)
{
    mu_journal_close(journal);
    journal = NULL;
}

static struct mu_journal_stats stats(void)
{
    struct mu_journal_stats s;

    mu_journal_stats(journal, &s);
    return s;
}

static size_t read_file(uint8_t out[FILE_LEN_MAX])
{
    FILE *f = fopen(path(), "rb");
    size_t len;

    assert_non_null(f);
    len = fread(out, 1, FILE_LEN_MAX, f);
    assert_true(len < FILE_LEN_MAX);
    fclose(f);
    return len;
}

static void write_file(const void *from, size_t len)
{
    FILE *f = fopen(path(), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(from, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *key, const char *value)
{
    assert_int_equal(store.put(store.ctx, 1, mu_bytes_str(key),
                               value == NULL ? mu_bytes(NULL, 0)
                                             : mu_bytes_str(value)),
                     0);
}

static void commit(void)
{
    assert_int_equal(store.commit(store.ctx), 0);
}

static int get(const char *key, char value[64])
{
    size_t len = 63;
    int rc = store.get(store.ctx, 1, mu_bytes_str(key), (uint8_t *)value,
                       &len);

    value[rc == 0 ? len : 0] = 0;
    return rc;
}

static bool is(const char *key, const char *value)
{
    char got[64];
    int rc = get(key, got);

    return value == NULL ? rc == MU_ERR_NOT_FOUND
                         : rc == 0 && strcmp(got, value) == 0;
}

/* A snapshot of two records, then three commits. The last holds two. */
static size_t make(uint8_t file[FILE_LEN_MAX])
{
    scratch_empty();
    assert_int_equal(open_it(), 0);
    put("snap-1", "first");
    put("snap-2", "second");
    commit();
    assert_int_equal(mu_journal_compact(journal), 0);
    put("one", "old one");
    commit();
    put("one", "new one");
    put("snap-1", NULL);
    commit();
    put("last", "last value");
    put("two", "new two");
    commit();
    close_it();
    return read_file(file);
}

/* The bytes of the last commit. */
static size_t last_len(void)
{
    return 2 * JOURNAL_HEAD + 4 + 10 + 3 + 7 + JOURNAL_COMMIT_LEN;
}

static void test_whole(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    size_t len = make(file);

    (void)state;
    assert_int_equal(open_it(), 0);
    struct mu_journal_stats s = stats();
    assert_int_equal(s.records, 4);
    assert_int_equal(s.corrupt + s.lost + s.torn_bytes, 0);
    assert_int_equal(s.file_bytes, len);
    assert_true(is("snap-1", NULL) && is("snap-2", "second"));
    assert_true(is("one", "new one") && is("two", "new two"));
    close_it();
}

/* One record as it may be after a byte of the file was changed: right, or
 * damaged, or (when something was lost) as an earlier commit left it. */
static bool record_told(const char *key, const char *now, const char *before,
                        bool lost)
{
    char got[64];

    if (is(key, now) || get(key, got) == MU_ERR_CORRUPT)
        return true;
    return lost && (is(key, NULL) || (before != NULL && is(key, before)));
}

static void test_every_byte(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    size_t len = make(file);
    unsigned corrupt = 0;
    unsigned lost = 0;
    unsigned torn = 0;

    (void)state;
    for (size_t i = 0; i < len; i++) {
        file[i] ^= (uint8_t)(1u << i % 8);
        write_file(file, len);
        file[i] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(open_it(), 0);
        struct mu_journal_stats s = stats();
        /* Only the last commit can be taken for torn, and then all of it. */
        bool tail = i >= len - last_len();
        assert_int_equal(s.torn_bytes, tail ? last_len() : 0);
        if (tail)
            assert_true(is("last", NULL) && is("two", NULL));
        else
            assert_true(is("last", "last value") && is("two", "new two"));
        if (!record_told("snap-1", NULL, "first", s.lost != 0) ||
            !record_told("snap-2", "second", NULL, s.lost != 0) ||
            !record_told("one", "new one", "old one", s.lost != 0))
            fail_msg("byte %zu: a record is wrong and nobody told", i);
        assert_true(s.lost <= 1 && s.corrupt <= 1);
        corrupt += s.corrupt != 0;
        lost += s.lost != 0;
        torn += tail;
        close_it();
    }
    assert_true(corrupt >= 6 && lost > 20 && torn == last_len());
}

/* Cut at each length: the commits that are whole are there, and a cut in the
 * snapshot, which was durable before the file had its name, is told. */
static void test_every_length(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    uint8_t after[FILE_LEN_MAX];
    size_t len = make(file);
    const size_t snapshot_end =
        JOURNAL_HEADER + 2 * (JOURNAL_HEAD + 6) + 5 + 6;

    (void)state;
    for (size_t n = 1; n < len; n++) {
        write_file(file, n);
        int rc = open_it();
        if (n < JOURNAL_HEADER) {
            assert_int_equal(rc, MU_ERR_CORRUPT);
            continue;
        }
        assert_int_equal(rc, 0);
        struct mu_journal_stats s = stats();
        assert_true(is("last", NULL) && is("two", NULL));
        assert_int_equal(s.lost != 0, n < snapshot_end);
        if (n >= snapshot_end) {
            assert_true(is("snap-2", "second"));
            assert_int_equal(n - s.torn_bytes, s.file_bytes);
            assert_int_equal(n, s.torn_bytes + read_file(after));
        }
        if (n >= len - last_len())
            assert_true(is("one", "new one") && is("snap-1", NULL));
        /* It can be written to, and be read again. */
        put("more", "yes");
        commit();
        close_it();
        assert_int_equal(open_it(), 0);
        assert_true(is("more", "yes"));
        assert_int_equal(stats().lost + stats().torn_bytes, 0);
        close_it();
    }
}

static void test_both_headers(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    uint8_t after[FILE_LEN_MAX];
    size_t len = make(file);

    (void)state;
    file[3] ^= 1;
    file[JOURNAL_HEADER_COPY + 20] ^= 1;
    write_file(file, len);
    assert_int_equal(open_it(), MU_ERR_CORRUPT);
    assert_non_null(strstr(why.text, path()));
    assert_int_equal(read_file(after), len); /* nothing was touched */
    assert_memory_equal(file, after, len);
}

static void test_another_file(void **state)
{
    static const char text[] = "A letter to somebody, of some length, which "
                               "is no journal and has to stay as it is.\n";
    uint8_t after[FILE_LEN_MAX];

    (void)state;
    scratch_empty();
    write_file(text, sizeof text);
    assert_int_equal(open_it(), MU_ERR_CORRUPT);
    assert_int_equal(read_file(after), sizeof text);
    assert_memory_equal(text, after, sizeof text);
    write_file("", 0); /* an empty one becomes a journal */
    assert_int_equal(open_it(), 0);
    put("k", "v");
    commit();
    close_it();
}

static void test_later_version(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    size_t len = make(file);

    (void)state;
    for (size_t at = 0; at < JOURNAL_HEADER; at += JOURNAL_HEADER_COPY) {
        struct mu_writer w = mu_writer(file + at + 24, 4);
        file[at + 11] = JOURNAL_VERSION + 1;
        mu_write_u32(&w, store_crc(0, mu_bytes(file + at, 24)));
    }
    write_file(file, len);
    assert_int_equal(open_it(), MU_ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "later version"));
}

/* Garbage behind the end: whatever a power cut left in blocks that were never
 * synced. It is cut off, and a value that holds a whole journal of another
 * salt is no journal. */
static void test_garbage(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    uint8_t forged[256];
    struct mu_writer w = mu_writer(forged, sizeof forged);
    size_t len = make(file);

    (void)state;
    memset(file + len, 0, 512);
    write_file(file, len + 512);
    assert_int_equal(open_it(), 0);
    assert_int_equal(stats().torn_bytes, 512);
    assert_true(is("last", "last value"));
    close_it();

    /* A COMMIT of more than there is, whole and with the right salt. */
    struct journal_header header;
    assert_int_equal(journal_read_header(MU_BYTES(file), &header), 0);
    w = mu_writer(file + len, 256);
    journal_write(&w, header.salt, JOURNAL_PUT, 1, mu_bytes_str("last"),
                  mu_bytes_str("forged"));
    journal_write_commit(&w, header.salt, 10 * len);
    write_file(file, len + w.len);
    assert_int_equal(open_it(), 0);
    assert_int_equal(stats().torn_bytes, w.len);
    assert_true(is("last", "last value"));

    w = mu_writer(forged, sizeof forged);
    journal_write(&w, 0x12345678, JOURNAL_PUT, 1, mu_bytes_str("last"),
                  mu_bytes_str("forged"));
    journal_write_commit(&w, 0x12345678, w.len);
    assert_int_equal(store.put(store.ctx, 2, mu_bytes_str("v"),
                               mu_written(&w)),
                     0);
    commit();
    put("z", "z");
    commit();
    close_it();
    len = read_file(file);
    file[len - JOURNAL_COMMIT_LEN - 2 - JOURNAL_HEAD - JOURNAL_COMMIT_LEN -
         w.len - 1] ^= 1; /* the key of that record: its head is lost */
    write_file(file, len);
    assert_int_equal(open_it(), 0);
    assert_int_equal(stats().lost, 1);
    assert_true(is("last", "last value"));
    assert_true(is("z", "z"));
    close_it();
}

/* Damage stays told over closing and compaction, until somebody writes. */
static void test_damage_heals(void **state)
{
    uint8_t file[FILE_LEN_MAX];
    size_t len = make(file);
    uint8_t key[MU_STORE_KEY_MAX];
    uint8_t value[64];
    size_t key_len = 0;
    size_t value_len;
    unsigned walked = 0;
    char got[64];

    (void)state;
    /* the last byte of the snapshot: of the value of snap-2 */
    file[JOURNAL_HEADER + 2 * (JOURNAL_HEAD + 6) + 5 + 6 - 1] ^= 0x20;
    write_file(file, len);
    for (int pass = 0; pass < 3; pass++) {
        assert_int_equal(open_it(), 0);
        assert_int_equal(stats().corrupt, 1);
        assert_int_equal(stats().records, 3);
        assert_int_equal(get("snap-2", got), MU_ERR_CORRUPT);
        if (pass == 1)
            assert_int_equal(mu_journal_compact(journal), 0);
        if (pass < 2)
            close_it();
    }
    for (;; walked++) {
        value_len = sizeof value;
        int rc = store.next(store.ctx, 1, mu_bytes(key, key_len), key,
                            &key_len, value, &value_len);
        if (rc == MU_ERR_NOT_FOUND)
            break;
        assert_int_equal(rc, key_len == 6 ? MU_ERR_CORRUPT : 0);
    }
    assert_int_equal(walked, 4);
    put("snap-2", "well");
    store.rollback(store.ctx);
    assert_int_equal(get("snap-2", got), MU_ERR_CORRUPT);
    put("snap-2", "well");
    commit();
    close_it();
    assert_int_equal(open_it(), 0);
    assert_int_equal(stats().corrupt, 0);
    assert_true(is("snap-2", "well"));
    close_it();
}

static void test_compaction(void **state)
{
    char value[2001];
    struct stat st;
    FILE *f;

    (void)state;
    scratch_empty();
    assert_int_equal(open_it(), 0);
    close_it();
    f = fopen(scratch_path("journal.new"), "w"); /* left by a crash */
    assert_non_null(f);
    fclose(f);
    assert_int_equal(open_it(), 0);
    assert_int_equal(access(scratch_path("journal.new"), F_OK), -1);
    memset(value, 'v', 2000);
    value[2000] = 0;
    for (int i = 0; i < 200; i++) {
        value[0] = (char)('a' + i % 26);
        put("same", value);
        commit();
        assert_int_equal(stat(path(), &st), 0);
        assert_true(st.st_size < 72000);
        assert_int_equal(st.st_size, stats().file_bytes);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_in_range(stats().compactions, 4, 10);
    close_it();
    assert_int_equal(open_it(), 0);
    assert_int_equal(stats().records, 1);
    close_it();
}

/* The calls of a commit and of a compaction, in their order. */
static char calls[64];

static void called(char what)
{
    size_t len = strlen(calls);

    assert_true(len + 1 < sizeof calls);
    calls[len] = what;
}

static long logged_write(void *ctx, int fd, const void *from, size_t len,
                         uint64_t at)
{
    (void)ctx;
    called('w');
    return pwrite(fd, from, len, (off_t)at);
}

static int logged_sync(void *ctx, int fd)
{
    (void)ctx;
    (void)fd;
    called('s');
    return 0;
}

static int logged_truncate(void *ctx, int fd, uint64_t len)
{
    (void)ctx;
    called('t');
    return ftruncate(fd, (off_t)len);
}

static int logged_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    called('r');
    return rename(from, to);
}

/* Nothing counts as stored before it is synced, no name before its file. */
static void test_synced(void **state)
{
    const struct mu_journal_io io = {NULL, logged_write, logged_sync,
                                     logged_truncate, logged_rename};

    (void)state;
    scratch_empty();
    memset(calls, 0, sizeof calls);
    assert_int_equal(mu_journal_open(&journal, path(), &io, &store, NULL), 0);
    assert_string_equal(calls, "wsr");
    memset(calls, 0, sizeof calls);
    put("a", "1");
    put("b", "2");
    assert_string_equal(calls, "");
    commit();
    assert_string_equal(calls, "ws");
    commit(); /* of nothing */
    put("a", "3");
    store.rollback(store.ctx);
    assert_string_equal(calls, "ws");
    memset(calls, 0, sizeof calls);
    assert_int_equal(mu_journal_compact(journal), 0);
    assert_string_equal(calls, "wsr");
    close_it();
}

static void test_one_process(void **state)
{
    struct mu_journal *second;
    struct mu_store unused;

    (void)state;
    scratch_empty();
    assert_int_equal(open_it(), 0);
    assert_int_equal(mu_journal_open(&second, path(), NULL, &unused, &why),
                     MU_ERR_BUSY);
    assert_null(second);
    assert_non_null(strstr(why.text, "another process"));
    /* The file that compaction puts in its place is as taken. */
    assert_int_equal(mu_journal_compact(journal), 0);
    assert_int_equal(mu_journal_open(&second, path(), NULL, &unused, NULL),
                     MU_ERR_BUSY);
    close_it();
    assert_int_equal(mu_journal_open(&second, path(), NULL, &unused, NULL),
                     0);
    mu_journal_close(second);
}

static void test_cannot_open(void **state)
{
    char deep[5000];

    (void)state;
    scratch_empty();
    memset(deep, 'x', sizeof deep);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(mu_journal_open(&journal, scratch_path("no/journal"),
                                     NULL, &store, &why),
                     MU_ERR_IO);
    assert_non_null(strstr(why.text, "No such file"));
    assert_int_equal(mu_journal_open(&journal, deep, NULL, &store, NULL),
                     MU_ERR_USAGE);
    assert_int_equal(mkdir(path(), 0700), 0);
    assert_int_equal(open_it(), MU_ERR_IO);
    assert_int_equal(rmdir(path()), 0);
    /* A file that others could read is closed to them. */
    assert_int_equal(open_it(), 0);
    close_it();
    assert_int_equal(chmod(path(), 0644), 0);
    assert_int_equal(open_it(), 0);
    struct stat st;
    assert_int_equal(stat(path(), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close_it();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_both_headers),
        cmocka_unit_test(test_another_file),
        cmocka_unit_test(test_later_version),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_damage_heals),
        cmocka_unit_test(test_compaction),
        cmocka_unit_test(test_synced),
        cmocka_unit_test(test_one_process),
        cmocka_unit_test(test_cannot_open),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    scratch_clean();
    return failed;
}
