/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crypto back end over OpenSSL 3's libcrypto, for Linux. Any thread may
 * call it at any time. Hash and HMAC calls allocate nothing.
 */
#ifndef CRYPTO_OPENSSL_CRYPTO_OPENSSL_H
#define CRYPTO_OPENSSL_CRYPTO_OPENSSL_H

#include "muster/crypto.h"

/* NULL when libcrypto lacks one of the algorithms (a stripped provider). */
const struct mu_crypto *mu_crypto_openssl(void);

#endif
