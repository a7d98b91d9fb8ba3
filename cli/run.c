/* SPDX-License-Identifier: Apache-2.0 */
/* What serve, gateway and device have in common. */
#include "cli/run.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/log.h"

/* May this process lock as much as it likes? Else a lock that succeeds now
 * makes some later allocation fail. */
static bool run_lock_unbounded(void)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct caps[2] = { { 0 } };
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
        limit.rlim_cur == RLIM_INFINITY)
        return true;
    return syscall(SYS_capget, &head, caps) == 0 &&
           (caps[0].effective >> CAP_IPC_LOCK & 1) != 0;
}

/* Keys must not get to the swap space. Pages are locked as they are first
 * touched, so memory that is only reserved costs nothing. */
static void run_lock_memory(void)
{
    const char *why = "RLIMIT_MEMLOCK";

    if (run_lock_unbounded()) {
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
            return;
        why = strerror(errno);
    }
    mu_log(MU_LOG_WARN, "memory", "locked=no why=\"%s\" note=\"keys may get to "
           "the swap space\"", why);
}

bool cli_run_prepare(const char *verb, const char *log)
{
    enum mu_log_level level;

    if (mu_log_level_parse(log, &level) != 0) {
        fprintf(stderr, "muster %s: log: error, warn, info, debug or trace is "
                "wanted, not \"%s\"\n", verb, log);
        return false;
    }
    mu_log_set(level);
    mu_body_harden();
    run_lock_memory();
    return true;
}

bool cli_run_scheme(const char *verb, const char *scheme)
{
    if (scheme == NULL ||
        mu_speech_scheme_of(mu_bytes_str(scheme)) != MU_SPEECH_NONE)
        return true;
    fprintf(stderr, "muster %s: bloom, merkle, tesla, utesla, multilevel or "
            "chain is wanted, not \"%s\"\n", verb, scheme);
    return false;
}

bool cli_run_yields(const char *verb, bool yields, uint32_t rate)
{
    if (!yields || rate != 0)
        return true;
    fprintf(stderr, "muster %s: --yield wants a --rate that is bounded\n", verb);
    return false;
}

bool cli_run_listens(const char *verb, const char *text,
                     struct mu_area_listens *out)
{
    unsigned window, period;
    int end = 0;

    *out = (struct mu_area_listens){ .period_s = 0 };
    if (text == NULL)
        return true;
    if (sscanf(text, "%5u/%5u%n", &window, &period, &end) == 2 &&
        text[end] == '\0' && window > 0 && window < period &&
        period <= MU_LISTEN_PERIOD_MAX) {
        *out = (struct mu_area_listens){ .period_s = period,
                                         .window_s = window };
        return true;
    }
    fprintf(stderr, "muster %s: --listens: W/P is wanted, W seconds of every P "
            "up to %u, not \"%s\"\n", verb, MU_LISTEN_PERIOD_MAX, text);
    return false;
}

bool cli_run_wants(const char *verb, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        return true;
    fprintf(stderr, "muster %s: --%s is wanted\nTry: muster %s --help\n", verb,
            name, verb);
    return false;
}
