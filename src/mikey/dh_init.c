/* SPDX-License-Identifier: Apache-2.0 */
/* Signed Diffie-Hellman, the Initiator's message, RFC 3830 s.3.3:
 * HDR, T, RAND, [IDi|CERTi], [IDr], {SP}, DHi, SIGNi. */
#include "mikey/internal.h"

int mu_mikey_dh_init_create(const struct mu_mikey_pk *pk,
                            struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_mikey_writer m =
        mu_mikey_put_first(s, MU_MIKEY_DH_INIT, pk->cert, w);
    int rc;

    if (s->idi.len == 0 || s->keys_len > 0)
        return MU_ERR_USAGE;
    if (mu_mikey_dh_len(s->group) == 0)
        return MU_ERR_UNSUPPORTED;
    rc = pk->dh_make(pk->ctx, s->group, s->x, s->dh_i);
    if (rc != 0)
        return rc;
    mu_mikey_put_dh(&m, s->group, s->dh_i);
    rc = mu_mikey_sign_put(pk, s, false, &m);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_dh_init_consume(const struct mu_crypto *c,
                             const struct mu_mikey_pk *pk,
                             const struct mu_mikey_policy *policy,
                             struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    int rc = mu_mikey_read(MU_MIKEY_DH_INIT, in, &m);

    mu_zero(s, sizeof(*s));
    if (rc != 0)
        return rc;
    rc = mu_mikey_take(policy, &m, s);
    if (rc == 0)
        rc = mu_mikey_sign_check(pk, policy, s, false, &s->idi, &m);
    if (rc == 0)
        rc = mu_mikey_fresh(c, policy, &m);
    if (rc == 0)
        mu_copy(s->dh_i, m.dh->dh.value.data, m.dh->dh.value.len);
    else
        mu_mikey_session_clear(s);
    return rc;
}
