/* SPDX-License-Identifier: Apache-2.0 */
/* Values of status lines. */
#include "net/report.h"

#include <stdio.h>

#include "muster/cast.h"

#define REPORT_HEX_MAX 64

json_t *mu_report_hex(const uint8_t *data, size_t len)
{
    char text[2 * REPORT_HEX_MAX + 1] = "";

    for (size_t i = 0; i < len && i < REPORT_HEX_MAX; i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    return json_string(text);
}

json_t *mu_report_states(uint8_t state)
{
    static const struct { uint8_t bit; const char *name; } names[] = {
        { MU_STATE_RECEIVED, "received" },
        { MU_STATE_VERIFIED, "verified" },
        { MU_STATE_INSTALLED, "installed" },
        { MU_STATE_RUNNING, "running" },
        { MU_STATE_FAILED, "failed" },
    };
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((state & names[i].bit) != 0)
            json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}
