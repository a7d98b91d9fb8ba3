/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchanges of devices (docs/wire-format.md s.4.1), and the feedback keys
 * that come of them: a gateway is told those of its devices, when they are in
 * force (s.2.4). Nothing of it is stored: it dies with the connection.
 */
#include "node/server_core.h"

static const uint8_t protocols[] = {
    MU_MIKEY_OSCORE, MU_MIKEY_HOP, MU_MIKEY_MBMS,
};

uint8_t mu_srv_key_methods(const struct mu_server *s)
{
    const uint8_t able = mu_exchange_able(s->conf.pk);

    return s->conf.key_methods != 0 ? s->conf.key_methods & able : able;
}

void mu_srv_exchange_refuse(const struct mu_server *s, uint8_t method, int rc,
                            struct mu_writer *w)
{
    struct mu_exchange_refusal m = {
        .number = mu_mikey_error_of(rc),
        .methods = mu_srv_key_methods(s),
    };
    if (method >= MU_EXCHANGE_METHOD_COUNT ||
        (m.methods & MU_EXCHANGE_BIT(method)) == 0)
        m.number = MU_MIKEY_E_TYPE;
    else if (rc == MU_ERR_FORBIDDEN)
        m.number = MU_MIKEY_E_ENCR;
    else if (rc == MU_ERR_UNSUPPORTED)
        m.number = MU_MIKEY_E_SP;

    w->len = 0;
    w->failed = false;
    if (mu_exchange_refusal_create(&m, w) != 0)
        mu_assert(false); /* there is room for two numbers */
}

int mu_srv_exchange_answer(struct mu_server *s, struct mu_bytes identity,
                           struct mu_server_connection *c,
                           struct mu_bytes payload, struct mu_writer *w,
                           struct mu_exchange_keys *keys)
{
    const struct mu_exchange_end e = {
        .crypto = s->conf.crypto,
        .pk = s->conf.pk,
        .node = identity,
        .server = s->conf.identity,
        .kx = &c->kx,
        .counter = &c->exchanges,
        .protocols = s->conf.key_protocols.len != 0 ? s->conf.key_protocols
                                                    : MU_BYTES(protocols),
    };
    uint8_t message[MU_EXCHANGE_MESSAGE_MAX];
    struct mu_writer room = mu_writer(message, sizeof message);
    int rc = mu_exchange_answer(&e, mu_srv_key_methods(s), payload, &room, w,
                                keys);

    mu_wipe(message, sizeof message);
    if (rc == 0)
        return 0;
    mu_srv_trace(s, "exchange-failed", c->index, (uint64_t)-rc);
    mu_srv_exchange_refuse(s, keys->method, rc, w);
    mu_exchange_keys_clear(keys);
    return rc;
}

/* ---- feedback keys --------------------------------------------------------- */

void mu_srv_hop(struct mu_server *s, uint32_t gateway)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, gateway);

    if (g == NULL)
        return;
    g->hop.due = true;
    s->asks_at = s->now;
}

void mu_srv_hop_send(struct mu_server *s, uint32_t number,
                     struct mu_server_gateway *gw)
{
    struct mu_server_connections *t = &s->connections;
    struct mu_wide_hop m = {.len = 0};
    struct mu_writer w = mu_srv_writer(s);

    for (uint32_t at = t->newest;
         at != MU_SERVER_NONE && m.len < MU_WIDE_HOPS_MAX;
         at = t->all[at].older) {
        struct mu_server_connection *c = &t->all[at];

        if (c->gateway != number || c->pending ||
            !mu_secret_is_set(&c->kfb) || c->told != MU_SERVER_TOLD_NOT)
            continue;
        c->told = MU_SERVER_TOLD_FLYING;
        m.rows[m.len].index = c->index;
        mu_copy(m.rows[m.len].id, c->id, sizeof c->id);
        m.rows[m.len++].kfb = c->kfb;
    }
    if (m.len == 0) {
        gw->hop.due = false;
        return;
    }
    if (mu_wide_hop_create(&m, &w) != 0)
        mu_assert(false); /* there is room for all rows */
    mu_ask_sent(&gw->hop, mu_srv_request(s, number, "hop", mu_written(&w)));
    mu_wipe(&m, sizeof m);
    mu_wipe(s->text, w.len);
}

/* What is on its way to a gateway, or all that it ever heard. */
static void hop_set(struct mu_server *s, uint32_t gateway, bool all,
                    enum mu_server_told told)
{
    struct mu_server_connections *t = &s->connections;

    for (uint32_t at = t->newest; at != MU_SERVER_NONE; at = t->all[at].older)
        if (t->all[at].gateway == gateway &&
            (all || t->all[at].told == MU_SERVER_TOLD_FLYING))
            t->all[at].told = (uint8_t)told;
}

void mu_srv_hop_told(struct mu_server *s, uint32_t gateway, bool good)
{
    struct mu_server_gateway *g = mu_srv_gateway(s, gateway);

    hop_set(s, gateway, false, good ? MU_SERVER_TOLD : MU_SERVER_TOLD_NOT);
    if (good && g != NULL)
        g->hop.due = true; /* perhaps there are more */
}

void mu_srv_hop_lost(struct mu_server *s, uint32_t gateway)
{
    hop_set(s, gateway, true, MU_SERVER_TOLD_NOT);
}
