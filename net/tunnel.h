/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tunnelled multicast, docs/wire-format.md s.6.6: how an overlay relay joins a
 * sender (the head) and gets the cast's packets over unicast UDP, each with a
 * sequence number and a tag. Messages and sessions only: sockets and timers are
 * the caller's, time is in its milliseconds.
 *
 * Both ends prove a key that the relay and the sender share, and each puts a
 * fresh nonce into the key of the session, so that nothing of an earlier one can
 * be played back to either. A head keeps nothing for who has not proved the key
 * from the address it speaks from.
 */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include "muster/crypto.h"
#include "muster/limits.h"
#include "muster/window.h"
#include "net/addr.h"

#define MU_TUNNEL_RELAYS_MAX 64 /* of one sender */
#define MU_TUNNEL_OVERHEAD 17   /* bytes around a packet */
#define MU_TUNNEL_MAX (MU_PACKET_MAX + MU_TUNNEL_OVERHEAD)
#define MU_TUNNEL_NONCE 16
#define MU_TUNNEL_ALIVE_MS 1000  /* a relay says that it is there so often */
#define MU_TUNNEL_SILENT_MS 5000 /* after which the other end is gone */

enum mu_tunnel_kind {
    MU_TUNNEL_JOIN = 0x60,
    MU_TUNNEL_CHALLENGE,
    MU_TUNNEL_WELCOME,
    MU_TUNNEL_PACKET,
    MU_TUNNEL_ALIVE,
    MU_TUNNEL_ANSWER,
};

/* What a relay says of itself; a relay may lie. */
struct mu_tunnel_said {
    uint32_t received; /* packets with a good tag */
    uint32_t refused;  /* anything else from anybody */
    uint32_t emitted;
};

/* ---- the sender's end ---------------------------------------------------- */

struct mu_tunnel_relay {
    char identity[MU_ID_MAX + 1];
    struct mu_secret root, join_key;
    uint32_t sessions;  /* made so far; part of the cookie */
    bool up;
    uint8_t nonces[2 * MU_TUNNEL_NONCE]; /* of the session, relay's first */
    struct mu_secret key;
    struct mu_addr at;
    uint32_t sent;      /* sequence number of the last packet */
    uint32_t heard;     /* of the last ALIVE */
    uint64_t heard_ms;
    struct mu_tunnel_said said;
    uint32_t said_sent; /* `sent` of the packet that it had when it said so */
};

struct mu_tunnel_head {
    const struct mu_crypto *crypto;
    uint8_t cookie_key[32];
    char group[MU_ADDR_PORT_TEXT]; /* where relays are to send */
    struct mu_tunnel_relay relays[MU_TUNNEL_RELAYS_MAX];
    size_t relays_len;
    uint64_t refused;
};

MU_MUST int mu_tunnel_head_init(struct mu_tunnel_head *h,
                                const struct mu_crypto *crypto,
                                const char *group);
/* MU_ERR_FULL; MU_ERR_CONFLICT: there is one of this name. */
MU_MUST int mu_tunnel_head_add(struct mu_tunnel_head *h, const char *identity,
                               const struct mu_secret *root);
/*
 * Something came in. 0: *relay is whose it was (or MU_TUNNEL_RELAYS_MAX for a
 * join that is not proved yet), and `answer` is to be sent back to `from` when it
 * is not empty. An error: nothing is to be answered.
 */
MU_MUST int mu_tunnel_head_take(struct mu_tunnel_head *h, uint64_t now_ms,
                                const struct mu_addr *from,
                                struct mu_bytes in, struct mu_writer *answer,
                                size_t *relay);
/* The packet as it goes to this relay, which is up. MU_ERR_EXHAUSTED: its
 * sequence is used up, the session ended; it joins anew. */
MU_MUST int mu_tunnel_head_wrap(struct mu_tunnel_head *h, size_t relay,
                                struct mu_bytes packet, struct mu_writer *w);
/* Takes down who has been silent; true when anybody was. */
bool mu_tunnel_head_expire(struct mu_tunnel_head *h, uint64_t now_ms);
void mu_tunnel_head_clear(struct mu_tunnel_head *h);

/* ---- the relay's end ----------------------------------------------------- */

struct mu_tunnel_end {
    const struct mu_crypto *crypto;
    char identity[MU_ID_MAX + 1];
    struct mu_secret root, join_key, key;
    enum { MU_TUNNEL_DOWN, MU_TUNNEL_PROVING, MU_TUNNEL_UP } state;
    uint8_t nonces[2 * MU_TUNNEL_NONCE];
    unsigned tries;
    uint64_t next_ms;   /* when mu_tunnel_end_run has something to do */
    uint64_t heard_ms;
    struct mu_window window;
    uint32_t alive;     /* sequence number of the last ALIVE */
    uint32_t head_sent; /* what the sender says that it has sent */
    struct mu_tunnel_said said;
    char group[MU_ADDR_PORT_TEXT];
};

MU_MUST int mu_tunnel_end_init(struct mu_tunnel_end *e,
                               const struct mu_crypto *crypto,
                               const char *identity,
                               const struct mu_secret *root);
/* At next_ms or later: what is to be sent now, if anything. */
MU_MUST int mu_tunnel_end_run(struct mu_tunnel_end *e, uint64_t now_ms,
                              struct mu_writer *out);
/* 0: *packet is one of the cast, or empty; next_ms may have changed. */
MU_MUST int mu_tunnel_end_take(struct mu_tunnel_end *e, uint64_t now_ms,
                               struct mu_bytes in, struct mu_bytes *packet);
void mu_tunnel_end_clear(struct mu_tunnel_end *e);

#endif
