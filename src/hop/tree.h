/* SPDX-License-Identifier: Apache-2.0 */
/* Inside hop: what node and root of a tree share. */
#ifndef HOP_TREE_H
#define HOP_TREE_H

#include "muster/tree.h"

enum {
    TREE_TRIES = 6,        /* times a message is sent for one round */
    TREE_OPEN_TRIES = 8,
    TREE_ADDRESS = 4,      /* kind, stream, index */
    TREE_ACK_HEAD = 8,     /* and place; then the set, then the tag */
    TREE_WELCOME_PLAIN = 38, /* groups, group, place, K_place, Kctl */
    TREE_WELCOME_LEN = TREE_ADDRESS + MU_TREE_NONCE + TREE_WELCOME_PLAIN + 8,
    TREE_JOIN_LEN = TREE_ADDRESS + MU_TREE_NONCE + MU_TAG_LEN,
    TREE_OPEN_LEN = TREE_ACK_HEAD + MU_TAG_LEN,
};

/* Kind, stream and the index that it names: whom it is for, or from. */
struct tree_address {
    uint8_t kind;
    uint16_t index;
};
MU_MUST int mu_tree_peek(struct mu_bytes packet, uint8_t stream,
                         struct tree_address *a);
void mu_tree_begin(struct mu_writer *w, uint8_t kind, uint8_t stream,
                   uint16_t index);

/* Checks the tag (mu_tag_put) of a whole packet. */
MU_MUST int mu_tree_sealed(const struct mu_crypto *c,
                           const struct mu_secret *key,
                           struct mu_bytes packet);

/* Key of a node for one use, from its root key. */
MU_MUST int mu_tree_key(const struct mu_crypto *c, const struct mu_secret *kmr,
                        const char *use, struct mu_secret *key);
MU_MUST int mu_tree_welcome_key(const struct mu_crypto *c,
                                const struct mu_secret *kmr,
                                const uint8_t nonce[MU_TREE_NONCE],
                                const uint8_t salt[MU_TREE_NONCE],
                                struct mu_secret *key);

/* ACK: place, tag and set. */
MU_MUST int mu_tree_ack_consume(const struct mu_crypto *c,
                                const struct mu_secret *kctl,
                                struct mu_bytes packet, uint32_t *place,
                                struct mu_bytes *set);
/* How long a branch of that height may take. */
mu_time mu_tree_patience(uint32_t wait_ms, uint8_t height);

#endif
