/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deluge, the engine: what the node has, what it says about it (rules 1 and 6
 * of EXALTED D5.2 s.5.2, with Trickle as the timer), and which part of the
 * engine a packet goes to.
 */
#include "hop/hop.h"

#include "muster/assert.h"

enum {
    FRAGMENT_HEAD = 8,
    REPLAY_SECONDS = 10, /* an ADV with an old round: a restart, after that */
    AREA_KEYS = 2,
    PACKET_US_DEFAULT = 4000,
};

uint32_t mu_hop_random(struct mu_deluge *d)
{
    /* xorshift32, Marsaglia 2003 */
    d->random ^= d->random << 13;
    d->random ^= d->random >> 17;
    d->random ^= d->random << 5;
    return d->random;
}

mu_time mu_hop_spread(struct mu_deluge *d, uint32_t n)
{
    return mu_hop_packets(d, n) * (mu_hop_random(d) >> 16) >> 16;
}

/* ---- peers ---- */

struct mu_deluge_peer *mu_hop_peer(struct mu_deluge *d, uint16_t node,
                                   bool make)
{
    struct mu_deluge_peer *oldest = &d->peers[0];

    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        struct mu_deluge_peer *p = &d->peers[i];

        if (p->used && p->node == node)
            return p;
        if (oldest->used && (!p->used || p->heard < oldest->heard))
            oldest = p;
    }
    if (!make)
        return NULL;
    *oldest = (struct mu_deluge_peer){.used = true, .node = node};
    return oldest;
}

bool mu_hop_peer_newer(const struct mu_deluge *d,
                       const struct mu_deluge_peer *p)
{
    if (p->manifest_len == 0)
        return false;
    return !d->has || mu_hop_newer(p->version, p->edition, d->object.version,
                                   d->object.edition);
}

bool mu_hop_peer_same(const struct mu_deluge *d,
                      const struct mu_deluge_peer *p)
{
    return d->has && p->version == d->object.version &&
           p->edition == d->object.edition &&
           mu_bytes_eq(MU_BYTES(p->id), MU_BYTES(d->id));
}

/* ---- the object ---- */

size_t mu_hop_fragment_room(const struct mu_deluge *d)
{
    return (size_t)d->conf.payload - FRAGMENT_HEAD - d->conf.tag_len;
}

uint8_t mu_hop_fragments(const struct mu_deluge *d, uint16_t manifest_len)
{
    size_t room = mu_hop_fragment_room(d);
    size_t n = (manifest_len + room - 1) / room;

    return n > MU_FRAGMENTS_MAX ? 0 : (uint8_t)n;
}

static void deluge_id(const struct mu_deluge *d, struct mu_bytes manifest,
                      uint8_t id[4])
{
    uint8_t hash[MU_SHA256_LEN];

    mu_sha256(d->conf.crypto, &manifest, 1, hash);
    mu_copy(id, hash, 4);
}

void mu_hop_page_begin(struct mu_deluge *d)
{
    uint64_t before = d->page.block_at;

    d->got_len = 0;
    mu_zero(d->got, sizeof(d->got));
    if (d->pages == d->pages_all)
        return;
    if (d->pages > 0 && d->page.index + 1 != d->pages) {
        mu_assert(mu_deluge_page_at(&d->object, d->pages - 1, &d->page) == 0);
        before = d->page.block_at;
    }
    d->hash_at = before;
    mu_assert(mu_deluge_page_at(&d->object, d->pages, &d->page) == 0);
}

/* What an opener says must hold together, whoever wrote it. */
static int deluge_object_check(const struct mu_deluge *d,
                               const struct mu_deluge_object *o)
{
    struct mu_cast_page page;
    int rc;

    if (mu_deluge_object_pages(o) == 0 ||
        (d->conf.tag_len != 0 && o->shape.hash_len == 0))
        return MU_ERR_MALFORMED;
    rc = mu_deluge_page_at(o, 0, &page);
    if (rc != 0)
        return rc;
    if (o->roots.len !=
        ((size_t)page.data + page.parity) * o->shape.hash_len)
        return MU_ERR_MALFORMED;
    if (d->has && !mu_hop_newer(o->version, o->edition, d->object.version,
                                d->object.edition))
        return MU_ERR_ROLLBACK;
    return 0;
}

int mu_hop_adopt(struct mu_deluge *d, const struct mu_deluge_object *o,
                 uint16_t len, uint32_t pages, mu_time now)
{
    uint8_t *old = d->manifest;
    int rc = deluge_object_check(d, o);

    if (rc != 0)
        return rc;
    if (pages > mu_deluge_object_pages(o))
        return MU_ERR_USAGE;
    d->manifest = d->draft; /* the roots are a view into it */
    d->draft = old;
    d->taking = false;
    d->taken = false;
    d->has = true;
    d->manifest_len = len;
    deluge_id(d, mu_bytes(d->manifest, len), d->id);
    d->object = *o;
    d->pages_all = mu_deluge_object_pages(o);
    d->pages = pages;
    d->page = (struct mu_cast_page){.index = UINT32_MAX};
    mu_hop_page_begin(d);
    mu_hop_send_clear(d);
    for (size_t i = 0; i < MU_DELUGE_PEERS_MAX; i++) {
        d->peers[i].top = 0;
        d->peers[i].spent = 0;
    }
    d->tries = 0;
    d->ask_at = MU_TIME_NEVER;
    d->held = false;
    d->adv_due = false;
    mu_trickle_reset(&d->trickle, now);
    mu_hop_offered(d, now);
    return 0;
}

int mu_hop_check(struct mu_deluge *d, const struct mu_cast_page *page,
                 uint64_t hash_at, struct mu_bytes packet)
{
    const struct mu_object *store = d->conf.store;
    uint8_t hash[MU_HASH_MAX], len = d->object.shape.hash_len;
    unsigned index = mu_cast_data_index(packet.data);
    int rc;

    if (index >= page->data ||
        packet.len != MU_CAST_DATA_HEADER + (size_t)page->symbol_len)
        return MU_ERR_AUTH;
    if (len == 0)
        return 0;
    if (page->index == 0) {
        mu_copy(hash, d->object.roots.data + (size_t)index * len, len);
    } else {
        rc = store->read(store->ctx, hash_at + (uint64_t)index * len, hash,
                         len);
        if (rc != 0)
            return rc;
    }
    return mu_cast_data_check(d->conf.crypto, packet, hash, len);
}

/* ---- set-up ---- */

size_t mu_deluge_work(const struct mu_deluge_conf *conf)
{
    return 2 * (size_t)conf->manifest_max;
}

int mu_deluge_init(struct mu_deluge *d, const struct mu_deluge_conf *conf,
                   void *work, size_t work_len, mu_time now)
{
    if ((conf->tag_len != 0 && conf->tag_len != MU_TAG_LEN) ||
        conf->payload < MU_PAYLOAD_MIN || conf->payload > MU_PACKET_MAX ||
        conf->manifest_max == 0 || conf->manifest_max > MU_ANNOUNCE_MAX)
        return MU_ERR_USAGE;
    if (work_len < mu_deluge_work(conf))
        return MU_ERR_NO_SPACE;
    *d = (struct mu_deluge){.conf = *conf};
    if (d->conf.packet_us == 0)
        d->conf.packet_us = PACKET_US_DEFAULT;
    d->random = conf->seed ^ 0x9e3779b9u ^ (uint32_t)conf->node * 0x10001u;
    if (d->random == 0)
        d->random = 1;
    d->manifest = work;
    d->draft = d->manifest + conf->manifest_max;
    d->round = conf->round != 0 ? conf->round : (uint16_t)mu_hop_random(d);
    d->count = (uint8_t)mu_hop_random(d);
    d->adv_due = conf->round != 0; /* so that it is known to begin anew */
    d->adv_at = MU_TIME_NEVER;
    d->ask_at = MU_TIME_NEVER;
    for (size_t i = 0; i < AREA_KEYS; i++) {
        d->seal[i].crypto = conf->crypto;
        d->seal[i].tag_len = conf->tag_len;
    }
    mu_hop_send_clear(d);
    return mu_trickle_init(&d->trickle, &conf->trickle, mu_hop_random(d), now);
}

void mu_deluge_control(struct mu_deluge *d, const struct mu_secret *kctl,
                       uint8_t kg)
{
    if (d->seal[0].kg == kg && mu_secret_eq(&d->seal[0].kctl, kctl))
        return;
    d->seal[1] = d->seal[0];
    d->seal[0].kctl = *kctl;
    d->seal[0].kg = kg;
}

int mu_deluge_offer(struct mu_deluge *d, struct mu_bytes manifest,
                    uint32_t pages, mu_time now)
{
    struct mu_deluge_object o;
    int rc;

    if (manifest.len > d->conf.manifest_max ||
        mu_hop_fragments(d, (uint16_t)manifest.len) == 0)
        return MU_ERR_TOO_LARGE;
    d->taking = false;
    d->taken = false;
    mu_zero(d->draft_id, sizeof(d->draft_id));
    d->draft_have = 0;
    mu_copy(d->draft, manifest.data, manifest.len);
    rc = d->conf.opener->open(d->conf.opener->ctx,
                              mu_bytes(d->draft, manifest.len), &o);
    if (rc != 0)
        return rc;
    return mu_hop_adopt(d, &o, (uint16_t)manifest.len, pages, now);
}

/* ---- advertisements ---- */

/* Not one that somebody recorded: rounds grow, but for a node that began
 * anew, and that is believed once it was silent for a while. */
static bool adv_fresh(const struct mu_deluge *d,
                      const struct mu_deluge_peer *p, uint16_t round,
                      mu_time now)
{
    uint16_t ahead = (uint16_t)(round - p->round);

    return d->conf.tag_len == 0 || (ahead > 0 && ahead < 0x8000) ||
           now >= p->heard + MU_SECONDS(REPLAY_SECONDS);
}

/* Somebody said what we would have said. */
static void adv_consistent(struct mu_deluge *d)
{
    mu_trickle_consistent(&d->trickle);
    if (d->adv_due && mu_trickle_suppressed(&d->trickle)) {
        d->adv_due = false;
        d->counts.adv_suppressed++;
    }
    if (d->adv_at != MU_TIME_NEVER &&
        ++d->adv_heard >= d->conf.trickle.redundancy) {
        d->adv_at = MU_TIME_NEVER;
        d->counts.adv_suppressed++;
    }
}

static int deluge_adv(struct mu_deluge *d, mu_time now,
                      const struct mu_deluge_adv *a)
{
    struct mu_deluge_peer *p;

    if (a->channel != d->conf.channel || a->node == d->conf.node)
        return MU_ERR_UNEXPECTED;
    p = mu_hop_peer(d, a->node, false);
    if (p != NULL && p->heard != 0 && !adv_fresh(d, p, a->round, now))
        return MU_ERR_REPLAY;
    if (p == NULL)
        p = mu_hop_peer(d, a->node, true);
    if (p->said && (uint16_t)(a->round - p->round) >= MU_DELUGE_ANEW)
        p->counted = false; /* its requests are counted anew too */
    p->said = true;
    p->round = a->round;
    p->heard = now;
    p->version = a->version;
    p->edition = a->edition;
    p->pages = a->pages;
    p->manifest_len = a->manifest_len <= d->conf.manifest_max
                          ? a->manifest_len : 0;
    mu_copy(p->id, a->id, sizeof(p->id));

    if (mu_hop_peer_newer(d, p)) {
        mu_hop_offered(d, now);
    } else if (mu_hop_peer_same(d, p) || (!d->has && p->manifest_len == 0)) {
        if (p->pages > d->pages)
            mu_hop_offered(d, now);
        else if (p->pages == d->pages)
            adv_consistent(d);
        else
            mu_trickle_reset(&d->trickle, now);
    } else {
        mu_trickle_reset(&d->trickle, now); /* it is behind */
    }
    return 0;
}

static size_t deluge_adv_next(struct mu_deluge *d, mu_time now, uint8_t *to)
{
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    struct mu_deluge_adv a = {
        .channel = d->conf.channel,
        .node = d->conf.node,
        .round = (uint16_t)(d->round + 1),
        .version = d->object.version,
        .edition = d->object.edition,
        .manifest_len = d->manifest_len,
        .pages = (uint16_t)d->pages,
    };

    if (mu_trickle_step(&d->trickle, now))
        d->adv_due = true;
    if (!d->adv_due && now < d->adv_at)
        return 0;
    d->adv_due = false;
    d->adv_at = MU_TIME_NEVER;
    mu_copy(a.id, d->id, sizeof(a.id));
    if (mu_deluge_adv_create(&d->seal[0], &a, &w) != 0)
        return 0;
    d->round = a.round;
    d->counts.adv++;
    return w.len;
}

/* ---- in and out ---- */

/* Tries both area keys on a tagged packet. */
static int deluge_tagged(struct mu_deluge *d, mu_time now,
                         struct mu_bytes packet)
{
    struct mu_deluge_fragment f;
    struct mu_deluge_adv a;
    struct mu_deluge_req q;
    int rc = MU_ERR_UNKNOWN_KEY;

    for (size_t i = 0; i < AREA_KEYS; i++) {
        const struct mu_deluge_seal *s = &d->seal[i];

        if (s->tag_len != 0 && !mu_secret_is_set(&s->kctl))
            continue;
        if (packet.data[0] == MU_DELUGE_ADV) {
            rc = mu_deluge_adv_consume(s, packet, &a);
            if (rc == 0)
                return deluge_adv(d, now, &a);
        } else if (packet.data[0] == MU_DELUGE_REQ) {
            rc = mu_deluge_req_consume(s, packet, &q);
            if (rc != 0)
                continue;
            if (q.channel != d->conf.channel || q.node == d->conf.node)
                return MU_ERR_UNEXPECTED;
            if (q.target == d->conf.node)
                return mu_hop_asked(d, now, &q);
            mu_hop_heard_request(d, now, &q);
            return 0;
        } else {
            rc = mu_deluge_fragment_consume(s, packet, &f);
            if (rc == 0)
                return mu_hop_fragment(d, now, &f);
        }
    }
    return rc;
}

int mu_deluge_packet(struct mu_deluge *d, mu_time now, struct mu_bytes packet)
{
    int rc;

    if (packet.len <= MU_CAST_DATA_HEADER)
        return MU_ERR_TRUNCATED;
    if (mu_cast_is_data(packet.data[0]))
        return mu_hop_data(d, now, packet);
    switch (packet.data[0]) {
    case MU_CAST_ANNOUNCE:
    case MU_DELUGE_ADV:
    case MU_DELUGE_REQ:
        rc = deluge_tagged(d, now, packet);
        if (rc == MU_ERR_AUTH)
            d->counts.forged++;
        return rc;
    default:
        return MU_ERR_UNEXPECTED;
    }
}

size_t mu_deluge_next(struct mu_deluge *d, mu_time now, uint8_t *to)
{
    size_t len;

    mu_hop_open_draft(d, now);
    len = mu_hop_send(d, now, to);
    if (len == 0)
        len = mu_hop_request(d, now, to);
    if (len == 0)
        len = deluge_adv_next(d, now, to);
    d->counts.bytes += len;
    return len;
}

static mu_time earlier(mu_time a, mu_time b)
{
    return a < b ? a : b;
}

mu_time mu_deluge_deadline(const struct mu_deluge *d)
{
    mu_time at = earlier(d->send_at, d->ask_at);

    at = earlier(at, mu_trickle_deadline(&d->trickle));
    at = earlier(at, d->adv_at);
    if (d->adv_due)
        at = 0;
    if (d->taken)
        at = earlier(at, d->open_at);
    return at;
}

bool mu_deluge_done(const struct mu_deluge *d)
{
    return d->has && d->pages == d->pages_all;
}

struct mu_bytes mu_deluge_manifest(const struct mu_deluge *d)
{
    return mu_bytes(d->manifest, d->has ? d->manifest_len : 0);
}
