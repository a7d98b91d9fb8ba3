/* SPDX-License-Identifier: Apache-2.0 */
/* Every derivation against values that the openssl command computed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/keys.h"
#include "tests/keys/named.h"

static const struct mu_crypto *crypto;

static void kdf_is(const char *name, const char *key, const char *label,
                   struct mu_bytes context, uint8_t len)
{
    struct mu_secret from = named_secret(key);
    struct mu_secret out;

    assert_int_equal(mu_kdf(crypto, &from, label, context, len, &out), 0);
    named_same(name, mu_secret_view(&out));
}

static void test_table(void **state)
{
    const struct mu_bytes none = {NULL, 0};
    uint8_t nd[NAMED_MAX];
    uint8_t kid[NAMED_MAX];

    (void)state;
    kdf_is("kauth", "kmr", "connect", none, 32);
    kdf_is("kreply", "kmr", "connect reply", named("nd", nd), 16);
    kdf_is("ka", "kmc", "Ka", none, 16);
    kdf_is("kma_lamps", "kmc", "Kma", mu_bytes_str("lamps"), 32);
    kdf_is("kack", "kmr", "ack", none, 32);
    kdf_is("khop_gw_north", "kmr", "hop", mu_bytes_str("gw-north"), 32);
    kdf_is("kfb", "khop_gw_north", "feedback", none, 16);
    kdf_is("kek", "kb", "kek", none, 16);
    kdf_is("kann", "kb", "announce", none, 16);
    kdf_is("kctl", "kg", "control", none, 16);
    kdf_is("kb_wrap", "kg", "kb wrap", named("kg_kid", kid), 16);
    kdf_is("relay", "kg", "relay", none, 32);
}

/* The long way, by RFC 5869 with one info string, for every length. */
static void test_kdf_is_hkdf_expand(void **state)
{
    const uint8_t info[] = "muster1\0some label\0some context";
    struct mu_secret key = named_secret("kmr");
    struct mu_secret out;
    uint8_t expect[32];

    (void)state;
    for (uint8_t n = 1; n <= 32; n++) {
        assert_int_equal(
            mu_hkdf_expand(crypto, mu_secret_view(&key),
                           mu_bytes(info, sizeof info - 1), expect, n),
            0);
        assert_int_equal(mu_kdf(crypto, &key, "some label",
                                mu_bytes_str("some context"), n, &out),
                         0);
        assert_int_equal(out.len, n);
        assert_memory_equal(out.bytes, expect, n);
    }
}

static void test_kdf_separates(void **state)
{
    struct mu_secret key = named_secret("kmr");
    struct mu_secret a;
    struct mu_secret b;

    (void)state;
    assert_int_equal(
        mu_kdf(crypto, &key, "ab", mu_bytes_str("c"), 32, &a), 0);
    assert_int_equal(
        mu_kdf(crypto, &key, "a", mu_bytes_str("bc"), 32, &b), 0);
    assert_false(mu_secret_eq(&a, &b));
}

static void test_kdf_usage(void **state)
{
    struct mu_secret key = named_secret("kmr");
    struct mu_secret empty = {0};
    struct mu_secret out = key;
    const struct mu_bytes none = {NULL, 0};

    (void)state;
    assert_int_equal(mu_kdf(crypto, &key, "x", none, 0, &out), MU_ERR_USAGE);
    assert_false(mu_secret_is_set(&out));
    assert_int_equal(mu_kdf(crypto, &key, "x", none, 33, &out), MU_ERR_USAGE);
    assert_int_equal(mu_kdf(crypto, &empty, "x", none, 32, &out),
                     MU_ERR_USAGE);
}

static void test_kmr(void **state)
{
    uint8_t value[NAMED_MAX] = {0};
    struct mu_secret kmr;

    (void)state;
    assert_int_equal(mu_kmr_from(crypto, named("provisioned", value), &kmr), 0);
    named_same("kmr_from_provisioned", mu_secret_view(&kmr));
    assert_int_equal(mu_kmr_from(crypto, named("kmr", value), &kmr), 0);
    named_same("kmr", mu_secret_view(&kmr));
    assert_int_equal(mu_kmr_from(crypto, mu_bytes(value, 15), &kmr),
                     MU_ERR_USAGE);
    assert_false(mu_secret_is_set(&kmr));
    assert_int_equal(mu_kmr_from(crypto, mu_bytes(value, 64), &kmr), 0);
    assert_int_equal(kmr.len, 32);
    uint8_t longer[65] = {0};
    assert_int_equal(mu_kmr_from(crypto, MU_BYTES(longer), &kmr),
                     MU_ERR_USAGE);
}

static void test_kmc_khop(void **state)
{
    struct mu_secret kmr = named_secret("kmr");
    struct mu_secret out;
    uint8_t nd[NAMED_MAX];
    uint8_t ns[NAMED_MAX];
    uint8_t peer[MU_ID_MAX + 1] = {'x'};

    (void)state;
    named("nd", nd);
    named("ns", ns);
    assert_int_equal(mu_kmc_derive(crypto, &kmr, nd, ns, &out), 0);
    named_same("kmc", mu_secret_view(&out));
    assert_int_equal(
        mu_khop_derive(crypto, &kmr, mu_bytes_str("gw-north"), &out), 0);
    named_same("khop_gw_north", mu_secret_view(&out));
    assert_int_equal(mu_khop_derive(crypto, &kmr, mu_bytes(peer, 0), &out),
                     MU_ERR_USAGE);
    assert_int_equal(mu_khop_derive(crypto, &kmr, MU_BYTES(peer), &out),
                     MU_ERR_USAGE);
}

static void test_tag(void **state)
{
    struct mu_secret kctl = named_secret("kctl");
    struct mu_secret empty = {0};
    uint8_t packet[NAMED_MAX];
    uint8_t tag[MU_TAG_LEN];
    struct mu_bytes poll = named("poll_packet", packet);
    const struct mu_bytes parts[2] = {mu_bytes(packet, 3),
                                      mu_bytes(packet + 3, poll.len - 3)};

    (void)state;
    assert_int_equal(mu_tag_make(crypto, &kctl, parts, 2, tag), 0);
    named_same("poll_tag", MU_BYTES(tag));
    assert_int_equal(mu_tag_check(crypto, &kctl, parts, 2, tag), 0);
    for (size_t bit = 0; bit < 8 * sizeof tag; bit++) {
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(mu_tag_check(crypto, &kctl, parts, 2, tag),
                         MU_ERR_AUTH);
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t i = 0; i < poll.len; i++) {
        packet[i] ^= 1;
        assert_int_equal(mu_tag_check(crypto, &kctl, parts, 2, tag),
                         MU_ERR_AUTH);
        packet[i] ^= 1;
    }
    assert_int_equal(mu_tag_make(crypto, &empty, parts, 2, tag),
                     MU_ERR_USAGE);
    assert_int_equal(mu_tag_check(crypto, &empty, parts, 2, tag),
                     MU_ERR_USAGE);
}

static void test_ack(void **state)
{
    struct mu_secret kack = named_secret("kack");
    uint8_t campaign[NAMED_MAX];
    uint8_t digest[NAMED_MAX];
    uint8_t ack[MU_ACK_LEN];
    uint8_t other[MU_ACK_LEN];
    const struct mu_bytes node = mu_bytes_str("meter-17");

    (void)state;
    named("campaign", campaign);
    named("digest", digest);
    assert_int_equal(mu_ack_make(crypto, &kack, campaign, node, 0x0f, 0,
                                 digest, ack),
                     0);
    named_same("ack_meter_17_running", MU_BYTES(ack));
    assert_int_equal(mu_ack_make(crypto, &kack, campaign, node, 0x81, 15,
                                 digest, other),
                     0);
    named_same("ack_meter_17_failed", MU_BYTES(other));
    assert_int_equal(mu_ack_make(crypto, &kack, campaign,
                                 mu_bytes(node.data, 7), 0x0f, 0, digest,
                                 other),
                     0);
    assert_memory_not_equal(ack, other, sizeof ack);
    assert_int_equal(mu_ack_make(crypto, &kack, campaign, mu_bytes(NULL, 0),
                                 0x0f, 0, digest, ack),
                     MU_ERR_USAGE);
}

static int failing_hmac(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t out[32])
{
    (void)ctx;
    (void)key;
    (void)parts;
    (void)parts_len;
    memset(out, 0x5a, 32);
    return MU_ERR_CRYPTO;
}

/* A back end that fails: the error comes through, and no half-made key. */
static void test_back_end_fails(void **state)
{
    struct mu_crypto bad = *crypto;
    struct mu_secret kmr = named_secret("kmr");
    struct mu_secret out = kmr;
    uint8_t bytes[32] = {0};
    const struct mu_bytes part = MU_BYTES(bytes);

    (void)state;
    bad.hmac_sha256 = failing_hmac;
    assert_int_equal(mu_kdf(&bad, &kmr, "x", part, 32, &out), MU_ERR_CRYPTO);
    assert_false(mu_secret_is_set(&out));
    assert_int_equal(mu_kmr_from(&bad, mu_bytes(bytes, 16), &out),
                     MU_ERR_CRYPTO);
    assert_int_equal(mu_kmc_derive(&bad, &kmr, bytes, bytes, &out),
                     MU_ERR_CRYPTO);
    assert_int_equal(mu_tag_check(&bad, &kmr, &part, 1, bytes),
                     MU_ERR_CRYPTO);
    uint8_t ack[MU_ACK_LEN];
    assert_int_equal(mu_ack_make(&bad, &kmr, bytes, mu_bytes_str("n"), 1, 0,
                                 bytes, ack),
                     MU_ERR_CRYPTO);
    assert_memory_equal(ack, bytes, sizeof ack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_kdf_is_hkdf_expand),
        cmocka_unit_test(test_kdf_separates),
        cmocka_unit_test(test_kdf_usage),
        cmocka_unit_test(test_kmr),
        cmocka_unit_test(test_kmc_khop),
        cmocka_unit_test(test_tag),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_back_end_fails),
    };

    crypto = mu_crypto_openssl();
    if (crypto == NULL)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
