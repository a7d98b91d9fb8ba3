/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The narrowest link on the way: so many bytes a second, a queue that takes so
 * much and drops the rest, and a TCP flow of somebody else in the same queue
 * (AIMD by losses, RFC 5681: slow start, half on a loss, a packet more a round
 * trip). It is brought up to date whenever somebody looks, so it needs no
 * events.
 */
#ifndef MUSTER_SIM_LINK_H
#define MUSTER_SIM_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "muster/time.h"

#define SIM_FLOW_WINDOW 4096 /* packets */

struct sim_flow_packet {
    mu_time back_at; /* its acknowledgement, or the gap that it left */
    bool lost;
};

struct sim_link {
    uint32_t rate;     /* bytes a second; 0: no narrow link */
    mu_time queue;     /* the longest wait in it */
    mu_time free_at;
    uint64_t carried, dropped; /* bytes, of everybody but the flow */

    bool flow;
    mu_time from, until; /* it has something to send */
    mu_time way;         /* there and back, without the queue */
    uint32_t packet;     /* bytes of one */
    double window, slow; /* packets; slow start ends there */
    mu_time recover_at;
    struct sim_flow_packet sent[SIM_FLOW_WINDOW];
    size_t first, flying;
    uint64_t flow_carried; /* bytes that were acknowledged */
    uint64_t flow_lost;    /* packets */
};

void sim_link_init(struct sim_link *l, uint32_t rate, mu_time queue);
/* A flow that sends packets of so many bytes from then on, until then. */
void sim_link_flow(struct sim_link *l, mu_time from, mu_time until,
                   mu_time way, uint32_t packet);
/* When the last of these bytes has crossed it; MU_TIME_NEVER: dropped. */
mu_time sim_link_put(struct sim_link *l, mu_time now, uint32_t bytes);
/* What the flow has done until now. */
void sim_link_run(struct sim_link *l, mu_time now);

#endif
