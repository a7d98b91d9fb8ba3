/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADV, REQ and fragments: known bytes, each with its tampered twins, and both
 * ways of sealing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/deluge.h"

static struct mu_deluge_seal seal(uint8_t tag_len)
{
    struct mu_deluge_seal s = {
        .crypto = mu_crypto_openssl(), .kg = 0xa0, .tag_len = tag_len,
    };

    assert_int_equal(mu_secret_set(&s.kctl, mu_bytes_str("0123456789abcdef")),
                     0);
    return s;
}

static const struct mu_deluge_adv adv = {
    .channel = 2, .node = 0x0304, .round = 0x0506, .version = 0x0708,
    .edition = 0x090a, .id = {0xb, 0xc, 0xd, 0xe}, .manifest_len = 0x0f10,
    .pages = 0x1112,
};

/* docs/wire-format.md s.6.4; the tag by `openssl mac -digest SHA256 HMAC`. */
static const uint8_t adv_bytes[] = {
    0x46, 2, 3, 4, 0, 0, 0, 0, 0, 0, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe,
    0xf, 0x10, 0x11, 0x12, 5, 6, 0xa0,
    0x39, 0x2f, 0xb4, 0xf3, 0xa4, 0x05, 0xa4, 0x65,
};

static void all_tampered(struct mu_deluge_seal *s, struct mu_bytes good,
                         int (*consume)(struct mu_deluge_seal *,
                                        struct mu_bytes))
{
    uint8_t bad[MU_PACKET_MAX];

    assert_int_equal(consume(s, good), 0);
    for (size_t i = 0; i < good.len * 8; i++) {
        memcpy(bad, good.data, good.len);
        bad[i / 8] = (uint8_t)(bad[i / 8] ^ 1u << (i % 8));
        assert_int_not_equal(consume(s, mu_bytes(bad, good.len)), 0);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_int_not_equal(consume(s, mu_bytes(good.data, len)), 0);
    memcpy(bad, good.data, good.len);
    bad[good.len] = 0;
    assert_int_not_equal(consume(s, mu_bytes(bad, good.len + 1)), 0);
}

static int consume_adv(struct mu_deluge_seal *s, struct mu_bytes in)
{
    struct mu_deluge_adv a;

    return mu_deluge_adv_consume(s, in, &a);
}

static int consume_req(struct mu_deluge_seal *s, struct mu_bytes in)
{
    struct mu_deluge_req q;

    return mu_deluge_req_consume(s, in, &q);
}

static int consume_fragment(struct mu_deluge_seal *s, struct mu_bytes in)
{
    struct mu_deluge_fragment f;

    return mu_deluge_fragment_consume(s, in, &f);
}

static void test_adv(void **state)
{
    struct mu_deluge_seal s = seal(MU_TAG_LEN);
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_adv a;

    (void)state;
    assert_int_equal(mu_deluge_adv_create(&s, &adv, &w), 0);
    assert_int_equal(w.len, sizeof(adv_bytes));
    assert_memory_equal(out, adv_bytes, sizeof(adv_bytes));
    assert_int_equal(mu_deluge_adv_consume(&s, mu_written(&w), &a), 0);
    assert_int_equal(a.round, adv.round);
    assert_int_equal(a.version, adv.version);
    assert_int_equal(a.edition, adv.edition);
    assert_int_equal(a.pages, adv.pages);
    assert_int_equal(a.manifest_len, adv.manifest_len);
    all_tampered(&s, mu_written(&w), consume_adv);
    s.kg++;
    assert_int_equal(mu_deluge_adv_consume(&s, mu_written(&w), &a),
                     MU_ERR_UNKNOWN_KEY);
    mu_secret_clear(&s.kctl);
    s.kg--;
    assert_int_equal(mu_deluge_adv_consume(&s, mu_written(&w), &a),
                     MU_ERR_UNKNOWN_KEY);
}

static void test_req(void **state)
{
    struct mu_deluge_seal s = seal(MU_TAG_LEN);
    const uint8_t bits[4] = {0xff, 0, 1, 0x80};
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_req q = {
        .channel = 1, .node = 2, .target = 3, .round = 4, .count = 6, .page = 5,
        .bitmap = MU_BYTES(bits),
    }, got;

    (void)state;
    assert_int_equal(mu_deluge_req_create(&s, &q, &w), 0);
    assert_int_equal(mu_deluge_req_consume(&s, mu_written(&w), &got), 0);
    assert_int_equal(got.node, 2);
    assert_int_equal(got.target, 3);
    assert_int_equal(got.round, 4);
    assert_int_equal(got.count, 6);
    assert_int_equal(got.page, 5);
    assert_true(mu_bytes_eq(got.bitmap, q.bitmap));
    all_tampered(&s, mu_written(&w), consume_req);
    q.bitmap.len = 0;
    assert_int_equal(mu_deluge_req_create(&s, &q, &w), MU_ERR_USAGE);
}

/* The same packet as the cast makes of the same object (s.5.4). */
static void test_fragment(void **state)
{
    struct mu_deluge_seal s = seal(MU_TAG_LEN);
    uint8_t object[100], ours[200], cast[200], hash[32];
    struct mu_writer w = mu_writer(ours, sizeof(ours));
    struct mu_writer c = mu_writer(cast, sizeof(cast));
    struct mu_bytes all = MU_BYTES(object);
    struct mu_deluge_fragment f = {
        .session = 9, .index = 1, .count = 3, .bytes = {object + 48, 48},
    };

    (void)state;
    memset(object, 0x5a, sizeof(object));
    mu_sha256(s.crypto, &all, 1, hash);
    memcpy(f.id, hash, 4);
    assert_int_equal(mu_deluge_fragment_create(&s, &f, &w), 0);
    assert_int_equal(mu_announce_packet(s.crypto, &s.kctl, NULL, all, 74, 9, 1,
                                        &c), 0);
    assert_true(mu_bytes_eq(mu_written(&w), mu_written(&c)));
    all_tampered(&s, mu_written(&w), consume_fragment);
}

/* Without a tag: shorter by what security costs, and nobody is kept out. */
static void test_plain(void **state)
{
    struct mu_deluge_seal s = seal(0);
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_deluge_adv a;

    (void)state;
    assert_int_equal(mu_deluge_adv_create(&s, &adv, &w), 0);
    assert_int_equal(w.len, sizeof(adv_bytes) - 11);
    assert_memory_equal(out, adv_bytes, w.len);
    out[5] ^= 1;
    assert_int_equal(mu_deluge_adv_consume(&s, mu_written(&w), &a), 0);
    assert_int_equal(a.version, adv.version ^ 1ull << 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adv),
        cmocka_unit_test(test_req),
        cmocka_unit_test(test_fragment),
        cmocka_unit_test(test_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
