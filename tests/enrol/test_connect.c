/* SPDX-License-Identifier: Apache-2.0 */
/* Connect: vectors, every byte tampered with, and each thing that an attacker
 * between node and server can try with whole messages. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cbor.h"
#include "muster/connect.h"
#include "muster/cose.h"
#include "tests/keys/named.h"

static const struct mu_crypto *crypto;

static uint8_t server_pub[32];
static uint8_t server_p256[65];

struct message {
    uint8_t bytes[MU_CONNECT_MAX];
    size_t len;
};

static struct mu_bytes view(const struct message *m)
{
    return mu_bytes(m->bytes, m->len);
}

static struct mu_connect1 node_says(void)
{
    return (struct mu_connect1){
        .identity = mu_bytes_str("meter-17"),
        .gateway = mu_bytes_str("gw-north"),
        .epoch = 7,
        .capability = {1048576, 65536, {MU_ALG_ES256, MU_ALG_EDDSA}, 2,
                       MU_RECEIVER_MICRO, 0},
    };
}

static struct mu_connect2 server_says(void)
{
    memset(server_pub, 0x5a, sizeof server_pub);
    return (struct mu_connect2){
        .epoch = 8,
        .server = mu_bytes_str("muster.example"),
        .alg = MU_ALG_EDDSA,
        .pub = MU_BYTES(server_pub),
        .groups = {{1, 300}, {MU_MODE_END_TO_END, MU_MODE_HAND_KEY}, 2},
    };
}

static int make1(const struct mu_crypto *c, const struct mu_secret *kmr,
                 const struct mu_connect1 *m, struct message *out,
                 struct mu_connect_pending *p)
{
    struct mu_writer w = mu_writer(out->bytes, sizeof out->bytes);
    int rc = mu_connect1_create(c, kmr, m, &w, p);

    out->len = w.len;
    return rc;
}

static int make2(const struct mu_crypto *c, const struct mu_secret *kmr,
                 const struct mu_connect_pending *p,
                 const struct mu_connect2 *m, struct message *out,
                 struct mu_connection *conn)
{
    struct mu_writer w = mu_writer(out->bytes, sizeof out->bytes);
    int rc = mu_connect2_create(c, kmr, p, m, &w, conn);

    out->len = w.len;
    return rc;
}

static int take1(const struct mu_secret *kmr, struct mu_bytes in,
                 struct mu_connect1 *m, struct mu_connect_pending *p)
{
    return mu_connect1_consume(crypto, kmr, mu_bytes_str("meter-17"),
                               mu_bytes_str("gw-north"), in, m, p);
}

static uint8_t plain2[MU_CONNECT_MAX];

static int take2(const struct mu_secret *kmr,
                 const struct mu_connect_pending *p, struct mu_bytes in,
                 struct mu_connect2 *m, struct mu_connection *conn)
{
    static const struct mu_connection none;
    struct mu_writer w = mu_writer(plain2, sizeof plain2);
    int rc = mu_connect2_consume(crypto, kmr, p, in, &w, m, conn);

    if (rc != 0) { /* nothing of it is left anywhere */
        assert_int_equal(w.len, 0);
        assert_memory_equal(conn, &none, sizeof none);
        assert_int_equal(m->server.len, 0);
    }
    return rc;
}

/* Random numbers of the vectors: Nd, Ns and the connection id in turn. */
static unsigned fixed_calls;

static int fixed_random(void *ctx, void *out, size_t len)
{
    const char *names[] = {"nd", "ns", "connection_id"};
    uint8_t value[NAMED_MAX];
    struct mu_bytes v = named(names[fixed_calls++ % 3], value);

    (void)ctx;
    assert_int_equal(v.len, len);
    memcpy(out, v.data, len);
    return 0;
}

static void test_vectors(void **state)
{
    struct mu_crypto fixed = *crypto;
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct message one;
    struct message two;

    (void)state;
    fixed.random = fixed_random;
    fixed_calls = 0;
    assert_int_equal(make1(&fixed, &kmr, &m1, &one, &p), 0);
    named_same("connect1", view(&one));
    named_same("connect1_digest", MU_BYTES(p.digest));
    assert_int_equal(make2(&fixed, &kmr, &p, &m2, &two, &conn), 0);
    named_same("connect2", view(&two));
    named_same("kmc", mu_secret_view(&conn.kmc));
    named_same("ka", mu_secret_view(&conn.ka));
    named_same("connection_id", MU_BYTES(conn.id));

    struct mu_oscore o;
    assert_int_equal(mu_connection_oscore(crypto, &conn, MU_CONNECT_NODE, &o),
                     0);
    named_same("oscore_node_key", mu_secret_view(&o.sender_key));
    named_same("oscore_server_key", mu_secret_view(&o.recipient_key));
    named_same("oscore_common_iv", MU_BYTES(o.common_iv));
}

static void test_round_trip(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect1 got1;
    struct mu_connect2 got2;
    struct mu_connect_pending p;
    struct mu_connect_pending server_p;
    struct mu_connection node;
    struct mu_connection server;
    struct mu_bytes identity;
    struct message one;
    struct message two;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(mu_connect1_peek(view(&one), &identity), 0);
    assert_true(mu_bytes_eq(identity, m1.identity));
    assert_int_equal(take1(&kmr, view(&one), &got1, &server_p), 0);
    assert_memory_equal(&p, &server_p, sizeof p);
    assert_true(mu_bytes_eq(got1.identity, m1.identity));
    assert_true(mu_bytes_eq(got1.gateway, m1.gateway));
    assert_int_equal(got1.epoch, 7);
    assert_memory_equal(&got1.capability, &m1.capability,
                        sizeof got1.capability);
    assert_true(mu_capability_has_alg(&got1.capability, MU_ALG_ES256));
    assert_false(mu_capability_has_alg(&got1.capability, MU_ALG_HMAC256));

    assert_int_equal(make2(crypto, &kmr, &server_p, &m2, &two, &server), 0);
    assert_int_equal(take2(&kmr, &p, view(&two), &got2, &node), 0);
    assert_int_equal(got2.epoch, 8);
    assert_true(mu_bytes_eq(got2.server, m2.server));
    assert_true(mu_bytes_eq(got2.pub, m2.pub));
    assert_int_equal(got2.alg, m2.alg);
    assert_memory_equal(&got2.groups, &m2.groups, sizeof m2.groups);
    assert_memory_equal(node.id, server.id, sizeof node.id);
    assert_true(mu_secret_eq(&node.kmc, &server.kmc));
    assert_true(mu_secret_eq(&node.ka, &server.ka));
}

/* The largest of everything fits what the header promises. */
static void test_largest(void **state)
{
    char name[MU_ID_MAX + 2];
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect1 got1;
    struct mu_connect2 got2;
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct message one;
    struct message two;

    (void)state;
    memset(name, 'n', sizeof name);
    m1.identity = m1.gateway = m2.server = mu_bytes(name, MU_ID_MAX);
    m1.epoch = m2.epoch = UINT32_MAX;
    m1.capability = (struct mu_capability){
        UINT64_MAX, UINT64_MAX, {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN},
        4, UINT8_MAX, UINT32_MAX};
    m2.alg = MU_ALG_ES256;
    m2.pub = MU_BYTES(server_p256);
    m2.groups.len = MU_DEVICE_GROUPS_MAX;
    for (uint8_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        m2.groups.number[i] = UINT32_MAX - i;
        m2.groups.mode[i] = MU_MODE_HAND_KEY;
    }
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(mu_connect1_consume(crypto, &kmr, m1.identity, m1.gateway,
                                         view(&one), &got1, &p),
                     0);
    assert_memory_equal(&got1.capability, &m1.capability,
                        sizeof got1.capability);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), 0);
    assert_int_equal(take2(&kmr, &p, view(&two), &got2, &conn), 0);
    assert_memory_equal(&got2.groups, &m2.groups, sizeof m2.groups);

    m1.identity = mu_bytes(name, MU_ID_MAX + 1);
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), MU_ERR_USAGE);
    m1 = node_says();
    m1.gateway = mu_bytes(NULL, 0);
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), MU_ERR_USAGE);
    m1.gateway = mu_bytes_str("\xff");
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), MU_ERR_USAGE);
    m2 = server_says();
    m2.pub.len = 31;
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), MU_ERR_USAGE);
    m2 = server_says();
    m2.groups.len = MU_DEVICE_GROUPS_MAX + 1;
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), MU_ERR_USAGE);
    m2 = server_says();
    m2.groups.mode[0] = MU_MODE_HAND_KEY + 1;
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), MU_ERR_USAGE);
    m2 = server_says();
    m2.groups.number[1] = m2.groups.number[0];
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), MU_ERR_USAGE);
    m2 = server_says();
    m2.alg = MU_ALG_HMAC256;
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), MU_ERR_USAGE);
}

/* Every room that is too small is told, and leaves the writer as it was. */
static void test_no_space(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect2 got2;
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct message one;
    struct message two;
    struct mu_writer w;
    uint8_t room[MU_CONNECT_MAX];
    size_t plain_len = 0;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), 0);
    w = mu_writer(room, sizeof room);
    assert_int_equal(
        mu_connect2_consume(crypto, &kmr, &p, view(&two), &w, &got2, &conn),
        0);
    plain_len = w.len;
    for (size_t n = 0; n < one.len; n++) {
        struct mu_connect_pending q;
        w = mu_writer(room, n);
        assert_int_equal(mu_connect1_create(crypto, &kmr, &m1, &w, &q),
                         MU_ERR_NO_SPACE);
        assert_int_equal(w.len, 0);
    }
    for (size_t n = 0; n < two.len; n++) {
        w = mu_writer(room, n);
        assert_int_equal(mu_connect2_create(crypto, &kmr, &p, &m2, &w, &conn),
                         MU_ERR_NO_SPACE);
        assert_false(mu_secret_is_set(&conn.ka));
    }
    for (size_t n = 0; n < plain_len; n++) {
        w = mu_writer(room, n);
        assert_int_equal(mu_connect2_consume(crypto, &kmr, &p, view(&two), &w,
                                             &got2, &conn),
                         MU_ERR_NO_SPACE);
    }
}

/* Every byte flipped, every way to cut it short, and one byte more. */
static void test_tampered_message1(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect1 got;
    struct mu_connect_pending p;
    struct message one;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    for (size_t i = 0; i < one.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            one.bytes[i] ^= (uint8_t)(1u << bit);
            assert_true(take1(&kmr, view(&one), &got, &p) < 0);
            assert_int_equal(got.identity.len, 0);
            one.bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t n = 0; n < one.len; n++)
        assert_true(take1(&kmr, mu_bytes(one.bytes, n), &got, &p) < 0);
    one.bytes[one.len] = 0;
    assert_true(take1(&kmr, mu_bytes(one.bytes, one.len + 1), &got, &p) < 0);
    assert_int_equal(take1(&kmr, view(&one), &got, &p), 0);
}

static void test_tampered_message2(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect2 got;
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct message one;
    struct message two;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), 0);
    for (size_t i = 0; i < two.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            two.bytes[i] ^= (uint8_t)(1u << bit);
            assert_true(take2(&kmr, &p, view(&two), &got, &conn) < 0);
            two.bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t n = 0; n < two.len; n++)
        assert_true(take2(&kmr, &p, mu_bytes(two.bytes, n), &got, &conn) < 0);
    two.bytes[two.len] = 0;
    assert_true(
        take2(&kmr, &p, mu_bytes(two.bytes, two.len + 1), &got, &conn) < 0);
    assert_int_equal(take2(&kmr, &p, view(&two), &got, &conn), 0);
}

static void test_wrong_party(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_secret other = named_secret("kb");
    struct mu_connect1 m1 = node_says();
    struct mu_connect1 got;
    struct mu_connect_pending p;
    struct message one;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(take1(&other, view(&one), &got, &p), MU_ERR_AUTH);
    assert_int_equal(
        mu_connect1_consume(crypto, &kmr, mu_bytes_str("meter-17"),
                            mu_bytes_str("gw-south"), view(&one), &got, &p),
        MU_ERR_FORBIDDEN);
    assert_int_equal(got.identity.len, 0);
    assert_int_equal(
        mu_connect1_consume(crypto, &kmr, mu_bytes_str("meter-18"),
                            mu_bytes_str("gw-north"), view(&one), &got, &p),
        MU_ERR_UNKNOWN_KEY);
    /* The caller compares the gateway by itself. */
    assert_int_equal(
        mu_connect1_consume(crypto, &kmr, mu_bytes_str("meter-17"),
                            mu_bytes(NULL, 0), view(&one), &got, &p),
        0);
    assert_true(mu_bytes_eq(got.gateway, mu_bytes_str("gw-north")));
}

/* Two nodes were given one Kmr: the kid is not in the protected header, but a
 * gateway still cannot make a message of the one into one of the other. */
static void test_shared_root_key(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect1 got;
    struct mu_connect_pending p;
    struct message one;
    struct mu_cose cose;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(mu_cose_decode(view(&one), &cose), 0);
    one.bytes[cose.kid.data - one.bytes + 7] = '8'; /* meter-18 */
    assert_int_equal(
        mu_connect1_consume(crypto, &kmr, mu_bytes_str("meter-18"),
                            mu_bytes_str("gw-north"), view(&one), &got, &p),
        MU_ERR_AUTH);
}

/* Message 2 answers one message 1: not another of the same node, not one of
 * another node, not with an epoch that the node has left behind. */
static void test_replayed_message2(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_secret other = named_secret("kb");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect2 got;
    struct mu_connect_pending first;
    struct mu_connect_pending second;
    struct mu_connection conn;
    struct message one;
    struct message two;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &first), 0);
    assert_int_equal(make2(crypto, &kmr, &first, &m2, &two, &conn), 0);
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &second), 0);
    assert_memory_not_equal(first.nd, second.nd, sizeof first.nd);
    assert_int_equal(take2(&kmr, &second, view(&two), &got, &conn),
                     MU_ERR_AUTH);
    assert_int_equal(take2(&other, &first, view(&two), &got, &conn),
                     MU_ERR_AUTH);
    /* The same nonce, but what the server saw was another message 1. */
    second = first;
    second.digest[5] ^= 1;
    assert_int_equal(take2(&kmr, &second, view(&two), &got, &conn),
                     MU_ERR_AUTH);
    assert_int_equal(take2(&kmr, &first, view(&two), &got, &conn), 0);

    first.epoch = m2.epoch + 1;
    assert_int_equal(take2(&kmr, &first, view(&two), &got, &conn),
                     MU_ERR_ROLLBACK);
    first.epoch = m2.epoch;
    assert_int_equal(take2(&kmr, &first, view(&two), &got, &conn), 0);
}

/* A server answers one message 1 twice: two connections, no key in common. */
static void test_fresh(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect_pending p;
    struct mu_connection a;
    struct mu_connection b;
    struct message one;
    struct message two;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &a), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &b), 0);
    assert_memory_not_equal(a.id, b.id, sizeof a.id);
    assert_false(mu_secret_eq(&a.kmc, &b.kmc));
    assert_false(mu_secret_eq(&a.ka, &b.ka));
}

/* Payloads that only who holds the key can make, made wrongly: {1: Nd, 2:
 * epoch, 3: capabilities, 4: gateway}, each left out or out of bounds. */
static void test_bad_payloads(void **state)
{
    static const char *const payloads[] = {
        "\xa0",
        "\xa1\x01\x50" "0123456789abcdef",
        /* Nd of 15 bytes */
        "\xa4\x01\x4f" "0123456789abcde" "\x02\x07\x03\xa4\x01\x01\x02\x01"
        "\x03\x80\x04\x01\x04\x61g",
        /* no epoch */
        "\xa3\x01\x50" "0123456789abcdef" "\x03\xa4\x01\x01\x02\x01\x03\x80"
        "\x04\x01\x04\x61g",
        /* epoch of 33 bits */
        "\xa4\x01\x50" "0123456789abcdef" "\x02\x1b\x01\x01\x01\x01\x01\x01"
        "\x01\x01\x03\xa4\x01\x01\x02\x01\x03\x80\x04\x01\x04\x61g",
        /* capability map without its field 2 */
        "\xa4\x01\x50" "0123456789abcdef" "\x02\x07\x03\xa3\x01\x01\x03\x80"
        "\x04\x01\x04\x61g",
        /* receiver kind 256 */
        "\xa4\x01\x50" "0123456789abcdef" "\x02\x07\x03\xa4\x01\x01\x02\x01"
        "\x03\x80\x04\x19\x01\x01\x04\x61g",
        /* empty gateway */
        "\xa4\x01\x50" "0123456789abcdef" "\x02\x07\x03\xa4\x01\x01\x02\x01"
        "\x03\x80\x04\x01\x04\x60",
        /* something behind */
        "\xa4\x01\x50" "0123456789abcdef" "\x02\x07\x03\xa4\x01\x01\x02\x01"
        "\x03\x80\x04\x01\x04\x61g\x01",
    };
    /* The last of them without its last byte is right, so the rest was. */
    const size_t count = sizeof payloads / sizeof payloads[0];
    struct mu_secret kauth = named_secret("kauth");
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 got;
    struct mu_connect_pending p;

    (void)state;
    for (size_t i = 0; i <= count; i++) {
        struct mu_bytes payload = mu_bytes_str(payloads[i < count ? i
                                                                  : i - 1]);
        struct mu_cose_args args = {
            .alg = MU_ALG_HMAC256, .kid = mu_bytes_str("meter-17"),
            .external_aad = mu_bytes_str("muster connect 1meter-17"),
            .payload = payload};
        struct message one;
        struct mu_writer w = mu_writer(one.bytes, sizeof one.bytes);
        if (i == count)
            args.payload.len--;
        assert_int_equal(mu_cose_mac0_create(crypto, &args, &kauth, &w), 0);
        int rc = mu_connect1_consume(crypto, &kmr, mu_bytes_str("meter-17"),
                                     mu_bytes(NULL, 0), mu_written(&w), &got,
                                     &p);
        if (i == count)
            assert_int_equal(rc, 0);
        else if (rc != MU_ERR_MALFORMED && rc != MU_ERR_TRUNCATED)
            fail_msg("payload %zu gave %s", i, mu_err_name(rc));
    }
}

/* Message 2 as only the server can make it, with the fields of the set, so
 * many groups, and Ns beginning with this byte instead of 0x30. */
static int server_sends(unsigned fields, size_t groups, int64_t alg,
                        uint8_t ns_first)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_secret kreply = named_secret("kreply");
    uint8_t bytes[2][MU_CONNECT_MAX];
    uint8_t aad[16 + 32];
    uint8_t ns[NAMED_MAX];
    uint8_t value[NAMED_MAX];
    struct mu_connect_pending p = {.epoch = 0};
    struct mu_connect2 got;
    struct mu_connection conn;
    struct mu_writer w = mu_writer(bytes[0], sizeof bytes[0]);
    size_t pairs = 0;

    memcpy(p.nd, named("nd", value).data, sizeof p.nd);
    memcpy(p.digest, named("connect1_digest", value).data, sizeof p.digest);
    memcpy(aad, "muster connect 2", 16);
    memcpy(aad + 16, p.digest, 32);
    struct mu_cose_args args = {
        .alg = MU_ALG_AES_CCM_16_64_128,
        .iv = mu_bytes(named("ns", ns).data, 13),
        .external_aad = MU_BYTES(aad)};
    memset(value, 0x5a, sizeof value);
    for (unsigned f = 1; f <= 8; f++)
        pairs += fields >> f & 1u;
    mu_cbor_put_map(&w, pairs);
    for (unsigned f = 1; f <= 8; f++) {
        if ((fields >> f & 1u) == 0)
            continue;
        mu_cbor_put_uint(&w, f);
        if (f == 1) {
            mu_cbor_put_bstr_head(&w, MU_CONNECT_NONCE);
            mu_write_u8(&w, ns_first);
            mu_write_bytes(&w, mu_bytes(ns + 1, MU_CONNECT_NONCE - 1));
        } else if (f == 3) {
            mu_cbor_put_str(&w, "muster.example");
        } else if (f == 4) {
            mu_cbor_put_int(&w, alg);
        } else if (f == 5 || f == 6) {
            mu_cbor_put_bstr(&w, mu_bytes(value, f == 5 ? 32 : 8));
        } else if (f == 7) {
            mu_cbor_put_array(&w, groups);
            for (size_t i = 0; i < groups; i++) {
                mu_cbor_put_array(&w, 2);
                mu_cbor_put_uint(&w, i);
                mu_cbor_put_uint(&w, i % 3);
            }
        } else {
            mu_cbor_put_uint(&w, 8);
        }
    }
    assert_int_equal(mu_writer_end(&w), 0);
    args.payload = mu_written(&w);
    w = mu_writer(bytes[1], sizeof bytes[1]);
    assert_int_equal(mu_cose_encrypt0_create(crypto, &args, &kreply, &w), 0);
    return take2(&kmr, &p, mu_written(&w), &got, &conn);
}

static void test_bad_payloads_of_the_server(void **state)
{
    (void)state;
    assert_int_equal(server_sends(0xfe, 8, MU_ALG_EDDSA, 0x30), 0);
    assert_int_equal(server_sends(0x1fe, 0, MU_ALG_EDDSA, 0x30), 0);
    for (unsigned f = 1; f <= 7; f++)
        assert_int_equal(
            server_sends(0xfe & ~(1u << f), 1, MU_ALG_EDDSA, 0x30),
            MU_ERR_MALFORMED);
    assert_true(server_sends(0xfe, 9, MU_ALG_EDDSA, 0x30) < 0);
    assert_int_equal(server_sends(0xfe, 1, MU_ALG_ES256, 0x30),
                     MU_ERR_MALFORMED); /* 32 bytes are no P-256 key */
    assert_int_equal(server_sends(0xfe, 1, MU_ALG_HMAC256, 0x30),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(server_sends(0xfe, 1, INT64_MIN, 0x30),
                     MU_ERR_UNSUPPORTED);
    /* The nonce has to be the beginning of Ns. */
    assert_int_equal(server_sends(0xfe, 1, MU_ALG_EDDSA, 0x31),
                     MU_ERR_MALFORMED);
}

static void test_peek_refuses(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct message one;
    struct message two;
    struct mu_bytes identity;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), 0);
    assert_int_equal(mu_connect1_peek(view(&two), &identity),
                     MU_ERR_MALFORMED);
    for (size_t n = 0; n < one.len; n++) {
        assert_true(mu_connect1_peek(mu_bytes(one.bytes, n), &identity) < 0);
        assert_int_equal(identity.len, 0);
    }
}

/* Unknown algorithms and fields of a later version do no harm. */
static void test_capability_of_the_future(void **state)
{
    /* {1: 1, 2: 2, 3: [-70000, -7, -8, 1, 4, 5, 2^32], 4: 0, 5: 9,
     *  6: "x"} */
    static const uint8_t later[] = {
        0xa6, 1, 1, 2, 2, 3, 0x87, 0x3a, 0, 1, 0x11, 0x6f, 0x26, 0x27,
        1, 4, 5, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 5, 9, 6, 0x61, 'x'};
    struct mu_reader r = mu_reader(MU_BYTES(later));
    struct mu_capability cap;

    (void)state;
    mu_capability_read(&r, &cap);
    assert_int_equal(mu_reader_end(&r), 0);
    assert_int_equal(cap.algs_len, MU_CAPABILITY_ALGS_MAX);
    assert_int_equal(cap.member_memory, 9);
    assert_true(mu_capability_has_alg(&cap, MU_ALG_EDDSA));
    assert_false(mu_capability_has_alg(&cap, MU_ALG_HMAC256));
    cap.algs_len = MU_CAPABILITY_ALGS_MAX + 1;
    uint8_t room[64];
    struct mu_writer w = mu_writer(room, sizeof room);
    mu_capability_write(&w, &cap);
    assert_true(w.failed);
}

/* Both contexts of a connection understand each other, and none of another. */
static void test_oscore_contexts(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_connect1 m1 = node_says();
    struct mu_connect2 m2 = server_says();
    struct mu_connect_pending p;
    struct mu_connection conn;
    struct mu_oscore node;
    struct mu_oscore server;
    struct message one;
    struct message two;

    (void)state;
    assert_int_equal(make1(crypto, &kmr, &m1, &one, &p), 0);
    assert_int_equal(make2(crypto, &kmr, &p, &m2, &two, &conn), 0);
    assert_int_equal(
        mu_connection_oscore(crypto, &conn, MU_CONNECT_NODE, &node), 0);
    assert_int_equal(
        mu_connection_oscore(crypto, &conn, MU_CONNECT_SERVER, &server), 0);
    assert_true(mu_secret_eq(&node.sender_key, &server.recipient_key));
    assert_true(mu_secret_eq(&node.recipient_key, &server.sender_key));
    assert_false(mu_secret_eq(&node.sender_key, &node.recipient_key));
    assert_int_equal(node.sender_id.len, 0);
    assert_int_equal(server.sender_id.len, 1);
    assert_int_equal(server.sender_id.bytes[0], 1);
    assert_true(node.has_id_context && server.has_id_context);
    assert_int_equal(node.id_context_len, MU_CONNECT_ID);
    assert_memory_equal(node.id_context, conn.id, MU_CONNECT_ID);
    mu_connection_clear(&conn);
    assert_true(mu_connection_oscore(crypto, &conn, MU_CONNECT_NODE, &node) <
                0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_tampered_message1),
        cmocka_unit_test(test_tampered_message2),
        cmocka_unit_test(test_wrong_party),
        cmocka_unit_test(test_shared_root_key),
        cmocka_unit_test(test_replayed_message2),
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_bad_payloads),
        cmocka_unit_test(test_bad_payloads_of_the_server),
        cmocka_unit_test(test_peek_refuses),
        cmocka_unit_test(test_capability_of_the_future),
        cmocka_unit_test(test_oscore_contexts),
    };

    crypto = mu_crypto_openssl();
    if (crypto == NULL)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
