/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices as neighbours of each other, each a process of its own, and links
 * between two of them that a test has its hand in: what passes there is lost,
 * changed, or answered by an intruder.
 */
#ifndef TESTS_MESH_MESH_H
#define TESTS_MESH_MESH_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/addr.h"
#include "tests/real/real.h"

#define MESH_MAX 10

struct mesh_link { /* between two devices, or from an intruder to one */
    pthread_t thread;
    int side[2];              /* sockets: what `to` takes for its neighbour */
    struct mu_addr to[2];
    atomic_uint modify, drop; /* percent of what passes */
    void (*intrude)(struct mesh_link *l, const uint8_t *packet, size_t len);
    void *ctx;
    uint64_t random;
    atomic_bool stop;
    atomic_uint passed, modified, dropped, sent;
};

struct mesh {
    struct lab *lab;
    unsigned len;
    struct lab_prog *dev[MESH_MAX + 1]; /* 1.. */
    char at[MESH_MAX + 1][32];
    char neighbours[MESH_MAX + 1][400];
    struct mesh_link links[2];
    unsigned links_len;
};

/* Addresses of this test process alone. */
void mesh_address(char to[32], unsigned n);
/* A link between a and b of m->at, and where each finds it. */
struct mesh_link *mesh_between(struct mesh *m, unsigned a, char at_a[32],
                               unsigned b, char at_b[32]);

/* Keys, server, gateway; no device yet, nobody has neighbours. */
void mesh_open(struct mesh *m, struct lab *lab, unsigned devices);
/* The same, with words for the gateway. */
void mesh_open_with(struct mesh *m, struct lab *lab, unsigned devices,
                    const char *const gateway[]);
/* They hear each other. */
void mesh_near(struct mesh *m, unsigned a, unsigned b);
/* They hear each other through a link of the test's. */
struct mesh_link *mesh_through(struct mesh *m, unsigned a, unsigned b);
/* Somebody beside `a` whom it takes for a neighbour. */
struct mesh_link *mesh_intruder(struct mesh *m, unsigned a);
/* Sets the links going. */
void mesh_links(struct mesh *m);
/* Device number n: within reach of the gateway's cast, or not. Words end with
 * NULL; NULL for none. */
void mesh_device(struct mesh *m, unsigned n, bool reach,
                 const char *const extra[]);
void mesh_connected(struct mesh *m, unsigned n);
/* The last that it has said of its mesh. */
const json_t *mesh_said(struct mesh *m, unsigned n);
/* It runs this very file. */
void mesh_runs(struct mesh *m, unsigned n, const char *file);
bool mesh_got(struct mesh *m, unsigned n, const char *file);
/* Ends it and gives what its mesh counted. */
long long mesh_count(struct mesh *m, unsigned n, const char *key);
void mesh_close(struct mesh *m);

void mesh_link_send(struct mesh_link *l, const void *packet, size_t len);
uint32_t mesh_link_random(struct mesh_link *l);

#endif
