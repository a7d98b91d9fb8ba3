/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next key of a group, once it is made, on its way to the members: when it
 * is used, who has it, and what is left over. Made by server_rekey.c.
 */
#include "node/server_core.h"

static void rekey_activate(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;

    if (mu_srv_group_get(s, c->rec.group, &g) == 0 &&
        g.dormant == c->rec.generation && mu_srv_stores_room(s) &&
        mu_srv_group_activate(s, c->rec.group, &g) != 0)
        mu_srv_groups_mark(s, false); /* which tries again */
}

void mu_srv_rekey_cast(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    if (s->rekey.c == c)
        mu_srv_rekey_sweep(s);
    if (mu_srv_campaign_quorum(&c->rec))
        rekey_activate(c);
}

/* Those who have not said that they have the key. */
static void rekey_poke(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_bytes gateways =
        mu_bytes(c->gateways, s->conf.gateways_max / 8u + 1);

    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        uint8_t who[MU_AREA_DEVICES_MAX / 8] = {0};

        if (!mu_bit_get(gateways, n - 1))
            continue;
        if (mu_srv_targets_missing(c, n, false, who) != 0) {
            mu_srv_poke(s, n);
            continue;
        }
        for (uint16_t i = 0; i < MU_AREA_DEVICES_MAX; i++)
            if (mu_bit_get(MU_BYTES(who), i))
                mu_srv_poke_device(s, n, i);
    }
}

void mu_srv_rekey_ended(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;

    if (s->rekey.c == c)
        s->rekey.c = NULL;
    rekey_activate(c);
    /* Whoever has not said that it has the key is told to fetch it; when there
     * is a newer one already, that one's campaign sees to them. */
    if (c->rec.running + c->rec.revoked < c->rec.members &&
        mu_srv_group_get(s, c->rec.group, &g) == 0 &&
        mu_srv_group_newest(&g) == c->rec.generation)
        rekey_poke(c);
}

struct mu_server_campaign *mu_srv_rekey_of(struct mu_server *s, uint32_t group,
                                           uint64_t generation)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (mu_srv_campaign_at_work(c) && mu_srv_campaign_is_key(c) &&
            c->rec.cut && c->rec.group == group &&
            c->rec.generation == generation)
            return c;
    }
    return NULL;
}

int mu_srv_rekey_held(struct mu_server *s, uint32_t group, uint32_t gateway,
                      uint16_t index, uint64_t generation)
{
    const uint8_t all = MU_STATE_RECEIVED | MU_STATE_VERIFIED |
                        MU_STATE_INSTALLED | MU_STATE_RUNNING;
    struct mu_server_campaign *c = mu_srv_rekey_of(s, group, generation);
    struct mu_target_record t;
    uint8_t *state = &t.state[index % MU_TARGETS];
    int rc;

    if (c == NULL)
        return 0;
    rc = mu_srv_target_get(s, &c->rec, gateway, index, &t);
    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT ? 0 : rc;
    if ((*state & MU_TARGET_MEMBER) == 0 ||
        (*state & (MU_TARGET_REVOKED | MU_STATE_RUNNING)) != 0)
        return 0;
    mu_srv_campaign_count(&c->rec, *state, -1);
    *state = (uint8_t)((*state & ~MU_STATE_FAILED) | all);
    mu_srv_campaign_count(&c->rec, *state, 1);
    mu_srv_target_put(s, c->rec.id, gateway, index, &t);
    mu_srv_campaign_settle(c);
    return 0;
}
