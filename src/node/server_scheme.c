/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups whose key changes by a scheme: their records, and the changes of
 * members that the next rekey covers. docs/key-schemes.md, "In the programs".
 *
 * The members' records are the truth; trees can be made from them at any time.
 * A change is a record of its own until a rekey has covered it, so adding or
 * removing a member costs a few small writes whatever the size of the group.
 */
#include "node/server_core.h"

#define DEADLINE_DEFAULT 60 /* s, for a dormant key */

/* ---- records --------------------------------------------------------------- */

int mu_srv_member_get(struct mu_server *s, uint32_t group,
                      struct mu_bytes identity, struct mu_member_record *m)
{
    struct mu_record_key k = mu_record_key_member(group, identity);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_MEMBER, &k, &value);

    return rc == 0 ? mu_member_record_read(value, m) : rc;
}

void mu_srv_member_put(struct mu_server *s, uint32_t group,
                       struct mu_bytes identity,
                       const struct mu_member_record *m)
{
    struct mu_record_key k = mu_record_key_member(group, identity);
    uint8_t room[32];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_member_record_write(&w, m);
    (void)mu_srv_put_written(s, MU_TABLE_MEMBER, &k, &w);
}

/* In place of a record that is damaged: its trees are lost, and the shape that
 * was asked for; not the group. */
static int scheme_again(struct mu_server *s, uint32_t group,
                        struct mu_scheme_record *sc)
{
    struct mu_group_record g;
    int rc = mu_srv_group_get(s, group, &g);

    if (rc != 0 || !mu_srv_group_schemed(&g))
        return rc != 0 ? rc : MU_ERR_NOT_FOUND;
    *sc = (struct mu_scheme_record){
        .wish = {.kind = g.scheme,
                 .key_quorum_permille = 1000,
                 .key_deadline_s = DEADLINE_DEFAULT},
        .rebuild = true,
        .heal = true,
        /* Above every number that was given. */
        .op_next = (uint64_t)s->epoch << 32 | s->generations.next,
    };
    sc->op_first = sc->op_next;
    sc->roster = sc->op_next;
    if (g.scheme == MU_SCHEME_CLUSTER || g.scheme == MU_SCHEME_LADDER)
        sc->wish.kind = MU_SCHEME_NONE;
    mu_srv_trace(s, "scheme-damaged", group, 0);
    return 0;
}

int mu_srv_scheme_get(struct mu_server *s, uint32_t group,
                      struct mu_scheme_record *sc)
{
    struct mu_record_key k = mu_record_key_scheme(group);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_scheme_record_read(value, sc);
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND
               ? scheme_again(s, group, sc)
               : rc;
}

void mu_srv_scheme_put(struct mu_server *s, uint32_t group,
                       const struct mu_scheme_record *sc)
{
    struct mu_record_key k = mu_record_key_scheme(group);
    uint8_t room[sizeof *sc + 64];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_scheme_record_write(&w, sc);
    (void)mu_srv_put_written(s, MU_TABLE_SCHEME, &k, &w);
}

static void op_put(struct mu_server *s, uint32_t group, uint64_t op,
                   const struct mu_op_record *o)
{
    struct mu_record_key k = mu_record_key_op(group, op);
    uint8_t room[MU_ID_MAX + 16];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_op_record_write(&w, o);
    (void)mu_srv_put_written(s, MU_TABLE_SCHEME, &k, &w);
}

/* ---- members --------------------------------------------------------------- */

int mu_srv_scheme_check(const struct mu_group_scheme *w)
{
    switch ((enum mu_scheme_kind)w->kind) {
    case MU_SCHEME_CLUSTER:
        if (w->clusters < 1 || w->clusters > MU_CLUSTERS_MAX)
            return MU_ERR_USAGE;
        break;
    case MU_SCHEME_LADDER:
        if (w->levels < 1 || w->levels > MU_LADDER_LEVELS_MAX)
            return MU_ERR_USAGE;
        break;
    case MU_SCHEME_NONE:
    case MU_SCHEME_UNICAST:
    case MU_SCHEME_LKH:
    case MU_SCHEME_CS:
    case MU_SCHEME_SD:
        break;
    case MU_SCHEME_COUNT:
    default:
        return MU_ERR_USAGE;
    }
    if (w->degree == 1 || w->degree > MU_LKH_DEGREE_MAX ||
        w->members_max > MU_SCHEME_POSITIONS_MAX ||
        w->key_quorum_permille > 1000 || w->sleepers_permille > 1000)
        return MU_ERR_USAGE;
    return 0;
}

static bool where_ok(const struct mu_group_scheme *w, uint16_t where)
{
    if (where == MU_WHERE_ANY)
        return true;
    if (w->kind == MU_SCHEME_CLUSTER)
        return where < w->clusters;
    return w->kind == MU_SCHEME_LADDER && where >= 1 && where <= w->levels;
}

int mu_srv_scheme_join(struct mu_server *s, uint32_t group,
                       const struct mu_group_record *g,
                       struct mu_bytes identity,
                       const struct mu_device_record *d, uint16_t where)
{
    struct mu_op_record o = {.join = true,
                             .where = where,
                             .identity_len = (uint8_t)identity.len};
    struct mu_member_record m = {.where = where, .slot = UINT32_MAX};
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, group, &sc);

    if (rc != 0)
        return rc;
    if (!where_ok(&sc.wish, where))
        return MU_ERR_USAGE;
    if (sc.wish.members_max != 0 && g->members >= sc.wish.members_max)
        return MU_ERR_FULL;
    rc = mu_srv_roster_put(s, group, &sc, d->gateway, d->index, true);
    if (rc != 0)
        return rc;
    m.op = sc.op_next++;
    mu_copy(o.identity, identity.data, identity.len);
    /* New trees are made from the members' records, without this. */
    if ((sc.base != 0 && !sc.rebuild) || mu_srv_rekey_makes(s, group))
        op_put(s, group, m.op, &o);
    mu_srv_member_put(s, group, identity, &m);
    mu_srv_scheme_put(s, group, &sc);
    return 0;
}

/* A member with a place in trees that are in force, or are being made. */
static void leave_op(struct mu_server *s, uint32_t group,
                     struct mu_scheme_record *sc, uint32_t slot)
{
    struct mu_op_record o = {.slot = slot};

    op_put(s, group, sc->op_next++, &o);
    sc->gone++;
}

static void join_undo(struct mu_server *s, uint32_t group, uint64_t op)
{
    struct mu_record_key k = mu_record_key_op(group, op);

    mu_srv_delete(s, MU_TABLE_SCHEME, &k);
    /* Old trees that have it in already are made again without it. */
    if (mu_srv_rekey_makes(s, group) && !s->rekey.build && op < s->rekey.op)
        mu_srv_rekey_again(s);
}

int mu_srv_scheme_leave(struct mu_server *s, uint32_t group,
                        struct mu_bytes identity,
                        const struct mu_device_record *d)
{
    const bool build = mu_srv_rekey_makes(s, group) && s->rekey.build;
    struct mu_member_record m;
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, group, &sc);

    if (rc != 0)
        return rc;
    rc = mu_srv_roster_put(s, group, &sc, d->gateway, d->index, false);
    if (rc != 0)
        return rc;
    rc = mu_srv_member_get(s, group, identity, &m);
    if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT) {
        /* Nobody knows its place: new trees have none for it. */
        m = (struct mu_member_record){.where = MU_WHERE_ANY,
                                      .slot = UINT32_MAX};
        sc.rebuild = true;
        rc = 0;
    } else if (rc != 0) {
        return rc;
    } else if (build && m.op < s->rekey.op_end) {
        /* It has a place in the new trees, or will be passed over. */
        if (m.base == s->rekey.base)
            leave_op(s, group, &sc, m.slot);
    } else if (m.op >= sc.op_first && m.op >= 1) {
        join_undo(s, group, m.op);
    } else if (m.base == sc.base && sc.base != 0) {
        leave_op(s, group, &sc, m.slot);
    } else {
        sc.rebuild = true;
    }
    m.left = true; /* its place stays: tracing names it */
    mu_srv_member_put(s, group, identity, &m);
    mu_srv_scheme_put(s, group, &sc);
    return rc;
}

bool mu_srv_member_placed(const struct mu_scheme_record *sc,
                          const struct mu_member_record *m)
{
    return !m->left && sc->base != 0 && m->base == sc->base &&
           m->op < sc->op_first;
}
