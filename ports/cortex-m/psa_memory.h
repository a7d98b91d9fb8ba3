/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for Mbed TLS; to be called before mu_crypto_psa. */
#ifndef PORTS_CORTEX_M_PSA_MEMORY_H
#define PORTS_CORTEX_M_PSA_MEMORY_H

#include <stddef.h>

void mu_psa_memory_init(void);

/* Bytes of it that have been in use at some time. */
size_t mu_psa_memory_used(void);

#endif
