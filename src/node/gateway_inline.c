/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline objects in the area (docs/wire-format.md s.5.5): campaigns without
 * pages, above all the parts of a rekey. They skip receiver and sender: the
 * parts are fetched one after the other, kept in the depot, and announced in
 * rounds, spread in time so that one burst of losses does not take them all.
 * Census, acknowledgements and reports are those of every campaign.
 */
#include "node/gateway.h"

#define ROUNDS_FIRST 3 /* before the first census */
#define ROUNDS_MAX 8   /* then whoever lacks it fetches by himself */
#define PART_ROOM (2u + MU_ANNOUNCE_MAX) /* in the depot: length, object */
#define CHECKS_A_STEP 4 /* signatures of parts that were kept: a step is short */

/* Between rounds: beyond a burst of losses, and soon enough for what waits. */
static mu_time inline_gap(uint8_t rounds)
{
    return rounds == 1 ? MU_MS(100) : rounds == 2 ? MU_MS(400) : MU_SECONDS(1);
}

static struct mu_bytes inline_first(const struct mu_gateway_session *s)
{
    return mu_bytes(s->object, s->object_len);
}

/* One part as the server signed it. */
static int inline_check(const struct mu_gateway_session *s,
                        struct mu_bytes object, uint16_t part,
                        struct mu_manifest *m)
{
    const struct mu_gateway *g = s->gateway;
    enum mu_announce_kind kind;
    int rc = mu_announce_consume(g->conf.crypto, &g->server.signer, NULL,
                                 object, &kind, m);

    if (rc != 0)
        return rc;
    if (kind != MU_ANNOUNCE_INLINE || m->part != part ||
        m->parts != s->parts || m->session != s->session ||
        !mu_ct_eq(m->campaign, s->campaign, MU_CAMPAIGN_ID))
        return MU_ERR_MALFORMED;
    return 0;
}

int mu_gateway_inline_parse(struct mu_gateway_session *s)
{
    int rc = inline_check(s, inline_first(s), 0, &s->manifest);

    /* What the census goes by: packets of the size that the area has. */
    s->manifest.shape.payload = s->gateway->conf.payload_max;
    return rc;
}

void mu_gateway_inline_begin(struct mu_gateway_session *s)
{
    s->parts_here = 0;
    s->part_next = 0;
    s->part_rounds = 0;
    s->parts_open = false;
    s->parts_kept = true; /* until one is found missing */
    s->tx_idle = true;
}

/* ---- the depot ---------------------------------------------------------- */

static int inline_keep(struct mu_gateway_session *s, struct mu_bytes object)
{
    uint64_t at = (uint64_t)s->parts_here * PART_ROOM;
    uint8_t head[2] = {(uint8_t)(object.len >> 8), (uint8_t)object.len};
    int rc = s->part0.write(s->part0.ctx, at, head, sizeof head);

    if (rc == 0)
        rc = s->part0.write(s->part0.ctx, at + sizeof head, object.data,
                            object.len);
    if (rc == 0 && s->parts_here + 1u == s->parts)
        rc = s->part0.sync(s->part0.ctx);
    if (rc == 0)
        s->parts_here++;
    return rc;
}

/* Into the room that other campaigns have for a relay manifest. */
static int inline_load(struct mu_gateway_session *s, uint16_t part)
{
    uint64_t at = (uint64_t)part * PART_ROOM;
    uint8_t head[2] = {0};
    int rc = s->part0.read(s->part0.ctx, at, head, sizeof head);

    s->part_len = (uint16_t)(head[0] << 8 | head[1]);
    if (rc == 0 && (s->part_len == 0 || s->part_len > MU_ANNOUNCE_MAX))
        rc = MU_ERR_NOT_FOUND;
    if (rc == 0)
        rc = s->part0.read(s->part0.ctx, at + sizeof head, s->relay_object,
                           s->part_len);
    return rc;
}

static int inline_open(struct mu_gateway *g, struct mu_gateway_session *s)
{
    int rc = g->conf.depot->open(g->conf.depot->ctx, s->campaign, 0,
                                 (uint64_t)s->parts * PART_ROOM, &s->part0);

    if (rc == 0)
        rc = inline_keep(s, inline_first(s));
    if (rc != 0) {
        s->parts_here = 0;
        mu_backoff_fail(&s->rx_wait, g->now, &g->jitter);
        mu_gateway_trace(g, "depot-failed", s->session, (uint64_t)-rc);
        return rc;
    }
    s->parts_open = true;
    return 0;
}

/* ---- what goes on by itself --------------------------------------------- */

static void inline_complete(struct mu_gateway *g, struct mu_gateway_session *s)
{
    s->part_next = 0;
    mu_gateway_session_announce(s, ROUNDS_FIRST);
    mu_gateway_trace(g, "parts", s->session, s->parts);
}

/* After a restart: what the depot has need not be fetched. */
static void inline_kept(struct mu_gateway_session *s)
{
    struct mu_manifest m;

    for (size_t i = 0; i < CHECKS_A_STEP && s->parts_here < s->parts; i++) {
        if (inline_load(s, s->parts_here) != 0 ||
            inline_check(s, mu_bytes(s->relay_object, s->part_len),
                         s->parts_here, &m) != 0) {
            s->parts_kept = false;
            return;
        }
        s->parts_here++;
    }
}

int mu_gateway_inline_run(struct mu_gateway *g, struct mu_gateway_session *s)
{
    bool had = s->parts_here == s->parts;
    int rc;

    if (s->phase != MU_GATEWAY_LIVE || had || s->rx_wait.at > g->now)
        return 0;
    if (!s->parts_open) {
        rc = inline_open(g, s);
        if (rc != 0)
            return rc;
    }
    if (s->parts_kept)
        inline_kept(s);
    if (s->parts_here == s->parts)
        inline_complete(g, s);
    else if (!s->parts_kept && !s->ask.flying)
        s->ask.due = true;
    return 0;
}

/* The answer to a question for one part. */
int mu_gateway_inline_part(struct mu_gateway *g, struct mu_gateway_session *s,
                           const struct mu_wide_campaign *details)
{
    struct mu_manifest m;
    int rc;

    if (!s->parts_open || s->parts_here == s->parts)
        return 0; /* it was asked for the cancel */
    rc = inline_check(s, details->object, s->parts_here, &m);
    if (rc == 0)
        rc = inline_keep(s, details->object);
    if (rc != 0) {
        mu_gateway_trace(g, "part-refused", s->parts_here, (uint64_t)-rc);
        return rc;
    }
    if (s->parts_here == s->parts)
        inline_complete(g, s);
    else
        s->ask.due = true;
    return 0;
}

mu_time mu_gateway_inline_deadline(const struct mu_gateway_session *s)
{
    bool waits = s->parts_open && !s->parts_kept; /* for the server */

    return s->parts_here == s->parts || waits ? MU_TIME_NEVER : s->rx_wait.at;
}

/* ---- announcing --------------------------------------------------------- */

static void inline_round_ends(struct mu_gateway *g,
                              struct mu_gateway_session *s)
{
    s->part_next = 0;
    s->part_rounds++;
    s->announce_left--;
    s->announce_at = g->now + inline_gap(s->part_rounds) +
                     mu_jitter(&g->jitter, MU_MS(50));
    if (s->announce_left > 0 || s->announced)
        return;
    s->announced = true;
    mu_gateway_census_soon(g, s);
}

/* Made when it is sent: under the area key in force. */
size_t mu_gateway_inline_packet(struct mu_gateway *g,
                                struct mu_gateway_session *s, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_bytes object;
    int rc = s->announce_next == 0 ? inline_load(s, s->part_next) : 0;

    object = mu_bytes(s->relay_object, s->part_len);
    if (rc == 0)
        rc = mu_announce_packet(g->conf.crypto, &g->kg[0].kctl, NULL, object,
                                g->conf.payload_max, s->session,
                                s->announce_next, &w);
    if (rc != 0) { /* the depot lost it: from there on once more */
        mu_gateway_trace(g, "depot-failed", s->part_next, (uint64_t)-rc);
        mu_gateway_inline_begin(s);
        mu_backoff_fail(&s->rx_wait, g->now, &g->jitter);
        s->announce_left = 0;
        return 0;
    }
    s->announce_next++;
    if (s->announce_next <
        mu_announce_fragments(object.len, g->conf.payload_max))
        return w.len;
    s->announce_next = 0;
    s->part_next++;
    if (s->part_next == s->parts)
        inline_round_ends(g, s);
    return w.len;
}

void mu_gateway_inline_again(struct mu_gateway_session *s)
{
    if (s->missing > 0 && s->announce_left == 0 &&
        s->part_rounds < ROUNDS_MAX && s->parts_here == s->parts)
        mu_gateway_session_announce(s, 1);
}

/* Whether a rekey that brings the key of this session is on its way. */
bool mu_gateway_inline_brings(const struct mu_gateway *g,
                              const struct mu_gateway_session *s)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *p = &g->sessions[i];

        if (p->phase == MU_GATEWAY_ASKING && p->number < s->number)
            return true; /* it may be one */
        if (p->phase == MU_GATEWAY_LIVE && p->parts != 0 && !p->announced &&
            p->command == MU_WIDE_RUN && mu_kid_eq(&p->kid, &s->kid))
            return true;
    }
    return false;
}

/* A device that comes while parts are announced has missed some: which, only
 * the server knows. One part alone is among the sessions of its welcome. */
void mu_gateway_inline_hello(struct mu_gateway *g, uint16_t index)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase != MU_GATEWAY_LIVE || s->parts < 2 ||
            !mu_gateway_session_member(s, index) ||
            (s->states[index].state & MU_STATE_RUNNING) != 0)
            continue;
        g->devices[index].poke_due = true;
        mu_gateway_push(g, index);
    }
}
