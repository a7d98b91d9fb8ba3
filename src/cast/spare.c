/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of a page that was left is how far the parity was used from
 * either end. A page that is not among the last ones has nothing used: whoever
 * needs one of those lacks nearly all of it.
 */
#include "cast/spare.h"

#include "cast/page.h"

static struct mu_sender_spare *spare_of(struct mu_cast_sender *s,
                                        uint32_t page)
{
    struct mu_sender_spare *u = &s->spares[page % MU_SENDER_SPARES];

    if (u->page != page + 1)
        *u = (struct mu_sender_spare){.page = page + 1};
    return u;
}

bool mu_spare_begin(struct mu_cast_sender *s)
{
    const struct mu_sender_spare *u = spare_of(s, s->job.page);
    unsigned m = s->page.parity;

    for (unsigned i = 0; i < m; i++) {
        if (i < u->first || i + u->last >= m)
            mu_set_add(s->job.tried, s->page.data + i);
    }
    return u->last != 0;
}

void mu_spare_queue(struct mu_cast_sender *s, unsigned n, bool down)
{
    unsigned m = s->page.parity;

    for (unsigned i = 0; i < m && n > 0; i++) {
        unsigned at = s->page.data + (down ? m - 1 - i : i);

        if (mu_set_has(s->job.tried, at) || mu_set_has(s->job.queue, at))
            continue;
        mu_set_add(s->job.queue, at);
        n--;
    }
}

void mu_spare_sent(struct mu_cast_sender *s, unsigned index)
{
    struct mu_sender_spare *u = spare_of(s, s->job.page);
    unsigned k = s->page.data, m = s->page.parity;

    if (index < k)
        return;
    if (s->job.serving && !s->job.alone) {
        if (u->last < k + m - index)
            u->last = (uint16_t)(k + m - index);
    } else if (u->first <= index - k) {
        u->first = (uint16_t)(index - k + 1);
    }
}

bool mu_spare_left(const struct mu_cast_sender *s)
{
    for (unsigned i = s->page.data; i < mu_page_packets(&s->page); i++) {
        if (!mu_set_has(s->job.tried, i))
            return true;
    }
    return false;
}

void mu_spare_spend(struct mu_cast_sender *s)
{
    for (unsigned i = s->page.data; i < mu_page_packets(&s->page); i++)
        mu_set_add(s->job.tried, i);
}
