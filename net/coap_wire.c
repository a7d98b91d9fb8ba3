/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP messages to and from libcoap's PDUs. */
#include "net/coap_wire.h"

#include <string.h>

#define CONTENT_FORMAT_CBOR 60 /* RFC 8949 s.9.4 */

static int wire_add(coap_pdu_t *pdu, uint16_t number, const void *value,
                    size_t len)
{
    return coap_add_option(pdu, number, len, value) != 0 ? 0 : MU_ERR_NO_SPACE;
}

static int wire_add_uint(coap_pdu_t *pdu, uint16_t number, uint32_t value)
{
    uint8_t bytes[4];
    size_t len = coap_encode_var_safe(bytes, sizeof(bytes), value);

    return wire_add(pdu, number, bytes, len);
}

static int wire_add_block(coap_pdu_t *pdu, uint16_t number,
                          const struct coap_wire_block *b)
{
    if (!b->set)
        return 0;
    return wire_add_uint(pdu, number,
                         b->num << 4 | (b->more ? 8u : 0u) | b->szx);
}

static int wire_add_path(coap_pdu_t *pdu, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const char *slash = memchr(text + at, '/', len - at);
        size_t part = slash == NULL ? len - at : (size_t)(slash - text) - at;

        if (part > 255)
            return MU_ERR_USAGE; /* RFC 7252 s.5.10 */
        if (wire_add(pdu, COAP_OPTION_URI_PATH, text + at, part) != 0)
            return MU_ERR_NO_SPACE;
        at += part + 1;
    }
    return 0;
}

/* A request without a path: its few bytes are no CBOR (wire-format s.6.3). */
static bool wire_plain(const struct coap_wire *w)
{
    return w->code != 0 && w->code < 0x20 && w->path_len == 0;
}

/* libcoap wants options in the order of their numbers. */
int coap_wire_write(const struct coap_wire *w, coap_pdu_t *pdu)
{
    uint8_t etag[4] = {
        (uint8_t)(w->etag >> 24), (uint8_t)(w->etag >> 16),
        (uint8_t)(w->etag >> 8), (uint8_t)w->etag,
    };
    int rc = 0;

    coap_pdu_set_code(pdu, (coap_pdu_code_t)w->code);
    if (w->etag_set)
        rc = wire_add(pdu, COAP_OPTION_ETAG, etag, sizeof(etag));
    if (rc == 0 && w->oscore)
        rc = wire_add(pdu, COAP_OPTION_OSCORE, w->oscore_value, w->oscore_len);
    if (rc == 0)
        rc = wire_add_path(pdu, w->path_text, w->path_len);
    if (rc == 0 && !w->oscore && w->payload.len > 0 && !wire_plain(w))
        rc = wire_add_uint(pdu, COAP_OPTION_CONTENT_FORMAT,
                           CONTENT_FORMAT_CBOR);
    if (rc == 0)
        rc = wire_add_block(pdu, COAP_OPTION_BLOCK2, &w->block2);
    if (rc == 0)
        rc = wire_add_block(pdu, COAP_OPTION_BLOCK1, &w->block1);
    if (rc == 0 && w->rtag_set)
        rc = wire_add_uint(pdu, COAP_OPTION_RTAG, w->rtag);
    if (rc == 0 && w->payload.len > 0 &&
        !coap_add_data(pdu, w->payload.len, w->payload.data))
        rc = MU_ERR_NO_SPACE;
    return rc;
}

static uint32_t wire_uint(struct mu_bytes v)
{
    return coap_decode_var_bytes(v.data, v.len);
}

static int wire_read_block(struct coap_wire_block *b, struct mu_bytes v)
{
    if (v.len > 3)
        return MU_ERR_MALFORMED;
    uint32_t value = wire_uint(v);

    b->set = true;
    b->num = value >> 4;
    b->more = (value & 8) != 0;
    b->szx = value & 7;
    return b->szx > COAP_WIRE_SZX ? MU_ERR_UNSUPPORTED : 0;
}

static int wire_read_path(struct coap_wire *w, struct mu_bytes v)
{
    /* "/" inside a segment would read as two: no path of ours has one. */
    if (v.len > 0 && memchr(v.data, '/', v.len) != NULL)
        return MU_ERR_MALFORMED;
    if (w->path_len + v.len + 1 >= sizeof(w->path_text))
        return MU_ERR_TOO_LARGE;
    if (w->path_len > 0)
        w->path_text[w->path_len++] = '/';
    if (v.len > 0)
        memcpy(w->path_text + w->path_len, v.data, v.len);
    w->path_len += v.len;
    return 0;
}

static int wire_read_option(struct coap_wire *w, uint16_t number,
                            struct mu_bytes v)
{
    switch (number) {
    case COAP_OPTION_URI_PATH:
        return wire_read_path(w, v);
    case COAP_OPTION_OSCORE:
        if (w->oscore || v.len > sizeof(w->oscore_value))
            return MU_ERR_MALFORMED;
        w->oscore = true;
        w->oscore_len = v.len;
        if (v.len > 0)
            memcpy(w->oscore_value, v.data, v.len);
        return 0;
    case COAP_OPTION_BLOCK1:
        return wire_read_block(&w->block1, v);
    case COAP_OPTION_BLOCK2:
        return wire_read_block(&w->block2, v);
    case COAP_OPTION_ETAG:
        w->etag_set = v.len <= 4;
        w->etag = w->etag_set ? wire_uint(v) : 0;
        return 0;
    case COAP_OPTION_RTAG: /* up to 8 bytes; ours have 4 */
        w->rtag_set = true;
        for (size_t i = 0; i < v.len; i++)
            w->rtag = (w->rtag << 8 | w->rtag >> 24) ^ v.data[i];
        return 0;
    case COAP_OPTION_URI_HOST:
    case COAP_OPTION_URI_PORT:
        return 0;
    default:
        /* RFC 7252 s.5.4.1: odd numbers are critical. */
        return (number & 1) != 0 ? MU_ERR_UNSUPPORTED : 0;
    }
}

int coap_wire_read(struct coap_wire *w, const coap_pdu_t *pdu)
{
    coap_opt_iterator_t at;
    coap_opt_t *option;
    size_t len = 0;
    const uint8_t *data = NULL;

    *w = (struct coap_wire){ .code = (uint8_t)coap_pdu_get_code(pdu) };
    coap_option_iterator_init(pdu, &at, COAP_OPT_ALL);
    while ((option = coap_option_next(&at)) != NULL) {
        struct mu_bytes v = mu_bytes(coap_opt_value(option),
                                     coap_opt_length(option));
        int rc = wire_read_option(w, at.number, v);

        if (rc != 0)
            return rc;
    }
    if (coap_get_data(pdu, &len, &data))
        w->payload = mu_bytes(data, len);
    return 0;
}
