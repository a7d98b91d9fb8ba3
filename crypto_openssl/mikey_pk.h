/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA, certificates and Diffie-Hellman for MIKEY over libcrypto. One object an
 * end: its private key, its certificate, the anchors it trusts.
 */
#ifndef CRYPTO_OPENSSL_MIKEY_PK_H
#define CRYPTO_OPENSSL_MIKEY_PK_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "muster/mikey_exchange.h"

struct mu_mikey_ossl {
    EVP_PKEY *key;      /* RSA of 1024 to 4096 bits */
    X509_STORE *trust;  /* anchors; its time decides what is in date */
    struct mu_bytes cert; /* DER, of the key */
    /* Told why a certificate of somebody is not trusted; or NULL. */
    void (*refused)(void *ctx, const char *why,
                    const struct mu_mikey_name *name);
    void *refused_ctx;
};

/* All of o stays the caller's and has to outlive pk. MU_ERR_USAGE for a key
 * that is no RSA key of a size we take. */
MU_MUST int mu_mikey_pk_openssl(struct mu_mikey_ossl *o,
                                struct mu_mikey_pk *pk);

#endif
