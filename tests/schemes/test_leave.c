/* SPDX-License-Identifier: Apache-2.0 */
/* What the next leave costs, against doing it for every member. */
#include "lab.h"

#define PART 1600
#define MEM (1u << 16)

static uint64_t mem[MEM / 8], kept[MEM / 8];

static struct mu_scheme grown(enum mu_scheme_kind kind, struct lab *l,
                              uint32_t members, uint32_t leaves,
                              uint32_t joins, uint8_t degree,
                              uint32_t reserve)
{
    struct mu_scheme_conf conf = lab_conf(kind, members, 600);
    struct mu_scheme s;
    struct mu_rekey r;
    uint64_t generation = conf.members + 100;

    conf.degree = degree;
    conf.reserve = kind == MU_SCHEME_LKH ? 0 : reserve;
    conf.slots_max = 600;
    assert_true(mu_scheme_mem(&conf) != 0 && mu_scheme_mem(&conf) <= MEM);
    assert_int_equal(mu_scheme_build(&s, &conf, generation, mem, MEM), 0);
    while (leaves + joins > 0) {
        uint32_t slot = lab_rng(l, 600);
        bool leave = leaves > 0 && (joins == 0 || lab_rng(l, 2) == 0);

        if (leave && mu_scheme_is_member(&s, slot) && s.live > 1) {
            assert_int_equal(mu_scheme_leave(&s, slot), 0);
            leaves--;
        } else if (!leave && mu_scheme_join(&s, 0, &slot) == 0) {
            joins--;
        } else if (!leave || s.live == 1) {
            break;
        }
        if (lab_rng(l, 3) == 0) {
            assert_int_equal(mu_scheme_begin(&s, ++generation, PART, &r), 0);
            mu_rekey_clear(&r);
        }
    }
    assert_int_equal(mu_scheme_begin(&s, ++generation, PART, &r), 0);
    mu_rekey_clear(&r);
    return s;
}

static void compare(struct mu_scheme *s)
{
    struct mu_leave_range range;
    uint64_t wraps = 0, bytes = 0;
    uint32_t least = UINT32_MAX, most = 0, members = 0;
    uint32_t of_least = 0, of_most = 0;

    memcpy(kept, mem, sizeof mem);
    assert_int_equal(mu_scheme_leave_range(s, PART, &range), 0);
    assert_memory_equal(kept, mem, sizeof mem);
    for (uint32_t slot = 0; slot < 1024; slot++) {
        struct mu_scheme copy = *s;
        struct mu_rekey r;

        if (!mu_scheme_is_member(s, slot))
            continue;
        assert_int_equal(mu_scheme_leave(&copy, slot), 0);
        assert_int_equal(
            mu_scheme_begin(&copy, s->generation + 1, PART, &r), 0);
        memcpy(mem, kept, sizeof mem);
        wraps += r.wraps;
        bytes += r.bytes;
        members++;
        least = r.wraps < least ? r.wraps : least;
        most = r.wraps > most ? r.wraps : most;
        if (slot == range.least)
            of_least = r.wraps;
        if (slot == range.most)
            of_most = r.wraps;
        mu_rekey_clear(&r);
        mu_secret_clear(&copy.key);
    }
    assert_int_equal(members, s->live);
    assert_int_equal(range.wraps_least, least);
    assert_int_equal(range.wraps_most, most);
    assert_int_equal(of_least, least);
    assert_int_equal(of_most, most);
    assert_true(mu_scheme_is_member(s, range.least));
    assert_true(mu_scheme_is_member(s, range.most));
    assert_int_equal(range.wraps, wraps);
    if (!range.split)
        assert_int_equal(range.bytes, bytes);
}

static void every_member(void **state)
{
    static const enum mu_scheme_kind kinds[] = {MU_SCHEME_SD, MU_SCHEME_CS,
                                                MU_SCHEME_LKH};
    static const uint8_t degrees[] = {2, 3, 4, 16};
    static const uint32_t sizes[] = {1, 2, 3, 64, 65, 100, 127, 200};
    struct lab l;
    struct mu_scheme_conf conf = lab_conf(MU_SCHEME_SD, 4, 8);
    unsigned spread = 0;

    (void)state;
    lab_init(&l, &conf, 7);
    for (unsigned n = 0; n < 3 * 8 * 9; n++) {
        const uint32_t members = sizes[n / 3 % 8];
        struct mu_leave_range range;
        struct mu_scheme s =
            grown(kinds[n % 3], &l, members, n / 24 * members / 12,
                  n % 4 * members / 3, degrees[n / 3 % 4],
                  n % 5 == 4 ? members : 0);

        compare(&s);
        assert_int_equal(mu_scheme_leave_range(&s, PART, &range), 0);
        spread += range.wraps_least != range.wraps_most;
        mu_scheme_clear(&s);
    }
    assert_true(spread > 60); /* they are not all alike */
    lab_clear(&l);
}

static void refused(void **state)
{
    struct mu_scheme_conf conf = lab_conf(MU_SCHEME_LADDER, 10, 20);
    struct mu_leave_range range;
    struct mu_scheme s;

    (void)state;
    assert_int_equal(mu_scheme_build(&s, &conf, 5, mem, MEM), 0);
    assert_int_equal(mu_scheme_leave_range(&s, PART, &range),
                     MU_ERR_UNSUPPORTED);
    assert_int_equal(mu_scheme_leave_range(&s, MU_REKEY_PART_MIN - 1, &range),
                     MU_ERR_USAGE);
    conf = lab_conf(MU_SCHEME_SD, 1, 20);
    assert_int_equal(mu_scheme_build(&s, &conf, 5, mem, MEM), 0);
    assert_int_equal(mu_scheme_leave(&s, 0), 0);
    assert_int_equal(mu_scheme_leave_range(&s, PART, &range),
                     MU_ERR_NOT_FOUND);
    mu_scheme_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
