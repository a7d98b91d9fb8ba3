/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time is an argument. Engines never read a clock: every event carries the
 * time, and deadlines are points on the same line.
 */
#ifndef MUSTER_TIME_H
#define MUSTER_TIME_H

#include <stdint.h>

/* Microseconds since the node started; only ever grows. */
typedef uint64_t mu_time;

#define MU_TIME_NEVER UINT64_MAX
#define MU_MS(n) ((mu_time)(n) * 1000u)
#define MU_SECONDS(n) ((mu_time)(n) * 1000000u)

#endif
