/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder of a group, from the key of a service connection to a command,
 * at both ends; and everything done to a command on its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/mikey_service.h"

static const struct mu_crypto *crypto;
static const struct mu_kid kid = {MU_KEY_KB, 7, 0x0000000300000005u};
static const uint8_t connection[8] = {0xb0, 0xb1, 0xb2, 0xb3, 4, 5, 6, 0xff};
static const uint8_t campaign[MU_CAMPAIGN_ID] = {1, 2, 3, 4, 5, 6, 7, 8};

struct rig {
    struct mu_mbms_muk server;
    struct mu_mbms_device device;
    struct mu_secret key; /* MSK */
    struct mu_mbms_msk msk;
    struct mu_mbms_mtk mtk;
    uint8_t told[512], brought[512], content[1200];
    struct mu_bytes msk_message, mtk_message;
    size_t content_len;
};

static void fill(struct mu_secret *s, uint8_t first, size_t len)
{
    uint8_t raw[32];

    for (size_t i = 0; i < len; i++)
        raw[i] = (uint8_t)(first + i);
    assert_int_equal(mu_secret_set(s, mu_bytes(raw, len)), 0);
}

static void rig_init(struct rig *r)
{
    struct mu_mikey_session s;
    struct mu_secret kmc;
    struct mu_writer w = mu_writer(r->told, sizeof r->told);

    memset(r, 0, sizeof *r);
    fill(&kmc, 1, 32);
    fill(&r->key, 100, MU_MBMS_KEY_LEN);
    fill(&r->mtk.key, 50, MU_MBMS_KEY_LEN);
    assert_int_equal(mu_mbms_muk_make(crypto, &kmc, &r->server.key), 0);
    assert_int_equal(mu_mbms_muk_make(crypto, &kmc, &r->device.muk.key), 0);
    assert_int_equal(mu_mbms_muk_names(mu_bytes_str("muster.example"),
                                       connection, &r->server), 0);
    assert_int_equal(mu_mbms_muk_names(mu_bytes_str("muster.example"),
                                       connection, &r->device.muk), 0);
    assert_int_equal(mu_mbms_msk_make(crypto, &kid, &r->key, &r->msk), 0);
    assert_int_equal(mu_mbms_msk_create(crypto, &r->server, &r->msk, false, &s,
                                        &w), 0);
    r->msk_message = mu_written(&w);
    w = mu_writer(r->brought, sizeof r->brought);
    assert_int_equal(mu_mbms_mtk_create(crypto, &r->msk, &r->mtk, &w), 0);
    r->mtk_message = mu_written(&w);
    assert_int_equal(r->mtk.id, MU_MBMS_MTK_FIRST);
}

static int take_msk(struct rig *r)
{
    struct mu_mikey_session s;
    bool deleted;

    return mu_mbms_msk_consume(crypto, &r->device, r->msk_message, &s,
                               &deleted);
}

static int take_mtk(struct rig *r, struct mu_mbms_mtk *mtk)
{
    struct mu_mbms_wanted wanted;

    return mu_mbms_mtk_consume(crypto, &r->device, r->mtk_message, mtk,
                               &wanted);
}

static void test_ladder(void **state)
{
    struct rig r;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_mtk_id id;
    struct mu_secret one, other;
    const struct mu_mbms_msk *held;

    (void)state;
    rig_init(&r);
    assert_memory_equal(r.server.idr.bytes, "b0b1b2b3040506ff@muster.example",
                        r.server.idr.len);
    assert_int_equal(take_mtk(&r, &mtk), MU_ERR_UNKNOWN_KEY);
    assert_int_equal(take_msk(&r), 0);
    assert_int_equal(take_msk(&r), MU_ERR_REPLAY);
    held = mu_mbms_msk_of(&r.device, &kid);
    assert_non_null(held);
    assert_int_equal(mu_mbms_kb(crypto, &kid, &r.key, &one), 0);
    assert_int_equal(mu_mbms_kb(crypto, &kid, &held->key, &other), 0);
    assert_true(mu_secret_eq(&one, &other));
    assert_int_equal(one.len, 32);
    assert_int_equal(mu_mbms_mtk_peek(r.mtk_message, &id), 0);
    assert_int_equal(id.group, 7);
    assert_int_equal(id.number, mu_mbms_number(&kid));
    assert_int_equal(id.mtk, 1);
    assert_int_equal(take_mtk(&r, &mtk), 0);
    assert_true(mu_secret_eq(&mtk.key, &r.mtk.key));
    assert_int_equal(take_mtk(&r, &mtk), MU_ERR_REPLAY);
}

static void test_ids(void **state)
{
    struct mu_kid k = kid;
    struct mu_mbms_msk msk;
    struct mu_secret key;
    struct rig r;

    (void)state;
    /* Never 0, which asks for the current one; others next to each other. */
    for (uint64_t g = 0; g < 140000; g++) {
        k.generation = g;
        assert_int_not_equal(mu_mbms_number(&k), 0);
    }
    k.generation = 65535;
    assert_int_equal(mu_mbms_number(&k), 1);
    k.generation = 65534;
    assert_int_equal(mu_mbms_number(&k), 65535);
    fill(&key, 1, MU_MBMS_KEY_LEN);
    k.scope = MU_MBMS_GROUP_MAX;
    assert_int_equal(mu_mbms_msk_make(crypto, &k, &key, &msk), 0);
    k.scope = MU_MBMS_GROUP_MAX + 1;
    assert_int_equal(mu_mbms_msk_make(crypto, &k, &key, &msk), MU_ERR_USAGE);
    rig_init(&r);
    assert_int_equal(take_msk(&r), 0);
    assert_null(mu_mbms_msk_of(&r.device, &k));
    fill(&key, 1, 32);
    k.scope = 7;
    assert_int_equal(mu_mbms_msk_make(crypto, &k, &key, &msk), MU_ERR_USAGE);
}

static void command_make(struct rig *r, struct mu_command_keys *k,
                         const char *text, uint32_t seq)
{
    struct mu_writer w = mu_writer(r->content, sizeof r->content);

    assert_int_equal(mu_command_keys(crypto, &r->msk, &r->mtk.key, k), 0);
    assert_int_equal(mu_command_create(crypto, k, campaign, r->mtk_message,
                                       seq, mu_bytes_str(text), &w), 0);
    r->content_len = w.len;
}

static void test_command(void **state)
{
    struct rig r;
    struct mu_command_keys k;
    struct mu_command c;
    uint8_t text[MU_COMMAND_MAX], other[MU_CAMPAIGN_ID] = {9};

    (void)state;
    rig_init(&r);
    command_make(&r, &k, "valve 7 open", 3);
    assert_int_not_equal(memcmp(k.tek.bytes, k.tak.bytes, 16), 0);
    assert_int_equal(mu_command_parse(mu_bytes(r.content, r.content_len), &c),
                     0);
    assert_int_equal(c.seq, 3);
    assert_true(mu_bytes_eq(c.mtk, r.mtk_message));
    assert_int_equal(c.sealed.len, 12);
    assert_memory_not_equal(c.sealed.data, "valve 7 open", 12);
    assert_int_equal(mu_command_open(crypto, &k, other, &c, text),
                     MU_ERR_AUTH);
    assert_int_equal(mu_command_open(crypto, &k, campaign, &c, text), 0);
    assert_memory_equal(text, "valve 7 open", 12);
}

static void test_command_changed(void **state)
{
    struct rig r;
    struct mu_command_keys k;
    struct mu_command c;
    uint8_t text[MU_COMMAND_MAX];

    (void)state;
    rig_init(&r);
    command_make(&r, &k, "valve 7 open", 1);
    for (size_t i = 0; i < r.content_len * 8; i++) {
        r.content[i / 8] ^= (uint8_t)(1u << i % 8);
        if (mu_command_parse(mu_bytes(r.content, r.content_len), &c) == 0)
            assert_int_equal(mu_command_open(crypto, &k, campaign, &c, text),
                             MU_ERR_AUTH);
        r.content[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < r.content_len; n++) {
        if (mu_command_parse(mu_bytes(r.content, n), &c) == 0)
            assert_int_equal(mu_command_open(crypto, &k, campaign, &c, text),
                             MU_ERR_AUTH);
    }
    /* Under the keys of another MTK, or of the same under another MSK. */
    r.mtk.key.bytes[0] ^= 1;
    assert_int_equal(mu_command_keys(crypto, &r.msk, &r.mtk.key, &k), 0);
    assert_int_equal(mu_command_parse(mu_bytes(r.content, r.content_len), &c),
                     0);
    assert_int_equal(mu_command_open(crypto, &k, campaign, &c, text),
                     MU_ERR_AUTH);
    r.mtk.key.bytes[0] ^= 1;
    r.msk.csb++;
    assert_int_equal(mu_command_keys(crypto, &r.msk, &r.mtk.key, &k), 0);
    assert_int_equal(mu_command_open(crypto, &k, campaign, &c, text),
                     MU_ERR_AUTH);
}

static void test_command_limits(void **state)
{
    static uint8_t text[MU_COMMAND_MAX + 1];
    uint8_t room[1200];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_command_keys k;
    struct mu_command c;
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(mu_command_keys(crypto, &r.msk, &r.mtk.key, &k), 0);
    assert_int_equal(mu_command_create(crypto, &k, campaign, r.mtk_message, 1,
                                       mu_bytes(text, 0), &w), MU_ERR_USAGE);
    assert_int_equal(mu_command_create(crypto, &k, campaign, r.mtk_message, 1,
                                       mu_bytes(text, sizeof text), &w),
                     MU_ERR_USAGE);
    assert_int_equal(mu_command_create(crypto, &k, campaign, r.mtk_message, 0,
                                       mu_bytes(text, 1), &w), MU_ERR_USAGE);
    w = mu_writer(room, 40);
    assert_int_equal(mu_command_create(crypto, &k, campaign, r.mtk_message, 1,
                                       mu_bytes(text, 1), &w),
                     MU_ERR_NO_SPACE);
    w = mu_writer(room, sizeof room);
    assert_int_equal(mu_command_create(crypto, &k, campaign, r.mtk_message, 1,
                                       mu_bytes(text, MU_COMMAND_MAX), &w), 0);
    assert_int_equal(mu_command_parse(mu_written(&w), &c), 0);
    /* One byte more than may be: the tag is not looked at. */
    memmove(room + w.len - 16, room + w.len - 17, 17);
    assert_int_equal(mu_command_parse(mu_bytes(room, w.len + 1), &c),
                     MU_ERR_MALFORMED);
}

static int setup(void **state)
{
    (void)state;
    crypto = mu_crypto_openssl();
    return crypto == NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ladder), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_command), cmocka_unit_test(test_command_changed),
        cmocka_unit_test(test_command_limits),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
