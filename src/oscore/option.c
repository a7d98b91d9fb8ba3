/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE: the value of the OSCORE option (RFC 8613 s.6.1). */
#include "oscore/oscore.h"

enum {
    FLAG_PIV_LEN = 0x07,
    FLAG_KID = 0x08,
    FLAG_KID_CONTEXT = 0x10,
    FLAG_RESERVED = 0xe0, /* 0x20 is the group mode of RFC 10021 */
};

int mu_oscore_option_decode(struct mu_bytes value,
                            struct mu_oscore_option *opt)
{
    struct mu_reader r = mu_reader(value);

    *opt = (struct mu_oscore_option){0};
    if (value.len == 0)
        return 0;
    uint8_t flags = mu_read_u8(&r);
    if ((flags & FLAG_RESERVED) != 0)
        return MU_ERR_UNSUPPORTED;
    size_t piv_len = flags & FLAG_PIV_LEN;
    /* 6 and 7 are reserved; flags of zero have to be an empty value. */
    if (piv_len > MU_OSCORE_PIV_MAX || flags == 0)
        return MU_ERR_MALFORMED;
    opt->piv = mu_read_bytes(&r, piv_len);
    opt->has_kid_context = (flags & FLAG_KID_CONTEXT) != 0;
    if (opt->has_kid_context)
        opt->kid_context = mu_read_bytes(&r, mu_read_u8(&r));
    opt->has_kid = (flags & FLAG_KID) != 0;
    if (opt->has_kid)
        opt->kid = mu_reader_rest(&r);
    /* Another spelling of one number would be another nonce input. */
    bool padded = opt->piv.len > 1 && opt->piv.data[0] == 0;
    int rc = padded ? MU_ERR_MALFORMED : mu_reader_end(&r);
    if (rc != 0)
        *opt = (struct mu_oscore_option){0};
    return rc;
}

void mu_oscore_option_encode(const struct mu_oscore_option *opt,
                             struct mu_writer *w)
{
    unsigned flags = (unsigned)opt->piv.len;

    if (opt->piv.len > MU_OSCORE_PIV_MAX
        || opt->kid_context.len > UINT8_MAX) {
        mu_writer_fail(w);
        return;
    }
    if (opt->has_kid)
        flags |= FLAG_KID;
    if (opt->has_kid_context)
        flags |= FLAG_KID_CONTEXT;
    if (flags == 0)
        return;
    mu_write_u8(w, (uint8_t)flags);
    mu_write_bytes(w, opt->piv);
    if (opt->has_kid_context) {
        mu_write_u8(w, (uint8_t)opt->kid_context.len);
        mu_write_bytes(w, opt->kid_context);
    }
    if (opt->has_kid)
        mu_write_bytes(w, opt->kid);
}

int mu_oscore_option_find(const struct mu_coap_msg *in,
                          struct mu_oscore_option *opt)
{
    struct mu_coap_iter it = mu_coap_iter(in->options);
    struct mu_coap_opt coap;
    struct mu_bytes value = mu_bytes(NULL, 0);
    bool found = false;

    *opt = (struct mu_oscore_option){0};
    while (mu_coap_iter_next(&it, &coap)) {
        if (coap.number != MU_COAP_OSCORE)
            continue;
        if (found)
            return MU_ERR_MALFORMED;
        found = true;
        value = coap.value;
    }
    if (it.failed)
        return MU_ERR_MALFORMED;
    return found ? mu_oscore_option_decode(value, opt) : MU_ERR_UNEXPECTED;
}
