/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both engines: keys by each method, the protocols that one exchange keys, lost
 * and repeated messages, restarts of either end.
 */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "node/device.h"
#include "node/server_core.h"

static struct pair *with(uint8_t method)
{
    const bool certs = method != MU_EXCHANGE_PSK &&
                       method != MU_EXCHANGE_DHMAC;
    struct pair_conf conf = {
        .method = method,
        .device = certs ? cert_make("dev-1", CERT_GOOD) : NULL,
        .server = certs ? cert_make("server", CERT_GOOD) : NULL,
    };

    return pair_open(&conf);
}

static struct mu_device_view view(struct pair *p)
{
    struct mu_device_view v;

    assert_int_equal(mu_server_device_next(&p->rig.server, rig_id(""), &v), 0);
    return v;
}

/* Every method gives the keys of both groups, over a connection of its own. */
static void method_works(uint8_t method)
{
    struct pair *p = with(method);
    char text[32];

    pair_run(p, MU_SECONDS(10));
    snprintf(text, sizeof text, "exchanged %u 3", method);
    assert_int_equal(pair_count(p, text), 1);
    assert_int_equal(pair_count(p, "connected"), 1);
    assert_true(pair_holds(p, PAIR_GROUP));
    assert_true(pair_holds(p, PAIR_PLAIN));
    assert_int_equal(view(p).method, method);
    assert_true(view(p).exchanged);
    /* What the exchange was made with is gone at the device. */
    assert_false(mu_secret_is_set(&p->x.kx));
    for (size_t i = 0; i < sizeof p->x.pending; i++)
        assert_int_equal(((const uint8_t *)&p->x.pending)[i], 0);
    /* A rotation comes over the same connection. */
    assert_int_equal(mu_server_group_rotate(&p->rig.server,
                                            rig_id(PAIR_GROUP)), 0);
    rig_drain(&p->rig);
    pair_run(p, MU_SECONDS(2));
    assert_false(pair_holds(p, PAIR_GROUP));
    assert_int_equal(pair_tell(p, "p", mu_bytes("\xa0", 1)), MU_COAP_CHANGED);
    pair_run(p, MU_SECONDS(10));
    assert_true(pair_holds(p, PAIR_GROUP));
    assert_int_equal(pair_count(p, text), 1);
    pair_close(p);
}

static void test_methods(void **state)
{
    (void)state;
    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++)
        method_works(m);
}

/* Without the means for one, everything is as it ever was. */
static void test_none(void **state)
{
    struct pair_conf conf = { .method = MU_EXCHANGE_METHOD_COUNT };
    struct pair *p = pair_open(&conf);

    (void)state;
    pair_run(p, MU_SECONDS(10));
    assert_true(pair_holds(p, PAIR_GROUP));
    assert_true(pair_holds(p, PAIR_PLAIN));
    assert_false(pair_traced(p, "exchanged"));
    assert_int_equal(view(p).method, MU_EXCHANGE_PSK);
    assert_false(view(p).exchanged);
    pair_close(p);
}

/* The feedback key: the device uses it from when its gateway says so. */
static void test_hop(void **state)
{
    struct pair *p = with(MU_EXCHANGE_DHMAC);
    struct mu_secret base;
    struct mu_wide_hop hop;
    uint8_t room[32];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct rig_send *told;

    (void)state;
    pair_run(p, MU_SECONDS(10));
    base = p->d->kfb;
    told = rig_asked(&p->rig, 1, "hop");
    assert_non_null(told);
    assert_int_equal(mu_wide_hop_consume(rig_payload(told), &hop), 0);
    assert_int_equal(hop.len, 1);
    assert_int_equal(hop.rows[0].index, 0);
    assert_true(mu_secret_eq(&hop.rows[0].kfb, &p->x.kfb));
    assert_false(mu_secret_eq(&hop.rows[0].kfb, &base));
    /* Another exchange's key is not put in force. */
    hop.rows[0].id[0] ^= 1;
    assert_int_equal(mu_area_feedback_create(hop.rows[0].id, &w), 0);
    assert_int_equal(pair_tell(p, "f", mu_written(&w)), MU_COAP_NOT_FOUND);
    assert_true(mu_secret_eq(&p->d->kfb, &base));
    hop.rows[0].id[0] ^= 1;
    w = mu_writer(room, sizeof room);
    assert_int_equal(mu_area_feedback_create(hop.rows[0].id, &w), 0);
    assert_int_equal(pair_tell(p, "f", mu_written(&w)), MU_COAP_CHANGED);
    assert_true(mu_secret_eq(&p->d->kfb, &hop.rows[0].kfb));
    /* A new link begins with the key of the hop; it may be changed again. */
    pair_relink(p);
    assert_true(mu_secret_eq(&p->d->kfb, &base));
    assert_int_equal(pair_tell(p, "f", mu_written(&w)), MU_COAP_CHANGED);
    assert_true(mu_secret_eq(&p->d->kfb, &hop.rows[0].kfb));
    pair_close(p);
}

/* Not answered, the server says it again; a gateway that comes back, too; once
 * taken, no more. */
static void test_hop_told(void **state)
{
    struct pair *p = with(MU_EXCHANGE_DHMAC);
    struct rig_send told;

    (void)state;
    pair_run(p, MU_SECONDS(5));
    told = *rig_asked(&p->rig, 1, "hop");
    rig_forget(&p->rig);
    rig_answer(&p->rig, &told, 0);
    pair_run(p, MU_SECONDS(5));
    assert_non_null(rig_asked(&p->rig, 1, "hop"));
    told = *rig_asked(&p->rig, 1, "hop");
    rig_forget(&p->rig);
    rig_answer(&p->rig, &told, MU_COAP_CHANGED);
    pair_run(p, MU_SECONDS(20));
    assert_null(rig_asked(&p->rig, 1, "hop"));
    rig_unlink(&p->rig, 1);
    rig_link(&p->rig, 1, "gw-1");
    pair_run(p, MU_SECONDS(5));
    assert_non_null(rig_asked(&p->rig, 1, "hop"));
    pair_close(p);
}

static bool lose_answer(struct pair *p, struct pair_seen *m)
{
    unsigned *left = p->meddle_ctx;

    if (m->up || !m->has_oscore || *left == 0)
        return true;
    --*left;
    return false;
}

/* The answer to an exchange is lost: it is made once more, and the connection
 * that nobody uses goes. */
static void test_lost(void **state)
{
    struct pair *p = with(MU_EXCHANGE_DHMAC);
    unsigned lose = 3;

    (void)state;
    p->meddle = lose_answer;
    p->meddle_ctx = &lose;
    pair_run(p, MU_SECONDS(60));
    assert_int_equal(pair_count(p, "exchanged"), 1);
    assert_true(pair_holds(p, PAIR_GROUP));
    /* Losing it for long costs a connect now and then, and no more. */
    pair_device_again(p);
    lose = MU_EXCHANGE_TRIES_MAX + 1;
    pair_run(p, MU_SECONDS(500));
    assert_int_equal(lose, 0);
    assert_int_equal(pair_count(p, "connected"), 3);
    assert_int_equal(pair_count(p, "exchanged"), 2);
    pair_close(p);
}

/* Killed between the answer and whatever comes: the device finds out, connects
 * and exchanges anew. */
static void test_server_restarts(void **state)
{
    struct pair *p = with(MU_EXCHANGE_DHMAC);

    (void)state;
    pair_run(p, MU_SECONDS(10));
    assert_true(pair_holds(p, PAIR_GROUP));
    assert_int_equal(rig_restart(&p->rig), 0);
    rig_link(&p->rig, 1, "gw-1");
    assert_int_equal(mu_server_group_rotate(&p->rig.server,
                                            rig_id(PAIR_GROUP)), 0);
    rig_drain(&p->rig);
    pair_run(p, MU_SECONDS(2));
    assert_int_equal(pair_tell(p, "p", mu_bytes("\xa0", 1)), MU_COAP_CHANGED);
    pair_run(p, MU_SECONDS(30));
    assert_int_equal(pair_count(p, "exchanged"), 2);
    assert_true(pair_holds(p, PAIR_GROUP));
    pair_close(p);
}

static bool kill_server(struct pair *p, struct pair_seen *m)
{
    unsigned *at = p->meddle_ctx;

    /* As the answer to the exchange is on its way. */
    if (!m->up && m->has_oscore && *at > 0 && --*at == 0) {
        assert_int_equal(rig_restart(&p->rig), 0);
        rig_link(&p->rig, 1, "gw-1");
    }
    return true;
}

static void test_server_killed_in_between(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        struct pair *p = with(MU_EXCHANGE_DHMAC);
        unsigned left = at;

        p->meddle = kill_server;
        p->meddle_ctx = &left;
        pair_run(p, MU_SECONDS(60));
        assert_int_equal(left, 0);
        assert_true(pair_holds(p, PAIR_GROUP));
        assert_true(pair_holds(p, PAIR_PLAIN));
        /* After the last answer nothing is left to connect for. */
        assert_int_equal(view(p).connected, at < 3);
        assert_int_equal(view(p).exchanged, at < 3);
        pair_close(p);
    }
}

static void test_device_restarts(void **state)
{
    struct pair *p = with(MU_EXCHANGE_DHMAC);

    (void)state;
    pair_run(p, MU_SECONDS(10));
    assert_int_equal(pair_count(p, "exchanged"), 1);
    pair_device_again(p);
    pair_run(p, MU_SECONDS(10));
    assert_int_equal(pair_count(p, "exchanged"), 2);
    assert_int_equal(mu_server_group_rotate(&p->rig.server,
                                            rig_id(PAIR_GROUP)), 0);
    rig_drain(&p->rig);
    pair_run(p, MU_SECONDS(2));
    assert_int_equal(pair_tell(p, "p", mu_bytes("\xa0", 1)), MU_COAP_CHANGED);
    pair_run(p, MU_SECONDS(10));
    assert_true(pair_holds(p, PAIR_GROUP));
    pair_close(p);
}

/* One protocol, or two: the others are keyed as without an exchange. */
static void test_some_protocols(void **state)
{
    static const uint8_t sets[][2] = {
        { MU_MIKEY_OSCORE }, { MU_MIKEY_MBMS }, { MU_MIKEY_HOP },
        { MU_MIKEY_HOP, MU_MIKEY_MBMS },
    };

    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct pair_conf conf = {
            .method = MU_EXCHANGE_PSK,
            .protocols = mu_bytes(sets[i], sets[i][1] != 0 ? 2 : 1),
        };
        struct pair *p = pair_open(&conf);
        const bool hop = sets[i][0] == MU_MIKEY_HOP;

        pair_run(p, MU_SECONDS(10));
        assert_true(pair_holds(p, PAIR_GROUP));
        assert_int_equal(mu_secret_is_set(&p->x.kfb), hop);
        assert_int_equal(rig_asked(&p->rig, 1, "hop") != NULL, hop);
        pair_close(p);
    }
}

static int teardown(void **state)
{
    (void)state;
    certs_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_hop),
        cmocka_unit_test(test_hop_told),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_server_killed_in_between),
        cmocka_unit_test(test_device_restarts),
        cmocka_unit_test(test_some_protocols),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
