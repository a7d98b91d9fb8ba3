/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A laboratory: the real programs on loopback, each with its state in a
 * directory that goes away, waited for by what they print. Nothing sleeps, and
 * everything is bounded in time and ended when the lab is closed, or dies.
 */
#ifndef TESTS_NET_LAB_H
#define TESTS_NET_LAB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LAB_PROGS_MAX 16
#define LAB_ARGS_MAX 64
#define LAB_PATIENCE_MS 90000
/* Words with timers that make dead peers known in a test's time. */
#define LAB_FAST                                                               \
    "--keepalive-ms", "500", "--idle-ms", "3000", "--handshake-ms", "3000",    \
    "--answer-ms", "3000", "--ack-timeout-ms", "300", "--json", "--log",       \
    "debug"
/* Monotonic, in milliseconds. */
uint64_t lab_now(void);

struct lab_prog {
    const char *name;
    pid_t pid; /* 0: not running */
    int out;
    char *buffer;
    size_t len, cap;
    json_t *lines; /* array of what it printed */
    size_t seen;   /* lines that lab_wait has passed */
    bool raw;      /* one JSON value, not a line each */
};

struct lab {
    char dir[64];
    char api[64], token[128];
    char server[64], gateway[64]; /* where they listen */
    char group[64];               /* of the area network */
    const char *host;             /* "127.0.0.1" */
    const char *iface;            /* "lo" */
    struct lab_prog progs[LAB_PROGS_MAX];
    unsigned len;
    struct lab_prog *serve, *gw, *dev;
};

void lab_open(struct lab *lab);
/* Ends what runs, and removes the directory. */
void lab_close(struct lab *lab);

/* "DIR/name" in one of a few buffers. */
const char *lab_path(const struct lab *lab, const char *name);
void lab_write(const char *path, const void *data, size_t len, unsigned mode);
/* Random-looking bytes that depend on seed. */
void lab_file(const char *path, size_t len, uint32_t seed);
bool lab_same(const char *one, const char *other);

/* muster with these words (NULL ends them); standard output is read. */
struct lab_prog *lab_start(struct lab *lab, const char *name,
                           const char *const words[]);
/* The first line not passed yet that has all the members of `pattern` (JSON
 * with ' for "); NULL when it does not come in time or the program ends. */
const json_t *lab_wait_for(struct lab_prog *p, const char *pattern,
                           unsigned patience_ms);
const json_t *lab_wait(struct lab_prog *p, const char *pattern);
/* Signals and reaps: the exit code, or minus the signal. */
int lab_end(struct lab_prog *p, int number);
/* Reaps a program that ends by itself. */
int lab_ended(struct lab_prog *p);

/* An operator's verb with --json: its exit code; *out (may be NULL) is what it
 * printed, to be dropped. The words end with NULL. */
int lab_verb(struct lab *lab, json_t **out, ...);
int lab_verb_start(struct lab *lab, struct lab_prog **p, ...);

/* The usual fleet: keys of gateway "gw-1" and devices "dev-1" ... in files,
 * server, gateway, one process with `count` devices; group "all". Extra words
 * end with NULL; NULL for none. */
void lab_keys(struct lab *lab, unsigned devices);
void lab_serve(struct lab *lab, const char *const extra[]);
void lab_gateway(struct lab *lab, const char *const extra[]);
void lab_devices(struct lab *lab, unsigned count, const char *const extra[]);
/* Tells the server of them: gateway, group, devices. */
void lab_register(struct lab *lab);
void lab_fleet(struct lab *lab, unsigned count);
/* Every device has run its hook on this very file. */
void lab_got(struct lab *lab, unsigned count, const char *file);

#endif
