/* SPDX-License-Identifier: Apache-2.0 */
/* Reads rekey parts, personal heads and states: docs/wire-format.md s.9. */
#include "keys/schemes/internal.h"

#define LOW_NIBBLE 0x0f

/* Subsets that no tree of ours has. */
static bool entry_valid(const struct mu_rekey_msg *msg, uint32_t code)
{
    uint32_t end;

    if (msg->info.kind == MU_SCHEME_LKH)
        return mu_lkh_level(code) < msg->height;
    end = mu_subset_end(code);
    if (end == 0 ||
        mu_node_level(end) + mu_subset_d(code) > MU_SCHEME_LEVELS)
        return false;
    return msg->info.kind != MU_SCHEME_CS || mu_subset_d(code) == 0;
}

static bool entries_valid(const struct mu_rekey_msg *msg)
{
    struct mu_reader r = mu_reader(msg->entries);

    for (uint16_t i = 0; i < msg->info.entries; i++) {
        if (!entry_valid(msg, mu_read_u32(&r)))
            return false;
        if (!msg->by_index)
            (void)mu_read_bytes(&r, MU_NODE_KEY_LEN);
    }
    return mu_reader_end(&r) == 0;
}

/* What a scheme says before its entries. */
static void read_extra(struct mu_reader *r, struct mu_rekey_msg *msg)
{
    uint8_t mode;

    switch (msg->info.kind) {
    case MU_SCHEME_CLUSTER:
        mode = mu_read_u8(r);
        msg->by_index = mode == 1;
        if (mode > 1 || (msg->by_index && msg->info.entries != 1))
            mu_reader_fail(r);
        break;
    case MU_SCHEME_LADDER:
        msg->levels = mu_read_u8(r);
        if (msg->levels < 1 || msg->levels > MU_LADDER_LEVELS_MAX ||
            msg->info.entries != 0)
            mu_reader_fail(r);
        for (uint8_t i = 0; i < msg->levels && !r->failed; i++)
            msg->ladder[i] = mu_read_u32(r);
        break;
    case MU_SCHEME_LKH:
        msg->previous = mu_read_u32(r);
        msg->height = mu_read_u8(r);
        if (msg->height < 1 || msg->height > MU_SCHEME_LEVELS)
            mu_reader_fail(r);
        break;
    case MU_SCHEME_CS:
    case MU_SCHEME_SD:
        break;
    case MU_SCHEME_NONE:
    case MU_SCHEME_UNICAST:
    case MU_SCHEME_COUNT:
        mu_reader_fail(r);
        break;
    }
}

static void read_head(struct mu_reader *r, struct mu_rekey_info *info)
{
    const uint8_t type = mu_read_u8(r);

    info->kind = (enum mu_scheme_kind)(type & LOW_NIBBLE);
    info->personal = (type & ~LOW_NIBBLE) == PERSONAL_TYPE;
    if (mu_scheme_ops(info->kind) == NULL ||
        (!info->personal && (type & ~LOW_NIBBLE) != REKEY_TYPE))
        mu_reader_fail(r);
    info->kid = mu_kid_read(r);
    info->base = mu_read_u64(r);
    if (info->personal) {
        info->slot = mu_read_u32(r);
        return;
    }
    info->part = mu_read_u16(r);
    info->parts = mu_read_u16(r);
    info->entries = mu_read_u16(r);
    if (info->part >= info->parts || info->kid.generation <= info->base)
        mu_reader_fail(r);
}

int mu_rekey_read(struct mu_bytes in, struct mu_rekey_msg *msg)
{
    struct mu_reader r = mu_reader(in);
    size_t each;

    mu_zero(msg, sizeof *msg);
    read_head(&r, &msg->info);
    if (r.failed || msg->info.personal)
        return MU_ERR_MALFORMED;
    read_extra(&r, msg);
    each = msg->by_index ? 4 : MU_REKEY_ENTRY_LEN;
    msg->entries = mu_read_bytes(&r, msg->info.entries * each);
    msg->text = mu_bytes(in.data, r.pos);
    msg->tag = mu_read_bytes(&r, MU_REKEY_TAG_LEN);
    if (mu_reader_end(&r) != 0 || !entries_valid(msg))
        return MU_ERR_MALFORMED;
    return 0;
}

int mu_rekey_info(struct mu_bytes msg, struct mu_rekey_info *info)
{
    struct mu_reader r = mu_reader(msg);
    struct mu_rekey_msg all;
    int rc;

    mu_zero(info, sizeof *info);
    read_head(&r, info);
    if (r.failed)
        return MU_ERR_MALFORMED;
    if (info->personal)
        return mu_reader_left(&r) >= GROUP_KEY_LEN + PERSONAL_TAG_LEN
                   ? 0
                   : MU_ERR_MALFORMED;
    rc = mu_rekey_read(msg, &all);
    return rc;
}

static size_t labels_len(uint8_t root)
{
    return 1 + MU_NODE_KEY_LEN * ((size_t)root * (root + 1u) / 2 + 1);
}

static bool ladder_valid(struct mu_bytes body)
{
    return body.len > 2 && body.data[0] >= 1 &&
           body.data[0] <= body.data[1] &&
           body.data[1] <= MU_LADDER_LEVELS_MAX &&
           body.len == 2 + 4u * body.data[1] + MU_NODE_KEY_LEN;
}

static bool lkh_valid(uint32_t slot, struct mu_bytes body)
{
    uint8_t degree;
    uint8_t height;

    if (body.len < 2)
        return false;
    degree = body.data[0];
    height = body.data[1];
    return degree >= 2 && degree <= MU_LKH_DEGREE_MAX && height >= 1 &&
           height <= MU_SCHEME_LEVELS &&
           body.len == 2 + MU_NODE_KEY_LEN * (height + 1u) &&
           mu_lkh_up(slot, degree, height) == 0;
}

bool mu_body_valid(uint8_t kind, uint32_t slot, struct mu_bytes body)
{
    switch (kind) {
    case MU_SCHEME_UNICAST:
        return body.len == 0;
    case MU_SCHEME_CLUSTER:
        return body.len > 4 && body.data[4] <= MU_SCHEME_LEVELS &&
               body.len == 4 + labels_len(body.data[4]);
    case MU_SCHEME_LADDER:
        return ladder_valid(body);
    case MU_SCHEME_LKH:
        return lkh_valid(slot, body);
    case MU_SCHEME_CS:
        return body.len > 0 && body.data[0] <= MU_SCHEME_LEVELS &&
               body.len == 1 + MU_NODE_KEY_LEN * (body.data[0] + 1u);
    case MU_SCHEME_SD:
        return body.len > 0 && body.data[0] <= MU_SCHEME_LEVELS &&
               body.len == labels_len(body.data[0]);
    default:
        return false;
    }
}

int mu_member_read(struct mu_bytes state, struct mu_member_view *v)
{
    struct mu_reader r = mu_reader(state);
    const uint8_t type = mu_read_u8(&r);

    v->kind = type & LOW_NIBBLE;
    v->newest = mu_kid_read(&r);
    v->base = mu_read_u64(&r);
    v->slot = mu_read_u32(&r);
    v->key = mu_read_bytes(&r, MU_NODE_KEY_LEN).data;
    v->body = mu_reader_rest(&r);
    if (r.failed || (type & ~LOW_NIBBLE) != STATE_TYPE ||
        v->slot >= MU_SCHEME_POSITIONS_MAX ||
        !mu_body_valid(v->kind, v->slot, v->body))
        return MU_ERR_CORRUPT;
    return 0;
}

size_t mu_member_state_max(const struct mu_scheme_conf *conf)
{
    uint32_t widest = conf->members + conf->reserve;
    uint8_t root = 0;

    if (conf->slots_max > widest)
        widest = conf->slots_max;
    if (conf->kind == MU_SCHEME_CLUSTER)
        widest = conf->clusters * 64;
    while ((uint32_t)1 << root < widest && root < MU_SCHEME_LEVELS)
        root++;
    switch (conf->kind) {
    case MU_SCHEME_CLUSTER:
        return MU_MEMBER_HEAD_LEN + 4 + labels_len(root);
    case MU_SCHEME_LADDER:
        return MU_MEMBER_HEAD_LEN + 2 + 4u * conf->levels + MU_NODE_KEY_LEN;
    case MU_SCHEME_LKH:
        return MU_MEMBER_HEAD_LEN + 2 +
               MU_NODE_KEY_LEN *
                   (mu_lkh_height(conf->slots_max, conf->degree) + 1u);
    case MU_SCHEME_CS:
        return MU_MEMBER_HEAD_LEN + 1 + MU_NODE_KEY_LEN * (root + 1u);
    case MU_SCHEME_SD:
        return MU_MEMBER_HEAD_LEN + labels_len(root);
    case MU_SCHEME_NONE:
    case MU_SCHEME_UNICAST:
    case MU_SCHEME_COUNT:
        break;
    }
    return MU_MEMBER_HEAD_LEN;
}
