/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on standard error: `time=... level=info event=link-up key=value`.
 * No secret ever goes here; text that a peer chose goes through mu_log_text.
 */
#ifndef NET_LOG_H
#define NET_LOG_H

#include "muster/bytes.h"
#include "muster/limits.h"

enum mu_log_level {
    MU_LOG_ERROR,
    MU_LOG_WARN,
    MU_LOG_INFO,
    MU_LOG_DEBUG,
    MU_LOG_TRACE,
    MU_LOG_LEVEL_COUNT
};

void mu_log_set(enum mu_log_level level);
bool mu_log_on(enum mu_log_level level);
/* "error", "warn", "info", "debug", "trace"; MU_ERR_USAGE. */
MU_MUST int mu_log_level_parse(const char *text, enum mu_log_level *level);

/* event: one word. format: "id=%s link=%u", or NULL for nothing more. */
void mu_log(enum mu_log_level level, const char *event, const char *format,
            ...) __attribute__((format(printf, 3, 4)));

/* Text of a peer with all but printable ASCII escaped, cut to 64 bytes. */
struct mu_log_text {
    char text[4 * MU_ID_MAX + 1];
};
struct mu_log_text mu_log_text(struct mu_bytes in);

#endif
