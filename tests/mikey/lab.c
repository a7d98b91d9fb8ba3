/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/mikey/lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define INITIATOR "i@m2m.example"
#define RESPONDER "r@m2m.example"

const char *const lab_names[LAB_METHODS] = {"PSK", "RSA", "DHSIGN", "DHMAC",
                                            "RSA-R"};

static struct lab_end ends[3];
static X509_STORE *store;

/* A certificate that signs itself: it is its own anchor. */
static X509 *certificate(EVP_PKEY *key, const char *name)
{
    X509 *cert = X509_new();
    char alt[64];
    X509_EXTENSION *ext;

    assert_non_null(cert);
    snprintf(alt, sizeof alt, "email:%s", name);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
    assert_non_null(ext);
    assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -86400));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 86400));
    X509_NAME *subject = X509_get_subject_name(cert);
    assert_int_equal(X509_NAME_add_entry_by_txt(
                         subject, "O", MBSTRING_ASC,
                         (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(cert, subject), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_int_equal(X509_add_ext(cert, ext, -1), 1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static struct lab_end *end_of(size_t n, const char *name)
{
    struct lab_end *e = &ends[n];

    if (e->o.key != NULL)
        return e;
    if (store == NULL)
        store = X509_STORE_new();
    assert_non_null(store);
    e->o.key = EVP_RSA_gen(1024);
    e->o.trust = store;
    assert_non_null(e->o.key);
    X509 *cert = certificate(e->o.key, name);
    unsigned char *at = e->der;
    const int len = i2d_X509(cert, NULL);
    assert_in_range(len, 1, sizeof e->der);
    assert_int_equal(i2d_X509(cert, &at), len);
    e->o.cert = mu_bytes(e->der, (size_t)len);
    if (n < 2)
        assert_int_equal(X509_STORE_add_cert(store, cert), 1);
    X509_free(cert);
    assert_int_equal(mu_mikey_pk_openssl(&e->o, &e->pk), 0);
    return e;
}

struct lab_end *lab_initiator(void)
{
    return end_of(0, INITIATOR);
}

struct lab_end *lab_responder(void)
{
    return end_of(1, RESPONDER);
}

/* He says that he is the Initiator. */
struct lab_end *lab_stranger(void)
{
    return end_of(2, INITIATOR);
}

void lab_ends_free(void)
{
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(ends[i].o.key);
        ends[i] = (struct lab_end){.der = {0}};
    }
    X509_STORE_free(store);
    store = NULL;
}

static void policy_init(struct lab *l, struct mu_mikey_policy *p,
                        const char *self, const char *peer)
{
    static const uint8_t protocols[] = {MU_MIKEY_SRTP, MU_MIKEY_OSCORE,
                                        MU_MIKEY_HOP};

    *p = (struct mu_mikey_policy){
        .encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_CM),
        .mac = MU_MIKEY_BIT(MU_MIKEY_MAC_SHA1),
        .prf = MU_MIKEY_BIT(MU_MIKEY_PRF_SHA1),
        .groups = MU_MIKEY_BIT(MU_MIKEY_OAKLEY_5),
        .schemes = MU_MIKEY_BIT(MU_MIKEY_RSA_PKCS1),
        .protocols = MU_BYTES(protocols),
        .time_type = MU_MIKEY_NTP_UTC,
        .now = LAB_NOW,
        .skew = 60 * LAB_SECOND,
        .replay = &l->replay,
    };
    assert_int_equal(
        mu_mikey_name_set(&p->self, MU_MIKEY_NAI, mu_bytes_str(self)), 0);
    assert_int_equal(
        mu_mikey_name_set(&p->peer, MU_MIKEY_NAI, mu_bytes_str(peer)), 0);
}

void lab_init(struct lab *l, enum lab_method method)
{
    struct mu_mikey_session *s = &l->i;
    uint8_t tgk[16];

    memset(l, 0, sizeof *l);
    l->method = method;
    memset(l->psk, 0x5a, sizeof l->psk);
    mu_mikey_replay_init(&l->replay);
    policy_init(l, &l->at_i, INITIATOR, RESPONDER);
    policy_init(l, &l->at_r, RESPONDER, INITIATOR);
    s->header = (struct mu_mikey_header){.verify = true,
                                         .csb = LAB_CSB,
                                         .map = MU_MIKEY_MAP_SRTP,
                                         .cs_len = 1};
    s->header.cs[0] = (struct mu_mikey_cs){
        .policies = {0}, .policies_len = 1, .ssrc = 0xaabbccdd};
    s->encr = MU_MIKEY_ENCR_AES_CM;
    s->mac = MU_MIKEY_MAC_SHA1;
    s->group = MU_MIKEY_OAKLEY_5;
    s->time = (struct mu_mikey_time){MU_MIKEY_NTP_UTC, LAB_NOW};
    s->rand_len = 16;
    memset(s->rand, 0x77, 16);
    s->idi = l->at_r.peer;
    s->idr = l->at_r.self;
    s->send_cert = method == LAB_DHSIGN || method == LAB_RSA_R;
    s->peer_cert = lab_responder()->o.cert;
    if (!s->send_cert)
        l->at_r.peer_cert = lab_initiator()->o.cert;
    if (method == LAB_PSK || method == LAB_RSA) {
        memset(tgk, 0x21, sizeof tgk);
        assert_int_equal(mu_mikey_session_key(s, MU_MIKEY_TGK, MU_BYTES(tgk),
                                              mu_bytes(NULL, 0)),
                         0);
    }
}

int lab_first_make(struct lab *l)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct mu_mikey_pk *pk = &lab_initiator()->pk;
    const struct mu_bytes psk = MU_BYTES(l->psk);
    struct mu_writer w = mu_writer(l->first, sizeof l->first);
    int rc;

    switch (l->method) {
    case LAB_PSK:
        rc = mu_mikey_psk_init_create(c, psk, &l->i, &w);
        break;
    case LAB_RSA:
        rc = mu_mikey_pk_init_create(c, pk, &l->i, &w);
        break;
    case LAB_DHSIGN:
        rc = mu_mikey_dh_init_create(pk, &l->i, &w);
        break;
    case LAB_DHMAC:
        rc = mu_mikey_dhmac_init_create(c, pk, psk, &l->i, &w);
        break;
    default:
        rc = mu_mikey_rsa_r_init_create(pk, &l->i, &w);
    }
    l->first_len = w.len;
    return rc;
}

int lab_first_take(struct lab *l, struct mu_bytes in)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct mu_mikey_pk *pk = &lab_responder()->pk;
    const struct mu_bytes psk = MU_BYTES(l->psk);

    switch (l->method) {
    case LAB_PSK:
        return mu_mikey_psk_init_consume(c, psk, &l->at_r, in, &l->r);
    case LAB_RSA:
        return mu_mikey_pk_init_consume(c, pk, &l->at_r, in, &l->r);
    case LAB_DHSIGN:
        return mu_mikey_dh_init_consume(c, pk, &l->at_r, in, &l->r);
    case LAB_DHMAC:
        return mu_mikey_dhmac_init_consume(c, psk, &l->at_r, in, &l->r);
    default:
        return mu_mikey_rsa_r_init_consume(c, pk, &l->at_r, in, &l->r);
    }
}

int lab_second_make(struct lab *l)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct mu_mikey_pk *pk = &lab_responder()->pk;
    struct mu_writer w = mu_writer(l->second, sizeof l->second);
    uint8_t tgk[16];
    int rc;

    l->r.send_cert = true;
    switch (l->method) {
    case LAB_PSK:
    case LAB_RSA:
        rc = mu_mikey_verify_create(c, &l->r, &w);
        break;
    case LAB_DHSIGN:
        rc = mu_mikey_dh_resp_create(pk, &l->r, &w);
        break;
    case LAB_DHMAC:
        rc = mu_mikey_dhmac_resp_create(c, pk, &l->r, &w);
        break;
    default:
        memset(tgk, 0x22, sizeof tgk);
        l->r.encr = MU_MIKEY_ENCR_AES_CM;
        l->r.mac = MU_MIKEY_MAC_SHA1;
        assert_int_equal(mu_mikey_session_key(&l->r, MU_MIKEY_TGK,
                                              MU_BYTES(tgk),
                                              mu_bytes(NULL, 0)),
                         0);
        rc = mu_mikey_rsa_r_resp_create(c, pk, &l->r, &w);
    }
    l->second_len = w.len;
    return rc;
}

int lab_second_take(struct lab *l, struct mu_bytes in)
{
    const struct mu_crypto *c = mu_crypto_openssl();
    const struct mu_mikey_pk *pk = &lab_initiator()->pk;

    switch (l->method) {
    case LAB_PSK:
    case LAB_RSA:
        return mu_mikey_verify_consume(c, &l->i, in);
    case LAB_DHSIGN:
        return mu_mikey_dh_resp_consume(pk, &l->at_i, in, &l->i);
    case LAB_DHMAC:
        return mu_mikey_dhmac_resp_consume(c, pk, in, &l->i);
    default:
        return mu_mikey_rsa_r_resp_consume(c, pk, &l->at_i, in, &l->i);
    }
}

struct mu_bytes lab_first(const struct lab *l)
{
    return mu_bytes(l->first, l->first_len);
}

struct mu_bytes lab_second(const struct lab *l)
{
    return mu_bytes(l->second, l->second_len);
}

void lab_run(struct lab *l)
{
    assert_int_equal(lab_first_make(l), 0);
    assert_int_equal(lab_first_take(l, lab_first(l)), 0);
    assert_int_equal(lab_second_make(l), 0);
    assert_int_equal(lab_second_take(l, lab_second(l)), 0);
}
