/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inline objects at the device: rekey parts (docs/wire-format.md s.5.5), and
 * commands, which device_mbms.c opens. A part is looked at before it costs a
 * signature check: most are for others. What it brings is durable before the
 * acknowledgement, which proves the key itself.
 */
#include "node/device.h"

#include "muster/scheme.h"

#define RUNS                                                                   \
    (MU_STATE_RECEIVED | MU_STATE_VERIFIED | MU_STATE_INSTALLED |              \
     MU_STATE_RUNNING)

/* Whether what the object says of itself can be, whoever made it. */
static int inline_check(const struct mu_device *d, const struct mu_manifest *m,
                        struct mu_rekey_info *info)
{
    int rc;

    if (!mu_device_in_group(d, m->group))
        return MU_ERR_FORBIDDEN;
    if (m->epoch < d->epoch)
        return MU_ERR_ROLLBACK; /* of a server state that was given up */
    if (m->content_kind == MU_CONTENT_COMMAND)
        return m->parts == 1 ? 0 : MU_ERR_MALFORMED;
    if (m->content_kind != MU_CONTENT_REKEY)
        return MU_ERR_UNSUPPORTED;
    rc = mu_rekey_info(m->content, info);
    if (rc != 0)
        return rc;
    if (info->personal || info->kid.kind != MU_KEY_KB ||
        info->kid.scope != m->group || info->kid.generation >> 32 > m->epoch)
        return MU_ERR_MALFORMED;
    return 0;
}

/* 0: worth a signature check. MU_ERR_UNKNOWN_KEY: to be fetched instead. Any
 * other: of no use here. */
static int inline_worth(struct mu_device *d, const struct mu_manifest *m)
{
    const struct mu_device_report *r = mu_device_report_of(d, m->campaign);
    const struct mu_key_slot *active;
    struct mu_rekey_info info;
    struct mu_member member;
    int rc = inline_check(d, m, &info);

    if (rc != 0)
        return rc;
    if (r != NULL && r->session == m->session)
        return MU_ERR_REPLAY; /* acknowledged: the rest is for others */
    if (m->content_kind == MU_CONTENT_COMMAND)
        return mu_device_command_worth(d, m);
    if (mu_keyring_find(&d->keys, &info.kid) != NULL)
        return 0; /* fetched; it is proved all the same */
    active = mu_keyring_active(&d->keys, MU_KEY_KB, m->group);
    if (active != NULL && active->kid.generation > info.kid.generation)
        return MU_ERR_ROLLBACK;
    if (mu_device_member(d, m->group, &member) != 0)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_member_concerns(&member, m->content);
    /* No entry for it in all there is: it is told apart, or out. A state of
     * that generation without the key: the key was lost. */
    if ((rc == MU_ERR_NOT_FOUND && m->parts == 1) || rc == MU_ERR_REPLAY)
        return MU_ERR_UNKNOWN_KEY;
    return rc;
}

bool mu_device_inline_idle(struct mu_device *d, struct mu_bytes object)
{
    enum mu_announce_kind kind;
    struct mu_manifest m;
    uint8_t digest[MU_SHA256_LEN];
    int rc;

    if (mu_announce_peek(object, &kind, &m) != 0 || kind != MU_ANNOUNCE_INLINE)
        return false;
    rc = inline_worth(d, &m);
    if (rc == 0)
        return false;
    mu_device_trace(d, "part-skipped", m.part, (uint64_t)-rc);
    if (rc == MU_ERR_UNKNOWN_KEY) {
        mu_device_fetch_spread(d);
        return true;
    }
    mu_sha256(d->conf.crypto, &object, 1, digest);
    mu_device_ignore(d, digest);
    return true;
}

static int inline_open(struct mu_device *d, const struct mu_manifest *m)
{
    /* A view into the assembly, which is ours. */
    uint8_t *part = d->assembly.object + (m->content.data - d->assembly.object);
    struct mu_secret key = {.len = 0};
    struct mu_member member;
    struct mu_kid kid;
    int rc = mu_device_member(d, m->group, &member);

    if (rc != 0)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_member_open(&member, part, m->content.len, &kid, &key);
    if (rc == 0) {
        mu_device_member_changed(d, m->group, &member);
        rc = mu_keyring_put(&d->keys, &kid, &key, MU_PHASE_ACTIVE);
        mu_device_dirty(d, MU_DEVICE_REC_KEYS);
        mu_device_keys_arrived(d);
    } else if (rc == MU_ERR_AUTH || rc == MU_ERR_NO_SPACE) {
        /* The server signed it, so it is the state that is wrong. */
        mu_device_member_drop(d, m->group);
        rc = MU_ERR_UNKNOWN_KEY;
    }
    mu_secret_clear(&key);
    return rc;
}

/* What proves that the key is held takes the place of H(plain). */
static int inline_report(struct mu_device *d, const struct mu_manifest *m,
                         const struct mu_kid *kid,
                         const uint8_t object[MU_SHA256_LEN])
{
    struct mu_device_report *r = mu_device_report_of(d, m->campaign);
    const struct mu_secret *kb = mu_keyring_find(&d->keys, kid);
    uint8_t held[MU_SHA256_LEN];
    int rc;

    if (kb == NULL)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_kb_held(d->conf.crypto, kb, kid, held);
    if (rc != 0)
        return rc;
    if (r == NULL)
        r = mu_device_report_beside(d);
    mu_copy(r->campaign, m->campaign, MU_CAMPAIGN_ID);
    mu_copy(r->object, object, MU_OBJECT_ID_LEN);
    r->session = m->session;
    rc = mu_device_report_state(d, r, RUNS, 0, held);
    /* A rekey reaches a whole area in one packet: who answers when is for the
     * census to say. */
    r->due_at = MU_TIME_NEVER;
    return rc;
}

int mu_device_inline_take(struct mu_device *d, const struct mu_manifest *m,
                          const uint8_t object[MU_SHA256_LEN])
{
    struct mu_rekey_info info;
    int rc = inline_check(d, m, &info);

    if (rc == 0 && m->content_kind == MU_CONTENT_COMMAND) {
        rc = mu_device_command_take(d, m, object);
    } else {
        if (rc == 0 && mu_keyring_find(&d->keys, &info.kid) == NULL)
            rc = inline_open(d, m);
        if (rc == 0)
            rc = inline_report(d, m, &info.kid, object);
    }
    if (rc == 0)
        mu_backoff_reset(&d->fetch_wait);
    else if (rc == MU_ERR_UNKNOWN_KEY || rc == MU_ERR_EXPIRED)
        mu_device_fetch_spread(d);
    else if (rc != MU_ERR_BUSY)
        mu_device_ignore(d, object);
    return rc;
}
