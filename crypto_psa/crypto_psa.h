/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crypto back end over PSA Crypto (Mbed TLS 2.28 and later), for a
 * microcontroller, and on Linux as the second opinion on the first back end.
 * The same source serves both: it uses no file, no clock, no stdio.
 *
 * One thread at a time: the key store of Mbed TLS 2.28 takes no lock. It needs
 * Mbed TLS's allocator for a few hundred bytes per call with a key.
 *
 * It has no EdDSA (MU_ERR_UNSUPPORTED), as Mbed TLS has none. ES256 signatures
 * are deterministic (RFC 6979): a device with a poor source of randomness does
 * not lose its key by signing.
 */
#ifndef CRYPTO_PSA_CRYPTO_PSA_H
#define CRYPTO_PSA_CRYPTO_PSA_H

#include "muster/crypto.h"

/* NULL when psa_crypto_init fails: usually no source of randomness. */
const struct mu_crypto *mu_crypto_psa(void);

#endif
