/* SPDX-License-Identifier: Apache-2.0 */
/* muster device: runs devices, or talks to the server about them. */
#include "cli/client.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "muster/listener.h"
#include "net/device.h"

struct device_args {
    struct mu_device_run_conf conf;
    const char *log;
    const char *listens;
    uint32_t seed;
};

#define DEVICE_OPTIONS 57

static void device_table(struct device_args *a,
                         struct cli_option table[DEVICE_OPTIONS])
{
    struct mu_device_run_conf *c = &a->conf;
    const struct cli_option lines[] = {
        { "id", CLI_TEXT, &c->identity, 0, 0, "ID",
          "identity; with --count, \"dev-%d\" counts from 1", false },
        { "key-file", CLI_TEXT, &c->key_file, 0, 0, "FILE",
          "mode 0600: the root key in hex, or a CSV of identity,key", false },
        { "gateway", CLI_TEXT, &c->gateway, 0, 0, "HOST:PORT",
          "where the gateway listens", false },
        { "state", CLI_TEXT, &c->state_dir, 0, 0, "DIR",
          "journal and slot; with --count one directory each in it", false },
        { "count", CLI_NUMBER, &c->count, 0, 4096, "N",
          "so many virtual devices; without --id the first rows of the CSV",
          false },
        { "iface", CLI_TEXT, &c->iface, 0, 0, "IF",
          "interface of the area network's multicast", false },
        { "object-max-kib", CLI_NUMBER, &c->object_max, 1, 4194303, "KIB",
          "the largest object that the slot holds", false },
        { "page-memory-kib", CLI_NUMBER, &c->page_memory, 1, 1024, "KIB",
          "memory for the page in progress", false },
        { "key-memory", CLI_NUMBER, &c->key_memory, 0, 8192, "BYTES",
          "memory for a group's rekeying state; 0: keys are fetched", false },
        { "hook", CLI_TEXT, &c->body.hook, 0, 0, "CMD",
          "installs: $1 the file, $2 its name, $3 the version", false },
        { "confirm-hook", CLI_TEXT, &c->body.confirm_hook, 0, 0, "CMD",
          "exits 0 when the new version runs", false },
        { "command-hook", CLI_TEXT, &c->body.command_hook, 0, 0, "CMD",
          "runs what its group is told: $1 a file with it", false },
        { "alert-hook", CLI_TEXT, &c->body.alert_hook, 0, 0, "CMD",
          "hears what speakers say: $1 a file with it, $2 who is proved to",
          false },
        { "streams", CLI_NUMBER, &c->streams, 0, MU_LISTENER_STREAMS_MAX, "N",
          "speakers with a chain that it follows at once; 0: it is deaf to all",
          false },
        CLI_SPEAK_OPTIONS("speak", c),
        { "hook-timeout-ms", CLI_NUMBER, &c->body.hook_timeout_ms, 10, 86400000,
          "MS", "time for a hook before it is killed", false },
        { "key-exchange", CLI_TEXT, &c->key_exchange, 0, 0, "METHOD",
          "how its keys come: psk, rsa, rsa-r, dhsign or dhmac, and by no "
          "other", false },
        { "key-protocols", CLI_TEXT, &c->key_protocols, 0, 0, "LIST",
          "what the exchange keys: oscore,hop,mbms; all of them, and with psk "
          "there is none without this", false },
        CLI_CERTIFICATE_OPTIONS(&c->exchange, "the device; %d is its number"),
        { "listens", CLI_TEXT, &a->listens, 0, 0, "W/P",
          "its radio is on W seconds of every P, and when it waits for an "
          "answer; not with --mesh", false },
        { "mesh", CLI_TEXT, &c->mesh.listen, 0, 0, "HOST:PORT",
          "passes objects on to neighbours, and takes them from them", false },
        { "neighbours", CLI_TEXT, &c->mesh.neighbours, 0, 0, "HOST:PORT,...",
          "where they listen with --mesh; others are not heard", false },
        { "mesh-rate", CLI_NUMBER, &c->mesh.rate, 1000, 100000000, "BYTES",
          "a second that it sends to neighbours at most", false },
        { "mesh-payload", CLI_NUMBER, &c->mesh.payload, 64, 1472, "BYTES",
          "of a manifest's packets, the same in the area", false },
        { "mesh-only", CLI_FLAG, &c->mesh.only, 0, 0, "",
          "out of reach of the gateway's cast: neighbours bring it all", false },
        CLI_DROP_OPTIONS(&c->body, &a->seed),
        CLI_RUN_OPTIONS(&c->body, &a->log),
        { 0 },
    };

    _Static_assert(sizeof(lines) / sizeof(lines[0]) <= DEVICE_OPTIONS,
                   "the table has room for its lines");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        table[i] = lines[i];
}

static void device_defaults(struct device_args *a)
{
    *a = (struct device_args){ .log = "info", .seed = 1 };
    a->conf = (struct mu_device_run_conf){
        .object_max = 65536, .page_memory = 256, .key_memory = 4096,
        .streams = 4, .alert_copies = 3, .alert_interval_ms = 1000,
        .key_exchange = "psk",
        .body = mu_body_defaults,
        .mesh = { .neighbours = "", .rate = 250000, .payload = 1024 },
    };
}

/* Neighbours send when they like. */
static bool device_sleeps_alone(const struct device_args *a)
{
    if (a->conf.listens.period_s == 0 || a->conf.mesh.listen == NULL)
        return true;
    fputs("muster device: --listens does not go with --mesh: neighbours send at "
          "any time\n", stderr);
    return false;
}

static struct cli_options device_options(struct cli_option *table)
{
    return (struct cli_options){
        .verb = "device", .about = "runs a device, or many", .table = table,
        .also = "muster device import|add|list|revoke; muster device import "
                "--help",
    };
}

void cli_device_configfile(bool json)
{
    struct device_args a;
    struct cli_option table[DEVICE_OPTIONS];
    struct cli_options o = device_options(table);

    device_defaults(&a);
    device_table(&a, table);
    cli_options_configfile(&o, json);
}

int verb_device(int argc, char **argv)
{
    struct device_args a;
    struct cli_option table[DEVICE_OPTIONS];
    struct cli_options o = device_options(table);
    int code = 1;

    if (argc > 1 && argv[1][0] != '-')
        return verb_admin_device(argc, argv);
    device_defaults(&a);
    device_table(&a, table);
    enum cli_parse parsed = cli_options_parse(&o, argc, argv);

    if (parsed == CLI_PARSE_DONE)
        code = 0;
    else if (parsed == CLI_PARSE_RUN &&
             cli_run_wants("device", "key-file", a.conf.key_file) &&
             cli_run_wants("device", "gateway", a.conf.gateway) &&
             cli_run_wants("device", "state", a.conf.state_dir) &&
             cli_run_scheme("device", a.conf.scheme) &&
             cli_run_listens("device", a.listens, &a.conf.listens) &&
             device_sleeps_alone(&a) &&
             cli_run_prepare("device", a.log)) {
        a.conf.body.seed = a.seed;
        code = mu_device_run(&a.conf);
    }
    cli_options_clear(&o);
    return code;
}
