/* SPDX-License-Identifier: Apache-2.0 */
/* When a campaign will be through, from what it has done so far. */
#ifndef API_ETA_H
#define API_ETA_H

#include <stdint.h>

struct api_progress {
    uint64_t elapsed_s;
    uint64_t sent, sent_all;   /* data packets in all areas; to be sent */
    uint64_t ended, ended_all; /* members at an end; all of them */
    uint32_t ride_s;           /* acknowledgements may come so much later */
    uint64_t wait_s; /* until everybody has listened once; 0: all do */
};

/* Seconds to go, -1 when nobody can tell yet. Sending counts for nine tenths of
 * the way, acknowledging for one; acknowledgements that wait for keep-alives come
 * evenly, whatever the sending took. */
static inline int64_t api_eta_work_s(const struct api_progress *p)
{
    uint64_t sent = p->sent < p->sent_all ? p->sent : p->sent_all;
    uint64_t ended = p->ended < p->ended_all ? p->ended : p->ended_all;
    double done;

    if (p->sent_all == 0 || p->ended_all == 0)
        return -1;
    if (p->ride_s != 0 && sent > 0) {
        done = (double)sent / (double)p->sent_all;
        return (int64_t)((double)p->elapsed_s * (1 - done) / done +
                         p->ride_s * (1 - (double)ended /
                                              (double)p->ended_all) + 0.5);
    }
    done = 0.9 * (double)sent / (double)p->sent_all +
           0.1 * (double)ended / (double)p->ended_all;
    if (done < 0.02 || p->elapsed_s == 0)
        return -1;
    return (int64_t)((double)p->elapsed_s * (1 - done) / done + 0.5);
}

/* Who sleeps is not through before its window. */
static inline int64_t api_eta_s(const struct api_progress *p)
{
    int64_t work = api_eta_work_s(p), wait = (int64_t)p->wait_s;

    return wait == 0 || work > wait ? work : wait;
}

#endif
