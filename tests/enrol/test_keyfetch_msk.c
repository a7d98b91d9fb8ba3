/* SPDX-License-Identifier: Apache-2.0 */
/* Key fetch with MSK messages: what is carried, and its bounds. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "muster/keyfetch.h"

static uint8_t bytes[MU_KEYFETCH_RESPONSE_MAX + 400];
static uint8_t message[MU_KEYFETCH_RESPONSE_MAX];

static struct mu_keyfetch_response response_of(uint8_t msks, uint8_t keys)
{
    struct mu_keyfetch_response m = {.msks_len = msks, .keys_len = keys,
                                     .epoch = 3};

    memset(message, 0x5a, sizeof message);
    for (uint8_t i = 0; i < MU_DEVICE_GROUPS_MAX; i++) {
        m.groups.number[i] = 100u + i;
        m.groups.mode[i] = 0;
    }
    m.groups.len = MU_DEVICE_GROUPS_MAX;
    for (uint8_t i = 0; i < keys; i++)
        m.keys[i] = (struct mu_keyfetch_key){
            .kid = {MU_KEY_KB, 100u + i, UINT64_MAX},
            .key = {.len = 32},
            .valid_s = UINT32_MAX,
        };
    for (uint8_t i = 0; i < msks && i < MU_KEYFETCH_MSKS_MAX; i++)
        m.msks[i] = (struct mu_keyfetch_msk){
            .kid = {MU_KEY_KB, 107u - i, UINT64_MAX},
            .message = mu_bytes(message, MU_KEYFETCH_MSK_MAX),
            .valid_s = UINT32_MAX,
        };
    return m;
}

static void test_carried(void **state)
{
    struct mu_keyfetch_response got;

    (void)state;
    /* The largest messages, beside the keys of all the other groups. */
    for (uint8_t n = 1; n <= MU_KEYFETCH_MSKS_MAX; n++) {
        struct mu_keyfetch_response m = response_of(n, 0);
        struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_RESPONSE_MAX);

        assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
        assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                         0);
        assert_int_equal(got.msks_len, n);
        for (uint8_t i = 0; i < n; i++) {
            assert_true(mu_kid_eq(&got.msks[i].kid, &m.msks[i].kid));
            assert_true(mu_bytes_eq(got.msks[i].message, m.msks[i].message));
            assert_int_equal(got.msks[i].valid_s, UINT32_MAX);
        }
        for (size_t cut = 0; cut < w.len; cut++)
            assert_true(mu_keyfetch_response_consume(mu_bytes(bytes, cut),
                                                     &got) < 0);
    }
}

static void refused(const struct mu_keyfetch_response *m)
{
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    assert_int_equal(mu_keyfetch_response_create(m, &w), MU_ERR_USAGE);
}

static void test_bounds(void **state)
{
    struct mu_keyfetch_response m = response_of(MU_KEYFETCH_MSKS_MAX + 1, 0);

    (void)state;
    refused(&m);
    m = response_of(1, 0);
    m.msks[0].message.len = MU_KEYFETCH_MSK_MAX + 1;
    refused(&m);
    m.msks[0].message.len = 0;
    refused(&m);
    m = response_of(1, 0);
    m.msks[0].kid.scope = 99; /* of no group that is listed */
    refused(&m);
    m.msks[0].kid = (struct mu_kid){MU_KEY_KG, 107, 1};
    refused(&m);
    /* A piece has the room that is left beside them. */
    m = response_of(2, 0);
    m.piece_group = 100;
    m.piece_total = 1000;
    m.piece = mu_bytes(message, mu_keyfetch_piece_room(&m));
    struct mu_writer w = mu_writer(bytes, MU_KEYFETCH_RESPONSE_MAX);

    assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
    m.piece.len++;
    refused(&m);
}

/* More than anybody sends. */
static void test_too_long(void **state)
{
    struct mu_keyfetch_response m = response_of(2, MU_DEVICE_GROUPS_MAX), got;
    struct mu_writer w = mu_writer(bytes, sizeof bytes);

    (void)state;
    assert_int_equal(mu_keyfetch_response_create(&m, &w), 0);
    assert_true(w.len > MU_KEYFETCH_RESPONSE_MAX);
    assert_int_equal(mu_keyfetch_response_consume(mu_written(&w), &got),
                     MU_ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carried),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
