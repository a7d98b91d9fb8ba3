/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: gateways, and the devices behind them. Every wish reads and
 * writes a handful of records, whatever the size of the fleet.
 */
#include "node/server_core.h"

int mu_server_gateway_add(struct mu_server *s, struct mu_bytes identity,
                          struct mu_bytes root, uint32_t *number)
{
    struct mu_gateway_record g = {.identity_len = (uint8_t)identity.len,
                                  .area_version = 1};
    struct mu_record_key k;
    struct mu_secret kmr;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc != 0)
        return rc;
    if (!mu_srv_identity_ok(identity))
        return MU_ERR_USAGE;
    if (mu_srv_gateway_find(s, identity) != 0 ||
        mu_bytes_eq(identity, s->conf.identity))
        return MU_ERR_CONFLICT;
    rc = mu_srv_device_get(s, identity, &(struct mu_device_record){0});
    if (rc != MU_ERR_NOT_FOUND)
        return rc == 0 ? MU_ERR_CONFLICT : rc;
    if (s->gateways_len >= s->conf.gateways_max)
        return MU_ERR_FULL;
    *number = s->gateways_len + 1;
    mu_copy(g.identity, identity.data, identity.len);
    k = mu_record_key_number(*number);
    rc = mu_kmr_from(s->conf.crypto, root, &kmr);
    if (rc == 0)
        rc = mu_seal_create(s->conf.crypto, s->conf.master, MU_TABLE_GATEWAY,
                            mu_record_key_view(&k), &kmr, &g.kmr);
    if (rc == 0)
        rc = mu_srv_gateway_enter(s, *number, &g, &kmr);
    mu_secret_clear(&kmr);
    if (rc != 0)
        return rc;
    mu_srv_gateway_put(s, *number, &g);
    (void)mu_srv_number_put(s, "gateways", *number);
    mu_srv_trace(s, "gateway-added", *number, 0);
    return 0;
}

int mu_server_gateway_remove(struct mu_server *s, struct mu_bytes identity)
{
    struct mu_gateway_record g;
    uint32_t number;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc != 0)
        return rc;
    number = mu_srv_gateway_find(s, identity);
    if (number == 0)
        return MU_ERR_NOT_FOUND;
    rc = mu_srv_gateway_get(s, number, &g);
    if (rc != 0)
        return rc;
    if (g.devices > 0)
        return MU_ERR_CONFLICT;
    g.removed = true;
    mu_wipe(&g.kmr, sizeof g.kmr);
    mu_srv_gateway_put(s, number, &g);
    mu_srv_gateway_leave(s, number);
    mu_srv_kw_void(s);
    mu_srv_trace(s, "gateway-removed", number, 0);
    return 0;
}

static void area_put(struct mu_server *s, uint32_t gateway, uint16_t index,
                     struct mu_bytes identity, bool revoked)
{
    struct mu_area_record a = {.revoked = revoked,
                               .identity_len = (uint8_t)identity.len};
    struct mu_record_key k = mu_record_key_area(gateway, index);
    uint8_t room[MU_ID_MAX + 8];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_copy(a.identity, identity.data, identity.len);
    mu_area_record_write(&w, &a);
    (void)mu_srv_put_written(s, MU_TABLE_AREA, &k, &w);
}

/* The record of the gateway, its list changed by one device. */
static void area_changed(struct mu_server *s, uint32_t gateway,
                         struct mu_gateway_record *g)
{
    g->area_version++;
    mu_srv_gateway_put(s, gateway, g);
    mu_srv_notice(s, gateway);
}

int mu_server_device_add(struct mu_server *s, struct mu_bytes identity,
                         struct mu_bytes root,
                         struct mu_bytes gateway_identity)
{
    struct mu_device_record d = {0};
    struct mu_gateway_record g;
    struct mu_secret kmr;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc != 0)
        return rc;
    if (!mu_srv_identity_ok(identity))
        return MU_ERR_USAGE;
    d.gateway = mu_srv_gateway_find(s, gateway_identity);
    if (d.gateway == 0)
        return MU_ERR_NOT_FOUND;
    if (mu_srv_gateway_find(s, identity) != 0 ||
        mu_bytes_eq(identity, s->conf.identity))
        return MU_ERR_CONFLICT;
    rc = mu_srv_device_get(s, identity, &(struct mu_device_record){0});
    if (rc != MU_ERR_NOT_FOUND)
        return rc == 0 ? MU_ERR_CONFLICT : rc;
    rc = mu_srv_gateway_get(s, d.gateway, &g);
    if (rc != 0)
        return rc;
    /* An index belongs to one device for ever: records of campaigns and
     * acknowledgements on their way name it. */
    if (g.next_index >= MU_AREA_DEVICES_MAX)
        return MU_ERR_FULL;
    d.index = (uint16_t)g.next_index;
    rc = mu_kmr_from(s->conf.crypto, root, &kmr);
    if (rc == 0)
        rc = mu_seal_create(s->conf.crypto, s->conf.master, MU_TABLE_DEVICE,
                            identity, &kmr, &d.kmr);
    mu_secret_clear(&kmr);
    if (rc != 0)
        return rc;
    g.next_index++;
    g.devices++;
    mu_srv_device_put(s, identity, &d);
    area_put(s, d.gateway, d.index, identity, false);
    area_changed(s, d.gateway, &g);
    return 0;
}

int mu_server_device_revoke(struct mu_server *s, struct mu_bytes identity)
{
    struct mu_device_record d;
    struct mu_gateway_record g;
    int rc = s->failed != 0 ? s->failed : mu_srv_room(s);

    if (rc == 0)
        rc = mu_srv_device_get(s, identity, &d);
    if (rc != 0 || d.revoked)
        return rc;
    rc = mu_srv_gateway_get(s, d.gateway, &g);
    if (rc != 0)
        return rc;
    while (d.groups_len > 0) {
        rc = mu_srv_group_leave(s, identity, &d, d.groups[0].number);
        if (rc != 0)
            return rc;
    }
    rc = mu_srv_speaker_drop(s, d.gateway, d.index);
    if (rc != 0 && rc != MU_ERR_NOT_FOUND)
        return rc;
    d.revoked = true;
    mu_srv_device_put(s, identity, &d);
    area_put(s, d.gateway, d.index, identity, true);
    if (g.devices > 0)
        g.devices--;
    area_changed(s, d.gateway, &g);
    mu_srv_connections_drop(s, identity);
    mu_srv_trace(s, "revoked", d.gateway, d.index);
    return 0;
}
