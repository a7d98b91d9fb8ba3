/* SPDX-License-Identifier: Apache-2.0 */
/* Records: each comes back as it went in, and nothing else reads as one. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"

typedef int (*reader)(struct mu_bytes in);

/* Every shorter or longer value, and every other version, is corrupt. */
static void check_form(const struct mu_writer *w, reader read)
{
    uint8_t bytes[4096];
    assert_int_equal(mu_writer_end(w), 0);
    assert_true(w->len + 1 < sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, w->data, w->len);
    assert_int_equal(read(mu_bytes(bytes, w->len)), 0);
    for (size_t len = 0; len < w->len; len++)
        assert_int_equal(read(mu_bytes(bytes, len)), MU_ERR_CORRUPT);
    assert_int_equal(read(mu_bytes(bytes, w->len + 1)), MU_ERR_CORRUPT);
    for (unsigned v = 0; v < 256; v++) {
        bytes[0] = (uint8_t)v;
        assert_int_equal(read(mu_bytes(bytes, w->len)),
                         v == 1 ? 0 : MU_ERR_CORRUPT);
    }
}

#define READER(name, type)                                                     \
    static int read_##name(struct mu_bytes in)                                 \
    {                                                                          \
        static struct type r;                                                  \
        return mu_##name##_record_read(in, &r);                                \
    }
READER(signer, mu_signer_record)
READER(area, mu_area_record)
READER(member, mu_member_record)
READER(key, mu_key_record)
READER(progress, mu_progress_record)
READER(tally, mu_wide_tally)
READER(device, mu_device_record)
READER(gateway, mu_gateway_record)
READER(group, mu_group_record)
READER(campaign, mu_campaign_record)
READER(target, mu_target_record)
READER(scheme, mu_scheme_record)
READER(op, mu_op_record)

static int read_number(struct mu_bytes in)
{
    uint64_t n;
    return mu_number_record_read(in, &n);
}

static uint8_t room[4096];

static struct mu_writer writer(void)
{
    memset(room, 0xee, sizeof room);
    return mu_writer(room, sizeof room);
}

/* What was read writes the same bytes again. */
#define SAME(name, again)                                                      \
    do {                                                                       \
        uint8_t bytes_[4096];                                                  \
        struct mu_writer w_ = mu_writer(bytes_, sizeof bytes_);                \
        mu_##name##_record_write(&w_, &(again));                               \
        assert_int_equal(w_.len, w.len);                                       \
        assert_memory_equal(bytes_, room, w.len);                              \
    } while (0)

static void test_small(void **state)
{
    (void)state;
    struct mu_writer w = writer();
    uint64_t n = 0;
    mu_number_record_write(&w, UINT64_C(0x1122334455667788));
    check_form(&w, read_number);
    assert_int_equal(mu_number_record_read(mu_written(&w), &n), 0);
    assert_true(n == UINT64_C(0x1122334455667788));

    struct mu_signer_record s = {.alg = MU_ALG_ES256, .pub_len = 65,
                                 .priv = {.len = 60}}, s2 = {0};
    w = writer();
    mu_signer_record_write(&w, &s);
    check_form(&w, read_signer);
    assert_int_equal(mu_signer_record_read(mu_written(&w), &s2), 0);
    SAME(signer, s2);

    struct mu_area_record a = {.revoked = true, .identity_len = 3,
                               .identity = "abc"}, a2 = {0};
    w = writer();
    mu_area_record_write(&w, &a);
    check_form(&w, read_area);
    assert_int_equal(mu_area_record_read(mu_written(&w), &a2), 0);
    SAME(area, a2);

    struct mu_member_record m = {.left = true, .where = 3, .op = 4,
                                 .base = 5, .slot = 6}, m2 = {0};
    w = writer();
    mu_member_record_write(&w, &m);
    check_form(&w, read_member);
    assert_int_equal(mu_member_record_read(mu_written(&w), &m2), 0);
    assert_true(m2.left);
    SAME(member, m2);

    struct mu_key_record k = {.phase = MU_PHASE_RETIRED, .key = {.len = 44}},
                         k2 = {0};
    w = writer();
    mu_key_record_write(&w, &k);
    check_form(&w, read_key);
    assert_int_equal(mu_key_record_read(mu_written(&w), &k2), 0);
    SAME(key, k2);

    struct mu_progress_record p = {.page = 77, .elapsed_s = 1234}, p2 = {0};
    w = writer();
    mu_progress_record_write(&w, &p);
    check_form(&w, read_progress);
    assert_int_equal(mu_progress_record_read(mu_written(&w), &p2), 0);
    SAME(progress, p2);

    struct mu_wide_tally t = {.data = 1, .parity = 2, .repair = 3,
                              .control = 4, .bytes = 5, .feedback = 6,
                              .rejected = 7, .page = 8, .alone = 9}, t2 = {.data = 0};
    w = writer();
    mu_tally_record_write(&w, &t);
    check_form(&w, read_tally);
    assert_int_equal(mu_tally_record_read(mu_written(&w), &t2), 0);
    SAME(tally, t2);
}

static void test_registry(void **state)
{
    (void)state;
    struct mu_device_record d = {
        .revoked = true, .capable = true, .gateway = 70000, .index = 4095,
        .capability = {.object_max = UINT64_C(1) << 40, .page_memory = 9,
                       .algs = {MU_ALG_ES256, MU_ALG_EDDSA}, .algs_len = 2,
                       .receiver = MU_RECEIVER_MICRO},
        .groups = {{1, 2, 3, 4, 9}, {5, UINT64_MAX, 7, 8, 10}},
        .groups_len = 2,
        .kmr = {.len = 60}};
    static struct mu_device_record d2;
    struct mu_writer w = writer();
    mu_device_record_write(&w, &d);
    check_form(&w, read_device);
    assert_int_equal(mu_device_record_read(mu_written(&w), &d2), 0);
    assert_int_equal(d2.gateway, 70000);
    assert_int_equal(d2.index, 4095);
    assert_true(d2.revoked && d2.capable);
    assert_true(d2.capability.object_max == UINT64_C(1) << 40);
    assert_int_equal(d2.capability.algs[1], MU_ALG_EDDSA);
    assert_int_equal(d2.groups_len, 2);
    assert_int_equal(mu_device_record_group(&d2, 5)->after, 8);
    assert_true(mu_device_record_group(&d2, 5)->sent == UINT64_MAX);
    assert_null(mu_device_record_group(&d2, 2));

    struct mu_gateway_record g = {.identity = "gw", .identity_len = 2,
                                  .area_version = 9, .next_index = 10,
                                  .devices = 11, .page_memory = 12,
                                  .kmr = {.len = 60}}, g2 = {.devices = 0};
    w = writer();
    mu_gateway_record_write(&w, &g);
    check_form(&w, read_gateway);
    assert_int_equal(mu_gateway_record_read(mu_written(&w), &g2), 0);
    SAME(gateway, g2);
    g.removed = true; /* without its key */
    mu_zero(&g.kmr, sizeof g.kmr);
    w = writer();
    mu_gateway_record_write(&w, &g);
    assert_int_equal(mu_gateway_record_read(mu_written(&w), &g2), 0);
    assert_true(g2.removed);
    SAME(gateway, g2);

    struct mu_group_record r = {.name = "all", .name_len = 3, .mode = 2,
                                .wish = MU_GROUP_NOW, .used = true,
                                .generation = 3, .previous = 2,
                                .members = 5, .scheme = MU_SCHEME_SD,
                                .cut = true, .dormant = 7, .mikey = true,
                                .methods = 0x14},
                           r2 = {.members = 0};
    w = writer();
    mu_group_record_write(&w, &r);
    check_form(&w, read_group);
    assert_int_equal(mu_group_record_read(mu_written(&w), &r2), 0);
    SAME(group, r2);
    assert_true(r2.mikey);
    assert_int_equal(r2.methods, 0x14);
}

static void test_scheme(void **state)
{
    (void)state;
    static struct mu_scheme_record r, r2;
    struct mu_writer w = writer();
    r = (struct mu_scheme_record){
        .wish = {.kind = MU_SCHEME_LADDER, .degree = 1, .levels = 2,
                 .clusters = 3, .members_max = 4, .key_quorum_permille = 5,
                 .key_deadline_s = 6, .leaves_per_day = 7, .joins_per_day = 8,
                 .sleepers_permille = 9},
        .rebuild = true, .kind = MU_SCHEME_LKH, .reason = MU_REASON_MEMORY,
        .base = 10, .generation = 11, .op_first = 12, .op_next = 13,
        .gone = 14, .least_memory = 15, .members = 16, .slots_max = 17,
        .reserve = 18, .clusters = 19, .degree = 20, .levels = 21, .copy = 1,
        .mem_len = 22, .saved_len = MU_SCHEME_SAVED_MAX,
        .master = {.len = 60}};
    memset(r.saved, 0xaa, sizeof r.saved);
    mu_scheme_record_write(&w, &r);
    check_form(&w, read_scheme);
    assert_int_equal(mu_scheme_record_read(mu_written(&w), &r2), 0);
    SAME(scheme, r2);
    assert_int_equal(r2.wish.sleepers_permille, 9);
    assert_true(r2.op_next == 13);

    struct mu_op_record o = {.join = true, .where = 1, .slot = 2,
                             .identity = "abc", .identity_len = 3}, o2;
    w = writer();
    mu_op_record_write(&w, &o);
    check_form(&w, read_op);
    assert_int_equal(mu_op_record_read(mu_written(&w), &o2), 0);
    SAME(op, o2);
}

static void test_campaign(void **state)
{
    (void)state;
    static struct mu_campaign_record c, c2;
    static struct mu_target_record t, t2;
    struct mu_writer w = writer();
    c = (struct mu_campaign_record){
        .id = "campaign", .what = MU_CAMPAIGN_KEY, .parts = 77, .group = 1,
        .mode = 2, .phase = MU_CAMPAIGN_PAUSED,
        .downgrade = true, .rekey = true, .cut = true, .swept = true,
        .paused = true, .acks_ride = true, .name = "lamp", .name_len = 4, .version = 5,
        .size = 6, .shape = {256, 16, 4, 8}, .session = 7, .edition = 8,
        .generation = 9, .quorum_permille = 10, .deadline_s = 11,
        .elapsed_s = 12, .members = 13, .received = 14, .verified = 15,
        .installed = 16, .running = 17, .failed = 18, .revoked = 19,
        .refused = 20, .announce_len = MU_ANNOUNCE_MAX,
        .cancel_len = MU_CANCEL_MAX, .late = 21, .late_by = 22};
    memset(c.announce, 0xaa, sizeof c.announce);
    memset(c.cancel, 0xbb, sizeof c.cancel);
    mu_campaign_record_write(&w, &c);
    check_form(&w, read_campaign);
    assert_int_equal(mu_campaign_record_read(mu_written(&w), &c2), 0);
    SAME(campaign, c2);

    memset(t.state, MU_TARGET_MEMBER | 15, sizeof t.state);
    t.reason[255] = 9;
    w = writer();
    mu_target_record_write(&w, &t);
    check_form(&w, read_target);
    assert_int_equal(mu_target_record_read(mu_written(&w), &t2), 0);
    SAME(target, t2);
}

/* No byte string is read beyond its end, whatever it says. */
static void test_rubbish(void **state)
{
    (void)state;
    static const reader readers[] = {
        read_number, read_signer,  read_area,  read_member,
        read_key,    read_device,  read_group, read_campaign,
        read_target, read_gateway, read_tally, read_progress};
    uint32_t chance = 3;
    for (unsigned n = 0; n < 20000; n++) {
        size_t len = mu_jitter_next(&chance) % 600;
        uint8_t *bytes = malloc(len + 1);
        assert_non_null(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)mu_jitter_next(&chance);
        if (len > 0)
            bytes[0] = 1;
        for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
            int rc = readers[i](mu_bytes(bytes, len));
            assert_true(rc == 0 || rc == MU_ERR_CORRUPT);
        }
        free(bytes);
    }
}

static void test_seal(void **state)
{
    (void)state;
    const struct mu_crypto *c = mu_crypto_openssl();
    struct mu_secret master, other, secret, out;
    struct mu_sealed a, b;
    uint8_t bytes[32] = {1, 2, 3};
    const struct mu_bytes key = mu_bytes_str("meter-1");
    assert_int_equal(mu_secret_set(&master, MU_BYTES(bytes)), 0);
    assert_int_equal(mu_secret_set(&secret, mu_bytes(bytes + 1, 31)), 0);
    bytes[0] ^= 1;
    assert_int_equal(mu_secret_set(&other, MU_BYTES(bytes)), 0);
    assert_int_equal(mu_seal_create(c, &master, 2, key, &secret, &a), 0);
    assert_int_equal(mu_seal_create(c, &master, 2, key, &secret, &b), 0);
    /* Never the same twice, and never the secret itself. */
    assert_memory_not_equal(a.bytes, b.bytes, a.len);
    for (size_t i = 0; i + 8 <= a.len; i++)
        assert_memory_not_equal(a.bytes + i, secret.bytes, 8);
    assert_int_equal(mu_seal_consume(c, &master, 2, key, &a, &out), 0);
    assert_true(mu_secret_eq(&secret, &out));
    /* Another master, table, record, or any bit turned. */
    assert_int_equal(mu_seal_consume(c, &other, 2, key, &a, &out),
                     MU_ERR_CORRUPT);
    assert_int_equal(mu_seal_consume(c, &master, 3, key, &a, &out),
                     MU_ERR_CORRUPT);
    assert_int_equal(mu_seal_consume(c, &master, 2, mu_bytes_str("meter-2"),
                                     &a, &out), MU_ERR_CORRUPT);
    for (unsigned i = 0; i < a.len * 8u; i++) {
        b = a;
        b.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(mu_seal_consume(c, &master, 2, key, &b, &out),
                         MU_ERR_CORRUPT);
        assert_false(mu_secret_is_set(&out));
    }
    for (uint8_t len = 0; len < a.len; len++) {
        b = a;
        b.len = len;
        assert_int_equal(mu_seal_consume(c, &master, 2, key, &b, &out),
                         MU_ERR_CORRUPT);
    }
}

/* No key or other secret is in the store in the clear. */
static void test_nothing_in_the_clear(void **state)
{
    (void)state;
    struct rig *r = malloc(sizeof *r);
    uint8_t key[MU_STORE_KEY_MAX], value[MU_STORE_VALUE_MAX], root[32];
    uint32_t number;
    assert_non_null(r);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    rig_device_add(r, "dev-1", "gw-1");
    assert_int_equal(mu_server_group_create(&r->server, rig_id("all"), 0,
                                            &number), 0);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                         rig_id("dev-1")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    struct mu_secret secrets[4] = {r->server.kw, r->server.signer.priv};
    rig_root("dev-1", root);
    assert_int_equal(mu_secret_set(&secrets[2], MU_BYTES(root)), 0);
    rig_root("gw-1", root);
    assert_int_equal(mu_secret_set(&secrets[3], MU_BYTES(root)), 0);
    unsigned records = 0;
    for (uint8_t table = 1; table < MU_TABLE_COUNT; table++) {
        size_t key_len = 0, len = sizeof value;
        while (r->store.next(r->store.ctx, table, mu_bytes(key, key_len), key,
                             &key_len, value, &len) == 0) {
            records++;
            for (unsigned i = 0; i < 4; i++)
                for (size_t at = 0; at + 8 <= len; at++)
                    assert_memory_not_equal(value + at, secrets[i].bytes, 8);
            len = sizeof value;
        }
    }
    assert_true(records > 10);
    rig_close(r);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_scheme),
        cmocka_unit_test(test_campaign),
        cmocka_unit_test(test_rubbish),
        cmocka_unit_test(test_seal),
        cmocka_unit_test(test_nothing_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
