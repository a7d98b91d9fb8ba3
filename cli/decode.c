/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode: any Muster message as readable text. No key is asked for, so
 * tags and signatures are shown, not checked.
 */
#include "cli/decode.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/cast.h"
#include "muster/cbor.h"
#include "muster/coap.h"
#include "muster/cose.h"
#include "muster/keys.h"

#define INPUT_MAX (1u << 20)

static const char HELP[] =
    "muster decode - a message of the wire as readable text\n"
    "\n"
    "usage: muster decode FILE|-\n"
    "\n"
    "FILE holds one message, as bytes or as hex: a cast packet, an announce\n"
    "object, a CBOR payload, or a CoAP datagram. Nothing secret is needed:\n"
    "tags and signatures are shown, not checked.\n"
    "exit code: 0 decoded, 1 not a message of ours\n";

/* ---- bytes and CBOR ----------------------------------------------------- */

static void show_hex(struct mu_bytes b)
{
    fputs("h'", stdout);
    for (size_t i = 0; i < b.len; i++)
        printf("%02x", b.data[i]);
    putchar('\'');
}

static void show_indent(int depth)
{
    printf("%*s", 2 * depth, "");
}

static void show_text(struct mu_bytes b)
{
    putchar('"');
    for (size_t i = 0; i < b.len; i++) {
        if (b.data[i] < ' ' || b.data[i] == '"' || b.data[i] == '\\' ||
            b.data[i] == 0x7f)
            printf("\\u%04x", b.data[i]);
        else
            putchar(b.data[i]);
    }
    putchar('"');
}

/* n stands for -1 - n, which may have 65 bits. */
static void show_negative(uint64_t n)
{
    if (n == UINT64_MAX)
        fputs("-18446744073709551616", stdout);
    else
        printf("-%" PRIu64, n + 1);
}

static void show_item(struct mu_reader *r, int depth);

static void show_array(struct mu_reader *r, int depth)
{
    size_t n = mu_cbor_get_array(r);
    puts("[");
    for (size_t i = 0; i < n && !r->failed; i++) {
        show_indent(depth + 1);
        show_item(r, depth + 1);
        puts(i + 1 < n ? "," : "");
    }
    show_indent(depth);
    putchar(']');
}

static void show_map(struct mu_reader *r, int depth)
{
    struct mu_cbor_map m = mu_cbor_get_map(r);
    struct mu_bytes key;
    puts("{");
    while (mu_cbor_map_next_any(r, &m, &key)) {
        struct mu_reader k = mu_reader(key);
        show_indent(depth + 1);
        show_item(&k, depth + 1);
        fputs(": ", stdout);
        show_item(r, depth + 1);
        puts(m.left > 0 ? "," : "");
    }
    show_indent(depth);
    putchar('}');
}

/* Diagnostic notation (RFC 8949 s.8). */
static void show_item(struct mu_reader *r, int depth)
{
    if (depth > MU_CBOR_DEPTH_MAX) {
        mu_reader_fail(r);
        return;
    }
    switch (mu_cbor_peek(r)) {
    case MU_CBOR_UINT: printf("%" PRIu64, mu_cbor_get_uint(r)); break;
    case MU_CBOR_NINT: show_negative(mu_cbor_get_nint(r)); break;
    case MU_CBOR_BSTR: show_hex(mu_cbor_get_bstr(r)); break;
    case MU_CBOR_TSTR: show_text(mu_cbor_get_tstr(r)); break;
    case MU_CBOR_ARRAY: show_array(r, depth); break;
    case MU_CBOR_MAP: show_map(r, depth); break;
    case MU_CBOR_TAG:
        printf("%" PRIu64 "(", mu_cbor_get_tag(r));
        show_item(r, depth + 1);
        putchar(')');
        break;
    case MU_CBOR_BOOL: fputs(mu_cbor_get_bool(r) ? "true" : "false", stdout);
        break;
    case MU_CBOR_NULL:
        mu_cbor_get_null(r);
        fputs("null", stdout);
        break;
    case MU_CBOR_NONE: mu_reader_fail(r); break;
    }
}

static bool cbor_valid(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    if (in.len == 0)
        return false;
    mu_cbor_skip(&r);
    return mu_reader_end(&r) == 0;
}

static void show_cbor(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    show_item(&r, 0);
    putchar('\n');
}

/* ---- announce objects --------------------------------------------------- */

struct names {
    const char *const *of; /* by key; NULL: none */
    int64_t len;
};

/* docs/wire-format.md s.5.1, s.5.2, s.3 */
static const char *const manifest_names[] = {
    "kind",       "campaign", "group",   "version",        "size",
    "digest",     "shape",    "roots",   "session",        "kid",
    "content key, wrapped",   "name",    "Kb is to be had", "server epoch",
    "downgrade",  "edition",  "may be re-protected",
};
static const char *const relay_names[] = {
    NULL, "manifest as signed", NULL, NULL, NULL, NULL, "shape", "roots",
    "session", "kid", "content key, wrapped",
};
static const char *const connect_names[] = {
    NULL, "nonce of the node", "highest epoch seen", "capabilities",
    "gateway",
};

#define NAMES(a) ((struct names){a, (int64_t)(sizeof a / sizeof a[0])})

/* Message 1 of connect and the relay manifest are both COSE_Mac0; the key id
 * of the one is an identity, of the other a kid. */
static struct names names_of(const struct mu_cose *m)
{
    if (m->kind == MU_COSE_SIGN1)
        return NAMES(manifest_names);
    if (m->kid.len == MU_KID_LEN && m->kid.data[0] == MU_KEY_KG)
        return NAMES(relay_names);
    return NAMES(connect_names);
}

static void show_field(struct names names, int64_t key, struct mu_reader *r)
{
    if (key >= 0 && key < names.len && names.of[key] != NULL)
        printf("  %-22s ", names.of[key]);
    else
        printf("  field %-16" PRId64 " ", key);
    show_item(r, 1);
    putchar('\n');
}

static void show_cose(struct mu_bytes in)
{
    struct mu_cose m;
    if (mu_cose_decode(in, &m) != 0) {
        show_cbor(in);
        return;
    }
    printf("%s, alg %d\nkid       ",
           m.kind == MU_COSE_SIGN1  ? "COSE_Sign1"
           : m.kind == MU_COSE_MAC0 ? "COSE_Mac0"
                                    : "COSE_Encrypt0",
           (int)m.alg);
    show_hex(m.kid);
    fputs("\nproof     ", stdout);
    show_hex(m.proof);
    putchar('\n');
    if (!cbor_valid(m.content)) {
        fputs("content   ", stdout);
        show_hex(m.content);
        putchar('\n');
        return;
    }
    struct mu_reader r = mu_reader(m.content);
    if (mu_cbor_peek(&r) != MU_CBOR_MAP) {
        show_cbor(m.content);
        return;
    }
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    int64_t key;
    puts("payload");
    while (mu_cbor_map_next(&r, &map, &key))
        show_field(names_of(&m), key, &r);
}

/* ---- cast packets ------------------------------------------------------- */

static void show_tag(struct mu_reader *r)
{
    fputs("tag       ", stdout);
    show_hex(mu_read_bytes(r, MU_TAG_LEN));
    putchar('\n');
}

static void show_bits(struct mu_bytes b)
{
    fputs("bitmap    ", stdout);
    show_hex(b);
    putchar('\n');
}

static struct mu_bytes before_tag(struct mu_reader *r)
{
    size_t left = mu_reader_left(r);
    return mu_read_bytes(r, left < MU_TAG_LEN ? 0 : left - MU_TAG_LEN);
}

static void show_data(struct mu_reader *r)
{
    printf("page      %u\n", mu_read_u16(r));
    printf("index     %u\n", mu_read_u8(r));
    printf("symbol    %zu bytes ", mu_reader_left(r));
    show_hex(mu_reader_rest(r));
    putchar('\n');
}

static void show_announce(struct mu_reader *r)
{
    fputs("object id ", stdout);
    show_hex(mu_read_bytes(r, 4));
    unsigned index = mu_read_u8(r);
    unsigned count = mu_read_u8(r);
    printf("\nfragment  %u of %u\n", index + 1, count);
    show_tag(r);
    printf("bytes     %zu ", mu_reader_left(r));
    show_hex(mu_reader_rest(r));
    putchar('\n');
}

static void show_poll(struct mu_reader *r)
{
    printf("page      %u\n", mu_read_u16(r));
    printf("round     %u\n", mu_read_u8(r));
    unsigned flags = mu_read_u8(r);
    printf("flags     %02x%s%s%s\n", flags, flags & 1 ? " everybody" : "",
           flags & 2 ? " with-bitmap" : "", flags & 4 ? " who-asked" : "");
    printf("sent      %u\n", mu_read_u8(r));
    printf("window    %u ms\n", mu_read_u16(r));
    printf("kg        %u\n", mu_read_u8(r));
    show_tag(r);
}

static void show_need(struct mu_reader *r)
{
    printf("receiver  %u\n", mu_read_u16(r));
    printf("page      %u\n", mu_read_u16(r));
    printf("round     %u\n", mu_read_u8(r));
    printf("need      %u\n", mu_read_u8(r));
    show_bits(before_tag(r));
    show_tag(r);
}

static void show_states(unsigned state)
{
    printf("state     %02x%s%s%s%s%s\n", state,
           state & MU_STATE_RECEIVED ? " received" : "",
           state & MU_STATE_VERIFIED ? " verified" : "",
           state & MU_STATE_INSTALLED ? " installed" : "",
           state & MU_STATE_RUNNING ? " running" : "",
           state & MU_STATE_FAILED ? " failed" : "");
}

static void show_census(struct mu_reader *r)
{
    show_states(mu_read_u8(r));
    printf("round     %u\n", mu_read_u8(r));
    printf("window    %u ms\n", mu_read_u16(r));
    printf("base      %u\n", mu_read_u16(r));
    printf("kg        %u\n", mu_read_u8(r));
    show_bits(before_tag(r));
    show_tag(r);
}

static void show_status(struct mu_reader *r)
{
    printf("receiver  %u\n", mu_read_u16(r));
    show_states(mu_read_u8(r));
    unsigned reason = mu_read_u8(r);
    printf("reason    %u%s%s\n", reason, reason != 0 ? " " : "",
           reason != 0 ? mu_err_text(-(int)reason) : "");
    fputs("ack       ", stdout);
    show_hex(mu_read_bytes(r, MU_ACK_LEN));
    putchar('\n');
    show_tag(r);
}

static bool show_cast(struct mu_bytes in)
{
    static const struct {
        const char *name;
        void (*show)(struct mu_reader *r);
    } kinds[] = {
        {"DATA", show_data}, {"ANNOUNCE", show_announce}, {"POLL", show_poll},
        {"NEED", show_need}, {"CENSUS", show_census},     {"STATUS", show_status},
    };
    struct mu_reader r = mu_reader(in);
    unsigned kind = mu_read_u8(&r);
    if (kind != MU_CAST_PARITY &&
        (kind < MU_CAST_DATA || kind > MU_CAST_STATUS))
        return false;
    size_t at = kind == MU_CAST_PARITY ? 0 : kind - MU_CAST_DATA;
    printf("cast %s, %zu bytes\n",
           kind == MU_CAST_PARITY ? "PARITY" : kinds[at].name, in.len);
    printf("session   %u\n", mu_read_u8(&r));
    kinds[at].show(&r);
    if (mu_reader_end(&r) != 0)
        puts("(not well formed: too short or too long)");
    return mu_reader_end(&r) == 0;
}

/* ---- CoAP ---------------------------------------------------------------- */

static bool show_coap(struct mu_bytes in)
{
    struct mu_coap_pdu pdu;
    struct mu_coap_opt opt;
    if (mu_coap_decode(in, &pdu) != 0)
        return false;
    printf("CoAP %u.%02u, type %d, message id %u, token ",
           pdu.msg.code >> 5, pdu.msg.code & 31u, (int)pdu.type, pdu.mid);
    show_hex(mu_bytes(pdu.token, pdu.token_len));
    putchar('\n');
    struct mu_coap_iter it = mu_coap_iter(pdu.msg.options);
    while (mu_coap_iter_next(&it, &opt)) {
        printf("option %-4u ", opt.number);
        if (opt.number == MU_COAP_URI_PATH)
            show_text(opt.value);
        else
            show_hex(opt.value);
        putchar('\n');
    }
    if (pdu.msg.payload.len == 0)
        return true;
    puts("payload");
    if (cbor_valid(pdu.msg.payload))
        show_cose(pdu.msg.payload);
    else
        show_hex(pdu.msg.payload);
    putchar('\n');
    return true;
}

/* ---- the verb ------------------------------------------------------------ */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex, with any white space, becomes bytes in place; false when it is not. */
static bool unhex(uint8_t *text, size_t *len)
{
    size_t digits = 0;
    for (size_t i = 0; i < *len; i++) {
        if (isspace(text[i]))
            continue;
        if (hex_value(text[i]) < 0)
            return false;
        digits++;
    }
    if (digits == 0 || digits % 2 != 0)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < *len; i++) {
        if (isspace(text[i]))
            continue;
        uint8_t v = (uint8_t)hex_value(text[i]);
        if (n % 2 == 0)
            text[n / 2] = (uint8_t)(v << 4);
        else
            text[n / 2] = (uint8_t)(text[n / 2] | v);
        n++;
    }
    *len = n / 2;
    return true;
}

/* Deterministic CBOR first: what is whole CBOR is hardly anything else. A
 * cast packet starts with 40..48, which as CBOR is a short byte string. */
static bool decode(struct mu_bytes in)
{
    if (in.len > 8 && in.data[0] >= MU_CAST_DATA &&
        in.data[0] <= MU_CAST_PARITY && !cbor_valid(in))
        return show_cast(in);
    if (cbor_valid(in)) {
        show_cose(in);
        return true;
    }
    return show_coap(in);
}

int verb_decode(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(HELP, stdout);
        return 0;
    }
    if (argc != 2) {
        fputs("muster decode: name one file, or - for standard input\n",
              stderr);
        return 1;
    }
    FILE *f = strcmp(argv[1], "-") == 0 ? stdin : fopen(argv[1], "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    if (f == NULL || bytes == NULL) {
        fprintf(stderr, "muster decode: %s cannot be read\n", argv[1]);
        free(bytes);
        return 1;
    }
    size_t len = fread(bytes, 1, INPUT_MAX, f);
    if (f != stdin)
        fclose(f);
    (void)unhex(bytes, &len);
    bool good = len > 0 && decode(mu_bytes(bytes, len));
    if (!good)
        fputs("muster decode: not a message of ours\n", stderr);
    free(bytes);
    return good ? 0 : 1;
}
