/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and tags that both ends of a tunnel share. */
#include "net/tunnel_msg.h"

int tunnel_join_key(const struct mu_crypto *c, const struct mu_secret *root,
                    struct mu_secret *key)
{
    return mu_kdf(c, root, "tunnel join", mu_bytes(NULL, 0), 32, key);
}

int tunnel_session_key(const struct mu_crypto *c, const struct mu_secret *root,
                       const uint8_t nonces[2 * MU_TUNNEL_NONCE],
                       struct mu_secret *key)
{
    return mu_kdf(c, root, "tunnel", mu_bytes(nonces, 2 * MU_TUNNEL_NONCE), 32,
                  key);
}

int tunnel_seal(const struct mu_crypto *c, const struct mu_secret *key,
                size_t tag_len, struct mu_writer *w)
{
    struct mu_bytes body = mu_written(w);
    uint8_t tag[MU_SHA256_LEN];
    int rc = mu_writer_end(w);

    if (rc == 0)
        rc = mu_hmac(c, mu_secret_view(key), &body, 1, tag);
    if (rc == 0) {
        mu_write_bytes(w, mu_bytes(tag, tag_len));
        rc = mu_writer_end(w);
    }
    return rc;
}

int tunnel_open(const struct mu_crypto *c, const struct mu_secret *key,
                size_t tag_len, struct mu_bytes in, struct mu_bytes *body)
{
    uint8_t tag[MU_SHA256_LEN];
    int rc;

    if (in.len <= tag_len)
        return MU_ERR_TRUNCATED;
    *body = mu_bytes(in.data, in.len - tag_len);
    rc = mu_hmac(c, mu_secret_view(key), body, 1, tag);
    if (rc != 0)
        return rc;
    return mu_ct_eq(tag, in.data + body->len, tag_len) ? 0 : MU_ERR_AUTH;
}
