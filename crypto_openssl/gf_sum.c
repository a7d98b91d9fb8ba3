/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of products in GF(2^8), polynomial 0x11d, with the vector instructions of
 * x86. Multiplying by a constant is linear over the bits: one instruction where
 * there is GFNI (a matrix of 8 x 8 bits for each constant), else two look-ups
 * of 16 entries. Machines that have neither leave it to the core.
 */
#include "crypto_openssl/internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BLOCK 32          /* bytes of a vector */
#define STRIP (4 * BLOCK) /* summed at a time */

static uint64_t gf_matrix[256];    /* row of output bit 0 in the top byte */
static uint8_t gf_nibble[256][32]; /* c * x, then c * (x << 4), x < 16 */

static uint8_t gf_double(uint8_t v)
{
    return (uint8_t)(v << 1 ^ (0x1d & (0u - (v >> 7))));
}

static void gf_tables(void)
{
    for (unsigned c = 0; c < 256; c++) {
        uint8_t times[8]; /* c * 2^i */

        times[0] = (uint8_t)c;
        for (unsigned i = 1; i < 8; i++)
            times[i] = gf_double(times[i - 1]);
        gf_matrix[c] = 0;
        for (unsigned out = 0; out < 8; out++) {
            for (unsigned in = 0; in < 8; in++)
                gf_matrix[c] |= (uint64_t)(times[in] >> out & 1)
                                << (8 * (7 - out) + in);
        }
        for (unsigned x = 0; x < 16; x++) {
            uint8_t low = 0, high = 0;

            for (unsigned i = 0; i < 4; i++) {
                low ^= (x >> i & 1) != 0 ? times[i] : 0;
                high ^= (x >> i & 1) != 0 ? times[i + 4] : 0;
            }
            gf_nibble[c][x] = low;
            gf_nibble[c][16 + x] = high;
        }
    }
}

/* The sums of n <= 4 vectors, beginning `at` bytes into each source. */
__attribute__((target("avx2,gfni"))) static void
gfni_strip(const struct mu_gf_sum *s, size_t at, unsigned n, uint8_t *out)
{
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256(), _mm256_setzero_si256()};
    const uint8_t *from = s->from + at;

    for (size_t i = 0; i < s->count; i++, from += s->stride) {
        __m256i m;

        if (s->coef[i] == 0)
            continue;
        m = _mm256_set1_epi64x((long long)gf_matrix[s->coef[i]]);
        for (unsigned v = 0; v < n; v++) {
            __m256i x =
                _mm256_loadu_si256((const __m256i *)(from + v * BLOCK));
            sum[v] = _mm256_xor_si256(
                sum[v], _mm256_gf2p8affine_epi64_epi8(x, m, 0));
        }
    }
    for (unsigned v = 0; v < n; v++)
        _mm256_storeu_si256((__m256i *)(out + v * BLOCK), sum[v]);
}

__attribute__((target("avx2"))) static void
avx2_strip(const struct mu_gf_sum *s, size_t at, unsigned n, uint8_t *out)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256(), _mm256_setzero_si256()};
    const uint8_t *from = s->from + at;

    for (size_t i = 0; i < s->count; i++, from += s->stride) {
        const uint8_t *table = gf_nibble[s->coef[i]];
        __m256i low, high;

        if (s->coef[i] == 0)
            continue;
        low = _mm256_broadcastsi128_si256(
            _mm_loadu_si128((const __m128i *)table));
        high = _mm256_broadcastsi128_si256(
            _mm_loadu_si128((const __m128i *)(table + 16)));
        for (unsigned v = 0; v < n; v++) {
            __m256i x =
                _mm256_loadu_si256((const __m256i *)(from + v * BLOCK));
            __m256i l = _mm256_and_si256(x, nibble);
            __m256i h = _mm256_and_si256(_mm256_srli_epi64(x, 4), nibble);

            sum[v] = _mm256_xor_si256(
                sum[v], _mm256_xor_si256(_mm256_shuffle_epi8(low, l),
                                         _mm256_shuffle_epi8(high, h)));
        }
    }
    for (unsigned v = 0; v < n; v++)
        _mm256_storeu_si256((__m256i *)(out + v * BLOCK), sum[v]);
}

typedef void gf_strip(const struct mu_gf_sum *s, size_t at, unsigned n,
                      uint8_t *out);

static void gf_put(uint8_t *to, const uint8_t *sum, size_t len, bool add)
{
    for (size_t i = 0; i < len; i++)
        to[i] = add ? (uint8_t)(to[i] ^ sum[i]) : sum[i];
}

/* Less than a vector: byte by byte. */
static void gf_short(const struct mu_gf_sum *s)
{
    for (size_t b = 0; b < s->len; b++) {
        uint8_t sum = 0;

        for (size_t i = 0; i < s->count; i++) {
            const uint8_t *table = gf_nibble[s->coef[i]];
            uint8_t x;

            if (s->coef[i] == 0)
                continue;
            x = s->from[i * s->stride + b];
            sum ^= table[x & 15] ^ table[16 + (x >> 4)];
        }
        gf_put(s->to + b, &sum, 1, s->add);
    }
}

static void gf_sum(const struct mu_gf_sum *s, gf_strip *strip)
{
    uint8_t out[STRIP];
    size_t at = 0, left = s->len % BLOCK;

    if (s->len < BLOCK) {
        gf_short(s);
        return;
    }
    while (at + BLOCK <= s->len) {
        size_t n = (s->len - at) / BLOCK;

        n = n < 4 ? n : 4;
        strip(s, at, (unsigned)n, out);
        gf_put(s->to + at, out, n * BLOCK, s->add);
        at += n * BLOCK;
    }
    if (left > 0) { /* the last vector once more, its end is new */
        strip(s, s->len - BLOCK, 1, out);
        gf_put(s->to + at, out + BLOCK - left, left, s->add);
    }
}

static void gf_by_gfni(void *ctx, const struct mu_gf_sum *s)
{
    (void)ctx;
    gf_sum(s, gfni_strip);
}

static void gf_by_avx2(void *ctx, const struct mu_gf_sum *s)
{
    (void)ctx;
    gf_sum(s, avx2_strip);
}

mu_ossl_gf_fn *mu_ossl_gf_way(unsigned n)
{
    static mu_ossl_gf_fn *const ways[] = {gf_by_gfni, gf_by_avx2};
    bool avx2, first;

    __builtin_cpu_init();
    avx2 = __builtin_cpu_supports("avx2") != 0;
    first = avx2 && __builtin_cpu_supports("gfni") != 0;
    n += first ? 0 : 1;
    return avx2 && n < sizeof(ways) / sizeof(ways[0]) ? ways[n] : NULL;
}

void mu_ossl_gf_setup(void)
{
    gf_tables();
}

#else

mu_ossl_gf_fn *mu_ossl_gf_way(unsigned n)
{
    (void)n;
    return NULL;
}

void mu_ossl_gf_setup(void)
{
}

#endif
