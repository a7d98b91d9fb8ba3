/* SPDX-License-Identifier: Apache-2.0 */
/* Manifest, cancel and relay manifest: there and back, and each way to lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cast.h"
#include "muster/cbor.h"
#include "muster/cose.h"

static const struct mu_crypto *c;
static struct mu_signer server, other;
static struct mu_secret kg;
static uint8_t roots[624];

static struct mu_manifest sample(void)
{
    struct mu_manifest m = {
        .campaign = {1, 2, 3, 4, 5, 6, 7, 8},
        .group = 70000,
        .version = 0x100000002ull,
        .size = 291488, /* its first page is full */
        .digest = {9},
        .shape = {1024, 32, 8, 8},
        .roots = {roots, 40 * 8},
        .session = 3,
        .kid = {MU_KEY_KB, 70000, 0x200000001ull},
        .wrapped_cek = {7},
        .name = mu_bytes_str("firmware"),
        .pointer = mu_bytes_str("server-1/k"),
        .epoch = 2,
    };
    return m;
}

static void same(const struct mu_manifest *a, const struct mu_manifest *b)
{
    assert_memory_equal(a->campaign, b->campaign, 8);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->digest, b->digest, 32);
    assert_memory_equal(&a->shape, &b->shape, sizeof(a->shape));
    assert_true(mu_bytes_eq(a->roots, b->roots));
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->downgrade, b->downgrade);
    assert_true(mu_kid_eq(&a->kid, &b->kid));
    assert_memory_equal(a->wrapped_cek, b->wrapped_cek, 24);
    assert_true(mu_bytes_eq(a->name, b->name));
    assert_true(mu_bytes_eq(a->pointer, b->pointer));
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->reprotect, b->reprotect);
    assert_int_equal(a->ack_wait_s, b->ack_wait_s);
    assert_int_equal(a->relayed, b->relayed);
}

static void test_there_and_back(void **state)
{
    uint8_t out[MU_ANNOUNCE_MAX];

    (void)state;
    for (int downgrade = 0; downgrade < 2; downgrade++) {
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_manifest m = sample(), back;
        enum mu_announce_kind kind = 0;
        m.downgrade = m.reprotect = downgrade != 0;
        m.ack_wait_s = downgrade != 0 ? 255 : 0;
        assert_int_equal(mu_manifest_create(c, &server, &m, &w), 0);
        assert_int_equal(mu_announce_consume(c, &server, NULL, mu_written(&w),
                                             &kind, &back), 0);
        assert_int_equal(kind, MU_ANNOUNCE_MANIFEST);
        same(&m, &back);
        assert_true(mu_announce_consume(c, &other, NULL, mu_written(&w), &kind,
                                        &back) != 0);
    }
}

static void test_every_byte_counts(void **state)
{
    uint8_t out[MU_ANNOUNCE_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m = sample(), back;
    enum mu_announce_kind kind;

    (void)state;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w), 0);
    for (size_t i = 0; i < w.len; i++) {
        out[i] ^= 0x11;
        assert_true(mu_announce_consume(c, &server, &kg, mu_written(&w), &kind,
                                        &back) < 0);
        out[i] ^= 0x11;
        assert_true(mu_announce_consume(c, &server, &kg, mu_bytes(out, i),
                                        &kind, &back) < 0);
    }
}

static void test_cancel(void **state)
{
    uint8_t out[MU_ANNOUNCE_MAX];
    static const uint8_t id[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest back;
    enum mu_announce_kind kind = 0;

    (void)state;
    assert_int_equal(mu_cancel_create(c, &server, id, &w), 0);
    assert_int_equal(mu_announce_consume(c, &server, NULL, mu_written(&w),
                                         &kind, &back), 0);
    assert_int_equal(kind, MU_ANNOUNCE_CANCEL);
    assert_memory_equal(back.campaign, id, 8);
    out[w.len - 1] ^= 1;
    assert_int_equal(mu_announce_consume(c, &server, NULL, mu_written(&w),
                                         &kind, &back), MU_ERR_AUTH);
}

static void relay_sample(struct mu_manifest *m)
{
    *m = sample();
    m->reprotect = true;
    m->shape = (struct mu_cast_shape){80, 16, 4, 8};
    m->roots.len = (13 + 4) * 8;
    m->session = 200;
    m->kid = (struct mu_kid){MU_KEY_KG, 12, 5};
    m->wrapped_cek[0] = 99;
}

static void test_relay(void **state)
{
    uint8_t inner[MU_ANNOUNCE_MAX], out[MU_ANNOUNCE_MAX];
    struct mu_writer in = mu_writer(inner, sizeof(inner));
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m = sample(), r, back;
    struct mu_secret wrong = kg;
    enum mu_announce_kind kind = 0;

    (void)state;
    relay_sample(&r);
    r.relayed = m.reprotect = true;
    assert_int_equal(mu_manifest_create(c, &server, &m, &in), 0);
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&in), &r, &w), 0);
    assert_int_equal(mu_announce_consume(c, &server, &kg, mu_written(&w),
                                         &kind, &back), 0);
    assert_int_equal(kind, MU_ANNOUNCE_MANIFEST);
    same(&r, &back);
    assert_int_equal(mu_announce_consume(c, &server, NULL, mu_written(&w),
                                         &kind, &back), MU_ERR_UNKNOWN_KEY);
    wrong.bytes[0] ^= 1;
    assert_int_equal(mu_announce_consume(c, &server, &wrong, mu_written(&w),
                                         &kind, &back), MU_ERR_AUTH);
    for (size_t i = 0; i < w.len; i++) {
        out[i] ^= 0x11;
        assert_true(mu_announce_consume(c, &server, &kg, mu_written(&w), &kind,
                                        &back) < 0);
        out[i] ^= 0x11;
    }
}

/* The server decides whether its object may go under Kg. */
static void test_relay_forbidden(void **state)
{
    uint8_t inner[MU_ANNOUNCE_MAX], out[MU_ANNOUNCE_MAX];
    struct mu_writer in = mu_writer(inner, sizeof(inner));
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m = sample(), r, back;
    enum mu_announce_kind kind;

    (void)state;
    relay_sample(&r);
    assert_int_equal(mu_manifest_create(c, &server, &m, &in), 0);
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&in), &r, &w), 0);
    assert_int_equal(mu_announce_consume(c, &server, &kg, mu_written(&w),
                                         &kind, &back), MU_ERR_FORBIDDEN);
}

/* A gateway has Kg, not the server's key: what it signs is worth nothing. */
static void test_relay_liar(void **state)
{
    uint8_t inner[MU_ANNOUNCE_MAX], out[MU_ANNOUNCE_MAX];
    static const uint8_t id[8] = {1};
    struct mu_writer in = mu_writer(inner, sizeof(inner));
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m = sample(), r, back;
    enum mu_announce_kind kind;

    (void)state;
    relay_sample(&r);
    assert_int_equal(mu_manifest_create(c, &other, &m, &in), 0);
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&in), &r, &w), 0);
    assert_true(mu_announce_consume(c, &server, &kg, mu_written(&w), &kind,
                                    &back) < 0);
    in.len = w.len = 0; /* a cancel is not to be relayed as a manifest */
    assert_int_equal(mu_cancel_create(c, &server, id, &in), 0);
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&in), &r, &w), 0);
    assert_int_equal(mu_announce_consume(c, &server, &kg, mu_written(&w),
                                         &kind, &back), MU_ERR_MALFORMED);
}

/* The largest there is, of both kinds, fits. */
static void test_largest(void **state)
{
    uint8_t inner[MU_ANNOUNCE_MAX], out[MU_ANNOUNCE_MAX];
    char name[MU_NAME_MAX + 1], pointer[MU_ID_MAX + 3];
    struct mu_writer in = mu_writer(inner, sizeof(inner));
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m = sample(), r, back;
    struct mu_cast_page page;
    enum mu_announce_kind kind;

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(pointer, 'p', sizeof(pointer));
    m.name = mu_bytes(name, MU_NAME_MAX);
    m.pointer = mu_bytes(pointer, MU_ID_MAX + 2);
    m.version = UINT64_MAX;
    m.group = UINT32_MAX;
    m.epoch = UINT32_MAX;
    m.downgrade = m.reprotect = true;
    m.edition = UINT32_MAX;
    m.shape = (struct mu_cast_shape){1472, 254, 1, 4};
    m.size = 4320000; /* as many root hashes as there can be */
    assert_int_equal(mu_cast_page_first(&m.shape, m.size, &page), 0);
    m.roots.len = (page.data + (size_t)page.parity) * 4;
    assert_in_range(m.roots.len, 600, 624);
    assert_int_equal(mu_manifest_create(c, &server, &m, &in), 0);
    assert_true(in.len <= MU_MESSAGE_MAX);
    r = m;
    r.kid.kind = MU_KEY_KG;
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&in), &r, &w), 0);
    assert_int_equal(mu_announce_consume(c, &server, &kg, mu_written(&w),
                                         &kind, &back), 0);
}

static void test_create_refuses(void **state)
{
    uint8_t out[MU_ANNOUNCE_MAX];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_manifest m;

    (void)state;
    m = sample();
    m.roots.len--;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w), MU_ERR_USAGE);
    m = sample();
    m.name.len = 0;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w), MU_ERR_USAGE);
    m = sample();
    m.kid.kind = MU_KEY_KG;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w), MU_ERR_USAGE);
    m = sample();
    m.size = 0;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w), MU_ERR_USAGE);
    m = sample();
    m.size = UINT64_MAX;
    assert_int_equal(mu_manifest_create(c, &server, &m, &w),
                     MU_ERR_TOO_LARGE);
}

/* Signed by the server, and still not taken: the form is checked too. */
static void test_signed_nonsense(void **state)
{
    static const struct { const char *bytes; size_t len; int rc; } bad[] = {
        {"\xa0", 1, MU_ERR_MALFORMED},
        {"\xa1\x00\x01", 3, MU_ERR_MALFORMED},         /* nothing else */
        {"\xa1\x00\x02", 3, MU_ERR_MALFORMED},         /* cancels what? */
        {"\xa1\x00\x03", 3, MU_ERR_MALFORMED},         /* holds what? */
        {"\xa1\x00\x04", 3, MU_ERR_UNSUPPORTED},       /* a kind to come */
        {"\xa2\x00\x02\x01\x47zzzzzzz", 12, MU_ERR_TRUNCATED}, /* 7 bytes */
        {"\xa2\x01\x48zzzzzzzz\x00\x02", 13, MU_ERR_TRUNCATED}, /* order */
        {"\x80", 1, MU_ERR_TRUNCATED},
    };
    uint8_t kid[32], out[256];
    struct mu_bytes pub = mu_bytes(server.pub, server.pub_len);
    struct mu_manifest m;
    enum mu_announce_kind kind;

    (void)state;
    mu_sha256(c, &pub, 1, kid);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_cose_args a = {
            .alg = server.alg,
            .kid = mu_bytes(kid, 8),
            .external_aad = mu_bytes_str("muster announce"),
            .payload = mu_bytes(bad[i].bytes, bad[i].len),
        };
        assert_int_equal(mu_cose_sign1_create(c, &a, &server.priv, &w), 0);
        int rc = mu_announce_consume(c, &server, NULL, mu_written(&w), &kind,
                                     &m);
        assert_true(rc == bad[i].rc ||
                    (rc == MU_ERR_MALFORMED && bad[i].rc == MU_ERR_TRUNCATED));
    }
}

/* A manifest of the sample, by hand, without the key `absent`. */
static void put_by_hand(struct mu_writer *w, unsigned absent)
{
    uint8_t whole[1024];
    struct mu_writer in = mu_writer(whole, sizeof(whole));
    struct mu_manifest m = sample();
    struct mu_cose cose;
    struct mu_reader r;
    struct mu_cbor_map map;
    int64_t key;

    assert_int_equal(mu_manifest_create(c, &server, &m, &in), 0);
    assert_int_equal(mu_cose_decode(mu_written(&in), &cose), 0);
    r = mu_reader(cose.content);
    map = mu_cbor_get_map(&r);
    mu_cbor_put_map(w, map.left - (absent <= 13));
    while (mu_cbor_map_next(&r, &map, &key)) {
        struct mu_bytes item = mu_cbor_get_item(&r);
        if (key == absent)
            continue;
        mu_cbor_put_int(w, key);
        mu_write_bytes(w, item);
    }
    assert_int_equal(mu_reader_end(&r), 0);
}

static void test_every_key_is_needed(void **state)
{
    uint8_t kid[32], payload[1024], out[MU_ANNOUNCE_MAX];
    struct mu_bytes pub = mu_bytes(server.pub, server.pub_len);
    struct mu_manifest m;
    enum mu_announce_kind kind;

    (void)state;
    mu_sha256(c, &pub, 1, kid);
    for (unsigned absent = 0; absent <= 14; absent++) {
        struct mu_writer p = mu_writer(payload, sizeof(payload));
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_cose_args a = {
            .alg = server.alg,
            .kid = mu_bytes(kid, 8),
            .external_aad = mu_bytes_str("muster announce"),
        };
        put_by_hand(&p, absent);
        a.payload = mu_written(&p);
        assert_int_equal(mu_cose_sign1_create(c, &a, &server.priv, &w), 0);
        assert_int_equal(mu_announce_consume(c, &server, NULL, mu_written(&w),
                                             &kind, &m),
                         absent == 14 ? 0 : MU_ERR_MALFORMED);
    }
}

/* A gateway that has Kg may write what it wants: it is checked all the same. */
static void test_relay_by_hand(void **state)
{
    uint8_t inner[MU_ANNOUNCE_MAX], payload[MU_ANNOUNCE_MAX];
    uint8_t out[MU_ANNOUNCE_MAX], kid[MU_KID_LEN];
    struct mu_manifest m = sample(), back;
    struct mu_secret key;
    enum mu_announce_kind kind;

    (void)state;
    assert_int_equal(mu_kdf(c, &kg, "relay", mu_bytes(NULL, 0), 32, &key), 0);
    for (size_t short_by = 0; short_by < 2; short_by++) {
        struct mu_writer in = mu_writer(inner, sizeof(inner));
        struct mu_writer p = mu_writer(payload, sizeof(payload));
        struct mu_writer w = mu_writer(out, sizeof(out));
        struct mu_writer k = mu_writer(kid, sizeof(kid));
        struct mu_cose_args a = {
            .alg = MU_ALG_HMAC256,
            .kid = MU_BYTES(kid),
            .external_aad = mu_bytes_str("muster relay"),
        };
        mu_kid_write(&k, &(struct mu_kid){MU_KEY_KG, 12, 5});
        m.reprotect = true;
        assert_int_equal(mu_manifest_create(c, &server, &m, &in), 0);
        mu_cbor_put_map(&p, 6);
        mu_cbor_put_uint(&p, 1);
        mu_cbor_put_bstr(&p, mu_written(&in));
        mu_cbor_put_uint(&p, 6);
        mu_cbor_put_array(&p, 4);
        mu_cbor_put_uint(&p, 80);
        mu_cbor_put_uint(&p, 16);
        mu_cbor_put_uint(&p, 4);
        mu_cbor_put_uint(&p, 8);
        mu_cbor_put_uint(&p, 7);
        mu_cbor_put_bstr(&p, mu_bytes(roots, 136 - short_by));
        mu_cbor_put_uint(&p, 8);
        mu_cbor_put_uint(&p, 3);
        mu_cbor_put_uint(&p, 9);
        mu_cbor_put_bstr(&p, MU_BYTES(kid));
        mu_cbor_put_uint(&p, 10);
        mu_cbor_put_bstr(&p, mu_bytes(roots, 24));
        a.payload = mu_written(&p);
        assert_int_equal(mu_cose_mac0_create(c, &a, &key, &w), 0);
        assert_int_equal(mu_announce_consume(c, &server, &kg, mu_written(&w),
                                             &kind, &back),
                         short_by == 0 ? 0 : MU_ERR_MALFORMED);
    }
}

static void test_content_key(void **state)
{
    struct mu_secret kb, cek, back;
    uint8_t wrapped[24];

    (void)state;
    assert_int_equal(mu_secret_set(&kb, mu_bytes(roots, 32)), 0);
    assert_int_equal(mu_secret_set(&cek, mu_bytes(roots + 40, 16)), 0);
    assert_int_equal(mu_cek_wrap(c, &kb, &cek, wrapped), 0);
    assert_int_equal(mu_cek_unwrap(c, &kb, wrapped, &back), 0);
    assert_true(mu_secret_eq(&cek, &back));
    wrapped[3] ^= 1;
    assert_int_equal(mu_cek_unwrap(c, &kb, wrapped, &back), MU_ERR_AUTH);
    cek.len = 15;
    assert_int_equal(mu_cek_wrap(c, &kb, &cek, wrapped), MU_ERR_USAGE);
}

static int signer_make(struct mu_signer *s, enum mu_alg alg)
{
    size_t len = 0;
    int rc;

    s->alg = alg;
    rc = c->keypair(c->ctx, alg, &s->priv, s->pub, &len);
    s->pub_len = (uint8_t)len;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_relay_forbidden),
        cmocka_unit_test(test_relay_liar),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_create_refuses),
        cmocka_unit_test(test_signed_nonsense),
        cmocka_unit_test(test_every_key_is_needed),
        cmocka_unit_test(test_relay_by_hand),
        cmocka_unit_test(test_content_key),
    };
    int failed = 0;

    c = mu_crypto_openssl();
    if (c == NULL || mu_secret_set(&kg, mu_bytes("kg kg kg kg kg kg kg kg kg k"
                                                 "g k", 32)) != 0)
        return 1;
    for (size_t i = 0; i < sizeof(roots); i++)
        roots[i] = (uint8_t)(i * 11);
    for (int round = 0; round < 2; round++) {
        enum mu_alg alg = round == 0 ? MU_ALG_ES256 : MU_ALG_EDDSA;
        if (signer_make(&server, alg) != 0 || signer_make(&other, alg) != 0)
            return 1;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
