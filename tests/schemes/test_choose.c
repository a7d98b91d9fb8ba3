/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing a scheme: the expected costs against real groups, the reasons. */
#include "lab.h"

static struct mu_scheme_facts fleet(void)
{
    const struct mu_scheme_facts f = {
        .members = 100000,
        .leaves_per_day = 10,
        .joins_per_day = 10,
        .sleepers_per_mille = 50,
        .device_bytes = 8192,
    };

    return f;
}

/* The next leave of a real group: exactly what the formula says. */
static void formula_is_true(void **state)
{
    static const uint32_t sizes[] = {64, 1000, 4096};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (int kind = 1; kind < MU_SCHEME_COUNT; kind++) {
            const uint32_t n = sizes[i];
            struct mu_scheme_conf conf =
                lab_conf((enum mu_scheme_kind)kind, n, n);
            struct mu_scheme_facts f = fleet();
            uint8_t data[8192];
            struct mu_writer w = mu_writer(data, sizeof(data));
            void *mem;
            struct mu_scheme_cost c;
            struct mu_scheme s;
            struct mu_rekey r;
            uint32_t personal = 0;
            uint32_t slot;
            size_t len;

            f.members = n;
            if (kind == MU_SCHEME_CLUSTER)
                f.clusters = conf.clusters = 8;
            if (kind == MU_SCHEME_LADDER)
                f.clusters = conf.levels = 1;
            f.degree = conf.degree = 4;
            len = mu_scheme_mem(&conf);
            mem = malloc(len);
            assert_non_null(mem);
            assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
            assert_int_equal(mu_scheme_explain(&f, (enum mu_scheme_kind)kind,
                                               &c),
                             0);
            assert_int_equal(mu_scheme_issue(&s, 1, &w), 0);
            assert_int_equal(w.len, c.device_bytes);
            assert_int_equal(mu_scheme_leave(&s, 5), 0);
            assert_int_equal(mu_scheme_begin(&s, 2, 1 << 20, &r), 0);
            /* LKH: at most d log_d n - 1, less where a node is not full. */
            if (kind == MU_SCHEME_LKH && n == 1000)
                assert_in_range(r.wraps, c.wraps - 4, c.wraps);
            else
                assert_int_equal(r.wraps, c.wraps);
            assert_true(r.bytes <= c.multicast_bytes &&
                        c.multicast_bytes <= r.bytes + 4 * 20);
            w = mu_writer(data, sizeof(data));
            while (mu_rekey_personal(&s, &r, &slot))
                personal++;
            assert_true(personal <= c.personal && c.personal <= personal + 1);
            if (personal > 0) {
                assert_int_equal(mu_scheme_personal(&s, slot, &w), 0);
                assert_int_equal(w.len, c.personal_bytes / c.personal);
            }
            free(mem);
        }
    }
}

/* After 200 scattered leaves the formula is an estimate: near the truth for
 * subset difference, the published upper bound for complete subtree. */
static void after_many_leaves(void **state)
{
    (void)state;
    for (int kind = MU_SCHEME_CS; kind <= MU_SCHEME_SD; kind++) {
        struct mu_scheme_conf conf =
            lab_conf((enum mu_scheme_kind)kind, 4096, 4096);
        struct mu_scheme_facts f = fleet();
        const size_t len = mu_scheme_mem(&conf);
        struct lab l = {.rng = 8};
        struct mu_scheme_cost c;
        struct mu_scheme s;
        struct mu_rekey r;
        void *mem = malloc(len);

        assert_non_null(mem);
        f.members = 4096;
        f.gone = 200;
        assert_int_equal(
            mu_scheme_explain(&f, (enum mu_scheme_kind)kind, &c), 0);
        assert_int_equal(mu_scheme_build(&s, &conf, 1, mem, len), 0);
        for (unsigned i = 0; i < 201;)
            i += mu_scheme_leave(&s, lab_rng(&l, 4096)) == 0;
        assert_int_equal(mu_scheme_begin(&s, 2, 1 << 20, &r), 0);
        assert_true(c.wraps >= r.wraps);
        assert_true(c.wraps * 100 <=
                    r.wraps * (kind == MU_SCHEME_SD ? 112 : 160));
        free(mem);
    }
}

static enum mu_scheme_kind choice(const struct mu_scheme_facts *f,
                                  enum mu_scheme_reason *reason)
{
    struct mu_scheme_choice c;

    assert_int_equal(mu_scheme_choose(f, &c), 0);
    assert_int_equal(c.kind, c.cost.kind);
    *reason = c.reason;
    return c.kind;
}

static void reasons(void **state)
{
    struct mu_scheme_facts f = fleet();
    enum mu_scheme_reason reason;

    (void)state;
    f.members = 5;
    assert_int_equal(choice(&f, &reason), MU_SCHEME_UNICAST);
    assert_int_equal(reason, MU_REASON_SMALL);

    /* Some sleep: stateless, because of them. */
    f = fleet();
    f.sleepers_per_mille = 200;
    f.leaves_per_day = 20;
    assert_int_equal(choice(&f, &reason), MU_SCHEME_SD);
    assert_int_equal(reason, MU_REASON_SLEEPERS);

    /* Nobody sleeps and many come and go. */
    f.sleepers_per_mille = 0;
    f.leaves_per_day = 5000;
    assert_int_equal(choice(&f, &reason), MU_SCHEME_LKH);
    assert_int_equal(reason, MU_REASON_CHEAPEST);

    /* A rare leave: one subset a time is cheapest whoever sleeps. */
    f.leaves_per_day = 0;
    f.joins_per_day = 1;
    assert_int_equal(choice(&f, &reason), MU_SCHEME_SD);
    assert_int_equal(reason, MU_REASON_CHEAPEST);

    /* A small device. */
    f = fleet();
    f.sleepers_per_mille = 200;
    f.device_bytes = 400;
    assert_int_not_equal(choice(&f, &reason), MU_SCHEME_SD);
    assert_int_equal(reason, MU_REASON_MEMORY);
    f.device_bytes = 64;
    assert_int_equal(choice(&f, &reason), MU_SCHEME_UNICAST);
    assert_int_equal(reason, MU_REASON_NONE_FIT);
    assert_string_not_equal(mu_scheme_reason_text(reason), "?");
}

static void facts_that_cannot_be(void **state)
{
    struct mu_scheme_facts f = fleet();
    struct mu_scheme_choice c;
    struct mu_scheme_cost cost;

    (void)state;
    f.members = 0;
    assert_int_equal(mu_scheme_choose(&f, &c), MU_ERR_USAGE);
    f.members = MU_SCHEME_POSITIONS_MAX + 1;
    assert_int_equal(mu_scheme_choose(&f, &c), MU_ERR_USAGE);
    f = fleet();
    f.sleepers_per_mille = 1001;
    assert_int_equal(mu_scheme_choose(&f, &c), MU_ERR_USAGE);
    f = fleet();
    f.degree = 1;
    assert_int_equal(mu_scheme_choose(&f, &c), MU_ERR_USAGE);
    f = fleet();
    assert_int_equal(mu_scheme_explain(&f, MU_SCHEME_NONE, &cost),
                     MU_ERR_USAGE);
    /* The largest of everything still adds up. */
    f = (struct mu_scheme_facts){.members = MU_SCHEME_POSITIONS_MAX,
                                 .leaves_per_day = 1000000,
                                 .joins_per_day = 1000000,
                                 .sleepers_per_mille = 1000,
                                 .device_bytes = UINT32_MAX};
    assert_int_equal(mu_scheme_choose(&f, &c), 0);
    assert_true(c.cost.day_bytes > 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formula_is_true),
        cmocka_unit_test(after_many_leaves),
        cmocka_unit_test(reasons),
        cmocka_unit_test(facts_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
