/* SPDX-License-Identifier: Apache-2.0 */
/* Diffie-Hellman modulo the OAKLEY primes, as struct mu_mikey_pk wants it; an
 * end without certificates (DHHMAC) needs nothing else, and no ctx. */
#ifndef CRYPTO_OPENSSL_MIKEY_DH_H
#define CRYPTO_OPENSSL_MIKEY_DH_H

#include "muster/mikey_exchange.h"

int mu_ossl_dh_make(void *ctx, uint8_t group, uint8_t *x, uint8_t *gx);
int mu_ossl_dh_agree(void *ctx, uint8_t group, const uint8_t *x,
                     const uint8_t *peer, uint8_t *out);

#endif
