/* SPDX-License-Identifier: Apache-2.0 */
#include "recording.h"

#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"
#include "muster/cbor.h"
#include "muster/mikey_service.h"

struct entered { /* a connection that he has the keys of */
    struct mu_oscore as_node, as_server;
    uint8_t id[MU_CONNECT_ID];
    struct mu_secret kx;
    struct mu_mbms_device mbms;
    bool is;
};

struct listener {
    const struct pair *p;
    const struct leak *leak;
    struct learned *out;
    const struct mu_crypto *c;
    struct entered all[8];
    unsigned len;
};

static void enter(struct listener *l, const struct mu_connection *conn,
                  const struct mu_secret *muk)
{
    struct entered *e = &l->all[l->len++];

    assert_true(l->len <= 8);
    assert_int_equal(mu_connection_oscore(l->c, conn, MU_CONNECT_NODE,
                                          &e->as_node), 0);
    assert_int_equal(mu_connection_oscore(l->c, conn, MU_CONNECT_SERVER,
                                          &e->as_server), 0);
    memcpy(e->id, conn->id, sizeof e->id);
    assert_int_equal(mu_exchange_kx(l->c, &conn->kmc, &e->kx), 0);
    assert_int_equal(mu_mbms_muk_names(mu_bytes_str("server"), conn->id,
                                       &e->mbms.muk), 0);
    e->mbms.muk.key = *muk;
    e->is = true;
    l->out->connections++;
}

/* Both messages of a connect. */
static void connect_of(struct listener *l, const struct pair_seen *up,
                       const struct pair_seen *down)
{
    struct mu_connect_pending pending;
    struct mu_connection conn;
    struct mu_connect1 one;
    struct mu_connect2 two;
    struct mu_secret muk;
    uint8_t room[MU_CONNECT_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);

    if (down->code != MU_COAP_CHANGED)
        return;
    assert_int_equal(mu_connect1_consume(
                         l->c, l->leak->kmr, mu_bytes_str("dev-1"),
                         mu_bytes_str("gw-1"),
                         mu_bytes(up->payload, up->payload_len), &one,
                         &pending), 0);
    assert_int_equal(mu_connect2_consume(
                         l->c, l->leak->kmr, &pending,
                         mu_bytes(down->payload, down->payload_len), &w, &two,
                         &conn), 0);
    assert_int_equal(mu_mbms_muk_make(l->c, &conn.kmc, &muk), 0);
    enter(l, &conn, &muk);
}

static void learn(struct listener *l, const struct mu_kid *kid,
                  const struct mu_secret *key)
{
    assert_true(l->out->len < LEARNED_MAX);
    l->out->keys[l->out->len].kid = *kid;
    l->out->keys[l->out->len++].key = *key;
}

static void fetched(struct listener *l, struct entered *e, struct mu_bytes in)
{
    struct mu_keyfetch_response m;

    if (mu_keyfetch_response_consume(in, &m) != 0)
        return;
    l->out->fetches++;
    for (uint8_t i = 0; i < m.keys_len; i++)
        learn(l, &m.keys[i].kid, &m.keys[i].key);
    for (uint8_t i = 0; i < m.msks_len; i++) {
        struct mu_mikey_session s;
        bool deleted;

        if (mu_mbms_msk_consume(l->c, &e->mbms, m.msks[i].message, &s,
                                &deleted) == 0)
            learn(l, &m.msks[i].kid,
                  &mu_mbms_msk_of(&e->mbms, &m.msks[i].kid)->key);
    }
}

static void keep(struct listener *l, struct mu_bytes message)
{
    struct learned *o = l->out;

    if (message.len == 0 || o->mikey_len == 8)
        return;
    assert_true(message.len <= sizeof o->mikey[0].bytes);
    memcpy(o->mikey[o->mikey_len].bytes, message.data, message.len);
    o->mikey[o->mikey_len++].len = message.len;
}

static struct mu_bytes answer_message(struct mu_bytes in)
{
    struct mu_reader r = mu_reader(in);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    struct mu_bytes v = {NULL, 0};
    int64_t key;

    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key == 1 && mu_cbor_peek(&r) == MU_CBOR_BSTR)
            v = mu_cbor_get_bstr(&r);
        else
            mu_cbor_skip(&r);
    }
    return v;
}

/* As the device would, but for the secrets that it made up and forgot. */
static void exchanged(struct listener *l, struct entered *e, struct mu_bytes up,
                      struct mu_bytes down)
{
    uint8_t protocols[MU_EXCHANGE_PROTOCOLS_MAX];
    struct mu_exchange_request m;
    struct mu_exchange_pending pending = { .method = 0 };
    struct mu_exchange_keys k;
    uint32_t counter = 0;
    struct mu_exchange_end end = {
        .crypto = l->c, .pk = l->leak->device != NULL ? l->leak->device
                                                      : &l->p->dh,
        .node = mu_bytes_str("dev-1"), .server = mu_bytes_str("server"),
        .kx = &e->kx, .counter = &counter,
    };

    if (mu_exchange_request_consume(up, &m) != 0)
        return;
    keep(l, m.message);
    keep(l, answer_message(down));
    if (m.method == MU_EXCHANGE_RSA && l->leak->device == NULL)
        return; /* no way to open the envelope */
    end.protocols = m.protocols;
    if (m.method != MU_EXCHANGE_PSK && m.method != MU_EXCHANGE_RSA) {
        /* The session as of his own question, with what was said instead. */
        uint8_t room[2 * MU_EXCHANGE_PAYLOAD_MAX];
        struct mu_writer a = mu_writer(room, MU_EXCHANGE_PAYLOAD_MAX);
        struct mu_writer b = mu_writer(room + MU_EXCHANGE_PAYLOAD_MAX,
                                       MU_EXCHANGE_PAYLOAD_MAX);
        struct mu_mikey_message said;

        assert_int_equal(mu_mikey_parse(m.message, &said), 0);
        assert_int_equal(mu_mikey_order(&said), 0);
        assert_true(said.header.cs_len <= sizeof protocols);
        for (uint8_t i = 0; i < said.header.cs_len; i++)
            protocols[i] = said.header.cs[i].protocol;
        end.protocols = mu_bytes(protocols, said.header.cs_len);
        if (mu_exchange_ask(&end, m.method, &pending, &a, &b) != 0)
            return;
        if (said.dh != NULL)
            memcpy(pending.session.dh_i, said.dh->dh.value.data,
                   said.dh->dh.value.len);
    }
    pending.method = m.method;
    mu_sha256(l->c, &up, 1, pending.digest);
    if (mu_exchange_take(&end, &pending, down, &k) != 0)
        return;
    l->out->exchanges++;
    enter(l, &k.connection, &k.muk);
}

static struct mu_coap_msg sealed(const struct pair_seen *m, uint8_t room[80])
{
    struct mu_writer w = mu_writer(room, 80);
    struct mu_coap_opts opts = mu_coap_opts(&w);
    struct mu_coap_msg in = { .code = m->code };

    mu_coap_put_opt(&opts, MU_COAP_OSCORE, mu_bytes(m->oscore, m->oscore_len));
    in.options = mu_coap_opts_written(&opts);
    in.payload = mu_bytes(m->payload, m->payload_len);
    return in;
}

static void opened(struct listener *l, const struct pair_seen *up,
                   const struct pair_seen *down)
{
    uint8_t *a = malloc(16384), options[2][80];

    assert_non_null(a);
    for (unsigned i = 0; i < l->len; i++) {
        struct mu_writer w = mu_writer(a, 8192), v = mu_writer(a + 8192, 8192);
        struct mu_coap_msg in = sealed(up, options[0]), plain, answer;
        struct mu_oscore_request req;
        struct entered *e = &l->all[i];

        if (mu_oscore_unprotect_request(&e->as_server, l->c, &in, &w, &plain,
                                        &req) != 0)
            continue;
        in = sealed(down, options[1]);
        if (mu_oscore_unprotect_response(&e->as_node, l->c, &in, &req, &v,
                                         &answer) != 0)
            continue;
        if (mu_coap_path_is(plain.options, "k"))
            fetched(l, e, answer.payload);
        else if (mu_coap_path_is(plain.options, "x"))
            exchanged(l, e, plain.payload, answer.payload);
        break;
    }
    free(a);
}

void recording_open(const struct pair *p, const struct leak *leak,
                    struct learned *out)
{
    struct listener *l = calloc(1, sizeof *l);

    assert_non_null(l);
    memset(out, 0, sizeof *out);
    *l = (struct listener){ .p = p, .leak = leak, .out = out,
                            .c = mu_crypto_openssl() };
    for (unsigned i = 0; i + 1 < p->seen_len; i++) {
        const struct pair_seen *up = &p->seen[i], *down = &p->seen[i + 1];

        if (!up->up || down->up)
            continue;
        if (strcmp(up->path, "c") == 0)
            connect_of(l, up, down);
        else if (up->has_oscore && down->has_oscore)
            opened(l, up, down);
    }
    free(l);
}

bool learned_has(const struct learned *l, const struct mu_kid *kid,
                 const struct mu_secret *key)
{
    for (unsigned i = 0; i < l->len; i++)
        if (mu_kid_eq(&l->keys[i].kid, kid) &&
            mu_secret_eq(&l->keys[i].key, key))
            return true;
    return false;
}
