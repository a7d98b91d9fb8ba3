/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts by each scheme through the engines of server, gateways and devices:
 * with loss, restarts, and somebody in each area who has its key and makes ten
 * frames for each genuine one. Nothing of his is heard; what was said is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "muster/speech_msg.h"
#include "sim/fleet.h"
#include "sim/speech.h"

static struct sim_speech_conf conf_of(enum mu_speech_scheme scheme)
{
    struct sim_speech_conf c = {.messages = 12};

    sim_conf_default(&c.world);
    c.world.devices = 16;
    c.world.gateways = 2;
    c.world.size = 4096;
    c.world.loss = 0.1;
    c.world.seed = 7;
    c.world.speech = (uint8_t)scheme;
    return c;
}

static void run(const struct sim_speech_conf *c, struct sim_speech_result *r)
{
    assert_int_equal(sim_speech_run(c, r), 0);
    print_message("%-10s said %u heard %.4f delay %.0f ms frames %llu bytes "
                  "%llu forged %llu signatures %.2f\n",
                  mu_speech_scheme_name((enum mu_speech_scheme)c->world.speech),
                  r->said, (double)r->heard / (double)r->expected, r->delay_ms,
                  (unsigned long long)r->frames,
                  (unsigned long long)r->frame_bytes,
                  (unsigned long long)r->forged, r->signatures);
    assert_int_equal(r->false_heard, 0);
    assert_int_equal(r->twice, 0);
    assert_int_equal(r->speakers, 4);
}

static void calm(enum mu_speech_scheme scheme)
{
    struct sim_speech_conf c = conf_of(scheme);
    struct sim_speech_result r, again;

    run(&c, &r);
    assert_int_equal(r.said, 48);
    /* A tenth is lost, on the hops too, where it comes late instead. */
    assert_true(r.heard * 100 >= r.expected * 95);
    /* The same seed is the same run. */
    assert_int_equal(sim_speech_run(&c, &again), 0);
    assert_true(again.trace_hash == r.trace_hash && again.heard == r.heard);
}

static void insider(enum mu_speech_scheme scheme)
{
    struct sim_speech_conf c = conf_of(scheme);
    struct sim_speech_result r;

    c.forged = 10;
    c.world.restarts = 1;
    c.together = 3; /* else a chain has but one packet, and no next one */
    run(&c, &r);
    assert_true(r.forged > 1000);
    assert_true(r.heard > 0);
    assert_true(r.signatures <= 21); /* a second, however many come */
}

#define SCHEME(name, scheme)                                                   \
    static void test_##name(void **state)                                      \
    {                                                                          \
        (void)state;                                                           \
        calm(scheme);                                                          \
    }                                                                          \
    static void test_##name##_insider(void **state)                            \
    {                                                                          \
        (void)state;                                                           \
        insider(scheme);                                                       \
    }

SCHEME(bloom, MU_SPEECH_BLOOM)
SCHEME(merkle, MU_SPEECH_MERKLE)
SCHEME(tesla, MU_SPEECH_TESLA)
SCHEME(utesla, MU_SPEECH_UTESLA)
SCHEME(multilevel, MU_SPEECH_MULTILEVEL)
SCHEME(chain, MU_SPEECH_CHAIN)

#define BOTH(name) cmocka_unit_test(test_##name), \
                   cmocka_unit_test(test_##name##_insider)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(bloom), BOTH(merkle), BOTH(tesla),
        BOTH(utesla), BOTH(multilevel), BOTH(chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
