/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group with a scheme: members that keep states and keys as devices do, two
 * gateways that hand on what is announced, and everybody who ever left, who
 * keeps all he ever had and hears all that is said.
 */
#ifndef TESTS_SERVER_BAND_H
#define TESTS_SERVER_BAND_H

#include "rig.h"
#include "muster/scheme.h"

#define BAND_MAX 40
#define BAND_KEYS 64   /* generations that one member saw */
#define BAND_STATES 24 /* states that one member ever had */
#define BAND_STATE_MAX 4096

struct soul {
    struct peer_device d;
    uint16_t index; /* in its area */
    bool in;        /* the operator says that it is a member */
    bool linked;    /* its connection stands */
    bool asking;    /* it has had no answer yet: it asks again */
    uint8_t state[BAND_STATE_MAX];
    size_t state_len;
    uint64_t newest; /* key it holds; 0: none */
    uint64_t generations[BAND_KEYS];
    uint8_t keys[BAND_KEYS][32];
    unsigned keys_len;
    uint8_t old[BAND_STATES][BAND_STATE_MAX]; /* all states, for leavers */
    size_t old_len[BAND_STATES];
    unsigned olds;
    unsigned fetches, opened;
};

struct band {
    struct rig rig;
    bool linked; /* the gateways */
    struct soul *souls;
    unsigned len;
    uint32_t group; /* 0: not there yet */
    uint8_t kind;
    uint32_t epoch; /* the highest that a gateway has seen */
    uint64_t heard; /* bytes of inline objects */
};

/* A server, two gateways and n devices, alternating; no group. */
struct band *band_open(unsigned n);
void band_close(struct band *b);
struct mu_group_scheme band_scheme(const char *name);
/* Group "all" with the first n devices in it. */
void band_group(struct band *b, const struct mu_group_scheme *scheme,
                unsigned n);
int band_join(struct band *b, unsigned i);
int band_leave(struct band *b, unsigned i);
void band_link(struct band *b); /* gateways */
/* Power on, if it is off. */
void band_power(struct band *b);

/* Fetches until nothing is due. */
void soul_fetch(struct band *b, struct soul *m);
/* Hears an announce object: what mu_member_open says, or why not. */
int soul_hear(struct band *b, struct soul *m, struct mu_bytes object);
const uint8_t *soul_key(const struct soul *m, uint64_t generation);

/* The key campaign on its way; false: there is none that is announced. */
bool band_campaign(struct band *b, struct mu_campaign_view *v);
/* Lets the server work; gateways hand on all parts to all members that are
 * awake, or just to one; those poked fetch; who has the key says so. */
void band_rekey(struct band *b);
/* The same without fetching: multicast alone. */
unsigned band_announce(struct band *b, bool report);
struct mu_group_view band_view(struct band *b);
/* Every member holds the newest key, and the server knows; nobody else has it,
 * whatever he tries. */
void band_check(struct band *b);
/* There are no members, and nobody has anything newer than he had. */
void band_check_none(struct band *b);

#endif
