/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TESLA and uTESLA: the arithmetic against vectors, the rules of RFC 4082, and
 * those who flood, delay, replay and forge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/source_tesla.h"

/* ---- vectors ---- */

static size_t unhex(const char *text, uint8_t *to)
{
    size_t n = 0;
    unsigned byte;

    while (sscanf(text + 2 * n, "%2x", &byte) == 1)
        to[n++] = (uint8_t)byte;
    return n;
}

static void vector_line(struct mu_tesla_params *p, uint8_t keys[9][32],
                        const char *name, const char *value, unsigned *checked)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const uint8_t index[4] = {0, 0, 0, 3};
    static uint8_t message[64];
    static size_t message_len;
    uint8_t is[64], want[64];
    struct mu_bytes parts[2] = {{message, message_len}, MU_BYTES(index)};
    size_t len = unhex(value, want);

    if (strcmp(name, "chain") == 0) {
        bool sha1 = strcmp(value, "sha1") == 0;
        p->prf = sha1 ? MU_TESLA_SHA1 : MU_TESLA_SHA256;
        p->key_len = sha1 ? 20 : 32;
        p->tag_len = sha1 ? 10 : 16;
    } else if (name[0] == 'k') {
        memcpy(keys[name[1] - '0'], want, len);
        assert_int_equal(len, p->key_len);
    } else if (name[0] == 'm' && name[1] != 'e') {
        /* K'_i, seen through a tag that it makes */
        unsigned i = (unsigned)(name[1] - '0');
        uint8_t full[32];
        struct mu_bytes k = {want, len}, part = mu_bytes_str("x");

        if (p->prf == MU_TESLA_SHA1)
            assert_int_equal(c->hmac_sha1(c->ctx, k, &part, 1, full), 0);
        else
            assert_int_equal(mu_hmac(c, k, &part, 1, full), 0);
        assert_int_equal(mu_tesla_tag(c, p, keys[i], &part, 1, is), 0);
        assert_memory_equal(is, full, p->tag_len);
        if (i > 0) {
            assert_int_equal(mu_tesla_before(c, p, keys[i], is), 0);
            assert_memory_equal(is, keys[i - 1], p->key_len);
        }
        ++*checked;
    } else if (strcmp(name, "message") == 0) {
        memcpy(message, want, len);
        message_len = len;
    } else if (strncmp(name, "tag", 3) == 0) {
        size_t n = strcmp(name, "tag") == 0 ? 1 : 2;

        assert_int_equal(len, p->tag_len);
        assert_int_equal(mu_tesla_tag(c, p, keys[3], parts, n, is), 0);
        assert_memory_equal(is, want, len);
        message[0] ^= 1;
        assert_int_equal(mu_tesla_tag(c, p, keys[3], parts, n, is), 0);
        assert_memory_not_equal(is, want, len);
        message[0] ^= 1;
        assert_int_equal(mu_tesla_tag(c, p, keys[4], parts, n, is), 0);
        assert_memory_not_equal(is, want, len);
        ++*checked;
    }
}

static void test_vectors(void **state)
{
    FILE *f = fopen("tests/vectors/tesla.txt", "r");
    char line[256], name[32], value[200];
    struct mu_tesla_params p = {.prf = MU_TESLA_SHA1};
    uint8_t keys[9][32];
    unsigned checked = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%31[a-z0-9_] = %199s", name, value) == 2)
            vector_line(&p, keys, name, value, &checked);
    }
    fclose(f);
    assert_int_equal(checked, 2 * (9 + 2));
}

/* RFC 4082 s.3.6: d; the safe-packet test of s.3.5. */
static void test_delay_and_safe(void **state)
{
    static const uint32_t delays[][3] = {
        {1000, 200, 2}, {1000, 1000, 2}, {1000, 1200, 3}, {500, 2000, 5},
        {250, 120000, 481},
    };
    static const struct { uint32_t t0, t, d, i, at; bool safe; } cases[] = {
        {0, 1000, 2, 5, 6999, true}, {0, 1000, 2, 5, 7000, false},
        {0, 1000, 2, 5, 6000, true}, {1000, 500, 3, 4, 4499, true},
        {1000, 500, 3, 4, 4500, false},
    };

    (void)state;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(mu_tesla_delay(MU_MS(delays[i][0]),
                                        MU_MS(delays[i][1])), delays[i][2]);
    for (size_t i = 0; i < 5; i++) {
        struct mu_tesla_params p = {
            .start = MU_MS(cases[i].t0), .interval = MU_MS(cases[i].t),
            .delay = (uint16_t)cases[i].d,
        };
        assert_int_equal(mu_tesla_safe(&p, MU_MS(cases[i].at), cases[i].i),
                         cases[i].safe);
    }
}

/* ---- a sender and a receiver ---- */

enum { SLOTS = 8, LEN = 200, SENDER_AHEAD = 5000000 };

static struct {
    const struct mu_crypto *crypto;
    struct mu_secret pair_key;
    struct mu_source_proof proof;
    struct mu_tesla_params params;
    struct mu_tesla_sender sender;
    struct mu_tesla_receiver receiver;
    uint8_t sender_work[4096], receiver_work[SLOTS * 64];
    const struct mu_source_scheme *scheme;
    mu_time now; /* the receiver's clock; the sender's is ahead of it */
    uint8_t out[MU_PACKET_MAX];
} w;

static mu_time sender_now(void)
{
    return w.now + SENDER_AHEAD;
}

static int setup(void **state)
{
    const struct mu_tesla_conf conf = {
        .proof = {mu_crypto_openssl(), NULL, &w.pair_key}, .stream = 4,
        .slots = SLOTS, .message_max = 64, .drift = MU_MS(20), .seed = 99,
    };
    uint8_t last[32] = {7}, nonce[8], answer[MU_TESLA_SYNC_MAX + 128];
    struct mu_writer to = mu_writer(answer, sizeof(answer));

    w.crypto = conf.proof.crypto;
    w.scheme = *state;
    assert_int_equal(mu_secret_set(&w.pair_key,
                                   mu_bytes_str("pairwise key 123")), 0);
    w.proof = conf.proof;
    w.now = MU_SECONDS(1);
    w.params = (struct mu_tesla_params){
        .prf = MU_TESLA_SHA256, .key_len = 16, .tag_len = 8, .stream = 4,
        .start = sender_now(), .interval = MU_MS(100), .length = LEN,
        .delay = 2,
    };
    assert_int_equal(mu_tesla_sender_init(&w.sender, w.crypto, &w.params,
                                          w.scheme == &mu_source_tesla, last,
                                          w.sender_work,
                                          sizeof(w.sender_work)), 0);
    assert_int_equal(mu_tesla_receiver_init(&w.receiver, &conf,
                                            w.receiver_work,
                                            sizeof(w.receiver_work)), 0);
    assert_int_equal(mu_tesla_sync_ask(&w.receiver, w.now, nonce), 0);
    assert_int_equal(mu_tesla_sync_create(&w.sender, &w.proof, sender_now(),
                                          nonce, &to), 0);
    w.now += MU_MS(10);
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now, mu_written(&to)),
                     0);
    w.now += MU_MS(100);
    return 0;
}

static void sync_again(void)
{
    uint8_t nonce[8], answer[512];
    struct mu_writer to = mu_writer(answer, sizeof(answer));

    assert_int_equal(mu_tesla_sync_ask(&w.receiver, w.now, nonce), 0);
    assert_int_equal(mu_tesla_sync_create(&w.sender, &w.proof, sender_now(),
                                          nonce, &to), 0);
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now, mu_written(&to)),
                     0);
}

static int setup_tesla(void **state)
{
    *state = (void *)(uintptr_t)&mu_source_tesla;
    return setup(state);
}

static int setup_utesla(void **state)
{
    *state = (void *)(uintptr_t)&mu_source_utesla;
    return setup(state);
}

static struct mu_bytes seal(const char *text)
{
    struct mu_writer to = mu_writer(w.out, sizeof(w.out));

    assert_int_equal(w.scheme->seal(&w.sender, sender_now(),
                                    mu_bytes_str(text), &to), 0);
    return mu_written(&to);
}

static int hear(struct mu_bytes packet)
{
    return w.scheme->packet(&w.receiver, w.now, packet);
}

/* Time goes by; what the sender has to say of its own accord is heard. */
static void pass(uint32_t ms, bool lost)
{
    mu_time end = w.now + MU_MS(ms);
    uint8_t to[MU_PACKET_MAX];
    size_t len;

    while (w.now < end) {
        w.now += MU_MS(5);
        while ((len = w.scheme->next(&w.sender, sender_now(), to)) > 0) {
            if (!lost)
                (void)hear(mu_bytes(to, len));
        }
        assert_true(w.scheme->deadline(&w.sender) > sender_now());
    }
}

static unsigned taken(const char *text)
{
    struct mu_source_message m;
    unsigned n = 0;

    while (w.scheme->take(&w.receiver, &m)) {
        assert_true(mu_bytes_eq(m.bytes, mu_bytes_str(text)));
        n++;
    }
    return n;
}

static void test_delivers(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(hear(seal("hello")), 0);
        pass(110, false);
        n += taken("hello");
    }
    pass(400, false);
    assert_int_equal(n + taken("hello"), 40);
    /* Nobody fetches them: the first that found room are kept. */
    for (unsigned i = 0; i < 20; i++) {
        (void)hear(seal("again"));
        pass(110, false);
    }
    pass(400, false);
    assert_int_equal(taken("again"), SLOTS);
    assert_int_equal(w.receiver.counts.forged, 0);
}

/* Not before its key: d intervals. */
static void test_waits(void **state)
{
    (void)state;
    assert_int_equal(hear(seal("one")), 0);
    assert_int_equal(taken("one"), 0);
    pass(100, false);
    assert_int_equal(taken("one"), 0);
    pass(200, false);
    assert_int_equal(taken("one"), 1);
    assert_int_equal(taken("one"), 0);
}

/* A packet that comes when its key may be known is dropped, to the interval;
 * an attacker who holds packets back and changes them gets nothing. */
static void test_unsafe(void **state)
{
    struct mu_bytes packet = seal("late");

    (void)state;
    pass(300, true);
    assert_int_equal(hear(packet), MU_ERR_EXPIRED);
    assert_int_equal(w.receiver.counts.unsafe, 1);
    assert_int_equal(w.receiver.counts.waiting_max, 0);
}

/* An interval that cannot have begun by the sender's clock. */
static void test_future(void **state)
{
    struct mu_bytes packet = seal("soon");
    uint8_t copy[128];

    (void)state;
    memcpy(copy, packet.data, packet.len);
    copy[5] = (uint8_t)(copy[5] + 1 + 1); /* beyond sync error and drift */
    assert_int_equal(hear(mu_bytes(copy, packet.len)), MU_ERR_UNEXPECTED);
    copy[2] = 0xff;
    assert_int_equal(hear(mu_bytes(copy, packet.len)), MU_ERR_UNEXPECTED);
}

/* Every bit matters, but for those of the key that rides on a message: that
 * one is for others. */
static void test_tampered(void **state)
{
    uint8_t good[128], bad[128];
    unsigned tried = 0;
    size_t len;

    (void)state;
    for (size_t bit = 0;; bit++) {
        struct mu_bytes packet = seal("value");

        len = packet.len;
        if (bit == len * 8)
            break;
        if (w.scheme == &mu_source_tesla && bit / 8 >= 6 && bit / 8 < 22)
            continue;
        memcpy(good, packet.data, len);
        memcpy(bad, good, len);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
        (void)hear(mu_bytes(bad, len));
        pass(100, false);
        if (bit % 4 == 3) {
            pass(400, false);
            assert_int_equal(taken("value"), 0);
        }
        if (w.params.length - 20 < w.sender.disclosed)
            setup(&(void *){(void *)(uintptr_t)w.scheme});
        tried++;
    }
    assert_true(tried > 100);
    assert_int_equal(w.receiver.counts.delivered, 0);
}

static void test_keys_lost(void **state)
{
    (void)state;
    assert_int_equal(hear(seal("one")), 0);
    pass(1000, true); /* ten disclosures are lost */
    pass(1000, false);
    assert_int_equal(taken("one"), 1);
}

/* RFC 4082's guard: a false key costs as many hashes as intervals went by, and
 * the next one, one. */
static void test_guard(void **state)
{
    uint8_t bad[22] = {MU_SOURCE_KEY, 4};
    uint64_t hashes;

    (void)state;
    pass(1500, true);
    hashes = w.receiver.counts.hashes;
    for (uint32_t i = 0; i < 2000; i++) {
        bad[5] = (uint8_t)(i % 200);
        bad[6] = (uint8_t)i;
        bad[7] = (uint8_t)(i >> 8);
        assert_int_not_equal(hear(MU_BYTES(bad)) == 0 && bad[5] > 13, 1);
    }
    /* one walk of at most 16, then single steps: those one interval on */
    assert_true(w.receiver.counts.hashes - hashes <= MU_TESLA_GAP_MAX + 20);
    /* True keys are too far off for a guard that fell to 1: it says so. */
    pass(2000, false);
    assert_true(mu_tesla_lost(&w.receiver, w.now));
    sync_again();
    assert_int_equal(hear(seal("still")), 0);
    pass(500, false);
    assert_int_equal(taken("still"), 1);
}

/* A key of an interval that, by the clock, is not over yet costs nothing. */
static void test_key_too_early(void **state)
{
    uint8_t bad[22] = {MU_SOURCE_KEY, 4};
    uint64_t hashes = w.receiver.counts.hashes;

    (void)state;
    for (uint8_t i = 2; i < 12; i++) {
        bad[5] = i;
        assert_int_equal(hear(MU_BYTES(bad)), MU_ERR_UNEXPECTED);
    }
    assert_int_equal(w.receiver.counts.hashes, hashes);
    assert_int_equal(w.receiver.gap, MU_TESLA_GAP_MAX);
}

/* With no loss beside it, the flood of false keys changes nothing. */
static void test_guard_follows(void **state)
{
    uint8_t bad[22] = {MU_SOURCE_KEY, 4};
    unsigned n = 0;

    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        (void)hear(seal("on"));
        pass(80, false);
        w.now += MU_MS(20); /* and before the true one of the interval */
        for (uint32_t i = 0; i < 50; i++) {
            bad[5] = (uint8_t)(round + i % 4);
            bad[7] = (uint8_t)i;
            (void)hear(MU_BYTES(bad));
        }
        n += taken("on");
    }
    assert_true(n >= 36);
    assert_true(w.receiver.counts.forged > 400);
    assert_false(mu_tesla_lost(&w.receiver, w.now));
}

/* A flood of bogus messages: memory is bounded, and what is genuine stays
 * with the chance of slots against packets. */
static void test_flood(void **state)
{
    unsigned genuine = 0;

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        struct mu_bytes packet = seal("true");
        uint8_t good[128], bad[128];
        size_t len = packet.len;

        memcpy(good, packet.data, len);
        for (unsigned i = 0; i < 4 * SLOTS; i++) {
            memcpy(bad, good, len);
            bad[len - 1] = (uint8_t)i;
            bad[len - 2] = (uint8_t)round;
            (void)hear(mu_bytes(bad, len));
            if (i == 2 * SLOTS)
                (void)hear(mu_bytes(good, len));
        }
        pass(500, false);
        genuine += taken("true");
    }
    assert_int_equal(w.receiver.counts.waiting_max, SLOTS);
    assert_true(w.receiver.counts.dropped > 500);
    assert_in_range(genuine, 1, 20); /* about one in four */
}

static void test_replay(void **state)
{
    struct mu_bytes packet = seal("once");
    uint8_t copy[128];
    size_t len = packet.len;

    (void)state;
    memcpy(copy, packet.data, len);
    assert_int_equal(hear(mu_bytes(copy, len)), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hear(mu_bytes(copy, len)), MU_ERR_REPLAY);
    pass(500, false);
    assert_int_equal(taken("once"), 1);
    assert_int_equal(hear(mu_bytes(copy, len)), MU_ERR_EXPIRED);
}

/* The answer to another question, of another sender, changed, or late. */
static void test_sync(void **state)
{
    uint8_t nonce[8], answer[512], bad[512];
    struct mu_writer to = mu_writer(answer, sizeof(answer));
    mu_time offset = w.receiver.offset;
    size_t len;

    (void)state;
    assert_int_equal(mu_tesla_sync_ask(&w.receiver, w.now, nonce), 0);
    assert_int_equal(mu_tesla_sync_create(&w.sender, &w.proof, sender_now(),
                                          nonce, &to), 0);
    len = to.len;
    for (size_t bit = 0; bit < len * 8; bit++) {
        memcpy(bad, answer, len);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ 1u << (bit % 8));
        assert_int_not_equal(mu_tesla_sync_take(&w.receiver, w.now,
                                                mu_bytes(bad, len)), 0);
    }
    for (size_t n = 0; n < len; n++)
        assert_int_not_equal(mu_tesla_sync_take(&w.receiver, w.now,
                                                mu_bytes(answer, n)), 0);
    assert_int_equal(w.receiver.offset, offset);
    /* Held back for a second, the bound is a second worse, and still one. */
    w.now += MU_SECONDS(1);
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now,
                                        mu_bytes(answer, len)), 0);
    assert_true(w.now + w.receiver.offset >= sender_now());
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now,
                                        mu_bytes(answer, len)),
                     MU_ERR_UNEXPECTED);
    assert_int_equal(mu_tesla_sync_ask(&w.receiver, w.now, nonce), 0);
    assert_int_equal(mu_tesla_sync_take(&w.receiver, w.now,
                                        mu_bytes(answer, len)),
                     MU_ERR_REPLAY);
}

/* After a silence longer than the guard follows, a sync brings it back. */
static void test_lost(void **state)
{
    (void)state;
    assert_false(mu_tesla_lost(&w.receiver, w.now));
    pass(3000, true);
    assert_true(mu_tesla_lost(&w.receiver, w.now));
    sync_again();
    assert_false(mu_tesla_lost(&w.receiver, w.now));
    assert_int_equal(hear(seal("back")), 0);
    pass(500, false);
    assert_int_equal(taken("back"), 1);
}

/* The chain of keys that is kept in part gives every key. */
static void test_chain(void **state)
{
    static const uint32_t lengths[] = {1, 2, 15, 16, 17, 100};
    uint8_t work[1024], key[32], walk[32], last[32] = {3};

    (void)state;
    for (size_t n = 0; n < 6; n++) {
        struct mu_tesla_chain k;

        assert_int_equal(mu_tesla_chain_init(&k, w.crypto, &w.params,
                                             lengths[n], last, work,
                                             sizeof(work)), 0);
        memcpy(walk, last, 16);
        for (uint32_t i = lengths[n] + 1; i-- > 0;) {
            assert_int_equal(mu_tesla_chain_key(&k, i, key), 0);
            assert_memory_equal(key, walk, 16);
            assert_int_equal(mu_tesla_before(w.crypto, &w.params, walk, walk),
                             0);
        }
        for (uint32_t i = 0; i <= lengths[n]; i++)
            assert_int_equal(mu_tesla_chain_key(&k, i, key), 0);
        assert_memory_equal(key, last, 16);
        assert_int_equal(mu_tesla_chain_key(&k, lengths[n] + 1, key),
                         MU_ERR_EXHAUSTED);
    }
}

static void test_end(void **state)
{
    struct mu_writer to = mu_writer(w.out, sizeof(w.out));

    (void)state;
    pass(LEN * 100 - 300, false);
    assert_int_equal(hear(seal("last")), 0);
    pass(800, false);
    assert_int_equal(taken("last"), 1);
    assert_int_equal(w.scheme->seal(&w.sender, sender_now(),
                                    mu_bytes_str("x"), &to),
                     MU_ERR_EXHAUSTED);
    assert_int_equal(w.scheme->deadline(&w.sender), MU_TIME_NEVER);
}

#define BOTH(f)                                                                \
    {#f " tesla", f, setup_tesla, NULL, NULL},                                 \
    {#f " utesla", f, setup_utesla, NULL, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_delay_and_safe),
        BOTH(test_delivers), BOTH(test_waits), BOTH(test_unsafe),
        BOTH(test_future), BOTH(test_tampered), BOTH(test_keys_lost),
        BOTH(test_guard), BOTH(test_key_too_early),
        BOTH(test_guard_follows), BOTH(test_flood), BOTH(test_replay),
        BOTH(test_sync), BOTH(test_lost), BOTH(test_chain), BOTH(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
