/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server engine on a rig: a store in memory, a depot in memory, and a body
 * that applies writes, commits and reports. Peers are scripted: gateways and
 * devices speak through the real codecs and hold their own keys only.
 */
#ifndef TESTS_SERVER_RIG_H
#define TESTS_SERVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "muster/keyfetch.h"
#include "muster/server_state.h"
#include "store/store.h"

#define RIG_SENDS_MAX 256
#define RIG_OBJECTS_MAX 16
#define RIG_TRACE_MAX 65536
#define RIG_GATEWAYS 4

struct rig_send {
    uint32_t link, exchange;
    bool response;
    uint8_t code;
    char path[80];
    uint8_t oscore[64];
    size_t oscore_len;
    bool has_oscore;
    uint8_t payload[8192];
    size_t payload_len;
};

struct rig_object {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t part;
    uint8_t *bytes;
    size_t len;
    bool used;
};

struct rig {
    struct mu_crypto crypto;
    struct mu_secret master;
    struct mu_memory *memory;
    struct mu_store store;
    struct mu_store port; /* what the engine sees: reads only */
    int reads_fail;
    struct mu_depot depot;
    struct rig_object objects[RIG_OBJECTS_MAX];
    struct mu_server_conf conf;
    struct mu_server server;
    void *work;
    size_t work_len;
    bool alive;
    mu_time now;

    bool hold;        /* do not commit: writes stay under way */
    bool barrier;     /* a before_send write is under way */
    uint32_t tickets[4096];
    unsigned tickets_len;
    uint64_t stores;   /* STORE effects taken, over all lives */
    uint64_t crash_at; /* dies after so many; 0: never */
    uint64_t commits;
    uint64_t crash_commit; /* dies after so many, unreported; 0: never */
    bool crashed;
    int fail_after;    /* after so many good commits... */
    int fail_reads;    /* then so many reads */
    int fail_commits;  /* ...so many fail */

    struct rig_send sends[RIG_SENDS_MAX];
    unsigned sends_len;
    uint64_t packets;
    void (*on_packet)(void *ctx, struct mu_bytes packet);
    void *on_packet_ctx;
    struct mu_effect channel; /* the last one */
    unsigned channels;
    uint32_t closed; /* the last link that was to end; 0: none */
    char trace[RIG_TRACE_MAX];
    size_t trace_len;
    uint32_t exchange;
};

void rig_open(struct rig *r);
void rig_close(struct rig *r);
/* Power off, nothing but commits survives; power on. 0 or what init says. */
int rig_restart(struct rig *r);
/* Takes all effects; commits and reports until nothing more comes. */
void rig_drain(struct rig *r);
/* Steps at deadlines up to a time. */
void rig_run(struct rig *r, mu_time span);
void rig_event(struct rig *r, struct mu_event *ev);
bool rig_traced(const struct rig *r, const char *text);
unsigned rig_trace_count(const struct rig *r, const char *text);
void rig_commit(struct rig *r);

/* A plain object of a campaign in the depot. */
void rig_plain(struct rig *r, const uint8_t *campaign, const uint8_t *bytes,
               size_t len);
struct rig_object *rig_find(struct rig *r, const uint8_t *campaign,
                            uint8_t part);

/* A request of a gateway; the answer, or NULL when none came. */
struct rig_send *rig_request(struct rig *r, uint32_t link, const char *path,
                             struct mu_bytes payload);
struct rig_send *rig_request_oscore(struct rig *r, uint32_t link,
                                    const char *path, struct mu_bytes oscore,
                                    struct mu_bytes payload);
/* The newest request to a gateway of that path; NULL: none. */
struct rig_send *rig_asked(struct rig *r, uint32_t link, const char *path);
void rig_answer(struct rig *r, const struct rig_send *asked, uint8_t code);
void rig_forget(struct rig *r); /* all sends taken so far */
/* Forgets them, answers what is still open, and waits for what comes then. */
void rig_settle(struct rig *r);
struct mu_bytes rig_payload(const struct rig_send *s);

/* ---- peers ---------------------------------------------------------------- */

/* Root key of an identity: any 32 bytes that only it and the server know. */
void rig_root(const char *identity, uint8_t root[32]);
void rig_kmr(struct rig *r, const char *identity, struct mu_secret *kmr);
struct mu_bytes rig_id(const char *identity);

void rig_gateway_add(struct rig *r, const char *identity);
void rig_device_add(struct rig *r, const char *identity, const char *gateway);
/* Link and hello; the answer consumed. */
void rig_link(struct rig *r, uint32_t number, const char *identity);
void rig_unlink(struct rig *r, uint32_t number);
int rig_hello(struct rig *r, uint32_t number, uint32_t epoch,
              struct mu_wide_welcome *welcome);

struct peer_device {
    char identity[32];
    char gateway[32];
    uint32_t link;
    struct mu_secret kmr;
    uint32_t epoch;
    struct mu_capability capability;
    struct mu_connection connection;
    struct mu_oscore oscore;
    struct mu_keyfetch_response keys; /* of the last fetch */
    uint8_t inner[2048]; /* what its answer holds, for views */
};

void peer_device_init(struct rig *r, struct peer_device *d,
                      const char *identity, const char *gateway,
                      uint32_t link);
/* The code of the answer; the connection is set up when it is 2.04. */
uint8_t peer_connect(struct rig *r, struct peer_device *d);
/* Fetches; held: 0 for none. The outer code; keys are in d->keys. */
uint8_t peer_fetch(struct rig *r, struct peer_device *d, uint32_t group,
                   uint64_t held);
/* The same with a request as it stands. */
uint8_t peer_fetch_as(struct rig *r, struct peer_device *d,
                      const struct mu_keyfetch_request *fetch);
/* The request of a fetch, protected: to be replayed or carried elsewhere. */
void peer_fetch_request(struct rig *r, struct peer_device *d, uint32_t group,
                        uint64_t held, struct rig_send *out,
                        struct mu_oscore_request *req);
/* The key of a group in the last fetch; NULL: none. */
const struct mu_keyfetch_key *peer_key(const struct peer_device *d,
                                       uint32_t group);
/* The acknowledgement, XORed into sum. */
void peer_ack(struct rig *r, const char *identity, const uint8_t *campaign,
              uint8_t state, uint8_t reason, const uint8_t digest[32],
              uint8_t sum[MU_ACK_LEN]);

/* Reports of one gateway for area indexes [first, first + n) whose identities
 * are given. The code of the answer. */
uint8_t rig_report(struct rig *r, uint32_t link, const uint8_t *campaign,
                   const uint8_t digest[32], uint8_t state, uint8_t reason,
                   uint16_t first, const char *const *identities, unsigned n);

/* The whole store, to be put back while the rig is off. */
#define RIG_COPY_MAX 256

struct rig_copy {
    struct {
        uint8_t table, key[MU_STORE_KEY_MAX], value[MU_STORE_VALUE_MAX];
        size_t key_len, value_len;
    } rows[RIG_COPY_MAX];
    unsigned len;
};
void rig_copy_take(struct rig *r, struct rig_copy *c);
void rig_copy_put_back(struct rig *r, const struct rig_copy *c);

struct mu_push rig_push(const char *group, uint64_t size);

#endif
