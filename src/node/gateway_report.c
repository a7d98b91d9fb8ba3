/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports to the server (CAST-6): the XOR of the acknowledgements of members
 * with equal states. When the server says that one does not verify, the report
 * is halved until the false one stands alone. docs/wire-format.md s.7.
 */
#include "node/gateway.h"

#define GATHER MU_MS(500) /* for more of the same */

static bool report_open(const struct mu_gateway_session *s, uint16_t i)
{
    return s->states[i].state != s->states[i].reported &&
           mu_gateway_session_member(s, i);
}

void mu_gateway_report_news(struct mu_gateway *g, struct mu_gateway_session *s)
{
    mu_time at = s->missing == 0 ? g->now : g->now + GATHER;

    s->report.at = mu_time_min(s->report.at, at);
}

void mu_gateway_report_lost(struct mu_gateway *g, struct mu_gateway_session *s)
{
    if (!s->report.flying)
        return;
    s->report.flying = false;
    s->report.at = g->now;
    mu_backoff_fail(&s->report.wait, g->now, &g->jitter);
}

/* Members from `first` on that share its states; failures go one by one. */
static void report_gather(struct mu_gateway_session *s, uint16_t first,
                          struct mu_wide_report *m)
{
    struct mu_gateway_report *r = &s->report;
    const struct mu_gateway_member *head = &s->states[first];
    uint16_t most = r->limit != 0 ? r->limit : MU_GATEWAY_REPORT_MAX;
    uint16_t last = 0;

    if ((head->state & MU_STATE_FAILED) != 0)
        most = 1;
    r->state = head->state;
    r->reason = head->reason;
    r->first = first;
    r->count = 0;
    mu_zero(r->bitmap, sizeof r->bitmap);
    for (uint16_t n = 0; n < MU_GATEWAY_REPORT_MAX && r->count < most &&
                         first + n < s->gateway->conf.devices_max;
         n++) {
        const struct mu_gateway_member *p = &s->states[first + n];

        if (p->state != r->state || !report_open(s, (uint16_t)(first + n)))
            continue;
        mu_bit_put(r->bitmap, n, true);
        for (size_t b = 0; b < MU_ACK_LEN; b++)
            m->acks[b] ^= p->ack[b];
        r->count++;
        last = n;
    }
    m->bitmap = mu_bytes(r->bitmap, last / 8u + 1u);
}

static bool report_write(struct mu_gateway *g, struct mu_gateway_session *s,
                         struct mu_writer *w)
{
    struct mu_wide_report m = {.state = 0};
    uint16_t first = 0;

    while (first < g->conf.devices_max && !report_open(s, first))
        first++;
    if (first == g->conf.devices_max) {
        s->report.at = MU_TIME_NEVER;
        s->report.limit = 0;
        return false;
    }
    report_gather(s, first, &m);
    mu_copy(m.campaign, s->campaign, MU_CAMPAIGN_ID);
    m.state = s->report.state;
    m.reason = s->report.reason;
    m.first = first;
    return mu_wide_report_create(&m, w) == 0;
}

static bool report_ready(const struct mu_gateway_session *s, mu_time now)
{
    return !s->report.flying && s->report.at <= now &&
           s->report.wait.at <= now &&
           (s->phase == MU_GATEWAY_LIVE || s->phase == MU_GATEWAY_CANCELLED);
}

bool mu_gateway_next_report(struct mu_gateway *g, struct mu_effect *out)
{
    if (g->link != MU_GATEWAY_LINK_UP || !g->welcome)
        return false;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];
        struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);

        if (!report_ready(s, g->now) || !report_write(g, s, &w))
            continue;
        mu_gateway_ask_effect(g, "r", &w, out);
        s->report.flying = true;
        s->report.exchange = g->exchange;
        mu_gateway_trace(g, "report", s->report.state, s->report.count);
        return true;
    }
    return false;
}

/* The members of the report in flight: the server has taken this state, or
 * will never take it. */
static void report_settle(struct mu_gateway *g, struct mu_gateway_session *s)
{
    struct mu_gateway_report *r = &s->report;

    for (uint16_t n = 0; n < MU_GATEWAY_REPORT_MAX; n++) {
        if (mu_bit_get(MU_BYTES(r->bitmap), n) &&
            r->first + n < g->conf.devices_max)
            s->states[r->first + n].reported = r->state;
    }
    /* Back to larger ones by and by. */
    if (r->limit != 0)
        r->limit = (uint16_t)(r->limit < MU_GATEWAY_REPORT_MAX / 2
                                  ? r->limit * 2
                                  : 0);
}

int mu_gateway_report_answer(struct mu_gateway *g, struct mu_gateway_session *s,
                             const struct mu_message *m)
{
    struct mu_gateway_report *r = &s->report;

    r->flying = false;
    r->at = g->now;
    if (MU_COAP_CLASS(m->code) == 2) {
        mu_backoff_reset(&r->wait);
        report_settle(g, s);
        return 0;
    }
    if ((m->code == MU_COAP_CONFLICT || m->code == MU_COAP_UNAUTHORIZED) &&
        r->count > 1) {
        r->limit = r->count / 2;
        return 0;
    }
    if (m->code == MU_COAP_CONFLICT || m->code == MU_COAP_UNAUTHORIZED) {
        mu_gateway_trace(g, "ack-refused", r->first, r->state);
        report_settle(g, s);
        return 0;
    }
    if (m->code == MU_COAP_NOT_FOUND) { /* the campaign is over */
        report_settle(g, s);
        mu_gateway_camp_refresh(g);
        return 0;
    }
    mu_backoff_fail(&r->wait, g->now, &g->jitter);
    return MU_ERR_UNEXPECTED;
}

mu_time mu_gateway_report_deadline(const struct mu_gateway_session *s)
{
    mu_time at = s->report.at;

    if (s->report.flying || at == MU_TIME_NEVER ||
        (s->phase != MU_GATEWAY_LIVE && s->phase != MU_GATEWAY_CANCELLED))
        return MU_TIME_NEVER;
    return at > s->report.wait.at ? at : s->report.wait.at;
}

/* ---- what it costs, for display ----------------------------------------- */

#define TALLY_EVERY MU_SECONDS(1)

/* Bytes on the medium: what was sent with its headers, and what was heard. */
static uint64_t tally_bytes(const struct mu_gateway *g,
                            const struct mu_gateway_session *s)
{
    const struct mu_cast_counts *c = &s->tx.counts;
    uint64_t packets = c->data + c->parity + c->repair + c->control +
                       s->own.data + s->own.parity + s->own.repair +
                       s->own.control;

    if (!s->sending && s->parts == 0)
        return 0;
    return c->bytes + s->own.bytes + packets * g->conf.area_overhead +
           s->heard_bytes;
}

static bool tally_wanted(const struct mu_gateway *g,
                         const struct mu_gateway_session *s)
{
    return (s->sending || s->parts != 0) && !s->tally.flying &&
           tally_bytes(g, s) != s->tally_bytes;
}

bool mu_gateway_next_tally(struct mu_gateway *g, struct mu_effect *out)
{
    if (g->link != MU_GATEWAY_LINK_UP || !g->welcome)
        return false;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        struct mu_gateway_session *s = &g->sessions[i];
        const struct mu_cast_counts *c = &s->tx.counts;
        struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);
        struct mu_wide_tally m;

        if (!tally_wanted(g, s) || s->tally_at > g->now)
            continue;
        m = (struct mu_wide_tally){
            .data = c->data + s->own.data,
            .parity = c->parity + s->own.parity,
            .repair = c->repair + s->own.repair,
            .control = c->control + s->own.control,
            .bytes = tally_bytes(g, s),
            .feedback = c->feedback + s->own.feedback,
            .rejected = c->rejected + s->own.rejected,
            .page = s->tx_page,
        };
        mu_copy(m.campaign, s->campaign, MU_CAMPAIGN_ID);
        s->tally_bytes = m.bytes;
        s->tally_at = g->now + TALLY_EVERY;
        if (mu_wide_tally_create(&m, &w) != 0)
            continue;
        mu_gateway_ask_effect(g, "t", &w, out);
        s->tally.due = true;
        mu_ask_sent(&s->tally, g->exchange);
        return true;
    }
    return false;
}

mu_time mu_gateway_tally_deadline(const struct mu_gateway *g)
{
    mu_time at = MU_TIME_NEVER;

    if (g->link != MU_GATEWAY_LINK_UP || !g->welcome)
        return at;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        if (tally_wanted(g, &g->sessions[i]))
            at = mu_time_min(at, g->sessions[i].tally_at);
    }
    return at;
}
