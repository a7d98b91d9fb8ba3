/* SPDX-License-Identifier: Apache-2.0 */
#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define DAY 86400L
#define CERTS_MAX 24

static struct {
    EVP_PKEY *key;
    X509 *cert;
} authorities[2]; /* the one that is trusted, and another */
static X509_STORE *store;
static struct cert *made[CERTS_MAX];
static unsigned made_len;

static X509 *certificate(EVP_PKEY *key, const char *name, long from, long to)
{
    static long serial;
    X509 *cert = X509_new();
    X509_NAME *subject;

    assert_non_null(cert);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial),
                     1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), from));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), to));
    subject = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(
                         subject, "CN", MBSTRING_ASC,
                         (const unsigned char *)name, -1, -1, 0), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    return cert;
}

static void authority(int which)
{
    X509_EXTENSION *ext;

    if (authorities[which].key != NULL)
        return;
    authorities[which].key = EVP_RSA_gen(2048);
    authorities[which].cert = certificate(authorities[which].key, "the CA",
                                          -DAY, DAY);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                              "critical,CA:TRUE");
    assert_int_equal(X509_add_ext(authorities[which].cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
    assert_int_equal(X509_set_issuer_name(
                         authorities[which].cert,
                         X509_get_subject_name(authorities[which].cert)), 1);
    assert_true(X509_sign(authorities[which].cert, authorities[which].key,
                          EVP_sha256()) > 0);
    if (which != 0)
        return;
    store = X509_STORE_new();
    assert_non_null(store);
    assert_int_equal(X509_STORE_add_cert(store, authorities[0].cert), 1);
}

static X509 *signed_for(EVP_PKEY *key, const char *name, enum cert_kind kind)
{
    const int by = kind == CERT_UNTRUSTED ? 1 : 0;
    X509 *cert = certificate(key, name,
                             kind == CERT_EXPIRED ? -2 * DAY
                             : kind == CERT_EARLY ? DAY / 2 : -DAY,
                             kind == CERT_EXPIRED ? -DAY / 2 : DAY);

    authority(0);
    authority(by);
    assert_int_equal(X509_set_issuer_name(
                         cert, X509_get_subject_name(authorities[by].cert)), 1);
    assert_true(X509_sign(cert, authorities[by].key, EVP_sha256()) > 0);
    return cert;
}

struct cert *cert_make(const char *name, enum cert_kind kind)
{
    struct cert *c = calloc(1, sizeof *c);
    unsigned char *at;
    X509 *cert;
    int len;

    assert_non_null(c);
    assert_true(made_len < CERTS_MAX);
    made[made_len++] = c;
    c->o.key = EVP_RSA_gen(2048);
    assert_non_null(c->o.key);
    cert = signed_for(c->o.key, name, kind);
    len = i2d_X509(cert, NULL);
    assert_in_range(len, 1, sizeof c->der);
    at = c->der;
    assert_int_equal(i2d_X509(cert, &at), len);
    X509_free(cert);
    c->o.cert = mu_bytes(c->der, (size_t)len);
    c->o.trust = store;
    assert_int_equal(mu_mikey_pk_openssl(&c->o, &c->pk), 0);
    return c;
}

void certs_free(void)
{
    for (unsigned i = 0; i < made_len; i++) {
        EVP_PKEY_free(made[i]->o.key);
        free(made[i]);
    }
    made_len = 0;
    for (int i = 0; i < 2; i++) {
        EVP_PKEY_free(authorities[i].key);
        X509_free(authorities[i].cert);
        authorities[i].key = NULL;
        authorities[i].cert = NULL;
    }
    X509_STORE_free(store);
    store = NULL;
}

void cert_files(const char *name, enum cert_kind kind, const char *cert_path,
                const char *key_path)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = signed_for(key, name, kind);
    FILE *f = fopen(cert_path, "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    assert_int_equal(fclose(f), 0);
    f = fopen(key_path, "w");
    assert_non_null(f);
    assert_int_equal(chmod(key_path, 0600), 0);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
                     1);
    assert_int_equal(fclose(f), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void cert_authority_file(const char *path)
{
    FILE *f = fopen(path, "w");

    authority(0);
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, authorities[0].cert), 1);
    assert_int_equal(fclose(f), 0);
}

struct cert *cert_device, *cert_server;

int certs_setup(void **state)
{
    (void)state;
    cert_device = cert_make("dev-1", CERT_GOOD);
    cert_server = cert_make("server", CERT_GOOD);
    return 0;
}

int certs_teardown(void **state)
{
    (void)state;
    certs_free();
    return 0;
}
