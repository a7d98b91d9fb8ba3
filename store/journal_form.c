/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a journal: written, and read one at a time. */
#include "store/journal_form.h"

void journal_write_header(struct mu_writer *w, const struct journal_header *h)
{
    for (int copy = 0; copy < 2; copy++) {
        size_t start = w->len;
        mu_write_bytes(w, mu_bytes_str(JOURNAL_MAGIC));
        mu_write_u32(w, JOURNAL_VERSION);
        mu_write_u32(w, h->salt);
        mu_write_u64(w, h->snapshot_len);
        if (w->failed)
            return;
        mu_write_u32(w, store_crc(0, mu_bytes(w->data + start,
                                              w->len - start)));
    }
}

int journal_read_header(struct mu_bytes file, struct journal_header *h)
{
    struct mu_reader r = mu_reader(file);

    for (int copy = 0; copy < 2; copy++) {
        struct mu_reader in =
            mu_reader(mu_read_bytes(&r, JOURNAL_HEADER_COPY));
        struct mu_bytes body = mu_bytes(in.data, JOURNAL_HEADER_COPY - 4);
        struct mu_bytes magic = mu_read_bytes(&in, 8);
        uint32_t version = mu_read_u32(&in);
        h->salt = mu_read_u32(&in);
        h->snapshot_len = mu_read_u64(&in);
        uint32_t crc = mu_read_u32(&in);
        if (mu_reader_end(&in) != 0 || crc != store_crc(0, body) ||
            !mu_bytes_eq(magic, mu_bytes_str(JOURNAL_MAGIC)))
            continue;
        return version == JOURNAL_VERSION ? 0 : MU_ERR_UNSUPPORTED;
    }
    return MU_ERR_CORRUPT;
}

static uint32_t head_crc(uint32_t salt, const uint8_t head[8],
                         struct mu_bytes key)
{
    return store_crc(store_crc(salt, mu_bytes(head, 8)), key);
}

void journal_write(struct mu_writer *w, uint32_t salt, enum journal_type type,
                   uint8_t table, struct mu_bytes key, struct mu_bytes value)
{
    size_t start = w->len;

    mu_write_u8(w, (uint8_t)type);
    mu_write_u8(w, table);
    mu_write_u8(w, (uint8_t)key.len);
    mu_write_u8(w, JOURNAL_VERSION);
    mu_write_u32(w, (uint32_t)value.len);
    if (w->failed)
        return;
    mu_write_u32(w, head_crc(salt, w->data + start, key));
    mu_write_u32(w, store_crc(salt, value));
    mu_write_bytes(w, key);
    mu_write_bytes(w, value);
}

void journal_write_commit(struct mu_writer *w, uint32_t salt,
                          uint64_t group_len)
{
    uint8_t value[8];
    struct mu_writer v = mu_writer(value, sizeof value);

    mu_write_u64(&v, group_len);
    journal_write(w, salt, JOURNAL_COMMIT, 0, mu_bytes(NULL, 0),
                  mu_written(&v));
}

static bool record_valid(const struct journal_record *rec, size_t value_len)
{
    switch (rec->type) {
    case JOURNAL_PUT:
        return rec->key.len != 0 && value_len <= MU_STORE_VALUE_MAX;
    case JOURNAL_DELETE:
    case JOURNAL_DAMAGED:
        return rec->key.len != 0 && value_len == 0;
    case JOURNAL_COMMIT:
        return rec->key.len == 0 && value_len == 8;
    default:
        return false;
    }
}

bool journal_read(struct mu_bytes at, uint32_t salt, struct journal_record *out)
{
    struct mu_reader r = mu_reader(at);
    uint8_t type = mu_read_u8(&r);
    uint8_t table = mu_read_u8(&r);
    uint8_t key_len = mu_read_u8(&r);
    uint8_t version = mu_read_u8(&r);
    uint32_t value_len = mu_read_u32(&r);
    uint32_t crc = mu_read_u32(&r);
    uint32_t value_crc = mu_read_u32(&r);
    struct mu_bytes key = mu_read_bytes(&r, key_len);

    *out = (struct journal_record){(enum journal_type)type, table, key,
                                   mu_bytes(NULL, 0), false, 0};
    if (r.failed || version != JOURNAL_VERSION || key_len > MU_STORE_KEY_MAX ||
        !record_valid(out, value_len) || crc != head_crc(salt, at.data, key))
        return false;
    struct mu_bytes value = mu_read_bytes(&r, value_len);
    if (r.failed)
        return false;
    out->damaged = value_crc != store_crc(salt, value);
    if (!out->damaged)
        out->value = value;
    out->len = r.pos;
    return true;
}
