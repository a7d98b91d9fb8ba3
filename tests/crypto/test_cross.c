/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two back ends against each other, over many lengths and random inputs:
 * what one makes the other takes, and where there is one answer they agree.
 * And the parts of the contract that no vector shows.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_psa/crypto_psa.h"
#include "muster/crypto.h"

#define TEXT_MAX 300

static const struct mu_crypto *one(void)
{
    return mu_crypto_openssl();
}

static const struct mu_crypto *two(void)
{
    return mu_crypto_psa();
}

/* Bytes that look random and are the same on every run (xorshift64*). */
static void noise(uint64_t *seed, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        *seed ^= *seed >> 12;
        *seed ^= *seed << 25;
        *seed ^= *seed >> 27;
        out[i] = (uint8_t)((*seed * 0x2545f4914f6cdd1du) >> 56);
    }
}

static struct mu_secret noise_key(uint64_t *seed, size_t len)
{
    struct mu_secret s;
    uint8_t bytes[32];

    noise(seed, bytes, len);
    assert_int_equal(mu_secret_set(&s, mu_bytes(bytes, len)), 0);
    return s;
}

static void test_hash_lengths(void **state)
{
    uint8_t text[TEXT_MAX];
    uint64_t seed = 1;

    (void)state;
    noise(&seed, text, sizeof(text));
    for (size_t n = 0; n <= sizeof(text); n++) {
        const struct mu_bytes in = mu_bytes(text, n);
        const struct mu_bytes key = mu_bytes(text, n / 2);
        uint8_t a[32];
        uint8_t b[32];

        mu_sha256(one(), &in, 1, a);
        mu_sha256(two(), &in, 1, b);
        assert_memory_equal(a, b, 32);
        assert_int_equal(mu_hmac(one(), key, &in, 1, a), 0);
        assert_int_equal(mu_hmac(two(), key, &in, 1, b), 0);
        assert_memory_equal(a, b, 32);
        assert_int_equal(one()->hmac_sha1(one()->ctx, key, &in, 1, a), 0);
        assert_int_equal(two()->hmac_sha1(two()->ctx, key, &in, 1, b), 0);
        assert_memory_equal(a, b, 20);
    }
}

/* Eight parts are the limit, and are one text; a ninth is refused. */
static void test_hmac_parts(void **state)
{
    const struct mu_bytes key = mu_bytes_str("key");
    const struct mu_bytes whole = mu_bytes_str("abcdefgh");
    struct mu_bytes parts[9];
    uint8_t a[32];
    uint8_t b[32];

    (void)state;
    for (size_t i = 0; i < 9; i++)
        parts[i] = mu_bytes(whole.data + i % 8, 1);
    assert_int_equal(mu_hmac(one(), key, &whole, 1, a), 0);
    for (int i = 0; i < 2; i++) {
        const struct mu_crypto *c = i == 0 ? one() : two();

        assert_int_equal(mu_hmac(c, key, parts, 8, b), 0);
        assert_memory_equal(a, b, 32);
        assert_int_equal(mu_hmac(c, key, parts, 9, b), MU_ERR_USAGE);
        assert_int_equal(c->hmac_sha256(c->ctx, key, parts, 9, b),
                         MU_ERR_USAGE);
        assert_int_equal(c->hmac_sha1(c->ctx, key, parts, 9, b), MU_ERR_USAGE);
    }
}

static void test_hkdf_lengths(void **state)
{
    const struct mu_bytes prk =
        mu_bytes_str("0123456789abcdef0123456789abcdef");
    const struct mu_bytes info = mu_bytes_str("info");
    static uint8_t longest[255 * 32 + 1];
    static uint8_t other[255 * 32];

    (void)state;
    longest[255 * 32] = 0xee;
    assert_int_equal(mu_hkdf_expand(one(), prk, info, longest, 255 * 32), 0);
    assert_int_equal(mu_hkdf_expand(two(), prk, info, other, 255 * 32), 0);
    assert_memory_equal(longest, other, 255 * 32);
    assert_int_equal(longest[255 * 32], 0xee);
    assert_int_equal(mu_hkdf_expand(one(), prk, info, longest, 255 * 32 + 1),
                     MU_ERR_USAGE);
    /* A shorter output is a prefix of a longer one (RFC 5869 s.2.3). */
    for (size_t n = 0; n <= 100; n++) {
        uint8_t out[101];

        out[n] = 0xee;
        assert_int_equal(mu_hkdf_expand(one(), prk, info, out, n), 0);
        assert_memory_equal(out, longest, n);
        assert_int_equal(out[n], 0xee);
    }
}

static void aead_round(const struct mu_crypto *from, const struct mu_crypto *to,
                       enum mu_alg alg, size_t len, size_t aad_len)
{
    uint64_t seed = len * 1000 + aad_len + 7;
    struct mu_secret key = noise_key(&seed, 16);
    uint8_t nonce[13];
    uint8_t aad[TEXT_MAX];
    uint8_t text[TEXT_MAX];
    uint8_t apart[TEXT_MAX + 17];
    uint8_t place[TEXT_MAX + 17];
    const size_t nonce_len = alg == MU_ALG_A128GCM ? 12 : 13;
    const size_t tag_len = alg == MU_ALG_A128GCM ? 16 : 8;
    struct mu_aead a = {alg, &key, mu_bytes(nonce, nonce_len),
                        mu_bytes(aad, aad_len)};
    size_t n = 0;

    noise(&seed, nonce, sizeof(nonce));
    noise(&seed, aad, sizeof(aad));
    noise(&seed, text, sizeof(text));
    memcpy(place, text, len);
    apart[len + tag_len] = 0xee;
    assert_int_equal(from->seal(from->ctx, &a, mu_bytes(text, len), apart, &n),
                     0);
    assert_int_equal(n, len + tag_len);
    assert_int_equal(apart[n], 0xee);
    assert_int_equal(from->seal(from->ctx, &a, mu_bytes(place, len), place, &n),
                     0);
    assert_memory_equal(apart, place, n);

    assert_int_equal(to->open(to->ctx, &a, mu_bytes(apart, n), text, &n), 0);
    assert_int_equal(n, len);
    assert_int_equal(
        to->open(to->ctx, &a, mu_bytes(place, len + tag_len), place, &n), 0);
    assert_memory_equal(place, text, len);

    /* Every proper prefix of a sealed message is refused. */
    for (size_t cut = 0; cut < len + tag_len; cut += 5)
        assert_int_equal(to->open(to->ctx, &a, mu_bytes(apart, cut), place, &n),
                         MU_ERR_AUTH);
    a.nonce.len--;
    assert_int_equal(from->seal(from->ctx, &a, mu_bytes(text, len), place, &n),
                     MU_ERR_USAGE);
}

static void test_aead_rounds(void **state)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 31, 32, 33, 100, 299};
    static const enum mu_alg algs[] = {MU_ALG_AES_CCM_16_64_128,
                                       MU_ALG_A128GCM};

    (void)state;
    for (size_t g = 0; g < 2; g++) {
        for (size_t i = 0; i < 10; i++) {
            for (size_t j = 0; j < 10; j += 3) {
                aead_round(one(), two(), algs[g], lens[i], lens[j]);
                aead_round(two(), one(), algs[g], lens[i], lens[j]);
            }
        }
    }
}

/* CCM's 2-byte length field ends at 65,535 (RFC 3610 s.2.1). */
static void test_aead_limits(void **state)
{
    static uint8_t big[65536 + 8];
    uint64_t seed = 3;
    struct mu_secret key = noise_key(&seed, 16);
    struct mu_secret wide = noise_key(&seed, 32);
    const uint8_t nonce[13] = {1};
    struct mu_aead a = {MU_ALG_AES_CCM_16_64_128, &key, MU_BYTES(nonce),
                        mu_bytes(NULL, 0)};
    size_t n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct mu_crypto *c = i == 0 ? one() : two();
        const struct mu_crypto *d = i == 0 ? two() : one();

        a.alg = MU_ALG_AES_CCM_16_64_128;
        a.key = &key;
        memset(big, 0x11, sizeof(big));
        assert_int_equal(c->seal(c->ctx, &a, mu_bytes(big, 65536), big, &n),
                         MU_ERR_TOO_LARGE);
        assert_int_equal(c->seal(c->ctx, &a, mu_bytes(big, 65535), big, &n), 0);
        assert_int_equal(d->open(d->ctx, &a, mu_bytes(big, n), big, &n), 0);
        assert_int_equal(n, 65535);
        assert_int_equal(big[65534], 0x11);
        a.key = &wide;
        assert_int_equal(c->seal(c->ctx, &a, mu_bytes(big, 16), big, &n),
                         MU_ERR_USAGE);
        assert_int_equal(c->open(c->ctx, &a, mu_bytes(big, 16), big, &n),
                         MU_ERR_USAGE);
        a.alg = MU_ALG_A128CTR; /* no AEAD */
        a.key = &key;
        assert_int_equal(c->seal(c->ctx, &a, mu_bytes(big, 16), big, &n),
                         MU_ERR_UNSUPPORTED);
        assert_int_equal(c->open(c->ctx, &a, mu_bytes(big, 16), big, &n),
                         MU_ERR_UNSUPPORTED);
    }
}

/* All lengths, and a counter that carries through all its bytes. */
static void test_ctr_lengths(void **state)
{
    uint64_t seed = 5;
    struct mu_secret key = noise_key(&seed, 16);
    struct mu_secret wide = noise_key(&seed, 32);
    uint8_t counter[16];
    uint8_t a[TEXT_MAX];
    uint8_t b[TEXT_MAX];
    uint8_t text[TEXT_MAX];

    (void)state;
    memset(counter, 0xff, sizeof(counter));
    noise(&seed, text, sizeof(text));
    for (size_t n = 0; n <= TEXT_MAX; n++) {
        memcpy(a, text, sizeof(a));
        memcpy(b, text, sizeof(b));
        assert_int_equal(one()->aes_ctr(one()->ctx, &key, counter, a, n), 0);
        assert_int_equal(two()->aes_ctr(two()->ctx, &key, counter, b, n), 0);
        assert_memory_equal(a, b, sizeof(a));
        assert_memory_equal(a + n, text + n, sizeof(a) - n);
        counter[0] = (uint8_t)n;
    }
    assert_int_equal(one()->aes_ctr(one()->ctx, &wide, counter, a, 16),
                     MU_ERR_USAGE);
    assert_int_equal(two()->aes_ctr(two()->ctx, &wide, counter, a, 16),
                     MU_ERR_USAGE);
}

static void test_key_wrap_lengths(void **state)
{
    uint64_t seed = 9;
    struct mu_secret kek = noise_key(&seed, 16);
    uint8_t key[64];
    uint8_t wrapped[72];
    uint8_t back[64];

    (void)state;
    noise(&seed, key, sizeof(key));
    for (size_t n = 0; n <= sizeof(key); n++) {
        int rc = mu_key_wrap(one(), &kek, mu_bytes(key, n), wrapped);

        if (n % 8 != 0 || n < 16) {
            assert_int_equal(rc, MU_ERR_USAGE);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(
            mu_key_unwrap(two(), &kek, mu_bytes(wrapped, n + 8), back), 0);
        assert_memory_equal(back, key, n);
        wrapped[n / 2] ^= 0x20;
        assert_int_equal(
            mu_key_unwrap(two(), &kek, mu_bytes(wrapped, n + 8), back),
            MU_ERR_AUTH);
    }
    for (size_t n = 0; n < 24; n++)
        assert_int_equal(mu_key_unwrap(one(), &kek, mu_bytes(wrapped, n), back),
                         MU_ERR_MALFORMED);
    assert_int_equal(mu_key_unwrap(one(), &kek, mu_bytes(wrapped, 31), back),
                     MU_ERR_MALFORMED);
}

static void sign_round(const struct mu_crypto *from, const struct mu_crypto *to)
{
    const struct mu_bytes parts[3] = {
        mu_bytes_str("a command "),
        mu_bytes(NULL, 0),
        mu_bytes_str("for all"),
    };
    const struct mu_bytes whole = mu_bytes_str("a command for all");
    struct mu_secret priv;
    struct mu_secret other;
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    uint8_t pub2[MU_PUBLIC_KEY_MAX];
    uint8_t sig[64];
    uint8_t a[32];
    uint8_t b[32];
    size_t n;

    assert_int_equal(from->keypair(from->ctx, MU_ALG_ES256, &priv, pub, &n), 0);
    assert_int_equal(n, 65);
    assert_int_equal(from->sign(from->ctx, MU_ALG_ES256, &priv, parts, 3, sig),
                     0);
    assert_int_equal(
        to->verify(to->ctx, MU_ALG_ES256, MU_BYTES(pub), &whole, 1, sig), 0);
    sig[3] ^= 1;
    assert_int_equal(
        to->verify(to->ctx, MU_ALG_ES256, MU_BYTES(pub), &whole, 1, sig),
        MU_ERR_AUTH);

    assert_int_equal(to->keypair(to->ctx, MU_ALG_ES256, &other, pub2, &n), 0);
    assert_int_equal(
        from->agree(from->ctx, MU_ALG_ES256, &priv, MU_BYTES(pub2), a), 0);
    assert_int_equal(to->agree(to->ctx, MU_ALG_ES256, &other, MU_BYTES(pub), b),
                     0);
    assert_memory_equal(a, b, 32);

    assert_int_equal(from->keypair(from->ctx, MU_ALG_X25519, &priv, pub, &n),
                     0);
    assert_int_equal(n, 32);
    assert_int_equal(to->keypair(to->ctx, MU_ALG_X25519, &other, pub2, &n), 0);
    assert_int_equal(
        from->agree(from->ctx, MU_ALG_X25519, &priv, mu_bytes(pub2, 32), a), 0);
    assert_int_equal(
        to->agree(to->ctx, MU_ALG_X25519, &other, mu_bytes(pub, 32), b), 0);
    assert_memory_equal(a, b, 32);
}

static void test_sign_rounds(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        sign_round(one(), two());
        sign_round(two(), one());
    }
}

/* Two draws differ, all lengths are filled, and nothing behind them is. */
static void test_random(void **state)
{
    static uint8_t buf[5000];

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct mu_crypto *c = i == 0 ? one() : two();
        size_t zeros = 0;

        memset(buf, 0, sizeof(buf));
        assert_int_equal(c->random(c->ctx, buf, sizeof(buf) - 1), 0);
        assert_int_equal(buf[sizeof(buf) - 1], 0);
        for (size_t j = 0; j < sizeof(buf) - 1; j++)
            zeros += buf[j] == 0;
        assert_true(zeros < 100); /* 20 expected; 100 once in 2^120 */
        assert_int_equal(c->random(c->ctx, buf, 0), 0);
    }
}

static void *thread_main(void *arg)
{
    int *rc = arg;

    for (int i = 0; i < 5 && *rc == 0; i++)
        *rc = mu_crypto_selftest(mu_crypto_openssl());
    return NULL;
}

/* The OpenSSL back end, from four threads at once. */
static void test_threads(void **state)
{
    pthread_t threads[4];
    int rc[4] = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &rc[i]),
                         0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(rc[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), /* first: it races the set-up too */
        cmocka_unit_test(test_hash_lengths),
        cmocka_unit_test(test_hmac_parts),
        cmocka_unit_test(test_hkdf_lengths),
        cmocka_unit_test(test_aead_rounds),
        cmocka_unit_test(test_aead_limits),
        cmocka_unit_test(test_ctr_lengths),
        cmocka_unit_test(test_key_wrap_lengths),
        cmocka_unit_test(test_sign_rounds),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
