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
#define REKEY_WAIT MU_MS(20)      /* for another group's rekey */

enum mu_group_wish mu_srv_group_wish(const struct mu_server *s,
                                     const struct mu_group_record *g)
{
    uint64_t newest = mu_srv_group_newest(g);

    if (g->members == 0)
        return MU_GROUP_KEEP;
    if (newest == 0 || newest >> 32 != s->epoch)
        return MU_GROUP_NOW;
    if (newest < s->expire_below && g->wish == MU_GROUP_KEEP)
        return MU_GROUP_LATER;
    return g->wish;
}

uint64_t mu_srv_group_newest(const struct mu_group_record *g)
{
    return g->dormant != 0 ? g->dormant : g->generation;
}

bool mu_srv_group_schemed(const struct mu_group_record *g)
{
    return g->scheme != MU_SCHEME_UNICAST;
}

bool mu_srv_group_may_have(const struct mu_group_record *g,
                           const struct mu_device_group *entry)
{
    /* Under option 1 no device gets Kb. */
    return g->mode != MU_MODE_REPROTECT && g->generation > entry->after;
}

void mu_srv_group_want(struct mu_server *s, uint32_t number,
                       struct mu_group_record *g, enum mu_group_wish wish)
{
    if (g->wish < wish)
        g->wish = wish;
    /* A key that is being made already does not take this in. */
    if (mu_srv_rekey_makes(s, number) && s->rekey.wish < wish)
        s->rekey.wish = wish;
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
        (g.generation == generation || g.previous == generation ||
         g.dormant == generation))
        return;
    mu_srv_key_drop(s, &kid);
}

int mu_srv_group_retire(struct mu_server *s, uint32_t number,
                        struct mu_group_record *g)
{
    struct mu_kid kid = mu_srv_kb_kid(number, g->generation);
    uint64_t before = g->previous;
    struct mu_secret kb;
    int rc;

    if (g->generation == 0)
        return 0;
    rc = mu_srv_key_raw(s, &kid, &kb);
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

int mu_srv_group_activate(struct mu_server *s, uint32_t number,
                          struct mu_group_record *g)
{
    struct mu_kid kid = mu_srv_kb_kid(number, g->dormant);
    struct mu_secret kb;
    int rc = mu_srv_key_raw(s, &kid, &kb);

    if (rc == 0)
        rc = mu_srv_group_retire(s, number, g);
    if (rc == 0)
        rc = mu_srv_key_put(s, &kid, MU_PHASE_ACTIVE, &kb);
    mu_secret_clear(&kb);
    if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT) {
        /* It is lost: another one. */
        g->dormant = 0;
        g->wish = MU_GROUP_NOW;
        mu_srv_group_put(s, number, g);
        mu_srv_groups_mark(s, true);
        return 0;
    }
    if (rc != 0)
        return rc;
    g->generation = g->dormant;
    g->dormant = 0;
    g->used = false;
    mu_srv_group_put(s, number, g);
    mu_srv_campaigns_follow(s, number, g->generation);
    mu_srv_groups_mark(s, false); /* what waited for it */
    mu_srv_trace(s, "key-active", number, g->generation);
    return 0;
}

/* MSK ids have 16 bits for the number: devices tell the last two by it. */
static bool group_number_taken(uint32_t number,
                               const struct mu_group_record *g,
                               uint64_t generation)
{
    struct mu_kid kid = mu_srv_kb_kid(number, generation);
    struct mu_kid active = mu_srv_kb_kid(number, g->generation);
    struct mu_kid before = mu_srv_kb_kid(number, g->previous);
    uint16_t msk = mu_mbms_number(&kid);

    return (g->generation != 0 && msk == mu_mbms_number(&active)) ||
           (g->previous != 0 && msk == mu_mbms_number(&before));
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

    if (rc == 0 && g->mikey && group_number_taken(number, g, generation))
        rc = MU_ERR_BUSY; /* the next one has another */
    if (rc == 0)
        rc = c->random(c->ctx, fresh, sizeof fresh);
    if (rc != 0)
        return rc;
    rc = mu_secret_set(&kb, mu_bytes(fresh, g->mikey ? MU_MBMS_KEY_LEN
                                                     : sizeof fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = mu_srv_group_retire(s, number, g);
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
    mu_srv_holders_none(s, number, generation);
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
           (wish == MU_GROUP_LATER && (g->dormant == 0 || g->cut) &&
            !mu_srv_campaign_casts(s, number, g->generation));
}

/* What there is to do for one group; MU_ERR_BUSY for the counter's next block,
 * which is on its way to the store. */
static int group_work(struct mu_server *s, uint32_t number,
                      struct mu_group_record *g)
{
    int rc = 0;

    /* Without memory for trees it goes as in any group. */
    if (!mu_srv_group_schemed(g) || s->conf.scheme_mem == 0)
        return group_due(s, number, g) ? group_rotate(s, number, g) : 0;
    /* What should have ended its sleep is gone. */
    if (g->dormant != 0 && mu_srv_rekey_of(s, number, g->dormant) == NULL)
        rc = mu_srv_group_activate(s, number, g);
    if (rc == 0 && group_due(s, number, g))
        rc = mu_srv_rekey_begin(s, number);
    if (rc == MU_ERR_BUSY) {
        s->groups_again = true; /* the other groups do not wait for it */
        rc = 0;
    }
    return rc;
}

/* All groups were looked at. */
static bool groups_end(struct mu_server *s)
{
    s->groups_after = 0;
    s->groups_due = s->groups_again;
    s->groups_at = s->now + REKEY_WAIT;
    s->groups_again = false;
    return !s->groups_due;
}

bool mu_srv_groups_work(struct mu_server *s)
{
    struct mu_record_key k = mu_record_key_number(s->groups_after);
    struct mu_group_record g;
    struct mu_bytes value;
    struct mu_reader r;

    mu_srv_keys_expire(s);
    if (!s->groups_due)
        return true;
    if (s->groups_fresh)
        groups_gather(s);
    if (s->now < s->groups_at || !mu_srv_taken(s))
        return false;
    for (unsigned n = 0; n < GROUPS_A_STEP; n++) {
        uint32_t number;
        int rc = mu_srv_next(s, MU_TABLE_GROUP, &k, &value);
        if (rc == MU_ERR_NOT_FOUND)
            return groups_end(s);
        r = mu_reader(mu_record_key_view(&k));
        number = mu_read_u32(&r);
        if (rc == 0)
            rc = mu_srv_group_get(s, number, &g);
        if (rc == 0)
            rc = group_work(s, number, &g);
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

/* What is wrong with the wish for a group. */
static int create_check(const struct mu_server *s, struct mu_bytes name,
                        uint8_t mode, const struct mu_group_scheme *scheme)
{
    int rc = mu_srv_scheme_check(scheme);

    if (s->failed != 0)
        return s->failed;
    if (rc != 0 || !mu_srv_name_ok(name) || mode > MU_MODE_HAND_KEY)
        return MU_ERR_USAGE;
    if (scheme->kind != MU_SCHEME_UNICAST && s->conf.scheme_mem == 0)
        return MU_ERR_UNSUPPORTED;
    /* MSKs are told to each device by itself, as in MBMS. */
    if (scheme->mikey && scheme->kind != MU_SCHEME_UNICAST)
        return MU_ERR_USAGE;
    /* Gateways with a part in the content have one in its key. */
    if ((scheme->kind != MU_SCHEME_UNICAST || scheme->mikey ||
         scheme->methods != 0) && mode != MU_MODE_END_TO_END)
        return MU_ERR_USAGE;
    /* Nobody could ever have its key. */
    if (scheme->methods != 0 &&
        (scheme->methods & mu_srv_key_methods(s)) == 0)
        return MU_ERR_UNSUPPORTED;
    return mu_srv_room(s);
}

int mu_server_group_create(struct mu_server *s, struct mu_bytes name,
                           uint8_t mode, uint32_t *number)
{
    const struct mu_group_scheme plain = {.kind = MU_SCHEME_UNICAST};

    return mu_server_group_create_as(s, name, mode, &plain, number);
}

int mu_server_group_create_as(struct mu_server *s, struct mu_bytes name,
                              uint8_t mode,
                              const struct mu_group_scheme *scheme,
                              uint32_t *number)
{
    struct mu_group_record g = {.mode = mode,
                                .name_len = (uint8_t)name.len,
                                .scheme = scheme->kind,
                                .mikey = scheme->mikey,
                                .methods = scheme->methods};
    const struct mu_scheme_record sc = {
        .wish = *scheme, .op_first = 1, .op_next = 1};
    struct mu_record_key k;
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);
    uint64_t last;
    int rc = create_check(s, name, mode, scheme);

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
    if (scheme->mikey && last >= MU_MBMS_GROUP_MAX)
        return MU_ERR_FULL;
    *number = (uint32_t)last + 1;
    mu_copy(g.name, name.data, name.len);
    mu_srv_group_put(s, *number, &g);
    k = mu_record_key_group_name(name);
    mu_number_record_write(&w, *number);
    (void)mu_srv_put_written(s, MU_TABLE_NODE, &k, &w);
    (void)mu_srv_number_put(s, "groups", *number);
    if (mu_srv_group_schemed(&g))
        mu_srv_scheme_put(s, *number, &sc);
    mu_srv_trace(s, "group-created", *number, mode);
    return 0;
}

/* Of a group without a scheme. */
static void member_put(struct mu_server *s, uint32_t group,
                       struct mu_bytes identity, bool left)
{
    const struct mu_member_record m = {
        .left = left, .where = MU_WHERE_ANY, .slot = UINT32_MAX};

    mu_srv_member_put(s, group, identity, &m);
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
    return mu_server_group_add_at(s, name, identity, MU_WHERE_ANY);
}

/* Its record as a member, of either sort. */
static int member_enter(struct mu_server *s, uint32_t number,
                        const struct mu_group_record *g,
                        struct mu_bytes identity,
                        const struct mu_device_record *d, uint16_t where)
{
    if (mu_srv_group_schemed(g))
        return mu_srv_scheme_join(s, number, g, identity, d, where);
    if (where != MU_WHERE_ANY)
        return MU_ERR_USAGE;
    member_put(s, number, identity, false);
    return 0;
}

int mu_server_group_add_at(struct mu_server *s, struct mu_bytes name,
                           struct mu_bytes identity, uint16_t where)
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
    rc = member_enter(s, number, &g, identity, &d, where);
    if (rc != 0)
        return rc;
    /* A joiner opens nothing that was sent before, and has a place in the
     * trees with the next key only. */
    d.groups[d.groups_len++] = (struct mu_device_group){
        .number = number, .after = g.used ? g.generation : 0};
    if (mu_srv_group_schemed(&g))
        d.groups[d.groups_len - 1].after = mu_srv_group_newest(&g);
    mu_srv_device_put(s, identity, &d);
    g.members++;
    if (g.used || mu_srv_group_schemed(&g))
        mu_srv_group_want(s, number, &g, MU_GROUP_LATER);
    mu_srv_group_put(s, number, &g);
    mu_srv_groups_mark(s, false);
    mu_srv_poke_device(s, d.gateway, d.index);
    mu_srv_campaigns_join(s, number, &d);
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
    if (mu_srv_group_schemed(&g))
        rc = mu_srv_scheme_leave(s, number, identity, d);
    else
        member_put(s, number, identity, true);
    if (rc != 0)
        return rc;
    mu_srv_holders_leave(s, number, entry->held);
    *entry = d->groups[--d->groups_len];
    if (g.members > 0)
        g.members--;
    g.cut = mu_srv_group_schemed(&g);
    if (mu_srv_rekey_makes(s, number))
        s->rekey.cut = true;
    mu_srv_group_want(s, number, &g, rekey ? MU_GROUP_NOW : MU_GROUP_LATER);
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
    mu_srv_group_want(s, number, &g, MU_GROUP_NOW);
    mu_srv_group_put(s, number, &g);
    mu_srv_groups_mark(s, false);
    return 0;
}
