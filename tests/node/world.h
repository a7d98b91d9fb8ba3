/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the node engines: one server that follows a script
 * (script.h), one gateway, a few devices, in one process and in virtual time.
 * Messages are delayed, packets of the area are lost, doubled and swapped by a
 * seed. Crypto is real; stores are in memory and survive restarts.
 */
#ifndef TESTS_NODE_WORLD_H
#define TESTS_NODE_WORLD_H

#include "crypto_openssl/crypto_openssl.h"
#include "muster/device_state.h"
#include "muster/gateway_state.h"
#include "store/store.h"
#include "tests/node/script.h"

#define WORLD_DEVICES_MAX 8
#define WORLD_SLOT 524288

enum world_kind { WORLD_SERVER, WORLD_GATEWAY, WORLD_DEVICE };

struct world;

struct world_object { /* bytes that survive restarts */
    uint8_t *data;
    size_t len;
    bool used;
    bool full; /* writes fail: the disk is full */
    bool broken; /* reads fail */
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t part;
    struct world *world;
};

struct world_node {
    struct world *world;
    enum world_kind kind;
    size_t number; /* devices: from 0 */
    bool up;
    uint32_t life; /* events of a former life are dropped */
    char name[16];
    struct mu_secret kmr;
    struct mu_memory *memory;
    struct mu_store store;
    struct mu_store memory_store; /* behind it */
    bool store_full; /* every write fails */
    uint8_t fail_table; /* writes to this one fail */
    const char *fail_key; /* writes to keys that begin so fail */
    const char *corrupt; /* the record of this key reads as damaged */
    struct {
        uint32_t tickets[16];
        size_t len;
    } held; /* STOREs that hold back what is sent */
    uint32_t stores; /* STORE effects that were applied */
    uint32_t die_at; /* stop after that many; 0: never */
    void *work;
    size_t work_len;

    struct mu_gateway *gateway;
    struct mu_depot depot;
    struct world_object parts[MU_SESSIONS_MAX * 3 + 3];
    bool linked[1 + WORLD_DEVICES_MAX]; /* gateway: sessions that stand */

    struct mu_device *device;
    struct world_object slot;
    struct mu_object slot_port;
    bool joined;
    bool off; /* its radio is */
    int install_result, confirm_result;
    uint32_t hook_ms; /* what a hook takes; 0: hardly any time */
    uint32_t installs;
    uint8_t *installed; /* what the install hook saw last */
    uint64_t status_packets, need_packets;
    uint32_t hellos, anns; /* requests it made */
};

struct world {
    mu_time now;
    uint64_t seed;
    uint32_t loss_permille, double_permille, swap_permille;
    struct script script;
    struct world_node server, gateway;
    struct world_node devices[WORLD_DEVICES_MAX];
    size_t devices_len;
    bool wide_cut; /* no link between gateway and server */

    struct world_event *events;
    size_t events_len, events_room;
    uint64_t order;
    struct world_exchange *exchanges;
    size_t exchanges_len, exchanges_room;

    char *trace; /* golden traces: one line an effect */
    size_t trace_len, trace_room;
    bool tracing;
    uint64_t area_packets, area_bytes;
    void (*on_packet)(const struct mu_effect *e); /* of the area */
    uint32_t page_memory; /* of devices; 0: enough */
    uint32_t member_mem;  /* of devices, for states of schemes */
    uint32_t keepalive_ms; /* of devices; the test says when it is due */
    struct mu_area_listens listens[WORLD_DEVICES_MAX];
    uint32_t hold_s; /* of the gateway */
    uint32_t unheard; /* packets into the area while no radio was on */
    uint32_t asked_off; /* requests to devices whose radio was off */
    uint64_t quiet[1 + WORLD_DEVICES_MAX]; /* what the gateway said of links */
    uint32_t area_rate;   /* bytes a second; 0: 200,000 */
    uint16_t ticks;       /* of an area key; 0: 2,048 */
    const struct mu_crypto *crypto; /* of devices */
    uint64_t steps;
};

void world_init(struct world *w, size_t devices, uint64_t seed);
void world_clear(struct world *w);
void world_start(struct world *w, struct world_node *n);
void world_start_all(struct world *w);
/* Power off: the engine, its timers and what is on the way to it are gone. */
void world_stop(struct world *w, struct world_node *n);
/* The gateway's link to the server, or a device's to its gateway. */
void world_cut(struct world *w, struct world_node *n);
/* Runs until done says so: true; or for that long: false. */
bool world_run(struct world *w, mu_time span, bool (*done)(struct world *));
/* Ends a packet in the area with a tick of this chain, as only the gateway can:
 * what comes after that check is tried with these. */
void world_tick(struct mu_ticker *t, uint8_t *packet, size_t *len);
/* A packet of the area as if it had come from nowhere. */
void world_inject(struct world *w, enum mu_channel channel,
                  struct world_node *to, struct mu_bytes packet);
/* A step of a node outside the queue; its effects are taken. */
/* A request that came to the gateway out of nothing; its answer, or 0. */
uint8_t world_ask_gateway(struct world *w, uint32_t link, const char *path,
                          struct mu_bytes payload);
int world_step(struct world *w, struct world_node *n, struct mu_event *ev);
uint32_t world_random(struct world *w);

/* What most tests wait for. */
bool world_all_run(struct world *w);
bool world_device_has(const struct world *w, size_t device);

#endif
