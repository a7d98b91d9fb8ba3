/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the key exchange. */
#ifndef ENROL_EXCHANGE_H
#define ENROL_EXCHANGE_H

#include "muster/exchange.h"

/* exchange_end.c: how the ends stand to each other, and what is agreed on. */
bool mu_exchange_server_first(uint8_t method);
/* A session that has all but keys, policies and what create fills in. */
MU_MUST int mu_exchange_session(const struct mu_exchange_end *e,
                                uint8_t method, struct mu_mikey_session *s);
/* What is taken of the other end; counter: the last one that it used. */
MU_MUST int mu_exchange_policy(const struct mu_exchange_end *e, uint8_t method,
                               bool at_node, struct mu_mikey_policy *p);
/* A first message that was taken: of this connection, its policies ours. */
MU_MUST int mu_exchange_check(const struct mu_exchange_end *e, uint8_t method,
                              const struct mu_mikey_session *s);
/* A crypto session for each protocol, with our policy for it. */
MU_MUST int mu_exchange_propose(struct mu_mikey_session *s,
                                struct mu_bytes protocols);
/* The pre-shared key of PSK and DHMAC. */
MU_MUST int mu_exchange_psk(const struct mu_exchange_end *e,
                            struct mu_secret *psk);
/* A TGK of our choice into s. */
MU_MUST int mu_exchange_tgk(const struct mu_crypto *c,
                            struct mu_mikey_session *s);

/* exchange_keys.c: told is the payload of the answer. */
MU_MUST int mu_exchange_derive(const struct mu_crypto *c,
                               const struct mu_secret *kx,
                               const uint8_t asked[MU_SHA256_LEN],
                               struct mu_bytes told,
                               const struct mu_mikey_session *s,
                               struct mu_exchange_keys *out);

#endif
