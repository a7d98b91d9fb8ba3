/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Sign1 of somebody whose signatures are good. */
#include <stdlib.h>

#include "fuzz/believe_aead.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto c = believe_aead_crypto();
    struct mu_bytes in = mu_bytes(data, len);
    struct mu_bytes payload;
    struct mu_cose m;

    if (mu_cose_decode(in, &m) != 0)
        return 0;
    if (!believe_inside(m.kid, in) || !believe_inside(m.content, in)
        || !believe_inside(m.proof, in) || (m.detached && m.content.len != 0))
        abort();
    for (int detached = 0; detached < 2; detached++) {
        struct mu_cose_args a = {.alg = m.alg, .detached = detached != 0};
        int rc = mu_cose_sign1_consume(&c, &a, mu_bytes(NULL, 0), in,
                                       &payload);
        if (rc == 0 && m.kind != MU_COSE_SIGN1)
            abort();
        if (rc == 0 && (detached != 0) != m.detached)
            abort();
        if (!believe_inside(payload, in))
            abort();
    }
    return 0;
}
