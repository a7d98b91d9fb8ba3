/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engines and bodies say to each other. Every role (device, gateway,
 * server) is a state machine without I/O: the body tells it what happened
 * (mu_x_step with an event that carries the time), then takes effects until
 * there are none (mu_x_next) before it tells of the next event, then sleeps
 * until mu_x_deadline.
 *
 * Lifetimes: views inside an event live during the step only; views inside an
 * effect live until the next call of any function of the same engine.
 *
 * Barrier: a STORE effect with `before_send` set holds back every later SEND and
 * PACKET effect of the engine until the body reports it with MU_EV_STORED; the
 * engine sees to that itself. A body applies STORE effects in order, may
 * gather several into one commit, and reports each ticket once it is durable.
 */
#ifndef MUSTER_NODE_H
#define MUSTER_NODE_H

#include "muster/bytes.h"
#include "muster/limits.h"
#include "muster/time.h"

/* A CoAP-level message. Token, message id, retransmission and block transfer
 * are the body's. */
struct mu_message {
    uint8_t code;          /* request 0.02 POST = 0x02; responses as RFC 7252 */
    uint32_t exchange;     /* pairs a response with its request, see below */
    struct mu_bytes path;  /* requests: "hello", "d/meter-7"; empty for OSCORE */
    struct mu_bytes oscore; /* value of the OSCORE option; data NULL: none */
    struct mu_bytes payload; /* content format 60 unless oscore is there */
};

/*
 * exchange: for a request that the engine sends, the engine picks it and gets
 * it back in the response or in MU_EV_NO_ANSWER. For a request that came in,
 * the body picks it and the engine repeats it in its response, at once or
 * later (then the body has already acknowledged the request).
 */

/* Links are DTLS sessions. A device has one link, 0, to its gateway. A gateway
 * has link 0 to the server, and link 1 + area index to each device. A server
 * has link = gateway number to each gateway. */
#define MU_LINK_UP_NODE 0u

/* Where cast packets go and come from. */
enum mu_channel {
    MU_CHANNEL_WIDE,   /* server <-> gateways: multicast, or unicast copies */
    MU_CHANNEL_AREA,   /* gateway <-> devices of its area */
};

enum mu_event_kind {
    MU_EV_START,     /* once, after init; time only */
    MU_EV_TIMER,     /* the deadline passed, or earlier: harmless */
    MU_EV_LINK_UP,   /* link; identity = psk_identity or hint that was proved */
    MU_EV_LINK_DOWN, /* link */
    MU_EV_REQUEST,   /* link, message */
    MU_EV_RESPONSE,  /* link, message */
    MU_EV_NO_ANSWER, /* link, message.exchange: gave up after retransmissions */
    MU_EV_PACKET,    /* channel, packet: down (from sender) or up (feedback) */
    MU_EV_STORED,    /* ticket, result: durable, or the error */
    MU_EV_HOOK,      /* hook, result: 0 success, else its exit code */
    MU_EV_IDLE,      /* link: silent for so long that the body would ping its
                        other end now; a request that the engine has serves
                        as well. Devices only */
    MU_EV_COUNT
};

enum mu_hook {
    MU_HOOK_INSTALL, /* run the operator's command on the verified object */
    MU_HOOK_CONFIRM, /* is the new version running? (second command) */
    MU_HOOK_COMMAND, /* run what was told to the group: value */
    MU_HOOK_ALERT,   /* hear what `name` said to the area: value, version */
};

struct mu_event {
    enum mu_event_kind kind;
    mu_time now;
    uint32_t link;
    struct mu_bytes identity;
    struct mu_message message;
    enum mu_channel channel;
    struct mu_bytes packet;
    uint32_t ticket;
    int result;
    enum mu_hook hook;
};

enum mu_effect_kind {
    MU_DO_SEND,       /* link, message, response: confirmable message */
    MU_DO_PACKET,     /* channel, packet, up: a UDP datagram of the cast; link:
                         to this receiver alone, 0: to all */
    MU_DO_STORE,      /* table, key, value, ticket, before_send */
    MU_DO_LINK_OPEN,  /* link: connect (device, gateway: to the node above) */
    MU_DO_LINK_CLOSE, /* link: end the session, its key is void */
    MU_DO_LINK_QUIET, /* link: may be silent for `a` seconds more than others,
                         because its other end sleeps. Gateways only */
    MU_DO_RADIO,      /* on: hear again; else hear nothing, and ping nobody,
                         until told. Devices only; on at first */
    MU_DO_CHANNEL,    /* channel, address, port, up_port: (re)join or (re)open */
    MU_DO_HOOK,       /* hook, name, version; COMMAND: value */
    MU_DO_TRACE,      /* event name and two numbers, for logs and golden traces */
    MU_DO_COUNT
};

struct mu_effect {
    enum mu_effect_kind kind;
    uint32_t link;
    bool response;          /* SEND: message is a response */
    struct mu_message message;
    enum mu_channel channel;
    bool up;                /* PACKET: towards the sender (feedback, unicast) */
    bool on;                /* RADIO */
    struct mu_bytes packet;
    uint8_t table;
    struct mu_bytes key;
    struct mu_bytes value;  /* data NULL: delete */
    uint32_t ticket;
    bool before_send;
    char address[MU_ADDR_TEXT_MAX]; /* CHANNEL: multicast group, as text, or
                               "unicast": to (sender; one effect per receiver,
                               link says which) or at (receiver) the address
                               of the DTLS session */
    uint16_t port;          /* CHANNEL: where DATA goes */
    uint16_t up_port;       /* CHANNEL: where feedback goes (at the sender) */
    enum mu_hook hook;
    struct mu_bytes name;   /* HOOK */
    uint64_t version;       /* HOOK */
    uint64_t size;          /* HOOK: bytes of the object in the slot */
    const char *trace;      /* TRACE: static text, "page-done" */
    uint64_t a, b;          /* TRACE; LINK_QUIET: a */
};

/* Tables of the stores of devices and gateways and server. */
enum mu_table {
    MU_TABLE_NODE = 1,   /* one record per singleton, key = name */
    MU_TABLE_DEVICE,     /* server: key = identity */
    MU_TABLE_GATEWAY,    /* server: key = number (4) */
    MU_TABLE_GROUP,      /* server: key = group number (4) */
    MU_TABLE_MEMBER,     /* server: key = group (4) | identity */
    MU_TABLE_KEY,        /* server: key = kid (13), sealed value */
    MU_TABLE_CAMPAIGN,   /* server, gateway: key = campaign number (8) or id */
    MU_TABLE_TARGET,     /* server: key = campaign id (8) | identity */
    MU_TABLE_AREA,       /* gateway: key = area index (2); server: gateway (4) | index (2) */
    MU_TABLE_SEEN,       /* versions and progress */
    MU_TABLE_SCHEME,     /* server: group (4) | 's', 'o' or 'c' | ... */
    MU_TABLE_SPEAKER,    /* server: gateway (4): its directory of speakers;
                            gateway (4) | area index (2): one of them */
    MU_TABLE_COUNT
};

#endif
