/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deluge: an object through a multihop area network, from neighbour to
 * neighbour (EXALTED D5.2 s.5.2, 5.3). Nodes advertise what they have, ask one
 * neighbour for the packets they miss, and it sends what all have asked for;
 * everybody listens, and does not say what somebody has just said.
 * docs/wire-format.md s.6.4.
 *
 * Secured: the manifest is signed by the server and verified by each node
 * before it is passed on; DATA packets are those of the cast (s.6.3), each
 * checked against the page before it; the rest is tagged under the area's
 * control key, so that nobody outside the area drives a node.
 *
 * The engine is told what it heard and asked for the next packet and for its
 * deadline. One engine carries one object at a time, and the newest version of
 * it. It keeps no page in memory: each packet goes to the store as soon as it
 * is checked, at the place where it belongs.
 */
#ifndef MUSTER_DELUGE_H
#define MUSTER_DELUGE_H

#include "muster/cast.h"
#include "muster/trickle.h"

enum mu_deluge_kind {
    MU_DELUGE_ADV = 0x46,
    MU_DELUGE_REQ = 0x47,
};

#define MU_DELUGE_MANIFEST 0xffff /* page number that means the manifest */
#define MU_DELUGE_PAGE_MAX 255    /* data packets of a page that a request names */
#define MU_DELUGE_WANTS_MAX 4     /* pages asked of one node at once */
#define MU_DELUGE_ANEW 128        /* rounds: more are not missed in a row */

/* ---- messages ---------------------------------------------------------- */

/* How packets of an area are sealed. Without a tag (tag_len 0) nothing is
 * secured: only for measuring what security costs. */
struct mu_deluge_seal {
    const struct mu_crypto *crypto;
    struct mu_secret kctl; /* KDF(Kg, "control") */
    uint8_t kg;            /* low byte of the generation of Kg */
    uint8_t tag_len;       /* MU_TAG_LEN or 0 */
};

struct mu_deluge_adv {
    uint8_t channel;
    uint16_t node;
    uint16_t round; /* grows with every ADV of this node */
    uint64_t version;
    uint16_t edition;
    uint8_t id[4]; /* H(manifest)[:4] */
    uint16_t manifest_len;
    uint16_t pages; /* complete */
};

struct mu_deluge_req {
    uint8_t channel;
    uint16_t node;   /* who asks */
    uint16_t target; /* whom */
    uint16_t round;  /* of the last ADV heard from the target */
    uint8_t count;   /* grows with every REQ of this node */
    uint16_t page;   /* or MU_DELUGE_MANIFEST */
    struct mu_bytes bitmap; /* bit i: data packet (fragment) i is wanted */
};

/* create appends the packet; consume checks length and tag first. A packet
 * under another kg is MU_ERR_UNKNOWN_KEY. */
MU_MUST int mu_deluge_adv_create(const struct mu_deluge_seal *s,
                                 const struct mu_deluge_adv *a,
                                 struct mu_writer *w);
MU_MUST int mu_deluge_adv_consume(const struct mu_deluge_seal *s,
                                  struct mu_bytes packet,
                                  struct mu_deluge_adv *a);
MU_MUST int mu_deluge_req_create(const struct mu_deluge_seal *s,
                                 const struct mu_deluge_req *q,
                                 struct mu_writer *w);
MU_MUST int mu_deluge_req_consume(const struct mu_deluge_seal *s,
                                  struct mu_bytes packet,
                                  struct mu_deluge_req *q);

/* Manifest fragments: ANNOUNCE packets (s.5.4) under Kctl. */
struct mu_deluge_fragment {
    uint8_t session;
    uint8_t id[4];
    uint8_t index, count;
    struct mu_bytes bytes;
};

MU_MUST int mu_deluge_fragment_create(const struct mu_deluge_seal *s,
                                      const struct mu_deluge_fragment *f,
                                      struct mu_writer *w);
MU_MUST int mu_deluge_fragment_consume(const struct mu_deluge_seal *s,
                                       struct mu_bytes packet,
                                       struct mu_deluge_fragment *f);

/* ---- engine ------------------------------------------------------------ */

struct mu_deluge_object { /* what a manifest says */
    uint64_t version;
    uint16_t edition;
    uint64_t size;
    struct mu_cast_shape shape; /* hash_len 0: unsecured */
    uint8_t session;
    struct mu_bytes roots; /* view into the manifest */
};

/* Opens a manifest: 0 when it is genuine and the node takes it or passes it
 * on. Called at most once a second for what came by radio. */
struct mu_deluge_opener {
    void *ctx;
    int (*open)(void *ctx, struct mu_bytes manifest,
                struct mu_deluge_object *o);
};

/* The opener of docs/wire-format.md s.5: signed or relay manifest.
 * ctx: struct mu_deluge_trust. */
struct mu_deluge_trust {
    const struct mu_crypto *crypto;
    const struct mu_signer *server;
    const struct mu_secret *kg; /* or NULL */
};
MU_MUST int mu_deluge_open(void *ctx, struct mu_bytes manifest,
                           struct mu_deluge_object *o);
/* The opener of unsecured manifests (ctx unused), and how they are made. */
MU_MUST int mu_deluge_open_plain(void *ctx, struct mu_bytes manifest,
                                 struct mu_deluge_object *o);
MU_MUST int mu_deluge_plain_create(const struct mu_deluge_object *o,
                                   struct mu_writer *w);

/* Pages of an object as Deluge sends them: those of the cast, or all alike
 * when nothing is hashed. */
MU_MUST int mu_deluge_page_at(const struct mu_deluge_object *o, uint32_t index,
                              struct mu_cast_page *page);
uint32_t mu_deluge_object_pages(const struct mu_deluge_object *o);

struct mu_deluge_conf {
    const struct mu_crypto *crypto;
    const struct mu_object *store; /* of the prepared object */
    const struct mu_deluge_opener *opener;
    uint16_t node;         /* own number in the area */
    uint8_t channel;       /* which object of the area this is */
    uint8_t tag_len;       /* MU_TAG_LEN; 0: unsecured, for comparison */
    uint16_t payload;      /* of manifest fragments, the same in the area */
    uint16_t manifest_max; /* bytes, at most MU_ANNOUNCE_MAX */
    uint32_t packet_us;    /* a full packet's time on the air; waits are
                              multiples of it */
    struct mu_trickle_conf trickle;
    uint32_t seed; /* for spread; need not be secret */
    uint16_t round; /* where the rounds of its ADVs begin, 0: anywhere. Who comes
                       back at MU_DELUGE_ANEW or more above where it was is
                       known to have begun anew, and believed at once */
};

struct mu_deluge_peer { /* a neighbour: what it offers, what it has cost */
    uint16_t node;
    uint16_t round;
    bool used;
    bool said;        /* an ADV that was believed: round is of it */
    bool counted;
    uint8_t count;    /* of its last request to us */
    uint8_t failures; /* in a row, to answer what we asked */
    uint8_t id[4];
    uint16_t edition;
    uint16_t manifest_len;
    uint16_t pages;
    uint64_t version;
    mu_time heard;
    mu_time hold;   /* not asked before */
    uint32_t top;   /* the farthest it has asked: page + 1, 0 manifest */
    uint32_t spent; /* packets sent for it since */
    mu_time refill;
};

struct mu_deluge_want {
    bool used;
    uint16_t page;
    uint16_t requests;
    uint8_t bits[32];
};

struct mu_deluge_counts {
    uint64_t adv, req, data, fragment; /* packets sent */
    uint64_t bytes;                    /* of them */
    uint64_t adv_suppressed, req_suppressed, data_deferred;
    uint64_t accepted, duplicate, forged, ahead; /* DATA and fragments heard */
    uint64_t refused;    /* requests: stale, over budget, for nothing we have */
    uint64_t signatures; /* manifests opened */
};

struct mu_deluge {
    struct mu_deluge_conf conf;
    struct mu_deluge_seal seal[2]; /* the newest area key and the one before */
    struct mu_trickle trickle;
    uint32_t random;
    uint16_t round; /* of our last ADV */
    uint8_t count;  /* of our last REQ */
    bool adv_due;
    mu_time adv_at;    /* after a page, without waiting for the timer */
    uint8_t adv_heard; /* that said the same since */

    bool has; /* a manifest, in manifest[0 .. manifest_len) */
    uint16_t manifest_len;
    uint8_t id[4];
    uint8_t *manifest;
    struct mu_deluge_object object;
    uint32_t pages_all;
    uint32_t pages; /* complete; page `page` is next */
    struct mu_cast_page page;
    uint64_t hash_at; /* in the store: hashes of the page being received */
    uint16_t got_len;
    uint8_t got[32];

    /* a manifest that comes in */
    bool taking, taken;
    uint8_t *draft;
    uint8_t draft_id[4];
    uint8_t bad_id[4]; /* the last that failed */
    bool bad;
    uint16_t draft_len;
    uint16_t draft_of; /* whose offer it is */
    uint64_t draft_have;
    mu_time open_at;       /* the next one is not opened before */
    mu_time manifest_hold; /* the next one is not asked for before */
    uint8_t manifest_failures;

    /* asking */
    mu_time ask_at;
    uint16_t asked; /* whom */
    uint16_t hint;  /* whom others ask for the same page */
    bool hinted;
    bool held; /* ask_at waits for somebody who is being left alone */
    uint8_t tries, postponed;

    /* sending */
    struct mu_deluge_want wants[MU_DELUGE_WANTS_MAX];
    int sending; /* index of the want, -1: none */
    uint16_t cursor;
    mu_time send_at;
    uint8_t deferred;
    uint64_t budget; /* packets that may still be sent for this object */
    mu_time budget_at;
    struct mu_cast_page send_page;

    struct mu_deluge_peer peers[MU_DELUGE_PEERS_MAX];
    struct mu_deluge_counts counts;
};

size_t mu_deluge_work(const struct mu_deluge_conf *conf);
MU_MUST int mu_deluge_init(struct mu_deluge *d,
                           const struct mu_deluge_conf *conf, void *work,
                           size_t work_len, mu_time now);
/* The area's control key. Nothing secured is taken before it is set. */
void mu_deluge_control(struct mu_deluge *d, const struct mu_secret *kctl,
                       uint8_t kg);
/* The store holds the first `pages` pages of this manifest's object: at the
 * source, and after a restart. The manifest is opened, and copied.
 * MU_ERR_ROLLBACK when it is not newer than the present one. */
MU_MUST int mu_deluge_offer(struct mu_deluge *d, struct mu_bytes manifest,
                            uint32_t pages, mu_time now);
/* A page that came another way, checked, as it stands on the air; goes to the
 * store. MU_ERR_UNEXPECTED: not the one that is next. */
MU_MUST int mu_deluge_page(struct mu_deluge *d, uint8_t session,
                           const struct mu_cast_page *page,
                           const uint8_t *block, mu_time now);
/* 0: taken, or of no interest; else what was wrong with it. */
MU_MUST int mu_deluge_packet(struct mu_deluge *d, mu_time now,
                             struct mu_bytes packet);
/* The next packet due at `now`: its length, or 0. `to` holds MU_PACKET_MAX
 * bytes. Ask when the medium is free: what is sent is decided here. */
size_t mu_deluge_next(struct mu_deluge *d, mu_time now, uint8_t *to);
mu_time mu_deluge_deadline(const struct mu_deluge *d);
bool mu_deluge_done(const struct mu_deluge *d);
struct mu_bytes mu_deluge_manifest(const struct mu_deluge *d);

#endif
