/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side that all schemes share: memory, members, compaction. */
#include "keys/schemes/internal.h"

#include "muster/assert.h"

#define MASTER_LEN 32
#define SAVE_VERSION 1

static const struct mu_scheme_ops *const scheme_table[MU_SCHEME_COUNT] = {
    [MU_SCHEME_UNICAST] = &mu_ops_unicast,
    [MU_SCHEME_CLUSTER] = &mu_ops_cluster,
    [MU_SCHEME_LADDER] = &mu_ops_ladder,
    [MU_SCHEME_LKH] = &mu_ops_lkh,
    [MU_SCHEME_CS] = &mu_ops_cs,
    [MU_SCHEME_SD] = &mu_ops_sd,
};

const struct mu_scheme_ops *mu_scheme_ops(enum mu_scheme_kind kind)
{
    if ((int)kind <= MU_SCHEME_NONE || (int)kind >= MU_SCHEME_COUNT)
        return NULL;
    return scheme_table[kind];
}

const char *mu_scheme_name(enum mu_scheme_kind kind)
{
    const struct mu_scheme_ops *ops = mu_scheme_ops(kind);

    return ops != NULL ? ops->name : "?";
}

enum mu_scheme_kind mu_scheme_kind(struct mu_bytes name)
{
    for (int kind = 1; kind < MU_SCHEME_COUNT; kind++) {
        if (mu_bytes_eq(name, mu_bytes_str(scheme_table[kind]->name)))
            return (enum mu_scheme_kind)kind;
    }
    return MU_SCHEME_NONE;
}

static bool scheme_forested(const struct mu_scheme_conf *conf)
{
    return conf->kind == MU_SCHEME_CS || conf->kind == MU_SCHEME_SD;
}

/* Places of the forest; 0: none, or a shape that cannot be. */
static uint32_t scheme_places(const struct mu_scheme_conf *conf)
{
    uint64_t wanted = 0;

    if (scheme_forested(conf)) {
        uint64_t tree = 1;

        while (tree < (uint64_t)conf->members + conf->reserve)
            tree *= 2;
        wanted = conf->slots_max > tree ? conf->slots_max : tree;
    } else if (conf->kind == MU_SCHEME_CLUSTER) {
        /* Every change takes a cluster's place; a bit each costs little, and
         * compaction is due long before (docs/key-schemes.md). */
        wanted = (uint64_t)conf->clusters * 64;
    }
    if (wanted > MU_SCHEME_POSITIONS_MAX)
        return 0;
    return wanted > 0 ? mu_forest_places((uint32_t)wanted) : 0;
}

static bool scheme_valid(const struct mu_scheme_conf *conf)
{
    const struct mu_scheme_ops *ops = mu_scheme_ops(conf->kind);

    return ops != NULL && conf->slots_max > 0 &&
           conf->slots_max <= MU_SCHEME_POSITIONS_MAX &&
           conf->members <= conf->slots_max &&
           (conf->reserve == 0 || scheme_forested(conf)) &&
           conf->reserve <= MU_SCHEME_POSITIONS_MAX && ops->valid(conf);
}

/* Lays the tables out in a block; with mem NULL it only counts. */
static size_t scheme_carve(struct mu_scheme *s,
                           const struct mu_scheme_conf *conf, uint8_t *mem)
{
    const size_t words = ((size_t)conf->slots_max + 63) / 64;
    size_t at = 0;

/* The widest types come first, so that all are aligned. */
#define CARVE(field, type, count)                                              \
    do {                                                                       \
        const size_t n_ = (count);                                             \
        if (mem != NULL)                                                       \
            s->field = n_ > 0 ? (type *)(void *)(mem + at) : NULL;             \
        at += n_ * sizeof(type);                                               \
    } while (0)
    CARVE(member, uint64_t, scheme_forested(conf) ? 0 : words);
    CARVE(forest.out, uint64_t, scheme_places(conf) / 64);
    CARVE(version, uint32_t, conf->kind == MU_SCHEME_LKH
                                 ? mu_lkh_nodes(conf->slots_max, conf->degree)
                                 : 0);
    CARVE(cluster, struct mu_cluster,
          conf->kind == MU_SCHEME_CLUSTER ? conf->clusters : 0);
    CARVE(cluster_of, uint16_t,
          conf->kind == MU_SCHEME_CLUSTER ? conf->slots_max : 0);
    CARVE(level_of, uint8_t,
          conf->kind == MU_SCHEME_LADDER ? conf->slots_max : 0);
#undef CARVE
    return at;
}

size_t mu_scheme_mem(const struct mu_scheme_conf *conf)
{
    struct mu_scheme none;

    if (!scheme_valid(conf) ||
        (scheme_forested(conf) && scheme_places(conf) == 0))
        return 0;
    return scheme_carve(&none, conf, NULL);
}

static int scheme_attach(struct mu_scheme *s, const struct mu_scheme_conf *conf,
                         void *mem, size_t mem_len)
{
    const size_t need = mu_scheme_mem(conf);

    mu_zero(s, sizeof *s);
    if (need == 0 || conf->master.len != MASTER_LEN || conf->crypto == NULL ||
        (uintptr_t)mem % 8 != 0)
        return MU_ERR_USAGE;
    if (mem_len < need)
        return MU_ERR_NO_SPACE;
    s->conf = *conf;
    s->mem = mu_bytes(mem, need);
    scheme_carve(s, conf, mem);
    s->forest.places = scheme_places(conf);
    return 0;
}

int mu_scheme_build(struct mu_scheme *s, const struct mu_scheme_conf *conf,
                    uint64_t base, void *mem, size_t mem_len)
{
    int rc = scheme_attach(s, conf, mem, mem_len);

    if (rc != 0)
        return rc;
    if (base == 0)
        return MU_ERR_USAGE; /* a fresh state is one generation behind */
    mu_zero(mem, s->mem.len);
    s->base = s->generation = s->previous = base;
    s->live = s->next = conf->members;
    if (s->member != NULL) {
        for (uint32_t at = 0; at < conf->members; at++) {
            if (at % 64 == 0 && conf->members - at >= 64) {
                s->member[at / 64] = UINT64_MAX;
                at += 63;
            } else {
                mu_slot_put(s->member, at, true);
            }
        }
    }
    mu_scheme_ops(conf->kind)->build(s);
    return 0;
}

void mu_scheme_clear(struct mu_scheme *s)
{
    mu_secret_clear(&s->conf.master);
    mu_secret_clear(&s->key);
    mu_wipe(s, sizeof *s);
}

static void scheme_write(const struct mu_scheme *s, struct mu_writer *w)
{
    mu_write_u8(w, SAVE_VERSION);
    mu_write_u8(w, (uint8_t)s->conf.kind);
    mu_write_u64(w, s->base);
    mu_write_u64(w, s->generation);
    mu_write_u64(w, s->previous);
    mu_write_u32(w, s->next);
    mu_write_u32(w, s->live);
    mu_write_u8(w, s->pending ? 1 : 0);
    mu_write_u32(w, s->forest.next);
    mu_write_u8(w, s->forest.level);
    mu_write_u32(w, s->forest.sealed);
    for (size_t i = 0; i < MU_LADDER_LEVELS_MAX; i++)
        mu_write_u32(w, s->ladder[i]);
    mu_write_u8(w, s->ladder_changed);
    mu_write_u8(w, s->ladder_told);
    mu_write_u32(w, s->lkh_free);
    mu_write_u8(w, s->height);
}

int mu_scheme_save(const struct mu_scheme *s, struct mu_writer *w)
{
    scheme_write(s, w);
    return mu_writer_end(w);
}

/* Numbers that would send us outside our tables. */
static bool scheme_sound(const struct mu_scheme *s)
{
    const struct mu_scheme_conf *c = &s->conf;

    if (s->generation < s->base || s->previous > s->generation)
        return false;
    if (s->forest.out != NULL &&
        (s->forest.level > MU_SCHEME_LEVELS ||
         (uint32_t)1 << s->forest.level > s->forest.places ||
         s->forest.next > s->forest.places))
        return false;
    if (s->member != NULL && (s->next > c->slots_max || s->live > s->next))
        return false;
    if (s->version != NULL &&
        s->height > mu_lkh_height(c->slots_max, c->degree))
        return false;
    return s->ladder_changed <= MU_LADDER_LEVELS_MAX;
}

/* What mu_scheme_save wrote, of a scheme that has its conf. */
static int scheme_read(struct mu_scheme *s, struct mu_reader *r)
{
    uint8_t pending;

    if (mu_read_u8(r) != SAVE_VERSION || mu_read_u8(r) != s->conf.kind)
        return MU_ERR_CORRUPT;
    s->base = mu_read_u64(r);
    s->generation = mu_read_u64(r);
    s->previous = mu_read_u64(r);
    s->next = mu_read_u32(r);
    s->live = mu_read_u32(r);
    pending = mu_read_u8(r);
    s->pending = pending == 1;
    s->forest.next = mu_read_u32(r);
    s->forest.level = mu_read_u8(r);
    s->forest.sealed = mu_read_u32(r);
    for (size_t i = 0; i < MU_LADDER_LEVELS_MAX; i++)
        s->ladder[i] = mu_read_u32(r);
    s->ladder_changed = mu_read_u8(r);
    s->ladder_told = mu_read_u8(r);
    s->lkh_free = mu_read_u32(r);
    s->height = mu_read_u8(r);
    return r->failed || pending > 1 ? MU_ERR_CORRUPT : 0;
}

int mu_scheme_load(struct mu_scheme *s, const struct mu_scheme_conf *conf,
                   struct mu_reader *r, void *mem, size_t mem_len)
{
    int rc = scheme_attach(s, conf, mem, mem_len);

    if (rc == 0)
        rc = scheme_read(s, r);
    return rc == 0 && !scheme_sound(s) ? MU_ERR_CORRUPT : rc;
}

int mu_scheme_ghost(struct mu_scheme *s, const struct mu_scheme_conf *conf,
                    struct mu_reader *saved)
{
    int rc;

    mu_zero(s, sizeof *s);
    if (mu_scheme_mem(conf) == 0 || conf->master.len != MASTER_LEN ||
        conf->crypto == NULL)
        return MU_ERR_CORRUPT;
    s->conf = *conf;
    rc = scheme_read(s, saved);
    s->forest.places = scheme_places(conf);
    /* Who came after it was saved has a place as well. */
    s->forest.next = s->forest.places;
    if (rc == 0 && (s->forest.level > MU_SCHEME_LEVELS ||
                    (s->forest.places != 0 &&
                     (uint32_t)1 << s->forest.level > s->forest.places)))
        rc = MU_ERR_CORRUPT;
    if (rc != 0)
        mu_scheme_clear(s);
    return rc;
}

bool mu_scheme_is_member(const struct mu_scheme *s, uint32_t slot)
{
    if (s->member != NULL)
        return slot < s->next && mu_slot_get(s->member, slot);
    return mu_forest_given(&s->forest, slot) &&
           !mu_slot_get(s->forest.out, slot);
}

int mu_scheme_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    int rc = mu_scheme_ops(s->conf.kind)->join(s, where, slot);

    if (rc != 0)
        return rc;
    s->live++;
    s->pending = true;
    return 0;
}

int mu_scheme_leave(struct mu_scheme *s, uint32_t slot)
{
    if (!mu_scheme_is_member(s, slot))
        return MU_ERR_NOT_FOUND;
    if (s->member != NULL)
        mu_slot_put(s->member, slot, false);
    mu_scheme_ops(s->conf.kind)->leave(s, slot);
    mu_assert(s->live > 0);
    s->live--;
    s->pending = true;
    return 0;
}

int mu_scheme_leave_all(struct mu_scheme *s, const uint32_t *slots,
                        size_t slots_len)
{
    uint64_t *const bits = s->member != NULL ? s->member : s->forest.out;
    const bool in = s->member != NULL;
    size_t done = 0;
    int rc = 0;

    /* The member's own bit finds doubles: taken off here, put on again. */
    while (done < slots_len && mu_scheme_is_member(s, slots[done]))
        mu_slot_put(bits, slots[done++], !in);
    if (done < slots_len)
        rc = MU_ERR_NOT_FOUND;
    while (done > 0)
        mu_slot_put(bits, slots[--done], in);
    for (size_t i = 0; i < slots_len && rc == 0; i++)
        rc = mu_scheme_leave(s, slots[i]);
    return rc;
}

int mu_scheme_place(struct mu_scheme *s, uint32_t slot, uint32_t where)
{
    if (s->generation != s->base || s->pending)
        return MU_ERR_UNEXPECTED;
    if (!mu_scheme_is_member(s, slot))
        return MU_ERR_NOT_FOUND;
    if (s->cluster != NULL && where < s->conf.clusters) {
        s->cluster[s->cluster_of[slot]].live--;
        s->cluster[where].live++;
        s->cluster_of[slot] = (uint16_t)where;
        return 0;
    }
    if (s->level_of != NULL && where >= 1 && where <= s->conf.levels) {
        s->level_of[slot] = (uint8_t)where;
        return 0;
    }
    return MU_ERR_USAGE;
}

int mu_scheme_compact(const struct mu_scheme *s, struct mu_scheme *into,
                      const struct mu_scheme_conf *conf, uint64_t base,
                      void *mem, size_t mem_len,
                      void (*moved)(void *ctx, uint32_t old, uint32_t now),
                      void *ctx)
{
    struct mu_scheme_conf shape = *conf;
    const uint32_t end = s->member != NULL ? s->next : s->forest.next;
    uint32_t now = 0;
    int rc;

    shape.members = s->live;
    if (base <= s->generation)
        return MU_ERR_ROLLBACK; /* the same base would bring old keys back */
    rc = mu_scheme_build(into, &shape, base, mem, mem_len);
    mu_secret_clear(&shape.master);
    for (uint32_t old = 0; old < end && rc == 0; old++) {
        if (!mu_scheme_is_member(s, old))
            continue;
        if (s->cluster != NULL && into->cluster != NULL &&
            s->conf.clusters == into->conf.clusters)
            rc = mu_scheme_place(into, now, s->cluster_of[old]);
        if (s->level_of != NULL && into->level_of != NULL &&
            s->conf.levels == into->conf.levels)
            rc = mu_scheme_place(into, now, s->level_of[old]);
        moved(ctx, old, now);
        now++;
    }
    return rc;
}

int mu_scheme_issue(const struct mu_scheme *s, uint32_t slot,
                    struct mu_writer *w)
{
    struct mu_secret key = {.len = 0};
    struct mu_kid kid = mu_scheme_kid(s);
    int rc;

    if (!mu_scheme_is_member(s, slot))
        return MU_ERR_NOT_FOUND;
    if (s->pending)
        return MU_ERR_BUSY;
    /* The message of this generation is still to be opened. */
    kid.generation--;
    rc = mu_scheme_device_key(s, slot, &key);
    if (rc == 0) {
        mu_write_u8(w, (uint8_t)(STATE_TYPE | s->conf.kind));
        mu_kid_write(w, &kid);
        mu_write_u64(w, s->base);
        mu_write_u32(w, slot);
        mu_write_bytes(w, mu_secret_view(&key));
        rc = mu_scheme_ops(s->conf.kind)->body(s, slot, w);
    }
    mu_secret_clear(&key);
    return rc != 0 ? rc : mu_writer_end(w);
}
