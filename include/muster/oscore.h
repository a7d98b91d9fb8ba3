/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSCORE (RFC 8613): end-to-end protection of CoAP messages that survives
 * proxies and gateways. AES-CCM-16-64-128 and HKDF-SHA-256, requests and
 * responses; no Observe (refused), no outer Block.
 *
 * Durability is the caller's: before a protected message leaves, seq_end must
 * be on storage (numbers below it may be used); before the effect of an
 * unprotected request is visible, the window must be. After a restart begin
 * with seq_next = the stored seq_end and the stored window.
 */
#ifndef MUSTER_OSCORE_H
#define MUSTER_OSCORE_H

#include "muster/coap.h"
#include "muster/crypto.h"
#include "muster/window.h"

#define MU_OSCORE_ID_MAX 7          /* nonce length - 6 (RFC 8613 s.3.3) */
#define MU_OSCORE_ID_CONTEXT_MAX 16 /* bytes: ours; the RFC allows 255 */
#define MU_OSCORE_PIV_MAX 5
#define MU_OSCORE_NONCE_LEN 13
#define MU_OSCORE_KEY_LEN 16
#define MU_OSCORE_TAG_LEN 8
/* First number that may not be used (RFC 8613 s.7.2.1: the last is 2^40-1). */
#define MU_OSCORE_SEQ_END ((uint64_t)1 << 40)
/* Bytes a protected message may be longer than the plain one: OSCORE option
 * (head 2, flags 1, piv 5, kid context 1 + 16, kid 7), inner code, payload
 * marker twice, tag, and option heads that grow when options part. */
#define MU_OSCORE_OVERHEAD_MAX 56

struct mu_oscore_id {
    uint8_t bytes[MU_OSCORE_ID_MAX];
    uint8_t len; /* 0 is a valid, empty id */
};

/* What two endpoints agree on beforehand (RFC 8613 s.3.2). */
struct mu_oscore_params {
    struct mu_bytes master_secret;
    struct mu_bytes master_salt; /* may be empty */
    struct mu_bytes sender_id;
    struct mu_bytes recipient_id;
    bool has_id_context;
    struct mu_bytes id_context;
};

struct mu_oscore {
    struct mu_secret sender_key;
    struct mu_secret recipient_key;
    uint8_t common_iv[MU_OSCORE_NONCE_LEN];
    struct mu_oscore_id sender_id;
    struct mu_oscore_id recipient_id;
    uint8_t id_context[MU_OSCORE_ID_CONTEXT_MAX];
    uint8_t id_context_len;
    bool has_id_context;
    bool send_id_context;    /* in requests; init: has_id_context */
    uint64_t seq_next;       /* next Partial IV of ours; init: 0 */
    uint64_t seq_end;        /* reserved below; init: MU_OSCORE_SEQ_END */
    struct mu_window window; /* Partial IVs of the peer's requests */
};

/* The request that a response answers: kept from protect/unprotect of the
 * request until the response. It enforces one nonce, one use. */
struct mu_oscore_request {
    struct mu_oscore_id kid;
    uint8_t piv[MU_OSCORE_PIV_MAX];
    uint8_t piv_len;
    bool spent; /* its nonce was used, or its response was taken */
};

/* Value of the OSCORE option (RFC 8613 s.6.1). Views into the message. */
struct mu_oscore_option {
    struct mu_bytes piv; /* empty: none */
    bool has_kid;
    struct mu_bytes kid;
    bool has_kid_context;
    struct mu_bytes kid_context;
};

/* Derives a context. MU_ERR_USAGE: an id too long, sender id == recipient id,
 * no master secret; MU_ERR_CRYPTO. */
MU_MUST int mu_oscore_init(struct mu_oscore *o, const struct mu_crypto *c,
                           const struct mu_oscore_params *p);
void mu_oscore_clear(struct mu_oscore *o);

/* The option of a message, to find the context by kid and kid context.
 * MU_ERR_UNEXPECTED when the message has none, MU_ERR_MALFORMED,
 * MU_ERR_UNSUPPORTED for reserved flag bits. */
MU_MUST int mu_oscore_option_find(const struct mu_coap_msg *in,
                                  struct mu_oscore_option *opt);
MU_MUST int mu_oscore_option_decode(struct mu_bytes value,
                                    struct mu_oscore_option *opt);
void mu_oscore_option_encode(const struct mu_oscore_option *opt,
                             struct mu_writer *w);

/*
 * Protect and unprotect (RFC 8613 s.8). The result's options and payload are
 * appended to w and *out views them there; w needs room for the options and
 * payload of `in` plus MU_OSCORE_OVERHEAD_MAX (protect), or for twice
 * the options and payload of `in` (unprotect). `in` must not lie in w's free
 * space. On failure w is as it was and *out is empty.
 *
 * Protect: MU_ERR_EXHAUSTED when the number space is used up, MU_ERR_BUSY when
 * seq_end is reached before that, MU_ERR_UNSUPPORTED for Observe and
 * Proxy-Uri, MU_ERR_USAGE for a message that is already protected or not of
 * the right kind, MU_ERR_NO_SPACE.
 *
 * Unprotect: MU_ERR_UNEXPECTED (no OSCORE option or not a request/response),
 * MU_ERR_UNKNOWN_KEY (kid or kid context is not this context's),
 * MU_ERR_REPLAY, MU_ERR_AUTH, MU_ERR_UNSUPPORTED (Observe, outer Block),
 * MU_ERR_MALFORMED, MU_ERR_NO_SPACE.
 */
MU_MUST int mu_oscore_protect_request(struct mu_oscore *o,
                                      const struct mu_crypto *c,
                                      const struct mu_coap_msg *in,
                                      struct mu_writer *w,
                                      struct mu_coap_msg *out,
                                      struct mu_oscore_request *req);
/* The window has taken the number when this returns 0. */
MU_MUST int mu_oscore_unprotect_request(struct mu_oscore *o,
                                        const struct mu_crypto *c,
                                        const struct mu_coap_msg *in,
                                        struct mu_writer *w,
                                        struct mu_coap_msg *out,
                                        struct mu_oscore_request *req);
/* own_piv: spend a number of ours; needed when the request's nonce is spent
 * (a second response, MU_ERR_UNEXPECTED otherwise). */
MU_MUST int mu_oscore_protect_response(struct mu_oscore *o,
                                       const struct mu_crypto *c,
                                       const struct mu_coap_msg *in,
                                       bool own_piv,
                                       struct mu_oscore_request *req,
                                       struct mu_writer *w,
                                       struct mu_coap_msg *out);
/* One response per request: the next is MU_ERR_REPLAY. */
MU_MUST int mu_oscore_unprotect_response(struct mu_oscore *o,
                                         const struct mu_crypto *c,
                                         const struct mu_coap_msg *in,
                                         struct mu_oscore_request *req,
                                         struct mu_writer *w,
                                         struct mu_coap_msg *out);

#endif
