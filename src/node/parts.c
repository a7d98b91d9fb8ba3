/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of engines: see muster/parts.h. */
#include "muster/parts.h"

#include "muster/assert.h"

#define BACKOFF_FIRST MU_SECONDS(1)
#define BACKOFF_DOUBLINGS 6 /* 64 s at most */

uint32_t mu_jitter_next(uint32_t *state)
{
    /* xorshift32; zero would stay zero */
    uint32_t x = *state != 0 ? *state : 0x9e3779b9u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

mu_time mu_jitter(uint32_t *state, mu_time span)
{
    uint64_t wide = (uint64_t)mu_jitter_next(state) << 16;

    wide ^= mu_jitter_next(state);
    return span == MU_TIME_NEVER ? wide : wide % (span + 1);
}

void mu_backoff_reset(struct mu_backoff *b)
{
    b->at = 0;
    b->tries = 0;
}

void mu_backoff_fail(struct mu_backoff *b, mu_time now, uint32_t *jitter)
{
    unsigned doublings =
        b->tries < BACKOFF_DOUBLINGS ? b->tries : BACKOFF_DOUBLINGS;
    mu_time wait = BACKOFF_FIRST << doublings;

    b->at = now + wait - mu_jitter(jitter, wait / 4);
    if (b->tries < UINT8_MAX)
        b->tries++;
}

bool mu_ask_ready(const struct mu_ask *a, mu_time now)
{
    return a->due && !a->flying && a->wait.at <= now;
}

void mu_ask_sent(struct mu_ask *a, uint32_t exchange)
{
    mu_assert(a->due && !a->flying);
    a->due = false;
    a->flying = true;
    a->exchange = exchange;
}

void mu_ask_done(struct mu_ask *a)
{
    a->flying = false;
    mu_backoff_reset(&a->wait);
}

void mu_ask_failed(struct mu_ask *a, mu_time now, uint32_t *jitter)
{
    a->flying = false;
    a->due = true;
    mu_backoff_fail(&a->wait, now, jitter);
}

void mu_ask_lost(struct mu_ask *a)
{
    if (a->flying)
        a->due = true;
    a->flying = false;
}

mu_time mu_ask_deadline(const struct mu_ask *a)
{
    return a->due && !a->flying ? a->wait.at : MU_TIME_NEVER;
}

bool mu_record_durable(const struct mu_record *r)
{
    return !r->dirty && !r->flying;
}

bool mu_record_ready(const struct mu_record *r, mu_time now)
{
    return r->dirty && !r->flying && r->wait.at <= now;
}

void mu_record_taken(struct mu_record *r, uint32_t ticket)
{
    mu_assert(r->dirty && !r->flying);
    r->dirty = false;
    r->flying = true;
    r->ticket = ticket;
}

bool mu_record_stored(struct mu_record *r, uint32_t ticket, int result,
                      mu_time now, uint32_t *jitter)
{
    if (!r->flying || r->ticket != ticket)
        return false;
    r->flying = false;
    if (result == 0) {
        mu_backoff_reset(&r->wait);
    } else {
        r->dirty = true;
        mu_backoff_fail(&r->wait, now, jitter);
    }
    return true;
}

mu_time mu_record_deadline(const struct mu_record *r)
{
    return r->dirty && !r->flying ? r->wait.at : MU_TIME_NEVER;
}

int mu_replies_put(struct mu_replies *r, uint32_t link, uint32_t exchange,
                   uint8_t code)
{
    if (r->len == MU_REPLIES_MAX)
        return MU_ERR_BUSY;
    r->ring[(r->first + r->len) % MU_REPLIES_MAX] =
        (struct mu_reply){link, exchange, code};
    r->len++;
    return 0;
}

bool mu_replies_take(struct mu_replies *r, struct mu_reply *out)
{
    if (r->len == 0)
        return false;
    *out = r->ring[r->first];
    r->first = (uint8_t)((r->first + 1) % MU_REPLIES_MAX);
    r->len--;
    return true;
}

void mu_replies_drop(struct mu_replies *r, uint32_t link)
{
    struct mu_replies kept = {.len = 0};

    for (size_t i = 0; i < r->len; i++) {
        struct mu_reply *a = &r->ring[(r->first + i) % MU_REPLIES_MAX];

        if (a->link != link)
            kept.ring[kept.len++] = *a;
    }
    *r = kept;
}

void mu_traces_put(struct mu_traces *t, const char *name, uint64_t a,
                   uint64_t b)
{
    if (t->len == MU_TRACES_MAX)
        return;
    t->ring[(t->first + t->len) % MU_TRACES_MAX] =
        (struct mu_trace){name, a, b};
    t->len++;
}

bool mu_traces_take(struct mu_traces *t, struct mu_trace *out)
{
    if (t->len == 0)
        return false;
    *out = t->ring[t->first];
    t->first = (uint8_t)((t->first + 1) % MU_TRACES_MAX);
    t->len--;
    return true;
}

mu_time mu_time_min(mu_time a, mu_time b)
{
    return a < b ? a : b;
}

bool mu_bit_get(struct mu_bytes set, size_t n)
{
    return n / 8 < set.len && (set.data[n / 8] >> (n % 8) & 1) != 0;
}

void mu_bit_put(uint8_t *set, size_t n, bool v)
{
    uint8_t bit = (uint8_t)(1u << (n % 8));

    if (v)
        set[n / 8] |= bit;
    else
        set[n / 8] &= (uint8_t)~bit;
}
