/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control, feedback, status and announce packets: there and back, every byte
 * that is changed is noticed, every length that is wrong is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cast.h"

static const struct mu_crypto *c;
static struct mu_secret key;

enum what { POLL, NEED, CENSUS, STATUS, WHAT_COUNT };

static int create(enum what what, struct mu_writer *w)
{
    static const uint8_t bits[3] = {1, 2, 0x80};
    const struct mu_poll p = {1, 0x203, 4, 3, 6, 0x708, 9};
    const struct mu_need n = {1, 0x203, 0x405, 6, 0x107, MU_BYTES(bits)};
    const struct mu_census s = {1, 2, 3, 0x405, 0x607, 8, MU_BYTES(bits)};
    const struct mu_status t = {1, 0x203, 4, 5, {6, 7, 8}};

    switch (what) {
    case POLL:
        return mu_poll_create(c, &key, &p, w);
    case NEED:
        return mu_need_create(c, &key, &n, w);
    case CENSUS:
        return mu_census_create(c, &key, &s, w);
    default:
        return mu_status_create(c, &key, &t, w);
    }
}

static int consume(enum what what, const struct mu_secret *k,
                   struct mu_bytes in)
{
    struct mu_poll p;
    struct mu_need n;
    struct mu_census s;
    struct mu_status t;

    switch (what) {
    case POLL:
        return mu_poll_consume(c, k, in, &p);
    case NEED:
        return mu_need_consume(c, k, in, &n);
    case CENSUS:
        return mu_census_consume(c, k, in, &s);
    default:
        return mu_status_consume(c, k, in, &t);
    }
}

static void test_fields(void **state)
{
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_poll p;
    struct mu_need n;
    struct mu_census s;
    struct mu_status t;

    (void)state;
    assert_int_equal(create(POLL, &w), 0);
    assert_int_equal(w.len, 18);
    assert_memory_equal(out, "\x42\1\2\3\4\3\6\7\x08\x09", 10);
    assert_int_equal(mu_poll_consume(c, &key, mu_written(&w), &p), 0);
    assert_true(p.session == 1 && p.page == 0x203 && p.round == 4 &&
                p.flags == 3 && p.sent == 6 && p.window_ms == 0x708 &&
                p.kg == 9);
    w.len = 0;
    assert_int_equal(create(NEED, &w), 0);
    assert_int_equal(w.len, 20);
    assert_memory_equal(out, "\x43\1\2\3\4\5\6\1\7\1\2\x80", 12);
    assert_int_equal(mu_need_consume(c, &key, mu_written(&w), &n), 0);
    assert_true(n.session == 1 && n.receiver == 0x203 && n.page == 0x405 &&
                n.round == 6 && n.need == 0x107 && n.bitmap.len == 3 &&
                n.bitmap.data[2] == 0x80);
    w.len = 0;
    assert_int_equal(create(CENSUS, &w), 0);
    assert_int_equal(w.len, 20);
    assert_memory_equal(out, "\x44\1\2\3\4\5\6\7\x08\1\2\x80", 12);
    assert_int_equal(mu_census_consume(c, &key, mu_written(&w), &s), 0);
    assert_true(s.session == 1 && s.state == 2 && s.round == 3 &&
                s.window_ms == 0x405 && s.base == 0x607 && s.kg == 8 &&
                s.bitmap.len == 3);
    w.len = 0;
    assert_int_equal(create(STATUS, &w), 0);
    assert_int_equal(w.len, 22);
    assert_memory_equal(out, "\x45\1\2\3\4\5\6\7\x08\0", 10);
    assert_int_equal(mu_status_consume(c, &key, mu_written(&w), &t), 0);
    assert_true(t.session == 1 && t.receiver == 0x203 && t.state == 4 &&
                t.reason == 5 && t.ack[2] == 8);
}

static void test_tampered(void **state)
{
    struct mu_secret other = key;

    (void)state;
    other.bytes[0] ^= 1;
    for (enum what what = 0; what < WHAT_COUNT; what++) {
        uint8_t out[64];
        struct mu_writer w = mu_writer(out, sizeof(out));
        assert_int_equal(create(what, &w), 0);
        assert_int_equal(consume(what, &key, mu_written(&w)), 0);
        assert_int_equal(consume(what, &other, mu_written(&w)), MU_ERR_AUTH);
        for (size_t i = 0; i < 8 * w.len; i++) {
            out[i / 8] ^= (uint8_t)(1 << i % 8);
            assert_int_equal(consume(what, &key, mu_written(&w)),
                             i < 8 ? MU_ERR_UNEXPECTED : MU_ERR_AUTH);
            out[i / 8] ^= (uint8_t)(1 << i % 8);
        }
        for (size_t len = 0; len < w.len; len++)
            assert_true(consume(what, &key, mu_bytes(out, len)) < 0);
        assert_true(consume(what, &key, mu_bytes(out, w.len + 1)) < 0);
        /* One byte short of room is an error, and the packet is not there. */
        struct mu_writer small = mu_writer(out, w.len - 1);
        assert_int_equal(create(what, &small), MU_ERR_NO_SPACE);
        assert_int_equal(mu_written(&small).len, 0);
    }
}

static void test_bounds(void **state)
{
    uint8_t out[MU_PACKET_MAX + 1], bits[MU_PACKET_MAX] = {0};
    struct mu_writer w = mu_writer(out, sizeof(out));
    struct mu_need n = {.bitmap = {bits, 65}};
    struct mu_census s = {.bitmap = {bits, MU_PACKET_MAX - 16}};

    (void)state;
    assert_int_equal(mu_need_create(c, &key, &n, &w), MU_ERR_USAGE);
    assert_int_equal(mu_census_create(c, &key, &s, &w), MU_ERR_USAGE);
    s.bitmap.len--;
    assert_int_equal(mu_census_create(c, &key, &s, &w), 0);
    assert_int_equal(w.len, MU_PACKET_MAX);
    assert_int_equal(mu_census_consume(c, &key, mu_written(&w), &s), 0);
    assert_int_equal(mu_census_consume(c, &key, mu_bytes(out, sizeof(out)),
                                       &s), MU_ERR_TOO_LARGE);
}

static void test_peek(void **state)
{
    static const uint16_t want[] = {9, 0x203, 8, 0x203};
    uint8_t out[64];
    enum mu_cast_kind kind;
    uint8_t session;
    uint16_t who;

    (void)state;
    for (enum what what = 0; what < WHAT_COUNT; what++) {
        struct mu_writer w = mu_writer(out, sizeof(out));
        assert_int_equal(create(what, &w), 0);
        assert_int_equal(mu_cast_peek(mu_written(&w), &kind, &session, &who),
                         0);
        assert_int_equal(kind, MU_CAST_POLL + what);
        assert_int_equal(session, 1);
        assert_int_equal(who, want[what]);
        assert_int_equal(mu_cast_peek(mu_bytes(out, 3), &kind, &session, &who),
                         MU_ERR_TRUNCATED);
    }
    out[0] = 0x3f;
    assert_int_equal(mu_cast_peek(mu_bytes(out, 18), &kind, &session, &who),
                     MU_ERR_MALFORMED);
    assert_int_equal(mu_cast_peek(mu_bytes(NULL, 0), &kind, &session, &who),
                     MU_ERR_TRUNCATED);
}

/* ---- announce ---- */

static uint8_t object[MU_ANNOUNCE_MAX];

static size_t fragment(uint8_t *out, size_t len, uint16_t payload, uint8_t i)
{
    struct mu_writer w = mu_writer(out, MU_PACKET_MAX);

    assert_int_equal(mu_announce_packet(c, &key, NULL, mu_bytes(object, len),
                                        payload, 5, i, &w), 0);
    return w.len;
}

static void assemble(size_t len, uint16_t payload, uint8_t step)
{
    struct mu_assembly a = {0};
    uint8_t n = mu_announce_fragments(len, payload), out[MU_PACKET_MAX];
    uint8_t i = 0;

    assert_true(n > 0);
    for (unsigned round = 0; round < 2; round++) { /* and once more */
        for (unsigned count = 1; count <= n; count++) {
            i = (uint8_t)((i + step) % n);
            struct mu_bytes p = mu_bytes(out, fragment(out, len, payload, i));
            assert_true(p.len <= payload);
            assert_int_equal(mu_assembly_packet(&a, c, &key, p), count == n);
            if (count < n) /* twice is once */
                assert_int_equal(mu_assembly_packet(&a, c, &key, p), 0);
        }
        assert_int_equal(a.object_len, len);
        assert_memory_equal(a.object, object, len);
    }
}

static void test_assembly(void **state)
{
    (void)state;
    for (size_t len = 1; len <= sizeof(object); len += 1 + len / 9) {
        assemble(len, 48, 1);
        assemble(len, 1024, 1);
        assemble(len, 100, 1);
    }
    assemble(sizeof(object), 48, 1);
    assemble(sizeof(object), 48, 55);  /* backwards: the last one first */
    assemble(sizeof(object) - 1, 48, 27);
    assert_int_equal(mu_announce_fragments(sizeof(object), 48), 56);
    assert_int_equal(mu_announce_fragments(sizeof(object) + 1, 48), 0);
    assert_int_equal(mu_announce_fragments(0, 48), 0);
    assert_int_equal(mu_announce_fragments(1, 47), 0);
}

static void test_assembly_refuses(void **state)
{
    struct mu_assembly a = {0};
    uint8_t out[MU_PACKET_MAX], tag[MU_TAG_LEN];
    size_t len = fragment(out, 200, 100, 0);
    struct mu_writer w;

    (void)state;
    for (size_t i = 0; i < len; i++) {
        out[i] ^= 1;
        assert_true(mu_assembly_packet(&a, c, &key, mu_bytes(out, len)) < 0);
        out[i] ^= 1;
        assert_true(mu_assembly_packet(&a, c, &key, mu_bytes(out, i)) < 0);
    }
    assert_int_equal(a.have, 0);
    assert_int_equal(mu_assembly_packet(&a, c, &key, mu_bytes(out, len)), 0);
    /* Another object takes over; a stranger's packet does not. */
    object[0] ^= 1;
    w = mu_writer(out, sizeof(out));
    assert_int_equal(mu_announce_tag(c, &key, mu_bytes(object, 60), 100, 5, 0,
                                     tag), 0);
    assert_int_equal(mu_announce_packet(c, NULL, tag, mu_bytes(object, 60),
                                        100, 5, 0, &w), 0);
    out[9] ^= 1;
    assert_int_equal(mu_assembly_packet(&a, c, &key, mu_written(&w)),
                     MU_ERR_AUTH);
    assert_int_equal(a.have, 1);
    out[9] ^= 1;
    assert_int_equal(mu_assembly_packet(&a, c, &key, mu_written(&w)), 1);
    assert_int_equal(a.object_len, 60);
    object[0] ^= 1;
    w.len = 0;
    assert_int_equal(mu_announce_packet(c, NULL, NULL, mu_bytes(object, 60),
                                        100, 5, 0, &w), MU_ERR_USAGE);
    assert_int_equal(mu_announce_packet(c, &key, NULL, mu_bytes(object, 60),
                                        100, 5, 1, &w), MU_ERR_USAGE);
}

/* A member with the key, but with lies: nothing is written outside. */
static void test_assembly_liar(void **state)
{
    static const struct { uint8_t index, count; size_t len; int rc; } lies[] = {
        {0, 0, 10, MU_ERR_MALFORMED},  {3, 3, 10, MU_ERR_MALFORMED},
        {0, 57, 10, MU_ERR_MALFORMED}, {54, 56, 1400, MU_ERR_MALFORMED},
        {1, 3, 1000, MU_ERR_MALFORMED}, {0, 2, 100, 0},
        {1, 2, 101, MU_ERR_MALFORMED}, {1, 2, 101, 0},
        {0, 2, 100, MU_ERR_MALFORMED}, {0, 3, 100, 0},
        {1, 3, 99, MU_ERR_MALFORMED},  {1, 2, 100, 0},
        {0, 2, 100, MU_ERR_DIGEST},
    };
    struct mu_assembly a = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint8_t out[MU_PACKET_MAX] = {MU_CAST_ANNOUNCE, 5, 1, 2, 3, 4,
                                      lies[i].index, lies[i].count};
        struct mu_bytes parts[2] = {mu_bytes(out, 8),
                                    mu_bytes(out + 16, lies[i].len)};
        assert_int_equal(mu_tag_make(c, &key, parts, 2, out + 8), 0);
        assert_int_equal(mu_assembly_packet(&a, c, &key,
                                            mu_bytes(out, 16 + lies[i].len)),
                         lies[i].rc);
    }
}

/* ---- content ---- */

/* Encrypting in pieces is encrypting at once. */
static void test_crypt(void **state)
{
    uint8_t whole[200], pieces[200];
    struct mu_secret cek;

    (void)state;
    assert_int_equal(mu_secret_set(&cek, mu_bytes(object, 16)), 0);
    memset(whole, 0, sizeof(whole));
    assert_int_equal(mu_cast_crypt(c, &cek, 1000, whole, sizeof(whole)), 0);
    for (size_t step = 1; step < 70; step++) {
        memset(pieces, 0, sizeof(pieces));
        for (size_t at = 0; at < sizeof(pieces); at += step) {
            size_t n = sizeof(pieces) - at < step ? sizeof(pieces) - at : step;
            assert_int_equal(mu_cast_crypt(c, &cek, 1000 + at, pieces + at, n),
                             0);
        }
        assert_memory_equal(whole, pieces, sizeof(whole));
    }
    assert_int_equal(mu_cast_crypt(c, &cek, 5, whole, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_assembly),
        cmocka_unit_test(test_assembly_refuses),
        cmocka_unit_test(test_assembly_liar),
        cmocka_unit_test(test_crypt),
    };

    c = mu_crypto_openssl();
    if (c == NULL || mu_secret_set(&key, mu_bytes("0123456789abcdef", 16)) != 0)
        return 1;
    for (size_t i = 0; i < sizeof(object); i++)
        object[i] = (uint8_t)(i * 7 + i / 256);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
