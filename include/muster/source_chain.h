/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains for messages that are all known beforehand. P'i = Pi | H(P'i+1): the
 * first is signed, each proves the one after it, at once, in order. (The cast
 * does the same page-wise, and out of order: docs/decisions/0002.)
 *
 * And chains of groups by distance: nodes that are h hops away hold a secret
 * chain of their own, so that a relay nearer by cannot change what it passes
 * on. Each packet carries, for each group, the next key of its chain hidden
 * under the one before, and a tag under it.
 */
#ifndef MUSTER_SOURCE_CHAIN_H
#define MUSTER_SOURCE_CHAIN_H

#include "muster/source.h"

#define MU_CHAIN_HASH_MAX 32
#define MU_HOP_GROUPS_MAX 16
#define MU_HOP_KEY 16 /* bytes */
#define MU_HOP_TAG 8

/* ---- P'i ---- */

/* Where the sender finds its messages again: it goes through them backwards at
 * init. get: MU_ERR_NOT_FOUND beyond the last. */
struct mu_chain_messages {
    void *ctx;
    int (*get)(void *ctx, uint32_t i, struct mu_bytes *message);
    uint32_t len;
};

struct mu_chain_sender {
    const struct mu_crypto *crypto;
    struct mu_source_proof proof;
    const struct mu_chain_messages *messages;
    uint8_t stream, hash_len;
    uint32_t at; /* the next to be sealed */
    uint8_t *hashes; /* of packets 1 .. len - 1 */
};

struct mu_chain_receiver {
    struct mu_source_proof proof;
    uint8_t stream, hash_len;
    uint32_t at; /* the next that can be proved */
    uint32_t len;
    bool begun;
    uint8_t next[MU_CHAIN_HASH_MAX];
    struct mu_bytes ready;
    bool has_ready;
    struct mu_source_counts counts;
};

size_t mu_chain_work(const struct mu_chain_messages *m, uint8_t hash_len);
MU_MUST int mu_chain_sender_init(struct mu_chain_sender *s,
                                 const struct mu_source_proof *proof,
                                 uint8_t stream, uint8_t hash_len,
                                 const struct mu_chain_messages *m,
                                 void *work, size_t work_len);
/* Goes back to a packet that somebody missed. */
void mu_chain_seek(struct mu_chain_sender *s, uint32_t at);
/* The signed start: stream, length, H(P'0). */
MU_MUST int mu_chain_start_create(const struct mu_chain_sender *s,
                                  struct mu_writer *w);
void mu_chain_receiver_init(struct mu_chain_receiver *r,
                            const struct mu_source_proof *proof,
                            uint8_t stream, uint8_t hash_len);
MU_MUST int mu_chain_start(struct mu_chain_receiver *r,
                           struct mu_bytes object);

/* ---- groups by distance ---- */

struct mu_hop_sender {
    const struct mu_crypto *crypto;
    uint8_t stream, groups;
    uint32_t at, length; /* messages of the chain */
    uint8_t keys[MU_HOP_GROUPS_MAX][MU_HOP_KEY]; /* K_length of each group */
};

struct mu_hop_receiver {
    const struct mu_crypto *crypto;
    uint8_t stream, group, groups;
    uint32_t at; /* the last that was proved; key is K_at */
    uint8_t key[MU_HOP_KEY];
    struct mu_bytes ready;
    bool has_ready;
    struct mu_source_counts counts;
};

MU_MUST int mu_hop_sender_init(struct mu_hop_sender *s,
                               const struct mu_crypto *c, uint8_t stream,
                               uint8_t groups, uint32_t length);
/* K_0 of a group: goes to its members one by one, under a key of each. */
MU_MUST int mu_hop_commitment(const struct mu_hop_sender *s, uint8_t group,
                              uint8_t key[MU_HOP_KEY]);
/* K_place of a group, for a member that comes in or was away. Never ahead of the
 * last message that went out: MU_ERR_FORBIDDEN. */
MU_MUST int mu_hop_key_at(const struct mu_hop_sender *s, uint8_t group,
                          uint32_t place, uint8_t key[MU_HOP_KEY]);
void mu_hop_sender_clear(struct mu_hop_sender *s);
void mu_hop_receiver_init(struct mu_hop_receiver *r, const struct mu_crypto *c,
                          uint8_t stream, uint8_t group, uint8_t groups,
                          const uint8_t key[MU_HOP_KEY]);

#endif
