/* SPDX-License-Identifier: Apache-2.0 */
/* The contract suite. */
#include "tests/store/contract.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/store/twin.h"

#define FAULTS_MAX 400 /* far above what any back end needs */

static const struct contract *back;
static struct mu_store store;

static void reopen(void)
{
    int rc = back->open(scratch_path("store"), &store);

    if (rc != 0)
        fail_msg("%s does not open: %s", back->name, mu_err_name(rc));
}

static int fresh(void **state)
{
    (void)state;
    back->fault(0, FAULT_ONCE);
    scratch_empty();
    reopen();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    back->fault(0, FAULT_ONCE);
    back->close();
    return 0;
}

static int put(uint8_t table, const char *key, const char *value)
{
    return store.put(store.ctx, table, mu_bytes_str(key),
                     value == NULL ? mu_bytes(NULL, 0) : mu_bytes_str(value));
}

static void has(uint8_t table, const char *key, const char *value)
{
    uint8_t got[64];
    size_t len = sizeof got;
    int rc = store.get(store.ctx, table, mu_bytes_str(key), got, &len);

    if (value == NULL) {
        assert_int_equal(rc, MU_ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(len, strlen(value));
    assert_memory_equal(got, value, len);
}

static void test_get_put(void **state)
{
    (void)state;
    has(1, "a", NULL);
    assert_int_equal(put(1, "a", "one"), 0);
    has(1, "a", "one");
    has(2, "a", NULL); /* tables are apart */
    has(1, "aa", NULL);
    assert_int_equal(put(1, "a", "two, longer"), 0);
    has(1, "a", "two, longer");
    assert_int_equal(put(1, "a", ""), 0);
    has(1, "a", "");
    assert_int_equal(put(1, "a", NULL), 0);
    has(1, "a", NULL);
    assert_int_equal(put(1, "a", NULL), 0);
    assert_int_equal(put(255, "a", "x"), 0);
    assert_int_equal(put(0, "a", "y"), 0);
    has(255, "a", "x");
    has(0, "a", "y");
    assert_int_equal(store.commit(store.ctx), 0);
    has(255, "a", "x");
}

static void test_limits(void **state)
{
    uint8_t key[MU_STORE_KEY_MAX + 1] = {0};
    uint8_t value[MU_STORE_VALUE_MAX + 1];
    uint8_t got[MU_STORE_VALUE_MAX];
    size_t len = sizeof got;

    (void)state;
    memset(value, 0xa5, sizeof value);
    assert_int_equal(put(1, "kept", "kept"), 0);
    assert_int_equal(store.put(store.ctx, 1, mu_bytes(key, 0),
                               mu_bytes(value, 1)),
                     MU_ERR_USAGE);
    assert_int_equal(store.put(store.ctx, 1, mu_bytes(key, sizeof key),
                               mu_bytes(value, 1)),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(store.put(store.ctx, 1, mu_bytes(key, 1),
                               mu_bytes(value, sizeof value)),
                     MU_ERR_TOO_LARGE);
    /* None of these ended the transaction. */
    assert_int_equal(store.put(store.ctx, 1, mu_bytes(key, MU_STORE_KEY_MAX),
                               mu_bytes(value, MU_STORE_VALUE_MAX)),
                     0);
    assert_int_equal(store.commit(store.ctx), 0);
    has(1, "kept", "kept");
    assert_int_equal(store.get(store.ctx, 1, mu_bytes(key, MU_STORE_KEY_MAX),
                               got, &len),
                     0);
    assert_int_equal(len, MU_STORE_VALUE_MAX);
    assert_memory_equal(got, value, len);
}

static void test_no_space(void **state)
{
    uint8_t got[8];
    uint8_t key[MU_STORE_KEY_MAX];
    size_t key_len = 0;
    size_t len = 4;

    (void)state;
    assert_int_equal(put(1, "k", "12345"), 0);
    assert_int_equal(store.get(store.ctx, 1, mu_bytes_str("k"), got, &len),
                     MU_ERR_NO_SPACE);
    assert_int_equal(len, 5);
    len = 0;
    assert_int_equal(store.next(store.ctx, 1, mu_bytes(NULL, 0), key, &key_len,
                                got, &len),
                     MU_ERR_NO_SPACE);
    assert_int_equal(len, 5);
    assert_int_equal(store.get(store.ctx, 1, mu_bytes_str("k"), got, &len), 0);
}

static void test_order(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } keys[] = {{"\0", 1},    {"\0\0", 2},  {"\0\xff", 2}, {"\1", 1},
                {"a", 1},     {"a\0", 2},   {"aa", 2},     {"ab", 2},
                {"b", 1},     {"\x7f", 1},  {"\x80", 1},   {"\xff", 1},
                {"\xff\0", 2}};
    const size_t count = sizeof keys / sizeof keys[0];
    uint8_t key[MU_STORE_KEY_MAX];
    uint8_t value[8];
    size_t key_len = 0;

    (void)state;
    for (size_t i = 0; i < count; i++) { /* put in another order */
        size_t j = i * 5 % count;
        uint8_t n = (uint8_t)j;
        assert_int_equal(store.put(store.ctx, 3,
                                   mu_bytes(keys[j].bytes, keys[j].len),
                                   mu_bytes(&n, 1)),
                         0);
    }
    assert_int_equal(put(2, "zz", "below"), 0);
    assert_int_equal(put(4, "\1", "above"), 0);
    for (size_t i = 0; i <= count; i++) {
        size_t len = sizeof value;
        int rc = store.next(store.ctx, 3, mu_bytes(key, key_len), key,
                            &key_len, value, &len);
        if (i == count) {
            assert_int_equal(rc, MU_ERR_NOT_FOUND);
            break;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(key_len, keys[i].len);
        assert_memory_equal(key, keys[i].bytes, key_len);
        assert_int_equal(value[0], i);
    }
    /* behind a key that is not there */
    size_t len = sizeof value;
    assert_int_equal(store.next(store.ctx, 3, mu_bytes_str("aab"), key,
                                &key_len, value, &len),
                     0);
    assert_memory_equal(key, "ab", 2);
}

static void test_transaction(void **state)
{
    (void)state;
    assert_int_equal(put(1, "a", "1"), 0);
    assert_int_equal(put(1, "b", "1"), 0);
    assert_int_equal(store.commit(store.ctx), 0);
    assert_int_equal(put(1, "a", "2"), 0);
    assert_int_equal(put(1, "a", "3"), 0);
    assert_int_equal(put(1, "b", NULL), 0);
    assert_int_equal(put(1, "b", "4"), 0);
    assert_int_equal(put(1, "b", NULL), 0);
    assert_int_equal(put(1, "c", "5"), 0);
    assert_int_equal(put(1, "c", NULL), 0);
    assert_int_equal(put(1, "d", "6"), 0);
    has(1, "a", "3");
    has(1, "b", NULL);
    has(1, "c", NULL);
    has(1, "d", "6");
    store.rollback(store.ctx);
    has(1, "a", "1");
    has(1, "b", "1");
    has(1, "c", NULL);
    has(1, "d", NULL);
    store.rollback(store.ctx);
    assert_int_equal(store.commit(store.ctx), 0);
    has(1, "a", "1");
    if (!back->durable)
        return;
    assert_int_equal(put(1, "a", "lost"), 0); /* never committed */
    back->close();
    reopen();
    has(1, "a", "1");
    has(1, "b", "1");
    has(1, "d", NULL);
}

/* ---- against the twin -------------------------------------------------- */

static uint32_t rng_state;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 1664525u + 1013904223u;
    return (rng_state >> 8) % below;
}

static void random_put(struct twin *t)
{
    struct twin_record r = {.table = (uint8_t)(1 + rng(3)),
                            .key_len = (uint8_t)(1 + rng(2)),
                            .fill = (uint8_t)rng(256),
                            .value_len = (uint16_t)(rng(3) == 0 ? rng(3000)
                                                                : rng(20))};
    struct mu_bytes key = {r.key, r.key_len};
    uint8_t value[TWIN_VALUE];

    r.key[0] = (uint8_t)("\0a\x80\xff"[rng(4)]);
    r.key[1] = (uint8_t)("\0b\xfe\xff"[rng(4)]);
    if (rng(3) == 0) {
        twin_delete(t, r.table, key);
        assert_int_equal(
            store.put(store.ctx, r.table, key, mu_bytes(NULL, 0)), 0);
    } else {
        twin_put(t, &r);
        assert_int_equal(
            store.put(store.ctx, r.table, key, twin_value(&r, value)), 0);
    }
}

static void test_twin(void **state)
{
    static struct twin committed;
    static struct twin now;

    (void)state;
    rng_state = 20;
    committed.len = now.len = 0;
    for (int i = 0; i < 600; i++) {
        switch (rng(12)) {
        case 0:
        case 1:
            assert_int_equal(store.commit(store.ctx), 0);
            committed = now;
            break;
        case 2:
            store.rollback(store.ctx);
            now = committed;
            break;
        case 3:
            if (back->durable) {
                back->close();
                reopen();
                now = committed;
            }
            break;
        default:
            random_put(&now);
            break;
        }
        if (!twin_same(&now, &store))
            fail_msg("%s differs from its twin after step %d", back->name, i);
    }
}

/* ---- faults ------------------------------------------------------------ */

/* Transaction k, over and over until it is in, as an engine's body would. */
static void fault_transaction(int k, int *failures)
{
    for (int tries = 0; tries < 4; tries++) {
        int rc = scenario_puts(&store, k);
        int committed = store.commit(store.ctx);
        if (rc == 0 && committed == 0)
            return;
        (*failures)++;
        assert_true(committed == MU_ERR_IO || committed == MU_ERR_FULL);
        /* Nothing more is taken until rollback. */
        assert_int_not_equal(put(7, "x", "x"), 0);
        assert_int_not_equal(store.commit(store.ctx), 0);
        if (tries > 0)
            back->fault(0, FAULT_ONCE); /* there is room again */
        store.rollback(store.ctx);
        struct twin t;
        scenario_twin(&t, k);
        if (!twin_same(&t, &store))
            fail_msg("%s: a failed transaction %d left something", back->name,
                     k);
    }
    fail_msg("%s: transaction %d never gets in", back->name, k);
}

static bool fault_run(uint64_t n, enum fault_mode mode)
{
    int failures = 0;
    bool hit;

    fresh(NULL);
    back->fault(n, mode);
    for (int k = 0; k < scenario_len; k++)
        fault_transaction(k, &failures);
    hit = back->fault_hit();
    back->fault(0, FAULT_ONCE);
    assert_int_equal(scenario_where(&store), scenario_len);
    back->close();
    if (back->durable) {
        reopen();
        assert_int_equal(scenario_where(&store), scenario_len);
    } else {
        fresh(NULL);
    }
    return hit;
}

static void test_fault_once(void **state)
{
    uint64_t n = 1;

    (void)state;
    finish(NULL);
    while (fault_run(n, FAULT_ONCE)) {
        finish(NULL);
        assert_in_range(++n, 2, FAULTS_MAX);
    }
    /* every commit at least was tried */
    assert_true(n > (unsigned)scenario_len);
}

static void test_fault_stays(void **state)
{
    uint64_t n = 1;

    (void)state;
    if (!back->faults_stay)
        return;
    finish(NULL);
    while (fault_run(n, FAULT_STAYS)) {
        finish(NULL);
        assert_in_range(++n, 2, FAULTS_MAX);
    }
    assert_true(n > (unsigned)scenario_len);
}

/* A transaction that failed and was rolled back does not come back. */
static void test_fault_rolled_back(void **state)
{
    uint64_t n;
    int k = 0;

    (void)state;
    if (!back->durable)
        return;
    finish(NULL);
    for (n = 1; n < FAULTS_MAX && k < scenario_len; n++) {
        fresh(NULL);
        back->fault(n, FAULT_ONCE);
        for (k = 0; k < scenario_len; k++) {
            if (scenario_puts(&store, k) != 0 ||
                store.commit(store.ctx) != 0)
                break;
        }
        store.rollback(store.ctx);
        back->close();
        reopen();
        if (scenario_where(&store) != k)
            fail_msg("%s: fault %llu, rolled back to %d, found at %d",
                     back->name, (unsigned long long)n, k,
                     scenario_where(&store));
        finish(NULL);
    }
    assert_in_range(n, (unsigned)scenario_len, FAULTS_MAX - 1);
    fresh(NULL);
}

/* A commit fails, and the process ends before it can do anything about it:
 * the transaction is there whole or not at all. */
static void test_fault_then_gone(void **state)
{
    uint64_t n;

    (void)state;
    if (!back->durable)
        return;
    finish(NULL);
    for (n = 1; n < FAULTS_MAX; n++) {
        int k = 0;
        bool failed = false;
        fresh(NULL);
        back->fault(n, back->faults_stay ? FAULT_STAYS : FAULT_ONCE);
        while (k < scenario_len && !failed) {
            failed = scenario_puts(&store, k) != 0 ||
                     store.commit(store.ctx) != 0;
            k += !failed;
        }
        back->close();
        back->fault(0, FAULT_ONCE);
        reopen();
        int where = scenario_where(&store);
        if (where != k && !(failed && where == k + 1))
            fail_msg("%s: fault %llu in transaction %d, found at %d",
                     back->name, (unsigned long long)n, k, where);
        if (k == scenario_len)
            break;
        finish(NULL);
    }
    assert_in_range(n, (unsigned)scenario_len, FAULTS_MAX - 1);
}

/* ---- crashes ----------------------------------------------------------- */

/* Opens, runs the scenario, closes; tells how far it got. */
static void crash_child(uint64_t n, volatile int *committed)
{
    back->fault(n, FAULT_CRASH);
    if (back->open(scratch_path("store"), &store) != 0)
        _exit(3);
    *committed = scenario_where(&store);
    for (int k = *committed; k < scenario_len; k++) {
        if (k < 0 || scenario_puts(&store, k) != 0 ||
            store.commit(store.ctx) != 0)
            _exit(4);
        *committed = k + 1;
    }
    back->close();
    _exit(0);
}

static int crash_run(uint64_t n, volatile int *committed)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        crash_child(n, committed);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_crash(void **state)
{
    volatile int *committed =
        mmap(NULL, sizeof *committed, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t n;
    int code = FAULT_EXIT;

    (void)state;
    assert_ptr_not_equal(committed, MAP_FAILED);
    if (!back->durable)
        return;
    back->close();
    for (n = 1; n < FAULTS_MAX && code == FAULT_EXIT; n++) {
        *committed = 0;
        scratch_empty();
        code = crash_run(n, committed);
        assert_true(code == FAULT_EXIT || code == 0);
        /* A second crash, in whatever recovery there is. */
        int before = *committed;
        if (crash_run(1 + n % 5, committed) == FAULT_EXIT)
            before = *committed > before ? *committed : before;
        else
            before = scenario_len;
        reopen();
        int where = scenario_where(&store);
        if (where != before && where != before + 1)
            fail_msg("%s: crash %llu: %d committed, found at %d", back->name,
                     (unsigned long long)n, before, where);
        back->close();
    }
    assert_in_range(n, (unsigned)scenario_len, FAULTS_MAX - 1);
    reopen();
    assert_int_equal(munmap((void *)(uintptr_t)committed, sizeof *committed),
                     0);
}

int contract_run(const struct contract *c)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get_put, fresh, finish),
        cmocka_unit_test_setup_teardown(test_limits, fresh, finish),
        cmocka_unit_test_setup_teardown(test_no_space, fresh, finish),
        cmocka_unit_test_setup_teardown(test_order, fresh, finish),
        cmocka_unit_test_setup_teardown(test_transaction, fresh, finish),
        cmocka_unit_test_setup_teardown(test_twin, fresh, finish),
        cmocka_unit_test_setup_teardown(test_fault_once, fresh, finish),
        cmocka_unit_test_setup_teardown(test_fault_stays, fresh, finish),
        cmocka_unit_test_setup_teardown(test_fault_rolled_back, fresh,
                                        finish),
        cmocka_unit_test_setup_teardown(test_fault_then_gone, fresh, finish),
        cmocka_unit_test_setup_teardown(test_crash, fresh, finish),
    };
    int failed;

    back = c;
    scenario_len = c->scenario_len;
    failed = cmocka_run_group_tests_name(c->name, tests, NULL, NULL);
    scratch_clean();
    return failed;
}
