/* SPDX-License-Identifier: Apache-2.0 */
/* Key fetch with member states: what is asked for, pieces, and their bounds. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "muster/keyfetch.h"

static uint8_t bytes[MU_KEYFETCH_RESPONSE_MAX + 1];

static struct mu_keyfetch_request request_of(uint8_t n)
{
    struct mu_keyfetch_request m = {
        .held_len = n,
        .states_len = n,
        .collecting = true,
        .which = {UINT32_MAX, UINT64_MAX, UINT64_MAX - 1},
        .offset = MU_MEMBER_STATE_MAX,
    };

    for (uint8_t i = 0; i < n && i < MU_DEVICE_GROUPS_MAX; i++) {
        m.held[i] = (struct mu_kid){MU_KEY_KB, UINT32_MAX - i, UINT64_MAX};
        m.states[i] = (struct mu_keyfetch_state){UINT32_MAX - i, UINT64_MAX,
                                                 UINT64_MAX - i};
    }
    return m;
}

static void request_same(const struct mu_keyfetch_request *a,
                         const struct mu_keyfetch_request *b)
{
    assert_int_equal(a->states_len, b->states_len);
    for (size_t i = 0; i < a->states_len; i++)
        assert_memory_equal(&a->states[i], &b->states[i], sizeof a->states[i]);
    assert_int_equal(a->collecting, b->collecting);
    if (!a->collecting)
        return;
    assert_int_equal(a->which.group, b->which.group);
    assert_int_equal(a->which.base, b->which.base);
    assert_int_equal(a->which.newest, b->which.newest);
    assert_int_equal(a->offset, b->offset);
}

static void test_request(void **state)
{
    (void)state;
    for (uint8_t n = 0; n <= MU_DEVICE_GROUPS_MAX; n++) {
        for (int collecting = 0; collecting < 2; collecting++) {
            struct mu_keyfetch_request m = request_of(n), got;
            struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_REQUEST_MAX);

            m.collecting = collecting != 0;
            assert_int_equal(mu_keyfetch_request_create(&m, &w), 0);
            assert_int_equal(
                mu_keyfetch_request_consume(mu_written(&w), &got), 0);
            request_same(&m, &got);
            for (size_t cut = 0; cut < w.len; cut++)
                assert_true(mu_keyfetch_request_consume(
                                mu_bytes(bytes, cut), &got) < 0);
        }
    }
}

/* Who has no state asks as ever. */
static void test_request_plain(void **state)
{
    struct mu_keyfetch_request m = request_of(1);
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    (void)state;
    m.collecting = false;
    m.states_len = 0;
    assert_int_equal(mu_keyfetch_request_create(&m, &w), 0);
    assert_int_equal(w.len, 17);
    assert_int_equal(bytes[0], 0xa1);
}

static void test_request_refused(void **state)
{
    struct mu_keyfetch_request m = request_of(2);
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    (void)state;
    m.states[1].group = m.states[0].group;
    assert_int_equal(mu_keyfetch_request_create(&m, &w), MU_ERR_USAGE);
    m = request_of(2);
    m.states_len = MU_DEVICE_GROUPS_MAX + 1;
    assert_int_equal(mu_keyfetch_request_create(&m, &w), MU_ERR_USAGE);
    m = request_of(2);
    m.offset = 0; /* nothing is here: then nothing is being collected */
    assert_int_equal(mu_keyfetch_request_create(&m, &w), MU_ERR_USAGE);
    m = request_of(2);
    m.offset = MU_MEMBER_STATE_MAX + 1;
    assert_int_equal(mu_keyfetch_request_create(&m, &w), MU_ERR_USAGE);
}

static struct mu_keyfetch_response response_of(uint8_t keys)
{
    static uint8_t state[MU_MEMBER_STATE_MAX];
    struct mu_keyfetch_response m = {
        .keys_len = keys,
        .groups.len = MU_DEVICE_GROUPS_MAX,
        .epoch = UINT32_MAX,
        .piece_group = UINT32_MAX - 3,
        .piece_total = MU_MEMBER_STATE_MAX,
        .piece_offset = 1000,
        .piece = MU_BYTES(state),
    };

    for (uint8_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        m.groups.number[i] = UINT32_MAX - i;
        m.groups.mode[i] = MU_MODE_HAND_KEY;
        if (i < keys) {
            m.keys[i].kid =
                (struct mu_kid){MU_KEY_KB, UINT32_MAX - i, UINT64_MAX};
            m.keys[i].key.len = 32;
            m.keys[i].valid_s = UINT32_MAX;
        }
    }
    for (size_t i = 0; i < sizeof state; i++)
        state[i] = (uint8_t)(i * 13);
    return m;
}

static void test_response(void **state)
{
    (void)state;
    for (uint8_t n = 0; n <= MU_DEVICE_GROUPS_MAX; n++) {
        struct mu_keyfetch_response m = response_of(n), got;
        struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_RESPONSE_MAX);
        size_t room = mu_keyfetch_piece_room(&m);

        /* With every key of every group there is room for a good piece. */
        assert_true(room >= 480 && room < MU_KEYFETCH_RESPONSE_MAX);
        m.piece.len = room;
        assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
        assert_true(w.len + 4 >= MU_KEYFETCH_RESPONSE_MAX);
        assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                         0);
        assert_int_equal(got.piece_group, m.piece_group);
        assert_int_equal(got.piece_total, m.piece_total);
        assert_int_equal(got.piece_offset, m.piece_offset);
        assert_true(mu_bytes_eq(got.piece, m.piece));
        for (size_t cut = 0; cut < w.len; cut++)
            assert_true(mu_keyfetch_response_consume(mu_bytes(bytes, cut),
                                                     &got) < 0);
        m.piece.len = room + 1;
        w.len = 0;
        assert_int_equal(mu_keyfetch_response_create(&m, &w), MU_ERR_USAGE);
        mu_keyfetch_response_clear(&m);
        mu_keyfetch_response_clear(&got);
    }
}

static void refused(struct mu_keyfetch_response m)
{
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    assert_int_equal(mu_keyfetch_response_create(&m, &w), MU_ERR_USAGE);
}

static void test_response_refused(void **state)
{
    struct mu_keyfetch_response good = response_of(1), m;
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    (void)state;
    good.piece.len = 24;
    assert_int_equal(mu_keyfetch_response_create(&good, &w), 0);
    m = good;
    m.piece_group = 5; /* not listed */
    refused(m);
    m = good;
    m.piece_total = MU_MEMBER_STATE_MAX + 1;
    refused(m);
    m = good;
    m.piece_offset = m.piece_total;
    refused(m);
    m = good;
    m.piece_total = 1023; /* 1,000 and 24: beyond its end */
    refused(m);
    m.piece_total = 1024;
    w.len = 0;
    assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
}

/* The same refusals where they come from outside: the last bytes are the
 * piece's array, whose numbers are two bytes each. */
static void test_response_hostile(void **state)
{
    struct mu_keyfetch_response m = response_of(0), got;
    struct mu_writer w = mu_writer(bytes, sizeof bytes);
    uint8_t *at;

    (void)state;
    m.piece_total = 1024;
    m.piece.len = 24;
    assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
    at = bytes + w.len - 24 - 2 - 6; /* 19 total 19 offset */
    assert_int_equal(at[0], 0x19);
    assert_int_equal(at[3], 0x19);
    at[2] = 0xff;
    at[1] = 3; /* total 1,023 */
    assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                     MU_ERR_MALFORMED);
    at[1] = 0x20;
    at[2] = 1; /* 8,193 */
    assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                     MU_ERR_MALFORMED);
    at[2] = 0;
    assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got), 0);
    at[4] = 0x40; /* offset 17,384 */
    assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                     MU_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_plain),
        cmocka_unit_test(test_request_refused),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_response_refused),
        cmocka_unit_test(test_response_hostile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
