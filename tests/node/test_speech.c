/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speakers and who listens to them, by each scheme, in virtual time: loss,
 * restarts, clocks that jump, and everything that a member with the area's key
 * can do, which is all that a frame takes. What nobody said is heard by nobody.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/listener.h"
#include "muster/speaker.h"

enum { SPEAKERS = 2, GATEWAY = 7, STEP_MS = 10, FLOOD = 20 };

#define AHEAD MU_SECONDS(1000) /* the listener's clock before the speakers' */

struct said {
    char text[32];
    unsigned heard;
};

static struct world {
    const struct mu_crypto *crypto;
    struct mu_signer server;
    enum mu_speech_scheme scheme;
    bool out; /* the second one is no speaker any more */
    struct mu_speaker speakers[SPEAKERS];
    uint8_t *work[SPEAKERS];
    size_t work_len;
    uint8_t record[SPEAKERS][MU_SPEAKER_RECORD_MAX];
    size_t record_len[SPEAKERS];
    struct mu_listener listener;
    uint8_t *streams;
    uint8_t kept[MU_LISTENER_RECORD_MAX];
    size_t kept_len;
    struct mu_secret khop;
    mu_time now;     /* of the speakers */
    uint64_t jump;   /* of the listener's clock */
    uint64_t version;
    uint8_t directory[MU_SPEECH_DIRECTORY_MAX];
    size_t directory_len;
    uint8_t before[MU_SPEECH_DIRECTORY_MAX];
    size_t before_len;
    unsigned loss; /* percent */
    uint32_t dice;
    struct said said[64];
    unsigned said_len, false_heard, asked;
    uint64_t last_number;
    bool mute; /* nobody answers questions */
    bool hold; /* nobody asks any */
    bool tree; /* the directory is one, whatever the scheme */
    struct mu_speaker *fake; /* answers in the place of speaker 0 */
    /* The last packet of speaker 0 that was no key. */
    uint8_t last[MU_SPEECH_PACKET_MAX];
    size_t last_len;
    uint16_t last_run;
    bool keep_air; /* packets are put aside */
    uint8_t aside[64][MU_SPEECH_PACKET_MAX];
    size_t aside_len[64];
    uint16_t aside_run[64];
    unsigned asides;
} w;

static const char *const names[SPEAKERS] = {"horn", "boiler"};

static uint32_t id_of(unsigned i)
{
    return mu_speech_id(GATEWAY, i == 0 ? MU_SPEECH_OF_GATEWAY : 5);
}

static mu_time there(void)
{
    return w.now + AHEAD + w.jump;
}

static struct mu_speaker_conf speaker_conf(unsigned i)
{
    return (struct mu_speaker_conf){
        .crypto = w.crypto, .scheme = w.scheme,
        .identity = mu_bytes_str(names[i]), .copies = 3, .interval_ms = 200,
        .answers = 8,
    };
}

/* ---- directories ----------------------------------------------------------- */

static void directory_new(void)
{
    const struct mu_source_proof proof = {w.crypto, &w.server, NULL};
    bool tree = w.scheme == MU_SPEECH_MERKLE || w.tree;
    struct mu_directory_member members[SPEAKERS];
    size_t len = w.out ? 1 : SPEAKERS;
    uint8_t bits[MU_SPEECH_FILTER], nodes[8 * 32], path[MU_SPEECH_PATH_MAX];
    struct mu_writer to = mu_writer(w.directory, sizeof w.directory);
    struct mu_directory d = {
        .kind = tree ? MU_DIRECTORY_MERKLE : MU_DIRECTORY_BLOOM,
        .version = ++w.version, .members = (uint32_t)len,
        .salt = {(uint8_t)w.version}, .bits = {bits, tree ? 32 : 6 * len},
    };

    memcpy(w.before, w.directory, w.directory_len);
    w.before_len = w.directory_len;
    for (unsigned i = 0; i < len; i++) {
        members[i] = w.speakers[i].self;
        members[i].id = id_of(i);
    }
    if (tree)
        assert_int_equal(mu_merkle_make(w.crypto, members, len, d.salt, nodes,
                                        sizeof nodes, bits), 0);
    else
        assert_int_equal(mu_bloom_make(w.crypto, members, len, d.salt, bits,
                                       6 * len, &d.hashes), 0);
    assert_int_equal(mu_directory_create(&proof, &d, &to), 0);
    w.directory_len = to.len;
    for (unsigned i = 0; i < len; i++) {
        struct mu_speech_told told = {.id = id_of(i), .index = i};

        if (tree) {
            told.path = mu_bytes(path, (size_t)mu_merkle_depth(len) * 32);
            assert_int_equal(mu_merkle_path(nodes, len, i, path, sizeof path),
                             0);
        }
        mu_speaker_told(&w.speakers[i], &told, w.version);
    }
}

static void directory_heard(void)
{
    assert_int_equal(mu_listener_directory(
                         &w.listener, mu_bytes(w.directory, w.directory_len)),
                     0);
}

/* ---- the parties ----------------------------------------------------------- */

static void speaker_store(unsigned i)
{
    struct mu_speaker *s = &w.speakers[i];
    struct mu_writer to = mu_writer(w.record[i], sizeof w.record[i]);

    if (!s->dirty)
        return;
    mu_speaker_write(s, &to);
    assert_int_equal(mu_writer_end(&to), 0);
    w.record_len[i] = to.len;
    s->dirty = false;
}

static void speaker_start(unsigned i)
{
    const struct mu_speaker_conf conf = speaker_conf(i);

    assert_int_equal(mu_speaker_init(&w.speakers[i], &conf,
                                     mu_bytes(w.record[i], w.record_len[i]),
                                     w.work[i], w.work_len, w.now), 0);
    speaker_store(i);
}

static void listener_start(void)
{
    const struct mu_listener_conf conf = {
        .crypto = w.crypto, .server = &w.server, .streams = 3, .seed = 77,
    };

    assert_int_equal(mu_listener_init(&w.listener, &conf,
                                      mu_bytes(w.kept, w.kept_len), w.streams,
                                      mu_listener_work(&conf)), 0);
    assert_int_equal(mu_listener_area(&w.listener, &w.khop), 0);
    mu_listener_gateway(&w.listener, id_of(0));
}

static int setup(enum mu_speech_scheme scheme)
{
    const struct mu_listener_conf listen = {.streams = 3};
    size_t pub_len;

    memset(&w, 0, sizeof w);
    w.crypto = mu_crypto_openssl();
    w.scheme = scheme;
    w.dice = 12345;
    w.now = MU_SECONDS(5);
    w.server.alg = MU_ALG_ES256;
    assert_int_equal(w.crypto->keypair(w.crypto->ctx, w.server.alg,
                                       &w.server.priv, w.server.pub,
                                       &pub_len), 0);
    w.server.pub_len = (uint8_t)pub_len;
    assert_int_equal(mu_secret_set(&w.khop, mu_bytes_str("hop key of the two")),
                     0);
    for (unsigned i = 0; i < SPEAKERS; i++) {
        const struct mu_speaker_conf conf = speaker_conf(i);

        w.work_len = mu_speaker_work(&conf);
        w.work[i] = calloc(1, w.work_len + 1);
        speaker_start(i);
    }
    w.streams = calloc(1, mu_listener_work(&listen));
    listener_start();
    directory_new();
    directory_heard();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SPEAKERS; i++) {
        mu_speaker_clear(&w.speakers[i]);
        free(w.work[i]);
    }
    free(w.streams);
    return 0;
}

/* ---- the area --------------------------------------------------------------- */

static void listener_store(void)
{
    struct mu_writer to = mu_writer(w.kept, sizeof w.kept);

    if (!w.listener.dirty)
        return;
    mu_listener_write(&w.listener, &to);
    assert_int_equal(mu_writer_end(&to), 0);
    w.kept_len = to.len;
    w.listener.dirty = false;
}

/* The checker: what is heard was said, by that one, and once. */
static void listener_heard(void)
{
    const struct mu_listener_message *m;

    listener_store();
    while ((m = mu_listener_ready(&w.listener)) != NULL) {
        bool found = false;

        for (unsigned i = 0; i < w.said_len && !found; i++) {
            if (strlen(w.said[i].text) != m->len ||
                memcmp(w.said[i].text, m->text, m->len) != 0)
                continue;
            found = true;
            w.said[i].heard++;
            /* A text begins with the number of its speaker. */
            if (m->id != id_of((unsigned)(m->text[0] - '0')) ||
                !mu_bytes_eq(mu_bytes(m->name, m->name_len),
                             mu_bytes_str(names[m->text[0] - '0'])) ||
                w.said[i].heard > 1)
                w.false_heard++;
        }
        w.false_heard += !found;
        mu_listener_over(&w.listener);
    }
}

static void deliver(unsigned i, uint16_t run, struct mu_bytes packet)
{
    const struct mu_speech_frame m = {id_of(i), run, 0, packet};

    (void)!mu_listener_packet(&w.listener, there(), &m);
    listener_heard();
}

static bool lucky(unsigned percent)
{
    return mu_jitter_next(&w.dice) % 100 >= percent;
}

static void send_packets(unsigned i)
{
    struct mu_speaker *s = &w.speakers[i];
    uint8_t packet[MU_SPEECH_PACKET_MAX];
    size_t len;

    mu_speaker_run(s, w.now);
    speaker_store(i);
    while ((len = mu_speaker_next(s, w.now, packet)) > 0) {
        if (i == 0 && packet[0] != MU_SOURCE_KEY &&
            packet[0] != MU_SOURCE_CDM) {
            memcpy(w.last, packet, len);
            w.last_len = len;
            w.last_run = s->run;
        }
        if (w.keep_air && w.asides < 64) {
            memcpy(w.aside[w.asides], packet, len);
            w.aside_len[w.asides] = len;
            w.aside_run[w.asides++] = s->run;
        }
        if (lucky(w.loss))
            deliver(i, s->run, mu_bytes(packet, len));
    }
}

/* What is asked is answered by whom it is about, half a step later. */
static void questions(void)
{
    uint8_t answer[1408];
    struct mu_speech_ask ask;
    struct mu_secret pair;

    mu_listener_run(&w.listener, there());
    if (w.hold || !mu_listener_ask(&w.listener, there(), &ask))
        return;
    w.asked++;
    assert_int_equal(mu_kdf(w.crypto, &w.khop, "speech", mu_bytes(NULL, 0), 32,
                            &pair), 0);
    for (unsigned i = 0; i < SPEAKERS; i++) {
        struct mu_writer to = mu_writer(answer, sizeof answer);

        if (ask.id != id_of(i) || w.mute || (i == 1 && w.out) ||
            mu_speaker_introduce(i == 0 && w.fake != NULL ? w.fake
                                                          : &w.speakers[i],
                                 w.now, &ask,
                                 i == 0 && w.fake == NULL ? &pair : NULL,
                                 &to) != 0)
            continue;
        (void)!mu_listener_answer(&w.listener, there(), mu_written(&to));
        listener_heard();
        return;
    }
    (void)!mu_listener_answer(&w.listener, there(), mu_bytes(NULL, 0));
}

static void pass(unsigned ms, void (*attack)(void))
{
    for (unsigned t = 0; t < ms; t += STEP_MS) {
        w.now += MU_MS(STEP_MS);
        for (unsigned i = 0; i < SPEAKERS; i++)
            send_packets(i);
        questions();
        if (attack != NULL)
            attack();
        listener_heard();
    }
}

static const char *say(unsigned i)
{
    struct said *s = &w.said[w.said_len++];

    assert_true(w.said_len <= 64);
    snprintf(s->text, sizeof s->text, "%u says %u", i, w.said_len);
    assert_int_equal(mu_speaker_say(&w.speakers[i], w.now,
                                    mu_bytes_str(s->text)), 0);
    speaker_store(i);
    return s->text;
}

static unsigned heard(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w.said_len; i++)
        n += w.said[i].heard;
    return n;
}

/* ---- what is said is heard ---------------------------------------------------- */

static void test_heard(void **state)
{
    (void)state;
    pass(2000, NULL); /* chains become known */
    for (unsigned i = 0; i < 6; i++) {
        say(i % 2);
        pass(3000, NULL);
    }
    assert_int_equal(heard(), 6);
    assert_int_equal(w.false_heard, 0);
    assert_true(w.asked < 20);
    pass(80000, NULL);
    assert_int_equal(w.speakers[0].bytes, 0); /* nothing is kept for ever */
}

/* A fifth is lost; of three copies one gets through, nearly always. */
static void test_loss(void **state)
{
    (void)state;
    w.loss = 20;
    pass(5000, NULL);
    for (unsigned i = 0; i < 40; i++) {
        say(i % 2);
        pass(4000, NULL);
    }
    assert_in_range(heard(), 38, 40);
    assert_int_equal(w.false_heard, 0);
}

/* A receiver that comes late, or comes back. */
static void test_late(void **state)
{
    (void)state;
    pass(4000, NULL);
    say(0);
    pass(4000, NULL);
    assert_int_equal(heard(), 1);
    listener_start();
    directory_heard();
    pass(40000, NULL);
    say(0);
    say(1);
    pass(4000, NULL);
    assert_int_equal(heard(), 3);
    assert_int_equal(w.false_heard, 0);
}

/* Its process dies with a message half said; it is said again, and heard once. */
static void test_restart(void **state)
{
    uint16_t run;

    (void)state;
    pass(2000, NULL);
    say(0);
    pass(20, NULL);
    w.loss = 100; /* nothing after the first moment */
    pass(100, NULL);
    w.loss = 0;
    run = w.speakers[0].run;
    for (unsigned i = 0; i < 3; i++) {
        struct mu_speech_told told = {.id = id_of(0)};
        uint32_t numbers = w.speakers[0].numbers;
        uint8_t path[32];

        memcpy(path, w.speakers[0].path, sizeof path);
        told.path = mu_bytes(path, w.speakers[0].path_len);
        mu_speaker_clear(&w.speakers[0]);
        speaker_start(0);
        assert_true(w.speakers[0].run > run); /* no chain is gone on with */
        assert_int_equal(w.speakers[0].numbers, numbers);
        run = w.speakers[0].run;
        mu_speaker_told(&w.speakers[0], &told, w.version);
        speaker_store(0);
        pass(i < 2 ? 50 : 5000, NULL);
    }
    assert_int_equal(heard(), 1);
    say(0);
    pass(70000, NULL);
    say(0);
    pass(5000, NULL);
    assert_int_equal(heard(), 3);
    assert_int_equal(w.false_heard, 0);
}

/* ---- what nobody said is not -------------------------------------------------- */

/* A member with the group key makes frames of its own around what he likes. */
static void forge(void)
{
    uint8_t packet[MU_SPEECH_PACKET_MAX];
    static const uint8_t kinds[] = {0x50, 0x51, 0x52, 0x53, 0x54, 0x55};

    for (unsigned i = 0; i < FLOOD; i++) {
        uint32_t dice = mu_jitter_next(&w.dice);

        memcpy(packet, w.last, w.last_len);
        if (w.last_len < 16)
            return;
        switch (dice % 6) {
        case 0: /* another text under the same proof */
            packet[w.last_len - 1 - dice / 8 % 4] ^= 1;
            break;
        case 1: /* in the name of the other */
            break;
        case 2: /* a later counter, interval or place */
            packet[1 + dice / 8 % 12] ^= (uint8_t)(1 + dice / 64 % 7);
            break;
        case 3: /* of another kind */
            packet[0] = kinds[dice / 8 % 6];
            break;
        case 4: /* cut, or noise */
            memset(packet + 6, (int)(dice >> 8), w.last_len - 6);
            break;
        default: /* as it was, of another run */
            break;
        }
        deliver(dice % 6 == 1, (uint16_t)(w.last_run + (dice % 6 == 5)),
                mu_bytes(packet, w.last_len));
    }
}

static void test_forged(void **state)
{
    uint64_t before;

    (void)state;
    pass(3000, NULL);
    before = w.listener.sign.counts.signatures;
    for (unsigned i = 0; i < 10; i++) {
        say(0);
        pass(3000, forge);
    }
    assert_int_equal(w.false_heard, 0);
    assert_true(heard() >= 2); /* each packet has its chance */
    /* 60,000 forgeries; 20 signatures a second and no more. */
    assert_true(w.listener.sign.counts.signatures - before <= 31 * 20 + 20);
    /* Nor do they make it ask without end: 0.25 s apart, then up to 64 s. */
    assert_true(w.asked < 130);
}

/* All that was on the air, once more, later, and after a restart. */
static void test_replayed(void **state)
{
    unsigned n;

    (void)state;
    pass(3000, NULL);
    w.keep_air = true;
    say(0);
    pass(3000, NULL);
    w.keep_air = false;
    assert_int_equal(heard(), 1);
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < w.asides; i++)
            deliver(0, w.aside_run[i], mu_bytes(w.aside[i], w.aside_len[i]));
        pass(3000, NULL);
        listener_start(); /* its record is what it goes on with */
        directory_heard();
        pass(3000, NULL);
    }
    for (unsigned i = 0; i < w.asides; i++)
        deliver(1, w.aside_run[i], mu_bytes(w.aside[i], w.aside_len[i]));
    n = heard();
    assert_int_equal(n, 1);
    assert_int_equal(w.false_heard, 0);
}

/* A packet that is held back until its key is out comes too late: whoever held
 * it back could have made it. */
static void test_delayed(void **state)
{
    bool chained = w.scheme == MU_SPEECH_TESLA ||
                   w.scheme == MU_SPEECH_UTESLA ||
                   w.scheme == MU_SPEECH_MULTILEVEL;

    (void)state;
    pass(66000, NULL); /* of a young run there are copies still to come */
    w.keep_air = true;
    w.loss = 100;
    say(0);
    pass(700, NULL); /* three intervals and a half */
    w.keep_air = false;
    w.loss = 0;
    for (unsigned i = 0; i < w.asides; i++)
        deliver(0, w.aside_run[i], mu_bytes(w.aside[i], w.aside_len[i]));
    pass(2000, NULL);
    assert_int_equal(heard(), chained ? 0 : 1);
    assert_int_equal(w.false_heard, 0);
}

/* Its clock stands still for a while (it slept), or leaps: at worst it hears
 * nothing until it has asked for the time. It never believes what is late. */
static void test_clock(void **state)
{
    (void)state;
    pass(3000, NULL);
    w.jump = MU_SECONDS(50); /* ahead: all seems late */
    say(0);
    pass(90000, NULL);
    say(0);
    pass(4000, NULL);
    assert_true(w.said[1].heard == 1);
    assert_int_equal(w.false_heard, 0);
}

/* Nobody answers any more: after eleven minutes the clocks may be too far apart,
 * and what hangs on them is not believed. */
static void test_stale(void **state)
{
    bool chained = w.scheme == MU_SPEECH_TESLA ||
                   w.scheme == MU_SPEECH_UTESLA ||
                   w.scheme == MU_SPEECH_MULTILEVEL;

    (void)state;
    pass(3000, NULL);
    w.mute = chained;
    pass(655000, NULL);
    say(0);
    pass(3000, NULL);
    assert_int_equal(heard(), 1);
    pass(10000, NULL);
    say(0);
    pass(5000, NULL);
    assert_int_equal(heard(), chained ? 1 : 2);
    w.mute = false;
    pass(70000, NULL);
    say(0);
    pass(5000, NULL);
    assert_int_equal(w.said[2].heard, 1);
    assert_int_equal(w.false_heard, 0);
}

static void test_revoked(void **state)
{
    (void)state;
    pass(3000, NULL);
    say(1);
    pass(3000, NULL);
    assert_int_equal(heard(), 1);
    /* It still has its key, the area's key, the chain, and says it all. */
    w.out = true;
    say(1);
    pass(30, NULL);
    directory_new();
    directory_heard();
    pass(3000, NULL);
    say(1);
    pass(3000, NULL);
    assert_true(w.said[2].heard == 0);
    /* Under a chain not even what waits is taken any more. */
    if (w.scheme != MU_SPEECH_BLOOM && w.scheme != MU_SPEECH_MERKLE &&
        w.scheme != MU_SPEECH_CHAIN)
        assert_int_equal(w.said[1].heard, 0);
    /* The one before, again: by whoever kept it, after a restart too. */
    assert_int_equal(mu_listener_directory(
                         &w.listener, mu_bytes(w.before, w.before_len)),
                     MU_ERR_ROLLBACK);
    listener_store();
    listener_start();
    assert_int_equal(mu_listener_directory(
                         &w.listener, mu_bytes(w.before, w.before_len)),
                     MU_ERR_ROLLBACK);
    directory_heard();
    pass(3000, NULL);
    assert_true(w.said[2].heard == 0);
    say(0); /* the other one goes on */
    pass(5000, NULL);
    assert_true(w.said[3].heard == 1);
    assert_int_equal(w.false_heard, 0);
}

/* The same where the directory is a tree: who is out cannot be seen at once, and
 * what waits is held until the speaker has shown its new path. */
static void test_revoked_tree(void **state)
{
    w.tree = true;
    directory_new();
    directory_heard();
    test_revoked(state);
}

/* The time of another question. */
static void test_introduced(void **state)
{
    uint8_t kept[1408];
    struct mu_writer to = mu_writer(kept, sizeof kept);
    struct mu_speech_ask ask = {.id = id_of(0)};
    struct mu_secret pair;
    bool asked = false;

    (void)state;
    w.hold = true;
    pass(3000, NULL); /* its stream has been heard */
    assert_int_equal(mu_kdf(w.crypto, &w.khop, "speech", mu_bytes(NULL, 0), 32,
                            &pair), 0);
    assert_int_equal(mu_speaker_introduce(&w.speakers[0], w.now, &ask, &pair,
                                          &to), 0);
    for (unsigned i = 0; i < 200 && !asked; i++) {
        w.now += MU_MS(STEP_MS);
        asked = mu_listener_ask(&w.listener, there(), &ask) &&
                ask.id == id_of(0);
        if (!asked && w.listener.asking != 0)
            (void)!mu_listener_answer(&w.listener, there(),
                                      mu_bytes(NULL, 0));
    }
    assert_true(asked);
    assert_int_equal(mu_listener_answer(&w.listener, there(), mu_written(&to)),
                     MU_ERR_REPLAY);
    assert_int_equal(mu_listener_streams(&w.listener), 0);
    w.hold = false; /* and the true one is taken */
    pass(70000, NULL);
    say(0);
    pass(5000, NULL);
    assert_int_equal(w.said[0].heard, 1);
}

/* Somebody with the name of the gateway, its number, its place in the tree, the
 * answers to questions about it, and a key of his own. */
static void test_impostor(void **state)
{
    const struct mu_speaker_conf conf = speaker_conf(0);
    struct mu_speech_told told = {.id = id_of(0)};
    struct mu_speaker *fake = calloc(1, sizeof *fake);
    uint8_t *work = calloc(1, w.work_len + 1), packet[MU_SPEECH_PACKET_MAX];
    size_t len;

    (void)state;
    assert_int_equal(mu_speaker_init(fake, &conf, mu_bytes(NULL, 0), work,
                                     w.work_len, w.now), 0);
    told.path = mu_bytes(w.speakers[0].path, w.speakers[0].path_len);
    mu_speaker_told(fake, &told, w.version);
    fake->run = w.speakers[0].run;
    w.fake = fake;
    for (unsigned i = 0; i < 1000; i++) {
        fake->dirty = false;
        if (i % 400 == 200)
            assert_int_equal(mu_speaker_say(fake, w.now,
                                            mu_bytes_str("0 says no")), 0);
        fake->dirty = false;
        mu_speaker_run(fake, w.now);
        fake->dirty = false;
        while ((len = mu_speaker_next(fake, w.now, packet)) > 0)
            deliver(0, fake->run, mu_bytes(packet, len));
        pass(STEP_MS, NULL);
    }
    assert_int_equal(w.false_heard, 0);
    assert_true(w.listener.taken == 0);
    mu_speaker_clear(fake);
    free(fake);
    free(work);
}

/* Frames: only who has the area's key makes one, and it holds together. */
static void test_frames(void **state)
{
    uint8_t out[MU_PACKET_MAX], packet[] = "5 a packet";
    struct mu_writer to = mu_writer(out, sizeof out);
    struct mu_speech_frame m = {77, 3, 9, MU_BYTES(packet)}, back;
    struct mu_secret other = w.khop;

    (void)state;
    assert_int_equal(mu_speech_frame_create(w.crypto, &w.khop, &m, &to), 0);
    assert_int_equal(to.len, sizeof packet + MU_SPEECH_FRAME_ADDS);
    assert_int_equal(mu_speech_frame_consume(w.crypto, &w.khop,
                                             mu_written(&to), &back), 0);
    assert_true(back.id == 77 && back.run == 3 && back.kg == 9 &&
                mu_bytes_eq(back.packet, m.packet));
    for (size_t i = 0; i < to.len; i++) {
        out[i] ^= 1;
        assert_int_not_equal(mu_speech_frame_consume(
                                 w.crypto, &w.khop, mu_written(&to), &back),
                             0);
        out[i] ^= 1;
        assert_int_not_equal(mu_speech_frame_consume(
                                 w.crypto, &w.khop, mu_bytes(out, i), &back),
                             0);
    }
    other.bytes[0] ^= 1;
    assert_int_equal(mu_speech_frame_consume(w.crypto, &other, mu_written(&to),
                                             &back), MU_ERR_AUTH);
}

#define SETUP(name, scheme)                                                    \
    static int setup_##name(void **state)                                      \
    {                                                                          \
        (void)state;                                                           \
        return setup(scheme);                                                  \
    }

SETUP(bloom, MU_SPEECH_BLOOM)
SETUP(merkle, MU_SPEECH_MERKLE)
SETUP(tesla, MU_SPEECH_TESLA)
SETUP(utesla, MU_SPEECH_UTESLA)
SETUP(multilevel, MU_SPEECH_MULTILEVEL)
SETUP(chain, MU_SPEECH_CHAIN)

#define ALL(f)                                                                 \
    {#f " bloom", f, setup_bloom, teardown, NULL},                             \
    {#f " merkle", f, setup_merkle, teardown, NULL},                           \
    {#f " tesla", f, setup_tesla, teardown, NULL},                             \
    {#f " utesla", f, setup_utesla, teardown, NULL},                           \
    {#f " multilevel", f, setup_multilevel, teardown, NULL},                   \
    {#f " chain", f, setup_chain, teardown, NULL}

#define CHAINED(f)                                                             \
    {#f " tesla", f, setup_tesla, teardown, NULL},                             \
    {#f " utesla", f, setup_utesla, teardown, NULL},                           \
    {#f " multilevel", f, setup_multilevel, teardown, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(test_heard), ALL(test_loss), ALL(test_late), ALL(test_restart),
        ALL(test_forged), ALL(test_replayed), ALL(test_delayed),
        ALL(test_clock), ALL(test_stale), ALL(test_revoked),
        ALL(test_impostor),
        CHAINED(test_revoked_tree), CHAINED(test_introduced),
        cmocka_unit_test_setup_teardown(test_frames, setup_bloom, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
