/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of groups whose key changes by a scheme: their records, the
 * changes of members that the next rekey covers, and the states of members.
 * docs/key-schemes.md, "In the programs".
 *
 * The members' records are the truth; trees can be made from them at any time.
 * A change is a record of its own until a rekey has covered it, so adding or
 * removing a member costs a few small writes whatever the size of the group.
 * Two copies of the trees take turns: a rekey writes the one that is not in
 * force, and the scheme's record then names it.
 */
#include "muster/keyfetch.h"
#include "node/server_core.h"

#define STATE_GENERATION_AT 6 /* of a state: type 1, kind 1, scope 4 before */
#define DEADLINE_DEFAULT 60 /* s, for a dormant key */
#define CHUNK_VERSION 1
#define CHUNK_HEAD 9 /* bytes: version, generation */

_Static_assert(CHUNK_HEAD + MU_CHUNK_MAX <= MU_STORE_VALUE_MAX,
               "a chunk is a record");

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
        /* Above every number that was given. */
        .op_next = (uint64_t)s->epoch << 32 | s->generations.next,
    };
    sc->op_first = sc->op_next;
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
                       struct mu_bytes identity, uint16_t where)
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
                        struct mu_bytes identity)
{
    const bool build = mu_srv_rekey_makes(s, group) && s->rekey.build;
    struct mu_member_record m;
    struct mu_scheme_record sc;
    int rc = mu_srv_scheme_get(s, group, &sc);

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

/* ---- trees ----------------------------------------------------------------- */

struct mu_scheme_conf mu_srv_trees_conf(const struct mu_server *s,
                                        uint32_t group,
                                        const struct mu_scheme_record *sc)
{
    return (struct mu_scheme_conf){
        .crypto = s->conf.crypto,
        .kind = (enum mu_scheme_kind)sc->kind,
        .key_kind = MU_KEY_KB,
        .scope = group,
        .members = sc->members,
        .slots_max = sc->slots_max,
        .reserve = sc->reserve,
        .clusters = sc->clusters,
        .degree = sc->degree,
        .levels = sc->levels,
    };
}

void mu_srv_trees_drop(struct mu_server *s)
{
    mu_scheme_clear(&s->trees.scheme);
    s->trees.group = 0;
}

static int chunk_read(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc, uint32_t chunk)
{
    struct mu_record_key k = mu_record_key_chunk(group, sc->copy, chunk);
    const size_t at = (size_t)chunk * MU_CHUNK_MAX;
    const size_t left = sc->mem_len - at;
    const size_t len = left < MU_CHUNK_MAX ? left : MU_CHUNK_MAX;
    struct mu_bytes value;
    struct mu_reader r;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? MU_ERR_CORRUPT : rc;
    r = mu_reader(value);
    if (mu_read_u8(&r) != CHUNK_VERSION || mu_read_u64(&r) != sc->generation)
        return MU_ERR_CORRUPT;
    mu_read_copy(&r, s->trees.mem + at, len);
    return mu_reader_end(&r) == 0 ? 0 : MU_ERR_CORRUPT;
}

int mu_srv_trees_load(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc)
{
    struct mu_scheme_conf conf = mu_srv_trees_conf(s, group, sc);
    struct mu_record_key k = mu_record_key_scheme(group);
    struct mu_reader saved = mu_reader(mu_bytes(sc->saved, sc->saved_len));
    int rc = 0;

    mu_srv_trees_drop(s);
    if (sc->mem_len > s->conf.scheme_mem ||
        sc->mem_len != mu_scheme_mem(&conf))
        return MU_ERR_CORRUPT;
    for (uint32_t i = 0; rc == 0 && (size_t)i * MU_CHUNK_MAX < sc->mem_len;
         i++)
        rc = chunk_read(s, group, sc, i);
    if (rc == 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_SCHEME,
                             mu_record_key_view(&k), &sc->master,
                             &conf.master);
    if (rc == 0)
        rc = mu_scheme_load(&s->trees.scheme, &conf, &saved, s->trees.mem,
                            s->conf.scheme_mem);
    mu_secret_clear(&conf.master);
    if (rc == 0 && (s->trees.scheme.generation != sc->generation ||
                    s->trees.scheme.base != sc->base))
        rc = MU_ERR_CORRUPT;
    if (rc == 0)
        s->trees.group = group;
    else
        mu_srv_trees_drop(s);
    return rc;
}

int mu_srv_trees_use(struct mu_server *s, uint32_t group,
                     const struct mu_scheme_record *sc)
{
    if (s->rekey.c != NULL && s->rekey.step > MU_REKEY_OPEN &&
        s->rekey.step <= MU_REKEY_FLIP)
        return MU_ERR_BUSY;
    if (s->trees.group == group && s->trees.scheme.base == sc->base &&
        s->trees.scheme.generation == sc->generation)
        return 0;
    return mu_srv_trees_load(s, group, sc);
}

bool mu_srv_trees_save(struct mu_server *s, uint32_t group, uint8_t copy,
                       uint64_t generation, uint32_t *chunk)
{
    const struct mu_bytes mem = s->trees.scheme.mem;

    for (; (size_t)*chunk * MU_CHUNK_MAX < mem.len; ++*chunk) {
        struct mu_record_key k = mu_record_key_chunk(group, copy, *chunk);
        const size_t at = (size_t)*chunk * MU_CHUNK_MAX;
        const size_t left = mem.len - at;
        struct mu_writer w = mu_srv_writer(s);

        if (!mu_srv_stores_room(s))
            return false;
        mu_write_u8(&w, CHUNK_VERSION);
        mu_write_u64(&w, generation);
        mu_write_bytes(&w, mu_bytes(mem.data + at, left < MU_CHUNK_MAX
                                                       ? left
                                                       : MU_CHUNK_MAX));
        (void)mu_srv_put_lazy(s, MU_TABLE_SCHEME, &k, &w);
    }
    return true;
}

int mu_srv_state_issue(struct mu_server *s, uint32_t slot,
                       struct mu_bytes *state)
{
    struct mu_server_trees *t = &s->trees;
    struct mu_writer w = mu_writer(t->state, MU_MEMBER_STATE_MAX);
    struct mu_writer generation;
    int rc = mu_scheme_issue(&t->scheme, slot, &w);

    if (rc != 0) {
        mu_srv_state_wipe(s);
        return rc;
    }
    /* It comes together with the key of this generation, so there is no
     * message of it left to open. */
    generation = mu_writer(t->state + STATE_GENERATION_AT, 8);
    mu_write_u64(&generation, t->scheme.generation);
    *state = mu_written(&w);
    return 0;
}

void mu_srv_state_wipe(struct mu_server *s)
{
    mu_wipe(s->trees.state, MU_MEMBER_STATE_MAX);
}
