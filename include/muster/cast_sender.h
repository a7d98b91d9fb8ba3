/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a cast sender, laid open so that its owner can embed it. Only
 * the functions of cast.h look inside.
 */
#ifndef MUSTER_CAST_SENDER_H
#define MUSTER_CAST_SENDER_H

#include "muster/cast.h"

enum mu_sender_state {
    MU_SENDER_STALLED, /* the next page is not readable yet */
    MU_SENDER_SEND,    /* symbols of the page are queued */
    MU_SENDER_POLL,    /* a poll is due */
    MU_SENDER_WAIT,    /* answers are coming in */
    MU_SENDER_IDLE,    /* everything was sent and polled silent */
    MU_SENDER_STATE_COUNT
};

/* What the sender remembers of one receiver, in the work memory. */
struct mu_sender_peer {
    uint16_t page;   /* last asked for */
    uint16_t spent;  /* repairs granted for that page */
    int16_t credit;  /* symbols that it may cost the others */
    uint16_t need;   /* in the last answer */
    uint8_t round;   /* of the last answer */
    uint8_t regress; /* how often it went back to a lower page */
    uint8_t flags;
    uint8_t unheard; /* how often it said that it has no manifest */
    /* When vain.c looked at it last, what it said, and what had been sent. */
    uint8_t vain, vain_heard, vain_round;
    /* When all has been sent once: the last loan, what it said of what page
     * then, and how it has done so far (share.c). */
    uint8_t questions; /* polls that it set off in vain */
    uint16_t lent, lent_page, lent_need;
    uint16_t loan;     /* symbols that the next one may have; 0: the first */
    uint16_t in_vain;  /* symbols in a row that did it no good */
    uint16_t asked;    /* the page that it waits for */
    uint16_t vain_page, vain_need;
    uint32_t vain_sent;
    uint32_t lent_all, wasted; /* symbols; and those that did it no good */
    mu_time lend_at, question_at; /* no other before */
    mu_time vain_at;
};

#define MU_SENDER_SPARES 8

/* Parity of a page that was sent, from the first symbol and from the last one. */
struct mu_sender_spare {
    uint32_t page; /* plus one; 0: none */
    uint16_t first, last;
};

/* The page at work; kept while another page is served in between. */
struct mu_sender_job {
    uint32_t page;
    uint8_t queue[MU_SYMBOL_SET];  /* symbols to send now */
    uint8_t tried[MU_SYMBOL_SET];  /* symbols sent since the page was begun */
    uint16_t sent;                 /* symbols sent, repeats counted */
    uint16_t call_at;              /* so many, and who is behind is called */
    uint8_t rounds;                /* polls of this page */
    bool alone;                    /* repairs go to each by himself: */
    uint16_t alone_left;           /* symbols that */
    uint16_t alone_for;            /* this receiver still gets, */
    uint16_t alone_at;             /* parity from that one on; queue says
                                    * which was sent to anybody */
    bool serving;                  /* a page of the past, for who is behind */
    bool doubtful;                 /* silence after repairs: ask once more */
};

/* Who lacks most of a page, of those that answer one poll. */
#define MU_SENDER_WITNESSES 8

struct mu_sender_common {
    uint16_t count; /* of them */
    uint8_t round;
    uint8_t len;
    uint16_t pages[MU_SENDER_WITNESSES]; /* each asked for by somebody */
};

struct mu_cast_sender {
    struct mu_cast_sender_conf conf;
    struct mu_secret kctl;
    uint8_t kg;

    enum mu_sender_state state;
    bool paused;
    int error;
    uint32_t pages;
    uint32_t ready;
    uint32_t front; /* first page that was never begun */

    struct mu_cast_page page;
    struct mu_sender_job job;
    struct mu_sender_job held; /* put aside, when held_valid */
    bool held_valid;
    uint8_t preempts;          /* times the front page was put aside */

    bool behind_valid;    /* somebody asked for a page of the past */
    bool behind_urgent;   /* and is served before the present page goes on */
    uint8_t behind_turns; /* pages of the past begun since a front page was */
    uint32_t behind_page; /* the lowest asked for */
    struct mu_sender_spare spares[MU_SENDER_SPARES]; /* of the last pages */
    uint16_t behind_need;
    bool behind_exact; /* only who misses what is to be asked */

    bool calling;   /* before the first page: who has no manifest? */
    bool unheard;   /* somebody; not told to the owner yet */
    uint8_t calls;  /* polls of that kind in a row */
    uint8_t silent; /* of them, without an answer, the last ones */
    bool absent;    /* somebody said so in this round */

    uint8_t round;       /* number of the last poll, over all pages */
    uint8_t flags;       /* of the last poll */
    uint8_t copies;      /* copies of the last poll still to send */
    uint16_t want;       /* most symbols anybody asked for in this round */
    uint16_t want_from;  /* who */
    uint16_t want_most;  /* before anything was cut */
    uint16_t want_second; /* of another one */
    bool want_cut;       /* want_most is beyond its receiver's credit */
    uint16_t members;    /* counted at the start of the page */
    uint16_t unanswered; /* members not heard in this round, answer-all */
    mu_time copy_at;     /* when the next copy is due */
    mu_time wait_until;  /* when the round is closed */
    uint8_t late;        /* times that this was put off, because we were late */
    mu_time send_at;     /* when the medium is free */
    mu_time rest_poll_at; /* somebody may have another loan, or: */
    struct mu_sender_common common;
    mu_time last_call_at; /* a poll more, and so many after it */
    uint8_t last_calls;

    uint32_t loss;       /* learnt: 65536 is everything */
    uint16_t worst;      /* who asked for most in the last page with needs */
    uint8_t worst_runs;  /* how many times in a row */
    uint8_t silent_runs; /* pages in a row that nobody needed more of */
    struct mu_rate_turn turn;
    uint16_t to; /* whom the last packet is for, or MU_CAST_ALL */

    uint8_t *block;
    struct mu_sender_peer *peers;
    uint32_t vain; /* 1 + who hears nothing; 0: nobody that is not told yet */
    struct mu_cast_counts counts;
};

#endif
