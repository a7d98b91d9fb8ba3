/* SPDX-License-Identifier: Apache-2.0 */
/* Inside cast: what one receiver may cost all others. */
#ifndef CAST_SHARE_H
#define CAST_SHARE_H

#include "muster/cast_sender.h"

enum mu_peer_flag {
    PEER_KNOWN = 0x01,  /* page, round, need are of an answer */
    PEER_ABSENT = 0x02, /* did not answer during two pages in a row */
    PEER_HEARD = 0x04,  /* answered during the present page */
    PEER_MISSED = 0x08, /* did not answer during the last one */
    PEER_PAST = 0x10,   /* its page was past already when it asked */
    PEER_WAITS = 0x20,  /* for its next loan */
    PEER_CALLED = 0x40, /* a poll has gone out for its sake */
};

/* What becomes of an answer. */
struct mu_share {
    uint16_t need; /* so much of it is granted */
    bool cut;     /* that is not all */
};

/* A page of the front is loaded and its members are counted: everybody has
 * earned some repair. */
void mu_share_page(struct mu_cast_sender *s);
/* Takes what an answer costs out of its receiver's budget; MU_ERR_FORBIDDEN
 * when that is used up. past: the page is not the one at work. */
MU_MUST int mu_share_grant(struct mu_cast_sender *s, mu_time now,
                           struct mu_sender_peer *p, bool past,
                           const struct mu_need *n, struct mu_share *out);

/* Each page has been sent and polled; what now goes out is for who asks. */
bool mu_share_rests(const struct mu_cast_sender *s);
/* May its word set off a poll, now that nothing is left to send? If not, one
 * comes by itself. */
bool mu_share_question(struct mu_cast_sender *s, mu_time now,
                       struct mu_sender_peer *p, uint16_t page);
/* Nothing is due: a few polls more, if somebody who was called was not heard. */
void mu_share_idle(struct mu_cast_sender *s, mu_time now);
/* May somebody who waited for a loan have it now? The page to ask about. */
bool mu_share_due(struct mu_cast_sender *s, mu_time now, uint32_t *page);
/* The page at work need not be polled now: one is due when the loans that went out
 * have been earned. */
bool mu_share_lent(const struct mu_cast_sender *s);

/* Keeps the two greatest wishes of a round; each receiver has one. */
void mu_share_compare(struct mu_cast_sender *s, uint16_t need, bool cut);
/* A round is over: learns the loss from the first one of a front page. */
void mu_share_learn(struct mu_cast_sender *s);

/* vain.c: a NEED whose tag is good, before it is taken. MU_ERR_MALFORMED: of a
 * page that there is not. */
MU_MUST int mu_vain_need(struct mu_cast_sender *s, mu_time now,
                         const struct mu_need *n);

#endif
