/* SPDX-License-Identifier: Apache-2.0 */
/* What the message codecs of both hops share. */
#include "node/msg.h"

#define GROUP_KEY_LEN 32 /* bytes of Kg, Kw and Kb */

void mu_msg_put_kid(struct mu_writer *w, const struct mu_kid *kid)
{
    mu_cbor_put_bstr_head(w, MU_KID_LEN);
    mu_kid_write(w, kid);
}

void mu_msg_get_kid(struct mu_reader *r, uint8_t kind, struct mu_kid *kid)
{
    struct mu_bytes raw = mu_cbor_get_bstr(r);
    struct mu_reader in = mu_reader(raw);

    *kid = mu_kid_read(&in);
    if (mu_reader_end(&in) != 0 || kid->kind != kind)
        mu_reader_fail(r);
}

void mu_msg_put_key(struct mu_writer *w, const struct mu_secret *key)
{
    if (key->len != GROUP_KEY_LEN)
        mu_writer_fail(w);
    mu_cbor_put_bstr(w, mu_secret_view(key));
}

void mu_msg_get_key(struct mu_reader *r, struct mu_secret *key)
{
    struct mu_bytes raw = mu_cbor_get_bstr(r);

    if (raw.len != GROUP_KEY_LEN || mu_secret_set(key, raw) != 0) {
        mu_secret_clear(key);
        mu_reader_fail(r);
    }
}

void mu_msg_put_tick(struct mu_writer *w, const struct mu_tick *t)
{
    uint8_t raw[MU_TICK_LEN];

    mu_tick_write(t, raw);
    mu_cbor_put_bstr(w, MU_BYTES(raw));
}

void mu_msg_get_tick(struct mu_reader *r, struct mu_tick *t)
{
    uint8_t raw[MU_TICK_LEN] = {0};

    mu_cbor_get_bstr_copy(r, raw, sizeof raw);
    mu_tick_read(raw, t);
}

struct mu_bytes mu_msg_get_text(struct mu_reader *r, size_t min, size_t max)
{
    struct mu_bytes v = mu_cbor_get_tstr(r);

    if (v.len < min || v.len > max)
        mu_reader_fail(r);
    return v;
}

struct mu_bytes mu_msg_get_data(struct mu_reader *r, size_t min, size_t max)
{
    struct mu_bytes v = mu_cbor_get_bstr(r);

    if (v.len < min || v.len > max)
        mu_reader_fail(r);
    return v;
}

struct mu_msg_map mu_msg_map(struct mu_reader *r)
{
    return (struct mu_msg_map){mu_cbor_get_map(r), 0};
}

bool mu_msg_next(struct mu_reader *r, struct mu_msg_map *m, int64_t *key)
{
    if (!mu_cbor_map_next(r, &m->map, key))
        return false;
    if (*key >= 0 && *key < 32)
        m->seen |= (uint32_t)1 << *key;
    return true;
}

int mu_msg_end(const struct mu_reader *r, const struct mu_msg_map *m,
               uint32_t wanted)
{
    int rc = mu_reader_end(r);

    if (rc != 0)
        return rc;
    return (m->seen & wanted) == wanted ? 0 : MU_ERR_MALFORMED;
}

void mu_msg_put_one(struct mu_writer *w, uint64_t v)
{
    mu_cbor_put_map(w, 1);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, v);
}

int mu_msg_get_one(struct mu_bytes in, uint64_t max, uint64_t *v)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *v = 0;
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            *v = mu_cbor_get_uint_max(&r, max);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 1u << 1);
}

int mu_msg_bitmap_create(struct mu_bytes bitmap, struct mu_writer *w)
{
    mu_cbor_put_map(w, 1);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, bitmap);
    return mu_writer_end(w);
}

int mu_msg_bitmap_consume(struct mu_bytes in, size_t min,
                          struct mu_bytes *bitmap)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *bitmap = mu_bytes(NULL, 0);
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            *bitmap = mu_msg_get_data(&r, min, MU_AREA_DEVICES_MAX / 8);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0x02);
}
