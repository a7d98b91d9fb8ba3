/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group of the script with a rekeying scheme: its trees, the campaign of its
 * newest rekey, and states for devices that ask. The first slots are those of
 * the script's devices, the others of members that are nowhere.
 */
#ifndef TESTS_NODE_SCRIPT_REKEY_H
#define TESTS_NODE_SCRIPT_REKEY_H

#include "muster/scheme.h"
#include "tests/node/script.h"

#define SCRIPT_PARTS_MAX 64

struct script_part {
    uint8_t raw[MU_INLINE_CONTENT_MAX]; /* the rekey part */
    size_t raw_len;
    uint8_t object[MU_ANNOUNCE_MAX]; /* as it is signed */
    size_t object_len;
};

struct script_rekey {
    struct mu_scheme scheme;
    void *mem;
    bool live; /* on the gateway's list */
    bool mute; /* does not answer for parts */
    uint8_t id[MU_CAMPAIGN_ID];
    uint64_t number;
    uint8_t session;
    struct script_part parts[SCRIPT_PARTS_MAX];
    size_t parts_len;
    uint8_t digest[32];
    size_t part_max;  /* bytes of a part; 0: all that fits */
    size_t piece_max; /* bytes of a piece of a state; 0: all that fits */
    bool hold_states; /* gives none */
    uint32_t asked;   /* parts given to the gateway */
    uint32_t pieces;  /* given to devices */
    uint8_t told[SCRIPT_DEVICES_MAX]; /* states proved of this campaign */
};

/* From now on the group has a scheme; kb_kid's generation becomes its base. */
void script_scheme(struct script *s, enum mu_scheme_kind kind,
                   uint32_t members);
void script_scheme_clear(struct script *s);
/* These slots leave; the next key, its parts signed and listed. */
void script_rekey(struct script *s, const uint32_t *gone, size_t gone_len);
/* The same, and nobody is told. */
void script_rekey_silent(struct script *s);
void script_rekey_end(struct script *s);
/* Signs a part anew, with whatever is in it. */
void script_part_sign(struct script *s, const struct mu_signer *signer,
                      struct mu_inline *m, struct script_part *p);
/* New trees for the members there are. */
void script_compact(struct script *s);

/* For script.c. */
bool script_rekey_details(struct script *s, const struct mu_event *ev,
                          const uint8_t *id, uint16_t part,
                          struct mu_wide_campaign *m);
void script_rekey_piece(struct script *s, size_t device,
                        const struct mu_keyfetch_request *in,
                        struct mu_keyfetch_response *m);

#endif
