/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members that come while a campaign is open. Each is a target from then on,
 * and cannot open what is on the air: it has no key that anything was sent
 * under before it came. So there is another edition under the group's next key,
 * when the others are through with this one, or at the latest when half of the
 * time is over that was left (docs/decisions/0022). Areas where everybody runs
 * it have no part in that.
 */
#include "node/server_core.h"

/* ---- they come ------------------------------------------------------------- */

/* Before that its targets are not counted yet. */
static bool late_counted(const struct mu_server_campaign *c)
{
    return c->rec.cut || c->stage == MU_STAGE_DIGEST;
}

static void late_note(struct mu_server_campaign *c)
{
    uint32_t elapsed = mu_srv_campaign_elapsed(c);
    uint32_t left = c->rec.deadline_s > elapsed ? c->rec.deadline_s - elapsed
                                                : 0;

    if (c->rec.late++ == 0)
        c->rec.late_by = elapsed + left / 2;
}

static int late_join(struct mu_server_campaign *c,
                     const struct mu_device_record *d)
{
    struct mu_server *s = c->server;
    const unsigned at = d->index % MU_TARGETS;
    struct mu_target_record t;
    bool counted = late_counted(c);
    int rc = mu_srv_target_get(s, &c->rec, d->gateway, d->index, &t);

    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    if (counted)
        mu_srv_campaign_count(&c->rec, t.state[at], -1);
    /* Who was in it, and left, and is back, has what it has. */
    t.state[at] &= MU_TARGET_STATE;
    mu_srv_target_begin(c, d, &t);
    if (counted)
        mu_srv_campaign_count(&c->rec, t.state[at], 1);
    mu_srv_target_put(s, c->rec.id, d->gateway, d->index, &t);
    if (mu_srv_campaign_on_air(c))
        late_note(c);
    else if (counted)
        mu_bit_put(c->gateways, d->gateway - 1, true);
    (void)mu_srv_campaign_put(c);
    mu_srv_trace(s, "came-late", c->number, d->index);
    return 0;
}

void mu_srv_campaigns_join(struct mu_server *s, uint32_t group,
                           const struct mu_device_record *d)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];

        /* A key is fetched; a command is for those who were there. */
        if (!mu_srv_campaign_at_work(c) || c->rec.group != group ||
            c->rec.what != MU_CAMPAIGN_OBJECT)
            continue;
        /* It is a member all the same; the report says that it came later. */
        if (late_join(c, d) != 0)
            mu_srv_trace(s, "late-lost", c->number, d->index);
    }
}

/* ---- their turn ------------------------------------------------------------ */

/* The others have it, or cannot take it. */
static bool late_through(const struct mu_campaign_record *r)
{
    uint32_t others = r->members - r->revoked;

    others = others > r->late ? others - r->late : 0;
    return r->received >= others || r->running + r->failed >= others;
}

void mu_srv_late_work(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;

    if (s->now < mu_srv_late_deadline(c) ||
        mu_srv_group_get(s, c->rec.group, &g) != 0)
        return;
    c->late_asked = true;
    mu_srv_group_want(s, c->rec.group, &g, MU_GROUP_NOW);
    mu_srv_group_put(s, c->rec.group, &g);
    mu_srv_groups_mark(s, false);
    mu_srv_trace(s, "late-turn", c->number, c->rec.late);
}

mu_time mu_srv_late_deadline(const struct mu_server_campaign *c)
{
    if (c->rec.late == 0 || c->late_asked)
        return MU_TIME_NEVER;
    if (late_through(&c->rec))
        return c->server->now;
    return c->rec.late_by > c->rec.elapsed_s
               ? c->base + MU_SECONDS(c->rec.late_by - c->rec.elapsed_s)
               : c->base;
}

static bool late_anybody(const uint8_t who[MU_AREA_DEVICES_MAX / 8])
{
    for (size_t i = 0; i < MU_AREA_DEVICES_MAX / 8; i++)
        if (who[i] != 0)
            return true;
    return false;
}

int mu_srv_late_areas(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    if (c->rec.late == 0)
        return 0;
    if (!mu_srv_taken(s))
        return MU_ERR_BUSY;
    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        uint8_t who[MU_AREA_DEVICES_MAX / 8] = {0};
        int rc = mu_srv_targets_missing(c, n, false, who);

        if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
            return rc;
        mu_bit_put(c->gateways, n - 1, late_anybody(who));
    }
    /* Those who have no part any more are told so. */
    for (uint32_t n = 1; n <= s->gateways_len; n++)
        mu_srv_notice(s, n);
    c->rec.late = c->rec.late_by = 0;
    c->late_asked = false;
    return 0;
}
