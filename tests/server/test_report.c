/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: what a gateway can prove, and what it cannot make up. */
#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fleet *setup(void)
{
    struct fleet *f = fleet_open(0);
    fleet_link(f);
    fleet_push(f);
    return f;
}

static uint8_t report_raw(struct fleet *f, uint32_t link,
                          const struct mu_wide_report *m)
{
    uint8_t room[1024];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct rig_send *s;
    assert_int_equal(mu_wide_report_create(m, &w), 0);
    s = rig_request(&f->rig, link, "r", mu_written(&w));
    assert_non_null(s);
    return s->code;
}

static void test_aggregate(void **state)
{
    (void)state;
    struct fleet *f = setup();
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 3, 0, 0,
                                fleet_names, 3), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).received, 3);
    assert_int_equal(fleet_view(f).verified, 3);
    assert_int_equal(fleet_view(f).installed, 0);
    /* Again, and late: nothing is counted twice or taken back. */
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 0,
                                fleet_names, 2), MU_COAP_CHANGED);
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 1, 0, 0,
                                fleet_names, 3), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).received, 3);
    assert_int_equal(fleet_view(f).running, 2);
    assert_int_equal(fleet_target(f, 0).state, 15);
    assert_int_equal(fleet_target(f, 2).state, 3);
    /* From an index on. */
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 2,
                                fleet_names + 2, 1), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).running, 3);
    fleet_close(f);
}

/* A failure, its end, and a recorded failure sent again after it. */
static void test_failure_and_back(void **state)
{
    (void)state;
    struct fleet *f = setup();
    assert_int_equal(fleet_report(f, 0, 0x83, 22), MU_COAP_CHANGED);
    assert_int_equal(fleet_target(f, 0).reason, 22);
    assert_int_equal(fleet_view(f).failed, 1);
    assert_int_equal(fleet_report(f, 0, 15, 0), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).failed, 0);
    assert_int_equal(fleet_target(f, 0).reason, 0);
    assert_int_equal(fleet_report(f, 0, 0x83, 22), MU_COAP_CHANGED);
    assert_int_equal(fleet_target(f, 0).state, 15);
    assert_int_equal(fleet_view(f).failed, 0);
    fleet_close(f);
}

static void test_forged(void **state)
{
    (void)state;
    struct fleet *f = setup();
    uint8_t bits[1] = {7}, other[32] = {1}, acks[MU_ACK_LEN] = {0};
    struct mu_wide_report m = {.state = 3, .bitmap = MU_BYTES(bits),
                               .acks = MU_BYTES(acks)};
    memcpy(m.campaign, f->campaign, MU_CAMPAIGN_ID);
    /* Two are true, one is invented. */
    peer_ack(&f->rig, "a0", f->campaign, 3, 0, f->digest, acks);
    peer_ack(&f->rig, "a2", f->campaign, 3, 0, f->digest, acks);
    assert_int_equal(report_raw(f, 1, &m), MU_COAP_CONFLICT);
    assert_int_equal(fleet_view(f).received, 0);
    assert_int_equal(fleet_view(f).reports_refused, 0);
    /* A lesser state does not prove a higher one, nor another object's ack
     * this one, nor another campaign's. */
    memset(acks, 0, sizeof acks);
    bits[0] = 1;
    m.state = 15;
    peer_ack(&f->rig, "a0", f->campaign, 3, 0, f->digest, acks);
    assert_int_equal(report_raw(f, 1, &m), MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, other, 15, 0, 0,
                                fleet_names, 1), MU_COAP_UNAUTHORIZED);
    memset(acks, 0, sizeof acks);
    peer_ack(&f->rig, "a0", (const uint8_t *)"another!", 15, 0, f->digest,
             acks);
    assert_int_equal(report_raw(f, 1, &m), MU_COAP_UNAUTHORIZED);
    assert_int_equal(fleet_view(f).reports_refused, 3);
    assert_int_equal(rig_trace_count(&f->rig, "ack-forged 1 0"), 3);
    assert_int_equal(fleet_view(f).running, 0);
    fleet_close(f);
}

/* A gateway speaks for its own area only, whatever acks it got hold of. */
static void test_foreign(void **state)
{
    (void)state;
    struct fleet *f = setup();
    const char *const b0[] = {"b0"}, *const a0[] = {"a0"};
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 0,
                                b0, 1), MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_report(&f->rig, 2, f->campaign, f->digest, 15, 0, 0,
                                a0, 1), MU_COAP_UNAUTHORIZED);
    /* An index that nobody has, alone and in company. */
    assert_int_equal(rig_report(&f->rig, 2, f->campaign, f->digest, 15, 0, 9,
                                b0, 1), MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_report(&f->rig, 2, f->campaign, f->digest, 15, 0,
                                4000, b0, 1), MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_report(&f->rig, 2, (const uint8_t *)"unknown!",
                                f->digest, 15, 0, 0, b0, 1),
                     MU_COAP_NOT_FOUND);
    assert_int_equal(fleet_view(f).running, 0);
    fleet_close(f);
}

/* One that is no member of the group, but is of the area. */
static void test_not_a_target(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    const char *const late[] = {"late"}, *const both[] = {"a2", "late"};
    rig_device_add(&f->rig, "late", "gw-1");
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 3,
                                late, 1), MU_COAP_UNAUTHORIZED);
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 15, 0, 2,
                                both, 2), MU_COAP_CONFLICT);
    /* Nobody is named, nothing is proved. */
    uint8_t bits[1] = {2}, none[1] = {0}, acks[MU_ACK_LEN] = {0};
    struct mu_wide_report m = {.state = 15, .first = 2,
                               .bitmap = MU_BYTES(bits),
                               .acks = MU_BYTES(acks)};
    memcpy(m.campaign, f->campaign, MU_CAMPAIGN_ID);
    assert_int_equal(report_raw(f, 1, &m), MU_COAP_UNAUTHORIZED);
    m.bitmap = MU_BYTES(none);
    m.acks.len = 0;
    assert_int_equal(report_raw(f, 1, &m), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).members, 4);
    assert_int_equal(fleet_view(f).running, 0);
    fleet_close(f);
}

/* Bisection as a gateway does it ends with the false one alone. */
static unsigned bisect(struct fleet *f, unsigned first, unsigned n,
                       unsigned liar)
{
    uint8_t bits[16] = {0}, acks[MU_ACK_LEN] = {0};
    char identity[32];
    struct mu_wide_report m = {.state = 15, .first = (uint16_t)first,
                               .bitmap = MU_BYTES(bits),
                               .acks = MU_BYTES(acks)};
    memcpy(m.campaign, f->campaign, MU_CAMPAIGN_ID);
    for (unsigned i = 0; i < n; i++) {
        snprintf(identity, sizeof identity, "c%03u", first + i - 3);
        mu_bit_put(bits, i, true);
        peer_ack(&f->rig, identity, f->campaign, 15,
                 first + i == liar ? 1 : 0, f->digest, acks);
    }
    switch (report_raw(f, 1, &m)) {
    case MU_COAP_CHANGED:
        return 1;
    case MU_COAP_UNAUTHORIZED:
        assert_int_equal(n, 1);
        assert_int_equal(first, liar);
        return 1;
    case MU_COAP_CONFLICT:
        assert_true(n > 1);
        return 1 + bisect(f, first, n / 2, liar) +
               bisect(f, first + n / 2, n - n / 2, liar);
    default:
        fail_msg("another code");
        return 0;
    }
}

static void test_bisection(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    char identity[32];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(identity, sizeof identity, "c%03u", i);
        rig_device_add(&f->rig, identity, "gw-1");
        assert_int_equal(mu_server_group_add(&f->rig.server, rig_id("all"),
                                             rig_id(identity)), 0);
        rig_drain(&f->rig);
    }
    fleet_link(f);
    fleet_push(f);
    assert_true(bisect(f, 3, 100, 77) <= 15);
    assert_int_equal(fleet_view(f).running, 99);
    assert_int_equal(fleet_view(f).reports_refused, 1);
    fleet_close(f);
}

/* ---- shifted ---------------------------------------------------------------- */

struct shifted {
    uint8_t bits[16], string[100 * MU_ACK_LEN];
    struct mu_wide_report m;
    uint8_t left[16];
    unsigned left_len;
};

static struct fleet *hundred(void)
{
    struct fleet *f = fleet_open(0);
    char identity[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(identity, sizeof identity, "c%03u", i);
        rig_device_add(&f->rig, identity, "gw-1");
        assert_int_equal(mu_server_group_add(&f->rig.server, rig_id("all"),
                                             rig_id(identity)), 0);
        rig_drain(&f->rig);
    }
    fleet_link(f);
    fleet_push(f);
    return f;
}

/* Of c000 to c099, which are at 3 to 102; `liars` says who sends a false one. */
static void shifted_make(struct fleet *f, struct shifted *o, uint8_t shift,
                         unsigned first, unsigned n, const char *liars)
{
    struct mu_ack_sum sum;
    struct mu_ack_set set;

    mu_ack_sum_init(&sum, (uint16_t)(first + 3), shift, o->bits,
                    sizeof o->bits, o->string, sizeof o->string);
    for (unsigned i = first; i < first + n; i++) {
        uint8_t ack[MU_ACK_LEN] = {0};
        char identity[32];

        snprintf(identity, sizeof identity, "c%03u", i);
        peer_ack(&f->rig, identity, f->campaign, 15,
                 strstr(liars, identity) != NULL, f->digest, ack);
        assert_int_equal(mu_ack_sum_add(&sum, (uint16_t)(i + 3), ack), 0);
    }
    set = mu_ack_sum_set(&sum);
    o->m = (struct mu_wide_report){.state = 15, .first = set.first,
                                   .bitmap = set.named, .shift = set.shift,
                                   .acks = set.string};
    memcpy(o->m.campaign, f->campaign, MU_CAMPAIGN_ID);
}

static uint8_t shifted_send(struct fleet *f, struct shifted *o)
{
    uint8_t room[MU_MESSAGE_MAX];
    struct mu_writer w = mu_writer(room, sizeof room);
    struct mu_bytes left = {NULL, 0};
    struct rig_send *s;

    assert_int_equal(mu_wide_report_create(&o->m, &w), 0);
    s = rig_request(&f->rig, 1, "r", mu_written(&w));
    assert_non_null(s);
    if (s->payload_len > 0)
        assert_int_equal(mu_wide_left_consume(mu_bytes(s->payload, s->payload_len), &left), 0);
    memset(o->left, 0, sizeof o->left);
    if (left.len > 0)
        memcpy(o->left, left.data, left.len);
    o->left_len = (unsigned)mu_ack_members(left);
    return s->code;
}

/* Those whom the operator is told to have lied. */
static void liars_are(struct fleet *f, const char *names)
{
    struct mu_target_view t;
    char after[MU_ID_MAX + 1] = "";

    while (mu_server_target_next(&f->rig.server, f->campaign, rig_id(after),
                                 &t) == 0) {
        assert_int_equal(t.lied, strstr(names, t.identity) != NULL);
        memcpy(after, t.identity, sizeof after);
    }
    assert_true(after[0] != 0);
}

/* Three liars among a hundred: the rest is taken at once but for the nearest
 * neighbours, and those stand by themselves. */
static void test_shifted(void **state)
{
    (void)state;
    struct fleet *f = hundred();
    struct shifted o;
    static const char liars[] = "c010 c050 c099";

    shifted_make(f, &o, 0, 0, 100, liars);
    assert_int_equal(shifted_send(f, &o), MU_COAP_CONFLICT);
    assert_int_equal(o.left_len, 0);
    assert_int_equal(fleet_view(f).running, 0);
    shifted_make(f, &o, 4, 0, 100, liars);
    assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
    assert_int_equal(o.left_len, 3 + 3 + 2);
    assert_int_equal(fleet_view(f).running, 92);
    assert_int_equal(fleet_view(f).reports_refused, 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(mu_bit_get(MU_BYTES(o.left), i),
                         (i >= 9 && i <= 11) || (i >= 49 && i <= 51) ||
                             i >= 98);
    shifted_make(f, &o, 8, 9, 3, liars);
    assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
    assert_int_equal(o.left_len, 1);
    assert_true(mu_bit_get(MU_BYTES(o.left), 1));
    assert_int_equal(fleet_view(f).running, 94);
    assert_int_equal(fleet_view(f).reports_refused, 1);
    assert_int_equal(rig_trace_count(&f->rig, "ack-forged 1 13"), 1);
    liars_are(f, "c010");
    /* It thinks better of it. */
    shifted_make(f, &o, 8, 10, 1, "");
    assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
    liars_are(f, "");
    /* All true: no list. */
    shifted_make(f, &o, 8, 98, 1, liars);
    assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
    assert_int_equal(o.left_len, 0);
    fleet_close(f);
}

/* What a gateway makes up proves nobody, in any form, wherever it stands:
 * neither with acknowledgements of others at hand nor with chance. */
static void test_shifted_forged(void **state)
{
    static const uint8_t shifts[] = {2, 4, 8};
    (void)state;
    struct fleet *f = hundred();
    struct shifted o;

    for (size_t k = 0; k < sizeof shifts; k++) {
        /* c003 has acknowledged; its neighbours have not. */
        shifted_make(f, &o, shifts[k], 0, 7, "c000 c001 c002 c004 c005 c006");
        for (size_t i = 0; i < 3u * shifts[k]; i++)
            o.string[i] = (uint8_t)(i * 31 + k);
        assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
        assert_true(o.left_len >= 6);
        for (unsigned i = 0; i < 7; i++)
            assert_true(i == 3 || mu_bit_get(MU_BYTES(o.left), i));
        assert_true(fleet_view(f).running <= 1);
    }
    /* A name behind which nobody is, in the middle of true ones. */
    shifted_make(f, &o, 4, 0, 10, "");
    o.bits[0] = 0xff;
    o.bits[1] = 0x01;
    o.bits[12] = 0x80; /* 3 + 103: nobody */
    o.m.bitmap = mu_bytes(o.bits, 13);
    assert_int_equal(shifted_send(f, &o), MU_COAP_CHANGED);
    assert_int_equal(o.left_len, 2); /* and the neighbour it lies on */
    assert_true(mu_bit_get(MU_BYTES(o.left), 103));
    assert_true(mu_bit_get(MU_BYTES(o.left), 8));
    assert_int_equal(fleet_view(f).running, 8);
    fleet_close(f);
}

/* More than one record of targets behind one gateway. */
static void test_many_targets(void **state)
{
    (void)state;
    struct fleet *f = fleet_open(0);
    char identity[600][16];
    const char *names[500];
    for (unsigned i = 0; i < 600; i++) {
        snprintf(identity[i], sizeof identity[i], "m%04u", i);
        rig_device_add(&f->rig, identity[i], "gw-2");
        assert_int_equal(mu_server_group_add(&f->rig.server, rig_id("all"),
                                             rig_id(identity[i])), 0);
        rig_drain(&f->rig);
    }
    for (unsigned i = 0; i < 500; i++)
        names[i] = identity[i + 50];
    fleet_link(f);
    fleet_push(f);
    assert_int_equal(fleet_view(f).members, 604);
    assert_int_equal(area_fetch(&f->gw[1], f->campaign), 0);
    unsigned bits = 0;
    for (unsigned i = 0; i < f->gw[1].campaign.members.len * 8; i++)
        bits += mu_bit_get(f->gw[1].campaign.members, i);
    assert_int_equal(bits, 601);
    for (unsigned i = 0; i < 500; i += 250)
        assert_int_equal(rig_report(&f->rig, 2, f->campaign, f->digest, 15, 0,
                                    (uint16_t)(51 + i), names + i, 250),
                         MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).running, 500);
    unsigned running = 0, n = 0;
    struct mu_target_view t;
    char after[MU_ID_MAX + 1] = "";
    while (mu_server_target_next(&f->rig.server, f->campaign, rig_id(after),
                                 &t) == 0) {
        assert_true(strcmp(t.identity, after) > 0);
        memcpy(after, t.identity, sizeof after);
        running += t.state == 15;
        n++;
    }
    assert_int_equal(n, 604);
    assert_int_equal(running, 500);
    /* The same after a restart, counted anew. */
    assert_int_equal(rig_restart(&f->rig), 0);
    assert_int_equal(fleet_view(f).running, 500);
    assert_int_equal(fleet_view(f).members, 604);
    fleet_close(f);
}

/* Stored before it is answered. */
static void test_stored_first(void **state)
{
    (void)state;
    struct fleet *f = setup();
    rig_forget(&f->rig);
    f->rig.hold = true;
    assert_int_equal(fleet_report(f, 0, 15, 0), 0);
    /* Power off instead of a commit: it was never said. */
    f->rig.hold = false;
    assert_int_equal(rig_restart(&f->rig), 0);
    assert_int_equal(fleet_view(f).running, 0);
    assert_int_equal(fleet_report(f, 0, 15, 0), MU_COAP_CHANGED);
    assert_int_equal(rig_restart(&f->rig), 0);
    assert_int_equal(fleet_view(f).running, 1);
    fleet_close(f);
}

/* A revoked device in a sum that was on its way: the others count. */
static void test_revoked_in_sum(void **state)
{
    (void)state;
    struct fleet *f = setup();
    assert_int_equal(mu_server_device_revoke(&f->rig.server, rig_id("a1")), 0);
    rig_drain(&f->rig);
    assert_int_equal(rig_report(&f->rig, 1, f->campaign, f->digest, 3, 0, 0,
                                fleet_names, 3), MU_COAP_CHANGED);
    assert_int_equal(fleet_view(f).received, 2);
    assert_int_equal(fleet_target(f, 1).state, 0);
    assert_true(fleet_target(f, 1).revoked);
    fleet_close(f);
}

/* Rubbish is answered, and harms nothing. */
static void test_rubbish(void **state)
{
    (void)state;
    static const char *const paths[] = {"hello", "area",    "camp", "camp/m",
                                        "r",     "d/a0",    "t",    "nope",
                                        "",      "d/ghost", "d/"};
    struct fleet *f = setup();
    uint8_t bytes[64];
    uint32_t chance = 5;
    for (unsigned n = 0; n < 3000; n++) {
        size_t len = mu_jitter_next(&chance) % sizeof bytes;
        struct rig_send *s;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)mu_jitter_next(&chance);
        if (n % 3 != 0 && len > 0)
            bytes[0] = 0xa1; /* looks like a map */
        s = rig_request(&f->rig, 1 + n % 2, paths[n % 11],
                        mu_bytes(bytes, len));
        assert_non_null(s);
        assert_in_range(MU_COAP_CLASS(s->code), 2, 5);
        s = rig_request_oscore(&f->rig, 1, "d/a0", mu_bytes(bytes, len % 20),
                               mu_bytes(bytes, len));
        assert_non_null(s);
        rig_forget(&f->rig);
    }
    assert_int_equal(fleet_view(f).running, 0);
    assert_int_equal(mu_server_epoch(&f->rig.server), 1);
    fleet_close(f);
}

static void test_tally(void **state)
{
    (void)state;
    struct fleet *f = setup();
    struct mu_wide_tally t = {.data = 100, .bytes = 12345, .page = 3};
    struct mu_area_view v;
    uint8_t room[128];
    struct mu_writer w = mu_writer(room, sizeof room);
    memcpy(t.campaign, f->campaign, MU_CAMPAIGN_ID);
    assert_int_equal(mu_wide_tally_create(&t, &w), 0);
    assert_int_equal(rig_request(&f->rig, 2, "t", mu_written(&w))->code,
                     MU_COAP_CHANGED);
    for (unsigned life = 0; life < 2; life++) {
        assert_int_equal(mu_server_area_next(&f->rig.server, f->campaign, 0,
                                             &v), 0);
        assert_int_equal(v.number, 2);
        assert_string_equal(v.gateway, "gw-2");
        assert_int_equal(v.tally.bytes, 12345);
        assert_int_equal(v.tally.page, 3);
        assert_int_equal(mu_server_area_next(&f->rig.server, f->campaign, 2,
                                             &v), MU_ERR_NOT_FOUND);
        assert_int_equal(rig_restart(&f->rig), 0);
    }
    t.campaign[0] ^= 1;
    w = mu_writer(room, sizeof room);
    assert_int_equal(mu_wide_tally_create(&t, &w), 0);
    assert_int_equal(rig_request(&f->rig, 2, "t", mu_written(&w))->code,
                     MU_COAP_NOT_FOUND);
    fleet_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggregate),
        cmocka_unit_test(test_failure_and_back),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_not_a_target),
        cmocka_unit_test(test_bisection),
        cmocka_unit_test(test_shifted),
        cmocka_unit_test(test_shifted_forged),
        cmocka_unit_test(test_many_targets),
        cmocka_unit_test(test_stored_first),
        cmocka_unit_test(test_revoked_in_sum),
        cmocka_unit_test(test_rubbish),
        cmocka_unit_test(test_tally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
