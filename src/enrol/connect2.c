/* SPDX-License-Identifier: Apache-2.0 */
/* Connect message 2, server to node: docs/wire-format.md s.3 item 2. */
#include "muster/cbor.h"
#include "muster/connect.h"
#include "muster/cose.h"

#define CONNECT2_AAD "muster connect 2"
#define CONNECT2_AAD_LEN 16
#define CONNECT2_IV 13 /* bytes of Ns that are the nonce */
/* Everything in message 2 with its heads: identity 64, key 65, groups 8 x 7. */
#define CONNECT2_PAYLOAD_MAX 256
#define CONNECT2_ALL 0xfe /* bits 1 to 7: the fields that must be there */

struct connect2_aad {
    uint8_t bytes[CONNECT2_AAD_LEN + MU_SHA256_LEN];
};

static struct mu_bytes connect2_bind(struct connect2_aad *aad,
                                     const struct mu_connect_pending *p)
{
    mu_copy(aad->bytes, CONNECT2_AAD, CONNECT2_AAD_LEN);
    mu_copy(aad->bytes + CONNECT2_AAD_LEN, p->digest, MU_SHA256_LEN);
    return MU_BYTES(aad->bytes);
}

static int connect2_kreply(const struct mu_crypto *c,
                           const struct mu_secret *kmr,
                           const struct mu_connect_pending *p,
                           struct mu_secret *kreply)
{
    return mu_kdf(c, kmr, "connect reply", MU_BYTES(p->nd), 16, kreply);
}

/* Kmc and Ka (s.1). */
static int connect2_keys(const struct mu_crypto *c,
                         const struct mu_secret *kmr,
                         const struct mu_connect_pending *p,
                         const uint8_t ns[MU_CONNECT_NONCE],
                         struct mu_connection *conn)
{
    int rc = mu_kmc_derive(c, kmr, p->nd, ns, &conn->kmc);

    if (rc == 0)
        rc = mu_kdf(c, &conn->kmc, "Ka", mu_bytes(NULL, 0), MU_OSCORE_KEY_LEN,
                    &conn->ka);
    return rc;
}

/* 0 when the node can use it: one algorithm of two, and a key of its length. */
static int connect2_check(const struct mu_connect2 *m)
{
    size_t pub_len = m->alg == MU_ALG_ES256 ? 65 : 32;

    if (m->alg != MU_ALG_ES256 && m->alg != MU_ALG_EDDSA)
        return MU_ERR_UNSUPPORTED;
    if (m->pub.len != pub_len || m->server.len == 0 ||
        m->server.len > MU_ID_MAX || !mu_utf8_valid(m->server) ||
        !mu_groups_valid(&m->groups))
        return MU_ERR_MALFORMED;
    return 0;
}

static void connect2_write(struct mu_writer *w, const struct mu_connect2 *m,
                           const uint8_t ns[MU_CONNECT_NONCE],
                           const uint8_t id[MU_CONNECT_ID])
{
    mu_cbor_put_map(w, 7);
    mu_cbor_put_uint(w, 1);
    mu_cbor_put_bstr(w, mu_bytes(ns, MU_CONNECT_NONCE));
    mu_cbor_put_uint(w, 2);
    mu_cbor_put_uint(w, m->epoch);
    mu_cbor_put_uint(w, 3);
    mu_cbor_put_tstr(w, m->server);
    mu_cbor_put_uint(w, 4);
    mu_cbor_put_int(w, (int64_t)m->alg);
    mu_cbor_put_uint(w, 5);
    mu_cbor_put_bstr(w, m->pub);
    mu_cbor_put_uint(w, 6);
    mu_cbor_put_bstr(w, mu_bytes(id, MU_CONNECT_ID));
    mu_cbor_put_uint(w, 7);
    mu_groups_write(w, &m->groups);
}

int mu_connect2_create(const struct mu_crypto *c, const struct mu_secret *kmr,
                       const struct mu_connect_pending *p,
                       const struct mu_connect2 *m, struct mu_writer *w,
                       struct mu_connection *conn)
{
    uint8_t buffer[CONNECT2_PAYLOAD_MAX];
    uint8_t ns[MU_CONNECT_NONCE];
    struct mu_writer payload = mu_writer(buffer, sizeof buffer);
    struct mu_secret kreply = {0};
    struct connect2_aad aad;
    struct mu_cose_args args = {.alg = MU_ALG_AES_CCM_16_64_128};
    const size_t start = w->len;
    int rc;

    mu_connection_clear(conn);
    if (connect2_check(m) != 0)
        return MU_ERR_USAGE;
    rc = c->random(c->ctx, ns, sizeof ns);
    if (rc == 0)
        rc = c->random(c->ctx, conn->id, sizeof conn->id);
    if (rc == 0)
        rc = connect2_keys(c, kmr, p, ns, conn);
    if (rc == 0)
        rc = connect2_kreply(c, kmr, p, &kreply);
    if (rc == 0) {
        connect2_write(&payload, m, ns, conn->id);
        rc = mu_writer_end(&payload);
    }
    if (rc == 0) {
        args.iv = mu_bytes(ns, CONNECT2_IV);
        args.external_aad = connect2_bind(&aad, p);
        args.payload = mu_written(&payload);
        rc = mu_cose_encrypt0_create(c, &args, &kreply, w);
    }
    mu_secret_clear(&kreply);
    mu_wipe(buffer, sizeof buffer);
    if (rc != 0) {
        w->len = start;
        mu_connection_clear(conn);
    }
    return rc;
}

static int connect2_read(struct mu_bytes payload, struct mu_connect2 *m,
                         uint8_t ns[MU_CONNECT_NONCE],
                         uint8_t id[MU_CONNECT_ID])
{
    struct mu_reader r = mu_reader(payload);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    unsigned there = 0;
    int64_t alg = 0;
    int64_t key;
    int rc;

    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key >= 1 && key <= 7)
            there |= 1u << key;
        switch (key) {
        case 1:
            mu_cbor_get_bstr_copy(&r, ns, MU_CONNECT_NONCE);
            break;
        case 2:
            m->epoch = (uint32_t)mu_cbor_get_uint_max(&r, UINT32_MAX);
            break;
        case 3:
            m->server = mu_cbor_get_tstr(&r);
            break;
        case 4:
            alg = mu_cbor_get_int(&r);
            break;
        case 5:
            m->pub = mu_cbor_get_bstr(&r);
            break;
        case 6:
            mu_cbor_get_bstr_copy(&r, id, MU_CONNECT_ID);
            break;
        case 7:
            mu_groups_read(&r, &m->groups);
            break;
        default:
            mu_cbor_skip(&r);
            break;
        }
    }
    rc = mu_reader_end(&r);
    if (rc == 0 && there != CONNECT2_ALL)
        rc = MU_ERR_MALFORMED;
    /* Not cast before it is known to be one of the two. */
    if (rc == 0 && alg != MU_ALG_ES256 && alg != MU_ALG_EDDSA)
        rc = MU_ERR_UNSUPPORTED;
    if (rc != 0)
        return rc;
    m->alg = (enum mu_alg)alg;
    return connect2_check(m);
}

/* Decrypts into w, reads, and holds what was read against the nonce. */
static int connect2_open(const struct mu_crypto *c,
                         const struct mu_secret *kreply,
                         const struct mu_connect_pending *p,
                         struct mu_bytes in, struct mu_writer *w,
                         struct mu_connect2 *m, uint8_t ns[MU_CONNECT_NONCE],
                         uint8_t id[MU_CONNECT_ID])
{
    struct connect2_aad aad;
    struct mu_cose_args args = {.alg = MU_ALG_AES_CCM_16_64_128,
                                .external_aad = connect2_bind(&aad, p)};
    struct mu_cose cose;
    struct mu_bytes payload;
    int rc = mu_cose_decode(in, &cose);

    if (rc == 0 && cose.iv.len != CONNECT2_IV)
        rc = MU_ERR_MALFORMED;
    if (rc == 0)
        rc = mu_cose_encrypt0_consume(c, &args, kreply, in, w, &payload);
    if (rc == 0)
        rc = connect2_read(payload, m, ns, id);
    if (rc == 0 && !mu_bytes_eq(cose.iv, mu_bytes(ns, CONNECT2_IV)))
        rc = MU_ERR_MALFORMED;
    return rc;
}

int mu_connect2_consume(const struct mu_crypto *c, const struct mu_secret *kmr,
                        const struct mu_connect_pending *p, struct mu_bytes in,
                        struct mu_writer *w, struct mu_connect2 *m,
                        struct mu_connection *conn)
{
    uint8_t ns[MU_CONNECT_NONCE];
    struct mu_secret kreply = {0};
    const size_t start = w->len;
    int rc;

    mu_zero(m, sizeof *m);
    mu_connection_clear(conn);
    rc = connect2_kreply(c, kmr, p, &kreply);
    if (rc == 0)
        rc = connect2_open(c, &kreply, p, in, w, m, ns, conn->id);
    mu_secret_clear(&kreply);
    if (rc == 0 && m->epoch < p->epoch)
        rc = MU_ERR_ROLLBACK;
    if (rc == 0)
        rc = connect2_keys(c, kmr, p, ns, conn);
    if (rc != 0) {
        w->len = start;
        mu_zero(m, sizeof *m);
        mu_connection_clear(conn);
    }
    return rc;
}
