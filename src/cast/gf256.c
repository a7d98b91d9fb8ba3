/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GF(2^8), polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), generator 2.
 *
 * The dot product is where the time goes. A table of products would cost one
 * look-up a byte; instead each source is added, as it is, to two of 32 sums:
 * one chosen by the low and one by the high four bits of its coefficient. Only
 * at the end are the sums multiplied, bit by bit. So the inner loop is two
 * plain exclusive ors that any compiler turns into wide ones.
 */
#include "cast/gf256.h"

#include "muster/assert.h"

/* gf_exp[i] = 2^i; gf_log is its inverse, gf_log[0] is not used. */
static const uint8_t gf_exp[255] = {
    1, 2, 4, 8, 16, 32, 64, 128, 29, 58, 116, 232, 205, 135,
    19, 38, 76, 152, 45, 90, 180, 117, 234, 201, 143, 3, 6, 12,
    24, 48, 96, 192, 157, 39, 78, 156, 37, 74, 148, 53, 106, 212,
    181, 119, 238, 193, 159, 35, 70, 140, 5, 10, 20, 40, 80, 160,
    93, 186, 105, 210, 185, 111, 222, 161, 95, 190, 97, 194, 153, 47,
    94, 188, 101, 202, 137, 15, 30, 60, 120, 240, 253, 231, 211, 187,
    107, 214, 177, 127, 254, 225, 223, 163, 91, 182, 113, 226, 217, 175,
    67, 134, 17, 34, 68, 136, 13, 26, 52, 104, 208, 189, 103, 206,
    129, 31, 62, 124, 248, 237, 199, 147, 59, 118, 236, 197, 151, 51,
    102, 204, 133, 23, 46, 92, 184, 109, 218, 169, 79, 158, 33, 66,
    132, 21, 42, 84, 168, 77, 154, 41, 82, 164, 85, 170, 73, 146,
    57, 114, 228, 213, 183, 115, 230, 209, 191, 99, 198, 145, 63, 126,
    252, 229, 215, 179, 123, 246, 241, 255, 227, 219, 171, 75, 150, 49,
    98, 196, 149, 55, 110, 220, 165, 87, 174, 65, 130, 25, 50, 100,
    200, 141, 7, 14, 28, 56, 112, 224, 221, 167, 83, 166, 81, 162,
    89, 178, 121, 242, 249, 239, 195, 155, 43, 86, 172, 69, 138, 9,
    18, 36, 72, 144, 61, 122, 244, 245, 247, 243, 251, 235, 203, 139,
    11, 22, 44, 88, 176, 125, 250, 233, 207, 131, 27, 54, 108, 216,
    173, 71, 142,
};

static const uint8_t gf_log[256] = {
    0, 0, 1, 25, 2, 50, 26, 198, 3, 223, 51, 238, 27, 104,
    199, 75, 4, 100, 224, 14, 52, 141, 239, 129, 28, 193, 105, 248,
    200, 8, 76, 113, 5, 138, 101, 47, 225, 36, 15, 33, 53, 147,
    142, 218, 240, 18, 130, 69, 29, 181, 194, 125, 106, 39, 249, 185,
    201, 154, 9, 120, 77, 228, 114, 166, 6, 191, 139, 98, 102, 221,
    48, 253, 226, 152, 37, 179, 16, 145, 34, 136, 54, 208, 148, 206,
    143, 150, 219, 189, 241, 210, 19, 92, 131, 56, 70, 64, 30, 66,
    182, 163, 195, 72, 126, 110, 107, 58, 40, 84, 250, 133, 186, 61,
    202, 94, 155, 159, 10, 21, 121, 43, 78, 212, 229, 172, 115, 243,
    167, 87, 7, 112, 192, 247, 140, 128, 99, 13, 103, 74, 222, 237,
    49, 197, 254, 24, 227, 165, 153, 119, 38, 184, 180, 124, 17, 68,
    146, 217, 35, 32, 137, 46, 55, 63, 209, 91, 149, 188, 207, 205,
    144, 135, 151, 178, 220, 252, 190, 97, 242, 86, 211, 171, 20, 42,
    93, 158, 132, 60, 57, 83, 71, 109, 65, 162, 31, 45, 67, 216,
    183, 123, 164, 118, 196, 23, 73, 236, 127, 12, 111, 246, 108, 161,
    59, 82, 41, 157, 85, 170, 251, 96, 134, 177, 187, 204, 62, 90,
    203, 89, 95, 176, 156, 169, 160, 81, 11, 245, 22, 235, 122, 117,
    44, 215, 79, 174, 213, 233, 230, 231, 173, 232, 116, 214, 244, 234,
    168, 80, 88, 175,
};

uint8_t mu_gf_mul(uint8_t a, uint8_t b)
{
    if (a == 0 || b == 0)
        return 0;
    return gf_exp[((unsigned)gf_log[a] + gf_log[b]) % 255];
}

uint8_t mu_gf_inv(uint8_t a)
{
    mu_assert(a != 0);
    return gf_exp[(255u - gf_log[a]) % 255];
}

static void chunk_add(uint8_t *restrict to, const uint8_t *restrict from)
{
    for (size_t i = 0; i < MU_GF_CHUNK; i++)
        to[i] ^= from[i];
}

/* Multiplies by x: shift, and reduce where a bit fell off. */
static void chunk_double(uint8_t *to)
{
    for (size_t i = 0; i < MU_GF_CHUNK; i++) {
        unsigned v = to[i];
        to[i] = (uint8_t)(v << 1 ^ (0x1d & (0u - (v >> 7))));
    }
}

/* The weighted sum of sums[high][low] into total. */
static void chunk_collect(uint8_t sums[2][16][MU_GF_CHUNK],
                          uint8_t total[MU_GF_CHUNK])
{
    mu_zero(total, MU_GF_CHUNK);
    for (unsigned bit = 8; bit-- > 0;) {
        chunk_double(total);
        for (unsigned v = 1; v < 16; v++) {
            if ((v >> (bit & 3) & 1) != 0)
                chunk_add(total, sums[bit >> 2][v]);
        }
    }
}

/* One chunk of the dot product; below MU_GF_CHUNK only for the rest. */
static void chunk_dot(uint8_t *to, bool add, const uint8_t *coef,
                      const uint8_t *from, size_t stride, size_t count,
                      size_t len)
{
    uint8_t sums[2][16][MU_GF_CHUNK];
    uint8_t total[MU_GF_CHUNK];

    mu_zero(sums, sizeof(sums));
    for (size_t i = 0; i < count; i++, from += stride) {
        uint8_t rest[MU_GF_CHUNK];
        const uint8_t *in = from;
        if (coef[i] == 0)
            continue;
        if (len < MU_GF_CHUNK) {
            mu_zero(rest, sizeof(rest));
            mu_copy(rest, from, len);
            in = rest;
        }
        chunk_add(sums[0][coef[i] & 15], in);
        chunk_add(sums[1][coef[i] >> 4], in);
    }
    chunk_collect(sums, total);
    for (size_t i = 0; i < len; i++)
        to[i] = add ? to[i] ^ total[i] : total[i];
}

void mu_gf_dot(uint8_t *to, bool add, const uint8_t *coef,
               const uint8_t *from, size_t stride, size_t count, size_t len)
{
    for (size_t at = 0; at < len; at += MU_GF_CHUNK) {
        size_t left = len - at;
        chunk_dot(to + at, add, coef, from + at, stride, count,
                  left < MU_GF_CHUNK ? left : MU_GF_CHUNK);
    }
}
