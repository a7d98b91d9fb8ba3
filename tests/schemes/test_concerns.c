/* SPDX-License-Identifier: Apache-2.0 */
/* A look at a rekey part without any key says the same as opening it, but for
 * what only the tag can tell. */
#include "lab.h"

static const enum mu_scheme_kind kinds[] = {
    MU_SCHEME_CLUSTER, MU_SCHEME_LADDER, MU_SCHEME_LKH,
    MU_SCHEME_CS,      MU_SCHEME_SD,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* What opening says, on a copy of the device. */
static int opens(const struct lab *l, const struct lab_device *d,
                 const struct lab_msg *msg)
{
    struct lab_device twin = *d;
    struct mu_secret key;

    twin.m.state = twin.state;
    return lab_open_msg(l, &twin, msg, &key);
}

static unsigned agree(const struct lab *l)
{
    unsigned worth = 0;

    for (size_t i = 0; i < l->devices_len; i++) {
        const struct lab_device *d = &l->devices[i];

        for (size_t p = 0; d->told && p < l->parts_len; p++) {
            const struct lab_msg *msg = &l->parts[p];
            int rc = opens(l, d, msg);
            int look = mu_member_concerns(&d->m,
                                          mu_bytes(msg->data, msg->len));

            if (look == 0)
                assert_true(rc == 0 || rc == MU_ERR_UNKNOWN_KEY ||
                            rc == MU_ERR_AUTH);
            else
                assert_int_equal(look, rc);
            worth += look == 0;
        }
    }
    return worth;
}

static void same_as_opening(void **state)
{
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct mu_scheme_conf conf = lab_conf(kinds[k], 60, 80);
        unsigned worth = 0;
        struct lab l;

        lab_init(&l, &conf, 5);
        for (unsigned round = 0; round < 12; round++) {
            if (round % 3 == 1)
                lab_leave(&l, lab_rng(&l, 60) % 7 + round * 4);
            if (round % 4 == 2)
                (void)lab_join(&l);
            lab_rekey(&l, MU_REKEY_PART_MIN);
            worth += agree(&l); /* before */
            lab_check(&l, 200);
            (void)agree(&l); /* after: replays, sleepers, leavers */
        }
        assert_true(worth > 200);
        lab_clear(&l);
    }
}

static void form(void **state)
{
    struct mu_scheme_conf conf = lab_conf(MU_SCHEME_SD, 8, 8);
    static uint8_t personal[LAB_MSG];
    struct mu_writer w = mu_writer(personal, sizeof personal);
    struct lab l;

    (void)state;
    lab_init(&l, &conf, 6);
    lab_rekey(&l, LAB_MSG);
    for (size_t len = 0; len < l.parts[0].len; len++)
        assert_int_not_equal(
            mu_member_concerns(&l.devices[0].m,
                               mu_bytes(l.parts[0].data, len)), 0);
    assert_int_equal(mu_member_concerns(&l.devices[0].m,
                                        mu_bytes(l.parts[0].data,
                                                 l.parts[0].len)), 0);
    assert_int_equal(mu_scheme_personal(&l.s, 0, &w), 0);
    assert_int_not_equal(mu_member_concerns(&l.devices[0].m, mu_written(&w)),
                         0);
    assert_int_equal(mu_member_base(&l.devices[0].m), l.s.base);
    lab_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_opening),
        cmocka_unit_test(form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
