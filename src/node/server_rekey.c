/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next key of a group that has a scheme: a campaign whose content is the
 * parts of a rekey, each in an inline object (docs/wire-format.md s.5.5).
 *
 * One rekey is in the making at a time, one bounded piece a step. All that it
 * writes on the way has no effect until FLIP, where key, trees, list of
 * changes and campaign come into force together; whatever ends it before
 * (a crash, a change taken back, trees that are full) lets it begin again,
 * under a generation of its own.
 *
 * New trees (docs/key-schemes.md, Compaction) come without parts: every member
 * fetches its state. They are made at first, after the epoch changed, when old
 * ones are full or damaged, and when more have left than half of those there
 * are.
 */
#include "node/server_core.h"

#define MEMBERS_A_STEP 256
#define OPS_A_STEP 64
#define PARTS_A_STEP 8
#define PARTS_MAX 1024     /* beyond, fetching costs a member less */
#define GONE_LEAST 8       /* leavers that are never worth new trees */
#define DEGREE_DEFAULT 4
#define SPARE_LEAST 64     /* places for newcomers in new trees */

/* ---- which, and how far ---------------------------------------------------- */

bool mu_srv_rekey_makes(const struct mu_server *s, uint32_t group)
{
    return s->rekey.c != NULL && s->rekey.group == group &&
           s->rekey.step > MU_REKEY_OPEN && s->rekey.step <= MU_REKEY_FLIP;
}

static void rekey_wipe(struct mu_server *s)
{
    mu_rekey_clear(&s->rekey.parts);
    mu_secret_clear(&s->rekey.kb);
}

void mu_srv_rekey_reset(struct mu_server *s)
{
    rekey_wipe(s);
    mu_srv_trees_drop(s);
    s->rekey.c = NULL;
}

void mu_srv_rekey_again(struct mu_server *s)
{
    rekey_wipe(s);
    mu_srv_trees_drop(s);
    s->rekey.step = MU_REKEY_CLEAR;
    s->rekey.after = mu_record_key_campaign(s->rekey.c->rec.id);
    s->rekey.listed = false;
    mu_srv_trace(s, "rekey-again", s->rekey.c->number, s->rekey.group);
}

/* From members' records, and at once. */
static int rekey_rebuild(struct mu_server *s)
{
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, s->rekey.group, &sc);

    if (rc != 0)
        return rc;
    sc.rebuild = true;
    mu_srv_scheme_put(s, s->rekey.group, &sc);
    mu_srv_rekey_again(s);
    return 0;
}

static void rekey_walk(struct mu_server *s)
{
    s->rekey.after = mu_record_key_number(s->rekey.group);
    s->rekey.listed = false;
}

/* One that was found at the start, or a new one. */
static struct mu_server_campaign *rekey_slot(struct mu_server *s,
                                             uint32_t number, uint8_t mode,
                                             int *rc)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (c->used && mu_srv_campaign_is_key(c) && c->rec.group == number &&
            c->stage < MU_STAGE_CAST)
            return c;
    }
    return mu_srv_campaign_key(s, number, mode, rc);
}

int mu_srv_rekey_begin(struct mu_server *s, uint32_t number)
{
    struct mu_group_record g;
    struct mu_server_campaign *c;
    int rc;

    if (s->rekey.c != NULL)
        return s->rekey.group == number && s->rekey.step <= MU_REKEY_FLIP
                   ? 0
                   : MU_ERR_BUSY;
    rc = mu_srv_group_get(s, number, &g);
    if (rc != 0)
        return rc;
    c = rekey_slot(s, number, g.mode, &rc);
    if (c == NULL)
        return rc;
    s->rekey.c = c;
    s->rekey.group = number;
    s->rekey.step = MU_REKEY_CLEAR;
    s->rekey.after = mu_record_key_campaign(c->rec.id);
    s->rekey.listed = false;
    c->retry_at = 0;
    mu_srv_trace(s, "rekey", c->number, number);
    return 0;
}

/* ---- walks ----------------------------------------------------------------- */

static bool key_begins(const struct mu_record_key *k,
                       const struct mu_record_key *prefix, size_t len)
{
    return k->len >= len && mu_bytes_eq(mu_bytes(k->bytes, len),
                                        mu_bytes(prefix->bytes, len));
}

/* Both have the length of keys of one table and kind. */
static bool key_below(const struct mu_record_key *a,
                      const struct mu_record_key *b)
{
    size_t i = 0;

    while (i < a->len && i < b->len && a->bytes[i] == b->bytes[i])
        i++;
    return i < a->len && i < b->len && a->bytes[i] < b->bytes[i];
}

int mu_srv_records_drop(struct mu_server *s, uint8_t table,
                        const struct mu_record_key *prefix, size_t prefix_len,
                        const struct mu_record_key *end,
                        struct mu_record_key *after, bool *all)
{
    struct mu_bytes value;

    *all = false;
    for (unsigned n = 0; n < OPS_A_STEP && mu_srv_stores_room(s); n++) {
        int rc = mu_srv_next(s, table, after, &value);

        if (rc != 0 && rc != MU_ERR_CORRUPT && rc != MU_ERR_NOT_FOUND)
            return rc;
        if (rc == MU_ERR_NOT_FOUND || !key_begins(after, prefix, prefix_len) ||
            (end != NULL && !key_below(after, end))) {
            *all = true;
            return 0;
        }
        mu_srv_delete(s, table, after);
    }
    return 0;
}

static int step_clear(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_record_key id = mu_record_key_campaign(r->c->rec.id);
    struct mu_record_key part = mu_record_key_part(r->c->rec.id, 0);
    bool all;
    int rc;

    /* Walks do not see what is queued. */
    if (!mu_srv_taken(s))
        return 0;
    r->c->rec.roster = 0;
    if (!r->listed) {
        rc = mu_srv_records_drop(s, MU_TABLE_TARGET, &id, id.len, NULL,
                                 &r->after, &r->listed);
        if (rc == 0 && r->listed) {
            r->after = id;
            r->after.bytes[r->after.len++] = 'o';
        }
        return rc;
    }
    rc = mu_srv_records_drop(s, MU_TABLE_SEEN, &part, part.len - 2, NULL,
                             &r->after, &all);
    if (rc == 0 && all)
        r->step = MU_REKEY_OPEN;
    return rc;
}

/* What there is to say of a member; false: not one for this rekey. */
struct walked {
    struct mu_bytes identity;
    struct mu_member_record m;
    struct mu_device_record d;
    struct mu_device_group *entry;
};

/* The roster is made anew, newcomers that this key is not for included. */
static int walk_heal(struct mu_server *s, const struct walked *w)
{
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, s->rekey.group, &sc);

    return rc == 0 ? mu_srv_roster_put(s, s->rekey.group, &sc, w->d.gateway,
                                       w->d.index, true)
                   : rc;
}

/* 0 and a member, MU_ERR_NOT_FOUND at the end. */
static int walk_next(struct mu_server *s, struct walked *w)
{
    struct mu_server_rekey *r = &s->rekey;

    for (;;) {
        int rc = mu_srv_member_next(s, r->group, false, &r->after,
                                    &w->identity);
        if (rc != 0)
            return rc;
        rc = mu_srv_member_get(s, r->group, w->identity, &w->m);
        if (rc == MU_ERR_CORRUPT && !r->build)
            return rc; /* nobody knows its place: new ones for all */
        if (rc == MU_ERR_CORRUPT) {
            w->m = (struct mu_member_record){.where = MU_WHERE_ANY};
            rc = 0;
        }
        if (rc == 0)
            rc = mu_srv_device_get(s, w->identity, &w->d);
        if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
            continue; /* it cannot be reached, and `device list` says why */
        if (rc != 0)
            return rc;
        w->entry = mu_device_record_group(&w->d, r->group);
        if (w->entry == NULL || w->d.revoked)
            continue;
        if (r->heal && r->step == MU_REKEY_NUMBER)
            rc = walk_heal(s, w);
        if (rc != 0 || w->m.op < r->op_end)
            return rc;
    }
}

static int walk_target(struct mu_server *s, const struct walked *w)
{
    const uint8_t *id = s->rekey.c->rec.id;
    struct mu_target_record t;
    int rc = mu_srv_target_get(s, &s->rekey.c->rec, w->d.gateway, w->d.index,
                               &t);

    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    t.state[w->d.index % MU_TARGETS] = MU_TARGET_MEMBER | MU_TARGET_TOLD;
    t.reason[w->d.index % MU_TARGETS] = 0;
    mu_srv_target_put(s, id, w->d.gateway, w->d.index, &t);
    return 0;
}

/* One step of a walk over all members. */
static int walk_step(struct mu_server *s,
                     int (*each)(struct mu_server *s, struct walked *w))
{
    struct walked w;

    for (unsigned n = 0; n < MEMBERS_A_STEP && mu_srv_stores_room(s); n++) {
        int rc = walk_next(s, &w);

        if (rc == MU_ERR_NOT_FOUND) {
            s->rekey.listed = true;
            return 0;
        }
        if (rc == 0)
            rc = each(s, &w);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------- */

bool mu_srv_trees_stale(const struct mu_server *s,
                        const struct mu_group_record *g,
                        const struct mu_scheme_record *sc)
{
    /* With these, all who left are named in every message. */
    const bool grows = sc->kind == MU_SCHEME_SD || sc->kind == MU_SCHEME_CS ||
                       sc->kind == MU_SCHEME_CLUSTER;

    return sc->base == 0 || sc->rebuild || sc->base >> 32 != s->epoch ||
           sc->kind == MU_SCHEME_UNICAST ||
           (grows && sc->gone > GONE_LEAST && sc->gone > g->members / 2);
}

static int open_build(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    int rc = mu_srv_generation_take(s, &r->base);

    if (rc != 0)
        return rc;
    rc = mu_srv_trees_replace(s, r->group, &r->next);
    if (rc != 0)
        return rc;
    r->build = true;
    r->heal = r->next.heal;
    r->members = 0;
    r->least = 0;
    rekey_walk(s);
    r->after.bytes[r->after.len++] = 'r';
    if (!r->heal)
        rekey_walk(s);
    r->step = r->heal ? MU_REKEY_HEAL : MU_REKEY_NUMBER;
    return 0;
}

/* Changes from here on are in another version of the roster than this key's
 * campaign. */
static int open_roster(struct mu_server *s, const struct mu_group_record *g)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_roster_sum sum;
    int rc = mu_srv_roster_areas(s, r->group, r->base, r->c->gateways,
                                 r->c->fetched, &sum);

    if (rc == MU_ERR_CORRUPT || (rc == 0 && sum.members != g->members)) {
        mu_srv_trace(s, "roster-damaged", r->group, sum.members);
        r->next.heal = r->next.rebuild = true;
        mu_srv_scheme_put(s, r->group, &r->next);
        mu_srv_rekey_again(s);
        return 0;
    }
    if (rc != 0)
        return rc;
    r->members = sum.members;
    r->heard = sum.ready;
    r->c->rec.roster = ++r->next.roster;
    r->c->rec.base = r->base;
    mu_srv_scheme_put(s, r->group, &r->next);
    r->step = MU_REKEY_APPLY;
    return 0;
}

static int step_open(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_group_record g;
    int rc;

    /* Walks do not see what is queued. */
    if (!mu_srv_taken(s))
        return 0;
    rc = mu_srv_group_get(s, r->group, &g);
    if (rc == 0)
        rc = mu_srv_scheme_get(s, r->group, &r->next);
    if (rc != 0)
        return rc;
    r->op = r->next.op_first;
    r->op_end = r->next.op_next;
    r->wish = MU_GROUP_KEEP;
    r->cut = false;
    r->heard = 0;
    r->chunk = 0;
    r->built = false;
    mu_zero(&r->places, sizeof r->places);
    if (mu_srv_trees_stale(s, &g, &r->next))
        return open_build(s);
    r->build = false;
    r->base = r->next.base;
    rc = mu_srv_trees_use(s, r->group, &r->next);
    if (rc == MU_ERR_CORRUPT) {
        mu_srv_trace(s, "trees-damaged", r->group, r->next.generation);
        return rekey_rebuild(s);
    }
    return rc == 0 ? open_roster(s, &g) : rc;
}

/* ---- new trees ------------------------------------------------------------- */

static int step_heal(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_record_key prefix = mu_record_key_number(r->group);
    bool all;
    int rc;

    prefix.bytes[prefix.len++] = r->after.bytes[4];
    rc = mu_srv_records_drop(s, MU_TABLE_SCHEME, &prefix, prefix.len, NULL,
                             &r->after, &all);
    if (rc != 0 || !all)
        return rc;
    rekey_walk(s);
    if (prefix.bytes[4] == 'r')
        r->after.bytes[r->after.len++] = 'a';
    else
        r->step = MU_REKEY_NUMBER;
    return 0;
}

/* The chunk of places that the last numbers were of. */
static void number_flush(struct mu_server *s, uint32_t places)
{
    struct mu_server_rekey *r = &s->rekey;

    if (places == 0)
        return;
    mu_srv_places_put(s, r->group, r->base, (places - 1) / MU_ROSTER_CHUNK,
                      &r->places);
    mu_zero(&r->places, sizeof r->places);
}

static int number_each(struct mu_server *s, struct walked *w)
{
    struct mu_server_rekey *r = &s->rekey;
    const uint32_t memory =
        w->d.capable ? w->d.capability.member_memory : 0;

    w->m.base = r->base;
    w->m.slot = r->members++;
    mu_srv_member_put(s, r->group, w->identity, &w->m);
    r->places.at[w->m.slot % MU_ROSTER_CHUNK] = (struct mu_place){
        .gateway = (uint16_t)w->d.gateway, .index = w->d.index};
    if (r->members % MU_ROSTER_CHUNK == 0)
        number_flush(s, r->members);
    if (memory != 0 && (r->least == 0 || memory < r->least))
        r->least = memory;
    return walk_target(s, w);
}

static int step_number(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    int rc = walk_step(s, number_each);

    if (rc != 0 || !r->listed)
        return rc;
    if (r->members % MU_ROSTER_CHUNK != 0)
        number_flush(s, r->members);
    r->step = MU_REKEY_BUILD;
    return 0;
}

/* The wish, or what is best for the group as it is. */
static void build_kind(struct mu_server *s)
{
    const struct mu_group_scheme *w = &s->rekey.next.wish;
    struct mu_scheme_facts f = {
        .members = s->rekey.members,
        .leaves_per_day = w->leaves_per_day,
        .joins_per_day = w->joins_per_day,
        .sleepers_per_mille = w->sleepers_permille,
        .device_bytes = s->rekey.least,
        .degree = w->degree,
    };
    struct mu_scheme_choice choice = {.kind = MU_SCHEME_UNICAST};

    s->rekey.next.kind = w->kind;
    if (w->kind != MU_SCHEME_NONE)
        return;
    /* Nobody knows yet what the devices have: what ours have. */
    if (f.device_bytes == 0)
        f.device_bytes = MU_STATE_MEMORY;
    if (f.members == 0 || mu_scheme_choose(&f, &choice) != 0)
        choice.kind = MU_SCHEME_UNICAST;
    s->rekey.next.kind = (uint8_t)choice.kind;
    s->rekey.next.reason = (uint8_t)choice.reason;
}

/* Places for newcomers, as many as memory here and in the devices allows. */
static bool build_shape(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_scheme_record *n = &r->next;
    uint64_t spare = (uint64_t)r->members + SPARE_LEAST;

    n->members = r->members;
    n->reserve = 0;
    n->clusters = n->kind == MU_SCHEME_CLUSTER ? n->wish.clusters : 0;
    n->levels = n->kind == MU_SCHEME_LADDER ? n->wish.levels : 0;
    n->degree = 0;
    if (n->kind == MU_SCHEME_LKH)
        n->degree = n->wish.degree != 0 ? n->wish.degree : DEGREE_DEFAULT;
    if (n->wish.members_max > r->members)
        spare = n->wish.members_max - r->members;
    for (;; spare /= 2) {
        struct mu_scheme_conf conf;
        size_t mem;

        n->slots_max = r->members + (uint32_t)spare;
        if (r->members + spare > MU_SCHEME_POSITIONS_MAX && spare > 0)
            continue;
        conf = mu_srv_trees_conf(s, r->group, n);
        mem = mu_scheme_mem(&conf);
        n->mem_len = (uint32_t)mem;
        if (mem != 0 && mem <= s->conf.scheme_mem &&
            (spare == 0 || r->least == 0 ||
             mu_member_state_max(&conf) <= r->least))
            return true;
        if (spare == 0)
            return false;
    }
}

static int build_trees(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_scheme_conf conf = mu_srv_trees_conf(s, r->group, &r->next);
    struct mu_record_key k = mu_record_key_scheme(r->group);
    uint8_t fresh[32];
    int rc = c->random(c->ctx, fresh, sizeof fresh);

    /* New trees have nothing to do with those before. */
    if (rc == 0)
        rc = mu_secret_set(&conf.master, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = mu_seal_create(c, s->conf.master, MU_TABLE_SCHEME,
                            mu_record_key_view(&k), &conf.master,
                            &r->next.master);
    if (rc == 0)
        rc = mu_scheme_build(&s->trees.scheme, &conf, r->base, s->trees.mem,
                             s->conf.scheme_mem);
    mu_secret_clear(&conf.master);
    return rc;
}

static int step_build(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    int rc;

    build_kind(s);
    r->next.mem_len = 0;
    r->next.master.len = 0;
    r->next.saved_len = 0;
    r->step = MU_REKEY_BEGIN;
    if (r->next.kind == MU_SCHEME_UNICAST)
        return 0;
    if (r->members == 0 || !build_shape(s)) {
        /* The key changes all the same; each member fetches it. */
        mu_srv_trace(s, "trees-too-large", r->group, r->members);
        r->next.kind = MU_SCHEME_UNICAST;
        r->next.mem_len = 0;
        return 0;
    }
    rc = build_trees(s);
    if (rc != 0) {
        r->step = MU_REKEY_BUILD;
        return rc;
    }
    r->built = true;
    if (r->next.kind == MU_SCHEME_CLUSTER || r->next.kind == MU_SCHEME_LADDER) {
        rekey_walk(s);
        r->step = MU_REKEY_PLACE;
    }
    return 0;
}

static int place_each(struct mu_server *s, struct walked *w)
{
    if (w->m.base != s->rekey.base || w->m.where == MU_WHERE_ANY)
        return 0;
    return mu_scheme_place(&s->trees.scheme, w->m.slot, w->m.where);
}

static int step_place(struct mu_server *s)
{
    int rc = walk_step(s, place_each);

    if (rc == 0 && s->rekey.listed)
        s->rekey.step = MU_REKEY_BEGIN;
    return rc;
}

/* ---- changes in the trees there are ----------------------------------------- */

static int apply_join(struct mu_server *s, const struct mu_op_record *o)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_bytes identity = mu_bytes(o->identity, o->identity_len);
    struct mu_member_record m;
    uint32_t where = 0, slot;
    int rc = mu_srv_member_get(s, r->group, identity, &m);

    if (rc != 0)
        return rc;
    /* Removed, or here once more: that is another change. */
    if (m.left || m.op != r->op)
        return 0;
    if (r->next.kind == MU_SCHEME_CLUSTER)
        where = o->where != MU_WHERE_ANY
                    ? o->where
                    : (uint32_t)(r->op % r->next.clusters);
    else if (r->next.kind == MU_SCHEME_LADDER)
        where = o->where != MU_WHERE_ANY ? o->where : 1;
    rc = mu_scheme_join(&s->trees.scheme, where, &slot);
    if (rc != 0)
        return rc;
    m.base = r->base;
    m.slot = slot;
    mu_srv_member_put(s, r->group, identity, &m);
    return 0;
}

static int apply_op(struct mu_server *s)
{
    struct mu_record_key k = mu_record_key_op(s->rekey.group, s->rekey.op);
    struct mu_op_record o;
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_op_record_read(value, &o);
    if (rc == MU_ERR_NOT_FOUND)
        return 0; /* taken back */
    if (rc == 0 && o.join)
        return apply_join(s, &o);
    if (rc != 0)
        return rc;
    rc = mu_scheme_leave(&s->trees.scheme, o.slot);
    if (rc != MU_ERR_NOT_FOUND)
        return rc;
    mu_srv_trace(s, "left-twice", s->rekey.group, o.slot);
    return 0;
}

static int step_apply(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;

    for (unsigned n = 0; n < OPS_A_STEP && mu_srv_stores_room(s); n++) {
        int rc;

        if (r->op == r->op_end) {
            r->step = MU_REKEY_BEGIN;
            return 0;
        }
        rc = apply_op(s);
        /* No room, or a record that nobody can read: the members' own
         * records say the same. */
        if (rc == MU_ERR_FULL || rc == MU_ERR_CORRUPT)
            return rekey_rebuild(s);
        if (rc != 0)
            return rc;
        r->op++;
    }
    return 0;
}

/* ---- the generation -------------------------------------------------------- */

/* A key that each member fetches by itself. */
static int begin_plain(struct mu_server *s)
{
    const struct mu_crypto *c = s->conf.crypto;
    uint8_t fresh[32];
    int rc = c->random(c->ctx, fresh, sizeof fresh);

    if (rc == 0)
        rc = mu_secret_set(&s->rekey.kb, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        s->rekey.step = MU_REKEY_FLIP;
    return rc;
}

static int step_begin(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_scheme *trees = &s->trees.scheme;
    struct mu_writer w = mu_writer(r->next.saved, sizeof r->next.saved);
    int rc = mu_srv_generation_take(s, &r->generation);

    if (rc != 0)
        return rc;
    r->c->rec.session = mu_srv_session_pick(s);
    r->next.base = r->base;
    r->next.generation = r->generation;
    if (r->build && !r->built)
        return begin_plain(s);
    rc = mu_scheme_begin(trees, r->generation, MU_INLINE_CONTENT_MAX,
                         &r->parts);
    /* Full, too much to say, or another epoch by now: with new trees. */
    if (rc == MU_ERR_FULL || rc == MU_ERR_TOO_LARGE || rc == MU_ERR_USAGE ||
        rc == MU_ERR_ROLLBACK)
        return rekey_rebuild(s);
    if (rc == 0)
        rc = mu_scheme_save(trees, &w);
    if (rc != 0)
        return rc;
    r->next.saved_len = (uint8_t)w.len;
    r->kb = trees->key;
    mu_secret_clear(&trees->key); /* nobody is told by messages that need it */
    if (r->build) {
        mu_rekey_clear(&r->parts);
        r->step = MU_REKEY_SAVE;
        return 0;
    }
    r->entered = r->next.op_first;
    r->step = MU_REKEY_ENTER;
    return 0;
}

static int enter_op(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_record_key k = mu_record_key_op(r->group, r->entered);
    struct mu_places_record p;
    struct mu_member_record m;
    struct mu_device_record d;
    struct mu_op_record o;
    struct mu_bytes value, identity;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_op_record_read(value, &o);
    if (rc != 0 || !o.join)
        return rc;
    identity = mu_bytes(o.identity, o.identity_len);
    rc = mu_srv_member_get(s, r->group, identity, &m);
    if (rc == 0)
        rc = mu_srv_device_get(s, identity, &d);
    if (rc != 0 || m.base != r->base || m.op != r->entered)
        return rc;
    rc = mu_srv_places_get(s, r->group, r->base, m.slot / MU_ROSTER_CHUNK, &p);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    p.at[m.slot % MU_ROSTER_CHUNK] =
        (struct mu_place){.gateway = (uint16_t)d.gateway,
                          .index = d.index,
                          .since = (uint32_t)r->generation};
    mu_srv_places_put(s, r->group, r->base, m.slot / MU_ROSTER_CHUNK, &p);
    return 0;
}

static int step_enter(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;

    for (unsigned n = 0; n < OPS_A_STEP && mu_srv_stores_room(s); n++) {
        int rc;

        if (r->entered == r->op_end) {
            r->step = MU_REKEY_TARGETS;
            return 0;
        }
        rc = enter_op(s);
        /* Taken back; or nobody can tell, and tracing does without. */
        if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
            return rc;
        r->entered++;
    }
    return 0;
}

/* Whom no part is for: the clusters and levels that have changed. */
static int target_tell(struct mu_server *s, uint32_t slot)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_places_record p;
    const struct mu_place *place = &p.at[slot % MU_ROSTER_CHUNK];
    struct mu_target_record t;
    uint8_t *state;
    int rc = mu_srv_places_get(s, r->group, r->base, slot / MU_ROSTER_CHUNK,
                               &p);

    if (rc == MU_ERR_NOT_FOUND || (rc == 0 && place->gateway == 0))
        return MU_ERR_CORRUPT;
    if (rc != 0)
        return rc;
    rc = mu_srv_target_get(s, &r->c->rec, place->gateway, place->index, &t);
    if (rc == MU_ERR_NOT_FOUND)
        return 0;
    if (rc != 0)
        return rc;
    state = &t.state[place->index % MU_TARGETS];
    if ((*state & (MU_TARGET_MEMBER | MU_TARGET_TOLD)) != MU_TARGET_MEMBER)
        return 0;
    *state |= MU_TARGET_TOLD;
    if (r->heard > 0)
        r->heard--;
    mu_bit_put(r->c->fetched, place->gateway - 1u, true);
    mu_srv_target_put(s, r->c->rec.id, place->gateway, place->index, &t);
    return 0;
}

static int step_targets(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    uint32_t slot;

    for (unsigned n = 0; n < MEMBERS_A_STEP; n++) {
        int rc;

        if (!mu_srv_stores_room(s))
            return 0;
        if (!mu_rekey_personal(&s->trees.scheme, &r->parts, &slot)) {
            r->c->rec.parts = r->heard != 0 && r->parts.parts <= PARTS_MAX
                                  ? (uint16_t)r->parts.parts
                                  : 0;
            r->step = MU_REKEY_PARTS;
            return 0;
        }
        rc = target_tell(s, slot);
        if (rc == MU_ERR_CORRUPT)
            return rekey_rebuild(s);
        if (rc != 0) {
            r->parts.slot = slot; /* it is looked at again */
            return rc;
        }
    }
    return 0;
}

static int part_put(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    uint8_t content[MU_INLINE_CONTENT_MAX], object[MU_ANNOUNCE_MAX];
    struct mu_writer body = mu_writer(content, sizeof content);
    struct mu_writer w = mu_writer(object, sizeof object);
    struct mu_inline m = {
        .group = r->group,
        .session = r->c->rec.session,
        .epoch = s->epoch,
        .part = (uint16_t)r->parts.part,
        .parts = r->c->rec.parts,
        .content_kind = MU_CONTENT_REKEY,
    };
    struct mu_record_key k = mu_record_key_part(r->c->rec.id, m.part);
    int rc = mu_rekey_part(&s->trees.scheme, &r->parts, &body);

    mu_copy(m.campaign, r->c->rec.id, sizeof m.campaign);
    m.content = mu_written(&body);
    if (rc == 0)
        rc = mu_inline_create(s->conf.crypto, &s->signer, &m, &w);
    if (rc == 0)
        (void)mu_srv_put_lazy(s, MU_TABLE_SEEN, &k, &w);
    return rc;
}

static int step_parts(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    int rc;

    for (unsigned n = 0; n < PARTS_A_STEP && mu_srv_stores_room(s); n++) {
        if (r->parts.part >= r->c->rec.parts) {
            mu_rekey_clear(&r->parts);
            r->step = MU_REKEY_SAVE;
            return 0;
        }
        rc = part_put(s);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int step_save(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, r->group, &sc);

    if (rc != 0)
        return rc;
    r->next.copy = (uint8_t)(sc.copy ^ 1);
    if (mu_srv_trees_save(s, r->group, r->next.copy, r->generation,
                          &r->chunk))
        r->step = MU_REKEY_FLIP;
    return 0;
}

/* ---- one step -------------------------------------------------------------- */

/* Found at the start: the group begins it again, if it still wants a key. */
static int step_orphan(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;
    int rc = mu_srv_group_get(s, c->rec.group, &g);

    if (rc == 0 && mu_srv_group_wish(s, &g) != MU_GROUP_KEEP) {
        if (!s->groups_due)
            mu_srv_groups_mark(s, true);
        return MU_ERR_BUSY;
    }
    if (rc == 0 || rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
        mu_srv_campaign_finish(c);
    return rc == MU_ERR_IO ? rc : 0;
}

int mu_srv_rekey_step(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    if (mu_srv_room(s) != 0)
        return MU_ERR_BUSY;
    if (s->rekey.c != c)
        return step_orphan(c);
    switch (s->rekey.step) {
    case MU_REKEY_CLEAR:
        return step_clear(s);
    case MU_REKEY_OPEN:
        return step_open(s);
    case MU_REKEY_HEAL:
        return step_heal(s);
    case MU_REKEY_NUMBER:
        return step_number(s);
    case MU_REKEY_BUILD:
        return step_build(s);
    case MU_REKEY_PLACE:
        return step_place(s);
    case MU_REKEY_APPLY:
        return step_apply(s);
    case MU_REKEY_BEGIN:
        return step_begin(s);
    case MU_REKEY_ENTER:
        return step_enter(s);
    case MU_REKEY_TARGETS:
        return step_targets(s);
    case MU_REKEY_PARTS:
        return step_parts(s);
    case MU_REKEY_SAVE:
        return step_save(s);
    case MU_REKEY_FLIP:
    case MU_REKEY_SWEEP:
        break;
    }
    return mu_srv_rekey_flip(s);
}
