/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stranger in a multicast group, for the demo and the tests: hears genuine
 * packets, makes forged ones of them, shouts them into the group. It holds no
 * key. Stops by itself after COUNT packets or SECONDS.
 *
 *   forger ADDRESS:PORT INTERFACE-ADDRESS COUNT SECONDS SEED
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sim/forge.h"

#define BURST 4 /* forgeries per genuine packet */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A socket that hears the group and sends into it on one interface. */
static int group_open(struct sockaddr_in *group, const char *iface)
{
    int one = 1;
    struct ip_mreqn membership = {.imr_multiaddr = group->sin_addr};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, iface, &membership.imr_address) != 1)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)group, sizeof *group) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership,
                   sizeof membership) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &membership,
                   sizeof membership) != 0)
        return -1;
    return fd;
}

static long forge(int fd, const struct sockaddr_in *group, long count,
                  double until, struct sim_rng *rng)
{
    uint8_t heard[MU_PACKET_MAX], forged[MU_PACKET_MAX];
    static uint8_t own[65536][4]; /* first bytes of what we sent: not heard */
    long sent = 0;
    while (sent < count && now() < until) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 200) <= 0)
            continue;
        ssize_t len = recv(fd, heard, sizeof heard, 0);
        if (len <= 4 || heard[0] < 0x41 ||
            (heard[0] > 0x45 && heard[0] < 0x80))
            continue;
        bool ours = false;
        for (long i = sent > 64 ? sent - 64 : 0; i < sent && !ours; i++)
            ours = memcmp(own[i % 65536], heard + len - 4, 4) == 0;
        for (int i = 0; i < BURST && !ours && sent < count; i++) {
            size_t n = sim_forge(rng, mu_bytes(heard, (size_t)len), forged);
            if (sendto(fd, forged, n, 0, (const struct sockaddr *)group,
                       sizeof *group) < 0)
                continue;
            if (n >= 4)
                memcpy(own[sent % 65536], forged + n - 4, 4);
            sent++;
        }
    }
    return sent;
}

int main(int argc, char **argv)
{
    struct sockaddr_in group = {.sin_family = AF_INET};
    struct sim_rng rng;
    char *colon = argc == 6 ? strrchr(argv[1], ':') : NULL;
    if (colon == NULL) {
        fputs("usage: forger ADDRESS:PORT INTERFACE-ADDRESS COUNT SECONDS "
              "SEED\n", stderr);
        return 1;
    }
    *colon = 0;
    group.sin_port = htons((uint16_t)atoi(colon + 1));
    int fd = -1;
    if (inet_pton(AF_INET, argv[1], &group.sin_addr) == 1)
        fd = group_open(&group, argv[2]);
    if (fd < 0) {
        perror("forger");
        return 1;
    }
    sim_rng_seed(&rng, strtoull(argv[5], NULL, 10), 1);
    long sent = forge(fd, &group, atol(argv[3]), now() + atof(argv[4]), &rng);
    printf("{\"forged\":%ld}\n", sent);
    close(fd);
    return 0;
}
