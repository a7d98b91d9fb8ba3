/* SPDX-License-Identifier: Apache-2.0 */
/* COSE: headers, the structures that are authenticated, and decoding. */
#include "wire/cose.h"

/* Header labels (RFC 9052 s.3.1). */
enum {
    LABEL_ALG = 1,
    LABEL_CRIT = 2,
    LABEL_KID = 4,
    LABEL_IV = 5,
    LABEL_PARTIAL_IV = 6,
};

size_t mu_alg_nonce_len(enum mu_alg alg)
{
    if (alg == MU_ALG_A128GCM)
        return 12;
    return alg == MU_ALG_AES_CCM_16_64_128 ? 13 : 0;
}

size_t mu_alg_tag_len(enum mu_alg alg)
{
    if (alg == MU_ALG_A128GCM)
        return 16;
    if (alg == MU_ALG_HMAC256)
        return 32;
    /* 2^-64 a try: RFC 9053 s.3.1 and s.4.2, for small messages. */
    return alg == MU_ALG_AES_CCM_16_64_128 || alg == MU_ALG_HMAC256_64 ? 8 : 0;
}

void cose_header_make(struct cose_header *h, enum mu_alg alg)
{
    struct mu_writer w = mu_writer(h->bytes, sizeof h->bytes);

    mu_cbor_put_map(&w, 1);
    mu_cbor_put_uint(&w, LABEL_ALG);
    mu_cbor_put_int(&w, alg);
    h->len = mu_written(&w).len;
}

struct mu_bytes cose_header_view(const struct cose_header *h)
{
    return mu_bytes(h->bytes, h->len);
}

void cose_head_put(struct mu_writer *w, enum mu_cose_kind kind, size_t items,
                   const struct cose_header *h, struct mu_bytes kid,
                   struct mu_bytes iv)
{
    mu_cbor_put_tag(w, kind);
    mu_cbor_put_array(w, items);
    mu_cbor_put_bstr(w, cose_header_view(h));
    mu_cbor_put_map(w, (size_t)(kid.len != 0) + (size_t)(iv.len != 0));
    if (kid.len != 0) {
        mu_cbor_put_uint(w, LABEL_KID);
        mu_cbor_put_bstr(w, kid);
    }
    if (iv.len != 0) {
        mu_cbor_put_uint(w, LABEL_IV);
        mu_cbor_put_bstr(w, iv);
    }
}

void cose_payload_put(struct mu_writer *w, const struct mu_cose_args *a)
{
    if (a->detached)
        mu_cbor_put_null(w);
    else
        mu_cbor_put_bstr(w, a->payload);
}

void cose_parts_make(struct cose_parts *p, const char *context,
                     struct mu_bytes header, struct mu_bytes external_aad,
                     struct mu_bytes payload)
{
    struct mu_writer prefix = mu_writer(p->prefix, sizeof p->prefix);
    struct mu_writer aad = mu_writer(p->aad_head, sizeof p->aad_head);
    struct mu_writer body = mu_writer(p->payload_head, sizeof p->payload_head);

    mu_cbor_put_array(&prefix, 4);
    mu_cbor_put_str(&prefix, context);
    mu_cbor_put_bstr_head(&prefix, header.len);
    mu_cbor_put_bstr_head(&aad, external_aad.len);
    mu_cbor_put_bstr_head(&body, payload.len);
    p->parts[0] = mu_written(&prefix);
    p->parts[1] = header;
    p->parts[2] = mu_written(&aad);
    p->parts[3] = external_aad;
    p->parts[4] = mu_written(&body);
    p->parts[5] = payload;
}

/* What was seen in the two buckets. */
struct header_walk {
    bool has_alg;
    bool refused;   /* something that we do not do */
    bool malformed; /* something that must not be there, or not like this */
};

/* A value that may come once in either bucket, and never empty: an empty view
 * says that there is none. */
static void header_bytes(struct mu_reader *r, struct header_walk *walk,
                         struct mu_bytes *v)
{
    bool again = v->len != 0;

    *v = mu_cbor_get_bstr(r);
    walk->malformed |= again || v->len == 0;
}

static void header_alg(struct mu_reader *r, bool is_protected,
                       struct header_walk *walk, struct mu_cose *m)
{
    /* RFC 9052 allows alg outside; then it could be changed unnoticed. */
    walk->malformed |= !is_protected;
    walk->has_alg = true;
    if (mu_cbor_peek(r) == MU_CBOR_TSTR) {
        walk->refused = true;
        mu_cbor_skip(r);
        return;
    }
    int64_t alg = mu_cbor_get_int(r);
    /* Beyond an int it would come out as another number. */
    if (alg < INT32_MIN || alg > INT32_MAX)
        walk->refused = true;
    else
        m->alg = (enum mu_alg)alg;
}

/* One bucket. */
static void header_get(struct mu_reader *r, bool is_protected,
                       struct header_walk *walk, struct mu_cose *m)
{
    struct mu_cbor_map map = mu_cbor_get_map(r);
    struct mu_bytes key;

    while (mu_cbor_map_next_any(r, &map, &key)) {
        struct mu_reader k = mu_reader(key);
        /* A label is an integer or text (s.1.5); ours are all positive. */
        walk->malformed |= mu_cbor_peek(&k) == MU_CBOR_BSTR;
        bool number = mu_cbor_peek(&k) == MU_CBOR_UINT;
        switch (number ? mu_cbor_get_uint(&k) : 0) {
        case LABEL_ALG:
            header_alg(r, is_protected, walk, m);
            break;
        case LABEL_KID:
            header_bytes(r, walk, &m->kid);
            break;
        case LABEL_IV:
            header_bytes(r, walk, &m->iv);
            break;
        case LABEL_CRIT:
        case LABEL_PARTIAL_IV:
            walk->refused = true;
            mu_cbor_skip(r);
            break;
        default:
            mu_cbor_skip(r);
            break;
        }
    }
}

/* RFC 9052 s.4.2, s.5.2, s.6.2: the arrays of the three messages. */
static size_t kind_items(uint64_t tag)
{
    switch (tag) {
    case MU_COSE_SIGN1:
    case MU_COSE_MAC0:
        return 4;
    case MU_COSE_ENCRYPT0:
        return 3;
    default:
        return 0;
    }
}

int mu_cose_decode(struct mu_bytes in, struct mu_cose *m)
{
    struct mu_reader r = mu_reader(in);
    struct header_walk walk = {0};

    *m = (struct mu_cose){0};
    uint64_t tag = mu_cbor_get_tag(&r);
    size_t items = kind_items(tag);
    if (items == 0)
        return MU_ERR_MALFORMED;
    m->kind = (enum mu_cose_kind)tag;
    mu_cbor_expect_array(&r, items);
    m->protected_header = mu_cbor_get_bstr(&r);
    struct mu_reader p = mu_reader(m->protected_header);
    header_get(&p, true, &walk, m);
    walk.malformed |= mu_reader_end(&p) != 0;
    header_get(&r, false, &walk, m);
    m->detached = mu_cbor_peek(&r) == MU_CBOR_NULL;
    if (m->detached)
        mu_cbor_get_null(&r);
    else
        m->content = mu_cbor_get_bstr(&r);
    if (items == 4)
        m->proof = mu_cbor_get_bstr(&r);
    int rc = mu_reader_end(&r);
    if (rc == 0 && (walk.malformed || !walk.has_alg))
        rc = MU_ERR_MALFORMED;
    if (rc == 0 && walk.refused)
        rc = MU_ERR_UNSUPPORTED;
    if (rc != 0)
        *m = (struct mu_cose){0};
    return rc;
}

int cose_open(struct mu_bytes in, enum mu_cose_kind kind,
              const struct mu_cose_args *a, struct mu_cose *m)
{
    int rc = mu_cose_decode(in, m);

    if (rc != 0)
        return rc;
    if (m->kind != kind)
        return MU_ERR_MALFORMED;
    if (m->alg != a->alg)
        return MU_ERR_UNSUPPORTED;
    if (m->detached != a->detached)
        return MU_ERR_MALFORMED;
    if (a->kid.len != 0 && !mu_bytes_eq(a->kid, m->kid))
        return MU_ERR_UNKNOWN_KEY;
    return 0;
}
