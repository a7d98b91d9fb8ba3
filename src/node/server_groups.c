/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: who is in, and the broadcast key Kb of each.
 *
 * A change of membership marks the group; its key is made anew a little later,
 * at the latest before something is signed under it, so that any number of
 * changes cost one generation. What is on the air under a key keeps it until
 * the end, so that members who were away can still fetch it; a campaign that
 * must shut somebody out is encrypted anew under the next. A joiner gets no key
 * that anything was sent under (backward secrecy), a leaver none that anything
 * will be sent under (forward secrecy).
 */
#include "node/server_core.h"

#define GROUPS_A_STEP 8
#define GATHER_WAIT MU_MS(50)     /* after a change, for more of them */
#define GATHER_WAIT_MAX MU_SECONDS(1)
#define RETRY_WAIT MU_SECONDS(1)  /* after the store failed */

enum mu_group_wish mu_srv_group_wish(const struct mu_server *s,
                                     const struct mu_group_record *g)
{
    if (g->members == 0)
        return MU_GROUP_KEEP;
    if (g->generation == 0 || g->generation >> 32 != s->epoch)
        return MU_GROUP_NOW;
    if (g->generation < s->expire_below && g->wish == MU_GROUP_KEEP)
        return MU_GROUP_LATER;
    return g->wish;
}

uint32_t mu_srv_key_valid_s(const struct mu_server *s)
{
    if (s->conf.rekey_s == 0)
        return 0;
    return s->expire_at > s->now + MU_SECONDS(1)
               ? (uint32_t)((s->expire_at - s->now) / MU_SECONDS(1)) : 1;
}

bool mu_srv_group_may_have(const struct mu_group_record *g,
                           const struct mu_device_group *entry)
{
    /* Under option 1 no device gets Kb. */
    return g->mode != MU_MODE_REPROTECT && g->generation > entry->after;
}

static void group_wish(struct mu_group_record *g, enum mu_group_wish wish)
{
    if (g->wish < wish)
        g->wish = wish;
}

/* ---- keys ----------------------------------------------------------------- */

void mu_srv_group_sweep(struct mu_server *s, uint32_t number,
                        uint64_t generation)
{
    struct mu_kid kid = mu_srv_kb_kid(number, generation);
    struct mu_group_record g;

    if (generation == 0 || mu_srv_campaign_needs_key(s, number, generation))
        return;
    if (mu_srv_group_get(s, number, &g) == 0 &&
        (g.generation == generation || g.previous == generation))
        return;
    mu_srv_key_drop(s, &kid);
}

/* Puts the active key of a group to rest, and forgets the one before it. */
static int group_retire(struct mu_server *s, uint32_t number,
                        struct mu_group_record *g)
{
    struct mu_kid kid = mu_srv_kb_kid(number, g->generation);
    uint64_t before = g->previous;
    struct mu_secret kb;
    int rc;

    if (g->generation == 0)
        return 0;
    rc = mu_srv_key_get(s, &kid, &kb);
    if (rc == 0)
        rc = mu_srv_key_put(s, &kid, MU_PHASE_RETIRED, &kb);
    mu_secret_clear(&kb);
    /* A key that is damaged in the store is no reason not to make a new one. */
    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    g->previous = g->generation;
    if (before != 0 && !mu_srv_campaign_needs_key(s, number, before)) {
        kid.generation = before;
        mu_srv_key_drop(s, &kid);
    }
    return 0;
}

static int group_rotate(struct mu_server *s, uint32_t number,
                        struct mu_group_record *g)
{
    const struct mu_crypto *c = s->conf.crypto;
    struct mu_kid kid;
    struct mu_secret kb;
    uint64_t generation;
    uint8_t fresh[32];
    int rc = mu_srv_generation_take(s, &generation);

    if (rc == 0)
        rc = c->random(c->ctx, fresh, sizeof fresh);
    if (rc != 0)
        return rc;
    rc = mu_secret_set(&kb, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = group_retire(s, number, g);
    kid = mu_srv_kb_kid(number, generation);
    if (rc == 0)
        rc = mu_srv_key_put(s, &kid, MU_PHASE_ACTIVE, &kb);
    mu_secret_clear(&kb);
    if (rc != 0)
        return rc;
    g->generation = generation;
    g->wish = MU_GROUP_KEEP;
    g->used = false;
    mu_srv_group_put(s, number, g);
    mu_srv_campaigns_follow(s, number, generation);
    mu_srv_poke_all(s);
    mu_srv_trace(s, "rotate", number, generation);
    return 0;
}

void mu_srv_groups_mark(struct mu_server *s, bool at_once)
{
    /* The time of a wish is that of the step that follows it. */
    if (!s->groups_due)
        s->groups_since = MU_TIME_NEVER;
    s->groups_fresh = !at_once;
    s->groups_at = s->now;
    s->groups_due = true;
    s->groups_after = 0;
}

static void groups_gather(struct mu_server *s)
{
    if (s->groups_since == MU_TIME_NEVER)
        s->groups_since = s->now;
    s->groups_at = mu_time_min(s->now + GATHER_WAIT,
                               s->groups_since + GATHER_WAIT_MAX);
    s->groups_fresh = false;
}

/* A key that something is on the air under stays until that has ended, for
 * those who have yet to fetch it; unless there is a reason not to wait. */
static bool group_due(const struct mu_server *s, uint32_t number,
                      const struct mu_group_record *g)
{
    enum mu_group_wish wish = mu_srv_group_wish(s, g);

    return wish == MU_GROUP_NOW ||
           (wish == MU_GROUP_LATER &&
            !mu_srv_campaign_casts(s, number, g->generation));
}

/* The keys there are expire together: what is made from now on is newer. */
static void groups_expire(struct mu_server *s)
{
    mu_time period = MU_SECONDS((mu_time)s->conf.rekey_s);

    if (period == 0 || s->now < s->expire_at)
        return;
    if (s->expire_at != 0) {
        s->expire_below = (uint64_t)s->epoch << 32 | s->generations.next;
        mu_srv_groups_mark(s, true);
        mu_srv_trace(s, "keys-expire", s->expire_below, 0);
    }
    s->expire_at = s->now + period;
}

bool mu_srv_groups_work(struct mu_server *s)
{
    struct mu_record_key k = mu_record_key_number(s->groups_after);
    struct mu_group_record g;
    struct mu_bytes value;
    struct mu_reader r;

    groups_expire(s);
    if (!s->groups_due)
        return true;
    if (s->groups_fresh)
        groups_gather(s);
    if (s->now < s->groups_at || !mu_srv_taken(s))
        return false;
    for (unsigned n = 0; n < GROUPS_A_STEP; n++) {
        uint32_t number;
        int rc = mu_srv_next(s, MU_TABLE_GROUP, &k, &value);
        if (rc == MU_ERR_NOT_FOUND) {
            s->groups_due = false;
            s->groups_after = 0;
            return true;
        }
        r = mu_reader(mu_record_key_view(&k));
        number = mu_read_u32(&r);
        if (rc == 0)
            rc = mu_srv_group_get(s, number, &g);
        if (rc == 0 && group_due(s, number, &g))
            rc = group_rotate(s, number, &g);
        /* Busy: the counter's next block is on its way to the store. */
        if (rc == MU_ERR_BUSY)
            return false;
        if (rc != 0 && rc != MU_ERR_CORRUPT) {
            s->groups_at = s->now + RETRY_WAIT;
            return false;
        }
        s->groups_after = number;
    }
    return false;
}

/* ---- the operator's wishes ------------------------------------------------ */

int mu_server_group_create(struct mu_server *s, struct mu_bytes name,
                           uint8_t mode, uint32_t *number)
{
    struct mu_group_record g = {.mode = mode, .name_len = (uint8_t)name.len};
    struct mu_record_key k;
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);
    uint64_t last;
    int rc;

    if (s->failed != 0)
        return s->failed;
    if (!mu_srv_name_ok(name) || mode > MU_MODE_HAND_KEY)
        return MU_ERR_USAGE;
    rc = mu_srv_room(s);
    if (rc != 0)
        return rc;
    rc = mu_srv_group_find(s, name, number, &(struct mu_group_record){0});
    if (rc != MU_ERR_NOT_FOUND)
        return rc == 0 ? MU_ERR_CONFLICT : rc;
    rc = mu_srv_number_get(s, "groups", &last);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        return rc;
    if (last >= UINT32_MAX - 1)
        return MU_ERR_EXHAUSTED;
    *number = (uint32_t)last + 1;
    mu_copy(g.name, name.data, name.len);
    mu_srv_group_put(s, *number, &g);
    k = mu_record_key_group_name(name);
    mu_number_record_write(&w, *number);
    (void)mu_srv_put_written(s, MU_TABLE_NODE, &k, &w);
    (void)mu_srv_number_put(s, "groups", *number);
    mu_srv_trace(s, "group-created", *number, mode);
    return 0;
}

static void member_put(struct mu_server *s, uint32_t group,
                       struct mu_bytes identity, bool left)
{
    struct mu_record_key k = mu_record_key_member(group, identity);
    struct mu_member_record m = {.left = left};
    uint8_t room[8];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_member_record_write(&w, &m);
    (void)mu_srv_put_written(s, MU_TABLE_MEMBER, &k, &w);
}

/* What add and remove begin with. */
static int member_begin(struct mu_server *s, struct mu_bytes name,
                        struct mu_bytes identity, uint32_t *number,
                        struct mu_group_record *g, struct mu_device_record *d)
{
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = mu_srv_group_find(s, name, number, g);
    if (rc == 0)
        rc = mu_srv_device_get(s, identity, d);
    return rc;
}

int mu_server_group_add(struct mu_server *s, struct mu_bytes name,
                        struct mu_bytes identity)
{
    struct mu_group_record g;
    struct mu_device_record d;
    uint32_t number;
    int rc = member_begin(s, name, identity, &number, &g, &d);

    if (rc != 0)
        return rc;
    if (d.revoked)
        return MU_ERR_FORBIDDEN;
    if (mu_device_record_group(&d, number) != NULL)
        return 0;
    if (d.groups_len == MU_DEVICE_GROUPS_MAX)
        return MU_ERR_FULL;
    /* A joiner opens nothing that was sent before. */
    d.groups[d.groups_len++] = (struct mu_device_group){
        .number = number, .after = g.used ? g.generation : 0};
    mu_srv_device_put(s, identity, &d);
    member_put(s, number, identity, false);
    g.members++;
    if (g.used)
        group_wish(&g, MU_GROUP_LATER);
    mu_srv_group_put(s, number, &g);
    mu_srv_groups_mark(s, false);
    mu_srv_poke(s, d.gateway);
    return 0;
}

int mu_srv_group_leave(struct mu_server *s, struct mu_bytes identity,
                       struct mu_device_record *d, uint32_t number)
{
    struct mu_device_group *entry = mu_device_record_group(d, number);
    struct mu_group_record g;
    bool rekey = false;
    int rc = mu_srv_group_get(s, number, &g);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? MU_ERR_CORRUPT : rc;
    if (entry == NULL)
        return MU_ERR_NOT_FOUND;
    rc = mu_srv_campaigns_shut_out(s, number, d->gateway, d->index, &rekey);
    if (rc != 0)
        return rc;
    *entry = d->groups[--d->groups_len];
    member_put(s, number, identity, true);
    if (g.members > 0)
        g.members--;
    group_wish(&g, rekey ? MU_GROUP_NOW : MU_GROUP_LATER);
    mu_srv_group_put(s, number, &g);
    mu_srv_groups_mark(s, false);
    return 0;
}

int mu_server_group_remove(struct mu_server *s, struct mu_bytes name,
                           struct mu_bytes identity)
{
    struct mu_group_record g;
    struct mu_device_record d;
    uint32_t number;
    int rc = member_begin(s, name, identity, &number, &g, &d);

    if (rc == 0)
        rc = mu_srv_group_leave(s, identity, &d, number);
    if (rc == 0)
        mu_srv_device_put(s, identity, &d);
    return rc;
}

int mu_server_group_rotate(struct mu_server *s, struct mu_bytes name)
{
    struct mu_group_record g;
    uint32_t number;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = mu_srv_group_find(s, name, &number, &g);
    if (rc != 0)
        return rc;
    g.wish = MU_GROUP_NOW;
    mu_srv_group_put(s, number, &g);
    mu_srv_groups_mark(s, false);
    return 0;
}
