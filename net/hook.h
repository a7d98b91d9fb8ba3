/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's command, run by the shell: `$1` is the verified file, `$2` the
 * name, `$3` the version; MUSTER_FILE, MUSTER_NAME, MUSTER_VERSION and
 * MUSTER_IDENTITY say the same, and of an alert MUSTER_SOURCE and MUSTER_SCHEME
 * who said it and how that was proved. What it prints goes to standard error.
 * It is killed with all it started when its time is over.
 */
#ifndef NET_HOOK_H
#define NET_HOOK_H

#include <uv.h>

#include "muster/bytes.h"
#include "muster/limits.h"

#define MU_HOOK_KILLED 124 /* result of a command that took too long */
#define MU_HOOK_NOT_RUN 127

struct mu_hook_run;

struct mu_hook_job {
    const char *command; /* for /bin/sh -c */
    const char *file, *name, *version, *identity;
    const char *source, *scheme; /* of an alert: who is proved to have said it,
                                    and how; else NULL */
    uint32_t timeout_ms;
};

/* `done` is called later, with the exit code; then *run is NULL again. MU_ERR_BUSY
 * when *run is not NULL. */
MU_MUST int mu_hook_start(struct mu_hook_run **run, uv_loop_t *uv,
                          const struct mu_hook_job *job,
                          void (*done)(void *ctx, int result), void *ctx);
/* Kills what runs; done is not called. Memory goes when the loop turns. */
void mu_hook_stop(struct mu_hook_run **run);

#endif
