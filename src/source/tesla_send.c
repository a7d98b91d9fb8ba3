/* SPDX-License-Identifier: Apache-2.0 */
/* The sender of TESLA, uTESLA and multilevel uTESLA, and its sync answer. */
#include "source/tesla.h"

#include "muster/cbor.h"

/* BEAT: three key packets in a row may be lost before the guard stops following. */
enum { BEAT = MU_TESLA_GAP_MAX / 4, COPIES = 3, HIGH_AHEAD = 4 };

static uint32_t send_high_length(const struct mu_tesla_params *p)
{
    return p->low == 0 ? p->length : p->length / p->low + HIGH_AHEAD;
}

size_t mu_tesla_sender_work(const struct mu_tesla_params *p)
{
    return mu_tesla_chain_work(p, send_high_length(p));
}

int mu_tesla_sender_init(struct mu_tesla_sender *s, const struct mu_crypto *c,
                         const struct mu_tesla_params *p, bool piggyback,
                         const uint8_t *last, void *work, size_t work_len)
{
    int rc = mu_tesla_check(p);

    if (rc != 0 || (piggyback && p->low != 0))
        return MU_ERR_USAGE;
    *s = (struct mu_tesla_sender){
        .crypto = c, .params = *p, .piggyback = piggyback,
        .beat = piggyback ? BEAT : 1, .copies = COPIES,
    };
    return mu_tesla_chain_init(&s->chain, c, p, send_high_length(p), last,
                               work, work_len);
}

void mu_tesla_sender_clear(struct mu_tesla_sender *s)
{
    mu_tesla_chain_clear(&s->chain);
}

int mu_tesla_low_key(struct mu_tesla_sender *s, uint32_t chain, uint32_t j,
                     uint8_t *key)
{
    int rc = mu_tesla_chain_key(&s->chain, chain + 2, key);

    if (rc == 0)
        rc = mu_tesla_low_last(s->crypto, &s->params, key, key);
    if (rc == 0)
        rc = mu_tesla_walk(s->crypto, &s->params, s->params.low - j, key);
    return rc;
}

/* The key of an interval, whatever chain it is in. */
static int send_key(struct mu_tesla_sender *s, uint32_t i, uint8_t *key)
{
    if (s->params.low == 0)
        return mu_tesla_chain_key(&s->chain, i, key);
    return mu_tesla_low_key(s, i / s->params.low, i % s->params.low + 1, key);
}

static int tesla_seal(void *sender, mu_time now, struct mu_bytes message,
                      struct mu_writer *w)
{
    struct mu_tesla_sender *s = sender;
    const struct mu_tesla_params *p = &s->params;
    uint64_t at = mu_tesla_interval(p, now);
    uint8_t head[TESLA_HEAD], key[32], tag[MU_SOURCE_TAG_MAX];
    struct mu_bytes parts[2] = {MU_BYTES(head), message};
    uint32_t i = (uint32_t)at, shown;
    int rc;

    if (at == 0 || at > p->length)
        return at == 0 ? MU_ERR_UNEXPECTED : MU_ERR_EXHAUSTED;
    tesla_head(head, MU_SOURCE_UTESLA, p->stream, i);
    mu_write_u8(w, s->piggyback ? MU_SOURCE_TESLA : MU_SOURCE_UTESLA);
    mu_write_bytes(w, mu_bytes(head + 1, sizeof(head) - 1));
    if (s->piggyback) {
        shown = i > p->delay ? i - p->delay : 0;
        rc = send_key(s, shown, key);
        if (rc != 0)
            return rc;
        mu_write_bytes(w, mu_bytes(key, p->key_len));
        if (shown > s->disclosed)
            s->disclosed = shown;
    }
    rc = send_key(s, i, key);
    if (rc == 0)
        rc = mu_tesla_tag(s->crypto, p, key, parts, 2, tag);
    mu_wipe(key, sizeof(key));
    if (rc != 0)
        return rc;
    mu_write_bytes(w, mu_bytes(tag, p->tag_len));
    mu_write_bytes(w, message);
    s->spoke = i;
    return mu_writer_end(w);
}

/* ---- keys and CDMs by themselves ---- */

/* The interval in which the next key packet is due; 0: none. When keys ride on
 * messages, only once there are no more of those (RFC 4383: null packets for d
 * intervals after the end), and now and then, so that nobody loses the chain. */
static uint64_t key_due(const struct mu_tesla_sender *s)
{
    uint32_t next = s->disclosed + s->beat;

    if (s->disclosed >= s->params.length)
        return 0;
    if (s->spoke > s->disclosed && s->spoke < next)
        next = s->spoke;
    if (next > s->params.length)
        next = s->params.length;
    return (uint64_t)next + s->params.delay;
}

static mu_time send_start(const struct mu_tesla_params *p, uint64_t i)
{
    return p->start + i * p->interval;
}

static size_t key_next(struct mu_tesla_sender *s, mu_time now,
                       struct mu_writer *w)
{
    const struct mu_tesla_params *p = &s->params;
    uint64_t due = key_due(s), at = mu_tesla_interval(p, now);
    uint8_t head[TESLA_HEAD], key[32];
    uint32_t j;

    if (due == 0 || at < due)
        return 0;
    j = at - p->delay < p->length ? (uint32_t)(at - p->delay) : p->length;
    tesla_head(head, MU_SOURCE_KEY, p->stream, j);
    if (send_key(s, j, key) != 0)
        return 0;
    mu_write_bytes(w, MU_BYTES(head));
    mu_write_bytes(w, mu_bytes(key, p->key_len));
    s->disclosed = j;
    return w->len;
}

static mu_time cdm_due(const struct mu_tesla_sender *s)
{
    const struct mu_tesla_params *p = &s->params;
    uint64_t apart = p->interval * p->low / s->copies;

    if (p->low == 0 || s->cdm_at / s->copies > p->length / p->low)
        return MU_TIME_NEVER;
    return p->start + s->cdm_at * apart;
}

static size_t cdm_next(struct mu_tesla_sender *s, mu_time now,
                       struct mu_writer *w)
{
    const struct mu_tesla_params *p = &s->params;
    uint8_t head[TESLA_HEAD], body[64] = {0}, key[32], hash[32];
    uint8_t tag[MU_SOURCE_TAG_MAX];
    struct mu_bytes parts[2] = {
        MU_BYTES(head), mu_bytes(body, (size_t)p->key_len * 2),
    };
    uint32_t i;
    int rc;

    if (now < cdm_due(s))
        return 0;
    i = (uint32_t)(mu_tesla_interval(p, now) / p->low);
    if (s->cdm_at < i * s->copies)
        s->cdm_at = i * s->copies; /* slept through */
    s->cdm_at++;
    tesla_head(head, MU_SOURCE_CDM, p->stream, i);
    rc = mu_tesla_low_key(s, i + 1, 0, body);
    if (rc == 0)
        rc = mu_tesla_low_key(s, i + 2, 0, key);
    if (rc != 0)
        return 0;
    mu_tesla_foresee(s->crypto, p, key, hash);
    mu_copy(body + p->key_len, hash, p->key_len);
    rc = mu_tesla_chain_key(&s->chain, i + 1, key);
    if (rc == 0)
        rc = mu_tesla_tag(s->crypto, p, key, parts, 2, tag);
    if (rc == 0)
        rc = mu_tesla_chain_key(&s->chain, i, key);
    if (rc != 0)
        return 0;
    mu_write_bytes(w, parts[0]);
    mu_write_bytes(w, parts[1]);
    mu_write_bytes(w, mu_bytes(tag, p->tag_len));
    mu_write_bytes(w, mu_bytes(key, p->key_len));
    return w->len;
}

static size_t tesla_next(void *sender, mu_time now, uint8_t *to)
{
    struct mu_tesla_sender *s = sender;
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);
    size_t len = key_next(s, now, &w);

    return len > 0 ? len : cdm_next(s, now, &w);
}

static mu_time tesla_deadline(const void *sender)
{
    const struct mu_tesla_sender *s = sender;
    uint64_t due = key_due(s);
    mu_time at = due == 0 ? MU_TIME_NEVER : send_start(&s->params, due);

    return cdm_due(s) < at ? cdm_due(s) : at;
}

/* ---- sync answer ---- */

int mu_tesla_sync_create(struct mu_tesla_sender *s,
                         const struct mu_source_proof *proof, mu_time now,
                         const uint8_t nonce[8], struct mu_writer *w)
{
    const struct mu_tesla_params *p = &s->params;
    uint64_t x = mu_tesla_interval(p, now);
    uint8_t payload[MU_TESLA_SYNC_MAX], key[32], lows[64];
    struct mu_writer out = mu_writer(payload, sizeof(payload));
    const uint64_t values[] = {
        now, p->prf, p->key_len, p->tag_len, p->stream, p->start, p->interval,
        p->length, p->delay, p->low,
    };
    uint32_t j = x > p->delay ? (uint32_t)(x - p->delay) : 0;
    size_t lows_len = p->low == 0 ? 0 : (size_t)p->key_len * 2;
    int rc = 0;

    if (x > p->length)
        return MU_ERR_EXHAUSTED;
    if (p->low != 0) {
        j = (uint32_t)(x / p->low);
        rc = mu_tesla_low_key(s, j, mu_tesla_low_out(p, x, j), lows);
        if (rc == 0)
            rc = mu_tesla_low_key(s, j + 1, 0, lows + p->key_len);
    }
    if (rc == 0)
        rc = mu_tesla_chain_key(&s->chain, j, key);
    if (rc != 0)
        return rc;
    mu_cbor_put_map(&out, 14);
    mu_cbor_put_uint(&out, 1);
    mu_cbor_put_bstr(&out, mu_bytes(nonce, 8));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        mu_cbor_put_uint(&out, i + 2);
        mu_cbor_put_uint(&out, values[i]);
    }
    mu_cbor_put_uint(&out, 12);
    mu_cbor_put_uint(&out, j);
    mu_cbor_put_uint(&out, 13);
    mu_cbor_put_bstr(&out, mu_bytes(key, p->key_len));
    mu_cbor_put_uint(&out, 14);
    mu_cbor_put_bstr(&out, mu_bytes(lows, lows_len));
    if (mu_writer_end(&out) != 0)
        return MU_ERR_TOO_LARGE;
    return mu_source_proof_create(proof, "muster tesla", mu_written(&out), w);
}

/* ---- the interface ---- */

const struct mu_source_scheme mu_source_tesla = {
    "tesla", tesla_seal, tesla_next, tesla_deadline, mu_tesla_packet,
    mu_tesla_take, mu_tesla_counts,
};
const struct mu_source_scheme mu_source_utesla = {
    "utesla", tesla_seal, tesla_next, tesla_deadline, mu_tesla_packet,
    mu_tesla_take, mu_tesla_counts,
};
const struct mu_source_scheme mu_source_multilevel = {
    "multilevel", tesla_seal, tesla_next, tesla_deadline, mu_tesla_packet,
    mu_tesla_take, mu_tesla_counts,
};
