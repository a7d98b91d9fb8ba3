/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode: any Muster message as readable text or JSON. No key is asked
 * for, so tags and signatures are shown, not checked; keys in a message are
 * not shown.
 */
#include "cli/decode.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "muster/cast.h"
#include "muster/cbor.h"
#include "muster/coap.h"
#include "muster/oscore.h"

#define INPUT_MAX (1u << 20)

static const char HELP[] =
    "muster decode - a message of the wire as readable text\n"
    "\n"
    "usage: muster decode [--as FORM] [--json] FILE|-\n"
    "\n"
    "FILE holds one message, as bytes or as hex: a cast packet, an announce\n"
    "object, a payload, a CoAP datagram, a rekey message, a MIKEY message.\n"
    "Nothing secret is needed: tags and signatures are shown, not checked, and\n"
    "keys are left out.\n"
    "  --as FORM  cast, rekey, source, tunnel, tree, mikey, coap or cbor, where\n"
    "             the bytes alone leave it open; or the path of a request (hello,\n"
    "             camp/m, k), with :answer for the answer to it\n"
    "  --json     print JSON\n"
    "\n"
    "exit code: 0 decoded, 1 not a message of ours\n";

/* ---- CoAP ---------------------------------------------------------------- */

static json_t *coap_oscore(struct mu_bytes value)
{
    struct mu_oscore_option o;
    json_t *v = json_object();

    if (mu_oscore_option_decode(value, &o) != 0) {
        json_decref(v);
        return decode_hex(value);
    }
    if (o.piv.len > 0)
        decode_put(v, "partial iv", decode_hex(o.piv));
    if (o.has_kid)
        decode_put(v, "kid", decode_hex(o.kid));
    if (o.has_kid_context)
        decode_put(v, "kid context", decode_hex(o.kid_context));
    return v;
}

static json_t *coap_option(const struct mu_coap_opt *opt)
{
    static const struct {
        unsigned number;
        const char *name;
    } names[] = {
        {MU_COAP_URI_PATH, "Uri-Path"}, {MU_COAP_OSCORE, "OSCORE"},
        {MU_COAP_CONTENT_FORMAT, "Content-Format"}, {MU_COAP_ETAG, "ETag"},
        {MU_COAP_BLOCK1, "Block1"}, {MU_COAP_BLOCK2, "Block2"},
        {MU_COAP_SIZE1, "Size1"}, {MU_COAP_SIZE2, "Size2"},
        {MU_COAP_REQUEST_TAG, "Request-Tag"}, {MU_COAP_ECHO, "Echo"},
        {MU_COAP_MAX_AGE, "Max-Age"}, {MU_COAP_OBSERVE, "Observe"},
    };
    json_t *v = json_object();

    decode_put_number(v, "number", opt->number);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].number == opt->number)
            decode_put(v, "name", json_string(names[i].name));
    }
    decode_put(v, "value",
               opt->number == MU_COAP_URI_PATH  ? decode_text(opt->value)
               : opt->number == MU_COAP_OSCORE ? coap_oscore(opt->value)
                                               : decode_hex(opt->value));
    return v;
}

/* "camp/m" of its Uri-Path options; empty when there are none. */
static void coap_path(struct mu_bytes options, char *path, size_t cap)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;
    size_t len = 0;

    path[0] = 0;
    while (mu_coap_iter_next(&it, &opt)) {
        if (opt.number == MU_COAP_URI_PATH && len < cap)
            len += (size_t)snprintf(path + len, cap - len, "%s%.*s",
                                    len > 0 ? "/" : "", (int)opt.value.len,
                                    (const char *)opt.value.data);
    }
}

/* Does it look like ours? Random bytes sometimes are a CoAP message. */
static bool coap_ours(const struct mu_coap_pdu *pdu)
{
    char path[128];
    struct mu_bytes value;

    if (mu_coap_options_accept(pdu->msg.options) != 0)
        return false;
    if (mu_coap_find(pdu->msg.options, MU_COAP_OSCORE, &value))
        return true;
    coap_path(pdu->msg.options, path, sizeof path);
    return decode_path_known(mu_bytes_str(path));
}

static json_t *coap_show(const struct mu_coap_pdu *pdu, size_t len)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    struct mu_coap_iter it = mu_coap_iter(pdu->msg.options);
    struct mu_coap_opt opt;
    char path[128];
    json_t *v = decode_new("CoAP", len), *options = json_array();
    unsigned code = (unsigned)pdu->msg.code;

    decode_put(v, "type", json_string(types[pdu->type]));
    decode_put(v, "code", json_sprintf("%u.%02u", code >> 5, code & 31u));
    decode_put_number(v, "message id", pdu->mid);
    decode_put(v, "token",
               decode_hex(mu_bytes(pdu->token, pdu->token_len)));
    while (mu_coap_iter_next(&it, &opt))
        json_array_append_new(options, coap_option(&opt));
    decode_put(v, "options", options);
    coap_path(pdu->msg.options, path, sizeof path);
    if (pdu->msg.payload.len > 0)
        decode_put(v, "payload",
                   decode_object(pdu->msg.payload, path, false));
    return v;
}

static json_t *decode_coap(struct mu_bytes in, bool ours)
{
    struct mu_coap_pdu pdu;

    if (mu_coap_decode(in, &pdu) != 0 || (ours && !coap_ours(&pdu)))
        return NULL;
    return coap_show(&pdu, in.len);
}

/* ---- which form ------------------------------------------------------------ */

static json_t *decode_path(struct mu_bytes in, const char *as)
{
    char path[64];
    size_t len = strcspn(as, ":");

    if (len >= sizeof path || !decode_is_cbor(in))
        return NULL;
    memcpy(path, as, len);
    path[len] = 0;
    if (!decode_path_known(mu_bytes_str(path)))
        return NULL;
    return decode_object(in, path, strcmp(as + len, ":answer") == 0);
}

static json_t *decode_as(struct mu_bytes in, const char *as)
{
    if (strcmp(as, "cast") == 0)
        return decode_cast(in);
    if (strcmp(as, "rekey") == 0)
        return decode_rekey(in);
    if (strcmp(as, "source") == 0)
        return decode_source(in);
    if (strcmp(as, "tunnel") == 0)
        return decode_tunnel(in);
    if (strcmp(as, "tree") == 0)
        return decode_tree_message(in);
    if (strcmp(as, "mikey") == 0)
        return decode_mikey(in);
    if (strcmp(as, "coap") == 0)
        return decode_coap(in, false);
    if (strcmp(as, "cbor") == 0)
        return decode_is_cbor(in) ? decode_cbor(in, NULL, false) : NULL;
    return decode_path(in, as);
}

/*
 * A cast packet or a rekey message begins like a short CBOR string, which is
 * never as long as it; and like a CoAP datagram, which is then one of ours. What
 * is whole CBOR otherwise is hardly anything else.
 */
static json_t *decode_guess(struct mu_bytes in)
{
    json_t *v = decode_coap(in, true);

    if (v == NULL && decode_is_cbor(in))
        return decode_object(in, NULL, false);
    if (v == NULL)
        v = decode_cast(in);
    if (v == NULL)
        v = decode_tunnel(in);
    if (v == NULL)
        v = decode_rekey(in);
    if (v == NULL)
        v = decode_source(in);
    if (v == NULL)
        v = decode_tree_message(in);
    if (v == NULL)
        v = decode_mikey(in);
    return v != NULL ? v : decode_coap(in, false);
}

/* ---- the verb ------------------------------------------------------------ */

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex, with any white space, becomes bytes in place; left alone when it is
 * something else. */
static void unhex(uint8_t *text, size_t *len)
{
    size_t digits = 0, n = 0;

    for (size_t i = 0; i < *len; i++) {
        if (isspace(text[i]))
            continue;
        if (hex_value(text[i]) < 0)
            return;
        digits++;
    }
    if (digits == 0 || digits % 2 != 0)
        return;
    for (size_t i = 0; i < *len; i++) {
        if (isspace(text[i]))
            continue;
        uint8_t v = (uint8_t)hex_value(text[i]);
        text[n / 2] = (uint8_t)(n % 2 == 0 ? v << 4 : text[n / 2] | v);
        n++;
    }
    *len = n / 2;
}

static int decode_file(const char *name, const char *as, bool json)
{
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    uint8_t *bytes = malloc(INPUT_MAX);
    json_t *v = NULL;
    size_t len;

    if (f == NULL || bytes == NULL) {
        fprintf(stderr, "muster decode: %s cannot be read\n", name);
        free(bytes);
        return 1;
    }
    len = fread(bytes, 1, INPUT_MAX, f);
    if (f != stdin)
        fclose(f);
    unhex(bytes, &len);
    if (len > 0)
        v = as != NULL ? decode_as(mu_bytes(bytes, len), as)
                       : decode_guess(mu_bytes(bytes, len));
    free(bytes);
    if (v == NULL) {
        fputs("muster decode: not a message of ours\n", stderr);
        return 1;
    }
    if (json) {
        json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        putchar('\n');
    } else {
        decode_print(v);
    }
    json_decref(v);
    return 0;
}

int verb_decode(int argc, char **argv)
{
    static const struct option options[] = {
        {"as", required_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'J'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    const char *as = NULL;
    bool json = false;
    int o;

    optind = 1;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 'a': as = optarg; break;
        case 'J': json = true; break;
        case 'H': fputs(HELP, stdout); return 0;
        default: fputs("try: muster decode --help\n", stderr); return 1;
        }
    }
    if (argc - optind != 1) {
        fputs("muster decode: name one file, or - for standard input\n",
              stderr);
        return 1;
    }
    return decode_file(argv[optind], as, json);
}
