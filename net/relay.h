/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay relay: takes a cast's packets through a tunnel and sends them on
 * by multicast in its own network. It holds no key of the cast. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct mu_relay_conf {
    const char *identity;
    const char *key_file;
    const char *from;    /* HOST:PORT: --relay-listen of the sender */
    const char *iface;   /* multicast; NULL: as routed */
    uint32_t hops;
    unsigned drop_in;    /* test aid: percent of what comes in */
    uint64_t seed;
    bool json;
};

/* Runs until a signal. The exit code of the program. */
int mu_relay_run(const struct mu_relay_conf *conf);

#endif
