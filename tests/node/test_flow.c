/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns from the server to the running version, all engines together. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tests/node/world.h"

static const struct mu_cast_shape shape = {256, 20, 6, 8};

static void push(struct world *w, uint64_t version)
{
    struct script_push p = {.size = 20000, .version = version, .shape = shape};

    script_push(&w->script, &p);
}

static bool ready(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].fetches == 0)
            return false;
    }
    return w->gateway.gateway->area_known;
}

static void world_ready(struct world *w, size_t devices, uint64_t seed)
{
    world_init(w, devices, seed);
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), ready));
}

static void test_clean(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 1);
    push(&w, 5);
    assert_true(world_run(&w, MU_SECONDS(60), world_all_run));
    for (size_t i = 0; i < 3; i++)
        assert_true(world_device_has(&w, i));
    assert_int_equal(w.script.conflicts, 0);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
