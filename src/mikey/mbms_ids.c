/* SPDX-License-Identifier: Apache-2.0 */
/* Key domain, MSK id and MTK id in the general extension (RFC 4563 s.4). */
#include "mikey/mbms.h"

static uint16_t ids_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

void mu_mbms_ids_write(const struct mu_mbms_ids *ids, size_t with,
                       struct mu_writer *w)
{
    uint8_t msk[4];
    uint8_t mtk[2];
    struct mu_writer a = mu_writer(msk, sizeof msk);
    struct mu_writer b = mu_writer(mtk, sizeof mtk);
    struct mu_mikey_key_id list[3];

    mu_write_u16(&a, ids->group);
    mu_write_u16(&a, ids->number);
    mu_write_u16(&b, ids->mtk);
    list[0].type = MU_MIKEY_KEY_DOMAIN;
    list[0].id = mu_bytes(ids->domain, MU_MBMS_DOMAIN_LEN);
    list[1].type = MU_MIKEY_MSK;
    list[1].id = MU_BYTES(msk);
    list[2].type = MU_MIKEY_MTK;
    list[2].id = MU_BYTES(mtk);
    mu_mikey_key_ids_write(w, list, with);
}

int mu_mbms_ids_read(const struct mu_mikey_message *m, size_t with,
                     struct mu_mbms_ids *ids)
{
    static const uint8_t lens[] = {MU_MBMS_DOMAIN_LEN, 4, 2};
    struct mu_mikey_key_id list[MU_MIKEY_KEY_IDS_MAX];
    const struct mu_mikey_payload *ext = NULL;
    size_t len;
    int rc;

    for (size_t i = 0; i < m->payloads_len; i++) {
        const struct mu_mikey_payload *p = &m->payloads[i];
        if (p->type != MU_MIKEY_EXT || p->ext.type != MU_MIKEY_EXT_KEY_ID)
            continue;
        if (ext != NULL)
            return MU_ERR_MALFORMED; /* two of them: which one counts? */
        ext = p;
    }
    if (ext == NULL)
        return MU_ERR_MALFORMED;
    rc = mu_mikey_key_ids_read(ext->ext.data, list, &len);
    if (rc != 0)
        return rc;
    if (len != with)
        return MU_ERR_UNEXPECTED;
    for (size_t i = 0; i < len; i++) {
        if (list[i].type != i || list[i].id.len != lens[i])
            return MU_ERR_MALFORMED;
    }
    mu_copy(ids->domain, list[0].id.data, MU_MBMS_DOMAIN_LEN);
    ids->group = ids_u16(list[1].id.data);
    ids->number = ids_u16(list[1].id.data + 2);
    ids->mtk = with > 2 ? ids_u16(list[2].id.data) : 0;
    return ids->number == 0 ? MU_ERR_MALFORMED : 0;
}
