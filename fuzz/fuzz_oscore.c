/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSCORE: a CoAP datagram as it comes off the network, read as a request and
 * as a response, by the real cipher and by one that believes every tag. What
 * is taken is well formed and can be protected again.
 */
#include <stdlib.h>

#include "fuzz/believe_aead.h"
#include "muster/oscore.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The server's side of RFC 8613 C.1. */
static struct mu_oscore context_make(void)
{
    static const uint8_t secret[16] = {1, 2,  3,  4,  5,  6,  7,  8,
                                       9, 10, 11, 12, 13, 14, 15, 16};
    static const uint8_t salt[8] = {0x9e, 0x7c, 0xa9, 0x22,
                                    0x23, 0x78, 0x63, 0x40};
    static const uint8_t id = 1;
    const struct mu_oscore_params p = {.master_secret = MU_BYTES(secret),
                                       .master_salt = MU_BYTES(salt),
                                       .sender_id = mu_bytes(&id, 1)};
    struct mu_oscore o;

    if (mu_oscore_init(&o, mu_crypto_openssl(), &p) != 0)
        abort();
    return o;
}

static void check_taken(const struct mu_coap_msg *out, struct mu_bytes block)
{
    if (!believe_inside(out->options, block)
        || !believe_inside(out->payload, block)
        || mu_coap_options_check(out->options) != 0)
        abort();
}

static void as_request(const struct mu_crypto *c, struct mu_oscore o,
                       const struct mu_coap_msg *in)
{
    static uint8_t buf[2 * INPUT_MAX];
    static uint8_t answer[4 * INPUT_MAX];
    struct mu_oscore_request req;
    struct mu_coap_msg out;
    struct mu_coap_msg again;
    struct mu_writer w = mu_writer(buf, sizeof(buf));

    if (mu_oscore_unprotect_request(&o, c, in, &w, &out, &req) != 0) {
        if (w.len != 0 || out.code != 0 || !req.spent)
            abort();
        return;
    }
    check_taken(&out, MU_BYTES(buf));
    if (!mu_coap_is_request(out.code))
        abort();
    if (mu_oscore_unprotect_request(&o, c, in, &w, &again, &req)
        != MU_ERR_REPLAY)
        abort();
    w = mu_writer(answer, sizeof(answer));
    int rc = mu_oscore_protect_request(&o, mu_crypto_openssl(), &out, &w,
                                       &again, &req);
    if (rc != 0 && rc != MU_ERR_UNSUPPORTED) /* Proxy-Uri from outside */
        abort();
}

static void as_response(const struct mu_crypto *c, struct mu_oscore o,
                        const struct mu_coap_msg *in)
{
    static uint8_t buf[2 * INPUT_MAX];
    struct mu_oscore_request req = {
        .kid = o.sender_id, .piv = {0x14}, .piv_len = 1};
    struct mu_coap_msg out;
    struct mu_writer w = mu_writer(buf, sizeof(buf));

    if (mu_oscore_unprotect_response(&o, c, in, &req, &w, &out) != 0) {
        if (w.len != 0 || out.code != 0)
            abort();
        return;
    }
    check_taken(&out, MU_BYTES(buf));
    if (!mu_coap_is_response(out.code) || !req.spent)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct mu_crypto believing = believe_aead_crypto();
    const struct mu_crypto *real = mu_crypto_openssl();
    struct mu_coap_pdu pdu;

    if (len > INPUT_MAX || mu_coap_decode(mu_bytes(data, len), &pdu) != 0)
        return 0;
    struct mu_oscore o = context_make();
    as_request(real, o, &pdu.msg);
    as_response(real, o, &pdu.msg);
    as_request(&believing, o, &pdu.msg);
    as_response(&believing, o, &pdu.msg);
    return 0;
}
