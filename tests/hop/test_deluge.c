/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Deluge engine: nodes that all hear each other, packet by packet, against
 * the six rules of EXALTED D5.2 s.5.2, and against those who break them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/deluge.h"

enum { NODES = 5, SIZE = 5560, PREPARED = 8000, SESSION = 3, LOG = 4000 };

struct node {
    struct mu_deluge d;
    uint8_t work[2 * 1024];
    uint8_t store[PREPARED];
    struct mu_object object;
    unsigned writes, write_fails;
    bool off;
};

struct entry { /* of what was on the air */
    mu_time at;
    uint32_t node;
    size_t len;
    uint8_t data[128];
};

static struct {
    const struct mu_crypto *crypto;
    struct node nodes[NODES];
    uint8_t prepared[PREPARED];
    uint8_t manifest[2][1024];
    size_t manifest_len[2];
    uint32_t pages;
    struct mu_signer server;
    struct mu_deluge_trust trust;
    struct mu_deluge_opener opener;
    struct mu_secret kctl;
    struct mu_deluge_seal seal;
    mu_time now;
    struct entry log[LOG];
    size_t log_len;
} w;

static int flat_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    assert_true(at + len <= PREPARED);
    memcpy(to, (uint8_t *)ctx + at, len);
    return 0;
}

static int flat_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    assert_true(at + len <= PREPARED);
    memcpy((uint8_t *)ctx + at, from, len);
    return 0;
}

static int flat_sync(void *ctx)
{
    (void)ctx;
    return 0;
}

static int node_read(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    return flat_read(((struct node *)ctx)->store, at, to, len);
}

static int node_write(void *ctx, uint64_t at, const uint8_t *from, size_t len)
{
    struct node *n = ctx;

    if (n->write_fails > 0) {
        n->write_fails--;
        return MU_ERR_IO;
    }
    n->writes++;
    return flat_write(n->store, at, from, len);
}

static void make_object(unsigned which)
{
    static uint8_t plain[SIZE], work[8192];
    const struct mu_cast_shape shape = {96, 16, 0, 8};
    struct mu_object from = {plain, flat_read, flat_write, flat_sync};
    struct mu_object to = {w.prepared, flat_read, flat_write, flat_sync};
    struct mu_cast_prepare p;
    struct mu_secret cek = {.bytes = {(uint8_t)which}, .len = 16};
    struct mu_writer out = mu_writer(w.manifest[which], 1024);
    struct mu_manifest m = {
        .group = 1, .version = 10 + which, .size = SIZE, .shape = shape,
        .session = SESSION, .kid = {MU_KEY_KB, 1, 1},
        .name = mu_bytes_str("main"), .pointer = mu_bytes_str("s/k"),
    };

    memset(plain, (int)which, sizeof(plain));
    assert_true(mu_cast_prepare_work(&shape) <= sizeof(work));
    assert_int_equal(mu_cast_prepare_init(&p, w.crypto, &shape, SIZE, SESSION,
                                          &cek, &from, &to, work,
                                          sizeof(work)), 0);
    while (p.left > 0)
        assert_int_equal(mu_cast_prepare_step(&p), 0);
    m.roots = mu_cast_prepare_roots(&p);
    assert_int_equal(mu_manifest_create(w.crypto, &w.server, &m, &out), 0);
    w.manifest_len[which] = out.len;
    w.pages = mu_cast_pages(&shape, SIZE);
}

static struct mu_bytes manifest(unsigned which)
{
    return mu_bytes(w.manifest[which], w.manifest_len[which]);
}

static void node_begin(uint16_t i)
{
    struct node *n = &w.nodes[i];
    struct mu_deluge_conf conf = {
        .crypto = w.crypto, .store = &n->object, .opener = &w.opener,
        .node = i, .channel = 1, .tag_len = MU_TAG_LEN, .payload = 96,
        .manifest_max = 1024, .packet_us = 4000,
        .trickle = {250, 6, 1}, .seed = i * 31u + 5,
    };

    n->object = (struct mu_object){n, node_read, node_write, flat_sync};
    assert_int_equal(mu_deluge_init(&n->d, &conf, n->work, sizeof(n->work),
                                    w.now), 0);
    mu_deluge_control(&n->d, &w.kctl, 1);
}

static int setup(void **state)
{
    size_t len;

    (void)state;
    memset(&w, 0, sizeof(w));
    w.crypto = mu_crypto_openssl();
    w.server.alg = MU_ALG_ES256;
    assert_int_equal(w.crypto->keypair(w.crypto->ctx, MU_ALG_ES256,
                                       &w.server.priv, w.server.pub, &len), 0);
    w.server.pub_len = (uint8_t)len;
    w.trust = (struct mu_deluge_trust){w.crypto, &w.server, NULL};
    w.opener = (struct mu_deluge_opener){&w.trust, mu_deluge_open};
    assert_int_equal(mu_secret_set(&w.kctl, mu_bytes_str("0123456789abcdef")),
                     0);
    w.seal = (struct mu_deluge_seal){w.crypto, w.kctl, 1, MU_TAG_LEN};
    make_object(1);
    make_object(0);
    for (uint16_t i = 0; i < NODES; i++)
        node_begin(i);
    memcpy(w.nodes[0].store, w.prepared, PREPARED);
    assert_int_equal(mu_deluge_offer(&w.nodes[0].d, manifest(0), w.pages,
                                     w.now), 0);
    return 0;
}

static void hear(uint32_t from, struct mu_bytes packet)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (i != from && !w.nodes[i].off)
            (void)!mu_deluge_packet(&w.nodes[i].d, w.now, packet);
    }
}

/* One packet of whoever is due first, at most until `end`. */
static const struct entry *step(mu_time end)
{
    uint8_t out[MU_PACKET_MAX];

    for (;;) {
        mu_time at = MU_TIME_NEVER;
        struct entry *e = &w.log[w.log_len];
        uint32_t who = 0;
        size_t len;

        for (uint32_t i = 0; i < NODES; i++) {
            if (!w.nodes[i].off && mu_deluge_deadline(&w.nodes[i].d) < at) {
                at = mu_deluge_deadline(&w.nodes[i].d);
                who = i;
            }
        }
        if (at > end) {
            w.now = end > w.now ? end : w.now;
            return NULL;
        }
        if (at > w.now)
            w.now = at;
        len = mu_deluge_next(&w.nodes[who].d, w.now, out);
        if (len == 0)
            continue;
        assert_true(w.log_len + 1 < LOG && len <= sizeof(e->data));
        *e = (struct entry){.at = w.now, .node = who, .len = len};
        memcpy(e->data, out, len);
        w.log_len++;
        w.now += 4000; /* on the air */
        hear(who, mu_bytes(out, len));
        return e;
    }
}

static void run(double seconds)
{
    mu_time end = w.now + (mu_time)(seconds * 1e6);

    while (step(end) != NULL)
        ;
}

static bool all_done(void)
{
    for (size_t i = 0; i < NODES; i++) {
        if (!w.nodes[i].off && !mu_deluge_done(&w.nodes[i].d))
            return false;
    }
    return true;
}

static void assert_stores(void)
{
    for (size_t i = 0; i < NODES; i++) {
        if (!w.nodes[i].off)
            assert_memory_equal(w.nodes[i].store, w.prepared, PREPARED);
    }
}

static void send_req(uint16_t node, uint16_t target, uint16_t round,
                     uint16_t page, int expect)
{
    const uint8_t all[2] = {0xff, 0xff};
    uint8_t out[64];
    struct mu_writer o = mu_writer(out, sizeof(out));
    static uint8_t count;
    struct mu_deluge_req q = {1,    node, target, round,
                              ++count, page, MU_BYTES(all)};

    assert_int_equal(mu_deluge_req_create(&w.seal, &q, &o), 0);
    assert_int_equal(mu_deluge_packet(&w.nodes[target].d, w.now,
                                      mu_written(&o)), expect);
}

static void send_adv(uint16_t node, uint16_t round, uint64_t version,
                     const uint8_t *id, size_t len, uint16_t pages)
{
    uint8_t out[64];
    struct mu_writer o = mu_writer(out, sizeof(out));
    struct mu_deluge_adv a = {
        .channel = 1, .node = node, .round = round, .version = version,
        .manifest_len = (uint16_t)len, .pages = pages,
    };

    memcpy(a.id, id, 4);
    assert_int_equal(mu_deluge_adv_create(&w.seal, &a, &o), 0);
    hear(node, mu_written(&o));
}

/* ---- the rules ---- */

static void test_all_get_it(void **state)
{
    (void)state;
    run(60);
    assert_true(all_done());
    assert_stores();
    for (size_t i = 1; i < NODES; i++) {
        assert_int_equal(w.nodes[i].d.counts.signatures, 1);
        assert_int_equal(w.nodes[i].d.counts.forged, 0);
    }
    /* All hear each other: nearly everything is said once. */
    assert_true(w.nodes[0].d.counts.data < SIZE / 93 * 2);
}

/* The log of a delivery, rule by rule. */
static void test_rules(void **state)
{
    uint32_t pages[NODES] = {w.pages};
    mu_time req_at[NODES] = {0}, adv_at[NODES] = {0}, heard_adv = 0;
    uint8_t asked[64][2] = {{0}};
    uint32_t adv_pages[NODES] = {0};

    (void)state;
    for (const struct entry *e; (e = step(MU_SECONDS(60))) != NULL;) {
        unsigned page;

        if (mu_cast_is_data(e->data[0])) {
            unsigned i = mu_cast_data_index(e->data);

            /* 4 and 5: not at once, and only what somebody asked for. */
            page = mu_cast_data_page(e->data);
            assert_true(asked[page][i / 8] >> (i % 8) & 1);
            for (size_t n = 1; n < NODES; n++)
                assert_true(req_at[n] != e->at);
        }
        switch (e->data[0]) {
        case MU_DELUGE_ADV:
            adv_at[e->node] = e->at;
            adv_pages[e->node] = (unsigned)e->data[20] << 8 | e->data[21];
            if (heard_adv == 0 && e->node == 0)
                heard_adv = e->at;
            break;
        case MU_DELUGE_REQ: {
            unsigned wants = (unsigned)e->data[7] << 8 | e->data[8];

            /* 2: after an advertisement, and a wait; the lowest page. */
            assert_true(heard_adv != 0 && e->at >= heard_adv + 8 * 4000);
            if (wants != MU_DELUGE_MANIFEST) {
                assert_int_equal(wants, w.nodes[e->node].d.pages);
                for (size_t i = 0; i < 2; i++)
                    asked[wants][i] |= e->data[9 + i];
            }
            /* 6: a page that came is advertised before the next is asked. */
            if (wants != MU_DELUGE_MANIFEST && wants > pages[e->node] &&
                adv_at[e->node] != 0 && e->node == 1)
                assert_true(adv_pages[1] >= wants || adv_at[1] < e->at);
            pages[e->node] = wants;
            req_at[e->node] = e->at;
            break;
        }
        default:
            break;
        }
    }
    assert_true(all_done());
}

/* Requests collected while the sender listens are answered by one union. */
static void test_union(void **state)
{
    struct mu_deluge *d = &w.nodes[0].d;
    uint8_t out[MU_PACKET_MAX], seen[2] = {0};
    mu_time at;
    size_t len;

    (void)state;
    while (step(MU_SECONDS(5)) != NULL && d->counts.adv == 0)
        ;
    for (size_t i = 1; i < NODES; i++)
        w.nodes[i].off = true;
    at = w.now;
    for (uint16_t node = 20; node < 23; node++) {
        const uint8_t bits[2] = {(uint8_t)(1u << (node - 20)), 0x80};
        struct mu_writer o = mu_writer(out, sizeof(out));
        struct mu_deluge_req q = {1, node, 0, d->round, 1, 0, MU_BYTES(bits)};

        assert_int_equal(mu_deluge_req_create(&w.seal, &q, &o), 0);
        assert_int_equal(mu_deluge_packet(d, w.now, mu_written(&o)), 0);
        assert_int_equal(mu_deluge_next(d, w.now, out), 0); /* it listens */
    }
    assert_true(mu_deluge_deadline(d) > at);
    w.now = at + 8 * 4000;
    for (int i = 0; i < 4; i++) {
        len = mu_deluge_next(d, w.now, out);
        assert_true(len > 0 && mu_cast_is_data(out[0]));
        seen[out[2] / 8] |= (uint8_t)(1u << (out[2] % 8));
        w.now += 5000;
    }
    assert_int_equal(seen[0], 7);
    assert_int_equal(seen[1], 0x80);
    assert_int_equal(d->counts.data, 4);
    while ((len = mu_deluge_next(d, w.now, out)) > 0)
        assert_false(mu_cast_is_data(out[0]));
}

/* Who hears another ask for the same, or say the same, is silent. */
static void test_suppression(void **state)
{
    uint64_t adv = 0, adv_quiet = 0, req_quiet = 0;

    (void)state;
    run(120);
    assert_true(all_done());
    for (size_t i = 0; i < NODES; i++) {
        adv += w.nodes[i].d.counts.adv;
        adv_quiet += w.nodes[i].d.counts.adv_suppressed;
        req_quiet += w.nodes[i].d.counts.req_suppressed;
    }
    assert_true(req_quiet > 0);
    assert_true(adv_quiet > 0);
    /* At rest: one a round of 16 s in the whole neighbourhood. */
    adv = w.log_len;
    run(160);
    assert_in_range(w.log_len - adv, 5, 25);
}

/* A sender waits for another that sends the page or one before it, but only
 * for packets that are genuine. */
static void test_yield(void **state)
{
    struct mu_deluge *d = &w.nodes[0].d;
    uint8_t packet[96], out[MU_PACKET_MAX];
    struct mu_cast_page page;
    mu_time at;

    (void)state;
    while (step(MU_SECONDS(5)) != NULL && d->counts.adv == 0)
        ;
    assert_int_equal(mu_deluge_page_at(&d->object, 0, &page), 0);
    mu_cast_data_head(packet, SESSION, 0, 2);
    memcpy(packet + MU_CAST_DATA_HEADER, w.prepared + 2 * page.symbol_len, page.symbol_len);
    send_req(20, 0, d->round, 0, 0);
    at = d->send_at;
    w.now = at - 1;
    packet[20] ^= 1;
    assert_int_equal(mu_deluge_packet(d, w.now, MU_BYTES(packet)),
                     MU_ERR_AUTH);
    assert_int_equal(d->send_at, at);
    packet[20] ^= 1;
    assert_int_equal(mu_deluge_packet(d, w.now, MU_BYTES(packet)), 0);
    assert_true(d->send_at > at);
    /* Not for ever: somebody who repeats a packet holds up no page. */
    for (int i = 0; i < 1000 && mu_deluge_next(d, w.now, out) == 0; i++) {
        assert_int_equal(mu_deluge_packet(d, w.now, MU_BYTES(packet)), 0);
        w.now += 4000;
    }
    assert_true(d->counts.data > 0);
    assert_true(w.now < at + MU_SECONDS(2));
}

/* ---- versions, restarts, faults ---- */

static void test_new_version(void **state)
{
    (void)state;
    run(60);
    assert_true(all_done());
    make_object(1);
    memcpy(w.nodes[2].store, w.prepared, PREPARED);
    assert_int_equal(mu_deluge_offer(&w.nodes[2].d, manifest(1), w.pages,
                                     w.now), 0);
    assert_int_equal(mu_deluge_offer(&w.nodes[2].d, manifest(0), w.pages,
                                     w.now), MU_ERR_ROLLBACK);
    run(60);
    assert_true(all_done());
    assert_stores();
    for (size_t i = 0; i < NODES; i++)
        assert_int_equal(w.nodes[i].d.object.version, 11);
}

/* A node that lost its memory goes on with the pages it has stored. */
static void test_restart(void **state)
{
    unsigned writes;
    uint32_t pages;

    (void)state;
    while (step(MU_SECONDS(60)) != NULL && w.nodes[3].d.pages < 3)
        ;
    pages = w.nodes[3].d.pages;
    writes = w.nodes[3].writes;
    assert_int_equal(pages, 3);
    node_begin(3);
    assert_int_equal(mu_deluge_offer(&w.nodes[3].d, manifest(0), pages,
                                     w.now), 0);
    run(60);
    assert_true(all_done());
    assert_stores();
    assert_true(w.nodes[3].writes - writes <
                w.nodes[4].writes - writes + 17); /* a page at most again */
}

static void test_store_fails(void **state)
{
    (void)state;
    w.nodes[1].write_fails = 40;
    run(120);
    assert_int_equal(w.nodes[1].write_fails, 0);
    assert_true(all_done());
    assert_stores();
}

/* The area key changes on the way; the one before is taken as well. */
static void test_rekey(void **state)
{
    struct mu_secret next = w.kctl;

    (void)state;
    next.bytes[0] ^= 1;
    while (step(MU_SECONDS(60)) != NULL && w.nodes[1].d.pages < 2)
        ;
    for (size_t i = 0; i < NODES; i += 2)
        mu_deluge_control(&w.nodes[i].d, &next, 2);
    send_adv(60, 1, 1, w.nodes[0].d.id, 10, 0); /* under the one before */
    assert_int_equal(w.nodes[0].d.counts.forged, 0);
    for (size_t i = 0; i < NODES; i++) {
        bool known = false;

        for (size_t p = 0; p < MU_DELUGE_PEERS_MAX; p++)
            known = known || w.nodes[i].d.peers[p].node == 60;
        assert_true(known);
    }
    run(1);
    for (size_t i = 1; i < NODES; i += 2)
        mu_deluge_control(&w.nodes[i].d, &next, 2);
    run(60);
    assert_true(all_done());
    assert_stores();
}

/* ---- attackers ---- */

/* Forged DATA, a hundred for each: nothing is written but what is true. */
static void test_forged_data(void **state)
{
    uint64_t forged = 0;

    (void)state;
    for (const struct entry *e; (e = step(MU_SECONDS(60))) != NULL;) {
        uint8_t bad[128];

        for (unsigned i = 0; i < 100 && mu_cast_is_data(e->data[0]); i++) {
            memcpy(bad, e->data, e->len);
            bad[2] = (uint8_t)(i % 16);
            bad[3 + i % (e->len - 3)] ^= (uint8_t)(i + 1);
            hear(NODES, mu_bytes(bad, e->len));
            forged++;
        }
    }
    assert_true(all_done());
    assert_stores();
    assert_true(forged > 5000);
    /* Each packet was written once, and nothing else. */
    for (size_t i = 2; i < NODES; i++)
        assert_int_equal(w.nodes[i].writes, w.nodes[1].writes);
    assert_true(w.nodes[1].writes < 100);
}

/* Who has no key drives nobody: not a timer moves. */
static void test_outsider(void **state)
{
    struct mu_deluge_seal true_seal = w.seal;
    struct mu_deluge before;

    (void)state;
    run(60);
    w.seal.kctl.bytes[3] ^= 1;
    before = w.nodes[1].d;
    send_adv(0, 1, UINT64_MAX, w.nodes[0].d.id, 500, 9);
    send_adv(0, 2, 0, w.nodes[0].d.id, 0, 0);
    send_req(7, 1, w.nodes[1].d.round, 0, MU_ERR_AUTH);
    before.counts = w.nodes[1].d.counts;
    assert_memory_equal(&before, &w.nodes[1].d, sizeof(before));
    assert_int_equal(w.nodes[1].d.counts.forged, 3);
    w.seal = true_seal;
}

/* Recorded requests are refused. Recorded advertisements of a node that was
 * silent may pass for a restart: they make others speak up, no more. */
static void test_replay(void **state)
{
    struct mu_deluge *d = &w.nodes[0].d;
    uint64_t data;
    size_t len, advs = 0;

    (void)state;
    run(60);
    assert_true(all_done());
    data = d->counts.data;
    len = w.log_len;
    for (size_t i = 0; i < len; i++) {
        const struct entry *e = &w.log[i];

        if (e->data[0] == MU_DELUGE_REQ)
            hear(e->node, mu_bytes(e->data, e->len));
        if (e->data[0] == MU_DELUGE_ADV) {
            hear(e->node, mu_bytes(e->data, e->len));
            advs++;
        }
        if (i % 50 == 0)
            run(0.01);
    }
    run(5);
    /* Rounds that are still among the last eight may pass, once a budget. */
    assert_true(d->counts.data <= data + 16);
    assert_true(d->counts.refused > 0);
    assert_true(advs > 10);
    assert_true(w.log_len - len <= 2 * advs);
}

/* One node that asks without end gets four times a page, then a page's worth
 * a minute; under many names, eight times the object. */
static void test_greedy(void **state)
{
    struct mu_deluge *d = &w.nodes[0].d;
    uint64_t data, names;
    uint8_t out[MU_PACKET_MAX];

    (void)state;
    run(60);
    for (size_t i = 1; i < NODES; i++)
        w.nodes[i].off = true;
    data = d->counts.data;
    for (int i = 0; i < 2000; i++) {
        const uint8_t all[2] = {0xff, 0xff};
        struct mu_writer o = mu_writer(out, sizeof(out));
        struct mu_deluge_req q = {1, 20, 0, d->round, (uint8_t)i, 0,
                                  MU_BYTES(all)};

        assert_int_equal(mu_deluge_req_create(&w.seal, &q, &o), 0);
        (void)!mu_deluge_packet(d, w.now, mu_written(&o));
        w.now += 10000;
        (void)mu_deluge_next(d, w.now, out);
    }
    assert_true(d->counts.data - data <= 4 * 16);
    assert_true(d->counts.data > data);

    names = d->counts.data;
    for (int i = 0; i < 100000; i++) {
        const uint8_t all[2] = {0xff, 0xff};
        struct mu_writer o = mu_writer(out, sizeof(out));
        struct mu_deluge_req q = {1, (uint16_t)(100 + i), 0, d->round, 1,
                                  0, MU_BYTES(all)};

        assert_int_equal(mu_deluge_req_create(&w.seal, &q, &o), 0);
        (void)!mu_deluge_packet(d, w.now, mu_written(&o));
        w.now += 5000;
        (void)mu_deluge_next(d, w.now, out);
    }
    /* the object is below 80 packets; 500 s bring eight pages' worth more */
    assert_true(d->counts.data - names <= 8 * (w.pages * 16 + 56) + 9 * 16);
}

/* Manifests that nobody signed, a new one each time: few are looked at, none
 * is passed on, and the true object arrives. */
static void test_liar(void **state)
{
    uint8_t lie[200], hash[32], out[MU_PACKET_MAX];
    uint64_t opened = 0;
    uint16_t round = 1;

    (void)state;
    for (int i = 0; i < 400; i++) {
        struct mu_bytes all = MU_BYTES(lie);

        memset(lie, i, sizeof(lie));
        mu_sha256(w.crypto, &all, 1, hash);
        send_adv((uint16_t)(50 + i % 40), round++, UINT64_MAX - 1, hash,
                 sizeof(lie), 9);
        for (unsigned f = 0; f < 3; f++) {
            struct mu_writer o = mu_writer(out, sizeof(out));
            struct mu_deluge_fragment part = {
                .session = SESSION, .index = (uint8_t)f, .count = 3,
                .bytes = {lie + f * 80, f < 2 ? 80 : 40},
            };

            memcpy(part.id, hash, 4);
            assert_int_equal(mu_deluge_fragment_create(&w.seal, &part, &o), 0);
            hear(NODES, mu_written(&o));
        }
        run(0.1);
    }
    for (size_t i = 0; i < w.log_len; i++) {
        if (w.log[i].data[0] == MU_CAST_ANNOUNCE)
            assert_memory_equal(w.log[i].data + 2, w.nodes[0].d.id, 4);
    }
    for (size_t i = 1; i < NODES; i++)
        opened += w.nodes[i].d.counts.signatures;
    assert_true(opened > NODES);     /* the lies did reach them */
    assert_true(opened <= 4 * 40);   /* one a second at most */
    run(60);
    assert_true(all_done());
    assert_stores();
}

/* An object that nothing protects is none in a secured area. */
static void test_plain_refused(void **state)
{
    struct mu_deluge_opener plain = {NULL, mu_deluge_open_plain};
    struct mu_deluge_object o = {
        .version = 99, .size = 4000, .shape = {96, 16, 0, 0}, .session = 1,
    };
    uint8_t out[64];
    struct mu_writer to = mu_writer(out, sizeof(out));

    (void)state;
    assert_int_equal(mu_deluge_plain_create(&o, &to), 0);
    assert_int_not_equal(mu_deluge_offer(&w.nodes[0].d, mu_written(&to), 0,
                                         w.now), 0);
    w.nodes[0].d.conf.opener = &plain;
    assert_int_equal(mu_deluge_offer(&w.nodes[0].d, mu_written(&to), 0,
                                     w.now), MU_ERR_MALFORMED);
    w.nodes[0].d.conf.opener = &w.opener;
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_all_get_it), T(test_rules), T(test_union),
        T(test_suppression), T(test_yield), T(test_new_version),
        T(test_restart), T(test_store_fails), T(test_rekey),
        T(test_forged_data), T(test_outsider), T(test_replay),
        T(test_greedy), T(test_liar), T(test_plain_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
