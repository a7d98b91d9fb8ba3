/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multihop world. A transmission reaches all in range; whoever hears two
 * at once gets neither, and so does whoever is sending. A radio listens before
 * it sends, which does not help against those it cannot hear.
 */
#include "grid.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto_openssl/crypto_openssl.h"
#include "grid_world.h"

enum { CHANNEL = 1, SESSION = 1, KG = 1, BACKOFF_MAX = 5 };

void sim_grid_default(struct sim_grid_conf *conf)
{
    *conf = (struct sim_grid_conf){
        .width = 20, .height = 20,
        .fanout = 3,
        .range = 1.5, .degree = 16,
        .loss = 0.05, .collisions = true,
        .rate = 250000, .overhead = 31, /* IEEE 802.15.4, 6LoWPAN, UDP */
        .size = 32768,
        .payload = 96, .page_data = 32, .hash_len = 8,
        .secured = true,
        .trickle = {.imin_ms = 250, .doublings = 8, .redundancy = 1},
        .attackers = 4, .flood = 100,
        .time_max = 3600,
        .seed = 1,
    };
}

void grid_must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "grid: %s\n", what);
    abort();
}

mu_time grid_airtime(const struct grid_world *w, size_t len)
{
    return (mu_time)(len + w->conf.overhead) * 8000000 / w->conf.rate;
}

/* ---- what is sent ---- */

struct memory {
    uint8_t *data;
    uint64_t len;
};

static int memory_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    const struct memory *m = ctx;

    if (at > m->len || len > m->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, m->data + at, len);
    return 0;
}

static int memory_write(void *ctx, uint64_t at, const uint8_t *from,
                        size_t len)
{
    struct memory *m = ctx;

    if (at > m->len || len > m->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(m->data + at, from, len);
    return 0;
}

static int memory_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

/* The object as the cast prepares it, with a manifest that a server signed. */
static void world_secured(struct grid_world *w, struct memory *plain,
                          const struct mu_secret *cek)
{
    struct mu_deluge_object *o = &w->object;
    struct memory prepared = {w->prepared, w->prepared_len};
    struct mu_object from = {plain, memory_read, memory_write, memory_sync};
    struct mu_object to = {&prepared, memory_read, memory_write, memory_sync};
    size_t len = mu_cast_prepare_work(&o->shape), pub_len;
    struct mu_cast_prepare p;
    struct mu_writer out = mu_writer(w->manifest, sizeof(w->manifest));
    struct mu_manifest m = {
        .campaign = {1}, .group = 1, .version = o->version, .size = o->size,
        .shape = o->shape, .session = o->session,
        .kid = {MU_KEY_KB, 1, 1},
        .name = mu_bytes_str("main"), .pointer = mu_bytes_str("server/k"),
        .epoch = 1,
    };
    struct mu_bytes all = mu_bytes(plain->data, plain->len);
    struct mu_signer evil = {.alg = MU_ALG_ES256};
    uint8_t *work = malloc(len);

    grid_must(work != NULL, "memory");
    mu_sha256(w->crypto, &all, 1, m.digest);
    grid_must(mu_cast_prepare_init(&p, w->crypto, &o->shape, o->size, o->session,
                              cek, &from, &to, work, len) == 0, "prepare");
    while (p.left > 0)
        grid_must(mu_cast_prepare_step(&p) == 0, "prepare");
    m.roots = mu_cast_prepare_roots(&p);
    w->server.alg = MU_ALG_ES256;
    grid_must(w->crypto->keypair(w->crypto->ctx, MU_ALG_ES256, &w->server.priv,
                            w->server.pub, &pub_len) == 0, "key pair");
    w->server.pub_len = (uint8_t)pub_len;
    grid_must(w->crypto->keypair(w->crypto->ctx, MU_ALG_ES256, &evil.priv,
                                 evil.pub, &pub_len) == 0, "key pair");
    evil.pub_len = (uint8_t)pub_len;
    grid_must(mu_manifest_create(w->crypto, &w->server, &m, &out) == 0, "manifest");
    w->manifest_len = out.len;
    m.version++;
    out = mu_writer(w->evil, sizeof(w->evil));
    grid_must(mu_manifest_create(w->crypto, &evil, &m, &out) == 0, "manifest");
    w->evil_len = out.len;
    mu_secret_clear(&evil.priv);
    free(work);
    w->trust = (struct mu_deluge_trust){w->crypto, &w->server, NULL};
    w->opener = (struct mu_deluge_opener){&w->trust, mu_deluge_open};
}

static int world_object(struct grid_world *w)
{
    const struct sim_grid_conf *c = &w->conf;
    struct memory plain = {malloc(c->size), c->size};
    struct mu_writer out = mu_writer(w->manifest, sizeof(w->manifest));
    struct mu_secret cek = {.len = 16};

    w->object = (struct mu_deluge_object){
        .version = 7, .size = c->size, .session = SESSION,
        .shape = {.payload = c->payload, .page_data = c->page_data,
                  .hash_len = c->secured ? c->hash_len : 0},
    };
    if (mu_deluge_object_pages(&w->object) == 0) {
        free(plain.data);
        return MU_ERR_USAGE;
    }
    grid_must(plain.data != NULL, "memory");
    sim_rng_fill(&w->rng, plain.data, c->size);
    sim_rng_fill(&w->rng, cek.bytes, cek.len);
    w->prepared_len = c->secured ? mu_cast_prepared_size(&w->object.shape,
                                                         c->size)
                                 : c->size + c->page_data; /* padding */
    w->prepared = calloc(1, w->prepared_len);
    grid_must(w->prepared != NULL, "memory");
    if (c->secured) {
        world_secured(w, &plain, &cek);
    } else {
        memcpy(w->prepared, plain.data, c->size);
        grid_must(mu_deluge_plain_create(&w->object, &out) == 0, "manifest");
        w->manifest_len = out.len;
        w->opener = (struct mu_deluge_opener){NULL, mu_deluge_open_plain};
    }
    free(plain.data);
    return 0;
}

/* ---- nodes ---- */

static int store_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct grid_node *n = ctx;
    struct memory m = {n->store, n->world->prepared_len};

    return memory_read(&m, at, to, len);
}

static int store_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct grid_node *n = ctx;
    struct memory m = {n->store, n->world->prepared_len};

    if (at <= m.len && len <= m.len - at &&
        memcmp(n->world->prepared + at, from, len) != 0)
        n->world->out->forged_accepted += len;
    return memory_write(&m, at, from, len);
}

static void node_begin(struct grid_world *w, struct grid_node *n)
{
    struct mu_deluge_conf conf = {
        .crypto = w->crypto,
        .store = &n->object,
        .opener = &w->opener,
        .node = (uint16_t)n->number,
        .channel = CHANNEL,
        .tag_len = w->conf.secured ? MU_TAG_LEN : 0,
        .payload = w->conf.payload,
        .manifest_max = 1024,
        .packet_us = (uint32_t)grid_airtime(w, w->conf.payload),
        .trickle = w->conf.trickle,
        .seed = (uint32_t)sim_rng_next(&w->rng),
    };
    size_t len = mu_deluge_work(&conf);

    n->object = (struct mu_object){n, store_read, store_write, memory_sync};
    n->work = malloc(len);
    n->store = calloc(1, w->prepared_len);
    grid_must(n->work != NULL && n->store != NULL, "memory");
    grid_must(mu_deluge_init(&n->d, &conf, n->work, len, w->now) == 0, "init");
    mu_deluge_control(&n->d, &w->kctl, KG);
    w->out->node_ram = (uint32_t)(sizeof(n->d) + len);
    if (n->number == 0) {
        memcpy(n->store, w->prepared, w->prepared_len);
        grid_must(mu_deluge_offer(&n->d, mu_bytes(w->manifest, w->manifest_len),
                             mu_deluge_object_pages(&w->object), w->now) == 0,
             "offer");
    }
}

/* ---- the air ---- */

static void timer_at(struct grid_world *w, struct grid_node *n, mu_time at)
{
    if (at == MU_TIME_NEVER)
        return;
    n->timer = at;
    sim_queue_put(&w->queue, (struct sim_item){
        .at = at, .what = SIM_TIMER, .node = n->number,
        .number = ++n->timer_number,
    });
}

void grid_wake(struct grid_world *w, struct grid_node *n)
{
    mu_time at = n->attacker && !grid_attack_relays(w)
                     ? grid_attack_deadline(w, n)
                     : mu_deluge_deadline(&n->d);

    if (n->sending)
        return; /* asked again when that is over */
    if (at < w->now)
        at = w->now;
    if (n->timer != at)
        timer_at(w, n, at);
    if (at == MU_TIME_NEVER) {
        n->timer = at;
        n->timer_number++;
    }
}

static void air_count(struct grid_world *w, struct grid_node *n,
                      const uint8_t *packet, size_t len)
{
    struct sim_grid_result *r = w->out;
    uint64_t bytes = len + w->conf.overhead;

    if (n->attacker)
        return;
    r->packets++;
    r->payload_bytes += len;
    r->bytes += bytes;
    n->bytes += bytes;
    if (mu_cast_is_data(packet[0])) {
        r->data_bytes += bytes;
        return;
    }
    switch (packet[0]) {
    case MU_DELUGE_ADV:
        r->adv_bytes += bytes;
        break;
    case MU_DELUGE_REQ:
        r->req_bytes += bytes;
        break;
    default:
        r->fragment_bytes += bytes;
        break;
    }
}

static void air_begin(struct grid_world *w, struct grid_node *n,
                      const uint8_t *packet, size_t len)
{
    uint64_t id = ++w->transmissions;

    air_count(w, n, packet, len);
    n->sending = true;
    n->clean = 0;
    for (uint32_t i = 0; i < n->near_len; i++) {
        struct grid_node *to = &w->nodes[n->near[i]];
        bool free = ++to->signals == 1 && !to->sending;

        if (free || !w->conf.collisions)
            to->clean = id;
        else
            to->clean = 0;
    }
    sim_queue_put(&w->queue, (struct sim_item){
        .at = w->now + grid_airtime(w, len), .what = SIM_PACKET,
        .node = n->number, .number = id, .buffer = sim_buffer_new(packet, len),
    });
}

static void air_hear(struct grid_world *w, struct grid_node *to,
                     const struct sim_buffer *b)
{
    struct mu_bytes packet = mu_bytes(b->data, b->len);

    w->out->heard++;
    if (to->attacker)
        grid_attack_heard(w, to, packet);
    if (to->attacker && !grid_attack_relays(w))
        return;
    (void)!mu_deluge_packet(&to->d, w->now, packet);
    if (!to->attacker && to->done_at == 0 && mu_deluge_done(&to->d)) {
        to->done_at = w->now;
        w->done++;
    }
    grid_wake(w, to);
}

static void air_end(struct grid_world *w, const struct sim_item *item)
{
    struct grid_node *n = &w->nodes[item->node];

    for (uint32_t i = 0; i < n->near_len; i++)
        w->nodes[n->near[i]].signals--;
    n->sending = false;
    n->timer = MU_TIME_NEVER;
    for (uint32_t i = 0; i < n->near_len; i++) {
        struct grid_node *to = &w->nodes[n->near[i]];
        bool clean = w->conf.collisions ? to->clean == item->number : true;

        if (!clean) {
            w->out->collided++;
        } else if (sim_rng_chance(&w->rng, w->conf.loss)) {
            w->out->lost++;
        } else {
            air_hear(w, to, item->buffer);
        }
    }
    grid_wake(w, n);
}

/* A radio whose time has come: listens, then sends. */
static void node_timer(struct grid_world *w, const struct sim_item *item)
{
    struct grid_node *n = &w->nodes[item->node];
    uint8_t packet[MU_PACKET_MAX];
    size_t len;

    if (item->number != n->timer_number || n->sending)
        return;
    if (n->signals > 0 && !(n->attacker && w->conf.attack == SIM_GRID_JAM)) {
        uint64_t slots = 1ull << n->backoff;

        if (n->backoff < BACKOFF_MAX)
            n->backoff++;
        timer_at(w, n, w->now + grid_airtime(w, 0) *
                           (1 + sim_rng_below(&w->rng, slots * 2)));
        return;
    }
    n->backoff = 0;
    len = n->attacker ? grid_attack_next(w, n, packet)
                      : mu_deluge_next(&n->d, w->now, packet);
    n->timer = MU_TIME_NEVER;
    if (len > 0)
        air_begin(w, n, packet, len);
    else
        grid_wake(w, n);
}

/* ---- the run ---- */

static void world_run(struct grid_world *w)
{
    mu_time end = (mu_time)(w->conf.time_max * 1e6);
    struct sim_item item;

    while (sim_queue_take(&w->queue, &item)) {
        w->now = item.at;
        if (w->now > end) {
            sim_buffer_drop(item.buffer);
            break;
        }
        if (item.what == SIM_PACKET)
            air_end(w, &item);
        else
            node_timer(w, &item);
        sim_buffer_drop(item.buffer);
        if (w->done == w->honest) {
            mu_time last = w->now + (mu_time)(w->conf.linger * 1e6);

            w->done++; /* once */
            if (last < end)
                end = last;
        }
    }
}

static int time_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void world_count(struct grid_world *w)
{
    struct sim_grid_result *r = w->out;
    double *times = calloc(w->honest, sizeof(*times));

    grid_must(times != NULL, "memory");
    r->nodes = w->honest;
    for (uint32_t i = 0; i < w->honest; i++) {
        const struct grid_node *n = &w->nodes[i];
        const struct mu_deluge_counts *c = &n->d.counts;

        if (mu_deluge_done(&n->d)) {
            times[r->complete++] = (double)n->done_at / 1e6;
            r->wrong += memcmp(n->store, w->prepared, w->prepared_len) != 0;
        }
        r->adv += c->adv;
        r->req += c->req;
        r->data += c->data;
        r->fragment += c->fragment;
        r->adv_suppressed += c->adv_suppressed;
        r->req_suppressed += c->req_suppressed;
        r->data_deferred += c->data_deferred;
        r->accepted += c->accepted;
        r->duplicate += c->duplicate;
        r->forged += c->forged;
        r->refused += c->refused;
        r->signatures += c->signatures;
        if (n->bytes > r->node_bytes_max)
            r->node_bytes_max = n->bytes;
    }
    qsort(times, r->complete, sizeof(*times), time_order);
    if (r->complete > 0) {
        r->median_seconds = times[r->complete / 2];
        r->virtual_seconds = times[r->complete - 1];
    }
    free(times);
}

static void world_free(struct grid_world *w)
{
    for (uint32_t i = 0; i < w->len; i++) {
        struct grid_node *n = &w->nodes[i];

        for (uint32_t k = 0; k < n->kept_len; k++)
            sim_buffer_drop(n->kept[k]);
        free(n->near);
        free(n->work);
        free(n->store);
    }
    free(w->nodes);
    free(w->prepared);
    sim_queue_clear(&w->queue);
}

static double wall_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int sim_grid_run(const struct sim_grid_conf *conf, struct sim_grid_result *out)
{
    struct grid_world w = {.conf = *conf, .out = out};
    double start = wall_seconds();
    int rc;

    *out = (struct sim_grid_result){0};
    w.honest = sim_grid_nodes(conf);
    w.len = w.honest;
    if (conf->attack != SIM_GRID_PEACE)
        w.len += conf->attackers;
    if (w.honest < 2 || w.len > UINT16_MAX || conf->rate == 0)
        return MU_ERR_USAGE;
    w.crypto = mu_crypto_openssl();
    grid_must(w.crypto != NULL, "no crypto");
    sim_queue_init(&w.queue);
    sim_rng_seed(&w.rng, conf->seed, 1);
    w.kctl.len = 16;
    sim_rng_fill(&w.rng, w.kctl.bytes, w.kctl.len);
    w.nodes = calloc(w.len, sizeof(*w.nodes));
    grid_must(w.nodes != NULL, "memory");
    for (uint32_t i = 0; i < w.len; i++) {
        w.nodes[i].world = &w;
        w.nodes[i].number = i;
        w.nodes[i].attacker = i >= w.honest;
        w.nodes[i].timer = MU_TIME_NEVER;
    }
    rc = grid_place(&w);
    if (rc == 0)
        rc = world_object(&w);
    if (rc == 0) {
        w.nodes[0].done_at = 1;
        w.done = 1;
        for (uint32_t i = 0; i < w.len; i++) {
            if (i < w.honest || grid_attack_relays(&w))
                node_begin(&w, &w.nodes[i]);
            grid_wake(&w, &w.nodes[i]);
        }
        world_run(&w);
        world_count(&w);
    }
    world_free(&w);
    out->wall_seconds = wall_seconds() - start;
    return rc;
}
