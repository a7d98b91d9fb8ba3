/* SPDX-License-Identifier: Apache-2.0 */
/* What a program brings to key exchanges (muster/exchange.h): its certificate
 * and private key, whom it trusts, which methods and protocols it takes. */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "crypto_openssl/mikey_pk.h"
#include "muster/exchange.h"

/* Files in PEM; the private key's is of mode 0600 and not encrypted. All three
 * or none: without them there is Diffie-Hellman alone. In those of devices "%d"
 * is the number of the device. */
struct mu_exchange_files {
    const char *certificate, *private_key, *ca;
};

struct mu_exchange_pk {
    const char *id; /* whose it is, for the log */
    struct mu_mikey_ossl o;
    struct mu_mikey_pk pk;
    uint8_t der[MU_EXCHANGE_CERT_MAX];
};

/* x stays where it is until closed. Errors are logged. */
MU_MUST int mu_exchange_pk_open(struct mu_exchange_pk *x, const char *id,
                                const struct mu_exchange_files *files);
void mu_exchange_pk_close(struct mu_exchange_pk *x);

/* "dhmac,dhsign" -> bits; MU_ERR_USAGE for what is none. */
MU_MUST int mu_exchange_methods_parse(const char *list, uint8_t *methods);
/* "oscore,hop,mbms" -> their numbers in rising order. */
MU_MUST int mu_exchange_protocols_parse(const char *list,
                                        uint8_t to[MU_EXCHANGE_PROTOCOLS_MAX],
                                        uint8_t *len);
#define MU_EXCHANGE_LIST_TEXT 40
void mu_exchange_methods_text(uint8_t methods, char to[MU_EXCHANGE_LIST_TEXT]);

#endif
