/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed messages under both kinds of directory: members, strangers, revoked
 * members, and those who try to wear a receiver out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/source_sign.h"

enum { MEMBERS = 11, BITS = 64 }; /* 46 bits a member */

static struct {
    const struct mu_crypto *crypto;
    struct mu_signer server, keys[MEMBERS + 1]; /* the last is a stranger */
    struct mu_directory_member members[MEMBERS + 1];
    struct mu_directory directory;
    struct mu_sign_sender senders[MEMBERS + 1];
    struct mu_sign_receiver receiver;
    uint8_t bits[BITS], work[BITS], tree[2048];
    uint8_t paths[MEMBERS][4 * 32];
    uint8_t object[512];
    size_t object_len;
    enum mu_directory_kind kind;
    mu_time now;
} w;

#define WHO(i) mu_bytes(w.members[i].who, w.members[i].who_len)

static const struct mu_source_scheme *const scheme = &mu_source_sign;

static void make_key(struct mu_signer *s)
{
    size_t len;

    s->alg = MU_ALG_ES256;
    assert_int_equal(w.crypto->keypair(w.crypto->ctx, s->alg, &s->priv, s->pub,
                                       &len), 0);
    s->pub_len = (uint8_t)len;
}

/* A directory of the first n members, with their new paths. */
static void make_directory(uint32_t version, size_t n)
{
    struct mu_source_proof p = {w.crypto, &w.server, NULL};
    struct mu_writer to = mu_writer(w.object, sizeof(w.object));
    struct mu_directory *d = &w.directory;

    *d = (struct mu_directory){
        .kind = w.kind, .version = version, .members = (uint32_t)n,
        .salt = {(uint8_t)version, 9}, .bits = MU_BYTES(w.bits),
    };
    if (w.kind == MU_DIRECTORY_BLOOM) {
        assert_int_equal(mu_bloom_make(w.crypto, w.members, n, d->salt, w.bits,
                                       BITS, &d->hashes), 0);
    } else {
        d->bits.len = 32;
        assert_true(mu_merkle_work(n) <= sizeof(w.tree));
        assert_int_equal(mu_merkle_make(w.crypto, w.members, n, d->salt,
                                        w.tree, sizeof(w.tree), w.bits), 0);
    }
    for (size_t i = 0; i <= MEMBERS; i++) {
        struct mu_sign_sender *s = &w.senders[i];

        s->version = version;
        s->index = (uint32_t)i;
        s->path = mu_bytes(NULL, 0);
        if (w.kind == MU_DIRECTORY_MERKLE && i < n) {
            s->path = mu_bytes(w.paths[i], (size_t)mu_merkle_depth(n) * 32);
            assert_int_equal(mu_merkle_path(w.tree, n, i, w.paths[i],
                                            sizeof(w.paths[i])), 0);
        } else if (w.kind == MU_DIRECTORY_MERKLE && i < MEMBERS) {
            s->path = mu_bytes(w.paths[i], (size_t)mu_merkle_depth(n) * 32);
        }
    }
    assert_int_equal(mu_directory_create(&p, d, &to), 0);
    w.object_len = to.len;
}

static int setup(enum mu_directory_kind kind)
{
    struct mu_sign_conf conf = {
        .alg = MU_ALG_ES256, .signatures = 5, .directory_max = BITS,
    };

    memset(&w, 0, sizeof(w));
    w.crypto = mu_crypto_openssl();
    w.kind = kind;
    w.now = MU_SECONDS(10);
    make_key(&w.server);
    conf.proof = (struct mu_source_proof){w.crypto, &w.server, NULL};
    for (uint32_t i = 0; i <= MEMBERS; i++) {
        make_key(&w.keys[i]);
        w.senders[i] = (struct mu_sign_sender){
            .crypto = w.crypto, .signer = &w.keys[i], .id = 100 + i,
        };
        assert_int_equal(mu_who_make(MU_BYTES(w.keys[i].pub),
                                     mu_bytes_str("horn"), &w.members[i]), 0);
        w.senders[i].who = mu_bytes(w.members[i].who, w.members[i].who_len);
        w.members[i].id = 100 + i;
    }
    assert_int_equal(mu_sign_receiver_init(&w.receiver, &conf, w.work,
                                           sizeof(w.work)), 0);
    make_directory(1, MEMBERS);
    assert_int_equal(mu_sign_directory(&w.receiver,
                                       mu_bytes(w.object, w.object_len)), 0);
    return 0;
}

static int setup_bloom(void **state)
{
    (void)state;
    return setup(MU_DIRECTORY_BLOOM);
}

static int setup_merkle(void **state)
{
    (void)state;
    return setup(MU_DIRECTORY_MERKLE);
}

static uint8_t out[MU_PACKET_MAX];

static struct mu_bytes seal(size_t who)
{
    struct mu_writer to = mu_writer(out, sizeof(out));

    assert_int_equal(scheme->seal(&w.senders[who], 0, mu_bytes_str("open"),
                                  &to), 0);
    return mu_written(&to);
}

static int hear(struct mu_bytes p)
{
    w.now += MU_SECONDS(1);
    return scheme->packet(&w.receiver, w.now, p);
}

static void test_members(void **state)
{
    struct mu_source_message m;

    (void)state;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(hear(seal(i)), 0);
        assert_true(scheme->take(&w.receiver, &m));
        assert_int_equal(m.source, 100 + i);
        assert_true(mu_bytes_eq(m.bytes, mu_bytes_str("open")));
        assert_false(scheme->take(&w.receiver, &m));
        assert_int_equal(hear(mu_bytes(out, 22)), MU_ERR_TRUNCATED);
    }
    w.senders[0].counter = 0; /* a copy of the first */
    assert_int_equal(hear(seal(0)), MU_ERR_REPLAY);
}

static void test_stranger(void **state)
{
    uint64_t signatures = w.receiver.counts.signatures;

    (void)state;
    assert_int_equal(hear(seal(MEMBERS)), MU_ERR_UNKNOWN_PEER);
    w.senders[MEMBERS].id = 103; /* the name of a member, the own key */
    w.senders[MEMBERS].path = w.senders[3].path;
    w.senders[MEMBERS].index = 3;
    assert_int_equal(hear(seal(MEMBERS)), MU_ERR_UNKNOWN_PEER);
    w.senders[2].id = 103; /* a member in the name of another */
    assert_int_equal(hear(seal(2)), MU_ERR_UNKNOWN_PEER);
    /* A member, under its own id and key, that calls itself another. */
    assert_int_equal(mu_who_make(MU_BYTES(w.keys[1].pub), mu_bytes_str("bell"),
                                 &w.members[MEMBERS]), 0);
    w.senders[1].who = WHO(MEMBERS);
    assert_int_equal(hear(seal(1)), MU_ERR_UNKNOWN_PEER);
    /* None of it cost a signature. */
    assert_int_equal(w.receiver.counts.signatures, signatures);
}

static void test_tampered(void **state)
{
    struct mu_bytes p = seal(4);
    struct mu_source_message m;
    uint8_t good[MU_PACKET_MAX], bad[MU_PACKET_MAX];

    (void)state;
    memcpy(good, p.data, p.len);
    for (size_t bit = 0; bit < p.len * 8; bit += 3) {
        memcpy(bad, good, p.len);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
        assert_int_not_equal(hear(mu_bytes(bad, p.len)), 0);
        assert_false(scheme->take(&w.receiver, &m));
    }
    assert_int_equal(hear(mu_bytes(good, p.len)), 0);
}

/* A new directory without it; the old one, and one not signed, are refused. */
static void test_revoked(void **state)
{
    uint8_t old[512], bad[512];
    size_t old_len = w.object_len;

    (void)state;
    memcpy(old, w.object, old_len);
    assert_int_equal(hear(seal(MEMBERS - 1)), 0);
    make_directory(2, MEMBERS - 1);
    for (size_t bit = 0; bit < w.object_len * 8; bit += 5) {
        memcpy(bad, w.object, w.object_len);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
        assert_int_not_equal(mu_sign_directory(&w.receiver,
                                               mu_bytes(bad, w.object_len)),
                             0);
    }
    assert_int_equal(mu_sign_directory(&w.receiver,
                                       mu_bytes(w.object, w.object_len)), 0);
    assert_int_equal(mu_sign_directory(&w.receiver, mu_bytes(old, old_len)),
                     MU_ERR_ROLLBACK);
    assert_int_equal(hear(seal(MEMBERS - 1)), MU_ERR_UNKNOWN_PEER);
    w.senders[MEMBERS - 1].version = 1;
    assert_int_equal(hear(seal(MEMBERS - 1)), MU_ERR_ROLLBACK);
    assert_int_equal(hear(seal(0)), 0);
}

/* A thousand bad signatures in the name of a member: five a second. */
static void test_flood(void **state)
{
    struct mu_bytes p;
    uint64_t before = w.receiver.counts.signatures;
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t bad[MU_PACKET_MAX];

        w.senders[1].counter = 5000 + i;
        p = seal(1);
        memcpy(bad, p.data, p.len);
        bad[p.len - 1] ^= 1;
        w.now += MU_MS(10);
        (void)scheme->packet(&w.receiver, w.now, mu_bytes(bad, p.len));
    }
    assert_in_range(w.receiver.counts.signatures - before, 40, 56);
    for (unsigned i = 0; i < 3; i++)
        good += hear(seal(1)) == 0;
    assert_int_equal(good, 3);
}

/* Sizes that are no power of two, and one. */
static void test_merkle_sizes(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MEMBERS; n++) {
        make_directory((uint32_t)n + 1, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(mu_merkle_has(w.crypto, &w.directory, w.members[i].id,
                                      WHO(i),
                                      (uint32_t)i, w.senders[i].path));
            if (n == 1)
                continue;
            assert_false(mu_merkle_has(w.crypto, &w.directory,
                                       w.members[i].id,
                                       WHO(i),
                                       (uint32_t)(i + 1) % (uint32_t)n,
                                       w.senders[i].path));
        }
    }
}

/* The filter's false positives are as many as theory says. */
static void test_bloom_rate(void **state)
{
    struct mu_directory d = {.kind = MU_DIRECTORY_BLOOM, .version = 1};
    uint8_t bits[11]; /* 8 bits a member: k = 5, about 2 % */
    unsigned found = 0;

    (void)state;
    assert_int_equal(mu_bloom_make(w.crypto, w.members, MEMBERS, d.salt, bits,
                                   sizeof(bits), &d.hashes), 0);
    d.bits = MU_BYTES(bits);
    assert_int_equal(d.hashes, 5);
    for (uint32_t i = 0; i < 20000; i++)
        found += mu_bloom_has(w.crypto, &d, i + 5000,
                              WHO(0));
    assert_in_range(found, 200, 900);
}

#define BOTH(f)                                                                \
    {#f " bloom", f, setup_bloom, NULL, NULL},                                 \
    {#f " merkle", f, setup_merkle, NULL, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_members), BOTH(test_stranger), BOTH(test_tampered),
        BOTH(test_revoked), BOTH(test_flood),
        cmocka_unit_test_setup(test_merkle_sizes, setup_merkle),
        cmocka_unit_test_setup(test_bloom_rate, setup_bloom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
