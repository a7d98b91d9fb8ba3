/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One campaign in the area: the receiver towards the server, the sender
 * towards the devices that follows it page by page, the announce packets. All
 * sessions share one medium; whatever goes out on it takes its turn at the
 * pace of the area.
 */
#include "node/gateway.h"

#define LINK_DEVICES 1u /* link of area index 0 */
#define RX_IDLE_MS 2000
#define ANSWER_ALL_MIN 8   /* so few members all answer each poll */
#define ANSWER_BYTES 18    /* of a NEED without a bitmap */
#define ANSWER_SHARE 64    /* more do while their answers cost a page so much */
#define ROUNDS_MAX 24     /* polls of a page, then on without the rest */
#define CANCEL_ROUNDS 3
#define LEAD_ROUNDS 2          /* announcements before the first poll, ... */
#define LEAD_ROUNDS_MAX 5      /* ... more where much is lost */
#define LEAD_GAP MU_MS(10)     /* between them: beyond most bursts of losses */
#define KEYS_WAIT MU_SECONDS(5) /* for devices to take what is handed */
#define CATCH_UP MU_MS(5) /* lateness of the body that the pace makes good */
#define CENSUS_SLOW MU_SECONDS(15) /* while pages are being sent */

/* ---- ports of receiver and sender --------------------------------------- */

static int session_page(void *ctx, const struct mu_cast_page *page,
                        uint8_t *block)
{
    struct mu_gateway_session *s = ctx;
    size_t len = (size_t)page->data * page->symbol_len;
    int rc = s->part0.write(s->part0.ctx, page->block_at, block, len);

    if (rc == 0)
        rc = s->part0.sync(s->part0.ctx);
    if (rc != 0)
        mu_gateway_trace(s->gateway, "depot-failed", page->index,
                         (uint64_t)-rc);
    return rc;
}

static bool session_member(void *ctx, uint16_t receiver)
{
    return mu_gateway_session_member(ctx, receiver);
}

static bool session_listens(void *ctx, uint16_t receiver)
{
    const struct mu_gateway_session *s = ctx;

    return mu_gateway_listens(s->gateway, receiver);
}

static bool session_alone(void *ctx, uint16_t receiver)
{
    const struct mu_gateway_session *s = ctx;
    const struct mu_gateway_device *d = &s->gateway->devices[receiver];

    return d->linked && d->copy_port != 0 &&
           mu_gateway_listens(s->gateway, receiver);
}

static int session_feedback_key(void *ctx, uint16_t receiver,
                                struct mu_secret *kfb)
{
    const struct mu_gateway_session *s = ctx;

    if (!mu_gateway_session_member(s, receiver))
        return MU_ERR_NOT_FOUND;
    *kfb = s->gateway->devices[receiver].kfb;
    return 0;
}

/* ---- set-up ------------------------------------------------------------- */

static int session_receive(struct mu_gateway *g, struct mu_gateway_session *s)
{
    const struct mu_manifest *m = &s->manifest;
    struct mu_cast_receiver_conf conf = {
        .crypto = g->conf.crypto,
        .shape = m->shape,
        .size = m->size,
        .session = s->session,
        .receiver = g->server.index,
        .kfb = &g->server.kfb,
        .sink = &s->sink,
        .seed = mu_jitter_next(&g->jitter),
        .idle_ms = RX_IDLE_MS,
        .ticked = true,
    };
    int rc = g->conf.depot->open(g->conf.depot->ctx, s->campaign, 0,
                                 mu_cast_prepared_size(&m->shape, m->size),
                                 &s->part0);

    if (rc != 0)
        return rc;
    s->sink = (struct mu_cast_sink){.ctx = s, .page = session_page};
    rc = mu_cast_receiver_init(&s->rx, &conf, m->roots, s->rx_work, g->rx_room,
                               g->now);
    if (rc != 0)
        return rc;
    if (mu_gateway_progress_load(g, s) != 0)
        s->tx_page = 0; /* the receiver stands at page 0 */
    s->pages_seen = mu_cast_receiver_pages(&s->rx);
    s->progress.dirty = true;
    s->receiving = true;
    return 0;
}

/* Up to how many members all answer a poll: then the sender goes on at once and
 * waits for no silence, at the price of an answer each. */
static uint16_t session_answer_all(const struct mu_gateway *g,
                                   const struct mu_cast_shape *shape)
{
    uint32_t page = (uint32_t)shape->page_data *
                    (shape->payload + g->conf.area_overhead);
    uint32_t answer = ANSWER_BYTES + g->conf.area_overhead;
    uint32_t members = page / ANSWER_SHARE / answer;

    return (uint16_t)(members > ANSWER_ALL_MIN ? members : ANSWER_ALL_MIN);
}

/* What goes out in the area: the object as it came, or protected anew. */
static void session_area_conf(const struct mu_gateway *g,
                              struct mu_gateway_session *s,
                              struct mu_cast_sender_conf *conf)
{
    bool relay = s->mode == MU_MODE_REPROTECT;
    const struct mu_manifest *m = relay ? &s->relay_manifest : &s->manifest;

    *conf = (struct mu_cast_sender_conf){
        .crypto = g->conf.crypto,
        .shape = m->shape,
        .size = m->size,
        .session = s->session,
        .prepared = relay ? &s->relay.prepared : &s->part0,
        .peers = &s->peers,
        .receivers = g->conf.devices_max,
        .rate = g->conf.area_rate,
        .overhead = g->conf.area_overhead,
        .window_ms = g->conf.area_window_ms,
        .loss_permille = g->conf.area_loss_permille,
        .answer_all_max = session_answer_all(g, &m->shape),
        .rounds_max = ROUNDS_MAX,
        .roll_call = true,
        .repair_max = 2u * m->shape.page_data + m->shape.page_parity,
        .fair = true,
        .cost = g->conf.area_cost,
        .yield = mu_rate_yields(&g->yield) ? &s->gateway->yield : NULL,
    };
}

/* Another one goes ahead of the first poll as long as it costs less than the
 * answers of those who, by then, have not heard all of it. */
uint8_t mu_gateway_session_leads(const struct mu_gateway *g,
                                 const struct mu_gateway_session *s)
{
    struct mu_bytes object = mu_gateway_session_object(s);
    uint64_t parts = mu_announce_fragments(object.len,
                                           s->manifest.shape.payload);
    uint64_t cost = object.len + parts * g->conf.area_overhead;
    uint64_t lack = parts * s->missing * 1000; /* fragments, in thousandths */
    uint8_t rounds = 0;

    while (rounds < LEAD_ROUNDS ||
           (rounds < LEAD_ROUNDS_MAX &&
            lack * (ANSWER_BYTES + g->conf.area_overhead) > cost * 1000)) {
        lack = lack * g->conf.area_loss_permille / 1000;
        rounds++;
    }
    return rounds;
}

void mu_gateway_session_pause(struct mu_gateway_session *s)
{
    if (s->sending)
        mu_cast_sender_pause(&s->tx, s->command != MU_WIDE_RUN ||
                                         s->window.rests);
}

int mu_gateway_session_send(struct mu_gateway *g, struct mu_gateway_session *s)
{
    struct mu_cast_sender_conf conf;
    int rc;

    s->peers = (struct mu_cast_peers){
        .ctx = s,
        .member = session_member,
        .feedback_key = session_feedback_key,
        .alone = session_alone,
        .listens = session_listens,
    };
    session_area_conf(g, s, &conf);
    rc = mu_cast_sender_init(&s->tx, &conf, s->tx_work, g->tx_room, g->now);
    if (rc != 0)
        return rc;
    s->sending = true;
    s->tx_pages = mu_cast_pages(&conf.shape, conf.size);
    mu_cast_sender_ready(&s->tx, s->mode == MU_MODE_REPROTECT ? UINT32_MAX
                                                              : s->pages_seen);
    if (s->tx_page > 0)
        mu_cast_sender_seek(&s->tx, s->tx_page, g->now);
    mu_gateway_session_control(g, s);
    /* The sender's first polls tell who has not heard it: he says so. */
    mu_gateway_session_announce(s, 1);
    s->announce_lead = s->tx_page > 0 ? 1 : mu_gateway_session_leads(g, s);
    s->tx_idle = false;
    s->census_at = g->now + CENSUS_SLOW + mu_gateway_census_wait(s);
    s->window = (struct mu_gateway_window){.stale = true};
    mu_gateway_window_run(g, s);
    mu_gateway_session_pause(s);
    return 0;
}

/* Kb (option 2) or the digest of the relay manifest (option 1) goes to every
 * member that is there before it is needed. */
void mu_gateway_session_hand(struct mu_gateway *g, struct mu_gateway_session *s)
{
    s->keys_until = g->now + KEYS_WAIT;
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        struct mu_gateway_device *d = &g->devices[i];

        if (!d->linked || !mu_gateway_session_member(s, i))
            continue;
        d->hand_due = (uint8_t)(d->hand_due | 1u << s->slot);
        d->hand_done = (uint8_t)(d->hand_done & ~(1u << s->slot));
        mu_gateway_push(g, i);
    }
}

static bool session_handed(const struct mu_gateway *g,
                                const struct mu_gateway_session *s)
{
    if (g->now >= s->keys_until || s->parts != 0)
        return true;
    if (s->mode == MU_MODE_END_TO_END)
        return !mu_gateway_inline_brings(g, s);
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        const struct mu_gateway_device *d = &g->devices[i];

        if (d->linked && (d->hand_done >> s->slot & 1) == 0 &&
            mu_gateway_session_member(s, i) && mu_gateway_listens(g, i))
            return false;
    }
    return true;
}

/* From details or from the record: both ends of the relay. */
int mu_gateway_session_begin(struct mu_gateway *g, struct mu_gateway_session *s)
{
    mu_gateway_session_count(s);
    if (s->phase == MU_GATEWAY_CANCELLED) {
        mu_gateway_session_announce(s, CANCEL_ROUNDS);
        return 0;
    }
    if (s->parts != 0)
        mu_gateway_inline_begin(s);
    s->keys_until =
        s->mode == MU_MODE_END_TO_END ? g->now + KEYS_WAIT : 0;
    if (s->phase == MU_GATEWAY_LIVE && s->mode == MU_MODE_HAND_KEY)
        mu_gateway_session_hand(g, s);
    if (s->phase == MU_GATEWAY_LIVE && s->mode == MU_MODE_REPROTECT)
        return mu_gateway_relay_announce(g, s);
    return 0;
}

void mu_gateway_session_control(struct mu_gateway *g,
                                struct mu_gateway_session *s)
{
    if (s->receiving && g->server.kw.kid.kind != 0)
        mu_cast_receiver_control(&s->rx, &g->server.kw.kctl,
                                 (uint8_t)g->server.kw.kid.generation);
    if (s->sending && g->kg[0].kid.kind != 0)
        mu_cast_sender_control(&s->tx, &g->kg[0].kctl,
                               (uint8_t)g->kg[0].kid.generation);
    /* A relay manifest is made with the Kg in force. */
    if (s->phase == MU_GATEWAY_LIVE && s->mode == MU_MODE_REPROTECT &&
        mu_gateway_relay_announce(g, s) != 0)
        mu_gateway_trace(g, "relay-failed", s->session, 0);
}

/* ---- what goes on by itself --------------------------------------------- */

bool mu_gateway_session_active(const struct mu_gateway_session *s)
{
    return (s->sending || s->parts != 0) && s->phase == MU_GATEWAY_LIVE &&
           s->command == MU_WIDE_RUN && !s->window.rests &&
           s->gateway->now < s->deadline &&
           s->gateway->kg[0].kid.kind != 0;
}

static void session_progress(struct mu_gateway *g, struct mu_gateway_session *s)
{
    uint32_t pages = mu_cast_receiver_pages(&s->rx), page;

    if (pages != s->pages_seen) {
        s->pages_seen = pages;
        s->progress.dirty = true;
        if (s->sending && s->mode != MU_MODE_REPROTECT)
            mu_cast_sender_ready(&s->tx, pages);
        mu_gateway_trace(g, "page", s->session, pages);
    }
    if (!s->sending)
        return;
    /* A sender that has to wait says the number of pages. */
    page = mu_cast_sender_page(&s->tx);
    if (page > s->tx_page && page < s->tx_pages) {
        s->tx_page = page;
        s->progress.dirty = true;
    }
    if (mu_cast_sender_idle(&s->tx) != s->tx_idle) {
        s->tx_idle = !s->tx_idle;
        if (s->tx_idle) {
            mu_gateway_census_soon(g, s);
            mu_gateway_trace(g, "sent", s->session, s->tx.counts.data);
        }
    }
    /* The depot failed to give a page: again after a while. */
    if (mu_cast_sender_error(&s->tx) != 0 && s->rx_wait.at <= g->now) {
        mu_gateway_trace(g, "depot-failed", s->tx_page,
                         (uint64_t)-mu_cast_sender_error(&s->tx));
        mu_backoff_fail(&s->rx_wait, g->now, &g->jitter);
        mu_cast_sender_seek(&s->tx, s->tx_page, g->now);
    }
}

int mu_gateway_session_run(struct mu_gateway *g, struct mu_gateway_session *s)
{
    int rc = 0;

    mu_gateway_window_run(g, s);
    if (s->parts != 0)
        return mu_gateway_inline_run(g, s);
    if (s->phase != MU_GATEWAY_LIVE && s->phase != MU_GATEWAY_RELAYING)
        return 0;
    if (!s->receiving && s->rx_wait.at <= g->now) {
        rc = session_receive(g, s);
        if (rc == 0 && s->phase == MU_GATEWAY_LIVE && !s->sending) {
            if (s->mode == MU_MODE_REPROTECT)
                rc = mu_gateway_relay_open(g, s);
            if (rc == 0)
                rc = mu_gateway_session_send(g, s);
        }
        if (rc != 0) {
            s->receiving = false;
            mu_backoff_fail(&s->rx_wait, g->now, &g->jitter);
            mu_gateway_trace(g, "depot-failed", s->session, (uint64_t)-rc);
            return rc;
        }
        mu_gateway_session_control(g, s);
    }
    if (!s->receiving)
        return 0;
    session_progress(g, s);
    if (s->mode == MU_MODE_REPROTECT && mu_gateway_relay_busy(s))
        rc = mu_gateway_relay_run(g, s);
    return rc;
}

/* ---- packets in --------------------------------------------------------- */

static int session_need(struct mu_gateway *g, struct mu_bytes packet)
{
    struct mu_gateway_session *s = mu_gateway_session_of(g, packet.data[1]);
    uint16_t who;
    int rc;

    if (s == NULL) {
        g->dropped++;
        return MU_ERR_NOT_FOUND;
    }
    if (s->phase == MU_GATEWAY_CANCELLED) {
        if (s->announce_left == 0) /* somebody has not heard it */
            mu_gateway_session_announce(s, 1);
        return 0;
    }
    if (!s->sending) {
        g->dropped++;
        return MU_ERR_UNEXPECTED;
    }
    rc = mu_cast_sender_feedback(&s->tx, g->now, packet);
    if (mu_cast_sender_vain(&s->tx, &who))
        mu_gateway_trace(g, "hears-nothing", who, s->session);
    /* Once for each poll: who says so after it has not heard it yet. */
    if (mu_cast_sender_unheard(&s->tx) && s->announce_left == 0 &&
        (s->tx.round != s->announce_poll || g->now >= s->announce_at))
        mu_gateway_session_announce(s, 1);
    return rc;
}

static int session_wide_packet(struct mu_gateway *g, enum mu_cast_kind kind,
                               uint16_t kg, struct mu_bytes packet)
{
    struct mu_gateway_session *s = mu_gateway_session_of(g, packet.data[1]);
    int rc = kind == MU_CAST_POLL ? mu_gateway_wide_ticked(g, kg, &packet) : 0;

    if (rc != 0)
        return rc;
    if (s == NULL || !s->receiving)
        return MU_ERR_UNEXPECTED;
    return mu_cast_receiver_packet(&s->rx, g->now, packet);
}

static void session_air(struct mu_gateway *g, size_t len)
{
    if (g->conf.area_rate == 0)
        return;
    if (g->air_at + CATCH_UP < g->now)
        g->air_at = g->now - CATCH_UP;
    g->air_at +=
        MU_SECONDS(len + g->conf.area_overhead) / mu_gateway_area_rate(g);
}

void mu_gateway_backlog(struct mu_gateway *g, uint32_t bytes)
{
    mu_time wait;

    if (!mu_rate_yields(&g->yield))
        return;
    wait = mu_rate_backlog(&g->yield, bytes,
                           (uint32_t)g->conf.payload_max +
                               g->conf.area_overhead);
    if (wait != 0 && g->air_at < g->now + wait)
        g->air_at = g->now + wait;
}

static void session_heard(struct mu_gateway *g, uint8_t session, size_t len)
{
    struct mu_gateway_session *s = mu_gateway_session_of(g, session);

    if (s != NULL)
        s->heard_bytes += len + g->conf.area_overhead;
}

int mu_gateway_packet(struct mu_gateway *g, const struct mu_event *ev)
{
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t who;
    int rc = mu_cast_peek(ev->packet, &kind, &session, &who);

    if (rc != 0)
        return rc;
    if (ev->channel == MU_CHANNEL_WIDE) {
        if (kind == MU_CAST_DATA || kind == MU_CAST_POLL)
            return session_wide_packet(g, kind, who, ev->packet);
        return MU_ERR_UNEXPECTED;
    }
    session_heard(g, session, ev->packet.len);
    rc = MU_ERR_UNEXPECTED; /* our own, or what goes the other way */
    if (kind == MU_CAST_NEED)
        rc = session_need(g, ev->packet);
    else if (kind == MU_CAST_STATUS)
        rc = mu_gateway_status_packet(g, ev->packet);
    if (rc == 0) /* the medium was taken by it; forgeries do not slow us down */
        session_air(g, ev->packet.len);
    return rc;
}

/* ---- packets out -------------------------------------------------------- */

bool mu_gateway_next_wide_packet(struct mu_gateway *g, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];
        size_t len;

        if (!s->receiving)
            continue;
        len = mu_cast_receiver_next(&s->rx, g->now, g->out,
                                    MU_STORE_VALUE_MAX);
        session_progress(g, s); /* a page that was offered again */
        if (len == 0)
            continue;
        out->kind = MU_DO_PACKET;
        out->channel = MU_CHANNEL_WIDE;
        out->up = true;
        out->packet = mu_bytes(g->out, len);
        return true;
    }
    return false;
}

struct mu_bytes mu_gateway_session_object(const struct mu_gateway_session *s)
{
    if (s->phase == MU_GATEWAY_CANCELLED)
        return mu_bytes(s->cancel, s->cancel_len);
    if (s->phase != MU_GATEWAY_LIVE || s->parts > 1)
        return (struct mu_bytes){NULL, 0};
    return s->mode == MU_MODE_REPROTECT
               ? mu_bytes(s->relay_object, s->relay_len)
               : mu_bytes(s->object, s->object_len);
}

void mu_gateway_session_announce(struct mu_gateway_session *s, uint8_t rounds)
{
    s->announce_next = 0;
    s->announce_left = rounds;
    s->announce_at = s->gateway->now;
}

static bool session_announces(const struct mu_gateway *g,
                              const struct mu_gateway_session *s)
{
    if (s->announce_left == 0 || s->announce_at > g->now ||
        g->kg[0].kid.kind == 0)
        return false;
    if (s->phase == MU_GATEWAY_CANCELLED)
        return true;
    return mu_gateway_session_active(s) && session_handed(g, s);
}

/* The next fragment. Tags of end-to-end manifests come from the server; relay
 * manifests and cancels are tagged with Kctl. */
static size_t session_announce_write(struct mu_gateway *g,
                                     struct mu_gateway_session *s, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_bytes object = mu_gateway_session_object(s);
    bool ours = s->phase == MU_GATEWAY_CANCELLED ||
                s->mode == MU_MODE_REPROTECT;
    uint16_t payload = ours ? g->conf.payload_max : s->manifest.shape.payload;
    uint8_t n = s->announce_next;

    if (s->phase == MU_GATEWAY_LIVE && s->parts != 0)
        return mu_gateway_inline_packet(g, s, to);
    if (mu_announce_packet(g->conf.crypto, ours ? &g->kg[0].kctl : NULL,
                           ours ? NULL : s->tags[n], object, payload,
                           s->session, n, &w) != 0) {
        s->announce_left = 0;
        return 0;
    }
    s->announce_next++;
    if (s->announce_next < mu_announce_fragments(object.len, payload))
        return w.len;
    s->announce_next = 0;
    if (s->announce_lead > 1) {
        s->announce_lead--;
        s->announce_at = g->now + LEAD_GAP;
        return w.len;
    }
    s->announced = true;
    s->announce_poll = s->tx.round;
    s->announce_left--;
    s->announce_at = g->now + MU_SECONDS(1) +
                     mu_jitter(&g->jitter, MU_MS(200));
    return w.len;
}

/* One packet of a session, or 0. */
static size_t session_next_packet(struct mu_gateway *g,
                                  struct mu_gateway_session *s, uint8_t *to)
{
    size_t len = 0;

    if (session_announces(g, s))
        len = session_announce_write(g, s, to);
    if (len == 0 && mu_gateway_census_due(g, s))
        len = mu_gateway_census_write(g, s, to);
    if (len > 0) {
        s->own.control++;
        s->own.bytes += len;
        return len;
    }
    if (!mu_gateway_session_active(s) || !s->announced || s->parts != 0)
        return 0;
    len = mu_cast_sender_next(&s->tx, g->now, to);
    session_progress(g, s);
    return len;
}

/* First come, first sent; but keys go before what they are for. */
static uint64_t session_rank(const struct mu_gateway_session *s)
{
    return s->parts != 0 ? s->number : s->number | (uint64_t)1 << 63;
}

/* The session with the lowest rank above `after`. */
static struct mu_gateway_session *session_after(struct mu_gateway *g,
                                                uint64_t after)
{
    struct mu_gateway_session *best = NULL;

    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase != MU_GATEWAY_FREE && session_rank(s) > after &&
            (best == NULL || session_rank(s) < session_rank(best)))
            best = s;
    }
    return best;
}

/* What is meant for all, and is not found in the page before. */
static int session_tick(struct mu_gateway *g, struct mu_gateway_session *s,
                        size_t *len)
{
    if (mu_cast_is_data(g->out[0]))
        return 0;
    s->own.bytes += MU_TICK_LEN;
    return mu_ticker_put(&g->ticker, g->out, len);
}

bool mu_gateway_next_area_packet(struct mu_gateway *g, struct mu_effect *out)
{
    struct mu_gateway_session *s = session_after(g, 0);

    if (g->air_at > g->now || !mu_ticker_ready(&g->ticker))
        return false;
    if (mu_gateway_speech_waits(g)) { /* seldom, short, and of the moment */
        size_t len = mu_gateway_speech_frame(g, g->out);

        if (len > 0) {
            session_air(g, len);
            out->kind = MU_DO_PACKET;
            out->channel = MU_CHANNEL_AREA;
            out->packet = mu_bytes(g->out, len);
            return true;
        }
    }
    for (; s != NULL; s = session_after(g, session_rank(s))) {
        size_t len = session_next_packet(g, s, g->out);

        if (len == 0 || session_tick(g, s, &len) != 0)
            continue;
        session_air(g, len);
        out->kind = MU_DO_PACKET;
        out->channel = MU_CHANNEL_AREA;
        out->packet = mu_bytes(g->out, len);
        if (mu_cast_is_data(g->out[0]) &&
            mu_cast_sender_to(&s->tx) != MU_CAST_ALL)
            out->link = LINK_DEVICES + mu_cast_sender_to(&s->tx);
        return true;
    }
    return false;
}

static mu_time session_area_deadline(const struct mu_gateway *g,
                                     const struct mu_gateway_session *s)
{
    mu_time at = MU_TIME_NEVER;
    bool active = mu_gateway_session_active(s);

    if (s->announce_left > 0 && g->kg[0].kid.kind != 0) {
        if (s->phase == MU_GATEWAY_CANCELLED)
            at = s->announce_at;
        else if (active)
            at = session_handed(g, s) ? s->announce_at : s->keys_until;
    }
    if (!active)
        return at;
    if (s->announced && s->parts == 0)
        at = mu_time_min(at, mu_cast_sender_deadline(&s->tx));
    return mu_time_min(at, mu_gateway_census_deadline(s));
}

mu_time mu_gateway_session_deadline(const struct mu_gateway *g)
{
    mu_time area = MU_TIME_NEVER, at = MU_TIME_NEVER;

    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase == MU_GATEWAY_FREE)
            continue;
        area = mu_time_min(area, session_area_deadline(g, s));
        if (s->phase != MU_GATEWAY_LIVE && s->phase != MU_GATEWAY_RELAYING)
            continue;
        if (g->sleepers > 0 && s->phase == MU_GATEWAY_LIVE)
            at = mu_time_min(at, s->window.at);
        if (s->parts != 0) {
            at = mu_time_min(at, mu_gateway_inline_deadline(s));
            continue;
        }
        if (s->receiving)
            at = mu_time_min(at, mu_cast_receiver_deadline(&s->rx));
        else
            at = mu_time_min(at, s->rx_wait.at);
        if (s->sending && mu_cast_sender_error(&s->tx) != 0)
            at = mu_time_min(at, s->rx_wait.at);
        if (s->receiving && mu_gateway_relay_busy(s))
            at = mu_time_min(at, s->rx_wait.at);
    }
    if (area != MU_TIME_NEVER && area < g->air_at)
        area = g->air_at;
    if (!mu_ticker_ready(&g->ticker))
        area = MU_TIME_NEVER; /* until the record of the ticks is stored */
    return mu_time_min(at, area);
}
