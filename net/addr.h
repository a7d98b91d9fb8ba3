/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses as text: "127.0.0.1:5684", "[::1]:5684",
 * "[ff02::4d75%eth0]:5000", "gw.example:5684". */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "muster/bytes.h"
#include "muster/limits.h"

struct mu_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t len; /* 0: no address */
};

#define MU_ADDR_PORT_TEXT (MU_ADDR_TEXT_MAX + 10)

/* A name is looked up (this may block; programs do it at start and when they
 * connect). MU_ERR_USAGE for text that is no address, MU_ERR_NOT_FOUND for a
 * name that is not known. A port is required. */
MU_MUST int mu_addr_parse(const char *text, struct mu_addr *out);
/* A numeric host without a port. */
MU_MUST int mu_addr_host(const char *text, uint16_t port, struct mu_addr *out);
uint16_t mu_addr_port(const struct mu_addr *a);
void mu_addr_set_port(struct mu_addr *a, uint16_t port);
bool mu_addr_is_multicast(const struct mu_addr *a);
bool mu_addr_eq(const struct mu_addr *a, const struct mu_addr *b);
/* Both forms: "host" and "host:port". */
void mu_addr_host_text(const struct mu_addr *a, char out[MU_ADDR_TEXT_MAX]);
void mu_addr_text(const struct mu_addr *a, char out[MU_ADDR_PORT_TEXT]);

#endif
