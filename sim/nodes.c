/* SPDX-License-Identifier: Apache-2.0 */
/* Engines made from a node's identity, root key and durable records: at the
 * start of the world, and again after each crash. */
#include <stdlib.h>
#include <string.h>

#include "muster/device_state.h"
#include "muster/gateway_state.h"
#include "muster/server_state.h"
#include "store/store.h"

#include "depot.h"
#include "radio.h"
#include "room.h"
#include "world.h"

#define LINE 64u /* bytes of the cache */

static int device_step(void *d, const struct mu_event *ev)
{
    return mu_device_step(d, ev);
}
static bool device_next(void *d, struct mu_effect *e)
{
    return mu_device_next(d, e);
}
static mu_time device_deadline(const void *d)
{
    return mu_device_deadline(d);
}
static int gateway_step(void *g, const struct mu_event *ev)
{
    return mu_gateway_step(g, ev);
}
static bool gateway_next(void *g, struct mu_effect *e)
{
    return mu_gateway_next(g, e);
}
static mu_time gateway_deadline(const void *g)
{
    return mu_gateway_deadline(g);
}
static int server_step(void *s, const struct mu_event *ev)
{
    return mu_server_step(s, ev);
}
static bool server_next(void *s, struct mu_effect *e)
{
    return mu_server_next(s, e);
}
static mu_time server_deadline(const void *s)
{
    return mu_server_deadline(s);
}

static const struct sim_engine engines[] = {
    [SIM_SERVER] = {server_step, server_next, server_deadline},
    [SIM_GATEWAY] = {gateway_step, gateway_next, gateway_deadline},
    [SIM_DEVICE] = {device_step, device_next, device_deadline},
};

/* What the configurations point to, for the life of a node. */
struct node_ports {
    struct mu_object slot;
    struct mu_depot depot_port;
    struct sim_depot *depot;
    struct mu_secret master;
};

static void *node_alloc(size_t len)
{
    void *p = calloc(1, len == 0 ? 1 : len);
    if (p == NULL)
        abort();
    return p;
}

static size_t line_round(size_t len)
{
    return (len + LINE - 1) & ~(size_t)(LINE - 1);
}

/* The devices of an area lie side by side: one after the other they hear each
 * packet. */
static void device_memory(struct sim_world *w, struct sim_node *n)
{
    const struct sim_conf *c = &w->conf;
    size_t engine = line_round(sizeof(struct mu_device));
    size_t each = engine + line_round(n->work_len);
    size_t area = (c->devices + c->gateways - 1) / c->gateways;
    uint8_t *at;

    n->in_room = c->devices > c->heap_devices;
    if (!n->in_room) {
        n->work = node_alloc(n->work_len);
        n->engine = node_alloc(sizeof(struct mu_device));
        return;
    }
    if (w->room == NULL) {
        w->room_len = each * area * c->gateways;
        w->room = sim_room_new(w->room_len);
    }
    at = (uint8_t *)w->room +
         each * (n->number % c->gateways * area + n->number / c->gateways);
    if (n->was_up)
        memset(at, 0, each);
    n->engine = at;
    n->work = at + engine;
}

/* What a device looks at for every packet. Only a hint: whatever it misses takes
 * longer. */
void sim_node_fetch(const struct sim_node *n)
{
    static const struct {
        size_t from, to;
    } parts[] = {
        {offsetof(struct mu_device, conf),
         offsetof(struct mu_device, conf) + 1},
        {offsetof(struct mu_device, work),
         offsetof(struct mu_device, gateway)},
        {offsetof(struct mu_device, asks), offsetof(struct mu_device, kfb)},
        {offsetof(struct mu_device, area_until),
         offsetof(struct mu_device, area_until) + 1},
        {offsetof(struct mu_device, channel_due),
         offsetof(struct mu_device, rehellos)},
        {offsetof(struct mu_device, command),
         offsetof(struct mu_device, command) + 1},
        {offsetof(struct mu_device, speech),
         offsetof(struct mu_device, speech) + 1},
        {offsetof(struct mu_device, assembly_at),
         offsetof(struct mu_device, ignored)},
        {offsetof(struct mu_device, kann_stale),
         offsetof(struct mu_device, traces)},
        {offsetof(struct mu_device, out) - 8, offsetof(struct mu_device, out)},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t at = parts[i].from / LINE * LINE; at < parts[i].to;
             at += LINE)
            __builtin_prefetch((const char *)n->engine + at, 1, 2);
    }
}

static struct mu_speaker_conf node_speaks(const struct sim_world *w)
{
    return (struct mu_speaker_conf){
        .scheme = (enum mu_speech_scheme)w->conf.speech, .copies = 3,
        .interval_ms = 500, .answers = 50,
    };
}

static void boot_device(struct sim_world *w, struct sim_node *n)
{
    struct mu_device_conf conf = {
        .crypto = &w->crypto,
        .identity = mu_bytes_str(n->identity),
        .kmr = &n->kmr,
        .store = &n->store,
        .slot = &n->ports->slot,
        .object_max = w->conf.size,
        .page_memory = w->conf.page_memory,
        .copy_port = w->conf.cost > 1 ? 5702 : 0,
        .member_mem = w->conf.scheme == MU_SCHEME_UNICAST ? 0 : 4096,
        .software = mu_bytes_str("sim"),
        .speak = node_speaks(w),
        .listen = w->conf.speech != MU_SPEECH_NONE ? 4 : 0,
        .keepalive_ms = w->conf.keepalive_ms,
        .listens = n->listens,
        .seed = (uint32_t)sim_rng_next(&w->chance),
    };
    n->work_len = mu_device_work(&conf);
    device_memory(w, n);
    if (mu_device_init(n->engine, &conf, n->work, n->work_len, 0) != 0)
        abort();
}

static void boot_gateway(struct sim_world *w, struct sim_node *n)
{
    struct mu_gateway_conf conf = {
        .crypto = &w->crypto,
        .identity = mu_bytes_str(n->identity),
        .kmr = &n->kmr,
        .store = &n->store,
        .depot = &n->ports->depot_port,
        .devices_max = (uint16_t)(n->below_len - 1),
        .payload_max = w->conf.payload,
        .page_packets_max = MU_PAGE_PACKETS_MAX,
        .area_address = "239.1.1.1",
        .area_port = 5700,
        .area_up_port = 5701,
        .area_rate = w->conf.area_rate,
        .area_yields = w->conf.yields,
        .area_cost = w->conf.cost,
        .hold_s = w->conf.hold_s,
        .area_overhead = w->conf.overhead,
        .area_window_ms = (uint16_t)(w->conf.delay_us / 250 + 20),
        .area_loss_permille = (uint16_t)(w->conf.loss * 1000),
        .ticks = SIM_TICKS,
        .software = mu_bytes_str("sim"),
        .speak = node_speaks(w),
        .seed = (uint32_t)sim_rng_next(&w->chance),
    };
    n->work_len = mu_gateway_work(&conf);
    n->work = node_alloc(n->work_len);
    n->engine = node_alloc(sizeof(struct mu_gateway));
    if (mu_gateway_init(n->engine, &conf, n->work, n->work_len, 0) != 0)
        abort();
}

static void boot_server(struct sim_world *w, struct sim_node *n)
{
    struct mu_server_conf conf = {
        .crypto = &w->crypto,
        .identity = mu_bytes_str(n->identity),
        .store = &n->store,
        .depot = &n->ports->depot_port,
        .master = &n->ports->master,
        .campaigns_max = 4,
        .gateways_max = (uint16_t)(w->conf.gateways + 1),
        .connections_max = 2 * w->conf.devices + 16,
        .scheme_mem = w->conf.scheme == MU_SCHEME_UNICAST
                          ? 0
                          : (1u << 20) + 16u * (size_t)w->conf.devices,
        .wide_address = "239.1.0.1",
        .wide_port = 5600,
        .wide_up_port = 5601,
        .wide_rate = 12500000,
        .wide_overhead = 46,
        .wide_window_ms = (uint16_t)(w->conf.wide_delay_us / 250 + 20),
        .wide_loss_permille = (uint16_t)(w->conf.wide_loss * 1000),
        .shape = {w->conf.payload, w->conf.page_data, w->conf.page_parity,
                  w->conf.hash_len},
        .seed = (uint32_t)sim_rng_next(&w->chance),
    };
    n->work_len = mu_server_work(&conf);
    n->work = node_alloc(n->work_len);
    n->engine = node_alloc(sizeof(struct mu_server));
    if (mu_server_init(n->engine, &conf, n->work, n->work_len, 0) != 0)
        abort();
}

static void node_ports(struct sim_world *w, struct sim_node *n)
{
    if (n->ports != NULL)
        return;
    n->ports = node_alloc(sizeof *n->ports);
    n->methods = &engines[n->role];
    n->slot.world = w;
    if (n->role == SIM_DEVICE)
        n->ports->slot = sim_slot_object(&n->slot);
    else
        n->ports->depot = sim_depot_new(
            &n->ports->depot_port,
            n->role == SIM_GATEWAY ? w->nodes[0].ports->depot : NULL);
    n->ports->master.len = 32;
    sim_rng_fill(&w->secrets, n->ports->master.bytes, 32);
    if (mu_memory_open(&n->memory, &n->store) != 0)
        abort();
}

void sim_node_boot(struct sim_world *w, struct sim_node *n)
{
    struct mu_event ev = {.kind = MU_EV_START};
    node_ports(w, n);
    n->boot_at = w->now;
    n->timer_at = MU_TIME_NEVER;
    n->up = true;
    n->linked = false;
    sim_radio_switch(w, n, true);
    if (n->role == SIM_DEVICE)
        boot_device(w, n);
    else if (n->role == SIM_GATEWAY)
        boot_gateway(w, n);
    else
        boot_server(w, n);
    sim_world_event(w, n, &ev);
}

void sim_node_halt(struct sim_node *n)
{
    if (!n->up)
        return;
    n->up = false;
    n->joined[0] = n->joined[1] = false;
    n->linked = false;
    n->timer_at = MU_TIME_NEVER;
    n->store.rollback(n->store.ctx);
    n->was_up = true;
    if (!n->in_room) {
        free(n->work);
        free(n->engine);
    }
    n->work = n->engine = NULL;
}

void sim_node_del(struct sim_node *n)
{
    sim_node_halt(n);
    if (n->ports != NULL) {
        if (n->ports->depot != NULL)
            sim_depot_del(n->ports->depot);
        free(n->ports);
    }
    if (n->memory != NULL)
        mu_memory_close(n->memory);
    free(n->below);
    free(n->link);
}

struct mu_depot *sim_node_depot(struct sim_node *n)
{
    return &n->ports->depot_port;
}
