/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Deluge carries: the signed object of the cast, or, to compare with, an
 * object that nothing protects.
 */
#include "muster/deluge.h"

int mu_deluge_open(void *ctx, struct mu_bytes manifest,
                   struct mu_deluge_object *o)
{
    const struct mu_deluge_trust *trust = ctx;
    enum mu_announce_kind kind;
    struct mu_manifest m;
    int rc = mu_announce_consume(trust->crypto, trust->server, trust->kg,
                                 manifest, &kind, &m);

    if (rc != 0)
        return rc;
    if (kind != MU_ANNOUNCE_MANIFEST)
        return MU_ERR_UNSUPPORTED;
    if (m.edition > UINT16_MAX)
        return MU_ERR_TOO_LARGE;
    *o = (struct mu_deluge_object){
        .version = m.version,
        .edition = (uint16_t)m.edition,
        .size = m.size,
        .shape = m.shape,
        .session = m.session,
        .roots = m.roots,
    };
    return 0;
}

int mu_deluge_open_plain(void *ctx, struct mu_bytes manifest,
                         struct mu_deluge_object *o)
{
    struct mu_reader r = mu_reader(manifest);

    (void)ctx;
    *o = (struct mu_deluge_object){.version = mu_read_u64(&r)};
    o->edition = mu_read_u16(&r);
    o->size = mu_read_u64(&r);
    o->shape.payload = mu_read_u16(&r);
    o->shape.page_data = mu_read_u8(&r); /* what a request can name */
    o->session = mu_read_u8(&r);
    return mu_reader_end(&r);
}

int mu_deluge_plain_create(const struct mu_deluge_object *o,
                           struct mu_writer *w)
{
    mu_write_u64(w, o->version);
    mu_write_u16(w, o->edition);
    mu_write_u64(w, o->size);
    mu_write_u16(w, o->shape.payload);
    mu_write_u8(w, (uint8_t)o->shape.page_data);
    mu_write_u8(w, o->session);
    return mu_writer_end(w);
}

/* Pages that carry no hashes: as many full ones as there are, and a rest. */
static int plain_page_at(const struct mu_deluge_object *o, uint32_t index,
                         struct mu_cast_page *page)
{
    uint32_t symbol = (uint32_t)o->shape.payload - MU_CAST_DATA_HEADER;
    uint64_t full = (uint64_t)o->shape.page_data * symbol;
    uint64_t at = index * full, left;

    if (at >= o->size)
        return MU_ERR_NOT_FOUND;
    left = o->size - at;
    *page = (struct mu_cast_page){
        .index = index,
        .data = o->shape.page_data,
        .symbol_len = (uint16_t)symbol,
        .content_len = (uint32_t)(left < full ? left : full),
        .content_at = at,
        .block_at = at,
        .last = left <= full,
    };
    if (page->last) {
        page->data = (uint16_t)((left + symbol - 1) / symbol);
        page->symbol_len =
            (uint16_t)((left + page->data - 1u) / page->data);
    }
    return 0;
}

int mu_deluge_page_at(const struct mu_deluge_object *o, uint32_t index,
                      struct mu_cast_page *page)
{
    if (o->shape.hash_len == 0)
        return plain_page_at(o, index, page);
    return mu_cast_page_at(&o->shape, o->size, index, page);
}

uint32_t mu_deluge_object_pages(const struct mu_deluge_object *o)
{
    const struct mu_cast_shape *s = &o->shape;
    uint64_t full, pages;

    if (s->page_data > MU_DELUGE_PAGE_MAX)
        return 0; /* no request can name so many packets */
    if (s->hash_len != 0)
        return mu_cast_pages(s, o->size);
    if (s->payload < MU_PAYLOAD_MIN || s->payload > MU_PACKET_MAX ||
        s->page_data == 0 || o->size == 0)
        return 0;
    full = (uint64_t)s->page_data * ((uint64_t)s->payload - MU_CAST_DATA_HEADER);
    pages = o->size / full + (o->size % full != 0);
    /* No hash would tell one from another. */
    return pages <= MU_CAST_PAGES_NEAR ? (uint32_t)pages : 0;
}
