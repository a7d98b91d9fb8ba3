/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both ends of a key exchange do alike: which algorithms, which names,
 * which RAND, which policies. One of each: whatever else arrives is refused, so
 * there is nothing to bid down to.
 */
#include "enrol/exchange.h"

#define TGK_LEN 32 /* bytes of a TGK that the server chooses */

uint8_t mu_exchange_able(const struct mu_mikey_pk *pk)
{
    uint8_t able = MU_EXCHANGE_BIT(MU_EXCHANGE_PSK);

    if (pk == NULL)
        return able;
    if (pk->dh_make != NULL && pk->dh_agree != NULL)
        able |= MU_EXCHANGE_BIT(MU_EXCHANGE_DHMAC);
    if (pk->cert.len == 0 || pk->cert.len > MU_EXCHANGE_CERT_MAX)
        return able;
    able |= MU_EXCHANGE_BIT(MU_EXCHANGE_RSA) |
            MU_EXCHANGE_BIT(MU_EXCHANGE_RSA_R);
    if (pk->dh_make != NULL && pk->dh_agree != NULL)
        able |= MU_EXCHANGE_BIT(MU_EXCHANGE_DHSIGN);
    return able;
}

bool mu_exchange_server_first(uint8_t method)
{
    return method == MU_EXCHANGE_PSK || method == MU_EXCHANGE_RSA;
}

/* RAND and CSB of an exchange: both ends know them, and no other connection has
 * the same, so a message of another one is seen to be that. */
static int end_rand(const struct mu_exchange_end *e, uint8_t method,
                    uint32_t counter, uint8_t rand[16], uint32_t *csb)
{
    const uint8_t context[5] = {
        method, (uint8_t)(counter >> 24), (uint8_t)(counter >> 16),
        (uint8_t)(counter >> 8), (uint8_t)counter,
    };
    struct mu_secret out;
    struct mu_reader r;
    int rc = mu_kdf(e->crypto, e->kx, "rand", MU_BYTES(context), 20, &out);

    r = mu_reader(mu_secret_view(&out));
    mu_read_copy(&r, rand, 16);
    *csb = mu_read_u32(&r);
    mu_secret_clear(&out);
    return rc;
}

static int end_names(const struct mu_exchange_end *e, uint8_t method,
                     struct mu_mikey_name *idi, struct mu_mikey_name *idr)
{
    const bool first = mu_exchange_server_first(method);
    int rc = mu_mikey_name_set(idi, MU_MIKEY_NAI, first ? e->server : e->node);

    return rc != 0 ? rc
                   : mu_mikey_name_set(idr, MU_MIKEY_NAI,
                                       first ? e->node : e->server);
}

int mu_exchange_session(const struct mu_exchange_end *e, uint8_t method,
                        struct mu_mikey_session *s)
{
    int rc;

    mu_zero(s, sizeof *s);
    if (*e->counter >= MU_EXCHANGE_TRIES_MAX)
        return MU_ERR_EXPIRED; /* connect anew */
    s->header.prf = MU_MIKEY_PRF_SHA256;
    s->header.map = MU_MIKEY_MAP_GENERIC;
    s->encr = MU_MIKEY_ENCR_AES_CM;
    s->mac = MU_MIKEY_MAC_SHA256;
    s->scheme = MU_MIKEY_RSA_PSS;
    s->group = MU_MIKEY_OAKLEY_5;
    s->send_cert = method != MU_EXCHANGE_PSK && method != MU_EXCHANGE_DHMAC;
    s->send_hash = method == MU_EXCHANGE_RSA;
    s->time = (struct mu_mikey_time){MU_MIKEY_COUNTER, ++*e->counter};
    s->rand_len = 16;
    rc = end_rand(e, method, *e->counter, s->rand, &s->header.csb);
    return rc != 0 ? rc : end_names(e, method, &s->idi, &s->idr);
}

int mu_exchange_policy(const struct mu_exchange_end *e, uint8_t method,
                       bool at_node, struct mu_mikey_policy *p)
{
    /* In a policy `peer` is who began, whatever end we are. */
    *p = (struct mu_mikey_policy){
        .encr = MU_MIKEY_BIT(MU_MIKEY_ENCR_AES_CM),
        .mac = MU_MIKEY_BIT(MU_MIKEY_MAC_SHA256),
        .prf = MU_MIKEY_BIT(MU_MIKEY_PRF_SHA256),
        .groups = MU_MIKEY_BIT(MU_MIKEY_OAKLEY_5),
        .schemes = MU_MIKEY_BIT(MU_MIKEY_RSA_PSS),
        .protocols = e->protocols,
        .time_type = MU_MIKEY_COUNTER,
        .now = *e->counter,
    };
    if (at_node != mu_exchange_server_first(method))
        return 0; /* an answer to us: names are those of the session */
    return end_names(e, method, &p->peer, &p->self);
}

/* What each protocol runs with (RFC 3830 s.6.10: type, length, value). Both ends
 * have to mean the same. */
static struct mu_bytes end_params(uint8_t protocol)
{
    static const uint8_t oscore[] = {0, 1, 10, 1, 1, 5};  /* CCM, HKDF */
    static const uint8_t mbms[] = {0, 1, 1, 1, 1, 16};    /* SHA-1, bytes */
    static const uint8_t hop[] = {0, 1, 5, 1, 1, 8};      /* HMAC, tag */

    switch (protocol) {
    case MU_MIKEY_OSCORE:
        return MU_BYTES(oscore);
    case MU_MIKEY_MBMS:
        return MU_BYTES(mbms);
    case MU_MIKEY_HOP:
        return MU_BYTES(hop);
    default:
        return mu_bytes(NULL, 0);
    }
}

int mu_exchange_propose(struct mu_mikey_session *s, struct mu_bytes protocols)
{
    uint8_t cs;
    int rc = protocols.len == 0 ? MU_ERR_USAGE : 0;

    s->header.cs_len = 0;
    for (size_t i = 0; rc == 0 && i < protocols.len; i++) {
        const struct mu_bytes params = end_params(protocols.data[i]);

        rc = params.len == 0 ? MU_ERR_UNSUPPORTED
                             : mu_mikey_session_protocol(
                                   s, protocols.data[i], params, &cs);
    }
    return rc;
}

static const struct mu_mikey_sp *end_sp(const struct mu_mikey_session *s,
                                        const struct mu_mikey_cs *cs)
{
    for (uint8_t i = 0; cs->policies_len == 1 && i < s->sps_len; i++)
        if (s->sps[i].policy == cs->policies[0])
            return &s->sps[i];
    return NULL;
}

int mu_exchange_check(const struct mu_exchange_end *e, uint8_t method,
                      const struct mu_mikey_session *s)
{
    uint8_t rand[16];
    uint32_t csb;
    int rc;

    if (s->time.value > MU_EXCHANGE_TRIES_MAX)
        return MU_ERR_REPLAY;
    rc = end_rand(e, method, (uint32_t)s->time.value, rand, &csb);
    if (rc != 0)
        return rc;
    if (s->rand_len != sizeof rand || !mu_ct_eq(s->rand, rand, sizeof rand) ||
        s->header.csb != csb)
        return MU_ERR_REPLAY;
    if (s->header.map != MU_MIKEY_MAP_GENERIC || s->header.cs_len == 0)
        return MU_ERR_UNSUPPORTED;
    for (uint8_t i = 0; i < s->header.cs_len; i++) {
        const struct mu_mikey_cs *cs = &s->header.cs[i];
        const struct mu_mikey_sp *sp = end_sp(s, cs);

        if (sp == NULL || end_params(cs->protocol).len == 0 ||
            mu_mikey_session_find(s, cs->protocol) != cs ||
            !mu_bytes_eq(mu_bytes(sp->params, sp->params_len),
                         end_params(cs->protocol)))
            return MU_ERR_UNSUPPORTED;
    }
    *e->counter = (uint32_t)s->time.value;
    return 0;
}

int mu_exchange_psk(const struct mu_exchange_end *e, struct mu_secret *psk)
{
    return mu_kdf(e->crypto, e->kx, "psk", mu_bytes(NULL, 0), 32, psk);
}

int mu_exchange_tgk(const struct mu_crypto *c, struct mu_mikey_session *s)
{
    uint8_t tgk[TGK_LEN];
    int rc = c->random(c->ctx, tgk, sizeof tgk);

    if (rc == 0)
        rc = mu_mikey_session_key(s, MU_MIKEY_TGK, MU_BYTES(tgk),
                                  mu_bytes(NULL, 0));
    mu_wipe(tgk, sizeof tgk);
    return rc;
}
