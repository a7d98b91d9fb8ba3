/* SPDX-License-Identifier: Apache-2.0 */
/* The MBMS ladder: MSK under MUK, MTK under MSK; what a device takes, refuses
 * and asks for, and what it still knows after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/mikey_mbms.h"

static const struct mu_crypto *crypto;

struct rig {
    struct mu_mbms_muk muk; /* the server's view */
    struct mu_mbms_msk msk;
    struct mu_mbms_device d;
    uint8_t buf[512];
    size_t len;
};

static void fill(struct mu_secret *s, uint8_t with)
{
    uint8_t key[16];

    memset(key, with, sizeof key);
    assert_int_equal(mu_secret_set(s, MU_BYTES(key)), 0);
}

static struct mu_mbms_msk msk_of(uint16_t group, uint16_t number)
{
    struct mu_mbms_msk k = {.domain = {0x26, 0x2f, 0x01},
                            .group = group,
                            .number = number,
                            .seq_low = 1,
                            .seq_high = 10,
                            .csb = 0x01020304,
                            .next = 1};

    memset(k.rand, 0x33, sizeof k.rand);
    fill(&k.key, (uint8_t)(0x40 + number));
    return k;
}

static void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    fill(&r->muk.key, 0x11);
    assert_int_equal(mu_mikey_name_set(&r->muk.idi, MU_MIKEY_NAI,
                                       mu_bytes_str("bm-sc.example")),
                     0);
    assert_int_equal(mu_mikey_name_set(&r->muk.idr, MU_MIKEY_NAI,
                                       mu_bytes_str("d1@example")),
                     0);
    r->d.muk = r->muk;
    r->msk = msk_of(1, 1);
}

static void msk_make(struct rig *r, const struct mu_mbms_msk *k)
{
    struct mu_mikey_session s;
    struct mu_writer w = mu_writer(r->buf, sizeof r->buf);

    assert_int_equal(mu_mbms_msk_create(crypto, &r->muk, k, false, &s, &w), 0);
    r->len = w.len;
    mu_mikey_session_clear(&s);
}

static int msk_take(struct rig *r, bool *deleted)
{
    struct mu_mikey_session s;
    const int rc = mu_mbms_msk_consume(crypto, &r->d,
                                       mu_bytes(r->buf, r->len), &s, deleted);

    mu_mikey_session_clear(&s);
    return rc;
}

static void msk_give(struct rig *r, const struct mu_mbms_msk *k)
{
    bool deleted;

    msk_make(r, k);
    assert_int_equal(msk_take(r, &deleted), 0);
    assert_false(deleted);
}

static int mtk_make(struct rig *r)
{
    struct mu_mbms_mtk mtk = {.salt_len = 0};
    struct mu_writer w = mu_writer(r->buf, sizeof r->buf);
    int rc;

    fill(&mtk.key, (uint8_t)(0x80 + r->msk.next));
    rc = mu_mbms_mtk_create(crypto, &r->msk, &mtk, &w);
    r->len = w.len;
    return rc;
}

static int mtk_take(struct rig *r, struct mu_mbms_mtk *mtk,
                    struct mu_mbms_wanted *wanted)
{
    return mu_mbms_mtk_consume(crypto, &r->d, mu_bytes(r->buf, r->len), mtk,
                               wanted);
}

static void ladder(void **state)
{
    struct rig r;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    for (unsigned i = 1; i <= 10; i++) {
        assert_int_equal(mtk_make(&r), 0);
        assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
        assert_int_equal(mtk.id, i);
        assert_int_equal(mtk.key.bytes[15], 0x80 + i);
        assert_false(wanted.any);
        /* Broadcast twice: heard once. */
        assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
        assert_false(mu_secret_is_set(&mtk.key));
    }
    assert_int_equal(mtk_make(&r), MU_ERR_EXPIRED);
}

static void reordered(void **state)
{
    struct rig r;
    uint8_t early[512];
    size_t early_len;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    assert_int_equal(mtk_make(&r), 0);
    memcpy(early, r.buf, r.len);
    early_len = r.len;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    assert_int_equal(mtk.id, 2);
    memcpy(r.buf, early, early_len);
    r.len = early_len;
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
    /* The server counts on but gives an old number: refused, too. */
    r.msk.next = 2;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
    /* And a new number with an old counter. */
    r.msk.next = 3;
    r.msk.counter = 1;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
}

static void behind(void **state)
{
    struct rig r;
    uint8_t kept[512];
    size_t kept_len;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;

    (void)state;
    rig_init(&r);
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_UNKNOWN_KEY);
    assert_true(wanted.any);
    assert_int_equal(wanted.group, 1);
    assert_int_equal(wanted.number, 1);
    msk_give(&r, &r.msk);
    /* Another key domain, another group: other keys. */
    r.msk.group = 2;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_UNKNOWN_KEY);
    assert_int_equal(wanted.group, 2);
    r.msk.group = 1;
    r.msk.domain[2] = 2;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_UNKNOWN_KEY);
    r.msk.domain[2] = 1;
    /* The window moved on while it slept: asks for what is current. */
    r.msk.seq_high = 20;
    r.msk.next = 15;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_EXPIRED);
    assert_true(wanted.any);
    assert_int_equal(wanted.number, 0);
    memcpy(kept, r.buf, r.len);
    kept_len = r.len;
    msk_give(&r, &r.msk);
    memcpy(r.buf, kept, kept_len);
    r.len = kept_len;
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    assert_int_equal(mtk.id, 15);
}

static void forged(void **state)
{
    struct rig r;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    bool deleted;

    (void)state;
    rig_init(&r);
    msk_make(&r, &r.msk);
    for (size_t at = 0; at < r.len; at++) {
        const size_t len = r.len;
        r.buf[at] ^= (uint8_t)(1u << at % 8);
        assert_int_equal(mu_err_class(msk_take(&r, &deleted)), MU_CLASS_DROP);
        r.buf[at] ^= (uint8_t)(1u << at % 8);
        r.len = at;
        assert_int_equal(mu_err_class(msk_take(&r, &deleted)), MU_CLASS_DROP);
        r.len = len;
        assert_int_equal(r.d.msks_len, 0);
        assert_int_equal(r.d.muk.counter, 0);
    }
    assert_int_equal(msk_take(&r, &deleted), 0);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_REPLAY);
    assert_int_equal(mtk_make(&r), 0);
    for (size_t at = 0; at < r.len; at++) {
        const size_t len = r.len;
        r.buf[at] ^= (uint8_t)(1u << at % 8);
        assert_int_equal(mu_err_class(mtk_take(&r, &mtk, &wanted)),
                         MU_CLASS_DROP);
        r.buf[at] ^= (uint8_t)(1u << at % 8);
        r.len = at;
        assert_int_equal(mu_err_class(mtk_take(&r, &mtk, &wanted)),
                         MU_CLASS_DROP);
        r.len = len;
        assert_int_equal(r.d.msks[0].counter, 0);
        assert_int_equal(r.d.msks[0].next, 1);
    }
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
}

/* Refused for what it is, before any key is used. */
static void form(void **state)
{
    struct rig r;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    struct mu_mikey_message m;
    struct mu_mikey_writer out;
    uint8_t twice[512];
    struct mu_writer w = mu_writer(twice, sizeof twice);
    bool deleted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    assert_int_equal(mtk_make(&r), 0);
    r.buf[7] ^= 1; /* CSB: of another MSK message */
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_UNEXPECTED);
    r.buf[7] ^= 1;
    assert_int_equal(r.buf[36], MU_MIKEY_ENCR_AES_CM);
    r.buf[36] = MU_MIKEY_ENCR_NULL;
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_FORBIDDEN);
    r.buf[36] = MU_MIKEY_ENCR_AES_CM;
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    /* Key ids twice: which ones count? */
    msk_make(&r, &r.msk);
    assert_int_equal(mu_mikey_parse(mu_bytes(r.buf, r.len), &m), 0);
    mu_mikey_begin(&out, &w, &m.header);
    mu_mikey_put(&out, &m.payloads[0]);
    for (size_t i = 0; i < m.payloads_len; i++)
        mu_mikey_put(&out, &m.payloads[i]);
    memcpy(r.buf, twice, w.len);
    r.len = w.len;
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_MALFORMED);
}

/* A member of the group has the MSK; it must not get at others' MUKs with it,
 * nor send them an MSK in the server's name. */
static void member_gone_bad(void **state)
{
    struct rig r;
    struct mu_mbms_msk evil = msk_of(1, 7);
    struct mu_mbms_muk with;
    struct mu_mikey_session s;
    struct mu_writer w;
    bool deleted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    with = r.muk;
    with.key = r.msk.key;
    w = mu_writer(r.buf, sizeof r.buf);
    assert_int_equal(mu_mbms_msk_create(crypto, &with, &evil, false, &s, &w),
                     0);
    r.len = w.len;
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_AUTH);
    /* The message of one device to another. */
    msk_make(&r, &evil);
    assert_int_equal(mu_mikey_name_set(&r.d.muk.idr, MU_MIKEY_NAI,
                                       mu_bytes_str("d2@example")),
                     0);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_UNKNOWN_PEER);
    mu_mikey_session_clear(&s);
}

static void two_per_group(void **state)
{
    struct rig r;
    struct mu_mbms_msk k;

    (void)state;
    rig_init(&r);
    for (uint16_t n = 1; n <= 4; n++) {
        k = msk_of(1, n);
        msk_give(&r, &k);
    }
    k = msk_of(2, 1);
    msk_give(&r, &k);
    assert_int_equal(r.d.msks_len, 3);
    assert_null(mu_mbms_device_find(&r.d, k.domain, 1, 2));
    assert_non_null(mu_mbms_device_find(&r.d, k.domain, 1, 3));
    assert_non_null(mu_mbms_device_find(&r.d, k.domain, 1, 4));
    assert_non_null(mu_mbms_device_find(&r.d, k.domain, 2, 1));
    for (uint16_t g = 3; r.d.msks_len < MU_MBMS_MSKS_MAX; g++) {
        k = msk_of(g, 1);
        msk_give(&r, &k);
    }
    bool deleted;
    k = msk_of(99, 1);
    msk_make(&r, &k);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_FULL);
    assert_non_null(mu_mbms_device_find(&r.d, k.domain, 1, 4));
    k = msk_of(1, 9); /* in a group that it has, the older makes room */
    msk_give(&r, &k);
}

static void same_id_again(void **state)
{
    struct rig r;
    struct mu_mbms_msk k;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    bool deleted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    uint8_t old[512];
    const size_t old_len = r.len;
    memcpy(old, r.buf, r.len);
    k = r.msk;
    k.seq_high = 30;
    msk_give(&r, &k);
    memcpy(r.buf, old, old_len);
    r.len = old_len;
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
    /* The window's start moves: what is below is void, taken or not. */
    k.seq_low = 5;
    msk_give(&r, &k);
    r.msk.next = 4;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    k.seq_high = 20;
    msk_make(&r, &k);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_ROLLBACK);
    k.seq_high = 30;
    fill(&k.key, 0x99);
    msk_make(&r, &k);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_CONFLICT);
    assert_int_equal(r.d.msks[0].seq_high, 30);
}

static void deletion(void **state)
{
    struct rig r;
    struct mu_mbms_msk k;
    bool deleted;

    (void)state;
    rig_init(&r);
    msk_give(&r, &r.msk);
    k = r.msk;
    k.seq_low = 5;
    k.seq_high = 4;
    msk_make(&r, &k);
    assert_int_equal(msk_take(&r, &deleted), 0);
    assert_true(deleted);
    assert_int_equal(r.d.msks_len, 0);
}

static void restart(void **state)
{
    struct rig r;
    uint8_t saved[MU_MBMS_SAVED_MAX];
    uint8_t again[MU_MBMS_SAVED_MAX];
    struct mu_writer w = mu_writer(saved, sizeof saved);
    struct mu_writer v = mu_writer(again, sizeof again);
    struct mu_mbms_muk muk;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    bool deleted;

    (void)state;
    rig_init(&r);
    muk = r.d.muk;
    for (uint16_t g = 8; g > 0; g--) {
        r.msk = msk_of(g, 1);
        msk_give(&r, &r.msk);
    }
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    assert_int_equal(mu_mbms_device_save(&r.d, &w), 0);
    assert_int_equal(w.len, 6 + 8 * 55);
    mu_mbms_device_clear(&r.d);
    r.d.muk = muk;
    assert_int_equal(mu_mbms_device_load(&r.d, mu_written(&w)), 0);
    assert_int_equal(mu_mbms_device_save(&r.d, &v), 0);
    assert_memory_equal(saved, again, w.len);
    /* What it took before, it does not take now. */
    assert_int_equal(mtk_take(&r, &mtk, &wanted), MU_ERR_REPLAY);
    r.muk.counter--;
    msk_make(&r, &r.msk);
    assert_int_equal(msk_take(&r, &deleted), MU_ERR_REPLAY);
    for (size_t at = 0; at < w.len; at++) {
        assert_int_equal(mu_mbms_device_load(&r.d, mu_bytes(saved, at)),
                         MU_ERR_CORRUPT);
        assert_int_equal(r.d.msks_len, 0);
    }
    /* An MTK id below its window, and one above: no device saves that. */
    saved[w.len - 1] = 0;
    assert_int_equal(mu_mbms_device_load(&r.d, mu_written(&w)),
                     MU_ERR_CORRUPT);
    saved[w.len - 1] = 12;
    assert_int_equal(mu_mbms_device_load(&r.d, mu_written(&w)),
                     MU_ERR_CORRUPT);
    saved[w.len - 1] = 11;
    assert_int_equal(mu_mbms_device_load(&r.d, mu_written(&w)), 0);
    saved[5] = 9; /* more than there can be */
    assert_int_equal(mu_mbms_device_load(&r.d, mu_written(&w)),
                     MU_ERR_CORRUPT);
}

static void counters_end(void **state)
{
    struct rig r;
    struct mu_mikey_session s;
    struct mu_writer w;

    (void)state;
    rig_init(&r);
    w = mu_writer(r.buf, sizeof r.buf);
    r.muk.counter = UINT32_MAX;
    assert_int_equal(mu_mbms_msk_create(crypto, &r.muk, &r.msk, false, &s, &w),
                     MU_ERR_EXHAUSTED);
    r.msk.counter = UINT32_MAX;
    assert_int_equal(mtk_make(&r), MU_ERR_EXHAUSTED);
}

/* The last MTK of the largest window. */
static void last_mtk(void **state)
{
    struct rig r;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;

    (void)state;
    rig_init(&r);
    r.msk.seq_high = UINT16_MAX;
    msk_give(&r, &r.msk);
    r.msk.next = UINT16_MAX;
    assert_int_equal(mtk_make(&r), 0);
    assert_int_equal(mtk_take(&r, &mtk, &wanted), 0);
    assert_int_equal(mtk.id, UINT16_MAX);
    assert_int_equal(mtk_make(&r), MU_ERR_EXPIRED);
    assert_int_equal(r.d.msks[0].next, 0x10000);
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
        cmocka_unit_test(ladder),       cmocka_unit_test(reordered),
        cmocka_unit_test(behind),       cmocka_unit_test(forged),
        cmocka_unit_test(form),         cmocka_unit_test(member_gone_bad),
        cmocka_unit_test(two_per_group), cmocka_unit_test(same_id_again),
        cmocka_unit_test(deletion),     cmocka_unit_test(restart),
        cmocka_unit_test(counters_end), cmocka_unit_test(last_mtk),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
