/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 keys as X25519 keys: the birational map of RFC 7748 s.4.1 for the
 * public one, RFC 8032 s.5.1.5 steps 1 and 2 for the private one. Group OSCORE
 * needs it: members hold one signing key, the pairwise mode agrees with it.
 */
#include "crypto_openssl/internal.h"

#include <openssl/bn.h>
#include <openssl/sha.h>

#define CURVE_LEN 32 /* bytes of a field element */

/* p = 2^255 - 19 into the context's next temporary, or NULL. */
static BIGNUM *curve_prime(BN_CTX *bn)
{
    BIGNUM *p = BN_CTX_get(bn);

    /* A temporary starts as zero. */
    if (p == NULL || BN_set_bit(p, 255) != 1 || BN_sub_word(p, 19) != 1)
        return NULL;
    return p;
}

/* u = (1 + y) / (1 - y) mod p. Public data, so variable time is fine. */
static int curve_map(const uint8_t y_le[CURVE_LEN], uint8_t u_le[CURVE_LEN],
                     BN_CTX *bn)
{
    BIGNUM *p = curve_prime(bn);
    BIGNUM *y = BN_CTX_get(bn);
    BIGNUM *above = BN_CTX_get(bn);
    BIGNUM *below = BN_CTX_get(bn);

    if (p == NULL || below == NULL || BN_lebin2bn(y_le, CURVE_LEN, y) == NULL)
        return MU_ERR_CRYPTO;
    /* RFC 8032 s.5.1.3 step 1 refuses y >= p; y = 1 is the neutral element,
     * which has no u. */
    if (BN_cmp(y, p) >= 0 || BN_is_one(y))
        return MU_ERR_MALFORMED;
    if (BN_mod_add(above, y, BN_value_one(), p, bn) != 1 ||
        BN_mod_sub(below, BN_value_one(), y, p, bn) != 1 ||
        BN_mod_inverse(below, below, p, bn) == NULL ||
        BN_mod_mul(above, above, below, p, bn) != 1 ||
        BN_bn2lebinpad(above, u_le, CURVE_LEN) != CURVE_LEN)
        return MU_ERR_CRYPTO;
    return 0;
}

int mu_ossl_curve_public(struct mu_bytes ed, uint8_t x[32])
{
    uint8_t y[CURVE_LEN];
    BN_CTX *bn;
    int rc;

    if (ed.len != sizeof(y))
        return MU_ERR_MALFORMED;
    mu_copy(y, ed.data, sizeof(y));
    y[CURVE_LEN - 1] &= 0x7f; /* the sign of x plays no part in u */
    bn = BN_CTX_new();
    if (bn == NULL)
        return MU_ERR_CRYPTO;
    BN_CTX_start(bn);
    rc = curve_map(y, x, bn);
    BN_CTX_end(bn);
    BN_CTX_free(bn);
    return rc;
}

int mu_ossl_curve_private(const struct mu_secret *ed, struct mu_secret *x)
{
    uint8_t h[SHA512_DIGEST_LENGTH];
    int rc;

    if (ed->len != CURVE_LEN)
        return MU_ERR_USAGE;
    if (SHA512(ed->bytes, ed->len, h) == NULL)
        return MU_ERR_CRYPTO;
    /* X25519 clamps the scalar itself, as s.5.1.5 step 2 does. */
    rc = mu_secret_set(x, mu_bytes(h, CURVE_LEN));
    mu_wipe(h, sizeof(h));
    return rc;
}
