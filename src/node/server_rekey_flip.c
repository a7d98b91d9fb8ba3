/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next key of a group comes into force: key, trees, list of changes and
 * campaign in one transaction. Made by server_rekey.c.
 */
#include "node/server_core.h"

#define DEADLINE_LEAST 60u /* s, for a campaign whose key is active at once */

/* Is the key used at once, or when enough members have it? */
static bool flip_at_once(const struct mu_server *s,
                         const struct mu_group_record *g,
                         const struct mu_scheme_record *sc)
{
    return g->generation == 0 || g->generation >> 32 != s->epoch || g->cut ||
           !g->used || sc->wish.key_deadline_s == 0;
}

static int flip_key(struct mu_server *s, struct mu_group_record *g,
                    bool at_once)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_kid kid = mu_srv_kb_kid(r->group, r->generation);
    struct mu_kid passed = mu_srv_kb_kid(r->group, g->dormant);
    int rc = mu_srv_key_put(s, &kid,
                            at_once ? MU_PHASE_ACTIVE : MU_PHASE_DORMANT,
                            &r->kb);

    if (rc == 0 && at_once)
        rc = mu_srv_group_retire(s, r->group, g);
    if (rc != 0)
        return rc;
    if (g->dormant != 0)
        mu_srv_key_drop(s, &passed);
    g->dormant = at_once ? 0 : r->generation;
    if (at_once) {
        g->generation = r->generation;
        g->used = false;
    }
    g->wish = r->wish;
    g->cut = r->cut;
    mu_srv_group_put(s, r->group, g);
    mu_srv_holders_none(s, r->group, r->generation);
    return 0;
}

static void flip_scheme(struct mu_server *s, const struct mu_scheme_record *sc)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_scheme_record *n = &r->next;

    n->wish = sc->wish;
    n->rebuild = r->build ? n->heal : sc->rebuild;
    n->op_first = r->op_end;
    n->op_next = sc->op_next;
    n->gone = sc->gone;
    n->roster = sc->roster;
    n->heal = sc->heal && !r->heal;
    if (r->build) {
        n->gone = 0;
        n->least_memory = r->least;
    }
    mu_srv_scheme_put(s, r->group, n);
}

static int flip_campaign(struct mu_server *s, const struct mu_scheme_record *sc)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_server_campaign *c = r->c;
    struct mu_kid kid = mu_srv_kb_kid(r->group, r->generation);
    int rc = mu_kb_held(s->conf.crypto, &r->kb, &kid, c->rec.digest);

    if (rc == 0 && r->build)
        rc = mu_srv_targets_count(c);
    else if (rc == 0)
        rc = mu_srv_targets_count_of(c, r->members);
    if (rc != 0)
        return rc;
    if (r->build)
        c->rec.parts = 0;
    c->rec.cut = true;
    c->rec.phase = MU_CAMPAIGN_RUNNING;
    c->rec.generation = r->generation;
    c->rec.version = r->generation;
    c->rec.quorum_permille = sc->wish.key_quorum_permille != 0
                                 ? sc->wish.key_quorum_permille
                                 : 1000;
    c->rec.deadline_s = sc->wish.key_deadline_s != 0 ? sc->wish.key_deadline_s
                                                     : DEADLINE_LEAST;
    c->rec.elapsed_s = 0;
    c->base = s->now;
    c->stage = MU_STAGE_CAST;
    c->cast_at = s->now;
    c->retry_at = 0;
    (void)mu_srv_campaign_put(c);
    return 0;
}

/* What brought the key before this one has nothing left to do. */
static void flip_supersede(struct mu_server *s)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (c != s->rekey.c && mu_srv_campaign_at_work(c) &&
            mu_srv_campaign_is_key(c) && c->rec.group == s->rekey.group)
            mu_srv_campaign_finish(c);
    }
}

/* Areas where somebody has to fetch it; noted while it was made. */
static void flip_poke(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    const size_t len = s->conf.gateways_max / 8u + 1;

    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        if (c->rec.parts == 0 && mu_bit_get(mu_bytes(c->gateways, len), n - 1))
            mu_srv_poke(s, n);
        else if (mu_bit_get(mu_bytes(c->fetched, len), n - 1))
            mu_srv_poke_told(s, n);
    }
    mu_zero(c->fetched, len);
}

int mu_srv_rekey_flip(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_group_record g;
    struct mu_scheme_record sc;
    bool at_once;
    int rc;

    if (!mu_srv_taken(s))
        return 0;
    rc = mu_srv_group_get(s, r->group, &g);
    if (rc == 0)
        rc = mu_srv_scheme_get(s, r->group, &sc);
    if (rc == 0 && r->built)
        rc = mu_srv_trace_keep(s, r->group, &r->next);
    if (rc == 0)
        rc = flip_campaign(s, &sc);
    if (rc != 0)
        return rc;
    at_once = flip_at_once(s, &g, &sc);
    rc = flip_key(s, &g, at_once);
    if (rc != 0)
        return rc;
    flip_scheme(s, &sc);
    if (r->built || !r->build)
        s->trees.group = r->group;
    r->step = MU_REKEY_SWEEP;
    r->listed = false;
    r->after = mu_record_key_number(r->group);
    r->after.bytes[r->after.len++] = 'o';
    mu_secret_clear(&r->kb);
    flip_supersede(s);
    if (at_once)
        mu_srv_campaigns_follow(s, r->group, g.generation);
    mu_srv_campaign_changed(r->c);
    flip_poke(r->c);
    if (r->wish != MU_GROUP_KEEP)
        mu_srv_groups_mark(s, false);
    mu_srv_trace(s, at_once ? "rotate" : "rotate-dormant", r->group,
                 r->generation);
    return 0;
}

/* Changes that are covered, then what is left of older trees. */
void mu_srv_rekey_sweep(struct mu_server *s)
{
    struct mu_server_rekey *r = &s->rekey;
    struct mu_record_key prefix = mu_record_key_op(r->group, 0);
    struct mu_record_key end = mu_record_key_op(r->group, r->op_end);
    bool all;
    int rc;

    if (r->listed)
        rc = mu_srv_trace_sweep(s, r->group, &r->after, &all);
    else
        rc = mu_srv_records_drop(s, MU_TABLE_SCHEME, &prefix, 5, &end,
                                 &r->after, &all);
    if (rc == 0 && all && !r->listed && r->build) {
        r->listed = true;
        r->after = mu_record_key_places(r->group, 0, 0);
    } else if (rc != 0 || all) {
        r->c = NULL; /* what is left goes with the next rekey */
    }
}
