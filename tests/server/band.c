/* SPDX-License-Identifier: Apache-2.0 */
#include "band.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_openssl/crypto_openssl.h"

static const char *const band_gateways[2] = {"gw-1", "gw-2"};

struct mu_group_scheme band_scheme(const char *name)
{
    return (struct mu_group_scheme){
        .kind = (uint8_t)mu_scheme_kind(mu_bytes_str(name)),
        .degree = 2,
        .levels = 3,
        .clusters = 4,
        .key_deadline_s = 30,
    };
}

struct band *band_open(unsigned n)
{
    struct band *b = calloc(1, sizeof *b);
    struct rig *r = &b->rig;
    assert_non_null(b);
    b->souls = calloc(n, sizeof *b->souls);
    assert_non_null(b->souls);
    b->len = n;
    rig_open(r);
    b->epoch = 1;
    for (unsigned g = 0; g < 2; g++) {
        rig_gateway_add(r, band_gateways[g]);
    }
    for (unsigned i = 0; i < n; i++) {
        struct soul *m = &b->souls[i];
        char name[32];
        snprintf(name, sizeof name, "m%02u", i);
        rig_device_add(r, name, band_gateways[i % 2]);
        peer_device_init(r, &m->d, name, band_gateways[i % 2], i % 2 + 1);
        m->d.capability.member_memory = BAND_STATE_MAX;
        m->index = (uint16_t)(i / 2);
    }
    band_link(b);
    return b;
}

void band_close(struct band *b)
{
    if (!b->rig.alive)
        assert_int_equal(rig_restart(&b->rig), 0);
    rig_close(&b->rig);
    free(b->souls);
    free(b);
}

void band_link(struct band *b)
{
    b->linked = true;
    for (unsigned g = 0; g < 2; g++) {
        struct mu_event ev = {.kind = MU_EV_LINK_UP,
                              .link = g + 1,
                              .identity = rig_id(band_gateways[g])};
        struct mu_wide_welcome welcome;
        rig_event(&b->rig, &ev);
        if (!b->rig.alive || rig_hello(&b->rig, g + 1, b->epoch, &welcome) != 0)
            b->linked = false;
        else
            b->epoch = welcome.epoch;
    }
    for (unsigned i = 0; i < b->len; i++)
        b->souls[i].linked = false;
}

void band_power(struct band *b)
{
    if (!b->rig.alive) {
        b->linked = false;
        assert_int_equal(rig_restart(&b->rig), 0);
    }
    if (b->rig.alive && !b->linked)
        band_link(b);
}

/* /camp, as a gateway asks. */
static unsigned band_list(struct band *b, uint32_t link,
                          struct mu_wide_camp_row rows[8])
{
    uint8_t room[16];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_rows list;
    struct rig_send *s;
    unsigned n = 0;
    assert_int_equal(mu_wide_ask_create(0, &w), 0);
    s = rig_request(&b->rig, link, "camp", mu_written(&w));
    if (s == NULL || s->code != MU_COAP_CONTENT)
        return 0;
    assert_int_equal(mu_wide_page_consume(rig_payload(s), &list), 0);
    while (n < 8 && mu_wide_camp_row_next(&list, &rows[n]))
        n++;
    assert_int_equal(mu_wide_rows_end(&list), 0);
    return n;
}

void band_group(struct band *b, const struct mu_group_scheme *scheme,
                unsigned n)
{
    assert_int_equal(mu_server_group_create_as(&b->rig.server, rig_id("all"),
                                               0, scheme, &b->group), 0);
    b->kind = scheme->kind;
    rig_drain(&b->rig);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(band_join(b, i), 0);
}

int band_join(struct band *b, unsigned i)
{
    uint16_t where = b->kind == MU_SCHEME_LADDER ? (uint16_t)(i % 3 + 1)
                                                 : MU_WHERE_ANY;
    int rc = mu_server_group_add_at(&b->rig.server, rig_id("all"),
                                    rig_id(b->souls[i].d.identity), where);
    rig_drain(&b->rig);
    if (rc == 0 && b->rig.alive)
        b->souls[i].in = true;
    return rc;
}

int band_leave(struct band *b, unsigned i)
{
    int rc = mu_server_group_remove(&b->rig.server, rig_id("all"),
                                    rig_id(b->souls[i].d.identity));
    rig_drain(&b->rig);
    if (rc == 0 && b->rig.alive)
        b->souls[i].in = false;
    return rc;
}

/* ---- members --------------------------------------------------------------- */

const uint8_t *soul_key(const struct soul *m, uint64_t generation)
{
    for (unsigned i = 0; i < m->keys_len; i++)
        if (m->generations[i] == generation)
            return m->keys[i];
    return NULL;
}

/* One meaning for ever, whoever has it. */
static void soul_take(struct band *b, struct soul *m, uint64_t generation,
                      const struct mu_secret *key)
{
    for (unsigned i = 0; i < b->len; i++) {
        const uint8_t *known = soul_key(&b->souls[i], generation);
        if (known != NULL)
            assert_memory_equal(known, key->bytes, 32);
    }
    if (soul_key(m, generation) == NULL) {
        assert_true(m->keys_len < BAND_KEYS);
        m->generations[m->keys_len] = generation;
        memcpy(m->keys[m->keys_len++], key->bytes, 32);
    }
    if (generation > m->newest)
        m->newest = generation;
}

static void soul_keep(struct soul *m)
{
    unsigned at = m->olds < BAND_STATES ? m->olds++ : BAND_STATES - 1;
    memcpy(m->old[at], m->state, m->state_len);
    m->old_len[at] = m->state_len;
}

/* base and newest of a state. */
static struct mu_keyfetch_state state_of(uint32_t group, const uint8_t *state)
{
    struct mu_keyfetch_state k = {.group = group};
    struct mu_reader r = mu_reader(mu_bytes(state, 22));
    (void)mu_read_bytes(&r, 6);
    k.newest = mu_read_u64(&r);
    k.base = mu_read_u64(&r);
    return k;
}

/* A piece came; true: another one is to be asked for. */
static bool soul_piece(struct soul *m, uint8_t *room,
                       struct mu_keyfetch_request *req)
{
    const struct mu_keyfetch_response *a = &m->d.keys;
    struct mu_member check;
    if (a->piece.len == 0)
        return false;
    assert_true(a->piece_offset == 0 || a->piece_offset == req->offset);
    assert_true(a->piece_total <= BAND_STATE_MAX);
    memcpy(room + a->piece_offset, a->piece.data, a->piece.len);
    if (a->piece_offset == 0)
        req->which = state_of(a->piece_group, room);
    req->offset = (uint16_t)(a->piece_offset + a->piece.len);
    req->collecting = req->offset < a->piece_total;
    if (req->collecting)
        return true;
    memcpy(m->state, room, a->piece_total);
    m->state_len = a->piece_total;
    assert_int_equal(mu_member_init(&check, mu_crypto_openssl(), m->state,
                                    m->state_len, sizeof m->state), 0);
    soul_keep(m);
    return true; /* and say so */
}

static bool soul_connect(struct band *b, struct soul *m)
{
    if (!m->linked)
        m->linked = peer_connect(&b->rig, &m->d) == MU_COAP_CHANGED;
    return m->linked;
}

void soul_fetch(struct band *b, struct soul *m)
{
    static uint8_t room[BAND_STATE_MAX];
    struct mu_keyfetch_request req = {.held_len = 0};
    unsigned n = 0;
    bool more = true;
    m->asking = true;
    while (more && b->rig.alive && soul_connect(b, m)) {
        uint64_t before = m->newest;
        uint8_t code;
        req.held_len = req.states_len = 0;
        if (m->newest != 0)
            req.held[req.held_len++] =
                (struct mu_kid){MU_KEY_KB, b->group, m->newest};
        if (m->state_len != 0)
            req.states[req.states_len++] = state_of(b->group, m->state);
        code = peer_fetch_as(&b->rig, &m->d, &req);
        m->fetches++;
        assert_true(++n < 40);
        if (code == MU_COAP_UNAUTHORIZED) { /* the server forgot it */
            m->linked = false;
            continue;
        }
        if (code != MU_COAP_CONTENT)
            return;
        for (uint8_t i = 0; i < m->d.keys.keys_len; i++)
            soul_take(b, m, m->d.keys.keys[i].kid.generation,
                      &m->d.keys.keys[i].key);
        more = soul_piece(m, room, &req) || m->newest != before;
    }
    m->asking = more;
}

int soul_hear(struct band *b, struct soul *m, struct mu_bytes object)
{
    struct mu_signer signer = {.alg = b->rig.server.signer.alg,
                               .pub_len = b->rig.server.signer.pub_len};
    enum mu_announce_kind kind;
    struct mu_manifest o;
    struct mu_member member;
    struct mu_secret key = {.len = 0};
    struct mu_kid kid;
    int rc = MU_ERR_UNKNOWN_KEY;
    memcpy(signer.pub, b->rig.server.signer.pub, signer.pub_len);
    assert_int_equal(mu_announce_consume(&b->rig.crypto, &signer, NULL, object,
                                         &kind, &o), 0);
    assert_int_equal(kind, MU_ANNOUNCE_INLINE);
    assert_int_equal(o.group, b->group);
    assert_int_equal(o.content_kind, MU_CONTENT_REKEY);
    assert_true(o.part < o.parts);
    if (m->in) {
        uint8_t part[MU_INLINE_CONTENT_MAX];
        memcpy(part, o.content.data, o.content.len);
        if (m->state_len == 0)
            return rc;
        assert_int_equal(mu_member_init(&member, &b->rig.crypto, m->state,
                                        m->state_len, sizeof m->state), 0);
        rc = mu_member_open(&member, part, o.content.len, &kid, &key);
        if (rc == 0) {
            m->state_len = member.state_len;
            m->opened++;
            soul_keep(m);
            soul_take(b, m, kid.generation, &key);
        }
    }
    /* One who left tries every state he ever had. */
    for (unsigned i = 0; !m->in && i < m->olds; i++) {
        uint8_t part[MU_INLINE_CONTENT_MAX], state[BAND_STATE_MAX];
        memcpy(part, o.content.data, o.content.len);
        memcpy(state, m->old[i], m->old_len[i]);
        assert_int_equal(mu_member_init(&member, &b->rig.crypto, state,
                                        m->old_len[i], sizeof state), 0);
        rc = mu_member_open(&member, part, o.content.len, &kid, &key);
        if (rc == 0)
            soul_take(b, m, kid.generation, &key);
    }
    mu_secret_clear(&key);
    return rc;
}

/* ---- gateways -------------------------------------------------------------- */

bool band_campaign(struct band *b, struct mu_campaign_view *v)
{
    uint64_t after = 0;
    bool found = false;
    struct mu_campaign_view next;
    while (b->rig.alive &&
           mu_server_campaign_next(&b->rig.server, after, &next) == 0) {
        after = next.number;
        if (next.what == MU_CAMPAIGN_KEY && next.phase < MU_CAMPAIGN_DONE) {
            *v = next;
            found = true;
        }
    }
    return found;
}

/* One part as a gateway gets it. */
static bool band_part(struct band *b, unsigned g, const uint8_t *id,
                      uint16_t part, struct mu_wide_campaign *m,
                      uint8_t message[8192])
{
    uint8_t room[24];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct rig_send *s;
    assert_int_equal(mu_wide_campaign_ask_create(id, part, &w), 0);
    s = rig_request(&b->rig, g + 1, "camp/m", mu_written(&w));
    if (s == NULL || s->code != MU_COAP_CONTENT)
        return false;
    memcpy(message, s->payload, s->payload_len);
    assert_int_equal(mu_wide_campaign_consume(
                         mu_bytes(message, s->payload_len), m), 0);
    return true;
}

/* Those of a gateway who hold the key say so. */
static void band_report(struct band *b, unsigned g, const uint8_t *id,
                        const struct mu_wide_campaign *m)
{
    for (unsigned i = g; i < b->len && b->rig.alive; i += 2) {
        struct soul *who = &b->souls[i];
        const uint8_t *key = soul_key(who, m->kid.generation);
        const char *name = who->d.identity;
        struct mu_secret kb;
        uint8_t digest[32];
        if (!who->in || key == NULL || !mu_bit_get(m->members, who->index))
            continue;
        assert_int_equal(mu_secret_set(&kb, mu_bytes(key, 32)), 0);
        assert_int_equal(mu_kb_held(&b->rig.crypto, &kb, &m->kid, digest), 0);
        (void)rig_report(&b->rig, g + 1, id, digest, 15, 0, who->index, &name,
                         1);
    }
}

unsigned band_announce(struct band *b, bool report)
{
    static uint8_t message[8192];
    struct mu_wide_camp_row rows[8];
    unsigned opened = 0;
    for (unsigned g = 0; g < 2 && b->rig.alive; g++) {
        unsigned n = band_list(b, g + 1, rows);
        for (unsigned i = 0; i < n && b->rig.alive; i++) {
            struct mu_wide_campaign m = {.parts = 0};
            for (uint16_t part = 0; part == 0 || part < m.parts; part++) {
                if (!band_part(b, g, rows[i].campaign, part, &m, message) ||
                    m.parts == 0)
                    break;
                b->heard += m.object.len;
                for (unsigned k = 0; k < b->len; k++)
                    if ((k % 2 == g) || !b->souls[k].in)
                        opened +=
                            soul_hear(b, &b->souls[k], m.object) == 0;
            }
            if (report && m.parts != 0)
                band_report(b, g, rows[i].campaign, &m);
        }
    }
    return opened;
}

/* Who was poked since the last time. */
static void band_pokes(struct band *b, bool fetch[BAND_MAX])
{
    for (unsigned i = 0; i < b->rig.sends_len; i++) {
        const struct rig_send *s = &b->rig.sends[i];
        struct mu_bytes bitmap;
        if (s->response || strcmp(s->path, "poke") != 0)
            continue;
        assert_int_equal(mu_wide_poke_consume(rig_payload(s), &bitmap), 0);
        for (unsigned k = 0; k < b->len; k++)
            if (b->souls[k].d.link == s->link &&
                mu_bit_get(bitmap, b->souls[k].index))
                fetch[k] = true;
    }
}

struct mu_group_view band_view(struct band *b)
{
    struct mu_group_view v;
    uint32_t after = 0;
    do {
        assert_int_equal(mu_server_group_next(&b->rig.server, after, &v), 0);
        after = v.number;
    } while (v.number != b->group);
    return v;
}

void band_rekey(struct band *b)
{
    struct mu_campaign_view v;
    for (unsigned round = 0; round < 12 && b->rig.alive; round++) {
        bool fetch[BAND_MAX] = {false};
        rig_run(&b->rig, MU_SECONDS(1));
        band_pokes(b, fetch);
        (void)band_announce(b, true);
        for (unsigned i = 0; i < b->len && b->rig.alive; i++)
            if ((fetch[i] || b->souls[i].asking) && b->souls[i].in)
                soul_fetch(b, &b->souls[i]);
        if (!b->rig.alive)
            return;
        rig_settle(&b->rig);
        if (round > 1 && !band_campaign(b, &v))
            return;
    }
}

void band_check(struct band *b)
{
    struct mu_group_view v = band_view(b);
    struct mu_campaign_view c;
    uint64_t newest = v.dormant != 0 ? v.dormant : v.generation, after = 0;
    unsigned in = 0;
    for (unsigned i = 0; i < b->len; i++) {
        struct soul *m = &b->souls[i];
        in += m->in;
        if (m->in && soul_key(m, newest) == NULL)
            fail_msg("%s has no key %llx\n%s", m->d.identity,
                     (unsigned long long)newest, b->rig.trace);
        if (m->in)
            continue;
        soul_fetch(b, m);
        if (soul_key(m, newest) != NULL)
            fail_msg("%s is out and has key %llx", m->d.identity,
                     (unsigned long long)newest);
    }
    assert_int_equal(v.members, in);
    assert_int_equal(v.current, in);
    /* Kept count of, and counted. */
    if (b->rig.alive) {
        memset(b->rig.server.holders, 0, sizeof b->rig.server.holders);
        assert_int_equal(band_view(b).current, in);
    }
    /* They are who has a place, and whom the last key was for. */
    if (b->rig.alive && b->rig.server.trees.group == b->group)
        assert_int_equal(b->rig.server.trees.scheme.live, in);
    while (b->rig.alive &&
           mu_server_campaign_next(&b->rig.server, after, &c) == 0) {
        after = c.number;
        if (c.what == MU_CAMPAIGN_KEY && c.version == newest)
            assert_int_equal(c.members - c.revoked, in);
    }
}

void band_check_none(struct band *b)
{
    struct mu_group_view v = band_view(b);
    assert_int_equal(v.members, 0);
    for (unsigned i = 0; i < b->len; i++) {
        unsigned had = b->souls[i].keys_len;
        soul_fetch(b, &b->souls[i]);
        assert_int_equal(b->souls[i].keys_len, had);
    }
}
