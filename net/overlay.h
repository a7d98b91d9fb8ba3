/* SPDX-License-Identifier: Apache-2.0 */
/* The relays of a sender: who may join, the socket they join at, and what is sent
 * to them. */
#ifndef NET_OVERLAY_H
#define NET_OVERLAY_H

#include "net/loop.h"
#include "net/route.h"
#include "net/udp_cast.h"

struct mu_overlay_conf {
    const char *listen;  /* HOST:PORT; NULL: no relays */
    const char *relays;  /* mode 0600: identity,key,network */
    uint32_t multicast_cost;
};

struct mu_overlay;

/* Opens the socket and adds the relays' networks to the route. `group`: where
 * relays send, as text. `told` is called when a way may have changed. Says on
 * standard error what is wrong. */
MU_MUST int mu_overlay_open(struct mu_overlay **out,
                            const struct mu_overlay_conf *conf,
                            const struct mu_crypto *crypto, uv_loop_t *uv,
                            struct mu_route *route, const char *group,
                            void (*told)(void *ctx), void *ctx,
                            struct mu_addr *bound);
/* By the tunnels that are the way. */
/* The receiver at the other end of a link answers and hears nothing: if that is
 * how it is behind a relay, its network gets copies for a while. */
void mu_overlay_vain(struct mu_overlay *o, uint32_t link);
void mu_overlay_send(struct mu_overlay *o, struct mu_bytes packet);
void mu_overlay_flush(struct mu_overlay *o);
/* Of relay n. */
const struct mu_tunnel_relay *mu_overlay_relay(const struct mu_overlay *o,
                                               size_t n);
const struct mu_udp *mu_overlay_port(const struct mu_overlay *o);
void mu_overlay_close(struct mu_overlay *o);

#endif
