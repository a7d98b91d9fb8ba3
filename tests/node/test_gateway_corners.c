/* SPDX-License-Identifier: Apache-2.0 */
/* Corners of the gateway engine: its list, its keys, its pace, its bounds. */
#include "muster/coap.h"
#include "node/gateway.h"
#include "tests/node/common.h"

static struct mu_gateway *gw(struct world *w)
{
    return w->gateway.gateway;
}

/* ---- the device list ------------------------------------------------------- */

/* It changes while it is read, page by page: read once more. */
static void test_list_moves(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 5, 1);
    w.script.area_paged = true;
    w.script.area_moves = 7;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_true(gw(&w)->area_known);
    assert_int_equal(gw(&w)->area_version, w.script.area_version);
    assert_int_equal(gw(&w)->devices_len, 5);
    assert_int_equal(w.script.area_moves, 0);
    world_clear(&w);
}

/* A notice in the middle of the list: what comes back then is no first page,
 * and nobody is taken for a leaver. */
static void test_list_notices(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 6, 25);
    w.script.area_paged = true;
    w.tracing = true;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(20), NULL);
    for (int i = 0; i < 40; i++) {
        w.script.area_version++;
        script_notify(&w.script);
        world_run(&w, MU_MS(3) + MU_MS(i), NULL);
    }
    world_run(&w, MU_SECONDS(5), NULL);
    assert_int_equal(gw(&w)->devices_len, 6);
    assert_int_equal(gw(&w)->area_version, w.script.area_version);
    assert_null(strstr(w.trace, "device-removed"));
    world_clear(&w);
}

/* What did not change is not read again. */
static void test_list_kept(void **state)
{
    struct world w;
    uint32_t pages;

    (void)state;
    world_init(&w, 5, 2);
    w.script.area_paged = true;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.script.area_pages, 5);
    world_cut(&w, &w.gateway);
    world_run(&w, MU_SECONDS(20), NULL);
    pages = w.script.area_pages;
    assert_int_equal(pages, 6);
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    assert_int_equal(gw(&w)->devices_len, 5); /* from its store */
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(w.script.area_pages, pages + 1);
    world_clear(&w);
}

/* The version is stored last: a list that is not all there is read again. */
static void test_list_not_stored(void **state)
{
    struct world w;
    uint8_t value[64];
    size_t len = sizeof value;

    (void)state;
    world_init(&w, 3, 3);
    w.gateway.fail_table = MU_TABLE_AREA;
    world_start_all(&w);
    world_run(&w, MU_SECONDS(5), NULL);
    assert_true(gw(&w)->area_known);
    assert_int_equal(w.gateway.store.get(w.gateway.store.ctx, MU_TABLE_NODE,
                                         mu_bytes_str("area"), value, &len),
                     MU_ERR_NOT_FOUND);
    world_stop(&w, &w.gateway);
    w.gateway.fail_table = 0;
    world_start(&w, &w.gateway);
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(100));
    world_clear(&w);
}

/* A list that would never end. */
static void test_list_endless(void **state)
{
    struct world w;
    uint8_t raw[64];
    struct mu_wide_page page = {.version = 99, .next = 4};
    struct mu_writer pw = mu_writer(raw, sizeof raw);

    (void)state;
    world_ready(&w, 2, 4);
    mu_wide_page_write(&page, &pw);
    gw(&w)->scan_next = 4;
    assert_int_equal(mu_gateway_area_page(gw(&w), mu_written(&pw)),
                     MU_ERR_MALFORMED);
    gw(&w)->camp_after = 4;
    assert_int_equal(mu_gateway_camp_page(gw(&w), mu_written(&pw)),
                     MU_ERR_MALFORMED);
    gw(&w)->scan_next = 0;
    world_clear(&w);
}

/* Whoever leaves the list loses the link at once. */
static void test_leaver_cut(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 5);
    assert_true(w.gateway.linked[2]);
    script_remove(&w.script, 1);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_false(w.gateway.linked[2]);
    world_clear(&w);
}

/* The same place, another device: nothing of the former is left. */
static void test_place_taken(void **state)
{
    struct world w;
    struct mu_secret before;

    (void)state;
    world_ready(&w, 2, 6);
    before = gw(&w)->devices[1].kfb;
    strcpy(w.script.devices[1].name, "other");
    w.script.area_version++;
    script_notify(&w.script);
    world_run(&w, MU_SECONDS(1), NULL);
    assert_false(w.gateway.linked[2]);
    assert_int_equal(gw(&w)->devices_len, 2);
    assert_memory_equal(gw(&w)->devices[1].id, "other", 5);
    /* the same root key makes the same keys here; the name is proved, though */
    assert_true(mu_secret_eq(&gw(&w)->devices[1].kfb, &before));
    assert_false(gw(&w)->devices[1].linked);
    assert_int_equal((uint32_t)gw(&w)->kg[0].kid.generation, 2);
    world_clear(&w);
}

/* ---- keys -------------------------------------------------------------------- */

static void test_number_changes(void **state)
{
    struct world w;
    struct mu_kid before;

    (void)state;
    world_ready(&w, 1, 7);
    before = gw(&w)->kg[0].kid;
    w.script.number = 9;
    world_cut(&w, &w.gateway);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_int_equal(gw(&w)->kg[0].kid.scope, 9);
    assert_true(gw(&w)->kg[0].kid.generation > before.generation);
    assert_true(mu_kid_eq(&w.devices[0].device->area[0].kid,
                          &gw(&w)->kg[0].kid));
    world_clear(&w);
}

/* A hello that came before there was a Kg to give is answered when there is. */
static void test_hello_waits(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 1, 26);
    w.gateway.fail_table = MU_TABLE_NODE;
    world_start(&w, &w.server);
    world_start(&w, &w.gateway);
    world_run(&w, MU_MS(300), NULL);
    world_start(&w, &w.devices[0]);
    world_run(&w, MU_MS(100), NULL);
    assert_int_equal(w.devices[0].hellos, 1);
    assert_false(w.devices[0].device->welcome);
    w.gateway.fail_table = 0;
    world_run(&w, MU_SECONDS(3), NULL);
    assert_true(w.devices[0].device->welcome);
    assert_int_equal(w.devices[0].hellos, 1);
    world_clear(&w);
}

static bool gateway_receives(struct world *w)
{
    return gw(w)->sessions[0].receiving &&
           mu_cast_receiver_pages(&gw(w)->sessions[0].rx) >= 2;
}

/* A new Kw reaches the receivers, and a new place in the wide-area cast. */
static void test_wide_moves(void **state)
{
    struct script_push p = {
        .size = 100000, .version = 1, .shape = common_shape};
    struct world w;

    (void)state;
    world_ready(&w, 1, 8);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_receives));
    w.script.kw_kid.generation++;
    w.script.kw.bytes[0] ^= 1;
    script_notify(&w.script);
    world_run(&w, MU_MS(20), NULL);
    assert_int_equal(gw(&w)->sessions[0].rx.kg[0],
                     (uint8_t)w.script.kw_kid.generation);
    w.script.index = 4;
    world_cut(&w, &w.gateway);
    world_run(&w, MU_SECONDS(3), NULL);
    assert_int_equal(gw(&w)->sessions[0].rx.conf.receiver, 4);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- sessions ------------------------------------------------------------------ */

static bool gateway_sent_some(struct world *w)
{
    return gw(w)->sessions[0].sending && gw(w)->sessions[0].tx_page >= 3;
}

/* After a restart the area's sender goes on where it was. */
static void test_area_page(void **state)
{
    struct world w;
    uint32_t page;

    (void)state;
    world_ready(&w, 2, 9);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_sent_some));
    world_run(&w, MU_MS(2), NULL);
    page = gw(&w)->sessions[0].tx_page;
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    world_run(&w, MU_MS(1), NULL);
    assert_true(gw(&w)->sessions[0].sending);
    assert_true(gw(&w)->sessions[0].tx_page >= page);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* Under option 1, too, and with what was protected before. */
static void test_area_page_option_1(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;
    uint8_t object[MU_ANNOUNCE_MAX];
    size_t len;

    (void)state;
    world_ready(&w, 2, 27);
    script_push(&w.script, &p);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_sent_some));
    world_run(&w, MU_MS(2), NULL);
    len = gw(&w)->sessions[0].relay_len;
    memcpy(object, gw(&w)->sessions[0].relay_object, len);
    world_stop(&w, &w.gateway);
    world_start(&w, &w.gateway);
    world_run(&w, MU_MS(1), NULL);
    assert_int_equal(gw(&w)->sessions[0].phase, MU_GATEWAY_LIVE);
    assert_true(gw(&w)->sessions[0].sending);
    assert_int_equal(gw(&w)->sessions[0].relay_len, len);
    assert_memory_equal(gw(&w)->sessions[0].relay_object, object, len);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* A list and a manifest that do not speak of the same session. */
static void test_other_session(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 28);
    push(&w, 1);
    w.script.campaign.session ^= 1;
    world_run(&w, MU_SECONDS(20), NULL);
    assert_int_equal(gw(&w)->sessions[0].phase, MU_GATEWAY_ASKING);
    w.script.campaign.session ^= 1;
    script_notify(&w.script);
    assert_all_run(&w, MU_SECONDS(100));
    world_clear(&w);
}

/* Nothing is left of a campaign that is over. */
static void test_all_removed(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_REPROTECT};
    struct world w;
    uint8_t value[MU_STORE_VALUE_MAX];
    size_t len = sizeof value;

    (void)state;
    world_ready(&w, 2, 10);
    script_push(&w.script, &p);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(gw(&w)->sessions[0].kb.len, 32);
    script_end(&w.script);
    world_run(&w, MU_SECONDS(5), NULL);
    for (size_t i = 0; i < sizeof w.gateway.parts / sizeof *w.gateway.parts;
         i++)
        assert_false(w.gateway.parts[i].used);
    assert_int_equal(w.gateway.store.get(w.gateway.store.ctx,
                                         MU_TABLE_CAMPAIGN,
                                         MU_BYTES(w.script.campaign.id), value,
                                         &len),
                     MU_ERR_NOT_FOUND);
    len = sizeof value;
    assert_int_equal(w.gateway.store.get(w.gateway.store.ctx, MU_TABLE_SEEN,
                                         MU_BYTES(w.script.campaign.id), value,
                                         &len),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(gw(&w)->sessions[0].kb.len, 0);
    assert_int_equal(gw(&w)->sessions[0].relay.cek.len, 0);
    world_clear(&w);
}

/* A slot that becomes free makes room for one that was listed before. */
static void test_slot_free(void **state)
{
    struct world w;
    struct mu_gateway_session *s;
    struct mu_event ev = {.kind = MU_EV_STORED, .ticket = 0x80000000u | 5};

    (void)state;
    world_ready(&w, 1, 11);
    s = &gw(&w)->sessions[0];
    s->phase = MU_GATEWAY_ENDING;
    s->record.flying = true;
    s->record.ticket = ev.ticket;
    gw(&w)->asks[MU_GATEWAY_CAMP].due = false;
    ev.now = w.now;
    assert_int_equal(mu_gateway_step(gw(&w), &ev), 0);
    assert_int_equal(s->phase, MU_GATEWAY_FREE);
    assert_true(gw(&w)->asks[MU_GATEWAY_CAMP].due);
    world_clear(&w);
}

/* A disk that does not give a page back: again, and again, until it does. */
static void test_depot_broken(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 12);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_receives));
    w.gateway.parts[0].broken = true;
    world_run(&w, MU_SECONDS(20), NULL);
    assert_false(world_all_run(&w));
    w.gateway.parts[0].broken = false;
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* A cancel of another campaign is none of this one. */
static void test_cancel_of_another(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 2, 13);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(30), gateway_receives));
    w.script.cancel_other = true;
    script_command(&w.script, MU_WIDE_CANCEL);
    world_run(&w, MU_SECONDS(2), NULL);
    assert_int_equal(gw(&w)->sessions[0].phase, MU_GATEWAY_LIVE);
    world_clear(&w);
}

/* After the deadline the area is quiet, though one is missing. */
static void test_deadline(void **state)
{
    struct script_push p = {
        .size = SIZE, .version = 1, .shape = common_shape, .deadline_s = 20};
    struct world w;
    uint64_t packets;

    (void)state;
    world_ready(&w, 2, 14);
    world_stop(&w, &w.devices[1]);
    script_push(&w.script, &p);
    world_run(&w, MU_SECONDS(25), NULL);
    assert_int_equal(w.script.devices[0].state, 0x0f);
    packets = w.area_packets;
    world_run(&w, MU_SECONDS(600), NULL);
    assert_int_equal(w.area_packets, packets);
    world_clear(&w);
}

/* Without one it asks for the missing less and less often. */
static void test_missing_for_long(void **state)
{
    struct world w;
    uint64_t packets;

    (void)state;
    world_ready(&w, 2, 15);
    world_stop(&w, &w.devices[1]);
    push(&w, 1);
    world_run(&w, MU_SECONDS(100), NULL);
    packets = w.area_packets;
    world_run(&w, MU_SECONDS(3600), NULL);
    assert_in_range(w.area_packets - packets, 100, 3600 / 16 * 6);
    world_start(&w, &w.devices[1]);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- pace ------------------------------------------------------------------------ */

static struct {
    struct world *w;
    mu_time first;
    uint64_t bytes;
    uint64_t ahead; /* most bytes before their time */
} pace;

static void pace_packet(const struct mu_effect *e)
{
    uint64_t allowed;

    if (e->up)
        return;
    if (pace.bytes == 0)
        pace.first = pace.w->now;
    allowed = (pace.w->now - pace.first) * pace.w->area_rate / 1000000;
    if (pace.bytes > allowed && pace.bytes - allowed > pace.ahead)
        pace.ahead = pace.bytes - allowed;
    pace.bytes += e->packet.len + 42;
}

/* Whatever it is - announce, data, poll, census -, the medium is not asked for
 * more than it carries. */
static void test_pace(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, 3, 16);
    w.area_rate = 20000;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    pace.w = &w;
    pace.bytes = 0;
    pace.ahead = 0;
    w.loss_permille = 100;
    w.on_packet = pace_packet;
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(60));
    assert_true(pace.bytes > SIZE);
    assert_true(pace.ahead <= 100 + 300); /* 5 ms and a packet */
    world_clear(&w);
}

static struct mu_gateway_session *sending(struct world *w)
{
    for (size_t i = 0; i < MU_SESSIONS_MAX; i++) {
        if (gw(w)->sessions[i].sending && gw(w)->sessions[i].announced)
            return &gw(w)->sessions[i];
    }
    return NULL;
}

static bool is_sending(struct world *w)
{
    return sending(w) != NULL;
}

/* The air-time budget: a genuine answer counts against it, a forged one does
 * not, or a stranger could stop the campaign by shouting. */
static void test_answers_take_air(void **state)
{
    struct mu_status s = {.receiver = 1, .state = MU_STATE_RECEIVED};
    uint8_t out[64];
    struct mu_writer o = mu_writer(out, sizeof out);
    struct mu_event ev = {.kind = MU_EV_PACKET, .channel = MU_CHANNEL_AREA};
    struct world w;
    mu_time before;

    (void)state;
    world_ready(&w, 3, 18);
    push(&w, 1);
    assert_true(world_run(&w, MU_SECONDS(20), is_sending));
    s.session = sending(&w)->session;
    assert_int_equal(mu_status_create(gw(&w)->conf.crypto,
                                      &gw(&w)->devices[1].kfb, &s, &o), 0);
    ev.now = gw(&w)->now;
    ev.packet = mu_written(&o);
    out[o.len - 1] ^= 1;
    before = gw(&w)->air_at;
    assert_int_equal(mu_gateway_step(gw(&w), &ev), MU_ERR_AUTH);
    assert_int_equal(gw(&w)->air_at, before);
    out[o.len - 1] ^= 1;
    assert_int_equal(mu_gateway_step(gw(&w), &ev), 0);
    assert_true(gw(&w)->air_at >= before + MU_SECONDS(22 + 42) / 200000);
    assert_all_run(&w, MU_SECONDS(60));
    world_clear(&w);
}

/* ---- devices ----------------------------------------------------------------------- */

/* Option 2 for one who comes late: the key is handed at its hello. */
static void test_late_key(void **state)
{
    struct script_push p = {.size = SIZE,
                            .version = 1,
                            .shape = common_shape,
                            .mode = MU_MODE_HAND_KEY};
    struct world w;
    uint32_t fetches;

    (void)state;
    world_ready_in(&w, 2, 17, MU_MODE_HAND_KEY);
    world_stop(&w, &w.devices[1]);
    fetches = w.script.devices[1].fetches;
    script_rotate(&w.script, false);
    script_push(&w.script, &p);
    world_run(&w, MU_SECONDS(20), NULL);
    world_start(&w, &w.devices[1]);
    assert_all_run(&w, MU_SECONDS(60));
    assert_int_equal(w.script.devices[1].fetches, fetches);
    world_clear(&w);
}

/* Of other groups' sessions a device learns nothing. */
static void test_not_a_member(void **state)
{
    struct world w;
    uint8_t raw[8], code;
    struct mu_writer pw = mu_writer(raw, sizeof raw);

    (void)state;
    world_init(&w, 2, 18);
    w.script.devices[1].member = false;
    world_start_all(&w);
    assert_true(world_run(&w, MU_SECONDS(30), all_fetched));
    push(&w, 1);
    assert_all_run(&w, MU_SECONDS(30));
    assert_int_equal(mu_area_ask_create(w.script.campaign.session, &pw), 0);
    code = world_ask_gateway(&w, 1, "ann", mu_written(&pw));
    assert_int_equal(code, MU_COAP_CONTENT);
    code = world_ask_gateway(&w, 2, "ann", mu_written(&pw));
    assert_int_equal(code, MU_COAP_NOT_FOUND);
    world_run(&w, MU_SECONDS(10), NULL);
    world_stop(&w, &w.devices[1]);
    w.devices[1].anns = 0;
    world_start(&w, &w.devices[1]);
    world_run(&w, MU_SECONDS(10), NULL);
    assert_true(w.devices[1].device->welcome);
    assert_int_equal(w.devices[1].anns, 0);
    raw[2] ^= 1; /* a session that is none */
    code = world_ask_gateway(&w, 1, "ann", mu_written(&pw));
    assert_int_equal(code, MU_COAP_NOT_FOUND);
    code = world_ask_gateway(&w, 1, "nothing", mu_written(&pw));
    assert_int_equal(code, MU_COAP_NOT_FOUND);
    code = world_ask_gateway(&w, 1, "hello", mu_written(&pw));
    assert_int_equal(code, MU_COAP_BAD_REQUEST);
    world_clear(&w);
}

/* So many requests to devices at once, and no more. */
static void test_pushes(void **state)
{
    struct world w;
    struct mu_effect e;

    (void)state;
    world_ready(&w, 2, 19);
    gw(&w)->devices[0].poke_due = true;
    mu_gateway_push(gw(&w), 0);
    gw(&w)->pushes_flying = MU_GATEWAY_PUSHES_MAX;
    e = (struct mu_effect){.kind = MU_DO_COUNT};
    assert_false(mu_gateway_next_push(gw(&w), &e));
    gw(&w)->pushes_flying = 0;
    assert_true(mu_gateway_next_push(gw(&w), &e));
    assert_true(mu_bytes_eq(e.message.path, mu_bytes_str("p")));
    world_clear(&w);
}

/* A poke that got lost is sent once more. */
static void test_poke_again(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 1, 20);
    script_rotate(&w.script, false);
    w.devices[0].up = false; /* its radio is off for a moment */
    script_poke(&w.script);
    world_run(&w, MU_SECONDS(2), NULL);
    w.devices[0].up = true;
    world_run(&w, MU_SECONDS(30), NULL);
    assert_non_null(mu_keyring_find(&w.devices[0].device->keys,
                                    &w.script.kb_kid));
    world_clear(&w);
}

/* Without the server what is end to end is refused at once. */
static void test_server_gone(void **state)
{
    struct world w;
    uint8_t payload[4] = {0}, big[MU_FORWARD_MAX + 1] = {0};

    (void)state;
    world_ready(&w, 1, 21);
    assert_int_equal(world_ask_gateway(&w, 1, "c", MU_BYTES(big)),
                     MU_COAP_TOO_LARGE);
    w.wide_cut = true;
    world_cut(&w, &w.gateway);
    world_run(&w, MU_MS(50), NULL);
    assert_int_equal(world_ask_gateway(&w, 1, "c", MU_BYTES(payload)),
                     MU_COAP_UNAVAILABLE);
    world_clear(&w);
}

/* What was on its way when the link went is answered, and what nobody answers
 * is, too. */
static uint8_t forward_answer(struct world *w)
{
    struct mu_gateway_forward *f = &gw(w)->forwards[0];
    uint8_t code = f->state == MU_GATEWAY_FORWARD_DOWN ? f->code : 0;

    return code;
}

static void forward_begin(struct world *w)
{
    struct mu_event ev = {.kind = MU_EV_REQUEST, .now = w->now, .link = 1};
    struct mu_effect e;
    uint8_t payload[4] = {0};

    ev.message.code = MU_COAP_POST;
    ev.message.path = mu_bytes_str("c");
    ev.message.payload = MU_BYTES(payload);
    assert_int_equal(mu_gateway_step(gw(w), &ev), 0);
    while (mu_gateway_next(gw(w), &e))
        ;
    assert_int_equal(gw(w)->forwards[0].state, MU_GATEWAY_FORWARD_FLYING);
}

static void test_forward_ends(void **state)
{
    struct world w;
    struct mu_event down = {.kind = MU_EV_LINK_DOWN};
    struct mu_event none = {.kind = MU_EV_NO_ANSWER};
    struct mu_event late = {.kind = MU_EV_TIMER};

    (void)state;
    for (int i = 0; i < 4; i++) {
        world_ready(&w, 1, 22);
        forward_begin(&w);
        down.now = w.now;
        none.now = w.now;
        none.message.exchange = gw(&w)->exchange;
        late.now = w.now + MU_SECONDS(100);
        assert_true(mu_gateway_deadline(gw(&w)) <= late.now);
        down.link = i == 3 ? 1 : 0;
        assert_int_equal(mu_gateway_step(gw(&w), i == 0   ? &none
                                                 : i == 1 ? &late
                                                          : &down),
                         0);
        if (i == 3)
            assert_int_equal(gw(&w)->forwards[0].state,
                             MU_GATEWAY_FORWARD_FREE);
        else
            assert_int_equal(forward_answer(&w), i == 2
                                                     ? MU_COAP_UNAVAILABLE
                                                     : MU_COAP_GATEWAY_TIMEOUT);
        gw(&w)->forwards[0].state = MU_GATEWAY_FORWARD_FREE;
        gw(&w)->devices[0].forwards = 0;
        world_clear(&w);
    }
}

/* Two that fail alike are told one by one (the script insists), and those who
 * made it in one report. */
static void test_failures_alone(void **state)
{
    struct world w;

    (void)state;
    world_ready(&w, 5, 23);
    w.devices[0].install_result = 1;
    w.devices[3].install_result = 1;
    push(&w, 1);
    world_run(&w, MU_SECONDS(60), NULL);
    assert_int_equal(w.script.devices[0].state, 0x83);
    assert_int_equal(w.script.devices[3].state, 0x83);
    assert_int_equal(w.script.devices[4].state, 0x0f);
    assert_int_equal(w.script.conflicts, 0);
    world_clear(&w);
}

/* ---- set-up -------------------------------------------------------------------------- */

static void test_conf(void **state)
{
    struct world w;
    struct mu_gateway *g = calloc(1, sizeof *g);
    struct mu_gateway_conf conf, bad;
    void *work;
    size_t len;

    (void)state;
    assert_non_null(g);
    world_ready(&w, 1, 24);
    conf = gw(&w)->conf;
    len = mu_gateway_work(&conf);
    work = malloc(len);
    assert_non_null(work);
    assert_int_equal(mu_gateway_init(g, &conf, work, len - 1, 0),
                     MU_ERR_NO_SPACE);
    assert_int_equal(mu_gateway_init(g, &conf, work, len, 0), 0);
    bad = conf;
    bad.devices_max = MU_AREA_DEVICES_MAX + 1;
    assert_int_equal(mu_gateway_init(g, &bad, work, len, 0), MU_ERR_USAGE);
    bad = conf;
    bad.identity.len = 0;
    assert_int_equal(mu_gateway_init(g, &bad, work, len, 0), MU_ERR_USAGE);
    bad = conf;
    bad.payload_max = MU_PAYLOAD_MIN - 1;
    assert_int_equal(mu_gateway_init(g, &bad, work, len, 0), MU_ERR_USAGE);
    bad = conf;
    memset(bad.area_address, 'x', sizeof bad.area_address);
    assert_int_equal(mu_gateway_init(g, &bad, work, len, 0), MU_ERR_USAGE);
    free(work);
    free(g);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_moves),
        cmocka_unit_test(test_list_notices),
        cmocka_unit_test(test_list_kept),
        cmocka_unit_test(test_list_not_stored),
        cmocka_unit_test(test_list_endless),
        cmocka_unit_test(test_leaver_cut),
        cmocka_unit_test(test_place_taken),
        cmocka_unit_test(test_number_changes),
        cmocka_unit_test(test_hello_waits),
        cmocka_unit_test(test_wide_moves),
        cmocka_unit_test(test_area_page),
        cmocka_unit_test(test_area_page_option_1),
        cmocka_unit_test(test_other_session),
        cmocka_unit_test(test_all_removed),
        cmocka_unit_test(test_slot_free),
        cmocka_unit_test(test_depot_broken),
        cmocka_unit_test(test_cancel_of_another),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_missing_for_long),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_answers_take_air),
        cmocka_unit_test(test_late_key),
        cmocka_unit_test(test_not_a_member),
        cmocka_unit_test(test_pushes),
        cmocka_unit_test(test_poke_again),
        cmocka_unit_test(test_server_gone),
        cmocka_unit_test(test_forward_ends),
        cmocka_unit_test(test_failures_alone),
        cmocka_unit_test(test_conf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
