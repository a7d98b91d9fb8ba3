/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a role: one node (engine, store, turn), its links, its cast
 * sockets, its hook. The three roles differ in which parts are open and in
 * where a link or a channel leads; that is all in here.
 */
#ifndef NET_BODY_H
#define NET_BODY_H

#include <jansson.h>

#include "muster/speaker.h"
#include "net/coap_link.h"
#include "net/hook.h"
#include "net/loop.h"
#include "net/overlay.h"
#include "net/udp_cast.h"

enum mu_role { MU_ROLE_DEVICE, MU_ROLE_GATEWAY, MU_ROLE_SERVER };

struct mu_body_conf {
    uint32_t keepalive_ms, idle_ms, handshake_ms, answer_ms, ack_timeout_ms;
    unsigned hops;           /* of multicast */
    /* Test aids: percent of cast datagrams lost on the way in, of CoAP
     * datagrams lost on the way out, and where their dice start. */
    unsigned drop_in, drop_coap;
    uint64_t seed;
    const char *hook, *confirm_hook; /* device: for /bin/sh -c; NULL: none */
    const char *command_hook;        /* the same, for what a group is told */
    const char *alert_hook;          /* the same, for what the area is told */
    uint32_t hook_timeout_ms;
    bool json;               /* a line of JSON on standard output per event */
};

/* What the defaults of the programs are. */
extern const struct mu_body_conf mu_body_defaults;

/* One channel: the sender's side or the receiver's. */
struct mu_cast_side {
    enum mu_channel channel;
    bool sender;
    struct mu_body *body;
    struct mu_udp port;      /* sender: sends, hears feedback; receiver: sends
                                feedback, hears unicast copies */
    struct mu_udp group;     /* receiver: the multicast group */
    struct mu_addr to;       /* sender: group; receiver: feedback at the sender */
    uint16_t up_port;        /* receiver: of the sender */
    struct mu_route route;   /* sender: which way to whom */
    struct mu_overlay *overlay; /* sender: its relays, or NULL */
};

struct mu_body {
    struct mu_loop *loop;
    struct mu_node node;
    struct mu_body_conf conf;
    enum mu_role role;
    const char *identity;
    const char *iface;       /* multicast; NULL: as routed */
    const char *upper;       /* HOST:PORT of the server or gateway above */
    const char *hook_file;   /* device: where the verified object lies */
    const char *command_file; /* device: where a command is put */
    const char *alert_file;   /* device: where an alert is put */
    struct mu_coap *coap;
    struct mu_cast_side wide, area;
    struct mu_hook_run *hook;
    enum mu_hook hook_kind;
    int hook_result;         /* to be told in the next poll ... */
    bool hook_done;          /* ... if this is set */
    struct mu_hook_run *command; /* the same, of commands */
    int command_result;
    bool command_done;
    struct mu_hook_run *alert; /* the same, of alerts */
    bool alert_done;
    bool beyond;             /* device: out of reach of the area's cast, which
                                is not joined, and no repair of it asked for */
    int (*psk)(void *engine, bool client, struct mu_bytes identity,
               struct mu_secret *key, uint32_t *link);
    void (*turned)(void *ctx); /* after a turn: status lines */
    void *turned_ctx;
    /* What of the cast is in the socket still, after each flush; or NULL. */
    void (*backlog)(void *engine, uint32_t bytes);
};

/* Everything in `b` up to the conf is set by the caller: loop, conf, role,
 * identity, iface, upper, psk. Opens the links' side; no socket yet. */
MU_MUST int mu_body_init(struct mu_body *b, struct mu_engine engine,
                         struct mu_store *store);
/* The DTLS endpoint of a gateway or server. */
MU_MUST int mu_body_listen(struct mu_body *b, const struct mu_addr *at,
                           struct mu_addr *bound);
/* The sender's side: feedback port (0: any), and where the cast goes is told by
 * the engine. The receiver's side: the port for copies and feedback. */
MU_MUST int mu_body_cast(struct mu_body *b, enum mu_channel channel,
                         bool sender, const struct mu_addr *at,
                         struct mu_addr *bound);
/* After it, for a sender: the ways its packets may take. `group`: its multicast
 * group as text, which relays send to as well; NULL: there is none. */
MU_MUST int mu_body_ways(struct mu_body *b, enum mu_channel channel,
                         const struct mu_overlay_conf *conf,
                         const struct mu_crypto *crypto, const char *group,
                         struct mu_addr *bound);
void mu_body_close(struct mu_body *b);

/* `{"event": name, "id": identity, ...}` on standard output, if conf.json or
 * `always`. Takes over the reference of more (may be NULL). */

void mu_body_report(struct mu_body *b, const char *name, json_t *more,
                    bool always);
/* How an engine speaks: by a scheme of that name, which is one (NULL: not at
 * all). answers: introductions that it may sign in a second. */
struct mu_speaker_conf mu_body_speaks(const char *scheme, uint32_t copies,
                                      uint32_t interval_ms, uint16_t answers);
/* Counters of the sockets and links, as JSON. */
json_t *mu_body_counts(struct mu_body *b);

/* No core dumps, no ptrace by others: before the first key is read. */
void mu_body_harden(void);

#endif
