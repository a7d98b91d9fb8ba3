/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the server's store: see muster/server_records.h. */
#include "muster/server_records.h"

#include "muster/exchange.h"

#define RECORD_VERSION 1
#define SEAL_NONCE 12
#define SEAL_TAG 16

_Static_assert(MU_KID_LEN <= MU_STORE_KEY_MAX, "a kid is a key");
_Static_assert(4 + MU_ID_MAX <= MU_STORE_KEY_MAX, "members");

/* ---- sealing -------------------------------------------------------------- */

/* The key of one record's secrets, from the master key, table and key. */
static int seal_key(const struct mu_crypto *c, const struct mu_secret *master,
                    uint8_t table, struct mu_bytes key, struct mu_secret *out)
{
    uint8_t context[1 + MU_STORE_KEY_MAX];
    struct mu_writer w = mu_writer(context, sizeof context);

    mu_write_u8(&w, table);
    mu_write_bytes(&w, key);
    if (mu_writer_end(&w) != 0)
        return MU_ERR_USAGE;
    return mu_kdf(c, master, "seal", mu_written(&w), 16, out);
}

int mu_seal_create(const struct mu_crypto *c, const struct mu_secret *master,
                   uint8_t table, struct mu_bytes key,
                   const struct mu_secret *secret, struct mu_sealed *out)
{
    struct mu_secret k;
    struct mu_aead a = {.alg = MU_ALG_A128GCM, .key = &k, .aad = key};
    size_t len = 0;
    int rc = seal_key(c, master, table, key, &k);

    out->len = 0;
    if (rc == 0)
        rc = c->random(c->ctx, out->bytes, SEAL_NONCE);
    if (rc == 0) {
        a.nonce = mu_bytes(out->bytes, SEAL_NONCE);
        rc = c->seal(c->ctx, &a, mu_secret_view(secret),
                     out->bytes + SEAL_NONCE, &len);
    }
    if (rc == 0)
        out->len = (uint8_t)(SEAL_NONCE + len);
    mu_secret_clear(&k);
    return rc;
}

int mu_seal_consume(const struct mu_crypto *c, const struct mu_secret *master,
                    uint8_t table, struct mu_bytes key,
                    const struct mu_sealed *in, struct mu_secret *secret)
{
    struct mu_secret k;
    uint8_t plain[MU_SEALED_MAX];
    struct mu_aead a = {.alg = MU_ALG_A128GCM,
                        .key = &k,
                        .nonce = mu_bytes(in->bytes, SEAL_NONCE),
                        .aad = key};
    size_t len = 0;
    int rc;

    mu_secret_clear(secret);
    if (in->len <= SEAL_NONCE + SEAL_TAG || in->len > MU_SEALED_MAX)
        return MU_ERR_CORRUPT;
    rc = seal_key(c, master, table, key, &k);
    if (rc == 0)
        rc = c->open(c->ctx, &a,
                     mu_bytes(in->bytes + SEAL_NONCE,
                              (size_t)in->len - SEAL_NONCE),
                     plain, &len);
    if (rc == 0)
        rc = mu_secret_set(secret, mu_bytes(plain, len));
    mu_secret_clear(&k);
    mu_wipe(plain, sizeof plain);
    return rc == MU_ERR_AUTH ? MU_ERR_CORRUPT : rc;
}

/* ---- keys of the tables ---------------------------------------------------- */

struct mu_bytes mu_record_key_view(const struct mu_record_key *k)
{
    return mu_bytes(k->bytes, k->len);
}

static struct mu_record_key record_key(const struct mu_record_key *k,
                                       const struct mu_writer *w)
{
    struct mu_record_key done = *k;

    done.len = mu_written(w).len;
    return done;
}

struct mu_record_key mu_record_key_number(uint32_t number)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, number);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_long(uint64_t number)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u64(&w, number);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_area(uint32_t gateway, uint16_t index)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, gateway);
    mu_write_u16(&w, index);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_member(uint32_t group,
                                          struct mu_bytes identity)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, group);
    mu_write_bytes(&w, identity);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_kid(const struct mu_kid *kid)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_kid_write(&w, kid);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_campaign(const uint8_t id[MU_CAMPAIGN_ID])
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes(id, MU_CAMPAIGN_ID));
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_progress(const uint8_t id[MU_CAMPAIGN_ID])
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes(id, MU_CAMPAIGN_ID));
    mu_write_u8(&w, 'p');
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_tally(const uint8_t id[MU_CAMPAIGN_ID],
                                         uint32_t gateway)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes(id, MU_CAMPAIGN_ID));
    mu_write_u8(&w, 't');
    mu_write_u32(&w, gateway);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_target(const uint8_t id[MU_CAMPAIGN_ID],
                                          uint32_t gateway, uint16_t index)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes(id, MU_CAMPAIGN_ID));
    mu_write_u32(&w, gateway);
    mu_write_u16(&w, (uint16_t)(index / MU_TARGETS));
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_part(const uint8_t id[MU_CAMPAIGN_ID],
                                        uint16_t part)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes(id, MU_CAMPAIGN_ID));
    mu_write_u8(&w, 'o');
    mu_write_u16(&w, part);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_scheme(uint32_t group)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, group);
    mu_write_u8(&w, 's');
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_mtk(uint32_t group)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, group);
    mu_write_u8(&w, 'm');
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_op(uint32_t group, uint64_t op)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, group);
    mu_write_u8(&w, 'o');
    mu_write_u64(&w, op);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_chunk(uint32_t group, uint8_t copy,
                                         uint32_t chunk)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_u32(&w, group);
    mu_write_u8(&w, 'c');
    mu_write_u8(&w, copy);
    mu_write_u32(&w, chunk);
    return record_key(&k, &w);
}

struct mu_record_key mu_record_key_group_name(struct mu_bytes name)
{
    struct mu_record_key k;
    struct mu_writer w = mu_writer(k.bytes, sizeof k.bytes);

    mu_write_bytes(&w, mu_bytes_str("group/"));
    mu_write_bytes(&w, name);
    return record_key(&k, &w);
}

/* ---- pieces ---------------------------------------------------------------- */

static struct mu_reader record_begin(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);

    if (mu_read_u8(&r) != RECORD_VERSION)
        mu_reader_fail(&r);
    return r;
}

static int record_end(const struct mu_reader *r)
{
    return mu_reader_end(r) == 0 ? 0 : MU_ERR_CORRUPT;
}

static void text_write(struct mu_writer *w, const uint8_t *text, uint8_t len)
{
    mu_write_u8(w, len);
    mu_write_bytes(w, mu_bytes(text, len));
}

static uint8_t text_read(struct mu_reader *r, uint8_t *text, uint8_t max)
{
    uint8_t len = mu_read_u8(r);

    if (len > max) {
        mu_reader_fail(r);
        return 0;
    }
    mu_read_copy(r, text, len);
    return len;
}

static void sealed_write(struct mu_writer *w, const struct mu_sealed *s)
{
    text_write(w, s->bytes, s->len);
}

static void sealed_read(struct mu_reader *r, struct mu_sealed *s)
{
    s->len = text_read(r, s->bytes, MU_SEALED_MAX);
}

/* A value below `count`, one byte. */
static uint8_t small_read(struct mu_reader *r, unsigned count)
{
    uint8_t v = mu_read_u8(r);

    if (v >= count) {
        mu_reader_fail(r);
        return 0;
    }
    return v;
}

/* ---- small records --------------------------------------------------------- */

void mu_number_record_write(struct mu_writer *w, uint64_t number)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, number);
}

int mu_number_record_read(struct mu_bytes in, uint64_t *number)
{
    struct mu_reader r = record_begin(in);

    *number = mu_read_u64(&r);
    return record_end(&r);
}

void mu_signer_record_write(struct mu_writer *w,
                            const struct mu_signer_record *s)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, s->alg == MU_ALG_EDDSA);
    text_write(w, s->pub, s->pub_len);
    sealed_write(w, &s->priv);
}

int mu_signer_record_read(struct mu_bytes in, struct mu_signer_record *s)
{
    struct mu_reader r = record_begin(in);

    *s = (struct mu_signer_record){0};
    s->alg = small_read(&r, 2) != 0 ? MU_ALG_EDDSA : MU_ALG_ES256;
    s->pub_len = text_read(&r, s->pub, MU_PUBLIC_KEY_MAX);
    sealed_read(&r, &s->priv);
    return record_end(&r);
}

void mu_area_record_write(struct mu_writer *w, const struct mu_area_record *a)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, a->revoked);
    text_write(w, a->identity, a->identity_len);
}

int mu_area_record_read(struct mu_bytes in, struct mu_area_record *a)
{
    struct mu_reader r = record_begin(in);

    *a = (struct mu_area_record){0};
    a->revoked = small_read(&r, 2) != 0;
    a->identity_len = text_read(&r, a->identity, MU_ID_MAX);
    return record_end(&r);
}

void mu_member_record_write(struct mu_writer *w,
                            const struct mu_member_record *m)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, m->left);
    mu_write_u16(w, m->where);
    mu_write_u64(w, m->op);
    mu_write_u64(w, m->base);
    mu_write_u32(w, m->slot);
}

int mu_member_record_read(struct mu_bytes in, struct mu_member_record *m)
{
    struct mu_reader r = record_begin(in);

    m->left = small_read(&r, 2) != 0;
    m->where = mu_read_u16(&r);
    m->op = mu_read_u64(&r);
    m->base = mu_read_u64(&r);
    m->slot = mu_read_u32(&r);
    return record_end(&r);
}

void mu_key_record_write(struct mu_writer *w, const struct mu_key_record *k)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, (uint8_t)k->phase);
    sealed_write(w, &k->key);
}

int mu_key_record_read(struct mu_bytes in, struct mu_key_record *k)
{
    struct mu_reader r = record_begin(in);

    *k = (struct mu_key_record){0};
    k->phase = small_read(&r, MU_PHASE_RETIRED + 1);
    sealed_read(&r, &k->key);
    return record_end(&r);
}

void mu_progress_record_write(struct mu_writer *w,
                              const struct mu_progress_record *p)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u32(w, p->page);
    mu_write_u32(w, p->elapsed_s);
}

int mu_progress_record_read(struct mu_bytes in, struct mu_progress_record *p)
{
    struct mu_reader r = record_begin(in);

    p->page = mu_read_u32(&r);
    p->elapsed_s = mu_read_u32(&r);
    return record_end(&r);
}

void mu_tally_record_write(struct mu_writer *w, const struct mu_wide_tally *t)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, t->data);
    mu_write_u64(w, t->parity);
    mu_write_u64(w, t->repair);
    mu_write_u64(w, t->control);
    mu_write_u64(w, t->bytes);
    mu_write_u64(w, t->feedback);
    mu_write_u64(w, t->rejected);
    mu_write_u32(w, t->page);
    mu_write_u64(w, t->alone);
    mu_write_u16(w, t->asleep);
    mu_write_u32(w, t->within_s);
}

int mu_tally_record_read(struct mu_bytes in, struct mu_wide_tally *t)
{
    struct mu_reader r = record_begin(in);

    t->data = mu_read_u64(&r);
    t->parity = mu_read_u64(&r);
    t->repair = mu_read_u64(&r);
    t->control = mu_read_u64(&r);
    t->bytes = mu_read_u64(&r);
    t->feedback = mu_read_u64(&r);
    t->rejected = mu_read_u64(&r);
    t->page = mu_read_u32(&r);
    t->alone = mu_read_u64(&r);
    t->asleep = mu_read_u16(&r);
    t->within_s = mu_read_u32(&r);
    return record_end(&r);
}

/* ---- registry -------------------------------------------------------------- */

enum { DEVICE_REVOKED = 1, DEVICE_CAPABLE = 2, DEVICE_FLAGS = 4 };

static void capability_write(struct mu_writer *w, const struct mu_capability *c)
{
    mu_write_u64(w, c->object_max);
    mu_write_u64(w, c->page_memory);
    mu_write_u8(w, c->receiver);
    mu_write_u8(w, c->algs_len);
    for (uint8_t i = 0; i < c->algs_len; i++)
        mu_write_u32(w, (uint32_t)c->algs[i]);
    mu_write_u32(w, c->member_memory);
}

static void capability_read(struct mu_reader *r, struct mu_capability *c)
{
    c->object_max = mu_read_u64(r);
    c->page_memory = mu_read_u64(r);
    c->receiver = mu_read_u8(r);
    c->algs_len = small_read(r, MU_CAPABILITY_ALGS_MAX + 1);
    for (uint8_t i = 0; i < c->algs_len; i++)
        c->algs[i] = (int32_t)mu_read_u32(r);
    c->member_memory = mu_read_u32(r);
}

void mu_device_record_write(struct mu_writer *w,
                            const struct mu_device_record *d)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, (uint8_t)((d->revoked ? DEVICE_REVOKED : 0) |
                             (d->capable ? DEVICE_CAPABLE : 0)));
    mu_write_u32(w, d->gateway);
    mu_write_u16(w, d->index);
    if (d->capable)
        capability_write(w, &d->capability);
    mu_write_u8(w, d->groups_len);
    for (uint8_t i = 0; i < d->groups_len; i++) {
        mu_write_u32(w, d->groups[i].number);
        mu_write_u64(w, d->groups[i].sent);
        mu_write_u64(w, d->groups[i].held);
        mu_write_u64(w, d->groups[i].after);
        mu_write_u64(w, d->groups[i].base);
    }
    sealed_write(w, &d->kmr);
}

int mu_device_record_read(struct mu_bytes in, struct mu_device_record *d)
{
    struct mu_reader r = record_begin(in);
    uint8_t flags = small_read(&r, DEVICE_FLAGS);

    *d = (struct mu_device_record){
        .revoked = (flags & DEVICE_REVOKED) != 0,
        .capable = (flags & DEVICE_CAPABLE) != 0,
    };
    d->gateway = mu_read_u32(&r);
    d->index = mu_read_u16(&r);
    if (d->capable)
        capability_read(&r, &d->capability);
    d->groups_len = small_read(&r, MU_DEVICE_GROUPS_MAX + 1);
    for (uint8_t i = 0; i < d->groups_len; i++) {
        d->groups[i].number = mu_read_u32(&r);
        d->groups[i].sent = mu_read_u64(&r);
        d->groups[i].held = mu_read_u64(&r);
        d->groups[i].after = mu_read_u64(&r);
        d->groups[i].base = mu_read_u64(&r);
    }
    sealed_read(&r, &d->kmr);
    return record_end(&r);
}

struct mu_device_group *mu_device_record_group(struct mu_device_record *d,
                                               uint32_t number)
{
    for (uint8_t i = 0; i < d->groups_len; i++)
        if (d->groups[i].number == number)
            return &d->groups[i];
    return NULL;
}

#define GATEWAY_REMOVED 0xff /* stands for its root key */

void mu_gateway_record_write(struct mu_writer *w,
                             const struct mu_gateway_record *g)
{
    mu_write_u8(w, RECORD_VERSION);
    text_write(w, g->identity, g->identity_len);
    mu_write_u32(w, g->area_version);
    mu_write_u32(w, g->next_index);
    mu_write_u32(w, g->devices);
    mu_write_u64(w, g->page_memory);
    if (g->removed)
        mu_write_u8(w, GATEWAY_REMOVED);
    else
        sealed_write(w, &g->kmr);
}

int mu_gateway_record_read(struct mu_bytes in, struct mu_gateway_record *g)
{
    struct mu_reader r = record_begin(in);

    *g = (struct mu_gateway_record){0};
    g->identity_len = text_read(&r, g->identity, MU_ID_MAX);
    g->area_version = mu_read_u32(&r);
    g->next_index = mu_read_u32(&r);
    g->devices = mu_read_u32(&r);
    g->page_memory = mu_read_u64(&r);
    g->removed = mu_reader_left(&r) == 1;
    if (!g->removed)
        sealed_read(&r, &g->kmr);
    else if (mu_read_u8(&r) != GATEWAY_REMOVED)
        mu_reader_fail(&r);
    return record_end(&r);
}

void mu_group_record_write(struct mu_writer *w, const struct mu_group_record *g)
{
    mu_write_u8(w, RECORD_VERSION);
    text_write(w, g->name, g->name_len);
    mu_write_u8(w, g->mode);
    mu_write_u8(w, (uint8_t)g->wish);
    mu_write_u8(w, g->used);
    mu_write_u64(w, g->generation);
    mu_write_u64(w, g->previous);
    mu_write_u32(w, g->members);
    mu_write_u8(w, g->scheme);
    mu_write_u8(w, g->cut);
    mu_write_u64(w, g->dormant);
    /* Records of before know the lowest bit alone. */
    mu_write_u8(w, (uint8_t)(g->methods << 1 | (g->mikey ? 1 : 0)));
}

int mu_group_record_read(struct mu_bytes in, struct mu_group_record *g)
{
    struct mu_reader r = record_begin(in);
    uint8_t how;

    *g = (struct mu_group_record){0};
    g->name_len = text_read(&r, g->name, MU_NAME_MAX);
    g->mode = small_read(&r, 3);
    g->wish = small_read(&r, MU_GROUP_WISH_COUNT);
    g->used = small_read(&r, 2) != 0;
    g->generation = mu_read_u64(&r);
    g->previous = mu_read_u64(&r);
    g->members = mu_read_u32(&r);
    g->scheme = small_read(&r, MU_SCHEME_COUNT);
    g->cut = small_read(&r, 2) != 0;
    g->dormant = mu_read_u64(&r);
    how = small_read(&r, 2 * (MU_EXCHANGE_ANY + 1));
    g->mikey = (how & 1) != 0;
    g->methods = how >> 1;
    return record_end(&r);
}

/* ---- schemes --------------------------------------------------------------- */

void mu_mtk_record_write(struct mu_writer *w, const struct mu_mtk_record *r)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u64(w, r->generation);
    mu_write_u32(w, r->next);
    mu_write_u32(w, r->counter);
    mu_write_u16(w, r->id);
    mu_write_u32(w, r->seq);
    sealed_write(w, &r->key);
    mu_write_u8(w, r->message_len);
    mu_write_bytes(w, mu_bytes(r->message, r->message_len));
}

int mu_mtk_record_read(struct mu_bytes in, struct mu_mtk_record *r)
{
    struct mu_reader rd = record_begin(in);

    *r = (struct mu_mtk_record){0};
    r->generation = mu_read_u64(&rd);
    r->next = mu_read_u32(&rd);
    r->counter = mu_read_u32(&rd);
    r->id = mu_read_u16(&rd);
    r->seq = mu_read_u32(&rd);
    sealed_read(&rd, &r->key);
    r->message_len = mu_read_u8(&rd);
    if (r->message_len > MU_MTK_MESSAGE_MAX)
        mu_reader_fail(&rd);
    else
        mu_read_copy(&rd, r->message, r->message_len);
    return record_end(&rd);
}

static void wish_write(struct mu_writer *w, const struct mu_group_scheme *g)
{
    mu_write_u8(w, g->kind);
    mu_write_u8(w, g->degree);
    mu_write_u8(w, g->levels);
    mu_write_u32(w, g->clusters);
    mu_write_u32(w, g->members_max);
    mu_write_u32(w, g->key_quorum_permille);
    mu_write_u32(w, g->key_deadline_s);
    mu_write_u32(w, g->leaves_per_day);
    mu_write_u32(w, g->joins_per_day);
    mu_write_u32(w, g->sleepers_permille);
}

static void wish_read(struct mu_reader *r, struct mu_group_scheme *g)
{
    g->kind = small_read(r, MU_SCHEME_COUNT);
    g->degree = mu_read_u8(r);
    g->levels = mu_read_u8(r);
    g->clusters = mu_read_u32(r);
    g->members_max = mu_read_u32(r);
    g->key_quorum_permille = mu_read_u32(r);
    g->key_deadline_s = mu_read_u32(r);
    g->leaves_per_day = mu_read_u32(r);
    g->joins_per_day = mu_read_u32(r);
    g->sleepers_permille = mu_read_u32(r);
}

void mu_scheme_record_write(struct mu_writer *w,
                            const struct mu_scheme_record *r)
{
    mu_write_u8(w, RECORD_VERSION);
    wish_write(w, &r->wish);
    mu_write_u8(w, r->rebuild);
    mu_write_u8(w, r->kind);
    mu_write_u8(w, r->reason);
    mu_write_u64(w, r->base);
    mu_write_u64(w, r->generation);
    mu_write_u64(w, r->op_first);
    mu_write_u64(w, r->op_next);
    mu_write_u32(w, r->gone);
    mu_write_u32(w, r->least_memory);
    mu_write_u32(w, r->members);
    mu_write_u32(w, r->slots_max);
    mu_write_u32(w, r->reserve);
    mu_write_u32(w, r->clusters);
    mu_write_u8(w, r->degree);
    mu_write_u8(w, r->levels);
    mu_write_u8(w, r->copy);
    mu_write_u32(w, r->mem_len);
    text_write(w, r->saved, r->saved_len);
    sealed_write(w, &r->master);
    mu_write_u64(w, r->roster);
    mu_write_u8(w, r->heal);
}

int mu_scheme_record_read(struct mu_bytes in, struct mu_scheme_record *r)
{
    struct mu_reader in_ = record_begin(in);

    *r = (struct mu_scheme_record){.rebuild = false};
    wish_read(&in_, &r->wish);
    r->rebuild = small_read(&in_, 2) != 0;
    r->kind = small_read(&in_, MU_SCHEME_COUNT);
    r->reason = small_read(&in_, MU_REASON_COUNT);
    r->base = mu_read_u64(&in_);
    r->generation = mu_read_u64(&in_);
    r->op_first = mu_read_u64(&in_);
    r->op_next = mu_read_u64(&in_);
    r->gone = mu_read_u32(&in_);
    r->least_memory = mu_read_u32(&in_);
    r->members = mu_read_u32(&in_);
    r->slots_max = mu_read_u32(&in_);
    r->reserve = mu_read_u32(&in_);
    r->clusters = mu_read_u32(&in_);
    r->degree = mu_read_u8(&in_);
    r->levels = mu_read_u8(&in_);
    r->copy = small_read(&in_, 2);
    r->mem_len = mu_read_u32(&in_);
    r->saved_len = text_read(&in_, r->saved, MU_SCHEME_SAVED_MAX);
    sealed_read(&in_, &r->master);
    r->roster = mu_read_u64(&in_);
    r->heal = small_read(&in_, 2) != 0;
    return record_end(&in_);
}

void mu_op_record_write(struct mu_writer *w, const struct mu_op_record *o)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, o->join);
    mu_write_u16(w, o->where);
    mu_write_u32(w, o->slot);
    text_write(w, o->identity, o->identity_len);
}

int mu_op_record_read(struct mu_bytes in, struct mu_op_record *o)
{
    struct mu_reader r = record_begin(in);

    *o = (struct mu_op_record){.join = false};
    o->join = small_read(&r, 2) != 0;
    o->where = mu_read_u16(&r);
    o->slot = mu_read_u32(&r);
    o->identity_len = text_read(&r, o->identity, MU_ID_MAX);
    return record_end(&r);
}

/* ---- campaigns ------------------------------------------------------------- */

enum {
    CAMPAIGN_DOWNGRADE = 1,
    CAMPAIGN_REKEY = 2,
    CAMPAIGN_CUT = 4,
    CAMPAIGN_SWEPT = 8,
    CAMPAIGN_PAUSED = 16,
    CAMPAIGN_ROSTER = 32,
    CAMPAIGN_RIDE = 64,
    CAMPAIGN_LATE = 128,
    CAMPAIGN_FLAGS = 256,
};

static void campaign_counts_write(struct mu_writer *w,
                                  const struct mu_campaign_record *c)
{
    mu_write_u32(w, c->members);
    mu_write_u32(w, c->received);
    mu_write_u32(w, c->verified);
    mu_write_u32(w, c->installed);
    mu_write_u32(w, c->running);
    mu_write_u32(w, c->failed);
    mu_write_u32(w, c->revoked);
    mu_write_u64(w, c->refused);
}

static void campaign_counts_read(struct mu_reader *r,
                                 struct mu_campaign_record *c)
{
    c->members = mu_read_u32(r);
    c->received = mu_read_u32(r);
    c->verified = mu_read_u32(r);
    c->installed = mu_read_u32(r);
    c->running = mu_read_u32(r);
    c->failed = mu_read_u32(r);
    c->revoked = mu_read_u32(r);
    c->refused = mu_read_u64(r);
}

void mu_campaign_record_write(struct mu_writer *w,
                              const struct mu_campaign_record *c)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_bytes(w, MU_BYTES(c->id));
    mu_write_u8(w, c->what);
    mu_write_u16(w, c->parts);
    mu_write_u32(w, c->group);
    mu_write_u8(w, c->mode);
    mu_write_u8(w, (uint8_t)c->phase);
    mu_write_u8(w, (uint8_t)((c->downgrade ? CAMPAIGN_DOWNGRADE : 0) |
                             (c->rekey ? CAMPAIGN_REKEY : 0) |
                             (c->cut ? CAMPAIGN_CUT : 0) |
                             (c->swept ? CAMPAIGN_SWEPT : 0) |
                             (c->paused ? CAMPAIGN_PAUSED : 0) |
                             (c->roster != 0 ? CAMPAIGN_ROSTER : 0) |
                             (c->acks_ride ? CAMPAIGN_RIDE : 0) |
                             (c->late != 0 ? CAMPAIGN_LATE : 0)));
    text_write(w, c->name, c->name_len);
    mu_write_u64(w, c->version);
    mu_write_u64(w, c->size);
    mu_write_bytes(w, MU_BYTES(c->digest));
    mu_write_u16(w, c->shape.payload);
    mu_write_u16(w, c->shape.page_data);
    mu_write_u16(w, c->shape.page_parity);
    mu_write_u8(w, c->shape.hash_len);
    mu_write_u8(w, c->session);
    mu_write_u32(w, c->edition);
    mu_write_u64(w, c->generation);
    mu_write_u32(w, c->quorum_permille);
    mu_write_u32(w, c->deadline_s);
    mu_write_u32(w, c->elapsed_s);
    campaign_counts_write(w, c);
    mu_write_u16(w, c->announce_len);
    mu_write_bytes(w, mu_bytes(c->announce, c->announce_len));
    text_write(w, c->cancel, c->cancel_len);
    if (c->roster != 0) {
        mu_write_u64(w, c->roster);
        mu_write_u64(w, c->base);
    }
    if (c->late != 0) {
        mu_write_u32(w, c->late);
        mu_write_u32(w, c->late_by);
    }
}

int mu_campaign_record_read(struct mu_bytes in, struct mu_campaign_record *c)
{
    struct mu_reader r = record_begin(in);
    uint8_t flags;

    *c = (struct mu_campaign_record){0};
    mu_read_copy(&r, c->id, sizeof c->id);
    c->what = small_read(&r, MU_CAMPAIGN_WHAT_COUNT);
    c->parts = mu_read_u16(&r);
    c->group = mu_read_u32(&r);
    c->mode = small_read(&r, 3);
    c->phase = small_read(&r, MU_CAMPAIGN_PHASE_COUNT);
    flags = small_read(&r, CAMPAIGN_FLAGS);
    c->downgrade = (flags & CAMPAIGN_DOWNGRADE) != 0;
    c->rekey = (flags & CAMPAIGN_REKEY) != 0;
    c->cut = (flags & CAMPAIGN_CUT) != 0;
    c->swept = (flags & CAMPAIGN_SWEPT) != 0;
    c->paused = (flags & CAMPAIGN_PAUSED) != 0;
    c->acks_ride = (flags & CAMPAIGN_RIDE) != 0;
    c->name_len = text_read(&r, c->name, MU_NAME_MAX);
    c->version = mu_read_u64(&r);
    c->size = mu_read_u64(&r);
    mu_read_copy(&r, c->digest, sizeof c->digest);
    c->shape.payload = mu_read_u16(&r);
    c->shape.page_data = mu_read_u16(&r);
    c->shape.page_parity = mu_read_u16(&r);
    c->shape.hash_len = mu_read_u8(&r);
    c->session = mu_read_u8(&r);
    c->edition = mu_read_u32(&r);
    c->generation = mu_read_u64(&r);
    c->quorum_permille = mu_read_u32(&r);
    c->deadline_s = mu_read_u32(&r);
    c->elapsed_s = mu_read_u32(&r);
    campaign_counts_read(&r, c);
    c->announce_len = mu_read_u16(&r);
    if (c->announce_len > MU_ANNOUNCE_MAX) {
        c->announce_len = 0;
        mu_reader_fail(&r);
    }
    mu_read_copy(&r, c->announce, c->announce_len);
    c->cancel_len = text_read(&r, c->cancel, MU_CANCEL_MAX);
    if ((flags & CAMPAIGN_ROSTER) != 0) {
        c->roster = mu_read_u64(&r);
        c->base = mu_read_u64(&r);
    }
    if ((flags & CAMPAIGN_LATE) != 0) {
        c->late = mu_read_u32(&r);
        c->late_by = mu_read_u32(&r);
    }
    return record_end(&r);
}

void mu_target_record_write(struct mu_writer *w,
                            const struct mu_target_record *t)
{
    mu_write_u8(w, RECORD_VERSION);
    mu_write_bytes(w, MU_BYTES(t->state));
    mu_write_bytes(w, MU_BYTES(t->reason));
}

int mu_target_record_read(struct mu_bytes in, struct mu_target_record *t)
{
    struct mu_reader r = record_begin(in);

    mu_read_copy(&r, t->state, sizeof t->state);
    mu_read_copy(&r, t->reason, sizeof t->reason);
    return record_end(&r);
}
