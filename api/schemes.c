/* SPDX-License-Identifier: Apache-2.0 */
/* How the keys of groups change, over HTTP: docs/key-schemes.md. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "net/exchange.h"

#define TRACE_MAX (4u * 1024u * 1024u) /* bytes of a clone's memory */
#define HITS_MAX 64
#define NAMES_MAX 1000 /* of one hit */

static const char *kind_name(uint8_t kind)
{
    return kind == MU_SCHEME_NONE ? "none yet"
                                  : mu_scheme_name((enum mu_scheme_kind)kind);
}

/* ---- a new group -------------------------------------------------------- */

/* A number of the body, or `otherwise`; answers 400 and false when bad. */
static bool number_read(struct api_request *r, const json_t *body,
                        const char *name, uint32_t max, uint32_t otherwise,
                        uint32_t *out)
{
    const json_t *v = json_object_get(body, name);
    *out = otherwise;
    if (v == NULL)
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        json_integer_value(v) > max) {
        api_error(r, 400, "%s: a number up to %u is wanted", name, max);
        return false;
    }
    *out = (uint32_t)json_integer_value(v);
    return true;
}

/* What the shape of a scheme lacks; answers 400. */
static bool shape_check(struct api_request *r, const struct mu_group_scheme *s)
{
    if (s->kind == MU_SCHEME_CLUSTER && s->clusters == 0)
        api_error(r, 400, "clusters: how many? 1 to %d", MU_CLUSTERS_MAX);
    else if (s->kind == MU_SCHEME_LADDER && s->levels == 0)
        api_error(r, 400, "levels: how many? 1 to %d", MU_LADDER_LEVELS_MAX);
    else if (s->degree == 1)
        api_error(r, 400, "degree: 2 to %d", MU_LKH_DEGREE_MAX);
    else
        return true;
    return false;
}

/* By which key exchanges its members have to have come; answers 400. */
static bool methods_read(struct api_request *r, const json_t *body,
                         uint8_t *methods)
{
    const json_t *v = json_object_get(body, "key_exchange");
    *methods = 0;
    if (v == NULL)
        return true;
    if (!json_is_string(v) ||
        mu_exchange_methods_parse(json_string_value(v), methods) != 0) {
        api_error(r, 400, "key_exchange: a list of psk, rsa, rsa-r, dhsign, "
                          "dhmac");
        return false;
    }
    return true;
}

bool api_scheme_read(struct api_request *r, const json_t *body,
                     struct mu_group_scheme *out)
{
    const char *name = json_string_value(json_object_get(body, "scheme"));
    uint32_t degree, levels;
    *out = (struct mu_group_scheme){.kind = MU_SCHEME_UNICAST};
    if (json_object_get(body, "scheme") != NULL) {
        out->kind = name == NULL ? MU_SCHEME_NONE
                                 : (uint8_t)mu_scheme_kind(mu_bytes_str(name));
        if (out->kind == MU_SCHEME_NONE &&
            (name == NULL || strcmp(name, "auto") != 0)) {
            api_error(r, 400, "scheme: unicast, cluster, ladder, lkh, cs, sd "
                              "or auto");
            return false;
        }
    }
    if (!number_read(r, body, "members_max", MU_SCHEME_POSITIONS_MAX, 0,
                     &out->members_max) ||
        !number_read(r, body, "clusters", MU_CLUSTERS_MAX, 0,
                     &out->clusters) ||
        !number_read(r, body, "levels", MU_LADDER_LEVELS_MAX, 0, &levels) ||
        !number_read(r, body, "degree", MU_LKH_DEGREE_MAX, 0, &degree) ||
        !number_read(r, body, "key_quorum_permille", 1000, 1000,
                     &out->key_quorum_permille) ||
        !number_read(r, body, "key_deadline_s", 315360000, 60,
                     &out->key_deadline_s) ||
        !number_read(r, body, "leaves_per_day", UINT32_MAX, 0,
                     &out->leaves_per_day) ||
        !number_read(r, body, "joins_per_day", UINT32_MAX, 0,
                     &out->joins_per_day) ||
        !number_read(r, body, "sleepers_permille", 1000, 0,
                     &out->sleepers_permille))
        return false;
    out->mikey = json_is_true(json_object_get(body, "mikey"));
    if (out->mikey && out->kind != MU_SCHEME_UNICAST) {
        api_error(r, 400, "mikey: MSKs go to each device by itself, so no "
                          "scheme but unicast");
        return false;
    }
    if (!methods_read(r, body, &out->methods))
        return false;
    out->degree = (uint8_t)degree;
    out->levels = (uint8_t)levels;
    return shape_check(r, out);
}

void api_scheme_write(json_t *group, const struct mu_group_view *v)
{
    json_object_set_new(group, "scheme", json_string(kind_name(v->scheme)));
    json_object_set_new(group, "auto", json_boolean(v->automatic));
    json_object_set_new(group, "mikey", json_boolean(v->mikey));
    if (v->methods != 0) {
        char list[MU_EXCHANGE_LIST_TEXT];
        mu_exchange_methods_text(v->methods, list);
        json_object_set_new(group, "key_exchange", json_string(list));
    }
    json_object_set_new(group, "dormant", json_integer((json_int_t)v->dormant));
    if (v->base == 0)
        return;
    if (v->automatic)
        json_object_set_new(group, "reason",
                            json_string(mu_scheme_reason_text(
                                (enum mu_scheme_reason)v->reason)));
    json_object_set_new(group, "base", json_integer((json_int_t)v->base));
    json_object_set_new(group, "gone", json_integer(v->gone));
    json_object_set_new(group, "key_quorum_permille",
                        json_integer(v->wish.key_quorum_permille));
    json_object_set_new(group, "key_deadline_s",
                        json_integer(v->wish.key_deadline_s));
    if (v->wish.members_max != 0)
        json_object_set_new(group, "members_max",
                            json_integer(v->wish.members_max));
}

bool api_where_read(struct api_request *r, const json_t *body, uint16_t *where)
{
    uint32_t cluster, level;
    *where = MU_WHERE_ANY;
    if (!number_read(r, body, "cluster", MU_CLUSTERS_MAX - 1, UINT32_MAX,
                     &cluster) ||
        !number_read(r, body, "level", MU_LADDER_LEVELS_MAX, UINT32_MAX,
                     &level))
        return false;
    if (cluster != UINT32_MAX)
        *where = (uint16_t)cluster;
    else if (level != UINT32_MAX)
        *where = (uint16_t)level;
    return true;
}

/* ---- what a leave costs -------------------------------------------------- */

static json_t *cost_json(const struct mu_scheme_cost *c, bool exact)
{
    return json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:b}", "scheme",
                     mu_scheme_name(c->kind), "exact", exact,
                     "multicast_bytes", (json_int_t)c->multicast_bytes,
                     "wraps", (json_int_t)c->wraps, "personal",
                     (json_int_t)c->personal, "personal_bytes",
                     (json_int_t)c->personal_bytes, "device_bytes",
                     (json_int_t)c->device_bytes, "server_bytes",
                     (json_int_t)c->server_bytes, "day_bytes",
                     (json_int_t)c->day_bytes, "stateless", c->stateless,
                     "fits", c->fits);
}

static json_t *leave_json(const struct mu_leave_cost *c, const char *id)
{
    json_t *leave = json_pack("{s:I,s:I,s:I,s:I}", "wraps",
                              (json_int_t)c->wraps, "parts",
                              (json_int_t)c->parts, "bytes",
                              (json_int_t)c->bytes, "personal",
                              (json_int_t)c->personal);
    if (id != NULL)
        json_object_set_new(leave, "id", json_string(id));
    return leave;
}

/* What there is to say of the group's own trees. */
static json_t *trees_json(const struct mu_group_explain *e)
{
    const double of = e->of != 0 ? e->of : 1;
    json_t *trees = json_pack(
        "{s:b,s:I,s:I,s:I,s:b,s:o,s:o,s:{s:f,s:f,s:f}}", "rebuild", e->rebuild,
        "waiting", (json_int_t)e->waiting, "members", (json_int_t)e->members,
        "state_bytes", (json_int_t)e->state_bytes, "sampled", e->sampled,
        "least", leave_json(&e->least, e->least_id), "most",
        leave_json(&e->most, e->most_id), "mean", "wraps",
        (double)e->wraps / of, "bytes", (double)e->bytes / of, "personal",
        (double)e->personal / of);
    if (e->leavers != 0) {
        json_t *batch = leave_json(&e->batch, NULL);
        json_object_set_new(batch, "leavers", json_integer(e->leavers));
        json_object_set_new(trees, "batch", batch);
    }
    return trees;
}

static json_t *facts_json(const struct mu_scheme_facts *f)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I}", "members", (json_int_t)f->members,
        "leaves_per_day", (json_int_t)f->leaves_per_day, "joins_per_day",
        (json_int_t)f->joins_per_day, "sleepers_permille",
        (json_int_t)f->sleepers_per_mille, "device_bytes",
        (json_int_t)f->device_bytes, "gone", (json_int_t)f->gone);
}

void api_groups_explain(struct api_request *r)
{
    struct mu_group_explain e;
    uint64_t leavers;
    if (!api_query_number(r, "leavers", MU_SCHEME_POSITIONS_MAX, 0, &leavers))
        return;
    int rc = mu_server_group_explain(api_server(r), mu_bytes_str(r->args[0]),
                                     (uint32_t)leavers, &e);
    if (rc == MU_ERR_USAGE) {
        api_error(r, 400, "the group has not so many members");
        return;
    }
    if (rc != 0) {
        api_refuse(r, rc, "group");
        return;
    }
    json_t *costs = json_array();
    for (size_t i = 0; i < sizeof e.costs / sizeof e.costs[0]; i++)
        json_array_append_new(
            costs, cost_json(&e.costs[i],
                             e.exact && e.costs[i].kind ==
                                            (enum mu_scheme_kind)e.in_use));
    json_t *answer = json_pack(
        "{s:s,s:o,s:o,s:s,s:s}", "in_use", kind_name(e.in_use), "facts",
        facts_json(&e.facts), "schemes", costs, "auto",
        mu_scheme_name(e.choice.kind), "reason",
        mu_scheme_reason_text(e.choice.reason));
    if (e.exact)
        json_object_set_new(answer, "trees", trees_json(&e));
    api_answer(r, 200, answer);
}

/* ---- whose keys are in a clone ------------------------------------------- */

static json_t *hit_json(struct api_request *r, const struct mu_server_hit *hit)
{
    char identity[MU_ID_MAX + 1] = "";
    uint32_t at = 0;
    bool left;
    json_t *names = json_array();
    while (json_array_size(names) < NAMES_MAX &&
           mu_server_trace_next(api_server(r), mu_bytes_str(r->args[0]), hit,
                                &at, identity, &left) == 0)
        json_array_append_new(names, json_pack("{s:s,s:b}", "id", identity,
                                               "left", left));
    return json_pack("{s:I,s:I,s:I,s:I,s:b,s:o}", "slot",
                     (json_int_t)hit->slot, "places", (json_int_t)hit->count,
                     "base", (json_int_t)hit->base, "until",
                     (json_int_t)hit->until, "present", hit->present,
                     "devices", names);
}

/* The dump is looked through and forgotten: nothing of it is stored. */
void api_groups_trace(struct api_request *r)
{
    struct mu_server_hit hits[HITS_MAX];
    size_t len = 0;
    int rc = r->body_len > TRACE_MAX ? MU_ERR_TOO_LARGE : 0;
    if (r->body_len == 0) {
        api_error(r, 400, "the memory of a clone is wanted");
        return;
    }
    if (rc == 0)
        rc = mu_server_group_trace(
            api_server(r), mu_bytes_str(r->args[0]),
            mu_bytes((const uint8_t *)r->body, r->body_len), hits, HITS_MAX,
            &len);
    mu_wipe((uint8_t *)r->body, r->body_len);
    if (rc == MU_ERR_TOO_LARGE && len == 0) {
        api_error(r, 413, "at most 4 MiB; where keys of lkh are looked for "
                          "leaf by leaf, 64 KiB");
        return;
    }
    if (rc == MU_ERR_UNSUPPORTED) {
        api_error(r, 400, "groups with the schemes sd, cs and lkh can be "
                          "traced, once they have a key");
        return;
    }
    if (rc != 0 && rc != MU_ERR_FULL && rc != MU_ERR_TOO_LARGE) {
        /* full: these, and others */
        api_refuse(r, rc, "trace");
        return;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < len; i++)
        json_array_append_new(rows, hit_json(r, &hits[i]));
    api_answer(r, 200, json_pack("{s:o}", "hits", rows));
}
