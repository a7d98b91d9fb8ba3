/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's cast receiver: set up from the manifest or from what is stored,
 * its pages decrypted into the slot. The work memory holds the receiver's page
 * and, at its end, room for the record of its progress.
 */
#include "node/device.h"

#define IDLE_MS 2000 /* silence after which it asks by itself */
#define SAVE_HEAD 16 /* bytes: object id 8, tries 1, page 4, and some */

size_t mu_device_save_max(const struct mu_cast_shape *s)
{
    return SAVE_HEAD + ((size_t)s->page_data + s->page_parity) * s->hash_len;
}

size_t mu_device_shape_memory(const struct mu_cast_shape *s)
{
    return mu_cast_receiver_work(s) + mu_device_save_max(s);
}

uint8_t *mu_device_save_room(struct mu_device *d)
{
    return d->work + d->conf.page_memory -
           mu_device_save_max(&d->campaign.shape);
}

/* A record of progress speaks of durable pages only, and a write to flash or
 * disk is slow: made durable are the last page and every sixteenth of the
 * object, but not less than this. */
#define CHECKPOINT_MIN 65536u

static bool receive_checkpoint(const struct mu_device_campaign *c,
                               const struct mu_cast_page *page)
{
    return page->last || (c->unsynced >= CHECKPOINT_MIN &&
                          c->unsynced >= c->size / 16);
}

int mu_device_receive_sync(struct mu_device *d)
{
    const struct mu_object *slot = d->conf.slot;
    int rc = d->campaign.unsynced == 0 ? 0 : slot->sync(slot->ctx);

    if (rc == 0)
        d->campaign.unsynced = 0;
    return rc;
}

/* A page that is complete: decrypted in its place and written to the slot. On
 * failure the block is encrypted again, because it will be offered again. */
static int receive_page(void *ctx, const struct mu_cast_page *page,
                        uint8_t *block)
{
    struct mu_device *d = ctx;
    const struct mu_object *slot = d->conf.slot;
    uint8_t *content = block + page->hashes_len;
    int rc, undo;

    if (d->conf.tap != NULL)
        d->conf.tap->page(d->conf.tap->ctx, d->campaign.session, page, block);
    rc = mu_cast_crypt(d->conf.crypto, &d->campaign.cek, page->content_at,
                       content, page->content_len);
    if (rc != 0)
        return rc;
    rc = slot->write(slot->ctx, page->content_at, content, page->content_len);
    if (rc == 0) {
        d->campaign.unsynced += page->content_len;
        if (receive_checkpoint(&d->campaign, page))
            rc = mu_device_receive_sync(d);
    }
    if (rc == 0)
        return 0;
    mu_device_trace(d, "slot-failed", page->index, (uint64_t)-rc);
    undo = mu_cast_crypt(d->conf.crypto, &d->campaign.cek, page->content_at,
                         content, page->content_len);
    return undo != 0 ? undo : rc;
}

static void receive_control(struct mu_device *d)
{
    for (size_t i = 2; i-- > 0;) {
        if (d->area[i].kid.kind != 0)
            mu_cast_receiver_control(&d->receiver, &d->area[i].kctl,
                                     (uint8_t)d->area[i].kid.generation);
    }
}

static int receive_roots(struct mu_device *d, struct mu_bytes *roots)
{
    struct mu_device_campaign stored = {.phase = MU_DEVICE_IDLE};
    int rc;

    if (d->object_held) {
        *roots = mu_bytes(d->assembly.object + d->campaign.roots_at,
                          d->campaign.roots_len);
        return 0;
    }
    rc = mu_device_load_object(d, &stored, roots);
    mu_secret_clear(&stored.cek);
    if (rc == 0 && !mu_ct_eq(stored.object, d->campaign.object, 32))
        rc = MU_ERR_NOT_FOUND;
    return rc;
}

int mu_device_receive_open(struct mu_device *d)
{
    struct mu_device_campaign *c = &d->campaign;
    struct mu_cast_receiver_conf conf = {
        .crypto = d->conf.crypto,
        .shape = c->shape,
        .size = c->size,
        .session = c->session,
        .receiver = d->index,
        .kfb = &d->kfb,
        .sink = &d->sink,
        .seed = mu_jitter_next(&d->jitter),
        .idle_ms = IDLE_MS,
        .ticked = true,
    };
    struct mu_bytes roots;
    int rc;

    if (mu_device_shape_memory(&c->shape) > d->conf.page_memory)
        return MU_ERR_TOO_LARGE; /* the configuration shrank */
    rc = receive_roots(d, &roots);
    if (rc != 0)
        return rc;
    d->sink = (struct mu_cast_sink){.ctx = d, .page = receive_page};
    rc = mu_cast_receiver_init(&d->receiver, &conf, roots, d->work,
                               d->conf.page_memory -
                                   mu_device_save_max(&c->shape),
                               d->now);
    if (rc != 0)
        return rc;
    receive_control(d);
    c->pages_seen = 0;
    c->unsynced = 0;
    if (c->fresh || mu_device_load_page(d) != 0)
        mu_device_dirty(d, MU_DEVICE_REC_PAGE);
    else if (mu_cast_receiver_done(&d->receiver))
        c->pages_seen = UINT32_MAX; /* all there: on with the digest */
    else
        c->pages_seen = mu_cast_receiver_pages(&d->receiver);
    c->fresh = false;
    c->receiving = true;
    c->heard_at = d->now;
    mu_device_trace(d, "receive", c->session, c->pages_seen);
    return 0;
}

void mu_device_campaign_area(struct mu_device *d, bool moved)
{
    if (!d->campaign.receiving)
        return;
    if (moved)
        d->campaign.receiving = false; /* opened again with the new index */
    else
        receive_control(d);
}

/* Of another session. A poll that the gateway made may be all that we ever
 * heard of it. */
static int receive_unknown(struct mu_device *d, struct mu_bytes packet)
{
    const struct mu_device_area *area;
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t kg;
    struct mu_poll p;
    int rc = mu_cast_peek(packet, &kind, &session, &kg);

    if (rc != 0 || kind != MU_CAST_POLL)
        return MU_ERR_UNEXPECTED;
    area = mu_device_area_find(d, kg);
    if (area == NULL)
        return MU_ERR_UNKNOWN_KEY;
    rc = mu_poll_consume(d->conf.crypto, &area->kctl, packet, &p);
    if (rc == 0)
        mu_device_polled(d, p.session, p.round, p.window_ms);
    return rc != 0 ? rc : MU_ERR_UNEXPECTED;
}

int mu_device_campaign_packet(struct mu_device *d, struct mu_bytes packet)
{
    struct mu_device_campaign *c = &d->campaign;
    uint64_t before;
    int rc;

    if (!c->receiving || packet.len < 2 || packet.data[1] != c->session)
        return receive_unknown(d, packet);
    before = d->receiver.heard.accepted;
    rc = mu_cast_receiver_packet(&d->receiver, d->now, packet);
    if (mu_device_heard(d)->accepted != before)
        c->heard_at = d->now;
    if (rc == MU_ERR_UNKNOWN_KEY)
        mu_device_rehello(d);
    return rc;
}

/* Nothing is asked for a campaign that a restart would forget. */
static bool receive_asks(const struct mu_device *d)
{
    return d->campaign.receiving && d->welcome &&
           mu_record_durable(&d->records[MU_DEVICE_REC_OBJECT]) &&
           mu_record_durable(&d->records[MU_DEVICE_REC_CAMPAIGN]);
}

bool mu_device_next_need(struct mu_device *d, struct mu_effect *out)
{
    size_t len;

    if (!receive_asks(d))
        return false;
    len = mu_cast_receiver_next(&d->receiver, d->now, d->out, sizeof d->out);
    if (len == 0)
        return false;
    out->kind = MU_DO_PACKET;
    out->channel = MU_CHANNEL_AREA;
    out->up = true;
    out->packet = mu_bytes(d->out, len);
    return true;
}

mu_time mu_device_receive_deadline(const struct mu_device *d)
{
    if (!receive_asks(d) || mu_device_barrier(d) || d->radio.off)
        return MU_TIME_NEVER;
    return mu_cast_receiver_deadline(&d->receiver);
}
