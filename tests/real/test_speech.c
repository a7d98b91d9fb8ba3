/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts to a whole area, from the gateway and from a device, by each scheme:
 * every device hears each once, and knows who said it.
 */
#include "real.h"

#define DEVICES 3
#define INTERVAL "200"

/* Wherever it stands in what was printed. */
static const json_t *told(struct lab_prog *p, const char *pattern)
{
    const json_t *line;

    p->seen = 0;
    line = lab_wait_for(p, pattern, LAB_PATIENCE_MS);
    if (line == NULL)
        fail_msg("nobody printed %s", pattern);
    return line;
}

static const char *control(struct lab *lab, const char *who)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/control", who);
    return lab_path(lab, path);
}

static void say(struct lab *lab, const char *who, const char *text)
{
    struct real_said said;

    if (real_say(lab, &said, "alert", text, "--control", control(lab, who),
                 NULL) != 0)
        fail_msg("alert: %s%s", said.out, said.err);
}

static void heard(struct lab *lab, const char *device, const char *source,
                  const char *scheme, const char *text)
{
    char pattern[256];

    snprintf(pattern, sizeof(pattern), "{'event': 'alert', 'id': '%s', "
             "'source': '%s', 'scheme': '%s', 'text': '%s'}", device, source,
             scheme, text);
    told(lab->dev, pattern);
}

static void all_heard(struct lab *lab, const char *source, const char *scheme,
                      const char *text)
{
    char device[16];

    for (unsigned i = 1; i <= DEVICES; i++) {
        snprintf(device, sizeof(device), "dev-%u", i);
        heard(lab, device, source, scheme, text);
    }
}

/* How often a text was heard, by all together. */
static unsigned times(struct lab *lab, const char *text)
{
    unsigned n = 0;
    const json_t *line;
    size_t i;

    json_array_foreach(lab->dev->lines, i, line)
        n += strcmp(real_text(line, "event"), "alert") == 0 &&
             strcmp(real_text(line, "text"), text) == 0;
    return n;
}

static void devices(struct lab *lab, const char *scheme)
{
    char hook[200];

    snprintf(hook, sizeof(hook), "echo \"$MUSTER_SOURCE $MUSTER_SCHEME $2 $(cat "
             "$1)\" >> %s/heard-$MUSTER_IDENTITY", lab->dir);
    const char *const words[] = {
        "--speak", scheme, "--alert-interval-ms", INTERVAL, "--alert-hook", hook,
        NULL,
    };

    lab_devices(lab, DEVICES, words);
}

static void gateway(struct lab *lab, const char *scheme)
{
    const char *const words[] = {
        "--alerts", scheme, "--alert-interval-ms", INTERVAL, NULL,
    };

    lab_gateway(lab, words);
}

static void area(struct lab *lab, const char *scheme)
{
    lab_keys(lab, DEVICES);
    lab_serve(lab, NULL);
    lab_register(lab);
    gateway(lab, scheme);
    devices(lab, scheme);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "add", "gw-1", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "add", "dev-1", NULL), 0);
    told(lab->gw, "{'event': 'status', 'may_speak': true}");
    told(lab->dev, "{'event': 'status', 'id': 'dev-1', 'may_speak': true}");
}

static void followed(struct lab *lab, unsigned streams)
{
    char pattern[96];

    for (unsigned i = 1; i <= DEVICES; i++) {
        snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': 'dev-%u', "
                 "'streams': %u}", i, streams);
        told(lab->dev, pattern);
    }
}

static void speak(struct lab *lab, const char *scheme)
{
    struct real_said said;
    char hooked[80];

    area(lab, scheme);
    if (strcmp(scheme, "tesla") == 0 || strcmp(scheme, "utesla") == 0 ||
        strcmp(scheme, "multilevel") == 0)
        followed(lab, 2); /* that begins by itself: keys are on the air */
    say(lab, "gateway", "water in the cellar");
    all_heard(lab, "gw-1", scheme, "water in the cellar");
    say(lab, "devices/dev-1", "17 degrees");
    all_heard(lab, "dev-1", scheme, "17 degrees");
    say(lab, "devices/dev-1", "18 degrees");
    all_heard(lab, "dev-1", scheme, "18 degrees");
    assert_int_equal(times(lab, "water in the cellar"), DEVICES);
    /* Who is no speaker is told so. */
    assert_int_equal(real_say(lab, &said, "alert", "me too", "--control",
                              control(lab, "devices/dev-2"), NULL), 1);
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
