/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key exchange as a node or a server gone bad makes it inside OSCORE, with
 * crypto that believes every MAC and signature; and the messages that carry its
 * feedback keys. First byte: what; of an answer the second: to which method.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/area_msg.h"
#include "muster/exchange.h"
#include "muster/wide_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int pk_trust(void *ctx, struct mu_bytes cert,
                    const struct mu_mikey_name *id)
{
    (void)ctx;
    (void)cert;
    return id->len > 0 ? 0 : MU_ERR_UNKNOWN_PEER;
}

static int pk_envelope(void *ctx, struct mu_bytes cert, struct mu_bytes key,
                       uint8_t *out, size_t cap, size_t *len)
{
    (void)ctx;
    (void)cert;
    if (cap < 128 || key.len > 128)
        return MU_ERR_CRYPTO;
    mu_zero(out, 128);
    mu_copy(out, key.data, key.len);
    *len = 128;
    return 0;
}

static int pk_unseal(void *ctx, struct mu_bytes in,
                     uint8_t key[MU_MIKEY_ENVELOPE_LEN])
{
    (void)ctx;
    mu_zero(key, MU_MIKEY_ENVELOPE_LEN);
    mu_copy(key, in.data,
            in.len < MU_MIKEY_ENVELOPE_LEN ? in.len : MU_MIKEY_ENVELOPE_LEN);
    return 0;
}

static int pk_sign(void *ctx, uint8_t scheme, const struct mu_bytes *parts,
                   size_t parts_len, uint8_t *out, size_t len)
{
    (void)ctx;
    (void)parts;
    (void)parts_len;
    if (scheme > MU_MIKEY_RSA_PSS)
        return MU_ERR_UNSUPPORTED;
    mu_zero(out, len);
    return 0;
}

static int pk_verify(void *ctx, uint8_t scheme, struct mu_bytes cert,
                     const struct mu_bytes *parts, size_t parts_len,
                     struct mu_bytes signature)
{
    (void)ctx;
    (void)cert;
    (void)parts;
    (void)parts_len;
    (void)signature;
    return scheme <= MU_MIKEY_RSA_PSS ? 0 : MU_ERR_UNSUPPORTED;
}

static int pk_hash(void *ctx, uint8_t hash, struct mu_bytes cert, uint8_t *out)
{
    (void)ctx;
    (void)cert;
    mu_zero(out, hash == MU_MIKEY_SHA1 ? 20 : 16);
    return 0;
}

static int pk_make(void *ctx, uint8_t group, uint8_t *x, uint8_t *gx)
{
    (void)ctx;
    mu_zero(x, mu_mikey_dh_len(group));
    mu_zero(gx, mu_mikey_dh_len(group));
    gx[0] = 2;
    return 0;
}

static int pk_agree(void *ctx, uint8_t group, const uint8_t *x,
                    const uint8_t *peer, uint8_t *out)
{
    (void)ctx;
    (void)x;
    mu_copy(out, peer, mu_mikey_dh_len(group));
    return 0;
}

/* Both ends, whoever is meant. */
static const struct mu_mikey_pk *fake_pk(void)
{
    static const uint8_t cert[] = {0x30, 0x00};
    static struct mu_mikey_pk pk = {
        .signature_len = 128, .trust = pk_trust, .envelope = pk_envelope,
        .unseal = pk_unseal, .sign = pk_sign, .verify = pk_verify,
        .cert_hash = pk_hash, .dh_make = pk_make, .dh_agree = pk_agree,
    };

    pk.cert = MU_BYTES(cert);
    return &pk;
}

static const uint8_t all[] = {MU_MIKEY_OSCORE, MU_MIKEY_HOP, MU_MIKEY_MBMS};

static struct mu_exchange_end end_of(const struct mu_crypto *c,
                                     const struct mu_secret *kx,
                                     uint32_t *counter)
{
    return (struct mu_exchange_end){
        .crypto = c, .pk = fake_pk(), .node = mu_bytes_str("node"),
        .server = mu_bytes_str("server"), .kx = kx, .counter = counter,
        .protocols = MU_BYTES(all),
    };
}

/* All keys or none. */
static void keys_check(int rc, struct mu_exchange_keys *k)
{
    const bool some = k->connection.ka.len != 0 || k->muk.len != 0 ||
                      k->kfb.len != 0 || k->connection.kmc.len != 0;

    if (some != (rc == 0) ||
        (rc == 0 && (k->connection.ka.len != 16 || k->muk.len != 16)))
        abort();
    mu_exchange_keys_clear(k);
}

static void exchange_server(const struct mu_crypto *c, struct mu_bytes in)
{
    static uint8_t message[MU_EXCHANGE_MESSAGE_MAX];
    static uint8_t payload[MU_EXCHANGE_PAYLOAD_MAX];
    const struct mu_secret kx = {.bytes = {1}, .len = 32};
    uint32_t counter = 0;
    const struct mu_exchange_end e = end_of(c, &kx, &counter);
    struct mu_writer room = mu_writer(message, sizeof message);
    struct mu_writer w = mu_writer(payload, sizeof payload);
    struct mu_exchange_keys k;

    keys_check(mu_exchange_answer(&e, MU_EXCHANGE_ANY, in, &room, &w, &k), &k);
}

static void exchange_node(const struct mu_crypto *c, uint8_t method,
                          struct mu_bytes in)
{
    static uint8_t message[MU_EXCHANGE_MESSAGE_MAX];
    static uint8_t payload[MU_EXCHANGE_PAYLOAD_MAX];
    const struct mu_secret kx = {.bytes = {1}, .len = 32};
    uint32_t counter = 0;
    const struct mu_exchange_end e = end_of(c, &kx, &counter);
    struct mu_writer room = mu_writer(message, sizeof message);
    struct mu_writer w = mu_writer(payload, sizeof payload);
    struct mu_exchange_pending pending;
    struct mu_exchange_keys k;

    if (mu_exchange_ask(&e, method % MU_EXCHANGE_METHOD_COUNT, &pending, &room,
                        &w) != 0)
        abort();
    keys_check(mu_exchange_take(&e, &pending, in, &k), &k);
    for (size_t i = 0; i < sizeof pending; i++)
        if (((const uint8_t *)&pending)[i] != 0)
            abort(); /* what is over is forgotten */
}

/* What is taken is made again, to the same bytes. */
static void request(struct mu_bytes in)
{
    static uint8_t first[8192], second[8192];
    struct mu_writer a = mu_writer(first, sizeof first);
    struct mu_writer b = mu_writer(second, sizeof second);
    struct mu_exchange_request m, again;

    if (mu_exchange_request_consume(in, &m) != 0)
        return;
    if (mu_exchange_request_create(&m, &a) != 0 ||
        mu_exchange_request_consume(mu_written(&a), &again) != 0 ||
        mu_exchange_request_create(&again, &b) != 0 ||
        !mu_bytes_eq(mu_written(&a), mu_written(&b)) ||
        a.len > MU_EXCHANGE_PAYLOAD_MAX)
        abort();
}

static void small(struct mu_bytes in)
{
    static uint8_t room[MU_MESSAGE_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_exchange_refusal refusal, back;
    struct mu_wide_hop hop, hop_back;
    uint8_t id[MU_CONNECT_ID];

    if (mu_exchange_refusal_consume(in, &refusal) == 0) {
        if (mu_exchange_refusal_create(&refusal, &w) != 0 ||
            mu_exchange_refusal_consume(mu_written(&w), &back) != 0 ||
            back.number != refusal.number || back.methods != refusal.methods ||
            mu_exchange_refusal_text(back.number) == NULL)
            abort();
    }
    w = mu_writer(room, sizeof room);
    if (mu_wide_hop_consume(in, &hop) == 0 &&
        (mu_wide_hop_create(&hop, &w) != 0 ||
         mu_wide_hop_consume(mu_written(&w), &hop_back) != 0 ||
         hop_back.len != hop.len))
        abort();
    w = mu_writer(room, sizeof room);
    if (mu_area_feedback_consume(in, id) == 0 &&
        mu_area_feedback_create(id, &w) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto c = believe_crypto();

    if (len < 2)
        return 0;
    switch (data[0] % 4) {
    case 0:
        request(mu_bytes(data + 1, len - 1));
        break;
    case 1:
        small(mu_bytes(data + 1, len - 1));
        break;
    case 2:
        exchange_server(&c, mu_bytes(data + 1, len - 1));
        break;
    default:
        exchange_node(&c, data[1], mu_bytes(data + 2, len - 2));
        break;
    }
    return 0;
}
