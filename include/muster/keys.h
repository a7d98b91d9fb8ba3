/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: kinds, ids, derivation, and the small table of group keys a node
 * holds. docs/wire-format.md s.1 is the table this implements.
 */
#ifndef MUSTER_KEYS_H
#define MUSTER_KEYS_H

#include "muster/crypto.h"
#include "muster/limits.h"

enum mu_key_kind {
    MU_KEY_NONE = 0,
    MU_KEY_KMR = 1,  /* root key, provisioned or bootstrapped */
    MU_KEY_KMC = 2,  /* connection key */
    MU_KEY_KMA = 3,  /* application key */
    MU_KEY_KA = 4,   /* service key: OSCORE master secret */
    MU_KEY_KB = 5,   /* broadcast key of a group */
    MU_KEY_KG = 6,   /* group key of an area network */
    MU_KEY_KHOP = 7, /* DTLS-PSK of one hop */
    MU_KEY_KFB = 8,  /* feedback tags */
    MU_KEY_KACK = 9, /* acknowledgements */
    MU_KEY_KW = 10,  /* wide-area cast control */
    MU_KEY_CEK = 11, /* content key of one object */
    MU_KEY_KIND_COUNT
};

/* One row of the kinds table: for `muster key list`, the docs and the tests. */
struct mu_key_info {
    enum mu_key_kind kind;
    const char *name;     /* "Kmr" */
    const char *from;     /* "provisioned", "Kmr", "random, server" */
    const char *holders;  /* who may hold it */
    const char *delivery; /* how it gets there */
    const char *lifetime; /* when it ends */
    uint8_t len;          /* bytes */
};

const struct mu_key_info *mu_key_info(enum mu_key_kind kind); /* NULL: none */
/* Whether there is such a row; without the table, which a device leaves out. */
bool mu_key_kind_known(unsigned kind);

struct mu_kid {
    uint8_t kind;        /* enum mu_key_kind */
    uint32_t scope;      /* group, gateway or 0 */
    uint64_t generation; /* server epoch << 32 | counter */
};

void mu_kid_write(struct mu_writer *w, const struct mu_kid *kid);
struct mu_kid mu_kid_read(struct mu_reader *r);
bool mu_kid_eq(const struct mu_kid *a, const struct mu_kid *b);

/* KDF(key, label, context, len): len 1..32 bytes. label is plain text. */
MU_MUST int mu_kdf(const struct mu_crypto *c, const struct mu_secret *key,
                   const char *label, struct mu_bytes context, uint8_t len,
                   struct mu_secret *out);

/* Makes a provisioned root key of 16..64 bytes into a Kmr of 32. */
MU_MUST int mu_kmr_from(const struct mu_crypto *c, struct mu_bytes provisioned,
                        struct mu_secret *kmr);
/* Kmc and Ka of a connection from both nonces (16 bytes each). */
MU_MUST int mu_kmc_derive(const struct mu_crypto *c,
                          const struct mu_secret *kmr, const uint8_t nd[16],
                          const uint8_t ns[16], struct mu_secret *kmc);
MU_MUST int mu_khop_derive(const struct mu_crypto *c,
                           const struct mu_secret *kmr, struct mu_bytes peer,
                           struct mu_secret *khop);

/* First 8 bytes of HMAC over the parts; check is in constant time. */
MU_MUST int mu_tag_make(const struct mu_crypto *c, const struct mu_secret *key,
                        const struct mu_bytes *parts, size_t parts_len,
                        uint8_t tag[MU_TAG_LEN]);
MU_MUST int mu_tag_check(const struct mu_crypto *c,
                         const struct mu_secret *key,
                         const struct mu_bytes *parts, size_t parts_len,
                         const uint8_t tag[MU_TAG_LEN]);
/* Adds the tag over all that was written from `start` on. */
MU_MUST int mu_tag_put(const struct mu_crypto *c, const struct mu_secret *key,
                       struct mu_writer *w, size_t start);

/* The acknowledgement of docs/wire-format.md s.7. */
MU_MUST int mu_ack_make(const struct mu_crypto *c, const struct mu_secret *kack,
                        const uint8_t campaign[MU_CAMPAIGN_ID],
                        struct mu_bytes identity, uint8_t state, uint8_t reason,
                        const uint8_t digest[32], uint8_t ack[MU_ACK_LEN]);

/* What an acknowledgement of a rekey is made over in place of H(plain): proof
 * that the key itself is held. */
MU_MUST int mu_kb_held(const struct mu_crypto *c, const struct mu_secret *kb,
                       const struct mu_kid *kid, uint8_t out[32]);

/*
 * A node's group keys. Per (kind, scope) the newest generation is active, the
 * one before it retired; older ones are dropped. Dormant ones are held until
 * activated. Serialises to bytes for the node's journal.
 */
enum mu_key_phase { MU_PHASE_DORMANT, MU_PHASE_ACTIVE, MU_PHASE_RETIRED };

struct mu_key_slot {
    struct mu_kid kid; /* kind MU_KEY_NONE: free */
    enum mu_key_phase phase;
    struct mu_secret key;
};

struct mu_keyring {
    struct mu_key_slot slots[MU_DEVICE_KEYS_MAX];
};

void mu_keyring_init(struct mu_keyring *k);
void mu_keyring_clear(struct mu_keyring *k);
/*
 * MU_ERR_ROLLBACK for a generation older than the active one, MU_ERR_CONFLICT
 * for the same kid with another key, 0 when it is there already (a dormant one
 * put again as active wakes up; nothing goes back). A retired key needs a newer
 * active one (else MU_ERR_USAGE). In a full ring a new active key displaces a
 * retired one of any scope; MU_ERR_FULL, and no change, when there is none.
 */
MU_MUST int mu_keyring_put(struct mu_keyring *k, const struct mu_kid *kid,
                           const struct mu_secret *key,
                           enum mu_key_phase phase);
/* In any phase; NULL when it is not held. */
const struct mu_secret *mu_keyring_find(const struct mu_keyring *k,
                                        const struct mu_kid *kid);
/* The active one of a scope; NULL when there is none. */
const struct mu_key_slot *mu_keyring_active(const struct mu_keyring *k,
                                            uint8_t kind, uint32_t scope);
void mu_keyring_drop(struct mu_keyring *k, uint8_t kind, uint32_t scope);
MU_MUST int mu_keyring_save(const struct mu_keyring *k, struct mu_writer *w);
/* Reads one saved ring, leaving what follows. MU_ERR_CORRUPT, and an empty ring,
 * for anything that no ring can have saved. */
MU_MUST int mu_keyring_load(struct mu_keyring *k, struct mu_reader *r);

/*
 * A counter that is never reused: values are handed out of a block whose end
 * is durable first. After a restart counting goes on at the stored end.
 */
struct mu_counter {
    uint64_t next;
    uint64_t reserved; /* the durable end: values below it may be used */
    uint64_t wanted;   /* the end that is being stored, or == reserved */
    uint32_t block;
};

void mu_counter_init(struct mu_counter *c, uint64_t stored_end, uint32_t block);
/* MU_ERR_BUSY when the block is used up and the next is not stored yet,
 * MU_ERR_EXHAUSTED at the end of the counter. */
MU_MUST int mu_counter_take(struct mu_counter *c, uint64_t *value);
/* True when a block should be stored now; *end is the value to store. */
bool mu_counter_wants(struct mu_counter *c, uint64_t *end);
/* end: what is durable now. A store that failed reports c->reserved, and the
 * counter wants again. */
void mu_counter_stored(struct mu_counter *c, uint64_t end);

#endif
