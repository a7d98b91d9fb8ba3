/* SPDX-License-Identifier: Apache-2.0 */
/* An area whose gateway and devices speak. */
#include "speech.h"

/* Wherever it stands in what was printed. */
const json_t *speech_told(struct lab_prog *p, const char *pattern)
{
    const json_t *line;

    p->seen = 0;
    line = lab_wait_for(p, pattern, LAB_PATIENCE_MS);
    if (line == NULL)
        fail_msg("nobody printed %s", pattern);
    return line;
}

const char *speech_control(struct lab *lab, const char *who)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/control", who);
    return lab_path(lab, path);
}

void speech_say(struct lab *lab, const char *who, const char *text)
{
    struct real_said said;

    if (real_say(lab, &said, "alert", text, "--control", speech_control(lab, who),
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
    speech_told(lab->dev, pattern);
}

void speech_heard(struct lab *lab, const char *source, const char *scheme,
                      const char *text)
{
    char device[16];

    for (unsigned i = 1; i <= SPEECH_DEVICES; i++) {
        snprintf(device, sizeof(device), "dev-%u", i);
        heard(lab, device, source, scheme, text);
    }
}

/* How often a text was heard, by all together. */
unsigned speech_times(struct lab *lab, const char *text)
{
    unsigned n = 0;
    const json_t *line;
    size_t i;

    json_array_foreach(lab->dev->lines, i, line)
        n += strcmp(real_text(line, "event"), "alert") == 0 &&
             strcmp(real_text(line, "text"), text) == 0;
    return n;
}

void speech_devices(struct lab *lab, const char *scheme)
{
    char hook[200];

    snprintf(hook, sizeof(hook), "echo \"$MUSTER_SOURCE $MUSTER_SCHEME $2 $(cat "
             "$1)\" >> %s/heard-$MUSTER_IDENTITY", lab->dir);
    const char *const words[] = {
        "--speak", scheme, "--alert-interval-ms",
        SPEECH_INTERVAL, "--alert-hook", hook,
        NULL,
    };

    lab_devices(lab, SPEECH_DEVICES, words);
}

void speech_gateway(struct lab *lab, const char *scheme)
{
    const char *const words[] = {
        "--alerts", scheme, "--alert-interval-ms",
        SPEECH_INTERVAL, NULL,
    };

    lab_gateway(lab, words);
}

void speech_area(struct lab *lab, const char *scheme)
{
    lab_keys(lab, SPEECH_DEVICES);
    lab_serve(lab, NULL);
    lab_register(lab);
    speech_gateway(lab, scheme);
    speech_devices(lab, scheme);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "add", "gw-1", NULL), 0);
    assert_int_equal(lab_verb(lab, NULL, "speaker", "add", "dev-1", NULL), 0);
    speech_told(lab->gw, "{'event': 'status', 'may_speak': true}");
    speech_told(lab->dev, "{'event': 'status', 'id': 'dev-1', 'may_speak': true}");
}

void speech_followed(struct lab *lab, unsigned streams)
{
    char pattern[96];

    for (unsigned i = 1; i <= SPEECH_DEVICES; i++) {
        snprintf(pattern, sizeof(pattern), "{'event': 'status', 'id': 'dev-%u', "
                 "'streams': %u}", i, streams);
        speech_told(lab->dev, pattern);
    }
}
