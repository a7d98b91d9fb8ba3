/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of a set is proved. Katz and Lindell (CT-RSA 2008): a sum that is right
 * proves each of its terms, since a false claim has to hit bytes that only the
 * holder of that member's key can make. The same holds for each place of a
 * shifted string: what others add there does not help anybody to make it zero.
 */
#include "muster/ack.h"

#include "ack/set.h"

/* All of a member's bytes are clean. A part of them would prove with fewer bits
 * than a tag has. */
static bool check_proved(const uint8_t *at)
{
    uint8_t any = 0;

    for (size_t i = 0; i < MU_ACK_LEN; i++)
        any |= at[i];
    return any == 0;
}

int mu_ack_check(const struct mu_ack_set *s, const struct mu_ack_expect *expect,
                 uint8_t *rest, uint8_t *left)
{
    size_t place = 0;
    int count = 0, rc = mu_ack_set_valid(s);

    if (rc != 0)
        return rc;
    mu_copy(rest, s->string.data, s->string.len);
    mu_zero(left, s->named.len);
    for (size_t i = 0; i < s->named.len * 8; i++) {
        uint8_t ack[MU_ACK_LEN];

        if (!ack_bit(s->named.data, i))
            continue;
        rc = expect->ack(expect->context, (uint16_t)(s->first + i), ack);
        if (rc != 0 && rc != MU_ERR_NOT_FOUND)
            return rc;
        if (rc == MU_ERR_NOT_FOUND) {
            ack_bit_set(left, i);
        } else {
            for (size_t b = 0; b < MU_ACK_LEN; b++)
                rest[place + b] ^= ack[b];
        }
        place += s->shift;
    }
    place = 0;
    for (size_t i = 0; i < s->named.len * 8; i++) {
        if (!ack_bit(s->named.data, i))
            continue;
        if (ack_bit(left, i) || !check_proved(rest + place)) {
            ack_bit_set(left, i);
            count++;
        }
        place += s->shift;
    }
    return count;
}
