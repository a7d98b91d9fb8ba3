/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that sleep (docs/wire-format.md s.2.1): each listens in windows that it
 * has asked for, and that open by the clock of this gateway, at every multiple
 * of their period. So all that sleep as long wake together, and those that
 * sleep twice as long with every second of their windows.
 *
 * A campaign rests, nothing is sent, polled or counted, while none of its
 * members that miss something listens; and for a while (conf.hold_s) when some
 * do, if others will soon: a packet that all hear serves them all. When a window
 * opens, those who were not there are told of it, and a poll asks what they miss.
 */
#include "node/gateway.h"

#define PASSES_MAX 3 /* for the sake of one member */

static mu_time window_since(const struct mu_gateway *g,
                            const struct mu_area_listens *l)
{
    return g->now % MU_SECONDS(l->period_s);
}

bool mu_gateway_listens(const struct mu_gateway *g, uint16_t index)
{
    const struct mu_gateway_device *d = &g->devices[index];

    if (d->listens.period_s == 0)
        return true;
    return d->linked && window_since(g, &d->listens) <
                            MU_SECONDS(d->listens.window_s);
}

mu_time mu_gateway_opens_in(const struct mu_gateway *g, uint16_t index)
{
    const struct mu_area_listens *l = &g->devices[index].listens;

    return MU_SECONDS(l->period_s) - window_since(g, l);
}

void mu_gateway_windows_stale(struct mu_gateway *g)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        g->sessions[i].window.stale = true;
}

void mu_gateway_listens_set(struct mu_gateway *g, uint16_t index,
                            const struct mu_area_listens *l)
{
    struct mu_gateway_device *d = &g->devices[index];

    g->sleepers = (uint16_t)(g->sleepers - (d->listens.period_s != 0) +
                             (l->period_s != 0));
    d->listens = *l;
    mu_gateway_windows_stale(g);
}

/* ---- a campaign --------------------------------------------------------- */

static bool window_misses(const struct mu_gateway_session *s, uint16_t index)
{
    return mu_gateway_session_member(s, index) &&
           !mu_gateway_member_final(&s->states[index]);
}

/* Whether it is worth while to wait for this one: of those whose window opens in
 * time, for who sleeps longest; the others' windows open with his, if his
 * period is a multiple of theirs. */
static void window_hold(const struct mu_gateway *g, uint16_t index,
                        mu_time until, struct mu_gateway_window *look)
{
    const struct mu_gateway_device *d = &g->devices[index];

    if (!d->linked || d->listens.period_s < look->hold_s ||
        g->now + mu_gateway_opens_in(g, index) >= until)
        return;
    look->hold_s = d->listens.period_s;
    look->holds = !mu_gateway_listens(g, index);
}

/* Who listens, who does not, and when that changes. True when one has begun to
 * listen since the last look. */
static bool window_look(struct mu_gateway *g, struct mu_gateway_session *s)
{
    struct mu_gateway_window look = {.at = MU_TIME_NEVER,
                                     .closes_at = MU_TIME_NEVER,
                                     .looked_at = g->now,
                                     .hold_until = s->window.hold_until};
    bool awake = false, opened = false;

    if (look.hold_until == 0)
        look.hold_until = g->now + MU_SECONDS(g->conf.hold_s);

    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        const struct mu_area_listens *l = &g->devices[i].listens;
        mu_time close;

        if (!window_misses(s, i))
            continue;
        if (l->period_s == 0) {
            awake = true;
            continue;
        }
        if (g->devices[i].linked)
            look.at = mu_time_min(look.at, g->now + mu_gateway_opens_in(g, i));
        if (s->parts == 0) /* nobody waits for a key or a command */
            window_hold(g, i, look.hold_until, &look);
        if (!mu_gateway_listens(g, i)) {
            look.sleepers++;
            if (look.period_s == 0 || l->period_s < look.period_s)
                look.period_s = l->period_s;
            continue;
        }
        awake = true;
        close = g->now - window_since(g, l) + MU_SECONDS(l->window_s);
        look.closes_at = mu_time_min(look.closes_at, close);
        opened = opened || s->window.looked_at == 0 ||
                 g->now - window_since(g, l) > s->window.looked_at;
    }
    look.at = mu_time_min(look.at, look.closes_at);
    if (look.holds)
        look.at = mu_time_min(look.at, look.hold_until);
    look.rests = look.holds || (!awake && look.sleepers > 0);
    s->window = look;
    return opened;
}

/* Pages go out that those who sleep do not hear: it is no pass of theirs. */
static void window_missed(struct mu_gateway *g, struct mu_gateway_session *s)
{
    if (!s->sending || s->window.rests || s->window.sleepers == 0 ||
        mu_cast_sender_through(&s->tx))
        return;
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        if (!mu_gateway_listens(g, i))
            s->states[i].passed = false;
    }
}

/* Whether somebody listens now for whom no pass has begun; this one, or not. */
static bool window_fresh(struct mu_gateway *g, struct mu_gateway_session *s,
                         bool pass)
{
    bool any = false;

    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        struct mu_gateway_member *m = &s->states[i];

        if (m->passed || m->passes >= PASSES_MAX ||
            g->devices[i].listens.period_s == 0 || !window_misses(s, i) ||
            !mu_gateway_listens(g, i))
            continue;
        m->passed = pass;
        m->passes = (uint8_t)(m->passes + pass);
        any = true;
    }
    return any;
}

/* Who comes to a pass in its midst has missed most of it: the next is his. */
static void window_pass(struct mu_gateway *g, struct mu_gateway_session *s)
{
    bool through = mu_cast_sender_through(&s->tx);
    bool begins = through || !s->announced;

    if (window_fresh(g, s, begins) && s->announced) {
        mu_gateway_session_announce(s, 1);
        s->announce_lead = mu_gateway_session_leads(g, s);
        s->announced = false; /* to all of them, so not before that */
        if (through)
            mu_cast_sender_seek(&s->tx, 0, g->now);
    }
    mu_cast_sender_ask(&s->tx, g->now);
}

static void window_opened(struct mu_gateway *g, struct mu_gateway_session *s)
{
    if (s->parts != 0)
        mu_gateway_inline_again(s);
    if (s->sending)
        window_pass(g, s);
    /* Who had it all when the last window closed has told so with the keep-alive
     * that begins this one, or lost that. */
    s->interval_s = 1;
    if (s->tx_idle && s->census_at != MU_TIME_NEVER)
        s->census_at = g->now + (s->window.closes_at - g->now) / 2;
    else if (s->census_at < s->window.closes_at)
        s->census_at = s->window.closes_at;
    mu_gateway_trace(g, "window", s->session, s->missing - s->window.sleepers);
}

void mu_gateway_window_run(struct mu_gateway *g, struct mu_gateway_session *s)
{
    bool rests = s->window.rests;

    if (s->phase != MU_GATEWAY_LIVE || (g->sleepers == 0 && !rests) ||
        (!s->window.stale && g->now < s->window.at))
        return;
    if (window_look(g, s))
        window_opened(g, s);
    window_missed(g, s);
    mu_gateway_session_pause(s);
    if (s->window.rests && !rests)
        mu_gateway_trace(g, "asleep", s->session, s->window.sleepers);
}
