/* SPDX-License-Identifier: Apache-2.0 */
/* The PRF of MIKEY and the keys made with it: RFC 3830 s.4.1.2 to 4.1.4. */
#include "mikey/internal.h"

#define BLOCK 32         /* bytes of the key that one P takes */
#define LABEL_HEAD 9     /* constant, cs id, CSB id */
#define NO_SESSION 0xff  /* cs id of the keys of a message */

/* Digits of e after the point, nine at a time: s.4.1.3 and 4.1.4. */
static const uint32_t constants[MU_MIKEY_USE_COUNT] = {
    [MU_MIKEY_FOR_TEK] = 0x2ad01c64,      [MU_MIKEY_FOR_AUTH] = 0x1b5c7973,
    [MU_MIKEY_FOR_ENCR] = 0x15798cef,     [MU_MIKEY_FOR_SALT] = 0x39a2c14b,
    [MU_MIKEY_FOR_MSG_ENCR] = 0x150533e1, [MU_MIKEY_FOR_MSG_AUTH] = 0x2d22ac75,
    [MU_MIKEY_FOR_MSG_SALT] = 0x29b88916,
};

static int prf_hmac(const struct mu_crypto *c, uint8_t prf,
                    struct mu_bytes key, const struct mu_bytes *parts,
                    size_t parts_len, uint8_t out[32])
{
    if (prf == MU_MIKEY_PRF_SHA1)
        return c->hmac_sha1(c->ctx, key, parts, parts_len, out);
    return c->hmac_sha256(c->ctx, key, parts, parts_len, out);
}

/* P(s, label), its blocks XORed onto out as they come. */
static int prf_p(const struct mu_crypto *c, uint8_t prf, struct mu_bytes s,
                 struct mu_bytes label, uint8_t *out, size_t len)
{
    const size_t block = prf == MU_MIKEY_PRF_SHA1 ? MU_SHA1_LEN
                                                  : MU_SHA256_LEN;
    uint8_t a[32];
    uint8_t made[32];
    struct mu_bytes parts[2] = {label, label};
    int rc = prf_hmac(c, prf, s, &label, 1, a); /* A_1 */

    parts[0] = mu_bytes(a, block);
    for (size_t at = 0; at < len && rc == 0; at += block) {
        rc = prf_hmac(c, prf, s, parts, 2, made);
        for (size_t i = 0; rc == 0 && i < block && at + i < len; i++)
            out[at + i] ^= made[i];
        if (rc == 0)
            rc = prf_hmac(c, prf, s, parts, 1, made);
        mu_copy(a, made, block);
    }
    mu_wipe(a, sizeof a);
    mu_wipe(made, sizeof made);
    return rc;
}

int mu_mikey_prf(const struct mu_crypto *c, uint8_t prf, struct mu_bytes key,
                 struct mu_bytes label, uint8_t *out, size_t len)
{
    int rc = 0;

    if (prf > MU_MIKEY_PRF_SHA256)
        return MU_ERR_UNSUPPORTED;
    if (key.len == 0)
        return MU_ERR_USAGE;
    mu_zero(out, len);
    for (size_t at = 0; at < key.len && rc == 0; at += BLOCK) {
        const size_t left = key.len - at;
        const struct mu_bytes s =
            mu_bytes(key.data + at, left < BLOCK ? left : BLOCK);
        rc = prf_p(c, prf, s, label, out, len);
    }
    if (rc != 0)
        mu_wipe(out, len);
    return rc;
}

int mu_mikey_derive(const struct mu_crypto *c,
                    const struct mu_mikey_bundle *b, struct mu_bytes key,
                    enum mu_mikey_use use, uint8_t cs, uint8_t *out,
                    size_t len)
{
    uint8_t label[LABEL_HEAD + MU_MIKEY_LABEL_RAND_MAX];
    struct mu_writer w = mu_writer(label, sizeof label);
    int rc;

    if (use >= MU_MIKEY_USE_COUNT)
        return MU_ERR_USAGE;
    mu_write_u32(&w, constants[use]);
    mu_write_u8(&w, use >= MU_MIKEY_FOR_MSG_ENCR ? NO_SESSION : cs);
    mu_write_u32(&w, b->csb);
    mu_write_bytes(&w, b->rand);
    rc = mu_writer_end(&w);
    if (rc != 0)
        return rc;
    return mu_mikey_prf(c, b->prf, key, mu_written(&w), out, len);
}

int mu_mikey_msg_keys(const struct mu_crypto *c,
                      const struct mu_mikey_bundle *b, struct mu_bytes key,
                      struct mu_mikey_msg_keys *out)
{
    int rc;

    *out = (struct mu_mikey_msg_keys){.encr = {.len = 16}, .auth = {.len = 32}};
    rc = mu_mikey_derive(c, b, key, MU_MIKEY_FOR_MSG_ENCR, 0, out->encr.bytes,
                         out->encr.len);
    if (rc == 0)
        rc = mu_mikey_derive(c, b, key, MU_MIKEY_FOR_MSG_AUTH, 0,
                             out->auth.bytes, out->auth.len);
    if (rc == 0)
        rc = mu_mikey_derive(c, b, key, MU_MIKEY_FOR_MSG_SALT, 0, out->salt,
                             sizeof out->salt);
    if (rc != 0)
        mu_mikey_msg_keys_clear(out);
    return rc;
}

void mu_mikey_msg_keys_clear(struct mu_mikey_msg_keys *k)
{
    mu_wipe(k, sizeof(*k));
}
