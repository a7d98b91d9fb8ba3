/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muster decode over whatever lies in a file. First byte: which reader; what
 * comes out is JSON that can be written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static json_t *decode_some(unsigned which, struct mu_bytes in)
{
    static const char *const paths[] = {
        "hello", "g", "kb", "v", "ann", "area", "camp", "camp/m", "r", "t",
        "n", "poke", "k", "p", "say", "who", "dir",
    };
    const unsigned n = sizeof paths / sizeof *paths;

    switch (which) {
    case 0:
        return decode_object(in, NULL, false);
    case 1:
        return decode_cast(in);
    case 2:
        return decode_rekey(in);
    case 3:
        return decode_source(in);
    case 4:
        return decode_mikey(in);
    case 250:
        return decode_tunnel(in);
    case 251:
        return decode_tree_message(in);
    case 252:
        return decode_command(in);
    default:
        return decode_is_cbor(in)
                   ? decode_object(in, paths[which % n], which / n % 2 != 0)
                   : NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *v, *again;
    char *text;

    if (len == 0)
        return 0;
    v = decode_some(data[0], mu_bytes(data + 1, len - 1));
    if (v == NULL)
        return 0;
    text = json_dumps(v, JSON_ENCODE_ANY);
    if (text == NULL)
        abort();
    again = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (again == NULL || !json_equal(v, again))
        abort();
    json_decref(again);
    json_decref(v);
    free(text);
    return 0;
}
