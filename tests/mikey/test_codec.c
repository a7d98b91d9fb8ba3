/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads to the byte, chains of them, and everything that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "muster/mikey.h"

static size_t unhex(const char *text, uint8_t *out)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        unsigned v;
        if (*text == ' ')
            continue;
        assert_int_equal(sscanf(text, "%2x", &v), 1);
        out[n++] = (uint8_t)v;
        text++;
    }
    return n;
}

#define BYTES(text) {(const uint8_t *)(text), sizeof(text) - 1}
#define TWENTY "aaaaaaaaaaaaaaaaaaaa"
#define HEX_TWENTY "6161616161616161616161616161616161616161"

/* Written by hand from the figures of RFC 3830 s.6. Each stands last. */
static const struct {
    struct mu_mikey_payload p;
    const char *hex;
} payloads[] = {
    {{MU_MIKEY_KEMAC, .kemac = {1, BYTES("abc"), 1, BYTES(TWENTY)}},
     "00 01 0003 616263 01" HEX_TWENTY},
    {{MU_MIKEY_KEMAC, .kemac = {0, BYTES(""), 0, BYTES("")}}, "00 00 0000 00"},
    {{MU_MIKEY_PKE, .pke = {2, BYTES("abcd")}}, "00 8004 61626364"},
    {{MU_MIKEY_SIGN, .sign = {1, BYTES("abcde")}}, "1005 6162636465"},
    {{MU_MIKEY_T, .t = {0, 0x0102030405060708}}, "00 00 0102030405060708"},
    {{MU_MIKEY_T, .t = {1, 7}}, "00 01 0000000000000007"},
    {{MU_MIKEY_T, .t = {2, 0xfffefdfc}}, "00 02 fffefdfc"},
    {{MU_MIKEY_ID, .id = {1, BYTES("a@b")}}, "00 01 0003 614062"},
    {{MU_MIKEY_CERT, .cert = {3, BYTES("xy")}}, "00 03 0002 7879"},
    {{MU_MIKEY_CHASH, .chash = {0, BYTES(TWENTY)}}, "00 00" HEX_TWENTY},
    {{MU_MIKEY_CHASH, .chash = {1, BYTES("aaaaaaaaaaaaaaaa")}},
     "00 01 61616161616161616161616161616161"},
    {{MU_MIKEY_V, .v = {1, BYTES(TWENTY)}}, "00 01" HEX_TWENTY},
    {{MU_MIKEY_SP, .sp = {5, 0, BYTES("\x00\x01\x02\x07\x00")}},
     "00 05 00 0005 0001020700"},
    {{MU_MIKEY_RAND, .rand = BYTES("0123456789abcdef")},
     "00 10 30313233343536373839616263646566"},
    {{MU_MIKEY_ERR, .err = {12}}, "00 0c 0000"},
    {{MU_MIKEY_EXT, .ext = {3, BYTES("\x01\x00")}}, "00 03 0002 0100"},
    {{MU_MIKEY_KEY_DATA, .key_data = {0, BYTES("key"), BYTES(""), {0}}},
     "00 00 0003 6b6579"},
    {{MU_MIKEY_KEY_DATA,
      .key_data = {3, BYTES("key"), BYTES("salt"), {1, BYTES("\x07"), {0}}}},
     "00 31 0003 6b6579 0004 73616c74 01 07"},
    {{MU_MIKEY_KEY_DATA,
      .key_data = {2, BYTES("k"), BYTES(""), {2, BYTES("ab"), BYTES("c")}}},
     "00 22 0001 6b 02 6162 01 63"},
};

static void payload_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        uint8_t want[128];
        uint8_t got[128];
        const size_t len = unhex(payloads[i].hex, want);
        struct mu_mikey_payload p;
        struct mu_writer w = mu_writer(got, sizeof got);
        struct mu_reader r = mu_reader(mu_bytes(want, len));
        uint8_t next = 99;

        mu_mikey_payload_write(&w, &payloads[i].p, MU_MIKEY_LAST);
        assert_int_equal(w.len, len);
        assert_memory_equal(got, want, len);
        assert_int_equal(mu_mikey_payload_read(&r, payloads[i].p.type, &p,
                                               &next),
                         0);
        assert_int_equal(mu_reader_end(&r), 0);
        assert_int_equal(next, MU_MIKEY_LAST);
        w = mu_writer(got, sizeof got);
        mu_mikey_payload_write(&w, &p, MU_MIKEY_LAST);
        assert_memory_equal(got, want, len);
        for (size_t cut = 0; cut < len; cut++) {
            r = mu_reader(mu_bytes(want, cut));
            assert_int_not_equal(mu_mikey_payload_read(&r, payloads[i].p.type,
                                                       &p, &next),
                                 0);
            w = mu_writer(got, cut);
            mu_mikey_payload_write(&w, &payloads[i].p, MU_MIKEY_LAST);
            assert_int_equal(mu_writer_end(&w), MU_ERR_NO_SPACE);
        }
    }
}

static void dh_bytes(void **state)
{
    static uint8_t value[192];
    static const struct {
        uint8_t group;
        size_t len;
    } groups[] = {{0, 192}, {1, 96}, {2, 128}};

    (void)state;
    memset(value, 0xd1, sizeof value);
    for (size_t i = 0; i < 3; i++) {
        uint8_t got[256];
        struct mu_writer w = mu_writer(got, sizeof got);
        struct mu_mikey_payload p = {
            MU_MIKEY_DH,
            .dh = {groups[i].group, {value, groups[i].len}, {1, BYTES("s"), {0}}}};
        uint8_t next;

        mu_mikey_payload_write(&w, &p, MU_MIKEY_LAST);
        assert_int_equal(w.len, 2 + groups[i].len + 3);
        assert_int_equal(got[1], groups[i].group);
        assert_int_equal(got[w.len - 3], 1); /* reserved 0, KV SPI */
        struct mu_reader r = mu_reader(mu_written(&w));
        assert_int_equal(mu_mikey_payload_read(&r, MU_MIKEY_DH, &p, &next), 0);
        assert_int_equal(p.dh.kv.a.len, 1);
        got[w.len - 3] = 0x11;
        r = mu_reader(mu_written(&w));
        assert_int_equal(mu_mikey_payload_read(&r, MU_MIKEY_DH, &p, &next),
                         MU_ERR_MALFORMED);
        p.dh.value.len--;
        w = mu_writer(got, sizeof got);
        mu_mikey_payload_write(&w, &p, MU_MIKEY_LAST);
        assert_int_not_equal(mu_writer_end(&w), 0);
    }
}

/* What is not known is told from what is broken. */
static void unknown(void **state)
{
    static const struct {
        uint8_t type;
        const char *hex;
        int err;
    } cases[] = {
        {MU_MIKEY_KEMAC, "00 03 0000 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_KEMAC, "00 01 0000 03", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_PKE, "00 c001 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_DH, "00 03 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_SIGN, "2001 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_T, "00 03 00000000", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_ID, "00 02 0000", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_CERT, "00 04 0000", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_CHASH, "00 02 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_V, "00 03 00", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_SP, "00 00 00 0001 07", MU_ERR_MALFORMED},
        {MU_MIKEY_SP, "00 00 00 0003 070200", MU_ERR_MALFORMED},
        {MU_MIKEY_ERR, "00 00 0001", MU_ERR_MALFORMED},
        {MU_MIKEY_KEY_DATA, "00 40 0001 6b", MU_ERR_UNSUPPORTED},
        {MU_MIKEY_KEY_DATA, "00 03 0001 6b", MU_ERR_UNSUPPORTED},
        {13, "00 00 00", MU_ERR_UNSUPPORTED},
        {0, "00 00 00", MU_ERR_UNSUPPORTED},
        {255, "00 00 00", MU_ERR_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t in[32];
        struct mu_mikey_payload p;
        uint8_t next;
        struct mu_reader r =
            mu_reader(mu_bytes(in, unhex(cases[i].hex, in)));

        const int rc = mu_mikey_payload_read(&r, cases[i].type, &p, &next);
        if (rc != cases[i].err)
            fail_msg("case %zu: %s", i, mu_err_name(rc));
    }
}

static int parse_hex(const char *hex, struct mu_mikey_message *m)
{
    static uint8_t in[2048];

    return mu_mikey_parse(mu_bytes(in, unhex(hex, in)), m);
}

static void headers(void **state)
{
    struct mu_mikey_message m;

    (void)state;
    assert_int_equal(parse_hex("01 00 00 00 12345678 00 01", &m), 0);
    assert_int_equal(parse_hex("02 00 00 00 12345678 00 01", &m),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(parse_hex("01 0b 00 00 12345678 00 01", &m),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(parse_hex("01 00 00 02 12345678 00 01", &m),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(parse_hex("01 00 00 00 12345678 00 03", &m),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(parse_hex("01 00 00 00 12345678 09 01", &m),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(parse_hex("01 00 00 00 12345678 ff 00", &m),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(parse_hex("01 00 00 00 12345678 01 00 00", &m),
                     MU_ERR_TRUNCATED);
    assert_int_equal(parse_hex("01 00 00 00 12345678 00 01 00", &m),
                     MU_ERR_MALFORMED);
    assert_int_equal(parse_hex("", &m), MU_ERR_TRUNCATED);
    /* GENERIC-ID, RFC 6043 s.6.1.1: with and without session data. */
    assert_int_equal(parse_hex("01 00 00 81 00000001 02 02"
                               "05 f0 02 01 02 00"
                               "06 00 81 03 0002 aabb 01 07",
                               &m),
                     0);
    assert_true(m.header.verify);
    assert_int_equal(m.header.prf, 1);
    assert_int_equal(m.header.cs[0].id, 5);
    assert_int_equal(m.header.cs[0].protocol, 0xf0);
    assert_int_equal(m.header.cs[0].policies_len, 2);
    assert_int_equal(m.header.cs[1].session.len, 2);
    assert_int_equal(m.header.cs[1].spi.data[0], 7);
    assert_int_equal(parse_hex("01 00 00 00 00000001 01 02 05 f0 05 01"
                               "02030405 00",
                               &m),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(parse_hex("01 00 00 00 00000001 01 02 05 f0 80 0000 00",
                               &m),
                     MU_ERR_MALFORMED);
}

/* The payloads on which another implementation never ends: ours does, alone,
 * in rows, pointing at themselves, and with lengths of nothing. */
static void chains_end(void **state)
{
    static const struct {
        uint8_t type;
        const char *body; /* after the next payload */
    } rows[] = {{MU_MIKEY_ID, "00 0000"},
                {MU_MIKEY_EXT, "00 0000"},
                {MU_MIKEY_V, "00"},
                {MU_MIKEY_ERR, "00 0000"},
                {MU_MIKEY_RAND, "00"}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t n = 1; n <= MU_MIKEY_PAYLOADS_MAX + 1; n++) {
            struct mu_mikey_message m;
            uint8_t in[256];
            uint8_t body[8];
            const size_t body_len = unhex(rows[i].body, body);
            size_t len = unhex("01 00 00 00 12345678 00 01", in);

            in[2] = rows[i].type;
            for (size_t j = 0; j < n; j++) {
                in[len++] = j + 1 < n ? rows[i].type : MU_MIKEY_LAST;
                memcpy(in + len, body, body_len);
                len += body_len;
            }
            assert_int_equal(mu_mikey_parse(mu_bytes(in, len), &m),
                             n > MU_MIKEY_PAYLOADS_MAX ? MU_ERR_TOO_LARGE : 0);
            /* The last one says that it goes on. */
            in[len - body_len - 1] = rows[i].type;
            assert_int_not_equal(mu_mikey_parse(mu_bytes(in, len), &m), 0);
        }
    }
    struct mu_mikey_message m;
    assert_int_equal(
        parse_hex("01 00 14 00 12345678 00 01 00 00 0001 6b", &m),
        MU_ERR_MALFORMED); /* key data outside of a KEMAC */
}

#define HDR(type, next) "01" type next "00 12345678 00 01"
#define T_(next) next "02 00000001"
#define RAND_(next) next "10 30313233343536373839616263646566"
#define ID_(next) next "00 0001 61"
#define EXT_(next) next "00 0001 61"
#define KEMAC_(next) next "00 0000 00"
#define V_(next) next "00"
#define SP_(next) next "00 00 0000"
#define PKE_(next) next "0001 61"
#define ERR_(next) next "00 0000"
#define SIGN_ "0001 61"

static void orders(void **state)
{
    static const struct {
        const char *hex;
        bool good;
    } cases[] = {
        {HDR("00", "05") T_("0b") RAND_("01") KEMAC_("00"), true},
        {HDR("00", "05") T_("0b") RAND_("06") ID_("06") ID_("0a") SP_("0a")
             SP_("01") KEMAC_("00"),
         true},
        {HDR("00", "15") EXT_("05") T_("15") EXT_("15") EXT_("0b") RAND_("01")
             KEMAC_("00"),
         true},
        /* behind the MAC, before T, twice, missing, three names */
        {HDR("00", "05") T_("0b") RAND_("01") KEMAC_("15") EXT_("00"), false},
        {HDR("00", "05") T_("0b") RAND_("01") KEMAC_("06") ID_("00"), false},
        {HDR("00", "0b") RAND_("05") T_("01") KEMAC_("00"), false},
        {HDR("00", "05") T_("05") T_("0b") RAND_("01") KEMAC_("00"), false},
        {HDR("00", "05") T_("0b") RAND_("0b") RAND_("01") KEMAC_("00"), false},
        {HDR("00", "05") T_("01") KEMAC_("00"), false},
        {HDR("00", "05") T_("0b") RAND_("00"), false},
        {HDR("00", "05") T_("0b") RAND_("01") KEMAC_("01") KEMAC_("00"), false},
        {HDR("00", "05") T_("0b") RAND_("06") ID_("06") ID_("06") ID_("01")
             KEMAC_("00"),
         false},
        {HDR("00", "05") T_("0b") RAND_("0a") SP_("06") ID_("01") KEMAC_("00"),
         false},
        {HDR("00", "00"), false},
        {HDR("01", "05") T_("09") V_("00"), true},
        {HDR("01", "05") T_("06") ID_("09") V_("00"), true},
        {HDR("01", "05") T_("00"), false},
        {HDR("01", "05") T_("09") V_("06") ID_("00"), false},
        {HDR("02", "05") T_("0b") RAND_("01") KEMAC_("02") PKE_("04") SIGN_,
         true},
        {HDR("02", "05") T_("0b") RAND_("02") PKE_("01") KEMAC_("04") SIGN_,
         false},
        {HDR("02", "05") T_("0b") RAND_("01") KEMAC_("02") PKE_("00"), false},
        {HDR("06", "05") T_("0c") ERR_("0c") ERR_("09") V_("00"), true},
        {HDR("06", "05") T_("0c") ERR_("00"), true},
        {HDR("06", "05") T_("09") V_("00"), false},
        {HDR("09", "05") T_("0b") RAND_("04") SIGN_, true},
        {HDR("09", "05") T_("0b") RAND_("00"), false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mu_mikey_message m;
        const int rc = parse_hex(cases[i].hex, &m);
        if (rc != 0)
            fail_msg("case %zu: %s", i, mu_err_name(rc));
        if (mu_mikey_order(&m) != (cases[i].good ? 0 : MU_ERR_MALFORMED))
            fail_msg("case %zu", i);
    }
}

/* s.3.3: in a D-H response IDr may be left out, IDi may not. */
static void one_name(void **state)
{
    static const uint8_t value[96];
    const struct mu_mikey_header h = {.type = MU_MIKEY_DH_RESP};
    const struct mu_mikey_payload dh = {
        MU_MIKEY_DH, .dh = {MU_MIKEY_OAKLEY_1, MU_BYTES(value), {0}}};
    uint8_t buf[512];
    struct mu_mikey_writer m;
    struct mu_mikey_message back;

    (void)state;
    for (int names = 0; names <= 3; names++) {
        struct mu_writer w = mu_writer(buf, sizeof buf);

        mu_mikey_begin(&m, &w, &h);
        mu_mikey_put(&m, &(struct mu_mikey_payload){MU_MIKEY_T, .t = {2, 1}});
        for (int i = 0; i < names; i++)
            mu_mikey_put(&m, &(struct mu_mikey_payload){
                                 MU_MIKEY_ID, .id = {0, BYTES("x")}});
        mu_mikey_put(&m, &dh);
        mu_mikey_put(&m, &dh);
        mu_mikey_put(&m, &(struct mu_mikey_payload){.type = MU_MIKEY_SIGN});
        assert_int_equal(mu_mikey_parse(mu_mikey_made(&m), &back), 0);
        assert_int_equal(mu_mikey_order(&back),
                         names == 1 || names == 2 ? 0 : MU_ERR_MALFORMED);
        if (names == 1) {
            assert_non_null(back.idi);
            assert_null(back.idr);
        } else if (names == 2) {
            assert_ptr_equal(back.idr, &back.payloads[1]);
            assert_ptr_equal(back.idi, &back.payloads[2]);
            assert_ptr_equal(back.dh, &back.payloads[3]);
            assert_ptr_equal(back.dh_i, &back.payloads[4]);
        }
    }
}

static void key_ids(void **state)
{
    struct mu_mikey_key_id ids[MU_MIKEY_KEY_IDS_MAX];
    uint8_t in[64];
    uint8_t out[64];
    struct mu_writer w = mu_writer(out, sizeof out);
    size_t len = unhex("00 03 26 2f 01 01 04 00010002 02 02 0005", in);
    size_t n;

    (void)state;
    assert_int_equal(mu_mikey_key_ids_read(mu_bytes(in, len), ids, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(ids[2].id.data[1], 5);
    mu_mikey_key_ids_write(&w, ids, n);
    assert_int_equal(w.len, len);
    assert_memory_equal(in, out, len);
    for (size_t cut = 0; cut < len; cut++) {
        const bool whole = cut == 0 || cut == 5 || cut == 11;
        assert_int_equal(mu_mikey_key_ids_read(mu_bytes(in, cut), ids, &n),
                         whole ? 0 : MU_ERR_TRUNCATED);
    }
    len = unhex("03 01 00", in);
    assert_int_equal(mu_mikey_key_ids_read(mu_bytes(in, len), ids, &n),
                     MU_ERR_UNSUPPORTED);
    len = unhex("00 00 00 00 00 00 00 00", in);
    assert_int_equal(mu_mikey_key_ids_read(mu_bytes(in, len), ids, &n),
                     MU_ERR_TOO_LARGE);
}

/* A message that starts in the middle of a buffer, and one that has no room. */
static void writers(void **state)
{
    const struct mu_mikey_header h = {.map = MU_MIKEY_MAP_EMPTY, .csb = 1};
    const struct mu_mikey_payload t = {MU_MIKEY_T, .t = {2, 9}};
    uint8_t buf[32];
    struct mu_mikey_writer m;
    struct mu_mikey_message back;
    struct mu_writer w = mu_writer(buf, sizeof buf);

    (void)state;
    mu_write_u32(&w, 0xffffffff);
    mu_mikey_begin(&m, &w, &h);
    mu_mikey_put(&m, &t);
    assert_int_equal(mu_mikey_made(&m).len, 16);
    assert_int_equal(mu_mikey_parse(mu_mikey_made(&m), &back), 0);
    assert_int_equal(back.payloads[0].t.value, 9);
    for (size_t cap = 0; cap < 16; cap++) {
        w = mu_writer(buf, cap);
        mu_mikey_begin(&m, &w, &h);
        mu_mikey_put(&m, &t);
        assert_int_equal(mu_writer_end(&w), MU_ERR_NO_SPACE);
        assert_int_equal(mu_mikey_made(&m).len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_bytes), cmocka_unit_test(dh_bytes),
        cmocka_unit_test(unknown),       cmocka_unit_test(headers),
        cmocka_unit_test(chains_end),    cmocka_unit_test(orders),
        cmocka_unit_test(one_name),      cmocka_unit_test(key_ids),
        cmocka_unit_test(writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
