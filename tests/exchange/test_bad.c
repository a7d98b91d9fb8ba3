/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchanges that must not come about: methods and protocols that are not
 * taken, certificates of every wrong kind, weaker algorithms, messages changed,
 * repeated, of another connection or method. Nothing of them gives a key.
 */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "enrol/exchange.h"

static bool certified(uint8_t method)
{
    return method != MU_EXCHANGE_PSK && method != MU_EXCHANGE_DHMAC;
}

/* ---- by the engines ------------------------------------------------------- */

/* No key comes; both ends say so in these words. */
static void refused(const struct pair_conf *conf, const char *device,
                    const char *server)
{
    struct pair *p = pair_open(conf);

    pair_run(p, MU_SECONDS(10));
    assert_false(pair_holds(p, PAIR_GROUP));
    assert_false(pair_holds(p, PAIR_PLAIN));
    assert_false(pair_traced(p, "exchanged"));
    assert_true(pair_traced(p, device));
    if (server != NULL)
        assert_true(rig_traced(&p->rig, server));
    /* And it tries again, but not all the time. */
    assert_in_range(pair_count(p, device), 2, 6);
    pair_close(p);
}

/* The operator demands what the device does not do. */
static void test_methods(void **state)
{
    struct pair_conf conf = {
        .method = MU_EXCHANGE_METHOD_COUNT,
        .methods = MU_EXCHANGE_BIT(MU_EXCHANGE_DHMAC),
    };

    (void)state;
    /* Keys are not given over the connection as it is, */
    refused(&conf, "keys-refused 131", "exchange-wanted 1 0");
    /* nor by another method, however strong. */
    conf.method = MU_EXCHANGE_PSK;
    refused(&conf, "exchange-refused 11 16", "exchange-failed 0 10");
    conf = (struct pair_conf){
        .method = MU_EXCHANGE_DHSIGN, .device = cert_device,
        .server = cert_server, .methods = MU_EXCHANGE_BIT(MU_EXCHANGE_DHMAC),
    };
    refused(&conf, "exchange-refused 11 16", "exchange-failed 0 10");
    /* One that has no certificate does what takes none. */
    conf.methods = 0;
    conf.server = NULL;
    refused(&conf, "exchange-refused 11 17", "exchange-failed 0 10");
}

/* One group demands more than the other. */
static void test_group(void **state)
{
    struct pair_conf conf = {
        .method = MU_EXCHANGE_METHOD_COUNT,
        .group_methods = MU_EXCHANGE_BIT(MU_EXCHANGE_DHMAC) |
                         MU_EXCHANGE_BIT(MU_EXCHANGE_DHSIGN),
    };

    (void)state;
    for (uint8_t m = 0; m < 3; m++) {
        const bool good = m == 2;
        struct pair *p;

        conf.method = m == 0 ? MU_EXCHANGE_METHOD_COUNT
                      : m == 1 ? MU_EXCHANGE_PSK : MU_EXCHANGE_DHMAC;
        p = pair_open(&conf);
        pair_run(p, MU_SECONDS(10));
        assert_true(pair_holds(p, PAIR_PLAIN));
        assert_int_equal(pair_holds(p, PAIR_GROUP), good);
        assert_int_equal(pair_traced(p, "key-withheld 1 0"), !good);
        assert_int_equal(rig_traced(&p->rig, "key-withheld 1 0"), !good);
        /* It outlives the server. */
        assert_int_equal(rig_restart(&p->rig), 0);
        rig_link(&p->rig, 1, "gw-1");
        pair_device_again(p);
        pair_run(p, MU_SECONDS(30));
        assert_int_equal(mu_server_group_rotate(&p->rig.server,
                                                rig_id(PAIR_GROUP)), 0);
        rig_drain(&p->rig);
        pair_run(p, MU_SECONDS(2));
        assert_int_equal(pair_tell(p, "p", mu_bytes("\xa0", 1)),
                         MU_COAP_CHANGED);
        pair_run(p, MU_SECONDS(30));
        assert_int_equal(pair_holds(p, PAIR_GROUP), good);
        pair_close(p);
    }
}

/* Demands that nobody could meet, or that a gateway would get round. */
static void test_group_refused(void **state)
{
    struct mu_group_scheme scheme = {
        .kind = MU_SCHEME_UNICAST,
        .methods = MU_EXCHANGE_BIT(MU_EXCHANGE_DHSIGN),
    };
    struct pair_conf conf = { .method = MU_EXCHANGE_METHOD_COUNT };
    struct pair *p = pair_open(&conf);
    uint32_t number;

    (void)state;
    /* The server has no certificate. */
    assert_int_equal(mu_server_group_create_as(&p->rig.server, rig_id("a"), 0,
                                               &scheme, &number),
                     MU_ERR_UNSUPPORTED);
    scheme.methods = MU_EXCHANGE_BIT(MU_EXCHANGE_DHMAC);
    assert_int_equal(mu_server_group_create_as(&p->rig.server, rig_id("a"), 2,
                                               &scheme, &number),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_group_create_as(&p->rig.server, rig_id("a"), 0,
                                               &scheme, &number), 0);
    pair_close(p);
}

static void test_protocols(void **state)
{
    static const uint8_t two[] = { MU_MIKEY_OSCORE, MU_MIKEY_MBMS };

    (void)state;
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        struct pair_conf conf = {
            .method = m, .server_protocols = MU_BYTES(two),
            .device = certified(m) ? cert_device : NULL,
            .server = certified(m) ? cert_server : NULL,
        };
        refused(&conf, "exchange-refused 9 ", "exchange-failed 0 9");
    }
}

static void test_certificates(void **state)
{
    static const uint8_t methods[] = {
        MU_EXCHANGE_RSA, MU_EXCHANGE_RSA_R, MU_EXCHANGE_DHSIGN,
    };
    static const struct {
        const char *name;
        enum cert_kind kind;
    } wrong[] = {
        { NULL, CERT_EXPIRED }, { NULL, CERT_EARLY }, { NULL, CERT_UNTRUSTED },
        { "dev-2", CERT_GOOD }, /* of the same authority, for another */
    };
    struct cert *device[4], *server[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        device[i] = cert_make(wrong[i].name != NULL ? wrong[i].name : "dev-1",
                              wrong[i].kind);
        server[i] = cert_make(wrong[i].name != NULL ? wrong[i].name : "server",
                              wrong[i].kind);
    }
    for (size_t m = 0; m < 3; m++)
        for (size_t i = 0; i < 4; i++) {
            struct pair_conf conf = { .method = methods[m],
                                      .device = device[i],
                                      .server = cert_server };

            refused(&conf, "exchange-refused 7 31", "exchange-failed 0 7");
            conf.device = cert_device;
            conf.server = server[i];
            refused(&conf, "exchange-failed ", NULL);
        }
}

static bool say_no(struct pair *p, struct pair_seen *m)
{
    (void)p;
    if (m->up || !m->has_oscore)
        return true;
    /* As if the server did not know the connection. */
    m->has_oscore = false;
    m->payload_len = 0;
    m->code = MU_COAP_UNAUTHORIZED;
    return true;
}

/* A gateway that will not let it happen stops the service, and no more: no key
 * comes any other way. */
static void test_gateway_refuses(void **state)
{
    struct pair_conf conf = { .method = MU_EXCHANGE_DHMAC };
    struct pair *p = pair_open(&conf);

    (void)state;
    p->meddle = say_no;
    pair_run(p, MU_SECONDS(30));
    assert_false(pair_holds(p, PAIR_PLAIN));
    assert_in_range(pair_count(p, "connected"), 2, 8);
    p->meddle = NULL;
    pair_run(p, MU_SECONDS(60));
    assert_true(pair_holds(p, PAIR_PLAIN));
    pair_close(p);
}

/* ---- by the messages ------------------------------------------------------ */

struct ends {
    struct mu_exchange_end node, server;
    struct mu_secret kx;
    uint32_t at_node, at_server;
    struct mu_mikey_pk dh;
    struct mu_exchange_pending pending;
    uint8_t asked[MU_EXCHANGE_PAYLOAD_MAX], told[MU_EXCHANGE_PAYLOAD_MAX];
    size_t asked_len, told_len;
    uint8_t room[MU_EXCHANGE_MESSAGE_MAX];
    struct mu_exchange_keys at_both[2];
};

static const uint8_t all[] = { MU_MIKEY_OSCORE, MU_MIKEY_HOP, MU_MIKEY_MBMS };

static void ends_init(struct ends *e, uint8_t seed)
{
    memset(e, 0, sizeof *e);
    memset(e->kx.bytes, seed, 32);
    e->kx.len = 32;
    e->node = (struct mu_exchange_end){
        .crypto = mu_crypto_openssl(), .pk = &cert_device->pk,
        .node = mu_bytes_str("dev-1"), .server = mu_bytes_str("server"),
        .kx = &e->kx, .counter = &e->at_node, .protocols = MU_BYTES(all),
    };
    e->server = e->node;
    e->server.pk = &cert_server->pk;
    e->server.counter = &e->at_server;
}

static void ask(struct ends *e, uint8_t method)
{
    struct mu_writer room = mu_writer(e->room, sizeof e->room);
    struct mu_writer w = mu_writer(e->asked, sizeof e->asked);

    assert_int_equal(mu_exchange_ask(&e->node, method, &e->pending, &room, &w),
                     0);
    e->asked_len = w.len;
}

static int answer(struct ends *e, uint8_t methods, struct mu_bytes in)
{
    struct mu_writer room = mu_writer(e->room, sizeof e->room);
    struct mu_writer w = mu_writer(e->told, sizeof e->told);
    int rc = mu_exchange_answer(&e->server, methods, in, &room, &w,
                                &e->at_both[0]);

    e->told_len = rc == 0 ? w.len : 0;
    return rc;
}

static struct mu_bytes asked(const struct ends *e)
{
    return mu_bytes(e->asked, e->asked_len);
}

static int take(struct ends *e, struct mu_bytes in)
{
    /* What is there once may be tried often. */
    struct mu_exchange_pending was = e->pending;
    const uint32_t counter = e->at_node;
    int rc = mu_exchange_take(&e->node, &e->pending, in, &e->at_both[1]);

    e->pending = was;
    e->at_node = counter;
    return rc;
}

static bool same_keys(const struct ends *e)
{
    return mu_secret_eq(&e->at_both[0].connection.ka,
                        &e->at_both[1].connection.ka) ||
           mu_secret_eq(&e->at_both[0].muk, &e->at_both[1].muk) ||
           mu_secret_eq(&e->at_both[0].kfb, &e->at_both[1].kfb);
}

static void test_good(void **state)
{
    struct ends *e = malloc(sizeof *e);

    (void)state;
    assert_non_null(e);
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        ends_init(e, 1);
        ask(e, m);
        assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), 0);
        assert_int_equal(take(e, mu_bytes(e->told, e->told_len)), 0);
        assert_memory_equal(&e->at_both[0], &e->at_both[1],
                            sizeof e->at_both[0]);
        assert_int_equal(e->at_both[0].muk.len, 16);
        assert_int_equal(e->at_both[0].connection.ka.len, 16);
        assert_int_equal(e->at_both[0].kfb.len, 16);
        assert_int_equal(e->at_both[0].method, m);
    }
    free(e);
}

/* One bit anywhere, in either message: no key in common. */
static void test_changed(void **state)
{
    struct ends *e = malloc(sizeof *e);

    (void)state;
    assert_non_null(e);
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        const size_t step = certified(m) ? 7 : 1;

        ends_init(e, 1);
        ask(e, m);
        for (size_t i = 0; i < e->asked_len; i += step) {
            e->asked[i] ^= 0x04;
            e->at_server = 0;
            if (answer(e, MU_EXCHANGE_ANY, asked(e)) == 0 &&
                take(e, mu_bytes(e->told, e->told_len)) == 0)
                assert_false(same_keys(e));
            e->asked[i] ^= 0x04;
        }
        e->at_server = 0;
        assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), 0);
        for (size_t i = 0; i < e->told_len; i += step) {
            e->told[i] ^= 0x04;
            if (take(e, mu_bytes(e->told, e->told_len)) == 0)
                assert_false(same_keys(e));
            e->told[i] ^= 0x04;
        }
        for (size_t i = 0; i < e->told_len; i += step)
            assert_true(take(e, mu_bytes(e->told, i)) < 0);
        assert_int_equal(take(e, mu_bytes(e->told, e->told_len)), 0);
        assert_true(same_keys(e));
    }
    free(e);
}

/* The same message again; in another connection; and an answer of another. */
static void test_replayed(void **state)
{
    struct ends *e = malloc(sizeof *e), *other = malloc(sizeof *other);

    (void)state;
    assert_non_null(e);
    assert_non_null(other);
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        const bool first = m == MU_EXCHANGE_PSK || m == MU_EXCHANGE_RSA;

        ends_init(e, 1);
        ends_init(other, 2);
        ask(e, m);
        ask(other, m);
        assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), 0);
        if (first) { /* the server's choice is another each time */
            struct mu_secret muk = e->at_both[0].muk;

            assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), 0);
            assert_false(mu_secret_eq(&muk, &e->at_both[0].muk));
        } else {
            uint8_t told[MU_EXCHANGE_PAYLOAD_MAX];
            const size_t len = e->told_len;

            memcpy(told, e->told, len);
            assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)),
                             MU_ERR_REPLAY);
            memcpy(e->told, told, len);
            e->told_len = len;
            assert_int_equal(answer(other, MU_EXCHANGE_ANY, asked(e)),
                             certified(m) ? MU_ERR_REPLAY : MU_ERR_AUTH);
        }
        int rc = take(other, mu_bytes(e->told, e->told_len));

        assert_true(rc == MU_ERR_REPLAY || rc == MU_ERR_AUTH ||
                    rc == MU_ERR_UNEXPECTED);
        /* To itself, and of another method. */
        assert_int_equal(take(e, mu_bytes(e->told, e->told_len)), 0);
        ask(e, m == MU_EXCHANGE_DHMAC ? MU_EXCHANGE_DHSIGN
                                      : MU_EXCHANGE_DHMAC);
        assert_int_equal(take(e, mu_bytes(e->told, e->told_len)),
                         MU_ERR_UNEXPECTED);
    }
    free(e);
    free(other);
}

/* So many in one connection, then another one is due. */
static void test_tries(void **state)
{
    struct ends *e = malloc(sizeof *e);
    struct mu_writer room, w;

    (void)state;
    assert_non_null(e);
    ends_init(e, 1);
    for (unsigned i = 0; i < MU_EXCHANGE_TRIES_MAX; i++)
        ask(e, MU_EXCHANGE_DHMAC);
    room = mu_writer(e->room, sizeof e->room);
    w = mu_writer(e->asked, sizeof e->asked);
    assert_int_equal(mu_exchange_ask(&e->node, MU_EXCHANGE_DHMAC, &e->pending,
                                     &room, &w), MU_ERR_EXPIRED);
    for (unsigned i = 0; i < MU_EXCHANGE_TRIES_MAX; i++) {
        ask(e, MU_EXCHANGE_RSA);
        assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), 0);
    }
    assert_int_equal(answer(e, MU_EXCHANGE_ANY, asked(e)), MU_ERR_EXPIRED);
    free(e);
}

/* A first message by hand, under the right key, with something weaker. */
static int weaker(struct ends *e, void (*how)(struct mu_mikey_session *s))
{
    struct mu_mikey_session s;
    struct mu_secret psk;
    struct mu_writer room = mu_writer(e->room, sizeof e->room);
    struct mu_writer w = mu_writer(e->asked, sizeof e->asked);
    struct mu_exchange_request m = { .method = MU_EXCHANGE_DHMAC };

    ends_init(e, 1);
    assert_int_equal(mu_exchange_session(&e->node, m.method, &s), 0);
    assert_int_equal(mu_exchange_propose(&s, MU_BYTES(all)), 0);
    how(&s);
    assert_int_equal(mu_exchange_psk(&e->node, &psk), 0);
    assert_int_equal(mu_mikey_dhmac_init_create(e->node.crypto, e->node.pk,
                                                mu_secret_view(&psk), &s,
                                                &room), 0);
    m.message = mu_written(&room);
    assert_int_equal(mu_exchange_request_create(&m, &w), 0);
    e->asked_len = w.len;
    return answer(e, MU_EXCHANGE_ANY, asked(e));
}

static void not_at_all(struct mu_mikey_session *s)
{
    (void)s;
}

static void small_group(struct mu_mikey_session *s)
{
    s->group = MU_MIKEY_OAKLEY_1;
}

static void old_prf(struct mu_mikey_session *s)
{
    s->header.prf = MU_MIKEY_PRF_SHA1;
}

static void old_mac(struct mu_mikey_session *s)
{
    s->mac = MU_MIKEY_MAC_SHA1;
}

static void other_rand(struct mu_mikey_session *s)
{
    s->rand[3] ^= 1;
}

static void other_csb(struct mu_mikey_session *s)
{
    s->header.csb ^= 1;
}

static void other_policy(struct mu_mikey_session *s)
{
    s->sps[0].params[2] = 1; /* another AEAD */
}

static void twice(struct mu_mikey_session *s)
{
    s->header.cs[1].protocol = s->header.cs[0].protocol;
    s->sps[1] = s->sps[0];
    s->sps[1].policy = 1;
}

static void no_sessions(struct mu_mikey_session *s)
{
    s->header.map = MU_MIKEY_MAP_EMPTY;
    s->header.cs_len = 0;
}

static void unknown_protocol(struct mu_mikey_session *s)
{
    s->header.cs[0].protocol = s->sps[0].protocol = MU_MIKEY_DTLS;
}

static void no_policy(struct mu_mikey_session *s)
{
    s->header.cs[0].policies_len = 0;
}

static void other_name(struct mu_mikey_session *s)
{
    assert_int_equal(mu_mikey_name_set(&s->idi, MU_MIKEY_NAI,
                                       mu_bytes_str("dev-2")), 0);
}

static void other_server(struct mu_mikey_session *s)
{
    assert_int_equal(mu_mikey_name_set(&s->idr, MU_MIKEY_NAI,
                                       mu_bytes_str("other")), 0);
}

static void late(struct mu_mikey_session *s)
{
    s->time.value = MU_EXCHANGE_TRIES_MAX + 1;
}

static void test_weaker(void **state)
{
    static const struct {
        void (*how)(struct mu_mikey_session *s);
        int rc;
    } table[] = {
        { not_at_all, 0 },
        { small_group, MU_ERR_FORBIDDEN },
        { old_prf, MU_ERR_FORBIDDEN },
        { old_mac, MU_ERR_FORBIDDEN },
        { other_rand, MU_ERR_REPLAY },
        { other_csb, MU_ERR_REPLAY },
        { other_policy, MU_ERR_UNSUPPORTED },
        { twice, MU_ERR_UNSUPPORTED },
        { no_sessions, MU_ERR_UNSUPPORTED },
        { unknown_protocol, MU_ERR_UNSUPPORTED },
        { no_policy, MU_ERR_UNSUPPORTED },
        { other_name, MU_ERR_UNKNOWN_PEER },
        { other_server, MU_ERR_UNKNOWN_PEER },
        { late, MU_ERR_REPLAY },
    };
    struct ends *e = malloc(sizeof *e);

    (void)state;
    assert_non_null(e);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(weaker(e, table[i].how), table[i].rc);
    free(e);
}

/* Asked for three, told two. */
static void test_fewer(void **state)
{
    struct ends *e = malloc(sizeof *e);
    uint8_t fewer[MU_EXCHANGE_PAYLOAD_MAX];

    (void)state;
    assert_non_null(e);
    ends_init(e, 1);
    ask(e, MU_EXCHANGE_PSK);
    struct mu_exchange_request m = { .method = MU_EXCHANGE_PSK,
                                     .protocols = mu_bytes(all, 2) };
    struct mu_writer w = mu_writer(fewer, sizeof fewer);

    assert_int_equal(mu_exchange_request_create(&m, &w), 0);
    assert_int_equal(answer(e, MU_EXCHANGE_ANY, mu_written(&w)), 0);
    assert_int_equal(take(e, mu_bytes(e->told, e->told_len)),
                     MU_ERR_FORBIDDEN);
    free(e);
}

static void test_forms(void **state)
{
    static const char *const bad[] = {
        "", "\xa0", "\xa1\x01\x00", "\xa1\x01\x05", "\xa2\x01\x00\x02\x40",
        "\xa2\x01\x00\x02\x42\xf2\xf0",         /* not in order */
        "\xa2\x01\x00\x02\x42\xf0\xf0",         /* twice */
        "\xa2\x01\x00\x02\x45\x01\x02\x03\x04\x05", /* too many */
        "\xa3\x01\x00\x02\x41\xf0\x03\x41\x01", /* psk with a message */
        "\xa2\x01\x01\x02\x41\xf0",             /* rsa without certificate */
        "\xa2\x01\x04\x02\x41\xf0",             /* dhmac without message */
        "\xa3\x01\x04\x03\x41\x01\x04\x41\x01", /* dhmac with certificate */
        "\xa2\x01\x00\x02\x41\xf0\x00",         /* something behind */
    };
    struct mu_exchange_request m;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t len = i == 0 ? 0 : strlen(bad[i]);

        /* Texts with zeros in them. */
        if (i == 2)
            len = 3;
        else if (i >= 4 && i <= 8)
            len = (size_t[]){ 5, 7, 7, 10, 9 }[i - 4];
        else if (i == 12)
            len = 7;
        assert_true(mu_exchange_request_consume(mu_bytes(bad[i], len), &m) <
                    0);
    }
    assert_int_equal(mu_exchange_request_consume(
                         mu_bytes("\xa2\x01\x05\x02\x41\xf0", 6), &m),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(mu_exchange_request_consume(
                         mu_bytes("\xa2\x01\x00\x02\x41\xf0", 6), &m), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_group_refused),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_gateway_refuses),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_tries),
        cmocka_unit_test(test_weaker),
        cmocka_unit_test(test_fewer),
        cmocka_unit_test(test_forms),
    };

    return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
