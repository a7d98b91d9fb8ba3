/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR writer and strict reader: see muster/cbor.h for what is refused.
 *
 * Everything rests on two functions: head_put writes the shortest head of a
 * major type and its argument, head_get reads one and fails on any other.
 */
#include "muster/cbor.h"

/* Major types (RFC 8949 s.3.1). */
enum {
    MAJOR_UINT = 0,
    MAJOR_NINT = 1,
    MAJOR_BSTR = 2,
    MAJOR_TSTR = 3,
    MAJOR_ARRAY = 4,
    MAJOR_MAP = 5,
    MAJOR_TAG = 6,
    MAJOR_SIMPLE = 7,
};

/* Additional information (s.3): below 24 it is the argument itself. */
enum {
    INFO_U8 = 24,
    INFO_U16 = 25,
    INFO_U32 = 26,
    INFO_U64 = 27,
};

/* Simple values (s.3.3). */
enum {
    SIMPLE_FALSE = 20,
    SIMPLE_TRUE = 21,
    SIMPLE_NULL = 22,
};

size_t mu_cbor_head_len(uint64_t v)
{
    if (v < INFO_U8)
        return 1;
    if (v <= UINT8_MAX)
        return 2;
    if (v <= UINT16_MAX)
        return 3;
    return v <= UINT32_MAX ? 5 : 9;
}

/* s.4.2.1: the shortest form and no other. */
static void head_put(struct mu_writer *w, unsigned major, uint64_t v)
{
    uint8_t high = (uint8_t)(major << 5);

    switch (mu_cbor_head_len(v)) {
    case 1:
        mu_write_u8(w, (uint8_t)(high | v));
        break;
    case 2:
        mu_write_u8(w, high | INFO_U8);
        mu_write_u8(w, (uint8_t)v);
        break;
    case 3:
        mu_write_u8(w, high | INFO_U16);
        mu_write_u16(w, (uint16_t)v);
        break;
    case 5:
        mu_write_u8(w, high | INFO_U32);
        mu_write_u32(w, (uint32_t)v);
        break;
    default:
        mu_write_u8(w, high | INFO_U64);
        mu_write_u64(w, v);
        break;
    }
}

void mu_cbor_put_uint(struct mu_writer *w, uint64_t v)
{
    head_put(w, MAJOR_UINT, v);
}

void mu_cbor_put_int(struct mu_writer *w, int64_t v)
{
    if (v >= 0)
        head_put(w, MAJOR_UINT, (uint64_t)v);
    else
        head_put(w, MAJOR_NINT, (uint64_t)(-(v + 1)));
}

void mu_cbor_put_nint(struct mu_writer *w, uint64_t n)
{
    head_put(w, MAJOR_NINT, n);
}

void mu_cbor_put_bstr(struct mu_writer *w, struct mu_bytes v)
{
    head_put(w, MAJOR_BSTR, v.len);
    mu_write_bytes(w, v);
}

void mu_cbor_put_bstr_head(struct mu_writer *w, size_t len)
{
    head_put(w, MAJOR_BSTR, len);
}

void mu_cbor_put_tstr(struct mu_writer *w, struct mu_bytes text)
{
    if (!mu_utf8_valid(text)) {
        mu_writer_fail(w);
        return;
    }
    head_put(w, MAJOR_TSTR, text.len);
    mu_write_bytes(w, text);
}

void mu_cbor_put_str(struct mu_writer *w, const char *text)
{
    mu_cbor_put_tstr(w, mu_bytes_str(text));
}

void mu_cbor_put_array(struct mu_writer *w, size_t items)
{
    head_put(w, MAJOR_ARRAY, items);
}

void mu_cbor_put_map(struct mu_writer *w, size_t pairs)
{
    head_put(w, MAJOR_MAP, pairs);
}

void mu_cbor_put_tag(struct mu_writer *w, uint64_t tag)
{
    head_put(w, MAJOR_TAG, tag);
}

void mu_cbor_put_bool(struct mu_writer *w, bool v)
{
    head_put(w, MAJOR_SIMPLE, v ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void mu_cbor_put_null(struct mu_writer *w)
{
    head_put(w, MAJOR_SIMPLE, SIMPLE_NULL);
}

/* One head: major type and argument; 0 and failed when it is not the shortest
 * form, is indefinite (31) or reserved (28 to 30). */
static unsigned head_get(struct mu_reader *r, uint64_t *v)
{
    uint8_t first = mu_read_u8(r);
    unsigned info = first & 31u;
    size_t len;

    switch (info) {
    case INFO_U8:
        *v = mu_read_u8(r);
        len = 2;
        break;
    case INFO_U16:
        *v = mu_read_u16(r);
        len = 3;
        break;
    case INFO_U32:
        *v = mu_read_u32(r);
        len = 5;
        break;
    case INFO_U64:
        *v = mu_read_u64(r);
        len = 9;
        break;
    default:
        *v = info;
        len = 1;
        break;
    }
    if (r->failed || info > INFO_U64 || mu_cbor_head_len(*v) != len) {
        mu_reader_fail(r);
        *v = 0;
        return 0;
    }
    return first >> 5;
}

/* The argument of a head that has to be of this major type. */
static uint64_t head_expect(struct mu_reader *r, unsigned major)
{
    uint64_t v;

    if (head_get(r, &v) != major || r->failed) {
        mu_reader_fail(r);
        return 0;
    }
    return v;
}

enum mu_cbor_type mu_cbor_peek(const struct mu_reader *r)
{
    static const enum mu_cbor_type by_major[] = {
        MU_CBOR_UINT,  MU_CBOR_NINT, MU_CBOR_BSTR, MU_CBOR_TSTR,
        MU_CBOR_ARRAY, MU_CBOR_MAP,  MU_CBOR_TAG,
    };

    if (mu_reader_left(r) == 0)
        return MU_CBOR_NONE;
    uint8_t first = r->data[r->pos];
    if (first >> 5 != MAJOR_SIMPLE)
        return by_major[first >> 5];
    switch (first & 31u) {
    case SIMPLE_FALSE:
    case SIMPLE_TRUE:
        return MU_CBOR_BOOL;
    case SIMPLE_NULL:
        return MU_CBOR_NULL;
    default:
        return MU_CBOR_NONE;
    }
}

uint64_t mu_cbor_get_uint(struct mu_reader *r)
{
    return head_expect(r, MAJOR_UINT);
}

uint64_t mu_cbor_get_uint_max(struct mu_reader *r, uint64_t max)
{
    uint64_t v = head_expect(r, MAJOR_UINT);

    if (v <= max)
        return v;
    mu_reader_fail(r);
    return 0;
}

int64_t mu_cbor_get_int(struct mu_reader *r)
{
    uint64_t v;
    unsigned major = head_get(r, &v);

    if (major > MAJOR_NINT || v > INT64_MAX) {
        mu_reader_fail(r);
        return 0;
    }
    return major == MAJOR_UINT ? (int64_t)v : -1 - (int64_t)v;
}

uint64_t mu_cbor_get_nint(struct mu_reader *r)
{
    return head_expect(r, MAJOR_NINT);
}

/* A string's bytes. Compared as 64 bits before it becomes a size_t. */
static struct mu_bytes string_get(struct mu_reader *r, unsigned major)
{
    uint64_t len = head_expect(r, major);

    if (len > mu_reader_left(r)) {
        mu_reader_fail(r);
        return mu_bytes(NULL, 0);
    }
    return mu_read_bytes(r, (size_t)len);
}

struct mu_bytes mu_cbor_get_bstr(struct mu_reader *r)
{
    return string_get(r, MAJOR_BSTR);
}

void mu_cbor_get_bstr_copy(struct mu_reader *r, void *to, size_t len)
{
    struct mu_bytes got = mu_cbor_get_bstr(r);

    if (got.len == len && !r->failed) {
        mu_copy(to, got.data, len);
    } else {
        mu_reader_fail(r);
        mu_zero(to, len);
    }
}

struct mu_bytes mu_cbor_get_tstr(struct mu_reader *r)
{
    struct mu_bytes got = string_get(r, MAJOR_TSTR);

    if (mu_utf8_valid(got))
        return got;
    mu_reader_fail(r);
    return mu_bytes(NULL, 0);
}

/* A container's count: every item takes a byte at least, so a count above
 * what is left is a lie, and a loop over it would not be bounded by input. */
static size_t count_get(struct mu_reader *r, unsigned major, size_t each)
{
    uint64_t count = head_expect(r, major);

    if (count > mu_reader_left(r) / each) {
        mu_reader_fail(r);
        return 0;
    }
    return (size_t)count;
}

size_t mu_cbor_get_array(struct mu_reader *r)
{
    return count_get(r, MAJOR_ARRAY, 1);
}

uint64_t mu_cbor_get_tag(struct mu_reader *r)
{
    return head_expect(r, MAJOR_TAG);
}

bool mu_cbor_get_bool(struct mu_reader *r)
{
    uint64_t v = head_expect(r, MAJOR_SIMPLE);

    if (v != SIMPLE_FALSE && v != SIMPLE_TRUE)
        mu_reader_fail(r);
    return v == SIMPLE_TRUE;
}

void mu_cbor_get_null(struct mu_reader *r)
{
    if (head_expect(r, MAJOR_SIMPLE) != SIMPLE_NULL)
        mu_reader_fail(r);
}

void mu_cbor_expect_array(struct mu_reader *r, size_t items)
{
    if (mu_cbor_get_array(r) != items)
        mu_reader_fail(r);
}

void mu_cbor_expect_tag(struct mu_reader *r, uint64_t tag)
{
    if (mu_cbor_get_tag(r) != tag)
        mu_reader_fail(r);
}

void mu_cbor_expect_uint(struct mu_reader *r, uint64_t v)
{
    if (mu_cbor_get_uint(r) != v)
        mu_reader_fail(r);
}

/* Whether key a sorts strictly before b: bytewise over the encodings (s.4.2.1).
 * No encoding is a prefix of another, so lengths decide nothing. */
static bool key_before(struct mu_bytes a, struct mu_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < len; i++) {
        if (a.data[i] != b.data[i])
            return a.data[i] < b.data[i];
    }
    return false;
}

/* Reads a key, an integer or a string that sorts after *last; then it is
 * *last. */
static void key_get(struct mu_reader *r, struct mu_bytes *last)
{
    size_t start = r->pos;

    switch (mu_cbor_peek(r)) {
    case MU_CBOR_UINT:
        mu_cbor_get_uint(r);
        break;
    case MU_CBOR_NINT:
        mu_cbor_get_nint(r);
        break;
    case MU_CBOR_BSTR:
        mu_cbor_get_bstr(r);
        break;
    case MU_CBOR_TSTR:
        mu_cbor_get_tstr(r);
        break;
    default:
        mu_reader_fail(r);
        break;
    }
    if (r->failed)
        return;
    struct mu_bytes key = mu_bytes(r->data + start, r->pos - start);
    if (last->len != 0 && !key_before(*last, key))
        mu_reader_fail(r);
    *last = key;
}

/* A container or tag that mu_cbor_skip is inside of. */
struct skip_level {
    size_t left;          /* items not yet begun; of a map, keys and values */
    bool map;             /* an even number left: a key is next */
    struct mu_bytes last; /* the map's last key */
};

/* Passes over one head and what belongs to it alone. true: it opens a level. */
static bool skip_one(struct mu_reader *r, struct skip_level *inner)
{
    *inner = (struct skip_level){0};
    switch (mu_cbor_peek(r)) {
    case MU_CBOR_UINT:
        mu_cbor_get_uint(r);
        return false;
    case MU_CBOR_NINT:
        mu_cbor_get_nint(r);
        return false;
    case MU_CBOR_BSTR:
        mu_cbor_get_bstr(r);
        return false;
    case MU_CBOR_TSTR:
        mu_cbor_get_tstr(r);
        return false;
    case MU_CBOR_ARRAY:
        inner->left = mu_cbor_get_array(r);
        return true;
    case MU_CBOR_MAP:
        inner->left = 2 * mu_cbor_get_map(r).left;
        inner->map = true;
        return true;
    case MU_CBOR_TAG:
        mu_cbor_get_tag(r);
        inner->left = 1;
        return true;
    case MU_CBOR_BOOL:
        mu_cbor_get_bool(r);
        return false;
    case MU_CBOR_NULL:
        mu_cbor_get_null(r);
        return false;
    case MU_CBOR_NONE:
        break;
    }
    mu_reader_fail(r);
    return false;
}

void mu_cbor_skip(struct mu_reader *r)
{
    struct skip_level levels[MU_CBOR_DEPTH_MAX];
    struct skip_level inner;
    size_t depth = 0;

    if (skip_one(r, &inner))
        levels[depth++] = inner;
    while (depth > 0 && !r->failed) {
        struct skip_level *level = &levels[depth - 1];
        if (level->left == 0) {
            depth--;
            continue;
        }
        bool is_key = level->map && level->left % 2 == 0;
        level->left--;
        if (is_key) {
            key_get(r, &level->last);
        } else if (skip_one(r, &inner)) {
            if (depth == MU_CBOR_DEPTH_MAX)
                mu_reader_fail(r);
            else
                levels[depth++] = inner;
        }
    }
}

struct mu_bytes mu_cbor_get_item(struct mu_reader *r)
{
    size_t start = r->pos;

    mu_cbor_skip(r);
    if (r->failed)
        return mu_bytes(NULL, 0);
    return mu_bytes(r->data + start, r->pos - start);
}

struct mu_cbor_map mu_cbor_get_map(struct mu_reader *r)
{
    return (struct mu_cbor_map){count_get(r, MAJOR_MAP, 2), {NULL, 0}};
}

bool mu_cbor_map_next_any(struct mu_reader *r, struct mu_cbor_map *m,
                          struct mu_bytes *key)
{
    *key = mu_bytes(NULL, 0);
    if (m->left == 0 || r->failed)
        return false;
    m->left--;
    key_get(r, &m->last);
    if (r->failed)
        return false;
    *key = m->last;
    return true;
}

bool mu_cbor_map_next(struct mu_reader *r, struct mu_cbor_map *m, int64_t *key)
{
    struct mu_bytes encoded;

    *key = 0;
    if (!mu_cbor_map_next_any(r, m, &encoded))
        return false;
    struct mu_reader k = mu_reader(encoded);
    *key = mu_cbor_get_int(&k);
    if (mu_reader_end(&k) != 0)
        mu_reader_fail(r);
    return !r->failed;
}
