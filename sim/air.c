/* SPDX-License-Identifier: Apache-2.0 */
/* The attackers of the radio. Each genuine packet sets them off until their
 * quota is used up, so that they strike while it matters. */
#include "air.h"

#include <stdlib.h>
#include <string.h>

#include "forge.h"

#define AIR_PAST 64  /* packets of an area that the replayer remembers */
#define AIR_BURST 8  /* forgeries per genuine packet */

struct air_area {
    struct sim_buffer *past[AIR_PAST];
    uint32_t past_len, past_next;
    uint32_t forged, replayed;
};

struct sim_air {
    struct sim_world *world;
    struct sim_rng rng;
    struct air_area *areas; /* by node index of the gateway */
    uint64_t forged, replayed;
};

struct sim_air *sim_air_new(struct sim_world *w)
{
    struct sim_air *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort();
    a->world = w;
    a->areas = calloc(w->first_device, sizeof *a->areas);
    if (a->areas == NULL)
        abort();
    sim_rng_seed(&a->rng, w->conf.seed, 3);
    return a;
}

void sim_air_del(struct sim_air *a)
{
    for (uint32_t i = 0; i < a->world->first_device; i++)
        for (uint32_t j = 0; j < a->areas[i].past_len; j++)
            sim_buffer_drop(a->areas[i].past[j]);
    free(a->areas);
    free(a);
}

static struct sim_buffer *air_forge(struct sim_air *a,
                                    const struct sim_buffer *heard)
{
    uint8_t bytes[MU_PACKET_MAX];
    size_t len = sim_forge(&a->rng, (struct mu_bytes){heard->data, heard->len},
                           bytes);
    struct sim_buffer *b = sim_buffer_new(bytes, len);
    b->forged = true;
    return b;
}

static void air_attack(struct sim_air *a, uint32_t node, struct sim_buffer *b,
                       bool up)
{
    const struct sim_conf *conf = &a->world->conf;
    struct air_area *area = &a->areas[node];
    for (int i = 0; i < AIR_BURST && area->forged < conf->forged; i++) {
        struct sim_buffer *forged = air_forge(a, b);
        area->forged++;
        a->forged++;
        if (up)
            sim_world_shout_up(a->world, node, forged);
        else
            sim_world_shout(a->world, node, forged);
    }
}

void sim_air_heard(struct sim_air *a, uint32_t node, struct sim_buffer *b)
{
    const struct sim_conf *conf = &a->world->conf;
    struct air_area *area = &a->areas[node];
    if (!a->world->counting)
        return;
    air_attack(a, node, b, false);
    if (area->replayed < conf->replayed && area->past_len > 0) {
        uint64_t which = sim_rng_below(&a->rng, area->past_len);
        area->replayed++;
        a->replayed++;
        sim_world_shout(a->world, node, sim_buffer_hold(area->past[which]));
    }
    if (conf->replayed == 0)
        return;
    uint32_t at = area->past_next++ % AIR_PAST;
    if (at < area->past_len)
        sim_buffer_drop(area->past[at]);
    else
        area->past_len++;
    area->past[at] = sim_buffer_hold(b);
}

void sim_air_heard_up(struct sim_air *a, uint32_t node, struct sim_buffer *b)
{
    if (a->world->counting)
        air_attack(a, node, b, true);
}

uint64_t sim_air_forged(const struct sim_air *a)
{
    return a->forged;
}

uint64_t sim_air_replayed(const struct sim_air *a)
{
    return a->replayed;
}
