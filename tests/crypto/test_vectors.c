/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published vectors over both back ends. Every case is run as published, and
 * then once for each of its inputs with one bit of that input flipped: what
 * was right must then be wrong (the tampered twin).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_psa/crypto_psa.h"
#include "muster/crypto.h"
#include "vec.h"

/* Which back end, and what it may refuse as unsupported. */
struct backend {
    const struct mu_crypto *c;
    bool eddsa;         /* has Ed25519 */
    bool deterministic; /* ES256 signatures as RFC 6979 makes them */
};

typedef int op_fn(const struct backend *b, const struct vec_case *v);

/* Copies of a case with one bit flipped in one field; free with twin_drop. */
static struct vec_case twin_make(const struct vec_case *v, size_t field,
                                 size_t byte)
{
    struct vec_case t = *v;
    struct vec_field *f = &t.fields[field];

    f->data = malloc(f->len);
    assert_non_null(f->data);
    memcpy(f->data, v->fields[field].data, f->len);
    f->data[byte] ^= 0x04;
    return t;
}

static void twin_drop(struct vec_case *t, size_t field)
{
    free(t->fields[field].data);
}

static struct mu_secret secret_of(const struct vec_case *v, const char *name)
{
    struct mu_secret s;

    assert_int_equal(mu_secret_set(&s, vec_get(v, name)), 0);
    return s;
}

/* 0 when got begins with what is expected (MACs may be cut short). */
static int same(const void *got, size_t got_len, struct mu_bytes want)
{
    if (want.len > got_len || want.len == 0)
        return MU_ERR_AUTH;
    return memcmp(got, want.data, want.len) == 0 ? 0 : MU_ERR_AUTH;
}

static int op_sha256(const struct backend *b, const struct vec_case *v)
{
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes cut[3] = {
        mu_bytes(data.data, data.len / 3),
        mu_bytes(data.data, 0),
        mu_bytes(data.data + data.len / 3, data.len - data.len / 3),
    };
    uint8_t whole[32];
    uint8_t pieces[32];

    mu_sha256(b->c, &data, 1, whole);
    mu_sha256(b->c, cut, 3, pieces);
    assert_memory_equal(whole, pieces, sizeof(whole));
    assert_int_equal(vec_get(v, "out").len, sizeof(whole));
    return same(whole, sizeof(whole), vec_get(v, "out"));
}

static int op_hmac_sha256(const struct backend *b, const struct vec_case *v)
{
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes cut[2] = {
        mu_bytes(data.data, data.len / 2),
        mu_bytes(data.data + data.len / 2, data.len - data.len / 2),
    };
    uint8_t out[32];
    int rc = mu_hmac(b->c, vec_get(v, "key"), cut, 2, out);

    return rc != 0 ? rc : same(out, sizeof(out), vec_get(v, "out"));
}

static int op_hmac_sha1(const struct backend *b, const struct vec_case *v)
{
    const struct mu_bytes data = vec_get(v, "data");
    uint8_t out[20];
    int rc = b->c->hmac_sha1(b->c->ctx, vec_get(v, "key"), &data, 1, out);

    return rc != 0 ? rc : same(out, sizeof(out), vec_get(v, "out"));
}

static int op_hkdf(const struct backend *b, const struct vec_case *v)
{
    const struct mu_bytes want = vec_get(v, "okm");
    uint8_t prk[32];
    uint8_t okm[128];
    int rc = mu_hkdf_extract(b->c, vec_get(v, "salt"), vec_get(v, "ikm"), prk);

    if (rc == 0)
        rc = same(prk, sizeof(prk), vec_get(v, "prk"));
    assert_true(want.len <= sizeof(okm));
    if (rc == 0)
        rc = mu_hkdf_expand(b->c, MU_BYTES(prk), vec_get(v, "info"), okm,
                            want.len);
    return rc != 0 ? rc : same(okm, want.len, want);
}

static int op_aes(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret key = secret_of(v, "key");
    const struct mu_bytes data = vec_get(v, "data");
    uint8_t there[16];
    uint8_t back[16];

    assert_int_equal(data.len, 16);
    assert_int_equal(b->c->aes_encrypt(b->c->ctx, &key, data.data, there), 0);
    assert_int_equal(b->c->aes_decrypt(b->c->ctx, &key, there, back), 0);
    assert_memory_equal(back, data.data, 16);
    return same(there, sizeof(there), vec_get(v, "out"));
}

static int op_aes_ctr(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret key = secret_of(v, "key");
    const struct mu_bytes data = vec_get(v, "data");
    uint8_t buf[128];
    int rc;

    assert_true(data.len <= sizeof(buf));
    memcpy(buf, data.data, data.len);
    rc = b->c->aes_ctr(b->c->ctx, &key, vec_get(v, "counter").data, buf,
                       data.len);
    return rc != 0 ? rc : same(buf, data.len, vec_get(v, "out"));
}

static int op_key_wrap(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret kek = secret_of(v, "kek");
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes want = vec_get(v, "out");
    uint8_t buf[64];
    int rc = mu_key_unwrap(b->c, &kek, want, buf);

    if (rc != 0) {
        static const uint8_t zero[64];

        assert_memory_equal(buf, zero, want.len - 8); /* nothing is left */
        return rc;
    }
    rc = same(buf, want.len - 8, data);
    if (rc == 0)
        rc = mu_key_wrap(b->c, &kek, data, buf);
    return rc != 0 ? rc : same(buf, data.len + 8, want);
}

/* Opens what was published; that must fail, or give the text. Then seals. */
static int op_aead(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret key = secret_of(v, "key");
    const struct mu_aead a = {
        .alg = strcmp(v->op, "ccm") == 0 ? MU_ALG_AES_CCM_16_64_128
                                         : MU_ALG_A128GCM,
        .key = &key,
        .nonce = vec_get(v, "nonce"),
        .aad = vec_get(v, "aad"),
    };
    const size_t tag_len = a.alg == MU_ALG_A128GCM ? 16 : 8;
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes want = vec_get(v, "out");
    uint8_t buf[128];
    size_t n = 0;
    int rc;

    assert_true(want.len <= sizeof(buf));
    memset(buf, 0xee, sizeof(buf));
    rc = b->c->open(b->c->ctx, &a, want, buf, &n);
    if (rc != 0) {
        assert_int_equal(rc, MU_ERR_AUTH);
        for (size_t i = 0; i < want.len - tag_len; i++)
            assert_int_equal(buf[i], 0); /* nothing is left */
        return rc;
    }
    assert_int_equal(n, want.len - tag_len);
    assert_int_equal(buf[n], 0xee); /* and nothing written behind it */
    if (data.len != n || memcmp(buf, data.data, n) != 0)
        return MU_ERR_AUTH;

    rc = b->c->seal(b->c->ctx, &a, data, buf, &n);
    assert_int_equal(rc, 0);
    assert_int_equal(n, want.len);
    return same(buf, n, want);
}

static enum mu_alg alg_of(const struct vec_case *v)
{
    if (strncmp(v->op, "ed25519", 7) == 0)
        return MU_ALG_EDDSA;
    return v->op[0] == 'x' ? MU_ALG_X25519 : MU_ALG_ES256;
}

static int op_verify(const struct backend *b, const struct vec_case *v)
{
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes sig = vec_get(v, "sig");

    assert_int_equal(sig.len, 64);
    return b->c->verify(b->c->ctx, alg_of(v), vec_get(v, "pub"), &data, 1,
                        sig.data);
}

/* The published signature verifies; our own does too, and is the same one
 * where the scheme, or the back end, is deterministic. */
static int op_sign(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret priv = secret_of(v, "priv");
    const struct mu_bytes data = vec_get(v, "data");
    const struct mu_bytes halves[2] = {
        mu_bytes(data.data, data.len / 2),
        mu_bytes(data.data + data.len / 2, data.len - data.len / 2),
    };
    uint8_t sig[64];
    int rc = op_verify(b, v);

    if (rc != 0)
        return rc;
    rc = b->c->sign(b->c->ctx, alg_of(v), &priv, halves, 2, sig);
    if (rc != 0)
        return rc;
    if (alg_of(v) == MU_ALG_EDDSA || b->deterministic)
        return same(sig, sizeof(sig), vec_get(v, "sig"));
    return b->c->verify(b->c->ctx, alg_of(v), vec_get(v, "pub"), halves, 2,
                        sig);
}

static int op_agree(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret priv = secret_of(v, "priv");
    uint8_t out[32];
    int rc;

    memset(out, 0xee, sizeof(out));
    rc = b->c->agree(b->c->ctx, alg_of(v), &priv, vec_get(v, "pub"), out);
    if (v->error[0] != '\0')
        return rc;
    return rc != 0 ? rc : same(out, sizeof(out), vec_get(v, "out"));
}

/* Agreement between the Ed25519 keys is the one between the mapped keys, and
 * so it is with each of the four mixed with the base point. */
static int op_map(const struct backend *b, const struct vec_case *v)
{
    struct mu_secret seed = secret_of(v, "seed");
    struct mu_secret priv = secret_of(v, "priv");
    const uint8_t nine[32] = {9};
    uint8_t ed_base[32];
    uint8_t ed[32];
    uint8_t x[32];
    int rc;

    /* y = 4/5 is the base point of edwards25519, RFC 8032 s.5.1. */
    memset(ed_base, 0x66, sizeof(ed_base));
    ed_base[0] = 0x58;
    rc = b->c->agree(b->c->ctx, MU_ALG_X25519, &priv, MU_BYTES(nine), x);
    if (rc == 0)
        rc = same(x, sizeof(x), vec_get(v, "pub"));
    if (rc == 0)
        rc = b->c->agree(b->c->ctx, MU_ALG_EDDSA, &seed, MU_BYTES(ed_base), ed);
    if (rc == 0)
        rc = same(ed, sizeof(ed), vec_get(v, "pub"));
    if (rc == 0)
        rc = b->c->agree(b->c->ctx, MU_ALG_EDDSA, &seed, vec_get(v, "ed"), ed);
    if (rc == 0)
        rc = b->c->agree(b->c->ctx, MU_ALG_X25519, &priv, vec_get(v, "pub"), x);
    return rc != 0 ? rc : same(ed, sizeof(ed), MU_BYTES(x));
}

/* What each op does; twins: whether it has inputs to flip. */
static const struct {
    const char *name;
    op_fn *run;
    bool twins;
    bool eddsa; /* needs a back end that has Ed25519 */
} ops[] = {
    {"sha256", op_sha256, true, false},
    {"hmac-sha256", op_hmac_sha256, true, false},
    {"hmac-sha1", op_hmac_sha1, true, false},
    {"hkdf", op_hkdf, true, false},
    {"aes", op_aes, true, false},
    {"aes-ctr", op_aes_ctr, true, false},
    {"kw", op_key_wrap, true, false},
    {"ccm", op_aead, true, false},
    {"gcm", op_aead, true, false},
    {"es256", op_sign, true, false},
    {"es256-bad", op_verify, false, false},
    {"ed25519", op_sign, true, true},
    {"ed25519-bad", op_verify, false, true},
    {"x25519", op_agree, true, false},
    {"x25519-bad", op_agree, false, false},
    {"ed25519-map", op_map, true, true},
    {"ed25519-map-bad", op_agree, false, true},
    {"p256", op_agree, true, false},
    {"p256-bad", op_agree, false, false},
};

/* One flipped bit in the first, a middle and the last byte of each field. */
static void run_twins(const struct backend *b, const struct vec_case *v,
                      op_fn *run)
{
    for (size_t f = 0; f < v->fields_len; f++) {
        const size_t len = v->fields[f].len;
        const size_t at[3] = {0, len / 2, len - 1};

        if (len == 0)
            continue;
        for (size_t i = 0; i < 3; i++) {
            struct vec_case t = twin_make(v, f, at[i]);
            int rc;

            /* X25519 ignores three low bits and two high ones of a scalar
             * (RFC 7748 s.5); 0x04 is one of them in the first byte. */
            if (run == op_agree && t.op[0] == 'x' && at[i] == 0)
                t.fields[f].data[0] ^= 0x04 ^ 0x40;
            if (run == op_map && at[i] == 0)
                t.fields[f].data[0] ^= 0x04 ^ 0x40;
            rc = run(b, &t);
            if (rc == 0)
                fail_msg("%s: %s: passes with byte %zu of %s changed",
                         b->c->name, v->source, at[i], v->fields[f].name);
            twin_drop(&t, f);
        }
    }
}

static void run_case(const struct vec_case *v, void *user)
{
    const struct backend *b = user;
    size_t i = 0;
    int rc;

    while (i < sizeof(ops) / sizeof(ops[0]) && strcmp(ops[i].name, v->op) != 0)
        i++;
    if (i == sizeof(ops) / sizeof(ops[0]))
        fail_msg("%s: unknown op '%s'", v->source, v->op);
    rc = ops[i].run(b, v);
    if (ops[i].eddsa && !b->eddsa) {
        assert_int_equal(rc, MU_ERR_UNSUPPORTED);
        return;
    }
    if (v->error[0] != '\0') {
        if (rc == 0 || strcmp(mu_err_name(rc), v->error) != 0)
            fail_msg("%s: %s: %s, not %s", b->c->name, v->source,
                     mu_err_name(rc), v->error);
        return;
    }
    if (rc != 0)
        fail_msg("%s: %s: %s", b->c->name, v->source, mu_err_name(rc));
    if (ops[i].twins)
        run_twins(b, v, ops[i].run);
}

/* One test per file and back end; n is how many cases the file has. */
static void run_file(const char *name, size_t n)
{
    struct backend backends[2] = {
        {mu_crypto_openssl(), true, false},
        {mu_crypto_psa(), false, true},
    };
    char path[128];

    snprintf(path, sizeof(path), "tests/vectors/crypto/%s", name);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(backends[i].c);
        assert_int_equal(vec_each(path, run_case, &backends[i]), n);
    }
}

static void test_hash(void **state)
{
    (void)state;
    run_file("hash.vec", 5);
}

static void test_mac(void **state)
{
    (void)state;
    run_file("mac.vec", 20);
}

static void test_aes(void **state)
{
    (void)state;
    run_file("aes.vec", 8);
}

static void test_aead(void **state)
{
    (void)state;
    run_file("aead.vec", 17);
}

static void test_sign(void **state)
{
    (void)state;
    run_file("sign.vec", 24);
}

static void test_agree(void **state)
{
    (void)state;
    run_file("agree.vec", 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash), cmocka_unit_test(test_mac),
        cmocka_unit_test(test_aes),  cmocka_unit_test(test_aead),
        cmocka_unit_test(test_sign), cmocka_unit_test(test_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
