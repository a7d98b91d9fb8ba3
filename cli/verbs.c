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
    { "gateway", verb_gateway, "run a gateway; gateway add|list|remove" },
    { "device", verb_device, "run devices; device import|add|list|revoke" },
    { "relay", verb_relay, "run a relay into a network without multicast" },
    { "group", verb_group,
      "group create|add|remove|list|show|rotate|explain|trace" },
    { "push", verb_push, "send a file to a group and watch it arrive" },
    { "tell", verb_tell, "send a short command to a group, run by its hooks" },
    { "speaker", verb_speaker, "speaker add|remove|list: who may say alerts" },
    { "alert", verb_alert, "have a running gateway or device say something" },
    { "watch", verb_watch, "watch a campaign" },
    { "report", verb_report, "who has it, who has not, and why" },
    { "pause", verb_pause, "halt a campaign" },
    { "resume", verb_resume, "go on with a campaign" },
    { "cancel", verb_cancel, "call a campaign off" },
    { "key", verb_key, "key list: ids, kinds, generations, holders" },
    { "sim", verb_sim, "try a campaign on a simulated fleet" },
    { "tree", verb_tree, "messages over many hops, acknowledged" },
    { "decode", verb_decode, "any message of the wire as text" },
    { "configfile", verb_configfile, "a commented configuration file" },
    { "version", verb_version, "print the version" },
    { NULL, NULL, NULL },
};

/* --help or --json alone; false for anything else. */
static bool verbs_option(int argc, char **argv, bool *help, bool *json)
{
    *help = argc == 2 && strcmp(argv[1], "--help") == 0;
    *json = argc == 2 && strcmp(argv[1], "--json") == 0;
    return argc == 1 || *help || *json;
}

int verb_version(int argc, char **argv)
{
    bool help, json;

    if (!verbs_option(argc, argv, &help, &json)) {
        fputs("try: muster version --help\n", stderr);
        return 1;
    }
    if (help)
        printf("muster version - print the version\n\n"
               "usage: muster version [--json]\n");
    else if (json)
        printf("{\"version\": \"%s\"}\n", MU_VERSION);
    else
        printf("muster %s\n", MU_VERSION);
    return 0;
}

#define CONFIGFILE_USAGE                                                       \
    "usage: muster configfile serve|gateway|device|relay [--json] > FILE\n"

int verb_configfile(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(bool json);
    } programs[] = {
        { "serve", cli_serve_configfile }, { "gateway", cli_gateway_configfile },
        { "device", cli_device_configfile }, { "relay", cli_relay_configfile },
    };
    bool help = false, json = false;

    for (int i = 1; i < argc; i++)
        help = help || strcmp(argv[i], "--help") == 0;
    if (help) {
        printf("muster configfile - a commented configuration file\n\n"
               CONFIGFILE_USAGE);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < sizeof(programs) / sizeof(programs[0]);
         i++) {
        if (strcmp(argv[1], programs[i].name) != 0 ||
            !verbs_option(argc - 1, argv + 1, &help, &json))
            continue;
        programs[i].print(json);
        return 0;
    }
    fputs(CONFIGFILE_USAGE, stderr);
    return 1;
}
