/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway engine: a receiver towards the server and a sender towards its
 * area. It knows the device list and hop keys of its own area and nothing
 * else; it forwards what is end to end and cannot read it.
 */
#ifndef MUSTER_GATEWAY_H
#define MUSTER_GATEWAY_H

#include "muster/cast.h"
#include "muster/crypto.h"
#include "muster/node.h"
#include "muster/object.h"
#include "muster/speaker.h"
#include "muster/store.h"

/* Prepared objects, one per campaign in progress; also scratch for option 1. */
struct mu_depot {
    void *ctx;
    /* Opens (making it if absent) an object of at most `size` bytes. */
    int (*open)(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                uint8_t part, uint64_t size, struct mu_object *out);
    void (*remove)(void *ctx, const uint8_t campaign[MU_CAMPAIGN_ID],
                   uint8_t part);
};

struct mu_gateway_conf {
    const struct mu_crypto *crypto;
    struct mu_bytes identity;
    const struct mu_secret *kmr;
    const struct mu_store *store;
    const struct mu_depot *depot;
    uint16_t devices_max;        /* <= MU_AREA_DEVICES_MAX */
    uint16_t payload_max;        /* bytes of a cast packet in the area */
    uint16_t page_packets_max;   /* bounds the page buffers */
    char area_address[MU_ADDR_TEXT_MAX]; /* multicast group of the area */
    uint16_t area_port, area_up_port;
    uint16_t wide_port;          /* where it hears unicast copies of the cast */
    uint32_t area_rate;          /* bytes a second, 0 unpaced */
    uint16_t area_cost;          /* of a packet to all, in copies; 0: all to all */
    uint32_t hold_s;             /* a campaign waits so long for devices that
                                    sleep, to serve all at once; 0: not */
    bool area_yields;            /* that is the most: other traffic goes first */
    uint16_t area_overhead;      /* link, IP, UDP bytes of a packet */
    uint16_t area_window_ms;     /* answer window of a poll */
    uint16_t area_loss_permille; /* first guess */
    uint16_t ticks;              /* of one area key; 0: MU_TICKS_MAX */
    struct mu_bytes software;
    struct mu_speaker_conf speak; /* scheme NONE: it is silent itself; crypto
                                     and identity are those above */
    uint32_t seed;
};

struct mu_gateway; /* in muster/gateway_state.h */

struct mu_gateway_status {
    bool linked;
    uint16_t devices, devices_linked;
    uint8_t sessions;
    bool may_speak;     /* itself */
    uint64_t directory; /* version of that of its speakers */
    uint32_t rate;           /* bytes a second in the area, as it is now */
    uint32_t queue_us;       /* of late, when it yields */
    uint16_t loss_permille;  /* that it takes for the radio's */
};

size_t mu_gateway_work(const struct mu_gateway_conf *conf);
MU_MUST int mu_gateway_init(struct mu_gateway *g,
                            const struct mu_gateway_conf *conf, void *work,
                            size_t work_len, mu_time now);
MU_MUST int mu_gateway_step(struct mu_gateway *g, const struct mu_event *ev);
bool mu_gateway_next(struct mu_gateway *g, struct mu_effect *out);
mu_time mu_gateway_deadline(const struct mu_gateway *g);
void mu_gateway_status(const struct mu_gateway *g,
                       struct mu_gateway_status *out);
/* So many bytes for the area are still in the socket; for a rate that yields. */
void mu_gateway_backlog(struct mu_gateway *g, uint32_t bytes);
/* Packets the area sender of a session put on the air; NULL: no such one. */
const struct mu_cast_counts *mu_gateway_counts(const struct mu_gateway *g,
                                               uint8_t session);

/* A message to all of its area, as mu_device_say. */
MU_MUST int mu_gateway_say(struct mu_gateway *g, mu_time now,
                           struct mu_bytes text);
struct mu_gateway_speech_counts {
    uint64_t packets, bytes; /* put on the air, with frames, not headers */
    uint64_t refused;        /* of devices */
    uint64_t version;        /* of the directory */
    uint8_t speakers;
    bool may; /* speak itself */
};
void mu_gateway_speech_counts(const struct mu_gateway *g,
                              struct mu_gateway_speech_counts *out);

/* DTLS as client of the server (hint = server identity). */
MU_MUST int mu_gateway_psk_up(const struct mu_gateway *g, struct mu_bytes hint,
                              struct mu_secret *psk);
/* DTLS as server of a device: its key and the link number to use.
 * MU_ERR_UNKNOWN_PEER for an identity that is not of this area. */
MU_MUST int mu_gateway_psk_down(const struct mu_gateway *g,
                                struct mu_bytes identity,
                                struct mu_secret *psk, uint32_t *link);
void mu_gateway_clear(struct mu_gateway *g);

#endif
