/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one receiver may cost all others, in symbols that nobody else asked for.
 *
 * Of every page it may cost repair_max, and it may go back to lower pages a few
 * times only. That bounds the whole, and leaves a member who lies several
 * objects' worth. So a sender that is fair (conf.fair) lends each receiver a
 * credit besides. Each page of the front adds to it what bad luck explains at
 * the loss that is learnt, twice; and while nothing is left to send for the
 * first time, each receiver earns an eighth of the medium. Who asks for more
 * gets as much as his credit is good for, and the rest when the others are
 * done, a page at a time, on credit that has to be earned before the next: one
 * that loses most of what it hears gets everything, but later.
 */
#include "cast/share.h"

#include "cast/loss.h"

enum {
    REGRESS_MAX = 3,  /* restarts of a receiver that lost its state */
    REST_SHARE = 8,   /* of the medium at rest: one of so many symbols */
    REST_PART = 4,    /* of a page that can be saved up then */
    CREDIT_PAGES = 2, /* that can be saved up */
    WINDOW_PACKETS = 20, /* in a window, where no rate tells */
    GENEROUS_AFTER = 4,  /* rounds, from when on repair is rounded up */
    WORST_RUNS_MAX = 3, /* pages in a row of one receiver's bad luck */
};

static void share_add(struct mu_cast_sender *s, uint64_t more, int32_t most)
{
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        int16_t *credit = &s->peers[i].credit;
        if (*credit < most)
            *credit = (int16_t)(more < (uint64_t)(most - *credit)
                                    ? *credit + (int32_t)more : most);
    }
}

static int32_t share_rest_most(const struct mu_cast_sender *s)
{
    return s->conf.shape.page_data / REST_PART + 1;
}

void mu_share_page(struct mu_cast_sender *s)
{
    uint32_t data = s->page.data, members = s->members > 0 ? s->members : 1;
    uint32_t plan = mu_loss_parity(data, s->page.parity, members, s->loss);

    /* The fewer there are, the less harm one does to how many others. */
    if (s->conf.fair)
        share_add(s, 2 * plan + 2 + CREDIT_PAGES * data / members,
                  CREDIT_PAGES * s->conf.shape.page_data);
}

/* In what time a symbol is earned at rest. */
static mu_time share_rest_one(const struct mu_cast_sender *s)
{
    uint64_t packet = (uint64_t)s->conf.shape.payload + s->conf.overhead;
    mu_time one = s->conf.rate == 0
                      ? MU_MS(s->conf.window_ms) / WINDOW_PACKETS
                      : MU_SECONDS(packet) / s->conf.rate;

    /* Where few are, one that comes late is not kept waiting for them. */
    return (one > 0 ? one : 1) * (s->members / 2 > REST_SHARE ? REST_SHARE
                                  : s->members > 3 ? s->members / 2 : 1);
}

/* What was earned since the last time. */
static void share_rest(struct mu_cast_sender *s, mu_time now)
{
    mu_time one = share_rest_one(s);
    uint64_t more;

    if (s->front < s->pages || now < s->rest_at) {
        s->rest_at = now;
        return;
    }
    more = (now - s->rest_at) / one;
    if (more == 0)
        return;
    s->rest_at += more * one;
    share_add(s, more, share_rest_most(s));
}

/* Symbols that an answer adds to what is to be done anyway. */
static uint32_t share_extra(const struct mu_cast_sender *s, bool past,
                            const struct mu_need *n)
{
    uint32_t planned = 0;

    if (!past)
        planned = s->want;
    else if (s->behind_valid && s->behind_page < n->page)
        return 0; /* its turn has not come */
    else if (s->behind_valid && s->behind_page == n->page)
        planned = s->behind_need;
    return n->need > planned ? n->need - planned : 0;
}

/* Missing symbols of an answer that are queued for others already. */
static int32_t share_overlap(const struct mu_cast_sender *s,
                              const struct mu_need *n)
{
    int32_t both = 0;

    for (size_t i = 0; i < n->bitmap.len && i < MU_SYMBOL_SET; i++) {
        unsigned bits = n->bitmap.data[i] & s->job.queue[i];
        for (; bits != 0; bits &= bits - 1)
            both++;
    }
    return both;
}

/* The page at work: as many symbols as the credit is good for. */
static void share_present(const struct mu_cast_sender *s,
                          struct mu_sender_peer *p, const struct mu_need *n,
                          struct mu_share *out)
{
    int32_t others, cost, late = 0, left = p->credit;

    /* Whose page this is at rest gets all of it, and waits for the next. */
    if (s->job.serving && s->rest_page == s->job.page &&
        s->rest_for == n->receiver)
        left += CREDIT_PAGES * s->conf.shape.page_data;
    left = left > 0 ? left : 0;
    /* A bitmap costs what nobody else misses, a number what is above others'. */
    others = (s->flags & MU_POLL_BITMAP) != 0 ? share_overlap(s, n) : s->want;
    cost = out->need > others ? out->need - others : 0;
    if (cost > 0 && s->job.rounds > GENEROUS_AFTER)
        late = s->job.rounds - GENEROUS_AFTER;
    if (cost > 0 && cost + late > left) {
        out->cut = true;
        cost = left > late ? left - late : 0;
        out->need = (uint16_t)(others + cost);
    }
    if (cost > 0)
        p->credit = (int16_t)(p->credit - cost - late);
}

/* A page of the past: all that it takes, or a question who misses what. */
static void share_past(struct mu_cast_sender *s, struct mu_sender_peer *p,
                       const struct mu_need *n, int32_t extra,
                       struct mu_share *out)
{
    int32_t cost = extra;
    bool rest = s->front == s->pages && p->credit >= share_rest_most(s);

    if (rest) {
        p->spent = 0; /* it has waited for this */
        s->rest_for = n->receiver;
        s->rest_page = n->page;
    }
    if (cost == 0)
        return;
    if (out->need > s->conf.shape.page_parity)
        cost = s->conf.shape.page_data;
    if (cost > p->credit && !rest) {
        out->cut = true;
        /* At rest it is asked again when it has earned a page: one symbol after
         * the other would cost a poll each. */
        out->need = s->front < s->pages && p->credit > 0;
        cost = out->need;
    }
    if (out->need == 0 && s->front == s->pages) {
        mu_time at = s->rest_at + share_rest_one(s) *
                     (mu_time)(share_rest_most(s) - p->credit);

        if (at < s->rest_poll_at)
            s->rest_poll_at = at;
    }
    p->credit = (int16_t)(p->credit - cost);
}

int mu_share_grant(struct mu_cast_sender *s, mu_time now,
                   struct mu_sender_peer *p, bool past,
                   const struct mu_need *n, struct mu_share *out)
{
    uint32_t extra = share_extra(s, past, n), most = s->conf.repair_max;

    *out = (struct mu_share){.need = n->need};
    if (s->conf.fair && n->need > s->conf.shape.page_data)
        return MU_ERR_FORBIDDEN; /* no page has so many */
    /* A page of the past has to be sent anew, once. */
    if (past || s->job.serving)
        most += s->conf.shape.page_data;
    if ((p->flags & PEER_KNOWN) == 0 || n->page > p->page) {
        p->spent = 0;
    } else if (n->page < p->page) {
        if (p->regress >= REGRESS_MAX)
            return MU_ERR_FORBIDDEN;
        p->regress++;
        p->spent = 0;
    }
    if (s->conf.fair) {
        share_rest(s, now);
        if (past)
            share_past(s, p, n, (int32_t)extra, out);
        else
            share_present(s, p, n, out);
        if (out->need == 0)
            return MU_ERR_FORBIDDEN;
        extra = extra < out->need ? extra : out->need;
    }
    if (p->spent + extra > most)
        return MU_ERR_FORBIDDEN;
    p->spent = (uint16_t)(p->spent + extra);
    return 0;
}

void mu_share_compare(struct mu_cast_sender *s, uint16_t need, bool cut)
{
    if (need > s->want_most) {
        s->want_second = s->want_most;
        s->want_most = need;
        s->want_cut = cut;
    } else if (need > s->want_second) {
        s->want_second = need;
    }
}

/* One receiver that has bad luck time and again is repaired, but not planned for,
 * and what goes beyond the credit of one is believed when another one says so
 * too. */
void mu_share_learn(struct mu_cast_sender *s)
{
    uint32_t sent = s->job.sent, lost, seen;
    uint16_t want = s->want_cut ? s->want_second : s->want;

    if (s->job.serving || s->job.rounds != 1 || s->members == 0)
        return;
    if (want == 0 && s->want_cut)
        return; /* one alone says that very much is lost */
    if (want == 0) {
        /* Now and then is as it should be; time and again is too much. */
        if (s->silent_runs < 8)
            s->silent_runs++;
        lost = s->silent_runs < 3 ? 1 : s->silent_runs - 1u;
        s->loss -= s->loss * lost / 32;
        return;
    }
    s->silent_runs = 0;
    s->worst_runs = s->worst == s->want_from && s->members > 4
                        ? (uint8_t)(s->worst_runs + 1) : 0;
    s->worst = s->want_from;
    if (s->worst_runs >= WORST_RUNS_MAX) {
        s->worst_runs = WORST_RUNS_MAX;
        return;
    }
    lost = sent - s->page.data + want;
    if (lost > sent)
        lost = sent;
    seen = mu_loss_from_worst(sent, s->members, lost);
    if (seen > MU_LOSS_ONE / 2)
        seen = MU_LOSS_ONE / 2;
    if (seen > s->loss)
        s->loss += (seen - s->loss) / 4;
}
