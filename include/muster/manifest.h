/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announce objects: the signed manifest of a campaign, the relay manifest of a
 * gateway that re-protects (option 1), the signed cancel; and the tagged
 * packets that carry them. docs/wire-format.md s.5.
 */
#ifndef MUSTER_MANIFEST_H
#define MUSTER_MANIFEST_H

#include "muster/crypto.h"
#include "muster/keys.h"
#include "muster/limits.h"

/* The numbers that fix how an object is cut; docs/wire-format.md s.6.1. */
struct mu_cast_shape {
    uint16_t payload;    /* of a DATA packet, MU_PAYLOAD_MIN..MU_PACKET_MAX */
    uint16_t page_data;   /* data packets of a full page, 1.. */
    uint16_t page_parity; /* parity packets of a full page, 0.. */
    uint8_t hash_len;    /* bytes, MU_HASH_MIN..MU_HASH_MAX */
};

struct mu_manifest {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint32_t group;
    uint64_t version;
    uint64_t size; /* bytes, plain and encrypted alike */
    uint8_t digest[32];
    struct mu_cast_shape shape;
    struct mu_bytes roots; /* view into the announce object */
    uint8_t session;
    bool downgrade; /* the operator allowed a lower version */
    struct mu_kid kid;
    uint8_t wrapped_cek[24];
    struct mu_bytes name;    /* view */
    struct mu_bytes pointer; /* view: where Kb is to be had */
    uint32_t epoch;          /* server epoch */
    uint32_t edition;        /* 0; one more each time the object is encrypted
                                anew under a fresh key (a member was revoked) */
    bool reprotect;          /* option 1: the server lets a gateway relay it */
    uint8_t ack_wait_s;      /* so long an acknowledgement may wait for a
                                keep-alive to ride on; 0: not at all */
    bool relayed;            /* option 1: kid is a Kg, see s.5.2 */
    /* Of an inline object only (s.5.5), as in struct mu_inline. */
    uint16_t part, parts;
    uint8_t content_kind;
    struct mu_bytes content; /* view */
};

enum mu_content_kind {
    MU_CONTENT_REKEY = 1, /* a rekey part (s.9.1) */
    MU_CONTENT_COMMAND = 2, /* an MTK message and a command under it (s.5.6) */
};

/* Bytes of content: with its frame it fits MU_ANNOUNCE_MAX. */
#define MU_INLINE_CONTENT_MAX 1600

/* An inline object: a campaign without pages, whose content travels whole in
 * one announce object for each part. */
struct mu_inline {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint32_t group;
    uint8_t session;
    uint32_t epoch; /* of the server */
    uint16_t part;  /* from 0 */
    uint16_t parts; /* > part */
    uint8_t content_kind;    /* enum mu_content_kind, or one to come */
    struct mu_bytes content; /* 1..MU_INLINE_CONTENT_MAX bytes */
};

struct mu_signer { /* the server's signing key, or its public half */
    enum mu_alg alg;
    struct mu_secret priv; /* empty at a verifier */
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    uint8_t pub_len;
};

enum mu_announce_kind {
    MU_ANNOUNCE_MANIFEST = 1,
    MU_ANNOUNCE_CANCEL = 2,
    MU_ANNOUNCE_INLINE = 3,
};

/* Create/consume pairs. consume checks the signature first, then the form. */
MU_MUST int mu_manifest_create(const struct mu_crypto *c,
                               const struct mu_signer *signer,
                               const struct mu_manifest *m,
                               struct mu_writer *w);
MU_MUST int mu_cancel_create(const struct mu_crypto *c,
                             const struct mu_signer *signer,
                             const uint8_t campaign[MU_CAMPAIGN_ID],
                             struct mu_writer *w);
/* MU_ERR_USAGE for an object that consume would refuse. */
MU_MUST int mu_inline_create(const struct mu_crypto *c,
                             const struct mu_signer *signer,
                             const struct mu_inline *m, struct mu_writer *w);
/* For MU_ANNOUNCE_CANCEL only m->campaign is filled; for MU_ANNOUNCE_INLINE
 * what struct mu_inline has: campaign, group, session, epoch and the fields at
 * the end. kg may be NULL where no
 * relay manifest is expected (it is then MU_ERR_UNKNOWN_KEY). One around a
 * manifest that does not allow it is MU_ERR_FORBIDDEN. */
MU_MUST int mu_announce_consume(const struct mu_crypto *c,
                                const struct mu_signer *server,
                                const struct mu_secret *kg,
                                struct mu_bytes object,
                                enum mu_announce_kind *kind,
                                struct mu_manifest *m);
/* The same where no relay manifest is expected at all: what a device needs that
 * is in no group of option 1. MU_ERR_UNSUPPORTED for any but a signed one. */
MU_MUST int mu_manifest_consume_signed(const struct mu_crypto *c,
                                       const struct mu_signer *server,
                                       struct mu_bytes object,
                                       enum mu_announce_kind *kind,
                                       struct mu_manifest *m);
/* What a signed object says of itself, for a look at whether it is worth a
 * signature check. Nothing is verified but the form. */
MU_MUST int mu_announce_peek(struct mu_bytes object,
                             enum mu_announce_kind *kind,
                             struct mu_manifest *m);
/* Option 1: wraps `signed_manifest`; shape, roots, session, kid, wrapped_cek
 * are taken from m. */
MU_MUST int mu_relay_create(const struct mu_crypto *c,
                            const struct mu_secret *kg,
                            struct mu_bytes signed_manifest,
                            const struct mu_manifest *m, struct mu_writer *w);

/* Wraps or unwraps the content key under KDF(kb, "kek"). */
MU_MUST int mu_cek_wrap(const struct mu_crypto *c, const struct mu_secret *kb,
                        const struct mu_secret *cek, uint8_t out[24]);
MU_MUST int mu_cek_unwrap(const struct mu_crypto *c,
                          const struct mu_secret *kb, const uint8_t in[24],
                          struct mu_secret *cek);

#endif
