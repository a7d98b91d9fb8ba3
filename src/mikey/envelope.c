/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KEMAC, [CHASH], PKE of the RSA methods (RFC 3830 s.3.2, RFC 4738 s.4.2): a
 * fresh envelope key under the other's public key, the keys under it. The MAC
 * covers the KEMAC alone; the signature behind covers everything.
 */
#include "mikey/internal.h"

#define PKE_MAX 512 /* bytes: RSA with 4096 bits */

static int envelope_hash(const struct mu_mikey_pk *pk,
                         const struct mu_mikey_session *s,
                         struct mu_mikey_writer *m)
{
    uint8_t hash[MU_SHA1_LEN];
    int rc = pk->cert_hash(pk->ctx, MU_MIKEY_SHA1, s->peer_cert, hash);

    if (rc == 0)
        mu_mikey_put(m, &(struct mu_mikey_payload){
                            .type = MU_MIKEY_CHASH,
                            .chash = {MU_MIKEY_SHA1, MU_BYTES(hash)}});
    return rc;
}

int mu_mikey_envelope_put(const struct mu_crypto *c,
                          const struct mu_mikey_pk *pk,
                          struct mu_mikey_session *s,
                          const struct mu_mikey_name *name,
                          struct mu_mikey_writer *m)
{
    const struct mu_mikey_bundle b = mu_mikey_bundle_of(s);
    struct mu_mikey_msg_keys k = {.salt = {0}};
    uint8_t key[MU_MIKEY_ENVELOPE_LEN];
    uint8_t pke[PKE_MAX];
    size_t len = 0;
    int rc = c->random(c->ctx, key, sizeof key);

    if (rc == 0)
        rc = mu_mikey_msg_keys(c, &b, MU_BYTES(key), &k);
    if (rc == 0)
        rc = mu_mikey_kemac_put(c, s, &k, name, MU_COVER_KEMAC, m);
    if (rc == 0 && s->send_hash)
        rc = envelope_hash(pk, s, m);
    if (rc == 0)
        rc = pk->envelope(pk->ctx, s->peer_cert, MU_BYTES(key), pke,
                          sizeof pke, &len);
    if (rc == 0) {
        mu_mikey_put(m, &(struct mu_mikey_payload){
                            .type = MU_MIKEY_PKE,
                            .pke = {MU_MIKEY_CACHE_NO, mu_bytes(pke, len)}});
        s->auth = k.auth;
    }
    mu_wipe(key, sizeof key);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}

/* s.6.8: the envelope was made for this certificate of ours. */
static int envelope_ours(const struct mu_mikey_pk *pk,
                         const struct mu_mikey_message *m)
{
    uint8_t hash[MU_SHA1_LEN];
    int rc;

    if (m->chash == NULL)
        return 0;
    rc = pk->cert_hash(pk->ctx, m->chash->chash.hash, pk->cert, hash);
    if (rc == 0 && !mu_bytes_eq(mu_bytes(hash, m->chash->chash.data.len),
                                m->chash->chash.data))
        rc = MU_ERR_UNKNOWN_KEY;
    return rc;
}

int mu_mikey_envelope_open(const struct mu_crypto *c,
                           const struct mu_mikey_pk *pk,
                           struct mu_mikey_session *s,
                           struct mu_mikey_name *name,
                           const struct mu_mikey_message *m)
{
    const struct mu_mikey_bundle b = mu_mikey_bundle_of(s);
    struct mu_mikey_msg_keys k = {.salt = {0}};
    uint8_t key[MU_MIKEY_ENVELOPE_LEN] = {0};
    int rc = envelope_ours(pk, m);

    if (rc == 0 && m->pke->pke.cache != MU_MIKEY_CACHE_NO)
        rc = MU_ERR_UNSUPPORTED; /* envelope keys live for one message */
    if (rc == 0)
        rc = pk->unseal(pk->ctx, m->pke->pke.data, key);
    if (rc == 0)
        rc = mu_mikey_msg_keys(c, &b, MU_BYTES(key), &k);
    if (rc == 0)
        rc = mu_mikey_kemac_check(c, s, &k, MU_COVER_KEMAC, m);
    if (rc == 0)
        rc = mu_mikey_kemac_open(c, s, &k, name, m);
    if (rc == 0)
        s->auth = k.auth;
    mu_wipe(key, sizeof key);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}
