/* SPDX-License-Identifier: Apache-2.0 */
/* Members that come while a campaign is open, or when it is over. */
#include "fleet.h"

#define ALL_STATES 0x0f
#define DEADLINE_S 600 /* of the usual push */

static void joins(struct fleet *f, const char *name)
{
    assert_int_equal(mu_server_group_add(&f->rig.server, rig_id("all"),
                                         rig_id(name)), 0);
    rig_drain(&f->rig);
}

static void comes(struct fleet *f, struct peer_device *p, const char *name,
                  unsigned link)
{
    const char *gateway = link == 1 ? "gw-1" : "gw-2";

    rig_device_add(&f->rig, name, gateway);
    joins(f, name);
    peer_device_init(&f->rig, p, name, gateway, link);
    assert_int_equal(peer_connect(&f->rig, p), MU_COAP_CHANGED);
}

/* A push that both gateways have fetched. */
static struct fleet *on_air(void)
{
    struct fleet *f = fleet_open(0);

    fleet_link(f);
    fleet_push(f);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
    return f;
}

static uint8_t says(struct fleet *f, const char *name, uint16_t index)
{
    return rig_report(&f->rig, 1, f->campaign, f->digest, ALL_STATES, 0, index,
                      &name, 1);
}

/* Behind a gateway where everybody else runs it by now. The other area is left
 * in peace. */
static void test_after_the_others(void **state)
{
    struct fleet *f = on_air();
    struct mu_wide_camp_row rows[8];
    struct peer_device late;
    struct mu_secret before = *fleet_key(f, 0);

    (void)state;
    comes(f, &late, "late", 1);
    assert_int_equal(fleet_view(f).members, 5);
    assert_int_equal(fleet_view(f).late, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    rig_run(&f->rig, MU_SECONDS(20));
    assert_int_equal(fleet_view(f).edition, 0); /* somebody is not through */
    assert_int_equal(peer_fetch(&f->rig, &late, 1, 0), MU_COAP_CHANGED);
    assert_null(peer_key(&late, 1));
    assert_int_equal(fleet_report(f, 3, ALL_STATES, 0), MU_COAP_CHANGED);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(fleet_view(f).edition, 1);
    assert_int_equal(fleet_view(f).late, 0);
    assert_int_equal(area_list(&f->gw[0], rows), 1);
    assert_int_equal(area_list(&f->gw[1], rows), 0);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), MU_COAP_NOT_FOUND);
    assert_int_equal(f->gw[0].campaign.members.data[0], 0x08);
    areas_run(&f->areas, MU_SECONDS(30));
    assert_true(area_done(&f->gw[0]));
    /* By the key that it gets now, and by none that was there before. */
    assert_int_equal(peer_fetch(&f->rig, &late, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&late, 1));
    assert_int_not_equal(area_open_object(&f->gw[0], &before, f->opened), 0);
    assert_int_equal(area_open_object(&f->gw[0], &peer_key(&late, 1)->key,
                                      f->opened), 0);
    assert_memory_equal(f->opened, f->plain, FLEET_SIZE);
    assert_int_equal(says(f, "late", 3), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
    assert_int_equal(fleet_view(f).running, 5);
    fleet_close(f);
}

/* Others may be away for ever: half of the time that was left is theirs. */
static void test_by_the_clock(void **state)
{
    struct fleet *f = on_air();
    struct mu_wide_camp_row rows[8];
    struct peer_device late;

    (void)state;
    comes(f, &late, "late", 2);
    assert_in_range(fleet_view(f).late_by_s, DEADLINE_S / 2,
                    DEADLINE_S / 2 + 20);
    rig_run(&f->rig, MU_SECONDS(DEADLINE_S / 2 - 20));
    assert_int_equal(fleet_view(f).edition, 0);
    rig_run(&f->rig, MU_SECONDS(30));
    assert_int_equal(fleet_view(f).edition, 1);
    for (unsigned g = 0; g < 2; g++)
        assert_int_equal(area_list(&f->gw[g], rows), 1);
    fleet_close(f);
}

/* Where the gateways open it: they are told anew, with the new member. */
static void test_other_modes(void **state)
{
    (void)state;
    for (uint8_t mode = MU_MODE_REPROTECT; mode <= MU_MODE_HAND_KEY; mode++) {
        struct fleet *f = fleet_open(mode);
        struct peer_device late;
        struct mu_secret before;

        fleet_link(f);
        fleet_push(f);
        for (unsigned g = 0; g < 2; g++)
            assert_int_equal(area_fetch(&f->gw[g], f->campaign), 0);
        before = f->gw[0].campaign.kb;
        comes(f, &late, "late", 1);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(fleet_report(f, i, ALL_STATES, 0),
                             MU_COAP_CHANGED);
        rig_run(&f->rig, MU_SECONDS(1));
        assert_int_equal(fleet_view(f).edition, 1);
        assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
        assert_int_equal(f->gw[0].campaign.members.data[0], 0x08);
        assert_false(mu_secret_eq(&before, &f->gw[0].campaign.kb));
        assert_int_equal(says(f, "late", 3), MU_COAP_CHANGED);
        assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
        fleet_close(f);
    }
}

/* A second one that comes after the turn of the first has one of its own. */
static void test_again(void **state)
{
    struct fleet *f = on_air();
    struct peer_device late, later;

    (void)state;
    comes(f, &late, "late", 1);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).edition, 1);
    comes(f, &later, "later", 2);
    rig_run(&f->rig, MU_SECONDS(10));
    assert_int_equal(fleet_view(f).edition, 1);
    assert_int_equal(says(f, "late", 3), MU_COAP_CHANGED);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).edition, 2);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), MU_COAP_NOT_FOUND);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    assert_int_equal(f->gw[1].campaign.members.data[0], 0x02);
    fleet_close(f);
}

/* Who comes before anything is signed is one of them. */
static void test_before_it_is_signed(void **state)
{
    struct fleet *f = fleet_open(0);
    struct mu_push push = rig_push("all", FLEET_SIZE);
    struct peer_device late;

    (void)state;
    fleet_link(f);
    rig_plain(&f->rig, f->campaign, f->plain, FLEET_SIZE);
    f->rig.hold = true;
    assert_int_equal(mu_server_push(&f->rig.server, f->campaign, &push), 0);
    rig_device_add(&f->rig, "late", "gw-1");
    f->rig.hold = false;
    joins(f, "late");
    rig_run(&f->rig, MU_SECONDS(1));
    peer_device_init(&f->rig, &late, "late", "gw-1", 1);
    assert_int_equal(peer_connect(&f->rig, &late), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).edition, 0);
    assert_int_equal(fleet_view(f).members, 5);
    assert_int_equal(area_fetch(&f->gw[0], f->campaign), 0);
    assert_int_equal(f->gw[0].campaign.members.data[0], 0x0f);
    assert_int_equal(peer_fetch(&f->rig, &late, 1, 0), MU_COAP_CHANGED);
    assert_non_null(peer_key(&late, 1));
    fleet_close(f);
}

/* All is ready but the key that it waits for: the area of the late one, which
 * had no part in it, has one. */
static void test_while_it_is_signed(void **state)
{
    struct fleet *f = on_air();
    struct mu_wide_camp_row rows[8];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    rig_device_add(&f->rig, "late", "gw-2");
    assert_int_equal(mu_server_group_remove(&f->rig.server, rig_id("all"),
                                            rig_id("b0")), 0);
    rig_drain(&f->rig);
    f->campaign[0] ^= 1;
    struct mu_push push = rig_push("all", FLEET_SIZE);

    push.version = 2;
    rig_plain(&f->rig, f->campaign, f->plain, FLEET_SIZE);
    assert_int_equal(mu_server_push(&f->rig.server, f->campaign, &push), 0);
    rig_drain(&f->rig);
    for (unsigned i = 0; i < 1000 && fleet_view(f).members == 0; i++) {
        struct mu_event tick = {.kind = MU_EV_TIMER, .now = ++f->rig.now};

        rig_event(&f->rig, &tick);
    }
    assert_int_equal(fleet_view(f).members, 3); /* counted, and not signed */
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_PREPARING);
    joins(f, "late");
    rig_run(&f->rig, MU_SECONDS(2));
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
    assert_int_equal(fleet_view(f).edition, 0);
    assert_int_equal(area_list(&f->gw[1], rows), 1);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    assert_int_equal(f->gw[1].campaign.members.data[0], 0x02);
    fleet_close(f);
}

/* It is gone before its turn: nobody waits for it. */
static void test_leaves(void **state)
{
    struct fleet *f = on_air();
    struct peer_device late;

    (void)state;
    comes(f, &late, "late", 1);
    assert_int_equal(mu_server_group_remove(&f->rig.server, rig_id("all"),
                                            rig_id("late")), 0);
    rig_drain(&f->rig);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
    assert_true(fleet_target_of(f, "late").revoked);
    fleet_close(f);
}

/* Out, and in again: it has what it has. */
static void test_comes_back(void **state)
{
    struct fleet *f = on_air();

    (void)state;
    assert_int_equal(fleet_report(f, 1, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(mu_server_group_remove(&f->rig.server, rig_id("all"),
                                            rig_id("a1")), 0);
    rig_drain(&f->rig);
    assert_int_equal(fleet_view(f).revoked, 1);
    joins(f, "a1");
    assert_int_equal(fleet_view(f).revoked, 0);
    assert_int_equal(fleet_view(f).members, 4);
    assert_int_equal(fleet_view(f).running, 1);
    assert_false(fleet_target_of(f, "a1").revoked);
    fleet_close(f);
}

/* Its turn is in the record. */
static void test_restart(void **state)
{
    struct fleet *f = on_air();
    struct peer_device late;

    (void)state;
    comes(f, &late, "late", 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(rig_restart(&f->rig), 0);
    rig_run(&f->rig, MU_SECONDS(5));
    assert_int_equal(fleet_view(f).members, 5);
    assert_int_equal(fleet_view(f).edition, 0);
    assert_int_equal(fleet_report(f, 3, ALL_STATES, 0), MU_COAP_CHANGED);
    rig_run(&f->rig, MU_SECONDS(1));
    assert_int_equal(fleet_view(f).edition, 1);
    fleet_close(f);
}

/* One that cannot hold it is told of at once, and has no turn of any use. */
static void test_too_small(void **state)
{
    struct fleet *f = on_air();
    struct peer_device late;

    (void)state;
    rig_device_add(&f->rig, "late", "gw-1");
    peer_device_init(&f->rig, &late, "late", "gw-1", 1);
    late.capability.object_max = FLEET_SIZE - 1;
    assert_int_equal(peer_connect(&f->rig, &late), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(&f->rig, &late, 1, 0), MU_COAP_CHANGED);
    joins(f, "late");
    assert_int_equal(fleet_target_of(f, "late").state, MU_STATE_FAILED);
    assert_int_equal(fleet_target_of(f, "late").reason, -MU_ERR_TOO_LARGE);
    fleet_close(f);
}

/* After the end: no target, and the operator is told who does not have it. */
static void test_when_it_is_over(void **state)
{
    struct fleet *f = on_air();
    struct peer_device late;

    (void)state;
    assert_false(fleet_target_of(f, "a0").never);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fleet_report(f, i, ALL_STATES, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
    rig_device_add(&f->rig, "late", "gw-1");
    joins(f, "late");
    assert_true(fleet_target_of(f, "late").later);
    assert_true(fleet_target_of(f, "late").never);
    peer_device_init(&f->rig, &late, "late", "gw-1", 1);
    assert_int_equal(peer_connect(&f->rig, &late), MU_COAP_CHANGED);
    assert_int_equal(peer_fetch(&f->rig, &late, 1, 0), MU_COAP_CHANGED);
    assert_true(fleet_target_of(f, "late").later);
    assert_false(fleet_target_of(f, "late").never);
    assert_int_equal(fleet_target_of(f, "late").state, 0);
    assert_false(fleet_target_of(f, "a0").later);
    assert_int_equal(fleet_view(f).members, 4);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_DONE);
    fleet_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_the_others),
        cmocka_unit_test(test_by_the_clock),
        cmocka_unit_test(test_other_modes),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_before_it_is_signed),
        cmocka_unit_test(test_while_it_is_signed),
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_when_it_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
