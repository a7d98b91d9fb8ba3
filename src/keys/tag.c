/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of cast packets and acknowledgements: truncated HMACs. */
#include "muster/keys.h"

int mu_tag_make(const struct mu_crypto *c, const struct mu_secret *key,
                const struct mu_bytes *parts, size_t parts_len,
                uint8_t tag[MU_TAG_LEN])
{
    uint8_t mac[MU_SHA256_LEN];
    int rc;

    mu_zero(tag, MU_TAG_LEN);
    if (!mu_secret_is_set(key))
        return MU_ERR_USAGE;
    rc = mu_hmac(c, mu_secret_view(key), parts, parts_len, mac);
    if (rc == 0)
        mu_copy(tag, mac, MU_TAG_LEN);
    mu_wipe(mac, sizeof mac);
    return rc;
}

int mu_tag_check(const struct mu_crypto *c, const struct mu_secret *key,
                 const struct mu_bytes *parts, size_t parts_len,
                 const uint8_t tag[MU_TAG_LEN])
{
    uint8_t want[MU_TAG_LEN];
    int rc = mu_tag_make(c, key, parts, parts_len, want);

    if (rc == 0 && !mu_ct_eq(want, tag, MU_TAG_LEN))
        rc = MU_ERR_AUTH;
    mu_wipe(want, sizeof want);
    return rc;
}

int mu_tag_put(const struct mu_crypto *c, const struct mu_secret *key,
               struct mu_writer *w, size_t start)
{
    uint8_t tag[MU_TAG_LEN];
    struct mu_bytes part;
    int rc = mu_writer_end(w);

    if (rc != 0)
        return rc;
    part = mu_bytes(w->data + start, w->len - start);
    rc = mu_tag_make(c, key, &part, 1, tag);
    if (rc != 0)
        return rc;
    mu_write_bytes(w, MU_BYTES(tag));
    return mu_writer_end(w);
}

int mu_ack_make(const struct mu_crypto *c, const struct mu_secret *kack,
                const uint8_t campaign[MU_CAMPAIGN_ID],
                struct mu_bytes identity, uint8_t state, uint8_t reason,
                const uint8_t digest[32], uint8_t ack[MU_ACK_LEN])
{
    const uint8_t identity_len = (uint8_t)identity.len;
    const struct mu_bytes parts[] = {
        mu_bytes_str("muster ack"), mu_bytes(campaign, MU_CAMPAIGN_ID),
        mu_bytes(&identity_len, 1), identity,
        mu_bytes(&state, 1),        mu_bytes(&reason, 1),
        mu_bytes(digest, 32),
    };
    uint8_t mac[MU_SHA256_LEN];
    int rc;

    mu_zero(ack, MU_ACK_LEN);
    if (!mu_secret_is_set(kack) || identity.len == 0 ||
        identity.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    rc = mu_hmac(c, mu_secret_view(kack), parts,
                 sizeof parts / sizeof parts[0], mac);
    if (rc == 0)
        mu_copy(ack, mac, MU_ACK_LEN);
    mu_wipe(mac, sizeof mac);
    return rc;
}
