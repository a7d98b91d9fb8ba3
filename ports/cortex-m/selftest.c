/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware: every known answer of the crypto back end, on the device. */
#include "crypto_psa/crypto_psa.h"
#include "ports/cortex-m/board.h"
#include "ports/cortex-m/psa_memory.h"

int main(void)
{
    const struct mu_crypto *crypto;
    int rc;

    mu_psa_memory_init();
    crypto = mu_crypto_psa();
    if (crypto == NULL) {
        mu_board_print("PSA Crypto does not start\n");
        return 1;
    }
    rc = mu_crypto_selftest(crypto);
    mu_board_print("crypto self-test: ");
    mu_board_print(mu_err_text(rc));
    mu_board_print_number("\nstack ", (uint32_t)mu_board_stack_used(), "");
    mu_board_print_number(", heap of Mbed TLS ",
                          (uint32_t)mu_psa_memory_used(), " bytes\n");
    return rc == 0 ? 0 : 1;
}
