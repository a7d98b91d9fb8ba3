/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way a sender's packets go to each network that has receivers of it: by
 * multicast, by a tunnel to the relay there, or by copies to every receiver.
 * The way of least cost is taken, docs/architecture.md "Ways".
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "net/addr.h"
#include "net/tunnel.h"

#define MU_ROUTE_NETS_MAX (1 + MU_TUNNEL_RELAYS_MAX)
#define MU_ROUTE_HERE 0u /* the sender's own network; 1 + n: that of relay n */

enum mu_route_way {
    MU_ROUTE_NONE,   /* nobody is there */
    MU_ROUTE_GROUP,  /* multicast by the sender itself */
    MU_ROUTE_TUNNEL, /* to the relay, which multicasts */
    MU_ROUTE_COPIES, /* one to each receiver */
};

struct mu_route_copy {
    uint32_t link;
    struct mu_addr to;
    size_t net;
    uint64_t vain_ms; /* when it was found to hear nothing; 0: never */
};

struct mu_route_net {
    struct mu_addr prefix; /* of a relay's network */
    unsigned bits;
    bool up;               /* its relay has joined; here: there is a group */
    uint32_t receivers;
    enum mu_route_way way;
    bool changed;          /* the way, since somebody looked */
};

struct mu_route {
    uint32_t multicast_cost; /* of a packet, in copies; 0: always multicast */
    struct mu_route_net nets[MU_ROUTE_NETS_MAX];
    size_t nets_len;
    struct mu_route_copy *copies;
    size_t copies_len;
};

void mu_route_init(struct mu_route *r, uint32_t multicast_cost);
/* "10.1.0.0/16", "fd00:1::/32". MU_ERR_USAGE, MU_ERR_FULL. */
MU_MUST int mu_route_add(struct mu_route *r, const char *prefix);
/* A multicast group there, or a relay that is in touch, or no longer. */
void mu_route_up(struct mu_route *r, size_t net, bool up);
/* Where the receiver at the other end of a link takes copies. */
MU_MUST int mu_route_copy(struct mu_route *r, uint32_t link,
                          const struct mu_addr *to);
/* Where that is; NULL: nowhere. */
const struct mu_addr *mu_route_copy_of(const struct mu_route *r, uint32_t link);
void mu_route_copy_end(struct mu_route *r, uint32_t link);
void mu_route_clear(struct mu_route *r);

/* The receiver at the other end of a link answers and hears nothing. The network
 * in which half of the receivers do so within so many milliseconds, or
 * MU_ROUTE_HERE. */
size_t mu_route_vain(struct mu_route *r, uint32_t link, uint64_t now_ms,
                     uint64_t within_ms);

/* What the ways to a network cost, per packet, in copies. */
struct mu_route_cost {
    uint32_t copies, multicast;
};

struct mu_route_cost mu_route_cost(const struct mu_route *r, size_t net);
const char *mu_route_way_name(enum mu_route_way way);

#endif
