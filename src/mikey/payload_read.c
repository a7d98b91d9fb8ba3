/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads payloads, RFC 3830 s.6.2 to 6.15. Each one takes at least two bytes of
 * the input, so a chain of them ends whatever it says.
 */
#include "mikey/internal.h"

size_t mu_mikey_dh_len(uint8_t group)
{
    static const uint8_t lens[] = {192, 96, 128}; /* s.6.4, in table order */

    return group < sizeof lens ? lens[group] : 0;
}

int mu_mikey_mac_len(uint8_t mac_alg)
{
    static const uint8_t lens[] = {0, 20, 32};

    return mac_alg < sizeof lens ? lens[mac_alg] : -1;
}

size_t mu_mikey_hash_len(uint8_t hash)
{
    static const uint8_t lens[] = {20, 16}; /* s.6.8 */

    return hash < sizeof lens ? lens[hash] : 0;
}

bool mu_mikey_params_ok(struct mu_bytes params)
{
    struct mu_reader r = mu_reader(params);

    while (mu_reader_left(&r) > 0 && !r.failed) {
        (void)mu_read_u8(&r);
        (void)mu_read_bytes(&r, mu_read_u8(&r));
    }
    return !r.failed;
}

static struct mu_bytes read_long(struct mu_reader *r)
{
    return mu_read_bytes(r, mu_read_u16(r));
}

static struct mu_bytes read_short(struct mu_reader *r)
{
    return mu_read_bytes(r, mu_read_u8(r));
}

static int read_kv(struct mu_reader *r, uint8_t type, struct mu_mikey_kv *kv)
{
    *kv = (struct mu_mikey_kv){.type = type};
    if (type > MU_MIKEY_KV_INTERVAL)
        return MU_ERR_UNSUPPORTED;
    if (type != MU_MIKEY_KV_NULL)
        kv->a = read_short(r);
    if (type == MU_MIKEY_KV_INTERVAL)
        kv->b = read_short(r);
    return 0;
}

static int read_key_data(struct mu_reader *r, struct mu_mikey_key_data *k)
{
    const uint8_t types = mu_read_u8(r);

    *k = (struct mu_mikey_key_data){.type = types >> 4};
    if (k->type > MU_MIKEY_TEK_SALT)
        return MU_ERR_UNSUPPORTED;
    k->key = read_long(r);
    if (k->type == MU_MIKEY_TGK_SALT || k->type == MU_MIKEY_TEK_SALT)
        k->salt = read_long(r);
    return read_kv(r, types & 0x0f, &k->kv);
}

static int read_mac(struct mu_reader *r, uint8_t *alg, struct mu_bytes *mac)
{
    int len;

    *alg = mu_read_u8(r);
    len = mu_mikey_mac_len(*alg);
    if (len < 0)
        return MU_ERR_UNSUPPORTED;
    *mac = mu_read_bytes(r, (size_t)len);
    return 0;
}

static int read_time(struct mu_reader *r, struct mu_mikey_time *t)
{
    t->type = mu_read_u8(r);
    if (t->type > MU_MIKEY_COUNTER)
        return MU_ERR_UNSUPPORTED;
    t->value = t->type == MU_MIKEY_COUNTER ? mu_read_u32(r) : mu_read_u64(r);
    return 0;
}

static int read_dh(struct mu_reader *r, struct mu_mikey_payload *p)
{
    size_t len;
    uint8_t kv;

    p->dh.group = mu_read_u8(r);
    len = mu_mikey_dh_len(p->dh.group);
    if (len == 0)
        return MU_ERR_UNSUPPORTED;
    p->dh.value = mu_read_bytes(r, len);
    kv = mu_read_u8(r);
    if (kv >> 4 != 0)
        return MU_ERR_MALFORMED; /* reserved */
    return read_kv(r, kv, &p->dh.kv);
}

static int read_sp(struct mu_reader *r, struct mu_mikey_payload *p)
{
    p->sp.policy = mu_read_u8(r);
    p->sp.protocol = mu_read_u8(r);
    p->sp.params = read_long(r);
    return r->failed || mu_mikey_params_ok(p->sp.params) ? 0
                                                         : MU_ERR_MALFORMED;
}

static int read_pke(struct mu_reader *r, struct mu_mikey_payload *p)
{
    const uint16_t field = mu_read_u16(r);

    p->pke.cache = (uint8_t)(field >> 14);
    p->pke.data = mu_read_bytes(r, field & 0x3fff);
    return p->pke.cache > MU_MIKEY_CACHE_CSB ? MU_ERR_UNSUPPORTED : 0;
}

static int read_chash(struct mu_reader *r, struct mu_mikey_payload *p)
{
    size_t len;

    p->chash.hash = mu_read_u8(r);
    len = mu_mikey_hash_len(p->chash.hash);
    p->chash.data = mu_read_bytes(r, len);
    return len == 0 ? MU_ERR_UNSUPPORTED : 0;
}

static int read_sign(struct mu_reader *r, struct mu_mikey_payload *p)
{
    const uint16_t field = mu_read_u16(r);

    p->sign.scheme = (uint8_t)(field >> 12);
    p->sign.signature = mu_read_bytes(r, field & 0xfff);
    return p->sign.scheme > MU_MIKEY_RSA_PSS ? MU_ERR_UNSUPPORTED : 0;
}

static int read_kemac(struct mu_reader *r, struct mu_mikey_payload *p)
{
    p->kemac.encr = mu_read_u8(r);
    if (p->kemac.encr > MU_MIKEY_ENCR_AES_KW)
        return MU_ERR_UNSUPPORTED;
    p->kemac.data = read_long(r);
    return read_mac(r, &p->kemac.mac_alg, &p->kemac.mac);
}

static int read_body(struct mu_reader *r, struct mu_mikey_payload *p)
{
    switch (p->type) {
    case MU_MIKEY_KEMAC:
        return read_kemac(r, p);
    case MU_MIKEY_PKE:
        return read_pke(r, p);
    case MU_MIKEY_DH:
        return read_dh(r, p);
    case MU_MIKEY_T:
        return read_time(r, &p->t);
    case MU_MIKEY_ID:
        p->id.type = mu_read_u8(r);
        p->id.data = read_long(r);
        return p->id.type > MU_MIKEY_URI ? MU_ERR_UNSUPPORTED : 0;
    case MU_MIKEY_CERT:
        p->cert.type = mu_read_u8(r);
        p->cert.data = read_long(r);
        return p->cert.type > MU_MIKEY_X509_ENCR ? MU_ERR_UNSUPPORTED : 0;
    case MU_MIKEY_CHASH:
        return read_chash(r, p);
    case MU_MIKEY_V:
        return read_mac(r, &p->v.mac_alg, &p->v.mac);
    case MU_MIKEY_SP:
        return read_sp(r, p);
    case MU_MIKEY_RAND:
        p->rand = read_short(r);
        return 0;
    case MU_MIKEY_ERR:
        p->err.number = mu_read_u8(r);
        return mu_read_u16(r) != 0 ? MU_ERR_MALFORMED : 0;
    case MU_MIKEY_KEY_DATA:
        return read_key_data(r, &p->key_data);
    case MU_MIKEY_EXT:
        p->ext.type = mu_read_u8(r);
        p->ext.data = read_long(r);
        return 0;
    default:
        return MU_ERR_UNSUPPORTED;
    }
}

int mu_mikey_payload_read(struct mu_reader *r, uint8_t type,
                          struct mu_mikey_payload *p, uint8_t *next)
{
    int rc;

    *p = (struct mu_mikey_payload){.type = type};
    if (type == MU_MIKEY_SIGN) {
        *next = MU_MIKEY_LAST;
        rc = read_sign(r, p);
    } else {
        *next = mu_read_u8(r);
        rc = read_body(r, p);
    }
    return r->failed ? MU_ERR_TRUNCATED : rc;
}
