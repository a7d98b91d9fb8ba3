/* SPDX-License-Identifier: Apache-2.0 */
/* Reader: input, with a failure that sticks. All input passes through here. */
#include "muster/bytes.h"

struct mu_reader mu_reader(struct mu_bytes in)
{
    return (struct mu_reader){in.data, in.len, 0, false};
}

/* The next len bytes, or NULL (and failed) when there are fewer. */
static const uint8_t *reader_take(struct mu_reader *r, size_t len)
{
    if (r->failed || len > r->len - r->pos) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->data + r->pos;
    r->pos += len;
    return at;
}

static uint64_t reader_uint(struct mu_reader *r, size_t len)
{
    const uint8_t *at = reader_take(r, len);
    uint64_t v = 0;

    if (at == NULL)
        return 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | at[i];
    return v;
}

uint8_t mu_read_u8(struct mu_reader *r)
{
    return (uint8_t)reader_uint(r, 1);
}

uint16_t mu_read_u16(struct mu_reader *r)
{
    return (uint16_t)reader_uint(r, 2);
}

uint32_t mu_read_u32(struct mu_reader *r)
{
    return (uint32_t)reader_uint(r, 4);
}

uint64_t mu_read_u64(struct mu_reader *r)
{
    return reader_uint(r, 8);
}

struct mu_bytes mu_read_bytes(struct mu_reader *r, size_t len)
{
    if (len == 0)
        return (struct mu_bytes){NULL, 0};
    const uint8_t *at = reader_take(r, len);
    return (struct mu_bytes){at, at == NULL ? 0 : len};
}

void mu_read_copy(struct mu_reader *r, void *to, size_t len)
{
    struct mu_bytes got = mu_read_bytes(r, len);

    if (got.len == len)
        mu_copy(to, got.data, len);
    else
        mu_zero(to, len);
}

size_t mu_reader_left(const struct mu_reader *r)
{
    return r->failed ? 0 : r->len - r->pos;
}

struct mu_bytes mu_reader_rest(struct mu_reader *r)
{
    return mu_read_bytes(r, mu_reader_left(r));
}

void mu_reader_fail(struct mu_reader *r)
{
    r->failed = true;
}

int mu_reader_end(const struct mu_reader *r)
{
    if (r->failed)
        return MU_ERR_TRUNCATED;
    return r->pos == r->len ? 0 : MU_ERR_MALFORMED;
}
