/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts to a whole area, from the gateway and from a device, by each scheme:
 * every device hears each once, and knows who said it.
 */
#include "speech.h"

static void speak(struct lab *lab, const char *scheme)
{
    struct real_said said;
    char hooked[80];

    speech_area(lab, scheme);
    if (strcmp(scheme, "tesla") == 0 || strcmp(scheme, "utesla") == 0 ||
        strcmp(scheme, "multilevel") == 0)
        speech_followed(lab, 2); /* that begins by itself: keys are on the air */
    speech_say(lab, "gateway", "water in the cellar");
    speech_heard(lab, "gw-1", scheme, "water in the cellar");
    speech_say(lab, "devices/dev-1", "17 degrees");
    speech_heard(lab, "dev-1", scheme, "17 degrees");
    speech_say(lab, "devices/dev-1", "18 degrees");
    speech_heard(lab, "dev-1", scheme, "18 degrees");
    assert_int_equal(speech_times(lab, "water in the cellar"), SPEECH_DEVICES);
    /* Who is no speaker is told so. */
    assert_int_equal(real_say(lab, &said, "alert", "me too", "--control",
                              speech_control(lab, "devices/dev-2"), NULL), 1);
    assert_non_null(strstr(said.err, "not allowed"));
    /* The hooks had the text in a file, and the source beside it. */
    snprintf(hooked, sizeof(hooked), "dev-1 %s dev-1 18 degrees\n", scheme);
    for (uint64_t end = lab_now() + LAB_PATIENCE_MS;
         !real_has(lab_path(lab, "heard-dev-3"), hooked);)
        assert_true(lab_now() < end);
}

static void test_bloom(void **state)
{
    speak(*state, "bloom");
}

static void test_merkle(void **state)
{
    speak(*state, "merkle");
}

static void test_tesla(void **state)
{
    speak(*state, "tesla");
}

static void test_utesla(void **state)
{
    speak(*state, "utesla");
}

static void test_multilevel(void **state)
{
    speak(*state, "multilevel");
}

static void test_chain(void **state)
{
    speak(*state, "chain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL_TEST(test_bloom), REAL_TEST(test_merkle), REAL_TEST(test_tesla),
        REAL_TEST(test_utesla), REAL_TEST(test_multilevel),
        REAL_TEST(test_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
