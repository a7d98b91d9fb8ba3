/* SPDX-License-Identifier: Apache-2.0 */
/* Adding up acknowledgements, one by one or whole sets. */
#include "muster/ack.h"

#include "ack/set.h"

void mu_ack_sum_init(struct mu_ack_sum *sum, uint16_t first, uint8_t shift,
                     uint8_t *named, size_t named_cap, uint8_t *string,
                     size_t string_cap)
{
    *sum = (struct mu_ack_sum){
        .first = first,
        .shift = shift,
        .next = first,
        .named = named,
        .named_cap = named_cap,
        .string = string,
        .string_cap = string_cap,
    };
    mu_zero(named, named_cap);
    mu_zero(string, string_cap);
}

/* Room for so many more members, the last of them at index `last`. */
static bool sum_room(const struct mu_ack_sum *sum, uint32_t last, size_t more)
{
    return (last - sum->first) / 8 < sum->named_cap &&
           mu_ack_string_len(sum->shift, sum->members + more) <=
               sum->string_cap;
}

/* At the place of the next member. */
static void sum_xor(struct mu_ack_sum *sum, const uint8_t *from, size_t len)
{
    uint8_t *to = sum->string + (size_t)sum->members * sum->shift;

    for (size_t i = 0; i < len; i++)
        to[i] ^= from[i];
}

int mu_ack_sum_add(struct mu_ack_sum *sum, uint16_t index,
                   const uint8_t ack[MU_ACK_LEN])
{
    if (index < sum->next)
        return MU_ERR_UNEXPECTED;
    if (!sum_room(sum, index, 1))
        return MU_ERR_NO_SPACE;
    sum_xor(sum, ack, MU_ACK_LEN);
    ack_bit_set(sum->named, index - sum->first);
    sum->members++;
    sum->next = index + 1u;
    return 0;
}

int mu_ack_sum_join(struct mu_ack_sum *sum, const struct mu_ack_set *part)
{
    size_t members = mu_ack_members(part->named);
    uint32_t last = 0;
    bool begun = false;

    if (part->shift != sum->shift)
        return MU_ERR_UNSUPPORTED;
    if (members == 0)
        return 0;
    for (size_t i = 0; i < part->named.len * 8; i++) {
        if (!ack_bit(part->named.data, i))
            continue;
        if (!begun && part->first + i < sum->next)
            return MU_ERR_UNEXPECTED;
        begun = true;
        last = (uint32_t)(part->first + i);
    }
    if (!sum_room(sum, last, members))
        return MU_ERR_NO_SPACE;
    sum_xor(sum, part->string.data, part->string.len);
    for (size_t i = 0; i < part->named.len * 8; i++) {
        if (ack_bit(part->named.data, i))
            ack_bit_set(sum->named, part->first + i - sum->first);
    }
    sum->members = (uint16_t)(sum->members + members);
    sum->next = last + 1;
    return 0;
}

struct mu_ack_set mu_ack_sum_set(const struct mu_ack_sum *sum)
{
    return (struct mu_ack_set){
        .first = sum->first,
        .shift = sum->shift,
        .named = mu_bytes(sum->named,
                          (sum->next - sum->first + 7u) / 8u),
        .string = mu_bytes(sum->string,
                           mu_ack_string_len(sum->shift, sum->members)),
    };
}
