/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE: protecting requests and responses (RFC 8613 s.8.1, s.8.3). */
#include "oscore/oscore.h"

#define PAYLOAD_MARKER 0xff
/* Flags 1, PIV 5, kid context 1 + 16, kid 7. */
#define OPTION_VALUE_MAX                                                       \
    (1 + MU_OSCORE_PIV_MAX + 1 + MU_OSCORE_ID_CONTEXT_MAX + MU_OSCORE_ID_MAX)

/* A number of ours, used up whether or not the message ever leaves. */
static int sequence_take(struct mu_oscore *o, uint8_t piv[MU_OSCORE_PIV_MAX],
                         size_t *piv_len)
{
    if (o->seq_next >= MU_OSCORE_SEQ_END)
        return MU_ERR_EXHAUSTED;
    if (o->seq_next >= o->seq_end)
        return MU_ERR_BUSY;
    *piv_len = oscore_piv_put(piv, o->seq_next++);
    return 0;
}

static int options_allowed(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
        switch (opt.number) {
        case MU_COAP_OSCORE:
            return MU_ERR_USAGE;
        case MU_COAP_OBSERVE:   /* needs FETCH, 2.05 and an order (s.4.1.3.5) */
        case MU_COAP_PROXY_URI: /* would show the path; s.4.1.3.3 splits it */
            return MU_ERR_UNSUPPORTED;
        default:
            break;
        }
    }
    return it.failed ? MU_ERR_USAGE : 0;
}

/* The options of one class, in their order. */
static void options_copy(struct mu_coap_opts *to, struct mu_bytes from,
                         bool outer, uint32_t begin, uint32_t end)
{
    struct mu_coap_iter it = mu_coap_iter(from);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
        if (oscore_is_outer(opt.number) == outer && opt.number >= begin
            && opt.number < end)
            mu_coap_put_opt(to, opt.number, opt.value);
    }
}

/* Options that stay readable, with the OSCORE option in its place. */
static struct mu_bytes outer_put(struct mu_writer *w, struct mu_bytes options,
                                 const struct mu_oscore_option *opt)
{
    uint8_t bytes[OPTION_VALUE_MAX];
    struct mu_writer value = mu_writer(bytes, sizeof bytes);
    struct mu_coap_opts outer = mu_coap_opts(w);

    mu_oscore_option_encode(opt, &value);
    if (mu_writer_end(&value) != 0)
        mu_writer_fail(w);
    options_copy(&outer, options, true, 0, MU_COAP_OSCORE);
    mu_coap_put_opt(&outer, MU_COAP_OSCORE, mu_written(&value));
    options_copy(&outer, options, true, MU_COAP_OSCORE + 1, UINT32_MAX);
    return mu_coap_opts_written(&outer);
}

/* s.5.3: code, class E options, payload; and room for the tag. */
static struct mu_bytes plaintext_put(struct mu_writer *w,
                                     const struct mu_coap_msg *in)
{
    size_t start = w->len;

    mu_write_u8(w, in->code);
    struct mu_coap_opts inner = mu_coap_opts(w);
    options_copy(&inner, in->options, false, 0, UINT32_MAX);
    if (in->payload.len != 0) {
        mu_write_u8(w, PAYLOAD_MARKER);
        mu_write_bytes(w, in->payload);
    }
    size_t len = w->len - start;
    if (mu_write_room(w, MU_OSCORE_TAG_LEN) == NULL)
        return mu_bytes(NULL, 0);
    return mu_bytes(w->data + start, len);
}

/* Writes and seals; `req` gives the AAD. */
static int protect(struct mu_oscore *o, const struct mu_crypto *c,
                   const struct mu_coap_msg *in,
                   const struct mu_oscore_option *opt,
                   const struct mu_oscore_request *req,
                   const uint8_t nonce[MU_OSCORE_NONCE_LEN],
                   struct mu_writer *w, struct mu_coap_msg *out)
{
    struct mu_writer draft = *w;
    struct oscore_aad aad;
    size_t sealed;

    struct mu_bytes outer = outer_put(&draft, in->options, opt);
    size_t at = draft.len;
    struct mu_bytes plain = plaintext_put(&draft, in);
    if (mu_writer_end(&draft) != 0)
        return MU_ERR_NO_SPACE;
    oscore_aad_make(&aad, req);
    struct mu_aead aead = {
        .alg = MU_ALG_AES_CCM_16_64_128,
        .key = &o->sender_key,
        .nonce = mu_bytes(nonce, MU_OSCORE_NONCE_LEN),
        .aad = mu_bytes(aad.bytes, aad.len),
    };
    uint8_t *to = draft.data + at;
    int rc = c->seal(c->ctx, &aead, plain, to, &sealed);
    if (rc != 0) {
        mu_wipe(to, draft.len - at);
        return rc;
    }
    out->options = outer;
    out->payload = mu_bytes(to, sealed);
    *w = draft;
    return 0;
}

int mu_oscore_protect_request(struct mu_oscore *o, const struct mu_crypto *c,
                              const struct mu_coap_msg *in,
                              struct mu_writer *w, struct mu_coap_msg *out,
                              struct mu_oscore_request *req)
{
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    struct mu_oscore_request fresh = {.kid = o->sender_id};
    struct mu_oscore_option opt = {
        .has_kid = true,
        .kid = oscore_id_view(&fresh.kid),
        .has_kid_context = o->send_id_context,
        .kid_context = mu_bytes(o->id_context, o->id_context_len),
    };
    size_t piv_len;

    *out = (struct mu_coap_msg){0};
    *req = (struct mu_oscore_request){.spent = true};
    if (!mu_coap_is_request(in->code))
        return MU_ERR_USAGE;
    int rc = options_allowed(in->options);
    if (rc == 0)
        rc = sequence_take(o, fresh.piv, &piv_len);
    if (rc != 0)
        return rc;
    fresh.piv_len = (uint8_t)piv_len;
    opt.piv = mu_bytes(fresh.piv, piv_len);
    oscore_nonce_make(nonce, o, &o->sender_id, opt.piv);
    rc = protect(o, c, in, &opt, &fresh, nonce, w, out);
    if (rc != 0)
        return rc;
    out->code = MU_COAP_POST; /* s.4.2 */
    *req = fresh;
    return 0;
}

int mu_oscore_protect_response(struct mu_oscore *o, const struct mu_crypto *c,
                               const struct mu_coap_msg *in, bool own_piv,
                               struct mu_oscore_request *req,
                               struct mu_writer *w, struct mu_coap_msg *out)
{
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    uint8_t piv[MU_OSCORE_PIV_MAX];
    struct mu_oscore_option opt = {0};

    *out = (struct mu_coap_msg){0};
    if (!mu_coap_is_response(in->code))
        return MU_ERR_USAGE;
    int rc = options_allowed(in->options);
    if (rc != 0)
        return rc;
    if (own_piv) {
        size_t piv_len;
        rc = sequence_take(o, piv, &piv_len);
        if (rc != 0)
            return rc;
        opt.piv = mu_bytes(piv, piv_len);
        oscore_nonce_make(nonce, o, &o->sender_id, opt.piv);
    } else {
        /* s.5.2: the request's nonce, with our key, serves one response. It
         * is spent even if sealing fails. */
        if (req->spent)
            return MU_ERR_UNEXPECTED;
        req->spent = true;
        oscore_nonce_make(nonce, o, &req->kid,
                          mu_bytes(req->piv, req->piv_len));
    }
    rc = protect(o, c, in, &opt, req, nonce, w, out);
    if (rc == 0)
        out->code = MU_COAP_CHANGED; /* s.4.2 */
    return rc;
}
