/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect: the two messages that set up an M2M service connection between a
 * node and the server, and the keys that come out. docs/wire-format.md s.3.
 *
 * Node:    mu_connect1_create -> send -> mu_connect2_consume
 * Server:  mu_connect1_peek (whose Kmr?) -> mu_connect1_consume ->
 *          mu_connect2_create -> send
 * then both: mu_connection_oscore.
 *
 * Nothing here survives a restart and nothing has to: both ends connect again.
 */
#ifndef MUSTER_CONNECT_H
#define MUSTER_CONNECT_H

#include "muster/groups.h"
#include "muster/keys.h"
#include "muster/oscore.h"

#define MU_CONNECT_NONCE 16 /* bytes of Nd and of Ns */
#define MU_CONNECT_ID 8     /* bytes of a connection id */
/* Bytes of message 1 and of message 2: two identities, a public key, eight
 * groups and COSE's overhead come to less than this. */
#define MU_CONNECT_MAX 512
#define MU_CAPABILITY_ALGS_MAX 4

enum mu_receiver_kind { MU_RECEIVER_FULL = 0, MU_RECEIVER_MICRO = 1 };

/* What a node can take (s.3.1); also field 2 of its /hello. */
struct mu_capability {
    uint64_t object_max;  /* bytes of the largest object */
    uint64_t page_memory; /* bytes for the page in progress */
    int32_t algs[MU_CAPABILITY_ALGS_MAX]; /* signatures, enum mu_alg */
    uint8_t algs_len;
    uint8_t receiver; /* enum mu_receiver_kind */
    uint32_t member_memory; /* bytes for one group's state of a rekeying scheme;
                               0: none */
};

void mu_capability_write(struct mu_writer *w, const struct mu_capability *cap);
/* Reads one map; fails the reader when a field is missing or too large.
 * Algorithms beyond MU_CAPABILITY_ALGS_MAX are left out. */
void mu_capability_read(struct mu_reader *r, struct mu_capability *cap);
bool mu_capability_has_alg(const struct mu_capability *cap, enum mu_alg alg);

/* Message 1. Views: the caller's (create), into the message (consume). */
struct mu_connect1 {
    struct mu_bytes identity; /* of the node */
    struct mu_bytes gateway;  /* that it speaks through */
    uint32_t epoch;           /* highest server epoch seen; 0: none */
    struct mu_capability capability;
};

/* What ties message 2 to message 1. The node keeps it from create to consume
 * of message 2 and drops it at the first that verifies. Not secret. */
struct mu_connect_pending {
    uint8_t nd[MU_CONNECT_NONCE];
    uint8_t digest[MU_SHA256_LEN]; /* H(message 1) */
    uint32_t epoch;                /* of message 1 */
};

/* Message 2. Views as above; at the node they view its plaintext. */
struct mu_connect2 {
    uint32_t epoch; /* of the server */
    struct mu_bytes server;
    enum mu_alg alg; /* of the server's signing key */
    struct mu_bytes pub;
    struct mu_groups groups;
};

/* What both ends hold of a connection. */
struct mu_connection {
    uint8_t id[MU_CONNECT_ID];
    struct mu_secret kmc;
    struct mu_secret ka;
};

/* Picks Nd and appends the message to w. MU_ERR_USAGE for an identity or a
 * gateway that is empty or longer than MU_ID_MAX. */
MU_MUST int mu_connect1_create(const struct mu_crypto *c,
                               const struct mu_secret *kmr,
                               const struct mu_connect1 *m,
                               struct mu_writer *w,
                               struct mu_connect_pending *p);
/* Whose message it claims to be; nothing is verified. A view into it. */
MU_MUST int mu_connect1_peek(struct mu_bytes in, struct mu_bytes *identity);
/*
 * identity: the node that kmr belongs to. gateway: where the message came
 * from, or empty when the caller compares m->gateway itself.
 * MU_ERR_UNKNOWN_KEY for another identity, MU_ERR_AUTH, MU_ERR_FORBIDDEN for
 * another gateway, or what is wrong with the form. A message 1 may be a
 * replay: it proves the node only once OSCORE verifies under the connection,
 * m->epoch alone is proof by itself (no node ever claims an epoch that was
 * not).
 */
MU_MUST int mu_connect1_consume(const struct mu_crypto *c,
                                const struct mu_secret *kmr,
                                struct mu_bytes identity,
                                struct mu_bytes gateway, struct mu_bytes in,
                                struct mu_connect1 *m,
                                struct mu_connect_pending *p);

/* Picks Ns and the connection id, appends the message, derives the keys.
 * MU_ERR_USAGE for a message that could not be read. */
MU_MUST int mu_connect2_create(const struct mu_crypto *c,
                               const struct mu_secret *kmr,
                               const struct mu_connect_pending *p,
                               const struct mu_connect2 *m,
                               struct mu_writer *w,
                               struct mu_connection *conn);
/* The plaintext is appended to w (at most MU_CONNECT_MAX), m views it there.
 * MU_ERR_AUTH for anything but an answer to this very message 1,
 * MU_ERR_ROLLBACK for a server epoch below p->epoch. On failure conn is
 * clear. */
MU_MUST int mu_connect2_consume(const struct mu_crypto *c,
                                const struct mu_secret *kmr,
                                const struct mu_connect_pending *p,
                                struct mu_bytes in, struct mu_writer *w,
                                struct mu_connect2 *m,
                                struct mu_connection *conn);

enum mu_connect_side { MU_CONNECT_NODE, MU_CONNECT_SERVER };

/* The OSCORE context of the connection, as s.3 item 3 says. */
MU_MUST int mu_connection_oscore(const struct mu_crypto *c,
                                 const struct mu_connection *conn,
                                 enum mu_connect_side side,
                                 struct mu_oscore *o);
void mu_connection_clear(struct mu_connection *conn);

#endif
