/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness for Mbed TLS. The emulated board has no noise source, so this
 * reads the host's. A product puts its own generator here.
 */
#include "ports/cortex-m/board.h"

#include <psa/crypto.h>

psa_status_t mbedtls_psa_external_get_random(
    mbedtls_psa_external_random_context_t *context, uint8_t *output,
    size_t output_size, size_t *output_length)
{
    static int source = -1;

    (void)context;
    if (source < 0)
        source = mu_board_open("/dev/urandom", false);
    if (source < 0 || mu_board_read(source, output, output_size) != 0)
        return PSA_ERROR_HARDWARE_FAILURE;
    *output_length = output_size;
    return PSA_SUCCESS;
}
