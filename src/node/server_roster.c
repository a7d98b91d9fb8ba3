/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is a member of a group with a scheme, by area: what a rekey has instead
 * of a walk over members (docs/key-schemes.md, "In the programs").
 *
 * A record is about 256 area indexes of one gateway. It has a version: opening
 * a rekey ends one, and the first change of a record after that leaves it as it
 * was beside the new one. So the targets of a campaign need no records of
 * their own until something is known of them, and a departure writes a few
 * records whatever the size of the group. All of it follows from the members'
 * records, and is made anew with new trees when it is damaged.
 */
#include "node/server_core.h"

static uint8_t chunk_of(uint16_t index)
{
    return (uint8_t)(index / MU_ROSTER_CHUNK);
}

static bool bit_of(const uint8_t bits[MU_ROSTER_CHUNK / 8], uint16_t index)
{
    return mu_bit_get(mu_bytes(bits, MU_ROSTER_CHUNK / 8),
                      index % MU_ROSTER_CHUNK);
}

/* ---- records ---------------------------------------------------------------- */

/* One that is not there yet is empty. */
static int roster_get(struct mu_server *s, uint32_t group, uint32_t gateway,
                      uint8_t chunk, struct mu_roster_record *r, bool *found)
{
    struct mu_record_key k = mu_record_key_roster(group, gateway, chunk);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    *r = (struct mu_roster_record){.since = 0};
    *found = rc == 0;
    if (rc == MU_ERR_NOT_FOUND)
        return 0;
    return rc == 0 ? mu_roster_record_read(value, r) : rc;
}

static void roster_put(struct mu_server *s, const struct mu_record_key *k,
                       const struct mu_roster_record *r)
{
    uint8_t room[sizeof *r + 8];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_roster_record_write(&w, r);
    mu_srv_put_merged(s, MU_TABLE_SCHEME, k, &w);
}

static int areas_get(struct mu_server *s, uint32_t group, uint16_t part,
                     struct mu_areas_record *a)
{
    struct mu_record_key k = mu_record_key_areas(group, part);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    *a = (struct mu_areas_record){.base = 0};
    if (rc == MU_ERR_NOT_FOUND)
        return 0;
    return rc == 0 ? mu_areas_record_read(value, a) : rc;
}

static void areas_put(struct mu_server *s, uint32_t group, uint16_t part,
                      const struct mu_areas_record *a)
{
    struct mu_record_key k = mu_record_key_areas(group, part);
    uint8_t room[sizeof *a + 16];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_areas_record_write(&w, a);
    mu_srv_put_merged(s, MU_TABLE_SCHEME, &k, &w);
}

/* What was ready in other trees is not in these. */
static void areas_base(struct mu_areas_record *a, uint64_t base)
{
    if (a->base == base)
        return;
    a->base = base;
    for (unsigned i = 0; i < MU_ROSTER_CHUNK; i++)
        a->ready[i] = 0;
}

static void roster_base(struct mu_roster_record *r, uint64_t base)
{
    if (r->base == base)
        return;
    r->base = base;
    mu_zero(r->ready, sizeof r->ready);
}

/* ---- changes ---------------------------------------------------------------- */

/* The record as it was is kept for the campaigns that are about it. */
static void roster_keep(struct mu_server *s, uint32_t group, uint64_t version,
                        uint32_t gateway, uint8_t chunk,
                        struct mu_roster_record *r, bool found)
{
    struct mu_record_key k =
        mu_record_key_past(group, gateway, chunk, version);

    if (found && r->since <= version) {
        roster_put(s, &k, r);
        r->kept = version;
    }
    r->since = version + 1;
}

/* A member comes or goes. Damage is for new trees to heal. */
int mu_srv_roster_put(struct mu_server *s, uint32_t group,
                      struct mu_scheme_record *sc, uint32_t gateway,
                      uint16_t index, bool member)
{
    const uint8_t chunk = chunk_of(index);
    const unsigned at = index % MU_ROSTER_CHUNK;
    struct mu_record_key k = mu_record_key_roster(group, gateway, chunk);
    struct mu_roster_record r;
    struct mu_areas_record a;
    uint16_t *members = &a.members[gateway % MU_ROSTER_CHUNK];
    uint16_t *ready = &a.ready[gateway % MU_ROSTER_CHUNK];
    bool found;
    int rc = roster_get(s, group, gateway, chunk, &r, &found);

    if (rc == 0)
        rc = areas_get(s, group, (uint16_t)(gateway / MU_ROSTER_CHUNK), &a);
    if (rc == MU_ERR_CORRUPT) {
        sc->heal = sc->rebuild = true;
        return 0;
    }
    if (rc != 0 || bit_of(r.members, index) == member)
        return rc;
    roster_keep(s, group, sc->roster, gateway, chunk, &r, found);
    roster_base(&r, sc->base);
    areas_base(&a, sc->base);
    if (bit_of(r.ready, index) && *ready > 0)
        --*ready;
    mu_bit_put(r.members, at, member);
    mu_bit_put(r.ready, at, false);
    *members = (uint16_t)(*members + (member ? 1 : *members > 0 ? -1 : 0));
    if (*ready > *members)
        *ready = *members;
    roster_put(s, &k, &r);
    areas_put(s, group, (uint16_t)(gateway / MU_ROSTER_CHUNK), &a);
    return 0;
}

/* It proved to have a state of the trees. Versions are not about that. */
int mu_srv_roster_ready(struct mu_server *s, uint32_t group, uint64_t base,
                        uint32_t gateway, uint16_t index)
{
    const uint8_t chunk = chunk_of(index);
    struct mu_record_key k = mu_record_key_roster(group, gateway, chunk);
    struct mu_roster_record r;
    struct mu_areas_record a;
    bool found;
    int rc = roster_get(s, group, gateway, chunk, &r, &found);

    if (rc == 0)
        rc = areas_get(s, group, (uint16_t)(gateway / MU_ROSTER_CHUNK), &a);
    if (rc != 0)
        return rc == MU_ERR_CORRUPT ? 0 : rc; /* it is told apart, then */
    if (!bit_of(r.members, index))
        return 0;
    roster_base(&r, base);
    areas_base(&a, base);
    if (bit_of(r.ready, index))
        return 0;
    mu_bit_put(r.ready, index % MU_ROSTER_CHUNK, true);
    a.ready[gateway % MU_ROSTER_CHUNK]++;
    roster_put(s, &k, &r);
    areas_put(s, group, (uint16_t)(gateway / MU_ROSTER_CHUNK), &a);
    return 0;
}

/* ---- reading ---------------------------------------------------------------- */

int mu_srv_roster_areas(struct mu_server *s, uint32_t group, uint64_t base,
                        uint8_t *gateways, uint8_t *told,
                        struct mu_roster_sum *sum)
{
    struct mu_areas_record a;

    *sum = (struct mu_roster_sum){.members = 0};
    for (uint32_t n = 1; n <= s->gateways_len; n++) {
        const unsigned at = n % MU_ROSTER_CHUNK;

        if (at == 0 || n == 1) {
            int rc = areas_get(s, group, (uint16_t)(n / MU_ROSTER_CHUNK), &a);
            if (rc != 0)
                return rc;
            areas_base(&a, base);
        }
        mu_bit_put(gateways, n - 1, a.members[at] != 0);
        mu_bit_put(told, n - 1, a.members[at] > a.ready[at]);
        sum->members += a.members[at];
        sum->ready += a.ready[at];
    }
    return 0;
}

/* A record as it was in a version. MU_ERR_NOT_FOUND: there was none. */
static int roster_at(struct mu_server *s, uint32_t group, uint64_t version,
                     uint32_t gateway, uint8_t chunk,
                     struct mu_roster_record *r)
{
    bool found;
    int rc = roster_get(s, group, gateway, chunk, r, &found);

    if (rc == 0 && !found)
        return MU_ERR_NOT_FOUND;
    while (rc == 0 && r->since > version) {
        struct mu_record_key k =
            mu_record_key_past(group, gateway, chunk, r->kept);
        struct mu_bytes value;

        if (r->kept < version || r->kept >= r->since)
            return MU_ERR_NOT_FOUND; /* nobody yet */
        rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);
        if (rc == 0)
            rc = mu_roster_record_read(value, r);
    }
    return rc;
}

/* ---- targets ---------------------------------------------------------------- */

static int target_stored(struct mu_server *s, const uint8_t *campaign,
                         uint32_t gateway, uint16_t index,
                         struct mu_target_record *t)
{
    struct mu_record_key k = mu_record_key_target(campaign, gateway, index);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_TARGET, &k, &value);

    if (rc == 0)
        rc = mu_target_record_read(value, t);
    if (rc != 0)
        *t = (struct mu_target_record){{0}, {0}};
    return rc;
}

int mu_srv_target_get(struct mu_server *s, const struct mu_campaign_record *c,
                      uint32_t gateway, uint16_t index,
                      struct mu_target_record *t)
{
    struct mu_roster_record r;
    int rc = target_stored(s, c->id, gateway, index, t);

    if (rc != MU_ERR_NOT_FOUND || c->roster == 0)
        return rc;
    rc = roster_at(s, c->group, c->roster, gateway, chunk_of(index), &r);
    if (rc != 0)
        return rc;
    roster_base(&r, c->base);
    for (uint16_t i = 0; i < MU_TARGETS; i++)
        if (bit_of(r.members, i))
            t->state[i] =
                (uint8_t)(MU_TARGET_MEMBER |
                          (bit_of(r.ready, i) ? 0 : MU_TARGET_TOLD));
    return 0;
}

void mu_srv_target_put(struct mu_server *s, const uint8_t *campaign,
                       uint32_t gateway, uint16_t index,
                       const struct mu_target_record *t)
{
    struct mu_record_key k = mu_record_key_target(campaign, gateway, index);
    uint8_t room[2 * MU_TARGETS + 8];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_target_record_write(&w, t);
    mu_srv_put_merged(s, MU_TABLE_TARGET, &k, &w);
}

/* All records of targets by chunk: the first above *key. */
static int target_next(struct mu_server *s, const uint8_t *campaign,
                       struct mu_record_key *key, uint32_t *gateway,
                       uint16_t *first, struct mu_target_record *t)
{
    struct mu_bytes value;
    struct mu_reader r;
    int rc = mu_srv_next(s, MU_TABLE_TARGET, key, &value);

    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    r = mu_reader(mu_record_key_view(key));
    if (!mu_bytes_eq(mu_read_bytes(&r, MU_CAMPAIGN_ID),
                     mu_bytes(campaign, MU_CAMPAIGN_ID)))
        return MU_ERR_NOT_FOUND;
    *gateway = mu_read_u32(&r);
    *first = (uint16_t)(mu_read_u16(&r) * MU_TARGETS);
    if (rc != 0 || mu_reader_end(&r) != 0)
        return MU_ERR_CORRUPT;
    return target_stored(s, campaign, *gateway, *first, t);
}

/* The same of a roster: a record of somebody, then or now. */
static int chunk_next(struct mu_server *s, const struct mu_campaign_record *c,
                      struct mu_record_key *key, uint32_t *gateway,
                      uint16_t *first, struct mu_target_record *t)
{
    struct mu_bytes value;
    struct mu_reader r;
    int rc = mu_srv_next(s, MU_TABLE_SCHEME, key, &value);

    if (rc != 0 && rc != MU_ERR_CORRUPT)
        return rc;
    r = mu_reader(mu_record_key_view(key));
    if (mu_read_u32(&r) != c->group || mu_read_u8(&r) != 'r')
        return MU_ERR_NOT_FOUND;
    *gateway = mu_read_u32(&r);
    *first = (uint16_t)(mu_read_u8(&r) * MU_TARGETS);
    if (rc != 0 || mu_reader_end(&r) != 0)
        return MU_ERR_CORRUPT;
    rc = mu_srv_target_get(s, c, *gateway, *first, t);
    return rc == MU_ERR_NOT_FOUND ? 0 : rc; /* nobody then */
}

static void counts_zero(struct mu_campaign_record *r)
{
    r->members = r->received = r->verified = r->installed = 0;
    r->running = r->failed = r->revoked = 0;
}

int mu_srv_targets_count(struct mu_server_campaign *c)
{
    struct mu_server *s = c->server;
    struct mu_campaign_record *r = &c->rec;
    struct mu_record_key k =
        r->roster != 0 ? mu_record_key_roster(r->group, 0, 0)
                       : mu_record_key_campaign(r->id);
    struct mu_target_record t;
    uint32_t gateway;
    uint16_t first;

    counts_zero(r);
    mu_zero(c->gateways, s->conf.gateways_max / 8u + 1);
    for (;;) {
        int rc = r->roster != 0
                     ? chunk_next(s, r, &k, &gateway, &first, &t)
                     : target_next(s, r->id, &k, &gateway, &first, &t);
        if (rc == MU_ERR_NOT_FOUND)
            return 0;
        if (rc == MU_ERR_CORRUPT) {
            mu_srv_trace(s, "targets-damaged", gateway, first);
            continue;
        }
        if (rc != 0)
            return rc;
        for (unsigned i = 0; i < MU_TARGETS; i++) {
            mu_srv_campaign_count(r, t.state[i], 1);
            if ((t.state[i] & MU_TARGET_MEMBER) != 0 && gateway != 0 &&
                gateway <= s->conf.gateways_max)
                mu_bit_put(c->gateways, gateway - 1, true);
        }
    }
}

int mu_srv_targets_count_of(struct mu_server_campaign *c, uint32_t members)
{
    struct mu_campaign_record *r = &c->rec;
    struct mu_record_key k = mu_record_key_campaign(r->id);
    struct mu_target_record t;
    uint32_t gateway;
    uint16_t first;
    int rc;

    counts_zero(r);
    while ((rc = target_next(c->server, r->id, &k, &gateway, &first, &t)) !=
           MU_ERR_NOT_FOUND) {
        if (rc == MU_ERR_CORRUPT) {
            mu_srv_trace(c->server, "targets-damaged", gateway, first);
            continue;
        }
        if (rc != 0)
            return rc;
        for (unsigned i = 0; i < MU_TARGETS; i++)
            mu_srv_campaign_count(r, t.state[i], 1);
    }
    r->members = members; /* the others have no record yet */
    return 0;
}

/* Those of a chunk who are neither running nor out. */
static void missing_add(const struct mu_target_record *t, uint32_t first,
                        bool told, uint8_t *who)
{
    for (unsigned i = 0; i < MU_TARGETS; i++)
        if ((t->state[i] & MU_TARGET_MEMBER) != 0 &&
            (t->state[i] & (MU_TARGET_REVOKED | MU_STATE_RUNNING)) == 0 &&
            (!told || (t->state[i] & MU_TARGET_TOLD) != 0))
            mu_bit_put(who, first + i, true);
}

int mu_srv_targets_missing(struct mu_server_campaign *c, uint32_t gateway,
                           bool told, uint8_t who[MU_AREA_DEVICES_MAX / 8])
{
    struct mu_server *s = c->server;
    struct mu_gateway_record g;
    struct mu_target_record t;
    int rc = mu_srv_gateway_get(s, gateway, &g);

    for (uint32_t first = 0; rc == 0 && first < g.next_index;
         first += MU_TARGETS) {
        rc = mu_srv_target_get(s, &c->rec, gateway, (uint16_t)first, &t);
        if (rc == 0)
            missing_add(&t, first, told, who);
        else if (rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT)
            rc = 0;
    }
    return rc;
}

/* ---- places ----------------------------------------------------------------- */

int mu_srv_places_get(struct mu_server *s, uint32_t group, uint64_t base,
                      uint32_t chunk, struct mu_places_record *p)
{
    struct mu_record_key k = mu_record_key_places(group, base, chunk);
    struct mu_bytes value;
    int rc = mu_srv_get(s, MU_TABLE_SCHEME, &k, &value);

    if (rc == 0)
        rc = mu_places_record_read(value, p);
    if (rc != 0)
        mu_zero(p, sizeof *p);
    return rc;
}

void mu_srv_places_put(struct mu_server *s, uint32_t group, uint64_t base,
                       uint32_t chunk, const struct mu_places_record *p)
{
    struct mu_record_key k = mu_record_key_places(group, base, chunk);
    uint8_t room[sizeof *p + 8];
    struct mu_writer w = mu_writer(room, sizeof room);

    mu_places_record_write(&w, p);
    mu_srv_put_merged(s, MU_TABLE_SCHEME, &k, &w);
}
