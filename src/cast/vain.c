/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receivers that talk to the sender and hear nothing of it. Their way to us is
 * good and ours to them is not: whoever passes packets on may keep them. A
 * receiver is one of those when three of its NEEDs in a row, a second apart,
 * know of none of the polls that went out, or want as much as before of a page
 * though more symbols were sent.
 */
#include "cast/share.h"

enum {
    VAIN_TIMES = 3,
    VAIN_SYMBOLS = 6, /* sent since the last time that counted */
    VAIN_EVERY_MS = 1000,
};

static void vain_look(struct mu_cast_sender *s, mu_time now,
                      const struct mu_need *n)
{
    struct mu_sender_peer *p = &s->peers[n->receiver];
    const struct mu_cast_counts *c = &s->counts;
    uint32_t sent = (uint32_t)(c->data + c->parity + c->repair);
    bool first = p->vain_at == 0, better, deaf, stuck;

    if (!first && now < p->vain_at + MU_MS(VAIN_EVERY_MS))
        return;
    better = n->page != p->vain_page || n->need < p->vain_need;
    deaf = n->round == p->vain_heard && s->round != p->vain_round;
    stuck = sent - p->vain_sent >= VAIN_SYMBOLS;
    p->vain_at = now;
    if (!first && !better && !deaf && !stuck)
        return; /* nothing that it could have heard */
    p->vain = first || better || n->need == 0 ? 0 : (uint8_t)(p->vain + 1);
    p->vain_heard = n->round;
    p->vain_round = s->round;
    p->vain_page = n->page;
    p->vain_need = n->need;
    p->vain_sent = sent;
    if (p->vain < VAIN_TIMES)
        return;
    p->vain = 0;
    s->vain = n->receiver + 1;
}

int mu_vain_need(struct mu_cast_sender *s, mu_time now,
                 const struct mu_need *n)
{
    if (n->page >= s->pages && n->page != MU_NEED_MANIFEST)
        return MU_ERR_MALFORMED;
    vain_look(s, now, n);
    return 0;
}

bool mu_cast_sender_vain(struct mu_cast_sender *s, uint16_t *receiver)
{
    if (s->vain == 0)
        return false;
    *receiver = (uint16_t)(s->vain - 1);
    s->vain = 0;
    return true;
}
