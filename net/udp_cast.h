/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP sockets of the cast: multicast groups joined on a chosen interface, and
 * plain ports. Datagrams are read and sent many at a time; where many come, the
 * socket is looked at each millisecond.
 */
#ifndef NET_UDP_CAST_H
#define NET_UDP_CAST_H

#include <uv.h>

#include "muster/limits.h"
#include "net/addr.h"

#define MU_UDP_MAX (MU_PACKET_MAX + 32) /* bytes of a datagram: with a tunnel */
#define MU_UDP_BUFFER (4 << 20) /* bytes asked for: a page and more in a burst */

struct mu_udp_counts {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* UDP payload */
    uint64_t dropped;  /* on purpose, see mu_udp_drop */
    uint64_t tx_failed;
};

struct mu_udp_batch;

struct mu_udp {
    int fd; /* -1: closed */
    uv_poll_t *poll;
    uv_timer_t *gather; /* active while packets come close together */
    uint64_t read_at;   /* uv_now of the last time it was readable */
    unsigned vain;      /* looks since then that found nothing */
    void (*packet)(void *ctx, struct mu_bytes packet, const struct mu_addr *from);
    void *ctx;
    struct mu_udp_batch *batch;
    struct mu_udp_counts counts;
    bool deaf; /* what comes in is read and forgotten: the radio is off */
    unsigned drop_percent;
    uint64_t drop_state;
};

/* Before the first use; no socket yet. */
void mu_udp_init(struct mu_udp *u,
                 void (*packet)(void *ctx, struct mu_bytes packet,
                                const struct mu_addr *from),
                 void *ctx);
/*
 * Joins: only datagrams to this group and port come in. iface: name, or NULL
 * for what the routing table says. An open socket is closed first.
 * MU_ERR_USAGE: no multicast address or no such interface; MU_ERR_IO.
 */
MU_MUST int mu_udp_join(struct mu_udp *u, uv_loop_t *uv,
                        const struct mu_addr *group, const char *iface);
/* Binds to a port (0: any; *bound is what it became). MU_ERR_CONFLICT. */
MU_MUST int mu_udp_bind(struct mu_udp *u, uv_loop_t *uv,
                        const struct mu_addr *at, struct mu_addr *bound);
/* What multicast leaves by, how far it goes, and that it is gathered for
 * mu_udp_flush. A socket of mu_udp_bind. */
MU_MUST int mu_udp_sender(struct mu_udp *u, const char *iface, unsigned hops);
/* Copies the packet. Losing it is the medium's way: no error. */
void mu_udp_send(struct mu_udp *u, const struct mu_addr *to,
                 struct mu_bytes packet);
void mu_udp_flush(struct mu_udp *u);
/* Bytes that wait in the socket or its interface, with what the kernel spends on
 * each datagram. */
uint32_t mu_udp_backlog(const struct mu_udp *u);
void mu_udp_close(struct mu_udp *u);

/* A test aid: so many percent of what comes in is lost, in the order that the
 * seed gives. */
void mu_udp_drop(struct mu_udp *u, unsigned percent, uint64_t seed);

/* Puts the interface into an address whose scope needs one. */
MU_MUST int mu_udp_scope(struct mu_addr *a, const char *iface);

#endif
