/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet to all costs `cost` packets to one (a multicast at a radio's lowest
 * rate), or as many as there are members where copies are the way anyway. Parity
 * for the neediest serves all of them at once, one by one everybody gets what he
 * needs himself; the sums are compared round by round.
 *
 * All needs have to be known for that: those who are called answer in any case,
 * the others once few of them are left, in the later rounds. Fresh parity is what
 * everybody gets, the same symbols to each.
 */
#include "cast/repair.h"

#include "cast/loss.h"
#include "cast/page.h"
#include "cast/peers.h"
#include "cast/rate.h"
#include "cast/share.h"

#define ROUNDS_MANY 2 /* after so many, those who answer are all who need */

/* What a packet to all costs. */
static uint32_t repair_cost(const struct mu_cast_sender *s)
{
    uint32_t cost = s->conf.cost < s->members ? s->conf.cost : s->members;

    return s->conf.peers->alone == NULL ? 0 : cost;
}

/* What is too much is lost, and what is missing costs a round: less than the
 * unluckiest of all will need. A symbol to all pays when more than `cost`
 * receivers will need it. */
unsigned mu_repair_plan(const struct mu_cast_sender *s)
{
    uint32_t cost = repair_cost(s), crowd = s->members;

    if (cost > 1 && crowd <= cost)
        return 0;
    if (crowd >= 4)
        crowd /= cost > 4 ? cost : 4;
    return mu_loss_parity(s->page.data, s->page.parity, crowd,
                          mu_rate_turn_loss(s));
}

unsigned mu_repair_more(const struct mu_cast_sender *s, unsigned need)
{
    unsigned more = need;

    /* Repairs are lost as well; the longer it takes, the more generous. */
    if (s->job.rounds > 1)
        more += mu_loss_parity(more, s->page.parity, 1, s->loss);
    if (s->job.rounds > 4)
        more += s->job.rounds - 4u;
    return more;
}

static bool repair_fresh(const struct mu_cast_sender *s, unsigned parity)
{
    return parity < s->page.parity &&
           !mu_set_has(s->job.tried, s->page.data + parity);
}

/* What this receiver gets by itself: within what was granted to anybody. */
static unsigned repair_wants(const struct mu_cast_sender *s, uint16_t receiver)
{
    const struct mu_sender_peer *p = &s->peers[receiver];
    unsigned need = p->need < s->want ? p->need : s->want;

    if ((p->flags & PEER_KNOWN) == 0 || p->round != s->round ||
        p->page != s->job.page || need == 0 ||
        !mu_peers_awaited(s->conf.peers, receiver))
        return 0;
    return mu_repair_more(s, need);
}

bool mu_repair_alone(struct mu_cast_sender *s)
{
    const struct mu_cast_peers *peers = s->conf.peers;
    uint32_t cost = repair_cost(s);
    unsigned more = mu_repair_more(s, s->want), fresh = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->page.parity; i++)
        fresh += repair_fresh(s, i);
    if (more > fresh) /* the rest by name, after the next poll */
        more = fresh;

    if (cost < 2 || (s->flags & MU_POLL_BITMAP) != 0)
        return false;
    if ((s->flags & (MU_POLL_ALL | MU_POLL_ASKED)) == 0 &&
        s->job.rounds <= ROUNDS_MANY)
        return false;
    for (uint16_t i = 0; i < s->conf.receivers; i++) {
        unsigned wants = repair_wants(s, i);

        if (wants > 0 && !peers->alone(peers->ctx, i))
            return false; /* it hears what goes to all only */
        sum += wants < more ? wants : more;
    }
    if (sum == 0 || sum >= (uint64_t)cost * more)
        return false;
    s->job.alone = true;
    s->job.alone_for = 0;
    s->job.alone_left = (uint16_t)repair_wants(s, 0);
    s->job.alone_at = 0;
    mu_zero(s->job.queue, sizeof(s->job.queue));
    return true;
}

/* Parity that was sent to anybody is not fresh any more. */
static int repair_end(struct mu_cast_sender *s)
{
    for (unsigned i = 0; i < s->page.parity; i++) {
        if (mu_set_has(s->job.queue, i))
            mu_set_add(s->job.tried, s->page.data + i);
    }
    mu_zero(s->job.queue, sizeof(s->job.queue));
    s->job.alone = false;
    return -1;
}

int mu_repair_next(struct mu_cast_sender *s)
{
    unsigned at;

    while (s->job.alone_left == 0) {
        if (s->job.alone_for + 1u >= s->conf.receivers)
            return repair_end(s);
        s->job.alone_for++;
        s->job.alone_left = (uint16_t)repair_wants(s, s->job.alone_for);
        s->job.alone_at = 0;
    }
    for (at = s->job.alone_at; at < s->page.parity && !repair_fresh(s, at); at++)
        ;
    if (at >= s->page.parity) { /* that was all there is */
        s->job.alone_left = 0;
        return mu_repair_next(s);
    }
    s->job.alone_at = (uint16_t)(at + 1);
    s->job.alone_left--;
    mu_set_add(s->job.queue, at); /* what it was, for repair_end */
    s->to = s->job.alone_for;
    return (int)(s->page.data + at);
}
