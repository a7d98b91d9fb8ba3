/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of a tree and the keys they are made with; the plan of a tree. */
#include "hop/tree.h"

int mu_tree_plan(struct mu_tree_place *plan, uint16_t len)
{
    if (len < 2)
        return MU_ERR_MALFORMED;
    for (uint32_t i = 0; i < len; i++) {
        plan[i].end = (uint16_t)(i + 1);
        plan[i].height = 0;
        plan[i].depth = 0;
        if (i > 0 && plan[i].parent >= i)
            return MU_ERR_MALFORMED;
        if (i > 0 && plan[plan[i].parent].depth == UINT8_MAX)
            return MU_ERR_TOO_LARGE;
        if (i > 0)
            plan[i].depth = (uint8_t)(plan[plan[i].parent].depth + 1);
    }
    for (uint32_t i = len; --i > 0;) {
        struct mu_tree_place *p = &plan[plan[i].parent];

        if (p->end < plan[i].end)
            p->end = plan[i].end;
        if (p->height <= plan[i].height)
            p->height = (uint8_t)(plan[i].height + 1);
    }
    /* Everybody in a range is below its first: else it is no range. */
    for (uint32_t i = 1; i < len; i++) {
        uint32_t p = plan[i].parent, before = i - 1;

        while (before != p && before != 0)
            before = plan[before].parent;
        if (before != p)
            return MU_ERR_MALFORMED;
    }
    return 0;
}

int mu_tree_peek(struct mu_bytes packet, uint8_t stream,
                 struct tree_address *a)
{
    struct mu_reader r = mu_reader(packet);
    bool ours;

    a->kind = mu_read_u8(&r);
    ours = mu_read_u8(&r) == stream;
    a->index = mu_read_u16(&r);
    if (r.failed)
        return MU_ERR_TRUNCATED;
    return ours && packet.len <= MU_PACKET_MAX ? 0 : MU_ERR_UNEXPECTED;
}

void mu_tree_begin(struct mu_writer *w, uint8_t kind, uint8_t stream,
                   uint16_t index)
{
    mu_write_u8(w, kind);
    mu_write_u8(w, stream);
    mu_write_u16(w, index);
}

int mu_tree_sealed(const struct mu_crypto *c, const struct mu_secret *key,
                   struct mu_bytes packet)
{
    struct mu_bytes part;

    if (packet.len < TREE_ADDRESS + MU_TAG_LEN)
        return MU_ERR_TRUNCATED;
    part = mu_bytes(packet.data, packet.len - MU_TAG_LEN);
    return mu_tag_check(c, key, &part, 1, packet.data + part.len);
}

int mu_tree_key(const struct mu_crypto *c, const struct mu_secret *kmr,
                const char *use, struct mu_secret *key)
{
    return mu_kdf(c, kmr, use, (struct mu_bytes){NULL, 0}, 32, key);
}

int mu_tree_welcome_key(const struct mu_crypto *c, const struct mu_secret *kmr,
                        const uint8_t nonce[MU_TREE_NONCE],
                        const uint8_t salt[MU_TREE_NONCE],
                        struct mu_secret *key)
{
    uint8_t both[2 * MU_TREE_NONCE];

    mu_copy(both, nonce, MU_TREE_NONCE);
    mu_copy(both + MU_TREE_NONCE, salt, MU_TREE_NONCE);
    return mu_kdf(c, kmr, "tree welcome", MU_BYTES(both), 16, key);
}

int mu_tree_ack(const struct mu_crypto *c, const struct mu_secret *kmr,
                uint8_t stream, uint16_t index, uint32_t place,
                struct mu_bytes message, uint8_t ack[MU_ACK_LEN])
{
    uint8_t about[7], hash[MU_SHA256_LEN], out[32];
    struct mu_writer w = mu_writer(about, sizeof about);
    struct mu_bytes parts[3] = {
        mu_bytes_str("tree ack"), MU_BYTES(about), MU_BYTES(hash),
    };
    struct mu_secret key;
    int rc = mu_tree_key(c, kmr, "ack", &key);

    mu_write_u8(&w, stream);
    mu_write_u16(&w, index);
    mu_write_u32(&w, place);
    mu_sha256(c, &message, 1, hash);
    if (rc == 0)
        rc = mu_hmac(c, mu_secret_view(&key), parts, 3, out);
    mu_secret_clear(&key);
    if (rc == 0)
        mu_copy(ack, out, MU_ACK_LEN);
    mu_wipe(out, sizeof out);
    return rc;
}

int mu_tree_ack_consume(const struct mu_crypto *c,
                        const struct mu_secret *kctl, struct mu_bytes packet,
                        uint32_t *place, struct mu_bytes *set)
{
    struct mu_reader r = mu_reader(packet);
    int rc = mu_tree_sealed(c, kctl, packet);

    if (rc != 0)
        return rc;
    if (packet.len < TREE_ACK_HEAD + MU_TAG_LEN)
        return MU_ERR_TRUNCATED;
    (void)mu_read_u32(&r); /* kind, stream, index */
    *place = mu_read_u32(&r);
    *set = mu_read_bytes(&r, packet.len - TREE_ACK_HEAD - MU_TAG_LEN);
    return r.failed ? MU_ERR_TRUNCATED : 0;
}

mu_time mu_tree_patience(uint32_t wait_ms, uint8_t height)
{
    return MU_MS(wait_ms) * (2u * height + 1u);
}
