/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device proves: its states, each with an acknowledgement under Kack,
 * told once by itself, with a keep-alive of the link if it may wait for one,
 * else in a STATUS packet; and in STATUS packets when the gateway counts
 * (CENSUS). docs/wire-format.md s.6.3 and s.7.
 */
#include "node/device.h"

#define REPEAT_AFTER MU_SECONDS(3) /* the same state is not told more often */
#define LINGER MU_SECONDS(2) /* a state that lasts is told before the next */
#define SPREAD_MS_MIN 250
#define REPEATS_MAX 5 /* 3, 6, ... 48 s after the first, until it is counted */

static bool status_final(uint8_t state)
{
    return (state & (MU_STATE_RUNNING | MU_STATE_FAILED)) != 0;
}

struct mu_device_report *mu_device_report_of(struct mu_device *d,
                                             const uint8_t *campaign)
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        if (d->reports[i].used &&
            mu_ct_eq(d->reports[i].campaign, campaign, MU_CAMPAIGN_ID))
            return &d->reports[i];
    }
    return NULL;
}

struct mu_device_report *mu_device_report_new(struct mu_device *d)
{
    for (size_t i = MU_DEVICE_REPORTS_MAX - 1; i > 0; i--)
        d->reports[i] = d->reports[i - 1];
    d->reports[0] = (struct mu_device_report){
        .used = true,
        .due_at = MU_TIME_NEVER,
    };
    return &d->reports[0];
}

struct mu_device_report *mu_device_report_beside(struct mu_device *d)
{
    for (size_t i = MU_DEVICE_REPORTS_MAX - 1; i > 1; i--)
        d->reports[i] = d->reports[i - 1];
    d->reports[1] = (struct mu_device_report){
        .used = true,
        .due_at = MU_TIME_NEVER,
    };
    return &d->reports[1];
}

/* A poll that all members of the area answer tells how long that may take; else
 * nobody knows how many they are. */
static mu_time status_spread(const struct mu_device *d,
                             const struct mu_device_report *r)
{
    uint32_t most = d->window_ms > SPREAD_MS_MIN ? d->window_ms
                                                 : SPREAD_MS_MIN;

    if (d->receiver.all_ms != 0 && d->receiver.conf.session == r->session &&
        d->receiver.all_ms < most)
        most = d->receiver.all_ms;
    return MU_MS(most);
}

/* Whether it waits for a keep-alive, which costs the medium a few bytes more
 * instead of a packet. A failure does not: somebody wants to know. */
static bool status_rides(const struct mu_device *d,
                         const struct mu_device_report *r)
{
    return r->wait_s != 0 && (r->state & MU_STATE_FAILED) == 0 &&
           d->link == MU_DEVICE_LINK_UP && d->conf.tap == NULL &&
           d->conf.keepalive_ms != 0 &&
           MU_MS(d->conf.keepalive_ms) <= MU_SECONDS(r->wait_s);
}

int mu_device_report_state(struct mu_device *d, struct mu_device_report *r,
                           uint8_t state, int reason, const uint8_t digest[32])
{
    uint8_t why = (uint8_t)-reason;
    int rc = mu_ack_make(d->conf.crypto, &d->kack, r->campaign,
                         d->conf.identity, state, why, digest, r->ack);

    if (rc != 0)
        return rc;
    r->state = state;
    r->reason = why;
    r->repeats = 0;
    r->flying = false; /* what it says is out of date */
    mu_device_dirty(d, MU_DEVICE_REC_CAMPAIGN);
    if (status_rides(d, r)) {
        r->due_at = d->now + MU_SECONDS(r->wait_s);
        return 0;
    }
    r->due_at = d->now + mu_jitter(&d->jitter, status_spread(d, r));
    if (!status_final(state))
        r->due_at += LINGER;
    return 0;
}

void mu_device_report_soon(struct mu_device *d, struct mu_device_report *r)
{
    mu_time at = d->now + mu_jitter(&d->jitter, MU_MS(SPREAD_MS_MIN));

    r->due_at = mu_time_min(r->due_at, at);
}

void mu_device_reports_woken(struct mu_device *d, mu_time most)
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        struct mu_device_report *r = &d->reports[i];

        if (!r->used || r->due_at > d->now)
            continue;
        /* A keep-alive comes with the window. */
        r->due_at = d->now + (status_rides(d, r)
                                  ? most : mu_jitter(&d->jitter, most));
    }
}

/* ---- census ------------------------------------------------------------- */

/* The newest campaign that used this session number. */
static struct mu_device_report *status_session(struct mu_device *d,
                                               uint8_t session)
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        if (d->reports[i].used && d->reports[i].session == session)
            return &d->reports[i];
    }
    return NULL;
}

static void status_counted(struct mu_device *d, const struct mu_census *m)
{
    struct mu_device_report *r = status_session(d, m->session);
    size_t at = (size_t)d->index - m->base;
    mu_time when;

    if (d->index < m->base || at >= m->bitmap.len * 8)
        return;
    if (r == NULL) { /* it counts on us, and we know of nothing */
        if (!mu_bit_get(m->bitmap, at))
            mu_device_polled(d, m->session, 0, m->window_ms);
        return;
    }
    d->window_ms = m->window_ms;
    if (mu_bit_get(m->bitmap, at)) {
        if (r->sent_state == r->state)
            r->due_at = MU_TIME_NEVER;
        return;
    }
    if ((r->state & (m->state | MU_STATE_FAILED)) == 0)
        return; /* nothing that is asked for */
    if (r->sent_at != 0 && r->sent_state == r->state &&
        d->now < r->sent_at + REPEAT_AFTER)
        return;
    when = d->now + mu_jitter(&d->jitter, MU_MS(m->window_ms));
    r->due_at = mu_time_min(r->due_at, when);
}

int mu_device_census(struct mu_device *d, struct mu_bytes packet)
{
    const struct mu_device_area *area;
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t kg;
    struct mu_census m;
    int rc = mu_cast_peek(packet, &kind, &session, &kg);

    if (rc != 0)
        return rc;
    area = mu_device_area_find(d, kg);
    if (area == NULL) {
        mu_device_rehello(d);
        return MU_ERR_UNKNOWN_KEY;
    }
    rc = mu_census_consume(d->conf.crypto, &area->kctl, packet, &m);
    if (rc == 0)
        status_counted(d, &m);
    return rc;
}

/* ---- STATUS ------------------------------------------------------------- */

/* A state is told only when it would survive a restart. The record of reports
 * comes after those of keys and of states of schemes. */
static bool status_allowed(const struct mu_device *d)
{
    return d->welcome &&
           mu_record_durable(&d->records[MU_DEVICE_REC_SEEN]) &&
           mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]);
}

static bool status_write(struct mu_device *d, struct mu_device_report *r,
                         struct mu_effect *out)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    struct mu_status m = {
        .session = r->session,
        .receiver = d->index,
        .state = r->state,
        .reason = r->reason,
    };

    mu_copy(m.ack, r->ack, MU_ACK_LEN);
    r->due_at = MU_TIME_NEVER;
    if (mu_status_create(d->conf.crypto, &d->kfb, &m, &w) != 0)
        return false;
    r->sent_state = r->state;
    r->sent_at = d->now;
    /* Who has its object from neighbours may hear no census that asks again. */
    if (d->conf.tap != NULL && status_final(r->state) &&
        r->repeats < REPEATS_MAX)
        r->due_at = d->now + (REPEAT_AFTER << r->repeats++);
    out->kind = MU_DO_PACKET;
    out->channel = MU_CHANNEL_AREA;
    out->up = true;
    out->packet = mu_written(&w);
    return true;
}

bool mu_device_next_status(struct mu_device *d, struct mu_effect *out)
{
    if (!status_allowed(d))
        return false;
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        struct mu_device_report *r = &d->reports[i];

        if (r->used && r->due_at <= d->now && status_write(d, r, out))
            return true;
    }
    return false;
}

/* ---- with a keep-alive --------------------------------------------------- */

/* A state that lasts, or an end, whose time to be told has not run out. */
static bool ride_wanted(const struct mu_device *d,
                        const struct mu_device_report *r)
{
    mu_time lasts = status_final(r->state) ? 0 : LINGER;

    return r->used && !r->flying && r->state != 0 &&
           r->due_at != MU_TIME_NEVER && status_rides(d, r) &&
           d->now + MU_SECONDS(r->wait_s) >= r->due_at + lasts;
}

static bool ride_write(struct mu_device *d, struct mu_device_report *r,
                       struct mu_effect *out)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    struct mu_area_ride m = {.session = r->session, .state = r->state,
                             .reason = r->reason};

    mu_copy(m.ack, r->ack, MU_ACK_LEN);
    if (mu_area_ride_create(&m, &w) != 0)
        return false;
    r->due_at = MU_TIME_NEVER;
    r->flying = true;
    r->exchange = ++d->exchange;
    r->sent_state = r->state;
    r->sent_at = d->now;
    out->kind = MU_DO_SEND;
    out->link = MU_LINK_UP_NODE;
    out->message.code = MU_COAP_POST;
    out->message.exchange = r->exchange;
    out->message.payload = mu_written(&w);
    return true;
}

bool mu_device_next_ride(struct mu_device *d, struct mu_effect *out)
{
    bool any = false;

    if (!d->idle || !status_allowed(d))
        return false;
    d->idle = false; /* one message serves as the keep-alive */
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX && !any; i++) {
        struct mu_device_report *r = &d->reports[i];

        any = ride_wanted(d, r) && ride_write(d, r, out);
    }
    return any;
}

/* The answer is the gateway's word that it knows. One that the gateway does
 * not take goes on by itself; of a campaign that is over nobody asks. */
bool mu_device_ride_answer(struct mu_device *d, const struct mu_message *m)
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        struct mu_device_report *r = &d->reports[i];

        if (!r->used || !r->flying || r->exchange != m->exchange)
            continue;
        r->flying = false;
        if (MU_COAP_CLASS(m->code) != 2 && m->code != MU_COAP_NOT_FOUND)
            mu_device_report_soon(d, r);
        return true;
    }
    return false;
}

/* No answer to this one (0: to any, the link is gone). */
void mu_device_ride_lost(struct mu_device *d, uint32_t exchange)
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        struct mu_device_report *r = &d->reports[i];

        if (!r->used || !r->flying ||
            (exchange != 0 && r->exchange != exchange))
            continue;
        r->flying = false;
        mu_device_report_soon(d, r);
    }
}

mu_time mu_device_status_deadline(const struct mu_device *d)
{
    mu_time at = MU_TIME_NEVER;

    if (!status_allowed(d))
        return at;
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        if (d->reports[i].used)
            at = mu_time_min(at, d->reports[i].due_at);
    }
    return at;
}
