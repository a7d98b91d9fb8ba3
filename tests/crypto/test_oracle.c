/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The openssl command line as a witness from outside: it hashes, MACs and
 * encrypts the same input, and verifies what the back ends signed. It shares
 * libcrypto with one of them and nothing with the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_psa/crypto_psa.h"
#include "muster/crypto.h"

#define TEXT_LEN 777
#define KEY_HEX "000102030405060708090a0b0c0d0e0f"

static char oracle_dir[] = "/tmp/muster-oracle-XXXXXX";

static const struct mu_crypto *backend(int i)
{
    return i == 0 ? mu_crypto_openssl() : mu_crypto_psa();
}

static void oracle_path(char out[64], const char *name)
{
    snprintf(out, 64, "%s/%s", oracle_dir, name);
}

static void oracle_write(const char *name, const void *data, size_t len)
{
    char path[64];
    FILE *f;

    oracle_path(path, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* Runs openssl in the directory; its exit status, up to max bytes of what it
 * printed in out, and how many there were. */
static int oracle_run(const char *args, uint8_t *out, size_t max, size_t *n)
{
    char line[640];
    FILE *f;

    snprintf(line, sizeof(line), "cd %s && timeout 10 openssl %s 2>/dev/null",
             oracle_dir, args);
    f = popen(line, "r");
    assert_non_null(f);
    *n = fread(out, 1, max, f);
    return pclose(f);
}

static int oracle_setup(void **state)
{
    uint8_t text[TEXT_LEN];

    (void)state;
    if (mkdtemp(oracle_dir) == NULL)
        return -1;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 37 + 11);
    oracle_write("text", text, sizeof(text));
    return 0;
}

static int oracle_teardown(void **state)
{
    static const char *const names[] = {"text", "pub", "sig", "key"};
    char path[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        oracle_path(path, names[i]);
        unlink(path);
    }
    return rmdir(oracle_dir);
}

static struct mu_bytes oracle_text(uint8_t buf[TEXT_LEN])
{
    for (size_t i = 0; i < TEXT_LEN; i++)
        buf[i] = (uint8_t)(i * 37 + 11);
    return mu_bytes(buf, TEXT_LEN);
}

static struct mu_secret oracle_key(void)
{
    struct mu_secret key;
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(mu_secret_set(&key, MU_BYTES(bytes)), 0);
    return key;
}

static void test_digests(void **state)
{
    struct mu_secret key = oracle_key();
    uint8_t buf[TEXT_LEN];
    const struct mu_bytes text = oracle_text(buf);
    uint8_t want[3][64];
    uint8_t got[32];
    size_t n;

    (void)state;
    assert_int_equal(oracle_run("dgst -sha256 -binary text", want[0], 64, &n),
                     0);
    assert_int_equal(n, 32);
    assert_int_equal(oracle_run("dgst -sha256 -mac HMAC -macopt hexkey:" KEY_HEX
                                " -binary text",
                                want[1], 64, &n),
                     0);
    assert_int_equal(n, 32);
    assert_int_equal(oracle_run("dgst -sha1 -mac HMAC -macopt hexkey:" KEY_HEX
                                " -binary text",
                                want[2], 64, &n),
                     0);
    assert_int_equal(n, 20);
    for (int i = 0; i < 2; i++) {
        const struct mu_crypto *c = backend(i);

        mu_sha256(c, &text, 1, got);
        assert_memory_equal(got, want[0], 32);
        assert_int_equal(mu_hmac(c, mu_secret_view(&key), &text, 1, got), 0);
        assert_memory_equal(got, want[1], 32);
        assert_int_equal(
            c->hmac_sha1(c->ctx, mu_secret_view(&key), &text, 1, got), 0);
        assert_memory_equal(got, want[2], 20);
    }
}

/* Keys shorter than the block, as long, and longer: RFC 2104 s.2 hashes the
 * last only, and no published vector has one between 25 and 131 bytes. */
static void test_hmac_keys(void **state)
{
    static const size_t lens[] = {31, 32, 33, 63, 64, 65, 66, 128};
    uint8_t buf[TEXT_LEN];
    const struct mu_bytes text = oracle_text(buf);

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        char args[512];
        uint8_t want[32];
        uint8_t got[32];
        size_t at;
        size_t n;

        at = (size_t)snprintf(args, sizeof(args),
                              "dgst -sha256 -mac HMAC -macopt hexkey:");
        for (size_t j = 0; j < lens[i]; j++)
            at += (size_t)snprintf(args + at, sizeof(args) - at, "%02x",
                                   (unsigned)buf[j]);
        snprintf(args + at, sizeof(args) - at, " -binary text");
        assert_int_equal(oracle_run(args, want, sizeof(want), &n), 0);
        assert_int_equal(n, 32);
        for (int b = 0; b < 2; b++) {
            assert_int_equal(
                mu_hmac(backend(b), mu_bytes(buf, lens[i]), &text, 1, got), 0);
            assert_memory_equal(got, want, 32);
        }
    }
}

static void test_ciphers(void **state)
{
    static const uint8_t counter[16] = {
        0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    struct mu_secret key = oracle_key();
    uint8_t want[TEXT_LEN];
    uint8_t wrapped[40];
    uint8_t got[TEXT_LEN];
    size_t n;

    (void)state;
    assert_int_equal(oracle_run("enc -aes-128-ctr -K " KEY_HEX
                                " -iv f0010203040506070809fffffffffffe"
                                " -in text",
                                want, sizeof(want), &n),
                     0);
    assert_int_equal(n, TEXT_LEN);
    oracle_write("key", want, 32); /* any 32 bytes to wrap */
    assert_int_equal(oracle_run("enc -id-aes128-wrap -K " KEY_HEX
                                " -iv a6a6a6a6a6a6a6a6 -in key",
                                wrapped, sizeof(wrapped), &n),
                     0);
    assert_int_equal(n, 40);
    for (int i = 0; i < 2; i++) {
        const struct mu_crypto *c = backend(i);

        oracle_text(got);
        assert_int_equal(c->aes_ctr(c->ctx, &key, counter, got, TEXT_LEN), 0);
        assert_memory_equal(got, want, TEXT_LEN);
        assert_int_equal(mu_key_wrap(c, &key, mu_bytes(want, 32), got), 0);
        assert_memory_equal(got, wrapped, 40);
        assert_int_equal(mu_key_unwrap(c, &key, MU_BYTES(wrapped), got), 0);
        assert_memory_equal(got, want, 32);
    }
}

/* A public key in the form the command reads: DER SubjectPublicKeyInfo, of
 * RFC 5480 for P-256 and of RFC 8410 for Ed25519. */
static void oracle_write_pub(enum mu_alg alg, const uint8_t *pub, size_t len)
{
    static const uint8_t p256[26] = {
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    };
    static const uint8_t ed25519[12] = {
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    };
    const struct mu_bytes head =
        alg == MU_ALG_ES256 ? MU_BYTES(p256) : MU_BYTES(ed25519);
    uint8_t der[128];

    memcpy(der, head.data, head.len);
    memcpy(der + head.len, pub, len);
    oracle_write("pub", der, head.len + len);
}

/* r || s as DER, by hand: not by the code under test. */
static size_t oracle_der(const uint8_t sig[64], uint8_t *der)
{
    size_t n = 2;

    for (size_t half = 0; half < 2; half++) {
        const uint8_t *v = sig + 32 * half;
        size_t len = 32;

        while (len > 1 && v[0] == 0) {
            v++;
            len--;
        }
        der[n++] = 0x02;
        der[n++] = (uint8_t)(len + (v[0] >> 7));
        if (v[0] >> 7)
            der[n++] = 0;
        memcpy(der + n, v, len);
        n += len;
    }
    der[0] = 0x30;
    der[1] = (uint8_t)(n - 2);
    return n;
}

static int oracle_verify(enum mu_alg alg, const uint8_t sig[64])
{
    uint8_t der[80];
    uint8_t out[64];
    size_t n;

    if (alg == MU_ALG_EDDSA) {
        oracle_write("sig", sig, 64);
        return oracle_run("pkeyutl -verify -pubin -keyform DER -inkey pub"
                          " -rawin -in text -sigfile sig",
                          out, sizeof(out), &n);
    }
    oracle_write("sig", der, oracle_der(sig, der));
    return oracle_run("dgst -sha256 -keyform DER -verify pub -signature sig"
                      " text",
                      out, sizeof(out), &n);
}

static void test_signatures(void **state)
{
    static const struct {
        int backend;
        enum mu_alg alg;
    } cases[] = {
        {0, MU_ALG_ES256},
        {0, MU_ALG_EDDSA},
        {1, MU_ALG_ES256},
    };
    uint8_t buf[TEXT_LEN];
    const struct mu_bytes text = oracle_text(buf);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct mu_crypto *c = backend(cases[i].backend);
        struct mu_secret priv;
        uint8_t pub[MU_PUBLIC_KEY_MAX];
        uint8_t sig[64];
        size_t n;

        assert_int_equal(c->keypair(c->ctx, cases[i].alg, &priv, pub, &n), 0);
        assert_int_equal(c->sign(c->ctx, cases[i].alg, &priv, &text, 1, sig),
                         0);
        oracle_write_pub(cases[i].alg, pub, n);
        assert_int_equal(oracle_verify(cases[i].alg, sig), 0);
        sig[20] ^= 0x01;
        assert_int_not_equal(oracle_verify(cases[i].alg, sig), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_hmac_keys),
        cmocka_unit_test(test_ciphers),
        cmocka_unit_test(test_signatures),
    };

    return cmocka_run_group_tests(tests, oracle_setup, oracle_teardown);
}
