/* SPDX-License-Identifier: Apache-2.0 */
/* A key exchange at the server: from a request to its answer, in one step.
 * Nothing of it is kept but the keys of the connection that comes of it. */
#include "enrol/exchange.h"
#include "muster/cbor.h"

/* The server begins: its TGK, for the protocols that were asked for. */
static int server_first(const struct mu_exchange_end *e,
                        const struct mu_exchange_request *m,
                        struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_secret psk = {.len = 0};
    int rc = mu_exchange_session(e, m->method, s);

    if (rc == 0)
        rc = mu_exchange_propose(s, m->protocols);
    if (rc == 0)
        rc = mu_exchange_tgk(e->crypto, s);
    if (rc != 0)
        return rc;
    if (m->method == MU_EXCHANGE_RSA) {
        s->peer_cert = m->cert;
        rc = e->pk->trust(e->pk->ctx, m->cert, &s->idr);
        return rc != 0 ? rc
                       : mu_mikey_pk_init_create(e->crypto, e->pk, s, w);
    }
    rc = mu_exchange_psk(e, &psk);
    if (rc == 0)
        rc = mu_mikey_psk_init_create(e->crypto, mu_secret_view(&psk), s, w);
    mu_secret_clear(&psk);
    return rc;
}

static int server_dhmac(const struct mu_exchange_end *e,
                        const struct mu_mikey_policy *policy,
                        struct mu_bytes in, struct mu_mikey_session *s,
                        struct mu_writer *w)
{
    struct mu_secret psk;
    int rc = mu_exchange_psk(e, &psk);

    if (rc == 0)
        rc = mu_mikey_dhmac_init_consume(e->crypto, mu_secret_view(&psk),
                                         policy, in, s);
    mu_secret_clear(&psk);
    if (rc == 0)
        rc = mu_exchange_check(e, MU_EXCHANGE_DHMAC, s);
    return rc != 0 ? rc : mu_mikey_dhmac_resp_create(e->crypto, e->pk, s, w);
}

static int server_dhsign(const struct mu_exchange_end *e,
                         const struct mu_mikey_policy *policy,
                         struct mu_bytes in, struct mu_mikey_session *s,
                         struct mu_writer *w)
{
    int rc = mu_mikey_dh_init_consume(e->crypto, e->pk, policy, in, s);

    if (rc == 0)
        rc = mu_exchange_check(e, MU_EXCHANGE_DHSIGN, s);
    s->send_cert = true;
    s->scheme = MU_MIKEY_RSA_PSS;
    return rc != 0 ? rc : mu_mikey_dh_resp_create(e->pk, s, w);
}

static int server_rsa_r(const struct mu_exchange_end *e,
                        const struct mu_mikey_policy *policy,
                        struct mu_bytes in, struct mu_mikey_session *s,
                        struct mu_writer *w)
{
    int rc = mu_mikey_rsa_r_init_consume(e->crypto, e->pk, policy, in, s);

    if (rc == 0)
        rc = mu_exchange_check(e, MU_EXCHANGE_RSA_R, s);
    if (rc == 0)
        rc = mu_exchange_tgk(e->crypto, s);
    s->send_cert = true;
    s->scheme = MU_MIKEY_RSA_PSS;
    s->encr = MU_MIKEY_ENCR_AES_CM;
    s->mac = MU_MIKEY_MAC_SHA256;
    return rc != 0 ? rc : mu_mikey_rsa_r_resp_create(e->crypto, e->pk, s, w);
}

/* The node has begun: what it says is taken, and answered. */
static int server_second(const struct mu_exchange_end *e,
                         const struct mu_exchange_request *m,
                         struct mu_mikey_session *s, struct mu_writer *w)
{
    struct mu_mikey_policy policy;
    int rc = mu_exchange_policy(e, m->method, false, &policy);

    if (rc != 0)
        return rc;
    switch (m->method) {
    case MU_EXCHANGE_DHMAC:
        return server_dhmac(e, &policy, m->message, s, w);
    case MU_EXCHANGE_DHSIGN:
        return server_dhsign(e, &policy, m->message, s, w);
    default:
        return server_rsa_r(e, &policy, m->message, s, w);
    }
}

static bool server_takes(const struct mu_exchange_end *e,
                         struct mu_bytes protocols)
{
    for (size_t i = 0; i < protocols.len; i++) {
        bool found = false;

        for (size_t j = 0; j < e->protocols.len; j++)
            found = found || e->protocols.data[j] == protocols.data[i];
        if (!found)
            return false;
    }
    return true;
}

static int server_make(const struct mu_exchange_end *e, uint8_t methods,
                       const struct mu_exchange_request *m,
                       struct mu_mikey_session *s, struct mu_writer *room)
{
    if ((methods & mu_exchange_able(e->pk) & MU_EXCHANGE_BIT(m->method)) == 0)
        return MU_ERR_FORBIDDEN;
    if (!mu_exchange_server_first(m->method))
        return server_second(e, m, s, room);
    if (!server_takes(e, m->protocols))
        return MU_ERR_UNSUPPORTED;
    return server_first(e, m, s, room);
}

int mu_exchange_answer(const struct mu_exchange_end *e, uint8_t methods,
                       struct mu_bytes in, struct mu_writer *room,
                       struct mu_writer *w, struct mu_exchange_keys *out)
{
    struct mu_mikey_session s = {.keys_len = 0};
    struct mu_exchange_request m;
    uint8_t digest[MU_SHA256_LEN];
    const size_t at = w->len;
    int rc = mu_exchange_request_consume(in, &m);

    mu_exchange_keys_clear(out);
    if (rc == 0)
        rc = server_make(e, methods, &m, &s, room);
    if (rc == 0) {
        mu_cbor_put_map(w, 1);
        mu_cbor_put_uint(w, 1);
        mu_cbor_put_bstr(w, mu_written(room));
        rc = mu_writer_end(w);
    }
    mu_sha256(e->crypto, &in, 1, digest);
    if (rc == 0)
        rc = mu_exchange_derive(e->crypto, e->kx, digest,
                                mu_bytes(w->data + at, w->len - at), &s, out);
    out->method = m.method;
    mu_mikey_session_clear(&s);
    return rc;
}
