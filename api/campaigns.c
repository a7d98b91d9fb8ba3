/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns over HTTP: the push of a file, its progress, its end. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/eta.h"
#include "muster/mikey_service.h"

static const char *const phases[MU_CAMPAIGN_PHASE_COUNT] = {
    [MU_CAMPAIGN_PREPARING] = "preparing", [MU_CAMPAIGN_RUNNING] = "running",
    [MU_CAMPAIGN_PAUSED] = "paused",       [MU_CAMPAIGN_DONE] = "done",
    [MU_CAMPAIGN_QUORUM] = "quorum",       [MU_CAMPAIGN_FAILED] = "failed",
    [MU_CAMPAIGN_CANCELLED] = "cancelled",
};

static const char *const whats[MU_CAMPAIGN_WHAT_COUNT] = {
    [MU_CAMPAIGN_OBJECT] = "object", [MU_CAMPAIGN_KEY] = "key",
    [MU_CAMPAIGN_COMMAND] = "command",
};

static void hex_text(const uint8_t *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static json_t *counts_json(const struct mu_cast_counts *c)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "data",
                     (json_int_t)c->data, "parity", (json_int_t)c->parity,
                     "repair", (json_int_t)c->repair, "alone",
                     (json_int_t)c->alone, "control",
                     (json_int_t)c->control, "bytes", (json_int_t)c->bytes,
                     "feedback", (json_int_t)c->feedback, "rejected",
                     (json_int_t)c->rejected);
}

static json_t *campaign_json(const struct mu_campaign_view *v)
{
    char id[2 * MU_CAMPAIGN_ID + 1], digest[65], version[32];
    hex_text(v->campaign, sizeof v->campaign, id);
    hex_text(v->digest, sizeof v->digest, digest);
    api_version_text(v->version, version);
    json_t *out = json_pack(
        "{s:s,s:I,s:s,s:s,s:s,s:I,s:s,s:s}", "id", id, "number",
        (json_int_t)v->number, "group", v->group_name, "name", v->name,
        "version", version, "size", (json_int_t)v->size, "digest", digest,
        "phase", phases[v->phase]);
    json_t *more = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "members",
        (json_int_t)v->members, "received", (json_int_t)v->received,
        "verified", (json_int_t)v->verified, "installed",
        (json_int_t)v->installed, "running", (json_int_t)v->running, "failed",
        (json_int_t)v->failed, "revoked", (json_int_t)v->revoked,
        "quorum_permille", (json_int_t)v->quorum_permille, "deadline_s",
        (json_int_t)v->deadline_s, "elapsed_s", (json_int_t)v->elapsed_s,
        "page", (json_int_t)v->page, "pages", (json_int_t)v->pages,
        "reports_refused", (json_int_t)v->reports_refused, "edition",
        (json_int_t)v->edition);
    json_object_set_new(out, "what", json_string(whats[v->what]));
    json_object_set_new(out, "parts", json_integer(v->parts));
    json_object_set_new(out, "acks_ride", json_boolean(v->acks_ride));
    if (v->late > 0) {
        json_object_set_new(out, "late", json_integer(v->late));
        json_object_set_new(out, "late_by_s", json_integer(v->late_by_s));
    }
    json_object_update(out, more);
    json_decref(more);
    json_object_set_new(
        out, "shape",
        json_pack("{s:i,s:i,s:i,s:i}", "payload", (int)v->shape.payload,
                  "page_data", (int)v->shape.page_data, "page_parity",
                  (int)v->shape.page_parity, "hash_len",
                  (int)v->shape.hash_len));
    json_object_set_new(out, "wide", counts_json(&v->wide));
    return out;
}

void api_campaigns_list(struct api_request *r)
{
    uint64_t after, limit;
    struct mu_campaign_view v;
    if (!api_query_number(r, "after", UINT64_MAX, 0, &after) ||
        !api_query_limit(r, 100, &limit))
        return;
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_campaign_next(api_server(r), after, &v) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_integer((json_int_t)after);
            break;
        }
        json_array_append_new(rows, campaign_json(&v));
        after = v.number;
    }
    api_answer_list(r, "campaigns", rows, next);
}

/* The campaign of the path; answers 404 when there is none. */
static bool campaign_find(struct api_request *r, struct mu_campaign_view *v)
{
    uint8_t id[MU_CAMPAIGN_ID];
    int rc = MU_ERR_NOT_FOUND;
    if (api_hex(r->args[0], strlen(r->args[0]), id, sizeof id) ==
        (long)sizeof id)
        rc = mu_server_campaign_get(api_server(r), id, v);
    if (rc != 0)
        api_refuse(r, rc, "campaign");
    return rc == 0;
}

/* What each gateway says that it put on its medium. */
static json_t *areas_json(struct api_request *r,
                          const struct mu_campaign_view *v)
{
    struct mu_area_view a;
    uint32_t after = 0;
    json_t *areas = json_array();
    while (mu_server_area_next(api_server(r), v->campaign, after, &a) == 0) {
        const struct mu_wide_tally *t = &a.tally;
        json_array_append_new(
            areas,
            json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
                      "gateway",
                      a.gateway, "data", (json_int_t)t->data, "parity",
                      (json_int_t)t->parity, "repair", (json_int_t)t->repair,
                      "alone", (json_int_t)t->alone, "control",
                      (json_int_t)t->control, "bytes",
                      (json_int_t)t->bytes, "feedback",
                      (json_int_t)t->feedback, "rejected",
                      (json_int_t)t->rejected, "page", (json_int_t)t->page,
                      "asleep", (json_int_t)t->asleep, "within_s",
                      (json_int_t)t->within_s));
        after = a.number;
    }
    return areas;
}

/* Seconds to go, as it looks; null when it cannot be told or is over. */
static json_t *eta_json(const struct mu_campaign_view *v, const json_t *areas)
{
    struct mu_cast_cost cost;
    struct api_progress p = {
        .elapsed_s = v->elapsed_s,
        .ended = (uint64_t)v->running + v->failed,
        .ended_all = (uint64_t)v->members - v->revoked,
        .ride_s = v->acks_ride ? MU_ACK_WAIT_S : 0,
    };
    size_t i;
    json_t *area;
    if (v->phase != MU_CAMPAIGN_RUNNING || v->what == MU_CAMPAIGN_KEY ||
        mu_cast_cost(&v->shape, v->size, 1, 0, &cost) != 0)
        return json_null();
    json_array_foreach(areas, i, area) {
        uint64_t wait = (uint64_t)json_integer_value(
            json_object_get(area, "within_s"));
        p.wait_s = wait > p.wait_s ? wait : p.wait_s;
        p.sent += (uint64_t)json_integer_value(json_object_get(area, "data"));
    }
    p.sent_all = cost.data * json_array_size(areas);
    int64_t eta = api_eta_s(&p);
    return eta < 0 ? json_null() : json_integer((json_int_t)eta);
}

void api_campaigns_get(struct api_request *r)
{
    struct mu_campaign_view v;
    if (!campaign_find(r, &v))
        return;
    json_t *out = campaign_json(&v);
    json_object_set_new(out, "areas", areas_json(r, &v));
    json_object_set_new(out, "eta_s",
                        eta_json(&v, json_object_get(out, "areas")));
    api_answer(r, 200, out);
}

static json_t *target_json(const struct mu_target_view *t)
{
    json_t *states = json_array();
    static const struct {
        uint8_t bit;
        const char *name;
    } bits[] = {{MU_STATE_RECEIVED, "received"},
                {MU_STATE_VERIFIED, "verified"},
                {MU_STATE_INSTALLED, "installed"},
                {MU_STATE_RUNNING, "running"},
                {MU_STATE_FAILED, "failed"}};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        if ((t->state & bits[i].bit) != 0)
            json_array_append_new(states, json_string(bits[i].name));
    json_t *out = json_pack("{s:s,s:o,s:b}", "id", t->identity, "states",
                            states, "revoked", t->revoked);
    if (t->lied)
        json_object_set_new(out, "lied", json_true());
    if (t->later)
        json_object_set_new(out, "later", json_true());
    if (t->never)
        json_object_set_new(out, "never_connected", json_true());
    if ((t->state & MU_STATE_FAILED) != 0)
        json_object_set_new(out, "reason",
                            json_string(mu_err_text(-(int)t->reason)));
    return out;
}

void api_campaigns_targets(struct api_request *r)
{
    uint64_t limit;
    struct mu_campaign_view v;
    struct mu_target_view t;
    char after[MU_ID_MAX + 1];
    if (!campaign_find(r, &v) ||
        !api_query_limit(r, API_PAGE_MAX, &limit))
        return;
    api_query_after(r, after);
    json_t *rows = json_array();
    json_t *next = NULL;
    while (mu_server_target_next(api_server(r), v.campaign,
                                 mu_bytes_str(after), &t) == 0) {
        if (json_array_size(rows) == limit) {
            next = json_string(after);
            break;
        }
        json_array_append_new(rows, target_json(&t));
        snprintf(after, sizeof after, "%s", t.identity);
    }
    api_answer_list(r, "targets", rows, next);
}

/* ---- push -------------------------------------------------------------- */

/* One more than the highest version ever pushed under this name. */
static uint64_t version_next(struct api_request *r, const char *name)
{
    struct mu_campaign_view v;
    uint64_t after = 0, highest = 0;
    while (mu_server_campaign_next(api_server(r), after, &v) == 0) {
        if (strcmp(v.name, name) == 0 && v.version > highest)
            highest = v.version;
        after = v.number;
    }
    /* The next first part, or when that is at its end just the next. */
    return highest >> 48 == 0xffff ? highest + 1 : ((highest >> 48) + 1) << 48;
}

#define AREA_LOSS_MAX 900 /* per mille */
#define AREA_RECEIVERS 100 /* in one area, where nobody says how many */

/* Parity by what an area loses, where somebody says that. */
static bool push_parity(struct api_request *r, struct mu_cast_shape *shape)
{
    uint64_t parity, loss, receivers;
    if (!api_query_number(r, "page_parity", MU_PAGE_PARITY_MAX, 0, &parity) ||
        !api_query_number(r, "loss_permille", AREA_LOSS_MAX, 0, &loss) ||
        !api_query_number(r, "receivers", MU_AREA_DEVICES_MAX, 0, &receivers))
        return false;
    if (api_query(r, "page_parity") != NULL)
        shape->page_parity = (uint16_t)parity;
    else if (api_query(r, "loss_permille") != NULL)
        shape->page_parity = mu_cast_parity(
            shape->page_data,
            (uint32_t)(receivers != 0 ? receivers : AREA_RECEIVERS),
            (uint32_t)loss);
    return true;
}

static bool push_shape(struct api_request *r, struct mu_cast_shape *shape)
{
    uint64_t payload, data, hash;
    if (!api_query_number(r, "payload", MU_PACKET_MAX, 0, &payload) ||
        !api_query_number(r, "page_data", MU_PAGE_DATA_MAX, 0, &data) ||
        !api_query_number(r, "hash_len", MU_HASH_MAX, 0, &hash))
        return false;
    *shape = api_serve(r)->conf.shape;
    if (payload != 0)
        shape->payload = (uint16_t)payload;
    if (data != 0)
        shape->page_data = (uint16_t)data;
    if (hash != 0)
        shape->hash_len = (uint8_t)hash;
    if (!push_parity(r, shape))
        return false;
    if (mu_cast_shape_check(shape) != 0) {
        api_error(r, 400,
                  "payload, page_data, page_parity, hash_len: no packet can "
                  "be cut like that");
        return false;
    }
    return true;
}

/* Where few are in a group, what waiting saves is not worth the wait. */
static bool push_read(struct api_request *r, uint32_t members,
                      struct mu_push *push)
{
    uint64_t quorum, deadline;
    const char *name = api_query(r, "name");
    const char *version = api_query(r, "version");
    if (name == NULL)
        name = "firmware";
    if (*name == 0 || strlen(name) > MU_NAME_MAX) {
        api_error(r, 400, "name: 1 to %d bytes are wanted", MU_NAME_MAX);
        return false;
    }
    if (version == NULL) {
        push->version = version_next(r, name);
    } else if (api_version_parse(version, &push->version) != 0) {
        api_error(r, 400, "version: '%s' is not like 1.2.3, each part up to "
                          "65535", version);
        return false;
    }
    if (!api_query_number(r, "quorum_permille", 1000, 1000, &quorum) ||
        !api_query_number(r, "deadline_s", 315360000, 86400, &deadline) ||
        !api_query_flag(r, "downgrade", false, &push->downgrade) ||
        !api_query_flag(r, "rekey_on_revoke", true, &push->rekey_on_revoke) ||
        !api_query_flag(r, "acks_ride", members > MU_ACK_RIDE_OVER,
                        &push->acks_ride) ||
        !push_shape(r, &push->shape))
        return false;
    if (quorum == 0 || deadline == 0) {
        api_error(r, 400, "%s: at least 1 is wanted",
                  quorum == 0 ? "quorum_permille" : "deadline_s");
        return false;
    }
    push->name = mu_bytes_str(name);
    push->size = r->upload_size;
    push->quorum_permille = (uint32_t)quorum;
    push->deadline_s = (uint32_t)deadline;
    return true;
}

/* Why an object cannot be pushed, in the operator's words. */
static void push_refuse(struct api_request *r, int rc)
{
    if (rc == MU_ERR_TOO_LARGE)
        api_error(r, 413, "no member of the group can hold so large an object");
    else if (rc == MU_ERR_FULL)
        api_error(r, 503, "as many campaigns are at work as there may be: wait "
                          "for one to end, or cancel it");
    else
        api_refuse(r, rc, "push");
}

void api_campaigns_push(struct api_request *r)
{
    struct mu_push push = {.size = 0};
    struct mu_group_view group;
    char id[2 * MU_CAMPAIGN_ID + 1], version[32];
    if (r->upload_at != r->upload_size) {
        api_error(r, 400, "the object ends too early");
        return;
    }
    if (api_query(r, "group") == NULL) {
        api_error(r, 400, "group: missing");
        return;
    }
    if (!api_group_find(r, api_query(r, "group"), &group) ||
        !push_read(r, group.members, &push))
        return;
    push.group = mu_bytes_str(api_query(r, "group"));
    if (group.members == 0) {
        api_error(r, 400, "group '%s' is empty", group.name);
        return;
    }
    int rc = r->object.sync(r->object.ctx);
    if (rc == 0)
        rc = mu_server_push(api_server(r), r->campaign, &push);
    if (rc != 0) {
        push_refuse(r, rc);
        return;
    }
    r->pushed = true;
    hex_text(r->campaign, sizeof r->campaign, id);
    api_version_text(push.version, version);
    api_when_durable(r, 201, json_pack("{s:s,s:s}", "id", id, "version",
                                       version));
}

/* ---- tell --------------------------------------------------------------- */

static bool tell_read(struct api_request *r, struct mu_tell *tell)
{
    uint64_t quorum, deadline;
    if (!api_query_number(r, "quorum_permille", 1000, 1000, &quorum) ||
        !api_query_number(r, "deadline_s", 31536000, 300, &deadline))
        return false;
    if (quorum == 0 || deadline == 0) {
        api_error(r, 400, "%s: at least 1 is wanted",
                  quorum == 0 ? "quorum_permille" : "deadline_s");
        return false;
    }
    if (r->body_len == 0) {
        api_error(r, 400, "the command is empty");
        return false;
    }
    *tell = (struct mu_tell){
        .group = mu_bytes_str(r->args[0]),
        .text = mu_bytes(r->body, r->body_len),
        .quorum_permille = (uint32_t)quorum,
        .deadline_s = (uint32_t)deadline,
    };
    return true;
}

void api_groups_tell(struct api_request *r)
{
    const struct mu_crypto *crypto = api_serve(r)->crypto;
    struct mu_group_view group;
    struct mu_tell tell;
    uint8_t campaign[MU_CAMPAIGN_ID];
    char id[2 * MU_CAMPAIGN_ID + 1];
    if (!api_group_find(r, r->args[0], &group) || !tell_read(r, &tell))
        return;
    int rc = crypto->random(crypto->ctx, campaign, sizeof campaign);
    if (rc == 0)
        rc = mu_server_tell(api_server(r), campaign, &tell);
    if (rc == MU_ERR_UNSUPPORTED)
        api_error(r, 409, "group '%s' has no command channel: it was not "
                          "created with mikey", group.name);
    else if (rc == MU_ERR_TOO_LARGE)
        api_error(r, 413, "a command has at most %d bytes", MU_COMMAND_MAX);
    else if (rc == MU_ERR_USAGE)
        api_error(r, 400, "group '%s' is empty", group.name);
    else if (rc != 0)
        push_refuse(r, rc);
    if (rc != 0)
        return;
    hex_text(campaign, sizeof campaign, id);
    api_when_durable(r, 201, json_pack("{s:s}", "id", id));
}

static void campaign_command(struct api_request *r,
                             int (*command)(struct mu_server *s,
                                            const uint8_t campaign[8]))
{
    struct mu_campaign_view v;
    if (!campaign_find(r, &v))
        return;
    int rc = command(api_server(r), v.campaign);
    if (rc != 0)
        api_refuse(r, rc, "campaign");
    else
        api_when_durable(r, 200, NULL);
}

void api_campaigns_pause(struct api_request *r)
{
    campaign_command(r, mu_server_pause);
}

void api_campaigns_resume(struct api_request *r)
{
    campaign_command(r, mu_server_resume);
}

void api_campaigns_cancel(struct api_request *r)
{
    campaign_command(r, mu_server_cancel);
}
