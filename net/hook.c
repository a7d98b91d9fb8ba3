/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's command. */
#include "net/hook.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/close_range.h>
#include <unistd.h>

#include "net/log.h"

#define HOOK_ENV_MAX 256
#define HOOK_ENV_OWN 6
#define HOOK_TEXT_MAX 4096 /* bytes of a command or of a path */

struct mu_hook_run {
    uv_process_t process;
    uv_timer_t timer;
    bool over, timed_out;
    unsigned open; /* handles */
    struct mu_hook_run **owner;
    void (*done)(void *ctx, int result);
    void *ctx;
};

static void hook_closed(uv_handle_t *handle)
{
    struct mu_hook_run *h = handle->data;

    if (--h->open == 0)
        free(h);
}

static void hook_close(struct mu_hook_run *h)
{
    h->over = true;
    *h->owner = NULL;
    uv_close((uv_handle_t *)&h->process, hook_closed);
    uv_close((uv_handle_t *)&h->timer, hook_closed);
}

static void hook_exit(uv_process_t *process, int64_t status, int number)
{
    struct mu_hook_run *h = process->data;
    int result = number != 0 ? 128 + number : (int)(status & 0xff);

    if (h->over)
        return;
    hook_close(h);
    h->done(h->ctx, h->timed_out ? MU_HOOK_KILLED : result);
}

static void hook_timeout(uv_timer_t *timer)
{
    struct mu_hook_run *h = timer->data;

    h->timed_out = true;
    mu_log(MU_LOG_WARN, "hook-timeout", "pid=%d", h->process.pid);
    kill(-h->process.pid, SIGKILL); /* its whole group */
}

/* libcoap opens its sockets without close-on-exec: the command gets none. */
static void hook_keep_descriptors(void)
{
    if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) != 0)
        mu_log(MU_LOG_WARN, "close-range", NULL);
}

/* argv wants writable text. */
struct hook_args {
    char command[HOOK_TEXT_MAX], file[HOOK_TEXT_MAX], name[MU_ID_MAX + 1];
    char version[24];
};

static int hook_spawn(struct mu_hook_run *h, uv_loop_t *uv,
                      struct hook_args *a, char *env[])
{
    char shell[] = "/bin/sh", flag[] = "-c", self[] = "muster-hook";
    char *args[] = { shell, flag, a->command, self, a->file, a->name,
                     a->version, NULL };
    uv_stdio_container_t streams[3] = {
        { .flags = UV_IGNORE },
        { .flags = UV_INHERIT_FD, .data.fd = 2 },
        { .flags = UV_INHERIT_FD, .data.fd = 2 },
    };
    uv_process_options_t options = {
        .exit_cb = hook_exit, .file = shell, .args = args, .env = env,
        .flags = UV_PROCESS_DETACHED, /* a group of its own, to be killed */
        .stdio_count = 3, .stdio = streams,
    };

    return uv_spawn(uv, &h->process, &options);
}

extern char **environ;

static int hook_text(char *to, size_t cap, const char *from)
{
    int n = snprintf(to, cap, "%s", from);

    return n < 0 || (size_t)n >= cap ? MU_ERR_TOO_LARGE : 0;
}

static int hook_launch(struct mu_hook_run *h, uv_loop_t *uv,
                       const struct mu_hook_job *job)
{
    char *env[HOOK_ENV_MAX + HOOK_ENV_OWN + 1];
    char own[HOOK_ENV_OWN][HOOK_TEXT_MAX + 32];
    struct hook_args a;
    size_t n = 0;
    int rc;

    if (hook_text(a.command, sizeof(a.command), job->command) != 0 ||
        hook_text(a.file, sizeof(a.file), job->file) != 0 ||
        hook_text(a.name, sizeof(a.name), job->name) != 0 ||
        hook_text(a.version, sizeof(a.version), job->version) != 0)
        return UV_E2BIG;
    snprintf(own[0], sizeof(own[0]), "MUSTER_FILE=%s", a.file);
    snprintf(own[1], sizeof(own[1]), "MUSTER_NAME=%s", a.name);
    snprintf(own[2], sizeof(own[2]), "MUSTER_VERSION=%s", a.version);
    snprintf(own[3], sizeof(own[3]), "MUSTER_IDENTITY=%s", job->identity);
    if (job->source != NULL) {
        snprintf(own[4], sizeof(own[4]), "MUSTER_SOURCE=%s", job->source);
        snprintf(own[5], sizeof(own[5]), "MUSTER_SCHEME=%s", job->scheme);
    }
    for (size_t i = 0; environ[i] != NULL && n < HOOK_ENV_MAX; i++) {
        if (strncmp(environ[i], "MUSTER_", 7) != 0)
            env[n++] = environ[i];
    }
    for (size_t i = 0; i < (job->source != NULL ? HOOK_ENV_OWN : 4); i++)
        env[n++] = own[i];
    env[n] = NULL;
    hook_keep_descriptors();
    rc = hook_spawn(h, uv, &a, env);
    return rc;
}

int mu_hook_start(struct mu_hook_run **run, uv_loop_t *uv,
                  const struct mu_hook_job *job,
                  void (*done)(void *ctx, int result), void *ctx)
{
    struct mu_hook_run *h;

    if (*run != NULL)
        return MU_ERR_BUSY;
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return MU_ERR_FULL;
    *h = (struct mu_hook_run){
        .open = 2, .owner = run, .done = done, .ctx = ctx,
    };
    if (uv_timer_init(uv, &h->timer) != 0) {
        free(h);
        return MU_ERR_FULL;
    }
    h->process.data = h;
    h->timer.data = h;
    int rc = hook_launch(h, uv, job);

    h->process.data = h;
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "hook-spawn", "error=%s", uv_strerror(rc));
        h->over = true;
        h->open = 1; /* the process handle was never opened */
        if (h->process.type == UV_PROCESS) {
            h->open = 2;
            uv_close((uv_handle_t *)&h->process, hook_closed);
        }
        uv_close((uv_handle_t *)&h->timer, hook_closed);
        return MU_ERR_IO;
    }
    *run = h;
    uv_timer_start(&h->timer, hook_timeout, job->timeout_ms, 0);
    return 0;
}

void mu_hook_stop(struct mu_hook_run **run)
{
    struct mu_hook_run *h = *run;

    if (h == NULL)
        return;
    kill(-h->process.pid, SIGKILL);
    hook_close(h);
}
