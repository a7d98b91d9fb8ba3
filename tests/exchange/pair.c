/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_openssl/mikey_dh.h"
#include "node/device.h"
#include "node/server_core.h"

static const uint8_t all_protocols[] = {
    MU_MIKEY_OSCORE, MU_MIKEY_HOP, MU_MIKEY_MBMS,
};

static int no_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    (void)ctx;
    (void)at;
    memset(to, 0, len);
    return 0;
}

static int no_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    (void)ctx;
    (void)at;
    (void)from;
    (void)len;
    return 0;
}

static int no_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static void device_open(struct pair *p)
{
    struct mu_device_conf conf = {
        .crypto = mu_crypto_openssl(), .identity = mu_bytes_str("dev-1"),
        .kmr = &p->kmr, .store = &p->store, .slot = &p->slot,
        .object_max = 1000, .page_memory = sizeof p->work,
        .software = mu_bytes_str("1"),
        .exchange = p->x.ops != NULL ? &p->x : NULL,
    };
    struct mu_event ev = {.kind = MU_EV_START};

    p->d = calloc(1, sizeof *p->d);
    assert_non_null(p->d);
    assert_int_equal(mu_device_init(p->d, &conf, p->work, sizeof p->work,
                                    p->now), 0);
    ev.now = p->now;
    assert_int_equal(mu_device_step(p->d, &ev), 0);
}

static void device_event(struct pair *p, struct mu_event *ev)
{
    ev->now = p->now;
    p->stepped = mu_device_step(p->d, ev);
}

static struct pair_seen *see(struct pair *p, bool up, uint8_t code,
                             struct mu_bytes path, struct mu_bytes oscore,
                             struct mu_bytes payload)
{
    struct pair_seen *m;

    assert_true(p->seen_len < PAIR_SEEN_MAX);
    m = &p->seen[p->seen_len++];
    *m = (struct pair_seen){ .up = up, .code = code,
                             .has_oscore = oscore.data != NULL,
                             .oscore_len = oscore.len,
                             .payload_len = payload.len };
    assert_true(path.len < sizeof m->path);
    memcpy(m->path, path.data == NULL ? (const uint8_t *)"" : path.data,
           path.len);
    assert_true(oscore.len <= sizeof m->oscore);
    assert_true(payload.len <= sizeof m->payload);
    if (oscore.len > 0)
        memcpy(m->oscore, oscore.data, oscore.len);
    if (payload.len > 0)
        memcpy(m->payload, payload.data, payload.len);
    return m;
}

static struct mu_bytes seen_oscore(const struct pair_seen *m)
{
    return m->has_oscore ? mu_bytes(m->oscore, m->oscore_len)
                         : mu_bytes(NULL, 0);
}

/* To the server and back, as a gateway does. */
static void forward(struct pair *p, const struct mu_effect *e)
{
    struct mu_event ev = { .kind = MU_EV_NO_ANSWER, .link = MU_LINK_UP_NODE };
    struct pair_seen *m = see(p, true, e->message.code, e->message.path,
                              e->message.oscore, e->message.payload);
    struct rig_send *a = NULL;

    ev.message.exchange = e->message.exchange;
    if (p->meddle == NULL || p->meddle(p, m)) {
        p->rig.now = p->now;
        a = rig_request_oscore(&p->rig, 1, "d/dev-1", seen_oscore(m),
                               mu_bytes(m->payload, m->payload_len));
    }
    if (a != NULL) {
        m = see(p, false, a->code, mu_bytes(NULL, 0),
                a->has_oscore ? mu_bytes(a->oscore, a->oscore_len)
                              : mu_bytes(NULL, 0), rig_payload(a));
        if (p->meddle == NULL || p->meddle(p, m)) {
            ev.kind = MU_EV_RESPONSE;
            ev.message.code = m->code;
            ev.message.oscore = seen_oscore(m);
            ev.message.payload = mu_bytes(m->payload, m->payload_len);
            if (MU_COAP_CLASS(m->code) != 2)
                p->refused = m->code;
        }
    }
    device_event(p, &ev);
}

static void welcome(struct pair *p, const struct mu_effect *e)
{
    struct mu_area_welcome m = {
        .gateway = mu_bytes_str("gw-1"), .kid = {MU_KEY_KG, 1, 1},
        .address = mu_bytes_str("unicast"), .port = 1, .up_port = 2,
    };
    struct mu_event ev = { .kind = MU_EV_RESPONSE, .link = MU_LINK_UP_NODE };
    uint8_t room[256];
    struct mu_writer w = mu_writer(room, sizeof room);

    memset(m.kg.bytes, 3, 32);
    m.kg.len = 32;
    assert_int_equal(mu_area_welcome_create(&m, &w), 0);
    ev.message.code = MU_COAP_CHANGED;
    ev.message.exchange = e->message.exchange;
    ev.message.payload = mu_written(&w);
    device_event(p, &ev);
}

static void device_send(struct pair *p, const struct mu_effect *e)
{
    if (e->response) {
        if (e->message.exchange == p->asked)
            p->answered = e->message.code;
        return;
    }
    if (mu_bytes_eq(e->message.path, mu_bytes_str("hello")))
        welcome(p, e);
    else
        forward(p, e);
}

static void device_effect(struct pair *p, const struct mu_effect *e)
{
    struct mu_event ev = { .kind = MU_EV_LINK_UP, .link = MU_LINK_UP_NODE };
    size_t at = strlen(p->trace);

    switch (e->kind) {
    case MU_DO_LINK_OPEN:
        ev.identity = mu_bytes_str("gw-1");
        device_event(p, &ev);
        break;
    case MU_DO_SEND:
        device_send(p, e);
        break;
    case MU_DO_STORE:
        assert_int_equal(p->store.put(p->store.ctx, e->table, e->key,
                                      e->value), 0);
        assert_int_equal(p->store.commit(p->store.ctx), 0);
        ev = (struct mu_event){ .kind = MU_EV_STORED, .ticket = e->ticket };
        device_event(p, &ev);
        break;
    case MU_DO_TRACE:
        snprintf(p->trace + at, sizeof p->trace - at, "%s %u %u\n", e->trace,
                 (unsigned)e->a, (unsigned)e->b);
        break;
    case MU_DO_PACKET:
        assert_true(e->packet.len <= sizeof p->packet.bytes);
        memcpy(p->packet.bytes, e->packet.data, e->packet.len);
        p->packet.len = e->packet.len;
        break;
    default:
        break;
    }
}

void pair_run(struct pair *p, mu_time span)
{
    const mu_time until = p->now + span;

    for (unsigned i = 0; i < 20000 && p->now < until; i++) {
        struct mu_event ev = { .kind = MU_EV_TIMER };
        struct mu_effect e;

        for (unsigned n = 0; n < 200 && mu_device_next(p->d, &e); n++)
            device_effect(p, &e);
        p->now += MU_MS(50);
        device_event(p, &ev);
        if (p->rig.now < p->now && p->rig.alive)
            rig_run(&p->rig, p->now - p->rig.now);
    }
}

static void pair_groups(struct pair *p, const struct pair_conf *conf)
{
    const struct mu_group_scheme mbms = { .kind = MU_SCHEME_UNICAST,
                                          .mikey = true,
                                          .methods = conf->group_methods };
    struct mu_server *s = &p->rig.server;
    uint32_t number;

    assert_int_equal(mu_server_group_create_as(s, rig_id(PAIR_GROUP), 0, &mbms,
                                               &number), 0);
    rig_drain(&p->rig);
    assert_int_equal(mu_server_group_create(s, rig_id(PAIR_PLAIN), 0, &number),
                     0);
    rig_drain(&p->rig);
    assert_int_equal(mu_server_group_add(s, rig_id(PAIR_GROUP),
                                         rig_id("dev-1")), 0);
    rig_drain(&p->rig);
    assert_int_equal(mu_server_group_add(s, rig_id(PAIR_PLAIN),
                                         rig_id("dev-1")), 0);
    rig_drain(&p->rig);
    rig_link(&p->rig, 1, "gw-1");
    rig_run(&p->rig, MU_SECONDS(1));
}

struct pair *pair_open(const struct pair_conf *conf)
{
    struct pair *p = calloc(1, sizeof *p);
    struct mu_server_conf *s;

    assert_non_null(p);
    p->seen = calloc(PAIR_SEEN_MAX, sizeof *p->seen);
    assert_non_null(p->seen);
    p->dh = (struct mu_mikey_pk){ .dh_make = mu_ossl_dh_make,
                                  .dh_agree = mu_ossl_dh_agree };
    rig_open(&p->rig);
    s = &p->rig.conf;
    s->pk = conf->server != NULL ? &conf->server->pk : &p->dh;
    s->key_methods = conf->methods;
    s->key_protocols = conf->server_protocols;
    p->rig.server.conf.pk = s->pk;
    p->rig.server.conf.key_methods = s->key_methods;
    p->rig.server.conf.key_protocols = s->key_protocols;
    rig_gateway_add(&p->rig, "gw-1");
    rig_device_add(&p->rig, "dev-1", "gw-1");
    rig_kmr(&p->rig, "dev-1", &p->kmr);
    pair_groups(p, conf);
    p->now = p->rig.now;
    p->slot = (struct mu_object){ .read = no_read, .write = no_write,
                                  .sync = no_sync };
    assert_int_equal(mu_memory_open(&p->memory, &p->store), 0);
    if (conf->method < MU_EXCHANGE_METHOD_COUNT)
        assert_int_equal(mu_device_exchange_init(
            &p->x, conf->method,
            conf->protocols.len != 0 ? conf->protocols
                                     : MU_BYTES(all_protocols),
            conf->device != NULL ? &conf->device->pk : &p->dh), 0);
    device_open(p);
    return p;
}

void pair_close(struct pair *p)
{
    mu_device_clear(p->d);
    free(p->d);
    mu_device_exchange_clear(&p->x);
    mu_memory_close(p->memory);
    rig_close(&p->rig);
    free(p->seen);
    free(p);
}

void pair_device_again(struct pair *p)
{
    const struct mu_device_exchange was = p->x;

    mu_device_clear(p->d);
    free(p->d);
    if (was.ops != NULL)
        assert_int_equal(mu_device_exchange_init(
            &p->x, was.method, mu_bytes(was.protocols, was.protocols_len),
            was.pk), 0);
    device_open(p);
}

void pair_relink(struct pair *p)
{
    struct mu_event ev = { .kind = MU_EV_LINK_DOWN, .link = MU_LINK_UP_NODE };

    device_event(p, &ev);
    pair_run(p, MU_SECONDS(3));
}

uint8_t pair_tell(struct pair *p, const char *path, struct mu_bytes payload)
{
    struct mu_event ev = { .kind = MU_EV_REQUEST, .link = MU_LINK_UP_NODE };

    ev.message.code = MU_COAP_POST;
    ev.message.path = mu_bytes_str(path);
    ev.message.payload = payload;
    ev.message.exchange = p->asked = 0x80000000u + p->seen_len + p->asked % 97;
    p->answered = 0;
    device_event(p, &ev);
    pair_run(p, MU_MS(100));
    return p->answered;
}

unsigned pair_count(const struct pair *p, const char *text)
{
    unsigned n = 0;

    for (const char *at = strstr(p->trace, text); at != NULL;
         at = strstr(at + 1, text))
        n++;
    return n;
}

bool pair_traced(const struct pair *p, const char *text)
{
    return pair_count(p, text) > 0;
}

void pair_key(struct pair *p, const char *group, struct mu_kid *kid,
              struct mu_secret *key)
{
    struct mu_server *s = &p->rig.server;
    struct mu_group_record g;
    uint32_t number;

    assert_int_equal(mu_srv_group_find(s, rig_id(group), &number, &g), 0);
    *kid = mu_srv_kb_kid(number, g.generation);
    assert_int_equal(mu_srv_key_raw(s, kid, key), 0);
}

bool pair_holds(struct pair *p, const char *group)
{
    struct mu_secret key;
    struct mu_kid kid;

    pair_key(p, group, &kid, &key);
    return mu_keyring_find(&p->d->keys, &kid) != NULL;
}
