/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"

/* ---- ports ---------------------------------------------------------------- */

static int object_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    struct rig_object *o = ctx;
    if (at > o->len || len > o->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(to, o->bytes + at, len);
    return 0;
}

static int object_write(void *ctx, uint64_t at, const uint8_t *from,
                        size_t len)
{
    struct rig_object *o = ctx;
    if (at > o->len || len > o->len - at)
        return MU_ERR_TOO_LARGE;
    memcpy(o->bytes + at, from, len);
    return 0;
}

static int object_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

struct rig_object *rig_find(struct rig *r, const uint8_t *campaign,
                            uint8_t part)
{
    for (unsigned i = 0; i < RIG_OBJECTS_MAX; i++)
        if (r->objects[i].used && r->objects[i].part == part &&
            memcmp(r->objects[i].campaign, campaign, MU_CAMPAIGN_ID) == 0)
            return &r->objects[i];
    return NULL;
}

static struct rig_object *object_make(struct rig *r, const uint8_t *campaign,
                                      uint8_t part, size_t len)
{
    struct rig_object *o = rig_find(r, campaign, part);
    for (unsigned i = 0; o == NULL && i < RIG_OBJECTS_MAX; i++)
        if (!r->objects[i].used)
            o = &r->objects[i];
    assert_non_null(o);
    if (!o->used || o->len != len) {
        free(o->bytes);
        o->bytes = calloc(1, len);
        o->len = len;
    }
    o->used = true;
    o->part = part;
    memcpy(o->campaign, campaign, MU_CAMPAIGN_ID);
    return o;
}

static int depot_open(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                      uint8_t part, uint64_t size, struct mu_object *out)
{
    struct rig *r = ctx;
    *out = (struct mu_object){object_make(r, campaign, part, (size_t)size),
                              object_read, object_write, object_sync};
    return 0;
}

static void depot_remove(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                         uint8_t part)
{
    struct rig_object *o = rig_find(ctx, campaign, part);
    if (o != NULL) {
        free(o->bytes);
        *o = (struct rig_object){0};
    }
}

void rig_plain(struct rig *r, const uint8_t *campaign, const uint8_t *bytes,
               size_t len)
{
    struct rig_object *o = object_make(r, campaign, 1, len);
    memcpy(o->bytes, bytes, len);
}

/* The store, which can be told to fail reads. */
static int rig_get(void *ctx, uint8_t table, struct mu_bytes key,
                   uint8_t *value, size_t *len)
{
    struct rig *r = ctx;
    if (r->reads_fail > 0) {
        r->reads_fail--;
        return MU_ERR_IO;
    }
    return r->store.get(r->store.ctx, table, key, value, len);
}

static int rig_next(void *ctx, uint8_t table, struct mu_bytes after,
                    uint8_t *key, size_t *key_len, uint8_t *value,
                    size_t *value_len)
{
    struct rig *r = ctx;
    return r->store.next(r->store.ctx, table, after, key, key_len, value,
                         value_len);
}

/* ---- the body -------------------------------------------------------------- */

static int rig_init(struct rig *r)
{
    int rc;
    r->work_len = mu_server_work(&r->conf);
    r->work = malloc(r->work_len);
    assert_non_null(r->work);
    rc = mu_server_init(&r->server, &r->conf, r->work, r->work_len, r->now);
    r->alive = true;
    r->crashed = false;
    return rc;
}

static void rig_start(struct rig *r)
{
    struct mu_event ev = {.kind = MU_EV_START};
    rig_event(r, &ev);
}

void rig_open(struct rig *r)
{
    static const uint8_t master[32] = "a master key of thirty-two bytes";
    memset(r, 0, sizeof *r);
    r->crypto = *mu_crypto_openssl();
    assert_int_equal(mu_secret_set(&r->master, MU_BYTES(master)), 0);
    assert_int_equal(mu_memory_open(&r->memory, &r->store), 0);
    r->port = (struct mu_store){.ctx = r, .get = rig_get, .next = rig_next};
    r->depot = (struct mu_depot){r, depot_open, depot_remove};
    r->now = MU_SECONDS(1);
    r->conf = (struct mu_server_conf){
        .crypto = &r->crypto,
        .identity = mu_bytes_str("server"),
        .store = &r->port,
        .depot = &r->depot,
        .master = &r->master,
        .campaigns_max = 3,
        .gateways_max = RIG_GATEWAYS,
        .connections_max = 16,
        .wide_address = "239.1.0.1",
        .wide_port = 5600,
        .wide_up_port = 5601,
        .wide_window_ms = 20,
        .shape = {256, 16, 4, 8},
        .scheme_mem = 32768,
        .seed = 7,
    };
    assert_int_equal(rig_init(r), 0);
    rig_start(r);
}

static void rig_off(struct rig *r)
{
    mu_server_clear(&r->server);
    free(r->work);
    r->work = NULL;
    r->alive = false;
    r->barrier = false;
    r->tickets_len = 0;
    r->sends_len = 0;
}

void rig_close(struct rig *r)
{
    rig_off(r);
    mu_memory_close(r->memory);
    for (unsigned i = 0; i < RIG_OBJECTS_MAX; i++)
        free(r->objects[i].bytes);
}

int rig_restart(struct rig *r)
{
    int rc;
    rig_off(r);
    r->store.rollback(r->store.ctx);
    rc = rig_init(r);
    if (rc == 0)
        rig_start(r);
    return rc;
}

static void body_trace(struct rig *r, const struct mu_effect *e)
{
    char line[160];
    int n = snprintf(line, sizeof line, "%s %llu %llu\n", e->trace,
                     (unsigned long long)e->a, (unsigned long long)e->b);
    if (r->trace_len + (size_t)n < sizeof r->trace) {
        memcpy(r->trace + r->trace_len, line, (size_t)n + 1);
        r->trace_len += (size_t)n;
    }
}

static void body_send(struct rig *r, const struct mu_effect *e)
{
    struct rig_send *s;
    if (r->sends_len == RIG_SENDS_MAX)
        rig_forget(r);
    s = &r->sends[r->sends_len++];
    memset(s, 0, sizeof *s);
    s->link = e->link;
    s->exchange = e->message.exchange;
    s->response = e->response;
    s->code = e->message.code;
    assert_true(e->message.path.len < sizeof s->path);
    memcpy(s->path, e->message.path.data != NULL
                        ? (const char *)e->message.path.data : "",
           e->message.path.len);
    s->has_oscore = e->message.oscore.data != NULL;
    s->oscore_len = e->message.oscore.len;
    assert_true(s->oscore_len <= sizeof s->oscore);
    if (s->oscore_len != 0)
        memcpy(s->oscore, e->message.oscore.data, s->oscore_len);
    s->payload_len = e->message.payload.len;
    assert_true(s->payload_len <= sizeof s->payload);
    if (s->payload_len != 0)
        memcpy(s->payload, e->message.payload.data, s->payload_len);
}

/* Nothing may leave while a before_send write is not durable. */
static void body_effect(struct rig *r, const struct mu_effect *e)
{
    switch (e->kind) {
    case MU_DO_STORE:
        (void)r->store.put(r->store.ctx, e->table, e->key, e->value);
        assert_true(r->tickets_len < 4096);
        r->tickets[r->tickets_len++] = e->ticket;
        r->barrier = r->barrier || e->before_send;
        r->stores++;
        if (r->crash_at != 0 && r->stores == r->crash_at)
            r->crashed = true;
        break;
    case MU_DO_SEND:
        assert_false(r->barrier);
        body_send(r, e);
        break;
    case MU_DO_PACKET:
        assert_false(r->barrier);
        r->packets++;
        if (r->on_packet != NULL)
            r->on_packet(r->on_packet_ctx, e->packet);
        break;
    case MU_DO_CHANNEL:
        r->channel = *e;
        r->channels++;
        break;
    case MU_DO_LINK_CLOSE:
        r->closed = e->link;
        break;
    case MU_DO_TRACE:
        body_trace(r, e);
        break;
    default:
        fail_msg("effect %d is none of a server", (int)e->kind);
    }
}

void rig_commit(struct rig *r)
{
    struct mu_event ev = {.kind = MU_EV_STORED, .now = r->now};
    unsigned n = r->tickets_len;
    uint32_t tickets[4096];
    int rc = 0;
    if (r->fail_commits > 0 && r->fail_after-- <= 0) {
        r->fail_commits--;
        rc = MU_ERR_IO;
    } else {
        rc = r->store.commit(r->store.ctx);
        r->commits++;
        if (r->crash_commit != 0 && r->commits == r->crash_commit) {
            r->crashed = true;
            return;
        }
    }
    memcpy(tickets, r->tickets, n * sizeof tickets[0]);
    r->tickets_len = 0;
    r->barrier = false;
    if (rc != 0) {
        r->store.rollback(r->store.ctx);
        ev.result = rc;
        r->reads_fail = r->fail_reads;
        /* Every ticket of the batch fails; the first one counts. */
        for (unsigned i = 0; i < n; i++) {
            ev.ticket = tickets[i];
            rc = mu_server_step(&r->server, &ev);
            assert_true(rc == 0 || r->fail_reads != 0);
        }
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        ev.ticket = tickets[i];
        assert_int_equal(mu_server_step(&r->server, &ev), 0);
    }
}

void rig_drain(struct rig *r)
{
    struct mu_effect e;
    while (r->alive && !r->crashed) {
        while (!r->crashed && mu_server_next(&r->server, &e))
            body_effect(r, &e);
        if (r->hold || r->tickets_len == 0 || r->crashed)
            break;
        rig_commit(r);
    }
    if (r->crashed && r->alive)
        rig_off(r);
}

void rig_event(struct rig *r, struct mu_event *ev)
{
    if (!r->alive)
        return;
    ev->now = r->now;
    assert_int_equal(mu_server_step(&r->server, ev), 0);
    rig_drain(r);
}

void rig_run(struct rig *r, mu_time span)
{
    struct mu_event ev = {.kind = MU_EV_TIMER};
    mu_time end = r->now + span;
    for (unsigned n = 0; r->alive; n++) {
        mu_time at = mu_server_deadline(&r->server);
        if (at > end)
            break;
        assert_true(n < 200000); /* it comes to rest */
        if (at > r->now)
            r->now = at;
        rig_event(r, &ev);
    }
    r->now = end;
}

bool rig_traced(const struct rig *r, const char *text)
{
    return rig_trace_count(r, text) > 0;
}

unsigned rig_trace_count(const struct rig *r, const char *text)
{
    unsigned n = 0;
    for (const char *at = r->trace; (at = strstr(at, text)) != NULL; at++)
        if (at == r->trace || at[-1] == '\n')
            n++;
    return n;
}

/* ---- messages -------------------------------------------------------------- */

struct rig_send *rig_request_oscore(struct rig *r, uint32_t link,
                                    const char *path, struct mu_bytes oscore,
                                    struct mu_bytes payload)
{
    struct mu_event ev = {
        .kind = MU_EV_REQUEST,
        .link = link,
        .message = {.code = MU_COAP_POST,
                    .exchange = ++r->exchange,
                    .path = mu_bytes_str(path),
                    .oscore = oscore,
                    .payload = payload},
    };
    rig_event(r, &ev);
    for (unsigned i = r->sends_len; i > 0; i--)
        if (r->sends[i - 1].response &&
            r->sends[i - 1].exchange == r->exchange)
            return &r->sends[i - 1];
    return NULL;
}

struct rig_send *rig_request(struct rig *r, uint32_t link, const char *path,
                             struct mu_bytes payload)
{
    return rig_request_oscore(r, link, path, mu_bytes(NULL, 0), payload);
}

struct rig_send *rig_asked(struct rig *r, uint32_t link, const char *path)
{
    for (unsigned i = r->sends_len; i > 0; i--)
        if (!r->sends[i - 1].response && r->sends[i - 1].link == link &&
            strcmp(r->sends[i - 1].path, path) == 0)
            return &r->sends[i - 1];
    return NULL;
}

void rig_answer(struct rig *r, const struct rig_send *asked, uint8_t code)
{
    struct mu_event ev = {
        .kind = code != 0 ? MU_EV_RESPONSE : MU_EV_NO_ANSWER,
        .link = asked->link,
        .message = {.code = code, .exchange = asked->exchange},
    };
    rig_event(r, &ev);
}

void rig_forget(struct rig *r)
{
    r->sends_len = 0;
}

void rig_settle(struct rig *r)
{
    static struct rig_send open[RIG_SENDS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < r->sends_len; i++)
        if (!r->sends[i].response)
            open[n++] = r->sends[i];
    rig_forget(r);
    for (unsigned i = 0; i < n; i++)
        rig_answer(r, &open[i], MU_COAP_CHANGED);
    rig_run(r, MU_SECONDS(1));
}

struct mu_bytes rig_payload(const struct rig_send *s)
{
    return mu_bytes(s->payload, s->payload_len);
}

/* ---- peers ----------------------------------------------------------------- */

struct mu_bytes rig_id(const char *identity)
{
    return mu_bytes_str(identity);
}

void rig_root(const char *identity, uint8_t root[32])
{
    struct mu_bytes id = mu_bytes_str(identity);
    mu_sha256(mu_crypto_openssl(), &id, 1, root);
}

void rig_kmr(struct rig *r, const char *identity, struct mu_secret *kmr)
{
    uint8_t root[32];
    rig_root(identity, root);
    assert_int_equal(mu_kmr_from(&r->crypto, MU_BYTES(root), kmr), 0);
}

void rig_gateway_add(struct rig *r, const char *identity)
{
    uint8_t root[32];
    uint32_t number;
    rig_root(identity, root);
    assert_int_equal(mu_server_gateway_add(&r->server, rig_id(identity),
                                           MU_BYTES(root), &number), 0);
    rig_drain(r);
}

void rig_device_add(struct rig *r, const char *identity, const char *gateway)
{
    uint8_t root[32];
    rig_root(identity, root);
    assert_int_equal(mu_server_device_add(&r->server, rig_id(identity),
                                          MU_BYTES(root), rig_id(gateway)), 0);
    rig_drain(r);
}

int rig_hello(struct rig *r, uint32_t number, uint32_t epoch,
              struct mu_wide_welcome *welcome)
{
    uint8_t room[256];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_hello hello = {.software = mu_bytes_str("test"),
                                  .epoch = epoch,
                                  .unicast_port = 5610};
    struct rig_send *s;
    assert_int_equal(mu_wide_hello_create(&hello, &w), 0);
    s = rig_request(r, number, "hello", mu_written(&w));
    if (s == NULL)
        return MU_ERR_TIMEOUT;
    if (s->code != MU_COAP_CHANGED)
        return -(int)s->code;
    return mu_wide_welcome_consume(rig_payload(s), welcome);
}

void rig_link(struct rig *r, uint32_t number, const char *identity)
{
    struct mu_event ev = {.kind = MU_EV_LINK_UP,
                          .link = number,
                          .identity = rig_id(identity)};
    struct mu_wide_welcome welcome;
    rig_event(r, &ev);
    if (r->alive)
        assert_int_equal(rig_hello(r, number, 1, &welcome), 0);
}

void rig_unlink(struct rig *r, uint32_t number)
{
    struct mu_event ev = {.kind = MU_EV_LINK_DOWN, .link = number};
    rig_event(r, &ev);
}

void peer_device_init(struct rig *r, struct peer_device *d,
                      const char *identity, const char *gateway, uint32_t link)
{
    memset(d, 0, sizeof *d);
    snprintf(d->identity, sizeof d->identity, "%s", identity);
    snprintf(d->gateway, sizeof d->gateway, "%s", gateway);
    d->link = link;
    d->capability = (struct mu_capability){
        .object_max = 1 << 20,
        .page_memory = 65536,
        .algs = {MU_ALG_ES256},
        .algs_len = 1,
    };
    rig_kmr(r, identity, &d->kmr);
}

static void peer_path(const struct peer_device *d, char path[80])
{
    snprintf(path, 80, "d/%s", d->identity);
}

uint8_t peer_connect(struct rig *r, struct peer_device *d)
{
    uint8_t room[MU_CONNECT_MAX], plain[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_writer p = mu_writer(plain, sizeof plain);
    struct mu_connect1 m = {.identity = mu_bytes_str(d->identity),
                            .gateway = mu_bytes_str(d->gateway),
                            .epoch = d->epoch,
                            .capability = d->capability};
    struct mu_connect_pending pending;
    struct mu_connect2 m2;
    struct rig_send *s;
    char path[80];
    assert_int_equal(mu_connect1_create(&r->crypto, &d->kmr, &m, &w,
                                        &pending), 0);
    peer_path(d, path);
    s = rig_request(r, d->link, path, mu_written(&w));
    if (s == NULL)
        return 0;
    if (s->code != MU_COAP_CHANGED)
        return s->code;
    assert_int_equal(mu_connect2_consume(&r->crypto, &d->kmr, &pending,
                                         rig_payload(s), &p, &m2,
                                         &d->connection), 0);
    d->epoch = m2.epoch;
    assert_int_equal(mu_connection_oscore(&r->crypto, &d->connection,
                                          MU_CONNECT_NODE, &d->oscore), 0);
    return s->code;
}

static void peer_request(struct rig *r, struct peer_device *d,
                         const struct mu_keyfetch_request *fetch,
                         struct rig_send *out, struct mu_oscore_request *req)
{
    uint8_t options[32], body[MU_KEYFETCH_REQUEST_MAX], room[512];
    struct mu_writer o = mu_writer(options, sizeof options);
    struct mu_writer b = mu_writer(body, sizeof body);
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_coap_opts opts = mu_coap_opts(&o);
    struct mu_coap_msg in = {.code = MU_COAP_POST}, sealed;
    struct mu_bytes option;
    mu_coap_put_path(&opts, "k");
    assert_int_equal(mu_keyfetch_request_create(fetch, &b), 0);
    in.options = mu_written(&o);
    in.payload = mu_written(&b);
    assert_int_equal(mu_oscore_protect_request(&d->oscore, &r->crypto, &in, &w,
                                               &sealed, req), 0);
    assert_true(mu_coap_find(sealed.options, MU_COAP_OSCORE, &option));
    memset(out, 0, sizeof *out);
    peer_path(d, out->path);
    memcpy(out->oscore, option.data, option.len);
    out->oscore_len = option.len;
    memcpy(out->payload, sealed.payload.data, sealed.payload.len);
    out->payload_len = sealed.payload.len;
}

void peer_fetch_request(struct rig *r, struct peer_device *d, uint32_t group,
                        uint64_t held, struct rig_send *out,
                        struct mu_oscore_request *req)
{
    struct mu_keyfetch_request fetch = {.held_len = 0};
    if (held != 0)
        fetch.held[fetch.held_len++] =
            (struct mu_kid){MU_KEY_KB, group, held};
    peer_request(r, d, &fetch, out, req);
}

/* The code inside. */
static uint8_t fetch_answer(struct rig *r, struct peer_device *d,
                            const struct rig_send *s,
                            struct mu_oscore_request *req)
{
    uint8_t options[80];
    struct mu_writer o = mu_writer(options, sizeof options);
    struct mu_writer w = mu_writer(d->inner, sizeof d->inner);
    struct mu_coap_opts opts = mu_coap_opts(&o);
    struct mu_coap_msg in = {.code = s->code, .payload = rig_payload(s)};
    struct mu_coap_msg plain;
    mu_coap_put_opt(&opts, MU_COAP_OSCORE,
                    mu_bytes(s->oscore, s->oscore_len));
    in.options = mu_written(&o);
    assert_int_equal(mu_oscore_unprotect_response(&d->oscore, &r->crypto, &in,
                                                  req, &w, &plain), 0);
    if (plain.code == MU_COAP_CONTENT)
        assert_int_equal(
            mu_keyfetch_response_consume(plain.payload, &d->keys), 0);
    return plain.code;
}

uint8_t peer_fetch_as(struct rig *r, struct peer_device *d,
                      const struct mu_keyfetch_request *fetch)
{
    struct mu_oscore_request req;
    struct rig_send out, *s;
    peer_request(r, d, fetch, &out, &req);
    mu_keyfetch_response_clear(&d->keys);
    s = rig_request_oscore(r, d->link, out.path,
                           mu_bytes(out.oscore, out.oscore_len),
                           rig_payload(&out));
    if (s == NULL)
        return 0;
    return s->has_oscore ? fetch_answer(r, d, s, &req) : s->code;
}

uint8_t peer_fetch(struct rig *r, struct peer_device *d, uint32_t group,
                   uint64_t held)
{
    struct mu_oscore_request req;
    struct rig_send out, *s;
    peer_fetch_request(r, d, group, held, &out, &req);
    mu_keyfetch_response_clear(&d->keys);
    s = rig_request_oscore(r, d->link, out.path,
                           mu_bytes(out.oscore, out.oscore_len),
                           rig_payload(&out));
    if (s == NULL)
        return 0;
    if (s->has_oscore)
        assert_int_equal(fetch_answer(r, d, s, &req), MU_COAP_CONTENT);
    return s->code;
}

const struct mu_keyfetch_key *peer_key(const struct peer_device *d,
                                       uint32_t group)
{
    for (uint8_t i = 0; i < d->keys.keys_len; i++)
        if (d->keys.keys[i].kid.scope == group)
            return &d->keys.keys[i];
    return NULL;
}

void peer_ack(struct rig *r, const char *identity, const uint8_t *campaign,
              uint8_t state, uint8_t reason, const uint8_t digest[32],
              uint8_t sum[MU_ACK_LEN])
{
    struct mu_secret kmr, kack;
    uint8_t ack[MU_ACK_LEN];
    rig_kmr(r, identity, &kmr);
    assert_int_equal(mu_kdf(&r->crypto, &kmr, "ack", mu_bytes(NULL, 0), 32,
                            &kack), 0);
    assert_int_equal(mu_ack_make(&r->crypto, &kack, campaign,
                                 mu_bytes_str(identity), state, reason, digest,
                                 ack), 0);
    for (unsigned i = 0; i < MU_ACK_LEN; i++)
        sum[i] ^= ack[i];
}

uint8_t rig_report(struct rig *r, uint32_t link, const uint8_t *campaign,
                   const uint8_t digest[32], uint8_t state, uint8_t reason,
                   uint16_t first, const char *const *identities, unsigned n)
{
    uint8_t bitmap[64] = {0}, room[256], acks[MU_ACK_LEN] = {0};
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_report m = {.state = state, .reason = reason,
                               .first = first, .acks = MU_BYTES(acks)};
    struct rig_send *s;
    memcpy(m.campaign, campaign, MU_CAMPAIGN_ID);
    for (unsigned i = 0; i < n; i++) {
        mu_bit_put(bitmap, i, true);
        peer_ack(r, identities[i], campaign, state, reason, digest, acks);
    }
    m.bitmap = mu_bytes(bitmap, n / 8 + 1);
    assert_int_equal(mu_wide_report_create(&m, &w), 0);
    s = rig_request(r, link, "r", mu_written(&w));
    return s != NULL ? s->code : 0;
}

struct mu_push rig_push(const char *group, uint64_t size)
{
    return (struct mu_push){.group = mu_bytes_str(group),
                            .name = mu_bytes_str("lamp"),
                            .version = 2,
                            .size = size,
                            .quorum_permille = 1000,
                            .deadline_s = 600,
                            .rekey_on_revoke = true};
}

void rig_copy_take(struct rig *r, struct rig_copy *c)
{
    c->len = 0;
    for (uint8_t table = 1; table < MU_TABLE_COUNT; table++) {
        struct mu_bytes after = mu_bytes(NULL, 0);
        for (;; c->len++) {
            assert_true(c->len < RIG_COPY_MAX);
            c->rows[c->len].value_len = MU_STORE_VALUE_MAX;
            int rc = r->store.next(r->store.ctx, table, after,
                                   c->rows[c->len].key,
                                   &c->rows[c->len].key_len,
                                   c->rows[c->len].value,
                                   &c->rows[c->len].value_len);
            if (rc == MU_ERR_NOT_FOUND)
                break;
            assert_int_equal(rc, 0);
            c->rows[c->len].table = table;
            after = mu_bytes(c->rows[c->len].key, c->rows[c->len].key_len);
        }
    }
}

void rig_copy_put_back(struct rig *r, const struct rig_copy *c)
{
    struct rig_copy *now = malloc(sizeof *now);
    assert_non_null(now);
    r->store.rollback(r->store.ctx);
    rig_copy_take(r, now);
    for (unsigned i = 0; i < now->len; i++)
        assert_int_equal(r->store.put(r->store.ctx, now->rows[i].table,
                                      mu_bytes(now->rows[i].key,
                                               now->rows[i].key_len),
                                      mu_bytes(NULL, 0)), 0);
    for (unsigned i = 0; i < c->len; i++)
        assert_int_equal(r->store.put(r->store.ctx, c->rows[i].table,
                                      mu_bytes(c->rows[i].key,
                                               c->rows[i].key_len),
                                      mu_bytes(c->rows[i].value,
                                               c->rows[i].value_len)), 0);
    assert_int_equal(r->store.commit(r->store.ctx), 0);
    free(now);
}
