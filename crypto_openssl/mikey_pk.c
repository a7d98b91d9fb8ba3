/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA for MIKEY: PKCS #1 v1.5 envelopes and signatures with SHA-1, PSS beside
 * (RFC 3830 s.4.2.5, 6.5). The age of SHA-1 and of v1.5 is the protocol's.
 */
#include "crypto_openssl/mikey_pk.h"

#include <limits.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "crypto_openssl/mikey_dh.h"

#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 4096
#define RSA_BYTES_MAX (RSA_BITS_MAX / 8)

static X509 *pk_cert(struct mu_bytes der)
{
    const unsigned char *at = der.data;
    X509 *cert;

    if (der.len == 0 || der.len > LONG_MAX)
        return NULL;
    cert = d2i_X509(NULL, &at, (long)der.len);
    if (cert != NULL && at != der.data + der.len) {
        X509_free(cert); /* something behind it */
        return NULL;
    }
    return cert;
}

/* An RSA key of a size we take, or NULL; owned by the certificate. */
static EVP_PKEY *pk_key(X509 *cert)
{
    EVP_PKEY *key = cert != NULL ? X509_get0_pubkey(cert) : NULL;

    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
        EVP_PKEY_get_bits(key) < RSA_BITS_MIN ||
        EVP_PKEY_get_bits(key) > RSA_BITS_MAX)
        return NULL;
    return key;
}

/* The name in the certificate, RFC 3830 s.6.7: a URI or a mail address (NAI)
 * of the subject's alternative names, or the common name. */
static bool pk_names(X509 *cert, const struct mu_mikey_name *id)
{
    const int want = id->type == MU_MIKEY_URI ? GEN_URI : GEN_EMAIL;
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    const struct mu_bytes text = mu_bytes(id->bytes, id->len);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = 0;
        const ASN1_STRING *s =
            GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == want)
            found = found ||
                    mu_bytes_eq(text, mu_bytes(ASN1_STRING_get0_data(s),
                                               (size_t)ASN1_STRING_length(s)));
    }
    GENERAL_NAMES_free(names);
    if (!found) {
        char cn[MU_ID_MAX + 2];
        const int len = X509_NAME_get_text_by_NID(
            X509_get_subject_name(cert), NID_commonName, cn, sizeof cn);
        found = len > 0 && mu_bytes_eq(text, mu_bytes(cn, (size_t)len));
    }
    return found;
}

static int pk_trust(void *ctx, struct mu_bytes der,
                    const struct mu_mikey_name *id)
{
    struct mu_mikey_ossl *o = ctx;
    X509 *cert = pk_cert(der);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    const char *why = "it is no certificate";
    int rc = MU_ERR_UNKNOWN_PEER;

    if (check == NULL) {
        rc = MU_ERR_CRYPTO;
    } else if (cert == NULL) {
        rc = MU_ERR_MALFORMED;
    } else if (X509_STORE_CTX_init(check, o->trust, cert, NULL) != 1 ||
               X509_verify_cert(check) != 1) {
        why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check));
    } else if (!pk_names(cert, id)) {
        why = "it names somebody else";
    } else {
        rc = 0;
    }
    if (rc != 0 && o->refused != NULL)
        o->refused(o->refused_ctx, why, id);
    X509_STORE_CTX_free(check);
    X509_free(cert);
    return rc;
}

static int pk_envelope(void *ctx, struct mu_bytes der, struct mu_bytes key,
                       uint8_t *out, size_t cap, size_t *len)
{
    X509 *cert = pk_cert(der);
    EVP_PKEY *pub = pk_key(cert);
    EVP_PKEY_CTX *e = pub != NULL ? EVP_PKEY_CTX_new(pub, NULL) : NULL;
    int rc = pub == NULL ? MU_ERR_MALFORMED : MU_ERR_CRYPTO;

    (void)ctx;
    *len = cap;
    if (e != NULL && EVP_PKEY_encrypt_init(e) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(e, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_encrypt(e, out, len, key.data, key.len) == 1)
        rc = 0;
    EVP_PKEY_CTX_free(e);
    X509_free(cert);
    return rc;
}

/* Whatever was inside: 16 bytes of it or random ones, chosen without a branch,
 * so that the answer is no oracle for the padding (RFC 5246 s.7.4.7.1). */
static int pk_unseal(void *ctx, struct mu_bytes in,
                     uint8_t key[MU_MIKEY_ENVELOPE_LEN])
{
    struct mu_mikey_ossl *o = ctx;
    EVP_PKEY_CTX *e = EVP_PKEY_CTX_new(o->key, NULL);
    uint8_t plain[RSA_BYTES_MAX] = {0};
    size_t len = sizeof plain;
    int rc = MU_ERR_CRYPTO;

    if (e != NULL && RAND_bytes(key, MU_MIKEY_ENVELOPE_LEN) == 1 &&
        EVP_PKEY_decrypt_init(e) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(e, RSA_PKCS1_PADDING) == 1) {
        const int opened = EVP_PKEY_decrypt(e, plain, &len, in.data, in.len);
        const unsigned good =
            (unsigned)(opened == 1) & (unsigned)(len == MU_MIKEY_ENVELOPE_LEN);
        const uint8_t mask = (uint8_t)(0u - good);
        for (size_t i = 0; i < MU_MIKEY_ENVELOPE_LEN; i++)
            key[i] = (uint8_t)((plain[i] & mask) | (key[i] & ~mask));
        rc = 0;
    }
    mu_wipe(plain, sizeof plain);
    EVP_PKEY_CTX_free(e);
    return rc;
}

static bool pk_digest(EVP_MD_CTX *md, EVP_PKEY *key, uint8_t scheme, bool sign,
                      const struct mu_bytes *parts, size_t parts_len)
{
    EVP_PKEY_CTX *e = NULL;
    const int padding =
        scheme == MU_MIKEY_RSA_PSS ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;

    if (md == NULL ||
        (sign ? EVP_DigestSignInit(md, &e, EVP_sha1(), NULL, key)
              : EVP_DigestVerifyInit(md, &e, EVP_sha1(), NULL, key)) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(e, padding) != 1 ||
        (scheme == MU_MIKEY_RSA_PSS &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(e, RSA_PSS_SALTLEN_DIGEST) != 1))
        return false;
    for (size_t i = 0; i < parts_len; i++) {
        if ((sign ? EVP_DigestSignUpdate(md, parts[i].data, parts[i].len)
                  : EVP_DigestVerifyUpdate(md, parts[i].data, parts[i].len)) !=
            1)
            return false;
    }
    return true;
}

static int pk_sign(void *ctx, uint8_t scheme, const struct mu_bytes *parts,
                   size_t parts_len, uint8_t *out, size_t len)
{
    struct mu_mikey_ossl *o = ctx;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t made = len;
    int rc = MU_ERR_CRYPTO;

    if (scheme > MU_MIKEY_RSA_PSS)
        rc = MU_ERR_UNSUPPORTED;
    else if (pk_digest(md, o->key, scheme, true, parts, parts_len) &&
             EVP_DigestSignFinal(md, out, &made) == 1 && made == len)
        rc = 0;
    EVP_MD_CTX_free(md);
    return rc;
}

static int pk_verify(void *ctx, uint8_t scheme, struct mu_bytes der,
                     const struct mu_bytes *parts, size_t parts_len,
                     struct mu_bytes signature)
{
    X509 *cert = pk_cert(der);
    EVP_PKEY *key = pk_key(cert);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int rc = MU_ERR_AUTH;

    (void)ctx;
    if (key == NULL)
        rc = MU_ERR_MALFORMED;
    else if (scheme > MU_MIKEY_RSA_PSS)
        rc = MU_ERR_UNSUPPORTED;
    else if (!pk_digest(md, key, scheme, false, parts, parts_len))
        rc = MU_ERR_CRYPTO;
    else if (EVP_DigestVerifyFinal(md, signature.data, signature.len) == 1)
        rc = 0;
    EVP_MD_CTX_free(md);
    X509_free(cert);
    return rc;
}

static int pk_cert_hash(void *ctx, uint8_t hash, struct mu_bytes cert,
                        uint8_t *out)
{
    unsigned len = 0;

    (void)ctx;
    if (hash > MU_MIKEY_MD5)
        return MU_ERR_UNSUPPORTED;
    /* A libcrypto without MD5 is no reason to fail for SHA-1. */
    return EVP_Digest(cert.data, cert.len, out, &len,
                      hash == MU_MIKEY_SHA1 ? EVP_sha1() : EVP_md5(),
                      NULL) == 1
               ? 0
               : MU_ERR_UNSUPPORTED;
}

int mu_mikey_pk_openssl(struct mu_mikey_ossl *o, struct mu_mikey_pk *pk)
{
    X509 *cert = pk_cert(o->cert);
    const EVP_PKEY *pub = pk_key(cert);
    int rc = MU_ERR_USAGE;

    if (pub != NULL && o->key != NULL && o->trust != NULL &&
        EVP_PKEY_eq(pub, o->key) == 1) {
        *pk = (struct mu_mikey_pk){
            .ctx = o,
            .cert = o->cert,
            .signature_len = (size_t)EVP_PKEY_get_size(o->key),
            .trust = pk_trust,
            .envelope = pk_envelope,
            .unseal = pk_unseal,
            .sign = pk_sign,
            .verify = pk_verify,
            .cert_hash = pk_cert_hash,
            .dh_make = mu_ossl_dh_make,
            .dh_agree = mu_ossl_dh_agree,
        };
        rc = 0;
    }
    X509_free(cert);
    return rc;
}
