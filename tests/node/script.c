/* SPDX-License-Identifier: Apache-2.0 */
/* A server by script: see script.h. */
#include "tests/node/script.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "muster/coap.h"
#include "muster/parts.h"
#include "tests/node/script_rekey.h"

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void random_secret(struct script *s, struct mu_secret *key, size_t len)
{
    uint8_t raw[32];

    must(s->crypto->random(s->crypto->ctx, raw, len));
    must(mu_secret_set(key, mu_bytes(raw, len)));
}

void script_init(struct script *s, const struct mu_crypto *c)
{
    size_t pub_len = 0;

    memset(s, 0, sizeof *s);
    s->crypto = c;
    s->identity = mu_bytes_str("server");
    s->epoch = 1;
    s->signer.alg = MU_ALG_ES256;
    must(c->keypair(c->ctx, MU_ALG_ES256, &s->signer.priv, s->signer.pub,
                    &pub_len));
    s->signer.pub_len = (uint8_t)pub_len;
    s->kw_kid = (struct mu_kid){MU_KEY_KW, 0, (uint64_t)1 << 32 | 5};
    s->kb_kid = (struct mu_kid){MU_KEY_KB, SCRIPT_GROUP,
                                (uint64_t)1 << 32 | 9};
    random_secret(s, &s->kw, 32);
    random_secret(s, &s->kb, 32);
    s->area_version = 1;
    s->camp_version = 1;
    s->number = SCRIPT_GATEWAY;
}

static void campaign_clear(struct script_campaign *k)
{
    free(k->plain);
    free(k->prepared);
    free(k->tx_work);
    memset(k, 0, sizeof *k);
}

void script_clear(struct script *s)
{
    for (size_t i = 0; i < s->out_len; i++)
        free(s->out[i]);
    free(s->taken);
    campaign_clear(&s->campaign);
    script_scheme_clear(s);
    memset(s, 0, sizeof *s);
}

/* ---- effects ------------------------------------------------------------ */

static struct script_effect *effect_new(struct script *s)
{
    struct script_effect *e = calloc(1, sizeof *e);

    assert(e != NULL && s->out_len < SCRIPT_OUT_MAX);
    s->out[s->out_len++] = e;
    return e;
}

static struct script_effect *effect_send(struct script *s)
{
    struct script_effect *e = effect_new(s);

    e->effect.kind = MU_DO_SEND;
    e->effect.link = 1;
    return e;
}

static void effect_payload(struct script_effect *e, struct mu_bytes payload)
{
    assert(payload.len <= sizeof e->payload);
    if (payload.len > 0)
        memcpy(e->payload, payload.data, payload.len);
    e->effect.message.payload = mu_bytes(e->payload, payload.len);
}

static void answer(struct script *s, const struct mu_event *ev, uint8_t code,
                   struct mu_bytes payload)
{
    struct script_effect *e = effect_send(s);

    e->effect.response = true;
    e->effect.message.code = code;
    e->effect.message.exchange = ev->message.exchange;
    effect_payload(e, payload);
}

static void request(struct script *s, const char *path, struct mu_bytes payload)
{
    struct script_effect *e = effect_send(s);

    strcpy(e->path, path);
    e->effect.message.code = MU_COAP_POST;
    e->effect.message.path = mu_bytes_str(e->path);
    e->effect.message.exchange = ++s->exchange;
    effect_payload(e, payload);
}

/* Ticks and control packets follow Kw, which tests change. */
static void script_control(struct script *s)
{
    struct mu_secret kctl;

    must(mu_kdf(s->crypto, &s->kw, "control", (struct mu_bytes){NULL, 0}, 16,
                &kctl));
    if (mu_secret_eq(&kctl, &s->ticker.kctl))
        return;
    must(mu_ticker_init(&s->ticker, s->crypto, &kctl, &s->kw, 1024, 0));
    mu_ticker_allow(&s->ticker, 1024);
    if (s->campaign.sending)
        mu_cast_sender_control(&s->campaign.tx, &kctl,
                               (uint8_t)s->kw_kid.generation);
}

bool script_next(struct script *s, struct mu_effect *out)
{
    uint8_t packet[MU_PACKET_MAX];
    struct script_effect *e;
    size_t len = 0;

    if (s->out_len == 0 && s->campaign.sending && s->linked)
        len = mu_cast_sender_next(&s->campaign.tx, s->now, packet);
    if (len > 0) {
        if (!mu_cast_is_data(packet[0]))
            must(mu_ticker_put(&s->ticker, packet, &len));
        e = effect_new(s);
        e->effect.kind = MU_DO_PACKET;
        e->effect.channel = MU_CHANNEL_WIDE;
        effect_payload(e, mu_bytes(packet, len));
        e->effect.packet = e->effect.message.payload;
    }
    if (s->out_len == 0)
        return false;
    free(s->taken);
    s->taken = s->out[0];
    s->out_len--;
    memmove(s->out, s->out + 1, s->out_len * sizeof *s->out);
    *out = s->taken->effect;
    return true;
}

mu_time script_deadline(const struct script *s)
{
    return s->campaign.sending && s->linked
               ? mu_cast_sender_deadline(&s->campaign.tx)
               : MU_TIME_NEVER;
}

/* ---- the gateway asks --------------------------------------------------- */

static void on_hello(struct script *s, const struct mu_event *ev)
{
    uint8_t raw[512];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_wide_hello in;
    struct mu_wide_welcome m = {
        .server = s->identity,
        .number = s->number,
        .kid = s->kw_kid,
        .kw = s->kw,
        .address = mu_bytes_str("239.1.2.3"),
        .port = 7000,
        .up_port = 7001,
        .epoch = s->epoch,
        .alg = s->signer.alg,
        .pub = mu_bytes(s->signer.pub, s->signer.pub_len),
        .campaigns_version = s->camp_version,
        .index = s->index,
    };

    script_control(s);
    m.tick = s->ticker.now;
    must(mu_wide_hello_consume(ev->message.payload, &in));
    must(mu_wide_welcome_create(&m, &w));
    answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
}

static void on_area(struct script *s, const struct mu_event *ev)
{
    uint8_t raw[2048];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_wide_page page = {.version = s->area_version};
    uint64_t first, end = s->devices_len;

    must(mu_wide_ask_consume(ev->message.payload, &first));
    s->area_pages++;
    if (s->area_moves > 0) {
        s->area_moves--;
        page.version = ++s->area_version;
    }
    if (s->area_paged && first + 1 < s->devices_len) {
        end = first + 1;
        page.next = end;
    }
    for (uint64_t i = first; i < end; i++)
        page.rows += s->devices[i].listed;
    mu_wide_page_write(&page, &w);
    for (uint64_t i = first; i < end; i++) {
        struct mu_wide_area_row row = {
            .index = (uint16_t)i,
            .identity = mu_bytes_str(s->devices[i].name),
        };

        if (!s->devices[i].listed)
            continue;
        must(mu_khop_derive(s->crypto, &s->devices[i].kmr,
                            mu_bytes_str(s->gateway_name), &row.khop));
        mu_wide_area_row_write(&row, &w);
    }
    must(mu_writer_end(&w));
    answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
}

static void on_camp(struct script *s, const struct mu_event *ev)
{
    uint8_t raw[256];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct script_campaign *k = &s->campaign;
    struct script_rekey *r = s->rekey;
    bool rekey = r != NULL && r->live;
    struct mu_wide_page page = {.version = s->camp_version,
                                .rows = (k->live ? 1u : 0u) + rekey};

    mu_wide_page_write(&page, &w);
    if (k->live) {
        struct mu_wide_camp_row row = {.number = k->number,
                                       .command = k->command,
                                       .session = k->session};

        memcpy(row.campaign, k->id, sizeof row.campaign);
        mu_wide_camp_row_write(&row, &w);
    }
    if (rekey) {
        struct mu_wide_camp_row row = {.number = r->number,
                                       .command = MU_WIDE_RUN,
                                       .session = r->session};

        memcpy(row.campaign, r->id, sizeof row.campaign);
        mu_wide_camp_row_write(&row, &w);
    }
    must(mu_writer_end(&w));
    answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
}

static void details_tags(struct script *s, struct mu_wide_campaign *m)
{
    struct script_campaign *k = &s->campaign;
    struct mu_secret kann;

    must(mu_kdf(s->crypto, &s->kb, "announce", (struct mu_bytes){NULL, 0}, 16,
                &kann));
    m->tags_len = mu_announce_fragments(k->object_len, k->m.shape.payload);
    for (uint8_t i = 0; i < m->tags_len; i++)
        must(mu_announce_tag(s->crypto, &kann,
                             mu_bytes(k->object, k->object_len),
                             k->m.shape.payload, k->session, i, m->tags[i]));
}

static void on_details(struct script *s, const struct mu_event *ev)
{
    uint8_t raw[4096], id[MU_CAMPAIGN_ID], members[1] = {0};
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct script_campaign *k = &s->campaign;
    uint16_t part;
    struct mu_wide_campaign m = {
        .object = mu_bytes(k->object, k->object_len),
        .mode = k->mode,
        .quorum = 1000,
        .deadline_s = k->deadline_s,
        .kid = s->kb_kid,
        .cancel = mu_bytes(k->cancel, k->cancel_len),
    };

    must(mu_wide_campaign_ask_consume(ev->message.payload, id, &part));
    bool rekey = script_rekey_details(s, ev, id, part, &m);

    if (rekey && s->rekey->mute)
        return;
    if (!rekey && (!k->live || memcmp(id, k->id, sizeof id) != 0)) {
        answer(s, ev, MU_COAP_NOT_FOUND, (struct mu_bytes){NULL, 0});
        return;
    }
    for (size_t i = 0; i < s->devices_len; i++) {
        if (s->devices[i].member)
            members[0] |= (uint8_t)(1u << i);
    }
    m.members = MU_BYTES(members);
    if (!rekey && k->mode != MU_MODE_END_TO_END)
        m.kb = s->kb;
    if (!rekey)
        details_tags(s, &m);
    must(mu_wide_campaign_create(&m, &w));
    answer(s, ev, MU_COAP_CONTENT, mu_written(&w));
}

static bool report_rekey(const struct script *s, const struct mu_wide_report *m)
{
    return s->rekey != NULL &&
           memcmp(s->rekey->id, m->campaign, MU_CAMPAIGN_ID) == 0;
}

struct report_context {
    struct script *script;
    const struct mu_wide_report *report;
};

static int report_ack(void *context, uint16_t device, uint8_t ack[MU_ACK_LEN])
{
    const struct report_context *k = context;
    struct script *s = k->script;
    const struct mu_wide_report *m = k->report;
    struct mu_secret kack;

    if (device >= s->devices_len)
        return MU_ERR_NOT_FOUND;
    must(mu_kdf(s->crypto, &s->devices[device].kmr, "ack",
                (struct mu_bytes){NULL, 0}, 32, &kack));
    must(mu_ack_make(s->crypto, &kack, m->campaign,
                     mu_bytes_str(s->devices[device].name), m->state,
                     m->reason,
                     report_rekey(s, m) ? s->rekey->digest
                                        : s->campaign.m.digest,
                     ack));
    if (s->false_ack == device + 1u || (s->false_more >> device & 1) != 0) {
        for (size_t b = 0; b < MU_ACK_LEN; b++)
            ack[b] ^= (uint8_t)(1 + b);
    }
    return 0;
}

static void on_report(struct script *s, const struct mu_event *ev)
{
    struct mu_wide_report m;
    struct report_context k = {s, &m};
    const struct mu_ack_expect expect = {&k, report_ack};
    struct mu_ack_set set;
    uint8_t rest[MU_ACK_STRING_MAX], left[MU_AREA_DEVICES_MAX / 8], room[64];
    struct mu_writer w = mu_writer(room, sizeof room);
    size_t named;
    int count;

    must(mu_wide_report_consume(ev->message.payload, &m));
    s->reports++;
    s->report_bytes += (uint32_t)ev->message.payload.len;
    if (s->mute_reports)
        return;
    set = mu_wide_report_set(&m);
    named = mu_ack_members(set.named);
    /* Failures go one by one. */
    if (named == 0 || ((m.state & 0x80) != 0 && named != 1))
        abort();
    count = mu_ack_check(&set, &expect, rest, left);
    if (count < 0)
        abort();
    if (count > 0 && m.shift == 0) {
        s->conflicts++;
        s->devices[m.first].refused += named == 1;
        answer(s, ev, named == 1 ? MU_COAP_UNAUTHORIZED : MU_COAP_CONFLICT,
               (struct mu_bytes){NULL, 0});
        return;
    }
    for (size_t i = m.first; i < s->devices_len; i++) {
        size_t n = i - m.first;

        if (!mu_bit_get(m.bitmap, n))
            continue;
        if (mu_bit_get(mu_bytes(left, m.bitmap.len), n)) {
            s->devices[i].refused += m.shift == MU_ACK_LEN;
            continue;
        }
        if (report_rekey(s, &m)) {
            s->rekey->told[i] = m.state;
            continue;
        }
        s->devices[i].state = m.state;
        s->devices[i].reason = m.reason;
    }
    if (count > 0)
        must(mu_wide_left_create(mu_bytes(left, m.bitmap.len), &w));
    answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
}

/* ---- devices ask, end to end -------------------------------------------- */

static void on_connect(struct script *s, struct script_device *d,
                       const struct mu_event *ev)
{
    uint8_t raw[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_connect1 in;
    struct mu_connect_pending pending;
    struct mu_connection conn;
    struct mu_connect2 m = {.epoch = s->epoch,
                            .server = s->identity,
                            .alg = s->signer.alg,
                            .pub = mu_bytes(s->signer.pub, s->signer.pub_len),
                            .groups = {{SCRIPT_GROUP}, {(uint8_t)s->mode},
                                       d->member}};
    int rc = mu_connect1_consume(s->crypto, &d->kmr, mu_bytes_str(d->name),
                                 mu_bytes_str(s->gateway_name),
                                 ev->message.payload, &in, &pending);

    if (rc != 0 || !d->listed) {
        answer(s, ev, d->listed ? (uint8_t)mu_err_coap(rc) : MU_COAP_NOT_FOUND,
               (struct mu_bytes){NULL, 0});
        return;
    }
    d->connects++;
    d->epoch_told = in.epoch;
    must(mu_connect2_create(s->crypto, &d->kmr, &pending, &m, &w, &conn));
    must(mu_connection_oscore(s->crypto, &conn, MU_CONNECT_SERVER, &d->oscore));
    d->oscore_set = true;
    answer(s, ev, MU_COAP_CHANGED, mu_written(&w));
}

/* Keys that are newer than what the device holds. */
static void keys_answer(struct script *s, struct script_device *d,
                        struct mu_bytes payload, struct mu_writer *w)
{
    struct mu_keyfetch_request in;
    bool newer = d->member;

    struct mu_keyfetch_response m = {.groups = {{SCRIPT_GROUP},
                                                {(uint8_t)s->mode}, d->member},
                                     .epoch = s->epoch};

    must(mu_keyfetch_request_consume(payload, &in));
    for (size_t i = 0; i < in.held_len; i++) {
        if (in.held[i].generation >= s->kb_kid.generation)
            newer = false;
    }
    if (newer) {
        m.keys[0].kid = s->kb_kid;
        m.keys[0].key = s->kb;
        m.keys_len = 1;
    }
    if (d->member)
        script_rekey_piece(s, (size_t)(d - s->devices), &in, &m);
    must(mu_keyfetch_response_create(&m, w));
}

static void on_protected(struct script *s, struct script_device *d,
                         const struct mu_event *ev)
{
    uint8_t raw[64], plain[2048], body[1280], out_raw[2048];
    struct mu_writer ow = mu_writer(raw, sizeof raw);
    struct mu_writer pw = mu_writer(plain, sizeof plain);
    struct mu_writer bw = mu_writer(body, sizeof body);
    struct mu_writer w = mu_writer(out_raw, sizeof out_raw);
    struct mu_coap_opts opts = mu_coap_opts(&ow);
    struct mu_coap_msg in = {.code = ev->message.code,
                             .payload = ev->message.payload}, inner, back;
    struct mu_oscore_request req;
    struct script_effect *e;

    mu_coap_put_opt(&opts, MU_COAP_OSCORE, ev->message.oscore);
    in.options = mu_coap_opts_written(&opts);
    if (!d->oscore_set || !d->listed || s->amnesia ||
        mu_oscore_unprotect_request(&d->oscore, s->crypto, &in, &pw, &inner,
                                    &req) != 0) {
        answer(s, ev, MU_COAP_UNAUTHORIZED, (struct mu_bytes){NULL, 0});
        return;
    }
    assert(mu_coap_path_is(inner.options, "k"));
    d->fetches++;
    keys_answer(s, d, inner.payload, &bw);
    back = (struct mu_coap_msg){.code = MU_COAP_CONTENT,
                                .payload = mu_written(&bw)};
    must(mu_oscore_protect_response(&d->oscore, s->crypto, &back, false, &req,
                                    &w, &inner));
    answer(s, ev, inner.code, inner.payload);
    e = s->out[s->out_len - 1];
    {
        struct mu_bytes option;
        bool found = mu_coap_find(inner.options, MU_COAP_OSCORE, &option);

        assert(found && option.len <= sizeof e->oscore);
        (void)found;
        if (option.len > 0)
            memcpy(e->oscore, option.data, option.len);
        e->effect.message.oscore = mu_bytes(e->oscore, option.len);
    }
}

static void on_device(struct script *s, const struct mu_event *ev)
{
    struct mu_bytes id = mu_bytes(ev->message.path.data + 2,
                                  ev->message.path.len - 2);

    for (size_t i = 0; i < s->devices_len; i++) {
        struct script_device *d = &s->devices[i];

        if (!mu_bytes_eq(id, mu_bytes_str(d->name)))
            continue;
        if (ev->message.oscore.data != NULL)
            on_protected(s, d, ev);
        else
            on_connect(s, d, ev);
        return;
    }
    answer(s, ev, MU_COAP_NOT_FOUND, (struct mu_bytes){NULL, 0});
}

static bool path_is(const struct mu_event *ev, const char *path)
{
    return mu_bytes_eq(ev->message.path, mu_bytes_str(path));
}

static void on_request(struct script *s, const struct mu_event *ev)
{
    if (path_is(ev, "hello")) {
        on_hello(s, ev);
    } else if (path_is(ev, "area")) {
        on_area(s, ev);
    } else if (path_is(ev, "camp")) {
        on_camp(s, ev);
    } else if (path_is(ev, "camp/m")) {
        on_details(s, ev);
    } else if (path_is(ev, "r")) {
        on_report(s, ev);
    } else if (path_is(ev, "t")) {
        s->tallies++;
        answer(s, ev, MU_COAP_CHANGED, (struct mu_bytes){NULL, 0});
    } else {
        assert(ev->message.path.len > 2 && ev->message.path.data[0] == 'd');
        on_device(s, ev);
    }
}

int script_step(struct script *s, const struct mu_event *ev)
{
    s->now = ev->now;
    switch (ev->kind) {
    case MU_EV_LINK_UP:
        s->linked = true;
        break;
    case MU_EV_LINK_DOWN:
        s->linked = false;
        break;
    case MU_EV_REQUEST:
        on_request(s, ev);
        break;
    case MU_EV_PACKET:
        if (s->campaign.sending)
            return mu_cast_sender_feedback(&s->campaign.tx, s->now, ev->packet);
        break;
    default:
        break;
    }
    return 0;
}

/* ---- campaigns ---------------------------------------------------------- */

struct script_memory {
    uint8_t *data;
    size_t len;
};

static int memory_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct script_memory *m = ctx;

    if (at > m->len || len > m->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, m->data + at, len);
    return 0;
}

static int memory_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct script_memory *m = ctx;

    if (at > m->len || len > m->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(m->data + at, from, len);
    return 0;
}

static int memory_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static int prepared_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct script_campaign *k = ctx;
    struct script_memory m = {k->prepared, k->prepared_len};

    return memory_read(&m, at, to, len);
}

static void push_prepare(struct script *s, struct script_campaign *k)
{
    struct script_memory plain = {k->plain, (size_t)k->m.size};
    struct script_memory prepared;
    struct mu_object from = {&plain, memory_read, memory_write, memory_sync};
    struct mu_object to = {&prepared, memory_read, memory_write, memory_sync};
    struct mu_cast_prepare p;
    size_t len = mu_cast_prepare_work(&k->m.shape);
    void *work = malloc(len);
    struct mu_bytes roots;

    k->prepared_len = (size_t)mu_cast_prepared_size(&k->m.shape, k->m.size);
    free(k->prepared);
    k->prepared = malloc(k->prepared_len);
    assert(work != NULL && k->prepared != NULL);
    prepared = (struct script_memory){k->prepared, k->prepared_len};
    must(mu_cast_prepare_init(&p, s->crypto, &k->m.shape, k->m.size,
                              k->session, &k->cek, &from, &to, work, len));
    while (p.left > 0)
        must(mu_cast_prepare_step(&p));
    roots = mu_cast_prepare_roots(&p);
    assert(roots.len <= sizeof k->roots);
    memcpy(k->roots, roots.data, roots.len);
    k->m.roots = mu_bytes(k->roots, roots.len);
    free(work);
}

static bool peer_member(void *ctx, uint16_t receiver)
{
    const struct script *s = ctx;

    return receiver == s->index;
}

static int peer_key(void *ctx, uint16_t receiver, struct mu_secret *kfb)
{
    struct script *s = ctx;
    struct mu_secret khop;

    if (receiver != s->index)
        return MU_ERR_NOT_FOUND;
    must(mu_khop_derive(s->crypto, &s->gateway_kmr, s->identity, &khop));
    return mu_kdf(s->crypto, &khop, "feedback", (struct mu_bytes){NULL, 0}, 16,
                  kfb);
}

static void push_sender(struct script *s, struct script_campaign *k)
{
    struct mu_cast_sender_conf conf = {
        .crypto = s->crypto,
        .shape = k->m.shape,
        .size = k->m.size,
        .session = k->session,
        .prepared = &s->prepared_port,
        .peers = &s->peers,
        .receivers = 8,
        .rate = 500000,
        .window_ms = 40,
        .answer_all_max = 8,
        .repair_max = 400,
    };
    size_t len = mu_cast_sender_work(&conf);

    s->peers = (struct mu_cast_peers){s, peer_member, peer_key, NULL,
                                      NULL};
    s->prepared_port = (struct mu_object){k, prepared_read, NULL, NULL};
    free(k->tx_work);
    k->tx_work = malloc(len);
    assert(k->tx_work != NULL);
    must(mu_cast_sender_init(&k->tx, &conf, k->tx_work, len, s->now));
    script_control(s);
    mu_cast_sender_control(&k->tx, &s->ticker.kctl,
                           (uint8_t)s->kw_kid.generation);
    mu_cast_sender_ready(&k->tx, UINT32_MAX);
    k->sending = true;
}

void script_push(struct script *s, const struct script_push *p)
{
    struct script_campaign *k = &s->campaign;
    struct mu_writer w = mu_writer(k->object, sizeof k->object);
    struct mu_bytes view;

    if (p->edition == 0) {
        uint64_t number = k->number;

        campaign_clear(k);
        k->number = number + 1;
        if (s->rekey != NULL && k->number <= s->rekey->number)
            k->number = s->rekey->number + 1; /* it is the newer one */
        must(s->crypto->random(s->crypto->ctx, k->id, sizeof k->id));
        k->plain = malloc(p->size);
        assert(k->plain != NULL);
        must(s->crypto->random(s->crypto->ctx, k->plain, p->size));
        k->mode = p->mode;
        k->m.version = p->version;
        k->m.size = p->size;
        k->m.shape = p->shape;
        k->m.downgrade = p->downgrade;
        k->m.ack_wait_s = p->ack_wait_s;
        k->deadline_s = p->deadline_s;
        k->m.reprotect = p->mode == MU_MODE_REPROTECT;
    }
    k->session = (uint8_t)(k->number * 8 + p->edition);
    k->live = true;
    k->command = MU_WIDE_RUN;
    random_secret(s, &k->cek, 16);
    memcpy(k->m.campaign, k->id, sizeof k->id);
    k->m.group = SCRIPT_GROUP;
    k->m.session = k->session;
    k->m.edition = p->edition;
    k->m.kid = s->kb_kid;
    k->m.name = mu_bytes_str("lamp");
    k->m.pointer = mu_bytes_str("server/k");
    k->m.epoch = s->epoch;
    view = mu_bytes(k->plain, (size_t)k->m.size);
    mu_sha256(s->crypto, &view, 1, k->m.digest);
    must(mu_cek_wrap(s->crypto, &s->kb, &k->cek, k->m.wrapped_cek));
    push_prepare(s, k);
    must(mu_manifest_create(s->crypto, &s->signer, &k->m, &w));
    k->object_len = w.len;
    push_sender(s, k);
    script_notify(s);
}

void script_notify(struct script *s)
{
    uint8_t raw[256];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_wide_notice m = {.area_version = s->area_version,
                               .campaigns_version = ++s->camp_version,
                               .kid = s->kw_kid,
                               .kw = s->kw};

    script_control(s);
    m.tick = s->ticker.now;
    if (!s->linked)
        return;
    must(mu_wide_notice_create(&m, &w));
    request(s, "n", mu_written(&w));
}

void script_command(struct script *s, enum mu_wide_command command)
{
    struct script_campaign *k = &s->campaign;

    k->command = command;
    if (command == MU_WIDE_CANCEL) {
        struct mu_writer w = mu_writer(k->cancel, sizeof k->cancel);

        uint8_t id[MU_CAMPAIGN_ID];

        memcpy(id, k->id, sizeof id);
        id[0] ^= s->cancel_other;
        must(mu_cancel_create(s->crypto, &s->signer, id, &w));
        k->cancel_len = w.len;
        k->sending = false;
    }
    script_notify(s);
}

void script_end(struct script *s)
{
    s->campaign.live = false;
    s->campaign.sending = false;
    script_notify(s);
}

void script_poke(struct script *s)
{
    uint8_t raw[16], all[1] = {0xff};
    struct mu_writer w = mu_writer(raw, sizeof raw);

    must(mu_wide_poke_create(MU_BYTES(all), &w));
    request(s, "poke", mu_written(&w));
}

void script_hop(struct script *s, const struct mu_wide_hop *m)
{
    uint8_t raw[MU_MESSAGE_MAX];
    struct mu_writer w = mu_writer(raw, sizeof raw);

    must(mu_wide_hop_create(m, &w));
    request(s, "hop", mu_written(&w));
}

void script_rotate(struct script *s, bool restored)
{
    s->epoch += restored;
    s->kb_kid.generation =
        (uint64_t)s->epoch << 32 | (uint32_t)(s->kb_kid.generation + 1);
    random_secret(s, &s->kb, 32);
}

void script_remove(struct script *s, size_t device)
{
    s->devices[device].listed = false;
    s->devices[device].member = false;
    s->area_version++;
    script_notify(s);
}
