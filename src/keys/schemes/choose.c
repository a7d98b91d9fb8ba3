/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scheme costs a group, by formula, and which one to take. The figures
 * of `muster bench keys` are measured; these are expectations for a group that
 * is not there yet. docs/key-schemes.md has the formulas in words.
 */
#include "keys/schemes/internal.h"

#define PERSONAL_LEN                                                           \
    (PERSONAL_HEAD_LEN + GROUP_KEY_LEN + PERSONAL_TAG_LEN) /* bytes, no body */
#define PART_LEN (REKEY_HEAD_LEN + MU_REKEY_TAG_LEN)
#define SMALL_GROUP 8    /* below that no tree is worth its keys */
#define YEAR 365         /* days: compaction is spread over this at most */
#define DEGREE_DEFAULT 4 /* least wraps per leave for large groups */

static const char *const reason_texts[MU_REASON_COUNT] = {
    [MU_REASON_SMALL] = "so few members that telling each is cheapest",
    [MU_REASON_CHEAPEST] = "fewest bytes a day",
    [MU_REASON_SLEEPERS] = "members sleep through rekeys",
    [MU_REASON_MEMORY] = "a cheaper scheme does not fit the devices",
    [MU_REASON_NONE_FIT] = "no other scheme fits the devices",
};

const char *mu_scheme_reason_text(enum mu_scheme_reason reason)
{
    if ((unsigned)reason >= MU_REASON_COUNT)
        return "?";
    return reason_texts[reason];
}

static uint8_t cost_levels(uint32_t n)
{
    uint8_t levels = 0;

    while (((uint64_t)1 << levels) < n)
        levels++;
    return levels;
}

static uint64_t cost_labels(uint8_t root)
{
    return 1 + MU_NODE_KEY_LEN * ((uint64_t)root * (root + 1u) / 2 + 1);
}

/* Subsets that cover n members among n + r places with r scattered ones
 * excluded: 1.25 r for subset difference, r log2(N / r) for complete subtree
 * (Naor, Naor, Lotspiech), and never more than one for each member. */
static uint64_t cost_subsets(enum mu_scheme_kind kind, uint32_t n, uint64_t r)
{
    uint64_t subsets = r + r / 4;

    if (r == 0)
        return 1;
    if (kind == MU_SCHEME_CS)
        subsets = r * cost_levels((uint32_t)((n + 2 * r - 1) / r));
    return subsets < n ? subsets : n;
}

/*
 * Bytes of a stateless scheme over `days` with `rekeys` a day, each covering
 * all who left since compaction, with as many compactions as are cheapest.
 */
static uint64_t cost_stateless(const struct mu_scheme_facts *f,
                               struct mu_scheme_cost *c, uint64_t rekeys)
{
    const uint64_t changes =
        ((uint64_t)f->leaves_per_day + f->joins_per_day / 4) * YEAR;
    uint64_t best = UINT64_MAX;

    for (uint64_t times = 1; times <= (uint64_t)1 << 20; times *= 2) {
        const uint64_t mean = changes / times / 2;
        const uint64_t parts =
            PART_LEN + MU_REKEY_ENTRY_LEN *
                           cost_subsets(c->kind, f->members, mean);
        const uint64_t total =
            rekeys * YEAR * parts +
            (times - 1) * f->members * (uint64_t)c->device_bytes;

        if (total < best)
            best = total;
    }
    return best / YEAR;
}

static void cost_lkh(const struct mu_scheme_facts *f, struct mu_scheme_cost *c,
                     uint64_t rekeys)
{
    const uint8_t degree = f->degree != 0 ? f->degree : DEGREE_DEFAULT;
    const uint8_t height = mu_lkh_height(f->members, degree);
    const uint64_t asleep = (uint64_t)f->members * f->sleepers_per_mille / 1000;
    const uint32_t body = 2 + MU_NODE_KEY_LEN * (height + 1u);

    c->wraps = (uint32_t)degree * height - 1;
    c->multicast_bytes =
        PART_LEN + 5 + (uint64_t)MU_REKEY_ENTRY_LEN * c->wraps;
    c->device_bytes = MU_MEMBER_HEAD_LEN + body;
    c->server_bytes = 4 * (uint64_t)mu_lkh_nodes(f->members, degree) +
                      f->members / 8;
    /* A sleeper needs one personal message, however much it missed; we count
     * one a day, when there was a rekey at all. */
    c->day_bytes = rekeys * c->multicast_bytes;
    if (rekeys > 0)
        c->day_bytes += asleep * (PERSONAL_LEN + body);
}

static void cost_forest(const struct mu_scheme_facts *f,
                        struct mu_scheme_cost *c, uint64_t rekeys)
{
    const uint8_t root = cost_levels(f->members);

    c->wraps =
        (uint32_t)cost_subsets(c->kind, f->members, (uint64_t)f->gone + 1);
    if (f->gone == 0)
        c->wraps = c->kind == MU_SCHEME_SD ? 1 : root;
    c->multicast_bytes = PART_LEN + (uint64_t)MU_REKEY_ENTRY_LEN * c->wraps;
    c->device_bytes =
        MU_MEMBER_HEAD_LEN +
        (uint32_t)(c->kind == MU_SCHEME_SD
                       ? cost_labels(root)
                       : 1 + MU_NODE_KEY_LEN * (root + 1u));
    c->server_bytes = ((uint64_t)1 << root) / 8;
    c->stateless = true;
    c->day_bytes = cost_stateless(f, c, rekeys);
}

static void cost_clusters(const struct mu_scheme_facts *f,
                          struct mu_scheme_cost *c, uint64_t rekeys)
{
    const uint32_t n = f->clusters != 0 ? f->clusters : 1;
    const uint8_t root = cost_levels(n);
    const bool ladder = c->kind == MU_SCHEME_LADDER;
    const uint64_t body = ladder ? 2 + 4 * (uint64_t)n + MU_NODE_KEY_LEN
                                 : 4 + cost_labels(root);

    /* A ladder tells the level that changed and all below it: half of them on
     * average, all when it has one level. */
    c->personal = ladder ? (uint32_t)((uint64_t)f->members * (n + 1) / 2 / n)
                         : f->members / n;
    c->personal_bytes = c->personal * (PERSONAL_LEN + body);
    c->wraps = ladder || f->gone == 0 ? 0 : f->gone + 1;
    if (!ladder && c->wraps > n)
        c->wraps = n;
    c->multicast_bytes =
        PART_LEN + 1 +
        (ladder ? 4 * (uint64_t)n
                : 4 + (uint64_t)MU_REKEY_ENTRY_LEN * c->wraps);
    c->device_bytes = MU_MEMBER_HEAD_LEN + (uint32_t)body;
    c->server_bytes = (uint64_t)f->members * (ladder ? 1 : 2) +
                      f->members / 8;
    c->day_bytes = rekeys * (c->multicast_bytes + c->personal_bytes);
}

int mu_scheme_explain(const struct mu_scheme_facts *f,
                      enum mu_scheme_kind kind, struct mu_scheme_cost *c)
{
    /* Every change is a rekey of its own: at once, not batched. */
    const uint64_t rekeys = (uint64_t)f->leaves_per_day + f->joins_per_day;

    mu_zero(c, sizeof *c);
    if (mu_scheme_ops(kind) == NULL || f->members == 0 ||
        f->members > MU_SCHEME_POSITIONS_MAX ||
        f->sleepers_per_mille > 1000 || f->degree == 1 ||
        f->degree > MU_LKH_DEGREE_MAX || f->clusters > MU_CLUSTERS_MAX ||
        (kind == MU_SCHEME_LADDER && f->clusters > MU_LADDER_LEVELS_MAX))
        return MU_ERR_USAGE;
    c->kind = kind;
    switch (kind) {
    case MU_SCHEME_CLUSTER:
    case MU_SCHEME_LADDER:
        cost_clusters(f, c, rekeys);
        break;
    case MU_SCHEME_LKH:
        cost_lkh(f, c, rekeys);
        break;
    case MU_SCHEME_CS:
    case MU_SCHEME_SD:
        cost_forest(f, c, rekeys);
        break;
    case MU_SCHEME_NONE:
    case MU_SCHEME_UNICAST:
    case MU_SCHEME_COUNT:
        c->personal = f->members;
        c->personal_bytes = (uint64_t)f->members * PERSONAL_LEN;
        c->device_bytes = MU_MEMBER_HEAD_LEN;
        c->server_bytes = f->members / 8;
        c->day_bytes = rekeys * c->personal_bytes;
        break;
    }
    c->fits = c->device_bytes <= f->device_bytes;
    return 0;
}

/* The cheapest of the three trees, of those that fit if `fitting`. */
static int choose_best(const struct mu_scheme_facts *f, bool fitting,
                       struct mu_scheme_cost *best)
{
    static const enum mu_scheme_kind trees[] = {MU_SCHEME_SD, MU_SCHEME_CS,
                                                MU_SCHEME_LKH};
    bool found = false;

    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        struct mu_scheme_cost c;
        int rc = mu_scheme_explain(f, trees[i], &c);

        if (rc != 0)
            return rc;
        if ((!fitting || c.fits) &&
            (!found || c.day_bytes < best->day_bytes)) {
            *best = c;
            found = true;
        }
    }
    return found ? 0 : MU_ERR_NOT_FOUND;
}

int mu_scheme_choose(const struct mu_scheme_facts *facts,
                     struct mu_scheme_choice *choice)
{
    struct mu_scheme_facts awake = *facts;
    struct mu_scheme_cost any;
    int rc = mu_scheme_explain(facts, MU_SCHEME_UNICAST, &choice->cost);

    if (rc == 0)
        rc = choose_best(facts, false, &any);
    if (rc != 0)
        return rc;
    choice->kind = MU_SCHEME_UNICAST;
    choice->reason = MU_REASON_SMALL;
    choice->other = any;
    if (facts->members <= SMALL_GROUP)
        return 0;
    if (choose_best(facts, true, &choice->cost) != 0) {
        choice->reason = MU_REASON_NONE_FIT;
        return 0;
    }
    choice->kind = choice->cost.kind;
    choice->reason = MU_REASON_CHEAPEST;
    if (any.kind != choice->kind) {
        choice->reason = MU_REASON_MEMORY;
        return 0;
    }
    /* Would another be cheaper if nobody slept? Then that is the reason. */
    awake.sleepers_per_mille = 0;
    rc = choose_best(&awake, true, &any);
    if (rc == 0 && any.kind != choice->kind) {
        choice->reason = MU_REASON_SLEEPERS;
        rc = mu_scheme_explain(facts, any.kind, &choice->other);
    } else if (rc == 0) {
        rc = mu_scheme_explain(facts, MU_SCHEME_UNICAST, &choice->other);
    }
    return rc;
}
