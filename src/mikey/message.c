/* SPDX-License-Identifier: Apache-2.0 */
/* A message as its header and a bounded list of payloads. */
#include "mikey/internal.h"

int mu_mikey_parse(struct mu_bytes in, struct mu_mikey_message *m)
{
    struct mu_reader r = mu_reader(in);
    uint8_t next;
    int rc;

    *m = (struct mu_mikey_message){.in = in};
    rc = mu_mikey_header_read(&r, &m->header, &next);
    while (rc == 0 && next != MU_MIKEY_LAST) {
        const uint8_t type = next;
        if (m->payloads_len == MU_MIKEY_PAYLOADS_MAX)
            return MU_ERR_TOO_LARGE;
        /* Key data has its place inside a KEMAC alone, s.6.13. */
        if (type == MU_MIKEY_KEY_DATA)
            return MU_ERR_MALFORMED;
        rc = mu_mikey_payload_read(&r, type, &m->payloads[m->payloads_len++],
                                   &next);
    }
    return rc != 0 ? rc : mu_reader_end(&r);
}

uint8_t mu_mikey_error_of(int err)
{
    switch (err) {
    case MU_ERR_AUTH:
        return MU_MIKEY_E_AUTH;
    case MU_ERR_REPLAY:
    case MU_ERR_EXPIRED:
        return MU_MIKEY_E_TIME;
    case MU_ERR_UNKNOWN_PEER:
        return MU_MIKEY_E_ID;
    default:
        return MU_MIKEY_E_OTHER;
    }
}
