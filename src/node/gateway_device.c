/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway and its devices: links, their requests, what is pushed to them.
 * docs/wire-format.md s.2.1 and s.2.2. Whatever a device may cause is one flag
 * or one slot of its own, so none can crowd out another.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define LINK_DEVICES 1u
#define PUSH_AGAIN MU_SECONDS(10)

/* ---- sets of devices to look after -------------------------------------- */

void mu_gateway_attend(struct mu_gateway *g, uint16_t index)
{
    mu_bit_put(g->attention, index, true);
    g->attention_any = true;
}

void mu_gateway_push(struct mu_gateway *g, uint16_t index)
{
    mu_bit_put(g->pushing, index, true);
    g->pushing_any = true;
}

/* The next member of a set from `from` on; MU_AREA_DEVICES_MAX at the end. */
static uint16_t device_set_next(const uint8_t *set, uint16_t from)
{
    for (uint32_t i = from; i < MU_AREA_DEVICES_MAX; i++) {
        if (i % 8 == 0 && set[i / 8] == 0) {
            i += 7;
            continue;
        }
        if (mu_bit_get(mu_bytes(set, MU_GATEWAY_SET), i))
            return (uint16_t)i;
    }
    return MU_AREA_DEVICES_MAX;
}

static bool device_push_due(const struct mu_gateway_device *d)
{
    return d->kg_due || d->poke_due || d->dir_due || d->hop_due ||
           d->hand_due != 0;
}

/* ---- links -------------------------------------------------------------- */

/* The key that a link begins with. */
static int device_feedback(const struct mu_gateway *g,
                           struct mu_gateway_device *d)
{
    return mu_kdf(g->conf.crypto, &d->khop, "feedback", mu_bytes(NULL, 0), 16,
                  &d->kfb);
}

int mu_gateway_device_up(struct mu_gateway *g, const struct mu_event *ev)
{
    uint16_t index = (uint16_t)(ev->link - LINK_DEVICES);
    struct mu_gateway_device *d = &g->devices[index];

    if (!d->used || !mu_bytes_eq(ev->identity, mu_bytes(d->id, d->id_len))) {
        d->close_due = true; /* left the list while it shook hands */
        mu_gateway_attend(g, index);
        return MU_ERR_UNKNOWN_PEER;
    }
    mu_gateway_device_down(g, index); /* what hung on a former session */
    d->linked = true;
    d->hop_due = mu_secret_is_set(&d->hop); /* does it have it still? */
    if (device_push_due(d))
        mu_gateway_push(g, index);
    return device_feedback(g, d);
}

void mu_gateway_device_down(struct mu_gateway *g, uint16_t index)
{
    struct mu_gateway_device *d = &g->devices[index];

    (void)mu_gateway_device_answered(g, index, d->push_exchange, 0);
    d->linked = false;
    d->hello_due = false;
    d->ann_due = false;
    d->error_due = false;
    d->kg_due = false; /* the answer to its hello brings it */
    mu_gateway_forward_drop(g, index);
    mu_gateway_speech_down(g, index);
    mu_gateway_windows_stale(g);
}

/* ---- requests ----------------------------------------------------------- */

void mu_gateway_refuse(struct mu_gateway *g, uint16_t index, uint32_t exchange,
                       uint8_t code)
{
    struct mu_gateway_device *d = &g->devices[index];

    d->error_due = true;
    d->error_exchange = exchange;
    d->error_code = code;
    mu_gateway_attend(g, index);
}

static int device_hello(struct mu_gateway *g, uint16_t index,
                        const struct mu_message *m)
{
    struct mu_gateway_device *d = &g->devices[index];
    struct mu_area_hello in;
    int rc = mu_area_hello_consume(m->payload, &in);

    if (rc != 0) {
        mu_gateway_refuse(g, index, m->exchange, (uint8_t)mu_err_coap(rc));
        return rc;
    }
    if (d->listens.period_s != in.listens.period_s ||
        d->listens.window_s != in.listens.window_s)
        mu_gateway_device_dirty(g, index);
    d->quiet_due = d->listens.period_s != 0 || in.listens.period_s != 0;
    mu_gateway_listens_set(g, index, &in.listens);
    d->hello_due = true; /* answered as soon as there is a Kg */
    d->hello_exchange = m->exchange;
    d->kg_due = false;
    if (g->speech->version != 0) {
        d->dir_due = true;
        mu_gateway_push(g, index);
    }
    d->copy_port = in.port;
    d->copy_due = in.port != 0;
    g->copies_due = g->copies_due || d->copy_due;
    mu_gateway_attend(g, index);
    mu_gateway_inline_hello(g, index);
    /* Options 1 and 2: it may have come too late for the first hand-out. */
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase != MU_GATEWAY_LIVE || s->mode == MU_MODE_END_TO_END ||
            (d->hand_done >> i & 1) != 0 ||
            !mu_gateway_session_member(s, index))
            continue;
        d->hand_due = (uint8_t)(d->hand_due | 1u << i);
        mu_gateway_push(g, index);
    }
    return 0;
}

static int device_ask(struct mu_gateway *g, uint16_t index,
                      const struct mu_message *m)
{
    struct mu_gateway_device *d = &g->devices[index];
    int rc = mu_area_ask_consume(m->payload, &d->ann_session);

    if (rc != 0) {
        mu_gateway_refuse(g, index, m->exchange, (uint8_t)mu_err_coap(rc));
        return rc;
    }
    d->ann_due = true;
    d->ann_exchange = m->exchange;
    mu_gateway_attend(g, index);
    return 0;
}

int mu_gateway_device_request(struct mu_gateway *g, uint16_t index,
                              const struct mu_message *m)
{
    struct mu_gateway_device *d = &g->devices[index];

    if (!d->linked)
        return MU_ERR_UNKNOWN_PEER;
    if (m->code != MU_COAP_POST) {
        mu_gateway_refuse(g, index, m->exchange, MU_COAP_METHOD_NOT_ALLOWED);
        return MU_ERR_UNSUPPORTED;
    }
    if (m->oscore.data != NULL || mu_bytes_eq(m->path, mu_bytes_str("c")))
        return mu_gateway_forward_take(g, index, m);
    if (m->path.len == 0)
        return mu_gateway_ride(g, index, m);
    if (mu_bytes_eq(m->path, mu_bytes_str("hello")))
        return device_hello(g, index, m);
    if (mu_bytes_eq(m->path, mu_bytes_str("ann")))
        return device_ask(g, index, m);
    if (mu_bytes_eq(m->path, mu_bytes_str("say")))
        return mu_gateway_speech_say(g, index, m);
    if (mu_bytes_eq(m->path, mu_bytes_str("who")))
        return mu_gateway_speech_who(g, index, m);
    mu_gateway_refuse(g, index, m->exchange, MU_COAP_NOT_FOUND);
    return MU_ERR_NOT_FOUND;
}

/* ---- answers ------------------------------------------------------------ */

static void device_sessions(struct mu_gateway *g, uint16_t index,
                            struct mu_area_welcome *m)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];
        struct mu_bytes object = mu_gateway_session_object(s);
        uint8_t digest[MU_SHA256_LEN];
        struct mu_area_session *to = &m->sessions[m->sessions_len];

        if (s->phase != MU_GATEWAY_LIVE || object.len == 0 ||
            !mu_gateway_session_member(s, index))
            continue;
        mu_sha256(g->conf.crypto, &object, 1, digest);
        to->session = s->session;
        mu_copy(to->object, digest, MU_OBJECT_ID_LEN);
        m->sessions_len++;
    }
}

static bool device_welcome(struct mu_gateway *g, uint16_t index,
                           struct mu_effect *out)
{
    struct mu_gateway_device *d = &g->devices[index];
    struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);
    struct mu_area_welcome m = {
        .gateway = g->conf.identity,
        .index = index,
        .kid = g->kg[0].kid,
        .kg = g->kg[0].key,
        .address = mu_bytes_str(g->conf.area_address),
        .port = g->conf.area_port,
        .up_port = g->conf.area_up_port,
        .listens = d->listens,
    };
    int rc;

    if (d->listens.period_s != 0)
        m.opens_in_ms = (uint32_t)(mu_gateway_opens_in(g, index) / MU_MS(1));
    m.tick = g->ticker.now;
    device_sessions(g, index, &m);
    rc = mu_area_welcome_create(&m, &w);
    mu_secret_clear(&m.kg);
    d->hello_due = false;
    g->out_secret = true;
    out->message.code = rc == 0 ? MU_COAP_CHANGED : MU_COAP_INTERNAL_ERROR;
    out->message.exchange = d->hello_exchange;
    out->message.payload = mu_written(&w);
    mu_gateway_trace(g, "welcome", index, m.sessions_len);
    return true;
}

static bool device_announce(struct mu_gateway *g, uint16_t index,
                            struct mu_effect *out)
{
    struct mu_gateway_device *d = &g->devices[index];
    const struct mu_gateway_session *s =
        mu_gateway_session_of(g, d->ann_session);

    d->ann_due = false;
    out->message.exchange = d->ann_exchange;
    out->message.code = MU_COAP_NOT_FOUND;
    if (s == NULL || !mu_gateway_session_member(s, index) || s->parts > 1)
        return true;
    out->message.payload = mu_gateway_session_object(s);
    out->message.code = out->message.payload.len > 0 ? MU_COAP_CONTENT
                                                     : MU_COAP_UNAVAILABLE;
    return true;
}

static bool device_answer(struct mu_gateway *g, uint16_t index,
                          struct mu_effect *out)
{
    struct mu_gateway_device *d = &g->devices[index];

    if (!d->linked)
        return false;
    if (d->error_due) {
        d->error_due = false;
        out->message.code = d->error_code;
        out->message.exchange = d->error_exchange;
        return true;
    }
    if (d->hello_due && g->kg[0].kid.kind != 0)
        return device_welcome(g, index, out);
    return d->ann_due && device_announce(g, index, out);
}

bool mu_gateway_next_device(struct mu_gateway *g, struct mu_effect *out)
{
    uint16_t i = 0;

    if (!g->attention_any)
        return false;
    while ((i = device_set_next(g->attention, i)) < g->conf.devices_max) {
        if (device_answer(g, i, out)) {
            out->kind = MU_DO_SEND;
            out->response = true;
            out->link = LINK_DEVICES + i;
            return true;
        }
        mu_bit_put(g->attention, i, g->devices[i].close_due);
        i++;
    }
    g->attention_any = false;
    return false;
}

bool mu_gateway_next_link(struct mu_gateway *g, struct mu_effect *out)
{
    uint16_t i = 0;

    if (!g->attention_any)
        return false;
    while ((i = device_set_next(g->attention, i)) < g->conf.devices_max) {
        struct mu_gateway_device *d = &g->devices[i];

        out->link = LINK_DEVICES + i;
        if (d->close_due) {
            d->close_due = false;
            out->kind = MU_DO_LINK_CLOSE;
            return true;
        }
        if (d->quiet_due) {
            d->quiet_due = false;
            out->kind = MU_DO_LINK_QUIET;
            out->a = d->listens.period_s;
            return true;
        }
        i++;
    }
    return false;
}

/* ---- pushes ------------------------------------------------------------- */

int mu_gateway_poke(struct mu_gateway *g, struct mu_bytes bitmap)
{
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        if (!mu_bit_get(bitmap, i) || !g->devices[i].used)
            continue;
        g->devices[i].poke_due = true;
        mu_gateway_push(g, i);
    }
    return 0;
}

void mu_gateway_hop(struct mu_gateway *g, const struct mu_wide_hop *m)
{
    for (uint8_t i = 0; i < m->len; i++) {
        struct mu_gateway_device *d;

        if (m->rows[i].index >= g->conf.devices_max)
            continue;
        d = &g->devices[m->rows[i].index];
        if (!d->used)
            continue;
        d->hop = m->rows[i].kfb;
        mu_copy(d->hop_id, m->rows[i].id, sizeof d->hop_id);
        d->hop_due = true;
        mu_gateway_push(g, m->rows[i].index);
    }
}

/* The device has switched, or does not know of that exchange. */
static void push_hop_answered(struct mu_gateway *g, uint16_t index,
                              uint8_t code)
{
    struct mu_gateway_device *d = &g->devices[index];

    if (d->hop_due) /* another one by now: that will be told */
        return;
    if (MU_COAP_CLASS(code) == 2) {
        d->kfb = d->hop;
        mu_gateway_trace(g, "hop-key", index, 0);
    } else if (MU_COAP_CLASS(code) == 4) {
        mu_secret_clear(&d->hop);
    } else {
        d->hop_due = true;
    }
}

void mu_gateway_push_again(struct mu_gateway *g)
{
    g->push_again_at = MU_TIME_NEVER;
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        const struct mu_gateway_device *d = &g->devices[i];

        if (d->linked && device_push_due(d))
            mu_gateway_push(g, i);
    }
}

int mu_gateway_device_answered(struct mu_gateway *g, uint16_t index,
                               uint32_t exchange, uint8_t code)
{
    const bool good = MU_COAP_CLASS(code) == 2;
    struct mu_gateway_device *d = &g->devices[index];
    uint8_t push = d->push;

    if (push == MU_GATEWAY_PUSH_NONE || d->push_exchange != exchange)
        return MU_ERR_UNEXPECTED;
    d->push = MU_GATEWAY_PUSH_NONE;
    mu_assert(g->pushes_flying > 0);
    g->pushes_flying--;
    if (push == MU_GATEWAY_PUSH_HOP) {
        push_hop_answered(g, index, code);
        if (!d->hop_due) {
            mu_gateway_push(g, index);
            return 0;
        }
        g->push_again_at = mu_time_min(g->push_again_at, g->now + PUSH_AGAIN);
        return 0;
    }
    if (good) {
        if (push == MU_GATEWAY_PUSH_HAND)
            d->hand_done = (uint8_t)(d->hand_done | 1u << d->push_slot);
        mu_gateway_push(g, index); /* the next, if any */
        return 0;
    }
    if (push == MU_GATEWAY_PUSH_KG)
        d->kg_due = true;
    else if (push == MU_GATEWAY_PUSH_POKE)
        d->poke_due = true;
    else if (push == MU_GATEWAY_PUSH_DIR)
        d->dir_due = true;
    else
        d->hand_due = (uint8_t)(d->hand_due | 1u << d->push_slot);
    g->push_again_at = mu_time_min(g->push_again_at, g->now + PUSH_AGAIN);
    return 0;
}

/* Option 2: the group key of a session, under Kg. */
static int push_group_key(struct mu_gateway *g,
                          const struct mu_gateway_session *s,
                          struct mu_writer *w, struct mu_effect *out)
{
    struct mu_area_group_key m = {.kid = s->kid, .kb = s->kb};
    int rc = mu_area_group_key_create(g->conf.crypto, &g->kg[0].key, &m, w);

    out->message.path = mu_bytes_str("kb");
    mu_secret_clear(&m.kb);
    return rc;
}

/* Option 1: which relay manifest is ours, for whoever has Kg can make one. */
static int push_vouch(struct mu_gateway *g, const struct mu_gateway_session *s,
                      struct mu_writer *w, struct mu_effect *out)
{
    struct mu_bytes object = mu_gateway_session_object(s);
    uint8_t digest[MU_SHA256_LEN];

    mu_sha256(g->conf.crypto, &object, 1, digest);
    out->message.path = mu_bytes_str("v");
    return mu_area_vouch_create(digest, w);
}

/* What a session needs that goes to each device by itself. */
static int push_hand(struct mu_gateway *g, struct mu_gateway_device *d,
                     struct mu_writer *w, struct mu_effect *out)
{
    const struct mu_gateway_session *s;

    d->push = MU_GATEWAY_PUSH_HAND;
    d->push_slot = 0;
    while (d->push_slot < MU_SESSIONS_MAX &&
           (d->hand_due >> d->push_slot & 1) == 0)
        d->push_slot++;
    mu_assert(d->push_slot < MU_SESSIONS_MAX);
    d->hand_due = (uint8_t)(d->hand_due & ~(1u << d->push_slot));
    s = &g->sessions[d->push_slot];
    return s->mode == MU_MODE_REPROTECT ? push_vouch(g, s, w, out)
                                        : push_group_key(g, s, w, out);
}

static int push_write(struct mu_gateway *g, struct mu_gateway_device *d,
                      struct mu_writer *w, struct mu_effect *out)
{
    struct mu_area_key m;
    int rc;

    if (d->kg_due) {
        d->kg_due = false;
        d->push = MU_GATEWAY_PUSH_KG;
        out->message.path = mu_bytes_str("g");
        m.kid = g->kg[0].kid;
        m.kg = g->kg[0].key;
        m.tick = g->ticker.now;
        rc = mu_area_key_create(&m, w);
        mu_secret_clear(&m.kg);
        return rc;
    }
    if (d->dir_due) {
        d->dir_due = false;
        d->push = MU_GATEWAY_PUSH_DIR;
        out->message.path = mu_bytes_str("dir");
        return mu_gateway_speech_told(g, (uint16_t)(d - g->devices), w);
    }
    if (d->hop_due) {
        d->hop_due = false;
        d->push = MU_GATEWAY_PUSH_HOP;
        out->message.path = mu_bytes_str("f");
        return mu_area_feedback_create(d->hop_id, w);
    }
    if (d->hand_due != 0)
        return push_hand(g, d, w, out);
    d->poke_due = false;
    d->push = MU_GATEWAY_PUSH_POKE;
    out->message.path = mu_bytes_str("p");
    mu_cbor_put_map(w, 0);
    return mu_writer_end(w);
}

static bool push_one(struct mu_gateway *g, uint16_t index,
                     struct mu_effect *out)
{
    struct mu_gateway_device *d = &g->devices[index];
    struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);

    if (!d->linked || d->push != MU_GATEWAY_PUSH_NONE || !device_push_due(d))
        return false;
    g->out_secret = true;
    g->pushes_flying++;
    d->push_exchange = ++g->exchange;
    if (push_write(g, d, &w, out) != 0) {
        (void)mu_gateway_device_answered(g, index, d->push_exchange, 0);
        return false;
    }
    out->kind = MU_DO_SEND;
    out->link = LINK_DEVICES + index;
    out->message.code = MU_COAP_POST;
    out->message.exchange = d->push_exchange;
    out->message.payload = mu_written(&w);
    return true;
}

bool mu_gateway_next_push(struct mu_gateway *g, struct mu_effect *out)
{
    uint16_t i = 0;

    if (!g->pushing_any || g->pushes_flying >= MU_GATEWAY_PUSHES_MAX)
        return false;
    while ((i = device_set_next(g->pushing, i)) < g->conf.devices_max) {
        mu_bit_put(g->pushing, i, false);
        if (!mu_gateway_listens(g, i)) /* at its next window */
            g->push_again_at = mu_time_min(g->push_again_at,
                                           g->now + mu_gateway_opens_in(g, i));
        else if (push_one(g, i, out))
            return true;
        i++;
    }
    g->pushing_any = false;
    return false;
}
