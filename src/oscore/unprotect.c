/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE: verifying requests and responses (RFC 8613 s.8.2, s.8.4). */
#include "oscore/oscore.h"

#define PAYLOAD_MARKER 0xff

/* Outer options that say this message is not one whole, plain exchange: an
 * observation, or a fragment to be put together first (s.4.1.3.4.2). The
 * remaining class E options found outside are passed over (s.8.2 step 1). */
static int outer_allowed(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
        switch (opt.number) {
        case MU_COAP_OBSERVE:
        case MU_COAP_BLOCK1:
        case MU_COAP_BLOCK2:
            return MU_ERR_UNSUPPORTED;
        default:
            break;
        }
    }
    return it.failed ? MU_ERR_MALFORMED : 0;
}

/* What was encrypted must have been class E and nothing else. */
static int inner_allowed(struct mu_bytes options)
{
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
        if (opt.number == MU_COAP_OBSERVE)
            return MU_ERR_UNSUPPORTED;
        if (opt.number == MU_COAP_OSCORE || oscore_is_outer(opt.number))
            return MU_ERR_MALFORMED;
    }
    return it.failed ? MU_ERR_MALFORMED : 0;
}

/* The plaintext taken apart (s.5.3). Views into it. */
static int plaintext_get(struct mu_bytes plain, struct mu_coap_msg *msg)
{
    struct mu_bytes rest = mu_bytes(plain.data + 1, plain.len - 1);
    struct mu_coap_iter it = mu_coap_iter(rest);
    struct mu_coap_opt opt;

    while (mu_coap_iter_next(&it, &opt)) {
    }
    size_t end = it.r.pos;
    msg->code = plain.data[0];
    msg->options = mu_bytes(rest.data, end);
    msg->payload = mu_bytes(NULL, 0);
    if (it.failed) {
        if (rest.data[end] != PAYLOAD_MARKER || rest.len - end < 2)
            return MU_ERR_MALFORMED;
        msg->payload = mu_bytes(rest.data + end + 1, rest.len - end - 1);
    }
    return inner_allowed(msg->options);
}

/* Steps over options that are not class U. */
static bool outer_next(struct mu_coap_iter *it, struct mu_coap_opt *opt)
{
    while (mu_coap_iter_next(it, opt)) {
        if (oscore_is_outer(opt->number))
            return true;
    }
    return false;
}

/* Inner options and class U ones from outside, in one order. */
static struct mu_bytes options_merge(struct mu_writer *w,
                                     struct mu_bytes outer,
                                     struct mu_bytes inner)
{
    struct mu_coap_iter out_it = mu_coap_iter(outer);
    struct mu_coap_iter in_it = mu_coap_iter(inner);
    struct mu_coap_opt out_opt;
    struct mu_coap_opt in_opt;
    bool has_out = outer_next(&out_it, &out_opt);

    if (!has_out)
        return inner;
    struct mu_coap_opts merged = mu_coap_opts(w);
    bool has_in = mu_coap_iter_next(&in_it, &in_opt);
    while (has_out || has_in) {
        if (has_out && (!has_in || out_opt.number < in_opt.number)) {
            mu_coap_put_opt(&merged, out_opt.number, out_opt.value);
            has_out = outer_next(&out_it, &out_opt);
        } else {
            mu_coap_put_opt(&merged, in_opt.number, in_opt.value);
            has_in = mu_coap_iter_next(&in_it, &in_opt);
        }
    }
    return mu_coap_opts_written(&merged);
}

/* Whether a message that names a sender or a context names those of `o`. */
static bool is_from_peer(const struct mu_oscore *o,
                         const struct mu_oscore_option *opt)
{
    struct mu_bytes context = mu_bytes(o->id_context, o->id_context_len);

    if (opt->has_kid
        && !mu_bytes_eq(opt->kid, oscore_id_view(&o->recipient_id)))
        return false;
    if (!opt->has_kid_context)
        return true;
    return o->has_id_context && mu_bytes_eq(opt->kid_context, context);
}

/* Decrypts into draft. *plain has the code at least. */
static int decrypt(const struct mu_oscore *o, const struct mu_crypto *c,
                   const struct mu_coap_msg *in,
                   const struct mu_oscore_request *req,
                   const uint8_t nonce[MU_OSCORE_NONCE_LEN],
                   struct mu_writer *draft, struct mu_bytes *plain)
{
    struct oscore_aad aad;
    size_t opened;

    if (in->payload.len < 1 + MU_OSCORE_TAG_LEN)
        return MU_ERR_MALFORMED;
    uint8_t *to = mu_write_room(draft, in->payload.len - MU_OSCORE_TAG_LEN);
    if (to == NULL)
        return MU_ERR_NO_SPACE;
    oscore_aad_make(&aad, req);
    struct mu_aead aead = {
        .alg = MU_ALG_AES_CCM_16_64_128,
        .key = &o->recipient_key,
        .nonce = mu_bytes(nonce, MU_OSCORE_NONCE_LEN),
        .aad = mu_bytes(aad.bytes, aad.len),
    };
    int rc = c->open(c->ctx, &aead, in->payload, to, &opened);
    *plain = mu_bytes(to, opened);
    return rc;
}

/* Plaintext to message; wipes it when it is not one. */
static int finish(struct mu_writer *draft, const struct mu_coap_msg *in,
                  struct mu_bytes plain, struct mu_writer *w,
                  struct mu_coap_msg *out)
{
    struct mu_coap_msg inner;
    int rc = plaintext_get(plain, &inner);

    bool fits = mu_coap_is_request(in->code)
        ? mu_coap_is_request(inner.code)
        : mu_coap_is_response(inner.code);
    if (rc == 0 && !fits)
        rc = MU_ERR_MALFORMED;
    if (rc == 0) {
        inner.options = options_merge(draft, in->options, inner.options);
        rc = mu_writer_end(draft);
    }
    if (rc != 0) {
        mu_wipe(w->data + w->len, draft->len - w->len);
        return rc;
    }
    *w = *draft;
    *out = inner;
    return 0;
}

int mu_oscore_unprotect_request(struct mu_oscore *o, const struct mu_crypto *c,
                                const struct mu_coap_msg *in,
                                struct mu_writer *w, struct mu_coap_msg *out,
                                struct mu_oscore_request *req)
{
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    struct mu_writer draft = *w;
    struct mu_oscore_request fresh = {.kid = o->recipient_id};
    struct mu_oscore_option opt;
    struct mu_bytes plain;

    *out = (struct mu_coap_msg){0};
    *req = (struct mu_oscore_request){.spent = true};
    int rc = mu_oscore_option_find(in, &opt);
    if (rc != 0)
        return rc;
    if (in->code != MU_COAP_POST)
        return MU_ERR_UNEXPECTED;
    rc = outer_allowed(in->options);
    if (rc != 0)
        return rc;
    if (!opt.has_kid || opt.piv.len == 0)
        return MU_ERR_MALFORMED;
    if (!is_from_peer(o, &opt))
        return MU_ERR_UNKNOWN_KEY;
    /* s.8.2 step 3: looked up before, taken after the tag has verified. */
    uint64_t seq = oscore_piv_get(opt.piv);
    rc = mu_window_check(&o->window, seq);
    if (rc != 0)
        return rc;
    mu_copy(fresh.piv, opt.piv.data, opt.piv.len);
    fresh.piv_len = (uint8_t)opt.piv.len;
    oscore_nonce_make(nonce, o, &o->recipient_id, opt.piv);
    rc = decrypt(o, c, in, &fresh, nonce, &draft, &plain);
    if (rc != 0)
        return rc;
    mu_window_commit(&o->window, seq);
    rc = finish(&draft, in, plain, w, out);
    if (rc == 0)
        *req = fresh;
    return rc;
}

int mu_oscore_unprotect_response(struct mu_oscore *o,
                                 const struct mu_crypto *c,
                                 const struct mu_coap_msg *in,
                                 struct mu_oscore_request *req,
                                 struct mu_writer *w, struct mu_coap_msg *out)
{
    uint8_t nonce[MU_OSCORE_NONCE_LEN];
    struct mu_writer draft = *w;
    struct mu_oscore_option opt;
    struct mu_bytes plain;

    *out = (struct mu_coap_msg){0};
    int rc = mu_oscore_option_find(in, &opt);
    if (rc != 0)
        return rc;
    if (in->code != MU_COAP_CHANGED)
        return MU_ERR_UNEXPECTED;
    rc = outer_allowed(in->options);
    if (rc != 0)
        return rc;
    if (!is_from_peer(o, &opt))
        return MU_ERR_UNKNOWN_KEY;
    if (req->spent)
        return MU_ERR_REPLAY;
    if (opt.piv.len != 0)
        oscore_nonce_make(nonce, o, &o->recipient_id, opt.piv);
    else
        oscore_nonce_make(nonce, o, &req->kid,
                          mu_bytes(req->piv, req->piv_len));
    rc = decrypt(o, c, in, req, nonce, &draft, &plain);
    if (rc != 0)
        return rc;
    req->spent = true;
    return finish(&draft, in, plain, w, out);
}
