/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines. One process, one level: the only state of this file. */
#include "net/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const log_names[MU_LOG_LEVEL_COUNT] = {
    "error", "warn", "info", "debug", "trace",
};

static enum mu_log_level log_level = MU_LOG_INFO;

void mu_log_set(enum mu_log_level level)
{
    log_level = level;
}

bool mu_log_on(enum mu_log_level level)
{
    return level <= log_level;
}

int mu_log_level_parse(const char *text, enum mu_log_level *level)
{
    for (int i = 0; i < MU_LOG_LEVEL_COUNT; i++) {
        if (strcmp(text, log_names[i]) == 0) {
            *level = (enum mu_log_level)i;
            return 0;
        }
    }
    return MU_ERR_USAGE;
}

void mu_log(enum mu_log_level level, const char *event, const char *format, ...)
{
    char line[1024], when[32] = "";
    struct timespec now;
    struct tm utc;
    va_list args;

    if (!mu_log_on(level))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    int len = snprintf(line, sizeof(line), "time=%s.%03ldZ level=%s event=%s%s",
                       when, now.tv_nsec / 1000000, log_names[level], event,
                       format == NULL ? "" : " ");
    if (len > 0 && format != NULL && (size_t)len < sizeof(line)) {
        va_start(args, format);
        vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
        va_end(args);
    }
    fprintf(stderr, "%s\n", line);
}

struct mu_log_text mu_log_text(struct mu_bytes in)
{
    static const char digits[] = "0123456789abcdef";
    struct mu_log_text out;
    size_t n = 0, len = in.len < MU_ID_MAX ? in.len : MU_ID_MAX;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = in.data[i];

        if (c > 0x20 && c < 0x7f && c != '\\' && c != '"') {
            out.text[n++] = (char)c;
        } else {
            out.text[n++] = '\\';
            out.text[n++] = 'x';
            out.text[n++] = digits[c >> 4];
            out.text[n++] = digits[c & 15];
        }
    }
    out.text[n] = '\0';
    return out;
}
