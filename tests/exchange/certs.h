/* SPDX-License-Identifier: Apache-2.0 */
/* An authority and the certificates it signs, made when they are wanted. */
#ifndef TESTS_EXCHANGE_CERTS_H
#define TESTS_EXCHANGE_CERTS_H

#include "crypto_openssl/mikey_pk.h"

enum cert_kind {
    CERT_GOOD,
    CERT_EXPIRED,
    CERT_EARLY,   /* not valid yet */
    CERT_UNTRUSTED, /* signed by another authority of the same name */
};

struct cert {
    struct mu_mikey_ossl o;
    struct mu_mikey_pk pk;
    uint8_t der[1536];
};

/* A key and a certificate for a name; freed by certs_free. */
struct cert *cert_make(const char *name, enum cert_kind kind);
void certs_free(void);
/* The good ones of "dev-1" and "server", for all tests of a program. */
extern struct cert *cert_device, *cert_server;
int certs_setup(void **state);
int certs_teardown(void **state);

/* The same as files, for programs: PEM, keys of mode 0600. */
void cert_files(const char *name, enum cert_kind kind, const char *cert_path,
                const char *key_path);
void cert_authority_file(const char *path);

#endif
