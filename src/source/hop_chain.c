/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of groups by distance. Packet:
 *
 *   56 (1) stream (1) place (4) groups (1)
 *   groups times: hidden key (16) tag (8), then the message
 *
 * hidden key = K_i xor HMAC(K_i-1, "update" | stream | group | place)[:16];
 * F(K_i) = K_i-1 must hold; tag = HMAC(K_i, "packet" | head | message)[:8].
 * K_i is a secret of the group until its members have the packet: those nearer
 * to the source, who pass it on, cannot make another one.
 */
#include "muster/source_chain.h"

enum { HOP_HEAD = 7, HOP_SEGMENT = MU_HOP_KEY + MU_HOP_TAG };

/* F: the key before. In place allowed. */
static int hop_before(const struct mu_crypto *c, const uint8_t *key,
                      uint8_t *to)
{
    struct mu_bytes label = mu_bytes_str("before");
    uint8_t out[32];
    int rc = mu_hmac(c, mu_bytes(key, MU_HOP_KEY), &label, 1, out);

    mu_copy(to, out, MU_HOP_KEY);
    mu_wipe(out, sizeof(out));
    return rc;
}

/* Hides or shows K_i under K_i-1. */
static int hop_mask(const struct mu_crypto *c, const uint8_t *before,
                    uint8_t stream, uint8_t group, uint32_t place,
                    uint8_t key[MU_HOP_KEY])
{
    uint8_t about[6], out[32];
    struct mu_writer w = mu_writer(about, sizeof(about));
    struct mu_bytes parts[2] = {mu_bytes_str("update"), MU_BYTES(about)};
    int rc;

    mu_write_u8(&w, stream);
    mu_write_u8(&w, group);
    mu_write_u32(&w, place);
    rc = mu_hmac(c, mu_bytes(before, MU_HOP_KEY), parts, 2, out);
    for (size_t i = 0; i < MU_HOP_KEY; i++)
        key[i] ^= out[i];
    mu_wipe(out, sizeof(out));
    return rc;
}

static int hop_tag(const struct mu_crypto *c, const uint8_t *key,
                   struct mu_bytes head, struct mu_bytes message,
                   uint8_t out[32])
{
    struct mu_bytes parts[3] = {mu_bytes_str("packet"), head, message};

    return mu_hmac(c, mu_bytes(key, MU_HOP_KEY), parts, 3, out);
}

/* K_i of a group, from K_length. */
static int hop_key(const struct mu_hop_sender *s, uint8_t group, uint32_t i,
                   uint8_t key[MU_HOP_KEY])
{
    int rc = 0;

    mu_copy(key, s->keys[group], MU_HOP_KEY);
    for (uint32_t n = s->length; n > i && rc == 0; n--)
        rc = hop_before(s->crypto, key, key);
    return rc;
}

int mu_hop_sender_init(struct mu_hop_sender *s, const struct mu_crypto *c,
                       uint8_t stream, uint8_t groups, uint32_t length)
{
    if (groups == 0 || groups > MU_HOP_GROUPS_MAX || length == 0)
        return MU_ERR_USAGE;
    *s = (struct mu_hop_sender){
        .crypto = c, .stream = stream, .groups = groups, .length = length,
    };
    return c->random(c->ctx, s->keys, (size_t)groups * MU_HOP_KEY);
}

int mu_hop_commitment(const struct mu_hop_sender *s, uint8_t group,
                      uint8_t key[MU_HOP_KEY])
{
    if (group >= s->groups)
        return MU_ERR_USAGE;
    return hop_key(s, group, 0, key);
}

int mu_hop_key_at(const struct mu_hop_sender *s, uint8_t group, uint32_t place,
                  uint8_t key[MU_HOP_KEY])
{
    if (group >= s->groups)
        return MU_ERR_USAGE;
    if (place > s->at)
        return MU_ERR_FORBIDDEN;
    return hop_key(s, group, place, key);
}

void mu_hop_sender_clear(struct mu_hop_sender *s)
{
    mu_wipe(s, sizeof(*s));
}

static int hop_segment(const struct mu_hop_sender *s, uint8_t group,
                       uint32_t place, struct mu_bytes head,
                       struct mu_bytes message, uint8_t out[HOP_SEGMENT])
{
    uint8_t key[MU_HOP_KEY], before[MU_HOP_KEY], tag[32];
    int rc = hop_key(s, group, place, key);

    if (rc == 0)
        rc = hop_before(s->crypto, key, before);
    if (rc == 0)
        rc = hop_tag(s->crypto, key, head, message, tag);
    if (rc == 0)
        rc = hop_mask(s->crypto, before, s->stream, group, place, key);
    mu_copy(out, key, MU_HOP_KEY);
    mu_copy(out + MU_HOP_KEY, tag, MU_HOP_TAG);
    mu_wipe(before, sizeof(before));
    return rc;
}

static int hop_seal(void *sender, mu_time now, struct mu_bytes message,
                    struct mu_writer *w)
{
    struct mu_hop_sender *s = sender;
    uint8_t segment[HOP_SEGMENT], head[HOP_HEAD];
    struct mu_writer h = mu_writer(head, sizeof(head));
    int rc;

    (void)now;
    if (s->at >= s->length)
        return MU_ERR_EXHAUSTED;
    mu_write_u8(&h, MU_SOURCE_HOP);
    mu_write_u8(&h, s->stream);
    mu_write_u32(&h, s->at + 1);
    mu_write_u8(&h, s->groups);
    mu_write_bytes(w, MU_BYTES(head));
    for (uint8_t g = 0; g < s->groups; g++) {
        rc = hop_segment(s, g, s->at + 1, MU_BYTES(head), message, segment);
        if (rc != 0)
            return rc;
        mu_write_bytes(w, MU_BYTES(segment));
    }
    mu_write_bytes(w, message);
    rc = mu_writer_end(w);
    if (rc == 0)
        s->at++;
    return rc;
}

static size_t hop_next(void *sender, mu_time now, uint8_t *to)
{
    (void)sender;
    (void)now;
    (void)to;
    return 0;
}

static mu_time hop_deadline(const void *sender)
{
    (void)sender;
    return MU_TIME_NEVER;
}

void mu_hop_receiver_init(struct mu_hop_receiver *r, const struct mu_crypto *c,
                          uint8_t stream, uint8_t group, uint8_t groups,
                          const uint8_t key[MU_HOP_KEY])
{
    *r = (struct mu_hop_receiver){
        .crypto = c, .stream = stream, .group = group, .groups = groups,
    };
    mu_copy(r->key, key, MU_HOP_KEY);
}

/* The key in our segment, if it leads to the one we hold. */
static int hop_open(struct mu_hop_receiver *r, uint32_t place,
                    const uint8_t *segment, uint8_t key[MU_HOP_KEY])
{
    uint8_t before[MU_HOP_KEY];
    int rc;

    mu_copy(key, segment, MU_HOP_KEY);
    r->counts.hashes += 2;
    rc = hop_mask(r->crypto, r->key, r->stream, r->group, place, key);
    if (rc == 0)
        rc = hop_before(r->crypto, key, before);
    if (rc == 0 && !mu_ct_eq(before, r->key, MU_HOP_KEY))
        rc = MU_ERR_AUTH;
    mu_wipe(before, sizeof(before));
    return rc;
}

static int hop_packet(void *receiver, mu_time now, struct mu_bytes packet)
{
    struct mu_hop_receiver *r = receiver;
    struct mu_reader in = mu_reader(packet);
    bool ours = mu_read_u8(&in) == MU_SOURCE_HOP;
    uint32_t place;
    struct mu_bytes segments, message;
    const uint8_t *segment;
    uint8_t key[MU_HOP_KEY], tag[32];
    int rc;

    (void)now;
    r->has_ready = false;
    ours = mu_read_u8(&in) == r->stream && ours;
    place = mu_read_u32(&in);
    ours = mu_read_u8(&in) == r->groups && r->group < r->groups && ours;
    segments = mu_read_bytes(&in, (size_t)r->groups * HOP_SEGMENT);
    message = mu_reader_rest(&in);
    if (in.failed || packet.len > MU_PACKET_MAX)
        return in.failed ? MU_ERR_TRUNCATED : MU_ERR_TOO_LARGE;
    if (!ours || place == 0 || place - 1 != r->at) {
        r->counts.refused++;
        return MU_ERR_UNEXPECTED;
    }
    segment = segments.data + (size_t)r->group * HOP_SEGMENT;
    rc = hop_open(r, place, segment, key);
    if (rc == 0) {
        r->counts.hashes++;
        rc = hop_tag(r->crypto, key, mu_bytes(packet.data, HOP_HEAD), message,
                     tag);
    }
    if (rc == 0 && !mu_ct_eq(tag, segment + MU_HOP_KEY, MU_HOP_TAG))
        rc = MU_ERR_AUTH;
    if (rc == 0) {
        mu_copy(r->key, key, MU_HOP_KEY);
        r->at = place;
        r->ready = message;
        r->has_ready = true;
    } else {
        r->counts.forged++;
    }
    mu_wipe(key, sizeof(key));
    return rc;
}

static bool hop_take(void *receiver, struct mu_source_message *m)
{
    struct mu_hop_receiver *r = receiver;

    if (!r->has_ready)
        return false;
    *m = (struct mu_source_message){r->stream, r->at, r->ready, {NULL, 0}};
    r->has_ready = false;
    r->counts.delivered++;
    return true;
}

static const struct mu_source_counts *hop_counts(const void *receiver)
{
    return &((const struct mu_hop_receiver *)receiver)->counts;
}

const struct mu_source_scheme mu_source_hop = {
    "hop", hop_seal, hop_next, hop_deadline, hop_packet, hop_take, hop_counts,
};
