/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parity against an independent slow twin (carry-less multiplication, a dense
 * solver over the whole k x k matrix), and the property it is there for: any k
 * of k + m symbols give the page while k + m is at most 255; beyond that now and
 * then one more is needed, and the decoder names one that says nothing new. All
 * of it with the arithmetic of the core, and with each that this machine has
 * instructions for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cast/gf256.h"
#include "cast/parity.h"
#include "crypto_openssl/crypto_openssl.h"
#include "crypto_openssl/internal.h"

static uint64_t seed = 1;

static uint32_t noise(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 0x2545f4914f6cdd1du >> 32) * below >> 32);
}

/* Whose arithmetic it is; the core's has no function. */
static struct mu_crypto arithmetic;

static void arithmetic_sum(const struct mu_gf_sum *s)
{
    if (arithmetic.gf_sum != NULL)
        arithmetic.gf_sum(NULL, s);
    else
        mu_gf_dot(s->to, s->add, s->coef, s->from, s->stride, s->count, s->len);
}

/* ---- the slow twin ---- */

static uint8_t slow_mul(uint8_t a, uint8_t b)
{
    unsigned product = 0;

    for (unsigned i = 0; i < 8; i++) {
        if ((b >> i & 1) != 0)
            product ^= (unsigned)a << i;
    }
    for (unsigned i = 15; i >= 8; i--) {
        if ((product >> i & 1) != 0)
            product ^= 0x11du << (i - 8);
    }
    return (uint8_t)product;
}

static uint8_t slow_inv(uint8_t a)
{
    for (unsigned b = 1; b < 256; b++) {
        if (slow_mul(a, (uint8_t)b) == 1)
            return (uint8_t)b;
    }
    return 0;
}

static uint8_t inverse[256]; /* by slow_inv, kept because it is slow */

/* docs/wire-format.md s.6.2, in other words. */
static uint8_t slow_coef(unsigned k, unsigned j, unsigned i)
{
    uint64_t x = j * 1024 + i;

    if (k + j < 255)
        return inverse[(255 - j) ^ i];
    x = x * 2654435761u % 4294967296u;
    x = (x ^ x / 32768) * 2246822519u % 4294967296u;
    return (uint8_t)((x ^ x / 8192) / 16777216);
}

static void slow_encode(uint8_t *to, unsigned j, const uint8_t *block,
                        unsigned k, size_t len)
{
    memset(to, 0, len);
    for (unsigned i = 0; i < k; i++) {
        for (size_t t = 0; t < len; t++)
            to[t] ^= slow_mul(slow_coef(k, j, i), block[i * len + t]);
    }
}

/* Rows: index < k is a unit row, else parity. Solves for all k unknowns. */
static void slow_decode(uint8_t *data, const uint8_t *symbols,
                        const uint8_t *index, unsigned k, size_t len)
{
    uint8_t *a = calloc(k, k);

    assert_non_null(a);
    memcpy(data, symbols, k * len);
    for (unsigned r = 0; r < k; r++) {
        for (unsigned c = 0; c < k; c++)
            a[r * k + c] = index[r] < k ? index[r] == c
                                        : slow_coef(k, index[r] - k, c);
    }
    for (unsigned p = 0; p < k; p++) {
        unsigned r = p;
        while (r < k && a[r * k + p] == 0)
            r++;
        assert_true(r < k);
        for (unsigned c = 0; c < k && r != p; c++) {
            uint8_t t = a[r * k + c];
            a[r * k + c] = a[p * k + c];
            a[p * k + c] = t;
        }
        for (size_t t = 0; t < len && r != p; t++) {
            uint8_t v = data[r * len + t];
            data[r * len + t] = data[p * len + t];
            data[p * len + t] = v;
        }
        uint8_t by = slow_inv(a[p * k + p]);
        for (unsigned c = 0; c < k; c++)
            a[p * k + c] = slow_mul(a[p * k + c], by);
        for (size_t t = 0; t < len; t++)
            data[p * len + t] = slow_mul(data[p * len + t], by);
        for (r = 0; r < k; r++) {
            uint8_t times = a[r * k + p];
            if (r == p || times == 0)
                continue;
            for (unsigned c = 0; c < k; c++)
                a[r * k + c] ^= slow_mul(times, a[p * k + c]);
            for (size_t t = 0; t < len; t++)
                data[r * len + t] ^= slow_mul(times, data[p * len + t]);
        }
    }
    free(a);
}

/* ---- tests ---- */

static void test_field(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++)
            assert_int_equal(mu_gf_mul((uint8_t)a, (uint8_t)b),
                             slow_mul((uint8_t)a, (uint8_t)b));
        if (a != 0)
            assert_int_equal(mu_gf_inv((uint8_t)a), inverse[a]);
    }
}

static void test_dot(void **state)
{
    enum { LEN = 301 };
    uint8_t from[40 * LEN], coef[40], to[LEN + 1], want[LEN];

    (void)state;
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (uint8_t)noise(256);
    for (size_t len = 1; len <= LEN; len++) {
        size_t count = 1 + noise(40);
        bool add = noise(2) != 0;
        for (size_t i = 0; i < count; i++)
            coef[i] = (uint8_t)noise(256);
        coef[noise((uint32_t)count)] = 0;
        for (size_t t = 0; t < len; t++) {
            to[t] = (uint8_t)t;
            want[t] = add ? to[t] : 0;
            for (size_t i = 0; i < count; i++)
                want[t] ^= slow_mul(coef[i], from[i * LEN + t]);
        }
        to[len] = 77;
        arithmetic_sum(&(struct mu_gf_sum){to, add, coef, from, LEN, count, len});
        assert_memory_equal(to, want, len);
        assert_int_equal(to[len], 77); /* no further */
    }
}

struct page {
    unsigned k, m;
    size_t len;
    uint8_t *data, *symbols, *block, *scratch;
    uint8_t slots[1024], got[64];
};

static void page_make(struct page *p, unsigned k, unsigned m, size_t len)
{
    *p = (struct page){.k = k, .m = m, .len = len};
    p->data = malloc(k * len);
    p->symbols = malloc((k + m) * len);
    p->block = malloc(k * len);
    p->scratch = malloc(mu_parity_scratch(k, m) + 1);
    assert_true(p->data && p->symbols && p->block && p->scratch);
    for (size_t i = 0; i < k * len; i++)
        p->data[i] = (uint8_t)noise(256);
    memcpy(p->symbols, p->data, k * len);
    for (unsigned j = 0; j < m; j++) {
        uint8_t *slow = malloc(len);
        assert_non_null(slow);
        mu_parity_encode(&arithmetic, p->symbols + (k + j) * len, j, p->data, k, len);
        slow_encode(slow, j, p->data, k, len);
        assert_memory_equal(slow, p->symbols + (k + j) * len, len);
        free(slow);
    }
}

static void page_free(struct page *p)
{
    free(p->data);
    free(p->symbols);
    free(p->block);
    free(p->scratch);
}

static void slot_put(struct page *p, unsigned s, unsigned j)
{
    p->slots[2 * s] = (uint8_t)(j >> 8);
    p->slots[2 * s + 1] = (uint8_t)j;
}

/* Decodes from the k symbols of the set: data in place, parity in the gaps. */
static int page_try(struct page *p, const bool *held)
{
    struct mu_parity_page page = {p->block, p->slots, p->got, p->k, p->len};
    unsigned j = p->k;

    memset(p->got, 0, sizeof p->got);
    for (unsigned s = 0; s < p->k; s++) {
        unsigned from = s;
        if (!held[s]) {
            while (!held[j])
                j++;
            from = j++;
        }
        memcpy(p->block + s * p->len, p->symbols + from * p->len, p->len);
        slot_put(p, s, 65535);
        if (held[s])
            p->got[s / 8] = (uint8_t)(p->got[s / 8] | 1u << s % 8);
        else
            slot_put(p, s, from - p->k);
    }
    return mu_parity_decode(&arithmetic, &page, p->scratch);
}

static void page_decode(struct page *p, const bool *held)
{
    assert_int_equal(page_try(p, held), -1);
    assert_memory_equal(p->block, p->data, p->k * p->len);
}

static void test_every_subset(void **state)
{
    (void)state;
    for (unsigned k = 1; k <= 7; k++) {
        for (unsigned m = 0; m <= 5; m++) {
            struct page p;
            page_make(&p, k, m, 5);
            for (unsigned set = 0; set < 1u << (k + m); set++) {
                bool held[12];
                unsigned n = 0;
                for (unsigned i = 0; i < k + m; i++)
                    n += held[i] = (set >> i & 1) != 0;
                if (n == k)
                    page_decode(&p, held);
            }
            page_free(&p);
        }
    }
}

static void random_subset(bool *held, unsigned k, unsigned total)
{
    unsigned left = k;

    for (unsigned i = 0; i < total; i++) {
        held[i] = noise(total - i) < left;
        left -= held[i];
    }
}

static void test_random_subsets(void **state)
{
    static const struct { unsigned k, m; size_t len; } sizes[] = {
        {32, 8, 100}, {100, 30, 33}, {200, 55, 31}, {254, 1, 64},
        {1, 254, 40}, {128, 127, 35}, {55, 200, 32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct page p;
        bool held[256];
        page_make(&p, sizes[i].k, sizes[i].m, sizes[i].len);
        for (unsigned n = 0; n < 6; n++) {
            random_subset(held, p.k, p.k + p.m);
            page_decode(&p, held);
        }
        page_free(&p);
    }
}

/* Beyond 255 packets a page: of many subsets, about one in 255 is short of one
 * symbol; nothing is changed then, and without the one that is named another
 * gives the page. */
static void test_beyond_cauchy(void **state)
{
    static const struct { unsigned k, m, tries; } sizes[] = {
        {255, 255, 60}, {255, 40, 60}, {200, 120, 60}, {20, 255, 1020},
        {512, 511, 2}, {504, 180, 2},
    };
    unsigned spare = 0, tries = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct page p;
        page_make(&p, sizes[i].k, sizes[i].m, 5);
        for (unsigned n = 0; n < sizes[i].tries; n++) {
            bool held[1023];
            int slot;
            /* As losses go: most data is there, most parity is not. */
            random_subset(held, p.k, p.k + (n % 2 ? p.m : 12));
            memset(held + p.k + (n % 2 ? p.m : 12), 0,
                   p.m - (n % 2 ? p.m : 12));
            tries++;
            slot = page_try(&p, held);
            if (slot < 0) {
                assert_memory_equal(p.block, p.data, p.k * p.len);
                continue;
            }
            spare++;
            assert_true((unsigned)slot < p.k && !held[slot]);
            /* Another parity symbol, one that is not held, in its place. */
            struct mu_parity_page page = {p.block, p.slots, p.got, p.k, p.len};
            unsigned j = 0, more = 0;
            do {
                while (held[p.k + j])
                    j++;
                assert_true(j < p.m);
                slot_put(&p, (unsigned)slot, j);
                memcpy(p.block + (unsigned)slot * p.len,
                       p.symbols + (p.k + j) * p.len, p.len);
                j++;
                more++;
                slot = mu_parity_decode(&arithmetic, &page, p.scratch);
            } while (slot >= 0 && more < 5);
            assert_int_equal(slot, -1);
            assert_memory_equal(p.block, p.data, p.k * p.len);
        }
        page_free(&p);
    }
    assert_in_range(spare, 1, tries / 60);
}

/* The twin solves the same system its own way. */
static void test_against_twin(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 30; n++) {
        struct page p;
        bool held[64];
        uint8_t index[32], out[32 * 9], in[32 * 9];
        unsigned k = 1 + noise(20), m = noise(12), at = 0;
        page_make(&p, k, m, 9);
        random_subset(held, k, k + m);
        for (unsigned i = 0; i < k + m; i++) {
            if (!held[i])
                continue;
            memcpy(in + at * 9, p.symbols + i * 9, 9);
            index[at++] = (uint8_t)i;
        }
        slow_decode(out, in, index, k, 9);
        assert_memory_equal(out, p.data, k * 9);
        page_decode(&p, held);
        page_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_every_subset),
        cmocka_unit_test(test_random_subsets),
        cmocka_unit_test(test_beyond_cauchy),
        cmocka_unit_test(test_against_twin),
    };
    const struct CMUnitTest of_machine[] = {
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_random_subsets),
        cmocka_unit_test(test_against_twin),
    };
    int failed;

    for (unsigned a = 1; a < 256; a++)
        inverse[a] = slow_inv((uint8_t)a);
    failed = cmocka_run_group_tests_name("core", tests, NULL, NULL);
    if (mu_crypto_openssl() == NULL)
        return 1;
    for (unsigned n = 0; mu_ossl_gf_way(n) != NULL; n++) {
        arithmetic.gf_sum = mu_ossl_gf_way(n);
        failed += cmocka_run_group_tests_name("instructions", of_machine,
                                              NULL, NULL);
    }
    return failed;
}
