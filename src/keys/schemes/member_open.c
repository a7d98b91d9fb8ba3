/* SPDX-License-Identifier: Apache-2.0 */
/* How a device of each scheme finds the seed in a rekey part. */
#include "keys/schemes/internal.h"

static int body_key(struct mu_bytes body, size_t at, struct mu_secret *key)
{
    return mu_secret_set(
        key, mu_bytes(body.data + at, MU_NODE_KEY_LEN));
}

/* A device's place: what the trees are concerned with. */
struct place {
    uint32_t at;
    uint8_t root;
    struct mu_bytes body; /* root, keys */
};

static struct place place_of(const struct mu_member_view *v)
{
    struct place p = {.at = v->slot, .body = v->body};

    if (v->kind == MU_SCHEME_CLUSTER) {
        struct mu_reader r = mu_reader(v->body);

        p.at = mu_read_u32(&r);
        p.body = mu_reader_rest(&r);
    }
    p.root = p.body.data[0];
    return p;
}

static bool place_under(const struct place *p, uint8_t level, uint32_t index)
{
    return level <= p->root && p->at >> level == index;
}

static bool place_in(const struct place *p, uint8_t kind, uint32_t code)
{
    const uint32_t end = mu_subset_end(code);
    const uint8_t d = mu_subset_d(code);
    const uint8_t low = mu_node_level(end);
    const uint8_t top = (uint8_t)(low + d);

    if (kind == MU_SCHEME_CS)
        return place_under(p, low, mu_node_index(end));
    if (d == 0) /* all of a tree */
        return low == p->root && place_under(p, low, mu_node_index(end));
    return place_under(p, top, mu_node_index(end) >> d) &&
           !place_under(p, low, mu_node_index(end));
}

/* The label of a subset that the place is in: from that of the node where
 * the ways to the place and to the end part, down to the end. */
static int place_label(const struct mu_crypto *c, const struct place *p,
                       uint32_t code, struct mu_secret *label)
{
    const uint32_t end = mu_subset_end(code);
    const uint8_t low = mu_node_level(end);
    const uint8_t top = (uint8_t)(low + mu_subset_d(code));
    uint8_t level = (uint8_t)(top - 1);
    size_t n;
    int rc;

    if (top == low)
        return body_key(p->body, 1, label);
    while (p->at >> level == mu_node_index(end) >> (level - low))
        level--;
    /* Before it: "all", and 1 + 2 + ... + (top - 1) labels of lower nodes. */
    n = 1 + (size_t)top * (top - 1u) / 2 + (top - 1u - level);
    rc = body_key(p->body, 1 + MU_NODE_KEY_LEN * n, label);
    if (rc == 0)
        rc = mu_label_walk(c, label, mu_node(level, p->at >> level ^ 1), end);
    return rc;
}

static int forest_seed(const struct mu_crypto *c, const struct place *p,
                       const struct mu_rekey_msg *msg, uint32_t code,
                       struct mu_bytes wrapped, struct mu_secret *seed)
{
    struct mu_secret label = {.len = 0};
    struct mu_secret kek = {.len = 0};
    int rc;

    if (msg->info.kind == MU_SCHEME_CS) {
        const uint8_t level = mu_node_level(mu_subset_end(code));

        rc = body_key(p->body, 1 + (size_t)MU_NODE_KEY_LEN * level, &kek);
    } else {
        rc = place_label(c, p, code, &label);
        if (rc == 0 && msg->by_index)
            rc = mu_kdf_kid(c, &label, "sd index", &msg->info.kid,
                            MU_NODE_KEY_LEN, seed);
        else if (rc == 0)
            rc = mu_kdf(c, &label, "sd key", mu_bytes(NULL, 0),
                        MU_NODE_KEY_LEN, &kek);
    }
    if (rc == 0 && !msg->by_index)
        rc = mu_node_unwrap(c, &kek, wrapped.data, seed);
    mu_secret_clear(&label);
    mu_secret_clear(&kek);
    return rc;
}

/* The entry whose subset the place is in; MU_ERR_NOT_FOUND. */
static int forest_entry(const struct place *p, uint8_t kind,
                        const struct mu_rekey_msg *msg, uint32_t *code,
                        struct mu_bytes *wrapped)
{
    struct mu_reader r = mu_reader(msg->entries);

    for (uint16_t i = 0; i < msg->info.entries; i++) {
        *code = mu_read_u32(&r);
        *wrapped = msg->by_index ? mu_bytes(NULL, 0)
                                 : mu_read_bytes(&r, MU_NODE_KEY_LEN);
        if (place_in(p, kind, *code))
            return 0;
    }
    return MU_ERR_NOT_FOUND;
}

int mu_concerns_forest(const struct mu_member_view *v,
                       const struct mu_rekey_msg *msg)
{
    const struct place p = place_of(v);
    struct mu_bytes wrapped;
    uint32_t code;

    return forest_entry(&p, v->kind, msg, &code, &wrapped);
}

int mu_open_forest(const struct mu_member *m, const struct mu_member_view *v,
                   const struct mu_rekey_msg *msg, struct mu_secret *seed)
{
    const struct place p = place_of(v);
    struct mu_bytes wrapped;
    uint32_t code;
    int rc = forest_entry(&p, v->kind, msg, &code, &wrapped);

    return rc != 0 ? rc : forest_seed(m->crypto, &p, msg, code, wrapped, seed);
}

/* Where the entries of our own way to the root are. */
struct way {
    const uint8_t *wrapped[MU_SCHEME_LEVELS + 1];
    bool based;
    uint8_t low; /* level of the base */
};

static void way_find(const struct mu_member_view *v,
                     const struct mu_rekey_msg *msg, struct way *way)
{
    struct mu_reader r = mu_reader(msg->entries);

    for (uint16_t i = 0; i < msg->info.entries; i++) {
        const uint32_t code = mu_read_u32(&r);
        const struct mu_bytes wrapped = mu_read_bytes(&r, MU_NODE_KEY_LEN);
        const uint8_t level = mu_lkh_level(code);

        if (mu_lkh_up(v->slot, v->body.data[0], level) != mu_lkh_index(code))
            continue;
        way->wrapped[level] = wrapped.data;
        if ((code & LKH_LINK) == 0) {
            way->based = true;
            way->low = level;
        }
    }
}

static int way_check(const struct mu_member_view *v,
                     const struct mu_rekey_msg *msg, const struct way *way)
{
    if (!way->based)
        return MU_ERR_NOT_FOUND;
    if (way->low > v->body.data[1] || msg->height < v->body.data[1])
        return MU_ERR_UNKNOWN_KEY; /* the tree grew while we were away */
    return 0;
}

int mu_concerns_lkh(const struct mu_member_view *v,
                    const struct mu_rekey_msg *msg)
{
    struct way way = {.based = false};

    way_find(v, msg, &way);
    return way_check(v, msg, &way);
}

int mu_open_lkh(const struct mu_member *m, const struct mu_member_view *v,
                const struct mu_rekey_msg *msg, struct mu_lkh_path *path,
                struct mu_secret *seed)
{
    struct way way = {.based = false};
    struct mu_secret kek = {.len = 0};
    int rc;

    way_find(v, msg, &way);
    rc = way_check(v, msg, &way);
    if (rc != 0)
        return rc;
    if (MU_MEMBER_HEAD_LEN + 2 + MU_NODE_KEY_LEN * (msg->height + 1u) >
        m->state_cap)
        return MU_ERR_NO_SPACE;
    path->low = way.low;
    path->height = msg->height;
    rc = body_key(v->body, 2 + (size_t)MU_NODE_KEY_LEN * way.low,
                  &path->keys[way.low]);
    for (uint8_t i = way.low; i < msg->height && rc == 0; i++) {
        if (way.wrapped[i] == NULL)
            return MU_ERR_MALFORMED;
        rc = mu_lkh_wrap_key(m->crypto, &path->keys[i], &kek);
        if (rc == 0)
            rc = mu_node_unwrap(m->crypto, &kek, way.wrapped[i],
                                &path->keys[i + 1]);
        mu_secret_clear(&kek);
    }
    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &path->keys[msg->height], "lkh seed",
                        &msg->info.kid, MU_NODE_KEY_LEN, seed);
    return rc;
}

int mu_concerns_ladder(const struct mu_member_view *v,
                       const struct mu_rekey_msg *msg)
{
    struct mu_reader r = mu_reader(v->body);
    const uint8_t own = mu_read_u8(&r);
    const uint8_t levels = mu_read_u8(&r);

    if (levels != msg->levels)
        return MU_ERR_MALFORMED;
    /* Our level, or one above it, was renewed: we are told apart. */
    for (uint8_t i = 0; i < own; i++) {
        if (mu_read_u32(&r) != msg->ladder[i])
            return MU_ERR_UNKNOWN_KEY;
    }
    return 0;
}

int mu_open_ladder(const struct mu_member *m, const struct mu_member_view *v,
                   const struct mu_rekey_msg *msg, struct mu_secret *seed)
{
    const uint8_t own = v->body.data[0];
    const uint8_t levels = v->body.data[1];
    struct mu_secret kdk = {.len = 0};
    int rc = mu_concerns_ladder(v, msg);

    if (rc != 0)
        return rc;
    rc = body_key(v->body, v->body.len - MU_NODE_KEY_LEN, &kdk);
    for (uint8_t i = own; i < levels && rc == 0; i++)
        rc = mu_ladder_step(m->crypto, &kdk, msg->ladder[i]);
    if (rc == 0)
        rc = mu_kdf_kid(m->crypto, &kdk, "tgk", &msg->info.kid,
                        MU_NODE_KEY_LEN, seed);
    mu_secret_clear(&kdk);
    return rc;
}
