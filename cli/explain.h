/* SPDX-License-Identifier: Apache-2.0 */
/* muster push --explain: what a push would cost, and what each byte buys. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "muster/cast.h"

struct explain_conf {
    struct mu_cast_shape shape;
    uint32_t receivers;     /* in the area */
    uint32_t loss_permille; /* at each of them */
    uint32_t overhead;      /* link, IP and UDP bytes of a packet */
    uint32_t rate;          /* bytes a second on the medium */
    bool acks_now;          /* none waits for a keep-alive */
    bool json;
};

/* 0, or 1 after having said what is wrong. */
int cli_explain(const struct explain_conf *c, const char *file);

#endif
