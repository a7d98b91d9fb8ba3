/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways, devices, groups and keys over HTTP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "muster/version.h"

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

void api_status(struct api_request *r)
{
    const struct mu_serve *s = api_serve(r);
    api_answer(r, 200,
               json_pack("{s:s,s:s,s:I}", "identity", s->conf.identity,
                         "version", MU_VERSION, "epoch",
                         (json_int_t)mu_server_epoch(s->engine)));
}

/* ---- gateways ---------------------------------------------------------- */

void api_gateways_list(struct api_request *r)
{
    uint64_t after, limit;
    struct mu_gateway_view v;
    if (!api_query_number(r, "after", UINT32_MAX, 0, &after) ||
        !api_query_limit(r, 100, &limit))
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
    api_answer_list(r, "gateways", rows, next);
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

void api_gateways_remove(struct api_request *r)
{
    int rc = mu_server_gateway_remove(api_server(r), mu_bytes_str(r->args[0]));
    if (rc == MU_ERR_CONFLICT)
        api_error(r, 409, "gateway: there are devices behind it; revoke them "
                          "first");
    else if (rc != 0)
        api_refuse(r, rc, "gateway");
    else
        api_when_durable(r, 200, NULL);
}

/* ---- devices ----------------------------------------------------------- */

static json_t *device_row(const struct mu_device_view *v)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < v->groups_len; i++)
        json_array_append_new(groups, json_integer((json_int_t)v->groups[i]));
    return json_pack("{s:s,s:s,s:i,s:b,s:b,s:s,s:I,s:I,s:o}", "id",
                     v->identity,
                     "gateway", v->gateway, "area_index", (int)v->area_index,
                     "revoked", v->revoked, "connected", v->connected,
                     "key_exchange", v->exchanged
                         ? mu_exchange_method_name(v->method) : "none",
                     "object_max", (json_int_t)v->object_max, "page_memory",
                     (json_int_t)v->page_memory, "groups", groups);
}

void api_devices_list(struct api_request *r)
{
    uint64_t limit;
    struct mu_device_view v;
    char after[MU_ID_MAX + 1];
    if (!api_query_limit(r, 100, &limit))
        return;
    api_query_after(r, after);
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
    api_answer_list(r, "devices", rows, next);
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

/* ---- speakers ---------------------------------------------------------- */

void api_speakers_list(struct api_request *r)
{
    uint64_t after, limit;
    struct mu_speaker_view v;
    if (!api_query_number(r, "after", INT64_MAX, 0, &after) ||
        !api_query_limit(r, 100, &limit))
        return;
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_speaker_next(api_server(r), after, &v) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_integer((json_int_t)after);
            break;
        }
        json_array_append_new(
            rows, json_pack("{s:I,s:s,s:s,s:s,s:b}", "number",
                            (json_int_t)v.number, "id", v.identity, "gateway",
                            v.gateway, "scheme", v.scheme, "key", v.known));
        after = v.number;
    }
    api_answer_list(r, "speakers", rows, next);
}

void api_speakers_add(struct api_request *r)
{
    json_t *body = api_body(r);
    if (body == NULL)
        return;
    int rc = mu_server_speaker_add(api_server(r),
                                   text_of(json_object_get(body, "id")));
    if (rc == MU_ERR_FULL)
        api_error(r, 409, "speaker: its area has as many as there can be");
    else if (rc != 0)
        api_refuse(r, rc, "speaker");
    else
        api_when_durable(r, 201, NULL);
    json_decref(body);
}

void api_speakers_remove(struct api_request *r)
{
    int rc = mu_server_speaker_remove(api_server(r), mu_bytes_str(r->args[0]));
    if (rc != 0)
        api_refuse(r, rc, "speaker");
    else
        api_when_durable(r, 200, NULL);
}

/* ---- groups ------------------------------------------------------------ */

static const char *const modes[] = {"end-to-end", "option-1", "option-2"};

void api_groups_list(struct api_request *r)
{
    uint64_t after, limit;
    struct mu_group_view v;
    if (!api_query_number(r, "after", UINT32_MAX, 0, &after) ||
        !api_query_limit(r, 100, &limit))
        return;
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_group_next(api_server(r), (uint32_t)after, &v) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_integer((json_int_t)after);
            break;
        }
        json_t *row = json_pack("{s:I,s:s,s:s,s:I,s:I,s:I}", "number",
                                (json_int_t)v.number, "name", v.name, "mode",
                                modes[v.mode % 3], "generation",
                                (json_int_t)v.generation, "members",
                                (json_int_t)v.members, "current",
                                (json_int_t)v.current);
        api_scheme_write(row, &v);
        json_array_append_new(rows, row);
        after = v.number;
    }
    api_answer_list(r, "groups", rows, next);
}

void api_groups_create(struct api_request *r)
{
    uint32_t number = 0;
    json_t *body = api_body(r);
    if (body == NULL)
        return;
    const char *mode = json_string_value(json_object_get(body, "mode"));
    const char *name = json_string_value(json_object_get(body, "name"));
    struct mu_group_scheme scheme;
    uint8_t m = 0;
    while (mode != NULL && m < 3 && strcmp(mode, modes[m]) != 0)
        m++;
    if (m == 3) {
        api_error(r, 400, "mode: end-to-end, option-1 or option-2");
    } else if (name == NULL || strchr(name, '/') != NULL) {
        api_error(r, 400, "name: 1 to %d bytes without a slash", MU_NAME_MAX);
    } else if (api_scheme_read(r, body, &scheme)) {
        int rc = mu_server_group_create_as(
            api_server(r), text_of(json_object_get(body, "name")), m, &scheme,
            &number);
        if (rc == MU_ERR_USAGE && m != 0 && scheme.kind != MU_SCHEME_UNICAST)
            api_error(r, 400, "scheme: the gateways of %s groups have a part "
                              "in the key; only end-to-end goes with %s",
                      modes[m], scheme.kind == MU_SCHEME_NONE
                                    ? "auto"
                                    : mu_scheme_name(
                                          (enum mu_scheme_kind)scheme.kind));
        else if (rc == MU_ERR_UNSUPPORTED)
            api_error(r, 400, "scheme: the server runs with --scheme-kb 0");
        else if (rc != 0)
            api_refuse(r, rc, "group");
        else
            api_when_durable(r, 201, json_pack("{s:I}", "number",
                                               (json_int_t)number));
    }
    json_decref(body);
}

bool api_group_find(struct api_request *r, const char *name,
                    struct mu_group_view *out)
{
    int rc = mu_server_group_get(api_server(r), mu_bytes_str(name), out);
    if (rc == MU_ERR_NOT_FOUND)
        api_error(r, 404, "there is no group '%s'", name);
    else if (rc != 0)
        api_refuse(r, rc, "group");
    return rc == 0;
}

void api_groups_members(struct api_request *r)
{
    uint64_t limit;
    struct mu_group_view g;
    char identity[MU_ID_MAX + 1], after[MU_ID_MAX + 1];
    if (!api_group_find(r, r->args[0], &g) ||
        !api_query_limit(r, API_PAGE_MAX, &limit))
        return;
    api_query_after(r, after);
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_member_next(api_server(r), g.number, mu_bytes_str(after),
                                 identity) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_string(after);
            break;
        }
        json_array_append_new(rows, json_string(identity));
        snprintf(after, sizeof after, "%s", identity);
    }
    api_answer_list(r, "members", rows, next);
}

/* False after having answered what is wrong with it. */
static bool group_add_one(struct api_request *r, const char *id,
                          uint16_t where, size_t *added)
{
    int rc = mu_server_group_add_at(api_server(r), mu_bytes_str(r->args[0]),
                                    mu_bytes_str(id), where);
    api_taken(r);
    if (rc != 0)
        api_refuse(r, rc, id);
    *added += rc == 0;
    return rc == 0;
}

/* Adds each of {"devices": [...]}, or every device with {"all": true}: all of
 * them or none; the first that fails is named. */
void api_groups_add(struct api_request *r)
{
    size_t i, added = 0;
    json_t *id, *body = api_body(r);
    char after[MU_ID_MAX + 1] = "";
    struct mu_group_view g;
    struct mu_device_view v;
    if (body == NULL)
        return;
    uint16_t where;
    bool good = api_group_find(r, r->args[0], &g) &&
                api_where_read(r, body, &where);
    if (good)
        api_begin(r);
    json_array_foreach(json_object_get(body, "devices"), i, id) {
        const char *text = json_string_value(id);
        good = good && group_add_one(r, text == NULL ? "" : text, where,
                                     &added);
    }
    while (good && json_is_true(json_object_get(body, "all")) &&
           mu_server_device_next(api_server(r), mu_bytes_str(after), &v) == 0) {
        snprintf(after, sizeof after, "%s", v.identity);
        good = v.revoked || group_add_one(r, after, where, &added);
    }
    if (good)
        api_when_durable(r, 200, json_pack("{s:I}", "added",
                                           (json_int_t)added));
    else if (added > 0)
        api_undo(r);
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

static void kid_text(const struct mu_kid *kid, char out[2 * MU_KID_LEN + 1])
{
    snprintf(out, 2 * MU_KID_LEN + 1, "%02x%08" PRIx32 "%016" PRIx64,
             (unsigned)kid->kind, kid->scope, kid->generation);
}

/* The `after` of a list of keys; answers 400 and false when it is none. */
static bool query_kid(struct api_request *r, struct mu_kid *after)
{
    uint8_t raw[MU_KID_LEN];
    const char *text = api_query(r, "after");
    struct mu_reader reader = mu_reader(MU_BYTES(raw));
    if (text == NULL)
        return true;
    if (api_hex(text, strlen(text), raw, sizeof raw) != (long)sizeof raw) {
        api_error(r, 400, "after: the kid of a key is wanted");
        return false;
    }
    *after = mu_kid_read(&reader);
    return true;
}

void api_keys_list(struct api_request *r)
{
    static const char *const phases[] = {"dormant", "active", "retired"};
    uint64_t limit;
    struct mu_kid after = {.kind = MU_KEY_NONE};
    struct mu_key_view v;
    char kid[2 * MU_KID_LEN + 1];
    if (!api_query_limit(r, 100, &limit) ||
        !query_kid(r, &after))
        return;
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_key_next(api_server(r), &after, &v) == 0) {
        kid_text(&after, kid);
        if (json_array_size(rows) == limit) {
            next = json_string(kid);
            break;
        }
        kid_text(&v.kid, kid);
        json_array_append_new(
            rows, json_pack("{s:s,s:s,s:I,s:I,s:s,s:I,s:I}", "kid", kid, "kind",
                            v.kind_name, "scope", (json_int_t)v.kid.scope,
                            "generation", (json_int_t)v.kid.generation,
                            "phase", phases[v.phase % 3], "holders",
                            (json_int_t)v.holders, "valid_s",
                            (json_int_t)v.valid_s));
        after = v.kid;
    }
    api_answer_list(r, "keys", rows, next);
}
