/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device engine and a server engine, and between them a gateway by script: it
 * passes on what is end to end, records all of it, and does with it what a test
 * wants. Crypto is real.
 */
#ifndef TESTS_EXCHANGE_PAIR_H
#define TESTS_EXCHANGE_PAIR_H

#include "certs.h"
#include "muster/device_exchange.h"
#include "rig.h"

#define PAIR_SEEN_MAX 128
#define PAIR_GROUP "all"
#define PAIR_PLAIN "plain" /* without MBMS */

struct pair_seen { /* a message, as the gateway saw it */
    bool up;
    uint8_t code;
    char path[16];
    bool has_oscore;
    uint8_t oscore[64];
    size_t oscore_len;
    uint8_t payload[4096];
    size_t payload_len;
};

struct pair {
    struct rig rig;
    struct mu_device *d;
    struct mu_device_exchange x;
    struct mu_mikey_pk dh; /* Diffie-Hellman, and no certificate */
    struct mu_memory *memory;
    struct mu_store store;
    struct mu_object slot;
    uint8_t work[8192];
    struct mu_secret kmr;
    mu_time now;
    char trace[16384];
    struct pair_seen *seen;
    unsigned seen_len;
    uint8_t refused;   /* code of the last answer that was not 2.xx */
    int stepped;       /* what the last step of the device said */
    uint32_t asked;    /* exchange of a request to the device */
    uint8_t answered;  /* the code that it gave */
    struct {
        uint8_t bytes[64];
        size_t len;
    } packet; /* the last one of feedback */
    /* May change or lose what goes by; false: lost. */
    bool (*meddle)(struct pair *p, struct pair_seen *m);
    void *meddle_ctx;
};

/* Method and protocols of the device; method MU_EXCHANGE_METHOD_COUNT: it has
 * none. Certificates (NULL: Diffie-Hellman alone) of device and server. */
struct pair_conf {
    uint8_t method;
    struct mu_bytes protocols; /* empty: all */
    struct cert *device, *server;
    uint8_t methods; /* of the server; 0: any */
    struct mu_bytes server_protocols;
    uint8_t group_methods; /* that PAIR_GROUP demands */
};
struct pair *pair_open(const struct pair_conf *conf);
void pair_close(struct pair *p);
/* Both go on for a while. */
void pair_run(struct pair *p, mu_time span);
/* The device is switched off and on; its memory is gone, its store is not. */
void pair_device_again(struct pair *p);
/* The link between device and gateway is lost and comes back. */
void pair_relink(struct pair *p);
/* A request of the gateway to the device; the code of the answer. */
uint8_t pair_tell(struct pair *p, const char *path, struct mu_bytes payload);
bool pair_traced(const struct pair *p, const char *text);
unsigned pair_count(const struct pair *p, const char *text);

/* The newest key of a group at the server, by name: its kid, and Kb or MSK. */
void pair_key(struct pair *p, const char *group, struct mu_kid *kid,
              struct mu_secret *key);
/* Whether the device holds the newest key of it. */
bool pair_holds(struct pair *p, const char *group);

#endif
