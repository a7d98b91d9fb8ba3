/* SPDX-License-Identifier: Apache-2.0 */
/* TESLA's arithmetic: intervals, one-way functions, chains (RFC 4082 s.3). */
#include "source/tesla.h"

/* RFC 4082 s.3.2, 3.4: F(k) = f_k(0), F'(k) = f'_k(1); one octet each. */
enum { ARG_CHAIN = 0, ARG_MAC = 1, ARG_LOW = 2 };

#define CHAIN_MAX (1u << 24)

int mu_tesla_check(const struct mu_tesla_params *p)
{
    uint8_t most = p->prf == MU_TESLA_SHA1 ? MU_SHA1_LEN : MU_SHA256_LEN;

    if ((p->prf != MU_TESLA_SHA256 && p->prf != MU_TESLA_SHA1) ||
        p->key_len < MU_TESLA_KEY_MIN || p->key_len > most ||
        p->tag_len < 4 || p->tag_len > MU_SOURCE_TAG_MAX ||
        p->interval < 1000 || p->interval > MU_SECONDS(86400) ||
        p->length == 0 || p->delay < 2 ||
        /* keys of the chain that is made at the start */
        p->length / (p->low == 0 ? 1 : p->low) > CHAIN_MAX ||
        p->length > UINT32_MAX - 65536 ||
        p->start > UINT64_MAX / 4)
        return MU_ERR_MALFORMED;
    if (p->low != 0 && (p->low < p->delay || p->low > 4096))
        return MU_ERR_MALFORMED;
    return 0;
}

uint32_t mu_tesla_delay(uint64_t interval, uint64_t round_trip)
{
    uint64_t d;

    if (interval == 0)
        return 0;
    d = round_trip / interval + (round_trip % interval != 0) + 1;
    return d < 2 ? 2 : d > UINT32_MAX ? UINT32_MAX : (uint32_t)d;
}

uint64_t mu_tesla_interval(const struct mu_tesla_params *p, mu_time at)
{
    return at < p->start ? 0 : (at - p->start) / p->interval;
}

bool mu_tesla_safe(const struct mu_tesla_params *p, mu_time at, uint32_t i)
{
    return mu_tesla_interval(p, at) < (uint64_t)i + p->delay;
}

/* f_key(parts), the first out_len bytes. */
static int tesla_prf(const struct mu_crypto *c,
                     const struct mu_tesla_params *p, const uint8_t *key,
                     const struct mu_bytes *parts, size_t parts_len,
                     uint8_t *out, size_t out_len)
{
    uint8_t all[MU_SHA256_LEN];
    struct mu_bytes k = mu_bytes(key, p->key_len);
    int rc;

    if (p->prf == MU_TESLA_SHA1)
        rc = c->hmac_sha1(c->ctx, k, parts, parts_len, all);
    else
        rc = mu_hmac(c, k, parts, parts_len, all);
    if (rc == 0)
        mu_copy(out, all, out_len);
    mu_wipe(all, sizeof(all));
    return rc;
}

static int tesla_derive(const struct mu_crypto *c,
                        const struct mu_tesla_params *p, const uint8_t *key,
                        uint8_t arg, uint8_t *to)
{
    struct mu_bytes part = mu_bytes(&arg, 1);

    return tesla_prf(c, p, key, &part, 1, to, p->key_len);
}

int mu_tesla_before(const struct mu_crypto *c, const struct mu_tesla_params *p,
                    const uint8_t *key, uint8_t *to)
{
    return tesla_derive(c, p, key, ARG_CHAIN, to);
}

int mu_tesla_low_last(const struct mu_crypto *c,
                      const struct mu_tesla_params *p, const uint8_t *high,
                      uint8_t *to)
{
    return tesla_derive(c, p, high, ARG_LOW, to);
}

int mu_tesla_walk(const struct mu_crypto *c, const struct mu_tesla_params *p,
                  uint32_t n, uint8_t *key)
{
    int rc = 0;

    while (n-- > 0 && rc == 0)
        rc = mu_tesla_before(c, p, key, key);
    return rc;
}

int mu_tesla_tag(const struct mu_crypto *c, const struct mu_tesla_params *p,
                 const uint8_t *key, const struct mu_bytes *parts,
                 size_t parts_len, uint8_t *tag)
{
    uint8_t mac_key[32];
    int rc = tesla_derive(c, p, key, ARG_MAC, mac_key);

    if (rc == 0)
        rc = tesla_prf(c, p, mac_key, parts, parts_len, tag, p->tag_len);
    mu_wipe(mac_key, sizeof(mac_key));
    return rc;
}

void mu_tesla_foresee(const struct mu_crypto *c,
                      const struct mu_tesla_params *p, const uint8_t *key,
                      uint8_t hash[32])
{
    struct mu_bytes parts[2] = {
        mu_bytes_str("foresee"), mu_bytes(key, p->key_len),
    };

    mu_sha256(c, parts, 2, hash);
}

/* ---- chains: marks every `step` keys, and one segment laid out ---- */

static uint32_t chain_step(uint32_t length)
{
    uint32_t step = 1;

    while (step * step < length + 1)
        step++;
    return step;
}

size_t mu_tesla_chain_work(const struct mu_tesla_params *p, uint32_t length)
{
    uint32_t step = chain_step(length);

    return ((size_t)length / step + 1 + step) * p->key_len;
}

/* The highest key of segment s. */
static uint32_t chain_top(const struct mu_tesla_chain *k, uint32_t s)
{
    uint32_t top = s * k->step + k->step - 1;

    return top < k->length ? top : k->length;
}

int mu_tesla_chain_init(struct mu_tesla_chain *k, const struct mu_crypto *c,
                        const struct mu_tesla_params *p, uint32_t length,
                        const uint8_t *last, void *work, size_t work_len)
{
    uint8_t key[32];
    int rc = 0;

    if (work_len < mu_tesla_chain_work(p, length))
        return MU_ERR_NO_SPACE;
    *k = (struct mu_tesla_chain){
        .crypto = c, .params = *p, .length = length,
        .step = chain_step(length), .segment_at = UINT32_MAX, .marks = work,
    };
    k->segment = k->marks + ((size_t)length / k->step + 1) * p->key_len;
    mu_copy(key, last, p->key_len);
    for (uint32_t i = length; rc == 0; i--) {
        if (i == chain_top(k, i / k->step))
            mu_copy(k->marks + (size_t)(i / k->step) * p->key_len, key,
                    p->key_len);
        if (i == 0)
            break;
        rc = mu_tesla_before(c, p, key, key);
    }
    mu_wipe(key, sizeof(key));
    return rc;
}

int mu_tesla_chain_key(struct mu_tesla_chain *k, uint32_t i, uint8_t *key)
{
    size_t len = k->params.key_len;
    uint32_t s = i / k->step, top;

    if (i > k->length)
        return MU_ERR_EXHAUSTED;
    top = chain_top(k, s);
    if (k->segment_at != s) {
        uint8_t *at = k->segment + (top - s * k->step) * len;
        int rc = 0;

        mu_copy(at, k->marks + s * len, len);
        for (uint32_t n = top; n > s * k->step && rc == 0; n--, at -= len)
            rc = mu_tesla_before(k->crypto, &k->params, at, at - len);
        if (rc != 0)
            return rc;
        k->segment_at = s;
    }
    mu_copy(key, k->segment + (i - s * k->step) * len, len);
    return 0;
}

void mu_tesla_chain_clear(struct mu_tesla_chain *k)
{
    mu_wipe(k->marks, mu_tesla_chain_work(&k->params, k->length));
    *k = (struct mu_tesla_chain){.length = 0};
}
