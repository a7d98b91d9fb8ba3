/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets of the cast. */
#include "net/udp_cast.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/log.h"

#define UDP_RX_BATCH 32
#define UDP_TX_BATCH 64
#define UDP_ROOM 2048      /* above MU_UDP_MAX: too long is seen, not cut */
#define UDP_WAIT_MS 10     /* for room in the socket before a packet is lost */
#define UDP_READS_MAX 64   /* batches in a row before others get their turn */
#define UDP_GATHER_MS 1    /* between looks at a socket that much comes to */
#define UDP_IDLE_LOOKS 4   /* in vain before it is waited for again */

struct mu_udp_batch {
    unsigned len;
    struct mu_addr to[UDP_TX_BATCH];
    uint16_t size[UDP_TX_BATCH];
    uint8_t data[UDP_TX_BATCH][MU_UDP_MAX];
};

void mu_udp_init(struct mu_udp *u,
                 void (*packet)(void *ctx, struct mu_bytes packet,
                                const struct mu_addr *from),
                 void *ctx)
{
    *u = (struct mu_udp){ .fd = -1, .packet = packet, .ctx = ctx };
}

void mu_udp_drop(struct mu_udp *u, unsigned percent, uint64_t seed)
{
    u->drop_percent = percent;
    u->drop_state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
}

static bool udp_lose(struct mu_udp *u)
{
    if (u->drop_percent == 0)
        return false;
    u->drop_state ^= u->drop_state << 13;
    u->drop_state ^= u->drop_state >> 7;
    u->drop_state ^= u->drop_state << 17;
    if ((u->drop_state >> 33) % 100 >= u->drop_percent)
        return false;
    u->counts.dropped++;
    return true;
}

static void udp_take(struct mu_udp *u, const uint8_t *data, size_t len,
                     const struct sockaddr_in6 *from, socklen_t from_len)
{
    struct mu_addr a = { 0 };

    if (u->deaf)
        return;
    u->counts.rx_packets++;
    u->counts.rx_bytes += len;
    if (len == 0 || len > MU_UDP_MAX || udp_lose(u))
        return;
    if (from_len <= sizeof(a.in6)) {
        memcpy(&a.in6, from, from_len);
        a.len = from_len;
    }
    u->packet(u->ctx, mu_bytes(data, len), &a);
}

/* One batch: how many there were. */
static int udp_read(struct mu_udp *u)
{
    uint8_t data[UDP_RX_BATCH][UDP_ROOM];
    struct sockaddr_in6 from[UDP_RX_BATCH];
    struct iovec parts[UDP_RX_BATCH];
    struct mmsghdr in[UDP_RX_BATCH];

    memset(in, 0, sizeof(in));
    for (int i = 0; i < UDP_RX_BATCH; i++) {
        parts[i] = (struct iovec){ data[i], UDP_ROOM };
        in[i].msg_hdr.msg_iov = &parts[i];
        in[i].msg_hdr.msg_iovlen = 1;
        in[i].msg_hdr.msg_name = &from[i];
        in[i].msg_hdr.msg_namelen = sizeof(from[i]);
    }
    int n = recvmmsg(u->fd, in, UDP_RX_BATCH, MSG_DONTWAIT, NULL);

    for (int i = 0; i < n && u->fd >= 0; i++)
        udp_take(u, data[i], in[i].msg_len, &from[i],
                 in[i].msg_hdr.msg_namelen);
    return n;
}

/* What is there: how many packets. */
static int udp_read_all(struct mu_udp *u)
{
    int all = 0, n = UDP_RX_BATCH;

    for (int i = 0; i < UDP_READS_MAX && n == UDP_RX_BATCH && u->fd >= 0; i++) {
        n = udp_read(u);
        if (n > 0)
            all += n;
    }
    return all;
}

static void udp_readable(uv_poll_t *poll, int status, int events);

/*
 * To wake up for each packet of many costs more than the packets. While they
 * come close together the socket is looked at once in a while, and keeps them
 * meanwhile; when that was in vain a few times it is waited for again.
 */
static void udp_gather(uv_timer_t *timer)
{
    struct mu_udp *u = timer->data;

    if (udp_read_all(u) > 0)
        u->vain = 0;
    else
        u->vain++;
    if (u->vain < UDP_IDLE_LOOKS)
        return;
    uv_timer_stop(timer);
    uv_poll_start(u->poll, UV_READABLE, udp_readable);
}

static void udp_readable(uv_poll_t *poll, int status, int events)
{
    struct mu_udp *u = poll->data;
    uint64_t now = uv_now(poll->loop), last = u->read_at;

    (void)status;
    (void)events;
    u->read_at = now;
    if (udp_read_all(u) == 0 || u->poll != poll || now - last > UDP_GATHER_MS)
        return;
    u->vain = 0;
    uv_poll_stop(poll);
    uv_timer_start(u->gather, udp_gather, UDP_GATHER_MS, UDP_GATHER_MS);
}

static int udp_watch(struct mu_udp *u, uv_loop_t *uv)
{
    u->poll = calloc(1, sizeof(*u->poll));
    u->gather = calloc(1, sizeof(*u->gather));
    if (u->poll == NULL || u->gather == NULL ||
        uv_poll_init(uv, u->poll, u->fd) != 0) {
        free(u->poll);
        free(u->gather);
        u->poll = NULL;
        u->gather = NULL;
        return MU_ERR_IO;
    }
    (void)uv_timer_init(uv, u->gather);
    u->gather->data = u;
    u->poll->data = u;
    return uv_poll_start(u->poll, UV_READABLE, udp_readable) == 0 ? 0
                                                                  : MU_ERR_IO;
}

static void udp_buffers(int fd)
{
    int size = MU_UDP_BUFFER;

    /* Root gets it all; others what net.core.rmem_max allows. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int udp_socket(struct mu_udp *u, int family)
{
    mu_udp_close(u);
    u->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->fd < 0)
        return MU_ERR_IO;
    udp_buffers(u->fd);
    return 0;
}

static int udp_ifindex(const char *iface, unsigned *index)
{
    *index = iface == NULL ? 0 : if_nametoindex(iface);
    return iface != NULL && *index == 0 ? MU_ERR_USAGE : 0;
}

int mu_udp_scope(struct mu_addr *a, const char *iface)
{
    unsigned index;
    int rc = udp_ifindex(iface, &index);

    if (rc != 0)
        return rc;
    if (a->sa.sa_family == AF_INET6 && index != 0 &&
        (IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr) ||
         IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr)))
        a->in6.sin6_scope_id = index;
    return 0;
}

static int udp_join4(int fd, const struct mu_addr *group, unsigned index)
{
    struct ip_mreqn join = {
        .imr_multiaddr = group->in.sin_addr, .imr_ifindex = (int)index,
    };
    int off = 0;

    /* Else a socket hears every group that anybody here has joined. */
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
    return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join));
}

static int udp_join6(int fd, const struct mu_addr *group, unsigned index)
{
    struct ipv6_mreq join = {
        .ipv6mr_multiaddr = group->in6.sin6_addr, .ipv6mr_interface = index,
    };
    int off = 0;

    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof(off));
    return setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof(join));
}

int mu_udp_join(struct mu_udp *u, uv_loop_t *uv, const struct mu_addr *group,
                const char *iface)
{
    struct mu_addr at = *group;
    unsigned index;
    int on = 1, rc = udp_ifindex(iface, &index);

    if (rc != 0 || !mu_addr_is_multicast(group))
        return MU_ERR_USAGE;
    rc = mu_udp_scope(&at, iface);
    if (rc == 0)
        rc = udp_socket(u, at.sa.sa_family);
    if (rc != 0)
        return rc;
    if (index == 0 && at.sa.sa_family == AF_INET6)
        index = at.in6.sin6_scope_id;
    /* Several receivers of one machine share the group's port. */
    if (setsockopt(u->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(u->fd, &at.sa, at.len) != 0 ||
        (at.sa.sa_family == AF_INET6 ? udp_join6(u->fd, &at, index)
                                     : udp_join4(u->fd, &at, index)) != 0 ||
        udp_watch(u, uv) != 0) {
        mu_log(MU_LOG_ERROR, "join", "errno=%d text=\"%s\"", errno,
               strerror(errno));
        mu_udp_close(u);
        return MU_ERR_IO;
    }
    return 0;
}

int mu_udp_bind(struct mu_udp *u, uv_loop_t *uv, const struct mu_addr *at,
                struct mu_addr *bound)
{
    socklen_t len = sizeof(bound->in6);
    int rc = udp_socket(u, at->sa.sa_family);

    if (rc != 0)
        return rc;
    *bound = *at;
    if (bind(u->fd, &at->sa, at->len) != 0)
        rc = errno == EADDRINUSE ? MU_ERR_CONFLICT : MU_ERR_IO;
    else if (getsockname(u->fd, &bound->sa, &len) != 0 ||
             udp_watch(u, uv) != 0)
        rc = MU_ERR_IO;
    if (rc != 0)
        mu_udp_close(u);
    return rc;
}

int mu_udp_sender(struct mu_udp *u, const char *iface, unsigned hops)
{
    struct mu_addr self;
    socklen_t len = sizeof(self.in6);
    unsigned index;
    int on = 1, limit = (int)hops, rc = udp_ifindex(iface, &index);
    int found = (int)index;

    if (rc != 0)
        return rc;
    if (getsockname(u->fd, &self.sa, &len) != 0)
        return MU_ERR_IO;
    if (self.sa.sa_family == AF_INET6) {
        rc = setsockopt(u->fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &limit,
                        sizeof(limit)) |
             setsockopt(u->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &on,
                        sizeof(on));
        if (index != 0)
            rc |= setsockopt(u->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &found,
                             sizeof(found));
    } else {
        struct ip_mreqn by = { .imr_ifindex = found };

        rc = setsockopt(u->fd, IPPROTO_IP, IP_MULTICAST_TTL, &limit,
                        sizeof(limit)) |
             setsockopt(u->fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on));
        if (index != 0)
            rc |= setsockopt(u->fd, IPPROTO_IP, IP_MULTICAST_IF, &by,
                             sizeof(by));
    }
    if (rc == 0 && u->batch == NULL)
        u->batch = calloc(1, sizeof(*u->batch));
    return rc == 0 && u->batch != NULL ? 0 : MU_ERR_IO;
}

static void udp_sent(struct mu_udp *u, size_t len)
{
    u->counts.tx_packets++;
    u->counts.tx_bytes += len;
}

static void udp_send_failed(struct mu_udp *u)
{
    if (u->counts.tx_failed++ % 1000 == 0)
        mu_log(MU_LOG_WARN, "send", "errno=%d text=\"%s\" failed=%llu", errno,
               strerror(errno), (unsigned long long)u->counts.tx_failed);
}

static bool udp_wait(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) &&
           poll(&p, 1, UDP_WAIT_MS) == 1;
}

void mu_udp_flush(struct mu_udp *u)
{
    struct mu_udp_batch *b = u->batch;
    struct mmsghdr out[UDP_TX_BATCH];
    struct iovec parts[UDP_TX_BATCH];
    unsigned at = 0;
    bool waited = false;

    if (b == NULL || b->len == 0 || u->fd < 0)
        return;
    memset(out, 0, sizeof(out));
    for (unsigned i = 0; i < b->len; i++) {
        parts[i] = (struct iovec){ b->data[i], b->size[i] };
        out[i].msg_hdr.msg_iov = &parts[i];
        out[i].msg_hdr.msg_iovlen = 1;
        out[i].msg_hdr.msg_name = &b->to[i].sa;
        out[i].msg_hdr.msg_namelen = b->to[i].len;
    }
    while (at < b->len) {
        int n = sendmmsg(u->fd, out + at, b->len - at, MSG_DONTWAIT);

        if (n > 0) {
            for (int i = 0; i < n; i++)
                udp_sent(u, b->size[at + (unsigned)i]);
            at += (unsigned)n;
            waited = false;
        } else if (!waited && udp_wait(u->fd)) {
            waited = true;
        } else {
            udp_send_failed(u); /* this one is lost */
            at++;
            waited = false;
        }
    }
    b->len = 0;
}

void mu_udp_send(struct mu_udp *u, const struct mu_addr *to,
                 struct mu_bytes packet)
{
    struct mu_udp_batch *b = u->batch;

    if (u->fd < 0 || packet.len > MU_UDP_MAX || to->len == 0)
        return;
    if (b == NULL) {
        if (sendto(u->fd, packet.data, packet.len, MSG_DONTWAIT, &to->sa,
                   to->len) >= 0)
            udp_sent(u, packet.len);
        else
            udp_send_failed(u);
        return;
    }
    if (b->len == UDP_TX_BATCH)
        mu_udp_flush(u);
    b->to[b->len] = *to;
    b->size[b->len] = (uint16_t)packet.len;
    memcpy(b->data[b->len], packet.data, packet.len);
    b->len++;
}

uint32_t mu_udp_backlog(const struct mu_udp *u)
{
    int bytes = 0;

    if (u->fd < 0 || ioctl(u->fd, SIOCOUTQ, &bytes) != 0 || bytes < 0)
        return 0;
    return (uint32_t)bytes;
}

static void udp_closed(uv_handle_t *handle)
{
    free(handle);
}

void mu_udp_close(struct mu_udp *u)
{
    if (u->poll != NULL) {
        uv_poll_stop(u->poll);
        uv_close((uv_handle_t *)u->poll, udp_closed);
        u->poll = NULL;
    }
    if (u->gather != NULL) {
        uv_timer_stop(u->gather);
        uv_close((uv_handle_t *)u->gather, udp_closed);
        u->gather = NULL;
    }
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    free(u->batch);
    u->batch = NULL;
}
