/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world in one process: the same engines as the programs run, with virtual
 * time, seeded chance, radios that lose, nodes that restart and sleep, and
 * attackers within reach of every packet. Nothing here decides anything about
 * the protocol; docs/simulator.md says what is modelled and what is not.
 */
#ifndef MUSTER_SIM_WORLD_H
#define MUSTER_SIM_WORLD_H

#include <stdio.h>

#include "muster/area_msg.h"
#include "muster/crypto.h"
#include "muster/node.h"
#include "muster/store.h"
#include "muster/tick.h"

#include "link.h"
#include "memo.h"
#include "queue.h"
#include "rng.h"

#define SIM_TICKS 4096 /* of an area key: a chain of each of 1,000 gateways */

/* What a member sends in place of its acknowledgement. */
enum sim_lie {
    SIM_LIE_POLLUTE, /* random bytes, rightly tagged as its own */
    SIM_LIE_FORGE,   /* random bytes in the name of a neighbour */
    SIM_LIE_REPLAY,  /* that of an earlier campaign */
    SIM_LIE_DROP,    /* nothing */
    SIM_LIES
};

/* attack.h */
enum sim_attack {
    SIM_ATTACK_NONE,
    SIM_ATTACK_BOGUS_DATA,   /* strangers: symbols that no page has */
    SIM_ATTACK_BOGUS_PARITY, /* the same, as parity */
    SIM_ATTACK_REPLAY,       /* all packets of an earlier campaign */
    SIM_ATTACK_RE_REQUEST,   /* a member asks for everything, for ever */
    SIM_ATTACK_DROP,         /* a gateway drops half of the symbols */
    SIM_ATTACK_MODIFY,       /* it changes half of them */
    SIM_ATTACK_JAM,          /* a quarter of the time nothing gets through */
    SIM_ATTACK_FORGED_ACKS,  /* members acknowledge for others */
    SIM_ATTACK_POLLUTED_ACKS, /* they spoil the sum */
    SIM_ATTACK_MANIFEST_FLOOD, /* a member: objects that nobody signed */
    SIM_ATTACK_EVIL_GATEWAY, /* changes symbols and reports */
    SIM_ATTACK_EVIL_DEVICE,  /* all that a member's keys are good for */
    SIM_ATTACK_FALSE_LOSS,   /* a member claims to have lost all, as one would */
    SIM_ATTACKS
};

struct sim_conf {
    uint32_t devices, gateways;
    double loss;          /* of each datagram at each receiver, 0..1 */
    double burst;         /* mean length of a burst of losses; <= 1: none */
    double wide_loss;
    double duplicate;     /* of each cast packet at each receiver */
    double reorder;       /* chance of an extra delay */
    uint32_t delay_us, wide_delay_us;
    uint64_t size;        /* bytes of the object */
    uint16_t payload;     /* bytes of a cast packet */
    uint16_t overhead;    /* link, IP, UDP bytes of a packet in an area */
    uint32_t area_rate;   /* bytes a second */
    bool yields;          /* that is the most */
    uint16_t cost;        /* of a packet to all, in copies; 0: all to all */
    uint32_t link;        /* bytes a second that get into an area; 0: all */
    mu_time queue;        /* before that link */
    bool flow;            /* a TCP flow goes through it as well */
    uint32_t page_memory; /* bytes of each device */
    uint16_t page_data, page_parity;
    uint8_t hash_len; /* 0: chosen */
    uint32_t revoke;      /* devices revoked half way */
    uint32_t forged;      /* packets that the forger shouts into each area */
    uint32_t replayed;    /* packets that the replayer repeats in each area */
    uint32_t liars;       /* members whose acknowledgements are false */
    enum sim_lie lie;
    enum sim_attack attack;
    uint32_t flood;       /* packets of the attacker for a genuine one */
    uint32_t keepalive_ms; /* silence of a link after which its device pings;
                              0: no keep-alives */
    bool acks_now;        /* none waits for a keep-alive */
    double sleeping;      /* share of devices whose radio sleeps now and then */
    struct mu_area_listens listens; /* windows of the share `listeners` */
    double listeners;
    uint32_t hold_s;      /* that a campaign waits for them, beside others */
    uint32_t drift;       /* millionths that a clock may be wrong */
    uint32_t restarts;    /* nodes of each role that restart on the way */
    uint8_t scheme;       /* of the group, enum mu_scheme_kind */
    uint32_t rekeys;      /* of the group, before the push */
    uint32_t leavers;     /* devices that leave at each; 0: keys just turn */
    uint32_t quorum_permille, deadline_s;
    uint8_t speech;       /* enum mu_speech_scheme of gateways and devices */
    uint32_t heap_devices; /* up to so many lie on the heap, each by itself,
                              where tools see who writes beyond what is his */
    uint64_t seed;
    const char *input;    /* file to push; NULL: bytes from the seed */
    FILE *trace;          /* text, one line a decision; NULL: only hashed */
};

enum sim_role { SIM_SERVER, SIM_GATEWAY, SIM_DEVICE };

/* Cast packets in areas, told apart by what their bytes are spent on. */
enum sim_kind {
    SIM_KIND_SYMBOLS, /* data, parity, repair */
    SIM_KIND_ANNOUNCE,
    SIM_KIND_POLL,
    SIM_KIND_NEED,
    SIM_KIND_CENSUS,
    SIM_KIND_STATUS,
    SIM_KINDS
};

/* What the bad member of an area has heard, and what it claims to miss. */
struct sim_asker {
    bool heard;
    uint8_t session, round;
    uint16_t page, need;
};

/* One engine behind three function pointers. */
struct sim_engine {
    int (*step)(void *self, const struct mu_event *ev);
    bool (*next)(void *self, struct mu_effect *out);
    mu_time (*deadline)(const void *self);
};

struct sim_slot { /* a device's image slot, held as "equal to the truth" */
    struct sim_world *world;
    uint64_t whole;   /* bytes from the start that were all written */
    mu_time whole_at; /* when the last of them was */
    bool differs;     /* something was written that is not the truth */
};

struct sim_node {
    enum sim_role role;
    uint32_t number;      /* in its role, from 0 */
    char identity[24];
    struct mu_secret kmr;
    void *engine;
    void *work;
    size_t work_len;
    const struct sim_engine *methods;
    struct mu_store store;
    struct mu_memory *memory; /* what of it is durable */
    struct node_ports *ports;
    bool in_room;         /* work and engine lie in the world's */
    bool was_up;          /* and were there before a restart */
    bool up;              /* running */
    bool radio;           /* hears and is heard: neither of these two */
    bool nap, off;        /* by the scenario's chance; by its own windows */
    mu_time radio_at;     /* since it last changed */
    mu_time radio_us;     /* that it was on before, from the push on */
    struct mu_area_listens listens; /* a device's windows */
    int32_t drift;        /* millionths that its clock is fast */
    bool burst_bad;       /* Gilbert-Elliott: in a burst of losses */
    bool linked;
    bool revoked;         /* by the scenario; it keeps listening */
    uint64_t left_generation; /* newest key when it had to go; 0: it did not */
    mu_time shut_at;      /* its gateway has heard of that; 0: not yet */
    uint32_t above;       /* node index of gateway or server */
    uint32_t above_link;  /* our link number there */
    mu_time boot_at;
    mu_time timer_at;     /* when it wants to be called; MU_TIME_NEVER */
    uint64_t timer_order; /* its place among what is due at that time */
    mu_time queued_at;    /* what of it is in the queue; MU_TIME_NEVER: nothing */
    uint64_t queued_order;
    uint32_t *below;      /* gateway, server: link -> node index */
    uint32_t below_len;
    bool joined[2];       /* channels */
    struct sim_slot slot;
    uint64_t area_bytes;  /* gateway: put on its area's air */
    struct sim_link *link; /* gateway: into its area; NULL: not narrow */
    struct sim_asker asker; /* gateway: in its area */
    uint64_t forged_taken; /* packets of an attacker an engine accepted */
    uint32_t installs;
    bool liar;
    mu_time heard_at;      /* its link was last not silent; alive.c */
    uint32_t alive_number, rest_number; /* keep-alives so far */
};

struct sim_exchange { /* a request that waits for its response */
    uint32_t node, link, exchange;
    bool open;
    bool rides; /* in the place of a keep-alive, whose answer comes: */
    mu_time answer_at;
};

struct sim_world {
    struct sim_conf conf;
    struct sim_rng chance;   /* what the network does */
    struct sim_rng secrets;  /* what the nodes draw */
    struct sim_queue queue;
    mu_time now;
    struct sim_node *nodes;
    uint32_t nodes_len, first_device;
    void *room;              /* of the devices of a large world */
    size_t room_len;
    struct sim_exchange *exchanges;
    size_t exchanges_len, exchanges_cap;
    struct mu_crypto crypto;       /* seeded, and watched by the checker */
    const struct mu_crypto *real;
    struct sim_memo memo;
    struct sim_nonces *nonces;
    uint8_t *truth;                /* the object */
    bool counting;                 /* bytes count from the push on */
    uint64_t wan_bytes, message_bytes, events;
    uint64_t data_packets, control_packets, feedback_packets; /* in areas */
    uint64_t kind_bytes[SIM_KINDS]; /* of those, with headers */
    uint64_t alone_packets; /* symbols that went to one device */
    struct sim_rng attacker;        /* what the attacker draws */
    struct mu_tick attack_tick;     /* of the last packet that had one */
    struct sim_past *past;          /* what it recorded */
    uint64_t attack_packets, attack_bytes; /* of the attacker, with headers */
    bool alive;                     /* keep-alives are being sent */
    struct sim_alive_now *alive_now; /* one is, just now */
    uint64_t keepalive_bytes;       /* of them, with what rides on them */
    uint64_t rest_bytes;            /* of the same fleet at rest */
    uint64_t rides;                 /* acknowledgements that did */
    mu_time radio_from;             /* radio.h: times count from then */
    uint64_t spoke_asleep;          /* what a node sent with its radio off */
    uint64_t unheard_packets;       /* into areas where no radio was on */
    uint64_t lies;                  /* acknowledgements that were changed */
    uint64_t reports, report_bytes; /* of gateways, payloads */
    uint64_t trace_hash;           /* FNV-1a of the trace */
    struct sim_air *air;           /* attackers listen here */
    struct sim_floor *floor;       /* of the push; NULL before */
    void (*scenario)(struct sim_world *w, uint64_t number);
    /* Speech: what a device hears, and what is on the air of an area. */
    void (*alerted)(struct sim_world *w, struct sim_node *n,
                    const struct mu_effect *e);
    void (*overheard)(struct sim_world *w, uint32_t gateway_node,
                      struct sim_buffer *packet);
    void *story;             /* the scenario's own state */
};

void sim_world_init(struct sim_world *w, const struct sim_conf *conf);
void sim_world_clear(struct sim_world *w);
/* Runs what is due until `until` or until done() says so. */
void sim_world_run(struct sim_world *w, mu_time until,
                   bool (*done)(struct sim_world *w));
void sim_world_at(struct sim_world *w, mu_time at, uint64_t number);
/* Takes all effects of a node and arms its timer; after any direct call. */
void sim_world_drain(struct sim_world *w, struct sim_node *n);
void sim_world_event(struct sim_world *w, struct sim_node *n,
                     struct mu_event *ev);
void sim_world_crash(struct sim_world *w, struct sim_node *n, mu_time down);
void sim_world_trace(struct sim_world *w, const struct sim_node *n,
                     const char *what, uint64_t a, uint64_t b);
/* A packet into the air of an area (down), one in answer to what was heard of
 * the gateway first, or one at the gateway. */
void sim_world_shout(struct sim_world *w, uint32_t gateway_node,
                     struct sim_buffer *packet);
void sim_world_echo(struct sim_world *w, uint32_t gateway_node,
                    struct sim_buffer *packet);
void sim_world_shout_up(struct sim_world *w, uint32_t gateway_node,
                        struct sim_buffer *packet);
uint32_t sim_node_index(const struct sim_world *w, const struct sim_node *n);

/* nodes.c: engines made and made again. */
void sim_node_boot(struct sim_world *w, struct sim_node *n);
void sim_node_halt(struct sim_node *n);
void sim_node_del(struct sim_node *n);
/* A device is going to hear a packet soon. */
void sim_node_fetch(const struct sim_node *n);
struct mu_depot;
struct mu_depot *sim_node_depot(struct sim_node *n);

/* network.c: what became of an effect on its way. */
void sim_network_message(struct sim_world *w, struct sim_node *n,
                         const struct mu_effect *e);
/* A request in the place of a keep-alive: it arrives, and its answer does, after
 * so long or never; given up after `over`. */
void sim_network_ask(struct sim_world *w, struct sim_node *n,
                     const struct mu_effect *e, mu_time arrives, mu_time done,
                     mu_time over);
void sim_network_packet(struct sim_world *w, struct sim_node *n,
                        const struct mu_effect *e);
void sim_network_link_open(struct sim_world *w, struct sim_node *n);
void sim_network_link_close(struct sim_world *w, struct sim_node *n,
                            uint32_t link);
/* A node is gone: those below find their sessions dead after a while. */
void sim_network_crashed(struct sim_world *w, struct sim_node *n);
void sim_network_deliver(struct sim_world *w, struct sim_item *item);

#endif
