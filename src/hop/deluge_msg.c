/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADV, REQ and manifest fragments: docs/wire-format.md s.6.4. A tag ends ADV
 * and REQ and covers all before it; in a fragment it stands where s.5.4 has it.
 */
#include "muster/deluge.h"

enum {
    ADV_LEN = 22,     /* without round, kg and tag */
    REQ_LEN = 9,      /* without bitmap, round, kg and tag */
    SEAL_LEN = 3,     /* round and kg, where there is a tag */
    FRAGMENT_HEAD = 8,
    BITMAP_MAX = 32,  /* bytes: 255 data packets */
};

/* Closes a packet that began at `start`: round, kg and tag. */
static int msg_seal(const struct mu_deluge_seal *s, uint16_t round,
                    struct mu_writer *w, size_t start)
{
    if (s->tag_len == 0)
        return mu_writer_end(w);
    mu_write_u16(w, round);
    mu_write_u8(w, s->kg);
    return mu_tag_put(s->crypto, &s->kctl, w, start);
}

/* Checks kind, length and tag; *r then reads what is before round and kg. */
static int msg_open(const struct mu_deluge_seal *s, struct mu_bytes packet,
                    enum mu_deluge_kind kind, size_t len, size_t len_max,
                    struct mu_reader *r, uint16_t *round)
{
    size_t seal = s->tag_len == 0 ? 0 : (size_t)SEAL_LEN + MU_TAG_LEN;
    struct mu_bytes part;
    const uint8_t *end;
    int rc;

    if (packet.len < len + seal)
        return MU_ERR_TRUNCATED;
    if (packet.len > len_max + seal)
        return MU_ERR_TOO_LARGE;
    if (packet.data[0] != kind)
        return MU_ERR_UNEXPECTED;
    *round = 0;
    if (s->tag_len != 0) {
        if (!mu_secret_is_set(&s->kctl))
            return MU_ERR_UNKNOWN_KEY;
        part = mu_bytes(packet.data, packet.len - MU_TAG_LEN);
        end = packet.data + part.len;
        if (end[-1] != s->kg)
            return MU_ERR_UNKNOWN_KEY;
        rc = mu_tag_check(s->crypto, &s->kctl, &part, 1, end);
        if (rc != 0)
            return rc;
        *round = (uint16_t)(end[-3] << 8 | end[-2]);
    }
    *r = mu_reader(mu_bytes(packet.data, packet.len - seal));
    (void)mu_read_u8(r);
    return 0;
}

int mu_deluge_adv_create(const struct mu_deluge_seal *s,
                         const struct mu_deluge_adv *a, struct mu_writer *w)
{
    size_t start = w->len;

    mu_write_u8(w, MU_DELUGE_ADV);
    mu_write_u8(w, a->channel);
    mu_write_u16(w, a->node);
    mu_write_u64(w, a->version);
    mu_write_u16(w, a->edition);
    mu_write_bytes(w, MU_BYTES(a->id));
    mu_write_u16(w, a->manifest_len);
    mu_write_u16(w, a->pages);
    return msg_seal(s, a->round, w, start);
}

int mu_deluge_adv_consume(const struct mu_deluge_seal *s,
                          struct mu_bytes packet, struct mu_deluge_adv *a)
{
    struct mu_reader r;
    int rc = msg_open(s, packet, MU_DELUGE_ADV, ADV_LEN, ADV_LEN, &r,
                      &a->round);

    if (rc != 0)
        return rc;
    a->channel = mu_read_u8(&r);
    a->node = mu_read_u16(&r);
    a->version = mu_read_u64(&r);
    a->edition = mu_read_u16(&r);
    mu_read_copy(&r, a->id, sizeof(a->id));
    a->manifest_len = mu_read_u16(&r);
    a->pages = mu_read_u16(&r);
    return mu_reader_end(&r);
}

int mu_deluge_req_create(const struct mu_deluge_seal *s,
                         const struct mu_deluge_req *q, struct mu_writer *w)
{
    size_t start = w->len;

    if (q->bitmap.len == 0 || q->bitmap.len > BITMAP_MAX)
        return MU_ERR_USAGE;
    mu_write_u8(w, MU_DELUGE_REQ);
    mu_write_u8(w, q->channel);
    mu_write_u16(w, q->node);
    mu_write_u16(w, q->target);
    mu_write_u8(w, q->count);
    mu_write_u16(w, q->page);
    mu_write_bytes(w, q->bitmap);
    return msg_seal(s, q->round, w, start);
}

int mu_deluge_req_consume(const struct mu_deluge_seal *s,
                          struct mu_bytes packet, struct mu_deluge_req *q)
{
    struct mu_reader r;
    int rc = msg_open(s, packet, MU_DELUGE_REQ, REQ_LEN + 1,
                      REQ_LEN + BITMAP_MAX, &r, &q->round);

    if (rc != 0)
        return rc;
    q->channel = mu_read_u8(&r);
    q->node = mu_read_u16(&r);
    q->target = mu_read_u16(&r);
    q->count = mu_read_u8(&r);
    q->page = mu_read_u16(&r);
    q->bitmap = mu_reader_rest(&r);
    return mu_reader_end(&r);
}

int mu_deluge_fragment_create(const struct mu_deluge_seal *s,
                              const struct mu_deluge_fragment *f,
                              struct mu_writer *w)
{
    uint8_t head[FRAGMENT_HEAD], tag[MU_TAG_LEN];
    struct mu_writer h = mu_writer(head, sizeof(head));
    struct mu_bytes parts[2] = {MU_BYTES(head), f->bytes};
    int rc;

    mu_write_u8(&h, MU_CAST_ANNOUNCE);
    mu_write_u8(&h, f->session);
    mu_write_bytes(&h, MU_BYTES(f->id));
    mu_write_u8(&h, f->index);
    mu_write_u8(&h, f->count);
    mu_write_bytes(w, parts[0]);
    if (s->tag_len != 0) {
        rc = mu_tag_make(s->crypto, &s->kctl, parts, 2, tag);
        if (rc != 0)
            return rc;
        mu_write_bytes(w, MU_BYTES(tag));
    }
    mu_write_bytes(w, f->bytes);
    return mu_writer_end(w);
}

int mu_deluge_fragment_consume(const struct mu_deluge_seal *s,
                               struct mu_bytes packet,
                               struct mu_deluge_fragment *f)
{
    struct mu_reader r = mu_reader(packet);
    struct mu_bytes parts[2], tag;
    int rc;

    if (packet.len <= (size_t)FRAGMENT_HEAD + s->tag_len)
        return MU_ERR_TRUNCATED;
    if (packet.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    if (mu_read_u8(&r) != MU_CAST_ANNOUNCE)
        return MU_ERR_UNEXPECTED;
    f->session = mu_read_u8(&r);
    mu_read_copy(&r, f->id, sizeof(f->id));
    f->index = mu_read_u8(&r);
    f->count = mu_read_u8(&r);
    tag = mu_read_bytes(&r, s->tag_len);
    f->bytes = mu_reader_rest(&r);
    if (s->tag_len != 0) {
        if (!mu_secret_is_set(&s->kctl))
            return MU_ERR_UNKNOWN_KEY;
        parts[0] = mu_bytes(packet.data, FRAGMENT_HEAD);
        parts[1] = f->bytes;
        rc = mu_tag_check(s->crypto, &s->kctl, parts, 2, tag.data);
        if (rc != 0)
            return rc;
    }
    if (f->count == 0 || f->count > MU_FRAGMENTS_MAX || f->index >= f->count)
        return MU_ERR_MALFORMED;
    return mu_reader_end(&r);
}
