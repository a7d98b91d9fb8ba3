/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multilevel uTESLA: low chains follow each other, lost commitments and lost
 * keys are made good, and false commitments are not believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/source_tesla.h"

enum { SLOTS = 16, LOW = 10, LEN = 400 };

static struct {
    const struct mu_crypto *crypto;
    struct mu_secret key;
    struct mu_source_proof proof;
    struct mu_tesla_sender sender;
    struct mu_tesla_receiver receiver;
    uint8_t sender_work[4096], receiver_work[SLOTS * 64];
    mu_time now;
    unsigned heard[256]; /* packets by kind */
} w;

static const struct mu_source_scheme *const scheme = &mu_source_multilevel;

static void sync_now(void)
{
    uint8_t nonce[8], answer[512];
    struct mu_writer to = mu_writer(answer, sizeof(answer));

    assert_int_equal(mu_tesla_sync_ask(&w.receiver, w.now, nonce), 0);
    assert_int_equal(mu_tesla_sync_create(&w.sender, &w.proof, w.now, nonce,
                                          &to), 0);
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now, mu_written(&to)),
                     0);
}

static int setup(void **state)
{
    struct mu_tesla_params params = {
        .prf = MU_TESLA_SHA256, .key_len = 16, .tag_len = 8, .stream = 4,
        .start = MU_SECONDS(1), .interval = MU_MS(100), .length = LEN,
        .delay = 2, .low = LOW,
    };
    struct mu_tesla_conf conf = {
        .stream = 4, .slots = SLOTS, .message_max = 64, .drift = MU_MS(10),
        .seed = 7,
    };
    uint8_t last[32] = {9};

    (void)state;
    memset(&w, 0, sizeof(w));
    w.crypto = mu_crypto_openssl();
    assert_int_equal(mu_secret_set(&w.key, mu_bytes_str("pairwise key 123")),
                     0);
    w.proof = (struct mu_source_proof){w.crypto, NULL, &w.key};
    conf.proof = w.proof;
    w.now = MU_SECONDS(1) + MU_MS(120);
    assert_int_equal(mu_tesla_sender_init(&w.sender, w.crypto, &params, false,
                                          last, w.sender_work,
                                          sizeof(w.sender_work)), 0);
    assert_int_equal(mu_tesla_receiver_init(&w.receiver, &conf,
                                            w.receiver_work,
                                            sizeof(w.receiver_work)), 0);
    sync_now();
    return 0;
}

enum { LOSE_NONE = 0, LOSE_CDM = 1, LOSE_KEY = 2 };

static void pass(uint32_t ms, int lose)
{
    mu_time end = w.now + MU_MS(ms);
    uint8_t to[MU_PACKET_MAX];
    size_t len;

    while (w.now < end) {
        w.now += MU_MS(5);
        while ((len = scheme->next(&w.sender, w.now, to)) > 0) {
            w.heard[to[0]]++;
            if ((lose & LOSE_CDM) != 0 && to[0] == MU_SOURCE_CDM)
                continue;
            if ((lose & LOSE_KEY) != 0 && to[0] == MU_SOURCE_KEY)
                continue;
            (void)scheme->packet(&w.receiver, w.now, mu_bytes(to, len));
        }
    }
}

static void say(const char *text)
{
    uint8_t out[128];
    struct mu_writer to = mu_writer(out, sizeof(out));

    assert_int_equal(scheme->seal(&w.sender, w.now, mu_bytes_str(text), &to),
                     0);
    assert_int_equal(scheme->packet(&w.receiver, w.now, mu_written(&to)), 0);
}

static unsigned taken(const char *text)
{
    struct mu_source_message m;
    unsigned n = 0;

    while (scheme->take(&w.receiver, &m)) {
        assert_true(mu_bytes_eq(m.bytes, mu_bytes_str(text)));
        n++;
    }
    return n;
}

/* Over many low chains, every message, each d intervals late. */
static void test_delivers(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 120; i++) {
        say("word");
        pass(300, LOSE_NONE);
        n += taken("word");
        assert_int_equal(n, i + 1);
    }
    assert_true(w.heard[MU_SOURCE_CDM] >= 3 * 35);
    assert_int_equal(w.receiver.counts.forged, 0);
}

/* Keys of the end of a chain are lost: the next high key brings them. */
static void test_keys_lost(void **state)
{
    (void)state;
    pass(600, LOSE_NONE);
    say("word");
    pass(900, LOSE_KEY);
    assert_int_equal(taken("word"), 0);
    pass(2500, LOSE_KEY); /* no low key at all, CDMs alone */
    assert_int_equal(taken("word"), 1);
}

/* Commitments are lost for a while: what was said in it is proved later. */
static void test_cdm_lost(void **state)
{
    (void)state;
    pass(2000, LOSE_NONE);
    pass(2000, LOSE_CDM);
    say("word");
    pass(500, LOSE_CDM);
    assert_int_equal(taken("word"), 0);
    pass(3000, LOSE_NONE);
    assert_int_equal(taken("word"), 1);
    say("word"); /* and all goes on at once */
    pass(300, LOSE_NONE);
    assert_int_equal(taken("word"), 1);
}

/* Many false CDMs with the true high key in them: none is believed, few wait,
 * and every message is proved, at the latest when the high key above it comes. */
static void test_false_cdm(void **state)
{
    uint8_t out[MU_PACKET_MAX], bad[MU_PACKET_MAX];
    unsigned n = 0, said = 0;
    size_t len;

    (void)state;
    pass(3000, LOSE_NONE);
    for (unsigned round = 0; round < 600; round++) {
        w.now += MU_MS(10);
        while ((len = scheme->next(&w.sender, w.now, out)) > 0) {
            for (unsigned i = 0; i < 50 && out[0] == MU_SOURCE_CDM; i++) {
                memcpy(bad, out, len);
                bad[6 + i % 32] ^= (uint8_t)(i + 1);
                (void)scheme->packet(&w.receiver, w.now, mu_bytes(bad, len));
            }
            (void)scheme->packet(&w.receiver, w.now, mu_bytes(out, len));
        }
        if (round % 40 == 0) {
            say("word");
            said++;
        }
        n += taken("word");
    }
    for (unsigned i = 0; i < 8; i++) {
        pass(400, LOSE_NONE);
        n += taken("word");
    }
    assert_int_equal(n, said);
    assert_true(w.receiver.counts.forged > 100);
}

/* A false CDM alone, none foreseen: it waits for its key, and is thrown out. */
static void test_false_cdm_alone(void **state)
{
    uint8_t out[MU_PACKET_MAX], bad[MU_PACKET_MAX];
    bool heard = false;
    size_t len;

    (void)state;
    while (!heard) {
        w.now += MU_MS(5);
        while ((len = scheme->next(&w.sender, w.now, out)) > 0) {
            if (out[0] != MU_SOURCE_CDM || heard)
                continue;
            memcpy(bad, out, len);
            bad[6] ^= 1;  /* the commitment */
            bad[22] ^= 1; /* the hash of the next */
            assert_int_equal(scheme->packet(&w.receiver, w.now,
                                            mu_bytes(bad, len)), 0);
            heard = true;
        }
    }
    assert_false(w.receiver.foreseen);
    pass(1000, LOSE_CDM);
    pass(400, LOSE_NONE); /* the high key comes, and the true ones */
    assert_true(w.receiver.counts.forged > 0);
    for (size_t i = 0; i < 3; i++)
        assert_memory_not_equal(w.receiver.lows[i].key, bad + 6, 16);
    assert_memory_not_equal(w.receiver.foreseen_hash, bad + 22, 16);
}

/* Each bit of CDM and key packets. */
static void test_tampered(void **state)
{
    uint8_t out[MU_PACKET_MAX], bad[MU_PACKET_MAX];
    size_t len;
    bool cdm = false, key = false;

    (void)state;
    while (!cdm || !key) {
        w.now += MU_MS(5);
        while ((len = scheme->next(&w.sender, w.now, out)) > 0) {
            for (size_t bit = 0; bit < len * 8; bit++) {
                memcpy(bad, out, len);
                bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
                (void)scheme->packet(&w.receiver, w.now, mu_bytes(bad, len));
            }
            cdm = cdm || out[0] == MU_SOURCE_CDM;
            key = key || out[0] == MU_SOURCE_KEY;
            (void)scheme->packet(&w.receiver, w.now, mu_bytes(out, len));
        }
    }
    pass(1000, LOSE_NONE);
    say("word");
    pass(400, LOSE_NONE);
    assert_int_equal(taken("word"), 1);
}

/* Who comes late, or was away for long. */
static void test_late(void **state)
{
    (void)state;
    pass(15000, LOSE_CDM | LOSE_KEY);
    assert_false(scheme->counts(&w.receiver)->delivered > 0);
    pass(6000, LOSE_CDM | LOSE_KEY);
    assert_true(mu_tesla_lost(&w.receiver, w.now));
    sync_now();
    assert_false(mu_tesla_lost(&w.receiver, w.now));
    say("word");
    pass(400, LOSE_NONE);
    assert_int_equal(taken("word"), 1);
}

/* Ten years of half-second intervals, in a chain of 154,000 keys. */
static void test_years(void **state)
{
    struct mu_tesla_params p = {
        .prf = MU_TESLA_SHA256, .key_len = 16, .tag_len = 8,
        .interval = MU_MS(500), .length = 630720000, .delay = 2, .low = 4096,
    };
    static uint8_t work[32768];
    const uint8_t last[32] = {1};
    struct mu_tesla_sender s;
    uint8_t out[128];
    struct mu_writer to = mu_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(mu_tesla_check(&p), 0);
    assert_true(mu_tesla_sender_work(&p) <= sizeof(work));
    assert_int_equal(mu_tesla_sender_init(&s, w.crypto, &p, false, last, work,
                                          sizeof(work)), 0);
    assert_int_equal(mu_source_multilevel.seal(&s, MU_SECONDS(315000000),
                                               mu_bytes_str("x"), &to), 0);
    p.low = 0;
    assert_int_equal(mu_tesla_check(&p), MU_ERR_MALFORMED);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_delivers), T(test_keys_lost), T(test_cdm_lost),
        T(test_false_cdm), T(test_false_cdm_alone), T(test_tampered), T(test_late),
        T(test_years),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
