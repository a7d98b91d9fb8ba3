/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the server's store: what each table holds, one write/read
 * pair a record. Every value begins with the version of its form; a value of
 * an unknown version, or one that does not parse, is MU_ERR_CORRUPT. Keys are
 * big endian, so that the store's order is the order of the numbers.
 *
 * Secrets are sealed one by one: AES-128-GCM under a key derived from the
 * master key for this very record, so that a sealed secret moved to another
 * record does not open.
 */
#ifndef MUSTER_SERVER_RECORDS_H
#define MUSTER_SERVER_RECORDS_H

#include "muster/connect.h"
#include "muster/keys.h"
#include "muster/manifest.h"
#include "muster/node.h"
#include "muster/server.h"
#include "muster/store.h"

#define MU_CANCEL_MAX 160 /* bytes of a signed cancel object */
#define MU_SEALED_MAX (MU_SECRET_MAX + 28) /* nonce 12, tag 16 */

struct mu_sealed {
    uint8_t bytes[MU_SEALED_MAX];
    uint8_t len; /* 0: nothing sealed here */
};

MU_MUST int mu_seal_create(const struct mu_crypto *c,
                           const struct mu_secret *master, uint8_t table,
                           struct mu_bytes key, const struct mu_secret *secret,
                           struct mu_sealed *out);
/* MU_ERR_CORRUPT when it does not open: other master, other record, damage. */
MU_MUST int mu_seal_consume(const struct mu_crypto *c,
                            const struct mu_secret *master, uint8_t table,
                            struct mu_bytes key, const struct mu_sealed *in,
                            struct mu_secret *secret);

/* ---- keys of the tables ------------------------------------------------- */

struct mu_record_key {
    uint8_t bytes[MU_STORE_KEY_MAX];
    size_t len;
};

struct mu_bytes mu_record_key_view(const struct mu_record_key *k);
struct mu_record_key mu_record_key_number(uint32_t number);
struct mu_record_key mu_record_key_long(uint64_t number);
struct mu_record_key mu_record_key_area(uint32_t gateway, uint16_t index);
struct mu_record_key mu_record_key_member(uint32_t group,
                                          struct mu_bytes identity);
struct mu_record_key mu_record_key_kid(const struct mu_kid *kid);
struct mu_record_key mu_record_key_campaign(const uint8_t id[MU_CAMPAIGN_ID]);
/* MU_TABLE_SEEN: campaign id, then 'p': how far a campaign has come; campaign
 * id, 't', gateway: what it cost in an area. */
struct mu_record_key mu_record_key_progress(const uint8_t id[MU_CAMPAIGN_ID]);
struct mu_record_key mu_record_key_tally(const uint8_t id[MU_CAMPAIGN_ID],
                                         uint32_t gateway);
struct mu_record_key mu_record_key_target(const uint8_t id[MU_CAMPAIGN_ID],
                                          uint32_t gateway, uint16_t index);
/* MU_TABLE_SEEN: campaign id, 'o', part: an inline object of it. */
struct mu_record_key mu_record_key_part(const uint8_t id[MU_CAMPAIGN_ID],
                                        uint16_t part);
/* MU_TABLE_NODE: "group/NAME" -> number. */
struct mu_record_key mu_record_key_group_name(struct mu_bytes name);
/* MU_TABLE_SCHEME: group, 's': the scheme; group, 'o', number: a change of its
 * members; group, 'c', copy, chunk: its trees; group, 'k', copy, page: which of
 * those are in force; group, 'm': its MTK. Who is a member where: group, 'r',
 * gateway, chunk; group, 'v', gateway, chunk, version: as it was; group, 'a',
 * part: of each gateway. group, 'p', base, chunk: who has which place; group,
 * 'e', base: trees that can be traced, the present ones among them. */
struct mu_record_key mu_record_key_scheme(uint32_t group);
struct mu_record_key mu_record_key_mtk(uint32_t group);
struct mu_record_key mu_record_key_op(uint32_t group, uint64_t op);
struct mu_record_key mu_record_key_chunk(uint32_t group, uint8_t copy,
                                         uint32_t chunk);
struct mu_record_key mu_record_key_map(uint32_t group, uint8_t copy,
                                       uint16_t page);
struct mu_record_key mu_record_key_roster(uint32_t group, uint32_t gateway,
                                          uint8_t chunk);
struct mu_record_key mu_record_key_past(uint32_t group, uint32_t gateway,
                                        uint8_t chunk, uint64_t version);
struct mu_record_key mu_record_key_areas(uint32_t group, uint16_t part);
struct mu_record_key mu_record_key_trees(uint32_t group, uint64_t base);
struct mu_record_key mu_record_key_places(uint32_t group, uint64_t base,
                                          uint32_t chunk);

/* ---- small records ------------------------------------------------------- */

/* One number: "epoch", "generations", "campaigns", "gateways", "groups", "wide
 * key", names of groups, ids of campaigns. */
void mu_number_record_write(struct mu_writer *w, uint64_t number);
MU_MUST int mu_number_record_read(struct mu_bytes in, uint64_t *number);

/* MU_TABLE_NODE "signer" */
struct mu_signer_record {
    enum mu_alg alg;
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    uint8_t pub_len;
    struct mu_sealed priv;
};
void mu_signer_record_write(struct mu_writer *w,
                            const struct mu_signer_record *r);
MU_MUST int mu_signer_record_read(struct mu_bytes in,
                                  struct mu_signer_record *r);

/* MU_TABLE_AREA */
struct mu_area_record {
    bool revoked; /* the index is not given to anybody else */
    uint8_t identity[MU_ID_MAX];
    uint8_t identity_len;
};
void mu_area_record_write(struct mu_writer *w, const struct mu_area_record *r);
MU_MUST int mu_area_record_read(struct mu_bytes in, struct mu_area_record *r);

/* MU_TABLE_MEMBER */
struct mu_member_record {
    bool left; /* kept: campaigns of the past name it, and so does tracing */
    uint16_t where; /* its cluster or ladder level, or MU_WHERE_ANY */
    uint64_t op;    /* number of the change by which it joined */
    uint64_t base;  /* the trees in which it has the place below; 0: in none */
    uint32_t slot;
};
void mu_member_record_write(struct mu_writer *w,
                            const struct mu_member_record *r);
MU_MUST int mu_member_record_read(struct mu_bytes in,
                                  struct mu_member_record *r);

/* MU_TABLE_KEY */
struct mu_key_record {
    enum mu_key_phase phase;
    struct mu_sealed key;
};
void mu_key_record_write(struct mu_writer *w, const struct mu_key_record *r);
MU_MUST int mu_key_record_read(struct mu_bytes in, struct mu_key_record *r);

/* MU_TABLE_SEEN, progress of a campaign */
struct mu_progress_record {
    uint32_t page; /* of the wide-area sender */
    uint32_t elapsed_s;
};
void mu_progress_record_write(struct mu_writer *w,
                              const struct mu_progress_record *r);
MU_MUST int mu_progress_record_read(struct mu_bytes in,
                                    struct mu_progress_record *r);

/* MU_TABLE_SEEN, tally; the campaign is in the key */
void mu_tally_record_write(struct mu_writer *w, const struct mu_wide_tally *t);
MU_MUST int mu_tally_record_read(struct mu_bytes in, struct mu_wide_tally *t);

/* ---- registry ------------------------------------------------------------ */

struct mu_device_group {
    uint32_t number;
    uint64_t sent; /* newest generation of Kb it was answered with */
    uint64_t held; /* newest one it proved to hold */
    uint64_t after; /* it joined when this one was in use: later ones only */
    uint64_t base;  /* the trees that it proved to have a state of */
};

struct mu_device_record {
    bool revoked;
    bool capable; /* capability is known: it has connected once */
    uint32_t gateway;
    uint16_t index;
    struct mu_capability capability;
    struct mu_device_group groups[MU_DEVICE_GROUPS_MAX];
    uint8_t groups_len;
    struct mu_sealed kmr;
};
void mu_device_record_write(struct mu_writer *w,
                            const struct mu_device_record *r);
MU_MUST int mu_device_record_read(struct mu_bytes in,
                                  struct mu_device_record *r);
/* The entry of a group; NULL: not a member. */
struct mu_device_group *mu_device_record_group(struct mu_device_record *r,
                                               uint32_t number);

struct mu_gateway_record {
    uint8_t identity[MU_ID_MAX];
    uint8_t identity_len;
    uint32_t area_version;
    uint32_t next_index; /* first area index never given out */
    uint32_t devices;    /* not revoked */
    uint64_t page_memory; /* bytes, as it last said; 0: no bound known */
    struct mu_sealed kmr;
    bool removed; /* its number and its name in old reports are left */
};
void mu_gateway_record_write(struct mu_writer *w,
                             const struct mu_gateway_record *r);
MU_MUST int mu_gateway_record_read(struct mu_bytes in,
                                   struct mu_gateway_record *r);

enum mu_group_wish {
    MU_GROUP_KEEP,
    MU_GROUP_LATER, /* before the next use; after what is on the air now */
    MU_GROUP_NOW,
    MU_GROUP_WISH_COUNT
};

struct mu_group_record {
    uint8_t name[MU_NAME_MAX];
    uint8_t name_len;
    uint8_t mode;        /* enum mu_group_mode */
    enum mu_group_wish wish; /* is its key to be made anew? */
    bool used;           /* something was sent under the present key */
    uint64_t generation; /* of Kb; 0: none yet */
    uint64_t previous;   /* the retired one; 0: none */
    uint32_t members;
    uint8_t scheme;      /* enum mu_scheme_kind; MU_SCHEME_NONE: chosen by
                            itself; MU_SCHEME_UNICAST: no record of one */
    bool cut;            /* somebody left whom the newest key lets in */
    uint64_t dormant;    /* Kb that is given out but not used yet; 0: none */
    bool mikey;          /* its MSKs are kept; each Kb follows from one */
    uint8_t methods; /* of mu_group_scheme */
};
void mu_group_record_write(struct mu_writer *w,
                           const struct mu_group_record *r);
MU_MUST int mu_group_record_read(struct mu_bytes in,
                                 struct mu_group_record *r);

/* ---- schemes (docs/key-schemes.md) --------------------------------------- */

#define MU_ROSTER_CHUNK 256    /* devices, gateways or places of a record */
#define MU_SCHEME_SAVED_MAX 96 /* bytes of mu_scheme_save */
#define MU_CHUNK_MAX 2048      /* bytes of the trees in a record */
#define MU_MAP_PAGE 1024       /* chunks that a record of the map is about */

struct mu_scheme_record {
    struct mu_group_scheme wish; /* of the operator */
    /* What stands: */
    bool rebuild;        /* new trees are due */
    uint8_t kind;        /* enum mu_scheme_kind; UNICAST: no trees */
    uint8_t reason;      /* enum mu_scheme_reason, when it was chosen */
    uint64_t base;       /* of the trees; 0: none yet */
    uint64_t generation; /* of the last rekey */
    uint64_t op_first;   /* the first change that no rekey has covered */
    uint64_t op_next;    /* number of the next change */
    uint32_t gone;       /* left since the trees were made */
    uint32_t least_memory; /* of the members' that said so, for a state */
    /* The trees: their shape, and the copy that is whole. */
    uint32_t members, slots_max, reserve, clusters;
    uint8_t degree, levels;
    uint8_t copy;
    uint32_t mem_len;
    uint8_t saved[MU_SCHEME_SAVED_MAX];
    uint8_t saved_len;
    struct mu_sealed master;
    uint64_t roster; /* version of it that the last campaign is about */
    bool heal;       /* the roster is not to be trusted: with new trees, anew */
};
void mu_scheme_record_write(struct mu_writer *w,
                            const struct mu_scheme_record *r);
MU_MUST int mu_scheme_record_read(struct mu_bytes in,
                                  struct mu_scheme_record *r);

/* The MTK in use of a group with mikey, and what was counted under its MSK. */
#define MU_MTK_MESSAGE_MAX 160
struct mu_mtk_record {
    uint64_t generation; /* of the MSK */
    uint32_t next;       /* MTK id */
    uint32_t counter;    /* of MTK messages */
    uint16_t id;         /* 0: none yet */
    uint32_t seq;        /* of the last command under it */
    struct mu_sealed key;
    uint8_t message[MU_MTK_MESSAGE_MAX];
    uint8_t message_len;
};
void mu_mtk_record_write(struct mu_writer *w, const struct mu_mtk_record *r);
MU_MUST int mu_mtk_record_read(struct mu_bytes in, struct mu_mtk_record *r);

/*
 * The roster of a group with a scheme, one record for up to MU_TARGETS area
 * indexes of a gateway. A campaign about version v of it is about those who
 * were members then: a record that changes afterwards is kept as it was.
 */
struct mu_roster_record {
    uint64_t since; /* the first version that this is */
    uint64_t kept;  /* the last one of the record before it; 0: none */
    uint64_t base;  /* the trees that `ready` is about */
    uint8_t members[MU_ROSTER_CHUNK / 8];
    uint8_t ready[MU_ROSTER_CHUNK / 8]; /* proved to have a state */
};
void mu_roster_record_write(struct mu_writer *w,
                            const struct mu_roster_record *r);
MU_MUST int mu_roster_record_read(struct mu_bytes in,
                                  struct mu_roster_record *r);

/* How many of them there are behind each of MU_ROSTER_CHUNK gateways. */
struct mu_areas_record {
    uint64_t base; /* the trees that `ready` is about */
    uint16_t members[MU_ROSTER_CHUNK];
    uint16_t ready[MU_ROSTER_CHUNK];
};
void mu_areas_record_write(struct mu_writer *w,
                           const struct mu_areas_record *r);
MU_MUST int mu_areas_record_read(struct mu_bytes in,
                                 struct mu_areas_record *r);

/* Who was given the places of a chunk last. */
struct mu_place {
    uint16_t gateway; /* 0: nobody yet */
    uint16_t index;
    uint32_t since;   /* counter of the generation; 0: when they were made */
};
struct mu_places_record {
    struct mu_place at[MU_ROSTER_CHUNK];
};
void mu_places_record_write(struct mu_writer *w,
                            const struct mu_places_record *r);
MU_MUST int mu_places_record_read(struct mu_bytes in,
                                  struct mu_places_record *r);

/* A change of a group's members that a rekey is to cover. */
struct mu_op_record {
    bool join;
    uint16_t where; /* join */
    uint32_t slot;  /* leave */
    uint8_t identity[MU_ID_MAX]; /* join */
    uint8_t identity_len;
};
void mu_op_record_write(struct mu_writer *w, const struct mu_op_record *r);
MU_MUST int mu_op_record_read(struct mu_bytes in, struct mu_op_record *r);

/* ---- campaigns ----------------------------------------------------------- */

struct mu_campaign_record {
    uint8_t id[MU_CAMPAIGN_ID];
    uint8_t what;   /* enum mu_campaign_what */
    uint16_t parts; /* inline objects; KEY with 0: every member fetches */
    uint32_t group;
    uint8_t mode;
    enum mu_campaign_phase phase;
    bool downgrade;
    bool acks_ride;
    bool rekey;  /* on revoke */
    bool cut;    /* targets, digest and shape are final */
    bool swept;  /* ended, and its files are gone */
    bool paused; /* by the operator; PREPARING becomes PAUSED */
    uint8_t name[MU_NAME_MAX];
    uint8_t name_len;
    uint64_t version;
    uint64_t size;
    uint8_t digest[MU_SHA256_LEN];
    struct mu_cast_shape shape;
    uint8_t session;
    uint32_t edition;
    uint64_t generation; /* of the Kb that wraps the CEK */
    uint32_t quorum_permille;
    uint32_t deadline_s;
    uint32_t elapsed_s;
    uint32_t members, received, verified, installed, running, failed, revoked;
    uint64_t refused; /* acknowledgements that did not verify */
    uint8_t announce[MU_ANNOUNCE_MAX];
    uint16_t announce_len; /* 0: never announced */
    uint8_t cancel[MU_CANCEL_MAX];
    uint8_t cancel_len;
    uint64_t roster; /* its targets are of this version; 0: each has a record */
    uint64_t base;   /* of a key: the trees, beside them */
    uint32_t late;    /* members who came since it was signed, */
    uint32_t late_by; /* and the elapsed_s up to which they wait */
};
void mu_campaign_record_write(struct mu_writer *w,
                              const struct mu_campaign_record *r);
MU_MUST int mu_campaign_record_read(struct mu_bytes in,
                                    struct mu_campaign_record *r);

/* MU_TABLE_TARGET: the states of up to MU_TARGETS area indexes of a gateway. */
#define MU_TARGETS 256

enum mu_target_bit { /* beside the state bits of cast.h, which leave these */
    MU_TARGET_MEMBER = 0x10,
    MU_TARGET_REVOKED = 0x20,
    MU_TARGET_TOLD = 0x40, /* a key: this one has to fetch it */
};
#define MU_TARGET_STATE                                                        \
    (MU_STATE_RECEIVED | MU_STATE_VERIFIED | MU_STATE_INSTALLED |             \
     MU_STATE_RUNNING | MU_STATE_FAILED)

/* As the reason of one that has not failed: it acknowledged falsely. */
#define MU_TARGET_LIED ((uint8_t)-MU_ERR_AUTH)

struct mu_target_record {
    uint8_t state[MU_TARGETS]; /* 0: no target */
    uint8_t reason[MU_TARGETS];
};
void mu_target_record_write(struct mu_writer *w,
                            const struct mu_target_record *r);
MU_MUST int mu_target_record_read(struct mu_bytes in,
                                  struct mu_target_record *r);

#endif
