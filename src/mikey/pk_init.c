/* SPDX-License-Identifier: Apache-2.0 */
/* The public-key message, RFC 3830 s.3.2:
 * HDR, T, RAND, [IDi|CERTi], [IDr], {SP}, KEMAC, [CHASH], PKE, SIGNi. */
#include "mikey/internal.h"

int mu_mikey_pk_init_create(const struct mu_crypto *c,
                            const struct mu_mikey_pk *pk,
                            struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_mikey_writer m =
        mu_mikey_put_first(s, MU_MIKEY_PK_INIT, pk->cert, w);
    int rc;

    if (s->idi.len == 0 || s->peer_cert.len == 0)
        return MU_ERR_USAGE;
    rc = mu_mikey_envelope_put(c, pk, s, &s->idi, &m);
    if (rc == 0)
        rc = mu_mikey_sign_put(pk, s, false, &m);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_pk_init_consume(const struct mu_crypto *c,
                             const struct mu_mikey_pk *pk,
                             const struct mu_mikey_policy *policy,
                             struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    struct mu_mikey_name inner = {.len = 0};
    int rc = mu_mikey_read(MU_MIKEY_PK_INIT, in, &m);

    mu_zero(s, sizeof(*s));
    if (rc != 0)
        return rc;
    rc = mu_mikey_take(policy, &m, s);
    if (rc == 0)
        rc = mu_mikey_sign_check(pk, policy, s, false, &s->idi, &m);
    if (rc == 0)
        rc = mu_mikey_envelope_open(c, pk, s, &inner, &m);
    /* s.3.2: the name inside is the signer's, or somebody signs over keys that
     * another has sent. */
    if (rc == 0 && (inner.type != s->idi.type ||
                    !mu_bytes_eq(mu_mikey_name_view(&inner),
                                 mu_mikey_name_view(&s->idi))))
        rc = MU_ERR_UNKNOWN_PEER;
    if (rc == 0)
        rc = mu_mikey_fresh(c, policy, &m);
    if (rc != 0)
        mu_mikey_session_clear(s);
    return rc;
}
