/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control, feedback and status packets: docs/wire-format.md s.6.3. Each
 * ends in a tag over all that is before it; consuming checks the length, then
 * the tag, and only then looks inside.
 */
#include "muster/cast.h"

#include "muster/assert.h"

enum {
    POLL_LEN = 10 + MU_TAG_LEN,
    NEED_LEN = 9 + MU_TAG_LEN,    /* without the bitmap */
    CENSUS_LEN = 9 + MU_TAG_LEN,  /* without the bitmap */
    STATUS_LEN = 6 + MU_ACK_LEN + MU_TAG_LEN,
    NEED_BITMAP_MAX = MU_PAGE_DATA_MAX / 8,
};

/* Checks kind and tag; *r then reads what is between. */
static int packet_open(const struct mu_crypto *c, const struct mu_secret *key,
                       struct mu_bytes packet, enum mu_cast_kind kind,
                       size_t len_min, struct mu_reader *r)
{
    struct mu_bytes part;
    int rc;

    if (packet.len < len_min)
        return MU_ERR_TRUNCATED;
    if (packet.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    if (packet.data[0] != kind)
        return MU_ERR_UNEXPECTED;
    part = mu_bytes(packet.data, packet.len - MU_TAG_LEN);
    rc = mu_tag_check(c, key, &part, 1, packet.data + part.len);
    if (rc != 0)
        return rc;
    *r = mu_reader(part);
    (void)mu_read_u8(r);
    return 0;
}

int mu_poll_create(const struct mu_crypto *c, const struct mu_secret *kctl,
                   const struct mu_poll *p, struct mu_writer *w)
{
    size_t start = w->len;

    mu_write_u8(w, MU_CAST_POLL);
    mu_write_u8(w, p->session);
    mu_write_u16(w, p->page);
    mu_write_u8(w, p->round);
    mu_write_u8(w, p->flags);
    mu_write_u8(w, p->sent);
    mu_write_u16(w, p->window_ms);
    mu_write_u8(w, p->kg);
    return mu_tag_put(c, kctl, w, start);
}

int mu_poll_consume(const struct mu_crypto *c, const struct mu_secret *kctl,
                    struct mu_bytes packet, struct mu_poll *p)
{
    struct mu_reader r;
    int rc = packet_open(c, kctl, packet, MU_CAST_POLL, POLL_LEN, &r);

    if (rc != 0)
        return rc;
    p->session = mu_read_u8(&r);
    p->page = mu_read_u16(&r);
    p->round = mu_read_u8(&r);
    p->flags = mu_read_u8(&r);
    p->sent = mu_read_u8(&r);
    p->window_ms = mu_read_u16(&r);
    p->kg = mu_read_u8(&r);
    return mu_reader_end(&r);
}

int mu_need_create(const struct mu_crypto *c, const struct mu_secret *kfb,
                   const struct mu_need *n, struct mu_writer *w)
{
    size_t start = w->len;

    if (n->bitmap.len > NEED_BITMAP_MAX)
        return MU_ERR_USAGE;
    mu_write_u8(w, MU_CAST_NEED);
    mu_write_u8(w, n->session);
    mu_write_u16(w, n->receiver);
    mu_write_u16(w, n->page);
    mu_write_u8(w, n->round);
    mu_write_u16(w, n->need);
    mu_write_bytes(w, n->bitmap);
    return mu_tag_put(c, kfb, w, start);
}

int mu_need_consume(const struct mu_crypto *c, const struct mu_secret *kfb,
                    struct mu_bytes packet, struct mu_need *n)
{
    struct mu_reader r;
    int rc;

    if (packet.len > NEED_LEN + NEED_BITMAP_MAX)
        return MU_ERR_TOO_LARGE;
    rc = packet_open(c, kfb, packet, MU_CAST_NEED, NEED_LEN, &r);
    if (rc != 0)
        return rc;
    n->session = mu_read_u8(&r);
    n->receiver = mu_read_u16(&r);
    n->page = mu_read_u16(&r);
    n->round = mu_read_u8(&r);
    n->need = mu_read_u16(&r);
    n->bitmap = mu_reader_rest(&r);
    return mu_reader_end(&r);
}

int mu_census_create(const struct mu_crypto *c, const struct mu_secret *kctl,
                     const struct mu_census *p, struct mu_writer *w)
{
    size_t start = w->len;

    if (p->bitmap.len > MU_PACKET_MAX - CENSUS_LEN)
        return MU_ERR_USAGE;
    mu_write_u8(w, MU_CAST_CENSUS);
    mu_write_u8(w, p->session);
    mu_write_u8(w, p->state);
    mu_write_u8(w, p->round);
    mu_write_u16(w, p->window_ms);
    mu_write_u16(w, p->base);
    mu_write_u8(w, p->kg);
    mu_write_bytes(w, p->bitmap);
    return mu_tag_put(c, kctl, w, start);
}

int mu_census_consume(const struct mu_crypto *c, const struct mu_secret *kctl,
                      struct mu_bytes packet, struct mu_census *p)
{
    struct mu_reader r;
    int rc = packet_open(c, kctl, packet, MU_CAST_CENSUS, CENSUS_LEN, &r);

    if (rc != 0)
        return rc;
    p->session = mu_read_u8(&r);
    p->state = mu_read_u8(&r);
    p->round = mu_read_u8(&r);
    p->window_ms = mu_read_u16(&r);
    p->base = mu_read_u16(&r);
    p->kg = mu_read_u8(&r);
    p->bitmap = mu_reader_rest(&r);
    return mu_reader_end(&r);
}

int mu_status_create(const struct mu_crypto *c, const struct mu_secret *kfb,
                     const struct mu_status *s, struct mu_writer *w)
{
    size_t start = w->len;

    mu_write_u8(w, MU_CAST_STATUS);
    mu_write_u8(w, s->session);
    mu_write_u16(w, s->receiver);
    mu_write_u8(w, s->state);
    mu_write_u8(w, s->reason);
    mu_write_bytes(w, MU_BYTES(s->ack));
    return mu_tag_put(c, kfb, w, start);
}

int mu_status_consume(const struct mu_crypto *c, const struct mu_secret *kfb,
                      struct mu_bytes packet, struct mu_status *s)
{
    struct mu_reader r;
    int rc;

    if (packet.len > STATUS_LEN)
        return MU_ERR_TOO_LARGE;
    rc = packet_open(c, kfb, packet, MU_CAST_STATUS, STATUS_LEN, &r);
    if (rc != 0)
        return rc;
    s->session = mu_read_u8(&r);
    s->receiver = mu_read_u16(&r);
    s->state = mu_read_u8(&r);
    s->reason = mu_read_u8(&r);
    mu_read_copy(&r, s->ack, sizeof(s->ack));
    return mu_reader_end(&r);
}

int mu_cast_peek(struct mu_bytes packet, enum mu_cast_kind *kind,
                 uint8_t *session, uint16_t *receiver_or_kg)
{
    struct mu_reader r = mu_reader(packet);
    uint8_t first = mu_read_u8(&r);
    uint8_t known = mu_cast_is_data(first) ? MU_CAST_DATA : first;
    size_t kg_at;

    *session = mu_read_u8(&r);
    *receiver_or_kg = 0;
    if (packet.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    switch (known) {
    case MU_CAST_DATA:
    case MU_CAST_ANNOUNCE:
        break;
    case MU_CAST_POLL:
    case MU_CAST_CENSUS:
        kg_at = known == MU_CAST_POLL ? 9 : 8;
        (void)mu_read_bytes(&r, kg_at - r.pos);
        *receiver_or_kg = mu_read_u8(&r);
        break;
    case MU_CAST_NEED:
    case MU_CAST_STATUS:
        *receiver_or_kg = mu_read_u16(&r);
        break;
    default:
        return packet.len == 0 ? MU_ERR_TRUNCATED : MU_ERR_MALFORMED;
    }
    *kind = (enum mu_cast_kind)known;
    return r.failed ? MU_ERR_TRUNCATED : 0;
}
