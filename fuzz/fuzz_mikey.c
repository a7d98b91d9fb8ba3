/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIKEY messages from anybody. The codec: what is read can be written, to the
 * same bytes. Then the receivers, with crypto that believes every MAC, so that
 * a member gone bad is meant too; encryption is real, or none.
 */
#include <stdlib.h>

#include "fuzz/believe.h"
#include "muster/mikey_mbms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int believe_sha1(void *ctx, struct mu_bytes key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t out[20])
{
    (void)ctx;
    (void)key;
    (void)parts;
    (void)parts_len;
    mu_zero(out, 20);
    return 0;
}

static int believe_trust(void *ctx, struct mu_bytes cert,
                         const struct mu_mikey_name *id)
{
    (void)ctx;
    (void)cert;
    (void)id;
    return 0;
}

static int believe_pk(void *ctx, uint8_t scheme, struct mu_bytes cert,
                      const struct mu_bytes *parts, size_t parts_len,
                      struct mu_bytes signature)
{
    (void)ctx;
    (void)scheme;
    (void)cert;
    (void)signature;
    for (size_t i = 0; i < parts_len; i++) {
        if (parts[i].len > MU_MIKEY_MESSAGE_MAX * 32)
            abort();
    }
    return 0;
}

static int believe_unseal(void *ctx, struct mu_bytes in, uint8_t key[16])
{
    (void)ctx;
    (void)in;
    mu_zero(key, 16);
    return 0;
}

static int believe_hash(void *ctx, uint8_t hash, struct mu_bytes cert,
                        uint8_t *out)
{
    (void)ctx;
    (void)hash;
    (void)cert;
    mu_zero(out, 20);
    return 0;
}

static int believe_agree(void *ctx, uint8_t group, const uint8_t *x,
                         const uint8_t *peer, uint8_t *out)
{
    (void)ctx;
    (void)x;
    mu_copy(out, peer, mu_mikey_dh_len(group));
    return 0;
}

static void round_trip(struct mu_bytes in)
{
    static uint8_t again[1 << 17];
    struct mu_mikey_message m;
    struct mu_mikey_writer out;
    struct mu_writer w = mu_writer(again, sizeof again);

    if (mu_mikey_parse(in, &m) != 0)
        return;
    mu_mikey_begin(&out, &w, &m.header);
    for (size_t i = 0; i < m.payloads_len; i++)
        mu_mikey_put(&out, &m.payloads[i]);
    if (!mu_bytes_eq(mu_mikey_made(&out), in))
        abort();
}

static const struct mu_mikey_policy *anything(struct mu_mikey_replay *replay)
{
    static const uint8_t protocols[] = {MU_MIKEY_SRTP, MU_MIKEY_OSCORE};
    static struct mu_mikey_policy p;

    mu_mikey_replay_init(replay);
    p = (struct mu_mikey_policy){.encr = 0xff,
                                 .mac = 0xff,
                                 .prf = 0xff,
                                 .groups = 0xff,
                                 .schemes = 0xff,
                                 .protocols = MU_BYTES(protocols),
                                 .skew = UINT64_MAX,
                                 .peer = {0, "i", 1},
                                 .replay = replay};
    return &p;
}

/* What was taken must be within its bounds, and nothing left of the rest. */
static void check(int rc, const struct mu_mikey_session *s)
{
    if (rc != 0 && s->keys_len > 0)
        abort();
    for (uint8_t i = 0; i < s->keys_len; i++) {
        const struct mu_mikey_key *k = &s->keys[i];
        if (k->len == 0 || k->len > sizeof k->bytes ||
            k->salt_len > sizeof k->salt || k->from_len > sizeof k->from)
            abort();
    }
    if (mu_err_class(rc) != MU_CLASS_DROP && rc != 0)
        abort();
}

static void receive(const struct mu_crypto *c, struct mu_bytes in)
{
    static const uint8_t cert[] = {0x30, 0x00};
    const struct mu_mikey_pk pk = {.cert = MU_BYTES(cert),
                                   .trust = believe_trust,
                                   .unseal = believe_unseal,
                                   .verify = believe_pk,
                                   .cert_hash = believe_hash,
                                   .dh_agree = believe_agree};
    struct mu_mikey_replay replay;
    struct mu_mikey_policy p = *anything(&replay);
    struct mu_mikey_session s;
    uint8_t number;
    bool proved;

    p.peer_cert = pk.cert;
    for (uint8_t type = MU_MIKEY_NTP_UTC; type <= MU_MIKEY_COUNTER; type++) {
        const struct mu_bytes psk = mu_bytes_str("psk");
        p.time_type = type;
        check(mu_mikey_psk_init_consume(c, psk, &p, in, &s), &s);
        check(mu_mikey_pk_init_consume(c, &pk, &p, in, &s), &s);
        check(mu_mikey_dh_init_consume(c, &pk, &p, in, &s), &s);
        check(mu_mikey_dhmac_init_consume(c, psk, &p, in, &s), &s);
        check(mu_mikey_rsa_r_init_consume(c, &pk, &p, in, &s), &s);
    }
    /* Answers: to whatever they say that they answer. */
    struct mu_mikey_message m;
    if (mu_mikey_parse(in, &m) != 0 || mu_mikey_order(&m) != 0)
        return;
    mu_zero(&s, sizeof s);
    s.header.csb = m.header.csb;
    s.header.prf = m.header.prf;
    s.header.verify = true;
    s.time = m.t->t;
    s.auth.len = 32;
    s.mac = MU_MIKEY_MAC_SHA1;
    if (m.dh_i != NULL) {
        s.group = m.dh_i->dh.group;
        mu_copy(s.dh_i, m.dh_i->dh.value.data, m.dh_i->dh.value.len);
    }
    s.header.type = MU_MIKEY_PSK_INIT;
    check(mu_mikey_verify_consume(c, &s, in), &s);
    check(mu_mikey_error_consume(c, &s, in, &number, &proved), &s);
    s.header.type = MU_MIKEY_DH_INIT;
    check(mu_mikey_dh_resp_consume(&pk, &p, in, &s), &s);
    s.keys_len = 0;
    s.header.type = MU_MIKEY_DHMAC_INIT;
    check(mu_mikey_dhmac_resp_consume(c, &pk, in, &s), &s);
    s.keys_len = 0;
    s.header.type = MU_MIKEY_RSA_R_INIT;
    check(mu_mikey_rsa_r_resp_consume(c, &pk, &p, in, &s), &s);
}

/* A device that holds one MSK, the one of the corpus. */
static void broadcast(const struct mu_crypto *c, struct mu_bytes in)
{
    struct mu_mbms_device d = {.msks_len = 1};
    struct mu_mikey_session s;
    struct mu_mbms_mtk mtk;
    struct mu_mbms_wanted wanted;
    uint8_t saved[MU_MBMS_SAVED_MAX];
    struct mu_writer w = mu_writer(saved, sizeof saved);
    bool deleted;

    d.muk.key.len = 16;
    d.msks[0] = (struct mu_mbms_msk){.domain = {0x26, 0x2f, 0x01},
                                     .group = 1,
                                     .number = 2,
                                     .key = {.len = 16},
                                     .seq_high = 0xff,
                                     .csb = 0x0a0b0c0d};
    if (mu_mbms_mtk_consume(c, &d, in, &mtk, &wanted) == 0 &&
        mtk.key.len != MU_MBMS_KEY_LEN)
        abort();
    if (mu_mbms_msk_consume(c, &d, in, &s, &deleted) != 0 && deleted)
        abort();
    if (mu_mbms_device_save(&d, &w) != 0 ||
        mu_mbms_device_load(&d, mu_written(&w)) != 0)
        abort();
    w = mu_writer(saved, sizeof saved);
    if (mu_mbms_device_load(&d, in) == 0 &&
        (mu_mbms_device_save(&d, &w) != 0 || !mu_bytes_eq(mu_written(&w), in)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_bytes in = mu_bytes(data, len);
    struct mu_crypto c = believe_crypto();

    c.hmac_sha1 = believe_sha1;
    round_trip(in);
    receive(&c, in);
    broadcast(&c, in);
    return 0;
}
