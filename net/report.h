/* SPDX-License-Identifier: Apache-2.0 */
/* Values of status lines. */
#ifndef NET_REPORT_H
#define NET_REPORT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

json_t *mu_report_hex(const uint8_t *data, size_t len);
/* ["received", "verified", ...] */
json_t *mu_report_states(uint8_t state);

#endif
