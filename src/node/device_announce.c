/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announce objects at the device: from packets or by unicast to a signature
 * check, and from there to the campaign. docs/wire-format.md s.5. What
 * strangers and members can make it do is bounded: one object in assembly, one
 * signature check a second, one key fetch per back-off.
 */
#include "node/device.h"

#include "muster/cose.h"

#define TOKENS_MAX 2 /* signature checks in a burst */
#define TOKEN_EVERY MU_SECONDS(1)
#define DOUBT MU_SECONDS(60)     /* after an object that was false */
#define DOUBT_HOLD MU_SECONDS(2) /* an object in assembly keeps its place */

/* ---- small lists -------------------------------------------------------- */

static bool announce_list_has(const struct mu_area_session *list, size_t len,
                              const struct mu_area_session *s)
{
    for (size_t i = 0; i < len; i++) {
        if (list[i].session == s->session)
            return true;
    }
    return false;
}

void mu_device_want(struct mu_device *d, const struct mu_area_session *s)
{
    if (d->wanted_len == MU_SESSIONS_MAX ||
        announce_list_has(d->wanted, d->wanted_len, s))
        return;
    d->wanted[d->wanted_len++] = *s;
    if (!d->asks[MU_DEVICE_ANN].flying)
        d->asks[MU_DEVICE_ANN].due = true;
}

/* A session whose key we lack: its object is asked for once keys came. */
static void announce_unknown(struct mu_device *d,
                             const struct mu_area_session *s)
{
    if (!announce_list_has(d->unknown, d->unknown_len, s) &&
        d->unknown_len < MU_SESSIONS_MAX)
        d->unknown[d->unknown_len++] = *s;
    mu_device_fetch_slowly(d);
}

void mu_device_keys_arrived(struct mu_device *d)
{
    d->kann_stale = true;
    for (size_t i = 0; i < d->unknown_len; i++)
        mu_device_want(d, &d->unknown[i]);
    d->unknown_len = 0;
    d->ignored_len = 0; /* a new group may make them ours */
}

void mu_device_ignore(struct mu_device *d, const uint8_t id[MU_OBJECT_ID_LEN])
{
    mu_copy(d->ignored[d->ignored_at], id, MU_OBJECT_ID_LEN);
    d->ignored_at = (uint8_t)((d->ignored_at + 1) % MU_SESSIONS_MAX);
    if (d->ignored_len < MU_SESSIONS_MAX)
        d->ignored_len++;
}

bool mu_device_object_known(const struct mu_device *d,
                            const uint8_t id[MU_OBJECT_ID_LEN])
{
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        if (d->reports[i].used &&
            mu_ct_eq(d->reports[i].object, id, MU_OBJECT_ID_LEN))
            return true;
    }
    for (size_t i = 0; i < d->ignored_len; i++) {
        if (mu_ct_eq(d->ignored[i], id, MU_OBJECT_ID_LEN))
            return true;
    }
    return false;
}

/* ---- relay manifests (option 1) ------------------------------------------ */

/*
 * Every member of the area holds the key that a relay manifest is made with;
 * only the gateway speaks over the hop. So one that came in packets, or from
 * anybody else, counts when the gateway has named its digest.
 */
void mu_device_vouched(struct mu_device *d,
                       const uint8_t digest[MU_SHA256_LEN])
{
    for (size_t i = 0; i < d->vouched_len; i++) {
        if (mu_ct_eq(d->vouched[i], digest, MU_SHA256_LEN))
            return;
    }
    mu_copy(d->vouched[d->vouched_at], digest, MU_SHA256_LEN);
    d->vouched_at = (uint8_t)((d->vouched_at + 1) % MU_SESSIONS_MAX);
    if (d->vouched_len < MU_SESSIONS_MAX)
        d->vouched_len++;
}

/* Before it costs a signature check. */
static int announce_vouched(const struct mu_device *d, struct mu_bytes object)
{
    uint8_t digest[MU_SHA256_LEN];
    struct mu_cose m;

    if (mu_cose_decode(object, &m) != 0 || m.kind != MU_COSE_MAC0)
        return 0; /* of the server, or nothing */
    mu_sha256(d->conf.crypto, &object, 1, digest);
    for (size_t i = 0; i < d->vouched_len; i++) {
        if (mu_ct_eq(d->vouched[i], digest, MU_SHA256_LEN))
            return 0;
    }
    return MU_ERR_FORBIDDEN;
}

int mu_device_announce_told(struct mu_device *d, struct mu_bytes object)
{
    uint8_t digest[MU_SHA256_LEN];

    if (announce_vouched(d, object) != 0) {
        mu_sha256(d->conf.crypto, &object, 1, digest);
        mu_device_vouched(d, digest);
    }
    return mu_device_announce_object(d, object);
}

/* ---- sessions that nobody announced to us -------------------------------- */

#define UNHEARD_TRIES 12
#define UNHEARD_REST MU_SECONDS(30)
#define ANNOUNCED_FOR MU_SECONDS(5)

static bool unheard_known(const struct mu_device *d, uint8_t session)
{
    if (d->campaign.phase != MU_DEVICE_IDLE && d->campaign.session == session)
        return true;
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        if (d->reports[i].used && d->reports[i].session == session)
            return true;
    }
    return d->object_ready || d->object_held ||
           announce_list_has(d->wanted, d->wanted_len,
                             &(struct mu_area_session){.session = session}) ||
           announce_list_has(d->unknown, d->unknown_len,
                             &(struct mu_area_session){.session = session});
}

void mu_device_polled(struct mu_device *d, uint8_t session, uint8_t round,
                      uint16_t window_ms)
{
    struct mu_device_unheard *u = &d->unheard;

    if (unheard_known(d, session))
        return;
    if (u->session != session) {
        if (d->now < u->again_at || u->due_at != MU_TIME_NEVER)
            return; /* one after the other */
        *u = (struct mu_device_unheard){.session = session};
        u->due_at = MU_TIME_NEVER;
    }
    u->round = round;
    if (d->now < u->again_at || u->due_at != MU_TIME_NEVER)
        return;
    if (u->tries >= UNHEARD_TRIES) {
        u->tries = 0;
        u->again_at = d->now + UNHEARD_REST;
        return;
    }
    u->due_at = d->now + mu_jitter(&d->jitter, MU_MS(window_ms) / 2);
    u->again_at = u->due_at + MU_MS(window_ms) / 4;
}

/* It is being announced: a question is of no use just now. Of one that we have
 * no key for, for a while; of which we have part, until the next poll. */
static void unheard_announced(struct mu_device *d, uint8_t session, bool ours)
{
    struct mu_device_unheard *u = &d->unheard;

    if (u->session != session) {
        if (ours || u->due_at != MU_TIME_NEVER || d->now < u->again_at)
            return;
        *u = (struct mu_device_unheard){.session = session};
    }
    u->due_at = MU_TIME_NEVER;
    u->again_at = d->now + (ours ? 0 : ANNOUNCED_FOR);
    if (ours)
        u->tries = 0; /* somebody listens; what was lost may be said again */
}

bool mu_device_next_unheard(struct mu_device *d, struct mu_effect *out)
{
    struct mu_device_unheard *u = &d->unheard;
    struct mu_writer w = mu_writer(d->out, sizeof d->out);
    struct mu_need n = {
        .session = u->session,
        .receiver = d->index,
        .page = MU_NEED_MANIFEST,
        .round = u->round,
        .need = 1,
    };

    if (!d->welcome || d->now < u->due_at)
        return false;
    u->due_at = MU_TIME_NEVER;
    u->tries++;
    if (mu_need_create(d->conf.crypto, &d->kfb, &n, &w) != 0)
        return false;
    out->kind = MU_DO_PACKET;
    out->channel = MU_CHANNEL_AREA;
    out->up = true;
    out->packet = mu_written(&w);
    return true;
}

mu_time mu_device_unheard_deadline(const struct mu_device *d)
{
    return d->welcome ? d->unheard.due_at : MU_TIME_NEVER;
}

/* ---- packets ------------------------------------------------------------ */

static void announce_keys(struct mu_device *d)
{
    if (!d->kann_stale)
        return;
    d->kann_stale = false;
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX; i++) {
        const struct mu_key_slot *s = &d->keys.slots[i];

        mu_secret_clear(&d->kann[i]);
        if (s->kid.kind != MU_KEY_KB)
            continue;
        if (mu_kdf(d->conf.crypto, &s->key, "announce",
                   (struct mu_bytes){NULL, 0}, 16, &d->kann[i]) != 0) {
            mu_secret_clear(&d->kann[i]);
            d->kann_stale = true;
        }
    }
}

/* Tries the keys held: Kann of every Kb, and Kctl for relay manifests and
 * cancels, which the gateway tags. */
static int announce_assemble(struct mu_device *d, struct mu_bytes packet)
{
    int rc = MU_ERR_AUTH;

    announce_keys(d);
    for (size_t i = 0; i < MU_DEVICE_KEYS_MAX && rc == MU_ERR_AUTH; i++) {
        if (mu_secret_is_set(&d->kann[i]))
            rc = mu_assembly_packet(&d->assembly, d->conf.crypto, &d->kann[i],
                                    packet);
    }
    for (size_t i = 0; i < 2 && rc == MU_ERR_AUTH; i++) {
        if (d->area[i].kid.kind != 0)
            rc = mu_assembly_packet(&d->assembly, d->conf.crypto,
                                    &d->area[i].kctl, packet);
    }
    return rc;
}

/*
 * A member who forges has a tick only where we missed the genuine packet that it
 * came with. So once an object was false, one that is named once is not worth a
 * look, let alone the place of another: two packets with ticks have to name it.
 */
static bool announce_doubted(struct mu_device *d, const uint8_t *id,
                             bool whole)
{
    const struct mu_assembly *a = &d->assembly;
    bool at_work = a->fragments != 0 && d->now < d->assembly_at + DOUBT_HOLD;

    if (d->now >= d->doubt_until ||
        (at_work && mu_ct_eq(a->id, id, MU_OBJECT_ID_LEN)) ||
        mu_ct_eq(d->doubted, id, MU_OBJECT_ID_LEN) || (!at_work && !whole))
        return false;
    mu_copy(d->doubted, id, MU_OBJECT_ID_LEN);
    return true;
}

int mu_device_announce_packet(struct mu_device *d, struct mu_bytes packet)
{
    struct mu_area_session s;
    int rc;

    if (packet.len < 4 + MU_OBJECT_ID_LEN)
        return MU_ERR_TRUNCATED;
    s.session = packet.data[1];
    mu_copy(s.object, packet.data + 2, MU_OBJECT_ID_LEN);
    if (mu_device_object_known(d, s.object))
        return 0;
    if (d->object_ready || d->object_held)
        return MU_ERR_BUSY;
    if (announce_doubted(d, s.object, packet.data[7] == 1))
        return MU_ERR_UNEXPECTED;
    rc = announce_assemble(d, packet);
    if (rc >= 0)
        d->assembly_at = d->now;
    unheard_announced(d, s.session, rc != MU_ERR_AUTH);
    if (rc == 1) {
        rc = announce_vouched(d, mu_bytes(d->assembly.object,
                                          d->assembly.object_len));
        d->object_ready = rc == 0;
        if (rc != 0)
            mu_device_trace(d, "announce-refused", (uint64_t)-rc, 1);
        return rc;
    }
    if (rc == MU_ERR_AUTH)
        announce_unknown(d, &s);
    return rc;
}

int mu_device_announce_object(struct mu_device *d, struct mu_bytes object)
{
    int rc;

    if (object.len == 0 || object.len > MU_ANNOUNCE_MAX)
        return MU_ERR_TOO_LARGE;
    if (d->object_ready || d->object_held)
        return MU_ERR_BUSY;
    rc = announce_vouched(d, object);
    if (rc != 0)
        return rc;
    mu_zero(&d->assembly, sizeof d->assembly);
    mu_copy(d->assembly.object, object.data, object.len);
    d->assembly.object_len = (uint16_t)object.len;
    d->object_ready = true;
    return 0;
}

bool mu_device_believes(const struct mu_device *d, struct mu_bytes object)
{
    return announce_vouched(d, object) == 0;
}

int mu_device_announce(struct mu_device *d, struct mu_bytes object)
{
    uint8_t digest[MU_SHA256_LEN];

    mu_sha256(d->conf.crypto, &object, 1, digest);
    if (mu_device_object_known(d, digest))
        return 1;
    return mu_device_announce_object(d, object);
}

/* ---- objects ------------------------------------------------------------ */

/* For a relay manifest: the Kg it is made with. NULL: none that we hold. */
static const struct mu_secret *announce_kg(const struct mu_device *d,
                                           struct mu_bytes object)
{
    struct mu_cose m;
    struct mu_reader r;
    struct mu_kid kid;

    if (mu_cose_decode(object, &m) != 0 || m.kind != MU_COSE_MAC0)
        return NULL;
    r = mu_reader(m.kid);
    kid = mu_kid_read(&r);
    for (size_t i = 0; i < 2; i++) {
        if (mu_reader_end(&r) == 0 && d->area[i].kid.kind != 0 &&
            mu_kid_eq(&d->area[i].kid, &kid))
            return &d->area[i].kg;
    }
    return NULL;
}

/* The content key, for a member. MU_ERR_UNKNOWN_KEY when its group key has not
 * come yet, MU_ERR_FORBIDDEN when the group is not ours. */
static int announce_cek(struct mu_device *d, const struct mu_manifest *m,
                        const struct mu_secret *kg, struct mu_secret *cek)
{
    const struct mu_secret *key = kg;

    if (!mu_device_in_group(d, m->group))
        return MU_ERR_FORBIDDEN;
    if (!m->relayed) {
        if (m->kid.kind != MU_KEY_KB || m->kid.scope != m->group)
            return MU_ERR_MALFORMED;
        key = mu_keyring_find(&d->keys, &m->kid);
    }
    if (key == NULL)
        return MU_ERR_UNKNOWN_KEY;
    return mu_cek_unwrap(d->conf.crypto, key, m->wrapped_cek, cek);
}

static int announce_manifest(struct mu_device *d, const struct mu_manifest *m,
                             const struct mu_secret *kg,
                             const uint8_t object[MU_SHA256_LEN])
{
    struct mu_secret cek = {.len = 0};
    struct mu_area_session s = {.session = m->session};
    int rc;

    mu_copy(s.object, object, MU_OBJECT_ID_LEN);
    /* A manifest of a server state that has been given up. */
    if (m->epoch < d->epoch) {
        mu_device_ignore(d, object);
        return MU_ERR_ROLLBACK;
    }
    rc = announce_cek(d, m, kg, &cek);
    if (rc == 0)
        rc = mu_device_campaign_offer(d, m, &cek, object);
    else if (rc == MU_ERR_UNKNOWN_KEY)
        announce_unknown(d, &s);
    else if (rc == MU_ERR_FORBIDDEN)
        mu_device_ignore(d, object);
    mu_secret_clear(&cek);
    if (rc == 0)
        mu_backoff_reset(&d->fetch_wait);
    return rc;
}

static int announce_object(struct mu_device *d)
{
    struct mu_bytes object = mu_bytes(d->assembly.object,
                                      d->assembly.object_len);
    const struct mu_secret *kg = announce_kg(d, object);
    struct mu_manifest m;
    enum mu_announce_kind kind;
    uint8_t digest[MU_SHA256_LEN];
    int rc;

    mu_sha256(d->conf.crypto, &object, 1, digest);
    if (mu_device_object_known(d, digest))
        return 0;
    if (d->server.pub_len == 0) {
        mu_device_fetch_slowly(d);
        return MU_ERR_UNKNOWN_KEY;
    }
    rc = mu_announce_consume(d->conf.crypto, &d->server, kg, object, &kind, &m);
    if (rc != 0) {
        mu_device_trace(d, "announce-refused", (uint64_t)-rc, 0);
        d->doubt_until = d->now + DOUBT;
        return rc;
    }
    if (kind == MU_ANNOUNCE_CANCEL) {
        mu_device_campaign_cancel(d, m.campaign);
        mu_device_ignore(d, digest);
        return 0;
    }
    if (kind == MU_ANNOUNCE_INLINE) {
        rc = mu_device_inline_take(d, &m, digest);
        mu_device_trace(d, "part", m.part, (uint64_t)-rc);
        return rc;
    }
    if (d->conf.tap != NULL && m.epoch >= d->epoch)
        d->conf.tap->manifest(d->conf.tap->ctx, object);
    rc = announce_manifest(d, &m, kg, digest);
    mu_device_trace(d, "announce", m.session, (uint64_t)-rc);
    return rc;
}

/* One signature check a second, two at once. */
static bool announce_token(struct mu_device *d)
{
    if (d->tokens < TOKENS_MAX && d->now >= d->token_at) {
        d->tokens = d->now >= d->token_at + TOKEN_EVERY ? TOKENS_MAX
                                                        : d->tokens + 1;
        d->token_at = d->now + TOKEN_EVERY;
    }
    if (d->tokens == 0)
        return false;
    if (d->tokens == TOKENS_MAX)
        d->token_at = d->now + TOKEN_EVERY;
    d->tokens--;
    return true;
}

int mu_device_announce_run(struct mu_device *d)
{
    if (d->object_ready &&
        mu_device_inline_idle(d, mu_bytes(d->assembly.object,
                                          d->assembly.object_len)))
        d->object_ready = false;
    if (!d->object_ready || !announce_token(d))
        return 0;
    d->object_ready = false;
    return announce_object(d);
}

mu_time mu_device_announce_deadline(const struct mu_device *d)
{
    return d->object_ready ? d->token_at : MU_TIME_NEVER;
}
