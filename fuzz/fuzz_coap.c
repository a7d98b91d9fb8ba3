/* SPDX-License-Identifier: Apache-2.0 */
/* CoAP: a datagram that is taken is written again byte for byte. */
#include <stdlib.h>

#include "muster/coap.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_options(struct mu_bytes options)
{
    static uint8_t again[INPUT_MAX];
    struct mu_writer w = mu_writer(again, sizeof(again));
    struct mu_coap_opts o = mu_coap_opts(&w);
    struct mu_coap_iter it = mu_coap_iter(options);
    struct mu_coap_opt opt;
    struct mu_coap_block block;
    struct mu_bytes value;
    uint32_t v;

    while (mu_coap_iter_next(&it, &opt)) {
        mu_coap_put_opt(&o, opt.number, opt.value);
        if (!mu_coap_find(options, opt.number, &value))
            abort();
        (void)mu_coap_find_uint(options, opt.number, &v);
        if (mu_coap_find_block(options, opt.number, &block) == 0
            && (block.size < 16 || block.size > 1024))
            abort();
    }
    if (it.failed || !mu_bytes_eq(mu_coap_opts_written(&o), options))
        abort();
    if (mu_coap_options_accept(options) == MU_ERR_MALFORMED)
        abort();
    (void)mu_coap_path_is(options, "a/b");
    (void)mu_coap_path_segment(options, 1, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t again[INPUT_MAX];
    struct mu_writer w = mu_writer(again, sizeof(again));
    struct mu_coap_pdu pdu;

    if (len > INPUT_MAX || mu_coap_decode(mu_bytes(data, len), &pdu) != 0)
        return 0;
    fuzz_options(pdu.msg.options);
    if (mu_coap_encode(&pdu, &w) != 0
        || !mu_bytes_eq(mu_written(&w), mu_bytes(data, len)))
        abort();
    return 0;
}
