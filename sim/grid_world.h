/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the multihop simulation: radios, medium, attackers. */
#ifndef MUSTER_SIM_GRID_WORLD_H
#define MUSTER_SIM_GRID_WORLD_H

#include "grid.h"
#include "queue.h"
#include "rng.h"

struct grid_world;

struct grid_node {
    struct grid_world *world;
    uint32_t number;
    bool attacker;
    double x, y;
    uint32_t *near; /* whom it reaches */
    uint32_t near_len;
    struct mu_deluge d;
    uint8_t *work;
    uint8_t *store;
    struct mu_object object;
    mu_time timer;
    uint64_t timer_number;
    uint32_t signals; /* on the air here */
    uint64_t clean;   /* the transmission that can be received; 0: none */
    bool sending;
    uint32_t backoff;
    mu_time done_at;
    uint64_t bytes;
    /* an attacker's */
    struct sim_buffer *kept[64];
    uint32_t kept_len, kept_at;
    uint16_t known[64], known_round[64]; /* nodes heard, their rounds */
    uint32_t known_len, known_at;
    uint64_t turn, beats;
};

struct grid_world {
    struct sim_grid_conf conf;
    struct sim_grid_result *out;
    const struct mu_crypto *crypto;
    struct sim_queue queue;
    struct sim_rng rng;
    mu_time now;
    struct grid_node *nodes;
    uint32_t len, honest; /* attackers come after the honest */
    uint64_t transmissions;
    uint32_t done;
    struct mu_deluge_object object;
    uint8_t *prepared;
    uint64_t prepared_len;
    uint8_t manifest[MU_ANNOUNCE_MAX];
    size_t manifest_len;
    struct mu_secret kctl;
    struct mu_signer server;
    uint8_t evil[MU_ANNOUNCE_MAX]; /* manifest of who is not the server */
    size_t evil_len;
    struct mu_deluge_trust trust;
    struct mu_deluge_opener opener;
};

void grid_must(bool holds, const char *what);

/* grid_place.c: where they stand and whom they reach. MU_ERR_USAGE when some
 * are cut off wherever they stand. */
MU_MUST int grid_place(struct grid_world *w);

void grid_wake(struct grid_world *w, struct grid_node *n);
/* Time on the air of so many bytes of payload. */
mu_time grid_airtime(const struct grid_world *w, size_t len);

/* grid_attack.c */
/* Whether attackers run the engine too. */
bool grid_attack_relays(const struct grid_world *w);
void grid_attack_heard(struct grid_world *w, struct grid_node *n,
                       struct mu_bytes packet);
/* What it sends next, on the air like everybody; 0: nothing yet. */
size_t grid_attack_next(struct grid_world *w, struct grid_node *n,
                        uint8_t *to);
mu_time grid_attack_deadline(const struct grid_world *w,
                             const struct grid_node *n);
/* Straight into the ears of those near, as if the air had room for it. */
void grid_attack_inject(struct grid_world *w, struct grid_node *n,
                        struct mu_bytes packet);

#endif
