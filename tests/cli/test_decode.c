/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode: every message of docs/wire-format.md by its name and with its
 * fields, as text and as JSON; no key that is in one; nothing else taken for
 * one of ours.
 */
#include "tests/real/real.h"

#include "crypto_openssl/crypto_openssl.h"
#include "muster/area_msg.h"
#include "muster/coap.h"
#include "muster/connect.h"
#include "muster/keyfetch.h"
#include "muster/manifest.h"
#include "muster/wide_msg.h"

static uint8_t room[8192];
static struct mu_writer w;
static struct real_said said;

static struct mu_writer *fresh(void)
{
    w = mu_writer(room, sizeof room);
    return &w;
}

/* A key that must not come out. */
static const char secret_hex[] = "5ec2e7005ec2e7005ec2e7005ec2e700"
                                 "5ec2e7005ec2e7005ec2e7005ec2e700";

static struct mu_secret secret(void)
{
    struct mu_secret key = {.len = 32};

    for (size_t i = 0; i < 32; i++)
        key.bytes[i] = (uint8_t[]){0x5e, 0xc2, 0xe7, 0x00}[i % 4];
    return key;
}

/* muster decode of these bytes: its exit code, `said` has the rest. */
static int decode(struct lab *lab, struct mu_bytes in, const char *as,
                  bool json)
{
    const char *file = lab_path(lab, "message");
    const char *words[6] = {file};
    size_t n = 1;

    lab_write(file, in.data, in.len, 0600);
    if (as != NULL) {
        words[n++] = "--as";
        words[n++] = as;
    }
    if (json)
        words[n++] = "--json";
    return real_say(lab, &said, "decode", words[0], words[1], words[2],
                    words[3], NULL);
}

/* What was written is shown with all of these texts, in both forms. */
static void shows(struct lab *lab, const char *as, const char *const texts[])
{
    struct mu_bytes in = mu_written(&w);
    json_t *v;

    assert_int_equal(mu_writer_end(&w), 0);
    assert_int_equal(decode(lab, in, as, true), 0);
    assert_null(strstr(said.out, secret_hex));
    v = json_loads(said.out, JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    json_decref(v);
    assert_int_equal(decode(lab, in, as, false), 0);
    assert_null(strstr(said.out, secret_hex));
    for (size_t i = 0; texts[i] != NULL; i++) {
        if (strstr(said.out, texts[i]) == NULL)
            fail_msg("no \"%s\" in:\n%s", texts[i], said.out);
    }
}

#define SHOWS(lab, as, ...)                                                    \
    shows(lab, as, (const char *const[]){__VA_ARGS__, NULL})

/* The n-th value of a name in a file of vectors, as bytes in `room`. */
static void vector(const char *path, const char *name, unsigned nth)
{
    char want[64];
    char *all = real_read(path, NULL), *at = all;
    unsigned byte;

    assert_non_null(all);
    snprintf(want, sizeof want, "\n%s = ", name);
    for (unsigned i = 0; i <= nth; i++) {
        at = strstr(at + (i > 0), want);
        assert_non_null(at);
    }
    fresh();
    for (at += strlen(want); sscanf(at, "%2x", &byte) == 1 && *at != '\n';
         at += 2)
        mu_write_u8(&w, (uint8_t)byte);
    free(all);
}

/* ---- packets ---------------------------------------------------------------- */

static void test_cast(void **state)
{
    struct lab *lab = *state;
    static const char file[] = "tests/vectors/cast.txt";

    vector(file, "packet", 0);
    SHOWS(lab, NULL, "cast DATA", "session                  5",
          "page modulo 32           0", "index                    0",
          "symbol");
    vector(file, "packet", 3);
    SHOWS(lab, NULL, "cast DATA", "index                    3");
    vector(file, "need", 0);
    SHOWS(lab, NULL, "cast NEED", "receiver                 300",
          "round                    9", "need                     3",
          "bitmap                   0b", "tag");
    vector(file, "census", 0);
    mu_write_bytes(&w, mu_bytes("\x01\x02""12345678", 10)); /* its tick */
    SHOWS(lab, NULL, "cast CENSUS", "window, ms               500",
          "known                    0b", "tick                     258");
    vector(file, "status", 0);
    SHOWS(lab, NULL, "cast STATUS", "state                    [received]",
          "reason                   none", "acknowledgement          aa00");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x42\x03\x00\x04\x05\x01\x06\x00\x64\xa0"
                                "\xac\xd3\x73\xd4\x5d\xa4\x6f\x63"
                                "\x01\x03""12345678", 28));
    SHOWS(lab, NULL, "cast POLL", "flags                    [everybody]",
          "sent                     6", "window, ms               100",
          "acd373d45da46f63", "tick                     259",
          "tick, masked             3132333435363738");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x41\x03" "abcd" "\x00\x02" "tagtagta"
                                "piece of an object\x01\x04""12345678", 44));
    SHOWS(lab, NULL, "cast ANNOUNCE", "object id                61626364",
          "fragments                2", "piece",
          "tick                     260");
}

static void test_neighbours(void **state)
{
    struct lab *lab = *state;

    fresh(); /* ADV: channel, node, version, edition, id, length, pages, seal */
    mu_write_bytes(&w, mu_bytes("\x46\x01\x00\x02\0\0\0\0\0\0\0\x09\0\x01"
                                "abcd\x01\x00\x00\x07\x00\x21\x63tagtagta",
                                33));
    SHOWS(lab, NULL, "neighbour ADV", "channel                  1",
          "node                     2", "version                  9",
          "pages                    7", "round                    33");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x47\x01\x00\x02\x00\x03\x05\xff\xff\x0f"
                                "\x00\x21\x63tagtagta", 21));
    SHOWS(lab, NULL, "neighbour REQ", "target                   3",
          "page                     manifest", "wanted                   0f");
}

static void test_rekey(void **state)
{
    struct lab *lab = *state;
    static const char file[] = "tests/vectors/rekey.txt";

    vector(file, "sd_0_and_7_left", 0);
    SHOWS(lab, NULL, "rekey part", "subset difference",
          "Kb, scope 9, generation 7.2", "base                     7.1",
          "node                 1", "88d2ad3265238a6b8ec4a0d4d5172473");
    vector(file, "cs_0_left", 0);
    SHOWS(lab, NULL, "complete subtree");
    vector(file, "cluster_of_0_changed", 0);
    SHOWS(lab, NULL, "cluster", "key index");
    vector(file, "ladder_level_2_changed", 0);
    SHOWS(lab, NULL, "ladder", "challenges               [1, 2, 2]");
    vector(file, "lkh_1_left", 0);
    SHOWS(lab, "rekey", "lkh", "counter before           1", "link");
    vector(file, "unicast_slot_3", 0);
    SHOWS(lab, NULL, "personal message", "slot                     3");
    /* A state holds keys: it is said how many bytes, no more. */
    fresh();
    mu_write_u8(&w, 0x71);
    mu_kid_write(&w, &(struct mu_kid){MU_KEY_KB, 9, (uint64_t)7 << 32 | 2});
    mu_write_u64(&w, (uint64_t)7 << 32 | 1);
    mu_write_u32(&w, 3);
    mu_write_bytes(&w, mu_bytes(secret().bytes, 16));
    SHOWS(lab, NULL, "state of a member", "16 bytes, not shown");
    assert_null(strstr(said.out, "5ec2e700"));
}

static void test_source(void **state)
{
    struct lab *lab = *state;
    uint8_t rest[160] = {0};

    fresh();
    mu_write_bytes(&w, mu_bytes("\x56\x07\x00\x00\x00\x05\x01", 7));
    mu_write_bytes(&w, mu_bytes(rest, 24));
    mu_write_bytes(&w, mu_bytes_str("open the valve"));
    SHOWS(lab, NULL, "packet of hop chains", "place                    5",
          "hidden key", "6f70656e");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x52\x07\x00\x00\x00\x05tagtagtaon", 16));
    SHOWS(lab, "source", "uTESLA message", "interval                 5");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x50\x00\x00\x00\x09\0\0\0\0\0\0\0\x01"
                                "\0\0\0\x03\0\0\0\0\x01", 22));
    mu_write_bytes(&w, mu_bytes(rest, 32 + 32));
    mu_write_bytes(&w, mu_bytes("\x04" "gw-1", 5));
    mu_write_bytes(&w, mu_bytes(rest, 64));
    SHOWS(lab, "source", "signed message", "id                       9",
          "directory version        3", "67772d31", "signature");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x57\x00\x01\xff\xff\x00\x03\x09"
                                "\x52\x07\x00\x00\x00\x05tagtagtaon"
                                "01234567", 8 + 16 + 8));
    SHOWS(lab, "source", "speech frame", "speaker                  131071",
          "uTESLA message", "interval", "3031323334353637");
}

static void test_tunnel(void **state)
{
    struct lab *lab = *state;
    static const uint8_t zero[48];

    fresh();
    mu_write_bytes(&w, mu_bytes("\x64\x04" "east", 6));
    mu_write_bytes(&w, MU_BYTES(zero));
    SHOWS(lab, NULL, "tunnel JOIN", "identity                 east");
    fresh();
    mu_write_u8(&w, 0x65);
    mu_write_bytes(&w, MU_BYTES(zero));
    SHOWS(lab, NULL, "tunnel CHALLENGE", "nonce of the sender");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x66\x01\x02\x03\x04\x0e" "239.1.1.1:5000",
                                20));
    mu_write_bytes(&w, mu_bytes(zero, 16));
    SHOWS(lab, NULL, "tunnel WELCOME", "239.1.1.1:5000", "01020304");
    fresh(); /* with a POLL inside */
    mu_write_bytes(&w, mu_bytes("\x67\x01\x02\x03\x04\0\0\0\x09"
                                "\x42\x03\x00\x04\x05\x01\x06\x00\x64\xa0"
                                "\xac\xd3\x73\xd4\x5d\xa4\x6f\x63"
                                "\x01\x03" "12345678" "tagtagta", 45));
    SHOWS(lab, NULL, "tunnel PACKET", "seq                      9", "cast POLL");
    fresh();
    mu_write_u8(&w, 0x68);
    mu_write_bytes(&w, mu_bytes(zero, 32));
    SHOWS(lab, NULL, "tunnel ALIVE", "emitted                  0");
    fresh();
    mu_write_u8(&w, 0x69);
    mu_write_bytes(&w, mu_bytes(zero, 20));
    SHOWS(lab, NULL, "tunnel ANSWER", "packets sent             0");
}

static void test_tree(void **state)
{
    struct lab *lab = *state;
    static const uint8_t zero[64];

    fresh();
    mu_write_bytes(&w, mu_bytes("\x58\x01\x00\x02"
                                "\x56\x07\x00\x00\x00\x05\x00" "text", 15));
    SHOWS(lab, "tree", "tree MESSAGE", "packet of hop chains");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x59\x01\x00\x02\0\0\0\x05\0\x05\x08\0\x02"
                                "\x45\x01", 15));
    mu_write_bytes(&w, mu_bytes(zero, 40 + MU_TAG_LEN));
    SHOWS(lab, NULL, "tree ACK", "shift                    8",
          "members                  4501");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x5a\x01\x00\x02\0\0\0\x05tagtagta", 16));
    SHOWS(lab, NULL, "tree OPEN", "place                    5");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x5b\x01\x00\x02\0\0\0\x05\0tagtagta", 17));
    SHOWS(lab, NULL, "tree OPENED", "answer                   00");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x5c\x01\x00\x02", 4));
    mu_write_bytes(&w, mu_bytes(zero, 16 + MU_TAG_LEN));
    SHOWS(lab, NULL, "tree JOIN", "nonce");
    fresh();
    mu_write_bytes(&w, mu_bytes("\x5d\x01\x00\x02", 4));
    mu_write_bytes(&w, mu_bytes(zero, 16 + 46));
    SHOWS(lab, NULL, "tree WELCOME", "salt", "ciphertext");
}

/* The smallest MIKEY message: PSK init with T and RAND, no crypto session. */
static const char mikey[] = "\x01\x00\x05\x00\x01\x02\x03\x04\x00\x01"
                            "\x0b\x00\0\0\0\0\0\0\0\x01"
                            "\x00\x10" "0123456789abcdef";

static void test_mikey(void **state)
{
    struct lab *lab = *state;
    const size_t len = sizeof mikey - 1;

    fresh();
    mu_write_bytes(&w, mu_bytes(mikey, len));
    SHOWS(lab, NULL, "MIKEY", "PSK init", "CSB id                   16909060",
          "RAND", "30313233343536373839616263646566");
    /* Around it: a command, and an MSK in the answer to a key fetch. */
    mu_cbor_put_map(fresh(), 1);
    mu_cbor_put_uint(&w, 5);
    mu_cbor_put_array(&w, 1);
    mu_cbor_put_array(&w, 3);
    mu_cbor_put_bstr_head(&w, MU_KID_LEN);
    mu_kid_write(&w, &(struct mu_kid){MU_KEY_KB, 7, 6});
    mu_cbor_put_bstr(&w, mu_bytes(mikey, len));
    mu_cbor_put_uint(&w, 60);
    SHOWS(lab, "k:answer", "MSK messages", "PSK init",
          "Kb, scope 7, generation 0.6");
    mu_cbor_put_map(fresh(), 1); /* a piece of keys */
    mu_cbor_put_uint(&w, 4);
    mu_cbor_put_array(&w, 4);
    mu_cbor_put_uint(&w, 7);
    mu_cbor_put_uint(&w, 500);
    mu_cbor_put_uint(&w, 0);
    mu_cbor_put_bstr(&w, mu_bytes(secret().bytes, 32));
    SHOWS(lab, "k:answer", "piece of a state", "bytes in all         500",
          "32 bytes, not shown");
}

/* ---- objects ------------------------------------------------------------------ */

static void manifest_make(const struct mu_crypto *c, struct mu_signer *signer,
                          struct mu_manifest *m)
{
    size_t pub_len = 0;
    static uint8_t roots[40 * 8];

    *signer = (struct mu_signer){.alg = MU_ALG_ES256};
    assert_int_equal(c->keypair(c->ctx, signer->alg, &signer->priv,
                                signer->pub, &pub_len), 0);
    signer->pub_len = (uint8_t)pub_len;
    *m = (struct mu_manifest){
        .group = 7, .version = 9, .size = 1, .shape = {1024, 32, 8, 8},
        .session = 5, .kid = {MU_KEY_KB, 7, (uint64_t)2 << 32 | 3},
        .name = mu_bytes_str("firmware"), .epoch = 2, .edition = 4,
        .pointer = mu_bytes_str("server/k"), .roots = mu_bytes(roots, 4 * 8),
        .reprotect = true,
    };
}

static void test_objects(void **state)
{
    struct lab *lab = *state;
    const struct mu_crypto *c = mu_crypto_openssl();
    const uint8_t id[MU_CAMPAIGN_ID] = "campaign";
    struct mu_secret kg = secret();
    struct mu_signer signer;
    struct mu_manifest m;
    uint8_t object[2048];
    struct mu_writer o = mu_writer(object, sizeof object);

    manifest_make(c, &signer, &m);
    assert_int_equal(mu_manifest_create(c, &signer, &m, fresh()), 0);
    SHOWS(lab, NULL, "manifest", "COSE_Sign1", "version                9",
          "Kb, scope 7, generation 2.3", "name                   firmware",
          "edition                4", "may be re-protected    true",
          "signature");
    assert_int_equal(mu_manifest_create(c, &signer, &m, &o), 0);
    m.kid = (struct mu_kid){MU_KEY_KG, 3, 17};
    assert_int_equal(mu_relay_create(c, &kg, mu_written(&o), &m, fresh()), 0);
    SHOWS(lab, NULL, "relay manifest", "COSE_Mac0", "manifest as signed",
          "Kg, scope 3, generation 0.17", "firmware");
    assert_int_equal(mu_cancel_create(c, &signer, id, fresh()), 0);
    SHOWS(lab, NULL, "cancel", "63616d706169676e");
    vector("tests/vectors/keys.txt", "connect1", 0);
    SHOWS(lab, NULL, "connect message 1", "meter-17",
          "highest epoch seen     7", "largest object       1048576",
          "gateway                gw-north");
    vector("tests/vectors/keys.txt", "connect2", 0);
    SHOWS(lab, NULL, "connect message 2", "COSE_Encrypt0", "ciphertext");
    /* An inline object with a command: an MTK message and what is under it. */
    {
        uint8_t command[128];
        struct mu_writer cw = mu_writer(command, sizeof command);

        mu_write_u16(&cw, sizeof mikey - 1);
        mu_write_bytes(&cw, mu_bytes(mikey, sizeof mikey - 1));
        mu_write_u32(&cw, 3);
        mu_write_bytes(&cw, mu_bytes("ciphertext" "0123456789abcdef", 26));
        const struct mu_inline inl = {.group = 7, .session = 5, .epoch = 2,
                                      .parts = 1, .content_kind = 2,
                                      .content = mu_written(&cw)};
        assert_int_equal(mu_inline_create(c, &signer, &inl, fresh()), 0);
        SHOWS(lab, NULL, "inline object", "MTK message", "PSK init",
              "seq");
    }
    /* As hex, and from standard input it would be the same bytes. */
    lab_write(lab_path(lab, "hex"), "a1 01\n05\n", 9, 0600);
    assert_int_equal(real_say(lab, &said, "decode", lab_path(lab, "hex"),
                              NULL), 0);
    assert_non_null(strstr(said.out, "CBOR"));
}

/* ---- payloads ------------------------------------------------------------------- */

static void test_area_payloads(void **state)
{
    struct lab *lab = *state;
    const uint8_t digest[32] = "digest";
    struct mu_area_hello hello = {
        .software = mu_bytes_str("0.1.0"),
        .capability = {100000, 4096, {MU_ALG_ES256}, 1, 0, 0}, .listens = {60, 7}};
    struct mu_area_welcome welcome = {
        .gateway = mu_bytes_str("gw-1"), .index = 12,
        .kid = {MU_KEY_KG, 1, 5}, .kg = secret(),
        .address = mu_bytes_str("239.1.1.1"), .port = 5000, .up_port = 5001,
        .sessions = {{9, {1, 2, 3, 4}}}, .sessions_len = 1,
        .tick = {258, {0xab}}, .listens = {3600, 5}, .opens_in_ms = 77001};
    struct mu_area_key g = {{MU_KEY_KG, 1, 6}, secret(), {3, {0}}};
    struct mu_area_group_key kb = {{MU_KEY_KB, 7, 6}, secret()};

    assert_int_equal(mu_area_hello_create(&hello, fresh()), 0);
    SHOWS(lab, "hello", "hello of a device", "0.1.0",
          "largest object       100000", "window, s            7");
    assert_int_equal(mu_area_welcome_create(&welcome, fresh()), 0);
    SHOWS(lab, "hello:answer", "welcome by a gateway", "gw-1",
          "Kg, scope 1, generation 0.5", "32 bytes, not shown", "239.1.1.1",
          "tick                   0102ab", "opens in, ms         77001");
    assert_int_equal(mu_area_key_create(&g, fresh()), 0);
    SHOWS(lab, "g", "area key", "32 bytes, not shown");
    assert_int_equal(mu_area_group_key_create(mu_crypto_openssl(), &g.kg, &kb,
                                              fresh()), 0);
    SHOWS(lab, "kb", "group key (option 2)", "Kb, scope 7", "wrapped");
    assert_int_equal(mu_area_vouch_create(digest, fresh()), 0);
    SHOWS(lab, "v", "vouched for", "646967657374");
    assert_int_equal(mu_area_ask_create(9, fresh()), 0);
    SHOWS(lab, "ann", "announce object wanted", "session                9");
    assert_int_equal(mu_area_feedback_create((const uint8_t *)"connects",
                                             fresh()), 0);
    SHOWS(lab, "f", "feedback key in force", "636f6e6e65637473");
}

static void test_wide_payloads(void **state)
{
    struct lab *lab = *state;
    struct mu_wide_hello hello = {mu_bytes_str("0.1.0"), 3, 2, 5000, 0};
    struct mu_wide_welcome welcome = {
        .server = mu_bytes_str("server"), .number = 4,
        .kid = {MU_KEY_KW, 0, 5}, .kw = secret(),
        .address = mu_bytes_str("unicast"), .port = 1, .up_port = 2,
        .epoch = 8, .alg = MU_ALG_EDDSA, .pub = mu_bytes(room + 4096, 32)};
    struct mu_wide_report report = {.state = 0x0f, .first = 3,
                                    .bitmap = mu_bytes("\x05", 1)};
    struct mu_wide_hop hop = {.rows = {{3, {1, 2}, secret()}}, .len = 1};
    struct mu_keyfetch_response keys = {
        .keys = {{{MU_KEY_KB, 7, 6}, {.len = 0}, 60}}, .keys_len = 1,
        .groups = {{7, 8}, {MU_MODE_END_TO_END, MU_MODE_HAND_KEY}, 2},
        .epoch = 8};
    struct mu_keyfetch_request held = {.held = {{MU_KEY_KB, 7, 5}},
                                       .held_len = 1};

    assert_int_equal(mu_wide_hello_create(&hello, fresh()), 0);
    SHOWS(lab, "hello", "hello of a gateway", "area version           3",
          "port of copies         5000");
    assert_int_equal(mu_wide_welcome_create(&welcome, fresh()), 0);
    SHOWS(lab, "hello:answer", "welcome by the server",
          "Kw, scope 0, generation 0.5", "32 bytes, not shown",
          "server epoch           8");
    hop.rows[0].kfb.len = MU_KFB_LEN;
    assert_int_equal(mu_wide_hop_create(&hop, fresh()), 0);
    SHOWS(lab, "hop", "feedback keys", "16 bytes, not shown");
    assert_int_equal(mu_wide_report_create(&report, fresh()), 0);
    SHOWS(lab, "r", "report",
          "state                  [received, verified, installed, running]");
    assert_int_equal(mu_keyfetch_request_create(&held, fresh()), 0);
    SHOWS(lab, "k", "key fetch", "[Kb, scope 7, generation 0.5]");
    keys.keys[0].key = secret();
    assert_int_equal(mu_keyfetch_response_create(&keys, fresh()), 0);
    SHOWS(lab, "k:answer", "keys", "32 bytes, not shown", "end to end",
          "option 2", "seconds valid      60");
    /* Any other payload, with its numbers. */
    mu_cbor_put_map(fresh(), 2);
    mu_cbor_put_uint(&w, 1);
    mu_cbor_put_uint(&w, UINT64_MAX);
    mu_cbor_put_uint(&w, 2);
    mu_cbor_put_bool(&w, true);
    SHOWS(lab, "cbor", "CBOR", "18446744073709551615", "true");
}

static void coap_make(const char *path, struct mu_bytes payload)
{
    static uint8_t options[64];
    struct mu_writer ow = mu_writer(options, sizeof options);
    struct mu_coap_opts opts = mu_coap_opts(&ow);
    struct mu_coap_pdu pdu = {.type = MU_COAP_CON, .mid = 77,
                              .token = {1, 2}, .token_len = 2};

    mu_coap_put_path(&opts, path);
    mu_coap_put_uint(&opts, MU_COAP_CONTENT_FORMAT, MU_COAP_FORMAT_CBOR);
    pdu.msg = (struct mu_coap_msg){.code = MU_COAP_POST,
                                   .options = mu_coap_opts_written(&opts),
                                   .payload = payload};
    assert_int_equal(mu_coap_encode(&pdu, fresh()), 0);
}

static void test_coap(void **state)
{
    struct lab *lab = *state;

    coap_make("camp/m", mu_bytes("\xa1\x01\x48" "campaign", 11));
    SHOWS(lab, NULL, "CoAP", "0.02", "message id               77",
          "token                    0102", "Uri-Path", "camp",
          "campaign wanted", "63616d706169676e");
}

/* ---- what is not ours -------------------------------------------------------- */

static void test_refused(void **state)
{
    struct lab *lab = *state;
    const char *file = lab_path(lab, "message");

    assert_int_equal(decode(lab, mu_bytes_str(""), NULL, false), 1);
    assert_int_equal(decode(lab, mu_bytes_str("nobody's message"), NULL, true), 1);
    assert_string_equal(said.out, "");
    assert_non_null(strstr(said.err, "not a message of ours"));
    assert_int_equal(decode(lab, mu_bytes("\x42\x03\x00", 3), "cast", false),
                     1); /* cut */
    assert_int_equal(decode(lab, mu_bytes("\xa0", 1), "nonsense", false), 1);
    assert_int_equal(real_say(lab, &said, "decode", NULL), 1);
    assert_non_null(strstr(said.err, "name one file"));
    assert_int_equal(real_say(lab, &said, "decode", "--no-such", file, NULL),
                     1);
    assert_int_equal(real_say(lab, &said, "decode", lab_path(lab, "absent"),
                              NULL), 1);
    assert_non_null(strstr(said.err, "cannot be read"));
}

#define NESTED 15000

/* A relay manifest in a relay manifest, thousands deep: no more stack than one. */
static void test_nested(void **state)
{
    struct lab *lab = *state;
    static uint8_t bytes[NESTED * 80];
    static const uint8_t mac[32];
    static const struct mu_kid kg = {MU_KEY_KG, 1, 1};
    struct mu_writer all = mu_writer(bytes, sizeof bytes);
    size_t len[NESTED + 1] = {1}; /* the innermost: an empty map */

    for (unsigned i = 1; i <= NESTED; i++) {
        size_t head = len[i - 1] < 24 ? 1 : len[i - 1] < 256 ? 2
                      : len[i - 1] < 65536 ? 3 : 5;
        size_t payload = 2 + head + len[i - 1];

        head = payload < 24 ? 1 : payload < 256 ? 2 : payload < 65536 ? 3 : 5;
        len[i] = 2 + 4 + 3 + MU_KID_LEN + head + payload + 2 + sizeof mac;
    }
    for (unsigned i = NESTED; i > 0; i--) {
        size_t inner = len[i - 1];
        size_t head = inner < 24 ? 1 : inner < 256 ? 2 : inner < 65536 ? 3 : 5;

        mu_write_bytes(&all, mu_bytes("\xd1\x84\x43\xa1\x01\x05\xa1\x04\x4d",
                                      9));
        mu_kid_write(&all, &kg);
        mu_cbor_put_bstr_head(&all, 2 + head + inner);
        mu_write_bytes(&all, mu_bytes("\xa1\x01", 2));
        mu_cbor_put_bstr_head(&all, inner);
    }
    mu_write_u8(&all, 0xa0);
    for (unsigned i = 0; i < NESTED; i++)
        mu_cbor_put_bstr(&all, MU_BYTES(mac));
    assert_int_equal(mu_writer_end(&all), 0);
    assert_int_equal(all.len, len[NESTED]);
    assert_int_equal(decode(lab, mu_written(&all), NULL, false), 0);
    assert_non_null(strstr(said.out, "relay manifest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_cast),          REAL_TEST(test_neighbours),
        REAL_TEST(test_rekey),         REAL_TEST(test_source),
        REAL_TEST(test_tunnel),        REAL_TEST(test_tree),
        REAL_TEST(test_mikey),
        REAL_TEST(test_objects),       REAL_TEST(test_area_payloads),
        REAL_TEST(test_wide_payloads), REAL_TEST(test_coap),
        REAL_TEST(test_refused),       REAL_TEST(test_nested),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
