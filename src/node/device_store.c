/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the device: what they hold, when they are taken, how they are read
 * back. A record that is damaged counts as absent: the device then asks for
 * what it needs, so a bad sector costs an exchange and never a visit.
 */
#include "node/device.h"

#include "muster/assert.h"

#define RECORD_VERSION 1
#define KEYS_VERSION 2 /* of the record of keys: with the modes of groups */
#define CAMPAIGN_VERSION 2 /* acknowledgements of 8 bytes, and their wait */
#define ROOTS_MAX (MU_DEVICE_OUT - 200) /* bytes: the rest of OBJECT fits */

static const struct device_record_info {
    uint8_t table;
    const char *key; /* NULL: the name of the object, or with the group */
    bool before_send;
} device_records[MU_DEVICE_REC_COUNT] = {
    [MU_DEVICE_REC_SPEAK] = {MU_TABLE_NODE, "speak", true},
    [MU_DEVICE_REC_LISTEN] = {MU_TABLE_NODE, "listen", true},
    [MU_DEVICE_REC_MBMS] = {MU_TABLE_NODE, "mbms", true},
    [MU_DEVICE_REC_KEYS] = {MU_TABLE_NODE, "keys", true},
    [MU_DEVICE_REC_MEMBER] = {MU_TABLE_NODE, NULL, true},
    [MU_DEVICE_REC_OBJECT] = {MU_TABLE_NODE, "object", true},
    [MU_DEVICE_REC_SEEN] = {MU_TABLE_SEEN, NULL, true},
    [MU_DEVICE_REC_CAMPAIGN] = {MU_TABLE_NODE, "campaign", true},
    [MU_DEVICE_REC_PAGE] = {MU_TABLE_NODE, "page", false},
};

void mu_device_dirty(struct mu_device *d, enum mu_device_records rec)
{
    d->records[rec].dirty = true;
}

bool mu_device_barrier(const struct mu_device *d)
{
    for (size_t i = 0; i < MU_DEVICE_REC_COUNT; i++) {
        if (device_records[i].before_send && d->records[i].flying)
            return true;
    }
    return false;
}

/* ---- writing ------------------------------------------------------------ */

static void record_keys_write(const struct mu_device *d, struct mu_writer *w)
{
    mu_write_u8(w, KEYS_VERSION);
    mu_write_u32(w, d->epoch);
    mu_write_u8(w, d->server.alg == MU_ALG_EDDSA ? 2 : 1);
    mu_write_u8(w, d->server.pub_len);
    mu_write_bytes(w, mu_bytes(d->server.pub, d->server.pub_len));
    mu_write_u8(w, d->groups.len);
    for (size_t i = 0; i < d->groups.len; i++) {
        mu_write_u32(w, d->groups.number[i]);
        mu_write_u8(w, d->groups.mode[i]);
    }
    if (mu_keyring_save(&d->keys, w) != 0)
        mu_writer_fail(w);
}

static void record_object_write(const struct mu_device *d, struct mu_writer *w)
{
    const struct mu_device_campaign *c = &d->campaign;

    mu_write_u8(w, RECORD_VERSION);
    mu_write_bytes(w, MU_BYTES(c->object));
    mu_write_bytes(w, MU_BYTES(c->id));
    mu_write_u32(w, c->group);
    mu_write_u32(w, c->edition);
    mu_write_u64(w, c->version);
    mu_write_u64(w, c->size);
    mu_write_bytes(w, MU_BYTES(c->digest));
    mu_write_u16(w, c->shape.payload);
    mu_write_u16(w, c->shape.page_data);
    mu_write_u16(w, c->shape.page_parity);
    mu_write_u8(w, c->shape.hash_len);
    mu_write_u8(w, c->session);
    mu_write_u8(w, c->name_len);
    mu_write_bytes(w, mu_bytes(c->name, c->name_len));
    mu_write_bytes(w, mu_secret_view(&c->cek));
    mu_write_u16(w, c->roots_len);
    mu_write_bytes(w, mu_bytes(d->assembly.object + c->roots_at,
                               c->roots_len));
}

static void record_seen_write(const struct mu_device *d, struct mu_writer *w)
{
    mu_write_u64(w, d->campaign.version);
    mu_write_bytes(w, MU_BYTES(d->campaign.digest));
}

static void record_campaign_write(const struct mu_device *d,
                                  struct mu_writer *w)
{
    mu_write_u8(w, CAMPAIGN_VERSION);
    mu_write_u8(w, d->campaign.phase);
    mu_write_u8(w, d->campaign.tries);
    mu_write_u64(w, d->running_version);
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        const struct mu_device_report *r = &d->reports[i];

        mu_write_u8(w, r->used);
        mu_write_bytes(w, MU_BYTES(r->campaign));
        mu_write_bytes(w, MU_BYTES(r->object));
        mu_write_u8(w, r->session);
        mu_write_u8(w, r->state);
        mu_write_u8(w, r->reason);
        mu_write_bytes(w, MU_BYTES(r->ack));
        mu_write_u8(w, r->wait_s);
    }
}

static void record_page_write(const struct mu_device *d, struct mu_writer *w)
{
    mu_write_bytes(w, mu_bytes(d->campaign.object, 8));
    mu_write_u8(w, d->campaign.tries);
    if (mu_cast_receiver_save(&d->receiver, w) != 0)
        mu_writer_fail(w);
}

static struct mu_writer device_record_write(struct mu_device *d,
                                            enum mu_device_records rec)
{
    struct mu_writer w = mu_writer(d->out, sizeof d->out);

    switch (rec) {
    case MU_DEVICE_REC_SPEAK:
        mu_speaker_write(d->speech.speaker, &w);
        break;
    case MU_DEVICE_REC_LISTEN:
        mu_listener_write(d->speech.listener, &w);
        break;
    case MU_DEVICE_REC_MBMS:
        mu_device_mbms_write(d, &w);
        break;
    case MU_DEVICE_REC_KEYS:
        record_keys_write(d, &w);
        break;
    case MU_DEVICE_REC_OBJECT:
        record_object_write(d, &w);
        break;
    case MU_DEVICE_REC_SEEN:
        record_seen_write(d, &w);
        break;
    case MU_DEVICE_REC_CAMPAIGN:
        record_campaign_write(d, &w);
        break;
    case MU_DEVICE_REC_PAGE:
        w = mu_writer(mu_device_save_room(d),
                      mu_device_save_max(&d->campaign.shape));
        record_page_write(d, &w);
        break;
    case MU_DEVICE_REC_MEMBER: /* as it lies there */
    case MU_DEVICE_REC_COUNT:
        break;
    }
    return w;
}

bool mu_device_next_store(struct mu_device *d, struct mu_effect *out)
{
    size_t i = 0;
    struct mu_writer w;

    while (i < MU_DEVICE_REC_COUNT && mu_record_durable(&d->records[i]))
        i++;
    if (i == MU_DEVICE_REC_COUNT || !mu_record_ready(&d->records[i], d->now))
        return false;
    if (i == MU_DEVICE_REC_PAGE && !d->campaign.receiving) {
        d->records[i].dirty = false; /* its receiver is gone */
        return false;
    }
    if (i == MU_DEVICE_REC_PAGE && mu_device_receive_sync(d) != 0) {
        mu_backoff_fail(&d->records[i].wait, d->now, &d->jitter);
        return false;
    }
    if (i == MU_DEVICE_REC_MEMBER) {
        if (!mu_device_member_record(d, out))
            return mu_device_next_store(d, out); /* none: the one after it */
    } else {
        w = device_record_write(d, (enum mu_device_records)i);
        mu_assert(!w.failed); /* all sizes are bounded when they are taken */
        out->key = device_records[i].key != NULL
                       ? mu_bytes_str(device_records[i].key)
                       : mu_bytes(d->campaign.name, d->campaign.name_len);
        out->value = mu_written(&w);
    }
    mu_record_taken(&d->records[i], ++d->ticket);
    d->out_secret = i == MU_DEVICE_REC_KEYS || i == MU_DEVICE_REC_MBMS ||
                    i == MU_DEVICE_REC_OBJECT || i == MU_DEVICE_REC_SPEAK;
    out->kind = MU_DO_STORE;
    out->table = device_records[i].table;
    out->ticket = d->ticket;
    out->before_send = device_records[i].before_send;
    return true;
}

/* ---- reading ------------------------------------------------------------ */

/* 0 and a reader; MU_ERR_NOT_FOUND also for a damaged record. */
static int record_read(struct mu_device *d, enum mu_device_records rec,
                       uint8_t *to, size_t room, struct mu_reader *r)
{
    size_t len = room;
    int rc = d->conf.store->get(d->conf.store->ctx, device_records[rec].table,
                                mu_bytes_str(device_records[rec].key), to,
                                &len);

    if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NO_SPACE) {
        mu_device_trace(d, "record-damaged", rec, 0);
        rc = MU_ERR_NOT_FOUND;
    }
    *r = mu_reader(mu_bytes(to, rc == 0 ? len : 0));
    return rc;
}

static void record_keys_parse(struct mu_device *d, struct mu_reader *r)
{
    uint8_t version = mu_read_u8(r), alg;

    d->epoch = mu_read_u32(r);
    alg = mu_read_u8(r);
    d->server.alg = alg == 2 ? MU_ALG_EDDSA : MU_ALG_ES256;
    d->server.pub_len = mu_read_u8(r);
    if (version != KEYS_VERSION || d->server.pub_len > MU_PUBLIC_KEY_MAX) {
        mu_reader_fail(r);
        return;
    }
    mu_read_copy(r, d->server.pub, d->server.pub_len);
    d->groups.len = mu_read_u8(r);
    if (d->groups.len > MU_DEVICE_GROUPS_MAX) {
        mu_reader_fail(r);
        return;
    }
    for (size_t i = 0; i < d->groups.len; i++) {
        d->groups.number[i] = mu_read_u32(r);
        d->groups.mode[i] = mu_read_u8(r);
    }
    if (mu_keyring_load(&d->keys, r) != 0)
        mu_reader_fail(r);
}

static int device_load_keys(struct mu_device *d)
{
    struct mu_reader r;
    int rc = record_read(d, MU_DEVICE_REC_KEYS, d->out, sizeof d->out, &r);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    record_keys_parse(d, &r);
    if (mu_reader_end(&r) != 0) {
        /* What is left of it is not trusted: connect anew. */
        mu_device_trace(d, "record-damaged", MU_DEVICE_REC_KEYS, 1);
        mu_keyring_clear(&d->keys);
        mu_keyring_init(&d->keys);
        d->server = (struct mu_signer){.pub_len = 0};
        d->groups.len = 0;
    }
    mu_wipe(d->out, sizeof d->out);
    return 0;
}

/* Without it no MSK is held, so no key counts as held either: the next fetch
 * brings both. */
static int device_load_mbms(struct mu_device *d)
{
    struct mu_reader r;
    int rc = record_read(d, MU_DEVICE_REC_MBMS, d->out, sizeof d->out, &r);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    if (mu_device_mbms_read(d, mu_reader_rest(&r)) != 0) {
        mu_device_trace(d, "record-damaged", MU_DEVICE_REC_MBMS, 1);
        mu_keyring_clear(&d->keys);
        mu_keyring_init(&d->keys);
    }
    mu_wipe(d->out, sizeof d->out);
    return 0;
}

static void record_campaign_parse(struct mu_device *d, struct mu_reader *r)
{
    uint8_t version = mu_read_u8(r);

    d->campaign.phase = mu_read_u8(r);
    d->campaign.tries = mu_read_u8(r);
    d->running_version = mu_read_u64(r);
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++) {
        struct mu_device_report *p = &d->reports[i];

        p->used = mu_read_u8(r) != 0;
        mu_read_copy(r, p->campaign, sizeof p->campaign);
        mu_read_copy(r, p->object, sizeof p->object);
        p->session = mu_read_u8(r);
        p->state = mu_read_u8(r);
        p->reason = mu_read_u8(r);
        mu_read_copy(r, p->ack, sizeof p->ack);
        p->wait_s = mu_read_u8(r);
        p->due_at = MU_TIME_NEVER;
    }
    if (version != CAMPAIGN_VERSION ||
        d->campaign.phase >= MU_DEVICE_PHASE_COUNT)
        mu_reader_fail(r);
}

static void record_object_parse(struct mu_device_campaign *c,
                                struct mu_reader *r, struct mu_bytes *roots)
{
    uint8_t version = mu_read_u8(r);

    mu_read_copy(r, c->object, sizeof c->object);
    mu_read_copy(r, c->id, sizeof c->id);
    c->group = mu_read_u32(r);
    c->edition = mu_read_u32(r);
    c->version = mu_read_u64(r);
    c->size = mu_read_u64(r);
    mu_read_copy(r, c->digest, sizeof c->digest);
    c->shape.payload = mu_read_u16(r);
    c->shape.page_data = mu_read_u16(r);
    c->shape.page_parity = mu_read_u16(r);
    c->shape.hash_len = mu_read_u8(r);
    c->session = mu_read_u8(r);
    c->name_len = mu_read_u8(r);
    if (version != RECORD_VERSION || c->name_len > MU_NAME_MAX)
        mu_reader_fail(r);
    else
        mu_read_copy(r, c->name, c->name_len);
    if (mu_secret_set(&c->cek, mu_read_bytes(r, MU_AES_BLOCK)) != 0)
        mu_reader_fail(r);
    c->roots_len = mu_read_u16(r);
    *roots = mu_read_bytes(r, c->roots_len);
}

int mu_device_load_object(struct mu_device *d, struct mu_device_campaign *c,
                          struct mu_bytes *roots)
{
    struct mu_reader r;
    int rc = record_read(d, MU_DEVICE_REC_OBJECT, d->out, sizeof d->out, &r);

    d->out_secret = true;
    if (rc != 0)
        return rc;
    record_object_parse(c, &r, roots);
    return mu_reader_end(&r) == 0 ? 0 : MU_ERR_NOT_FOUND;
}

int mu_device_load_page(struct mu_device *d)
{
    struct mu_reader r;
    uint8_t id[8];
    int rc = record_read(d, MU_DEVICE_REC_PAGE, mu_device_save_room(d),
                         mu_device_save_max(&d->campaign.shape), &r);

    if (rc != 0)
        return rc;
    mu_read_copy(&r, id, sizeof id);
    if (!mu_ct_eq(id, d->campaign.object, sizeof id) ||
        mu_read_u8(&r) != d->campaign.tries)
        return MU_ERR_NOT_FOUND;
    return mu_cast_receiver_load(&d->receiver, &r);
}

static int device_load_campaign(struct mu_device *d)
{
    struct mu_reader r;
    struct mu_device_campaign c = {.phase = MU_DEVICE_IDLE};
    struct mu_bytes roots;
    int rc = record_read(d, MU_DEVICE_REC_CAMPAIGN, d->out, sizeof d->out, &r);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    record_campaign_parse(d, &r);
    if (mu_reader_end(&r) != 0) {
        mu_device_trace(d, "record-damaged", MU_DEVICE_REC_CAMPAIGN, 1);
        mu_zero(d->reports, sizeof d->reports);
        d->campaign.phase = MU_DEVICE_IDLE;
    }
    if (d->campaign.phase == MU_DEVICE_IDLE)
        return 0;
    rc = mu_device_load_object(d, &c, &roots);
    if (rc == 0 && mu_ct_eq(c.id, d->reports[0].campaign, sizeof c.id)) {
        c.phase = d->campaign.phase;
        c.tries = d->campaign.tries;
        d->campaign = c;
        mu_device_campaign_resume(d);
    } else if (rc == 0 || rc == MU_ERR_NOT_FOUND) {
        /* Its manifest is lost; it will be announced again. */
        d->campaign.phase = MU_DEVICE_IDLE;
        d->reports[0].used = false;
        rc = 0;
    }
    mu_secret_clear(&c.cek);
    return rc;
}

int mu_device_load(struct mu_device *d)
{
    int rc;

    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++)
        d->reports[i].due_at = MU_TIME_NEVER;
    rc = device_load_keys(d);
    if (rc == 0)
        rc = device_load_mbms(d);
    if (rc == 0)
        rc = mu_device_members_load(d);
    if (rc == 0)
        rc = device_load_campaign(d);
    return rc != 0 ? rc : mu_device_command_resume(d);
}

int mu_device_seen(const struct mu_device *d, struct mu_bytes name,
                   uint64_t *version, uint8_t digest[32])
{
    uint8_t value[40];
    size_t len = sizeof value;
    struct mu_reader r;
    int rc = d->conf.store->get(d->conf.store->ctx, MU_TABLE_SEEN, name, value,
                                &len);

    if (rc == MU_ERR_CORRUPT)
        return MU_ERR_NOT_FOUND;
    if (rc != 0)
        return rc;
    r = mu_reader(mu_bytes(value, len));
    *version = mu_read_u64(&r);
    mu_read_copy(&r, digest, 32);
    return mu_reader_end(&r) == 0 ? 0 : MU_ERR_NOT_FOUND;
}

bool mu_device_object_fits(size_t roots_len)
{
    return roots_len <= ROOTS_MAX;
}
