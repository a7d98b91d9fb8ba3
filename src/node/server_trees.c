/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of one group at a time: in memory, in the store, and the states
 * that members get from them.
 *
 * Every chunk of the trees has two records that take turns, and a map says
 * which of them is in force, and of which generation. A rekey writes what has
 * changed into the records that are not, and a new map beside the one that is;
 * the scheme's record then names that. So a departure writes the chunks that it
 * touches, and until the scheme's record is durable nothing has happened. What
 * has changed is found by a copy of the trees as they are in the store.
 */
#include "muster/keyfetch.h"
#include "node/server_core.h"

#define STATE_GENERATION_AT 6 /* of a state: type 1, kind 1, scope 4 before */
#define CHUNK_VERSION 2
#define CHUNK_HEAD 9 /* bytes: version, generation */
#define MAP_COPY 0x80000000u /* of an entry; below: counter of a generation */

_Static_assert(CHUNK_HEAD + MU_CHUNK_MAX <= MU_STORE_VALUE_MAX,
               "a chunk is a record");
_Static_assert(CHUNK_HEAD + 4 * MU_MAP_PAGE <= MU_STORE_VALUE_MAX,
               "a page of the map is a record");

/* As the scheme counts them, generations of one base differ in these bits. */
static uint32_t stamp_of(uint64_t generation)
{
    return (uint32_t)generation & ~MAP_COPY;
}

static size_t chunks_of(size_t mem_len)
{
    return (mem_len + MU_CHUNK_MAX - 1) / MU_CHUNK_MAX;
}

static size_t chunk_len(size_t mem_len, size_t chunk)
{
    const size_t left = mem_len - chunk * MU_CHUNK_MAX;

    return left < MU_CHUNK_MAX ? left : MU_CHUNK_MAX;
}

size_t mu_srv_trees_map_len(const struct mu_server_conf *conf)
{
    return (chunks_of(conf->scheme_mem) + 1) * sizeof(uint32_t);
}

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
    s->trees.fresh = true;
}

/* ---- loading ---------------------------------------------------------------- */

static int map_read(struct mu_server *s, uint32_t group,
                    const struct mu_scheme_record *sc)
{
    const size_t chunks = chunks_of(sc->mem_len);
    uint32_t *map = s->trees.map;

    mu_zero(map, mu_srv_trees_map_len(&s->conf));
    for (size_t page = 0; page * MU_MAP_PAGE < chunks; page++) {
        struct mu_record_key k =
            mu_record_key_map(group, sc->copy, (uint16_t)page);
        struct mu_bytes value;
        struct mu_reader r;
        int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

        if (rc != 0)
            return rc == MU_ERR_NOT_FOUND ? MU_ERR_CORRUPT : rc;
        r = mu_reader(value);
        if (mu_read_u8(&r) != CHUNK_VERSION ||
            mu_read_u64(&r) != sc->generation)
            return MU_ERR_CORRUPT;
        for (size_t i = page * MU_MAP_PAGE;
             i < chunks && i < (page + 1) * MU_MAP_PAGE; i++)
            map[i] = mu_read_u32(&r);
        if (mu_reader_end(&r) != 0)
            return MU_ERR_CORRUPT;
    }
    return 0;
}

static int chunk_read(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc, uint32_t chunk)
{
    const uint32_t entry = s->trees.map[chunk];
    struct mu_record_key k =
        mu_record_key_chunk(group, (entry & MAP_COPY) != 0, chunk);
    struct mu_bytes value;
    struct mu_reader r;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? MU_ERR_CORRUPT : rc;
    r = mu_reader(value);
    if (mu_read_u8(&r) != CHUNK_VERSION ||
        stamp_of(mu_read_u64(&r)) != (entry & ~MAP_COPY))
        return MU_ERR_CORRUPT;
    mu_read_copy(&r, s->trees.mem + (size_t)chunk * MU_CHUNK_MAX,
                 chunk_len(sc->mem_len, chunk));
    return mu_reader_end(&r) == 0 ? 0 : MU_ERR_CORRUPT;
}

static int trees_read(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc)
{
    int rc = map_read(s, group, sc);

    for (uint32_t i = 0; rc == 0 && i < chunks_of(sc->mem_len); i++)
        rc = chunk_read(s, group, sc, i);
    if (rc == 0)
        mu_copy(s->trees.stored, s->trees.mem, sc->mem_len);
    return rc;
}

int mu_srv_trees_load(struct mu_server *s, uint32_t group,
                      const struct mu_scheme_record *sc)
{
    struct mu_scheme_conf conf = mu_srv_trees_conf(s, group, sc);
    struct mu_record_key k = mu_record_key_scheme(group);
    struct mu_reader saved = mu_reader(mu_bytes(sc->saved, sc->saved_len));
    int rc;

    mu_srv_trees_drop(s);
    if (sc->mem_len > s->conf.scheme_mem ||
        sc->mem_len != mu_scheme_mem(&conf))
        return MU_ERR_CORRUPT;
    rc = trees_read(s, group, sc);
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
    if (rc == 0) {
        s->trees.group = group;
        s->trees.fresh = false;
    } else {
        mu_srv_trees_drop(s);
    }
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

int mu_srv_trees_replace(struct mu_server *s, uint32_t group,
                         const struct mu_scheme_record *sc)
{
    int rc = 0;

    mu_srv_trees_drop(s);
    mu_zero(s->trees.map, mu_srv_trees_map_len(&s->conf));
    /* Which records are in force; those of trees that cannot be read are not. */
    if (sc->mem_len != 0 && sc->mem_len <= s->conf.scheme_mem)
        rc = map_read(s, group, sc);
    if (rc == MU_ERR_CORRUPT)
        mu_zero(s->trees.map, mu_srv_trees_map_len(&s->conf));
    return rc == MU_ERR_CORRUPT ? 0 : rc;
}

void mu_srv_trees_revert(struct mu_server *s, const struct mu_scheme *before)
{
    struct mu_server_trees *t = &s->trees;

    mu_secret_clear(&t->scheme.key);
    t->scheme = *before;
    mu_copy(t->mem, t->stored, t->scheme.mem.len);
}

/* ---- saving ----------------------------------------------------------------- */

static void chunk_write(struct mu_server *s, uint32_t group,
                        uint64_t generation, uint32_t chunk)
{
    struct mu_server_trees *t = &s->trees;
    const size_t at = (size_t)chunk * MU_CHUNK_MAX;
    const size_t len = chunk_len(t->scheme.mem.len, chunk);
    const uint32_t copy = ~t->map[chunk] & MAP_COPY;
    struct mu_record_key k = mu_record_key_chunk(group, copy != 0, chunk);
    struct mu_writer w = mu_srv_writer(s);

    mu_write_u8(&w, CHUNK_VERSION);
    mu_write_u64(&w, generation);
    mu_write_bytes(&w, mu_bytes(t->mem + at, len));
    (void)mu_srv_put_lazy(s, MU_TABLE_SCHEME, &k, &w);
    t->map[chunk] = copy | stamp_of(generation);
    mu_copy(t->stored + at, t->mem + at, len);
}

static void map_write(struct mu_server *s, uint32_t group, uint8_t copy,
                      uint64_t generation, size_t page, size_t chunks)
{
    struct mu_record_key k = mu_record_key_map(group, copy, (uint16_t)page);
    struct mu_writer w = mu_srv_writer(s);

    mu_write_u8(&w, CHUNK_VERSION);
    mu_write_u64(&w, generation);
    for (size_t i = page * MU_MAP_PAGE;
         i < chunks && i < (page + 1) * MU_MAP_PAGE; i++)
        mu_write_u32(&w, s->trees.map[i]);
    (void)mu_srv_put_lazy(s, MU_TABLE_SCHEME, &k, &w);
}

bool mu_srv_trees_save(struct mu_server *s, uint32_t group, uint8_t copy,
                       uint64_t generation, uint32_t *chunk)
{
    struct mu_server_trees *t = &s->trees;
    const size_t chunks = chunks_of(t->scheme.mem.len);

    for (; *chunk < chunks; ++*chunk) {
        const size_t at = (size_t)*chunk * MU_CHUNK_MAX;
        const size_t len = chunk_len(t->scheme.mem.len, *chunk);

        if (!t->fresh && mu_bytes_eq(mu_bytes(t->mem + at, len),
                                     mu_bytes(t->stored + at, len)))
            continue;
        if (!mu_srv_stores_room(s))
            return false;
        chunk_write(s, group, generation, *chunk);
    }
    for (; (*chunk - chunks) * MU_MAP_PAGE < chunks; ++*chunk) {
        if (!mu_srv_stores_room(s))
            return false;
        map_write(s, group, copy, generation, *chunk - chunks, chunks);
    }
    t->fresh = false;
    return true;
}

/* ---- states ----------------------------------------------------------------- */

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
