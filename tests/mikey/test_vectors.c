/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/vectors/mikey: constants, derived keys, whole messages, each with its
 * tampered twin. Messages are opened, and made again to the byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/mikey_mbms.h"
#include "tests/crypto/vec.h"

static const struct mu_crypto *crypto;

static uint32_t be32(struct mu_bytes in)
{
    assert_int_equal(in.len, 4);
    return (uint32_t)in.data[0] << 24 | (uint32_t)in.data[1] << 16 |
           (uint32_t)in.data[2] << 8 | in.data[3];
}

static uint8_t byte(const struct vec_case *c, const char *name)
{
    const struct mu_bytes b = vec_get(c, name);

    assert_int_equal(b.len, 1);
    return b.data[0];
}

/* The constants are in the label, so: the PRF over a label made by hand has to
 * give what the derivation does. */
static void run_constant(const struct vec_case *c)
{
    const struct mu_bytes key = mu_bytes_str("0123456789abcdef");
    const struct mu_bytes rand = mu_bytes_str("RANDRANDRANDRAND");
    const uint8_t use = byte(c, "use");
    const struct mu_mikey_bundle b = {.csb = 0x01020304, .rand = rand};
    uint8_t label[64];
    uint8_t want[20];
    uint8_t got[20];
    struct mu_writer w = mu_writer(label, sizeof label);

    mu_write_bytes(&w, vec_get(c, "value"));
    mu_write_u8(&w, use >= MU_MIKEY_FOR_MSG_ENCR ? 0xff : 7);
    mu_write_u32(&w, b.csb);
    mu_write_bytes(&w, rand);
    assert_int_equal(mu_mikey_prf(crypto, 0, key, mu_written(&w), want, 20),
                     0);
    assert_int_equal(mu_mikey_derive(crypto, &b, key, use, 7, got, 20), 0);
    assert_memory_equal(want, got, 20);
    label[3] ^= 1;
    assert_int_equal(mu_mikey_prf(crypto, 0, key, mu_written(&w), want, 20),
                     0);
    assert_memory_not_equal(want, got, 20);
}

static void run_derive(const struct vec_case *c)
{
    const struct mu_bytes want = vec_get(c, "out");
    struct mu_mikey_bundle b = {.prf = byte(c, "prf"),
                                .csb = be32(vec_get(c, "csb")),
                                .rand = vec_get(c, "rand")};
    uint8_t key[64];
    uint8_t out[64];
    const struct mu_bytes in = vec_get(c, "key");
    const uint8_t use = byte(c, "use");
    const uint8_t cs = byte(c, "cs");

    memcpy(key, in.data, in.len);
    assert_int_equal(mu_mikey_derive(crypto, &b, in, use, cs, out, want.len),
                     0);
    assert_memory_equal(out, want.data, want.len);
    key[in.len - 1] ^= 1; /* the last block of the key counts, too */
    assert_int_equal(mu_mikey_derive(crypto, &b, mu_bytes(key, in.len), use,
                                     cs, out, want.len),
                     0);
    assert_memory_not_equal(out, want.data, want.len);
    b.csb ^= 1;
    assert_int_equal(mu_mikey_derive(crypto, &b, in, use, cs, out, want.len),
                     0);
    assert_memory_not_equal(out, want.data, want.len);
}

static void device_of(struct mu_mbms_device *d, struct mu_bytes muk)
{
    memset(d, 0, sizeof *d);
    assert_int_equal(mu_secret_set(&d->muk.key, muk), 0);
    assert_int_equal(mu_mikey_name_set(&d->muk.idi, MU_MIKEY_NAI,
                                       mu_bytes_str("bmsc.home1.net")),
                     0);
    assert_int_equal(mu_mikey_name_set(&d->muk.idr, MU_MIKEY_NAI,
                                       mu_bytes_str("user1_private@home1.net")),
                     0);
}

static void run_msk(const struct vec_case *c)
{
    static const uint8_t domain[] = {0x26, 0x2f, 0x01};
    const struct mu_bytes msg = vec_get(c, "msg");
    const struct mu_bytes answer = vec_get(c, "answer");
    struct mu_mbms_device d;
    struct mu_mbms_muk muk;
    struct mu_mikey_session s;
    uint8_t buf[512];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    bool deleted;

    device_of(&d, vec_get(c, "muk"));
    memcpy(buf, msg.data, msg.len);
    buf[msg.len - 30] ^= 4;
    assert_int_equal(mu_mbms_msk_consume(crypto, &d, mu_bytes(buf, msg.len),
                                         &s, &deleted),
                     MU_ERR_AUTH);
    assert_int_equal(mu_mbms_msk_consume(crypto, &d, msg, &s, &deleted), 0);
    assert_false(deleted);
    const struct mu_mbms_msk *k = mu_mbms_device_find(&d, domain, 1, 2);
    assert_non_null(k);
    assert_memory_equal(k->key.bytes, "`abcdefghijklmno", 16);
    assert_int_equal(k->seq_low, 1);
    assert_int_equal(k->seq_high, 0xff);
    assert_int_equal(d.muk.counter, 1);
    assert_int_equal(mu_mikey_verify_create(crypto, &s, &w), 0);
    assert_int_equal(w.len, answer.len);
    assert_memory_equal(buf, answer.data, answer.len);

    /* The same message, made here. */
    muk = d.muk;
    muk.counter = 0;
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_mbms_msk_create(crypto, &muk, k, true, &s, &w), 0);
    assert_int_equal(w.len, msg.len);
    assert_memory_equal(buf, msg.data, msg.len);
    assert_int_equal(mu_mikey_verify_consume(crypto, &s, answer), 0);
    memcpy(buf, answer.data, answer.len);
    buf[answer.len - 1] ^= 1;
    assert_int_equal(
        mu_mikey_verify_consume(crypto, &s, mu_bytes(buf, answer.len)),
        MU_ERR_AUTH);
}

static void run_mtk(const struct vec_case *c)
{
    const struct mu_bytes msg = vec_get(c, "msg");
    struct mu_mbms_device d = {.msks_len = 1};
    struct mu_mbms_msk *k = &d.msks[0];
    struct mu_mbms_msk server;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    uint8_t buf[512];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    *k = (struct mu_mbms_msk){.domain = {0x26, 0x2f, 0x01},
                              .group = 1,
                              .number = 2,
                              .seq_low = 1,
                              .seq_high = 0xff,
                              .csb = 0x0a0b0c0d,
                              .next = 1};
    for (uint8_t i = 0; i < 16; i++)
        k->rand[i] = (uint8_t)(0x20 + i);
    assert_int_equal(mu_secret_set(&k->key, vec_get(c, "msk")), 0);
    server = *k;
    memcpy(buf, msg.data, msg.len);
    buf[msg.len - 1] ^= 1;
    assert_int_equal(mu_mbms_mtk_consume(crypto, &d, mu_bytes(buf, msg.len),
                                         &mtk, &wanted),
                     MU_ERR_AUTH);
    assert_int_equal(mu_mbms_mtk_consume(crypto, &d, msg, &mtk, &wanted), 0);
    assert_int_equal(mtk.id, 5);
    assert_int_equal(mtk.salt_len, 14);
    assert_int_equal(mtk.salt[0], 0xc0);
    assert_int_equal(mtk.key.bytes[0], 0x80);

    server.next = 5;
    server.counter = 6;
    assert_int_equal(mu_mbms_mtk_create(crypto, &server, &mtk, &w), 0);
    assert_int_equal(w.len, msg.len);
    assert_memory_equal(buf, msg.data, msg.len);
}

static void run_psk(const struct vec_case *c)
{
    static const uint8_t srtp[] = {MU_MIKEY_SRTP};
    const struct mu_bytes msg = vec_get(c, "msg");
    const struct mu_bytes psk = vec_get(c, "psk");
    const struct mu_mikey_policy policy = {
        .encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_CM),
        .mac = MU_MIKEY_BIT(MU_MIKEY_MAC_SHA1),
        .prf = MU_MIKEY_BIT(MU_MIKEY_PRF_SHA1),
        .protocols = MU_BYTES(srtp),
        .time_type = MU_MIKEY_COUNTER,
    };
    struct mu_mikey_session s;
    uint8_t buf[512];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    memcpy(buf, msg.data, msg.len);
    buf[20] ^= 0x80; /* in the crypto sessions */
    assert_int_equal(mu_mikey_psk_init_consume(crypto, psk, &policy,
                                               mu_bytes(buf, msg.len), &s),
                     MU_ERR_UNSUPPORTED);
    buf[20] ^= 0x80;
    buf[14] ^= 0x80;
    assert_int_equal(mu_mikey_psk_init_consume(crypto, psk, &policy,
                                               mu_bytes(buf, msg.len), &s),
                     MU_ERR_AUTH);
    assert_int_equal(
        mu_mikey_psk_init_consume(crypto, psk, &policy, msg, &s), 0);
    assert_int_equal(s.header.cs[0].ssrc, 0xaabbccdd);
    assert_int_equal(s.keys_len, 1);
    assert_int_equal(s.keys[0].type, MU_MIKEY_TGK_SALT);
    assert_memory_equal(s.keys[0].bytes, "0123456789:;<=>?", 16);
    assert_int_equal(s.keys[0].salt_len, 14);
    assert_int_equal(s.keys[0].kv, MU_MIKEY_KV_SPI);
    assert_int_equal(s.keys[0].from_len, 4);
    assert_int_equal(s.keys[0].from[3], 7);
    assert_int_equal(mu_mikey_psk_init_create(crypto, psk, &s, &w), 0);
    assert_int_equal(w.len, msg.len);
    assert_memory_equal(buf, msg.data, msg.len);
}

static void run_layout(const struct vec_case *c)
{
    const struct mu_bytes msg = vec_get(c, "msg");
    struct mu_mikey_message m;
    struct mu_mikey_writer out;
    uint8_t buf[64];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    assert_int_equal(mu_mikey_parse(msg, &m), 0);
    assert_int_equal(m.header.csb, 0x12345678);
    if (strcmp(c->op, "map") == 0) {
        assert_int_equal(m.header.cs_len, 2);
        assert_int_equal(m.header.cs[1].policies[0], 2);
        assert_int_equal(m.header.cs[1].ssrc, 0x23456789);
        assert_int_equal(m.header.cs[1].roc, 1);
    }
    if (strcmp(c->op, "time") == 0) {
        assert_int_equal(msg.len, 20);
        assert_int_equal(m.payloads[0].type, MU_MIKEY_T);
    }
    mu_mikey_begin(&out, &w, &m.header);
    for (size_t i = 0; i < m.payloads_len; i++)
        mu_mikey_put(&out, &m.payloads[i]);
    assert_int_equal(w.len, msg.len);
    assert_memory_equal(buf, msg.data, msg.len);
    assert_int_not_equal(mu_mikey_parse(mu_bytes(msg.data, msg.len - 1), &m),
                         0);
}

static void run_case(const struct vec_case *c, void *user)
{
    static const struct {
        const char *op;
        void (*run)(const struct vec_case *c);
    } ops[] = {
        {"constant", run_constant}, {"derive", run_derive}, {"msk", run_msk},
        {"mtk", run_mtk},           {"psk", run_psk},
        {"header", run_layout},     {"map", run_layout},
        {"time", run_layout},
    };

    (void)user;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].op, c->op) == 0) {
            ops[i].run(c);
            return;
        }
    }
    fail_msg("unknown case %s", c->op);
}

static void vectors(void **state)
{
    (void)state;
    assert_int_equal(vec_each("tests/vectors/mikey/mikey.vec", run_case, NULL),
                     40);
}

/* s.4.1.3 says where the constants are from: nine digits of e at a time. */
static void constants_of_e(void **state)
{
    static const char digits[] = "718281828459045235360287471352662497757247"
                                 "093699959574966";
    static const uint32_t want[] = {0x2ad01c64, 0x1b5c7973, 0x15798cef,
                                    0x150533e1, 0x2d22ac75, 0x29b88916};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        uint32_t v = 0;
        for (size_t j = 0; j < 9; j++)
            v = v * 10 + (uint32_t)(digits[9 * i + j] - '0');
        assert_int_equal(v, want[i]);
    }
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
        cmocka_unit_test(vectors),
        cmocka_unit_test(constants_of_e),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
