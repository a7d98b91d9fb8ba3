/* SPDX-License-Identifier: Apache-2.0 */
/* OSCORE: what protecting and unprotecting share. Private to src/oscore. */
#ifndef MUSTER_OSCORE_OSCORE_H
#define MUSTER_OSCORE_OSCORE_H

#include "muster/oscore.h"

/* Enc_structure over the external AAD: ["Encrypt0", h'', bstr] around
 * [1, [10], kid, piv, h''] at its longest (RFC 8613 s.5.4). */
#define OSCORE_AAD_MAX 32

struct oscore_aad {
    uint8_t bytes[OSCORE_AAD_MAX];
    size_t len;
};

/* The AAD of a request and of its response alike. */
void oscore_aad_make(struct oscore_aad *aad,
                     const struct mu_oscore_request *req);

/* s.5.2: piv is at most MU_OSCORE_PIV_MAX bytes. */
void oscore_nonce_make(uint8_t nonce[MU_OSCORE_NONCE_LEN],
                       const struct mu_oscore *o,
                       const struct mu_oscore_id *id, struct mu_bytes piv);

/* Number to Partial IV in shortest form (0 is one zero byte), and back. */
size_t oscore_piv_put(uint8_t piv[MU_OSCORE_PIV_MAX], uint64_t seq);
uint64_t oscore_piv_get(struct mu_bytes piv);

struct mu_bytes oscore_id_view(const struct mu_oscore_id *id);

/* Options that stay outside, readable to proxies (s.4.1, Figure 5; class U of
 * RFC 8768). Everything else, unknown numbers included, is encrypted. */
bool oscore_is_outer(uint16_t number);

#endif
