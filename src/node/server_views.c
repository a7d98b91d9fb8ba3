/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator sees: lists, walked one entry a call. Never a secret. */
#include "node/server_core.h"

static void view_text(char *to, const uint8_t *from, size_t len, size_t max)
{
    len = len < max ? len : max;
    mu_copy(to, from, len);
    to[len] = '\0';
}

/* ---- campaigns ------------------------------------------------------------- */

static int campaign_view(struct mu_server *s, uint64_t number,
                         const struct mu_campaign_record *r,
                         struct mu_campaign_view *out)
{
    struct mu_group_record g;
    int rc = mu_srv_group_get(s, r->group, &g);

    *out = (struct mu_campaign_view){
        .number = number,
        .what = r->what,
        .parts = r->parts,
        .group = r->group,
        .version = r->version,
        .size = r->size,
        .phase = r->phase,
        .members = r->members,
        .received = r->received,
        .verified = r->verified,
        .installed = r->installed,
        .running = r->running,
        .failed = r->failed,
        .revoked = r->revoked,
        .quorum_permille = r->quorum_permille,
        .deadline_s = r->deadline_s,
        .acks_ride = r->acks_ride,
        .elapsed_s = r->elapsed_s,
        .pages = r->what != MU_CAMPAIGN_OBJECT
                     ? 0
                     : mu_cast_pages(&r->shape, r->size),
        .shape = r->shape,
        .edition = r->edition,
        .late = r->phase < MU_CAMPAIGN_DONE ? r->late : 0,
        .late_by_s = r->phase < MU_CAMPAIGN_DONE ? r->late_by : 0,
        .reports_refused = r->refused,
    };
    mu_copy(out->campaign, r->id, sizeof out->campaign);
    /* That of a key is what its holders prove to know. */
    if (r->what != MU_CAMPAIGN_KEY)
        mu_copy(out->digest, r->digest, sizeof out->digest);
    view_text(out->name, r->name, r->name_len, MU_NAME_MAX);
    if (rc == 0)
        view_text(out->group_name, g.name, g.name_len, MU_NAME_MAX);
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

static int slot_view(const struct mu_server_campaign *c,
                     struct mu_campaign_view *out)
{
    int rc = campaign_view(c->server, c->number, &c->rec, out);

    if (mu_srv_campaign_at_work(c))
        out->elapsed_s = mu_srv_campaign_elapsed(c);
    /* Before they are counted, the numbers mean nothing. */
    if (c->stage == MU_STAGE_TARGETS ||
        (c->stage == MU_STAGE_RESUME && !c->rec.cut))
        out->members = out->received = out->verified = out->installed =
            out->running = out->failed = out->revoked = 0;
    if (!mu_srv_campaign_is_inline(c))
        out->page = c->stored_page;
    if (c->sending)
        out->page = mu_cast_sender_page(&c->sender);
    mu_srv_cast_counts(c, &out->wide);
    return rc;
}

static int number_view(struct mu_server *s, uint64_t number,
                       struct mu_campaign_view *out)
{
    struct mu_record_key k = mu_record_key_long(number);
    struct mu_bytes value;
    int rc;

    for (uint16_t i = 0; i < s->campaigns_len; i++)
        if (s->campaigns[i].used && s->campaigns[i].number == number)
            return slot_view(&s->campaigns[i], out);
    rc = mu_srv_get(s, MU_TABLE_CAMPAIGN, &k, &value);
    if (rc == 0)
        rc = mu_campaign_record_read(value, &s->loading);
    if (rc == 0)
        rc = campaign_view(s, number, &s->loading, out);
    if (rc == 0)
        mu_srv_cast_counts_get(s, out->campaign, &out->wide);
    return rc;
}

int mu_server_campaign_next(struct mu_server *s, uint64_t after,
                            struct mu_campaign_view *out)
{
    struct mu_record_key k = mu_record_key_long(after);
    struct mu_bytes value;
    struct mu_reader r;
    int rc;

    do {
        rc = mu_srv_next(s, MU_TABLE_CAMPAIGN, &k, &value);
        if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_IO)
            return rc;
        r = mu_reader(mu_record_key_view(&k));
        if (rc == 0)
            rc = number_view(s, mu_read_u64(&r), out);
    } while (rc == MU_ERR_CORRUPT);
    return rc;
}

int mu_server_campaign_get(struct mu_server *s, const uint8_t campaign[8],
                           struct mu_campaign_view *out)
{
    struct mu_record_key k = mu_record_key_campaign(campaign);
    struct mu_bytes value;
    uint64_t number;
    int rc = mu_srv_get(s, MU_TABLE_SEEN, &k, &value);

    if (rc == 0)
        rc = mu_number_record_read(value, &number);
    return rc == 0 ? number_view(s, number, out) : rc;
}

int mu_server_area_next(struct mu_server *s, const uint8_t campaign[8],
                        uint32_t after, struct mu_area_view *out)
{
    struct mu_record_key k = mu_record_key_tally(campaign, after);
    const struct mu_server_gateway *gw;
    struct mu_bytes value;
    struct mu_reader r;
    int rc;

    do {
        rc = mu_srv_next(s, MU_TABLE_SEEN, &k, &value);
        if (rc != 0 && rc != MU_ERR_CORRUPT)
            return rc;
        r = mu_reader(mu_record_key_view(&k));
        if (!mu_bytes_eq(mu_read_bytes(&r, MU_CAMPAIGN_ID),
                         mu_bytes(campaign, MU_CAMPAIGN_ID)) ||
            mu_read_u8(&r) != 't')
            return MU_ERR_NOT_FOUND;
        *out = (struct mu_area_view){.number = mu_read_u32(&r)};
        if (rc == 0)
            rc = mu_tally_record_read(value, &out->tally);
    } while (rc == MU_ERR_CORRUPT);
    mu_copy(out->tally.campaign, campaign, MU_CAMPAIGN_ID);
    gw = mu_srv_gateway(s, out->number);
    if (gw != NULL)
        view_text(out->gateway, gw->identity, gw->identity_len, MU_ID_MAX);
    return rc;
}

/* At work or ended. A view until another record is looked at. */
static int campaign_find(struct mu_server *s, const uint8_t campaign[8],
                         const struct mu_campaign_record **r)
{
    const struct mu_server_campaign *c = mu_srv_campaign_find(s, campaign);
    struct mu_record_key k = mu_record_key_campaign(campaign);
    struct mu_bytes value;
    uint64_t number;
    int rc;

    if (c != NULL) {
        *r = &c->rec;
        return 0;
    }
    *r = &s->loading;
    rc = mu_srv_get(s, MU_TABLE_SEEN, &k, &value);
    if (rc == 0)
        rc = mu_number_record_read(value, &number);
    if (rc != 0)
        return rc;
    k = mu_record_key_long(number);
    rc = mu_srv_get(s, MU_TABLE_CAMPAIGN, &k, &value);
    return rc == 0 ? mu_campaign_record_read(value, &s->loading) : rc;
}

/* Who is a target; and of an object that is over, who came afterwards and does
 * not have it. */
static bool target_told(const struct mu_campaign_record *r,
                        struct mu_device_record *d, uint8_t state)
{
    return (state & MU_TARGET_MEMBER) != 0 ||
           (r->what == MU_CAMPAIGN_OBJECT && r->phase >= MU_CAMPAIGN_DONE &&
            !d->revoked && mu_device_record_group(d, r->group) != NULL);
}

int mu_server_target_next(struct mu_server *s, const uint8_t campaign[8],
                          struct mu_bytes after, struct mu_target_view *out)
{
    const struct mu_campaign_record *r;
    struct mu_record_key k;
    struct mu_device_record d;
    struct mu_target_record t;
    struct mu_bytes identity;
    int rc = campaign_find(s, campaign, &r);

    if (rc != 0)
        return rc;
    if (after.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    k = mu_record_key_member(r->group, after);
    while ((rc = mu_srv_member_next(s, r->group, true, &k, &identity)) == 0) {
        unsigned at;
        rc = mu_srv_device_get(s, identity, &d);
        if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
            continue;
        if (rc == 0)
            rc = mu_srv_target_get(s, r, d.gateway, d.index, &t);
        if (rc == MU_ERR_CORRUPT)
            continue;
        if (rc == MU_ERR_NOT_FOUND)
            t.state[d.index % MU_TARGETS] = t.reason[d.index % MU_TARGETS] = 0;
        else if (rc != 0)
            return rc;
        at = d.index % MU_TARGETS;
        if (!target_told(r, &d, t.state[at]))
            continue;
        *out = (struct mu_target_view){
            .state = t.state[at] & MU_TARGET_STATE,
            .reason = t.reason[at],
            .revoked = (t.state[at] & MU_TARGET_REVOKED) != 0,
            .lied = (t.state[at] & MU_STATE_FAILED) == 0 &&
                    t.reason[at] == MU_TARGET_LIED,
            .later = (t.state[at] & MU_TARGET_MEMBER) == 0,
            .never = !d.capable,
        };
        view_text(out->identity, identity.data, identity.len, MU_ID_MAX);
        return 0;
    }
    return rc;
}

/* ---- registry -------------------------------------------------------------- */

int mu_server_device_next(struct mu_server *s, struct mu_bytes after,
                          struct mu_device_view *out)
{
    struct mu_record_key k = {.len = after.len};
    const struct mu_server_connection *c;
    const struct mu_server_gateway *gw;
    struct mu_device_record d;
    struct mu_bytes value;
    int rc;

    if (after.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    mu_copy(k.bytes, after.data, after.len);
    do {
        rc = mu_srv_next(s, MU_TABLE_DEVICE, &k, &value);
        if (rc == 0)
            rc = mu_srv_device_get(s, mu_record_key_view(&k), &d);
    } while (rc == MU_ERR_CORRUPT);
    if (rc != 0)
        return rc;
    c = mu_srv_connection(s, mu_record_key_view(&k));
    *out = (struct mu_device_view){
        .area_index = d.index,
        .revoked = d.revoked,
        .connected = c != NULL,
        .exchanged = c != NULL && c->exchanged,
        .method = c != NULL ? c->method : 0,
        .groups_len = d.groups_len,
    };
    if (d.capable) {
        out->object_max = d.capability.object_max;
        out->page_memory = d.capability.page_memory < UINT32_MAX
                               ? (uint32_t)d.capability.page_memory
                               : UINT32_MAX;
    }
    for (uint8_t i = 0; i < d.groups_len; i++)
        out->groups[i] = d.groups[i].number;
    view_text(out->identity, k.bytes, k.len, MU_ID_MAX);
    gw = mu_srv_gateway(s, d.gateway);
    if (gw != NULL)
        view_text(out->gateway, gw->identity, gw->identity_len, MU_ID_MAX);
    return 0;
}

int mu_server_gateway_next(struct mu_server *s, uint32_t after,
                           struct mu_gateway_view *out)
{
    struct mu_gateway_record g;
    int rc;

    for (uint32_t n = after + 1; n != 0 && n <= s->gateways_len; n++) {
        rc = mu_srv_gateway_get(s, n, &g);
        if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
            continue;
        if (rc != 0)
            return rc;
        if (g.removed)
            continue;
        *out = (struct mu_gateway_view){
            .number = n,
            .linked = s->gateways[n - 1].linked,
            .devices = g.devices,
        };
        view_text(out->identity, g.identity, g.identity_len, MU_ID_MAX);
        return 0;
    }
    return MU_ERR_NOT_FOUND;
}

/* ---- groups and keys ------------------------------------------------------- */

/* Members that proved to hold a generation. */
static uint32_t holders_walk(struct mu_server *s, uint32_t number,
                              uint64_t generation)
{
    struct mu_record_key k = mu_record_key_number(number);
    struct mu_device_record d;
    struct mu_bytes identity;
    uint32_t holders = 0;

    while (mu_srv_member_next(s, number, false, &k, &identity) == 0) {
        const struct mu_device_group *g;
        if (mu_srv_device_get(s, identity, &d) != 0)
            continue;
        g = mu_device_record_group(&d, number);
        if (g != NULL && g->held >= generation)
            holders++;
    }
    return holders;
}

static struct mu_server_holders *holders_of(struct mu_server *s,
                                            uint32_t group)
{
    for (unsigned i = 0; i < MU_SERVER_HOLDERS; i++)
        if (s->holders[i].group == group)
            return &s->holders[i];
    return NULL;
}

void mu_srv_holders_forget(struct mu_server *s)
{
    mu_zero(s->holders, sizeof s->holders);
}

void mu_srv_holders_none(struct mu_server *s, uint32_t group,
                         uint64_t generation)
{
    struct mu_server_holders *h = holders_of(s, group);

    if (h == NULL)
        h = &s->holders[s->holders_next++ % MU_SERVER_HOLDERS];
    *h = (struct mu_server_holders){group, generation, 0};
}

void mu_srv_holders_add(struct mu_server *s, uint32_t group, uint64_t before,
                        uint64_t held)
{
    struct mu_server_holders *h = holders_of(s, group);

    if (h != NULL && before < h->generation && held >= h->generation)
        h->count++;
}

void mu_srv_holders_leave(struct mu_server *s, uint32_t group, uint64_t held)
{
    struct mu_server_holders *h = holders_of(s, group);

    if (h != NULL && held >= h->generation && h->count > 0)
        h->count--;
}

static uint32_t group_holders(struct mu_server *s, uint32_t number,
                              uint64_t generation)
{
    struct mu_server_holders *h = holders_of(s, number);
    struct mu_group_record g;

    if (h != NULL && h->generation == generation)
        return h->count;
    /* Once after a start; keys of the past are not kept count of. */
    if (mu_srv_group_get(s, number, &g) != 0 ||
        mu_srv_group_newest(&g) != generation)
        return holders_walk(s, number, generation);
    mu_srv_holders_none(s, number, generation);
    h = holders_of(s, number);
    h->count = holders_walk(s, number, generation);
    return h->count;
}

static int group_view(struct mu_server *s, uint32_t number,
                      const struct mu_group_record *g,
                      struct mu_group_view *out)
{
    struct mu_scheme_record sc;
    int rc;

    *out = (struct mu_group_view){.number = number};
    out->mode = g->mode;
    out->generation = g->generation;
    out->members = g->members;
    out->dormant = g->dormant;
    out->mikey = g->mikey;
    out->methods = g->methods;
    out->scheme = MU_SCHEME_UNICAST;
    view_text(out->name, g->name, g->name_len, MU_NAME_MAX);
    if (!mu_srv_group_schemed(g))
        return 0;
    rc = mu_srv_scheme_get(s, number, &sc);
    out->scheme = rc == 0 ? sc.kind : g->scheme;
    out->automatic = g->scheme == MU_SCHEME_NONE;
    if (rc == 0) {
        out->base = sc.base;
        out->gone = sc.gone;
        out->reason = sc.reason;
        out->wish = sc.wish;
    }
    return rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND ? 0 : rc;
}

int mu_server_group_get(struct mu_server *s, struct mu_bytes name,
                        struct mu_group_view *out)
{
    struct mu_group_record g;
    uint32_t number;
    int rc = mu_srv_group_find(s, name, &number, &g);

    return rc == 0 ? group_view(s, number, &g, out) : rc;
}

int mu_server_group_next(struct mu_server *s, uint32_t after,
                         struct mu_group_view *out)
{
    struct mu_record_key k = mu_record_key_number(after);
    struct mu_group_record g;
    struct mu_bytes value;
    struct mu_reader r;
    uint32_t number;
    int rc;

    do {
        rc = mu_srv_next(s, MU_TABLE_GROUP, &k, &value);
        r = mu_reader(mu_record_key_view(&k));
        number = mu_read_u32(&r);
        if (rc == 0)
            rc = mu_srv_group_get(s, number, &g);
    } while (rc == MU_ERR_CORRUPT);
    if (rc == 0)
        rc = group_view(s, number, &g, out);
    if (rc == 0 && g.generation != 0)
        out->current = group_holders(s, number, mu_srv_group_newest(&g));
    return rc;
}

bool mu_server_gateway_known(const struct mu_server *s,
                             struct mu_bytes identity)
{
    return mu_srv_gateway_find(s, identity) != 0;
}

int mu_server_member_next(struct mu_server *s, uint32_t group,
                          struct mu_bytes after, char identity[MU_ID_MAX + 1])
{
    struct mu_record_key k;
    struct mu_bytes found;
    int rc;

    if (after.len > MU_ID_MAX)
        return MU_ERR_USAGE;
    k = mu_record_key_member(group, after);
    rc = mu_srv_member_next(s, group, false, &k, &found);
    if (rc == 0)
        view_text(identity, found.data, found.len, MU_ID_MAX);
    return rc;
}

static uint32_t key_holders(struct mu_server *s, const struct mu_kid *kid)
{
    uint32_t n = 0;

    if (kid->kind == MU_KEY_KB)
        return group_holders(s, kid->scope, kid->generation);
    if (kid->kind == MU_KEY_KW)
        for (uint32_t i = 0; i < s->gateways_len; i++)
            n += s->gateways[i].greeted ? 1 : 0;
    /* A content key is opened by whoever holds Kb and has the manifest. */
    for (uint16_t i = 0; kid->kind == MU_KEY_CEK && i < s->campaigns_len;
         i++)
        if (s->campaigns[i].used && s->campaigns[i].number == kid->generation)
            n += s->campaigns[i].rec.verified;
    return n;
}

int mu_server_key_next(struct mu_server *s, const struct mu_kid *after,
                       struct mu_key_view *out)
{
    struct mu_record_key k = {.len = 0};
    const struct mu_key_info *info;
    struct mu_key_record key;
    struct mu_bytes value;
    struct mu_reader r;
    int rc;

    if (after != NULL && after->kind != MU_KEY_NONE)
        k = mu_record_key_kid(after);
    do {
        rc = mu_srv_next(s, MU_TABLE_KEY, &k, &value);
        if (rc == 0)
            rc = mu_key_record_read(value, &key);
    } while (rc == MU_ERR_CORRUPT);
    if (rc != 0)
        return rc;
    r = mu_reader(mu_record_key_view(&k));
    *out = (struct mu_key_view){.kid = mu_kid_read(&r), .phase = key.phase};
    info = mu_key_info(out->kid.kind);
    out->kind_name = info != NULL ? info->name : "?";
    out->holders = key_holders(s, &out->kid);
    if (out->kid.kind == MU_KEY_KB && out->phase == MU_PHASE_ACTIVE)
        out->valid_s = mu_srv_key_valid_s(s);
    return 0;
}
