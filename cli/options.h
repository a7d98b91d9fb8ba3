/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the long-running programs, from one table each: the command line,
 * the YAML file of --config (a mapping of the same names), --help, and the
 * commented file that `muster configfile` prints. The command line wins.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_kind { CLI_TEXT, CLI_NUMBER, CLI_FLAG };

struct cli_option {
    const char *name;  /* "key-file" */
    enum cli_kind kind;
    void *to;          /* const char **, uint32_t *, bool *; holds the default */
    uint32_t min, max; /* numbers */
    const char *arg;   /* "FILE" */
    const char *help;
    bool taken;        /* by the command line */
};

/* Text from the file, freed by cli_options_clear. */
struct cli_options {
    const char *verb, *about;
    const char *also; /* a line more for --help; NULL: none */
    struct cli_option *table; /* ends with name NULL */
    char **texts;
    size_t texts_len;
};

enum cli_parse { CLI_PARSE_RUN, CLI_PARSE_DONE, CLI_PARSE_WRONG };

/* argv[0] is the verb. Says what is wrong on standard error. */
enum cli_parse cli_options_parse(struct cli_options *o, int argc, char **argv);
/* The table as a commented YAML file, with the values it holds, or as JSON. */
void cli_options_configfile(const struct cli_options *o, bool json);
void cli_options_clear(struct cli_options *o);

#endif
