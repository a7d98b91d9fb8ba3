/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const fleet_names[4] = {"a0", "a1", "a2", "b0"};

static uint32_t fleet_link_of(unsigned device)
{
    return device < 3 ? 1 : 2;
}

struct fleet *fleet_open(uint8_t mode)
{
    struct fleet *f = calloc(1, sizeof *f);
    struct rig *r = &f->rig;
    struct mu_bytes all;
    uint32_t number;
    assert_non_null(f);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    rig_gateway_add(r, "gw-2");
    assert_int_equal(mu_server_group_create(&r->server, rig_id("all"), mode,
                                            &number), 0);
    rig_drain(r);
    for (unsigned i = 0; i < 4; i++) {
        const char *gateway = fleet_link_of(i) == 1 ? "gw-1" : "gw-2";
        rig_device_add(r, fleet_names[i], gateway);
        assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                             rig_id(fleet_names[i])), 0);
        rig_drain(r);
        peer_device_init(r, &f->devices[i], fleet_names[i], gateway,
                         fleet_link_of(i));
    }
    area_open(&f->areas, &f->gw[0], r, 1, "gw-1");
    area_open(&f->areas, &f->gw[1], r, 2, "gw-2");
    rig_run(r, MU_SECONDS(1));
    memcpy(f->campaign, "campaign", MU_CAMPAIGN_ID);
    for (unsigned i = 0; i < FLEET_SIZE; i++)
        f->plain[i] = (uint8_t)(i * 7 + i / 251);
    all = MU_BYTES(f->plain);
    mu_sha256(&r->crypto, &all, 1, f->digest);
    return f;
}

void fleet_close(struct fleet *f)
{
    area_close(&f->gw[0]);
    area_close(&f->gw[1]);
    rig_close(&f->rig);
    free(f);
}

void fleet_link(struct fleet *f)
{
    area_link(&f->gw[0]);
    area_link(&f->gw[1]);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(peer_connect(&f->rig, &f->devices[i]),
                         MU_COAP_CHANGED);
    for (unsigned i = 0; i < 4; i++)
        (void)fleet_key(f, i);
    rig_settle(&f->rig);
}

const struct mu_secret *fleet_key(struct fleet *f, unsigned device)
{
    struct peer_device *d = &f->devices[device];
    assert_int_equal(peer_fetch(&f->rig, d, 1, 0), MU_COAP_CHANGED);
    return peer_key(d, 1) != NULL ? &peer_key(d, 1)->key : NULL;
}

void fleet_push_as(struct fleet *f, const struct mu_push *push)
{
    rig_plain(&f->rig, f->campaign, f->plain, FLEET_SIZE);
    assert_int_equal(mu_server_push(&f->rig.server, f->campaign, push), 0);
    rig_drain(&f->rig);
    rig_run(&f->rig, MU_MS(200));
}

void fleet_push(struct fleet *f)
{
    struct mu_push push = rig_push("all", FLEET_SIZE);
    fleet_push_as(f, &push);
    assert_int_equal(fleet_view(f).phase, MU_CAMPAIGN_RUNNING);
}

struct mu_campaign_view fleet_view(struct fleet *f)
{
    struct mu_campaign_view v;
    assert_int_equal(mu_server_campaign_get(&f->rig.server, f->campaign, &v),
                     0);
    return v;
}

struct mu_target_view fleet_target(struct fleet *f, unsigned device)
{
    return fleet_target_of(f, fleet_names[device]);
}

struct mu_target_view fleet_target_of(struct fleet *f, const char *name)
{
    struct mu_target_view v;
    char after[MU_ID_MAX + 1] = "";
    while (mu_server_target_next(&f->rig.server, f->campaign, rig_id(after),
                                 &v) == 0) {
        if (strcmp(v.identity, name) == 0)
            return v;
        memcpy(after, v.identity, sizeof after);
    }
    fail_msg("%s is no target", name);
    return v;
}

uint8_t fleet_report(struct fleet *f, unsigned device, uint8_t state,
                     uint8_t reason)
{
    return rig_report(&f->rig, fleet_link_of(device), f->campaign, f->digest,
                      state, reason, (uint16_t)(device < 3 ? device : 0),
                      &fleet_names[device], 1);
}
