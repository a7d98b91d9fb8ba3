/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices: connecting, and what they ask inside OSCORE. docs/wire-format.md s.3
 * and s.4 (server_fetch.c, server_exchange.c). The gateway in between forwards
 * and can neither read nor forge; and a device is heard through its own gateway
 * only.
 *
 * Connections live in memory and die with the process: what a node lost, or we
 * lost, is cured by connecting again.
 */
#include "muster/keyfetch.h"
#include "node/server_core.h"

/* ---- the table ------------------------------------------------------------- */

static uint32_t hash_bytes(const struct mu_server *s, const uint8_t *in,
                           size_t len)
{
    uint32_t h = 2166136261u ^ s->conf.seed; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ in[i]) * 16777619u;
    return (h ^ h >> 15) & (s->connections.buckets - 1);
}

void mu_srv_connections_init(struct mu_server *s)
{
    struct mu_server_connections *t = &s->connections;

    for (uint32_t i = 0; i < t->buckets; i++)
        t->by_id[i] = t->by_identity[i] = MU_SERVER_NONE;
    for (uint32_t i = 0; i < t->max; i++) {
        t->all[i].identity_len = 0;
        t->all[i].id_next = i + 1 < t->max ? i + 1 : MU_SERVER_NONE;
    }
    t->free = 0;
    t->newest = t->oldest = MU_SERVER_NONE;
}

static void chain_remove(struct mu_server_connections *t, uint32_t *head,
                         uint32_t at, bool by_id)
{
    while (*head != at) {
        mu_assert(*head != MU_SERVER_NONE);
        head = by_id ? &t->all[*head].id_next : &t->all[*head].identity_next;
    }
    *head = by_id ? t->all[at].id_next : t->all[at].identity_next;
}

static void used_remove(struct mu_server_connections *t, uint32_t at)
{
    struct mu_server_connection *c = &t->all[at];

    if (c->newer != MU_SERVER_NONE)
        t->all[c->newer].older = c->older;
    else
        t->newest = c->older;
    if (c->older != MU_SERVER_NONE)
        t->all[c->older].newer = c->newer;
    else
        t->oldest = c->newer;
}

static void used_now(struct mu_server_connections *t, uint32_t at)
{
    struct mu_server_connection *c = &t->all[at];

    c->newer = MU_SERVER_NONE;
    c->older = t->newest;
    if (t->newest != MU_SERVER_NONE)
        t->all[t->newest].newer = at;
    t->newest = at;
    if (t->oldest == MU_SERVER_NONE)
        t->oldest = at;
}

static void connection_drop(struct mu_server *s, uint32_t at)
{
    struct mu_server_connections *t = &s->connections;
    struct mu_server_connection *c = &t->all[at];

    chain_remove(t, &t->by_id[hash_bytes(s, c->id, sizeof c->id)], at, true);
    chain_remove(t,
                 &t->by_identity[hash_bytes(s, c->identity, c->identity_len)],
                 at, false);
    used_remove(t, at);
    mu_oscore_clear(&c->oscore);
    mu_secret_clear(&c->muk);
    mu_secret_clear(&c->kx);
    mu_secret_clear(&c->kfb);
    c->identity_len = 0;
    c->id_next = t->free;
    t->free = at;
}

/* The connection of an identity that is pending, or is not. */
static uint32_t connection_of(const struct mu_server *s,
                              struct mu_bytes identity, bool pending)
{
    const struct mu_server_connections *t = &s->connections;
    uint32_t at = t->by_identity[hash_bytes(s, identity.data, identity.len)];

    for (; at != MU_SERVER_NONE; at = t->all[at].identity_next)
        if (t->all[at].pending == pending &&
            mu_bytes_eq(mu_bytes(t->all[at].identity, t->all[at].identity_len),
                        identity))
            return at;
    return MU_SERVER_NONE;
}

static uint32_t connection_find(const struct mu_server *s, struct mu_bytes id)
{
    const struct mu_server_connections *t = &s->connections;
    uint32_t at;

    if (id.len != MU_CONNECT_ID)
        return MU_SERVER_NONE;
    at = t->by_id[hash_bytes(s, id.data, id.len)];
    while (at != MU_SERVER_NONE &&
           !mu_bytes_eq(MU_BYTES(t->all[at].id), id))
        at = t->all[at].id_next;
    return at;
}

static void connection_drop_of(struct mu_server *s, struct mu_bytes identity,
                               bool pending)
{
    uint32_t at = connection_of(s, identity, pending);

    if (at != MU_SERVER_NONE)
        connection_drop(s, at);
}

void mu_srv_connections_drop(struct mu_server *s, struct mu_bytes identity)
{
    connection_drop_of(s, identity, true);
    connection_drop_of(s, identity, false);
}

const struct mu_server_connection *
mu_srv_connection(const struct mu_server *s, struct mu_bytes identity)
{
    const uint32_t at = connection_of(s, identity, false);

    return at != MU_SERVER_NONE ? &s->connections.all[at] : NULL;
}

void mu_srv_connections_clear(struct mu_server *s)
{
    while (s->connections.oldest != MU_SERVER_NONE)
        connection_drop(s, s->connections.oldest);
}

/* A free entry, linked in under both names. */
static struct mu_server_connection *
connection_new(struct mu_server *s, const struct mu_device_record *d,
               struct mu_bytes identity, const struct mu_connection *conn)
{
    struct mu_server_connections *t = &s->connections;
    struct mu_server_connection *c;
    uint32_t at, *head;

    connection_drop_of(s, identity, true);
    if (t->free == MU_SERVER_NONE)
        connection_drop(s, t->oldest);
    at = t->free;
    c = &t->all[at];
    t->free = c->id_next;
    *c = (struct mu_server_connection){
        .identity_len = (uint8_t)identity.len,
        .pending = true,
        .gateway = d->gateway,
        .index = d->index,
    };
    mu_copy(c->id, conn->id, sizeof c->id);
    mu_copy(c->identity, identity.data, identity.len);
    head = &t->by_id[hash_bytes(s, c->id, sizeof c->id)];
    c->id_next = *head;
    *head = at;
    head = &t->by_identity[hash_bytes(s, c->identity, c->identity_len)];
    c->identity_next = *head;
    *head = at;
    used_now(t, at);
    return c;
}

/* ---- connect --------------------------------------------------------------- */

/* One more group of a node, and what its gateway may do with the key. */
static void group_state(struct mu_groups *groups, uint32_t number,
                        const struct mu_group_record *g)
{
    groups->number[groups->len] = number;
    groups->mode[groups->len++] = g->mode;
}

/* Message 2 into w, and the connection it opens. */
static int connect_answer(struct mu_server *s, const struct mu_secret *kmr,
                          const struct mu_device_record *d,
                          const struct mu_connect_pending *p,
                          struct mu_writer *w, struct mu_connection *conn)
{
    struct mu_connect2 m = {
        .epoch = s->epoch,
        .server = s->conf.identity,
        .alg = s->signer.alg,
        .pub = mu_bytes(s->signer.pub, s->signer.pub_len),
    };
    struct mu_group_record g;

    for (uint8_t i = 0; i < d->groups_len; i++) {
        int rc = mu_srv_group_get(s, d->groups[i].number, &g);

        if (rc != 0)
            return rc;
        group_state(&m.groups, d->groups[i].number, &g);
    }
    return mu_connect2_create(s->conf.crypto, kmr, p, &m, w, conn);
}

static int connect_request(struct mu_server *s, const struct mu_event *ev,
                           struct mu_bytes identity,
                           const struct mu_device_record *d)
{
    const struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);
    struct mu_server_connection *c;
    struct mu_connection conn = {.kmc = {.len = 0}};
    struct mu_connect_pending p;
    struct mu_connect1 m;
    struct mu_secret kmr;
    struct mu_writer w = mu_srv_writer(s);
    int rc = mu_srv_device_kmr(s, identity, d, &kmr);

    if (rc == 0)
        rc = mu_connect1_consume(s->conf.crypto, &kmr, identity,
                                 mu_bytes(gw->identity, gw->identity_len),
                                 ev->message.payload, &m, &p);
    if (rc == 0)
        rc = mu_srv_epoch_seen(s, m.epoch);
    if (rc == 0)
        rc = connect_answer(s, &kmr, d, &p, &w, &conn);
    mu_secret_clear(&kmr);
    if (rc == 0) {
        c = connection_new(s, d, identity, &conn);
        c->capability = m.capability;
        rc = mu_connection_oscore(s->conf.crypto, &conn, MU_CONNECT_SERVER,
                                  &c->oscore);
        if (rc == 0)
            rc = mu_mbms_muk_make(s->conf.crypto, &conn.kmc, &c->muk);
        if (rc == 0)
            rc = mu_exchange_kx(s->conf.crypto, &conn.kmc, &c->kx);
        if (rc != 0)
            connection_drop_of(s, identity, true);
    }
    mu_connection_clear(&conn);
    if (rc == 0)
        mu_srv_answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
    return rc;
}

/* ---- OSCORE ---------------------------------------------------------------- */

static bool capability_same(const struct mu_capability *a,
                            const struct mu_capability *b)
{
    if (a->object_max != b->object_max || a->page_memory != b->page_memory ||
        a->receiver != b->receiver || a->algs_len != b->algs_len ||
        a->member_memory != b->member_memory)
        return false;
    for (uint8_t i = 0; i < a->algs_len; i++)
        if (a->algs[i] != b->algs[i])
            return false;
    return true;
}

/* The first message that verifies puts a connection in force. */
static void connection_enter(struct mu_server *s,
                             struct mu_server_connection *c,
                             struct mu_device_record *d)
{
    struct mu_bytes identity = mu_bytes(c->identity, c->identity_len);

    connection_drop_of(s, identity, false);
    c->pending = false;
    if (!d->capable || !capability_same(&d->capability, &c->capability)) {
        d->capable = true;
        d->capability = c->capability;
        mu_srv_device_put(s, identity, d);
    }
    if (mu_secret_is_set(&c->kfb))
        mu_srv_hop(s, c->gateway);
    mu_srv_trace(s, "connected", d->gateway, d->index);
}

/* What an exchange led to: pending until a message verifies under it. */
static int connection_next(struct mu_server *s,
                           const struct mu_device_record *d,
                           const struct mu_capability *capability,
                           struct mu_bytes identity,
                           const struct mu_exchange_keys *k)
{
    struct mu_server_connection *c =
        connection_new(s, d, identity, &k->connection);
    int rc;

    c->capability = *capability;
    c->exchanged = true;
    c->method = k->method;
    c->muk = k->muk;
    c->kfb = k->kfb;
    rc = mu_connection_oscore(s->conf.crypto, &k->connection,
                              MU_CONNECT_SERVER, &c->oscore);
    if (rc == 0)
        rc = mu_exchange_kx(s->conf.crypto, &k->connection.kmc, &c->kx);
    if (rc != 0)
        connection_drop_of(s, identity, true);
    else
        mu_srv_trace(s, "exchanged", k->method, d->index);
    return rc;
}

/* A key fetch, over a connection that was made as the operator wants it. */
static int inner_fetch(struct mu_server *s, struct mu_bytes identity,
                       struct mu_device_record *d,
                       struct mu_server_connection *c, struct mu_bytes payload,
                       struct mu_writer *body)
{
    struct mu_mbms_muk muk = {.key = c->muk, .counter = c->muk_counter};
    int rc = MU_ERR_FORBIDDEN;

    if ((mu_srv_key_methods(s) & MU_EXCHANGE_BIT(c->method)) == 0) {
        mu_srv_exchange_refuse(s, c->method, rc, body);
        mu_srv_trace(s, "exchange-wanted", d->gateway, d->index);
        return rc;
    }
    rc = mu_mbms_muk_names(s->conf.identity, c->id, &muk);
    if (rc == 0)
        rc = mu_srv_fetch_answer(s, identity, d, c->method, &muk, payload,
                                 body);
    /* It lives as long as the connection does: both in memory alone. */
    c->muk_counter = muk.counter;
    mu_wipe(&muk, sizeof muk);
    return rc;
}

/* The answer to what was inside: code and payload; and the keys of another
 * connection, if that is what was asked for. */
static int inner_answer(struct mu_server *s, struct mu_bytes identity,
                        struct mu_device_record *d,
                        struct mu_server_connection *c,
                        const struct mu_coap_msg *in, struct mu_writer *body,
                        struct mu_exchange_keys *keys,
                        struct mu_coap_msg *out)
{
    int rc = MU_ERR_NOT_FOUND;

    mu_wipe(keys, sizeof *keys);
    if (in->code != MU_COAP_POST)
        rc = MU_ERR_UNSUPPORTED;
    else if (mu_coap_path_is(in->options, "k"))
        rc = inner_fetch(s, identity, d, c, in->payload, body);
    else if (mu_coap_path_is(in->options, "x"))
        rc = mu_srv_exchange_answer(s, identity, c, in->payload, body, keys);
    /* A store that failed says nothing about the request: no answer. */
    if (mu_err_class(rc) == MU_CLASS_FATAL || rc == MU_ERR_IO)
        return rc;
    out->code = rc == 0 ? MU_COAP_CONTENT : (uint8_t)mu_err_coap(rc);
    out->payload = mu_written(body);
    return 0;
}

static int protected_request(struct mu_server *s, const struct mu_event *ev,
                             struct mu_bytes identity,
                             struct mu_device_record *d,
                             struct mu_server_connection *c)
{
    uint8_t room[64], body_room[MU_EXCHANGE_PAYLOAD_MAX];
    struct mu_writer options = mu_writer(room, sizeof room);
    struct mu_writer inner = mu_writer(s->other, MU_STORE_VALUE_MAX);
    struct mu_writer body = mu_writer(body_room, sizeof body_room);
    struct mu_writer w = mu_srv_writer(s);
    struct mu_coap_opts opts = mu_coap_opts(&options);
    struct mu_coap_msg in = {.code = ev->message.code,
                             .payload = ev->message.payload};
    struct mu_coap_msg plain, answer = {.code = 0}, out;
    const struct mu_capability capability = c->capability;
    struct mu_exchange_keys keys;
    struct mu_oscore_request req;
    struct mu_bytes option;
    int rc;

    mu_coap_put_opt(&opts, MU_COAP_OSCORE, ev->message.oscore);
    if (mu_writer_end(&options) != 0)
        return MU_ERR_MALFORMED;
    in.options = mu_written(&options);
    rc = mu_oscore_unprotect_request(&c->oscore, s->conf.crypto, &in, &inner,
                                     &plain, &req);
    if (rc != 0)
        return rc;
    if (c->pending)
        connection_enter(s, c, d);
    rc = inner_answer(s, identity, d, c, &plain, &body, &keys, &answer);
    if (rc == 0)
        rc = mu_oscore_protect_response(&c->oscore, s->conf.crypto, &answer,
                                        false, &req, &w, &out);
    /* The last thing that c is needed for was its answer. */
    if (rc == 0 && mu_secret_is_set(&keys.connection.ka))
        rc = connection_next(s, d, &capability, identity, &keys);
    mu_exchange_keys_clear(&keys);
    mu_wipe(body_room, sizeof body_room);
    mu_wipe(s->other, inner.len);
    if (rc != 0)
        return rc;
    if (!mu_coap_find(out.options, MU_COAP_OSCORE, &option))
        return MU_ERR_CRYPTO;
    /* The option of a response may be empty, but it is there. */
    if (option.data == NULL)
        option = mu_bytes(s->text, 0);
    mu_srv_answer_protected(s, ev, out.code, option, out.payload);
    return 0;
}

int mu_srv_device_request(struct mu_server *s, const struct mu_event *ev,
                          struct mu_bytes identity)
{
    struct mu_device_record d;
    struct mu_oscore_option opt;
    uint32_t at;
    int rc = mu_srv_device_get(s, identity, &d);

    if (rc == MU_ERR_NOT_FOUND || (rc == 0 && d.revoked))
        return MU_ERR_UNKNOWN_PEER;
    if (rc != 0)
        return rc;
    if (d.gateway != ev->link)
        return MU_ERR_FORBIDDEN;
    if (ev->message.oscore.data == NULL)
        return connect_request(s, ev, identity, &d);
    rc = mu_oscore_option_decode(ev->message.oscore, &opt);
    if (rc != 0)
        return rc;
    at = opt.has_kid_context ? connection_find(s, opt.kid_context)
                             : MU_SERVER_NONE;
    if (at == MU_SERVER_NONE ||
        !mu_bytes_eq(mu_bytes(s->connections.all[at].identity,
                              s->connections.all[at].identity_len),
                     identity))
        return MU_ERR_UNKNOWN_KEY;
    used_remove(&s->connections, at);
    used_now(&s->connections, at);
    return protected_request(s, ev, identity, &d, &s->connections.all[at]);
}
