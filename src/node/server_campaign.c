/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Campaigns: from the operator's wish to the last report. What a restart has
 * to know is in records; a campaign at work has a slot in memory as well. Its
 * life is
 *
 *   PREPARING - RUNNING - DONE | QUORUM | FAILED | CANCELLED
 *
 * with PAUSED beside RUNNING, and back to PREPARING when a member is shut out
 * (another edition: docs/wire-format.md s.5.1).
 */
#include "node/server_core.h"

#define RETRY_WAIT MU_SECONDS(1)  /* after an object could not be read */
#define BUSY_WAIT MU_MS(20)       /* for a key or for room */
#define DEADLINE_DEFAULT 86400u   /* s */
#define DEADLINE_MAX (366u * 86400u)
#define SWEEP_A_STEP 64 /* records */

/* ---- slots ----------------------------------------------------------------- */

bool mu_srv_campaign_at_work(const struct mu_server_campaign *c)
{
    return c->used && c->stage < MU_STAGE_ENDING;
}

struct mu_server_campaign *mu_srv_campaign_find(struct mu_server *s,
                                                const uint8_t *id)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used &&
            mu_bytes_eq(MU_BYTES(s->campaigns[i].rec.id),
                        mu_bytes(id, MU_CAMPAIGN_ID)))
            return &s->campaigns[i];
    return NULL;
}

bool mu_srv_campaign_needs_key(const struct mu_server *s, uint32_t group,
                               uint64_t generation)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used &&
            !mu_srv_campaign_is_key(&s->campaigns[i]) &&
            s->campaigns[i].rec.group == group &&
            s->campaigns[i].rec.generation == generation)
            return true;
    return false;
}

bool mu_srv_campaign_on_air(const struct mu_server_campaign *c)
{
    return c->used && !mu_srv_campaign_is_key(c) &&
           (c->rec.phase == MU_CAMPAIGN_RUNNING ||
            c->rec.phase == MU_CAMPAIGN_PAUSED);
}

bool mu_srv_campaign_casts(const struct mu_server *s, uint32_t group,
                           uint64_t generation)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        const struct mu_server_campaign *c = &s->campaigns[i];
        if (mu_srv_campaign_on_air(c) && c->rec.group == group &&
            c->rec.generation == generation)
            return true;
    }
    return false;
}

/* Somebody has yet to receive it. */
static bool campaign_unfinished(const struct mu_campaign_record *r)
{
    return r->received < r->members - r->revoked;
}

void mu_srv_campaigns_follow(struct mu_server *s, uint32_t group,
                             uint64_t generation)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (mu_srv_campaign_on_air(c) && c->rec.group == group &&
            c->rec.generation != generation && campaign_unfinished(&c->rec))
            c->rekey_due = true;
    }
}

static void slot_free(struct mu_server_campaign *c)
{
    mu_srv_cast_end(c);
    mu_secret_clear(&c->cek);
    c->used = false;
    mu_srv_group_sweep(c->server, c->rec.group, c->rec.generation);
}

/* A free slot, or that of a cancelled campaign which is only listed. */
static struct mu_server_campaign *slot_take(struct mu_server *s)
{
    struct mu_server_campaign *c, *oldest = NULL;

    for (uint16_t i = 0; i < s->conf.campaigns_max; i++) {
        c = &s->campaigns[i];
        if (!c->used)
            return c;
        if (c->stage == MU_STAGE_LISTED &&
            (oldest == NULL || c->number < oldest->number))
            oldest = c;
    }
    if (oldest != NULL)
        slot_free(oldest);
    return oldest;
}

/* A free slot for a key. Without one, the oldest gives way: who has not got
 * its key yet fetches it. */
static struct mu_server_campaign *slot_take_key(struct mu_server *s)
{
    struct mu_server_campaign *c, *oldest = NULL;

    for (uint16_t i = s->conf.campaigns_max; i < s->campaigns_len; i++) {
        c = &s->campaigns[i];
        if (!c->used)
            return c;
        if (mu_srv_campaign_at_work(c) && c->rec.cut &&
            (oldest == NULL || c->number < oldest->number))
            oldest = c;
    }
    if (oldest != NULL)
        mu_srv_campaign_finish(oldest); /* it is free when that is durable */
    return NULL;
}

/* Begins a slot anew; its memory stays. */
static void slot_reset(struct mu_server *s, struct mu_server_campaign *c)
{
    c->server = s;
    c->used = true;
    c->stage = MU_STAGE_TARGETS;
    c->rekey_due = false;
    c->late_asked = false;
    c->listed = false;
    c->sending = false;
    c->least_memory = UINT64_MAX;
    c->retry_at = 0;
    c->base = MU_TIME_NEVER; /* it begins with the next step */
    c->stored_page = c->stored_elapsed = 0;
    c->wide = (struct mu_cast_counts){0};
    c->fetched_at = MU_TIME_NEVER;
    mu_secret_clear(&c->cek);
    mu_zero(c->gateways, s->conf.gateways_max / 8u + 1);
    mu_zero(c->fetched, s->conf.gateways_max / 8u + 1);
}

uint32_t mu_srv_campaign_elapsed(const struct mu_server_campaign *c)
{
    uint64_t s = c->base == MU_TIME_NEVER
                     ? 0
                     : (c->server->now - c->base) / MU_SECONDS(1);
    uint64_t sum = c->rec.elapsed_s + s;

    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

uint32_t mu_srv_campaign_put(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_record_key k = mu_record_key_long(c->number);
    uint8_t room[sizeof c->rec + 64];
    struct mu_writer w = mu_writer(room, sizeof room);
    uint32_t elapsed = mu_srv_campaign_elapsed(c);

    /* Whole seconds move from the base into the record; the rest stays. */
    if (c->base != MU_TIME_NEVER)
        c->base += MU_SECONDS(elapsed - c->rec.elapsed_s);
    c->rec.elapsed_s = elapsed;
    mu_campaign_record_write(&w, &c->rec);
    return mu_srv_put_written(s, MU_TABLE_CAMPAIGN, &k, &w);
}

void mu_srv_campaign_changed(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    s->campaigns_version++;
    for (uint32_t n = 1; n <= s->gateways_len; n++)
        if (mu_bit_get(mu_bytes(c->gateways, s->conf.gateways_max / 8u + 1),
                       n - 1))
            mu_srv_notice(s, n);
}

void mu_srv_campaign_count(struct mu_campaign_record *r, uint8_t state,
                           int sign)
{
    uint32_t one = (uint32_t)sign;

    if ((state & MU_TARGET_MEMBER) == 0)
        return;
    r->members += one;
    if ((state & MU_TARGET_REVOKED) != 0) {
        r->revoked += one;
        return;
    }
    if ((state & MU_STATE_RECEIVED) != 0)
        r->received += one;
    if ((state & MU_STATE_VERIFIED) != 0)
        r->verified += one;
    if ((state & MU_STATE_INSTALLED) != 0)
        r->installed += one;
    if ((state & MU_STATE_RUNNING) != 0)
        r->running += one;
    if ((state & MU_STATE_FAILED) != 0)
        r->failed += one;
}

/* ---- the end --------------------------------------------------------------- */

static void campaign_end(struct mu_server_campaign *c,
                         enum mu_campaign_phase phase)
{
    struct mu_server *s = c->server;
    struct mu_kid cek = mu_srv_cek_kid(c);
    struct mu_record_key k = mu_record_key_progress(c->rec.id);

    mu_srv_cast_end(c);
    c->rec.phase = phase;
    c->rekey_due = false;
    c->stage = MU_STAGE_ENDING;
    if (!mu_srv_campaign_is_key(c)) {
        mu_srv_key_drop(s, &cek);
        mu_srv_delete(s, MU_TABLE_SEEN, &k);
        mu_srv_cast_counts_put(c);
    }
    c->ticket = mu_srv_campaign_put(c);
    mu_srv_campaign_changed(c);
    if (mu_srv_campaign_is_key(c))
        mu_srv_rekey_ended(c);
    mu_srv_groups_mark(s, false); /* what waited for its end */
    mu_srv_trace(s, "ended", c->number, phase);
}

bool mu_srv_campaign_quorum(const struct mu_campaign_record *r)
{
    uint32_t wanted = r->members - r->revoked;

    return r->running != 0 && (uint64_t)r->running * 1000 >=
                                  (uint64_t)wanted * r->quorum_permille;
}

void mu_srv_campaign_settle(struct mu_server_campaign *c)
{
    const struct mu_campaign_record *r = &c->rec;
    uint32_t wanted = r->members - r->revoked;
    bool late = mu_srv_campaign_elapsed(c) >= r->deadline_s;

    /* A key that is being made has no deadline: the group waits for it. */
    if (!mu_srv_campaign_at_work(c) ||
        (!r->cut && (!late || mu_srv_campaign_is_key(c))))
        return;
    if (r->running == wanted && wanted != 0)
        campaign_end(c, MU_CAMPAIGN_DONE);
    else if (r->running + r->failed == wanted || late)
        /* Nothing more will come, or not in time. */
        mu_srv_campaign_finish(c);
}

void mu_srv_campaign_finish(struct mu_server_campaign *c)
{
    campaign_end(c, mu_srv_campaign_quorum(&c->rec) ? MU_CAMPAIGN_QUORUM
                                                    : MU_CAMPAIGN_FAILED);
}

/* The files of an ended campaign go once its end is durable. */
static void campaign_sweep(struct mu_server *s, struct mu_campaign_record *r,
                           uint64_t number)
{
    struct mu_record_key k = mu_record_key_long(number);
    uint8_t room[sizeof *r + 64];
    struct mu_writer w = mu_writer(room, sizeof room);

    if (r->what == MU_CAMPAIGN_OBJECT) {
        s->conf.depot->remove(s->conf.depot->ctx, r->id, 0);
        s->conf.depot->remove(s->conf.depot->ctx, r->id, 1);
    } else if (r->what == MU_CAMPAIGN_COMMAND) {
        mu_srv_command_sweep(s, r->id);
    }
    r->swept = true;
    mu_campaign_record_write(&w, r);
    (void)mu_srv_put_lazy(s, MU_TABLE_CAMPAIGN, &k, &w);
}

void mu_srv_campaigns_stored(struct mu_server *s)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (!c->used || c->stage != MU_STAGE_ENDING ||
            !mu_srv_is_durable(s, c->ticket) || !mu_srv_stores_room(s))
            continue;
        if (mu_srv_campaign_is_key(c)) {
            c->stage = MU_STAGE_SWEEPING;
            continue;
        }
        campaign_sweep(s, &c->rec, c->number);
        if (c->rec.phase == MU_CAMPAIGN_CANCELLED && c->rec.announce_len != 0)
            c->stage = MU_STAGE_LISTED;
        else
            slot_free(c);
    }
}

int mu_srv_campaigns_shut_out(struct mu_server *s, uint32_t group,
                              uint32_t gateway, uint16_t index, bool *rekey)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        struct mu_target_record t;
        uint8_t *state = &t.state[index % MU_TARGETS];
        /* Before that the counts are not made yet. */
        bool counted = c->rec.cut || c->stage == MU_STAGE_DIGEST;
        int rc;
        if (!mu_srv_campaign_at_work(c) || c->rec.group != group)
            continue;
        rc = mu_srv_target_get(s, &c->rec, gateway, index, &t);
        if (rc != 0 && rc != MU_ERR_NOT_FOUND)
            return rc;
        if ((*state & MU_TARGET_MEMBER) == 0 ||
            (*state & MU_TARGET_REVOKED) != 0)
            continue;
        if (counted)
            mu_srv_campaign_count(&c->rec, *state, -1);
        /* Who has it all has nothing left to be shut out of. */
        if (c->rec.rekey && mu_srv_campaign_on_air(c) &&
            (*state & MU_STATE_RECEIVED) == 0)
            *rekey = true;
        *state |= MU_TARGET_REVOKED;
        if (counted)
            mu_srv_campaign_count(&c->rec, *state, 1);
        mu_srv_target_put(s, c->rec.id, gateway, index, &t);
    }
    return 0;
}

/* The inline objects of a key that has ended, some a step. */
static void parts_sweep(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;

    for (unsigned n = 0; n < SWEEP_A_STEP && mu_srv_stores_room(s); n++) {
        struct mu_record_key k =
            mu_record_key_part(c->rec.id, (uint16_t)c->stored_page);
        if (c->stored_page >= c->rec.parts) {
            campaign_sweep(s, &c->rec, c->number);
            slot_free(c);
            return;
        }
        mu_srv_delete(s, MU_TABLE_SEEN, &k);
        c->stored_page++;
    }
}

/* ---- work ------------------------------------------------------------------ */

/* One step of making it ready. */
static int campaign_prepare(struct mu_server_campaign *c)
{
    if (mu_srv_campaign_is_key(c))
        return mu_srv_rekey_step(c);
    if (mu_srv_campaign_is_command(c))
        return mu_srv_command_step(c);
    return c->rekey_due && c->stage == MU_STAGE_CAST
               ? mu_srv_prepare_again(c)
               : mu_srv_prepare_step(c);
}

static void campaign_work(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    int rc = 0;

    if (c->base == MU_TIME_NEVER)
        c->base = s->now;
    if (c->stage == MU_STAGE_LISTED &&
        mu_srv_campaign_elapsed(c) >= c->rec.deadline_s)
        slot_free(c);
    else if (c->stage == MU_STAGE_SWEEPING)
        parts_sweep(c);
    if (!mu_srv_campaign_at_work(c) || mu_srv_room(s) != 0)
        return;
    mu_srv_campaign_settle(c);
    if (!mu_srv_campaign_at_work(c))
        return;
    if (c->stage == MU_STAGE_CAST && !c->rekey_due) {
        mu_srv_late_work(c);
        if (mu_srv_campaign_is_key(c))
            mu_srv_rekey_cast(c);
        else if (!mu_srv_campaign_is_command(c))
            mu_srv_cast_work(c);
        return;
    }
    if (s->now < c->retry_at)
        return;
    rc = campaign_prepare(c);
    if (rc == MU_ERR_BUSY) {
        c->retry_at = s->now + BUSY_WAIT;
    } else if (rc != 0) {
        /* A disk that is full, a file that is away: it goes on when that is
         * cured, and otherwise fails at the deadline. */
        mu_srv_trace(s, "prepare-failed", c->number, (uint64_t)-(int64_t)rc);
        c->retry_at = s->now + RETRY_WAIT;
    }
}

void mu_srv_campaigns_work(struct mu_server *s)
{
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used)
            campaign_work(&s->campaigns[i]);
}

static mu_time campaign_deadline(const struct mu_server_campaign *c)
{
    const struct mu_server *s = c->server;
    uint32_t left = c->rec.deadline_s > c->rec.elapsed_s
                        ? c->rec.deadline_s - c->rec.elapsed_s
                        : 0;
    mu_time end = c->base + MU_SECONDS(left);

    if (c->base == MU_TIME_NEVER)
        return s->now;
    switch (c->stage) {
    case MU_STAGE_ENDING:
        return MU_TIME_NEVER;
    case MU_STAGE_LISTED:
        return end;
    case MU_STAGE_SWEEPING:
        return s->now;
    case MU_STAGE_CAST:
        if (mu_srv_campaign_is_key(c))
            return s->rekey.c == c ? s->now : end;
        if (!c->rekey_due && mu_srv_campaign_is_command(c))
            return end;
        if (!c->rekey_due)
            return mu_time_min(mu_time_min(end, mu_srv_late_deadline(c)),
                               mu_srv_cast_deadline(c));
        break;
    default:
        break;
    }
    return mu_time_min(end, c->retry_at > s->now ? c->retry_at : s->now);
}

mu_time mu_srv_campaigns_deadline(const struct mu_server *s)
{
    mu_time at = MU_TIME_NEVER;

    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used)
            at = mu_time_min(at, campaign_deadline(&s->campaigns[i]));
    return at;
}

/* ---- after a restart ------------------------------------------------------- */

static bool campaign_ended(const struct mu_campaign_record *r)
{
    return r->phase >= MU_CAMPAIGN_DONE;
}

/* What its records say. The files are looked at in the stage RESUME, which
 * tries again when they are out of reach. */
static int campaign_resume(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_record_key k = mu_record_key_progress(c->rec.id);
    struct mu_progress_record p;
    struct mu_group_record g;
    struct mu_bytes value;
    int rc;

    c->after = mu_record_key_number(c->rec.group);
    c->stage = MU_STAGE_RESUME;
    if (mu_srv_campaign_is_key(c)) {
        if (campaign_ended(&c->rec))
            c->stage = MU_STAGE_SWEEPING;
        else if (c->rec.cut)
            c->stage = MU_STAGE_CAST;
        c->cast_at = s->now;
        return c->stage == MU_STAGE_CAST ? mu_srv_targets_count(c) : 0;
    }
    mu_srv_cast_counts_get(s, c->rec.id, &c->wide);
    if (c->rec.phase == MU_CAMPAIGN_CANCELLED) {
        c->stage = MU_STAGE_LISTED;
    } else if (mu_srv_get(s, MU_TABLE_SEEN, &k, &value) == 0 &&
               mu_progress_record_read(value, &p) == 0) {
        c->stored_page = p.page;
        c->stored_elapsed = p.elapsed_s;
        if (p.elapsed_s > c->rec.elapsed_s)
            c->rec.elapsed_s = p.elapsed_s;
    }
    if (!c->rec.cut)
        return 0;
    rc = mu_srv_targets_count(c);
    /* The group got a new key, and then the power failed. */
    if (rc == 0 && mu_srv_group_get(s, c->rec.group, &g) == 0)
        c->rekey_due = mu_srv_campaign_on_air(c) && campaign_unfinished(&c->rec) &&
                       c->rec.generation != g.generation;
    return rc;
}

/* One of a key: it has a slot, or its time is over. */
static int campaign_load_key(struct mu_server *s, uint64_t number,
                             const struct mu_campaign_record *r)
{
    int rc;

    if (campaign_ended(r) && r->swept)
        return 0;
    for (uint16_t i = s->conf.campaigns_max; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (c->used)
            continue;
        slot_reset(s, c);
        c->rec = *r;
        c->number = number;
        rc = campaign_resume(c);
        c->used = rc == 0;
        mu_srv_trace(s, "found", number, (uint64_t)r->phase);
        return rc;
    }
    /* Fewer slots than there were: another start looks at it again, or its time
     * is over, and those without the key fetch it. */
    if (!campaign_ended(r) && mu_srv_stores_room(s)) {
        struct mu_campaign_record *ended = &s->loading;
        struct mu_record_key k = mu_record_key_long(number);
        uint8_t room[sizeof *ended + 64];
        struct mu_writer w = mu_writer(room, sizeof room);

        mu_assert(r == ended);
        ended->phase = MU_CAMPAIGN_FAILED;
        mu_campaign_record_write(&w, ended);
        (void)mu_srv_put_lazy(s, MU_TABLE_CAMPAIGN, &k, &w);
    }
    return 0;
}

/* One record found at the start. */
static int campaign_load(struct mu_server *s, uint64_t number,
                         const struct mu_campaign_record *r)
{
    struct mu_server_campaign *c = NULL;
    struct mu_campaign_record ended;
    int rc;

    if (r->what == MU_CAMPAIGN_KEY)
        return campaign_load_key(s, number, r);
    if (campaign_ended(r) && !r->swept && mu_srv_stores_room(s)) {
        ended = *r;
        campaign_sweep(s, &ended, number);
    }
    if (campaign_ended(r) &&
        (r->phase != MU_CAMPAIGN_CANCELLED || r->announce_len == 0 ||
         r->elapsed_s >= r->deadline_s))
        return 0;
    for (uint16_t i = 0; i < s->conf.campaigns_max && c == NULL; i++)
        if (!s->campaigns[i].used)
            c = &s->campaigns[i];
    if (c == NULL && !campaign_ended(r))
        c = slot_take(s);
    if (c == NULL)
        return campaign_ended(r) ? 0 : MU_ERR_FULL;
    slot_reset(s, c);
    c->rec = *r;
    c->number = number;
    rc = campaign_resume(c);
    c->used = rc == 0;
    mu_srv_trace(s, "found", number, (uint64_t)r->phase);
    return rc;
}

int mu_srv_campaigns_load(struct mu_server *s)
{
    struct mu_record_key k = {.len = 0};
    struct mu_campaign_record *r = &s->loading;
    struct mu_bytes value;
    int rc;

    mu_srv_rekey_reset(s);
    for (uint16_t i = 0; i < s->campaigns_len; i++)
        s->campaigns[i].used = false;
    for (;;) {
        struct mu_reader key;
        rc = mu_srv_next(s, MU_TABLE_CAMPAIGN, &k, &value);
        if (rc == MU_ERR_NOT_FOUND)
            return 0;
        if (rc == 0)
            rc = mu_campaign_record_read(value, r);
        key = mu_reader(mu_record_key_view(&k));
        if (rc == 0)
            rc = campaign_load(s, mu_read_u64(&key), r);
        if (rc == MU_ERR_CORRUPT)
            mu_srv_trace(s, "campaign-damaged", mu_read_u64(&key), 0);
        else if (rc != 0)
            return rc;
    }
}

/* ---- the operator's wishes ------------------------------------------------- */

/* Whether any member can hold the object; ends at the first. */
static int push_fits(struct mu_server *s, uint32_t group, uint64_t size)
{
    struct mu_record_key k = mu_record_key_number(group);
    struct mu_device_record d;
    struct mu_bytes identity;
    int rc;

    while ((rc = mu_srv_member_next(s, group, false, &k, &identity)) == 0)
        if (mu_srv_device_get(s, identity, &d) == 0 &&
            (!d.capable || d.capability.object_max >= size))
            return 0;
    return rc == MU_ERR_NOT_FOUND ? MU_ERR_TOO_LARGE : rc;
}

/* What is wrong with the numbers of a wish. */
static int push_check(struct mu_server *s, const struct mu_push *push,
                      struct mu_cast_shape *shape)
{
    struct mu_cast_sender_conf sender = {.receivers = s->conf.gateways_max};
    int rc;

    *shape = push->shape.payload != 0 ? push->shape : s->conf.shape;
    if (!mu_srv_name_ok(push->name) || push->size == 0 ||
        push->quorum_permille > 1000 || push->deadline_s > DEADLINE_MAX)
        return MU_ERR_USAGE;
    rc = mu_cast_shape_check(shape);
    if (rc == 0)
        rc = mu_cast_page_first(shape, push->size, &(struct mu_cast_page){0});
    if (rc != 0)
        return rc;
    sender.shape = *shape;
    return mu_cast_prepare_work(shape) > s->campaign_work ||
                   mu_cast_sender_work(&sender) > s->campaign_work
               ? MU_ERR_TOO_LARGE
               : 0;
}

static void push_fill(struct mu_campaign_record *r, const uint8_t *campaign,
                      const struct mu_push *push, uint32_t group, uint8_t mode,
                      const struct mu_cast_shape *shape)
{
    *r = (struct mu_campaign_record){
        .group = group,
        .mode = mode,
        .phase = MU_CAMPAIGN_PREPARING,
        .downgrade = push->downgrade,
        .acks_ride = push->acks_ride,
        .rekey = push->rekey_on_revoke,
        .name_len = (uint8_t)push->name.len,
        .version = push->version,
        .size = push->size,
        .shape = *shape,
        .quorum_permille =
            push->quorum_permille != 0 ? push->quorum_permille : 1000,
        .deadline_s =
            push->deadline_s != 0 ? push->deadline_s : DEADLINE_DEFAULT,
    };
    mu_copy(r->id, campaign, MU_CAMPAIGN_ID);
    mu_copy(r->name, push->name.data, push->name.len);
}

static void campaign_number_put(struct mu_server_campaign *c)
{
    struct mu_record_key k = mu_record_key_campaign(c->rec.id);
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);

    (void)mu_srv_campaign_put(c);
    mu_number_record_write(&w, c->number);
    (void)mu_srv_put_written(c->server, MU_TABLE_SEEN, &k, &w);
}

int mu_srv_campaign_new(struct mu_server *s,
                        const struct mu_campaign_record *r)
{
    struct mu_record_key k = mu_record_key_campaign(r->id);
    struct mu_server_campaign *c;
    struct mu_bytes value;
    uint64_t number;
    int rc = mu_srv_get(s, MU_TABLE_SEEN, &k, &value);

    if (rc != MU_ERR_NOT_FOUND)
        return rc == 0 ? MU_ERR_CONFLICT : rc;
    c = slot_take(s);
    if (c == NULL)
        return MU_ERR_FULL;
    rc = mu_counter_take(&s->numbers, &number);
    if (rc != 0)
        return rc;
    slot_reset(s, c);
    c->number = number;
    c->after = mu_record_key_number(r->group);
    c->rec = *r;
    campaign_number_put(c);
    mu_srv_trace(s, "push", number, r->size);
    return 0;
}

int mu_server_push(struct mu_server *s, const uint8_t campaign[MU_CAMPAIGN_ID],
                   const struct mu_push *push)
{
    struct mu_campaign_record r;
    struct mu_group_record g;
    struct mu_cast_shape shape;
    uint32_t group;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = mu_srv_group_find(s, push->group, &group, &g);
    if (rc == 0)
        rc = g.members == 0 ? MU_ERR_USAGE : push_check(s, push, &shape);
    if (rc == 0)
        rc = push_fits(s, group, push->size);
    if (rc != 0)
        return rc;
    push_fill(&r, campaign, push, group, g.mode, &shape);
    return mu_srv_campaign_new(s, &r);
}

struct mu_server_campaign *mu_srv_campaign_key(struct mu_server *s,
                                               uint32_t group, uint8_t mode,
                                               int *rc)
{
    static const char name[] = "group key";
    const struct mu_crypto *crypto = s->conf.crypto;
    struct mu_server_campaign *c = slot_take_key(s);
    uint64_t number = 0;

    *rc = c == NULL ? MU_ERR_BUSY : mu_counter_take(&s->numbers, &number);
    if (*rc != 0)
        return NULL;
    slot_reset(s, c);
    c->number = number;
    c->rec = (struct mu_campaign_record){
        .what = MU_CAMPAIGN_KEY,
        .group = group,
        .mode = mode,
        .phase = MU_CAMPAIGN_PREPARING,
        .name_len = sizeof name - 1,
        .shape = s->conf.shape,
        .quorum_permille = 1000,
        .deadline_s = DEADLINE_DEFAULT,
    };
    mu_copy(c->rec.name, name, c->rec.name_len);
    *rc = crypto->random(crypto->ctx, c->rec.id, sizeof c->rec.id);
    c->used = *rc == 0;
    if (*rc != 0)
        return NULL;
    campaign_number_put(c);
    return c;
}

/* A campaign at work, for a wish. */
static int wish_begin(struct mu_server *s, const uint8_t *campaign,
                      struct mu_server_campaign **c)
{
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc != 0)
        return rc;
    *c = mu_srv_campaign_find(s, campaign);
    if (*c != NULL && mu_srv_campaign_is_key(*c))
        return MU_ERR_UNSUPPORTED; /* a key is not held back */
    if (*c != NULL && mu_srv_campaign_at_work(*c))
        return 0;
    /* Ended already, or never there. */
    return mu_server_campaign_get(s, campaign,
                                  &(struct mu_campaign_view){0}) == 0
               ? MU_ERR_UNEXPECTED
               : MU_ERR_NOT_FOUND;
}

static int campaign_pause(struct mu_server *s, const uint8_t *campaign,
                          bool paused)
{
    struct mu_server_campaign *c;
    int rc = wish_begin(s, campaign, &c);

    if (rc != 0 || c->rec.paused == paused)
        return rc;
    c->rec.paused = paused;
    if (c->rec.phase != MU_CAMPAIGN_PREPARING)
        c->rec.phase = paused ? MU_CAMPAIGN_PAUSED : MU_CAMPAIGN_RUNNING;
    (void)mu_srv_campaign_put(c);
    mu_srv_campaign_changed(c);
    mu_srv_trace(s, paused ? "paused" : "resumed", c->number, 0);
    if (c->sending)
        mu_cast_sender_pause(&c->sender, paused);
    return 0;
}

int mu_server_pause(struct mu_server *s, const uint8_t campaign[8])
{
    return campaign_pause(s, campaign, true);
}

int mu_server_resume(struct mu_server *s, const uint8_t campaign[8])
{
    return campaign_pause(s, campaign, false);
}

int mu_server_cancel(struct mu_server *s, const uint8_t campaign[8])
{
    struct mu_server_campaign *c;
    struct mu_writer w;
    int rc = wish_begin(s, campaign, &c);

    if (rc != 0)
        return rc;
    w = mu_writer(c->rec.cancel, sizeof c->rec.cancel);
    rc = mu_cancel_create(s->conf.crypto, &s->signer, campaign, &w);
    if (rc != 0)
        return rc;
    c->rec.cancel_len = (uint8_t)w.len;
    campaign_end(c, MU_CAMPAIGN_CANCELLED);
    return 0;
}
