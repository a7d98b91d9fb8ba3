/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and tags that both ends of a tunnel share. */
#ifndef NET_TUNNEL_MSG_H
#define NET_TUNNEL_MSG_H

#include "muster/keys.h"
#include "net/tunnel.h"

#define TUNNEL_SID 4 /* bytes: the first of the relay's nonce */

MU_MUST int tunnel_join_key(const struct mu_crypto *c,
                            const struct mu_secret *root,
                            struct mu_secret *key);
MU_MUST int tunnel_session_key(const struct mu_crypto *c,
                               const struct mu_secret *root,
                               const uint8_t nonces[2 * MU_TUNNEL_NONCE],
                               struct mu_secret *key);
/* Appends the tag over what is written. */
MU_MUST int tunnel_seal(const struct mu_crypto *c, const struct mu_secret *key,
                        size_t tag_len, struct mu_writer *w);
/* 0: the last tag_len bytes are the tag of those before; *body is these. */
MU_MUST int tunnel_open(const struct mu_crypto *c, const struct mu_secret *key,
                        size_t tag_len, struct mu_bytes in,
                        struct mu_bytes *body);

#endif
