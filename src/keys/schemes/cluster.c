/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clusters with subset-difference storage: EXALTED D5.2 s.6.1.1.4. Every
 * cluster is a place in a subset-difference forest, and its devices hold the
 * labels of that place: among them, for every other cluster c, what it takes to
 * derive the key known only outside c. When c changes, everybody else is told
 * which key (a subset's number, a few bytes); the members of c get the new key
 * one by one.
 *
 * Who left c keeps the labels of c. So c gives up its place, is excluded there
 * for good, and gets a fresh place, whose labels travel with the new key.
 */
#include "keys/schemes/internal.h"

static bool cluster_valid(const struct mu_scheme_conf *conf)
{
    return conf->clusters >= 1 && conf->clusters <= MU_CLUSTERS_MAX;
}

static void cluster_build(struct mu_scheme *s)
{
    const uint32_t n = s->conf.clusters;
    const uint32_t size = (s->conf.members + n - 1) / n;

    mu_forest_init(&s->forest, s->forest.out, s->forest.places, n, 0);
    for (uint32_t i = 0; i < n; i++)
        s->cluster[i].place = i;
    for (uint32_t slot = 0; slot < s->conf.members; slot++) {
        s->cluster_of[slot] = (uint16_t)(slot / size);
        s->cluster[slot / size].live++;
    }
}

static int cluster_join(struct mu_scheme *s, uint32_t where, uint32_t *slot)
{
    int rc;

    if (where >= s->conf.clusters)
        return MU_ERR_USAGE;
    rc = mu_slots_join(s, slot);
    if (rc != 0)
        return rc;
    s->cluster_of[*slot] = (uint16_t)where;
    s->cluster[where].live++;
    s->cluster[where].state |= CLUSTER_DIRTY;
    return 0;
}

static void cluster_leave(struct mu_scheme *s, uint32_t slot)
{
    struct mu_cluster *c = &s->cluster[s->cluster_of[slot]];

    c->live--;
    c->state |= CLUSTER_DIRTY;
}

static int cluster_check(const struct mu_scheme *s)
{
    uint32_t need = 0;

    for (uint32_t i = 0; i < s->conf.clusters; i++) {
        if ((s->cluster[i].state & CLUSTER_DIRTY) != 0 &&
            s->cluster[i].live > 0)
            need++;
    }
    return need <= mu_forest_room(&s->forest) ? 0 : MU_ERR_FULL;
}

static int cluster_settle(struct mu_scheme *s, struct mu_rekey *r)
{
    for (uint32_t i = 0; i < s->conf.clusters; i++) {
        struct mu_cluster *c = &s->cluster[i];

        if (c->state == CLUSTER_FRESH)
            mu_slot_put(s->forest.out, c->place, false);
        c->state &= (uint8_t)~CLUSTER_FRESH;
        if ((c->state & CLUSTER_DIRTY) == 0)
            continue;
        c->state = 0;
        if (c->place != NO_PLACE)
            mu_slot_put(s->forest.out, c->place, true);
        c->place = NO_PLACE;
        if (c->live > 0) {
            c->place = mu_forest_take(&s->forest);
            c->state = CLUSTER_FRESH;
        }
    }
    return mu_seed_random(s, r);
}

static void cluster_extra(const struct mu_scheme *s, const struct mu_rekey *r,
                          struct mu_writer *w)
{
    (void)s;
    mu_write_u8(w, r->by_index ? 1 : 0);
}

static bool cluster_personal(const struct mu_scheme *s, uint32_t slot)
{
    return (s->cluster[s->cluster_of[slot]].state & CLUSTER_FRESH) != 0;
}

static int cluster_body(const struct mu_scheme *s, uint32_t slot,
                        struct mu_writer *w)
{
    const uint32_t place = s->cluster[s->cluster_of[slot]].place;

    mu_write_u32(w, place);
    return mu_forest_body(s, place, w);
}

const struct mu_scheme_ops mu_ops_cluster = {
    .name = "cluster",
    .multicast = true,
    .valid = cluster_valid,
    .build = cluster_build,
    .join = cluster_join,
    .leave = cluster_leave,
    .check = cluster_check,
    .settle = cluster_settle,
    .walk = mu_forest_walk,
    .next = mu_forest_next,
    .entries = mu_forest_entry,
    .extra = cluster_extra,
    .personal = cluster_personal,
    .body = cluster_body,
    .body_told = true,
};
