/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the next leave costs, member by member, without doing it for each.
 *
 * Forests. A member is under one largest block of places of which none is
 * excluded. Its leave costs what the leave of any other under that block costs:
 *
 *   CS  the block's subset falls into one for each level below its top
 *   SD  the cover has a subset for each chain of nodes that lead to excluded
 *       places on one side alone, if it has more than one node (Naor, Naor,
 *       Lotspiech, s.3.2.1). Above the block, a node u of such a chain gets a
 *       second side: the chain above u ends there, one below may begin, and
 *       one begins at the block, unless it is a single place
 *
 * LKH. Every node above a leaver that still has members is renewed, and its key
 * wrapped for each of its children that have some.
 */
#include "keys/schemes/internal.h"

struct leaves {
    const struct mu_scheme *s;
    struct mu_leave_range *out;
    size_t fixed; /* bytes of a part without entries */
    uint32_t room; /* entries of a part */
};

static void leaves_add(const struct leaves *l, uint32_t slot, uint32_t members,
                       uint32_t wraps)
{
    struct mu_leave_range *o = l->out;
    uint32_t parts = wraps == 0 ? 1 : (wraps + l->room - 1) / l->room;

    if (wraps < o->wraps_least) {
        o->wraps_least = wraps;
        o->least = slot;
    }
    if (wraps > o->wraps_most || o->wraps == 0) {
        o->wraps_most = wraps;
        o->most = slot;
    }
    o->wraps += (uint64_t)members * wraps;
    o->bytes += members * (parts * (uint64_t)l->fixed +
                           wraps * (uint64_t)MU_REKEY_ENTRY_LEN);
    if (parts > 1 && l->s->version != NULL)
        o->split = true;
}

/* ---- forests ---------------------------------------------------------------- */

/* Is any place under a node excluded? */
static bool node_out(const struct mu_scheme *s, uint8_t level, uint32_t index)
{
    const uint32_t from = index << level;
    const uint32_t to = from + ((uint32_t)1 << level);

    return mu_slot_find(s->forest.out, from, to, true) < to;
}

/* On one side alone? */
static bool node_chain(const struct mu_scheme *s, uint8_t level,
                       uint32_t index)
{
    return level > 0 && node_out(s, (uint8_t)(level - 1), 2 * index) !=
                            node_out(s, (uint8_t)(level - 1), 2 * index + 1);
}

/* How much more than now the cover is when a place of this block goes. */
static int32_t block_more(const struct mu_scheme *s, uint8_t level,
                          uint32_t index, uint8_t root)
{
    int32_t more = level > 0 ? 1 : 0;
    const uint32_t up = index / 2;

    if (s->conf.kind == MU_SCHEME_CS)
        return (int32_t)level - 1;
    if (level == root) /* nobody has left this tree yet: one subset */
        return more - 1;
    if (level + 1 == root || node_out(s, (uint8_t)(level + 1), up ^ 1))
        more--;
    if (node_chain(s, level, index ^ 1))
        more++;
    return more;
}

/* Members of a block, and the first of them. */
static uint32_t block_members(const struct mu_scheme *s, uint32_t from,
                              uint32_t to, uint32_t *first)
{
    const struct mu_forest *f = &s->forest;
    const uint32_t full = (uint32_t)1 << f->level;
    uint32_t end = to < f->next ? to : f->next;

    /* The end of the first tree may never have been given away. */
    if (from < full && end > f->sealed)
        end = f->sealed;
    *first = from;
    return from < end ? end - from : 0;
}

static uint32_t cover_now(const struct mu_scheme *s)
{
    struct mu_cover c;
    uint32_t n = 0, code;

    mu_cover_init(&c, &s->forest, s->conf.kind != MU_SCHEME_CS);
    while (mu_cover_next(&c, &s->forest, &code))
        n++;
    return n;
}

/* The blocks of one tree. */
static void tree_leaves(const struct leaves *l, uint32_t start, uint8_t root,
                        uint32_t now)
{
    const struct mu_scheme *s = l->s;
    const uint32_t stop = start + ((uint32_t)1 << root);
    uint32_t at = start;

    while (at < stop) {
        uint32_t run, first, members;
        uint8_t level = 0;

        at = mu_slot_find(s->forest.out, at, stop, false);
        run = mu_slot_find(s->forest.out, at, stop, true);
        if (at == stop)
            return;
        while (level < root && (at >> level & 1) == 0 &&
               run - at >= (uint32_t)2 << level)
            level++;
        members = block_members(s, at, at + ((uint32_t)1 << level), &first);
        if (members != 0)
            leaves_add(l, first, members,
                       s->live == 1
                           ? 0
                           : (uint32_t)((int32_t)now +
                                        block_more(s, level, at >> level,
                                                   root)));
        at += (uint32_t)1 << level;
    }
}

static void forest_leaves(const struct leaves *l)
{
    const uint32_t now = cover_now(l->s);
    uint32_t start = 0;

    do {
        uint8_t root;

        mu_forest_tree(l->s->forest.level, start, &start, &root);
        tree_leaves(l, start, root, now);
        start += (uint32_t)1 << root;
    } while (start < l->s->forest.next);
}

/* ---- LKH -------------------------------------------------------------------- */

/* The way up from a leaf. */
struct lkh_way {
    uint32_t index[MU_SCHEME_LEVELS + 2];
    uint32_t live[MU_SCHEME_LEVELS + 2]; /* children with members */
    uint32_t above[MU_SCHEME_LEVELS + 3]; /* sum of them from a level up */
};

static void way_to(const struct mu_scheme *s, uint32_t slot, struct lkh_way *w,
                   bool first)
{
    const uint8_t degree = s->conf.degree;

    w->above[s->height + 1] = 0;
    for (uint8_t level = s->height; level > 0; level--) {
        const uint32_t index = mu_lkh_up(slot, degree, level);

        if (first || w->index[level] != index) {
            w->index[level] = index;
            w->live[level] = 0;
            for (uint8_t i = 0; i < degree; i++)
                w->live[level] += mu_lkh_live(s, (uint8_t)(level - 1),
                                              index * degree + i);
        }
        w->above[level] = w->above[level + 1] + w->live[level];
    }
}

static void lkh_leaves(const struct leaves *l)
{
    const struct mu_scheme *s = l->s;
    struct lkh_way w;
    uint32_t slot = mu_slot_find(s->member, 0, s->next, true);

    for (bool first = true; slot < s->next; first = false) {
        uint8_t level = 1;

        way_to(s, slot, &w, first);
        /* Nodes that nobody is left under are not renewed. */
        while (level <= s->height && w.live[level] == 1)
            level++;
        leaves_add(l, slot, 1,
                   level > s->height ? 0 : w.above[level] - 1);
        slot = mu_slot_find(s->member, slot + 1, s->next, true);
    }
}

int mu_scheme_leave_range(const struct mu_scheme *s, size_t part_max,
                          struct mu_leave_range *out)
{
    struct mu_rekey r;
    struct leaves l = {.s = s, .out = out};

    *out = (struct mu_leave_range){.wraps_least = UINT32_MAX};
    if (part_max < MU_REKEY_PART_MIN)
        return MU_ERR_USAGE;
    if (s->live == 0)
        return MU_ERR_NOT_FOUND;
    mu_zero(&r, sizeof r);
    if (s->conf.kind != MU_SCHEME_SD && s->conf.kind != MU_SCHEME_CS &&
        s->conf.kind != MU_SCHEME_LKH)
        return MU_ERR_UNSUPPORTED;
    l.fixed = mu_rekey_fixed(s, &r);
    l.room = (uint32_t)((part_max - l.fixed) / MU_REKEY_ENTRY_LEN);
    if (s->conf.kind == MU_SCHEME_LKH)
        lkh_leaves(&l);
    else
        forest_leaves(&l);
    return 0;
}
