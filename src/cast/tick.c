/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticks, docs/wire-format.md s.6.8. The chain is made from its end:
 *
 *   value(i - 1) = H("muster tick" | Kctl | i (2) | value(i))[:8]
 *
 * and told from its begin. The speaker keeps the value at the end of every row
 * of 128 and the row at work, so a tick costs two hashes.
 */
#include "muster/tick.h"

enum {
    NEAR = 16,  /* packets lost in a row: any packet may cost so many hashes */
    FAR = 1024, /* and so many once a second, if its tag is right */
    WINDOW = 16, /* bits of `taken` */
    BACK = 64,  /* told over the hop while these were on the air */
};
#define FAR_EVERY MU_SECONDS(1)

void mu_tick_write(const struct mu_tick *t, uint8_t raw[MU_TICK_LEN])
{
    raw[0] = (uint8_t)(t->at >> 8);
    raw[1] = (uint8_t)t->at;
    mu_copy(raw + 2, t->value, MU_TICK_VALUE);
}

void mu_tick_read(const uint8_t raw[MU_TICK_LEN], struct mu_tick *t)
{
    t->at = (uint16_t)(raw[0] << 8 | raw[1]);
    mu_copy(t->value, raw + 2, MU_TICK_VALUE);
}

/* One place down. */
static void tick_down(const struct mu_crypto *c, const struct mu_secret *kctl,
                      struct mu_tick *t)
{
    uint8_t raw[MU_TICK_LEN], hash[MU_SHA256_LEN];
    struct mu_bytes parts[3] = {mu_bytes_str("muster tick"),
                                mu_secret_view(kctl), MU_BYTES(raw)};

    mu_tick_write(t, raw);
    mu_sha256(c, parts, 3, hash);
    mu_copy(t->value, hash, MU_TICK_VALUE);
    t->at--;
}

/* ---- on a packet -------------------------------------------------------- */

static int tick_mask(const struct mu_crypto *c, const struct mu_secret *kctl,
                     struct mu_bytes packet, const uint8_t at[2],
                     uint8_t value[MU_TICK_VALUE])
{
    struct mu_bytes parts[3] = {mu_bytes_str("muster tick mask"), packet,
                                mu_bytes(at, 2)};
    uint8_t mask[MU_TAG_LEN];
    int rc = mu_tag_make(c, kctl, parts, 3, mask);

    for (size_t i = 0; i < MU_TICK_VALUE; i++)
        value[i] ^= mask[i];
    mu_wipe(mask, sizeof mask);
    return rc;
}

int mu_tick_append(const struct mu_crypto *c, const struct mu_secret *kctl,
                   const struct mu_tick *t, uint8_t *packet, size_t *len)
{
    uint8_t raw[MU_TICK_LEN];
    int rc;

    if (*len > MU_PACKET_MAX - MU_TICK_LEN)
        return MU_ERR_NO_SPACE;
    mu_tick_write(t, raw);
    rc = tick_mask(c, kctl, mu_bytes(packet, *len), raw, raw + 2);
    if (rc != 0)
        return rc;
    mu_copy(packet + *len, raw, MU_TICK_LEN);
    *len += MU_TICK_LEN;
    return 0;
}

int mu_tick_strip(const struct mu_crypto *c, const struct mu_secret *kctl,
                  struct mu_bytes *packet, struct mu_tick *t)
{
    struct mu_bytes bare;
    int rc;

    if (packet->len < MU_TICK_LEN)
        return MU_ERR_TRUNCATED;
    bare = mu_bytes(packet->data, packet->len - MU_TICK_LEN);
    mu_tick_read(bare.data + bare.len, t);
    rc = tick_mask(c, kctl, bare, bare.data + bare.len, t->value);
    if (rc == 0)
        *packet = bare;
    return rc;
}

/* ---- who speaks --------------------------------------------------------- */

static void ticker_row(struct mu_ticker *t, uint16_t at)
{
    unsigned row = at / MU_TICK_ROW;
    struct mu_tick v = {.at = (uint16_t)((row + 1) * MU_TICK_ROW)};

    t->row_at = (uint16_t)(row * MU_TICK_ROW);
    mu_copy(v.value, t->ends[row], MU_TICK_VALUE);
    for (unsigned i = MU_TICK_ROW; i-- > 0;) {
        tick_down(t->crypto, &t->kctl, &v);
        mu_copy(t->row[i], v.value, MU_TICK_VALUE);
    }
}

static void ticker_seek(struct mu_ticker *t, uint16_t at)
{
    if (at / MU_TICK_ROW != t->row_at / MU_TICK_ROW)
        ticker_row(t, at);
    t->now.at = at;
    mu_copy(t->now.value, t->row[at % MU_TICK_ROW], MU_TICK_VALUE);
}

int mu_ticker_init(struct mu_ticker *t, const struct mu_crypto *c,
                   const struct mu_secret *kctl, const struct mu_secret *seed,
                   uint16_t len, uint16_t at)
{
    struct mu_tick v = {.at = len};
    struct mu_secret end;
    int rc;

    if (len == 0 || len > MU_TICKS_MAX || len % MU_TICK_ROW != 0 || at >= len ||
        !mu_secret_is_set(kctl))
        return MU_ERR_USAGE;
    rc = mu_kdf(c, seed, "tick", mu_secret_view(kctl), MU_TICK_VALUE, &end);
    if (rc != 0)
        return rc;
    *t = (struct mu_ticker){.crypto = c, .kctl = *kctl, .len = len};
    mu_copy(v.value, mu_secret_view(&end).data, MU_TICK_VALUE);
    mu_secret_clear(&end);
    while (v.at > 0) {
        if (v.at % MU_TICK_ROW == 0)
            mu_copy(t->ends[v.at / MU_TICK_ROW - 1], v.value, MU_TICK_VALUE);
        tick_down(c, kctl, &v);
    }
    ticker_row(t, at);
    ticker_seek(t, at);
    return 0;
}

void mu_ticker_allow(struct mu_ticker *t, uint16_t until)
{
    t->until = until < t->len ? until : t->len;
}

bool mu_ticker_ready(const struct mu_ticker *t)
{
    return t->now.at + 1u < t->until;
}

uint16_t mu_ticker_left(const struct mu_ticker *t)
{
    return t->len == 0 ? 0 : (uint16_t)(t->len - 1u - t->now.at);
}

int mu_ticker_put(struct mu_ticker *t, uint8_t *packet, size_t *len)
{
    if (!mu_ticker_ready(t))
        return MU_ERR_BUSY;
    ticker_seek(t, (uint16_t)(t->now.at + 1u));
    return mu_tick_append(t->crypto, &t->kctl, &t->now, packet, len);
}

/* ---- who hears ---------------------------------------------------------- */

/* Whether `later`, hashed down, is `earlier`. */
static bool tick_leads(const struct mu_crypto *c, const struct mu_secret *kctl,
                       const struct mu_tick *later,
                       const struct mu_tick *earlier)
{
    struct mu_tick t = *later;

    while (t.at > earlier->at)
        tick_down(c, kctl, &t);
    return t.at == earlier->at &&
           mu_ct_eq(t.value, earlier->value, MU_TICK_VALUE);
}

/* The answer may have been made before the last packet that we heard. Who is
 * behind by more was put back from an old copy: then its word counts. */
bool mu_ticked_told(struct mu_ticked *h, const struct mu_crypto *c,
                    const struct mu_secret *kctl, const struct mu_tick *t)
{
    bool far = !h->known || t->at > h->last.at + NEAR;

    if (h->known && t->at <= h->last.at && h->last.at - t->at <= BACK &&
        tick_leads(c, kctl, &h->last, t))
        return false;
    h->known = true;
    h->last = *t;
    h->taken = UINT16_MAX; /* what was before is not for us */
    return far;
}

static void ticked_note(struct mu_ticked *h, const struct mu_tick *t)
{
    unsigned ahead;

    if (t->at <= h->last.at) {
        h->taken = (uint16_t)(h->taken | 1u << (h->last.at - t->at));
        return;
    }
    ahead = t->at - h->last.at;
    if (ahead >= WINDOW)
        h->taken = 0;
    h->taken = (uint16_t)((uint32_t)h->taken << ahead % WINDOW | 1u);
    h->last = *t;
}

static int ticked_check(struct mu_ticked *h, const struct mu_crypto *c,
                        const struct mu_secret *kctl, mu_time now,
                        bool tagged, const struct mu_tick *t)
{
    if (!h->known)
        return MU_ERR_UNKNOWN_KEY;
    if (t->at <= h->last.at) {
        if (h->last.at - t->at >= WINDOW ||
            (h->taken >> (h->last.at - t->at) & 1) != 0)
            return MU_ERR_REPLAY;
        return tick_leads(c, kctl, &h->last, t) ? 0 : MU_ERR_AUTH;
    }
    if (t->at - h->last.at > FAR)
        return MU_ERR_UNKNOWN_KEY;
    if (t->at - h->last.at > NEAR) {
        if (!tagged || now < h->far_at)
            return MU_ERR_BUSY;
        h->far_at = now + FAR_EVERY;
    }
    return tick_leads(c, kctl, t, &h->last) ? 0 : MU_ERR_AUTH;
}

int mu_ticked_take(struct mu_ticked *h, const struct mu_crypto *c,
                   const struct mu_secret *kctl, mu_time now, bool tagged,
                   struct mu_bytes *packet)
{
    struct mu_bytes bare = *packet;
    struct mu_tick t;
    int rc = mu_tick_strip(c, kctl, &bare, &t);

    if (rc == 0 && tagged) {
        struct mu_bytes part = bare;

        if (bare.len <= MU_TAG_LEN)
            return MU_ERR_TRUNCATED;
        part.len -= MU_TAG_LEN;
        rc = mu_tag_check(c, kctl, &part, 1, part.data + part.len);
    }
    if (rc == 0)
        rc = ticked_check(h, c, kctl, now, tagged, &t);
    if (rc != 0)
        return rc;
    ticked_note(h, &t);
    *packet = bare;
    return 0;
}
