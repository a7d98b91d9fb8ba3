/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selftest passes both back ends, notices a back end in which any one
 * function is broken in any of several ways, and lets nothing be missing but
 * what may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_psa/crypto_psa.h"
#include "muster/crypto.h"

/* A good back end under a table that spoils one function. */
struct spoiled {
    const struct mu_crypto *good;
    enum {
        SPOIL_NOTHING,
        SPOIL_RANDOM,
        SPOIL_SHA256_INIT,
        SPOIL_SHA256_UPDATE,
        SPOIL_SHA256_FINAL,
        SPOIL_HMAC,
        SPOIL_HMAC_SHA1,
        SPOIL_SEAL,
        SPOIL_OPEN,
        SPOIL_OPEN_ALWAYS, /* gives the text, and no heed to the tag */
        SPOIL_OPEN_LEAVES, /* refuses, and leaves the text */
        SPOIL_CTR,
        SPOIL_ENCRYPT,
        SPOIL_DECRYPT,
        SPOIL_KEYPAIR_PRIVATE,
        SPOIL_KEYPAIR_PUBLIC,
        SPOIL_SIGN,
        SPOIL_VERIFY_NEVER,
        SPOIL_VERIFY_ALWAYS,
        SPOIL_AGREE,
        SPOIL_GF_SUM,
        SPOIL_COUNT,
    } what;
    enum mu_alg alg; /* spoil for this one only; 0: for all */
    int missing;     /* instead of spoiling: answer this error */
};

static bool spoils(const struct spoiled *s, int what, enum mu_alg alg)
{
    return (int)s->what == what && (s->alg == 0 || s->alg == alg);
}

static int spoiled_random(void *ctx, void *out, size_t len)
{
    struct spoiled *s = ctx;

    if (!spoils(s, SPOIL_RANDOM, s->alg))
        return s->good->random(s->good->ctx, out, len);
    memset(out, 0x5a, len); /* stuck */
    return s->missing;
}

static void spoiled_sha256_init(void *ctx, struct mu_sha256 *h)
{
    struct spoiled *s = ctx;
    const uint8_t one[1] = {0};

    s->good->sha256_init(s->good->ctx, h);
    if (spoils(s, SPOIL_SHA256_INIT, s->alg))
        s->good->sha256_update(s->good->ctx, h, MU_BYTES(one));
}

static void spoiled_sha256_update(void *ctx, struct mu_sha256 *h,
                                  struct mu_bytes in)
{
    struct spoiled *s = ctx;

    if (spoils(s, SPOIL_SHA256_UPDATE, s->alg) && in.len > 3)
        in.len--;
    s->good->sha256_update(s->good->ctx, h, in);
}

static void spoiled_sha256_final(void *ctx, struct mu_sha256 *h,
                                 uint8_t out[32])
{
    struct spoiled *s = ctx;

    s->good->sha256_final(s->good->ctx, h, out);
    if (spoils(s, SPOIL_SHA256_FINAL, s->alg))
        out[31] ^= 0x01;
}

static int spoiled_hmac(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t n, uint8_t out[32])
{
    struct spoiled *s = ctx;
    int rc = s->good->hmac_sha256(s->good->ctx, key, parts, n, out);

    if (!spoils(s, SPOIL_HMAC, s->alg))
        return rc;
    out[0] ^= 0x80;
    return s->missing;
}

static int spoiled_hmac_sha1(void *ctx, struct mu_bytes key,
                             const struct mu_bytes *parts, size_t n,
                             uint8_t out[20])
{
    struct spoiled *s = ctx;
    int rc = s->good->hmac_sha1(s->good->ctx, key, parts, n, out);

    if (!spoils(s, SPOIL_HMAC_SHA1, s->alg))
        return rc;
    out[19] ^= 0x80;
    return s->missing;
}

static int spoiled_seal(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                        uint8_t *out, size_t *out_len)
{
    struct spoiled *s = ctx;
    int rc = s->good->seal(s->good->ctx, a, in, out, out_len);

    if (!spoils(s, SPOIL_SEAL, a->alg))
        return rc;
    out[*out_len - 1] ^= 0x01;
    return s->missing;
}

/* Ciphertext to text without a look at the tag, by sealing it again: both
 * modes are counter modes underneath. */
static void open_blindly(const struct mu_crypto *c, const struct mu_aead *a,
                         struct mu_bytes in, uint8_t *out, size_t *out_len)
{
    const size_t n = in.len - (a->alg == MU_ALG_A128GCM ? 16 : 8);
    uint8_t buf[128];

    assert_int_equal(c->seal(c->ctx, a, mu_bytes(in.data, n), buf, out_len), 0);
    memcpy(out, buf, n);
    *out_len = n;
}

static int spoiled_open(void *ctx, const struct mu_aead *a, struct mu_bytes in,
                        uint8_t *out, size_t *out_len)
{
    struct spoiled *s = ctx;
    const struct mu_crypto *c = s->good;
    uint8_t copy[128];
    int rc;

    memcpy(copy, in.data, in.len);
    in.data = copy;
    rc = c->open(c->ctx, a, in, out, out_len);
    if (spoils(s, SPOIL_OPEN, a->alg)) {
        out[0] ^= 0x01;
        return s->missing != 0 ? s->missing : rc;
    }
    if (spoils(s, SPOIL_OPEN_ALWAYS, a->alg)) {
        open_blindly(c, a, in, out, out_len);
        return s->missing;
    }
    if (spoils(s, SPOIL_OPEN_LEAVES, a->alg) && rc != 0)
        open_blindly(c, a, in, out, out_len);
    return rc;
}

static int spoiled_ctr(void *ctx, const struct mu_secret *key,
                       const uint8_t counter[16], uint8_t *data, size_t len)
{
    struct spoiled *s = ctx;
    int rc = s->good->aes_ctr(s->good->ctx, key, counter, data, len);

    if (!spoils(s, SPOIL_CTR, s->alg))
        return rc;
    data[len - 1] ^= 0x01; /* as when the counter does not count */
    return s->missing;
}

static int spoiled_encrypt(void *ctx, const struct mu_secret *key,
                           const uint8_t in[16], uint8_t out[16])
{
    struct spoiled *s = ctx;
    int rc = s->good->aes_encrypt(s->good->ctx, key, in, out);

    if (!spoils(s, SPOIL_ENCRYPT, s->alg))
        return rc;
    out[7] ^= 0x10;
    return s->missing;
}

static int spoiled_decrypt(void *ctx, const struct mu_secret *key,
                           const uint8_t in[16], uint8_t out[16])
{
    struct spoiled *s = ctx;
    int rc = s->good->aes_decrypt(s->good->ctx, key, in, out);

    if (!spoils(s, SPOIL_DECRYPT, s->alg))
        return rc;
    out[7] ^= 0x10;
    return s->missing;
}

static int spoiled_keypair(void *ctx, enum mu_alg alg, struct mu_secret *priv,
                           uint8_t *pub, size_t *pub_len)
{
    struct spoiled *s = ctx;
    int rc = s->good->keypair(s->good->ctx, alg, priv, pub, pub_len);

    if (spoils(s, SPOIL_KEYPAIR_PRIVATE, alg))
        priv->bytes[12] ^= 0x10;
    else if (spoils(s, SPOIL_KEYPAIR_PUBLIC, alg))
        pub[12] ^= 0x10;
    else
        return rc;
    return s->missing != 0 ? s->missing : rc;
}

static int spoiled_sign(void *ctx, enum mu_alg alg,
                        const struct mu_secret *priv,
                        const struct mu_bytes *parts, size_t n, uint8_t sig[64])
{
    struct spoiled *s = ctx;
    int rc = s->good->sign(s->good->ctx, alg, priv, parts, n, sig);

    if (!spoils(s, SPOIL_SIGN, alg))
        return rc;
    sig[60] ^= 0x01;
    return s->missing != 0 ? s->missing : rc;
}

static int spoiled_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                          const struct mu_bytes *parts, size_t n,
                          const uint8_t sig[64])
{
    struct spoiled *s = ctx;

    if (spoils(s, SPOIL_VERIFY_ALWAYS, alg))
        return s->missing;
    if (spoils(s, SPOIL_VERIFY_NEVER, alg))
        return s->missing != 0 ? s->missing : MU_ERR_AUTH;
    return s->good->verify(s->good->ctx, alg, pub, parts, n, sig);
}

static int spoiled_agree(void *ctx, enum mu_alg alg,
                         const struct mu_secret *priv, struct mu_bytes pub,
                         uint8_t out[32])
{
    struct spoiled *s = ctx;
    int rc = s->good->agree(s->good->ctx, alg, priv, pub, out);

    if (!spoils(s, SPOIL_AGREE, alg))
        return rc;
    out[1] ^= 0x01; /* the same on both sides: only a known answer shows it */
    return s->missing != 0 ? s->missing : rc;
}

static void spoiled_gf_sum(void *ctx, const struct mu_gf_sum *in)
{
    struct spoiled *s = ctx;

    s->good->gf_sum(s->good->ctx, in);
    if (spoils(s, SPOIL_GF_SUM, s->alg) && in->coef[0] == 0x8e)
        in->to[in->len - 1] ^= 0x01; /* one product of 65536 */
}

static struct mu_crypto spoiled_table(struct spoiled *s)
{
    return (struct mu_crypto){
        .ctx = s,
        .name = "spoiled",
        .random = spoiled_random,
        .sha256_init = spoiled_sha256_init,
        .sha256_update = spoiled_sha256_update,
        .sha256_final = spoiled_sha256_final,
        .hmac_sha256 = spoiled_hmac,
        .hmac_sha1 = spoiled_hmac_sha1,
        .seal = spoiled_seal,
        .open = spoiled_open,
        .aes_ctr = spoiled_ctr,
        .aes_encrypt = spoiled_encrypt,
        .aes_decrypt = spoiled_decrypt,
        .keypair = spoiled_keypair,
        .sign = spoiled_sign,
        .verify = spoiled_verify,
        .agree = spoiled_agree,
        .gf_sum = s->good->gf_sum != NULL ? spoiled_gf_sum : NULL,
    };
}

/* What selftest says when one function fails for one algorithm. */
static int judge(const struct mu_crypto *good, int what, enum mu_alg alg,
                 int missing)
{
    struct spoiled s = {.good = good, .alg = alg, .missing = missing};
    struct mu_crypto table = spoiled_table(&s);

    s.what = (unsigned)what;
    return mu_crypto_selftest(&table);
}

static void test_good(void **state)
{
    (void)state;
    assert_non_null(mu_crypto_openssl());
    assert_non_null(mu_crypto_psa());
    assert_int_equal(mu_crypto_selftest(mu_crypto_openssl()), 0);
    assert_int_equal(mu_crypto_selftest(mu_crypto_psa()), 0);
    assert_int_equal(judge(mu_crypto_openssl(), SPOIL_NOTHING, 0, 0), 0);
}

/* Every function, and every algorithm behind it, one at a time. */
static void test_spoiled(void **state)
{
    static const struct {
        int what;
        enum mu_alg algs[4];
    } cases[] = {
        {SPOIL_RANDOM, {0}},
        {SPOIL_SHA256_INIT, {0}},
        {SPOIL_SHA256_UPDATE, {0}},
        {SPOIL_SHA256_FINAL, {0}},
        {SPOIL_HMAC, {0}},
        {SPOIL_HMAC_SHA1, {0}},
        {SPOIL_SEAL, {MU_ALG_AES_CCM_16_64_128, MU_ALG_A128GCM}},
        {SPOIL_OPEN, {MU_ALG_AES_CCM_16_64_128, MU_ALG_A128GCM}},
        {SPOIL_OPEN_ALWAYS, {MU_ALG_AES_CCM_16_64_128, MU_ALG_A128GCM}},
        {SPOIL_OPEN_LEAVES, {MU_ALG_AES_CCM_16_64_128, MU_ALG_A128GCM}},
        {SPOIL_CTR, {0}},
        {SPOIL_ENCRYPT, {0}},
        {SPOIL_DECRYPT, {0}},
        {SPOIL_KEYPAIR_PRIVATE, {MU_ALG_ES256, MU_ALG_EDDSA, MU_ALG_X25519}},
        {SPOIL_KEYPAIR_PUBLIC, {MU_ALG_ES256, MU_ALG_EDDSA, MU_ALG_X25519}},
        {SPOIL_SIGN, {MU_ALG_ES256, MU_ALG_EDDSA}},
        {SPOIL_VERIFY_NEVER, {MU_ALG_ES256, MU_ALG_EDDSA}},
        {SPOIL_VERIFY_ALWAYS, {MU_ALG_ES256, MU_ALG_EDDSA}},
        {SPOIL_AGREE, {MU_ALG_ES256, MU_ALG_EDDSA, MU_ALG_X25519}},
        {SPOIL_GF_SUM, {0}},
    };
    const size_t n = sizeof(cases) / sizeof(cases[0]);

    (void)state;
    assert_int_equal(n, SPOIL_COUNT - 1); /* none forgotten */
    for (size_t i = 0; i < n; i++) {
        if (cases[i].what == SPOIL_GF_SUM && mu_crypto_openssl()->gf_sum == NULL)
            continue; /* a machine without instructions for it */
        for (size_t j = 0; j < 4 && (j == 0 || cases[i].algs[j] != 0); j++) {
            int rc =
                judge(mu_crypto_openssl(), cases[i].what, cases[i].algs[j], 0);

            if (rc != MU_ERR_CRYPTO)
                fail_msg("case %zu, algorithm %d: %s", i, (int)cases[i].algs[j],
                         mu_err_name(rc));
        }
    }
}

/* What a device that only receives does not need may be missing; an error of
 * another kind never is. */
static void test_missing(void **state)
{
    static const struct {
        int what;
        enum mu_alg alg;
        int allowed;
    } cases[] = {
        {SPOIL_RANDOM, 0, 0},
        {SPOIL_HMAC, 0, 0},
        {SPOIL_HMAC_SHA1, 0, 1},
        {SPOIL_SEAL, MU_ALG_AES_CCM_16_64_128, 0},
        {SPOIL_SEAL, MU_ALG_A128GCM, 1},
        {SPOIL_OPEN, MU_ALG_AES_CCM_16_64_128, 0},
        {SPOIL_CTR, 0, 0},
        {SPOIL_ENCRYPT, 0, 0},
        {SPOIL_DECRYPT, 0, 0},
        {SPOIL_SIGN, MU_ALG_ES256, 1},
        {SPOIL_VERIFY_NEVER, MU_ALG_ES256, 0},
        {SPOIL_KEYPAIR_PUBLIC, MU_ALG_ES256, 1},
        {SPOIL_AGREE, MU_ALG_ES256, 1},
        {SPOIL_SIGN, MU_ALG_EDDSA, 1},
        {SPOIL_VERIFY_NEVER, MU_ALG_EDDSA, 1},
        {SPOIL_AGREE, MU_ALG_EDDSA, 1},
        {SPOIL_KEYPAIR_PUBLIC, MU_ALG_X25519, 1},
        {SPOIL_AGREE, MU_ALG_X25519, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(judge(mu_crypto_openssl(), cases[i].what, cases[i].alg,
                               MU_ERR_UNSUPPORTED),
                         cases[i].allowed ? 0 : MU_ERR_CRYPTO);
        assert_int_equal(judge(mu_crypto_openssl(), cases[i].what, cases[i].alg,
                               MU_ERR_CRYPTO),
                         MU_ERR_CRYPTO);
    }
}

/* What each back end has: the selftest skips what is not there, so what is
 * there is said here. */
static void test_inventory(void **state)
{
    static const struct {
        const char *name;
        enum mu_alg alg;
        int signs;
        int pairs;
        int agrees;
    } want[] = {
        {"openssl", MU_ALG_ES256, 0, 0, 0},
        {"openssl", MU_ALG_EDDSA, 0, 0, 0},
        {"openssl", MU_ALG_X25519, MU_ERR_UNSUPPORTED, 0, 0},
        {"psa", MU_ALG_ES256, 0, 0, 0},
        {"psa", MU_ALG_EDDSA, MU_ERR_UNSUPPORTED, MU_ERR_UNSUPPORTED,
         MU_ERR_UNSUPPORTED},
        {"psa", MU_ALG_X25519, MU_ERR_UNSUPPORTED, 0, 0},
    };
    const struct mu_bytes text = mu_bytes_str("text");

    (void)state;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        const struct mu_crypto *c = mu_crypto_openssl();
        struct mu_secret priv = {.len = 0};
        uint8_t pub[MU_PUBLIC_KEY_MAX] = {0};
        uint8_t sig[64] = {0};
        uint8_t out[32];
        size_t n = 32;

        if (strcmp(c->name, want[i].name) != 0)
            c = mu_crypto_psa();
        assert_string_equal(c->name, want[i].name);
        assert_int_equal(c->keypair(c->ctx, want[i].alg, &priv, pub, &n),
                         want[i].pairs);
        assert_int_equal(c->sign(c->ctx, want[i].alg, &priv, &text, 1, sig),
                         want[i].signs);
        assert_int_equal(
            c->verify(c->ctx, want[i].alg, mu_bytes(pub, n), &text, 1, sig),
            want[i].signs);
        assert_int_equal(
            c->agree(c->ctx, want[i].alg, &priv, mu_bytes(pub, n), out),
            want[i].agrees);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_spoiled),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_inventory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
