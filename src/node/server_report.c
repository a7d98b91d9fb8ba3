/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gateways ask and tell about campaigns: the list, one campaign, and the
 * acknowledgements of their devices (docs/wire-format.md s.2.3 and s.7).
 *
 * A report is believed as far as its acknowledgements are those that we make
 * with each device's own key (muster/ack.h): the gateway cannot make one up.
 * What a report says is stored before it is answered.
 */
#include "node/server_core.h"

#define CAMP_ROWS_MAX 32 /* rows of /camp: below MU_MESSAGE_MAX bytes */

static bool report_of_gateway(const struct mu_server_campaign *c,
                              uint32_t number)
{
    return mu_bit_get(
        mu_bytes(c->gateways, c->server->conf.gateways_max / 8u + 1),
        number - 1);
}

/* ---- POST /camp ------------------------------------------------------------ */

/* A gateway is told of what was ever announced to it. */
static bool camp_listed(const struct mu_server_campaign *c, uint32_t gateway,
                        enum mu_wide_command *command)
{
    bool announced = mu_srv_campaign_is_inline(c)
                         ? c->rec.cut && c->rec.parts != 0
                         : c->rec.announce_len != 0;

    if (!c->used || !announced || !report_of_gateway(c, gateway))
        return false;
    switch (c->rec.phase) {
    case MU_CAMPAIGN_RUNNING:
        *command = MU_WIDE_RUN;
        return true;
    case MU_CAMPAIGN_PREPARING: /* another edition is on its way */
    case MU_CAMPAIGN_PAUSED:
        *command = MU_WIDE_PAUSE;
        return true;
    case MU_CAMPAIGN_CANCELLED:
        *command = MU_WIDE_CANCEL;
        return true;
    default:
        return false;
    }
}

/* The session of the manifest that is out, which is an older one while another
 * edition is being prepared. */
static uint8_t camp_session(const struct mu_server_campaign *c)
{
    struct mu_manifest m;
    enum mu_announce_kind kind;

    if (c->rec.phase == MU_CAMPAIGN_PREPARING &&
        mu_announce_consume(c->server->conf.crypto, &c->server->signer, NULL,
                            mu_bytes(c->rec.announce, c->rec.announce_len),
                            &kind, &m) == 0)
        return m.session;
    return c->rec.session;
}

/* The listed campaign with the lowest number above `after`. */
static struct mu_server_campaign *camp_next(struct mu_server *s,
                                            uint32_t gateway, uint64_t after,
                                            enum mu_wide_command *command)
{
    struct mu_server_campaign *best = NULL;
    enum mu_wide_command its;

    for (uint16_t i = 0; i < s->campaigns_len; i++) {
        struct mu_server_campaign *c = &s->campaigns[i];
        if (c->used && c->number > after &&
            (best == NULL || c->number < best->number) &&
            camp_listed(c, gateway, &its)) {
            best = c;
            *command = its;
        }
    }
    return best;
}

int mu_srv_camp_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_writer rows = mu_writer(s->other, MU_STORE_VALUE_MAX);
    struct mu_writer w = mu_srv_writer(s);
    struct mu_wide_page page = {
        .version = (uint64_t)s->epoch << 32 | s->campaigns_version};
    struct mu_server_campaign *c;
    enum mu_wide_command command = MU_WIDE_RUN;
    uint64_t after;
    int rc = mu_wide_ask_consume(ev->message.payload, &after);

    if (rc != 0)
        return rc;
    while ((c = camp_next(s, ev->link, after, &command)) != NULL) {
        struct mu_wide_camp_row row = {
            .number = c->number,
            .command = command,
            .session = camp_session(c),
        };
        if (page.rows == CAMP_ROWS_MAX) {
            page.next = after;
            break;
        }
        mu_copy(row.campaign, c->rec.id, sizeof row.campaign);
        mu_wide_camp_row_write(&row, &rows);
        page.rows++;
        after = c->number;
    }
    mu_wide_page_write(&page, &w);
    mu_write_bytes(&w, mu_written(&rows));
    rc = mu_writer_end(&w);
    if (rc == 0)
        mu_srv_answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
    return rc;
}

/* ---- POST /camp/m ---------------------------------------------------------- */

/* Targets a gateway has still work with: not revoked, not running, and able
 * to take it. Its length without zeros. */
static int members_bitmap(struct mu_server_campaign *c, uint32_t gateway,
                          uint8_t bitmap[MU_AREA_DEVICES_MAX / 8],
                          size_t *len)
{
    struct mu_target_record t;

    mu_zero(bitmap, MU_AREA_DEVICES_MAX / 8);
    *len = 0;
    for (uint32_t first = 0; first < MU_AREA_DEVICES_MAX;
         first += MU_TARGETS) {
        int rc = mu_srv_target_get(c->server, &c->rec, gateway,
                                   (uint16_t)first, &t);
        if (rc != 0 && rc != MU_ERR_NOT_FOUND && rc != MU_ERR_CORRUPT)
            return rc;
        for (uint32_t i = 0; i < MU_TARGETS; i++) {
            if ((t.state[i] & MU_TARGET_MEMBER) == 0 ||
                (t.state[i] & (MU_TARGET_REVOKED | MU_STATE_RUNNING)) != 0 ||
                ((t.state[i] & MU_TARGET_STATE) == MU_STATE_FAILED))
                continue;
            mu_bit_put(bitmap, first + i, true);
            *len = (first + i) / 8 + 1;
        }
    }
    return 0;
}

static int campaign_tags(struct mu_server_campaign *c,
                         const struct mu_secret *kb,
                         struct mu_wide_campaign *m)
{
    const struct mu_crypto *crypto = c->server->conf.crypto;
    struct mu_secret kann;
    int rc = mu_kdf(crypto, kb, "announce", mu_bytes(NULL, 0), 16, &kann);

    m->tags_len = mu_announce_fragments(m->object.len, c->rec.shape.payload);
    for (uint8_t i = 0; rc == 0 && i < m->tags_len; i++)
        rc = mu_announce_tag(crypto, &kann, m->object, c->rec.shape.payload,
                             c->rec.session, i, m->tags[i]);
    mu_secret_clear(&kann);
    return rc;
}

/* What a gateway is told of it, all but what it is to announce. */
static int campaign_head(struct mu_server_campaign *c, uint32_t gateway,
                         uint8_t bitmap[MU_AREA_DEVICES_MAX / 8],
                         struct mu_wide_campaign *m)
{
    uint32_t elapsed = mu_srv_campaign_elapsed(c);
    size_t len = 0;
    int rc = members_bitmap(c, gateway, bitmap, &len);

    m->mode = (enum mu_group_mode)c->rec.mode;
    m->quorum = c->rec.quorum_permille;
    m->kid = mu_srv_kb_kid(c->rec.group, c->rec.generation);
    m->members = mu_bytes(bitmap, len);
    if (elapsed < c->rec.deadline_s)
        m->deadline_s = c->rec.deadline_s - elapsed;
    return rc;
}

/* One inline object of a key. */
static int part_answer(struct mu_server_campaign *c, uint32_t gateway,
                       uint16_t part, struct mu_writer *w)
{
    struct mu_record_key k = mu_record_key_part(c->rec.id, part);
    uint8_t bitmap[MU_AREA_DEVICES_MAX / 8];
    struct mu_wide_campaign m = {.parts = c->rec.parts};
    int rc = campaign_head(c, gateway, bitmap, &m);

    if (part >= c->rec.parts)
        return MU_ERR_NOT_FOUND;
    if (rc == 0) /* a view of what is read last */
        rc = mu_srv_get(c->server, MU_TABLE_SEEN, &k, &m.object);
    return rc == 0 ? mu_wide_campaign_create(&m, w) : rc;
}

static int campaign_answer(struct mu_server_campaign *c, uint32_t gateway,
                           struct mu_writer *w)
{
    struct mu_server *s = c->server;
    uint8_t bitmap[MU_AREA_DEVICES_MAX / 8];
    struct mu_wide_campaign m = {
        .object = mu_bytes(c->rec.announce, c->rec.announce_len),
        .cancel = mu_bytes(c->rec.cancel, c->rec.cancel_len),
    };
    struct mu_secret kb = {.len = 0};
    int rc = campaign_head(c, gateway, bitmap, &m);

    if (rc == 0)
        rc = mu_srv_key_get(s, &m.kid, &kb);
    if (rc == 0)
        rc = campaign_tags(c, &kb, &m);
    if (rc == 0) {
        if (m.mode != MU_MODE_END_TO_END)
            m.kb = kb;
        rc = mu_wide_campaign_create(&m, w);
    }
    mu_secret_clear(&kb);
    mu_secret_clear(&m.kb);
    return rc;
}

int mu_srv_camp_m_request(struct mu_server *s, const struct mu_event *ev)
{
    uint8_t id[MU_CAMPAIGN_ID];
    struct mu_server_campaign *c;
    struct mu_writer w = mu_srv_writer(s);
    enum mu_wide_command command;
    uint16_t part;
    int rc = mu_wide_campaign_ask_consume(ev->message.payload, id, &part);

    if (rc != 0)
        return rc;
    c = mu_srv_campaign_find(s, id);
    /* The key of a group goes to gateways that serve members of it only. */
    if (c == NULL || !camp_listed(c, ev->link, &command))
        return MU_ERR_NOT_FOUND;
    if (c->rec.phase == MU_CAMPAIGN_PREPARING)
        return MU_ERR_BUSY; /* what there is has just been superseded */
    if (mu_srv_campaign_is_inline(c))
        rc = part_answer(c, ev->link, part, &w);
    else
        rc = part == 0 ? campaign_answer(c, ev->link, &w) : MU_ERR_NOT_FOUND;
    if (rc != 0)
        return rc;
    mu_srv_answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
    mu_wipe(s->text, w.len);
    if (c->stage == MU_STAGE_CAST) {
        mu_bit_put(c->fetched, ev->link - 1, true);
        c->fetched_at = mu_time_min(c->fetched_at, s->now);
    }
    mu_srv_trace(s, "fetched", c->number, ev->link);
    return 0;
}

/* ---- POST /r --------------------------------------------------------------- */

/* Whom a report is checked against. */
struct report_check {
    struct mu_server_campaign *campaign;
    uint32_t gateway;
    const struct mu_wide_report *report;
    struct mu_target_record targets;
    uint32_t chunk; /* of them */
};

/* The acknowledgement that one device must have given. */
static int report_ack(const struct report_check *k, uint16_t index,
                      uint8_t ack[MU_ACK_LEN])
{
    struct mu_server *s = k->campaign->server;
    struct mu_secret kmr, kack = {.len = 0};
    struct mu_device_record d;
    struct mu_area_record a;
    struct mu_bytes identity;
    int rc = mu_srv_area_get(s, k->gateway, index, &a);

    identity = mu_bytes(a.identity, a.identity_len);
    if (rc == 0)
        rc = mu_srv_device_get(s, identity, &d);
    if (rc == 0)
        rc = mu_srv_device_kmr(s, identity, &d, &kmr);
    if (rc != 0)
        return rc == MU_ERR_CORRUPT ? MU_ERR_NOT_FOUND : rc;
    rc = mu_kdf(s->conf.crypto, &kmr, "ack", mu_bytes(NULL, 0), 32, &kack);
    if (rc == 0)
        rc = mu_ack_make(s->conf.crypto, &kack, k->campaign->rec.id, identity,
                         k->report->state, k->report->reason,
                         k->campaign->rec.digest, ack);
    mu_secret_clear(&kmr);
    mu_secret_clear(&kack);
    return rc;
}

/* Of a target of the campaign; a revoked one may be in a sum that was on its
 * way. */
static int report_expect(void *context, uint16_t index,
                         uint8_t ack[MU_ACK_LEN])
{
    struct report_check *k = context;

    if (index / MU_TARGETS != k->chunk) {
        int rc = mu_srv_target_get(k->campaign->server, &k->campaign->rec,
                                   k->gateway,
                                   (uint16_t)(index / MU_TARGETS * MU_TARGETS),
                                   &k->targets);
        if (rc != 0 && rc != MU_ERR_NOT_FOUND)
            return rc;
        k->chunk = index / MU_TARGETS;
    }
    if ((k->targets.state[index % MU_TARGETS] & MU_TARGET_MEMBER) == 0)
        return MU_ERR_NOT_FOUND;
    return report_ack(k, index, ack);
}

static bool report_bit(const struct mu_wide_report *m, uint32_t i)
{
    return mu_bit_get(m->bitmap, i);
}

/* How many of those named are not proved, noted in `left`; or an error. */
static int report_verify(struct mu_server_campaign *c, uint32_t gateway,
                         const struct mu_wide_report *m, uint8_t *left)
{
    struct report_check k = {
        .campaign = c, .gateway = gateway, .report = m, .chunk = UINT32_MAX};
    const struct mu_ack_expect expect = {&k, report_expect};
    const struct mu_ack_set set = mu_wide_report_set(m);
    uint8_t rest[MU_ACK_STRING_MAX];

    return mu_ack_check(&set, &expect, rest, left);
}

/* What a proved claim makes of a known state. Acknowledgements may come in any
 * order, and again: good news stays, and a failure is over when the device
 * runs the object. */
static uint8_t report_merge(uint8_t known, uint8_t claim)
{
    uint8_t merged = (uint8_t)(known | (claim & MU_TARGET_STATE));

    if ((merged & MU_STATE_RUNNING) != 0)
        merged = (uint8_t)(merged & ~MU_STATE_FAILED);
    return merged;
}

/* A device that verified the object holds the Kb that opened it. */
static void report_proves_key(struct mu_server_campaign *c, uint32_t gateway,
                              uint32_t index)
{
    struct mu_server *s = c->server;
    struct mu_device_group *g;
    struct mu_device_record d;
    struct mu_area_record a;

    if (c->rec.mode == MU_MODE_REPROTECT || !mu_srv_stores_room(s) ||
        mu_srv_area_get(s, gateway, (uint16_t)index, &a) != 0 ||
        mu_srv_device_get(s, mu_bytes(a.identity, a.identity_len), &d) != 0)
        return;
    g = mu_device_record_group(&d, c->rec.group);
    if (g == NULL || g->held >= c->rec.generation || c->rec.edition != 0)
        return;
    mu_srv_holders_add(s, c->rec.group, g->held, c->rec.generation);
    g->held = c->rec.generation;
    if (g->sent < g->held)
        g->sent = g->held;
    mu_srv_device_put(s, mu_bytes(a.identity, a.identity_len), &d);
}

/* One chunk of targets: takes over the claims for [at, at + MU_TARGETS). */
static int report_take(struct mu_server_campaign *c, uint32_t gateway,
                       const struct mu_wide_report *m, uint32_t at)
{
    struct mu_target_record t;
    bool changed = false;
    int rc = mu_srv_target_get(c->server, &c->rec, gateway, (uint16_t)at,
                               &t);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    for (uint32_t i = 0; i < MU_TARGETS; i++) {
        uint8_t now;
        if (at + i < m->first || !report_bit(m, at + i - m->first) ||
            (t.state[i] & MU_TARGET_REVOKED) != 0)
            continue;
        now = report_merge(t.state[i], m->state);
        if (now == t.state[i])
            continue;
        if ((m->state & MU_STATE_VERIFIED) != 0)
            report_proves_key(c, gateway, at + i);
        mu_srv_campaign_count(&c->rec, t.state[i], -1);
        t.state[i] = now;
        t.reason[i] = (now & MU_STATE_FAILED) != 0 ? m->reason : 0;
        mu_srv_campaign_count(&c->rec, now, 1);
        changed = true;
    }
    if (changed)
        mu_srv_target_put(c->server, c->rec.id, gateway, (uint16_t)at, &t);
    return 0;
}

/* One chunk of targets: the operator is told who lied, by a reason without a
 * failure. */
static int report_blame(struct mu_server_campaign *c, uint32_t gateway,
                        const struct mu_wide_report *m, struct mu_bytes left,
                        uint32_t at)
{
    struct mu_target_record t;
    bool changed = false;
    int rc = mu_srv_target_get(c->server, &c->rec, gateway, (uint16_t)at,
                               &t);

    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND ? 0 : rc;
    for (uint32_t i = 0; i < MU_TARGETS; i++) {
        if (at + i < m->first || !mu_bit_get(left, at + i - m->first) ||
            (t.state[i] & MU_TARGET_MEMBER) == 0 ||
            (t.state[i] & MU_STATE_FAILED) != 0)
            continue;
        changed = changed || t.reason[i] != MU_TARGET_LIED;
        t.reason[i] = MU_TARGET_LIED;
    }
    if (changed)
        mu_srv_target_put(c->server, c->rec.id, gateway, (uint16_t)at, &t);
    return 0;
}

/* One that stands for itself and is false has nobody else to blame. */
static int report_forged(struct mu_server_campaign *c, uint32_t gateway,
                         const struct mu_wide_report *m, const uint8_t *all)
{
    struct mu_bytes left = mu_bytes(all, m->bitmap.len);
    int rc = 0;

    for (uint32_t i = 0; i < m->bitmap.len * 8; i++) {
        if (!mu_bit_get(left, i))
            continue;
        c->rec.refused++;
        mu_srv_trace(c->server, "ack-forged", gateway, m->first + i);
    }
    for (uint32_t at = m->first / MU_TARGETS * MU_TARGETS;
         rc == 0 && at < m->first + m->bitmap.len * 8 &&
         at < MU_AREA_DEVICES_MAX;
         at += MU_TARGETS)
        rc = report_blame(c, gateway, m, left, at);
    return rc;
}

/* A plain sum proves all or nothing: 4.09 asks for the shifted form. */
static int report_refuse(struct mu_server_campaign *c, uint32_t gateway,
                         const struct mu_wide_report *m, const uint8_t *left)
{
    int rc;

    if (mu_ack_members(m->bitmap) > 1)
        return MU_ERR_CONFLICT;
    rc = report_forged(c, gateway, m, left);
    return rc == 0 ? MU_ERR_AUTH : rc;
}

static int report_take_all(struct mu_server_campaign *c, uint32_t gateway,
                           const struct mu_wide_report *m)
{
    int rc = 0;

    for (uint32_t at = m->first / MU_TARGETS * MU_TARGETS;
         rc == 0 && at < m->first + m->bitmap.len * 8 &&
         at < MU_AREA_DEVICES_MAX;
         at += MU_TARGETS)
        rc = report_take(c, gateway, m, at);
    return rc;
}

static int report_answer(struct mu_server *s, const struct mu_event *ev,
                         struct mu_bytes left)
{
    struct mu_writer w = mu_srv_writer(s);
    int rc = 0;

    if (left.len > 0)
        rc = mu_wide_left_create(left, &w);
    if (rc == 0)
        mu_srv_answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
    return rc;
}

int mu_srv_report_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_server_campaign *c;
    struct mu_wide_report m;
    uint8_t left[MU_AREA_DEVICES_MAX / 8], proved[MU_AREA_DEVICES_MAX / 8];
    int count, rc = mu_wide_report_consume(ev->message.payload, &m);

    if (rc != 0)
        return rc;
    c = mu_srv_campaign_find(s, m.campaign);
    if (c == NULL || !mu_srv_campaign_at_work(c) || !c->rec.cut ||
        !report_of_gateway(c, ev->link))
        return MU_ERR_NOT_FOUND;
    count = report_verify(c, ev->link, &m, left);
    if (count < 0)
        return count;
    if (count > 0 && m.shift == 0)
        return report_refuse(c, ev->link, &m, left);
    if (count > 0 && m.shift == MU_ACK_LEN)
        rc = report_forged(c, ev->link, &m, left);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < m.bitmap.len; i++)
        proved[i] = m.bitmap.data[i] & (uint8_t)~left[i];
    m.bitmap.data = proved;
    rc = report_take_all(c, ev->link, &m);
    if (rc != 0)
        return rc;
    mu_srv_trace(s, "report", m.state, mu_ack_members(m.bitmap));
    mu_srv_campaign_settle(c);
    return report_answer(s, ev,
                         mu_bytes(left, count > 0 ? m.bitmap.len : 0));
}

/* ---- POST /t --------------------------------------------------------------- */

int mu_srv_tally_request(struct mu_server *s, const struct mu_event *ev)
{
    struct mu_record_key k;
    struct mu_wide_tally t;
    struct mu_bytes value;
    uint8_t room[80];
    struct mu_writer w = mu_writer(room, sizeof room);
    int rc = mu_wide_tally_consume(ev->message.payload, &t);

    if (rc != 0)
        return rc;
    k = mu_record_key_campaign(t.campaign);
    rc = mu_srv_get(s, MU_TABLE_SEEN, &k, &value); /* a campaign of ours */
    if (rc != 0)
        return rc;
    k = mu_record_key_tally(t.campaign, ev->link);
    mu_tally_record_write(&w, &t);
    (void)mu_srv_put_lazy(s, MU_TABLE_SEEN, &k, &w);
    mu_srv_answer(s, ev, MU_COAP_CHANGED, mu_bytes(NULL, 0));
    return 0;
}
