/* SPDX-License-Identifier: Apache-2.0 */
/* The server engine: memory, events, effects. See muster/server.h. */
#include "muster/keyfetch.h"
#include "node/server_core.h"

#define ALIGNMENT 16u
#define STORES_BYTES (192u * 1024u)
#define STORES_ITEMS 1024u
#define SENDS_BYTES (128u * 1024u)
#define SENDS_ITEMS 1024u
#define BURST 64 /* packets between two steps */
#define RELOAD_WAIT MU_SECONDS(1)

/* ---- memory ---------------------------------------------------------------- */

/* Hands out pieces of the work memory; with base NULL it only counts. */
struct carver {
    uint8_t *base;
    size_t used;
};

static void *carve(struct carver *c, size_t len)
{
    void *piece = c->base != NULL ? c->base + c->used : NULL;

    c->used += (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}

static void carve_ring(struct carver *c, struct mu_server_ring *r,
                       uint32_t items, uint32_t bytes)
{
    r->items_max = items;
    r->bytes_max = bytes;
    r->items = carve(c, items * sizeof *r->items);
    r->bytes = carve(c, bytes);
}

static uint32_t connections_max(const struct mu_server_conf *conf)
{
    /* One device alone may need two. */
    return conf->connections_max < 2 ? 2 : conf->connections_max;
}

static void carve_connections(struct carver *c,
                              const struct mu_server_conf *conf,
                              struct mu_server_connections *t)
{
    t->max = connections_max(conf);
    t->buckets = 1;
    while (t->buckets < t->max && t->buckets < UINT32_MAX / 4)
        t->buckets *= 2;
    t->all = carve(c, t->max * sizeof *t->all);
    t->by_id = carve(c, t->buckets * sizeof *t->by_id);
    t->by_identity = carve(c, t->buckets * sizeof *t->by_identity);
}

static uint16_t campaigns_len(const struct mu_server_conf *conf)
{
    return (uint16_t)(conf->campaigns_max +
                      (conf->scheme_mem != 0 ? MU_SERVER_KEY_CAMPAIGNS : 0));
}

static void carve_campaigns(struct carver *c, const struct mu_server_conf *conf,
                            struct mu_server *s)
{
    size_t bitmap = conf->gateways_max / 8u + 1;

    s->campaign_work = mu_srv_campaign_work_len(conf);
    s->campaigns_len = campaigns_len(conf);
    s->campaigns = carve(c, s->campaigns_len * sizeof *s->campaigns);
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        uint8_t *gateways = carve(c, bitmap);
        uint8_t *fetched = carve(c, bitmap);
        uint8_t *work = NULL;
        if (i < conf->campaigns_max)
            work = carve(c, s->campaign_work);
        if (c->base == NULL)
            continue;
        s->campaigns[i] = (struct mu_server_campaign){
            .gateways = gateways,
            .fetched = fetched,
            .work = work,
        };
    }
}

static void carve_trees(struct carver *c, const struct mu_server_conf *conf,
                        struct mu_server_trees *t)
{
    t->mem = carve(c, conf->scheme_mem);
    t->stored = carve(c, conf->scheme_mem);
    t->map = carve(c, conf->scheme_mem != 0 ? mu_srv_trees_map_len(conf) : 0);
    t->state = carve(c, conf->scheme_mem != 0 ? MU_MEMBER_STATE_MAX : 0);
}

static void carve_gateways(struct carver *c, const struct mu_server_conf *conf,
                           struct mu_server_gateway **gateways)
{
    *gateways = carve(c, conf->gateways_max * sizeof **gateways);
    for (uint32_t i = 0; i < conf->gateways_max; i++) {
        uint8_t *who = carve(c, MU_AREA_DEVICES_MAX / 8);
        if (c->base != NULL)
            (*gateways)[i].poke_who = who;
    }
}

static void carve_all(struct carver *c, const struct mu_server_conf *conf,
                      struct mu_server *s)
{
    carve_ring(c, &s->stores, STORES_ITEMS, STORES_BYTES);
    carve_ring(c, &s->sends, SENDS_ITEMS, SENDS_BYTES);
    carve_gateways(c, conf, &s->gateways);
    carve_connections(c, conf, &s->connections);
    carve_campaigns(c, conf, s);
    carve_trees(c, conf, &s->trees);
    s->value = carve(c, MU_STORE_VALUE_MAX);
    s->text = carve(c, MU_STORE_VALUE_MAX);
    s->other = carve(c, MU_STORE_VALUE_MAX);
}

size_t mu_server_work(const struct mu_server_conf *conf)
{
    struct mu_server_ring stores, sends;
    struct mu_server_connections connections;
    struct mu_server_trees trees;
    struct mu_server_gateway *gateways;
    struct carver c = {.base = NULL};

    carve_ring(&c, &stores, STORES_ITEMS, STORES_BYTES);
    carve_ring(&c, &sends, SENDS_ITEMS, SENDS_BYTES);
    carve_gateways(&c, conf, &gateways);
    carve_connections(&c, conf, &connections);
    (void)carve(&c, campaigns_len(conf) * sizeof(struct mu_server_campaign));
    for (uint16_t i = 0; i < campaigns_len(conf); i++) {
        (void)carve(&c, conf->gateways_max / 8u + 1);
        (void)carve(&c, conf->gateways_max / 8u + 1);
        if (i < conf->campaigns_max)
            (void)carve(&c, mu_srv_campaign_work_len(conf));
    }
    carve_trees(&c, conf, &trees);
    for (unsigned i = 0; i < 3; i++)
        (void)carve(&c, MU_STORE_VALUE_MAX);
    return c.used + ALIGNMENT;
}

/* ---- life ------------------------------------------------------------------ */

/* Everything that is in records. */
static int server_load(struct mu_server *s)
{
    int rc = mu_srv_keys_load(s);

    if (rc == 0)
        rc = mu_srv_gateways_load(s);
    if (rc == 0)
        rc = mu_srv_campaigns_load(s);
    mu_srv_groups_mark(s, true);
    s->asks_at = s->now;
    return rc;
}

int mu_server_init(struct mu_server *s, const struct mu_server_conf *conf,
                   void *work, size_t work_len, mu_time now)
{
    struct carver c;
    size_t skew = (ALIGNMENT - (uintptr_t)work % ALIGNMENT) % ALIGNMENT;
    int rc = mu_cast_shape_check(&conf->shape);

    *s = (struct mu_server){.conf = *conf, .now = now, .started = now};
    s->failed = MU_ERR_USAGE;
    if (rc != 0)
        return rc;
    if (!mu_srv_identity_ok(conf->identity) || conf->gateways_max == 0 ||
        conf->campaigns_max == 0 || !mu_secret_is_set(conf->master))
        return MU_ERR_USAGE;
    if (work_len < mu_server_work(conf))
        return MU_ERR_NO_SPACE;
    mu_zero(work, work_len);
    c = (struct carver){.base = (uint8_t *)work + skew};
    carve_all(&c, conf, s);
    mu_srv_rings_reset(s);
    mu_srv_connections_init(s);
    s->jitter = conf->seed;
    if (conf->wide_yields)
        mu_rate_init(&s->yield, conf->wide_rate, conf->wide_loss_permille);
    s->channel_due = true;
    s->failed = server_load(s);
    return s->failed;
}

void mu_server_clear(struct mu_server *s)
{
    if (s->connections.all != NULL)
        mu_srv_connections_clear(s);
    for (uint16_t i = 0; s->campaigns != NULL && i < s->campaigns_len;
         i++) {
        mu_secret_clear(&s->campaigns[i].cek);
        mu_srv_cast_end(&s->campaigns[i]);
    }
    for (uint32_t i = 0; s->gateways != NULL && i < s->conf.gateways_max; i++)
        mu_secret_clear(&s->gateways[i].kfb);
    if (s->stores.bytes != NULL)
        mu_srv_rings_reset(s);
    mu_srv_rekey_reset(s);
    if (s->trees.mem != NULL && s->conf.scheme_mem != 0)
        mu_srv_state_wipe(s);
    if (s->text != NULL) {
        mu_wipe(s->value, MU_STORE_VALUE_MAX);
        mu_wipe(s->text, MU_STORE_VALUE_MAX);
        mu_wipe(s->other, MU_STORE_VALUE_MAX);
    }
    /* The memory is the caller's again; a second clear finds nothing. */
    mu_wipe(s, sizeof *s);
    s->failed = MU_ERR_USAGE;
}

/* The store is as it was at the last commit: so are we. Links and connections
 * stay; messages that waited for what was lost are not sent. */
static int server_back(struct mu_server *s)
{
    mu_srv_rings_reset(s);
    mu_srv_holders_forget(s);
    s->durable = s->barrier = s->ticket;
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        mu_srv_cast_end(&s->campaigns[i]);
    s->failed = server_load(s);
    s->reload_at = s->now + RELOAD_WAIT;
    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        /* What was on its way to be sent is not: ask again. */
        mu_ask_lost(&s->gateways[n - 1].notice);
        mu_ask_lost(&s->gateways[n - 1].poke);
        mu_srv_notice(s, n);
        mu_srv_poke(s, n);
    }
    mu_srv_trace(s, "rolled-back", 0, 0);
    return s->failed;
}

int mu_server_rollback(struct mu_server *s)
{
    return s->failed != 0 ? s->failed : server_back(s);
}

/* ---- events ---------------------------------------------------------------- */

static void stored(struct mu_server *s, const struct mu_event *ev)
{
    /* The first failure of a batch speaks for all of it. */
    if (ev->result != 0 && mu_srv_is_durable(s, ev->ticket))
        return;
    if (ev->result != 0) {
        mu_srv_trace(s, "store-failed", ev->ticket,
                     (uint64_t)-(int64_t)ev->result);
        (void)server_back(s);
        s->rest_until = s->now + RELOAD_WAIT;
        return;
    }
    /* A ticket from before a rollback says nothing. */
    if (!mu_srv_is_durable(s, ev->ticket) &&
        (uint32_t)(s->ticket - ev->ticket) < UINT32_MAX / 2)
        s->durable = ev->ticket;
    mu_srv_keys_stored(s);
    mu_srv_campaigns_stored(s);
}

static void dispatch(struct mu_server *s, const struct mu_event *ev)
{
    switch (ev->kind) {
    case MU_EV_LINK_UP:
        mu_srv_link_up(s, ev);
        break;
    case MU_EV_LINK_DOWN:
        mu_srv_link_down(s, ev);
        break;
    case MU_EV_REQUEST:
        mu_srv_link_request(s, ev);
        break;
    case MU_EV_RESPONSE:
    case MU_EV_NO_ANSWER:
        mu_srv_link_response(s, ev);
        break;
    case MU_EV_PACKET:
        mu_srv_cast_packet(s, ev);
        break;
    case MU_EV_STORED:
        stored(s, ev);
        break;
    default:
        break; /* START, TIMER: what is due is done below */
    }
}

/* Keys that are due come first: nothing is done under a key that somebody who
 * left still holds. */
static void keys_work(struct mu_server *s)
{
    if (mu_srv_room(s) != 0 || s->now < s->rest_until)
        return;
    (void)mu_srv_keys_work(s);
    (void)mu_srv_groups_work(s);
}

int mu_server_step(struct mu_server *s, const struct mu_event *ev)
{
    if (ev->now > s->now)
        s->now = ev->now;
    /* A store that could not even be read after a rollback: try again. */
    if (mu_err_class(s->failed) == MU_CLASS_RETRY && s->now >= s->reload_at)
        (void)server_back(s);
    if (s->failed != 0)
        return s->failed;
    s->burst = BURST;
    keys_work(s);
    dispatch(s, ev);
    if (s->failed != 0)
        return s->failed;
    keys_work(s);
    if (s->now >= s->rest_until)
        mu_srv_campaigns_work(s);
    mu_srv_asks_work(s);
    return 0;
}

/* ---- effects --------------------------------------------------------------- */

static void channel_effect(const struct mu_server *s, uint32_t link,
                           uint16_t port, const char *address,
                           struct mu_effect *out)
{
    *out = (struct mu_effect){
        .kind = MU_DO_CHANNEL,
        .channel = MU_CHANNEL_WIDE,
        .link = link,
        .port = port,
        .up_port = s->conf.wide_up_port,
    };
    mu_copy(out->address, address, mu_bytes_str(address).len + 1);
}

/* Where the cast goes: the group, if there is one, and where each gateway takes
 * copies. Which way is taken is for the body. */
static bool channel_next(struct mu_server *s, struct mu_effect *out)
{
    bool unicast = mu_bytes_eq(mu_bytes_str(s->conf.wide_address),
                               mu_bytes_str("unicast"));

    if (s->channel_due && !unicast) {
        s->channel_due = false;
        channel_effect(s, 0, s->conf.wide_port, s->conf.wide_address, out);
        return true;
    }
    for (uint32_t n = 1; s->copies_due && n <= s->gateways_len; n++) {
        struct mu_server_gateway *g = &s->gateways[n - 1];
        if (!g->channel_due)
            continue;
        g->channel_due = false;
        channel_effect(s, n, g->unicast_port, "unicast", out);
        return true;
    }
    s->copies_due = false;
    return false;
}

bool mu_server_next(struct mu_server *s, struct mu_effect *out)
{
    if (s->failed != 0)
        return false;
    return mu_srv_take(s, out) || mu_srv_close_next(s, out) ||
           channel_next(s, out) || mu_srv_cast_next(s, out);
}

mu_time mu_server_deadline(const struct mu_server *s)
{
    mu_time at = mu_time_min(s->asks_at, mu_srv_campaigns_deadline(s));

    if (s->failed != 0)
        return mu_err_class(s->failed) == MU_CLASS_RETRY ? s->reload_at
                                                         : MU_TIME_NEVER;
    /* With no counter block at hand, its report wakes us up. */
    if (s->groups_due && s->generations.next != s->generations.reserved)
        at = mu_time_min(at, s->groups_at);
    if (s->conf.rekey_s != 0)
        at = mu_time_min(at, s->expire_at);
    return at > s->rest_until ? at : s->rest_until;
}
