/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts after every single store, links that break, full disks, damaged
 * records: nothing is lost, and everything comes to the same end.
 */
#include "tests/node/common.h"

/* ---- restart after each store ------------------------------------------- */

/* The whole life of a world in which one node stops after its n-th store and
 * comes back two seconds later. Returns the stores of that node. */
static uint32_t life_with_stop(size_t node, uint32_t n, enum mu_group_mode mode)
{
    struct script_push p = {
        .size = SIZE, .version = 1, .shape = common_shape, .mode = mode};
    struct world w;
    struct world_node *victim;
    uint32_t stores;

    world_init(&w, 3, 100 + n);
    w.loss_permille = 50;
    victim = node == 0 ? &w.gateway : &w.devices[node - 1];
    victim->die_at = n;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(15), NULL);
    script_push(&w.script, &p);
    assert_all_run(&w, MU_SECONDS(120));
    assert_int_equal(w.script.conflicts, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(w.devices[i].device->running_version, 1);
        /* Installing twice is allowed only to one that was stopped. */
        assert_true(w.devices[i].installs == 1 || i + 1 == node);
    }
    stores = victim->stores;
    world_clear(&w);
    return stores;
}

static void stop_after_each(size_t node, enum mu_group_mode mode)
{
    uint32_t stores = life_with_stop(node, 0, mode);

    assert_true(stores > 5);
    for (uint32_t n = 1; n <= stores; n++)
        (void)life_with_stop(node, n, mode);
}

static void test_stop_device(void **state)
{
    (void)state;
    stop_after_each(2, MU_MODE_END_TO_END);
}

static void test_stop_gateway(void **state)
{
    (void)state;
    stop_after_each(0, MU_MODE_END_TO_END);
}

static void test_stop_gateway_option_1(void **state)
{
    (void)state;
    stop_after_each(0, MU_MODE_REPROTECT);
}

static void test_stop_device_option_1(void **state)
{
    (void)state;
    stop_after_each(1, MU_MODE_REPROTECT);
}

/* Stopped in the middle, a device goes on with the page it had reached. */
static void test_resume(void **state)
{
    struct world w;
    uint32_t page;

    (void)state;
    world_ready(&w, 2, 20);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    page = mu_cast_receiver_pages(&w.devices[0].device->receiver);
    world_run(&w, MU_MS(5), NULL); /* until that is stored */
    world_stop(&w, &w.devices[0]);
    memset(w.devices[0].slot.data + SIZE - 500, 0xee, 500);
    world_start(&w, &w.devices[0]);
    assert_int_equal(w.devices[0].device->campaign.phase, MU_DEVICE_RECEIVING);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    assert_true(mu_cast_receiver_pages(&w.devices[0].device->receiver) >= page);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* The hour on the wall is nobody's business: engines know only their own time,
 * so a device whose clock starts anew every time does as well. */
static bool gateway_sent(struct world *w)
{
    return w->gateway.gateway->sessions[0].tx_idle;
}

/* ---- links -------------------------------------------------------------- */

/* The server is away: the area goes on, and reports when it is back. */
static void test_server_away(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 21);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_sent));
    w.wide_cut = true;
    world_cut(&w, &w.gateway);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_false(world_all_run(&w));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(w.devices[i].device->running_version, 1);
    w.wide_cut = false;
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

/* The gateway restarts without its server: what it stored is enough. */
static void test_gateway_alone(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 22);
    world_stop(&w, &w.devices[2]);
    push(&w, 1);
    world_run(&w, MU_SECONDS(20), NULL);
    w.wide_cut = true;
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    world_start(&w, &w.devices[2]);
    world_run(&w, MU_SECONDS(200), NULL);
    assert_int_equal(w.devices[2].device->running_version, 1);
    w.wide_cut = false;
    assert_all_run(&w, MU_SECONDS(200));
    world_clear(&w);
}

/* Links of devices break all the time. */
static void test_links_break(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 23);
    push(&w, 1);
    for (size_t i = 0; i < 30; i++) {
        world_run(&w, MU_MS(70), NULL);
        world_cut(&w, &w.devices[i % 3]);
        if (i % 10 == 0)
            world_cut(&w, &w.gateway);
    }
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

/* Started in the wrong order, and the server last. */
static void test_order(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 2, 24);
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_SECONDS(100), NULL);
    world_start(&w, &w.gateway);
    world_run(&w, MU_SECONDS(100), NULL);
    world_start(&w, &w.devices[1]);
    world_start(&w, &w.server);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(300));
    world_clear(&w);
}

/* Reports that nobody answers are made again. */
static void test_reports_lost(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 25);
    w.script.mute_reports = true;
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_true(w.script.reports > 2);
    assert_true(w.script.reports < 10);
    assert_false(world_all_run(&w));
    w.script.mute_reports = false;
    assert_all_run(&w, MU_SECONDS(120));
    world_clear(&w);
}

/* ---- full disks --------------------------------------------------------- */

static void test_device_disk_full(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 30);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), any_page));
    w.devices[0].slot.full = true;
    w.devices[1].store_full = true;
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.devices[0].state, 0);
    /* Nothing was told that a power cut would have taken back. */
    assert_int_equal(w.script.devices[1].state, 0);
    assert_int_equal(w.devices[1].installs, 0);
    assert_int_equal(w.script.devices[2].state, 0x0f);
    w.devices[0].slot.full = false;
    w.devices[1].store_full = false;
    assert_all_run(&w, MU_SECONDS(200));
    assert_int_equal(w.devices[0].installs, 1);
    world_clear(&w);
}

/* From the first moment on: it cannot even keep its keys. */
static void test_device_never_any_room(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 2, 31);
    w.devices[0].store_full = true;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(30), NULL);
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.devices[0].state, 0);
    assert_int_equal(w.script.devices[1].state, 0x0f);
    w.devices[0].store_full = false;
    assert_all_run(&w, MU_SECONDS(300));
    world_clear(&w);
}

/* The gateway has a part of the object, not all of it. */
static bool gateway_has_some(struct world *w)
{
    const struct mu_gateway_session *s = &w->gateway.gateway->sessions[0];

    return s->receiving && mu_cast_receiver_pages(&s->rx) > 0;
}

static void test_gateway_disk_full(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 32);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_has_some));
    w.gateway.store_full = true;
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++)
        w.gateway.parts[i].full = true;
    world_run(&w, MU_SECONDS(30), NULL);
    assert_false(world_all_run(&w));
    w.gateway.store_full = false;
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++)
        w.gateway.parts[i].full = false;
    assert_all_run(&w, MU_SECONDS(200));
    world_clear(&w);
}

/* A gateway that cannot keep its first Kg gives none away. */
static void test_gateway_never_any_room(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 2, 33);
    w.gateway.store_full = true;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(60), NULL);
    for (size_t i = 0; i < 2; i++)
        assert_false(w.devices[i].device->welcome);
    w.gateway.store_full = false;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(300));
    world_clear(&w);
}

/* ---- what reads back wrong ---------------------------------------------- */

/* Overwrites a record with bytes that are no record. */
static void damage(struct world_node *n, uint8_t table, struct mu_bytes key)
{
    static const uint8_t junk[] = {0xff, 0x13, 0x37};

    assert_int_equal(
        n->store.put(n->store.ctx, table, key, MU_BYTES(junk)), 0);
    assert_int_equal(n->store.commit(n->store.ctx), 0);
}

static void test_records_damaged(void **state)
{
    static const char *const keys[] = {"keys", "object", "campaign", "page"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct world w;

        world_ready(&w, 2, 40 + i);
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), any_page));
        world_stop(&w, &w.devices[0]);
        damage(&w.devices[0], MU_TABLE_NODE, mu_bytes_str(keys[i]));
        world_start(&w, &w.devices[0]);
        assert_all_run(&w, MU_SECONDS(120));
        world_clear(&w);
    }
}

static void test_gateway_records_damaged(void **state)
{
    static const char *const keys[] = {"server", "kg", "area"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct world w;
        uint8_t index[2] = {0, 1};

        world_ready(&w, 2, 50 + i);
        push(&w, 1);
        assert_true(world_run(&w, MU_SECONDS(30), any_page));
        world_stop(&w, &w.gateway);
        if (i < 3)
            damage(&w.gateway, MU_TABLE_NODE, mu_bytes_str(keys[i]));
        else if (i == 3)
            damage(&w.gateway, MU_TABLE_AREA, MU_BYTES(index));
        else
            damage(&w.gateway, MU_TABLE_CAMPAIGN,
                   MU_BYTES(w.script.campaign.id));
        world_start(&w, &w.gateway);
        assert_all_run(&w, MU_SECONDS(200));
        /* No number of a Kg is given out twice. */
        assert_int_equal((uint32_t)w.gateway.gateway->kg[0].kid.generation,
                         i == 1 ? 2 : 1);
        world_clear(&w);
    }
}

/* Without any damage everything is as it was. */
static void test_gateway_restart(void **state)
{
    struct world w;
    struct mu_gateway_key before[2];

    (void)state;
    world_ready(&w, 3, 56);
    for (int i = 0; i < 2; i++) {
        mu_copy(before, w.gateway.gateway->kg, sizeof before);
        world_stop(&w, &w.gateway);
        world_start(&w, &w.gateway);
        assert_memory_equal(before, w.gateway.gateway->kg, sizeof before);
        assert_int_equal(w.gateway.gateway->devices_len, 3 - i);
        world_run(&w, MU_SECONDS(10), NULL);
        assert_memory_equal(before, w.gateway.gateway->kg, sizeof before);
        script_remove(&w.script, 2);
        world_run(&w, MU_SECONDS(10), NULL);
    }
    world_clear(&w);
}

/* ---- the slot and the hooks --------------------------------------------- */

static bool some_checking(struct world *w)
{
    return w->devices[0].device->campaign.phase == MU_DEVICE_RECEIVING &&
           w->devices[0].device->campaign.receiving &&
           mu_cast_receiver_pages(&w->devices[0].device->receiver) >= 4;
}

/* A flash that forgets a byte: found by the digest, cured by fetching again. */
static void test_digest_once(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 60);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), some_checking));
    w.devices[0].slot.data[100] ^= 1;
    assert_all_run(&w, MU_SECONDS(120));
    assert_int_equal(w.devices[0].device->campaign.tries, 1);
    assert_int_equal(w.devices[0].installs, 1);
    world_clear(&w);
}

static bool digest_failed(struct world *w)
{
    return w->script.devices[0].state != 0;
}

static bool second_try(struct world *w)
{
    return w->devices[0].device->campaign.tries == 1 && some_checking(w);
}

static void test_digest_twice(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 61);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), some_checking));
    w.devices[0].slot.data[100] ^= 1;
    assert_true(world_run(&w, MU_SECONDS(60), second_try));
    w.devices[0].slot.data[100] ^= 1;
    assert_true(world_run(&w, MU_SECONDS(60), digest_failed));
    assert_int_equal(w.script.devices[0].state & 0x8f, 0x81);
    assert_int_equal(w.script.devices[0].reason, -MU_ERR_DIGEST);
    assert_int_equal(w.devices[0].installs, 0);
    world_clear(&w);
}

static void test_hooks(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 3, 62);
    w.devices[0].install_result = 1;
    w.devices[1].confirm_result = 127;
    push(&w, 1);
    world_run(&w, MU_SECONDS(90), NULL);
    assert_int_equal(w.script.devices[0].state, 0x83);
    assert_int_equal(w.script.devices[0].reason, -MU_ERR_HOOK);
    assert_int_equal(w.script.devices[1].state, 0x87);
    assert_int_equal(w.script.devices[1].reason, -MU_ERR_HOOK);
    assert_int_equal(w.script.devices[2].state, 0x0f);
    assert_int_equal(w.devices[1].device->running_version, 0);
    world_clear(&w);
}

/* The new version needs a moment to come up. */
static bool verified(struct world *w)
{
    return w->script.devices[0].state == 0x07;
}

static void test_confirm_late(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 63);
    w.devices[0].confirm_result = 1;
    push(&w, 1);
    /* Installed, but not running: that much is told meanwhile. */
    assert_true(world_run(&w, MU_SECONDS(30), verified));
    w.devices[0].confirm_result = 0;
    assert_all_run(&w, MU_SECONDS(30));
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop_device),
        cmocka_unit_test(test_stop_gateway),
        cmocka_unit_test(test_stop_gateway_option_1),
        cmocka_unit_test(test_stop_device_option_1),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_gateway_alone),
        cmocka_unit_test(test_links_break),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_reports_lost),
        cmocka_unit_test(test_device_disk_full),
        cmocka_unit_test(test_device_never_any_room),
        cmocka_unit_test(test_gateway_disk_full),
        cmocka_unit_test(test_gateway_never_any_room),
        cmocka_unit_test(test_records_damaged),
        cmocka_unit_test(test_gateway_records_damaged),
        cmocka_unit_test(test_gateway_restart),
        cmocka_unit_test(test_digest_once),
        cmocka_unit_test(test_digest_twice),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_confirm_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
