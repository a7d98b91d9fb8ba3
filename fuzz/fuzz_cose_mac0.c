/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Mac0, with tags of zeros being right. */
#include <stdlib.h>

#include "fuzz/believe_aead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum mu_alg algs[] = {MU_ALG_HMAC256, MU_ALG_HMAC256_64,
                                       MU_ALG_ES256};
    const struct mu_crypto c = believe_aead_crypto();
    struct mu_bytes in = mu_bytes(data, len);
    struct mu_bytes payload;
    struct mu_secret key;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    for (size_t i = 0; i < 3; i++) {
        struct mu_cose_args a = {.alg = algs[i]};
        int rc = mu_cose_mac0_consume(&c, &a, &key, in, &payload);
        if (rc == 0 && i == 2)
            abort();
        if (!believe_inside(payload, in))
            abort();
    }
    return 0;
}
