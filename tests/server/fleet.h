/* SPDX-License-Identifier: Apache-2.0 */
/* Two gateways, four devices, one group, one object: where most tests of
 * campaigns begin. Devices: "a0", "a1", "a2" behind gw-1, "b0" behind gw-2. */
#ifndef TESTS_SERVER_FLEET_H
#define TESTS_SERVER_FLEET_H

#include "area.h"

#define FLEET_SIZE 20000

struct fleet {
    struct rig rig;
    struct areas areas;
    struct area gw[2];
    struct peer_device devices[4];
    uint8_t campaign[MU_CAMPAIGN_ID];
    uint8_t plain[FLEET_SIZE], opened[FLEET_SIZE], digest[32];
};

extern const char *const fleet_names[4];

struct fleet *fleet_open(uint8_t mode);
void fleet_close(struct fleet *f);
/* Gateways linked, devices connected, keys fetched. */
void fleet_link(struct fleet *f);
/* Fetches what a device lacks; its key of the group. */
const struct mu_secret *fleet_key(struct fleet *f, unsigned device);
/* The default push, prepared and signed. */
void fleet_push(struct fleet *f);
void fleet_push_as(struct fleet *f, const struct mu_push *push);
struct mu_campaign_view fleet_view(struct fleet *f);
struct mu_target_view fleet_target(struct fleet *f, unsigned device);
struct mu_target_view fleet_target_of(struct fleet *f, const char *name);
/* Device i reports a state, by itself. The code. */
uint8_t fleet_report(struct fleet *f, unsigned device, uint8_t state,
                     uint8_t reason);

#endif
