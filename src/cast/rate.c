/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two signals. The first is the queue: the time from a poll to the answers to
 * it, less the shortest of the last ten minutes. The poll goes behind the
 * page, so it waits for all that the page has left in queues on the way; how
 * much of the page's time that is tells what got through (delivered). The second
 * is the loss of a receiver, when it is more than luck explains at the loss that
 * the radio is known for. With a queue it is the medium's; without one we slow
 * down twice, send no parity that would hide it, and look whether it goes away.
 * If it does not, it is the radio's, and the rate is what it was.
 *
 * Whose word counts: of the times the median, of the losses the second largest
 * (of eight receivers and more that of one in eight), so no receiver alone
 * slows down the others. All together cannot bring it below `least`.
 */
#include "cast/rate.h"

#include "cast/loss.h"

enum {
    TARGET_MS = 10,       /* of queue: more than that is others' time, */
    TARGET_MS_MIN = 3,    /* less where it was never long: */
    TARGET_PART = 4,      /* that part of the longest */
    DEPTH_FADE = 64,
    TARGET_PACKETS = 3,   /* and so many on the medium, where it is slow */
    START_PART = 4,       /* begins at that part of the most */
    GROW = 8,             /* by that part a page, */
    GROW_STALE = 3,       /* and after so many pages with room */
    GROW_RUNS = 3,        /* doubling so often; until then by half of it above
                           * what was too much */
    DOUBTS_MAX = 2,       /* cuts that losses do not answer to */
    CUT = 5,              /* by that part a page, when the queue is twice */
    MARGIN = 32,          /* losses: one of so many packets beyond luck */
    LUCK = 64,            /* the unluckiest of so many is still luck */
    PACKETS_MIN = 12,     /* a train shorter than that says nothing */
    STRAINED_MIN = 2,     /* pages in a row with a queue, and it is others' */
    BACKLOG_MS = 5,
    BACKLOG_PACKETS = 8,
    ONE_IN = 8,           /* receivers; whose loss counts */
    WINDOW_PACKETS = 20,  /* as sender.c has it */
    WINDOW_MS_MAX = 5000,
};

/* ---- the rate ---- */

void mu_rate_init(struct mu_rate *r, uint32_t most, uint16_t loss_permille)
{
    *r = (struct mu_rate){
        .most = most,
        .least = most / MU_RATE_FLOOR,
        .rate = most / START_PART,
        .loss = (uint32_t)loss_permille * MU_LOSS_ONE / 1000,
    };
    if (r->least == 0)
        r->least = 1;
    if (r->rate < r->least)
        r->rate = r->least;
}

static void rate_set(struct mu_rate *r, uint64_t rate)
{
    if (rate < r->least)
        rate = r->least;
    r->rate = rate < r->most ? (uint32_t)rate : r->most;
}

/* The shortest time of the last minutes, with this one. */
static mu_time rate_base(struct mu_rate *r, mu_time now, mu_time rtt)
{
    uint64_t minute = now / MU_SECONDS(60);
    mu_time base = rtt, *here;

    while (r->minute < minute) {
        if (minute - r->minute > MU_RATE_BASES)
            r->minute = minute - MU_RATE_BASES;
        r->minute++;
        r->bases[r->minute % MU_RATE_BASES] = 0;
    }
    here = &r->bases[minute % MU_RATE_BASES];
    if (*here == 0 || rtt < *here)
        *here = rtt;
    for (unsigned i = 0; i < MU_RATE_BASES; i++) {
        if (r->bases[i] != 0 && r->bases[i] < base)
            base = r->bases[i];
    }
    return base;
}

static mu_time rate_target(const struct mu_rate *r, uint32_t packet)
{
    uint32_t medium = r->known > r->rate ? r->known : r->rate;
    mu_time least = MU_SECONDS(packet) * TARGET_PACKETS / medium;
    mu_time target = r->depth / TARGET_PART;

    if (r->depth == 0 || target > MU_MS(TARGET_MS))
        target = MU_MS(TARGET_MS);
    if (target < MU_MS(TARGET_MS_MIN))
        target = MU_MS(TARGET_MS_MIN);
    return target > least ? target : least;
}

/* So much was sent that it tells what gets through. */
static bool rate_train(const struct mu_rate_seen *seen)
{
    return seen->bytes >= (uint64_t)PACKETS_MIN * seen->packet;
}

/* The queue is too long: down to what got through, as it may be our own; and when
 * that did not help it is others', and down further. */
static void rate_queued(struct mu_rate *r, mu_time queue, mu_time target,
                        const struct mu_rate_seen *seen)
{
    mu_time time = MU_SECONDS(seen->bytes) / r->rate;
    uint64_t through = rate_train(seen)
                           ? (uint64_t)r->rate * time / (time + queue)
                           : r->rate;
    mu_time over = queue - target < target ? queue - target : target;
    uint64_t cut = r->rate - (uint64_t)r->rate / CUT * over / target;

    r->known = (uint32_t)through;
    if (queue > r->depth)
        r->depth = queue;
    r->started = true;
    r->quiet = 0;
    rate_set(r, through < cut || ++r->strained < STRAINED_MIN ? through : cut);
    if (r->strained > STRAINED_MIN)
        r->strained = STRAINED_MIN;
}

/* More than bad luck is lost. False: that is how it is here. */
static bool rate_lost(struct mu_rate *r, bool queued,
                      const struct mu_rate_seen *seen)
{
    uint32_t luck, permille, seen_loss, cut;

    if (seen->sent == 0)
        return false;
    luck = mu_loss_worst(seen->sent, LUCK * seen->crowd, r->loss);
    permille = seen->lost * 1000 / seen->sent;
    seen_loss = mu_loss_from_worst(seen->sent, seen->crowd, seen->lost);
    if (seen->most || seen->lost <= luck / 256 + seen->sent / MARGIN) {
        r->doubts = 0;
        if (seen_loss < r->loss || (!queued && !seen->most))
            r->loss = (3 * r->loss + seen_loss) / 4;
        return false;
    }
    if (r->doubts == DOUBTS_MAX && !queued &&
        permille * 4 > r->doubt_lost * 3) {
        r->doubts = 0;
        r->known = 0;
        r->loss = seen_loss < MU_LOSS_ONE / 2 ? seen_loss : MU_LOSS_ONE / 2;
        rate_set(r, r->doubt_rate);
        return false;
    }
    if (queued || permille * 4 <= r->doubt_lost * 3)
        r->doubts = 0;
    if (r->doubts == 0) {
        r->doubt_lost = permille;
        r->doubt_rate = r->rate;
    }
    r->doubts = queued ? 0 : (uint8_t)(r->doubts + 1);
    if (seen_loss > r->loss)
        r->known = (uint32_t)((uint64_t)r->rate *
                              (MU_LOSS_ONE - seen_loss + r->loss) >> 16);
    cut = seen_loss > r->loss ? 2 * (seen_loss - r->loss) : 0;
    if (cut < MU_LOSS_ONE / 4) /* so that it shows */
        cut = MU_LOSS_ONE / 4;
    if (cut > MU_LOSS_ONE / 2)
        cut = MU_LOSS_ONE / 2;
    r->started = true;
    r->quiet = 0;
    rate_set(r, r->rate - ((uint64_t)r->rate * cut >> 16));
    return true;
}

/* There is room: more, and ever more while there still is; but what was too much
 * before is come to slowly. */
static void rate_grow(struct mu_rate *r, mu_time queue, mu_time target)
{
    unsigned stale = r->quiet > GROW_STALE ? r->quiet - GROW_STALE : 0;
    unsigned runs = stale < GROW_RUNS ? stale : GROW_RUNS;
    uint64_t more = ((uint64_t)r->rate << runs) / GROW + 1;
    uint64_t to;

    if (!r->started && r->quiet > 0)
        more = r->rate;
    to = r->rate + more * (target - queue) / target;
    if (r->known > r->rate && to > r->known)
        to = r->known;
    else if (r->known != 0 && r->quiet < GROW_STALE)
        to = r->rate + r->rate / (2 * GROW) * (target - queue) / target;
    rate_set(r, to);
}

void mu_rate_learn(struct mu_rate *r, mu_time now,
                   const struct mu_rate_seen *seen)
{
    mu_time time = MU_SECONDS(seen->bytes) / r->rate, target, queue = 0;
    uint64_t got;

    if (seen->silent) {
        r->started = true;
        r->quiet = 0;
        rate_set(r, r->rate / 2);
        return;
    }
    target = rate_target(r, seen->packet);
    if (seen->rtt != 0)
        queue = seen->rtt - rate_base(r, now, seen->rtt);
    else
        r->quiet = 0; /* nobody says so: carefully */
    r->queue = queue;
    r->depth -= r->depth / DEPTH_FADE;
    if (rate_lost(r, queue > target, seen) && queue <= target)
        return;
    if (queue > target) {
        rate_queued(r, queue, target, seen);
        return;
    }
    r->strained = 0;
    if (seen->took > time + time / 4 + MU_MS(1)) {
        /* Held back by the machine or its socket: not by the rate. */
        got = MU_SECONDS(seen->bytes) / seen->took;
        r->known = (uint32_t)(got < r->most ? got : r->most);
        r->started = true;
        r->quiet = 0;
        rate_set(r, got + got / GROW < r->rate ? got + got / GROW : r->rate);
    } else if (r->doubts == 0 && rate_train(seen)) {
        rate_grow(r, queue, target);
        if (r->quiet < UINT8_MAX && seen->rtt != 0)
            r->quiet++;
    }
}

mu_time mu_rate_backlog(const struct mu_rate *r, uint32_t bytes,
                        uint32_t packet)
{
    uint64_t room = (uint64_t)r->rate * BACKLOG_MS / 1000;

    if (room < (uint64_t)packet * BACKLOG_PACKETS)
        room = (uint64_t)packet * BACKLOG_PACKETS;
    return bytes <= room ? 0 : MU_SECONDS(bytes - room) / r->rate + 1;
}

/* ---- what a sender gathers ---- */

uint32_t mu_rate_turn_loss(const struct mu_cast_sender *s)
{
    const struct mu_rate *r = s->conf.yield;

    return r != NULL && r->doubts > 0 ? 0 : s->loss;
}

static uint32_t turn_packet(const struct mu_cast_sender *s)
{
    return (uint32_t)s->conf.shape.payload + s->conf.overhead;
}

static void turn_begin(struct mu_rate_turn *t)
{
    t->times_len = 0;
    t->needs_len = 0;
    t->bytes = 0;
    t->packets = 0;
    t->begun = 0;
    t->took = 0;
}

/* The rate as it is now, and windows in which an answer still comes in time. */
static void turn_follow(struct mu_cast_sender *s, mu_time way)
{
    uint64_t ms = way * 2 / 1000, packets;

    s->conf.rate = s->conf.yield->rate;
    packets = WINDOW_PACKETS * (uint64_t)turn_packet(s) * 1000 / s->conf.rate;
    if (ms < packets)
        ms = packets;
    if (ms < s->turn.window_ms)
        ms = s->turn.window_ms;
    s->conf.window_ms = (uint16_t)(ms < WINDOW_MS_MAX ? ms : WINDOW_MS_MAX);
}

void mu_rate_turn_init(struct mu_cast_sender *s)
{
    s->turn = (struct mu_rate_turn){.window_ms = s->conf.window_ms};
    if (s->conf.yield != NULL)
        turn_follow(s, 0);
}

void mu_rate_turn_sent(struct mu_cast_sender *s, mu_time now, size_t len)
{
    struct mu_rate_turn *t = &s->turn;

    if (s->conf.yield == NULL || s->state != MU_SENDER_SEND)
        return;
    if (t->begun == 0)
        t->begun = now > 0 ? now : 1;
    t->bytes += len;
    t->packets++;
}

void mu_rate_turn_poll(struct mu_cast_sender *s, mu_time now,
                       uint16_t window_ms)
{
    struct mu_rate_turn *t = &s->turn;
    unsigned at = s->round % MU_RATE_POLLS;

    if (s->conf.yield == NULL || (t->valid[at] && t->rounds[at] == s->round))
        return;
    t->valid[at] = true;
    t->rounds[at] = s->round;
    t->polled[at] = now;
    t->windows[at] = (s->flags & (MU_POLL_ALL | MU_POLL_ASKED)) != 0
                         ? window_ms / 4u : 0;
    t->times_len = 0;
    t->needs_len = 0;
    t->answers = 0;
    t->behind = 0;
    if (t->begun != 0)
        t->took += now - t->begun;
    t->begun = 0;
}

static void turn_need(struct mu_rate_turn *t, uint16_t need)
{
    unsigned i;

    if (t->needs_len == MU_RATE_LOSSES && t->needs[t->needs_len - 1] >= need)
        return;
    if (t->needs_len < MU_RATE_LOSSES)
        t->needs_len++;
    for (i = t->needs_len - 1u; i > 0 && t->needs[i - 1] < need; i--)
        t->needs[i] = t->needs[i - 1];
    t->needs[i] = need;
}

void mu_rate_turn_answer(struct mu_cast_sender *s, mu_time now,
                         const struct mu_need *n)
{
    struct mu_rate_turn *t = &s->turn;
    unsigned at = n->round % MU_RATE_POLLS, i;
    uint32_t time, wait, called;

    if (s->conf.yield == NULL || !t->valid[at] || t->rounds[at] != n->round)
        return;
    if (n->round == s->round && n->page == s->job.page) {
        t->answers++;
        turn_need(t, n->need);
    } else if (n->page < s->job.page && n->need > 0) {
        t->behind++;
    }
    if (t->times_len == MU_RATE_TIMES || now < t->polled[at])
        return;
    /* Called ones spread their answers evenly: the wait of the nth is known. */
    called = s->members > 0 ? s->members : 1;
    wait = (t->times_len + 1u) * t->windows[at] * 1000u / (called + 1u);
    time = (uint32_t)(now - t->polled[at]);
    time = time > wait ? time - wait : 1;
    for (i = t->times_len++; i > 0 && t->times[i - 1] > time; i--)
        t->times[i] = t->times[i - 1];
    t->times[i] = time;
}

/* Whose loss counts, from the largest on. */
static unsigned turn_who(const struct mu_cast_sender *s)
{
    unsigned who = s->members < 3 ? 0 : s->members / ONE_IN;

    if (s->members >= 3 && who == 0)
        who = 1;
    return who < MU_RATE_LOSSES ? who : MU_RATE_LOSSES - 1u;
}

/* What of the page at work was lost, told once. Without a need it is what parity
 * made good: half of what was expected, as far as we know. */
static bool turn_loss(struct mu_cast_sender *s, unsigned who,
                      struct mu_rate_seen *seen)
{
    struct mu_rate_turn *t = &s->turn;
    uint32_t sent = s->job.sent, more = sent - s->page.data;
    uint32_t usual = (uint32_t)((uint64_t)sent * s->loss / MU_LOSS_ONE / 2);

    if (s->job.serving || sent < s->page.data || t->answers == 0 ||
        t->told == s->job.page + 1)
        return false;
    t->told = s->job.page + 1;
    seen->sent = sent;
    seen->most = t->needs_len <= who || t->needs[who] == 0;
    seen->lost = more < usual ? more : usual;
    if (!seen->most)
        seen->lost = more + t->needs[who] < sent ? more + t->needs[who] : sent;
    return true;
}

void mu_rate_turn_close(struct mu_cast_sender *s, mu_time now)
{
    struct mu_rate_turn *t = &s->turn;
    struct mu_rate *r = s->conf.yield;
    bool called = (s->flags & MU_POLL_ALL) != 0, train, loss;
    unsigned who = called ? turn_who(s) : s->members < 3 ? 0 : 1;
    struct mu_rate_seen seen = {
        .rtt = t->times_len > 0 ? t->times[t->times_len / 2] : 0,
        .bytes = t->bytes,
        .took = t->took,
        .packet = turn_packet(s),
        .crowd = called ? (s->members < ONE_IN ? s->members : ONE_IN)
                        : s->members,
    };

    if (r == NULL || s->calling)
        return;
    train = t->packets >= PACKETS_MIN;
    loss = turn_loss(s, who, &seen);
    seen.silent = train && ((called && t->times_len == 0) || t->behind > who);
    if (!train && !loss)
        return;
    mu_rate_learn(r, now, &seen);
    turn_begin(t);
    turn_follow(s, seen.rtt);
}
