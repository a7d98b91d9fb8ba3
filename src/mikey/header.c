/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common header (RFC 3830 s.6.1) and its map from crypto sessions to
 * protocols: SRTP-ID, empty (RFC 4563 s.5), GENERIC-ID (RFC 6043 s.6.1.1).
 */
#include "mikey/internal.h"

#define VERIFY 0x80    /* V, the top bit of the octet of the PRF */
#define IN_SESSION 0x80 /* S of GENERIC-ID: session data follows */

static void cs_write_generic(struct mu_writer *w, const struct mu_mikey_cs *cs)
{
    const bool session = cs->session.len > 0;

    if (cs->policies_len > MU_MIKEY_CS_POLICIES || cs->spi.len > 0xff ||
        cs->session.len > 0xffff) {
        mu_writer_fail(w);
        return;
    }
    mu_write_u8(w, cs->id);
    mu_write_u8(w, cs->protocol);
    mu_write_u8(w, (uint8_t)((session ? IN_SESSION : 0) | cs->policies_len));
    mu_write_bytes(w, mu_bytes(cs->policies, cs->policies_len));
    if (session) {
        mu_write_u16(w, (uint16_t)cs->session.len);
        mu_write_bytes(w, cs->session);
    }
    mu_write_u8(w, (uint8_t)cs->spi.len);
    mu_write_bytes(w, cs->spi);
}

void mu_mikey_header_write(struct mu_writer *w,
                           const struct mu_mikey_header *h)
{
    if (h->type >= MU_MIKEY_TYPE_COUNT || h->prf > MU_MIKEY_PRF_SHA256 ||
        h->map > MU_MIKEY_MAP_GENERIC || h->cs_len > MU_MIKEY_CS_MAX) {
        mu_writer_fail(w);
        return;
    }
    mu_write_u8(w, MU_MIKEY_VERSION);
    mu_write_u8(w, h->type);
    mu_write_u8(w, MU_MIKEY_LAST);
    mu_write_u8(w, (uint8_t)((h->verify ? VERIFY : 0) | h->prf));
    mu_write_u32(w, h->csb);
    mu_write_u8(w, h->cs_len);
    mu_write_u8(w, h->map);
    for (uint8_t i = 0; i < h->cs_len; i++) {
        const struct mu_mikey_cs *cs = &h->cs[i];
        if (h->map == MU_MIKEY_MAP_SRTP) {
            if (cs->policies_len != 1)
                mu_writer_fail(w);
            mu_write_u8(w, cs->policies[0]);
            mu_write_u32(w, cs->ssrc);
            mu_write_u32(w, cs->roc);
        } else if (h->map == MU_MIKEY_MAP_GENERIC) {
            cs_write_generic(w, cs);
        }
    }
}

/* 0 or MU_ERR_TOO_LARGE; the end of the input is asked for later. */
static int cs_read_generic(struct mu_reader *r, struct mu_mikey_cs *cs)
{
    uint8_t flags;

    cs->id = mu_read_u8(r);
    cs->protocol = mu_read_u8(r);
    flags = mu_read_u8(r);
    cs->policies_len = flags & 0x7f;
    if (cs->policies_len > MU_MIKEY_CS_POLICIES)
        return MU_ERR_TOO_LARGE;
    mu_read_copy(r, cs->policies, cs->policies_len);
    if ((flags & IN_SESSION) != 0) {
        cs->session = mu_read_bytes(r, mu_read_u16(r));
        /* An empty one has a shorter form. */
        if (cs->session.len == 0 && !r->failed)
            return MU_ERR_MALFORMED;
    }
    cs->spi = mu_read_bytes(r, mu_read_u8(r));
    return 0;
}

int mu_mikey_header_read(struct mu_reader *r, struct mu_mikey_header *h,
                         uint8_t *next)
{
    const uint8_t version = mu_read_u8(r);
    uint8_t flags;
    int rc = 0;

    *h = (struct mu_mikey_header){.type = mu_read_u8(r)};
    *next = mu_read_u8(r);
    flags = mu_read_u8(r);
    h->verify = (flags & VERIFY) != 0;
    h->prf = flags & 0x7f;
    h->csb = mu_read_u32(r);
    h->cs_len = mu_read_u8(r);
    h->map = mu_read_u8(r);
    if (r->failed)
        return MU_ERR_TRUNCATED;
    if (version != MU_MIKEY_VERSION || h->type >= MU_MIKEY_TYPE_COUNT ||
        h->prf > MU_MIKEY_PRF_SHA256 || h->map > MU_MIKEY_MAP_GENERIC)
        return MU_ERR_UNSUPPORTED;
    if (h->cs_len > MU_MIKEY_CS_MAX)
        return MU_ERR_TOO_LARGE;
    for (uint8_t i = 0; i < h->cs_len && rc == 0; i++) {
        struct mu_mikey_cs *cs = &h->cs[i];
        cs->id = (uint8_t)(i + 1); /* RFC 3830 s.6.1.1: numbered from 1 */
        if (h->map == MU_MIKEY_MAP_SRTP) {
            cs->policies_len = 1;
            cs->policies[0] = mu_read_u8(r);
            cs->ssrc = mu_read_u32(r);
            cs->roc = mu_read_u32(r);
        } else if (h->map == MU_MIKEY_MAP_GENERIC) {
            rc = cs_read_generic(r, cs);
        }
    }
    if (r->failed)
        return MU_ERR_TRUNCATED;
    return rc;
}
