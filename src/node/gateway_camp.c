/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The campaigns of the area: the server's list, what each one is, and the table
 * that decides what may become of it.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define PHASES MU_GATEWAY_PHASE_COUNT
#define MOVES MU_GATEWAY_MOVE_COUNT
#define CANCEL_ROUNDS 3

/* Refused is 0 so that what is not listed is refused. */
#define TO(phase) ((uint8_t)(MU_GATEWAY_##phase + 1))

static const uint8_t camp_moves[PHASES][MOVES] = {
    [MU_GATEWAY_FREE] = {
        [MU_GATEWAY_MOVE_LISTED] = TO(ASKING),
    },
    [MU_GATEWAY_ASKING] = {
        [MU_GATEWAY_MOVE_AGAIN] = TO(ASKING),
        [MU_GATEWAY_MOVE_DETAILS] = TO(LIVE),
        [MU_GATEWAY_MOVE_PROTECT] = TO(RELAYING),
        [MU_GATEWAY_MOVE_CANCEL] = TO(CANCELLED),
        [MU_GATEWAY_MOVE_UNLISTED] = TO(ENDING),
    },
    [MU_GATEWAY_RELAYING] = {
        [MU_GATEWAY_MOVE_AGAIN] = TO(ASKING),
        [MU_GATEWAY_MOVE_PROTECTED] = TO(LIVE),
        [MU_GATEWAY_MOVE_CANCEL] = TO(CANCELLED),
        [MU_GATEWAY_MOVE_UNLISTED] = TO(ENDING),
    },
    [MU_GATEWAY_LIVE] = {
        [MU_GATEWAY_MOVE_AGAIN] = TO(ASKING),
        [MU_GATEWAY_MOVE_CANCEL] = TO(CANCELLED),
        [MU_GATEWAY_MOVE_UNLISTED] = TO(ENDING),
    },
    [MU_GATEWAY_CANCELLED] = {
        [MU_GATEWAY_MOVE_CANCEL] = TO(CANCELLED),
        [MU_GATEWAY_MOVE_UNLISTED] = TO(ENDING),
    },
    [MU_GATEWAY_ENDING] = {
        [MU_GATEWAY_MOVE_DELETED] = TO(FREE),
    },
};

#undef TO

int mu_gateway_phase_after(enum mu_gateway_phase phase,
                           enum mu_gateway_move move)
{
    mu_assert(phase < PHASES && move < MOVES);
    return camp_moves[phase][move] - 1;
}

const char *mu_gateway_phase_name(enum mu_gateway_phase phase)
{
    static const char *const names[] = {
#define X(name, text) text,
        MU_GATEWAY_PHASES(X)
#undef X
    };

    return phase < PHASES ? names[phase] : "?";
}

const char *mu_gateway_move_name(enum mu_gateway_move move)
{
    static const char *const names[] = {
#define X(name, text) text,
        MU_GATEWAY_MOVES(X)
#undef X
    };

    return move < MOVES ? names[move] : "?";
}

/* ---- a session's life --------------------------------------------------- */

/* What earlier editions put on the air counts as well. */
static void session_keep_counts(struct mu_gateway_session *s)
{
    const struct mu_cast_counts *c = &s->tx.counts;

    if (!s->sending)
        return;
    s->own.data += c->data;
    s->own.parity += c->parity;
    s->own.repair += c->repair;
    s->own.alone += c->alone;
    s->own.control += c->control;
    s->own.bytes += c->bytes;
    s->own.feedback += c->feedback;
    s->own.rejected += c->rejected;
}

/* Everything but identity, list position and memory. */
static void session_forget(struct mu_gateway_session *s)
{
    struct mu_gateway *g = s->gateway;

    session_keep_counts(s);
    mu_secret_clear(&s->kb);
    mu_wipe(&s->relay, sizeof s->relay);
    s->object_len = 0;
    s->relay_len = 0;
    s->tags_len = 0;
    s->cancel_len = 0;
    s->receiving = false;
    s->sending = false;
    s->pages_seen = 0;
    s->tx_page = 0;
    s->announced = false;
    s->parts = 0;
    mu_gateway_inline_begin(s);
    s->tx_idle = false;
    s->announce_left = 0;
    s->announce_next = 0;
    s->counting = false;
    s->census_at = MU_TIME_NEVER;
    s->interval_s = 1;
    s->deadline = MU_TIME_NEVER;
    mu_backoff_reset(&s->rx_wait);
    for (size_t i = 0; i < g->conf.devices_max; i++) {
        struct mu_gateway_device *d = &g->devices[i];

        d->hand_due = (uint8_t)(d->hand_due & ~(1u << s->slot));
        d->hand_done = (uint8_t)(d->hand_done & ~(1u << s->slot));
    }
}

void mu_gateway_session_clear(struct mu_gateway_session *s)
{
    struct mu_gateway_session fresh = {
        .gateway = s->gateway,
        .slot = s->slot,
        .states = s->states,
        .rx_work = s->rx_work,
        .tx_work = s->tx_work,
        .report = {.at = MU_TIME_NEVER},
    };

    session_forget(s);
    *s = fresh;
    s->deadline = MU_TIME_NEVER;
    s->census_at = MU_TIME_NEVER;
    s->interval_s = 1;
    mu_zero(s->states, s->gateway->conf.devices_max * sizeof *s->states);
}

static void session_end(struct mu_gateway_session *s)
{
    const struct mu_depot *depot = s->gateway->conf.depot;

    session_forget(s);
    s->ask = (struct mu_ask){.due = false};
    s->tally = (struct mu_ask){.due = false};
    s->report = (struct mu_gateway_report){.at = MU_TIME_NEVER};
    for (uint8_t part = 0; part < 3; part++)
        depot->remove(depot->ctx, s->campaign, part);
    s->record.dirty = true; /* both as deletions */
    s->progress.dirty = true;
}

void mu_gateway_session_move(struct mu_gateway_session *s,
                             enum mu_gateway_move move)
{
    struct mu_gateway *g = s->gateway;
    int to = mu_gateway_phase_after(s->phase, move);

    mu_assert(to >= 0); /* callers ask the phase first */
    s->phase = (uint8_t)to;
    mu_gateway_trace(g, mu_gateway_move_name(move), s->session, s->number);
    switch (to) {
    case MU_GATEWAY_FREE:
        mu_gateway_session_clear(s);
        break;
    case MU_GATEWAY_ASKING:
        session_forget(s);
        s->ask.due = true;
        break;
    case MU_GATEWAY_CANCELLED:
        s->sending = false;
        s->receiving = false;
        s->census_at = MU_TIME_NEVER;
        s->counting = false;
        mu_gateway_session_announce(s, CANCEL_ROUNDS);
        s->record.dirty = true;
        break;
    case MU_GATEWAY_ENDING:
        session_end(s);
        break;
    default:
        s->record.dirty = true;
        break;
    }
}

struct mu_gateway_session *mu_gateway_session_of(struct mu_gateway *g,
                                                 uint8_t session)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (s->session == session && s->phase != MU_GATEWAY_FREE &&
            s->phase != MU_GATEWAY_ENDING)
            return s;
    }
    return NULL;
}

bool mu_gateway_session_member(const struct mu_gateway_session *s,
                               uint16_t index)
{
    const struct mu_gateway *g = s->gateway;

    return index < g->conf.devices_max && g->devices[index].used &&
           mu_bit_get(MU_BYTES(s->members), index);
}

void mu_gateway_session_count(struct mu_gateway_session *s)
{
    s->missing = 0;
    s->window.stale = true;
    for (uint16_t i = 0; i < s->gateway->conf.devices_max; i++) {
        if (mu_gateway_session_member(s, i) &&
            !mu_gateway_member_final(&s->states[i]))
            s->missing++;
    }
}

/* ---- the list ----------------------------------------------------------- */

void mu_gateway_camp_refresh(struct mu_gateway *g)
{
    g->camp_after = 0;
    g->asks[MU_GATEWAY_CAMP].due = true;
    g->asks[MU_GATEWAY_CAMP].flying = false; /* not a page from the middle */
}

static struct mu_gateway_session *camp_find(struct mu_gateway *g,
                                            const uint8_t *campaign)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase != MU_GATEWAY_FREE &&
            mu_ct_eq(s->campaign, campaign, MU_CAMPAIGN_ID))
            return s;
    }
    return NULL;
}

static struct mu_gateway_session *camp_new(struct mu_gateway *g,
                                           const struct mu_wide_camp_row *row)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase != MU_GATEWAY_FREE)
            continue;
        mu_copy(s->campaign, row->campaign, MU_CAMPAIGN_ID);
        s->number = row->number;
        s->session = row->session;
        s->command = (uint8_t)row->command;
        mu_gateway_session_move(s, MU_GATEWAY_MOVE_LISTED);
        return s;
    }
    mu_gateway_trace(g, "sessions-full", row->session, row->number);
    return NULL;
}

static void camp_command(struct mu_gateway_session *s, uint8_t command)
{
    if (s->command == command)
        return;
    s->command = command;
    s->record.dirty = s->phase != MU_GATEWAY_ASKING;
    mu_gateway_session_pause(s);
    mu_gateway_census_soon(s->gateway, s);
    /* The cancel object comes with the details. */
    if (command == MU_WIDE_CANCEL && s->phase != MU_GATEWAY_CANCELLED)
        s->ask.due = !s->ask.flying;
}

static void camp_row(struct mu_gateway *g, const struct mu_wide_camp_row *row)
{
    struct mu_gateway_session *s = camp_find(g, row->campaign);

    if (s == NULL)
        s = camp_new(g, row);
    if (s == NULL || s->phase == MU_GATEWAY_ENDING)
        return;
    s->listed = true;
    s->number = row->number;
    if (s->session != row->session) { /* a new edition */
        s->session = row->session;
        if (mu_gateway_phase_after(s->phase, MU_GATEWAY_MOVE_AGAIN) >= 0)
            mu_gateway_session_move(s, MU_GATEWAY_MOVE_AGAIN);
    }
    camp_command(s, (uint8_t)row->command);
}

static void camp_unlisted(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];

        if (!s->listed &&
            mu_gateway_phase_after(s->phase, MU_GATEWAY_MOVE_UNLISTED) >= 0)
            mu_gateway_session_move(s, MU_GATEWAY_MOVE_UNLISTED);
    }
}

int mu_gateway_camp_page(struct mu_gateway *g, struct mu_bytes payload)
{
    struct mu_wide_rows rows;
    struct mu_wide_camp_row row;
    int rc = mu_wide_page_consume(payload, &rows);

    if (rc != 0)
        return rc;
    if (rows.page.next != 0 && rows.page.next <= g->camp_after)
        return MU_ERR_MALFORMED; /* it would never end */
    if (g->camp_after == 0) {
        for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
            g->sessions[i].listed = false;
    }
    while (mu_wide_camp_row_next(&rows, &row))
        camp_row(g, &row);
    rc = mu_wide_rows_end(&rows);
    if (rc != 0)
        return rc;
    g->camp_after = rows.page.next;
    if (rows.page.next != 0)
        g->asks[MU_GATEWAY_CAMP].due = true;
    else
        camp_unlisted(g);
    return 0;
}

/* ---- what a campaign is ------------------------------------------------- */

/* The manifest, checked with the server's key: a gateway does not spend its
 * area's time on what its devices would refuse. */
int mu_gateway_session_parse(struct mu_gateway_session *s)
{
    struct mu_gateway *g = s->gateway;
    enum mu_announce_kind kind;
    int rc;

    if (s->parts != 0)
        return mu_gateway_inline_parse(s);
    rc = mu_announce_consume(g->conf.crypto, &g->server.signer, NULL,
                             mu_bytes(s->object, s->object_len), &kind,
                             &s->manifest);
    if (rc != 0)
        return rc;
    if (kind != MU_ANNOUNCE_MANIFEST ||
        !mu_ct_eq(s->manifest.campaign, s->campaign, MU_CAMPAIGN_ID) ||
        s->manifest.session != s->session)
        return MU_ERR_MALFORMED;
    rc = mu_cast_shape_check(&s->manifest.shape);
    if (rc != 0)
        return rc;
    if (mu_cast_receiver_work(&s->manifest.shape) > g->rx_room ||
        !mu_gateway_progress_fits(&s->manifest.shape))
        return MU_ERR_TOO_LARGE;
    if (s->mode != MU_MODE_REPROTECT &&
        s->tags_len != mu_announce_fragments(s->object_len,
                                             s->manifest.shape.payload))
        return MU_ERR_MALFORMED;
    return 0;
}

static void camp_copy(struct mu_gateway_session *s,
                      const struct mu_wide_campaign *m)
{
    mu_copy(s->object, m->object.data, m->object.len);
    s->object_len = (uint16_t)m->object.len;
    mu_copy(s->tags, m->tags, sizeof s->tags);
    s->tags_len = m->tags_len;
    s->mode = (uint8_t)m->mode;
    mu_zero(s->members, sizeof s->members);
    mu_copy(s->members, m->members.data, m->members.len);
    s->quorum = m->quorum;
    s->deadline = m->deadline_s != 0
                      ? s->gateway->now + MU_SECONDS(m->deadline_s)
                      : MU_TIME_NEVER;
    s->kid = m->kid;
    s->kb = m->kb;
    s->parts = m->parts;
}

/* A cancel is the server's word, too. */
static int camp_cancel(struct mu_gateway_session *s, struct mu_bytes object)
{
    struct mu_gateway *g = s->gateway;
    enum mu_announce_kind kind;
    struct mu_manifest m;
    int rc;

    if (object.len > sizeof s->cancel)
        return MU_ERR_TOO_LARGE;
    rc = mu_announce_consume(g->conf.crypto, &g->server.signer, NULL, object,
                             &kind, &m);
    if (rc != 0)
        return rc;
    if (kind != MU_ANNOUNCE_CANCEL ||
        !mu_ct_eq(m.campaign, s->campaign, MU_CAMPAIGN_ID))
        return MU_ERR_MALFORMED;
    mu_copy(s->cancel, object.data, object.len);
    s->cancel_len = (uint16_t)object.len;
    mu_gateway_session_move(s, MU_GATEWAY_MOVE_CANCEL);
    return 0;
}

int mu_gateway_camp_details(struct mu_gateway *g, struct mu_gateway_session *s,
                            struct mu_bytes payload)
{
    struct mu_wide_campaign m;
    int rc = mu_wide_campaign_consume(payload, &m);

    if (rc != 0)
        return rc;
    if (s->phase == MU_GATEWAY_ASKING)
        camp_copy(s, &m);
    mu_secret_clear(&m.kb);
    if (m.cancel.len > 0 &&
        mu_gateway_phase_after(s->phase, MU_GATEWAY_MOVE_CANCEL) >= 0)
        return camp_cancel(s, m.cancel);
    if (s->phase == MU_GATEWAY_LIVE && s->parts != 0)
        return mu_gateway_inline_part(g, s, &m);
    if (s->phase != MU_GATEWAY_ASKING)
        return 0;
    rc = mu_gateway_session_parse(s);
    if (rc != 0) {
        mu_gateway_trace(g, "campaign-refused", s->session, (uint64_t)-rc);
        return rc;
    }
    mu_gateway_session_move(s, s->mode == MU_MODE_REPROTECT
                                   ? MU_GATEWAY_MOVE_PROTECT
                                   : MU_GATEWAY_MOVE_DETAILS);
    return mu_gateway_session_begin(g, s);
}
