/* SPDX-License-Identifier: Apache-2.0 */
/* Derivation: the formulas of docs/wire-format.md s.1. */
#include "muster/keys.h"

#define KMR_LEN 32         /* bytes */
#define PROVISIONED_MIN 16 /* bytes: 128 bits of strength at least */
#define PROVISIONED_MAX 64 /* bytes: the block of SHA-256 */

int mu_kdf(const struct mu_crypto *c, const struct mu_secret *key,
           const char *label, struct mu_bytes context, uint8_t len,
           struct mu_secret *out)
{
    /* The label ends with a zero, so no label and context run together; the
     * two zeros are those of the strings. */
    static const uint8_t purpose[8] = "muster1";
    static const uint8_t first = 1;
    const struct mu_bytes text = mu_bytes_str(label);
    /* HKDF-Expand for one block (RFC 5869 s.2.3): T(1) = HMAC(PRK, info | 01).
     * Said with HMAC's parts, the context needs no copy and no bound. */
    const struct mu_bytes parts[4] = {
        MU_BYTES(purpose),
        mu_bytes(text.data, text.len + 1),
        context,
        mu_bytes(&first, 1),
    };
    uint8_t block[MU_SHA256_LEN];
    int rc;

    mu_secret_clear(out);
    if (len == 0 || len > sizeof block || !mu_secret_is_set(key))
        return MU_ERR_USAGE;
    rc = mu_hmac(c, mu_secret_view(key), parts, 4, block);
    if (rc == 0)
        rc = mu_secret_set(out, mu_bytes(block, len));
    mu_wipe(block, sizeof block);
    return rc;
}

/* HKDF-Extract into a secret. */
static int derive_extract(const struct mu_crypto *c, struct mu_bytes salt,
                          struct mu_bytes ikm, struct mu_secret *out)
{
    uint8_t prk[MU_SHA256_LEN];
    int rc = mu_hkdf_extract(c, salt, ikm, prk);

    if (rc == 0)
        rc = mu_secret_set(out, MU_BYTES(prk));
    mu_wipe(prk, sizeof prk);
    return rc;
}

int mu_kmr_from(const struct mu_crypto *c, struct mu_bytes provisioned,
                struct mu_secret *kmr)
{
    mu_secret_clear(kmr);
    if (provisioned.len < PROVISIONED_MIN || provisioned.len > PROVISIONED_MAX)
        return MU_ERR_USAGE;
    if (provisioned.len == KMR_LEN)
        return mu_secret_set(kmr, provisioned);
    return derive_extract(c, mu_bytes_str("muster Kmr"), provisioned, kmr);
}

int mu_kmc_derive(const struct mu_crypto *c, const struct mu_secret *kmr,
                  const uint8_t nd[16], const uint8_t ns[16],
                  struct mu_secret *kmc)
{
    struct mu_secret base = {0};
    uint8_t salt[32];
    int rc;

    mu_secret_clear(kmc);
    mu_copy(salt, nd, 16);
    mu_copy(salt + 16, ns, 16);
    rc = mu_kdf(c, kmr, "Kmc", mu_bytes(NULL, 0), 32, &base);
    if (rc == 0)
        rc = derive_extract(c, MU_BYTES(salt), mu_secret_view(&base), kmc);
    mu_secret_clear(&base);
    return rc;
}

int mu_khop_derive(const struct mu_crypto *c, const struct mu_secret *kmr,
                   struct mu_bytes peer, struct mu_secret *khop)
{
    mu_secret_clear(khop);
    if (peer.len == 0 || peer.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    return mu_kdf(c, kmr, "hop", peer, 32, khop);
}

int mu_kb_held(const struct mu_crypto *c, const struct mu_secret *kb,
               const struct mu_kid *kid, uint8_t out[32])
{
    uint8_t context[MU_KID_LEN];
    struct mu_writer w = mu_writer(context, sizeof context);
    struct mu_secret held;
    int rc;

    mu_kid_write(&w, kid);
    mu_zero(out, 32);
    rc = mu_kdf(c, kb, "held", mu_written(&w), 32, &held);
    if (rc == 0)
        mu_copy(out, held.bytes, 32);
    mu_secret_clear(&held);
    return rc;
}
