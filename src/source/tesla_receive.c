/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver of TESLA and uTESLA (RFC 4082 s.3.5), and what multilevel
 * uTESLA shares with it.
 *
 * Before anything costs a hash: the packet is for us, its interval may have
 * begun by the latest the sender's clock can be, and its key cannot be known
 * yet. Keys are followed over gaps of at most g, which falls to 1 when a key is
 * false (RFC 4082's guard) and rises with each true one and each interval.
 */
#include "source/tesla.h"

#include "muster/cbor.h"
#include "source/buffer.h"

enum { SETTLE_MAX = 64 }; /* keys walked back to an old message */

size_t mu_tesla_receiver_work(const struct mu_tesla_conf *conf)
{
    return (size_t)conf->slots * conf->message_max;
}

int mu_tesla_receiver_init(struct mu_tesla_receiver *r,
                           const struct mu_tesla_conf *conf, void *work,
                           size_t work_len)
{
    if (conf->slots == 0 || conf->slots > MU_SOURCE_SLOTS_MAX ||
        conf->message_max == 0 || conf->message_max > MU_PACKET_MAX)
        return MU_ERR_USAGE;
    if (work_len < mu_tesla_receiver_work(conf))
        return MU_ERR_NO_SPACE;
    *r = (struct mu_tesla_receiver){
        .conf = *conf, .gap = MU_TESLA_GAP_MAX,
    };
    mu_source_buffer_init(&r->buffer, conf->slots, conf->message_max, work,
                          conf->seed);
    return 0;
}

/* ---- time ---- */

/* The latest that the sender's clock can show now. */
static mu_time receive_upper(const struct mu_tesla_receiver *r, mu_time now)
{
    return now + r->offset; /* modulo 2^64 */
}

int mu_tesla_sync_ask(struct mu_tesla_receiver *r, mu_time now,
                      uint8_t nonce[8])
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    int rc = c->random(c->ctx, r->nonce, sizeof(r->nonce));

    if (rc != 0)
        return rc;
    r->asked = true;
    r->asked_at = now;
    mu_copy(nonce, r->nonce, sizeof(r->nonce));
    return 0;
}

struct sync {
    uint8_t nonce[8];
    mu_time now;
    struct mu_tesla_params params;
    uint32_t at;
    struct mu_bytes key, lows;
};

static int sync_read(struct mu_bytes payload, struct sync *s)
{
    struct mu_reader r = mu_reader(payload);
    uint64_t v[10];
    int rc;

    if (mu_cbor_get_map(&r).left != 14)
        mu_reader_fail(&r);
    mu_cbor_expect_uint(&r, 1);
    mu_cbor_get_bstr_copy(&r, s->nonce, sizeof(s->nonce));
    for (size_t i = 0; i < 10; i++) {
        mu_cbor_expect_uint(&r, i + 2);
        v[i] = mu_cbor_get_uint(&r);
    }
    mu_cbor_expect_uint(&r, 12);
    s->at = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
    mu_cbor_expect_uint(&r, 13);
    s->key = mu_cbor_get_bstr(&r);
    mu_cbor_expect_uint(&r, 14);
    s->lows = mu_cbor_get_bstr(&r);
    rc = mu_reader_end(&r);
    if (rc != 0)
        return rc;
    if (v[1] > 2 || v[2] > 32 || v[3] > 16 || v[4] > UINT8_MAX ||
        v[7] > UINT32_MAX || v[8] > UINT16_MAX || v[9] > UINT16_MAX)
        return MU_ERR_MALFORMED;
    s->now = v[0];
    s->params = (struct mu_tesla_params){
        .prf = (enum mu_tesla_prf)v[1], .key_len = (uint8_t)v[2],
        .tag_len = (uint8_t)v[3], .stream = (uint8_t)v[4], .start = v[5],
        .interval = v[6], .length = (uint32_t)v[7], .delay = (uint16_t)v[8],
        .low = (uint16_t)v[9],
    };
    rc = mu_tesla_check(&s->params);
    if (rc == 0 && (s->key.len != s->params.key_len || s->now > UINT64_MAX / 4 ||
                    s->at > s->params.length ||
                    s->lows.len != (s->params.low == 0 ? 0 : s->key.len * 2)))
        rc = MU_ERR_MALFORMED;
    return rc;
}

static bool sync_same(const struct mu_tesla_params *a,
                      const struct mu_tesla_params *b)
{
    return a->prf == b->prf && a->key_len == b->key_len &&
           a->tag_len == b->tag_len && a->start == b->start &&
           a->interval == b->interval && a->length == b->length &&
           a->delay == b->delay && a->low == b->low;
}

int mu_tesla_sync_take(struct mu_tesla_receiver *r, mu_time now,
                       struct mu_bytes object)
{
    struct mu_bytes payload;
    struct sync s;
    int rc;

    if (!r->asked)
        return MU_ERR_UNEXPECTED;
    r->counts.signatures += r->conf.proof.signer != NULL;
    rc = mu_source_proof_consume(&r->conf.proof, "muster tesla", object,
                                 &payload);
    if (rc == 0)
        rc = sync_read(payload, &s);
    if (rc != 0)
        return rc;
    if (!mu_ct_eq(s.nonce, r->nonce, sizeof(r->nonce)) || now < r->asked_at)
        return MU_ERR_REPLAY;
    if (s.params.stream != r->conf.stream)
        return MU_ERR_UNEXPECTED;
    r->asked = false;
    /* RFC 4082 s.3.3.1: D_t = t_s - t_r + S, t_r from before we asked. */
    r->offset = s.now - r->asked_at + r->conf.drift;
    if (!r->synced || !sync_same(&r->params, &s.params)) {
        r->verified = 0;
        mu_zero(r->lows, sizeof(r->lows));
        mu_zero(r->cdms, sizeof(r->cdms));
        r->foreseen = false;
    }
    r->params = s.params;
    r->synced = true;
    mu_source_buffer_lanes(&r->buffer, r->params.delay + 1u);
    r->gap = MU_TESLA_GAP_MAX;
    r->gap_at = mu_tesla_interval(&r->params, receive_upper(r, now));
    if (s.at >= r->verified) {
        r->verified = s.at;
        mu_copy(r->key, s.key.data, s.key.len);
    }
    if (s.lows.len > 0) {
        uint32_t out = mu_tesla_low_out(
            &r->params, mu_tesla_interval(&r->params, s.now), s.at);

        mu_tesla_low_know(r, s.at, out, s.lows.data);
        if (out > 0)
            mu_tesla_settle(r, s.at * r->params.low,
                            s.at * r->params.low + out - 1, s.lows.data);
        mu_tesla_low_know(r, s.at + 1, 0, s.lows.data + s.key.len);
    } else {
        mu_tesla_settle(r, 1, r->verified, r->key);
    }
    return 0;
}

bool mu_tesla_lost(const struct mu_tesla_receiver *r, mu_time now)
{
    const struct mu_tesla_params *p = &r->params;
    uint64_t x;

    if (!r->synced)
        return true;
    x = mu_tesla_interval(p, receive_upper(r, now));
    if (p->low != 0) {
        uint32_t chain = (uint32_t)(x / p->low);
        uint32_t out = mu_tesla_low_out(p, x, chain);
        const struct mu_tesla_low *low = &r->lows[chain % 3];

        return chain > (uint64_t)r->verified + MU_TESLA_GAP_MAX ||
               (out > 0 && (!low->known || low->chain != chain ||
                            out > low->at + MU_TESLA_GAP_MAX));
    }
    return x > (uint64_t)r->verified + p->delay + MU_TESLA_GAP_MAX;
}

/* ---- keys ---- */

int mu_tesla_follow(struct mu_tesla_receiver *r, uint32_t *at, uint8_t *held,
                    uint32_t j, const uint8_t *key)
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    uint8_t walk[32];
    int rc;

    if (j - *at > r->gap) {
        r->counts.refused++;
        return MU_ERR_BUSY;
    }
    mu_copy(walk, key, r->params.key_len);
    r->counts.hashes += j - *at;
    rc = mu_tesla_walk(c, &r->params, j - *at, walk);
    if (rc != 0)
        return rc;
    if (!mu_ct_eq(walk, held, r->params.key_len)) {
        r->gap = MU_TESLA_GAP_MIN;
        r->counts.forged++;
        return MU_ERR_AUTH;
    }
    if (r->gap < MU_TESLA_GAP_MAX)
        r->gap++;
    *at = j;
    mu_copy(held, key, r->params.key_len);
    return 0;
}

/* The tag of a waiting message under the key of its interval. */
static bool settle_good(struct mu_tesla_receiver *r, size_t i,
                        const uint8_t *key)
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    struct mu_source_slot *slot = &r->buffer.slots[i];
    uint8_t head[TESLA_HEAD], tag[MU_SOURCE_TAG_MAX];
    struct mu_bytes parts[2] = {
        MU_BYTES(head), mu_source_buffer_bytes(&r->buffer, i),
    };

    tesla_head(head, MU_SOURCE_UTESLA, r->params.stream, slot->index);
    r->counts.hashes += 2;
    return mu_tesla_tag(c, &r->params, key, parts, 2, tag) == 0 &&
           mu_ct_eq(tag, slot->tag, r->params.tag_len);
}

void mu_tesla_settle(struct mu_tesla_receiver *r, uint32_t first, uint32_t top,
                     const uint8_t *key)
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    uint8_t walk[32];

    for (size_t i = 0; i < r->buffer.slots_len; i++) {
        struct mu_source_slot *slot = &r->buffer.slots[i];
        uint32_t back = top - slot->index;

        if (slot->state != MU_SLOT_WAITING || slot->index > top ||
            slot->index < first)
            continue;
        mu_copy(walk, key, r->params.key_len);
        slot->state = MU_SLOT_FREE;
        if (back > SETTLE_MAX && r->params.low == 0) {
            r->counts.dropped++;
            continue;
        }
        r->counts.hashes += back;
        if (mu_tesla_walk(c, &r->params, back, walk) != 0)
            continue;
        if (settle_good(r, i, walk))
            slot->state = MU_SLOT_GOOD;
        else
            r->counts.forged++;
    }
}

/* A key of the single chain, in a packet or alone. */
static int receive_key(struct mu_tesla_receiver *r, uint64_t x, uint32_t j,
                       const uint8_t *key)
{
    uint32_t old = r->verified;
    int rc;

    if (j == r->verified && !mu_ct_eq(key, r->key, r->params.key_len)) {
        r->counts.forged++;
        return MU_ERR_AUTH;
    }
    if (j <= r->verified)
        return 0; /* nothing to learn, no hash to spend */
    /* It is disclosed d intervals on: not before the clock can be there. */
    if (j > r->params.length || (uint64_t)j + r->params.delay > x) {
        r->counts.refused++;
        return MU_ERR_UNEXPECTED;
    }
    rc = mu_tesla_follow(r, &r->verified, r->key, j, key);
    if (rc == 0)
        mu_tesla_settle(r, old + 1, j, key);
    return rc;
}

/* ---- packets ---- */

static void receive_tick(struct mu_tesla_receiver *r, uint64_t x)
{
    while (r->gap_at < x && r->gap < MU_TESLA_GAP_MAX) {
        r->gap_at++;
        r->gap++;
    }
    r->gap_at = x > r->gap_at ? x : r->gap_at;
}

static int receive_message(struct mu_tesla_receiver *r, mu_time at,
                           struct mu_reader *in, uint8_t kind, uint32_t i)
{
    const struct mu_tesla_params *p = &r->params;
    bool piggyback = kind == MU_SOURCE_TESLA;
    struct mu_bytes key = mu_read_bytes(in, piggyback ? p->key_len : 0);
    struct mu_bytes tag = mu_read_bytes(in, p->tag_len);
    struct mu_bytes message = mu_reader_rest(in);
    uint64_t x = mu_tesla_interval(p, at);
    int rc;

    if (in->failed)
        return MU_ERR_TRUNCATED;
    if (i == 0 || i > p->length || i > x || (piggyback && p->low != 0)) {
        r->counts.refused++; /* that interval cannot have begun */
        return MU_ERR_UNEXPECTED;
    }
    if (piggyback && i > p->delay) {
        rc = receive_key(r, x, i - p->delay, key.data);
        if (rc != 0 && rc != MU_ERR_BUSY) /* the guard's: it may wait */
            return rc;
    }
    if (!mu_tesla_safe(p, at, i) || (p->low == 0 && i <= r->verified)) {
        r->counts.unsafe++;
        return MU_ERR_EXPIRED;
    }
    return mu_source_buffer_put(&r->buffer, i, tag, message, &r->counts);
}

int mu_tesla_packet(void *receiver, mu_time now, struct mu_bytes packet)
{
    struct mu_tesla_receiver *r = receiver;
    struct mu_reader in = mu_reader(packet);
    uint8_t kind = mu_read_u8(&in), stream = mu_read_u8(&in);
    uint32_t i = mu_read_u32(&in);
    mu_time at = receive_upper(r, now);
    struct mu_bytes key;
    uint64_t x;

    if (in.failed || packet.len > MU_PACKET_MAX)
        return in.failed ? MU_ERR_TRUNCATED : MU_ERR_TOO_LARGE;
    if (stream != r->conf.stream || !r->synced)
        return r->synced ? MU_ERR_UNEXPECTED : MU_ERR_UNKNOWN_KEY;
    x = mu_tesla_interval(&r->params, at);
    receive_tick(r, x);
    switch (kind) {
    case MU_SOURCE_TESLA:
    case MU_SOURCE_UTESLA:
        return receive_message(r, at, &in, kind, i);
    case MU_SOURCE_KEY:
        key = mu_read_bytes(&in, r->params.key_len);
        if (mu_reader_end(&in) != 0)
            return mu_reader_end(&in);
        if (r->params.low != 0)
            return mu_tesla_low_disclosed(r, x, i, key.data);
        return receive_key(r, x, i, key.data);
    case MU_SOURCE_CDM:
        return mu_tesla_cdm(r, at, packet);
    default:
        return MU_ERR_UNEXPECTED;
    }
}

bool mu_tesla_take(void *receiver, struct mu_source_message *m)
{
    struct mu_tesla_receiver *r = receiver;
    int slot = mu_source_buffer_take(&r->buffer);

    if (slot < 0)
        return false;
    *m = (struct mu_source_message){
        r->params.stream, r->buffer.slots[slot].index,
        mu_source_buffer_bytes(&r->buffer, (size_t)slot), {NULL, 0},
    };
    r->counts.delivered++;
    return true;
}

const struct mu_source_counts *mu_tesla_counts(const void *receiver)
{
    return &((const struct mu_tesla_receiver *)receiver)->counts;
}
