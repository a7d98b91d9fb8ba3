/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways, devices, groups and keys over HTTP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"

#ifndef MUSTER_VERSION
#define MUSTER_VERSION "0.1.0"
#endif

static struct mu_bytes text_of(const json_t *v)
{
    const char *text = json_string_value(v);
    return text == NULL ? (struct mu_bytes){NULL, 0} : mu_bytes_str(text);
}

/* A key in hex from a body; answers 400 and returns -1 when it is none. */
static long body_key(struct api_request *r, const json_t *body,
                     uint8_t key[64])
{
    const char *hex = json_string_value(json_object_get(body, "key"));
    long len = hex == NULL ? -1 : api_hex(hex, strlen(hex), key, 64);
    if (len < 16) {
        api_error(r, 400, "key: 32 to 128 hex digits are wanted");
        return -1;
    }
    return len;
}

static void list_answer(struct api_request *r, const char *name, json_t *rows,
                        json_t *next)
{
    json_t *answer = json_object();
    json_object_set_new(answer, name, rows);
    json_object_set_new(answer, "next", next == NULL ? json_null() : next);
    api_answer(r, 200, answer);
}

void api_status(struct api_request *r)
{
    const struct mu_serve *s = api_serve(r);
    api_answer(r, 200,
               json_pack("{s:s,s:s,s:I}", "identity", s->conf.identity,
                         "version", MUSTER_VERSION, "epoch",
                         (json_int_t)mu_server_epoch(s->engine)));
}

/* ---- gateways ---------------------------------------------------------- */

void api_gateways_list(struct api_request *r)
{
    uint64_t after, limit;
    struct mu_gateway_view v;
    if (!api_query_number(r, "after", UINT32_MAX, 0, &after) ||
        !api_query_number(r, "limit", API_PAGE_MAX, 100, &limit))
        return;
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_gateway_next(api_server(r), (uint32_t)after, &v) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_integer((json_int_t)after);
            break;
        }
        json_array_append_new(
            rows, json_pack("{s:I,s:s,s:b,s:I}", "number",
                            (json_int_t)v.number, "id", v.identity, "linked",
                            v.linked, "devices", (json_int_t)v.devices));
        after = v.number;
    }
    list_answer(r, "gateways", rows, next);
}

void api_gateways_add(struct api_request *r)
{
    uint8_t key[64];
    uint32_t number = 0;
    json_t *body = api_body(r);
    if (body == NULL)
        return;
    long len = body_key(r, body, key);
    struct mu_bytes id = text_of(json_object_get(body, "id"));
    if (len > 0) {
        int rc = mu_server_gateway_add(api_server(r), id,
                                       mu_bytes(key, (size_t)len), &number);
        if (rc != 0)
            api_refuse(r, rc, "gateway");
        else
            api_when_durable(r, 201, json_pack("{s:I}", "number",
                                               (json_int_t)number));
    }
    mu_wipe(key, sizeof key);
    json_decref(body);
}

/* ---- devices ----------------------------------------------------------- */

static json_t *device_row(const struct mu_device_view *v)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < v->groups_len; i++)
        json_array_append_new(groups, json_integer((json_int_t)v->groups[i]));
    return json_pack("{s:s,s:s,s:i,s:b,s:b,s:I,s:I,s:o}", "id", v->identity,
                     "gateway", v->gateway, "area_index", (int)v->area_index,
                     "revoked", v->revoked, "connected", v->connected,
                     "object_max", (json_int_t)v->object_max, "page_memory",
                     (json_int_t)v->page_memory, "groups", groups);
}

void api_devices_list(struct api_request *r)
{
    uint64_t limit;
    struct mu_device_view v;
    const char *from = api_query(r, "after");
    char after[MU_ID_MAX + 1] = "";
    if (!api_query_number(r, "limit", API_PAGE_MAX, 100, &limit))
        return;
    if (from != NULL)
        snprintf(after, sizeof after, "%s", from);
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_device_next(api_server(r), mu_bytes_str(after), &v) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_string(after);
            break;
        }
        json_array_append_new(rows, device_row(&v));
        snprintf(after, sizeof after, "%s", v.identity);
    }
    list_answer(r, "devices", rows, next);
}

void api_devices_add(struct api_request *r)
{
    uint8_t key[64];
    json_t *body = api_body(r);
    if (body == NULL)
        return;
    long len = body_key(r, body, key);
    if (len > 0) {
        int rc = mu_server_device_add(
            api_server(r), text_of(json_object_get(body, "id")),
            mu_bytes(key, (size_t)len),
            text_of(json_object_get(body, "gateway")));
        if (rc != 0)
            api_refuse(r, rc, "device");
        else
            api_when_durable(r, 201, NULL);
    }
    mu_wipe(key, sizeof key);
    json_decref(body);
}

void api_devices_revoke(struct api_request *r)
{
    int rc = mu_server_device_revoke(api_server(r), mu_bytes_str(r->args[0]));
    if (rc != 0)
        api_refuse(r, rc, "device");
    else
        api_when_durable(r, 200, NULL);
}

/* ---- groups ------------------------------------------------------------ */

static const char *const modes[] = {"end-to-end", "option-1", "option-2"};

void api_groups_list(struct api_request *r)
{
    struct mu_group_view v;
    uint32_t after = 0;
    json_t *rows = json_array();
    while (json_array_size(rows) < API_PAGE_MAX &&
           mu_server_group_next(api_server(r), after, &v) == 0) {
        json_array_append_new(
            rows,
            json_pack("{s:I,s:s,s:s,s:I,s:I,s:I}", "number",
                      (json_int_t)v.number, "name", v.name, "mode",
                      modes[v.mode % 3], "generation",
                      (json_int_t)v.generation, "members",
                      (json_int_t)v.members, "current",
                      (json_int_t)v.current));
        after = v.number;
    }
    list_answer(r, "groups", rows, NULL);
}

void api_groups_create(struct api_request *r)
{
    uint32_t number = 0;
    json_t *body = api_body(r);
    if (body == NULL)
        return;
    const char *mode = json_string_value(json_object_get(body, "mode"));
    uint8_t m = 0;
    while (mode != NULL && m < 3 && strcmp(mode, modes[m]) != 0)
        m++;
    if (m == 3) {
        api_error(r, 400, "mode: end-to-end, option-1 or option-2");
    } else {
        int rc = mu_server_group_create(
            api_server(r), text_of(json_object_get(body, "name")), m, &number);
        if (rc != 0)
            api_refuse(r, rc, "group");
        else
            api_when_durable(r, 201, json_pack("{s:I}", "number",
                                               (json_int_t)number));
    }
    json_decref(body);
}

/* The number of a group; answers 404 and returns 0 when there is none. */
static uint32_t group_number(struct api_request *r, const char *name)
{
    struct mu_group_view v;
    uint32_t after = 0;
    while (mu_server_group_next(api_server(r), after, &v) == 0) {
        if (strcmp(v.name, name) == 0)
            return v.number;
        after = v.number;
    }
    api_error(r, 404, "group '%s': not found", name);
    return 0;
}

void api_groups_members(struct api_request *r)
{
    uint64_t limit;
    char identity[MU_ID_MAX + 1];
    char after[MU_ID_MAX + 1] = "";
    const char *from = api_query(r, "after");
    uint32_t number = group_number(r, r->args[0]);
    if (number == 0 ||
        !api_query_number(r, "limit", API_PAGE_MAX, API_PAGE_MAX, &limit))
        return;
    if (from != NULL)
        snprintf(after, sizeof after, "%s", from);
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_member_next(api_server(r), number, mu_bytes_str(after),
                                 identity) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_string(after);
            break;
        }
        json_array_append_new(rows, json_string(identity));
        snprintf(after, sizeof after, "%s", identity);
    }
    list_answer(r, "members", rows, next);
}

/* Adds each of {"devices": [...]}, or every device with {"all": true}. The
 * first that fails is named; those before it are in. */
void api_groups_add(struct api_request *r)
{
    size_t i, added = 0;
    json_t *id, *body = api_body(r);
    int rc = 0;
    const char *failed = "";
    char after[MU_ID_MAX + 1] = "";
    struct mu_device_view v;
    if (body == NULL)
        return;
    struct mu_bytes group = mu_bytes_str(r->args[0]);
    json_array_foreach(json_object_get(body, "devices"), i, id) {
        failed = json_string_value(id) == NULL ? "" : json_string_value(id);
        rc = mu_server_group_add(api_server(r), group, mu_bytes_str(failed));
        if (rc != 0)
            break;
        mu_node_drain(&api_serve(r)->body.node);
        added++;
    }
    while (rc == 0 && json_is_true(json_object_get(body, "all")) &&
           mu_server_device_next(api_server(r), mu_bytes_str(after), &v) == 0) {
        snprintf(after, sizeof after, "%s", v.identity);
        if (v.revoked)
            continue;
        failed = after;
        rc = mu_server_group_add(api_server(r), group, mu_bytes_str(after));
        mu_node_drain(&api_serve(r)->body.node);
        added += rc == 0;
    }
    if (rc != 0)
        api_refuse(r, rc, *failed == 0 ? "group" : failed);
    else
        api_when_durable(r, 200, json_pack("{s:I}", "added",
                                           (json_int_t)added));
    json_decref(body);
}

void api_groups_remove(struct api_request *r)
{
    int rc = mu_server_group_remove(api_server(r), mu_bytes_str(r->args[0]),
                                    mu_bytes_str(r->args[1]));
    if (rc != 0)
        api_refuse(r, rc, "member");
    else
        api_when_durable(r, 200, NULL);
}

void api_groups_rotate(struct api_request *r)
{
    int rc = mu_server_group_rotate(api_server(r), mu_bytes_str(r->args[0]));
    if (rc != 0)
        api_refuse(r, rc, "group");
    else
        api_when_durable(r, 200, NULL);
}

/* ---- keys: ids and kinds, never a secret ------------------------------- */

void api_keys_list(struct api_request *r)
{
    static const char *const phases[] = {"dormant", "active", "retired"};
    struct mu_kid after = {.kind = MU_KEY_NONE};
    struct mu_key_view v;
    char kid[2 * MU_KID_LEN + 1];
    json_t *rows = json_array();
    while (json_array_size(rows) < API_PAGE_MAX &&
           mu_server_key_next(api_server(r), &after, &v) == 0) {
        snprintf(kid, sizeof kid, "%02x%08" PRIx32 "%016" PRIx64, v.kid.kind,
                 v.kid.scope, v.kid.generation);
        json_array_append_new(
            rows, json_pack("{s:s,s:s,s:I,s:I,s:s,s:I}", "kid", kid, "kind",
                            v.kind_name, "scope", (json_int_t)v.kid.scope,
                            "generation", (json_int_t)v.kid.generation,
                            "phase", phases[v.phase % 3], "holders",
                            (json_int_t)v.holders));
        after = v.kid;
    }
    list_answer(r, "keys", rows, NULL);
}
