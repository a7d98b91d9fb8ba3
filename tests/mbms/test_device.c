/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands at the device engine: out of order, again, from a member that
 * forges, under keys that it lacks; power cuts at every write. A command is run
 * once or, after a power cut, not at all, and what became of it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "node/device.h"
#include "store/store.h"

#define GROUP 7u
#define EPOCH 3u

struct rig {
    const struct mu_crypto *crypto;
    struct mu_memory *memory;
    struct mu_store store;
    struct mu_device *d;
    uint8_t work[4096];
    struct mu_object slot;
    struct mu_secret kmr;
    struct mu_signer server, member;
    struct mu_mbms_muk muk;
    struct mu_kid kid;
    struct mu_mbms_msk msk;
    struct mu_mbms_mtk mtk;
    uint8_t message[256];
    size_t message_len;
    uint32_t seq;
    uint8_t next_id;
    mu_time now;
    unsigned runs;        /* of the hook */
    char last[64];        /* what it was given */
    bool hold;            /* the hook goes on */
    int result;
    unsigned stores, cut; /* power fails at that write; 0: never */
    bool dead;
    int refused;          /* what came of the last object */
    uint8_t object[MU_ANNOUNCE_MAX];
};

static int no_bytes(void *ctx, uint64_t at, uint8_t *to, size_t len)
{
    (void)ctx;
    (void)at;
    memset(to, 0, len);
    return 0;
}

static void device_open(struct rig *r)
{
    struct mu_device_conf conf = {
        .crypto = r->crypto, .identity = mu_bytes_str("dev"), .kmr = &r->kmr,
        .store = &r->store, .slot = &r->slot, .object_max = 1000,
        .page_memory = sizeof r->work, .software = mu_bytes_str("1"),
    };

    r->d = calloc(1, sizeof *r->d);
    assert_non_null(r->d);
    assert_int_equal(mu_device_init(r->d, &conf, r->work, sizeof r->work,
                                    r->now), 0);
}

/* Stores what it wants stored, runs what it wants run. */
static void settle(struct rig *r)
{
    struct mu_effect e;

    for (int i = 0; i < 1000 && !r->dead && mu_device_next(r->d, &e); i++) {
        struct mu_event ev = { .kind = MU_EV_COUNT };

        if (e.kind == MU_DO_STORE) {
            if (++r->stores == r->cut) {
                r->dead = true;
                return;
            }
            assert_int_equal(r->store.put(r->store.ctx, e.table, e.key,
                                          e.value), 0);
            assert_int_equal(r->store.commit(r->store.ctx), 0);
            ev = (struct mu_event){ .kind = MU_EV_STORED,
                                    .ticket = e.ticket };
        } else if (e.kind == MU_DO_HOOK) {
            assert_int_equal(e.hook, MU_HOOK_COMMAND);
            r->runs++;
            assert_true(e.value.len < sizeof r->last);
            memcpy(r->last, e.value.data, e.value.len);
            r->last[e.value.len] = '\0';
            if (r->hold)
                continue;
            ev = (struct mu_event){ .kind = MU_EV_HOOK,
                                    .hook = MU_HOOK_COMMAND,
                                    .result = r->result };
        }
        if (ev.kind == MU_EV_COUNT)
            continue;
        ev.now = r->now;
        assert_int_equal(mu_device_step(r->d, &ev), 0);
    }
}

static void msk_next(struct rig *r)
{
    struct mu_secret key;
    uint8_t raw[16];

    r->kid.generation++;
    memset(raw, (int)r->kid.generation, sizeof raw);
    assert_int_equal(mu_secret_set(&key, MU_BYTES(raw)), 0);
    assert_int_equal(mu_mbms_msk_make(r->crypto, &r->kid, &key, &r->msk), 0);
}

static int msk_tell(struct rig *r)
{
    uint8_t room[512];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_mikey_session s;
    struct mu_keyfetch_msk m = { .kid = r->kid };
    bool fresh;

    assert_int_equal(mu_mbms_msk_create(r->crypto, &r->muk, &r->msk, false, &s,
                                        &w), 0);
    m.message = mu_written(&w);
    int rc = mu_device_mbms_msk(r->d, &m, &fresh);

    settle(r);
    return rc;
}

static void mtk_next(struct rig *r)
{
    struct mu_writer w = mu_writer(r->message, sizeof r->message);
    uint8_t raw[16];

    memset(raw, (int)(0x40 + r->msk.next), sizeof raw);
    r->mtk = (struct mu_mbms_mtk){ .salt_len = 0 };
    assert_int_equal(mu_secret_set(&r->mtk.key, MU_BYTES(raw)), 0);
    assert_int_equal(mu_mbms_mtk_create(r->crypto, &r->msk, &r->mtk, &w), 0);
    r->message_len = w.len;
    r->seq = 0;
}

/* An object with a command, in r->object. */
static struct mu_bytes command(struct rig *r, const struct mu_signer *by,
                               const char *text)
{
    uint8_t room[1200];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_writer out = mu_writer(r->object, sizeof r->object);
    struct mu_command_keys k;
    struct mu_inline m = { .group = GROUP, .epoch = EPOCH, .parts = 1,
                           .content_kind = MU_CONTENT_COMMAND };

    memset(m.campaign, ++r->next_id, sizeof m.campaign);
    m.session = r->next_id;
    assert_int_equal(mu_command_keys(r->crypto, &r->msk, &r->mtk.key, &k), 0);
    assert_int_equal(mu_command_create(r->crypto, &k, m.campaign,
                                       mu_bytes(r->message, r->message_len),
                                       ++r->seq, mu_bytes_str(text), &w), 0);
    m.content = mu_written(&w);
    assert_int_equal(mu_inline_create(r->crypto, by, &m, &out), 0);
    return mu_written(&out);
}

static void hear(struct rig *r, struct mu_bytes object)
{
    struct mu_event ev = { .kind = MU_EV_TIMER };

    r->now += MU_SECONDS(3); /* a signature check a second */
    ev.now = r->now;
    /* What is known already, or bad, is for the test to look at. */
    if (mu_device_announce(r->d, object) == 0)
        r->refused = mu_device_step(r->d, &ev);
    settle(r);
}

static void rig_init(struct rig *r)
{
    size_t len;

    memset(r, 0, sizeof *r);
    r->crypto = mu_crypto_openssl();
    r->slot.read = no_bytes;
    assert_int_equal(mu_memory_open(&r->memory, &r->store), 0);
    memset(r->kmr.bytes, 5, 32);
    r->kmr.len = 32;
    r->server.alg = r->member.alg = MU_ALG_EDDSA;
    assert_int_equal(r->crypto->keypair(r->crypto->ctx, MU_ALG_EDDSA,
                                        &r->server.priv, r->server.pub, &len),
                     0);
    r->server.pub_len = (uint8_t)len;
    assert_int_equal(r->crypto->keypair(r->crypto->ctx, MU_ALG_EDDSA,
                                        &r->member.priv, r->member.pub, &len),
                     0);
    r->member.pub_len = (uint8_t)len;
    r->kid = (struct mu_kid){ MU_KEY_KB, GROUP, (uint64_t)EPOCH << 32 | 8 };
    device_open(r);
    memset(r->muk.key.bytes, 9, 16);
    r->muk.key.len = 16;
    assert_int_equal(mu_mbms_muk_names(mu_bytes_str("server"),
                                       (const uint8_t *)"12345678", &r->muk),
                     0);
    r->d->mbms.muk = r->muk;
    r->d->server = r->server;
    mu_secret_clear(&r->d->server.priv);
    r->d->epoch = EPOCH;
    r->d->groups.len = 1;
    r->d->groups.number[0] = GROUP;
    mu_device_dirty(r->d, MU_DEVICE_REC_KEYS);
    msk_next(r);
    assert_int_equal(msk_tell(r), 0);
    mtk_next(r);
}

static void device_again(struct rig *r)
{
    mu_device_clear(r->d);
    free(r->d);
    r->dead = false;
    r->cut = 0;
    device_open(r);
    settle(r);
}

static void rig_clear(struct rig *r)
{
    mu_device_clear(r->d);
    free(r->d);
    mu_memory_close(r->memory);
}

static uint8_t state_of(struct rig *r, uint8_t id)
{
    uint8_t campaign[MU_CAMPAIGN_ID];
    const struct mu_device_report *report;

    memset(campaign, id, sizeof campaign);
    report = mu_device_report_of(r->d, campaign);
    return report == NULL ? 0 : report->state;
}

static void test_once(void **state)
{
    struct rig r;
    struct mu_bytes object;

    (void)state;
    rig_init(&r);
    object = command(&r, &r.server, "one");
    hear(&r, object);
    assert_int_equal(r.runs, 1);
    assert_string_equal(r.last, "one");
    assert_int_equal(state_of(&r, 1), 0x0f);
    hear(&r, object);
    device_again(&r);
    hear(&r, object);
    assert_int_equal(r.runs, 1);
    /* The next MTK; then the one before is no good, whatever comes under it. */
    mtk_next(&r);
    hear(&r, command(&r, &r.server, "two"));
    assert_int_equal(r.runs, 2);
    rig_clear(&r);
}

/* Recorded, and played back when nobody remembers its campaign any more. */
static void test_replayed(void **state)
{
    struct rig r;
    uint8_t old[MU_ANNOUNCE_MAX];
    size_t len;

    (void)state;
    rig_init(&r);
    struct mu_bytes object = command(&r, &r.server, "open");

    memcpy(old, object.data, len = object.len);
    hear(&r, object);
    for (int i = 0; i < 6; i++) /* of the same MTK */
        hear(&r, command(&r, &r.server, "shut"));
    assert_int_equal(r.runs, 7);
    assert_int_equal(state_of(&r, 1), 0); /* forgotten */
    hear(&r, mu_bytes(old, len));
    assert_int_equal(r.runs, 7);
    for (int i = 0; i < 6; i++) { /* of others */
        mtk_next(&r);
        hear(&r, command(&r, &r.server, "shut"));
    }
    hear(&r, mu_bytes(old, len));
    device_again(&r);
    hear(&r, mu_bytes(old, len));
    assert_int_equal(r.runs, 13);
    rig_clear(&r);
}

/* Two on their way share an MTK, so either may come first. */
static void test_reordered(void **state)
{
    struct rig r;
    uint8_t first[MU_ANNOUNCE_MAX], before[256];
    size_t len, before_len;

    (void)state;
    rig_init(&r);
    struct mu_bytes object = command(&r, &r.server, "one");

    memcpy(first, object.data, len = object.len);
    hear(&r, command(&r, &r.server, "two"));
    hear(&r, mu_bytes(first, len));
    assert_int_equal(r.runs, 2);
    assert_string_equal(r.last, "one");
    /* An MTK that comes after its successor is not taken. */
    mtk_next(&r);
    memcpy(before, r.message, before_len = r.message_len);
    struct mu_mbms_mtk older = r.mtk;

    mtk_next(&r);
    hear(&r, command(&r, &r.server, "three"));
    assert_int_equal(r.runs, 3);
    memcpy(r.message, before, r.message_len = before_len);
    r.mtk = older;
    hear(&r, command(&r, &r.server, "late"));
    assert_int_equal(r.runs, 3);
    rig_clear(&r);
}

static void test_forged(void **state)
{
    struct rig r;
    struct mu_bytes object;

    (void)state;
    rig_init(&r);
    /* A member has MSK and MTK; it has no key that signs. */
    hear(&r, command(&r, &r.member, "forged"));
    assert_int_equal(r.runs, 0);
    object = command(&r, &r.server, "good");
    for (size_t i = 0; i < object.len; i += 7) {
        r.object[i] ^= 0x10;
        hear(&r, object);
        r.object[i] ^= 0x10;
        assert_int_equal(r.runs, 0);
    }
    hear(&r, object);
    assert_int_equal(r.runs, 1);
    rig_clear(&r);
}

/* An MSK that is not held: keys are asked for, at a bounded rate, before any
 * signature is looked at; then it opens. */
static void test_behind(void **state)
{
    struct rig r;
    struct mu_bytes object;

    (void)state;
    rig_init(&r);
    msk_next(&r);
    mtk_next(&r);
    object = command(&r, &r.server, "one");
    assert_false(r.d->asks[MU_DEVICE_KEYS].due);
    hear(&r, object);
    assert_int_equal(r.runs, 0);
    assert_true(r.d->asks[MU_DEVICE_KEYS].due);
    mu_time wait = r.d->fetch_wait.at;

    assert_true(wait > r.now);
    hear(&r, object);
    assert_int_equal(msk_tell(&r), 0);
    hear(&r, object);
    assert_int_equal(r.runs, 1);
    /* An MSK message again, or under another MUK. */
    r.muk.counter = 0;
    assert_int_equal(msk_tell(&r), MU_ERR_REPLAY);
    r.muk.counter = 90;
    r.muk.key.bytes[0] ^= 1;
    assert_int_equal(msk_tell(&r), MU_ERR_AUTH);
    rig_clear(&r);
}

/* The MSK of another group, or number, than the kid says. */
static void test_mixed_up(void **state)
{
    struct rig r;
    struct mu_mbms_msk other;
    struct mu_kid kid;

    (void)state;
    rig_init(&r);
    kid = r.kid;
    other = r.msk;
    msk_next(&r);
    r.kid.scope = 8;
    assert_int_equal(msk_tell(&r), MU_ERR_MALFORMED);
    assert_null(mu_keyring_find(&r.d->keys, &r.kid));
    r.kid = kid;
    r.msk = other;
    assert_non_null(mu_keyring_find(&r.d->keys, &r.kid));
    rig_clear(&r);
}

static void test_hook_fails(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.result = 3;
    hear(&r, command(&r, &r.server, "one"));
    assert_int_equal(r.runs, 1);
    assert_int_equal(state_of(&r, 1), 0x83);
    /* While one runs, the next waits. */
    r.result = 0;
    r.hold = true;
    hear(&r, command(&r, &r.server, "two"));
    assert_int_equal(r.runs, 2);
    struct mu_bytes object = command(&r, &r.server, "three");

    hear(&r, object);
    assert_int_equal(r.runs, 2);
    struct mu_event ev = { .kind = MU_EV_HOOK, .hook = MU_HOOK_COMMAND,
                           .now = r.now };

    assert_int_equal(mu_device_step(r.d, &ev), 0);
    assert_int_equal(mu_device_step(r.d, &ev), MU_ERR_UNEXPECTED);
    r.hold = false;
    settle(&r);
    hear(&r, object);
    assert_int_equal(r.runs, 3);
    rig_clear(&r);
}

/* The power fails at each write in turn. */
static void test_power_cuts(void **state)
{
    (void)state;
    for (unsigned cut = 1; cut < 6; cut++) {
        struct rig r;
        struct mu_bytes object;
        bool died;

        rig_init(&r);
        object = command(&r, &r.server, "one");
        r.cut = r.stores + cut;
        hear(&r, object);
        died = r.dead;
        device_again(&r);
        if (r.runs == 0 && state_of(&r, 1) == 0)
            hear(&r, object); /* announced again: it had not been taken */
        assert_true(r.runs <= 1);
        assert_true(state_of(&r, 1) == 0x0f || state_of(&r, 1) == 0x83);
        if (state_of(&r, 1) == 0x0f)
            assert_int_equal(r.runs, 1);
        /* And it takes the next. */
        hear(&r, command(&r, &r.server, "two"));
        assert_string_equal(r.last, "two");
        assert_true(died || cut > 3);
        rig_clear(&r);
    }
}

/* The record of the MSKs is damaged: all keys are fetched again. */
static void test_damaged(void **state)
{
    static const uint8_t junk[] = { 1, 0xff, 3 };
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(r.store.put(r.store.ctx, MU_TABLE_NODE,
                                 mu_bytes_str("mbms"), MU_BYTES(junk)), 0);
    assert_int_equal(r.store.commit(r.store.ctx), 0);
    device_again(&r);
    assert_int_equal(r.d->mbms.msks_len, 0);
    assert_null(mu_keyring_find(&r.d->keys, &r.kid));
    r.muk.counter = 0;
    r.d->mbms.muk = r.muk;
    assert_int_equal(msk_tell(&r), 0);
    hear(&r, command(&r, &r.server, "one"));
    assert_int_equal(r.runs, 1);
    rig_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once), cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_reordered), cmocka_unit_test(test_forged),
        cmocka_unit_test(test_behind), cmocka_unit_test(test_mixed_up),
        cmocka_unit_test(test_hook_fails), cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
