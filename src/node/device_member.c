/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of rekeying schemes that a device holds, one for each group: in
 * its work memory, in the journal, and while one comes in pieces
 * (docs/wire-format.md s.4 and s.9.4).
 *
 * A rekey changes two records, the keys and the state of the group. They are
 * stored in that order, and nothing is sent before both are durable. A power cut
 * in between leaves a key whose generation the state has not seen: the part
 * opens once more, or the device falls behind and asks. A state without its key
 * (a damaged record of keys) asks, too: neither strands it.
 */
#include "node/device.h"

#include "muster/assert.h"
#include "muster/scheme.h"

#define KEY_NAME "state" /* of the records; then the group (4) */
#define KEY_LEN 9

static uint8_t *member_room(const struct mu_device *d, size_t slot)
{
    return d->work + d->conf.page_memory + slot * d->conf.member_mem;
}

/* Behind the states: the one that is being collected. */
static uint8_t *member_collect_room(const struct mu_device *d)
{
    return member_room(d, MU_DEVICE_GROUPS_MAX);
}

size_t mu_device_member_work(const struct mu_device_conf *conf)
{
    return (MU_DEVICE_GROUPS_MAX + (size_t)1) * conf->member_mem;
}

static struct mu_device_member *member_find(struct mu_device *d,
                                            uint32_t group)
{
    for (size_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        if (d->members[i].len > 0 && d->members[i].group == group)
            return &d->members[i];
    }
    return NULL;
}

static size_t member_slot(const struct mu_device *d,
                          const struct mu_device_member *m)
{
    return (size_t)(m - d->members);
}

/* The one whose record is yet to be deleted, if it is of that group: the new
 * record comes after. One of another group is not free before that. */
static struct mu_device_member *member_free(struct mu_device *d,
                                            uint32_t group)
{
    struct mu_device_member *free = NULL;

    for (size_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        struct mu_device_member *s = &d->members[i];
        bool stored = !s->dirty && d->member_flying != i + 1;

        if (s->len == 0 && !stored && s->group == group)
            return s;
        if (s->len == 0 && stored && free == NULL)
            free = s;
    }
    return free;
}

static int member_open(struct mu_device *d, const struct mu_device_member *s,
                       struct mu_member *m)
{
    return mu_member_init(m, d->conf.crypto, member_room(d, member_slot(d, s)),
                          s->len, d->conf.member_mem);
}

int mu_device_member(struct mu_device *d, uint32_t group, struct mu_member *m)
{
    struct mu_device_member *s = member_find(d, group);

    return s == NULL ? MU_ERR_NOT_FOUND : member_open(d, s, m);
}

static void member_dirty(struct mu_device *d, struct mu_device_member *s)
{
    s->dirty = true;
    mu_device_dirty(d, MU_DEVICE_REC_MEMBER);
}

void mu_device_member_changed(struct mu_device *d, uint32_t group,
                              const struct mu_member *m)
{
    struct mu_device_member *s = member_find(d, group);

    mu_assert(s != NULL && m->state_len <= d->conf.member_mem);
    s->len = (uint16_t)m->state_len;
    member_dirty(d, s);
}

void mu_device_member_drop(struct mu_device *d, uint32_t group)
{
    struct mu_device_member *s = member_find(d, group);

    if (d->collect.on && d->collect.group == group)
        d->collect.on = false;
    if (s == NULL)
        return;
    mu_wipe(member_room(d, member_slot(d, s)), d->conf.member_mem);
    s->len = 0;
    member_dirty(d, s);
}

/* ---- records ------------------------------------------------------------ */

static struct mu_bytes member_key(uint8_t *to, uint32_t group)
{
    struct mu_writer w = mu_writer(to, KEY_LEN);

    mu_write_bytes(&w, mu_bytes_str(KEY_NAME));
    mu_write_u32(&w, group);
    return mu_written(&w);
}

/* The next state to store: its value lies in the work memory, its key in out. */
bool mu_device_member_record(struct mu_device *d, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        struct mu_device_member *s = &d->members[i];

        if (!s->dirty)
            continue;
        s->dirty = false;
        d->member_flying = (uint8_t)(i + 1);
        out->key = member_key(d->out, s->group);
        out->value = s->len > 0 ? mu_bytes(member_room(d, i), s->len)
                                : mu_bytes(NULL, 0);
        return true;
    }
    d->records[MU_DEVICE_REC_MEMBER].dirty = false;
    return false;
}

void mu_device_member_stored(struct mu_device *d, int result)
{
    size_t flew = d->member_flying;

    d->member_flying = 0;
    if (result != 0 && flew > 0)
        d->members[flew - 1].dirty = true;
    for (size_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        if (d->members[i].dirty)
            mu_device_dirty(d, MU_DEVICE_REC_MEMBER);
    }
}

/* A state that is damaged, or of no group of ours, or larger than there is
 * memory now, counts as absent: the server gives another. */
static int member_load(struct mu_device *d, struct mu_device_member *s,
                       uint32_t group)
{
    uint8_t name[KEY_LEN];
    uint8_t *room = member_room(d, member_slot(d, s));
    size_t len = d->conf.member_mem;
    struct mu_member m;
    int rc = d->conf.store->get(d->conf.store->ctx, MU_TABLE_NODE,
                                member_key(name, group), room, &len);

    if (rc == 0) {
        rc = mu_member_init(&m, d->conf.crypto, room, len,
                            d->conf.member_mem);
        if (rc == 0 && (mu_member_newest(&m).kind != MU_KEY_KB ||
                        mu_member_newest(&m).scope != group))
            rc = MU_ERR_CORRUPT;
    }
    if (rc == 0) {
        s->group = group;
        s->len = (uint16_t)len;
        return 0;
    }
    mu_wipe(room, d->conf.member_mem);
    if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NO_SPACE) {
        mu_device_trace(d, "record-damaged", MU_DEVICE_REC_MEMBER, group);
        return 0;
    }
    return rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

int mu_device_members_load(struct mu_device *d)
{
    int rc = 0;

    if (d->conf.member_mem == 0)
        return 0;
    for (size_t i = 0; i < d->groups.len && rc == 0; i++)
        rc = member_load(d, &d->members[i], d->groups.number[i]);
    return rc;
}

/* ---- key fetch ---------------------------------------------------------- */

void mu_device_members_ask(struct mu_device *d, struct mu_keyfetch_request *q)
{
    for (size_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        const struct mu_device_member *s = &d->members[i];
        struct mu_member m;

        if (s->len == 0 || member_open(d, s, &m) != 0)
            continue;
        q->states[q->states_len++] = (struct mu_keyfetch_state){
            .group = s->group,
            .base = mu_member_base(&m),
            .newest = mu_member_newest(&m).generation,
        };
    }
    if (!d->collect.on)
        return;
    q->collecting = true;
    q->which = (struct mu_keyfetch_state){
        .group = d->collect.group,
        .base = d->collect.base,
        .newest = d->collect.newest,
    };
    q->offset = d->collect.have;
}

/* The first piece says what it is a piece of. */
static int collect_begin(struct mu_device *d,
                         const struct mu_keyfetch_response *in)
{
    struct mu_reader r = mu_reader(in->piece);
    struct mu_kid kid;

    d->collect.on = false;
    if (in->piece_total > d->conf.member_mem)
        return MU_ERR_NO_SPACE;
    if (in->piece_total < MU_MEMBER_HEAD_LEN ||
        in->piece.len < MU_MEMBER_HEAD_LEN)
        return MU_ERR_MALFORMED;
    (void)mu_read_u8(&r);
    kid = mu_kid_read(&r);
    d->collect = (struct mu_device_collect){
        .on = true,
        .group = in->piece_group,
        .total = in->piece_total,
        .newest = kid.generation,
        .base = mu_read_u64(&r),
    };
    return 0;
}

/* Whether a state may take the place of what is held: never an older one, and
 * none of an epoch that the server has not told. */
static int collect_check(struct mu_device *d, const struct mu_member *m)
{
    const struct mu_kid kid = mu_member_newest(m);
    struct mu_member old;

    if (kid.kind != MU_KEY_KB || kid.scope != d->collect.group)
        return MU_ERR_MALFORMED;
    if (kid.generation >> 32 > d->epoch)
        return MU_ERR_FORBIDDEN;
    if (mu_device_member(d, kid.scope, &old) != 0)
        return 0;
    return mu_member_base(m) < mu_member_base(&old) ||
                   kid.generation < mu_member_newest(&old).generation
               ? MU_ERR_ROLLBACK
               : 0;
}

static int collect_end(struct mu_device *d)
{
    struct mu_device_member *s = member_find(d, d->collect.group);
    uint8_t *room = member_collect_room(d);
    struct mu_member m;
    int rc = mu_member_init(&m, d->conf.crypto, room, d->collect.total,
                            d->conf.member_mem);

    d->collect.on = false;
    if (rc == 0)
        rc = collect_check(d, &m);
    if (rc == 0 && s == NULL) {
        s = member_free(d, d->collect.group);
        rc = s == NULL ? MU_ERR_BUSY : 0;
    }
    if (rc == 0) {
        uint8_t *to = member_room(d, member_slot(d, s));

        mu_wipe(to, d->conf.member_mem);
        mu_copy(to, room, d->collect.total);
        s->group = d->collect.group;
        s->len = d->collect.total;
        member_dirty(d, s);
        mu_device_trace(d, "member", s->group, s->len);
    }
    mu_wipe(room, d->conf.member_mem);
    return rc;
}

int mu_device_members_piece(struct mu_device *d,
                            const struct mu_keyfetch_response *in, bool *more)
{
    struct mu_device_collect *c = &d->collect;
    int rc = 0;

    *more = false;
    if (in->piece_offset == 0)
        rc = collect_begin(d, in);
    else if (!c->on || in->piece_group != c->group ||
             in->piece_total != c->total || in->piece_offset != c->have)
        rc = MU_ERR_UNEXPECTED; /* of an answer that was given up */
    if (rc == 0) {
        mu_copy(member_collect_room(d) + c->have, in->piece.data,
                in->piece.len);
        c->have = (uint16_t)(c->have + in->piece.len);
        *more = c->have < c->total;
        if (!*more)
            rc = collect_end(d);
    }
    if (rc != 0)
        mu_device_trace(d, "member-refused", (uint64_t)-rc, in->piece_group);
    return rc;
}
