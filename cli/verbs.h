/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `muster`: the one table, and the programs that run long. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdbool.h>

struct cli_verb {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
    const char *help;                  /* one line */
};

extern const struct cli_verb cli_verbs[]; /* ends with name NULL */

int verb_serve(int argc, char **argv);
int verb_gateway(int argc, char **argv);
int verb_device(int argc, char **argv);
int verb_relay(int argc, char **argv);
int verb_tree(int argc, char **argv);
int verb_alert(int argc, char **argv);
int verb_configfile(int argc, char **argv);
int verb_version(int argc, char **argv);

/* The commented file of one of them, or its values as JSON. */
void cli_serve_configfile(bool json);
void cli_gateway_configfile(bool json);
void cli_device_configfile(bool json);
void cli_relay_configfile(bool json);

#endif
