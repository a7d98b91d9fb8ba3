/* SPDX-License-Identifier: Apache-2.0 */
/* R12 to R19: the data, reliability, energy. */
#include "requirements.h"

#include "muster/coap.h"
#include "muster/cose.h"
#include "tests/node/common.h"
#include "tests/server/fleet.h"
#include "tests/sim/run.h"

static struct tape air;

static void on_air(const struct mu_effect *e)
{
    tape_add(&air, e->packet, e->up);
}

/* ---- R12 ---------------------------------------------------------------- */

/* Each packet of the tape once more to everybody, `spoilt` or as it was. */
static void play(struct world *w, bool spoilt)
{
    struct mu_bytes packet;
    size_t at = 0;
    bool up;

    while (tape_next(&air, &at, &packet, &up)) {
        uint8_t copy[MU_PACKET_MAX];

        memcpy(copy, packet.data, packet.len);
        if (spoilt)
            copy[2 + world_random(w) % (packet.len - 2)] ^=
                (uint8_t)(1u << world_random(w) % 8);
        packet.data = copy;
        if (up)
            world_inject(w, MU_CHANNEL_AREA, &w->gateway, packet);
        for (size_t d = 0; d < w->devices_len && !up; d++)
            world_inject(w, MU_CHANNEL_AREA, &w->devices[d], packet);
    }
}

void test_R12_no_modification_insertion_replay_deletion(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 112);
    w.on_packet = on_air;
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    w.on_packet = NULL;
    play(&w, true);
    play(&w, false);
    play(&w, true);
    world_run(&w, MU_MS(20), NULL);
    /* Deletion: with nothing coming through, nobody claims anything. */
    w.loss_permille = 1000;
    world_run(&w, MU_SECONDS(30), NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.devices[i].device->reports[0].state, 0);
        assert_int_equal(w.script.devices[i].state, 0);
    }
    w.loss_permille = 300;
    assert_all_run(&w, MU_SECONDS(200)); /* and it is the very object */
    play(&w, false);
    world_run(&w, MU_SECONDS(10), NULL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(w.devices[i].installs, 1);
    assert_int_equal(w.script.conflicts, 0);
    tape_free(&air);
    world_clear(&w);
}

/* ---- R13 ---------------------------------------------------------------- */

static void kann_of(const struct world *w, size_t device, struct mu_secret *out)
{
    const struct mu_secret *kb = mu_keyring_find(
        &w->devices[device].device->keys, &w->script.kb_kid);

    assert_non_null(kb);
    assert_int_equal(mu_kdf(mu_crypto_openssl(), kb, "announce",
                            mu_bytes(NULL, 0), 16, out), 0);
}

/* What one sends with the common key, each of the others takes for genuine;
 * a bit more or less, or without the key: nobody. */
void test_R13_common_integrity_key(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const uint8_t object[100] = {1, 2, 3};
    uint8_t packet[MU_PACKET_MAX];
    struct mu_writer p = mu_writer(packet, sizeof packet);
    struct mu_secret kann[3], none = {.len = 16};
    struct world w;

    (void)state;
    world_ready(&w, 3, 113);
    for (size_t i = 0; i < 3; i++)
        kann_of(&w, i, &kann[i]);
    assert_int_equal(mu_announce_packet(c, &kann[0], NULL, MU_BYTES(object),
                                        256, 9, 0, &p), 0);
    for (size_t i = 0; i < 3; i++) {
        struct mu_assembly a = {.session = 0};

        assert_int_equal(mu_assembly_packet(&a, c, &kann[i], mu_written(&p)),
                         1);
    }
    for (size_t i = 0; i < p.len; i++) {
        struct mu_assembly a = {.session = 0};

        packet[i] ^= 1;
        assert_true(mu_assembly_packet(&a, c, &kann[1], mu_written(&p)) < 0);
        packet[i] ^= 1;
        assert_int_equal(mu_assembly_packet(&a, c, &none, mu_written(&p)),
                         MU_ERR_AUTH);
    }
    world_clear(&w);
}

/* ---- R14 ---------------------------------------------------------------- */

/* Whether some bytes of this DATA packet are bytes of the object. */
static bool readable(const struct world *w, struct mu_bytes packet)
{
    struct mu_bytes plain = mu_bytes(w->script.campaign.plain,
                                     (size_t)w->script.campaign.m.size);

    for (size_t at = MU_CAST_DATA_HEADER; at + 12 <= packet.len; at += 97) {
        if (contains(plain, packet.data + at, 12))
            return true;
    }
    return false;
}

/* The same packet for one who has the content key. */
static bool readable_with_key(struct world *w, struct mu_bytes packet)
{
    const struct script_campaign *k = &w->script.campaign;
    uint8_t copy[MU_PACKET_MAX];
    struct mu_cast_page page;
    uint64_t in_block;
    unsigned index;

    assert_int_equal(mu_cast_page_at(&k->m.shape, k->m.size,
                                     mu_cast_data_page(packet.data), &page),
                     0);
    index = mu_cast_data_index(packet.data);
    in_block = (uint64_t)index * page.symbol_len;
    if (index >= page.data || in_block < page.hashes_len)
        return false; /* parity, or hashes in it */
    memcpy(copy, packet.data, packet.len);
    assert_int_equal(mu_cast_crypt(mu_crypto_openssl(), &k->cek,
                                   page.content_at + in_block -
                                       page.hashes_len,
                                   copy + MU_CAST_DATA_HEADER,
                                   packet.len - MU_CAST_DATA_HEADER), 0);
    return readable(w, mu_bytes(copy, packet.len));
}

void test_R14_nothing_readable_on_the_air(void **state)
{
    struct world w;
    struct mu_bytes packet;
    size_t at = 0, opened = 0, data = 0;
    bool up;

    (void)state;
    world_ready(&w, 2, 114);
    w.on_packet = on_air;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    while (tape_next(&air, &at, &packet, &up)) {
        assert_false(readable(&w, packet));
        if (mu_cast_is_data(packet.data[0])) {
            data++;
            opened += readable_with_key(&w, packet);
        }
    }
    assert_true(data > SIZE / 256);
    assert_true(opened > data / 2);
    tape_free(&air);
    world_clear(&w);
}

/* ---- R15 ---------------------------------------------------------------- */

static uint64_t data_sent(size_t devices)
{
    struct world w;
    uint64_t sent;

    world_ready(&w, devices, 115);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    for (size_t i = 0; i < devices; i++)
        assert_non_null(mu_keyring_find(&w.devices[i].device->keys,
                                        &w.script.kb_kid));
    sent = w.gateway.gateway->sessions[0].tx.counts.data;
    world_clear(&w);
    return sent;
}

/* One ciphertext under one key, whoever many they are. */
void test_R15_one_encryption_for_all(void **state)
{
    (void)state;
    assert_int_equal(data_sent(1), data_sent(8));
}

/* ---- R16 ---------------------------------------------------------------- */

/* What a device says to an announce object that was handed to it. */
static int offered(struct world *w, struct mu_bytes object)
{
    struct mu_device *d = w->devices[0].device;
    struct mu_event ev = {.kind = MU_EV_REQUEST};
    int rc;

    world_run(w, MU_SECONDS(2), NULL); /* the next signature may be checked */
    ev.now = w->now;
    ev.message = (struct mu_message){.code = MU_COAP_POST,
                                     .exchange = 0x40000001u,
                                     .path = mu_bytes_str("ann"),
                                     .payload = object};
    rc = mu_device_step(d, &ev);
    d->replies.len = 0; /* nobody waits for them */
    return rc;
}

static uint8_t *find(uint8_t *in, size_t len, const void *what, size_t n)
{
    for (size_t at = 0; at + n <= len; at++) {
        if (memcmp(in + at, what, n) == 0)
            return in + at;
    }
    fail_msg("not there");
    return NULL;
}

static void bid_manifest(void)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct world w;
    struct script_campaign *k = &w.script.campaign;
    uint8_t copy[MU_ANNOUNCE_MAX], relay[MU_ANNOUNCE_MAX];
    struct mu_writer r = mu_writer(relay, sizeof relay);
    const struct mu_device_area *area;
    struct mu_manifest m;

    world_ready(&w, 2, 116);
    world_stop(&w, &w.gateway); /* all it hears is what we hand over */
    push(&w, 1);
    area = &w.devices[0].device->area[0];
    /* Another signature algorithm; another kind of object. */
    memcpy(copy, k->object, k->object_len);
    find(copy, k->object_len, "\x43\xa1\x01\x26", 4)[3] = 0x27;
    assert_int_not_equal(offered(&w, mu_bytes(copy, k->object_len)), 0);
    memcpy(copy, k->object, k->object_len);
    copy[0] = 0xc0 | MU_COSE_MAC0;
    assert_int_not_equal(offered(&w, mu_bytes(copy, k->object_len)), 0);
    /* Shorter hashes: [256, 20, 6, 8] to 4. */
    memcpy(copy, k->object, k->object_len);
    find(copy, k->object_len, "\x84\x19\x01\x00\x14\x06\x08", 7)[6] = 4;
    assert_int_not_equal(offered(&w, mu_bytes(copy, k->object_len)), 0);
    /* No group key any more, but the area's. */
    m = k->m;
    m.kid = area->kid;
    assert_int_equal(mu_cek_wrap(c, &area->kg, &k->cek, m.wrapped_cek), 0);
    assert_int_equal(mu_relay_create(c, &area->kg,
                                     mu_bytes(k->object, k->object_len), &m,
                                     &r), 0);
    assert_int_equal(offered(&w, mu_written(&r)), MU_ERR_FORBIDDEN);
    /* Not even the server gets hashes below the minimum. */
    m = k->m;
    m.shape.hash_len = MU_HASH_MIN - 1;
    r.len = 0;
    assert_int_not_equal(mu_manifest_create(c, &w.script.signer, &m, &r), 0);
    /* As it was sent it is taken. */
    assert_int_equal(w.devices[0].device->reports[0].used, 0);
    assert_int_equal(offered(&w, mu_bytes(k->object, k->object_len)), 0);
    assert_int_equal(w.devices[0].device->campaign.phase,
                     MU_DEVICE_RECEIVING);
    world_clear(&w);
}

/* The connection: what the device can do, and the algorithms of both
 * messages, are under its key. */
static void bid_connect(void)
{
    struct fleet *f = fleet_open(0);
    struct rig *r = &f->rig;
    uint8_t raw[MU_CONNECT_MAX], plain[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(raw, sizeof raw);
    struct mu_writer p = mu_writer(plain, sizeof plain);
    struct mu_connect_pending pending;
    struct mu_connect1 m = {.identity = rig_id("a0"),
                            .gateway = rig_id("gw-1"),
                            .capability = f->devices[0].capability};
    struct mu_connect2 m2;
    struct mu_connection conn;
    struct rig_send s;
    uint8_t *at;

    fleet_link(f);
    m.capability.algs[0] = MU_ALG_EDDSA;
    assert_int_equal(mu_connect1_create(&r->crypto, &f->devices[0].kmr, &m,
                                        &w, &pending), 0);
    at = find(raw, w.len, "\x03\x81\x27", 3); /* the list of algorithms */
    at[2] = 0x26;
    assert_int_not_equal(rig_request(r, 1, "d/a0", mu_written(&w))->code,
                         MU_COAP_CHANGED);
    at[2] = 0x27;
    at = find(raw, w.len, "\xa1\x01\x05", 3); /* HMAC 256/256 to 256/64 */
    at[2] = 0x04;
    assert_int_not_equal(rig_request(r, 1, "d/a0", mu_written(&w))->code,
                         MU_COAP_CHANGED);
    at[2] = 0x05;
    s = *rig_request(r, 1, "d/a0", mu_written(&w));
    assert_int_equal(s.code, MU_COAP_CHANGED);
    at = find(s.payload, s.payload_len, "\xa1\x01\x0a", 3); /* CCM to GCM */
    at[2] = 0x01;
    assert_int_not_equal(mu_connect2_consume(&r->crypto, &f->devices[0].kmr,
                                             &pending, rig_payload(&s), &p,
                                             &m2, &conn), 0);
    at[2] = 0x0a;
    assert_int_equal(mu_connect2_consume(&r->crypto, &f->devices[0].kmr,
                                         &pending, rig_payload(&s), &p, &m2,
                                         &conn), 0);
    fleet_close(f);
}

void test_R16_no_bidding_down(void **state)
{
    (void)state;
    bid_manifest();
    bid_connect();
}

/* ---- R17 ---------------------------------------------------------------- */

static void same_object_twice(void)
{
    struct fleet *f = fleet_open(0);
    struct area *gw = &f->gw[0];
    struct mu_secret kb, cek;
    uint8_t first[FLEET_SIZE];
    size_t equal = 0;

    fleet_link(f);
    kb = *fleet_key(f, 0);
    fleet_push(f);
    assert_int_equal(area_fetch(gw, f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(gw));
    memcpy(first, gw->content, FLEET_SIZE);
    /* With all that was on the air, and a key that is one bit off. */
    kb.bytes[7] ^= 0x20;
    assert_int_equal(mu_cek_unwrap(&f->rig.crypto, &kb,
                                   gw->manifest.wrapped_cek, &cek),
                     MU_ERR_AUTH);
    kb.bytes[7] ^= 0x20;
    assert_int_equal(area_open_object(gw, &kb, f->opened), 0);
    assert_int_equal(mu_server_cancel(&f->rig.server, f->campaign), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_SECONDS(2));
    f->campaign[0]++;
    fleet_push(f);
    assert_int_equal(area_fetch(gw, f->campaign), 0);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(gw));
    for (size_t at = 0; at + 16 <= FLEET_SIZE; at += 16) {
        equal += memcmp(first + at, gw->content + at, 16) == 0;
        equal += memcmp(f->plain + at, gw->content + at, 16) == 0;
    }
    assert_int_equal(equal, 0);
    fleet_close(f);
}

static struct sim_conf small(uint64_t seed)
{
    struct sim_conf c;

    sim_conf_default(&c);
    c.devices = 40;
    c.gateways = 2;
    c.size = 60000;
    c.payload = 512;
    c.deadline_s = 3600;
    c.seed = seed;
    return c;
}

void test_R17_an_eavesdropper_gets_nothing(void **state)
{
    struct sim_conf c = small(117);
    struct sim_result r;

    (void)state;
    same_object_twice();
    /* One who was revoked on the way has heard it all; no nonce came twice. */
    c.revoke = 3;
    c.size = 262144; /* the word has to be faster than the other half */
    c.payload = 1024;
    r = sim_run(&c);
    assert_true(r.revoked > 0);
    assert_int_equal(r.revoked_opened, 0);
    assert_int_equal(r.nonces_reused, 0);
    assert_int_equal(r.gateway_leaks, 0);
    assert_int_equal(r.running, r.devices);
}

/* ---- R18 ---------------------------------------------------------------- */

static void acknowledged(void)
{
    struct fleet *f = fleet_open(0);
    uint8_t room[256], bits[1] = {1}, acks[MU_ACK_LEN] = {0};
    struct mu_wide_report m = {.state = 15, .bitmap = MU_BYTES(bits),
                               .acks = MU_BYTES(acks)};

    fleet_link(f);
    fleet_push(f);
    memcpy(m.campaign, f->campaign, MU_CAMPAIGN_ID);
    peer_ack(&f->rig, "a0", f->campaign, 15, 0, f->digest, acks);
    for (size_t i = 0; i <= MU_ACK_LEN; i++) {
        struct mu_writer w = mu_writer(room, sizeof room);
        const struct rig_send *s;

        if (i < MU_ACK_LEN)
            acks[i] ^= 8;
        assert_int_equal(mu_wide_report_create(&m, &w), 0);
        s = rig_request(&f->rig, 1, "r", mu_written(&w));
        assert_int_equal(s->code, i < MU_ACK_LEN ? MU_COAP_UNAUTHORIZED
                                                 : MU_COAP_CHANGED);
        assert_int_equal(fleet_target(f, 0).state, i < MU_ACK_LEN ? 0 : 15);
        if (i < MU_ACK_LEN)
            acks[i] ^= 8;
    }
    fleet_close(f);
}

/* Requests for repair that nobody signed put nothing on the air. */
static void no_abuse(void)
{
    struct world w;
    const struct mu_cast_counts *n;
    uint64_t before;

    world_ready(&w, 2, 118);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    n = &w.gateway.gateway->sessions[0].tx.counts;
    before = n->rejected;
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t need[17] = {MU_CAST_NEED, w.script.campaign.session, 0,
                            (uint8_t)(i % 2), 0, (uint8_t)(i % 5),
                            (uint8_t)i, 20};

        need[16] = (uint8_t)(i >> 3);
        world_inject(&w, MU_CHANNEL_AREA, &w.gateway, MU_BYTES(need));
    }
    assert_all_run(&w, MU_SECONDS(60));
    assert_true(n->rejected >= before + 500);
    assert_int_equal(n->repair, 0);
    world_clear(&w);
}

void test_R18_reliable_and_acknowledged_under_keys(void **state)
{
    struct sim_conf c = small(118);
    struct sim_result r;

    (void)state;
    c.loss = 0.15;
    c.burst = 4;
    c.wide_loss = 0.05;
    c.restarts = 2;
    c.sleeping = 0.2;
    r = sim_run(&c);
    assert_true(sim_result_good(&r));
    acknowledged();
    no_abuse();
}

/* ---- R19 ---------------------------------------------------------------- */

static struct mu_crypto counted;
static unsigned verifies, heavy, hashes;

static int count_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                        const struct mu_bytes *parts, size_t parts_len,
                        const uint8_t sig[64])
{
    verifies++;
    return mu_crypto_openssl()->verify(ctx, alg, pub, parts, parts_len, sig);
}

static int count_sign(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                      const struct mu_bytes *parts, size_t parts_len,
                      uint8_t sig[64])
{
    heavy++;
    return mu_crypto_openssl()->sign(ctx, alg, priv, parts, parts_len, sig);
}

static int count_agree(void *ctx, enum mu_alg alg, const struct mu_secret *priv,
                       struct mu_bytes pub, uint8_t out[32])
{
    heavy++;
    return mu_crypto_openssl()->agree(ctx, alg, priv, pub, out);
}

static void count_hash(void *ctx, struct mu_sha256 *s)
{
    hashes++;
    mu_crypto_openssl()->sha256_init(ctx, s);
}

/* One signature for the whole object, one hash for a packet; and what security
 * and feedback put on the air stays within a fifth of what a perfect code
 * alone would. */
void test_R19_light_cryptography_and_small_packets(void **state)
{
    struct sim_conf c = small(119);
    struct sim_result r;
    struct world w;
    const struct mu_cast_heard *heard;

    (void)state;
    world_ready(&w, 2, 119);
    counted = *mu_crypto_openssl();
    counted.verify = count_verify;
    counted.sign = count_sign;
    counted.agree = count_agree;
    counted.sha256_init = count_hash;
    w.devices[0].device->conf.crypto = &counted;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    heard = mu_device_heard(w.devices[0].device);
    assert_int_equal(verifies, 1);
    assert_int_equal(heavy, 0);
    assert_true(heard->accepted >= SIZE / 256);
    assert_true(hashes <= heard->accepted + heard->duplicate +
                              heard->forged + 60);
    world_clear(&w);

    c.loss = 0.05;
    c.size = 200000;
    c.payload = 1024;
    r = sim_run(&c);
    assert_true(sim_result_good(&r));
    assert_true(r.packet_ratio < 1.2);
    assert_true(r.ratio < 1.3);
}
