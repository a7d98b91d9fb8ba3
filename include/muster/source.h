/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source authentication of messages to many (EXALTED D5.2 s.4.2.2.1): who said
 * this, when everybody who hears holds the group key? A family of schemes
 * behind one interface; docs/source-authentication.md compares them.
 *
 * A sender turns a message into a packet (seal), and may have packets of its
 * own accord to send (next, at its deadline: disclosed keys). A receiver is
 * given packets and hands out messages once they are proved, at once or later,
 * in the order of their proof. Nothing allocates; what waits for its proof is
 * bounded, and a flood of forgeries neither fills it for good nor drives the
 * receiver to more work than its counts say.
 */
#ifndef MUSTER_SOURCE_H
#define MUSTER_SOURCE_H

#include "muster/crypto.h"
#include "muster/limits.h"
#include "muster/manifest.h"
#include "muster/time.h"

/* First byte of every packet of the family. */
enum mu_source_kind {
    MU_SOURCE_SIGNED = 0x50, /* source_sign.h */
    MU_SOURCE_TESLA = 0x51,  /* source_tesla.h: message with a disclosed key */
    MU_SOURCE_UTESLA = 0x52, /* without */
    MU_SOURCE_KEY = 0x53,    /* a disclosed key */
    MU_SOURCE_CDM = 0x54,    /* commitment of a low-level chain */
    MU_SOURCE_CHAIN = 0x55,  /* source_chain.h */
    MU_SOURCE_HOP = 0x56,    /* source_chain.h: chains of groups by distance */
};

struct mu_source_message {
    uint32_t source;       /* id, or stream */
    uint64_t number;       /* counter, interval or place in the chain */
    struct mu_bytes bytes; /* good until the next call */
    struct mu_bytes who;   /* of a signed one: as the directory has it */
};

struct mu_source_counts { /* of a receiver; what it did and what it met */
    uint64_t delivered;
    uint64_t forged;    /* refused by proof */
    uint64_t unsafe;    /* too late: the key may be known already */
    uint64_t refused;   /* replayed, implausible, over budget, out of order */
    uint64_t dropped;   /* for want of room */
    uint64_t hashes;    /* SHA-256 and HMAC computed */
    uint64_t signatures; /* verified, good or not */
    uint32_t waiting_max; /* messages that waited at once */
};

/* One scheme. sender, receiver: its own structs, set up by its own init. */
struct mu_source_scheme {
    const char *name;
    /* Appends a packet. MU_ERR_EXHAUSTED at the end of a chain,
     * MU_ERR_TOO_LARGE, MU_ERR_UNEXPECTED before the first interval. */
    int (*seal)(void *sender, mu_time now, struct mu_bytes message,
                struct mu_writer *w);
    /* What is due without a message: its length, or 0. MU_PACKET_MAX bytes. */
    size_t (*next)(void *sender, mu_time now, uint8_t *to);
    mu_time (*deadline)(const void *sender);
    /* 0: taken, which does not mean proved. */
    int (*packet)(void *receiver, mu_time now, struct mu_bytes packet);
    /* The next message that is proved; false: none. */
    bool (*take)(void *receiver, struct mu_source_message *m);
    const struct mu_source_counts *(*counts)(const void *receiver);
};

extern const struct mu_source_scheme mu_source_sign;
extern const struct mu_source_scheme mu_source_tesla;
extern const struct mu_source_scheme mu_source_utesla;
extern const struct mu_source_scheme mu_source_multilevel;
extern const struct mu_source_scheme mu_source_chain;
extern const struct mu_source_scheme mu_source_hop;

/* How an object that starts or renews a scheme is proved: a signature of the
 * server (COSE_Sign1), or a MAC under a key of the two (COSE_Mac0). */
struct mu_source_proof {
    const struct mu_crypto *crypto;
    const struct mu_signer *signer; /* or NULL */
    const struct mu_secret *key;    /* then this one, 32 bytes at most */
};

MU_MUST int mu_source_proof_create(const struct mu_source_proof *p,
                                   const char *aad, struct mu_bytes payload,
                                   struct mu_writer *w);
MU_MUST int mu_source_proof_consume(const struct mu_source_proof *p,
                                    const char *aad, struct mu_bytes object,
                                    struct mu_bytes *payload);

/* ---- messages that wait for their proof ------------------------------- */

#define MU_SOURCE_SLOTS_MAX 32 /* messages that may wait at one receiver */
#define MU_SOURCE_TAG_MAX 16   /* bytes */

enum mu_source_slot_state {
    MU_SLOT_FREE, MU_SLOT_WAITING, MU_SLOT_GOOD, MU_SLOT_TAKEN,
};

struct mu_source_slot {
    enum mu_source_slot_state state;
    uint32_t index; /* of the interval */
    uint16_t len;
    uint8_t tag[MU_SOURCE_TAG_MAX];
};

/*
 * Each interval whose key is still to come has its share of the slots (a lane),
 * and may borrow what is free. When all is full, who came for an interval keeps
 * a place by chance, each the same: with n forgeries for a genuine message,
 * slots / n of the genuine ones stay, instead of none.
 */
struct mu_source_buffer {
    struct mu_source_slot slots[MU_SOURCE_SLOTS_MAX];
    uint8_t *bytes; /* slots_len times message_max */
    uint8_t slots_len;
    uint8_t lanes; /* slot s is of lane s % lanes, and so is interval s */
    uint16_t message_max;
    struct {
        uint32_t index; /* the interval that came last */
        uint32_t seen;  /* packets of it */
    } lane[MU_SOURCE_SLOTS_MAX];
    uint32_t random;
};

#endif
