/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mbed TLS 2.28 for a device: its PSA Crypto with as little behind it as the
 * core's calls need. MUSTER_MBEDTLS_ALL adds what a device that only receives
 * does without (signing, key agreement, AES-GCM, SHA-1), so that the
 * back end's whole self-test can run.
 */
#ifndef PORTS_CORTEX_M_MBEDTLS_CONFIG_H
#define PORTS_CORTEX_M_MBEDTLS_CONFIG_H

/* No operating system: memory from one static block, randomness from
 * mbedtls_psa_external_get_random (random.c). */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_HAVE_ASM

/* Where its allocator finds its own memory damaged. */
_Noreturn void mu_board_exit(int code);
#define MBEDTLS_PLATFORM_EXIT_MACRO mu_board_exit

#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_PSA_KEY_SLOT_COUNT 4

#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER

#define MBEDTLS_CIPHER_C
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES
#define MBEDTLS_CIPHER_MODE_CTR
#define MBEDTLS_CCM_C

/* ECDSA over P-256, sized for it and slow in exchange for little memory. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_NO_INTERNAL_RNG /* PSA hands one in */
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_MPI_MAX_SIZE 64
#define MBEDTLS_MPI_WINDOW_SIZE 1
#define MBEDTLS_ECP_MAX_BITS 256
#define MBEDTLS_ECP_WINDOW_SIZE 2
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0

#ifdef MUSTER_MBEDTLS_ALL
#define MBEDTLS_SHA1_C
#define MBEDTLS_GCM_C
#define MBEDTLS_ECDH_C
#define MBEDTLS_HMAC_DRBG_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#endif

#include <mbedtls/check_config.h>

#endif
