/* SPDX-License-Identifier: Apache-2.0 */
#include "alive.h"

#include "attack.h"
#include "liar.h"
#include "muster/area_msg.h"

/* A CoAP ping is an empty message, and so is its answer (RFC 7252 s.4.3): 4
 * bytes in a DTLS record of 29 more (record 13, nonce 8, tag 8). A POST without
 * token, path and format adds the payload and its marker; its answer, without
 * payload, nothing. */
#define PING_BYTES (4u + 29u)
#define MARKER_BYTES 1u
#define TIMEOUT MU_SECONDS(2) /* RFC 7252 s.4.8 */
#define RETRANSMIT 4
#define AGAIN MU_SECONDS(1) /* while the radio sleeps, or there is no link */
#define STREAM 16 /* of the generators: beyond those of the world */

enum { AT_WORK, AT_REST };

/* One exchange, as chance has it: how many copies of question and answer go on
 * the air, when the first question arrives, and when an answer does. */
struct exchange {
    uint32_t asked, answered;
    mu_time arrives, done; /* MU_TIME_NEVER: not at all */
    mu_time over;
};

/* The same keep-alive of the same device has the same luck in both fleets. */
static void exchange_draw(const struct sim_world *w, uint32_t node,
                          uint32_t number, bool jammed, struct exchange *x)
{
    struct sim_rng rng;
    mu_time delay, timeout = TIMEOUT;

    sim_rng_seed(&rng, w->conf.seed, STREAM + ((uint64_t)node << 32 | number));
    delay = w->conf.delay_us + sim_rng_below(&rng, w->conf.delay_us / 4 + 1u);
    *x = (struct exchange){.arrives = MU_TIME_NEVER, .done = MU_TIME_NEVER};
    for (int i = 0; i <= RETRANSMIT && x->done == MU_TIME_NEVER; i++) {
        bool there = !sim_rng_chance(&rng, w->conf.loss);
        bool back = !sim_rng_chance(&rng, w->conf.loss);
        mu_time wait = timeout + sim_rng_below(&rng, timeout / 2);

        x->asked++;
        there = there && !(jammed && i == 0);
        x->answered += there;
        if (there && x->arrives == MU_TIME_NEVER)
            x->arrives = x->over + delay;
        if (there && back)
            x->done = x->over + 2 * delay;
        x->over += wait;
        timeout *= 2;
    }
    if (x->done != MU_TIME_NEVER)
        x->over = x->done;
}

static mu_time alive_every(const struct sim_world *w)
{
    return MU_MS(w->conf.keepalive_ms);
}

static void alive_at(struct sim_world *w, uint32_t node, uint32_t fleet,
                     mu_time at)
{
    sim_queue_put(&w->queue, (struct sim_item){.at = at,
                                               .what = SIM_ALIVE,
                                               .node = node,
                                               .link = fleet});
}

void sim_alive_begin(struct sim_world *w)
{
    if (w->conf.keepalive_ms == 0 || w->alive)
        return;
    w->alive = true;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        struct sim_rng rng;
        mu_time at;

        sim_rng_seed(&rng, w->conf.seed, STREAM + ((uint64_t)i << 32) - 1);
        at = w->now + sim_rng_below(&rng, alive_every(w));
        alive_at(w, i, AT_WORK, at);
        alive_at(w, i, AT_REST, at);
    }
}

void sim_alive_heard(struct sim_world *w, struct sim_node *n)
{
    if (w->alive && n->role == SIM_DEVICE)
        n->heard_at = w->now;
}

static uint64_t exchange_bytes(const struct sim_world *w,
                               const struct exchange *x, size_t more)
{
    return (x->asked + x->answered) *
               (uint64_t)(PING_BYTES + w->conf.overhead) +
           x->asked * (uint64_t)more;
}

static void alive_rest(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    struct exchange x;

    if (!n->radio) {
        alive_at(w, node, AT_REST, w->now + AGAIN);
        return;
    }
    exchange_draw(w, node, n->rest_number++, false, &x);
    if (w->counting)
        w->rest_bytes += exchange_bytes(w, &x, 0);
    alive_at(w, node, AT_REST, w->now + x.over + alive_every(w));
}

/* The one that is being sent: its engine is asked what to send instead. */
struct sim_alive_now {
    const struct exchange *x;
    const struct sim_node *n;
    size_t more; /* bytes beside those of a ping */
};

static void alive_work(struct sim_world *w, uint32_t node)
{
    struct sim_node *n = &w->nodes[node];
    struct mu_event ev = {.kind = MU_EV_IDLE, .link = MU_LINK_UP_NODE};
    struct sim_alive_now now = {.n = n};
    struct exchange x;

    if (n->heard_at != 0 && w->now < n->heard_at + alive_every(w)) {
        alive_at(w, node, AT_WORK, n->heard_at + alive_every(w));
        return;
    }
    if (!n->up || !n->linked || !n->radio) {
        alive_at(w, node, AT_WORK, w->now + AGAIN);
        return;
    }
    exchange_draw(w, node, n->alive_number++, sim_attack_jams(w), &x);
    now.x = &x;
    w->alive_now = &now;
    sim_world_event(w, n, &ev);
    w->alive_now = NULL;
    if (w->counting)
        w->keepalive_bytes += exchange_bytes(w, &x, now.more);
    alive_at(w, node, AT_WORK, w->now + x.over + alive_every(w));
}

void sim_alive_due(struct sim_world *w, const struct sim_item *item)
{
    if (item->link == AT_REST)
        alive_rest(w, item->node);
    else
        alive_work(w, item->node);
}

bool sim_alive_takes(struct sim_world *w, struct sim_node *n,
                     const struct mu_effect *e)
{
    struct sim_alive_now *now = w->alive_now;
    struct mu_effect said = *e;
    uint8_t bytes[MU_ACK_LEN + 8];

    if (now == NULL || now->n != n || e->response || e->message.path.len > 0 ||
        e->message.oscore.data != NULL)
        return false;
    if (n->liar && !sim_liar_rides(w, n, bytes, sizeof bytes, &said)) {
        sim_network_ask(w, n, &said, MU_TIME_NEVER, MU_TIME_NEVER,
                        now->x->over);
        return true;
    }
    now->more = MARKER_BYTES + said.message.payload.len;
    w->rides += w->counting;
    sim_network_ask(w, n, &said, now->x->arrives, now->x->done, now->x->over);
    return true;
}
