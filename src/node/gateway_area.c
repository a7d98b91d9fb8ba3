/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of the area and the area key Kg. The list comes from the server
 * and is kept; a device that leaves it takes its link and the area key with it:
 * a new Kg is made, stored, and only then handed out.
 */
#include "node/gateway.h"

#define LINK_DEVICES 1u
/* So long may a new area key wait for the end of the list: it serves for all
 * who left, and each is a message to every device. */
#define ROTATE_WAIT MU_SECONDS(3)

/* ---- devices ------------------------------------------------------------ */

int mu_gateway_device_set(struct mu_gateway *g, uint16_t index,
                          struct mu_bytes identity,
                          const struct mu_secret *khop)
{
    struct mu_gateway_device *d = &g->devices[index];
    struct mu_secret kfb;
    int rc = mu_kdf(g->conf.crypto, khop, "feedback",
                    (struct mu_bytes){NULL, 0}, 16, &kfb);

    if (rc != 0)
        return rc;
    if (!d->used)
        g->devices_len++;
    d->used = true;
    d->id_len = (uint8_t)identity.len;
    mu_copy(d->id, identity.data, identity.len);
    d->khop = *khop;
    d->kfb = kfb;
    mu_secret_clear(&kfb);
    return 0;
}

static bool area_same(const struct mu_gateway_device *d,
                      const struct mu_wide_area_row *row)
{
    return d->used && mu_bytes_eq(row->identity, mu_bytes(d->id, d->id_len)) &&
           mu_secret_eq(&d->khop, &row->khop);
}

/* Out of the area: its link ends, its key is void, and so is the Kg it knew. */
static void area_remove(struct mu_gateway *g, uint16_t index)
{
    struct mu_gateway_device *d = &g->devices[index];
    bool linked = d->linked;

    mu_gateway_device_down(g, index);
    mu_gateway_listens_set(g, index, &(struct mu_area_listens){.period_s = 0});
    mu_wipe(d, sizeof *d);
    d->close_due = linked;
    g->devices_len--;
    if (!g->rotate_due && g->kg[0].kid.kind != 0) {
        g->rotate_due = true;
        g->rotate_by = g->now + ROTATE_WAIT;
    }
    if (linked)
        mu_gateway_attend(g, index);
    mu_gateway_device_dirty(g, index);
    mu_gateway_trace(g, "device-removed", index, 0);
}

static int area_row(struct mu_gateway *g, const struct mu_wide_area_row *row)
{
    int rc;

    if (row->index >= g->conf.devices_max) {
        mu_gateway_trace(g, "area-full", row->index, 0);
        return 0;
    }
    mu_bit_put(g->listed, row->index, true);
    if (area_same(&g->devices[row->index], row))
        return 0;
    if (g->devices[row->index].used)
        area_remove(g, row->index);
    rc = mu_gateway_device_set(g, row->index, row->identity, &row->khop);
    if (rc == 0)
        mu_gateway_device_dirty(g, row->index);
    return rc;
}

static int area_rows(struct mu_gateway *g, struct mu_wide_rows *rows)
{
    struct mu_wide_area_row row;
    int rc = 0;

    mu_zero(g->listed, sizeof g->listed);
    while (rc == 0 && mu_wide_area_row_next(rows, &row)) {
        rc = area_row(g, &row);
        mu_secret_clear(&row.khop);
    }
    return rc != 0 ? rc : mu_wide_rows_end(rows);
}

/* Whoever is in the page's range and not in its rows is gone. */
static void area_sweep(struct mu_gateway *g, uint64_t end)
{
    for (uint32_t i = g->scan_next; i < g->conf.devices_max && i < end; i++) {
        if (g->devices[i].used && !mu_bit_get(MU_BYTES(g->listed), i))
            area_remove(g, (uint16_t)i);
    }
}

static void area_done(struct mu_gateway *g, uint64_t version)
{
    g->scan_next = 0;
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        mu_gateway_session_count(&g->sessions[i]);
    if (version != g->scan_version) { /* it changed while it was read */
        g->asks[MU_GATEWAY_AREA].due = true;
        return;
    }
    g->area_version = version;
    g->area_known = true;
    g->records[MU_GATEWAY_REC_AREA].dirty = true;
    mu_gateway_trace(g, "area", g->devices_len, version);
}

int mu_gateway_area_page(struct mu_gateway *g, struct mu_bytes payload)
{
    struct mu_wide_rows rows;
    int rc = mu_wide_page_consume(payload, &rows);

    if (rc != 0)
        return rc;
    if (rows.page.next != 0 && rows.page.next <= g->scan_next)
        return MU_ERR_MALFORMED; /* it would never end */
    if (g->scan_next == 0) {
        if (g->area_known && rows.page.version == g->area_version)
            return 0;
        g->scan_version = rows.page.version;
        g->area_known = false;
    }
    rc = area_rows(g, &rows);
    if (rc != 0)
        return rc;
    area_sweep(g, rows.page.next != 0 ? rows.page.next : UINT64_MAX);
    if (rows.page.next == 0 || rows.page.next >= MU_AREA_DEVICES_MAX) {
        area_done(g, rows.page.version);
        return 0;
    }
    g->scan_next = (uint32_t)rows.page.next;
    g->asks[MU_GATEWAY_AREA].due = true;
    return 0;
}

/* ---- Kg ----------------------------------------------------------------- */

int mu_gateway_control_key(struct mu_gateway *g, struct mu_gateway_key *k)
{
    return mu_kdf(g->conf.crypto, &k->key, "control",
                  (struct mu_bytes){NULL, 0}, 16, &k->kctl);
}

/*
 * Nobody of the area can make the ticks: what they follow from is known here
 * and at the server. Which of them may be told is durable first, so that none
 * is told twice; an area key ends before its ticks do.
 */
int mu_gateway_ticks_begin(struct mu_gateway *g, uint16_t at)
{
    const struct mu_gateway_key *k = &g->kg[0];
    uint16_t len = g->conf.ticks != 0 ? g->conf.ticks : MU_TICKS_MAX;
    uint8_t raw[MU_KID_LEN];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_secret seed;
    int rc;

    mu_kid_write(&w, &k->kid);
    rc = mu_kdf(g->conf.crypto, &g->kmr, "ticks", mu_written(&w), 32, &seed);
    if (rc == 0)
        rc = mu_ticker_init(&g->ticker, g->conf.crypto, &k->kctl, &seed, len,
                            at < len ? at : (uint16_t)(len - 1));
    mu_secret_clear(&seed);
    g->ticks_until = at;
    return rc;
}

void mu_gateway_ticks_run(struct mu_gateway *g)
{
    struct mu_record *r = &g->records[MU_GATEWAY_REC_KG];
    uint16_t left = mu_ticker_left(&g->ticker);
    uint32_t spare = g->ticks_until - g->ticker.now.at;

    if (g->kg[0].kid.kind == 0 || g->kg_next.kid.kind != 0 || r->dirty ||
        r->flying)
        return;
    if (left < MU_GATEWAY_TICKS && !g->rotate_due) {
        g->rotate_due = true;
        g->rotate_by = g->now;
        mu_gateway_trace(g, "ticks-end", g->ticker.now.at, 0);
    } else if (spare < MU_GATEWAY_TICKS / 2 && left > spare) {
        g->ticks_until = (uint16_t)(g->ticker.now.at + MU_GATEWAY_TICKS);
        r->dirty = true;
    }
}

/* More of the list is to come, and it may name more who left. */
bool mu_gateway_kg_waits(const struct mu_gateway *g)
{
    const struct mu_ask *a = &g->asks[MU_GATEWAY_AREA];

    return g->rotate_due && g->kg[0].kid.kind != 0 &&
           (a->due || a->flying) && g->now < g->rotate_by;
}

/* Makes the next one when there is none or the one in force is void. The
 * counter goes on over epochs, so that no generation is given out twice. */
int mu_gateway_kg_run(struct mu_gateway *g)
{
    struct mu_gateway_key *k = &g->kg_next;
    uint64_t last = g->kg[0].kid.generation, epoch;
    uint8_t raw[MU_SECRET_MAX];
    int rc;

    if (k->kid.kind != 0 || g->server.number == 0 ||
        g->records[MU_GATEWAY_REC_KG].flying ||
        (g->kg[0].kid.kind != 0 && !g->rotate_due) ||
        mu_gateway_kg_waits(g))
        return 0;
    rc = g->conf.crypto->random(g->conf.crypto->ctx, raw, sizeof raw);
    if (rc == 0)
        rc = mu_secret_set(&k->key, MU_BYTES(raw));
    mu_wipe(raw, sizeof raw);
    if (rc == 0)
        rc = mu_gateway_control_key(g, k);
    if (rc != 0)
        return rc;
    if (last < g->kg_last)
        last = g->kg_last; /* the record of the keys was damaged */
    epoch = last >> 32;
    if (epoch < g->server.epoch)
        epoch = g->server.epoch;
    g->rotate_due = false;
    k->kid = (struct mu_kid){
        .kind = MU_KEY_KG,
        .scope = g->server.number,
        .generation = epoch << 32 | ((uint32_t)last + 1u),
    };
    g->kg_last = k->kid.generation;
    g->records[MU_GATEWAY_REC_KG].dirty = true;
    g->records[MU_GATEWAY_REC_SERVER].dirty = true;
    return 0;
}

/* It is durable: in force at once, told to everybody who is there. */
void mu_gateway_kg_stored(struct mu_gateway *g)
{
    bool first = g->kg[0].kid.kind == 0;

    if (g->kg_next.kid.kind == 0) {
        mu_ticker_allow(&g->ticker, g->ticks_until);
        return;
    }
    g->kg[1] = g->kg[0];
    g->kg[0] = g->kg_next;
    mu_wipe(&g->kg_next, sizeof g->kg_next);
    if (mu_gateway_ticks_begin(g, 0) != 0)
        mu_gateway_trace(g, "ticks-failed", 0, 0);
    g->ticks_until = MU_GATEWAY_TICKS;
    mu_ticker_allow(&g->ticker, g->ticks_until);
    for (uint16_t i = 0; i < g->conf.devices_max; i++) {
        struct mu_gateway_device *d = &g->devices[i];

        if (d->hello_due)
            mu_gateway_attend(g, i); /* it waited for the first one */
        if (d->linked && !first) {
            d->kg_due = true;
            mu_gateway_push(g, i);
        }
    }
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++)
        mu_gateway_session_control(g, &g->sessions[i]);
    mu_gateway_trace(g, "area-key", g->kg[0].kid.generation, 0);
}
