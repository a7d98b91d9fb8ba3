/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between a gateway and the server: see muster/wide_msg.h. */
#include "muster/wide_msg.h"

#include "node/msg.h"

int mu_wide_hello_create(const struct mu_wide_hello *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, m->page_memory != 0 ? 5 : 4);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_tstr(w, m->software);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->area_version);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->epoch);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_uint(w, m->unicast_port);
    if (m->page_memory != 0) {
        mu_cbor_put_uint(w, 5);
        mu_cbor_put_uint(w, m->page_memory);
    }
    return mu_writer_end(w);
}

int mu_wide_hello_consume(struct mu_bytes in, struct mu_wide_hello *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_wide_hello){.epoch = 0};
    while (mu_msg_next(&r, &map, &key)) {
        switch (key) {
        case 1:
            m->software = mu_msg_get_text(&r, 0, MU_ID_MAX);
            break;
        case 2:
            m->area_version = mu_cbor_get_uint(&r);
            break;
        case 3:
            m->epoch = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
            break;
        case 4:
            m->unicast_port = (uint16_t)mu_cbor_get_uint_max(&r, UINT16_MAX);
            break;
        case 5:
            m->page_memory = mu_cbor_get_uint(&r);
            break;
        default:
            mu_cbor_skip(&r);
        }
    }
    return mu_msg_end(&r, &map, 0x1e);
}

int mu_wide_welcome_create(const struct mu_wide_welcome *m,
                           struct mu_writer *w)
{
    mu_cbor_put_map(w, m->directory != 0 ? 14 : 13);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_tstr(w, m->server);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->number);
    mu_cbor_put_uint(w, 3);
    mu_msg_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, 4);
    mu_msg_put_key(w, &m->kw);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_tstr(w, m->address);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_uint(w, m->port);
    mu_cbor_put_uint(w, 7);
    mu_cbor_put_uint(w, m->up_port);
    mu_cbor_put_uint(w, 8);
    mu_cbor_put_uint(w, m->epoch);
    mu_cbor_put_uint(w, 9);
    mu_cbor_put_bstr(w, m->pub);
    mu_cbor_put_uint(w, 10);
    mu_cbor_put_int(w, m->alg);
    mu_cbor_put_uint(w, 11);
    mu_cbor_put_uint(w, m->campaigns_version);
    mu_cbor_put_uint(w, 12);
    mu_cbor_put_uint(w, m->index);
    if (m->directory != 0) {
        mu_cbor_put_uint(w, 13);
        mu_cbor_put_uint(w, m->directory);
    }
    mu_cbor_put_uint(w, 14);
    mu_msg_put_tick(w, &m->tick);
    return mu_writer_end(w);
}

static void wide_alg_read(struct mu_reader *r, enum mu_alg *alg)
{
    int64_t v = mu_cbor_get_int(r);

    if (v == MU_ALG_ES256)
        *alg = MU_ALG_ES256;
    else if (v == MU_ALG_EDDSA)
        *alg = MU_ALG_EDDSA;
    else
        mu_reader_fail(r);
}

static void wide_welcome_read(struct mu_reader *r, int64_t key,
                              struct mu_wide_welcome *m)
{
    switch (key) {
    case 1:
        m->server = mu_msg_get_text(r, 1, MU_ID_MAX);
        break;
    case 2:
        m->number = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 3:
        mu_msg_get_kid(r, MU_KEY_KW, &m->kid);
        break;
    case 4:
        mu_msg_get_key(r, &m->kw);
        break;
    case 5:
        m->address = mu_msg_get_text(r, 1, MU_ADDR_TEXT_MAX - 1);
        break;
    case 6:
        m->port = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 7:
        m->up_port = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 8:
        m->epoch = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 9:
        m->pub = mu_msg_get_data(r, 32, MU_PUBLIC_KEY_MAX);
        break;
    case 10:
        wide_alg_read(r, &m->alg);
        break;
    case 11:
        m->campaigns_version = mu_cbor_get_uint(r);
        break;
    case 12:
        m->index = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case 13:
        m->directory = mu_cbor_get_uint(r);
        break;
    case 14:
        mu_msg_get_tick(r, &m->tick);
        break;
    default:
        mu_cbor_skip(r);
    }
}

int mu_wide_welcome_consume(struct mu_bytes in, struct mu_wide_welcome *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    *m = (struct mu_wide_welcome){.number = 0};
    while (mu_msg_next(&r, &map, &key)) {
        wide_welcome_read(&r, key, m);
    }
    rc = mu_msg_end(&r, &map, 0x5ffe);
    if (rc != 0)
        mu_secret_clear(&m->kw);
    return rc;
}

int mu_wide_ask_create(uint64_t from, struct mu_writer *w)
{
    mu_msg_put_one(w, from);
    return mu_writer_end(w);
}

int mu_wide_ask_consume(struct mu_bytes in, uint64_t *from)
{
    return mu_msg_get_one(in, UINT64_MAX, from);
}

int mu_wide_notice_create(const struct mu_wide_notice *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, m->directory != 0 ? 6 : 5);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, m->area_version);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->campaigns_version);
    mu_cbor_put_uint(w, 3);
    mu_msg_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, 4);
    mu_msg_put_key(w, &m->kw);
    if (m->directory != 0) {
        mu_cbor_put_uint(w, 5);
        mu_cbor_put_uint(w, m->directory);
    }
    mu_cbor_put_uint(w, 6);
    mu_msg_put_tick(w, &m->tick);
    return mu_writer_end(w);
}

int mu_wide_notice_consume(struct mu_bytes in, struct mu_wide_notice *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    *m = (struct mu_wide_notice){.area_version = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            m->area_version = mu_cbor_get_uint(&r);
        else if (key == 2)
            m->campaigns_version = mu_cbor_get_uint(&r);
        else if (key == 3)
            mu_msg_get_kid(&r, MU_KEY_KW, &m->kid);
        else if (key == 4)
            mu_msg_get_key(&r, &m->kw);
        else if (key == 5)
            m->directory = mu_cbor_get_uint(&r);
        else if (key == 6)
            mu_msg_get_tick(&r, &m->tick);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_msg_end(&r, &map, 0x5e);
    if (rc != 0)
        mu_secret_clear(&m->kw);
    return rc;
}

int mu_wide_poke_create(struct mu_bytes bitmap, struct mu_writer *w)
{
    return mu_msg_bitmap_create(bitmap, w);
}

int mu_wide_poke_consume(struct mu_bytes in, struct mu_bytes *bitmap)
{
    return mu_msg_bitmap_consume(in, 0, bitmap);
}
