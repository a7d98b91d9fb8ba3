/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HKDF with SHA-256 (RFC 5869) over the back end's HMAC.
 */
#include "muster/crypto.h"

int mu_hkdf_extract(const struct mu_crypto *c, struct mu_bytes salt,
                    struct mu_bytes ikm, uint8_t prk[32])
{
    /* RFC 5869 s.2.2: no salt is a string of HashLen zeros. HMAC pads its key
     * with zeros, so an empty one is the same; no back end sees it empty. */
    static const uint8_t no_salt[MU_SHA256_LEN];

    if (salt.len == 0)
        salt = MU_BYTES(no_salt);
    return mu_hmac(c, salt, &ikm, 1, prk);
}

int mu_hkdf_expand(const struct mu_crypto *c, struct mu_bytes prk,
                   struct mu_bytes info, uint8_t *out, size_t out_len)
{
    uint8_t last[MU_SHA256_LEN];
    uint8_t next[MU_SHA256_LEN];
    uint8_t counter = 0;
    size_t done = 0;
    int rc = 0;

    if (out_len > 255 * sizeof(last))
        return MU_ERR_USAGE;
    while (done < out_len && rc == 0) {
        /* RFC 5869 s.2.3: T(n) = HMAC(PRK, T(n-1) | info | n), T(0) empty. */
        const struct mu_bytes parts[3] = {
            mu_bytes(last, counter == 0 ? 0 : sizeof(last)),
            info,
            mu_bytes(&counter, 1),
        };
        size_t n = out_len - done;

        counter++;
        rc = mu_hmac(c, prk, parts, 3, next);
        if (n > sizeof(next))
            n = sizeof(next);
        if (rc == 0) {
            mu_copy(out + done, next, n);
            mu_copy(last, next, sizeof(last));
        }
        done += n;
    }
    if (rc != 0)
        mu_wipe(out, out_len);
    mu_wipe(last, sizeof(last));
    mu_wipe(next, sizeof(next));
    return rc;
}
