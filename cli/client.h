/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's side of the HTTP API: where it is, the token, one call. And
 * what every operator's verb shares: options, messages, exit codes.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit codes of the operator's verbs. */
enum cli_exit {
    CLI_ALL = 0,    /* done; every member runs it */
    CLI_FAILED = 1, /* not done, or the campaign failed, or wrong usage */
    CLI_QUORUM = 2, /* the quorum runs it, not all */
};

struct cli_client {
    const char *verb;       /* "push": for messages */
    const char *url;        /* http://127.0.0.1:5680 */
    const char *token_file;
    bool json;              /* one JSON value on standard output */
    bool bars;              /* standard error is a terminal */
    bool quiet;             /* nothing is said of a server out of reach */
    long status;            /* HTTP's, of the last call; 0: out of reach */
    void *curl;
};

/* The options that every verb takes, for its getopt table and its help. */
#define CLI_OPTIONS                                                            \
    {"api", required_argument, NULL, 'A'},                                     \
    {"token-file", required_argument, NULL, 'T'},                              \
    {"json", no_argument, NULL, 'J'}, {"help", no_argument, NULL, 'H'}
#define CLI_OPTIONS_HELP                                                       \
    "  --api URL          of the server (MUSTER_API, or\n"                     \
    "                     http://127.0.0.1:5680)\n"                            \
    "  --token-file FILE  of the server (MUSTER_TOKEN_FILE, or\n"              \
    "                     /var/lib/muster/server/token)\n"                     \
    "  --json             print JSON\n"

void cli_client_init(struct cli_client *c, const char *verb);
/* Takes an option of CLI_OPTIONS; false when it is not one of them. */
bool cli_client_option(struct cli_client *c, int option, const char *value);
void cli_client_clear(struct cli_client *c);

/*
 * One call. The answer's JSON, to be dropped by the caller, or NULL after
 * having said on standard error what is wrong. body: JSON or NULL.
 */
json_t *cli_get(struct cli_client *c, const char *path);
json_t *cli_send(struct cli_client *c, const char *method, const char *path,
                 const json_t *body);
/* A file as the body, with a progress bar on a terminal. */
json_t *cli_upload(struct cli_client *c, const char *path, const char *file);

/* "a b/c" -> "a%20b%2Fc"; to be freed. */
char *cli_escape(const char *text);
/* printf into a new string; to be freed. */
char *cli_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_error(const struct cli_client *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A key from a file of mode 0600 that holds hex, as a JSON string. */
json_t *cli_key_file(const struct cli_client *c, const char *file);
void cli_print_json(const json_t *v);
/* "muster push: unknown option; try muster push --help": CLI_FAILED. */
int cli_usage(const char *verb);

const char *cli_text(const json_t *row, const char *name);
long long cli_number(const json_t *row, const char *name);

/* The verbs: argv[0] is the verb itself. */
int verb_admin_device(int argc, char **argv);  /* device import|add|... */
int verb_admin_gateway(int argc, char **argv); /* gateway add|list */
int verb_group(int argc, char **argv);
int verb_key(int argc, char **argv);
int verb_speaker(int argc, char **argv);
int verb_push(int argc, char **argv);
int verb_tell(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_report(int argc, char **argv);
int verb_pause(int argc, char **argv);
int verb_resume(int argc, char **argv);
int verb_cancel(int argc, char **argv);

#endif
