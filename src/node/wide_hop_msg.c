/* SPDX-License-Identifier: Apache-2.0 */
/* POST /hop: feedback keys of devices, for their gateway (wire-format s.2.4). */
#include "node/msg.h"

#include "muster/wide_msg.h"

int mu_wide_hop_create(const struct mu_wide_hop *m, struct mu_writer *w)
{
    if (m->len == 0 || m->len > MU_WIDE_HOPS_MAX)
        return MU_ERR_USAGE;
    mu_cbor_put_map(w, 1);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_array(w, m->len);
    for (uint8_t i = 0; i < m->len; i++) {
        if (m->rows[i].kfb.len != MU_KFB_LEN)
            mu_writer_fail(w);
        mu_cbor_put_array(w, 3);
        mu_cbor_put_uint(w, m->rows[i].index);
        mu_cbor_put_bstr(w, MU_BYTES(m->rows[i].id));
        mu_cbor_put_bstr(w, mu_secret_view(&m->rows[i].kfb));
    }
    return mu_writer_end(w);
}

static void hop_rows(struct mu_reader *r, struct mu_wide_hop *m)
{
    size_t count = mu_cbor_get_array(r);

    if (count == 0 || count > MU_WIDE_HOPS_MAX)
        mu_reader_fail(r);
    for (size_t i = 0; !r->failed && i < count; i++) {
        struct mu_bytes key;

        mu_cbor_expect_array(r, 3);
        m->rows[i].index =
            (uint16_t)mu_cbor_get_uint_max(r, MU_AREA_DEVICES_MAX - 1);
        mu_cbor_get_bstr_copy(r, m->rows[i].id, MU_CONNECT_ID);
        key = mu_msg_get_data(r, MU_KFB_LEN, MU_KFB_LEN);
        if (r->failed || mu_secret_set(&m->rows[i].kfb, key) != 0)
            mu_reader_fail(r);
        m->len++;
    }
}

int mu_wide_hop_consume(struct mu_bytes in, struct mu_wide_hop *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    mu_wipe(m, sizeof *m);
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            hop_rows(&r, m);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_msg_end(&r, &map, 0x2);
    if (rc != 0)
        mu_wipe(m, sizeof *m);
    return rc;
}
