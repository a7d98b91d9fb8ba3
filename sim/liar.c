/* SPDX-License-Identifier: Apache-2.0 */
#include "liar.h"

#include <stdlib.h>
#include <string.h>

#include "muster/area_msg.h"
#include "muster/cast.h"
#include "muster/device_state.h"
#include "muster/server.h"

static const char *const names[] = {
    [SIM_LIE_POLLUTE] = "pollute", [SIM_LIE_FORGE] = "forge",
    [SIM_LIE_REPLAY] = "replay",   [SIM_LIE_DROP] = "drop",
};

const char *sim_lie_name(enum sim_lie lie)
{
    return names[lie];
}

bool sim_lie_find(const char *name, enum sim_lie *lie)
{
    for (unsigned i = 0; i < SIM_LIES; i++) {
        if (strcmp(name, names[i]) == 0) {
            *lie = (enum sim_lie)i;
            return true;
        }
    }
    return false;
}

void sim_liars_choose(struct sim_world *w)
{
    struct sim_rng rng;

    sim_rng_seed(&rng, w->conf.seed, 5);
    for (uint32_t i = 0; i < w->conf.liars;) {
        struct sim_node *n =
            &w->nodes[w->first_device + sim_rng_below(&rng, w->conf.devices)];

        i += !n->liar;
        n->liar = true;
    }
}

/* Its own device and its neighbour both: a claim for two at one price. */
static void liar_forge(struct sim_world *w, const struct mu_device *d,
                       struct mu_status *m)
{
    m->receiver = (uint16_t)(d->index == 0 ? 1 : d->index - 1);
    sim_rng_fill(&w->chance, m->ack, sizeof m->ack);
}

/* What it said of an object before, word for word. */
static bool liar_replay(struct sim_world *w, const struct sim_node *n,
                        struct mu_status *m)
{
    static const uint8_t before[MU_CAMPAIGN_ID] = "earlier";
    static const uint8_t digest[32] = {1};
    const struct mu_device *d = n->engine;

    return mu_ack_make(&w->crypto, &d->kack, before, mu_bytes_str(n->identity),
                       m->state, m->reason, digest, m->ack) == 0;
}

static bool liar_change(struct sim_world *w, struct sim_node *n,
                        struct mu_status *m)
{
    switch (w->conf.lie) {
    case SIM_LIE_POLLUTE:
        sim_rng_fill(&w->chance, m->ack, sizeof m->ack);
        return true;
    case SIM_LIE_FORGE:
        liar_forge(w, n->engine, m);
        return true;
    case SIM_LIE_REPLAY:
        return liar_replay(w, n, m);
    default:
        return false;
    }
}

struct sim_buffer *sim_liar_says(struct sim_world *w, struct sim_node *n,
                                 struct sim_buffer *b)
{
    const struct mu_device *d = n->engine;
    uint8_t bytes[MU_PACKET_MAX];
    struct mu_writer out = mu_writer(bytes, sizeof bytes);
    struct mu_status m;

    if (b->len == 0 || b->data[0] != MU_CAST_STATUS ||
        mu_status_consume(&w->crypto, &d->kfb, mu_bytes(b->data, b->len),
                          &m) != 0)
        return b;
    w->lies++;
    sim_buffer_drop(b);
    if (!liar_change(w, n, &m) ||
        mu_status_create(&w->crypto, &d->kfb, &m, &out) != 0)
        return NULL;
    return sim_buffer_new(bytes, out.len);
}

/* Over its own link nobody speaks for a neighbour: who wants to, goes by STATUS
 * (which is changed on its way out, above). */
static void liar_status(struct sim_world *w, struct sim_node *n,
                        const struct mu_status *m)
{
    const struct mu_device *d = n->engine;
    uint8_t bytes[MU_PACKET_MAX];
    struct mu_writer out = mu_writer(bytes, sizeof bytes);
    struct mu_effect e = {.kind = MU_DO_PACKET, .channel = MU_CHANNEL_AREA,
                          .up = true};

    if (mu_status_create(&w->crypto, &d->kfb, m, &out) != 0)
        return;
    e.packet = mu_written(&out);
    sim_network_packet(w, n, &e);
}

bool sim_liar_rides(struct sim_world *w, struct sim_node *n, uint8_t *room,
                    size_t len, struct mu_effect *e)
{
    const struct mu_device *d = n->engine;
    struct mu_writer out = mu_writer(room, len);
    struct mu_area_ride in;
    struct mu_status m;

    if (mu_area_ride_consume(e->message.payload, &in) != 0)
        return true;
    m = (struct mu_status){.session = in.session, .receiver = d->index,
                           .state = in.state, .reason = in.reason};
    memcpy(m.ack, in.ack, sizeof m.ack);
    if (w->conf.lie == SIM_LIE_FORGE) {
        liar_status(w, n, &m);
        return false;
    }
    w->lies++;
    if (!liar_change(w, n, &m))
        return false;
    memcpy(in.ack, m.ack, sizeof in.ack);
    if (mu_area_ride_create(&in, &out) != 0)
        return false;
    e->message.payload = mu_written(&out);
    return true;
}

uint32_t sim_liars_believed(struct sim_world *w, const uint8_t *campaign)
{
    struct mu_target_view t;
    char after[MU_ID_MAX + 1] = "";
    uint32_t believed = 0;

    while (mu_server_target_next(w->nodes[0].engine, campaign,
                                 mu_bytes_str(after), &t) == 0) {
        for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
            if (w->nodes[i].liar &&
                strcmp(w->nodes[i].identity, t.identity) == 0)
                believed += (t.state & MU_STATE_RUNNING) != 0;
        }
        memcpy(after, t.identity, sizeof after);
    }
    return believed;
}
