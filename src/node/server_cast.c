/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wide-area cast: one sender a campaign, gateways as receivers. Packets
 * are made when the body asks for effects, so that none of them waits in a
 * queue and goes stale.
 */
#include "node/server_core.h"

#define FETCH_WAIT MU_SECONDS(1)   /* for the others, after the first fetch */
#define RESTART_WAIT MU_SECONDS(2) /* nobody fetches: they have the manifest */
#define READ_RETRY MU_SECONDS(1)
#define PROGRESS_STEPS 16u /* of the pages are stored */
#define PROGRESS_TIMES 64u /* of the time allowed */
#define ANSWER_ALL_MAX 32
#define ROUNDS_MAX 20
#define REPAIR_MAX 1024

/* A gateway that is away asks by itself when it is back. */
static bool cast_wants(const struct mu_server_campaign *c, uint32_t receiver)
{
    const struct mu_server *s = c->server;

    return receiver < s->gateways_len &&
           mu_bit_get(mu_bytes(c->gateways, s->conf.gateways_max / 8u + 1),
                      receiver) &&
           s->gateways[receiver].greeted;
}

static bool cast_member(void *ctx, uint16_t receiver)
{
    const struct mu_server_campaign *c = ctx;

    return cast_wants(c, receiver);
}

static bool cast_alone(void *ctx, uint16_t receiver)
{
    const struct mu_server_campaign *c = ctx;

    return cast_wants(c, receiver) &&
           c->server->gateways[receiver].unicast_port != 0;
}

static int cast_feedback_key(void *ctx, uint16_t receiver,
                             struct mu_secret *kfb)
{
    const struct mu_server_campaign *c = ctx;

    if (!cast_wants(c, receiver))
        return MU_ERR_NOT_FOUND;
    *kfb = c->server->gateways[receiver].kfb;
    return mu_secret_is_set(kfb) ? 0 : MU_ERR_NOT_FOUND;
}

/* ---- beginning and ending -------------------------------------------------- */

void mu_srv_cast_begin(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    c->stage = MU_STAGE_CAST;
    c->cast_at = s->now;
    c->fetched_at = MU_TIME_NEVER;
    c->sending = false;
    mu_zero(c->fetched, s->conf.gateways_max / 8u + 1);
    mu_secret_clear(&c->cek);
    c->retry_at = 0;
}

void mu_srv_cast_end(struct mu_server_campaign *c)
{
    struct mu_cast_counts sum;

    mu_srv_cast_counts(c, &sum);
    c->wide = sum;
    c->sending = false;
    mu_secret_clear(&c->sender.kctl);
}

static void cast_control(struct mu_server_campaign *c)
{
    const struct mu_server *s = c->server;

    mu_cast_sender_control(&c->sender, &s->kctl,
                           (uint8_t)s->kw_kid.generation);
}

void mu_srv_cast_control(struct mu_server *s)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used && s->campaigns[i].sending)
            cast_control(&s->campaigns[i]);
}

static int cast_start(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_cast_sender_conf conf = {
        .crypto = s->conf.crypto,
        .shape = c->rec.shape,
        .size = c->rec.size,
        .session = c->rec.session,
        .prepared = &c->prepared,
        .peers = &c->peers,
        .receivers = (uint16_t)s->gateways_len,
        .rate = s->conf.wide_rate,
        .overhead = s->conf.wide_overhead,
        .window_ms = s->conf.wide_window_ms,
        .loss_permille = s->conf.wide_loss_permille,
        .answer_all_max = ANSWER_ALL_MAX,
        .rounds_max = ROUNDS_MAX,
        .repair_max = REPAIR_MAX,
        .cost = s->conf.wide_cost,
        .yield = s->conf.wide_yields ? &s->yield : NULL,
    };
    int rc;

    c->peers = (struct mu_cast_peers){c, cast_member, cast_feedback_key,
                                      cast_alone, NULL};
    rc = mu_cast_sender_init(&c->sender, &conf, c->work, s->campaign_work,
                             s->now);
    if (rc != 0)
        return rc;
    cast_control(c);
    mu_cast_sender_ready(&c->sender,
                         mu_cast_pages(&c->rec.shape, c->rec.size));
    if (c->stored_page > 0)
        mu_cast_sender_seek(&c->sender, c->stored_page, s->now);
    c->sending = true;
    mu_srv_trace(s, "cast", c->number, c->stored_page);
    return 0;
}

/* When sending may begin: at once when every gateway there is has the
 * manifest, a little later when some have, and later still after a restart,
 * when they need not fetch it again. */
static mu_time cast_start_at(const struct mu_server_campaign *c)
{
    const struct mu_server *s = c->server;
    struct mu_bytes fetched =
        mu_bytes(c->fetched, s->conf.gateways_max / 8u + 1);
    mu_time greeted_at = MU_TIME_NEVER, at;
    bool all = true;

    for (uint32_t i = 0; i < s->gateways_len; i++) {
        if (!cast_wants(c, i))
            continue;
        greeted_at = mu_time_min(greeted_at, s->gateways[i].greeted_at);
        if (!mu_bit_get(fetched, i))
            all = false;
    }
    if (greeted_at == MU_TIME_NEVER)
        return MU_TIME_NEVER; /* nobody is there */
    if (c->fetched_at != MU_TIME_NEVER)
        return all ? c->fetched_at : c->fetched_at + FETCH_WAIT;
    at = greeted_at > c->cast_at ? greeted_at : c->cast_at;
    return at + RESTART_WAIT;
}

/* ---- counts ---------------------------------------------------------------- */

void mu_srv_cast_counts(const struct mu_server_campaign *c,
                        struct mu_cast_counts *out)
{
    const struct mu_cast_counts *now;

    *out = c->wide;
    if (!c->sending)
        return;
    now = mu_cast_sender_counts(&c->sender);
    out->data += now->data;
    out->parity += now->parity;
    out->repair += now->repair;
    out->alone += now->alone;
    out->control += now->control;
    out->bytes += now->bytes;
    out->feedback += now->feedback;
    out->rejected += now->rejected;
}

/* The tally of gateway 0, which there is not: that of the server itself. */
void mu_srv_cast_counts_put(struct mu_server_campaign *c)
{
    struct mu_record_key k = mu_record_key_tally(c->rec.id, 0);
    struct mu_cast_counts sum;
    struct mu_wide_tally t;
    uint8_t room[80];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_srv_cast_counts(c, &sum);
    t = (struct mu_wide_tally){
        .data = sum.data,
        .parity = sum.parity,
        .repair = sum.repair,
        .alone = sum.alone,
        .control = sum.control,
        .bytes = sum.bytes,
        .feedback = sum.feedback,
        .rejected = sum.rejected,
        .page = c->stored_page,
    };
    mu_tally_record_write(&w, &t);
    (void)mu_srv_put_lazy(c->server, MU_TABLE_SEEN, &k, &w);
}

void mu_srv_cast_counts_get(struct mu_server *s,
                            const uint8_t campaign[MU_CAMPAIGN_ID],
                            struct mu_cast_counts *out)
{
    struct mu_record_key k = mu_record_key_tally(campaign, 0);
    struct mu_wide_tally t;
    struct mu_bytes value;

    *out = (struct mu_cast_counts){0};
    if (mu_srv_get(s, MU_TABLE_SEEN, &k, &value) == 0 &&
        mu_tally_record_read(value, &t) == 0)
        *out = (struct mu_cast_counts){
            .data = t.data,
            .parity = t.parity,
            .repair = t.repair,
            .alone = t.alone,
            .control = t.control,
            .bytes = t.bytes,
            .feedback = t.feedback,
            .rejected = t.rejected,
        };
}

/* ---- at work --------------------------------------------------------------- */

static bool cast_anybody(const struct mu_server_campaign *c)
{
    for (uint32_t i = 0; i < c->server->gateways_len; i++)
        if (cast_wants(c, i))
            return true;
    return false;
}

static uint32_t progress_time(const struct mu_server_campaign *c)
{
    return c->rec.deadline_s / PROGRESS_TIMES + 1;
}

/* Stores how far it has come, now and then, so that a restart goes on near
 * there; receivers that are behind say so. */
static void cast_progress(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    uint32_t pages = mu_cast_pages(&c->rec.shape, c->rec.size);
    uint32_t page = c->sending ? mu_cast_sender_page(&c->sender) : 0;
    uint32_t elapsed = mu_srv_campaign_elapsed(c);
    uint32_t page_step = pages / PROGRESS_STEPS + 1;
    struct mu_record_key k = mu_record_key_progress(c->rec.id);
    struct mu_progress_record p = {.elapsed_s = elapsed};
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);

    if (page < c->stored_page)
        page = c->stored_page;
    if ((page - c->stored_page < page_step &&
         elapsed - c->stored_elapsed < progress_time(c)) ||
        !mu_srv_stores_room(s))
        return;
    c->stored_page = p.page = page;
    c->stored_elapsed = elapsed;
    mu_progress_record_write(&w, &p);
    (void)mu_srv_put_lazy(s, MU_TABLE_SEEN, &k, &w);
    mu_srv_cast_counts_put(c);
}

void mu_srv_cast_work(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    cast_progress(c);
    if (s->now < c->retry_at)
        return;
    if (!c->sending) {
        if (c->rec.phase != MU_CAMPAIGN_RUNNING ||
            s->kw_kid.kind == MU_KEY_NONE || s->now < cast_start_at(c))
            return;
        if (cast_start(c) != 0)
            c->retry_at = s->now + READ_RETRY;
        return;
    }
    if (mu_cast_sender_error(&c->sender) != 0) {
        mu_srv_trace(s, "cast-unreadable", c->number,
                     (uint64_t)-(int64_t)mu_cast_sender_error(&c->sender));
        mu_cast_sender_seek(&c->sender, mu_cast_sender_page(&c->sender),
                            s->now);
        c->retry_at = s->now + READ_RETRY;
    }
    mu_cast_sender_pause(&c->sender, c->rec.phase != MU_CAMPAIGN_RUNNING ||
                                         !cast_anybody(c));
}

static mu_time cast_deadline(const struct mu_server_campaign *c)
{
    const struct mu_server *s = c->server;

    if (c->rec.phase != MU_CAMPAIGN_RUNNING)
        return MU_TIME_NEVER;
    if (s->now < c->retry_at)
        return c->retry_at;
    if (!c->sending)
        return s->kw_kid.kind == MU_KEY_NONE ? MU_TIME_NEVER
                                             : cast_start_at(c);
    /* While a write holds packets back, its report wakes us up. */
    return mu_srv_open(s) ? mu_cast_sender_deadline(&c->sender)
                          : MU_TIME_NEVER;
}

mu_time mu_srv_cast_deadline(const struct mu_server_campaign *c)
{
    uint32_t next = c->stored_elapsed + progress_time(c);
    uint32_t left = next > c->rec.elapsed_s ? next - c->rec.elapsed_s : 0;

    return mu_time_min(c->base + MU_SECONDS(left), cast_deadline(c));
}

/* A gateway could speak for us to the others, if it were not for this. */
static int cast_tick(struct mu_server_campaign *c, size_t *len)
{
    struct mu_server *s = c->server;

    if (mu_cast_is_data(s->text[0]))
        return 0;
    c->wide.bytes += MU_TICK_LEN;
    return mu_ticker_put(&s->ticker, s->text, len);
}

/* The link of the gateway that a packet is for; 0: all. */
static uint32_t cast_to(const struct mu_server_campaign *c)
{
    uint16_t to = mu_cast_sender_to(&c->sender);

    return to == MU_CAST_ALL ? 0 : to + 1u;
}

bool mu_srv_cast_next(struct mu_server *s, struct mu_effect *out)
{
    if (s->burst == 0 || !mu_srv_open(s) || !mu_ticker_ready(&s->ticker))
        return false;
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        size_t len;
        if (!c->used || c->stage != MU_STAGE_CAST || !c->sending ||
            s->now < c->retry_at)
            continue;
        len = mu_cast_sender_next(&c->sender, s->now, s->text);
        if (len == 0 || cast_tick(c, &len) != 0)
            continue;
        s->burst--;
        *out = (struct mu_effect){
            .kind = MU_DO_PACKET,
            .channel = MU_CHANNEL_WIDE,
            .packet = mu_bytes(s->text, len),
            .link = cast_to(c),
        };
        return true;
    }
    return false;
}

void mu_srv_cast_packet(struct mu_server *s, const struct mu_event *ev)
{
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t receiver;

    if (ev->channel != MU_CHANNEL_WIDE ||
        mu_cast_peek(ev->packet, &kind, &session, &receiver) != 0 ||
        kind != MU_CAST_NEED)
        return;
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (!c->used || !c->sending || c->rec.session != session)
            continue;
        /* What is wrong with it, the sender counts. */
        if (mu_cast_sender_feedback(&c->sender, s->now, ev->packet) != 0)
            continue;
        if (mu_cast_sender_vain(&c->sender, &receiver))
            mu_srv_trace(s, "hears-nothing", receiver, c->number);
    }
}
