/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each method is worth: a gateway that recorded everything and gets at the
 * root key later, with or without the private key of the device; one that has
 * the root key at once and stands in between; one protocol's key against the
 * others. Every attack is carried out, and the ones that succeed are shown to.
 */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "node/device.h"

static bool certified(uint8_t method)
{
    return method != MU_EXCHANGE_PSK && method != MU_EXCHANGE_DHMAC;
}

static struct pair *with(uint8_t method)
{
    struct pair_conf conf = { .method = method };

    if (method < MU_EXCHANGE_METHOD_COUNT && certified(method)) {
        conf.device = cert_device;
        conf.server = cert_server;
    }
    return pair_open(&conf);
}

/* What a recording gives away: bit 0 the MSK, bit 1 the Kb. */
static unsigned opens(struct pair *p, const struct mu_mikey_pk *device)
{
    struct learned *l = malloc(sizeof *l);
    const struct leak leak = { .kmr = &p->kmr, .device = device };
    struct mu_secret key;
    struct mu_kid kid;
    unsigned found = 0;

    assert_non_null(l);
    recording_open(p, &leak, l);
    assert_true(l->connections > 0); /* the root key does open connects */
    pair_key(p, PAIR_GROUP, &kid, &key);
    found |= learned_has(l, &kid, &key) ? 1u : 0;
    pair_key(p, PAIR_PLAIN, &kid, &key);
    found |= learned_has(l, &kid, &key) ? 2u : 0;
    free(l);
    return found;
}

/* The root key leaks after the fact; then that of the certificate, too. */
static void test_recorded(void **state)
{
    static const struct {
        uint8_t method;
        unsigned root, both;
    } table[] = {
        { MU_EXCHANGE_METHOD_COUNT, 3, 3 }, /* without an exchange */
        { MU_EXCHANGE_PSK, 3, 3 },
        { MU_EXCHANGE_RSA, 0, 3 },
        { MU_EXCHANGE_RSA_R, 0, 3 },
        { MU_EXCHANGE_DHSIGN, 0, 0 },
        { MU_EXCHANGE_DHMAC, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pair *p = with(table[i].method);

        pair_run(p, MU_SECONDS(10));
        assert_true(pair_holds(p, PAIR_GROUP));
        assert_true(pair_holds(p, PAIR_PLAIN));
        assert_int_equal(opens(p, NULL), table[i].root);
        assert_int_equal(opens(p, &cert_device->pk), table[i].both);
        pair_close(p);
    }
}

/* Only the MSKs go by the exchange: the keys of other groups, in OSCORE made of
 * the root key, are read; MSKs are not. The other way round, none is. */
static void test_recorded_protocols(void **state)
{
    static const struct {
        uint8_t protocol;
        unsigned opens;
    } table[] = {
        { MU_MIKEY_MBMS, 2 }, { MU_MIKEY_OSCORE, 0 }, { MU_MIKEY_HOP, 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pair_conf conf = {
            .method = MU_EXCHANGE_DHMAC,
            .protocols = mu_bytes(&table[i].protocol, 1),
        };
        struct pair *p = pair_open(&conf);

        pair_run(p, MU_SECONDS(10));
        assert_true(pair_holds(p, PAIR_GROUP));
        assert_true(pair_holds(p, PAIR_PLAIN));
        assert_int_equal(opens(p, NULL), table[i].opens);
        pair_close(p);
    }
}

/* ---- with the root key at once, in between ------------------------------- */

struct middle {
    const struct mu_crypto *c;
    struct mu_secret kmr;
    struct mu_connect_pending pending; /* of the device's message 1 */
    struct mu_connection down;         /* device to him */
    struct mu_oscore oscore;
    struct mu_secret kx;
    uint32_t counter;
    struct mu_mikey_pk *pk;            /* what he can do: his own certificate */
    struct mu_exchange_keys keys;
    unsigned exchanged;
    unsigned fetched;                  /* under keys that he has */
};

/* He answers in the server's place: connect, exchange, fetch. */
static void middle_connect(struct middle *a, struct pair_seen *m)
{
    struct mu_connect1 one;
    struct mu_connect2 two = {
        .epoch = 9, .server = mu_bytes_str("server"), .alg = MU_ALG_EDDSA,
        .pub = mu_bytes("0123456789abcdef0123456789abcdef", 32),
    };
    struct mu_writer w = mu_writer(m->payload, sizeof m->payload);

    assert_int_equal(mu_connect1_consume(a->c, &a->kmr, mu_bytes_str("dev-1"),
                                         mu_bytes_str("gw-1"),
                                         mu_bytes(m->payload, m->payload_len),
                                         &one, &a->pending), 0);
    assert_int_equal(mu_connect2_create(a->c, &a->kmr, &a->pending, &two, &w,
                                        &a->down), 0);
    assert_int_equal(mu_connection_oscore(a->c, &a->down, MU_CONNECT_SERVER,
                                          &a->oscore), 0);
    assert_int_equal(mu_exchange_kx(a->c, &a->down.kmc, &a->kx), 0);
    a->counter = 0;
    m->payload_len = w.len;
    m->code = MU_COAP_CHANGED;
}

static void middle_exchange(struct middle *a, struct mu_bytes in,
                            struct mu_writer *body, uint8_t *code)
{
    const uint8_t all[] = { MU_MIKEY_OSCORE, MU_MIKEY_HOP, MU_MIKEY_MBMS };
    const struct mu_exchange_end e = {
        .crypto = a->c, .pk = a->pk, .node = mu_bytes_str("dev-1"),
        .server = mu_bytes_str("server"), .kx = &a->kx,
        .counter = &a->counter, .protocols = MU_BYTES(all),
    };
    uint8_t room[MU_EXCHANGE_MESSAGE_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    int rc = mu_exchange_answer(&e, MU_EXCHANGE_ANY, in, &w, body, &a->keys);

    *code = rc == 0 ? MU_COAP_CONTENT : MU_COAP_FORBIDDEN;
    if (rc == 0)
        a->exchanged++;
}

static bool middle_oscore(struct middle *a, struct pair_seen *m)
{
    uint8_t options[80], inner[8192], room[MU_EXCHANGE_PAYLOAD_MAX];
    struct mu_writer ow = mu_writer(options, sizeof options);
    struct mu_coap_opts opts = mu_coap_opts(&ow);
    struct mu_writer w = mu_writer(inner, sizeof inner);
    struct mu_writer body = mu_writer(room, sizeof room);
    struct mu_writer out = mu_writer(m->payload, sizeof m->payload);
    struct mu_coap_msg in = { .code = m->code }, plain, answer = { .code = 0 };
    struct mu_coap_msg sealed;
    struct mu_oscore_request req;
    struct mu_keyfetch_response none = { .epoch = 9 };
    struct mu_bytes option;

    mu_coap_put_opt(&opts, MU_COAP_OSCORE, mu_bytes(m->oscore, m->oscore_len));
    in.options = mu_coap_opts_written(&opts);
    in.payload = mu_bytes(m->payload, m->payload_len);
    if (mu_oscore_unprotect_request(&a->oscore, a->c, &in, &w, &plain,
                                    &req) != 0) {
        /* Perhaps that of his exchange by now. */
        if (a->exchanged == 0 ||
            mu_connection_oscore(a->c, &a->keys.connection, MU_CONNECT_SERVER,
                                 &a->oscore) != 0 ||
            mu_oscore_unprotect_request(&a->oscore, a->c, &in, &w, &plain,
                                        &req) != 0)
            return false;
    }
    answer.code = MU_COAP_CONTENT;
    if (mu_coap_path_is(plain.options, "x")) {
        middle_exchange(a, plain.payload, &body, &answer.code);
    } else {
        a->fetched++;
        assert_int_equal(mu_keyfetch_response_create(&none, &body), 0);
    }
    answer.payload = mu_written(&body);
    assert_int_equal(mu_oscore_protect_response(&a->oscore, a->c, &answer,
                                                false, &req, &out, &sealed),
                     0);
    assert_true(mu_coap_find(sealed.options, MU_COAP_OSCORE, &option));
    memmove(m->payload, sealed.payload.data, sealed.payload.len);
    m->payload_len = sealed.payload.len;
    m->oscore_len = option.len;
    memcpy(m->oscore, option.len == 0 ? (const uint8_t *)"" : option.data,
           option.len);
    m->code = sealed.code;
    return true;
}

/* In place of the gateway: nothing goes to the server. */
static bool in_between(struct pair *p, struct pair_seen *m)
{
    struct middle *a = p->meddle_ctx;
    struct mu_event ev = { .kind = MU_EV_RESPONSE, .link = MU_LINK_UP_NODE };
    bool good = true;

    if (!m->up)
        return true;
    if (strcmp(m->path, "c") == 0)
        middle_connect(a, m);
    else
        good = m->has_oscore && middle_oscore(a, m);
    if (!good)
        return false;
    ev.now = p->now;
    ev.message.code = m->code;
    ev.message.exchange = p->d->exchange;
    ev.message.payload = mu_bytes(m->payload, m->payload_len);
    if (m->has_oscore)
        ev.message.oscore = mu_bytes(m->oscore, m->oscore_len);
    p->stepped = mu_device_step(p->d, &ev);
    return false;
}

/* Does a device take keys from somebody who has its root key and poses as the
 * server? Where the server signs, it does not. */
static void test_impersonated(void **state)
{
    static const struct {
        uint8_t method;
        bool succeeds;
    } table[] = {
        { MU_EXCHANGE_METHOD_COUNT, true },
        { MU_EXCHANGE_PSK, true },
        { MU_EXCHANGE_DHMAC, true },
        { MU_EXCHANGE_RSA, false },
        { MU_EXCHANGE_RSA_R, false },
        { MU_EXCHANGE_DHSIGN, false },
    };
    struct cert *his = cert_make("server", CERT_UNTRUSTED);

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pair *p = with(table[i].method);
        struct middle a = { .c = mu_crypto_openssl(), .kmr = p->kmr,
                            .pk = &his->pk };

        p->meddle = in_between;
        p->meddle_ctx = &a;
        pair_run(p, MU_SECONDS(10));
        assert_int_equal(a.fetched > 0, table[i].succeeds);
        if (!table[i].succeeds) {
            assert_true(a.exchanged > 0);
            assert_true(pair_traced(p, "exchange-failed"));
            assert_false(pair_traced(p, "exchanged"));
        }
        pair_close(p);
    }
}

/* The same towards the server: he has the root key of a device, and shows its
 * certificate, which everybody may have; the operator demands the method. */
static void test_posing_as_device(void **state)
{
    static const struct {
        uint8_t method;
        bool succeeds;
        const char *device, *server; /* what each says */
    } table[] = {
        { MU_EXCHANGE_PSK, true, "exchanged 0", "exchanged 0" },
        { MU_EXCHANGE_DHMAC, true, "exchanged 4", "exchanged 4" },
        /* He is answered, and cannot open the envelope. */
        { MU_EXCHANGE_RSA, false, "exchange-failed 1 4", "exchanged 1" },
        { MU_EXCHANGE_RSA_R, false, "exchange-refused 0 4",
          "exchange-failed 0 4" },
        { MU_EXCHANGE_DHSIGN, false, "exchange-refused 0 8",
          "exchange-failed 0 4" },
    };
    struct cert *his = cert_make("dev-1", CERT_UNTRUSTED);

    (void)state;
    his->pk.cert = cert_device->pk.cert; /* and the key stays his */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const uint8_t m = table[i].method;
        struct pair_conf conf = {
            .method = m, .methods = MU_EXCHANGE_BIT(m),
            .device = certified(m) ? his : NULL,
            .server = certified(m) ? cert_server : NULL,
        };
        struct pair *p = pair_open(&conf);

        pair_run(p, MU_SECONDS(10));
        assert_int_equal(pair_holds(p, PAIR_GROUP), table[i].succeeds);
        assert_int_equal(pair_holds(p, PAIR_PLAIN), table[i].succeeds);
        assert_true(pair_traced(p, table[i].device));
        assert_true(rig_traced(&p->rig, table[i].server));
        pair_close(p);
    }
}

/* ---- one protocol's key against the others ------------------------------- */

/* The gateway is told the feedback key, on purpose. It is none of the others,
 * nor do they follow from it and all that the gateway sees. */
static void test_apart(void **state)
{
    (void)state;
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        struct pair *p = with(m);
        struct mu_server_connection *c;
        struct mu_wide_hop hop;

        pair_run(p, MU_SECONDS(10));
        c = &p->rig.server.connections.all[p->rig.server.connections.newest];
        assert_true(c->exchanged);
        assert_int_equal(mu_wide_hop_consume(
                             rig_payload(rig_asked(&p->rig, 1, "hop")), &hop),
                         0);
        assert_true(mu_secret_eq(&hop.rows[0].kfb, &c->kfb));
        assert_false(mu_secret_eq(&c->kfb, &c->muk));
        assert_false(mu_ct_eq(c->kfb.bytes, c->oscore.recipient_key.bytes, 16));
        assert_false(mu_ct_eq(c->kfb.bytes, c->oscore.sender_key.bytes, 16));
        assert_false(mu_ct_eq(c->muk.bytes, c->oscore.sender_key.bytes, 16));
        /* As the master secret of the connection it is of no use. */
        struct mu_connection conn = { .ka = c->kfb };
        struct mu_oscore guess;

        memcpy(conn.id, c->id, sizeof conn.id);
        assert_int_equal(mu_connection_oscore(mu_crypto_openssl(), &conn,
                                              MU_CONNECT_NODE, &guess), 0);
        assert_false(mu_ct_eq(guess.sender_key.bytes,
                              c->oscore.recipient_key.bytes, 16));
        pair_close(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_recorded_protocols),
        cmocka_unit_test(test_impersonated),
        cmocka_unit_test(test_posing_as_device),
        cmocka_unit_test(test_apart),
    };

    return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
