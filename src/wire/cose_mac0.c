/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Mac0: a MAC under a key both know (RFC 9052 s.6.2, s.6.3). */
#include "wire/cose.h"

/* Length of the tag, cut from HMAC-SHA-256 (RFC 9053 s.3.1); 0: not one. */
static size_t mac0_len(enum mu_alg alg)
{
    bool known = alg == MU_ALG_HMAC256 || alg == MU_ALG_HMAC256_64;

    return known ? mu_alg_tag_len(alg) : 0;
}

static int mac0_compute(const struct mu_crypto *c, const struct mu_secret *key,
                        const struct cose_parts *p, uint8_t mac[32])
{
    return mu_hmac(c, mu_secret_view(key), p->parts, COSE_PARTS, mac);
}

int mu_cose_mac0_create(const struct mu_crypto *c,
                        const struct mu_cose_args *a,
                        const struct mu_secret *key, struct mu_writer *w)
{
    struct mu_writer draft = *w;
    struct cose_header header;
    struct cose_parts maced;
    uint8_t mac[MU_SHA256_LEN];
    size_t len = mac0_len(a->alg);

    if (len == 0)
        return MU_ERR_UNSUPPORTED;
    cose_header_make(&header, a->alg);
    cose_parts_make(&maced, "MAC0", cose_header_view(&header),
                    a->external_aad, a->payload);
    int rc = mac0_compute(c, key, &maced, mac);
    if (rc != 0)
        return rc;
    cose_head_put(&draft, MU_COSE_MAC0, 4, &header, a->kid,
                  mu_bytes(NULL, 0));
    cose_payload_put(&draft, a);
    mu_cbor_put_bstr(&draft, mu_bytes(mac, len));
    /* What is cut off would be the tag of the longer algorithm. */
    mu_wipe(mac, sizeof mac);
    rc = mu_writer_end(&draft);
    if (rc == 0)
        *w = draft;
    return rc;
}

int mu_cose_mac0_consume(const struct mu_crypto *c,
                         const struct mu_cose_args *a,
                         const struct mu_secret *key, struct mu_bytes in,
                         struct mu_bytes *payload)
{
    struct mu_cose m;
    struct cose_parts maced;
    uint8_t mac[MU_SHA256_LEN];
    size_t len = mac0_len(a->alg);

    *payload = mu_bytes(NULL, 0);
    if (len == 0)
        return MU_ERR_UNSUPPORTED;
    int rc = cose_open(in, MU_COSE_MAC0, a, &m);
    if (rc != 0)
        return rc;
    if (m.proof.len != len)
        return MU_ERR_MALFORMED;
    struct mu_bytes content = a->detached ? a->payload : m.content;
    cose_parts_make(&maced, "MAC0", m.protected_header, a->external_aad,
                    content);
    rc = mac0_compute(c, key, &maced, mac);
    if (rc == 0 && !mu_ct_eq(mac, m.proof.data, len))
        rc = MU_ERR_AUTH;
    mu_wipe(mac, sizeof mac);
    if (rc == 0)
        *payload = content;
    return rc;
}
