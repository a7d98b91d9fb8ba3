/* SPDX-License-Identifier: Apache-2.0 */
/* A device among neighbours. */
#include "net/mesh.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/deluge.h"
#include "net/log.h"
#include "net/mesh_state.h"
#include "net/state.h"

#define MESH_CHANNEL 1          /* one line of objects: the newest version */
#define MESH_ANNOUNCE_EVERY MU_SECONDS(3) /* to an engine that was busy */
#define MESH_SENDS_MAX 64       /* packets in one turn of the timer */
#define MESH_FEED_MAX 4         /* pages handed to the engine in one turn */
#define MESH_ROUNDS 1024        /* of ADVs, put aside at a time */
#define MESH_NAME_KEPT MU_SECONDS(120) /* a silent neighbour's */
#define MESH_FEED_MS 20         /* until the next ones, when it took none */

/* Packets name their sender, and who holds the area's key can write any name.
 * Here a neighbour has one, and nobody else has it while it is in use. */
struct mesh_neighbour {
    struct mu_addr at;
    bool named;
    uint16_t name;
    mu_time heard; /* under that name */
};

struct mu_mesh {
    struct mu_mesh_conf conf;
    const struct mu_crypto *crypto;
    struct mu_body *body;
    struct mu_device *engine;
    struct mu_device_tap tap;
    struct mu_udp port;
    struct mesh_neighbour neighbours[MU_MESH_NEIGHBOURS_MAX];
    size_t neighbours_len;
    uv_timer_t *timer;
    char path[MU_PATH_MAX];
    struct mu_file_object *file;
    struct mu_object blocks;
    uint64_t room; /* bytes that the file may take */
    struct mu_mesh_state state;
    struct mu_deluge_trust trust;
    struct mu_deluge_opener opener;
    struct mu_deluge deluge;
    uint8_t work[2 * MU_ANNOUNCE_MAX];
    bool begun, feeding, more;
    mu_time announce_at;
    uint64_t shown_version;
    uint32_t shown_pages;
    uint64_t strangers; /* packets from who is no neighbour, or not the one
                           whose packet this could be */
};

/* ---- what survives a restart ------------------------------------------- */

static void mesh_save(struct mu_mesh *m)
{
    int rc = mu_mesh_state_save(m->crypto, m->path, &m->state);

    if (rc != 0)
        mu_log(MU_LOG_WARN, "mesh-save", "id=%s why=\"%s\"", m->body->identity,
               mu_err_text(rc));
}

/* The engine's manifest and pages into the file, if they are others. */
static void mesh_keep(struct mu_mesh *m)
{
    struct mu_bytes manifest = mu_deluge_manifest(&m->deluge);
    struct mu_mesh_state *s = &m->state;

    bool same = s->pages == m->deluge.pages &&
                mu_bytes_eq(manifest, mu_bytes(s->manifest, s->manifest_len));

    if (!m->begun)
        return;
    if ((uint16_t)(s->round - m->deluge.round) < 2 * MU_DELUGE_ANEW) {
        s->round = (uint16_t)(s->round + MESH_ROUNDS);
        same = false;
    }
    if (same)
        return;
    s->pages = m->deluge.pages;
    s->manifest_len = (uint16_t)manifest.len;
    if (manifest.len > 0)
        memcpy(s->manifest, manifest.data, manifest.len);
    mesh_save(m);
}

/* ---- the engine --------------------------------------------------------- */

static int mesh_open_manifest(void *ctx, struct mu_bytes manifest,
                              struct mu_deluge_object *o)
{
    struct mu_mesh *m = ctx;
    /* Every member could make a relay manifest: one that is passed on has to be
     * the gateway's. */
    int rc = mu_device_believes(m->engine, manifest)
        ? mu_deluge_open(&m->trust, manifest, o) : MU_ERR_FORBIDDEN;

    if (rc == 0 && mu_cast_prepared_size(&o->shape, o->size) > m->room)
        rc = MU_ERR_TOO_LARGE;
    return rc;
}

static int mesh_control(struct mu_mesh *m)
{
    struct mu_secret kctl;
    int rc = mu_kdf(m->crypto, &m->state.kg, "control",
                    (struct mu_bytes){ NULL, 0 }, 16, &kctl);

    if (rc == 0)
        mu_deluge_control(&m->deluge, &kctl, (uint8_t)m->state.generation);
    mu_secret_clear(&kctl);
    return rc;
}

static int mesh_begin(struct mu_mesh *m, mu_time now)
{
    struct mu_deluge_conf conf = {
        .crypto = m->crypto, .store = &m->blocks, .opener = &m->opener,
        .node = m->state.index, .channel = MESH_CHANNEL,
        .tag_len = MU_TAG_LEN, .payload = (uint16_t)m->conf.payload,
        .manifest_max = MU_ANNOUNCE_MAX,
        .packet_us = (uint32_t)((uint64_t)m->conf.payload * 1000000 /
                                m->conf.rate),
        .trickle = { .imin_ms = 250, .doublings = 8, .redundancy = 1 },
    };
    int rc = m->crypto->random(m->crypto->ctx, &conf.seed, sizeof(conf.seed));

    if (m->state.round == 0)
        m->state.round = (uint16_t)(1 + (conf.seed & 0x7fff));
    conf.round = m->state.round;
    m->state.round = (uint16_t)(m->state.round + MESH_ROUNDS);
    mesh_save(m);
    if (rc == 0)
        rc = mu_deluge_init(&m->deluge, &conf, m->work, sizeof(m->work), now);
    if (rc == 0)
        rc = mesh_control(m);
    if (rc != 0)
        return rc;
    m->begun = true;
    if (m->state.manifest_len > 0)
        rc = mu_deluge_offer(&m->deluge,
                             mu_bytes(m->state.manifest,
                                      m->state.manifest_len),
                             m->state.pages, now);
    if (rc != 0)
        mu_log(MU_LOG_WARN, "mesh-resume", "id=%s why=\"%s\"",
               m->body->identity, mu_err_text(rc));
    return 0;
}

/* The area's key and our number in it, from the gateway or from the file. */
static void mesh_keys(struct mu_mesh *m, mu_time now)
{
    struct mu_device_trust t;
    struct mu_mesh_state *s = &m->state;
    bool moved;
    int rc = 0;

    mu_device_trust(m->engine, &t);
    if (t.server->pub_len == 0)
        return; /* nobody whose manifests could be believed */
    m->trust.server = t.server;
    if (mu_secret_is_set(t.kg) &&
        (!mu_secret_eq(t.kg, &s->kg) || t.generation != s->generation ||
         t.index != s->index)) {
        moved = m->begun && t.index != s->index;
        s->kg = *t.kg;
        s->generation = t.generation;
        s->index = t.index;
        if (moved)
            m->begun = false;
        else if (m->begun)
            rc = mesh_control(m);
        mesh_save(m);
    }
    if (!m->begun && mu_secret_is_set(&s->kg))
        rc = mesh_begin(m, now);
    if (rc != 0)
        mu_log(MU_LOG_ERROR, "mesh", "id=%s why=\"%s\"", m->body->identity,
               mu_err_text(rc));
}

/* ---- to the device engine ----------------------------------------------- */

/* One page as the packets it came in. False: a packet could not be read. */
static bool mesh_feed_page(struct mu_mesh *m, uint32_t index)
{
    uint8_t packet[MU_PACKET_MAX];
    struct mu_cast_page page;

    if (mu_deluge_page_at(&m->deluge.object, index, &page) != 0)
        return false;
    for (unsigned i = 0; i < page.data; i++) {
        struct mu_writer w = mu_writer(packet, sizeof(packet));
        struct mu_event ev = {
            .kind = MU_EV_PACKET, .channel = MU_CHANNEL_AREA,
        };
        uint8_t *symbol;

        mu_cast_data_head(mu_write_room(&w, MU_CAST_DATA_HEADER),
                          m->deluge.object.session, index, i);
        symbol = mu_write_room(&w, page.symbol_len);
        if (symbol == NULL ||
            m->blocks.read(m->blocks.ctx,
                           page.block_at + (uint64_t)i * page.symbol_len,
                           symbol, page.symbol_len) != 0)
            return false;
        ev.packet = mu_written(&w);
        mu_node_event(&m->body->node, &ev);
    }
    return true;
}

static void mesh_announce(struct mu_mesh *m, mu_time now)
{
    struct mu_event ev = { .kind = MU_EV_TIMER };

    if (now < m->announce_at)
        return;
    m->announce_at = now + MESH_ANNOUNCE_EVERY;
    if (mu_device_announce(m->engine, mu_deluge_manifest(&m->deluge)) == 0)
        mu_node_event(&m->body->node, &ev);
}

/* The device gets its object from here as if the gateway had sent it, as far
 * as it is behind. */
static void mesh_feed(struct mu_mesh *m, mu_time now)
{
    struct mu_device_status before, s;

    m->more = false;
    if (!m->begun || !m->deluge.has || m->feeding)
        return;
    m->feeding = true;
    mesh_announce(m, now);
    mu_device_status(m->engine, &s);
    for (int i = 0; i < MESH_FEED_MAX && s.receiving &&
                    s.page < m->deluge.pages; i++) {
        before = s;
        if (!mesh_feed_page(m, s.page))
            break;
        mu_device_status(m->engine, &s);
        if (s.page == before.page)
            break; /* another object, or its disk is full */
    }
    m->more = s.receiving && s.page < m->deluge.pages;
    m->feeding = false;
}

/* ---- in and out --------------------------------------------------------- */

static void mesh_report(struct mu_mesh *m)
{
    const struct mu_deluge *d = &m->deluge;

    if (!d->has || (d->object.version == m->shown_version &&
                    d->pages == m->shown_pages))
        return;
    m->shown_version = d->object.version;
    m->shown_pages = d->pages;
    mu_body_report(m->body, "mesh", json_pack(
        "{s:I, s:I, s:I}", "version", (json_int_t)d->object.version,
        "pages", (json_int_t)d->pages, "of", (json_int_t)d->pages_all), false);
}

static void mesh_send(struct mu_mesh *m, mu_time now)
{
    uint8_t packet[MU_PACKET_MAX];
    size_t len;

    for (int i = 0; i < MESH_SENDS_MAX; i++) {
        len = mu_deluge_next(&m->deluge, now, packet);
        if (len == 0)
            return;
        for (size_t k = 0; k < m->neighbours_len; k++)
            mu_udp_send(&m->port, &m->neighbours[k].at, mu_bytes(packet, len));
    }
}

static void mesh_timer(uv_timer_t *timer);

static void mesh_arm(struct mu_mesh *m, mu_time now)
{
    mu_time at = mu_deluge_deadline(&m->deluge);
    uint64_t ms = at <= now ? 0 : (at - now + 999) / 1000;

    if (m->more && ms > MESH_FEED_MS)
        ms = MESH_FEED_MS;
    /* One that is due and has nothing to say is asked again a little later. */
    uv_timer_start(m->timer, mesh_timer, ms == 0 ? 1 : ms, 0);
}

static void mesh_turn(struct mu_mesh *m)
{
    mu_time now = mu_node_now(&m->body->node);

    if (!m->begun)
        return;
    mesh_send(m, now);
    mesh_keep(m);
    mesh_report(m);
    mesh_feed(m, now);
    mesh_arm(m, now);
}

static void mesh_timer(uv_timer_t *timer)
{
    mesh_turn(timer->data);
}

static bool mesh_name_free(const struct mu_mesh *m, uint16_t name,
                           const struct mesh_neighbour *from, mu_time now)
{
    for (size_t i = 0; i < m->neighbours_len; i++) {
        const struct mesh_neighbour *n = &m->neighbours[i];

        if (n->named && now < n->heard + MESH_NAME_KEPT &&
            (n == from) != (n->name == name))
            return false;
    }
    return true;
}

/* A fragment names nobody: it is taken from whom it was asked for, so that a
 * member gone bad can spoil no manifest but its own. */
static bool mesh_asked(const struct mu_mesh *m,
                       const struct mesh_neighbour *from)
{
    return m->deluge.taking && from->named && from->name == m->deluge.asked;
}

static int mesh_take(struct mu_mesh *m, struct mesh_neighbour *from,
                     struct mu_bytes packet)
{
    mu_time now = mu_node_now(&m->body->node);
    bool names = packet.len >= 4 && (packet.data[0] == MU_DELUGE_ADV ||
                                     packet.data[0] == MU_DELUGE_REQ);
    uint16_t name = 0;
    int rc;

    if (names)
        name = (uint16_t)(packet.data[2] << 8 | packet.data[3]);
    if ((names && !mesh_name_free(m, name, from, now)) ||
        (packet.data[0] == MU_CAST_ANNOUNCE && !mesh_asked(m, from))) {
        m->strangers++;
        return MU_ERR_FORBIDDEN;
    }
    rc = mu_deluge_packet(&m->deluge, now, packet);
    if (rc == 0 && names) { /* its tag was right */
        from->named = true;
        from->name = name;
        from->heard = now;
    }
    return rc;
}

static void mesh_on_packet(void *ctx, struct mu_bytes packet,
                           const struct mu_addr *from)
{
    struct mu_mesh *m = ctx;
    struct mesh_neighbour *known = NULL;
    int rc;

    for (size_t i = 0; i < m->neighbours_len && known == NULL; i++) {
        if (mu_addr_eq(&m->neighbours[i].at, from))
            known = &m->neighbours[i];
    }
    if (known == NULL)
        m->strangers++;
    if (known == NULL || !m->begun)
        return;
    rc = mesh_take(m, known, packet);
    if (rc != 0)
        mu_log(MU_LOG_TRACE, "mesh-refused", "id=%s kind=%u error=%s",
               m->body->identity, packet.data[0], mu_err_name(rc));
    mesh_turn(m);
}

void mu_mesh_turned(struct mu_mesh *m)
{
    if (m->feeding)
        return;
    mesh_keys(m, mu_node_now(&m->body->node));
    mesh_turn(m);
}

/* ---- from the device engine --------------------------------------------- */

static void mesh_tap_manifest(void *ctx, struct mu_bytes object)
{
    struct mu_mesh *m = ctx;
    mu_time now = mu_node_now(&m->body->node);
    int rc = MU_ERR_UNEXPECTED;

    mesh_keys(m, now);
    if (m->begun)
        rc = mu_deluge_offer(&m->deluge, object, 0, now);
    if (rc == 0)
        mesh_keep(m);
    else if (rc != MU_ERR_ROLLBACK) /* what it has, or something older */
        mu_log(MU_LOG_DEBUG, "mesh-manifest", "id=%s why=\"%s\"",
               m->body->identity, mu_err_text(rc));
}

static void mesh_tap_page(void *ctx, uint8_t session,
                          const struct mu_cast_page *page,
                          const uint8_t *block)
{
    struct mu_mesh *m = ctx;
    int rc = m->begun ? mu_deluge_page(&m->deluge, session, page, block,
                                       mu_node_now(&m->body->node))
                      : MU_ERR_UNEXPECTED;

    if (rc == 0)
        mesh_keep(m);
    else if (rc != MU_ERR_UNEXPECTED)
        mu_log(MU_LOG_WARN, "mesh-page", "id=%s page=%" PRIu32 " why=\"%s\"",
               m->body->identity, page->index, mu_err_text(rc));
}

const struct mu_device_tap *mu_mesh_tap(struct mu_mesh *m)
{
    return m == NULL ? NULL : &m->tap;
}

json_t *mu_mesh_counts(struct mu_mesh *m)
{
    const struct mu_deluge_counts *c = &m->deluge.counts;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "adv", (json_int_t)c->adv, "req", (json_int_t)c->req,
        "data", (json_int_t)c->data, "fragment", (json_int_t)c->fragment,
        "bytes", (json_int_t)c->bytes, "accepted", (json_int_t)c->accepted,
        "duplicate", (json_int_t)c->duplicate, "forged", (json_int_t)c->forged,
        "refused", (json_int_t)c->refused,
        "signatures", (json_int_t)c->signatures,
        "strangers", (json_int_t)m->strangers,
        "dropped", (json_int_t)m->port.counts.dropped);
}

/* ---- set-up ------------------------------------------------------------- */

static int mesh_neighbours(struct mu_mesh *m)
{
    char *list = strdup(m->conf.neighbours), *rest = NULL;
    int rc = list == NULL ? MU_ERR_FULL : 0;

    for (char *at = list == NULL ? NULL : strtok_r(list, ",", &rest);
         at != NULL && rc == 0; at = strtok_r(NULL, ",", &rest)) {
        if (m->neighbours_len == MU_MESH_NEIGHBOURS_MAX)
            rc = MU_ERR_FULL;
        else
            rc = mu_addr_parse(at, &m->neighbours[m->neighbours_len++].at);
        if (rc != 0)
            mu_log(MU_LOG_ERROR, "neighbour", "text=%s why=\"%s\"", at,
                   mu_err_text(rc));
    }
    free(list);
    return rc;
}

static int mesh_sockets(struct mu_mesh *m)
{
    struct mu_addr at, bound;
    char text[MU_ADDR_PORT_TEXT];
    int rc = mu_addr_parse(m->conf.listen, &at);

    if (rc == 0)
        rc = mu_udp_bind(&m->port, &m->body->loop->uv, &at, &bound);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "mesh-listen", "text=%s why=\"%s\"",
               m->conf.listen, mu_err_text(rc));
        return rc;
    }
    mu_udp_drop(&m->port, m->body->conf.drop_in,
                m->body->conf.seed * 8 + mu_addr_port(&bound));
    mu_addr_text(&bound, text);
    mu_log(MU_LOG_INFO, "mesh-listen", "id=%s at=%s neighbours=%zu",
           m->body->identity, text, m->neighbours_len);
    m->timer = calloc(1, sizeof(*m->timer));
    if (m->timer == NULL || uv_timer_init(&m->body->loop->uv, m->timer) != 0)
        return MU_ERR_IO;
    m->timer->data = m;
    return 0;
}

static int mesh_files(struct mu_mesh *m, const char *dir)
{
    char path[MU_PATH_MAX];
    struct mu_why why = { "" };
    int rc = mu_state_path(m->path, dir, "mesh.state");

    if (rc == 0)
        rc = mu_state_path(path, dir, "mesh");
    if (rc == 0)
        rc = mu_file_object_open(&m->file, path, m->room, &m->blocks, &why);
    if (rc != 0) {
        mu_log(MU_LOG_ERROR, "mesh-file", "id=%s why=\"%s\"",
               m->body->identity, why.text);
        return rc;
    }
    rc = mu_mesh_state_load(m->crypto, m->path, &m->state);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        mu_log(MU_LOG_WARN, "mesh-state", "id=%s why=\"%s\"",
               m->body->identity, mu_err_text(rc));
    return 0; /* without it the node begins anew */
}

int mu_mesh_open(struct mu_mesh **mesh, const struct mu_mesh_conf *conf,
                 const struct mu_crypto *crypto, struct mu_body *body,
                 struct mu_device *engine, const char *dir,
                 uint64_t object_max)
{
    struct mu_mesh *m = calloc(1, sizeof(*m));
    int rc;

    if (m == NULL)
        return MU_ERR_FULL;
    *mesh = m;
    m->conf = *conf;
    m->crypto = crypto;
    m->body = body;
    m->engine = engine;
    m->tap = (struct mu_device_tap){ m, mesh_tap_manifest, mesh_tap_page };
    m->opener = (struct mu_deluge_opener){ m, mesh_open_manifest };
    m->trust = (struct mu_deluge_trust){ .crypto = crypto,
                                         .kg = &m->state.kg };
    /* Half of a page may be hashes of the next: at most twice the object. */
    m->room = 2 * object_max + 65536;
    mu_udp_init(&m->port, mesh_on_packet, m);
    rc = mesh_neighbours(m);
    if (rc == 0)
        rc = mesh_files(m, dir);
    if (rc == 0)
        rc = mesh_sockets(m);
    body->beyond = conf->only;
    return rc;
}

static void mesh_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void mu_mesh_close(struct mu_mesh *m)
{
    if (m == NULL)
        return;
    if (m->timer != NULL) {
        uv_timer_stop(m->timer);
        uv_close((uv_handle_t *)m->timer, mesh_timer_closed);
    }
    mu_udp_close(&m->port);
    if (m->file != NULL)
        mu_file_object_close(m->file);
    mu_wipe(m, sizeof(*m));
    free(m);
}
