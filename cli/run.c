/* SPDX-License-Identifier: Apache-2.0 */
/* What serve, gateway and device have in common. */
#include "cli/run.h"

#include <stdio.h>

#include "net/log.h"

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
    return true;
}

bool cli_run_wants(const char *verb, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        return true;
    fprintf(stderr, "muster %s: --%s is wanted\nTry: muster %s --help\n", verb,
            name, verb);
    return false;
}
