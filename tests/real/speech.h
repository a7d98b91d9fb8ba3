/* SPDX-License-Identifier: Apache-2.0 */
/* An area whose gateway and devices speak, for the tests of whole programs. */
#ifndef TESTS_REAL_SPEECH_H
#define TESTS_REAL_SPEECH_H

#include "real.h"

#define SPEECH_DEVICES 3
#define SPEECH_INTERVAL "200" /* ms */

/* Server, gateway and devices; all would speak by the scheme, and the gateway
 * and dev-1 may. */
void speech_area(struct lab *lab, const char *scheme);
void speech_gateway(struct lab *lab, const char *scheme);
void speech_devices(struct lab *lab, const char *scheme);
/* Wherever it stands in what was printed. */
const json_t *speech_told(struct lab_prog *p, const char *pattern);
/* The socket of "gateway" or "devices/dev-1". */
const char *speech_control(struct lab *lab, const char *who);
void speech_say(struct lab *lab, const char *who, const char *text);
/* Every device has heard it, from that source. */
void speech_heard(struct lab *lab, const char *source, const char *scheme,
                  const char *text);
/* How often, by all devices together. */
unsigned speech_times(struct lab *lab, const char *text);
/* Each device follows so many chains. */
void speech_followed(struct lab *lab, unsigned streams);

#endif
