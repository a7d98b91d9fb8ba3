/* SPDX-License-Identifier: Apache-2.0 */
/* AES key wrap with an initial value of the protocol's own (RFC 3394 s.2.2.3.2),
 * as MIKEY has it. Lengths and errors as of mu_key_wrap and mu_key_unwrap. */
#ifndef MUSTER_CRYPTO_WRAP_H
#define MUSTER_CRYPTO_WRAP_H

#include "muster/crypto.h"

MU_MUST int mu_key_wrap_iv(const struct mu_crypto *c,
                           const struct mu_secret *kek, const uint8_t iv[8],
                           struct mu_bytes in, uint8_t *out);
MU_MUST int mu_key_unwrap_iv(const struct mu_crypto *c,
                             const struct mu_secret *kek, const uint8_t iv[8],
                             struct mu_bytes in, uint8_t *out);

#endif
