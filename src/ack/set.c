/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of acknowledgements: what they measure, and as bytes. */
#include "muster/ack.h"

#include "ack/set.h"

bool mu_ack_shift_known(uint8_t shift)
{
    return shift == 0 || shift == 2 || shift == 4 ||
           shift == MU_ACK_LEN;
}

size_t mu_ack_string_len(uint8_t shift, size_t members)
{
    return members == 0 ? 0 : (members - 1) * shift + MU_ACK_LEN;
}

size_t mu_ack_members_max(uint8_t shift, size_t len)
{
    if (len < MU_ACK_LEN)
        return 0;
    return shift == 0 ? MU_AREA_DEVICES_MAX : (len - MU_ACK_LEN) / shift + 1;
}

size_t mu_ack_members(struct mu_bytes named)
{
    size_t members = 0;

    for (size_t i = 0; i < named.len * 8; i++)
        members += ack_bit(named.data, i);
    return members;
}

bool mu_ack_names(const struct mu_ack_set *s, uint32_t index)
{
    return index >= s->first && index - s->first < s->named.len * 8 &&
           ack_bit(s->named.data, index - s->first);
}

int mu_ack_set_valid(const struct mu_ack_set *s)
{
    if (!mu_ack_shift_known(s->shift))
        return MU_ERR_UNSUPPORTED;
    if (s->named.len > MU_AREA_DEVICES_MAX / 8)
        return MU_ERR_TOO_LARGE;
    for (size_t i = 0; i < s->named.len * 8; i++) {
        if (s->first + i >= MU_AREA_DEVICES_MAX && ack_bit(s->named.data, i))
            return MU_ERR_TOO_LARGE;
    }
    return s->string.len ==
                   mu_ack_string_len(s->shift, mu_ack_members(s->named))
               ? 0
               : MU_ERR_MALFORMED;
}

int mu_ack_set_write(const struct mu_ack_set *s, struct mu_writer *w)
{
    mu_write_u16(w, s->first);
    mu_write_u8(w, s->shift);
    mu_write_u16(w, (uint16_t)s->named.len);
    mu_write_bytes(w, s->named);
    mu_write_bytes(w, s->string);
    return mu_writer_end(w);
}

int mu_ack_set_consume(struct mu_bytes in, struct mu_ack_set *s)
{
    struct mu_reader r = mu_reader(in);
    int rc;

    s->first = mu_read_u16(&r);
    s->shift = mu_read_u8(&r);
    s->named = mu_read_bytes(&r, mu_read_u16(&r));
    s->string = mu_reader_rest(&r);
    rc = mu_reader_end(&r);
    return rc == 0 ? mu_ack_set_valid(s) : rc;
}
