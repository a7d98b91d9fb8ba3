/* SPDX-License-Identifier: Apache-2.0 */
/* Writes payloads, RFC 3830 s.6.2 to 6.15, and chains them. */
#include "mikey/internal.h"

/* Fails unless at most max bytes: the field before has no more bits. */
static void put_sized(struct mu_writer *w, struct mu_bytes in, size_t max)
{
    if (in.len > max)
        mu_writer_fail(w);
    else
        mu_write_bytes(w, in);
}

static void put_long(struct mu_writer *w, struct mu_bytes in)
{
    mu_write_u16(w, (uint16_t)in.len);
    put_sized(w, in, 0xffff);
}

static void put_short(struct mu_writer *w, struct mu_bytes in)
{
    mu_write_u8(w, (uint8_t)in.len);
    put_sized(w, in, 0xff);
}

/* s.6.14; the type is in the payload that the data ends. */
static void put_kv(struct mu_writer *w, const struct mu_mikey_kv *kv)
{
    if (kv->type == MU_MIKEY_KV_SPI) {
        put_short(w, kv->a);
    } else if (kv->type == MU_MIKEY_KV_INTERVAL) {
        put_short(w, kv->a);
        put_short(w, kv->b);
    } else if (kv->type != MU_MIKEY_KV_NULL) {
        mu_writer_fail(w);
    }
}

static void put_key_data(struct mu_writer *w,
                         const struct mu_mikey_key_data *k)
{
    if (k->type > MU_MIKEY_TEK_SALT) {
        mu_writer_fail(w);
        return;
    }
    mu_write_u8(w, (uint8_t)(k->type << 4 | k->kv.type));
    put_long(w, k->key);
    if (k->type == MU_MIKEY_TGK_SALT || k->type == MU_MIKEY_TEK_SALT)
        put_long(w, k->salt);
    else if (k->salt.len > 0)
        mu_writer_fail(w);
    put_kv(w, &k->kv);
}

static void put_mac(struct mu_writer *w, uint8_t alg, struct mu_bytes mac)
{
    const int len = mu_mikey_mac_len(alg);

    mu_write_u8(w, alg);
    if (len < 0 || mac.len != (size_t)len)
        mu_writer_fail(w);
    else
        mu_write_bytes(w, mac);
}

static void put_time(struct mu_writer *w, const struct mu_mikey_time *t)
{
    mu_write_u8(w, t->type);
    if (t->type == MU_MIKEY_NTP_UTC || t->type == MU_MIKEY_NTP)
        mu_write_u64(w, t->value);
    else if (t->type == MU_MIKEY_COUNTER && t->value <= UINT32_MAX)
        mu_write_u32(w, (uint32_t)t->value);
    else
        mu_writer_fail(w);
}

static void put_dh(struct mu_writer *w, const struct mu_mikey_payload *p)
{
    const size_t len = mu_mikey_dh_len(p->dh.group);

    mu_write_u8(w, p->dh.group);
    if (len == 0 || p->dh.value.len != len) {
        mu_writer_fail(w);
        return;
    }
    mu_write_bytes(w, p->dh.value);
    mu_write_u8(w, p->dh.kv.type);
    put_kv(w, &p->dh.kv);
}

/* Those with a type, a length of 16 bits and data. */
static void put_typed(struct mu_writer *w, uint8_t type, struct mu_bytes data)
{
    mu_write_u8(w, type);
    put_long(w, data);
}

static void put_sp(struct mu_writer *w, const struct mu_mikey_payload *p)
{
    if (!mu_mikey_params_ok(p->sp.params))
        mu_writer_fail(w);
    mu_write_u8(w, p->sp.policy);
    mu_write_u8(w, p->sp.protocol);
    put_long(w, p->sp.params);
}

static void put_chash(struct mu_writer *w, const struct mu_mikey_payload *p)
{
    const size_t len = mu_mikey_hash_len(p->chash.hash);

    mu_write_u8(w, p->chash.hash);
    if (len == 0 || p->chash.data.len != len)
        mu_writer_fail(w);
    mu_write_bytes(w, p->chash.data);
}

static void put_body(struct mu_writer *w, const struct mu_mikey_payload *p)
{
    switch (p->type) {
    case MU_MIKEY_KEMAC:
        put_typed(w, p->kemac.encr, p->kemac.data);
        put_mac(w, p->kemac.mac_alg, p->kemac.mac);
        break;
    case MU_MIKEY_PKE:
        mu_write_u16(w, (uint16_t)((size_t)p->pke.cache << 14 | p->pke.data.len));
        if (p->pke.cache > MU_MIKEY_CACHE_CSB)
            mu_writer_fail(w);
        put_sized(w, p->pke.data, 0x3fff);
        break;
    case MU_MIKEY_DH:
        put_dh(w, p);
        break;
    case MU_MIKEY_T:
        put_time(w, &p->t);
        break;
    case MU_MIKEY_ID:
        put_typed(w, p->id.type, p->id.data);
        break;
    case MU_MIKEY_CERT:
        put_typed(w, p->cert.type, p->cert.data);
        break;
    case MU_MIKEY_CHASH:
        put_chash(w, p);
        break;
    case MU_MIKEY_V:
        put_mac(w, p->v.mac_alg, p->v.mac);
        break;
    case MU_MIKEY_SP:
        put_sp(w, p);
        break;
    case MU_MIKEY_RAND:
        put_short(w, p->rand);
        break;
    case MU_MIKEY_ERR:
        mu_write_u8(w, p->err.number);
        mu_write_u16(w, 0);
        break;
    case MU_MIKEY_KEY_DATA:
        put_key_data(w, &p->key_data);
        break;
    case MU_MIKEY_EXT:
        put_typed(w, p->ext.type, p->ext.data);
        break;
    default:
        mu_writer_fail(w);
    }
}

void mu_mikey_payload_write(struct mu_writer *w,
                            const struct mu_mikey_payload *p, uint8_t next)
{
    if (p->type == MU_MIKEY_SIGN) {
        /* s.6.5: the only one without a successor, so without its field. */
        mu_write_u16(w,
                     (uint16_t)((size_t)p->sign.scheme << 12 | p->sign.signature.len));
        if (p->sign.scheme > MU_MIKEY_RSA_PSS || next != MU_MIKEY_LAST)
            mu_writer_fail(w);
        put_sized(w, p->sign.signature, 0xfff);
        return;
    }
    mu_write_u8(w, next);
    put_body(w, p);
}

void mu_mikey_begin(struct mu_mikey_writer *m, struct mu_writer *w,
                    const struct mu_mikey_header *header)
{
    *m = (struct mu_mikey_writer){
        .w = w, .start = w->len, .next_at = w->len + 2, .last_at = w->len};
    mu_mikey_header_write(w, header);
}

void mu_mikey_put(struct mu_mikey_writer *m,
                  const struct mu_mikey_payload *payload)
{
    if (m->w->failed)
        return;
    m->last_at = m->w->len;
    m->w->data[m->next_at] = payload->type;
    m->next_at = m->w->len;
    mu_mikey_payload_write(m->w, payload, MU_MIKEY_LAST);
}

struct mu_bytes mu_mikey_made(const struct mu_mikey_writer *m)
{
    if (m->w->failed)
        return mu_bytes(NULL, 0);
    return mu_bytes(m->w->data + m->start, m->w->len - m->start);
}

void mu_mikey_put_keys(struct mu_writer *w,
                       const struct mu_mikey_key_data *keys, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const struct mu_mikey_payload p = {.type = MU_MIKEY_KEY_DATA,
                                           .key_data = keys[i]};
        mu_mikey_payload_write(
            w, &p, i + 1 < len ? MU_MIKEY_KEY_DATA : MU_MIKEY_LAST);
    }
}
