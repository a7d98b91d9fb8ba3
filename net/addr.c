/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses as text. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int addr_lookup(const char *host, const char *port, int flags,
                       struct mu_addr *out)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_DGRAM, .ai_flags = flags | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, port, &hints, &found);

    *out = (struct mu_addr){ 0 };
    if (rc != 0 || found == NULL)
        return rc == EAI_AGAIN ? MU_ERR_IO : MU_ERR_NOT_FOUND;
    if (found->ai_addrlen <= sizeof(out->in6)) {
        memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
        out->len = found->ai_addrlen;
    }
    freeaddrinfo(found);
    return out->len == 0 ? MU_ERR_NOT_FOUND : 0;
}

int mu_addr_parse(const char *text, struct mu_addr *out)
{
    char host[256];
    const char *colon = strrchr(text, ':'), *start = text, *end = colon;
    char *stop;

    *out = (struct mu_addr){ 0 };
    if (colon == NULL)
        return MU_ERR_USAGE;
    if (text[0] == '[') {
        start = text + 1;
        end = colon - 1;
        if (end < start || *end != ']')
            return MU_ERR_USAGE;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return MU_ERR_USAGE; /* an IPv6 address wants brackets */
    }
    size_t len = (size_t)(end - start);

    if (len == 0 || len >= sizeof(host) || colon[1] == '\0')
        return MU_ERR_USAGE;
    unsigned long port = strtoul(colon + 1, &stop, 10);

    if (*stop != '\0' || port > 65535 || colon[1] == '-' || colon[1] == '+')
        return MU_ERR_USAGE;
    memcpy(host, start, len);
    host[len] = '\0';
    return addr_lookup(host, colon + 1, 0, out);
}

int mu_addr_host(const char *text, uint16_t port, struct mu_addr *out)
{
    char digits[8];

    snprintf(digits, sizeof(digits), "%u", port);
    return addr_lookup(text, digits, AI_NUMERICHOST, out);
}

uint16_t mu_addr_port(const struct mu_addr *a)
{
    return ntohs(a->sa.sa_family == AF_INET6 ? a->in6.sin6_port
                                             : a->in.sin_port);
}

void mu_addr_set_port(struct mu_addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
    else
        a->in.sin_port = htons(port);
}

bool mu_addr_is_multicast(const struct mu_addr *a)
{
    if (a->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
    return IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
}

bool mu_addr_eq(const struct mu_addr *a, const struct mu_addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family || mu_addr_port(a) != mu_addr_port(b))
        return false;
    if (a->sa.sa_family == AF_INET6)
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
    return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

void mu_addr_host_text(const struct mu_addr *a, char out[MU_ADDR_TEXT_MAX])
{
    out[0] = '\0';
    if (getnameinfo(&a->sa, a->len, out, MU_ADDR_TEXT_MAX, NULL, 0,
                    NI_NUMERICHOST) != 0)
        snprintf(out, MU_ADDR_TEXT_MAX, "?");
}

void mu_addr_text(const struct mu_addr *a, char out[MU_ADDR_PORT_TEXT])
{
    char host[MU_ADDR_TEXT_MAX];

    mu_addr_host_text(a, host);
    snprintf(out, MU_ADDR_PORT_TEXT,
             a->sa.sa_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
             mu_addr_port(a));
}
