/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server engine: registry, keys, campaigns. It works on records through
 * the store port, not on the whole fleet in memory; what it keeps in memory
 * (connections, senders) may die with the process.
 */
#ifndef MUSTER_SERVER_H
#define MUSTER_SERVER_H

#include "muster/cast.h"
#include "muster/crypto.h"
#include "muster/gateway.h" /* struct mu_depot */
#include "muster/node.h"
#include "muster/scheme.h"
#include "muster/store.h"
#include "muster/wide_msg.h"

struct mu_mikey_pk; /* in muster/mikey_exchange.h */

struct mu_server_conf {
    const struct mu_crypto *crypto;
    struct mu_bytes identity;
    const struct mu_store *store;
    const struct mu_depot *depot;   /* part 0: prepared, part 1: plain upload */
    const struct mu_secret *master; /* seals Kmr, Kb, signing key in records */
    uint16_t campaigns_max;         /* senders at once */
    uint16_t gateways_max;
    uint32_t connections_max;       /* OSCORE contexts kept; least recent go */
    char wide_address[MU_ADDR_TEXT_MAX]; /* multicast group, or "unicast" */
    uint16_t wide_port, wide_up_port;
    uint32_t wide_rate;
    uint16_t wide_cost;             /* of a packet to all gateways, in copies */
    bool wide_yields;               /* that is the most */
    uint16_t wide_overhead, wide_window_ms, wide_loss_permille;
    struct mu_cast_shape shape;     /* defaults for push; page size is cut down
                                       to the least page memory of the members */
    uint32_t rekey_s;               /* every group's key is made anew so often;
                                       0: when need be only */
    uint64_t day_s;                 /* time of day, seconds since 1970: rekey_s
                                       counts over restarts; 0: unknown */
    size_t scheme_mem;              /* bytes for the trees of one group at a
                                       time; 0: no group has any */
    uint8_t trace_generations;      /* trees of the past, of each group, that
                                       tracing still knows */
    /* Key exchange (muster/exchange.h): what public-key work is done with, or
     * NULL; which methods are taken, as bits (0: all that are able), and which
     * protocols are keyed (empty: all). A device that came by another method
     * gets no key. */
    const struct mu_mikey_pk *pk;
    uint8_t key_methods;
    struct mu_bytes key_protocols;
    uint32_t seed;
};

struct mu_server; /* in muster/server_state.h */

size_t mu_server_work(const struct mu_server_conf *conf);
MU_MUST int mu_server_init(struct mu_server *s,
                           const struct mu_server_conf *conf, void *work,
                           size_t work_len, mu_time now);
MU_MUST int mu_server_step(struct mu_server *s, const struct mu_event *ev);
bool mu_server_next(struct mu_server *s, struct mu_effect *out);
mu_time mu_server_deadline(const struct mu_server *s);
void mu_server_clear(struct mu_server *s);

/* DTLS as server of a gateway. */
MU_MUST int mu_server_psk(const struct mu_server *s, struct mu_bytes identity,
                          struct mu_secret *psk, uint32_t *link);

/* ---- the operator's wishes: each makes STORE effects; 0 means accepted and
 * is true once the effects that follow are durable ------------------------ */

/*
 * The STOREs that are taken after one wish or one event are one transaction:
 * all of them become durable, or none. More of them may share it.
 *
 * All or nothing, for thousands of wishes: after each one take all effects and
 * `put` the STOREs (the queue holds some dozens of wishes, MU_ERR_BUSY says that
 * it is full), commit once at the end, then report every ticket. If one of them
 * is refused, roll the store back, call mu_server_rollback, and report no
 * ticket of the batch.
 *
 * A MU_EV_STORED with an error does the same by itself: the body has rolled the
 * store back, and the engine goes on from what is in it.
 */
MU_MUST int mu_server_rollback(struct mu_server *s);

/* root: 16..64 bytes. MU_ERR_CONFLICT when the identity exists, MU_ERR_USAGE
 * for one with a space, a slash or a control character in it, MU_ERR_FULL when
 * there are gateways_max gateways, MU_ERR_NOT_FOUND without that gateway. A
 * gateway takes MU_AREA_DEVICES_MAX devices in its life, revoked ones too. */
MU_MUST int mu_server_gateway_add(struct mu_server *s, struct mu_bytes identity,
                                  struct mu_bytes root, uint32_t *number);
MU_MUST int mu_server_device_add(struct mu_server *s, struct mu_bytes identity,
                                 struct mu_bytes root,
                                 struct mu_bytes gateway_identity);
/* Its key and its link end, and Kw is made anew; the identity is free again, its
 * number is not. MU_ERR_CONFLICT while it has devices that are not revoked. */
MU_MUST int mu_server_gateway_remove(struct mu_server *s,
                                     struct mu_bytes identity);
/* Out of every group, off its gateway's list, and all its groups' keys made
 * anew. A campaign with rekey_on_revoke that it has not received yet is
 * encrypted anew under a fresh key (another edition), so that what it holds
 * opens nothing more. MU_ERR_NOT_FOUND; 0 again when it is revoked already. */
MU_MUST int mu_server_device_revoke(struct mu_server *s,
                                    struct mu_bytes identity);
MU_MUST int mu_server_group_create(struct mu_server *s, struct mu_bytes name,
                                   uint8_t mode, uint32_t *number);
/*
 * How the key of a group changes (docs/key-schemes.md). With anything but
 * MU_SCHEME_UNICAST a rotation is a campaign: most members get the next key
 * from messages for all.
 */
struct mu_group_scheme {
    uint8_t kind;         /* enum mu_scheme_kind; MU_SCHEME_NONE: the server
                             chooses when it makes the trees */
    uint8_t degree;       /* LKH; 0: four */
    uint8_t levels;       /* LADDER: types of devices */
    uint32_t clusters;    /* CLUSTER */
    uint32_t members_max; /* further ones are refused; 0: no bound */
    uint32_t key_quorum_permille; /* members that must hold a dormant key
                                     before it is used; 0: all of them */
    uint32_t key_deadline_s; /* it is used after that in any case; 0: at once */
    uint32_t leaves_per_day, joins_per_day, sleepers_permille; /* to choose */
    bool mikey; /* keys go the way of MBMS, in MIKEY messages; kind UNICAST */
    uint8_t methods; /* of the key exchange by which a member has to have come:
                        bits, end to end only; 0: any */
};

/* MU_ERR_USAGE for a shape that cannot be, and for a mode that is not end to
 * end; MU_ERR_UNSUPPORTED without conf.scheme_mem. */
MU_MUST int mu_server_group_create_as(struct mu_server *s,
                                      struct mu_bytes name, uint8_t mode,
                                      const struct mu_group_scheme *scheme,
                                      uint32_t *number);
MU_MUST int mu_server_group_add(struct mu_server *s, struct mu_bytes name,
                                struct mu_bytes identity);
#define MU_WHERE_ANY UINT16_MAX
/* where: its cluster (from 0) or ladder level (from 1), or MU_WHERE_ANY.
 * MU_ERR_USAGE for one that there is not; MU_ERR_FULL beyond members_max. */
MU_MUST int mu_server_group_add_at(struct mu_server *s, struct mu_bytes name,
                                   struct mu_bytes identity, uint16_t where);
MU_MUST int mu_server_group_remove(struct mu_server *s, struct mu_bytes name,
                                   struct mu_bytes identity);
MU_MUST int mu_server_group_rotate(struct mu_server *s, struct mu_bytes name);

/* Who may speak to all of its area with a proof of who it is: a device or a
 * gateway. 0 again when it is one already. MU_ERR_NOT_FOUND, MU_ERR_FULL:
 * MU_SPEAKERS_MAX in its area. */
MU_MUST int mu_server_speaker_add(struct mu_server *s,
                                  struct mu_bytes identity);
/* Out of the directory; MU_ERR_NOT_FOUND when it was none. */
MU_MUST int mu_server_speaker_remove(struct mu_server *s,
                                     struct mu_bytes identity);
struct mu_speaker_view {
    uint64_t number;
    char identity[MU_ID_MAX + 1], gateway[MU_ID_MAX + 1];
    const char *scheme; /* that it said it speaks by; "none": not yet */
    bool known;         /* its key is */
};
/* The first one with a number above `after`. MU_ERR_NOT_FOUND at the end. */
MU_MUST int mu_server_speaker_next(struct mu_server *s, uint64_t after,
                                   struct mu_speaker_view *out);

struct mu_push {
    struct mu_bytes group;    /* name */
    struct mu_bytes name;     /* of the object, <= MU_NAME_MAX */
    uint64_t version;
    bool downgrade;           /* allow a lower version */
    uint64_t size;            /* bytes of part 1 of the depot */
    uint32_t quorum_permille; /* of the members */
    uint32_t deadline_s;      /* of the server's running time; 0: one day */
    bool rekey_on_revoke;     /* see mu_server_device_revoke */
    bool acks_ride;           /* acknowledgements may wait MU_ACK_WAIT_S for a
                                 keep-alive of their device to ride on */
    struct mu_cast_shape shape; /* payload 0: the default of conf */
};

/* A command to a group with mikey: run by the hook of each device. */
struct mu_tell {
    struct mu_bytes group; /* name */
    struct mu_bytes text;  /* 1..MU_COMMAND_MAX bytes */
    uint32_t quorum_permille;
    uint32_t deadline_s;   /* 0: five minutes */
};

enum mu_campaign_phase {
    MU_CAMPAIGN_PREPARING,
    MU_CAMPAIGN_RUNNING,
    MU_CAMPAIGN_PAUSED,
    MU_CAMPAIGN_DONE,      /* every member runs it */
    MU_CAMPAIGN_QUORUM,    /* deadline passed, quorum met */
    MU_CAMPAIGN_FAILED,    /* deadline passed, quorum missed */
    MU_CAMPAIGN_CANCELLED,
    MU_CAMPAIGN_PHASE_COUNT
};

/* campaign: random id chosen by the caller, whose plain object already lies in
 * part 1 of the depot. MU_ERR_NOT_FOUND no such group; MU_ERR_USAGE empty
 * object or group; MU_ERR_TOO_LARGE when no member can hold it (members that
 * cannot are recorded as failed with TOO_LARGE before anything is sent). */
MU_MUST int mu_server_push(struct mu_server *s,
                           const uint8_t campaign[MU_CAMPAIGN_ID],
                           const struct mu_push *push);
/* MU_ERR_UNSUPPORTED for a group without mikey, MU_ERR_TOO_LARGE; else as
 * mu_server_push. */
MU_MUST int mu_server_tell(struct mu_server *s,
                           const uint8_t campaign[MU_CAMPAIGN_ID],
                           const struct mu_tell *tell);
MU_MUST int mu_server_pause(struct mu_server *s, const uint8_t campaign[8]);
MU_MUST int mu_server_resume(struct mu_server *s, const uint8_t campaign[8]);
MU_MUST int mu_server_cancel(struct mu_server *s, const uint8_t campaign[8]);

enum mu_campaign_what {
    MU_CAMPAIGN_OBJECT, /* a file, in pages */
    MU_CAMPAIGN_KEY,    /* the next key of a group; version is its generation */
    MU_CAMPAIGN_COMMAND, /* what mu_server_tell says */
    MU_CAMPAIGN_WHAT_COUNT
};

struct mu_campaign_view {
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint64_t number;
    uint8_t what;   /* enum mu_campaign_what */
    uint16_t parts; /* messages for all; KEY with 0: each member fetches */
    uint32_t group;
    char group_name[MU_NAME_MAX + 1], name[MU_NAME_MAX + 1];
    uint64_t version, size;
    uint8_t digest[32];
    enum mu_campaign_phase phase;
    uint32_t members, received, verified, installed, running, failed, revoked;
    uint32_t quorum_permille, deadline_s, elapsed_s;
    bool acks_ride;
    uint32_t page, pages;         /* of the wide-area sender */
    struct mu_cast_shape shape;
    struct mu_cast_counts wide;
    uint32_t edition;             /* how often it was encrypted anew */
    uint32_t late;                /* members who wait for the next edition */
    uint32_t late_by_s;           /* of elapsed_s: it comes then at the latest */
    uint64_t reports_refused;     /* acknowledgements that did not verify */
};

/* Campaigns in the order of their number: the first above `after`.
 * MU_ERR_NOT_FOUND at the end. */
MU_MUST int mu_server_campaign_next(struct mu_server *s, uint64_t after,
                                    struct mu_campaign_view *out);
MU_MUST int mu_server_campaign_get(struct mu_server *s,
                                   const uint8_t campaign[8],
                                   struct mu_campaign_view *out);

struct mu_target_view {
    char identity[MU_ID_MAX + 1];
    uint8_t state, reason;
    bool revoked;
    bool lied;  /* an acknowledgement of its own did not verify */
    bool later; /* a member by now, and none when the campaign had its members */
    bool never; /* it has never connected */
};
/* What a gateway says that a campaign cost in its area: the first gateway with
 * a number above `after` that has said so. MU_ERR_NOT_FOUND at the end. */
struct mu_area_view {
    uint32_t number;
    char gateway[MU_ID_MAX + 1];
    struct mu_wide_tally tally;
};
MU_MUST int mu_server_area_next(struct mu_server *s, const uint8_t campaign[8],
                                uint32_t after, struct mu_area_view *out);

/* Members of a campaign in order of identity, the first above `after`. */
MU_MUST int mu_server_target_next(struct mu_server *s,
                                  const uint8_t campaign[8],
                                  struct mu_bytes after,
                                  struct mu_target_view *out);

struct mu_device_view {
    char identity[MU_ID_MAX + 1], gateway[MU_ID_MAX + 1];
    uint16_t area_index;
    bool revoked, connected;
    bool exchanged; /* connected by a key exchange, */
    uint8_t method; /* of this method, enum mu_exchange_method */
    uint64_t object_max;
    uint32_t page_memory;
    uint32_t groups[MU_DEVICE_GROUPS_MAX];
    uint8_t groups_len;
};
MU_MUST int mu_server_device_next(struct mu_server *s, struct mu_bytes after,
                                  struct mu_device_view *out);
struct mu_gateway_view {
    uint32_t number;
    char identity[MU_ID_MAX + 1];
    bool linked;
    uint32_t devices;
};
MU_MUST int mu_server_gateway_next(struct mu_server *s, uint32_t after,
                                   struct mu_gateway_view *out);
struct mu_group_view {
    uint32_t number;
    char name[MU_NAME_MAX + 1];
    uint8_t mode; /* 0 end to end, 1 option 1, 2 option 2 */
    uint64_t generation;
    uint32_t members, current; /* current: hold the newest key for certain */
    uint64_t dormant;     /* a newer one, given out but not used yet; 0: none */
    uint8_t scheme;       /* in use, enum mu_scheme_kind; NONE: not chosen yet */
    bool automatic;       /* chosen by the server */
    uint64_t base;        /* of its trees; 0: none */
    uint32_t gone;        /* left since they were made */
    uint8_t reason;       /* automatic: enum mu_scheme_reason */
    bool mikey;
    uint8_t methods;      /* see mu_group_scheme */
    struct mu_group_scheme wish;
};
MU_MUST int mu_server_group_next(struct mu_server *s, uint32_t after,
                                 struct mu_group_view *out);
/* The one of a name; `current` is not counted. MU_ERR_NOT_FOUND. */
MU_MUST int mu_server_group_get(struct mu_server *s, struct mu_bytes name,
                                struct mu_group_view *out);
bool mu_server_gateway_known(const struct mu_server *s,
                             struct mu_bytes identity);
/* What one departure, or several at once, cost: from the trees of the group. */
struct mu_leave_cost {
    uint32_t wraps, parts; /* of the messages for all */
    uint64_t bytes;        /* of these */
    uint32_t personal;     /* members who have to fetch */
};
#define MU_EXPLAIN_FIRST 8
/* What the next leave costs, by scheme, and which one would be chosen: by
 * formula, for the group as it is; and what it costs in its own trees, as they
 * are, to the byte. */
struct mu_group_explain {
    struct mu_scheme_facts facts;
    struct mu_scheme_cost costs[MU_SCHEME_COUNT - 1]; /* by kind, from 1 */
    uint8_t in_use; /* enum mu_scheme_kind */
    struct mu_scheme_choice choice;

    bool exact;         /* it has trees: what follows is there, and the costs of
                           the scheme in use are the mean of it */
    bool rebuild;       /* but the next departure makes new ones: all fetch */
    uint32_t waiting;   /* changes that no key covers yet, nor these figures */
    uint32_t members;   /* in the trees */
    uint32_t state_bytes; /* what one who has to fetch fetches */
    bool sampled;       /* the sums are of some of many clusters */
    uint32_t of;        /* members whose costs these are the sums of: */
    uint64_t wraps, bytes, personal;
    uint32_t least_slot, most_slot; /* who costs least and most */
    struct mu_leave_cost least, most;
    char least_id[MU_ID_MAX + 1], most_id[MU_ID_MAX + 1];
    uint32_t leavers;   /* that were asked for, drawn at random; 0: none */
    struct mu_leave_cost batch;
    uint32_t first[MU_EXPLAIN_FIRST]; /* places of the first of them */
};
/* MU_ERR_USAGE for an empty group and more leavers than members, MU_ERR_BUSY
 * while the next key is made. */
MU_MUST int mu_server_group_explain(struct mu_server *s, struct mu_bytes name,
                                    uint32_t leavers,
                                    struct mu_group_explain *out);
/* Whose keys are in the memory of a clone (mu_scheme_trace), in the trees that
 * the group has now, and in conf.trace_generations before. MU_ERR_UNSUPPORTED
 * without any, MU_ERR_BUSY while the next key is made, MU_ERR_TOO_LARGE for
 * more than MU_TRACE_LEAVES_MAX bytes where leaves have to be looked at. */
struct mu_server_hit {
    uint32_t slot, count; /* places */
    uint64_t base;        /* the trees: made with this generation */
    uint64_t until;       /* and replaced with this one; 0: not known, not yet */
    bool present;         /* they are those in use */
};
MU_MUST int mu_server_group_trace(struct mu_server *s, struct mu_bytes name,
                                  struct mu_bytes dump,
                                  struct mu_server_hit *hits, size_t hits_max,
                                  size_t *hits_len);
/* Who had a place of a hit last: the first from *at of its places on, which
 * goes behind it. left: it is no member any more. */
MU_MUST int mu_server_trace_next(struct mu_server *s, struct mu_bytes name,
                                 const struct mu_server_hit *hit, uint32_t *at,
                                 char identity[MU_ID_MAX + 1], bool *left);
MU_MUST int mu_server_member_next(struct mu_server *s, uint32_t group,
                                  struct mu_bytes after,
                                  char identity[MU_ID_MAX + 1]);

struct mu_key_view {
    struct mu_kid kid;
    const char *kind_name;
    enum mu_key_phase phase;
    uint32_t holders;
    uint32_t valid_s; /* 0: until it is rotated, or its campaign ends */
};
MU_MUST int mu_server_key_next(struct mu_server *s, const struct mu_kid *after,
                               struct mu_key_view *out);

uint32_t mu_server_epoch(const struct mu_server *s);

#endif
