/* SPDX-License-Identifier: Apache-2.0 */
/* Random joins, leaves, batches, rotations and compactions against the twin. */
#include "lab.h"

static void change(struct lab *l)
{
    const uint32_t joins = lab_rng(l, 4) == 0 ? lab_rng(l, 6) : 0;
    const uint32_t leaves = lab_rng(l, 3) == 0 ? lab_rng(l, 6) : 0;

    for (uint32_t i = 0; i < leaves && l->s.live > 3; i++) {
        size_t d = lab_rng(l, (uint32_t)l->devices_len);

        /* Often one who is out already: refused, nothing changes. */
        if (l->devices[d].in || !mu_scheme_is_member(&l->s,
                                                     l->devices[d].slot))
            lab_leave(l, d);
    }
    for (uint32_t i = 0; i < joins; i++) {
        if (l->devices_len < LAB_DEVICES && !lab_join(l)) {
            /* Full: whoever joined without a rekey is there all the same. */
            lab_rekey(l, MU_REKEY_PART_MIN);
            lab_check(l, 0);
            lab_compact(l);
            assert_true(lab_join(l));
        }
    }
    if (lab_rng(l, 40) == 0) {
        lab_rekey(l, MU_REKEY_PART_MIN);
        lab_check(l, 100);
        lab_compact(l);
    }
}

static void model_run(enum mu_scheme_kind kind, uint32_t members,
                      uint32_t reserve, uint32_t seed, uint32_t asleep)
{
    struct mu_scheme_conf conf = lab_conf(kind, members, members + 40);
    struct lab l;

    conf.reserve = kind >= MU_SCHEME_CS ? reserve : 0;
    lab_init(&l, &conf, seed);
    for (unsigned round = 0; round < 60; round++) {
        lab_rekey(&l, lab_rng(&l, 2) == 0 ? MU_REKEY_PART_MIN : LAB_MSG);
        lab_check(&l, asleep);
        change(&l);
    }
    lab_clear(&l);
}

static void run_kind(enum mu_scheme_kind kind)
{
    for (uint32_t seed = 1; seed <= 4; seed++) {
        model_run(kind, 1, 0, seed, 0);
        model_run(kind, 13, 0, seed + 10, 0);
        model_run(kind, 32, 9, seed + 20, 0);
        model_run(kind, 61, 0, seed + 30, 300);
        model_run(kind, 50, 3, seed + 40, 800);
    }
}

#define MODEL(name, kind)                                                      \
    static void name(void **state)                                             \
    {                                                                          \
        (void)state;                                                           \
        run_kind(kind);                                                        \
    }
MODEL(unicast, MU_SCHEME_UNICAST)
MODEL(cluster, MU_SCHEME_CLUSTER)
MODEL(ladder, MU_SCHEME_LADDER)
MODEL(lkh, MU_SCHEME_LKH)
MODEL(cs, MU_SCHEME_CS)
MODEL(sd, MU_SCHEME_SD)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unicast), cmocka_unit_test(cluster),
        cmocka_unit_test(ladder),  cmocka_unit_test(lkh),
        cmocka_unit_test(cs),      cmocka_unit_test(sd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
