/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose keys are in a clone: in the trees of now, and in those of before, as
 * far as they are kept (docs/key-schemes.md, "Traitor tracing"). Of trees of
 * the past there is a record with their master secret, sealed, and their shape;
 * and who had which place, 8 bytes each.
 */
#include "node/server_core.h"

#define PLACES_A_STEP 64
#define PAST_MAX (UINT8_MAX + 2) /* trees: kept ones, the present, one too many */

/* ---- what is kept ----------------------------------------------------------- */

int mu_srv_trace_keep(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc)
{
    struct mu_record_key k = mu_record_key_trees(group, sc->base);
    struct mu_scheme_record past = *sc;
    uint8_t room[sizeof past + 64];
    struct mu_writer w = mu_writer(room, sizeof room);
    int rc = mu_seal_create(s->conf.crypto, s->conf.master, MU_TABLE_SCHEME,
                            mu_record_key_view(&k),
                            &s->trees.scheme.conf.master, &past.master);

    if (rc != 0)
        return rc;
    mu_scheme_record_write(&w, &past);
    (void)mu_srv_put_written(s, MU_TABLE_SCHEME, &k, &w);
    return 0;
}

/* The next of a group's records of one kind with a base; *base of it. */
static int kept_next(struct mu_server *s, uint32_t group, char kind,
                     struct mu_record_key *k, uint64_t *base)
{
    struct mu_bytes value;
    struct mu_reader r;
    int rc = mu_srv_next(s, MU_TABLE_SCHEME, k, &value);

    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    r = mu_reader(mu_record_key_view(k));
    if (mu_read_u32(&r) != group || mu_read_u8(&r) != (uint8_t)kind)
        return MU_ERR_NOT_FOUND;
    *base = mu_read_u64(&r);
    return 0;
}

/* The bases of the trees that are kept, oldest first. */
static int kept_bases(struct mu_server *s, uint32_t group,
                      uint64_t bases[PAST_MAX], unsigned *len)
{
    struct mu_record_key k = mu_record_key_trees(group, 0);
    int rc = 0;

    *len = 0;
    while (*len < PAST_MAX &&
           (rc = kept_next(s, group, 'e', &k, &bases[*len])) == 0)
        ++*len;
    return rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

static bool kept_is(const uint64_t *bases, unsigned len, uint64_t base)
{
    for (unsigned i = 0; i < len; i++)
        if (bases[i] == base)
            return true;
    return false;
}

int mu_srv_trace_sweep(struct mu_server *s, uint32_t group,
                       struct mu_record_key *after, bool *all)
{
    const unsigned most = s->conf.trace_generations + 1u;
    uint64_t bases[PAST_MAX], base;
    unsigned len, first = 0;
    int rc;

    *all = false;
    if (!mu_srv_taken(s))
        return 0;
    rc = kept_bases(s, group, bases, &len);
    for (; rc == 0 && len - first > most; first++) {
        struct mu_record_key k = mu_record_key_trees(group, bases[first]);
        mu_srv_delete(s, MU_TABLE_SCHEME, &k);
    }
    for (unsigned n = 0; rc == 0 && n < PLACES_A_STEP; n++) {
        rc = kept_next(s, group, 'p', after, &base);
        if (rc == 0 && kept_is(bases + first, len - first, base))
            *after = mu_record_key_places(group, base, UINT32_MAX);
        else if (rc == 0)
            mu_srv_delete(s, MU_TABLE_SCHEME, after);
    }
    if (rc != MU_ERR_NOT_FOUND)
        return rc;
    *all = true;
    return 0;
}

/* ---- looking ---------------------------------------------------------------- */

struct search {
    struct mu_server *s;
    uint32_t group;
    struct mu_bytes dump;
    struct mu_server_hit *hits;
    size_t hits_max, hits_len;
    uint64_t present; /* base */
    unsigned trees;   /* that were looked at */
};

static bool traceable(uint8_t kind)
{
    return kind == MU_SCHEME_SD || kind == MU_SCHEME_CS ||
           kind == MU_SCHEME_LKH;
}

static int hit_add(struct search *f, uint64_t base, uint64_t until,
                   uint32_t slot, uint32_t count)
{
    if (f->hits_len == f->hits_max)
        return MU_ERR_FULL;
    f->hits[f->hits_len++] = (struct mu_server_hit){
        .slot = slot,
        .count = count,
        .base = base,
        .until = until,
        .present = base == f->present,
    };
    return 0;
}

/* LKH: leaf by leaf, as they were given out. */
static int search_leaves(struct search *f, const struct mu_scheme *t,
                         uint64_t until)
{
    struct mu_trace_sieve sieve;
    struct mu_places_record p;
    int rc = 0;

    if (f->dump.len > MU_TRACE_LEAVES_MAX)
        return MU_ERR_TOO_LARGE;
    mu_trace_sieve_make(&sieve, f->dump);
    for (uint32_t chunk = 0; rc == 0; chunk++) {
        rc = mu_srv_places_get(f->s, f->group, t->base, chunk, &p);
        if (rc == MU_ERR_CORRUPT) {
            rc = 0; /* nobody knows whose they were */
            continue;
        }
        for (unsigned i = 0; rc == 0 && i < MU_ROSTER_CHUNK; i++) {
            const uint32_t slot = chunk * MU_ROSTER_CHUNK + i;
            bool shown = false;

            if (p.at[i].gateway != 0)
                rc = mu_scheme_trace_leaf(t, slot, p.at[i].since, &sieve,
                                          f->dump, &shown);
            if (rc == 0 && shown)
                rc = hit_add(f, t->base, until, slot, 1);
        }
    }
    return rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

static int search_trees(struct search *f, const struct mu_scheme *t,
                        uint64_t until)
{
    struct mu_trace_hit hits[32];
    const size_t most = sizeof hits / sizeof hits[0];
    size_t len, room = f->hits_max - f->hits_len;
    int rc = mu_scheme_trace(t, f->dump, hits, room < most ? room : most,
                             &len);

    f->trees++;
    for (size_t i = 0; i < len; i++)
        if (hit_add(f, t->base, until, hits[i].slot, hits[i].count) != 0)
            return MU_ERR_FULL;
    if (rc == 0 && len == 0 && t->conf.kind == MU_SCHEME_LKH)
        rc = search_leaves(f, t, until);
    return rc;
}

/* Trees of the past; damaged ones are passed over. */
static int search_past(struct search *f, uint64_t base, uint64_t until)
{
    struct mu_server *s = f->s;
    struct mu_record_key k = mu_record_key_trees(f->group, base);
    struct mu_scheme_record past;
    struct mu_scheme_conf conf;
    struct mu_scheme ghost;
    struct mu_reader saved;
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_scheme_record_read(value, &past);
    if (rc == 0 && !traceable(past.kind))
        return 0;
    if (rc == 0) {
        conf = mu_srv_trees_conf(s, f->group, &past);
        saved = mu_reader(mu_bytes(past.saved, past.saved_len));
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_SCHEME,
                             mu_record_key_view(&k), &past.master,
                             &conf.master);
        if (rc == 0)
            rc = mu_scheme_ghost(&ghost, &conf, &saved);
        mu_secret_clear(&conf.master);
    }
    if (rc == 0) {
        rc = search_trees(f, &ghost, until);
        mu_scheme_clear(&ghost);
    }
    if (rc == MU_ERR_CORRUPT)
        mu_srv_trace(s, "trees-damaged", f->group, base);
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

static int search_present(struct search *f, const struct mu_scheme_record *sc)
{
    int rc;

    if (sc->base == 0 || !traceable(sc->kind))
        return 0;
    rc = mu_srv_trees_use(f->s, f->group, sc);
    return rc == 0 ? search_trees(f, &f->s->trees.scheme, 0) : rc;
}

int mu_server_group_trace(struct mu_server *s, struct mu_bytes name,
                          struct mu_bytes dump, struct mu_server_hit *hits,
                          size_t hits_max, size_t *hits_len)
{
    struct search f = {
        .s = s, .dump = dump, .hits = hits, .hits_max = hits_max};
    uint64_t bases[PAST_MAX];
    struct mu_scheme_record sc;
    struct mu_group_record g;
    unsigned len = 0;
    int rc = mu_srv_group_find(s, name, &f.group, &g);

    *hits_len = 0;
    if (rc == 0 && !mu_srv_group_schemed(&g))
        rc = MU_ERR_UNSUPPORTED;
    if (rc == 0)
        rc = mu_srv_scheme_get(s, f.group, &sc);
    f.present = rc == 0 ? sc.base : 0;
    if (rc == 0)
        rc = search_present(&f, &sc);
    if (rc == 0)
        rc = kept_bases(s, f.group, bases, &len);
    for (unsigned i = len; rc == 0 && i-- > 0;)
        if (bases[i] != sc.base)
            rc = search_past(&f, bases[i],
                             i + 1 < len ? bases[i + 1] : sc.base);
    *hits_len = f.hits_len;
    return rc == 0 && f.trees == 0 ? MU_ERR_UNSUPPORTED : rc;
}

/* ---- names ------------------------------------------------------------------ */

static int place_name(struct mu_server *s, uint32_t group,
                      const struct mu_place *place,
                      char identity[MU_ID_MAX + 1], bool *left)
{
    struct mu_member_record m = {.left = true};
    struct mu_area_record a;
    int rc = mu_srv_area_get(s, place->gateway, place->index, &a);

    if (rc != 0)
        return rc;
    rc = mu_srv_member_get(s, group, mu_bytes(a.identity, a.identity_len), &m);
    if (rc == MU_ERR_IO)
        return rc;
    mu_copy(identity, a.identity, a.identity_len);
    identity[a.identity_len] = '\0';
    *left = rc != 0 || m.left;
    return 0;
}

int mu_srv_place_name(struct mu_server *s, uint32_t group, uint64_t base,
                      uint32_t slot, char identity[MU_ID_MAX + 1], bool *left)
{
    struct mu_places_record p;
    int rc = mu_srv_places_get(s, group, base, slot / MU_ROSTER_CHUNK, &p);

    if (rc == 0 && p.at[slot % MU_ROSTER_CHUNK].gateway == 0)
        rc = MU_ERR_NOT_FOUND;
    return rc == 0 ? place_name(s, group, &p.at[slot % MU_ROSTER_CHUNK],
                                identity, left)
                   : rc;
}

int mu_server_trace_next(struct mu_server *s, struct mu_bytes name,
                         const struct mu_server_hit *hit, uint32_t *at,
                         char identity[MU_ID_MAX + 1], bool *left)
{
    struct mu_places_record p;
    struct mu_group_record g;
    uint32_t group;
    bool read = false;
    int rc = mu_srv_group_find(s, name, &group, &g);

    while (rc == 0 && *at < hit->count) {
        const uint32_t slot = hit->slot + (*at)++;
        const struct mu_place *place = &p.at[slot % MU_ROSTER_CHUNK];

        if (!read || slot % MU_ROSTER_CHUNK == 0)
            rc = mu_srv_places_get(s, group, hit->base,
                                   slot / MU_ROSTER_CHUNK, &p);
        read = true;
        if (rc == MU_ERR_CORRUPT)
            rc = 0; /* p is empty then */
        if (rc != 0 || place->gateway == 0)
            continue;
        rc = place_name(s, group, place, identity, left);
        if (rc == 0)
            return 0;
        if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
            rc = 0;
    }
    return rc != 0 ? rc : MU_ERR_NOT_FOUND;
}
