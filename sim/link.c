/* SPDX-License-Identifier: Apache-2.0 */
/* A narrow link with a queue, and a TCP flow through it. */
#include "link.h"

#include <string.h>

void sim_link_init(struct sim_link *l, uint32_t rate, mu_time queue)
{
    memset(l, 0, sizeof *l);
    l->rate = rate;
    l->queue = queue;
}

void sim_link_flow(struct sim_link *l, mu_time from, mu_time until,
                   mu_time way, uint32_t packet)
{
    l->flow = true;
    l->from = from;
    l->until = until;
    l->way = way;
    l->packet = packet;
    l->window = 10; /* RFC 6928 */
    l->slow = SIM_FLOW_WINDOW;
}

static mu_time link_put(struct sim_link *l, mu_time now, uint32_t bytes)
{
    if (l->free_at < now)
        l->free_at = now;
    if (l->free_at - now > l->queue)
        return MU_TIME_NEVER;
    l->free_at += MU_SECONDS(bytes) / l->rate;
    return l->free_at;
}

static void flow_send(struct sim_link *l, mu_time now)
{
    while (l->flying < SIM_FLOW_WINDOW && (double)l->flying < l->window) {
        struct sim_flow_packet *p =
            &l->sent[(l->first + l->flying++) % SIM_FLOW_WINDOW];
        mu_time at = link_put(l, now, l->packet);
        p->lost = at == MU_TIME_NEVER;
        /* Those behind a lost one tell that it is missing. */
        p->back_at = (p->lost ? l->free_at : at) + l->way;
    }
}

static void flow_heard(struct sim_link *l, const struct sim_flow_packet *p)
{
    l->first = (l->first + 1) % SIM_FLOW_WINDOW;
    l->flying--;
    if (!p->lost) {
        l->flow_carried += l->packet;
        l->window += l->window < l->slow ? 1 : 1 / l->window;
        return;
    }
    l->flow_lost++;
    if (p->back_at < l->recover_at)
        return; /* of the same window: once is enough */
    l->window = l->window / 2 > 2 ? l->window / 2 : 2;
    l->slow = l->window;
    l->recover_at = p->back_at + l->way + l->queue;
}

void sim_link_run(struct sim_link *l, mu_time now)
{
    if (!l->flow || now < l->from)
        return;
    if (l->flying == 0 && l->from < l->until)
        flow_send(l, l->from);
    while (l->flying > 0 && l->sent[l->first].back_at <= now) {
        struct sim_flow_packet p = l->sent[l->first];
        flow_heard(l, &p);
        if (p.back_at < l->until)
            flow_send(l, p.back_at);
    }
    if (now >= l->until && l->flying == 0)
        l->flow = false;
}

mu_time sim_link_put(struct sim_link *l, mu_time now, uint32_t bytes)
{
    mu_time at;

    if (l->rate == 0)
        return now;
    sim_link_run(l, now);
    at = link_put(l, now, bytes);
    if (at == MU_TIME_NEVER)
        l->dropped += bytes;
    else
        l->carried += bytes;
    return at;
}
