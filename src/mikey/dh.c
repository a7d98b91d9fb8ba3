/* SPDX-License-Identifier: Apache-2.0 */
/* Diffie-Hellman values and the TGK from them, for both methods. */
#include "mikey/internal.h"

int mu_mikey_dh_tgk(const struct mu_mikey_pk *pk, struct mu_mikey_session *s,
                    const uint8_t *x, const uint8_t *peer)
{
    const size_t len = mu_mikey_dh_len(s->group);
    uint8_t tgk[MU_MIKEY_DH_MAX];
    int rc = pk->dh_agree(pk->ctx, s->group, x, peer, tgk);

    /* RFC 3830 s.3.3: the TGK is g^(xi * xr), as long as the group. */
    if (rc == 0)
        rc = mu_mikey_session_key(s, MU_MIKEY_TGK, mu_bytes(tgk, len),
                                  mu_bytes(NULL, 0));
    mu_wipe(tgk, sizeof tgk);
    return rc;
}

int mu_mikey_dh_respond(const struct mu_mikey_pk *pk,
                        struct mu_mikey_session *s,
                        uint8_t gx[MU_MIKEY_DH_MAX])
{
    uint8_t x[MU_MIKEY_DH_MAX];
    int rc;

    if (s->keys_len > 0)
        return MU_ERR_USAGE; /* one answer to one message */
    rc = pk->dh_make(pk->ctx, s->group, x, gx);
    if (rc == 0)
        rc = mu_mikey_dh_tgk(pk, s, x, s->dh_i);
    mu_wipe(x, sizeof x);
    return rc;
}

int mu_mikey_dh_same(const struct mu_mikey_session *s,
                     const struct mu_mikey_message *m)
{
    const size_t len = mu_mikey_dh_len(s->group);

    /* Another group than asked for is a downgrade; another DHi is an answer to
     * somebody else. */
    if (m->dh->dh.group != s->group || m->dh_i->dh.group != s->group)
        return MU_ERR_FORBIDDEN;
    if (!mu_bytes_eq(m->dh_i->dh.value, mu_bytes(s->dh_i, len)))
        return MU_ERR_UNEXPECTED;
    return 0;
}
