/* SPDX-License-Identifier: Apache-2.0 */
/* The KEMAC payload: keys in, keys out, and its MAC (RFC 3830 s.5.2, 6.2). */
#include "mikey/internal.h"

static struct mu_mikey_key_data kemac_data(const struct mu_mikey_key *k)
{
    struct mu_mikey_key_data d = {
        .type = k->type,
        .key = mu_bytes(k->bytes, k->len),
        .salt = mu_bytes(k->salt, k->salt_len),
        .kv = {.type = k->kv, .a = mu_bytes(k->from, k->from_len)},
    };

    if (k->kv == MU_MIKEY_KV_INTERVAL)
        d.kv.b = mu_bytes(k->to, k->to_len);
    return d;
}

/* The plain text: [ID], {key data}. */
static void kemac_plain(const struct mu_mikey_session *s,
                        const struct mu_mikey_name *name, struct mu_writer *w)
{
    struct mu_mikey_key_data data[MU_MIKEY_KEYS_MAX];

    if (name != NULL) {
        const struct mu_mikey_payload id = {
            .type = MU_MIKEY_ID, .id = {name->type, mu_mikey_name_view(name)}};
        mu_mikey_payload_write(w, &id,
                               s->keys_len > 0 ? MU_MIKEY_KEY_DATA
                                               : MU_MIKEY_LAST);
    }
    for (uint8_t i = 0; i < s->keys_len; i++)
        data[i] = kemac_data(&s->keys[i]);
    mu_mikey_put_keys(w, data, s->keys_len);
}

/* What the MAC is over; mac_len bytes at the end of the message are it. */
static size_t kemac_cover(const struct mu_mikey_session *s,
                          enum mu_mikey_cover cover, struct mu_bytes text,
                          uint8_t t[8], struct mu_bytes parts[MU_MIKEY_BOUND])
{
    parts[0] = text;
    if (cover != MU_COVER_ANSWER)
        return 1;
    mu_mikey_bound(s, t, parts);
    return MU_MIKEY_BOUND;
}

int mu_mikey_kemac_put(const struct mu_crypto *c,
                       const struct mu_mikey_session *s,
                       const struct mu_mikey_msg_keys *k,
                       const struct mu_mikey_name *name,
                       enum mu_mikey_cover cover, struct mu_mikey_writer *m)
{
    static const uint8_t no_mac[MU_MIKEY_MAC_MAX];
    const int mac_len = mu_mikey_mac_len(s->mac);
    uint8_t plain[MU_MIKEY_PLAIN_MAX];
    uint8_t data[MU_MIKEY_PLAIN_MAX + 16];
    uint8_t mac[MU_MIKEY_MAC_MAX];
    uint8_t t[8];
    struct mu_bytes parts[MU_MIKEY_BOUND];
    struct mu_writer p = mu_writer(plain, sizeof plain);
    size_t len = 0;
    int rc;

    if (mac_len < 0)
        return MU_ERR_UNSUPPORTED;
    kemac_plain(s, name, &p);
    rc = mu_writer_end(&p);
    if (rc == 0 && p.len > 0)
        rc = mu_mikey_encrypt(c, k, s->encr, s->header.csb, &s->time,
                              mu_written(&p), data, &len);
    if (rc == 0) {
        mu_mikey_put(m, &(struct mu_mikey_payload){
                            .type = MU_MIKEY_KEMAC,
                            .kemac = {s->encr, mu_bytes(data, len), s->mac,
                                      mu_bytes(no_mac, (size_t)mac_len)}});
        rc = mu_writer_end(m->w);
    }
    if (rc == 0) {
        const size_t from = cover == MU_COVER_KEMAC ? m->last_at : m->start;
        const size_t end = m->w->len - (size_t)mac_len;
        const size_t n = kemac_cover(
            s, cover, mu_bytes(m->w->data + from, end - from), t, parts);
        rc = mu_mikey_mac(c, &k->auth, s->mac, parts, n, mac);
        if (rc == 0)
            mu_copy(m->w->data + end, mac, (size_t)mac_len);
    }
    mu_wipe(plain, sizeof plain);
    mu_wipe(data, sizeof data);
    mu_wipe(mac, sizeof mac);
    return rc;
}

int mu_mikey_kemac_check(const struct mu_crypto *c,
                         const struct mu_mikey_session *s,
                         const struct mu_mikey_msg_keys *k,
                         enum mu_mikey_cover cover,
                         const struct mu_mikey_message *m)
{
    const struct mu_mikey_payload *p = m->kemac;
    uint8_t head[4];
    uint8_t t[8];
    struct mu_bytes parts[MU_MIKEY_BOUND];
    size_t n;

    if (cover == MU_COVER_KEMAC) {
        /* Alone, and as if nothing came behind: the sender made the MAC before
         * it knew what would. */
        struct mu_writer w = mu_writer(head, sizeof head);
        mu_write_u8(&w, MU_MIKEY_LAST);
        mu_write_u8(&w, p->kemac.encr);
        mu_write_u16(&w, (uint16_t)p->kemac.data.len);
        parts[0] = mu_written(&w);
        parts[1] = p->kemac.data;
        parts[2] = mu_bytes(&p->kemac.mac_alg, 1);
        n = 3;
    } else {
        n = kemac_cover(s, cover,
                        mu_bytes(m->in.data, m->in.len - p->kemac.mac.len), t,
                        parts);
    }
    return mu_mikey_mac_check(c, &k->auth, p->kemac.mac_alg, parts, n,
                              p->kemac.mac);
}

static int kemac_keep(struct mu_mikey_session *s,
                      const struct mu_mikey_key_data *d)
{
    struct mu_mikey_key *k = &s->keys[s->keys_len];

    if (s->keys_len == MU_MIKEY_KEYS_MAX || d->key.len > sizeof k->bytes ||
        d->salt.len > sizeof k->salt || d->kv.a.len > sizeof k->from ||
        d->kv.b.len > sizeof k->to)
        return MU_ERR_TOO_LARGE;
    if (d->key.len == 0)
        return MU_ERR_MALFORMED;
    *k = (struct mu_mikey_key){.type = d->type,
                               .len = (uint8_t)d->key.len,
                               .salt_len = (uint8_t)d->salt.len,
                               .kv = d->kv.type,
                               .from_len = (uint8_t)d->kv.a.len,
                               .to_len = (uint8_t)d->kv.b.len};
    mu_copy(k->bytes, d->key.data, d->key.len);
    mu_copy(k->salt, d->salt.data, d->salt.len);
    mu_copy(k->from, d->kv.a.data, d->kv.a.len);
    mu_copy(k->to, d->kv.b.data, d->kv.b.len);
    s->keys_len++;
    return 0;
}

/* The padding of AES-KW: less than one block, all zero. */
static int kemac_padding(struct mu_reader *r, uint8_t encr)
{
    if (encr != MU_MIKEY_ENCR_AES_KW)
        return mu_reader_end(r);
    if (mu_reader_left(r) >= 8)
        return MU_ERR_MALFORMED;
    while (mu_reader_left(r) > 0) {
        if (mu_read_u8(r) != 0)
            return MU_ERR_MALFORMED;
    }
    return mu_reader_end(r);
}

static int kemac_read(struct mu_mikey_session *s, struct mu_mikey_name *name,
                      struct mu_bytes plain)
{
    struct mu_reader r = mu_reader(plain);
    struct mu_mikey_payload p;
    uint8_t next = MU_MIKEY_KEY_DATA;
    int rc = 0;

    if (name != NULL) {
        rc = mu_mikey_payload_read(&r, MU_MIKEY_ID, &p, &next);
        if (rc == 0)
            rc = mu_mikey_name_set(name, p.id.type, p.id.data);
    }
    while (rc == 0 && next != MU_MIKEY_LAST) {
        if (next != MU_MIKEY_KEY_DATA)
            return MU_ERR_MALFORMED;
        rc = mu_mikey_payload_read(&r, next, &p, &next);
        if (rc == 0)
            rc = kemac_keep(s, &p.key_data);
    }
    if (rc == 0)
        rc = kemac_padding(&r, s->encr);
    mu_wipe(&p, sizeof p);
    return rc != 0 ? rc : s->keys_len > 0 ? 0 : MU_ERR_MALFORMED;
}

int mu_mikey_kemac_open(const struct mu_crypto *c, struct mu_mikey_session *s,
                        const struct mu_mikey_msg_keys *k,
                        struct mu_mikey_name *name,
                        const struct mu_mikey_message *m)
{
    uint8_t plain[MU_MIKEY_PLAIN_MAX + 16];
    const struct mu_bytes data = m->kemac->kemac.data;
    size_t len = 0;
    int rc;

    if (data.len > sizeof plain)
        return MU_ERR_TOO_LARGE;
    if (data.len == 0)
        return MU_ERR_MALFORMED;
    rc = mu_mikey_decrypt(c, k, s->encr, s->header.csb, &s->time, data, plain,
                          &len);
    if (rc == 0)
        rc = kemac_read(s, name, mu_bytes(plain, len));
    mu_wipe(plain, sizeof plain);
    return rc;
}
