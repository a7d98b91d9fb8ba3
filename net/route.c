/* SPDX-License-Identifier: Apache-2.0 */
/* Ways from a sender to the networks of its receivers. */
#include "net/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_route_init(struct mu_route *r, uint32_t multicast_cost)
{
    *r = (struct mu_route){ .multicast_cost = multicast_cost, .nets_len = 1 };
}

static const uint8_t *route_host(const struct mu_addr *a, unsigned *bits)
{
    *bits = a->sa.sa_family == AF_INET6 ? 128 : 32;
    return a->sa.sa_family == AF_INET6
        ? a->in6.sin6_addr.s6_addr : (const uint8_t *)&a->in.sin_addr;
}

int mu_route_add(struct mu_route *r, const char *prefix)
{
    struct mu_route_net *n = &r->nets[r->nets_len];
    const char *slash = strchr(prefix, '/');
    char host[MU_ADDR_TEXT_MAX], *end;
    unsigned long bits;
    unsigned most;

    if (slash == NULL || slash[1] < '0' || slash[1] > '9' ||
        (size_t)(slash - prefix) >= sizeof(host))
        return MU_ERR_USAGE;
    if (r->nets_len == MU_ROUTE_NETS_MAX)
        return MU_ERR_FULL;
    memcpy(host, prefix, (size_t)(slash - prefix));
    host[slash - prefix] = '\0';
    bits = strtoul(slash + 1, &end, 10);
    *n = (struct mu_route_net){ .bits = (unsigned)bits };
    if (*end != '\0' || mu_addr_host(host, 0, &n->prefix) != 0)
        return MU_ERR_USAGE;
    (void)route_host(&n->prefix, &most);
    if (bits > most)
        return MU_ERR_USAGE;
    r->nets_len++;
    return 0;
}

static bool route_inside(const struct mu_route_net *n, const struct mu_addr *a)
{
    unsigned most, bytes = n->bits / 8, rest = n->bits % 8;
    const uint8_t *one = route_host(&n->prefix, &most);
    const uint8_t *other = route_host(a, &most);

    if (n->prefix.sa.sa_family != a->sa.sa_family ||
        memcmp(one, other, bytes) != 0)
        return false;
    return rest == 0 || ((one[bytes] ^ other[bytes]) >> (8 - rest)) == 0;
}

/* The longest prefix decides; none: here. */
static size_t route_net_of(const struct mu_route *r, const struct mu_addr *a)
{
    size_t best = MU_ROUTE_HERE;

    for (size_t i = 1; i < r->nets_len; i++) {
        if (route_inside(&r->nets[i], a) &&
            (best == MU_ROUTE_HERE || r->nets[i].bits > r->nets[best].bits))
            best = i;
    }
    return best;
}

struct mu_route_cost mu_route_cost(const struct mu_route *r, size_t net)
{
    return (struct mu_route_cost){
        .copies = r->nets[net].receivers,
        .multicast = r->multicast_cost + (net == MU_ROUTE_HERE ? 0 : 1),
    };
}

static enum mu_route_way route_choose(const struct mu_route *r, size_t net)
{
    const struct mu_route_net *n = &r->nets[net];
    struct mu_route_cost cost = mu_route_cost(r, net);
    bool always = r->multicast_cost == 0 && net == MU_ROUTE_HERE;

    if (n->up && always)
        return MU_ROUTE_GROUP; /* also to who has not said yet that it is there */
    if (n->receivers == 0)
        return MU_ROUTE_NONE;
    if (!n->up || cost.copies < cost.multicast)
        return MU_ROUTE_COPIES;
    return net == MU_ROUTE_HERE ? MU_ROUTE_GROUP : MU_ROUTE_TUNNEL;
}

static void route_plan(struct mu_route *r)
{
    for (size_t i = 0; i < r->nets_len; i++)
        r->nets[i].receivers = 0;
    for (size_t i = 0; i < r->copies_len; i++)
        r->nets[r->copies[i].net].receivers++;
    for (size_t i = 0; i < r->nets_len; i++) {
        enum mu_route_way way = route_choose(r, i);

        r->nets[i].changed = r->nets[i].changed || way != r->nets[i].way;
        r->nets[i].way = way;
    }
}

void mu_route_up(struct mu_route *r, size_t net, bool up)
{
    r->nets[net].up = up;
    route_plan(r);
}

int mu_route_copy(struct mu_route *r, uint32_t link, const struct mu_addr *to)
{
    struct mu_route_copy *c = NULL, *grown;

    for (size_t i = 0; i < r->copies_len; i++) {
        if (r->copies[i].link == link)
            c = &r->copies[i];
    }
    if (c == NULL) {
        grown = realloc(r->copies, (r->copies_len + 1) * sizeof(*grown));
        if (grown == NULL)
            return MU_ERR_FULL;
        r->copies = grown;
        c = &grown[r->copies_len++];
    }
    *c = (struct mu_route_copy){ link, *to, route_net_of(r, to), 0 };
    route_plan(r);
    return 0;
}

const struct mu_addr *mu_route_copy_of(const struct mu_route *r, uint32_t link)
{
    for (size_t i = 0; i < r->copies_len; i++) {
        if (r->copies[i].link == link)
            return &r->copies[i].to;
    }
    return NULL;
}

void mu_route_copy_end(struct mu_route *r, uint32_t link)
{
    for (size_t i = 0; i < r->copies_len; i++) {
        if (r->copies[i].link == link) {
            r->copies[i] = r->copies[--r->copies_len];
            route_plan(r);
            return;
        }
    }
}

size_t mu_route_vain(struct mu_route *r, uint32_t link, uint64_t now_ms,
                     uint64_t within_ms)
{
    size_t net = MU_ROUTE_HERE;
    uint32_t vain = 0;

    for (size_t i = 0; i < r->copies_len; i++) {
        if (r->copies[i].link == link) {
            r->copies[i].vain_ms = now_ms;
            net = r->copies[i].net;
        }
    }
    for (size_t i = 0; i < r->copies_len; i++) {
        const struct mu_route_copy *c = &r->copies[i];

        vain += c->net == net && c->vain_ms != 0 &&
                now_ms - c->vain_ms <= within_ms;
    }
    return 2 * vain >= r->nets[net].receivers ? net : MU_ROUTE_HERE;
}

void mu_route_clear(struct mu_route *r)
{
    free(r->copies);
    r->copies = NULL;
    r->copies_len = 0;
}

const char *mu_route_way_name(enum mu_route_way way)
{
    switch (way) {
    case MU_ROUTE_GROUP:
        return "multicast";
    case MU_ROUTE_TUNNEL:
        return "tunnel";
    case MU_ROUTE_COPIES:
        return "copies";
    case MU_ROUTE_NONE:
        break;
    }
    return "none";
}
