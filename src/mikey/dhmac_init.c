/* SPDX-License-Identifier: Apache-2.0 */
/* DHHMAC, the Initiator's message, RFC 4650 s.3.1:
 * HDR, T, RAND, [IDi], IDr, {SP}, DHi, KEMAC. The KEMAC has no data, only the
 * MAC over the message, with the authentication key from the pre-shared key. */
#include "mikey/internal.h"

int mu_mikey_dhmac_init_create(const struct mu_crypto *c,
                               const struct mu_mikey_pk *pk,
                               struct mu_bytes psk,
                               struct mu_mikey_session *s, struct mu_writer *w)
{
    const struct mu_mikey_bundle b = mu_mikey_bundle_of(s);
    struct mu_mikey_msg_keys k;
    struct mu_mikey_writer m;
    int rc;

    if (s->idr.len == 0 || s->keys_len > 0 || s->send_cert)
        return MU_ERR_USAGE;
    if (mu_mikey_dh_len(s->group) == 0)
        return MU_ERR_UNSUPPORTED;
    rc = mu_mikey_msg_keys(c, &b, psk, &k);
    if (rc == 0)
        rc = pk->dh_make(pk->ctx, s->group, s->x, s->dh_i);
    if (rc == 0) {
        s->encr = MU_MIKEY_ENCR_NULL;
        m = mu_mikey_put_first(s, MU_MIKEY_DHMAC_INIT, mu_bytes(NULL, 0), w);
        mu_mikey_put_dh(&m, s->group, s->dh_i);
        rc = mu_mikey_kemac_put(c, s, &k, NULL, MU_COVER_MESSAGE, &m);
    }
    s->auth = k.auth;
    mu_mikey_msg_keys_clear(&k);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_dhmac_init_consume(const struct mu_crypto *c,
                                struct mu_bytes psk,
                                const struct mu_mikey_policy *policy,
                                struct mu_bytes in, struct mu_mikey_session *s)
{
    /* Nothing is encrypted in this method; that is no downgrade. */
    struct mu_mikey_policy mine = *policy;
    struct mu_mikey_message m;
    struct mu_mikey_msg_keys k = {.salt = {0}};
    struct mu_mikey_bundle b;
    int rc = mu_mikey_read(MU_MIKEY_DHMAC_INIT, in, &m);

    mine.encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_NULL);
    mu_zero(s, sizeof(*s));
    if (rc != 0)
        return rc;
    if (m.kemac->kemac.data.len > 0)
        return MU_ERR_MALFORMED;
    rc = mu_mikey_take(&mine, &m, s);
    b = mu_mikey_bundle_of(s);
    if (rc == 0)
        rc = mu_mikey_msg_keys(c, &b, psk, &k);
    if (rc == 0)
        rc = mu_mikey_kemac_check(c, s, &k, MU_COVER_MESSAGE, &m);
    if (rc == 0)
        rc = mu_mikey_fresh(c, &mine, &m);
    if (rc == 0) {
        s->auth = k.auth;
        mu_copy(s->dh_i, m.dh->dh.value.data, m.dh->dh.value.len);
    } else {
        mu_mikey_session_clear(s);
    }
    mu_mikey_msg_keys_clear(&k);
    return rc;
}
