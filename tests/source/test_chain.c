/* SPDX-License-Identifier: Apache-2.0 */
/* Chains: P'i = Pi | H(P'i+1), and those of groups by distance. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/source_chain.h"

enum { COUNT = 12 };

static struct {
    const struct mu_crypto *crypto;
    struct mu_signer server;
    struct mu_source_proof proof;
    uint8_t texts[COUNT][20];
    struct mu_chain_messages messages;
    struct mu_chain_sender sender;
    struct mu_chain_receiver receiver;
    uint8_t work[(COUNT + 1) * 32];
    uint8_t start[256];
    size_t start_len;
    uint8_t packets[COUNT][128];
    size_t lens[COUNT];
} w;

static int message_get(void *ctx, uint32_t i, struct mu_bytes *message)
{
    (void)ctx;
    if (i >= COUNT)
        return MU_ERR_NOT_FOUND;
    *message = mu_bytes(w.texts[i], sizeof(w.texts[i]) - i % 3);
    return 0;
}

static int setup(void **state)
{
    struct mu_writer to;
    struct mu_bytes m;
    size_t len;

    (void)state;
    memset(&w, 0, sizeof(w));
    w.crypto = mu_crypto_openssl();
    w.server.alg = MU_ALG_ES256;
    assert_int_equal(w.crypto->keypair(w.crypto->ctx, MU_ALG_ES256,
                                       &w.server.priv, w.server.pub, &len), 0);
    w.server.pub_len = (uint8_t)len;
    w.proof = (struct mu_source_proof){w.crypto, &w.server, NULL};
    for (size_t i = 0; i < COUNT; i++)
        memset(w.texts[i], (int)i + 1, sizeof(w.texts[i]));
    w.messages = (struct mu_chain_messages){NULL, message_get, COUNT};
    assert_int_equal(mu_chain_sender_init(&w.sender, &w.proof, 3, 8,
                                          &w.messages, w.work,
                                          sizeof(w.work)), 0);
    to = mu_writer(w.start, sizeof(w.start));
    assert_int_equal(mu_chain_start_create(&w.sender, &to), 0);
    w.start_len = to.len;
    for (uint32_t i = 0; i < COUNT; i++) {
        to = mu_writer(w.packets[i], sizeof(w.packets[i]));
        assert_int_equal(message_get(NULL, i, &m), 0);
        assert_int_equal(mu_source_chain.seal(&w.sender, 0, m, &to), 0);
        w.lens[i] = to.len;
    }
    mu_chain_receiver_init(&w.receiver, &w.proof, 3, 8);
    return 0;
}

static struct mu_bytes packet(size_t i)
{
    return mu_bytes(w.packets[i], w.lens[i]);
}

static int hear(struct mu_bytes p)
{
    return mu_source_chain.packet(&w.receiver, 0, p);
}

static void test_in_order(void **state)
{
    struct mu_source_message m;
    struct mu_bytes want;

    (void)state;
    assert_int_equal(hear(packet(0)), MU_ERR_UNEXPECTED); /* not begun */
    assert_int_equal(mu_chain_start(&w.receiver,
                                    mu_bytes(w.start, w.start_len)), 0);
    assert_int_equal(hear(packet(1)), MU_ERR_UNEXPECTED);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(hear(packet(i)), 0);
        assert_true(mu_source_chain.take(&w.receiver, &m));
        assert_int_equal(message_get(NULL, i, &want), 0);
        assert_true(mu_bytes_eq(m.bytes, want));
        assert_int_equal(m.number, i);
        assert_false(mu_source_chain.take(&w.receiver, &m));
        assert_int_equal(hear(packet(i)), MU_ERR_UNEXPECTED);
    }
}

/* The formula of EXALTED D5.2 s.6.2.2.1, packet by packet, by hand. */
static void test_formula(void **state)
{
    uint8_t hash[32];

    (void)state;
    for (size_t i = 0; i + 1 < COUNT; i++) {
        struct mu_bytes next = packet(i + 1);

        mu_sha256(w.crypto, &next, 1, hash);
        assert_memory_equal(w.packets[i] + 6, hash, 8);
    }
    for (size_t i = 0; i < 8; i++) /* P'N = PN | 0 */
        assert_int_equal(w.packets[COUNT - 1][6 + i], 0);
}

static void test_tampered(void **state)
{
    uint8_t bad[256];

    (void)state;
    for (size_t bit = 0; bit < w.start_len * 8; bit++) {
        memcpy(bad, w.start, w.start_len);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
        assert_int_not_equal(mu_chain_start(&w.receiver,
                                            mu_bytes(bad, w.start_len)), 0);
    }
    assert_int_equal(mu_chain_start(&w.receiver,
                                    mu_bytes(w.start, w.start_len)), 0);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t bit = 0; bit < w.lens[i] * 8; bit++) {
            memcpy(bad, w.packets[i], w.lens[i]);
            bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
            assert_int_not_equal(hear(mu_bytes(bad, w.lens[i])), 0);
        }
        for (size_t n = 0; n < w.lens[i]; n++)
            assert_int_not_equal(hear(mu_bytes(w.packets[i], n)), 0);
        assert_int_equal(hear(packet(i)), 0);
    }
}

static void test_sender(void **state)
{
    uint8_t out[128];
    struct mu_writer to = mu_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(mu_source_chain.seal(&w.sender, 0, mu_bytes_str("x"),
                                          &to), MU_ERR_EXHAUSTED);
    mu_chain_seek(&w.sender, 4);
    assert_int_equal(mu_source_chain.seal(&w.sender, 0, mu_bytes_str("x"),
                                          &to), MU_ERR_USAGE);
    assert_int_equal(mu_source_chain.seal(&w.sender, 0,
                                          mu_bytes(w.texts[4], 19), &to), 0);
    assert_true(mu_bytes_eq(mu_written(&to), packet(4)));
}

/* ---- groups by distance ---- */

enum { GROUPS = 3, LENGTH = 20 };

static struct mu_hop_sender hop_sender;
static struct mu_hop_receiver hops[GROUPS];

static int hop_setup(void **state)
{
    uint8_t key[MU_HOP_KEY];

    (void)setup(state);
    assert_int_equal(mu_hop_sender_init(&hop_sender, w.crypto, 5, GROUPS,
                                        LENGTH), 0);
    for (uint8_t g = 0; g < GROUPS; g++) {
        assert_int_equal(mu_hop_commitment(&hop_sender, g, key), 0);
        mu_hop_receiver_init(&hops[g], w.crypto, 5, g, GROUPS, key);
    }
    return 0;
}

static struct mu_bytes hop_packet(const char *text, uint8_t *out, size_t cap)
{
    struct mu_writer to = mu_writer(out, cap);

    assert_int_equal(mu_source_hop.seal(&hop_sender, 0, mu_bytes_str(text),
                                        &to), 0);
    return mu_written(&to);
}

static void test_hop(void **state)
{
    uint8_t out[256];
    struct mu_source_message m;

    (void)state;
    for (unsigned i = 0; i < LENGTH; i++) {
        struct mu_bytes p = hop_packet("page", out, sizeof(out));

        for (size_t g = 0; g < GROUPS; g++) {
            assert_int_equal(mu_source_hop.packet(&hops[g], 0, p), 0);
            assert_true(mu_source_hop.take(&hops[g], &m));
            assert_true(mu_bytes_eq(m.bytes, mu_bytes_str("page")));
            assert_int_equal(mu_source_hop.packet(&hops[g], 0, p),
                             MU_ERR_UNEXPECTED);
        }
    }
    assert_int_equal(mu_source_hop.seal(&hop_sender, 0, mu_bytes_str("x"),
                                        &(struct mu_writer){out, 256, 0, 0}),
                     MU_ERR_EXHAUSTED);
}

/* A relay one hop away holds its own chain, up to date, and still cannot
 * change what it passes on to those two hops away: head, their segment, the
 * message. */
static void test_hop_relay(void **state)
{
    enum { HEAD = 7, SEGMENT = 24 };
    uint8_t out[256], bad[256];
    struct mu_bytes p = hop_packet("page", out, sizeof(out));

    (void)state;
    assert_int_equal(mu_source_hop.packet(&hops[0], 0, p), 0);
    for (size_t bit = 0; bit < p.len * 8; bit++) {
        size_t at = bit / 8, segment = (at - HEAD) / SEGMENT;

        if (at >= HEAD && segment < GROUPS && segment != 1)
            continue; /* of other groups, who look at those */
        memcpy(bad, out, p.len);
        bad[at] = (uint8_t)(bad[at] ^ 1u << (bit % 8));
        assert_int_not_equal(mu_source_hop.packet(&hops[1], 0,
                                                  mu_bytes(bad, p.len)), 0);
    }
    assert_int_equal(mu_source_hop.packet(&hops[1], 0, p), 0);
}

/* Its own key in place of theirs, its own tag: what it can make. */
static void test_hop_forger(void **state)
{
    struct mu_hop_sender forger;
    uint8_t out[256];
    struct mu_writer to = mu_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(mu_hop_sender_init(&forger, w.crypto, 5, GROUPS, LENGTH),
                     0);
    memcpy(forger.keys[0], hop_sender.keys[0], MU_HOP_KEY);
    assert_int_equal(mu_source_hop.seal(&forger, 0, mu_bytes_str("evil"), &to),
                     0);
    assert_int_equal(mu_source_hop.packet(&hops[1], 0, mu_written(&to)),
                     MU_ERR_AUTH);
    assert_int_equal(mu_source_hop.packet(&hops[2], 0, mu_written(&to)),
                     MU_ERR_AUTH);
    assert_int_equal(hops[1].counts.forged, 1);
    assert_int_equal(mu_source_hop.packet(&hops[0], 0, mu_written(&to)), 0);
}

/* A member of the same group knows the last key, and not the next: one of its
 * own making does not lead back to it. */
static void test_hop_member(void **state)
{
    enum { HEAD = 7, SEGMENT = 24, GROUP = 1 };
    const uint8_t about[6] = {5, GROUP, 0, 0, 0, 1};
    uint8_t p[HEAD + GROUPS * SEGMENT + 4] = {
        MU_SOURCE_HOP, 5, 0, 0, 0, 1, GROUPS,
    };
    uint8_t own[MU_HOP_KEY] = {0x33}, mac[32], *segment = p + HEAD + SEGMENT;
    struct mu_bytes parts[3] = {mu_bytes_str("update"), MU_BYTES(about)};

    (void)state;
    memcpy(p + sizeof(p) - 4, "evil", 4);
    assert_int_equal(mu_hmac(w.crypto, MU_BYTES(hops[GROUP].key), parts, 2,
                             mac), 0);
    for (size_t i = 0; i < MU_HOP_KEY; i++)
        segment[i] = own[i] ^ mac[i];
    parts[0] = mu_bytes_str("packet");
    parts[1] = mu_bytes(p, HEAD);
    parts[2] = mu_bytes_str("evil");
    assert_int_equal(mu_hmac(w.crypto, MU_BYTES(own), parts, 3, mac), 0);
    memcpy(segment + MU_HOP_KEY, mac, MU_HOP_TAG);
    assert_int_equal(mu_source_hop.packet(&hops[GROUP], 0, MU_BYTES(p)),
                     MU_ERR_AUTH);
}

#define T(f) cmocka_unit_test_setup(f, setup)
#define H(f) cmocka_unit_test_setup(f, hop_setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_in_order), T(test_formula), T(test_tampered), T(test_sender),
        H(test_hop), H(test_hop_relay), H(test_hop_forger),
        H(test_hop_member),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
