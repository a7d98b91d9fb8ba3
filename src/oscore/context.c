/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE: the security context, nonces and AAD (RFC 8613 s.3, s.5). */
#include "oscore/oscore.h"

#include "muster/cbor.h"

/* info (s.3.2.1): array, id, id_context, alg, "Key" or "IV", length. */
#define OSCORE_INFO_MAX 36

struct mu_bytes oscore_id_view(const struct mu_oscore_id *id)
{
    return mu_bytes(id->bytes, id->len);
}

static int id_set(struct mu_oscore_id *id, struct mu_bytes from)
{
    if (from.len > MU_OSCORE_ID_MAX)
        return MU_ERR_USAGE;
    mu_copy(id->bytes, from.data, from.len);
    id->len = (uint8_t)from.len;
    return 0;
}

/* s.3.2.1: one output of HKDF-Expand. */
static int context_expand(const struct mu_oscore *o, const struct mu_crypto *c,
                          const uint8_t prk[32], struct mu_bytes id,
                          const char *type, uint8_t *out, size_t out_len)
{
    uint8_t info[OSCORE_INFO_MAX];
    struct mu_writer w = mu_writer(info, sizeof info);

    mu_cbor_put_array(&w, 5);
    mu_cbor_put_bstr(&w, id);
    if (o->has_id_context)
        mu_cbor_put_bstr(&w, mu_bytes(o->id_context, o->id_context_len));
    else
        mu_cbor_put_null(&w);
    mu_cbor_put_int(&w, MU_ALG_AES_CCM_16_64_128);
    mu_cbor_put_str(&w, type);
    mu_cbor_put_uint(&w, out_len);
    int rc = mu_writer_end(&w);
    if (rc != 0)
        return rc;
    return mu_hkdf_expand(c, mu_bytes(prk, 32), mu_written(&w), out, out_len);
}

static int context_key(const struct mu_oscore *o, const struct mu_crypto *c,
                       const uint8_t prk[32], const struct mu_oscore_id *id,
                       struct mu_secret *key)
{
    uint8_t bytes[MU_OSCORE_KEY_LEN];
    int rc = context_expand(o, c, prk, oscore_id_view(id), "Key", bytes,
                            sizeof bytes);

    if (rc == 0)
        rc = mu_secret_set(key, mu_bytes(bytes, sizeof bytes));
    mu_wipe(bytes, sizeof bytes);
    return rc;
}

static int context_derive(struct mu_oscore *o, const struct mu_crypto *c,
                          const struct mu_oscore_params *p)
{
    uint8_t prk[32];
    int rc = mu_hkdf_extract(c, p->master_salt, p->master_secret, prk);

    if (rc == 0)
        rc = context_key(o, c, prk, &o->sender_id, &o->sender_key);
    if (rc == 0)
        rc = context_key(o, c, prk, &o->recipient_id, &o->recipient_key);
    if (rc == 0)
        rc = context_expand(o, c, prk, mu_bytes(NULL, 0), "IV", o->common_iv,
                            sizeof o->common_iv);
    mu_wipe(prk, sizeof prk);
    return rc;
}

int mu_oscore_init(struct mu_oscore *o, const struct mu_crypto *c,
                   const struct mu_oscore_params *p)
{
    mu_zero(o, sizeof *o);
    if (p->master_secret.len == 0)
        return MU_ERR_USAGE;
    /* s.3.3: with equal ids both sides would use the same key and nonces. */
    if (mu_bytes_eq(p->sender_id, p->recipient_id))
        return MU_ERR_USAGE;
    if (id_set(&o->sender_id, p->sender_id) != 0
        || id_set(&o->recipient_id, p->recipient_id) != 0)
        return MU_ERR_USAGE;
    if (p->has_id_context) {
        if (p->id_context.len > MU_OSCORE_ID_CONTEXT_MAX)
            return MU_ERR_USAGE;
        mu_copy(o->id_context, p->id_context.data, p->id_context.len);
        o->id_context_len = (uint8_t)p->id_context.len;
        o->has_id_context = true;
        o->send_id_context = true;
    }
    o->seq_end = MU_OSCORE_SEQ_END;
    mu_window_init(&o->window);
    int rc = context_derive(o, c, p);
    if (rc != 0)
        mu_oscore_clear(o);
    return rc;
}

void mu_oscore_clear(struct mu_oscore *o)
{
    mu_wipe(o, sizeof *o);
}

void oscore_aad_make(struct oscore_aad *aad,
                     const struct mu_oscore_request *req)
{
    struct mu_writer w = mu_writer(aad->bytes, sizeof aad->bytes);
    struct mu_bytes kid = oscore_id_view(&req->kid);
    struct mu_bytes piv = mu_bytes(req->piv, req->piv_len);

    mu_cbor_put_array(&w, 3);
    mu_cbor_put_str(&w, "Encrypt0");
    mu_cbor_put_bstr(&w, mu_bytes(NULL, 0));
    /* Ids and PIVs are below 24 bytes, so their heads are one byte each. */
    mu_cbor_put_bstr_head(&w, 7 + kid.len + piv.len);
    mu_cbor_put_array(&w, 5);
    mu_cbor_put_uint(&w, 1); /* oscore_version */
    mu_cbor_put_array(&w, 1);
    mu_cbor_put_int(&w, MU_ALG_AES_CCM_16_64_128);
    mu_cbor_put_bstr(&w, kid);
    mu_cbor_put_bstr(&w, piv);
    mu_cbor_put_bstr(&w, mu_bytes(NULL, 0)); /* class I options: none exist */
    aad->len = mu_written(&w).len;
}

void oscore_nonce_make(uint8_t nonce[MU_OSCORE_NONCE_LEN],
                       const struct mu_oscore *o,
                       const struct mu_oscore_id *id, struct mu_bytes piv)
{
    mu_zero(nonce, MU_OSCORE_NONCE_LEN);
    nonce[0] = id->len;
    mu_copy(nonce + 1 + MU_OSCORE_ID_MAX - id->len, id->bytes, id->len);
    mu_copy(nonce + MU_OSCORE_NONCE_LEN - piv.len, piv.data, piv.len);
    for (size_t i = 0; i < MU_OSCORE_NONCE_LEN; i++)
        nonce[i] ^= o->common_iv[i];
}

size_t oscore_piv_put(uint8_t piv[MU_OSCORE_PIV_MAX], uint64_t seq)
{
    size_t len = 1;

    while (len < MU_OSCORE_PIV_MAX && seq >> (8 * len) != 0)
        len++;
    for (size_t i = len; i-- > 0; seq >>= 8)
        piv[i] = (uint8_t)seq;
    return len;
}

uint64_t oscore_piv_get(struct mu_bytes piv)
{
    uint64_t seq = 0;

    for (size_t i = 0; i < piv.len; i++)
        seq = seq << 8 | piv.data[i];
    return seq;
}

bool oscore_is_outer(uint16_t number)
{
    switch (number) {
    case MU_COAP_URI_HOST:
    case MU_COAP_URI_PORT:
    case MU_COAP_HOP_LIMIT:
    case MU_COAP_PROXY_URI:
    case MU_COAP_PROXY_SCHEME:
        return true;
    default:
        return false;
    }
}
