/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands to a group whose keys go the way of MBMS: a campaign of one inline
 * object, which brings the MTK and what is encrypted under it
 * (docs/wire-format.md s.5.6, docs/mikey.md).
 *
 * Commands that are on their way at the same time share an MTK, since a device
 * takes no MTK older than the last one; with none on its way the next command
 * gets a fresh one. MTK, its number and the number of the command are durable
 * before the command is listed to any gateway.
 */
#include "node/server_core.h"

#define DEADLINE_DEFAULT 300u /* s */
#define DEADLINE_MAX (366u * 86400u)
#define TEXT_PART 1 /* beside part 0, which travels: the text itself */

/* ---- the record of a group's MTK ----------------------------------------- */

static int mtk_get(struct mu_server *s, uint32_t group,
                   struct mu_mtk_record *r, struct mu_secret *key)
{
    struct mu_record_key k = mu_record_key_mtk(group);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_mtk_record_read(value, r);
    if (rc == 0 && r->id != 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_SCHEME,
                             mu_record_key_view(&k), &r->key, key);
    return rc;
}

static int mtk_put(struct mu_server *s, uint32_t group,
                   struct mu_mtk_record *r, const struct mu_secret *key)
{
    struct mu_record_key k = mu_record_key_mtk(group);
    uint8_t room[sizeof *r + 32];
    struct mu_writer w = mu_writer(room, sizeof room);
    int rc = mu_seal_create(s->conf.crypto, s->conf.master, MU_TABLE_SCHEME,
                            mu_record_key_view(&k), key, &r->key);

    if (rc != 0)
        return rc;
    mu_mtk_record_write(&w, r);
    (void)mu_srv_put_written(s, MU_TABLE_SCHEME, &k, &w);
    return 0;
}

/* ---- making -------------------------------------------------------------- */

/* Another command of the group is on its way under the MTK in use. */
static bool command_beside(const struct mu_server_campaign *c)
{
    const struct mu_server *s = c->server;

    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        const struct mu_server_campaign *o = &s->campaigns[i];
        if (o != c && mu_srv_campaign_at_work(o) &&
            mu_srv_campaign_is_command(o) && o->stage == MU_STAGE_CAST &&
            o->rec.group == c->rec.group &&
            o->rec.generation == c->rec.generation)
            return true;
    }
    return false;
}

static int mtk_fresh(struct mu_server *s, struct mu_mbms_msk *msk,
                     struct mu_mtk_record *r, struct mu_secret *key)
{
    struct mu_writer w = mu_writer(r->message, sizeof r->message);
    struct mu_mbms_mtk mtk = {.salt_len = 0};
    uint8_t raw[MU_MBMS_KEY_LEN];
    int rc = s->conf.crypto->random(s->conf.crypto->ctx, raw, sizeof raw);

    if (rc == 0)
        rc = mu_secret_set(&mtk.key, MU_BYTES(raw));
    mu_wipe(raw, sizeof raw);
    if (rc == 0)
        rc = mu_mbms_mtk_create(s->conf.crypto, msk, &mtk, &w);
    if (rc == 0) {
        r->id = mtk.id;
        r->message_len = (uint8_t)w.len;
        r->seq = 0;
        *key = mtk.key;
    }
    mu_wipe(&mtk, sizeof mtk);
    return rc;
}

/* The MTK for this command: that of those on their way, or a fresh one.
 * MU_ERR_EXPIRED: the MSK has no more, its group wants a new one. */
static int mtk_pick(struct mu_server_campaign *c, struct mu_mbms_msk *msk,
                    struct mu_mtk_record *r, struct mu_secret *key)
{
    struct mu_server *s = c->server;
    int rc = mtk_get(s, c->rec.group, r, key);
    struct mu_record_key k;
    bool beside;

    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    if (rc == MU_ERR_CORRUPT) {
        /* Which MTKs were made, nobody knows. It goes along with the wish for
         * another MSK, which begins with none. */
        k = mu_record_key_mtk(c->rec.group);
        mu_srv_delete(s, MU_TABLE_SCHEME, &k);
        return MU_ERR_EXPIRED;
    }
    if (rc != 0 || r->generation != c->rec.generation)
        *r = (struct mu_mtk_record){
            .generation = c->rec.generation, .next = msk->next,
        };
    msk->next = r->next;
    msk->counter = r->counter;
    beside = r->id != 0 && command_beside(c);
    if (beside && r->seq >= MU_COMMAND_SEQ_MAX)
        return MU_ERR_BUSY; /* some have to come to their end first */
    if (!beside)
        rc = mtk_fresh(s, msk, r, key);
    else
        rc = 0;
    if (rc != 0)
        return rc;
    r->next = msk->next;
    r->counter = msk->counter;
    r->seq++;
    return mtk_put(s, c->rec.group, r, key);
}

/* The inline object, into its record. */
static int command_object(struct mu_server_campaign *c,
                          const struct mu_mbms_msk *msk,
                          const struct mu_mtk_record *r,
                          const struct mu_secret *mtk)
{
    struct mu_server *s = c->server;
    struct mu_record_key k = mu_record_key_part(c->rec.id, TEXT_PART);
    uint8_t content[MU_INLINE_CONTENT_MAX], object[MU_ANNOUNCE_MAX];
    struct mu_writer body = mu_writer(content, sizeof content);
    struct mu_writer w = mu_writer(object, sizeof object);
    struct mu_inline m = {
        .group = c->rec.group,
        .session = c->rec.session,
        .epoch = s->epoch,
        .parts = 1,
        .content_kind = MU_CONTENT_COMMAND,
    };
    struct mu_command_keys keys;
    struct mu_bytes text;
    int rc = mu_srv_get(s, MU_TABLE_SEEN, &k, &text);

    if (rc == 0)
        rc = mu_command_keys(s->conf.crypto, msk, mtk, &keys);
    if (rc == 0)
        rc = mu_command_create(s->conf.crypto, &keys, c->rec.id,
                               mu_bytes(r->message, r->message_len), r->seq,
                               text, &body);
    mu_command_keys_clear(&keys);
    mu_copy(m.campaign, c->rec.id, sizeof m.campaign);
    m.content = mu_written(&body);
    if (rc == 0)
        rc = mu_inline_create(s->conf.crypto, &s->signer, &m, &w);
    k = mu_record_key_part(c->rec.id, 0);
    if (rc == 0)
        (void)mu_srv_put_written(s, MU_TABLE_SEEN, &k, &w);
    return rc;
}

/* The key that the group is to have first is there. */
static int command_key(struct mu_server_campaign *c, struct mu_group_record *g,
                       struct mu_mbms_msk *msk)
{
    struct mu_server *s = c->server;
    struct mu_secret key = {.len = 0};
    struct mu_kid kid;
    int rc = mu_srv_group_get(s, c->rec.group, g);

    if (rc != 0)
        return rc;
    if (mu_srv_group_wish(s, g) != MU_GROUP_KEEP || g->generation == 0) {
        if (g->wish != MU_GROUP_NOW) {
            g->wish = MU_GROUP_NOW;
            mu_srv_group_put(s, c->rec.group, g);
            mu_srv_groups_mark(s, true);
        }
        return MU_ERR_BUSY;
    }
    kid = mu_srv_kb_kid(c->rec.group, g->generation);
    rc = mu_srv_key_raw(s, &kid, &key);
    if (rc == 0)
        rc = mu_mbms_msk_make(s->conf.crypto, &kid, &key, msk);
    mu_secret_clear(&key);
    return rc;
}

static int step_make(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;
    struct mu_mbms_msk msk = {.number = 0};
    struct mu_mtk_record r = {.id = 0};
    struct mu_secret mtk = {.len = 0};
    uint64_t before = c->rec.generation;
    int rc;

    if (!mu_srv_taken(s))
        return 0; /* what it reads may be in the queue */
    rc = command_key(c, &g, &msk);
    if (rc == 0) {
        c->rec.generation = g.generation;
        c->rec.session = mu_srv_session_pick(s);
        rc = mtk_pick(c, &msk, &r, &mtk);
    }
    if (rc == MU_ERR_EXPIRED || rc == MU_ERR_EXHAUSTED) {
        g.wish = MU_GROUP_NOW;
        mu_srv_group_put(s, c->rec.group, &g);
        mu_srv_groups_mark(s, true);
        rc = MU_ERR_BUSY;
    }
    if (rc == 0)
        rc = command_object(c, &msk, &r, &mtk);
    mu_secret_clear(&mtk);
    mu_wipe(&msk, sizeof msk);
    if (rc != 0) {
        c->rec.generation = before;
        return rc;
    }
    if (!g.used) {
        g.used = true;
        mu_srv_group_put(s, c->rec.group, &g);
    }
    c->rec.phase = c->rec.paused ? MU_CAMPAIGN_PAUSED : MU_CAMPAIGN_RUNNING;
    c->stage = MU_STAGE_CAST;
    c->cast_at = s->now;
    c->retry_at = 0;
    (void)mu_srv_campaign_put(c);
    if (before != 0 && before != c->rec.generation)
        mu_srv_group_sweep(s, c->rec.group, before);
    mu_srv_campaign_changed(c);
    mu_srv_trace(s, "command", c->number, r.id);
    return 0;
}

/* The group has another key: those who hold that alone can open it too. */
static void command_again(struct mu_server_campaign *c)
{
    c->rekey_due = false;
    c->rec.edition++;
    c->rec.phase = MU_CAMPAIGN_PREPARING;
    c->stage = MU_STAGE_SIGN;
    (void)mu_srv_campaign_put(c);
    mu_srv_campaign_changed(c);
}

int mu_srv_command_step(struct mu_server_campaign *c)
{
    if (mu_srv_room(c->server) != 0)
        return MU_ERR_BUSY;
    switch (c->stage) {
    case MU_STAGE_RESUME:
        c->stage = !c->rec.cut ? MU_STAGE_TARGETS
                   : c->rec.phase == MU_CAMPAIGN_PREPARING ? MU_STAGE_SIGN
                                                           : MU_STAGE_CAST;
        c->cast_at = c->server->now;
        return 0;
    case MU_STAGE_CAST:
        command_again(c);
        return 0;
    case MU_STAGE_TARGETS:
        return mu_srv_targets_step(c);
    default:
        return step_make(c);
    }
}

void mu_srv_command_sweep(struct mu_server *s, const uint8_t *id)
{
    struct mu_record_key object = mu_record_key_part(id, 0);
    struct mu_record_key text = mu_record_key_part(id, TEXT_PART);

    mu_srv_delete(s, MU_TABLE_SEEN, &object);
    mu_srv_delete(s, MU_TABLE_SEEN, &text);
}

/* ---- the operator's wish --------------------------------------------------- */

int mu_server_tell(struct mu_server *s, const uint8_t campaign[MU_CAMPAIGN_ID],
                   const struct mu_tell *tell)
{
    struct mu_record_key k = mu_record_key_part(campaign, TEXT_PART);
    struct mu_campaign_record r = {
        .what = MU_CAMPAIGN_COMMAND,
        .parts = 1,
        .phase = MU_CAMPAIGN_PREPARING,
        .size = tell->text.len,
        .shape = s->conf.shape,
        .quorum_permille =
            tell->quorum_permille != 0 ? tell->quorum_permille : 1000,
        .deadline_s = tell->deadline_s != 0 ? tell->deadline_s
                                            : DEADLINE_DEFAULT,
    };
    static const char name[] = "command";
    uint8_t room[MU_COMMAND_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_group_record g;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = mu_srv_group_find(s, tell->group, &r.group, &g);
    if (rc != 0)
        return rc;
    if (!g.mikey)
        return MU_ERR_UNSUPPORTED;
    if (g.members == 0 || tell->text.len == 0 ||
        tell->quorum_permille > 1000 || tell->deadline_s > DEADLINE_MAX)
        return MU_ERR_USAGE;
    if (tell->text.len > MU_COMMAND_MAX)
        return MU_ERR_TOO_LARGE;
    r.mode = g.mode;
    r.name_len = sizeof name - 1;
    mu_copy(r.id, campaign, MU_CAMPAIGN_ID);
    mu_copy(r.name, name, r.name_len);
    mu_sha256(s->conf.crypto, &tell->text, 1, r.digest);
    rc = mu_srv_campaign_new(s, &r);
    if (rc != 0)
        return rc;
    mu_write_bytes(&w, tell->text);
    (void)mu_srv_put_written(s, MU_TABLE_SEEN, &k, &w);
    return 0;
}
