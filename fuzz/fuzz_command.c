/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and the MTK messages in them, as a member gone bad makes them: form,
 * ids, and the whole way to the text with crypto that believes every MAC.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/mikey_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int believe_sha1(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t out[20])
{
    (void)ctx;
    (void)key;
    (void)parts;
    (void)parts_len;
    mu_zero(out, 20);
    return 0;
}

/* A device that holds the MSK which the message names. */
static void take(const struct mu_crypto *c, const struct mu_command *m,
                 const struct mu_mbms_mtk_id *id)
{
    static struct mu_mbms_device d;
    static uint8_t text[MU_COMMAND_MAX];
    const uint8_t campaign[MU_CAMPAIGN_ID] = {0};
    struct mu_mbms_msk *msk = &d.msks[0];
    struct mu_mbms_wanted wanted;
    struct mu_command_keys k;
    struct mu_mbms_mtk mtk;

    d = (struct mu_mbms_device){.msks_len = 1};
    *msk = (struct mu_mbms_msk){.group = id->group, .number = id->number,
                                .seq_high = UINT16_MAX};
    mu_copy(msk->domain, id->domain, sizeof msk->domain);
    msk->key.len = MU_MBMS_KEY_LEN;
    if (mu_mbms_mtk_consume(c, &d, m->mtk, &mtk, &wanted) != 0 ||
        mu_command_keys(c, msk, &mtk.key, &k) != 0)
        return;
    if (mtk.id != id->mtk)
        abort();
    (void)!mu_command_open(c, &k, campaign, m, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct mu_crypto crypto;
    struct mu_mbms_mtk_id id;
    struct mu_command m;

    if (mu_command_parse(mu_bytes(data, len), &m) != 0)
        return 0;
    if (m.seq == 0 || m.sealed.len == 0 || m.sealed.len > MU_COMMAND_MAX ||
        m.tag.len != MU_COMMAND_TAG ||
        m.mtk.len + m.sealed.len + m.tag.len + 6 != len)
        abort();
    if (mu_mbms_mtk_peek(m.mtk, &id) != 0)
        return 0;
    crypto = believe_crypto();
    crypto.hmac_sha1 = believe_sha1;
    take(&crypto, &m, &id);
    return 0;
}
