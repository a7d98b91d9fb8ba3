/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP messages (RFC 7252 s.3).
 *
 * struct mu_coap_msg is what engines exchange: code, options, payload. Options
 * stay in their wire encoding (deltas, ascending, no payload marker): one view
 * instead of a table, ordered by construction, walked with an iterator.
 * struct mu_coap_pdu adds what a datagram carries: type, message id, token.
 */
#ifndef MUSTER_COAP_H
#define MUSTER_COAP_H

#include "muster/bytes.h"

#define MU_COAP_CODE(class, detail) ((uint8_t)((class) << 5 | (detail)))
#define MU_COAP_CLASS(code) ((unsigned)(code) >> 5)
#define MU_COAP_DETAIL(code) ((unsigned)(code) & 31u)

/* IANA CoAP codes (RFC 7252 s.12.1, RFC 7959, RFC 8132, RFC 8516). */
enum mu_coap_code {
    MU_COAP_EMPTY = 0x00,
    MU_COAP_GET = 0x01,
    MU_COAP_POST = 0x02,
    MU_COAP_PUT = 0x03,
    MU_COAP_DELETE = 0x04,
    MU_COAP_FETCH = 0x05,
    MU_COAP_PATCH = 0x06,
    MU_COAP_IPATCH = 0x07,
    MU_COAP_CREATED = 0x41,
    MU_COAP_DELETED = 0x42,
    MU_COAP_VALID = 0x43,
    MU_COAP_CHANGED = 0x44,
    MU_COAP_CONTENT = 0x45,
    MU_COAP_CONTINUE = 0x5f,
    MU_COAP_BAD_REQUEST = 0x80,
    MU_COAP_UNAUTHORIZED = 0x81,
    MU_COAP_BAD_OPTION = 0x82,
    MU_COAP_FORBIDDEN = 0x83,
    MU_COAP_NOT_FOUND = 0x84,
    MU_COAP_METHOD_NOT_ALLOWED = 0x85,
    MU_COAP_NOT_ACCEPTABLE = 0x86,
    MU_COAP_INCOMPLETE = 0x88,
    MU_COAP_CONFLICT = 0x89,
    MU_COAP_PRECONDITION_FAILED = 0x8c,
    MU_COAP_TOO_LARGE = 0x8d,
    MU_COAP_UNSUPPORTED_FORMAT = 0x8f,
    MU_COAP_TOO_MANY_REQUESTS = 0x9d,
    MU_COAP_INTERNAL_ERROR = 0xa0,
    MU_COAP_NOT_IMPLEMENTED = 0xa1,
    MU_COAP_BAD_GATEWAY = 0xa2,
    MU_COAP_UNAVAILABLE = 0xa3,
    MU_COAP_GATEWAY_TIMEOUT = 0xa4,
};

enum mu_coap_type {
    MU_COAP_CON,
    MU_COAP_NON,
    MU_COAP_ACK,
    MU_COAP_RST,
};

/* IANA CoAP option numbers. */
enum mu_coap_option {
    MU_COAP_IF_MATCH = 1,
    MU_COAP_URI_HOST = 3,
    MU_COAP_ETAG = 4,
    MU_COAP_IF_NONE_MATCH = 5,
    MU_COAP_OBSERVE = 6,
    MU_COAP_URI_PORT = 7,
    MU_COAP_LOCATION_PATH = 8,
    MU_COAP_OSCORE = 9,
    MU_COAP_URI_PATH = 11,
    MU_COAP_CONTENT_FORMAT = 12,
    MU_COAP_MAX_AGE = 14,
    MU_COAP_URI_QUERY = 15,
    MU_COAP_HOP_LIMIT = 16,
    MU_COAP_ACCEPT = 17,
    MU_COAP_LOCATION_QUERY = 20,
    MU_COAP_BLOCK2 = 23,
    MU_COAP_BLOCK1 = 27,
    MU_COAP_SIZE2 = 28,
    MU_COAP_PROXY_URI = 35,
    MU_COAP_PROXY_SCHEME = 39,
    MU_COAP_SIZE1 = 60,
    MU_COAP_ECHO = 252,
    MU_COAP_NO_RESPONSE = 258,
    MU_COAP_REQUEST_TAG = 292,
};

/* IANA CoAP content formats. */
enum mu_coap_format {
    MU_COAP_FORMAT_TEXT = 0,
    MU_COAP_FORMAT_ENCRYPT0 = 16,
    MU_COAP_FORMAT_MAC0 = 17,
    MU_COAP_FORMAT_SIGN1 = 18,
    MU_COAP_FORMAT_LINK = 40,
    MU_COAP_FORMAT_OCTETS = 42,
    MU_COAP_FORMAT_JSON = 50,
    MU_COAP_FORMAT_CBOR = 60,
};

#define MU_COAP_TOKEN_MAX 8
#define MU_COAP_HEADER_LEN 4

/* A CoAP-level message. Views: whoever made it says how long they live. */
struct mu_coap_msg {
    uint8_t code;
    struct mu_bytes options; /* encoded as in RFC 7252 s.3.1 */
    struct mu_bytes payload; /* empty: none */
};

struct mu_coap_pdu {
    enum mu_coap_type type;
    uint16_t mid;
    uint8_t token[MU_COAP_TOKEN_MAX];
    uint8_t token_len;
    struct mu_coap_msg msg;
};

/* Datagrams. Decode checks the form of everything, options included:
 * MU_ERR_TRUNCATED, MU_ERR_MALFORMED, MU_ERR_UNSUPPORTED (version). Encode:
 * MU_ERR_NO_SPACE, MU_ERR_USAGE for a pdu that cannot be sent as it is. */
MU_MUST int mu_coap_decode(struct mu_bytes in, struct mu_coap_pdu *pdu);
MU_MUST int mu_coap_encode(const struct mu_coap_pdu *pdu,
                           struct mu_writer *w);

/* Writing options: ascending numbers, repeats allowed; a smaller number than
 * the last one fails the writer. The options are mu_written(w) if w began
 * empty, or mu_coap_opts_written. */
struct mu_coap_opts {
    struct mu_writer *w;
    size_t start; /* where in w the options begin */
    uint16_t last;
};

struct mu_coap_opts mu_coap_opts(struct mu_writer *w);
void mu_coap_put_opt(struct mu_coap_opts *o, uint16_t number,
                     struct mu_bytes value);
/* Shortest form, 0 as no bytes at all (RFC 7252 s.3.2). */
void mu_coap_put_uint(struct mu_coap_opts *o, uint16_t number, uint32_t v);
/* "a/b/c" (or "/a/b/c"): a Uri-Path option per segment; "" for none. */
void mu_coap_put_path(struct mu_coap_opts *o, const char *path);
struct mu_bytes mu_coap_opts_written(const struct mu_coap_opts *o);

/* Reading options. Next is false at the end and on a malformed option; failed
 * tells which. Options of a decoded message are always well formed. */
struct mu_coap_opt {
    uint16_t number;
    struct mu_bytes value;
};

struct mu_coap_iter {
    struct mu_reader r;
    uint32_t number;
    bool failed;
};

struct mu_coap_iter mu_coap_iter(struct mu_bytes options);
bool mu_coap_iter_next(struct mu_coap_iter *it, struct mu_coap_opt *opt);

/* Form only: 0 or MU_ERR_MALFORMED. */
MU_MUST int mu_coap_options_check(struct mu_bytes options);
/* RFC 7252 s.5.4: MU_ERR_UNSUPPORTED when a critical option is not one of the
 * above, has a length it must not have, or occurs more often than it may. */
MU_MUST int mu_coap_options_accept(struct mu_bytes options);

/* The first option of that number. */
bool mu_coap_find(struct mu_bytes options, uint16_t number,
                  struct mu_bytes *value);
/* The first option of that number as uint; false if absent or over 4 bytes. */
bool mu_coap_find_uint(struct mu_bytes options, uint16_t number, uint32_t *v);
/* Whether the Uri-Path segments are exactly those of "a/b/c". */
bool mu_coap_path_is(struct mu_bytes options, const char *path);
/* The n-th Uri-Path segment (from 0). */
bool mu_coap_path_segment(struct mu_bytes options, size_t n,
                          struct mu_bytes *segment);

/* Block1 and Block2 (RFC 7959 s.2.2). */
struct mu_coap_block {
    uint32_t num; /* < 2^20 */
    bool more;
    uint16_t size; /* bytes: 16, 32, ..., 1024 */
};

void mu_coap_put_block(struct mu_coap_opts *o, uint16_t number,
                       const struct mu_coap_block *b);
/* 0, MU_ERR_NOT_FOUND, MU_ERR_MALFORMED (reserved size, too long). */
MU_MUST int mu_coap_find_block(struct mu_bytes options, uint16_t number,
                               struct mu_coap_block *b);

/* "GET", "2.05 Content"; "?" if it has no name: class and detail are
 * for the caller to print. */
const char *mu_coap_code_name(uint8_t code);
/* "Uri-Path"; NULL when the option is not one of the above. */
const char *mu_coap_option_name(uint16_t number);

static inline bool mu_coap_is_request(uint8_t code)
{
    return code != 0 && MU_COAP_CLASS(code) == 0;
}

static inline bool mu_coap_is_response(uint8_t code)
{
    return MU_COAP_CLASS(code) >= 2 && MU_COAP_CLASS(code) <= 5;
}

/* RFC 7252 s.5.4.6. */
static inline bool mu_coap_is_critical(uint16_t number)
{
    return (number & 1u) != 0;
}

#endif
