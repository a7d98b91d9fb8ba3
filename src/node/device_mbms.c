/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys the way of MBMS at the device (docs/mikey.md), and the commands under
 * them (docs/wire-format.md s.5.6). An MSK comes with a key fetch, under the MUK
 * of the connection; an MTK with each command.
 *
 * A command is run at most once: that it was taken is durable before its hook
 * starts, and what a crash interrupted is told as failed.
 */
#include "node/device.h"

#define RECORD_VERSION 1
#define TAKEN (MU_STATE_RECEIVED | MU_STATE_VERIFIED)

/* ---- MSKs ---------------------------------------------------------------- */

int mu_device_mbms_connected(struct mu_device *d,
                             const struct mu_connection *conn,
                             struct mu_bytes server)
{
    struct mu_mbms_muk *muk = &d->mbms.muk;
    int rc;

    mu_wipe(muk, sizeof *muk);
    rc = mu_mbms_muk_make(d->conf.crypto, &conn->kmc, &muk->key);
    return rc == 0 ? mu_mbms_muk_names(server, conn->id, muk) : rc;
}

int mu_device_mbms_msk(struct mu_device *d, const struct mu_keyfetch_msk *in,
                       bool *fresh)
{
    const struct mu_mbms_msk *msk;
    struct mu_mikey_session s;
    struct mu_secret kb = {.len = 0};
    bool deleted;
    int rc = mu_mbms_msk_consume(d->conf.crypto, &d->mbms, in->message, &s,
                                 &deleted);

    if (rc != 0)
        return rc;
    mu_mikey_session_clear(&s);
    mu_device_dirty(d, MU_DEVICE_REC_MBMS);
    msk = mu_mbms_msk_of(&d->mbms, &in->kid);
    if (msk == NULL || deleted)
        return MU_ERR_MALFORMED; /* it is that of another kid */
    rc = mu_mbms_kb(d->conf.crypto, &in->kid, &msk->key, &kb);
    *fresh = mu_keyring_find(&d->keys, &in->kid) == NULL;
    if (rc == 0)
        rc = mu_keyring_put(&d->keys, &in->kid, &kb, MU_PHASE_ACTIVE);
    mu_secret_clear(&kb);
    if (rc != 0)
        *fresh = false;
    mu_device_trace(d, "msk", in->kid.generation, (uint64_t)-rc);
    return rc;
}

static struct mu_device_mtk *mbms_mtk(struct mu_device *d, uint16_t group)
{
    struct mu_device_mtk *free = NULL;

    for (size_t i = 0; i < MU_DEVICE_MTKS_MAX; i++) {
        if (d->mtks[i].number != 0 && d->mtks[i].group == group)
            return &d->mtks[i];
        if (d->mtks[i].number == 0)
            free = &d->mtks[i];
    }
    return free;
}

void mu_device_mbms_drop(struct mu_device *d, uint32_t group)
{
    struct mu_mbms_device *m = &d->mbms;
    size_t kept = 0;

    for (size_t i = 0; i < m->msks_len; i++) {
        if (m->msks[i].group != group)
            m->msks[kept++] = m->msks[i];
    }
    if (kept < m->msks_len)
        mu_device_dirty(d, MU_DEVICE_REC_MBMS);
    for (size_t i = kept; i < m->msks_len; i++)
        mu_wipe(&m->msks[i], sizeof m->msks[i]);
    m->msks_len = kept;
    for (size_t i = 0; i < MU_DEVICE_MTKS_MAX; i++) {
        if (d->mtks[i].number != 0 && d->mtks[i].group == group)
            mu_wipe(&d->mtks[i], sizeof d->mtks[i]);
    }
}

/* ---- commands ------------------------------------------------------------ */

/* A command of the group that the object is for; its MSK. */
static int command_look(const struct mu_device *d, const struct mu_manifest *m,
                        struct mu_command *c, struct mu_mbms_mtk_id *id,
                        const struct mu_mbms_msk **msk)
{
    int rc = mu_command_parse(m->content, c);

    if (rc == 0)
        rc = mu_mbms_mtk_peek(c->mtk, id);
    if (rc != 0)
        return rc;
    if (id->group != m->group)
        return MU_ERR_MALFORMED;
    *msk = mu_mbms_device_find(&d->mbms, id->domain, id->group, id->number);
    return *msk == NULL ? MU_ERR_UNKNOWN_KEY : 0;
}

int mu_device_command_worth(struct mu_device *d, const struct mu_manifest *m)
{
    const struct mu_mbms_msk *msk;
    struct mu_mbms_mtk_id id;
    struct mu_command c;

    if (mu_device_report_of(d, m->campaign) != NULL)
        return 0; /* another edition of what was run */
    return command_look(d, m, &c, &id, &msk);
}

/* The MTK of a command: the one in use, or the one that its message brings. */
static int command_mtk(struct mu_device *d, const struct mu_command *c,
                       const struct mu_mbms_mtk_id *id,
                       struct mu_device_mtk **out)
{
    struct mu_device_mtk *slot = mbms_mtk(d, id->group);
    struct mu_mbms_wanted wanted;
    struct mu_mbms_mtk mtk;
    int rc;

    *out = slot;
    if (slot == NULL)
        return MU_ERR_FULL;
    if (slot->number == id->number && slot->id == id->mtk)
        return 0;
    rc = mu_mbms_mtk_consume(d->conf.crypto, &d->mbms, c->mtk, &mtk, &wanted);
    if (rc == 0) {
        *slot = (struct mu_device_mtk){
            .group = id->group, .number = id->number, .id = id->mtk,
            .key = mtk.key,
        };
        mu_device_dirty(d, MU_DEVICE_REC_MBMS);
        mu_device_trace(d, "mtk", id->number, id->mtk);
    }
    mu_wipe(&mtk, sizeof mtk);
    return rc;
}

static int command_open(struct mu_device *d, const struct mu_manifest *m,
                        const struct mu_command *c,
                        const struct mu_mbms_msk *msk,
                        struct mu_device_mtk *mtk)
{
    const struct mu_bytes text = mu_bytes(d->command.text, c->sealed.len);
    struct mu_command_keys k;
    int rc = mu_window_check(&mtk->window, c->seq);

    if (rc != 0)
        return rc;
    rc = mu_command_keys(d->conf.crypto, msk, &mtk->key, &k);
    if (rc == 0)
        rc = mu_command_open(d->conf.crypto, &k, m->campaign, c,
                             d->command.text);
    mu_command_keys_clear(&k);
    if (rc != 0)
        return rc;
    mu_window_commit(&mtk->window, c->seq);
    d->command.len = (uint16_t)c->sealed.len;
    mu_sha256(d->conf.crypto, &text, 1, d->command.digest);
    return 0;
}

static struct mu_device_report *command_report(struct mu_device *d)
{
    struct mu_device_report *r = mu_device_report_of(d, d->command.campaign);

    if (r != NULL)
        return r;
    r = mu_device_report_beside(d);
    mu_copy(r->campaign, d->command.campaign, MU_CAMPAIGN_ID);
    mu_copy(r->object, d->command.object, MU_OBJECT_ID_LEN);
    r->session = d->command.session;
    return r;
}

static int command_state(struct mu_device *d, uint8_t state, int reason)
{
    return mu_device_report_state(d, command_report(d), state, reason,
                                  d->command.digest);
}

int mu_device_command_take(struct mu_device *d, const struct mu_manifest *m,
                           const uint8_t object[MU_SHA256_LEN])
{
    struct mu_device_report *r = mu_device_report_of(d, m->campaign);
    const struct mu_mbms_msk *msk;
    struct mu_device_mtk *mtk;
    struct mu_mbms_mtk_id id;
    struct mu_command c;
    int rc;

    if (r != NULL) { /* it was run: only the session is another */
        mu_copy(r->object, object, MU_OBJECT_ID_LEN);
        r->session = m->session;
        mu_device_dirty(d, MU_DEVICE_REC_CAMPAIGN);
        mu_device_report_soon(d, r);
        return 0;
    }
    if (d->command.on || !mu_record_durable(&d->records[MU_DEVICE_REC_MBMS]))
        return MU_ERR_BUSY; /* it is announced again, or asked for */
    rc = command_look(d, m, &c, &id, &msk);
    if (rc == 0)
        rc = command_mtk(d, &c, &id, &mtk);
    if (rc == 0)
        rc = command_open(d, m, &c, msk, mtk);
    if (rc != 0)
        return rc;
    d->command.on = true;
    mu_device_dirty(d, MU_DEVICE_REC_MBMS);
    d->command.session = m->session;
    mu_copy(d->command.campaign, m->campaign, MU_CAMPAIGN_ID);
    mu_copy(d->command.object, object, MU_OBJECT_ID_LEN);
    return command_state(d, TAKEN, 0);
}

bool mu_device_next_command(struct mu_device *d, struct mu_effect *out)
{
    struct mu_device_command *c = &d->command;

    if (!c->on || c->flying || c->over ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_MBMS]) ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]))
        return false;
    c->flying = true;
    out->kind = MU_DO_HOOK;
    out->hook = MU_HOOK_COMMAND;
    out->name = MU_BYTES(c->campaign);
    out->value = mu_bytes(c->text, c->len);
    out->size = c->len;
    return true;
}

/* Its record stays until the report of it is durable: a power cut in between
 * leaves one of them to say what became of it. */
static int command_over(struct mu_device *d, uint8_t state, int reason)
{
    int rc = command_state(d, state, reason);

    if (rc == 0) {
        d->command.flying = false;
        d->command.over = true;
    }
    return rc;
}

void mu_device_command_run(struct mu_device *d)
{
    if (!d->command.over ||
        !mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]))
        return;
    mu_wipe(&d->command, sizeof d->command);
    mu_device_dirty(d, MU_DEVICE_REC_MBMS);
}

int mu_device_command_hook(struct mu_device *d, int result)
{
    if (!d->command.flying)
        return MU_ERR_UNEXPECTED;
    mu_device_trace(d, "command", (uint64_t)(uint32_t)result, 0);
    return result == 0
               ? command_over(d, TAKEN | MU_STATE_INSTALLED | MU_STATE_RUNNING,
                              0)
               : command_over(d, TAKEN | MU_STATE_FAILED, MU_ERR_HOOK);
}

/* ---- the record ---------------------------------------------------------- */

void mu_device_mbms_write(const struct mu_device *d, struct mu_writer *w)
{
    const struct mu_device_command *c = &d->command;
    size_t len = 0;

    mu_write_u8(w, RECORD_VERSION);
    for (size_t i = 0; i < MU_DEVICE_MTKS_MAX; i++)
        len += d->mtks[i].number != 0;
    mu_write_u8(w, (uint8_t)len);
    for (size_t i = 0; i < MU_DEVICE_MTKS_MAX; i++) {
        const struct mu_device_mtk *m = &d->mtks[i];

        if (m->number == 0)
            continue;
        mu_write_u16(w, m->group);
        mu_write_u16(w, m->number);
        mu_write_u16(w, m->id);
        mu_write_bytes(w, mu_secret_view(&m->key));
        mu_window_write(&m->window, w);
    }
    mu_write_u8(w, c->on);
    if (c->on) {
        mu_write_bytes(w, MU_BYTES(c->campaign));
        mu_write_bytes(w, MU_BYTES(c->object));
        mu_write_u8(w, c->session);
        mu_write_bytes(w, MU_BYTES(c->digest));
    }
    if (mu_mbms_device_save(&d->mbms, w) != 0)
        mu_writer_fail(w);
}

static bool mbms_read_mtk(struct mu_reader *r, struct mu_device_mtk *m)
{
    m->group = mu_read_u16(r);
    m->number = mu_read_u16(r);
    m->id = mu_read_u16(r);
    if (mu_secret_set(&m->key, mu_read_bytes(r, MU_MBMS_KEY_LEN)) != 0)
        return false;
    mu_window_read(&m->window, r);
    return !r->failed && m->number != 0;
}

int mu_device_mbms_read(struct mu_device *d, struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    struct mu_device_command *c = &d->command;
    uint8_t version = mu_read_u8(&r), len = mu_read_u8(&r);
    bool good = version == RECORD_VERSION && len <= MU_DEVICE_MTKS_MAX;

    for (size_t i = 0; good && i < len; i++)
        good = mbms_read_mtk(&r, &d->mtks[i]);
    if (good)
        c->on = mu_read_u8(&r) != 0;
    if (good && c->on) {
        mu_read_copy(&r, c->campaign, sizeof c->campaign);
        mu_read_copy(&r, c->object, sizeof c->object);
        c->session = mu_read_u8(&r);
        mu_read_copy(&r, c->digest, sizeof c->digest);
    }
    if (good && !r.failed &&
        mu_mbms_device_load(&d->mbms, mu_reader_rest(&r)) == 0)
        return 0;
    mu_wipe(d->mtks, sizeof d->mtks);
    mu_wipe(c, sizeof *c);
    mu_wipe(d->mbms.msks, sizeof d->mbms.msks);
    d->mbms.msks_len = 0;
    return MU_ERR_CORRUPT;
}

int mu_device_command_resume(struct mu_device *d)
{
    const struct mu_device_report *r =
        mu_device_report_of(d, d->command.campaign);

    if (!d->command.on)
        return 0;
    if (r != NULL && (r->state & (MU_STATE_RUNNING | MU_STATE_FAILED)) != 0) {
        d->command.over = true; /* that was all it lacked */
        mu_device_command_run(d);
        return 0;
    }
    return command_over(d, TAKEN | MU_STATE_FAILED, MU_ERR_HOOK);
}
