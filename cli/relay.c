/* SPDX-License-Identifier: Apache-2.0 */
/* muster relay: carries a cast into a network that multicast does not reach. */
#include "cli/run.h"
#include "cli/verbs.h"
#include "net/relay.h"

struct relay_args {
    struct mu_relay_conf conf;
    const char *log;
    uint32_t drop_in, seed;
};

#define RELAY_OPTIONS 16

static void relay_table(struct relay_args *a,
                        struct cli_option table[RELAY_OPTIONS])
{
    struct mu_relay_conf *c = &a->conf;
    const struct cli_option lines[] = {
        { "id", CLI_TEXT, &c->identity, 0, 0, "ID", "identity", false },
        { "key-file", CLI_TEXT, &c->key_file, 0, 0, "FILE",
          "mode 0600: the key it shares with the sender in hex, or a CSV of "
          "identity,key", false },
        { "from", CLI_TEXT, &c->from, 0, 0, "HOST:PORT",
          "where the server or gateway listens for relays", false },
        { "iface", CLI_TEXT, &c->iface, 0, 0, "IF",
          "interface of multicast", false },
        { "hops", CLI_NUMBER, &c->hops, 0, 255, "N",
          "TTL or hop limit of multicast", false },
        { "drop-in", CLI_NUMBER, &a->drop_in, 0, 100, "PERCENT",
          "for tests: lose so much of what comes through the tunnel", false },
        { "seed", CLI_NUMBER, &a->seed, 0, UINT32_MAX, "N",
          "for tests: where the dice of the losses start", false },
        { "json", CLI_FLAG, &c->json, 0, 0, "",
          "status as lines of JSON on standard output", false },
        { "log", CLI_TEXT, &a->log, 0, 0, "LEVEL",
          "error, warn, info, debug or trace, on standard error", false },
        { 0 },
    };

    _Static_assert(sizeof(lines) / sizeof(lines[0]) <= RELAY_OPTIONS,
                   "the table has room for its lines");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        table[i] = lines[i];
}

static void relay_defaults(struct relay_args *a)
{
    *a = (struct relay_args){
        .conf = { .hops = 1 }, .log = "info", .seed = 1,
    };
}

static struct cli_options relay_options(struct cli_option *table)
{
    return (struct cli_options){
        .verb = "relay", .about = "carries a cast into a network that multicast "
                                  "does not reach", .table = table,
    };
}

void cli_relay_configfile(bool json)
{
    struct relay_args a;
    struct cli_option table[RELAY_OPTIONS];
    struct cli_options o = relay_options(table);

    relay_defaults(&a);
    relay_table(&a, table);
    cli_options_configfile(&o, json);
}

int verb_relay(int argc, char **argv)
{
    struct relay_args a;
    struct cli_option table[RELAY_OPTIONS];
    struct cli_options o = relay_options(table);
    int code = 1;

    relay_defaults(&a);
    relay_table(&a, table);
    enum cli_parse parsed = cli_options_parse(&o, argc, argv);

    if (parsed == CLI_PARSE_DONE)
        code = 0;
    else if (parsed == CLI_PARSE_RUN &&
             cli_run_wants("relay", "id", a.conf.identity) &&
             cli_run_wants("relay", "key-file", a.conf.key_file) &&
             cli_run_wants("relay", "from", a.conf.from) &&
             cli_run_prepare("relay", a.log)) {
        a.conf.drop_in = a.drop_in;
        a.conf.seed = a.seed;
        code = mu_relay_run(&a.conf);
    }
    cli_options_clear(&o);
    return code;
}
