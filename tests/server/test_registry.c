/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, gateways, groups and keys, as records and as lists. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct rig *setup(void)
{
    struct rig *r = malloc(sizeof *r);
    assert_non_null(r);
    rig_open(r);
    rig_gateway_add(r, "gw-1");
    rig_gateway_add(r, "gw-2");
    return r;
}

static void finish(struct rig *r)
{
    rig_close(r);
    free(r);
}

static void group(struct rig *r, const char *name, uint8_t mode)
{
    uint32_t number;
    assert_int_equal(mu_server_group_create(&r->server, mu_bytes_str(name),
                                            mode, &number), 0);
    rig_drain(r);
}

static void join(struct rig *r, const char *name, const char *identity)
{
    assert_int_equal(mu_server_group_add(&r->server, mu_bytes_str(name),
                                         rig_id(identity)), 0);
    rig_drain(r);
}

static struct mu_group_view view(struct rig *r)
{
    struct mu_group_view v;
    assert_int_equal(mu_server_group_next(&r->server, 0, &v), 0);
    return v;
}

static void test_first_start(void **state)
{
    (void)state;
    struct rig *r = setup();
    uint8_t pub[MU_PUBLIC_KEY_MAX];
    memcpy(pub, r->server.signer.pub, sizeof pub);
    assert_int_equal(mu_server_epoch(&r->server), 1);
    assert_int_equal(rig_trace_count(r, "signer-made"), 1);
    assert_true(rig_traced(r, "wide-key"));
    /* A restart keeps them all, and makes none anew. */
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(rig_trace_count(r, "signer-made"), 1);
    assert_int_equal(rig_trace_count(r, "wide-key"), 1);
    assert_memory_equal(pub, r->server.signer.pub, sizeof pub);
    assert_int_equal(mu_server_epoch(&r->server), 1);
    finish(r);
}

static void test_wrong_master(void **state)
{
    (void)state;
    struct rig *r = setup();
    r->master.bytes[0] ^= 1;
    assert_int_equal(rig_restart(r), MU_ERR_CORRUPT);
    r->master.bytes[0] ^= 1;
    assert_int_equal(rig_restart(r), 0);
    finish(r);
}

static void test_psk(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct mu_secret psk, kmr, want;
    uint32_t link = 0;
    assert_int_equal(mu_server_psk(&r->server, rig_id("gw-2"), &psk, &link),
                     0);
    assert_int_equal(link, 2);
    rig_kmr(r, "gw-2", &kmr);
    assert_int_equal(mu_khop_derive(&r->crypto, &kmr, rig_id("server"), &want),
                     0);
    assert_true(mu_secret_eq(&psk, &want));
    assert_int_equal(mu_server_psk(&r->server, rig_id("gw-3"), &psk, &link),
                     MU_ERR_UNKNOWN_PEER);
    assert_false(mu_secret_is_set(&psk));
    finish(r);
}

static void test_refusals(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct mu_server *s = &r->server;
    uint8_t root[32] = {1};
    uint32_t n;
    const struct mu_bytes key = MU_BYTES(root), gw = rig_id("gw-1");
    rig_device_add(r, "dev", "gw-1");
    assert_int_equal(mu_server_device_add(s, rig_id("dev"), key, gw),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_device_add(s, rig_id("gw-2"), key, gw),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_device_add(s, rig_id("server"), key, gw),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_gateway_add(s, rig_id("dev"), key, &n),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_gateway_add(s, rig_id("gw-1"), key, &n),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_device_add(s, rig_id("x"), key, rig_id("no")),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_device_add(s, rig_id("a/b"), key, gw),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_device_add(s, rig_id("a b"), key, gw),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_device_add(s, rig_id(""), key, gw),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_device_add(s, rig_id("\xff"), key, gw),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_device_add(s, rig_id("x"), mu_bytes(root, 15),
                                          gw),
                     MU_ERR_USAGE);
    assert_int_equal(mu_server_device_revoke(s, rig_id("x")),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_group_add(s, rig_id("none"), rig_id("dev")),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_group_create(s, rig_id("g"), 3, &n),
                     MU_ERR_USAGE);
    group(r, "g", 0);
    assert_int_equal(mu_server_group_create(s, rig_id("g"), 0, &n),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_group_remove(s, rig_id("g"), rig_id("dev")),
                     MU_ERR_NOT_FOUND);
    /* Nothing of all that left a trace in the store. */
    struct mu_device_view d;
    assert_int_equal(mu_server_device_next(s, rig_id(""), &d), 0);
    assert_string_equal(d.identity, "dev");
    assert_int_equal(mu_server_device_next(s, rig_id("dev"), &d),
                     MU_ERR_NOT_FOUND);
    finish(r);
}

static void test_gateways_full(void **state)
{
    (void)state;
    struct rig *r = setup();
    uint8_t root[32] = {1};
    uint32_t n;
    rig_gateway_add(r, "gw-3");
    rig_gateway_add(r, "gw-4");
    assert_int_equal(mu_server_gateway_add(&r->server, rig_id("gw-5"),
                                           MU_BYTES(root), &n),
                     MU_ERR_FULL);
    finish(r);
}

/* Not with devices; then its key, its link and Kw end, over restarts too, and
 * its name is free but not its number. */
static void test_gateway_removed(void **state)
{
    struct rig *r = setup();
    struct mu_server *s = &r->server;
    struct mu_gateway_view v;
    struct mu_secret psk;
    uint8_t root[32] = {1};
    uint32_t n;

    (void)state;
    rig_device_add(r, "dev", "gw-1");
    rig_link(r, 1, "gw-1");
    rig_drain(r);
    assert_int_equal(mu_server_gateway_remove(s, rig_id("gw-9")),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_gateway_remove(s, rig_id("gw-1")),
                     MU_ERR_CONFLICT);
    assert_int_equal(mu_server_device_revoke(s, rig_id("dev")), 0);
    rig_drain(r);
    assert_int_equal(rig_trace_count(r, "wide-key"), 1);
    assert_int_equal(mu_server_gateway_remove(s, rig_id("gw-1")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(r->closed, 1);
    assert_int_equal(rig_trace_count(r, "wide-key"), 2);
    /* What it still asks on the link that ends is not answered. */
    assert_null(rig_request(r, 1, "camp", mu_bytes("\xa1\x01\x00", 3)));
    for (unsigned life = 0; life < 2; life++) {
        assert_int_equal(mu_server_psk(s, rig_id("gw-1"), &psk, &n),
                         MU_ERR_UNKNOWN_PEER);
        assert_int_equal(mu_server_gateway_remove(s, rig_id("gw-1")),
                         MU_ERR_NOT_FOUND);
        assert_int_equal(mu_server_device_add(s, rig_id("x"), MU_BYTES(root),
                                              rig_id("gw-1")),
                         MU_ERR_NOT_FOUND);
        assert_int_equal(mu_server_gateway_next(s, 0, &v), 0);
        assert_string_equal(v.identity, "gw-2");
        assert_int_equal(rig_restart(r), 0);
    }
    assert_false(rig_traced(r, "gateway-damaged"));
    assert_int_equal(mu_server_gateway_add(s, rig_id("gw-1"), MU_BYTES(root),
                                           &n), 0);
    assert_int_equal(n, 3);
    rig_drain(r);
    assert_int_equal(mu_server_psk(s, rig_id("gw-1"), &psk, &n), 0);
    assert_int_equal(n, 3);
    finish(r);
}

/* A server that ends between the removal and the next Kw makes one all the
 * same. */
static void test_gateway_removed_and_down(void **state)
{
    struct rig *r = setup();

    (void)state;
    rig_drain(r);
    assert_int_equal(rig_trace_count(r, "wide-key"), 1);
    assert_int_equal(mu_server_gateway_remove(&r->server, rig_id("gw-2")), 0);
    {
        struct mu_effect e;
        while (mu_server_next(&r->server, &e)) {
            if (e.kind == MU_DO_STORE)
                (void)r->store.put(r->store.ctx, e.table, e.key, e.value);
        }
    }
    assert_int_equal(r->store.commit(r->store.ctx), 0);
    assert_int_equal(rig_restart(r), 0);
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(rig_trace_count(r, "wide-key"), 2);
    finish(r);
}

/* ---- groups ---------------------------------------------------------------- */

static void test_rotations_merge(void **state)
{
    (void)state;
    struct rig *r = setup();
    char identity[16];
    group(r, "all", 0);
    for (int i = 0; i < 40; i++) {
        snprintf(identity, sizeof identity, "dev-%02d", i);
        rig_device_add(r, identity, i % 2 != 0 ? "gw-1" : "gw-2");
    }
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(rig_trace_count(r, "rotate"), 0);
    for (int i = 0; i < 40; i++) {
        snprintf(identity, sizeof identity, "dev-%02d", i);
        join(r, "all", identity);
    }
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(rig_trace_count(r, "rotate"), 1);
    assert_int_equal(view(r).members, 40);
    assert_int_equal(view(r).current, 0);
    uint64_t first = view(r).generation;
    assert_int_equal(first >> 32, 1);
    /* Nothing was sent under it: who joins or leaves... */
    rig_device_add(r, "late", "gw-1");
    join(r, "all", "late");
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(view(r).generation, first);
    /* ...leaves takes it with him. */
    for (int i = 0; i < 10; i++) {
        snprintf(identity, sizeof identity, "dev-%02d", i);
        assert_int_equal(mu_server_group_remove(&r->server, rig_id("all"),
                                                rig_id(identity)), 0);
        rig_drain(r);
    }
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(rig_trace_count(r, "rotate"), 2);
    assert_true(view(r).generation > first);
    assert_int_equal(view(r).members, 31);
    finish(r);
}

static void test_rotation_survives(void **state)
{
    (void)state;
    struct rig *r = setup();
    rig_device_add(r, "dev", "gw-1");
    rig_device_add(r, "leaver", "gw-1");
    group(r, "all", 0);
    join(r, "all", "dev");
    join(r, "all", "leaver");
    rig_run(r, MU_SECONDS(1));
    uint64_t before = view(r).generation;
    /* Off between the wish and the new key. */
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("leaver")), 0);
    rig_drain(r);
    assert_int_equal(view(r).generation, before);
    assert_int_equal(rig_restart(r), 0);
    rig_run(r, MU_SECONDS(1));
    assert_true(view(r).generation > before);
    /* And the second time it is nothing new. */
    before = view(r).generation;
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("leaver")), 0);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(view(r).generation, before);
    assert_int_equal(mu_server_group_add(&r->server, rig_id("all"),
                                         rig_id("leaver")),
                     MU_ERR_FORBIDDEN);
    finish(r);
}

static void test_generations_never_again(void **state)
{
    (void)state;
    struct rig *r = setup();
    uint64_t last = 0;
    rig_device_add(r, "dev", "gw-1");
    group(r, "all", 0);
    join(r, "all", "dev");
    for (int i = 0; i < 300; i++) {
        assert_int_equal(mu_server_group_rotate(&r->server, rig_id("all")), 0);
        rig_drain(r);
        rig_run(r, MU_SECONDS(1));
        assert_true(view(r).generation > last);
        last = view(r).generation;
        if (i % 50 == 7)
            assert_int_equal(rig_restart(r), 0);
    }
    /* The active key and the one before it are kept, the others are gone. */
    struct mu_kid after = {.kind = MU_KEY_NONE};
    struct mu_key_view k;
    unsigned kb = 0, active = 0;
    while (mu_server_key_next(&r->server, &after, &k) == 0) {
        after = k.kid;
        if (k.kid.kind != MU_KEY_KB)
            continue;
        assert_string_equal(k.kind_name, "Kb");
        kb++;
        if (k.phase == MU_PHASE_ACTIVE) {
            active++;
            assert_int_equal(k.kid.generation, last);
        }
    }
    assert_int_equal(kb, 2);
    assert_int_equal(active, 1);
    finish(r);
}

/* ---- many ------------------------------------------------------------------ */

#define ROWS 10000

static int import(struct rig *r, unsigned rows, unsigned bad)
{
    char identity[16], gateway[8];
    uint8_t root[32] = {2};
    int rc = 0;
    r->hold = true;
    for (unsigned i = 0; i < rows && rc == 0; i++) {
        snprintf(identity, sizeof identity, "d%05u", i == bad ? 0 : i);
        snprintf(gateway, sizeof gateway, "gw-%u", i % 4 + 1);
        rc = mu_server_device_add(&r->server, rig_id(identity),
                                  MU_BYTES(root), rig_id(gateway));
        r->tickets_len = 0; /* they are reported together, by the last */
        rig_drain(r);
    }
    r->hold = false;
    return rc;
}

static void test_import(void **state)
{
    (void)state;
    struct rig *r = setup();
    struct mu_device_view d;
    struct mu_gateway_view g;
    rig_gateway_add(r, "gw-3");
    rig_gateway_add(r, "gw-4");
    rig_link(r, 1, "gw-1");
    rig_run(r, MU_SECONDS(5));
    assert_non_null(rig_asked(r, 1, "n"));
    rig_answer(r, rig_asked(r, 1, "n"), MU_COAP_CHANGED);
    rig_forget(r);

    /* The last row is bad: nothing of it stays. */
    assert_int_equal(import(r, 500, 499), MU_ERR_CONFLICT);
    r->store.rollback(r->store.ctx);
    r->tickets_len = 0;
    r->barrier = false;
    assert_int_equal(mu_server_rollback(&r->server), 0);
    rig_drain(r);
    assert_int_equal(mu_server_device_next(&r->server, rig_id(""), &d),
                     MU_ERR_NOT_FOUND);
    assert_int_equal(mu_server_gateway_next(&r->server, 0, &g), 0);
    assert_int_equal(g.devices, 0);
    assert_true(g.linked);
    struct mu_wide_welcome welcome;
    assert_int_equal(rig_hello(r, 1, 1, &welcome), 0);
    rig_settle(r);
    rig_forget(r);

    clock_t begun = clock();
    assert_int_equal(import(r, ROWS, ROWS), 0);
    double took = (double)(clock() - begun) / CLOCKS_PER_SEC;
    /* Not a word to anybody before it is durable. */
    assert_null(rig_asked(r, 1, "n"));
    rig_commit(r);
    rig_drain(r);
    rig_run(r, MU_SECONDS(1));
    assert_non_null(rig_asked(r, 1, "n"));
    unsigned n = 0;
    char after[MU_ID_MAX + 1] = "";
    while (mu_server_device_next(&r->server, rig_id(after), &d) == 0) {
        memcpy(after, d.identity, sizeof after);
        n++;
    }
    assert_int_equal(n, ROWS);
    /* Linear: generous for a loaded machine with sanitizers, hopeless for
     * anything that looks at all rows for each. */
    assert_true(took < 30.0);
    finish(r);
}

static void test_area(void **state)
{
    (void)state;
    struct rig *r = setup();
    char identity[16];
    uint8_t room[32];
    unsigned seen = 0;
    uint64_t from = 0;
    for (int i = 0; i < 25; i++) {
        snprintf(identity, sizeof identity, "dev-%02d", i);
        rig_device_add(r, identity, "gw-1");
    }
    rig_device_add(r, "foreign", "gw-2");
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("dev-03")), 0);
    rig_drain(r);
    rig_link(r, 1, "gw-1");
    do {
        struct mu_writer w = mu_writer(room, sizeof room);
        struct mu_wide_rows rows;
        struct mu_wide_area_row row;
        struct rig_send *s;
        assert_int_equal(mu_wide_ask_create(from, &w), 0);
        s = rig_request(r, 1, "area", mu_written(&w));
        assert_non_null(s);
        assert_int_equal(s->code, MU_COAP_CONTENT);
        assert_true(s->payload_len <= MU_MESSAGE_MAX);
        assert_int_equal(mu_wide_page_consume(rig_payload(s), &rows), 0);
        while (mu_wide_area_row_next(&rows, &row)) {
            struct mu_secret kmr, khop;
            snprintf(identity, sizeof identity, "dev-%02d", row.index);
            assert_int_not_equal(row.index, 3);
            assert_true(mu_bytes_eq(row.identity, rig_id(identity)));
            rig_kmr(r, identity, &kmr);
            assert_int_equal(mu_khop_derive(&r->crypto, &kmr, rig_id("gw-1"),
                                            &khop), 0);
            assert_true(mu_secret_eq(&khop, &row.khop));
            seen++;
        }
        assert_int_equal(mu_wide_rows_end(&rows), 0);
        from = rows.page.next;
    } while (from != 0);
    assert_int_equal(seen, 24);
    finish(r);
}

/* One damaged record is that record's trouble. */
static void test_damage(void **state)
{
    (void)state;
    struct rig *r = setup();
    static const uint8_t rubbish[] = {9, 9, 9};
    struct mu_device_view d;
    rig_device_add(r, "dev-1", "gw-1");
    rig_device_add(r, "dev-2", "gw-1");
    rig_device_add(r, "dev-3", "gw-1");
    group(r, "all", 0);
    join(r, "all", "dev-1");
    join(r, "all", "dev-2");
    rig_run(r, MU_SECONDS(1));
    assert_int_equal(r->store.put(r->store.ctx, MU_TABLE_DEVICE,
                                  rig_id("dev-2"), MU_BYTES(rubbish)), 0);
    assert_int_equal(r->store.commit(r->store.ctx), 0);
    assert_int_equal(rig_restart(r), 0);
    assert_int_equal(mu_server_device_next(&r->server, rig_id("dev-1"), &d),
                     0);
    assert_string_equal(d.identity, "dev-3");
    assert_int_equal(mu_server_device_revoke(&r->server, rig_id("dev-2")),
                     MU_ERR_CORRUPT);
    rig_link(r, 1, "gw-1");
    rig_run(r, MU_SECONDS(2));
    struct rig_send *s = rig_asked(r, 1, "poke");
    assert_non_null(s);
    struct mu_bytes bitmap;
    assert_int_equal(mu_wide_poke_consume(rig_payload(s), &bitmap), 0);
    assert_true(mu_bit_get(bitmap, 0));
    assert_false(mu_bit_get(bitmap, 1));
    finish(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_start),
        cmocka_unit_test(test_wrong_master),
        cmocka_unit_test(test_psk),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gateways_full),
        cmocka_unit_test(test_gateway_removed),
        cmocka_unit_test(test_gateway_removed_and_down),
        cmocka_unit_test(test_rotations_merge),
        cmocka_unit_test(test_rotation_survives),
        cmocka_unit_test(test_generations_never_again),
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_area),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
