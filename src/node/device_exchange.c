/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a key exchange (docs/wire-format.md s.4.1): the service
 * connection made of Kmr is exchanged for one that the exchange keys, before
 * any key is fetched. It knows one method and takes no other.
 */
#include "node/device.h"

static struct mu_exchange_end exchange_end(const struct mu_device *d)
{
    struct mu_device_exchange *x = d->conf.exchange;

    return (struct mu_exchange_end){
        .crypto = d->conf.crypto,
        .pk = x->pk,
        .node = d->conf.identity,
        .server = mu_bytes(x->server, x->server_len),
        .kx = &x->kx,
        .counter = &x->counter,
        .protocols = mu_bytes(x->protocols, x->protocols_len),
    };
}

static int exchange_connected(struct mu_device *d,
                              const struct mu_connection *conn,
                              struct mu_bytes server)
{
    struct mu_device_exchange *x = d->conf.exchange;

    if (server.len == 0 || server.len > sizeof x->server)
        return MU_ERR_MALFORMED;
    mu_copy(x->server, server.data, server.len);
    x->server_len = (uint8_t)server.len;
    x->counter = 0;
    x->wanted = true;
    return mu_exchange_kx(d->conf.crypto, &conn->kmc, &x->kx);
}

static int exchange_write(struct mu_device *d, struct mu_message *m)
{
    struct mu_device_exchange *x = d->conf.exchange;
    const struct mu_exchange_end e = exchange_end(d);
    const size_t half = sizeof x->room / 2;
    struct mu_writer w = mu_writer(x->room, half);
    /* The message first, and then what it is sealed into. */
    struct mu_writer sealed = mu_writer(x->room + half, half);
    int rc = mu_exchange_ask(&e, x->method, &x->pending, &sealed, &w);

    if (rc == MU_ERR_EXPIRED) {
        mu_device_disconnect(d);
        mu_device_fetch(d);
    }
    if (rc != 0)
        return rc;
    sealed = mu_writer(x->room + half, half);
    return mu_device_protect(d, "x", mu_written(&w), &sealed, m);
}

/* The next connection takes the place of the one before. */
static int exchange_enter(struct mu_device *d, const struct mu_exchange_keys *k)
{
    struct mu_device_exchange *x = d->conf.exchange;
    struct mu_mbms_muk muk = {.key = k->muk};
    struct mu_oscore next;
    int rc = mu_connection_oscore(d->conf.crypto, &k->connection,
                                  MU_CONNECT_NODE, &next);

    if (rc == 0)
        rc = mu_mbms_muk_names(mu_bytes(x->server, x->server_len),
                               k->connection.id, &muk);
    if (rc == 0) {
        mu_oscore_clear(&d->oscore);
        d->oscore = next;
        mu_wipe(&d->mbms.muk, sizeof d->mbms.muk);
        d->mbms.muk = muk;
        x->kfb = k->kfb;
        mu_copy(x->hop_id, k->connection.id, sizeof x->hop_id);
        mu_secret_clear(&x->kx);
        x->wanted = false;
        x->refusal.methods = 0;
        d->asks[MU_DEVICE_KEYS].due = true;
        mu_device_trace(d, "exchanged", x->method, x->protocols_len);
    }
    mu_oscore_clear(&next);
    mu_wipe(&muk, sizeof muk);
    return rc;
}

static int exchange_answer(struct mu_device *d, const struct mu_message *m)
{
    struct mu_device_exchange *x = d->conf.exchange;
    const struct mu_exchange_end e = exchange_end(d);
    struct mu_writer w = mu_writer(x->room, sizeof x->room);
    struct mu_exchange_refusal refusal;
    struct mu_exchange_keys k;
    struct mu_coap_msg plain;
    int rc = mu_device_unprotect(d, m, &w, &plain);

    if (rc != 0)
        return rc;
    if (plain.code != MU_COAP_CONTENT) {
        if (mu_exchange_refusal_consume(plain.payload, &refusal) == 0) {
            x->refusal = refusal;
            mu_device_trace(d, "exchange-refused", refusal.number,
                            refusal.methods);
        }
        return MU_ERR_FORBIDDEN;
    }
    rc = mu_exchange_take(&e, &x->pending, plain.payload, &k);
    if (rc == 0)
        rc = exchange_enter(d, &k);
    else
        mu_device_trace(d, "exchange-failed", x->method, (uint64_t)-rc);
    mu_exchange_keys_clear(&k);
    mu_wipe(x->room, w.len);
    return rc;
}

static const struct mu_device_exchange_ops exchange_ops = {
    .connected = exchange_connected,
    .write = exchange_write,
    .answer = exchange_answer,
};

int mu_device_exchange_init(struct mu_device_exchange *x, uint8_t method,
                            struct mu_bytes protocols,
                            const struct mu_mikey_pk *pk)
{
    mu_wipe(x, sizeof *x);
    if (method >= MU_EXCHANGE_METHOD_COUNT || protocols.len == 0 ||
        protocols.len > sizeof x->protocols)
        return MU_ERR_USAGE;
    for (size_t i = 0; i < protocols.len; i++)
        if ((protocols.data[i] != MU_MIKEY_OSCORE &&
             protocols.data[i] != MU_MIKEY_HOP &&
             protocols.data[i] != MU_MIKEY_MBMS) ||
            (i > 0 && protocols.data[i] <= protocols.data[i - 1]))
            return MU_ERR_USAGE;
    if ((mu_exchange_able(pk) & MU_EXCHANGE_BIT(method)) == 0)
        return MU_ERR_UNSUPPORTED;
    x->ops = &exchange_ops;
    x->method = method;
    mu_copy(x->protocols, protocols.data, protocols.len);
    x->protocols_len = (uint8_t)protocols.len;
    x->pk = pk;
    return 0;
}

void mu_device_exchange_clear(struct mu_device_exchange *x)
{
    mu_wipe(x, sizeof *x);
}
