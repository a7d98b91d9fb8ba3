/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multilevel uTESLA at the receiver (Liu and Ning): commitment distribution
 * messages, of which several may come for one long interval and many of them
 * false. One whose commitment was foreseen by the one before is believed at
 * once; the others wait, a few of them, by chance, for their key. A low chain
 * whose keys were lost is recovered from the high key above it.
 */
#include "source/tesla.h"

void mu_tesla_low_know(struct mu_tesla_receiver *r, uint32_t chain,
                       uint32_t at, const uint8_t *key)
{
    struct mu_tesla_low *low = &r->lows[chain % 3];

    if (low->known && (low->chain > chain ||
                       (low->chain == chain && low->at >= at)))
        return;
    *low = (struct mu_tesla_low){.known = true, .chain = chain, .at = at};
    mu_copy(low->key, key, r->params.key_len);
}

int mu_tesla_low_disclosed(struct mu_tesla_receiver *r, uint64_t x,
                           uint32_t interval, const uint8_t *key)
{
    uint32_t n = r->params.low, chain = interval / n, j = interval % n + 1;
    struct mu_tesla_low *low = &r->lows[chain % 3];
    uint32_t old = low->at;
    int rc;

    if (interval > r->params.length ||
        (uint64_t)interval + r->params.delay > x) {
        r->counts.refused++;
        return MU_ERR_UNEXPECTED;
    }
    if (!low->known || low->chain != chain)
        return MU_ERR_UNKNOWN_KEY;
    if (j <= low->at)
        return 0;
    rc = mu_tesla_follow(r, &low->at, low->key, j, key);
    if (rc == 0)
        mu_tesla_settle(r, chain * n + old, interval, key);
    return rc;
}

/* ---- CDMs ---- */

/* The CDM's body is proved: the next low chain, and the one after foreseen. */
static void cdm_believe(struct mu_tesla_receiver *r, uint32_t i,
                        const uint8_t *body, bool foresee)
{
    uint8_t len = r->params.key_len;

    mu_tesla_low_know(r, i + 1, 0, body);
    if (!foresee || (r->foreseen && r->foreseen_chain > i + 2))
        return;
    r->foreseen = true;
    r->foreseen_chain = i + 2;
    mu_copy(r->foreseen_hash, body + len, len);
}

static void cdm_settle(struct mu_tesla_receiver *r)
{
    const struct mu_crypto *c = r->conf.proof.crypto;

    for (size_t n = 0; n < MU_TESLA_CDM_SLOTS; n++) {
        struct mu_tesla_cdm *cdm = &r->cdms[n];
        uint8_t head[TESLA_HEAD], tag[MU_SOURCE_TAG_MAX], key[32];
        struct mu_bytes parts[2] = {
            MU_BYTES(head),
            mu_bytes(cdm->body, (size_t)r->params.key_len * 2),
        };

        /* CDM i is under the high key i + 1. */
        if (!cdm->used || cdm->chain + 1 > r->verified)
            continue;
        cdm->used = false;
        mu_copy(key, r->key, r->params.key_len);
        if (r->verified - cdm->chain - 1 > MU_TESLA_GAP_MAX ||
            mu_tesla_walk(c, &r->params, r->verified - cdm->chain - 1, key) !=
                0)
            continue;
        tesla_head(head, MU_SOURCE_CDM, r->params.stream, cdm->chain);
        r->counts.hashes += r->verified - cdm->chain + 1;
        if (mu_tesla_tag(c, &r->params, key, parts, 2, tag) == 0 &&
            mu_ct_eq(tag, cdm->tag, r->params.tag_len))
            cdm_believe(r, cdm->chain, cdm->body, true);
        else
            r->counts.forged++;
    }
}

/* High key i: it ends the low chain i - 2, and all that waits for it. */
static int high_key(struct mu_tesla_receiver *r, uint32_t i,
                    const uint8_t *key)
{
    const struct mu_crypto *c = r->conf.proof.crypto;
    uint32_t n = r->params.low, old = r->verified;
    uint8_t high[32], last[32];
    int rc;

    if (i <= r->verified)
        return i < r->verified ||
               mu_ct_eq(key, r->key, r->params.key_len) ? 0 : MU_ERR_AUTH;
    rc = mu_tesla_follow(r, &r->verified, r->key, i, key);
    if (rc != 0)
        return rc;
    cdm_settle(r);
    mu_copy(high, key, r->params.key_len);
    for (uint32_t h = i; h > old && h >= 2 && rc == 0; h--) {
        r->counts.hashes += 2;
        rc = mu_tesla_low_last(c, &r->params, high, last);
        if (rc != 0)
            break;
        mu_tesla_settle(r, (h - 2) * n, (h - 2) * n + n - 1, last);
        mu_tesla_low_know(r, h - 2, n, last);
        rc = mu_tesla_before(c, &r->params, high, high);
    }
    return rc;
}

/* By chance, like messages: each that comes has the same chance to stay. */
static void cdm_keep(struct mu_tesla_receiver *r, uint32_t i,
                     struct mu_bytes body, struct mu_bytes tag)
{
    size_t at = MU_TESLA_CDM_SLOTS;

    for (size_t n = 0; n < MU_TESLA_CDM_SLOTS; n++) {
        struct mu_tesla_cdm *c = &r->cdms[n];

        if (c->used && c->chain == i &&
            mu_bytes_eq(mu_bytes(c->body, body.len), body) &&
            mu_bytes_eq(mu_bytes(c->tag, tag.len), tag))
            return;
        if (!c->used || c->chain < i) {
            if (at == MU_TESLA_CDM_SLOTS || !c->used)
                at = n;
        }
    }
    if (at < MU_TESLA_CDM_SLOTS && !r->cdms[at].used)
        r->cdms_seen = at == 0 ? 1 : r->cdms_seen + 1;
    else
        r->cdms_seen++;
    if (at == MU_TESLA_CDM_SLOTS) {
        /* xorshift32, Marsaglia 2003; the buffer's generator */
        r->buffer.random ^= r->buffer.random << 13;
        r->buffer.random ^= r->buffer.random >> 17;
        r->buffer.random ^= r->buffer.random << 5;
        at = r->buffer.random % r->cdms_seen;
        r->counts.dropped++;
    }
    if (at >= MU_TESLA_CDM_SLOTS)
        return;
    r->cdms[at] = (struct mu_tesla_cdm){.used = true, .chain = i};
    mu_copy(r->cdms[at].body, body.data, body.len);
    mu_copy(r->cdms[at].tag, tag.data, tag.len);
}

int mu_tesla_cdm(struct mu_tesla_receiver *r, mu_time at,
                 struct mu_bytes packet)
{
    const struct mu_tesla_params *p = &r->params;
    struct mu_reader in = mu_reader(packet);
    uint64_t x = p->low == 0 ? 0 : mu_tesla_interval(p, at) / p->low;
    struct mu_bytes body, tag, key;
    uint8_t hash[32];
    uint32_t i;
    int rc;

    (void)mu_read_u16(&in); /* kind, stream */
    i = mu_read_u32(&in);
    body = mu_read_bytes(&in, (size_t)p->key_len * 2);
    tag = mu_read_bytes(&in, p->tag_len);
    key = mu_read_bytes(&in, p->key_len);
    rc = mu_reader_end(&in);
    if (rc != 0)
        return rc;
    if (p->low == 0 || i > x || i > p->length / p->low) {
        r->counts.refused++;
        return MU_ERR_UNEXPECTED;
    }
    rc = high_key(r, i, key.data);
    if (rc != 0)
        return rc;
    if (r->foreseen && r->foreseen_chain == i + 1) {
        r->counts.hashes++;
        mu_tesla_foresee(r->conf.proof.crypto, p, body.data, hash);
        if (!mu_ct_eq(hash, r->foreseen_hash, p->key_len)) {
            r->counts.forged++;
            return MU_ERR_AUTH;
        }
        cdm_believe(r, i, body.data, false);
    }
    /* Its tag is worth something only while high key i + 1 is not known. */
    if (x >= (uint64_t)i + 1 || i + 1 <= r->verified) {
        r->counts.unsafe++;
        return MU_ERR_EXPIRED;
    }
    cdm_keep(r, i, body, tag);
    return 0;
}
