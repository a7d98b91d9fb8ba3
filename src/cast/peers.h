/* SPDX-License-Identifier: Apache-2.0 */
/* Inside cast: who the receivers are, as the sender's owner says. */
#ifndef CAST_PEERS_H
#define CAST_PEERS_H

#include "muster/cast.h"

static inline bool mu_peers_member(const struct mu_cast_peers *p,
                                   uint16_t receiver)
{
    return p->member(p->ctx, receiver);
}

/* An answer of it can be waited for. */
static inline bool mu_peers_awaited(const struct mu_cast_peers *p,
                                    uint16_t receiver)
{
    return p->member(p->ctx, receiver) &&
           (p->listens == NULL || p->listens(p->ctx, receiver));
}

#endif
