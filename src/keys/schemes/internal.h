/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Formats: docs/wire-format.md s.9. */
#ifndef KEYS_SCHEMES_INTERNAL_H
#define KEYS_SCHEMES_INTERNAL_H

#include "muster/scheme.h"

#define REKEY_TYPE 0x50    /* first byte of a rekey part, with the scheme */
#define PERSONAL_TYPE 0x60 /* of a personal message */
#define STATE_TYPE 0x70    /* of a member's state */
#define REKEY_HEAD_LEN 28  /* bytes: type, kid, base, part, parts, entries */
#define PERSONAL_HEAD_LEN 26 /* bytes: type, kid, base, slot */
#define PERSONAL_TAG_LEN 8 /* bytes: AES-CCM-16-64-128 */
#define GROUP_KEY_LEN 32
#define NO_PLACE UINT32_MAX
#define CLUSTER_DIRTY 1u /* cluster state: changed since the last rekey */
#define CLUSTER_FRESH 2u /* its place is covered from the next rekey on */

/*
 * Node numbers: the node at `level` (leaves 0) with `index` from the left is
 * (2 index + 1) 2^level. The level is the number of zero bits at the end, so
 * a number says all, whatever tree it is in.
 */
uint32_t mu_node(uint8_t level, uint32_t index);
uint8_t mu_node_level(uint32_t node); /* node != 0 */
uint32_t mu_node_index(uint32_t node);
/* A subset on the wire: places under node `end` raised by d levels, without
 * those under `end`; d = 0: those under `end` itself. */
uint32_t mu_subset(uint32_t end, uint8_t d);
uint32_t mu_subset_end(uint32_t code);
uint8_t mu_subset_d(uint32_t code);

/* forest.c: bits and trees. */
bool mu_slot_get(const uint64_t *bits, uint32_t at);
void mu_slot_put(uint64_t *bits, uint32_t at, bool on);
/* First place in at..stop-1 whose bit is `on`, or stop. */
uint32_t mu_slot_find(const uint64_t *bits, uint32_t at, uint32_t stop, bool on);
uint32_t mu_forest_places(uint32_t wanted); /* a power of two; 0: too many */
void mu_forest_init(struct mu_forest *f, uint64_t *out, uint32_t places,
                    uint32_t members, uint32_t reserve);
/* The tree that a place is in. */
void mu_forest_tree(uint8_t first_level, uint32_t place, uint32_t *start,
                    uint8_t *level);
bool mu_forest_given(const struct mu_forest *f, uint32_t place);
uint32_t mu_forest_room(const struct mu_forest *f); /* places left */
uint32_t mu_forest_take(struct mu_forest *f); /* stays out until cleared */
void mu_cover_init(struct mu_cover *c, const struct mu_forest *f, bool differ);
bool mu_cover_next(struct mu_cover *c, const struct mu_forest *f,
                   uint32_t *code);

/* derive.c: keys of nodes, on both sides. */
MU_MUST int mu_scheme_prf(const struct mu_scheme *s, const char *label,
                          uint32_t a, uint32_t b, struct mu_secret *out);
/* From the label of a node to that of one below it, in place. */
MU_MUST int mu_label_walk(const struct mu_crypto *c, struct mu_secret *label,
                          uint32_t from, uint32_t to);
/* Label of the subset with the ends top, end; top == end: all of the tree. */
MU_MUST int mu_scheme_label(const struct mu_scheme *s, uint32_t top,
                            uint32_t end, struct mu_secret *label);
MU_MUST int mu_scheme_device_key(const struct mu_scheme *s, uint32_t slot,
                                 struct mu_secret *key);
/* KDF with a kid as the context. */
MU_MUST int mu_kdf_kid(const struct mu_crypto *c, const struct mu_secret *key,
                       const char *label, const struct mu_kid *kid,
                       uint8_t len, struct mu_secret *out);
MU_MUST int mu_rekey_tag(const struct mu_crypto *c,
                         const struct mu_secret *seed, const struct mu_kid *kid,
                         struct mu_bytes text, uint8_t tag[MU_REKEY_TAG_LEN]);
/* AES-128 of one block: a fresh random key under a node key. */
MU_MUST int mu_node_wrap(const struct mu_crypto *c, const struct mu_secret *kek,
                         const struct mu_secret *key,
                         uint8_t out[MU_NODE_KEY_LEN]);
MU_MUST int mu_node_unwrap(const struct mu_crypto *c,
                           const struct mu_secret *kek,
                           const uint8_t in[MU_NODE_KEY_LEN],
                           struct mu_secret *key);
struct mu_kid mu_scheme_kid(const struct mu_scheme *s);

/* Bytes of a part without its entries (rekey.c). */
size_t mu_rekey_fixed(const struct mu_scheme *s, const struct mu_rekey *r);
/* LKH: whether any member is under a node. */
bool mu_lkh_live(const struct mu_scheme *s, uint8_t level, uint32_t index);

/* Per scheme, on the server. `where` as in mu_scheme_join. */
struct mu_scheme_ops {
    const char *name;
    bool multicast; /* has rekey parts */
    bool (*valid)(const struct mu_scheme_conf *conf);
    void (*build)(struct mu_scheme *s);
    int (*join)(struct mu_scheme *s, uint32_t where, uint32_t *slot);
    void (*leave)(struct mu_scheme *s, uint32_t slot);
    /* Before anything changes; then the changes; the seed in r->seed. */
    int (*check)(const struct mu_scheme *s);
    int (*settle)(struct mu_scheme *s, struct mu_rekey *r);
    void (*walk)(const struct mu_scheme *s, struct mu_rekey *r);
    bool (*next)(const struct mu_scheme *s, struct mu_rekey *r, uint32_t *code);
    /* Entries that a code needs in this part; written unless w is NULL. */
    int (*entries)(const struct mu_scheme *s, struct mu_rekey *r,
                   uint32_t code, struct mu_writer *w, uint32_t *n);
    /* LKH: a new part has no chains; the entries of a code are in it. */
    void (*part)(struct mu_rekey *r);
    void (*placed)(const struct mu_scheme *s, struct mu_rekey *r,
                   uint32_t code);
    void (*extra)(const struct mu_scheme *s, const struct mu_rekey *r,
                  struct mu_writer *w);
    bool (*personal)(const struct mu_scheme *s, uint32_t slot);
    int (*body)(const struct mu_scheme *s, uint32_t slot, struct mu_writer *w);
    bool body_told; /* personal messages carry the body too */
};
extern const struct mu_scheme_ops mu_ops_unicast;
extern const struct mu_scheme_ops mu_ops_cluster;
extern const struct mu_scheme_ops mu_ops_ladder;
extern const struct mu_scheme_ops mu_ops_lkh;
extern const struct mu_scheme_ops mu_ops_cs;
extern const struct mu_scheme_ops mu_ops_sd;
const struct mu_scheme_ops *mu_scheme_ops(enum mu_scheme_kind kind);

/* Slots that are used in order and never again (unicast.c). */
MU_MUST int mu_slots_join(struct mu_scheme *s, uint32_t *slot);

/* forest_scheme.c, for cluster.c too. */
MU_MUST int mu_forest_body(const struct mu_scheme *s, uint32_t place,
                           struct mu_writer *w);
MU_MUST int mu_forest_entry(const struct mu_scheme *s, struct mu_rekey *r,
                            uint32_t code, struct mu_writer *w, uint32_t *n);
void mu_forest_walk(const struct mu_scheme *s, struct mu_rekey *r);
bool mu_forest_next(const struct mu_scheme *s, struct mu_rekey *r,
                    uint32_t *code);
MU_MUST int mu_seed_random(struct mu_scheme *s, struct mu_rekey *r);

/*
 * lkh.c: the number of a node on the wire. An entry is a base, whose child key
 * its members hold, or a link, whose child key comes from another entry.
 */
#define LKH_LINK ((uint32_t)1 << 26)
uint32_t mu_lkh_code(uint8_t level, uint32_t index);
uint8_t mu_lkh_level(uint32_t code);
uint32_t mu_lkh_index(uint32_t code); /* without the link mark */
uint8_t mu_lkh_height(uint32_t slots, uint8_t degree);
size_t mu_lkh_nodes(uint32_t slots_max, uint8_t degree);
uint32_t mu_lkh_up(uint32_t slot, uint8_t degree, uint8_t levels);
uint64_t mu_lkh_first(uint32_t index, uint8_t degree, uint8_t level); /* slot */
MU_MUST int mu_lkh_key(const struct mu_scheme *s, uint8_t level, uint32_t index,
                       struct mu_secret *key);
MU_MUST int mu_lkh_wrap_key(const struct mu_crypto *c,
                            const struct mu_secret *node,
                            struct mu_secret *kek);

/* ladder.c: one step down. */
MU_MUST int mu_ladder_step(const struct mu_crypto *c, struct mu_secret *kdk,
                           uint32_t ch);

/* A rekey part, read. */
struct mu_rekey_msg {
    struct mu_rekey_info info;
    uint32_t previous; /* LKH: counter of the generation before */
    uint8_t height;    /* LKH */
    bool by_index;     /* CLUSTER */
    uint8_t levels;    /* LADDER */
    uint32_t ladder[MU_LADDER_LEVELS_MAX];
    struct mu_bytes entries;
    struct mu_bytes text; /* what the tag is over */
    struct mu_bytes tag;
};
MU_MUST int mu_rekey_read(struct mu_bytes in, struct mu_rekey_msg *msg);

/* Per scheme, on the device: the seed from a part. Changes of the state go
 * into m->state at once; who calls put a copy aside where it matters. */
struct mu_member_view {
    uint8_t kind;
    struct mu_kid newest;
    uint64_t base;
    uint32_t slot;
    const uint8_t *key;   /* Kdev */
    struct mu_bytes body; /* of the scheme */
};
MU_MUST int mu_member_read(struct mu_bytes state, struct mu_member_view *v);
bool mu_body_valid(uint8_t kind, uint32_t slot, struct mu_bytes body);
MU_MUST int mu_open_forest(const struct mu_member *m,
                           const struct mu_member_view *v,
                           const struct mu_rekey_msg *msg,
                           struct mu_secret *seed);
struct mu_lkh_path {
    uint8_t low;    /* level of the base entry */
    uint8_t height; /* new keys are keys[low + 1 .. height] */
    struct mu_secret keys[MU_SCHEME_LEVELS + 1];
};
MU_MUST int mu_open_lkh(const struct mu_member *m,
                        const struct mu_member_view *v,
                        const struct mu_rekey_msg *msg,
                        struct mu_lkh_path *path, struct mu_secret *seed);
/* The same without keys: whether there is anything to open. */
MU_MUST int mu_concerns_forest(const struct mu_member_view *v,
                               const struct mu_rekey_msg *msg);
MU_MUST int mu_concerns_lkh(const struct mu_member_view *v,
                            const struct mu_rekey_msg *msg);
MU_MUST int mu_concerns_ladder(const struct mu_member_view *v,
                               const struct mu_rekey_msg *msg);
MU_MUST int mu_open_ladder(const struct mu_member *m,
                           const struct mu_member_view *v,
                           const struct mu_rekey_msg *msg,
                           struct mu_secret *seed);

#endif
