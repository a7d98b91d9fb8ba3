/* SPDX-License-Identifier: Apache-2.0 */
#include "radio.h"

#define MILLION 1000000
#define STREAM 15 /* of the generators: this file's own */

void sim_radio_choose(struct sim_world *w)
{
    struct sim_rng rng;

    sim_rng_seed(&rng, w->conf.seed, STREAM);
    for (uint32_t i = 1; i < w->nodes_len; i++) {
        struct sim_node *n = &w->nodes[i];

        if (w->conf.drift != 0)
            n->drift = (int32_t)sim_rng_below(&rng, 2 * w->conf.drift + 1) -
                       (int32_t)w->conf.drift;
        if (n->role == SIM_DEVICE && w->conf.listens.period_s != 0 &&
            sim_rng_chance(&rng, w->conf.listeners))
            n->listens = w->conf.listens;
    }
}

mu_time sim_radio_wait(const struct sim_world *w)
{
    struct sim_rng rng;

    if (w->conf.listens.period_s == 0)
        return 0;
    sim_rng_seed(&rng, w->conf.seed, STREAM - 1);
    return sim_rng_below(&rng, MU_SECONDS(w->conf.listens.period_s));
}

static void radio_set(struct sim_world *w, struct sim_node *n)
{
    bool on = !n->nap && !n->off;

    if (n->radio == on)
        return;
    if (!on)
        n->radio_us += w->now - n->radio_at;
    n->radio_at = w->now;
    n->radio = on;
}

void sim_radio_switch(struct sim_world *w, struct sim_node *n, bool on)
{
    n->off = !on;
    radio_set(w, n);
}

void sim_radio_nap(struct sim_world *w, struct sim_node *n, bool nap)
{
    n->nap = nap;
    radio_set(w, n);
}

void sim_radio_count(struct sim_world *w)
{
    w->radio_from = w->now;
    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        w->nodes[i].radio_at = w->now;
        w->nodes[i].radio_us = 0;
    }
}

double sim_radio_share(const struct sim_world *w, mu_time until)
{
    double on = 0, all = 0;

    for (uint32_t i = w->first_device; i < w->nodes_len; i++) {
        const struct sim_node *n = &w->nodes[i];

        if (n->listens.period_s == 0)
            continue;
        on += (double)n->radio_us;
        if (n->radio && until > n->radio_at)
            on += (double)(until - n->radio_at);
        all += (double)(until - w->radio_from);
    }
    return all > 0 ? on / all : 0;
}

mu_time sim_radio_clock(const struct sim_node *n, mu_time at)
{
    int64_t t = (int64_t)(at - n->boot_at);

    return (mu_time)(t + t / MILLION * n->drift +
                     t % MILLION * n->drift / MILLION);
}

mu_time sim_radio_when(const struct sim_node *n, mu_time clock)
{
    mu_time at = n->boot_at + clock;

    if (n->drift == 0)
        return at;
    at = n->boot_at + clock / (mu_time)(MILLION + n->drift) * MILLION;
    while (sim_radio_clock(n, at) + 64 < clock)
        at += 64;
    while (sim_radio_clock(n, at) < clock)
        at++;
    return at;
}
