/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of a group with keys as in MBMS: MSKs for those who ask afresh,
 * MTKs that only go up, commands that share one or have their own; restarts,
 * rotations and the end of a window in between.
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "muster/mikey_service.h"
#include "node/server_core.h"

struct crew {
    struct rig rig;
    struct peer_device d[2];
    struct mu_mbms_device mbms[2];
    uint32_t group;
    uint8_t next_id;
};

static struct crew *crew_open(void)
{
    const struct mu_group_scheme scheme = {.kind = MU_SCHEME_UNICAST,
                                           .mikey = true};
    struct crew *c = calloc(1, sizeof *c);

    assert_non_null(c);
    rig_open(&c->rig);
    rig_gateway_add(&c->rig, "gw-1");
    rig_device_add(&c->rig, "dev-1", "gw-1");
    rig_device_add(&c->rig, "dev-2", "gw-1");
    assert_int_equal(mu_server_group_create_as(&c->rig.server, rig_id("all"), 0,
                                               &scheme, &c->group), 0);
    rig_drain(&c->rig);
    assert_int_equal(mu_server_group_add(&c->rig.server, rig_id("all"),
                                         rig_id("dev-1")), 0);
    assert_int_equal(mu_server_group_add(&c->rig.server, rig_id("all"),
                                         rig_id("dev-2")), 0);
    rig_drain(&c->rig);
    rig_run(&c->rig, MU_SECONDS(2));
    rig_link(&c->rig, 1, "gw-1");
    peer_device_init(&c->rig, &c->d[0], "dev-1", "gw-1", 1);
    peer_device_init(&c->rig, &c->d[1], "dev-2", "gw-1", 1);
    return c;
}

static void crew_close(struct crew *c)
{
    rig_close(&c->rig);
    free(c);
}

static void connects(struct crew *c, unsigned i)
{
    struct mu_mbms_muk *muk = &c->mbms[i].muk;
    const struct mu_connection *conn = &c->d[i].connection;

    assert_int_equal(peer_connect(&c->rig, &c->d[i]), MU_COAP_CHANGED);
    *muk = (struct mu_mbms_muk){.counter = 0};
    assert_int_equal(mu_mbms_muk_make(&c->rig.crypto, &conn->kmc, &muk->key),
                     0);
    assert_int_equal(mu_mbms_muk_names(c->rig.conf.identity, conn->id, muk), 0);
}

/* What its last fetch brought: 0, and the kid of the MSK. */
static int takes(struct crew *c, unsigned i, struct mu_kid *kid)
{
    const struct mu_keyfetch_response *m = &c->d[i].keys;
    struct mu_mikey_session s;
    bool deleted;

    assert_int_equal(m->keys_len, 0); /* never Kb itself */
    if (m->msks_len == 0)
        return MU_ERR_NOT_FOUND;
    *kid = m->msks[0].kid;
    return mu_mbms_msk_consume(&c->rig.crypto, &c->mbms[i],
                               m->msks[0].message, &s, &deleted);
}

static void fetches(struct crew *c, unsigned i, struct mu_kid *kid)
{
    assert_int_equal(peer_fetch(&c->rig, &c->d[i], c->group, 0),
                     MU_COAP_CHANGED);
    assert_int_equal(takes(c, i, kid), 0);
    assert_non_null(mu_mbms_msk_of(&c->mbms[i], kid));
}

/* KEY-13: fresh, and from whom it says, or no key. */
static void test_msk(void **state)
{
    struct crew *c = crew_open();
    struct rig *r = &c->rig;
    struct mu_oscore_request req;
    struct mu_secret kb, same;
    struct rig_send out;
    struct mu_bytes oscore;
    struct mu_kid kid;

    (void)state;
    connects(c, 0);
    fetches(c, 0, &kid);
    assert_int_equal(mu_mbms_kb(&r->crypto, &kid,
                                &mu_mbms_msk_of(&c->mbms[0], &kid)->key, &kb),
                     0);
    assert_int_equal(mu_srv_key_get(&r->server, &kid, &same), 0);
    assert_true(mu_secret_eq(&kb, &same));
    /* Asked again: told again, under the next counter. */
    assert_int_equal(peer_fetch(r, &c->d[0], c->group, 0), MU_COAP_CHANGED);
    assert_int_equal(takes(c, 0, &kid), 0);
    assert_int_equal(takes(c, 0, &kid), MU_ERR_REPLAY);
    /* Nobody else's. */
    connects(c, 1);
    assert_int_equal(peer_fetch(r, &c->d[1], c->group, 0), MU_COAP_CHANGED);
    c->mbms[0].muk.counter = 0;
    c->d[0].keys = c->d[1].keys;
    assert_int_not_equal(takes(c, 0, &kid), 0);
    /* A request that was recorded, and one of the connection before. */
    peer_fetch_request(r, &c->d[0], c->group, 0, &out, &req);
    oscore = mu_bytes(out.oscore, out.oscore_len);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_CHANGED);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1", oscore,
                                        rig_payload(&out))->code,
                     MU_COAP_UNAUTHORIZED);
    peer_fetch_request(r, &c->d[0], c->group, 0, &out, &req);
    connects(c, 0);
    fetches(c, 0, &kid);
    assert_int_equal(rig_request_oscore(r, 1, "d/dev-1",
                                        mu_bytes(out.oscore, out.oscore_len),
                                        rig_payload(&out))->code,
                     MU_COAP_UNAUTHORIZED);
    /* It holds it: there is nothing to be told. */
    assert_int_equal(peer_fetch(r, &c->d[0], c->group, kid.generation),
                     MU_COAP_CHANGED);
    assert_int_equal(takes(c, 0, &kid), MU_ERR_NOT_FOUND);
    crew_close(c);
}

/* ---- commands ------------------------------------------------------------- */

static void tell(struct crew *c, uint8_t id[MU_CAMPAIGN_ID], const char *text)
{
    const struct mu_tell wish = {.group = rig_id("all"),
                                 .text = mu_bytes_str(text)};

    memset(id, ++c->next_id, MU_CAMPAIGN_ID);
    assert_int_equal(mu_server_tell(&c->rig.server, id, &wish), 0);
    rig_drain(&c->rig);
    rig_run(&c->rig, MU_SECONDS(2));
}

/* What the gateway is to announce; opened by device 0 under mtk. */
static void announced(struct crew *c, const uint8_t id[MU_CAMPAIGN_ID],
                      struct mu_mbms_mtk_id *mtk, uint32_t *seq)
{
    struct rig *r = &c->rig;
    uint8_t room[64];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_wide_campaign m;
    struct mu_manifest in;
    struct mu_command command;
    enum mu_announce_kind kind;
    struct rig_send *s;

    assert_int_equal(mu_wide_campaign_ask_create(id, 0, &w), 0);
    s = rig_request(r, 1, "camp/m", mu_written(&w));
    assert_non_null(s);
    assert_int_equal(s->code, MU_COAP_CONTENT);
    assert_int_equal(mu_wide_campaign_consume(rig_payload(s), &m), 0);
    assert_int_equal(m.parts, 1);
    assert_int_equal(m.kb.len, 0);
    assert_int_equal(mu_announce_consume(&r->crypto, &r->server.signer, NULL,
                                         m.object, &kind, &in), 0);
    assert_int_equal(kind, MU_ANNOUNCE_INLINE);
    assert_int_equal(in.content_kind, MU_CONTENT_COMMAND);
    assert_memory_equal(in.campaign, id, MU_CAMPAIGN_ID);
    assert_int_equal(mu_command_parse(in.content, &command), 0);
    assert_int_equal(mu_mbms_mtk_peek(command.mtk, mtk), 0);
    *seq = command.seq;
}

static void ends(struct crew *c, const uint8_t id[MU_CAMPAIGN_ID])
{
    static const char *const names[] = {"dev-1", "dev-2"};
    struct mu_campaign_view v;

    assert_int_equal(mu_server_campaign_get(&c->rig.server, id, &v), 0);
    assert_int_equal(v.what, MU_CAMPAIGN_COMMAND);
    assert_int_equal(rig_report(&c->rig, 1, id, v.digest, 0x0f, 0, 0, names,
                                2), MU_COAP_CHANGED);
    rig_run(&c->rig, MU_SECONDS(1));
    assert_int_equal(mu_server_campaign_get(&c->rig.server, id, &v), 0);
    assert_int_equal(v.phase, MU_CAMPAIGN_DONE);
}

static bool same(const struct mu_mbms_mtk_id *a, const struct mu_mbms_mtk_id *b)
{
    return a->group == b->group && a->number == b->number && a->mtk == b->mtk;
}

static void test_mtks(void **state)
{
    struct crew *c = crew_open();
    uint8_t one[MU_CAMPAIGN_ID], two[MU_CAMPAIGN_ID], three[MU_CAMPAIGN_ID];
    struct mu_mbms_mtk_id id, other;
    uint32_t seq;

    (void)state;
    tell(c, one, "one");
    announced(c, one, &id, &seq);
    assert_int_equal(id.mtk, MU_MBMS_MTK_FIRST);
    assert_int_equal(id.group, c->group);
    assert_int_equal(seq, 1);
    /* On their way together: a device takes no MTK below the last. */
    tell(c, two, "two");
    announced(c, two, &other, &seq);
    assert_true(same(&id, &other));
    assert_int_equal(seq, 2);
    ends(c, one);
    ends(c, two);
    tell(c, three, "three");
    announced(c, three, &other, &seq);
    assert_int_equal(other.mtk, id.mtk + 1);
    assert_int_equal(other.number, id.number);
    assert_int_equal(seq, 1);
    /* A restart makes nothing anew, and no number again. */
    assert_int_equal(rig_restart(&c->rig), 0);
    rig_link(&c->rig, 1, "gw-1");
    rig_run(&c->rig, MU_SECONDS(2));
    announced(c, three, &id, &seq);
    assert_true(same(&id, &other));
    ends(c, three);
    tell(c, one, "four");
    announced(c, one, &id, &seq);
    assert_int_equal(id.mtk, other.mtk + 1);
    crew_close(c);
}

/* A command is for those who were there. */
static void test_comes_later(void **state)
{
    struct crew *c = crew_open();
    uint8_t one[MU_CAMPAIGN_ID];
    struct mu_campaign_view v;

    (void)state;
    tell(c, one, "one");
    rig_device_add(&c->rig, "dev-3", "gw-1");
    assert_int_equal(mu_server_group_add(&c->rig.server, rig_id("all"),
                                         rig_id("dev-3")), 0);
    rig_drain(&c->rig);
    rig_run(&c->rig, MU_SECONDS(2));
    assert_int_equal(mu_server_campaign_get(&c->rig.server, one, &v), 0);
    assert_int_equal(v.members, 2);
    crew_close(c);
}

/* The group's key changes while one is on its way: made anew under it. */
static void test_rotation(void **state)
{
    struct crew *c = crew_open();
    uint8_t one[MU_CAMPAIGN_ID];
    struct mu_mbms_mtk_id id, other;
    struct mu_campaign_view v;
    uint32_t seq;

    (void)state;
    tell(c, one, "one");
    announced(c, one, &id, &seq);
    assert_int_equal(mu_server_group_rotate(&c->rig.server, rig_id("all")), 0);
    rig_drain(&c->rig);
    rig_run(&c->rig, MU_SECONDS(3));
    announced(c, one, &other, &seq);
    assert_int_not_equal(other.number, id.number);
    assert_int_equal(other.mtk, MU_MBMS_MTK_FIRST);
    assert_int_equal(mu_server_campaign_get(&c->rig.server, one, &v), 0);
    assert_int_equal(v.edition, 1);
    ends(c, one);
    crew_close(c);
}

/* The last MTK of a window: the next command has the group's key made anew. */
static void test_window_used_up(void **state)
{
    struct crew *c = crew_open();
    struct mu_server *s = &c->rig.server;
    struct mu_record_key k = mu_record_key_mtk(c->group);
    uint8_t one[MU_CAMPAIGN_ID], room[512];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_mbms_mtk_id id, other;
    struct mu_mtk_record r;
    struct mu_bytes value;
    uint32_t seq;

    (void)state;
    tell(c, one, "one");
    announced(c, one, &id, &seq);
    ends(c, one);
    assert_int_equal(mu_srv_get(s, MU_TABLE_SCHEME, &k, &value), 0);
    assert_int_equal(mu_mtk_record_read(value, &r), 0);
    r.next = MU_MBMS_MTK_LAST + 1u;
    mu_mtk_record_write(&w, &r);
    assert_int_equal(c->rig.store.put(c->rig.store.ctx, MU_TABLE_SCHEME,
                                      mu_record_key_view(&k), mu_written(&w)),
                     0);
    assert_int_equal(c->rig.store.commit(c->rig.store.ctx), 0);
    tell(c, one, "two");
    rig_run(&c->rig, MU_SECONDS(3));
    announced(c, one, &other, &seq);
    assert_int_not_equal(other.number, id.number);
    assert_int_equal(other.mtk, MU_MBMS_MTK_FIRST);
    /* Damage to the record costs the same. */
    id = other;
    ends(c, one);
    assert_int_equal(c->rig.store.put(c->rig.store.ctx, MU_TABLE_SCHEME,
                                      mu_record_key_view(&k),
                                      mu_bytes_str("junk")), 0);
    assert_int_equal(c->rig.store.commit(c->rig.store.ctx), 0);
    tell(c, one, "three");
    rig_run(&c->rig, MU_SECONDS(3));
    announced(c, one, &other, &seq);
    assert_int_not_equal(other.number, id.number);
    crew_close(c);
}

static void test_wishes(void **state)
{
    static uint8_t text[MU_COMMAND_MAX + 1];
    struct crew *c = crew_open();
    struct mu_server *s = &c->rig.server;
    struct mu_group_scheme scheme = {.kind = MU_SCHEME_UNICAST, .mikey = true};
    const uint8_t id[MU_CAMPAIGN_ID] = {7};
    struct mu_tell wish = {.group = rig_id("all"),
                           .text = mu_bytes(text, sizeof text)};
    uint32_t number;

    (void)state;
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_TOO_LARGE);
    wish.text.len = 0;
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_USAGE);
    wish.text.len = MU_COMMAND_MAX;
    wish.quorum_permille = 1001;
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_USAGE);
    wish.quorum_permille = 0;
    wish.group = rig_id("none");
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_group_create(s, rig_id("plain"), 0, &number), 0);
    rig_drain(&c->rig);
    wish.group = rig_id("plain");
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_UNSUPPORTED);
    assert_int_equal(mu_server_group_create_as(s, rig_id("empty"), 0, &scheme,
                                               &number), 0);
    rig_drain(&c->rig);
    wish.group = rig_id("empty");
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_USAGE);
    for (uint8_t mode = 1; mode < 3; mode++)
        assert_int_equal(mu_server_group_create_as(s, rig_id("odd"), mode,
                                                   &scheme, &number),
                         MU_ERR_USAGE);
    scheme.kind = MU_SCHEME_SD;
    assert_int_equal(mu_server_group_create_as(s, rig_id("odd"), 0, &scheme,
                                               &number), MU_ERR_USAGE);
    wish.group = rig_id("all");
    assert_int_equal(mu_server_tell(s, id, &wish), 0);
    rig_drain(&c->rig);
    assert_int_equal(mu_server_tell(s, id, &wish), MU_ERR_CONFLICT);
    crew_close(c);
}

/* The power goes at every write of a command in turn: it is told, whole, or
 * the operator was never told that it would be. */
static void test_crashes(void **state)
{
    (void)state;
    for (uint64_t cut = 1; cut < 12; cut++) {
        struct crew *c = crew_open();
        uint8_t one[MU_CAMPAIGN_ID];
        struct mu_campaign_view v;
        struct mu_mbms_mtk_id id;
        uint32_t seq;

        c->rig.crash_at = c->rig.stores + cut;
        tell(c, one, "one");
        c->rig.crash_at = 0;
        assert_int_equal(rig_restart(&c->rig), 0);
        rig_link(&c->rig, 1, "gw-1");
        rig_run(&c->rig, MU_SECONDS(3));
        if (mu_server_campaign_get(&c->rig.server, one, &v) ==
            MU_ERR_NOT_FOUND) {
            assert_true(cut <= 4);
            tell(c, one, "one");
        }
        memset(one, c->next_id, sizeof one);
        announced(c, one, &id, &seq);
        ends(c, one);
        crew_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msk), cmocka_unit_test(test_mtks),
        cmocka_unit_test(test_comes_later), cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_window_used_up),
        cmocka_unit_test(test_wishes), cmocka_unit_test(test_crashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
