/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floors of a delivery, computed and counted. A symbol counts for whoever it
 * reaches, whether the engine can use it or not: what it cannot use is no
 * fault of the losses.
 */
#include "floor.h"

#include <math.h>
#include <stdlib.h>

#include "muster/gateway_state.h"

/* ---- computed ----------------------------------------------------------- */

/* Chances of one receiver after so many packets: it has r < k of them, and its
 * radio is good or in a burst (network_lost in network.c). */
struct floor_chain {
    uint32_t k;
    double enter, leave; /* a burst, at each packet */
    double *good, *bad;
};

static void chain_init(struct floor_chain *c, uint32_t k, double loss,
                       double burst)
{
    c->k = k;
    c->leave = burst > 1 ? 1.0 / burst : 1.0 - loss;
    c->enter = burst > 1 ? fmin(1.0, loss * c->leave / (1.0 - loss)) : loss;
    c->good = calloc(2 * (size_t)k, sizeof *c->good);
    if (c->good == NULL)
        abort();
    c->bad = c->good + k;
    c->good[0] = 1.0 - loss;
    c->bad[0] = loss;
}

/* One packet; the chance that this receiver still has too few. */
static double chain_step(struct floor_chain *c)
{
    double few = 0;

    for (uint32_t r = c->k; r-- > 0;) {
        double good = c->good[r] * (1.0 - c->enter) + c->bad[r] * c->leave;

        c->bad[r] = c->bad[r] * (1.0 - c->leave) + c->good[r] * c->enter;
        c->good[r] = 0;
        if (r + 1 < c->k) {
            c->good[r + 1] = good;
            few += good;
        }
        few += c->bad[r];
    }
    return few;
}

/* That somebody of all has too few. */
static double chain_anybody(double few, uint32_t receivers)
{
    return few < 1 ? -expm1(receivers * log1p(-few)) : 1;
}

double sim_floor_expected(uint32_t k, uint32_t receivers, double loss,
                          double burst)
{
    struct floor_chain c;
    double sum = 0, anybody = 1;

    if (k == 0 || receivers == 0)
        return 0;
    chain_init(&c, k, loss, burst);
    while (anybody > 1e-9) {
        sum += anybody;
        anybody = chain_anybody(chain_step(&c), receivers);
    }
    free(c.good);
    return sum;
}

uint32_t sim_floor_packets(uint32_t k, uint32_t receivers, double loss,
                           double burst, double sure)
{
    struct floor_chain c;
    uint32_t packets = 0;

    if (k == 0 || receivers == 0)
        return 0;
    chain_init(&c, k, loss, burst);
    do
        packets++;
    while (chain_anybody(chain_step(&c), receivers) > 1.0 - sure);
    free(c.good);
    return packets;
}

/* ---- counted ------------------------------------------------------------ */

struct floor_count {
    uint64_t sent; /* so far */
    uint64_t last; /* of them, when the last one had enough */
};

struct sim_floor_page {
    struct sim_floor *floor;
    struct floor_count page, *block;
    uint32_t enough;     /* symbols */
    uint32_t *heard;     /* by each device of the area, of the page */
    uint32_t *heard_all; /* and of all pages */
};

struct sim_floor {
    uint32_t areas, pages;
    uint32_t devices;            /* of an area */
    uint32_t enough;             /* symbols of all pages */
    uint32_t *at;                /* page that each area was at last */
    struct floor_count *blocks;  /* of each area */
    struct sim_floor_page *page; /* of each area, one after the other */
    uint32_t *heard; /* each area by itself: of all pages, then of each */
};

static void *floor_alloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        abort();
    return p;
}

struct sim_floor *sim_floor_new(const struct mu_cast_shape *shape,
                                uint64_t size, uint32_t devices,
                                uint32_t areas)
{
    struct sim_floor *f = floor_alloc(1, sizeof *f);

    f->areas = areas;
    f->pages = mu_cast_pages(shape, size);
    f->devices = (devices + areas - 1) / areas;
    f->at = floor_alloc(f->areas, sizeof *f->at);
    f->blocks = floor_alloc(f->areas, sizeof *f->blocks);
    f->page = floor_alloc((size_t)f->areas * f->pages, sizeof *f->page);
    f->heard = floor_alloc((size_t)f->areas * (f->pages + 1) * f->devices,
                           sizeof *f->heard);
    for (uint32_t i = 0; i < f->pages; i++) {
        struct mu_cast_page page = {0};

        if (mu_cast_page_at(shape, size, i, &page) != 0)
            abort();
        f->enough += page.data;
        for (uint32_t area = 0; area < f->areas; area++) {
            uint32_t *heard = f->heard + (size_t)area * (f->pages + 1) *
                                             f->devices;

            f->page[(size_t)area * f->pages + i] = (struct sim_floor_page){
                .floor = f,
                .block = &f->blocks[area],
                .enough = page.data,
                .heard = heard + (size_t)(i + 1) * f->devices,
                .heard_all = heard,
            };
        }
    }
    return f;
}

void sim_floor_del(struct sim_floor *f)
{
    if (f == NULL)
        return;
    free(f->at);
    free(f->blocks);
    free(f->page);
    free(f->heard);
    free(f);
}

/* By the manifest of the session that the symbol is of. */
static struct sim_floor *floor_of(struct sim_world *w, uint32_t gateway,
                                  uint8_t session)
{
    const struct mu_gateway *g;

    if (w->floor != NULL)
        return w->floor;
    g = w->nodes[gateway].engine;
    for (size_t i = 0; g != NULL && i < MU_SESSIONS_MAX; i++) {
        const struct mu_manifest *m = &g->sessions[i].manifest;

        if (w->floor == NULL && g->sessions[i].phase == MU_GATEWAY_LIVE &&
            g->sessions[i].session == session)
            w->floor = sim_floor_new(&m->shape, m->size, w->conf.devices,
                                     w->conf.gateways);
    }
    return w->floor;
}

struct sim_floor_page *sim_floor_sent(struct sim_world *w, uint32_t gateway,
                                      const struct sim_buffer *b)
{
    struct sim_floor *f;
    struct sim_floor_page *page;
    uint32_t area = gateway - 1, at;

    if (!w->counting || b->forged || b->len < MU_CAST_DATA_HEADER ||
        !mu_cast_is_data(b->data[0]))
        return NULL;
    f = floor_of(w, gateway, b->data[1]);
    if (f == NULL)
        return NULL;
    at = mu_cast_page_near(f->at[area], mu_cast_data_page(b->data));
    if (at >= f->pages)
        return NULL;
    f->at[area] = at;
    page = &f->page[(size_t)area * f->pages + at];
    page->page.sent++;
    page->block->sent++;
    return page;
}

static void floor_note(struct floor_count *c, uint32_t *heard, uint32_t enough)
{
    if (++*heard == enough)
        c->last = c->sent;
}

void sim_floor_heard(struct sim_floor_page *page, const struct sim_node *n)
{
    struct sim_floor *f = page->floor;
    uint32_t at = n->number / f->areas; /* as fleet_nodes spreads them */

    floor_note(&page->page, &page->heard[at], page->enough);
    floor_note(page->block, &page->heard_all[at], f->enough);
}

uint64_t sim_floor_pages(const struct sim_floor *f)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < (size_t)f->areas * f->pages; i++)
        sum += f->page[i].page.last;
    return sum;
}

uint64_t sim_floor_block(const struct sim_floor *f)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < f->areas; i++)
        sum += f->blocks[i].last;
    return sum;
}
