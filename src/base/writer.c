/* SPDX-License-Identifier: Apache-2.0 */
/* Writer: output, with a failure that sticks. All output passes through here. */
#include "muster/bytes.h"

struct mu_writer mu_writer(void *to, size_t cap)
{
    return (struct mu_writer){to, cap, 0, false};
}

uint8_t *mu_write_room(struct mu_writer *w, size_t len)
{
    if (w->failed || len > w->cap - w->len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->data + w->len;
    w->len += len;
    return at;
}

static void writer_uint(struct mu_writer *w, uint64_t v, size_t len)
{
    uint8_t *at = mu_write_room(w, len);

    if (at == NULL)
        return;
    for (size_t i = len; i-- > 0; v >>= 8)
        at[i] = (uint8_t)v;
}

void mu_write_u8(struct mu_writer *w, uint8_t v)
{
    writer_uint(w, v, 1);
}

void mu_write_u16(struct mu_writer *w, uint16_t v)
{
    writer_uint(w, v, 2);
}

void mu_write_u32(struct mu_writer *w, uint32_t v)
{
    writer_uint(w, v, 4);
}

void mu_write_u64(struct mu_writer *w, uint64_t v)
{
    writer_uint(w, v, 8);
}

void mu_write_bytes(struct mu_writer *w, struct mu_bytes in)
{
    if (in.len == 0)
        return;
    uint8_t *at = mu_write_room(w, in.len);
    if (at != NULL)
        mu_copy(at, in.data, in.len);
}

void mu_writer_fail(struct mu_writer *w)
{
    w->failed = true;
}

struct mu_bytes mu_written(const struct mu_writer *w)
{
    return (struct mu_bytes){w->data, w->failed ? 0 : w->len};
}

int mu_writer_end(const struct mu_writer *w)
{
    return w->failed ? MU_ERR_NO_SPACE : 0;
}
