/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting: CENSUS packets ask the members whose end is not known, STATUS
 * packets answer. Windows are as long as the answers need on this medium;
 * rounds come less often while nothing changes. docs/wire-format.md s.6.3.
 */
#include "node/gateway.h"

#define CENSUS_HEAD 27     /* bytes beside the bitmap: header 9, tag 8, tick */
#define CENSUS_BITS 512    /* area indexes in one packet */
#define STATUS_LEN 22      /* bytes of a STATUS */
#define WINDOW_MS_MAX 60000u
#define INTERVAL_MAX_S 16
#define ENDS_ONLY MU_SECONDS(5) /* after the last page: no states on the way */
#define RIDE_SLACK MU_SECONDS(5) /* for a keep-alive that is lost to come again */

static bool census_missing(const struct mu_gateway_session *s, uint16_t index)
{
    return mu_gateway_session_member(s, index) &&
           !mu_gateway_member_final(&s->states[index]);
}

/* ---- rounds ------------------------------------------------------------- */

/* So long acknowledgements come by themselves, with keep-alives. */
mu_time mu_gateway_census_wait(const struct mu_gateway_session *s)
{
    return s->parts != 0 || s->manifest.ack_wait_s == 0
               ? 0
               : MU_SECONDS(s->manifest.ack_wait_s) + RIDE_SLACK;
}

void mu_gateway_census_soon(struct mu_gateway *g, struct mu_gateway_session *s)
{
    mu_time at = g->now + mu_gateway_census_wait(s);

    /* Who keeps the sender busy at rest does not put it off. */
    s->census_at = s->ends_until == 0 ? at : mu_time_min(s->census_at, at);
    s->interval_s = 1;
    s->ends_until = s->census_at + ENDS_ONLY;
}

bool mu_gateway_census_due(const struct mu_gateway *g,
                           const struct mu_gateway_session *s)
{
    return mu_gateway_session_active(s) && s->announced &&
           (s->counting || s->census_at <= g->now);
}

mu_time mu_gateway_census_deadline(const struct mu_gateway_session *s)
{
    if (!s->announced)
        return MU_TIME_NEVER;
    return s->counting ? s->gateway->now : s->census_at;
}

static uint16_t census_range(const struct mu_gateway *g,
                             const struct mu_gateway_session *s)
{
    uint16_t payload = s->manifest.shape.payload < g->conf.payload_max
                           ? s->manifest.shape.payload
                           : g->conf.payload_max;
    uint32_t bits = (uint32_t)(payload - CENSUS_HEAD) * 8;

    return (uint16_t)(bits < CENSUS_BITS ? bits : CENSUS_BITS);
}

/* Room for the answers of so many: twice their time on the medium. */
static uint32_t census_window(const struct mu_gateway *g, uint32_t missing)
{
    uint64_t each_us = 400, window;

    if (g->conf.area_rate != 0)
        each_us = 2 * MU_SECONDS(STATUS_LEN + g->conf.area_overhead) /
                  g->conf.area_rate;
    window = missing * each_us / 1000;
    if (window < g->conf.area_window_ms)
        window = g->conf.area_window_ms;
    return window < WINDOW_MS_MAX ? (uint32_t)window : WINDOW_MS_MAX;
}

static void census_begin(struct mu_gateway_session *s)
{
    s->counting = true;
    s->base = 0;
    s->sweep_ms = 0;
    s->round++;
}

/* The sweep is over: when is the next? */
static void census_end(struct mu_gateway *g, struct mu_gateway_session *s)
{
    bool unheard = false;

    s->counting = false;
    mu_gateway_session_count(s);
    if (s->missing == 0) {
        s->census_at = MU_TIME_NEVER;
        return;
    }
    if (s->news)
        s->interval_s = 1;
    else if (s->interval_s < INTERVAL_MAX_S)
        s->interval_s *= 2;
    s->news = false;
    if (!s->tx_idle)
        s->interval_s = INTERVAL_MAX_S;
    s->census_at = g->now + MU_MS(s->sweep_ms) + MU_SECONDS(s->interval_s) +
                   mu_jitter(&g->jitter, MU_MS(100));
    if (s->parts != 0) {
        mu_gateway_inline_again(s);
        return;
    }
    /* Whoever has proved nothing, though asked more than once, may not know of
     * the campaign, and his word that he does not may be lost. */
    for (uint16_t i = 0; i < g->conf.devices_max && !unheard; i++)
        unheard = census_missing(s, i) && s->states[i].state == 0;
    if (unheard && s->tx_idle && s->announce_left == 0 && s->interval_s > 2)
        mu_gateway_session_announce(s, 1);
}

static size_t census_packet(struct mu_gateway *g, struct mu_gateway_session *s,
                            uint16_t range, uint8_t *to)
{
    uint8_t known[CENSUS_BITS / 8] = {0};
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_census m = {
        .session = s->session,
        .state = g->now < s->ends_until ? MU_STATE_RUNNING : MU_STATE_RECEIVED,
        .round = s->round,
        .base = s->base,
        .kg = (uint8_t)g->kg[0].kid.generation,
    };
    uint16_t missing = 0, last = 0;

    for (uint16_t i = 0; i < range && s->base + i < g->conf.devices_max; i++) {
        uint16_t index = (uint16_t)(s->base + i);
        bool wanted = census_missing(s, index) && mu_gateway_listens(g, index);

        mu_bit_put(known, i, !wanted);
        if (wanted) {
            missing++;
            last = i;
        }
    }
    if (missing == 0)
        return 0;
    m.window_ms = (uint16_t)census_window(g, missing);
    m.bitmap = mu_bytes(known, last / 8u + 1u);
    /* Whoever lies behind the last one in its byte is not asked. */
    for (uint16_t i = (uint16_t)(last + 1); i % 8 != 0; i++)
        mu_bit_put(known, i, true);
    s->sweep_ms += m.window_ms;
    if (mu_census_create(g->conf.crypto, &g->kg[0].kctl, &m, &w) != 0)
        return 0;
    return w.len;
}

size_t mu_gateway_census_write(struct mu_gateway *g,
                               struct mu_gateway_session *s, uint8_t *to)
{
    uint16_t range = census_range(g, s);
    size_t len = 0;

    if (!s->counting)
        census_begin(s);
    while (len == 0 && s->base < g->conf.devices_max) {
        len = census_packet(g, s, range, to);
        s->base = (uint16_t)(s->base + range);
    }
    if (s->base >= g->conf.devices_max)
        census_end(g, s);
    return len;
}

/* ---- answers ------------------------------------------------------------ */

/* States only add up; an end is final, but a failure may yet be overcome by an
 * operator at the device. */
static bool census_newer(const struct mu_gateway_member *m,
                         const struct mu_status *in)
{
    if (in->state == m->state && in->reason == m->reason)
        return false;
    if ((m->state & MU_STATE_RUNNING) != 0)
        return false;
    if ((in->state & (MU_STATE_RUNNING | MU_STATE_FAILED)) != 0)
        return true;
    return (m->state & MU_STATE_FAILED) == 0 && (in->state & ~m->state) != 0 &&
           (m->state & ~in->state) == 0;
}

static void census_take(struct mu_gateway *g, struct mu_gateway_session *s,
                        const struct mu_status *in)
{
    struct mu_gateway_member *m = &s->states[in->receiver];
    bool was = mu_gateway_member_final(m);

    s->own.feedback++;
    if (!census_newer(m, in))
        return;
    m->state = in->state;
    m->reason = in->reason;
    mu_copy(m->ack, in->ack, MU_ACK_LEN);
    s->news = true;
    if (!was && mu_gateway_member_final(m) && s->missing > 0) {
        s->missing--;
        s->window.stale = true;
    }
    /* The last report may end the campaign: what it cost goes before. */
    if (s->missing == 0)
        s->tally_at = g->now;
    mu_gateway_report_news(g, s);
    mu_gateway_trace(g, "status", in->receiver, in->state);
}

int mu_gateway_status_packet(struct mu_gateway *g, struct mu_bytes packet)
{
    struct mu_gateway_session *s = mu_gateway_session_of(g, packet.data[1]);
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t receiver;
    struct mu_status in;
    int rc;

    if (s == NULL || s->phase == MU_GATEWAY_ASKING) {
        g->dropped++;
        return MU_ERR_NOT_FOUND;
    }
    rc = mu_cast_peek(packet, &kind, &session, &receiver);
    if (rc == 0 && !mu_gateway_session_member(s, receiver))
        rc = MU_ERR_UNKNOWN_PEER;
    if (rc == 0)
        rc = mu_status_consume(g->conf.crypto, &g->devices[receiver].kfb,
                               packet, &in);
    if (rc == 0 && in.state == 0)
        rc = MU_ERR_MALFORMED;
    if (rc != 0) {
        s->own.rejected++;
        return rc;
    }
    g->acks_packets++;
    census_take(g, s, &in);
    return 0;
}

/* One that came over the hop, which says whose it is. Its answer is that of the
 * keep-alive it came in place of. */
static int ride_take(struct mu_gateway *g, uint16_t index,
                     const struct mu_message *m)
{
    struct mu_gateway_session *s;
    struct mu_area_ride in;
    struct mu_status status;
    int rc = mu_area_ride_consume(m->payload, &in);

    if (rc != 0)
        return rc;
    s = mu_gateway_session_of(g, in.session);
    if (s == NULL || s->phase == MU_GATEWAY_ASKING ||
        !mu_gateway_session_member(s, index))
        return MU_ERR_NOT_FOUND;
    status = (struct mu_status){.session = in.session,
                                .receiver = index,
                                .state = in.state,
                                .reason = in.reason};
    mu_copy(status.ack, in.ack, MU_ACK_LEN);
    s->heard_bytes += m->payload.len + 1; /* what a ping has not */
    g->acks_ridden++;
    census_take(g, s, &status);
    return 0;
}

int mu_gateway_ride(struct mu_gateway *g, uint16_t index,
                    const struct mu_message *m)
{
    int rc = ride_take(g, index, m);

    mu_gateway_refuse(g, index, m->exchange, (uint8_t)mu_err_coap(rc));
    return rc;
}
