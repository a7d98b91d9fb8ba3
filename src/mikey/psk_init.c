/* SPDX-License-Identifier: Apache-2.0 */
/* The pre-shared key message, RFC 3830 s.3.1:
 * HDR, T, RAND, [IDi], [IDr], {SP}, KEMAC. */
#include "mikey/internal.h"

int mu_mikey_psk_init_create(const struct mu_crypto *c, struct mu_bytes psk,
                             struct mu_mikey_session *s, struct mu_writer *w)
{
    const struct mu_mikey_bundle b = mu_mikey_bundle_of(s);
    struct mu_mikey_msg_keys k;
    struct mu_mikey_writer m;
    int rc = mu_mikey_msg_keys(c, &b, psk, &k);

    if (rc != 0)
        return rc;
    m = mu_mikey_put_first(s, MU_MIKEY_PSK_INIT, mu_bytes(NULL, 0), w);
    rc = mu_mikey_kemac_put(c, s, &k, NULL, MU_COVER_MESSAGE, &m);
    s->auth = k.auth;
    mu_mikey_msg_keys_clear(&k);
    return rc != 0 ? rc : mu_writer_end(w);
}

int mu_mikey_psk_init_consume(const struct mu_crypto *c, struct mu_bytes psk,
                              const struct mu_mikey_policy *policy,
                              struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_mikey_message m;
    struct mu_mikey_msg_keys k = {.salt = {0}};
    struct mu_mikey_bundle b;
    int rc = mu_mikey_read(MU_MIKEY_PSK_INIT, in, &m);

    mu_zero(s, sizeof(*s));
    if (rc != 0)
        return rc;
    rc = mu_mikey_take(policy, &m, s);
    b = mu_mikey_bundle_of(s);
    if (rc == 0)
        rc = mu_mikey_msg_keys(c, &b, psk, &k);
    if (rc == 0)
        rc = mu_mikey_kemac_check(c, s, &k, MU_COVER_MESSAGE, &m);
    /* From here on the sender is known, and may be told what is wrong. */
    if (rc == 0)
        rc = mu_mikey_kemac_open(c, s, &k, NULL, &m);
    if (rc == 0)
        rc = mu_mikey_fresh(c, policy, &m);
    if (rc == 0)
        s->auth = k.auth;
    else
        mu_mikey_session_clear(s);
    mu_mikey_msg_keys_clear(&k);
    return rc;
}
