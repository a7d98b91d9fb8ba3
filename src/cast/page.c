/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an object is cut into pages: docs/wire-format.md s.6.1, word for word.
 * Pages are walked from the first; where many full pages follow each other the
 * walk jumps over them, so that any page of any object is reached quickly.
 */
#include "muster/cast.h"

#include "cast/page.h"

enum { NEED_OVERHEAD = 17 }; /* beside its bitmap, which names a page */

/* Bytes of a symbol in a full page. */
static uint32_t shape_symbol(const struct mu_cast_shape *s)
{
    return (uint32_t)s->payload - MU_CAST_DATA_HEADER;
}

/* m(k): parity symbols that go with k data symbols. */
static uint32_t shape_parity(const struct mu_cast_shape *s, uint32_t k)
{
    uint32_t m;

    if (s->page_parity == 0)
        return 0;
    /* Small pages are unluckier; but their hashes have to fit. */
    m = s->page_parity < 128 ? s->page_parity : 128u;
    m = (k * s->page_parity + s->page_data - 1) / s->page_data + 2 + m / 16;
    return m < s->page_parity ? m : s->page_parity;
}

/* Bytes of the hashes of a page with k data symbols. */
static uint32_t shape_hashes(const struct mu_cast_shape *s, uint32_t k)
{
    return (k + shape_parity(s, k)) * s->hash_len;
}

/* fits(c): data symbols of the largest page whose hashes take c bytes. */
static uint32_t shape_fits(const struct mu_cast_shape *s, uint32_t c)
{
    uint32_t k = c / s->hash_len;

    if (k > s->page_data)
        k = s->page_data;
    while (k > 0 && shape_hashes(s, k) > c)
        k--;
    return k;
}

/* Data symbols of the largest first page: its hashes stand in the manifest,
 * which has to fit one packet where packets are not tiny, and
 * MU_ANNOUNCE_MAX, twice (relay manifest), where they are large. */
static uint32_t shape_first(const struct mu_cast_shape *s)
{
    uint32_t room = s->payload < 1024 ? s->payload : 1024u;

    return shape_fits(s, room >= 656 ? room - 400 : 256);
}

uint16_t mu_cast_page_data_max(uint16_t payload)
{
    uint32_t most = MU_PAGE_BYTES_MAX / payload;
    uint32_t named = ((uint32_t)payload - NEED_OVERHEAD) * 8;

    most = most < named ? most : named;
    return (uint16_t)(most < MU_PAGE_DATA_MAX ? most : MU_PAGE_DATA_MAX);
}

int mu_cast_shape_check(const struct mu_cast_shape *s)
{
    uint32_t k, next;

    if (s->payload < MU_PAYLOAD_MIN || s->payload > MU_PACKET_MAX ||
        s->page_data == 0 || s->page_data > mu_cast_page_data_max(s->payload) ||
        s->page_parity > MU_PAGE_PARITY_MAX || s->hash_len < MU_HASH_MIN ||
        s->hash_len > MU_HASH_MAX)
        return MU_ERR_USAGE;
    /* Pages grow until they are full or as large as the one before; from then
     * on each must carry content, or the object never ends. */
    k = shape_first(s);
    for (;;) {
        next = shape_fits(s, k * shape_symbol(s));
        if (next < k || next == 0)
            return MU_ERR_USAGE;
        if (next == k)
            break;
        k = next;
    }
    return shape_hashes(s, k) < k * shape_symbol(s) ? 0 : MU_ERR_USAGE;
}

static uint32_t page_capacity(const struct mu_cast_shape *s, uint32_t k)
{
    return k * shape_symbol(s);
}

/* Fills in a page of k data symbols that begins at content_at, block_at; it is
 * the last one when the rest of the content fits. `next_k` is the page after
 * it, 0 for the last. */
static void page_fill(const struct mu_cast_shape *s, uint64_t size, uint32_t k,
                      uint32_t next_k, struct mu_cast_page *p)
{
    uint64_t left = size - p->content_at;

    p->data = (uint16_t)k;
    p->parity = (uint16_t)shape_parity(s, k);
    p->last = next_k == 0;
    if (p->last) {
        p->hashes_len = 0;
        p->content_len = (uint32_t)left;
        p->symbol_len = (uint16_t)((left + k - 1) / k);
    } else {
        p->hashes_len = shape_hashes(s, next_k);
        p->content_len = page_capacity(s, k) - p->hashes_len;
        p->symbol_len = (uint16_t)shape_symbol(s);
    }
}

/* Data symbols of the page after one of k with `left` bytes of content in it
 * and after it; 0 when nothing comes after it. */
static uint32_t page_follow(const struct mu_cast_shape *s, uint32_t k,
                            uint64_t left)
{
    uint32_t room = page_capacity(s, k);
    uint32_t limit, symbol = shape_symbol(s);

    if (left <= room)
        return 0;
    limit = shape_fits(s, room);
    /* No page can take more than limit symbols less their own hashes. */
    if (left - room > (uint64_t)limit * symbol)
        return limit;
    for (uint32_t n = 1; n <= limit; n++) {
        if (left - (room - shape_hashes(s, n)) <= (uint64_t)n * symbol)
            return n;
    }
    return limit;
}

int mu_cast_page_first(const struct mu_cast_shape *s, uint64_t size,
                       struct mu_cast_page *page)
{
    int rc = mu_cast_shape_check(s);

    if (rc != 0)
        return rc;
    if (size == 0)
        return MU_ERR_USAGE;
    if (mu_cast_pages(s, size) == 0)
        return MU_ERR_TOO_LARGE;
    mu_page_begin(s, size, page);
    return 0;
}


bool mu_cast_page_next(const struct mu_cast_shape *s, uint64_t size,
                       struct mu_cast_page *page)
{
    uint32_t k;

    if (page->last)
        return false;
    /* The page after this one was chosen with the bytes left at this one. */
    k = page_follow(s, page->data, size - page->content_at);
    page->block_at += (uint64_t)page->data * page->symbol_len;
    page->content_at += page->content_len;
    page->index++;
    page_fill(s, size, k, page_follow(s, k, size - page->content_at), page);
    return true;
}

/* How many pages like this one surely follow without a change. */
static uint64_t page_alike(const struct mu_cast_shape *s, uint64_t size,
                           const struct mu_cast_page *page)
{
    uint32_t room = page_capacity(s, page->data);
    uint64_t left = size - page->content_at;
    /* As long as this much is left, page_follow gives its limit. */
    uint64_t keep = (uint64_t)room * 2 + page->content_len;

    if (page->last || shape_fits(s, room) != page->data || left <= keep)
        return 0;
    return (left - keep) / page->content_len;
}

/* Goes towards page `index`, or to the end if it is smaller. */
static void page_walk(const struct mu_cast_shape *s, uint64_t size,
                      uint64_t index, struct mu_cast_page *page)
{
    while (page->index < index) {
        uint64_t jump = page_alike(s, size, page);
        if (jump > index - page->index)
            jump = index - page->index;
        if (jump > 0) {
            page->index += (uint32_t)jump;
            page->content_at += jump * page->content_len;
            page->block_at += jump * page_capacity(s, page->data);
        } else if (!mu_cast_page_next(s, size, page)) {
            return;
        }
    }
}

int mu_cast_page_at(const struct mu_cast_shape *s, uint64_t size,
                    uint32_t index, struct mu_cast_page *page)
{
    int rc = mu_cast_page_first(s, size, page);

    if (rc != 0)
        return rc;
    page_walk(s, size, index, page);
    return page->index == index ? 0 : MU_ERR_NOT_FOUND;
}

static void page_start(const struct mu_cast_shape *s, uint64_t size, uint32_t k,
                       struct mu_cast_page *page)
{
    *page = (struct mu_cast_page){.index = 0};
    page_fill(s, size, k, page_follow(s, k, size), page);
}

/* Number of the last page when the first has k data symbols; UINT32_MAX when
 * pages would shrink after it, or never end. */
static uint32_t page_end(const struct mu_cast_shape *s, uint64_t size,
                         uint32_t k)
{
    struct mu_cast_page page;

    if (shape_hashes(s, k) >= page_capacity(s, k))
        return UINT32_MAX;
    page_start(s, size, k, &page);
    page_walk(s, size, MU_PAGES_MAX, &page);
    return page.last ? page.index : UINT32_MAX;
}

/*
 * Large pages are where parity is worth most, and one small page at the begin
 * is better than two of middle size: the first page is as small as the number
 * of pages allows.
 */
void mu_page_begin(const struct mu_cast_shape *s, uint64_t size,
                   struct mu_cast_page *page)
{
    uint32_t low = 1, high = shape_first(s), symbol = shape_symbol(s), end;

    if (size <= (uint64_t)high * symbol) {
        page_start(s, size, (uint32_t)((size + symbol - 1) / symbol), page);
        return;
    }
    end = page_end(s, size, high);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (page_end(s, size, middle) <= end)
            high = middle;
        else
            low = middle + 1;
    }
    page_start(s, size, high, page);
}

/* The last page; false when there are too many. */
static bool page_last(const struct mu_cast_shape *s, uint64_t size,
                      struct mu_cast_page *page)
{
    if (mu_cast_shape_check(s) != 0 || size == 0 ||
        size > (uint64_t)MU_PAGES_MAX * mu_cast_block_size(s))
        return false;
    mu_page_begin(s, size, page);
    page_walk(s, size, MU_PAGES_MAX, page);
    return page->last && page->index < MU_PAGES_MAX;
}

uint32_t mu_cast_pages(const struct mu_cast_shape *s, uint64_t size)
{
    struct mu_cast_page page;

    return page_last(s, size, &page) ? page.index + 1 : 0;
}

uint64_t mu_cast_prepared_size(const struct mu_cast_shape *s, uint64_t size)
{
    struct mu_cast_page page;

    if (!page_last(s, size, &page))
        return 0;
    return page.block_at + (uint64_t)page.data * page.symbol_len;
}

size_t mu_cast_block_size(const struct mu_cast_shape *s)
{
    return (size_t)s->page_data * shape_symbol(s);
}
