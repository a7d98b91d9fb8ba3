/* SPDX-License-Identifier: Apache-2.0 */
/* Where the nodes of a multihop world stand, and whom each reaches. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grid_world.h"

#define PI 3.14159265358979323846
#define FIELD_TRIES 200 /* for a field in which everybody is reached */
#define NODES_MAX 40000

static const char *const shape_names[SIM_GRID_SHAPES] = {
    "grid", "random", "line", "tree", "full",
};

uint32_t sim_grid_nodes(const struct sim_grid_conf *conf)
{
    return conf->shape == SIM_GRID_SQUARE ? conf->width * conf->height
                                          : conf->nodes;
}

/* The grid of so many nodes that is nearest to a square. */
static void shape_square(struct sim_grid_conf *conf, uint32_t nodes)
{
    conf->width = 1;
    for (uint32_t i = 1; i * i <= nodes; i++) {
        if (nodes % i == 0)
            conf->width = i;
    }
    conf->height = nodes / conf->width;
}

bool sim_grid_topology(struct sim_grid_conf *conf, const char *text)
{
    unsigned a, b;
    char end;

    if (sscanf(text, "grid:%ux%u%c", &a, &b, &end) == 2) {
        if (a == 0 || b == 0 || a > 200 || b > 200)
            return false;
        conf->shape = SIM_GRID_SQUARE;
        conf->width = a;
        conf->height = b;
        return true;
    }
    for (int i = 0; i < SIM_GRID_SHAPES; i++) {
        size_t len = strlen(shape_names[i]);
        uint32_t nodes = sim_grid_nodes(conf);

        if (strncmp(text, shape_names[i], len) != 0)
            continue;
        if (text[len] == ':' && sscanf(text + len, ":%u%c", &a, &end) == 1)
            nodes = a;
        else if (text[len] != '\0')
            return false;
        if (nodes < 2 || nodes > NODES_MAX)
            return false;
        conf->shape = (enum sim_grid_shape)i;
        conf->nodes = nodes;
        if (i == SIM_GRID_SQUARE)
            shape_square(conf, nodes);
        return true;
    }
    return false;
}

void sim_grid_topology_text(const struct sim_grid_conf *conf, char to[32])
{
    if (conf->shape == SIM_GRID_SQUARE)
        snprintf(to, 32, "grid:%ux%u", conf->width, conf->height);
    else
        snprintf(to, 32, "%s:%u", shape_names[conf->shape], conf->nodes);
}

/* Beside which honest node an attacker stands: never the source. */
static uint32_t place_beside(const struct grid_world *w, uint32_t attacker)
{
    return (uint32_t)((uint64_t)(attacker - w->honest + 1) * w->honest /
                      (w->conf.attackers + 1));
}

static void place_all(struct grid_world *w)
{
    const struct sim_grid_conf *c = &w->conf;
    double side = sqrt(w->honest * PI * c->range * c->range / c->degree);

    for (uint32_t i = 0; i < w->len; i++) {
        struct grid_node *n = &w->nodes[i];

        if (i >= w->honest) {
            n->x = w->nodes[place_beside(w, i)].x + 0.1;
            n->y = w->nodes[place_beside(w, i)].y + 0.1;
        } else if (c->shape == SIM_GRID_RANDOM) {
            n->x = side * (double)sim_rng_below(&w->rng, 1 << 20) / (1 << 20);
            n->y = side * (double)sim_rng_below(&w->rng, 1 << 20) / (1 << 20);
        } else if (c->shape == SIM_GRID_LINE) {
            n->x = i;
            n->y = 0;
        } else {
            n->x = i % c->width;
            n->y = (double)(i / c->width);
        }
    }
}

static bool place_parent(const struct grid_world *w, uint32_t child,
                         uint32_t parent)
{
    return child > 0 && (child - 1) / w->conf.fanout == parent;
}

/* An attacker has the links of the node it stands beside, and one to it. */
static bool place_reach(const struct grid_world *w, uint32_t a, uint32_t b)
{
    const struct grid_node *from = &w->nodes[a], *to = &w->nodes[b];
    double dx = from->x - to->x, dy = from->y - to->y;

    if (w->conf.shape == SIM_GRID_FULL)
        return true;
    if (w->conf.shape != SIM_GRID_TREE)
        return dx * dx + dy * dy <= w->conf.range * w->conf.range;
    a = a < w->honest ? a : place_beside(w, a);
    b = b < w->honest ? b : place_beside(w, b);
    return a == b || place_parent(w, a, b) || place_parent(w, b, a);
}

static void place_links(struct grid_world *w)
{
    for (uint32_t i = 0; i < w->len; i++) {
        struct grid_node *n = &w->nodes[i];

        n->near_len = 0;
        n->near = realloc(n->near, w->len * sizeof(*n->near));
        grid_must(n->near != NULL, "memory");
        for (uint32_t j = 0; j < w->len; j++) {
            if (j != i && place_reach(w, i, j))
                n->near[n->near_len++] = j;
        }
    }
}

/* Hops from the source to the farthest honest node; 0: some are cut off. */
static uint32_t place_hops(const struct grid_world *w)
{
    uint32_t *queue = malloc(w->len * sizeof(*queue));
    uint32_t *hops = calloc(w->len, sizeof(*hops));
    uint32_t head = 0, tail = 0, far = 0;

    grid_must(queue != NULL && hops != NULL, "memory");
    queue[tail++] = 0;
    hops[0] = 1;
    while (head < tail) {
        const struct grid_node *n = &w->nodes[queue[head++]];

        far = hops[n->number] - 1;
        for (uint32_t i = 0; i < n->near_len; i++) {
            if (n->near[i] >= w->honest || hops[n->near[i]] != 0)
                continue;
            hops[n->near[i]] = hops[n->number] + 1;
            queue[tail++] = n->near[i];
        }
    }
    free(queue);
    free(hops);
    return tail == w->honest ? far : 0;
}

int grid_place(struct grid_world *w)
{
    if (w->conf.shape == SIM_GRID_TREE && w->conf.fanout == 0)
        return MU_ERR_USAGE;
    for (int i = 0; i < FIELD_TRIES; i++) {
        place_all(w);
        place_links(w);
        w->out->hops = place_hops(w);
        if (w->out->hops > 0)
            return 0;
    }
    return MU_ERR_USAGE;
}
