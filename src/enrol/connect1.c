/* SPDX-License-Identifier: Apache-2.0 */
/* Connect message 1, node to server: docs/wire-format.md s.3 item 1. */
#include "muster/cbor.h"
#include "muster/connect.h"
#include "muster/cose.h"

#define CONNECT1_AAD "muster connect 1"
#define CONNECT1_AAD_LEN 16
/* Nd, epoch, capability map and the gateway, with their heads. */
#define CONNECT1_PAYLOAD_MAX 256
#define CONNECT1_ALL 0x1e /* bits 1 to 4: the fields that must be there */

/*
 * The kid is the identity and stands in the unprotected header, so the
 * external_aad covers it: of two nodes that were given one Kmr by mistake, a
 * gateway cannot turn a message of the first into one of the second.
 */
struct connect1_aad {
    uint8_t bytes[CONNECT1_AAD_LEN + MU_ID_MAX];
    size_t len;
};

static struct mu_bytes connect1_bind(struct connect1_aad *aad,
                                     struct mu_bytes identity)
{
    mu_copy(aad->bytes, CONNECT1_AAD, CONNECT1_AAD_LEN);
    mu_copy(aad->bytes + CONNECT1_AAD_LEN, identity.data, identity.len);
    aad->len = CONNECT1_AAD_LEN + identity.len;
    return mu_bytes(aad->bytes, aad->len);
}

static bool identity_valid(struct mu_bytes identity)
{
    return identity.len > 0 && identity.len <= MU_ID_MAX &&
           mu_utf8_valid(identity);
}

static int connect1_kauth(const struct mu_crypto *c,
                          const struct mu_secret *kmr, struct mu_secret *kauth)
{
    return mu_kdf(c, kmr, "connect", mu_bytes(NULL, 0), 32, kauth);
}

static void connect1_write(struct mu_writer *w, const struct mu_connect1 *m,
                           const uint8_t nd[MU_CONNECT_NONCE])
{
    mu_cbor_put_map(w, 4);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, mu_bytes(nd, MU_CONNECT_NONCE));
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->epoch);
    mu_cbor_put_uint(w, 3);
    mu_capability_write(w, &m->capability);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_tstr(w, m->gateway);
}

int mu_connect1_create(const struct mu_crypto *c, const struct mu_secret *kmr,
                       const struct mu_connect1 *m, struct mu_writer *w,
                       struct mu_connect_pending *p)
{
    uint8_t buffer[CONNECT1_PAYLOAD_MAX];
    struct mu_writer payload = mu_writer(buffer, sizeof buffer);
    struct mu_secret kauth = {0};
    struct connect1_aad aad;
    struct mu_cose_args args = {.alg = MU_ALG_HMAC256, .kid = m->identity};
    struct mu_bytes message;
    const size_t start = w->len;
    int rc;

    mu_zero(p, sizeof *p);
    if (!identity_valid(m->identity) || !identity_valid(m->gateway))
        return MU_ERR_USAGE;
    rc = c->random(c->ctx, p->nd, sizeof p->nd);
    if (rc != 0)
        return rc;
    p->epoch = m->epoch;
    connect1_write(&payload, m, p->nd);
    rc = mu_writer_end(&payload);
    if (rc == 0)
        rc = connect1_kauth(c, kmr, &kauth);
    if (rc == 0) {
        args.payload = mu_written(&payload);
        args.external_aad = connect1_bind(&aad, m->identity);
        rc = mu_cose_mac0_create(c, &args, &kauth, w);
    }
    mu_secret_clear(&kauth);
    if (rc != 0) {
        w->len = start;
        return rc;
    }
    message = mu_bytes(w->data + start, w->len - start);
    mu_sha256(c, &message, 1, p->digest);
    return 0;
}

int mu_connect1_peek(struct mu_bytes in, struct mu_bytes *identity)
{
    struct mu_cose cose;
    int rc = mu_cose_decode(in, &cose);

    *identity = mu_bytes(NULL, 0);
    if (rc != 0)
        return rc;
    if (cose.kind != MU_COSE_MAC0 || !identity_valid(cose.kid))
        return MU_ERR_MALFORMED;
    *identity = cose.kid;
    return 0;
}

static int connect1_read(struct mu_bytes payload, struct mu_connect1 *m,
                         uint8_t nd[MU_CONNECT_NONCE])
{
    struct mu_reader r = mu_reader(payload);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    unsigned there = 0;
    int64_t key;
    int rc;

    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key >= 1 && key <= 4)
            there |= 1u << key;
        switch (key) {
        case 1:
            mu_cbor_get_bstr_copy(&r, nd, MU_CONNECT_NONCE);
            break;
        case 2:
            m->epoch = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
            break;
        case 3:
            mu_capability_read(&r, &m->capability);
            break;
        case 4:
            m->gateway = mu_cbor_get_tstr(&r);
            break;
        default:
            mu_cbor_skip(&r);
            break;
        }
    }
    rc = mu_reader_end(&r);
    if (rc == 0 && (there != CONNECT1_ALL || !identity_valid(m->gateway)))
        rc = MU_ERR_MALFORMED;
    return rc;
}

int mu_connect1_consume(const struct mu_crypto *c, const struct mu_secret *kmr,
                        struct mu_bytes identity, struct mu_bytes gateway,
                        struct mu_bytes in, struct mu_connect1 *m,
                        struct mu_connect_pending *p)
{
    struct mu_cose_args args = {.alg = MU_ALG_HMAC256, .kid = identity};
    struct connect1_aad aad;
    struct mu_secret kauth = {0};
    struct mu_bytes payload;
    int rc;

    mu_zero(m, sizeof *m);
    mu_zero(p, sizeof *p);
    if (!identity_valid(identity))
        return MU_ERR_USAGE;
    args.external_aad = connect1_bind(&aad, identity);
    rc = connect1_kauth(c, kmr, &kauth);
    if (rc == 0)
        rc = mu_cose_mac0_consume(c, &args, &kauth, in, &payload);
    mu_secret_clear(&kauth);
    if (rc == 0)
        rc = connect1_read(payload, m, p->nd);
    if (rc == 0 && gateway.len != 0 && !mu_bytes_eq(gateway, m->gateway))
        rc = MU_ERR_FORBIDDEN;
    if (rc != 0) {
        mu_zero(m, sizeof *m);
        mu_zero(p, sizeof *p);
        return rc;
    }
    m->identity = identity;
    p->epoch = m->epoch;
    mu_sha256(c, &in, 1, p->digest);
    return 0;
}
