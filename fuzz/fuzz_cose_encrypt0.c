/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Encrypt0 of somebody who has the key. */
#include <stdlib.h>

#include "fuzz/believe_aead.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum mu_alg algs[] = {MU_ALG_A128GCM,
                                       MU_ALG_AES_CCM_16_64_128};
    static uint8_t plain[INPUT_MAX];
    const struct mu_crypto c = believe_aead_crypto();
    struct mu_bytes in = mu_bytes(data, len);
    struct mu_bytes payload;
    struct mu_secret key;

    if (mu_secret_set(&key, mu_bytes_str("0123456789abcdef")) != 0)
        abort();
    for (size_t i = 0; i < 2; i++) {
        struct mu_cose_args a = {.alg = algs[i]};
        struct mu_writer w = mu_writer(plain, sizeof(plain));
        int rc = mu_cose_encrypt0_consume(&c, &a, &key, in, &w, &payload);
        if (w.failed || w.len != payload.len || (rc != 0 && w.len != 0))
            abort();
        if (!believe_inside(payload, MU_BYTES(plain)))
            abort();
    }
    return 0;
}
