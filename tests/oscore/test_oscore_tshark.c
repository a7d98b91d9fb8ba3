/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSCORE against tshark: exchanges that we protected, in a capture file, which
 * tshark decrypts with the master secret and shows as we wrote them. Skipped,
 * with a word, where tshark is not installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/oscore.h"

#define EXCHANGES 24
#define LINKTYPE_RAW 101
#define PORT_CLIENT 40000
#define PORT_SERVER 5683
#define SECRET "0102030405060708090a0b0c0d0e0f10"
#define SALT "9e7ca92223786340"
#define KCTX "37cbf3210017a2d3"

static const struct mu_crypto *crypto;

static struct mu_bytes unhex(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;

    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return mu_bytes(out, len);
}

static void le32(uint8_t *to, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

/* One datagram as a packet of the capture, in IPv4 and UDP. */
static void capture(FILE *file, bool request, const struct mu_coap_pdu *pdu)
{
    uint8_t packet[600];
    uint8_t record[16] = {0};
    struct mu_writer w = mu_writer(packet, sizeof packet);
    struct mu_writer lens[2];
    static unsigned seconds;

    mu_write_u16(&w, 0x4500);
    lens[0] = w;
    mu_write_u16(&w, 0);
    mu_write_u32(&w, 0);
    mu_write_u32(&w, 0x40110000); /* hops 64, UDP, no checksum */
    mu_write_u32(&w, request ? 0x7f000001 : 0x7f000002);
    mu_write_u32(&w, request ? 0x7f000002 : 0x7f000001);
    mu_write_u16(&w, request ? PORT_CLIENT : PORT_SERVER);
    mu_write_u16(&w, request ? PORT_SERVER : PORT_CLIENT);
    lens[1] = w;
    mu_write_u16(&w, 0);
    mu_write_u16(&w, 0);
    assert_int_equal(mu_coap_encode(pdu, &w), 0);
    mu_write_u16(&lens[0], (uint16_t)w.len);
    mu_write_u16(&lens[1], (uint16_t)(w.len - 20));
    le32(record, seconds++);
    le32(record + 8, (uint32_t)w.len);
    le32(record + 12, (uint32_t)w.len);
    assert_int_equal(fwrite(record, sizeof record, 1, file), 1);
    assert_int_equal(fwrite(packet, w.len, 1, file), 1);
}

/* What tshark must print for a packet: inner code, path, payload in hex. */
struct expected {
    uint8_t code;
    char path[32];
    char payload[200];
};

static void expect(struct expected *e, uint8_t code, const char *path,
                   struct mu_bytes payload)
{
    e->code = code;
    snprintf(e->path, sizeof e->path, "%s", path);
    e->payload[0] = '\0';
    for (size_t i = 0; i < payload.len; i++)
        snprintf(e->payload + 2 * i, 3, "%02x", payload.data[i]);
}

/* Protects exchange i, both ways, and writes it down. */
static void exchange(FILE *file, unsigned i, struct mu_oscore *client,
                     struct mu_oscore *server, struct expected *want)
{
    uint8_t options[64];
    uint8_t payload[80];
    uint8_t buf[300];
    uint8_t got[300];
    struct mu_writer w = mu_writer(options, sizeof options);
    struct mu_coap_opts o = mu_coap_opts(&w);
    struct mu_oscore_request asked;
    struct mu_oscore_request answered;
    struct mu_coap_msg back;
    char path[16];
    struct mu_coap_pdu pdu = {.type = MU_COAP_CON,
                              .mid = (uint16_t)(100 + i),
                              .token = {1, 2, (uint8_t)i},
                              .token_len = 3};

    memset(payload, (int)(0x30 + i), sizeof payload);
    snprintf(path, sizeof path, "node-%u", i);
    if (i % 3 == 0)
        mu_coap_put_opt(&o, MU_COAP_URI_HOST, mu_bytes_str("localhost"));
    mu_coap_put_path(&o, path);
    mu_coap_put_uint(&o, MU_COAP_CONTENT_FORMAT, MU_COAP_FORMAT_OCTETS);
    struct mu_coap_msg in = {(uint8_t)(MU_COAP_GET + i % 4),
                             mu_coap_opts_written(&o),
                             mu_bytes(payload, 3 * (i % 7))};
    expect(&want[0], in.code, path, in.payload);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_oscore_protect_request(client, crypto, &in, &w,
                                               &pdu.msg, &asked),
                     0);
    capture(file, true, &pdu);
    w = mu_writer(got, sizeof got);
    assert_int_equal(mu_oscore_unprotect_request(server, crypto, &pdu.msg, &w,
                                                 &back, &answered),
                     0);

    in = (struct mu_coap_msg){MU_COAP_CONTENT, {NULL, 0},
                              mu_bytes(payload, 1 + i)};
    expect(&want[1], in.code, "", in.payload);
    w = mu_writer(buf, sizeof buf);
    assert_int_equal(mu_oscore_protect_response(server, crypto, &in,
                                                i % 2 == 0, &answered, &w,
                                                &pdu.msg),
                     0);
    pdu.type = MU_COAP_ACK;
    capture(file, false, &pdu);
}

static void write_capture(const char *path, bool has_context,
                          struct expected *want)
{
    static const uint8_t server_id = 1;
    uint8_t head[24] = {0};
    uint8_t secret[16];
    uint8_t salt[8];
    uint8_t kctx[8];
    struct mu_oscore client;
    struct mu_oscore server;
    struct mu_oscore_params p = {.master_secret = unhex(SECRET, secret),
                                 .master_salt = unhex(SALT, salt),
                                 .recipient_id = mu_bytes(&server_id, 1),
                                 .has_id_context = has_context,
                                 .id_context = unhex(KCTX, kctx)};
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    le32(head, 0xa1b2c3d4);
    head[4] = 2;
    head[6] = 4;
    le32(head + 16, 65535);
    le32(head + 20, LINKTYPE_RAW);
    assert_int_equal(fwrite(head, sizeof head, 1, file), 1);
    assert_int_equal(mu_oscore_init(&client, crypto, &p), 0);
    p.sender_id = p.recipient_id;
    p.recipient_id = mu_bytes(NULL, 0);
    assert_int_equal(mu_oscore_init(&server, crypto, &p), 0);
    client.seq_next = 250; /* Partial IVs of one byte, then of two */
    for (unsigned i = 0; i < EXCHANGES; i++)
        exchange(file, i, &client, &server, want + 2 * i);
    assert_int_equal(fclose(file), 0);
}

/* "code|path|cipher,plain|" as tshark prints it. */
static void check_line(const char *line, const struct expected *want)
{
    char code[8];
    char path[32];
    char data[512];
    char failed[64];
    const char *at = line;
    char *const cells[] = {code, path, data, failed};
    const size_t sizes[] = {sizeof code, sizeof path, sizeof data,
                            sizeof failed};

    for (size_t i = 0; i < 4; i++) {
        size_t len = strcspn(at, "|\n");
        assert_true(len < sizes[i]);
        memcpy(cells[i], at, len);
        cells[i][len] = '\0';
        at += len + (at[len] == '|');
    }
    assert_string_equal(failed, ""); /* the tag is right */
    assert_int_equal(atoi(code), want->code);
    assert_string_equal(path, want->path);
    const char *comma = strchr(data, ',');
    assert_string_equal(comma == NULL ? "" : comma + 1, want->payload);
}

static void run(bool has_context)
{
    static struct expected want[2 * EXCHANGES];
    char folder[] = "/tmp/muster-oscore-XXXXXX";
    char path[64];
    char command[512];
    char line[2048];
    size_t lines = 0;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/o.pcap", folder);
    write_capture(path, has_context, want);
    snprintf(command, sizeof command,
             "timeout 30 tshark -n -r %s -o 'uat:oscore_contexts:\"\",\"01\","
             "\"" SECRET "\",\"" SALT "\",\"%s\","
             "\"AES-CCM-16-64-128 (CCM*)\"' -T fields -E 'separator=|'"
             " -e oscore.code -e oscore.opt.uri_path -e data.data"
             " -e oscore.tag_check_failed 2>/dev/null",
             path, has_context ? KCTX : "");
    FILE *shown = popen(command, "r");
    assert_non_null(shown);
    while (fgets(line, sizeof line, shown) != NULL) {
        assert_true(lines < 2 * EXCHANGES);
        check_line(line, &want[lines++]);
    }
    assert_int_equal(pclose(shown), 0);
    assert_int_equal(lines, 2 * EXCHANGES);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_tshark(void **state)
{
    (void)state;
    if (system("command -v tshark >/dev/null") != 0) {
        print_message("tshark is not installed: not compared with it\n");
        skip();
    }
    run(false);
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tshark),
    };

    crypto = mu_crypto_openssl();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
