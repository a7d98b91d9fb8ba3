/* SPDX-License-Identifier: Apache-2.0 */
/* State that was flipped, or is older than it should be: a clear message that
 * names the file, the rest goes on, and everybody catches up. */
#include "real.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static void flip_at(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x5a;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* One byte at so many tenths of the file. */
static void flip(const char *path, unsigned tenths)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    flip_at(path, st.st_size * tenths / 10);
}

/* In the middle of a campaign, at another place each time. */
static void test_device_journal(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    const char *journal = lab_path(lab, "devices/dev-1/journal");
    char id[32], says[200];

    real_fleet(lab, 2);
    lab_file(file, REAL_BYTES, 1);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i < 10; i += 2) {
        if (i == 5)
            lab_wait(lab->dev, "{'event': 'status', 'receiving': true}");
        lab_end(lab->dev, SIGKILL);
        flip(journal, i);
        lab_devices(lab, 2, NULL);
    }
    snprintf(says, sizeof(says), "event=journal id=dev-1 file=%s", journal);
    real_logged(lab, "device", says);
    assert_false(real_has(lab_path(lab, "device.log"),
                          "event=journal id=dev-2"));
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

static void test_gateway_journal(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    const char *journal = lab_path(lab, "gateway/journal");
    char id[32], says[200];

    real_fleet(lab, 2);
    lab_file(file, REAL_BYTES, 2);
    real_push(lab, id, file, NULL);
    for (unsigned i = 1; i < 10; i += 2) {
        if (i == 5)
            lab_wait(lab->dev, "{'event': 'status', 'receiving': true}");
        lab_end(lab->gw, SIGKILL);
        flip(journal, i);
        lab_gateway(lab, NULL);
    }
    snprintf(says, sizeof(says), "event=journal id=gw-1 file=%s", journal);
    real_logged(lab, "gateway", says);
    real_ends(lab, id, 0);
    lab_got(lab, 2, file);
}

/* ---- the database ------------------------------------------------------ */

static sqlite3 *database(struct lab *lab)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(lab_path(lab, "server/muster.db"), &db,
                                     SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

static void records(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static long long records_number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    long long n;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* The n-th record loses a bit of its value. */
static void record_flip(struct lab *lab, long long n)
{
    char sql[400];
    sqlite3 *db = database(lab);

    snprintf(sql, sizeof(sql),
             "UPDATE records SET value = CAST(x'5a' || substr(value, 2) AS "
             "BLOB) WHERE (tab, key) IN (SELECT tab, key FROM records ORDER BY "
             "tab, key LIMIT 1 OFFSET %lld)", n);
    records(db, sql);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
}

/* Makes room for the next of its name. */
static void forget(struct lab_prog *p)
{
    json_decref(p->lines);
    free(p->buffer);
    *p = (struct lab_prog){ .pid = 0 };
}

static void copy_dir(const char *from, const char *to)
{
    char command[600];

    snprintf(command, sizeof(command), "rm -rf %s && cp -a %s %s", to, from,
             to);
    assert_int_equal(system(command), 0);
}

/* Each record in its turn: the server says what is wrong and either ends or
 * goes on; it never falls over. */
static void test_every_record(void **state)
{
    struct lab *lab = *state;
    char dir[128], whole[128];
    const char *const words[] = {
        "serve", "--id", "server", "--state", dir, "--listen", "127.0.0.1:0",
        "--http", "127.0.0.1:0", "--json", "--log", "debug", NULL,
    };
    struct lab_prog *p;
    sqlite3 *db;
    long long n, refused = 0;

    snprintf(dir, sizeof(dir), "%s/server", lab->dir);
    snprintf(whole, sizeof(whole), "%s/whole", lab->dir);
    lab_keys(lab, 2);
    lab_serve(lab, NULL);
    lab_register(lab);
    lab_end(lab->serve, SIGTERM);
    copy_dir(dir, whole);
    db = database(lab);
    n = records_number(db, "SELECT count(*) FROM records");
    sqlite3_close(db);
    assert_true(n > 10);
    for (long long i = 0; i < n; i++) {
        copy_dir(whole, dir);
        record_flip(lab, i);
        unlink(lab_path(lab, "damaged.log"));
        p = lab_start(lab, "damaged", words);
        if (lab_wait_for(p, "{'event': 'ready'}", LAB_PATIENCE_MS) != NULL) {
            assert_int_equal(lab_end(p, SIGTERM), 0);
            real_logged(lab, "damaged", "muster.db damaged_records=1");
        } else {
            assert_int_equal(lab_ended(p), 1);
            real_logged(lab, "damaged", "muster.db why=");
            refused++;
        }
        forget(p);
    }
    print_message("%lld of %lld were too much\n", refused, n);
    assert_in_range(refused, 1, n / 2);
}

/* What the server has of devices, gateways and groups, as text. */
static char *known(struct lab *lab)
{
    static const char *const nouns[] = { "device", "gateway", "group" };
    json_t *all = json_array(), *list;
    char *text;

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lab_verb(lab, &list, nouns[i], "list", NULL), 0);
        json_array_append_new(all, list);
    }
    text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    return text;
}

/* A byte of the database, here and there in all of it: the server names the file
 * and ends, or knows what it knew, but for what it says is damaged. */
static void test_database(void **state)
{
    struct lab *lab = *state;
    char dir[128], whole[128], *was, *is, path[160];
    const char *const words[] = {
        "serve", "--id", "server", "--state", dir, "--listen", "127.0.0.1:0",
        "--http", "127.0.0.1:0", "--json", NULL,
    };
    unsigned refused = 0;
    struct stat st;

    snprintf(dir, sizeof(dir), "%s/server", lab->dir);
    snprintf(whole, sizeof(whole), "%s/whole", lab->dir);
    snprintf(path, sizeof(path), "%s/muster.db", dir);
    lab_keys(lab, 8);
    lab_serve(lab, NULL);
    lab_register(lab);
    was = known(lab);
    lab_end(lab->serve, SIGTERM);
    copy_dir(dir, whole);
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 5; at < st.st_size; at += st.st_size / 24) {
        const json_t *ready;
        struct lab_prog *p;

        copy_dir(whole, dir);
        flip_at(path, at);
        unlink(lab_path(lab, "damaged.log"));
        p = lab_start(lab, "damaged", words);
        ready = lab_wait_for(p, "{'event': 'ready'}", LAB_PATIENCE_MS);
        if (ready != NULL) {
            snprintf(lab->api, sizeof(lab->api), "http://%s",
                     real_text(ready, "http"));
            is = known(lab);
            if (strcmp(was, is) != 0)
                real_logged(lab, "damaged", "muster.db damaged_records=");
            free(is);
            assert_int_equal(lab_end(p, SIGTERM), 0);
        } else {
            assert_int_equal(lab_ended(p), 1);
            real_logged(lab, "damaged", path);
            refused++;
        }
        forget(p);
    }
    free(was);
    print_message("%u were too much\n", refused);
    assert_true(refused > 3);
}

/* One device's record: the device is out of reach, the others are not. */
static void test_one_device_record(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "firmware");
    char id[32];
    json_t *r;
    sqlite3 *db;

    real_fleet(lab, 2);
    lab_end(lab->serve, SIGTERM);
    lab->gw->seen = json_array_size(lab->gw->lines);
    db = database(lab);
    records(db, "UPDATE records SET crc = crc + 1 WHERE key = CAST('dev-2' AS "
                "BLOB)");
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
    lab_serve(lab, NULL);
    lab_wait(lab->gw, "{'event': 'status', 'linked': true}");
    lab_file(file, 20000, 4);
    real_push(lab, id, file, NULL);
    real_until(lab, id, "dev-1", "running");
    r = real_report(lab, id);
    assert_false(real_is(r, "dev-2", "received"));
    json_decref(r);
    assert_true(lab_same(lab_path(lab, "got-dev-1"), file));
    real_logged(lab, "serve", "event=device-damaged");
}

/* ---- an old copy ------------------------------------------------------- */

/* The generation of the group's key. */
static long long generation_of(struct lab *lab)
{
    json_t *groups = NULL;
    long long generation;

    assert_int_equal(lab_verb(lab, &groups, "group", "list", NULL), 0);
    generation = real_number(json_array_get(groups, 0), "generation");
    json_decref(groups);
    return generation;
}

/* Keys are made, used and lost with the copy that is put back, twice:
 * the fleet never holds on to one of them. */
static void test_old_copy(void **state)
{
    struct lab *lab = *state;
    const char *one = lab_path(lab, "one"), *two = lab_path(lab, "two");
    long long before = 0;
    char dir[128], old[128];
    json_t *r = NULL;

    snprintf(dir, sizeof(dir), "%s/server", lab->dir);
    snprintf(old, sizeof(old), "%s/old", lab->dir);
    real_fleet(lab, 2);
    lab_end(lab->serve, SIGTERM);
    copy_dir(dir, old);
    for (int round = 0; round < 2; round++) {
        lab_serve(lab, NULL);
        for (int i = 0; i < 2; i++)
            assert_int_equal(lab_verb(lab, NULL, "group", "rotate", "all",
                                      NULL), 0);
        lab_file(one, 20000, 5 + (uint32_t)round);
        assert_int_equal(lab_verb(lab, &r, "push", one, "--group", "all",
                                  "--allow-downgrade", NULL), 0);
        json_decref(r);
        lab_got(lab, 2, one);
        assert_true(generation_of(lab) > before);
        before = generation_of(lab);
        lab_end(lab->serve, SIGKILL);
        copy_dir(old, dir);
    }
    lab_serve(lab, NULL);
    lab_file(two, 30000, 9);
    assert_int_equal(lab_verb(lab, &r, "push", two, "--group", "all",
                              "--version", "9.0", NULL), 0);
    json_decref(r);
    lab_got(lab, 2, two);
    assert_true(generation_of(lab) > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_device_journal),
        REAL_TEST(test_gateway_journal),
        REAL_TEST(test_every_record),
        REAL_TEST(test_database),
        REAL_TEST(test_one_device_record),
        REAL_TEST(test_old_copy),
    };

    cmocka_set_test_filter(getenv("LAB_TEST")); /* one of them alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
