/* SPDX-License-Identifier: Apache-2.0 */
/* What will happen, ordered by time, then by the order it was scheduled. */
#ifndef MUSTER_SIM_QUEUE_H
#define MUSTER_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "muster/time.h"

struct sim_buffer { /* shared by deliveries, counted */
    uint32_t refs;
    uint32_t len;
    bool forged; /* made by an attacker: no engine may accept it */
    uint8_t data[];
};

struct sim_buffer *sim_buffer_new(const void *data, size_t len);
struct sim_buffer *sim_buffer_hold(struct sim_buffer *b);
void sim_buffer_drop(struct sim_buffer *b);

enum sim_what {
    SIM_TIMER,     /* node, the next of its engine */
    SIM_AREA,      /* packet on the air of area `node`, down */
    SIM_PACKET,    /* packet for one node */
    SIM_MESSAGE,   /* request or response for one node */
    SIM_GIVE_UP,   /* a request of this node found no answer */
    SIM_LINK_UP,   /* node, link */
    SIM_LINK_DOWN, /* node, link */
    SIM_HOOK,      /* node, number = hook */
    SIM_BOOT,      /* node comes up again */
    SIM_ALIVE,     /* node, link = which fleet: a keep-alive is due */
    SIM_WAKE,      /* radio of a sleeping device on (1) or off (0) */
    SIM_SCENARIO,  /* number: what the scenario wants done */
};

struct sim_item {
    mu_time at;
    uint64_t order;
    enum sim_what what;
    uint32_t node;
    uint32_t link;
    uint64_t number;
    uint8_t channel;
    struct sim_buffer *buffer;
};

struct sim_queue {
    struct sim_item *items;
    size_t len, cap;
    uint64_t order;
};

void sim_queue_init(struct sim_queue *q);
void sim_queue_clear(struct sim_queue *q);
/* Takes over the reference to item.buffer. */
void sim_queue_put(struct sim_queue *q, struct sim_item item);
/* The place in the order of an item that is put in later, with it in `order`. */
uint64_t sim_queue_place(struct sim_queue *q);
void sim_queue_put_placed(struct sim_queue *q, struct sim_item item);
bool sim_queue_take(struct sim_queue *q, struct sim_item *item);

#endif
