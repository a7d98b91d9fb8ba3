/* SPDX-License-Identifier: Apache-2.0 */
/* A key exchange at the node: it asks, and takes what it asked for. */
#include "enrol/exchange.h"
#include "muster/cbor.h"

/* What the node begins with, where it is the one to begin. */
static int node_first(const struct mu_exchange_end *e, uint8_t method,
                      struct mu_mikey_session *s, struct mu_writer *room)
{
    struct mu_secret psk = {.len = 0};
    int rc = mu_exchange_session(e, method, s);

    if (rc == 0)
        rc = mu_exchange_propose(s, e->protocols);
    if (rc != 0)
        return rc;
    switch (method) {
    case MU_EXCHANGE_DHMAC:
        rc = mu_exchange_psk(e, &psk);
        if (rc == 0)
            rc = mu_mikey_dhmac_init_create(e->crypto, e->pk,
                                            mu_secret_view(&psk), s, room);
        mu_secret_clear(&psk);
        return rc;
    case MU_EXCHANGE_DHSIGN:
        return mu_mikey_dh_init_create(e->pk, s, room);
    default:
        return mu_mikey_rsa_r_init_create(e->pk, s, room);
    }
}

int mu_exchange_ask(const struct mu_exchange_end *e, uint8_t method,
                    struct mu_exchange_pending *p, struct mu_writer *room,
                    struct mu_writer *w)
{
    struct mu_exchange_request m = {.method = method};
    size_t at = w->len;
    struct mu_bytes made;
    int rc = 0;

    mu_wipe(p, sizeof *p);
    p->method = method;
    if (method >= MU_EXCHANGE_METHOD_COUNT ||
        (mu_exchange_able(e->pk) & MU_EXCHANGE_BIT(method)) == 0)
        return MU_ERR_UNSUPPORTED;
    if (mu_exchange_server_first(method)) {
        m.protocols = e->protocols;
        if (method == MU_EXCHANGE_RSA)
            m.cert = e->pk->cert;
    } else {
        rc = node_first(e, method, &p->session, room);
        m.message = mu_written(room);
    }
    if (rc == 0)
        rc = mu_exchange_request_create(&m, w);
    if (rc != 0) {
        mu_wipe(p, sizeof *p);
        return rc;
    }
    made = mu_bytes(w->data + at, w->len - at);
    mu_sha256(e->crypto, &made, 1, p->digest);
    return 0;
}

/* The MIKEY message of an answer. */
static int node_message(struct mu_bytes in, struct mu_bytes *message)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    int64_t key;
    int rc;

    *message = mu_bytes(NULL, 0);
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key == 1)
            *message = mu_cbor_get_bstr(&r);
        else
            mu_cbor_skip(&r);
    }
    rc = mu_reader_end(&r);
    return rc == 0 && (message->len == 0 ||
                       message->len > MU_EXCHANGE_MESSAGE_MAX)
               ? MU_ERR_MALFORMED
               : rc;
}

/* All that was asked for, each keyed by a session; or it is a step down. */
static int node_all_there(const struct mu_exchange_end *e,
                          const struct mu_mikey_session *s)
{
    for (size_t i = 0; i < e->protocols.len; i++)
        if (mu_mikey_session_find(s, e->protocols.data[i]) == NULL)
            return MU_ERR_FORBIDDEN;
    return s->keys_len == 1 && s->keys[0].type == MU_MIKEY_TGK
               ? 0
               : MU_ERR_MALFORMED;
}

static int node_consume(const struct mu_exchange_end *e, uint8_t method,
                        const struct mu_mikey_policy *policy,
                        struct mu_bytes in, struct mu_mikey_session *s)
{
    struct mu_secret psk = {.len = 0};
    int rc;

    switch (method) {
    case MU_EXCHANGE_PSK:
        rc = mu_exchange_psk(e, &psk);
        if (rc == 0)
            rc = mu_mikey_psk_init_consume(e->crypto, mu_secret_view(&psk),
                                           policy, in, s);
        mu_secret_clear(&psk);
        return rc;
    case MU_EXCHANGE_RSA:
        return mu_mikey_pk_init_consume(e->crypto, e->pk, policy, in, s);
    case MU_EXCHANGE_RSA_R:
        return mu_mikey_rsa_r_resp_consume(e->crypto, e->pk, policy, in, s);
    case MU_EXCHANGE_DHSIGN:
        return mu_mikey_dh_resp_consume(e->pk, policy, in, s);
    default:
        return mu_mikey_dhmac_resp_consume(e->crypto, e->pk, in, s);
    }
}

int mu_exchange_take(const struct mu_exchange_end *e,
                     struct mu_exchange_pending *p, struct mu_bytes in,
                     struct mu_exchange_keys *out)
{
    struct mu_mikey_session *s = &p->session;
    struct mu_mikey_policy policy;
    struct mu_bytes message;
    int rc = node_message(in, &message);

    mu_exchange_keys_clear(out);
    if (rc == 0)
        rc = mu_exchange_policy(e, p->method, true, &policy);
    if (rc == 0)
        rc = node_consume(e, p->method, &policy, message, s);
    if (rc == 0 && mu_exchange_server_first(p->method))
        rc = mu_exchange_check(e, p->method, s);
    if (rc == 0)
        rc = node_all_there(e, s);
    if (rc == 0)
        rc = mu_exchange_derive(e->crypto, e->kx, p->digest, in, s, out);
    out->method = p->method;
    /* One answer to a question, good or bad. */
    mu_wipe(p, sizeof *p);
    return rc;
}
