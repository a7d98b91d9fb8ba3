/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver. A DATA packet costs one hash and one copy; nothing it says is
 * stored before its hash was found in the page before. Parity symbols wait in
 * the places of data symbols that are missing, so the block is all the memory
 * there is, and decoding happens in place once as many symbols as the page has
 * data are there.
 *
 * Work memory: block, slots (two bytes a data symbol), hash table, scratch of
 * the decoder.
 */
#include "muster/cast_receiver.h"

#include "cast/page.h"
#include "cast/parity.h"
#include "muster/assert.h"

enum {
    BACKOFF_DOUBLINGS = 5,     /* NEEDs of our own accord: up to 32 x idle */
    REPEATS_MAX = 2,           /* of an answer that nothing comes of */
    ROUNDS_AHEAD_MAX = 32,     /* polls that may be lost in a row */
    HURRIES_MAX = 3,           /* a poll: more would not help */
    OFFER_AGAIN_MS = 1000,     /* to a sink that failed */
    SLOT_FREE = 0xffff,        /* no parity symbol has this number */
    IDLE_MS_DEFAULT = 2000,
    IDLE_MS_MAX = 3600 * 1000,
};

/* ---- random numbers: spread, not secrecy ---- */

static uint32_t receiver_random(struct mu_cast_receiver *r)
{
    /* xorshift32, Marsaglia 2003 */
    r->random ^= r->random << 13;
    r->random ^= r->random >> 17;
    r->random ^= r->random << 5;
    return r->random;
}

/* A time in [0, below_ms). */
static mu_time receiver_spread(struct mu_cast_receiver *r, uint32_t below_ms)
{
    return MU_MS(below_ms) * (receiver_random(r) >> 16) >> 16;
}

/* ---- set-up ---- */

static size_t receiver_hashes_max(const struct mu_cast_shape *s)
{
    return ((size_t)s->page_data + s->page_parity) * s->hash_len;
}

size_t mu_cast_receiver_work(const struct mu_cast_shape *s)
{
    return mu_cast_block_size(s) + 2u * s->page_data + receiver_hashes_max(s) +
           mu_parity_scratch(s->page_data, s->page_parity);
}

static void receiver_set_page(struct mu_cast_receiver *r)
{
    r->have = 0;
    mu_zero(r->got, sizeof(r->got));
    for (unsigned s = 0; s < r->page.data; s++)
        mu_slot_put(r->slots, s, SLOT_FREE);
    r->hurries = 0;
    r->hurry_at = 0;
    r->offer_at = MU_TIME_NEVER;
}

static void receiver_set_ask(struct mu_cast_receiver *r, mu_time now)
{
    r->ask_at = now + MU_MS(r->backoff_ms) +
                receiver_spread(r, r->backoff_ms / 2 + 1);
}

/* Something good was heard: the silence begins anew. */
static void receiver_alive(struct mu_cast_receiver *r, mu_time now)
{
    r->backoff_ms = r->conf.idle_ms;
    /* The generator is left alone: this runs for every packet. */
    r->ask_at = now + MU_MS(r->backoff_ms) + (r->random & 0xffff);
}

void mu_cast_receiver_woken(struct mu_cast_receiver *r, mu_time now)
{
    r->answer = false; /* of another time */
    receiver_alive(r, now);
}

int mu_cast_receiver_init(struct mu_cast_receiver *r,
                          const struct mu_cast_receiver_conf *conf,
                          struct mu_bytes roots, void *work, size_t work_len,
                          mu_time now)
{
    const struct mu_cast_shape *s = &conf->shape;
    struct mu_cast_page page;
    int rc = mu_cast_page_first(s, conf->size, &page);

    if (rc != 0)
        return rc;
    if (work_len < mu_cast_receiver_work(s))
        return MU_ERR_NO_SPACE;
    if (roots.len != mu_page_hashes(s, &page))
        return MU_ERR_MALFORMED;
    *r = (struct mu_cast_receiver){.conf = *conf, .page = page};
    r->pages = mu_cast_pages(s, conf->size);
    r->block = work;
    r->slots = r->block + mu_cast_block_size(s);
    r->hashes = r->slots + 2u * s->page_data;
    r->scratch = r->hashes + receiver_hashes_max(s);
    if (r->conf.idle_ms == 0)
        r->conf.idle_ms = IDLE_MS_DEFAULT;
    if (r->conf.idle_ms > IDLE_MS_MAX)
        r->conf.idle_ms = IDLE_MS_MAX;
    r->random = conf->seed ^ 0x9e3779b9u ^ (uint32_t)conf->receiver * 0x10001u;
    if (r->random == 0)
        r->random = 1;
    r->window_ms = r->conf.idle_ms / 4 + 1;
    r->backoff_ms = r->conf.idle_ms;
    r->answer_at = MU_TIME_NEVER;
    r->polled_at = MU_TIME_NEVER;
    mu_copy(r->hashes, roots.data, roots.len);
    receiver_set_page(r);
    receiver_set_ask(r, now);
    return 0;
}

void mu_cast_receiver_control(struct mu_cast_receiver *r,
                              const struct mu_secret *kctl, uint8_t kg)
{
    if (mu_secret_is_set(&r->kctl[0]) && r->kg[0] == kg &&
        mu_secret_eq(&r->kctl[0], kctl))
        return;
    r->kctl[1] = r->kctl[0];
    r->kg[1] = r->kg[0];
    r->kctl[0] = *kctl;
    r->kg[0] = kg;
}

void mu_cast_receiver_retire(struct mu_cast_receiver *r)
{
    mu_secret_clear(&r->kctl[1]);
}

bool mu_cast_receiver_done(const struct mu_cast_receiver *r)
{
    return r->page.index == r->pages;
}

/* ---- data ---- */

static bool receiver_full(const struct mu_cast_receiver *r)
{
    return r->have == r->page.data;
}

static uint16_t receiver_missing(const struct mu_cast_receiver *r)
{
    if (mu_cast_receiver_done(r))
        return 0;
    return (uint16_t)(r->page.data - r->have);
}

/* The highest slot without a symbol. There is one. */
static unsigned receiver_free_slot(const struct mu_cast_receiver *r)
{
    for (unsigned s = r->page.data; s-- > 0;) {
        if (!mu_set_has(r->got, s) && mu_slot_get(r->slots, s) == SLOT_FREE)
            return s;
    }
    mu_assert(false);
    return 0;
}

/* A data symbol goes to its own slot, and a parity symbol that waits there to
 * another; a parity symbol goes wherever there is room. */
static void receiver_store(struct mu_cast_receiver *r, unsigned index,
                           const uint8_t *symbol)
{
    size_t len = r->page.symbol_len;
    unsigned slot = index;

    if (index >= r->page.data) {
        slot = receiver_free_slot(r);
        mu_slot_put(r->slots, slot, index - r->page.data);
    } else if (mu_slot_get(r->slots, slot) != SLOT_FREE) {
        unsigned other = receiver_free_slot(r);
        mu_copy(r->block + other * len, r->block + slot * len, len);
        mu_slot_put(r->slots, other, mu_slot_get(r->slots, slot));
    }
    mu_copy(r->block + slot * len, symbol, len);
    mu_set_add(r->got, index);
    r->have++;
}

/* The page is in the block, decoded: to the sink, and on to the next page. */
static void receiver_offer(struct mu_cast_receiver *r, mu_time now)
{
    const struct mu_cast_sink *sink = r->conf.sink;

    if (sink->page(sink->ctx, &r->page, r->block) != 0) {
        r->offer_at = now + MU_MS(OFFER_AGAIN_MS);
        return;
    }
    mu_copy(r->hashes, r->block, r->page.hashes_len);
    if (!mu_cast_page_next(&r->conf.shape, r->conf.size, &r->page)) {
        r->page.index = r->pages;
        r->page.data = 0;
        r->page.parity = 0;
    }
    receiver_set_page(r);
}

/* As many symbols as the page has data: decodes, and hands over. Now and then one
 * says nothing new; its place is wanted for another. */
static void receiver_complete(struct mu_cast_receiver *r, mu_time now)
{
    struct mu_parity_page p = {
        .block = r->block,
        .slots = r->slots,
        .data = r->got,
        .k = r->page.data,
        .len = r->page.symbol_len,
    };
    int spare = mu_parity_decode(r->conf.crypto, &p, r->scratch);

    if (spare >= 0) {
        mu_slot_put(r->slots, (unsigned)spare, SLOT_FREE);
        r->have--;
        return;
    }
    receiver_offer(r, now);
}

/* Packets of the page after ours mean that a poll of ours was lost: asks as
 * soon as it can still help, and again if it does not. Nobody vouches for these
 * packets, so a few NEEDs for each poll are all they can bring about. */
static void receiver_hurry(struct mu_cast_receiver *r, mu_time now)
{
    mu_time at;

    if (r->hurries >= HURRIES_MAX || receiver_full(r) || now < r->hurry_at)
        return;
    r->hurries++;
    r->hurry_at = now + MU_MS(r->window_ms);
    at = now + MU_MS(1) + receiver_spread(r, r->window_ms / 4 + 1);
    if (at < r->ask_at)
        r->ask_at = at;
}

/* A packet of a page that is not ours. */
static int receiver_elsewhere(struct mu_cast_receiver *r, mu_time now,
                              struct mu_bytes packet)
{
    uint32_t page = mu_cast_page_near(r->answer_page,
                                      mu_cast_data_page(packet.data));

    if (page >= r->pages) {
        r->heard.forged++;
    } else if (page > r->page.index) {
        r->heard.ahead++;
        receiver_hurry(r, now);
    } else {
        r->heard.duplicate++;
    }
    return MU_ERR_UNEXPECTED;
}

/* One that could be of our page, and is not in its list: forged, unless the
 * sender is where its pages end in the same bits. */
static int receiver_refuse(struct mu_cast_receiver *r, mu_time now,
                           struct mu_bytes packet, int rc)
{
    if (mu_cast_page_near(r->answer_page, mu_cast_data_page(packet.data)) !=
        r->page.index)
        return receiver_elsewhere(r, now, packet);
    r->heard.forged++;
    return rc;
}

static int receiver_data(struct mu_cast_receiver *r, mu_time now,
                         struct mu_bytes packet)
{
    unsigned index = mu_cast_data_index(packet.data);
    int rc;

    if (mu_cast_data_page(packet.data) !=
            r->page.index % MU_CAST_PAGES_NEAR || mu_cast_receiver_done(r))
        return receiver_elsewhere(r, now, packet);
    if (index >= mu_page_packets(&r->page) ||
        packet.len != MU_CAST_DATA_HEADER + (size_t)r->page.symbol_len)
        return receiver_refuse(r, now, packet, MU_ERR_AUTH);
    if (receiver_full(r) || mu_set_has(r->got, index)) {
        r->heard.duplicate++;
        return 0;
    }
    rc = mu_cast_data_check(r->conf.crypto, packet,
                            r->hashes + (size_t)index * r->conf.shape.hash_len,
                            r->conf.shape.hash_len);
    if (rc != 0)
        return receiver_refuse(r, now, packet, rc);
    r->heard.accepted++;
    receiver_store(r, index, packet.data + MU_CAST_DATA_HEADER);
    receiver_alive(r, now);
    /* Repair is on its way: silent until the next poll. */
    r->answer = false;
    if (receiver_full(r))
        receiver_complete(r, now);
    return 0;
}

/* ---- polls and answers ---- */

/*
 * When to answer. The greatest of three random numbers leaves few early
 * answers however many receivers there are, and who needs more comes first.
 * Half of the window is left for the way and for a second copy of the poll.
 */
static void receiver_answer_in(struct mu_cast_receiver *r, mu_time now,
                               bool all)
{
    uint32_t need = receiver_missing(r), data = r->page.data;
    mu_time half = MU_MS(r->window_ms) / 2, wait;
    uint32_t a = receiver_random(r) >> 16, b = receiver_random(r) >> 16;
    uint32_t c = receiver_random(r) >> 16;

    if (all) {
        wait = half * a >> 17; /* evenly over a quarter of the window */
    } else {
        a = a > b ? a : b;
        a = a > c ? a : c;
        wait = half * a >> 16;
        if (data > 0)
            wait -= wait * need / (2 * (uint64_t)data);
    }
    r->answer = true;
    /* Of those who are called the sender knows who has not answered. */
    r->repeats = all ? 0 : REPEATS_MAX;
    r->answer_at = now + wait;
}

/* Not another copy of the last one, and not one that somebody recorded. Where
 * polls come with ticks (muster/tick.h) these tell the recorded ones: then a
 * round can be anything, and no poll makes us deaf for the next. Else it is
 * newer than the last, unless that is so long ago that the sender may have
 * started over. */
static bool receiver_poll_new(const struct mu_cast_receiver *r, mu_time now,
                              uint8_t round)
{
    unsigned ahead = (uint8_t)(round - r->round);

    return r->polled_at == MU_TIME_NEVER ||
           now >= r->polled_at + MU_MS(r->conf.idle_ms) ||
           (ahead > 0 && (r->conf.ticked || ahead <= ROUNDS_AHEAD_MAX));
}

static int receiver_poll(struct mu_cast_receiver *r, mu_time now,
                         struct mu_bytes packet)
{
    struct mu_poll p;
    bool called;
    const struct mu_secret *key;
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t kg;
    int rc = mu_cast_peek(packet, &kind, &session, &kg);

    if (rc != 0)
        return rc;
    key = kg == r->kg[0] ? &r->kctl[0] : &r->kctl[1];
    if (kg != r->kg[0] && kg != r->kg[1])
        return MU_ERR_UNKNOWN_KEY;
    if (!mu_secret_is_set(key))
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_poll_consume(r->conf.crypto, key, packet, &p);
    if (rc == 0 && p.page >= r->pages)
        rc = MU_ERR_MALFORMED; /* no such page */
    if (rc != 0) {
        r->heard.forged++;
        return rc;
    }
    if (!receiver_poll_new(r, now, p.round))
        return 0;
    r->polled_at = now;
    r->round = p.round;
    r->answer_page = p.page;
    r->window_ms = p.window_ms;
    if ((p.flags & MU_POLL_ALL) != 0)
        r->all_ms = p.window_ms;
    r->bitmap = (p.flags & MU_POLL_BITMAP) != 0;
    r->answer = false;
    r->hurries = 0;
    receiver_alive(r, now);
    if ((p.flags & MU_POLL_BEHIND) != 0 && p.page <= r->page.index)
        return 0;
    called = (p.flags & MU_POLL_ALL) != 0 ||
             ((p.flags & MU_POLL_ASKED) != 0 && r->asked_page == p.page + 1u);
    /* Silent: who has that page, or waits for room to store it. */
    if (called || (p.page >= r->page.index && receiver_missing(r) != 0))
        receiver_answer_in(r, now, called);
    return 0;
}

int mu_cast_receiver_packet(struct mu_cast_receiver *r, mu_time now,
                            struct mu_bytes packet)
{
    if (packet.len <= MU_CAST_DATA_HEADER)
        return MU_ERR_TRUNCATED;
    if (packet.data[1] != r->conf.session)
        return MU_ERR_UNEXPECTED;
    if (mu_cast_is_data(packet.data[0]))
        return receiver_data(r, now, packet);
    if (packet.data[0] == MU_CAST_POLL)
        return receiver_poll(r, now, packet);
    return MU_ERR_UNEXPECTED;
}

/* The data symbols that are not in the block. */
static size_t receiver_bitmap(const struct mu_cast_receiver *r,
                              uint8_t bitmap[MU_PAGE_DATA_MAX / 8])
{
    mu_zero(bitmap, MU_PAGE_DATA_MAX / 8);
    for (unsigned i = 0; i < r->page.data; i++) {
        if (!mu_set_has(r->got, i))
            mu_set_add(bitmap, i);
    }
    return (r->page.data + 7u) / 8;
}

/* Writes a NEED. `polled`: an answer, about the page of the poll if we have
 * it; else, and when we are behind, about our own page. */
static size_t receiver_need(struct mu_cast_receiver *r, bool polled,
                            uint8_t *to, size_t cap)
{
    struct mu_writer w = mu_writer(to, cap);
    uint8_t bitmap[MU_PAGE_DATA_MAX / 8];
    struct mu_need n = {
        .session = r->conf.session,
        .receiver = r->conf.receiver,
        .page = (uint16_t)r->page.index,
        .round = r->round,
        .need = receiver_missing(r),
    };

    if (polled && r->answer_page <= r->page.index) {
        if (r->answer_page < r->page.index)
            n.need = 0;
        n.page = r->answer_page;
    }
    if (polled && r->bitmap && n.need != 0)
        n.bitmap = mu_bytes(bitmap, receiver_bitmap(r, bitmap));
    if (mu_need_create(r->conf.crypto, r->conf.kfb, &n, &w) != 0)
        return 0;
    r->heard.asked++;
    if (n.need > 0 && n.need < r->page.data)
        r->asked_page = (uint16_t)(n.page + 1u);
    return w.len;
}

/* Silent when there is nothing to ask for, and while a full page waits. */
static bool receiver_asks(const struct mu_cast_receiver *r)
{
    return receiver_missing(r) != 0;
}

size_t mu_cast_receiver_next(struct mu_cast_receiver *r, mu_time now,
                             uint8_t *to, size_t cap)
{
    uint32_t most = r->conf.idle_ms << BACKOFF_DOUBLINGS;

    if (now >= r->offer_at) {
        r->offer_at = MU_TIME_NEVER;
        receiver_offer(r, now);
    }
    if (r->answer && now >= r->answer_at) {
        /* Again if nothing comes of it; the sender counts it once. */
        r->answer = r->repeats > 0 && receiver_asks(r);
        r->repeats = (uint8_t)(r->repeats - (r->repeats > 0));
        r->answer_at = now + MU_MS(r->window_ms) / 6;
        return receiver_need(r, true, to, cap);
    }
    if (receiver_asks(r) && now >= r->ask_at) {
        receiver_set_ask(r, now);
        r->backoff_ms = r->backoff_ms < most / 2 ? r->backoff_ms * 2 : most;
        return receiver_need(r, false, to, cap);
    }
    return 0;
}

mu_time mu_cast_receiver_deadline(const struct mu_cast_receiver *r)
{
    mu_time at = r->offer_at;

    if (r->answer && r->answer_at < at)
        at = r->answer_at;
    if (receiver_asks(r) && r->ask_at < at)
        at = r->ask_at;
    return at;
}

uint32_t mu_cast_receiver_pages(const struct mu_cast_receiver *r)
{
    return r->page.index;
}

const struct mu_cast_heard *
mu_cast_receiver_heard(const struct mu_cast_receiver *r)
{
    return &r->heard;
}

/* ---- restart ---- */

int mu_cast_receiver_save(const struct mu_cast_receiver *r,
                          struct mu_writer *w)
{
    mu_write_u32(w, r->page.index);
    if (!mu_cast_receiver_done(r))
        mu_write_bytes(w, mu_bytes(r->hashes, mu_page_hashes(&r->conf.shape,
                                                             &r->page)));
    return mu_writer_end(w);
}

int mu_cast_receiver_load(struct mu_cast_receiver *r, struct mu_reader *in)
{
    struct mu_cast_page page = {0};
    uint32_t index = mu_read_u32(in);
    struct mu_bytes hashes;
    int rc;

    if (in->failed || index > r->pages)
        return MU_ERR_CORRUPT;
    page.index = index;
    if (index < r->pages) {
        rc = mu_cast_page_at(&r->conf.shape, r->conf.size, index, &page);
        if (rc != 0)
            return rc;
    }
    hashes = mu_read_bytes(in, mu_page_hashes(&r->conf.shape, &page));
    if (in->failed)
        return MU_ERR_CORRUPT;
    r->page = page;
    r->answer_page = (uint16_t)index;
    mu_copy(r->hashes, hashes.data, hashes.len);
    receiver_set_page(r);
    return 0;
}
