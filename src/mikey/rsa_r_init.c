/* SPDX-License-Identifier: Apache-2.0 */
/* RSA-R, the Initiator's message, RFC 4738 s.4.1:
 * HDR, T, RAND, [IDi|CERTi], [IDr], {SP}, SIGNi. It asks for keys. */
#include "mikey/internal.h"

int mu_mikey_rsa_r_init_create(const struct mu_mikey_pk *pk,
                               struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_mikey_writer m =
        mu_mikey_put_first(s, MU_MIKEY_RSA_R_INIT, pk->cert, w);
    int rc;

    if (s->idi.len == 0)
        return MU_ERR_USAGE;
    rc = mu_mikey_sign_put(pk, s, false, &m);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_rsa_r_init_consume(const struct mu_crypto *c,
                                const struct mu_mikey_pk *pk,
                                const struct mu_mikey_policy *policy,
                                struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    int rc = mu_mikey_read(MU_MIKEY_RSA_R_INIT, in, &m);

    mu_zero(s, sizeof(*s));
    if (rc != 0)
        return rc;
    rc = mu_mikey_take(policy, &m, s);
    if (rc == 0)
        rc = mu_mikey_sign_check(pk, policy, s, false, &s->idi, &m);
    if (rc == 0)
        rc = mu_mikey_fresh(c, policy, &m);
    if (rc != 0)
        mu_mikey_session_clear(s);
    return rc;
}
