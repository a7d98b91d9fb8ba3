/* SPDX-License-Identifier: Apache-2.0 */
/* CBOR: what the reader takes, the writer writes again byte for byte. */
#include <stdlib.h>

#include "muster/cbor.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One head and what belongs to it alone, from r to w. */
static void transcode(struct mu_reader *r, struct mu_writer *w)
{
    switch (mu_cbor_peek(r)) {
    case MU_CBOR_UINT:
        mu_cbor_put_uint(w, mu_cbor_get_uint(r));
        break;
    case MU_CBOR_NINT:
        mu_cbor_put_nint(w, mu_cbor_get_nint(r));
        break;
    case MU_CBOR_BSTR:
        mu_cbor_put_bstr(w, mu_cbor_get_bstr(r));
        break;
    case MU_CBOR_TSTR:
        mu_cbor_put_tstr(w, mu_cbor_get_tstr(r));
        break;
    case MU_CBOR_ARRAY:
        mu_cbor_put_array(w, mu_cbor_get_array(r));
        break;
    case MU_CBOR_MAP:
        mu_cbor_put_map(w, mu_cbor_get_map(r).left);
        break;
    case MU_CBOR_TAG:
        mu_cbor_put_tag(w, mu_cbor_get_tag(r));
        break;
    case MU_CBOR_BOOL:
        mu_cbor_put_bool(w, mu_cbor_get_bool(r));
        break;
    case MU_CBOR_NULL:
        mu_cbor_get_null(r);
        mu_cbor_put_null(w);
        break;
    case MU_CBOR_NONE:
        abort(); /* skip has passed over it */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t again[INPUT_MAX];
    struct mu_reader r = mu_reader(mu_bytes(data, len));

    if (len > INPUT_MAX)
        return 0;
    while (mu_reader_left(&r) > 0)
        mu_cbor_skip(&r);
    if (r.failed || len == 0)
        return 0;
    struct mu_writer w = mu_writer(again, sizeof(again));
    r = mu_reader(mu_bytes(data, len));
    while (mu_reader_left(&r) > 0)
        transcode(&r, &w);
    if (r.failed || !mu_bytes_eq(mu_written(&w), mu_bytes(data, len)))
        abort();
    return 0;
}
