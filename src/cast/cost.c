/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an object costs on the medium, before a byte of it is sent: the pages as
 * they will be cut, and the parity that the unluckiest receiver will need.
 */
#include "muster/cast.h"

#include "cast/loss.h"
#include "cast/page.h"

uint16_t mu_cast_parity(uint32_t page_data, uint32_t receivers,
                        uint32_t loss_permille)
{
    uint32_t loss = loss_permille < 900 ? loss_permille : 900u;
    uint32_t m = mu_loss_parity(page_data, MU_PAGE_PARITY_MAX, receivers,
                                loss * MU_LOSS_ONE / 1000);

    m += m / 32 + 2;
    return (uint16_t)(m < MU_PAGE_PARITY_MAX ? m : MU_PAGE_PARITY_MAX);
}

int mu_cast_cost(const struct mu_cast_shape *s, uint64_t size,
                 uint32_t receivers, uint32_t loss_permille,
                 struct mu_cast_cost *out)
{
    struct mu_cast_page page;
    int rc = mu_cast_page_first(s, size, &page);

    *out = (struct mu_cast_cost){.pages = 0};
    if (rc != 0)
        return rc;
    if (loss_permille > 900)
        return MU_ERR_USAGE;
    out->roots = mu_page_hashes(s, &page);
    do {
        uint32_t loss = loss_permille * MU_LOSS_ONE / 1000;
        /* No bound but the unluckiest: what parity there is not, repair is. */
        uint32_t more = mu_loss_parity(page.data, UINT16_MAX, receivers, loss);

        out->pages++;
        out->data += page.data;
        out->more += more;
        out->content += page.content_len;
        out->hashes += page.hashes_len;
        out->padding += (uint64_t)page.data * page.symbol_len -
                        page.content_len - page.hashes_len;
        out->more_bytes += (uint64_t)more *
                           (page.symbol_len + MU_CAST_DATA_HEADER);
    } while (mu_cast_page_next(s, size, &page));
    out->headers = out->data * MU_CAST_DATA_HEADER;
    return 0;
}
