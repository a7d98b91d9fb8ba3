/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a MIKEY exchange, for all five methods. */
#ifndef TESTS_MIKEY_LAB_H
#define TESTS_MIKEY_LAB_H

#include "crypto_openssl/crypto_openssl.h"
#include "crypto_openssl/mikey_pk.h"
#include "muster/mikey_exchange.h"

#define LAB_NOW 0xe9a0b1c200000000u /* NTP, and as good as any */
#define LAB_SECOND 0x100000000u
#define LAB_CSB 0x12345678

enum lab_method {
    LAB_PSK,
    LAB_RSA,
    LAB_DHSIGN,
    LAB_DHMAC,
    LAB_RSA_R,
    LAB_METHODS
};
extern const char *const lab_names[LAB_METHODS];

/* An end with a key and a certificate in its own name. */
struct lab_end {
    struct mu_mikey_ossl o;
    struct mu_mikey_pk pk;
    uint8_t der[1024];
};

struct lab {
    enum lab_method method;
    uint8_t psk[16];
    struct mu_mikey_session i;
    struct mu_mikey_session r;
    struct mu_mikey_policy at_i;
    struct mu_mikey_policy at_r;
    struct mu_mikey_replay replay;
    uint8_t first[MU_MIKEY_MESSAGE_MAX];
    size_t first_len;
    uint8_t second[MU_MIKEY_MESSAGE_MAX];
    size_t second_len;
};

/* Keys and certificates of i@m2m.example, r@m2m.example and a stranger, whom
 * nobody trusts; made once. */
struct lab_end *lab_initiator(void);
struct lab_end *lab_responder(void);
struct lab_end *lab_stranger(void);
void lab_ends_free(void);

/* An exchange that will go well. */
void lab_init(struct lab *l, enum lab_method method);
int lab_first_make(struct lab *l);
int lab_first_take(struct lab *l, struct mu_bytes in);
int lab_second_make(struct lab *l);
int lab_second_take(struct lab *l, struct mu_bytes in);
/* Both messages, each taken. */
void lab_run(struct lab *l);

struct mu_bytes lab_first(const struct lab *l);
struct mu_bytes lab_second(const struct lab *l);

#endif
