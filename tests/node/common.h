/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder begin with. */
#ifndef TESTS_NODE_COMMON_H
#define TESTS_NODE_COMMON_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/node/world.h"

#define SIZE 20000u /* bytes of the usual object: 5 pages */

static const struct mu_cast_shape common_shape = {256, 20, 6, 8};

static inline void push(struct world *w, uint64_t version)
{
    struct script_push p = {
        .size = SIZE, .version = version, .shape = common_shape};

    script_push(&w->script, &p);
}

static inline bool all_fetched(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].up && w->script.devices[i].member &&
            w->script.devices[i].fetches == 0)
            return false;
    }
    return w->gateway.gateway != NULL && w->gateway.gateway->area_known;
}

/* Everybody is linked and holds keys. */
static inline void world_ready_in(struct world *w, size_t devices,
                                  uint64_t seed, enum mu_group_mode mode)
{
    world_init(w, devices, seed);
    w->script.mode = mode;
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), all_fetched));
    world_run(w, MU_SECONDS(3), NULL);
}

static inline void world_ready(struct world *w, size_t devices, uint64_t seed)
{
    world_ready_in(w, devices, seed, MU_MODE_END_TO_END);
}

/* The campaign of the script runs everywhere, and is what was pushed. */
static inline void assert_all_run(struct world *w, mu_time span)
{
    assert_true(world_run(w, span, world_all_run));
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member)
            assert_true(world_device_has(w, i));
    }
}

static inline bool any_page(struct world *w)
{
    const struct mu_device *d = w->devices[0].device;

    return d != NULL && d->campaign.receiving &&
           mu_cast_receiver_pages(&d->receiver) >= 2;
}

#endif
