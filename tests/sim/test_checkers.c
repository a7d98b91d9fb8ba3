/* SPDX-License-Identifier: Apache-2.0 */
/* A checker that cannot fail checks nothing: one planted fault for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "muster/device_state.h"
#include "muster/gateway_state.h"
#include "sim/checker.h"
#include "sim/fleet.h"

static struct sim_world world;

static int open_world(void **state)
{
    struct sim_conf c;
    (void)state;
    sim_conf_default(&c);
    sim_conf_settle(&c);
    c.devices = 4;
    c.gateways = 2;
    sim_world_init(&world, &c);
    sim_fleet_provision(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    sim_world_clear(&world);
    return 0;
}

static void test_nonce_twice(void **state)
{
    (void)state;
    struct mu_secret key = {.bytes = {1, 2, 3}, .len = 16};
    uint8_t nonce[13] = {9}, out[32];
    size_t len;
    struct mu_aead a = {.alg = MU_ALG_AES_CCM_16_64_128,
                        .key = &key,
                        .nonce = MU_BYTES(nonce)};
    uint64_t before = sim_checker_nonces_reused(&world);
    const struct mu_crypto *c = &world.crypto;
    assert_int_equal(c->seal(c->ctx, &a, mu_bytes_str("x"), out, &len), 0);
    assert_true(sim_checker_nonces_reused(&world) == before);
    nonce[0]++;
    assert_int_equal(c->seal(c->ctx, &a, mu_bytes_str("x"), out, &len), 0);
    assert_true(sim_checker_nonces_reused(&world) == before);
    nonce[0]--;
    assert_int_equal(c->seal(c->ctx, &a, mu_bytes_str("y"), out, &len), 0);
    assert_true(sim_checker_nonces_reused(&world) == before + 1);
}

static void test_gateway_holds_a_root_key(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < world.nodes_len; i++)
        sim_node_boot(&world, &world.nodes[i]);
    for (uint32_t i = world.first_device; i < world.nodes_len; i++)
        world.nodes[world.nodes[i].above].below[1] = i;
    assert_int_equal(sim_checker_gateway_leaks(&world), 0);
    struct sim_node *g = &world.nodes[1];
    struct sim_node *d = &world.nodes[g->below[1]];
    assert_true(g->work_len > 900000);
    /* At both ends, and where one end of a key lies among zeros: in a part that
     * was never written, and need not be searched. */
    const size_t at[] = {0, 4096 * 200 - 31, 4096 * 200 - 1, 4096 * 200 - 16,
                         g->work_len - 40, g->work_len - 32};
    d->kmr.bytes[0] = d->kmr.bytes[31] = 0;
    for (size_t i = 4096 * 199; i < 4096 * 201; i++)
        assert_int_equal(((uint8_t *)g->work)[i], 0);
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint8_t *here = (uint8_t *)g->work + at[i], old[32];

        memcpy(old, here, 32);
        memcpy(here, d->kmr.bytes, 32);
        assert_int_equal(sim_checker_gateway_leaks(&world), 1);
        memcpy(here, old, 32);
    }
    assert_int_equal(sim_checker_gateway_leaks(&world), 0);
}

static void test_forged_and_twice(void **state)
{
    (void)state;
    struct sim_node *d = &world.nodes[world.first_device];
    assert_true(sim_checker_forged(&world) == 0);
    d->forged_taken = 1;
    assert_true(sim_checker_forged(&world) == 1);
    d->slot.differs = true;
    assert_true(sim_checker_forged(&world) == 2);
    assert_int_equal(sim_checker_twice(&world), 0);
    d->installs = 2;
    assert_int_equal(sim_checker_twice(&world), 1);
}

/* A leaver who gets hold of a later key, and a member who never does. */
static void test_keys_after_leaving(void **state)
{
    static struct sim_rekey_story s;
    struct sim_node *d = &world.nodes[world.first_device];
    struct mu_device *engine = d->engine;
    struct mu_secret key = {.bytes = {7}, .len = 32};
    struct mu_kid kid = {MU_KEY_KB, 1, 0};
    (void)state;
    assert_non_null(engine); /* booted by a test before */
    d->revoked = true;
    d->left_generation = kid.generation = (uint64_t)1 << 32 | 100;
    assert_int_equal(mu_keyring_put(&engine->keys, &kid, &key,
                                    MU_PHASE_ACTIVE), 0);
    sim_rekey_result(&world, &s);
    assert_int_equal(s.result.late_keys, 0); /* it had that one */
    assert_int_equal(s.result.lacking, 3);   /* nobody has any */
    assert_int_equal(s.result.holding, 0);
    kid.generation++;
    assert_int_equal(mu_keyring_put(&engine->keys, &kid, &key,
                                    MU_PHASE_ACTIVE), 0);
    s = (struct sim_rekey_story){.generation = 0};
    sim_rekey_result(&world, &s);
    assert_int_equal(s.result.late_keys, 1);
    mu_keyring_drop(&engine->keys, MU_KEY_KB, 1);
    d->revoked = false;
}

static void test_result_rules(void **state)
{
    (void)state;
    struct sim_result good = {.devices = 2, .running = 2};
    assert_true(sim_result_good(&good));
    struct sim_result r = good;
    r.running = 1;
    assert_false(sim_result_good(&r));
    assert_true(sim_result_lawful(&r));
    r = good;
    r.revoked_opened = 1;
    assert_false(sim_result_lawful(&r));
    r = good;
    r.forged_accepted = 1;
    assert_false(sim_result_lawful(&r));
    r = good;
    r.nonces_reused = 1;
    assert_false(sim_result_lawful(&r));
    r = good;
    r.gateway_leaks = 1;
    assert_false(sim_result_lawful(&r));
    r = good;
    r.rekey.late_keys = 1;
    assert_false(sim_result_lawful(&r));
    r = good;
    r.rekey.lacking = 1;
    assert_true(sim_result_lawful(&r));
    assert_false(sim_result_good(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonce_twice),
        cmocka_unit_test(test_gateway_holds_a_root_key),
        cmocka_unit_test(test_forged_and_twice),
        cmocka_unit_test(test_keys_after_leaving),
        cmocka_unit_test(test_result_rules),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
