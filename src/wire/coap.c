/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP: messages and datagrams (RFC 7252 s.3). */
#include "muster/coap.h"

#define COAP_VERSION 1
#define COAP_MARKER 0xff /* before a payload (s.3) */

/* s.3: classes 1, 6 and 7 are reserved. */
static bool code_valid(uint8_t code)
{
    unsigned class = MU_COAP_CLASS(code);

    return class == 0 || (class >= 2 && class <= 5);
}

/* s.4.2, s.4.3: what each type may carry. */
static bool type_valid(enum mu_coap_type type, uint8_t code)
{
    switch (type) {
    case MU_COAP_CON:
        return true;
    case MU_COAP_NON:
        return code != MU_COAP_EMPTY;
    case MU_COAP_ACK:
        return !mu_coap_is_request(code);
    case MU_COAP_RST:
        return code == MU_COAP_EMPTY;
    }
    return false;
}

int mu_coap_decode(struct mu_bytes in, struct mu_coap_pdu *pdu)
{
    struct mu_reader r = mu_reader(in);
    struct mu_coap_opt opt;

    *pdu = (struct mu_coap_pdu){0};
    uint8_t first = mu_read_u8(&r);
    uint8_t code = mu_read_u8(&r);
    pdu->mid = mu_read_u16(&r);
    if (r.failed)
        return MU_ERR_TRUNCATED;
    if (first >> 6 != COAP_VERSION)
        return MU_ERR_UNSUPPORTED;
    pdu->type = (enum mu_coap_type)(first >> 4 & 3u);
    pdu->token_len = first & 15u;
    pdu->msg.code = code;
    /* 9 to 15 are reserved: a format error (s.3). */
    if (pdu->token_len > MU_COAP_TOKEN_MAX)
        return MU_ERR_MALFORMED;
    if (!code_valid(code) || !type_valid(pdu->type, code))
        return MU_ERR_MALFORMED;
    /* s.4.1: an empty message ends with its message id. */
    if (code == MU_COAP_EMPTY) {
        bool ends = pdu->token_len == 0 && in.len == MU_COAP_HEADER_LEN;
        return ends ? 0 : MU_ERR_MALFORMED;
    }
    mu_read_copy(&r, pdu->token, pdu->token_len);
    if (r.failed)
        return MU_ERR_TRUNCATED;

    struct mu_bytes rest = mu_reader_rest(&r);
    struct mu_coap_iter it = mu_coap_iter(rest);
    while (mu_coap_iter_next(&it, &opt)) {
    }
    pdu->msg.options = mu_bytes(rest.data, it.r.pos);
    if (!it.failed)
        return 0;
    /* The walk stops in front of the option it cannot read; the payload
     * marker is one such (delta and length 15). */
    if (rest.data[it.r.pos] != COAP_MARKER || rest.len - it.r.pos < 2) {
        *pdu = (struct mu_coap_pdu){0};
        return MU_ERR_MALFORMED;
    }
    pdu->msg.payload = mu_bytes(rest.data + it.r.pos + 1,
                                rest.len - it.r.pos - 1);
    return 0;
}

int mu_coap_encode(const struct mu_coap_pdu *pdu, struct mu_writer *w)
{
    const struct mu_coap_msg *msg = &pdu->msg;
    struct mu_writer draft = *w;

    if (pdu->token_len > MU_COAP_TOKEN_MAX || !code_valid(msg->code)
        || !type_valid(pdu->type, msg->code)
        || mu_coap_options_check(msg->options) != 0)
        return MU_ERR_USAGE;
    if (msg->code == MU_COAP_EMPTY
        && (pdu->token_len != 0 || msg->options.len != 0
            || msg->payload.len != 0))
        return MU_ERR_USAGE;
    mu_write_u8(&draft, (uint8_t)(COAP_VERSION << 6 | (unsigned)pdu->type << 4
                                  | pdu->token_len));
    mu_write_u8(&draft, msg->code);
    mu_write_u16(&draft, pdu->mid);
    mu_write_bytes(&draft, mu_bytes(pdu->token, pdu->token_len));
    mu_write_bytes(&draft, msg->options);
    if (msg->payload.len != 0) {
        mu_write_u8(&draft, COAP_MARKER);
        mu_write_bytes(&draft, msg->payload);
    }
    int rc = mu_writer_end(&draft);
    if (rc == 0)
        *w = draft;
    return rc;
}

struct code_row {
    uint8_t code;
    const char *name;
};

static const struct code_row code_rows[] = {
    {MU_COAP_EMPTY, "Empty"},
    {MU_COAP_GET, "GET"},
    {MU_COAP_POST, "POST"},
    {MU_COAP_PUT, "PUT"},
    {MU_COAP_DELETE, "DELETE"},
    {MU_COAP_FETCH, "FETCH"},
    {MU_COAP_PATCH, "PATCH"},
    {MU_COAP_IPATCH, "iPATCH"},
    {MU_COAP_CREATED, "2.01 Created"},
    {MU_COAP_DELETED, "2.02 Deleted"},
    {MU_COAP_VALID, "2.03 Valid"},
    {MU_COAP_CHANGED, "2.04 Changed"},
    {MU_COAP_CONTENT, "2.05 Content"},
    {MU_COAP_CONTINUE, "2.31 Continue"},
    {MU_COAP_BAD_REQUEST, "4.00 Bad Request"},
    {MU_COAP_UNAUTHORIZED, "4.01 Unauthorized"},
    {MU_COAP_BAD_OPTION, "4.02 Bad Option"},
    {MU_COAP_FORBIDDEN, "4.03 Forbidden"},
    {MU_COAP_NOT_FOUND, "4.04 Not Found"},
    {MU_COAP_METHOD_NOT_ALLOWED, "4.05 Method Not Allowed"},
    {MU_COAP_NOT_ACCEPTABLE, "4.06 Not Acceptable"},
    {MU_COAP_INCOMPLETE, "4.08 Request Entity Incomplete"},
    {MU_COAP_CONFLICT, "4.09 Conflict"},
    {MU_COAP_PRECONDITION_FAILED, "4.12 Precondition Failed"},
    {MU_COAP_TOO_LARGE, "4.13 Request Entity Too Large"},
    {MU_COAP_UNSUPPORTED_FORMAT, "4.15 Unsupported Content-Format"},
    {MU_COAP_TOO_MANY_REQUESTS, "4.29 Too Many Requests"},
    {MU_COAP_INTERNAL_ERROR, "5.00 Internal Server Error"},
    {MU_COAP_NOT_IMPLEMENTED, "5.01 Not Implemented"},
    {MU_COAP_BAD_GATEWAY, "5.02 Bad Gateway"},
    {MU_COAP_UNAVAILABLE, "5.03 Service Unavailable"},
    {MU_COAP_GATEWAY_TIMEOUT, "5.04 Gateway Timeout"},
};

const char *mu_coap_code_name(uint8_t code)
{
    for (size_t i = 0; i < sizeof code_rows / sizeof code_rows[0]; i++) {
        if (code_rows[i].code == code)
            return code_rows[i].name;
    }
    return "?";
}
