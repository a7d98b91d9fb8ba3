/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one receiver may cost all others, in symbols that nobody else asked for.
 *
 * Of every page it may cost repair_max, and it may go back to lower pages a few
 * times only. That bounds the whole, and leaves a member who lies several
 * objects' worth. A sender that is fair (conf.fair) lends to each receiver, in
 * two ways.
 *
 * While pages are sent for the first time each of them adds to a credit what bad
 * luck explains at the loss that is learnt, twice. Beyond that counts what another
 * one misses too. Who says that he lost most of the page, and has no credit for
 * it, gets nothing of it: a part would not give him the page.
 *
 * When the last page is done, at rest, there are loans. The first one is small. An
 * honest receiver needs less by what it got of it, so the next one is twice as large,
 * and so on up to a page. Who needs as much as before was deaf, slept, or lies: the
 * next one is half as large. A loan of n symbols is followed by a wait of REST_SHARE
 * times as long as n symbols and a question take on the medium (fewer times where
 * few are). That doubles with every IN_VAIN symbols in a row that did him no good,
 * and with each half of an object's worth that did him none so far, by his own word;
 * who begins anew has had no good of anything. With T the time that the object takes
 * and t the time of rest, one receiver is lent
 *
 *   - who never needs less: twice the first loan, and IN_VAIN symbols whenever t
 *     has doubled;
 *   - who says whatever he likes: 1 + log2(1 + 2 t / (REST_SHARE T)) / 2 objects and
 *     a page. One object at most does him good; of what does not, j halves of an
 *     object take (1 + 2 + 4 + ...) REST_SHARE T / 2 with j summands. One that slept,
 *     or loses half of what he hears, costs as much, and nobody can tell them apart.
 *
 * What many lack at once is nobody's loan: where more than an eighth of the members, and
 * a few, say in one round that they lack most of one page, the medium was at fault,
 * and each of them is served by what serves another. So few as lie together get
 * there only where so many are in need.
 *
 * Who was deaf for a while waits at most half as long again. Polls that one receiver
 * sets off at rest come after waits that double, up to a minute.
 */
#include "cast/share.h"

#include "cast/loss.h"

enum {
    REGRESS_MAX = 3,  /* restarts of a receiver that lost its state */
    REST_SHARE = 8,   /* of the medium at rest: one of so many symbols */
    CREDIT_PAGES = 2, /* that can be saved up */
    FIRST_LOAN = 32,  /* the first one: a page divided by this, */
    LOAN_MIN = 2,     /* but so many symbols at least */
    QUESTION = 2,     /* symbols that a poll is worth, with its answers */
    SHIFT_MAX = 30,   /* doublings of a wait */
    IN_VAIN = 2,      /* symbols in a row that did no good, for each doubling */
    IN_VAIN_ONCE = 2 * IN_VAIN, /* of one loan: it may have been asleep */
    IN_VAIN_MAX = IN_VAIN * SHIFT_MAX,
    MANY = 4,         /* lack a page together: more than these, ... */
    MANY_SHARE = 8,   /* and one member in so many, ... */
    MANY_MAX = 24,    /* but never more are asked for */
    LAST_CALLS = 4, /* of somebody who was called and not heard, after QUESTION_MS */
    QUESTION_MS = 250, /* after the first that was in vain */
    QUESTIONS_MAX = 8,
    QUESTIONS_AGAIN = 8, /* to who does not answer when he may have a loan */
    WINDOW_PACKETS = 20, /* in a window, where no rate tells */
    GENEROUS_AFTER = 4,  /* rounds, from when on repair is rounded up */
    WORST_RUNS_MAX = 3, /* pages in a row of one receiver's bad luck */
};

void mu_share_page(struct mu_cast_sender *s)
{
    uint32_t data = s->page.data, members = s->members > 0 ? s->members : 1;
    uint32_t plan = mu_loss_parity(data, s->page.parity, members, s->loss);
    /* The fewer there are, the less harm one does to how many others. */
    uint32_t more = 2 * plan + 2 + CREDIT_PAGES * data / members;
    int32_t most = CREDIT_PAGES * s->conf.shape.page_data;

    for (uint16_t i = 0; i < s->conf.receivers && s->conf.fair; i++) {
        int16_t *credit = &s->peers[i].credit;
        if (*credit < most)
            *credit = (int16_t)(more < (uint32_t)(most - *credit)
                                    ? *credit + (int32_t)more : most);
    }
}

/* ---- at rest ------------------------------------------------------------ */

/* Each page has been sent and polled, the last one too. */
bool mu_share_rests(const struct mu_cast_sender *s)
{
    return s->front == s->pages && !s->held_valid &&
           (s->job.serving || s->state == MU_SENDER_IDLE);
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

static void share_wait(struct mu_cast_sender *s, struct mu_sender_peer *p,
                       mu_time until)
{
    p->flags |= PEER_WAITS;
    if (until < s->rest_poll_at)
        s->rest_poll_at = until;
}

static mu_time share_until(const struct mu_sender_peer *p)
{
    return p->lend_at > p->question_at ? p->lend_at : p->question_at;
}

/* So long, or up to half as long again: what else is on the medium may have a
 * beat of its own. */
static mu_time share_question_wait(const struct mu_cast_sender *s,
                                   unsigned doublings)
{
    mu_time wait = MU_MS(QUESTION_MS) << doublings;

    return wait + wait / 512 * (uint8_t)(167u * s->round + 89u * (s->round >> 3));
}

bool mu_share_question(struct mu_cast_sender *s, mu_time now,
                       struct mu_sender_peer *p, uint16_t page)
{
    if (!s->conf.fair)
        return true;
    p->asked = page;
    if (now < share_until(p)) {
        share_wait(s, p, share_until(p));
        return false;
    }
    p->question_at = now + share_question_wait(s, p->questions);
    if (p->questions < QUESTIONS_MAX)
        p->questions++;
    if (p->questions < QUESTIONS_AGAIN)
        share_wait(s, p, p->question_at); /* that one may be lost */
    return true;
}

/* Somebody who needed more was called, and was not heard again: a burst may have
 * swallowed all that was said. */
void mu_share_idle(struct mu_cast_sender *s, mu_time now)
{
    if (!s->conf.fair || s->unanswered == 0)
        return;
    s->unanswered = 0;
    s->last_calls = LAST_CALLS;
    s->last_call_at = now + MU_MS(QUESTION_MS);
    if (s->last_call_at < s->rest_poll_at)
        s->rest_poll_at = s->last_call_at;
}

static bool share_last_call(struct mu_cast_sender *s, mu_time now)
{
    if (now < s->last_call_at)
        return false;
    s->last_call_at = s->last_calls == 0 ? MU_TIME_NEVER
                                         : now + (MU_MS(QUESTION_MS)
                                                  << (LAST_CALLS - s->last_calls));
    s->last_calls = (uint8_t)(s->last_calls - (s->last_calls > 0));
    return true;
}

/* The highest page of those who may: who is below answers too. */
bool mu_share_due(struct mu_cast_sender *s, mu_time now, uint32_t *page)
{
    bool due = share_last_call(s, now);

    *page = due ? s->pages - 1 : 0;
    s->rest_poll_at = s->last_call_at;
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        struct mu_sender_peer *p = &s->peers[i];
        if ((p->flags & PEER_WAITS) == 0)
            continue;
        if (share_until(p) > now) {
            share_wait(s, p, share_until(p));
            continue;
        }
        p->flags = (uint8_t)((p->flags & ~PEER_WAITS) | PEER_CALLED);
        /* It may be lost, and it needs more for sure, or as likely as not. */
        if (p->questions < QUESTIONS_AGAIN &&
            (p->lent == 0 || p->lent < p->lent_need || 4 * p->wasted > p->lent_all)) {
            p->question_at = now + share_question_wait(s, p->questions++);
            share_wait(s, p, p->question_at);
        }
        *page = p->asked > *page ? p->asked : *page;
        due = true;
    }
    return due;
}

/* What it says now of its last loan: a quarter of that does it good, at worst it
 * has lost all it had, and what it was lent is lost with it. */
static void share_judge(const struct mu_cast_sender *s,
                        struct mu_sender_peer *p, const struct mu_need *n)
{
    uint16_t most = s->conf.shape.page_data, fell = 0;
    bool same = n->page == p->lent_page;

    if (p->loan == 0)
        p->loan = most / FIRST_LOAN > LOAN_MIN ? most / FIRST_LOAN : LOAN_MIN;
    if (p->lent == 0)
        return;
    if (n->page > p->lent_page)
        fell = p->lent;
    else if (same && n->need < p->lent_need)
        fell = (uint16_t)(p->lent_need - n->need);
    if (fell < p->lent)
        p->wasted += (uint32_t)p->lent - fell;
    if (n->page < p->lent_page || (same && n->need > p->lent_need))
        p->wasted = p->lent_all;
    if (fell == 0) {
        p->loan = p->loan > 1 ? p->loan / 2 : 1;
        p->in_vain = (uint16_t)(p->in_vain + (p->lent < IN_VAIN_ONCE
                                                  ? p->lent : IN_VAIN_ONCE));
        p->in_vain = p->in_vain < IN_VAIN_MAX ? p->in_vain : IN_VAIN_MAX;
    } else {
        p->in_vain = 0;
        p->questions = 0;
        p->question_at = 0;
    }
    if (fell > 0 && 4u * fell >= p->lent)
        p->loan = p->loan < most / 2 ? (uint16_t)(2 * p->loan) : most;
    p->lent = 0;
}

/* How long it waits for the next, in doublings. */
static unsigned share_price(const struct mu_cast_sender *s,
                            const struct mu_sender_peer *p)
{
    uint64_t half = s->conf.size / s->conf.shape.payload / 2 + 1;
    uint64_t shift = p->in_vain / IN_VAIN + p->wasted / half;

    return shift < SHIFT_MAX ? (unsigned)shift : SHIFT_MAX;
}

static uint16_t share_lend(struct mu_cast_sender *s, mu_time now,
                           struct mu_sender_peer *p, const struct mu_need *n,
                           uint32_t cost)
{
    uint16_t lent;

    if (now < p->lend_at) {
        share_wait(s, p, p->lend_at);
        return 0;
    }
    share_judge(s, p, n);
    lent = cost < p->loan ? (uint16_t)cost : p->loan;
    p->lent = lent;
    p->lent_page = n->page;
    p->lent_need = n->need;
    p->lend_at = now + ((lent + QUESTION) * share_rest_one(s)
                        << share_price(s, p));
    p->lent_all += lent;
    share_wait(s, p, p->lend_at);
    return lent;
}

static bool share_many(const struct mu_cast_sender *s)
{
    uint32_t many = MANY + s->members / MANY_SHARE;

    return s->common.count > (many < MANY_MAX ? many : MANY_MAX);
}

/* Each counts once a round; and a page counts when two say that they lack it. */
static bool share_common(struct mu_cast_sender *s,
                         const struct mu_sender_peer *p,
                         const struct mu_need *n)
{
    struct mu_sender_common *c = &s->common;
    bool first = (p->flags & PEER_KNOWN) == 0 || p->round != n->round;

    if (2u * n->need <= s->conf.shape.page_data)
        return false;
    if (c->round != n->round)
        *c = (struct mu_sender_common){.round = n->round};
    c->count = (uint16_t)(c->count + first);
    for (uint8_t i = 0; i < c->len; i++) {
        if (c->pages[i] == n->page)
            return first && share_many(s);
    }
    if (first && c->len < MU_SENDER_WITNESSES)
        c->pages[c->len++] = n->page;
    return false;
}

/* Loans are out: nobody gets another before its time. */
bool mu_share_lent(const struct mu_cast_sender *s)
{
    return s->conf.fair && mu_share_rests(s) && s->job.sent > 0 &&
           !share_many(s) && s->rest_poll_at != MU_TIME_NEVER;
}

/* ---- what an answer adds ------------------------------------------------ */

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
static uint32_t share_overlap(const struct mu_cast_sender *s,
                              const struct mu_need *n)
{
    uint32_t both = 0;

    for (size_t i = 0; i < n->bitmap.len && i < MU_SYMBOL_SET; i++) {
        unsigned bits = n->bitmap.data[i] & s->job.queue[i];
        for (; bits != 0; bits &= bits - 1)
            both++;
    }
    return both;
}

/* A page of the past, at rest: a small need at once, else a question who misses
 * what; the answer to that has the loan. */
static void share_rest_past(struct mu_cast_sender *s, mu_time now,
                            struct mu_sender_peer *p, const struct mu_need *n,
                            uint32_t cost, bool called, struct mu_share *out)
{
    if (now >= share_until(p) || (called && now >= p->lend_at)) {
        share_judge(s, p, n);
        /* Later it may have that parity. */
        if (p->lent_all == 0 && cost <= p->loan &&
            n->need <= s->conf.shape.page_parity) {
            (void)share_lend(s, now, p, n, cost);
            return;
        }
    }
    out->cut = true;
    out->need = 1;
    if (called && now >= p->lend_at)
        share_wait(s, p, share_until(p)); /* if that is lost */
    else if (!mu_share_question(s, now, p, n->page))
        out->need = 0;
}

/* The page at work, or past, at rest. */
static void share_rest(struct mu_cast_sender *s, mu_time now,
                       struct mu_sender_peer *p, bool past,
                       const struct mu_need *n, uint32_t cost,
                       struct mu_share *out)
{
    uint32_t others = n->need - cost;
    bool called = (p->flags & PEER_CALLED) != 0;

    p->flags = (uint8_t)(p->flags & ~(PEER_WAITS | PEER_CALLED));
    p->asked = n->page;
    if (cost == 0 || share_common(s, p, n))
        return;
    if (past) {
        share_rest_past(s, now, p, n, cost, called, out);
        return;
    }
    out->need = (uint16_t)(others + share_lend(s, now, p, n, cost));
    out->cut = out->need < n->need;
}

/* The page at work: as much as the credit is good for, or as another one misses
 * too. Who says that he lost most of the page is not helped by a part of it. */
static void share_present(const struct mu_cast_sender *s,
                          struct mu_sender_peer *p, const struct mu_need *n,
                          uint32_t others, struct mu_share *out)
{
    int32_t cost, late = 0;

    if (p->round != n->round && s->want_most > others)
        others = s->want_most;
    cost = n->need > others ? (int32_t)(n->need - others) : 0;
    if (cost > 0 && s->job.rounds > GENEROUS_AFTER)
        late = s->job.rounds - GENEROUS_AFTER;
    if (cost > 0 && cost + late > p->credit) {
        cost = p->credit > late && 2u * n->need <= s->page.data
                   ? p->credit - late : 0;
        out->cut = true;
        out->need = (uint16_t)(others + (uint32_t)cost);
    }
    if (cost > 0)
        p->credit = (int16_t)(p->credit - cost - late);
}

/* A page of the past: all that it takes, or a question who misses what. */
static void share_past(const struct mu_cast_sender *s,
                       struct mu_sender_peer *p, int32_t extra,
                       struct mu_share *out)
{
    int32_t cost = extra;

    if (cost == 0)
        return;
    if (out->need > s->conf.shape.page_parity)
        cost = s->conf.shape.page_data;
    if (cost > p->credit) {
        out->cut = true;
        out->need = extra <= p->credit;
        cost = out->need;
    }
    p->credit = (int16_t)(p->credit - cost);
}

static void share_fair(struct mu_cast_sender *s, mu_time now,
                       struct mu_sender_peer *p, bool past,
                       const struct mu_need *n, uint32_t extra,
                       struct mu_share *out)
{
    /* A bitmap costs what nobody else misses, a number what is above others'. */
    uint32_t others = (s->flags & MU_POLL_BITMAP) != 0 ? share_overlap(s, n)
                                                       : s->want;

    if (mu_share_rests(s))
        share_rest(s, now, p, past, n,
                   past ? extra : n->need > others ? n->need - others : 0, out);
    else if (past)
        share_past(s, p, (int32_t)extra, out);
    else
        share_present(s, p, n, others, out);
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
        if (p->regress >= REGRESS_MAX && !s->conf.fair)
            return MU_ERR_FORBIDDEN;
        p->regress = (uint8_t)(p->regress + (p->regress < REGRESS_MAX));
        p->spent = 0;
    }
    if (s->conf.fair) {
        share_fair(s, now, p, past, n, extra, out);
        if (out->need == 0)
            return MU_ERR_FORBIDDEN;
        if (mu_share_rests(s))
            return 0; /* loans are bound by themselves */
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
