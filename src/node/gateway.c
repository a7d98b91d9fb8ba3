/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway engine: memory, dispatch of events, choice of the next effect. As
 * in the device there is no queue; what is due to many devices is marked in
 * sets of area indexes.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define ALIGN 16u
#define LINK_DEVICES 1u /* link of area index 0 */

void mu_gateway_trace(struct mu_gateway *g, const char *name, uint64_t a,
                      uint64_t b)
{
    mu_traces_put(&g->traces, name, a, b);
}

/* ---- memory ------------------------------------------------------------- */

static size_t memory_round(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct gateway_layout {
    size_t devices, forwards, out, states, rx, tx, prepare, speech, total;
};

/* What the largest page takes, over all ways to part data from parity. */
static void memory_pages(const struct mu_gateway_conf *conf,
                         struct gateway_layout *l)
{
    unsigned most = conf->page_packets_max;

    for (unsigned parity = 0; parity < most && parity <= MU_PAGE_PARITY_MAX;
         parity++) {
        struct mu_cast_sender_conf tx = {.receivers = conf->devices_max};
        unsigned data = most - parity;
        struct mu_cast_shape s = {
            .payload = conf->payload_max,
            .page_data = (uint16_t)(data < MU_PAGE_DATA_MAX
                                        ? data : MU_PAGE_DATA_MAX),
            .page_parity = (uint16_t)parity,
            .hash_len = MU_HASH_MAX,
        };
        size_t rx, prep;

        /* Wide pages have small packets. */
        if ((uint32_t)s.page_data * s.payload > MU_PAGE_BYTES_MAX)
            s.payload = (uint16_t)(MU_PAGE_BYTES_MAX / s.page_data);
        rx = mu_cast_receiver_work(&s);
        prep = mu_cast_prepare_work(&s);
        tx.shape = s;
        if (rx > l->rx)
            l->rx = rx;
        if (mu_cast_sender_work(&tx) > l->tx)
            l->tx = mu_cast_sender_work(&tx);
        if (prep > l->prepare)
            l->prepare = prep;
    }
}

static struct gateway_layout memory_layout(const struct mu_gateway_conf *conf)
{
    struct gateway_layout l = {.total = 0};

    l.devices = memory_round(conf->devices_max *
                             sizeof(struct mu_gateway_device));
    l.forwards = memory_round(MU_GATEWAY_FORWARDS_MAX *
                              sizeof(struct mu_gateway_forward));
    l.out = memory_round(MU_STORE_VALUE_MAX);
    l.states = memory_round(conf->devices_max *
                            sizeof(struct mu_gateway_member));
    memory_pages(conf, &l);
    l.rx = memory_round(l.rx);
    l.tx = memory_round(l.tx);
    l.prepare = memory_round(l.prepare);
    l.speech = memory_round(mu_gateway_speech_work(conf));
    l.total = ALIGN + l.devices + l.forwards + l.out + l.prepare + l.speech +
              MU_SESSIONS_MAX * (l.states + l.rx + l.tx);
    return l;
}

size_t mu_gateway_work(const struct mu_gateway_conf *conf)
{
    return memory_layout(conf).total;
}

static void memory_carve(struct mu_gateway *g, uint8_t *at)
{
    struct gateway_layout l = memory_layout(&g->conf);

    at += (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;
    g->devices = (void *)at;
    mu_zero(at, l.devices);
    at += l.devices;
    g->forwards = (void *)at;
    mu_zero(at, l.forwards);
    at += l.forwards;
    g->out = at;
    at += l.out;
    g->prepare_work = at;
    at += l.prepare;
    g->speech = (void *)at;
    mu_zero(at, l.speech);
    at += l.speech;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        s->gateway = g;
        s->slot = (uint8_t)i;
        s->states = (void *)at;
        mu_zero(at, l.states);
        at += l.states;
        s->rx_work = at;
        at += l.rx;
        s->tx_work = at;
        at += l.tx;
    }
    g->rx_room = l.rx;
    g->tx_room = l.tx;
    g->prepare_room = l.prepare;
}

/* ---- init --------------------------------------------------------------- */

static int gateway_conf_check(const struct mu_gateway_conf *conf)
{
    if (conf->identity.len == 0 || conf->identity.len > MU_ID_MAX ||
        conf->software.len > MU_ID_MAX || conf->kmr->len != MU_SECRET_MAX)
        return MU_ERR_USAGE;
    if (conf->devices_max == 0 || conf->devices_max > MU_AREA_DEVICES_MAX ||
        conf->payload_max < MU_PAYLOAD_MIN ||
        conf->payload_max > MU_PACKET_MAX || conf->page_packets_max == 0 ||
        conf->page_packets_max > MU_PAGE_PACKETS_MAX)
        return MU_ERR_USAGE;
    for (size_t i = 0; i < sizeof conf->area_address; i++) {
        if (conf->area_address[i] == '\0')
            return i > 0 ? 0 : MU_ERR_USAGE;
    }
    return MU_ERR_USAGE;
}

int mu_gateway_init(struct mu_gateway *g, const struct mu_gateway_conf *conf,
                    void *work, size_t work_len, mu_time now)
{
    int rc = gateway_conf_check(conf);

    if (rc != 0)
        return rc;
    if (work_len < mu_gateway_work(conf))
        return MU_ERR_NO_SPACE;
    mu_zero(g, sizeof *g);
    g->conf = *conf;
    if (conf->area_yields)
        mu_rate_init(&g->yield, conf->area_rate, conf->area_loss_permille);
    g->kmr = *conf->kmr;
    g->conf.kmr = &g->kmr;
    g->now = now;
    g->jitter = conf->seed;
    g->push_again_at = MU_TIME_NEVER;
    memory_carve(g, work);
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        mu_gateway_session_clear(&g->sessions[i]);
    rc = mu_gateway_load(g);
    if (rc != 0)
        mu_gateway_clear(g);
    return rc;
}

void mu_gateway_clear(struct mu_gateway *g)
{
    if (g->devices != NULL) {
        mu_wipe(g->devices,
                g->conf.devices_max * sizeof(struct mu_gateway_device));
        mu_wipe(g->out, MU_STORE_VALUE_MAX);
        mu_wipe(g->prepare_work, g->prepare_room);
        mu_gateway_speech_clear(g);
    }
    mu_wipe(g, sizeof *g);
}

/* ---- events ------------------------------------------------------------- */

static bool gateway_device_link(const struct mu_gateway *g, uint32_t link,
                                uint16_t *index)
{
    if (link < LINK_DEVICES || link - LINK_DEVICES >= g->conf.devices_max)
        return false;
    *index = (uint16_t)(link - LINK_DEVICES);
    return true;
}

static int gateway_start(struct mu_gateway *g)
{
    g->link = MU_GATEWAY_LINK_DOWN;
    g->open_due = true;
    g->area_channel_due = true;
    g->wide_channel_due = g->server.id_len != 0;
    return 0;
}

static int gateway_wide_event(struct mu_gateway *g, const struct mu_event *ev)
{
    switch (ev->kind) {
    case MU_EV_LINK_UP:
        return mu_gateway_wide_up(g, ev);
    case MU_EV_LINK_DOWN:
        mu_gateway_wide_down(g);
        return 0;
    case MU_EV_REQUEST:
        return mu_gateway_wide_request(g, &ev->message);
    case MU_EV_RESPONSE:
        return mu_gateway_wide_response(g, &ev->message);
    default:
        mu_gateway_wide_no_answer(g, ev->message.exchange);
        return 0;
    }
}

static int gateway_device_event(struct mu_gateway *g,
                                const struct mu_event *ev)
{
    uint16_t index;

    if (!gateway_device_link(g, ev->link, &index))
        return MU_ERR_UNKNOWN_PEER;
    switch (ev->kind) {
    case MU_EV_LINK_UP:
        return mu_gateway_device_up(g, ev);
    case MU_EV_LINK_DOWN:
        mu_gateway_device_down(g, index);
        return 0;
    case MU_EV_REQUEST:
        return mu_gateway_device_request(g, index, &ev->message);
    case MU_EV_RESPONSE:
        if (mu_gateway_speech_answered(g, index, &ev->message))
            return 0;
        return mu_gateway_device_answered(g, index, ev->message.exchange,
                                          ev->message.code);
    default:
        if (mu_gateway_speech_answered(g, index, &ev->message))
            return 0;
        return mu_gateway_device_answered(g, index, ev->message.exchange, 0);
    }
}

static int gateway_event(struct mu_gateway *g, const struct mu_event *ev)
{
    switch (ev->kind) {
    case MU_EV_START:
        return gateway_start(g);
    case MU_EV_TIMER:
        return 0;
    case MU_EV_LINK_UP:
    case MU_EV_LINK_DOWN:
    case MU_EV_REQUEST:
    case MU_EV_RESPONSE:
    case MU_EV_NO_ANSWER:
        return ev->link == MU_LINK_UP_NODE ? gateway_wide_event(g, ev)
                                           : gateway_device_event(g, ev);
    case MU_EV_PACKET:
        return mu_gateway_packet(g, ev);
    case MU_EV_STORED:
        return mu_gateway_stored(g, ev);
    case MU_EV_HOOK:
        return MU_ERR_UNEXPECTED;
    case MU_EV_IDLE:
        return 0; /* the body pings */
    case MU_EV_COUNT:
        break;
    }
    return MU_ERR_USAGE;
}

static void gateway_out_wipe(struct mu_gateway *g)
{
    if (g->out_secret)
        mu_wipe(g->out, MU_STORE_VALUE_MAX);
    g->out_secret = false;
}

int mu_gateway_step(struct mu_gateway *g, const struct mu_event *ev)
{
    int rc, run;

    gateway_out_wipe(g);
    if (ev->now > g->now)
        g->now = ev->now;
    rc = gateway_event(g, ev);
    if (g->now >= g->push_again_at)
        mu_gateway_push_again(g);
    mu_gateway_forward_run(g);
    mu_gateway_speech_run(g);
    mu_gateway_ticks_run(g);
    run = mu_gateway_kg_run(g);
    if (rc == 0)
        rc = run;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        run = mu_gateway_session_run(g, &g->sessions[i]);
        if (rc == 0)
            rc = run;
    }
    return rc;
}

/* ---- effects ------------------------------------------------------------ */

static bool gateway_next_trace(struct mu_gateway *g, struct mu_effect *out)
{
    struct mu_trace t;

    if (!mu_traces_take(&g->traces, &t))
        return false;
    out->kind = MU_DO_TRACE;
    out->trace = t.name;
    out->a = t.a;
    out->b = t.b;
    return true;
}

/* A device that can be sent copies; which way is taken is for the body. */
static bool gateway_next_copy(struct mu_gateway *g, struct mu_effect *out)
{
    for (uint16_t i = 0; g->copies_due && i < g->conf.devices_max; i++) {
        struct mu_gateway_device *d = &g->devices[i];

        if (!d->copy_due)
            continue;
        d->copy_due = false;
        out->kind = MU_DO_CHANNEL;
        out->channel = MU_CHANNEL_AREA;
        out->link = 1u + i;
        mu_copy(out->address, "unicast", sizeof "unicast");
        out->port = d->copy_port;
        return true;
    }
    g->copies_due = false;
    return false;
}

static bool gateway_next_channel(struct mu_gateway *g, struct mu_effect *out)
{
    if (g->area_channel_due &&
        mu_bytes_eq(mu_bytes_str(g->conf.area_address),
                    mu_bytes_str("unicast")))
        g->area_channel_due = false; /* no group: copies alone */
    if (g->area_channel_due) {
        g->area_channel_due = false;
        out->channel = MU_CHANNEL_AREA;
        mu_copy(out->address, g->conf.area_address, sizeof out->address);
        out->port = g->conf.area_port;
        out->up_port = g->conf.area_up_port;
    } else if (g->wide_channel_due) {
        g->wide_channel_due = false;
        out->channel = MU_CHANNEL_WIDE;
        mu_copy(out->address, g->server.address, sizeof out->address);
        out->port = g->server.port;
        out->up_port = g->server.up_port;
    } else {
        return gateway_next_copy(g, out);
    }
    out->kind = MU_DO_CHANNEL;
    return true;
}

static bool gateway_next_link(struct mu_gateway *g, struct mu_effect *out)
{
    if (!g->open_due || g->link != MU_GATEWAY_LINK_DOWN ||
        g->link_wait.at > g->now)
        return false;
    g->open_due = false;
    g->link = MU_GATEWAY_LINK_OPENING;
    out->kind = MU_DO_LINK_OPEN;
    out->link = MU_LINK_UP_NODE;
    return true;
}

static bool gateway_next_reply(struct mu_gateway *g, struct mu_effect *out)
{
    struct mu_reply r;

    if (!mu_replies_take(&g->replies, &r))
        return false;
    out->kind = MU_DO_SEND;
    out->link = r.link;
    out->response = true;
    out->message.code = r.code;
    out->message.exchange = r.exchange;
    return true;
}

bool mu_gateway_next(struct mu_gateway *g, struct mu_effect *out)
{
    gateway_out_wipe(g);
    *out = (struct mu_effect){.kind = MU_DO_COUNT};
    if (gateway_next_trace(g, out) || mu_gateway_next_store(g, out) ||
        mu_gateway_next_link(g, out) || gateway_next_channel(g, out) ||
        gateway_next_link(g, out))
        return true;
    if (mu_gateway_barrier(g))
        return false;
    return gateway_next_reply(g, out) || mu_gateway_next_device(g, out) ||
           mu_gateway_next_question(g, out) ||
           mu_gateway_next_forward(g, out) || mu_gateway_next_ask(g, out) ||
           mu_gateway_next_tally(g, out) || mu_gateway_next_report(g, out) ||
           mu_gateway_next_push(g, out) ||
           mu_gateway_next_wide_packet(g, out) ||
           mu_gateway_next_area_packet(g, out);
}

mu_time mu_gateway_deadline(const struct mu_gateway *g)
{
    mu_time at = mu_gateway_store_deadline(g);

    if (g->open_due && g->link == MU_GATEWAY_LINK_DOWN)
        at = mu_time_min(at, g->link_wait.at);
    at = mu_time_min(at, g->push_again_at);
    if (mu_gateway_kg_waits(g))
        at = mu_time_min(at, g->rotate_by);
    at = mu_time_min(at, mu_gateway_forward_deadline(g));
    if (mu_gateway_barrier(g))
        return at;
    at = mu_time_min(at, mu_gateway_wide_deadline(g));
    at = mu_time_min(at, mu_gateway_speech_deadline(g));
    at = mu_time_min(at, mu_gateway_tally_deadline(g));
    return mu_time_min(at, mu_gateway_session_deadline(g));
}

/* ---- views -------------------------------------------------------------- */

void mu_gateway_status(const struct mu_gateway *g,
                       struct mu_gateway_status *out)
{
    *out = (struct mu_gateway_status){
        .linked = g->link == MU_GATEWAY_LINK_UP && g->welcome,
        .devices = g->devices_len,
        .may_speak = g->conf.speak.scheme != MU_SPEECH_NONE &&
                     mu_speaker_may(&g->speech->speaker),
        .directory = g->speech->version,
        .rate = mu_gateway_area_rate(g),
        .queue_us = (uint32_t)g->yield.queue,
        .loss_permille = (uint16_t)((uint64_t)g->yield.loss * 1000 >> 16),
    };
    for (size_t i = 0; i < g->conf.devices_max; i++)
        out->devices_linked =
            (uint16_t)(out->devices_linked + g->devices[i].linked);
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        out->sessions =
            (uint8_t)(out->sessions +
                      (g->sessions[i].phase != MU_GATEWAY_FREE));
}

const struct mu_cast_counts *mu_gateway_counts(const struct mu_gateway *g,
                                               uint8_t session)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];

        if (s->sending && s->session == session)
            return mu_cast_sender_counts(&s->tx);
    }
    return NULL;
}

int mu_gateway_psk_up(const struct mu_gateway *g, struct mu_bytes hint,
                      struct mu_secret *psk)
{
    if (hint.len == 0 || hint.len > MU_ID_MAX)
        return MU_ERR_UNKNOWN_PEER;
    return mu_khop_derive(g->conf.crypto, &g->kmr, hint, psk);
}

int mu_gateway_psk_down(const struct mu_gateway *g, struct mu_bytes identity,
                        struct mu_secret *psk, uint32_t *link)
{
    for (size_t i = 0; i < g->conf.devices_max; i++) {
        const struct mu_gateway_device *d = &g->devices[i];

        if (d->used && mu_bytes_eq(identity, mu_bytes(d->id, d->id_len))) {
            *psk = d->khop;
            *link = LINK_DEVICES + (uint32_t)i;
            return 0;
        }
    }
    return MU_ERR_UNKNOWN_PEER;
}
