/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group-key schemes: how the members of a group get its next key, and those
 * who left do not. Six schemes behind one interface; docs/key-schemes.md says
 * which is for what, docs/wire-format.md s.9 what travels.
 *
 * The server (struct mu_scheme) keeps one bit to a few bytes per member and
 * makes every node key from one master secret. Changes are collected by
 * mu_scheme_join and mu_scheme_leave; mu_scheme_begin turns them into a new
 * generation, whose messages are then pulled one after the other:
 *
 *   rekey parts     for all, by multicast; each is opened alone
 *   personal ones   for single members, sealed under their own key; whom the
 *                   scheme has to tell one by one, and who fell behind
 *
 * A generation is never used twice, not even after a crash: whoever calls
 * stores the generation before mu_scheme_begin, and the state after it before
 * the first message leaves. A master secret belongs to one group.
 *
 * A device (struct mu_member) works on its state as bytes, which it stores as
 * they are. The messages prove that their maker knew the new key, so a wrong
 * or damaged one is refused; that the server made them, a signature around
 * them has to say, since members could forge among themselves.
 */
#ifndef MUSTER_SCHEME_H
#define MUSTER_SCHEME_H

#include "muster/keys.h"

#define MU_SCHEME_LEVELS 26 /* of a tree: node numbers and d fit in 32 bits */
#define MU_SCHEME_POSITIONS_MAX (1u << MU_SCHEME_LEVELS)
#define MU_NODE_KEY_LEN 16    /* bytes of node keys and labels: AES-128 */
#define MU_LADDER_LEVELS_MAX 8 /* device types; the source draws three */
#define MU_CLUSTERS_MAX 4096  /* their keys are 79 labels in a device */
#define MU_LKH_DEGREE_MAX 16  /* beyond, a leave costs more than with four */
#define MU_REKEY_ENTRY_LEN 20 /* bytes: subset 4, wrapped key 16 */
#define MU_REKEY_PART_MIN 640 /* bytes: any entry with its LKH ancestors fits */
#define MU_REKEY_TAG_LEN 16
#define MU_MEMBER_HEAD_LEN 42 /* bytes of a state before the scheme's keys */

enum mu_scheme_kind {
    MU_SCHEME_NONE = 0,
    MU_SCHEME_UNICAST = 1, /* every member is told one by one: MBMS */
    MU_SCHEME_CLUSTER = 2, /* clusters as leaves of subset difference */
    MU_SCHEME_LADDER = 3,  /* key derivation keys by device type */
    MU_SCHEME_LKH = 4,     /* logical key hierarchy, RFC 2627 */
    MU_SCHEME_CS = 5,      /* complete subtree, Naor-Naor-Lotspiech */
    MU_SCHEME_SD = 6,      /* subset difference, the same */
    MU_SCHEME_COUNT
};

const char *mu_scheme_name(enum mu_scheme_kind kind); /* "sd"; "?" */
enum mu_scheme_kind mu_scheme_kind(struct mu_bytes name); /* or NONE */

struct mu_scheme_conf {
    const struct mu_crypto *crypto;
    enum mu_scheme_kind kind;
    struct mu_secret master; /* 32 bytes, this group's alone */
    uint8_t key_kind;        /* of the group key, enum mu_key_kind */
    uint32_t scope;          /* of the group key */
    uint32_t members;        /* at the start: slots 0 .. members-1 */
    uint32_t slots_max;      /* slots there is memory for */
    uint32_t reserve;        /* CS, SD: free places in the first tree */
    uint32_t clusters;       /* CLUSTER: 1 .. MU_CLUSTERS_MAX */
    uint8_t degree;          /* LKH: 2 .. MU_LKH_DEGREE_MAX */
    uint8_t levels;          /* LADDER: 1 .. MU_LADDER_LEVELS_MAX */
};

/*
 * Places of a dyadic forest: tree 0 has the places 0 .. 2^k - 1, tree t > 0
 * the places 2^(k+t-1) .. 2^(k+t) - 1. A place that was ever given away is
 * not given again.
 */
struct mu_forest {
    uint64_t *out; /* a bit per place: excluded, or not given away yet */
    uint32_t places;
    uint32_t next;   /* next free place */
    uint8_t level;   /* k, the level of the root of tree 0 */
    uint32_t sealed; /* first place of tree 0 that is never given away */
};

/* What a server knows of one group. Plain data over the caller's memory. */
struct mu_scheme {
    struct mu_scheme_conf conf;
    uint64_t base;       /* generation at which the trees were made */
    uint64_t generation; /* of the last rekey; base before the first */
    uint64_t previous;   /* the one before */
    struct mu_secret key; /* the group key of `generation`, if any yet */
    uint32_t next;       /* first slot that was never used */
    uint32_t live;       /* members */
    bool pending;        /* changes that no rekey has covered yet */
    uint64_t *member;    /* a bit per slot; NULL in CS, SD */
    struct mu_forest forest;    /* CS, SD: slots; CLUSTER: clusters */
    uint16_t *cluster_of;       /* per slot */
    struct mu_cluster *cluster; /* per cluster */
    uint8_t *level_of;          /* LADDER: per slot, from 1 */
    uint32_t ladder[MU_LADDER_LEVELS_MAX]; /* ch of every level */
    uint8_t ladder_changed;     /* lowest level touched; 0: none */
    uint8_t ladder_told;        /* levels from here on need personal ones */
    uint32_t *version;          /* LKH: per node, level by level */
    uint32_t lkh_free;          /* no free slot below this one */
    uint8_t height;             /* LKH: level of the root */
    struct mu_bytes mem;        /* the caller's block, for saving */
};

struct mu_cluster {
    uint32_t place; /* in the forest; UINT32_MAX: none */
    uint32_t live;  /* members */
    uint8_t state;  /* internal */
};

/* Bytes of memory a group of this shape needs; 0: a shape that cannot be. */
size_t mu_scheme_mem(const struct mu_scheme_conf *conf);

/*
 * A new group, or the same one compacted: slots 0 .. members-1 are members
 * and have to be given a state each (mu_scheme_issue). base: the generation of
 * this moment, never used before in this scope. mem is kept, aligned to 8.
 * MU_ERR_USAGE for a shape that cannot be, MU_ERR_NO_SPACE for little memory.
 */
MU_MUST int mu_scheme_build(struct mu_scheme *s,
                            const struct mu_scheme_conf *conf, uint64_t base,
                            void *mem, size_t mem_len);
void mu_scheme_clear(struct mu_scheme *s); /* wipes secrets; mem is yours */
/* Right after build, before anything is issued: the cluster (from 0; else even
 * blocks of slots) or the ladder level (from 1; else the lowest) of a slot.
 * MU_ERR_UNEXPECTED later. */
MU_MUST int mu_scheme_place(struct mu_scheme *s, uint32_t slot,
                            uint32_t where);

/* The state apart from mem and secrets, to be stored together with mem. Load
 * takes conf and mem (already filled with what was stored) from the caller, who
 * may put the group key of the generation back into s->key. MU_ERR_CORRUPT. */
MU_MUST int mu_scheme_save(const struct mu_scheme *s, struct mu_writer *w);
MU_MUST int mu_scheme_load(struct mu_scheme *s,
                           const struct mu_scheme_conf *conf,
                           struct mu_reader *r, void *mem, size_t mem_len);

/*
 * Adds a member from the next rekey on. where: its cluster or ladder level,
 * else 0. The slot is new; only LKH uses freed ones again, under a new key.
 * MU_ERR_FULL, and no change, when there is no room: compact. The joiner is
 * issued its state after the rekey.
 */
MU_MUST int mu_scheme_join(struct mu_scheme *s, uint32_t where,
                           uint32_t *slot);
/* MU_ERR_NOT_FOUND, and no change, for one who is no member (any more). */
MU_MUST int mu_scheme_leave(struct mu_scheme *s, uint32_t slot);
/* All of them or none: MU_ERR_NOT_FOUND, and no change, if one is no member
 * or stands there twice. */
MU_MUST int mu_scheme_leave_all(struct mu_scheme *s, const uint32_t *slots,
                                size_t slots_len);
bool mu_scheme_is_member(const struct mu_scheme *s, uint32_t slot);

/*
 * Compaction: the members, packed to slots 0 .. live-1 in the order of their
 * old slots, in fresh trees with fresh keys; `into` takes the place of s. Every
 * member needs a new state; a device that meets the new base without one asks.
 * moved(ctx, old, new) is called for each. conf.members is ignored.
 */
MU_MUST int mu_scheme_compact(const struct mu_scheme *s, struct mu_scheme *into,
                              const struct mu_scheme_conf *conf, uint64_t base,
                              void *mem, size_t mem_len,
                              void (*moved)(void *ctx, uint32_t old,
                                            uint32_t now),
                              void *ctx);

/* Walks the subsets that cover all members: complete subtree, difference. */
struct mu_cover_item {
    uint32_t end; /* node below which everything is settled; 0: all in */
    uint32_t index;
    uint8_t level;
};
struct mu_cover {
    uint32_t at;   /* next place to look at */
    uint32_t stop; /* end of the tree in progress */
    uint32_t run;  /* end of the run in progress */
    uint8_t root;  /* level of the root of that tree */
    bool out;      /* the run is of excluded places */
    bool differ;   /* subset difference */
    uint8_t depth;
    uint8_t queue_at;
    uint8_t queue_len;
    struct mu_cover_item stack[MU_SCHEME_LEVELS + 2];
    uint32_t queue[2 * MU_SCHEME_LEVELS + 4];
};
/* Walks what an LKH rekey has to wrap. */
struct mu_lkh_walk {
    uint8_t level;
    uint32_t index;
    uint8_t child[MU_SCHEME_LEVELS + 2];
    uint32_t have[MU_SCHEME_LEVELS + 2]; /* chain already in this part */
};

/* One rekey in progress. Caller-owned; mu_rekey_clear when done with it. */
struct mu_rekey {
    struct mu_kid kid;
    struct mu_secret seed;
    size_t part_max;
    uint32_t parts; /* rekey parts of this generation */
    uint32_t part;  /* next one */
    uint32_t wraps; /* wrapped keys in all parts */
    uint64_t bytes; /* of all parts */
    uint32_t slot;  /* next slot of the personal walk */
    bool by_index;  /* CLUSTER: a key index is all there is to say */
    union {
        struct mu_cover cover;
        struct mu_lkh_walk lkh;
    } walk;
    bool held; /* an item was pulled that did not fit */
    uint32_t held_code;
};

/*
 * Settles what is pending under a new generation (greater than every one
 * before, same server epoch as the base: compact after an epoch changed) and
 * starts its messages. part_max: bytes of the largest part, at least
 * MU_REKEY_PART_MIN. Without changes it is a rotation. MU_ERR_ROLLBACK for a
 * generation that is not newer, MU_ERR_FULL when clusters are out of places
 * (compact), both without change. MU_ERR_TOO_LARGE when it takes more than
 * 65,535 parts: the generation is used up, begin again with larger ones.
 */
MU_MUST int mu_scheme_begin(struct mu_scheme *s, uint64_t generation,
                            size_t part_max, struct mu_rekey *r);
/* The next part. MU_ERR_NOT_FOUND after the last one; MU_ERR_UNEXPECTED when
 * the group has changed since begin. */
MU_MUST int mu_rekey_part(struct mu_scheme *s, struct mu_rekey *r,
                          struct mu_writer *w);
/* The next slot that needs a personal message. False at the end. */
bool mu_rekey_personal(const struct mu_scheme *s, struct mu_rekey *r,
                       uint32_t *slot);
/* Whether this member does: of the last generation. */
bool mu_scheme_tells(const struct mu_scheme *s, uint32_t slot);
void mu_rekey_clear(struct mu_rekey *r);

/* The personal message of the current generation for any member: brings one
 * who missed whatever number of rekeys up to date. MU_ERR_NOT_FOUND. */
MU_MUST int mu_scheme_personal(const struct mu_scheme *s, uint32_t slot,
                               struct mu_writer *w);
/* A member's whole state, for a joiner and after compaction: to be sent under
 * a key that the member alone has (OSCORE). MU_ERR_BUSY while changes are
 * pending, MU_ERR_NOT_FOUND for one who is no member. */
MU_MUST int mu_scheme_issue(const struct mu_scheme *s, uint32_t slot,
                            struct mu_writer *w);
/* LADDER: the key TGK of a level at the current generation. */
MU_MUST int mu_scheme_level_key(const struct mu_scheme *s, uint8_t level,
                                struct mu_secret *key);

/* A device's side: a state in the device's memory. */
struct mu_member {
    const struct mu_crypto *crypto;
    uint8_t *state;
    size_t state_len;
    size_t state_cap; /* clusters and LKH may grow: mu_member_state_max */
};

/* Checks the form of the state. MU_ERR_CORRUPT. */
MU_MUST int mu_member_init(struct mu_member *m, const struct mu_crypto *crypto,
                           uint8_t *state, size_t state_len, size_t state_cap);
struct mu_kid mu_member_newest(const struct mu_member *m);
uint64_t mu_member_base(const struct mu_member *m);
uint32_t mu_member_slot(const struct mu_member *m);
/*
 * Opens a rekey part or a personal message (the latter in place: msg is
 * overwritten). On success *kid and *key are the new group key, 32 bytes, and
 * the state has changed: store it. Else the state is as before, and
 *   MU_ERR_TRUNCATED, MU_ERR_MALFORMED   no such message
 *   MU_ERR_REPLAY, MU_ERR_ROLLBACK       this generation is here; an older one
 *   MU_ERR_UNEXPECTED                    another group, another scheme
 *   MU_ERR_NOT_FOUND                     not for this device: it is in another
 *                                        part, or out, or to be told apart
 *   MU_ERR_UNKNOWN_KEY                   the device is behind: ask the server
 *   MU_ERR_AUTH                          forged or damaged
 *   MU_ERR_NO_SPACE                      state_cap is too small
 */
MU_MUST int mu_member_open(struct mu_member *m, uint8_t *msg, size_t msg_len,
                           struct mu_kid *kid, struct mu_secret *key);
/*
 * Whether a rekey part can be for this device, by what is written in it: no
 * cipher is run, nothing changes, and whoever made it may have lied. 0: worth
 * opening. Else what mu_member_open would say: MU_ERR_TRUNCATED or _MALFORMED,
 * _REPLAY, _ROLLBACK, _UNEXPECTED, _NOT_FOUND, _UNKNOWN_KEY. For rekey parts
 * only.
 */
MU_MUST int mu_member_concerns(const struct mu_member *m, struct mu_bytes part);
/* LADDER: TGK of a level at the newest generation. MU_ERR_FORBIDDEN for a
 * level above the device's own. */
MU_MUST int mu_member_level_key(const struct mu_member *m, uint8_t level,
                                struct mu_secret *key);
/* Bytes that a state of this shape may grow to. */
size_t mu_member_state_max(const struct mu_scheme_conf *conf);

/* What can be read off a message without any key. MU_ERR_MALFORMED. */
struct mu_rekey_info {
    enum mu_scheme_kind kind;
    bool personal;
    struct mu_kid kid;
    uint64_t base;
    uint16_t part;
    uint16_t parts;
    uint16_t entries;
    uint32_t slot; /* personal */
};
MU_MUST int mu_rekey_info(struct mu_bytes msg, struct mu_rekey_info *info);

/*
 * Traitor tracing, CS, SD and LKH: who gave away the keys that are somewhere
 * in `dump` (raw memory of a clone, keys at any offset). Each hit is the
 * smallest part of the tree that certainly holds a traitor: count 1 names the
 * slot. No coalition can make the name of somebody else come up: the keys
 * looked at are known to the named part alone. MU_ERR_UNSUPPORTED for other
 * schemes; MU_ERR_FULL when there are more than hits_max.
 */
struct mu_trace_hit {
    uint32_t slot; /* the first */
    uint32_t count;
};
MU_MUST int mu_scheme_trace(const struct mu_scheme *s, struct mu_bytes dump,
                            struct mu_trace_hit *hits, size_t hits_max,
                            size_t *hits_len);

/*
 * Trees of the past, of which conf (with the master) and what mu_scheme_save
 * wrote are left: good for tracing alone, and LKH by its leaves only.
 * MU_ERR_CORRUPT.
 */
MU_MUST int mu_scheme_ghost(struct mu_scheme *s,
                            const struct mu_scheme_conf *conf,
                            struct mu_reader *saved);
/*
 * LKH: the keys above a leaf change with every leave, and a clone of before has
 * none of those above. Whether the dump shows the key that a slot's leaf has
 * had since the generation with the counter `since` (0: since the trees were
 * made). The sieve is made of the same dump; it grows useless beyond
 * MU_TRACE_LEAVES_MAX bytes.
 */
#define MU_TRACE_LEAVES_MAX 65536
struct mu_trace_sieve {
    uint8_t bits[4][8192]; /* pairs of bytes that follow each other, by place */
};
void mu_trace_sieve_make(struct mu_trace_sieve *v, struct mu_bytes dump);
MU_MUST int mu_scheme_trace_leaf(const struct mu_scheme *s, uint32_t slot,
                                 uint32_t since,
                                 const struct mu_trace_sieve *v,
                                 struct mu_bytes dump, bool *shown);

/*
 * What it costs if one member more leaves, of the trees as they are: which
 * member costs fewest and most wrapped keys, and all of them together, each
 * by itself. Nothing changes. Exact, but for `bytes` where a leave takes more
 * than a part with LKH (split): its parts repeat some keys. CS, SD and LKH;
 * else MU_ERR_UNSUPPORTED. MU_ERR_NOT_FOUND without members.
 */
struct mu_leave_range {
    uint32_t least, most; /* slots */
    uint32_t wraps_least, wraps_most;
    uint64_t wraps, bytes; /* of all members; by their number: the mean */
    bool split;
};
MU_MUST int mu_scheme_leave_range(const struct mu_scheme *s, size_t part_max,
                                  struct mu_leave_range *out);

/* What a group is like, for choosing. */
struct mu_scheme_facts {
    uint32_t members;
    uint32_t leaves_per_day;
    uint32_t joins_per_day;
    uint32_t sleepers_per_mille; /* members that miss a rekey, on average */
    uint32_t device_bytes;       /* memory of a device for group keys */
    uint32_t clusters;           /* 0: no clusters or types of devices */
    uint32_t gone;               /* left since the last compaction */
    uint8_t degree;              /* LKH; 0: four */
};

/* What the next leave costs, and what a day costs, with one scheme. */
struct mu_scheme_cost {
    enum mu_scheme_kind kind;
    uint64_t multicast_bytes; /* of the rekey parts after one leave */
    uint32_t wraps;
    uint32_t personal;        /* members told one by one after one leave */
    uint64_t personal_bytes;  /* all of these together */
    uint32_t device_bytes;
    uint64_t server_bytes;
    uint64_t day_bytes;       /* all rekeys, catch-ups, compaction */
    bool stateless; /* a sleeper opens the next message whatever it missed */
    bool fits;      /* device_bytes are there */
};

enum mu_scheme_reason {
    MU_REASON_SMALL,    /* so few that telling each is cheapest */
    MU_REASON_CHEAPEST, /* fewest bytes a day of those that fit */
    MU_REASON_SLEEPERS, /* a stateful scheme would cost less but for them */
    MU_REASON_MEMORY,   /* a cheaper one does not fit the devices */
    MU_REASON_NONE_FIT, /* nothing fits: one key per device is the least */
    MU_REASON_COUNT
};

struct mu_scheme_choice {
    enum mu_scheme_kind kind;
    enum mu_scheme_reason reason;
    struct mu_scheme_cost cost;  /* of the choice */
    struct mu_scheme_cost other; /* of what the reason compares it with */
};

const char *mu_scheme_reason_text(enum mu_scheme_reason reason);
/* Expected cost, by formula. MU_ERR_USAGE for facts that cannot be. */
MU_MUST int mu_scheme_explain(const struct mu_scheme_facts *facts,
                              enum mu_scheme_kind kind,
                              struct mu_scheme_cost *cost);
MU_MUST int mu_scheme_choose(const struct mu_scheme_facts *facts,
                             struct mu_scheme_choice *choice);

#endif
