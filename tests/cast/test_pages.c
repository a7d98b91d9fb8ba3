/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of an object: properties that hold for every shape and size, and a slow
 * twin that follows docs/wire-format.md s.6.1 word for word, one page after
 * the other, with no short cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "muster/cast.h"

static uint64_t seed = 1;

static uint32_t noise(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 0x2545f4914f6cdd1du >> 32) * below >> 32);
}

/* ---- the twin ---- */

static uint64_t twin_m(const struct mu_cast_shape *s, uint64_t k)
{
    uint64_t m = (k * s->page_parity + s->page_data - 1) / s->page_data + 2 +
                 (s->page_parity < 128 ? s->page_parity : 128) / 16;

    if (s->page_parity == 0)
        return 0;
    return m < s->page_parity ? m : s->page_parity;
}

static uint64_t twin_fits(const struct mu_cast_shape *s, uint64_t c)
{
    uint64_t best = 0;

    for (uint64_t k = 1; k <= s->page_data; k++) {
        if ((k + twin_m(s, k)) * s->hash_len <= c)
            best = k;
    }
    return best;
}

static uint64_t twin_root_room(const struct mu_cast_shape *s)
{
    uint64_t p = s->payload < 1024 ? s->payload : 1024;

    return p >= 656 ? p - 400 : 256;
}

struct twin {
    uint64_t k, at, block_at, index;
    bool last;
    uint64_t next_k, hashes, content, t;
};

/* Works out the rest of a page of k symbols with r bytes left. */
static void twin_page(const struct mu_cast_shape *s, uint64_t r,
                      struct twin *p)
{
    uint64_t t = s->payload - 3u, c = p->k * t, limit = twin_fits(s, c);

    p->t = t;
    p->last = r <= c;
    if (p->last) {
        p->k = (r + t - 1) / t;
        p->t = (r + p->k - 1) / p->k;
        p->hashes = 0;
        p->content = r;
        return;
    }
    p->next_k = 0;
    for (uint64_t k = 1; k <= limit && p->next_k == 0; k++) {
        int64_t left = (int64_t)r -
                       ((int64_t)c - (int64_t)((k + twin_m(s, k)) *
                                               s->hash_len));
        if (left <= (int64_t)(k * t))
            p->next_k = k;
    }
    if (p->next_k == 0)
        p->next_k = limit;
    p->hashes = (p->next_k + twin_m(s, p->next_k)) * s->hash_len;
    p->content = c - p->hashes;
}

/* Pages when the first has k data symbols; UINT64_MAX: it never ends. */
static uint64_t twin_pages(const struct mu_cast_shape *s, uint64_t size,
                           uint64_t k)
{
    uint64_t n = 1, at = 0;
    struct twin p = {.k = k};

    if ((k + twin_m(s, k)) * s->hash_len >= k * (s->payload - 3u))
        return UINT64_MAX;
    for (;; n++) {
        twin_page(s, size - at, &p);
        if (p.last || n > 65535)
            return n;
        at += p.content;
        p.k = p.next_k;
    }
}

static uint64_t twin_first(const struct mu_cast_shape *s, uint64_t size)
{
    uint64_t low = 1, high = twin_fits(s, twin_root_room(s)), pages;

    if (size <= high * (s->payload - 3u))
        return high;
    pages = twin_pages(s, size, high);
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (twin_pages(s, size, middle) <= pages)
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

static void twin_same(const struct mu_cast_shape *s, const struct twin *t,
                      const struct mu_cast_page *p)
{
    assert_int_equal(p->index, t->index);
    assert_int_equal(p->data, t->k);
    assert_int_equal(p->parity, twin_m(s, t->k));
    assert_int_equal(p->symbol_len, t->t);
    assert_int_equal(p->hashes_len, t->hashes);
    assert_int_equal(p->content_len, t->content);
    assert_int_equal(p->content_at, t->at);
    assert_int_equal(p->block_at, t->block_at);
    assert_int_equal(p->last, t->last);
}

/* Walks both, and checks what must hold for any cut. */
static void check_cut(const struct mu_cast_shape *s, uint64_t size)
{
    struct mu_cast_page p, again;
    struct twin t = {.k = twin_first(s, size)};
    uint32_t pages = mu_cast_pages(s, size), walked = 0;

    if (mu_cast_page_first(s, size, &p) != 0) {
        assert_int_equal(pages, 0);
        return;
    }
    assert_true((p.data + p.parity) * s->hash_len <= 624);
    for (;;) {
        uint64_t block = (uint64_t)p.data * p.symbol_len;
        twin_page(s, size - t.at, &t);
        twin_same(s, &t, &p);
        assert_true(p.data >= 1 && p.data <= s->page_data);
        assert_true(p.parity <= s->page_parity);
        assert_true(p.symbol_len >= 1 && p.symbol_len <= s->payload - 3);
        assert_true(block <= mu_cast_block_size(s));
        assert_true(p.hashes_len + p.content_len <= block);
        /* Nothing but the last page is padded. */
        assert_true(p.last || p.hashes_len + p.content_len == block);
        if (noise(8) == 0 || p.last) {
            assert_int_equal(mu_cast_page_at(s, size, p.index, &again), 0);
            twin_same(s, &t, &again);
        }
        walked++;
        t.index++;
        t.at += t.content;
        t.block_at += t.k * t.t;
        t.k = t.next_k;
        if (p.last) {
            assert_int_equal(p.content_at + p.content_len, size);
            assert_int_equal(mu_cast_prepared_size(s, size),
                             p.block_at + block);
            break;
        }
        uint32_t hashes = p.hashes_len;
        assert_true(mu_cast_page_next(s, size, &p));
        assert_int_equal(hashes, (p.data + p.parity) * s->hash_len);
    }
    assert_false(mu_cast_page_next(s, size, &p));
    assert_int_equal(walked, pages);
    assert_int_equal(mu_cast_page_at(s, size, pages, &p), MU_ERR_NOT_FOUND);
}

static const struct mu_cast_shape shapes[] = {
    {1024, 32, 8, 8},  {1024, 200, 55, 8}, {1472, 180, 75, 8}, {80, 32, 8, 8},
    {48, 16, 4, 4},    {1024, 1, 0, 8},    {48, 1, 0, 4},      {512, 64, 0, 16},
    {655, 10, 150, 6}, {656, 254, 1, 4},   {1024, 8, 2, 32},   {100, 3, 3, 8},
    {1024, 255, 105, 8}, {80, 255, 28, 8},  {1472, 255, 255, 8},
    {80, 504, 177, 8}, {80, 504, 500, 8}, {733, 512, 511, 8}, {100, 512, 40, 6},
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void test_small_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        assert_int_equal(mu_cast_shape_check(&shapes[i]), 0);
        for (uint64_t size = 1; size < 3000; size += 1 + noise(3))
            check_cut(&shapes[i], size);
    }
}

static void test_around_the_edges(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        uint64_t edge = 0;
        struct mu_cast_page p;
        assert_int_equal(mu_cast_page_first(&shapes[i], 1 << 20, &p), 0);
        for (unsigned n = 0; n < 20; n++) {
            edge += (uint64_t)p.data * p.symbol_len - p.hashes_len;
            for (uint64_t size = edge - 3; size <= edge + 3; size++) {
                check_cut(&shapes[i], size);
                check_cut(&shapes[i], size + p.hashes_len);
            }
            if (!mu_cast_page_next(&shapes[i], 1 << 20, &p))
                break;
        }
    }
}

static void test_large_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        for (unsigned n = 0; n < 3; n++)
            check_cut(&shapes[i], 1 + noise(300000));
    }
    check_cut(&shapes[0], 16 << 20);
    check_cut(&shapes[1], 16 << 20);
    check_cut(&shapes[5], (1 << 20) + 1);
}

/* Shapes by chance: either refused, or all properties hold. */
static void test_any_shape(void **state)
{
    unsigned good = 0;

    (void)state;
    for (unsigned n = 0; n < 3000; n++) {
        struct mu_cast_shape s = {
            (uint16_t)noise(1600), (uint16_t)noise(noise(2) ? 520 : 260),
            (uint16_t)noise(noise(2) ? 520 : 20), (uint8_t)noise(40),
        };
        uint64_t size = 1 + noise(50000);
        if (mu_cast_shape_check(&s) != 0) {
            assert_int_equal(mu_cast_pages(&s, size), 0);
            continue;
        }
        good++;
        check_cut(&s, size);
    }
    assert_true(good > 300);
}

/* What is foreseen is what the pages hold; more receivers and more loss cost
 * more, and nothing but parity. */
static void test_cost(void **state)
{
    struct mu_cast_cost one, few, many, worse;

    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const struct mu_cast_shape *s = &shapes[i];
        struct mu_cast_page p;
        uint64_t size = 1 + noise(300000), data = 0, bytes = 0;
        if (mu_cast_pages(s, size) == 0)
            continue;
        assert_int_equal(mu_cast_page_first(s, size, &p), 0);
        assert_int_equal(mu_cast_cost(s, size, 1, 0, &one), 0);
        assert_int_equal(one.roots, (p.data + p.parity) * s->hash_len);
        do {
            data += p.data;
            bytes += (uint64_t)p.data * (p.symbol_len + 3u);
        } while (mu_cast_page_next(s, size, &p));
        assert_int_equal(one.pages, mu_cast_pages(s, size));
        assert_int_equal(one.content, size);
        assert_int_equal(one.data, data);
        assert_int_equal(one.content + one.hashes + one.padding + one.headers,
                         bytes);
        assert_int_equal(one.more, 0);
        assert_int_equal(mu_cast_cost(s, size, 10, 50, &few), 0);
        assert_int_equal(mu_cast_cost(s, size, 1000, 50, &many), 0);
        assert_int_equal(mu_cast_cost(s, size, 1000, 200, &worse), 0);
        assert_true(few.data == data && worse.data == data);
        assert_true(few.more <= many.more && many.more < worse.more);
        assert_true(worse.more_bytes >= worse.more * 4);
    }
    assert_int_equal(mu_cast_cost(&shapes[0], 0, 1, 0, &one), MU_ERR_USAGE);
    assert_int_equal(mu_cast_cost(&shapes[0], 9, 1, 901, &one), MU_ERR_USAGE);
}

/* Enough parity for the unluckiest, and not much more. */
static void test_parity_chosen(void **state)
{
    (void)state;
    assert_int_equal(mu_cast_parity(255, 1000, 0), 2);
    assert_in_range(mu_cast_parity(255, 1000, 50), 27, 33); /* 27.3 needed */
    assert_in_range(mu_cast_parity(504, 1000, 50), 45, 51); /* 45.4 */
    assert_in_range(mu_cast_parity(255, 1000, 200), 95, 103); /* 95.0 */
    assert_in_range(mu_cast_parity(504, 1000, 200), 169, 180); /* 169.6 */
    assert_true(mu_cast_parity(504, 10, 200) < 160);
    assert_int_equal(mu_cast_parity(512, 1000, 900), MU_PAGE_PARITY_MAX);
}

static void test_refused(void **state)
{
    static const struct mu_cast_shape bad[] = {
        {47, 1, 0, 8},     {1473, 1, 0, 8},  {1024, 0, 0, 8},
        {1024, 32, 8, 3}, {1024, 32, 8, 33},
        {80, 505, 177, 8}, /* more than a NEED of 80 bytes can name */
        {48, 249, 0, 4},   /* the same */
        {734, 512, 10, 8}, /* more memory than any page */
        {1472, 256, 0, 8}, {400, 513, 0, 8}, {400, 100, 512, 8},
        {48, 200, 50, 32}, /* the hashes of a page fill the page before */
    };
    struct mu_cast_page p;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mu_cast_shape_check(&bad[i]), MU_ERR_USAGE);
    assert_int_equal(mu_cast_page_data_max(48), 248);
    assert_int_equal(mu_cast_page_data_max(80), 504);
    assert_int_equal(mu_cast_page_data_max(81), 512);
    assert_int_equal(mu_cast_page_data_max(733), 512);
    assert_int_equal(mu_cast_page_data_max(734), 511);
    assert_int_equal(mu_cast_page_data_max(1472), 255);
    assert_int_equal(mu_cast_page_first(&shapes[0], 0, &p), MU_ERR_USAGE);
    assert_int_equal(mu_cast_page_first(&shapes[6], 1 << 30, &p),
                     MU_ERR_TOO_LARGE);
    assert_int_equal(mu_cast_page_first(&shapes[0], UINT64_MAX, &p),
                     MU_ERR_TOO_LARGE);
    /* 41 bytes of content a page but the last, and 65,535 pages */
    assert_int_equal(mu_cast_pages(&shapes[6], 65534ull * 41 + 45), 65535);
    assert_int_equal(mu_cast_pages(&shapes[6], 65534ull * 41 + 46), 0);
}

/* The page that a packet is of, from the last bits of its number. */
static void test_near(void **state)
{
    (void)state;
    assert_int_equal(mu_cast_page_near(0, 0), 0);
    assert_int_equal(mu_cast_page_near(0, 31), 31); /* there is none before */
    assert_int_equal(mu_cast_page_near(16, 31), 31);
    assert_int_equal(mu_cast_page_near(17, 0), 32);
    assert_int_equal(mu_cast_page_near(40, 31), 31);
    for (uint32_t near = 16; near < 70000; near += 1 + (uint32_t)noise(40)) {
        for (uint32_t page = near - 16; page < near + 16; page++)
            assert_int_equal(mu_cast_page_near(
                near, page % MU_CAST_PAGES_NEAR), page);
    }
    for (unsigned n = 0; n < 1000; n++) {
        uint32_t page = (uint32_t)noise(65536), i = (uint32_t)noise(1024);
        uint8_t head[MU_CAST_DATA_HEADER];

        mu_cast_data_head(head, 9, page, i);
        assert_true(mu_cast_is_data(head[0]));
        assert_int_equal(head[1], 9);
        assert_int_equal(mu_cast_data_page(head), page % MU_CAST_PAGES_NEAR);
        assert_int_equal(mu_cast_data_index(head), i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_sizes),
        cmocka_unit_test(test_around_the_edges),
        cmocka_unit_test(test_large_sizes),
        cmocka_unit_test(test_any_shape),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_parity_chosen),
        cmocka_unit_test(test_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
