/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway and the server: the link, /hello, what is asked and what the
 * server tells. docs/wire-format.md s.2.3 and s.2.4.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define REHELLO_REST MU_SECONDS(60)

/* ---- the link ----------------------------------------------------------- */

static void wide_asks_lost(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_GATEWAY_ASK_COUNT; i++)
        mu_ask_lost(&g->asks[i]);
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        mu_ask_lost(&g->sessions[i].ask);
        mu_ask_lost(&g->sessions[i].tally);
        mu_gateway_report_lost(g, &g->sessions[i]);
    }
}

int mu_gateway_wide_up(struct mu_gateway *g, const struct mu_event *ev)
{
    if (ev->identity.len == 0 || ev->identity.len > MU_ID_MAX)
        return MU_ERR_UNKNOWN_PEER;
    wide_asks_lost(g);
    g->link = MU_GATEWAY_LINK_UP;
    g->open_due = false;
    g->welcome = false;
    g->server.id_len = (uint8_t)ev->identity.len;
    mu_copy(g->server.id, ev->identity.data, ev->identity.len);
    mu_backoff_reset(&g->asks[MU_GATEWAY_HELLO].wait);
    g->asks[MU_GATEWAY_HELLO].due = true;
    mu_gateway_trace(g, "link-up", 0, 0);
    return 0;
}

void mu_gateway_wide_down(struct mu_gateway *g)
{
    if (g->link == MU_GATEWAY_LINK_DOWN)
        return;
    g->link = MU_GATEWAY_LINK_DOWN;
    g->welcome = false;
    g->open_due = true;
    mu_backoff_fail(&g->link_wait, g->now, &g->jitter);
    wide_asks_lost(g);
    mu_replies_drop(&g->replies, MU_LINK_UP_NODE);
    mu_gateway_forward_wide_down(g);
    mu_gateway_trace(g, "link-down", 0, 0);
}

/* ---- hello -------------------------------------------------------------- */

int mu_gateway_server_keys(struct mu_gateway *g)
{
    struct mu_secret khop;
    int rc = mu_khop_derive(g->conf.crypto, &g->kmr,
                            mu_bytes(g->server.id, g->server.id_len), &khop);

    if (rc == 0)
        rc = mu_kdf(g->conf.crypto, &khop, "feedback",
                    (struct mu_bytes){NULL, 0}, 16, &g->server.kfb);
    mu_secret_clear(&khop);
    return rc != 0 ? rc : mu_gateway_control_key(g, &g->server.kw);
}

static void wide_told(struct mu_gateway *g, const struct mu_tick *tick)
{
    (void)mu_ticked_told(&g->server.ticked, g->conf.crypto,
                         &g->server.kw.kctl, tick);
}

int mu_gateway_wide_ticked(struct mu_gateway *g, uint16_t kg,
                           struct mu_bytes *packet)
{
    struct mu_gateway_server *s = &g->server;
    int rc;

    if (s->kw.kid.kind == 0 || (uint8_t)s->kw.kid.generation != kg)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_ticked_take(&s->ticked, g->conf.crypto, &s->kw.kctl, g->now, true,
                        packet);
    if ((rc == MU_ERR_UNKNOWN_KEY || rc == MU_ERR_BUSY) && g->welcome &&
        g->now >= g->rehello_at) {
        g->rehello_at = g->now + REHELLO_REST;
        g->asks[MU_GATEWAY_HELLO].due = true;
    }
    return rc;
}

static int wide_set_kw(struct mu_gateway *g, const struct mu_kid *kid,
                       const struct mu_secret *kw, const struct mu_tick *tick)
{
    int rc;

    if (mu_kid_eq(&g->server.kw.kid, kid) &&
        mu_secret_eq(&g->server.kw.key, kw)) {
        wide_told(g, tick);
        return 0;
    }
    g->server.ticked.known = false;
    g->server.kw.kid = *kid;
    g->server.kw.key = *kw;
    g->records[MU_GATEWAY_REC_SERVER].dirty = true;
    rc = mu_gateway_server_keys(g);
    if (rc == 0)
        wide_told(g, tick);
    for (size_t i = 0; i < MU_SESSIONS_MAX && rc == 0; i++)
        mu_gateway_session_control(g, &g->sessions[i]);
    return rc;
}

static int wide_welcome(struct mu_gateway *g, const struct mu_wide_welcome *m)
{
    struct mu_gateway_server *s = &g->server;
    char address[MU_ADDR_TEXT_MAX] = {0};
    bool moved;
    int rc;

    if (!mu_bytes_eq(m->server, mu_bytes(s->id, s->id_len)))
        return MU_ERR_MALFORMED;
    mu_copy(address, m->address.data, m->address.len);
    moved = !mu_ct_eq(address, s->address, sizeof address) ||
            s->port != m->port || s->up_port != m->up_port;
    mu_copy(s->address, address, sizeof address);
    s->port = m->port;
    s->up_port = m->up_port;
    if (moved || mu_ct_eq(address, "unicast", 8))
        g->wide_channel_due = true;
    if (g->kg[0].kid.kind != 0 && g->kg[0].kid.scope != m->number)
        g->rotate_due = true; /* kids of another gateway number are not ours */
    s->number = m->number;
    if (m->epoch > s->epoch)
        s->epoch = m->epoch;
    s->signer.alg = m->alg;
    mu_copy(s->signer.pub, m->pub.data, m->pub.len);
    s->signer.pub_len = (uint8_t)m->pub.len;
    if (s->index != m->index) {
        s->index = m->index;
        for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
            g->sessions[i].receiving = false; /* set up with the new index */
    }
    g->records[MU_GATEWAY_REC_SERVER].dirty = true;
    rc = wide_set_kw(g, &m->kid, &m->kw, &m->tick);
    return rc != 0 ? rc : mu_gateway_server_keys(g);
}

/* The list from its start. What was asked for before is not waited for: a page
 * from the middle, taken for the first, would remove who comes before it. */
static void wide_area_again(struct mu_gateway *g)
{
    g->scan_next = 0;
    g->asks[MU_GATEWAY_AREA].due = true;
    g->asks[MU_GATEWAY_AREA].flying = false;
}

static int wide_hello_answer(struct mu_gateway *g, const struct mu_message *m)
{
    struct mu_wide_welcome in;
    int rc = mu_wide_welcome_consume(m->payload, &in);

    if (rc == 0)
        rc = wide_welcome(g, &in);
    mu_secret_clear(&in.kw);
    if (rc != 0)
        return rc;
    g->welcome = true;
    mu_backoff_reset(&g->link_wait);
    wide_area_again(g);
    mu_gateway_camp_refresh(g);
    mu_gateway_speech_offered(g, in.directory);
    mu_gateway_trace(g, "hello", g->server.number, g->server.epoch);
    return 0;
}

/* ---- what the server tells ---------------------------------------------- */

static int wide_notice(struct mu_gateway *g, struct mu_bytes payload)
{
    struct mu_wide_notice m;
    int rc = mu_wide_notice_consume(payload, &m);

    if (rc == 0)
        rc = wide_set_kw(g, &m.kid, &m.kw, &m.tick);
    mu_secret_clear(&m.kw);
    if (rc != 0)
        return rc;
    if (!g->area_known || m.area_version != g->area_version)
        wide_area_again(g);
    mu_gateway_camp_refresh(g);
    mu_gateway_speech_offered(g, m.directory);
    return 0;
}

int mu_gateway_wide_request(struct mu_gateway *g, const struct mu_message *m)
{
    struct mu_bytes bitmap;
    struct mu_wide_hop hop;
    int rc = MU_ERR_NOT_FOUND, full;

    if (m->code != MU_COAP_POST) {
        rc = MU_ERR_UNSUPPORTED;
    } else if (mu_bytes_eq(m->path, mu_bytes_str("n"))) {
        rc = wide_notice(g, m->payload);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("poke"))) {
        rc = mu_wide_poke_consume(m->payload, &bitmap);
        if (rc == 0)
            rc = mu_gateway_poke(g, bitmap);
    } else if (mu_bytes_eq(m->path, mu_bytes_str("hop"))) {
        rc = mu_wide_hop_consume(m->payload, &hop);
        if (rc == 0)
            mu_gateway_hop(g, &hop);
        mu_wipe(&hop, sizeof hop);
    }
    full = mu_replies_put(&g->replies, MU_LINK_UP_NODE, m->exchange,
                          (uint8_t)mu_err_coap(rc));
    return rc != 0 ? rc : full;
}

/* ---- questions ---------------------------------------------------------- */

void mu_gateway_ask_effect(struct mu_gateway *g, const char *path,
                           const struct mu_writer *w, struct mu_effect *out)
{
    out->kind = MU_DO_SEND;
    out->link = MU_LINK_UP_NODE;
    out->message.code = MU_COAP_POST;
    out->message.exchange = ++g->exchange;
    out->message.path = mu_bytes_str(path);
    out->message.payload = mu_written(w);
}

static int wide_ask_write(struct mu_gateway *g, size_t which,
                          struct mu_writer *w)
{
    struct mu_wide_hello m = {
        .software = g->conf.software,
        .area_version = g->area_known ? g->area_version : 0,
        .epoch = g->server.epoch,
        .unicast_port = g->conf.wide_port,
        .page_memory = g->rx_room,
    };

    switch (which) {
    case MU_GATEWAY_HELLO:
        return mu_wide_hello_create(&m, w);
    case MU_GATEWAY_AREA:
        return mu_wide_ask_create(g->scan_next, w);
    case MU_GATEWAY_DIR:
        return mu_gateway_speech_ask(g, w);
    default:
        mu_assert(which == MU_GATEWAY_CAMP);
        return mu_wide_ask_create(g->camp_after, w);
    }
}

static const char *const wide_paths[MU_GATEWAY_ASK_COUNT] = {
    [MU_GATEWAY_HELLO] = "hello",
    [MU_GATEWAY_AREA] = "area",
    [MU_GATEWAY_CAMP] = "camp",
    [MU_GATEWAY_DIR] = "dir",
};

static bool wide_next_details(struct mu_gateway *g, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];
        struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);

        if (!mu_ask_ready(&s->ask, g->now) ||
            mu_wide_campaign_ask_create(s->campaign, s->parts_here, &w) != 0)
            continue;
        mu_gateway_ask_effect(g, "camp/m", &w, out);
        mu_ask_sent(&s->ask, g->exchange);
        return true;
    }
    return false;
}

bool mu_gateway_next_ask(struct mu_gateway *g, struct mu_effect *out)
{
    if (g->link != MU_GATEWAY_LINK_UP)
        return false;
    for (size_t i = 0; i < MU_GATEWAY_ASK_COUNT; i++) {
        struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);

        if (!mu_ask_ready(&g->asks[i], g->now) ||
            (i != MU_GATEWAY_HELLO && !g->welcome))
            continue;
        if (wide_ask_write(g, i, &w) != 0) {
            mu_ask_failed(&g->asks[i], g->now, &g->jitter);
            continue;
        }
        mu_gateway_ask_effect(g, wide_paths[i], &w, out);
        mu_ask_sent(&g->asks[i], g->exchange);
        return true;
    }
    return g->welcome && wide_next_details(g, out);
}

mu_time mu_gateway_wide_deadline(const struct mu_gateway *g)
{
    mu_time at = MU_TIME_NEVER;

    if (g->link != MU_GATEWAY_LINK_UP)
        return at;
    at = mu_ask_deadline(&g->asks[MU_GATEWAY_HELLO]);
    if (!g->welcome)
        return at;
    for (size_t i = 0; i < MU_GATEWAY_ASK_COUNT; i++)
        at = mu_time_min(at, mu_ask_deadline(&g->asks[i]));
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        at = mu_time_min(at, mu_ask_deadline(&g->sessions[i].ask));
        at = mu_time_min(at, mu_gateway_report_deadline(&g->sessions[i]));
    }
    return at;
}

/* ---- answers ------------------------------------------------------------ */

static int wide_answer(struct mu_gateway *g, size_t which,
                       const struct mu_message *m)
{
    if (MU_COAP_CLASS(m->code) != 2)
        return MU_ERR_UNEXPECTED;
    switch (which) {
    case MU_GATEWAY_HELLO:
        return wide_hello_answer(g, m);
    case MU_GATEWAY_AREA:
        return mu_gateway_area_page(g, m->payload);
    case MU_GATEWAY_DIR:
        return mu_gateway_speech_list(g, m->payload);
    default:
        return mu_gateway_camp_page(g, m->payload);
    }
}

/* The answer to a question that is kept in an ask: done or asked again. */
static int wide_ask_answered(struct mu_gateway *g, struct mu_ask *a, int rc,
                             struct mu_backoff wait, uint8_t code)
{
    if (rc != 0) {
        a->wait = wait;
        mu_ask_failed(a, g->now, &g->jitter);
        mu_gateway_trace(g, "refused", code, (uint64_t)-rc);
    }
    return rc;
}

static int wide_session_response(struct mu_gateway *g,
                                 struct mu_gateway_session *s,
                                 const struct mu_message *m, bool *mine)
{
    struct mu_backoff wait = s->ask.wait;
    int rc;

    *mine = true;
    if (s->ask.flying && s->ask.exchange == m->exchange) {
        mu_ask_done(&s->ask);
        if (m->code == MU_COAP_NOT_FOUND) {
            /* Gone since it was listed: the list is read anew. */
            mu_gateway_camp_refresh(g);
            return 0;
        }
        rc = MU_COAP_CLASS(m->code) == 2
                 ? mu_gateway_camp_details(g, s, m->payload)
                 : MU_ERR_UNEXPECTED;
        return wide_ask_answered(g, &s->ask, rc, wait, m->code);
    }
    if (s->report.flying && s->report.exchange == m->exchange)
        return mu_gateway_report_answer(g, s, m);
    if (s->tally.flying && s->tally.exchange == m->exchange) {
        mu_ask_done(&s->tally);
        return 0;
    }
    *mine = false;
    return 0;
}

int mu_gateway_wide_response(struct mu_gateway *g, const struct mu_message *m)
{
    for (size_t i = 0; i < MU_GATEWAY_ASK_COUNT; i++) {
        struct mu_ask *a = &g->asks[i];
        struct mu_backoff wait = a->wait;

        if (!a->flying || a->exchange != m->exchange)
            continue;
        mu_ask_done(a);
        return wide_ask_answered(g, a, wide_answer(g, i, m), wait, m->code);
    }
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        bool mine;
        int rc = wide_session_response(g, &g->sessions[i], m, &mine);

        if (mine)
            return rc;
    }
    return mu_gateway_forward_answer(g, m);
}

void mu_gateway_wide_no_answer(struct mu_gateway *g, uint32_t exchange)
{
    for (size_t i = 0; i < MU_GATEWAY_ASK_COUNT; i++) {
        if (g->asks[i].flying && g->asks[i].exchange == exchange)
            mu_ask_failed(&g->asks[i], g->now, &g->jitter);
    }
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (s->ask.flying && s->ask.exchange == exchange)
            mu_ask_failed(&s->ask, g->now, &g->jitter);
        if (s->tally.flying && s->tally.exchange == exchange)
            mu_ask_done(&s->tally);
        if (s->report.flying && s->report.exchange == exchange)
            mu_gateway_report_lost(g, s);
    }
    (void)mu_gateway_forward_fail(g, exchange);
}
