/* SPDX-License-Identifier: Apache-2.0 */
/* POST /t, gateway to server: docs/wire-format.md s.2.3. */
#include "muster/wide_msg.h"
#include "node/msg.h"

int mu_wide_tally_create(const struct mu_wide_tally *m, struct mu_writer *w)
{
    const uint64_t numbers[] = {m->data,  m->parity,   m->repair,   m->control,
                                m->bytes, m->feedback, m->rejected, m->page,
                                m->alone, m->asleep,   m->within_s};
    const size_t count = sizeof numbers / sizeof numbers[0];

    mu_cbor_put_map(w, 2);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, MU_BYTES(m->campaign));
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_array(w, count);
    for (size_t i = 0; i < count; i++)
        mu_cbor_put_uint(w, numbers[i]);
    return mu_writer_end(w);
}

static void tally_numbers(struct mu_reader *r, struct mu_wide_tally *m)
{
    mu_cbor_expect_array(r, 11);
    m->data = mu_cbor_get_uint(r);
    m->parity = mu_cbor_get_uint(r);
    m->repair = mu_cbor_get_uint(r);
    m->control = mu_cbor_get_uint(r);
    m->bytes = mu_cbor_get_uint(r);
    m->feedback = mu_cbor_get_uint(r);
    m->rejected = mu_cbor_get_uint(r);
    m->page = (uint32_t)mu_cbor_get_uint_max(r, MU_PAGES_MAX);
    m->alone = mu_cbor_get_uint(r);
    m->asleep = (uint16_t)mu_cbor_get_uint_max(r, MU_AREA_DEVICES_MAX);
    m->within_s = (uint32_t)mu_cbor_get_uint_max(r, MU_LISTEN_PERIOD_MAX);
}

int mu_wide_tally_consume(struct mu_bytes in, struct mu_wide_tally *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    *m = (struct mu_wide_tally){.data = 0};
    while (mu_msg_next(&r, &map, &key)) {
        switch (key) {
        case 1:
            mu_cbor_get_bstr_copy(&r, m->campaign, MU_CAMPAIGN_ID);
            break;
        case 2:
            tally_numbers(&r, m);
            break;
        default:
            mu_cbor_skip(&r);
        }
    }
    return mu_msg_end(&r, &map, 0x06);
}
