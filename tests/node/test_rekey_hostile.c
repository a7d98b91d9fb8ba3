/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekey parts of a member gone bad. He holds the group key and the area's control
 * key, so he can tag packets, and with the whole of the trees in his hands
 * (which nobody has) he could even make a part that opens; what he has not is the
 * server's signature. And what he costs the others is bounded.
 */
#include "tests/node/common.h"
#include "node/device.h"
#include "tests/node/script_rekey.h"

#define MEMBERS 60u

static struct mu_crypto counting;
static uint32_t verified; /* signature checks of all devices */

static int count_verify(void *ctx, enum mu_alg alg, struct mu_bytes pub,
                        const struct mu_bytes *parts, size_t parts_len,
                        const uint8_t sig[64])
{
    verified++;
    return mu_crypto_openssl()->verify(ctx, alg, pub, parts, parts_len, sig);
}

static bool has_state(struct world *w)
{
    return w->devices[0].device->members[0].len > 0 &&
           w->devices[1].device->members[0].len > 0;
}

/* dev-0 is the victim, dev-1 the member gone bad. */
static void hostile_ready(struct world *w, uint64_t seed)
{
    world_init(w, 2, seed);
    counting = *mu_crypto_openssl();
    counting.verify = count_verify;
    w->crypto = &counting;
    w->member_mem = 2048;
    script_scheme(&w->script, MU_SCHEME_SD, MEMBERS);
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), has_state));
    world_run(w, MU_SECONDS(5), NULL);
    verified = 0;
}

/* The next rekey part, valid in all but the signature around it. */
static struct mu_inline next_part(struct world *w, struct script_part *p)
{
    script_rekey_silent(&w->script);
    *p = w->script.rekey->parts[0];
    return (struct mu_inline){
        .campaign = {6, 6, 6, 6, 6, 6, 6, 6},
        .group = SCRIPT_GROUP,
        .session = 66,
        .epoch = w->script.epoch,
        .parts = 1,
        .content_kind = MU_CONTENT_REKEY,
        .content = mu_bytes(p->raw, p->raw_len),
    };
}

/* Under the control key of the area, which dev-1 has; with ticks, which it has
 * not. */
static void shout(struct world *w, struct mu_bytes object, uint8_t session)
{
    const struct mu_secret *kctl = &w->devices[1].device->area[0].kctl;
    uint8_t n = mu_announce_fragments(object.len, 256);

    for (uint8_t i = 0; i < n; i++) {
        uint8_t packet[256];
        struct mu_writer out = mu_writer(packet, sizeof packet);

        assert_int_equal(mu_announce_packet(mu_crypto_openssl(), kctl, NULL,
                                            object, 256, session, i, &out), 0);
        world_tick(&w->gateway.gateway->ticker, packet, &out.len);
        world_inject(w, MU_CHANNEL_AREA, &w->devices[0], mu_written(&out));
    }
    world_run(w, MU_MS(20), NULL);
}

/* Twice where once is not looked at: after one that was false. */
static void shout_part(struct world *w, const struct script_part *p,
                       uint8_t session)
{
    if (w->now < w->devices[0].device->doubt_until)
        shout(w, mu_bytes(p->object, p->object_len), session);
    shout(w, mu_bytes(p->object, p->object_len), session);
}

static bool holds(const struct world *w, const struct mu_kid *kid)
{
    return mu_keyring_find(&w->devices[0].device->keys, kid) != NULL;
}

static uint64_t newest(struct world *w)
{
    struct mu_device *d = w->devices[0].device;
    struct mu_member m;

    assert_int_equal(mu_member_init(&m, d->conf.crypto,
                                    d->work + d->conf.page_memory,
                                    d->members[0].len, 2048), 0);
    return mu_member_newest(&m).generation;
}

static struct mu_signer other_signer(void)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_signer s = {.alg = MU_ALG_ES256};
    size_t len = 0;

    assert_int_equal(c->keypair(c->ctx, s.alg, &s.priv, s.pub, &len), 0);
    s.pub_len = (uint8_t)len;
    return s;
}

/* ---- forged -------------------------------------------------------------- */

static void test_forged(void **state)
{
    struct world w;
    struct script_part p;
    struct mu_signer bad = other_signer(), posing;
    struct mu_inline m;
    uint64_t before;

    (void)state;
    hostile_ready(&w, 1);
    before = newest(&w);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &bad, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_false(holds(&w, &w.script.kb_kid));
    /* With the server's name on it, but not its hand. */
    posing = w.script.signer;
    posing.priv = bad.priv;
    script_part_sign(&w.script, &posing, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(verified, 1);
    assert_false(holds(&w, &w.script.kb_kid));
    assert_int_equal(newest(&w), before);
    assert_int_equal(w.devices[0].status_packets, 0);
    /* The same from the server. */
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_true(holds(&w, &w.script.kb_kid));
    assert_true(newest(&w) > before);
    world_clear(&w);
}

/* Every byte of a good one, in turn, with tags that fit. One that makes the
 * device think that it is behind makes it fetch, and so it gets the key; the
 * part itself opens nothing. */
static void test_flipped(void **state)
{
    struct world w;
    struct script_part p, bad;
    struct mu_inline m;
    uint64_t before;

    (void)state;
    hostile_ready(&w, 2);
    before = newest(&w);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    for (size_t i = 0; i < p.object_len; i++) {
        bad = p;
        bad.object[i] ^= (uint8_t)(1u << i % 8);
        shout_part(&w, &bad, 66);
        world_run(&w, MU_MS(1100), NULL); /* a signature check is due */
        assert_int_equal(newest(&w), before);
        assert_int_equal(w.devices[0].status_packets, 0);
    }
    /* Nothing was proved by any of them. */
    for (size_t i = 0; i < MU_DEVICE_REPORTS_MAX; i++)
        assert_false(w.devices[0].device->reports[i].used);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(newest(&w), w.script.kb_kid.generation);
    world_clear(&w);
}

static void test_truncated(void **state)
{
    struct world w;
    struct script_part p;
    struct mu_inline m;
    size_t len;

    (void)state;
    hostile_ready(&w, 3);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    for (len = 1; len < p.object_len; len += 7)
        shout(&w, mu_bytes(p.object, len), 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(verified, 0); /* seen before it costs anything */
    /* Signed, and still not whole: the server's own mistake. */
    for (len = 1; len < p.raw_len; len += 7) {
        m.content.len = len;
        m.campaign[0]++;
        script_part_sign(&w.script, &w.script.signer, &m, &p);
        shout_part(&w, &p, 66);
        world_run(&w, MU_SECONDS(2), NULL);
    }
    assert_false(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

/* ---- not of now, not of here --------------------------------------------- */

static void test_replayed(void **state)
{
    struct world w;
    struct script_part old, p;
    struct mu_inline m;
    struct mu_kid first;
    uint64_t at;

    (void)state;
    hostile_ready(&w, 4);
    m = next_part(&w, &old);
    first = w.script.kb_kid;
    script_part_sign(&w.script, &w.script.signer, &m, &old);
    shout_part(&w, &old, 66);
    world_run(&w, MU_SECONDS(2), NULL);
    assert_true(holds(&w, &first));
    for (unsigned i = 0; i < 3; i++) {
        m = next_part(&w, &p);
        m.campaign[0] = (uint8_t)i;
        script_part_sign(&w.script, &w.script.signer, &m, &p);
        shout_part(&w, &p, 66);
        world_run(&w, MU_SECONDS(2), NULL);
    }
    at = newest(&w);
    assert_int_equal(at, w.script.kb_kid.generation);
    assert_false(holds(&w, &first)); /* two generations, no more */
    verified = 0;
    for (unsigned i = 0; i < 20; i++)
        shout_part(&w, &old, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(verified, 0);
    assert_int_equal(newest(&w), at);
    assert_false(holds(&w, &first));
    world_clear(&w);
}

static void test_elsewhere(void **state)
{
    struct world w;
    struct script_part p;
    struct mu_inline m, as;

    (void)state;
    hostile_ready(&w, 5);
    m = next_part(&w, &p);
    as = m;
    as.group = SCRIPT_GROUP + 1; /* none of its groups */
    script_part_sign(&w.script, &w.script.signer, &as, &p);
    shout_part(&w, &p, 66);
    as = m;
    as.epoch = w.script.epoch - 1; /* of a server state that was given up */
    script_part_sign(&w.script, &w.script.signer, &as, &p);
    shout_part(&w, &p, 66);
    as = m;
    as.content_kind = 2; /* a content to come */
    script_part_sign(&w.script, &w.script.signer, &as, &p);
    shout_part(&w, &p, 66);
    p.raw[5] ^= 1; /* its kid is of another group */
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    shout_part(&w, &p, 66);
    p.raw[5] ^= 1;
    p.raw[9] ^= 1; /* ... of an epoch that is not */
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(verified, 0);
    assert_false(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

/* The server was restored since: what was signed before is void, however new the
 * generation it speaks of. */
static void test_given_up(void **state)
{
    struct world w;
    struct script_part p;
    struct mu_inline m;

    (void)state;
    hostile_ready(&w, 9);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    w.devices[0].device->epoch = w.script.epoch + 1;
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(2), NULL);
    assert_int_equal(verified, 0);
    assert_false(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

/* The state has opened this generation, but the key is not there: a record was
 * lost. It is fetched, and the part is not looked at twice. */
static void test_key_lost(void **state)
{
    struct world w;
    struct script_part p;
    struct mu_inline m;
    uint32_t fetches;

    (void)state;
    hostile_ready(&w, 10);
    m = next_part(&w, &p);
    script_part_sign(&w.script, &w.script.signer, &m, &p);
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(2), NULL);
    assert_true(holds(&w, &w.script.kb_kid));
    mu_keyring_drop(&w.devices[0].device->keys, MU_KEY_KB, SCRIPT_GROUP);
    memset(w.devices[0].device->reports, 0,
           sizeof w.devices[0].device->reports);
    fetches = w.script.devices[0].fetches;
    verified = 0;
    shout_part(&w, &p, 66);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(verified, 0);
    assert_true(w.script.devices[0].fetches > fetches);
    assert_true(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

/* ---- states --------------------------------------------------------------- */

/* One whole state as an answer of the key fetch has it. */
static struct mu_keyfetch_response whole(struct mu_bytes state)
{
    return (struct mu_keyfetch_response){
        .groups = {{SCRIPT_GROUP}, {0}, 1},
        .piece_group = SCRIPT_GROUP,
        .piece_total = (uint16_t)state.len,
        .piece = state,
    };
}

static int offer(struct world *w, const struct mu_keyfetch_response *in)
{
    bool more;

    return mu_device_members_piece(w->devices[0].device, in, &more);
}

/* A server that was rolled back, or one who plays it. */
static void test_states_go_forward(void **state)
{
    uint8_t held[2048], odd[2048];
    struct mu_keyfetch_response in;
    struct world w;
    struct mu_device *d;
    size_t len;

    (void)state;
    hostile_ready(&w, 11);
    d = w.devices[0].device;
    len = d->members[0].len;
    memcpy(held, d->work + d->conf.page_memory, len);
    in = whole(mu_bytes(odd, len));
    memcpy(odd, held, len);
    assert_int_equal(offer(&w, &in), 0); /* the same: no harm */
    odd[21]--; /* an older base */
    assert_int_equal(offer(&w, &in), MU_ERR_ROLLBACK);
    memcpy(odd, held, len);
    odd[13]--; /* an older generation */
    assert_int_equal(offer(&w, &in), MU_ERR_ROLLBACK);
    memcpy(odd, held, len);
    odd[9]++; /* of an epoch that the server has not told */
    assert_int_equal(offer(&w, &in), MU_ERR_FORBIDDEN);
    memcpy(odd, held, len);
    odd[5]++; /* of another group */
    assert_int_equal(offer(&w, &in), MU_ERR_MALFORMED);
    memcpy(odd, held, len);
    odd[0] = 0x6f; /* no state at all */
    assert_true(offer(&w, &in) < 0);
    in.piece_total = 2049; /* more than there is memory for */
    assert_int_equal(offer(&w, &in), MU_ERR_NO_SPACE);
    assert_memory_equal(d->work + d->conf.page_memory, held, len);
    assert_int_equal(d->members[0].len, len);
    world_clear(&w);
}

/* Pieces that do not follow one another are of an answer that was given up. */
static void test_pieces_in_order(void **state)
{
    uint8_t held[2048];
    struct mu_keyfetch_response in;
    struct world w;
    struct mu_device *d;
    size_t len;

    (void)state;
    hostile_ready(&w, 12);
    d = w.devices[0].device;
    len = d->members[0].len;
    memcpy(held, d->work + d->conf.page_memory, len);
    in = whole(mu_bytes(held, len));
    in.piece_offset = 50;
    in.piece.data += 50;
    in.piece.len = 20;
    assert_int_equal(offer(&w, &in), MU_ERR_UNEXPECTED); /* nothing begun */
    in.piece_offset = 0;
    in.piece = mu_bytes(held, 50);
    assert_int_equal(offer(&w, &in), 0);
    in.piece_offset = 60;
    in.piece = mu_bytes(held + 60, 20);
    assert_int_equal(offer(&w, &in), MU_ERR_UNEXPECTED); /* a gap */
    in.piece_offset = 50;
    in.piece_total++;
    assert_int_equal(offer(&w, &in), MU_ERR_UNEXPECTED); /* of another one */
    in.piece_total--;
    in.piece_group++;
    assert_int_equal(offer(&w, &in), MU_ERR_UNEXPECTED);
    in.piece_group--;
    in.piece = mu_bytes(held + 50, len - 50);
    assert_int_equal(offer(&w, &in), 0);
    assert_false(d->collect.on);
    in.piece_offset = 0;
    in.piece = mu_bytes(held, 41); /* less than says what it is */
    assert_int_equal(offer(&w, &in), MU_ERR_MALFORMED);
    world_clear(&w);
}

/* ---- the disk is full ------------------------------------------------------ */

/* A key that is not durable is not acknowledged, and neither is a state. */
static void test_nothing_unproved(void **state)
{
    struct world w;
    uint32_t slot = 30;

    (void)state;
    hostile_ready(&w, 13);
    w.devices[0].fail_table = MU_TABLE_NODE;
    w.devices[0].status_packets = 0;
    script_rekey(&w.script, &slot, 1);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_true(holds(&w, &w.script.kb_kid));
    assert_int_equal(w.devices[0].status_packets, 0);
    assert_int_equal(w.script.rekey->told[1], 0x0f);
    w.devices[0].fail_table = 0;
    world_run(&w, MU_SECONDS(80), NULL);
    assert_int_equal(w.script.rekey->told[0], 0x0f);
    world_clear(&w);
}

/* ---- floods -------------------------------------------------------------- */

/* Parts that look as if they were for it, each another: a signature check a
 * second, and the true one gets through in the end. */
static void test_flood(void **state)
{
    struct mu_signer bad = other_signer();
    struct world w;
    struct script_part p, good;
    struct mu_inline m;
    uint32_t fetches;
    mu_time began;

    (void)state;
    hostile_ready(&w, 6);
    bad.pub_len = w.script.signer.pub_len;
    mu_copy(bad.pub, w.script.signer.pub, sizeof bad.pub);
    m = next_part(&w, &p);
    good = p;
    script_part_sign(&w.script, &w.script.signer, &m, &good);
    fetches = w.script.devices[0].fetches;
    began = w.now;
    for (uint32_t i = 0; i < 400; i++) {
        m.campaign[1] = (uint8_t)i;
        m.campaign[2] = (uint8_t)(i >> 8);
        script_part_sign(&w.script, &bad, &m, &p);
        shout_part(&w, &p, (uint8_t)i);
    }
    assert_in_range(verified, 2, 3 + (w.now - began) / MU_SECONDS(1));
    assert_false(holds(&w, &w.script.kb_kid));
    assert_int_equal(w.script.devices[0].fetches, fetches);
    for (unsigned i = 0; i < 10 && !holds(&w, &w.script.kb_kid); i++) {
        world_run(&w, MU_SECONDS(1), NULL);
        shout_part(&w, &good, 66);
    }
    assert_true(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

/* Parts without an entry for it: no signature check, and the fetches that they
 * bring about back off. */
static void test_flood_of_nothing(void **state)
{
    struct mu_signer bad = other_signer();
    struct world w;
    struct script_part p;
    struct mu_inline m;
    uint32_t fetches;

    (void)state;
    hostile_ready(&w, 7);
    m = next_part(&w, &p);
    /* One entry: of a leaf far from here. */
    p.raw_len = 28 + 20 + 16;
    p.raw[26] = 0;
    p.raw[27] = 1;
    p.raw[28] = p.raw[29] = p.raw[30] = 0;
    p.raw[31] = 0xe0; /* node 7: place 3, d = 0 */
    p.raw[30] = 0x0e;
    m.content.len = p.raw_len;
    fetches = w.script.devices[0].fetches;
    for (uint32_t i = 0; i < 1000; i++) {
        m.campaign[1] = (uint8_t)i;
        m.campaign[2] = (uint8_t)(i >> 8);
        script_part_sign(&w.script, &bad, &m, &p);
        shout_part(&w, &p, (uint8_t)i);
    }
    assert_int_equal(verified, 0);
    /* 20 s and more: at 1, 2, 4, 8, 16 s, and what confirms them. */
    assert_in_range(w.script.devices[0].fetches - fetches, 1, 12);
    world_clear(&w);
}

/* Acknowledgements of rekeys do not push out those of the object that is being
 * received, nor does a rekey disturb it. */
static void test_beside_a_push(void **state)
{
    struct world w;

    (void)state;
    hostile_ready(&w, 8);
    push(&w, 1);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t slot = 20 + i;

        world_run(&w, MU_MS(150), NULL);
        script_rekey(&w.script, &slot, 1);
    }
    assert_all_run(&w, MU_SECONDS(90));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(w.script.devices[i].state, 0x0f);
        assert_int_equal(w.devices[i].installs, 1);
    }
    world_run(&w, MU_SECONDS(20), NULL);
    assert_true(holds(&w, &w.script.kb_kid));
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_key_lost),
        cmocka_unit_test(test_states_go_forward),
        cmocka_unit_test(test_pieces_in_order),
        cmocka_unit_test(test_nothing_unproved),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_flood_of_nothing),
        cmocka_unit_test(test_beside_a_push),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
