/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay manifest (CAST-8, option 1): a gateway that has protected the
 * object anew says how it did, around the manifest that the server signed;
 * docs/wire-format.md s.5.2.
 */
#include "cast/manifest.h"

#include "muster/cbor.h"
#include "muster/cose.h"

enum relay_key {
    R_SIGNED = 1, R_SHAPE = 6, R_ROOTS = 7, R_SESSION = 8, R_KID = 9,
    R_CEK = 10,
};

#define R_REQUIRED 0x7c2u /* a bit for each key above */

static struct mu_cose_args relay_args(void)
{
    return (struct mu_cose_args){
        .alg = MU_ALG_HMAC256,
        .external_aad = mu_bytes_str("muster relay"),
    };
}

int mu_relay_create(const struct mu_crypto *c, const struct mu_secret *kg,
                    struct mu_bytes signed_manifest,
                    const struct mu_manifest *m, struct mu_writer *w)
{
    uint8_t payload[MU_ANNOUNCE_MAX], kid[MU_KID_LEN];
    struct mu_writer out = mu_writer(payload, sizeof(payload));
    struct mu_writer kid_out = mu_writer(kid, sizeof(kid));
    struct mu_cose_args args = relay_args();
    struct mu_secret key;
    int rc = mu_manifest_check_roots(m);

    if (rc != 0 || m->kid.kind != MU_KEY_KG)
        return MU_ERR_USAGE;
    mu_cbor_put_map(&out, 6);
    mu_cbor_put_uint(&out, R_SIGNED);
    mu_cbor_put_bstr(&out, signed_manifest);
    mu_cbor_put_uint(&out, R_SHAPE);
    mu_manifest_put_shape(&out, &m->shape);
    mu_cbor_put_uint(&out, R_ROOTS);
    mu_cbor_put_bstr(&out, m->roots);
    mu_cbor_put_uint(&out, R_SESSION);
    mu_cbor_put_uint(&out, m->session);
    mu_cbor_put_uint(&out, R_KID);
    mu_manifest_put_kid(&out, &m->kid);
    mu_cbor_put_uint(&out, R_CEK);
    mu_cbor_put_bstr(&out, MU_BYTES(m->wrapped_cek));
    if (mu_writer_end(&out) != 0)
        return MU_ERR_TOO_LARGE;

    mu_kid_write(&kid_out, &m->kid);
    args.kid = mu_written(&kid_out);
    args.payload = mu_written(&out);
    rc = mu_kdf(c, kg, "relay", mu_bytes(NULL, 0), 32, &key);
    if (rc == 0)
        rc = mu_cose_mac0_create(c, &args, &key, w);
    mu_secret_clear(&key);
    return rc;
}

static void relay_read_value(struct mu_reader *r, int64_t key,
                             struct mu_bytes *signed_manifest,
                             struct mu_manifest *m)
{
    switch (key) {
    case R_SIGNED:
        *signed_manifest = mu_cbor_get_bstr(r);
        break;
    case R_SHAPE:
        mu_manifest_get_shape(r, &m->shape);
        break;
    case R_ROOTS:
        m->roots = mu_cbor_get_bstr(r);
        break;
    case R_SESSION:
        m->session = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        break;
    case R_KID:
        mu_manifest_get_kid(r, &m->kid);
        break;
    case R_CEK:
        mu_cbor_get_bstr_copy(r, m->wrapped_cek, sizeof(m->wrapped_cek));
        break;
    default:
        mu_cbor_skip(r);
        break;
    }
}

static int relay_read(struct mu_bytes payload, struct mu_bytes *signed_manifest,
                      struct mu_manifest *m)
{
    struct mu_reader r = mu_reader(payload);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    uint32_t seen = 0;
    int64_t key;
    int rc;

    *m = (struct mu_manifest){0};
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key >= 0 && key <= R_CEK)
            seen |= 1u << key;
        relay_read_value(&r, key, signed_manifest, m);
    }
    rc = mu_reader_end(&r);
    if (rc != 0)
        return rc;
    if ((seen & R_REQUIRED) != R_REQUIRED || m->kid.kind != MU_KEY_KG)
        return MU_ERR_MALFORMED;
    return 0;
}

/* The kid outside, which the MAC does not cover, names the key inside. */
static bool relay_same_kid(const struct mu_kid *kid, struct mu_bytes outside)
{
    uint8_t bytes[MU_KID_LEN];
    struct mu_writer w = mu_writer(bytes, sizeof(bytes));

    mu_kid_write(&w, kid);
    return mu_bytes_eq(mu_written(&w), outside);
}

int mu_relay_consume(const struct mu_crypto *c, const struct mu_signer *server,
                     const struct mu_secret *kg, struct mu_bytes object,
                     enum mu_announce_kind *kind, struct mu_manifest *m)
{
    struct mu_cose_args args = relay_args();
    struct mu_manifest by_gateway;
    struct mu_bytes payload, signed_manifest;
    struct mu_secret key;
    struct mu_cose cose;
    int rc = mu_cose_decode(object, &cose);

    if (rc != 0)
        return rc;
    rc = mu_kdf(c, kg, "relay", mu_bytes(NULL, 0), 32, &key);
    if (rc == 0)
        rc = mu_cose_mac0_consume(c, &args, &key, object, &payload);
    mu_secret_clear(&key);
    if (rc != 0)
        return rc;
    rc = relay_read(payload, &signed_manifest, &by_gateway);
    if (rc != 0)
        return rc;
    if (!relay_same_kid(&by_gateway.kid, cose.kid))
        return MU_ERR_MALFORMED;
    rc = mu_manifest_consume_signed(c, server, signed_manifest, kind, m);
    if (rc != 0)
        return rc;
    if (*kind != MU_ANNOUNCE_MANIFEST)
        return MU_ERR_MALFORMED;
    /* Whoever holds Kg could else take an object that is end to end down to
     * the area key. */
    if (!m->reprotect)
        return MU_ERR_FORBIDDEN;
    m->shape = by_gateway.shape;
    m->roots = by_gateway.roots;
    m->session = by_gateway.session;
    m->kid = by_gateway.kid;
    mu_copy(m->wrapped_cek, by_gateway.wrapped_cek, sizeof(m->wrapped_cek));
    m->relayed = true;
    return mu_manifest_check_roots(m);
}
