/* SPDX-License-Identifier: Apache-2.0 */
/* Key fetch: round trips, and a reader that takes nothing that a writer of
 * ours would not make. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "muster/cbor.h"
#include "muster/keyfetch.h"

static struct mu_kid kb(uint32_t group, uint64_t generation)
{
    return (struct mu_kid){MU_KEY_KB, group, generation};
}

static struct mu_keyfetch_request request_of(uint8_t n)
{
    struct mu_keyfetch_request m = {.held_len = n};

    for (uint8_t i = 0; i < n && i < MU_DEVICE_GROUPS_MAX; i++)
        m.held[i] = kb(100u + i, (uint64_t)1 << 32 | i);
    return m;
}

static struct mu_keyfetch_response response_of(uint8_t keys, uint8_t groups)
{
    struct mu_keyfetch_response m = {
        .keys_len = keys, .groups.len = groups, .epoch = UINT32_MAX};

    for (uint8_t i = 0; i < groups && i < MU_DEVICE_GROUPS_MAX; i++) {
        m.groups.number[i] = UINT32_MAX - i;
        m.groups.mode[i] = i % (MU_MODE_HAND_KEY + 1);
    }
    for (uint8_t i = 0; i < keys && i < MU_DEVICE_GROUPS_MAX; i++) {
        m.keys[i].kid = kb(UINT32_MAX - i, UINT64_MAX);
        m.keys[i].key.len = 32;
        memset(m.keys[i].key.bytes, i, 32);
        m.keys[i].valid_s = i == 0 ? 0 : UINT32_MAX;
    }
    return m;
}

static void test_request(void **state)
{
    uint8_t bytes[MU_KEYFETCH_REQUEST_MAX + 1];

    (void)state;
    for (uint8_t n = 0; n <= MU_DEVICE_GROUPS_MAX; n++) {
        struct mu_keyfetch_request m = request_of(n);
        struct mu_keyfetch_request got;
        struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_REQUEST_MAX);
        assert_int_equal(mu_keyfetch_request_create(&m, &w), 0);
        assert_int_equal(mu_keyfetch_request_consume(mu_written(&w), &got),
                         0);
        assert_int_equal(got.held_len, n);
        for (uint8_t i = 0; i < n; i++)
            assert_true(mu_kid_eq(&m.held[i], &got.held[i]));
        for (size_t cut = 0; cut < w.len; cut++) {
            assert_true(mu_keyfetch_request_consume(mu_bytes(bytes, cut),
                                                    &got) < 0);
            assert_int_equal(got.held_len, 0);
        }
        bytes[w.len] = 0;
        assert_int_equal(
            mu_keyfetch_request_consume(mu_bytes(bytes, w.len + 1), &got),
            MU_ERR_MALFORMED);
    }
}

static void test_response(void **state)
{
    uint8_t bytes[MU_KEYFETCH_RESPONSE_MAX + 1];
    static const struct mu_keyfetch_response none;

    (void)state;
    for (uint8_t n = 0; n <= MU_DEVICE_GROUPS_MAX; n++) {
        struct mu_keyfetch_response m = response_of(n, MU_DEVICE_GROUPS_MAX);
        struct mu_keyfetch_response got;
        struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_RESPONSE_MAX);
        assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
        assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                         0);
        assert_int_equal(got.epoch, UINT32_MAX);
        assert_int_equal(got.keys_len, n);
        assert_memory_equal(&got.groups, &m.groups, sizeof m.groups);
        for (uint8_t i = 0; i < n; i++) {
            assert_true(mu_kid_eq(&m.keys[i].kid, &got.keys[i].kid));
            assert_true(mu_secret_eq(&m.keys[i].key, &got.keys[i].key));
            assert_int_equal(m.keys[i].valid_s, got.keys[i].valid_s);
        }
        for (size_t cut = 0; cut < w.len; cut++) {
            assert_true(mu_keyfetch_response_consume(mu_bytes(bytes, cut),
                                                     &got) < 0);
            assert_memory_equal(&got, &none, sizeof none); /* no key left */
        }
        bytes[w.len] = 0;
        assert_int_equal(
            mu_keyfetch_response_consume(mu_bytes(bytes, w.len + 1), &got),
            MU_ERR_MALFORMED);
        assert_memory_equal(&got, &none, sizeof none);
    }
}

/* What create refuses, one rule at a time. */
static void test_create_refuses(void **state)
{
    uint8_t bytes[1024];
    struct mu_writer w = mu_writer(bytes, sizeof bytes);
    struct mu_keyfetch_request q = request_of(2);
    struct mu_keyfetch_response a = response_of(2, 3);

    (void)state;
    q.held[1].scope = q.held[0].scope; /* a group twice */
    assert_int_equal(mu_keyfetch_request_create(&q, &w), MU_ERR_USAGE);
    q = request_of(2);
    q.held[1].kind = MU_KEY_KG;
    assert_int_equal(mu_keyfetch_request_create(&q, &w), MU_ERR_USAGE);
    q = request_of(MU_DEVICE_GROUPS_MAX + 1);
    assert_int_equal(mu_keyfetch_request_create(&q, &w), MU_ERR_USAGE);

    a.keys[1].kid.scope = 5; /* not listed */
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, 3);
    a.keys[1].kid.scope = a.keys[0].kid.scope;
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, 3);
    a.keys[0].key.len = 16;
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, 3);
    a.keys[0].kid.kind = MU_KEY_KW;
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, 3);
    a.groups.number[2] = a.groups.number[0];
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, 3);
    a.groups.mode[2] = MU_MODE_HAND_KEY + 1;
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(2, MU_DEVICE_GROUPS_MAX + 1);
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    a = response_of(MU_DEVICE_GROUPS_MAX + 1, MU_DEVICE_GROUPS_MAX);
    assert_int_equal(mu_keyfetch_response_create(&a, &w), MU_ERR_USAGE);
    assert_int_equal(w.len, 0);
    w = mu_writer(bytes, 20);
    q = request_of(2);
    assert_int_equal(mu_keyfetch_request_create(&q, &w), MU_ERR_NO_SPACE);
}

/* {1: [[kid, key, valid]], 2: [[group, mode]], 3: epoch} with one thing at a
 * time changed: the key's length, the kind, the group that is listed, its
 * mode (-1: the group stands alone). */
static int response_in_mode(size_t key_len, uint8_t kind, uint64_t listed,
                            int64_t mode, unsigned fields)
{
    uint8_t bytes[256];
    uint8_t key[64] = {0};
    struct mu_writer w = mu_writer(bytes, sizeof bytes);
    struct mu_keyfetch_response got;
    const struct mu_kid kid = {kind, 7, 1};
    size_t pairs = 0;

    for (unsigned f = 1; f <= 4; f++)
        pairs += fields >> f & 1u;
    mu_cbor_put_map(&w, pairs);
    for (unsigned f = 1; f <= 4; f++) {
        if ((fields >> f & 1u) == 0)
            continue;
        mu_cbor_put_uint(&w, f);
        if (f == 1) {
            mu_cbor_put_array(&w, 1);
            mu_cbor_put_array(&w, 3);
            mu_cbor_put_bstr_head(&w, MU_KID_LEN);
            mu_kid_write(&w, &kid);
            mu_cbor_put_bstr(&w, mu_bytes(key, key_len));
            mu_cbor_put_uint(&w, 0);
        } else if (f == 2) {
            mu_cbor_put_array(&w, 1);
            if (mode >= 0)
                mu_cbor_put_array(&w, 2);
            mu_cbor_put_uint(&w, listed);
            if (mode >= 0)
                mu_cbor_put_uint(&w, (uint64_t)mode);
        } else {
            mu_cbor_put_uint(&w, 1);
        }
    }
    assert_int_equal(mu_writer_end(&w), 0);
    return mu_keyfetch_response_consume(mu_written(&w), &got);
}

static int response_with(size_t key_len, uint8_t kind, uint64_t listed,
                         unsigned fields)
{
    return response_in_mode(key_len, kind, listed, MU_MODE_END_TO_END, fields);
}

static void test_consume_refuses(void **state)
{
    struct mu_keyfetch_request q;
    uint8_t bytes[256];
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(response_with(32, MU_KEY_KB, 7, 0x0e), 0);
    assert_int_equal(response_with(32, MU_KEY_KB, 7, 0x2e), 0); /* key 5 */
    assert_true(response_with(31, MU_KEY_KB, 7, 0x0e) < 0);
    assert_true(response_with(33, MU_KEY_KB, 7, 0x0e) < 0);
    assert_true(response_with(0, MU_KEY_KB, 7, 0x0e) < 0);
    assert_true(response_with(32, MU_KEY_KG, 7, 0x0e) < 0);
    assert_true(response_with(32, MU_KEY_NONE, 7, 0x0e) < 0);
    assert_true(response_with(32, MU_KEY_KB, 8, 0x0e) < 0);
    assert_true(response_with(32, MU_KEY_KB, (uint64_t)7 | 1ull << 32, 0x0e) <
                0);
    assert_true(response_with(32, MU_KEY_KB, 7, 0x06) < 0);
    assert_true(response_with(32, MU_KEY_KB, 7, 0x0a) < 0);
    assert_true(response_with(32, MU_KEY_KB, 7, 0x0c) < 0);

    assert_int_equal(response_in_mode(32, MU_KEY_KB, 7, 2, 0x0e), 0);
    assert_true(response_in_mode(32, MU_KEY_KB, 7, 3, 0x0e) < 0);
    assert_true(response_in_mode(32, MU_KEY_KB, 7, 258, 0x0e) < 0);
    assert_true(response_in_mode(32, MU_KEY_KB, 7, -1, 0x0e) < 0);

    /* nine kids, one more than a device has groups */
    mu_cbor_put_map(&w, 1);
    mu_cbor_put_uint(&w, 1);
    mu_cbor_put_array(&w, 9);
    for (uint32_t i = 0; i < 9; i++) {
        struct mu_kid kid = kb(i, 1);
        mu_cbor_put_bstr_head(&w, MU_KID_LEN);
        mu_kid_write(&w, &kid);
    }
    assert_true(mu_keyfetch_request_consume(mu_written(&w), &q) < 0);
    assert_int_equal(q.held_len, 0);
    /* a kid of 12 bytes; no field 1 */
    assert_true(mu_keyfetch_request_consume(
                    mu_bytes("\xa1\x01\x81\x4c\x05...........", 16), &q) < 0);
    assert_int_equal(mu_keyfetch_request_consume(mu_bytes("\xa0", 1), &q),
                     MU_ERR_MALFORMED);
    assert_int_equal(
        mu_keyfetch_request_consume(mu_bytes("\xa2\x01\x80\x09\x01", 5), &q),
        0);
    /* a key to speak by: without a scheme, cut short, and no array */
    assert_true(mu_keyfetch_request_consume(
                    mu_bytes("\xa2\x01\x80\x04\x82\x00\x41k", 8), &q) < 0);
    assert_true(mu_keyfetch_request_consume(
                    mu_bytes("\xa2\x01\x80\x04\x82\x01\x41k", 8), &q) < 0);
    assert_true(mu_keyfetch_request_consume(
                    mu_bytes("\xa2\x01\x80\x04\x01", 5), &q) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_create_refuses),
        cmocka_unit_test(test_consume_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
