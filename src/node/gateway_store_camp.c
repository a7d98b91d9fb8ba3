/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of campaigns at the gateway: what /camp/m told, and how far receiver
 * and sender have come. Acknowledgements are not kept: after a restart the
 * devices are counted again.
 */
#include "node/gateway.h"

#define RECORD_VERSION 2
#define PROGRESS_HEAD 64 /* bytes beside the hashes */

static uint32_t camp_seconds_left(const struct mu_gateway_session *s,
                                  mu_time now)
{
    if (s->deadline == MU_TIME_NEVER)
        return 0;
    return s->deadline > now ? (uint32_t)((s->deadline - now) / MU_SECONDS(1)) +
                                   1
                             : 1;
}

/* Members beyond the last one are left out. */
static uint16_t camp_members_len(const struct mu_gateway_session *s)
{
    uint16_t len = MU_GATEWAY_SET;

    while (len > 0 && s->members[len - 1] == 0)
        len--;
    return len;
}

void mu_gateway_campaign_write(const struct mu_gateway_session *s,
                               struct mu_writer *w, mu_time now)
{
    uint16_t members = camp_members_len(s);

    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, s->phase);
    mu_write_u64(w, s->number);
    mu_write_u8(w, s->command);
    mu_write_u8(w, s->session);
    mu_write_u32(w, camp_seconds_left(s, now));
    mu_write_u32(w, s->quorum);
    mu_write_u8(w, s->mode);
    mu_kid_write(w, &s->kid);
    mu_write_u8(w, s->kb.len);
    mu_write_bytes(w, mu_secret_view(&s->kb));
    mu_write_u16(w, s->object_len);
    mu_write_bytes(w, mu_bytes(s->object, s->object_len));
    mu_write_u8(w, s->tags_len);
    for (size_t i = 0; i < s->tags_len; i++)
        mu_write_bytes(w, MU_BYTES(s->tags[i]));
    mu_write_u16(w, s->cancel_len);
    mu_write_bytes(w, mu_bytes(s->cancel, s->cancel_len));
    mu_write_u16(w, members);
    mu_write_bytes(w, mu_bytes(s->members, members));
    mu_write_u16(w, s->relay_len);
    mu_write_bytes(w, mu_bytes(s->relay_object, s->relay_len));
    mu_write_u8(w, s->relay.cek.len);
    mu_write_bytes(w, mu_secret_view(&s->relay.cek));
    mu_write_u16(w, s->parts);
}

static void camp_secret_read(struct mu_reader *r, struct mu_secret *key)
{
    uint8_t len = mu_read_u8(r);
    struct mu_bytes v = mu_read_bytes(r, len);

    if (len > 0 && mu_secret_set(key, v) != 0)
        mu_reader_fail(r);
}

static uint16_t camp_part_read(struct mu_reader *r, uint8_t *to, size_t max)
{
    uint16_t len = mu_read_u16(r);

    if (len > max) {
        mu_reader_fail(r);
        return 0;
    }
    mu_read_copy(r, to, len);
    return len;
}

static void camp_read(struct mu_reader *r, struct mu_gateway_session *s,
                      mu_time now)
{
    uint8_t version = mu_read_u8(r);
    uint32_t left;

    s->phase = mu_read_u8(r);
    s->number = mu_read_u64(r);
    s->command = mu_read_u8(r);
    s->session = mu_read_u8(r);
    left = mu_read_u32(r);
    s->deadline = left == 0 ? MU_TIME_NEVER : now + MU_SECONDS(left);
    s->quorum = mu_read_u32(r);
    s->mode = mu_read_u8(r);
    s->kid = mu_kid_read(r);
    camp_secret_read(r, &s->kb);
    s->object_len = camp_part_read(r, s->object, sizeof s->object);
    s->tags_len = mu_read_u8(r);
    if (version != RECORD_VERSION || s->tags_len > MU_FRAGMENTS_MAX ||
        s->phase >= MU_GATEWAY_PHASE_COUNT) {
        s->tags_len = 0;
        mu_reader_fail(r);
    }
    for (size_t i = 0; i < s->tags_len; i++)
        mu_read_copy(r, s->tags[i], MU_TAG_LEN);
    s->cancel_len = camp_part_read(r, s->cancel, sizeof s->cancel);
    (void)camp_part_read(r, s->members, sizeof s->members);
    s->relay_len = camp_part_read(r, s->relay_object, sizeof s->relay_object);
    camp_secret_read(r, &s->relay.cek);
    s->parts = mu_read_u16(r);
}

/* A campaign goes on where its record ends; one that was ending is deleted. */
static void camp_resume(struct mu_gateway *g, struct mu_gateway_session *s)
{
    switch (s->phase) {
    case MU_GATEWAY_RELAYING:
    case MU_GATEWAY_LIVE:
    case MU_GATEWAY_CANCELLED:
        if (mu_gateway_session_parse(s) == 0 &&
            mu_gateway_session_begin(g, s) == 0) {
            mu_gateway_trace(g, "resume", s->session, s->pages_seen);
            return;
        }
        break;
    default:
        break;
    }
    /* Asked for again: the server has it. */
    s->phase = MU_GATEWAY_ASKING;
    s->ask.due = true;
}

static bool camp_load(struct mu_gateway *g, struct mu_gateway_session *s,
                      struct mu_bytes key, struct mu_bytes value)
{
    struct mu_reader r = mu_reader(value);

    if (key.len != MU_CAMPAIGN_ID)
        return false;
    mu_copy(s->campaign, key.data, MU_CAMPAIGN_ID);
    camp_read(&r, s, g->now);
    if (mu_reader_end(&r) != 0 || s->phase == MU_GATEWAY_FREE) {
        mu_gateway_session_clear(s);
        return false;
    }
    camp_resume(g, s);
    return true;
}

int mu_gateway_load_campaigns(struct mu_gateway *g)
{
    const struct mu_store *store = g->conf.store;
    uint8_t after[MU_STORE_KEY_MAX], key[MU_STORE_KEY_MAX];
    size_t key_len = 0, slot = 0;

    while (slot < MU_SESSIONS_MAX) {
        size_t len = MU_STORE_VALUE_MAX;
        struct mu_bytes last = mu_bytes(after, key_len);
        int rc;

        mu_copy(after, key, key_len);
        rc = store->next(store->ctx, MU_TABLE_CAMPAIGN, last, key, &key_len,
                         g->out, &len);
        if (rc == MU_ERR_NOT_FOUND)
            return 0;
        if (rc != 0 && rc != MU_ERR_CORRUPT)
            return rc;
        if (rc == MU_ERR_CORRUPT && mu_bytes_eq(last, mu_bytes(key, key_len)))
            return rc;
        if (rc == 0 && camp_load(g, &g->sessions[slot], mu_bytes(key, key_len),
                                 mu_bytes(g->out, len)))
            slot++;
        else
            mu_gateway_trace(g, "record-damaged", MU_TABLE_CAMPAIGN, slot);
    }
    return 0;
}

/* ---- progress ----------------------------------------------------------- */

bool mu_gateway_progress_fits(const struct mu_cast_shape *shape)
{
    return ((size_t)shape->page_data + shape->page_parity) * shape->hash_len +
               PROGRESS_HEAD <=
           MU_STORE_VALUE_MAX;
}

void mu_gateway_progress_write(const struct mu_gateway_session *s,
                               struct mu_writer *w)
{
    mu_write_u8(w, s->session); /* another edition has another one */
    mu_write_u32(w, s->tx_page);
    if (mu_cast_receiver_save(&s->rx, w) != 0)
        mu_writer_fail(w);
}

int mu_gateway_progress_load(struct mu_gateway *g,
                             struct mu_gateway_session *s)
{
    size_t len = MU_STORE_VALUE_MAX;
    struct mu_reader r;
    uint8_t session;
    int rc = g->conf.store->get(g->conf.store->ctx, MU_TABLE_SEEN,
                                MU_BYTES(s->campaign), g->out, &len);

    if (rc != 0)
        return rc;
    r = mu_reader(mu_bytes(g->out, len));
    session = mu_read_u8(&r);
    s->tx_page = mu_read_u32(&r);
    if (r.failed || session != s->session) {
        s->tx_page = 0;
        return MU_ERR_NOT_FOUND;
    }
    return mu_cast_receiver_load(&s->rx, &r);
}
