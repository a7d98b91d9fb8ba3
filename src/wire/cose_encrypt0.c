/* SPDX-License-Identifier: Apache-2.0 */
/* COSE_Encrypt0: encrypted under a key both know (RFC 9052 s.5.2, s.5.3). */
#include "wire/cose.h"

static bool encrypt0_has(enum mu_alg alg)
{
    return mu_alg_nonce_len(alg) != 0;
}

/* Enc_structure (s.5.3): ["Encrypt0", protected, external_aad]. */
static int encrypt0_aad(uint8_t *to, struct mu_bytes header,
                        struct mu_bytes external_aad, struct mu_bytes *aad)
{
    struct mu_writer w = mu_writer(to, MU_COSE_ENC_STRUCTURE_MAX);

    mu_cbor_put_array(&w, 3);
    mu_cbor_put_str(&w, "Encrypt0");
    mu_cbor_put_bstr(&w, header);
    mu_cbor_put_bstr(&w, external_aad);
    *aad = mu_written(&w);
    return mu_writer_end(&w) == 0 ? 0 : MU_ERR_TOO_LARGE;
}

int mu_cose_encrypt0_create(const struct mu_crypto *c,
                            const struct mu_cose_args *a,
                            const struct mu_secret *key, struct mu_writer *w)
{
    uint8_t structure[MU_COSE_ENC_STRUCTURE_MAX];
    struct mu_writer draft = *w;
    struct cose_header header;
    struct mu_aead aead = {.alg = a->alg, .key = key, .nonce = a->iv};
    size_t len = a->payload.len + mu_alg_tag_len(a->alg);

    if (!encrypt0_has(a->alg))
        return MU_ERR_UNSUPPORTED;
    if (a->detached || a->iv.len != mu_alg_nonce_len(a->alg))
        return MU_ERR_USAGE;
    cose_header_make(&header, a->alg);
    int rc = encrypt0_aad(structure, cose_header_view(&header),
                          a->external_aad, &aead.aad);
    if (rc != 0)
        return rc;
    cose_head_put(&draft, MU_COSE_ENCRYPT0, 3, &header, a->kid,
                  a->iv_implicit ? mu_bytes(NULL, 0) : a->iv);
    mu_cbor_put_bstr_head(&draft, len);
    uint8_t *ciphertext = mu_write_room(&draft, len);
    if (ciphertext == NULL)
        return MU_ERR_NO_SPACE;
    size_t sealed;
    rc = c->seal(c->ctx, &aead, a->payload, ciphertext, &sealed);
    if (rc != 0)
        return rc;
    *w = draft;
    return 0;
}

/* The nonce: the message's or the caller's, and if both have one, the same. */
static int encrypt0_nonce(const struct mu_cose_args *a, const struct mu_cose *m,
                          struct mu_bytes *nonce)
{
    if (m->iv.len != 0 && a->iv.len != 0 && !mu_bytes_eq(m->iv, a->iv))
        return MU_ERR_MALFORMED;
    *nonce = m->iv.len != 0 ? m->iv : a->iv;
    return nonce->len == mu_alg_nonce_len(a->alg) ? 0 : MU_ERR_MALFORMED;
}

int mu_cose_encrypt0_consume(const struct mu_crypto *c,
                             const struct mu_cose_args *a,
                             const struct mu_secret *key, struct mu_bytes in,
                             struct mu_writer *w, struct mu_bytes *payload)
{
    uint8_t structure[MU_COSE_ENC_STRUCTURE_MAX];
    struct mu_writer draft = *w;
    struct mu_aead aead = {.alg = a->alg, .key = key};
    struct mu_cose m;

    *payload = mu_bytes(NULL, 0);
    if (!encrypt0_has(a->alg))
        return MU_ERR_UNSUPPORTED;
    int rc = cose_open(in, MU_COSE_ENCRYPT0, a, &m);
    if (rc == 0)
        rc = encrypt0_nonce(a, &m, &aead.nonce);
    if (rc == 0)
        rc = encrypt0_aad(structure, m.protected_header, a->external_aad,
                          &aead.aad);
    if (rc != 0)
        return rc;
    size_t tag_len = mu_alg_tag_len(a->alg);
    if (m.content.len < tag_len)
        return MU_ERR_MALFORMED;
    size_t len = m.content.len - tag_len;
    uint8_t none;
    uint8_t *plain = len == 0 ? &none : mu_write_room(&draft, len);
    if (plain == NULL)
        return MU_ERR_NO_SPACE;
    size_t opened;
    rc = c->open(c->ctx, &aead, m.content, plain, &opened);
    if (rc != 0)
        return rc;
    *w = draft;
    *payload = mu_bytes(len == 0 ? NULL : plain, opened);
    return 0;
}
