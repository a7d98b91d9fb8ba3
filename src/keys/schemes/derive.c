/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of nodes: what the server makes of its master secret, and what both
 * sides make of a label or a seed. docs/wire-format.md s.9.2. */
#include "keys/schemes/internal.h"

int mu_scheme_prf(const struct mu_scheme *s, const char *label, uint32_t a,
                  uint32_t b, struct mu_secret *out)
{
    uint8_t context[16];
    struct mu_writer w = mu_writer(context, sizeof context);

    mu_write_u64(&w, s->base);
    mu_write_u32(&w, a);
    mu_write_u32(&w, b);
    return mu_kdf(s->conf.crypto, &s->conf.master, label, mu_written(&w),
                  MU_NODE_KEY_LEN, out);
}

int mu_label_walk(const struct mu_crypto *c, struct mu_secret *label,
                  uint32_t from, uint32_t to)
{
    const uint8_t low = mu_node_level(to);
    const uint32_t index = mu_node_index(to);
    int rc = 0;

    for (uint8_t level = mu_node_level(from); level-- > low && rc == 0;) {
        const bool right = index >> (level - low) & 1;
        struct mu_secret next;

        rc = mu_kdf(c, label, right ? "sd right" : "sd left",
                    mu_bytes(NULL, 0), MU_NODE_KEY_LEN, &next);
        if (rc == 0)
            *label = next;
        mu_secret_clear(&next);
    }
    if (rc != 0)
        mu_secret_clear(label);
    return rc;
}

int mu_scheme_label(const struct mu_scheme *s, uint32_t top, uint32_t end,
                    struct mu_secret *label)
{
    int rc;

    if (top == end)
        return mu_scheme_prf(s, "sd all", top, 0, label);
    rc = mu_scheme_prf(s, "sd label", top, 0, label);
    return rc != 0 ? rc : mu_label_walk(s->conf.crypto, label, top, end);
}

int mu_scheme_device_key(const struct mu_scheme *s, uint32_t slot,
                         struct mu_secret *key)
{
    /* Only LKH uses a slot twice; its leaf then has another version. */
    const uint32_t use =
        s->version != NULL ? s->version[slot] & INT32_MAX : 0;

    return mu_scheme_prf(s, "device", slot, use, key);
}

struct mu_kid mu_scheme_kid(const struct mu_scheme *s)
{
    const struct mu_kid kid = {
        .kind = s->conf.key_kind,
        .scope = s->conf.scope,
        .generation = s->generation,
    };

    return kid;
}

int mu_kdf_kid(const struct mu_crypto *c, const struct mu_secret *key,
               const char *label, const struct mu_kid *kid, uint8_t len,
               struct mu_secret *out)
{
    uint8_t context[MU_KID_LEN];
    struct mu_writer w = mu_writer(context, sizeof context);

    mu_kid_write(&w, kid);
    return mu_kdf(c, key, label, mu_written(&w), len, out);
}

int mu_rekey_tag(const struct mu_crypto *c, const struct mu_secret *seed,
                 const struct mu_kid *kid, struct mu_bytes text,
                 uint8_t tag[MU_REKEY_TAG_LEN])
{
    struct mu_secret key = {.len = 0};
    uint8_t mac[MU_SHA256_LEN];
    int rc = mu_kdf_kid(c, seed, "rekey tag", kid, 32, &key);

    if (rc == 0)
        rc = mu_hmac(c, mu_secret_view(&key), &text, 1, mac);
    if (rc == 0)
        mu_copy(tag, mac, MU_REKEY_TAG_LEN);
    mu_wipe(mac, sizeof mac);
    mu_secret_clear(&key);
    return rc;
}

int mu_node_wrap(const struct mu_crypto *c, const struct mu_secret *kek,
                 const struct mu_secret *key, uint8_t out[MU_NODE_KEY_LEN])
{
    /* One block of a key that is random and fresh: a permutation is all the
     * encryption it needs, and the tag of the part proves it. */
    return c->aes_encrypt(c->ctx, kek, key->bytes, out);
}

int mu_node_unwrap(const struct mu_crypto *c, const struct mu_secret *kek,
                   const uint8_t in[MU_NODE_KEY_LEN], struct mu_secret *key)
{
    uint8_t block[MU_NODE_KEY_LEN];
    int rc = c->aes_decrypt(c->ctx, kek, in, block);

    if (rc == 0)
        rc = mu_secret_set(key, MU_BYTES(block));
    mu_wipe(block, sizeof block);
    return rc;
}
