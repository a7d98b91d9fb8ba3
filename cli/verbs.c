/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. A new one is a line here and a file beside this one. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/decode.h"
#include "cli/sim.h"
#include "muster/version.h"

const struct cli_verb cli_verbs[] = {
    { "serve", verb_serve, "run the server" },
    { "gateway", verb_gateway, "run a gateway; gateway add|list" },
    { "device", verb_device, "run devices; device import|add|list|revoke" },
    { "relay", verb_relay, "run a relay into a network without multicast" },
    { "group", verb_group, "group create|add|remove|list|show|rotate" },
    { "push", verb_push, "send a file to a group and watch it arrive" },
    { "watch", verb_watch, "watch a campaign" },
    { "report", verb_report, "who has it, who has not, and why" },
    { "pause", verb_pause, "halt a campaign" },
    { "resume", verb_resume, "go on with a campaign" },
    { "cancel", verb_cancel, "call a campaign off" },
    { "key", verb_key, "key list: ids, kinds, generations, holders" },
    { "sim", verb_sim, "try a campaign on a simulated fleet" },
    { "tree", verb_tree, "messages over many hops, acknowledged" },
    { "decode", verb_decode, "any message of the wire as text" },
    { "configfile", verb_configfile, "configfile serve|gateway|device|relay" },
    { "version", verb_version, "print the version" },
    { NULL, NULL, NULL },
};

int verb_version(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        printf("muster version - print the version\n\n"
               "usage: muster version [--json]\n");
    else if (argc == 2 && strcmp(argv[1], "--json") == 0)
        printf("{\"version\": \"%s\"}\n", MU_VERSION);
    else
        printf("muster %s\n", MU_VERSION);
    return 0;
}

int verb_configfile(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (strcmp(what, "serve") == 0) {
        cli_serve_configfile();
    } else if (strcmp(what, "gateway") == 0) {
        cli_gateway_configfile();
    } else if (strcmp(what, "device") == 0) {
        cli_device_configfile();
    } else if (strcmp(what, "relay") == 0) {
        cli_relay_configfile();
    } else if (strcmp(what, "--help") == 0) {
        printf("muster configfile - a commented configuration file\n\n"
               "usage: muster configfile serve|gateway|device|relay > FILE\n");
    } else {
        fprintf(stderr, "usage: muster configfile serve|gateway|device|relay\n");
        return 1;
    }
    return 0;
}
