/* SPDX-License-Identifier: Apache-2.0 */
/* Inline objects: there and back, every byte, every field; a look without the
 * signature; packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cast.h"
#include "muster/cbor.h"
#include "muster/cose.h"

static const struct mu_crypto *c;
static struct mu_signer server, other;
static uint8_t part[MU_INLINE_CONTENT_MAX + 1];
static uint8_t out[MU_ANNOUNCE_MAX];

static struct mu_inline sample(size_t len)
{
    return (struct mu_inline){
        .campaign = {1, 2, 3, 4, 5, 6, 7, 8},
        .group = UINT32_MAX,
        .session = 255,
        .epoch = UINT32_MAX,
        .part = 0xfffe,
        .parts = 0xffff,
        .content_kind = MU_CONTENT_REKEY,
        .content = mu_bytes(part, len),
    };
}

static void same(const struct mu_inline *a, const struct mu_manifest *b)
{
    assert_memory_equal(a->campaign, b->campaign, MU_CAMPAIGN_ID);
    assert_int_equal(a->group, b->group);
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->part, b->part);
    assert_int_equal(a->parts, b->parts);
    assert_int_equal(a->content_kind, b->content_kind);
    assert_true(mu_bytes_eq(a->content, b->content));
    assert_int_equal(b->roots.len, 0);
    assert_int_equal(b->name.len, 0);
}

static struct mu_bytes made(const struct mu_inline *m, int rc)
{
    struct mu_writer w = mu_writer(out, sizeof out);

    assert_int_equal(mu_inline_create(c, &server, m, &w), rc);
    return rc == 0 ? mu_written(&w) : (struct mu_bytes){NULL, 0};
}

static void test_there_and_back(void **state)
{
    static const size_t lens[] = {1, 64, 640, MU_INLINE_CONTENT_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct mu_inline m = sample(lens[i]);
        struct mu_bytes object = made(&m, 0);
        struct mu_manifest back;
        enum mu_announce_kind kind = MU_ANNOUNCE_CANCEL;

        assert_true(object.len <= MU_ANNOUNCE_MAX);
        assert_int_equal(
            mu_announce_consume(c, &server, NULL, object, &kind, &back), 0);
        assert_int_equal(kind, MU_ANNOUNCE_INLINE);
        same(&m, &back);
        assert_int_equal(
            mu_announce_consume(c, &other, NULL, object, &kind, &back),
            MU_ERR_UNKNOWN_KEY);
        kind = MU_ANNOUNCE_CANCEL;
        assert_int_equal(mu_announce_peek(object, &kind, &back), 0);
        assert_int_equal(kind, MU_ANNOUNCE_INLINE);
        same(&m, &back);
    }
}

static void test_what_cannot_be(void **state)
{
    struct mu_inline m = sample(10);

    (void)state;
    m.part = m.parts;
    made(&m, MU_ERR_USAGE);
    m = sample(10);
    m.parts = m.part = 0;
    made(&m, MU_ERR_USAGE);
    m = sample(0);
    made(&m, MU_ERR_USAGE);
    m = sample(MU_INLINE_CONTENT_MAX + 1);
    made(&m, MU_ERR_USAGE);
    m = sample(10);
    m.content_kind = 0;
    made(&m, MU_ERR_USAGE);
}

static void test_every_byte_counts(void **state)
{
    struct mu_inline m = sample(64);
    struct mu_bytes object = made(&m, 0);
    struct mu_manifest back;
    enum mu_announce_kind kind;

    (void)state;
    for (size_t i = 0; i < object.len; i++) {
        out[i] ^= 0x11;
        assert_true(
            mu_announce_consume(c, &server, NULL, object, &kind, &back) < 0);
        out[i] ^= 0x11;
        assert_true(mu_announce_consume(c, &server, NULL,
                                        mu_bytes(object.data, i), &kind,
                                        &back) < 0);
        assert_true(mu_announce_peek(mu_bytes(object.data, i), &kind, &back) <
                    0);
    }
}

/* What the server itself signed, with one key left out or another value. */
static int signed_by_hand(int64_t odd, bool absent)
{
    uint8_t kid[32], text[256], payload[256], again[MU_ANNOUNCE_MAX];
    struct mu_writer in = mu_writer(text, sizeof text);
    struct mu_writer p = mu_writer(payload, sizeof payload);
    struct mu_writer w = mu_writer(again, sizeof again);
    struct mu_bytes pub = mu_bytes(server.pub, server.pub_len);
    struct mu_cose_args a = {
        .alg = server.alg,
        .kid = mu_bytes(kid, 8),
        .external_aad = mu_bytes_str("muster announce"),
    };
    struct mu_inline m = sample(20);
    struct mu_manifest back;
    enum mu_announce_kind kind;
    struct mu_cose cose;
    struct mu_reader r;
    struct mu_cbor_map map;
    int64_t key;

    assert_int_equal(mu_inline_create(c, &server, &m, &in), 0);
    assert_int_equal(mu_cose_decode(mu_written(&in), &cose), 0);
    r = mu_reader(cose.content);
    map = mu_cbor_get_map(&r);
    mu_cbor_put_map(&p, map.left - (absent ? 1 : 0));
    while (mu_cbor_map_next(&r, &map, &key)) {
        struct mu_bytes item = mu_cbor_get_item(&r);

        if (key == odd && absent)
            continue;
        mu_cbor_put_int(&p, key);
        if (key == odd)
            mu_cbor_put_uint(&p, 0);
        else
            mu_write_bytes(&p, item);
    }
    assert_int_equal(mu_reader_end(&r), 0);
    mu_sha256(c, &pub, 1, kid);
    a.payload = mu_written(&p);
    assert_int_equal(mu_cose_sign1_create(c, &a, &server.priv, &w), 0);
    return mu_announce_consume(c, &server, NULL, mu_written(&w), &kind, &back);
}

static void test_every_key_is_needed(void **state)
{
    static const int64_t keys[] = {0, 1, 2, 8, 13, 17, 18, 19, 20};

    (void)state;
    assert_int_equal(signed_by_hand(-1, false), 0);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(signed_by_hand(keys[i], true), MU_ERR_MALFORMED);
    assert_int_equal(signed_by_hand(17, false), 0); /* part 0 */
    assert_int_equal(signed_by_hand(18, false), MU_ERR_MALFORMED);
    assert_int_equal(signed_by_hand(19, false), MU_ERR_MALFORMED);
    assert_true(signed_by_hand(20, false) < 0); /* a number for bytes */
}

/* In packets, under whatever key the area has. */
static void test_packets(void **state)
{
    struct mu_inline m = sample(MU_INLINE_CONTENT_MAX);
    struct mu_bytes object = made(&m, 0);
    struct mu_assembly a = {.fragments = 0};
    struct mu_secret kctl;
    uint8_t n = mu_announce_fragments(object.len, 256);

    (void)state;
    assert_int_equal(mu_secret_set(&kctl, mu_bytes(part, 16)), 0);
    for (uint8_t i = n; i-- > 0;) {
        uint8_t packet[256];
        struct mu_writer w = mu_writer(packet, sizeof packet);

        assert_int_equal(mu_announce_packet(c, &kctl, NULL, object, 256, 255,
                                            i, &w), 0);
        assert_int_equal(
            mu_assembly_packet(&a, c, &kctl, mu_written(&w)), i == 0);
    }
    assert_true(mu_bytes_eq(mu_bytes(a.object, a.object_len), object));
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

static int set_up(void **state)
{
    (void)state;
    c = mu_crypto_openssl();
    for (size_t i = 0; i < sizeof part; i++)
        part[i] = (uint8_t)(i * 7 + 1);
    if (signer_make(&server, MU_ALG_ES256) != 0)
        return -1;
    return signer_make(&other, MU_ALG_ES256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_every_key_is_needed),
        cmocka_unit_test(test_packets),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
