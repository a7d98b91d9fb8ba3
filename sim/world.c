/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of the world: take what is due, tell the engine, carry out what it
 * wants, arm its timer. */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "air.h"
#include "alive.h"
#include "attack.h"
#include "checker.h"
#include "floor.h"
#include "radio.h"
#include "room.h"

static void trace_hash(struct sim_world *w, const char *line)
{
    for (const char *p = line; *p != 0; p++)
        w->trace_hash = (w->trace_hash ^ (uint8_t)*p) * 0x100000001b3u;
}

void sim_world_trace(struct sim_world *w, const struct sim_node *n,
                     const char *what, uint64_t a, uint64_t b)
{
    char line[160];
    snprintf(line, sizeof line,
             "%" PRIu64 ".%06" PRIu64 " %s %s %" PRIu64 " %" PRIu64 "\n",
             w->now / 1000000u, w->now % 1000000u, n->identity, what, a, b);
    trace_hash(w, line);
    if (w->conf.trace != NULL)
        fputs(line, w->conf.trace);
}

uint32_t sim_node_index(const struct sim_world *w, const struct sim_node *n)
{
    return (uint32_t)(n - w->nodes);
}

void sim_world_at(struct sim_world *w, mu_time at, uint64_t number)
{
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = at,
                                 .what = SIM_SCENARIO,
                                 .number = number,
                             });
}

static void timer_put(struct sim_world *w, struct sim_node *n)
{
    n->queued_at = n->timer_at;
    n->queued_order = n->timer_order;
    sim_queue_put_placed(&w->queue, (struct sim_item){
                                        .at = n->timer_at,
                                        .order = n->timer_order,
                                        .what = SIM_TIMER,
                                        .node = sim_node_index(w, n),
                                    });
}

/* Each packet moves the deadline of each device that hears it, mostly to later:
 * then the item that is in the queue stays, and when it comes up the timer is put
 * in at the place that it was given here. */
static void world_arm(struct sim_world *w, struct sim_node *n)
{
    mu_time due = n->methods->deadline(n->engine);
    if (due == MU_TIME_NEVER) {
        n->timer_at = MU_TIME_NEVER;
        return;
    }
    due = sim_radio_when(n, due);
    if (due < w->now)
        due = w->now;
    if (due == n->timer_at)
        return;
    n->timer_at = due;
    n->timer_order = sim_queue_place(&w->queue);
    if (due < n->queued_at)
        timer_put(w, n);
}

/* Is it due, and not moved since it was put in? */
static bool timer_due(struct sim_world *w, struct sim_node *n,
                      const struct sim_item *item)
{
    if (item->order != n->queued_order)
        return false; /* one that comes before it was put in */
    n->queued_at = MU_TIME_NEVER;
    if (n->timer_at == MU_TIME_NEVER)
        return false;
    if (n->timer_order != item->order) {
        timer_put(w, n);
        return false;
    }
    n->timer_at = MU_TIME_NEVER;
    return true;
}

static void world_hook(struct sim_world *w, struct sim_node *n,
                       const struct mu_effect *e)
{
    if (e->hook == MU_HOOK_INSTALL)
        n->installs++;
    if (e->hook == MU_HOOK_ALERT && w->alerted != NULL)
        w->alerted(w, n, e);
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = w->now + MU_MS(e->hook == MU_HOOK_ALERT
                                                          ? 10 : 500),
                                 .what = SIM_HOOK,
                                 .node = sim_node_index(w, n),
                                 .number = (uint64_t)e->hook,
                             });
}

static void world_effect(struct sim_world *w, struct sim_node *n,
                         const struct mu_effect *e)
{
    if (n->off && (e->kind == MU_DO_SEND || e->kind == MU_DO_PACKET ||
                   e->kind == MU_DO_LINK_OPEN)) {
        sim_world_trace(w, n, "spoke-asleep", e->kind, 0);
        w->spoke_asleep++;
    }
    switch (e->kind) {
    case MU_DO_SEND:
        sim_network_message(w, n, e);
        break;
    case MU_DO_PACKET:
        sim_network_packet(w, n, e);
        break;
    case MU_DO_LINK_OPEN:
        sim_network_link_open(w, n);
        break;
    case MU_DO_LINK_CLOSE:
        sim_network_link_close(w, n, e->link);
        break;
    case MU_DO_RADIO:
        sim_radio_switch(w, n, e->on);
        break;
    case MU_DO_LINK_QUIET: /* no link dies of silence here */
        break;
    case MU_DO_CHANNEL:
        n->joined[e->channel] = true;
        break;
    case MU_DO_HOOK:
        world_hook(w, n, e);
        break;
    case MU_DO_TRACE:
        sim_world_trace(w, n, e->trace, e->a, e->b);
        break;
    case MU_DO_STORE: /* the caller's */
    case MU_DO_COUNT:
        break;
    }
}

#define TICKETS_MAX 1024 /* STORE effects of one step, in any engine */

struct tickets {
    uint32_t ring[TICKETS_MAX];
    size_t first, len;
    bool dirty; /* puts since the last commit */
};

/* All effects that are there now. */
static bool world_take(struct sim_world *w, struct sim_node *n,
                       struct tickets *t)
{
    struct mu_effect e;
    bool any = false;
    while (n->up && t->len < TICKETS_MAX &&
           n->methods->next(n->engine, &e)) {
        any = true;
        if (e.kind != MU_DO_STORE) {
            world_effect(w, n, &e);
            continue;
        }
        if (n->store.put(n->store.ctx, e.table, e.key, e.value) != 0)
            abort();
        t->ring[(t->first + t->len++) % TICKETS_MAX] = e.ticket;
        t->dirty = true;
    }
    return any;
}

void sim_world_drain(struct sim_world *w, struct sim_node *n)
{
    struct tickets t = {.len = 0};
    while ((world_take(w, n, &t) || t.len > 0) && n->up) {
        if (t.len == 0)
            continue;
        if (t.dirty && n->store.commit(n->store.ctx) != 0)
            abort();
        t.dirty = false;
        struct mu_event ev = {.kind = MU_EV_STORED,
                              .now = sim_radio_clock(n, w->now),
                              .ticket = t.ring[t.first]};
        t.first = (t.first + 1) % TICKETS_MAX;
        t.len--;
        (void)n->methods->step(n->engine, &ev);
    }
    if (n->up)
        world_arm(w, n);
}

void sim_world_event(struct sim_world *w, struct sim_node *n,
                     struct mu_event *ev)
{
    if (!n->up)
        return;
    ev->now = sim_radio_clock(n, w->now);
    (void)n->methods->step(n->engine, ev);
    sim_world_drain(w, n);
}

void sim_world_crash(struct sim_world *w, struct sim_node *n, mu_time down)
{
    if (!n->up)
        return;
    sim_world_trace(w, n, "crash", down, 0);
    sim_network_crashed(w, n);
    sim_node_halt(n);
    sim_queue_put(&w->queue, (struct sim_item){
                                 .at = w->now + down,
                                 .what = SIM_BOOT,
                                 .node = sim_node_index(w, n),
                             });
}

static void world_item(struct sim_world *w, struct sim_item *item)
{
    struct sim_node *n = &w->nodes[item->node];
    struct mu_event ev = {.kind = MU_EV_TIMER};
    switch (item->what) {
    case SIM_TIMER:
        if (timer_due(w, n, item))
            sim_world_event(w, n, &ev);
        break;
    case SIM_HOOK:
        ev.kind = MU_EV_HOOK;
        ev.hook = (enum mu_hook)item->number;
        sim_world_event(w, n, &ev);
        break;
    case SIM_BOOT:
        sim_node_boot(w, n);
        break;
    case SIM_WAKE:
        sim_radio_nap(w, n, item->number == 0);
        break;
    case SIM_ALIVE:
        sim_alive_due(w, item);
        break;
    case SIM_SCENARIO:
        w->scenario(w, item->number);
        break;
    case SIM_AREA:
    case SIM_PACKET:
    case SIM_MESSAGE:
    case SIM_GIVE_UP:
    case SIM_LINK_UP:
    case SIM_LINK_DOWN:
        sim_network_deliver(w, item);
        break;
    }
}

void sim_world_run(struct sim_world *w, mu_time until,
                   bool (*done)(struct sim_world *w))
{
    struct sim_item item;
    while (sim_queue_take(&w->queue, &item)) {
        if (item.at > until) {
            sim_queue_put(&w->queue, item);
            w->now = until;
            return;
        }
        w->now = item.at;
        w->events++;
        world_item(w, &item);
        sim_buffer_drop(item.buffer);
        if (done != NULL && done(w))
            return;
    }
}

void sim_world_init(struct sim_world *w, const struct sim_conf *conf)
{
    memset(w, 0, sizeof *w);
    w->conf = *conf;
    w->trace_hash = 0xcbf29ce484222325u;
    sim_rng_seed(&w->chance, conf->seed, 1);
    sim_rng_seed(&w->secrets, conf->seed, 2);
    sim_rng_seed(&w->attacker, conf->seed, 6);
    sim_queue_init(&w->queue);
    w->first_device = 1 + conf->gateways;
    w->nodes_len = w->first_device + conf->devices;
    w->nodes = sim_room_new(w->nodes_len * sizeof *w->nodes);
    for (uint32_t i = 0; i < w->nodes_len; i++)
        w->nodes[i].timer_at = w->nodes[i].queued_at = MU_TIME_NEVER;
    sim_checker_crypto(w);
    w->air = sim_air_new(w);
}

void sim_world_clear(struct sim_world *w)
{
    for (uint32_t i = 0; i < w->nodes_len; i++)
        sim_node_del(&w->nodes[i]);
    sim_queue_clear(&w->queue);
    sim_air_del(w->air);
    sim_floor_del(w->floor);
    sim_attack_clear(w);
    sim_checker_clear(w);
    sim_room_del(w->nodes, w->nodes_len * sizeof *w->nodes);
    sim_room_del(w->room, w->room_len);
    free(w->exchanges);
    free(w->truth);
}
