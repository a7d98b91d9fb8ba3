/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of gateways: who they are, what they ask, what they are told.
 * docs/wire-format.md s.2.3 and s.2.4. A gateway has proved its identity with
 * its hop key before anything of it comes here.
 */
#include "node/server_core.h"

#define NOTICE_DELAY MU_MS(10) /* changes in a row make one notice */
#define BITMAP_MAX (MU_AREA_DEVICES_MAX / 8)
#define AREA_ROWS_MAX 10 /* rows of /area: below MU_MESSAGE_MAX bytes */
#define BRIEFS 8         /* groups remembered while a bitmap is made */

struct mu_server_gateway *mu_srv_gateway(struct mu_server *s, uint32_t number)
{
    if (number == 0 || number > s->gateways_len)
        return NULL;
    return &s->gateways[number - 1];
}

uint32_t mu_srv_gateway_find(const struct mu_server *s,
                             struct mu_bytes identity)
{
    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        const struct mu_server_gateway *g = &s->gateways[n - 1];
        if (g->identity_len != 0 && !g->removed &&
            mu_bytes_eq(mu_bytes(g->identity, g->identity_len), identity))
            return n;
    }
    return 0;
}

/* ---- set-up --------------------------------------------------------------- */

static void gateway_name(struct mu_server_gateway *gw,
                         const struct mu_gateway_record *g)
{
    gw->identity_len = g->identity_len;
    mu_copy(gw->identity, g->identity, g->identity_len);
    gw->removed = g->removed;
}

int mu_srv_gateway_enter(struct mu_server *s, uint32_t number,
                         const struct mu_gateway_record *g,
                         const struct mu_secret *kmr)
{
    struct mu_server_gateway *gw = &s->gateways[number - 1];
    struct mu_secret khop;
    int rc;

    mu_assert(number >= 1 && number <= s->conf.gateways_max);
    rc = mu_khop_derive(s->conf.crypto, kmr, s->conf.identity, &khop);
    if (rc == 0)
        rc = mu_kdf(s->conf.crypto, &khop, "feedback", mu_bytes(NULL, 0), 16,
                    &gw->kfb);
    mu_secret_clear(&khop);
    if (rc != 0)
        return rc;
    gateway_name(gw, g);
    if (number > s->gateways_len)
        s->gateways_len = number;
    return 0;
}

/* One gateway of the store. */
static int gateway_load(struct mu_server *s, uint32_t number)
{
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_gateway_record g;
    struct mu_secret kmr;
    int rc = mu_srv_gateway_get(s, number, &g);

    if (rc == 0 && g.removed) {
        gateway_name(&s->gateways[number - 1], &g);
        return 0;
    }
    if (rc == 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_GATEWAY,
                             mu_record_key_view(&k), &g.kmr, &kmr);
    if (rc == 0)
        rc = mu_srv_gateway_enter(s, number, &g, &kmr);
    mu_secret_clear(&kmr);
    return rc;
}

/* Its key is forgotten by the caller; what it holds of ours ends here. */
void mu_srv_gateway_leave(struct mu_server *s, uint32_t number)
{
    struct mu_server_gateway *gw = &s->gateways[number - 1];

    gw->removed = true;
    gw->close_due = gw->linked;
    gw->channel_due = false;
    mu_secret_clear(&gw->kfb);
    s->close_due = s->close_due || gw->close_due;
}

bool mu_srv_close_next(struct mu_server *s, struct mu_effect *out)
{
    for (uint32_t n = 1; s->close_due && n <= s->gateways_len; n++) {
        struct mu_server_gateway *gw = &s->gateways[n - 1];

        if (!gw->close_due)
            continue;
        gw->close_due = false;
        *out = (struct mu_effect){.kind = MU_DO_LINK_CLOSE, .link = n};
        return true;
    }
    s->close_due = false;
    return false;
}

int mu_srv_gateways_load(struct mu_server *s)
{
    uint64_t last;
    int rc = mu_srv_number_get(s, "gateways", &last);

    s->gateways_len = 0;
    if (rc == MU_ERR_NOT_FOUND)
        return 0;
    if (rc != 0)
        return rc;
    if (last > s->conf.gateways_max)
        return MU_ERR_FULL;
    for (uint32_t n = 1; n <= last; n++) {
        rc = gateway_load(s, n);
        /* One damaged record keeps one gateway out, not the fleet. */
        if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
            mu_srv_trace(s, "gateway-damaged", n, 0);
        else if (rc != 0)
            return rc;
    }
    s->gateways_len = (uint32_t)last;
    return 0;
}

int mu_server_psk(const struct mu_server *s, struct mu_bytes identity,
                  struct mu_secret *psk, uint32_t *link)
{
    uint32_t number = mu_srv_gateway_find(s, identity);
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_gateway_record g;
    struct mu_secret kmr;
    uint8_t room[256];
    size_t len = sizeof room;
    int rc;

    mu_secret_clear(psk);
    if (number == 0)
        return MU_ERR_UNKNOWN_PEER;
    rc = s->conf.store->get(s->conf.store->ctx, MU_TABLE_GATEWAY,
                            mu_record_key_view(&k), room, &len);
    if (rc == 0)
        rc = mu_gateway_record_read(mu_bytes(room, len), &g);
    if (rc == 0)
        rc = mu_seal_consume(s->conf.crypto, s->conf.master, MU_TABLE_GATEWAY,
                             mu_record_key_view(&k), &g.kmr, &kmr);
    if (rc != 0)
        return rc;
    rc = mu_khop_derive(s->conf.crypto, &kmr, s->conf.identity, psk);
    mu_secret_clear(&kmr);
    *link = number;
    return rc;
}

/* ---- telling gateways ------------------------------------------------------ */

static void ask_soon(struct mu_server *s, struct mu_ask *a)
{
    a->due = true;
    s->asks_at = mu_time_min(s->asks_at, s->now + NOTICE_DELAY);
}

void mu_srv_notice(struct mu_server *s, uint32_t number)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, number);

    if (g != NULL)
        ask_soon(s, &g->notice);
}

void mu_srv_poke(struct mu_server *s, uint32_t number)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, number);

    if (g == NULL)
        return;
    g->poke_all = true;
    ask_soon(s, &g->poke);
}

void mu_srv_poke_device(struct mu_server *s, uint32_t number, uint16_t index)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, number);

    if (g == NULL || index >= MU_AREA_DEVICES_MAX)
        return;
    mu_bit_put(g->poke_who, index, true);
    ask_soon(s, &g->poke);
}

void mu_srv_poke_told(struct mu_server *s, uint32_t number)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, number);

    if (g == NULL)
        return;
    g->poke_told = true;
    ask_soon(s, &g->poke);
}

/* They were told, or there is nobody to tell. */
static void poke_clear(struct mu_server_gateway *g)
{
    g->poke_all = g->poke_told = false;
    mu_zero(g->poke_who, BITMAP_MAX);
}

void mu_srv_poke_all(struct mu_server *s)
{
    for (uint32_t n = 1; n <= s->gateways_len; n++)
        mu_srv_poke(s, n);
}

static void notice_send(struct mu_server *s, uint32_t number,
                        struct mu_server_gateway *gw)
{
    struct mu_gateway_record g;
    struct mu_wide_notice m = {
        .campaigns_version = (uint64_t)s->epoch << 32 | s->campaigns_version,
        .kid = s->kw_kid,
        .kw = s->kw,
        .directory = mu_srv_directory_version(s, number),
        .tick = s->ticker.now,
    };
    struct mu_writer w = mu_srv_writer(s);
    int rc = mu_srv_gateway_get(s, number, &g);

    if (rc == 0) {
        m.area_version = mu_srv_area_version(s, &g);
        rc = mu_wide_notice_create(&m, &w);
    }
    mu_secret_clear(&m.kw);
    if (rc != 0) {
        mu_ask_sent(&gw->notice, 0);
        mu_ask_failed(&gw->notice, s->now, &s->jitter);
        return;
    }
    mu_ask_sent(&gw->notice,
                mu_srv_request(s, number, "n", mu_written(&w)));
}

/* A few groups, while one bitmap is made. */
struct briefs {
    uint32_t number[BRIEFS];
    struct mu_group_record group[BRIEFS];
    unsigned len;
};

static const struct mu_group_record *brief_of(struct mu_server *s,
                                              struct briefs *b,
                                              uint32_t number)
{
    unsigned at = b->len % BRIEFS;

    for (unsigned i = 0; i < b->len && i < BRIEFS; i++)
        if (b->number[i] == number)
            return &b->group[i];
    b->number[at] = number;
    if (mu_srv_group_get(s, number, &b->group[at]) != 0)
        b->group[at] = (struct mu_group_record){.generation = 0};
    b->len++;
    return &b->group[at];
}

/* A key that comes to most by messages for all is fetched by those only who
 * cannot open any of them. */
static bool device_told(struct mu_server *s, const struct mu_device_record *d,
                        uint32_t group, uint64_t generation)
{
    const struct mu_server_campaign *c = mu_srv_rekey_of(s, group, generation);
    struct mu_target_record t;

    return c == NULL || c->rec.parts == 0 ||
           mu_srv_target_get(s, &c->rec, d->gateway, d->index, &t) != 0 ||
           (t.state[d->index % MU_TARGETS] & MU_TARGET_MEMBER) == 0 ||
           (t.state[d->index % MU_TARGETS] & MU_TARGET_TOLD) != 0;
}

static bool device_behind(struct mu_server *s, struct briefs *b,
                          struct mu_bytes identity)
{
    struct mu_device_record d;

    if (mu_srv_device_get(s, identity, &d) != 0 || d.revoked)
        return false;
    for (uint8_t i = 0; i < d.groups_len; i++) {
        const struct mu_group_record *g = brief_of(s, b, d.groups[i].number);
        const uint64_t newest = mu_srv_group_newest(g);
        if (g->mode == MU_MODE_REPROTECT) {
            if (d.groups[i].sent == 0)
                return true;
            continue;
        }
        if (d.groups[i].sent < newest && newest > d.groups[i].after &&
            (!mu_srv_group_schemed(g) ||
             device_told(s, &d, d.groups[i].number, newest)))
            return true;
    }
    return false;
}

/* Whom to look at: all of the area, or those who are named. */
static void poke_candidates(struct mu_server *s, uint32_t number,
                            uint8_t bitmap[BITMAP_MAX])
{
    struct mu_server_gateway *g = &s->gateways[number - 1];

    mu_copy(bitmap, g->poke_who, BITMAP_MAX);
    for (uint16_t i = 0; g->poke_told && i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (mu_srv_campaign_at_work(c) && mu_srv_campaign_is_key(c) &&
            c->rec.cut &&
            mu_srv_targets_missing(c, number, true, bitmap) != 0)
            g->poke_all = true;
    }
    for (size_t i = 0; g->poke_all && i < BITMAP_MAX; i++)
        bitmap[i] = 0xff;
}

/* The devices of an area that lack a key. Its length without zeros. */
static size_t poke_bitmap(struct mu_server *s, uint32_t number,
                          uint8_t bitmap[BITMAP_MAX])
{
    uint8_t who[BITMAP_MAX];
    struct briefs b = {.len = 0};
    struct mu_area_record a;
    bool speakers = mu_srv_speakers(s, number);
    size_t len = 0;
    bool walk;

    poke_candidates(s, number, who);
    walk = s->gateways[number - 1].poke_all;
    mu_zero(bitmap, BITMAP_MAX);
    for (uint32_t index = 0; index < MU_AREA_DEVICES_MAX; index++) {
        int rc;

        if (!mu_bit_get(MU_BYTES(who), index))
            continue;
        rc = walk ? mu_srv_area_next(s, number, &index, &a)
                  : mu_srv_area_get(s, number, (uint16_t)index, &a);
        if (rc == MU_ERR_CORRUPT || (rc == MU_ERR_NOT_FOUND && !walk))
            continue;
        if (rc != 0 || index >= MU_AREA_DEVICES_MAX)
            break;
        if (a.revoked ||
            (!device_behind(s, &b, mu_bytes(a.identity, a.identity_len)) &&
             !(speakers &&
               mu_srv_speaker_awaited(s, number, (uint16_t)index))))
            continue;
        mu_bit_put(bitmap, index, true);
        len = index / 8 + 1;
    }
    return len;
}

static void poke_send(struct mu_server *s, uint32_t number,
                      struct mu_server_gateway *gw)
{
    uint8_t bitmap[BITMAP_MAX];
    struct mu_writer w = mu_srv_writer(s);
    size_t len = poke_bitmap(s, number, bitmap);

    if (len == 0) {
        gw->poke.due = false;
        poke_clear(gw);
        return;
    }
    if (mu_wide_poke_create(mu_bytes(bitmap, len), &w) != 0)
        mu_assert(false); /* there is room for the largest bitmap */
    mu_ask_sent(&gw->poke,
                mu_srv_request(s, number, "poke", mu_written(&w)));
}

void mu_srv_asks_work(struct mu_server *s)
{
    bool poked = false;
    mu_time poke_at;

    if (s->now < s->asks_at)
        return;
    s->asks_at = MU_TIME_NEVER;
    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        struct mu_server_gateway *gw = &s->gateways[n - 1];
        if (!gw->greeted)
            continue;
        if (mu_ask_ready(&gw->notice, s->now) && mu_srv_sends_room(s))
            notice_send(s, n, gw);
        /* A bitmap takes a look at every device of the area: one a step. */
        if (mu_ask_ready(&gw->poke, s->now) && !poked && !s->groups_due &&
            mu_srv_taken(s) && mu_srv_sends_room(s)) {
            poke_send(s, n, gw);
            poked = true;
        }
        if (mu_ask_ready(&gw->hop, s->now) && mu_srv_sends_room(s))
            mu_srv_hop_send(s, n, gw);
        s->asks_at = mu_time_min(s->asks_at, mu_ask_deadline(&gw->notice));
        s->asks_at = mu_time_min(s->asks_at, mu_ask_deadline(&gw->hop));
        poke_at = mu_ask_deadline(&gw->poke);
        if (s->groups_due && poke_at < s->groups_at)
            poke_at = s->groups_at;
        s->asks_at = mu_time_min(s->asks_at, poke_at);
    }
}

/* ---- links ----------------------------------------------------------------- */

void mu_srv_link_up(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);

    if (gw == NULL || gw->removed ||
        !mu_bytes_eq(mu_bytes(gw->identity, gw->identity_len), ev->identity))
        return;
    gw->linked = true;
    gw->greeted = false;
    mu_ask_lost(&gw->notice);
    mu_ask_lost(&gw->poke);
    mu_ask_lost(&gw->hop);
    mu_srv_hop_lost(s, ev->link); /* it may have been restarted */
    gw->hop.due = true;
    mu_srv_trace(s, "gateway-up", ev->link, 0);
}

void mu_srv_link_down(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);

    if (gw == NULL)
        return;
    gw->linked = gw->greeted = gw->channel_due = false;
    mu_ask_lost(&gw->notice);
    mu_ask_lost(&gw->poke);
    mu_ask_lost(&gw->hop);
    mu_srv_trace(s, "gateway-down", ev->link, 0);
}

void mu_srv_link_response(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);
    bool good = ev->kind == MU_EV_RESPONSE &&
                MU_COAP_CLASS(ev->message.code) == 2;
    struct mu_ask *a = NULL;

    if (gw == NULL)
        return;
    if (gw->notice.flying && gw->notice.exchange == ev->message.exchange)
        a = &gw->notice;
    else if (gw->poke.flying && gw->poke.exchange == ev->message.exchange)
        a = &gw->poke;
    else if (gw->hop.flying && gw->hop.exchange == ev->message.exchange)
        a = &gw->hop;
    if (a == NULL)
        return;
    if (good)
        mu_ask_done(a);
    else
        mu_ask_failed(a, s->now, &s->jitter);
    /* Unless more was asked for meanwhile. */
    if (good && a == &gw->poke && !a->due)
        poke_clear(gw);
    if (a == &gw->hop)
        mu_srv_hop_told(s, ev->link, good);
    s->asks_at = mu_time_min(s->asks_at, mu_ask_deadline(a));
}

/* ---- requests -------------------------------------------------------------- */

static int welcome_create(struct mu_server *s, uint32_t number,
                          struct mu_writer *w)
{
    struct mu_wide_welcome m = {
        .server = s->conf.identity,
        .number = number,
        .kid = s->kw_kid,
        .kw = s->kw,
        .tick = s->ticker.now,
        .address = mu_bytes_str(s->conf.wide_address),
        .port = s->conf.wide_port,
        .up_port = s->conf.wide_up_port,
        .epoch = s->epoch,
        .alg = s->signer.alg,
        .pub = mu_bytes(s->signer.pub, s->signer.pub_len),
        .campaigns_version = (uint64_t)s->epoch << 32 | s->campaigns_version,
        .index = (uint16_t)(number - 1),
        .directory = mu_srv_directory_version(s, number),
    };
    int rc = mu_wide_welcome_create(&m, w);

    mu_secret_clear(&m.kw);
    return rc;
}

static int hello_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);
    struct mu_wide_hello hello;
    struct mu_gateway_record g;
    struct mu_writer w = mu_srv_writer(s);
    int rc = mu_wide_hello_consume(ev->message.payload, &hello);

    if (rc == 0)
        rc = mu_srv_epoch_seen(s, hello.epoch);
    if (rc == 0 && !mu_srv_keys_work(s))
        rc = MU_ERR_BUSY; /* no Kw of this epoch yet */
    if (rc == 0)
        rc = mu_srv_gateway_get(s, ev->link, &g);
    if (rc == 0)
        rc = welcome_create(s, ev->link, &w);
    if (rc != 0)
        return rc;
    if (g.page_memory != hello.page_memory) {
        g.page_memory = hello.page_memory;
        mu_srv_gateway_put(s, ev->link, &g);
    }
    gw->greeted = true;
    gw->greeted_at = s->now;
    gw->unicast_port = hello.unicast_port;
    gw->channel_due = gw->unicast_port != 0;
    s->copies_due = s->copies_due || gw->channel_due;
    mu_srv_poke(s, ev->link);
    if (hello.area_version != mu_srv_area_version(s, &g))
        mu_srv_notice(s, ev->link);
    mu_srv_answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
    mu_srv_trace(s, "hello", ev->link, hello.epoch);
    return 0;
}

/* One row of /area, into w. */
static int area_row(struct mu_server *s, uint32_t gateway, uint32_t index,
                    const struct mu_area_record *a, struct mu_writer *w)
{
    const struct mu_server_gateway *gw = mu_srv_gateway(s, gateway);
    struct mu_wide_area_row row = {
        .index = (uint16_t)index,
        .identity = mu_bytes(a->identity, a->identity_len),
    };
    struct mu_device_record d;
    struct mu_secret kmr;
    int rc = mu_srv_device_get(s, row.identity, &d);

    if (rc == 0)
        rc = mu_srv_device_kmr(s, row.identity, &d, &kmr);
    if (rc == 0) {
        rc = mu_khop_derive(s->conf.crypto, &kmr,
                            mu_bytes(gw->identity, gw->identity_len),
                            &row.khop);
        mu_secret_clear(&kmr);
    }
    if (rc == 0)
        mu_wide_area_row_write(&row, w);
    mu_secret_clear(&row.khop);
    return rc;
}

static int area_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_writer rows = mu_writer(s->other, MU_STORE_VALUE_MAX);
    struct mu_writer w = mu_srv_writer(s);
    struct mu_wide_page page = {.next = 0};
    struct mu_gateway_record g;
    struct mu_area_record a = {.revoked = false};
    uint64_t from;
    uint32_t index;
    int rc = mu_wide_ask_consume(ev->message.payload, &from);

    if (rc == 0)
        rc = mu_srv_gateway_get(s, ev->link, &g);
    if (rc != 0)
        return rc;
    page.version = mu_srv_area_version(s, &g);
    index = from < MU_AREA_DEVICES_MAX ? (uint32_t)from : MU_AREA_DEVICES_MAX;
    for (; index < MU_AREA_DEVICES_MAX; index++) {
        rc = mu_srv_area_next(s, ev->link, &index, &a);
        if (rc == MU_ERR_NOT_FOUND)
            break;
        if (page.rows == AREA_ROWS_MAX) {
            page.next = index;
            break;
        }
        if (rc == 0 && a.revoked)
            continue;
        if (rc == 0)
            rc = area_row(s, ev->link, index, &a, &rows);
        /* A damaged record leaves one device out, not the whole area. */
        if (rc == 0)
            page.rows++;
        else if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
            mu_srv_trace(s, "device-damaged", ev->link, index);
        else
            return rc;
    }
    mu_wide_page_write(&page, &w);
    mu_write_bytes(&w, mu_written(&rows));
    rc = mu_writer_end(&w);
    mu_wipe(s->other, rows.len);
    if (rc == 0)
        mu_srv_answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
    mu_wipe(s->text, w.len);
    return rc;
}

static int link_dispatch(struct mu_server *s, const struct mu_event *ev)
{
    static const struct {
        const char *path;
        int (*request)(struct mu_server *s, const struct mu_event *ev);
    } table[] = {
        {"hello", hello_request},          {"area", area_request},
        {"camp", mu_srv_camp_request},     {"camp/m", mu_srv_camp_m_request},
        {"r", mu_srv_report_request},      {"t", mu_srv_tally_request},
        {"dir", mu_srv_directory_request},
    };
    const struct mu_bytes path = ev->message.path;

    if (ev->message.code != MU_COAP_POST)
        return MU_ERR_UNSUPPORTED;
    if (path.len > 2 && path.data[0] == 'd' && path.data[1] == '/')
        return mu_srv_device_request(s, ev,
                                     mu_bytes(path.data + 2, path.len - 2));
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (mu_bytes_eq(path, mu_bytes_str(table[i].path)))
            return table[i].request(s, ev);
    return MU_ERR_NOT_FOUND;
}

void mu_srv_link_request(struct mu_server *s, const struct mu_event *ev)
{
    const struct mu_server_gateway *gw = mu_srv_gateway(s, ev->link);
    int rc;

    /* Without room there is no answer: the request comes again. */
    if (gw == NULL || gw->removed || mu_srv_room(s) != 0)
        return;
    rc = link_dispatch(s, ev);
    if (rc == 0)
        return;
    mu_srv_answer(s, ev, (uint8_t)mu_err_coap(rc), mu_bytes(NULL, 0));
    mu_srv_trace(s, "refused", ev->link, (uint64_t)-(int64_t)rc);
}
