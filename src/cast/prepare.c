/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing an object: from the last page to the first, because each page
 * holds the hashes of the one after it.
 *
 * Work memory: the block of the page at work, the hashes of the page after it,
 * one packet.
 */
#include "muster/cast.h"

#include "cast/page.h"
#include "cast/parity.h"

static size_t prepare_hashes_max(const struct mu_cast_shape *s)
{
    return ((size_t)s->page_data + s->page_parity) * s->hash_len;
}

size_t mu_cast_prepare_work(const struct mu_cast_shape *s)
{
    return mu_cast_block_size(s) + prepare_hashes_max(s) + MU_PACKET_MAX;
}

int mu_cast_prepare_init(struct mu_cast_prepare *p,
                         const struct mu_crypto *crypto,
                         const struct mu_cast_shape *shape, uint64_t size,
                         uint8_t session, const struct mu_secret *cek,
                         const struct mu_object *plain,
                         const struct mu_object *prepared, void *work,
                         size_t work_len)
{
    struct mu_cast_page page;
    int rc = mu_cast_page_first(shape, size, &page);

    if (rc != 0)
        return rc;
    if (work_len < mu_cast_prepare_work(shape))
        return MU_ERR_NO_SPACE;
    *p = (struct mu_cast_prepare){
        .crypto = crypto,
        .shape = *shape,
        .size = size,
        .plain = plain,
        .prepared = prepared,
        .cek = cek,
        .session = session,
        .pages = mu_cast_pages(shape, size),
        .work = work,
        .work_len = work_len,
    };
    p->left = p->pages;
    return 0;
}

static uint8_t *prepare_hashes(const struct mu_cast_prepare *p)
{
    return p->work + mu_cast_block_size(&p->shape);
}

/* Hashes every packet of the page in the block into the hash table. */
static void prepare_hash(struct mu_cast_prepare *p,
                         const struct mu_cast_page *page)
{
    uint8_t *hashes = prepare_hashes(p);
    uint8_t *symbol = hashes + prepare_hashes_max(&p->shape);
    uint8_t head[MU_CAST_DATA_HEADER];
    uint8_t hash[MU_SHA256_LEN];
    struct mu_bytes parts[2];

    for (unsigned i = 0; i < mu_page_packets(page); i++) {
        mu_cast_data_head(head, p->session, page->index, i);
        parts[0] = MU_BYTES(head);
        if (i < page->data) {
            parts[1] = mu_bytes(p->work + (size_t)i * page->symbol_len,
                                page->symbol_len);
        } else {
            mu_parity_encode(p->crypto, symbol, i - page->data, p->work,
                             page->data, page->symbol_len);
            parts[1] = mu_bytes(symbol, page->symbol_len);
        }
        mu_sha256(p->crypto, parts, 2, hash);
        mu_copy(hashes + (size_t)i * p->shape.hash_len, hash,
                p->shape.hash_len);
    }
    p->roots_len = mu_page_hashes(&p->shape, page);
}

int mu_cast_prepare_step(struct mu_cast_prepare *p)
{
    struct mu_cast_page page;
    size_t block_len;
    uint8_t *content;
    int rc;

    if (p->left == 0)
        return 0;
    rc = mu_cast_page_at(&p->shape, p->size, p->left - 1, &page);
    if (rc != 0)
        return rc;
    block_len = (size_t)page.data * page.symbol_len;
    content = p->work + page.hashes_len;
    mu_copy(p->work, prepare_hashes(p), page.hashes_len);
    rc = p->plain->read(p->plain->ctx, page.content_at, content,
                        page.content_len);
    if (rc != 0)
        return rc;
    rc = mu_cast_crypt(p->crypto, p->cek, page.content_at, content,
                       page.content_len);
    if (rc != 0)
        return rc;
    mu_zero(content + page.content_len,
            block_len - page.hashes_len - page.content_len);
    rc = p->prepared->write(p->prepared->ctx, page.block_at, p->work,
                            block_len);
    if (rc != 0)
        return rc;
    prepare_hash(p, &page);
    p->left--;
    return 0;
}

struct mu_bytes mu_cast_prepare_roots(const struct mu_cast_prepare *p)
{
    if (p->left != 0)
        return mu_bytes(NULL, 0);
    return mu_bytes(prepare_hashes(p), p->roots_len);
}
