/* SPDX-License-Identifier: Apache-2.0 */
/* The MBMS ladder of a group: MUK from the service connection, MSK from the
 * group's record, Kb from the MSK. */
#include "mikey/mbms.h"
#include "muster/mikey_service.h"

/* The test network of ITU-T E.212, 001 01, until an operator has a number. */
static const uint8_t service_domain[MU_MBMS_DOMAIN_LEN] = {0x00, 0xf1, 0x10};

int mu_mbms_muk_make(const struct mu_crypto *c, const struct mu_secret *kmc,
                     struct mu_secret *muk)
{
    struct mu_secret kma;
    int rc = mu_kdf(c, kmc, "Kma", mu_bytes_str("mbms"), 32, &kma);

    if (rc == 0)
        rc = mu_kdf(c, &kma, "MUK", mu_bytes(NULL, 0), 16, muk);
    mu_secret_clear(&kma);
    return rc;
}

int mu_mbms_muk_names(struct mu_bytes server, const uint8_t connection[8],
                      struct mu_mbms_muk *muk)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t text[MU_ID_MAX];
    struct mu_writer w = mu_writer(text, sizeof text);
    int rc;

    for (size_t i = 0; i < 8; i++) {
        mu_write_u8(&w, (uint8_t)digits[connection[i] >> 4]);
        mu_write_u8(&w, (uint8_t)digits[connection[i] & 15]);
    }
    mu_write_u8(&w, '@');
    /* A long name of the server is cut: the id alone is unique. */
    mu_write_bytes(&w, mu_bytes(server.data,
                                server.len < sizeof text - w.len
                                    ? server.len
                                    : sizeof text - w.len));
    rc = mu_mikey_name_set(&muk->idi, MU_MIKEY_NAI, server);
    if (rc == 0)
        rc = mu_mikey_name_set(&muk->idr, MU_MIKEY_NAI, mu_written(&w));
    return rc;
}

uint16_t mu_mbms_number(const struct mu_kid *kid)
{
    return (uint16_t)(1 + (uint32_t)kid->generation % UINT16_MAX);
}

static int service_derive(const struct mu_crypto *c, const struct mu_kid *kid,
                          const struct mu_secret *msk, const char *label,
                          uint8_t len, struct mu_secret *out)
{
    uint8_t context[MU_KID_LEN];
    struct mu_writer w = mu_writer(context, sizeof context);

    mu_kid_write(&w, kid);
    return mu_kdf(c, msk, label, mu_written(&w), len, out);
}

int mu_mbms_kb(const struct mu_crypto *c, const struct mu_kid *kid,
               const struct mu_secret *msk, struct mu_secret *kb)
{
    return service_derive(c, kid, msk, "Kb", 32, kb);
}

int mu_mbms_msk_make(const struct mu_crypto *c, const struct mu_kid *kid,
                     const struct mu_secret *key, struct mu_mbms_msk *msk)
{
    struct mu_secret out;
    struct mu_reader r;
    int rc;

    if (key->len != MU_MBMS_KEY_LEN || kid->scope > MU_MBMS_GROUP_MAX)
        return MU_ERR_USAGE;
    *msk = (struct mu_mbms_msk){
        .group = (uint16_t)kid->scope,
        .number = mu_mbms_number(kid),
        .key = *key,
        .seq_low = MU_MBMS_MTK_FIRST,
        .seq_high = MU_MBMS_MTK_LAST,
        .next = MU_MBMS_MTK_FIRST,
    };
    mu_copy(msk->domain, service_domain, sizeof msk->domain);
    /* RAND and CSB are for all to see: they are the same each time that the
     * MSK is told, since the MTK messages go by them. */
    rc = service_derive(c, kid, key, "mbms rand",
                        MU_MBMS_RAND_LEN + sizeof msk->csb, &out);
    if (rc == 0) {
        r = mu_reader(mu_secret_view(&out));
        mu_read_copy(&r, msk->rand, sizeof msk->rand);
        msk->csb = mu_read_u32(&r);
    }
    mu_secret_clear(&out);
    return rc;
}

const struct mu_mbms_msk *mu_mbms_msk_of(const struct mu_mbms_device *d,
                                         const struct mu_kid *kid)
{
    return kid->scope > MU_MBMS_GROUP_MAX
               ? NULL
               : mu_mbms_device_find(d, service_domain, (uint16_t)kid->scope,
                                     mu_mbms_number(kid));
}

int mu_mbms_mtk_peek(struct mu_bytes message, struct mu_mbms_mtk_id *id)
{
    struct mu_mikey_message m;
    struct mu_mbms_ids ids;
    int rc = mu_mikey_parse(message, &m);

    if (rc == 0)
        rc = mu_mikey_order_mtk(&m);
    if (rc == 0)
        rc = mu_mbms_ids_read(&m, 3, &ids);
    if (rc != 0)
        return rc;
    mu_copy(id->domain, ids.domain, sizeof id->domain);
    id->group = ids.group;
    id->number = ids.number;
    id->mtk = ids.mtk;
    return 0;
}
