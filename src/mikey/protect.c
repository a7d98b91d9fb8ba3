/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption (RFC 3830 s.4.2.3) and MAC (s.4.2.4) of a message. */
#include "mikey/internal.h"

#include "muster/crypto_wrap.h"

#define HALF 8 /* bytes AES-KW counts in */

/* IV = (S xor (0x0000 || CSB ID || T)) || 0x0000; a counter of 32 bits stands
 * at the right of the 64 of T. */
static void protect_iv(const struct mu_mikey_msg_keys *k, uint32_t csb,
                       const struct mu_mikey_time *t, uint8_t iv[16])
{
    struct mu_writer w = mu_writer(iv, 16);

    mu_write_u16(&w, 0);
    mu_write_u32(&w, csb);
    mu_write_u64(&w, t->value);
    mu_write_u16(&w, 0);
    for (size_t i = 0; i < MU_MIKEY_SALT_LEN; i++)
        iv[i] ^= k->salt[i];
}

static int protect_ctr(const struct mu_crypto *c,
                       const struct mu_mikey_msg_keys *k, uint32_t csb,
                       const struct mu_mikey_time *t, struct mu_bytes in,
                       uint8_t *out, size_t *len)
{
    uint8_t iv[16];
    int rc;

    protect_iv(k, csb, t, iv);
    mu_copy(out, in.data, in.len);
    rc = c->aes_ctr(c->ctx, &k->encr, iv, out, in.len);
    mu_wipe(iv, sizeof iv);
    if (rc != 0)
        mu_wipe(out, in.len);
    *len = rc == 0 ? in.len : 0;
    return rc;
}

int mu_mikey_encrypt(const struct mu_crypto *c,
                     const struct mu_mikey_msg_keys *k, uint8_t encr,
                     uint32_t csb, const struct mu_mikey_time *t,
                     struct mu_bytes in, uint8_t *out, size_t *len)
{
    uint8_t plain[MU_MIKEY_PLAIN_MAX + HALF] = {0};
    const size_t padded = (in.len + HALF - 1) / HALF * HALF;
    int rc;

    *len = 0;
    if (in.len > MU_MIKEY_PLAIN_MAX)
        return MU_ERR_TOO_LARGE;
    if (encr == MU_MIKEY_ENCR_NULL) {
        mu_copy(out, in.data, in.len);
        *len = in.len;
        return 0;
    }
    if (encr == MU_MIKEY_ENCR_AES_CM)
        return protect_ctr(c, k, csb, t, in, out, len);
    if (encr != MU_MIKEY_ENCR_AES_KW)
        return MU_ERR_UNSUPPORTED;
    /* s.4.2.3: the salt, here of 64 bits, is the initial value. */
    mu_copy(plain, in.data, in.len);
    rc = mu_key_wrap_iv(c, &k->encr, k->salt, mu_bytes(plain, padded), out);
    mu_wipe(plain, sizeof plain);
    *len = rc == 0 ? padded + HALF : 0;
    return rc;
}

int mu_mikey_decrypt(const struct mu_crypto *c,
                     const struct mu_mikey_msg_keys *k, uint8_t encr,
                     uint32_t csb, const struct mu_mikey_time *t,
                     struct mu_bytes in, uint8_t *out, size_t *len)
{
    int rc;

    *len = 0;
    if (encr == MU_MIKEY_ENCR_NULL) {
        mu_copy(out, in.data, in.len);
        *len = in.len;
        return 0;
    }
    if (encr == MU_MIKEY_ENCR_AES_CM)
        return protect_ctr(c, k, csb, t, in, out, len);
    if (encr != MU_MIKEY_ENCR_AES_KW)
        return MU_ERR_UNSUPPORTED;
    rc = mu_key_unwrap_iv(c, &k->encr, k->salt, in, out);
    *len = rc == 0 ? in.len - HALF : 0;
    return rc;
}

int mu_mikey_mac(const struct mu_crypto *c, const struct mu_secret *auth,
                 uint8_t mac_alg, const struct mu_bytes *parts,
                 size_t parts_len, uint8_t mac[MU_MIKEY_MAC_MAX])
{
    if (auth->len != MU_SHA256_LEN)
        return MU_ERR_USAGE;
    if (mac_alg == MU_MIKEY_MAC_SHA1)
        return c->hmac_sha1(c->ctx, mu_bytes(auth->bytes, MU_SHA1_LEN), parts,
                            parts_len, mac);
    if (mac_alg == MU_MIKEY_MAC_SHA256)
        return c->hmac_sha256(c->ctx, mu_secret_view(auth), parts, parts_len,
                              mac);
    return mac_alg == MU_MIKEY_MAC_NULL ? 0 : MU_ERR_UNSUPPORTED;
}

int mu_mikey_mac_check(const struct mu_crypto *c,
                       const struct mu_secret *auth, uint8_t mac_alg,
                       const struct mu_bytes *parts, size_t parts_len,
                       struct mu_bytes mac)
{
    uint8_t want[MU_MIKEY_MAC_MAX];
    const int len = mu_mikey_mac_len(mac_alg);
    int rc = mu_mikey_mac(c, auth, mac_alg, parts, parts_len, want);

    if (rc == 0 && (len < 0 || mac.len != (size_t)len ||
                    !mu_ct_eq(want, mac.data, mac.len)))
        rc = MU_ERR_AUTH;
    mu_wipe(want, sizeof want);
    return rc;
}
