/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed manifest, the signed cancel, the inline object, and what opens any
 * announce object; docs/wire-format.md s.5.1, s.5.3 and s.5.5.
 */
#include "cast/manifest.h"

#include "cast/page.h"
#include "muster/cbor.h"
#include "muster/cose.h"

#define KEY_ID_LEN 8 /* bytes of H(public key) that name it */

enum manifest_key {
    M_KIND, M_CAMPAIGN, M_GROUP, M_VERSION, M_SIZE, M_DIGEST, M_SHAPE,
    M_ROOTS, M_SESSION, M_KID, M_CEK, M_NAME, M_POINTER, M_EPOCH, M_DOWNGRADE,
    M_EDITION, M_REPROTECT, M_PART, M_PARTS, M_CONTENT_KIND, M_CONTENT,
    M_ACK_WAIT,
};

/* What a manifest must have; the rest may be absent. */
#define M_REQUIRED ((1u << M_DOWNGRADE) - 1)
/* What an inline object must have. */
#define M_INLINE                                                               \
    (1u << M_KIND | 1u << M_CAMPAIGN | 1u << M_GROUP | 1u << M_SESSION |       \
     1u << M_EPOCH | 1u << M_PART | 1u << M_PARTS | 1u << M_CONTENT_KIND |     \
     1u << M_CONTENT)

/* Signed payloads are built on the stack, beside the object they go into. */
#define MANIFEST_PAYLOAD_MAX 1024
#define INLINE_PAYLOAD_MAX (MU_INLINE_CONTENT_MAX + 64)

static int signer_args(const struct mu_crypto *c, const struct mu_signer *s,
                       uint8_t kid[MU_SHA256_LEN], struct mu_cose_args *a)
{
    struct mu_bytes pub = mu_bytes(s->pub, s->pub_len);

    if (s->alg != MU_ALG_ES256 && s->alg != MU_ALG_EDDSA)
        return MU_ERR_UNSUPPORTED;
    mu_sha256(c, &pub, 1, kid);
    *a = (struct mu_cose_args){
        .alg = s->alg,
        .kid = mu_bytes(kid, KEY_ID_LEN),
        .external_aad = mu_bytes_str("muster announce"),
    };
    return 0;
}

void mu_manifest_put_shape(struct mu_writer *w, const struct mu_cast_shape *s)
{
    mu_cbor_put_array(w, 4);
    mu_cbor_put_uint(w, s->payload);
    mu_cbor_put_uint(w, s->page_data);
    mu_cbor_put_uint(w, s->page_parity);
    mu_cbor_put_uint(w, s->hash_len);
}

void mu_manifest_get_shape(struct mu_reader *r, struct mu_cast_shape *s)
{
    mu_cbor_expect_array(r, 4);
    s->payload = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
    s->page_data = (uint16_t)mu_cbor_get_uint_max(r, MU_PAGE_DATA_MAX);
    s->page_parity = (uint16_t)mu_cbor_get_uint_max(r, MU_PAGE_PARITY_MAX);
    s->hash_len = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
}

void mu_manifest_put_kid(struct mu_writer *w, const struct mu_kid *kid)
{
    mu_cbor_put_bstr_head(w, MU_KID_LEN);
    mu_kid_write(w, kid);
}

void mu_manifest_get_kid(struct mu_reader *r, struct mu_kid *kid)
{
    uint8_t bytes[MU_KID_LEN];
    struct mu_reader in;

    mu_cbor_get_bstr_copy(r, bytes, sizeof(bytes));
    in = mu_reader(MU_BYTES(bytes));
    *kid = mu_kid_read(&in);
}

int mu_manifest_check_roots(const struct mu_manifest *m)
{
    struct mu_cast_page page;
    int rc = mu_cast_page_first(&m->shape, m->size, &page);

    if (rc == MU_ERR_TOO_LARGE)
        return rc;
    if (rc != 0 || m->roots.len != mu_page_hashes(&m->shape, &page))
        return MU_ERR_MALFORMED;
    return 0;
}

static int manifest_check(const struct mu_manifest *m)
{
    if (m->name.len == 0 || m->name.len > MU_NAME_MAX ||
        m->pointer.len > MU_ID_MAX + 8 || m->kid.kind != MU_KEY_KB)
        return MU_ERR_MALFORMED;
    return mu_manifest_check_roots(m);
}

static void manifest_write(const struct mu_manifest *m, struct mu_writer *w)
{
    mu_cbor_put_map(w, 14u + (m->downgrade ? 1 : 0) +
                           (m->edition != 0 ? 1 : 0) +
                           (m->reprotect ? 1 : 0) +
                           (m->ack_wait_s != 0 ? 1 : 0));
    mu_cbor_put_uint(w, M_KIND);
    mu_cbor_put_uint(w, MU_ANNOUNCE_MANIFEST);
    mu_cbor_put_uint(w, M_CAMPAIGN);
    mu_cbor_put_bstr(w, MU_BYTES(m->campaign));
    mu_cbor_put_uint(w, M_GROUP);
    mu_cbor_put_uint(w, m->group);
    mu_cbor_put_uint(w, M_VERSION);
    mu_cbor_put_uint(w, m->version);
    mu_cbor_put_uint(w, M_SIZE);
    mu_cbor_put_uint(w, m->size);
    mu_cbor_put_uint(w, M_DIGEST);
    mu_cbor_put_bstr(w, MU_BYTES(m->digest));
    mu_cbor_put_uint(w, M_SHAPE);
    mu_manifest_put_shape(w, &m->shape);
    mu_cbor_put_uint(w, M_ROOTS);
    mu_cbor_put_bstr(w, m->roots);
    mu_cbor_put_uint(w, M_SESSION);
    mu_cbor_put_uint(w, m->session);
    mu_cbor_put_uint(w, M_KID);
    mu_manifest_put_kid(w, &m->kid);
    mu_cbor_put_uint(w, M_CEK);
    mu_cbor_put_bstr(w, MU_BYTES(m->wrapped_cek));
    mu_cbor_put_uint(w, M_NAME);
    mu_cbor_put_tstr(w, m->name);
    mu_cbor_put_uint(w, M_POINTER);
    mu_cbor_put_tstr(w, m->pointer);
    mu_cbor_put_uint(w, M_EPOCH);
    mu_cbor_put_uint(w, m->epoch);
    if (m->downgrade) {
        mu_cbor_put_uint(w, M_DOWNGRADE);
        mu_cbor_put_bool(w, true);
    }
    if (m->edition != 0) {
        mu_cbor_put_uint(w, M_EDITION);
        mu_cbor_put_uint(w, m->edition);
    }
    if (m->reprotect) {
        mu_cbor_put_uint(w, M_REPROTECT);
        mu_cbor_put_bool(w, true);
    }
    if (m->ack_wait_s != 0) {
        mu_cbor_put_uint(w, M_ACK_WAIT);
        mu_cbor_put_uint(w, m->ack_wait_s);
    }
}

static int announce_sign(const struct mu_crypto *c,
                         const struct mu_signer *signer,
                         const struct mu_writer *payload, struct mu_writer *w)
{
    uint8_t kid[MU_SHA256_LEN];
    struct mu_cose_args args;
    int rc = mu_writer_end(payload);

    if (rc != 0)
        return rc == MU_ERR_NO_SPACE ? MU_ERR_TOO_LARGE : rc;
    rc = signer_args(c, signer, kid, &args);
    if (rc != 0)
        return rc;
    args.payload = mu_written(payload);
    return mu_cose_sign1_create(c, &args, &signer->priv, w);
}

int mu_manifest_create(const struct mu_crypto *c,
                       const struct mu_signer *signer,
                       const struct mu_manifest *m, struct mu_writer *w)
{
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    struct mu_writer out = mu_writer(payload, sizeof(payload));
    int rc = manifest_check(m);

    if (rc != 0)
        return rc == MU_ERR_MALFORMED ? MU_ERR_USAGE : rc;
    manifest_write(m, &out);
    return announce_sign(c, signer, &out, w);
}

int mu_cancel_create(const struct mu_crypto *c, const struct mu_signer *signer,
                     const uint8_t campaign[MU_CAMPAIGN_ID],
                     struct mu_writer *w)
{
    uint8_t payload[16];
    struct mu_writer out = mu_writer(payload, sizeof(payload));

    mu_cbor_put_map(&out, 2);
    mu_cbor_put_uint(&out, M_KIND);
    mu_cbor_put_uint(&out, MU_ANNOUNCE_CANCEL);
    mu_cbor_put_uint(&out, M_CAMPAIGN);
    mu_cbor_put_bstr(&out, mu_bytes(campaign, MU_CAMPAIGN_ID));
    return announce_sign(c, signer, &out, w);
}

static bool inline_fits(uint16_t part, uint16_t parts, uint8_t content_kind,
                        size_t len)
{
    return part < parts && content_kind != 0 && len > 0 &&
           len <= MU_INLINE_CONTENT_MAX;
}

int mu_inline_create(const struct mu_crypto *c, const struct mu_signer *signer,
                     const struct mu_inline *m, struct mu_writer *w)
{
    uint8_t payload[INLINE_PAYLOAD_MAX];
    struct mu_writer out = mu_writer(payload, sizeof(payload));

    if (!inline_fits(m->part, m->parts, m->content_kind, m->content.len))
        return MU_ERR_USAGE;
    mu_cbor_put_map(&out, 9);
    mu_cbor_put_uint(&out, M_KIND);
    mu_cbor_put_uint(&out, MU_ANNOUNCE_INLINE);
    mu_cbor_put_uint(&out, M_CAMPAIGN);
    mu_cbor_put_bstr(&out, MU_BYTES(m->campaign));
    mu_cbor_put_uint(&out, M_GROUP);
    mu_cbor_put_uint(&out, m->group);
    mu_cbor_put_uint(&out, M_SESSION);
    mu_cbor_put_uint(&out, m->session);
    mu_cbor_put_uint(&out, M_EPOCH);
    mu_cbor_put_uint(&out, m->epoch);
    mu_cbor_put_uint(&out, M_PART);
    mu_cbor_put_uint(&out, m->part);
    mu_cbor_put_uint(&out, M_PARTS);
    mu_cbor_put_uint(&out, m->parts);
    mu_cbor_put_uint(&out, M_CONTENT_KIND);
    mu_cbor_put_uint(&out, m->content_kind);
    mu_cbor_put_uint(&out, M_CONTENT);
    mu_cbor_put_bstr(&out, m->content);
    return announce_sign(c, signer, &out, w);
}

/* ---- reading ---- */

static void inline_read_value(struct mu_reader *r, int64_t key,
                              struct mu_manifest *m)
{
    switch (key) {
    case M_PART:
        m->part = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case M_PARTS:
        m->parts = (uint16_t)mu_cbor_get_uint_max(r, UINT16_MAX);
        break;
    case M_CONTENT_KIND:
        m->content_kind = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        break;
    case M_CONTENT:
        m->content = mu_cbor_get_bstr(r);
        break;
    default:
        mu_cbor_skip(r);
        break;
    }
}

static void manifest_read_value(struct mu_reader *r, int64_t key,
                                uint64_t *kind, struct mu_manifest *m)
{
    switch (key) {
    case M_KIND:
        *kind = mu_cbor_get_uint(r);
        break;
    case M_CAMPAIGN:
        mu_cbor_get_bstr_copy(r, m->campaign, sizeof(m->campaign));
        break;
    case M_GROUP:
        m->group = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case M_VERSION:
        m->version = mu_cbor_get_uint(r);
        break;
    case M_SIZE:
        m->size = mu_cbor_get_uint(r);
        break;
    case M_DIGEST:
        mu_cbor_get_bstr_copy(r, m->digest, sizeof(m->digest));
        break;
    case M_SHAPE:
        mu_manifest_get_shape(r, &m->shape);
        break;
    case M_ROOTS:
        m->roots = mu_cbor_get_bstr(r);
        break;
    case M_SESSION:
        m->session = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        break;
    case M_KID:
        mu_manifest_get_kid(r, &m->kid);
        break;
    case M_CEK:
        mu_cbor_get_bstr_copy(r, m->wrapped_cek, sizeof(m->wrapped_cek));
        break;
    case M_NAME:
        m->name = mu_cbor_get_tstr(r);
        break;
    case M_POINTER:
        m->pointer = mu_cbor_get_tstr(r);
        break;
    case M_EPOCH:
        m->epoch = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case M_DOWNGRADE:
        m->downgrade = mu_cbor_get_bool(r);
        break;
    case M_EDITION:
        m->edition = (uint32_t)mu_cbor_get_uint_max(r, UINT32_MAX);
        break;
    case M_REPROTECT:
        m->reprotect = mu_cbor_get_bool(r);
        break;
    case M_ACK_WAIT:
        m->ack_wait_s = (uint8_t)mu_cbor_get_uint_max(r, UINT8_MAX);
        break;
    default:
        inline_read_value(r, key, m);
        break;
    }
}

/* Whether the fields of this kind are there and go together. */
static int manifest_complete(uint64_t is, uint32_t seen,
                             const struct mu_manifest *m)
{
    switch (is) {
    case MU_ANNOUNCE_CANCEL:
        return (seen & 3) == 3 ? 0 : MU_ERR_MALFORMED;
    case MU_ANNOUNCE_MANIFEST:
        return (seen & M_REQUIRED) == M_REQUIRED ? manifest_check(m)
                                                 : MU_ERR_MALFORMED;
    case MU_ANNOUNCE_INLINE:
        return (seen & M_INLINE) == M_INLINE &&
                       inline_fits(m->part, m->parts, m->content_kind,
                                   m->content.len)
                   ? 0
                   : MU_ERR_MALFORMED;
    default:
        return is > MU_ANNOUNCE_INLINE ? MU_ERR_UNSUPPORTED : MU_ERR_MALFORMED;
    }
}

static int manifest_read(struct mu_bytes payload, enum mu_announce_kind *kind,
                         struct mu_manifest *m)
{
    struct mu_reader r = mu_reader(payload);
    struct mu_cbor_map map = mu_cbor_get_map(&r);
    uint64_t is = 0;
    uint32_t seen = 0;
    int64_t key;
    int rc;

    *m = (struct mu_manifest){0};
    while (mu_cbor_map_next(&r, &map, &key)) {
        if (key >= 0 && key <= M_CONTENT)
            seen |= 1u << key;
        manifest_read_value(&r, key, &is, m);
    }
    rc = mu_reader_end(&r);
    if (rc == 0)
        rc = manifest_complete(is, seen, m);
    if (rc == 0)
        *kind = (enum mu_announce_kind)is;
    return rc;
}

int mu_announce_peek(struct mu_bytes object, enum mu_announce_kind *kind,
                     struct mu_manifest *m)
{
    struct mu_cose cose;
    int rc;

    if (object.len > MU_ANNOUNCE_MAX)
        return MU_ERR_TOO_LARGE;
    rc = mu_cose_decode(object, &cose);
    if (rc != 0)
        return rc;
    return cose.kind == MU_COSE_SIGN1 ? manifest_read(cose.content, kind, m)
                                      : MU_ERR_UNSUPPORTED;
}

int mu_manifest_consume_signed(const struct mu_crypto *c,
                               const struct mu_signer *server,
                               struct mu_bytes object,
                               enum mu_announce_kind *kind,
                               struct mu_manifest *m)
{
    uint8_t kid[MU_SHA256_LEN];
    struct mu_cose_args args;
    struct mu_bytes payload;
    int rc = signer_args(c, server, kid, &args);

    if (rc != 0)
        return rc;
    rc = mu_cose_sign1_consume(c, &args, mu_bytes(server->pub, server->pub_len),
                               object, &payload);
    if (rc != 0)
        return rc;
    return manifest_read(payload, kind, m);
}

int mu_announce_consume(const struct mu_crypto *c,
                        const struct mu_signer *server,
                        const struct mu_secret *kg, struct mu_bytes object,
                        enum mu_announce_kind *kind, struct mu_manifest *m)
{
    struct mu_cose cose;
    int rc;

    if (object.len > MU_ANNOUNCE_MAX)
        return MU_ERR_TOO_LARGE;
    rc = mu_cose_decode(object, &cose);
    if (rc != 0)
        return rc;
    if (cose.kind == MU_COSE_SIGN1)
        return mu_manifest_consume_signed(c, server, object, kind, m);
    if (cose.kind != MU_COSE_MAC0)
        return MU_ERR_UNSUPPORTED;
    if (kg == NULL)
        return MU_ERR_UNKNOWN_KEY;
    return mu_relay_consume(c, server, kg, object, kind, m);
}

/* ---- content keys ---- */

#define CEK_LEN 16 /* bytes: AES-128 */

static int cek_kek(const struct mu_crypto *c, const struct mu_secret *kb,
                   struct mu_secret *kek)
{
    return mu_kdf(c, kb, "kek", mu_bytes(NULL, 0), 16, kek);
}

int mu_cek_wrap(const struct mu_crypto *c, const struct mu_secret *kb,
                const struct mu_secret *cek, uint8_t out[24])
{
    struct mu_secret kek;
    int rc;

    if (cek->len != CEK_LEN)
        return MU_ERR_USAGE;
    rc = cek_kek(c, kb, &kek);
    if (rc == 0)
        rc = mu_key_wrap(c, &kek, mu_secret_view(cek), out);
    mu_secret_clear(&kek);
    return rc;
}

int mu_cek_unwrap(const struct mu_crypto *c, const struct mu_secret *kb,
                  const uint8_t in[24], struct mu_secret *cek)
{
    struct mu_secret kek;
    uint8_t key[CEK_LEN];
    int rc = cek_kek(c, kb, &kek);

    if (rc == 0)
        rc = mu_key_unwrap(c, &kek, mu_bytes(in, 24), key);
    if (rc == 0)
        rc = mu_secret_set(cek, MU_BYTES(key));
    mu_wipe(key, sizeof(key));
    mu_secret_clear(&kek);
    return rc;
}
