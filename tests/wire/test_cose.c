/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COSE: published messages, each with a twin for every bit flipped in it, and
 * what a strict reader has to refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cbor.h"
#include "muster/cose.h"
#include "tests/crypto/vec.h"

#define VECTORS "tests/vectors/wire/cose.vec"

static const struct mu_crypto *crypto;

static struct mu_cose_args args_of(const struct vec_case *v)
{
    struct mu_reader alg = mu_reader(vec_get(v, "alg"));
    struct mu_cose_args a = {0};

    a.alg = (enum mu_alg)mu_cbor_get_int(&alg);
    assert_int_equal(mu_reader_end(&alg), 0);
    a.external_aad = vec_get(v, "aad");
    return a;
}

/* Consumes msg as the case says; *payload views msg or buf. */
static int consume(const struct vec_case *v, const struct mu_cose_args *a,
                   struct mu_bytes key, struct mu_bytes msg, uint8_t *buf,
                   size_t cap, struct mu_bytes *payload)
{
    struct mu_writer w = mu_writer(buf, cap);
    struct mu_secret secret;

    if (strncmp(v->op, "sign1", 5) == 0)
        return mu_cose_sign1_consume(crypto, a, key, msg, payload);
    assert_int_equal(mu_secret_set(&secret, key), 0);
    if (strcmp(v->op, "mac0") == 0)
        return mu_cose_mac0_consume(crypto, a, &secret, msg, payload);
    assert_string_equal(v->op, "encrypt0");
    int rc = mu_cose_encrypt0_consume(crypto, a, &secret, msg, &w, payload);
    assert_int_equal(w.len, rc == 0 ? payload->len : 0);
    return rc;
}

/* Every message with one bit flipped, or cut short, is refused. What is in
 * the unprotected bucket or is a length may say so in its own way; nothing
 * says yes, except a flip in the kid, which nobody signed. */
static void twins(const struct vec_case *v, const struct mu_cose_args *a)
{
    struct mu_bytes msg = vec_get(v, "msg");
    struct mu_bytes payload;
    struct mu_cose m;
    uint8_t buf[256];
    uint8_t *twin = malloc(msg.len);

    assert_non_null(twin);
    assert_int_equal(mu_cose_decode(msg, &m), 0);
    for (size_t bit = 0; bit < 8 * msg.len; bit++) {
        size_t at = bit / 8;
        if (m.kid.len != 0 && msg.data + at >= m.kid.data
            && msg.data + at < m.kid.data + m.kid.len)
            continue;
        /* The label of the kid (4): another one would be passed over. */
        if (m.kid.len != 0 && msg.data + at == m.kid.data - 2)
            continue;
        memcpy(twin, msg.data, msg.len);
        twin[at] ^= (uint8_t)(1u << bit % 8);
        if (consume(v, a, vec_get(v, "key"), mu_bytes(twin, msg.len), buf,
                    sizeof buf, &payload)
            == 0)
            fail_msg("%s: accepted with bit %zu flipped", v->source, bit);
    }
    for (size_t len = 0; len < msg.len; len++) {
        memcpy(twin, msg.data, len);
        uint8_t *cut = malloc(len != 0 ? len : 1); /* for the sanitizer */
        assert_non_null(cut);
        memcpy(cut, msg.data, len);
        assert_int_not_equal(consume(v, a, vec_get(v, "key"),
                                     mu_bytes(cut, len), buf, sizeof buf,
                                     &payload),
                             0);
        free(cut);
    }
    free(twin);
}

/* What is deterministic comes out as published, byte for byte. */
static void create_again(const struct vec_case *v, struct mu_cose_args a)
{
    struct mu_bytes msg = vec_get(v, "msg");
    struct mu_secret secret;
    struct mu_cose m;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    if (strncmp(v->op, "sign1", 5) == 0)
        return;
    assert_int_equal(mu_cose_decode(msg, &m), 0);
    a.kid = m.kid;
    a.iv = m.iv;
    a.payload = vec_get(v, "payload");
    assert_int_equal(mu_secret_set(&secret, vec_get(v, "key")), 0);
    if (strcmp(v->op, "mac0") == 0)
        assert_int_equal(mu_cose_mac0_create(crypto, &a, &secret, &w), 0);
    else
        assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &secret, &w), 0);
    assert_int_equal(w.len, msg.len);
    assert_memory_equal(buf, msg.data, msg.len);
    /* One byte less of room: refused, and nothing is written. */
    w = mu_writer(buf, msg.len - 1);
    if (strcmp(v->op, "mac0") == 0)
        assert_int_equal(mu_cose_mac0_create(crypto, &a, &secret, &w),
                         MU_ERR_NO_SPACE);
    else
        assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &secret, &w),
                         MU_ERR_NO_SPACE);
    assert_int_equal(w.len, 0);
}

static void vector(const struct vec_case *v, void *user)
{
    struct mu_cose_args a = args_of(v);
    struct mu_bytes payload;
    uint8_t buf[256];

    (void)user;
    if (strcmp(v->op, "sign1-detached") == 0) {
        a.detached = true;
        a.payload = vec_get(v, "payload");
    }
    int rc = consume(v, &a, vec_get(v, "key"), vec_get(v, "msg"), buf,
                     sizeof buf, &payload);
    if (strcmp(mu_err_name(rc), v->error[0] != '\0' ? v->error : "OK") != 0)
        fail_msg("%s: %s", v->source, mu_err_name(rc));
    if (rc != 0) {
        assert_int_equal(payload.len, 0);
        return;
    }
    assert_true(mu_bytes_eq(payload, vec_get(v, "payload")));
    twins(v, &a);
    create_again(v, a);

    /* Other associated data, or one that begins the same. */
    const uint8_t more[] = {0x11, 0xaa, 0x22, 0xbb, 0x33, 0xcc,
                            0x44, 0xdd, 0x55, 0x00, 0x66, 0x99, 0x00};
    a.external_aad = MU_BYTES(more);
    assert_int_equal(consume(v, &a, vec_get(v, "key"), vec_get(v, "msg"), buf,
                             sizeof buf, &payload),
                     MU_ERR_AUTH);
}

static void test_vectors(void **state)
{
    (void)state;
    assert_int_equal(vec_each(VECTORS, vector, NULL), 26);
}

struct fixture {
    struct mu_secret key;
    struct mu_secret priv;
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    size_t pub_len;
};

static void fixture_make(struct fixture *f, enum mu_alg alg, uint8_t seed)
{
    uint8_t bytes[32];

    memset(bytes, seed, sizeof bytes);
    assert_int_equal(mu_secret_set(&f->key, mu_bytes(bytes, 16)), 0);
    assert_int_equal(crypto->keypair(crypto->ctx, alg, &f->priv, f->pub,
                                     &f->pub_len),
                     0);
}

static void test_sign1_round(void **state)
{
    static const enum mu_alg algs[] = {MU_ALG_ES256, MU_ALG_EDDSA};
    static const uint8_t kid[] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t content[700];
    uint8_t buf[1024];
    struct mu_bytes payload;

    (void)state;
    memset(content, 0x5a, sizeof content);
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct fixture other;
        fixture_make(&f, algs[i], 1);
        fixture_make(&other, algs[i], 2);
        struct mu_bytes pub = mu_bytes(f.pub, f.pub_len);
        struct mu_cose_args a = {.alg = algs[i],
                                 .kid = MU_BYTES(kid),
                                 .external_aad = mu_bytes_str("muster test"),
                                 .payload = MU_BYTES(content)};
        struct mu_writer w = mu_writer(buf, sizeof buf);
        assert_int_equal(mu_cose_sign1_create(crypto, &a, &f.priv, &w), 0);
        assert_true(w.len <= sizeof content + sizeof kid
                                 + MU_COSE_OVERHEAD_MAX);
        assert_int_equal(
            mu_cose_sign1_consume(crypto, &a, pub, mu_written(&w), &payload),
            0);
        assert_true(mu_bytes_eq(payload, MU_BYTES(content)));
        assert_int_equal(mu_cose_sign1_consume(
                             crypto, &a, mu_bytes(other.pub, other.pub_len),
                             mu_written(&w), &payload),
                         MU_ERR_AUTH);

        struct mu_cose_args wrong = a;
        wrong.kid = mu_bytes(kid, 7);
        assert_int_equal(mu_cose_sign1_consume(crypto, &wrong, pub,
                                               mu_written(&w), &payload),
                         MU_ERR_UNKNOWN_KEY);
        wrong = a;
        wrong.alg = algs[1 - i];
        assert_int_equal(mu_cose_sign1_consume(crypto, &wrong, pub,
                                               mu_written(&w), &payload),
                         MU_ERR_UNSUPPORTED);
        wrong = a;
        wrong.detached = true;
        assert_int_equal(mu_cose_sign1_consume(crypto, &wrong, pub,
                                               mu_written(&w), &payload),
                         MU_ERR_MALFORMED);
        wrong = a;
        wrong.alg = MU_ALG_HMAC256;
        assert_int_equal(mu_cose_sign1_consume(crypto, &wrong, pub,
                                               mu_written(&w), &payload),
                         MU_ERR_UNSUPPORTED);

        a.detached = true;
        w = mu_writer(buf, sizeof buf);
        assert_int_equal(mu_cose_sign1_create(crypto, &a, &f.priv, &w), 0);
        assert_true(w.len < 128);
        assert_int_equal(
            mu_cose_sign1_consume(crypto, &a, pub, mu_written(&w), &payload),
            0);
        content[3] ^= 1;
        assert_int_equal(
            mu_cose_sign1_consume(crypto, &a, pub, mu_written(&w), &payload),
            MU_ERR_AUTH);
        content[3] ^= 1;
    }
}

static void test_encrypt0_bounds(void **state)
{
    static const uint8_t nonce[13] = {7};
    static const uint8_t nonce2[13] = {8};
    uint8_t aad[MU_COSE_ENC_STRUCTURE_MAX] = {0};
    uint8_t buf[400];
    uint8_t plain[8];
    struct mu_bytes payload;
    struct fixture f;

    (void)state;
    fixture_make(&f, MU_ALG_ES256, 3);
    struct mu_cose_args a = {.alg = MU_ALG_AES_CCM_16_64_128,
                             .iv = MU_BYTES(nonce),
                             .iv_implicit = true,
                             .payload = mu_bytes_str("eight by")};
    /* 83, 68 "Encrypt0", 43 a1010a, 58 nn: 16 bytes before the data. */
    a.external_aad = mu_bytes(aad, MU_COSE_ENC_STRUCTURE_MAX - 16 + 1);
    struct mu_writer w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &f.key, &w),
                     MU_ERR_TOO_LARGE);
    a.external_aad.len--;
    assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &f.key, &w), 0);

    struct mu_writer out = mu_writer(plain, sizeof plain);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &a, &f.key,
                                              mu_written(&w), &out, &payload),
                     0);
    assert_true(mu_bytes_eq(payload, a.payload));
    out = mu_writer(plain, sizeof plain - 1);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &a, &f.key,
                                              mu_written(&w), &out, &payload),
                     MU_ERR_NO_SPACE);
    struct mu_cose_args b = a;
    b.iv = MU_BYTES(nonce2);
    out = mu_writer(plain, sizeof plain);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &b, &f.key,
                                              mu_written(&w), &out, &payload),
                     MU_ERR_AUTH);
    b.iv = mu_bytes(NULL, 0);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &b, &f.key,
                                              mu_written(&w), &out, &payload),
                     MU_ERR_MALFORMED);

    /* With the nonce in the message, a caller that expects another says so. */
    a.iv_implicit = false;
    a.payload.len = 0;
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &f.key, &w), 0);
    b.iv = MU_BYTES(nonce2);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &b, &f.key,
                                              mu_written(&w), &out, &payload),
                     MU_ERR_MALFORMED);
    b.iv = mu_bytes(NULL, 0);
    assert_int_equal(mu_cose_encrypt0_consume(crypto, &b, &f.key,
                                              mu_written(&w), &out, &payload),
                     0);
    assert_int_equal(payload.len, 0);
    a.iv = mu_bytes(nonce, 12);
    assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &f.key, &w),
                     MU_ERR_USAGE);
}

struct refusal {
    const char *why;
    const char *hex;
    int error;
};

/* Mac0 messages, but for what is said; decode looks at no tag. */
static const struct refusal refusals[] = {
    {"accepted as it is", "d18443a10105a0406474616767", MU_ERR_TRUNCATED},
    {"accepted as it is", "d18443a10105a0404474616767", 0},
    {"kid protected", "d18446a201050441aaa0404474616767", 0},
    {"unknown labels", "d18448a3010503006161f5a120f6404474616767", 0},
    {"crit", "d18446a20105028103a0404474616767", MU_ERR_UNSUPPORTED},
    {"crit unprotected", "d18443a10105a1028103404474616767",
     MU_ERR_UNSUPPORTED},
    {"partial iv", "d18443a10105a1064101404474616767", MU_ERR_UNSUPPORTED},
    {"alg in text", "d18448a101654853323536a0404474616767",
     MU_ERR_UNSUPPORTED},
    {"alg beyond 32 bits: 2^32 + 5",
     "d1844ba1011b0000000100000005a0404474616767", MU_ERR_UNSUPPORTED},
    {"alg twice in one map", "d18445a201050105a0404474616767",
     MU_ERR_MALFORMED},
    {"alg in both maps", "d18443a10105a10105404474616767", MU_ERR_MALFORMED},
    {"no alg", "d18441a0a0404474616767", MU_ERR_MALFORMED},
    {"no protected map", "d18440a0404474616767", MU_ERR_MALFORMED},
    {"alg of another type", "d18443a10140a0404474616767", MU_ERR_MALFORMED},
    {"kid in both maps", "d18446a201050441aaa10441aa404474616767",
     MU_ERR_MALFORMED},
    {"kid empty", "d18443a10105a10440404474616767", MU_ERR_MALFORMED},
    {"kid is text", "d18443a10105a1046161404474616767", MU_ERR_TRUNCATED},
    {"label is bytes", "d18443a10105a1414100404474616767", MU_ERR_MALFORMED},
    {"labels out of order", "d18443a10105a2050141010441aa404474616767",
     MU_ERR_TRUNCATED},
    {"bytes behind the protected map", "d18444a1010500a0404474616767",
     MU_ERR_MALFORMED},
    {"bytes behind the message", "d18443a10105a040447461676700",
     MU_ERR_MALFORMED},
    {"no tag", "8443a10105a0404474616767", MU_ERR_MALFORMED},
    {"tag of COSE_Mac", "d8618443a10105a0404474616767", MU_ERR_MALFORMED},
    {"tag in two bytes", "d8118443a10105a0404474616767", MU_ERR_MALFORMED},
    {"five items", "d18543a10105a040447461676700", MU_ERR_TRUNCATED},
    {"indefinite array", "d19f43a10105a0404474616767ff", MU_ERR_TRUNCATED},
    {"payload is text", "d18443a10105a0604474616767", MU_ERR_TRUNCATED},
    {"tag is nil", "d18443a10105a040f6", MU_ERR_TRUNCATED},
};

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return len;
}

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        uint8_t in[64];
        struct mu_cose m;
        size_t len = unhex(refusals[i].hex, in);
        int rc = mu_cose_decode(mu_bytes(in, len), &m);
        if (rc != refusals[i].error)
            fail_msg("%s: %s", refusals[i].why, mu_err_name(rc));
    }
}

/* A message in buf with its last string, of old_len bytes, made new_len long
 * (both below 24, so that the head is one byte). */
static struct mu_bytes resize_last(uint8_t *buf, struct mu_bytes msg,
                                   size_t old_len, size_t new_len)
{
    size_t head = msg.len - old_len - 1;

    assert_int_equal(buf[head] & 0x1f, old_len);
    buf[head] = (uint8_t)(buf[head] - old_len + new_len);
    for (size_t i = old_len; i < new_len; i++)
        buf[head + 1 + i] = 0;
    return mu_bytes(buf, head + 1 + new_len);
}

/* Proofs that are too short or too long, and another message's tag before one
 * that is right in all else. */
static void test_wrong_lengths(void **state)
{
    static const uint8_t nonce[13] = {1};
    uint8_t buf[256];
    uint8_t plain[64];
    struct mu_bytes payload;
    struct fixture f;
    struct mu_cose_args a = {.alg = MU_ALG_ES256,
                             .payload = mu_bytes_str("x")};
    struct mu_writer w = mu_writer(buf, sizeof buf);

    (void)state;
    fixture_make(&f, MU_ALG_ES256, 4);
    struct mu_bytes pub = mu_bytes(f.pub, f.pub_len);
    assert_int_equal(mu_cose_sign1_create(crypto, &a, &f.priv, &w), 0);
    struct mu_bytes msg = mu_written(&w);
    buf[0] = 0xd1;
    assert_int_equal(mu_cose_sign1_consume(crypto, &a, pub, msg, &payload),
                     MU_ERR_MALFORMED);
    buf[0] = 0xd2;
    for (int more = -1; more <= 1; more++) {
        uint8_t *len = &buf[msg.len - 65];
        assert_int_equal(*len, 64);
        *len = (uint8_t)(64 + more);
        int rc = mu_cose_sign1_consume(
            crypto, &a, pub, mu_bytes(buf, (size_t)((int)msg.len + more)),
            &payload);
        assert_int_equal(rc, more == 0 ? 0 : MU_ERR_MALFORMED);
        *len = 64;
    }

    a.alg = MU_ALG_HMAC256_64;
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_cose_mac0_create(crypto, &a, &f.key, &w), 0);
    for (size_t len = 0; len <= 16; len++) {
        uint8_t twin[256];
        memcpy(twin, buf, sizeof twin);
        msg = resize_last(twin, mu_written(&w), 8, len);
        assert_int_equal(
            mu_cose_mac0_consume(crypto, &a, &f.key, msg, &payload),
            len == 8 ? 0 : MU_ERR_MALFORMED);
    }

    a.alg = MU_ALG_AES_CCM_16_64_128;
    a.iv = MU_BYTES(nonce);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_cose_encrypt0_create(crypto, &a, &f.key, &w), 0);
    for (size_t len = 0; len < 9; len++) {
        uint8_t twin[256];
        struct mu_writer out = mu_writer(plain, sizeof plain);
        memcpy(twin, buf, sizeof twin);
        msg = resize_last(twin, mu_written(&w), 9, len);
        assert_int_equal(mu_cose_encrypt0_consume(crypto, &a, &f.key, msg,
                                                  &out, &payload),
                         len < 8 ? MU_ERR_MALFORMED : MU_ERR_AUTH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_sign1_round),
        cmocka_unit_test(test_encrypt0_bounds),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wrong_lengths),
    };

    crypto = mu_crypto_openssl();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
