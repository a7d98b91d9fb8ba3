/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: CoAP over DTLS 1.2 with PSK (docs/wire-format.md s.2), by libcoap over
 * OpenSSL. Requests travel both ways in a session, whoever opened it. Every
 * mu_coap is one node's end: it may listen, and it may have links it opened.
 *
 * A session is a link from the moment its handshake has proved an identity and
 * that link number. A second session of the same identity takes the place of
 * the first only then; so a stranger without the key cannot cut anybody off.
 *
 * Bodies of more than MU_COAP_SINGLE bytes go in blocks (RFC 7959), up to
 * MU_COAP_BODY_MAX; libcoap's own block layer is not used because it neither
 * bounds what a peer may make it store nor carries a large separate response.
 *
 * Callbacks: `request` and `response` come from within mu_coap_io; what is found
 * while sending is put off until mu_coap_poll.
 */
#ifndef NET_COAP_LINK_H
#define NET_COAP_LINK_H

#include <uv.h>

#include "muster/node.h"
#include "muster/secret.h"
#include "net/addr.h"

#define MU_COAP_SINGLE MU_MESSAGE_MAX /* bytes of payload in one datagram */
#define MU_COAP_BLOCK 1024            /* bytes of a block when it is larger */
#define MU_COAP_BODY_MAX 16384        /* bytes of a body: the most anybody sends */

struct mu_coap_conf {
    struct mu_bytes identity;   /* own, text that ends with zero: psk_identity,
                                   and hint as server */
    uint32_t keepalive_ms;      /* silence after which a client pings, or sends
                                   what it has; a second
                                   silence of that length ends the link */
    uint32_t idle_ms;           /* silence after which a server gives up */
    uint32_t handshake_ms;      /* a client gives up the handshake */
    uint32_t answer_ms;         /* a request without response is given up */
    uint16_t outstanding_max;   /* confirmable messages at once (RFC 7252 NSTART) */
    uint32_t ack_timeout_ms;    /* RFC 7252 ACK_TIMEOUT */
    void *ctx;
    /* Server: the peer says it is `identity`: its key and link. Client: the
     * server's hint; *link is set and stays. Not 0: refuse. */
    int (*psk)(void *ctx, bool client, struct mu_bytes identity,
               struct mu_secret *key, uint32_t *link);
    /* LINK_UP, LINK_DOWN, REQUEST, RESPONSE, NO_ANSWER; of a client IDLE, when
     * it would ping: a request that is sent within serves as that. */
    void (*event)(void *ctx, struct mu_event *ev);
    /* Something waits for mu_coap_poll. */
    void (*wake)(void *ctx);
};

struct mu_coap;

/* NULL when libcoap or memory fails. conf is copied, identity lives on. */
struct mu_coap *mu_coap_new(uv_loop_t *uv, const struct mu_coap_conf *conf);
/* Port 0: any; *bound is what it became. MU_ERR_CONFLICT: in use. */
MU_MUST int mu_coap_listen(struct mu_coap *c, const struct mu_addr *at,
                           struct mu_addr *bound);
/* Opens (again) a link to a server. LINK_UP or LINK_DOWN follows. */
void mu_coap_open(struct mu_coap *c, uint32_t link, const struct mu_addr *to);
void mu_coap_shut(struct mu_coap *c, uint32_t link);
/* NO_ANSWER follows for a request on a link that is not up. */
void mu_coap_send(struct mu_coap *c, uint32_t link, bool response,
                  const struct mu_message *message);
/* The other end of this link may be silent for so much longer than idle_ms. */
void mu_coap_quiet(struct mu_coap *c, uint32_t link, uint64_t ms);
/* A client's radio. Off: nothing is read and nobody pinged, from when the last
 * ping has been answered. On at first. */
void mu_coap_radio(struct mu_coap *c, bool on);
/* Address of the other end of a link that is up. */
bool mu_coap_peer(const struct mu_coap *c, uint32_t link, struct mu_addr *out);
/* Events put off; true when there were any. */
bool mu_coap_poll(struct mu_coap *c);
/* Ends all sessions, silently. Finishes in the loop; nothing is called back. */
void mu_coap_free(struct mu_coap *c);

/* A test aid: drops so many percent of all datagrams that libcoap sends in
 * this process, in the order that the seed gives. */
void mu_coap_drop(unsigned percent, uint64_t seed);

struct mu_coap_counts {
    uint64_t handshakes, refused, replaced, requests, responses, gave_up;
};
const struct mu_coap_counts *mu_coap_counts(const struct mu_coap *c);

#endif
