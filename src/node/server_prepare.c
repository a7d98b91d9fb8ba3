/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a wish to an object on the air, one bounded piece a step: who is to
 * have it and what shape they can take, the digest, the pages from the last to
 * the first, the signed manifest. A crash in between costs the stage at work.
 */
#include "muster/device.h" /* what a shape takes of a receiver */
#include "node/server_core.h"

#define TARGETS_A_STEP 512
#define DIGEST_A_STEP 65536u /* bytes */
#define PAGE_DATA_MIN 4      /* packets: below that pages are mostly hashes */

struct mu_kid mu_srv_cek_kid(const struct mu_server_campaign *c)
{
    /* Editions of one campaign are scopes of its number. */
    return (struct mu_kid){MU_KEY_CEK, c->rec.edition, c->number};
}

size_t mu_srv_campaign_work_len(const struct mu_server_conf *conf)
{
    /* The shapes that take most: widest pages of packets large and small. */
    static const struct mu_cast_shape widest[] = {
        {MU_PACKET_MAX, 255, MU_PAGE_PARITY_MAX, MU_HASH_MAX},
        {MU_PAGE_BYTES_MAX / MU_PAGE_DATA_MAX, MU_PAGE_DATA_MAX,
         MU_PAGE_PARITY_MAX, MU_HASH_MAX},
    };
    size_t most = DIGEST_A_STEP;

    for (size_t i = 0; i < sizeof widest / sizeof widest[0]; i++) {
        struct mu_cast_sender_conf sender = {
            .shape = widest[i],
            .receivers = conf->gateways_max,
        };
        size_t prepare = mu_cast_prepare_work(&widest[i]);
        size_t cast = mu_cast_sender_work(&sender);
        most = prepare > most ? prepare : most;
        most = cast > most ? cast : most;
    }
    return most;
}

int mu_srv_prepare_open(struct mu_server_campaign *c)
{
    const struct mu_depot *d = c->server->conf.depot;
    const struct mu_campaign_record *r = &c->rec;
    int rc = d->open(d->ctx, r->id, 1, r->size, &c->plain);

    if (rc == 0 && r->cut)
        rc = d->open(d->ctx, r->id, 0,
                     mu_cast_prepared_size(&r->shape, r->size), &c->prepared);
    return rc;
}

/* ---- targets --------------------------------------------------------------- */

/* The smallest shape that members are asked to take. */
static struct mu_cast_shape shape_least(const struct mu_cast_shape *s)
{
    struct mu_cast_shape least = *s;

    if (least.page_data > PAGE_DATA_MIN)
        least.page_data = PAGE_DATA_MIN;
    least.page_parity = (uint16_t)((unsigned)s->page_parity * least.page_data /
                                  s->page_data);
    return least;
}

/* What keeps a device from taking the object: 0, or the error. */
static int target_obstacle(const struct mu_server *s,
                           const struct mu_campaign_record *r,
                           const struct mu_device_record *d)
{
    /* Once it is cut, it is as it is. */
    struct mu_cast_shape least = r->cut ? r->shape : shape_least(&r->shape);

    if (!d->capable || r->what != MU_CAMPAIGN_OBJECT)
        return 0; /* it never connected: it will say so itself */
    if (d->capability.object_max < r->size ||
        d->capability.page_memory < mu_device_shape_memory(&least))
        return MU_ERR_TOO_LARGE;
    if (d->capability.algs_len != 0 &&
        !mu_capability_has_alg(&d->capability, s->signer.alg))
        return MU_ERR_UNSUPPORTED;
    return 0;
}

void mu_srv_target_begin(struct mu_server_campaign *c,
                         const struct mu_device_record *d,
                         struct mu_target_record *t)
{
    const struct mu_server *s = c->server;
    const unsigned at = d->index % MU_TARGETS;
    int obstacle = target_obstacle(s, &c->rec, d);

    t->state[at] |= MU_TARGET_MEMBER;
    t->reason[at] = 0;
    if (obstacle != 0) {
        t->state[at] |= MU_STATE_FAILED;
        t->reason[at] = (uint8_t)-obstacle;
    } else if (d->capable && d->capability.page_memory < c->least_memory) {
        c->least_memory = d->capability.page_memory;
    }
}

static int target_add(struct mu_server_campaign *c, struct mu_bytes identity)
{
    struct mu_server *s = c->server;
    struct mu_device_record d;
    struct mu_target_record t;
    int rc = mu_srv_device_get(s, identity, &d);

    if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
        return 0; /* it cannot be reached, and `device list` says why */
    if (rc != 0)
        return rc;
    if (d.revoked || mu_device_record_group(&d, c->rec.group) == NULL)
        return 0;
    rc = mu_srv_target_get(s, &c->rec, d.gateway, d.index, &t);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
        return rc;
    t.state[d.index % MU_TARGETS] = 0;
    mu_srv_target_begin(c, &d, &t);
    mu_srv_target_put(s, c->rec.id, d.gateway, d.index, &t);
    return 0;
}

/* Cuts the pages down to what all of them have memory for. */
static int shape_cut(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_cast_shape *shape = &c->rec.shape;
    struct mu_cast_shape least = shape_least(shape), full = *shape;

    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        struct mu_gateway_record g;
        if (!mu_bit_get(mu_bytes(c->gateways, s->conf.gateways_max / 8u + 1),
                        n - 1) ||
            mu_srv_gateway_get(s, n, &g) != 0 || g.page_memory == 0)
            continue;
        if (g.page_memory < c->least_memory)
            c->least_memory = g.page_memory;
    }
    while (shape->page_data > least.page_data &&
           mu_device_shape_memory(shape) > c->least_memory) {
        shape->page_data--;
        shape->page_parity = (uint16_t)((unsigned)full.page_parity *
                                       shape->page_data / full.page_data);
    }
    return mu_cast_page_first(shape, c->rec.size, &(struct mu_cast_page){0});
}

int mu_srv_targets_step(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_bytes identity;
    int rc;

    for (unsigned n = 0; n < TARGETS_A_STEP && !c->listed; n++) {
        if (!mu_srv_stores_room(s))
            return 0;
        rc = mu_srv_member_next(s, c->rec.group, false, &c->after, &identity);
        if (rc == MU_ERR_NOT_FOUND) {
            /* Counting walks what the body has taken: later. */
            c->listed = true;
            return 0;
        }
        if (rc == 0)
            rc = target_add(c, identity);
        if (rc != 0)
            return rc;
    }
    if (!c->listed || !mu_srv_taken(s))
        return 0;
    rc = mu_srv_targets_count(c);
    if (rc == 0 && mu_srv_campaign_is_inline(c)) {
        c->rec.cut = true;
        c->stage = MU_STAGE_SIGN;
        return 0;
    }
    if (rc == 0)
        rc = shape_cut(c);
    if (rc != 0)
        return rc;
    c->stage = MU_STAGE_DIGEST;
    c->hashed = 0;
    s->conf.crypto->sha256_init(s->conf.crypto->ctx, &c->hash);
    return 0;
}

/* ---- digest and pages ------------------------------------------------------ */

uint8_t mu_srv_session_pick(struct mu_server *s)
{
    for (unsigned tries = 0; tries < 256; tries++) {
        bool free = true;
        s->session++;
        for (uint16_t i = 0; i < s->campaigns_len; i++)
            if (s->campaigns[i].used &&
                s->campaigns[i].rec.session == s->session)
                free = false;
        if (free)
            break;
    }
    return s->session;
}

/* Stage PAGES with the CEK in c->cek and the session in the record. */
static int pages_begin(struct mu_server_campaign *c)
{
    int rc = mu_srv_prepare_open(c);

    if (rc == 0)
        rc = mu_cast_prepare_init(&c->prepare, c->server->conf.crypto,
                                  &c->rec.shape, c->rec.size, c->rec.session,
                                  &c->cek, &c->plain, &c->prepared, c->work,
                                  c->server->campaign_work);
    if (rc == 0)
        c->stage = MU_STAGE_PAGES;
    return rc;
}

/* A CEK that nothing was encrypted under. */
static int pages_begin_fresh(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    const struct mu_crypto *crypto = s->conf.crypto;
    struct mu_kid kid = mu_srv_cek_kid(c);
    uint8_t fresh[16];
    int rc = crypto->random(crypto->ctx, fresh, sizeof fresh);

    if (rc == 0)
        rc = mu_secret_set(&c->cek, MU_BYTES(fresh));
    mu_wipe(fresh, sizeof fresh);
    if (rc == 0)
        rc = mu_srv_key_put(s, &kid, MU_PHASE_ACTIVE, &c->cek);
    if (rc != 0)
        return rc;
    c->rec.session = mu_srv_session_pick(s);
    (void)mu_srv_campaign_put(c);
    return pages_begin(c);
}

int mu_srv_prepare_again(struct mu_server_campaign *c)
{
    struct mu_kid kid = mu_srv_cek_kid(c);

    mu_srv_cast_end(c);
    c->rekey_due = false;
    mu_srv_key_drop(c->server, &kid);
    c->rec.edition++;
    c->stored_page = 0;
    c->rec.phase = MU_CAMPAIGN_PREPARING;
    mu_srv_trace(c->server, "edition", c->number, c->rec.edition);
    mu_srv_campaign_changed(c);
    return pages_begin_fresh(c);
}

static int digest_step(struct mu_server_campaign *c)
{
    const struct mu_crypto *crypto = c->server->conf.crypto;
    uint64_t left = c->rec.size - c->hashed;
    size_t len = left < DIGEST_A_STEP ? (size_t)left : DIGEST_A_STEP;
    int rc = mu_srv_prepare_open(c);

    if (rc == 0)
        rc = c->plain.read(c->plain.ctx, c->hashed, c->work, len);
    if (rc != 0)
        return rc;
    crypto->sha256_update(crypto->ctx, &c->hash, mu_bytes(c->work, len));
    c->hashed += len;
    if (c->hashed < c->rec.size)
        return 0;
    crypto->sha256_final(crypto->ctx, &c->hash, c->rec.digest);
    c->rec.cut = true;
    return pages_begin_fresh(c);
}

static int pages_step(struct mu_server_campaign *c)
{
    int rc = mu_cast_prepare_step(&c->prepare);

    if (rc != 0 || c->prepare.left != 0)
        return rc;
    rc = c->prepared.sync(c->prepared.ctx);
    if (rc == 0)
        c->stage = MU_STAGE_SIGN;
    return rc;
}

/* ---- manifest -------------------------------------------------------------- */

/* Reads the announce object back. */
static int manifest_read(const struct mu_server_campaign *c,
                         struct mu_manifest *m)
{
    enum mu_announce_kind kind;
    int rc = mu_announce_consume(
        c->server->conf.crypto, &c->server->signer, NULL,
        mu_bytes(c->rec.announce, c->rec.announce_len), &kind, m);

    return rc == 0 && kind != MU_ANNOUNCE_MANIFEST ? MU_ERR_CORRUPT : rc;
}

/* The prepared object is the one that the announce object speaks of. */
static bool prepared_intact(struct mu_server_campaign *c)
{
    struct mu_cast_page page;
    struct mu_manifest m;
    struct mu_writer w = mu_writer(c->work, c->server->campaign_work);
    uint8_t *symbol;

    if (manifest_read(c, &m) != 0 || m.edition != c->rec.edition ||
        m.session != c->rec.session ||
        mu_cast_page_first(&c->rec.shape, c->rec.size, &page) != 0)
        return false;
    mu_cast_data_head(mu_write_room(&w, MU_CAST_DATA_HEADER),
                      c->rec.session, 0, 0);
    symbol = mu_write_room(&w, page.symbol_len);
    if (symbol == NULL || c->prepared.read(c->prepared.ctx, page.block_at,
                                           symbol, page.symbol_len) != 0)
        return false;
    return mu_cast_data_check(c->server->conf.crypto, mu_written(&w),
                              m.roots.data, c->rec.shape.hash_len) == 0;
}

/* A campaign with little time waits for nothing. */
static uint8_t manifest_ack_wait(const struct mu_campaign_record *r)
{
    uint32_t most = r->deadline_s / 4;

    if (!r->acks_ride)
        return 0;
    return (uint8_t)(most < MU_ACK_WAIT_S ? most : MU_ACK_WAIT_S);
}

static int manifest_write(struct mu_server_campaign *c,
                          const struct mu_secret *kb, struct mu_bytes roots)
{
    struct mu_server *s = c->server;
    struct mu_campaign_record *r = &c->rec;
    uint8_t pointer[MU_ID_MAX + 2], object[MU_ANNOUNCE_MAX];
    struct mu_writer p = mu_writer(pointer, sizeof pointer);
    struct mu_writer w = mu_writer(object, sizeof object);
    struct mu_manifest m = {
        .group = r->group,
        .version = r->version,
        .size = r->size,
        .shape = r->shape,
        .roots = roots,
        .session = r->session,
        .downgrade = r->downgrade,
        .ack_wait_s = manifest_ack_wait(r),
        .reprotect = r->mode == MU_MODE_REPROTECT,
        .kid = mu_srv_kb_kid(r->group, r->generation),
        .name = mu_bytes(r->name, r->name_len),
        .epoch = s->epoch,
        .edition = r->edition,
    };
    int rc;

    mu_write_bytes(&p, s->conf.identity);
    mu_write_bytes(&p, mu_bytes_str("/k"));
    m.pointer = mu_written(&p);
    mu_copy(m.campaign, r->id, sizeof r->id);
    mu_copy(m.digest, r->digest, sizeof r->digest);
    rc = mu_cek_wrap(s->conf.crypto, kb, &c->cek, m.wrapped_cek);
    if (rc == 0)
        rc = mu_manifest_create(s->conf.crypto, &s->signer, &m, &w);
    if (rc != 0)
        return rc;
    r->announce_len = (uint16_t)w.len;
    mu_copy(r->announce, object, w.len);
    return 0;
}

/* The pages were made a second time for the manifest that is out already. */
static bool sign_spared(const struct mu_server_campaign *c)
{
    struct mu_manifest m;

    return c->rec.phase != MU_CAMPAIGN_PREPARING &&
           manifest_read(c, &m) == 0 &&
           mu_bytes_eq(m.roots, mu_cast_prepare_roots(&c->prepare));
}

static int sign_step(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_group_record g;
    uint64_t before = c->rec.generation;
    struct mu_secret kb;
    struct mu_kid kid;
    int rc;

    if (sign_spared(c)) {
        mu_srv_cast_begin(c);
        return 0;
    }
    rc = mu_srv_group_get(s, c->rec.group, &g);
    if (rc != 0)
        return rc;
    /* The next key is on its way: what is signed now waits for it. */
    if (g.dormant != 0 && !g.cut)
        return MU_ERR_BUSY;
    if (mu_srv_group_wish(s, &g) != MU_GROUP_KEEP) {
        /* Its key is made anew first, whatever else is on the air. */
        if (g.wish != MU_GROUP_NOW) {
            g.wish = MU_GROUP_NOW;
            mu_srv_group_put(s, c->rec.group, &g);
            mu_srv_groups_mark(s, true);
        }
        return MU_ERR_BUSY;
    }
    if (g.generation == 0)
        return MU_ERR_BUSY;
    rc = mu_srv_late_areas(c);
    if (rc != 0)
        return rc;
    kid = mu_srv_kb_kid(c->rec.group, g.generation);
    rc = mu_srv_key_get(s, &kid, &kb);
    c->rec.generation = g.generation;
    if (rc == 0)
        rc = manifest_write(c, &kb, mu_cast_prepare_roots(&c->prepare));
    mu_secret_clear(&kb);
    if (rc != 0) {
        c->rec.generation = before;
        return rc;
    }
    if (!g.used) {
        g.used = true;
        mu_srv_group_put(s, c->rec.group, &g);
    }
    c->rec.phase =
        c->rec.paused ? MU_CAMPAIGN_PAUSED : MU_CAMPAIGN_RUNNING;
    (void)mu_srv_campaign_put(c);
    if (before != c->rec.generation)
        mu_srv_group_sweep(s, c->rec.group, before);
    mu_srv_trace(s, "signed", c->number, c->rec.edition);
    mu_srv_cast_begin(c);
    mu_srv_campaign_changed(c);
    return 0;
}

/* ---- one step --------------------------------------------------------------- */

/* Makes the pages again under the CEK that there is: the same key over the
 * same object gives the same bytes. */
static int pages_begin_again(struct mu_server_campaign *c)
{
    struct mu_kid kid = mu_srv_cek_kid(c);
    int rc = mu_srv_key_get(c->server, &kid, &c->cek);

    if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
        return mu_srv_prepare_again(c);
    return rc == 0 ? pages_begin(c) : rc;
}

static int resume_step(struct mu_server_campaign *c)
{
    int rc;

    if (!c->rec.cut) {
        c->stage = MU_STAGE_TARGETS;
        return 0;
    }
    if (c->rec.phase == MU_CAMPAIGN_PREPARING)
        return pages_begin_again(c);
    rc = mu_srv_prepare_open(c);
    if (rc != 0)
        return rc;
    if (prepared_intact(c)) {
        mu_srv_cast_begin(c);
        return 0;
    }
    mu_srv_trace(c->server, "prepared-lost", c->number, 0);
    return pages_begin_again(c);
}

int mu_srv_prepare_step(struct mu_server_campaign *c)
{
    mu_assert(c->stage < MU_STAGE_CAST);
    if (mu_srv_room(c->server) != 0)
        return MU_ERR_BUSY;
    switch (c->stage) {
    case MU_STAGE_RESUME:
        return resume_step(c);
    case MU_STAGE_TARGETS:
        return mu_srv_targets_step(c);
    case MU_STAGE_DIGEST:
        return digest_step(c);
    case MU_STAGE_PAGES:
        return pages_step(c);
    default:
        return sign_step(c);
    }
}
