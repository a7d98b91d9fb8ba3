/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key exchange: a MIKEY exchange between a node and the server inside their
 * service connection, which gives them another one that its TGK keys, too. One
 * exchange keys several protocols, each by a crypto session of its own (AMIKEY).
 * docs/wire-format.md s.4.1, docs/mikey.md.
 *
 * Node:    mu_exchange_ask -> send -> mu_exchange_take
 * Server:  mu_exchange_request_consume -> mu_exchange_answer -> send
 *
 * Both are given the keys of the next connection. It is used from the first
 * message that verifies under it on; until then the one before stays, so an
 * answer that is lost costs another exchange and nothing else.
 */
#ifndef MUSTER_EXCHANGE_H
#define MUSTER_EXCHANGE_H

#include "muster/connect.h"
#include "muster/mikey_exchange.h"

/* By whom and how the TGK comes about. */
#define MU_EXCHANGE_METHODS(X)                                                 \
    X(PSK, "psk")       /* server's choice, under the connection's key */      \
    X(RSA, "rsa")       /* server's choice, under the node's certificate */    \
    X(RSA_R, "rsa-r")   /* the same; the node asks, signed, with its own */    \
    X(DHSIGN, "dhsign") /* agreed on, signed by both */                        \
    X(DHMAC, "dhmac")   /* agreed on, under the connection's key */

enum mu_exchange_method {
#define X(name, text) MU_EXCHANGE_##name,
    MU_EXCHANGE_METHODS(X)
#undef X
    MU_EXCHANGE_METHOD_COUNT
};

#define MU_EXCHANGE_BIT(method) ((uint8_t)(1u << (method)))
#define MU_EXCHANGE_ANY 0x1f
const char *mu_exchange_method_name(uint8_t method); /* "?": none */
/* The methods for which a table has all that they need: bits. */
uint8_t mu_exchange_able(const struct mu_mikey_pk *pk);

#define MU_EXCHANGE_PROTOCOLS_MAX MU_MIKEY_SPS_MAX
#define MU_EXCHANGE_CERT_MAX 1536    /* bytes of a certificate, DER */
/* Bytes of a MIKEY message: certificate, two values of OAKLEY group 5, signature
 * of 4096 bits. With the rest of the payload, and with what OSCORE adds, it
 * fits MU_FORWARD_MAX. */
#define MU_EXCHANGE_MESSAGE_MAX 2816
#define MU_EXCHANGE_PAYLOAD_MAX 2944
#define MU_EXCHANGE_TRIES_MAX 8      /* in one connection */

/* POST /x. Views. */
struct mu_exchange_request {
    uint8_t method;
    struct mu_bytes protocols; /* PSK, RSA: those to be keyed, one a byte */
    struct mu_bytes message;   /* of the others: what they begin with */
    struct mu_bytes cert;      /* RSA: whom to write to */
};

/* MU_ERR_USAGE for what consume would refuse; consume: MU_ERR_MALFORMED,
 * MU_ERR_TRUNCATED, MU_ERR_UNSUPPORTED for a method that is not known. */
MU_MUST int mu_exchange_request_create(const struct mu_exchange_request *m,
                                       struct mu_writer *w);
MU_MUST int mu_exchange_request_consume(struct mu_bytes in,
                                        struct mu_exchange_request *m);

/* Why there is none: 4.03 to it, or to a key fetch that wants one. */
struct mu_exchange_refusal {
    uint8_t number;  /* enum mu_mikey_error */
    uint8_t methods; /* that the server takes: bits */
};
MU_MUST int mu_exchange_refusal_create(const struct mu_exchange_refusal *m,
                                       struct mu_writer *w);
MU_MUST int mu_exchange_refusal_consume(struct mu_bytes in,
                                        struct mu_exchange_refusal *m);
/* As text: "no certificate that leads to an anchor, is in date and names it". */
const char *mu_exchange_refusal_text(uint8_t number);

/* One end of a connection. */
struct mu_exchange_end {
    const struct mu_crypto *crypto;
    const struct mu_mikey_pk *pk; /* NULL: PSK alone */
    struct mu_bytes node, server; /* identities, 1..MU_ID_MAX bytes */
    const struct mu_secret *kx;   /* of the connection */
    uint32_t *counter;            /* of the exchanges in it; 0 at first */
    struct mu_bytes protocols;    /* the node: wants; the server: takes */
};

/* The key of exchanges in a connection: Kma of "exchange". */
MU_MUST int mu_exchange_kx(const struct mu_crypto *c,
                           const struct mu_secret *kmc, struct mu_secret *kx);

/* What comes of it: another connection. Wiped by who gets it. */
struct mu_exchange_keys {
    uint8_t method;
    struct mu_connection connection; /* kmc, ka: of OSCORE */
    struct mu_secret muk;            /* of MSK messages */
    struct mu_secret kfb;            /* of feedback; unset: not agreed on */
};
void mu_exchange_keys_clear(struct mu_exchange_keys *k);

/* What a node keeps from asking to the answer. */
struct mu_exchange_pending {
    uint8_t method;
    uint8_t digest[MU_SHA256_LEN]; /* of the payload */
    struct mu_mikey_session session;
};

/* The payload of POST /x into w; room: a writer over as much again, for the
 * message. MU_ERR_UNSUPPORTED for a method that pk has not what it needs for,
 * MU_ERR_EXPIRED after MU_EXCHANGE_TRIES_MAX in the connection. */
MU_MUST int mu_exchange_ask(const struct mu_exchange_end *e, uint8_t method,
                            struct mu_exchange_pending *p,
                            struct mu_writer *room, struct mu_writer *w);
/* The answer to it. MU_ERR_FORBIDDEN for weaker algorithms, or other protocols
 * than were asked for; MU_ERR_REPLAY for an answer of another connection;
 * MU_ERR_UNKNOWN_PEER for a certificate that is not the server's; MU_ERR_AUTH. */
MU_MUST int mu_exchange_take(const struct mu_exchange_end *e,
                             struct mu_exchange_pending *p, struct mu_bytes in,
                             struct mu_exchange_keys *out);

/*
 * The server: from the request, of which in is the payload, to that of the
 * answer in w. methods: bits of those it takes; MU_ERR_FORBIDDEN for others.
 * Beyond that the errors are those of mu_exchange_take, from its side.
 */
MU_MUST int mu_exchange_answer(const struct mu_exchange_end *e,
                               uint8_t methods, struct mu_bytes in,
                               struct mu_writer *room, struct mu_writer *w,
                               struct mu_exchange_keys *out);

#endif
