/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for the node engines: see world.h. */
#include "tests/node/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/coap.h"

#define MESSAGE_US 5000 /* on a link */
#define PACKET_US 2000  /* in the area */
#define TIMEOUT_US 4000000 /* before a request is given up */
#define WORK_PAGE 24000

struct world_event {
    mu_time at;
    uint64_t order;
    struct world_node *to;
    uint32_t life;
    struct mu_event event;
    uint8_t *bytes; /* owned: identity, path, option, payload, packet */
    struct world_node *from; /* messages and links: the other end, */
    uint32_t from_life;      /* which has to be alive still */
};

struct world_exchange {
    struct world_node *from;
    uint32_t life;
    uint32_t exchange;
    bool answered;
};

uint32_t world_random(struct world *w)
{
    /* splitmix64 */
    uint64_t z = (w->seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

static bool chance(struct world *w, uint32_t permille)
{
    return permille > 0 && world_random(w) % 1000 < permille;
}

/* ---- the queue ---------------------------------------------------------- */

static struct world_event *event_new(struct world *w, struct world_node *to,
                                     enum mu_event_kind kind, mu_time delay)
{
    struct world_event *e;

    if (w->events_len == w->events_room) {
        w->events_room = w->events_room * 2 + 64;
        w->events = realloc(w->events, w->events_room * sizeof *w->events);
        assert(w->events != NULL);
    }
    e = &w->events[w->events_len++];
    memset(e, 0, sizeof *e);
    e->at = w->now + delay;
    e->order = w->order++;
    e->to = to;
    e->life = to->life;
    e->event.kind = kind;
    return e;
}

static struct mu_bytes event_keep(uint8_t **at, struct mu_bytes from)
{
    struct mu_bytes kept = {NULL, 0};

    if (from.data == NULL)
        return kept;
    if (from.len > 0)
        memcpy(*at, from.data, from.len);
    kept = mu_bytes(*at, from.len);
    *at += from.len;
    return kept;
}

static void event_message(struct world_event *e, const struct mu_message *m)
{
    uint8_t *at = malloc(m->path.len + m->oscore.len + m->payload.len + 1);

    assert(at != NULL);
    e->bytes = at;
    e->event.message = *m;
    e->event.message.path = event_keep(&at, m->path);
    e->event.message.oscore = event_keep(&at, m->oscore);
    e->event.message.payload = event_keep(&at, m->payload);
}

static void event_packet(struct world_event *e, enum mu_channel channel,
                         struct mu_bytes packet)
{
    uint8_t *at = malloc(packet.len + 1);

    assert(at != NULL);
    e->bytes = at;
    e->event.channel = channel;
    e->event.packet = event_keep(&at, packet);
}

static void event_identity(struct world_event *e, const char *identity)
{
    struct mu_bytes id = mu_bytes_str(identity);
    uint8_t *at = malloc(id.len + 1);

    assert(at != NULL);
    e->bytes = at;
    e->event.identity = event_keep(&at, id);
}

static size_t event_first(const struct world *w)
{
    size_t best = 0;

    for (size_t i = 1; i < w->events_len; i++) {
        const struct world_event *a = &w->events[i], *b = &w->events[best];

        if (a->at < b->at || (a->at == b->at && a->order < b->order))
            best = i;
    }
    return best;
}

/* ---- ports -------------------------------------------------------------- */

static int object_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct world_object *o = ctx;

    if (o->broken)
        return MU_ERR_IO;
    if (at > o->len || len > o->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, o->data + at, len);
    return 0;
}

static int object_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct world_object *o = ctx;

    if (o->full)
        return MU_ERR_IO;
    if (at > o->len || len > o->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(o->data + at, from, len);
    return 0;
}

static int object_sync(void *ctx)
{
    struct world_object *o = ctx;

    return o->full ? MU_ERR_IO : 0;
}

static struct mu_object object_port(struct world_object *o)
{
    return (struct mu_object){o, object_read, object_write, object_sync};
}

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    struct world_node *n = ctx;
    struct world_object *found = NULL;
    size_t room = sizeof n->parts / sizeof *n->parts;

    for (size_t i = 0; i < room; i++) {
        struct world_object *o = &n->parts[i];

        if (o->used && o->part == part &&
            memcmp(o->campaign, campaign, MU_CAMPAIGN_ID) == 0)
            found = o;
    }
    for (size_t i = 0; i < room && found == NULL; i++) {
        if (!n->parts[i].used)
            found = &n->parts[i];
    }
    assert(found != NULL);
    if (!found->used || found->len < size) {
        found->data = realloc(found->data, size);
        assert(found->data != NULL);
        memset(found->data, 0, size);
        found->len = size;
    }
    found->used = true;
    found->part = part;
    memcpy(found->campaign, campaign, MU_CAMPAIGN_ID);
    *out = object_port(found);
    return 0;
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    struct world_node *n = ctx;

    for (size_t i = 0; i < sizeof n->parts / sizeof *n->parts; i++) {
        if (n->parts[i].used && n->parts[i].part == part &&
            memcmp(n->parts[i].campaign, campaign, MU_CAMPAIGN_ID) == 0)
            n->parts[i].used = false;
    }
}

/* The store of a node: in memory, with what a test does to it. */
static int node_get(void *ctx, uint8_t table, struct mu_bytes key,
                    uint8_t *value, size_t *len)
{
    struct world_node *n = ctx;

    if (n->corrupt != NULL && mu_bytes_eq(key, mu_bytes_str(n->corrupt)))
        return MU_ERR_CORRUPT;
    return n->memory_store.get(n->memory_store.ctx, table, key, value, len);
}

static int node_walk(void *ctx, uint8_t table, struct mu_bytes after,
                     uint8_t *key, size_t *key_len, uint8_t *value,
                     size_t *value_len)
{
    struct world_node *n = ctx;

    return n->memory_store.next(n->memory_store.ctx, table, after, key,
                                key_len, value, value_len);
}

static int node_put(void *ctx, uint8_t table, struct mu_bytes key,
                    struct mu_bytes value)
{
    struct world_node *n = ctx;

    if (n->fail_key != NULL && key.len >= strlen(n->fail_key) &&
        memcmp(key.data, n->fail_key, strlen(n->fail_key)) == 0)
        return MU_ERR_IO;
    if (n->store_full || (n->fail_table != 0 && n->fail_table == table))
        return MU_ERR_IO;
    return n->memory_store.put(n->memory_store.ctx, table, key, value);
}

static int node_commit(void *ctx)
{
    struct world_node *n = ctx;

    return n->memory_store.commit(n->memory_store.ctx);
}

static void node_rollback(void *ctx)
{
    struct world_node *n = ctx;

    n->memory_store.rollback(n->memory_store.ctx);
}

/* ---- life --------------------------------------------------------------- */

static void node_init(struct world *w, struct world_node *n,
                      enum world_kind kind, const char *name)
{
    uint8_t raw[32];

    n->world = w;
    n->kind = kind;
    snprintf(n->name, sizeof n->name, "%s", name);
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)world_random(w);
    assert(mu_secret_set(&n->kmr, MU_BYTES(raw)) == 0);
    if (kind == WORLD_SERVER)
        return;
    assert(mu_memory_open(&n->memory, &n->memory_store) == 0);
    n->store = (struct mu_store){n,        node_get,    node_walk,
                                 node_put, node_commit, node_rollback};
    n->slot.data = calloc(1, WORLD_SLOT);
    n->installed = calloc(1, WORLD_SLOT);
    assert(n->slot.data != NULL && n->installed != NULL);
    n->slot.len = WORLD_SLOT;
    n->slot_port = object_port(&n->slot);
    n->depot = (struct mu_depot){n, depot_open, depot_remove};
}

void world_init(struct world *w, size_t devices, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->now = MU_SECONDS(1);
    w->crypto = mu_crypto_openssl();
    script_init(&w->script, mu_crypto_openssl());
    node_init(w, &w->server, WORLD_SERVER, "server");
    node_init(w, &w->gateway, WORLD_GATEWAY, "gw");
    strcpy(w->script.gateway_name, "gw");
    w->script.gateway_kmr = w->gateway.kmr;
    w->devices_len = devices;
    w->script.devices_len = devices;
    for (size_t i = 0; i < devices; i++) {
        struct script_device *d = &w->script.devices[i];

        snprintf(d->name, sizeof d->name, "dev-%u", (unsigned)(i % 100));
        node_init(w, &w->devices[i], WORLD_DEVICE, d->name);
        w->devices[i].number = i;
        d->kmr = w->devices[i].kmr;
        d->listed = true;
        d->member = true;
    }
}

static void gateway_conf(struct world_node *n, struct mu_gateway_conf *conf)
{
    *conf = (struct mu_gateway_conf){
        .crypto = mu_crypto_openssl(),
        .identity = mu_bytes_str(n->name),
        .kmr = &n->kmr,
        .store = &n->store,
        .depot = &n->depot,
        .devices_max = WORLD_DEVICES_MAX,
        .payload_max = 256,
        .page_packets_max = 40,
        .area_address = "239.9.9.9",
        .area_port = 9000,
        .area_up_port = 9001,
        .area_rate = n->world->area_rate != 0 ? n->world->area_rate : 200000,
        .area_overhead = 42,
        .area_window_ms = 40,
        .area_loss_permille = 20,
        .hold_s = n->world->hold_s,
        .ticks = n->world->ticks != 0 ? n->world->ticks : 2048,
        .software = mu_bytes_str("test"),
        .seed = 77,
    };
}

static void device_conf(struct world_node *n, struct mu_device_conf *conf)
{
    *conf = (struct mu_device_conf){
        .crypto = n->world->crypto,
        .identity = mu_bytes_str(n->name),
        .kmr = &n->kmr,
        .store = &n->store,
        .slot = &n->slot_port,
        .object_max = WORLD_SLOT,
        .page_memory = n->world->page_memory != 0 ? n->world->page_memory
                                                  : WORK_PAGE,
        .member_mem = n->world->member_mem,
        .keepalive_ms = n->world->keepalive_ms,
        .listens = n->world->listens[n->number],
        .software = mu_bytes_str("test"),
        .seed = 1000 + (uint32_t)n->number,
    };
}

static void node_new(struct world_node *n)
{
    int rc = 0;

    if (n->kind == WORLD_GATEWAY) {
        struct mu_gateway_conf conf;

        gateway_conf(n, &conf);
        n->gateway = malloc(sizeof *n->gateway);
        n->work_len = mu_gateway_work(&conf);
        n->work = malloc(n->work_len);
        assert(n->gateway != NULL && n->work != NULL);
        rc = mu_gateway_init(n->gateway, &conf, n->work, n->work_len,
                             n->world->now);
    } else if (n->kind == WORLD_DEVICE) {
        struct mu_device_conf conf;

        device_conf(n, &conf);
        n->device = malloc(sizeof *n->device);
        n->work_len = mu_device_work(&conf);
        n->work = malloc(n->work_len);
        assert(n->device != NULL && n->work != NULL);
        rc = mu_device_init(n->device, &conf, n->work, n->work_len,
                            n->world->now);
    }
    assert(rc == 0);
}

void world_start(struct world *w, struct world_node *n)
{
    struct mu_event ev = {.kind = MU_EV_START};

    assert(!n->up);
    n->up = true;
    n->life++;
    n->joined = n->off = false;
    n->held.len = 0;
    node_new(n);
    world_step(w, n, &ev);
}

void world_start_all(struct world *w)
{
    world_start(w, &w->server);
    world_start(w, &w->gateway);
    for (size_t i = 0; i < w->devices_len; i++)
        world_start(w, &w->devices[i]);
}

static void link_lost(struct world *w, struct world_node *upper, uint32_t link,
                      struct world_node *lower)
{
    if (upper->up)
        event_new(w, upper, MU_EV_LINK_DOWN, MESSAGE_US)->event.link = link;
    if (lower->up)
        event_new(w, lower, MU_EV_LINK_DOWN, MESSAGE_US)->event.link = 0;
}

/* The sessions of a node, which the gateway's table knows. */
void world_cut(struct world *w, struct world_node *n)
{
    struct world_node *g = &w->gateway;

    if (n->kind == WORLD_DEVICE) {
        if (g->linked[1 + n->number])
            link_lost(w, g, (uint32_t)(1 + n->number), n);
        g->linked[1 + n->number] = false;
        return;
    }
    if (g->linked[0])
        link_lost(w, &w->server, 1, g);
    g->linked[0] = false;
    if (w->script.linked && n == g) {
        struct mu_event ev = {.kind = MU_EV_LINK_DOWN, .now = w->now};

        script_step(&w->script, &ev);
    }
}

void world_stop(struct world *w, struct world_node *n)
{
    assert(n->up);
    n->up = false;
    n->life++;
    world_cut(w, n);
    if (n->kind == WORLD_GATEWAY) {
        for (size_t i = 0; i < w->devices_len; i++)
            world_cut(w, &w->devices[i]);
        mu_gateway_clear(n->gateway);
        free(n->gateway);
        n->gateway = NULL;
    } else if (n->kind == WORLD_DEVICE) {
        mu_device_clear(n->device);
        free(n->device);
        n->device = NULL;
    } else {
        world_cut(w, &w->gateway);
    }
    free(n->work);
    n->work = NULL;
    if (n->memory != NULL)
        n->store.rollback(n->store.ctx);
}

static void node_clear(struct world *w, struct world_node *n)
{
    if (n->up)
        world_stop(w, n);
    if (n->memory != NULL)
        mu_memory_close(n->memory);
    for (size_t i = 0; i < sizeof n->parts / sizeof *n->parts; i++)
        free(n->parts[i].data);
    free(n->slot.data);
    free(n->installed);
}

void world_clear(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++)
        node_clear(w, &w->devices[i]);
    node_clear(w, &w->gateway);
    node_clear(w, &w->server);
    for (size_t i = 0; i < w->events_len; i++)
        free(w->events[i].bytes);
    free(w->events);
    free(w->exchanges);
    free(w->trace);
    script_clear(&w->script);
}

/* ---- effects ------------------------------------------------------------ */

static void trace(struct world *w, const struct world_node *n,
                  const struct mu_effect *e)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%s %s %llu %llu\n", n->name,
                       e->trace, (unsigned long long)e->a,
                       (unsigned long long)e->b);

    assert(len > 0 && (size_t)len < sizeof line);
    if (w->trace_len + (size_t)len + 1 > w->trace_room) {
        w->trace_room = w->trace_room * 2 + 4096;
        w->trace = realloc(w->trace, w->trace_room);
        assert(w->trace != NULL);
    }
    memcpy(w->trace + w->trace_len, line, (size_t)len + 1);
    w->trace_len += (size_t)len;
}

static uint32_t exchange_new(struct world *w, struct world_node *from,
                             uint32_t exchange)
{
    if (w->exchanges_len == w->exchanges_room) {
        w->exchanges_room = w->exchanges_room * 2 + 64;
        w->exchanges = realloc(w->exchanges,
                               w->exchanges_room * sizeof *w->exchanges);
        assert(w->exchanges != NULL);
    }
    w->exchanges[w->exchanges_len] =
        (struct world_exchange){from, from->life, exchange, false};
    return (uint32_t)w->exchanges_len++;
}

/* Who is at the other end of a node's link, and how that one calls it. */
static struct world_node *link_peer(struct world *w, struct world_node *n,
                                    uint32_t link, uint32_t *peer_link)
{
    *peer_link = 0;
    if (n->kind == WORLD_DEVICE) {
        *peer_link = (uint32_t)(1 + n->number);
        return w->gateway.linked[*peer_link] ? &w->gateway : NULL;
    }
    if (n->kind == WORLD_SERVER)
        return w->gateway.linked[0] ? &w->gateway : NULL;
    if (link == 0) {
        *peer_link = 1;
        return w->gateway.linked[0] ? &w->server : NULL;
    }
    return w->gateway.linked[link] ? &w->devices[link - 1] : NULL;
}

static void do_response(struct world *w, const struct mu_effect *e)
{
    struct world_exchange *x = &w->exchanges[e->message.exchange];
    struct world_event *ev;

    assert(e->message.exchange < w->exchanges_len && !x->answered);
    x->answered = true;
    if (!x->from->up || x->from->life != x->life)
        return;
    ev = event_new(w, x->from, MU_EV_RESPONSE, MESSAGE_US);
    event_message(ev, &e->message);
    ev->event.message.exchange = x->exchange;
}

static void do_send(struct world *w, struct world_node *n,
                    const struct mu_effect *e)
{
    uint32_t link;
    struct world_node *peer = link_peer(w, n, e->link, &link);
    struct world_event *ev;

    if (e->response) {
        struct world_exchange *x = &w->exchanges[e->message.exchange];
        size_t before = w->events_len;

        do_response(w, e);
        /* The link by which the asker knows the one who answers. */
        if (w->events_len > before) {
            ev = &w->events[w->events_len - 1];
            ev->event.link = 0;
            if (x->from->kind == WORLD_GATEWAY && n->kind == WORLD_DEVICE)
                ev->event.link = (uint32_t)(1 + n->number);
            if (x->from->kind == WORLD_SERVER)
                ev->event.link = 1;
        }
        return;
    }
    n->hellos += mu_bytes_eq(e->message.path, mu_bytes_str("hello"));
    n->anns += mu_bytes_eq(e->message.path, mu_bytes_str("ann"));
    ev = event_new(w, n, MU_EV_NO_ANSWER, TIMEOUT_US);
    ev->event.link = e->link;
    ev->event.message.exchange = e->message.exchange;
    if (peer == NULL || !peer->up)
        return;
    w->asked_off += peer->off;
    ev = event_new(w, peer, MU_EV_REQUEST, MESSAGE_US);
    ev->event.link = link;
    event_message(ev, &e->message);
    ev->event.message.exchange = exchange_new(w, n, e->message.exchange);
}

static void packet_to(struct world *w, struct world_node *to,
                      const struct mu_effect *e)
{
    mu_time delay = PACKET_US;
    int copies = 1;

    if (!to->up || (to->kind == WORLD_DEVICE && (!to->joined || to->off)))
        return;
    if (e->channel == MU_CHANNEL_AREA) {
        if (chance(w, w->loss_permille))
            copies = 0;
        else if (chance(w, w->double_permille))
            copies = 2;
        if (chance(w, w->swap_permille))
            delay += 3000 + world_random(w) % 5000;
    }
    while (copies-- > 0)
        event_packet(event_new(w, to, MU_EV_PACKET, delay), e->channel,
                     e->packet);
}

static void do_packet(struct world *w, struct world_node *n,
                      const struct mu_effect *e)
{
    size_t off = 0;

    if (e->channel == MU_CHANNEL_WIDE) {
        packet_to(w, n->kind == WORLD_SERVER ? &w->gateway : &w->server, e);
        return;
    }
    w->area_packets++;
    w->area_bytes += e->packet.len;
    if (w->on_packet != NULL)
        w->on_packet(e);
    if (e->up) {
        n->status_packets += e->packet.data[0] == MU_CAST_STATUS;
        n->need_packets += e->packet.data[0] == MU_CAST_NEED;
        packet_to(w, &w->gateway, e);
        return;
    }
    for (size_t i = 0; i < w->devices_len; i++) {
        off += !w->devices[i].up || w->devices[i].off;
        packet_to(w, &w->devices[i], e);
    }
    w->unheard += off == w->devices_len;
}

/* A handshake: both ends have to come to the same key. */
static void do_open(struct world *w, struct world_node *n)
{
    struct world_node *peer =
        n->kind == WORLD_DEVICE ? &w->gateway : &w->server;
    struct mu_secret mine, theirs = {.len = 0};
    struct world_event *ev;
    uint32_t link = 0;
    bool good = peer->up;

    if (good && n->kind == WORLD_DEVICE) {
        good = mu_device_psk(n->device, mu_bytes_str("gw"), &mine) == 0 &&
               mu_gateway_psk_down(peer->gateway, mu_bytes_str(n->name),
                                   &theirs, &link) == 0 &&
               mu_secret_eq(&mine, &theirs);
    } else if (good) {
        good = !w->wide_cut && mu_gateway_psk_up(n->gateway,
                                                 mu_bytes_str("server"),
                                                 &mine) == 0;
        link = 1;
    }
    if (!good) {
        event_new(w, n, MU_EV_LINK_DOWN, TIMEOUT_US)->event.link = 0;
        return;
    }
    w->gateway.linked[n->kind == WORLD_DEVICE ? link : 0] = true;
    ev = event_new(w, peer, MU_EV_LINK_UP, MESSAGE_US);
    ev->event.link = link;
    event_identity(ev, n->name);
    ev = event_new(w, n, MU_EV_LINK_UP, MESSAGE_US);
    event_identity(ev, peer->name);
}

static void do_store(struct world *w, struct world_node *n,
                     const struct mu_effect *e)
{
    struct world_event *ev;
    int rc = n->store.put(n->store.ctx, e->table, e->key, e->value);

    if (rc == 0)
        rc = n->store.commit(n->store.ctx);
    if (rc != 0)
        n->store.rollback(n->store.ctx);
    n->stores++;
    if (e->before_send) {
        assert(n->held.len < sizeof n->held.tickets / sizeof(uint32_t));
        n->held.tickets[n->held.len++] = e->ticket;
    }
    ev = event_new(w, n, MU_EV_STORED, 300);
    ev->event.ticket = e->ticket;
    ev->event.result = rc;
}

static void do_hook(struct world *w, struct world_node *n,
                    const struct mu_effect *e)
{
    struct world_event *ev = event_new(
        w, n, MU_EV_HOOK, n->hook_ms != 0 ? MU_MS(n->hook_ms) : 20000);

    ev->event.hook = e->hook;
    ev->event.result = n->confirm_result;
    if (e->hook == MU_HOOK_INSTALL) {
        memcpy(n->installed, n->slot.data, WORLD_SLOT);
        n->installs++;
        ev->event.result = n->install_result;
    }
}

static void do_effect(struct world *w, struct world_node *n,
                      const struct mu_effect *e)
{
    assert(!n->off || (e->kind != MU_DO_SEND && e->kind != MU_DO_PACKET &&
                       e->kind != MU_DO_LINK_OPEN));
    switch (e->kind) {
    case MU_DO_SEND:
        do_send(w, n, e);
        break;
    case MU_DO_PACKET:
        do_packet(w, n, e);
        break;
    case MU_DO_STORE:
        do_store(w, n, e);
        break;
    case MU_DO_LINK_OPEN:
        do_open(w, n);
        break;
    case MU_DO_LINK_CLOSE:
        assert(e->link >= 1 && e->link <= WORLD_DEVICES_MAX);
        world_cut(w, &w->devices[e->link - 1]);
        break;
    case MU_DO_CHANNEL:
        n->joined = n->joined || e->channel == MU_CHANNEL_AREA;
        break;
    case MU_DO_HOOK:
        do_hook(w, n, e);
        break;
    case MU_DO_LINK_QUIET:
        w->quiet[e->link] = e->a;
        break;
    case MU_DO_RADIO:
        assert(n->kind == WORLD_DEVICE && n->off == e->on);
        n->off = !e->on;
        break;
    case MU_DO_TRACE:
        if (w->tracing)
            trace(w, n, e);
        break;
    case MU_DO_COUNT:
        assert(false);
    }
}

static bool node_next(struct world *w, struct world_node *n,
                      struct mu_effect *e)
{
    if (n->kind == WORLD_GATEWAY)
        return mu_gateway_next(n->gateway, e);
    if (n->kind == WORLD_DEVICE)
        return mu_device_next(n->device, e);
    return script_next(&w->script, e);
}

/* A barrier is let down when its STORE is reported. */
static void node_release(struct world_node *n, uint32_t ticket)
{
    for (size_t i = 0; i < n->held.len; i++) {
        if (n->held.tickets[i] == ticket)
            n->held.tickets[i] = n->held.tickets[--n->held.len];
    }
}

int world_step(struct world *w, struct world_node *n, struct mu_event *ev)
{
    struct mu_effect e;
    int rc, effects = 0;

    ev->now = w->now;
    w->steps++;
    if (ev->kind == MU_EV_STORED)
        node_release(n, ev->ticket);
    if (n->kind == WORLD_GATEWAY)
        rc = mu_gateway_step(n->gateway, ev);
    else if (n->kind == WORLD_DEVICE)
        rc = mu_device_step(n->device, ev);
    else
        rc = script_step(&w->script, ev);
    while (n->up && node_next(w, n, &e)) {
        assert(++effects < 10000); /* it comes to an end */
        assert(n->held.len == 0 ||
               (e.kind != MU_DO_SEND && e.kind != MU_DO_PACKET));
        do_effect(w, n, &e);
        if (n->die_at != 0 && n->stores == n->die_at) {
            n->die_at = 0;
            world_stop(w, n);
            event_new(w, n, MU_EV_START, MU_SECONDS(2));
        }
    }
    return rc;
}

/* ---- running ------------------------------------------------------------ */

static mu_time node_deadline(const struct world *w, const struct world_node *n)
{
    if (!n->up)
        return MU_TIME_NEVER;
    if (n->kind == WORLD_GATEWAY)
        return mu_gateway_deadline(n->gateway);
    if (n->kind == WORLD_DEVICE)
        return mu_device_deadline(n->device);
    return script_deadline(&w->script);
}

static struct world_node *node_at(struct world *w, size_t i)
{
    if (i == 0)
        return &w->server;
    return i == 1 ? &w->gateway : &w->devices[i - 2];
}

static struct world_node *node_due(struct world *w, mu_time *at)
{
    struct world_node *best = NULL;

    *at = MU_TIME_NEVER;
    for (size_t i = 0; i < 2 + w->devices_len; i++) {
        mu_time t = node_deadline(w, node_at(w, i));

        if (t < *at) {
            *at = t;
            best = node_at(w, i);
        }
    }
    return best;
}

static void run_event(struct world *w, size_t which)
{
    struct world_event e = w->events[which];

    w->events[which] = w->events[--w->events_len];
    if (e.life == e.to->life && e.to->up) {
        world_step(w, e.to, &e.event);
    } else if (e.event.kind == MU_EV_START && !e.to->up) {
        world_start(w, e.to);
    }
    free(e.bytes);
}

bool world_run(struct world *w, mu_time span, bool (*done)(struct world *))
{
    mu_time end = w->now + span;
    struct mu_event kick = {.kind = MU_EV_TIMER};

    if (w->server.up) /* what the test made the script say */
        world_step(w, &w->server, &kick);
    for (;;) {
        mu_time at, first = MU_TIME_NEVER;
        struct world_node *n = node_due(w, &at);
        size_t which = 0;

        if (done != NULL && done(w))
            return true;
        if (w->events_len > 0) {
            which = event_first(w);
            first = w->events[which].at;
        }
        if ((first < at ? first : at) > end) {
            w->now = end;
            return false;
        }
        if (first <= at) {
            w->now = first > w->now ? first : w->now;
            run_event(w, which);
        } else {
            struct mu_event ev = {.kind = MU_EV_TIMER};

            /* Timers of real loops are late, not early. */
            w->now = (at > w->now ? at : w->now) + 100;
            world_step(w, n, &ev);
        }
    }
}

uint8_t world_ask_gateway(struct world *w, uint32_t link, const char *path,
                          struct mu_bytes payload)
{
    struct mu_gateway *g = w->gateway.gateway;
    struct mu_event ev = {.kind = MU_EV_REQUEST, .now = w->now, .link = link};
    struct mu_effect e;
    uint8_t code = 0;

    ev.message.code = MU_COAP_POST;
    ev.message.path = mu_bytes_str(path);
    ev.message.payload = payload;
    ev.message.exchange = 0x30000000u;
    if (mu_gateway_step(g, &ev) != 0)
        code = 0;
    while (mu_gateway_next(g, &e)) {
        if (e.kind == MU_DO_SEND && e.response && e.link == link &&
            e.message.exchange == ev.message.exchange)
            code = e.message.code;
        else
            do_effect(w, &w->gateway, &e);
    }
    return code;
}

void world_tick(struct mu_ticker *t, uint8_t *packet, size_t *len)
{
    int rc;

    mu_ticker_allow(t, UINT16_MAX);
    rc = mu_ticker_put(t, packet, len);
    assert(rc == 0);
    (void)rc;
}

void world_inject(struct world *w, enum mu_channel channel,
                  struct world_node *to, struct mu_bytes packet)
{
    event_packet(event_new(w, to, MU_EV_PACKET, 0), channel, packet);
}

/* ---- what tests ask ----------------------------------------------------- */

bool world_device_has(const struct world *w, size_t device)
{
    const struct script_campaign *k = &w->script.campaign;

    return memcmp(w->devices[device].installed, k->plain,
                  (size_t)k->m.size) == 0;
}

bool world_all_run(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member && w->script.devices[i].state != 0x0f)
            return false;
    }
    return true;
}
