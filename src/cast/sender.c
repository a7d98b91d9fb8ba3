/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sender. A page is sent as a set of queued symbols; when the set is empty
 * a poll closes the round, answers queue more, and silence ends the page.
 * Pages never sent yet are the front; between them those of the past are served.
 *
 * What one receiver can cost is bounded: answers count once a round, only while
 * they are fresh, and as far as share.c grants it.
 */
#include "muster/cast_sender.h"

#include "cast/loss.h"
#include "cast/page.h"
#include "cast/parity.h"
#include "cast/peers.h"
#include "cast/rate.h"
#include "cast/repair.h"
#include "cast/share.h"
#include "cast/spare.h"

enum {
    ROUNDS_MAX = 100,   /* polls of a page: half of what a round number tells */
    ROUNDS_FRESH = 32,  /* answers to polls this far back still say something */
    ROUNDS_OLD = 128,   /* older ones would look new when the number wraps */
    GAP_NEAR = 4,       /* pages behind that are made good at once */
    CALL_COPIES_MAX = 5, /* of a poll that all answer */
    CALLS_MAX = 3,      /* polls of a page that call receivers by name */
    ROLL_CALLS_MAX = 8, /* polls before the first page */
    BEHIND_FIRST = 8,   /* symbols of a page before who is behind is called */
    BEHIND_AFTER = 64,  /* and so many later, then twice that, ... */
    UNHEARD_MAX = 8,    /* times a receiver may say that it has no manifest */
    PREEMPTS_MAX = 2,   /* times a page is put aside for an earlier one */
    LATE_MS = 20,       /* of the caller: answers may lie unread */
    LATE_MAX = 3,       /* times in a round that they are waited for */
    CATCH_UP_MS = 5,    /* lateness of the caller that the pace makes good */
    REST_WAIT_MS = 250, /* for answers, when all pages have been sent */
    WINDOW_MS_MIN = 4,
    WINDOW_MS_WIDE = 5000,
    WINDOW_PACKETS = 20, /* that a window is long at least */
    NEED_BYTES = 16,    /* of an answer without a bitmap */
};

/* ---- set-up ---- */

size_t mu_cast_sender_work(const struct mu_cast_sender_conf *conf)
{
    /* The peers come first: the caller's memory is aligned for them. */
    return (size_t)conf->receivers * sizeof(struct mu_sender_peer) +
           mu_cast_block_size(&conf->shape);
}

/* On a slow medium an answer is heard late, and so is the repair that makes others
 * silent: the window holds a number of packets. */
static void sender_widen(struct mu_cast_sender *s)
{
    uint64_t packet = (uint64_t)s->conf.shape.payload + s->conf.overhead;
    uint64_t ms = s->conf.rate == 0
                      ? 0 : WINDOW_PACKETS * packet * 1000 / s->conf.rate;

    if (ms > WINDOW_MS_WIDE)
        ms = WINDOW_MS_WIDE;
    if (s->conf.window_ms < ms)
        s->conf.window_ms = (uint16_t)ms;
    if (s->conf.window_ms < WINDOW_MS_MIN)
        s->conf.window_ms = WINDOW_MS_MIN;
}

int mu_cast_sender_init(struct mu_cast_sender *s,
                        const struct mu_cast_sender_conf *conf, void *work,
                        size_t work_len, mu_time now)
{
    int rc = mu_cast_page_first(&conf->shape, conf->size,
                                &(struct mu_cast_page){0});

    if (rc != 0)
        return rc;
    if (work_len < mu_cast_sender_work(conf))
        return MU_ERR_NO_SPACE;
    if ((uintptr_t)work % _Alignof(struct mu_sender_peer) != 0)
        return MU_ERR_USAGE;
    *s = (struct mu_cast_sender){.conf = *conf};
    s->peers = work;
    s->block = (uint8_t *)work +
               (size_t)conf->receivers * sizeof(struct mu_sender_peer);
    s->pages = mu_cast_pages(&conf->shape, conf->size);
    s->loss = (uint32_t)conf->loss_permille * MU_LOSS_ONE / 1000;
    if (s->loss > MU_LOSS_ONE / 2)
        s->loss = MU_LOSS_ONE / 2;
    sender_widen(s);
    mu_rate_turn_init(s);
    if (s->conf.rounds_max == 0 || s->conf.rounds_max > ROUNDS_MAX)
        s->conf.rounds_max = ROUNDS_MAX;
    /* Polls of a sender before a restart shall not look like these. */
    rc = conf->crypto->random(conf->crypto->ctx, &s->round, 1);
    if (rc != 0)
        return rc;
    mu_cast_sender_seek(s, 0, now);
    return 0;
}

static void sender_stall(struct mu_cast_sender *s)
{
    s->state = MU_SENDER_STALLED;
    s->job = (struct mu_sender_job){.page = s->pages};
}

void mu_cast_sender_seek(struct mu_cast_sender *s, uint32_t page, mu_time now)
{
    mu_zero(s->peers, s->conf.receivers * sizeof(*s->peers));
    s->error = 0;
    s->front = page < s->pages ? page : s->pages - 1;
    s->held_valid = false;
    s->behind_valid = false;
    s->behind_urgent = false;
    mu_zero(s->spares, sizeof(s->spares));
    s->send_at = now;
    s->rest_poll_at = s->last_call_at = MU_TIME_NEVER;
    sender_stall(s);
}

void mu_cast_sender_ready(struct mu_cast_sender *s, uint32_t ready)
{
    if (ready > s->ready)
        s->ready = ready < s->pages ? ready : s->pages;
}

void mu_cast_sender_control(struct mu_cast_sender *s,
                            const struct mu_secret *kctl, uint8_t kg)
{
    s->kctl = *kctl;
    s->kg = kg;
}

void mu_cast_sender_pause(struct mu_cast_sender *s, bool paused)
{
    /* Answers that came in or were missed meanwhile are asked for again. */
    if (s->paused && !paused && s->state == MU_SENDER_WAIT)
        s->state = MU_SENDER_POLL;
    s->paused = paused;
}

void mu_cast_sender_ask(struct mu_cast_sender *s, mu_time now)
{
    if (s->state == MU_SENDER_IDLE)
        s->rest_poll_at = s->last_call_at = now;
}

/* ---- pages ---- */

/* Reads the block of a page. */
static bool sender_load(struct mu_cast_sender *s, uint32_t index)
{
    const struct mu_object *o = s->conf.prepared;
    int rc = mu_cast_page_at(&s->conf.shape, s->conf.size, index, &s->page);

    if (rc == 0)
        rc = o->read(o->ctx, s->page.block_at, s->block,
                     (size_t)s->page.data * s->page.symbol_len);
    if (rc != 0) {
        s->error = rc;
        sender_stall(s);
    }
    return rc == 0;
}

/* Counts members, and forgets round numbers before they wrap. */
static void sender_census(struct mu_cast_sender *s)
{
    s->members = 0;
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        struct mu_sender_peer *p = &s->peers[i];
        if ((uint8_t)(s->round - p->round) >= ROUNDS_OLD)
            p->flags = (uint8_t)(p->flags & ~PEER_KNOWN);
        if (mu_peers_awaited(s->conf.peers, i))
            s->members++;
    }
}

static bool sender_answer_all(const struct mu_cast_sender *s)
{
    return s->members <= s->conf.answer_all_max;
}

static unsigned sender_packets(const struct mu_cast_sender *s)
{
    return mu_page_packets(&s->page);
}

static void sender_queue_data(struct mu_cast_sender *s)
{
    for (unsigned i = 0; i < s->page.data; i++)
        mu_set_add(s->job.queue, i);
}

/* Begins a page that was never sent. */
static void sender_begin_front(struct mu_cast_sender *s)
{
    if (!sender_load(s, s->front))
        return;
    sender_census(s);
    mu_share_page(s);
    s->calling = s->conf.roll_call && s->front == 0;
    s->calls = s->silent = 0;
    s->job = (struct mu_sender_job){
        .page = s->front++,
        .call_at = BEHIND_FIRST,
    };
    s->preempts = 0;
    s->behind_turns = 0;
    sender_queue_data(s);
    mu_spare_queue(s, mu_repair_plan(s), false);
    s->state = s->calling ? MU_SENDER_POLL : MU_SENDER_SEND;
}

/* Begins to serve a page of the past, of which somebody needs so much. */
static void sender_begin_past(struct mu_cast_sender *s, uint32_t page,
                              unsigned need)
{
    unsigned more;
    bool again;

    if (!sender_load(s, page))
        return;
    sender_census(s);
    s->job = (struct mu_sender_job){.page = page, .serving = true};
    again = mu_spare_begin(s);
    /* Without parity the poll asks who misses what. */
    if (s->behind_valid && s->behind_exact && need == 0)
        mu_spare_spend(s);
    s->behind_valid = false;
    s->behind_urgent = false;
    s->behind_exact = false;
    s->state = MU_SENDER_SEND;
    if (need == 0)
        return; /* a poll is all */
    s->job.doubtful = again;
    if (s->behind_turns < UINT8_MAX)
        s->behind_turns++;
    /* A page is sent anew where that costs less than to ask what is missing. */
    if (need >= s->page.data || need > s->page.parity ||
        (s->page.data <= BEHIND_FIRST && !mu_spare_left(s))) {
        sender_queue_data(s);
        more = mu_loss_parity(s->page.data, s->page.parity, 1, s->loss);
    } else {
        more = need + mu_loss_parity(need, s->page.parity, 1, s->loss);
    }
    mu_spare_queue(s, more, true);
}

/* Takes up the page that was put aside; what was queued still is. */
static void sender_resume(struct mu_cast_sender *s)
{
    s->held_valid = false;
    if (!sender_load(s, s->held.page))
        return;
    s->job = s->held;
    s->state = MU_SENDER_SEND;
    /* Was it enough? Who missed what was served asks again when he is called. */
    if (!sender_answer_all(s) && s->job.call_at > s->job.sent + BEHIND_FIRST)
        s->job.call_at = (uint16_t)(s->job.sent + BEHIND_FIRST);
}

/* Who is behind by little catches up before the front goes on, or all that
 * follows would have to be sent twice; who is far behind gets two pages of
 * the past for one of the front: he comes nearer, and nobody stands still. */
static bool sender_past_first(const struct mu_cast_sender *s, uint32_t page)
{
    return s->front - page <= GAP_NEAR || s->behind_turns < 2;
}

/* What comes after a page that is finished, or when nothing was at work. */
static void sender_go_on(struct mu_cast_sender *s)
{
    bool served = s->state != MU_SENDER_STALLED && s->job.serving;
    bool front = s->front < s->pages && s->front < s->ready;

    if (s->held_valid) {
        sender_resume(s);
    } else if (s->behind_valid &&
               (!front || sender_past_first(s, s->behind_page))) {
        sender_begin_past(s, s->behind_page, s->behind_need);
    } else if (served && s->job.page + 1 < s->front &&
               (!front || sender_past_first(s, s->job.page + 1))) {
        /* Is anybody behind still? A poll of the last page begun tells. */
        sender_begin_past(s, s->front - 1, 0);
    } else if (front) {
        sender_begin_front(s);
    } else if (s->front < s->pages) {
        sender_stall(s);
    } else {
        s->state = MU_SENDER_IDLE;
    }
}

static void sender_preempt(struct mu_cast_sender *s)
{
    s->held = s->job;
    s->held_valid = true;
    s->preempts++;
    sender_begin_past(s, s->behind_page, s->behind_need);
}

/* ---- rounds ---- */

/* Queues what the answers of this round ask for. */
static void sender_repair(struct mu_cast_sender *s)
{
    s->job.doubtful = s->loss > MU_LOSS_ONE / 10;
    /* With a bitmap poll the answers have filled the queue already. */
    if ((s->flags & MU_POLL_BITMAP) == 0 && !mu_repair_alone(s))
        mu_spare_queue(s, mu_repair_more(s, s->want), s->job.serving);
    s->state = MU_SENDER_SEND;
}

/* Members that have not answered for two pages count as absent: nobody waits
 * for them until they are heard again. */
static void sender_note_absent(struct mu_cast_sender *s)
{
    if (!sender_answer_all(s) || s->job.serving)
        return;
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        struct mu_sender_peer *p = &s->peers[i];
        if ((p->flags & PEER_HEARD) == 0 &&
            mu_peers_awaited(s->conf.peers, i))
            p->flags |= (p->flags & PEER_MISSED) != 0 ? PEER_ABSENT
                                                      : PEER_MISSED;
        p->flags = (uint8_t)(p->flags & ~PEER_HEARD);
    }
}

/* Before the first page: a page that somebody cannot even begin would be sent
 * again for him alone. Another announcement is out by now. */
static void sender_close_call(struct mu_cast_sender *s)
{
    /* Silent ones: where much is lost, the word of the last one may be. */
    uint8_t wanted = s->loss > MU_LOSS_ONE / 10 ? 2 : 1;

    s->silent = s->absent ? 0 : (uint8_t)(s->silent + 1);
    s->calling = s->silent < wanted && s->calls < ROLL_CALLS_MAX;
    s->state = s->calling ? MU_SENDER_POLL : MU_SENDER_SEND;
    s->job.rounds = s->calling ? s->job.rounds : 0;
}

/* The window of a poll is over, or all have answered. */
static void sender_close_round(struct mu_cast_sender *s)
{
    /* Once more for who was called and did not answer; but not for ever. */
    bool deaf = s->unanswered > 0 && s->job.rounds <= CALLS_MAX;

    if (s->calling) {
        sender_close_call(s);
        return;
    }
    mu_share_learn(s);
    if (s->job.rounds >= s->conf.rounds_max) {
        sender_note_absent(s);
        sender_go_on(s);
    } else if (s->want > 0) {
        sender_repair(s);
    } else if (s->job.doubtful || deaf) {
        /* Once more, only for who needs something. Where much is lost, an
         * answer may be lost too, and leaving somebody behind costs a page. */
        s->job.doubtful = false;
        s->state = MU_SENDER_POLL;
    } else {
        sender_note_absent(s);
        sender_go_on(s);
    }
}

/* Copies of a poll so that nearly nobody misses all of them; where all answer they
 * go out while somebody has not. */
static uint8_t sender_poll_copies(const struct mu_cast_sender *s)
{
    uint64_t deaf = (uint64_t)s->unanswered * MU_LOSS_ONE;
    uint8_t copies = 1;

    if (s->unanswered > 0) {
        while ((deaf = deaf * s->loss / MU_LOSS_ONE) > MU_LOSS_ONE / 64 &&
               copies < CALL_COPIES_MAX)
            copies++;
        return copies;
    }
    if (s->loss > MU_LOSS_ONE / 8)
        return s->job.rounds > 1 ? 2 : 3; /* few are meant by the later ones */
    return s->loss > MU_LOSS_ONE / 100 ? 2 : 1;
}

/* Did it ask for more of this page, as far as we know? */
static bool sender_asked(const struct mu_cast_sender *s,
                         const struct mu_sender_peer *p)
{
    return (p->flags & PEER_KNOWN) != 0 && p->need > 0 &&
           p->need < s->page.data && p->page == s->job.page;
}

/* Where few receive, those from whom an answer is due are counted, and the last
 * answer ends the round: first from all, then from who asked for more. */
static void sender_call(struct mu_cast_sender *s)
{
    bool all = s->job.rounds == 0 || s->calling;

    /* At rest nearly all have it all, and those who do not say so. */
    if (!sender_answer_all(s) || (s->conf.fair && mu_share_rests(s)))
        return;
    s->flags |= all ? MU_POLL_ALL : MU_POLL_ASKED;
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        if ((s->peers[i].flags & PEER_ABSENT) == 0 &&
            mu_peers_awaited(s->conf.peers, i) &&
            (all || sender_asked(s, &s->peers[i])))
            s->unanswered++;
    }
}

/* A new round, up to its first poll packet. */
static void sender_open_round(struct mu_cast_sender *s, mu_time now)
{
    s->round++;
    s->flags = 0;
    s->want = 0;
    s->want_most = 0;
    s->want_second = 0;
    s->want_cut = false;
    s->unanswered = 0;
    s->absent = false;
    sender_call(s);
    if (s->calling) {
        s->calls++;
        if (s->flags == 0)
            s->flags = MU_POLL_BEHIND;
    } else if (!mu_spare_left(s)) {
        s->flags |= MU_POLL_BITMAP;
    }
    s->job.rounds++;
    s->copies = sender_poll_copies(s);
    s->late = 0;
    /* At rest there is time for answers that a queue holds up. */
    s->wait_until = now + MU_MS(s->conf.window_ms < REST_WAIT_MS &&
                                        s->conf.fair && mu_share_rests(s)
                                    ? REST_WAIT_MS : s->conf.window_ms);
    s->state = MU_SENDER_WAIT;
}

/* ---- packets out ---- */

/* The window that a poll tells. Those who are called spread their answers over a
 * quarter of it: twice the time that all of them take on the medium. */
static uint16_t sender_window(const struct mu_cast_sender *s)
{
    uint64_t answers = (uint64_t)s->members * (NEED_BYTES + s->conf.overhead);
    uint64_t ms = s->conf.rate == 0 ? 0 : answers * 8 * 1000 / s->conf.rate;

    if ((s->flags & (MU_POLL_ALL | MU_POLL_ASKED)) == 0 ||
        ms > s->conf.window_ms)
        return s->conf.window_ms;
    return ms > WINDOW_MS_MIN ? (uint16_t)ms : WINDOW_MS_MIN;
}

static size_t sender_write_poll(struct mu_cast_sender *s, uint8_t flags,
                                uint16_t window_ms, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_poll p = {
        .session = s->conf.session,
        .page = (uint16_t)s->job.page,
        .round = s->round,
        .flags = flags,
        .sent = (uint8_t)(s->job.sent < 255 ? s->job.sent : 255),
        .window_ms = window_ms,
        .kg = s->kg,
    };
    int rc = mu_poll_create(s->conf.crypto, &s->kctl, &p, &w);

    if (rc != 0) {
        s->error = rc;
        return 0;
    }
    s->counts.control++;
    return w.len;
}

/* Is another copy of use? */
static bool sender_copies(const struct mu_cast_sender *s)
{
    return s->copies > 0 && (s->want == 0 || s->unanswered > 0);
}

static size_t sender_put_poll(struct mu_cast_sender *s, mu_time now,
                              uint8_t *to)
{
    s->copies--;
    s->copy_at = now + MU_MS(s->conf.window_ms) / 8;
    mu_rate_turn_poll(s, now, sender_window(s));
    return sender_write_poll(s, s->flags, sender_window(s), to);
}

/* In the midst of a new page: who hears it in vain is helped before it is over. */
static bool sender_behind_due(const struct mu_cast_sender *s)
{
    return s->job.sent >= s->job.call_at && s->job.page > 0 &&
           s->job.rounds == 0 && !s->job.serving;
}

static size_t sender_put_behind(struct mu_cast_sender *s, uint8_t *to)
{
    unsigned at = 2u * s->job.sent + BEHIND_AFTER - BEHIND_FIRST;

    s->job.call_at = sender_answer_all(s) ? UINT16_MAX : (uint16_t)at;
    s->round++;
    return sender_write_poll(s, MU_POLL_BEHIND, s->conf.window_ms, to);
}

static size_t sender_put_symbol(struct mu_cast_sender *s, unsigned index,
                                uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    size_t len = s->page.symbol_len;
    bool first = s->job.rounds == 0 && !s->job.serving;

    mu_cast_data_head(mu_write_room(&w, MU_CAST_DATA_HEADER),
                      s->conf.session, s->page.index, index);
    if (index < s->page.data) {
        mu_write_bytes(&w, mu_bytes(s->block + index * len, len));
    } else {
        uint8_t *symbol = mu_write_room(&w, len);
        if (symbol != NULL)
            mu_parity_encode(s->conf.crypto, symbol, index - s->page.data,
                             s->block, s->page.data, len);
    }
    if (!first)
        s->counts.repair++;
    else if (index < s->page.data)
        s->counts.data++;
    else
        s->counts.parity++;
    return mu_written(&w).len;
}

/* The lowest queued symbol, or -1. */
static int sender_queued(const struct mu_cast_sender *s)
{
    for (unsigned i = 0; i < sender_packets(s); i++) {
        if (mu_set_has(s->job.queue, i))
            return (int)i;
    }
    return -1;
}

static size_t sender_put_next(struct mu_cast_sender *s, uint8_t *to)
{
    int index = s->job.alone ? mu_repair_next(s) : sender_queued(s);

    if (index < 0) {
        s->state = MU_SENDER_POLL;
        if (mu_share_lent(s))
            sender_go_on(s);
        return 0;
    }
    mu_spare_sent(s, (unsigned)index);
    if (s->job.alone) {
        s->counts.alone++;
        return sender_put_symbol(s, (unsigned)index, to);
    }
    mu_set_drop(s->job.queue, (unsigned)index);
    mu_set_add(s->job.tried, (unsigned)index);
    s->job.sent++;
    return sender_put_symbol(s, (unsigned)index, to);
}

/* Time spent waiting is no lateness that a burst of packets makes good. */
static void sender_rested(struct mu_cast_sender *s, mu_time now)
{
    if (s->send_at < now)
        s->send_at = now;
}

/* A caller that comes long after the end of a window has not read what came in
 * meanwhile. */
static bool sender_late(struct mu_cast_sender *s, mu_time now)
{
    if (s->late >= LATE_MAX || now < s->wait_until + MU_MS(LATE_MS))
        return false;
    s->late++;
    s->wait_until = now + MU_MS(CATCH_UP_MS);
    return true;
}

/* One step: a packet, or a change of state (0), or nothing due (0, *due false
 * on return). */
static size_t sender_step(struct mu_cast_sender *s, mu_time now, uint8_t *to,
                          bool *due)
{
    size_t len;

    switch (s->state) {
    case MU_SENDER_STALLED:
        sender_go_on(s);
        sender_rested(s, now);
        *due = s->state != MU_SENDER_STALLED;
        return 0;
    case MU_SENDER_SEND:
        if (s->behind_urgent) {
            sender_preempt(s);
            return 0;
        }
        if (sender_behind_due(s))
            return sender_put_behind(s, to);
        return sender_put_next(s, to);
    case MU_SENDER_POLL:
        sender_open_round(s, now);
        len = sender_put_poll(s, now, to);
        if (s->unanswered > 0) /* all are waited for: a copy at once */
            s->copy_at = now;
        return len;
    case MU_SENDER_WAIT:
        if (sender_late(s, now)) {
            *due = false;
            return 0;
        }
        if (now >= s->wait_until) {
            mu_rate_turn_close(s, now);
            sender_close_round(s);
            sender_rested(s, now);
            return 0;
        }
        if (sender_copies(s) && now >= s->copy_at)
            return sender_put_poll(s, now, to);
        *due = false;
        return 0;
    case MU_SENDER_IDLE:
        mu_share_idle(s, now);
        if (now >= s->rest_poll_at && !s->behind_valid) {
            s->behind_valid = mu_share_due(s, now, &s->behind_page);
            s->behind_exact = s->behind_valid;
            s->behind_need = 0;
        }
        *due = s->behind_valid;
        if (*due) {
            sender_go_on(s);
            sender_rested(s, now);
        }
        return 0;
    case MU_SENDER_STATE_COUNT:
        break;
    }
    *due = false;
    return 0;
}

/* When the medium is free after a packet of len bytes. */
static void sender_pace(struct mu_cast_sender *s, mu_time now, size_t len)
{
    mu_time late = MU_MS(CATCH_UP_MS);

    s->counts.bytes += len;
    if (s->conf.rate == 0)
        return;
    if (s->send_at + late < now)
        s->send_at = now - late;
    s->send_at += MU_SECONDS(len + s->conf.overhead) / s->conf.rate;
    mu_rate_turn_sent(s, now, len + s->conf.overhead);
}

size_t mu_cast_sender_next(struct mu_cast_sender *s, mu_time now, uint8_t *to)
{
    bool due = true;
    size_t len = 0;

    s->to = MU_CAST_ALL;
    if (s->paused || (s->conf.rate != 0 && now < s->send_at))
        return 0;
    while (len == 0 && due && s->error == 0)
        len = sender_step(s, now, to, &due);
    if (len > 0)
        sender_pace(s, now, len);
    return len;
}

mu_time mu_cast_sender_deadline(const struct mu_cast_sender *s)
{
    mu_time at = s->send_at;

    if (s->paused || s->error != 0)
        return MU_TIME_NEVER;
    switch (s->state) {
    case MU_SENDER_STALLED:
        return s->front < s->ready || s->behind_valid ? at : MU_TIME_NEVER;
    case MU_SENDER_IDLE:
        if (!s->behind_valid)
            return s->rest_poll_at > at ? s->rest_poll_at : at;
        return at;
    case MU_SENDER_WAIT: {
        mu_time next = s->wait_until;
        if (sender_copies(s) && s->copy_at < next)
            next = s->copy_at;
        return next > at ? next : at;
    }
    case MU_SENDER_SEND:
    case MU_SENDER_POLL:
    case MU_SENDER_STATE_COUNT:
        break;
    }
    return at;
}

/* ---- feedback ---- */

/* Does the answer say something new? A copy or a recording does not. The same
 * again is news once when the page was left meanwhile. */
static bool peer_news(const struct mu_sender_peer *p, const struct mu_need *n,
                      bool past)
{
    int8_t newer = (int8_t)(uint8_t)(n->round - p->round);

    if ((p->flags & PEER_KNOWN) == 0)
        return true;
    if (newer != 0)
        return newer > 0;
    if (n->page != p->page)
        return n->page > p->page;
    return n->need < p->need || (past && (p->flags & PEER_PAST) == 0);
}

/* Queues so many of the missing symbols as are needed, those first that are
 * queued already for others. */
static void sender_cover(struct mu_cast_sender *s, const struct mu_need *n)
{
    unsigned left = n->need, k = s->page.data;

    if (n->bitmap.len != (k + 7) / 8)
        return;
    for (unsigned i = 0; i < k && left > 0; i++) {
        if (mu_set_has(n->bitmap.data, i) && mu_set_has(s->job.queue, i))
            left--;
    }
    for (unsigned i = 0; i < k && left > 0; i++) {
        if (mu_set_has(n->bitmap.data, i) && !mu_set_has(s->job.queue, i)) {
            mu_set_add(s->job.queue, i);
            left--;
        }
    }
}

/* Who needs most answers first: no use in waiting for all of them. */
static void sender_hasten(struct mu_cast_sender *s, mu_time now)
{
    mu_time soon = now + MU_MS(s->conf.window_ms) / 8;

    if ((s->flags & (MU_POLL_ALL | MU_POLL_ASKED)) == 0 &&
        soon < s->wait_until)
        s->wait_until = soon;
}

/* An answer about the page that is being polled. */
static void sender_answer(struct mu_cast_sender *s, mu_time now,
                          const struct mu_need *n, bool cut)
{
    if (n->need > s->want) {
        s->want = n->need;
        s->want_from = n->receiver;
    }
    if ((s->flags & MU_POLL_BITMAP) != 0)
        sender_cover(s, n);
    if (!cut) /* who asks for too much does not cut short the others */
        sender_hasten(s, now);
}

/* Somebody needs a page of the past. */
static void sender_behind(struct mu_cast_sender *s, const struct mu_need *n,
                          bool exact)
{
    bool near = !exact && !s->job.serving && !s->held_valid &&
                n->page + 1u == s->job.page && s->state != MU_SENDER_IDLE &&
                s->state != MU_SENDER_STALLED && n->need <= s->page.parity &&
                s->preempts < PREEMPTS_MAX;

    if (!s->behind_valid || n->page < s->behind_page) {
        s->behind_page = n->page;
        s->behind_need = exact ? 0 : n->need;
        s->behind_exact = exact;
    } else if (exact) {
        return; /* served in the turn of whoever was first */
    } else if (n->page == s->behind_page && n->need > s->behind_need) {
        s->behind_need = n->need;
    }
    s->behind_valid = true;
    /* It lost little of this page yet: help before it has lost all of it. */
    if (near && s->behind_page == n->page)
        s->behind_urgent = true;
}

/* A page that was begun and is not at work now. */
static bool sender_is_past(const struct mu_cast_sender *s, uint32_t page)
{
    bool rests = s->state == MU_SENDER_IDLE || s->state == MU_SENDER_STALLED;

    return page < s->front && (rests || page != s->job.page) &&
           !(s->held_valid && page == s->held.page);
}

/* What a fresh answer asks for, within what its receiver may cost. */
static int sender_ask(struct mu_cast_sender *s, mu_time now, bool polled,
                      struct mu_sender_peer *p, const struct mu_need *n)
{
    bool past = sender_is_past(s, n->page);
    bool first = (p->flags & PEER_KNOWN) == 0 || p->round != n->round;
    struct mu_need granted = *n;
    struct mu_share share;
    int rc;

    if (!past && !(polled && n->page == s->job.page))
        return 0; /* it will be asked in due time */
    rc = mu_share_grant(s, now, p, past, n, &share);
    if (!past && first)
        mu_share_compare(s, n->need, share.cut);
    if (rc != 0)
        return rc;
    granted.need = share.need;
    p->page = n->page;
    p->flags = (uint8_t)(p->flags & ~PEER_PAST);
    if (!past) {
        sender_answer(s, now, &granted, share.cut);
        return 0;
    }
    p->flags |= PEER_PAST;
    sender_behind(s, &granted, share.cut);
    if (polled && s->job.serving)
        sender_hasten(s, now);
    return 0;
}

/* A NEED whose tag is good. */
static int sender_take(struct mu_cast_sender *s, mu_time now,
                       const struct mu_need *n)
{
    struct mu_sender_peer *p = &s->peers[n->receiver];
    unsigned age = (uint8_t)(s->round - n->round);
    bool known = (p->flags & PEER_KNOWN) != 0;
    bool absent = (p->flags & PEER_ABSENT) != 0;
    bool polled = s->state == MU_SENDER_WAIT && age == 0;
    int rc = 0;

    p->flags |= PEER_HEARD;
    p->flags = (uint8_t)(p->flags & ~(PEER_ABSENT | PEER_MISSED));
    if (age > ROUNDS_FRESH || !peer_news(p, n, sender_is_past(s, n->page))) {
        /* From who has heard no poll lately, or from a recorder: a poll tells
         * which, and one is due if we rest. */
        if (s->state == MU_SENDER_IDLE && n->need > 0 &&
            mu_share_question(s, now, p, n->page))
            sender_begin_past(s, s->pages - 1, 0);
        return 0;
    }
    if (polled && (!known || p->round != s->round) && !absent &&
        ((s->flags & MU_POLL_ALL) != 0 || sender_asked(s, p)) &&
        s->unanswered > 0)
        s->unanswered--;
    if (!known || p->round != n->round)
        mu_rate_turn_answer(s, now, n);
    if (n->need > 0 && !s->calling)
        rc = sender_ask(s, now, polled, p, n);
    if (n->need == 0)
        p->flags = (uint8_t)(p->flags & ~PEER_WAITS);
    p->round = n->round;
    p->need = n->need;
    p->flags |= PEER_KNOWN;
    if (polled && (s->flags & (MU_POLL_ALL | MU_POLL_ASKED)) != 0 &&
        s->unanswered == 0)
        s->wait_until = now; /* all have answered */
    return rc;
}

/* Who has no manifest: it is announced anew, and he needs page 0 from its
 * begin. */
static int sender_take_unheard(struct mu_cast_sender *s, mu_time now,
                               struct mu_need *n)
{
    struct mu_cast_page page;
    struct mu_sender_peer *p = &s->peers[n->receiver];
    int rc;

    if (!s->conf.roll_call || p->unheard >= UNHEARD_MAX)
        return MU_ERR_FORBIDDEN;
    p->unheard++;
    s->unheard = true;
    s->absent = true;
    sender_hasten(s, now);
    if (s->calling || s->front == 0)
        return 0; /* page 0 has not been sent yet */
    rc = mu_cast_page_first(&s->conf.shape, s->conf.size, &page);
    n->page = 0;
    n->need = page.data;
    n->bitmap = mu_bytes(NULL, 0);
    return rc != 0 ? rc : sender_take(s, now, n);
}

static int sender_consume(struct mu_cast_sender *s, struct mu_bytes packet,
                          struct mu_need *n)
{
    const struct mu_cast_peers *peers = s->conf.peers;
    struct mu_secret kfb;
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t receiver;
    int rc = mu_cast_peek(packet, &kind, &session, &receiver);

    if (rc != 0)
        return rc;
    if (kind != MU_CAST_NEED || session != s->conf.session)
        return MU_ERR_UNEXPECTED;
    if (receiver >= s->conf.receivers || !mu_peers_member(peers, receiver))
        return MU_ERR_UNKNOWN_PEER;
    rc = peers->feedback_key(peers->ctx, receiver, &kfb);
    if (rc == 0)
        rc = mu_need_consume(s->conf.crypto, &kfb, packet, n);
    mu_secret_clear(&kfb);
    return rc;
}

int mu_cast_sender_feedback(struct mu_cast_sender *s, mu_time now,
                            struct mu_bytes packet)
{
    struct mu_need n;
    int rc = sender_consume(s, packet, &n);

    if (rc == 0)
        rc = mu_vain_need(s, now, &n);
    if (rc == 0)
        rc = n.page == MU_NEED_MANIFEST ? sender_take_unheard(s, now, &n)
                                        : sender_take(s, now, &n);
    if (rc == 0)
        s->counts.feedback++;
    else
        s->counts.rejected++;
    return rc;
}
