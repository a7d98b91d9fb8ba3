/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the connection that an exchange leads to: docs/wire-format.md
 * s.4.1. Each is made of the connection before and of the TEK of its protocol's
 * crypto session, so it takes both to know it; all are bound to the exchange as
 * both have seen it.
 */
#include "enrol/exchange.h"

int mu_exchange_kx(const struct mu_crypto *c, const struct mu_secret *kmc,
                   struct mu_secret *kx)
{
    return mu_kdf(c, kmc, "Kma", mu_bytes_str("exchange"), 32, kx);
}

void mu_exchange_keys_clear(struct mu_exchange_keys *k)
{
    mu_wipe(k, sizeof *k);
}

/* The key of a protocol: from the TEK of its session, under the next Kmc. */
static int keys_protocol(const struct mu_crypto *c,
                         const struct mu_mikey_session *s,
                         const struct mu_mikey_cs *cs,
                         const struct mu_secret *kmc, struct mu_secret *out)
{
    uint8_t tek[MU_SECRET_MAX], prk[MU_SHA256_LEN];
    struct mu_secret salt;
    int rc = mu_kdf(c, kmc, "exchange", mu_bytes(&cs->protocol, 1), 32, &salt);

    if (rc == 0)
        rc = mu_mikey_traffic_key(c, s, 0, cs->id, MU_MIKEY_FOR_TEK, tek,
                                  sizeof tek);
    if (rc == 0)
        rc = mu_hkdf_extract(c, mu_secret_view(&salt), MU_BYTES(tek), prk);
    if (rc == 0)
        rc = mu_secret_set(out, MU_BYTES(prk));
    mu_wipe(tek, sizeof tek);
    mu_wipe(prk, sizeof prk);
    mu_secret_clear(&salt);
    return rc;
}

/* A key of one protocol, from its session if it has one; else from the Kmc
 * alone, unless it is one that only an exchange gives. */
static int keys_one(const struct mu_crypto *c,
                    const struct mu_mikey_session *s, uint8_t protocol,
                    const char *label, const struct mu_secret *kmc,
                    struct mu_secret *out)
{
    const struct mu_mikey_cs *cs = mu_mikey_session_find(s, protocol);
    struct mu_secret base = *kmc;
    int rc = 0;

    mu_secret_clear(out);
    if (cs == NULL && protocol == MU_MIKEY_HOP) {
        mu_secret_clear(&base);
        return 0;
    }
    if (cs != NULL)
        rc = keys_protocol(c, s, cs, kmc, &base);
    if (rc == 0)
        rc = mu_kdf(c, &base, label, mu_bytes(NULL, 0), 16, out);
    mu_secret_clear(&base);
    return rc;
}

int mu_exchange_derive(const struct mu_crypto *c, const struct mu_secret *kx,
                       const uint8_t asked[MU_SHA256_LEN], struct mu_bytes told,
                       const struct mu_mikey_session *s,
                       struct mu_exchange_keys *out)
{
    struct mu_connection *n = &out->connection;
    uint8_t seen[2 * MU_SHA256_LEN];
    struct mu_secret id;
    int rc;

    mu_copy(seen, asked, MU_SHA256_LEN);
    mu_sha256(c, &told, 1, seen + MU_SHA256_LEN);
    rc = mu_kdf(c, kx, "next", MU_BYTES(seen), MU_CONNECT_ID, &id);
    if (rc == 0) {
        mu_copy(n->id, id.bytes, sizeof n->id);
        rc = mu_kdf(c, kx, "Kmc", MU_BYTES(seen), 32, &n->kmc);
    }
    if (rc == 0)
        rc = keys_one(c, s, MU_MIKEY_OSCORE, "Ka", &n->kmc, &n->ka);
    if (rc == 0)
        rc = keys_one(c, s, MU_MIKEY_MBMS, "MUK", &n->kmc, &out->muk);
    if (rc == 0)
        rc = keys_one(c, s, MU_MIKEY_HOP, "feedback", &n->kmc, &out->kfb);
    mu_secret_clear(&id);
    if (rc != 0)
        mu_exchange_keys_clear(out);
    return rc;
}
