/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted gateway that takes part in the wide-area cast: fetches manifests,
 * receives pages with the real receiver, sends NEEDs, and opens the object
 * with a key that a device of its area fetched.
 */
#ifndef TESTS_SERVER_AREA_H
#define TESTS_SERVER_AREA_H

#include "muster/cast_receiver.h"
#include "rig.h"

#define AREA_OBJECT_MAX 131072

struct area {
    struct rig *rig;
    uint32_t number;
    const char *identity;
    unsigned loss; /* of a hundred packets */
    uint32_t chance;
    struct mu_wide_welcome welcome;
    struct mu_secret kfb, kctl;
    struct mu_ticked ticked;
    /* the campaign fetched last */
    uint8_t message[8192], object[MU_ANNOUNCE_MAX];
    struct mu_wide_campaign campaign;
    struct mu_manifest manifest;
    bool receiving;
    struct mu_cast_receiver receiver;
    struct mu_cast_sink sink;
    uint8_t *work;
    uint8_t content[AREA_OBJECT_MAX];
    uint64_t received;
};

#define AREAS_MAX 4

struct areas {
    struct area *all[AREAS_MAX];
    unsigned len;
};

void area_open(struct areas *set, struct area *a, struct rig *r,
               uint32_t number, const char *identity);
void area_close(struct area *a);
/* Links, says hello and learns Kw. */
void area_link(struct area *a);
/* /camp: rows as they are; how many. */
unsigned area_list(struct area *a, struct mu_wide_camp_row rows[8]);
/* /camp/m; 0 and a receiver at page 0, or the CoAP code. */
uint8_t area_fetch(struct area *a, const uint8_t *campaign);
/* Runs the server and the areas until all of them have the object or the time
 * is up. */
void areas_run(struct areas *set, mu_time span);
bool area_done(const struct area *a);
/* Decrypts what was received under a group key: the plain object. 0, or why it
 * does not open. */
int area_open_object(struct area *a, const struct mu_secret *kb,
                     uint8_t *plain);

#endif
