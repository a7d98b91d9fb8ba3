/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object from its manifest to the running version. The table below decides
 * every move in every phase; each move is stored before anything tells of it.
 */
#include "node/device.h"

#include "muster/assert.h"

#define CHUNK 1024       /* bytes read at a time for the digest */
#define CHUNKS_A_STEP 64 /* 64 KiB: a step stays short on a slow flash */
#define CONFIRMS_MAX 5   /* the new version may need a while to come up */
#define SILENT_LONG MU_SECONDS(60) /* then another campaign may take over */

#define PHASES MU_DEVICE_PHASE_COUNT
#define MOVES MU_DEVICE_MOVE_COUNT

/* Refused is 0 so that what is not listed is refused. */
#define TO(phase) ((uint8_t)(MU_DEVICE_##phase + 1))

static const uint8_t campaign_moves[PHASES][MOVES] = {
    [MU_DEVICE_IDLE] = {
        [MU_DEVICE_MOVE_OFFER] = TO(RECEIVING),
    },
    [MU_DEVICE_RECEIVING] = {
        [MU_DEVICE_MOVE_OFFER] = TO(RECEIVING),
        [MU_DEVICE_MOVE_PAGES] = TO(CHECKING),
        [MU_DEVICE_MOVE_CANCEL] = TO(IDLE),
    },
    [MU_DEVICE_CHECKING] = {
        [MU_DEVICE_MOVE_GOOD] = TO(INSTALLING),
        [MU_DEVICE_MOVE_AGAIN] = TO(RECEIVING),
        [MU_DEVICE_MOVE_FAIL] = TO(IDLE),
        [MU_DEVICE_MOVE_CANCEL] = TO(IDLE),
    },
    [MU_DEVICE_INSTALLING] = {
        [MU_DEVICE_MOVE_HOOKED] = TO(CONFIRMING),
        [MU_DEVICE_MOVE_FAIL] = TO(IDLE),
    },
    [MU_DEVICE_CONFIRMING] = {
        [MU_DEVICE_MOVE_HOOKED] = TO(IDLE),
        [MU_DEVICE_MOVE_FAIL] = TO(IDLE),
    },
};

#undef TO

int mu_device_phase_after(enum mu_device_phase phase, enum mu_device_move move)
{
    mu_assert(phase < PHASES && move < MOVES);
    return campaign_moves[phase][move] - 1;
}

const char *mu_device_phase_name(enum mu_device_phase phase)
{
    static const char *const names[] = {
#define X(name, text) text,
        MU_DEVICE_PHASES(X)
#undef X
    };

    return phase < PHASES ? names[phase] : "?";
}

const char *mu_device_move_name(enum mu_device_move move)
{
    static const char *const names[] = {
#define X(name, text) text,
        MU_DEVICE_MOVES(X)
#undef X
    };

    return move < MOVES ? names[move] : "?";
}

/* ---- moves -------------------------------------------------------------- */

/* The entry work of a phase. */
static void campaign_enter(struct mu_device *d, enum mu_device_phase phase)
{
    struct mu_device_campaign *c = &d->campaign;

    c->hook_due =
        phase == MU_DEVICE_INSTALLING || phase == MU_DEVICE_CONFIRMING;
    c->hook_flying = false;
    mu_backoff_reset(&c->hook_wait);
    mu_backoff_reset(&c->wait);
    c->confirms = 0;
    c->hashed = 0;
    if (phase == MU_DEVICE_CHECKING)
        d->conf.crypto->sha256_init(d->conf.crypto->ctx, &c->sha);
    if (phase == MU_DEVICE_IDLE)
        mu_secret_clear(&c->cek);
}

static void campaign_move(struct mu_device *d, enum mu_device_move move)
{
    int to = mu_device_phase_after(d->campaign.phase, move);

    mu_assert(to >= 0); /* callers ask the phase first */
    d->campaign.phase = (uint8_t)to;
    campaign_enter(d, (enum mu_device_phase)to);
    mu_device_dirty(d, MU_DEVICE_REC_CAMPAIGN);
    mu_device_trace(d, mu_device_move_name(move), d->campaign.session,
                    (uint64_t)to);
}

static int campaign_state(struct mu_device *d, uint8_t state, int reason)
{
    return mu_device_report_state(d, &d->reports[0], state, reason,
                                  d->campaign.digest);
}

static int campaign_fail(struct mu_device *d, int reason)
{
    uint8_t had = d->reports[0].state;
    int rc = campaign_state(d, (uint8_t)(had | MU_STATE_FAILED), reason);

    if (rc != 0)
        return rc;
    campaign_move(d, MU_DEVICE_MOVE_FAIL);
    return 0;
}

void mu_device_campaign_resume(struct mu_device *d)
{
    campaign_enter(d, d->campaign.phase);
    mu_device_trace(d, "resume", d->campaign.session, d->campaign.phase);
}

/* ---- offers ------------------------------------------------------------- */

/* A campaign that cannot begin: its failure is proved like any other outcome.
 * Only while no other is in progress, whose report is the first. */
static int offer_refuse(struct mu_device *d, const struct mu_manifest *m,
                        const uint8_t object[32], uint8_t state, int reason)
{
    struct mu_device_report *r = mu_device_report_of(d, m->campaign);

    if (r == NULL)
        r = mu_device_report_new(d);
    mu_copy(r->campaign, m->campaign, MU_CAMPAIGN_ID);
    mu_copy(r->object, object, MU_OBJECT_ID_LEN);
    r->session = m->session;
    r->wait_s = m->ack_wait_s;
    return mu_device_report_state(d, r, state, reason, m->digest);
}

/* 0: may begin. 1: it runs already. Else why it may not. */
static int offer_check(const struct mu_device *d, const struct mu_manifest *m)
{
    uint64_t version = 0;
    uint8_t digest[32];
    int rc = mu_device_seen(d, m->name, &version, digest);

    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        return rc;
    if (rc == 0) {
        if (m->version == version && mu_ct_eq(digest, m->digest, 32))
            return 1;
        if (m->version <= version && !m->downgrade)
            return MU_ERR_ROLLBACK;
    }
    if (m->size > d->conf.object_max ||
        mu_device_shape_memory(&m->shape) > d->conf.page_memory ||
        mu_device_save_max(&m->shape) > MU_STORE_VALUE_MAX ||
        !mu_device_object_fits(m->roots.len))
        return MU_ERR_TOO_LARGE;
    return 0;
}

static void offer_copy(struct mu_device *d, const struct mu_manifest *m,
                       const struct mu_secret *cek, const uint8_t object[32])
{
    struct mu_device_campaign *c = &d->campaign;

    mu_secret_clear(&c->cek);
    *c = (struct mu_device_campaign){
        .phase = c->phase,
        .group = m->group,
        .edition = m->edition,
        .version = m->version,
        .size = m->size,
        .shape = m->shape,
        .session = m->session,
        .name_len = (uint8_t)m->name.len,
        .cek = *cek,
        .roots_at = (uint16_t)(m->roots.data - d->assembly.object),
        .roots_len = (uint16_t)m->roots.len,
        .fresh = true,
        .heard_at = d->now,
    };
    mu_copy(c->object, object, sizeof c->object);
    mu_copy(c->id, m->campaign, sizeof c->id);
    mu_copy(c->digest, m->digest, sizeof c->digest);
    mu_copy(c->name, m->name.data, m->name.len);
}

static int offer_begin(struct mu_device *d, const struct mu_manifest *m,
                       const struct mu_secret *cek, const uint8_t object[32])
{
    struct mu_device_report *r = &d->reports[0];

    if (!r->used || !mu_ct_eq(r->campaign, m->campaign, MU_CAMPAIGN_ID))
        r = mu_device_report_new(d);
    mu_copy(r->campaign, m->campaign, MU_CAMPAIGN_ID);
    mu_copy(r->object, object, MU_OBJECT_ID_LEN);
    r->session = m->session;
    r->wait_s = m->ack_wait_s;
    r->state = 0;
    offer_copy(d, m, cek, object);
    campaign_move(d, MU_DEVICE_MOVE_OFFER);
    d->object_held = true;
    mu_device_dirty(d, MU_DEVICE_REC_OBJECT);
    return 0;
}

/* Whether the reception in progress gives way to another campaign. */
static bool offer_supersedes(const struct mu_device *d,
                             const struct mu_manifest *m)
{
    const struct mu_device_campaign *c = &d->campaign;

    if (c->phase != MU_DEVICE_RECEIVING)
        return false;
    if (c->stale || c->session == m->session)
        return true; /* its session is over */
    if (d->now >= c->heard_at + SILENT_LONG)
        return true;
    return mu_bytes_eq(m->name, mu_bytes(c->name, c->name_len)) &&
           m->version > c->version;
}

/* The object of a campaign that we know was protected anew: another edition,
 * or the gateway made another relay manifest. */
static int offer_anew(struct mu_device *d, struct mu_device_report *r,
                      const struct mu_manifest *m, const struct mu_secret *cek,
                      const uint8_t object[32])
{
    const struct mu_device_campaign *c = &d->campaign;
    bool current = r == &d->reports[0] && c->phase != MU_DEVICE_IDLE;

    if (current && m->edition < c->edition)
        return MU_ERR_ROLLBACK;
    /* Another content key: what came so far is of no use. */
    if (current && c->phase == MU_DEVICE_RECEIVING &&
        !(c->session == m->session && mu_secret_eq(&c->cek, cek)))
        return m->edition > c->edition || m->relayed
                   ? offer_begin(d, m, cek, object)
                   : MU_ERR_ROLLBACK;
    /* The plain object is here: only the session is another. */
    mu_copy(r->object, object, MU_OBJECT_ID_LEN);
    r->session = m->session;
    r->wait_s = m->ack_wait_s;
    mu_device_dirty(d, MU_DEVICE_REC_CAMPAIGN);
    mu_device_report_soon(d, r);
    return 0;
}

int mu_device_campaign_offer(struct mu_device *d, const struct mu_manifest *m,
                             const struct mu_secret *cek,
                             const uint8_t object[32])
{
    struct mu_device_report *r = mu_device_report_of(d, m->campaign);
    int rc;

    /* Their records are written from the state that would be overwritten. */
    if (!mu_record_durable(&d->records[MU_DEVICE_REC_OBJECT]) ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_SEEN]))
        return MU_ERR_BUSY;
    if (m->name.len == 0 || m->name.len > MU_NAME_MAX)
        return MU_ERR_MALFORMED;
    if (r != NULL)
        return offer_anew(d, r, m, cek, object);
    if (d->campaign.phase != MU_DEVICE_IDLE && !offer_supersedes(d, m))
        return MU_ERR_BUSY;
    rc = offer_check(d, m);
    if (rc == 1)
        return d->campaign.phase != MU_DEVICE_IDLE
                   ? MU_ERR_BUSY
                   : offer_refuse(d, m, object, 0x0f, 0);
    if (rc == MU_ERR_ROLLBACK || rc == MU_ERR_TOO_LARGE) {
        if (d->campaign.phase != MU_DEVICE_IDLE)
            return MU_ERR_BUSY;
        mu_device_trace(d, "offer-refused", m->session, (uint64_t)-rc);
        return offer_refuse(d, m, object, MU_STATE_FAILED, rc);
    }
    return rc != 0 ? rc : offer_begin(d, m, cek, object);
}

void mu_device_campaign_cancel(struct mu_device *d,
                               const uint8_t id[MU_CAMPAIGN_ID])
{
    struct mu_device_campaign *c = &d->campaign;

    if (!mu_ct_eq(c->id, id, MU_CAMPAIGN_ID) ||
        mu_device_phase_after(c->phase, MU_DEVICE_MOVE_CANCEL) < 0)
        return;
    campaign_move(d, MU_DEVICE_MOVE_CANCEL);
    c->receiving = false;
    d->reports[0].due_at = MU_TIME_NEVER;
}

/* ---- what goes on by itself --------------------------------------------- */

static int campaign_verified(struct mu_device *d)
{
    struct mu_device_campaign *c = &d->campaign;
    uint8_t digest[MU_SHA256_LEN];
    int rc;

    d->conf.crypto->sha256_final(d->conf.crypto->ctx, &c->sha, digest);
    if (mu_ct_eq(digest, c->digest, sizeof digest)) {
        rc = campaign_state(d, MU_STATE_RECEIVED | MU_STATE_VERIFIED, 0);
        if (rc == 0)
            campaign_move(d, MU_DEVICE_MOVE_GOOD);
        return rc;
    }
    if (c->tries > 0)
        return campaign_fail(d, MU_ERR_DIGEST);
    /* Every packet was right, so the slot is not what was written to it: the
     * object is fetched once more. */
    c->tries++;
    c->fresh = true;
    c->receiving = false;
    rc = campaign_state(d, 0, 0);
    if (rc == 0)
        campaign_move(d, MU_DEVICE_MOVE_AGAIN);
    d->reports[0].due_at = MU_TIME_NEVER;
    return rc;
}

static int campaign_check(struct mu_device *d)
{
    struct mu_device_campaign *c = &d->campaign;
    const struct mu_object *slot = d->conf.slot;

    if (c->wait.at > d->now)
        return 0;
    for (size_t i = 0; i < CHUNKS_A_STEP && c->hashed < c->size; i++) {
        uint64_t left = c->size - c->hashed;
        size_t n = left < CHUNK ? (size_t)left : CHUNK;
        int rc = slot->read(slot->ctx, c->hashed, d->out, n);

        if (rc != 0) {
            mu_backoff_fail(&c->wait, d->now, &d->jitter);
            return rc;
        }
        d->conf.crypto->sha256_update(d->conf.crypto->ctx, &c->sha,
                                      mu_bytes(d->out, n));
        c->hashed += n;
    }
    return c->hashed == c->size ? campaign_verified(d) : 0;
}

/* Pages that came in since last time. */
static int campaign_progress(struct mu_device *d)
{
    struct mu_device_campaign *c = &d->campaign;
    uint32_t pages;
    int rc;

    if (!c->receiving || c->phase != MU_DEVICE_RECEIVING)
        return 0;
    pages = mu_cast_receiver_pages(&d->receiver);
    if (pages == c->pages_seen)
        return 0;
    c->pages_seen = pages;
    if (c->unsynced == 0)
        mu_device_dirty(d, MU_DEVICE_REC_PAGE);
    mu_device_trace(d, "page", c->session, pages);
    if (!mu_cast_receiver_done(&d->receiver))
        return 0;
    rc = campaign_state(d, MU_STATE_RECEIVED, 0);
    if (rc == 0)
        campaign_move(d, MU_DEVICE_MOVE_PAGES);
    return rc;
}

/* A receiver is due: packets come from a gateway, or from neighbours. */
static bool campaign_opens(const struct mu_device *d)
{
    return d->campaign.phase == MU_DEVICE_RECEIVING && !d->campaign.receiving &&
           (d->welcome || d->conf.tap != NULL);
}

int mu_device_campaign_run(struct mu_device *d)
{
    struct mu_device_campaign *c = &d->campaign;
    int rc = 0;

    if (campaign_opens(d) && c->wait.at <= d->now) {
        rc = mu_device_receive_open(d);
        if (rc != 0)
            mu_backoff_fail(&c->wait, d->now, &d->jitter);
    }
    if (rc == 0)
        rc = campaign_progress(d);
    if (rc == 0 && c->phase == MU_DEVICE_CHECKING)
        rc = campaign_check(d);
    return rc;
}

/* ---- hooks -------------------------------------------------------------- */

static enum mu_hook campaign_hook(const struct mu_device *d)
{
    return d->campaign.phase == MU_DEVICE_INSTALLING ? MU_HOOK_INSTALL
                                                     : MU_HOOK_CONFIRM;
}

bool mu_device_next_hook(struct mu_device *d, struct mu_effect *out)
{
    struct mu_device_campaign *c = &d->campaign;

    if (!c->hook_due || c->hook_wait.at > d->now ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]))
        return false;
    c->hook_due = false;
    c->hook_flying = true;
    out->kind = MU_DO_HOOK;
    out->hook = campaign_hook(d);
    out->name = mu_bytes(c->name, c->name_len);
    out->version = c->version;
    out->size = c->size;
    return true;
}

static int campaign_installed(struct mu_device *d)
{
    int rc = campaign_state(d,
                            MU_STATE_RECEIVED | MU_STATE_VERIFIED |
                                MU_STATE_INSTALLED,
                            0);

    if (rc == 0)
        campaign_move(d, MU_DEVICE_MOVE_HOOKED);
    return rc;
}

static int campaign_runs(struct mu_device *d)
{
    int rc = campaign_state(d,
                            MU_STATE_RECEIVED | MU_STATE_VERIFIED |
                                MU_STATE_INSTALLED | MU_STATE_RUNNING,
                            0);

    if (rc != 0)
        return rc;
    d->running_version = d->campaign.version;
    mu_device_dirty(d, MU_DEVICE_REC_SEEN);
    campaign_move(d, MU_DEVICE_MOVE_HOOKED);
    return 0;
}

int mu_device_campaign_hook(struct mu_device *d, enum mu_hook hook, int result)
{
    struct mu_device_campaign *c = &d->campaign;

    if (!c->hook_flying || hook != campaign_hook(d))
        return MU_ERR_UNEXPECTED;
    c->hook_flying = false;
    if (result == 0)
        return hook == MU_HOOK_INSTALL ? campaign_installed(d)
                                       : campaign_runs(d);
    mu_device_trace(d, "hook-failed", hook, (uint64_t)(uint32_t)result);
    if (hook == MU_HOOK_CONFIRM && ++c->confirms < CONFIRMS_MAX) {
        c->hook_due = true;
        mu_backoff_fail(&c->hook_wait, d->now, &d->jitter);
        return 0;
    }
    return campaign_fail(d, MU_ERR_HOOK);
}

/* ---- deadlines ---------------------------------------------------------- */

mu_time mu_device_campaign_deadline(const struct mu_device *d)
{
    const struct mu_device_campaign *c = &d->campaign;
    mu_time at = MU_TIME_NEVER;

    if (c->phase == MU_DEVICE_CHECKING ||
        campaign_opens(d))
        at = c->wait.at;
    if (c->hook_due &&
        mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]))
        at = mu_time_min(at, c->hook_wait.at);
    return mu_time_min(at, mu_device_receive_deadline(d));
}
