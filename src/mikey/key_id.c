/* SPDX-License-Identifier: Apache-2.0 */
/* Key ids in a general extension, RFC 4563 s.4. */
#include "mikey/internal.h"

void mu_mikey_key_ids_write(struct mu_writer *w,
                            const struct mu_mikey_key_id *ids, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (ids[i].id.len > 0xff)
            mu_writer_fail(w);
        mu_write_u8(w, ids[i].type);
        mu_write_u8(w, (uint8_t)ids[i].id.len);
        mu_write_bytes(w, ids[i].id);
    }
}

int mu_mikey_key_ids_read(struct mu_bytes in, struct mu_mikey_key_id *ids,
                          size_t *len)
{
    struct mu_reader r = mu_reader(in);

    *len = 0;
    while (mu_reader_left(&r) > 0 && !r.failed) {
        if (*len == MU_MIKEY_KEY_IDS_MAX)
            return MU_ERR_TOO_LARGE;
        ids[*len].type = mu_read_u8(&r);
        ids[*len].id = mu_read_bytes(&r, mu_read_u8(&r));
        if (ids[*len].type > MU_MIKEY_MTK && !r.failed)
            return MU_ERR_UNSUPPORTED;
        (*len)++;
    }
    return mu_reader_end(&r);
}
