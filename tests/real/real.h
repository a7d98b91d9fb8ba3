/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of whole programs share beyond the laboratory (tests/net/
 * lab.h): verbs as a person calls them, campaigns under way, what logs say,
 * small disks.
 */
#ifndef TESTS_REAL_REAL_H
#define TESTS_REAL_REAL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/lab.h"

#define REAL_SLOW "150000"  /* bytes a second in the area: */
#define REAL_BYTES 300000   /* some two seconds */

int real_setup(void **state);
int real_teardown(void **state);
#define REAL_TEST(f) cmocka_unit_test_setup_teardown(f, real_setup,           \
                                                     real_teardown)

/* muster with these words and nothing else; NULL ends them. Text in buffers of
 * the caller, cut to fit; NULL: not wanted. The exit code. */
struct real_said {
    char out[65536], err[65536];
};
int real_say(struct lab *lab, struct real_said *said, ...);
/* The same with address and token of the lab's server. */
int real_ask(struct lab *lab, struct real_said *said, ...);

/* A connection to the API on which "METHOD /path" has been said with the token,
 * and so long a body announced (NULL: not at all). */
int real_call(struct lab *lab, const char *what, const char *length);
/* The status of the answer, and its text; closes. */
int real_answer(int fd, char text[4096]);
/* Files in a directory, and bytes in all of them (NULL: not wanted). */
unsigned real_files(const char *path, size_t *bytes);

/* The whole file with a zero at its end, to be freed; NULL: not there. */
char *real_read(const char *path, size_t *len);
bool real_has(const char *path, const char *text);
/* What device dev-N has written to "did-dev-N", by its command hook. */
void real_did(struct lab *lab, unsigned device, const char *text);
/* Waits until NAME.log has the text; false when it does not come. */
bool real_logged_for(struct lab *lab, const char *name, const char *text,
                     unsigned patience_ms);
void real_logged(struct lab *lab, const char *name, const char *text);

long long real_number(const json_t *in, const char *key);
const char *real_text(const json_t *in, const char *key);

/* A fleet behind a slow gateway, all devices connected. */
void real_fleet(struct lab *lab, unsigned devices);
void real_connected(struct lab *lab, unsigned devices);
/* push --no-wait with more words (NULL ends them), which must be taken. */
void real_push(struct lab *lab, char id[32], const char *file, ...);
/* Some device has this page. */
void real_page(struct lab *lab, const char *device, unsigned page);
/* Such a fleet, and a push to it: this device has this page of the file, which
 * is made here. */
void real_middle(struct lab *lab, unsigned devices, const char *file,
                 char id[32], const char *device, unsigned page);
/* watch ends with this code. */
void real_ends(struct lab *lab, const char *id, int code);
/* What report --json says of the campaign; to be dropped. */
json_t *real_report(struct lab *lab, const char *id);
/* The entry of a device in it. */
const json_t *real_target(const json_t *report, const char *device);
bool real_is(const json_t *report, const char *device, const char *state);
/* Waits until the report says so. */
void real_until(struct lab *lab, const char *id, const char *device,
                const char *state);
bool real_missing(const json_t *report, const char *device);

/* A file system of so many KiB at the path, that ends with the process. False:
 * there are no mount namespaces here. */
bool real_disk(const char *path, unsigned kib);
/* Leaves so many bytes on it; real_room makes room again. */
void real_fill(const char *path, size_t leave);
void real_room(const char *path);

#endif
