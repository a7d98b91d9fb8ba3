/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key fetch, both payloads, as a node or a server gone bad makes them inside
 * OSCORE. First byte odd: a request, even: a response.
 */
#include <stdlib.h>

#include "muster/keyfetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What is taken can be made, within the bounds of the header, and making it
 * again gives the same bytes: one meaning, one form. */
static void fetch_request(struct mu_bytes in)
{
    struct mu_keyfetch_request m;
    struct mu_keyfetch_request again;
    uint8_t first[MU_KEYFETCH_REQUEST_MAX];
    uint8_t second[MU_KEYFETCH_REQUEST_MAX];
    struct mu_writer a = mu_writer(first, sizeof first);
    struct mu_writer b = mu_writer(second, sizeof second);

    if (mu_keyfetch_request_consume(in, &m) != 0)
        return;
    if (mu_keyfetch_request_create(&m, &a) != 0 ||
        mu_keyfetch_request_consume(mu_written(&a), &again) != 0 ||
        mu_keyfetch_request_create(&again, &b) != 0 ||
        !mu_bytes_eq(mu_written(&a), mu_written(&b)))
        abort();
}

static void fetch_response(struct mu_bytes in)
{
    struct mu_keyfetch_response m;
    struct mu_keyfetch_response again;
    uint8_t first[MU_KEYFETCH_RESPONSE_MAX];
    uint8_t second[MU_KEYFETCH_RESPONSE_MAX];
    struct mu_writer a = mu_writer(first, sizeof first);
    struct mu_writer b = mu_writer(second, sizeof second);

    if (mu_keyfetch_response_consume(in, &m) != 0)
        return;
    if (mu_keyfetch_response_create(&m, &a) != 0 ||
        mu_keyfetch_response_consume(mu_written(&a), &again) != 0 ||
        mu_keyfetch_response_create(&again, &b) != 0 ||
        !mu_bytes_eq(mu_written(&a), mu_written(&b)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    if ((data[0] & 1) != 0)
        fetch_request(mu_bytes(data + 1, len - 1));
    else
        fetch_response(mu_bytes(data + 1, len - 1));
    return 0;
}
