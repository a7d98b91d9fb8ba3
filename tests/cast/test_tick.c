/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticks: a chain told from its begin to its end, packets lost, late, far ahead
 * and made up, and what somebody who holds the key can do with a tick that he
 * heard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/tick.h"
#include "tests/keys/named.h"

static const struct mu_crypto *crypto;
static const struct mu_secret kctl = {.bytes = "the area's key!!", .len = 16};
static const struct mu_secret other = {.bytes = "no key of theirs", .len = 16};
static const struct mu_secret seed = {.bytes = "the gateway's", .len = 32};
static struct mu_ticker t;
static struct mu_ticked h;
static uint8_t raw[MU_PACKET_MAX];
static size_t len;

static void begin(uint16_t places)
{
    crypto = mu_crypto_openssl();
    assert_int_equal(mu_ticker_init(&t, crypto, &kctl, &seed, places, 0), 0);
    mu_ticker_allow(&t, places);
    memset(&h, 0, sizeof h);
    assert_true(mu_ticked_told(&h, crypto, &kctl, &t.now));
}

/* A poll under a key, as it is before the tick. */
static size_t poll(const struct mu_secret *key, uint16_t page, uint8_t *to)
{
    struct mu_poll p = {.session = 1, .page = page, .window_ms = 10};
    struct mu_writer w = mu_writer(to, MU_PACKET_MAX);

    assert_int_equal(mu_poll_create(crypto, key, &p, &w), 0);
    return w.len;
}

static void say(uint16_t page)
{
    len = poll(&kctl, page, raw);
    assert_int_equal(mu_ticker_put(&t, raw, &len), 0);
}

static int hear_at(mu_time now, const uint8_t *packet, size_t n, bool tagged)
{
    struct mu_bytes in = mu_bytes(packet, n);
    int rc = mu_ticked_take(&h, crypto, &kctl, now, tagged, &in);

    assert_int_equal(in.len, rc == 0 ? n - MU_TICK_LEN : n);
    return rc;
}

static int hear(void)
{
    return hear_at(0, raw, len, true);
}

/* With this tick, on a poll of page 9. */
static int forge(const struct mu_tick *tick, const struct mu_secret *key)
{
    uint8_t bad[MU_PACKET_MAX];
    size_t n = poll(key, 9, bad);

    assert_int_equal(mu_tick_append(crypto, key, tick, bad, &n), 0);
    return hear_at(0, bad, n, true);
}

static void test_vector(void **state)
{
    uint8_t packet[NAMED_MAX], tag[NAMED_MAX], value[NAMED_MAX], got[64];
    struct mu_bytes p = named("poll_packet", packet);
    struct mu_bytes g = named("poll_tag", tag);
    struct mu_bytes v = named("tick_5", value);
    struct mu_secret k = named_secret("kctl");
    struct mu_tick five = {.at = 5}, four = {.at = 4};
    size_t n = p.len + g.len;

    (void)state;
    memcpy(five.value, v.data, MU_TICK_VALUE);
    memcpy(got, p.data, p.len);
    memcpy(got + p.len, g.data, g.len);
    assert_int_equal(mu_tick_append(crypto, &k, &five, got, &n), 0);
    named_same("poll_ticked", mu_bytes(got, n));
    v = named("tick_4", value);
    memcpy(four.value, v.data, MU_TICK_VALUE);
    memset(&h, 0, sizeof h);
    assert_true(mu_ticked_told(&h, crypto, &k, &four));
    p = mu_bytes(got, n);
    assert_int_equal(mu_ticked_take(&h, crypto, &k, 0, true, &p), 0);
}

/* Every place of the chain once, over all rows, and then no more. */
static void test_whole_chain(void **state)
{
    (void)state;
    begin(3 * MU_TICK_ROW);
    for (unsigned i = 1; i < 3 * MU_TICK_ROW; i++) {
        assert_int_equal(mu_ticker_left(&t), 3 * MU_TICK_ROW - i);
        say((uint16_t)i);
        assert_int_equal(hear(), 0);
        assert_int_equal(h.last.at, i);
        assert_int_equal(hear(), MU_ERR_REPLAY);
    }
    assert_false(mu_ticker_ready(&t));
    assert_int_equal(mu_ticker_put(&t, raw, &len), MU_ERR_BUSY);
    /* Nor what is not allowed yet. */
    begin(MU_TICK_ROW);
    mu_ticker_allow(&t, 2);
    say(0);
    assert_int_equal(mu_ticker_put(&t, raw, &len), MU_ERR_BUSY);
    mu_ticker_allow(&t, 3);
    say(0);
    assert_int_equal(hear(), 0);
    assert_int_equal(mu_ticker_init(&t, crypto, &kctl, &seed, 100, 0),
                     MU_ERR_USAGE);
    assert_int_equal(mu_ticker_init(&t, crypto, &kctl, &seed, 128, 128),
                     MU_ERR_USAGE);
}

/* From any place on it is the same chain. */
static void test_seek(void **state)
{
    struct mu_ticker late;

    (void)state;
    begin(4 * MU_TICK_ROW);
    assert_int_equal(mu_ticker_init(&late, crypto, &kctl, &seed,
                                    4 * MU_TICK_ROW, 300), 0);
    for (unsigned i = 0; i < 300; i++)
        say(0);
    assert_memory_equal(&t.now, &late.now, sizeof t.now);
}

static void test_losses(void **state)
{
    (void)state;
    begin(MU_TICKS_MAX);
    for (unsigned lost = 0; lost < 16; lost++) {
        for (unsigned i = 0; i < lost; i++)
            say(0);
        say(1);
        assert_int_equal(hear_at(0, raw, len, false), 0);
    }
    /* More: one such a second, and only with the tag of who holds the key. */
    for (unsigned i = 0; i < 17; i++)
        say(0);
    assert_int_equal(hear_at(5, raw, len, false), MU_ERR_BUSY);
    assert_int_equal(hear_at(5, raw, len, true), 0);
    for (unsigned i = 0; i < 17; i++)
        say(0);
    assert_int_equal(hear_at(MU_MS(999), raw, len, true), MU_ERR_BUSY);
    assert_int_equal(hear_at(MU_SECONDS(2), raw, len, true), 0);
    /* Too many: the gateway is to be asked. */
    for (unsigned i = 0; i < 1025; i++)
        say(0);
    assert_int_equal(hear_at(MU_SECONDS(9), raw, len, true),
                     MU_ERR_UNKNOWN_KEY);
    assert_true(mu_ticked_told(&h, crypto, &kctl, &t.now));
    say(0);
    assert_int_equal(hear(), 0);
}

/* Late by less than sixteen, each once. */
static void test_order(void **state)
{
    uint8_t kept[40][64];
    size_t n[40];

    (void)state;
    begin(MU_TICK_ROW);
    for (unsigned i = 0; i < 40; i++) {
        say((uint16_t)i);
        memcpy(kept[i], raw, len);
        n[i] = len;
    }
    assert_int_equal(hear_at(0, kept[15], n[15], true), 0);
    assert_int_equal(hear_at(0, kept[3], n[3], true), 0);
    assert_int_equal(hear_at(0, kept[3], n[3], true), MU_ERR_REPLAY);
    assert_int_equal(hear_at(0, kept[0], n[0], true), 0);
    assert_int_equal(hear_at(0, kept[20], n[20], true), 0);
    assert_int_equal(hear_at(0, kept[15], n[15], true), MU_ERR_REPLAY);
    assert_int_equal(hear_at(0, kept[4], n[4], true), MU_ERR_REPLAY);
    assert_int_equal(hear_at(0, kept[5], n[5], true), 0);
    kept[6][4] ^= 1; /* the same tick on other content */
    assert_int_equal(hear_at(0, kept[6], n[6], false), MU_ERR_AUTH);
    assert_int_equal(hear_at(0, kept[36], n[36], true), 0);
    assert_int_equal(hear_at(0, kept[20], n[20], true), MU_ERR_REPLAY);
}

/* What a member can do: nothing ahead of the gateway, nothing twice; one packet
 * for each that was missed, as long as it is one of the last. */
static void test_member(void **state)
{
    struct mu_bytes in;
    struct mu_tick heard, next, down;

    (void)state;
    begin(MU_TICK_ROW);
    say(1);
    in = mu_bytes(raw, len);
    assert_int_equal(mu_tick_strip(crypto, &kctl, &in, &heard), 0);
    assert_int_equal(hear(), 0);
    assert_int_equal(forge(&heard, &kctl), MU_ERR_REPLAY);
    next = heard; /* the next one, made up */
    for (unsigned i = 0; i < 200; i++) {
        next.at = (uint16_t)(heard.at + 1 + i % 15);
        next.value[i % 8] ^= (uint8_t)(i + 1);
        assert_int_equal(forge(&next, &kctl), MU_ERR_AUTH);
    }
    assert_int_equal(h.last.at, heard.at);
    /* One that was missed: once, and no more. */
    say(2);
    in = mu_bytes(raw, len);
    assert_int_equal(mu_tick_strip(crypto, &kctl, &in, &heard), 0);
    assert_int_equal(forge(&heard, &kctl), 0);
    assert_int_equal(forge(&heard, &kctl), MU_ERR_REPLAY);
    /* It does not reach the next genuine one, or a stranger's copy. */
    say(3);
    assert_int_equal(hear(), 0);
    down = h.last;
    down.at--;
    assert_int_equal(forge(&down, &kctl), MU_ERR_REPLAY);
    say(4);
    in = mu_bytes(raw, len);
    assert_int_equal(mu_tick_strip(crypto, &kctl, &in, &heard), 0);
    assert_int_equal(forge(&heard, &other), MU_ERR_AUTH);
    /* Who lacks the key cannot put it on another packet either. */
    memcpy(raw, (uint8_t[]){MU_CAST_POLL, 1, 0, 8}, 4);
    assert_true(hear_at(0, raw, len, false) != 0);
    assert_true(hear_at(0, raw, MU_TICK_LEN - 1, false) == MU_ERR_TRUNCATED);
}

/* What is said over the hop. */
static void test_told(void **state)
{
    struct mu_ticker next;
    struct mu_tick before;

    (void)state;
    begin(MU_TICK_ROW);
    before = t.now;
    for (unsigned i = 0; i < 5; i++) {
        say(0);
        assert_int_equal(hear(), 0);
    }
    /* An answer that was under way: what was heard meanwhile stays heard. */
    assert_false(mu_ticked_told(&h, crypto, &kctl, &before));
    assert_int_equal(hear(), MU_ERR_REPLAY);
    /* What came before it is void. */
    for (unsigned i = 0; i < 3; i++)
        say(0);
    assert_false(mu_ticked_told(&h, crypto, &kctl, &t.now)); /* not far */
    assert_int_equal(hear(), MU_ERR_REPLAY);
    /* Another chain, or one put back by much, counts. */
    assert_int_equal(mu_ticker_init(&next, crypto, &kctl, &kctl, 128, 0), 0);
    assert_false(mu_ticked_told(&h, crypto, &kctl, &next.now));
    assert_int_equal(h.last.at, 0);
    t = next;
    mu_ticker_allow(&t, 128);
    for (unsigned i = 0; i < 100; i++) {
        say(0);
        assert_int_equal(hear(), 0);
    }
    assert_false(mu_ticked_told(&h, crypto, &kctl, &next.now));
    assert_int_equal(h.last.at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_chain), cmocka_unit_test(test_vector),
        cmocka_unit_test(test_seek),        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_order),       cmocka_unit_test(test_member),
        cmocka_unit_test(test_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
