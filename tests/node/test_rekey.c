/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rekey parts through gateway and devices, with a server by script: who has the
 * key in the end, by which way, and what it cost.
 */
#include "tests/node/common.h"
#include "tests/node/script_rekey.h"

#define MEMBERS 60u /* of the group, most of them nowhere */

static const enum mu_scheme_kind kinds[] = {
    MU_SCHEME_CLUSTER, MU_SCHEME_LADDER, MU_SCHEME_LKH,
    MU_SCHEME_CS,      MU_SCHEME_SD,
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static bool device_holds(const struct world *w, size_t i)
{
    const struct mu_device *d = w->devices[i].device;
    const struct mu_secret *kb =
        d != NULL ? mu_keyring_find(&d->keys, &w->script.kb_kid) : NULL;

    return kb != NULL && mu_secret_eq(kb, &w->script.kb);
}

static bool all_hold(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member && !device_holds(w, i))
            return false;
    }
    return true;
}

static bool all_told(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->script.devices[i].member && w->script.rekey->told[i] != 0x0f)
            return false;
    }
    return true;
}

static bool all_have_states(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].device != NULL &&
            w->devices[i].device->members[0].len == 0)
            return false;
    }
    return true;
}

static uint32_t all_fetches(const struct world *w)
{
    uint32_t n = 0;

    for (size_t i = 0; i < w->devices_len; i++)
        n += w->script.devices[i].fetches;
    return n;
}

/* Devices of a group with a scheme, all with their states. */
static void rekey_ready(struct world *w, size_t devices, uint64_t seed,
                        enum mu_scheme_kind kind)
{
    world_init(w, devices, seed);
    w->member_mem = 2048;
    script_scheme(&w->script, kind, MEMBERS);
    world_start_all(w);
    assert_true(world_run(w, MU_SECONDS(30), all_have_states));
    world_run(w, MU_SECONDS(5), NULL);
}

static void rekey_without(struct world *w, uint32_t slot)
{
    script_rekey(&w->script, &slot, 1);
}

/* ---- the way it should go ------------------------------------------------ */

static void test_leave(void **state)
{
    struct world w;
    uint32_t fetches;

    (void)state;
    rekey_ready(&w, 4, 1, MU_SCHEME_SD);
    fetches = all_fetches(&w);
    rekey_without(&w, 2);
    assert_true(world_run(&w, MU_SECONDS(20), all_told));
    assert_true(all_hold(&w));
    assert_false(device_holds(&w, 2));
    /* Nobody was told apart; the leaver asked what became of it. */
    world_run(&w, MU_SECONDS(1), NULL);
    assert_true(all_fetches(&w) - w.script.devices[2].fetches <= fetches);
    /* What is pushed next is under the new key. */
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.devices[2].installs, 0);
    world_clear(&w);
}

static void test_each_scheme(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct world w;

        rekey_ready(&w, 5, 10 + k, kinds[k]);
        for (uint32_t round = 0; round < 3; round++) {
            rekey_without(&w, round == 1 ? 3 : 20 + round);
            if (kinds[k] == MU_SCHEME_CLUSTER || kinds[k] == MU_SCHEME_LADDER)
                script_poke(&w.script); /* whom it tells one by one */
            assert_true(world_run(&w, MU_SECONDS(60), all_hold));
            world_run(&w, MU_SECONDS(40), NULL);
            assert_false(device_holds(&w, 3) && round > 0);
            script_rekey_end(&w.script);
            world_run(&w, MU_SECONDS(2), NULL);
        }
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leave),
        cmocka_unit_test(test_each_scheme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
