/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deluge, the receiving side: rules 2 and 3 of EXALTED D5.2 s.5.2, and the
 * packets that come of it. Pages come one after the other, because each is
 * checked against the one before; within a page, in any order.
 */
#include "hop/hop.h"

enum {
    TRIES = 3,             /* requests without an answer */
    POSTPONED_MAX = 2,     /* requests of others that ours waits for */
    FAILURES_MAX = 6,      /* doublings of a hold */
    LIAR_SECONDS = 300,
    MANIFEST_FAILURES_MAX = 3, /* doublings of a second */
    OPEN_SECONDS = 1,      /* between two signatures that came by radio */
};

/* ---- whom to ask for what ---- */

static bool ask_manifest_of(const struct mu_deluge *d,
                            const struct mu_deluge_peer *p)
{
    if (!p->used || !mu_hop_peer_newer(d, p) ||
        mu_hop_fragments(d, p->manifest_len) == 0)
        return false;
    return !d->bad || !mu_bytes_eq(MU_BYTES(p->id), MU_BYTES(d->bad_id));
}

static bool ask_page_of(const struct mu_deluge *d,
                        const struct mu_deluge_peer *p)
{
    return p->used && mu_hop_peer_same(d, p) && p->pages > d->pages &&
           d->pages < d->pages_all;
}

/* Takes fragments of this peer's manifest from now on; those of the same one
 * that are here already are kept. */
static void draft_begin(struct mu_deluge *d, const struct mu_deluge_peer *p)
{
    if (d->draft_len != p->manifest_len ||
        !mu_bytes_eq(MU_BYTES(d->draft_id), MU_BYTES(p->id)))
        d->draft_have = 0;
    mu_copy(d->draft_id, p->id, sizeof(d->draft_id));
    d->draft_len = p->manifest_len;
    d->draft_of = p->node;
    d->taking = true;
}

/* One of those who offer a newer manifest, by chance: somebody who promises
 * what he does not have must not keep us from the others. */
static struct mu_deluge_peer *choose_manifest(struct mu_deluge *d, mu_time now)
{
    struct mu_deluge_peer *pick = NULL;
    uint32_t n = 0;

    if (now < d->manifest_hold || d->taken)
        return NULL;
    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        struct mu_deluge_peer *p = &d->peers[i];

        if (!ask_manifest_of(d, p) || now < p->hold)
            continue;
        if (d->taking && !mu_bytes_eq(MU_BYTES(p->id), MU_BYTES(d->draft_id)))
            continue;
        if (mu_hop_random(d) % ++n == 0)
            pick = p;
    }
    return pick;
}

/* The one whom others ask for the same page; the one that served us last; the
 * one heard last. */
static struct mu_deluge_peer *choose_page(struct mu_deluge *d, mu_time now)
{
    struct mu_deluge_peer *pick = NULL;

    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        struct mu_deluge_peer *p = &d->peers[i];

        if (!ask_page_of(d, p) || now < p->hold)
            continue;
        if (d->hinted && p->node == d->hint)
            return p;
        if (pick == NULL || p->node == d->asked ||
            (pick->node != d->asked && p->heard > pick->heard))
            pick = p;
    }
    return pick;
}

static struct mu_deluge_peer *ask_choose(struct mu_deluge *d, mu_time now,
                                         uint16_t *page)
{
    struct mu_deluge_peer *p = choose_manifest(d, now);

    if (p == NULL && d->taking && !d->taken) {
        d->taking = false; /* nobody is left who offers that one */
        p = choose_manifest(d, now);
    }
    if (p != NULL) {
        draft_begin(d, p);
        *page = MU_DELUGE_MANIFEST;
        return p;
    }
    *page = (uint16_t)d->pages;
    return choose_page(d, now);
}

/* Until somebody who is being left alone may be asked again; for ever when
 * nothing is on offer. */
static void ask_wait(struct mu_deluge *d, mu_time now)
{
    mu_time at = MU_TIME_NEVER;

    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        const struct mu_deluge_peer *p = &d->peers[i];
        mu_time when = p->hold;

        if (ask_manifest_of(d, p)) {
            if (when < d->manifest_hold)
                when = d->manifest_hold;
        } else if (!ask_page_of(d, p)) {
            continue;
        }
        if (when < at)
            at = when;
    }
    d->held = at != MU_TIME_NEVER;
    d->ask_at = at > now ? at : now + mu_hop_packets(d, HOP_HOLD);
}

void mu_hop_offered(struct mu_deluge *d, mu_time now)
{
    mu_time at;

    if (d->ask_at != MU_TIME_NEVER && !d->held)
        return;
    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        const struct mu_deluge_peer *p = &d->peers[i];

        if (now < p->hold || (!ask_page_of(d, p) &&
                              (now < d->manifest_hold ||
                               !ask_manifest_of(d, p))))
            continue;
        at = now + mu_hop_packets(d, HOP_LISTEN) +
             mu_hop_spread(d, HOP_LISTEN_SPREAD);
        if (at < d->ask_at)
            d->ask_at = at;
        d->held = false;
        return;
    }
    if (!d->held)
        ask_wait(d, now);
}

/* ---- requests ---- */

/* Whoever was asked did not answer: leave it alone for a while, and say what
 * we have, for those behind us. */
static void ask_failed(struct mu_deluge *d, mu_time now)
{
    struct mu_deluge_peer *p = mu_hop_peer(d, d->asked, false);

    d->tries = 0;
    d->hinted = false;
    mu_trickle_reset(&d->trickle, now);
    if (d->conf.round != 0)
        d->adv_due = true; /* perhaps it has not heard that we began anew */
    if (p == NULL)
        return;
    p->hold = now + (mu_hop_packets(d, HOP_HOLD) << p->failures);
    if (p->failures < FAILURES_MAX)
        p->failures++;
}

static struct mu_bytes ask_bitmap(const struct mu_deluge *d, uint16_t page,
                                  uint8_t bits[32])
{
    unsigned n = d->page.data;

    mu_zero(bits, 32);
    if (page == MU_DELUGE_MANIFEST)
        n = mu_hop_fragments(d, d->draft_len);
    for (unsigned i = 0; i < n; i++) {
        if (page == MU_DELUGE_MANIFEST ? (d->draft_have >> i & 1) == 0
                                       : !mu_hop_bit(d->got, i))
            mu_hop_set(bits, i);
    }
    return mu_bytes(bits, (n + 7) / 8);
}

size_t mu_hop_request(struct mu_deluge *d, mu_time now, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_deluge_req q = {
        .channel = d->conf.channel, .node = d->conf.node,
    };
    struct mu_deluge_peer *p;
    uint8_t bits[32];

    if (now < d->ask_at)
        return 0;
    d->held = false;
    if (d->tries >= TRIES)
        ask_failed(d, now);
    p = ask_choose(d, now, &q.page);
    if (p == NULL) {
        d->tries = 0;
        ask_wait(d, now);
        return 0;
    }
    q.target = p->node;
    q.round = p->round;
    q.count = ++d->count;
    q.bitmap = ask_bitmap(d, q.page, bits);
    d->asked = p->node;
    d->tries++;
    d->postponed = 0;
    d->ask_at = now + mu_hop_packets(d, HOP_ANSWER) +
                mu_hop_spread(d, HOP_ANSWER_SPREAD);
    if (mu_deluge_req_create(&d->seal[0], &q, &w) != 0)
        return 0;
    d->counts.req++;
    return w.len;
}

/* Somebody else asks for what we would ask for: wait for what comes. */
void mu_hop_heard_request(struct mu_deluge *d, mu_time now,
                          const struct mu_deluge_req *q)
{
    bool manifest = q->page == MU_DELUGE_MANIFEST;

    if (d->ask_at == MU_TIME_NEVER || d->held || d->postponed >= POSTPONED_MAX ||
        (manifest ? !d->taking && d->has : q->page != d->pages || d->taking))
        return;
    d->postponed++;
    d->hinted = true;
    d->hint = q->target;
    d->ask_at = now + mu_hop_packets(d, HOP_ANSWER) +
                mu_hop_spread(d, HOP_ANSWER_SPREAD);
    d->counts.req_suppressed++;
}

/* ---- what comes ---- */

static void ask_progress(struct mu_deluge *d, mu_time now)
{
    struct mu_deluge_peer *p = mu_hop_peer(d, d->asked, false);

    if (p != NULL && d->tries > 0)
        p->failures = 0;
    d->tries = 0;
    d->postponed = 0;
    d->held = false;
    d->ask_at = now + mu_hop_packets(d, HOP_SILENCE) +
                mu_hop_spread(d, HOP_LISTEN_SPREAD);
}

/* The page is in the store: rule 6, say so before asking for more. */
static void ask_page_done(struct mu_deluge *d, mu_time now)
{
    d->pages++;
    mu_hop_page_begin(d);
    d->hinted = false;
    d->adv_at = now + mu_hop_packets(d, 1) + mu_hop_spread(d, HOP_LISTEN);
    d->adv_heard = 0;
    mu_trickle_reset(&d->trickle, now);
    d->ask_at = MU_TIME_NEVER;
    d->held = false;
    mu_hop_offered(d, now);
}

static int data_take(struct mu_deluge *d, mu_time now, struct mu_bytes packet)
{
    const struct mu_object *store = d->conf.store;
    unsigned index = mu_cast_data_index(packet.data);
    size_t len = packet.len - MU_CAST_DATA_HEADER;
    int rc = store->write(store->ctx, d->page.block_at + index * len,
                          packet.data + MU_CAST_DATA_HEADER, len);

    if (rc != 0)
        return rc;
    if (d->got_len + 1 == d->page.data) {
        rc = store->sync(store->ctx); /* then it is asked for again */
        if (rc != 0)
            return rc;
    }
    mu_hop_set(d->got, index);
    d->got_len++;
    d->counts.accepted++;
    ask_progress(d, now);
    if (d->got_len == d->page.data)
        ask_page_done(d, now);
    return 0;
}

int mu_deluge_page(struct mu_deluge *d, uint8_t session,
                   const struct mu_cast_page *page, const uint8_t *block,
                   mu_time now)
{
    const struct mu_object *store = d->conf.store;
    int rc;

    if (!d->has || session != d->object.session || d->pages == d->pages_all ||
        page->index != d->pages || page->block_at != d->page.block_at ||
        page->data != d->page.data || page->symbol_len != d->page.symbol_len)
        return MU_ERR_UNEXPECTED;
    rc = store->write(store->ctx, page->block_at, block,
                      (size_t)page->data * page->symbol_len);
    if (rc == 0)
        rc = store->sync(store->ctx);
    if (rc == 0)
        ask_page_done(d, now);
    return rc;
}

/* A packet of a page that we have: it matters to us as senders only. */
static int data_overheard(struct mu_deluge *d, mu_time now, uint32_t index,
                          struct mu_bytes packet)
{
    struct mu_cast_page page, before = {.block_at = 0};
    int rc;

    d->counts.duplicate++;
    if (d->send_at == MU_TIME_NEVER)
        return 0;
    rc = mu_deluge_page_at(&d->object, index, &page);
    if (rc == 0 && index > 0)
        rc = mu_deluge_page_at(&d->object, index - 1, &before);
    if (rc == 0)
        rc = mu_hop_check(d, &page, before.block_at, packet);
    if (rc == 0)
        mu_hop_yield(d, now, (uint16_t)index,
                     mu_cast_data_index(packet.data));
    else if (rc == MU_ERR_AUTH)
        d->counts.forged++;
    return rc;
}

/* Which page a packet is of: ours if it can be, else one that is near to what
 * is going on here. The hash tells. */
static uint32_t data_page(const struct mu_deluge *d, unsigned low)
{
    if (d->pages < d->pages_all && low == d->pages % MU_CAST_PAGES_NEAR)
        return d->pages;
    return mu_cast_page_near(mu_hop_served(d), low);
}

int mu_hop_data(struct mu_deluge *d, mu_time now, struct mu_bytes packet)
{
    unsigned index = mu_cast_data_index(packet.data);
    uint32_t page;
    int rc;

    if (!d->has || packet.data[1] != d->object.session)
        return MU_ERR_UNEXPECTED;
    page = data_page(d, mu_cast_data_page(packet.data));
    if (page < d->pages)
        return data_overheard(d, now, page, packet);
    if (page > d->pages || page >= d->pages_all ||
        (index >= d->page.data && index < d->page.data + d->page.parity)) {
        d->counts.ahead++; /* or parity of a cast, for which there is no room */
        return MU_ERR_UNEXPECTED;
    }
    if (index < d->page.data && mu_hop_bit(d->got, index)) {
        d->counts.duplicate++;
        return 0;
    }
    rc = mu_hop_check(d, &d->page, d->hash_at, packet);
    if (rc == MU_ERR_AUTH)
        d->counts.forged++;
    if (rc != 0)
        return rc;
    return data_take(d, now, packet);
}

/* ---- the manifest ---- */

/* A fragment of a manifest that a neighbour has told of, not of ours. */
static bool fragment_wanted(struct mu_deluge *d, mu_time now,
                            const struct mu_deluge_fragment *f)
{
    if (d->taken)
        return false;
    if (d->taking)
        return mu_bytes_eq(MU_BYTES(d->draft_id), MU_BYTES(f->id));
    if (now < d->manifest_hold)
        return false;
    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        const struct mu_deluge_peer *p = &d->peers[i];

        if (ask_manifest_of(d, p) &&
            mu_bytes_eq(MU_BYTES(p->id), MU_BYTES(f->id))) {
            draft_begin(d, p);
            return true;
        }
    }
    return false;
}

int mu_hop_fragment(struct mu_deluge *d, mu_time now,
                    const struct mu_deluge_fragment *f)
{
    size_t room = mu_hop_fragment_room(d), at = f->index * room, len;

    if (!fragment_wanted(d, now, f)) {
        d->counts.duplicate++;
        if (d->has && mu_bytes_eq(MU_BYTES(d->id), MU_BYTES(f->id)))
            mu_hop_yield(d, now, MU_DELUGE_MANIFEST, f->index);
        return 0;
    }
    if (f->count != mu_hop_fragments(d, d->draft_len) || at >= d->draft_len)
        return MU_ERR_MALFORMED;
    len = d->draft_len - at < room ? d->draft_len - at : room;
    if (f->bytes.len != len)
        return MU_ERR_MALFORMED;
    if ((d->draft_have >> f->index & 1) != 0) {
        d->counts.duplicate++;
        return 0;
    }
    mu_copy(d->draft + at, f->bytes.data, len);
    d->draft_have |= 1ull << f->index;
    d->counts.accepted++;
    ask_progress(d, now);
    d->taken = d->draft_have == (1ull << f->count) - 1;
    return 0;
}

/* Whoever offers what has turned out false is left alone for long. */
static void draft_bad(struct mu_deluge *d, mu_time now)
{
    d->bad = true;
    mu_copy(d->bad_id, d->draft_id, sizeof(d->bad_id));
    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        struct mu_deluge_peer *p = &d->peers[i];

        /* Who offered it may offer another one by now. */
        if (mu_bytes_eq(MU_BYTES(p->id), MU_BYTES(d->bad_id)) ||
            (p->used && p->node == d->draft_of))
            p->hold = now + MU_SECONDS(LIAR_SECONDS);
    }
}

/* What cannot be believed is not asked for again, and the next one waits, a
 * little longer each time but not so long that who takes many names could keep
 * us from the true one: a flood of manifests makes a node check a signature in
 * eight seconds, and relay nothing. */
void mu_hop_open_draft(struct mu_deluge *d, mu_time now)
{
    struct mu_bytes draft = mu_bytes(d->draft, d->draft_len);
    uint8_t hash[MU_SHA256_LEN];
    struct mu_deluge_object o;
    uint32_t wait = 1;
    int rc;

    if (!d->taken || now < d->open_at)
        return;
    d->taken = false;
    d->taking = false;
    d->draft_have = 0;
    mu_sha256(d->conf.crypto, &draft, 1, hash);
    if (mu_bytes_eq(mu_bytes(hash, 4), MU_BYTES(d->draft_id))) {
        d->open_at = now + MU_SECONDS(OPEN_SECONDS);
        d->counts.signatures++;
        rc = d->conf.opener->open(d->conf.opener->ctx, draft, &o);
        if (rc == 0)
            rc = mu_hop_adopt(d, &o, (uint16_t)draft.len, 0, now);
        if (rc == 0) {
            d->manifest_failures = 0;
            return;
        }
        draft_bad(d, now);
    }
    wait <<= d->manifest_failures;
    if (d->manifest_failures < MANIFEST_FAILURES_MAX)
        d->manifest_failures++;
    d->manifest_hold = now + MU_SECONDS(wait);
    ask_wait(d, now);
}
