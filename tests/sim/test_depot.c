/* SPDX-License-Identifier: Apache-2.0 */
/* Depots that share what is the same, against arrays that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/depot.h"

#define SIZE 4000
#define DEPOTS 4 /* of the server, and of gateways */
#define WRITES 600

static const uint8_t campaign[MU_CAMPAIGN_ID] = {1, 2, 3};
static struct sim_depot *depots[DEPOTS];
static struct mu_depot ports[DEPOTS];
static struct mu_object objects[DEPOTS];
static uint8_t want[DEPOTS][SIZE + 500];

static void put(int i, uint64_t at, const uint8_t *from, size_t len)
{
    assert_int_equal(objects[i].write(objects[i].ctx, at, from, len), 0);
    memcpy(want[i] + at, from, len);
}

/* All but one bit of it. */
static void put_other(int i, uint64_t at, const uint8_t *object, size_t len)
{
    uint8_t other[100];

    memcpy(other, object + at, len);
    if (len > 0)
        other[len / 2] ^= 1;
    put(i, at, other, len);
}

/* Gateways open theirs when the server has written it, or before. */
static void open_all(const uint8_t *object, bool before)
{
    memset(want, 0, sizeof want);
    for (int i = 0; i < DEPOTS; i++) {
        depots[i] = sim_depot_new(&ports[i], i == 0 ? NULL : depots[0]);
        assert_int_equal(ports[i].open(ports[i].ctx, campaign, 0, SIZE,
                                       &objects[i]), 0);
        if (i == (before ? DEPOTS - 1 : 0))
            put(0, 0, object, SIZE);
    }
}

static void close_all(void)
{
    for (int i = 0; i < DEPOTS; i++)
        sim_depot_del(depots[i]); /* the server's first, as worlds do */
}

static void check_all(size_t size)
{
    static uint8_t is[SIZE + 500];

    for (int i = 0; i < DEPOTS; i++) {
        assert_int_equal(objects[i].read(objects[i].ctx, 0, is, size), 0);
        assert_memory_equal(is, want[i], size);
        assert_int_equal(objects[i].read(objects[i].ctx, 1, is, size - 2), 0);
        assert_memory_equal(is, want[i] + 1, size - 2);
        assert_int_equal(objects[i].read(objects[i].ctx, size, is, 1),
                         MU_ERR_TOO_LARGE);
    }
}

static void fill(struct sim_rng *rng, uint8_t *to)
{
    sim_rng_fill(rng, to, SIZE);
}

/* Gateways write what the server has, in order and out of it, twice, and now and
 * then something else; and the server writes while they have it. */
static void test_like_arrays(void **state)
{
    static uint8_t object[SIZE], noise[SIZE];
    struct sim_rng rng;

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t whole[DEPOTS] = {0};

        sim_rng_seed(&rng, seed, 1);
        fill(&rng, object);
        fill(&rng, noise);
        open_all(object, seed == 2);
        for (int n = 0; n < WRITES; n++) {
            int i = 1 + (int)sim_rng_below(&rng, DEPOTS - 1);
            size_t len = 1 + (size_t)sim_rng_below(&rng, 99);
            uint64_t at = whole[i];

            bool ahead = seed > 8 && sim_rng_below(&rng, 50) == 0;

            if (sim_rng_below(&rng, 3) == 0 || at + len > SIZE || ahead)
                at = sim_rng_below(&rng, ahead ? SIZE - 99 : at + 1);
            len = at + len > SIZE ? (size_t)(SIZE - at) : len;
            if (sim_rng_below(&rng, 50) == 0 && seed % 4 == 3)
                put_other(i, at, object, len);
            else
                put(i, at, object + at, len);
            if (at <= whole[i] && at + len > whole[i])
                whole[i] = at + len;
            if (sim_rng_below(&rng, 50) == 0 && seed % 4 == 0)
                put(0, at, noise, len);
            if (n % 5 == 0)
                check_all(SIZE);
        }
        check_all(SIZE);
        close_all();
    }
}

/* In order it is shared: nothing is copied. */
static void test_shared(void **state)
{
    static uint8_t object[SIZE];
    struct mu_object again;
    struct sim_rng rng;

    (void)state;
    sim_rng_seed(&rng, 9, 1);
    fill(&rng, object);
    open_all(object, false);
    for (int i = 1; i < DEPOTS; i++) {
        for (size_t at = 0; at < SIZE; at += 100)
            put(i, at, object + at, 100);
        assert_true(sim_depot_shares(depots[i], campaign, 0));
    }
    put(1, 7, (const uint8_t *)"x", 1);
    assert_false(sim_depot_shares(depots[1], campaign, 0));
    assert_true(sim_depot_shares(depots[2], campaign, 0));
    check_all(SIZE);
    /* It goes at the server, and the others still have it. */
    ports[0].remove(ports[0].ctx, campaign, 0);
    assert_int_equal(ports[0].open(ports[0].ctx, campaign, 0, SIZE,
                                   &objects[0]), 0);
    memset(want[0], 0, SIZE);
    check_all(SIZE);
    /* What grows is one's own. */
    assert_int_equal(ports[2].open(ports[2].ctx, campaign, 0, SIZE + 500,
                                   &again), 0);
    assert_false(sim_depot_shares(depots[2], campaign, 0));
    assert_int_equal(again.read(again.ctx, 0, object, SIZE), 0);
    assert_memory_equal(object, want[2], SIZE);
    assert_int_equal(again.read(again.ctx, SIZE, object, 500), 0);
    assert_memory_equal(object, want[2] + SIZE, 500);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_arrays),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
