/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP options: encoding, walking, looking up (RFC 7252 s.3.1, s.5.4). */
#include "muster/coap.h"

/* Nibbles of delta and length: below 13 the value, 13 and 14 say that one or
 * two bytes follow that hold the value less 13 or less 269; 15 is reserved. */
enum {
    NIBBLE_U8 = 13,
    NIBBLE_U16 = 14,
    BASE_U8 = 13,
    BASE_U16 = 269,
};

#define OPTION_NUMBER_MAX 65535u

static unsigned nibble_for(size_t v)
{
    if (v < BASE_U8)
        return (unsigned)v;
    return v < BASE_U16 ? NIBBLE_U8 : NIBBLE_U16;
}

static void extended_put(struct mu_writer *w, size_t v)
{
    if (v >= BASE_U16)
        mu_write_u16(w, (uint16_t)(v - BASE_U16));
    else if (v >= BASE_U8)
        mu_write_u8(w, (uint8_t)(v - BASE_U8));
}

static uint32_t extended_get(struct mu_reader *r, unsigned nibble)
{
    if (nibble < NIBBLE_U8)
        return nibble;
    if (nibble == NIBBLE_U8)
        return (uint32_t)mu_read_u8(r) + BASE_U8;
    if (nibble == NIBBLE_U16)
        return (uint32_t)mu_read_u16(r) + BASE_U16;
    mu_reader_fail(r);
    return 0;
}

struct mu_coap_opts mu_coap_opts(struct mu_writer *w)
{
    return (struct mu_coap_opts){w, w->len, 0};
}

void mu_coap_put_opt(struct mu_coap_opts *o, uint16_t number,
                     struct mu_bytes value)
{
    /* A length has 16 bits and a base: more cannot be said. */
    if (number < o->last || value.len > UINT16_MAX) {
        mu_writer_fail(o->w);
        return;
    }
    size_t delta = (size_t)(number - o->last);
    mu_write_u8(o->w, (uint8_t)(nibble_for(delta) << 4
                                | nibble_for(value.len)));
    extended_put(o->w, delta);
    extended_put(o->w, value.len);
    mu_write_bytes(o->w, value);
    o->last = number;
}

void mu_coap_put_uint(struct mu_coap_opts *o, uint16_t number, uint32_t v)
{
    uint8_t be[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                     (uint8_t)v};
    size_t zeros = 0;

    while (zeros < sizeof be && be[zeros] == 0)
        zeros++;
    mu_coap_put_opt(o, number, mu_bytes(be + zeros, sizeof be - zeros));
}

/* The next segment of a path in text; false after the last. */
static bool path_next(const char **path, struct mu_bytes *segment)
{
    const char *at = *path;
    size_t len = 0;

    if (at == NULL)
        return false;
    while (at[len] != '/' && at[len] != '\0')
        len++;
    *segment = mu_bytes(at, len);
    *path = at[len] == '/' ? at + len + 1 : NULL;
    return true;
}

/* Where to begin: behind a leading '/', nowhere for the empty path. */
static const char *path_begin(const char *path)
{
    if (path[0] == '/')
        path++;
    return path[0] == '\0' ? NULL : path;
}

void mu_coap_put_path(struct mu_coap_opts *o, const char *path)
{
    const char *at = path_begin(path);
    struct mu_bytes segment;

    while (path_next(&at, &segment))
        mu_coap_put_opt(o, MU_COAP_URI_PATH, segment);
}

struct mu_bytes mu_coap_opts_written(const struct mu_coap_opts *o)
{
    if (o->w->failed || o->w->len == o->start)
        return mu_bytes(NULL, 0);
    return mu_bytes(o->w->data + o->start, o->w->len - o->start);
}

struct mu_coap_iter mu_coap_iter(struct mu_bytes options)
{
    return (struct mu_coap_iter){mu_reader(options), 0, false};
}

bool mu_coap_iter_next(struct mu_coap_iter *it, struct mu_coap_opt *opt)
{
    *opt = (struct mu_coap_opt){0};
    if (it->failed || mu_reader_left(&it->r) == 0)
        return false;
    /* On a copy: the iterator stays in front of an option it cannot read. */
    struct mu_reader r = it->r;
    uint8_t first = mu_read_u8(&r);
    uint32_t number = it->number + extended_get(&r, first >> 4);
    uint32_t len = extended_get(&r, first & 15u);
    struct mu_bytes value = mu_read_bytes(&r, len);
    if (r.failed || number > OPTION_NUMBER_MAX) {
        it->failed = true;
        return false;
    }
    it->r = r;
    it->number = number;
    *opt = (struct mu_coap_opt){(uint16_t)number, value};
    return true;
}

int mu_coap_options_check(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
    }
    return it.failed ? MU_ERR_MALFORMED : 0;
}

struct option_row {
    uint16_t number;
    uint16_t len_min;
    uint16_t len_max;
    bool repeats;
    const char *name;
};

/* RFC 7252 s.5.10 table 4; 7641 (Observe), 7959 (Block, Size2), 8613 (OSCORE),
 * 8768 (Hop-Limit), 7967 (No-Response), 9175 (Echo, Request-Tag). */
static const struct option_row option_rows[] = {
    {MU_COAP_IF_MATCH, 0, 8, true, "If-Match"},
    {MU_COAP_URI_HOST, 1, 255, false, "Uri-Host"},
    {MU_COAP_ETAG, 1, 8, true, "ETag"},
    {MU_COAP_IF_NONE_MATCH, 0, 0, false, "If-None-Match"},
    {MU_COAP_OBSERVE, 0, 3, false, "Observe"},
    {MU_COAP_URI_PORT, 0, 2, false, "Uri-Port"},
    {MU_COAP_LOCATION_PATH, 0, 255, true, "Location-Path"},
    {MU_COAP_OSCORE, 0, 255, false, "OSCORE"},
    {MU_COAP_URI_PATH, 0, 255, true, "Uri-Path"},
    {MU_COAP_CONTENT_FORMAT, 0, 2, false, "Content-Format"},
    {MU_COAP_MAX_AGE, 0, 4, false, "Max-Age"},
    {MU_COAP_URI_QUERY, 0, 255, true, "Uri-Query"},
    {MU_COAP_HOP_LIMIT, 1, 1, false, "Hop-Limit"},
    {MU_COAP_ACCEPT, 0, 2, false, "Accept"},
    {MU_COAP_LOCATION_QUERY, 0, 255, true, "Location-Query"},
    {MU_COAP_BLOCK2, 0, 3, false, "Block2"},
    {MU_COAP_BLOCK1, 0, 3, false, "Block1"},
    {MU_COAP_SIZE2, 0, 4, false, "Size2"},
    {MU_COAP_PROXY_URI, 1, 1034, false, "Proxy-Uri"},
    {MU_COAP_PROXY_SCHEME, 1, 255, false, "Proxy-Scheme"},
    {MU_COAP_SIZE1, 0, 4, false, "Size1"},
    {MU_COAP_ECHO, 1, 40, false, "Echo"},
    {MU_COAP_NO_RESPONSE, 0, 1, false, "No-Response"},
    {MU_COAP_REQUEST_TAG, 0, 8, true, "Request-Tag"},
};

static const struct option_row *option_find(uint16_t number)
{
    for (size_t i = 0; i < sizeof option_rows / sizeof option_rows[0]; i++) {
        if (option_rows[i].number == number)
            return &option_rows[i];
    }
    return NULL;
}

int mu_coap_options_accept(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;
    uint32_t last = OPTION_NUMBER_MAX + 1;

    while (mu_coap_iter_next(&it, &opt)) {
        const struct option_row *row = option_find(opt.number);
        bool again = opt.number == last;
        last = opt.number;
        /* s.5.4.1, s.5.4.3, s.5.4.5: what is wrong with an elective option
         * makes it ignored, with a critical one the message refused. */
        if (!mu_coap_is_critical(opt.number))
            continue;
        if (row == NULL || (again && !row->repeats)
            || opt.value.len < row->len_min || opt.value.len > row->len_max)
            return MU_ERR_UNSUPPORTED;
    }
    return it.failed ? MU_ERR_MALFORMED : 0;
}

bool mu_coap_find(struct mu_bytes options, uint16_t number,
                  struct mu_bytes *value)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    *value = mu_bytes(NULL, 0);
    while (mu_coap_iter_next(&it, &opt) && opt.number <= number) {
        if (opt.number == number) {
            *value = opt.value;
            return true;
        }
    }
    return false;
}

bool mu_coap_find_uint(struct mu_bytes options, uint16_t number, uint32_t *v)
{
    struct mu_bytes value;

    *v = 0;
    if (!mu_coap_find(options, number, &value) || value.len > sizeof *v)
        return false;
    for (size_t i = 0; i < value.len; i++)
        *v = *v << 8 | value.data[i];
    return true;
}

bool mu_coap_path_is(struct mu_bytes options, const char *path)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;
    const char *at = path_begin(path);
    struct mu_bytes segment;

    while (mu_coap_iter_next(&it, &opt)) {
        if (opt.number != MU_COAP_URI_PATH)
            continue;
        if (!path_next(&at, &segment) || !mu_bytes_eq(segment, opt.value))
            return false;
    }
    return !it.failed && at == NULL;
}

bool mu_coap_path_segment(struct mu_bytes options, size_t n,
                          struct mu_bytes *segment)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    *segment = mu_bytes(NULL, 0);
    while (mu_coap_iter_next(&it, &opt)) {
        if (opt.number == MU_COAP_URI_PATH && n-- == 0) {
            *segment = opt.value;
            return true;
        }
    }
    return false;
}

/* RFC 7959 s.2.2: block size 2^(szx + 4), szx 7 is reserved. */
enum {
    BLOCK_NUM_END = 1 << 20,
    BLOCK_SZX_MAX = 6,
};

void mu_coap_put_block(struct mu_coap_opts *o, uint16_t number,
                       const struct mu_coap_block *b)
{
    uint32_t szx = 0;

    while (szx < BLOCK_SZX_MAX && 16u << szx != b->size)
        szx++;
    if (16u << szx != b->size || b->num >= BLOCK_NUM_END) {
        mu_writer_fail(o->w);
        return;
    }
    mu_coap_put_uint(o, number, b->num << 4 | (b->more ? 8u : 0u) | szx);
}

int mu_coap_find_block(struct mu_bytes options, uint16_t number,
                       struct mu_coap_block *b)
{
    struct mu_bytes value;
    uint32_t v;

    *b = (struct mu_coap_block){0};
    if (!mu_coap_find(options, number, &value))
        return MU_ERR_NOT_FOUND;
    if (value.len > 3 || !mu_coap_find_uint(options, number, &v))
        return MU_ERR_MALFORMED;
    if ((v & 7u) > BLOCK_SZX_MAX)
        return MU_ERR_MALFORMED;
    b->num = v >> 4;
    b->more = (v & 8u) != 0;
    b->size = (uint16_t)(16u << (v & 7u));
    return 0;
}

const char *mu_coap_option_name(uint16_t number)
{
    const struct option_row *row = option_find(number);

    return row == NULL ? NULL : row->name;
}
