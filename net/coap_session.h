/* SPDX-License-Identifier: Apache-2.0 */
/* What coap_link.c (sessions, keys) and coap_exchange.c (requests, responses,
 * blocks) share. Nobody else includes this. */
#ifndef NET_COAP_SESSION_H
#define NET_COAP_SESSION_H

#include "net/coap_link.h"
#include "net/coap_wire.h"

#define COAP_TOKEN_LEN 4
#define COAP_REPLIES 32     /* requests remembered to answer repeats alike */
#define COAP_INBOUND_MAX 64 /* requests of one peer not yet answered */
#define COAP_BODIES_MAX 4   /* bodies in blocks at once, each way */

/* A request of ours. */
struct coap_outbound {
    struct coap_outbound *next;
    uint32_t exchange;
    uint8_t token[COAP_TOKEN_LEN];
    uint8_t token_len;     /* 0: in the place of a keep-alive, short */
    struct coap_wire wire; /* payload: the block that is out */
    uint8_t *body;         /* the whole payload, if it goes in blocks */
    size_t body_len, body_at;
    uint8_t szx;
    uint8_t *got;          /* response body, as far as it is here */
    size_t got_len;
    uint32_t etag;
    uint64_t until;        /* ms */
};

/* A request of the peer that the engine has not answered yet. */
struct coap_inbound {
    struct coap_inbound *next;
    uint32_t exchange;
    uint8_t token[8];
    size_t token_len;
    uint16_t mid;
    struct coap_wire_block block1; /* to be repeated in the response */
    char path[COAP_WIRE_PATH_MAX];
    size_t path_len;
    coap_pdu_t *pdu;               /* set while libcoap waits for it */
    uint64_t until;
};

/* What a request was answered with at once (RFC 7252 s.4.5). */
struct coap_reply {
    bool used, answered;
    uint16_t mid;
    struct coap_wire *wire; /* with its payload behind it */
};

/* A body that comes or goes in blocks, found by path and tag. */
struct coap_body {
    bool used;
    char path[COAP_WIRE_PATH_MAX];
    size_t path_len;
    uint8_t code;
    uint32_t tag; /* Request-Tag of a request, ETag of a response */
    bool oscore; /* a response with this option, which each block repeats */
    uint8_t oscore_value[COAP_WIRE_OSCORE_MAX];
    size_t oscore_len;
    uint8_t *data;
    size_t len;
    uint64_t until;
};

struct coap_peer {
    struct coap_peer *next;
    struct mu_coap *owner;
    coap_session_t *session; /* NULL: libcoap has freed it */
    uint32_t link;
    bool client, opening, up, dead, replaced;
    bool held;    /* a server's, of which we keep a reference */
    bool offered; /* a keep-alive is due: the engine may say something */
    struct mu_addr to; /* client: the server */
    uint8_t identity[MU_ID_MAX];
    size_t identity_len;
    uint64_t started, heard, pinged; /* ms; pinged 0: no ping is out */
    struct coap_outbound *outbound;
    struct coap_inbound *inbound;
    unsigned inbound_len;
    struct coap_reply replies[COAP_REPLIES];
    unsigned reply_next;
    struct coap_body coming[COAP_BODIES_MAX], going[COAP_BODIES_MAX];
};

/* NO_ANSWER to come. */
struct coap_failed {
    struct coap_failed *next;
    uint32_t link, exchange;
};

struct coap_slot { /* by link number */
    struct coap_peer *peer;
    unsigned replaced;      /* times, since: */
    uint64_t replaced_from; /* ms */
    uint64_t quiet_ms;      /* its other end may be silent so much longer */
};

struct mu_coap {
    struct mu_coap_conf conf;
    uv_loop_t *uv;
    bool off; /* the radio: once no answer is waited for */
    uv_poll_t *poll;
    uv_timer_t *timer;
    coap_context_t *context;
    struct coap_peer *peers;
    struct coap_slot *slots;
    size_t slots_len;
    struct coap_failed *failed;
    uint32_t next_token, next_exchange, next_tag;
    struct mu_secret key;        /* handed to libcoap, wiped in the next poll */
    coap_bin_const_t key_bytes;
    coap_dtls_cpsk_info_t client_info;
    struct mu_coap_counts counts;
};

uint64_t coap_now(const struct mu_coap *c); /* ms */
void coap_wake(struct mu_coap *c);

/* coap_exchange.c */
void coap_exchange_request(coap_resource_t *resource, coap_session_t *session,
                           const coap_pdu_t *request,
                           const coap_string_t *query, coap_pdu_t *response);
coap_response_t coap_exchange_response(coap_session_t *session,
                                       const coap_pdu_t *sent,
                                       const coap_pdu_t *received,
                                       coap_mid_t mid);
/* A confirmable message was given up. */
void coap_exchange_nack(struct coap_peer *p, const coap_pdu_t *sent);
void coap_exchange_tick(struct coap_peer *p, uint64_t now);
/* The link ends: everything that is out gets its NO_ANSWER. */
void coap_exchange_clear(struct coap_peer *p, bool tell);
void coap_exchange_failed(struct mu_coap *c, uint32_t link, uint32_t exchange);

#endif
