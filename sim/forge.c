/* SPDX-License-Identifier: Apache-2.0 */
#include "forge.h"

#include <string.h>

#include "muster/cast.h"

/* Another symbol or tag under the right header. */
static void forge_body(struct sim_rng *rng, uint8_t *out, size_t len)
{
    if (len > MU_CAST_DATA_HEADER)
        sim_rng_fill(rng, out + MU_CAST_DATA_HEADER,
                     len - MU_CAST_DATA_HEADER);
}

/* The packets that will come next, before the sender sends them. */
static void forge_next(struct sim_rng *rng, uint8_t *out, size_t len)
{
    size_t at = len > 0 && mu_cast_is_data(out[0]) ? 2 : 4;

    if (len > at)
        out[at] = (uint8_t)(out[at] + 1 + sim_rng_below(rng, 8));
    forge_body(rng, out, len);
}

size_t sim_forge(struct sim_rng *rng, struct mu_bytes heard, uint8_t *out)
{
    size_t len = heard.len;
    memcpy(out, heard.data, len);
    switch (sim_rng_below(rng, 5)) {
    case 0:
        forge_body(rng, out, len);
        break;
    case 1:
        forge_next(rng, out, len);
        break;
    case 2: /* cut short */
        len = 1 + (size_t)sim_rng_below(rng, len);
        break;
    case 3: /* noise of the same kind */
        sim_rng_fill(rng, out, len);
        out[0] = heard.data[0];
        break;
    default:
        break;
    }
    if (len == heard.len && memcmp(out, heard.data, len) == 0)
        out[sim_rng_below(rng, len)] ^= (uint8_t)(1u << sim_rng_below(rng, 8));
    return len;
}
