/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ANNOUNCE packets: an announce object cut into tagged fragments, and put
 * together again; docs/wire-format.md s.5.4.
 *
 * The length of a fragment is known from any but the last one; a last one that
 * comes first waits at the end of the buffer, where no other reaches.
 */
#include "muster/tick.h"

enum {
    ANNOUNCE_HEAD = 8, /* bytes before the tag */
    ANNOUNCE_OVERHEAD = ANNOUNCE_HEAD + MU_TAG_LEN,
    ANNOUNCE_LEAST = 32, /* bytes of the object in a fragment */
};

_Static_assert(MU_FRAGMENTS_MAX < 64, "a bit for every fragment");

static size_t announce_room(uint16_t payload)
{
    size_t most = (size_t)payload - ANNOUNCE_OVERHEAD;

    /* A tick follows; the smallest payloads are exceeded by it. */
    return most >= ANNOUNCE_LEAST + MU_TICK_LEN ? most - MU_TICK_LEN
                                                : ANNOUNCE_LEAST;
}

uint8_t mu_announce_fragments(size_t object_len, uint16_t payload)
{
    size_t n;

    if (payload < MU_PAYLOAD_MIN || payload > MU_PACKET_MAX ||
        object_len == 0 || object_len > MU_ANNOUNCE_MAX)
        return 0;
    n = (object_len + announce_room(payload) - 1) / announce_room(payload);
    return n > MU_FRAGMENTS_MAX ? 0 : (uint8_t)n;
}

/* Head and bytes of a fragment. */
static int announce_cut(const struct mu_crypto *c, struct mu_bytes object,
                        uint16_t payload, uint8_t session, uint8_t index,
                        uint8_t head[ANNOUNCE_HEAD], struct mu_bytes *bytes)
{
    uint8_t n = mu_announce_fragments(object.len, payload);
    uint8_t hash[MU_SHA256_LEN];
    struct mu_writer w = mu_writer(head, ANNOUNCE_HEAD);
    size_t room, at;

    if (index >= n)
        return MU_ERR_USAGE;
    room = announce_room(payload);
    at = index * room;
    mu_sha256(c, &object, 1, hash);
    mu_write_u8(&w, MU_CAST_ANNOUNCE);
    mu_write_u8(&w, session);
    mu_write_bytes(&w, mu_bytes(hash, 4));
    mu_write_u8(&w, index);
    mu_write_u8(&w, n);
    *bytes = mu_bytes(object.data + at,
                      object.len - at < room ? object.len - at : room);
    return mu_writer_end(&w);
}

int mu_announce_tag(const struct mu_crypto *c, const struct mu_secret *kann,
                    struct mu_bytes object, uint16_t payload, uint8_t session,
                    uint8_t index, uint8_t tag[MU_TAG_LEN])
{
    uint8_t head[ANNOUNCE_HEAD];
    struct mu_bytes parts[2] = {MU_BYTES(head)};
    int rc = announce_cut(c, object, payload, session, index, head, &parts[1]);

    if (rc != 0)
        return rc;
    return mu_tag_make(c, kann, parts, 2, tag);
}

int mu_announce_packet(const struct mu_crypto *c, const struct mu_secret *kann,
                       const uint8_t *tag, struct mu_bytes object,
                       uint16_t payload, uint8_t session, uint8_t index,
                       struct mu_writer *w)
{
    uint8_t head[ANNOUNCE_HEAD], made[MU_TAG_LEN];
    struct mu_bytes parts[2] = {MU_BYTES(head)};
    int rc = announce_cut(c, object, payload, session, index, head, &parts[1]);

    if (rc != 0)
        return rc;
    if (kann != NULL) {
        rc = mu_tag_make(c, kann, parts, 2, made);
        if (rc != 0)
            return rc;
        tag = made;
    } else if (tag == NULL) {
        return MU_ERR_USAGE;
    }
    mu_write_bytes(w, parts[0]);
    mu_write_bytes(w, mu_bytes(tag, MU_TAG_LEN));
    mu_write_bytes(w, parts[1]);
    return mu_writer_end(w);
}

/* ---- putting together ---- */

struct fragment {
    uint8_t session, index, count;
    struct mu_bytes id, bytes;
};

static int fragment_consume(const struct mu_crypto *c,
                            const struct mu_secret *kann,
                            struct mu_bytes packet, struct fragment *f)
{
    struct mu_reader r = mu_reader(packet);
    struct mu_bytes parts[2], tag;
    int rc;

    if (packet.len <= ANNOUNCE_OVERHEAD)
        return MU_ERR_TRUNCATED;
    if (packet.len > MU_PACKET_MAX)
        return MU_ERR_TOO_LARGE;
    if (mu_read_u8(&r) != MU_CAST_ANNOUNCE)
        return MU_ERR_UNEXPECTED;
    f->session = mu_read_u8(&r);
    f->id = mu_read_bytes(&r, 4);
    f->index = mu_read_u8(&r);
    f->count = mu_read_u8(&r);
    tag = mu_read_bytes(&r, MU_TAG_LEN);
    f->bytes = mu_reader_rest(&r);
    parts[0] = mu_bytes(packet.data, ANNOUNCE_HEAD);
    parts[1] = f->bytes;
    rc = mu_tag_check(c, kann, parts, 2, tag.data);
    if (rc != 0)
        return rc;
    if (f->count == 0 || f->count > MU_FRAGMENTS_MAX || f->index >= f->count ||
        f->bytes.len * (f->index + (size_t)(f->index + 1 < f->count)) >
            MU_ANNOUNCE_MAX)
        return MU_ERR_MALFORMED;
    return 0;
}

/* Where a fragment goes; false when it does not go with the others. */
static bool assembly_place(struct mu_assembly *a, const struct fragment *f)
{
    bool last = f->index + 1 == f->count;
    size_t len = f->bytes.len, before = (size_t)f->count - 1;

    if (!last && a->fragment_len == 0) {
        /* The last one may be here: now its place is known. */
        if (before * len + (a->object_len > 0 ? a->object_len : 1) >
                MU_ANNOUNCE_MAX || a->object_len > len)
            return false;
        a->fragment_len = (uint16_t)len;
    } else if (!last && a->fragment_len != len) {
        return false;
    }
    if (last) {
        if (a->fragment_len != 0 &&
            (len > a->fragment_len ||
             before * a->fragment_len + len > MU_ANNOUNCE_MAX))
            return false;
        a->object_len = (uint16_t)len; /* of the last fragment, till the end */
        mu_copy(a->object + MU_ANNOUNCE_MAX - len, f->bytes.data, len);
    } else {
        mu_copy(a->object + f->index * len, f->bytes.data, len);
    }
    return true;
}

/* All fragments are here: closes the gap before the last one. */
static int assembly_finish(struct mu_assembly *a, const struct mu_crypto *c)
{
    size_t at = (a->fragments - (size_t)1) * a->fragment_len;
    size_t from = MU_ANNOUNCE_MAX - (size_t)a->object_len;
    uint8_t hash[MU_SHA256_LEN];
    struct mu_bytes object;

    for (size_t i = 0; i < a->object_len; i++) /* may overlap, downwards */
        a->object[at + i] = a->object[from + i];
    object = mu_bytes(a->object, at + a->object_len);
    mu_sha256(c, &object, 1, hash);
    a->have = 0; /* the next packet begins anew */
    a->fragments = 0;
    if (!mu_bytes_eq(mu_bytes(hash, sizeof(a->id)), MU_BYTES(a->id)))
        return MU_ERR_DIGEST;
    a->object_len = (uint16_t)object.len;
    return 1;
}

int mu_assembly_packet(struct mu_assembly *a, const struct mu_crypto *c,
                       const struct mu_secret *kann, struct mu_bytes packet)
{
    struct fragment f;
    int rc = fragment_consume(c, kann, packet, &f);

    if (rc != 0)
        return rc;
    if (a->fragments != f.count || a->session != f.session ||
        !mu_bytes_eq(MU_BYTES(a->id), f.id)) {
        a->fragments = f.count;
        a->session = f.session;
        mu_copy(a->id, f.id.data, sizeof(a->id));
        a->have = 0;
        a->fragment_len = 0;
        a->object_len = 0;
    }
    if ((a->have >> f.index & 1) != 0)
        return 0;
    if (!assembly_place(a, &f)) {
        a->fragments = 0; /* whoever made this had the key: begin anew */
        return MU_ERR_MALFORMED;
    }
    a->have |= 1ull << f.index;
    if (a->have != (1ull << f.count) - 1)
        return 0;
    return assembly_finish(a, c);
}
