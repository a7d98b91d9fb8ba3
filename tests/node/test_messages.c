/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of both hops: what is created is consumed as it was, and nothing
 * shorter, longer or out of bounds is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/area_msg.h"
#include "muster/wide_msg.h"

static const struct mu_secret key = {.bytes = {1, 2, 3}, .len = 32};
static const struct mu_secret other = {.bytes = {9}, .len = 32};
static const struct mu_kid kg = {MU_KEY_KG, 3, 0x100000002};
static const struct mu_kid kb = {MU_KEY_KB, 7, 0x100000005};
static const struct mu_kid kw = {MU_KEY_KW, 0, 0x100000001};

static uint8_t raw[4096];
static struct mu_writer w;

static struct mu_writer *fresh(void)
{
    w = mu_writer(raw, sizeof raw);
    return &w;
}

/* Each shorter message is refused, and one byte more, too. */
#define REFUSE_LENGTHS(call)                                                   \
    do {                                                                       \
        for (size_t cut = 0; cut < w.len; cut++) {                             \
            struct mu_bytes in = mu_bytes(raw, cut);                           \
            assert_int_not_equal(call, 0);                                     \
        }                                                                      \
        raw[w.len] = 0;                                                        \
        {                                                                      \
            struct mu_bytes in = mu_bytes(raw, w.len + 1);                     \
            assert_int_not_equal(call, 0);                                     \
        }                                                                      \
    } while (0)

static void test_area_hello(void **state)
{
    struct mu_area_hello m = {.software = mu_bytes_str("1.2"),
                              .capability = {.object_max = 70000,
                                             .page_memory = 9000,
                                             .algs = {MU_ALG_ES256},
                                             .algs_len = 1}}, out;

    (void)state;
    assert_int_equal(mu_area_hello_create(&m, fresh()), 0);
    assert_int_equal(mu_area_hello_consume(mu_written(&w), &out), 0);
    assert_true(mu_bytes_eq(out.software, m.software));
    assert_int_equal(out.capability.object_max, 70000);
    assert_int_equal(out.listens.period_s, 0);
    REFUSE_LENGTHS(mu_area_hello_consume(in, &out));
}

static bool windows_taken(uint32_t period_s, uint32_t window_s)
{
    struct mu_area_hello m = {.software = mu_bytes_str("1"),
                              .capability = {.algs = {MU_ALG_ES256},
                                             .algs_len = 1},
                              .listens = {period_s, window_s}}, out;

    assert_int_equal(mu_area_hello_create(&m, fresh()), 0);
    return mu_area_hello_consume(mu_written(&w), &out) == 0 &&
           out.listens.period_s == period_s && out.listens.window_s == window_s;
}

static void test_area_windows(void **state)
{
    struct mu_area_welcome m = {.gateway = mu_bytes_str("gw"), .kid = kg,
                                .kg = key, .address = mu_bytes_str("ff15::1"),
                                .listens = {3600, 9}, .opens_in_ms = 3599001},
                           out;
    struct mu_area_hello hello = {.software = mu_bytes_str("1"),
                                  .capability = {.algs = {MU_ALG_ES256},
                                                 .algs_len = 1},
                                  .listens = {60, 5}}, said;

    (void)state;
    assert_true(windows_taken(2, 1));
    assert_true(windows_taken(MU_LISTEN_PERIOD_MAX, MU_LISTEN_PERIOD_MAX - 1));
    assert_false(windows_taken(MU_LISTEN_PERIOD_MAX + 1, 1));
    assert_false(windows_taken(60, 0));
    assert_false(windows_taken(60, 60));
    assert_false(windows_taken(60, 61));
    assert_int_equal(mu_area_hello_create(&hello, fresh()), 0);
    REFUSE_LENGTHS(mu_area_hello_consume(in, &said));

    assert_int_equal(mu_area_welcome_create(&m, fresh()), 0);
    assert_int_equal(mu_area_welcome_consume(mu_written(&w), &out), 0);
    assert_int_equal(out.listens.period_s, 3600);
    assert_int_equal(out.listens.window_s, 9);
    assert_int_equal(out.opens_in_ms, 3599001);
    REFUSE_LENGTHS(mu_area_welcome_consume(in, &out));
    m.opens_in_ms = MU_LISTEN_PERIOD_MAX * 1000 + 1;
    assert_int_equal(mu_area_welcome_create(&m, fresh()), 0);
    assert_int_not_equal(mu_area_welcome_consume(mu_written(&w), &out), 0);
}

static void test_area_welcome(void **state)
{
    struct mu_area_welcome m = {.gateway = mu_bytes_str("gw"),
                                .index = 4095,
                                .kid = kg,
                                .kg = key,
                                .address = mu_bytes_str("ff15::1"),
                                .port = 9,
                                .up_port = 65535,
                                .sessions = {{3, {1, 2, 3, 4}}, {9, {5}}},
                                .sessions_len = 2,
                                .tick = {300, {1, 2, 3, 4, 5, 6, 7, 8}}}, out;

    (void)state;
    assert_int_equal(mu_area_welcome_create(&m, fresh()), 0);
    assert_int_equal(mu_area_welcome_consume(mu_written(&w), &out), 0);
    assert_true(mu_bytes_eq(out.gateway, m.gateway));
    assert_true(mu_bytes_eq(out.address, m.address));
    assert_true(mu_kid_eq(&out.kid, &kg) && mu_secret_eq(&out.kg, &key));
    assert_int_equal(out.index, 4095);
    assert_int_equal(out.up_port, 65535);
    assert_int_equal(out.sessions_len, 2);
    assert_memory_equal(out.sessions, m.sessions, sizeof m.sessions);
    assert_memory_equal(&out.tick, &m.tick, sizeof m.tick);
    REFUSE_LENGTHS(mu_area_welcome_consume(in, &out));
    assert_int_equal(out.kg.len, 0); /* nothing is left after a refusal */
    m.index = 4096;
    assert_int_equal(mu_area_welcome_create(&m, fresh()), 0);
    assert_int_not_equal(mu_area_welcome_consume(mu_written(&w), &out), 0);
    m.index = 0;
    m.kid = kb; /* another kind of key */
    assert_int_equal(mu_area_welcome_create(&m, fresh()), 0);
    assert_int_not_equal(mu_area_welcome_consume(mu_written(&w), &out), 0);
}

static void test_area_vouch(void **state)
{
    uint8_t digest[MU_SHA256_LEN], out[MU_SHA256_LEN];

    (void)state;
    memset(digest, 0xd1, sizeof digest);
    assert_int_equal(mu_area_vouch_create(digest, fresh()), 0);
    assert_int_equal(mu_area_vouch_consume(mu_written(&w), out), 0);
    assert_memory_equal(out, digest, sizeof out);
    REFUSE_LENGTHS(mu_area_vouch_consume(in, out));
    mu_cbor_put_map(fresh(), 1);
    mu_cbor_put_uint(&w, 1);
    mu_cbor_put_bstr(&w, mu_bytes(digest, 31));
    assert_int_not_equal(mu_area_vouch_consume(mu_written(&w), out), 0);
    mu_cbor_put_map(fresh(), 1); /* no field 1 */
    mu_cbor_put_uint(&w, 2);
    mu_cbor_put_bstr(&w, MU_BYTES(digest));
    assert_int_not_equal(mu_area_vouch_consume(mu_written(&w), out), 0);
}

static void test_area_keys(void **state)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_area_key m = {kg, key, {7, {1, 2}}}, out;
    struct mu_area_group_key g = {kb, key}, gout;

    (void)state;
    assert_int_equal(mu_area_key_create(&m, fresh()), 0);
    assert_int_equal(mu_area_key_consume(mu_written(&w), &out), 0);
    assert_true(mu_kid_eq(&out.kid, &kg) && mu_secret_eq(&out.kg, &key));
    assert_memory_equal(&out.tick, &m.tick, sizeof m.tick);
    REFUSE_LENGTHS(mu_area_key_consume(in, &out));

    assert_int_equal(mu_area_group_key_create(c, &other, &g, fresh()), 0);
    assert_int_equal(
        mu_area_group_key_consume(c, &other, mu_written(&w), &gout), 0);
    assert_true(mu_kid_eq(&gout.kid, &kb) && mu_secret_eq(&gout.kb, &key));
    assert_int_equal(mu_area_group_key_consume(c, &key, mu_written(&w), &gout),
                     MU_ERR_AUTH);
    assert_int_equal(gout.kb.len, 0);
    for (size_t i = 3; i < w.len; i++) { /* the kid is part of the wrapping */
        raw[i] ^= 1;
        assert_int_not_equal(
            mu_area_group_key_consume(c, &other, mu_written(&w), &gout), 0);
        raw[i] ^= 1;
    }
    REFUSE_LENGTHS(mu_area_group_key_consume(c, &other, in, &gout));
    g.kb.len = 16;
    assert_int_equal(mu_area_group_key_create(c, &other, &g, fresh()),
                     MU_ERR_USAGE);
}

static void test_area_ask(void **state)
{
    uint8_t session = 0;
    uint64_t from = 0;

    (void)state;
    assert_int_equal(mu_area_ask_create(200, fresh()), 0);
    assert_int_equal(mu_area_ask_consume(mu_written(&w), &session), 0);
    assert_int_equal(session, 200);
    REFUSE_LENGTHS(mu_area_ask_consume(in, &session));
    assert_int_equal(mu_wide_ask_create(256, fresh()), 0);
    assert_int_not_equal(mu_area_ask_consume(mu_written(&w), &session), 0);
    assert_int_equal(mu_wide_ask_consume(mu_written(&w), &from), 0);
    assert_int_equal(from, 256);
}

static void test_unknown_keys(void **state)
{
    /* {1: 5, 9: [1, 2]}: 9 is passed over; {9: 1}: 1 is missing */
    static const uint8_t more[] = {0xa2, 1, 5, 9, 0x82, 1, 2};
    static const uint8_t none[] = {0xa1, 9, 1};
    uint8_t session = 0;

    (void)state;
    assert_int_equal(mu_area_ask_consume(MU_BYTES(more), &session), 0);
    assert_int_equal(session, 5);
    assert_int_equal(mu_area_ask_consume(MU_BYTES(none), &session),
                     MU_ERR_MALFORMED);
}

static void test_wide_hello(void **state)
{
    static const uint8_t pub[65] = {4, 1};
    struct mu_wide_hello m = {.software = mu_bytes_str("x"),
                              .area_version = UINT64_MAX,
                              .epoch = UINT32_MAX,
                              .unicast_port = 4,
                              .page_memory = 12345}, out;
    struct mu_wide_welcome a = {.server = mu_bytes_str("srv"),
                                .number = 3,
                                .kid = kw,
                                .kw = key,
                                .address = mu_bytes_str("unicast"),
                                .port = 1,
                                .up_port = 2,
                                .epoch = 9,
                                .alg = MU_ALG_EDDSA,
                                .pub = MU_BYTES(pub),
                                .campaigns_version = 77,
                                .index = 5, .directory = 11,
                                .tick = {65535, {9}}}, aout;

    (void)state;
    assert_int_equal(mu_wide_hello_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_hello_consume(mu_written(&w), &out), 0);
    assert_true(out.area_version == UINT64_MAX && out.epoch == UINT32_MAX);
    assert_int_equal(out.page_memory, 12345);
    REFUSE_LENGTHS(mu_wide_hello_consume(in, &out));

    assert_int_equal(mu_wide_welcome_create(&a, fresh()), 0);
    assert_int_equal(mu_wide_welcome_consume(mu_written(&w), &aout), 0);
    assert_true(mu_kid_eq(&aout.kid, &kw) && mu_secret_eq(&aout.kw, &key));
    assert_true(mu_bytes_eq(aout.pub, a.pub) && aout.alg == MU_ALG_EDDSA);
    assert_int_equal(aout.index, 5);
    assert_memory_equal(&aout.tick, &a.tick, sizeof a.tick);
    REFUSE_LENGTHS(mu_wide_welcome_consume(in, &aout));
    a.alg = MU_ALG_HMAC256; /* is no signature */
    assert_int_equal(mu_wide_welcome_create(&a, fresh()), 0);
    assert_int_not_equal(mu_wide_welcome_consume(mu_written(&w), &aout), 0);
}

static void test_wide_lists(void **state)
{
    struct mu_wide_page page = {.version = 4, .next = 9, .rows = 2};
    struct mu_wide_area_row row = {.index = 3,
                                   .identity = mu_bytes_str("dev"),
                                   .khop = key}, out;
    struct mu_wide_camp_row camp = {.campaign = {8, 7},
                                    .number = 5,
                                    .command = MU_WIDE_PAUSE,
                                    .session = 6}, cout;
    struct mu_wide_rows rows;

    (void)state;
    mu_wide_page_write(&page, fresh());
    mu_wide_area_row_write(&row, &w);
    row.index = 4;
    mu_wide_area_row_write(&row, &w);
    assert_int_equal(mu_wide_page_consume(mu_written(&w), &rows), 0);
    assert_true(rows.page.version == 4 && rows.page.next == 9);
    assert_true(mu_wide_area_row_next(&rows, &out) && out.index == 3);
    assert_true(mu_secret_eq(&out.khop, &key));
    assert_int_not_equal(mu_wide_rows_end(&rows), 0); /* one is left */
    assert_true(mu_wide_area_row_next(&rows, &out) && out.index == 4);
    assert_false(mu_wide_area_row_next(&rows, &out));
    assert_int_equal(mu_wide_rows_end(&rows), 0);
    REFUSE_LENGTHS(mu_wide_page_consume(in, &rows));
    /* a row of another list */
    assert_int_equal(mu_wide_page_consume(mu_written(&w), &rows), 0);
    assert_false(mu_wide_camp_row_next(&rows, &cout));
    assert_int_not_equal(mu_wide_rows_end(&rows), 0);

    page.rows = 1;
    mu_wide_page_write(&page, fresh());
    mu_wide_camp_row_write(&camp, &w);
    assert_int_equal(mu_wide_page_consume(mu_written(&w), &rows), 0);
    assert_true(mu_wide_camp_row_next(&rows, &cout));
    assert_memory_equal(cout.campaign, camp.campaign, sizeof camp.campaign);
    assert_true(cout.number == 5 && cout.command == MU_WIDE_PAUSE &&
                cout.session == 6);
    assert_int_equal(mu_wide_rows_end(&rows), 0);
    camp.command = 0;
    mu_wide_page_write(&page, fresh());
    mu_wide_camp_row_write(&camp, &w);
    assert_int_equal(mu_wide_page_consume(mu_written(&w), &rows), 0);
    assert_false(mu_wide_camp_row_next(&rows, &cout));
}

static void test_wide_campaign(void **state)
{
    static const uint8_t object[300] = {1}, cancel[90] = {2}, bits[2] = {5, 1};
    struct mu_wide_campaign m = {.object = MU_BYTES(object),
                                 .tags = {{1}, {2}, {3}},
                                 .tags_len = 3,
                                 .mode = MU_MODE_HAND_KEY,
                                 .members = MU_BYTES(bits),
                                 .quorum = 900,
                                 .deadline_s = 60,
                                 .kid = kb,
                                 .kb = key,
                                 .cancel = MU_BYTES(cancel)}, out;

    (void)state;
    assert_int_equal(mu_wide_campaign_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_campaign_consume(mu_written(&w), &out), 0);
    assert_true(mu_bytes_eq(out.object, m.object) &&
                mu_bytes_eq(out.cancel, m.cancel) &&
                mu_bytes_eq(out.members, m.members));
    assert_memory_equal(out.tags, m.tags, sizeof m.tags);
    assert_true(mu_secret_eq(&out.kb, &key) && mu_kid_eq(&out.kid, &kb));
    REFUSE_LENGTHS(mu_wide_campaign_consume(in, &out));
    assert_int_equal(out.kb.len, 0);
    /* Kb comes in the modes that need it and in no other. */
    m.mode = MU_MODE_END_TO_END;
    m.cancel.len = 0;
    assert_int_equal(mu_wide_campaign_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_campaign_consume(mu_written(&w), &out), 0);
    assert_int_equal(out.kb.len, 0);
    assert_int_equal(out.cancel.len, 0);
}

static void test_wide_reports(void **state)
{
    static const uint8_t bits[3] = {1, 2, 3}, acks[16] = {7, 7};
    struct mu_wide_report m = {.campaign = {1, 2},
                               .state = 0x83,
                               .first = 4000,
                               .bitmap = MU_BYTES(bits),
                               .acks = {acks, 8},
                               .reason = 16}, out;
    struct mu_wide_notice n = {1, 2, kw, key, 7, {8, {1}}}, nout;
    struct mu_bytes bitmap;

    (void)state;
    assert_int_equal(mu_wide_report_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_report_consume(mu_written(&w), &out), 0);
    assert_true(mu_bytes_eq(out.acks, m.acks));
    assert_true(out.state == 0x83 && out.first == 4000 && out.reason == 16);
    assert_int_equal(out.shift, 0);
    REFUSE_LENGTHS(mu_wide_report_consume(in, &out));
    /* Shifted by 4, the four members named take 28 bytes; no other length. */
    m.shift = 4;
    for (size_t len = 0; len <= sizeof acks; len++) {
        m.acks = mu_bytes(acks, len);
        assert_int_equal(mu_wide_report_create(&m, fresh()), 0);
        assert_int_equal(mu_wide_report_consume(mu_written(&w), &out),
                         len == 28 ? 0 : MU_ERR_MALFORMED);
    }
    assert_int_equal(out.shift, 4);
    m.shift = 5;
    assert_int_equal(mu_wide_report_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_report_consume(mu_written(&w), &out),
                     MU_ERR_UNSUPPORTED);
    m.shift = 4;
    m.first = 4080; /* the last bit would be member 4097 */
    assert_int_equal(mu_wide_report_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_report_consume(mu_written(&w), &out),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(mu_wide_left_create(MU_BYTES(bits), fresh()), 0);
    assert_int_equal(mu_wide_left_consume(mu_written(&w), &bitmap), 0);
    assert_true(mu_bytes_eq(bitmap, MU_BYTES(bits)));
    REFUSE_LENGTHS(mu_wide_left_consume(in, &bitmap));
    assert_int_equal(mu_wide_notice_create(&n, fresh()), 0);
    assert_int_equal(mu_wide_notice_consume(mu_written(&w), &nout), 0);
    assert_true(nout.area_version == 1 && nout.campaigns_version == 2 &&
                mu_secret_eq(&nout.kw, &key) && nout.directory == 7 &&
                nout.tick.at == 8);
    REFUSE_LENGTHS(mu_wide_notice_consume(in, &nout));
    assert_int_equal(mu_wide_poke_create(MU_BYTES(bits), fresh()), 0);
    assert_int_equal(mu_wide_poke_consume(mu_written(&w), &bitmap), 0);
    assert_true(mu_bytes_eq(bitmap, MU_BYTES(bits)));
    REFUSE_LENGTHS(mu_wide_poke_consume(in, &bitmap));
}

static void test_wide_parts(void **state)
{
    static const uint8_t object[3] = {1, 2, 3};
    static const uint8_t id[MU_CAMPAIGN_ID] = {9, 8, 7, 6, 5, 4, 3, 2};
    struct mu_wide_campaign m = {.object = MU_BYTES(object),
                                 .kid = {MU_KEY_KB, 7, 5},
                                 .members = MU_BYTES(object),
                                 .parts = 0xffff}, out;
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint16_t part = 1;

    (void)state;
    assert_int_equal(mu_wide_campaign_ask_create(id, 0, fresh()), 0);
    assert_int_equal(w.len, 11); /* as it was without parts */
    assert_int_equal(
        mu_wide_campaign_ask_consume(mu_written(&w), campaign, &part), 0);
    assert_int_equal(part, 0);
    assert_int_equal(mu_wide_campaign_ask_create(id, 0xffff, fresh()), 0);
    assert_int_equal(
        mu_wide_campaign_ask_consume(mu_written(&w), campaign, &part), 0);
    assert_int_equal(part, 0xffff);
    assert_memory_equal(campaign, id, sizeof id);
    REFUSE_LENGTHS(mu_wide_campaign_ask_consume(in, campaign, &part));

    assert_int_equal(mu_wide_campaign_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_campaign_consume(mu_written(&w), &out), 0);
    assert_int_equal(out.parts, 0xffff);
    assert_int_equal(out.tags_len, 0);
    REFUSE_LENGTHS(mu_wide_campaign_consume(in, &out));
    /* Its packets are tagged by the gateway, end to end. */
    m.tags_len = 1;
    assert_int_equal(mu_wide_campaign_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_campaign_consume(mu_written(&w), &out),
                     MU_ERR_MALFORMED);
    m.tags_len = 0;
    m.mode = MU_MODE_REPROTECT;
    m.kb = key;
    assert_int_equal(mu_wide_campaign_create(&m, fresh()), 0);
    assert_int_equal(mu_wide_campaign_consume(mu_written(&w), &out),
                     MU_ERR_MALFORMED);
    assert_int_equal(out.kb.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_area_hello),
        cmocka_unit_test(test_area_windows),
        cmocka_unit_test(test_area_welcome),
        cmocka_unit_test(test_area_vouch),
        cmocka_unit_test(test_area_keys),
        cmocka_unit_test(test_area_ask),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_wide_hello),
        cmocka_unit_test(test_wide_lists),
        cmocka_unit_test(test_wide_campaign),
        cmocka_unit_test(test_wide_reports),
        cmocka_unit_test(test_wide_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
