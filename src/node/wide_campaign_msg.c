/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, campaigns and reports between a gateway and the server: see
 * muster/wide_msg.h. */
#include "muster/wide_msg.h"

#include "node/msg.h"

void mu_wide_page_write(const struct mu_wide_page *p, struct mu_writer *w)
{
    mu_cbor_put_map(w, 3);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_uint(w, p->version);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, p->next);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_array(w, p->rows);
}

/* The rows are passed over here, so that the whole message is known to be well
 * formed before the first row is used. */
int mu_wide_page_consume(struct mu_bytes in, struct mu_wide_rows *rows)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    struct mu_bytes list = {NULL, 0};
    int64_t key;
    int rc;

    *rows = (struct mu_wide_rows){.left = 0};
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            rows->page.version = mu_cbor_get_uint(&r);
        else if (key == 2)
            rows->page.next = mu_cbor_get_uint(&r);
        else if (key == 3)
            list = mu_cbor_get_item(&r);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_msg_end(&r, &map, 0xe);
    if (rc != 0)
        return rc;
    rows->r = mu_reader(list);
    rows->left = mu_cbor_get_array(&rows->r);
    rows->page.rows = rows->left;
    return rows->r.failed ? MU_ERR_MALFORMED : 0;
}

int mu_wide_rows_end(const struct mu_wide_rows *rows)
{
    int rc = mu_reader_end(&rows->r);

    if (rc != 0)
        return rc;
    return rows->left == 0 ? 0 : MU_ERR_MALFORMED;
}

static bool wide_row_begin(struct mu_wide_rows *rows, size_t items)
{
    if (rows->left == 0 || rows->r.failed)
        return false;
    rows->left--;
    mu_cbor_expect_array(&rows->r, items);
    return true;
}

void mu_wide_area_row_write(const struct mu_wide_area_row *row,
                            struct mu_writer *w)
{
    mu_cbor_put_array(w, 3);
    mu_cbor_put_uint(w, row->index);
    mu_cbor_put_tstr(w, row->identity);
    mu_msg_put_key(w, &row->khop);
}

bool mu_wide_area_row_next(struct mu_wide_rows *rows,
                           struct mu_wide_area_row *row)
{
    *row = (struct mu_wide_area_row){.index = 0};
    if (!wide_row_begin(rows, 3))
        return false;
    row->index =
        (uint16_t)mu_cbor_get_uint_max(&rows->r, MU_AREA_DEVICES_MAX - 1);
    row->identity = mu_msg_get_text(&rows->r, 1, MU_ID_MAX);
    mu_msg_get_key(&rows->r, &row->khop);
    if (rows->r.failed)
        mu_secret_clear(&row->khop);
    return !rows->r.failed;
}

void mu_wide_camp_row_write(const struct mu_wide_camp_row *row,
                            struct mu_writer *w)
{
    mu_cbor_put_array(w, 4);
    mu_cbor_put_bstr(w, MU_BYTES(row->campaign));
    mu_cbor_put_uint(w, row->number);
    mu_cbor_put_uint(w, row->command);
    mu_cbor_put_uint(w, row->session);
}

bool mu_wide_camp_row_next(struct mu_wide_rows *rows,
                           struct mu_wide_camp_row *row)
{
    uint64_t command;

    *row = (struct mu_wide_camp_row){.number = 0};
    if (!wide_row_begin(rows, 4))
        return false;
    mu_cbor_get_bstr_copy(&rows->r, row->campaign, MU_CAMPAIGN_ID);
    row->number = mu_cbor_get_uint(&rows->r);
    command = mu_cbor_get_uint_max(&rows->r, MU_WIDE_CANCEL);
    if (command < MU_WIDE_RUN)
        mu_reader_fail(&rows->r);
    row->command = (enum mu_wide_command)command;
    row->session = (uint8_t)mu_cbor_get_uint_max(&rows->r, UINT8_MAX);
    return !rows->r.failed;
}

int mu_wide_campaign_ask_create(const uint8_t campaign[MU_CAMPAIGN_ID],
                                uint16_t part, struct mu_writer *w)
{
    mu_cbor_put_map(w, part != 0 ? 2 : 1);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, mu_bytes(campaign, MU_CAMPAIGN_ID));
    if (part != 0) {
        mu_cbor_put_uint(w, 2);
        mu_cbor_put_uint(w, part);
    }
    return mu_writer_end(w);
}

int mu_wide_campaign_ask_consume(struct mu_bytes in,
                                 uint8_t campaign[MU_CAMPAIGN_ID],
                                 uint16_t *part)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;

    mu_zero(campaign, MU_CAMPAIGN_ID);
    *part = 0;
    while (mu_msg_next(&r, &map, &key)) {
        if (key == 1)
            mu_cbor_get_bstr_copy(&r, campaign, MU_CAMPAIGN_ID);
        else if (key == 2)
            *part = (uint16_t)mu_cbor_get_uint_max(&r, UINT16_MAX);
        else
            mu_cbor_skip(&r);
    }
    return mu_msg_end(&r, &map, 0x2);
}

int mu_wide_campaign_create(const struct mu_wide_campaign *m,
                            struct mu_writer *w)
{
    bool with_kb = m->mode != MU_MODE_END_TO_END;

    mu_cbor_put_map(w, 7u + (with_kb ? 1 : 0) + (m->cancel.len > 0 ? 1 : 0) +
                           (m->parts != 0 ? 1 : 0));
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, m->object);
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_array(w, m->tags_len);
    for (size_t i = 0; i < m->tags_len; i++)
        mu_cbor_put_bstr(w, MU_BYTES(m->tags[i]));
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->mode);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_bstr(w, m->members);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_uint(w, m->quorum);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_uint(w, m->deadline_s);
    mu_cbor_put_uint(w, 7);
    mu_msg_put_kid(w, &m->kid);
    if (with_kb) {
        mu_cbor_put_uint(w, 8);
        mu_msg_put_key(w, &m->kb);
    }
    if (m->cancel.len > 0) {
        mu_cbor_put_uint(w, 9);
        mu_cbor_put_bstr(w, m->cancel);
    }
    if (m->parts != 0) {
        mu_cbor_put_uint(w, 10);
        mu_cbor_put_uint(w, m->parts);
    }
    return mu_writer_end(w);
}

static void wide_tags_read(struct mu_reader *r, struct mu_wide_campaign *m)
{
    size_t n = mu_cbor_get_array(r);

    if (n > MU_FRAGMENTS_MAX) {
        mu_reader_fail(r);
        return;
    }
    for (size_t i = 0; i < n; i++)
        mu_cbor_get_bstr_copy(r, m->tags[i], MU_TAG_LEN);
    m->tags_len = (uint8_t)n;
}

static void wide_campaign_read(struct mu_reader *r, int64_t key,
                               struct mu_wide_campaign *m)
{
    switch (key) {
    case 1:
        m->object = mu_msg_get_data(r, 1, MU_ANNOUNCE_MAX);
        break;
    case 2:
        wide_tags_read(r, m);
        break;
    case 3:
        m->mode = (enum mu_group_mode)mu_cbor_get_uint_max(r, MU_MODE_HAND_KEY);
        break;
    case 4:
        m->members = mu_msg_get_data(r, 0, MU_AREA_DEVICES_MAX / 8);
        break;
    case 5:
        m->quorum = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 6:
        m->deadline_s = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case 7:
        mu_msg_get_kid(r, MU_KEY_KB, &m->kid);
        break;
    case 8:
        mu_msg_get_key(r, &m->kb);
        break;
    case 9:
        m->cancel = mu_msg_get_data(r, 1, MU_ANNOUNCE_MAX);
        break;
    case 10:
        m->parts = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    default:
        mu_cbor_skip(r);
    }
}

int mu_wide_campaign_consume(struct mu_bytes in, struct mu_wide_campaign *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    int64_t key;
    int rc;

    *m = (struct mu_wide_campaign){.tags_len = 0};
    while (mu_msg_next(&r, &map, &key)) {
        wide_campaign_read(&r, key, m);
    }
    rc = mu_msg_end(&r, &map, 0xfe);
    /* The modes in which the gateway works with Kb are the ones that bring it,
     * and nobody gives it away in the other. */
    if (rc == 0 &&
        (m->mode != MU_MODE_END_TO_END) != mu_secret_is_set(&m->kb))
        rc = MU_ERR_MALFORMED;
    /* Packets of an inline object are tagged by the gateway: it goes end to end
     * whatever the gateway does with objects of the group. */
    if (rc == 0 && m->parts != 0 &&
        (m->mode != MU_MODE_END_TO_END || m->tags_len != 0))
        rc = MU_ERR_MALFORMED;
    if (rc != 0)
        mu_secret_clear(&m->kb);
    return rc;
}

int mu_wide_report_create(const struct mu_wide_report *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, m->shift != 0 ? 7 : 6);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, MU_BYTES(m->campaign));
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->state);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_uint(w, m->first);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_bstr(w, m->bitmap);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_bstr(w, m->acks);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_uint(w, m->reason);
    if (m->shift != 0) {
        mu_cbor_put_uint(w, 7);
        mu_cbor_put_uint(w, m->shift);
    }
    return mu_writer_end(w);
}

int mu_wide_report_consume(struct mu_bytes in, struct mu_wide_report *m)
{
    struct mu_reader r = mu_reader(in);
    struct mu_msg_map map = mu_msg_map(&r);
    struct mu_ack_set set;
    int64_t key;
    int rc;

    *m = (struct mu_wide_report){.state = 0};
    while (mu_msg_next(&r, &map, &key)) {
        switch (key) {
        case 1:
            mu_cbor_get_bstr_copy(&r, m->campaign, MU_CAMPAIGN_ID);
            break;
        case 2:
            m->state = (uint8_t)mu_cbor_get_uint_max(&r, UINT8_MAX);
            break;
        case 3:
            m->first =
                (uint16_t)mu_cbor_get_uint_max(&r, MU_AREA_DEVICES_MAX - 1);
            break;
        case 4:
            m->bitmap = mu_msg_get_data(&r, 1, MU_AREA_DEVICES_MAX / 8);
            break;
        case 5:
            m->acks = mu_msg_get_data(&r, 0, MU_ACK_STRING_MAX);
            break;
        case 6:
            m->reason = (uint8_t)mu_cbor_get_uint_max(&r, UINT8_MAX);
            break;
        case 7:
            m->shift = (uint8_t)mu_cbor_get_uint_max(&r, MU_ACK_LEN);
            break;
        default:
            mu_cbor_skip(&r);
        }
    }
    rc = mu_msg_end(&r, &map, 0x7e);
    if (rc != 0)
        return rc;
    set = mu_wide_report_set(m);
    return mu_ack_set_valid(&set);
}

struct mu_ack_set mu_wide_report_set(const struct mu_wide_report *m)
{
    return (struct mu_ack_set){
        .first = m->first,
        .shift = m->shift,
        .named = m->bitmap,
        .string = m->acks,
    };
}

int mu_wide_left_create(struct mu_bytes bitmap, struct mu_writer *w)
{
    return mu_msg_bitmap_create(bitmap, w);
}

int mu_wide_left_consume(struct mu_bytes in, struct mu_bytes *bitmap)
{
    return mu_msg_bitmap_consume(in, 1, bitmap);
}
