/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports to the server (CAST-6): the XOR of the acknowledgements of members
 * with equal states. When the server says that one does not verify, the same
 * members go shifted, which confines whoever spoiled it; those that are not
 * proved then go side by side. docs/wire-format.md s.7.
 */
#include "node/gateway.h"

#define GATHER MU_MS(500) /* for more of the same */
#define GATHER_RIDES MU_SECONDS(3) /* which come one by one */

static bool report_open(const struct mu_gateway_session *s, uint16_t i)
{
    return s->states[i].state != s->states[i].reported &&
           mu_gateway_session_member(s, i);
}

void mu_gateway_report_news(struct mu_gateway *g, struct mu_gateway_session *s)
{
    mu_time gather = mu_gateway_census_wait(s) != 0 ? GATHER_RIDES : GATHER;
    mu_time at = s->missing == 0 ? g->now : g->now + gather;

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

/* Plain, until somebody has spoiled a sum; then shifted, which proves all but
 * him and his nearest neighbours; and those each for itself. */
static uint8_t report_shift(const struct mu_gateway_session *s,
                            const struct mu_gateway_member *head)
{
    if (head->apart)
        return MU_ACK_LEN;
    return s->report.spoiled ? MU_ACK_SHIFT : 0;
}

/* Members from `first` on that share its states; failures go one by one. */
static void report_gather(struct mu_gateway_session *s, uint16_t first,
                          struct mu_ack_sum *sum, uint8_t *string)
{
    struct mu_gateway_report *r = &s->report;
    const struct mu_gateway_member *head = &s->states[first];
    uint16_t most = (head->state & MU_STATE_FAILED) != 0 ? 1 : UINT16_MAX;

    r->state = head->state;
    r->reason = head->reason;
    r->first = first;
    r->count = 0;
    r->shift = report_shift(s, head);
    mu_ack_sum_init(sum, first, r->shift, r->bitmap, sizeof r->bitmap, string,
                    MU_ACK_STRING_MAX);
    for (uint32_t i = first; i < s->gateway->conf.devices_max &&
                             r->count < most;
         i++) {
        const struct mu_gateway_member *p = &s->states[i];

        if (p->state != r->state || p->apart != head->apart ||
            !report_open(s, (uint16_t)i))
            continue;
        if (mu_ack_sum_add(sum, (uint16_t)i, p->ack) != 0)
            break; /* full: the rest in the next one */
        r->count++;
    }
}

static bool report_write(struct mu_gateway *g, struct mu_gateway_session *s,
                         struct mu_writer *w)
{
    uint8_t string[MU_ACK_STRING_MAX];
    struct mu_wide_report m;
    struct mu_ack_sum sum;
    struct mu_ack_set set;
    uint16_t first = 0;

    while (first < g->conf.devices_max && !report_open(s, first))
        first++;
    if (first == g->conf.devices_max) {
        s->report.at = MU_TIME_NEVER;
        s->report.spoiled = false;
        return false;
    }
    report_gather(s, first, &sum, string);
    set = mu_ack_sum_set(&sum);
    m = (struct mu_wide_report){
        .state = s->report.state,
        .reason = s->report.reason,
        .first = set.first,
        .bitmap = set.named,
        .shift = set.shift,
        .acks = set.string,
    };
    mu_copy(m.campaign, s->campaign, MU_CAMPAIGN_ID);
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
 * will never take it. Those that are left of a shifted one are asked for each
 * by itself; who does not stand there either is left at that. */
static void report_settle(struct mu_gateway *g, struct mu_gateway_session *s,
                          struct mu_bytes left)
{
    struct mu_gateway_report *r = &s->report;

    for (uint16_t n = 0; n < MU_GATEWAY_REPORT_MAX; n++) {
        struct mu_gateway_member *p;

        if (!mu_bit_get(MU_BYTES(r->bitmap), n) ||
            r->first + n >= g->conf.devices_max)
            continue;
        p = &s->states[r->first + n];
        if (mu_bit_get(left, n)) {
            p->apart = true;
            if (r->shift != MU_ACK_LEN && (r->shift != 0 || r->count > 1))
                continue; /* nobody has been blamed yet */
            mu_gateway_trace(g, "ack-refused", r->first + n, r->state);
        }
        p->reported = r->state;
    }
}

static int report_taken(struct mu_gateway *g, struct mu_gateway_session *s,
                        struct mu_bytes payload)
{
    struct mu_bytes left = {NULL, 0};
    int rc = 0;

    if (payload.len > 0)
        rc = mu_wide_left_consume(payload, &left);
    if (rc != 0) {
        mu_backoff_fail(&s->report.wait, g->now, &g->jitter);
        return rc;
    }
    mu_backoff_reset(&s->report.wait);
    report_settle(g, s, left);
    return 0;
}

int mu_gateway_report_answer(struct mu_gateway *g, struct mu_gateway_session *s,
                             const struct mu_message *m)
{
    struct mu_gateway_report *r = &s->report;

    r->flying = false;
    r->at = g->now;
    if (MU_COAP_CLASS(m->code) == 2)
        return report_taken(g, s, m->payload);
    if (m->code == MU_COAP_CONFLICT && r->shift == 0 && r->count > 1) {
        r->spoiled = true;
        mu_gateway_trace(g, "report-spoiled", r->first, r->count);
        return 0;
    }
    if (m->code == MU_COAP_CONFLICT || m->code == MU_COAP_UNAUTHORIZED) {
        report_settle(g, s, MU_BYTES(r->bitmap));
        return 0;
    }
    if (m->code == MU_COAP_NOT_FOUND) { /* the campaign is over */
        report_settle(g, s, mu_bytes(NULL, 0));
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
           (tally_bytes(g, s) != s->tally_bytes ||
            s->window.sleepers != s->tally_asleep);
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
            .alone = c->alone + s->own.alone,
            .asleep = s->window.sleepers,
            .within_s = s->window.period_s,
        };
        mu_copy(m.campaign, s->campaign, MU_CAMPAIGN_ID);
        s->tally_bytes = m.bytes;
        s->tally_asleep = m.asleep;
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
