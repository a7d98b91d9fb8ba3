/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the gateway: the server, the area keys, the device list. A damaged
 * record counts as absent; the server is asked again, and a lost area key is
 * replaced by a newer one.
 */
#include "node/gateway.h"

#include "muster/assert.h"

#define RECORD_VERSION 1
#define KG_VERSION 2 /* with the ticks */
#define DEVICE_VERSION 2 /* with the windows */

/* Tickets say what they are for: kind, then index or slot. */
#define TICKET_SINGLE 0u
#define TICKET_DEVICE 0x40000000u
#define TICKET_CAMPAIGN 0x80000000u
#define TICKET_PROGRESS 0xc0000000u
#define TICKET_KIND 0xc0000000u

static const char *const single_keys[MU_GATEWAY_REC_COUNT] = {
    [MU_GATEWAY_REC_SERVER] = "server",
    [MU_GATEWAY_REC_KG] = "kg",
    [MU_GATEWAY_REC_AREA] = "area",
    [MU_GATEWAY_REC_SPEAK] = "speak",
    [MU_GATEWAY_REC_DIR] = "speakers",
};

/* No Kg leaves before it is stored: after a restart the one that is stored
 * would be older than what devices hold. */
bool mu_gateway_barrier(const struct mu_gateway *g)
{
    return g->records[MU_GATEWAY_REC_KG].flying;
}

void mu_gateway_device_dirty(struct mu_gateway *g, uint16_t index)
{
    mu_bit_put(g->dirty, index, true);
    g->dirty_any = true;
}

/* ---- writing ------------------------------------------------------------ */

static void store_key_write(const struct mu_gateway_key *k,
                            struct mu_writer *w)
{
    mu_write_u8(w, k->key.len);
    if (k->key.len == 0)
        return; /* no key here */
    mu_kid_write(w, &k->kid);
    mu_write_bytes(w, mu_secret_view(&k->key));
}

static void store_server_write(const struct mu_gateway *g,
                               struct mu_writer *w)
{
    const struct mu_gateway_server *s = &g->server;

    mu_write_u8(w, RECORD_VERSION);
    mu_write_u8(w, s->id_len);
    mu_write_bytes(w, mu_bytes(s->id, s->id_len));
    mu_write_u32(w, s->number);
    store_key_write(&s->kw, w);
    mu_write_bytes(w, mu_bytes(s->address, sizeof s->address));
    mu_write_u16(w, s->port);
    mu_write_u16(w, s->up_port);
    mu_write_u32(w, s->epoch);
    mu_write_u8(w, s->signer.alg == MU_ALG_EDDSA ? 2 : 1);
    mu_write_u8(w, s->signer.pub_len);
    mu_write_bytes(w, mu_bytes(s->signer.pub, s->signer.pub_len));
    mu_write_u16(w, s->index);
    mu_write_u64(w, g->kg_last);
}

static void store_single_write(const struct mu_gateway *g, size_t which,
                               struct mu_writer *w)
{
    switch (which) {
    case MU_GATEWAY_REC_SERVER:
        store_server_write(g, w);
        break;
    case MU_GATEWAY_REC_KG:
        /* The next one is in force from the moment it is stored. */
        mu_write_u8(w, KG_VERSION);
        store_key_write(g->kg_next.kid.kind != 0 ? &g->kg_next : &g->kg[0], w);
        store_key_write(g->kg_next.kid.kind != 0 ? &g->kg[0] : &g->kg[1], w);
        mu_write_u16(w, g->kg_next.kid.kind != 0 ? MU_GATEWAY_TICKS
                                                 : g->ticks_until);
        break;
    case MU_GATEWAY_REC_AREA:
        mu_write_u8(w, RECORD_VERSION);
        mu_write_u64(w, g->area_version);
        break;
    default:
        mu_gateway_speech_write(g, which, w);
        break;
    }
}

static uint32_t store_effect(struct mu_gateway *g, uint32_t ticket,
                             uint8_t table, struct mu_bytes key,
                             const struct mu_writer *w, struct mu_effect *out)
{
    out->kind = MU_DO_STORE;
    out->table = table;
    out->key = key;
    out->value = w != NULL ? mu_written(w) : (struct mu_bytes){NULL, 0};
    out->ticket = ticket;
    out->before_send = false;
    g->out_secret = true;
    mu_assert(w == NULL || !w->failed);
    return ticket;
}

/* The key of a record that has to outlive this call lies behind its value. */
static struct mu_bytes store_key_index(struct mu_gateway *g, uint16_t index)
{
    uint8_t *at = g->out + MU_STORE_VALUE_MAX - 2;

    at[0] = (uint8_t)(index >> 8);
    at[1] = (uint8_t)index;
    return mu_bytes(at, 2);
}

/* Whoever left the list is forgotten only when the Kg without him is stored: a
 * power cut in between must not leave him in the area. */
static bool store_devices_wait(const struct mu_gateway *g)
{
    return g->rotate_due || g->kg_next.kid.kind != 0;
}

static bool store_next_device(struct mu_gateway *g, struct mu_effect *out)
{
    struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX - 2);
    uint16_t i = 0;
    const struct mu_gateway_device *d;

    if (!g->dirty_any || g->dirty_wait.at > g->now || store_devices_wait(g))
        return false;
    while (i < g->conf.devices_max && !mu_bit_get(MU_BYTES(g->dirty), i))
        i++;
    if (i == g->conf.devices_max) {
        g->dirty_any = false;
        return false;
    }
    mu_bit_put(g->dirty, i, false);
    g->dirty_flying++;
    d = &g->devices[i];
    mu_write_u8(&w, DEVICE_VERSION);
    mu_write_u8(&w, d->id_len);
    mu_write_bytes(&w, mu_bytes(d->id, d->id_len));
    mu_write_bytes(&w, mu_secret_view(&d->khop));
    mu_write_u32(&w, d->listens.period_s);
    mu_write_u32(&w, d->listens.window_s);
    store_effect(g, TICKET_DEVICE | i, MU_TABLE_AREA, store_key_index(g, i),
                 d->used ? &w : NULL, out);
    return true;
}

static bool store_next_single(struct mu_gateway *g, struct mu_effect *out)
{
    for (size_t i = 0; i < MU_GATEWAY_REC_COUNT; i++) {
        struct mu_record *r = &g->records[i];
        struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);

        if (!mu_record_ready(r, g->now))
            continue;
        /* The version says that the list is here: last. */
        if (i == MU_GATEWAY_REC_AREA && (g->dirty_any || g->dirty_flying > 0))
            continue;
        g->ticket = (g->ticket + 1) & ~TICKET_KIND;
        mu_record_taken(r, g->ticket);
        store_single_write(g, i, &w);
        store_effect(g, TICKET_SINGLE | g->ticket, MU_TABLE_NODE,
                     mu_bytes_str(single_keys[i]), &w, out);
        out->before_send = i == MU_GATEWAY_REC_KG;
        return true;
    }
    return false;
}

static uint32_t store_session_ticket(struct mu_gateway *g, uint32_t kind,
                                     struct mu_record *r)
{
    g->ticket = (g->ticket + 1) & ~TICKET_KIND;
    mu_record_taken(r, kind | g->ticket);
    return kind | g->ticket;
}

static bool store_next_session(struct mu_gateway *g,
                               struct mu_gateway_session *s,
                               struct mu_effect *out)
{
    struct mu_writer w = mu_writer(g->out, MU_STORE_VALUE_MAX);
    bool gone = s->phase == MU_GATEWAY_ENDING;

    if (s->phase == MU_GATEWAY_FREE)
        return false;
    if (mu_record_ready(&s->record, g->now)) {
        mu_gateway_campaign_write(s, &w, g->now);
        store_effect(g, store_session_ticket(g, TICKET_CAMPAIGN, &s->record),
                     MU_TABLE_CAMPAIGN, MU_BYTES(s->campaign),
                     gone ? NULL : &w, out);
        return true;
    }
    if (!mu_record_ready(&s->progress, g->now))
        return false;
    if (!gone && !s->receiving) {
        s->progress.dirty = false;
        return false;
    }
    if (!gone)
        mu_gateway_progress_write(s, &w);
    store_effect(g, store_session_ticket(g, TICKET_PROGRESS, &s->progress),
                 MU_TABLE_SEEN, MU_BYTES(s->campaign), gone ? NULL : &w, out);
    return true;
}

bool mu_gateway_next_store(struct mu_gateway *g, struct mu_effect *out)
{
    if (store_next_device(g, out) || store_next_single(g, out))
        return true;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        if (store_next_session(g, &g->sessions[i], out))
            return true;
    }
    return false;
}

static void stored_device(struct mu_gateway *g, uint32_t ticket, int result)
{
    uint16_t i = (uint16_t)(ticket & ~TICKET_KIND);

    if (g->dirty_flying > 0)
        g->dirty_flying--;
    if (result == 0) {
        mu_backoff_reset(&g->dirty_wait);
    } else if (i < g->conf.devices_max) {
        mu_gateway_device_dirty(g, i);
        mu_backoff_fail(&g->dirty_wait, g->now, &g->jitter);
    }
}

static void stored_session(struct mu_gateway *g, struct mu_gateway_session *s,
                           const struct mu_event *ev)
{
    bool mine = mu_record_stored(&s->record, ev->ticket, ev->result, ev->now,
                                 &g->jitter);

    mine = mu_record_stored(&s->progress, ev->ticket, ev->result, ev->now,
                            &g->jitter) ||
           mine;
    if (mine && s->phase == MU_GATEWAY_ENDING &&
        mu_record_durable(&s->record) && mu_record_durable(&s->progress)) {
        mu_gateway_session_move(s, MU_GATEWAY_MOVE_DELETED);
        /* A fifth campaign may have been listed meanwhile. */
        mu_gateway_camp_refresh(g);
    }
}

int mu_gateway_stored(struct mu_gateway *g, const struct mu_event *ev)
{
    if (ev->result != 0)
        mu_gateway_trace(g, "store-failed", ev->ticket & TICKET_KIND,
                         (uint64_t)-ev->result);
    if ((ev->ticket & TICKET_KIND) == TICKET_DEVICE) {
        stored_device(g, ev->ticket, ev->result);
        return 0;
    }
    for (size_t i = 0; i < MU_GATEWAY_REC_COUNT; i++) {
        if (mu_record_stored(&g->records[i], ev->ticket, ev->result, ev->now,
                             &g->jitter) &&
            i == MU_GATEWAY_REC_KG && ev->result == 0)
            mu_gateway_kg_stored(g);
    }
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        stored_session(g, &g->sessions[i], ev);
    return 0;
}

mu_time mu_gateway_store_deadline(const struct mu_gateway *g)
{
    mu_time at = g->dirty_any && !store_devices_wait(g) ? g->dirty_wait.at
                                                        : MU_TIME_NEVER;

    for (size_t i = 0; i < MU_GATEWAY_REC_COUNT; i++) {
        if (i == MU_GATEWAY_REC_AREA && (g->dirty_any || g->dirty_flying > 0))
            continue;
        at = mu_time_min(at, mu_record_deadline(&g->records[i]));
    }
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        const struct mu_gateway_session *s = &g->sessions[i];

        if (s->phase == MU_GATEWAY_FREE)
            continue;
        at = mu_time_min(at, mu_record_deadline(&s->record));
        at = mu_time_min(at, mu_record_deadline(&s->progress));
    }
    return at;
}

/* ---- reading ------------------------------------------------------------ */

static void store_key_read(struct mu_reader *r, struct mu_gateway_key *k)
{
    uint8_t len = mu_read_u8(r);

    *k = (struct mu_gateway_key){.kid = {0, 0, 0}};
    if (len == 0)
        return;
    k->kid = mu_kid_read(r);
    if (mu_secret_set(&k->key, mu_read_bytes(r, len)) != 0)
        mu_reader_fail(r);
}

static void store_server_read(struct mu_reader *r, struct mu_gateway *g)
{
    struct mu_gateway_server *s = &g->server;
    uint8_t version = mu_read_u8(r);

    s->id_len = mu_read_u8(r);
    if (version != RECORD_VERSION || s->id_len > MU_ID_MAX) {
        mu_reader_fail(r);
        return;
    }
    mu_read_copy(r, s->id, s->id_len);
    s->number = mu_read_u32(r);
    store_key_read(r, &s->kw);
    mu_read_copy(r, s->address, sizeof s->address);
    s->address[sizeof s->address - 1] = '\0';
    s->port = mu_read_u16(r);
    s->up_port = mu_read_u16(r);
    s->epoch = mu_read_u32(r);
    s->signer.alg = mu_read_u8(r) == 2 ? MU_ALG_EDDSA : MU_ALG_ES256;
    s->signer.pub_len = mu_read_u8(r);
    if (s->signer.pub_len > MU_PUBLIC_KEY_MAX) {
        mu_reader_fail(r);
        return;
    }
    mu_read_copy(r, s->signer.pub, s->signer.pub_len);
    s->index = mu_read_u16(r);
    g->kg_last = mu_read_u64(r);
}

static int load_single(struct mu_gateway *g, size_t which, struct mu_reader *r)
{
    size_t len = MU_STORE_VALUE_MAX;
    int rc = g->conf.store->get(g->conf.store->ctx, MU_TABLE_NODE,
                                mu_bytes_str(single_keys[which]), g->out, &len);

    if (rc == MU_ERR_CORRUPT) {
        mu_gateway_trace(g, "record-damaged", which, 0);
        rc = MU_ERR_NOT_FOUND;
    }
    *r = mu_reader(mu_bytes(g->out, rc == 0 ? len : 0));
    return rc;
}

static int load_server(struct mu_gateway *g)
{
    struct mu_reader r;
    int rc = load_single(g, MU_GATEWAY_REC_SERVER, &r);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    store_server_read(&r, g);
    if (mu_reader_end(&r) != 0 || g->server.kw.kid.kind != MU_KEY_KW) {
        mu_gateway_trace(g, "record-damaged", MU_GATEWAY_REC_SERVER, 1);
        mu_wipe(&g->server, sizeof g->server);
        g->kg_last = 0;
        return 0;
    }
    return g->server.id_len != 0 ? mu_gateway_server_keys(g) : 0;
}

static int load_kg(struct mu_gateway *g)
{
    struct mu_reader r;
    int rc = load_single(g, MU_GATEWAY_REC_KG, &r);
    uint8_t version;
    uint16_t ticks;

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    version = mu_read_u8(&r);
    store_key_read(&r, &g->kg[0]);
    store_key_read(&r, &g->kg[1]);
    ticks = mu_read_u16(&r);
    if (mu_reader_end(&r) != 0 || version != KG_VERSION) {
        mu_gateway_trace(g, "record-damaged", MU_GATEWAY_REC_KG, 1);
        mu_wipe(g->kg, sizeof g->kg);
        return 0;
    }
    for (size_t i = 0; i < 2 && rc == 0; i++) {
        if (g->kg[i].kid.kind != 0)
            rc = mu_gateway_control_key(g, &g->kg[i]);
    }
    if (rc == 0 && g->kg[0].kid.kind != 0)
        rc = mu_gateway_ticks_begin(g, ticks);
    return rc;
}

static int load_area(struct mu_gateway *g)
{
    struct mu_reader r;
    uint8_t version;
    int rc = load_single(g, MU_GATEWAY_REC_AREA, &r);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    version = mu_read_u8(&r);
    g->area_version = mu_read_u64(&r);
    g->area_known = mu_reader_end(&r) == 0 && version == RECORD_VERSION;
    return 0;
}

/* False when the record is of no use. */
static bool load_device(struct mu_gateway *g, struct mu_bytes key,
                        struct mu_bytes value)
{
    struct mu_reader k = mu_reader(key), r = mu_reader(value);
    uint16_t index = mu_read_u16(&k);
    uint8_t version = mu_read_u8(&r), len = mu_read_u8(&r);
    struct mu_bytes id = mu_read_bytes(&r, len);
    struct mu_area_listens listens;
    struct mu_secret khop;
    bool good;

    if (mu_secret_set(&khop, mu_read_bytes(&r, MU_SECRET_MAX)) != 0)
        return false;
    listens.period_s = mu_read_u32(&r);
    listens.window_s = mu_read_u32(&r);
    good = mu_reader_end(&k) == 0 && mu_reader_end(&r) == 0 &&
           version == DEVICE_VERSION && index < g->conf.devices_max &&
           len > 0 && len <= MU_ID_MAX &&
           listens.period_s <= MU_LISTEN_PERIOD_MAX &&
           mu_gateway_device_set(g, index, id, &khop) == 0;
    mu_secret_clear(&khop);
    if (good)
        mu_gateway_listens_set(g, index, &listens);
    return good;
}

static int load_devices(struct mu_gateway *g)
{
    const struct mu_store *store = g->conf.store;
    uint8_t after[MU_STORE_KEY_MAX], key[MU_STORE_KEY_MAX];
    size_t key_len = 0;
    bool damaged = false;

    for (;;) {
        size_t len = MU_STORE_VALUE_MAX;
        struct mu_bytes last = mu_bytes(after, key_len);
        int rc;

        mu_copy(after, key, key_len);
        rc = store->next(store->ctx, MU_TABLE_AREA, last, key, &key_len,
                         g->out, &len);
        if (rc == MU_ERR_NOT_FOUND)
            break;
        if (rc != 0 && rc != MU_ERR_CORRUPT)
            return rc;
        if (rc == MU_ERR_CORRUPT && mu_bytes_eq(last, mu_bytes(key, key_len)))
            return rc; /* a store that does not pass over it */
        if (rc == MU_ERR_CORRUPT ||
            !load_device(g, mu_bytes(key, key_len), mu_bytes(g->out, len)))
            damaged = true;
    }
    if (damaged) { /* the whole list is asked for again */
        mu_gateway_trace(g, "record-damaged", MU_GATEWAY_REC_AREA, 1);
        g->area_known = false;
    }
    return 0;
}

int mu_gateway_load(struct mu_gateway *g)
{
    int rc = load_server(g);

    if (rc == 0)
        rc = load_kg(g);
    if (rc == 0)
        rc = load_area(g);
    if (rc == 0)
        rc = load_devices(g);
    if (rc == 0)
        rc = mu_gateway_load_campaigns(g);
    if (rc == 0)
        rc = mu_gateway_speech_load(g);
    mu_wipe(g->out, MU_STORE_VALUE_MAX);
    return rc;
}
