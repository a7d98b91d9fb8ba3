/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAST-8 option 1: the gateway holds Kb, decrypts the object and protects it
 * anew for its area, under a content key of its own that Kg wraps. Size, digest
 * and version stay the server's, signed by it. One page a step.
 */
#include "node/gateway.h"

#include "muster/assert.h"

bool mu_gateway_relay_busy(const struct mu_gateway_session *s)
{
    return s->phase == MU_GATEWAY_RELAYING && mu_cast_receiver_done(&s->rx) &&
           s->rx_wait.at <= s->gateway->now;
}

/* The area's packets may be smaller than the server's. */
static struct mu_cast_shape relay_shape(const struct mu_gateway *g,
                                        const struct mu_gateway_session *s)
{
    struct mu_cast_shape shape = s->manifest.shape;

    if (shape.payload > g->conf.payload_max) {
        shape.payload = g->conf.payload_max;
        if (mu_cast_shape_check(&shape) != 0)
            shape = s->manifest.shape;
    }
    return shape;
}

static uint64_t relay_size(const struct mu_gateway *g,
                           const struct mu_gateway_session *s)
{
    struct mu_cast_shape shape = relay_shape(g, s);

    return mu_cast_prepared_size(&shape, s->manifest.size);
}

/* The prepare memory serves one session at a time, the first that is at it. */
static bool relay_turn(const struct mu_gateway *g,
                       const struct mu_gateway_session *s)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *o = &g->sessions[i];

        if (o != s && o->phase == MU_GATEWAY_RELAYING &&
            o->relay.stage != MU_GATEWAY_RELAY_NONE)
            return false;
    }
    return true;
}

static int relay_begin(struct mu_gateway *g, struct mu_gateway_session *s)
{
    const struct mu_depot *depot = g->conf.depot;
    struct mu_gateway_relay *r = &s->relay;
    uint8_t raw[MU_AES_BLOCK];
    int rc;

    if (mu_cast_block_size(&s->manifest.shape) > g->prepare_room)
        return MU_ERR_TOO_LARGE;
    rc = depot->open(depot->ctx, s->campaign, 1, s->manifest.size, &r->plain);
    if (rc == 0)
        rc = depot->open(depot->ctx, s->campaign, 2, relay_size(g, s),
                         &r->prepared);
    if (rc == 0)
        rc = mu_cast_page_first(&s->manifest.shape, s->manifest.size,
                                &r->page);
    if (rc == 0)
        rc = g->conf.crypto->random(g->conf.crypto->ctx, raw, sizeof raw);
    if (rc == 0)
        rc = mu_secret_set(&r->cek, MU_BYTES(raw));
    mu_wipe(raw, sizeof raw);
    if (rc == 0)
        r->stage = MU_GATEWAY_RELAY_PLAIN;
    return rc;
}

static int relay_prepare(struct mu_gateway *g, struct mu_gateway_session *s)
{
    struct mu_gateway_relay *r = &s->relay;
    struct mu_cast_shape shape = relay_shape(g, s);
    int rc;

    rc = r->plain.sync(r->plain.ctx);
    if (rc == 0)
        rc = mu_cast_prepare_init(&r->prepare, g->conf.crypto, &shape,
                                  s->manifest.size, s->session, &r->cek,
                                  &r->plain, &r->prepared, g->prepare_work,
                                  g->prepare_room);
    if (rc == 0)
        r->stage = MU_GATEWAY_RELAY_PREPARE;
    return rc;
}

/* A page of what came, in the clear. */
static int relay_plain(struct mu_gateway *g, struct mu_gateway_session *s)
{
    struct mu_gateway_relay *r = &s->relay;
    const struct mu_cast_page *page = &r->page;
    struct mu_secret cek;
    int rc = mu_cek_unwrap(g->conf.crypto, &s->kb, s->manifest.wrapped_cek,
                           &cek);

    if (rc == 0)
        rc = s->part0.read(s->part0.ctx, page->block_at + page->hashes_len,
                           g->prepare_work, page->content_len);
    if (rc == 0)
        rc = mu_cast_crypt(g->conf.crypto, &cek, page->content_at,
                           g->prepare_work, page->content_len);
    mu_secret_clear(&cek);
    if (rc == 0)
        rc = r->plain.write(r->plain.ctx, page->content_at, g->prepare_work,
                            page->content_len);
    if (rc != 0)
        return rc;
    if (mu_cast_page_next(&s->manifest.shape, s->manifest.size, &r->page))
        return 0;
    return relay_prepare(g, s);
}

/* ---- the relay manifest ------------------------------------------------- */

static int relay_write(struct mu_gateway *g, struct mu_gateway_session *s,
                       struct mu_bytes roots)
{
    struct mu_writer w = mu_writer(g->out, MU_ANNOUNCE_MAX);
    struct mu_manifest m = s->manifest;
    enum mu_announce_kind kind;
    int rc;

    m.shape = relay_shape(g, s);
    m.roots = roots;
    m.session = s->session;
    m.kid = g->kg[0].kid;
    rc = mu_cek_wrap(g->conf.crypto, &g->kg[0].key, &s->relay.cek,
                     m.wrapped_cek);
    if (rc == 0)
        rc = mu_relay_create(g->conf.crypto, &g->kg[0].key,
                             mu_bytes(s->object, s->object_len), &m, &w);
    if (rc != 0)
        return rc;
    mu_copy(s->relay_object, w.data, w.len);
    s->relay_len = (uint16_t)w.len;
    s->record.dirty = true;
    mu_gateway_session_hand(g, s);
    return mu_announce_consume(g->conf.crypto, &g->server.signer,
                               &g->kg[0].key,
                               mu_bytes(s->relay_object, s->relay_len), &kind,
                               &s->relay_manifest);
}

static int relay_parse(struct mu_gateway *g, struct mu_gateway_session *s,
                       size_t which)
{
    enum mu_announce_kind kind;

    if (g->kg[which].kid.kind == 0)
        return MU_ERR_UNKNOWN_KEY;
    return mu_announce_consume(g->conf.crypto, &g->server.signer,
                               &g->kg[which].key,
                               mu_bytes(s->relay_object, s->relay_len), &kind,
                               &s->relay_manifest);
}

/* Under the Kg in force; nothing to do when it is. */
int mu_gateway_relay_announce(struct mu_gateway *g,
                              struct mu_gateway_session *s)
{
    uint8_t roots[MU_ANNOUNCE_MAX];
    size_t len;
    int rc = relay_parse(g, s, 0);

    if (rc != 0)
        rc = relay_parse(g, s, 1);
    if (rc != 0)
        return rc;
    if (mu_kid_eq(&s->relay_manifest.kid, &g->kg[0].kid))
        return 0;
    len = s->relay_manifest.roots.len;
    mu_copy(roots, s->relay_manifest.roots.data, len);
    return relay_write(g, s, mu_bytes(roots, len));
}

int mu_gateway_relay_open(struct mu_gateway *g, struct mu_gateway_session *s)
{
    return g->conf.depot->open(g->conf.depot->ctx, s->campaign, 2,
                               relay_size(g, s), &s->relay.prepared);
}

static int relay_ready(struct mu_gateway *g, struct mu_gateway_session *s)
{
    int rc = s->relay.prepared.sync(s->relay.prepared.ctx);

    if (rc == 0)
        rc = relay_write(g, s, mu_cast_prepare_roots(&s->relay.prepare));
    if (rc != 0)
        return rc;
    s->relay.stage = MU_GATEWAY_RELAY_READY;
    g->conf.depot->remove(g->conf.depot->ctx, s->campaign, 1);
    mu_gateway_session_move(s, MU_GATEWAY_MOVE_PROTECTED);
    return mu_gateway_session_send(g, s);
}

int mu_gateway_relay_run(struct mu_gateway *g, struct mu_gateway_session *s)
{
    int rc = 0;

    switch (s->relay.stage) {
    case MU_GATEWAY_RELAY_NONE:
        if (g->kg[0].kid.kind != 0 && relay_turn(g, s))
            rc = relay_begin(g, s);
        break;
    case MU_GATEWAY_RELAY_PLAIN:
        rc = relay_plain(g, s);
        break;
    case MU_GATEWAY_RELAY_PREPARE:
        rc = s->relay.prepare.left > 0 ? mu_cast_prepare_step(&s->relay.prepare)
                                       : relay_ready(g, s);
        break;
    default:
        mu_assert(false); /* ready is live */
    }
    if (rc != 0) { /* from the beginning, after a while */
        mu_gateway_trace(g, "relay-failed", s->session, (uint64_t)-rc);
        mu_wipe(&s->relay, sizeof s->relay);
        mu_backoff_fail(&s->rx_wait, g->now, &g->jitter);
    }
    return rc;
}
