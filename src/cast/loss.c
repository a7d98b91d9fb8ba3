/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses of one receiver are taken as binomial; the unluckiest of n is near
 * the quantile 2^(-1/n). With z that quantile of the normal distribution and
 * the first term of Cornish and Fisher for the skew (1937), which is what
 * counts when few packets are lost:
 *
 *     worst = mean + z * deviation + (z^2 - 1) (1 - 2 loss) / 6
 *
 * Fixed point throughout: a microcontroller may be a sender too.
 */
#include "cast/loss.h"

#include "muster/time.h"

/* z for n = 1, 2, 4, ... 4096 members, in 1/256. */
static const uint32_t loss_z[] = {0,   140, 255, 355, 439, 515, 585,
                                  650, 710, 767, 820, 871, 920};

#define LOSS_Z_COUNT (sizeof(loss_z) / sizeof(loss_z[0]))

static uint32_t loss_quantile(uint32_t members)
{
    uint32_t log = 0, base;

    while (log + 1 < LOSS_Z_COUNT && members >> (log + 1) != 0)
        log++;
    if (members == 0 || log + 1 == LOSS_Z_COUNT)
        return loss_z[log];
    base = 1u << log;
    return loss_z[log] + (loss_z[log + 1] - loss_z[log]) *
                             (members - base) / base;
}

static uint32_t loss_root(uint64_t v)
{
    uint64_t root = 0;

    for (uint64_t bit = 1ull << 31; bit != 0; bit >>= 1) {
        if ((root + bit) * (root + bit) <= v)
            root += bit;
    }
    return (uint32_t)root;
}

uint32_t mu_loss_worst(uint32_t packets, uint32_t members, uint32_t loss)
{
    uint64_t mean = (uint64_t)packets * loss >> 8; /* in 1/256 */
    /* variance in 1/65536, so that its root is in 1/256 */
    uint64_t variance = (uint64_t)packets * loss * (MU_LOSS_ONE - loss) >> 16;
    int64_t z = loss_quantile(members), half = MU_LOSS_ONE / 2;
    int64_t spread = z * loss_root(variance) >> 8;
    int64_t skew = (z * z - 65536) / 256 * (half - (int64_t)loss) / half / 6;
    int64_t worst;

    if (skew > spread) /* the series is no good where next to nothing is lost */
        skew = spread;
    worst = (int64_t)mean + spread + skew;
    if (worst < 0)
        return 0;
    return worst > (int64_t)packets << 8 ? packets << 8 : (uint32_t)worst;
}

uint32_t mu_loss_parity(uint32_t k, uint32_t m, uint32_t members,
                        uint32_t loss)
{
    uint32_t r = 0;

    while (r < m && mu_loss_worst(k + r, members, loss) > r << 8)
        r++;
    return r;
}

uint32_t mu_loss_from_worst(uint32_t packets, uint32_t members, uint32_t lost)
{
    uint32_t low = 0, high = MU_LOSS_ONE;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (mu_loss_worst(packets, members, middle) < lost << 8)
            low = middle;
        else
            high = middle;
    }
    return low;
}
