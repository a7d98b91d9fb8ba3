/* SPDX-License-Identifier: Apache-2.0 */
/* A device's side: opens rekey parts and personal messages. */
#include "keys/schemes/internal.h"

#define GENERATION_AT 6 /* bytes into a state: type, kind, scope before it */

int mu_member_init(struct mu_member *m, const struct mu_crypto *crypto,
                   uint8_t *state, size_t state_len, size_t state_cap)
{
    struct mu_member_view v;

    m->crypto = crypto;
    m->state = state;
    m->state_len = state_len;
    m->state_cap = state_cap;
    if (state_len > state_cap)
        return MU_ERR_CORRUPT;
    return mu_member_read(mu_bytes(state, state_len), &v);
}

static int member_view(const struct mu_member *m, struct mu_member_view *v)
{
    return mu_member_read(mu_bytes(m->state, m->state_len), v);
}

struct mu_kid mu_member_newest(const struct mu_member *m)
{
    struct mu_member_view v = {.kind = 0};

    if (member_view(m, &v) != 0)
        v.newest = (struct mu_kid){.kind = MU_KEY_NONE};
    return v.newest;
}

uint64_t mu_member_base(const struct mu_member *m)
{
    struct mu_member_view v = {.kind = 0};

    return member_view(m, &v) == 0 ? v.base : 0;
}

uint32_t mu_member_slot(const struct mu_member *m)
{
    struct mu_member_view v = {.kind = 0};

    return member_view(m, &v) == 0 ? v.slot : UINT32_MAX;
}

/* Whether a message of this head can be for us at all. */
static int member_check(const struct mu_member_view *v,
                        const struct mu_rekey_info *info)
{
    if (info->kid.kind != v->newest.kind || info->kid.scope != v->newest.scope)
        return MU_ERR_UNEXPECTED;
    if (info->kid.generation == v->newest.generation)
        return MU_ERR_REPLAY;
    if (info->kid.generation < v->newest.generation)
        return MU_ERR_ROLLBACK;
    /* Other trees: the group was compacted, perhaps to another scheme. */
    if (info->base != v->base)
        return MU_ERR_UNKNOWN_KEY;
    return info->kind == v->kind ? 0 : MU_ERR_UNEXPECTED;
}

/* The new generation is in: what the state says from now on. */
static void member_advance(struct mu_member *m, uint64_t generation)
{
    struct mu_writer w = mu_writer(m->state + GENERATION_AT, 8);

    mu_write_u64(&w, generation);
}

static int open_seed(const struct mu_member *m, const struct mu_member_view *v,
                     const struct mu_rekey_msg *msg, struct mu_lkh_path *path,
                     struct mu_secret *seed)
{
    switch (v->kind) {
    case MU_SCHEME_LKH:
        return mu_open_lkh(m, v, msg, path, seed);
    case MU_SCHEME_LADDER:
        return mu_open_ladder(m, v, msg, seed);
    default:
        return mu_open_forest(m, v, msg, seed);
    }
}

static int open_check(const struct mu_member *m, const struct mu_member_view *v,
                      const struct mu_rekey_msg *msg,
                      const struct mu_secret *seed)
{
    uint8_t tag[MU_REKEY_TAG_LEN];
    int rc = mu_rekey_tag(m->crypto, seed, &msg->info.kid, msg->text, tag);

    if (rc != 0 || mu_ct_eq(tag, msg->tag.data, sizeof tag))
        return rc;
    /* With LKH a rekey that was missed looks like a forgery; that there was
     * one says the counter. */
    if (v->kind == MU_SCHEME_LKH &&
        msg->previous != (uint32_t)v->newest.generation)
        return MU_ERR_UNKNOWN_KEY;
    return MU_ERR_AUTH;
}

/* What LKH and the ladder keep of a message. There is room: checked. */
static void open_keep(struct mu_member *m, const struct mu_rekey_msg *msg,
                      const struct mu_lkh_path *path)
{
    uint8_t *body = m->state + MU_MEMBER_HEAD_LEN;

    if (msg->info.kind == MU_SCHEME_LADDER) {
        struct mu_writer w = mu_writer(body + 2, 4u * msg->levels);

        for (uint8_t i = 0; i < msg->levels; i++)
            mu_write_u32(&w, msg->ladder[i]);
    } else if (msg->info.kind == MU_SCHEME_LKH) {
        for (uint8_t i = (uint8_t)(path->low + 1); i <= path->height; i++)
            mu_copy(body + 2 + (size_t)MU_NODE_KEY_LEN * i,
                    path->keys[i].bytes, MU_NODE_KEY_LEN);
        body[1] = path->height;
        m->state_len = MU_MEMBER_HEAD_LEN + 2 +
                       MU_NODE_KEY_LEN * (path->height + 1u);
    }
}

static int open_part(struct mu_member *m, const struct mu_member_view *v,
                     struct mu_bytes in, struct mu_kid *kid,
                     struct mu_secret *key)
{
    struct mu_lkh_path path = {.low = 0};
    struct mu_secret seed = {.len = 0};
    struct mu_rekey_msg msg;
    int rc = mu_rekey_read(in, &msg);

    if (rc == 0)
        rc = member_check(v, &msg.info);
    if (rc == 0)
        rc = open_seed(m, v, &msg, &path, &seed);
    if (rc == 0)
        rc = open_check(m, v, &msg, &seed);
    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &seed, "group key", &msg.info.kid,
                        GROUP_KEY_LEN, key);
    if (rc == 0) {
        *kid = msg.info.kid;
        open_keep(m, &msg, &path);
        member_advance(m, msg.info.kid.generation);
    }
    mu_wipe(&path, sizeof path);
    mu_secret_clear(&seed);
    return rc;
}

int mu_member_concerns(const struct mu_member *m, struct mu_bytes part)
{
    struct mu_member_view v;
    struct mu_rekey_msg msg;
    int rc = member_view(m, &v);

    if (rc == 0)
        rc = mu_rekey_read(part, &msg);
    if (rc == 0)
        rc = member_check(&v, &msg.info);
    if (rc != 0)
        return rc;
    switch (v.kind) {
    case MU_SCHEME_LKH:
        return mu_concerns_lkh(&v, &msg);
    case MU_SCHEME_LADDER:
        return mu_concerns_ladder(&v, &msg);
    default:
        return mu_concerns_forest(&v, &msg);
    }
}

static int personal_key(const struct mu_member *m,
                        const struct mu_member_view *v,
                        const struct mu_kid *kid, struct mu_secret *key)
{
    struct mu_secret device = {.len = 0};
    int rc = mu_secret_set(&device, mu_bytes(v->key, MU_NODE_KEY_LEN));

    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &device, "personal", kid, MU_NODE_KEY_LEN,
                        key);
    mu_secret_clear(&device);
    return rc;
}

/* Takes over what a personal message held: the key, perhaps a new body. */
static int personal_take(struct mu_member *m, const struct mu_member_view *v,
                         struct mu_bytes text, struct mu_secret *key)
{
    const struct mu_bytes body =
        mu_bytes(text.data + GROUP_KEY_LEN, text.len - GROUP_KEY_LEN);

    if (body.len > 0 && !mu_body_valid(v->kind, v->slot, body))
        return MU_ERR_MALFORMED;
    if (body.len > 0) {
        mu_copy(m->state + MU_MEMBER_HEAD_LEN, body.data, body.len);
        m->state_len = MU_MEMBER_HEAD_LEN + body.len;
    }
    return mu_secret_set(key, mu_bytes(text.data, GROUP_KEY_LEN));
}

static int open_personal(struct mu_member *m, const struct mu_member_view *v,
                         uint8_t *msg, size_t msg_len, struct mu_kid *kid,
                         struct mu_secret *key)
{
    static const uint8_t nonce[13];
    struct mu_secret seal = {.len = 0};
    struct mu_rekey_info info;
    size_t text_len = msg_len - PERSONAL_HEAD_LEN;
    int rc = mu_rekey_info(mu_bytes(msg, msg_len), &info);

    if (rc == 0)
        rc = member_check(v, &info);
    if (rc == 0 && info.slot != v->slot)
        rc = MU_ERR_NOT_FOUND;
    if (rc == 0 && text_len - PERSONAL_TAG_LEN - GROUP_KEY_LEN >
                       m->state_cap - MU_MEMBER_HEAD_LEN)
        rc = MU_ERR_NO_SPACE;
    if (rc == 0)
        rc = personal_key(m, v, &info.kid, &seal);
    if (rc == 0) {
        const struct mu_aead a = {
            .alg = MU_ALG_AES_CCM_16_64_128,
            .key = &seal,
            .nonce = MU_BYTES(nonce),
            .aad = mu_bytes(msg, PERSONAL_HEAD_LEN),
        };

        uint8_t *text = msg + PERSONAL_HEAD_LEN;

        rc = m->crypto->open(m->crypto->ctx, &a, mu_bytes(text, text_len),
                             text, &text_len);
        if (rc == 0) {
            rc = personal_take(m, v, mu_bytes(text, text_len), key);
            mu_wipe(text, text_len);
        }
    }
    mu_secret_clear(&seal);
    if (rc == 0) {
        *kid = info.kid;
        member_advance(m, info.kid.generation);
    }
    return rc;
}

int mu_member_open(struct mu_member *m, uint8_t *msg, size_t msg_len,
                   struct mu_kid *kid, struct mu_secret *key)
{
    struct mu_member_view v;
    int rc = member_view(m, &v);

    mu_secret_clear(key);
    if (rc != 0)
        return rc;
    if (msg_len < PERSONAL_HEAD_LEN)
        return MU_ERR_TRUNCATED;
    if ((msg[0] & 0xf0) == PERSONAL_TYPE)
        return open_personal(m, &v, msg, msg_len, kid, key);
    return open_part(m, &v, mu_bytes(msg, msg_len), kid, key);
}

int mu_member_level_key(const struct mu_member *m, uint8_t level,
                        struct mu_secret *key)
{
    struct mu_member_view v;
    struct mu_secret kdk = {.len = 0};
    struct mu_secret tgk = {.len = 0};
    struct mu_reader r;
    uint8_t own;
    uint8_t levels;
    int rc = member_view(m, &v);

    mu_secret_clear(key);
    if (rc != 0 || v.kind != MU_SCHEME_LADDER)
        return rc != 0 ? rc : MU_ERR_USAGE;
    r = mu_reader(v.body);
    own = mu_read_u8(&r);
    levels = mu_read_u8(&r);
    if (level < own || level > levels)
        return level < own ? MU_ERR_FORBIDDEN : MU_ERR_USAGE;
    rc = mu_secret_set(&kdk, mu_bytes(v.body.data + v.body.len -
                                          MU_NODE_KEY_LEN,
                                      MU_NODE_KEY_LEN));
    for (uint8_t i = 1; i <= level && rc == 0; i++) {
        const uint32_t ch = mu_read_u32(&r);

        if (i > own)
            rc = mu_ladder_step(m->crypto, &kdk, ch);
    }
    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &kdk, "tgk", &v.newest, MU_NODE_KEY_LEN,
                        &tgk);
    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &tgk, "group key", &v.newest,
                        GROUP_KEY_LEN, key);
    mu_secret_clear(&kdk);
    mu_secret_clear(&tgk);
    return rc;
}
