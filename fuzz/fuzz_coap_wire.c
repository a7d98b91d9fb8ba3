/* SPDX-License-Identifier: Apache-2.0 */
/* What libcoap takes for a message, as the links of net/ read it; what they
 * read is written and read again alike. */
#include <stdlib.h>
#include <string.h>

#include "net/coap_wire.h"

#define INPUT_MAX 1472 /* bytes that libcoap reads of a datagram */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool wire_same(const struct coap_wire *a, const struct coap_wire *b)
{
    return a->code == b->code && a->path_len == b->path_len &&
           memcmp(a->path_text, b->path_text, a->path_len) == 0 &&
           a->oscore == b->oscore && a->oscore_len == b->oscore_len &&
           memcmp(a->oscore_value, b->oscore_value, a->oscore_len) == 0 &&
           a->block1.set == b->block1.set && a->block1.num == b->block1.num &&
           a->block2.set == b->block2.set && a->block2.num == b->block2.num &&
           mu_bytes_eq(a->payload, b->payload);
}

/* Paths that have an empty segment, or none that is not empty, cannot be told
 * from others as text; nobody sends them. */
static bool wire_plain(const struct coap_wire *w)
{
    char last = '/';

    for (size_t i = 0; i < w->path_len; i++) {
        if (w->path_text[i] == '/' && last == '/')
            return false;
        last = w->path_text[i];
    }
    return w->path_len == 0 || last != '/';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    coap_pdu_t *in, *out;
    struct coap_wire first, second;

    if (len > INPUT_MAX)
        return 0;
    in = coap_pdu_init(COAP_MESSAGE_CON, COAP_EMPTY_CODE, 0, INPUT_MAX);
    out = coap_pdu_init(COAP_MESSAGE_CON, COAP_EMPTY_CODE, 0, 4 * INPUT_MAX);
    if (in == NULL || out == NULL)
        abort();
    if (coap_pdu_parse(COAP_PROTO_UDP, data, len, in) &&
        coap_wire_read(&first, in) == 0 && wire_plain(&first) &&
        coap_wire_write(&first, out) == 0 &&
        (coap_wire_read(&second, out) != 0 || !wire_same(&first, &second)))
        abort();
    coap_delete_pdu(in);
    coap_delete_pdu(out);
    return 0;
}
