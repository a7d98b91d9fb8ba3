/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's command: what it gets, what comes back, how it is ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/hook.h"
#include "net/log.h"

struct world {
    uv_loop_t uv;
    struct mu_hook_run *run;
    int result, calls;
};

static void on_done(void *ctx, int result)
{
    struct world *w = ctx;

    w->result = result;
    w->calls++;
}

static struct mu_hook_job job(const char *command)
{
    return (struct mu_hook_job){
        .command = command, .file = "/tmp/a file", .name = "fw", .version = "7",
        .identity = "dev-1", .timeout_ms = 5000,
    };
}

static int run(struct world *w, const struct mu_hook_job *j)
{
    w->result = -1;
    w->calls = 0;
    assert_int_equal(mu_hook_start(&w->run, &w->uv, j, on_done, w), 0);
    assert_int_equal(mu_hook_start(&w->run, &w->uv, j, on_done, w),
                     MU_ERR_BUSY);
    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(w->calls, 1);
    assert_null(w->run);
    return w->result;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    mu_log_set(MU_LOG_ERROR);
    uv_loop_init(&w->uv);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->uv), 0);
    free(w);
    return 0;
}

static void test_arguments(void **state)
{
    struct mu_hook_job j =
        job("[ \"$1|$2|$3\" = '/tmp/a file|fw|7' ] && "
            "[ \"$MUSTER_FILE|$MUSTER_NAME|$MUSTER_VERSION\" = \"$1|$2|$3\" ] "
            "&& [ \"$MUSTER_IDENTITY\" = dev-1 ]");

    assert_int_equal(run(*state, &j), 0);
}

static void test_results(void **state)
{
    struct mu_hook_job bad = job("exit 5"), killed = job("kill -9 $$");
    struct mu_hook_job missing = job("no-such-command-anywhere 2>/dev/null");

    assert_int_equal(run(*state, &bad), 5);
    assert_int_equal(run(*state, &killed), 128 + 9);
    assert_int_equal(run(*state, &missing), 127);
}

static void test_time_is_bounded(void **state)
{
    char path[64], command[128], text[16] = "";
    struct mu_hook_job j = job(command);
    uint64_t before = uv_hrtime();
    FILE *f;

    snprintf(path, sizeof(path), "/tmp/muster-hook-%d", (int)getpid());
    snprintf(command, sizeof(command), "sleep 60 & echo $! > %s; wait", path);
    j.timeout_ms = 200;
    assert_int_equal(run(*state, &j), MU_HOOK_KILLED);
    assert_true(uv_hrtime() - before < 3000000000u);
    /* With all it started: gone, or waiting to be reaped by others. */
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    unlink(path);
    snprintf(command, sizeof(command),
             "! grep -q '^State:.[RSD]' /proc/%d/status 2>/dev/null",
             atoi(text));
    assert_int_equal(system(command), 0);
}

static void test_stop(void **state)
{
    struct world *w = *state;
    struct mu_hook_job j = job("sleep 60");

    assert_int_equal(mu_hook_start(&w->run, &w->uv, &j, on_done, w), 0);
    mu_hook_stop(&w->run);
    assert_null(w->run);
    mu_hook_stop(&w->run);
    uv_run(&w->uv, UV_RUN_DEFAULT);
    assert_int_equal(w->calls, 0);
}

/* A file of ours must not be open in what the operator runs. */
static void test_no_descriptors(void **state)
{
    int pipes[2];
    char command[64];

    assert_int_equal(pipe(pipes), 0);
    snprintf(command, sizeof(command), "[ ! -e /proc/self/fd/%d ]", pipes[1]);
    struct mu_hook_job j = job(command);

    assert_int_equal(run(*state, &j), 0);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
#define HOOK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        HOOK_TEST(test_arguments),   HOOK_TEST(test_results),
        HOOK_TEST(test_time_is_bounded), HOOK_TEST(test_stop),
        HOOK_TEST(test_no_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
