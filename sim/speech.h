/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts through a simulated fleet: gateways and a device of each area speak,
 * all others listen, packets are lost, nodes restart, and in each area somebody
 * with the area's key makes frames of his own.
 */
#ifndef MUSTER_SIM_SPEECH_H
#define MUSTER_SIM_SPEECH_H

#include "world.h"

struct sim_speech_conf {
    struct sim_conf world; /* speech: the scheme */
    uint32_t messages;     /* of each speaker, four seconds apart */
    uint32_t together;     /* so many in a row; 0 and 1: each by itself */
    uint32_t forged;       /* frames of the insider for a genuine one */
};

struct sim_speech_result {
    uint32_t speakers, said; /* messages */
    uint64_t expected;       /* to be heard: each by all of its area */
    uint64_t heard, twice;
    uint64_t false_heard;    /* that nobody said, or another: must be 0 */
    uint64_t frames, frame_bytes; /* of gateways, with headers */
    uint64_t forged;
    double delay_ms;         /* mean, of those heard */
    double signatures;       /* looked at by a device in a second, mean */
    uint64_t trace_hash;
};

/* MU_ERR_USAGE for a conf that makes no sense. */
int sim_speech_run(const struct sim_speech_conf *conf,
                   struct sim_speech_result *out);

#endif
