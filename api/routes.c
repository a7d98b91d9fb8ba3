/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the API: docs/openapi.yaml in short. */
#include "api/api.h"

const struct api_route api_routes[] = {
    {"GET", "/v1/status", api_status, false},
    {"GET", "/v1/gateways", api_gateways_list, false},
    {"POST", "/v1/gateways", api_gateways_add, false},
    {"DELETE", "/v1/gateways/{}", api_gateways_remove, false},
    {"GET", "/v1/devices", api_devices_list, false},
    {"POST", "/v1/devices", api_devices_add, false},
    {"POST", "/v1/devices/import", api_devices_import, false},
    {"POST", "/v1/devices/{}/revoke", api_devices_revoke, false},
    {"GET", "/v1/groups", api_groups_list, false},
    {"POST", "/v1/groups", api_groups_create, false},
    {"GET", "/v1/groups/{}/members", api_groups_members, false},
    {"POST", "/v1/groups/{}/members", api_groups_add, false},
    {"DELETE", "/v1/groups/{}/members/{}", api_groups_remove, false},
    {"POST", "/v1/groups/{}/rotate", api_groups_rotate, false},
    {"POST", "/v1/groups/{}/tell", api_groups_tell, false},
    {"GET", "/v1/groups/{}/explain", api_groups_explain, false},
    {"POST", "/v1/groups/{}/trace", api_groups_trace, false},
    {"GET", "/v1/keys", api_keys_list, false},
    {"GET", "/v1/campaigns", api_campaigns_list, false},
    {"POST", "/v1/campaigns", api_campaigns_push, true},
    {"GET", "/v1/campaigns/{}", api_campaigns_get, false},
    {"GET", "/v1/campaigns/{}/targets", api_campaigns_targets, false},
    {"POST", "/v1/campaigns/{}/pause", api_campaigns_pause, false},
    {"POST", "/v1/campaigns/{}/resume", api_campaigns_resume, false},
    {"POST", "/v1/campaigns/{}/cancel", api_campaigns_cancel, false},
    {NULL, NULL, NULL, false},
};
