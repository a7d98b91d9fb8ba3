/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands to a group, docs/wire-format.md s.5.6: encrypted under the TEK and
 * tagged under the TAK of an MTK, whose message travels along.
 */
#include "muster/mikey_service.h"

#define SESSION_TEK 1 /* crypto sessions of the derivation: one a use */
#define SESSION_TAK 2

static int command_derive(const struct mu_crypto *c,
                          const struct mu_mikey_bundle *b,
                          const struct mu_secret *mtk, enum mu_mikey_use use,
                          uint8_t cs, size_t len, struct mu_secret *out)
{
    uint8_t raw[MU_SECRET_MAX];
    int rc = mu_mikey_derive(c, b, mu_secret_view(mtk), use, cs, raw, len);

    if (rc == 0)
        rc = mu_secret_set(out, mu_bytes(raw, len));
    mu_wipe(raw, sizeof raw);
    return rc;
}

int mu_command_keys(const struct mu_crypto *c, const struct mu_mbms_msk *msk,
                    const struct mu_secret *mtk, struct mu_command_keys *k)
{
    const struct mu_mikey_bundle b = {.prf = MU_MIKEY_PRF_SHA256,
                                      .csb = msk->csb,
                                      .rand = MU_BYTES(msk->rand)};
    int rc = command_derive(c, &b, mtk, MU_MIKEY_FOR_TEK, SESSION_TEK, 16,
                            &k->tek);

    if (rc == 0)
        rc = command_derive(c, &b, mtk, MU_MIKEY_FOR_AUTH, SESSION_TAK, 32,
                            &k->tak);
    if (rc != 0)
        mu_command_keys_clear(k);
    return rc;
}

void mu_command_keys_clear(struct mu_command_keys *k)
{
    mu_wipe(k, sizeof *k);
}

/* seq is not used twice under one MTK, so no block of the key stream is. */
static int command_crypt(const struct mu_crypto *c,
                         const struct mu_command_keys *k, uint32_t seq,
                         uint8_t *text, size_t len)
{
    uint8_t counter[MU_AES_BLOCK] = {
        (uint8_t)(seq >> 24), (uint8_t)(seq >> 16), (uint8_t)(seq >> 8),
        (uint8_t)seq,
    };

    return c->aes_ctr(c->ctx, &k->tek, counter, text, len);
}

static int command_tag(const struct mu_crypto *c,
                       const struct mu_command_keys *k,
                       const uint8_t campaign[MU_CAMPAIGN_ID],
                       struct mu_bytes tagged, uint8_t tag[MU_SHA256_LEN])
{
    const struct mu_bytes parts[] = {
        mu_bytes_str("muster command"), mu_bytes(campaign, MU_CAMPAIGN_ID),
        tagged,
    };

    return mu_hmac(c, mu_secret_view(&k->tak), parts, 3, tag);
}

int mu_command_create(const struct mu_crypto *c,
                      const struct mu_command_keys *k,
                      const uint8_t campaign[MU_CAMPAIGN_ID],
                      struct mu_bytes mtk, uint32_t seq, struct mu_bytes text,
                      struct mu_writer *w)
{
    size_t start = w->len;
    uint8_t tag[MU_SHA256_LEN], *room;
    int rc;

    if (text.len == 0 || text.len > MU_COMMAND_MAX || seq == 0 ||
        mtk.len > UINT16_MAX)
        return MU_ERR_USAGE;
    mu_write_u16(w, (uint16_t)mtk.len);
    mu_write_bytes(w, mtk);
    mu_write_u32(w, seq);
    room = mu_write_room(w, text.len);
    if (room == NULL)
        return MU_ERR_NO_SPACE;
    mu_copy(room, text.data, text.len);
    rc = command_crypt(c, k, seq, room, text.len);
    if (rc == 0)
        rc = command_tag(c, k, campaign,
                         mu_bytes(w->data + start, w->len - start), tag);
    if (rc != 0)
        return rc;
    mu_write_bytes(w, mu_bytes(tag, MU_COMMAND_TAG));
    return mu_writer_end(w);
}

int mu_command_parse(struct mu_bytes in, struct mu_command *m)
{
    struct mu_reader r = mu_reader(in);

    *m = (struct mu_command){.seq = 0};
    m->mtk = mu_read_bytes(&r, mu_read_u16(&r));
    m->seq = mu_read_u32(&r);
    if (r.failed || mu_reader_left(&r) <= MU_COMMAND_TAG)
        return MU_ERR_TRUNCATED;
    m->sealed = mu_read_bytes(&r, mu_reader_left(&r) - MU_COMMAND_TAG);
    m->tagged = mu_bytes(in.data, in.len - MU_COMMAND_TAG);
    m->tag = mu_reader_rest(&r);
    return m->seq == 0 || m->sealed.len > MU_COMMAND_MAX ? MU_ERR_MALFORMED
                                                          : 0;
}

int mu_command_open(const struct mu_crypto *c, const struct mu_command_keys *k,
                    const uint8_t campaign[MU_CAMPAIGN_ID],
                    const struct mu_command *m, uint8_t *text)
{
    uint8_t tag[MU_SHA256_LEN];
    int rc = command_tag(c, k, campaign, m->tagged, tag);

    if (rc == 0 && !mu_ct_eq(tag, m->tag.data, MU_COMMAND_TAG))
        rc = MU_ERR_AUTH;
    if (rc != 0)
        return rc;
    mu_copy(text, m->sealed.data, m->sealed.len);
    return command_crypt(c, k, m->seq, text, m->sealed.len);
}
