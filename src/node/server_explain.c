/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the next departure from a group costs: by formula for every scheme, and
 * to the byte in the trees that the group has. What is tried in them is put
 * back before anybody else looks.
 */
#include "node/server_core.h"

#define CLASSES_MAX 256 /* clusters that are tried, one member each */

/* ---- trying ----------------------------------------------------------------- */

/* Where nobody is left whom a message for all is for, there is none. */
static void cost_settle(struct mu_leave_cost *cost, uint32_t left)
{
    if (cost->personal >= left)
        cost->wraps = cost->parts = 0;
    if (cost->personal >= left)
        cost->bytes = 0;
}

/* The rekey after what was tried, and back. */
static int try_end(struct mu_server *s, const struct mu_scheme *before,
                   bool tell, struct mu_leave_cost *cost)
{
    struct mu_scheme *t = &s->trees.scheme;
    struct mu_rekey r;
    uint32_t slot;
    int rc = mu_scheme_begin(t, t->generation + 1, MU_INLINE_CONTENT_MAX, &r);

    *cost = (struct mu_leave_cost){.wraps = 0};
    if (rc == 0) {
        cost->wraps = r.wraps;
        cost->parts = r.parts;
        cost->bytes = r.bytes;
        while (tell && mu_rekey_personal(t, &r, &slot))
            cost->personal++;
        if (tell)
            cost_settle(cost, t->live);
        mu_rekey_clear(&r);
    }
    mu_srv_trees_revert(s, before);
    return rc;
}

static int try_one(struct mu_server *s, uint32_t slot, bool tell,
                   struct mu_leave_cost *cost)
{
    struct mu_scheme before = s->trees.scheme;
    int rc = mu_scheme_leave(&s->trees.scheme, slot);

    if (rc == 0)
        rc = try_end(s, &before, tell, cost);
    mu_wipe(&before, sizeof before);
    return rc;
}

/* Members at random, the same whenever these trees are asked. */
static int try_batch(struct mu_server *s, struct mu_group_explain *out)
{
    struct mu_scheme *t = &s->trees.scheme;
    struct mu_scheme before = *t;
    const uint32_t end = t->member != NULL ? t->next : t->forest.next;
    uint64_t x = t->generation * 0x9e3779b97f4a7c15u | 1;
    int rc;

    for (uint32_t n = 0; n < out->leavers;) {
        uint32_t slot;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        slot = (uint32_t)((x >> 11) % end);
        if (mu_scheme_leave(t, slot) != 0)
            continue;
        if (n < MU_EXPLAIN_FIRST)
            out->first[n] = slot;
        n++;
    }
    rc = try_end(s, &before, true, &out->batch);
    mu_wipe(&before, sizeof before);
    return rc;
}

/* ---- sums ------------------------------------------------------------------- */

/* Clusters and levels: members of one are alike. */
struct classes {
    uint32_t first[CLASSES_MAX], count[CLASSES_MAX];
    uint32_t len, stride;
};

static void classes_find(const struct mu_scheme *t, struct classes *c)
{
    const uint32_t all = t->cluster_of != NULL ? t->conf.clusters
                                               : t->conf.levels + 1u;

    *c = (struct classes){.stride = (all + CLASSES_MAX - 1) / CLASSES_MAX};
    c->len = (all + c->stride - 1) / c->stride;
    for (uint32_t slot = 0; slot < t->next; slot++) {
        uint32_t at;

        if (!mu_scheme_is_member(t, slot))
            continue;
        at = t->cluster_of != NULL ? t->cluster_of[slot] : t->level_of[slot];
        if (at % c->stride != 0)
            continue;
        at /= c->stride;
        if (c->count[at]++ == 0)
            c->first[at] = slot;
    }
}

static bool cost_below(const struct mu_leave_cost *a,
                       const struct mu_leave_cost *b)
{
    if (a->personal != b->personal)
        return a->personal < b->personal;
    return a->bytes < b->bytes;
}

static int sum_classes(struct mu_server *s, struct mu_group_explain *out)
{
    struct classes c;

    classes_find(&s->trees.scheme, &c);
    out->sampled = c.stride > 1;
    for (uint32_t i = 0; i < c.len; i++) {
        const bool cluster = s->trees.scheme.cluster_of != NULL;
        struct mu_leave_cost cost;
        int rc = c.count[i] == 0 ? MU_ERR_NOT_FOUND
                                 : try_one(s, c.first[i], !cluster, &cost);

        if (rc == MU_ERR_NOT_FOUND)
            continue;
        if (rc != 0)
            return rc;
        if (cluster) {
            cost.personal = c.count[i] - 1;
            cost_settle(&cost, s->trees.scheme.live - 1);
        }
        if (out->of == 0 || cost_below(&cost, &out->least)) {
            out->least = cost;
            out->least_slot = c.first[i];
        }
        if (out->of == 0 || cost_below(&out->most, &cost)) {
            out->most = cost;
            out->most_slot = c.first[i];
        }
        out->of += c.count[i];
        out->wraps += (uint64_t)c.count[i] * cost.wraps;
        out->bytes += c.count[i] * cost.bytes;
        out->personal += (uint64_t)c.count[i] * cost.personal;
    }
    return 0;
}

static int sum_range(struct mu_server *s, struct mu_group_explain *out)
{
    struct mu_leave_range range;
    int rc = mu_scheme_leave_range(&s->trees.scheme, MU_INLINE_CONTENT_MAX,
                                   &range);

    if (rc == MU_ERR_UNSUPPORTED)
        return sum_classes(s, out);
    if (rc != 0)
        return rc;
    out->of = s->trees.scheme.live;
    out->wraps = range.wraps;
    out->bytes = range.bytes;
    out->least_slot = range.least;
    out->most_slot = range.most;
    rc = try_one(s, range.least, true, &out->least);
    return rc == 0 ? try_one(s, range.most, true, &out->most) : rc;
}

/* ---- exactly ---------------------------------------------------------------- */

static void explain_name(struct mu_server *s, uint32_t group, uint32_t slot,
                         char identity[MU_ID_MAX + 1])
{
    bool left;

    if (mu_srv_place_name(s, group, s->trees.scheme.base, slot, identity,
                          &left) != 0)
        identity[0] = '\0';
}

/* In the trees; MU_ERR_FULL: they have no room for another rekey. */
static int explain_trees(struct mu_server *s, struct mu_group_explain *out)
{
    struct mu_bytes state;
    int rc = sum_range(s, out);

    if (rc == 0 && out->leavers != 0)
        rc = try_batch(s, out);
    if (rc == 0)
        rc = mu_srv_state_issue(s, out->most_slot, &state);
    if (rc == 0) {
        out->state_bytes = (uint32_t)state.len;
        mu_srv_state_wipe(s);
    }
    return rc;
}

static void explain_mean(struct mu_group_explain *out)
{
    struct mu_scheme_cost *c = &out->costs[out->in_use - 1];

    if (out->of == 0)
        return;
    c->wraps = (uint32_t)((out->wraps + out->of / 2) / out->of);
    c->multicast_bytes = (out->bytes + out->of / 2) / out->of;
    c->personal = (uint32_t)((out->personal + out->of / 2) / out->of);
    c->personal_bytes = (uint64_t)c->personal * out->state_bytes;
}

static int explain_exact(struct mu_server *s, uint32_t group,
                         const struct mu_group_record *g,
                         const struct mu_scheme_record *sc,
                         struct mu_group_explain *out)
{
    struct mu_group_record after = *g;
    struct mu_scheme_record next = *sc;
    int rc;

    if (sc->base == 0 || sc->kind == MU_SCHEME_UNICAST || sc->rebuild ||
        s->conf.scheme_mem == 0)
        return 0;
    rc = mu_srv_trees_use(s, group, sc);
    if (rc != 0)
        return rc == MU_ERR_CORRUPT ? 0 : rc;
    out->members = s->trees.scheme.live;
    out->waiting = (uint32_t)(sc->op_next - sc->op_first);
    if (out->members == 0 || out->leavers > out->members)
        return out->leavers != 0 ? MU_ERR_USAGE : 0;
    after.members -= after.members > 0;
    next.gone++;
    out->rebuild = mu_srv_trees_stale(s, &after, &next);
    rc = explain_trees(s, out);
    out->exact = rc == 0;
    if (rc == MU_ERR_FULL || rc == MU_ERR_USAGE || rc == MU_ERR_TOO_LARGE) {
        out->rebuild = true;
        rc = 0;
    }
    if (!out->exact)
        return rc;
    explain_name(s, group, out->least_slot, out->least_id);
    explain_name(s, group, out->most_slot, out->most_id);
    explain_mean(out);
    return 0;
}

/* ---- by formula ------------------------------------------------------------- */

/* The least memory that members said they have for a state. */
static uint32_t group_memory(struct mu_server *s, uint32_t number)
{
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_device_record d;
    struct mu_bytes identity;
    uint32_t least = 0;

    while (mu_srv_member_next(s, number, false, &k, &identity) == 0) {
        uint32_t has = mu_srv_device_get(s, identity, &d) == 0 && d.capable
                           ? d.capability.member_memory
                           : 0;
        if (has != 0 && (least == 0 || has < least))
            least = has;
    }
    return least;
}

static int explain_formulas(const struct mu_scheme_record *sc,
                            struct mu_group_explain *out)
{
    int rc = 0;

    for (int kind = 1; rc == 0 && kind < MU_SCHEME_COUNT; kind++) {
        struct mu_scheme_facts f = out->facts;
        if (kind == MU_SCHEME_CLUSTER)
            f.clusters = sc->wish.clusters;
        if (kind == MU_SCHEME_LADDER)
            f.clusters = sc->wish.levels;
        rc = mu_scheme_explain(&f, (enum mu_scheme_kind)kind,
                               &out->costs[kind - 1]);
    }
    return rc == 0 ? mu_scheme_choose(&out->facts, &out->choice) : rc;
}

int mu_server_group_explain(struct mu_server *s, struct mu_bytes name,
                            uint32_t leavers, struct mu_group_explain *out)
{
    struct mu_scheme_record sc = {.kind = MU_SCHEME_UNICAST};
    struct mu_group_record g;
    uint32_t number;
    int rc = mu_srv_group_find(s, name, &number, &g);

    *out = (struct mu_group_explain){.in_use = MU_SCHEME_UNICAST,
                                     .leavers = leavers};
    if (rc == 0 && mu_srv_group_schemed(&g))
        rc = mu_srv_scheme_get(s, number, &sc);
    if (rc != 0)
        return rc;
    out->in_use = sc.kind;
    out->facts = (struct mu_scheme_facts){
        .members = g.members,
        .leaves_per_day = sc.wish.leaves_per_day,
        .joins_per_day = sc.wish.joins_per_day,
        .sleepers_per_mille = sc.wish.sleepers_permille,
        /* With trees it was seen when they were made. */
        .device_bytes =
            sc.base != 0 ? sc.least_memory : group_memory(s, number),
        .gone = sc.gone,
        .degree = sc.wish.degree,
    };
    if (out->facts.device_bytes == 0)
        out->facts.device_bytes = MU_STATE_MEMORY;
    rc = explain_formulas(&sc, out);
    return rc == 0 ? explain_exact(s, number, &g, &sc, out) : rc;
}
