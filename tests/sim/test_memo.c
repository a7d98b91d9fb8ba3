/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulator's crypto knows again: the same bytes, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "sim/memo.h"

static struct sim_memo memo;
static const struct mu_crypto *real;

static int open_memo(void **state)
{
    (void)state;
    real = mu_crypto_openssl();
    sim_memo_init(&memo, real);
    return 0;
}

static int close_memo(void **state)
{
    (void)state;
    sim_memo_clear(&memo);
    return 0;
}

static void fill(uint8_t *to, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)((i * 7 + seed) * 31 >> 2);
}

/* Both ways; the parts go in one after the other. */
static void check_hash(const struct mu_bytes *parts, size_t parts_len)
{
    struct mu_sha256 a, b;
    uint8_t is[MU_SHA256_LEN], want[MU_SHA256_LEN];

    real->sha256_init(real->ctx, &a);
    real->sha256_init(real->ctx, &b);
    for (size_t i = 0; i < parts_len; i++) {
        sim_memo_sha256_update(&memo, &a, parts[i]);
        real->sha256_update(real->ctx, &b, parts[i]);
    }
    real->sha256_final(real->ctx, &a, is);
    real->sha256_final(real->ctx, &b, want);
    assert_memory_equal(is, want, sizeof is);
}

static void test_hash_again(void **state)
{
    uint8_t bytes[1472];
    struct mu_bytes part = MU_BYTES(bytes);
    uint64_t before = memo.found;

    (void)state;
    fill(bytes, sizeof bytes, 1);
    check_hash(&part, 1);
    assert_int_equal(memo.found, before);
    check_hash(&part, 1);
    assert_int_equal(memo.found, before + 1);
}

/* One bit of any byte, or one byte more or less, and it is another packet. */
static void test_hash_tampered(void **state)
{
    static const size_t lens[] = {1, 63, 64, 65, 300, 1024, 1472, 1536};
    uint8_t bytes[1600];

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct mu_bytes part = mu_bytes(bytes, lens[i]);
        uint64_t found;

        fill(bytes, sizeof bytes, 2 + (unsigned)i);
        check_hash(&part, 1);
        found = memo.found;
        for (size_t at = 0; at < lens[i]; at++) {
            bytes[at] ^= 1;
            check_hash(&part, 1);
            bytes[at] ^= 1;
            check_hash(&part, 1); /* puts it back in its place */
        }
        part.len++;
        check_hash(&part, 1);
        part.len -= 2;
        check_hash(&part, 1);
        assert_true(memo.found - found <= lens[i]);
    }
}

/* The same part after another beginning. */
static void test_hash_goes_on(void **state)
{
    uint8_t first[200], other[200], second[500];
    struct mu_bytes parts[3] = {MU_BYTES(first), MU_BYTES(second),
                                MU_BYTES(second)};
    uint64_t found;

    (void)state;
    fill(first, sizeof first, 40);
    fill(other, sizeof other, 40);
    fill(second, sizeof second, 41);
    other[199] ^= 0x80;
    check_hash(parts, 3);
    found = memo.found;
    check_hash(parts, 3);
    assert_int_equal(memo.found, found + 3);
    parts[0] = MU_BYTES(other);
    check_hash(parts, 3);
    assert_int_equal(memo.found, found + 3);
    parts[0] = mu_bytes(first, 10); /* too short to be kept */
    check_hash(parts, 3);
    check_hash(parts, 3);
    assert_int_equal(memo.found, found + 5);
    parts[0] = mu_bytes(first, 11);
    check_hash(parts, 3);
    assert_int_equal(memo.found, found + 5);
}

struct signed_text {
    uint8_t pub[MU_PUBLIC_KEY_MAX], sig[MU_SIGNATURE_LEN], text[300];
    size_t pub_len;
    struct mu_bytes parts[3];
};

static int verify(struct signed_text *t, size_t parts_len)
{
    struct mu_bytes pub = mu_bytes(t->pub, t->pub_len);
    int rc = sim_memo_verify(&memo, MU_ALG_ES256, pub, t->parts, parts_len,
                             t->sig);

    assert_int_equal(rc, real->verify(real->ctx, MU_ALG_ES256, pub, t->parts,
                                      parts_len, t->sig));
    return rc;
}

static void sign(struct signed_text *t, struct mu_secret *priv)
{
    assert_int_equal(real->keypair(real->ctx, MU_ALG_ES256, priv, t->pub,
                                   &t->pub_len), 0);
    fill(t->text, sizeof t->text, 50);
    t->parts[0] = mu_bytes(t->text, 100);
    t->parts[1] = mu_bytes(t->text + 100, 50);
    t->parts[2] = mu_bytes(t->text + 150, 150);
    assert_int_equal(real->sign(real->ctx, MU_ALG_ES256, priv, t->parts, 3,
                                t->sig), 0);
}

static void test_verify(void **state)
{
    struct signed_text t;
    struct mu_secret priv;
    uint64_t found = memo.found;

    (void)state;
    sign(&t, &priv);
    assert_int_equal(verify(&t, 3), 0);
    assert_int_equal(memo.found, found);
    assert_int_equal(verify(&t, 3), 0);
    assert_int_equal(memo.found, found + 1);
    /* The signature is the same in all that follow, so each looks it up where
     * the good one is. */
    for (size_t at = 0; at < sizeof t.text; at += 23) {
        t.text[at] ^= 4;
        assert_int_equal(verify(&t, 3), MU_ERR_AUTH);
        assert_int_equal(verify(&t, 3), MU_ERR_AUTH);
        t.text[at] ^= 4;
        assert_int_equal(verify(&t, 3), 0);
    }
    assert_int_equal(verify(&t, 2), MU_ERR_AUTH);
    assert_int_equal(verify(&t, 3), 0);
    t.parts[2].len--;
    assert_int_equal(verify(&t, 3), MU_ERR_AUTH);
    t.parts[2].len++;
    assert_int_equal(verify(&t, 3), 0);
    t.sig[40] ^= 1;
    assert_int_equal(verify(&t, 3), MU_ERR_AUTH);
    t.sig[40] ^= 1;
    assert_int_equal(verify(&t, 3), 0);
    mu_secret_clear(&priv);
}

/* By another one's key, and by none at all. */
static void test_verify_other_key(void **state)
{
    struct signed_text t, other;
    struct mu_secret priv;

    (void)state;
    sign(&other, &priv);
    sign(&t, &priv);
    assert_int_equal(verify(&t, 3), 0);
    memcpy(t.pub, other.pub, sizeof t.pub);
    assert_int_equal(verify(&t, 3), MU_ERR_AUTH);
    t.pub[30] ^= 1;
    assert_int_not_equal(verify(&t, 3), 0);
    t.pub_len = 32;
    assert_int_not_equal(verify(&t, 3), 0);
    mu_secret_clear(&priv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_again),
        cmocka_unit_test(test_hash_tampered),
        cmocka_unit_test(test_hash_goes_on),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_other_key),
    };
    return cmocka_run_group_tests(tests, open_memo, close_memo);
}
