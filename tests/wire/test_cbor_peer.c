/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR against libcbor. What we write it reads and writes again the same; and
 * over random and mutated input we accept exactly what a slow, obvious judge
 * over libcbor's tree finds deterministic and within our bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cbor.h>
#include <cmocka.h>

#include "muster/cbor.h"

#define ROUNDS 30000
#define INPUT_MAX 160

/* libcbor allocates what a head announces; then it has to cope with NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=64:"
           "detect_leaks=1";
}

static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static size_t below(size_t n)
{
    return (size_t)(rng() >> 11) % n;
}

/* A number of a random width, so that every head length is met. */
static uint64_t any_number(void)
{
    static const unsigned shifts[] = {60, 59, 56, 48, 32, 16, 0};

    return rng() >> shifts[below(7)];
}

static void put_text(struct mu_writer *w)
{
    static const char *const texts[] = {"", "a", "key", "\xc3\xa9",
                                        "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
                                        "twenty-five characters xx"};

    mu_cbor_put_str(w, texts[below(7)]);
}

static void put_bytes(struct mu_writer *w)
{
    uint8_t bytes[40];
    size_t len = below(sizeof bytes);

    memset(bytes, (int)below(256), sizeof bytes);
    mu_cbor_put_bstr(w, mu_bytes(bytes, len));
}

static void put_item(struct mu_writer *w, int depth);

/* Keys that grow by themselves: unsigned, then negative, then bytes. */
static void put_map(struct mu_writer *w, int depth)
{
    size_t uints = below(3);
    size_t nints = below(3);
    size_t bstrs = below(2);
    uint64_t key = 0;

    mu_cbor_put_map(w, uints + nints + bstrs);
    for (size_t i = 0; i < uints; i++) {
        key += 1 + any_number() / 4;
        mu_cbor_put_uint(w, key);
        put_item(w, depth - 1);
    }
    key = 0;
    for (size_t i = 0; i < nints; i++) {
        key += 1 + any_number() / 4;
        mu_cbor_put_nint(w, key);
        put_item(w, depth - 1);
    }
    if (bstrs != 0) {
        put_bytes(w);
        put_item(w, depth - 1);
    }
}

static void put_item(struct mu_writer *w, int depth)
{
    switch (below(depth > 0 ? 10 : 7)) {
    case 0:
        mu_cbor_put_uint(w, any_number());
        break;
    case 1:
        mu_cbor_put_nint(w, any_number());
        break;
    case 2:
        put_bytes(w);
        break;
    case 3:
        put_text(w);
        break;
    case 4:
        mu_cbor_put_bool(w, below(2) != 0);
        break;
    case 5:
        mu_cbor_put_null(w);
        break;
    case 6:
        mu_cbor_put_int(w, (int64_t)any_number());
        break;
    case 7: {
        size_t items = below(5);
        mu_cbor_put_array(w, items);
        for (size_t i = 0; i < items; i++)
            put_item(w, depth - 1);
        break;
    }
    case 8:
        put_map(w, depth);
        break;
    default:
        mu_cbor_put_tag(w, any_number());
        put_item(w, depth - 1);
        break;
    }
}

/* The judge. */

static bool width_is_least(const cbor_item_t *item)
{
    uint64_t v = cbor_get_int(item);

    switch (cbor_int_get_width(item)) {
    case CBOR_INT_8:
        return true; /* the bytes decide between one and two */
    case CBOR_INT_16:
        return v > 0xff;
    case CBOR_INT_32:
        return v > 0xffff;
    case CBOR_INT_64:
        return v > 0xffffffff;
    }
    return false;
}

/* Decodes every character and encodes it again: slow, and plainly right. */
static bool text_is_utf8(const unsigned char *s, size_t len)
{
    for (size_t at = 0; at < len;) {
        unsigned lead = s[at];
        size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t cp = n == 1 ? lead : lead & (0xffu >> (n + 1));
        unsigned char again[4];

        if (at + n > len)
            return false;
        for (size_t i = 1; i < n; i++)
            cp = cp << 6 | (s[at + i] & 0x3fu);
        if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
            return false;
        size_t m = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        if (m == 1) {
            again[0] = (unsigned char)cp;
        } else {
            for (size_t i = m; i-- > 1; cp >>= 6)
                again[i] = (unsigned char)(0x80 | (cp & 0x3f));
            again[0] = (unsigned char)((0xf00u >> m & 0xf0u) | cp);
        }
        if (m != n || memcmp(again, s + at, n) != 0)
            return false;
        at += n;
    }
    return true;
}

static bool judge_map(const cbor_item_t *item, int depth);

static bool judge(cbor_item_t *item, int depth)
{
    switch (cbor_typeof(item)) {
    case CBOR_TYPE_UINT:
    case CBOR_TYPE_NEGINT:
        return width_is_least(item);
    case CBOR_TYPE_BYTESTRING:
        return cbor_bytestring_is_definite(item);
    case CBOR_TYPE_STRING:
        return cbor_string_is_definite(item)
            && text_is_utf8(cbor_string_handle(item),
                            cbor_string_length(item));
    case CBOR_TYPE_ARRAY:
        if (depth == 0 || !cbor_array_is_definite(item))
            return false;
        for (size_t i = 0; i < cbor_array_size(item); i++) {
            if (!judge(cbor_array_handle(item)[i], depth - 1))
                return false;
        }
        return true;
    case CBOR_TYPE_MAP:
        return depth != 0 && judge_map(item, depth);
    case CBOR_TYPE_TAG: {
        cbor_item_t *inner = cbor_tag_item(item);
        bool ok = depth != 0 && judge(inner, depth - 1);
        cbor_decref(&inner);
        return ok;
    }
    case CBOR_TYPE_FLOAT_CTRL:
        return cbor_float_ctrl_is_ctrl(item)
            && (cbor_is_bool(item) || cbor_is_null(item));
    }
    return false;
}

static bool judge_map(const cbor_item_t *item, int depth)
{
    unsigned char last[INPUT_MAX];
    unsigned char key[INPUT_MAX];
    size_t last_len = 0;

    if (!cbor_map_is_definite(item))
        return false;
    for (size_t i = 0; i < cbor_map_size(item); i++) {
        struct cbor_pair pair = cbor_map_handle(item)[i];
        if (cbor_typeof(pair.key) > CBOR_TYPE_STRING)
            return false;
        if (!judge(pair.key, depth - 1) || !judge(pair.value, depth - 1))
            return false;
        size_t len = cbor_serialize(pair.key, key, sizeof key);
        if (i != 0) {
            size_t least = len < last_len ? len : last_len;
            if (memcmp(last, key, least) >= 0)
                return false;
        }
        memcpy(last, key, len);
        last_len = len;
    }
    return true;
}

/* libcbor 0.8 does not read tags 6 to 20 in their one-byte form, calling them
 * unassigned (tag 16, COSE_Encrypt0, is among them). There it cannot judge. */
static bool judge_is_lost(const uint8_t *in, size_t len)
{
    struct cbor_load_result result;
    cbor_item_t *item = cbor_load(in, len, &result);
    size_t at = result.error.position;

    if (item != NULL) {
        cbor_decref(&item);
        return false;
    }
    return result.error.code == CBOR_ERR_MALFORMATED && at < len
        && in[at] >= 0xc6 && in[at] <= 0xd4;
}

static bool judge_accepts(const uint8_t *in, size_t len)
{
    struct cbor_load_result result;
    unsigned char again[2 * INPUT_MAX];
    cbor_item_t *item = cbor_load(in, len, &result);

    if (item == NULL)
        return false;
    bool ok = result.read == len && judge(item, MU_CBOR_DEPTH_MAX);
    if (ok) {
        size_t n = cbor_serialize(item, again, sizeof again);
        ok = n == len && memcmp(again, in, len) == 0;
    }
    cbor_decref(&item);
    return ok;
}

static bool we_accept(const uint8_t *in, size_t len)
{
    /* A block of its own size, so that the sanitizer sees an over-read. */
    uint8_t *block = malloc(len != 0 ? len : 1);
    assert_non_null(block);
    memcpy(block, in, len);
    struct mu_reader r = mu_reader(mu_bytes(block, len));
    mu_cbor_skip(&r);
    bool ok = mu_reader_end(&r) == 0;
    free(block);
    return ok;
}

/* Fails the test where the two differ; whether both accept. */
static bool compare(const uint8_t *in, size_t len)
{
    if (judge_is_lost(in, len))
        return false;
    bool ours = we_accept(in, len);
    if (ours == judge_accepts(in, len))
        return ours;
    for (size_t i = 0; i < len; i++)
        print_error("%02x", in[i]);
    fail_msg(": %s", ours ? "only we accept" : "only libcbor accepts");
    return false;
}

static size_t mutate(uint8_t *in, size_t len)
{
    static const uint8_t heads[] = {0x00, 0x18, 0x1a, 0x20, 0x40, 0x60, 0x7f,
                                    0x80, 0x9f, 0xa0, 0xa2, 0xc1, 0xf6, 0xf7,
                                    0xf8, 0xff, 0xfa, 0x81, 0x5f, 0xbf};
    size_t at = below(len);

    switch (below(6)) {
    case 0:
        in[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        in[at] = heads[below(sizeof heads)];
        break;
    case 2: /* one more */
        if (len < INPUT_MAX) {
            memmove(in + at + 1, in + at, len - at);
            in[at] = heads[below(sizeof heads)];
            len++;
        }
        break;
    case 3: /* one less */
        memmove(in + at, in + at + 1, len - at - 1);
        len--;
        break;
    case 4:
        len = at;
        break;
    default:
        in[at] = (uint8_t)rng();
        break;
    }
    return len;
}

static void test_equal(void **state)
{
    size_t accepted = 0;
    size_t mutants_accepted = 0;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        uint8_t in[INPUT_MAX];
        struct mu_writer w = mu_writer(in, sizeof in);
        put_item(&w, (int)below(MU_CBOR_DEPTH_MAX + 1));
        if (mu_writer_end(&w) != 0)
            continue;
        size_t len = w.len;
        assert_true(we_accept(in, len));
        accepted += compare(in, len);
        for (size_t n = 0; n < 4 && len > 0; n++) {
            len = mutate(in, len);
            mutants_accepted += compare(in, len);
        }
    }
    /* Both ways happened, often. */
    assert_true(accepted > ROUNDS / 2);
    assert_true(mutants_accepted > ROUNDS / 10);
}

static void test_short(void **state)
{
    uint8_t in[3];
    size_t accepted = 0;

    (void)state;
    /* Every input of up to two bytes, and three in the corners. */
    for (unsigned v = 0; v < 0x10000; v++) {
        in[0] = (uint8_t)(v >> 8);
        in[1] = (uint8_t)v;
        in[2] = (uint8_t)below(256);
        for (size_t len = v < 256 ? 1 : 2; len <= 3; len++) {
            const uint8_t *from = len == 1 ? in + 1 : in;
            accepted += compare(from, len);
            if (len == 1)
                break;
        }
    }
    assert_true(accepted > 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
