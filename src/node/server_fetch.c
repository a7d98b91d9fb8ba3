/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key fetch: what a device asks for inside OSCORE, and gets. The keys of its
 * groups, and of a group with a scheme the device's own state, in pieces.
 * docs/wire-format.md s.4. Asking again is harmless.
 */
#include "muster/keyfetch.h"
#include "node/server_core.h"

/* What an MSK takes of an answer, and the keys of all other groups. */
#define MSK_ROOM (MU_KEYFETCH_MSK_MAX + 32u + MU_DEVICE_GROUPS_MAX * 60u)

/* One request. */
struct fetch {
    struct mu_server *s;
    struct mu_bytes identity;
    struct mu_device_record *d;
    bool changed; /* its record is to be put */
    uint8_t method; /* of the exchange by which it came */
    struct mu_keyfetch_request req;
    struct mu_keyfetch_response res;
    struct mu_mbms_muk *muk;
    uint8_t msks[MU_KEYFETCH_MSKS_MAX][MU_KEYFETCH_MSK_MAX];
};

static uint64_t fetch_held(const struct mu_keyfetch_request *req,
                           uint32_t group)
{
    for (uint8_t i = 0; i < req->held_len; i++)
        if (req->held[i].scope == group)
            return req->held[i].generation;
    return 0;
}

static const struct mu_keyfetch_state *
fetch_state_held(const struct mu_keyfetch_request *req, uint32_t group)
{
    for (uint8_t i = 0; i < req->states_len; i++)
        if (req->states[i].group == group)
            return &req->states[i];
    return NULL;
}

/* It holds something of a time that this copy of the store forgot. */
static int fetch_forgotten(struct mu_server *s, uint32_t group,
                           struct mu_group_record *g, uint64_t generation)
{
    struct mu_scheme_record sc;
    int rc = mu_srv_generation_seen(s, generation);

    mu_srv_group_want(s, group, g, MU_GROUP_NOW);
    /* Places that were given to others in that time are given no more: new
     * trees, unless these were made in this run. So a member that lies costs
     * the others one state each, once. */
    if (mu_srv_group_schemed(g) && mu_srv_scheme_get(s, group, &sc) == 0 &&
        !sc.rebuild && (uint32_t)sc.base < s->generations_base) {
        sc.rebuild = true;
        mu_srv_scheme_put(s, group, &sc);
    }
    mu_srv_group_put(s, group, g);
    mu_srv_groups_mark(s, true);
    return rc;
}

/* ---- keys ------------------------------------------------------------------ */

/* What it proved to hold. */
static int fetch_proves(struct fetch *f, struct mu_device_group *entry,
                        const struct mu_group_record *g, uint64_t held)
{
    if (held > entry->held) {
        mu_srv_holders_add(f->s, entry->number, entry->held, held);
        entry->held = held;
        if (entry->sent < held)
            entry->sent = held;
        f->changed = true;
    }
    if (held == 0 || held != mu_srv_group_newest(g) ||
        !mu_srv_group_schemed(g))
        return 0;
    return mu_srv_rekey_held(f->s, entry->number, f->d->gateway, f->d->index,
                             held);
}

/* The key it lacks and may have, the active one first; 0: none. */
static uint64_t fetch_due(const struct mu_group_record *g,
                          const struct mu_device_group *entry, uint64_t held)
{
    if (g->generation != 0 && held < g->generation &&
        mu_srv_group_may_have(g, entry))
        return g->generation;
    if (g->dormant != 0 && held < g->dormant && g->dormant > entry->after)
        return g->dormant;
    return 0;
}

/* An MSK under the MUK of the connection, if there is room for it; the device
 * asks again after each answer that brought it something. */
static int fetch_msk(struct fetch *f, const struct mu_kid *kid)
{
    const struct mu_crypto *c = f->s->conf.crypto;
    struct mu_keyfetch_msk *m = &f->res.msks[f->res.msks_len];
    struct mu_secret key = {.len = 0};
    struct mu_mbms_msk msk = {.number = 0};
    struct mu_mikey_session session;
    struct mu_writer w;
    int rc;

    if (f->res.msks_len == MU_KEYFETCH_MSKS_MAX ||
        mu_keyfetch_piece_room(&f->res) < MSK_ROOM)
        return 1;
    w = mu_writer(f->msks[f->res.msks_len], MU_KEYFETCH_MSK_MAX);
    rc = mu_srv_key_raw(f->s, kid, &key);
    if (rc == 0)
        rc = mu_mbms_msk_make(c, kid, &key, &msk);
    if (rc == 0)
        rc = mu_mbms_msk_create(c, f->muk, &msk, false, &session, &w);
    if (rc == 0) {
        mu_mikey_session_clear(&session);
        *m = (struct mu_keyfetch_msk){
            *kid, mu_written(&w), mu_srv_key_valid_s(f->s),
        };
        f->res.msks_len++;
    }
    mu_secret_clear(&key);
    mu_wipe(&msk, sizeof msk);
    return rc;
}

/* Its keys go by exchanges of other methods than that of this connection. */
static bool fetch_withheld(const struct fetch *f,
                           const struct mu_group_record *g)
{
    return g->methods != 0 && (g->methods & MU_EXCHANGE_BIT(f->method)) == 0;
}

static void fetch_withhold(struct fetch *f, uint32_t group)
{
    struct mu_keyfetch_response *m = &f->res;
    uint8_t at = m->withheld_len++;

    for (; at > 0 && m->withheld[at - 1] > group; at--)
        m->withheld[at] = m->withheld[at - 1];
    m->withheld[at] = group;
    mu_srv_trace(f->s, "key-withheld", group, f->method);
}

/* Adds what the device lacks of one group. */
static int fetch_group(struct fetch *f, struct mu_device_group *entry)
{
    struct mu_server *s = f->s;
    struct mu_group_record g;
    struct mu_keyfetch_key *k = &f->res.keys[f->res.keys_len];
    struct mu_groups *groups = &f->res.groups;
    uint64_t held = fetch_held(&f->req, entry->number);
    uint64_t due;
    int rc = mu_srv_group_get(s, entry->number, &g);

    if (rc != 0)
        return rc;
    groups->number[groups->len] = entry->number;
    groups->mode[groups->len++] = g.mode;
    /* No key of this one comes to devices: that they are in it is all there is
     * to tell, once. Before, they take none of its manifests. */
    if (g.mode == MU_MODE_REPROTECT && entry->sent == 0) {
        entry->sent = 1;
        f->changed = true;
    }
    if (held > mu_srv_group_newest(&g))
        return fetch_forgotten(s, entry->number, &g, held);
    rc = fetch_proves(f, entry, &g, held);
    due = fetch_due(&g, entry, held);
    if (rc != 0 || due == 0)
        return rc;
    if (fetch_withheld(f, &g)) {
        fetch_withhold(f, entry->number);
        return 0;
    }
    k->kid = mu_srv_kb_kid(entry->number, due);
    k->valid_s = mu_srv_key_valid_s(s);
    if (g.mikey) {
        struct mu_kid kid = k->kid;

        *k = (struct mu_keyfetch_key){.valid_s = 0};
        rc = fetch_msk(f, &kid);
        if (rc != 0)
            return rc == 1 ? 0 : rc; /* the next time */
    } else {
        rc = mu_srv_key_get(s, &k->kid, &k->key);
        if (rc != 0)
            return rc;
        f->res.keys_len++;
    }
    if (entry->sent != due) {
        entry->sent = due;
        f->changed = true;
    }
    return 0;
}

/* ---- states ---------------------------------------------------------------- */

static bool scheme_stateful(uint8_t kind)
{
    return kind == MU_SCHEME_CLUSTER || kind == MU_SCHEME_LADDER ||
           kind == MU_SCHEME_LKH;
}

/* It has a state of the place that it has now: one who left and came back
 * may still have that of the place before. */
static bool state_good(const struct mu_scheme_record *sc,
                       const struct mu_device_group *entry,
                       const struct mu_keyfetch_state *held)
{
    return held != NULL && held->base == sc->base &&
           held->newest > entry->after;
}

static bool state_due(const struct mu_scheme_record *sc,
                      const struct mu_device_group *entry,
                      const struct mu_keyfetch_state *held)
{
    return !state_good(sc, entry, held) ||
           (scheme_stateful(sc->kind) && held->newest != sc->generation);
}

/* The piece of a state that the device is to have next. */
static void state_piece(struct fetch *f, uint32_t group,
                        const struct mu_scheme_record *sc,
                        struct mu_bytes state)
{
    const struct mu_keyfetch_state *w = &f->req.which;
    size_t room = mu_keyfetch_piece_room(&f->res);
    size_t at = 0;

    /* Another one by now: from its beginning. */
    if (f->req.collecting && w->group == group && w->base == sc->base &&
        w->newest == sc->generation && f->req.offset < state.len)
        at = f->req.offset;
    f->res.piece_group = group;
    f->res.piece_total = (uint16_t)state.len;
    f->res.piece_offset = (uint16_t)at;
    f->res.piece =
        mu_bytes(state.data + at, state.len - at < room ? state.len - at
                                                        : room);
}

/* Trees that cannot be read are made anew. */
static int state_damaged(struct mu_server *s, uint32_t group,
                         struct mu_scheme_record *sc)
{
    struct mu_group_record g;
    int rc = mu_srv_group_get(s, group, &g);

    if (rc != 0)
        return rc;
    sc->rebuild = true;
    mu_srv_scheme_put(s, group, sc);
    mu_srv_group_want(s, group, &g, MU_GROUP_NOW);
    mu_srv_group_put(s, group, &g);
    mu_srv_groups_mark(s, true);
    mu_srv_trace(s, "trees-damaged", group, sc->generation);
    return 0;
}

static int state_give(struct fetch *f, uint32_t group,
                      struct mu_scheme_record *sc, uint32_t slot)
{
    struct mu_server *s = f->s;
    struct mu_bytes state;
    int rc = mu_srv_trees_use(s, group, sc);

    if (rc == 0)
        rc = mu_srv_state_issue(s, slot, &state);
    if (rc == MU_ERR_CORRUPT || rc == MU_ERR_NOT_FOUND)
        return state_damaged(s, group, sc);
    if (rc != 0)
        return rc;
    /* A device without the memory gets every key by itself. */
    if (state.len <= f->d->capability.member_memory)
        state_piece(f, group, sc, state);
    return 0;
}

/* The state of one group, if one is due. */
static int fetch_state(struct fetch *f, struct mu_device_group *entry)
{
    struct mu_server *s = f->s;
    const struct mu_keyfetch_state *held =
        fetch_state_held(&f->req, entry->number);
    struct mu_scheme_record sc;
    struct mu_member_record m;
    struct mu_group_record g;
    int rc = mu_srv_group_get(s, entry->number, &g);

    if (rc != 0 || !mu_srv_group_schemed(&g) || s->conf.scheme_mem == 0 ||
        fetch_withheld(f, &g))
        return rc;
    rc = mu_srv_scheme_get(s, entry->number, &sc);
    if (rc != 0)
        return rc;
    rc = mu_srv_member_get(s, entry->number, f->identity, &m);
    /* Nobody knows its place: with new trees it has one. */
    if ((rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT) && !sc.rebuild)
        return state_damaged(s, entry->number, &sc);
    if (rc != 0)
        return rc == MU_ERR_NOT_FOUND || rc == MU_ERR_CORRUPT ? 0 : rc;
    if (held != NULL && (held->base > sc.base || held->newest > sc.generation))
        return fetch_forgotten(s, entry->number, &g,
                               held->base > held->newest ? held->base
                                                         : held->newest);
    if (state_good(&sc, entry, held) && entry->base != sc.base) {
        rc = mu_srv_roster_ready(s, entry->number, sc.base, f->d->gateway,
                                 f->d->index);
        if (rc != 0)
            return rc;
        entry->base = sc.base;
        f->changed = true;
    }
    if (f->d->capability.member_memory == 0 ||
        sc.kind == MU_SCHEME_UNICAST || !mu_srv_member_placed(&sc, &m) ||
        !state_due(&sc, entry, held) || f->res.piece.len != 0)
        return 0;
    return state_give(f, entry->number, &sc, m.slot);
}

static int fetch_states(struct fetch *f)
{
    struct mu_device_group *first = NULL;
    int rc = 0;

    /* What is half collected goes on. */
    if (f->req.collecting)
        first = mu_device_record_group(f->d, f->req.which.group);
    if (first != NULL)
        rc = fetch_state(f, first);
    for (uint8_t i = 0; rc == 0 && i < f->d->groups_len; i++)
        if (&f->d->groups[i] != first)
            rc = fetch_state(f, &f->d->groups[i]);
    return rc;
}

/* ---- the answer ------------------------------------------------------------- */

int mu_srv_fetch_answer(struct mu_server *s, struct mu_bytes identity,
                        struct mu_device_record *d, uint8_t method,
                        struct mu_mbms_muk *muk,
                        struct mu_bytes payload, struct mu_writer *w)
{
    struct fetch f = {.s = s, .identity = identity, .d = d, .method = method,
                      .muk = muk};
    int rc = mu_keyfetch_request_consume(payload, &f.req);

    for (uint8_t i = 0; rc == 0 && i < d->groups_len; i++)
        rc = fetch_group(&f, &d->groups[i]);
    if (rc == 0 && f.req.speaker.len != 0)
        rc = mu_srv_speaker_key(s, d->gateway, d->index, f.req.scheme,
                                f.req.speaker);
    f.res.epoch = s->epoch;
    if (rc == 0)
        rc = fetch_states(&f);
    if (rc == 0)
        rc = mu_keyfetch_response_create(&f.res, w);
    if (rc == 0 && f.changed)
        mu_srv_device_put(s, identity, d);
    mu_keyfetch_response_clear(&f.res);
    if (s->conf.scheme_mem != 0)
        mu_srv_state_wipe(s);
    return rc;
}
