/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device engine: connects through its gateway, holds its group keys,
 * receives one object at a time, has it installed, and acknowledges. All state
 * lives in the struct and in the work memory of the caller; what must survive a
 * restart goes through STORE effects and is read back from conf.store at init.
 */
#ifndef MUSTER_DEVICE_H
#define MUSTER_DEVICE_H

#include "muster/area_msg.h"
#include "muster/cast.h"
#include "muster/crypto.h"
#include "muster/node.h"
#include "muster/object.h"
#include "muster/speaker.h"
#include "muster/store.h"

/* Who passes on to neighbours what this device took (net/mesh.h). Both are told
 * before anything of it is stored or acknowledged; views live during the call. */
struct mu_device_tap {
    void *ctx;
    /* A manifest whose signature was right. */
    void (*manifest)(void *ctx, struct mu_bytes object);
    /* A page that is complete, as it stood on the air: page->data symbols. */
    void (*page)(void *ctx, uint8_t session, const struct mu_cast_page *page,
                 const uint8_t *block);
};

struct mu_device_exchange; /* in muster/device_exchange.h */

struct mu_device_conf {
    const struct mu_crypto *crypto;
    struct mu_bytes identity;       /* 1..MU_ID_MAX bytes, lives on */
    const struct mu_secret *kmr;    /* copied */
    const struct mu_store *store;   /* reads only, at init and later */
    const struct mu_object *slot;   /* where the plain object is written */
    uint64_t object_max;            /* bytes the slot holds */
    uint32_t page_memory;           /* bytes of work memory for pages */
    uint32_t member_mem;            /* bytes for the state of a rekeying scheme,
                                       per group; 0: keys come by fetch alone;
                                       at most MU_MEMBER_STATE_MAX */
    struct mu_bytes software;       /* version text for /hello */
    uint32_t seed;                  /* back-off jitter */
    uint16_t copy_port;             /* where it hears copies of the area's cast;
                                       0: nowhere */
    struct mu_speaker_conf speak;    /* scheme NONE: it is silent; crypto and
                                        identity are those above */
    uint8_t listen; /* 0: to nobody; else streams with a chain at a time */
    struct mu_device_exchange *exchange; /* how its keys come, set up by
                                            mu_device_exchange_init; NULL: in
                                            the connection as it is */
    uint32_t keepalive_ms;          /* silence of the link after which the body
                                       says MU_EV_IDLE; 0: it never does */
    struct mu_area_listens listens; /* when its radio is on, by the gateway's
                                       clock; period_s 0: always. Not with a
                                       tap */
    const struct mu_device_tap *tap; /* or NULL; with it a campaign is received
                                        without a gateway too */
};

struct mu_device; /* in muster/device_state.h: plain, caller-owned */

struct mu_device_status { /* for the body's status line and the checkers */
    bool linked, connected, receiving;
    bool exchanged; /* the connection is one that an exchange led to */
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t state, reason; /* of the newest campaign */
    uint32_t page, pages;
    uint64_t running_version;
    bool may_speak;
    uint64_t directory; /* version of that of the area's speakers */
    uint8_t streams;    /* of them, with a chain that it can prove */
    bool asleep;        /* its radio is off until the next window */
};

/* Page memory that a shape takes in a device: what the server compares with
 * the capability of each member. */
size_t mu_device_shape_memory(const struct mu_cast_shape *s);
size_t mu_device_work(const struct mu_device_conf *conf);
MU_MUST int mu_device_init(struct mu_device *d,
                           const struct mu_device_conf *conf, void *work,
                           size_t work_len, mu_time now);
MU_MUST int mu_device_step(struct mu_device *d, const struct mu_event *ev);
bool mu_device_next(struct mu_device *d, struct mu_effect *out);
mu_time mu_device_deadline(const struct mu_device *d);
void mu_device_status(const struct mu_device *d, struct mu_device_status *out);
const struct mu_cast_heard *mu_device_heard(const struct mu_device *d);

/* What it believes and tells by in its area; views into its state. */
struct mu_device_trust {
    const struct mu_signer *server; /* pub_len 0: none yet */
    const struct mu_secret *kg;     /* unset: none yet */
    uint64_t generation;            /* of kg */
    uint16_t index;
};
void mu_device_trust(const struct mu_device *d, struct mu_device_trust *out);
/* Whether an announce object may be believed, if its signature is right: the
 * server's, or a relay manifest (option 1) that our gateway has named. */
bool mu_device_believes(const struct mu_device *d, struct mu_bytes object);
/* An announce object that came another way than by the gateway: looked at in
 * the next step. MU_ERR_BUSY: later. 1: known, there is nothing to do. */
MU_MUST int mu_device_announce(struct mu_device *d, struct mu_bytes object);

/* A message to all of its area: 0, and said once the effects that follow are
 * durable. As mu_speaker_say. */
MU_MUST int mu_device_say(struct mu_device *d, mu_time now,
                          struct mu_bytes text);
struct mu_device_speech_counts {
    uint64_t taken, forged, refused, signatures; /* heard */
    uint64_t said;                               /* packets */
    bool may; /* speak */
};
void mu_device_speech_counts(const struct mu_device *d,
                             struct mu_device_speech_counts *out);

/* DTLS: the key for a session with the gateway that gave this hint. */
MU_MUST int mu_device_psk(const struct mu_device *d, struct mu_bytes hint,
                          struct mu_secret *psk);
/* Wipes every secret. */
void mu_device_clear(struct mu_device *d);

#endif
