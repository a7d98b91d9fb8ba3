/* SPDX-License-Identifier: Apache-2.0 */
/* The driver: what it tells an engine, when it commits, whom it wakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/log.h"
#include "net/loop.h"

#define LOG_MAX 256

/* An engine that does what the test says, and writes down what it hears. */
struct script {
    char log[LOG_MAX]; /* one letter per event or call */
    struct mu_effect todo[16];
    unsigned todo_len, todo_at;
    mu_time deadline;
    int stored_result;
    unsigned puts, commits, rollbacks;
    int put_error, commit_error;
    struct mu_loop *loop;
    const char *stop_at; /* the log that ends the test */
};

static void note(struct script *s, char c)
{
    size_t len = strlen(s->log);

    assert_true(len + 1 < LOG_MAX);
    s->log[len] = c;
    s->log[len + 1] = '\0';
    if (s->stop_at != NULL && strcmp(s->log, s->stop_at) == 0)
        mu_loop_stop(s->loop, 7);
}

static int script_step(void *state, const struct mu_event *ev)
{
    struct script *s = state;

    if (ev->kind == MU_EV_STORED)
        s->stored_result = ev->result;
    if (ev->kind == MU_EV_TIMER)
        s->deadline = MU_TIME_NEVER;
    note(s, "STUDRrnPOH"[ev->kind]);
    return 0;
}

static bool script_next(void *state, struct mu_effect *out)
{
    struct script *s = state;

    if (s->todo_at == s->todo_len)
        return false;
    *out = s->todo[s->todo_at++];
    return true;
}

static mu_time script_deadline(const void *state)
{
    const struct script *s = state;

    return s->deadline;
}

static int script_put(void *ctx, uint8_t table, struct mu_bytes key,
                      struct mu_bytes value)
{
    struct script *s = ctx;

    (void)table;
    (void)key;
    (void)value;
    s->puts++;
    note(s, 'p');
    return s->put_error;
}

static int script_commit(void *ctx)
{
    struct script *s = ctx;

    s->commits++;
    note(s, 'c');
    return s->commit_error;
}

static void script_rollback(void *ctx)
{
    struct script *s = ctx;

    s->rollbacks++;
    note(s, 'b');
}

static void script_effect(void *ctx, const struct mu_effect *e)
{
    note(ctx, e->kind == MU_DO_SEND ? 's' : 'e');
}

static void script_flush(void *ctx)
{
    (void)ctx;
}

static bool script_poll(void *ctx)
{
    (void)ctx;
    return false;
}

static const struct mu_body_ops script_ops = {
    .effect = script_effect, .flush = script_flush, .poll = script_poll,
};

struct world {
    uv_timer_t patience; /* a test that hangs ends with 99 */
    struct mu_loop loop;
    struct script script;
    struct mu_store store;
    struct mu_node node;
};

static void store_twice(struct script *s)
{
    s->todo[0] = (struct mu_effect){ .kind = MU_DO_STORE, .ticket = 1 };
    s->todo[1] = (struct mu_effect){ .kind = MU_DO_SEND };
    s->todo[2] = (struct mu_effect){ .kind = MU_DO_STORE, .ticket = 2 };
    s->todo_len = 3;
}

static void on_late(uv_timer_t *timer)
{
    mu_loop_stop(timer->data, 99);
}

static void world_open(struct world *w)
{
    struct mu_engine engine = {
        &w->script, script_step, script_next, script_deadline,
    };

    memset(w, 0, sizeof(*w));
    mu_log_set(MU_LOG_ERROR);
    assert_int_equal(mu_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop.uv, &w->patience);
    w->patience.data = &w->loop;
    uv_timer_start(&w->patience, on_late, 3000, 0);
    w->script.loop = &w->loop;
    w->script.deadline = MU_TIME_NEVER;
    w->store = (struct mu_store){
        .ctx = &w->script, .put = script_put, .commit = script_commit,
        .rollback = script_rollback,
    };
    assert_int_equal(mu_node_init(&w->node, &w->loop, "n", engine, &w->store,
                                  &script_ops, &w->script), 0);
}

static void world_close(struct world *w)
{
    uv_close((uv_handle_t *)&w->patience, NULL);
    mu_node_close(&w->node);
    mu_loop_close(&w->loop);
}

static void test_one_commit_a_turn(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    store_twice(&w.script);
    w.script.stop_at = "SpspcOO";
    mu_node_start(&w.node);
    assert_string_equal(w.script.log, "Spsp"); /* nothing is durable yet */
    assert_int_equal(mu_loop_run(&w.loop), 7);
    assert_int_equal(w.script.stored_result, 0);
    world_close(&w);
}

static void test_failed_commit(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    store_twice(&w.script);
    w.script.commit_error = MU_ERR_IO;
    w.script.stop_at = "SpspcbOO";
    mu_log_set(MU_LOG_ERROR);
    mu_node_start(&w.node);
    assert_int_equal(mu_loop_run(&w.loop), 7);
    assert_int_equal(w.script.stored_result, MU_ERR_IO);
    world_close(&w);
}

/* One bad write takes those of its turn along: nothing is stored by half. */
static void test_failed_put(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    store_twice(&w.script);
    w.script.put_error = MU_ERR_IO;
    w.script.stop_at = "SpspbOO";
    mu_node_start(&w.node);
    assert_int_equal(mu_loop_run(&w.loop), 7);
    assert_int_equal(w.script.commits, 0);
    assert_int_equal(w.script.stored_result, MU_ERR_IO);
    world_close(&w);
}

static void test_deadline(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    w.script.deadline = mu_node_now(&w.node) + MU_MS(3);
    w.script.stop_at = "ST";
    mu_node_start(&w.node);
    mu_time before = mu_node_now(&w.node);

    assert_int_equal(mu_loop_run(&w.loop), 7);
    assert_true(mu_node_now(&w.node) - before < MU_SECONDS(2));
    assert_true(mu_node_now(&w.node) >= MU_MS(3));
    world_close(&w);
}

struct waited {
    struct mu_loop *loop;
    int result, calls;
};

static void on_durable(void *arg, int result)
{
    struct waited *d = arg;

    d->result = result;
    d->calls++;
    mu_loop_stop(d->loop, 3);
}

static void test_when_durable(void **state)
{
    struct world w;
    struct waited d = { .result = 99 };

    (void)state;
    world_open(&w);
    d.loop = &w.loop;
    store_twice(&w.script); /* as if a direct call had made them */
    assert_int_equal(mu_node_when_durable(&w.node, on_durable, &d), 0);
    assert_int_equal(d.calls, 0);
    assert_int_equal(mu_loop_run(&w.loop), 3);
    assert_int_equal(d.result, 0);
    assert_int_equal(w.script.commits, 1);
    /* The same, and the disk is full. */
    w.loop.stopped = false;
    w.script.todo_at = 0;
    w.script.put_error = MU_ERR_IO;
    assert_int_equal(mu_node_when_durable(&w.node, on_durable, &d), 0);
    assert_int_equal(mu_loop_run(&w.loop), 3);
    assert_int_equal(d.result, MU_ERR_IO);
    /* With nothing to write it is durable already. */
    w.loop.stopped = false;
    w.script.todo_at = 3;
    assert_int_equal(mu_node_when_durable(&w.node, on_durable, &d), 0);
    assert_int_equal(mu_loop_run(&w.loop), 3);
    assert_int_equal(d.result, 0);
    assert_int_equal(w.script.commits, 1);
    /* Nobody waits for ever: a node that is closed tells. */
    assert_int_equal(mu_node_when_durable(&w.node, on_durable, &d), 0);
    world_close(&w);
    assert_int_equal(d.calls, 4);
    assert_int_equal(d.result, MU_ERR_IO);
}

static void test_signal_ends(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    mu_log_set(MU_LOG_ERROR);
    assert_int_equal(uv_kill(uv_os_getpid(), SIGTERM), 0);
    assert_int_equal(mu_loop_run(&w.loop), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_commit_a_turn),
        cmocka_unit_test(test_failed_commit),
        cmocka_unit_test(test_failed_put),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_when_durable),
        cmocka_unit_test(test_signal_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
