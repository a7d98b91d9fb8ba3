/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deluge, the serving side: rules 4 and 5 of EXALTED D5.2 s.5.2. Requests are
 * collected for a while, the page that most ask for is sent, to all at once.
 *
 * What one neighbour can cause is bounded: so many packets for each page it has
 * come to, then no more for a minute. Because whoever holds the area key can
 * take any name, so is the sum over all: so many times the object.
 */
#include "hop/hop.h"

enum {
    ROUNDS_MAX = 8,      /* a request must name one of our last ADVs */
    SHARE = 8,           /* times a page, for one neighbour */
    TIMES = 8,           /* times the object, for all of them */
    REFILL_SECONDS = 60,
    DEFERRED_MAX = 64,   /* packets of others that one page waits for */
};

void mu_hop_send_clear(struct mu_deluge *d)
{
    mu_zero(d->wants, sizeof(d->wants));
    d->sending = HOP_NONE;
    d->send_at = MU_TIME_NEVER;
    d->deferred = 0;
    d->budget = (uint64_t)d->pages_all * d->object.shape.page_data * TIMES +
                (uint64_t)MU_FRAGMENTS_MAX * TIMES;
    d->budget_at = 0;
}

/* Packets of a page (of the manifest) that we can send; 0: none. */
static unsigned send_count(const struct mu_deluge *d, uint16_t page)
{
    struct mu_cast_page p;

    if (!d->has)
        return 0;
    if (page == MU_DELUGE_MANIFEST)
        return mu_hop_fragments(d, d->manifest_len);
    if (page >= d->pages || mu_deluge_page_at(&d->object, page, &p) != 0)
        return 0;
    return p.data;
}

/* ---- requests to us ---- */

/* Not a recorded one: it names one of our last rounds, and is newer than the
 * last of its sender. Who has begun anew is believed after a minute, if it has
 * heard our last word. */
static bool asked_fresh(const struct mu_deluge *d, mu_time now,
                        const struct mu_deluge_req *q,
                        const struct mu_deluge_peer *p)
{
    uint8_t ahead = (uint8_t)(q->count - p->count);

    if (d->conf.tag_len == 0)
        return true;
    if ((uint16_t)(d->round - q->round) > ROUNDS_MAX)
        return false;
    return !p->counted || (ahead > 0 && ahead < 0x80) ||
           (now >= p->refill && q->round == d->round);
}

static struct mu_deluge_peer *asked_by(struct mu_deluge *d, mu_time now,
                                       uint16_t node)
{
    struct mu_deluge_peer *p = mu_hop_peer(d, node, false);

    if (p == NULL) {
        p = mu_hop_peer(d, node, true);
        p->heard = now;
    }
    return p;
}

static bool asked_within(struct mu_deluge *d, mu_time now,
                         struct mu_deluge_peer *p, uint16_t page,
                         unsigned wanted, unsigned count)
{
    uint32_t number = page == MU_DELUGE_MANIFEST ? 0 : page + 1u;

    if (number > p->top || now >= p->refill) {
        p->top = number;
        p->spent = 0;
        p->refill = now + MU_SECONDS(REFILL_SECONDS);
    }
    if (now >= d->budget_at) {
        if (d->budget_at != 0)
            d->budget += d->object.shape.page_data;
        d->budget_at = now + MU_SECONDS(REFILL_SECONDS);
    }
    if (p->spent + wanted > SHARE * count || d->budget < wanted)
        return false;
    p->spent += wanted;
    return true;
}

/* The want of this page, a new one if there is room. */
static struct mu_deluge_want *asked_want(struct mu_deluge *d, uint16_t page)
{
    struct mu_deluge_want *empty = NULL;

    for (size_t i = 0; i < MU_DELUGE_WANTS_MAX; i++) {
        if (d->wants[i].used && d->wants[i].page == page)
            return &d->wants[i];
        if (!d->wants[i].used && empty == NULL)
            empty = &d->wants[i];
    }
    if (empty != NULL)
        *empty = (struct mu_deluge_want){.used = true, .page = page};
    return empty;
}

int mu_hop_asked(struct mu_deluge *d, mu_time now,
                 const struct mu_deluge_req *q)
{
    unsigned count = send_count(d, q->page), wanted = 0;
    struct mu_deluge_peer *p = asked_by(d, now, q->node);
    struct mu_deluge_want *want;
    int rc = 0;

    for (unsigned i = 0; i < count && i / 8 < q->bitmap.len; i++)
        wanted += mu_hop_bit(q->bitmap.data, i);
    if (!asked_fresh(d, now, q, p))
        rc = MU_ERR_REPLAY;
    else if (wanted == 0)
        rc = MU_ERR_UNEXPECTED;
    else if (!asked_within(d, now, p, q->page, wanted, count))
        rc = MU_ERR_BUSY;
    if (rc != MU_ERR_REPLAY) {
        p->counted = true;
        p->count = q->count;
    }
    want = rc == 0 ? asked_want(d, q->page) : NULL;
    if (want == NULL) {
        d->counts.refused++;
        return rc != 0 ? rc : MU_ERR_FULL;
    }
    if (want->requests < UINT16_MAX)
        want->requests++;
    for (unsigned i = 0; i < count && i / 8 < q->bitmap.len; i++) {
        if (mu_hop_bit(q->bitmap.data, i))
            mu_hop_set(want->bits, i);
    }
    if (d->send_at == MU_TIME_NEVER)
        d->send_at = now + mu_hop_packets(d, HOP_LISTEN);
    return 0;
}

/* ---- sending ---- */

/* Most asked for first; of equals, the one that comes first in the object. */
static int send_choose(const struct mu_deluge *d)
{
    int best = HOP_NONE;

    for (int i = 0; i < MU_DELUGE_WANTS_MAX; i++) {
        const struct mu_deluge_want *w = &d->wants[i], *b;

        if (!w->used)
            continue;
        b = &d->wants[best == HOP_NONE ? i : best];
        if (best == HOP_NONE || w->requests > b->requests ||
            (w->requests == b->requests &&
             (uint16_t)(w->page + 1) < (uint16_t)(b->page + 1)))
            best = i;
    }
    return best;
}

uint32_t mu_hop_served(const struct mu_deluge *d)
{
    int i = d->sending == HOP_NONE ? send_choose(d) : d->sending;

    return i == HOP_NONE || d->wants[i].page == MU_DELUGE_MANIFEST
               ? d->pages : d->wants[i].page;
}

/* Most of those who asked us have heard it too; who has not asks again, which
 * costs less than saying everything twice. */
static void yield_packet(struct mu_deluge *d, uint16_t page, unsigned index)
{
    for (size_t i = 0; i < MU_DELUGE_WANTS_MAX; i++) {
        struct mu_deluge_want *w = &d->wants[i];

        if (w->used && w->page == page)
            w->bits[index / 8] =
                (uint8_t)(w->bits[index / 8] & ~(1u << (index % 8)));
    }
}

void mu_hop_yield(struct mu_deluge *d, mu_time now, uint16_t page,
                  unsigned index)
{
    int i = d->sending == HOP_NONE ? send_choose(d) : d->sending;
    mu_time at;

    yield_packet(d, page, index);

    if (i == HOP_NONE || d->deferred >= DEFERRED_MAX ||
        (uint16_t)(d->wants[i].page + 1) < (uint16_t)(page + 1))
        return;
    at = now + mu_hop_packets(d, HOP_YIELD) + mu_hop_spread(d, HOP_YIELD);
    d->deferred++;
    if (at > d->send_at) {
        d->send_at = at;
        d->counts.data_deferred++;
    }
}

static size_t send_fragment(struct mu_deluge *d, unsigned index, uint8_t *to)
{
    size_t room = mu_hop_fragment_room(d), at = index * room;
    size_t left = d->manifest_len - at;
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_deluge_fragment f = {
        .session = d->object.session,
        .index = (uint8_t)index,
        .count = mu_hop_fragments(d, d->manifest_len),
        .bytes = mu_bytes(d->manifest + at, left < room ? left : room),
    };

    mu_copy(f.id, d->id, sizeof(f.id));
    if (mu_deluge_fragment_create(&d->seal[0], &f, &w) != 0)
        return 0;
    d->counts.fragment++;
    return w.len;
}

static size_t send_data(struct mu_deluge *d, unsigned index, uint8_t *to)
{
    const struct mu_object *store = d->conf.store;
    const struct mu_cast_page *page = &d->send_page;
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    uint8_t *symbol;

    mu_cast_data_head(mu_write_room(&w, MU_CAST_DATA_HEADER),
                      d->object.session, page->index, index);
    symbol = mu_write_room(&w, page->symbol_len);
    if (symbol == NULL ||
        store->read(store->ctx,
                    page->block_at + (uint64_t)index * page->symbol_len,
                    symbol, page->symbol_len) != 0)
        return 0;
    d->counts.data++;
    return w.len;
}

/* The next packet of the want after the cursor, -1: none is left. */
static int send_index(const struct mu_deluge *d,
                      const struct mu_deluge_want *want)
{
    for (unsigned n = 0; n < 256; n++) {
        unsigned i = (d->cursor + n) % 256;

        if (mu_hop_bit(want->bits, i))
            return (int)i;
    }
    return HOP_NONE;
}

static void send_finish(struct mu_deluge *d, mu_time now)
{
    d->wants[d->sending].used = false;
    d->sending = HOP_NONE;
    d->deferred = 0;
    d->send_at = send_choose(d) == HOP_NONE
                     ? MU_TIME_NEVER
                     : now + mu_hop_packets(d, HOP_LISTEN / 2);
}

size_t mu_hop_send(struct mu_deluge *d, mu_time now, uint8_t *to)
{
    struct mu_deluge_want *want;
    size_t len = 0;
    int index;

    if (now < d->send_at)
        return 0;
    if (d->sending == HOP_NONE) {
        d->sending = send_choose(d);
        d->cursor = 0;
        want = &d->wants[d->sending];
        if (want->page != MU_DELUGE_MANIFEST &&
            mu_deluge_page_at(&d->object, want->page, &d->send_page) != 0) {
            send_finish(d, now);
            return 0;
        }
    }
    want = &d->wants[d->sending];
    index = send_index(d, want);
    if (index >= 0 && d->budget > 0) {
        unsigned i = (unsigned)index;

        want->bits[i / 8] = (uint8_t)(want->bits[i / 8] & ~(1u << (i % 8)));
        d->cursor = (uint16_t)(i + 1);
        d->budget--;
        len = want->page == MU_DELUGE_MANIFEST ? send_fragment(d, i, to)
                                               : send_data(d, i, to);
    }
    d->send_at = now + mu_hop_packets(d, 5) / 4;
    if (len == 0 || send_index(d, want) == HOP_NONE)
        send_finish(d, now); /* all sent, or the store failed */
    return len;
}
