/* SPDX-License-Identifier: Apache-2.0 */
/* g^x mod p with g = 2 and the primes of RFC 2409 s.6 and RFC 3526 s.2. */
#include "crypto_openssl/mikey_dh.h"

#include <openssl/bn.h>

static BIGNUM *dh_prime(uint8_t group)
{
    switch (group) {
    case MU_MIKEY_OAKLEY_5:
        return BN_get_rfc3526_prime_1536(NULL);
    case MU_MIKEY_OAKLEY_1:
        return BN_get_rfc2409_prime_768(NULL);
    case MU_MIKEY_OAKLEY_2:
        return BN_get_rfc2409_prime_1024(NULL);
    default:
        return NULL;
    }
}

/* out = base^x mod p, in time that does not depend on x. */
static bool dh_power(const BIGNUM *base, BIGNUM *x, const BIGNUM *p,
                     size_t len, uint8_t *out)
{
    BN_CTX *c = BN_CTX_secure_new();
    BIGNUM *y = BN_secure_new();
    bool good;

    BN_set_flags(x, BN_FLG_CONSTTIME);
    good = c != NULL && y != NULL &&
           BN_mod_exp_mont_consttime(y, base, x, p, c, NULL) == 1 &&
           BN_bn2binpad(y, out, (int)len) == (int)len;
    BN_clear_free(y);
    BN_CTX_free(c);
    return good;
}

int mu_ossl_dh_make(void *ctx, uint8_t group, uint8_t *x, uint8_t *gx)
{
    const size_t len = mu_mikey_dh_len(group);
    BIGNUM *p = dh_prime(group);
    BIGNUM *g = BN_new();
    BIGNUM *secret = BN_secure_new();
    BIGNUM *range = BN_new();
    int rc = p == NULL ? MU_ERR_UNSUPPORTED : MU_ERR_CRYPTO;

    (void)ctx;
    /* 2 <= x < p - 1: x = 0 and 1 would show. */
    if (p != NULL && g != NULL && secret != NULL && range != NULL &&
        BN_set_word(g, 2) == 1 && BN_copy(range, p) != NULL &&
        BN_sub_word(range, 3) == 1 && BN_priv_rand_range(secret, range) == 1 &&
        BN_add_word(secret, 2) == 1 &&
        BN_bn2binpad(secret, x, (int)len) == (int)len &&
        dh_power(g, secret, p, len, gx))
        rc = 0;
    BN_free(range);
    BN_clear_free(secret);
    BN_free(g);
    BN_free(p);
    return rc;
}

/* 1 < y < p - 1: the others make a secret that everybody knows. */
static bool dh_value_ok(const BIGNUM *y, const BIGNUM *p)
{
    BIGNUM *top = BN_dup(p);
    const bool good = top != NULL && BN_sub_word(top, 1) == 1 &&
                      BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, top) < 0;

    BN_free(top);
    return good;
}

int mu_ossl_dh_agree(void *ctx, uint8_t group, const uint8_t *x,
                     const uint8_t *peer, uint8_t *out)
{
    const size_t len = mu_mikey_dh_len(group);
    BIGNUM *p = dh_prime(group);
    BIGNUM *secret = BN_secure_new();
    BIGNUM *y = BN_bin2bn(peer, (int)len, NULL);
    int rc = p == NULL ? MU_ERR_UNSUPPORTED : MU_ERR_CRYPTO;

    (void)ctx;
    if (p != NULL && y != NULL && !dh_value_ok(y, p))
        rc = MU_ERR_MALFORMED;
    else if (p != NULL && y != NULL && secret != NULL &&
             BN_bin2bn(x, (int)len, secret) != NULL &&
             dh_power(y, secret, p, len, out))
        rc = 0;
    BN_free(y);
    BN_clear_free(secret);
    BN_free(p);
    return rc;
}
