/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Campaigns from the server to the running version: clean, over loss, in the
 * three modes of CAST-8, with commands on the way.
 */
#include <stdio.h>

#include "tests/node/common.h"

/* ---- golden trace ------------------------------------------------------- */

/* Compares with tests/node/traces/NAME, or writes it when MUSTER_UPDATE is set
 * (the difference is then reviewed). */
static void assert_trace(const struct world *w, const char *name)
{
    char path[128], *golden;
    long len;
    FILE *f;

    snprintf(path, sizeof path, "tests/node/traces/%s", name);
    if (getenv("MUSTER_UPDATE") != NULL) {
        f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(w->trace, 1, w->trace_len, f), w->trace_len);
        fclose(f);
    }
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    len = ftell(f);
    rewind(f);
    golden = calloc(1, (size_t)len + 1);
    assert_non_null(golden);
    assert_int_equal(fread(golden, 1, (size_t)len, f), len);
    fclose(f);
    assert_string_equal(w->trace, golden);
    free(golden);
}

static void test_clean(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 3, 1);
    w.tracing = true;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 5);
    assert_all_run(&w, MU_SECONDS(30));
    script_end(&w.script);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.conflicts, 0);
    assert_int_equal(w.script.reports, 1); /* three acks in one XOR */
    assert_true(w.script.tallies > 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.devices[i].installs, 1);
        assert_int_equal(w.script.devices[i].connects, 1);
        assert_int_equal(w.devices[i].device->running_version, 5);
    }
    assert_int_equal(w.gateway.gateway->sessions[0].phase, MU_GATEWAY_FREE);
    assert_trace(&w, "clean.txt");
    world_clear(&w);
}

/* Nobody has anything to do: nothing is sent, nothing is asked. */
static void test_quiet(void **state)
{
    struct world w;
    uint64_t packets, steps;

    (void)state;
    world_ready(&w, 3, 2);
    push(&w, 5);
    assert_all_run(&w, MU_SECONDS(30));
    world_run(&w, MU_SECONDS(30), NULL);
    packets = w.area_packets;
    steps = w.steps;
    world_run(&w, MU_SECONDS(3600), NULL);
    assert_int_equal(w.area_packets, packets);
    assert_true(w.steps < steps + 20);
    world_clear(&w);
}

static void test_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world w;

        world_init(&w, 6, seed);
        w.loss_permille = 150;
        w.double_permille = 50;
        w.swap_permille = 100;
        world_start_all(&w);
        assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
        push(&w, seed);
        assert_all_run(&w, MU_SECONDS(120));
        assert_int_equal(w.script.conflicts, 0);
        world_clear(&w);
    }
}

/* A file of one byte, of exactly one page, and of an odd length. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {1, 2, 250, 251, 3012, 3013, 33333};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct script_push p = {
            .size = sizes[i], .version = 1, .shape = common_shape};
        struct world w;

        world_ready(&w, 2, i);
        script_push(&w.script, &p);
        assert_all_run(&w, MU_SECONDS(30));
        world_clear(&w);
    }
}

static void test_one_after_the_other(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 3);
    for (uint64_t version = 1; version <= 6; version++) {
        for (size_t i = 0; i < 3; i++)
            w.script.devices[i].state = 0;
        push(&w, version);
        assert_all_run(&w, MU_SECONDS(30));
        assert_int_equal(w.devices[0].device->running_version, version);
    }
    world_clear(&w);
}

/* ---- CAST-8, options 1 and 2 -------------------------------------------- */

static void test_mode(enum mu_group_mode mode)
{
    struct script_push p = {
        .size = SIZE, .version = 1, .shape = common_shape, .mode = mode};
    struct world w;

    world_init(&w, 4, 4);
    w.script.mode = mode;
    w.loss_permille = 100;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    script_push(&w.script, &p);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.script.conflicts, 0);
    world_clear(&w);
}

static void test_option_1(void **state)
{
    (void)state;
    test_mode(MU_MODE_REPROTECT);
}

static void test_option_2(void **state)
{
    (void)state;
    test_mode(MU_MODE_HAND_KEY);
}

/* Option 2: the key comes from the gateway, without a word to the server. */
static void test_option_2_hands(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_HAND_KEY};
    struct world w;
    uint32_t fetches;

    (void)state;
    world_ready_in(&w, 2, 5, MU_MODE_HAND_KEY);
    script_rotate(&w.script, false);
    fetches = w.script.devices[0].fetches;
    script_push(&w.script, &p);
    assert_all_run(&w, MU_SECONDS(30));
    assert_int_equal(w.script.devices[0].fetches, fetches);
    world_clear(&w);
}

/* Kb by pointer: the announce names a key that nobody holds yet. */
static void test_pointer(void **state)
{
    struct world w;
    uint32_t fetches;

    (void)state;
    world_ready(&w, 3, 6);
    script_rotate(&w.script, false);
    fetches = w.script.devices[0].fetches;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_true(w.script.devices[0].fetches > fetches);
    world_clear(&w);
}

/* Kb ahead of time: a poke makes devices fetch before the campaign. */
static void test_poke(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 7);
    script_rotate(&w.script, false);
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(5), NULL);
    for (size_t i = 0; i < 3; i++)
        assert_non_null(mu_keyring_find(&w.devices[i].device->keys,
                                        &w.script.kb_kid));
    world_clear(&w);
}

/* A relay manifest is made with Kg: a new Kg needs a new one, and what has been
 * received stays. */
static void test_option_1_rotation(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;
    uint32_t pages;

    (void)state;
    world_ready(&w, 4, 8);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    pages = mu_cast_receiver_pages(&w.devices[0].device->receiver);
    script_remove(&w.script, 3);
    world_run(&w, MU_MS(100), NULL);
    assert_true(mu_cast_receiver_pages(&w.devices[0].device->receiver) >=
                pages);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- commands ----------------------------------------------------------- */

static void test_pause(void **state)
{
    struct world w;
    uint64_t packets;

    (void)state;
    world_ready(&w, 3, 9);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_PAUSE);
    world_run(&w, MU_MS(200), NULL);
    packets = w.gateway.gateway->sessions[0].tx.counts.data;
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.gateway.gateway->sessions[0].tx.counts.data, packets);
    assert_false(world_all_run(&w));
    script_command(&w.script, MU_WIDE_RUN);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

static bool all_idle(struct world *w)
{
    for (size_t i = 0; i < w->devices_len; i++) {
        if (w->devices[i].device->campaign.phase != MU_DEVICE_IDLE)
            return false;
    }
    return true;
}

static void test_cancel(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 4, 10);
    w.loss_permille = 200;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_command(&w.script, MU_WIDE_CANCEL);
    assert_true(world_run(&w, MU_SECONDS(120), all_idle));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(w.devices[i].installs, 0);
    /* And the next one is free to go. */
    push(&w, 2);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* A new edition in the middle: a leaver is shut out of what is left. */
static void test_edition(void **state)
{
    struct script_push again = {.edition = 1};
    struct world w;

    (void)state;
    world_ready(&w, 3, 11);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    script_rotate(&w.script, false);
    script_remove(&w.script, 2);
    script_push(&w.script, &again);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.devices[2].installs, 0);
    assert_int_equal(w.script.devices[2].state, 0);
    world_clear(&w);
}

/* A device that was away while everything was sent. */
static void test_late(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 12);
    world_stop(&w, &w.devices[1]);
    push(&w, 1);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.script.devices[0].state, 0x0f);
    assert_int_equal(w.script.devices[1].state, 0);
    world_start(&w, &w.devices[1]);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_option_1),
        cmocka_unit_test(test_option_2),
        cmocka_unit_test(test_option_2_hands),
        cmocka_unit_test(test_pointer),
        cmocka_unit_test(test_poke),
        cmocka_unit_test(test_option_1_rotation),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_edition),
        cmocka_unit_test(test_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
