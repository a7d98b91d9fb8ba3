/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIKEY against tshark: every message of every exchange in a capture file, and
 * each field that tshark's dissector names compared with ours, in order, with
 * the place and size of each payload. Skipped, with a word, without tshark.
 *
 * What tshark 4.0 does not show: the value of a COUNTER (its place and size
 * are), crypto sessions of a GENERIC-ID map, CHASH, a MAC with HMAC-SHA-256;
 * there it loses its way, so that those messages are compared up to there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "muster/exchange.h"
#include "muster/mikey_service.h"
#include "tests/mikey/lab.h"

#define LINKTYPE_RAW 101
#define PORT_MIKEY 2269
#define HEADERS 28 /* bytes of IPv4 and UDP */
#define MESSAGES_MAX 48
#define TEXT_MAX 65536
#define GENERIC "several protocols"

static const struct mu_crypto *crypto;

/* The messages of the capture. */
static struct {
    char name[48];
    uint8_t data[MU_MIKEY_MESSAGE_MAX];
    size_t len;
} sent[MESSAGES_MAX];
static size_t sent_len;

static void send_message(const char *name, const char *what,
                         struct mu_bytes msg)
{
    assert_true(sent_len < MESSAGES_MAX);
    snprintf(sent[sent_len].name, sizeof sent[0].name, "%s %s", name, what);
    memcpy(sent[sent_len].data, msg.data, msg.len);
    sent[sent_len++].len = msg.len;
}

/* ---- what we say ------------------------------------------------------- */

static char *text_at;
static char *text_end;

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_at += vsnprintf(text_at, (size_t)(text_end - text_at), format, args);
    va_end(args);
    assert_true(text_at < text_end);
}

static void say_number(const char *name, uint64_t v)
{
    say("%s=%llu\n", name, (unsigned long long)v);
}

static void say_bytes(const char *name, struct mu_bytes in)
{
    if (in.len == 0)
        return; /* tshark has no item for no bytes */
    say("%s=", name);
    for (size_t i = 0; i < in.len; i++)
        say("%02x", in.data[i]);
    say("\n");
}

static void say_sp(const struct mu_mikey_payload *p)
{
    static const char *const srtp[] = {
        "encr_alg",  "encr_len",  "auth_alg",   "auth_key_len", "salt_len",
        "prf",       "kd_rate",   "srtp_encr",  "srtcp_encr",   "fec",
        "srtp_auth", "auth_tag_len", "srtp_prefix"};
    struct mu_reader r = mu_reader(p->sp.params);

    say_number("mikey.sp.no", p->sp.policy);
    say_number("mikey.sp.proto_type", p->sp.protocol);
    say_number("mikey.sp.param_len", p->sp.params.len);
    while (mu_reader_left(&r) > 0) {
        char name[40];
        const uint8_t type = mu_read_u8(&r);
        const uint8_t len = mu_read_u8(&r);
        const struct mu_bytes value = mu_read_bytes(&r, len);
        if (p->sp.protocol == MU_MIKEY_SRTP && type < 13) {
            snprintf(name, sizeof name, "mikey.sp.%s", srtp[type]);
            say_number(name, value.data[0]);
        } else {
            say_bytes("mikey.sp.param", value);
        }
        say_number("mikey.sp.param.type", type);
        say_number("mikey.sp.param.len", len);
        say_bytes("mikey.sp.patam.value", value); /* their spelling */
    }
}

static void say_key(struct mu_bytes data, size_t pos)
{
    struct mu_reader r = mu_reader(data);
    struct mu_mikey_payload p;
    const struct mu_mikey_key_data *k = &p.key_data;
    uint8_t next;

    assert_int_equal(mu_mikey_payload_read(&r, MU_MIKEY_KEY_DATA, &p, &next),
                     0);
    say("mikey.key @%zu+%zu\n", pos, data.len);
    say_number("mikey.key.type", k->type);
    say_number("mikey.key.kv", k->kv.type);
    say_number("mikey.key.data.len", k->key.len);
    say_bytes("mikey.key.data", k->key);
    if (k->salt.len > 0) {
        say_number("mikey.key.salt.len", k->salt.len);
        say_bytes("mikey.key.salt", k->salt);
    }
    if (k->kv.type == MU_MIKEY_KV_INTERVAL) {
        say_number("mikey.key.kv.from.len", k->kv.a.len);
        say_bytes("mikey.key.kv.from", k->kv.a);
        say_number("mikey.key.kv.to.len", k->kv.b.len);
        say_bytes("mikey.key.kv.to", k->kv.b);
    } else if (k->kv.type == MU_MIKEY_KV_SPI) {
        say_number("mikey.key.kv.spi.len", k->kv.a.len);
        say_bytes("mikey.key.kv.spi", k->kv.a);
    }
}

static void say_kemac(const struct mu_mikey_message *m,
                      const struct mu_mikey_payload *p, size_t pos)
{
    say_number("mikey.kemac.encr_alg", p->kemac.encr);
    say_number("mikey.kemac.key_data_len", p->kemac.data.len);
    if (p->kemac.encr == MU_MIKEY_ENCR_NULL &&
        m->header.type == MU_MIKEY_PSK_INIT && p->kemac.data.len > 0)
        say_key(p->kemac.data, pos + 4);
    else
        say_bytes("mikey.kemac.key_data", p->kemac.data);
    say_number("mikey.kemac.mac_alg", p->kemac.mac_alg);
    if (p->kemac.mac_alg != MU_MIKEY_MAC_SHA256)
        say_bytes("mikey.kemac.mac", p->kemac.mac);
}

static void say_body(const struct mu_mikey_message *m,
                     const struct mu_mikey_payload *p, size_t pos)
{
    uint8_t ntp[8];
    struct mu_writer w = mu_writer(ntp, sizeof ntp);

    switch (p->type) {
    case MU_MIKEY_KEMAC:
        say_kemac(m, p, pos);
        break;
    case MU_MIKEY_PKE:
        say_number("mikey.pke.c", p->pke.cache);
        say_number("mikey.pke.len", p->pke.data.len);
        say_bytes("mikey.pke.data", p->pke.data);
        break;
    case MU_MIKEY_DH:
        say_number("mikey.dh.group", p->dh.group);
        say_bytes("mikey.dh.value", p->dh.value);
        say_number("mikey.dh.reserv", 0);
        say_number("mikey.dh.kv", p->dh.kv.type);
        break;
    case MU_MIKEY_SIGN:
        say_number("mikey.sign.type", p->sign.scheme);
        say_number("mikey.sign.len", p->sign.signature.len);
        say_bytes("mikey.sign.data", p->sign.signature);
        break;
    case MU_MIKEY_T:
        say_number("mikey.t.ts_type", p->t.type);
        mu_write_u64(&w, p->t.value);
        if (p->t.type != MU_MIKEY_COUNTER)
            say_bytes("mikey.t.ntp", mu_written(&w));
        break;
    case MU_MIKEY_ID:
        say_number("mikey.id.type", p->id.type);
        say_number("mikey.id.len", p->id.data.len);
        say_bytes("mikey.id.data", p->id.data);
        break;
    case MU_MIKEY_CERT:
        say_number("mikey.cert.type", p->cert.type);
        /* Read one byte early by tshark; the place of what follows shows that
         * it uses the right one. */
        say_number("mikey.cert.len",
                   (uint64_t)p->cert.type << 8 | p->cert.data.len >> 8);
        say_bytes("mikey.cert.data", p->cert.data);
        break;
    case MU_MIKEY_V:
        say_number("mikey.v.auth_alg", p->v.mac_alg);
        say_bytes("mikey.v.ver_data", p->v.mac);
        break;
    case MU_MIKEY_SP:
        say_sp(p);
        break;
    case MU_MIKEY_RAND:
        say_number("mikey.rand.len", p->rand.len);
        say_bytes("mikey.rand.data", p->rand);
        break;
    case MU_MIKEY_ERR:
        say_number("mikey.err.no", p->err.number);
        say("mikey.err.reserved=0000\n");
        break;
    default:
        say_number("mikey.ext.type", p->ext.type);
        say_number("mikey.ext.len", p->ext.data.len);
        say_bytes("mikey.ext.data", p->ext.data);
    }
}

static const char *payload_name(uint8_t type)
{
    static const char *const names[] = {
        [MU_MIKEY_KEMAC] = "kemac", [MU_MIKEY_PKE] = "pke",
        [MU_MIKEY_DH] = "dh",       [MU_MIKEY_SIGN] = "sign",
        [MU_MIKEY_T] = "t",         [MU_MIKEY_ID] = "id",
        [MU_MIKEY_CERT] = "cert",   [MU_MIKEY_CHASH] = "chash",
        [MU_MIKEY_V] = "v",         [MU_MIKEY_SP] = "sp",
        [MU_MIKEY_RAND] = "rand",   [MU_MIKEY_ERR] = "err",
        [MU_MIKEY_EXT] = "ext"};

    return names[type];
}

/* What a payload takes on the wire; made again, as another check of us. */
static size_t payload_size(const struct mu_mikey_payload *p)
{
    uint8_t buf[2048];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    mu_mikey_payload_write(&w, p, MU_MIKEY_LAST);
    assert_int_equal(mu_writer_end(&w), 0);
    return w.len;
}

static uint8_t next_of(const struct mu_mikey_message *m, size_t i)
{
    return i < m->payloads_len ? m->payloads[i].type : MU_MIKEY_LAST;
}

/* False where tshark stops. */
static bool say_header(const struct mu_mikey_message *m, size_t *size)
{
    const struct mu_mikey_header *h = &m->header;
    const bool stops = h->map == MU_MIKEY_MAP_GENERIC && h->cs_len > 0;

    *size = 10 + (h->map == MU_MIKEY_MAP_SRTP ? 9u * h->cs_len : 0);
    say("mikey.hdr @0+%zu\n", stops ? 10 : *size);
    say_number("mikey.version", 1);
    say_number("mikey.type", h->type);
    say_number("mikey.next_payload", next_of(m, 0));
    say_number("mikey.v.set", h->verify);
    say_number("mikey.prf_func", h->prf);
    say_number("mikey.csb_id", h->csb);
    say_number("mikey.cs_count", h->cs_len);
    say_number("mikey.cs_id_map_type", h->map);
    for (uint8_t i = 0; i < h->cs_len && h->map == MU_MIKEY_MAP_SRTP; i++) {
        say_number("mikey.srtp_id.policy_no", h->cs[i].policies[0]);
        say_number("mikey.srtp_id.ssrc", h->cs[i].ssrc);
        say_number("mikey.srtp_id.roc", h->cs[i].roc);
    }
    return !stops;
}

static void say_message(struct mu_bytes msg)
{
    struct mu_mikey_message m;
    size_t pos = 0;

    assert_int_equal(mu_mikey_parse(msg, &m), 0);
    if (!say_header(&m, &pos))
        return;
    for (size_t i = 0; i < m.payloads_len; i++) {
        const struct mu_mikey_payload *p = &m.payloads[i];
        const size_t size = payload_size(p);
        if (p->type == MU_MIKEY_CHASH) {
            say("mikey.chash @%zu+%zu\n", pos, msg.len - pos);
            say_number("mikey.next_payload", next_of(&m, i + 1));
            return;
        }
        const bool lost = p->type == MU_MIKEY_KEMAC &&
                          p->kemac.mac_alg == MU_MIKEY_MAC_SHA256;
        say("mikey.%s @%zu+%zu\n", payload_name(p->type), pos,
            lost ? msg.len - pos : size);
        if (p->type != MU_MIKEY_SIGN)
            say_number("mikey.next_payload", next_of(&m, i + 1));
        say_body(&m, p, pos);
        pos += size;
        if (lost)
            return; /* what is behind it is read in the wrong place */
    }
    assert_int_equal(pos, msg.len);
}

/* ---- what tshark says -------------------------------------------------- */

static bool attribute(const char *line, const char *name, char *out,
                      size_t cap)
{
    char key[32];
    const char *at;
    size_t len;

    snprintf(key, sizeof key, " %s=\"", name);
    at = strstr(line, key);
    if (at == NULL)
        return false;
    at += strlen(key);
    len = strcspn(at, "\"");
    assert_true(len < cap);
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

/* Fields of bytes and text are compared by their bytes, others by number. */
static bool is_bytes(const char *name)
{
    static const char *const suffixes[] = {
        ".key_data", ".mac",   ".data",  ".value", ".ver_data", ".param",
        ".salt",     ".from",  ".to",    ".spi",   ".reserved", ".ntp"};
    const size_t len = strlen(name);

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t n = strlen(suffixes[i]);
        if (len > n && strcmp(name + len - n, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static bool is_payload(const char *name)
{
    /* "mikey.t", "mikey.key": one dot; numbers of one dot are the header's. */
    static const char *const numbers[] = {
        "mikey.version", "mikey.type",     "mikey.next_payload",
        "mikey.csb_id",  "mikey.cs_count", "mikey.cs_id_map_type",
        "mikey.prf_func"};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i]) == 0)
            return false;
    }
    return strchr(strchr(name, '.') + 1, '.') == NULL;
}

static void heard(const char *line)
{
    static char value[TEXT_MAX];
    char name[64];
    char pos[16];
    char size[16];

    if (!attribute(line, "name", name, sizeof name) ||
        strncmp(name, "mikey.", 6) != 0 || strcmp(name, "mikey.srtp_id") == 0)
        return;
    if (is_payload(name)) {
        assert_true(attribute(line, "pos", pos, sizeof pos));
        assert_true(attribute(line, "size", size, sizeof size));
        say("%s @%d+%s\n", name, atoi(pos) - HEADERS, size);
    } else if (is_bytes(name)) {
        if (attribute(line, "value", value, sizeof value) && value[0] != '\0')
            say("%s=%s\n", name, value);
    } else if (attribute(line, "show", value, sizeof value)) {
        say_number(name, strtoull(value, NULL, 0));
    }
}

/* The first line in which they differ; a whole message is too long to read. */
static void check_same(const char *name, const char *ours, const char *theirs)
{
    /* It takes a GENERIC-ID map for empty, and reads on in the middle of it; and
     * reads on in the MAC of those with one that it does not know. */
    const bool start_only = strncmp(name, GENERIC, strlen(GENERIC)) == 0 ||
                            strncmp(name, "exchange rsa", 12) == 0;

    while (*ours != '\0' || (*theirs != '\0' && !start_only)) {
        const size_t a = strcspn(ours, "\n");
        const size_t b = strcspn(theirs, "\n");
        if (a != b || strncmp(ours, theirs, a) != 0)
            fail_msg("%s: we say '%.*s', tshark says '%.*s'", name, (int)a,
                     ours, (int)b, theirs);
        ours += a + (ours[a] != '\0');
        theirs += b + (theirs[b] != '\0');
    }
}

static void compare(FILE *shown)
{
    static char line[2 * TEXT_MAX];
    static char ours[TEXT_MAX];
    static char theirs[TEXT_MAX];
    size_t n = 0;

    while (fgets(line, sizeof line, shown) != NULL) {
        if (strstr(line, "<packet>") != NULL) {
            text_at = theirs;
            text_end = theirs + sizeof theirs;
            theirs[0] = '\0';
        } else if (strstr(line, "</packet>") != NULL) {
            assert_true(n < sent_len);
            text_at = ours;
            text_end = ours + sizeof ours;
            say_message(mu_bytes(sent[n].data, sent[n].len));
            check_same(sent[n].name, ours, theirs);
            n++;
        } else if (text_at != NULL) {
            heard(line);
        }
    }
    assert_int_equal(n, sent_len);
}

/* ---- the capture ------------------------------------------------------- */

static void le32(uint8_t *to, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

static void capture(FILE *file, struct mu_bytes msg)
{
    uint8_t head[HEADERS];
    uint8_t record[16] = {0};
    struct mu_writer w = mu_writer(head, sizeof head);

    mu_write_u16(&w, 0x4500);
    mu_write_u16(&w, (uint16_t)(HEADERS + msg.len));
    mu_write_u32(&w, 0);
    mu_write_u32(&w, 0x40110000); /* hops 64, UDP, no checksum */
    mu_write_u32(&w, 0x7f000001);
    mu_write_u32(&w, 0x7f000002);
    mu_write_u16(&w, 40000);
    mu_write_u16(&w, PORT_MIKEY);
    mu_write_u16(&w, (uint16_t)(8 + msg.len));
    mu_write_u16(&w, 0);
    le32(record + 8, (uint32_t)(HEADERS + msg.len));
    le32(record + 12, (uint32_t)(HEADERS + msg.len));
    assert_int_equal(fwrite(record, sizeof record, 1, file), 1);
    assert_int_equal(fwrite(head, sizeof head, 1, file), 1);
    assert_int_equal(fwrite(msg.data, msg.len, 1, file), 1);
}

static void write_capture(const char *path)
{
    uint8_t head[24] = {0};
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    le32(head, 0xa1b2c3d4);
    head[4] = 2;
    head[6] = 4;
    le32(head + 16, 65535);
    le32(head + 20, LINKTYPE_RAW);
    assert_int_equal(fwrite(head, sizeof head, 1, file), 1);
    for (size_t i = 0; i < sent_len; i++)
        capture(file, mu_bytes(sent[i].data, sent[i].len));
    assert_int_equal(fclose(file), 0);
}

/* ---- the messages ------------------------------------------------------ */

static void add_policies(struct mu_mikey_session *s)
{
    static const uint8_t srtp[] = {0, 1, 1,  1, 1, 16, 2,  1, 1, 3, 1, 20,
                                   4, 1, 14, 5, 1, 0,  6,  1, 0, 7, 1, 1,
                                   8, 1, 1,  9, 1, 0,  10, 1, 1, 11, 1, 10};

    s->sps[0] = (struct mu_mikey_sp){.policy = 3,
                                     .protocol = MU_MIKEY_SRTP,
                                     .params_len = sizeof srtp};
    memcpy(s->sps[0].params, srtp, sizeof srtp);
    s->sps[1] = (struct mu_mikey_sp){.policy = 4,
                                     .protocol = MU_MIKEY_OSCORE,
                                     .params = {7, 2, 0xab, 0xcd, 9, 1, 5},
                                     .params_len = 7};
    s->sps_len = 2;
    s->header.cs_len = 3;
    for (uint8_t i = 0; i < 3; i++)
        s->header.cs[i] = (struct mu_mikey_cs){.policies = {3},
                                               .policies_len = 1,
                                               .ssrc = 0xdead0000u + i,
                                               .roc = 7u * i};
}

static void add_exchanges(void)
{
    for (int m = 0; m < LAB_METHODS; m++) {
        static struct lab l;

        lab_init(&l, m);
        lab_run(&l);
        send_message(lab_names[m], "first", lab_first(&l));
        send_message(lab_names[m], "second", lab_second(&l));
        lab_init(&l, m);
        add_policies(&l.i);
        l.i.send_hash = m == LAB_RSA;
        l.i.header.verify = m != LAB_PSK;
        l.i.idr.type = MU_MIKEY_URI;
        assert_int_equal(lab_first_make(&l), 0);
        send_message(lab_names[m], "with policies", lab_first(&l));
    }
}

/* With no encryption tshark reads the keys, too: all types and validities. */
static void add_plain_keys(void)
{
    for (uint8_t type = 0; type < 4; type++) {
        for (uint8_t kv = 0; kv < 3; kv++) {
            static struct lab l;
            struct mu_mikey_key *k = &l.i.keys[0];

            lab_init(&l, LAB_PSK);
            l.i.encr = MU_MIKEY_ENCR_NULL;
            k->type = type;
            k->salt_len = type % 2 == 1 ? 14 : 0;
            memset(k->salt, 0xbb, sizeof k->salt);
            k->kv = kv;
            k->from_len = kv > 0 ? 4 : 0;
            k->to_len = kv > 1 ? 6 : 0;
            memset(k->from, 0x11, sizeof k->from);
            memset(k->to, 0x99, sizeof k->to);
            assert_int_equal(lab_first_make(&l), 0);
            send_message("plain key", "first", lab_first(&l));
        }
    }
}

static void add_others(void)
{
    static struct lab l;
    uint8_t buf[256];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    uint8_t cs;

    for (uint8_t g = MU_MIKEY_OAKLEY_1; g <= MU_MIKEY_OAKLEY_2; g++) {
        lab_init(&l, LAB_DHSIGN);
        l.i.group = g;
        l.i.scheme = MU_MIKEY_RSA_PSS;
        assert_int_equal(lab_first_make(&l), 0);
        send_message("other group", "first", lab_first(&l));
    }
    lab_init(&l, LAB_PSK);
    l.i.encr = MU_MIKEY_ENCR_AES_KW;
    l.i.time.type = MU_MIKEY_NTP;
    assert_int_equal(lab_first_make(&l), 0);
    send_message("AES-KW", "first", lab_first(&l));
    lab_init(&l, LAB_PSK);
    l.i.header.cs_len = 0;
    assert_int_equal(mu_mikey_session_protocol(&l.i, MU_MIKEY_OSCORE,
                                               mu_bytes(NULL, 0), &cs),
                     0);
    assert_int_equal(lab_first_make(&l), 0);
    send_message(GENERIC, "first", lab_first(&l));
    lab_init(&l, LAB_PSK);
    assert_int_equal(lab_first_make(&l), 0);
    assert_int_equal(lab_first_take(&l, lab_first(&l)), 0);
    assert_int_equal(
        mu_mikey_error_create(crypto, &l.r, MU_MIKEY_E_SP_PARAM, &w), 0);
    send_message("error", "", mu_written(&w));
}

static void add_mbms(void)
{
    struct mu_mbms_muk muk = {.counter = 41};
    struct mu_mbms_msk msk = {.domain = {0x26, 0x2f, 0x01},
                              .group = 0x0102,
                              .number = 0x0304,
                              .seq_low = 5,
                              .seq_high = 9,
                              .csb = 0xfedcba98,
                              .next = 5};
    struct mu_mbms_mtk mtk = {.salt_len = MU_MIKEY_SALT_LEN};
    struct mu_mikey_session s;
    uint8_t buf[512];
    struct mu_writer w = mu_writer(buf, sizeof buf);
    const struct mu_bytes key = mu_bytes_str("0123456789abcdef");

    assert_int_equal(mu_secret_set(&muk.key, key), 0);
    assert_int_equal(mu_secret_set(&msk.key, key), 0);
    assert_int_equal(mu_secret_set(&mtk.key, key), 0);
    assert_int_equal(mu_mikey_name_set(&muk.idi, MU_MIKEY_NAI,
                                       mu_bytes_str("bm-sc.example")),
                     0);
    assert_int_equal(mu_mikey_name_set(&muk.idr, MU_MIKEY_NAI,
                                       mu_bytes_str("d1@example")),
                     0);
    assert_int_equal(mu_mbms_msk_create(crypto, &muk, &msk, true, &s, &w), 0);
    send_message("MSK", "", mu_written(&w));
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_mikey_verify_create(crypto, &s, &w), 0);
    send_message("MSK", "verification", mu_written(&w));
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_mbms_mtk_create(crypto, &msk, &mtk, &w), 0);
    send_message("MTK", "", mu_written(&w));
}

/* As server and devices make them: names, ids, RAND and CSB of the programs. */
static void add_service(void)
{
    static const uint8_t connection[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct mu_kid kid = {MU_KEY_KB, 7, 0x0000000300000005u};
    struct mu_mbms_muk muk = {.counter = 0};
    struct mu_mbms_mtk mtk = {.salt_len = 0};
    struct mu_mbms_msk msk;
    struct mu_mikey_session s;
    struct mu_secret kmc, key;
    uint8_t buf[512];
    struct mu_writer w = mu_writer(buf, sizeof buf);

    assert_int_equal(
        mu_secret_set(&kmc, mu_bytes_str("0123456789abcdef0123456789abcdef")),
        0);
    assert_int_equal(mu_secret_set(&key, mu_bytes_str("fedcba9876543210")), 0);
    assert_int_equal(mu_mbms_muk_make(crypto, &kmc, &muk.key), 0);
    assert_int_equal(mu_mbms_muk_names(mu_bytes_str("muster.example"),
                                       connection, &muk), 0);
    assert_int_equal(mu_mbms_msk_make(crypto, &kid, &key, &msk), 0);
    assert_int_equal(mu_mbms_msk_create(crypto, &muk, &msk, false, &s, &w), 0);
    send_message("MSK", "of a group", mu_written(&w));
    mtk.key = key;
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_mbms_mtk_create(crypto, &msk, &mtk, &w), 0);
    send_message("MTK", "of a group", mu_written(&w));
}

/* A message whose crypto sessions are of map GENERIC-ID, without them: tshark
 * then reads the payloads behind. */
static struct mu_bytes without_sessions(struct mu_bytes in, uint8_t *to)
{
    struct mu_mikey_message m;
    struct mu_mikey_header bare;
    struct mu_mikey_writer head;
    struct mu_writer w = mu_writer(to, MU_MIKEY_MESSAGE_MAX);
    size_t at;

    assert_int_equal(mu_mikey_parse(in, &m), 0);
    if (m.header.map != MU_MIKEY_MAP_GENERIC)
        return in;
    mu_mikey_begin(&head, &w, &m.header);
    at = w.len; /* of the header as it is */
    bare = m.header;
    bare.map = MU_MIKEY_MAP_EMPTY;
    bare.cs_len = 0;
    w = mu_writer(to, MU_MIKEY_MESSAGE_MAX);
    mu_mikey_begin(&head, &w, &bare);
    to[head.next_at] = m.payloads[0].type;
    mu_write_bytes(&w, mu_bytes(in.data + at, in.len - at));
    return mu_written(&w);
}

static void send_bare(uint8_t method, const char *what, struct mu_bytes msg)
{
    uint8_t to[MU_MIKEY_MESSAGE_MAX];
    char name[32];

    snprintf(name, sizeof name, "exchange %s", mu_exchange_method_name(method));
    send_message(name, what, without_sessions(msg, to));
}

/* The key exchanges of server and devices, by the code that they run. */
static void add_programs(void)
{
    static const uint8_t protocols[] = {MU_MIKEY_OSCORE, MU_MIKEY_HOP,
                                        MU_MIKEY_MBMS};
    static uint8_t asked[MU_EXCHANGE_PAYLOAD_MAX], message[4096];
    static uint8_t told[MU_EXCHANGE_PAYLOAD_MAX];

    for (uint8_t m = 0; m < MU_EXCHANGE_METHOD_COUNT; m++) {
        const struct mu_secret kx = {.bytes = {m, 2, 3}, .len = 32};
        uint32_t counters[2] = {0, 0};
        struct mu_exchange_end node = {
            .crypto = crypto, .pk = &lab_initiator()->pk,
            .node = mu_bytes_str("i@m2m.example"),
            .server = mu_bytes_str("r@m2m.example"), .kx = &kx,
            .counter = &counters[0], .protocols = MU_BYTES(protocols)};
        struct mu_exchange_end server = node;
        struct mu_exchange_pending pending;
        struct mu_exchange_keys keys;
        struct mu_writer room = mu_writer(message, MU_EXCHANGE_MESSAGE_MAX);
        struct mu_writer w = mu_writer(asked, sizeof asked);

        server.pk = &lab_responder()->pk;
        server.counter = &counters[1];
        assert_int_equal(mu_exchange_ask(&node, m, &pending, &room, &w), 0);
        if (room.len > 0)
            send_bare(m, "of the node", mu_written(&room));
        room = mu_writer(message, MU_EXCHANGE_MESSAGE_MAX);
        struct mu_writer v = mu_writer(told, sizeof told);
        assert_int_equal(mu_exchange_answer(&server, MU_EXCHANGE_ANY,
                                            mu_written(&w), &room, &v, &keys),
                         0);
        send_bare(m, "of the server", mu_written(&room));
    }
}

static void fields(void **state)
{
    char folder[] = "/tmp/muster-mikey-XXXXXX";
    char path[64];
    char command[160];
    FILE *shown;

    (void)state;
    if (system("tshark --version >/dev/null 2>&1") != 0) {
        print_message("skipped: no tshark\n");
        skip();
    }
    add_exchanges();
    add_plain_keys();
    add_others();
    add_mbms();
    add_service();
    add_programs();
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.pcap", folder);
    write_capture(path);
    snprintf(command, sizeof command,
             "timeout 40 tshark -n -r %s -T pdml 2>/dev/null", path);
    shown = popen(command, "r");
    assert_non_null(shown);
    compare(shown);
    assert_int_equal(pclose(shown), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static int setup(void **state)
{
    (void)state;
    crypto = mu_crypto_openssl();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    lab_ends_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fields)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
